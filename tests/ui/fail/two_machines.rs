//! A mistake in each of two machines: both are reported.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Door {
    #[initial]
    #[on(Push -> Opne)]
    #[ignores(Pull)]
    Shut,

    #[on(Pull -> Shut)]
    #[ignores(Push)]
    Open,
}

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Window {
    #[initial]
    #[on(Push -> Ajar)]
    #[ignores(Pull, Pull)]
    Closed,

    #[on(Pull -> Closed)]
    #[ignores(Push)]
    Ajar,
}

fn main() {}
