//! The platform's ways of saying no: `{"ok":false,"error_code":..,"description":..,"parameters":{..}}`.

use std::time::Duration;

use serde_json::{Value, json};

/// An answer that is not ok, in the words of the real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    description: String,
    retry_after: Option<u64>,
    migrate_to: Option<i64>,
}

impl Refusal {
    /// 400 with `Bad Request: ` before the words.
    pub(crate) fn bad(words: impl AsRef<str>) -> Self {
        Self::new(400, format!("Bad Request: {}", words.as_ref()))
    }

    /// 403 with `Forbidden: ` before the words.
    pub(crate) fn forbidden(words: &str) -> Self {
        Self::new(403, format!("Forbidden: {words}"))
    }

    /// 409 with `Conflict: ` before the words.
    pub(crate) fn conflict(words: &str) -> Self {
        Self::new(409, format!("Conflict: {words}"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized".to_owned())
    }

    /// What the server says to a path that it does not know at all.
    pub(crate) fn not_found() -> Self {
        Self::new(404, "Not Found".to_owned())
    }

    pub(crate) fn no_such_method() -> Self {
        Self::new(404, "Not Found: method not found".to_owned())
    }

    pub(crate) fn too_large() -> Self {
        Self::new(413, "Request Entity Too Large".to_owned())
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "Internal Server Error".to_owned())
    }

    pub(crate) fn chat_not_found() -> Self {
        Self::bad("chat not found")
    }

    /// 429. The platform names whole seconds alone.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let seconds = whole_seconds(wait);
        let refusal = Self::new(429, format!("Too Many Requests: retry after {seconds}"));
        Self { retry_after: Some(seconds), ..refusal }
    }

    /// The group goes on under another id.
    pub(crate) fn migrated(to: i64) -> Self {
        Self { migrate_to: Some(to), ..Self::bad("group chat was upgraded to a supergroup chat") }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({"retry_after": seconds});
        }
        if let Some(chat) = self.migrate_to {
            body["parameters"] = json!({"migrate_to_chat_id": chat});
        }
        body
    }

    fn new(code: u16, description: String) -> Self {
        Self { code, description, retry_after: None, migrate_to: None }
    }
}

/// A wait as the platform can name it, never shorter than it is.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
