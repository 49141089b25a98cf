//! Putting a backup in the place of what is there, in one step that a kill cannot cut in two.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags},
    io::Errno,
};

use super::{archive, make_whole, remainder::Remainder, room::Room};
use crate::{
    board::{
        Boards, Error,
        copy::{check_copy, settle},
        error::refuse,
    },
    clock::Millis,
    dispatcher::at_work,
    gateway::lock::GatewayLock,
};

/// What was put in place.
#[derive(Clone, Debug)]
pub struct Restored {
    pub manifest: archive::Manifest,
    /// Where the boards are that were there before; none where there were none.
    pub kept: Option<PathBuf>,
}

/// Puts the boards of a backup in the place of those of a home. No gateway may run, and no worker be at work.
///
/// `step` hears of every step that has been made: a kill after any of them leaves the boards of before, or those of the
/// backup with a remainder that the next command carries out.
///
/// # Errors
/// Refuses what is no sound backup; then nothing was changed.
pub async fn restore(
    boards: &Boards,
    file: &Path,
    now: Millis,
    step: &mut (dyn FnMut(&str) + Send),
) -> Result<Restored, Error> {
    let home = boards.home();
    // Held until the end: no gateway starts meanwhile.
    let lock = GatewayLock::take(home).await?;
    make_whole(boards)?;
    for slug in boards.names()? {
        if let Some(task) = at_work(home, &slug)?.into_iter().next() {
            refuse!(
                Busy,
                "a worker is still at task {task} of board '{slug}', whose run the backup does not know; wait for its end, or start the gateway and end it with `{{program}} --board {slug} cancel {task}`; nothing was changed"
            );
        }
    }
    let mut room = Room::new(home)?;
    step("room made");
    let manifest = archive::read(file, Some(&room.folder))?;
    step("unpacked");
    for slug in &manifest.boards {
        let file = room.folder.join("boards").join(slug.as_str()).join(crate::board::FILE);
        check_copy(&file).await?;
        settle(&file, &home.join("boards").join(slug.as_str()).join("attachments")).await?;
        step("settled");
    }
    boards.close().await;
    let (old, new) = (home.join("boards"), room.folder.join("boards"));
    let kept = old.exists().then(|| free_name(home, now));
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let remainder =
        Remainder { room: name(&room.folder), kept: kept.as_deref().map(name), current: manifest.current.clone() };
    remainder.write(&new)?;
    sync_folders(&new)?;
    step("synced");
    room.holds_more_than_copies()?;
    step("unmarked");
    if kept.is_some() {
        exchange(&new, &old)?;
    } else {
        fs::rename(&new, &old)?;
    }
    // From here on the room holds what was there before, and goes only when that has left it.
    room.stays = true;
    let kept = remainder.carry_out(boards, step)?;
    drop(lock);
    Ok(Restored { manifest, kept })
}

/// Lets two folders change places, so that at no moment there is none.
fn exchange(new: &Path, old: &Path) -> Result<(), Error> {
    match rustix::fs::renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS) => refuse!(
            Invalid,
            "the file system of `{}` cannot exchange two folders; stop everything, move `boards` away and restore again; nothing was changed",
            old.display()
        ),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// A name in the home that says what it is, and that nothing has.
fn free_name(home: &Path, now: Millis) -> PathBuf {
    let mut name = home.join(format!("boards-before-restore-{}", now.div_euclid(1000)));
    let mut number = 1;
    while name.exists() {
        number += 1;
        name = home.join(format!("boards-before-restore-{}-{number}", now.div_euclid(1000)));
    }
    name
}

/// Makes durable that the files are in their folders.
fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}
