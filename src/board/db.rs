//! The database of one board: a snapshot to read from, and one line of writers that share commits.
//!
//! Only SQLite is built today. Statements are constants that PostgreSQL takes as well, and `sql!` is the one place that
//! names a driver, so a second database is a variant of [`Conn`] and of [`Db`].

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, Notify, OnceCell, OwnedMutexGuard, oneshot, watch};

use crate::board::{
    error::{Error, Fault},
    id::BoardSlug,
    readers::{Readers, Snapshot},
    schema::{self, Header},
    turn::{Turn, Turns},
};

/// A connection to a database of a kind that is built in.
pub(crate) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
}

/// `sql!(tx, NAME, a, b; fetch_one)` binds `a`, `b` and fetches; `; execute` answers how many rows it changed.
///
/// A failed statement ends its transaction: it takes no further one, and nothing of it is kept.
macro_rules! sql {
    ($tx:expr, $name:expr $(, $arg:expr)* ; execute) => {{
        let result = match $tx.conn()? {
            $crate::board::db::Conn::Sqlite(conn) => sqlx::query($name)$(.bind($arg))*.execute(conn).await,
        };
        match result {
            Ok(done) => done.rows_affected(),
            Err(error) => return Err($tx.failed(error).into()),
        }
    }};
    ($tx:expr, $name:expr $(, $arg:expr)* ; $fetch:ident) => {{
        let result = match $tx.conn()? {
            $crate::board::db::Conn::Sqlite(conn) => sqlx::query_as($name)$(.bind($arg))*.$fetch(conn).await,
        };
        match result {
            Ok(rows) => rows,
            Err(error) => return Err($tx.failed(error).into()),
        }
    }};
}
pub(crate) use sql;

/// Tells the rest of the process what a commit brought.
#[derive(Debug, Default)]
pub struct Wake {
    /// Something may be ready to start, or a run has ended.
    pub dispatcher: Notify,
    /// A thread is owed a post.
    pub notifier: Notify,
    /// A message waits for a thread's agent, a turn is over, or one is to be ended.
    pub lanes: Notify,
    /// Counts commits, for whoever waits until something has become true.
    pub commits: watch::Sender<u64>,
}

/// What the transactions of one commit brought.
#[derive(Clone, Copy, Default)]
struct News {
    tasks: bool,
    deliveries: bool,
    turns: bool,
}

/// How many transactions may wait for one commit: enough to hide the disk, few enough to stay within milliseconds.
const BATCH: usize = 64;

#[derive(Clone)]
pub(crate) struct Db {
    options: SqliteConnectOptions,
    readers: Arc<Readers>,
    writers: Arc<OnceCell<Arc<Writers>>>,
    turns: Turns,
    wake: Arc<Wake>,
    /// Drawn when the board was made; begins the delivery keys of the board.
    uid: Arc<str>,
    slug: Arc<BoardSlug>,
}

impl Db {
    /// Opens a board's file. Answers also what it says of itself, which the caller has to judge.
    pub(crate) async fn open(
        file: &Path,
        slug: &BoardSlug,
        turns: Turns,
        wake: Arc<Wake>,
    ) -> Result<(Self, Header), Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30))
            .synchronous(SqliteSynchronous::Full)
            .pragma("trusted_schema", "off")
            .pragma("cell_size_check", "on")
            .pragma("journal_size_limit", "67108864");
        let readers = Readers::new(options.clone());
        match identity(&readers).await {
            Ok((uid, header)) => {
                let (uid, slug) = (uid.into(), Arc::new(slug.clone()));
                Ok((Self { options, readers, writers: Arc::default(), turns, wake, uid, slug }, header))
            }
            Err(fault) => {
                readers.close().await;
                Err(fault.into())
            }
        }
    }

    /// A snapshot to read from.
    pub(crate) async fn read(&self) -> Result<Tx, Error> {
        let snapshot = self.readers.begin().await?;
        Ok(self.tx(Place::Reading(snapshot)))
    }

    /// A transaction that holds the board's one write lock.
    ///
    /// Writers queue up in order. Whoever finds others waiting behind it leaves the commit to them, so that a burst of
    /// commands pays for the disk once; [`Tx::commit`] answers when the shared commit is durable.
    pub(crate) async fn write(&self) -> Result<Tx, Error> {
        let writers = self.writers().await?;
        let ticket = Ticket::draw(writers);
        let line = Arc::clone(&writers.line).lock_owned().await;
        ticket.redeem();
        let mut tx = self.tx(Place::Writing { line: Some(line), writers: Arc::clone(writers), undo: Undo::Nothing });
        tx.begin(&self.turns).await?;
        Ok(tx)
    }

    fn tx(&self, place: Place) -> Tx {
        Tx { place, failed: false, news: News::default(), uid: Arc::clone(&self.uid), slug: Arc::clone(&self.slug) }
    }

    /// A number that changes when another process has written: the slow check behind in-process wake-ups.
    ///
    /// It belongs to the writing connection, whose own changes do not count.
    pub(crate) async fn data_version(&self) -> Result<i64, Error> {
        let mut line = self.writers().await?.line.lock().await;
        let (version,): (i64,) =
            sqlx::query_as("PRAGMA data_version").fetch_one(line.conn()?).await.map_err(Fault::from)?;
        Ok(version)
    }

    async fn writers(&self) -> Result<&Arc<Writers>, Fault> {
        if self.is_closed() {
            return Err(Fault::closed());
        }
        self.writers
            .get_or_try_init(|| async {
                let conn = SqliteConnection::connect_with(&self.options).await?;
                Ok(Arc::new(Writers {
                    line: Arc::new(Mutex::new(Line {
                        conn: Some(conn),
                        turn: None,
                        state: State::Closed,
                        waiting_for_commit: Vec::new(),
                        news: News::default(),
                    })),
                    queued: AtomicUsize::new(0),
                    wake: Arc::clone(&self.wake),
                }))
            })
            .await
    }

    /// What SQLite finds wrong with the file; nothing when all is well.
    pub(crate) async fn quick_check(&self) -> Result<Vec<String>, Error> {
        let rows = async {
            let mut snapshot = self.readers.begin().await?;
            let rows: Vec<(String,)> = sqlx::query_as("PRAGMA quick_check(10)").fetch_all(snapshot.conn()).await?;
            Ok::<_, Fault>(rows)
        };
        match rows.await {
            Ok(rows) => Ok(rows.into_iter().map(|(row,)| row).filter(|row| row != "ok").collect()),
            Err(fault) if fault.damaged => Ok(vec![fault.to_string()]),
            Err(fault) => Err(fault.into()),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.readers.is_closed()
    }

    /// Commits what is open and lets go of the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        let Some(writers) = self.writers.get() else { return };
        let mut line = writers.line.lock().await;
        line.finish(&writers.wake).await;
        if let Some(conn) = line.conn.take() {
            // Its last act, moving the log into the file, is done again at the next opening if it fails.
            let _ = conn.close().await;
        }
    }
}

/// The name that was drawn for a board, and what its file says of itself.
async fn identity(readers: &Arc<Readers>) -> Result<(String, Header), Fault> {
    let statement = "SELECT value, (SELECT application_id FROM pragma_application_id), \
        (SELECT user_version FROM pragma_user_version), sqlite_version() FROM meta WHERE key = 'uid'";
    let mut snapshot = readers.begin().await?;
    let (uid, application, version, sqlite): (String, i64, i64, String) =
        sqlx::query_as(statement).fetch_one(snapshot.conn()).await?;
    schema::check_library(&sqlite)?;
    Ok((uid, Header { application, version }))
}

struct Writers {
    line: Arc<Mutex<Line>>,
    /// How many callers wait for the line: while there are any, a commit may be left to them.
    queued: AtomicUsize,
    wake: Arc<Wake>,
}

/// The one writing connection, and the transactions that wait for its next commit.
struct Line {
    /// None once the board is closed.
    conn: Option<SqliteConnection>,
    /// Held while a database transaction is open.
    turn: Option<Turn>,
    state: State,
    waiting_for_commit: Vec<oneshot::Sender<Result<(), Fault>>>,
    news: News,
}

#[derive(Clone, Copy)]
enum State {
    Closed,
    /// A database transaction is open; those who are done with their part wait for its commit.
    Open,
    /// The last holder was dropped in mid-work; its part must be undone before anything else.
    Abandoned {
        joined: bool,
    },
    /// What is open, if anything is, must be undone as a whole, and those who wait are told.
    Broken,
}

impl Line {
    fn conn(&mut self) -> Result<&mut SqliteConnection, Fault> {
        self.conn.as_mut().ok_or_else(Fault::closed)
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Fault> {
        sqlx::query(statement).execute(self.conn()?).await.map(|_| ()).map_err(Fault::from)
    }

    /// Undoes what a dropped or failed holder left open. May itself be dropped half-way: it is begun again then.
    async fn recover(&mut self) {
        if let State::Abandoned { joined } = self.state {
            // Only when the database has rolled everything back by itself is there no such savepoint.
            self.state = if joined && self.run("ROLLBACK TO one").await.is_ok() { State::Open } else { State::Broken };
        }
        if let State::Broken = self.state {
            // After some failures SQLite has rolled back by itself, and then this statement fails harmlessly.
            let _ = self.run("ROLLBACK").await;
            self.state = State::Closed;
            self.turn = None;
            self.news = News::default();
            for waiter in self.waiting_for_commit.drain(..) {
                let _ = waiter.send(Err(Fault::shared()));
            }
        }
    }

    /// Brings everything that was begun to its end.
    async fn finish(&mut self, wake: &Wake) {
        self.recover().await;
        if matches!(self.state, State::Open) {
            self.settle(wake).await;
        }
    }

    /// Commits what is open and tells everybody who waits for it.
    async fn settle(&mut self, wake: &Wake) {
        match self.run("COMMIT").await {
            Ok(()) => {
                self.state = State::Closed;
                self.turn = None;
                let news = std::mem::take(&mut self.news);
                for waiter in self.waiting_for_commit.drain(..) {
                    let _ = waiter.send(Ok(()));
                }
                if news.tasks {
                    wake.dispatcher.notify_one();
                }
                if news.deliveries {
                    wake.notifier.notify_one();
                }
                if news.turns {
                    wake.lanes.notify_one();
                }
                wake.commits.send_modify(|commits| *commits += 1);
            }
            Err(fault) => {
                for waiter in self.waiting_for_commit.drain(..) {
                    let _ = waiter.send(Err(fault.clone()));
                }
                self.state = State::Broken;
                self.recover().await;
            }
        }
    }
}

/// A place in the queue of writers. Whoever leaves the queue without having been served must not leave a commit undone
/// that an earlier writer had entrusted to it.
struct Ticket {
    writers: Arc<Writers>,
    redeemed: bool,
}

impl Ticket {
    fn draw(writers: &Arc<Writers>) -> Self {
        writers.queued.fetch_add(1, Ordering::SeqCst);
        Self { writers: Arc::clone(writers), redeemed: false }
    }

    fn redeem(mut self) {
        self.redeemed = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.writers.queued.fetch_sub(1, Ordering::SeqCst);
        if !self.redeemed {
            finish_in_background(&self.writers);
        }
    }
}

/// Sees to it that nothing stays open when nobody is left who would close it.
fn finish_in_background(writers: &Arc<Writers>) {
    let writers = Arc::clone(writers);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            writers.line.lock().await.finish(&writers.wake).await;
        });
    }
}

/// A transaction: every operation of the board is a method on it. Dropped without [`Tx::commit`], it changes nothing.
#[clippy::has_significant_drop]
pub struct Tx {
    place: Place,
    /// A statement failed: nothing of this transaction will be kept.
    failed: bool,
    news: News,
    uid: Arc<str>,
    slug: Arc<BoardSlug>,
}

enum Place {
    Reading(Snapshot),
    Writing { line: Option<OwnedMutexGuard<Line>>, writers: Arc<Writers>, undo: Undo },
}

/// What takes back the work of one writer.
#[derive(Clone, Copy)]
enum Undo {
    /// It has not begun.
    Nothing,
    Savepoint,
    Transaction,
}

impl Tx {
    /// Opens a database transaction, or joins the one whose commit an earlier writer has left to this one.
    async fn begin(&mut self, turns: &Turns) -> Result<(), Fault> {
        let Place::Writing { line: Some(line), undo, .. } = &mut self.place else { return Ok(()) };
        line.recover().await;
        if matches!(line.state, State::Open) {
            line.run("SAVEPOINT one").await?;
            *undo = Undo::Savepoint;
        } else {
            line.turn = Some(turns.wait().await?);
            // Whoever drops this future does not know whether the transaction was opened; a rollback is right for both.
            line.state = State::Broken;
            line.run("BEGIN IMMEDIATE").await?;
            line.state = State::Open;
            *undo = Undo::Transaction;
        }
        Ok(())
    }

    pub(crate) fn conn(&mut self) -> Result<Conn<'_>, Fault> {
        if self.failed {
            return Err(Fault::failed());
        }
        match &mut self.place {
            Place::Reading(snapshot) => Ok(Conn::Sqlite(snapshot.conn())),
            Place::Writing { line, .. } => {
                line.as_mut().expect("the line is held until the end").conn().map(Conn::Sqlite)
            }
        }
    }

    /// The name of the board.
    pub fn slug(&self) -> &BoardSlug {
        &self.slug
    }

    /// The key of a delivery, unique over all boards that ever were.
    pub(crate) fn delivery_key(&self, id: i64) -> String {
        format!("{}-{id}", self.uid)
    }

    /// The number in a key that [`Tx::delivery_key`] has made.
    pub(crate) fn delivery_id(&self, key: &str) -> i64 {
        key.rsplit_once('-').and_then(|(_, id)| id.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn failed(&mut self, error: sqlx::Error) -> Fault {
        self.failed = true;
        Fault::from(error)
    }

    /// The dispatcher should look at the board once this is committed.
    pub(crate) fn wakes_dispatcher(&mut self) {
        self.news.tasks = true;
    }

    /// The lanes should be looked at once this is committed.
    pub(crate) fn wakes_lanes(&mut self) {
        self.news.turns = true;
    }

    /// The notifier should look at the board once this is committed.
    pub(crate) fn wakes_notifier(&mut self) {
        self.news.deliveries = true;
    }

    /// Makes the changes durable. An error means that none of them was kept.
    ///
    /// Dropping this future does not take the commit back.
    pub async fn commit(mut self) -> Result<(), Error> {
        if self.failed {
            return Err(Fault::failed().into());
        }
        let news = self.news;
        let Place::Writing { line, writers, .. } = &mut self.place else {
            return Ok(());
        };
        let mut line = line.take().expect("the line is held until the end");
        line.news.tasks |= news.tasks;
        line.news.deliveries |= news.deliveries;
        line.news.turns |= news.turns;
        let (done, committed) = oneshot::channel();
        line.waiting_for_commit.push(done);
        // A ticket is drawn before its holder waits for the line, so a queue that is seen here will be served after us.
        if writers.queued.load(Ordering::SeqCst) == 0 || line.waiting_for_commit.len() >= BATCH {
            let writers = Arc::clone(writers);
            tokio::spawn(async move { line.settle(&writers.wake).await });
        } else {
            drop(line);
        }
        committed.await.unwrap_or_else(|_| Err(Fault::shared())).map_err(Error::from)
    }

    /// Undoes what this transaction did.
    pub async fn rollback(self) {
        drop(self);
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Place::Writing { line, writers, undo } = &mut self.place else {
            return;
        };
        let Some(mut line) = line.take() else { return };
        if matches!(line.state, State::Open) {
            line.state = match undo {
                Undo::Nothing => State::Open,
                Undo::Savepoint => State::Abandoned { joined: true },
                Undo::Transaction => State::Abandoned { joined: false },
            };
        }
        if matches!(line.state, State::Closed) {
            line.turn = None;
        } else {
            drop(line);
            finish_in_background(writers);
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;
    use crate::board::Board;

    #[tokio::test]
    async fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let board = Board::open(folder.path(), BoardSlug::default(), Arc::default()).await.unwrap();
        let mut line = board.db.writers().await.unwrap().line.lock().await;
        let conn = line.conn().unwrap();
        // 2 is FULL: the log is flushed before a commit is answered.
        for (pragma, expected) in
            [("PRAGMA synchronous", "2"), ("PRAGMA journal_mode", "wal"), ("PRAGMA foreign_keys", "1")]
        {
            let row = sqlx::query(pragma).fetch_one(&mut *conn).await.unwrap();
            let got =
                row.try_get::<i64, _>(0).map(|number| number.to_string()).or_else(|_| row.try_get::<String, _>(0));
            assert_eq!(got.unwrap(), expected, "{pragma}");
        }
    }
}
