//! Opening a board: at once from many processes, and what must not be opened.

use std::{fs, path::Path, sync::Arc};

use kanban_gateway::board::{
    Actor, BoardSlug, Boards, Reason, SCHEMA_VERSION, Wake,
    button::Deed,
    delivery::{Answer, Owed},
    question::{Given, Road},
};
use kanban_platform::{Author, Block, Button, Input, PostKind, Request, Style, Thread, Urgency};

use crate::{
    fixture::{Fixture, NOW, dump, open, person, titled},
    process::{Process, folder, ordered, report, say, scaled},
};

#[test]
fn sixteen_processes_may_open_a_new_home_at_once() {
    let home = tempfile::tempdir().unwrap();
    let rounds = scaled(20, 200);
    let mut processes: Vec<_> = (0..16).map(|_| Process::start("migrations::an_opener", home.path())).collect();
    for round in 0..rounds {
        processes.iter_mut().for_each(|process| process.order(&round.to_string()));
        for process in &mut processes {
            assert_eq!(process.hear().as_deref(), Some("opened"), "round {round}");
        }
        let file = home.path().join(round.to_string()).join("board.db");
        let conn = rusqlite::Connection::open(&file).unwrap();
        let count = |query: &str| conn.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM tasks"), 16);
        assert_eq!(count("PRAGMA user_version"), SCHEMA_VERSION);
        assert_eq!(count("SELECT count(*) FROM meta WHERE key = 'uid'"), 1);
    }
    processes.into_iter().for_each(Process::end);
    report(&format!("16 processes opened {rounds} new homes at once"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn an_opener() {
    let Some(home) = folder() else { return };
    while let Some(round) = ordered() {
        let board = open(&home.join(round)).await.unwrap();
        let mut tx = board.write().await.unwrap();
        tx.create(&person(), "ann", titled("t"), NOW).await.unwrap();
        tx.commit().await.unwrap();
        board.close().await;
        say("opened");
    }
}

#[tokio::test]
async fn nobody_else_may_read_a_board() {
    use std::os::unix::fs::PermissionsExt;
    let f = Fixture::new().await;
    f.ready("t").await;
    for name in ["board.db", "board.db-wal", "board.lock"] {
        let mode = fs::metadata(f.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

/// A board with a few tasks, closed.
async fn closed_board() -> Fixture {
    let f = Fixture::new().await;
    for at in 0..200 {
        f.ready(&format!("task {at} {}", "x".repeat(200))).await;
    }
    f.board.close().await;
    f
}

async fn refusal(folder: &Path) -> (Option<Reason>, String) {
    let Err(error) = open(folder).await else { panic!("it was opened") };
    (error.reason(), error.to_string())
}

#[tokio::test]
async fn a_newer_schema_and_other_databases_are_refused_untouched() {
    let newer = closed_board().await;
    let file = newer.folder.path().join("board.db");
    newer.sql().execute_batch("PRAGMA user_version = 99").unwrap();
    let other = tempfile::tempdir().unwrap();
    let stranger = other.path().join("board.db");
    rusqlite::Connection::open(&stranger).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    let bare = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(bare.path().join("board.db")).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    let cases = [
        (newer.folder.path(), Reason::NewerSchema, "newer kanban"),
        (other.path(), Reason::Damaged, "not a board"),
        (bare.path(), Reason::Damaged, "not a board"),
    ];
    for (folder, reason, text) in cases {
        let bytes = fs::read(folder.join("board.db")).unwrap();
        let (got, said) = refusal(folder).await;
        assert_eq!(got, Some(reason), "{said}");
        assert!(said.contains(text) && said.contains("nothing was changed"), "{said}");
        assert!(fs::read(folder.join("board.db")).unwrap() == bytes);
        assert!(copies(folder).is_empty());
    }
    assert_eq!(file, newer.board.file());
}

#[tokio::test]
async fn a_newer_schema_that_is_still_in_the_log_is_refused() {
    let f = closed_board().await;
    let writer = f.sql();
    writer.execute_batch("PRAGMA user_version = 99").unwrap();
    let first_page = fs::read(f.board.file()).unwrap();
    assert_eq!(
        first_page[60..64],
        u32::try_from(SCHEMA_VERSION).unwrap().to_be_bytes(),
        "the file itself still says the old version"
    );
    let (got, said) = refusal(f.folder.path()).await;
    assert_eq!(got, Some(Reason::NewerSchema), "{said}");
}

fn copies(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("board.db.damaged-") && !name.ends_with("-wal")
        })
        .map(|path| fs::read(path).unwrap())
        .collect()
}

#[tokio::test]
async fn a_damaged_board_is_refused_and_copied_once_for_each_content() {
    let f = closed_board().await;
    let file = f.board.file();
    let whole = fs::read(&file).unwrap();
    let mut garbage = whole.clone();
    garbage[..4_096].fill(b'z');
    let mut tls = whole.clone();
    tls[..5].copy_from_slice(&[0x16, 0x03, 0x01, 0x02, 0x00]);
    let truncated = whole[..whole.len() / 2].to_vec();
    for (at, damaged) in [garbage, tls, truncated, Vec::new()].into_iter().enumerate() {
        fs::write(&file, &damaged).unwrap();
        for _ in 0..3 {
            let (reason, said) = refusal(f.folder.path()).await;
            assert_eq!(reason, Some(Reason::Damaged), "{said}");
            assert!(said.contains("set aside as"), "{said}");
        }
        assert!(fs::read(&file).unwrap() == damaged, "the damaged file itself stays as it is");
        let copies = copies(f.folder.path());
        assert_eq!(copies.len(), at + 1);
        assert!(copies.contains(&damaged));
    }
    fs::write(&file, &whole).unwrap();
    let board = open(f.folder.path()).await.unwrap();
    board.check().await.unwrap();
}

#[tokio::test]
async fn a_broken_page_is_found_by_the_check_and_a_backup_can_take_its_place() {
    let home = tempfile::tempdir().unwrap();
    let boards = Boards::new(home.path(), Arc::new(Wake::default()));
    let board = boards.get(&"default".parse().unwrap()).await.unwrap();
    for _ in 0..200 {
        let mut tx = board.write().await.unwrap();
        tx.create(&person(), "ann", titled(&"x".repeat(500)), NOW).await.unwrap();
        tx.commit().await.unwrap();
    }
    boards.close().await;
    let whole = fs::read(board.file()).unwrap();
    let mut broken = whole.clone();
    let middle = whole.len() / 4_096 / 2 * 4_096;
    broken[middle..middle + 4_096].fill(0xff);
    fs::write(board.file(), &broken).unwrap();

    let board = boards.get(&"default".parse().unwrap()).await.unwrap();
    let refused = board.check().await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::Damaged), "{refused}");
    assert!(board.write().await.is_err(), "nothing more is written to it");
    assert!(copies(board.folder()) == [broken]);

    fs::write(board.file(), &whole).unwrap();
    let board = boards.get(&"default".parse().unwrap()).await.unwrap();
    board.check().await.unwrap();
    assert_eq!(board.read().await.unwrap().counts().await.unwrap()[0].tasks, 200);
}

#[tokio::test]
async fn a_healthy_board_that_is_locked_is_not_taken_for_a_damaged_one() {
    let f = closed_board().await;
    let other = f.sql();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE tasks SET priority = 1").unwrap();
    let board = open(f.folder.path()).await.unwrap();
    assert_eq!(board.read().await.unwrap().counts().await.unwrap()[0].tasks, 200);
    other.execute_batch("COMMIT").unwrap();
    assert!(copies(f.folder.path()).is_empty());
}

#[tokio::test]
async fn boards_are_made_named_and_taken_off_the_shelf() {
    let home = tempfile::tempdir().unwrap();
    let boards = Boards::new(home.path(), Arc::new(Wake::default()));
    let slug = "side-project".parse().unwrap();
    assert_eq!(boards.get(&slug).await.err().unwrap().reason(), Some(Reason::UnknownBoard));
    assert!(!home.path().join("boards").exists(), "asking for a board makes none");
    let (board, is_new) = boards.create(&slug, NOW).await.unwrap();
    assert!(is_new && !boards.create(&slug, NOW).await.unwrap().1);
    boards.set_current(&slug).unwrap();
    assert_eq!(boards.current().unwrap(), slug);
    assert_eq!(boards.names().unwrap().iter().map(BoardSlug::as_str).collect::<Vec<_>>(), ["default", "side-project"]);

    let mut tx = board.write().await.unwrap();
    let id = tx.create(&person(), "ann", titled("t"), NOW).await.unwrap().task.id;
    tx.claim(&id, "gateway", None, NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(boards.remove(&slug, true, NOW).await.unwrap_err().reason(), Some(Reason::Busy));
    let mut tx = board.write().await.unwrap();
    tx.archive(&person(), &id, NOW).await.unwrap();
    tx.commit().await.unwrap();
    let target = boards.remove(&slug, false, NOW).await.unwrap().unwrap();
    assert!(target.join("board.db").exists());
    assert_eq!(boards.current().unwrap().as_str(), "default");
    let (anew, is_new) = boards.create(&slug, NOW).await.unwrap();
    assert!(is_new && anew.read().await.unwrap().counts().await.unwrap().is_empty());
    assert_eq!(boards.remove(&slug, true, NOW).await.unwrap(), None);
    assert_eq!(
        boards.remove(&"default".parse().unwrap(), true, NOW).await.unwrap_err().reason(),
        Some(Reason::Invalid)
    );
}

/// A board that the first schema wrote, closed.
fn first_board() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(folder.path().join("board.db")).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    conn.execute_batch(include_str!("../../migrations/sqlite/0001_board.sql")).unwrap();
    conn.execute_batch(include_str!("../fixtures/boards/0001_posts.sql")).unwrap();
    conn.execute_batch("PRAGMA application_id = 1263419982; PRAGMA user_version = 1").unwrap();
    folder
}

fn room(channel: &str, thread: Option<&str>) -> Thread {
    Thread {
        platform: "console".to_owned(),
        space: String::new(),
        channel: channel.to_owned(),
        thread: thread.map(str::to_owned),
    }
}

#[tokio::test]
async fn posts_of_the_first_schema_go_out_after_the_migration() {
    let folder = first_board();
    let board = open(folder.path()).await.unwrap();
    let conn = rusqlite::Connection::open(board.file()).unwrap();
    let count = |query: &str| conn.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("PRAGMA user_version"), SCHEMA_VERSION);
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    board.check().await.unwrap();

    let mut tx = board.read().await.unwrap();
    let owed = tx.threads_owed().await.unwrap();
    assert_eq!(owed.iter().map(Owed::thread).collect::<Vec<_>>(), [room("ops", None)]);
    let next = tx.next_deliveries(owed[0].id).await.unwrap();
    let order: Vec<_> = next.iter().map(|delivery| (delivery.id, delivery.post.urgency)).collect();
    assert_eq!(order, [(5, Urgency::Reply), (3, Urgency::News), (4, Urgency::Card)], "answers first, edits last");
    let [answer, news, edit] = [0, 1, 2].map(|at: usize| &next[at].post);
    assert_eq!(answer.kind, PostKind::Reply { update: "u2".to_owned(), return_address: None });
    assert_eq!((&answer.body[..], answer.private), (&[Block::Text("no such task: t_9".to_owned())][..], true));
    assert_eq!((&news.kind, &news.body[..]), (&PostKind::News, &[Block::Text("count to 42\ndone".to_owned())][..]));
    assert_eq!((news.task.as_deref(), news.event.as_deref()), (Some("t_00000002"), Some("completed")));
    assert_eq!(
        news.buttons,
        [Button { key: "0badcafe-3!0".to_owned(), label: "Show".to_owned(), style: Style::Plain }]
    );
    assert_eq!((next[1].attempts, next[1].parts_sent, next[1].next_at), (3, 1, 1_700_000_009_000));
    assert!(next.iter().all(|delivery| delivery.in_doubt_since.is_none()));
    assert_eq!(edit.kind, PostKind::Edit { message: "102".to_owned() });

    // Old messages are still known by their ids, and their buttons by their keys.
    let told = tx.told(&room("ops", None), "102").await.unwrap().unwrap();
    assert_eq!((told.delivery, told.task.as_deref(), told.event.as_deref()), (2, Some("t_00000001"), Some("blocked")));
    assert_eq!(
        told.post.body,
        [Block::Text("paint the shed\nwhich \"colour\"? {\"text\": 1}\nblocked · @bob · t_00000001".to_owned())]
    );
    let cancel = &told.buttons[1].offer;
    assert_eq!(cancel.label, "Cancel");
    assert_eq!(cancel.deed, Deed::Confirm(vec!["cancel".to_owned(), "t_00000001".to_owned()]));
    let (pressed, button) = tx.told_by_key("0badcafe-2!1").await.unwrap().unwrap();
    assert_eq!((pressed.delivery, button), (2, 1));
    assert_eq!(tx.watches().await.unwrap().len(), 2);
    let (undelivered, count) = tx.undelivered().await.unwrap();
    assert_eq!(count, 5);
    let states: Vec<_> = undelivered.iter().map(|post| (post.id, post.state.as_str(), post.error.as_deref())).collect();
    assert_eq!(states[3..], [(6, "queued", Some("unknown channel")), (7, "dead", Some("too long"))]);
    drop(tx);

    // What was refused can be tried again, and what lies in a parked thread.
    let mut tx = board.write().await.unwrap();
    assert_eq!(tx.retry_deliveries(None, NOW).await.unwrap(), 5);
    let owed = tx.threads_owed().await.unwrap();
    assert_eq!(owed[1].thread(), room("gone", Some("x")));
    assert_eq!(tx.next_delivery(owed[1].id).await.unwrap().unwrap().post.text(), "");
    // A newer edit takes the place of one that was queued before.
    tx.owe_edit(&told, "102", vec![Block::Text("newer".to_owned())], NOW).await.unwrap();
    let edits = tx.next_deliveries(owed[0].id).await.unwrap();
    let edits: Vec<_> = edits.iter().filter(|owed| matches!(owed.post.kind, PostKind::Edit { .. })).collect();
    assert_eq!(edits.iter().map(|edit| edit.post.text()).collect::<Vec<_>>(), ["newer"]);
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn keys_and_receipts_of_the_first_schema_hold_after_the_migration() {
    let folder = first_board();
    let before = dump(&rusqlite::Connection::open(folder.path().join("board.db")).unwrap());
    let board = open(folder.path()).await.unwrap();
    let mut tx = board.write().await.unwrap();
    let key = tx.owe_reply(&room("ops", None), "u3", None, Answer::default(), NOW).await.unwrap();
    assert_eq!(key, "0badcafe-42", "the key of a delivery that was cleared away is not given out again");
    assert_eq!(tx.receipt("console", "u1").await.unwrap().unwrap(), r#"{"exit":0,"deliveries":["0badcafe-1"]}"#);
    assert_eq!(tx.receipt("shim", "7:1").await.unwrap().unwrap(), r#"{"exit":0,"stdout":"ok"}"#);
    let again = Request {
        update: "u2".to_owned(),
        author: Author {
            platform: "console".to_owned(),
            id: "ann".to_owned(),
            name: String::new(),
            groups: Vec::new(),
        },
        thread: room("ops", None),
        input: Input::Text("/kanban create twice".to_owned()),
        reply_to: None,
        addressed: true,
        return_address: None,
        is_channel: false,
        message: None,
        files: Vec::new(),
    };
    assert!(!tx.keep_request(&again, NOW).await.unwrap());
    assert!(!tx.acknowledge("console", "u2", "{}", NOW).await.unwrap());
    assert!(tx.keep_request(&Request { update: "u4".to_owned(), ..again }, NOW).await.unwrap());
    let waiting = tx.waiting_requests(0, 10).await.unwrap();
    assert_eq!(
        waiting.iter().map(|(_, request)| request.as_ref().unwrap().update.as_str()).collect::<Vec<_>>(),
        ["u4"]
    );
    tx.commit().await.unwrap();

    // The board as it was lies beside it.
    let backup =
        rusqlite::Connection::open(folder.path().join(format!("board.db.before-{SCHEMA_VERSION}-from-1"))).unwrap();
    assert_eq!(dump(&backup), before);
}

#[tokio::test]
async fn a_board_of_the_first_schema_without_posts_is_migrated_too() {
    let folder = first_board();
    let conn = rusqlite::Connection::open(folder.path().join("board.db")).unwrap();
    conn.execute_batch("DELETE FROM deliveries; DELETE FROM inbox; DELETE FROM sqlite_sequence").unwrap();
    drop(conn);
    let board = open(folder.path()).await.unwrap();
    let mut tx = board.write().await.unwrap();
    let key = tx.owe_reply(&room("ops", None), "u1", None, Answer::default(), NOW).await.unwrap();
    assert_eq!(key, "0badcafe-1");
}

#[tokio::test]
async fn a_question_of_the_first_schema_can_be_answered_and_its_buttons_are_settled() {
    let folder = first_board();
    let conn = rusqlite::Connection::open(folder.path().join("board.db")).unwrap();
    conn.execute_batch(
        "UPDATE tasks SET block_kind = 'needs_input', block_reason = 'which?' WHERE id = 't_00000001'; \
         INSERT INTO events (task_id, run_id, kind, created_at) VALUES ('t_00000001', 7, 'blocked', 1700000001000)",
    )
    .unwrap();
    drop(conn);
    let board = open(folder.path()).await.unwrap();
    let id = "t_00000001".parse().unwrap();
    let mut tx = board.write().await.unwrap();
    let question = tx.open_question(&id).await.unwrap().unwrap();
    assert_eq!((question.text.as_deref(), question.asked_at), (Some("which?"), 1_700_000_001_000));
    let ann = Actor::Person { name: "console:ann".to_owned() };
    tx.answer(&ann, &id, None, Given::Words("red"), Road::Reply, NOW).await.unwrap();
    let told = tx.told_by_id(2).await.unwrap().unwrap();
    assert!(told.buttons.iter().all(|kept| kept.pressed_by.as_deref() == Some("console:ann")));
    let owed = tx.threads_owed().await.unwrap();
    let edits = tx.next_deliveries(owed[0].id).await.unwrap();
    let edits: Vec<_> = edits.iter().filter(|owed| matches!(owed.post.kind, PostKind::Edit { .. })).collect();
    assert_eq!(edits.len(), 1);
    assert!(edits[0].post.text().ends_with("→ red: console:ann"), "{}", edits[0].post.text());
}
