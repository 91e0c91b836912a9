//! The context is less visible than the machine.
use fsm_runtime::Machine;

struct Hinge;
pub enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
pub enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
