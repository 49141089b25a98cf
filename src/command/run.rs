//! One match: a verb becomes calls of the board and a reply.

mod access;
mod agent;
mod artifact;
mod attach;
mod audit;
mod boards;
mod budget;
mod create;
mod dispatch;
mod firing;
mod gc;
mod here;
mod incoming;
mod moving;
mod orchestrate;
mod outbox;
mod review;
mod schedule;
mod settings;
mod status;
mod swarm;
mod tasks;
mod threads;

use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::{
    board::{Actor, Board, BoardSlug, Error, ProfileName, Reason, Tx, attachment::Artifact, run::Run, task::Task},
    command::{
        access::{hidden_boards, rights},
        caller::{Caller, Place},
        desk::{Desk, Done},
        reply::Reply,
        verbs::{Create, Operate, Own, Read, Shell, Verb, Write},
        view::{self, Eyes, View},
    },
    metrics,
};

use self::attach::Stored;
pub(crate) use self::dispatch::{is_paused, is_paused_by_hand, paused_profiles};
pub use self::firing::see_to_schedules;
pub(super) use self::here::{here, wanted};
pub(super) use self::incoming::{LEFT_OUT, check as check_files, take_in};
pub(crate) use self::{access::readable, agent::in_lane};

/// What a verb needs from the file system, made ready before its transaction begins.
pub(super) enum Prepared {
    Nothing,
    File(Stored),
    /// What goes with a hand-off.
    Artifacts(artifact::Stores),
    Workspace(PathBuf),
    /// Where a new task is to work.
    Place(Option<create::Site>),
    /// The tasks of a swarm, and where each is to work.
    Swarm(Vec<(Create, Self)>),
    /// The task that a schedule makes.
    Firing(Box<firing::Ready>),
}

impl Prepared {
    /// The files that go with a hand-off.
    fn artifacts(&self) -> Vec<Artifact> {
        match self {
            Self::Artifacts(stores) => stores.artifacts(),
            Self::Nothing | Self::File(_) | Self::Workspace(_) | Self::Place(_) | Self::Swarm(_) | Self::Firing(_) => {
                Vec::new()
            }
        }
    }

    /// The transaction is committed: what was made ready stays.
    pub(super) fn keep(self) {
        match self {
            Self::File(file) => file.keep(),
            Self::Artifacts(stores) => stores.keep(),
            Self::Nothing | Self::Workspace(_) | Self::Place(_) | Self::Swarm(_) | Self::Firing(_) => {}
        }
    }
}

pub(super) async fn prepare(desk: &Desk, caller: &Caller, board: &Board, verb: &Write) -> Result<Prepared, Error> {
    match verb {
        Write::Attach(args) => match &args.path {
            Some(path) => Ok(Prepared::File(attach::store(caller, board, args, path)?)),
            None => Ok(Prepared::Nothing),
        },
        Write::Complete(args) => {
            let metadata = args.metadata.as_ref();
            let stores = artifact::store(caller, board, &args.tasks, &args.artifact, metadata).await?;
            Ok(Prepared::Artifacts(stores))
        }
        Write::RequestReview(args) => {
            let (tasks, metadata) = (std::slice::from_ref(&args.task), args.metadata.as_ref());
            Ok(Prepared::Artifacts(artifact::store(caller, board, tasks, &args.artifact, metadata).await?))
        }
        Write::Create(args) => Ok(Prepared::Place(create::place(desk, caller, board, args).await?)),
        Write::Swarm(args) => swarm::prepare(desk, caller, board, args).await,
        Write::Specify(args) => orchestrate::prepare(desk, caller, board, &args.task).await,
        Write::Schedule(args) => schedule::prepare(desk, caller, board, args).await,
        Write::Claim(args) => Ok(Prepared::Workspace(tasks::workspace(desk, caller, board, &args.task).await?)),
        _ => Ok(Prepared::Nothing),
    }
}

/// Verbs that create and change tasks, in one transaction.
pub(super) async fn write(
    desk: &Desk,
    caller: &Caller,
    verb: &Write,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    match verb {
        Write::Create(args) => create::create(desk, caller, args, prepared, tx).await,
        Write::Swarm(args) => swarm::swarm(desk, caller, args, prepared, tx).await,
        Write::Specify(args) => orchestrate::specify(desk, caller, &args.task, prepared, tx).await,
        Write::Decompose(args) => orchestrate::decompose(desk, caller, &args.task, tx).await,
        Write::Link(args) => tasks::link(desk, caller, args, tx).await,
        Write::Unlink(args) => tasks::unlink(desk, caller, args, tx).await,
        Write::Comment(args) => tasks::comment(desk, caller, args, tx).await,
        Write::Complete(args) => tasks::complete(desk, caller, args, prepared, tx).await,
        Write::RequestReview(args) => review::request(desk, caller, args, prepared, tx).await,
        Write::Approve(args) => review::approve(desk, caller, args, tx).await,
        Write::RequestChanges(args) => review::request_changes(desk, caller, args, tx).await,
        Write::Edit(args) => tasks::edit(desk, caller, args, tx).await,
        Write::Block(args) => tasks::block(desk, caller, args, tx).await,
        Write::Answer(args) => tasks::answer(desk, caller, args, tx).await,
        Write::Unblock(args) => tasks::unblock(desk, caller, args, tx).await,
        Write::Schedule(args) => schedule::change(desk, caller, args, prepared, tx).await,
        Write::Promote(args) => tasks::promote(desk, caller, args, tx).await,
        Write::Archive(args) => tasks::archive(desk, caller, args, tx).await,
        Write::Heartbeat(args) => tasks::heartbeat(desk, caller, args, tx).await,
        Write::Claim(args) => tasks::claim(desk, caller, args, prepared, tx).await,
        Write::Watch(args) => tasks::watch(desk, caller, args, tx).await,
        Write::Unwatch(args) => tasks::unwatch(caller, args, tx).await,
        Write::ShowBoard(_) => tasks::board(caller, tx).await,
        Write::NotifySubscribe(args) => tasks::notify_subscribe(desk, args, tx).await,
        Write::NotifyUnsubscribe(args) => tasks::notify_unsubscribe(args, tx).await,
        Write::Attach(args) => attach::attach(desk, caller, args, prepared, tx).await,
        Write::AttachRm(args) => attach::remove(desk, caller, args, tx).await,
        Write::Stop(args) => agent::stop(desk, caller, args, tx).await,
    }
}

/// Whether a verb is about the place where it is typed, which the default board keeps, whatever board is named.
pub(super) fn is_about_a_place(verb: &Verb) -> bool {
    matches!(verb, Verb::Write(Write::Stop(_)) | Verb::Operate(Operate::Agent(_)))
}

/// Whether a verb is about tasks that it names by their ids, so that the ids alone say which board is meant.
pub(super) fn is_of_one_task(verb: &Verb) -> bool {
    match verb {
        Verb::Read(_) | Verb::Operate(_) => true,
        Verb::Write(Write::Schedule(args)) => args.verb.is_none(),
        Verb::Write(Write::Create(_) | Write::Swarm(_)) | Verb::Own(_) | Verb::Shell(_) | Verb::Internal(_) => false,
        Verb::Write(_) => true,
    }
}

/// Whether an operator's verb is one transaction on one board.
pub(super) fn changes_tasks(verb: &Operate) -> bool {
    match verb {
        Operate::Assign(_)
        | Operate::Reassign(_)
        | Operate::Reclaim(_)
        | Operate::Retry(_)
        | Operate::Cancel(_)
        | Operate::Budget(_)
        | Operate::Agent(_) => true,
        Operate::Dispatch(_) | Operate::Outbox(_) | Operate::Threads(_) | Operate::Gc(_) => false,
    }
}

/// Operators' verbs that are one transaction.
pub(super) async fn operate(desk: &Desk, caller: &Caller, verb: &Operate, tx: &mut Tx) -> Result<Done, Error> {
    match verb {
        Operate::Assign(args) => tasks::assign(desk, caller, args, tx).await,
        Operate::Reassign(args) => tasks::reassign(desk, caller, args, tx).await,
        Operate::Reclaim(args) => tasks::reclaim(desk, caller, args, tx).await,
        Operate::Retry(args) => tasks::retry(desk, caller, args, tx).await,
        Operate::Cancel(args) => tasks::cancel(desk, caller, args, tx).await,
        Operate::Budget(args) => budget::budget(desk, caller, args, tx).await,
        Operate::Agent(args) => agent::agent(desk, caller, args, tx).await,
        Operate::Dispatch(_) | Operate::Outbox(_) | Operate::Threads(_) | Operate::Gc(_) => {
            Err(Error::refused(Reason::Invalid, "this is no change of tasks"))
        }
    }
}

/// Whether a verb that reaches beyond one board writes its line of the audit itself, with what it changes.
pub(super) fn notes_itself(verb: &Verb) -> bool {
    match verb {
        Verb::Own(Own::Pair(_) | Own::Access(_)) => true,
        Verb::Read(Read::Boards(args)) => boards::is_one_transaction(args),
        Verb::Own(Own::Settings(_) | Own::Audit(_))
        | Verb::Read(_)
        | Verb::Write(_)
        | Verb::Operate(_)
        | Verb::Shell(_)
        | Verb::Internal(_) => false,
    }
}

/// Verbs that look, and verbs that reach beyond one board.
pub(super) async fn outside(
    desk: &Desk,
    caller: &Caller,
    named: Option<&BoardSlug>,
    verb: &Verb,
) -> Result<Reply, Error> {
    match verb {
        Verb::Read(Read::Boards(args)) => boards::run(desk, caller, verb, args).await,
        Verb::Read(Read::Here(_)) => Err(Error::refused(Reason::Invalid, here::NO_PLACE)),
        Verb::Read(read) => look(desk, caller, &desk.board_of(caller, named).await?, read).await,
        Verb::Operate(Operate::Dispatch(args)) => dispatch::run(desk, caller, named, args).await,
        Verb::Operate(Operate::Outbox(args)) => {
            outbox::run(desk, caller, &desk.board_of(caller, named).await?, args).await
        }
        Verb::Operate(Operate::Threads(args)) => threads::run(desk, caller, args).await,
        Verb::Operate(Operate::Gc(args)) => gc::run(desk, &desk.board_of(caller, named).await?, args).await,
        Verb::Write(Write::Schedule(args)) => {
            schedule::look(desk, caller, &desk.board_of(caller, named).await?, args).await
        }
        Verb::Own(Own::Settings(args)) => Ok(settings::show(desk, args)),
        Verb::Own(Own::Pair(args)) => access::pair(desk, caller, verb, args).await,
        Verb::Own(Own::Access(args)) => access::run(desk, caller, verb, args).await,
        Verb::Own(Own::Audit(args)) => audit::show(desk, named, args).await,
        Verb::Shell(Shell::Init(_)) => boards::init(desk).await,
        Verb::Shell(Shell::Metrics(_)) => Ok(Reply::text(metrics::page(desk).await?.trim_end())),
        Verb::Shell(Shell::Import(args)) => moving::import(desk, caller, named, args).await,
        Verb::Shell(Shell::Export(args)) => moving::export(desk, caller, named, args).await,
        Verb::Shell(Shell::Backup(args)) => moving::backup(desk, caller, args).await,
        Verb::Shell(Shell::Restore(args)) => moving::restore(desk, caller, args).await,
        Verb::Write(_) | Verb::Operate(_) | Verb::Shell(_) | Verb::Internal(_) => {
            Err(Error::refused(Reason::Invalid, "this runs in a terminal alone, as in `kanban doctor`"))
        }
    }
}

async fn look(desk: &Desk, caller: &Caller, board: &Board, verb: &Read) -> Result<Reply, Error> {
    let settings = desk.settings.get();
    let zone = TimeZone::system();
    let paused_profiles = paused_profiles(desk).await?;
    let at_work = desk.gateway.as_ref().map(|gateway| gateway.dispatcher.at_work()).unwrap_or_default();
    let here = desk.program(caller, board.slug());
    let hidden = hidden_boards(desk, caller).await?;
    let rights = rights(caller, board).await?;
    let tenant = match &caller.actor {
        Actor::Worker { task, .. } => board.read().await?.task(task).await.ok().and_then(|task| task.tenant),
        Actor::Person { .. } | Actor::Gateway => None,
    };
    let eyes = match &caller.actor {
        Actor::Person { .. } => Eyes::Person(&rights),
        Actor::Worker { .. } => Eyes::Worker { tenant: tenant.as_deref() },
        Actor::Gateway => Eyes::All,
    };
    // `--mine` means the profile that bears the asker's name: a worker's own.
    let asker: Option<ProfileName> = caller.actor.name().parse().ok();
    let view = View {
        now: desk.now(),
        zone: &zone,
        board,
        boards: &desk.boards,
        hidden: &hidden,
        eyes,
        settings: &settings,
        thread: caller.thread(),
        asker: asker.as_ref(),
        home: desk.home(),
        in_chat: matches!(caller.place, Place::Thread(_)),
        gateway_runs: desk.gateway.is_some(),
        paused: is_paused_by_hand(desk).await?,
        paused_profiles: &paused_profiles,
        at_work: &at_work,
        prefix: caller.prefix(),
        here: &here,
    };
    let mut tx = board.read().await?;
    // Tables and output keep their columns in chat; what reads like a letter does not need to.
    let is_fixed = match verb {
        Read::List(_)
        | Read::Context(_)
        | Read::Runs(_)
        | Read::Log(_)
        | Read::Stats(_)
        | Read::Assignees(_)
        | Read::Diagnostics(_)
        | Read::NotifyList(_)
        | Read::Boards(_) => true,
        Read::Here(_) | Read::Show(_) | Read::Tail(_) | Read::Watches(_) | Read::Why(_) | Read::Attachments(_) => false,
    };
    let reply = match verb {
        Read::List(args) => view::list(&mut tx, args, &view).await,
        Read::Show(args) => view::show(&mut tx, args, &view).await,
        Read::Tail(args) => view::tail(&mut tx, args, &view).await,
        Read::Watches(args) => view::watches(&mut tx, args, &view).await,
        Read::Context(args) => view::context(&mut tx, args, &view).await,
        Read::Runs(args) => view::runs(&mut tx, args, &view).await,
        Read::Log(args) => view::log(&mut tx, args, &view).await,
        Read::Stats(args) => view::stats(&mut tx, args, &view).await,
        Read::Assignees(args) => view::assignees(&mut tx, args, &view).await,
        Read::Diagnostics(args) => view::diagnostics(&mut tx, args, &view).await,
        Read::Why(args) => view::why(&mut tx, args, &view).await,
        Read::Attachments(args) => view::attachments(&mut tx, args, &view).await,
        Read::NotifyList(args) => view::notify_list(&mut tx, args, &view).await,
        Read::Boards(_) => Err(Error::refused(Reason::Invalid, "this is about no single board")),
        Read::Here(_) => Err(Error::refused(Reason::Invalid, here::NO_PLACE)),
    };
    reply.map(|reply| Reply { is_fixed, ..reply })
}

/// What the worker of a run is told: all of it, or what is new since a run of before whose session it goes on in.
pub async fn prompt(desk: &Desk, board: &Board, task: &Task, run: &Run, before: Option<&Run>) -> Result<String, Error> {
    let settings = desk.settings.get();
    let zone = TimeZone::system();
    let view = View {
        now: desk.now(),
        zone: &zone,
        board,
        boards: &desk.boards,
        hidden: &[],
        eyes: Eyes::All,
        settings: &settings,
        thread: None,
        asker: None,
        home: desk.home(),
        in_chat: false,
        gateway_runs: true,
        paused: false,
        paused_profiles: &[],
        at_work: &[],
        prefix: "kanban",
        here: "kanban",
    };
    let mut tx = board.read().await?;
    match before {
        Some(before) => view::news(&mut tx, task, run, before, &view).await,
        None => view::prompt(&mut tx, task, Some(run), &view).await,
    }
}
