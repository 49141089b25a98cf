//! The wall clock, by which Slack forms message ids and signs requests.

use std::time::UNIX_EPOCH;

/// Microseconds since 1970-01-01 UTC.
pub(crate) fn micros() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a server has its own clock, and its clients compare it with theirs")]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

pub(crate) fn seconds() -> u64 {
    micros() / 1_000_000
}

/// A message id or the time of an event: seconds, a dot, and six digits of microseconds.
pub(crate) fn stamp(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The microseconds of a message id. Slack takes `1700000000` and `1700000000.1` for bounds of a history as well.
pub(crate) fn parse_stamp(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{parse_stamp, stamp};

    #[test]
    fn stamps_keep_their_microseconds() {
        assert_eq!(stamp(1_700_000_000_000_042), "1700000000.000042");
        assert_eq!(parse_stamp("1700000000.000042"), Some(1_700_000_000_000_042));
        assert_eq!(parse_stamp("1700000000"), Some(1_700_000_000_000_000));
        assert_eq!(parse_stamp("soon"), None);
    }
}
