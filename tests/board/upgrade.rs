//! Boards of every version that there was come up to the present one with all that they held, whatever cuts that short.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use kanban_gateway::board::SCHEMA_VERSION;
use rusqlite::{Connection, types::Value};
use tempfile::TempDir;

use crate::{
    fixture::{dump, open},
    import::{board, kanban, texts},
    process::{kill_after, report, scaled},
};

/// The files of a folder that belong to a version, by the four digits that their names begin with.
fn scripts(folder: &str, version: i64) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&format!("{version:04}_")));
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// A home whose default board is of a version: what each version before it brought lay there when the next one came.
fn home_of(version: i64) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("boards/default")).unwrap();
    let conn = board(home.path(), "default");
    conn.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    for version in 1..=version {
        let [migration] = scripts("migrations/sqlite", version).try_into().unwrap();
        conn.execute_batch(&migration).unwrap();
        for sample in scripts("tests/fixtures/boards", version) {
            conn.execute_batch(&sample).unwrap_or_else(|error| panic!("the samples of schema {version}: {error}"));
        }
    }
    conn.execute_batch(&format!("PRAGMA application_id = 1263419982; PRAGMA user_version = {version}")).unwrap();
    home
}

type Cells = BTreeMap<String, Value>;

/// Every row of every table.
fn tables(conn: &Connection) -> BTreeMap<String, Vec<Cells>> {
    let names = texts(conn, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    names
        .into_iter()
        .map(|table| {
            let mut select = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns: Vec<String> = select.column_names().into_iter().map(str::to_owned).collect();
            let rows = select.query_map([], |row| {
                columns.iter().enumerate().map(|(at, column)| Ok((column.clone(), row.get(at)?))).collect()
            });
            (table, rows.unwrap().collect::<Result<Vec<Cells>, _>>().unwrap())
        })
        .collect()
}

/// What tells a row of a table from the others.
fn key<'r>(table: &str, row: &'r Cells) -> Vec<&'r Value> {
    let names: &[&str] = match table {
        "meta" | "sqlite_sequence" => &["key", "name"],
        "links" => &["parent_id", "child_id"],
        "inbox" => &["platform", "update_id"],
        "positions" => &["platform", "stream"],
        "strangers" | "pairing_tries" => &["person"],
        "pins" => &["platform", "space", "channel", "thread"],
        "workplaces" | "quorums" => &["task_id"],
        "delivery_parts" => &["delivery_id", "message"],
        "buttons" => &["delivery_id", "number"],
        "messages" => &["platform", "channel", "message"],
        "sessions" => &["thread_id", "profile"],
        "grants" => &["who", "platform", "space", "channel", "board", "tenant"],
        "parked_profiles" => &["profile"],
        "firings" => &["schedule_id", "nominal"],
        "arrivals" => &["kind", "key"],
        "left_worktrees" => &["path"],
        _ => &["id"],
    };
    names.iter().filter_map(|name| row.get(*name)).collect()
}

/// Each row that was there is there still, with what its columns said, and no row came from nowhere.
fn check_rows(before: &BTreeMap<String, Vec<Cells>>, after: &BTreeMap<String, Vec<Cells>>, version: i64) {
    for (table, rows) in before {
        let now = &after[table];
        for row in rows {
            let found: Vec<_> = now.iter().filter(|now| key(table, now) == key(table, row)).collect();
            let [found] = found[..] else { panic!("schema {version}: {} rows of {table} for {row:?}", found.len()) };
            for (column, value) in row {
                match (table.as_str(), column.as_str(), version) {
                    // A text became a block, and buttons became rows.
                    ("deliveries", "post", 1) => assert_eq!(text_of(value), text_of(&found["post"]), "{row:?}"),
                    ("deliveries", "actions", 1..=4) => {
                        let Value::Text(actions) = value else { continue };
                        let labels: Vec<serde_json::Value> = serde_json::from_str(actions).unwrap();
                        let buttons = after["buttons"].iter().filter(|button| button["delivery_id"] == row["id"]);
                        let buttons: Vec<_> = buttons.map(|button| &button["label"]).collect();
                        let labels: Vec<_> = labels.iter().map(|label| label[0].as_str().unwrap().to_owned()).collect();
                        assert_eq!(
                            buttons,
                            labels.into_iter().map(Value::Text).collect::<Vec<_>>().iter().collect::<Vec<_>>()
                        );
                    }
                    // What went through a table that took the place of another is counted on from there.
                    ("sqlite_sequence", "seq", _) if found["name"] == Value::Text("inbox".to_owned()) => {}
                    _ => assert_eq!(Some(value), found.get(column), "schema {version}: {table}.{column} of {row:?}"),
                }
            }
        }
        let grows = version < 5 && ["questions", "buttons"].contains(&table.as_str());
        assert!(grows || table == "sqlite_sequence" || now.len() == rows.len(), "schema {version}: {table}");
    }
}

fn text_of(post: &Value) -> String {
    let Value::Text(post) = post else { panic!("{post:?} is no post") };
    let post: serde_json::Value = serde_json::from_str(post).unwrap();
    post["text"].as_str().or(post["body"][0]["text"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn a_board_of_every_version_comes_up_whole_and_works() {
    let fresh = tempfile::tempdir().unwrap();
    let fresh = open(fresh.path()).await.unwrap();
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let expected = texts(&Connection::open(fresh.file()).unwrap(), schema);
    let (mut rows, mut every) = (0, 0);
    for version in 1..=SCHEMA_VERSION {
        let home = home_of(version);
        let conn = board(home.path(), "default");
        let before = tables(&conn);
        drop(conn);
        let (exit, listed, notes) = kanban(home.path(), &["list", "--json"]);
        assert_eq!(exit, 0, "schema {version}: {notes}");
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 9, "all but the archived one");

        let conn = board(home.path(), "default");
        assert_eq!(texts(&conn, "SELECT user_version FROM pragma_user_version"), [SCHEMA_VERSION.to_string()]);
        assert_eq!(texts(&conn, schema), expected, "schema {version}");
        assert_eq!(texts(&conn, "PRAGMA integrity_check"), ["ok"], "schema {version}");
        assert!(texts(&conn, "PRAGMA foreign_key_check").is_empty(), "schema {version}");
        check_rows(&before, &tables(&conn), version);
        rows = before.values().map(Vec::len).sum::<usize>();
        every += rows;
        let saved = home.path().join(format!("boards/default/board.db.before-{SCHEMA_VERSION}-from-{version}"));
        assert_eq!(saved.exists(), version < SCHEMA_VERSION);
        if saved.exists() {
            assert_eq!(tables(&Connection::open(&saved).unwrap()), before, "the board as it was lies beside it");
        }

        if version % 4 == 1 || scaled(0, 1) == 1 {
            goes_on(home.path(), version);
        }
    }
    report(&format!("boards of {SCHEMA_VERSION} versions: {every} rows accounted for, {rows} of them in the newest"));
    // A version whose tables or columns have no sample is found here.
    let home = home_of(SCHEMA_VERSION);
    for (table, rows) in tables(&board(home.path(), "default")) {
        let columns = texts(&board(home.path(), "default"), &format!("SELECT name FROM pragma_table_info('{table}')"));
        for column in columns {
            let is_said = rows.iter().any(|row| row[&column] != Value::Null);
            assert!(is_said, "nothing in {table}.{column}: give it a sample in tests/fixtures/boards");
        }
    }
}

/// A person goes on in a board that has come up.
fn goes_on(home: &Path, version: i64) {
    let tried = |args: &[&str]| {
        let (exit, said, notes) = kanban(home, args);
        assert_eq!(exit, 0, "schema {version}: {args:?}: {said}{notes}");
        said
    };
    let conn = board(home, "default");
    let shown = tried(&["show", "t_00000004"]);
    assert!(shown.contains("👩‍👩‍👧"), "{shown}");
    let posts = "SELECT count(*) FROM deliveries WHERE thread_id = 1 AND task_id = 't_00000003' AND event = 'completed' AND state = 'queued'";
    assert_eq!(texts(&conn, posts), ["0"]);
    tried(&["complete", "t_00000003", "--result", "done"]);
    assert_eq!(texts(&conn, posts), ["1"], "schema {version}: whoever follows is told");
    assert_eq!(texts(&conn, "SELECT status FROM tasks WHERE id = 't_00000006'"), ["ready"], "schema {version}");
    let new: serde_json::Value =
        serde_json::from_str(&tried(&["create", "new", "--parent", "t_00000006", "--json"])).unwrap();
    assert_eq!(new["status"], "todo");
    tried(&["unblock", "t_0000000a"]);
    tried(&["approve", "t_00000008"]);
}

/// Every statement of every migration, in order.
fn statements(from: i64) -> Vec<String> {
    let scripts: String =
        (from + 1..=SCHEMA_VERSION).flat_map(|version| scripts("migrations/sqlite", version)).collect();
    let bare: String = scripts
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .fold(String::new(), |text, line| text + line + "\n");
    bare.split_inclusive(";\n").map(str::to_owned).filter(|statement| !statement.trim().is_empty()).collect()
}

/// What lies on the disk in the middle of a migration is what a kill at that statement leaves.
#[tokio::test]
async fn a_migration_that_ends_at_any_statement_leaves_the_old_board() {
    let statements = statements(1);
    assert!(statements.len() > 80, "{}", statements.len());
    let home = home_of(1);
    let whole = home_of(1);
    let before = dump(&board(home.path(), "default"));
    open(&whole.path().join("boards/default")).await.unwrap().close().await;
    let after = dump(&board(whole.path(), "default"));
    let conn = board(home.path(), "default");
    // Nothing is held back, so that half a migration is in the log.
    conn.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; PRAGMA wal_autocheckpoint = 0; BEGIN IMMEDIATE")
        .unwrap();
    let step = (statements.len() / scaled(12, statements.len())).max(1);
    let (mut kills, mut spilled) = (0, 0);
    for (at, statement) in statements.iter().enumerate() {
        conn.execute_batch(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        if at % step != 0 && at + 1 != statements.len() {
            continue;
        }
        let killed = tempfile::tempdir().unwrap();
        for name in ["board.db", "board.db-wal"] {
            fs::copy(home.path().join("boards/default").join(name), killed.path().join(name)).unwrap();
        }
        spilled += usize::from(fs::metadata(killed.path().join("board.db-wal")).unwrap().len() > 0);
        let left = Connection::open(killed.path().join("board.db")).unwrap();
        assert_eq!(dump(&left), before, "after {statement}");
        assert_eq!(texts(&left, "SELECT user_version FROM pragma_user_version"), ["1"]);
        drop(left);
        let board = open(killed.path()).await.unwrap();
        board.check().await.unwrap();
        board.close().await;
        assert_eq!(dump(&Connection::open(killed.path().join("board.db")).unwrap()), after, "after {statement}");
        kills += 1;
    }
    assert!(spilled > 0, "no part of a migration was on the disk");
    report(&format!(
        "{kills} ends of a migration of {} statements, {spilled} with a part of it on the disk: none was half done",
        statements.len()
    ));
}

#[test]
fn a_migration_that_is_killed_at_any_moment_leaves_the_old_board_or_the_new_one() {
    // Enough that it takes a while.
    let template = home_of(1);
    let conn = board(template.path(), "default");
    conn.execute_batch(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 6000) \
         INSERT INTO deliveries (thread_id, task_id, event, post, actions, state, next_at, created_at) \
         SELECT 1, 't_00000002', 'completed', (SELECT post FROM deliveries WHERE id = 3), \
            (SELECT actions FROM deliveries WHERE id = 3), 'sent', 0, n FROM n; PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .unwrap();
    let before = dump(&conn);
    drop(conn);
    let copy = || {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("boards/default")).unwrap();
        fs::copy(template.path().join("boards/default/board.db"), home.path().join("boards/default/board.db")).unwrap();
        home
    };
    let start = |home: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
        command.arg("--home").arg(home).arg("list").env_clear();
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let whole = copy();
    let began = Instant::now();
    assert!(start(whole.path()).wait().unwrap().success());
    let took = began.elapsed();
    let after = dump(&board(whole.path(), "default"));
    let rounds = scaled(3, 200);
    let mut new = 0;
    for round in 0..rounds {
        let home = copy();
        kill_after(start(home.path()), took * u32::try_from(round + 1).unwrap() / u32::try_from(rounds + 1).unwrap());
        let found = dump(&board(home.path(), "default"));
        assert!(found == before || found == after, "round {round}: a part of the migration");
        new += usize::from(found == after);
        let (exit, said, notes) = kanban(home.path(), &["list"]);
        assert_eq!(exit, 0, "round {round}: {said}{notes}");
        assert!(dump(&board(home.path(), "default")) == after, "round {round}");
        let saved = home.path().join(format!("boards/default/board.db.before-{SCHEMA_VERSION}-from-1"));
        assert!(dump(&Connection::open(saved).unwrap()) == before, "round {round}: the board as it was");
    }
    report(&format!("{rounds} kills of a migration of {} ms: {new} were through, none half", took.as_millis()));
}
