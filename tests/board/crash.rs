//! What was acknowledged is there after a kill.

use kanban_gateway::board::TaskId;

use crate::{
    fixture::{NOW, hand_off, open, person, titled},
    process::{Process, folder, report, say, scaled},
};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let rounds = scaled(20, 1_000);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let mut process = Process::start("crash::a_writer", folder.path());
        let mut said = Vec::new();
        // The kill comes while the writers go on, after a number of answers that nobody can foretell.
        for _ in 0..=kanban_gateway::random::bytes::<1>()[0] % 64 {
            said.push(process.hear().unwrap());
        }
        said.extend(process.kill());

        let board = open(folder.path()).await.unwrap();
        let conn = rusqlite::Connection::open(board.file()).unwrap();
        for line in &said {
            let (kind, id) = line.split_once(' ').unwrap();
            let id: TaskId = id.parse().unwrap();
            let query = "SELECT count(*) FROM events JOIN tasks ON tasks.id = task_id WHERE task_id = ?1 AND kind = ?2";
            let found: i64 = conn.query_row(query, [id.as_str(), kind], |row| row.get(0)).unwrap();
            assert_eq!(found, 1, "round {round}: {line} was acknowledged and is lost");
        }
        let whole: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok", "round {round}");
        // A task and its events are written together or not at all.
        let torn = "SELECT count(*) FROM tasks WHERE (status = 'done') <> EXISTS ( \
            SELECT 1 FROM events WHERE task_id = tasks.id AND kind = 'completed')";
        let torn: i64 = conn.query_row(torn, [], |row| row.get(0)).unwrap();
        assert_eq!(torn, 0, "round {round}");
        acknowledged += said.len();
        board.close().await;
    }
    report(&format!("{rounds} kills: {acknowledged} acknowledged changes, none lost"));
    assert!(acknowledged >= rounds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn a_writer() {
    let Some(folder) = folder() else { return };
    let board = open(&folder).await.unwrap();
    // Several at a time, so that they share commits.
    let writers = (0..6).map(|_| {
        let board = board.clone();
        tokio::spawn(async move {
            loop {
                let mut tx = board.write().await.unwrap();
                let id = tx.create(&person(), "ann", titled("t"), NOW).await.unwrap().task.id;
                tx.commit().await.unwrap();
                say(&format!("created {id}"));
                let mut tx = board.write().await.unwrap();
                tx.claim(&id, "gateway", None, NOW).await.unwrap();
                tx.commit().await.unwrap();
                say(&format!("claimed {id}"));
                let mut tx = board.write().await.unwrap();
                tx.complete(&person(), &id, &hand_off("done"), NOW).await.unwrap();
                tx.commit().await.unwrap();
                say(&format!("completed {id}"));
            }
        })
    });
    futures_util::future::join_all(writers).await;
}
