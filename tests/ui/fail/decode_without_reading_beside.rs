//! A state has a decoder and reads nothing, beside rows that are right.
use std::io;

use fsm_runtime::{Io, Lines, Machine};

#[derive(Machine)]
#[machine(context = Client, input = Lines<'_>, reply = Vec<u8>, message = u32)]
#[group(Busy: Loading, Sending; ignores(shutdown, message), after(1min -> Closed))]
#[on(lost(_) => note -> Gone)]
#[on(error(e) => refuse(e) -> Closed)]
enum Disk {
    #[initial]
    #[on(Line(name) => open(name)? -> Loading | Stay)]
    #[on(TooLong -> Closed)]
    #[on(eof -> Closed)]
    #[on(shutdown -> Closed)]
    #[on(message(n) => told(n))]
    #[after(5min without input -> Closed)]
    Idle,

    #[on(reply(piece) => loaded(piece) -> Sending)]
    Loading,

    #[on(drained => sent(piece) -> Idle)]
    #[decode(piece: Lines<'_>)]
    Sending { piece: Vec<u8> },

    #[terminal]
    Closed,

    #[terminal(abort)]
    Gone,
}

struct Client;

impl Client {
    fn open(&mut self, name: &[u8], _io: &mut Io<'_, Disk>) -> io::Result<DiskOpen> {
        if name.is_empty() { Ok(DiskOpen::Stay) } else { Ok(DiskOpen::Loading) }
    }
    fn told(&mut self, _n: u32, _io: &mut Io<'_, Disk>) {}
    fn loaded(&mut self, piece: Vec<u8>, _io: &mut Io<'_, Disk>) -> DiskLoaded {
        DiskLoaded::Sending { piece }
    }
    fn sent(&mut self, _piece: Vec<u8>, _io: &mut Io<'_, Disk>) {}
    fn note(&mut self, _io: &mut Io<'_, Disk>) {}
    fn refuse(&mut self, _error: io::Error, _io: &mut Io<'_, Disk>) {}
}

fn serve<M: Machine>() {}

fn main() {
    serve::<Disk>();
}
