//! Ids that carry the time at which they were made, as Discord forms them.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The first second of 2015, from which snowflakes count (Reference, "Snowflakes").
const EPOCH: u64 = 1_420_070_400_000;

/// Forms ids: each is greater than all before, and its upper bits are the milliseconds since 2015.
#[derive(Debug)]
pub(super) struct Snowflakes {
    start: Instant,
    start_millis: u64,
    last: u64,
}

impl Snowflakes {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), start_millis: wall_clock(), last: 0 }
    }

    /// Unix time in milliseconds. It never goes back, for it counts on from the time of the start.
    pub(super) fn now(&self) -> u64 {
        self.start_millis + u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.last = self.last.saturating_add(1).max((self.now() - EPOCH) << 22);
        self.last
    }
}

/// The unix time in milliseconds at which an id was made.
pub(super) fn made_at(id: u64) -> u64 {
    (id >> 22) + EPOCH
}

/// A unix time in milliseconds as Discord writes it: `2026-11-22T22:54:00.123000+00:00`.
pub(super) fn iso(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    // Days of the civil calendar, counted in eras of 400 years that begin on the first of March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}000+00:00", rest % 1000)
}

#[expect(clippy::disallowed_methods, reason = "a server on its own has no clock but the machine's")]
fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(EPOCH).max(EPOCH)
}

#[cfg(test)]
mod tests {
    use super::{Snowflakes, iso, made_at};

    #[test]
    fn times_are_written_as_discord_writes_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(iso(951_782_400_007), "2000-02-29T00:00:00.007000+00:00");
        assert_eq!(iso(1_795_388_040_123), "2026-11-22T22:54:00.123000+00:00");
    }

    #[test]
    fn ids_grow_and_carry_the_time() {
        let mut ids = Snowflakes::new();
        let before = ids.now();
        let made: Vec<u64> = (0..10_000).map(|_| ids.next()).collect();
        assert!(made.is_sorted_by(|earlier, later| earlier < later));
        assert!(made_at(made[0]) >= before && made_at(made[9999]) <= ids.now() + 3);
    }
}
