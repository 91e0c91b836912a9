//! An outcome set that no row leads to: the warning stands at its name.
#![deny(dead_code)]
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
#[outcome(Moved: Open | Shut)]
enum Door {
    #[initial]
    #[on(Push -> Open)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

fn main() {
    for hand in [Hand::Push, Hand::Pull] {
        Door::initial().handle(&mut Hinge, hand);
    }
}
