//! What is needed to answer somebody in place, as [`kanban_platform::Request::return_address`] keeps it.

use serde::{Deserialize, Serialize};

/// How long a `response_url` is good for is 30 minutes, by the page "Handling user interaction". One less is kept for
/// the way.
const GOOD_FOR: i64 = 29 * 60 * 1000;

/// Who asked, and where the answer may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReturnAddress {
    /// The person who asked.
    pub(crate) user: String,
    /// An address that takes up to five answers, and in channels too where we are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) response_url: Option<String>,
    /// When it was given, in unix milliseconds.
    #[serde(default)]
    pub(crate) at: i64,
    /// What an answer that replaces would replace is nothing but our own earlier answer. Below a button it would be
    /// the message that everybody sees.
    #[serde(default)]
    pub(crate) may_replace: bool,
}

impl ReturnAddress {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The address, while it is good.
    pub(crate) fn response_url_at(&self, now: i64) -> Option<&str> {
        self.response_url.as_deref().filter(|_| now - self.at < GOOD_FOR)
    }
}
