//! Out and in again: whatever a board holds arrives, once, and what is newer follows.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use kanban_gateway::{
    board::{
        Board, BoardSlug, Boards, Error, TaskId, Wake, attachment::NewAttachment, attempt::Ending, create::NewTask,
        finish::HandOff, review::Wanted, task::BlockKind, thread::Following,
    },
    import::{self, Count, Order},
};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::Value;

use crate::{
    fixture::{Fixture, NOW, PATIENCE, dump, person, thread},
    import::texts,
};

/// What people and agents type, and what nobody should.
fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{1,8}".prop_map(|text| text),
        1 => prop::sample::select(vec![
            "'", "\"", "''; DROP TABLE tasks; --", "\\", "\\u0000", "%s", "{}", "[]", "null", "\n", "\t", "\r\n", "\u{b}",
            "\u{202e}fdp.exe\u{202c}", "שלום", "👩‍👩‍👧", "e\u{301}", "\u{feff}", "\u{fffd}", "\u{10ffff}", "\u{1b}[31m", "t_00000001",
        ]).prop_map(str::to_owned),
    ];
    prop_oneof![
        30 => proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat()),
        1 => (1..30_000_usize).prop_map(|length| "ä".repeat(length)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        title: String,
        body: Option<String>,
        parents: Vec<usize>,
        triage: bool,
        held: bool,
        tenant: Option<String>,
        priority: i64,
        skills: Vec<String>,
        key: Option<u8>,
        at: bool,
    },
    Comment(usize, String, String),
    Link(usize, usize),
    Claim(usize),
    Complete(usize, String),
    Fail(usize, String),
    Review(usize),
    Block(usize, Option<BlockKind>, String),
    Unblock(usize),
    Promote(usize),
    Archive(usize),
    Delete(usize),
    Attach(usize, String),
    Watch(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..8_usize;
    let kind = prop_oneof![Just(None), Just(Some(BlockKind::NeedsInput)), Just(Some(BlockKind::Dependency))];
    let some = |weight| prop::option::weighted(weight, words());
    let flag = || prop::bool::weighted(0.1);
    prop_oneof![
        6 => (words(), some(0.5), proptest::collection::vec(at(), 0..3), flag(), flag(), some(0.2), any::<i64>(),
            proptest::collection::vec(words(), 0..2), prop::option::weighted(0.3, 0..3_u8), flag())
            .prop_map(|(title, body, parents, triage, held, tenant, priority, skills, key, at)| {
                Step::Create { title, body, parents, triage, held, tenant, priority, skills, key, at }
            }),
        4 => (at(), words(), words()).prop_map(|(at, author, text)| Step::Comment(at, author, text)),
        2 => (at(), at()).prop_map(|(parent, child)| Step::Link(parent, child)),
        4 => at().prop_map(Step::Claim),
        3 => (at(), words()).prop_map(|(at, text)| Step::Complete(at, text)),
        2 => (at(), words()).prop_map(|(at, text)| Step::Fail(at, text)),
        1 => at().prop_map(Step::Review),
        2 => (at(), kind, words()).prop_map(|(at, kind, text)| Step::Block(at, kind, text)),
        1 => at().prop_map(Step::Unblock),
        1 => at().prop_map(Step::Promote),
        1 => at().prop_map(Step::Archive),
        1 => at().prop_map(Step::Delete),
        1 => (at(), words()).prop_map(|(at, name)| Step::Attach(at, name)),
        1 => (at(), 0..3_u8).prop_map(|(at, room)| Step::Watch(at, room)),
    ]
}

/// A board that people work on, and how late it is there.
struct There {
    f: Fixture,
    tasks: Vec<TaskId>,
    now: i64,
}

impl There {
    fn id(&self, at: usize) -> TaskId {
        self.tasks.get(at % self.tasks.len().max(1)).cloned().unwrap_or_else(|| "t_nobody".parse().unwrap())
    }

    async fn take(&mut self, step: &Step) {
        self.now += 700;
        match self.act(step).await {
            Ok(()) | Err(Error::Refused(_)) => {}
            Err(Error::Fault(fault)) => panic!("{step:?}: {fault}"),
        }
    }

    async fn act(&mut self, step: &Step) -> Result<(), Error> {
        let (me, now) = (&person(), self.now);
        let mut tx = self.f.board.write().await?;
        match step {
            Step::Create { title, body, parents, triage, held, tenant, priority, skills, key, at } => {
                let parents = if self.tasks.is_empty() { &[] } else { &parents[..] };
                let mut parents: Vec<_> = parents.iter().map(|at| self.id(*at)).collect();
                parents.sort();
                parents.dedup();
                let new = NewTask {
                    title: title.chars().take(1_000).collect(),
                    body: body.clone(),
                    assignee: Some("bob".parse().unwrap()),
                    parents,
                    priority: *priority,
                    tenant: tenant.clone(),
                    skills: skills.clone(),
                    idempotency_key: key.map(|key| format!("key '{key}'")),
                    triage: *triage,
                    blocked: *held,
                    at: at.then_some(now + 3_600_000),
                    ..NewTask::default()
                };
                let created = tx.create(me, "ann", new, now).await?;
                if !created.existed {
                    self.tasks.push(created.task.id);
                }
            }
            Step::Comment(at, author, text) => tx.comment(me, &self.id(*at), &format!("a{author}"), text, now).await?,
            Step::Link(parent, child) => tx.link(me, &self.id(*parent), &self.id(*child), now).await?,
            Step::Claim(at) => drop(tx.claim(&self.id(*at), "gateway", None, now).await?),
            Step::Complete(at, text) => {
                let said = HandOff { summary: Some(text.clone()), result: Some(text.clone()), ..HandOff::default() };
                drop(tx.complete(me, &self.id(*at), &said, now).await?);
            }
            Step::Fail(at, text) => {
                let run = tx.task(&self.id(*at)).await?.current_run.unwrap_or_default();
                tx.attempt_ended(run, &Ending::Failed { error: text.clone() }, &PATIENCE, now).await?;
            }
            Step::Review(at) => {
                drop(tx.request_review(me, &self.id(*at), &HandOff::default(), &Wanted::Person, now).await?);
            }
            Step::Block(at, kind, text) => drop(tx.block(me, &self.id(*at), *kind, Some(text), now).await?),
            Step::Unblock(at) => drop(tx.unblock(me, &self.id(*at), None, now).await?),
            Step::Promote(at) => tx.promote(me, &self.id(*at), None, true, now).await?,
            Step::Archive(at) => tx.archive(me, &self.id(*at), now).await?,
            Step::Delete(at) => {
                let id = self.id(*at);
                drop(tx.delete(&id).await?);
                self.tasks.retain(|task| *task != id);
            }
            Step::Attach(at, name) => {
                let id = self.id(*at);
                let name = kanban_platform::file_name(name);
                let stored = self.f.folder.path().join(format!("{}", self.now));
                fs::write(&stored, name.as_bytes()).unwrap();
                let file = NewAttachment {
                    filename: &name,
                    stored_path: stored.to_str().unwrap(),
                    content_type: None,
                    size: i64::try_from(name.len()).unwrap(),
                    uploaded_by: "ann",
                };
                drop(tx.attach(me, &id, file, now).await?);
            }
            Step::Watch(at, room) => {
                let following = Following { task: Some(self.id(*at)), ..Following::default() };
                tx.watch(&thread(&format!("r{room}")), &following, Some("console:ann"), now).await?;
            }
        }
        tx.commit().await
    }

    async fn leave(&self, out: &Path) {
        let file = out.join("kanban.db");
        let _ = fs::remove_file(&file);
        let left = import::to_hermes(&self.f.board, self.f.folder.path(), &file).await.unwrap();
        assert!(left.missing.is_empty(), "{:?}", left.missing);
    }
}

/// Where it arrives.
struct Here {
    boards: Boards,
    board: Board,
    home: tempfile::TempDir,
}

impl Here {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let boards = Boards::new(home.path(), Arc::new(Wake::default()));
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        Self { boards, board, home }
    }

    fn sql(&self) -> Connection {
        Connection::open(self.board.file()).unwrap()
    }

    async fn take_in(&self, out: &Path, update: bool) -> BTreeMap<String, Count> {
        let order = Order { from: out.join("kanban.db"), update, ..Order::default() };
        let report = import::hermes(&self.boards, &order, NOW + 100_000_000, &mut |_| {}).await.unwrap();
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        let tables = report.tables();
        for (table, count) in &tables {
            assert_eq!(count.read, count.written + count.skipped, "{table}: {count:?}");
        }
        tables
    }
}

/// The rows of both boards that must be the same: what is selected there and here.
fn check_same(there: &Connection, here: &Connection) {
    let same = |what: &str, there_is: &str, here_is: &str| {
        assert_eq!(texts(there, there_is), texts(here, here_is), "{what}");
    };
    let ids = texts(there, "SELECT id FROM tasks").join("','");
    let of = |column: &str| format!("{column} IN ('{ids}')");
    let columns = "id, title, nullif(trim(body, char(9, 10, 11, 12, 13, 32)), ''), assignee, priority, nullif(trim(tenant, char(9, 10, 11, 12, 13, 32)), ''), skills, result, created_by, created_at / 1000, \
        completed_at / 1000, idempotency_key, failures, last_error, block_kind, block_recurrences";
    let tasks = format!("SELECT {columns} FROM tasks WHERE {} ORDER BY id", of("id"));
    same("tasks", &tasks, &tasks);
    let waits = "EXISTS (SELECT 1 FROM links JOIN tasks AS above ON above.id = parent_id WHERE child_id = tasks.id \
        AND above.status NOT IN ('done', 'archived'))";
    same(
        "statuses",
        &format!(
            "SELECT id, CASE WHEN status = 'running' THEN 'ready' WHEN status = 'ready' AND {waits} THEN 'todo' ELSE status END \
             FROM tasks WHERE {} ORDER BY id",
            of("id")
        ),
        &format!("SELECT id, status FROM tasks WHERE {} ORDER BY id", of("id")),
    );
    let links = format!("SELECT parent_id, child_id FROM links WHERE {} ORDER BY 1, 2", of("child_id"));
    same("links", &links, &links);
    let comments = format!(
        "SELECT task_id, trim(author, char(9, 10, 11, 12, 13, 32)), body, created_at / 1000 FROM comments WHERE {} ORDER BY task_id, id",
        of("task_id")
    );
    same("comments", &comments, &comments);
    let files = format!("SELECT task_id, filename, size FROM attachments WHERE {} ORDER BY task_id, id", of("task_id"));
    same("attachments", &files, &files);
    let threads = format!(
        "SELECT DISTINCT watches.task_id, platform, channel, thread FROM watches JOIN threads ON threads.id = thread_id \
         WHERE {} ORDER BY 1, 2, 3, 4",
        of("watches.task_id")
    );
    same("watches", &threads, &threads);

    // What an import records of itself comes on top of runs and events.
    let counted = |conn: &Connection, query: &str| {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        texts(conn, query).into_iter().for_each(|row| *counts.entry(row).or_default() += 1);
        counts
    };
    let runs = format!(
        "SELECT task_id, profile, coalesce(outcome, 'imported'), summary, error, started_at / 1000 FROM runs WHERE {}",
        of("task_id")
    );
    let events = format!("SELECT task_id, kind, payload, created_at / 1000 FROM events WHERE {}", of("task_id"));
    for query in [&runs, &events] {
        let here = counted(here, query);
        for (row, times) in counted(there, query) {
            assert!(here.get(&row).is_some_and(|found| *found >= times), "{times} of {row} in {here:#?}");
        }
    }
    assert!(texts(here, "PRAGMA foreign_key_check").is_empty());
    assert_eq!(texts(here, "PRAGMA integrity_check"), ["ok"]);
}

/// The columns of a board that hold JSON.
const JSON: [&str; 6] = ["skills", "payload", "metadata", "choices", "file", "command"];

/// Each row of each table of a dump, and each of its values.
async fn check_dump(f: &Fixture) {
    let dump = import::dump(&f.board, f.folder.path(), NOW).await.unwrap();
    for (table, rows) in dump["tables"].as_object().unwrap() {
        let conn = f.sql();
        let mut select = conn
            .prepare(&format!("SELECT * FROM {table} ORDER BY rowid"))
            .or_else(|_| conn.prepare(&format!("SELECT * FROM {table}")))
            .unwrap();
        let columns: Vec<String> = select.column_names().into_iter().map(str::to_owned).collect();
        let mut stored = select.query([]).unwrap();
        let mut count = 0;
        while let Some(row) = stored.next().unwrap() {
            for (at, column) in columns.iter().enumerate().filter(|(_, column)| *column != "token_hash") {
                let shown = &rows[count][column];
                let is_same = match row.get::<_, rusqlite::types::Value>(at).unwrap() {
                    rusqlite::types::Value::Null => shown.is_null(),
                    rusqlite::types::Value::Integer(number) => *shown == number,
                    rusqlite::types::Value::Text(text) if JSON.contains(&column.as_str()) => {
                        serde_json::from_str::<Value>(&text).unwrap() == *shown
                    }
                    rusqlite::types::Value::Text(text) => *shown == text,
                    other => panic!("{table}.{column}: {other:?}"),
                };
                assert!(is_same, "{table}.{column} of row {count}: {shown}");
            }
            count += 1;
        }
        assert_eq!(rows.as_array().unwrap().len(), count, "{table}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: u32::try_from(crate::process::scaled(8, 400)).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 40,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_board_that_moves_out_comes_in_again_whole_and_once(
        steps in proptest::collection::vec(step(), 5..60),
        later in proptest::collection::vec(step(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut there, here) = (There { f: Fixture::new().await, tasks: Vec::new(), now: NOW }, Here::new().await);
            for step in &steps {
                there.take(step).await;
            }
            check_dump(&there.f).await;
            let out = tempfile::tempdir().unwrap();
            there.leave(out.path()).await;
            let source = Connection::open(out.path().join("kanban.db")).unwrap();
            let counts = here.take_in(out.path(), false).await;
            for (table, count) in &counts {
                if table == "boards" {
                    continue;
                }
                let rows = texts(&source, &format!("SELECT count(*) FROM {table}"))[0].parse::<u64>().unwrap();
                assert_eq!((count.read, count.skipped), (rows, 0), "{table}: {count:?}");
            }
            drop(source);
            check_same(&there.f.sql(), &here.sql());
            let files = texts(&here.sql(), "SELECT stored_path, filename FROM attachments");
            for file in files {
                let (path, name) = file.split_once('|').unwrap();
                assert!(path.starts_with(here.home.path().to_str().unwrap()));
                assert_eq!(fs::read_to_string(path).unwrap(), name);
            }

            let once = dump(&here.sql());
            for update in [false, true] {
                let counts = here.take_in(out.path(), update).await;
                assert!(counts.values().all(|count| count.written == 0), "{counts:?}");
                assert_eq!(dump(&here.sql()), once, "--update: {update}");
            }

            // What has happened there since follows. What is deleted there stays here, and so do its links.
            for step in later.iter().filter(|step| !matches!(step, Step::Delete(_))) {
                there.take(step).await;
            }
            there.leave(out.path()).await;
            here.take_in(out.path(), true).await;
            check_same(&there.f.sql(), &here.sql());
            let twice = dump(&here.sql());
            here.take_in(out.path(), true).await;
            assert_eq!(dump(&here.sql()), twice, "a second update changed something");
        });
    }
}

/// A table that is new belongs to a dump, or is named here.
#[tokio::test]
async fn a_dump_has_every_table_but_those_of_talks_with_platforms() {
    let f = Fixture::new().await;
    let dump = import::dump(&f.board, f.folder.path(), NOW).await.unwrap();
    let stays = [
        "buttons",
        "cards",
        "deliveries",
        "delivery_parts",
        "inbox",
        "messages",
        "pairing",
        "pairing_tries",
        "positions",
        "sessions",
        "strangers",
        "turns",
    ];
    let all = texts(
        &f.sql(),
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
    );
    let mut named: Vec<String> = dump["tables"].as_object().unwrap().keys().cloned().collect();
    named.extend(stays.map(str::to_owned));
    named.sort();
    assert_eq!(named, all);
}
