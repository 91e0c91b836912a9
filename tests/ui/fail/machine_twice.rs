//! The enum has two `machine` attributes.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
#[machine(max_size = 16)]
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
