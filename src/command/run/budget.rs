//! `budget`, and what is reported of costs with other verbs.

use crate::{
    board::{Amount, Error, TaskId, Tx, announcement::span, budget, error::refuse},
    command::{
        access,
        caller::Caller,
        desk::{Desk, Done},
        reply::Reply,
        verbs,
    },
};

pub(super) async fn budget(desk: &Desk, caller: &Caller, args: &verbs::Budget, tx: &mut Tx) -> Result<Done, Error> {
    let settings = desk.settings.get();
    let mut task = tx.task(&args.task).await?;
    let of_profile = settings.budget_of(task.assignee.as_ref());
    if args.changes_something() {
        // With a budget that suffices it goes on, and that is a release.
        access::release(caller, &settings, &task)?;
        let (time, cost) = (args.max_total_runtime, args.max_cost);
        task = tx.set_budget(&caller.actor, &args.task, time, cost, of_profile, desk.now()).await?;
    }
    if args.json {
        let mut document = budget::document(&task);
        document["task_id"] = serde_json::json!(task.id);
        document["status"] = serde_json::json!(task.status);
        return Ok(Reply::json(&document).about(&task.id).into());
    }
    let budget = task.budget(of_profile);
    let whose = |own: bool| if own { "" } else { " (by its profile)" };
    let time = match budget.total_seconds {
        Some(most) => format!("{}{}", span(most.saturating_mul(1000)), whose(task.max_total_seconds.is_some())),
        None => "any time".to_owned(),
    };
    let cost = match budget.cost {
        Some(most) => format!("{most}{}", whose(task.max_cost.is_some())),
        None => "any amount".to_owned(),
    };
    let text = format!(
        "Budget of {} ({}): worked {} of {time}; cost {} of {cost}",
        task.id,
        task.status,
        span(task.worked_ms),
        task.cost
    );
    Ok(Reply::text(text).about(&task.id).into())
}

/// Keeps what a task has cost since that was last said.
pub(super) async fn report(caller: &Caller, id: &TaskId, cost: Option<Amount>, tx: &mut Tx) -> Result<(), Error> {
    match cost {
        Some(cost) => tx.add_cost(&caller.actor, id, cost).await,
        None => Ok(()),
    }
}

/// Ends the run of a task that may use no more. Answers whether it did.
pub(super) async fn stop_if_spent(desk: &Desk, id: &TaskId, tx: &mut Tx) -> Result<bool, Error> {
    let of_profile = desk.settings.get().budget_of(tx.task(id).await?.assignee.as_ref());
    tx.stop_if_spent(id, of_profile, desk.now()).await
}

/// Refuses to release a task that would be held again at once, since its budget is spent.
pub(super) async fn may_go_on(desk: &Desk, id: &TaskId, tx: &mut Tx) -> Result<(), Error> {
    let task = tx.task(id).await?;
    if let Some(overrun) = task.overrun(desk.settings.get().budget_of(task.assignee.as_ref())) {
        refuse!(
            WrongStatus,
            "cannot let {id} go on: {}; `{{kanban}} {}` gives it more",
            overrun.words(),
            overrun.remedy(id)
        );
    }
    Ok(())
}
