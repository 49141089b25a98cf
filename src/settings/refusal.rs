//! Settings that cannot be used, told to the person who wrote them.

use std::fmt;

/// Why settings were refused: one sentence for each problem, so that all can be mended at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Vec<String>);

impl Refusal {
    pub fn new(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }

    /// Answers `Ok` when there is no problem.
    pub(super) fn of(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Refusal {
    /// One problem a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Refusal {}
