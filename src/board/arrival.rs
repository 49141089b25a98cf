//! Rows that come from another system, put down as they are: no thread is told, and nothing follows from them by itself.

use serde_json::Value;

use crate::{
    board::{
        Actor, Amount,
        attachment::Attachment,
        comment::Comment,
        db::{Tx, sql},
        error::Error,
        event::{Event, Kind},
        id::TaskId,
        question::Ask,
        review::{Review, Verdict},
        run::{Outcome, Run},
        statements::*,
        task::{BlockKind, Status, Task},
    },
    clock::Millis,
};

/// Who has held the runs that were brought in.
pub const HOLDER: &str = "import";

/// A row of elsewhere that is here already.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Arrival {
    /// `task`, `link`, `run`, `comment`, `event`, `attachment` or `watch`.
    pub kind: String,
    /// What tells it from the others of its kind.
    pub key: String,
    pub task_id: TaskId,
    /// Its number here; of a task, the number of the latest event that it had when it was last taken in.
    pub local_id: Option<i64>,
    /// What it said when it was last taken in.
    pub digest: String,
}

impl Tx {
    /// Everything that was brought in before.
    pub async fn arrivals(&mut self) -> Result<Vec<Arrival>, Error> {
        Ok(sql!(self, ARRIVALS; fetch_all))
    }

    pub async fn note_arrival(&mut self, arrival: &Arrival) -> Result<(), Error> {
        sql!(self, NOTE_ARRIVAL, &arrival.kind, &arrival.key, &arrival.task_id, arrival.local_id, &arrival.digest; execute);
        Ok(())
    }

    /// Notes that a task has been taken in as far as its present events go: whatever follows was done here.
    pub async fn mark_arrived(&mut self, task: &TaskId) -> Result<(), Error> {
        sql!(self, MARK_ARRIVED, task; execute);
        Ok(())
    }

    /// The number of the latest event of a task, or 0.
    pub async fn last_event_of(&mut self, task: &TaskId) -> Result<i64, Error> {
        let last: Vec<Event> = sql!(self, LAST_EVENTS_OF, task, 1_i64; fetch_all);
        Ok(last.first().map_or(0, |event| event.id))
    }

    /// Puts a task down, in the place of the one with its id. It is not at work.
    pub async fn put_task(&mut self, task: &Task) -> Result<(), Error> {
        sql!(self, PUT_TASK, &task.id, &task.title, task.body.as_ref(), task.assignee.as_ref(), task.status, task.priority,
            task.tenant.as_ref(), task.workspace_kind, task.workspace_path.as_ref(), task.branch_name.as_ref(),
            task.project_id.as_ref(), &task.skills, task.goal_mode, task.goal_max_turns, task.max_retries,
            task.max_runtime_seconds, task.idempotency_key.as_ref(), task.session_id.as_ref(),
            task.workflow_template_id.as_ref(), task.current_step_key.as_ref(), &task.created_by, task.created_at,
            task.started_at, task.completed_at, task.result.as_ref(), task.failures, task.last_error.as_ref(),
            task.block_kind, task.block_reason.as_ref(), task.block_recurrences, task.parents_waived; execute);
        self.mark_cards(task).await?;
        self.wakes_dispatcher();
        Ok(())
    }

    /// The live task that has an idempotency key.
    pub async fn task_by_key(&mut self, key: &str) -> Result<Option<Task>, Error> {
        Ok(sql!(self, TASK_BY_KEY, key; fetch_optional))
    }

    /// Puts a run down that is over; the next attempt of its task. Answers its number.
    pub async fn put_run(&mut self, run: &Run) -> Result<i64, Error> {
        let (id,): (i64,) = sql!(self, PUT_RUN, &run.task_id, run.profile.as_ref(), run.step_key.as_ref(), &run.holder,
            run.max_runtime_seconds, run.last_heartbeat_at, run.started_at, run.ended_at, run.outcome,
            run.summary.as_ref(), run.metadata.as_ref(), run.error.as_ref(); fetch_one);
        Ok(id)
    }

    /// The same for a run that was put down before.
    pub async fn put_run_again(&mut self, id: i64, run: &Run) -> Result<(), Error> {
        sql!(self, PUT_RUN_AGAIN, id, run.profile.as_ref(), run.step_key.as_ref(), run.max_runtime_seconds,
            run.last_heartbeat_at, run.ended_at, run.outcome, run.summary.as_ref(), run.metadata.as_ref(),
            run.error.as_ref(); execute);
        Ok(())
    }

    pub async fn put_comment(&mut self, comment: &Comment) -> Result<i64, Error> {
        let (id,): (i64,) = sql!(self, PUT_COMMENT, &comment.task_id, &comment.author, &comment.body, comment.created_at;
            fetch_one);
        Ok(id)
    }

    pub async fn put_event(&mut self, event: &Event) -> Result<i64, Error> {
        let (id,): (i64,) = sql!(self, PUT_EVENT, &event.task_id, event.run_id, event.kind.as_str(), event.payload.as_ref(),
            event.created_at; fetch_one);
        Ok(id)
    }

    /// Adds an event of the import itself.
    pub async fn note_import(
        &mut self,
        task: &TaskId,
        run: Option<i64>,
        kind: Kind,
        payload: &Value,
        now: Millis,
    ) -> Result<i64, Error> {
        let payload = Some(payload.to_string());
        self.put_event(&Event { id: 0, task_id: task.clone(), run_id: run, kind, payload, created_at: now }).await
    }

    pub async fn put_attachment(&mut self, file: &Attachment) -> Result<i64, Error> {
        let kept: Attachment = sql!(self, INSERT_ATTACHMENT, &file.task_id, &file.filename, &file.stored_path,
            file.content_type.as_ref(), file.size, &file.uploaded_by, file.created_at, file.run_id; fetch_one);
        Ok(kept.id)
    }

    pub async fn put_link(&mut self, parent: &TaskId, child: &TaskId) -> Result<(), Error> {
        sql!(self, INSERT_LINK, parent, child; execute);
        Ok(())
    }

    /// Every link, from parent to child.
    pub async fn links(&mut self) -> Result<Vec<(TaskId, TaskId)>, Error> {
        Ok(sql!(self, ALL_LINKS; fetch_all))
    }

    /// Sends a task that nothing but its parents holds back to where it belongs, and one that is to be looked at, or that
    /// waits for a person, into their hands. A task that was at work is ready whatever its parents are.
    ///
    /// Answers the status that it has then.
    pub async fn settle_arrived(&mut self, task: &Task, was_at_work: bool, now: Millis) -> Result<Status, Error> {
        let status = match task.status {
            Status::Ready | Status::Todo | Status::Running => {
                let waits = !self.open_parents(&task.id).await?.is_empty();
                let waives = waits && was_at_work;
                let status = if waits && !waives { Status::Todo } else { Status::Ready };
                sql!(self, SET_STATUS, &task.id, status; execute);
                if waives {
                    self.put_task(&Task { status, parents_waived: true, ..task.clone() }).await?;
                }
                status
            }
            Status::Review => {
                self.hand_in_arrived(task, now).await?;
                task.status
            }
            Status::Blocked | Status::Triage => {
                if task.block_kind == Some(BlockKind::NeedsInput) && self.open_question(&task.id).await?.is_none() {
                    let text = task.block_reason.as_deref();
                    self.open_question_of(&task.id, None, text, &Ask::default(), now).await?;
                }
                task.status
            }
            Status::Scheduled | Status::Done | Status::Archived => task.status,
        };
        if !matches!(status, Status::Blocked | Status::Triage) {
            sql!(self, CLOSE_QUESTION, &task.id, now; execute);
        }
        if status != Status::Review
            && let Some(review) = self.open_review(&task.id).await?
        {
            sql!(self, SET_VERDICT, review.id, Verdict::Withdrawn, Actor::Gateway.name(), 0_i64, now; execute);
        }
        if status.satisfies_children() {
            self.promote_children(&task.id, now).await?;
        }
        Ok(status)
    }

    /// Opens the review of a task that arrives in review: its author is not known, so a person looks at it.
    async fn hand_in_arrived(&mut self, task: &Task, now: Millis) -> Result<(), Error> {
        if self.open_review(&task.id).await?.is_some() {
            return Ok(());
        }
        let summary = self.latest_summary(&task.id).await?;
        let run = Run {
            profile: task.assignee.clone(),
            started_at: now,
            ended_at: Some(now),
            outcome: Some(Outcome::InReview),
            summary,
            ..arriving(&task.id)
        };
        let run = self.put_run(&run).await?;
        let _: Review = sql!(self, INSERT_REVIEW, &task.id, run, task.assignee.as_ref(), HOLDER, None::<String>, HOLDER, now;
            fetch_one);
        Ok(())
    }
}

/// A run of a task that was brought in, with nothing said of it yet.
pub fn arriving(task: &TaskId) -> Run {
    Run {
        id: 0,
        task_id: task.clone(),
        attempt: 0,
        profile: None,
        step_key: None,
        token_hash: String::new(),
        holder: HOLDER.to_owned(),
        claim_expires: None,
        workspace: None,
        worker_pid: None,
        worker_start_time: None,
        boot_id: None,
        max_runtime_seconds: None,
        last_heartbeat_at: None,
        heartbeat_note: None,
        started_at: 0,
        ended_at: None,
        outcome: None,
        ended_by: None,
        summary: None,
        metadata: None,
        error: None,
        review: None,
        session: None,
        session_known: 0,
        resumed_after: None,
        cost: Amount::default(),
        worker_ended_at: None,
    }
}
