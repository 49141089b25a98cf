//! Finding the boards of another system, and taking a copy of each that holds together while somebody may write to it.
//!
//! A database in WAL mode cannot be opened, not even to be read, without files beside it being made or written. So its bytes
//! are copied, and the copy is opened. In WAL mode that is whole if the log did not begin anew meanwhile, since then whatever
//! was written into the database was still in the log; otherwise, if nothing was written meanwhile. SQLite reads the source
//! itself only where somebody writes to it all the time.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{about, unusable};
use crate::board::{BoardSlug, Error, Fault, error::refuse};

/// A board of another system.
pub(super) struct Source {
    /// The board here that it goes to.
    pub(super) slug: BoardSlug,
    pub(super) file: PathBuf,
    /// The folders below which its attached files may lie.
    pub(super) attachments: Vec<PathBuf>,
    /// What it says of itself, beside its file.
    pub(super) about: Option<PathBuf>,
}

pub(super) struct Found {
    pub(super) boards: Vec<Source>,
    /// Boards that are left where they are, and why.
    pub(super) left_out: Vec<(String, String)>,
}

const FILE: &str = "kanban.db";

/// The boards of a home, or the one of a file. `asked` names the one that is meant, or where a single one goes to.
pub(super) fn find(from: &Path, home: &Path, asked: Option<&BoardSlug>) -> Result<Found, Error> {
    let shown = from.display();
    let metadata = match fs::metadata(from) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse!(
            Unknown,
            "`{shown}` is not there; expected the home of Hermes or the file of a board, as in `{{program}} import hermes ~/.hermes`"
        ),
        Err(error) => return Err(about(from, &error)),
    };
    let is_ours = |path: &Path| match (fs::canonicalize(path), fs::canonicalize(home)) {
        (Ok(path), Ok(home)) => path.starts_with(home),
        _ => false,
    };
    if is_ours(from) {
        refuse!(
            Invalid,
            "`{shown}` is in the home of this gateway, whose boards are here already; nothing was changed"
        );
    }
    if metadata.is_file() {
        return Ok(Found { boards: vec![single(from, asked)], left_out: Vec::new() });
    }
    if !metadata.is_dir() {
        refuse!(Invalid, "`{shown}` is neither a directory nor a file; nothing was changed");
    }
    let mut found = boards_of(from)?;
    if found.boards.is_empty() {
        refuse!(
            Unknown,
            "no board is in `{shown}`: neither `{FILE}` nor `kanban/boards/NAME/{FILE}`; nothing was changed"
        );
    }
    if let Some(asked) = asked {
        let names: Vec<_> = found.boards.iter().map(|source| source.slug.to_string()).collect();
        match found.boards.iter().position(|source| source.slug == *asked) {
            Some(at) => found.boards = vec![found.boards.swap_remove(at)],
            None if found.boards.len() == 1 => found.boards[0].slug = asked.clone(),
            None => refuse!(
                UnknownBoard,
                "`{shown}` has the boards {}, and '{asked}' is none of them; to bring one of them in under that name, give its file",
                names.join(", ")
            ),
        }
        found.left_out.clear();
    }
    Ok(found)
}

fn single(file: &Path, asked: Option<&BoardSlug>) -> Source {
    let folder = file.parent().unwrap_or(Path::new("."));
    let is_named = folder.parent().is_some_and(|above| above.ends_with("kanban/boards"));
    let named =
        folder.file_name().and_then(|name| name.to_str()).filter(|_| is_named).and_then(|name| name.parse().ok());
    Source {
        slug: asked.cloned().or(named).unwrap_or_default(),
        file: file.to_owned(),
        attachments: vec![folder.join("attachments"), folder.join("kanban/attachments")],
        about: Some(folder.join("board.json")),
    }
}

fn boards_of(home: &Path) -> Result<Found, Error> {
    let mut found = Found { boards: Vec::new(), left_out: Vec::new() };
    if home.join(FILE).is_file() {
        found.boards.push(single(&home.join(FILE), None));
    }
    let shelf = home.join("kanban/boards");
    let entries = match fs::read_dir(&shelf) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(found);
        }
        Err(error) => return Err(about(&shelf, &error)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        folders.push(entry?.path());
    }
    folders.sort();
    for folder in folders {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name == "_archived" {
            for archived in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = format!("{name}/{}", archived.file_name().to_string_lossy());
                found.left_out.push((name, "it was archived there; its file can be given by itself".to_owned()));
            }
            continue;
        }
        if !folder.join(FILE).is_file() {
            continue;
        }
        match name.parse::<BoardSlug>() {
            Ok(slug) if found.boards.iter().any(|source| source.slug == slug) => {
                found.left_out.push((name, "another board of that home has the same name".to_owned()));
            }
            Ok(slug) => found.boards.push(Source { slug, ..single(&folder.join(FILE), None) }),
            Err(_) => found.left_out.push((name, "its name cannot be that of a board".to_owned())),
        }
    }
    Ok(found)
}

/// A copy of a board's file, open.
pub(super) struct Copy {
    pub(super) conn: SqliteConnection,
}

/// How often a copy is tried that somebody writes into, and the wait between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// How long a lock of somebody who writes is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

impl Copy {
    pub(super) async fn take(source: &Source, folder: &Path) -> Result<Self, Error> {
        let file = &source.file;
        let copy = folder.join("copy.db");
        let mut tries = 0;
        while !copied(file, &copy)? {
            tries += 1;
            if tries == TRIES {
                read_among_writers(file, &copy).await?;
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let options = SqliteConnectOptions::new()
            .filename(&copy)
            .create_if_missing(false)
            .pragma("trusted_schema", "off")
            .pragma("cell_size_check", "on");
        let opened = async {
            let mut conn = SqliteConnection::connect_with(&options).await?;
            let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(1)").fetch_all(&mut conn).await?;
            let (encoding,): (String,) = sqlx::query_as("PRAGMA encoding").fetch_one(&mut conn).await?;
            sqlx::raw_sql("PRAGMA query_only = on").execute(&mut conn).await?;
            Ok::<_, sqlx::Error>((conn, found, encoding))
        };
        let (conn, found, encoding) = match opened.await.map_err(Fault::from) {
            Ok(opened) => opened,
            Err(fault) if fault.damaged => return Err(unusable(format!("it is damaged ({fault})"))),
            Err(fault) => return Err(fault.into()),
        };
        if let Some((problem,)) = found.iter().find(|(found,)| found != "ok") {
            return Err(unusable(format!("it is damaged ({})", problem.trim())));
        }
        if encoding != "UTF-8" {
            return Err(unusable(format!("its text is in {encoding}, and that of a board is in UTF-8")));
        }
        Ok(Self { conn })
    }

    pub(super) async fn close(self) {
        // It is removed anyway.
        let _ = self.conn.close().await;
    }
}

/// Copies a database by SQLite itself, which a writer that never rests cannot hold up. Where there is one, the files beside
/// the database are there and change all the time, and the database and its log are only read.
async fn read_among_writers(file: &Path, copy: &Path) -> Result<(), Error> {
    clear(copy)?;
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(PATIENCE);
    let copying = async {
        let mut conn = SqliteConnection::connect_with(&options).await?;
        sqlx::query("VACUUM INTO $1").bind(copy.display().to_string()).execute(&mut conn).await?;
        conn.close().await
    };
    match copying.await.map_err(Fault::from) {
        Ok(()) => Ok(()),
        Err(fault) => refuse!(
            Busy,
            "`{}` is written to without a pause, and no copy of it could be made ({fault}); stop what writes to it and try again",
            file.display()
        ),
    }
}

/// What shows whether somebody has written to a database meanwhile.
#[derive(PartialEq, Eq)]
struct Seen {
    database: Stamp,
    journal: Option<Stamp>,
    log: Vec<u8>,
    log_length: u64,
}

#[derive(PartialEq, Eq)]
struct Stamp {
    number: u64,
    length: u64,
    written: (i64, i64),
}

impl Seen {
    fn of(file: &Path) -> Result<Self, Error> {
        let stamp = |metadata: fs::Metadata| Stamp {
            number: metadata.ino(),
            length: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
        };
        let log = beside(file, "-wal");
        let mut head = vec![0; 32];
        let (head, log_length) = match File::open(&log) {
            Ok(mut log) => match log.read_exact(&mut head) {
                Ok(()) => (head, log.metadata()?.len()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => (Vec::new(), 0),
                Err(error) => return Err(error.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Vec::new(), 0),
            Err(error) => return Err(about(&log, &error)),
        };
        let database = stamp(fs::metadata(file).map_err(|error| about(file, &error))?);
        let journal = fs::metadata(beside(file, "-journal")).ok().map(stamp);
        Ok(Self { database, journal, log: head, log_length })
    }
}

/// Copies a database with what lies beside it. Answers whether the copy holds together.
fn copied(file: &Path, copy: &Path) -> Result<bool, Error> {
    clear(copy)?;
    let before = Seen::of(file)?;
    let mut head = Vec::new();
    open(file)?.take(100).read_to_end(&mut head)?;
    check_head(&head)?;
    let first = copy_bytes(file, Some(copy))?;
    let is_logged = head.get(18) == Some(&2) && !before.log.is_empty();
    if is_logged {
        copy_bytes(&beside(file, "-wal"), Some(&beside(copy, "-wal")))?;
        let after = Seen::of(file)?;
        return Ok(after.log == before.log && after.log_length >= before.log_length && after.journal == before.journal);
    }
    if before.journal.is_some() {
        copy_bytes(&beside(file, "-journal"), Some(&beside(copy, "-journal")))?;
    }
    // The system's clock may be too coarse to show two writes that follow one another.
    let again = copy_bytes(file, None)?;
    Ok(first == again && Seen::of(file)? == before)
}

fn clear(copy: &Path) -> Result<(), Error> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(copy, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn check_head(head: &[u8]) -> Result<(), Error> {
    if head.is_empty() {
        return Err(unusable("it is empty"));
    }
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(unusable("it is no database"));
    }
    if head.len() < 100 {
        return Err(unusable("it is cut short"));
    }
    if head[68..72] == *b"KNBN" {
        return Err(unusable("it is a board of ours already, and a backup of it is put back with `kanban restore`"));
    }
    Ok(())
}

/// Opens a regular file; nothing else may hold us up.
fn open(file: &Path) -> Result<File, Error> {
    let opened = fs::OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(file);
    let opened = opened.map_err(|error| about(file, &error))?;
    if !opened.metadata()?.is_file() {
        return Err(unusable("it is no regular file"));
    }
    Ok(opened)
}

/// Reads a file through, into a copy if one is wanted. Answers what it says, in short.
fn copy_bytes(file: &Path, copy: Option<&Path>) -> Result<[u8; 32], Error> {
    let mut from = open(file)?;
    let mut to = match copy {
        Some(copy) => Some(fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(copy)?),
        None => None,
    };
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        let read = from.read(&mut block).map_err(|error| about(file, &error))?;
        if read == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&block[..read]);
        if let Some(to) = &mut to {
            to.write_all(&block[..read])?;
        }
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
