//! The archive: a tar file of boards and attached files, with a manifest at its end that names each with its hash.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    board::{BoardSlug, Error, Fault, SCHEMA_VERSION, error::refuse},
    clock::Millis,
};

const MANIFEST: &str = "manifest.json";

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    pub schema: i64,
    pub made_at: Millis,
    /// The board that the command line means when it names none.
    pub current: BoardSlug,
    pub boards: Vec<BoardSlug>,
    /// Every file with the hash of what it holds.
    pub files: BTreeMap<String, String>,
}

const FORMAT: &str = "kanban-backup-1";

/// A board that is copied already.
pub(super) struct BoardCopy {
    pub(super) slug: BoardSlug,
    pub(super) file: PathBuf,
    pub(super) attachments: PathBuf,
}

/// Writes an archive, durably.
pub(super) fn write(to: &Path, boards: &[BoardCopy], current: &BoardSlug, now: Millis) -> Result<Manifest, Error> {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to)?;
    let mut tar = tar::Builder::new(BufWriter::new(file));
    let mut files = BTreeMap::new();
    for board in boards {
        let folder = format!("boards/{}", board.slug);
        let name = format!("{folder}/{}", crate::board::FILE);
        files.insert(name.clone(), append(&mut tar, &name, &board.file, now)?);
        for (below, path) in attached(&board.attachments)? {
            let name = format!("{folder}/attachments/{below}");
            match append(&mut tar, &name, &path, now) {
                Ok(hash) => drop(files.insert(name, hash)),
                // It was deleted since the folder was read, as the board may say by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Fault::new(format!("`{}`: {error}", path.display())).into()),
            }
        }
    }
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        schema: SCHEMA_VERSION,
        made_at: now,
        current: current.clone(),
        boards: boards.iter().map(|board| board.slug.clone()).collect(),
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    tar.append_data(&mut header(text.len() as u64, now), MANIFEST, &text[..])?;
    let mut file = tar.into_inner()?;
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(manifest)
}

/// The files of attachments, by their paths below the folder. Drafts, which begin with a dot, are none.
fn attached(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut found = Vec::new();
    let Ok(tasks) = fs::read_dir(folder) else { return Ok(found) };
    for task in tasks {
        let task = task?;
        let Ok(entries) = fs::read_dir(task.path()) else { continue };
        for entry in entries {
            let entry = entry?;
            let (Some(task), Some(name)) =
                (task.file_name().to_str().map(str::to_owned), entry.file_name().to_str().map(str::to_owned))
            else {
                continue;
            };
            if entry.file_type()?.is_file() && !name.starts_with('.') {
                found.push((format!("{task}/{name}"), entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn append(tar: &mut tar::Builder<impl Write>, name: &str, path: &Path, now: Millis) -> io::Result<String> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut reading = Hashing { from: BufReader::new(file), hash: Sha256::new() };
    // One that shrinks meanwhile would spoil what follows it, and is noticed by the look through the archive.
    tar.append_data(&mut header(size, now), name, (&mut reading).take(size))?;
    Ok(crate::random::hex_of(&reading.hash.finalize()))
}

fn header(size: u64, now: Millis) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(now.div_euclid(1000)).unwrap_or(0));
    header
}

struct Hashing<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// Reads an archive through and holds it against what was written.
pub(super) fn check(file: &Path, manifest: &Manifest) -> Result<(), Error> {
    let found = read(file, None)?;
    if found != *manifest {
        refuse!(Damaged, "`{}` does not hold what was written; the backup was given up", file.display());
    }
    Ok(())
}

/// Reads an archive through, and unpacks it if a folder is named. Answers its manifest, which fits what was read.
///
/// # Errors
/// Refuses what is no backup, one of a newer program, and one that was changed or cut short.
pub(super) fn read(file: &Path, into: Option<&Path>) -> Result<Manifest, Error> {
    let shown = file.display();
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse!(Unknown, "`{shown}` is not there"),
        Err(error) => return Err(Fault::new(format!("`{shown}`: {error}")).into()),
    };
    if !opened.metadata()?.is_file() {
        refuse!(Invalid, "`{shown}` is no file; expected one that `{{program}} backup` has written");
    }
    let mut tar = tar::Archive::new(BufReader::new(opened));
    let (mut hashes, mut manifest) = (BTreeMap::new(), None);
    let unreadable = |error: io::Error| {
        Error::refused(
            crate::board::Reason::Damaged,
            format!("`{shown}` is no backup, or was cut short ({error}); nothing was changed"),
        )
    };
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        let Some(name) = place(&path).filter(|_| entry.header().entry_type().is_file()) else {
            refuse!(Damaged, "`{shown}` has `{}`, which is in no backup of ours; nothing was changed", path.display());
        };
        if name == MANIFEST {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(unreadable)?;
            let read: Manifest = serde_json::from_str(&text).map_err(|error| unreadable(error.into()))?;
            manifest = Some(read);
            continue;
        }
        let mut reading = Hashing { from: &mut entry, hash: Sha256::new() };
        match into {
            None => drop(io::copy(&mut reading, &mut io::sink()).map_err(unreadable)?),
            Some(folder) => unpack(&mut reading, &folder.join(&name)).map_err(unreadable)?,
        }
        hashes.insert(name, crate::random::hex_of(&reading.hash.finalize()));
    }
    let Some(manifest) = manifest else {
        refuse!(Damaged, "`{shown}` has no manifest: it is no backup, or was cut short; nothing was changed");
    };
    if manifest.format != FORMAT || manifest.schema > SCHEMA_VERSION {
        refuse!(
            NewerSchema,
            "`{shown}` was written by a newer kanban ({}, schema {}; this one knows {FORMAT}, schema {SCHEMA_VERSION}); nothing was changed; install the newer kanban",
            manifest.format,
            manifest.schema
        );
    }
    let named: Vec<String> =
        manifest.boards.iter().map(|slug| format!("boards/{slug}/{}", crate::board::FILE)).collect();
    let mut held = hashes.keys().filter(|name| name.split('/').count() == 3);
    if !named.contains(&format!("boards/{}/{}", manifest.current, crate::board::FILE))
        || named.iter().any(|name| !hashes.contains_key(name))
        || held.any(|name| !named.contains(name))
    {
        refuse!(Damaged, "`{shown}` does not hold the boards that it names; nothing was changed");
    }
    if manifest.files != hashes {
        let wrong = manifest.files.iter().find(|(name, hash)| hashes.get(*name) != Some(*hash));
        let name = wrong.map_or_else(|| "a file too many".to_owned(), |(name, _)| format!("`{name}`"));
        refuse!(Damaged, "`{shown}` was changed since it was written: {name} is not what it was; nothing was changed");
    }
    Ok(manifest)
}

/// The name of an entry, if it is one that a backup has: nothing leads out of the folder that it is unpacked in.
fn place(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        })
        .collect();
    let parts = parts?;
    let is_known = match parts.as_slice() {
        [name] => *name == MANIFEST,
        ["boards", slug, name] => slug.parse::<BoardSlug>().is_ok() && *name == crate::board::FILE,
        ["boards", slug, "attachments", _, _] => slug.parse::<BoardSlug>().is_ok(),
        _ => false,
    };
    is_known.then(|| parts.join("/"))
}

fn unpack(from: &mut impl Read, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(folder) = to.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to)?;
    io::copy(from, &mut file)?;
    file.sync_all()
}
