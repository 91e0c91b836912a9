//! The initial state has data, which nothing builds.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[ignores(Pull)]
    Shut { since: u64 },

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
