//! `log`: what a task's workers printed.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{View, text::plain};
use crate::{
    board::{Error, Fault, TaskId, Tx, run::Run},
    command::{reply::Reply, verbs},
    shim::newest_output,
};

/// How much is shown where the asker does not say, in bytes.
const IN_CHAT: u64 = 8 * 1024;
const IN_TERMINAL: u64 = 64 * 1024;

/// Shows the newest part of the latest run that has a log. How to see more is a note, so that what a program reads from
/// standard output is the worker's words alone.
pub async fn log(tx: &mut Tx, args: &verbs::Log, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let runs = tx.runs_of(&task.id).await?;
    let limit = match args.tail {
        Some(bytes) => u64::from(bytes),
        None if view.in_chat => IN_CHAT,
        None => IN_TERMINAL,
    };
    let folder = folder(view, &task.id);
    let Some((run, output)) = latest(&folder, &runs, limit).await? else {
        let text = format!("(no log for {} — task may not have spawned yet)", task.id);
        return Ok(Reply::refused(text).about(&task.id));
    };
    let shown = output.newest.len();
    let whole = usize::try_from(output.size).unwrap_or(usize::MAX);
    let text = view.settings.redactor.cleaned(readable(&output.newest, shown < whole, view.in_chat));
    let mut reply = Reply::text(if text.is_empty() { "(the worker has printed nothing)".to_owned() } else { text });
    let later = runs.iter().filter(|later| later.id > run.id).count();
    let mut notes = Vec::new();
    if later > 0 {
        notes.push(format!("this is run {}; the {later} after it left no log", run.id));
    }
    if shown < whole && args.tail.is_none() {
        notes.push(format!(
            "the newest {shown} of {whole} bytes of run {}; `{} log {} --tail {whole}` shows all of it",
            run.id, view.here, task.id
        ));
    }
    if !notes.is_empty() {
        reply.notes = format!("({})", notes.join("; "));
    }
    Ok(reply.about(&task.id))
}

/// Where the logs of a task lie.
fn folder(view: &View<'_>, task: &TaskId) -> PathBuf {
    view.home.join("logs").join(view.board.slug().as_str()).join(task.as_str())
}

struct Output {
    newest: Vec<u8>,
    /// The bytes that there are in all.
    size: u64,
}

async fn latest<'a>(folder: &Path, runs: &'a [Run], limit: u64) -> Result<Option<(&'a Run, Output)>, Error> {
    for run in runs.iter().rev() {
        let path = folder.join(format!("{}.log", run.id));
        let read = tokio::task::spawn_blocking(move || read(&path, limit)).await;
        match read.map_err(|fault| Fault::new(fault.to_string()))? {
            Ok(output) => return Ok(Some((run, output))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn read(path: &Path, limit: u64) -> io::Result<Output> {
    let newest = newest_output(path, limit)?;
    // The older half lies beside the newer one.
    let older = std::fs::metadata(path.with_extension("log.1")).map_or(0, |file| file.len());
    let size = (std::fs::metadata(path)?.len() + older).max(newest.len() as u64);
    Ok(Output { newest, size })
}

/// The output as text. A part begins with a whole line where it has one; chat is not shown what steers terminals.
fn readable(bytes: &[u8], is_part: bool, in_chat: bool) -> String {
    let start = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if is_part && end + 1 < bytes.len() => end + 1,
        // A character that was cut in two is not part of the text.
        Some(_) | None if is_part => bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count(),
        Some(_) | None => 0,
    };
    let text = String::from_utf8_lossy(&bytes[start..]);
    let text = if in_chat { plain(&text) } else { text.into_owned() };
    text.trim_end_matches('\n').to_owned()
}
