//! Who may run what, the same on every road.

use std::path::{Path, PathBuf};

use kanban_platform::Capability;

use crate::{
    board::{
        Actor, Board, BoardSlug, Error, ProfileName, Reason, TaskId, error::refuse, task::Task, unknown, unknown_board,
    },
    command::{
        caller::{Caller, Place},
        desk::Desk,
        subject::{Reach, Subject},
        value::Tenant,
        verbs::{BoardsVerb, Operate, Own, Read, Shell, Verb, Write},
    },
    dispatcher::workspace::{self, Closed, Opened, allowed, root_above, true_roots},
    settings::{Extent, Profile, Rights, Role, Settings},
};

/// A command that may be run: by whom, with the role that lets it, and the verb within what it reaches.
#[derive(Debug)]
pub struct Allowed {
    pub caller: Caller,
    pub verb: Verb,
}

/// Lets a command through, or refuses it: the one check for every road, made again whenever a button is pressed and
/// when a message that has waited is acted on.
///
/// Nothing is looked at before it, and what a caller may not see is refused in the words for what does not exist.
pub async fn check(desk: &Desk, caller: &Caller, named: Option<&BoardSlug>, verb: &Verb) -> Result<Allowed, Error> {
    if let Actor::Worker { task, .. } = &caller.actor {
        if !is_for_workers(verb) {
            return Err(Error::refused(
                Reason::Forbidden,
                format!(
                    "a worker may not run this; it may look at the board, and change its own task {task} and the tasks that it created; {}",
                    ask_a_person(task)
                ),
            ));
        }
        return of_worker(desk, caller, named, task, verb).await;
    }
    let (subject, capability) = (Subject::of(verb), verb.capability());
    // What is refused on every board is refused before it is looked whether there is such a board.
    if let Some(highest) = caller.standing.highest().filter(|role| !role.may(capability)) {
        return Err(too_low(highest, capability));
    }
    let other = match subject.reach {
        Reach::Anywhere => return held(caller, verb, caller.standing.highest(), capability),
        Reach::Place | Reach::Installation => {
            let role = decides(caller, capability, matches!(subject.reach, Reach::Installation))?;
            return Ok(as_it_is(&Caller { role, ..caller.clone() }, verb));
        }
        Reach::Other(slug) => Some(slug),
        Reach::Tasks | Reach::Tenant(_) | Reach::Attachment(_) | Reach::Board | Reach::Picked => None,
    };
    if caller.standing.everywhere() == Some(Role::Owner) {
        return Ok(as_it_is(&Caller { role: Role::Owner, ..caller.clone() }, verb));
    }
    let board = match other {
        Some(slug) => desk.boards.get(slug).await?,
        None => desk.board_of(caller, named).await?,
    };
    let is_of_place = named.is_none() && other.is_none() && caller.pin.board.is_some();
    if is_of_place && !sees(caller, &board).await? {
        // Whoever may not know of a board does not learn its name from where they speak.
        return Err(Error::refused(
            Reason::Forbidden,
            "the board of this place is not open to you; name another, as in `--board default`, or ask an owner of this gateway",
        ));
    }
    let (caller, rights, extent) = on_board(caller, &board, capability).await?;
    let Extent::Tenants(tenants) = extent else { return Ok(Allowed { caller, verb: verb.clone() }) };
    // What may be read anyway need not be hidden from a change that is refused.
    let reads_all = matches!(rights.to(Capability::Read), Some((_, Extent::Whole)));
    within(&caller, &board, &tenants, reads_all, verb, &subject).await
}

/// Holds a worker to the tenant of its own task: what is of another one is not there for it.
async fn of_worker(
    desk: &Desk,
    caller: &Caller,
    named: Option<&BoardSlug>,
    own: &TaskId,
    verb: &Verb,
) -> Result<Allowed, Error> {
    let board = desk.board_of(caller, named).await?;
    let mut tx = board.read().await?;
    let Some(tenant) = tx.task(own).await?.tenant else { return Ok(as_it_is(caller, verb)) };
    let subject = Subject::of(verb);
    let mut tasks: Vec<TaskId> = subject.tasks.iter().map(|id| (*id).clone()).collect();
    let mut verb = verb.clone();
    match subject.reach {
        Reach::Attachment(number) => tasks.extend(tx.attachment(number).await?.map(|attachment| attachment.task_id)),
        Reach::Tenant(Some(asked)) if asked.as_str() != tenant => {
            return Err(Error::refused(
                Reason::Forbidden,
                format!("a worker acts for the tenant of its own task {own}, which is {tenant}; leave the tenant out"),
            ));
        }
        Reach::Tenant(_) => {
            if let Ok(tenant) = tenant.parse() {
                bind(&mut verb, tenant);
            }
        }
        Reach::Tasks
        | Reach::Board
        | Reach::Other(_)
        | Reach::Picked
        | Reach::Anywhere
        | Reach::Place
        | Reach::Installation => {}
    }
    for id in &tasks {
        // The verb says in its own words what it thinks of a task that is not there.
        let found = tx.task(id).await.ok().and_then(|task| task.tenant);
        if found.is_some_and(|found| found != tenant) {
            return Err(unknown(id));
        }
    }
    Ok(Allowed { caller: caller.clone(), verb })
}

/// Lets a caller through to a thing on a board that is no verb, as a turn of its agent is.
///
/// Answers the caller with the role that lets it. It is about the whole board, so a role for some of its tenants is not
/// enough.
pub async fn may(caller: &Caller, board: &Board, capability: Capability) -> Result<Caller, Error> {
    let (caller, _, extent) = on_board(caller, board, capability).await?;
    match extent {
        Extent::Whole => Ok(caller),
        Extent::Tenants(tenants) => Err(only_for(&tenants)),
    }
}

async fn on_board(caller: &Caller, board: &Board, capability: Capability) -> Result<(Caller, Rights, Extent), Error> {
    let rights = rights(caller, board).await?;
    let Some(highest) = rights.highest() else { return Err(unseen(board).await?) };
    let Some((role, extent)) = rights.to(capability) else { return Err(too_low(highest, capability)) };
    Ok((Caller { role, ..caller.clone() }, rights, extent))
}

/// What a caller holds on a board.
pub async fn rights(caller: &Caller, board: &Board) -> Result<Rights, Error> {
    let is_private = board.read().await?.is_private().await?;
    Ok(caller.standing.on(board.slug(), is_private))
}

/// Whether a caller may know of a board at all.
pub async fn sees(caller: &Caller, board: &Board) -> Result<bool, Error> {
    if caller.standing.everywhere() == Some(Role::Owner) {
        return Ok(true);
    }
    Ok(!rights(caller, board).await?.is_empty())
}

/// The boards that a caller may not know of.
pub async fn hidden_boards(desk: &Desk, caller: &Caller) -> Result<Vec<BoardSlug>, Error> {
    // A worker is told of its own board alone, and whoever owns everything sees everything.
    if !caller.actor.is_person() || caller.standing.everywhere() == Some(Role::Owner) {
        return Ok(Vec::new());
    }
    let mut hidden = Vec::new();
    for board in desk.boards.all().await? {
        if !sees(caller, &board).await? {
            hidden.push(board.slug().clone());
        }
    }
    Ok(hidden)
}

/// Whether a caller may look at a task: on a board that they see, and of a tenant that they may look at.
pub fn sees_task(rights: &Rights, task: &Task) -> bool {
    match rights.to(Capability::Read) {
        None => false,
        Some((_, Extent::Whole)) => true,
        Some((_, Extent::Tenants(tenants))) => is_of(task, &tenants),
    }
}

/// The role by which a caller decides over the place where they speak, or over all places and boards.
pub(super) fn decides(caller: &Caller, capability: Capability, everywhere: bool) -> Result<Role, Error> {
    let in_place = caller.standing.in_place();
    let role = if everywhere { caller.standing.everywhere() } else { in_place };
    let least = Role::least(capability).name();
    // A role for a part is not told to be too low where it is only too narrow.
    let narrow = match (role, in_place) {
        (Some(role), _) if role.may(capability) => return Ok(role),
        (_, Some(in_place)) if in_place.may(capability) => {
            format!("your role holds in this place alone, and this needs {least} in all of them")
        }
        (Some(role), _) => return Err(too_low(role, capability)),
        (None, _) if caller.standing.is_empty() => "you have no role here".to_owned(),
        (None, _) => format!("your role holds for a part of the boards alone, and this needs {least} for all of them"),
    };
    Err(Error::refused(Reason::Forbidden, format!("{narrow}; ask an owner of this gateway")))
}

fn held(caller: &Caller, verb: &Verb, role: Option<Role>, capability: Capability) -> Result<Allowed, Error> {
    match role {
        Some(role) if role.may(capability) => Ok(as_it_is(&Caller { role, ..caller.clone() }, verb)),
        Some(role) => Err(too_low(role, capability)),
        None => Err(Error::refused(Reason::Forbidden, "you have no role here; ask an owner of this gateway")),
    }
}

fn as_it_is(caller: &Caller, verb: &Verb) -> Allowed {
    Allowed { caller: caller.clone(), verb: verb.clone() }
}

fn too_low(role: Role, capability: Capability) -> Error {
    Error::refused(
        Reason::Forbidden,
        format!(
            "your role is {}, and this needs {}; ask an owner of this gateway",
            role.name(),
            Role::least(capability).name()
        ),
    )
}

fn only_for(tenants: &[String]) -> Error {
    let names = tenants.join(", ");
    Error::refused(
        Reason::Forbidden,
        format!(
            "your role holds for tenant {names} alone, and this is about the whole board; ask an owner of this gateway"
        ),
    )
}

/// The refusal of a board on which the caller holds nothing: a private one is not there.
async fn unseen(board: &Board) -> Result<Error, Error> {
    let slug = board.slug();
    Ok(if board.read().await?.is_private().await? {
        unknown_board(slug)
    } else {
        Error::refused(Reason::Forbidden, format!("you have no role on board '{slug}'; ask an owner of this gateway"))
    })
}

/// Holds a command to the tenants that its caller's role is for.
async fn within(
    caller: &Caller,
    board: &Board,
    tenants: &[String],
    reads_all: bool,
    verb: &Verb,
    subject: &Subject<'_>,
) -> Result<Allowed, Error> {
    let names = tenants.join(", ");
    let mut tx = board.read().await?;
    let mut tasks = Vec::new();
    for id in &subject.tasks {
        tasks.push((*id).clone());
    }
    let mut chosen = None;
    match subject.reach {
        Reach::Tasks | Reach::Picked | Reach::Anywhere | Reach::Place | Reach::Installation => {}
        Reach::Attachment(number) => match tx.attachment(number).await? {
            Some(attachment) => tasks.push(attachment.task_id),
            // The verb refuses it in its own words.
            None => return Ok(as_it_is(caller, verb)),
        },
        Reach::Board | Reach::Other(_) => return Err(only_for(tenants)),
        Reach::Tenant(asked) => {
            let pinned = caller.pin.tenant.as_ref().map(|pinned| pinned.value.as_str());
            let asked = asked.map(Tenant::as_str).or(pinned).or(match tenants {
                [one] => Some(one.as_str()),
                _ => None,
            });
            match asked {
                Some(asked) if tenants.iter().any(|tenant| tenant == asked) => chosen = asked.parse::<Tenant>().ok(),
                Some(_) | None => {
                    return Err(Error::refused(
                        Reason::Forbidden,
                        format!("your role holds for tenant {names} alone; name it, as in `--tenant {}`", tenants[0]),
                    ));
                }
            }
        }
    }
    for id in &tasks {
        let task = tx.task(id).await?;
        if !is_of(&task, tenants) {
            return Err(if reads_all {
                Error::refused(
                    Reason::Forbidden,
                    format!(
                        "your role for this holds for tenant {names} alone, and task {id} is not of it; ask an owner of this gateway"
                    ),
                )
            } else {
                unknown(id)
            });
        }
    }
    let mut verb = verb.clone();
    if let Some(chosen) = chosen {
        bind(&mut verb, chosen);
    }
    Ok(Allowed { caller: caller.clone(), verb })
}

/// Bounds a verb that takes a tenant to one.
fn bind(verb: &mut Verb, tenant: Tenant) {
    let place = match verb {
        Verb::Read(Read::List(args)) => &mut args.tenant,
        Verb::Write(Write::Create(args)) => &mut args.tenant,
        Verb::Write(Write::Swarm(args)) => &mut args.tenant,
        Verb::Write(Write::Watch(args)) => &mut args.tenant,
        Verb::Read(_) | Verb::Write(_) | Verb::Operate(_) | Verb::Own(_) | Verb::Shell(_) | Verb::Internal(_) => return,
    };
    *place = Some(tenant);
}

fn is_of(task: &Task, tenants: &[String]) -> bool {
    task.tenant.as_ref().is_some_and(|tenant| tenants.contains(tenant))
}

/// What a worker may ask for; whether the task is its own is checked with each change.
fn is_for_workers(verb: &Verb) -> bool {
    match verb {
        Verb::Read(read) => match read {
            Read::List(_)
            | Read::Show(_)
            | Read::Tail(_)
            | Read::Context(_)
            | Read::Runs(_)
            | Read::Log(_)
            | Read::Stats(_)
            | Read::Assignees(_)
            | Read::Why(_)
            | Read::Attachments(_) => true,
            Read::Watches(_) | Read::Diagnostics(_) | Read::NotifyList(_) | Read::Here(_) => false,
            Read::Boards(boards) => matches!(boards.verb, Some(BoardsVerb::Read(_))),
        },
        Verb::Write(write) => match write {
            Write::Create(_)
            | Write::Link(_)
            | Write::Unlink(_)
            | Write::Comment(_)
            | Write::Complete(_)
            | Write::RequestReview(_)
            | Write::Approve(_)
            | Write::RequestChanges(_)
            | Write::Edit(_)
            | Write::Block(_)
            | Write::Unblock(_)
            | Write::Promote(_)
            | Write::Attach(_)
            | Write::AttachRm(_)
            | Write::Heartbeat(_) => true,
            Write::Schedule(schedule) => schedule.verb.is_none(),
            Write::Archive(archive) => archive.rm.is_empty(),
            Write::Answer(_)
            | Write::Swarm(_)
            | Write::Specify(_)
            | Write::Decompose(_)
            | Write::Watch(_)
            | Write::Unwatch(_)
            | Write::ShowBoard(_)
            | Write::NotifySubscribe(_)
            | Write::NotifyUnsubscribe(_)
            | Write::Claim(_)
            | Write::Stop(_) => false,
        },
        Verb::Operate(operate) => match operate {
            Operate::Assign(_) | Operate::Cancel(_) => true,
            Operate::Reassign(_)
            | Operate::Reclaim(_)
            | Operate::Retry(_)
            | Operate::Budget(_)
            | Operate::Dispatch(_)
            | Operate::Outbox(_)
            | Operate::Threads(_)
            | Operate::Gc(_)
            | Operate::Agent(_) => false,
        },
        Verb::Own(own) => match own {
            Own::Settings(_) | Own::Pair(_) | Own::Access(_) | Own::Audit(_) => false,
        },
        Verb::Shell(shell) => match shell {
            Shell::Init(_)
            | Shell::Up(_)
            | Shell::Say(_)
            | Shell::Doctor(_)
            | Shell::Mcp(_)
            | Shell::Skills(_)
            | Shell::Metrics(_)
            | Shell::Import(_)
            | Shell::Export(_)
            | Shell::Backup(_)
            | Shell::Restore(_) => false,
            Shell::Completions(_) | Shell::Man(_) => true,
        },
        Verb::Internal(_) => false,
    }
}

/// The profile of this name, if the caller may give it tasks.
pub fn profile<'s>(caller: &Caller, settings: &'s Settings, name: &ProfileName) -> Result<&'s Profile, Error> {
    let profile =
        settings.profiles.find(name).map_err(|refusal| Error::refused(Reason::UnknownProfile, refusal.to_string()))?;
    if profile.allows(caller.role) {
        return Ok(profile);
    }
    let least = profile.least_role().name();
    let text = match &caller.actor {
        Actor::Worker { task, .. } => format!(
            "only the role {least} may give `{name}` a task or let it go on with one, and a worker may not; {}",
            ask_a_person(task)
        ),
        Actor::Person { .. } | Actor::Gateway => format!(
            "your role is {}, and to give `{name}` a task or to let it go on with one needs {least}; ask an owner of this gateway",
            caller.role.name()
        ),
    };
    Err(Error::refused(Reason::Forbidden, text))
}

/// The name that something is signed with. Only the local owner may choose another.
pub fn signed(caller: &Caller, asked: Option<&str>, flag: &str) -> Result<String, Error> {
    match (asked, &caller.place, &caller.actor) {
        (None, _, actor) => Ok(actor.name().to_owned()),
        (Some(name), Place::Terminal { .. }, Actor::Person { .. }) => Ok(name.to_owned()),
        (Some(_), _, _) => {
            refuse!(Forbidden, "`{flag}` works on the command line alone; here everything is signed with who sent it")
        }
    }
}

/// What a worker can do who needs more than it may.
fn ask_a_person(task: &TaskId) -> String {
    format!("to ask a person for it: `{{kanban}} block {task} --kind needs_input \"WHAT YOU NEED\"`")
}

/// Refuses to let a task go on whose profile the caller could not have given it to.
pub fn release(caller: &Caller, settings: &Settings, task: &Task) -> Result<(), Error> {
    match &task.assignee {
        // A profile that is no longer configured starts nothing, so releasing its tasks is harmless.
        Some(name) if settings.profiles.get(name).is_some() => profile(caller, settings, name).map(|_| ()),
        Some(_) | None => Ok(()),
    }
}

/// The true path of a directory that the caller's tasks may work in.
pub fn directory(caller: &Caller, settings: &Settings, home: &Path, path: &Path) -> Result<PathBuf, Error> {
    let roots = roots(caller, settings);
    let reach = roots.as_deref().map_or(workspace::Reach::Anywhere, workspace::Reach::Below);
    allowed(path, reach, &[home.to_owned()]).map_err(|refusal| Error::refused(Reason::Forbidden, refusal.to_string()))
}

/// Opens a directory that the caller's tasks may work in.
pub fn open(caller: &Caller, settings: &Settings, home: &Path, path: &Path) -> Result<Opened, Closed> {
    let roots = roots(caller, settings);
    let reach = roots.as_deref().map_or(workspace::Reach::Anywhere, workspace::Reach::Below);
    Opened::open(path, reach, &[home.to_owned()])
}

/// The root open to the caller that a true path is below, whether or not anything is there.
pub fn root_of(caller: &Caller, settings: &Settings, path: &Path) -> Option<PathBuf> {
    let roots = roots(caller, settings);
    let reach = roots.as_deref().map_or(workspace::Reach::Anywhere, workspace::Reach::Below);
    root_above(path, &true_roots(reach)).map(Path::to_owned)
}

/// The directories at or below which the caller's tasks may work; none where every directory is open but secret ones.
pub fn roots(caller: &Caller, settings: &Settings) -> Option<Vec<PathBuf>> {
    let mut roots: Vec<PathBuf> = settings.roots_of(caller.role).iter().map(|root| root.as_ref().to_owned()).collect();
    let at_this_machine = match &caller.place {
        Place::Terminal { .. } => true,
        Place::Thread(thread) => thread.platform == kanban_console::PLATFORM,
        Place::Worker { workspace, .. } => {
            // A worker may hand its own directory on to the tasks that it creates.
            roots.push(workspace.clone());
            false
        }
    };
    let is_open = roots.is_empty() && at_this_machine && caller.role == Role::Owner;
    (!is_open).then_some(roots)
}
