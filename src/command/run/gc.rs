//! `gc`: removes what ended tasks have left behind.

use std::{fs, path::Path, time::Duration};

use crate::{
    board::{Board, Error, TaskId, task::Status},
    command::{desk::Desk, reply::Reply, verbs::Gc},
    dispatcher::{
        TURN_LOGS,
        workspace::{remove_scratch, scratch_root},
    },
};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// How long the audit tells of what was done.
const AUDIT_LIFE: i64 = 365 * DAY;

pub(super) async fn run(desk: &Desk, board: &Board, args: &Gc) -> Result<Reply, Error> {
    let now = desk.now();
    let mut kept = Vec::new();
    let mut workspaces = 0;
    for id in ended(board).await? {
        match remove_scratch(&scratch_root(board.folder()), &id) {
            Ok(true) => workspaces += 1,
            Ok(false) => {}
            Err(refusal) => kept.push(format!("kept the workspace of {id}: {refusal}")),
        }
    }
    let mut tx = board.write().await?;
    let events = tx.forget(now - i64::from(args.event_retention_days) * DAY, now).await?;
    tx.forget_audit(now - AUDIT_LIFE).await?;
    tx.commit().await?;
    let oldest = Duration::from_secs(u64::from(args.log_retention_days) * 24 * 60 * 60);
    let at_work: Vec<_> =
        board.read().await?.running().await?.into_iter().map(|running| running.task_id.to_string()).collect();
    let logs = remove_old_logs(&desk.home().join("logs").join(board.slug().as_str()), &at_work, now, oldest)?;
    let logs = logs + remove_old_logs(&desk.home().join("logs").join(TURN_LOGS), &[], now, oldest)?;
    let text = format!("GC complete: {workspaces} workspace(s), {events} event row(s), {logs} log file(s) removed");
    Ok(Reply { notes: kept.join("\n"), ..Reply::text(text) })
}

/// The archived and the deleted tasks whose scratch workspace is there still.
async fn ended(board: &Board) -> Result<Vec<TaskId>, Error> {
    let mut ended = Vec::new();
    let Ok(entries) = fs::read_dir(scratch_root(board.folder())) else { return Ok(ended) };
    let mut tx = board.read().await?;
    for entry in entries {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<TaskId>().ok()) else { continue };
        match tx.task(&id).await {
            Ok(task) if task.status == Status::Archived => ended.push(id),
            Ok(_) => {}
            // It was deleted, and left its directory behind.
            Err(Error::Refused(_)) => ended.push(id),
            Err(fault) => return Err(fault),
        }
    }
    Ok(ended)
}

fn remove_old_logs(folder: &Path, at_work: &[String], now: i64, oldest: Duration) -> Result<usize, Error> {
    let mut removed = 0;
    let Ok(tasks) = fs::read_dir(folder) else { return Ok(0) };
    for task in tasks {
        let task = task?;
        if at_work.iter().any(|id| task.file_name().to_str() == Some(id)) {
            continue;
        }
        let task = task.path();
        let Ok(logs) = fs::read_dir(&task) else { continue };
        for log in logs {
            let log = log?;
            let written = log.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let age = Duration::from_millis(u64::try_from(now).unwrap_or(0)).saturating_sub(written);
            if age > oldest {
                fs::remove_file(log.path())?;
                removed += 1;
            }
        }
        // A folder that still holds a log stays.
        let _ = fs::remove_dir(&task);
    }
    Ok(removed)
}
