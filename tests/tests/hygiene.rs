//! Generated code stands in its user's crate under its user's lints: it must give rise to no
//! warning, not of the strictest lints either, and use nothing that a prelude brings.
#![deny(warnings, unsafe_code, clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
#![deny(
    unused_qualifications,
    trivial_casts,
    trivial_numeric_casts,
    unused_lifetimes,
    single_use_lifetimes
)]
#![deny(let_underscore_drop, unused_results, keyword_idents)]
#![no_implicit_prelude]

use ::std::fmt::Debug;
use ::std::prelude::v1::{Clone, Copy, PartialEq, derive, test};
use ::std::{assert, assert_eq};

use ::fsm_runtime::Machine;

/// A machine with a word for everything, under every lint.
#[derive(Machine, Debug, Clone, PartialEq)]
#[machine(plain, context = Shelf, input = Wish<'_>, max_size = 16)]
#[outcome(Move: Empty | Stocked "some")]
#[group(Full: Stocked, Overflowing; on(Count => count(items)), ignores(Look))]
#[on(Burn(_) -> Ashes)]
pub enum Stock {
    /// Nothing there.
    #[initial]
    #[enter(sigh)]
    #[on(Add(label) => add(label) -> Move | Stay)]
    #[on(Look | Count => look)]
    Empty,

    /// Something there.
    #[leave(sort(items))]
    #[on(Add(label) => pile(items, label) -> Overflowing | Stay)]
    Stocked {
        /// How many.
        items: u32,
    },

    /// Too much there.
    #[on(Add(_) => drop_one(items) -> Move)]
    Overflowing {
        /// How many.
        items: u32,
        /// How far over the edge.
        over: u32,
    },

    /// Nothing left.
    #[terminal]
    Ashes,
}

/// What is wished of a shelf.
#[derive(Debug, Clone, Copy)]
pub enum Wish<'a> {
    /// One more.
    Add(&'a str),
    /// Just looking.
    Look,
    /// How many are there?
    Count,
    /// The end, of so many.
    Burn(u32),
}

/// Where things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Shelf {
    looks: u32,
}

impl Shelf {
    fn sigh(&mut self) {
        self.looks += 100;
    }

    fn add(&mut self, label: &str) -> StockAdd {
        self.looks += 1;
        match label {
            "" => StockAdd::Stay,
            "nothing" => StockAdd::Move(StockMove::Empty),
            _ => StockAdd::Move(StockMove::Stocked { items: 1 }),
        }
    }

    fn look(&mut self) {
        self.looks += 1;
    }

    fn count(&mut self, items: &mut u32) {
        self.looks += *items;
    }

    fn sort(&mut self, items: &mut u32) {
        self.looks += *items;
    }

    fn pile(&mut self, items: &mut u32, label: &str) -> StockPile {
        self.looks += 1;
        *items += 1;
        match label {
            "large" => StockPile::Overflowing { items: *items, over: 1 },
            _ => StockPile::Stay,
        }
    }

    fn drop_one(&mut self, items: u32) -> StockMove {
        self.looks += 1;
        if items > 1 { StockMove::Stocked { items: items - 1 } } else { StockMove::Empty }
    }
}

#[test]
fn it_runs_as_well() {
    let mut stock = Stock::initial();
    let mut shelf = Shelf { looks: 0 };
    for label in ["", "nothing", "tea", "tea", "large"] {
        stock.handle(&mut shelf, Wish::Add(label));
    }
    assert_eq!(stock, Stock::Overflowing { items: 3, over: 1 });
    stock.handle(&mut shelf, Wish::Look);
    stock.handle(&mut shelf, Wish::Count);
    stock.handle(&mut shelf, Wish::Add("tea"));
    assert_eq!(stock, Stock::Stocked { items: 2 });
    stock.handle(&mut shelf, Wish::Burn(1));
    assert_eq!(stock, Stock::Ashes);
    assert!(shelf.looks > 100);
}
