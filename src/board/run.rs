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
    /// The agent's session that it is a part of.
    pub session: Option<String>,
    /// Whether the agent itself has named the session: 0 or 1.
    pub session_known: i64,
    /// How the run had ended whose session it goes on in; none in a new session.
    pub resumed_after: Option<ResumedAfter>,
    /// What its worker reported that it has cost.
    pub cost: Amount,
    /// When its worker ended, where that was known before the run was closed.
    pub worker_ended_at: Option<Millis>,
}

/// What a run follows that goes on in a session of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum ResumedAfter {
    /// The worker had said how it ended, or the run was taken from it.
    Word,
    /// It had failed.
    Failure,
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

    /// How a run would go on in the session of this one, if its agent surely knows it: it has named it, it has given a
    /// sign of life in it, or it has ended it well. A session in which one failure followed the other is left.
    pub fn next_in_session(&self) -> Option<ResumedAfter> {
        let outcome = self.outcome?;
        let is_known = self.session_known == 1
            || self.last_heartbeat_at.is_some()
            || self.ended_by == Some(EndedBy::Worker)
            || outcome == Outcome::ProtocolViolation;
        if !is_known || self.session.is_none() || outcome == Outcome::SessionGone {
            return None;
        }
        match (outcome.is_failure(), self.resumed_after) {
            (true, Some(ResumedAfter::Failure)) => None,
            (true, _) => Some(ResumedAfter::Failure),
            (false, _) => Some(ResumedAfter::Word),
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
    /// Nobody was logged in to its agent.
    AuthFailed,
    /// Its agent did not know the session any more that it was to go on in.
    SessionGone,
    GaveUp,
    /// Its task may use no more time or money.
    BudgetSpent,
    /// It was open in another system, from which its task was brought in.
    Imported,
}

impl Outcome {
    pub const ALL: [Self; 19] = [
        Self::Completed,
        Self::InReview,
        Self::Approved,
        Self::ChangesRequested,
        Self::Blocked,
        Self::Scheduled,
        Self::Reclaimed,
        Self::Cancelled,
        Self::Crashed,
        Self::Lost,
        Self::TimedOut,
        Self::SpawnFailed,
        Self::ProtocolViolation,
        Self::RateLimited,
        Self::AuthFailed,
        Self::SessionGone,
        Self::GaveUp,
        Self::BudgetSpent,
        Self::Imported,
    ];

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
            Self::AuthFailed => "auth_failed",
            Self::SessionGone => "session_gone",
            Self::GaveUp => "gave_up",
            Self::BudgetSpent => "budget_spent",
            Self::Imported => "imported",
        }
    }

    /// Whether the attempt went wrong, in a way that counts against its task.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Crashed
            | Self::Lost
            | Self::TimedOut
            | Self::SpawnFailed
            | Self::ProtocolViolation
            | Self::GaveUp
            | Self::BudgetSpent => true,
            Self::Completed
            | Self::InReview
            | Self::Approved
            | Self::ChangesRequested
            | Self::Blocked
            | Self::Scheduled
            | Self::Reclaimed
            | Self::Cancelled
            | Self::RateLimited
            | Self::AuthFailed
            | Self::SessionGone
            | Self::Imported => false,
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
