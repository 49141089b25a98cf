//! When something recurs: a cron rule in a time zone.
//!
//! A rule names wall times, and a zone makes instants of them. Twice a year in many zones that is more than adding hours:
//!
//! - A wall time that does not exist, since the clocks are put forward over it, is the instant at which they are.
//!   Several of them in one jump are that one instant.
//! - A wall time that comes twice, since the clocks are put back, is meant the first time.
//! - A rule whose hour is `*` or `*/n` means the running time rather than times of day: what does not exist is left
//!   out, and what comes twice is meant both times, so that something hourly stays hourly.

use std::{fmt, str::FromStr};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Span, Timestamp, tz::TimeZone};

use crate::clock::Millis;

/// How many changes of a zone's offset are looked through for the next time: those of a century and more.
const CHANGES: usize = 400;

/// The five fields of a cron rule, or one of its short names, as they are kept: `0 7 * * 1-5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronRule(String);

impl CronRule {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CronRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Phones put a long dash for the one in `1-5`.
        let plain = text.replace(['–', '—'], "-");
        let rule = Self(plain.split_whitespace().collect::<Vec<_>>().join(" "));
        rule.cron().map(|_| rule)
    }
}

impl CronRule {
    fn cron(&self) -> Result<Cron, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let fields = self.0.split(' ').count();
        let expected = "expected minute, hour, day of month, month and day of week, as in `0 7 * * 1-5`, or `@daily`";
        if !self.0.starts_with('@') && fields != 5 {
            return Err(format!("`{}` is no cron rule: it has {fields} fields; {expected}", self.0));
        }
        parser.parse(&self.0).map_err(|error| {
            let why = error.to_string();
            format!("`{}` is no cron rule ({}); {expected}", self.0, why.trim_end_matches('.'))
        })
    }

    /// Whether its hour is any hour, so that it means the running time and not times of day.
    fn is_of_running_time(&self) -> bool {
        match self.0.split(' ').nth(1) {
            Some(hour) => hour.starts_with('*'),
            None => self.0.eq_ignore_ascii_case("@hourly"),
        }
    }
}

impl fmt::Display for CronRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A time zone by its name in the database of zones, as that writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(String);

impl Zone {
    /// The zone of this machine, as far as it has a name; else that of no place.
    pub fn system() -> Self {
        Self(TimeZone::system().iana_name().unwrap_or("UTC").to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn time_zone(&self) -> Result<TimeZone, String> {
        TimeZone::get(&self.0).map_err(|_| unknown(&self.0))
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim();
        let zone = TimeZone::get(name).map_err(|_| unknown(name))?;
        Ok(Self(zone.iana_name().unwrap_or(name).to_owned()))
    }
}

fn unknown(name: &str) -> String {
    format!("`{name}` is no time zone; expected one like `Europe/Berlin`, `America/New_York` or `UTC`")
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A rule in a zone.
#[derive(Clone, Debug)]
pub struct Recurrence {
    cron: Cron,
    zone: TimeZone,
    is_of_running_time: bool,
}

impl Recurrence {
    /// # Errors
    /// With a sentence, when the zone is not known here any more.
    pub fn new(rule: &CronRule, zone: &Zone) -> Result<Self, String> {
        Ok(Self { cron: rule.cron()?, zone: zone.time_zone()?, is_of_running_time: rule.is_of_running_time() })
    }

    /// A rule and a zone as they were kept.
    ///
    /// # Errors
    /// With a sentence, when either cannot be read any more.
    pub fn read(rule: &str, zone: &str) -> Result<Self, String> {
        Self::new(&rule.parse()?, &Zone(zone.to_owned()))
    }

    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first time behind an instant; none where the rule names no more.
    pub fn after(&self, instant: Millis) -> Option<Millis> {
        let mut from = Timestamp::from_millisecond(instant).ok()?;
        // Whether the instant that is looked from is itself a candidate.
        let mut counts = false;
        for _ in 0..CHANGES {
            // Up to the next change of the zone, wall times and instants run side by side.
            let offset = self.zone.to_offset(from);
            let (mut wall, mut inclusive) = (offset.to_datetime(from), counts);
            if let Some(until) = self.repeated_until(from).filter(|until| *until > wall) {
                (wall, inclusive) = (until, true);
            }
            let wall = self.cron.find_next_occurrence(&wall, inclusive).ok()?;
            let time = offset.to_timestamp(wall).ok()?;
            let Some(change) = self.zone.following(from).next().filter(|change| change.timestamp() <= time) else {
                return Some(time.as_millisecond());
            };
            let moved = change.timestamp();
            if !self.is_of_running_time && wall < change.offset().to_datetime(moved) {
                // The clocks were put forward over it.
                return Some(moved.as_millisecond());
            }
            (from, counts) = (moved, true);
        }
        None
    }

    /// Up to which wall time everything has been there before, where the clocks were put back.
    fn repeated_until(&self, from: Timestamp) -> Option<jiff::civil::DateTime> {
        if self.is_of_running_time {
            return None;
        }
        let moment = Span::new().nanoseconds(1);
        let change = self.zone.preceding(from.checked_add(moment).ok()?).next()?.timestamp();
        let before = self.zone.to_offset(change.checked_sub(moment).ok()?);
        (before > self.zone.to_offset(change)).then(|| before.to_datetime(change))
    }

    /// The next times behind an instant.
    pub fn times(&self, instant: Millis) -> impl Iterator<Item = Millis> + '_ {
        std::iter::successors(self.after(instant), |last| self.after(*last))
    }
}
