//! Where the files of a run lie.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    board::{BoardSlug, TaskId},
    command::Desk,
    shim,
};

/// The run's own directory, which goes with it; its socket; and its log, which stays.
pub(super) struct Place {
    pub(super) rundir: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) log: PathBuf,
}

impl Place {
    pub(super) fn of(desk: &Desk, board: &BoardSlug, task: &TaskId, run: i64) -> io::Result<Self> {
        let home = desk.home();
        Ok(Self {
            rundir: runs(home).join(format!("{board}-{run}")),
            socket: shim::socket_path(home, &desk.environment.runtime_dir(), board, run)?,
            log: log(home, board, task, run),
        })
    }
}

/// The directory of all run directories.
pub(super) fn runs(home: &Path) -> PathBuf {
    home.join("run")
}

/// The log of a run.
pub fn log(home: &Path, board: &BoardSlug, task: &TaskId, run: i64) -> PathBuf {
    home.join("logs").join(board.as_str()).join(task.as_str()).join(format!("{run}.log"))
}
