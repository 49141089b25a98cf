//! The lock of a home: one gateway at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
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
        let deadline = Instant::now() + INHERITED_FOR;
        let mut file = open(home)?;
        loop {
            file = match Self::of(file)? {
                Ok(lock) => return Ok(lock),
                Err(file) => file,
            };
            let is_gone = read_holder(home).parse().is_ok_and(|pid| Identity::of(pid).is_none());
            if !is_gone || Instant::now() >= deadline {
                return Err(held(home));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Takes the lock of a home if nobody has it.
    ///
    /// # Errors
    /// When nobody can tell.
    pub(crate) fn try_take(home: &Path) -> Result<Option<Self>, Error> {
        Ok(Self::of(open(home)?)?.ok())
    }

    /// Takes the lock of an open file, or hands the file back when another process has it.
    fn of(mut file: File) -> Result<Result<Self, File>, Error> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(file)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Ok(Self { _file: file }))
    }

    /// Whether the process lives that has taken the lock of a home last: it has it, or hands it on.
    pub(crate) fn is_anybody_there(home: &Path) -> bool {
        read_holder(home).parse().is_ok_and(|pid| Identity::of(pid).is_some())
    }

    /// Who has the lock of a home, in words.
    pub(super) fn holder(home: &Path) -> String {
        match read_holder(home) {
            holder if holder.is_empty() => "a process".to_owned(),
            holder => format!("the gateway (pid {holder})"),
        }
    }
}

const FILE: &str = "gateway.lock";

/// How long the lock of a gateway that is gone may be held by a process that it was starting.
const INHERITED_FOR: Duration = Duration::from_secs(5);

fn open(home: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(home.join(FILE))
}

fn read_holder(home: &Path) -> String {
    fs::read_to_string(home.join(FILE)).unwrap_or_default().trim().to_owned()
}

fn held(home: &Path) -> Error {
    let holder = match read_holder(home) {
        holder if holder.is_empty() => String::new(),
        holder => format!(" (pid {holder})"),
    };
    Error::refused(
        Reason::Busy,
        format!(
            "a gateway runs on `{}` already{holder}; talk to it with `kanban dispatch status`, put another one in its place with `kanban up --takeover`, or choose another home with `--home`",
            home.display()
        ),
    )
}
