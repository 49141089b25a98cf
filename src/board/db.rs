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
    Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, Notify, OnceCell, OwnedMutexGuard, oneshot};

use crate::board::{
    error::{Error, Fault},
    statements::META_VALUE,
};

/// A connection to a database of a kind that is built in.
pub(crate) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
}

/// `sql!(tx, NAME, a, b; fetch_one)` binds `a`, `b` and fetches; `; execute` answers how many rows it changed.
///
/// A failed statement marks the transaction, since the database may have rolled more back than this one statement.
macro_rules! sql {
    ($tx:expr, $name:expr $(, $arg:expr)* ; execute) => {{
        let result = match $tx.conn() {
            $crate::board::db::Conn::Sqlite(conn) => sqlx::query($name)$(.bind($arg))*.execute(conn).await,
        };
        match result {
            Ok(done) => done.rows_affected(),
            Err(error) => return Err($tx.failed(error).into()),
        }
    }};
    ($tx:expr, $name:expr $(, $arg:expr)* ; $fetch:ident) => {{
        let result = match $tx.conn() {
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
}

/// What the transactions of one commit brought.
#[derive(Clone, Copy, Default)]
struct News {
    tasks: bool,
    deliveries: bool,
}

/// How many transactions may wait for one commit: enough to hide the disk, few enough to stay within milliseconds.
const BATCH: usize = 64;

#[derive(Clone)]
pub(crate) struct Db {
    options: SqliteConnectOptions,
    readers: SqlitePool,
    writers: Arc<OnceCell<Arc<Writers>>>,
    wake: Arc<Wake>,
    /// Drawn when the board was made; begins the delivery keys of the board.
    uid: Arc<str>,
}

impl Db {
    pub(crate) async fn open(file: &Path, wake: Arc<Wake>) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30))
            .synchronous(SqliteSynchronous::Full)
            .pragma("trusted_schema", "off")
            .pragma("cell_size_check", "on")
            .pragma("journal_size_limit", "67108864");
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .min_connections(0)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().read_only(true));
        let (uid,): (String,) =
            sqlx::query_as(META_VALUE).bind("uid").fetch_one(&readers).await.map_err(Fault::from)?;
        Ok(Self { options, readers, writers: Arc::default(), wake, uid: uid.into() })
    }

    /// A snapshot to read from.
    pub(crate) async fn read(&self) -> Result<Tx, Error> {
        let snapshot = self.readers.begin().await.map_err(Fault::from)?;
        Ok(Tx { place: Place::Reading(snapshot), news: News::default(), uid: Arc::clone(&self.uid) })
    }

    /// A transaction that holds the board's one write lock.
    ///
    /// Writers queue up in order. Whoever finds others waiting behind it leaves the commit to them, so that a burst of
    /// commands pays for the disk once; [`Tx::commit`] answers when the shared commit is durable.
    pub(crate) async fn write(&self) -> Result<Tx, Error> {
        let writers = self.writers().await?;
        let ticket = Ticket::draw(writers);
        let mut line = Arc::clone(&writers.line).lock_owned().await;
        ticket.redeem();
        line.recover(&writers.wake).await;
        let joined = matches!(line.state, State::Open);
        if joined {
            if let Err(fault) = line.run("SAVEPOINT one").await {
                line.state = State::Broken;
                line.recover(&writers.wake).await;
                return Err(fault.into());
            }
        } else {
            line.run("BEGIN IMMEDIATE").await?;
            line.state = State::Open;
        }
        Ok(Tx {
            place: Place::Writing { line: Some(line), writers: Arc::clone(writers), joined },
            news: News::default(),
            uid: Arc::clone(&self.uid),
        })
    }

    async fn writers(&self) -> Result<&Arc<Writers>, Error> {
        let writers = self
            .writers
            .get_or_try_init(|| async {
                let conn = SqliteConnection::connect_with(&self.options).await?;
                Ok::<_, sqlx::Error>(Arc::new(Writers {
                    line: Arc::new(Mutex::new(Line {
                        conn,
                        state: State::Closed,
                        waiting_for_commit: Vec::new(),
                        news: News::default(),
                    })),
                    queued: AtomicUsize::new(0),
                    wake: Arc::clone(&self.wake),
                }))
            })
            .await
            .map_err(Fault::from)?;
        Ok(writers)
    }

    /// A number that changes when another process has written: the slow check behind in-process wake-ups.
    pub(crate) async fn data_version(&self) -> Result<i64, Error> {
        // Each connection has its own count of the others' commits, and all of ours come from this one.
        let writers = self.writers().await?;
        let mut line = writers.line.lock().await;
        let (version,): (i64,) =
            sqlx::query_as("PRAGMA data_version").fetch_one(&mut line.conn).await.map_err(Fault::from)?;
        Ok(version)
    }

    /// What SQLite finds wrong with the file; nothing when all is well.
    pub(crate) async fn quick_check(&self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> =
            sqlx::query_as("PRAGMA quick_check(10)").fetch_all(&self.readers).await.map_err(Fault::from)?;
        Ok(rows.into_iter().map(|(row,)| row).filter(|row| row != "ok").collect())
    }

    pub(crate) async fn close(&self) {
        if let Some(writers) = self.writers.get() {
            let mut line = writers.line.lock().await;
            line.recover(&writers.wake).await;
            if matches!(line.state, State::Open) {
                line.settle(&writers.wake).await;
            }
        }
        self.readers.close().await;
    }
}

struct Writers {
    line: Arc<Mutex<Line>>,
    /// How many callers wait for the line: while there are any, a commit may be left to them.
    queued: AtomicUsize,
    wake: Arc<Wake>,
}

/// The one writing connection, and the transactions that wait for its next commit.
struct Line {
    conn: SqliteConnection,
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
    /// A statement failed: what is open must be undone as a whole, and those who wait are told.
    Broken,
}

impl Line {
    async fn run(&mut self, statement: &'static str) -> Result<(), Fault> {
        sqlx::query(statement).execute(&mut self.conn).await.map(|_| ()).map_err(Fault::from)
    }

    /// Undoes what a dropped or failed holder left open.
    async fn recover(&mut self, wake: &Wake) {
        match self.state {
            State::Closed | State::Open => {}
            State::Abandoned { joined: true } => {
                self.state = State::Open;
                if self.run("ROLLBACK TO one").await.is_err() {
                    self.state = State::Broken;
                    Box::pin(self.recover(wake)).await;
                }
            }
            State::Abandoned { joined: false } | State::Broken => {
                // After some failures SQLite has rolled back by itself, and then this statement fails harmlessly.
                let _ = self.run("ROLLBACK").await;
                self.state = State::Closed;
                self.news = News::default();
                for waiter in self.waiting_for_commit.drain(..) {
                    let _ = waiter.send(Err(Fault::shared()));
                }
            }
        }
    }

    /// Commits what is open and tells everybody who waits for it.
    async fn settle(&mut self, wake: &Wake) {
        match self.run("COMMIT").await {
            Ok(()) => {
                self.state = State::Closed;
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
            }
            Err(fault) => {
                for waiter in self.waiting_for_commit.drain(..) {
                    let _ = waiter.send(Err(fault.clone()));
                }
                self.state = State::Broken;
                self.recover(wake).await;
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
            let mut line = writers.line.lock().await;
            line.recover(&writers.wake).await;
            if matches!(line.state, State::Open) {
                line.settle(&writers.wake).await;
            }
        });
    }
}

/// A transaction: every operation of the board is a method on it. Dropped without [`Tx::commit`], it changes nothing.
pub struct Tx {
    place: Place,
    news: News,
    uid: Arc<str>,
}

enum Place {
    Reading(Transaction<'static, Sqlite>),
    Writing { line: Option<OwnedMutexGuard<Line>>, writers: Arc<Writers>, joined: bool },
}

impl Tx {
    pub(crate) fn conn(&mut self) -> Conn<'_> {
        match &mut self.place {
            Place::Reading(conn) => Conn::Sqlite(conn),
            Place::Writing { line, .. } => {
                Conn::Sqlite(&mut line.as_mut().expect("the line is held until the end").conn)
            }
        }
    }

    /// The key of a delivery, unique over all boards that ever were.
    pub(crate) fn delivery_key(&self, id: i64) -> String {
        format!("{}-{id}", self.uid)
    }

    pub(crate) fn failed(&mut self, error: sqlx::Error) -> Fault {
        if let Place::Writing { line: Some(line), .. } = &mut self.place {
            line.state = State::Broken;
        }
        Fault::from(error)
    }

    /// The dispatcher should look at the board once this is committed.
    pub(crate) fn wakes_dispatcher(&mut self) {
        self.news.tasks = true;
    }

    /// The notifier should look at the board once this is committed.
    pub(crate) fn wakes_notifier(&mut self) {
        self.news.deliveries = true;
    }

    /// Makes the changes durable. An error means that none of them was kept.
    pub async fn commit(mut self) -> Result<(), Error> {
        let news = self.news;
        let Place::Writing { line, writers, .. } = &mut self.place else {
            return Ok(());
        };
        let mut line = line.take().expect("the line is held until the end");
        let writers = Arc::clone(writers);
        if matches!(line.state, State::Broken) {
            line.recover(&writers.wake).await;
            return Err(Fault::shared().into());
        }
        line.news.tasks |= news.tasks;
        line.news.deliveries |= news.deliveries;
        let (done, committed) = oneshot::channel();
        line.waiting_for_commit.push(done);
        // A ticket is drawn before its holder waits for the line, so a queue that is seen here will be served after us.
        if writers.queued.load(Ordering::SeqCst) == 0 || line.waiting_for_commit.len() >= BATCH {
            line.settle(&writers.wake).await;
        }
        drop(line);
        committed.await.unwrap_or_else(|_| Err(Fault::shared())).map_err(Error::from)
    }

    /// Undoes what this transaction did.
    pub async fn rollback(self) {
        drop(self);
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Place::Writing { line, writers, joined } = &mut self.place else {
            return;
        };
        if let Some(mut line) = line.take() {
            if matches!(line.state, State::Open) {
                line.state = State::Abandoned { joined: *joined };
            }
            drop(line);
            finish_in_background(writers);
        }
    }
}
