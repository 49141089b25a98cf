//! How a task ends: complete, cancel, archive, delete; and correcting what was handed off.

use serde_json::{Value, json};

use crate::{
    board::{
        actor::Actor,
        attachment::{Artifact, Attachment},
        claim::End,
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::TaskId,
        moves::Action,
        review::{Verdict, Wanted},
        run::{Outcome, Run},
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

/// What is handed off with a completion.
#[derive(Clone, Debug, Default)]
pub struct HandOff {
    pub result: Option<String>,
    pub summary: Option<String>,
    /// A JSON object.
    pub metadata: Option<Value>,
    /// Files that go with it.
    pub artifacts: Vec<Artifact>,
}

impl HandOff {
    pub(crate) fn summary(&self) -> Option<&str> {
        self.summary.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    pub(crate) fn result(&self) -> Option<&str> {
        self.result.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

#[derive(sqlx::FromRow)]
struct Ended {
    #[sqlx(flatten)]
    task: Task,
    /// Whether it has children: 0 or 1.
    is_parent: i64,
}

impl Tx {
    pub async fn complete(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        hand_off: &HandOff,
        now: Millis,
    ) -> Result<Task, Error> {
        self.fence_own(actor, id).await?;
        let task = self.task(id).await?;
        if !Action::Complete.allowed_in(task.status) {
            refuse!(WrongStatus, "cannot complete {id}: {}", self.standing(&task).await?);
        }
        match self.last_review(id).await? {
            Some(review) if review.verdict.is_none() => {
                self.refuse_reviewer(actor, id, "complete").await?;
                self.refuse_author(actor, id, &review)?;
                self.close_question(actor, &task, "Complete", now).await?;
                return self.end_as_reviewed(actor, &task, Some(&review), hand_off, None, now).await;
            }
            // Whoever was told to change something does not decide alone that it is enough.
            Some(review) if review.verdict == Some(Verdict::Changes) && !actor.is_person() => {
                self.request_review(actor, id, hand_off, &Wanted::Usual, now).await?;
                return self.task(id).await;
            }
            Some(_) | None => {}
        }
        let summary = hand_off.summary().or(hand_off.result());
        let metadata = hand_off.metadata.as_ref().map(Value::to_string);
        let end = End { summary, metadata: metadata.as_deref(), ..End::new(Outcome::Completed, actor) };
        let run = match self.close(&task, actor, end, now).await? {
            // Files hang on a run.
            None if !hand_off.artifacts.is_empty() => {
                Some(self.closed_run(&task, actor, End::new(Outcome::Completed, actor), now).await?)
            }
            run => run,
        };
        if let Some(run) = &run {
            self.keep_artifacts(actor, &task, run, &hand_off.artifacts, now).await?;
        }
        let said = summary.map(first_line);
        let done = self.set_done(actor, &task, hand_off.result(), run.as_ref(), said, None, now).await?;
        self.close_question(actor, &task, "Complete", now).await?;
        Ok(done)
    }

    /// Sets a task to done, says so, and lets its children go on. `run` is the one whose hand-off stands.
    #[expect(clippy::too_many_arguments, reason = "an end has many parts, and this is where its two roads meet")]
    pub(crate) async fn set_done(
        &mut self,
        actor: &Actor,
        task: &Task,
        result: Option<&str>,
        run: Option<&Run>,
        said: Option<String>,
        approved_by: Option<&str>,
        now: Millis,
    ) -> Result<Task, Error> {
        let Ended { task: done, is_parent } = sql!(self, SET_DONE, &task.id, result, now; fetch_one);
        let mut payload = json!({
            "result_len": result.map_or(0, |text| text.chars().count()),
            "summary": said,
            "by": actor.name(),
        });
        if let Some(approved_by) = approved_by {
            payload["approved_by"] = json!(approved_by);
        }
        self.record(Kind::Completed, &done, run, payload, now).await?;
        if is_parent == 1 {
            self.promote_children(&done.id, now).await?;
        }
        Ok(done)
    }

    /// Corrects the result of a task that is done.
    pub async fn edit(&mut self, actor: &Actor, id: &TaskId, hand_off: &HandOff, now: Millis) -> Result<(), Error> {
        self.fence(actor, id).await?;
        let task = self.task(id).await?;
        if !Action::Edit.allowed_in(task.status) {
            refuse!(
                WrongStatus,
                "cannot edit {id}: it is {}, and only a done task has a result to correct",
                task.status
            );
        }
        let Some(result) = hand_off.result() else {
            refuse!(Invalid, "a result is required, as in `{{kanban}} edit {id} --result \"12 rows\"`");
        };
        sql!(self, SET_RESULT, id, result; execute);
        let summary = hand_off.summary().unwrap_or(result);
        let metadata = hand_off.metadata.as_ref().map(Value::to_string);
        let last: Option<Run> = sql!(self, LAST_COMPLETED_RUN, id; fetch_optional);
        let run = match last {
            Some(run) => {
                sql!(self, SET_RUN_RESULT, run.id, summary, metadata; execute);
                run
            }
            None => {
                let end = End {
                    summary: Some(summary),
                    metadata: metadata.as_deref(),
                    ..End::new(Outcome::Completed, actor)
                };
                self.closed_run(&task, actor, end, now).await?
            }
        };
        let mut fields = vec!["result"];
        fields.extend(hand_off.summary().map(|_| "summary"));
        fields.extend(hand_off.metadata.as_ref().map(|_| "metadata"));
        let payload = json!({"fields": fields, "result_len": result.chars().count(), "summary": first_line(summary)});
        self.record(Kind::Edited, &task, Some(&run), payload, now).await?;
        Ok(())
    }

    /// Ends a task for good without a result; its worker is stopped.
    pub async fn cancel(&mut self, actor: &Actor, id: &TaskId, reason: Option<&str>, now: Millis) -> Result<(), Error> {
        self.fence(actor, id).await?;
        self.refuse_reviewer(actor, id, "cancel").await?;
        self.refuse_sent_back(actor, id, "cancel").await?;
        let task = self.task(id).await?;
        if !Action::Cancel.allowed_in(task.status) {
            refuse!(WrongStatus, "cannot cancel {id}: {}", self.standing(&task).await?);
        }
        let end = End { error: reason, ..End::new(Outcome::Cancelled, actor) };
        self.archive_as(task, actor, end, Kind::Cancelled, json!({"reason": reason, "by": actor.name()}), now).await
    }

    pub async fn archive(&mut self, actor: &Actor, id: &TaskId, now: Millis) -> Result<(), Error> {
        self.fence(actor, id).await?;
        self.refuse_reviewer(actor, id, "archive").await?;
        self.refuse_sent_back(actor, id, "archive").await?;
        let task = self.task(id).await?;
        if !Action::Archive.allowed_in(task.status) {
            refuse!(
                WrongStatus,
                "cannot archive {id}: it is archived already; `{{kanban}} archive --rm {id}` deletes it"
            );
        }
        let end = End::new(Outcome::Reclaimed, actor);
        self.archive_as(task, actor, end, Kind::Archived, Value::Null, now).await
    }

    pub(crate) async fn archive_as(
        &mut self,
        task: Task,
        actor: &Actor,
        end: End<'_>,
        kind: Kind,
        payload: Value,
        now: Millis,
    ) -> Result<(), Error> {
        let run = match task.current_run {
            Some(_) => self.close(&task, actor, end, now).await?,
            None => None,
        };
        sql!(self, SET_ARCHIVED, &task.id; execute);
        let how = if kind == Kind::Cancelled { "Cancel" } else { "Archive" };
        self.close_question(actor, &task, how, now).await?;
        self.withdraw_review(actor, &task, how, now).await?;
        let archived = Task { status: Status::Archived, ..task };
        self.record(kind, &archived, run.as_ref(), payload, now).await?;
        self.promote_children(&archived.id, now).await?;
        Ok(())
    }

    /// Deletes an archived task with all that belongs to it. Answers the attachments whose files are left over.
    pub async fn delete(&mut self, id: &TaskId) -> Result<Vec<Attachment>, Error> {
        let task = self.task(id).await?;
        if !Action::Delete.allowed_in(task.status) {
            refuse!(
                WrongStatus,
                "cannot delete {id}: it is {}; archive it first with `{{kanban}} archive {id}`",
                task.status
            );
        }
        let attachments = self.attachments(id).await?;
        for statement in [
            DELETE_LINKS_OF,
            DELETE_QUORUM_OF,
            DELETE_COMMENTS_OF,
            DELETE_EVENTS_OF,
            DELETE_ATTACHMENTS_OF,
            DELETE_WATCHES_OF,
            DELETE_CARDS_OF,
            FORGET_OWN_THREADS,
            DELETE_QUESTIONS_OF,
            DELETE_REVIEWS_OF,
            DELETE_MESSAGES_OF,
            DELETE_INCOMING_OF,
            // They may hold work that is nowhere else, so they stay until somebody clears up.
            LEAVE_WORKTREES_OF,
            DELETE_RUNS_OF,
            // What a thread is still owed is sent all the same.
            DELETE_SETTLED_DELIVERIES_OF,
            DELETE_TASK,
        ] {
            sql!(self, statement, id; execute);
        }
        Ok(attachments)
    }

    /// Closes the open run of a task, or keeps the hand-off of one that nobody had claimed.
    pub(crate) async fn close(
        &mut self,
        task: &Task,
        actor: &Actor,
        end: End<'_>,
        now: Millis,
    ) -> Result<Option<Run>, Error> {
        match task.current_run {
            Some(run) => self.end_run(run, end, now).await,
            None if end.summary.is_some() || end.metadata.is_some() => {
                Ok(Some(self.closed_run(task, actor, end, now).await?))
            }
            None => Ok(None),
        }
    }
}

/// The first line of a text, at most 400 characters.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(400).collect()
}
