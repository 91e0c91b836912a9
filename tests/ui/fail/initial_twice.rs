//! Two states are the initial one.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[ignores(Pull)]
    Shut,

    #[initial]
    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
