//! What a call of a verb is about, which decides what its caller must hold.

use kanban_platform::Capability;

use crate::{
    board::{BoardSlug, TaskId},
    command::{
        value::Tenant,
        verbs::{
            AccessVerb, BoardsOwn, BoardsRead, BoardsVerb, DispatchVerb, Internal, Operate, OutboxVerb, Own, Read,
            ScheduleVerb, Shell, Verb, Write,
        },
    },
};

/// A call of a verb, as access and the audit see it.
pub(crate) struct Subject<'v> {
    /// The verb as it is typed: `boards create`.
    pub(crate) verb: &'static str,
    /// Every task that it names.
    pub(crate) tasks: Vec<&'v TaskId>,
    pub(crate) reach: Reach<'v>,
    /// Whether it changes something that is worth a line of the audit.
    pub(crate) is_change: bool,
}

/// How far a call reaches.
#[derive(Clone, Copy)]
pub(crate) enum Reach<'v> {
    /// The tasks that it names.
    Tasks,
    /// The tasks of the tenant that it takes as an argument.
    Tenant(Option<&'v Tenant>),
    /// The task of this attachment.
    Attachment(i64),
    /// All of a board.
    Board,
    /// All of a board that it takes as an argument.
    Other(&'v BoardSlug),
    /// What the verb itself picks out of a board by the tenants of its caller.
    Picked,
    /// Whatever the caller may see.
    Anywhere,
    /// All that is done in the place where the caller speaks.
    Place,
    /// Everything.
    Installation,
}

impl<'v> Subject<'v> {
    pub(crate) fn of(verb: &'v Verb) -> Self {
        match verb {
            Verb::Read(read) => Self { is_change: verb.capability() != Capability::Read, ..Self::of_read(read) },
            Verb::Write(write) => Self::of_write(write),
            Verb::Operate(operate) => Self::of_operate(operate),
            Verb::Own(own) => Self::of_own(own),
            Verb::Shell(shell) => {
                let verb = match shell {
                    Shell::Init(_) => "init",
                    Shell::Up(_) => "up",
                    Shell::Say(_) => "say",
                    Shell::Doctor(_) => "doctor",
                    Shell::Import(_) => "import hermes",
                    Shell::Export(_) => "export",
                    Shell::Backup(_) => "backup",
                    Shell::Restore(_) => "restore",
                    Shell::Mcp(_) => "mcp",
                    Shell::Skills(_) => "skills",
                    Shell::Metrics(_) => "metrics",
                    Shell::Completions(_) => "completions",
                    Shell::Man(_) => "man",
                };
                Self { is_change: false, ..Self::installation(verb) }
            }
            Verb::Internal(internal) => {
                let verb = match internal {
                    Internal::Shim(_) => "shim",
                };
                Self { is_change: false, ..Self::installation(verb) }
            }
        }
    }

    fn of_read(read: &'v Read) -> Self {
        match read {
            Read::List(args) => Self::new("list", args.after.iter(), Reach::Tenant(args.tenant.as_ref())),
            Read::Show(args) => Self::task("show", &args.task),
            Read::Tail(args) => Self::task("tail", &args.task),
            Read::Watches(args) => Self::task_or_board("watches", args.task.as_ref()),
            Read::Context(args) => Self::task("context", &args.task),
            Read::Runs(args) => Self::task("runs", &args.task),
            Read::Log(args) => Self::task("log", &args.task),
            Read::Stats(_) => Self::board("stats"),
            Read::Assignees(_) => Self::board("assignees"),
            Read::Diagnostics(args) => Self::task_or_board("diagnostics", args.task.as_ref()),
            Read::Why(args) => Self::task("why", &args.task),
            Read::Attachments(args) => Self::task("attachments", &args.task),
            Read::Here(args) if args.changes_something() && args.space => Self::installation("here"),
            Read::Here(args) if args.changes_something() => Self::new("here", [], Reach::Place),
            Read::Here(_) => Self::new("here", [], Reach::Anywhere),
            Read::NotifyList(args) => Self::task_or_board("notify-list", args.task.as_ref()),
            Read::Boards(args) => match &args.verb {
                None | Some(BoardsVerb::Read(BoardsRead::List(_))) => Self::new("boards list", [], Reach::Anywhere),
                Some(BoardsVerb::Read(BoardsRead::Show(_))) => Self::board("boards show"),
                Some(BoardsVerb::Own(own)) => match own {
                    BoardsOwn::Create(_) => Self::installation("boards create"),
                    BoardsOwn::Rename(args) => Self::new("boards rename", [], Reach::Other(&args.slug)),
                    BoardsOwn::Rm(args) => Self::new("boards rm", [], Reach::Other(&args.slug)),
                    BoardsOwn::Switch(_) => Self::installation("boards switch"),
                    BoardsOwn::SetDefaultWorkdir(args) => {
                        Self::new("boards set-default-workdir", [], Reach::Other(&args.slug))
                    }
                    BoardsOwn::Private(args) => Self::new("boards private", [], Reach::Other(&args.slug)),
                },
            },
        }
    }

    fn of_write(write: &'v Write) -> Self {
        match write {
            Write::Create(args) => Self::new("create", &args.parent, Reach::Tenant(args.tenant.as_ref())),
            Write::Swarm(args) => Self::new("swarm", [], Reach::Tenant(args.tenant.as_ref())),
            Write::Specify(args) => Self::task("specify", &args.task),
            Write::Decompose(args) => Self::task("decompose", &args.task),
            Write::Link(args) => Self::new("link", [&args.parent, &args.child], Reach::Tasks),
            Write::Unlink(args) => Self::new("unlink", [&args.parent, &args.child], Reach::Tasks),
            Write::Comment(args) => Self::task("comment", &args.task),
            Write::Complete(args) => Self::new("complete", &args.tasks, Reach::Tasks),
            Write::RequestReview(args) => Self::task("request-review", &args.task),
            Write::Approve(args) => Self::task("approve", &args.task),
            Write::RequestChanges(args) => Self::task("request-changes", &args.task),
            Write::Edit(args) => Self::task("edit", &args.task),
            Write::Block(args) => Self::new("block", std::iter::once(&args.task).chain(&args.ids), Reach::Tasks),
            Write::Unblock(args) => Self::new("unblock", args.named(), Reach::Tasks),
            Write::Schedule(args) => {
                let picked = |verb| Self::new(verb, [], Reach::Picked);
                match &args.verb {
                    None => Self::new("schedule", args.aside.named(), Reach::Tasks),
                    Some(ScheduleVerb::Add(_)) => picked("schedule add"),
                    Some(ScheduleVerb::List(_)) => Self { is_change: false, ..picked("schedule list") },
                    Some(ScheduleVerb::Show(_)) => Self { is_change: false, ..picked("schedule show") },
                    Some(ScheduleVerb::Pause(_)) => picked("schedule pause"),
                    Some(ScheduleVerb::Resume(_)) => picked("schedule resume"),
                    Some(ScheduleVerb::Run(_)) => picked("schedule run"),
                    Some(ScheduleVerb::Rm(_)) => picked("schedule rm"),
                }
            }
            Write::Promote(args) => Self::new("promote", args.named(), Reach::Tasks),
            Write::Watch(args) => match &args.task {
                Some(task) => Self::task("watch", task),
                None => Self::new("watch", [], Reach::Tenant(args.tenant.as_ref())),
            },
            Write::Unwatch(args) => Self::task_or_board("unwatch", args.task.as_ref()),
            Write::Attach(args) => Self::task("attach", &args.task),
            Write::AttachRm(args) => Self::new("attach-rm", [], Reach::Attachment(args.attachment)),
            Write::NotifySubscribe(args) => Self::task("notify-subscribe", &args.task),
            Write::NotifyUnsubscribe(args) => Self::task("notify-unsubscribe", &args.task),
            Write::Archive(args) => Self::new("archive", args.tasks.iter().chain(&args.rm), Reach::Tasks),
            // It comes every few seconds and tells nothing but that the run goes on.
            Write::Heartbeat(args) => Self { is_change: false, ..Self::task("heartbeat", &args.task) },
            Write::Claim(args) => Self::task("claim", &args.task),
            Write::Answer(args) => Self::task("answer", &args.task),
            Write::ShowBoard(_) => Self::board("board"),
            Write::Stop(_) => Self::new("stop", [], Reach::Anywhere),
        }
    }

    fn of_operate(operate: &'v Operate) -> Self {
        match operate {
            Operate::Assign(args) => Self::task("assign", &args.task),
            Operate::Reassign(args) => Self::task("reassign", &args.task),
            Operate::Reclaim(args) => Self::task("reclaim", &args.task),
            Operate::Retry(args) => Self::new("retry", &args.tasks, Reach::Tasks),
            Operate::Cancel(args) => Self::task("cancel", &args.task),
            Operate::Budget(args) => Self { is_change: args.changes_something(), ..Self::task("budget", &args.task) },
            Operate::Dispatch(args) => match &args.verb {
                None | Some(DispatchVerb::Now(_)) => Self::board("dispatch"),
                Some(DispatchVerb::Pause(_)) => Self::installation("dispatch pause"),
                Some(DispatchVerb::Resume(_)) => Self::installation("dispatch resume"),
                Some(DispatchVerb::Status(_)) => Self { is_change: false, ..Self::installation("dispatch status") },
            },
            Operate::Outbox(args) => match &args.verb {
                None | Some(OutboxVerb::List(_)) => Self { is_change: false, ..Self::board("outbox list") },
                Some(OutboxVerb::Retry(_)) => Self::board("outbox retry"),
                Some(OutboxVerb::Purge(_)) => Self::board("outbox purge"),
            },
            Operate::Gc(_) => Self::board("gc"),
            Operate::Threads(args) => {
                Self { is_change: args.switch.is_some(), ..Self::new("threads", [], Reach::Place) }
            }
            Operate::Agent(args) => {
                let is_change = args.state.is_some() || args.policy.is_some() || args.fresh;
                Self { is_change, ..Self::new("agent", [], Reach::Place) }
            }
        }
    }

    fn of_own(own: &'v Own) -> Self {
        match own {
            Own::Settings(_) => Self { is_change: false, ..Self::installation("settings show") },
            Own::Pair(_) => Self::installation("pair"),
            Own::Access(args) => match &args.verb {
                None | Some(AccessVerb::List(_)) => Self { is_change: false, ..Self::installation("access list") },
                Some(AccessVerb::Grant(_)) => Self::installation("access grant"),
                Some(AccessVerb::Revoke(_)) => Self::installation("access revoke"),
            },
            Own::Audit(_) => Self { is_change: false, ..Self::installation("audit") },
        }
    }

    fn new(verb: &'static str, tasks: impl IntoIterator<Item = &'v TaskId>, reach: Reach<'v>) -> Self {
        Self { verb, tasks: tasks.into_iter().collect(), reach, is_change: true }
    }

    fn task(verb: &'static str, task: &'v TaskId) -> Self {
        Self::new(verb, [task], Reach::Tasks)
    }

    fn task_or_board(verb: &'static str, task: Option<&'v TaskId>) -> Self {
        Self::new(verb, task, if task.is_some() { Reach::Tasks } else { Reach::Board })
    }

    fn board(verb: &'static str) -> Self {
        Self::new(verb, [], Reach::Board)
    }

    fn installation(verb: &'static str) -> Self {
        Self::new(verb, [], Reach::Installation)
    }
}
