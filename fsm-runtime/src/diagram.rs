//! A table as people look at it: in full for review, as a drawing, and for Mermaid.
//!
//! It knows [`table`](crate::table) and nothing else, allocates nothing, and writes the same text
//! for the same table on every system, so that the text can be kept under version control.

mod drawing;
mod matrix;
mod mermaid;
mod text;

use core::fmt::Display;

use crate::table::Table;

/// What it looks like.
impl Table {
    /// The whole table as text, to be kept beside the code and reviewed when it changes.
    ///
    /// A state's line says what the runtime watches for in it. Below stands every event with its
    /// action and where it leads; the last column names who wrote a row that is not the state's
    /// own.
    ///
    /// ```
    /// use fsm_runtime::Machine;
    ///
    /// #[derive(Machine)]
    /// #[machine(plain, context = Till, input = Hand)]
    /// #[on(Push -> Locked)]
    /// enum Turnstile {
    ///     #[initial]
    ///     #[on(Coin => take -> Open "paid" | Stay)]
    ///     Locked,
    ///     #[ignores(Coin)]
    ///     Open,
    /// }
    ///
    /// enum Hand { Coin, Push }
    ///
    /// struct Till { coins: u32 }
    ///
    /// impl Till {
    ///     fn take(&mut self) -> TurnstileTake {
    ///         self.coins += 1;
    ///         if self.coins % 2 == 0 { TurnstileTake::Open } else { TurnstileTake::Stay }
    ///     }
    /// }
    ///
    /// assert_eq!(Turnstile::TABLE.matrix().to_string(), "\
    /// Turnstile  plain, input Hand
    ///
    /// Locked  initial
    ///   Coin  take  -> Open \"paid\" | Stay
    ///   Push        -> Locked              every state
    ///
    /// Open
    ///   Coin        ignored
    ///   Push        -> Locked              every state
    /// ");
    /// ```
    #[must_use]
    pub const fn matrix(&self) -> impl Display {
        matrix::Matrix(self)
    }

    /// A drawing of states and edges, for terminals and READMEs.
    ///
    /// The machine begins at `●`; `◉` is a terminal state and `⊗` one that aborts. Every event
    /// hangs below its state, and a line leads from it to the state it enters; where several lead
    /// away, the action chooses. `↻` stays, and a line that crosses another at `┼` passes it by.
    ///
    /// A row that states share is drawn once, below its group or below `every state`, and a state's
    /// own row wins over it. `lost` and `error` are left out where no row speaks of them. Of more
    /// than 24 states every edge names its target, as so many lines would be a maze.
    ///
    /// ```
    /// # use fsm_runtime::Machine;
    /// #
    /// # #[derive(Machine)]
    /// # #[machine(plain, context = Till, input = Hand)]
    /// # #[on(Push -> Locked)]
    /// # enum Turnstile {
    /// #     #[initial]
    /// #     #[on(Coin => take -> Open "paid" | Stay)]
    /// #     Locked,
    /// #     #[ignores(Coin)]
    /// #     Open,
    /// # }
    /// #
    /// # enum Hand { Coin, Push }
    /// #
    /// # struct Till { coins: u32 }
    /// #
    /// # impl Till {
    /// #     fn take(&mut self) -> TurnstileTake {
    /// #         self.coins += 1;
    /// #         if self.coins % 2 == 0 { TurnstileTake::Open } else { TurnstileTake::Stay }
    /// #     }
    /// # }
    /// #
    /// // The turnstile of `Table::matrix`.
    /// assert_eq!(Turnstile::TABLE.diagram().to_string(), "\
    /// ● Locked ◄──────────╮
    /// ╰─┬ Coin \"paid\" ──╮ │
    ///   ╰─ ↻            │ │
    ///                   │ │
    /// ○ Open ◄──────────╯ │
    ///                     │
    /// □ every state       │
    /// ╰── Push ───────────╯
    /// ");
    /// ```
    #[must_use]
    pub const fn diagram(&self) -> impl Display {
        drawing::Drawing(self)
    }

    /// The same drawing for [Mermaid](https://mermaid.js.org), which many hosts of code show as a
    /// picture: a `stateDiagram-v2` with one arrow from a state to another, whatever leads along
    /// it.
    ///
    /// ```
    /// # use fsm_runtime::Machine;
    /// #
    /// # #[derive(Machine)]
    /// # #[machine(plain, context = Till, input = Hand)]
    /// # #[on(Push -> Locked)]
    /// # enum Turnstile {
    /// #     #[initial]
    /// #     #[on(Coin => take -> Open "paid" | Stay)]
    /// #     Locked,
    /// #     #[ignores(Coin)]
    /// #     Open,
    /// # }
    /// #
    /// # enum Hand { Coin, Push }
    /// #
    /// # struct Till { coins: u32 }
    /// #
    /// # impl Till {
    /// #     fn take(&mut self) -> TurnstileTake {
    /// #         self.coins += 1;
    /// #         if self.coins % 2 == 0 { TurnstileTake::Open } else { TurnstileTake::Stay }
    /// #     }
    /// # }
    /// #
    /// // The turnstile of `Table::matrix`.
    /// assert_eq!(Turnstile::TABLE.mermaid().to_string(), "\
    /// stateDiagram-v2
    ///     [*] --> Locked
    ///     Locked --> Locked : ↻ Coin<br>Push
    ///     Locked --> Open : Coin \"paid\"
    ///     Open --> Locked : Push
    /// ");
    /// ```
    #[must_use]
    pub const fn mermaid(&self) -> impl Display {
        mermaid::Mermaid(self)
    }
}
