//! Verbs that change tasks that exist.

use std::path::{Path, PathBuf};

use kanban_platform::{Thread, plain};
use serde_json::{Value, json};

use super::{budget, create::start_at};
use crate::{
    board::{
        Board, BoardSlug, Error, ProfileName, Reason, TaskId, Tx,
        block::Held,
        error::refuse,
        face::Lead,
        finish::HandOff,
        moves::Action,
        policy::Policy,
        question::{Ask, Given},
        task::{BlockKind, Status, Task},
        thread::Following,
    },
    command::{
        access,
        caller::Caller,
        desk::{Desk, Done},
        reply::{Card, Reply},
        run::Prepared,
        value::{Phrase, Prose, Tenant},
        verbs,
    },
    dispatcher::workspace::{Opened, Workspace},
};

pub(super) async fn link(desk: &Desk, caller: &Caller, args: &verbs::Link, tx: &mut Tx) -> Result<Done, Error> {
    tx.link(&caller.actor, &args.parent, &args.child, desk.now()).await?;
    Ok(Reply::text(format!("Linked {} -> {}", args.parent, args.child)).about(&args.child).into())
}

pub(super) async fn unlink(desk: &Desk, caller: &Caller, args: &verbs::Unlink, tx: &mut Tx) -> Result<Done, Error> {
    if tx.task(&args.child).await?.status == Status::Todo {
        // Without the last link it starts.
        may_release(desk, caller, &args.child, tx).await?;
    }
    tx.unlink(&caller.actor, &args.parent, &args.child, desk.now()).await?;
    Ok(Reply::text(format!("Unlinked {} -> {}", args.parent, args.child)).about(&args.child).into())
}

pub(super) async fn comment(desk: &Desk, caller: &Caller, args: &verbs::Comment, tx: &mut Tx) -> Result<Done, Error> {
    let author = access::signed(caller, args.author.as_deref(), "--author")?;
    let mut text = args.text();
    if let Some(limit) = args.max_len.map(|limit| limit as usize)
        && text.chars().count() > limit
    {
        let note = format!("\n\n[trimmed to {limit} chars by --max-len]");
        let room = limit.saturating_sub(note.chars().count());
        text = text.chars().take(room).chain(note.chars()).collect();
    }
    tx.comment(&caller.actor, &args.task, &author, &text, desk.now()).await?;
    Ok(Reply::text(format!("Comment added to {}", args.task)).about(&args.task).into())
}

pub(super) async fn complete(
    desk: &Desk,
    caller: &Caller,
    args: &verbs::Complete,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    if args.tasks.len() > 1 && args.cost.is_some() {
        refuse!(Invalid, "--cost is of one task and can't be used with multiple ids; complete tasks one at a time");
    }
    if args.tasks.len() > 1 && (args.summary.is_some() || args.metadata.is_some()) {
        refuse!(
            Invalid,
            "--summary / --metadata are per-task and can't be used with multiple ids; complete tasks one at a time, or drop the flags for the bulk close"
        );
    }
    let hand_off = HandOff {
        result: args.result.as_ref().map(|text| text.as_str().to_owned()),
        summary: args.summary.as_ref().map(|text| text.as_str().to_owned()),
        metadata: args.metadata.as_ref().map(|metadata| Value::Object(metadata.0.clone())),
        artifacts: prepared.artifacts(),
    };
    if !args.created.is_empty() && args.tasks.len() > 1 {
        refuse!(Usage, "--created belongs to one task; complete the tasks one at a time");
    }
    let mut each = Each::of(desk, caller, tx);
    for id in &args.tasks {
        let run = tx.task(id).await.ok().and_then(|task| task.current_run);
        let done = match tx.check_created(&caller.actor, id, &args.created, desk.now()).await {
            Ok(Some(refusal)) | Err(refusal) => Err(refusal),
            Ok(None) => tx.complete(&caller.actor, id, &hand_off, desk.now()).await,
        };
        if let Ok(task) = &done {
            if let Some(cost) = args.cost {
                tx.add_cost_of(id, run, cost).await?;
            }
            let unknown = tx.unknown_references(&caller.actor, task, &hand_off, desk.now()).await?;
            each.notes.extend(
                unknown.iter().map(|id| format!("no task of this board is called {id}, which the hand-off names")),
            );
        }
        each.add(id, done.map(|task| completed(&task)))?;
    }
    Ok(each.done())
}

/// What has become of a task that somebody has completed.
fn completed(task: &Task) -> String {
    let id = &task.id;
    match task.status {
        Status::Review => {
            format!("Handed in {id}: changes had been requested, so somebody else looks at it before it is done")
        }
        _ => format!("Completed {id}"),
    }
}

pub(super) async fn edit(desk: &Desk, caller: &Caller, args: &verbs::Edit, tx: &mut Tx) -> Result<Done, Error> {
    let hand_off = HandOff {
        result: Some(Phrase::as_str(&args.result).to_owned()),
        summary: args.summary.as_ref().map(|text| text.as_str().to_owned()),
        metadata: args.metadata.as_ref().map(|metadata| Value::Object(metadata.0.clone())),
        artifacts: Vec::new(),
    };
    tx.edit(&caller.actor, &args.task, &hand_off, desk.now()).await?;
    Ok(Reply::text(format!("Edited {}", args.task)).about(&args.task).into())
}

pub(super) async fn block(desk: &Desk, caller: &Caller, args: &verbs::Block, tx: &mut Tx) -> Result<Done, Error> {
    let reason = args.reason();
    let kind = args.kind.map(|kind| match kind {
        verbs::BlockKind::NeedsInput => BlockKind::NeedsInput,
        verbs::BlockKind::Capability => BlockKind::Capability,
        verbs::BlockKind::Transient => BlockKind::Transient,
        verbs::BlockKind::Dependency => BlockKind::Dependency,
    });
    let ask = Ask { choices: args.choice.clone(), hint: args.hint.as_ref().map(|hint| hint.as_str().to_owned()) };
    // Only a question can be answered with a choice.
    let kind = match kind {
        None if !ask.is_plain() => Some(BlockKind::NeedsInput),
        Some(kind) if !ask.is_plain() && kind != BlockKind::NeedsInput => refuse!(
            Usage,
            "--choice and --hint belong to a question, and a block of kind {} asks none; `{{kanban}} block {} --kind needs_input QUESTION --choice LABEL` asks one",
            kind.as_str(),
            args.task
        ),
        kind => kind,
    };
    let suffix = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    let mut each = Each::of(desk, caller, tx);
    if let (Some(_), [_, _, ..]) = (args.cost, &args.tasks()[..]) {
        refuse!(Invalid, "--cost is of one task and can't be used with `--ids`; block tasks one at a time");
    }
    for id in &args.tasks() {
        let run = tx.task(id).await.ok().and_then(|task| task.current_run);
        let held = match kind {
            Some(BlockKind::NeedsInput) => tx.ask(&caller.actor, id, reason.as_deref(), &ask, desk.now()).await,
            kind => tx.block(&caller.actor, id, kind, reason.as_deref(), desk.now()).await,
        };
        // What was refused costs nothing: it may be said again.
        if let (Ok(_), Some(cost)) = (&held, args.cost) {
            tx.add_cost_of(id, run, cost).await?;
        }
        each.add(
            id,
            held.map(|held| match held {
                Held::Blocked => format!("Blocked {id}{suffix}"),
                Held::WaitsForParents => format!("{id} → todo (dependency wait){suffix}"),
                Held::GoesOn => format!("{id} → ready (what it waits for has ended){suffix}"),
                Held::Loop => format!("{id} → triage (unblock loop detected — needs a human decision){suffix}"),
            }),
        )?;
    }
    Ok(each.done())
}

pub(super) async fn answer(desk: &Desk, caller: &Caller, args: &verbs::Answer, tx: &mut Tx) -> Result<Done, Error> {
    let verbs::AnswerBy { road, question, choice } = args.by;
    may_release(desk, caller, &args.task, tx).await?;
    let words = args.words();
    let given = choice.map_or(Given::Words(&words), Given::Choice);
    let answered = tx.answer(&caller.actor, &args.task, question, given, road, desk.now()).await?;
    Ok(Reply::text(format!("Answered {}: {}", args.task, answered.words)).about(&args.task).into())
}

pub(super) async fn unblock(desk: &Desk, caller: &Caller, args: &verbs::Unblock, tx: &mut Tx) -> Result<Done, Error> {
    let reason = args.reason.as_ref().map(Prose::as_str);
    let suffix = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let mut each = Each::of(desk, caller, tx);
    let tasks = args.tasks();
    for id in &tasks {
        let unblocked = match may_release(desk, caller, id, tx).await {
            Ok(()) if tasks.len() > 1 && tx.open_question(id).await?.is_some() => Err(not_together(id, "unblock")),
            Ok(()) => match budget::may_go_on(desk, id, tx).await {
                Ok(()) => tx.unblock(&caller.actor, id, reason, desk.now()).await,
                Err(refused) => Err(refused),
            },
            Err(refused) => Err(refused),
        };
        each.add(id, unblocked.map(|_| format!("Unblocked {id}{suffix}")))?;
    }
    Ok(each.done())
}

pub(super) async fn schedule(desk: &Desk, caller: &Caller, args: &verbs::Aside, tx: &mut Tx) -> Result<Done, Error> {
    let reason = args.reason.as_ref().map(Prose::as_str);
    let suffix = reason.map_or(String::new(), |reason| format!(": {reason}"));
    let at = start_at(args.at, args.delay, desk.now());
    let mut each = Each::of(desk, caller, tx);
    for id in &args.tasks() {
        // With a time it goes on by itself, and that is a release.
        let scheduled = match at {
            Some(_) => may_release(desk, caller, id, tx).await,
            None => Ok(()),
        };
        let scheduled = match scheduled {
            Ok(()) => tx.schedule(&caller.actor, id, at, reason, desk.now()).await,
            Err(refused) => Err(refused),
        };
        each.add(id, scheduled.map(|()| format!("Scheduled {id}{suffix}")))?;
    }
    Ok(each.done())
}

pub(super) async fn promote(desk: &Desk, caller: &Caller, args: &verbs::Promote, tx: &mut Tx) -> Result<Done, Error> {
    let reason = args.reason.as_ref().map(Prose::as_str);
    let mut each = Each::of(desk, caller, tx);
    let mut rows = Vec::new();
    let tasks = args.tasks();
    for id in &tasks {
        let promoted = match may_release(desk, caller, id, tx).await {
            Ok(()) if tasks.len() > 1 && tx.open_question(id).await?.is_some() => Err(not_together(id, "promote")),
            Ok(()) if args.dry_run => {
                let task = tx.task(id).await?;
                tx.may_promote(&caller.actor, &task, args.force).await
            }
            Ok(()) => match budget::may_go_on(desk, id, tx).await {
                Ok(()) => tx.promote(&caller.actor, id, reason, args.force, desk.now()).await,
                Err(refused) => Err(refused),
            },
            Err(refused) => Err(refused),
        };
        rows.push(json!({
            "task_id": id, "promoted": promoted.is_ok() && !args.dry_run, "dry_run": args.dry_run,
            "forced": args.force, "reason": reason, "error": promoted.as_ref().err().map(|error| each.told(error)),
        }));
        // What was held while its work was looked at goes back there.
        let is_for_review = promoted.is_ok() && tx.open_review(id).await?.is_some();
        let to = if is_for_review { Status::Review } else { Status::Ready };
        let done = if args.dry_run { format!("Would promote {id} -> {to}") } else { format!("Promoted {id} -> {to}") };
        each.add(id, promoted.map(|()| done))?;
    }
    if args.json {
        let document = if rows.len() == 1 { rows.remove(0) } else { Value::Array(rows) };
        let exit = each.exit;
        return Ok(Reply { exit, ..Reply::json(&document) }.into());
    }
    Ok(each.done())
}

pub(super) async fn archive(desk: &Desk, caller: &Caller, args: &verbs::Archive, tx: &mut Tx) -> Result<Done, Error> {
    let mut each = Each::of(desk, caller, tx);
    let mut leftovers = Vec::new();
    for id in &args.tasks {
        let archived = tx.archive(&caller.actor, id, desk.now()).await;
        each.add(id, archived.map(|()| format!("Archived {id}")))?;
    }
    for id in &args.rm {
        let deleted = tx.delete(id).await;
        each.add(
            id,
            deleted.map(|attachments| {
                leftovers.extend(attachments.into_iter().map(|attachment| attachment.stored_path.into()));
                format!("Deleted {id}")
            }),
        )?;
    }
    Ok(Done { leftovers, ..each.done() })
}

pub(super) async fn heartbeat(
    desk: &Desk,
    caller: &Caller,
    args: &verbs::Heartbeat,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let now = desk.now();
    let ttl = i64::from(desk.settings.get().dispatch.claim_ttl_seconds.get()) * 1000;
    tx.heartbeat(&caller.actor, &args.task, args.note.as_ref().map(Prose::as_str), now + ttl, now).await?;
    budget::report(caller, &args.task, args.cost, tx).await?;
    if budget::stop_if_spent(desk, &args.task, tx).await? {
        let text = format!("Heartbeat recorded for {}; its budget is spent, so this run ends here", args.task);
        return Ok(Reply::text(text).about(&args.task).into());
    }
    Ok(Reply::text(format!("Heartbeat recorded for {}", args.task)).about(&args.task).into())
}

/// Makes the workspace of a task ready that is about to be claimed by hand: a refusal here leaves the task as it is.
pub(super) async fn workspace(desk: &Desk, caller: &Caller, board: &Board, id: &TaskId) -> Result<PathBuf, Error> {
    let task = board.read().await?.task(id).await?;
    access::release(caller, &desk.settings.get(), &task)?;
    if !Action::Claim.allowed_in(task.status) {
        // The claim itself refuses, and says why.
        return Ok(PathBuf::new());
    }
    if let (Some(workplace), Some(path)) = (board.read().await?.workplace(id).await?, &task.workspace_path) {
        // A directory of a person that is gone is not made anew.
        Opened::below(Path::new(&workplace.root), Path::new(path))
            .map_err(|closed| Error::refused(Reason::Invalid, format!("cannot claim {id}: {closed}; put it back")))?;
    }
    Workspace::of(&task)
        .prepare(board.folder(), None, id)
        .await
        .map_err(|refusal| Error::refused(Reason::Invalid, format!("cannot claim {id}: {refusal}")))
}

pub(super) async fn claim(
    desk: &Desk,
    caller: &Caller,
    args: &verbs::Claim,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let Prepared::Workspace(path) = prepared else {
        refuse!(Invalid, "cannot claim {}: it has no workspace", args.task)
    };
    let now = desk.now();
    let ttl = i64::try_from(args.ttl.as_millis()).unwrap_or(i64::MAX);
    let claim = tx.claim(&args.task, caller.actor.name(), Some(now.saturating_add(ttl)), now).await?;
    tx.settle_workspace(claim.run.id, &args.task, &path.display().to_string(), false).await?;
    let reply = if args.json {
        Reply::json(&json!({
            "task_id": args.task, "run_id": claim.run.id, "workspace": path,
            "expires": claim.run.claim_expires.map(|at| at / 1000),
        }))
    } else {
        Reply::text(format!("Claimed {}\nWorkspace: {}", args.task, path.display()))
    };
    Ok(reply.about(&args.task).into())
}

pub(super) async fn watch(desk: &Desk, caller: &Caller, args: &verbs::Watch, tx: &mut Tx) -> Result<Done, Error> {
    let Some(thread) = caller.thread() else {
        refuse!(
            Invalid,
            "only a thread can follow a task; on the command line use `kanban notify-subscribe ID --platform P --chat-id C`"
        );
    };
    let kinds: Vec<String> = args.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let following = Following {
        task: args.task.clone(),
        assignee: args.assignee.as_ref().and_then(|assignee| assignee.profile().cloned()),
        tenant: args.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
        kinds: Some(kinds).filter(|kinds| !kinds.is_empty()),
        policy: args.policy.map_or(Policy::default(), verbs::WatchPolicy::policy),
    };
    if let (Some(task), true) = (&args.task, args.assignee.is_some() || args.tenant.is_some()) {
        refuse!(
            Usage,
            "`--assignee` and `--tenant` choose among the tasks of the board, and {task} is one task; give the id or the filters"
        );
    }
    let is_new = tx.watch(thread, &following, Some(caller.actor.name()), desk.now()).await?;
    let told = following.kinds.as_ref().map_or(following.policy.as_str().to_owned(), |kinds| kinds.join(", "));
    let what = followed(args.task.as_ref(), following.assignee.as_ref(), following.tenant.as_deref());
    let reply = Reply::text(format!("This thread follows {what} from now on ({told})"));
    let Some(id) = &args.task else { return Ok(reply.into()) };
    // Whoever comes late is told where it stands, and not what led to it.
    let task = tx.task(id).await?;
    if is_new {
        tx.ask_late(thread, &task, &following, desk.now()).await?;
    }
    let card = Some(Card::Task(Box::new(task), Lead::Title));
    Ok(Reply { card, ..reply }.about(id).into())
}

pub(super) async fn unwatch(caller: &Caller, args: &verbs::Unwatch, tx: &mut Tx) -> Result<Done, Error> {
    let Some(thread) = caller.thread() else {
        refuse!(
            Invalid,
            "only a thread can stop following; on the command line use `kanban notify-unsubscribe ID --platform P --chat-id C`"
        );
    };
    let assignee = args.assignee.as_ref().and_then(|assignee| assignee.profile());
    let tenant = args.tenant.as_ref().map(Tenant::as_str);
    let what = followed(args.task.as_ref(), assignee, tenant);
    let is_board = args.task.is_none() && assignee.is_none() && tenant.is_none();
    let had_card = is_board && tx.end_board_card(thread).await?;
    let watches = tx.unwatch(thread, args.task.as_ref(), assignee, tenant).await?;
    let text = match (watches, had_card) {
        (0, false) => {
            refuse!(Unknown, "this thread does not follow {what}; `{{kanban}} watches` lists what it follows");
        }
        (0, true) => "The card of the board stays as it is from now on".to_owned(),
        (_, true) => format!("This thread no longer follows {what}, and the card of the board stays as it is"),
        (_, false) => format!("This thread no longer follows {what}"),
    };
    Ok(Reply::text(text).into())
}

/// The card of the board, which the thread keeps; on the command line, the same once.
pub(super) async fn board(caller: &Caller, tx: &mut Tx) -> Result<Done, Error> {
    let face = tx.board_face().await?;
    let reply = Reply::text(plain(&face.body));
    let card = caller.thread().map(|_| Card::Board);
    Ok(Reply { card, ..reply }.into())
}

/// What a thread follows, in words.
fn followed(task: Option<&TaskId>, assignee: Option<&ProfileName>, tenant: Option<&str>) -> String {
    if let Some(task) = task {
        return task.to_string();
    }
    let mut what = if assignee.is_none() && tenant.is_none() { "the board" } else { "the tasks" }.to_owned();
    if let Some(assignee) = assignee {
        what.push_str(&format!(" of {assignee}"));
    }
    if let Some(tenant) = tenant {
        what.push_str(&format!(" of tenant {tenant}"));
    }
    what
}

pub(super) async fn notify_subscribe(desk: &Desk, args: &verbs::NotifySubscribe, tx: &mut Tx) -> Result<Done, Error> {
    let thread = followed_by(&args.follower)?;
    let following = Following { task: Some(args.task.clone()), ..Following::default() };
    tx.watch(&thread, &following, args.user_id.as_deref(), desk.now()).await?;
    Ok(Reply::text(format!("Subscribed {thread} to {}", args.task)).about(&args.task).into())
}

pub(super) async fn notify_unsubscribe(args: &verbs::NotifyUnsubscribe, tx: &mut Tx) -> Result<Done, Error> {
    let thread = followed_by(&args.follower)?;
    if tx.unwatch(&thread, Some(&args.task), None, None).await? == 0 {
        refuse!(Unknown, "(no such subscription): {thread} does not follow {}", args.task);
    }
    Ok(Reply::text(format!("Unsubscribed from {}", args.task)).about(&args.task).into())
}

pub(super) async fn assign(desk: &Desk, caller: &Caller, args: &verbs::Assign, tx: &mut Tx) -> Result<Done, Error> {
    let settings = desk.settings.get();
    let profile = args.assignee.profile();
    if let Some(name) = profile {
        access::profile(caller, &settings, name)?;
    }
    tx.assign(&caller.actor, &args.task, profile, desk.now()).await?;
    let to = profile.map_or("(unassigned)".to_owned(), ToString::to_string);
    Ok(Reply::text(format!("Assigned {} to {to}", args.task)).about(&args.task).into())
}

pub(super) async fn reassign(desk: &Desk, caller: &Caller, args: &verbs::Reassign, tx: &mut Tx) -> Result<Done, Error> {
    let settings = desk.settings.get();
    let now = desk.now();
    let profile = args.assignee.profile();
    if let Some(name) = profile {
        access::profile(caller, &settings, name)?;
    }
    let reclaims = args.reclaim && tx.task(&args.task).await?.current_run.is_some();
    if reclaims {
        tx.reclaim(&caller.actor, &args.task, args.reason.as_ref().map(Prose::as_str), now).await?;
    }
    tx.assign(&caller.actor, &args.task, profile, now).await?;
    // Taken away from a profile that has failed, it is tried again at once; a typed `reassign` leaves that open.
    let retries = args.reclaim && profile.is_some() && tx.task(&args.task).await?.has_failed(now);
    if retries {
        tx.retry(&caller.actor, &args.task, args.reason.as_ref().map(Prose::as_str), now).await?;
    }
    let to = profile.map_or("(unassigned)".to_owned(), ToString::to_string);
    let suffix = match () {
        () if reclaims => " (claim reclaimed)",
        () if retries => " (tried again)",
        () => "",
    };
    Ok(Reply::text(format!("Reassigned {} to {to}{suffix}", args.task)).about(&args.task).into())
}

pub(super) async fn reclaim(desk: &Desk, caller: &Caller, args: &verbs::Reclaim, tx: &mut Tx) -> Result<Done, Error> {
    tx.reclaim(&caller.actor, &args.task, args.reason.as_ref().map(Prose::as_str), desk.now()).await?;
    Ok(Reply::text(format!("Reclaimed {}", args.task)).about(&args.task).into())
}

pub(super) async fn retry(desk: &Desk, caller: &Caller, args: &verbs::Retry, tx: &mut Tx) -> Result<Done, Error> {
    let reason = args.reason.as_ref().map(Prose::as_str);
    let mut each = Each::of(desk, caller, tx);
    for id in &args.tasks {
        let retried = match may_release(desk, caller, id, tx).await {
            Ok(()) if args.tasks.len() > 1 && tx.open_question(id).await?.is_some() => Err(not_together(id, "retry")),
            Ok(()) => match budget::may_go_on(desk, id, tx).await {
                Ok(()) => tx.retry(&caller.actor, id, reason, desk.now()).await,
                Err(refused) => Err(refused),
            },
            Err(refused) => Err(refused),
        };
        each.add(id, retried.map(|status| format!("Retrying {id} ({status})")))?;
    }
    Ok(each.done())
}

pub(super) async fn cancel(desk: &Desk, caller: &Caller, args: &verbs::Cancel, tx: &mut Tx) -> Result<Done, Error> {
    tx.cancel(&caller.actor, &args.task, args.reason.as_ref().map(Prose::as_str), desk.now()).await?;
    Ok(Reply::text(format!("Cancelled {}", args.task)).about(&args.task).into())
}

/// What became of each task of a bulk verb: those that went well stay done when others are refused.
struct Each<'d> {
    desk: &'d Desk,
    caller: &'d Caller,
    board: BoardSlug,
    done: Vec<String>,
    refused: Vec<String>,
    /// What its reader should know besides.
    notes: Vec<String>,
    only: Option<TaskId>,
    count: usize,
    exit: u8,
}

impl<'d> Each<'d> {
    fn of(desk: &'d Desk, caller: &'d Caller, tx: &Tx) -> Self {
        Self {
            desk,
            caller,
            board: tx.slug().clone(),
            done: Vec::new(),
            refused: Vec::new(),
            notes: Vec::new(),
            only: None,
            count: 0,
            exit: 0,
        }
    }

    /// A refusal is noted; a fault ends everything.
    fn add(&mut self, id: &TaskId, outcome: Result<String, Error>) -> Result<(), Error> {
        self.count += 1;
        self.only = (self.count == 1).then(|| id.clone());
        match outcome {
            Ok(text) => self.done.push(text),
            Err(Error::Refused(refusal)) => {
                self.refused.push(self.desk.told(self.caller, &self.board, &refusal));
                self.exit = 1;
            }
            Err(fault @ Error::Fault(_)) => return Err(fault),
        }
        Ok(())
    }

    /// An error in the words that its reader can type.
    fn told(&self, error: &Error) -> String {
        match error {
            Error::Refused(refusal) => self.desk.told(self.caller, &self.board, refusal),
            Error::Fault(fault) => fault.to_string(),
        }
    }

    fn done(self) -> Done {
        Reply {
            text: self.done.join("\n"),
            notes: self.refused.into_iter().chain(self.notes).collect::<Vec<_>>().join("\n"),
            exit: self.exit,
            task: self.only,
            ..Reply::default()
        }
        .into()
    }
}

/// Each question deserves an answer of its own.
fn not_together(id: &TaskId, verb: &str) -> Error {
    Error::refused(
        Reason::NeedsPerson,
        format!(
            "{id} waits for an answer, and is not released together with others; `{{kanban}} answer {id} YOUR ANSWER` answers it, `{{kanban}} {verb} {id}` lets it go on without one"
        ),
    )
}

/// Refuses to let a task of a profile go on that the caller may not use.
pub(super) async fn may_release(desk: &Desk, caller: &Caller, id: &TaskId, tx: &mut Tx) -> Result<(), Error> {
    let task = tx.task(id).await?;
    access::release(caller, &desk.settings.get(), &task)
}

fn followed_by(follower: &verbs::Follower) -> Result<Thread, Error> {
    if follower.platform.trim().is_empty() || follower.chat_id.trim().is_empty() {
        refuse!(Invalid, "a platform and a chat are required, as in `--platform telegram --chat-id 42`");
    }
    Ok(Thread {
        platform: follower.platform.trim().to_lowercase(),
        space: String::new(),
        channel: follower.chat_id.trim().to_owned(),
        thread: follower.thread_id.as_deref().map(str::trim).filter(|thread| !thread.is_empty()).map(str::to_owned),
    })
}
