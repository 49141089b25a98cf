//! The road that a call takes to the board: the same as that of a command line in its place.

use std::{io, path::PathBuf};

use kanban_platform::Surface;
use tokio_util::task::TaskTracker;

use crate::{
    command::{Caller, Desk, Kanban, Reply, from_words},
    control::owner,
    dispatcher::answer,
    local::{self, Local},
    shim::{Answer, client},
};

/// Where calls go.
pub(super) enum Road {
    /// To the shim of the worker's run, at its socket, which keeps them while no gateway runs.
    Shim(PathBuf),
    /// To the gateway of a home where one runs, and otherwise to the board, as the owner at work in a folder.
    Local { local: Local, folder: PathBuf },
    /// To the board of the gateway that this process is.
    Desk { desk: Box<Desk>, caller: Box<Caller> },
    /// Nowhere.
    Closed,
}

impl Road {
    /// Runs a command line, and answers what a terminal would show. What it does is done whole, also when whoever waits for
    /// the answer goes away: here in a task of its own, which `work` counts, and else at the other end.
    ///
    /// # Errors
    /// With a sentence, when the other end cannot be reached.
    pub(super) async fn call(&self, line: Vec<String>, work: &TaskTracker) -> Result<Answer, String> {
        match self {
            Self::Shim(socket) => {
                let socket = socket.clone();
                waited(move || client::call(&socket, &line, None))
                    .await?
                    .map_err(|error| format!("the run's shim does not answer: {error}"))
            }
            Self::Local { local, folder } => {
                let (own, its_folder, its_line) = (local.clone(), folder.clone(), line.clone());
                match waited(move || own.run_in_gateway(&its_line, &its_folder)).await?? {
                    Some(answer) => Ok(answer),
                    None => {
                        let desk = local.desk()?;
                        let caller = owner(&desk, folder.clone());
                        let command = match understood(&line) {
                            Ok(command) => command,
                            Err(mistake) => return Ok(mistake),
                        };
                        done(work, async move { answer(local::run(&desk, &caller, &command).await) }).await
                    }
                }
            }
            Self::Desk { desk, caller } => {
                let (desk, caller) = (desk.clone(), caller.clone());
                let command = match understood(&line) {
                    Ok(command) => command,
                    Err(mistake) => return Ok(mistake),
                };
                done(work, async move { answer(desk.run(&caller, &command, None).await.reply) }).await
            }
            Self::Closed => Err("there is no door to the board here".to_owned()),
        }
    }
}

/// The command that a line is, or the answer that it is none.
fn understood(line: &[String]) -> Result<Kanban, Answer> {
    from_words(line, Surface::Internal)
        .map_err(|mistake| answer(Reply { exit: mistake.exit, ..Reply::refused(mistake.text) }))
}

/// Does something to its end, whether somebody waits for it or not.
async fn done(work: &TaskTracker, what: impl Future<Output = Answer> + Send + 'static) -> Result<Answer, String> {
    work.spawn(what).await.map_err(|error| io::Error::other(error).to_string())
}

/// Waits for something that holds its thread up.
async fn waited<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| io::Error::other(error).to_string())
}
