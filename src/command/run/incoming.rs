//! Files that a person sent along with a command: the task is owed them in the command's own transaction, and they are
//! fetched after it, so that no command waits for a download.

use kanban_platform::{Incoming, bytes, file_name};

use crate::{
    board::{Error, Tx, attachment::ATTACHMENT_LIMIT, error::refuse},
    clock::Millis,
    command::{
        caller::{Caller, Update},
        desk::Desk,
        reply::Reply,
        verbs::Write,
    },
};

/// How long a task waits for files before it starts without them.
const HOLD: Millis = 60 * 1_000;

/// The most files of one message.
const MOST: usize = 10;

/// What a command says of files that it has no use for.
pub(in crate::command) const LEFT_OUT: &str =
    "What was sent along was left out: files go with `create`, `comment`, `answer` and `attach ID`.";

/// Refuses an `attach` that says neither which file nor brings one.
pub(in crate::command) fn check(caller: &Caller, verb: &Write, update: Option<&Update>) -> Result<(), Error> {
    let Write::Attach(args) = verb else { return Ok(()) };
    if args.path.is_some() || update.is_some_and(|update| !update.files.is_empty()) {
        return Ok(());
    }
    match caller.thread() {
        Some(_) => refuse!(
            Usage,
            "there is no file in this message; send it and write `{{kanban}} attach {}` in the same message",
            args.task
        ),
        None => refuse!(Usage, "which file? As in `{{kanban}} attach {} report.pdf`", args.task),
    }
}

/// Owes the task of a command what was sent along, and says so in the answer.
pub(in crate::command) async fn take_in(
    desk: &Desk,
    caller: &Caller,
    verb: &Write,
    update: &Update,
    reply: &mut Reply,
    tx: &mut Tx,
) -> Result<(), Error> {
    let takes =
        matches!(verb, Write::Create(_) | Write::Comment(_) | Write::Answer(_) | Write::Unblock(_) | Write::Attach(_));
    let (Some(thread), Some(task)) = (caller.thread(), reply.task.clone()) else { return Ok(()) };
    if update.files.is_empty() || !takes || reply.exit != 0 {
        return Ok(());
    }
    reply.took_files = true;
    if !desk.settings.get().files.incoming {
        note(reply, "What was sent along was left out: no files are taken in here (`files.incoming`).");
        return Ok(());
    }
    let now = desk.now();
    let (mut taken, mut large) = (Vec::new(), Vec::new());
    for file in update.files.iter().take(MOST) {
        match file.size {
            Some(size) if size > ATTACHMENT_LIMIT => large.push(named(file)),
            Some(_) | None => {
                tx.expect_file(&task, thread, file, caller.actor.name(), now + HOLD, now).await?;
                taken.push(named(file));
            }
        }
    }
    if !taken.is_empty() {
        let count = if taken.len() == 1 { "1 file".to_owned() } else { format!("{} files", taken.len()) };
        note(reply, &format!("Taking in {count} for {task}: {}.", taken.join(", ")));
    }
    if !large.is_empty() {
        let limit = bytes(ATTACHMENT_LIMIT);
        note(reply, &format!("Left out, for a file may have {limit}: {}.", large.join(", ")));
    }
    if update.files.len() > MOST {
        let more = update.files.len() - MOST;
        note(reply, &format!("Left out, for a message may bring {MOST} files: {more} more."));
    }
    Ok(())
}

fn named(file: &Incoming) -> String {
    let name = file_name(&file.name);
    match file.size {
        Some(size) => format!("`{name}` ({})", bytes(size)),
        None => format!("`{name}`"),
    }
}

fn note(reply: &mut Reply, text: &str) {
    if !reply.notes.is_empty() {
        reply.notes.push('\n');
    }
    reply.notes.push_str(text);
}
