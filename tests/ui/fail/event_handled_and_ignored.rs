//! A state has a row for an event and ignores it too.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[ignores(Pull, Push)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
