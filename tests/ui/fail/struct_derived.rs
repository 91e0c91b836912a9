//! A machine is an enum.
use fsm_runtime::Machine;

struct Hinge;
enum Hand { Push, Pull }

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
struct Door {
    open: bool,
}

fn main() {}
