//! Quorums: a task that starts when some of its parents are done, and what becomes of the others.

use serde_json::json;

use crate::{
    board::{
        Actor,
        claim::{End, list},
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::TaskId,
        run::Outcome,
        statements::*,
        task::Task,
    },
    clock::Millis,
};

/// How many parents a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Quorum {
    /// So many are to be done. Where fewer can still be, it starts when all have ended.
    pub needed: i64,
    /// The parents that are open then are cancelled.
    pub cancels_rest: bool,
}

impl Tx {
    /// Lets a new task wait for some of its parents alone.
    pub(crate) async fn set_quorum(&mut self, id: &TaskId, quorum: Quorum, parents: usize) -> Result<(), Error> {
        if usize::try_from(quorum.needed).map_or(true, |needed| needed == 0 || needed > parents) {
            refuse!(
                Invalid,
                "`--quorum {}` cannot be with {parents} parent(s): it is how many of them are to be done, so from 1 to {parents}",
                quorum.needed
            );
        }
        sql!(self, INSERT_QUORUM, id, quorum.needed, quorum.cancels_rest; execute);
        Ok(())
    }

    pub async fn quorum(&mut self, id: &TaskId) -> Result<Option<Quorum>, Error> {
        Ok(sql!(self, QUORUM, id; fetch_optional))
    }

    /// Ends what a task no longer waits for, if it was made so: the parents that are open, but those that others wait for.
    pub(crate) async fn cancel_rest(&mut self, task: &Task, now: Millis) -> Result<(), Error> {
        let rest: Vec<Task> = sql!(self, REST_OF_QUORUM, &task.id; fetch_all);
        if rest.is_empty() {
            return Ok(());
        }
        let ids: Vec<TaskId> = rest.iter().map(|task| task.id.clone()).collect();
        tracing::debug!(task.id = %task.id, "{} needs no more of its parents; {} end", task.id, list(&ids));
        for parent in rest {
            let reason = format!("enough others are done for {}", task.id);
            let end = End { error: Some(&reason), ..End::new(Outcome::Cancelled, &Actor::Gateway) };
            let payload = json!({"reason": reason, "by": Actor::Gateway.name()});
            // Through this the tasks that waited for it are looked at, so the way leads back here.
            Box::pin(self.archive_as(parent, &Actor::Gateway, end, Kind::Cancelled, payload, now)).await?;
        }
        Ok(())
    }
}
