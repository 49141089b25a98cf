//! Who does something to the board.

use crate::board::id::TaskId;

/// Decided by the gateway from how a request came in, never by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, by the name that comments and events show: `platform:id (name)`.
    Person { name: String },
    /// The worker of a run; each of its changes is fenced by that run still being open.
    Worker { run: i64, task: TaskId, name: String, remit: Remit },
    /// The gateway itself.
    Gateway,
}

/// How far a worker's changes reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remit {
    /// Its own task and the tasks that it created.
    #[default]
    Own,
    /// It also steers the tasks of its own task's tenant: it links, comments on, assigns and releases them.
    Tenant,
}

impl Actor {
    pub fn name(&self) -> &str {
        match self {
            Self::Person { name } | Self::Worker { name, .. } => name,
            Self::Gateway => "gateway",
        }
    }

    pub fn is_person(&self) -> bool {
        matches!(self, Self::Person { .. })
    }
}
