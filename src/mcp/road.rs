//! The road that a call takes to the board: the same as that of a command line in its place.

use std::{io, path::PathBuf};

use kanban_platform::Surface;

use crate::{
    command::{Caller, Desk, Reply, from_words},
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
    /// Runs a command line, and answers what a terminal would show.
    ///
    /// # Errors
    /// With a sentence, when the other end cannot be reached.
    pub(super) async fn call(&self, line: Vec<String>) -> Result<Answer, String> {
        match self {
            Self::Shim(socket) => {
                let socket = socket.clone();
                waited(move || client::call(&socket, &line, None))
                    .await?
                    .map_err(|error| format!("the run's shim does not answer: {error}"))
            }
            Self::Local { local, folder } => {
                let (own, its_folder, its_line) = (local.clone(), folder.clone(), line.clone());
                let through = waited(move || match own.gateway()? {
                    Some(mut client) => client.run(its_line, its_folder).map(Some).map_err(|error| error.to_string()),
                    None => Ok(None),
                });
                match through.await?? {
                    Some(answer) => Ok(answer),
                    None => {
                        let desk = local.desk()?;
                        let caller = owner(&desk, folder.clone());
                        Ok(match from_words(&line, Surface::Internal) {
                            Ok(command) => answer(local::run(&desk, &caller, &command).await),
                            Err(mistake) => answer(Reply { exit: mistake.exit, ..Reply::refused(mistake.text) }),
                        })
                    }
                }
            }
            Self::Desk { desk, caller } => Ok(match from_words(&line, Surface::Internal) {
                Ok(command) => answer(desk.run(caller, &command, None).await.reply),
                Err(mistake) => answer(Reply { exit: mistake.exit, ..Reply::refused(mistake.text) }),
            }),
            Self::Closed => Err("there is no door to the board here".to_owned()),
        }
    }
}

/// Waits for something that holds its thread up.
async fn waited<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| io::Error::other(error).to_string())
}
