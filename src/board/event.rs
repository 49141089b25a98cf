//! What can happen to a task. Events are only ever added.

use serde_json::Value;

use crate::{board::id::TaskId, clock::Millis};

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Event {
    pub id: i64,
    pub task_id: TaskId,
    pub run_id: Option<i64>,
    pub kind: Kind,
    /// A JSON object.
    pub payload: Option<String>,
    pub created_at: Millis,
}

impl Event {
    pub fn payload(&self) -> Value {
        self.payload.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    }
}

macro_rules! kinds {
    ($($name:ident $text:literal,)*) => {
        /// The kinds of events, by the names that the database and `--kinds` use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($name,)* }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    Created "created",
    Assigned "assigned",
    Linked "linked",
    Unlinked "unlinked",
    Commented "commented",
    Attached "attached",
    AttachmentRemoved "attachment_removed",
    Promoted "promoted",
    PromotedManual "promoted_manual",
    Claimed "claimed",
    ClaimRejected "claim_rejected",
    Spawned "spawned",
    Heartbeat "heartbeat",
    SpawnFailed "spawn_failed",
    Crashed "crashed",
    Lost "lost",
    ProtocolViolation "protocol_violation",
    RateLimited "rate_limited",
    AuthFailed "auth_failed",
    SessionGone "session_gone",
    DirectoryGone "directory_gone",
    DirectoryBack "directory_back",
    TimedOut "timed_out",
    Reclaimed "reclaimed",
    GaveUp "gave_up",
    BudgetSpent "budget_spent",
    ReviewRequested "review_requested",
    ReviewAssigned "review_assigned",
    ChangesRequested "changes_requested",
    Completed "completed",
    CompletionRefused "completion_refused",
    UnknownReferences "unknown_references",
    Edited "edited",
    Blocked "blocked",
    DependencyWait "dependency_wait",
    BlockLoopDetected "block_loop_detected",
    Unblocked "unblocked",
    Scheduled "scheduled",
    FiringSkipped "firing_skipped",
    Retried "retried",
    Cancelled "cancelled",
    Archived "archived",
    Imported "imported",
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("`{text}` is not a kind of event; there are {}", all.join(", "))
        })
    }
}

impl sqlx::Type<sqlx::Sqlite> for Kind {
    fn type_info() -> sqlx::sqlite::SqliteTypeInfo {
        <str as sqlx::Type<sqlx::Sqlite>>::type_info()
    }
}

impl<'r> sqlx::Decode<'r, sqlx::Sqlite> for Kind {
    fn decode(value: sqlx::sqlite::SqliteValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
        Ok(<&str as sqlx::Decode<'r, sqlx::Sqlite>>::decode(value)?.parse::<Self>()?)
    }
}
