//! Ways to end: what runs, and how often.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fsm_runtime::table::Origin;
use fsm_runtime::testing::Driver;
use fsm_runtime::{Io, Lines, Machine};

/// A guest whose seat must be given back whatever happens.
#[derive(Machine, Debug, PartialEq)]
#[machine(context = Guest, input = Lines<'_>, shared = Seats)]
enum Visit {
    #[initial]
    #[on(Line(line) => order(line)? -> Eating | Left | Stay)]
    #[on(TooLong | eof | shutdown -> Left)]
    #[after(1min without input -> Left)]
    #[leave(fold_menu)]
    Choosing,

    #[on(Line(_) => spill(dish) -> Thrown)]
    #[on(TooLong => faint(dish) -> Choosing)]
    #[on(eof | shutdown -> Left)]
    #[after(1h -> Left)]
    #[leave(clear(table))]
    Eating { dish: String, table: u8 },

    #[terminal]
    #[enter(free_seat)]
    Left,

    #[terminal(abort)]
    #[enter(free_seat_too)]
    Thrown,
}

#[derive(Default)]
struct Seats {
    freed: usize,
}

#[derive(Default)]
struct Guest {
    did: Vec<String>,
}

impl Guest {
    fn order(&mut self, line: &[u8], _io: &mut Io<'_, Visit>) -> io::Result<VisitOrder> {
        match line {
            b"poison\n" => Err(io::Error::other("poison")),
            b"nothing\n" => Ok(VisitOrder::Left),
            b"panic\n" => panic!("a fly in the menu"),
            b"soup\n" => Ok(VisitOrder::Eating { dish: "soup".into(), table: 7 }),
            _ => Ok(VisitOrder::Stay),
        }
    }

    fn spill(&mut self, dish: String, _io: &mut Io<'_, Visit>) {
        self.did.push(format!("spill {dish}"));
    }

    fn faint(&mut self, dish: String, _io: &mut Io<'_, Visit>) {
        panic!("a fly in the {dish}");
    }

    fn fold_menu(&mut self, _io: &mut Io<'_, Visit>) {
        self.did.push("fold menu".into());
    }

    fn clear(&mut self, table: &mut u8, _io: &mut Io<'_, Visit>) {
        self.did.push(format!("clear table {table}"));
    }

    fn free_seat(&mut self, io: &mut Io<'_, Visit>) {
        io.shared.freed += 1;
    }

    fn free_seat_too(&mut self, io: &mut Io<'_, Visit>) {
        io.shared.freed += 10;
    }
}

fn guest() -> Driver<Visit> {
    Driver::new(Guest::default())
}

/// The state, what was done, and the seats freed.
fn end(mut driver: Driver<Visit>) -> (&'static str, String, usize) {
    (driver.state(), driver.context().did.join(", "), driver.shared().freed)
}

#[test]
fn a_row_ends_a_connection() {
    let mut driver = guest();
    driver.input(b"nothing\nsoup\n");
    assert_eq!(end(driver), ("Left", "fold menu".into(), 1));
}

#[test]
fn a_connection_may_end_in_two_ways() {
    let mut driver = guest();
    driver.input(b"soup\nmore\n");
    assert_eq!(end(driver), ("Thrown", "fold menu, spill soup, clear table 7".into(), 10));
}

#[test]
fn a_failure_leads_to_the_first_terminal_state() {
    let mut driver = guest();
    driver.input(b"poison\n");
    assert_eq!(end(driver), ("Left", "fold menu".into(), 1));
}

#[test]
fn a_lost_socket_leads_to_the_first_terminal_state() {
    let mut driver = guest();
    driver.input(b"soup\n");
    driver.lost(io::ErrorKind::BrokenPipe.into());
    assert_eq!(end(driver), ("Left", "fold menu, clear table 7".into(), 1));
}

#[test]
fn what_happens_after_the_end_happens_to_nobody() {
    let mut driver = guest();
    driver.end_of_input();
    driver.lost(io::ErrorKind::BrokenPipe.into());
    driver.shutdown();
    driver.input(b"soup\n");
    assert_eq!(end(driver), ("Left", "fold menu".into(), 1));
}

#[test]
fn the_table_lists_the_defaults() {
    let defaults_of = |state: usize| {
        let rows = Visit::TABLE.states[state].rows;
        let defaults = rows.iter().filter(|row| row.origin == Origin::Default);
        defaults.map(|row| row.pattern).collect::<Vec<_>>()
    };
    assert_eq!(defaults_of(0), ["lost", "error"]);
    // Nothing that `Eating` does can fail.
    assert_eq!(defaults_of(1), ["lost"]);
    assert!(Visit::TABLE.states[2].rows.is_empty());
}

#[test]
fn data_that_was_out_when_an_action_panicked_leaves_a_closed_connection() {
    let mut driver = guest();
    driver.input(b"soup\n");
    let panicked = catch_unwind(AssertUnwindSafe(|| driver.input(&[b'x'; 70_000])));
    assert!(panicked.is_err());
    assert_eq!(driver.state(), "Left");
}
