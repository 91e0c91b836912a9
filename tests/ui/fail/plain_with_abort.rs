//! A machine without a socket has nothing to reset.
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

    #[on(Pull -> Shut)]
    #[on(Push -> Broken)]
    Open,

    #[terminal(abort)]
    Broken,
}

fn main() {}
