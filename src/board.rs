//! The board: tasks and everything that is recorded about them. The only code that knows SQL.
//!
//! An operation is a method on [`Tx`]: it checks first and writes then, and nothing is kept unless the transaction is
//! committed. Nothing is sent or spawned inside one.

pub mod actor;
mod amount;
pub mod announcement;
pub mod arrival;
pub mod attachment;
pub mod attempt;
pub mod audit;
pub mod block;
pub mod budget;
pub mod button;
pub mod card;
pub mod claim;
mod claimed;
pub mod comment;
pub mod copy;
pub mod create;
pub(crate) mod db;
pub mod delivery;
pub mod digest;
pub mod error;
pub mod event;
pub mod face;
pub mod figures;
pub mod finish;
pub mod grant;
pub mod graph;
pub mod history;
pub mod id;
pub mod inbox;
pub mod incoming;
pub mod lane;
pub mod moves;
pub mod opening;
mod outgoing;
pub mod park;
pub mod pin;
pub mod policy;
pub mod question;
pub mod quorum;
mod readers;
pub mod review;
pub mod run;
pub mod schedule;
mod schema;
mod shelf;
mod statements;
pub mod task;
pub mod thread;
mod turn;
pub mod view;
pub mod workplace;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use actor::{Actor, Remit};
pub use amount::Amount;
pub use db::{Tx, Wake};
pub use error::{Error, Fault, Reason, Refusal};
pub use id::{BoardSlug, ProfileName, ScheduleId, TaskId};
pub use schema::VERSION as SCHEMA_VERSION;
pub use shelf::Boards;

pub(crate) use shelf::unknown_board;
pub(crate) use view::unknown;

use db::Db;
use turn::Turns;

/// One queue of tasks with its own database file.
#[derive(Clone)]
pub struct Board {
    slug: BoardSlug,
    folder: PathBuf,
    db: Db,
}

impl Board {
    /// Opens the board in a folder, making or migrating its file where that is needed.
    ///
    /// # Errors
    /// Refuses a damaged board, one that a newer program wrote, and a file that is no board.
    pub async fn open(folder: &Path, slug: BoardSlug, wake: Arc<Wake>) -> Result<Self, Error> {
        let file = folder.join(FILE);
        let turns = Turns::at(folder);
        // A board is nearly always there and current, and looking first would cost another connection each time.
        if let Ok((db, header)) = Db::open(&file, &slug, turns.clone(), Arc::clone(&wake)).await {
            if header.is_ready() {
                return Ok(Self { slug, folder: folder.to_owned(), db });
            }
            db.close().await;
        }
        schema::prepare(&file, &turns).await?;
        match Db::open(&file, &slug, turns, wake).await {
            Ok((db, _)) => Ok(Self { slug, folder: folder.to_owned(), db }),
            Err(Error::Fault(fault)) if fault.damaged => Err(schema::set_aside(&file, &fault)?),
            Err(error) => Err(error),
        }
    }

    pub fn slug(&self) -> &BoardSlug {
        &self.slug
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// A snapshot to look at.
    pub async fn read(&self) -> Result<Tx, Error> {
        self.db.read().await
    }

    /// A transaction to change things in; others wait for it.
    pub async fn write(&self) -> Result<Tx, Error> {
        self.db.write().await
    }

    /// A number that changes when another process has written.
    pub async fn data_version(&self) -> Result<i64, Error> {
        self.db.data_version().await
    }

    /// Reads the whole file and refuses it if anything in it is wrong; it is closed and a copy set aside then.
    pub async fn check(&self) -> Result<(), Error> {
        let problems = self.db.quick_check().await?;
        match problems.first() {
            None => Ok(()),
            Some(problem) => {
                // Copying a file drops the locks that this process has on it, so none may be needed any more.
                self.close().await;
                Err(schema::set_aside(&self.file(), problem)?)
            }
        }
    }

    /// Whether the file was let go of.
    pub fn is_closed(&self) -> bool {
        self.db.is_closed()
    }

    /// Ends what is open and lets go of the file.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

/// The name of a board's file in its folder.
pub(crate) const FILE: &str = "board.db";
