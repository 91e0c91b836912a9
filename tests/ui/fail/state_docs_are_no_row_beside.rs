//! A state with data and nothing else: docs are no row. Beside rows that are right.
use fsm_runtime::Machine;

struct Hinge {
    opened: u32,
}
enum Hand {
    Push(u8),
    Pull,
    Lock,
}

#[derive(Machine)]
#[machine(plain, context = Hinge, input = Hand)]
enum Gate {
    #[initial]
    #[on(Push(force) => push(force) -> Open "strong" | Stay "weak")]
    #[on(Lock -> Locked)]
    #[ignores(Pull)]
    Shut,

    #[on(Push(force) => widen(angle, force))]
    #[on(Pull => count(angle) -> Shut)]
    #[ignores(Lock)]
    Open { angle: u8 },

    /// Is locked.
    Locked,
}

impl Hinge {
    fn push(&mut self, force: u8) -> GatePush {
        if force > 3 { GatePush::Open { angle: force } } else { GatePush::Stay }
    }
    fn widen(&mut self, angle: &mut u8, force: u8) {
        *angle += force;
    }
    fn count(&mut self, angle: u8) {
        self.opened += u32::from(angle);
    }
}

fn main() {
    let mut gate = Gate::initial();
    gate.handle(&mut Hinge { opened: 0 }, Hand::Push(5));
    assert_eq!(Gate::TABLE.states.len(), 3);
}
