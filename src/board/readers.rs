//! Connections that only read: a few, opened when they are needed, and kept.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, Database, Sqlite, SqliteConnection, sqlite::SqliteConnectOptions};
use sqlx_core::transaction::TransactionManager;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::board::error::Fault;

type Manager = <Sqlite as Database>::TransactionManager;

/// How many may read at once.
const MOST: u32 = 4;

/// How long one waits for a place among them.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Readers {
    options: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    places: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Readers {
    pub(crate) fn new(options: SqliteConnectOptions) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(MOST as usize));
        Arc::new(Self {
            options: options.read_only(true),
            idle: Mutex::default(),
            places,
            closed: AtomicBool::new(false),
        })
    }

    /// Opens a snapshot; waits a moment while too many others are open.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Snapshot, Fault> {
        // Whoever holds a place may wait for somebody who needs one, such as a writer: then one more connection is
        // opened, since all would wait for ever.
        let place = match timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await {
            Ok(place) => Some(place.map_err(|_| Fault::closed())?),
            Err(_) => None,
        };
        if self.is_closed() {
            return Err(Fault::closed());
        }
        let kept = place.as_ref().and_then(|_| self.idle().pop());
        let conn = match kept {
            Some(conn) => conn,
            None => SqliteConnection::connect_with(&self.options).await?,
        };
        let mut snapshot = Snapshot { conn: Some(conn), readers: Arc::clone(self), place };
        Manager::begin(snapshot.conn(), None).await?;
        Ok(snapshot)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Opens no further snapshot, waits for those that are open, and lets go of the file.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let _all = self.places.acquire_many(MOST).await;
        let idle = std::mem::take(&mut *self.idle());
        for conn in idle {
            // It has changed nothing that could be lost.
            let _ = conn.close().await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The board as it was when this was opened, until it is dropped.
#[clippy::has_significant_drop]
pub(crate) struct Snapshot {
    /// None only while it is dropped.
    conn: Option<SqliteConnection>,
    readers: Arc<Readers>,
    /// None for one that was opened beyond the usual number.
    place: Option<OwnedSemaphorePermit>,
}

impl Snapshot {
    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        self.conn.as_mut().expect("the connection is there until the end")
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Some(mut conn) = self.conn.take().filter(|_| self.place.is_some()) {
            // The connection's own thread does this before whatever it is asked next.
            Manager::start_rollback(&mut conn);
            self.readers.idle().push(conn);
        }
    }
}
