//! Two states forget inputs: each is reported, at its name.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    Shut,

    #[on(Pull -> Shut)]
    Open,
}

fn main() {}
