//! Two kinds of error: a refusal is for the person who asked, a fault is for the operator.

use std::fmt;

/// Why an operation did not happen. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Error {
    pub fn refused(reason: Reason, text: impl Into<String>) -> Self {
        Self::Refused(Refusal { reason, text: text.into() })
    }

    /// The code of a refusal; none for a fault.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason),
            Self::Fault(_) => None,
        }
    }
}

/// Answers a refusal from the function at hand.
macro_rules! refuse {
    ($reason:ident, $($text:tt)*) => {
        return Err($crate::board::error::Error::refused($crate::board::error::Reason::$reason, format!($($text)*)))
    };
}
pub(crate) use refuse;

/// A sentence that names the thing, what was expected and, where there is one, the command that would work.
///
/// In its text `{kanban}` stands for the program with the board at hand, and `{program}` for the program alone: only
/// whoever hands the refusal on knows how its reader has to type them. Displayed, both read `kanban`.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub reason: Reason,
    text: String,
}

impl Refusal {
    /// The sentence for a reader who types the program as `program`, and as `here` where the board at hand is meant.
    pub fn told(&self, program: &str, here: &str) -> String {
        self.text.replace("{kanban}", here).replace("{program}", program)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told("kanban", "kanban"))
    }
}

impl std::error::Error for Refusal {}

/// Codes of refusals, for programs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    UnknownTask,
    UnknownBoard,
    UnknownProfile,
    Unknown,
    WrongStatus,
    OpenParents,
    Cycle,
    Invalid,
    /// The command asks for what cannot be, whatever the board holds.
    Usage,
    Stale,
    Forbidden,
    NeedsPerson,
    Busy,
    TooMuch,
    NoGateway,
    Damaged,
    NewerSchema,
}

impl Reason {
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownTask => "unknown_task",
            Self::UnknownBoard => "unknown_board",
            Self::UnknownProfile => "unknown_profile",
            Self::Unknown => "unknown",
            Self::WrongStatus => "wrong_status",
            Self::OpenParents => "open_parents",
            Self::Cycle => "cycle",
            Self::Invalid => "invalid",
            Self::Usage => "usage",
            Self::Stale => "stale",
            Self::Forbidden => "forbidden",
            Self::NeedsPerson => "needs_person",
            Self::Busy => "busy",
            Self::TooMuch => "too_much",
            Self::NoGateway => "no_gateway",
            Self::Damaged => "damaged",
            Self::NewerSchema => "newer_schema",
        }
    }
}

/// Something outside failed: the disk, the database, the operating system.
#[derive(Clone, Debug)]
pub struct Fault {
    text: String,
    /// The database was locked by another process for too long.
    pub busy: bool,
    /// The file is broken, or it is no database at all.
    pub(crate) damaged: bool,
    /// The board was let go of.
    pub(crate) closed: bool,
}

impl Fault {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), busy: false, damaged: false, closed: false }
    }

    /// Another process has held the database for too long.
    pub(crate) fn busy(text: impl Into<String>) -> Self {
        Self { busy: true, ..Self::new(text) }
    }

    pub(crate) fn closed() -> Self {
        Self { closed: true, ..Self::new("the board is closed") }
    }

    /// A statement of the transaction had failed before.
    pub(crate) fn failed() -> Self {
        Self::new("a statement of this change has failed; nothing was saved")
    }

    /// The commit that this change was to share failed.
    pub(crate) fn shared() -> Self {
        Self::new("the database could not commit; nothing was saved")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        // Extended codes keep the primary one in the low byte: 5 is SQLITE_BUSY, 11 SQLITE_CORRUPT, 26 SQLITE_NOTADB.
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|code| code.parse::<i32>().ok())
            .map(|code| code & 0xff);
        Self { busy: code == Some(5), damaged: matches!(code, Some(11 | 26)), ..Self::new(error.to_string()) }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Fault(error.into())
    }
}
