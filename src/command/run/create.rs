//! `create`.

use std::path::PathBuf;

use crate::{
    board::{
        Board, Error, Tx,
        create::NewTask,
        error::refuse,
        task::{Status, WorkspaceKind},
        thread::Following,
    },
    clock::Millis,
    command::{
        access,
        caller::{Caller, Place},
        desk::{Desk, Done},
        reply::Reply,
        run::Prepared,
        value::WorkspaceArg,
        verbs::{Create, InitialStatus},
        view,
    },
    dispatcher::workspace::{NO_REPOSITORY, repository_around},
    settings::{Profile, Settings, WorkspaceDefault},
};

/// Where the task is to work, as far as it is not a scratch directory: the true path of a directory that is open to the
/// caller. It is kept, so that a link put in its way later is noticed when the worker starts.
pub(super) async fn place(desk: &Desk, caller: &Caller, board: &Board, args: &Create) -> Result<Option<Asked>, Error> {
    let settings = desk.settings.get();
    let workspace = match &args.workspace {
        Some(workspace) => Some(asked(workspace)),
        None => assignee(caller, &settings, args)?.and_then(default_place),
    };
    Ok(match workspace {
        Some((kind @ WorkspaceKind::Dir, Some(path))) => {
            Some((kind, Some(access::directory(caller, &settings, desk.home(), &path)?)))
        }
        Some((kind @ WorkspaceKind::Worktree, path)) => {
            let default = board.read().await?.meta("default_workdir").await?;
            let Some(path) = path.or(default.map(PathBuf::from)) else {
                refuse!(Invalid, "{NO_REPOSITORY}");
            };
            let path = access::directory(caller, &settings, desk.home(), &path)?;
            // The worktree itself lies at the top of the repository, which may be above what is open to the caller.
            if access::roots(caller, &settings).is_some()
                && let Ok(top) = repository_around(&path).await
            {
                access::directory(caller, &settings, desk.home(), &top)?;
            }
            Some((kind, Some(path)))
        }
        other => other,
    })
}

/// A kind of workspace, and its path where it has one.
pub(super) type Asked = (WorkspaceKind, Option<PathBuf>);

pub(super) async fn create(
    desk: &Desk,
    caller: &Caller,
    args: &Create,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let settings = desk.settings.get();
    let now = desk.now();
    let profile = assignee(caller, &settings, args)?;
    let workspace = match prepared {
        Prepared::Place(place) => place.clone(),
        Prepared::Nothing | Prepared::File(_) | Prepared::Workspace(_) => None,
    };
    if args.branch.is_some() && !matches!(workspace, Some((WorkspaceKind::Worktree, _))) {
        refuse!(Usage, "--branch is only valid with --workspace worktree");
    }
    let created_by = access::signed(caller, args.created_by.as_deref(), "--created-by")?;
    let new = NewTask {
        title: args.title(),
        body: args.body.as_ref().map(|body| body.as_str().to_owned()),
        assignee: profile.map(|profile| profile.name.clone()),
        parents: args.parent.clone(),
        priority: args.priority.unwrap_or(0),
        tenant: args.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
        workspace: workspace.map(|(kind, path)| (kind, path.map(|path| path.display().to_string()))),
        branch: args.branch.clone(),
        project: args.project.clone(),
        skills: args.skill.iter().map(|skill| skill.as_str().to_owned()).collect(),
        goal_max_turns: args.goal_max_turns.map(i64::from),
        goal_mode: args.goal,
        max_retries: args.max_retries.map(i64::from),
        max_runtime_seconds: args.max_runtime.map(|limit| i64::try_from(limit.as_secs().max(1)).unwrap_or(i64::MAX)),
        idempotency_key: args.idempotency_key.clone(),
        session_id: None,
        triage: args.triage,
        blocked: args.initial_status == Some(InitialStatus::Blocked),
        at: start_at(args.at, args.delay, now),
    };
    let created = tx.create(&caller.actor, &created_by, new, now).await?;
    let task = created.task;
    if let Some(thread) = caller.thread() {
        let following = Following { task: Some(task.id.clone()), ..Following::default() };
        tx.watch(thread, &following, Some(caller.actor.name()), now).await?;
    }
    let assignee = task.assignee.as_ref().map_or("-".to_owned(), ToString::to_string);
    let (id, status) = (&task.id, task.status);
    let mut reply = match (args.json, &caller.place) {
        (true, _) => Reply::json(&view::document(&task)),
        (false, Place::Thread(_)) => {
            let verb = if created.existed { "Exists already:" } else { "Created" };
            Reply::text(format!("{verb} {id} \"{}\" ({status}, assignee={assignee})", task.title))
        }
        (false, Place::Terminal { .. } | Place::Worker { .. }) => {
            Reply::text(format!("Created {id}  ({status}, assignee={assignee})"))
        }
    };
    if !created.existed {
        reply.event = Some("created");
    }
    if !args.json && desk.gateway.is_none() && status == Status::Ready && task.assignee.is_some() {
        reply.notes = format!("no gateway is running: {id} stays ready until you start one with `kanban up`");
    }
    Ok(Done::from(reply.about(&task.id)))
}

/// The time that `--at` or `--in` names.
pub(super) fn start_at(at: Option<i64>, delay: Option<std::time::Duration>, now: Millis) -> Option<Millis> {
    let delayed = delay.map(|delay| now.saturating_add(Millis::try_from(delay.as_millis()).unwrap_or(Millis::MAX)));
    at.map(|seconds| seconds.saturating_mul(1000)).or(delayed)
}

/// The profile that the task is for, if the caller may use it.
fn assignee<'s>(caller: &Caller, settings: &'s Settings, args: &Create) -> Result<Option<&'s Profile>, Error> {
    let name = args.assignee.as_ref().and_then(|assignee| assignee.profile());
    name.map(|name| access::profile(caller, settings, name)).transpose()
}

fn asked(workspace: &WorkspaceArg) -> Asked {
    match workspace {
        WorkspaceArg::Scratch => (WorkspaceKind::Scratch, None),
        WorkspaceArg::Dir(path) => (WorkspaceKind::Dir, Some(path.clone())),
        WorkspaceArg::Worktree(path) => (WorkspaceKind::Worktree, path.clone()),
    }
}

fn default_place(profile: &Profile) -> Option<Asked> {
    match &profile.workspace {
        WorkspaceDefault::Scratch => None,
        WorkspaceDefault::Dir(path) => Some((WorkspaceKind::Dir, Some(path.as_ref().to_owned()))),
        WorkspaceDefault::Worktree(path) => {
            Some((WorkspaceKind::Worktree, path.as_ref().map(|path| path.as_ref().to_owned())))
        }
    }
}
