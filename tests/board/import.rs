//! Moving in: boards of every shape come in whole, are left as they were, and come in once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kanban_gateway::{
    board::{BoardSlug, Boards, Wake},
    import::{self, Order},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    fixture::{NOW, dump, open, person, titled},
    process::{Process, folder, ordered, report, say, scaled},
};

/// The boards that releases of Hermes wrote.
const RELEASES: [&str; 4] = ["legacy-16081", "0.13", "0.17", "0.19"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/hermes-boards/{name}.db"))
}

/// A home of Hermes with one board of a release, and the file that a task of the later ones has.
pub(crate) fn home_of(name: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::copy(fixture(name), home.path().join("kanban.db")).unwrap();
    for task in ["t_17102cad", "t_dc8a737b"] {
        let files = home.path().join("kanban/attachments").join(task);
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("terms.txt"), "terms of use\n").unwrap();
    }
    home
}

/// The program on a home of ours: how it ended, and what it said.
pub(crate) fn kanban(home: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_kanban"))
        .arg("--home")
        .arg(home)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub(crate) fn imported(home: &Path, from: &Path, more: &[&str]) -> Value {
    let mut args = vec!["import", "hermes", from.to_str().unwrap(), "--json"];
    args.extend(more);
    let (exit, said, notes) = kanban(home, &args);
    assert_eq!(exit, 0, "{}: {notes}", from.display());
    let said: Value = serde_json::from_str(&said).unwrap();
    for (table, count) in said["tables"].as_object().unwrap() {
        let number = |key: &str| count[key].as_u64().unwrap();
        assert_eq!(number("read"), number("written") + number("skipped"), "{table}: {count}");
        assert!(number("mended") <= number("written"), "{table}: {count}");
        let has_reasons = !count["reasons"].as_object().unwrap().is_empty();
        assert!(has_reasons || number("mended") + number("skipped") == 0, "{table}: {count}");
    }
    said
}

pub(crate) fn board(home: &Path, slug: &str) -> Connection {
    Connection::open(home.join("boards").join(slug).join("board.db")).unwrap()
}

/// Every row of a board but those of the audit.
pub(crate) fn rows(home: &Path, slug: &str) -> String {
    dump(&board(home, slug)).lines().filter(|line| !line.starts_with("audit|")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn texts(conn: &Connection, query: &str) -> Vec<String> {
    let mut statement = conn.prepare(query).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..columns).map(|at| {
            Ok(match row.get::<_, rusqlite::types::Value>(at)? {
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Null => "-".to_owned(),
                other => format!("{other:?}"),
            })
        });
        cells.collect::<Result<Vec<_>, _>>().map(|cells| cells.join("|"))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Every file below a folder with what it holds.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn each_board_of_a_release_comes_in_with_every_row_accounted_for_and_is_left_as_it_was() {
    for name in RELEASES {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), home_of(name));
        let before = contents(theirs.path());
        let said = imported(ours.path(), theirs.path(), &[]);
        assert!(contents(theirs.path()) == before, "{name}: the home of Hermes was changed");

        // A copy of ours, since to be opened is to be changed.
        let copy = ours.path().join("source.db");
        fs::copy(theirs.path().join("kanban.db"), &copy).unwrap();
        let (source, board) = (Connection::open(&copy).unwrap(), board(ours.path(), "default"));
        for table in texts(&source, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'") {
            let there = texts(&source, &format!("SELECT count(*) FROM {table}"))[0].parse::<u64>().unwrap();
            assert_eq!(said["tables"][&table]["read"], json!(there), "{name}: {table}");
            assert_eq!(said["tables"][&table]["skipped"], json!(0), "{name}: {table}: {said:#}");
        }
        let same = |there: &str, here: &str| assert_eq!(texts(&source, there), texts(&board, here), "{name}: {here}");
        let status = "CASE status WHEN 'running' THEN 'ready' ELSE status END";
        same(
            &format!(
                "SELECT id, title, coalesce(body, '-'), assignee, {status}, priority, tenant, created_at * 1000, result FROM tasks ORDER BY id"
            ),
            "SELECT id, title, coalesce(body, '-'), assignee, status, priority, tenant, created_at, result FROM tasks ORDER BY id",
        );
        same(
            "SELECT parent_id, child_id FROM task_links ORDER BY 1, 2",
            "SELECT parent_id, child_id FROM links ORDER BY 1, 2",
        );
        same(
            "SELECT task_id, author, body, created_at * 1000 FROM task_comments ORDER BY id",
            "SELECT task_id, author, body, created_at FROM comments ORDER BY id",
        );
        // Nothing is in hand, and whatever was says that it was brought in.
        assert!(
            texts(
                &board,
                "SELECT id FROM tasks WHERE current_run IS NOT NULL UNION SELECT id FROM runs WHERE ended_at IS NULL"
            )
            .is_empty()
        );
        assert_eq!(
            texts(&board, "SELECT tasks.title FROM runs JOIN tasks ON tasks.id = task_id WHERE outcome = 'imported'")
                .len(),
            1,
            "{name}"
        );
        if name != "legacy-16081" {
            same("SELECT count(*) FROM kanban_notify_subs", "SELECT count(*) FROM watches");
            same(
                "SELECT task_id, profile, coalesce(outcome, 'imported'), summary FROM task_runs ORDER BY id",
                "SELECT task_id, profile, outcome, summary FROM runs WHERE outcome <> 'in_review' ORDER BY id",
            );
        }
        // Whoever follows is told of nothing that happened before.
        assert!(texts(&board, "SELECT id FROM deliveries").is_empty());
        let late = "SELECT id FROM watches WHERE since_event < (SELECT max(id) FROM events)";
        assert!(texts(&board, late).is_empty(), "{name}");
        if name.starts_with("0.1") && name != "0.13" {
            let file = texts(&board, "SELECT stored_path FROM attachments WHERE size = 13");
            assert_eq!(fs::read_to_string(&file[0]).unwrap(), "terms of use\n");
        }
        assert!(texts(&board, "PRAGMA foreign_key_check").is_empty());

        let once = rows(ours.path(), "default");
        let again = imported(ours.path(), theirs.path(), &[]);
        assert_eq!(rows(ours.path(), "default"), once, "{name}: a second import changed something");
        let updated = imported(ours.path(), theirs.path(), &["--update"]);
        assert_eq!(rows(ours.path(), "default"), once, "{name}: an update without news changed something");
        for said in [again, updated] {
            for (table, count) in said["tables"].as_object().unwrap() {
                assert_eq!(count["written"], json!(0), "{name}: {table}");
            }
        }
        assert!(contents(theirs.path()) == before, "{name}: the home of Hermes was changed");
    }
}

#[test]
fn tasks_that_wait_for_a_person_can_be_answered_and_approved_and_go_on() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), home_of("0.19"));
    imported(ours.path(), theirs.path(), &[]);
    let tried = |args: &[&str]| {
        let (exit, said, notes) = kanban(ours.path(), args);
        assert_eq!(exit, 0, "{args:?}: {said}{notes}");
        said
    };
    assert!(tried(&["show", "t_40bd094f"]).contains("stripe or adyen"));
    tried(&["unblock", "t_40bd094f"]);
    tried(&["approve", "t_300834e7"]);
    tried(&["unblock", "t_a0663061"]);
    tried(&["promote", "t_2ba6d09f"]);
    tried(&["complete", "t_58f59143"]);
    let board = board(ours.path(), "default");
    let of = |id: &str| texts(&board, &format!("SELECT status FROM tasks WHERE id = '{id}'")).remove(0);
    assert_eq!(
        ["t_40bd094f", "t_300834e7", "t_a0663061", "t_2ba6d09f", "t_17102cad"].map(of),
        ["ready", "done", "ready", "ready", "ready"]
    );
}

#[test]
fn news_are_taken_over_when_they_are_asked_for_and_work_that_was_done_here_is_left() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), home_of("0.19"));
    imported(ours.path(), theirs.path(), &[]);
    kanban(ours.path(), &["comment", "t_4da298d3", "mended here"]);
    let source = Connection::open(theirs.path().join("kanban.db")).unwrap();
    source
        .execute_batch(
            "UPDATE tasks SET status = 'done', result = 'transcribed', completed_at = 1795359999 WHERE id = 't_01202574'; \
             UPDATE task_runs SET status = 'done', outcome = 'completed', ended_at = 1795359999, summary = 'all of it' WHERE id = 10; \
             INSERT INTO task_comments (task_id, author, body, created_at) VALUES ('t_01202574', 'bob', 'thanks', 1795359999); \
             UPDATE tasks SET title = 'Changed on both sides' WHERE id = 't_4da298d3'; \
             INSERT INTO tasks (id, title, status, created_at, workspace_kind) VALUES ('t_0000aaaa', 'A new one', 'ready', 1795359999, 'scratch')",
        )
        .unwrap();
    let said = imported(ours.path(), theirs.path(), &[]);
    assert_eq!(said["tables"]["tasks"]["written"], json!(1), "a task that is not here comes in: {said:#}");
    let board = board(ours.path(), "default");
    assert_eq!(texts(&board, "SELECT status FROM tasks WHERE id = 't_01202574'"), ["ready"]);
    let said = imported(ours.path(), theirs.path(), &["--update"]);
    assert_eq!(said["tables"]["tasks"]["written"], json!(1), "{said:#}");
    assert_eq!(said["tables"]["task_comments"]["written"], json!(1));
    assert_eq!(said["tables"]["task_runs"]["written"], json!(1));
    assert_eq!(texts(&board, "SELECT status, result FROM tasks WHERE id = 't_01202574'"), ["done|transcribed"]);
    assert_eq!(
        texts(&board, "SELECT outcome, summary FROM runs WHERE task_id = 't_01202574'"),
        ["completed|all of it"]
    );
    assert_eq!(texts(&board, "SELECT title FROM tasks WHERE id = 't_4da298d3'"), ["Crashing job"]);
    let reasons = said["tables"]["tasks"]["reasons"].to_string();
    assert!(reasons.contains("has been changed here"), "{reasons}");
    // What was deleted here does not come back.
    kanban(ours.path(), &["archive", "t_0000aaaa"]);
    kanban(ours.path(), &["archive", "--rm", "t_0000aaaa"]);
    let said = imported(ours.path(), theirs.path(), &["--update"]);
    assert_eq!(said["tables"]["tasks"]["reasons"]["its task was deleted here"], json!(1), "{said:#}");
}

#[test]
fn a_home_comes_in_with_all_its_boards_and_a_dry_run_makes_nothing() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), home_of("0.19"));
    let shelf = theirs.path().join("kanban/boards");
    for (slug, release) in [("side-project", "0.17"), ("Ops", "0.13"), ("_archived/old-1", "0.13")] {
        fs::create_dir_all(shelf.join(slug)).unwrap();
        fs::copy(fixture(release), shelf.join(slug).join("kanban.db")).unwrap();
    }
    let about = json!({"name": "Side project", "icon": "★", "default_workdir": "/srv/side", "archived": false});
    fs::write(shelf.join("side-project/board.json"), about.to_string()).unwrap();
    fs::write(shelf.join("Ops/board.json"), "{\"name\": \"cut o").unwrap();

    let would = imported(ours.path(), theirs.path(), &["--dry-run"]);
    assert!(!ours.path().join("boards/side-project").exists());
    let said = imported(ours.path(), theirs.path(), &[]);
    assert_eq!(would["tables"], said["tables"]);
    assert_eq!(said["boards"].as_array().unwrap().len(), 3);
    assert_eq!(said["tables"]["boards"]["read"], json!(4));
    assert_eq!(said["tables"]["boards"]["skipped"], json!(1));
    let side = board(ours.path(), "side-project");
    let meta = "SELECT key, value FROM meta WHERE key IN ('name', 'icon', 'default_workdir') ORDER BY key";
    assert_eq!(texts(&side, meta), ["default_workdir|/srv/side", "icon|★", "name|Side project"]);
    assert_eq!(texts(&board(ours.path(), "ops"), "SELECT count(*) FROM tasks"), ["12"]);
    // Names of profiles that are not here are told.
    let waits: Vec<_> =
        said["profiles"].as_array().unwrap().iter().filter(|row| row["known"] == json!(false)).collect();
    assert!(waits.iter().any(|row| row["profile"] == "researcher"), "{said:#}");
    let (_, told, _) = kanban(ours.path(), &["import", "hermes", theirs.path().to_str().unwrap(), "--dry-run"]);
    assert!(told.contains("for researcher, which is no profile here"), "{told}");

    // One board of several, and one under another name.
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let said = imported(one.path(), theirs.path(), &["--board", "ops"]);
    assert_eq!(said["boards"].as_array().unwrap().len(), 1);
    imported(other.path(), &fixture("0.13"), &["--board", "team"]);
    assert_eq!(texts(&board(other.path(), "team"), "SELECT count(*) FROM tasks"), ["12"]);
    let (exit, _, notes) =
        kanban(one.path(), &["import", "hermes", theirs.path().to_str().unwrap(), "--board", "none"]);
    assert!(exit == 1 && notes.contains("default, ops, side-project"), "{notes}");
}

#[test]
fn what_cannot_be_brought_in_is_refused_with_its_reason_and_changes_nothing() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| theirs.path().join(name);
    let whole = fs::read(fixture("0.19")).unwrap();
    fs::write(at("empty.db"), "").unwrap();
    fs::write(at("text.db"), "this is no database, whatever it is called; it goes on for a while to be long enough")
        .unwrap();
    fs::write(at("short.db"), &whole[..60]).unwrap();
    fs::write(at("half.db"), &whole[..whole.len() / 2]).unwrap();
    let mut broken = whole.clone();
    broken[8192..16384].fill(0xff);
    fs::write(at("broken.db"), &broken).unwrap();
    Connection::open(at("other.db")).unwrap().execute_batch("CREATE TABLE notes (id)").unwrap();
    fs::create_dir(at("nothing")).unwrap();
    kanban(ours.path(), &["create", "a task of ours"]);
    let own = ours.path().join("boards/default/board.db");
    fs::copy(&own, at("ours.db")).unwrap();
    let before = rows(ours.path(), "default");
    for (name, reason) in [
        ("empty.db", "is empty"),
        ("text.db", "no database"),
        ("short.db", "cut short"),
        ("half.db", "damaged"),
        ("broken.db", "damaged"),
        ("other.db", "no board of Hermes"),
        ("nothing", "no board is in"),
        ("missing", "is not there"),
        ("ours.db", "board of ours"),
    ] {
        let path = at(name);
        let (exit, said, notes) = kanban(ours.path(), &["import", "hermes", path.to_str().unwrap()]);
        assert!(exit == 1 && said.is_empty() && notes.contains(reason), "{name}: {exit} {said} {notes}");
        assert!(notes.contains(path.to_str().unwrap()), "{name}: {notes}");
    }
    let (exit, _, notes) = kanban(ours.path(), &["import", "hermes", own.to_str().unwrap()]);
    assert!(exit == 1 && notes.contains("home of this gateway"), "{notes}");
    assert_eq!(rows(ours.path(), "default"), before);
    assert!(!ours.path().join("import").exists(), "copies are cleared away");
}

/// One board of a home is damaged: the others come in, and nothing is said of it that is not so.
#[test]
fn a_board_that_cannot_be_brought_in_does_not_hold_up_the_others() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), home_of("0.19"));
    let shelf = theirs.path().join("kanban/boards");
    for slug in ["bad", "side"] {
        fs::create_dir_all(shelf.join(slug)).unwrap();
    }
    let bad = shelf.join("bad/kanban.db");
    fs::copy(fixture("0.13"), shelf.join("side/kanban.db")).unwrap();
    fs::write(&bad, &fs::read(fixture("0.17")).unwrap()[..60]).unwrap();
    let sentence =
        format!("`{}` cannot be brought in: it is cut short; nothing of that board was changed\n", bad.display());
    for more in [&["--dry-run"][..], &["--json", "--dry-run"], &[], &["--json"]] {
        let from = theirs.path().to_str().unwrap();
        let (exit, said, notes) = kanban(ours.path(), &[&["import", "hermes", from], more].concat());
        assert_eq!((exit, notes), (1, sentence.clone()), "{more:?}: {said}");
        if !more.contains(&"--json") {
            assert!(said.contains("into board 'default'") && said.contains("into board 'side'"), "{said}");
            continue;
        }
        let said: Value = serde_json::from_str(&said).unwrap();
        let brought: Vec<_> = said["boards"].as_array().unwrap().iter().map(|board| &board["board"]).collect();
        assert_eq!(brought, ["default", "side"]);
        assert_eq!(said["failed"], json!([{"board": "bad", "from": bad, "reason": "it is cut short"}]));
        let boards = &said["tables"]["boards"];
        assert_eq!((&boards["read"], &boards["reasons"]["it could not be brought in"]), (&json!(3), &json!(1)));
    }
    assert_eq!(texts(&board(ours.path(), "side"), "SELECT count(*) FROM tasks"), ["12"]);
    assert!(!ours.path().join("boards/bad").exists());
}

/// `--update` is advised where it would take something over, and nowhere else.
#[test]
fn what_hangs_on_a_task_that_was_changed_here_is_not_sent_in_circles() {
    const CHANGED: &str = "its task has been changed here since the last import";
    const CIRCLE: &str = "it would close a circle in which every task waits for the others";
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = theirs.path().join("kanban.db");
    let source = Connection::open(&file).unwrap();
    source
        .execute_batch(
            "CREATE TABLE tasks (id TEXT, title TEXT, status TEXT, created_at); \
             CREATE TABLE task_links (parent_id, child_id); \
             CREATE TABLE task_comments (id INTEGER PRIMARY KEY, task_id, author, body, created_at); \
             INSERT INTO tasks VALUES ('t_1', 'one', 'todo', 1777629600), ('t_2', 'two', 'todo', 1777629600); \
             INSERT INTO task_links VALUES ('t_1', 't_2'), ('t_2', 't_1')",
        )
        .unwrap();
    let said = imported(ours.path(), &file, &[]);
    assert_eq!(said["tables"]["task_links"]["reasons"], json!({CIRCLE: 1}), "{said:#}");
    let (exit, ..) = kanban(ours.path(), &["comment", "t_1", "touched here"]);
    assert_eq!(exit, 0);
    source
        .execute_batch(
            "INSERT INTO task_comments (task_id, author, body, created_at) VALUES ('t_1', 'bob', 'news', 1777629700), \
             ('t_2', 'bob', 'news', 1777629700)",
        )
        .unwrap();
    let newer = "it was not taken over with its task: `--update` takes over what is newer";
    let said = imported(ours.path(), &file, &["--dry-run"]);
    assert_eq!(said["tables"]["task_comments"]["reasons"], json!({CHANGED: 1, newer: 1}), "{said:#}");
    for (more, written) in [(&["--update", "--dry-run"][..], 1), (&["--update"], 1), (&["--update"], 0)] {
        let said = imported(ours.path(), &file, more);
        let comments = &said["tables"]["task_comments"];
        assert_eq!((&comments["written"], &comments["reasons"][CHANGED]), (&json!(written), &json!(1)), "{said:#}");
        assert_eq!(said["tables"]["tasks"]["reasons"], json!({"it is here already": 2}));
        assert_eq!(said["tables"]["task_links"]["reasons"], json!({CIRCLE: 1, "it is here already": 1}));
    }
    source.execute_batch("UPDATE tasks SET title = 'changed there'").unwrap();
    let said = imported(ours.path(), &file, &["--dry-run"]);
    let newer_task = &said["tables"]["tasks"]["reasons"];
    assert_eq!(newer_task, &json!({CHANGED: 1, newer: 1}), "{said:#}");
}

/// Columns that are missing or unknown, keys that are texts, statuses that nobody knows, and rows that belong to nothing.
#[test]
fn a_board_of_no_release_comes_in_mended() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = theirs.path().join("odd.db");
    let source = Connection::open(&file).unwrap();
    source
        .execute_batch(
            "CREATE TABLE tasks (id TEXT, title TEXT, status TEXT, assignee TEXT, priority, created_at, mood TEXT, skills, workspace_kind, \
                workspace_path, idempotency_key, spawn_failures, last_spawn_error); \
             CREATE TABLE task_links (parent_id, child_id) ; \
             CREATE TABLE task_comments (id TEXT PRIMARY KEY, task_id, author, body, created_at); \
             CREATE TABLE task_events (id TEXT PRIMARY KEY, task_id, kind, payload, created_at) WITHOUT ROWID; \
             CREATE TABLE task_runs (id TEXT PRIMARY KEY, task_id, profile, status, started_at, ended_at, outcome, metadata); \
             CREATE TABLE plugin_state (a, b); \
             INSERT INTO plugin_state VALUES (1, 2), (3, 4); \
             INSERT INTO tasks (id, title, status, assignee, priority, created_at, mood, skills) VALUES \
                ('t_1', 'one', 'paused', 'My Bot!', '7', '2026-05-01T10:00:00Z', 'fine', 'a, b'), \
                ('T_2', 'two', 'todo', NULL, 1.0, 1777629600.5, NULL, '[\"x\"]'), \
                ('task three', '', 'completed', 'ops', 'high', 'yesterday', NULL, NULL), \
                ('t_4', 'four', 'ready', 'ops', NULL, 1777629600000, NULL, '{}'), \
                ('t_5', 'five', NULL, 'ops', 0, 1777629600, NULL, NULL), \
                ('t_1', 'one again', 'ready', NULL, 0, 1777629600, NULL, NULL), \
                (NULL, 'nobody', 'ready', NULL, 0, 1777629600, NULL, NULL), \
                ('t_6', CAST(X'66ff6f' AS TEXT), 'blocked', 'ops', 0, 1777629600, NULL, NULL), \
                ('t_7', 'seven', 'running', 'ops', 0, 1777629600, NULL, NULL); \
             UPDATE tasks SET workspace_kind = 'dir', workspace_path = '../elsewhere' WHERE id = 't_4'; \
             UPDATE tasks SET workspace_kind = 'cloud' WHERE id = 't_5'; \
             UPDATE tasks SET idempotency_key = 'same' WHERE id IN ('t_4', 't_5'); \
             UPDATE tasks SET spawn_failures = 2, last_spawn_error = 'no such worker' WHERE id = 't_6'; \
             INSERT INTO task_links VALUES ('t_1', 't_4'), ('t_4', 't_1'), ('t_4', 't_4'), ('t_9', 't_4'), ('task three', 'T_2'), ('t_1', 't_4'); \
             INSERT INTO task_comments VALUES ('c1', 't_1', NULL, 'same', 1), ('c2', 't_1', NULL, 'same', 1), ('c3', 't_nowhere', 'x', 'y', 1); \
             INSERT INTO task_events VALUES ('e1', 't_6', 'spawn_auto_blocked', '{\"error\": \"no such worker\"}', 5), \
                ('e2', 't_1', 'teleported', 'not json', 6), ('e3', 't_1', 'priority', '[1]', 7); \
             INSERT INTO task_runs VALUES ('r1', 't_6', 'ops', 'weird', 5, 6, NULL, NULL), ('r2', 't_7', 'ops', 'running', 5, NULL, NULL, '7')",
        )
        .unwrap();
    drop(source);
    let said = imported(ours.path(), &file, &[]);
    let board = board(ours.path(), "default");
    let counted = |table: &str| {
        let count = &said["tables"][table];
        ["read", "written", "skipped"].map(|key| count[key].as_u64().unwrap())
    };
    assert_eq!(counted("tasks"), [9, 7, 2], "{said:#}");
    assert_eq!(counted("task_links"), [6, 2, 4], "{said:#}");
    assert_eq!(counted("task_comments"), [3, 2, 1]);
    assert_eq!(counted("task_events"), [3, 3, 0]);
    assert_eq!(counted("task_runs"), [2, 2, 0]);
    assert_eq!(counted("plugin_state"), [2, 0, 2]);
    assert_eq!(said["tables"]["tasks"]["reasons"]["column `mood` is not carried"], json!(1));
    assert_eq!(
        texts(&board, "SELECT title, status, assignee, priority, skills FROM tasks ORDER BY title"),
        [
            "(untitled)|done|ops|0|[]",
            "five|triage|ops|0|[]",
            "four|todo|ops|0|[]",
            "f\u{fffd}o|blocked|ops|0|[]",
            "one|triage|my-bot-|7|[\"a\",\"b\"]",
            "seven|ready|ops|0|[]",
            "two|ready|-|1|[\"x\"]",
        ]
    );
    let times = texts(&board, "SELECT created_at FROM tasks WHERE title IN ('one', 'two', 'four') ORDER BY title");
    assert_eq!(times, ["1777629600000", "1777629600000", "1777629600500"]);
    assert_eq!(
        texts(&board, "SELECT failures, last_error, block_reason FROM tasks WHERE id = 't_6'"),
        ["2|no such worker|no such worker"]
    );
    assert!(texts(&board, "SELECT id FROM tasks").iter().all(|id| id.starts_with("t_") && *id == id.to_lowercase()));
    let unknown = "SELECT json_extract(payload, '$.kind') FROM events WHERE kind = 'imported' AND json_extract(payload, '$.kind') IS NOT NULL ORDER BY 1";
    assert_eq!(texts(&board, unknown), ["reprioritized", "teleported"]);
    for id in texts(&board, "SELECT id FROM tasks") {
        for verb in ["show", "why", "context", "runs"] {
            let (exit, said, notes) = kanban(ours.path(), &[verb, &id]);
            assert_eq!(exit, 0, "{verb} {id}: {said}{notes}");
        }
    }
    let once = rows(ours.path(), "default");
    imported(ours.path(), &file, &["--update"]);
    assert_eq!(rows(ours.path(), "default"), once);
}

/// The file alone does not have what is still in the log beside it.
#[test]
fn a_log_that_another_process_writes_is_read_and_left_alone() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), home_of("0.19"));
    let file = theirs.path().join("kanban.db");
    let writer = Connection::open(&file).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    writer
        .execute_batch("INSERT INTO tasks (id, title, status, created_at) VALUES ('t_00000001', 'in the log', 'ready', 1795359999)")
        .unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE tasks SET title = 'not committed'").unwrap();
    let before = contents(theirs.path());
    let said = imported(ours.path(), theirs.path(), &[]);
    assert_eq!(said["tables"]["tasks"]["written"], json!(14));
    assert!(contents(theirs.path()) == before, "the home of Hermes was changed");
    writer.execute_batch("COMMIT").unwrap();
    let titles = texts(
        &board(ours.path(), "default"),
        "SELECT title FROM tasks WHERE id IN ('t_00000001', 't_a22f5c57') ORDER BY id",
    );
    assert_eq!(titles, ["in the log", "Plan the 2.0 launch"]);
}

/// A task and its comment are written together: a copy that was torn would have one without the other.
#[test]
fn a_copy_holds_together_while_somebody_writes_and_moves_the_log_into_the_file() {
    let theirs = home_of("0.19");
    let file = theirs.path().join("kanban.db");
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (file, stop) = (file.clone(), Arc::clone(&stop));
        move || {
            let conn = Connection::open(&file).unwrap();
            conn.execute_batch("PRAGMA wal_autocheckpoint = 7; PRAGMA synchronous = OFF").unwrap();
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                count += 1;
                let task = format!("t_w{}", count % 100);
                conn.execute_batch(&format!(
                    "BEGIN IMMEDIATE; INSERT OR REPLACE INTO tasks (id, title, body, status, created_at) VALUES ('{task}', 'w', '{count}', 'todo', 1); \
                     DELETE FROM task_comments WHERE task_id = '{task}'; \
                     INSERT INTO task_comments (task_id, author, body, created_at) VALUES ('{task}', 'w', '{count}', 1); COMMIT"
                ))
                .unwrap();
                if count % 50 == 0 {
                    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
                }
            }
            count
        }
    });
    let rounds = scaled(3, 60);
    let mut seen = Vec::new();
    for _ in 0..rounds {
        let ours = tempfile::tempdir().unwrap();
        let said = imported(ours.path(), &file, &[]);
        let board = board(ours.path(), "default");
        let torn = "SELECT tasks.id FROM tasks LEFT JOIN comments ON task_id = tasks.id WHERE title = 'w' AND tasks.body IS NOT comments.body";
        assert!(texts(&board, torn).is_empty());
        seen.push(said["tables"]["tasks"]["written"].as_u64().unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let count = writer.join().unwrap();
    report(&format!("{rounds} imports beside a writer of {count} transactions: {seen:?} tasks"));
    assert!(count > 0);
}

#[test]
fn an_import_that_is_killed_at_any_statement_leaves_nothing_half_done() {
    let theirs = home_of("0.19");
    // A board that has something already, closed, to begin with each time.
    let start = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let board = open(&start.path().join("boards/default")).await.unwrap();
        let mut tx = board.write().await.unwrap();
        tx.create(&person(), "ann", titled("ours"), NOW).await.unwrap();
        tx.commit().await.unwrap();
        board.close().await;
    });
    let fresh = || {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("boards/default")).unwrap();
        fs::copy(start.path().join("boards/default/board.db"), home.path().join("boards/default/board.db")).unwrap();
        home
    };
    let killed_at = |home: &Path, statement: usize| {
        let mut process = Process::start("import::an_importer", home);
        process.order(&format!("{statement} {}", theirs.path().display()));
        process.hear()
    };
    let whole = fresh();
    let said = killed_at(whole.path(), usize::MAX).unwrap();
    let statements: usize = said.strip_prefix("done ").unwrap().parse().unwrap();
    let (before, after) = (rows(start.path(), "default"), rows(whole.path(), "default"));
    assert!(statements > 150 && before != after);
    let places = |text: &str, home: &Path| text.replace(home.to_str().unwrap(), "HOME");
    let step = (statements / scaled(16, statements)).max(1);
    let mut kills = 0;
    for statement in (1..=statements).step_by(step).chain([statements]) {
        let home = fresh();
        assert_eq!(killed_at(home.path(), statement), None, "statement {statement} of {statements}");
        assert_eq!(rows(home.path(), "default"), before, "killed at statement {statement}");
        let (_, found, _) = kanban(home.path(), &["list", "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap().as_array().unwrap().len(), 1);
        killed_at(home.path(), usize::MAX).unwrap();
        assert_eq!(places(&rows(home.path(), "default"), home.path()), places(&after, whole.path()));
        let files = contents(&home.path().join("boards/default/attachments"));
        assert_eq!(files.len(), 1, "{:?}", files.keys());
        kills += 1;
    }
    report(&format!("{kills} kills of an import of {statements} statements: nothing was half done"));
}

#[tokio::test]
#[ignore = "started by another test"]
async fn an_importer() {
    let Some(home) = folder() else { return };
    let Some(order) = ordered() else { return };
    let (last, from) = order.split_once(' ').unwrap();
    let last: usize = last.parse().unwrap();
    let boards = Boards::new(&home, Arc::new(Wake::default()));
    let order = Order { from: from.into(), ..Order::default() };
    let mut count = 0;
    let mut step = |_: &str| {
        count += 1;
        if count == last {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
    };
    let report = import::hermes(&boards, &order, NOW, &mut step).await.unwrap();
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    boards.close().await;
    assert_eq!(boards.names().unwrap(), [BoardSlug::default()]);
    say(&format!("done {count}"));
}
