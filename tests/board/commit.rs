//! Transactions of one process: what is dropped leaves no trace, and what shares a commit is kept whole.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use kanban_gateway::board::{Board, Error, Reason, TaskId, Tx, finish::HandOff};

use crate::fixture::{Fixture, NOW, open, person, titled};

#[tokio::test]
async fn a_transaction_that_is_dropped_changes_nothing_and_holds_nobody_up() {
    let f = Fixture::new().await;
    let before = f.dump();
    let mut tx = f.board.write().await.unwrap();
    tx.create(&person(), "ann", titled("dropped"), NOW).await.unwrap();
    drop(tx);
    let mut tx = f.board.write().await.unwrap();
    tx.create(&person(), "ann", titled("rolled back"), NOW).await.unwrap();
    tx.rollback().await;
    // The next writer comes after both were undone.
    drop(f.board.write().await.unwrap());
    assert_eq!(f.dump(), before);
    f.ready("kept").await;
    assert_eq!(f.count("SELECT count(*) FROM tasks"), 1);
}

#[tokio::test]
async fn a_snapshot_does_not_change_under_its_reader() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let mut tx = f.board.read().await.unwrap();
    assert_eq!(tx.task(&id).await.unwrap().status.as_str(), "ready");
    f.complete(&id).await;
    assert_eq!(tx.task(&id).await.unwrap().status.as_str(), "ready");
    assert_eq!(f.status(&id).await, "done");
}

/// What one writer of a crowd does with its transaction.
/// A comment that the database is made to fail on.
const FAULT: &str = "fault";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Commits,
    IsDropped,
    IsRefused,
    Faults,
}

async fn act(board: Board, at: usize) -> (Does, Result<TaskId, Option<Error>>) {
    let does = [Does::Commits, Does::IsDropped, Does::Commits, Does::IsRefused, Does::Faults][at % 5];
    let mut tx = board.write().await.unwrap();
    let id = tx.create(&person(), "ann", titled(&format!("task {at}")), NOW).await.unwrap().task.id;
    // Others get the chance to queue up behind this one.
    tokio::task::yield_now().await;
    let answer = match does {
        Does::Commits => tx.commit().await.map(|()| id).map_err(Some),
        Does::IsDropped => Err(None),
        Does::IsRefused => match tx.complete(&person(), &"t_nobody".parse().unwrap(), &HandOff::default(), NOW).await {
            Err(refused) => Err(Some(refused)),
            Ok(_) => panic!("an unknown task was completed"),
        },
        Does::Faults => {
            let fault = tx.comment(&person(), &id, "ann", FAULT, NOW).await.unwrap_err();
            // A transaction that has failed takes no further statement, and cannot be committed.
            assert!(tx.task(&id).await.is_err());
            assert!(tx.commit().await.is_err());
            Err(Some(fault))
        }
    };
    (does, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_of_writers_keeps_what_was_acknowledged_and_nothing_else() {
    let f = Fixture::new().await;
    f.fault_on_comment(FAULT);
    for _ in 0..3 {
        let crowd = (0..200).map(|at| tokio::spawn(act(f.board.clone(), at)));
        for done in join_all(crowd).await {
            let (does, answer) = done.unwrap();
            match (does, answer) {
                (Does::Commits, Ok(id)) => {
                    assert_eq!(f.count(&format!("SELECT count(*) FROM tasks WHERE id = '{id}'")), 1);
                    assert_eq!(f.count(&format!("SELECT count(*) FROM events WHERE task_id = '{id}'")), 1);
                }
                (Does::IsDropped, Err(None)) => {}
                (Does::IsRefused, Err(Some(error))) => assert_eq!(error.reason(), Some(Reason::UnknownTask)),
                (Does::Faults, Err(Some(Error::Fault(_)))) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(f.count("SELECT count(*) FROM tasks"), 3 * 200 * 2 / 5);
    assert_eq!(f.count("SELECT count(*) FROM inbox"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_are_called_off_at_any_point_leave_the_line_in_order() {
    let f = Fixture::new().await;
    let finished = join_all((0..300_u64).map(|at| {
        let board = f.board.clone();
        tokio::spawn(async move {
            let mut work = Box::pin(async move {
                let mut tx = board.write().await.unwrap();
                let id = tx.create(&person(), "ann", titled("t"), NOW).await.unwrap().task.id;
                tx.commit().await.unwrap();
                id
            });
            // Polled a while and then dropped, at a different point each.
            for _ in 0..at % 30 {
                if let Some(id) = (&mut work).now_or_never() {
                    return Some(id);
                }
                tokio::task::yield_now().await;
            }
            if at % 3 == 0 { Some(work.await) } else { None }
        })
    }));
    let acknowledged: Vec<_> = finished.await.into_iter().filter_map(Result::unwrap).collect();
    assert!(acknowledged.len() >= 100);
    let last = f.ready("the line goes on").await;
    for id in acknowledged.iter().chain([&last]) {
        assert_eq!(f.count(&format!("SELECT count(*) FROM tasks WHERE id = '{id}'")), 1);
    }
    assert_eq!(f.count("SELECT count(*) FROM tasks"), f.count("SELECT count(*) FROM events"));
}

/// A change that is about to be committed, and a writer who waits behind it, to whom the commit will be left.
async fn change(board: &Board) -> Tx {
    let mut tx = board.write().await.unwrap();
    tx.create(&person(), "ann", titled("entrusted"), NOW).await.unwrap();
    tx
}

async fn is_answered(commit: impl Future<Output = Result<(), Error>>) {
    tokio::time::timeout(Duration::from_secs(10), commit).await.expect("the commit was left undone").unwrap();
}

#[tokio::test]
async fn a_commit_that_was_left_to_a_writer_is_done_when_that_one_is_called_off_in_the_queue() {
    let f = Fixture::new().await;
    let first = change(&f.board).await;
    let mut second = Box::pin(f.board.write());
    assert!((&mut second).now_or_never().is_none());
    let mut commit = Box::pin(first.commit());
    assert!((&mut commit).now_or_never().is_none(), "it is left to the second");
    drop(second);
    is_answered(commit).await;
}

#[tokio::test]
async fn a_commit_that_was_left_to_a_writer_is_done_when_that_one_is_called_off_as_it_begins() {
    let f = Fixture::new().await;
    // Whether the database answers within the one poll is up to it, so this is done many times.
    for round in 1..=50 {
        let first = change(&f.board).await;
        let mut second = Box::pin(f.board.write());
        assert!((&mut second).now_or_never().is_none());
        let mut commit = Box::pin(first.commit());
        assert!((&mut commit).now_or_never().is_none());
        drop((&mut second).now_or_never());
        drop(second);
        is_answered(commit).await;
        assert_eq!(f.count("SELECT count(*) FROM tasks"), round);
    }
}

#[tokio::test]
async fn a_commit_that_was_left_to_a_writer_is_done_when_that_one_is_called_off_as_it_commits() {
    let f = Fixture::new().await;
    let first = change(&f.board).await;
    let mut second = Box::pin(f.board.write());
    assert!((&mut second).now_or_never().is_none());
    let mut commit = Box::pin(first.commit());
    assert!((&mut commit).now_or_never().is_none());
    let mut last = Box::pin(second.await.unwrap().commit());
    assert!((&mut last).now_or_never().is_none(), "it waits for the disk");
    drop(last);
    is_answered(commit).await;
}

#[tokio::test]
async fn a_writer_that_is_called_off_as_it_begins_leaves_no_lock_behind() {
    let f = Fixture::new().await;
    f.ready("opens the writing connection").await;
    for _ in 0..50 {
        let mut called_off = Box::pin(f.board.write());
        drop((&mut called_off).now_or_never());
        drop(called_off);
        // Another process may write before anybody here does.
        let other = f.sql();
        other.busy_timeout(Duration::from_secs(10)).unwrap();
        let written = tokio::task::spawn_blocking(move || other.execute_batch("BEGIN IMMEDIATE; COMMIT")).await;
        written.unwrap().unwrap();
    }
    f.ready("the line goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_writers_and_their_readers_get_on() {
    let f = Fixture::new().await;
    let ids = join_all((0..64).map(|at| f.ready(if at % 2 == 0 { "even" } else { "odd" })).collect::<Vec<_>>()).await;
    let ids = Arc::new(ids);
    let claims = join_all((0..64).map(|at| {
        let (board, ids) = (f.board.clone(), Arc::clone(&ids));
        tokio::spawn(async move {
            let mut won = 0;
            for step in 0..16 {
                let id = &ids[(at * 7 + step) % 64];
                let mut tx = board.write().await.unwrap();
                match tx.claim(id, "gateway", None, NOW).await {
                    Ok(_) => {
                        tx.commit().await.unwrap();
                        won += 1;
                    }
                    Err(error) => assert_eq!(error.reason(), Some(Reason::WrongStatus)),
                }
                assert_eq!(board.read().await.unwrap().task(id).await.unwrap().status.as_str(), "running");
            }
            won
        })
    }));
    let won: i32 = claims.await.into_iter().map(Result::unwrap).sum();
    assert_eq!(won, 64);
    assert_eq!(f.count("SELECT count(*) FROM runs"), 64);
}

#[tokio::test]
async fn a_commit_wakes_those_who_have_something_to_do() {
    let f = Fixture::new().await;
    let wake = Arc::new(kanban_gateway::board::Wake::default());
    let board = Board::open(f.folder.path(), f.board.slug().clone(), Arc::clone(&wake)).await.unwrap();
    let mut tx = board.write().await.unwrap();
    tx.create(&person(), "ann", titled("t"), NOW).await.unwrap();
    assert!(wake.dispatcher.notified().now_or_never().is_none(), "nothing is there to be seen yet");
    tx.commit().await.unwrap();
    assert!(wake.dispatcher.notified().now_or_never().is_some());
    assert!(wake.notifier.notified().now_or_never().is_none());
    board.close().await;
}

#[tokio::test]
async fn the_version_of_the_data_moves_when_another_writes_and_stays_when_this_one_does() {
    let f = Fixture::new().await;
    let other = open(f.folder.path()).await.unwrap();
    let first = f.board.data_version().await.unwrap();
    f.ready("by this one").await;
    assert_eq!(f.board.data_version().await.unwrap(), first);
    let mut tx = other.write().await.unwrap();
    tx.create(&person(), "ann", titled("by another"), NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert_ne!(f.board.data_version().await.unwrap(), first);
}

#[tokio::test]
async fn a_closed_board_says_so() {
    let f = Fixture::new().await;
    f.ready("t").await;
    f.board.close().await;
    assert!(f.board.write().await.err().unwrap().to_string().contains("closed"));
    assert!(f.board.read().await.is_err());
    assert!(!f.folder.path().join("board.db-wal").exists(), "the log was moved into the file");
    let again = open(f.folder.path()).await.unwrap();
    assert_eq!(again.read().await.unwrap().counts().await.unwrap().len(), 1);
}
