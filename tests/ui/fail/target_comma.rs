//! A comma between the targets of a row.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push => push -> Open, Stay)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

impl Hinge {
    fn push(&mut self) -> DoorPush {
        DoorPush::Open
    }
}

fn main() {}
