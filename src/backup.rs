//! Backups: all boards of a home with their attached files, in one archive that is looked through before it counts, and
//! the way back.
//!
//! `make` writes one, `restore` puts one in the place of what is there, which is kept aside, `make_whole` ends what a kill
//! has cut short, and `rotate` is the gateway's part.

mod archive;
mod remainder;
mod restore;
mod room;
mod rotate;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::room::Room;

use crate::{
    board::{
        Boards, Error,
        copy::{draft_of, put_in_place, require_free},
    },
    clock::Millis,
};

pub use self::{
    archive::Manifest,
    remainder::{make_whole, make_whole_if_free},
    restore::{Restored, restore},
    rotate::{Rotation, keep, newest, rotate},
};

/// The folder of a home where backups go to that nobody has named a place for.
pub const FOLDER: &str = "backups";

/// A backup that was written and looked through.
#[derive(Clone, Debug)]
pub struct Made {
    pub file: PathBuf,
    pub manifest: Manifest,
}

/// Writes all boards and their files into a new archive, while others go on writing.
///
/// # Errors
/// When a board cannot be read, when the file is there already, and when the archive is not what was written.
pub async fn make(boards: &Boards, file: &Path, now: Millis) -> Result<Made, Error> {
    require_free(file)?;
    let room = Room::new(boards.home())?;
    let mut copies = Vec::new();
    for slug in boards.names()? {
        let board = boards.get(&slug).await?;
        let copy = room.folder.join(format!("{slug}.db"));
        board.copy_to(&copy).await?;
        copies.push(archive::BoardCopy { slug, file: copy, attachments: board.folder().join("attachments") });
    }
    let current = boards.current()?;
    let draft = draft_of(file);
    let written = archive::write(&draft, &copies, &current, now).and_then(|manifest| {
        archive::check(&draft, &manifest)?;
        put_in_place(&draft, file)?;
        Ok(manifest)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    Ok(Made { file: file.to_owned(), manifest: written? })
}
