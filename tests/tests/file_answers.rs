//! What a server of files makes of random fields, against models that are slow and plain: a set of
//! bytes for ranges, a sum of written bytes for the length of parts, a table for codings. Nothing
//! that a client can write may make it panic or leave the file.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderValue, Method};
use proptest::prelude::*;
use servers::files::asked::{Asked, Lines};
use servers::files::conditions::evaluate;
use servers::files::negotiation::{Accepted, Coding, Codings};
use servers::files::ranges::{Boundary, Parts, Selection, select};
use servers::files::validators::{EntityTag, Validators};

/// A failure is printed, not kept in a file.
fn many() -> ProptestConfig {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

/// One range as a client writes it, in numbers that may be larger than there are.
#[derive(Debug, Clone, Copy)]
enum Spec {
    Between(u128, u128),
    From(u128),
    Last(u128),
}

impl Spec {
    fn text(self) -> String {
        match self {
            Self::Between(first, last) => format!("{first}-{last}"),
            Self::From(first) => format!("{first}-"),
            Self::Last(count) => format!("-{count}"),
        }
    }

    fn has(self, at: u128, length: u128) -> bool {
        match self {
            Self::Between(first, last) => first <= at && at <= last,
            Self::From(first) => first <= at,
            Self::Last(count) => at + count >= length,
        }
    }
}

fn number() -> impl Strategy<Value = u128> {
    prop_oneof![
        10 => 0..50_u128,
        1 => (u128::from(u64::MAX) - 2)..(u128::from(u64::MAX) + 3),
        1 => any::<u128>(),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    prop_oneof![
        4 => (number(), number()).prop_map(|(a, b)| Spec::Between(a.min(b), a.max(b))),
        1 => number().prop_map(Spec::From),
        1 => number().prop_map(Spec::Last),
    ]
}

/// What is sent, in its order; nothing for the whole file.
fn sent(selection: Selection) -> Option<Vec<Range<u64>>> {
    match selection {
        Selection::Whole => None,
        Selection::Unsatisfiable => Some(vec![]),
        Selection::One(range) => Some(vec![range]),
        Selection::Several(ranges) => {
            assert!(ranges.len() > 1, "one range is not several");
            Some(ranges)
        }
    }
}

/// What no selection may break, whatever it was made from.
fn check(ranges: &[Range<u64>], length: u64) {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    assert!(sorted.iter().all(|range| range.start < range.end && range.end <= length));
    assert!(sorted.array_windows().all(|[range, next]| range.end < next.start), "{ranges:?}");
}

fn field_of(specs: &[Spec]) -> String {
    let specs: Vec<_> = specs.iter().map(|spec| spec.text()).collect();
    format!("bytes={}", specs.join(","))
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn ranges_are_the_bytes_asked_for(
        specs in prop::collection::vec(spec(), 1..12),
        length in 1..40_u64,
    ) {
        let ranges = sent(select(Some(field_of(&specs).as_bytes()), length)).unwrap();
        check(&ranges, length);
        let wanted: BTreeSet<u64> = (0..length)
            .filter(|at| {
                specs.iter().any(|spec| spec.has(u128::from(*at), u128::from(length)))
            })
            .collect();
        let got: BTreeSet<u64> = ranges.iter().cloned().flatten().collect();
        prop_assert_eq!(got, wanted);
        // Each range stands where the first that is in it was asked for.
        let asked = |range: &Range<u64>| {
            let is_in = |spec: &Spec| {
                range.clone().any(|at| spec.has(u128::from(at), u128::from(length)))
            };
            specs.iter().position(is_in).unwrap()
        };
        prop_assert!(ranges.iter().map(asked).is_sorted(), "{:?}", ranges);
    }

    #[test]
    fn any_text_selects_what_is_there(
        field in prop_oneof![
            "bytes=[-0-9, ]{0,40}",
            "(bytes|BYTES|bytes=)=?[-0-9,a-f; =]{0,40}",
            "(([0-9]{0,21}-[0-9]{0,21},){0,3}){0,3}".prop_map(|list| format!("bytes={list}")),
        ],
        length in prop_oneof![0..20_u64, any::<u64>()],
    ) {
        if let Some(ranges) = sent(select(Some(field.as_bytes()), length)) {
            check(&ranges, length);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = select(Some(&bytes), 1000);
        let _ = Accepted::of(&Lines::one(&bytes));
        let then = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let current = Validators::new(EntityTag::of_content(Coding::Identity, b""), Some(then));
        for name in
            ["If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since"]
        {
            let fields = [("Range", &b"bytes=0-1"[..]), (name, &bytes[..])];
            let _ = evaluate(&Asked::of(&Method::GET, fields), &current, then);
        }
    }

    #[test]
    fn parts_are_as_long_as_they_say(
        specs in prop::collection::vec(spec(), 1..20),
        length in 2..300_u64,
    ) {
        let selection = select(Some(field_of(&specs).as_bytes()), length);
        if let Selection::Several(ranges) = selection {
            let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
            let parts = Parts::new(Boundary::new(), media_type, length, ranges);
            let mut written = Vec::new();
            for (at, range) in parts.ranges().iter().enumerate() {
                parts.push_head(at, &mut written);
                written.extend(range.clone().map(|_| b'.'));
            }
            parts.push_end(&mut written);
            prop_assert_eq!(parts.content_length(), written.len() as u64);
        }
    }

    #[test]
    fn codings_are_chosen_as_by_the_table(
        named in prop::collection::btree_map(0..NAMES.len(), 0..=1000_u16, 0..NAMES.len()),
        there in prop::collection::btree_set(0..4_usize, 0..=4),
    ) {
        let elements: Vec<_> = named.iter().map(|(at, weight)| {
            format!("{};q={}.{:03}", NAMES[*at], weight / 1000, weight % 1000)
        }).collect();
        let accepted = Accepted::of(&Lines::one(elements.join(", ").as_bytes()));
        let there_as_codings: Codings = there.iter().map(|at| Coding::ALL[*at]).collect();
        // Twice the weight, so that there is room for what is not spoken of.
        let weight_of = |at: usize| match (named.get(&at), named.get(&ANY)) {
            (Some(weight), _) | (None, Some(weight)) => 2 * u32::from(*weight),
            (None, None) => u32::from(at == 0),
        };
        let best = there.iter().copied().filter(|at| weight_of(*at) > 0);
        let best = best.max_by_key(|at| (weight_of(*at), *at)).map(|at| Coding::ALL[at]);
        prop_assert_eq!(accepted.best_of(there_as_codings), best, "{:?}", elements);
    }
}

/// The names of `Coding::ALL`, of no coding known here, and of any.
const NAMES: [&str; 6] = ["identity", "gzip", "zstd", "br", "deflate", "*"];
const ANY: usize = 5;
