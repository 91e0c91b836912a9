//! A row leads to `Stay` and does nothing else.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[on(Pull -> Stay)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
