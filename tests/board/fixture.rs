//! A board in a folder of its own, and what tests look up in it.

use std::{fmt::Write as _, path::Path, sync::Arc};

use kanban_gateway::board::{
    Actor, Board, BoardSlug, Error, Reason, Remit, TaskId, Tx, Wake, attempt::Patience, claim::Claim, create::NewTask,
    finish::HandOff, task::Task,
};
use kanban_platform::Thread;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

/// The time of a test, unless it says another.
pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) const PATIENCE: Patience = Patience {
    failure_limit: 3,
    violation_limit: 3,
    backoff_seconds: 10,
    backoff_max_seconds: 25,
    rate_limit_pause_seconds: 60,
    auth_pause_seconds: 600,
};

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) board: Board,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let board = open(folder.path()).await.unwrap();
        Self { folder, board }
    }

    /// Makes the database fail on a comment with this text, as a full disk would on any statement.
    pub(crate) fn fault_on_comment(&self, text: &str) {
        let fault = format!(
            "CREATE TRIGGER fault BEFORE INSERT ON comments WHEN NEW.body = '{text}' BEGIN SELECT RAISE(ABORT, 'fault'); END"
        );
        self.sql().execute_batch(&fault).unwrap();
    }

    /// One committed transaction.
    pub(crate) async fn write<T>(&self, work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>) -> Result<T, Error> {
        let mut tx = self.board.write().await?;
        let answer = work(&mut tx).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// An operation that must be refused and must change nothing. Answers what it says.
    #[track_caller]
    pub(crate) fn refused<T>(
        &self,
        reason: Reason,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, Error>,
    ) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            let before = self.dump();
            let Err(error) = self.write(work).await else { panic!("{place}: this was not refused") };
            assert_eq!(error.reason(), Some(reason), "{place}: {error}");
            assert_eq!(before, self.dump(), "{place}: a refusal changed something");
            error.to_string()
        }
    }

    pub(crate) async fn create(&self, new: NewTask) -> TaskId {
        self.write(async |tx| tx.create(&person(), "ann", new, NOW).await).await.unwrap().task.id
    }

    /// A ready task of profile `bob`.
    pub(crate) async fn ready(&self, title: &str) -> TaskId {
        self.create(titled(title)).await
    }

    pub(crate) async fn child_of(&self, parents: &[&TaskId]) -> TaskId {
        self.create(NewTask { parents: parents.iter().map(|id| (*id).clone()).collect(), ..titled("child") }).await
    }

    pub(crate) async fn claim(&self, id: &TaskId) -> (Claim, Actor) {
        let claim = self.write(async |tx| tx.claim(id, "gateway", None, NOW).await).await.unwrap();
        let worker = Actor::Worker { run: claim.run.id, task: id.clone(), name: "bob".to_owned(), remit: Remit::Own };
        (claim, worker)
    }

    pub(crate) async fn complete(&self, id: &TaskId) {
        self.write(async |tx| tx.complete(&person(), id, &HandOff::default(), NOW).await).await.unwrap();
    }

    pub(crate) async fn task(&self, id: &TaskId) -> Task {
        self.board.read().await.unwrap().task(id).await.unwrap()
    }

    /// The status of a task, as text.
    pub(crate) async fn status(&self, id: &TaskId) -> &'static str {
        self.task(id).await.status.as_str()
    }

    /// The kinds of the events of a task, oldest first.
    pub(crate) async fn kinds(&self, id: &TaskId) -> Vec<&'static str> {
        let events = self.board.read().await.unwrap().events_of(id).await.unwrap();
        events.iter().map(|event| event.kind.as_str()).collect()
    }

    /// Another road to the file, for what no operation shows.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.board.file()).unwrap()
    }

    /// A number that a query answers.
    pub(crate) fn count(&self, query: &str) -> i64 {
        self.sql().query_row(query, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn dump(&self) -> String {
        dump(&self.sql())
    }
}

pub(crate) async fn open(folder: &Path) -> Result<Board, Error> {
    Board::open(folder, BoardSlug::default(), Arc::new(Wake::default())).await
}

pub(crate) fn person() -> Actor {
    Actor::Person { name: "console:ann".to_owned() }
}

pub(crate) fn titled(title: &str) -> NewTask {
    NewTask { title: title.to_owned(), assignee: Some("bob".parse().unwrap()), ..NewTask::default() }
}

pub(crate) fn hand_off(summary: &str) -> HandOff {
    HandOff { summary: Some(summary.to_owned()), ..HandOff::default() }
}

pub(crate) fn thread(name: &str) -> Thread {
    Thread {
        platform: "console".to_owned(),
        space: String::new(),
        channel: "room".to_owned(),
        thread: Some(name.to_owned()),
    }
}

/// Every row of every table, as text.
pub(crate) fn dump(conn: &rusqlite::Connection) -> String {
    let mut tables = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut text = String::new();
    for table in tables {
        let mut rows = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            write!(text, "{table}").unwrap();
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    ValueRef::Null => text.push_str("|NULL"),
                    ValueRef::Integer(number) => write!(text, "|{number}").unwrap(),
                    ValueRef::Real(number) => write!(text, "|{number}").unwrap(),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        write!(text, "|{:?}", String::from_utf8_lossy(bytes)).unwrap();
                    }
                }
            }
            text.push('\n');
        }
    }
    text
}
