//! The `Date` of responses, written once a second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// The field as text: `Date: Sun, 06 Nov 1994 08:49:37 GMT` and the line end (RFC 9110 6.6.1).
#[derive(Debug, Default)]
pub(super) struct DateLine {
    /// The second it says, since the Unix epoch; none before it was first asked for.
    second: Option<u64>,
    text: Vec<u8>,
}

impl DateLine {
    /// The line for this time of day. A clock that was set back is followed.
    pub(super) fn at(&mut self, now: SystemTime) -> &[u8] {
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second != Some(second) {
            self.write(second);
        }
        &self.text
    }

    #[cold]
    fn write(&mut self, second: u64) {
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second));
        self.text = format!("Date: {date}\r\n").into_bytes();
        self.second = Some(second);
    }
}
