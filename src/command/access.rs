//! Who may run what, the same on every road.

use std::path::{Path, PathBuf};

use crate::{
    board::{Actor, Error, ProfileName, Reason, TaskId, error::refuse, task::Task},
    command::{
        caller::{Caller, Place},
        verbs::{BoardsVerb, Operate, Own, Read, Shell, Verb, Write},
    },
    dispatcher::workspace::{Reach, allowed},
    settings::{Profile, Role, Settings},
};

/// Refuses a verb that this caller may not run.
pub fn check(caller: &Caller, verb: &Verb) -> Result<(), Error> {
    match &caller.actor {
        Actor::Worker { task, .. } => {
            if !is_for_workers(verb) {
                return Err(Error::refused(
                    Reason::Forbidden,
                    format!(
                        "a worker may not run this; it may look at the board, and change its own task {task} and the tasks that it created; {}",
                        ask_a_person(task)
                    ),
                ));
            }
        }
        Actor::Person { .. } | Actor::Gateway => {
            if !caller.role.may(verb.capability()) {
                return Err(Error::refused(
                    Reason::Forbidden,
                    format!(
                        "your role is {}, and this needs {}; ask an owner of this gateway",
                        caller.role.name(),
                        Role::least(verb.capability()).name()
                    ),
                ));
            }
        }
    }
    Ok(())
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
            Read::Watches(_) | Read::Diagnostics(_) | Read::NotifyList(_) => false,
            Read::Boards(boards) => matches!(boards.verb, Some(BoardsVerb::Read(_))),
        },
        Verb::Write(write) => match write {
            Write::Create(_)
            | Write::Link(_)
            | Write::Unlink(_)
            | Write::Comment(_)
            | Write::Complete(_)
            | Write::Edit(_)
            | Write::Block(_)
            | Write::Unblock(_)
            | Write::Schedule(_)
            | Write::Promote(_)
            | Write::Attach(_)
            | Write::AttachRm(_)
            | Write::Heartbeat(_) => true,
            Write::Archive(archive) => archive.rm.is_empty(),
            Write::Watch(_)
            | Write::Unwatch(_)
            | Write::NotifySubscribe(_)
            | Write::NotifyUnsubscribe(_)
            | Write::Claim(_) => false,
        },
        Verb::Operate(operate) => match operate {
            Operate::Assign(_) | Operate::Cancel(_) => true,
            Operate::Reassign(_)
            | Operate::Reclaim(_)
            | Operate::Retry(_)
            | Operate::Dispatch(_)
            | Operate::Outbox(_)
            | Operate::Gc(_) => false,
        },
        Verb::Own(own) => match own {
            Own::Settings(_) => false,
        },
        Verb::Shell(shell) => match shell {
            Shell::Init(_) | Shell::Up(_) | Shell::Say(_) | Shell::Doctor(_) => false,
            Shell::Completions(_) => true,
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
    let reach = roots.as_deref().map_or(Reach::Anywhere, Reach::Below);
    allowed(path, reach, &[home.to_owned()]).map_err(|refusal| Error::refused(Reason::Forbidden, refusal.to_string()))
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
