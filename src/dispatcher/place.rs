//! Where the files of a run lie.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    board::{BoardSlug, TaskId, lane::Turn},
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
            rundir: rundir(home, board, run),
            socket: shim::socket_path(home, &desk.environment.runtime_dir(), board, run)?,
            log: log(home, board, task, run),
        })
    }
}

/// The directory of a run.
pub(super) fn rundir(home: &Path, board: &BoardSlug, run: i64) -> PathBuf {
    runs(home).join(format!("{board}-{run}"))
}

/// The directory of all run directories.
pub(super) fn runs(home: &Path) -> PathBuf {
    home.join("run")
}

/// The log of a turn of a thread's agent. No board is called `_turns`.
pub fn turn_log(home: &Path, turn: &Turn) -> PathBuf {
    home.join("logs").join(TURN_LOGS).join(turn.thread_id.to_string()).join(format!("{}.log", turn.id))
}

/// The folder among the logs in which those of turns lie.
pub const TURN_LOGS: &str = "_turns";

/// The log of a run.
pub fn log(home: &Path, board: &BoardSlug, task: &TaskId, run: i64) -> PathBuf {
    home.join("logs").join(board.as_str()).join(task.as_str()).join(format!("{run}.log"))
}
