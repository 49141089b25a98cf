//! The one table of moves between statuses.

use crate::board::task::Status::{self, Archived, Blocked, Done, Ready, Review, Running, Scheduled, Todo, Triage};

/// What may be done to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The last open parent ended, or a link to it went.
    ParentsSatisfied,
    /// A parent was linked that has not ended.
    ParentAdded,
    Claim,
    Heartbeat,
    /// Its work is handed in for somebody else to look at.
    RequestReview,
    Approve,
    RequestChanges,
    Complete,
    Edit,
    Block,
    BlockOnDependency,
    BlockAgain,
    Unblock,
    Schedule,
    /// The scheduled time has come.
    Due,
    Promote,
    Assign,
    Reclaim,
    Retry,
    Cancel,
    Archive,
    Delete,
    /// A worker ended without success and may try again.
    Fail,
    /// It failed as often as is allowed.
    GiveUp,
    /// Its budget is used up.
    SpendBudget,
}

/// Where a move leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Status(Status),
    /// `ready`, or `todo` while a parent is open.
    ReadyOrTodo,
    Same,
    Deleted,
}

/// One row of the table of moves.
pub struct Move {
    pub action: Action,
    pub from: &'static [Status],
    pub to: To,
    /// What else must hold, in words for docs/states.md.
    pub guard: &'static str,
}

/// Every move that there is. What is not listed is refused.
pub const MOVES: &[Move] = &[
    Move {
        action: Action::ParentsSatisfied,
        from: &[Todo],
        to: To::Status(Ready),
        guard: "enough parents are done, or all have ended",
    },
    Move { action: Action::ParentAdded, from: &[Ready], to: To::Status(Todo), guard: "the new parent is open" },
    Move {
        action: Action::Claim,
        from: &[Ready],
        to: To::Status(Running),
        guard: "enough parents are done, or all have ended, or a person waived them; no run is open",
    },
    Move { action: Action::Heartbeat, from: &[Running], to: To::Same, guard: "" },
    Move {
        action: Action::RequestReview,
        from: &[Running, Ready, Review],
        to: To::Status(Review),
        guard: "a worker holds the open run, and it is no reviewer's; what is in review already gets another reviewer, by a person alone",
    },
    Move {
        action: Action::Approve,
        from: &[Running, Review],
        to: To::Status(Done),
        guard: "by a person, or by the worker of the reviewer's run; never by whoever did the work; a running task must be under review",
    },
    Move {
        action: Action::RequestChanges,
        from: &[Running, Review],
        to: To::ReadyOrTodo,
        guard: "by a person, or by the worker of the reviewer's run; a running task must be under review",
    },
    Move {
        action: Action::Complete,
        from: &[Running, Ready, Blocked, Review],
        to: To::Status(Done),
        guard: "a worker holds the open run, and nobody has sent its work back: then it is handed in again; what is in review is not completed by whoever did the work",
    },
    Move { action: Action::Edit, from: &[Done], to: To::Same, guard: "" },
    Move {
        action: Action::Block,
        from: &[Running, Ready],
        to: To::Status(Blocked),
        guard: "a worker holds the open run",
    },
    Move {
        action: Action::BlockOnDependency,
        from: &[Running, Ready],
        to: To::Status(Todo),
        guard: "a parent is open; where the last one has ended since the run began, it is ready at once; else it is blocked until a person unblocks it",
    },
    Move {
        action: Action::BlockAgain,
        from: &[Running, Ready],
        to: To::Status(Triage),
        guard: "the second block of one kind without an answer, a completion or a give-up between; always announced",
    },
    Move {
        action: Action::Unblock,
        from: &[Blocked, Scheduled],
        to: To::ReadyOrTodo,
        guard: "a question is released by a person alone",
    },
    Move {
        action: Action::Schedule,
        from: &[Todo, Ready, Running, Blocked, Scheduled],
        to: To::Status(Scheduled),
        guard: "a question is set aside by a person alone",
    },
    Move { action: Action::Due, from: &[Scheduled], to: To::ReadyOrTodo, guard: "its time has come" },
    Move {
        action: Action::Promote,
        from: &[Triage, Todo, Blocked],
        to: To::Status(Ready),
        guard: "enough parents are done, or all have ended, or --force; a question, and what was blocked again, is released by a person alone",
    },
    Move {
        action: Action::Assign,
        from: &[Triage, Todo, Scheduled, Ready, Blocked, Review, Done],
        to: To::Same,
        guard: "",
    },
    Move { action: Action::Reclaim, from: &[Running], to: To::ReadyOrTodo, guard: "its worker is stopped" },
    Move {
        action: Action::Retry,
        from: &[Ready, Blocked, Review],
        to: To::ReadyOrTodo,
        guard: "a ready task, and one in review, must be backing off; a question is released by a person alone",
    },
    Move {
        action: Action::Cancel,
        from: &[Triage, Todo, Scheduled, Ready, Running, Blocked, Review],
        to: To::Status(Archived),
        guard: "its worker is stopped",
    },
    Move {
        action: Action::Archive,
        from: &[Triage, Todo, Scheduled, Ready, Running, Blocked, Review, Done],
        to: To::Status(Archived),
        guard: "its worker is stopped",
    },
    Move { action: Action::Delete, from: &[Archived], to: To::Deleted, guard: "" },
    Move {
        action: Action::Fail,
        from: &[Running],
        to: To::ReadyOrTodo,
        guard: "fewer failed attempts than allowed; it backs off",
    },
    Move {
        action: Action::GiveUp,
        from: &[Running],
        to: To::Status(Blocked),
        guard: "as many failed attempts as allowed",
    },
    Move {
        action: Action::SpendBudget,
        from: &[Ready, Running],
        to: To::Status(Blocked),
        guard: "it has used all the time or money that it may; its worker is stopped",
    },
];

impl Action {
    pub const ALL: [Self; 25] = [
        Self::ParentsSatisfied,
        Self::ParentAdded,
        Self::Claim,
        Self::Heartbeat,
        Self::RequestReview,
        Self::Approve,
        Self::RequestChanges,
        Self::Complete,
        Self::Edit,
        Self::Block,
        Self::BlockOnDependency,
        Self::BlockAgain,
        Self::Unblock,
        Self::Schedule,
        Self::Due,
        Self::Promote,
        Self::Assign,
        Self::Reclaim,
        Self::Retry,
        Self::Cancel,
        Self::Archive,
        Self::Delete,
        Self::Fail,
        Self::GiveUp,
        Self::SpendBudget,
    ];

    /// The row of the table for this action.
    pub fn row(self) -> &'static Move {
        MOVES.iter().find(|row| row.action == self).expect("the table has a row for each action")
    }

    /// Whether the action is possible at all in this status.
    pub fn allowed_in(self, status: Status) -> bool {
        self.row().from.contains(&status)
    }

    /// The verb that people type, or what happens by itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::ParentsSatisfied => "parents satisfied",
            Self::ParentAdded => "link",
            Self::Claim => "claim",
            Self::Heartbeat => "heartbeat",
            Self::RequestReview => "request-review",
            Self::Approve => "approve",
            Self::RequestChanges => "request-changes",
            Self::Complete => "complete",
            Self::Edit => "edit",
            Self::Block => "block",
            Self::BlockOnDependency => "block --kind dependency",
            Self::BlockAgain => "block (again)",
            Self::Unblock => "unblock",
            Self::Schedule => "schedule",
            Self::Due => "time has come",
            Self::Promote => "promote",
            Self::Assign => "assign",
            Self::Reclaim => "reclaim",
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Archive => "archive",
            Self::Delete => "archive --rm",
            Self::Fail => "attempt failed",
            Self::GiveUp => "gave up",
            Self::SpendBudget => "budget spent",
        }
    }
}

/// The table as Markdown, for docs/states.md.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Statuses and moves\n\n\
         Generated from the table in `src/board/moves.rs`; `KANBAN_BLESS=1 cargo test --test board` writes it anew.\n\
         What is not listed is refused, and a refusal changes nothing. A task whose review is open goes back to review \
         wherever this page says ready or todo.\n\n\
         | move | from | to | when |\n|---|---|---|---|\n",
    );
    for row in MOVES {
        let from: Vec<_> = row.from.iter().map(|status| status.as_str()).collect();
        let to = match row.to {
            To::Status(status) => status.as_str(),
            To::ReadyOrTodo => "ready, or todo while a parent is open",
            To::Same => "(the same)",
            To::Deleted => "(deleted)",
        };
        text.push_str(&format!("| {} | {} | {to} | {} |\n", row.action.name(), from.join(", "), row.guard));
    }
    text
}
