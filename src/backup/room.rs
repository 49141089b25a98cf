//! A folder of a home in which a backup is made or unpacked.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::remainder;
use crate::board::Error;

const PREFIX: &str = "backup-";

/// What the name of a room ends with that is not locked yet.
const DRAFT: &str = "draft";

/// How often a room is made anew.
const TRIES: u32 = 3;

/// Lies in a room for as long as all that it holds is copies.
const COPIES: &str = "copies";

/// A folder that is gone again with this, unless it stays because of what it has come to hold. Its lock tells whether
/// somebody is still at it.
pub(super) struct Room {
    pub(super) folder: PathBuf,
    pub(super) stays: bool,
    _lock: File,
}

impl Room {
    pub(super) fn new(home: &Path) -> Result<Self, Error> {
        let mut tries = 0;
        loop {
            match Self::make(home) {
                // Whoever clears away may have come before the lock.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
                made => return Ok(made?),
            }
        }
    }

    fn make(home: &Path) -> io::Result<Self> {
        let folder = home.join(format!("{PREFIX}{}", crate::random::hex::<4>()));
        // It gets its name when it is locked, so that nobody takes it for one that was left behind.
        let draft = folder.with_extension(DRAFT);
        DirBuilder::new().mode(0o700).create(&draft)?;
        let lock = File::open(&draft)?;
        lock.lock()?;
        File::create_new(draft.join(COPIES))?;
        fs::rename(&draft, &folder)?;
        Ok(Self { folder, stays: false, _lock: lock })
    }

    /// From now on it may hold what is nowhere else.
    pub(super) fn holds_more_than_copies(&self) -> io::Result<()> {
        fs::remove_file(self.folder.join(COPIES))?;
        File::open(&self.folder)?.sync_all()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Whether a name is that of a room.
pub(super) fn is_room(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 8 && rest.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Removes what was left behind by those who were killed while they made or unpacked a backup.
pub(super) fn clear_away(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_draft = name.strip_suffix(DRAFT).and_then(|name| name.strip_suffix('.')).is_some_and(is_room);
        // Boards that have changed places with those of a backup have no remainder with them.
        let has_copies_alone = folder.join(COPIES).exists() || folder.join("boards").join(remainder::FILE).exists();
        let is_left = is_draft || (is_room(name) && has_copies_alone);
        if !is_left {
            continue;
        }
        // One that is locked is in use, and one that has gone meanwhile was.
        let Ok(lock) = File::open(&folder) else { continue };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}
