//! Two states lead to each other and nothing leads to them: the first is named.
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
    #[ignores(Push)]
    Open,

    #[on(Pull -> Painted)]
    #[ignores(Push)]
    Sanded,

    #[on(Pull -> Sanded)]
    #[ignores(Push)]
    Painted,
}

fn main() {}
