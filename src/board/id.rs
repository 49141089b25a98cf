//! Names that people type: of a task, a profile and a board.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A task's id: `t_` and lower-case letters or digits. Capitals, as phones type them, are lowered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct TaskId(String);

impl TaskId {
    /// Draws a new id: eight letters and digits (40 bits) that cannot be mistaken for one another.
    pub fn random() -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut id = String::from("t_");
        for byte in crate::random::bytes::<8>() {
            id.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether a word has the form of an id, whatever task it names.
    pub fn looks_like(word: &str) -> bool {
        word.parse::<Self>().is_ok()
    }
}

impl FromStr for TaskId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.trim().to_ascii_lowercase();
        match id.strip_prefix("t_") {
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) => {
                Ok(Self(id))
            }
            _ => Err(format!("`{text}` is not a task id; an id looks like `t_4kx9c2ma`")),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A schedule's number on its board, typed `s3` or `3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ScheduleId(i64);

impl FromStr for ScheduleId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.trim().to_ascii_lowercase();
        let number = id.strip_prefix('s').unwrap_or(&id).parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| {
            format!("`{text}` is no schedule; one looks like `s3`, and `schedule list` shows those of the board")
        })
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// The name of a profile, as settings declare it. Lower-cased.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct ProfileName(String);

impl ProfileName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim().to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if !name.is_empty()
            && name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(fits)
        {
            Ok(Self(name))
        } else {
            Err(format!("`{text}` is not a profile name; expected letters, digits, `-`, `_` and `.`, as in `claude`"))
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The short name of a board, also its folder's name. Lower-cased.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct BoardSlug(String);

impl BoardSlug {
    /// How commands for this board begin in chat. There is no current board there, so every other board than the default
    /// one is named.
    pub(crate) fn program(&self) -> String {
        match *self == Self::default() {
            true => "/kanban".to_owned(),
            false => format!("/kanban --board {self}"),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BoardSlug {
    /// The board that is always there.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for BoardSlug {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let slug = text.trim().to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if (1..=64).contains(&slug.len())
            && slug.starts_with(|c: char| c.is_ascii_alphanumeric())
            && slug.chars().all(fits)
        {
            Ok(Self(slug))
        } else {
            Err(format!(
                "invalid board slug `{text}`: must be 1-64 chars, lowercase alphanumerics / hyphens / underscores, not starting with `-` or `_`"
            ))
        }
    }
}

impl fmt::Display for BoardSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
