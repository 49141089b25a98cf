//! The board, the dispatcher's look, the chat and the notifier, in this process.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use kanban_gateway::{
    board::{Actor, Board, TaskId, create::NewTask, finish::HandOff, thread::Following},
    command::prompt,
    dispatcher::{Dispatcher, Handle, Look},
    gateway::Gateway,
    notifier::Notifier,
};
use kanban_platform::{Author, Commands, Input, Platform, PlatformError, Post, PostError, Request, Thread};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Scale,
    home::{Home, KANBAN, Medium},
    measure::{Times, ratio},
    raw,
    table::{Row, Table},
};

/// After everything that the boards are made with, and in the past: what is owed from then on is due.
const NOW: i64 = 1_750_000_000_000;

pub(crate) fn measure(scale: Scale, table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    for (medium, name, target) in
        [(Medium::Memory, "memory", "≥ 3,207/s (3 x the reference)"), (Medium::Disk, "disk", "≥ 0.5 x plain")]
    {
        let (home, plain_home) = (Home::with_tasks(1_000, medium), Home::with_tasks(1_000, medium));
        let conn = raw::open(&plain_home.file());
        // The two take turns: one after the other, each would be measured in another mood of the machine.
        let (ours, plain) = runtime.block_on(async {
            let board = home.board().await;
            let (mut ours, mut plain) = (Times::default(), Times::default());
            for _ in 0..scale.repeat(1_500) {
                let begun = Instant::now();
                let id = raw::durably(&conn, || raw::create(&conn));
                raw::durably(&conn, || raw::claim(&conn, &id));
                raw::durably(&conn, || raw::complete(&conn, &id));
                plain.add(begun.elapsed());
                let begun = Instant::now();
                cycle(&board).await;
                ours.add(begun.elapsed());
            }
            board.close().await;
            (ours.mean(), plain.mean())
        });
        let [ours_rate, raw_rate] = [ours, plain].map(|time| 1.0 / time.as_secs_f64());
        table.row(Row {
            what: format!("create, claim, complete, one client, {name}"),
            ours: format!("{ours_rate:.0} cycles/s"),
            raw: format!("{raw_rate:.0} cycles/s"),
            ratio: Some(ours_rate / raw_rate),
            target,
            met: Some(match medium {
                Medium::Memory => ours_rate >= 3_207.0,
                Medium::Disk => ours_rate >= raw_rate / 2.0,
            }),
        });
    }
    let homes: Vec<_> = scale.boards.iter().map(|tasks| (*tasks, Home::with_tasks(*tasks, Medium::Memory))).collect();
    complete(scale, &homes, table);
    for (tasks, home) in &homes {
        runtime.block_on(look(scale, home, *tasks, table));
        runtime.block_on(context(scale, home, *tasks, table));
        runtime.block_on(chat(scale, home, *tasks, table));
    }
    let home = Home::with_tasks(1_000, Medium::Disk);
    runtime.block_on(post(scale, &home, table));
}

fn person() -> Actor {
    Actor::Person { name: "ann".to_owned() }
}

fn new_task() -> NewTask {
    NewTask {
        title: "new".to_owned(),
        body: Some("with a body".to_owned()),
        assignee: Some("script".parse().unwrap()),
        ..NewTask::default()
    }
}

async fn create(board: &Board) -> TaskId {
    let mut tx = board.write().await.unwrap();
    let created = tx.create(&person(), "ann", new_task(), NOW).await.unwrap();
    tx.commit().await.unwrap();
    created.task.id
}

async fn claim(board: &Board, id: &TaskId) {
    let mut tx = board.write().await.unwrap();
    tx.claim(id, "ann", Some(NOW + 900_000), NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn cycle(board: &Board) {
    let id = create(board).await;
    claim(board, &id).await;
    finish(board, &id).await;
}

async fn finish(board: &Board, id: &TaskId) {
    let hand_off = HandOff { summary: Some("well".to_owned()), ..HandOff::default() };
    let mut tx = board.write().await.unwrap();
    tx.complete(&person(), id, &hand_off, NOW).await.unwrap();
    tx.commit().await.unwrap();
}

/// The boards take turns, since the pace of a machine changes from one second to the next, and all of this stays on one
/// processor: whether threads wake each other on the same one or on another is a factor of two by itself.
fn complete(scale: Scale, homes: &[(usize, Home)], table: &mut Table) {
    let times = scale.repeat(800);
    let plain: Vec<Times> = homes
        .iter()
        .map(|(_, home)| {
            let ids = home.add_ready(times);
            let conn = raw::open(&home.file());
            let measured = ids.iter().map(|id| {
                raw::durably(&conn, || raw::claim(&conn, id.as_str()));
                let begun = Instant::now();
                raw::durably(&conn, || raw::complete(&conn, id.as_str()));
                begun.elapsed()
            });
            measured.collect()
        })
        .collect();
    let ours = on_one_processor(async {
        let mut boards = Vec::new();
        for (_, home) in homes {
            boards.push((home.board().await, home.add_ready(times), Times::default()));
        }
        for number in 0..times {
            for (board, ids, times) in &mut boards {
                claim(board, &ids[number]).await;
                let begun = Instant::now();
                finish(board, &ids[number]).await;
                times.add(begun.elapsed());
            }
        }
        let mut ours = Vec::new();
        for (board, _, times) in boards {
            board.close().await;
            ours.push(times);
        }
        ours
    });
    let smallest = ours.first().map(Times::p50).unwrap_or_default();
    for (((tasks, _), ours), plain) in homes.iter().zip(&ours).zip(&plain) {
        let growth = ratio(ours.p50(), smallest);
        table.row(Row {
            what: format!("`complete`, {tasks} tasks, memory"),
            ours: format!("{ours}; {growth:.2} x the smallest board's"),
            raw: plain.to_string(),
            ratio: Some(ratio(ours.p50(), plain.p50())),
            target: "≤ 1.3 x that of 1,000 tasks",
            met: Some(growth <= 1.3),
        });
    }
}

/// Runs something in a runtime of its own, whose threads share one processor.
fn on_one_processor<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let pinned = || {
        let this = Pid::from_raw(0);
        let allowed = sched_getaffinity(this).unwrap();
        let mut one = CpuSet::new();
        one.set((0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap()).unwrap()).unwrap();
        // Threads that are started from here inherit it.
        sched_setaffinity(this, &one).unwrap();
        Runtime::new().unwrap().block_on(work)
    };
    thread::scope(|scope| scope.spawn(pinned).join().unwrap())
}

async fn look(scale: Scale, home: &Home, tasks: usize, table: &mut Table) {
    let (handle, asks) = Handle::new();
    let stop = CancellationToken::new();
    let dispatcher = Dispatcher::new(home.desk(), PathBuf::from(KANBAN), TaskTracker::new());
    let dispatching = tokio::spawn(dispatcher.run(asks, stop.clone()));
    let mut ours = Times::default();
    for _ in 0..scale.repeat(400) {
        let begun = Instant::now();
        let report = handle.look(Look::default()).await.unwrap();
        ours.add(begun.elapsed());
        assert!(report.started.is_empty());
    }
    stop.cancel();
    dispatching.await.unwrap();
    let conn = raw::open(&home.file());
    let plain = Times::of(scale.repeat(400), || {
        let mut head = conn
            .prepare_cached(
                "SELECT id FROM tasks WHERE status = 'ready' AND assignee = 'script' \
                 ORDER BY priority DESC, created_at, id LIMIT 1",
            )
            .unwrap();
        assert!(!head.exists([]).unwrap());
    });
    table.row(Row {
        what: format!("dispatcher's look with nothing to do, {tasks} tasks"),
        ours: ours.to_string(),
        raw: plain.to_string(),
        ratio: Some(ratio(ours.p50(), plain.p50())),
        target: "≤ 1 ms",
        met: Some(ours.p50() <= Duration::from_millis(1)),
    });
}

async fn context(scale: Scale, home: &Home, tasks: usize, table: &mut Table) {
    let desk = home.desk();
    let board = desk.boards.get(&"default".parse().unwrap()).await.unwrap();
    let parent = create(&board).await;
    claim(&board, &parent).await;
    finish(&board, &parent).await;
    let mut tx = board.write().await.unwrap();
    let new = NewTask { parents: vec![parent], ..new_task() };
    let id = tx.create(&person(), "ann", new, NOW).await.unwrap().task.id;
    tx.comment(&person(), &id, "ann", "mind the gap", NOW).await.unwrap();
    let claim = tx.claim(&id, "ann", None, NOW).await.unwrap();
    tx.commit().await.unwrap();
    let mut ours = Times::default();
    for _ in 0..scale.repeat(200) {
        let begun = Instant::now();
        let text = prompt(&desk, &board, &claim.task, &claim.run, None).await.unwrap();
        ours.add(begun.elapsed());
        assert!(text.contains("mind the gap"));
    }
    finish(&board, &id).await;
    board.close().await;
    let conn = raw::open(&home.file());
    let plain = Times::of(scale.repeat(200), || {
        for statement in [
            "SELECT title FROM tasks WHERE id = ?1",
            "SELECT body FROM comments WHERE task_id = ?1 ORDER BY id",
            "SELECT result FROM tasks WHERE id IN (SELECT parent_id FROM links WHERE child_id = ?1)",
            "SELECT summary FROM runs WHERE task_id = ?1 ORDER BY id",
            "SELECT filename FROM attachments WHERE task_id = ?1",
        ] {
            let mut statement = conn.prepare_cached(statement).unwrap();
            let rows = statement.query_map([id.as_str()], |row| row.get::<_, Option<String>>(0)).unwrap();
            assert!(rows.count() < 10);
        }
    });
    table.row(Row {
        what: format!("worker's context, {tasks} tasks"),
        ours: ours.to_string(),
        raw: plain.to_string(),
        ratio: Some(ratio(ours.p50(), plain.p50())),
        target: "≤ 5 ms",
        met: Some(ours.p50() <= Duration::from_millis(5)),
    });
}

fn place() -> Thread {
    Thread { platform: "console".to_owned(), space: String::new(), channel: "bench".to_owned(), thread: None }
}

async fn chat(scale: Scale, home: &Home, tasks: usize, table: &mut Table) {
    let desk = home.desk();
    let gateway = Gateway::new(desk.clone());
    let mut ours = Times::default();
    for number in 0..scale.repeat(200) {
        let request = Request {
            update: format!("{tasks}-{number}"),
            author: Author {
                platform: "console".to_owned(),
                id: "you".to_owned(),
                name: "you".to_owned(),
                groups: Vec::new(),
            },
            thread: place(),
            input: Input::Text("/kanban list".to_owned()),
            reply_to: None,
            addressed: true,
            return_address: None,
            is_channel: false,
            message: None,
            files: Vec::new(),
        };
        let begun = Instant::now();
        let receipt = gateway.handle(request).await;
        ours.add(begun.elapsed());
        assert_eq!((receipt.exit, receipt.deliveries.len()), (0, 1));
    }
    desk.boards.close().await;
    let conn = raw::open(&home.file());
    let plain = Times::of(scale.repeat(200), || assert!(raw::list(&conn) > 0));
    table.row(Row {
        what: format!("`/kanban list` in chat, {tasks} tasks, its reply kept"),
        ours: ours.to_string(),
        raw: format!("page alone {plain}"),
        ratio: Some(ratio(ours.p50(), plain.p50())),
        target: "≤ 20 ms",
        met: Some(ours.p99() <= Duration::from_millis(20)),
    });
}

/// A platform that tells when it was handed a post.
struct Ear(mpsc::UnboundedSender<Instant>);

#[async_trait]
impl Platform for Ear {
    fn name(&self) -> &str {
        "console"
    }

    async fn run(&self, _: Arc<dyn Commands>, _: CancellationToken) -> Result<(), PlatformError> {
        Ok(())
    }

    async fn post(&self, post: &Post, _in_doubt_since: Option<i64>) -> Result<String, PostError> {
        self.0.send(Instant::now()).map_err(|error| PostError::Refused(error.to_string()))?;
        Ok(post.delivery.clone())
    }
}

async fn post(scale: Scale, home: &Home, table: &mut Table) {
    let desk = home.desk();
    let board = desk.boards.get(&"default".parse().unwrap()).await.unwrap();
    let (said, mut heard) = mpsc::unbounded_channel();
    let platforms = BTreeMap::from([("console".to_owned(), Arc::new(Ear(said)) as Arc<dyn Platform>)]);
    let stop = CancellationToken::new();
    let notifier = Arc::new(Notifier::new(desk.boards.clone(), platforms, desk.clock.clone()));
    let notifying = tokio::spawn(notifier.run(stop.clone(), Duration::from_secs(1)));
    let mut ours = Times::default();
    for _ in 0..scale.repeat(300) {
        let id = create(&board).await;
        let mut tx = board.write().await.unwrap();
        let following = Following { task: Some(id.clone()), ..Following::default() };
        tx.watch(&place(), &following, None, NOW).await.unwrap();
        tx.claim(&id, "ann", None, NOW).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = board.write().await.unwrap();
        tx.complete(&person(), &id, &HandOff::default(), NOW).await.unwrap();
        let begun = Instant::now();
        tx.commit().await.unwrap();
        ours.add(heard.recv().await.unwrap() - begun);
    }
    stop.cancel();
    notifying.await.unwrap();
    desk.boards.close().await;
    let conn = raw::open(&home.file());
    let ids = home.add_ready(scale.repeat(300));
    let plain: Times = ids
        .iter()
        .map(|id| {
            raw::durably(&conn, || raw::claim(&conn, id.as_str()));
            let tx = conn.unchecked_transaction().unwrap();
            raw::complete(&conn, id.as_str());
            let begun = Instant::now();
            tx.commit().unwrap();
            begun.elapsed()
        })
        .collect();
    table.row(Row {
        what: "terminal event's commit → post handed to the platform".to_owned(),
        ours: ours.to_string(),
        raw: format!("commit alone {plain}"),
        ratio: Some(ratio(ours.p50(), plain.p50())),
        target: "p99 ≤ 20 ms",
        met: Some(ours.p99() <= Duration::from_millis(20)),
    });
}
