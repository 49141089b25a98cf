//! The lock of a home: one gateway at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    board::{Error, Reason},
    process::Identity,
};

/// Held for as long as this lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct GatewayLock {
    _file: File,
}

impl GatewayLock {
    /// Takes the lock of a home.
    ///
    /// A gateway that was killed while it started a process leaves the lock to that process until it runs its own
    /// program; that is waited for.
    ///
    /// # Errors
    /// Refuses when another process has it, and also when nobody can tell: then nothing must be dispatched.
    pub async fn take(home: &Path) -> Result<Self, Error> {
        let path = home.join("gateway.lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let deadline = Instant::now() + INHERITED_FOR;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let holder = fs::read_to_string(&path).unwrap_or_default();
                    let holder = holder.trim();
                    let is_gone = holder.parse().is_ok_and(|pid| Identity::of(pid).is_none());
                    if !is_gone || Instant::now() >= deadline {
                        return Err(held(home, holder));
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// How long the lock of a gateway that is gone may be held by a process that it was starting.
const INHERITED_FOR: Duration = Duration::from_secs(5);

fn held(home: &Path, holder: &str) -> Error {
    let holder = if holder.is_empty() { String::new() } else { format!(" (pid {holder})") };
    Error::refused(
        Reason::Busy,
        format!(
            "a gateway runs on `{}` already{holder}; talk to it with `kanban dispatch status`, or choose another home with `--home`",
            home.display()
        ),
    )
}
