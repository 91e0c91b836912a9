//! The data of states: lent where the row can stay, moved where it cannot, carried where the table
//! says so.

use fsm_runtime::Machine;

/// Owned data that cannot be copied, so that every move shows.
#[derive(Debug, PartialEq)]
struct Cargo(String);

/// A ship that loads, sails and unloads.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Harbour, input = Order)]
enum Ship {
    #[initial]
    #[on(Load(cargo) => load(cargo) -> Loaded)]
    #[ignores(Sail, Storm, Rename, Unload)]
    Empty,

    #[on(Load(more) => stow(cargo, more))]
    #[on(Sail => chart(days) -> Sailing { cargo, .. })]
    #[on(Storm => lighten(cargo) -> Empty | Stay)]
    #[on(Unload => unload(cargo, days) -> Empty)]
    #[ignores(Rename)]
    Loaded { cargo: Cargo, days: u32 },

    #[on(Storm => drift(days))]
    #[on(Sail -> Anchored { cargo, days })]
    #[on(Rename => rename(cargo) -> Sailing { days, .. })]
    #[on(Unload => jettison(cargo) -> Sunk)]
    #[ignores(Load)]
    Sailing { cargo: Cargo, days: u32, heading: u16 },

    #[on(Unload => land(0, 1) -> Empty)]
    #[on(Rename => longer(1))]
    #[ignores(Load, Sail, Storm)]
    Berthed(Cargo, u32),

    #[on(Sail => berth(cargo, days) -> Berthed)]
    #[ignores(Load, Storm, Rename, Unload)]
    Anchored { days: u32, cargo: Cargo },

    #[terminal]
    Sunk,
}

enum Order {
    Load(Cargo),
    Sail,
    Storm,
    Rename,
    Unload,
}

#[derive(Default)]
struct Harbour {
    landed: Vec<Cargo>,
    days: u32,
}

impl Harbour {
    fn load(&mut self, cargo: Cargo) -> ShipLoad {
        ShipLoad::Loaded { cargo, days: 1 }
    }

    fn stow(&mut self, cargo: &mut Cargo, more: Cargo) {
        cargo.0 += &more.0;
    }

    fn chart(&mut self, days: u32) -> ShipChart {
        ShipChart::Sailing { days: days + 1, heading: 90 }
    }

    fn lighten(&mut self, cargo: &mut Cargo) -> ShipLighten {
        let half = cargo.0.len() / 2;
        self.landed.push(Cargo(cargo.0.split_off(half)));
        if cargo.0.is_empty() { ShipLighten::Empty } else { ShipLighten::Stay }
    }

    fn unload(&mut self, cargo: Cargo, days: u32) {
        self.landed.push(cargo);
        self.days += days;
    }

    fn drift(&mut self, days: &mut u32) {
        *days += 10;
    }

    fn rename(&mut self, cargo: Cargo) -> ShipRename {
        ShipRename::Sailing { cargo: Cargo(cargo.0.to_uppercase()), heading: 0 }
    }

    fn jettison(&mut self, cargo: Cargo) {
        drop(cargo);
    }

    fn berth(&mut self, cargo: Cargo, days: u32) -> ShipBerth {
        ShipBerth::Berthed(cargo, days)
    }

    fn longer(&mut self, days: &mut u32) {
        *days += 1;
    }

    fn land(&mut self, cargo: Cargo, days: u32) {
        self.landed.push(cargo);
        self.days += days;
    }
}

fn cargo(name: &str) -> Cargo {
    Cargo(name.to_owned())
}

fn after(orders: impl IntoIterator<Item = Order>) -> (Ship, Harbour) {
    let mut ship = Ship::initial();
    let mut harbour = Harbour::default();
    for order in orders {
        ship.handle(&mut harbour, order);
    }
    (ship, harbour)
}

fn sailing() -> [Order; 2] {
    [Order::Load(cargo("tea")), Order::Sail]
}

#[test]
fn what_the_event_owns_moves_into_the_state() {
    let (ship, _) = after([Order::Load(cargo("tea"))]);
    assert_eq!(ship, Ship::Loaded { cargo: cargo("tea"), days: 1 });
}

#[test]
fn a_row_that_stays_lends_the_fields() {
    let (ship, _) = after([Order::Load(cargo("tea")), Order::Load(cargo("silk"))]);
    assert_eq!(ship, Ship::Loaded { cargo: cargo("teasilk"), days: 1 });
}

#[test]
fn a_row_that_can_stay_lends_them_too() {
    let (ship, harbour) = after([Order::Load(cargo("ab")), Order::Storm]);
    assert_eq!(ship, Ship::Loaded { cargo: cargo("a"), days: 1 });
    assert_eq!(harbour.landed, [cargo("b")]);
    assert_eq!(after([Order::Load(cargo("a")), Order::Storm]).0, Ship::Empty);
}

#[test]
fn a_row_that_leaves_moves_the_fields_out() {
    let (ship, harbour) = after([Order::Load(cargo("tea")), Order::Unload]);
    assert_eq!(ship, Ship::Empty);
    assert_eq!((harbour.landed, harbour.days), (vec![cargo("tea")], 1));
}

#[test]
fn a_target_carries_fields_and_the_action_answers_the_rest() {
    let (ship, _) = after(sailing());
    assert_eq!(ship, Ship::Sailing { cargo: cargo("tea"), days: 2, heading: 90 });
}

#[test]
fn a_target_that_carries_everything_needs_no_action() {
    let (ship, _) = after(sailing().into_iter().chain([Order::Sail]));
    assert_eq!(ship, Ship::Anchored { days: 2, cargo: cargo("tea") });
}

#[test]
fn a_state_that_enters_itself_keeps_only_what_it_carries() {
    let (ship, _) = after(sailing().into_iter().chain([Order::Storm, Order::Rename]));
    assert_eq!(ship, Ship::Sailing { cargo: cargo("TEA"), days: 12, heading: 0 });
}

#[test]
fn the_fields_of_a_tuple_are_named_by_their_places() {
    let berthed = || sailing().into_iter().chain([Order::Sail, Order::Sail, Order::Rename]);
    assert_eq!(after(berthed()).0, Ship::Berthed(cargo("tea"), 3));
    let (ship, harbour) = after(berthed().chain([Order::Unload]));
    assert_eq!((ship, harbour.landed, harbour.days), (Ship::Empty, vec![cargo("tea")], 3));
}

#[test]
fn data_moves_into_a_terminal_state_s_row_as_well() {
    assert_eq!(after(sailing().into_iter().chain([Order::Unload])).0, Ship::Sunk);
}

#[test]
fn the_table_names_the_fields() {
    let fields = |state: usize| Ship::TABLE.states[state].fields;
    assert_eq!(fields(0), [""; 0]);
    assert_eq!(fields(2), ["cargo", "days", "heading"]);
    assert_eq!(fields(3), ["0", "1"]);
}

#[test]
fn a_machine_is_as_large_as_its_enum() {
    #[expect(dead_code, reason = "only its size is looked at")]
    enum Bare {
        Empty,
        Loaded { cargo: Cargo, days: u32 },
        Sailing { cargo: Cargo, days: u32, heading: u16 },
        Berthed(Cargo, u32),
        Anchored { days: u32, cargo: Cargo },
        Sunk,
    }
    assert_eq!(size_of::<Ship>(), size_of::<Bare>());
    assert_eq!(size_of::<Option<Ship>>(), size_of::<Option<Bare>>());
}

/// A bomb that goes off while the state's data is out of the machine.
#[derive(Machine, Debug, PartialEq)]
#[machine(plain, context = Fuse, input = Spark)]
enum Bomb {
    #[initial]
    #[on(Lit => arm -> Armed)]
    #[ignores(Doused)]
    Safe,
    #[on(Lit => explode(charge) -> Safe)]
    #[on(Doused -> Gone)]
    Armed { charge: Cargo },
    #[terminal]
    Gone,
}

enum Spark {
    Lit,
    Doused,
}

struct Fuse;

impl Fuse {
    fn arm(&mut self) -> BombArm {
        BombArm::Armed { charge: cargo("powder") }
    }

    fn explode(&mut self, charge: Cargo) {
        panic!("{} exploded", charge.0);
    }
}

#[test]
fn a_panic_while_data_is_moved_out_leaves_the_terminal_state() {
    let mut bomb = Bomb::initial();
    bomb.handle(&mut Fuse, Spark::Lit);
    let boom = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        bomb.handle(&mut Fuse, Spark::Lit);
    }));
    assert!(boom.is_err());
    assert_eq!(bomb, Bomb::Gone);
}

#[test]
fn data_that_no_row_takes_is_dropped_with_its_state() {
    let mut bomb = Bomb::initial();
    bomb.handle(&mut Fuse, Spark::Lit);
    bomb.handle(&mut Fuse, Spark::Doused);
    assert_eq!(bomb, Bomb::Gone);
}
