//! Who asks, and from where.

use std::path::PathBuf;

use kanban_platform::Thread;

use crate::{
    board::{Actor, BoardSlug},
    settings::Role,
};

/// Made by whatever took the request in, never from what the request says.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    pub role: Role,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub enum Place {
    /// The command line of the local owner; relative paths are below this folder.
    Terminal { folder: PathBuf },
    /// A chat.
    Thread(Thread),
    /// A worker, through its shim, with its run's board and workspace.
    Worker { board: BoardSlug, workspace: PathBuf },
}

impl Caller {
    pub fn thread(&self) -> Option<&Thread> {
        match &self.place {
            Place::Thread(thread) => Some(thread),
            Place::Terminal { .. } | Place::Worker { .. } => None,
        }
    }

    /// How hints name the program.
    pub fn prefix(&self) -> &'static str {
        match self.place {
            Place::Thread(_) => "/kanban",
            Place::Terminal { .. } | Place::Worker { .. } => "kanban",
        }
    }
}

/// One update of a platform, or one call of a worker: it has one effect, however often it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub platform: String,
    pub id: String,
    /// What the platform needs in order to answer in place.
    pub return_address: Option<String>,
}
