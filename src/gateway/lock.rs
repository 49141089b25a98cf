//! The lock of a home: one gateway at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::board::{Error, Reason};

/// Held for as long as this lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct GatewayLock {
    _file: File,
}

impl GatewayLock {
    /// Takes the lock of a home.
    ///
    /// # Errors
    /// Refuses when another process has it, and also when nobody can tell: then nothing must be dispatched.
    pub fn take(home: &Path) -> Result<Self, Error> {
        let path = home.join("gateway.lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = if holder.trim().is_empty() { String::new() } else { format!(" (pid {})", holder.trim()) };
                return Err(Error::refused(
                    Reason::Busy,
                    format!(
                        "a gateway runs on `{}` already{holder}; talk to it with `kanban dispatch status`, or choose another home with `--home`",
                        home.display()
                    ),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}
