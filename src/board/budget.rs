//! Budgets: what a task may use over all its attempts, in time and in cost, and what becomes of it when that is spent.

use serde_json::{Value, json};

use crate::{
    board::{
        actor::Actor,
        amount::Amount,
        announcement::span,
        attempt::Ending,
        claim::End,
        db::{Tx, sql},
        error::{Error, Reason, refuse},
        event::Kind,
        id::TaskId,
        moves::Action,
        run::{Outcome, Run},
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

/// The most that a task may use. A profile has one as well, which counts where the task does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Workers may be at it for so long in all.
    pub total_seconds: Option<i64>,
    pub cost: Option<Amount>,
}

/// What is used up of a budget: at least one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrun {
    /// How long workers were at it, of so many seconds.
    pub time: Option<(Millis, i64)>,
    /// What it has cost, of so much.
    pub cost: Option<(Amount, Amount)>,
}

/// What bounds a run where its task does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Of the profile that the task is given to, whoever looks at its work.
    pub budget: Budget,
    /// The longest that one run may take.
    pub max_runtime_seconds: Option<i64>,
}

/// A change of one part of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<T> {
    /// What the profile says counts again.
    Lifted,
    Most(T),
}

impl Budget {
    /// Refuses one that allows more than the profile of its task does: that is for a person to decide.
    ///
    /// # Errors
    /// `Forbidden`, with what the profile allows.
    pub fn within(self, of_profile: Self) -> Result<(), Error> {
        if let (Some(asked), Some(most)) = (self.total_seconds, of_profile.total_seconds)
            && asked > most
        {
            let most = span(most.saturating_mul(1000));
            refuse!(
                Forbidden,
                "its profile allows {most} in all, and only a person may allow more; leave `--max-total-runtime` out"
            );
        }
        if let (Some(asked), Some(most)) = (self.cost, of_profile.cost)
            && asked > most
        {
            refuse!(
                Forbidden,
                "its profile allows a cost of {most}, and only a person may allow more; leave `--max-cost` out"
            );
        }
        Ok(())
    }
}

impl Task {
    /// What the task may use, by itself or by its profile.
    pub fn budget(&self, of_profile: Budget) -> Budget {
        Budget {
            total_seconds: self.max_total_seconds.or(of_profile.total_seconds),
            cost: self.max_cost.or(of_profile.cost),
        }
    }

    /// How much longer workers may be at it, in whole seconds; none where nothing bounds it.
    pub fn seconds_left(&self, of_profile: Budget) -> Option<i64> {
        let most = self.budget(of_profile).total_seconds?;
        Some((most.saturating_mul(1000).saturating_sub(self.worked_ms)).div_euclid(1000).max(0))
    }

    /// Whether it is blocked for no other reason than that its budget was spent.
    pub fn is_held_for_budget(&self) -> bool {
        self.status == Status::Blocked
            && self.last_error == self.block_reason
            && self.block_reason.as_deref().is_some_and(|reason| reason.starts_with(SPENT))
    }

    /// What is used up of its budget; none while something of each part is left.
    pub fn overrun(&self, of_profile: Budget) -> Option<Overrun> {
        let budget = self.budget(of_profile);
        // With less than a second left, no run would come to anything.
        let is_over = self.seconds_left(of_profile) == Some(0);
        let time = budget.total_seconds.filter(|_| is_over).map(|most| (self.worked_ms, most));
        let cost = budget.cost.filter(|most| self.cost >= *most).map(|most| (self.cost, most));
        (time.is_some() || cost.is_some()).then_some(Overrun { time, cost })
    }
}

impl Overrun {
    /// `its budget is spent: workers were at it for 1h 2m of 1h, and it has cost 2.5 of 2`
    pub fn words(&self) -> String {
        let time = self.time.map(|(worked, most)| {
            format!("workers were at it for {} of {}", span(worked), span(most.saturating_mul(1000)))
        });
        let cost = self.cost.map(|(cost, most)| format!("it has cost {cost} of {most}"));
        let parts: Vec<_> = time.into_iter().chain(cost).collect();
        format!("{SPENT}{}", parts.join(", and "))
    }

    /// The command that gives it as much again, without the program's name.
    pub fn remedy(&self, id: &TaskId) -> String {
        let mut command = format!("budget {id}");
        if let Some((worked, most)) = self.time {
            let seconds = (worked.div_euclid(1000) + 1).saturating_add(most.max(60));
            command.push_str(&format!(" --max-total-runtime {}m", seconds.div_euclid(60) + 1));
        }
        if let Some((cost, most)) = self.cost {
            let more = if most.is_zero() { Amount::ONE } else { most };
            command.push_str(&format!(" --max-cost {}", cost.plus(more).min(Amount::MOST)));
        }
        command
    }
}

impl Tx {
    /// Gives a new task its own budget.
    pub(crate) async fn insert_budget(&mut self, task: &mut Task, budget: Budget) -> Result<(), Error> {
        if budget != Budget::default() {
            sql!(self, SET_BUDGET, &task.id, budget.total_seconds, budget.cost; execute);
            (task.max_total_seconds, task.max_cost) = (budget.total_seconds, budget.cost);
        }
        Ok(())
    }

    /// Changes what a task may use. One that was held since its budget was spent goes on if it is not any more.
    pub async fn set_budget(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        total_seconds: Option<Bound<i64>>,
        cost: Option<Bound<Amount>>,
        of_profile: Budget,
        now: Millis,
    ) -> Result<Task, Error> {
        let task = self.task(id).await?;
        if matches!(task.status, Status::Done | Status::Archived) {
            refuse!(WrongStatus, "cannot change the budget of {id}: {}", self.standing(&task).await?);
        }
        let total_seconds = changed(total_seconds, task.max_total_seconds);
        let cost = changed(cost, task.max_cost);
        sql!(self, SET_BUDGET, id, total_seconds, cost; execute);
        let mut task = Task { max_total_seconds: total_seconds, max_cost: cost, ..task };
        let payload = json!({"fields": ["budget"], "max_total_seconds": total_seconds,
            "max_cost": cost.map(|cost| cost.to_string()), "by": actor.name()});
        self.record(Kind::Edited, &task, None, payload, now).await?;
        if task.is_held_for_budget() && task.overrun(of_profile).is_none() {
            task.status = self.release(&task, false).await?;
            let payload = json!({"by": actor.name(), "status": task.status, "reason": "its budget was raised"});
            self.record(Kind::Unblocked, &task, None, payload, now).await?;
        }
        self.wakes_dispatcher();
        Ok(task)
    }

    /// Adds what a task has cost since that was last said, to it and to its open run.
    pub async fn add_cost(&mut self, actor: &Actor, id: &TaskId, cost: Amount) -> Result<(), Error> {
        self.fence_own(actor, id).await?;
        let run = self.task(id).await?.current_run;
        self.add_cost_of(id, run, cost).await
    }

    /// The same for a run that may have been closed since, by whoever held it.
    pub async fn add_cost_of(&mut self, id: &TaskId, run: Option<i64>, cost: Amount) -> Result<(), Error> {
        let task = self.task(id).await?;
        // Sums stay far below what a number can hold, whatever is reported how often.
        let room = |so_far: Amount| cost.millionths().min(SUM_LIMIT - so_far.millionths()).max(0);
        sql!(self, ADD_COST, id, room(task.cost); execute);
        if let Some(run) = run {
            sql!(self, ADD_RUN_COST, run, room(task.cost); execute);
        }
        Ok(())
    }

    /// Ends the run of a task whose budget is spent, and holds the task. Its worker is stopped. Answers whether it was.
    pub async fn stop_if_spent(&mut self, id: &TaskId, of_profile: Budget, now: Millis) -> Result<bool, Error> {
        let mut task = self.task(id).await?;
        if let Some(run) = task.current_run {
            let run = self.run(run).await?;
            task.worked_ms += worked(&run, now);
        }
        let Some(overrun) = task.overrun(of_profile) else { return Ok(false) };
        self.hold_for_budget(&task, &overrun, None, now).await?;
        Ok(true)
    }

    /// Ends a run that ended by itself when that has spent the task's budget, or was ended by a budget that was raised since.
    /// Answers whether that was so; else it is an attempt like any other.
    pub async fn ended_by_budget(
        &mut self,
        run: i64,
        ending: &Ending,
        bounds: &Bounds,
        now: Millis,
    ) -> Result<bool, Error> {
        let run = self.run(run).await?;
        if run.ended_at.is_some() || matches!(ending, Ending::ScriptDone { .. }) {
            return Ok(false);
        }
        let mut task = self.task(&run.task_id).await?;
        task.worked_ms += worked(&run, now);
        if let Some(overrun) = task.overrun(bounds.budget) {
            self.hold_for_budget(&task, &overrun, Some(ending), now).await?;
            return Ok(true);
        }
        let own_limit = task.max_runtime_seconds.or(bounds.max_runtime_seconds);
        if let Ending::TimedOut { limit_seconds } = ending
            && own_limit.is_none_or(|own| *limit_seconds < own)
        {
            self.give_back(&run, "its budget was raised while it ran", now).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Keeps when the worker of a run has ended, where the gateway learns of it later.
    pub async fn worker_ended(&mut self, run: i64, at: Millis) -> Result<(), Error> {
        sql!(self, SET_WORKER_ENDED, run, at; execute);
        Ok(())
    }

    async fn hold_for_budget(
        &mut self,
        task: &Task,
        overrun: &Overrun,
        ending: Option<&Ending>,
        now: Millis,
    ) -> Result<(), Error> {
        let is_for_review = self.open_review(&task.id).await?.is_some_and(|review| review.reviewer.is_some());
        let waits_for_reviewer = task.status == Status::Review && is_for_review;
        if !waits_for_reviewer && !Action::SpendBudget.allowed_in(task.status) {
            return Err(Error::refused(Reason::WrongStatus, format!("{} is {}", task.id, task.status)));
        }
        let words = overrun.words();
        let closed = match task.current_run {
            Some(run) => {
                let error = ending.and_then(Ending::error).map_or(words.clone(), |error| format!("{words}\n{error}"));
                let end = End { error: Some(&error), ..End::new(Outcome::BudgetSpent, &Actor::Gateway) };
                self.end_run(run, end, now).await?
            }
            None => None,
        };
        if is_for_review {
            // The work is done, and only a worker's look at it has no money or time left.
            sql!(self, SET_AFTER_ATTEMPT, &task.id, Status::Review, 0_i64, Some(words.as_str()), None::<Millis>; execute);
            return self.person_looks_at(task, &words, now).await;
        }
        sql!(self, SET_AFTER_ATTEMPT, &task.id, Status::Blocked, task.failures, words.as_str(), None::<Millis>; execute);
        let payload = json!({"code": "budget_spent", "error": words, "command": overrun.remedy(&task.id)});
        self.record(Kind::BudgetSpent, task, closed.as_ref(), payload, now).await?;
        Ok(())
    }

    /// Adds the time of a run that has been closed to its task.
    pub(crate) async fn add_work(&mut self, run: &Run) -> Result<(), Error> {
        let worked = worked(run, run.ended_at.unwrap_or(run.started_at));
        if worked > 0 {
            sql!(self, ADD_WORK, &run.task_id, worked; execute);
        }
        Ok(())
    }
}

/// The reason of a task that is held for its budget begins so. No other reason of ours does, and no worker's error.
pub(crate) const SPENT: &str = "its budget is spent: ";

/// Millionths that the costs of one task may come to.
const SUM_LIMIT: i64 = 1_000_000_000_000_000;

/// How long the worker of a run has been at it. A claim by hand has none.
fn worked(run: &Run, now: Millis) -> Millis {
    if run.holder != Actor::Gateway.name() {
        return 0;
    }
    (run.worker_ended_at.unwrap_or(now).min(now) - run.started_at).max(0)
}

fn changed<T>(change: Option<Bound<T>>, now: Option<T>) -> Option<T> {
    match change {
        None => now,
        Some(Bound::Lifted) => None,
        Some(Bound::Most(most)) => Some(most),
    }
}

/// What a task may use and what it has used, for programs.
pub fn document(task: &Task) -> Value {
    json!({
        "max_total_runtime_seconds": task.max_total_seconds,
        "max_cost": task.max_cost.map(|cost| cost.to_string()),
        "cost": task.cost.to_string(),
        "worked_seconds": task.worked_ms.div_euclid(1000),
    })
}
