//! The audit: who did what from where, in the transaction in which it was done. It never holds what anybody said.

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::TaskId,
        statements::*,
    },
    clock::Millis,
};

/// One thing that was done, or refused by access.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    /// Drawn by the board.
    #[sqlx(default)]
    pub id: i64,
    pub at: Millis,
    /// `platform:id (name)`.
    pub person: String,
    pub place: String,
    pub road: String,
    pub verb: String,
    pub task_id: Option<TaskId>,
    pub board: String,
    /// `done`, or `refused` with a code.
    pub outcome: String,
}

impl Tx {
    /// Notes what was done. A refusal that is noted already is not noted again within a minute.
    pub async fn note(&mut self, entry: &Entry) -> Result<(), Error> {
        sql!(self, INSERT_AUDIT, entry.at, &entry.person, &entry.place, &entry.road, &entry.verb, entry.task_id.as_ref(),
            &entry.board, &entry.outcome; execute);
        Ok(())
    }

    /// Forgets what is older than this.
    pub async fn forget_audit(&mut self, before: Millis) -> Result<(), Error> {
        sql!(self, FORGET_AUDIT, before; execute);
        Ok(())
    }

    /// The newest entries, of one task and of one person (`platform:id`) where they are given.
    pub async fn audit(
        &mut self,
        task: Option<&TaskId>,
        person: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Entry>, Error> {
        Ok(sql!(self, AUDIT, task, person, limit; fetch_all))
    }
}
