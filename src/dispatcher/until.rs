//! Until when a limit of use holds, as programs say it: a number of seconds since 1970, a span of time, a time of day, a date.

use jiff::{
    Span, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

use crate::clock::Millis;

/// The longest rest that an agent's word is taken for: a weekly limit and a day.
const LONGEST: Millis = 8 * 86_400_000;

/// The time that a text means, if it lies ahead. A time of day is the next one in the zone that the text names, or in ours.
pub(super) fn until(text: &str, now: Millis, zone: &TimeZone) -> Option<Millis> {
    let text = text.trim().trim_end_matches(['.', ')', '"', '!']).trim();
    let at = epoch(text).or_else(|| Some(now + span(text)?)).or_else(|| moment(text, now, zone))?;
    (at > now).then(|| at.min(now + LONGEST))
}

fn epoch(text: &str) -> Option<Millis> {
    let seconds: i64 = text.parse().ok().filter(|_| text.len() == 10)?;
    seconds.checked_mul(1000)
}

/// `in 2 hours 5 minutes`, `1h 2m 3.5s`, `3 days`.
fn span(text: &str) -> Option<Millis> {
    let mut rest = text.strip_prefix("in ").unwrap_or(text).trim();
    let mut total: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let word = rest[digits..].trim_start();
        let length = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
        let seconds = match word[..length].to_ascii_lowercase().as_str() {
            "ms" | "millisecond" | "milliseconds" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            _ => return None,
        };
        total += number * seconds;
        rest = word[length..].trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number that is too large becomes the largest one")]
    let millis = (total * 1000.0) as Millis;
    (millis > 0).then_some(millis.min(LONGEST))
}

/// `3:45 PM`, `15:45`, `3pm (Europe/Berlin)`, `Nov 3rd, 2026 3:45 PM`, `Nov 3 at 9am`.
fn moment(text: &str, now: Millis, zone: &TimeZone) -> Option<Millis> {
    let (text, named) = match text.split_once('(') {
        Some((before, zone)) => (before, Some(TimeZone::get(zone.trim()).ok()?)),
        None => (text, None),
    };
    let zone = named.as_ref().unwrap_or(zone);
    let here = Timestamp::from_millisecond(now).ok()?.to_zoned(zone.clone());
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c == ',')
        .map(str::to_ascii_lowercase)
        .filter(|word| !word.is_empty() && word != "at" && word != "on")
        .collect();
    let (date, time) = match words.first().and_then(|word| month(word)) {
        None => (None, &words[..]),
        Some(month) => {
            let day: i8 = words.get(1)?.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
            let year = words.get(2).filter(|word| word.len() == 4).and_then(|word| word.parse().ok());
            let date = Date::new(year.unwrap_or(here.year()), month, day).ok()?;
            (Some(date), &words[if year.is_some() { 3 } else { 2 }..])
        }
    };
    let time = time_of_day(&time.concat())?;
    let at = |date: Date| date.to_datetime(time).to_zoned(zone.clone()).ok().map(|at| at.timestamp().as_millisecond());
    match date {
        Some(date) => at(date),
        None => {
            let today = here.date();
            let next = at(today).filter(|at| *at > now);
            next.or_else(|| at(today.checked_add(Span::new().days(1)).ok()?))
        }
    }
}

fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = MONTHS.iter().position(|month| word.starts_with(month))?;
    i8::try_from(at + 1).ok()
}

/// `3:45pm`, `3pm`, `15:45`.
fn time_of_day(text: &str) -> Option<Time> {
    let (clock, half) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(clock), _) => (clock, Some(0)),
        (_, Some(clock)) => (clock, Some(12)),
        (None, None) => (text, None),
    };
    let (hour, minute) = match clock.split_once(':') {
        Some((hour, minute)) => (hour.parse::<i8>().ok()?, minute.parse::<i8>().ok()?),
        // A bare number is no time of day.
        None if half.is_some() => (clock.parse().ok()?, 0),
        None => return None,
    };
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    Time::new(hour, minute, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, tz::TimeZone};

    use super::until;

    #[test]
    fn what_programs_say_is_read() {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        let now: Timestamp = "2026-11-29T13:00:00Z".parse().expect("a time");
        let read = |text: &str| {
            let at = until(text, now.as_millisecond(), &zone)?;
            Some(Timestamp::from_millisecond(at).expect("a time").to_string())
        };
        for (text, expected) in [
            ("1795960000", "2026-11-29T13:46:40Z"),
            ("in 3 days 2 hours 5 minutes.", "2026-12-02T15:05:00Z"),
            ("in 2 hours and 1 minute", "2026-11-29T15:01:00Z"),
            ("5h23m11.5s", "2026-11-29T18:23:11.5Z"),
            ("3:45 PM", "2026-11-29T14:45:00Z"),
            ("1:45 PM", "2026-11-30T12:45:00Z"),
            ("15:45", "2026-11-29T14:45:00Z"),
            ("9am (America/New_York)", "2026-11-29T14:00:00Z"),
            ("Dec 3rd, 2026 3:45 PM", "2026-12-03T14:45:00Z"),
            ("Dec 3 at 9am", "2026-12-03T08:00:00Z"),
            ("12am", "2026-11-29T23:00:00Z"),
            ("in 400 weeks", "2026-12-07T13:00:00Z"),
            ("Dec 3rd, 2222 3:45 PM", "2026-12-07T13:00:00Z"),
            ("in 99999999999999999999999999999999 days", "2026-12-07T13:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "later",
            "0s",
            "in",
            "17",
            "25:00",
            "13pm",
            "Nov 3rd, 2025 3:45 PM",
            "1600000000",
            "Feb 31 9am",
            "9am (Mars/Base)",
            "...",
            "in 1.2.3 s",
            "-5 minutes",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
