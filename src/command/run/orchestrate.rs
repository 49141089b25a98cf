//! `specify` and `decompose`: what lies in triage goes to the orchestrator, when somebody asks for it.

use super::{Prepared, create, tasks::may_release};
use crate::{
    board::{
        Board, Error, ProfileName, TaskId, Tx,
        error::refuse,
        task::{Status, Task},
    },
    command::{
        access,
        caller::Caller,
        desk::{Desk, Done},
        reply::Reply,
        value::{Assignee, Prose, Tenant},
        verbs::Create,
    },
};

/// Where the task that specifies another one is to work.
pub(super) async fn prepare(desk: &Desk, caller: &Caller, board: &Board, id: &TaskId) -> Result<Prepared, Error> {
    let task = board.read().await?.task(id).await?;
    let create = specification(&task, orchestrator(desk, caller, id, "specify")?);
    let place = Prepared::Place(create::place(desk, caller, board, &create).await?);
    Ok(Prepared::Swarm(vec![(create, place)]))
}

/// Puts a task of the orchestrator before it, whose summary is handed to it as its specification.
pub(super) async fn specify(
    desk: &Desk,
    caller: &Caller,
    id: &TaskId,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let Prepared::Swarm(parts) = prepared else { refuse!(Invalid, "cannot specify {id}: nothing was made ready") };
    let [(create, place)] = &parts[..] else { refuse!(Invalid, "cannot specify {id}: nothing was made ready") };
    in_triage(tx, id, "specify").await?;
    // It starts by itself when it is specified.
    may_release(desk, caller, id, tx).await?;
    let caller = Caller { is_channel: false, ..caller.clone() };
    let done = create::create(desk, &caller, create, place, tx).await?;
    let Some(first) = done.reply.task else { refuse!(Invalid, "cannot specify {id}: no task was made for it") };
    tx.leave_triage_behind(&caller.actor, id, &first, desk.now()).await?;
    Ok(Reply::text(format!("{first} specifies {id}, which waits for it")).about(id).into())
}

/// Gives the task itself to the orchestrator, whose worker makes the smaller ones.
pub(super) async fn decompose(desk: &Desk, caller: &Caller, id: &TaskId, tx: &mut Tx) -> Result<Done, Error> {
    let now = desk.now();
    in_triage(tx, id, "decompose").await?;
    let profile = orchestrator(desk, caller, id, "decompose")?;
    tx.assign(&caller.actor, id, Some(&profile), now).await?;
    tx.promote(&caller.actor, id, Some(&order(id)), false, now).await?;
    Ok(Reply::text(format!("@{profile} splits {id} into smaller tasks")).about(id).into())
}

fn specification(task: &Task, profile: ProfileName) -> Create {
    let id = &task.id;
    let body = format!(
        "Write down what task {id} is about, so that whoever does it needs to ask nothing. `kanban context {id}` shows what is \
         known. Find out the rest, do none of its work, and complete with the specification as your summary: the goal, where \
         it is to be done, what will be looked at in the end, and what must not be touched. It is handed to {id}, which starts \
         then. What a person must decide, ask."
    );
    Create {
        body: Some(Prose(body)),
        assignee: Some(Assignee::Profile(profile)),
        tenant: task.tenant.as_deref().and_then(|tenant| tenant.parse::<Tenant>().ok()),
        priority: Some(task.priority),
        ..Create::titled(format!("Specify {id}: {}", task.title.chars().take(200).collect::<String>()))
    }
}

fn order(id: &TaskId) -> String {
    format!(
        "Split this task into smaller ones and do none of them yourself: make each with `kanban create`, for a profile that \
         fits, with what belongs before it as its `--parent`; then `kanban link` the last ones before {id} and \
         `kanban block {id} --kind dependency`. You are started again when they are done, to make one result of them."
    )
}

/// The profile that steers others, if there is one that the caller may use.
fn orchestrator(desk: &Desk, caller: &Caller, id: &TaskId, verb: &str) -> Result<ProfileName, Error> {
    let settings = desk.settings.get();
    let Some(name) = settings.dispatch.orchestrator.clone() else {
        refuse!(
            Invalid,
            "cannot {verb} {id}: no orchestrator is configured; name its profile in the settings, as `orchestrator = \"claude\"` below `[dispatch]`"
        )
    };
    access::profile(caller, &settings, &name)?;
    Ok(name)
}

async fn in_triage(tx: &mut Tx, id: &TaskId, verb: &str) -> Result<(), Error> {
    let task = tx.task(id).await?;
    if task.status != Status::Triage {
        refuse!(
            WrongStatus,
            "cannot {verb} {id}: it is {}, and only what lies in triage is handed to the orchestrator; `{{kanban}} create TITLE --triage` makes such a task",
            task.status
        );
    }
    if tx.open_review(id).await?.is_some() {
        refuse!(
            WrongStatus,
            "cannot {verb} {id}: its work has been handed in; `{{kanban}} request-changes {id} WHAT TO CHANGE` sends it back, `{{kanban}} promote {id}` lets it be looked at again"
        );
    }
    Ok(())
}
