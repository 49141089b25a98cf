//! What was typed and not acted on, from one program to the next under the same pid.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::process::Identity;

#[derive(Serialize, Deserialize)]
struct Unread {
    /// The process whose input it is.
    process: Identity,
    bytes: Vec<u8>,
}

/// Keeps what was read from standard input and belongs to no message that was acted on.
pub(super) fn keep(home: &Path, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let unread = Unread { process: Identity::own()?, bytes: bytes.to_vec() };
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path(home))?;
    file.write_all(&serde_json::to_vec(&unread)?)
}

/// Takes what an earlier program of this very process has kept. What another process left is of no use any more.
pub(super) fn take(home: &Path) -> Vec<u8> {
    let Ok(kept) = fs::read(path(home)) else { return Vec::new() };
    let _ = fs::remove_file(path(home));
    match serde_json::from_slice(&kept) {
        Ok(Unread { process, bytes }) if process.pid == std::process::id() && process.is_alive() => bytes,
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn path(home: &Path) -> PathBuf {
    home.join("console.unread")
}
