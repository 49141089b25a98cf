//! What workers ask of the board, through their shim.

use kanban_platform::Surface;

use crate::{
    board::{Actor, Board, Error, Fault, Remit, run},
    command::{Caller, Desk, Kanban, Left, Place, Reply, Update, Verb, from_words},
    settings::{Profile, Role, WorkerScope},
    shim::{Answer, Call, Token},
};

/// Applies one call of a run's worker, once: a repeat of its number gets the first answer.
///
/// The token decides who calls. One that is not known, or whose run has ended, changes nothing, and the answer says so.
pub async fn apply_call(desk: &Desk, run: i64, token: &Token, call: &Call) -> Answer {
    match identify(desk, run, token).await {
        Ok((board, caller)) => apply(desk, &board, &caller, run, call).await,
        Err(error) => answer(desk.failed_as(&error, "kanban", "kanban")),
    }
}

/// Who the worker of a run is. How far it reaches follows from its profile as the settings have it now.
pub async fn caller_of(desk: &Desk, board: &Board, run: i64) -> Result<Caller, Error> {
    let run = board.read().await?.run(run).await?;
    let name = run.profile.as_ref().map_or_else(|| "worker".to_owned(), ToString::to_string);
    let workspace = run.workspace.as_deref().unwrap_or_default().into();
    let place = Place::Worker { board: board.slug().clone(), workspace };
    let settings = desk.settings.get();
    let remit = match run.profile.as_ref().and_then(|profile| settings.profiles.get(profile)) {
        Some(Profile { scope: WorkerScope::Orchestrator, .. }) => Remit::Tenant,
        Some(_) | None => Remit::Own,
    };
    Ok(Caller::new(Actor::Worker { run: run.id, task: run.task_id, name, remit }, Role::Member, place))
}

async fn identify(desk: &Desk, run: i64, token: &Token) -> Result<(Board, Caller), Error> {
    let hash = run::hash(token.reveal());
    let mut missing = None;
    for slug in desk.boards.names()? {
        let board = match desk.boards.get(&slug).await {
            Ok(board) => board,
            Err(error) if desk.is_leaving(&error) => return Err(error),
            // It may be the one: then the call is sent again, and finds the board when it is good again.
            Err(error) => {
                missing = Some(error);
                continue;
            }
        };
        let found = board.read().await?.run(run).await;
        match found {
            Ok(found) if found.token_hash == hash => {
                let caller = caller_of(desk, &board, run).await?;
                return Ok((board, caller));
            }
            Ok(_) | Err(Error::Refused(_)) => {}
            // A board that cannot be read just now may be the one; the call is sent again.
            Err(fault @ Error::Fault(_)) => return Err(fault),
        }
    }
    if let Some(error) = missing {
        return Err(Fault::new(format!("a board that may be the worker's cannot be opened: {error}")).into());
    }
    Err(Error::refused(
        crate::board::Reason::Stale,
        format!("the token of run {run} is not valid; nothing was changed"),
    ))
}

async fn apply(desk: &Desk, board: &Board, caller: &Caller, run: i64, call: &Call) -> Answer {
    let id = format!("{}/{run}/{}", board.slug(), call.call);
    let update = Update { platform: "worker".to_owned(), id, return_address: None, message: None, files: Vec::new() };
    match desk.receipt(&update).await {
        Ok(None) => {}
        Ok(Some(receipt)) => {
            return answer(Reply {
                exit: receipt.exit,
                text: receipt.stdout,
                notes: receipt.stderr,
                ..Reply::default()
            });
        }
        Err(error) => return answer(desk.failed_as(&error, "kanban", "kanban")),
    }
    let reply = match from_words(&call.argv, Surface::Internal) {
        Ok(Kanban { home: Some(_), .. }) => {
            Reply::refused("`--home` is not for workers: yours is the board of your task")
        }
        Ok(command) => {
            // What is only looked at is not kept: its answer may be long, and a repeat may look again.
            let kept = !matches!(command.verb, Some(Verb::Read(_)) | None);
            desk.run(caller, &command, kept.then_some(&update)).await.reply
        }
        Err(mistake) if mistake.exit == 0 => Reply::text(mistake.text),
        Err(mistake) => Reply { exit: mistake.exit, ..Reply::refused(mistake.text) },
    };
    answer(reply)
}

/// The two streams of a command line, each ending its last line.
pub fn answer(reply: Reply) -> Answer {
    let ended = |text: String| if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
    Answer {
        exit: i32::from(reply.exit),
        stdout: ended(reply.text),
        stderr: ended(reply.notes),
        again: reply.is_fault,
        leaving: reply.left == Some(Left::Undone),
        ..Answer::default()
    }
}
