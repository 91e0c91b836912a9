//! The initial state is a terminal one.
use fsm_runtime::Machine;

struct Hinge;

#[derive(Machine)]
#[machine(context = Hinge)]
enum Door {
    #[initial]
    #[terminal]
    Shut,
}

fn main() {}
