//! Moving in from another system, and out: its boards are read as they are, whatever their age, and left as they are.
//!
//! `source` finds the boards and takes a copy of each that holds together, `table` reads it without trusting its schema,
//! `hermes` and `history` mend row by row what does not fit, and `taking` puts it all down in one transaction of ours. `leaving` is the
//! way out.

mod files;
mod hermes;
mod history;
mod leaving;
mod mend;
mod report;
mod source;
mod table;
mod taking;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    board::{Board, BoardSlug, Boards, Error, Fault, Reason, Wake, error::refuse},
    clock::Millis,
};

pub use leaving::{Left, dump, to_hermes, write};
pub use report::{BoardReport, Count, Failed, Report};

/// What is asked of an import.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// A home, or the file of one board.
    pub from: PathBuf,
    /// The board that it goes to, or that alone is meant.
    pub board: Option<BoardSlug>,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Take over again what has changed there, where nothing was done about it here.
    pub update: bool,
}

/// Brings in the boards of a Hermes home. Each is one transaction: it is here as a whole, or not at all. One that cannot be
/// brought in is told in the report, and the others go on.
///
/// `step` hears of every statement that has been carried out, by the table that it was about.
///
/// # Errors
/// Refuses a place without a board of Hermes; then nothing was changed.
pub async fn hermes(
    boards: &Boards,
    order: &Order,
    now: Millis,
    step: &mut (dyn FnMut(&str) + Send),
) -> Result<Report, Error> {
    let found = source::find(&order.from, boards.home(), order.board.as_ref())?;
    let desk = Desk::open(boards.home())?;
    let mut report = Report { dry_run: order.dry_run, ..Report::default() };
    for (name, why) in &found.left_out {
        report.left_out.push((name.clone(), why.clone()));
    }
    for (at, source) in found.boards.iter().enumerate() {
        match bring(boards, source, order, &desk.folder(at)?, now, step).await {
            Ok(board) => report.boards.push(board),
            Err(error) => {
                if let Error::Fault(fault) = &error {
                    tracing::error!(error = %fault, "a board could not be brought in");
                }
                let (slug, from) = (source.slug.clone(), source.file.clone());
                report.failed.push(Failed { slug, from, why: error.to_string() });
            }
        }
    }
    Ok(report)
}

/// Brings in one board.
async fn bring(
    boards: &Boards,
    source: &source::Source,
    order: &Order,
    folder: &Path,
    now: Millis,
    step: &mut (dyn FnMut(&str) + Send),
) -> Result<BoardReport, Error> {
    let mut count = report::Tables::default();
    let mut copy = source::Copy::take(source, folder).await?;
    let load = hermes::read(&mut copy, now, &mut count).await?;
    copy.close().await;
    let board = target(boards, source, order, folder, now).await?;
    let task = taking::Taking { source, load: &load, order, now };
    let ready = taking::take(&board, &task, &mut count, step).await?;
    Ok(BoardReport { slug: source.slug.clone(), from: source.file.clone(), tables: count.into_counts(), ready })
}

/// The board that a source goes to. Where nothing may be changed, one that is not there yet is made elsewhere.
async fn target(
    boards: &Boards,
    source: &source::Source,
    order: &Order,
    folder: &Path,
    now: Millis,
) -> Result<Board, Error> {
    if !order.dry_run {
        return Ok(boards.create(&source.slug, now).await?.0);
    }
    if boards.names()?.contains(&source.slug) && boards.is_current(&source.slug).await? {
        return boards.get(&source.slug).await;
    }
    Board::open(&folder.join("trial"), source.slug.clone(), std::sync::Arc::new(Wake::default())).await
}

/// Where copies lie while they are read: one import of a home at a time.
struct Desk {
    folder: PathBuf,
    _lock: fs::File,
}

impl Desk {
    fn open(home: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::OpenOptionsExt;
        let lock = home.join("import.lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                refuse!(Busy, "another import is under way in `{}`; try again when it is done", home.display())
            }
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let folder = home.join("import");
        // One that was killed has left its copies behind.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { folder, _lock: file })
    }

    fn folder(&self, number: usize) -> Result<PathBuf, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = self.folder.join(number.to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(folder)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What stays is removed by the next import.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The refusal of a file that cannot be taken in. The report names the file.
fn unusable(why: impl Into<String>) -> Error {
    Error::refused(Reason::Damaged, why)
}

/// A fault with the file that it was about.
fn about(file: &Path, error: &std::io::Error) -> Error {
    Fault::new(format!("`{}`: {error}", file.display())).into()
}
