//! All boards of a home: a folder each, the default one always there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Mutex;

use crate::{
    board::{
        Board, FILE,
        db::Wake,
        error::{Error, Fault, Reason, refuse},
        id::BoardSlug,
        schema,
    },
    clock::Millis,
};

/// Opens boards when they are first asked for, and keeps them open.
#[derive(Clone)]
pub struct Boards {
    home: PathBuf,
    wake: Arc<Wake>,
    open: Arc<Mutex<BTreeMap<BoardSlug, Board>>>,
    leaving: Leaving,
    /// Whether this process leaves, and opens no board any more.
    over: Arc<AtomicBool>,
}

/// Boards that are being taken off the shelf. Their files are still there while they are closed, and whoever opened
/// them anew would keep a board whose files have gone elsewhere.
type Leaving = Arc<std::sync::Mutex<BTreeSet<BoardSlug>>>;

impl Boards {
    pub fn new(home: &Path, wake: Arc<Wake>) -> Self {
        Self { home: home.to_owned(), wake, open: Arc::default(), leaving: Arc::default(), over: Arc::default() }
    }

    pub fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The board of this name.
    ///
    /// # Errors
    /// Refuses a name that no board has; the default board is made when it is missing.
    pub async fn get(&self, slug: &BoardSlug) -> Result<Board, Error> {
        let mut open = self.open.lock().await;
        self.require_open()?;
        // A board that was found damaged is closed: it is looked at anew, as it may have been replaced by a backup.
        if let Some(board) = open.get(slug).filter(|board| !board.is_closed()) {
            return Ok(board.clone());
        }
        if *slug != BoardSlug::default() && (self.is_leaving(slug) || !self.folder(slug).join(FILE).exists()) {
            return Err(unknown_board(slug));
        }
        let board = Board::open(&self.folder(slug), slug.clone(), Arc::clone(&self.wake)).await?;
        open.insert(slug.clone(), board.clone());
        Ok(board)
    }

    /// Whether a board is there and of the present version, so that opening it changes nothing.
    ///
    /// # Errors
    /// Refuses a board that a newer program has written, and a damaged one.
    pub async fn is_current(&self, slug: &BoardSlug) -> Result<bool, Error> {
        let file = self.folder(slug).join(FILE);
        if !file.exists() {
            return Ok(false);
        }
        schema::is_current_file(&file).await
    }

    /// Makes a board. Answers it, and whether it is new.
    pub async fn create(&self, slug: &BoardSlug, now: Millis) -> Result<(Board, bool), Error> {
        let mut open = self.open.lock().await;
        self.require_open()?;
        if let Some(board) = open.get(slug).filter(|board| !board.is_closed()) {
            return Ok((board.clone(), false));
        }
        if self.is_leaving(slug) {
            refuse!(Busy, "board '{slug}' is just being removed; type the same command again");
        }
        let is_new = !self.folder(slug).join(FILE).exists();
        let board = Board::open(&self.folder(slug), slug.clone(), Arc::clone(&self.wake)).await?;
        if is_new {
            let mut tx = board.write().await?;
            tx.set_meta("created_at", Some(&now.to_string())).await?;
            tx.commit().await?;
        }
        open.insert(slug.clone(), board.clone());
        Ok((board, is_new))
    }

    /// The names of all boards, the default one first.
    pub fn names(&self) -> Result<Vec<BoardSlug>, Error> {
        let mut names = vec![BoardSlug::default()];
        let entries = match fs::read_dir(self.home.join("boards")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let slug = entry.file_name().to_str().and_then(|name| name.parse::<BoardSlug>().ok());
            if let Some(slug) = slug.filter(|slug| *slug != BoardSlug::default() && entry.path().join(FILE).exists()) {
                names.push(slug);
            }
        }
        names[1..].sort();
        Ok(names)
    }

    /// All boards that can be opened, the default one first. One that is damaged holds up no other; its fault is told
    /// where it is dispatched, by `boards list` and by `doctor`.
    pub async fn all(&self) -> Result<Vec<Board>, Error> {
        let mut boards = Vec::new();
        for name in self.names()? {
            if let Ok(board) = self.get(&name).await {
                boards.push(board);
            }
        }
        Ok(boards)
    }

    /// Takes a board off the shelf: set aside under `boards/_archived`, or deleted for good.
    /// Answers where it went to.
    pub async fn remove(&self, slug: &BoardSlug, delete: bool, now: Millis) -> Result<Option<PathBuf>, Error> {
        if *slug == BoardSlug::default() {
            refuse!(
                Invalid,
                "the 'default' board cannot be removed: it is meant where no board is named; `{{program}} --board {slug} archive ID…` puts its tasks out of sight"
            );
        }
        let board = self.get(slug).await?;
        let mut tx = board.read().await?;
        let open = tx.open_runs().await?;
        drop(tx);
        if let Some(run) = open.first() {
            refuse!(
                Busy,
                "board '{slug}' has {} open run(s), first of {}; `{{program}} --board {slug} cancel {}` ends it",
                open.len(),
                run.task_id,
                run.task_id
            );
        }
        let leave = {
            let mut open = self.open.lock().await;
            open.remove(slug);
            Leave::begin(&self.leaving, slug)
        };
        let Some(_leave) = leave else { return Err(unknown_board(slug)) };
        board.close().await;
        if self.current()? == *slug {
            self.set_current(&BoardSlug::default())?;
        }
        if delete {
            fs::remove_dir_all(self.folder(slug))?;
            return Ok(None);
        }
        let archive = self.home.join("boards").join("_archived");
        fs::create_dir_all(&archive)?;
        let target = archive.join(format!("{slug}-{}", now.div_euclid(1000)));
        fs::rename(self.folder(slug), &target)?;
        Ok(Some(target))
    }

    /// The board that the command line means when it names none.
    pub fn current(&self) -> Result<BoardSlug, Error> {
        match fs::read_to_string(self.home.join("current")) {
            Ok(text) => {
                let slug = text.trim().parse().unwrap_or_default();
                Ok(if self.folder(&slug).join(FILE).exists() { slug } else { BoardSlug::default() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BoardSlug::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Written beside and renamed, so that a crash leaves the old name or the new one.
    pub fn set_current(&self, slug: &BoardSlug) -> Result<(), Error> {
        let draft = self.home.join(format!("current.{}", crate::random::hex::<4>()));
        fs::write(&draft, format!("{slug}\n"))?;
        fs::rename(&draft, self.home.join("current")).map_err(Fault::from)?;
        Ok(())
    }

    /// Lets go of every file.
    pub async fn close(&self) {
        let open = std::mem::take(&mut *self.open.lock().await);
        for (_, board) in open {
            board.close().await;
        }
    }

    /// Lets go of every file for good: this process leaves. Whoever comes too late changes nothing, and [`Boards::is_over`].
    pub async fn retire(&self) {
        self.over.store(true, Ordering::Release);
        self.close().await;
    }

    /// Whether this process leaves: what a board refuses from then on is for the next one.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn require_open(&self) -> Result<(), Fault> {
        if self.is_over() { Err(Fault::closed()) } else { Ok(()) }
    }

    fn folder(&self, slug: &BoardSlug) -> PathBuf {
        self.home.join("boards").join(slug.as_str())
    }

    fn is_leaving(&self, slug: &BoardSlug) -> bool {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).contains(slug)
    }
}

/// Keeps a board from being opened until its files are gone, or until taking it away has failed.
struct Leave {
    leaving: Leaving,
    slug: BoardSlug,
}

impl Leave {
    /// None where somebody else is taking the board away.
    fn begin(leaving: &Leaving, slug: &BoardSlug) -> Option<Self> {
        let is_first = leaving.lock().unwrap_or_else(PoisonError::into_inner).insert(slug.clone());
        is_first.then(|| Self { leaving: Arc::clone(leaving), slug: slug.clone() })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.slug);
    }
}

/// The refusal of a name that no board has.
pub(crate) fn unknown_board(slug: &BoardSlug) -> Error {
    Error::refused(
        Reason::UnknownBoard,
        format!("board '{slug}' does not exist; create it with `{{program}} boards create {slug}`"),
    )
}
