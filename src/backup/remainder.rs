//! What is left to do once the boards of a backup have taken their place. It comes there in the same step as they do, so
//! that whoever finds it knows that the step was done, and does the rest.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::room::{clear_away, is_room};
use crate::{
    board::{BoardSlug, Boards, Error, error::refuse},
    gateway::lock::GatewayLock,
};

pub(super) const FILE: &str = "restore.json";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Remainder {
    /// The folder of the home that holds `boards` as they were before.
    pub(super) room: String,
    /// The name that they get; none where there were none.
    pub(super) kept: Option<String>,
    /// The board that the command line is to mean when it names none.
    pub(super) current: BoardSlug,
}

impl Remainder {
    /// Lays it into the folder of the boards that are to take their place.
    pub(super) fn write(&self, boards: &Path) -> Result<(), Error> {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(boards.join(FILE))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        Ok(file.sync_all()?)
    }

    fn find(home: &Path) -> Result<Option<Self>, Error> {
        let file = home.join("boards").join(FILE);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let read = serde_json::from_slice(&bytes).ok();
        // It names what is moved and removed, so nothing but names is taken from it.
        match read.filter(|read: &Self| is_room(&read.room) && read.kept.as_deref().is_none_or(is_plain)) {
            Some(read) => Ok(Some(read)),
            None => refuse!(
                Damaged,
                "`{}` is not what a restore leaves there; the boards are those of the backup: look whether a folder `backup-…` of the home holds those of before, move it to where you want it, and remove that file",
                file.display()
            ),
        }
    }

    /// Does the rest; begun again from the start, it comes to the same end. Answers where the boards of before are.
    pub(super) fn carry_out(
        self,
        boards: &Boards,
        step: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<PathBuf>, Error> {
        let home = boards.home();
        // The exchange is on the disk before anything builds on it.
        File::open(home)?.sync_all()?;
        step("exchange");
        let room = home.join(&self.room);
        let kept = self.kept.map(|name| home.join(name));
        if let Some(kept) = kept.as_ref().filter(|_| room.join("boards").exists()) {
            fs::rename(room.join("boards"), kept)?;
            step("kept");
        }
        // The next start looks every board through before it is used.
        absent_is_well(fs::remove_file(home.join("clean-stop")))?;
        step("clean-stop");
        boards.set_current(&self.current)?;
        step("current");
        absent_is_well(fs::remove_dir_all(&room))?;
        File::open(home)?.sync_all()?;
        step("room");
        fs::remove_file(home.join("boards").join(FILE))?;
        File::open(home.join("boards"))?.sync_all()?;
        step("remainder");
        Ok(kept)
    }
}

/// Ends what a kill has cut short, and clears away what it has left. The home's lock is held.
///
/// Answers what is to be said of a restore that was ended so.
pub fn make_whole(boards: &Boards) -> Result<Option<String>, Error> {
    let found = Remainder::find(boards.home())?;
    let said = found.map(|remainder| remainder.carry_out(boards, &mut |_| {})).transpose()?.map(|kept| {
        let before =
            kept.map_or_else(String::new, |kept| format!("; what was there before lies in {}", kept.display()));
        format!(
            "a restore was cut short after the boards of the backup had taken their place, and is complete now{before}"
        )
    });
    clear_away(boards.home())?;
    Ok(said)
}

/// The same for a command that finds such a restore, unless somebody is at work in the home.
pub fn make_whole_if_free(boards: &Boards) -> Result<Option<String>, Error> {
    if !boards.home().join("boards").join(FILE).exists() {
        return Ok(None);
    }
    match GatewayLock::try_take(boards.home())? {
        Some(_lock) => make_whole(boards),
        None => Ok(None),
    }
}

fn is_plain(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| file == name)
}

fn absent_is_well(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
