//! A target with the name of the machine before it.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Door::Open)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
