//! Turns at writing one board, handed from process to process in the order of asking.
//!
//! SQLite lets waiting writers sleep and try again, so that a busy process can keep a waiting one out for half a minute.
//! File locks queue up instead. Whoever waits for the board's lock holds a second one meanwhile, which a process that
//! has just had its turn must pass as well: it cannot overtake.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::board::error::Fault;

/// How long a writer waits for other processes before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the processes that write one board queue up.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    lock: PathBuf,
    next: PathBuf,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "the lock is held for as long as the file is open")] File);

impl Turns {
    pub(crate) fn at(folder: &Path) -> Self {
        Self { lock: folder.join("board.lock"), next: folder.join("board.next") }
    }

    /// Waits for the turn of this process.
    pub(crate) async fn wait(&self) -> Result<Turn, Fault> {
        let next = open(&self.next)?;
        let lock = open(&self.lock)?;
        let is_next = try_lock(&next)?;
        if is_next && try_lock(&lock)? {
            return Ok(Turn(lock));
        }
        // A thread of its own, since nothing can call a waiting one back: it must not keep the runtime from ending.
        let (ready, turn) = oneshot::channel();
        std::thread::Builder::new().name("board-turn".to_owned()).spawn(move || {
            let waited = if is_next { Ok(()) } else { next.lock() }.and_then(|()| lock.lock());
            drop(next);
            let _ = ready.send(waited.map(|()| Turn(lock)));
        })?;
        match tokio::time::timeout(PATIENCE, turn).await {
            Ok(Ok(turn)) => Ok(turn?),
            Ok(Err(_)) => Err(Fault::new("the thread that waited for the board has ended")),
            Err(_) => Err(Fault::busy(format!("another process has kept the board for {}s", PATIENCE.as_secs()))),
        }
    }
}

fn open(path: &Path) -> Result<File, Fault> {
    Ok(OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?)
}

fn try_lock(file: &File) -> Result<bool, Fault> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
