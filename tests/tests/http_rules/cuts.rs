//! Whatever way the bytes of a case are cut into pieces, the same comes of them; and of a message
//! that is cut off comes nothing.

use fsm_tests::seeded::Seeded;

use crate::case::Expected::{Refused, Unfinished};
use crate::case::{Case, Played, Table};
use crate::{bodies, limits, requests, smuggling, suites};

/// Cases up to so many bytes are cut at every position, longer ones at some: each cut has the whole
/// case read again.
const SHORT: usize = 400;

/// The positions at which a long case is cut.
const POSITIONS: usize = 60;

/// How often each case is cut into many pieces.
const TIMES: usize = 300;

/// The most pieces, but one, of such a case.
const CUTS: usize = 12;

fn tables() -> Vec<Table> {
    let mut tables = [requests::tables(), bodies::tables(), limits::tables(), suites::tables()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    tables.push(smuggling::table());
    tables
}

/// Plays every case whole, and again in pieces that end at each of the positions.
fn compare(positions: impl Fn(&Table, &Case) -> Vec<Vec<usize>>) {
    for table in tables() {
        for case in &table.cases {
            let whole = table.play([case.1]);
            for ends in positions(&table, case) {
                let played = table.play(pieces(case.1, &ends));
                let (name, text) = (case.0, case.1.escape_ascii());
                assert_eq!(played, whole, "{}, {name}, cut at {ends:?}: `{text}`", table.name);
            }
        }
    }
}

/// The pieces of `bytes` between positions in order, and the rest.
pub(crate) fn pieces<'a>(bytes: &'a [u8], ends: &[usize]) -> Vec<&'a [u8]> {
    let starts = [0].into_iter().chain(ends.iter().copied());
    let ends = ends.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect()
}

/// A few positions in order.
pub(crate) fn some_positions(random: &mut Seeded, length: usize) -> Vec<usize> {
    let count = 1 + random.below(CUTS);
    let mut ends: Vec<_> = (0..count).map(|_| random.below(length + 1)).collect();
    ends.sort_unstable();
    ends
}

#[test]
fn two_pieces_are_one() {
    compare(|_, case| {
        let length = case.1.len();
        if length <= SHORT {
            return (1..length).map(|at| vec![at]).collect();
        }
        let mut random = Seeded::new(1);
        let some = (0..POSITIONS).map(|_| random.below(length));
        // The last bytes are where a message ends, and so where most can be read wrongly.
        some.chain(length - SHORT / 4..length).map(|at| vec![at]).collect()
    });
}

#[test]
fn bytes_one_by_one_are_one() {
    compare(|_, case| vec![(1..case.1.len()).collect()]);
}

#[test]
fn many_pieces_are_one() {
    compare(|table, case| {
        // A table with a case for each byte has enough of them as it is.
        let times = if table.cases.len() > 200 { TIMES / 30 } else { TIMES };
        let times = if case.1.len() > SHORT { times / 10 } else { times };
        let mut random = Seeded::new(2);
        (0..times).map(|_| some_positions(&mut random, case.1.len())).collect()
    });
}

#[test]
fn pieces_are_all_of_the_bytes() {
    assert_eq!(pieces(b"abcd", &[]), [b"abcd"]);
    assert_eq!(pieces(b"abcd", &[1, 1, 4]), [&b"a"[..], b"", b"bcd", b""]);
}

/// RFC 9112 8: it is answered as such, never as a whole one.
#[test]
fn half_a_message_is_no_message() {
    for table in tables() {
        for case in table.cases.iter().filter(|case| matches!(case.2, Unfinished(_))) {
            let Played { sent_at_end: sent, state_at_end: state, .. } = table.play([case.1]);
            let at_end = Played { sent, state, left: 0, sent_at_end: vec![], state_at_end: state };
            let wrong = Case(case.0, case.1, Refused(400)).complaint(&at_end);
            assert_eq!(wrong, None, "{}", table.name);
        }
    }
}
