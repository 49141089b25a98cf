//! Taking a task in hand, and proving that one still has it.

use serde_json::json;

use crate::{
    board::{
        actor::{Actor, Remit},
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::{ProfileName, TaskId},
        moves::Action,
        run::{EndedBy, Outcome, Run, Token},
        statements::*,
        task::{Status, Task},
        view::unknown,
    },
    clock::Millis,
};

/// A claim that was granted.
pub struct Claim {
    pub task: Task,
    pub run: Run,
    pub token: Token,
}

#[derive(sqlx::FromRow)]
struct Candidate {
    #[sqlx(flatten)]
    task: Task,
    /// Whether a parent is open: 0 or 1.
    waits: i64,
}

impl Tx {
    /// Claims a ready task: re-checks its parents, opens a run and draws its token, in one go.
    ///
    /// `expires` is for claims that no shim watches over.
    pub async fn claim(
        &mut self,
        id: &TaskId,
        holder: &str,
        expires: Option<Millis>,
        now: Millis,
    ) -> Result<Claim, Error> {
        let found: Option<Candidate> = sql!(self, TASK_TO_CLAIM, id; fetch_optional);
        let Some(Candidate { mut task, waits }) = found else { return Err(unknown(id)) };
        if !Action::Claim.allowed_in(task.status) {
            let holder = match task.current_run {
                Some(run) => self.run(run).await?.holder,
                None => "(none)".to_owned(),
            };
            refuse!(WrongStatus, "cannot claim {id}: status={} lock={holder}", task.status);
        }
        if waits == 1 && !task.parents_waived {
            let open = self.open_parents(id).await?;
            refuse!(OpenParents, "cannot claim {id}: it waits for {}", list(&open));
        }
        let token = Token::random();
        let run: Run = sql!(self, INSERT_RUN, id, task.assignee.as_ref(), task.current_step_key.as_ref(), token.hash(), holder,
            expires, task.max_runtime_seconds, now; fetch_one);
        if sql!(self, SET_RUNNING, id, run.id, now; execute) != 1 {
            refuse!(Busy, "cannot claim {id}: another claim was faster");
        }
        task.status = Status::Running;
        task.current_run = Some(run.id);
        task.started_at.get_or_insert(now);
        task.not_before = None;
        let payload = json!({"lock": holder, "expires": expires.map(seconds), "run_id": run.id});
        self.record(Kind::Claimed, &task, Some(&run), payload, now).await?;
        Ok(Claim { task, run, token })
    }

    /// Corrects a ready task that waits for parents all the same, as only a writer from outside can leave it.
    pub async fn demote(&mut self, id: &TaskId, now: Millis) -> Result<(), Error> {
        let task = self.task(id).await?;
        let may_wait = Action::ParentAdded.allowed_in(task.status) && !task.parents_waived;
        if may_wait && !self.open_parents(id).await?.is_empty() {
            sql!(self, SET_STATUS, id, Status::Todo; execute);
            self.record(Kind::ClaimRejected, &task, None, json!({"reason": "parents_not_done"}), now).await?;
        }
        Ok(())
    }

    /// Refuses a worker that does not hold the open run of its task, or that reaches for a task that is not its own.
    pub async fn fence(&mut self, actor: &Actor, id: &TaskId) -> Result<(), Error> {
        let Actor::Worker { run, task: own, .. } = actor else { return Ok(()) };
        let held: Option<Run> = sql!(self, RUN, run; fetch_optional);
        let Some(held) = held else { refuse!(Stale, "run {run} of {own} is gone; nothing was changed") };
        if held.task_id != *own {
            refuse!(Forbidden, "run {run} is not a run of {own}; nothing was changed");
        }
        if let Some(outcome) = held.outcome {
            refuse!(Stale, "run {run} of {own} has ended ({}); nothing was changed", outcome.as_str());
        }
        if id != own && !self.is_child_of_runs_of(id, own).await? {
            refuse!(
                Forbidden,
                "{id} is not yours: a worker may touch its own task {own} and the tasks that it created"
            );
        }
        Ok(())
    }

    /// Like [`Tx::fence`], for what a worker may do with its own task alone.
    pub(crate) async fn fence_own(&mut self, actor: &Actor, id: &TaskId) -> Result<(), Error> {
        self.fence(actor, id).await?;
        match actor {
            Actor::Worker { task: own, .. } if id != own => {
                refuse!(
                    Forbidden,
                    "{id} is not yours to end or to hold: a worker does that with its own task {own} alone"
                )
            }
            Actor::Worker { .. } | Actor::Person { .. } | Actor::Gateway => Ok(()),
        }
    }

    /// Like [`Tx::fence`], and for a worker that steers also open for the tasks of its own task's tenant.
    pub(crate) async fn fence_steering(&mut self, actor: &Actor, id: &TaskId) -> Result<(), Error> {
        let Actor::Worker { task: own, remit: Remit::Tenant, .. } = actor else { return self.fence(actor, id).await };
        // That its run is open is asked of its own task.
        self.fence(actor, own).await?;
        let (own_task, task) = (self.task(own).await?, self.task(id).await?);
        if task.tenant == own_task.tenant || self.is_child_of_runs_of(id, own).await? {
            return Ok(());
        }
        match &own_task.tenant {
            Some(tenant) => refuse!(
                Forbidden,
                "{id} is not of tenant {tenant}: an orchestrator steers the tasks of its own task's tenant"
            ),
            None => refuse!(
                Forbidden,
                "{id} belongs to a tenant: an orchestrator whose own task {own} has none steers the tasks without one"
            ),
        }
    }

    async fn is_child_of_runs_of(&mut self, id: &TaskId, own: &TaskId) -> Result<bool, Error> {
        let found: Option<(String,)> = sql!(self, CREATED_BY_RUNS_OF, id, own; fetch_optional);
        Ok(found.is_some())
    }

    /// Records a sign of life of the run that a task is in, and extends its claim.
    pub async fn heartbeat(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        note: Option<&str>,
        expires: Millis,
        now: Millis,
    ) -> Result<(), Error> {
        self.fence_own(actor, id).await?;
        let task = self.task(id).await?;
        let Some(run) = task.current_run else {
            refuse!(WrongStatus, "cannot heartbeat {id}: it is {}, not running", task.status);
        };
        sql!(self, HEARTBEAT, run, now, note, expires; execute);
        let run = self.run(run).await?;
        self.record(Kind::Heartbeat, &task, Some(&run), json!({"note": note}), now).await?;
        Ok(())
    }

    /// Records that the worker of a run has been started.
    pub async fn started(
        &mut self,
        run: i64,
        pid: i64,
        start_time: i64,
        boot_id: &str,
        now: Millis,
    ) -> Result<(), Error> {
        // A worker may be done before this is written, and each gateway that follows it hears of its start: then there is
        // nothing to add.
        if sql!(self, RUN_STARTED, run, pid, start_time, boot_id; execute) == 1 {
            let run = self.run(run).await?;
            let task = self.task(&run.task_id).await?;
            self.record(Kind::Spawned, &task, Some(&run), json!({"pid": pid}), now).await?;
        }
        Ok(())
    }

    /// Keeps where a run works; with `for_task` also as the place of its task.
    pub async fn settle_workspace(&mut self, run: i64, task: &TaskId, path: &str, for_task: bool) -> Result<(), Error> {
        sql!(self, RUN_WORKSPACE, run, path; execute);
        if for_task {
            sql!(self, SET_WORKSPACE, task, path; execute);
        }
        Ok(())
    }

    /// The worktrees that tasks were given, with the status of each task.
    pub async fn worktrees(&mut self) -> Result<Vec<(TaskId, Status, String)>, Error> {
        Ok(sql!(self, WORKTREES; fetch_all))
    }

    /// The worktrees that tasks were given which are deleted by now.
    pub async fn left_worktrees(&mut self) -> Result<Vec<(TaskId, String)>, Error> {
        Ok(sql!(self, LEFT_WORKTREES; fetch_all))
    }

    /// Forgets a worktree of a deleted task: it is gone.
    pub async fn forget_worktree(&mut self, path: &str) -> Result<(), Error> {
        sql!(self, FORGET_WORKTREE, path; execute);
        Ok(())
    }

    /// Whether a schedule has ended or a claim has expired.
    pub async fn is_something_due(&mut self, now: Millis) -> Result<bool, Error> {
        let (due,): (i64,) = sql!(self, SOMETHING_DUE, now; fetch_one);
        Ok(due == 1)
    }

    pub async fn run(&mut self, id: i64) -> Result<Run, Error> {
        let found: Option<Run> = sql!(self, RUN, id; fetch_optional);
        let Some(run) = found else { refuse!(Unknown, "no such run: {id}") };
        Ok(run)
    }

    /// The runs of a task, oldest first.
    pub async fn runs_of(&mut self, id: &TaskId) -> Result<Vec<Run>, Error> {
        Ok(sql!(self, RUNS_OF, id; fetch_all))
    }

    pub async fn open_runs(&mut self) -> Result<Vec<Run>, Error> {
        Ok(sql!(self, OPEN_RUNS; fetch_all))
    }

    /// Claims by people that nobody has kept alive.
    pub async fn expired_claims(&mut self, now: Millis) -> Result<Vec<Run>, Error> {
        Ok(sql!(self, EXPIRED_CLAIMS, now; fetch_all))
    }

    /// Closes a run and answers it as it is then; none if it was closed before.
    pub(crate) async fn end_run(&mut self, id: i64, end: End<'_>, now: Millis) -> Result<Option<Run>, Error> {
        // A person who ends a run leaves a worker behind that the dispatcher has to stop.
        self.wakes_dispatcher();
        let closed: Option<Run> =
            sql!(self, END_RUN, id, now, end.outcome, end.by, end.summary, end.metadata, end.error; fetch_optional);
        if let Some(run) = &closed {
            self.add_work(run).await?;
        }
        Ok(closed)
    }

    /// Records hand-off text for a task that nobody had claimed, as a run of no length.
    pub(crate) async fn closed_run(
        &mut self,
        task: &Task,
        actor: &Actor,
        end: End<'_>,
        now: Millis,
    ) -> Result<Run, Error> {
        Ok(sql!(self, INSERT_CLOSED_RUN, &task.id, task.assignee.as_ref(), actor.name(), now, end.outcome, end.by,
            end.summary, end.metadata; fetch_one))
    }

    /// The ready tasks of a profile that may start now, best first: the rows behind `skip`, at most `limit`.
    pub async fn to_start(
        &mut self,
        profile: &ProfileName,
        now: Millis,
        limit: i64,
        skip: i64,
    ) -> Result<Vec<Task>, Error> {
        Ok(sql!(self, TO_START, profile, now, limit, skip; fetch_all))
    }

    /// The profiles that ready tasks are assigned to.
    pub async fn ready_assignees(&mut self) -> Result<Vec<ProfileName>, Error> {
        let rows: Vec<(ProfileName,)> = sql!(self, READY_ASSIGNEES; fetch_all);
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    pub async fn ready_unassigned(&mut self, limit: i64) -> Result<Vec<Task>, Error> {
        Ok(sql!(self, READY_UNASSIGNED, limit; fetch_all))
    }

    /// When something happens by itself next: a schedule or back-off that ends, a claim that expires.
    pub async fn next_alarm(&mut self, now: Millis) -> Result<Option<Millis>, Error> {
        let (next,): (Option<Millis>,) = sql!(self, NEXT_ALARM, now; fetch_one);
        Ok(next)
    }
}

/// How a run ended.
pub(crate) struct End<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) by: EndedBy,
    pub(crate) summary: Option<&'a str>,
    pub(crate) metadata: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
}

impl End<'_> {
    pub(crate) fn new(outcome: Outcome, actor: &Actor) -> Self {
        let by = match actor {
            Actor::Person { .. } => EndedBy::Person,
            Actor::Worker { .. } => EndedBy::Worker,
            Actor::Gateway => EndedBy::Gateway,
        };
        Self { outcome, by, summary: None, metadata: None, error: None }
    }
}

/// Ids as a sentence names them.
pub(crate) fn list(ids: &[TaskId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) fn seconds(millis: Millis) -> i64 {
    millis.div_euclid(1000)
}
