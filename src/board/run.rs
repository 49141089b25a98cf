//! A run: one attempt at a task, opened by a claim and closed once.

use sha2::{Digest, Sha256};

use crate::{
    board::{
        Amount,
        id::{ProfileName, TaskId},
    },
    clock::Millis,
};

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Run {
    pub id: i64,
    pub task_id: TaskId,
    /// Counts the runs of the task from 1.
    pub attempt: i64,
    pub profile: Option<ProfileName>,
    pub step_key: Option<String>,
    pub token_hash: String,
    /// Who holds it: `gateway`, or a person.
    pub holder: String,
    /// A claim by a person expires; one that a shim watches over does not.
    pub claim_expires: Option<Millis>,
    pub workspace: Option<String>,
    pub worker_pid: Option<i64>,
    pub worker_start_time: Option<i64>,
    pub boot_id: Option<String>,
    pub max_runtime_seconds: Option<i64>,
    pub last_heartbeat_at: Option<Millis>,
    pub heartbeat_note: Option<String>,
    pub started_at: Millis,
    pub ended_at: Option<Millis>,
    pub outcome: Option<Outcome>,
    pub ended_by: Option<EndedBy>,
    pub summary: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub error: Option<String>,
    /// The review that it is for; none where it does the work itself.
    pub review: Option<i64>,
    /// What its worker reported that it has cost.
    pub cost: Amount,
    /// When its worker ended, where that was known before the run was closed.
    pub worker_ended_at: Option<Millis>,
}

impl Run {
    /// `running`, `done`, or the outcome: the reference's `status` of a run.
    pub fn status(&self) -> &'static str {
        match self.outcome {
            None => "running",
            Some(Outcome::Completed) => "done",
            Some(outcome) => outcome.as_str(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    /// Its work was handed in; with the approval it becomes `Completed`.
    InReview,
    /// It looked at the work of another run and took it.
    Approved,
    /// It looked at the work of another run and sent it back.
    ChangesRequested,
    Blocked,
    Scheduled,
    Reclaimed,
    Cancelled,
    Crashed,
    /// Its shim died, or the machine was restarted: how it ended is not known.
    Lost,
    TimedOut,
    SpawnFailed,
    ProtocolViolation,
    RateLimited,
    GaveUp,
    /// Its task may use no more time or money.
    BudgetSpent,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::InReview => "in_review",
            Self::Approved => "approved",
            Self::ChangesRequested => "changes_requested",
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Reclaimed => "reclaimed",
            Self::Cancelled => "cancelled",
            Self::Crashed => "crashed",
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
            Self::SpawnFailed => "spawn_failed",
            Self::ProtocolViolation => "protocol_violation",
            Self::RateLimited => "rate_limited",
            Self::GaveUp => "gave_up",
            Self::BudgetSpent => "budget_spent",
        }
    }
}

/// Who closed a run. Where it was not its own worker, the worker is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum EndedBy {
    Worker,
    Person,
    Gateway,
}

/// The secret of one run (256 bits): who has it may write for the run while the run is open. Only its hash is stored.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub fn random() -> Self {
        Self(crate::random::hex::<32>())
    }

    /// For handing it to the shim and to the worker, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// The form in which a token is stored.
pub fn hash(token: &str) -> String {
    crate::random::hex_of(&Sha256::digest(token.as_bytes()))
}
