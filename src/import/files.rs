//! Attached files: found below the folder of attachments that they came from, and copied durably before the board refers
//! to them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    board::{Board, Error, TaskId},
    dispatcher::workspace::Opened,
};

/// Copies that are removed again unless they are kept.
#[derive(Default)]
pub(super) struct Copies {
    made: Vec<PathBuf>,
}

/// A file that lies in place.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    pub(super) size: i64,
}

impl Copies {
    /// Copies a file into the folder of its task; none where it is at none of its places. What lies in its place was left
    /// by an import that was killed.
    pub(super) fn take(
        &mut self,
        roots: &[PathBuf],
        places: &[String],
        board: &Board,
        task: &TaskId,
        name: &str,
    ) -> Result<Option<Placed>, Error> {
        let Some(mut file) = find(roots, places) else { return Ok(None) };
        let folder = board.folder().join("attachments").join(task.as_str());
        fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        let draft = folder.join(format!(".{name}"));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let mut copy = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
        self.made.push(draft.clone());
        let size = io::copy(&mut file, &mut copy)?;
        copy.sync_all()?;
        fs::rename(&draft, &path)?;
        self.made.push(path.clone());
        File::open(&folder)?.sync_all()?;
        Ok(Some(Placed { path, size: i64::try_from(size).unwrap_or(i64::MAX) }))
    }

    /// The board refers to a copy now.
    pub(super) fn keep(&mut self, path: &Path) {
        self.made.retain(|made| made != path);
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for path in &self.made {
            // One that stays costs space alone.
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens a file at the first of its places. No link leads out of the folder, so that a board can name no other file.
fn find(roots: &[PathBuf], places: &[String]) -> Option<File> {
    for root in roots.iter().filter_map(|root| fs::canonicalize(root).ok()) {
        let Ok(opened) = Opened::below(Path::new("/"), &root) else { continue };
        for place in places {
            let file = opened.file(Path::new(place)).ok();
            if let Some(file) = file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file())) {
                return Some(file);
            }
        }
    }
    None
}
