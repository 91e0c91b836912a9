//! The slices of one of our servers that took long, as it reports them on its standard error.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

/// What the server says of each.
const REPORT: &str = "a slice took long ";
/// What stands before its time.
const TIME: &str = " time=";

/// The reports in a file that the server goes on writing to. Each is read once.
pub struct Slices(File);

impl Slices {
    /// Those that are written to a file.
    pub fn of(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// Passes over what was reported so far.
    pub fn skip(&mut self) -> io::Result<()> {
        self.0.seek(SeekFrom::End(0)).map(drop)
    }

    /// The longest slice of those that were reported since; none where all were short enough.
    pub fn longest(&mut self) -> io::Result<Option<Duration>> {
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        let reports = text.lines().filter(|line| line.contains(REPORT));
        reports.map(time_in).try_fold(None, |longest, time| Ok(longest.max(Some(time?))))
    }
}

/// The time at the end of a report, as `Duration` writes itself: `time=18.08ms`. One that cannot be
/// read is an error: passed over, it could have been the longest.
fn time_in(line: &str) -> io::Result<Duration> {
    let time = line.rsplit_once(TIME).and_then(|(_, time)| {
        // The seconds come last, since all end with their letter.
        let units = [("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
        let in_unit = |(unit, seconds)| {
            let number: f64 = time.trim_end().strip_suffix(unit)?.parse().ok()?;
            Duration::try_from_secs_f64(number * seconds).ok()
        };
        units.into_iter().find_map(in_unit)
    });
    time.ok_or_else(|| io::Error::other(format!("no time in {line:?}")))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{Slices, time_in};
    use crate::scratch::Scratch;

    fn report(time: &str) -> String {
        let (at, of) = ("2026-01-01T00:00:00Z  WARN fsm_runtime::precedence", "machine=\"Http\"");
        format!("{at}: a slice took long {of} state=\"Idle\" event=\"input\" time={time}\n")
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let nanoseconds = [7, 118_500, 18_080_000, 1_200_000_000];
        for time in nanoseconds.map(Duration::from_nanos) {
            assert_eq!(time_in(&report(&format!("{time:?}"))).ok(), Some(time));
        }
        assert!(time_in(&report("soon")).is_err());
    }

    #[test]
    fn the_longest_is_one_of_those_since() {
        let scratch = Scratch::new();
        let path = scratch.path("stderr");
        let write = |times: &[&str]| {
            let before = fs::read_to_string(&path).unwrap_or_default();
            let more: String = times.iter().map(|time| report(time)).collect();
            fs::write(&path, before + &more + "something else\n").unwrap();
        };
        write(&["9s"]);
        let mut slices = Slices::of(&path).unwrap();
        slices.skip().unwrap();
        assert_eq!(slices.longest().unwrap(), None);
        write(&["300µs", "2ms", "150µs"]);
        assert_eq!(slices.longest().unwrap(), Some(Duration::from_millis(2)));
        assert_eq!(slices.longest().unwrap(), None);
    }
}
