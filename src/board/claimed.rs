//! What a worker says that it has created: held against the board before its completion counts.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    board::{
        actor::Actor,
        claim::list,
        db::{Tx, sql},
        error::{Error, Reason},
        event::Kind,
        finish::HandOff,
        id::TaskId,
        statements::*,
        task::Task,
    },
    clock::Millis,
};

/// So many ids in a text are looked up.
const LOOKED_UP: usize = 64;

impl Tx {
    /// Holds the tasks that are claimed to have been created against the board. Where one is not there, or was neither made
    /// by a run of the task nor linked below it, that is noted, and the refusal is answered for the completion.
    pub async fn check_created(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        created: &[TaskId],
        now: Millis,
    ) -> Result<Option<Error>, Error> {
        if created.is_empty() {
            return Ok(None);
        }
        self.fence_own(actor, id).await?;
        let task = self.task(id).await?;
        let children = self.children(id).await?;
        let mut wrong: Vec<TaskId> = Vec::new();
        for claimed in created.iter().collect::<BTreeSet<_>>() {
            let made: Option<(String,)> = sql!(self, CREATED_BY_RUNS_OF, claimed, id; fetch_optional);
            if made.is_none() && !children.contains(claimed) {
                wrong.push(claimed.clone());
            }
        }
        if wrong.is_empty() {
            return Ok(None);
        }
        let run = match task.current_run {
            Some(run) => Some(self.run(run).await?),
            None => None,
        };
        let payload = json!({"reason": "created_unknown", "ids": wrong, "by": actor.name()});
        self.record(Kind::CompletionRefused, &task, run.as_ref(), payload, now).await?;
        Ok(Some(Error::refused(
            Reason::Invalid,
            format!(
                "cannot complete {id}: {} {} created by it, nor linked below it; `{{kanban}} show {id}` lists its children; name those alone, or leave `--created` out; the task stays as it was",
                list(&wrong),
                if wrong.len() == 1 { "was neither" } else { "were neither" }
            ),
        )))
    }

    /// The ids in a hand-off that are no tasks of this board, noted with the task. Nothing is refused for them.
    pub async fn unknown_references(
        &mut self,
        actor: &Actor,
        task: &Task,
        hand_off: &HandOff,
        now: Millis,
    ) -> Result<Vec<TaskId>, Error> {
        let mentioned: BTreeSet<TaskId> =
            [hand_off.summary(), hand_off.result()].into_iter().flatten().flat_map(mentions).take(LOOKED_UP).collect();
        let mut unknown = Vec::new();
        for id in mentioned {
            let found: Option<Task> = sql!(self, TASK, &id; fetch_optional);
            if found.is_none() {
                unknown.push(id);
            }
        }
        if !unknown.is_empty() {
            let payload = json!({"ids": unknown, "by": actor.name()});
            self.record(Kind::UnknownReferences, task, None, payload, now).await?;
        }
        Ok(unknown)
    }
}

/// The words of a text that look like ids of tasks.
fn mentions(text: &str) -> impl Iterator<Item = TaskId> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.len() >= 10 && word.starts_with("t_")).filter_map(|word| word.parse().ok())
}
