//! Values that are made to fit, with a word on each that had to be.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::table::{Cell, Row, Table};
use crate::{
    board::{ProfileName, create::TITLE_LIMIT},
    clock::Millis,
};

/// What was mended in one row.
#[derive(Debug, Default)]
pub(super) struct Mended(pub(super) Vec<String>);

impl Mended {
    pub(super) fn note(&mut self, reason: impl Into<String>) {
        let reason = reason.into();
        if !self.0.contains(&reason) {
            self.0.push(reason);
        }
    }

    /// A text as it was typed.
    pub(super) fn text(&mut self, cell: &Cell, column: &str) -> Option<String> {
        let (text, is_broken) = match cell {
            Cell::Null => return None,
            Cell::Integer(number) => (number.to_string(), false),
            Cell::Real(number) => (number.to_string(), false),
            Cell::Text(text, is_broken) => (text.clone(), *is_broken),
        };
        if is_broken {
            self.note(format!("`{column}` had bytes that are no text"));
        }
        if text.contains('\0') {
            self.note(format!("`{column}` had NUL characters"));
            return Some(text.replace('\0', ""));
        }
        Some(text)
    }

    /// A text that says something.
    pub(super) fn words(&mut self, cell: &Cell, column: &str) -> Option<String> {
        self.text(cell, column).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn title(&mut self, cell: &Cell) -> String {
        let Some(title) = self.words(cell, "title") else {
            self.note("it had no title");
            return "(untitled)".to_owned();
        };
        if title.chars().count() <= TITLE_LIMIT {
            return title;
        }
        self.note(format!("its title had more than {TITLE_LIMIT} characters and was cut"));
        title.chars().take(TITLE_LIMIT).collect()
    }

    pub(super) fn integer(&mut self, cell: &Cell, column: &str) -> Option<i64> {
        let found = whole(cell);
        if found.is_none() && *cell != Cell::Null {
            self.note(format!("`{column}` was no number"));
        }
        found
    }

    /// A number that is 1 or more.
    pub(super) fn count(&mut self, cell: &Cell, column: &str) -> Option<i64> {
        let found = self.integer(cell, column)?;
        if found < 1 {
            self.note(format!("`{column}` was less than 1"));
            return None;
        }
        Some(found)
    }

    /// A number that is not negative.
    pub(super) fn tally(&mut self, cell: &Cell, column: &str) -> i64 {
        self.integer(cell, column).unwrap_or(0).max(0)
    }

    pub(super) fn flag(&mut self, cell: &Cell, column: &str) -> bool {
        match cell {
            Cell::Text(text, _) if matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "yes" | "on") => true,
            Cell::Text(text, _) if matches!(text.trim().to_ascii_lowercase().as_str(), "false" | "no" | "off" | "") => {
                false
            }
            cell => self.integer(cell, column).unwrap_or(0) != 0,
        }
    }

    /// A point in time: seconds or milliseconds since 1970, or a date.
    pub(super) fn time(&mut self, cell: &Cell, column: &str) -> Option<Millis> {
        let found = moment(cell);
        if found.is_none() && *cell != Cell::Null {
            self.note(format!("`{column}` was no time"));
        }
        found
    }

    /// A JSON object as text. What is none is kept as the text of one.
    pub(super) fn object(&mut self, cell: &Cell, column: &str) -> Option<String> {
        let text = self.words(cell, column)?;
        match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(_)) => Some(text),
            Ok(Value::Null) => None,
            Ok(value) => {
                self.note(format!("`{column}` was no JSON object"));
                Some(json!({"value": value}).to_string())
            }
            Err(_) => {
                self.note(format!("`{column}` was no JSON"));
                Some(json!({"text": text}).to_string())
            }
        }
    }

    /// A JSON array of names. What is none is read as names with commas between.
    pub(super) fn names(&mut self, cell: &Cell, column: &str) -> Vec<String> {
        let Some(text) = self.words(cell, column) else { return Vec::new() };
        match serde_json::from_str::<Value>(&text) {
            Ok(Value::Null) => Vec::new(),
            Ok(Value::Array(values)) if values.iter().all(Value::is_string) => {
                values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
            }
            Ok(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                self.note(format!("`{column}` was no list of names"));
                Vec::new()
            }
            Ok(Value::Array(_) | Value::String(_)) | Err(_) => {
                self.note(format!("`{column}` was no list of names"));
                let plain = text.trim_matches(|c: char| "[]\"'".contains(c));
                let names = plain.split(',').map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
                names.filter(|name| !name.is_empty()).collect()
            }
        }
    }

    /// The name of a profile, as it can be typed here.
    pub(super) fn profile(&mut self, cell: &Cell, column: &str) -> Option<ProfileName> {
        let name = self.words(cell, column)?;
        if let Ok(profile) = name.parse() {
            return Some(profile);
        }
        let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let plain: String = name.chars().map(fits).collect();
        let plain = plain.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let profile = plain.chars().take(64).collect::<String>().parse().ok();
        self.note(match &profile {
            Some(profile) => format!("`{column}` cannot be the name of a profile here: it is {profile} now"),
            None => format!("`{column}` cannot be the name of a profile here"),
        });
        profile
    }
}

fn whole(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Null => None,
        Cell::Integer(number) => Some(*number),
        Cell::Real(number) => to_whole(*number),
        Cell::Text(text, _) => {
            let text = text.trim();
            text.parse().ok().or_else(|| to_whole(text.parse().ok()?))
        }
    }
}

fn to_whole(number: f64) -> Option<i64> {
    // Beyond these an integer of 64 bits has no room for it.
    let fits = number.is_finite() && number.abs() < 9.0e18;
    #[expect(clippy::cast_possible_truncation, reason = "its size was looked at")]
    fits.then_some(number.trunc() as i64)
}

/// More than this is no count of seconds but of milliseconds: as seconds it would be after the year 5000.
const SECONDS_END: i64 = 100_000_000_000;

fn moment(cell: &Cell) -> Option<Millis> {
    let from_number = |number: f64| {
        let is_millis = number.abs() >= 1.0e11;
        to_whole(if is_millis { number } else { number * 1000.0 })
    };
    match cell {
        Cell::Null => None,
        Cell::Integer(number) if number.unsigned_abs() >= SECONDS_END.unsigned_abs() => Some(*number),
        Cell::Integer(number) => Some(number * 1000),
        Cell::Real(number) => from_number(*number),
        Cell::Text(text, _) => {
            let text = text.trim();
            if let Ok(number) = text.parse::<i64>() {
                return moment(&Cell::Integer(number));
            }
            if let Ok(number) = text.parse::<f64>() {
                return from_number(number);
            }
            if let Ok(time) = text.parse::<jiff::Timestamp>() {
                return Some(time.as_millisecond());
            }
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
        }
    }
}

/// What tells a row from others: a hash of its parts.
pub(super) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    crate::random::hex_of(&hash.finalize()[..16])
}

/// What a row says in some columns, in short; a column that it does not have is as one that is empty.
pub(super) fn digest(table: &Table, row: &Row, columns: &[&str]) -> String {
    let mut parts = Vec::new();
    for column in columns {
        let cell = table.get(row, column);
        if *cell != Cell::Null {
            parts.push((*column).to_owned());
            parts.push(format!("{cell:?}"));
        }
    }
    key(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}
