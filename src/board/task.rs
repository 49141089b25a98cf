//! A task and its statuses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    board::{
        Amount,
        id::{ProfileName, TaskId},
    },
    clock::Millis,
};

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Task {
    pub id: TaskId,
    pub title: String,
    pub body: Option<String>,
    pub assignee: Option<ProfileName>,
    pub status: Status,
    pub priority: i64,
    pub tenant: Option<String>,
    pub workspace_kind: WorkspaceKind,
    /// As asked for at first, as resolved once a worker has started.
    pub workspace_path: Option<String>,
    pub branch_name: Option<String>,
    pub project_id: Option<String>,
    /// A JSON array of names.
    pub skills: String,
    pub goal_mode: bool,
    pub goal_max_turns: Option<i64>,
    /// The number of failed attempts allowed in all.
    pub max_retries: Option<i64>,
    pub max_runtime_seconds: Option<i64>,
    pub idempotency_key: Option<String>,
    pub session_id: Option<String>,
    pub workflow_template_id: Option<String>,
    pub current_step_key: Option<String>,
    pub created_by: String,
    /// The run whose worker created it.
    pub creator_run: Option<i64>,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub completed_at: Option<Millis>,
    pub result: Option<String>,
    pub current_run: Option<i64>,
    /// Failed attempts in a row.
    pub failures: i64,
    pub last_error: Option<String>,
    pub block_kind: Option<BlockKind>,
    pub block_reason: Option<String>,
    pub block_recurrences: i64,
    /// A person let it start in spite of open parents.
    pub parents_waived: bool,
    /// Scheduled or backing off until then.
    pub not_before: Option<Millis>,
    /// Workers may be at it for so long over all attempts.
    pub max_total_seconds: Option<i64>,
    pub max_cost: Option<Amount>,
    /// What it has cost, as its workers reported it.
    pub cost: Amount,
    /// How long workers were at it, in the runs that are over.
    pub worked_ms: Millis,
}

impl Task {
    /// Whether its last attempt failed, and it has given up or backs off.
    pub fn has_failed(&self, now: Millis) -> bool {
        match self.status {
            Status::Blocked => self.last_error.is_some() && self.last_error == self.block_reason,
            Status::Ready => self.last_error.is_some() && self.not_before.is_some_and(|at| at > now),
            Status::Triage
            | Status::Todo
            | Status::Scheduled
            | Status::Running
            | Status::Review
            | Status::Done
            | Status::Archived => false,
        }
    }

    /// Whether only a person may let it go on.
    pub fn needs_person(&self) -> bool {
        // A question that was asked again without an answer waits in triage.
        matches!(self.status, Status::Blocked | Status::Triage) && self.block_kind == Some(BlockKind::NeedsInput)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum Status {
    Triage,
    Todo,
    Scheduled,
    Ready,
    Running,
    Blocked,
    Review,
    Done,
    Archived,
}

impl Status {
    pub const ALL: [Self; 9] = [
        Self::Triage,
        Self::Todo,
        Self::Scheduled,
        Self::Ready,
        Self::Running,
        Self::Blocked,
        Self::Review,
        Self::Done,
        Self::Archived,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Todo => "todo",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Review => "review",
            Self::Done => "done",
            Self::Archived => "archived",
        }
    }

    /// Whether a child need not wait for a parent in this status.
    pub fn satisfies_children(self) -> bool {
        matches!(self, Self::Done | Self::Archived)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| format!("`{text}` is not a status"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum WorkspaceKind {
    Scratch,
    Dir,
    Worktree,
}

impl WorkspaceKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Dir => "dir",
            Self::Worktree => "worktree",
        }
    }
}

/// Why a blocked task is blocked. A question (`needs_input`) is released by a person alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum BlockKind {
    NeedsInput,
    Capability,
    Transient,
    Dependency,
}

impl BlockKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeedsInput => "needs_input",
            Self::Capability => "capability",
            Self::Transient => "transient",
            Self::Dependency => "dependency",
        }
    }
}
