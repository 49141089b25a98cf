//! What becomes of a task when an attempt at it ends by itself.

use serde_json::{Value, json};

use crate::{
    board::{
        actor::Actor,
        announcement,
        claim::End,
        db::{Tx, sql},
        error::Error,
        event::Kind,
        finish::HandOff,
        park::{Park, ParkKind},
        run::{Outcome, Run},
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

/// How a worker ended, as its shim recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was a script and exited 0: its last lines are the summary.
    ScriptDone {
        summary: String,
    },
    /// It exited, or was killed by a signal, without having completed or blocked its task.
    Failed {
        error: String,
    },
    /// It exited 0 and said nothing: a breach of the contract.
    Silent,
    /// Its agent has reached a limit of use.
    RateLimited {
        /// What the agent has said of it.
        line: String,
        /// Until when, if the agent has said that.
        until: Option<Millis>,
        tail: String,
        /// Somebody was told on another board that the profile rests.
        is_told: bool,
    },
    /// Nobody is logged in to its agent.
    AuthFailed {
        line: String,
        /// How one logs in.
        login: Option<String>,
        tail: String,
        is_told: bool,
    },
    /// Its agent does not know the session any more that it was to go on in.
    SessionGone {
        tail: String,
    },
    TimedOut {
        limit_seconds: i64,
    },
    /// It gave no sign of life for longer than its profile allows.
    WentSilent {
        limit_seconds: i64,
    },
    /// It could not be started.
    NotStarted {
        error: String,
    },
    /// Nobody knows how it ended.
    Lost {
        error: String,
    },
}

/// How often and how soon an attempt is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Failed attempts allowed in all, where the task does not say.
    pub failure_limit: i64,
    /// Silent exits in a row allowed in all, where the task does not say.
    pub violation_limit: i64,
    /// The wait after the first failure; it doubles with each.
    pub backoff_seconds: i64,
    pub backoff_max_seconds: i64,
    pub rate_limit_pause_seconds: i64,
    pub auth_pause_seconds: i64,
}

impl Ending {
    /// For logs, which carry no output of workers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ScriptDone { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Silent => "silent",
            Self::RateLimited { .. } => "rate limited",
            Self::AuthFailed { .. } => "not logged in",
            Self::SessionGone { .. } => "session gone",
            Self::TimedOut { .. } => "timed out",
            Self::WentSilent { .. } => "went silent",
            Self::NotStarted { .. } => "not started",
            Self::Lost { .. } => "lost",
        }
    }
}

impl Ending {
    /// What went wrong, where something did.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed { error } | Self::NotStarted { error } | Self::Lost { error } => Some(error),
            _ => None,
        }
    }
}

impl Patience {
    fn backoff(&self, failures: i64) -> i64 {
        let doublings = u32::try_from(failures - 1).unwrap_or(0).min(30);
        self.backoff_seconds.saturating_mul(1 << doublings).min(self.backoff_max_seconds)
    }
}

impl Tx {
    /// Closes a run that ended by itself, and sends its task on. Does nothing for a run that was closed before: a worker
    /// that has completed or blocked its task may exit as it likes.
    pub async fn attempt_ended(
        &mut self,
        run: i64,
        ending: &Ending,
        patience: &Patience,
        now: Millis,
    ) -> Result<(), Error> {
        let run = self.run(run).await?;
        if run.ended_at.is_some() {
            return Ok(());
        }
        let task = self.task(&run.task_id).await?;
        let attempt = Attempt { task: &task, run: &run };
        match ending {
            // A script that ends has decided nothing.
            Ending::ScriptDone { .. } if run.review.is_some() => {
                let error = "it ended without `kanban approve` or `kanban request-changes`";
                let failure = Failure { outcome: Outcome::ProtocolViolation, kind: Kind::ProtocolViolation, error };
                self.fail(attempt, failure, patience, now).await?;
            }
            Ending::ScriptDone { summary } => {
                let hand_off = HandOff { summary: Some(summary.clone()), ..HandOff::default() };
                self.complete(&Actor::Gateway, &task.id, &hand_off, now).await?;
            }
            Ending::RateLimited { line, until, tail, is_told } => {
                let pause = patience.rate_limit_pause_seconds.max(1);
                let until = until.filter(|until| *until > now).unwrap_or(now + pause * 1000);
                let (outcome, kind, rest) = (Outcome::RateLimited, Kind::RateLimited, ParkKind::RateLimited);
                let payload =
                    json!({"line": line, "profile": run.profile, "retry_in_seconds": (until - now + 999) / 1000});
                self.rest(attempt, Rest { outcome, kind, rest, line, tail, until, is_told: *is_told, payload }, now)
                    .await?;
            }
            Ending::AuthFailed { line, login, tail, is_told } => {
                let until = now + patience.auth_pause_seconds.max(1) * 1000;
                let (outcome, kind, rest) = (Outcome::AuthFailed, Kind::AuthFailed, ParkKind::AuthFailed);
                let payload = json!({"line": line, "profile": run.profile, "login": login});
                self.rest(attempt, Rest { outcome, kind, rest, line, tail, until, is_told: *is_told, payload }, now)
                    .await?;
            }
            Ending::SessionGone { tail } => {
                let end = End { error: Some(tail), ..End::new(Outcome::SessionGone, &Actor::Gateway) };
                let closed = self.end_run(run.id, end, now).await?;
                let status = self.ready_or_todo(&task).await?;
                self.after_attempt(&task, status, task.failures, task.last_error.as_deref(), None).await?;
                let payload = json!({"session": run.session, "status": status});
                self.record(Kind::SessionGone, &task, closed.as_ref(), payload, now).await?;
            }
            Ending::Silent => {
                let error = "it exited 0 without `kanban complete` or `kanban block`";
                let failure = Failure { outcome: Outcome::ProtocolViolation, kind: Kind::ProtocolViolation, error };
                let spent = match task.max_retries {
                    // The task allows so many failed attempts in all, of whatever kind.
                    Some(limit) => Spent { used: task.failures + 1, limit, counted: task.failures + 1 },
                    // The agent merely forgot to report: silent exits have a limit of their own.
                    None => {
                        let used = 1 + self.silent_streak(&run).await?;
                        Spent { used, limit: patience.violation_limit, counted: task.failures }
                    }
                };
                self.try_again_or_give_up(attempt, failure, spent, patience, now).await?;
            }
            Ending::Failed { error } => {
                let failure = Failure { outcome: Outcome::Crashed, kind: Kind::Crashed, error };
                self.fail(attempt, failure, patience, now).await?;
            }
            Ending::TimedOut { limit_seconds } => {
                let error =
                    format!("it took longer than its time limit of {}", announcement::span(limit_seconds * 1000));
                let failure = Failure { outcome: Outcome::TimedOut, kind: Kind::TimedOut, error: &error };
                self.fail(attempt, failure, patience, now).await?;
            }
            Ending::WentSilent { limit_seconds } => {
                let error = format!(
                    "it gave no sign of life for {}, its silence limit: no output, and no heartbeat",
                    announcement::span(limit_seconds * 1000)
                );
                let failure = Failure { outcome: Outcome::TimedOut, kind: Kind::TimedOut, error: &error };
                self.fail(attempt, failure, patience, now).await?;
            }
            Ending::NotStarted { error } => {
                let failure = Failure { outcome: Outcome::SpawnFailed, kind: Kind::SpawnFailed, error };
                self.fail(attempt, failure, patience, now).await?;
            }
            Ending::Lost { error } => {
                let failure = Failure { outcome: Outcome::Lost, kind: Kind::Lost, error };
                self.fail(attempt, failure, patience, now).await?;
            }
        }
        Ok(())
    }

    /// Closes a run whose worker was never started and makes its task ready again, with nothing counted.
    pub async fn give_back(&mut self, run: &Run, reason: &str, now: Millis) -> Result<(), Error> {
        let task = self.task(&run.task_id).await?;
        let end = End { error: Some(reason), ..End::new(Outcome::Reclaimed, &Actor::Gateway) };
        let closed = self.end_run(run.id, end, now).await?;
        let status = if run.review.is_some() { self.ready_or_todo(&task).await? } else { Status::Ready };
        self.after_attempt(&task, status, task.failures, task.last_error.as_deref(), None).await?;
        let payload = json!({"manual": false, "reason": reason, "status": status});
        self.record(Kind::Reclaimed, &task, closed.as_ref(), payload, now).await?;
        Ok(())
    }

    /// Closes a run that could not go on, spends no attempt, and lets its profile rest. One post tells of a rest.
    async fn rest(&mut self, attempt: Attempt<'_>, rest: Rest<'_>, now: Millis) -> Result<(), Error> {
        let Attempt { task, run } = attempt;
        let end = End { error: Some(rest.tail), ..End::new(rest.outcome, &Actor::Gateway) };
        let closed = self.end_run(run.id, end, now).await?;
        let status = self.ready_or_todo(task).await?;
        self.after_attempt(task, status, task.failures, Some(rest.tail), Some(rest.until)).await?;
        let is_new = match &run.profile {
            Some(profile) => {
                let park = Park {
                    profile: profile.clone(),
                    kind: rest.rest,
                    until: rest.until,
                    since: now,
                    reason: rest.line.to_owned(),
                    task_id: Some(task.id.clone()),
                };
                self.park_profile(&park).await?
            }
            None => true,
        };
        let mut payload = rest.payload;
        payload["status"] = json!(status);
        if is_new && !rest.is_told {
            self.record(rest.kind, task, closed.as_ref(), payload, now).await?;
        } else {
            self.record_quietly(rest.kind, task, closed.as_ref(), payload, now).await?;
        }
        Ok(())
    }

    async fn fail(
        &mut self,
        attempt: Attempt<'_>,
        failure: Failure<'_>,
        patience: &Patience,
        now: Millis,
    ) -> Result<(), Error> {
        let failures = attempt.task.failures + 1;
        let limit = attempt.task.max_retries.unwrap_or(patience.failure_limit);
        self.try_again_or_give_up(attempt, failure, Spent { used: failures, limit, counted: failures }, patience, now)
            .await
    }

    async fn try_again_or_give_up(
        &mut self,
        attempt: Attempt<'_>,
        failure: Failure<'_>,
        spent: Spent,
        patience: &Patience,
        now: Millis,
    ) -> Result<(), Error> {
        let Attempt { task, run } = attempt;
        let Failure { outcome, kind, error } = failure;
        let end = End { error: Some(error), ..End::new(outcome, &Actor::Gateway) };
        let closed = self.end_run(run.id, end, now).await?;
        if spent.used >= spent.limit && run.review.is_some() {
            let status = self.ready_or_todo(task).await?;
            self.after_attempt(task, status, 0, Some(error), None).await?;
            self.reviewer_gave_up(task, run, error, spent.used, now).await?;
        } else if spent.used >= spent.limit {
            self.after_attempt(task, Status::Blocked, spent.counted, Some(error), None).await?;
            let payload = json!({
                "failures": spent.used, "effective_limit": spent.limit,
                "limit_source": if task.max_retries.is_some() { "task" } else { "settings" },
                "error": error, "trigger_outcome": outcome.as_str(),
            });
            self.record(Kind::GaveUp, task, closed.as_ref(), payload, now).await?;
        } else {
            let wait = patience.backoff(spent.used);
            let status = self.ready_or_todo(task).await?;
            self.after_attempt(task, status, spent.counted, Some(error), Some(now + wait * 1000)).await?;
            let payload = json!({"error": error, "failures": spent.used, "retry_in_seconds": wait, "pid": run.worker_pid, "status": status});
            self.record(kind, task, closed.as_ref(), payload, now).await?;
        }
        Ok(())
    }

    async fn after_attempt(
        &mut self,
        task: &Task,
        status: Status,
        failures: i64,
        error: Option<&str>,
        not_before: Option<Millis>,
    ) -> Result<(), Error> {
        sql!(self, SET_AFTER_ATTEMPT, &task.id, status, failures, error, not_before; execute);
        self.wakes_dispatcher();
        Ok(())
    }

    /// How many of the latest closed runs ended silently; those in between that could not work do not count.
    async fn silent_streak(&mut self, run: &Run) -> Result<i64, Error> {
        let outcomes: Vec<(Option<Outcome>,)> = sql!(self, LAST_OUTCOMES, &run.task_id, 100_i64; fetch_all);
        let streak = outcomes
            .into_iter()
            .filter_map(|(outcome,)| outcome)
            .filter(|outcome| !matches!(outcome, Outcome::RateLimited | Outcome::AuthFailed | Outcome::SessionGone))
            .take_while(|outcome| *outcome == Outcome::ProtocolViolation)
            .count();
        Ok(i64::try_from(streak).unwrap_or(i64::MAX))
    }
}

#[derive(Clone, Copy)]
struct Attempt<'a> {
    task: &'a Task,
    run: &'a Run,
}

struct Rest<'a> {
    outcome: Outcome,
    kind: Kind,
    rest: ParkKind,
    line: &'a str,
    tail: &'a str,
    until: Millis,
    is_told: bool,
    payload: Value,
}

struct Failure<'a> {
    outcome: Outcome,
    kind: Kind,
    error: &'a str,
}

struct Spent {
    used: i64,
    limit: i64,
    /// What the task's counter of failures becomes.
    counted: i64,
}
