//! Two outcome sets of one name.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
#[outcome(Moved: Open | Shut)]
#[outcome(Moved: Shut | Stay)]
enum Door {
    #[initial]
    #[on(Push => push -> Moved)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {}
