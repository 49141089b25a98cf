//! How much a thread is told of what it follows.

use crate::board::event::Kind;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Everything but signs of life.
    All,
    /// What needs a person, what went wrong or waits, and how it ended.
    Changes,
    /// What needs a person, and how it ended.
    #[default]
    Decisions,
    /// How it ended.
    Final,
    /// Nothing: the card alone moves.
    Silent,
    /// How it ended, in one line: for the channel of a task that has a thread of its own.
    Ping,
}

impl Policy {
    pub const ALL: [Self; 6] = [Self::All, Self::Changes, Self::Decisions, Self::Final, Self::Silent, Self::Ping];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Changes => "changes",
            Self::Decisions => "decisions",
            Self::Final => "final",
            Self::Silent => "silent",
            Self::Ping => "ping",
        }
    }

    /// The policy that the database has; the usual one where it has none.
    pub(crate) fn read(text: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|policy| Some(policy.as_str()) == text).unwrap_or_default()
    }

    /// Whether an event of this kind is a message of its own.
    pub fn tells(self, kind: Kind) -> bool {
        match self {
            Self::All => weight(kind) >= Weight::Detail,
            Self::Changes => weight(kind) >= Weight::Setback,
            Self::Decisions => weight(kind) >= Weight::Question,
            Self::Final | Self::Ping => weight(kind) >= Weight::End,
            Self::Silent => false,
        }
    }
}

/// How much an event means to a person who does other things meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    SignOfLife,
    Detail,
    /// It went wrong or waits, and goes on by itself.
    Setback,
    /// It needs a person.
    Question,
    End,
}

fn weight(kind: Kind) -> Weight {
    match kind {
        Kind::Heartbeat => Weight::SignOfLife,
        Kind::Created
        | Kind::Assigned
        | Kind::Linked
        | Kind::Unlinked
        | Kind::Commented
        | Kind::Attached
        | Kind::AttachmentRemoved
        | Kind::Promoted
        | Kind::PromotedManual
        | Kind::Claimed
        | Kind::ClaimRejected
        | Kind::Spawned
        | Kind::Reclaimed
        | Kind::Edited
        | Kind::CompletionRefused
        | Kind::UnknownReferences
        | Kind::Unblocked
        | Kind::Scheduled
        | Kind::FiringSkipped
        | Kind::Retried
        | Kind::DirectoryBack
        | Kind::Archived
        | Kind::Imported => Weight::Detail,
        Kind::SpawnFailed
        | Kind::Crashed
        | Kind::Lost
        | Kind::ProtocolViolation
        | Kind::TimedOut
        | Kind::ReviewAssigned
        | Kind::ChangesRequested
        | Kind::DependencyWait => Weight::Setback,
        // One message for each rest of a profile, and one for a session that is lost: a person may want to do something.
        Kind::RateLimited
        | Kind::AuthFailed
        | Kind::SessionGone
        | Kind::Blocked
        | Kind::BlockLoopDetected
        | Kind::ReviewRequested
        | Kind::DirectoryGone
        | Kind::BudgetSpent => Weight::Question,
        Kind::GaveUp | Kind::Completed | Kind::Cancelled => Weight::End,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Policy};

    #[test]
    fn each_policy_tells_less_than_the_one_before_it() {
        let told = |policy: Policy| Kind::ALL.iter().filter(|kind| policy.tells(**kind)).count();
        assert_eq!(Policy::ALL.map(told), [Kind::ALL.len() - 1, 19, 11, 3, 0, 3]);
        assert!(!Policy::All.tells(Kind::Heartbeat));
        assert!(Policy::ALL.iter().all(|policy| Policy::read(Some(policy.as_str())) == *policy));
        assert_eq!(Policy::read(None), Policy::Decisions);
    }
}
