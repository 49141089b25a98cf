//! Writing files that must not take the place of others.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::random::hex;

/// A file that a home is to have.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// What becomes of files that are there and say something else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// They stay, and that is told.
    Told,
    /// They stay, and nothing is written at all.
    Refused,
}

/// Puts files in their places, whole or not at all, and says of each what was done. With `force`, a file that says
/// something else is kept under another name.
pub(super) fn place(files: &[File], force: bool, kept: Kept) -> Result<Vec<String>, String> {
    let mut others = Vec::new();
    for file in files {
        if !matches!(found(file)?, Found::Nothing | Found::Same) {
            others.push(format!("`{}`", file.path.display()));
        }
    }
    if !others.is_empty() && !force && kept == Kept::Refused {
        return Err(format!(
            "nothing was written: {} there already and would say something else; `kanban init --force` with the same \
             options replaces and keeps the old ones beside them",
            if others.len() == 1 { format!("{} is", others[0]) } else { format!("{} are", others.join(", ")) }
        ));
    }
    files.iter().map(|file| put(file, force)).collect()
}

/// Writes a file that is not there yet, for its owner alone, and syncs it.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

enum Found {
    Nothing,
    Same,
    Other,
}

fn found(file: &File) -> Result<Found, String> {
    match fs::symlink_metadata(&file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(format!("`{}` cannot be looked at: {error}", file.path.display())),
        Ok(metadata) if metadata.is_dir() => {
            Err(format!("`{}` is a directory, expected a file or nothing; move it away", file.path.display()))
        }
        Ok(_) => match fs::read(&file.path) {
            Ok(bytes) if bytes == file.text.as_bytes() => Ok(Found::Same),
            Ok(_) | Err(_) => Ok(Found::Other),
        },
    }
}

fn put(file: &File, force: bool) -> Result<String, String> {
    let path = file.path.display();
    let fault = |error: io::Error| format!("`{path}` cannot be written: {error}");
    match found(file)? {
        Found::Same => return Ok(format!("{path} is as it should be")),
        Found::Other if !force => return Ok(format!("{path} was there and stays as it is")),
        Found::Nothing | Found::Other => {}
    }
    let Some(folder) = file.path.parent() else { return Err(format!("`{path}` has no folder")) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault)?;
    let draft = folder.join(format!(".{}.new", hex::<8>()));
    let placed = write_new(&draft, &file.text).and_then(|()| match fs::hard_link(&draft, &file.path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && force => {
            let before = set_aside(&file.path)?;
            fs::rename(&draft, &file.path)?;
            Ok(Some(before))
        }
        linked => linked.map(|()| None),
    });
    let _ = fs::remove_file(&draft);
    if matches!(&placed, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
        return Err(format!(
            "`{path}` came to be meanwhile, and stays as it is; run `kanban init` again to see what is there"
        ));
    }
    match placed.map_err(fault)? {
        None => Ok(format!("Wrote {path}")),
        Some(before) => Ok(format!("Wrote {path}; the one before is {}", before.display())),
    }
}

/// Gives a file a second name that nothing has yet, and answers it.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-{number}"));
        let aside = PathBuf::from(name);
        match fs::hard_link(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            linked => return linked.map(|()| aside),
        }
    }
}
