//! The same work in plain SQLite: one connection, prepared statements, no layer between.

use std::{
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use kanban_gateway::board::TaskId;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::measure::Times;

/// A connection that is as durable as the board's own.
pub(crate) fn open(file: &Path) -> Connection {
    let conn = Connection::open(file).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.pragma_update(None, "foreign_keys", "ON").unwrap();
    conn.busy_timeout(Duration::from_secs(30)).unwrap();
    conn.set_prepared_statement_cache_capacity(64);
    conn
}

pub(crate) fn list(conn: &Connection) -> usize {
    let mut page = conn
        .prepare_cached(
            "SELECT id, title, body, assignee, status, tenant, result FROM tasks WHERE status <> 'archived' \
             ORDER BY priority DESC, created_at, id LIMIT 51",
        )
        .unwrap();
    let rows = page.query_map([], |row| row.get::<_, String>(1)).unwrap();
    rows.map(|title| title.unwrap().len()).sum()
}

pub(crate) fn list_as_process(file: &Path) {
    std::hint::black_box(list(&open(file)));
}

pub(crate) fn create_as_process(file: &Path) {
    let conn = open(file);
    durably(&conn, || create(&conn));
}

/// A transaction of its own.
pub(crate) fn durably<T>(conn: &Connection, work: impl FnOnce() -> T) -> T {
    let tx = rusqlite::Transaction::new_unchecked(conn, TransactionBehavior::Immediate).unwrap();
    let answer = work();
    tx.commit().unwrap();
    answer
}

pub(crate) fn create(conn: &Connection) -> String {
    let id = TaskId::random().to_string();
    conn.prepare_cached(
        "INSERT INTO tasks (id, title, body, assignee, status, created_by, created_at) \
         VALUES (?1, 'new', 'with a body', 'script', 'ready', 'ann', 3)",
    )
    .unwrap()
    .execute([&id])
    .unwrap();
    event(conn, &id, "created");
    id
}

pub(crate) fn claim(conn: &Connection, id: &str) -> i64 {
    let open: Option<String> = conn
        .prepare_cached(
            "SELECT id FROM tasks WHERE id IN (SELECT parent_id FROM links WHERE child_id = ?1) \
             AND status NOT IN ('done', 'archived')",
        )
        .unwrap()
        .query_row([id], |row| row.get(0))
        .optional()
        .unwrap();
    assert_eq!(open, None);
    let run: i64 = conn
        .prepare_cached(
            "INSERT INTO runs (task_id, attempt, profile, token_hash, holder, started_at) VALUES (?1, \
             (SELECT 1 + coalesce(max(attempt), 0) FROM runs WHERE task_id = ?1), 'script', 'hash', 'ann', 3) RETURNING id",
        )
        .unwrap()
        .query_row([id], |row| row.get(0))
        .unwrap();
    let claimed = conn
        .prepare_cached("UPDATE tasks SET status = 'running', current_run = ?2 WHERE id = ?1 AND status = 'ready'")
        .unwrap()
        .execute(params![id, run])
        .unwrap();
    assert_eq!(claimed, 1);
    event(conn, id, "claimed");
    run
}

pub(crate) fn complete(conn: &Connection, id: &str) {
    let run: Option<i64> = conn
        .prepare_cached("SELECT current_run FROM tasks WHERE id = ?1")
        .unwrap()
        .query_row([id], |row| row.get(0))
        .unwrap();
    conn.prepare_cached("UPDATE runs SET ended_at = 4, outcome = 'completed', summary = 'well' WHERE id = ?1")
        .unwrap()
        .execute([run])
        .unwrap();
    conn.prepare_cached("UPDATE tasks SET status = 'done', current_run = NULL, completed_at = 4 WHERE id = ?1")
        .unwrap()
        .execute([id])
        .unwrap();
    event(conn, id, "completed");
    conn.prepare_cached(
        "UPDATE tasks SET status = 'ready' WHERE status = 'todo' AND id IN (SELECT child_id FROM links WHERE parent_id = ?1)",
    )
    .unwrap()
    .execute([id])
    .unwrap();
}

fn event(conn: &Connection, id: &str, kind: &str) {
    conn.prepare_cached(
        "INSERT INTO events (task_id, kind, payload, created_at) VALUES (?1, ?2, '{\"by\":\"ann\"}', 3)",
    )
    .unwrap()
    .execute([id, kind])
    .unwrap();
}

/// What several clients got done together.
pub(crate) struct Crowd {
    pub(crate) took: Duration,
    pub(crate) each: Vec<usize>,
    /// Of one command each.
    pub(crate) times: Times,
}

impl Crowd {
    /// Claims and completions in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.each.iter().sum::<usize>() as f64 / self.took.as_secs_f64()
    }

    /// How many times as much as the last client the first one got.
    pub(crate) fn unfairness(&self) -> f64 {
        let (least, most) = (self.each.iter().min().unwrap(), self.each.iter().max().unwrap());
        *most as f64 / (*least).max(1) as f64
    }
}

/// Clients that ask one writer, who takes all that wait into one commit.
pub(crate) fn crowd(file: &Path, ids: &[TaskId], clients: usize) -> Crowd {
    type Ask = (bool, String, mpsc::Sender<()>);
    let (asks, asked) = mpsc::channel::<Ask>();
    let file = file.to_owned();
    let writer = thread::spawn(move || {
        let conn = open(&file);
        while let Ok(first) = asked.recv() {
            let mut batch = vec![first];
            batch.extend(asked.try_iter().take(63));
            durably(&conn, || {
                for (claims, id, _) in &batch {
                    if *claims {
                        claim(&conn, id);
                    } else {
                        complete(&conn, id);
                    }
                }
            });
            for (.., done) in batch {
                done.send(()).unwrap();
            }
        }
    });
    let crowd = together(ids, clients, || {
        let asks = asks.clone();
        move |claims: bool, id: &TaskId| {
            let (done, answered) = mpsc::channel();
            asks.send((claims, id.to_string(), done)).unwrap();
            answered.recv().unwrap();
        }
    });
    drop(asks);
    writer.join().unwrap();
    crowd
}

/// Lets clients claim and complete tasks until none is left. `connect` makes what one client asks with.
pub(crate) fn together<C>(ids: &[TaskId], clients: usize, connect: impl Fn() -> C) -> Crowd
where
    C: FnMut(bool, &TaskId) + Send,
{
    let next = std::sync::atomic::AtomicUsize::new(0);
    let start = std::sync::Barrier::new(clients + 1);
    let (begun, results) = thread::scope(|scope| {
        let handles: Vec<_> = (0..clients)
            .map(|_| {
                let mut ask = connect();
                let (next, start) = (&next, &start);
                scope.spawn(move || {
                    let mut times = Vec::new();
                    let mut done = 0;
                    start.wait();
                    while let Some(id) = ids.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                        for claims in [true, false] {
                            let begun = Instant::now();
                            ask(claims, id);
                            times.push(begun.elapsed());
                        }
                        done += 1;
                    }
                    (done, times, Instant::now())
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        (begun, handles.into_iter().map(|handle| handle.join().unwrap()).collect::<Vec<_>>())
    });
    let ended = results.iter().map(|(.., ended)| *ended).max().unwrap();
    Crowd {
        took: ended - begun,
        each: results.iter().map(|(done, ..)| *done).collect(),
        times: results.into_iter().flat_map(|(_, times, _)| times).collect(),
    }
}
