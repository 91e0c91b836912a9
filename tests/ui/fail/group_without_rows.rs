//! A group that says nothing of its states.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
#[group(Both: Shut, Open)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
