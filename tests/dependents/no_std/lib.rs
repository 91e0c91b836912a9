//! A plain machine in a crate that has no `std` and no `alloc`: what is generated needs only
//! `core`.
#![no_std]
#![deny(warnings, unsafe_code, missing_docs)]

use fsm_runtime::Machine;

/// A thermostat: every part of the language that a machine without a socket may use.
#[derive(Machine, Debug)]
#[machine(plain, context = Boiler, input = Reading, error = Fault, max_size = 8)]
#[outcome(Next: Cold "too cold" | Warm)]
#[group(Running: Cold, Heating; on(Door { .. } -> Idle), ignores(Button))]
#[on(Off -> Stopped)]
#[on(error(fault) => report(fault) -> Stopped)]
pub enum Thermostat {
    /// Nobody is at home.
    #[initial]
    #[enter(rest)]
    #[on(Button => wake -> Next)]
    #[on(Degrees(_) | Door { .. } => count)]
    Idle,

    /// Below what is wanted.
    #[on(Degrees(now) => light(missing, now)? -> Heating | Next | Stay)]
    Cold {
        /// Degrees that are missing.
        missing: i16,
    },

    /// The burner is lit.
    #[enter(light_lamp)]
    #[leave(dim_lamp(missing))]
    #[on(Degrees(now) => burn(missing, now) -> Warm | Stay)]
    Heating {
        /// Degrees that are missing.
        missing: i16,
    },

    /// As warm as is wanted.
    #[on(_ => wake -> Next)]
    Warm,

    /// The end.
    #[terminal]
    Stopped,
}

/// What comes in.
#[derive(Debug, Clone, Copy)]
pub enum Reading {
    /// So warm is it.
    Degrees(i16),
    /// The door.
    Door {
        /// It is open.
        open: bool,
    },
    /// Somebody pressed the button.
    Button,
    /// The end.
    Off,
}

/// What can go wrong.
#[derive(Debug)]
pub struct Fault;

/// The boiler.
#[derive(Debug)]
pub struct Boiler {
    wanted: i16,
    lamp: bool,
    readings: u32,
}

impl Boiler {
    fn rest(&mut self) {
        self.readings = 0;
    }

    fn wake(&mut self) -> ThermostatNext {
        if self.wanted > 20 {
            ThermostatNext::Cold { missing: self.wanted - 20 }
        } else {
            ThermostatNext::Warm
        }
    }

    fn count(&mut self) {
        self.readings += 1;
    }

    fn light(&mut self, missing: &mut i16, now: i16) -> Result<ThermostatLight, Fault> {
        *missing = self.wanted - now;
        match *missing {
            50.. => Err(Fault),
            10.. => Ok(ThermostatLight::Heating { missing: *missing }),
            1.. => Ok(ThermostatLight::Stay),
            _ => Ok(ThermostatLight::Next(self.wake())),
        }
    }

    fn burn(&mut self, missing: &mut i16, now: i16) -> ThermostatBurn {
        *missing = self.wanted - now;
        if *missing > 0 { ThermostatBurn::Stay } else { ThermostatBurn::Warm }
    }

    fn light_lamp(&mut self) {
        self.lamp = true;
    }

    fn dim_lamp(&mut self, missing: &mut i16) {
        *missing = 0;
        self.lamp = false;
    }

    fn report(&mut self, _fault: Fault) {
        self.lamp = false;
    }
}

/// As large as the enum without the derive.
pub const SIZE: usize = size_of::<Thermostat>();
const _: () = assert!(SIZE == 4);

/// Runs it.
pub fn run(boiler: &mut Boiler, readings: &[Reading]) -> &'static str {
    let mut thermostat = Thermostat::initial();
    for &reading in readings {
        thermostat.handle(boiler, reading);
    }
    Thermostat::TABLE.states[thermostat.state()].name
}
