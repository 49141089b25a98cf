//! `create`.

use std::path::{Path, PathBuf};

use crate::{
    board::{
        Board, Error, Tx,
        budget::Budget,
        create::NewTask,
        error::refuse,
        face::{self, Lead},
        pin::Pinned,
        quorum::Quorum,
        task::{Status, WorkspaceKind},
        thread::Why,
    },
    clock::Millis,
    command::{
        access,
        caller::{Caller, Place},
        desk::{Desk, Done},
        reply::{Card, Reply},
        run::Prepared,
        value::{WorkspaceArg, whole_seconds},
        verbs::{Create, InitialStatus},
        view,
    },
    dispatcher::workspace::{Closed, NO_REPOSITORY, Opened, repository_around},
    settings::{Profile, Settings, WorkspaceDefault},
};

/// Where the task is to work, as far as it is not a scratch directory: the true path of a directory that is open to the
/// caller. It is kept, so that a link put in its way later is noticed when the worker starts.
pub(super) async fn place(desk: &Desk, caller: &Caller, board: &Board, args: &Create) -> Result<Option<Site>, Error> {
    let settings = desk.settings.get();
    let workspace = match (&args.workspace, &caller.pin.workspace) {
        (Some(workspace), _) => Some(asked(workspace)),
        (None, Some(pinned)) => return pinned_site(desk, caller, &settings, pinned).map(Some),
        (None, None) => assignee(caller, &settings, args)?.and_then(default_place),
    };
    Ok(match workspace {
        Some((kind @ WorkspaceKind::Dir, Some(path))) => {
            Some(match access::open(caller, &settings, desk.home(), &path) {
                Ok(opened) => Site::held(kind, &opened),
                // Its last part is made when the worker starts.
                Err(Closed::Gone(_)) => {
                    Site { path: Some(access::directory(caller, &settings, desk.home(), &path)?), ..Site::of(kind) }
                }
                Err(Closed::Refused(refusal)) => refuse!(Forbidden, "{refusal}"),
            })
        }
        Some((kind @ WorkspaceKind::Worktree, path)) => {
            let default = board.read().await?.meta("default_workdir").await?;
            let here = caller.pin.workspace.as_ref().map(|pinned| PathBuf::from(&pinned.value));
            let Some(path) = path.or(here).or(default.map(PathBuf::from)) else {
                refuse!(Invalid, "{NO_REPOSITORY}");
            };
            let path = access::directory(caller, &settings, desk.home(), &path)?;
            // The worktree itself lies at the top of the repository, which may be above what is open to the caller.
            if access::roots(caller, &settings).is_some()
                && let Ok(top) = repository_around(&path).await
            {
                access::directory(caller, &settings, desk.home(), &top)?;
            }
            let root = access::root_of(caller, &settings, &path);
            Some(Site { path: Some(path), root, ..Site::of(kind) })
        }
        Some((kind, path)) => Some(Site { path, ..Site::of(kind) }),
        None => None,
    })
}

/// Where a task is to work.
#[derive(Clone, Debug)]
pub(in crate::command) struct Site {
    kind: WorkspaceKind,
    path: Option<PathBuf>,
    /// The root below which its directory was opened.
    root: Option<PathBuf>,
    is_pinned: bool,
}

impl Site {
    fn of(kind: WorkspaceKind) -> Self {
        Self { kind, path: None, root: None, is_pinned: false }
    }

    fn held(kind: WorkspaceKind, opened: &Opened) -> Self {
        let (path, root) = (Some(opened.path().to_owned()), Some(opened.root().to_owned()));
        Self { path, root, ..Self::of(kind) }
    }
}

/// The directory of the place where the caller speaks. One that is gone at present is no reason to refuse a task: it
/// waits for it.
fn pinned_site(desk: &Desk, caller: &Caller, settings: &Settings, pinned: &Pinned<String>) -> Result<Site, Error> {
    let path = Path::new(&pinned.value);
    let site = match access::open(caller, settings, desk.home(), path) {
        Ok(opened) => Site::held(WorkspaceKind::Dir, &opened),
        Err(Closed::Gone(refusal)) => match access::root_of(caller, settings, path) {
            Some(root) => Site { path: Some(path.to_owned()), root: Some(root), ..Site::of(WorkspaceKind::Dir) },
            None => refuse!(Forbidden, "{refusal}"),
        },
        Err(Closed::Refused(refusal)) => refuse!(
            Forbidden,
            "tasks from here work in `{}` (set by {}), but {refusal}; name another place, as in `--workspace scratch`",
            pinned.value,
            pinned.by
        ),
    };
    Ok(Site { is_pinned: true, ..site })
}

/// A kind of workspace, and its path where it has one.
type Asked = (WorkspaceKind, Option<PathBuf>);

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
        Prepared::Nothing
        | Prepared::File(_)
        | Prepared::Artifacts(_)
        | Prepared::Workspace(_)
        | Prepared::Swarm(_)
        | Prepared::Firing(_) => None,
    };
    if args.branch.is_some() && !workspace.as_ref().is_some_and(|site| site.kind == WorkspaceKind::Worktree) {
        refuse!(Usage, "--branch is only valid with --workspace worktree");
    }
    let created_by = access::signed(caller, args.created_by.as_deref(), "--created-by")?;
    let new = NewTask {
        title: args.title(),
        body: args.body.as_ref().map(|body| body.as_str().to_owned()),
        assignee: profile.map(|profile| profile.name.clone()),
        parents: args.parent.clone(),
        quorum: args.quorum.map(|needed| Quorum { needed: i64::from(needed), cancels_rest: args.cancel_rest }),
        priority: args.priority.unwrap_or(0),
        tenant: args
            .tenant
            .as_ref()
            .map(|tenant| tenant.as_str().to_owned())
            .or_else(|| caller.pin.tenant.as_ref().map(|pinned| pinned.value.clone())),
        workspace: workspace.as_ref().map(|site| (site.kind, site.path.as_deref().map(shown))),
        workspace_root: workspace.as_ref().and_then(|site| site.root.as_deref()).map(shown),
        branch: args.branch.clone(),
        project: args.project.clone(),
        skills: args.skill.iter().map(|skill| skill.as_str().to_owned()).collect(),
        goal_max_turns: args.goal_max_turns.map(i64::from),
        goal_mode: args.goal,
        max_retries: args.max_retries.map(i64::from),
        max_runtime_seconds: args.max_runtime.map(|limit| i64::try_from(limit.as_secs().max(1)).unwrap_or(i64::MAX)),
        budget: Budget { total_seconds: args.max_total_runtime.map(whole_seconds), cost: args.max_cost },
        idempotency_key: args.idempotency_key.clone(),
        session_id: None,
        triage: args.triage,
        blocked: args.initial_status == Some(InitialStatus::Blocked),
        at: start_at(args.at, args.delay, now),
    };
    if !caller.actor.is_person() {
        new.budget.within(settings.budget_of(new.assignee.as_ref()))?;
    }
    let created = tx.create(&caller.actor, &created_by, new, now).await?;
    let task = created.task;
    if created.existed && caller.actor.is_person() {
        let is_private = tx.is_private().await?;
        let rights = caller.standing.on(tx.slug(), is_private);
        if !access::sees_task(&rights, &task) {
            refuse!(
                Forbidden,
                "this key is taken by a task that is not open to you; choose another `--idempotency-key`"
            );
        }
    }
    let gets_thread = !created.existed && !args.json && caller.opens_threads();
    let hears_elsewhere = match caller.thread() {
        // A repeat finds the thread that the task has.
        Some(thread) if created.existed => tx.has_own_thread(thread, &task.id).await?,
        Some(_) => gets_thread,
        None => true,
    };
    if let (Some(thread), false) = (caller.thread(), hears_elsewhere) {
        tx.watch_unless_followed(thread, &task.id, &Why::Created, Some(caller.actor.name()), now).await?;
    }
    let assignee = task.assignee.as_ref().map_or("-".to_owned(), ToString::to_string);
    let (id, status) = (&task.id, task.status);
    let mut reply = match (args.json, &caller.place) {
        (true, _) => Reply::json(&view::document(&task)),
        (false, Place::Thread(_)) if created.existed => {
            Reply::text(format!("Exists already: {id} \"{}\" ({status}, assignee={assignee})", task.title))
        }
        (false, Place::Thread(_)) if gets_thread => {
            let card = Some(Card::OwnThread(Box::new(task.clone())));
            Reply { card, ..Reply::text(face::created_elsewhere(&task)) }
        }
        (false, Place::Thread(_)) => {
            let card = Some(Card::Task(Box::new(task.clone()), Lead::Created));
            Reply { card, ..Reply::text(face::created(&task)) }
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
    let pinned = workspace.as_ref().filter(|site| site.is_pinned && !created.existed && !args.json);
    if let Some(path) = pinned.and_then(|site| site.path.as_deref()) {
        reply.notes = format!("It works in `{}`, as set here.", path.display());
    }
    if !args.note.is_empty() {
        reply.notes = args.note.clone();
    }
    Ok(Done::from(reply.about(&task.id)))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The time that `--at` or `--in` names.
pub(super) fn start_at(at: Option<i64>, delay: Option<std::time::Duration>, now: Millis) -> Option<Millis> {
    let delayed = delay.map(|delay| now.saturating_add(Millis::try_from(delay.as_millis()).unwrap_or(Millis::MAX)));
    at.map(|seconds| seconds.saturating_mul(1000)).or(delayed)
}

/// Refuses a task for a profile that the caller may not use.
pub(super) fn check_profile(desk: &Desk, caller: &Caller, args: &Create) -> Result<(), Error> {
    assignee(caller, &desk.settings.get(), args).map(drop)
}

/// The profile that the task is for, if the caller may use it.
fn assignee<'s>(caller: &Caller, settings: &'s Settings, args: &Create) -> Result<Option<&'s Profile>, Error> {
    match (&args.assignee, &caller.pin.assignee) {
        (Some(assignee), _) => assignee.profile().map(|name| access::profile(caller, settings, name)).transpose(),
        (None, Some(pinned)) => match access::profile(caller, settings, &pinned.value) {
            Ok(profile) => Ok(Some(profile)),
            Err(error @ Error::Fault(_)) => Err(error),
            Err(Error::Refused(refusal)) => Err(Error::refused(
                refusal.reason,
                format!(
                    "tasks from here are for `{}` (set by {}), but {refusal}; name another with `--assignee`, or `none`",
                    pinned.value, pinned.by
                ),
            )),
        },
        (None, None) => Ok(None),
    }
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
