//! Holding a task back, and letting it go on.

use serde_json::json;

use crate::{
    board::{
        actor::Actor,
        claim::{End, list},
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::{ProfileName, TaskId},
        moves::Action,
        question::{Ask, Given, Road},
        run::Outcome,
        statements::*,
        task::{BlockKind, Status, Task},
    },
    clock::Millis,
};

/// As many blocks of one kind in a row are taken for a loop that a person must end.
const LOOP: i64 = 2;

/// Where a block has led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Blocked,
    WaitsForParents,
    /// The last one that it was to wait for has ended while it was at work.
    GoesOn,
    /// The same block again: it waits in triage for a decision.
    Loop,
}

impl Tx {
    pub async fn block(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        kind: Option<BlockKind>,
        reason: Option<&str>,
        now: Millis,
    ) -> Result<Held, Error> {
        self.hold(actor, id, kind, reason, &Ask::default(), now).await
    }

    /// Blocks a task until a person answers, who is offered choices and told what words should say.
    pub async fn ask(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        question: Option<&str>,
        ask: &Ask,
        now: Millis,
    ) -> Result<Held, Error> {
        self.hold(actor, id, Some(BlockKind::NeedsInput), question, ask, now).await
    }

    async fn hold(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        kind: Option<BlockKind>,
        reason: Option<&str>,
        ask: &Ask,
        now: Millis,
    ) -> Result<Held, Error> {
        self.fence_own(actor, id).await?;
        ask.check(id)?;
        if kind == Some(BlockKind::Dependency) {
            self.refuse_reviewer(actor, id, "let others go before").await?;
        }
        let task = self.task(id).await?;
        if !Action::Block.allowed_in(task.status) {
            refuse!(
                WrongStatus,
                "cannot block {id}: it is {}, and only a ready or running task can be blocked",
                task.status
            );
        }
        let reason = said(reason);
        let waits = kind == Some(BlockKind::Dependency) && !self.open_parents(id).await?.is_empty();
        let goes_on = kind == Some(BlockKind::Dependency) && !waits && self.parent_ended_since(&task).await?;
        // No kind twice is a repeat as well; waiting for parents is not, since their end is what it waits for.
        let recurrences = match waits || goes_on {
            true => task.block_recurrences,
            false if task.block_recurrences > 0 && task.block_kind == kind => task.block_recurrences + 1,
            false => 1,
        };
        let (held, status) = match () {
            () if waits => (Held::WaitsForParents, Status::Todo),
            () if goes_on => (Held::GoesOn, Status::Ready),
            () if recurrences >= LOOP => (Held::Loop, Status::Triage),
            () => (Held::Blocked, Status::Blocked),
        };
        let run = self.close(&task, actor, End { summary: reason, ..End::new(Outcome::Blocked, actor) }, now).await?;
        if let Some(reason) = reason {
            self.remark(&task, actor, "BLOCKED", reason, now).await?;
        }
        let stored_kind = if waits || goes_on { task.block_kind } else { kind };
        sql!(self, SET_BLOCKED, id, status, stored_kind, reason, recurrences; execute);
        let kind_name = kind.map(BlockKind::as_str);
        // What only a person may release is a question, with or without words.
        let question = match (held, kind) {
            (Held::Blocked | Held::Loop, Some(BlockKind::NeedsInput)) => {
                Some(self.open_question_of(id, run.as_ref().map(|run| run.id), reason, ask, now).await?)
            }
            _ => None,
        };
        let (event, mut payload) = match held {
            Held::Blocked => (Kind::Blocked, json!({"reason": reason, "kind": kind_name, "recurrences": recurrences})),
            Held::WaitsForParents => (Kind::DependencyWait, json!({"reason": reason, "kind": kind_name})),
            Held::GoesOn => (Kind::DependencyWait, json!({"reason": reason, "kind": kind_name, "status": status})),
            Held::Loop => (
                Kind::BlockLoopDetected,
                json!({"reason": reason, "kind": kind_name, "recurrences": recurrences, "limit": LOOP}),
            ),
        };
        if let Some(question) = question {
            payload["question"] = json!(question);
            if !ask.choices.is_empty() {
                payload["choices"] = json!(ask.choices);
            }
            if let Some(hint) = &ask.hint {
                payload["hint"] = json!(hint);
            }
        }
        let event = self.record(event, &task, run.as_ref(), payload, now).await?;
        if held == Held::GoesOn {
            self.wakes_dispatcher();
        }
        if let Some(question) = question {
            self.tell_of_question(question, event.id).await?;
        }
        Ok(held)
    }

    /// Lets a blocked or scheduled task go on. Words of a person answer its question. Answers where it landed.
    pub async fn unblock(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        reason: Option<&str>,
        now: Millis,
    ) -> Result<Status, Error> {
        self.fence_steering(actor, id).await?;
        let task = self.task(id).await?;
        if !Action::Unblock.allowed_in(task.status) {
            refuse!(WrongStatus, "cannot unblock {id}: {}", self.standing(&task).await?);
        }
        needs_person(actor, &task)?;
        let reason = said(reason);
        if let Some(words) = reason.filter(|_| task.needs_person()) {
            return Ok(self.answer(actor, id, None, Given::Words(words), Road::Typed, now).await?.status);
        }
        self.close_question(actor, &task, "Unblock", now).await?;
        if let Some(reason) = reason {
            self.remark(&task, actor, "UNBLOCK", reason, now).await?;
            self.end_loop(&task, actor).await?;
        }
        let status = self.release(&task, false).await?;
        let payload = if status == Status::Ready {
            json!({"by": actor.name()})
        } else {
            json!({"status": status, "by": actor.name()})
        };
        self.record(Kind::Unblocked, &task, None, payload, now).await?;
        Ok(status)
    }

    /// Sets a task aside, until a time if one is given.
    pub async fn schedule(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        at: Option<Millis>,
        reason: Option<&str>,
        now: Millis,
    ) -> Result<(), Error> {
        self.fence_own(actor, id).await?;
        self.refuse_reviewer(actor, id, "put aside").await?;
        let task = self.task(id).await?;
        if !Action::Schedule.allowed_in(task.status) {
            refuse!(WrongStatus, "cannot schedule {id}: {}", self.standing(&task).await?);
        }
        needs_person(actor, &task)?;
        let reason = said(reason);
        self.close_question(actor, &task, "Schedule", now).await?;
        let run = self.close(&task, actor, End { summary: reason, ..End::new(Outcome::Scheduled, actor) }, now).await?;
        if let Some(reason) = reason {
            self.remark(&task, actor, "SCHEDULED", reason, now).await?;
        }
        sql!(self, SET_SCHEDULED, id, at; execute);
        let payload = json!({"reason": reason, "at": at.map(|at| at.div_euclid(1000))});
        self.record(Kind::Scheduled, &task, run.as_ref(), payload, now).await?;
        self.wakes_dispatcher();
        Ok(())
    }

    /// The scheduled tasks whose time has come.
    pub async fn due(&mut self, now: Millis) -> Result<Vec<Task>, Error> {
        Ok(sql!(self, DUE, now; fetch_all))
    }

    /// Releases the scheduled tasks whose time has come. Answers how many.
    pub async fn release_due(&mut self, now: Millis) -> Result<usize, Error> {
        let due = self.due(now).await?;
        for task in &due {
            let status = self.release(task, false).await?;
            self.record(Kind::Unblocked, task, None, json!({"by": "schedule", "status": status}), now).await?;
        }
        Ok(due.len())
    }

    /// Makes a waiting task ready by hand; `force` lets it start in spite of open parents.
    pub async fn promote(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        reason: Option<&str>,
        force: bool,
        now: Millis,
    ) -> Result<(), Error> {
        self.fence(actor, id).await?;
        let task = self.task(id).await?;
        self.may_promote(actor, &task, force).await?;
        self.close_question(actor, &task, "Promote", now).await?;
        if let Some(words) = said(reason).filter(|_| actor.is_person()) {
            self.remark(&task, actor, "PROMOTE", words, now).await?;
            self.end_loop(&task, actor).await?;
        }
        let status = self.release(&task, force).await?;
        let mut payload = json!({"actor": actor.name(), "reason": reason, "forced": force});
        if status != Status::Ready {
            payload["status"] = json!(status);
        }
        self.record(Kind::PromotedManual, &task, None, payload, now).await?;
        Ok(())
    }

    /// Lets a task in triage wait for another one, behind which it goes on by itself.
    pub async fn leave_triage_behind(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        parent: &TaskId,
        now: Millis,
    ) -> Result<(), Error> {
        self.link(actor, parent, id, now).await?;
        let task = self.task(id).await?;
        needs_person(actor, &task)?;
        let status = self.release(&task, false).await?;
        let reason = format!("it waits for {parent}");
        let payload = json!({"actor": actor.name(), "reason": reason, "forced": false, "status": status});
        self.record(Kind::PromotedManual, &task, None, payload, now).await?;
        Ok(())
    }

    /// Refuses where [`Tx::promote`] would.
    pub async fn may_promote(&mut self, actor: &Actor, task: &Task, force: bool) -> Result<(), Error> {
        let id = &task.id;
        if !Action::Promote.allowed_in(task.status) {
            refuse!(
                WrongStatus,
                "cannot promote {id}: {}; promote only applies to tasks in triage, todo or blocked",
                self.standing(task).await?
            );
        }
        needs_person(actor, task)?;
        let open = self.open_parents(id).await?;
        if !force && !open.is_empty() {
            refuse!(
                OpenParents,
                "cannot promote {id}: unsatisfied parent dependencies: {}; `{{kanban}} promote {id} --force` starts it all the same",
                list(&open)
            );
        }
        Ok(())
    }

    /// Tries again now: ends a back-off, or lets a task go on that had failed too often or was blocked.
    pub async fn retry(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        reason: Option<&str>,
        now: Millis,
    ) -> Result<Status, Error> {
        self.fence(actor, id).await?;
        let task = self.task(id).await?;
        let waits = task.status == Status::Blocked || task.not_before.is_some_and(|at| at > now);
        if !Action::Retry.allowed_in(task.status) || !waits {
            refuse!(WrongStatus, "cannot retry {id}: {}", self.standing(&task).await?);
        }
        needs_person(actor, &task)?;
        let reason = said(reason);
        if let Some(reason) = reason {
            self.remark(&task, actor, "RETRY", reason, now).await?;
            self.end_loop(&task, actor).await?;
        }
        self.close_question(actor, &task, "Retry", now).await?;
        let status = self.release(&task, false).await?;
        self.record(Kind::Retried, &task, None, json!({"reason": reason, "by": actor.name(), "status": status}), now)
            .await?;
        Ok(status)
    }

    /// Gives a task to another profile, or to nobody.
    pub async fn assign(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        assignee: Option<&ProfileName>,
        now: Millis,
    ) -> Result<(), Error> {
        self.fence_steering(actor, id).await?;
        self.refuse_reviewer(actor, id, "assign").await?;
        let task = self.task(id).await?;
        if !Action::Assign.allowed_in(task.status) {
            if task.status == Status::Running {
                refuse!(
                    WrongStatus,
                    "cannot assign {id}: it is running; `{{kanban}} reassign {id} PROFILE --reclaim` stops its worker first"
                );
            }
            refuse!(WrongStatus, "cannot assign {id}: {}", self.standing(&task).await?);
        }
        sql!(self, SET_ASSIGNEE, id, assignee; execute);
        let task = Task { assignee: assignee.cloned(), ..task };
        self.record(Kind::Assigned, &task, None, json!({"assignee": assignee, "by": actor.name()}), now).await?;
        self.wakes_dispatcher();
        Ok(())
    }

    /// Takes a running task away from its worker, which is stopped.
    pub async fn reclaim(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        reason: Option<&str>,
        now: Millis,
    ) -> Result<(), Error> {
        self.fence(actor, id).await?;
        let task = self.task(id).await?;
        if !Action::Reclaim.allowed_in(task.status) {
            refuse!(WrongStatus, "cannot reclaim {id}: it is {}, not running", task.status);
        }
        let end = End { error: reason, ..End::new(Outcome::Reclaimed, actor) };
        let run = self.close(&task, actor, end, now).await?;
        let status = self.ready_or_todo(&task).await?;
        sql!(self, SET_RECLAIMED, id, status; execute);
        let payload = json!({"manual": actor.is_person(), "reason": reason, "status": status, "prev_lock": run.as_ref().map(|run| run.holder.clone())});
        self.record(Kind::Reclaimed, &task, run.as_ref(), payload, now).await?;
        self.wakes_dispatcher();
        Ok(())
    }

    /// Where a task stands, and the command that would move it from there.
    pub(crate) async fn standing(&mut self, task: &Task) -> Result<String, Error> {
        let (id, status) = (&task.id, task.status);
        Ok(match status {
            Status::Triage | Status::Blocked if task.needs_person() => {
                format!("it waits for an answer; `{{kanban}} answer {id} YOUR ANSWER` lets it go on")
            }
            Status::Triage | Status::Todo => match self.open_parents(id).await? {
                open if open.is_empty() => format!("it is {status}; `{{kanban}} promote {id}` makes it ready"),
                open => format!(
                    "it is {status} and waits for {}; `{{kanban}} promote {id} --force` makes it ready all the same",
                    list(&open)
                ),
            },
            Status::Scheduled => format!("it is scheduled; `{{kanban}} unblock {id}` lets it go on now"),
            Status::Ready => "it is ready and starts when there is room".to_owned(),
            Status::Running => format!("it is running; `{{kanban}} reclaim {id}` stops its worker"),
            Status::Blocked => format!("it is blocked; `{{kanban}} unblock {id}` lets it go on"),
            Status::Review => format!(
                "it is in review; `{{kanban}} approve {id}` ends it, `{{kanban}} request-changes {id} WHAT TO CHANGE` sends it back"
            ),
            Status::Done => {
                format!("it is done already; `{{kanban}} create TITLE --parent {id}` makes a follow-up")
            }
            Status::Archived => format!(
                "it is archived already and stays so; `{{kanban}} create TITLE --parent {id}` makes a follow-up"
            ),
        })
    }

    /// Sends a task on: ready, todo while it waits for parents, or back to review.
    pub(crate) async fn release(&mut self, task: &Task, waive_parents: bool) -> Result<Status, Error> {
        let status = self.ready_or_todo(task).await?;
        // Only parents that are open can be waived: those that are linked later count.
        let waives = waive_parents && status == Status::Todo;
        let status = if waives { Status::Ready } else { status };
        sql!(self, SET_RELEASED, &task.id, status, i64::from(waives); execute);
        self.wakes_dispatcher();
        Ok(status)
    }

    /// Where a task goes that nothing holds back but its parents. One whose work is under review goes back to that.
    pub(crate) async fn ready_or_todo(&mut self, task: &Task) -> Result<Status, Error> {
        if self.open_review(&task.id).await?.is_some() {
            return Ok(Status::Review);
        }
        let waits = !task.parents_waived && !self.open_parents(&task.id).await?.is_empty();
        Ok(if waits { Status::Todo } else { Status::Ready })
    }

    /// Whether a parent has ended since the open run of a task began, which that run cannot have known of.
    async fn parent_ended_since(&mut self, task: &Task) -> Result<bool, Error> {
        let Some(run) = task.current_run else { return Ok(false) };
        let ended: Option<(i64,)> = sql!(self, PARENT_ENDED_SINCE, &task.id, run; fetch_optional);
        Ok(ended.is_some())
    }

    /// Somebody has said how to go on: to be held again for something else is no loop.
    async fn end_loop(&mut self, task: &Task, actor: &Actor) -> Result<(), Error> {
        if actor.is_person() {
            sql!(self, END_LOOP, &task.id; execute);
        }
        Ok(())
    }

    /// Keeps the words that go with a move as a comment, in the reference's form.
    pub(crate) async fn remark(
        &mut self,
        task: &Task,
        actor: &Actor,
        what: &str,
        reason: &str,
        now: Millis,
    ) -> Result<(), Error> {
        let body = format!("{what}: {reason}");
        sql!(self, INSERT_COMMENT, &task.id, actor.name(), &body, now; execute);
        self.record(Kind::Commented, task, None, json!({"author": actor.name(), "len": body.chars().count()}), now)
            .await?;
        Ok(())
    }
}

/// Refuses anybody but a person where a person must decide: a question, and what was held twice for the same reason.
fn needs_person(actor: &Actor, task: &Task) -> Result<(), Error> {
    let is_loop = task.status == Status::Triage && task.block_recurrences >= LOOP;
    if (task.needs_person() || is_loop) && !actor.is_person() {
        refuse!(NeedsPerson, "{} waits for an answer by a person; only a person can release it", task.id);
    }
    Ok(())
}

/// Words that say something.
fn said(reason: Option<&str>) -> Option<&str> {
    reason.map(str::trim).filter(|reason| !reason.is_empty())
}
