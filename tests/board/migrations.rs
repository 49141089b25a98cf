//! Opening a board: at once from many processes, and what must not be opened.

use std::{fs, path::Path, sync::Arc};

use kanban_gateway::board::{BoardSlug, Boards, Reason, SCHEMA_VERSION, Wake};

use crate::{
    fixture::{Fixture, NOW, open, person, titled},
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
    assert_eq!(first_page[60..64], [0, 0, 0, 1], "the file itself still says the old version");
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
