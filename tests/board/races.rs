//! Several processes at one board: no task is claimed twice, and a key makes one task.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kanban_gateway::board::{Reason, TaskId, create::NewTask};
use tokio::sync::Barrier;

use crate::{
    fixture::{Fixture, NOW, open, person, titled},
    process::{Process, folder, ordered, report, say, scaled},
};

const PROCESSES: usize = 16;

#[tokio::test]
async fn sixteen_processes_claim_each_task_once() {
    let f = Fixture::new().await;
    let tasks = PROCESSES * scaled(100, 2_000);
    for _ in 0..tasks / PROCESSES {
        f.write(async |tx| {
            for _ in 0..PROCESSES {
                tx.create(&person(), "ann", titled("t"), NOW).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    }
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::start("races::a_claimer", f.folder.path())).collect();
    for process in &mut processes {
        assert_eq!(process.hear().as_deref(), Some("ready"));
    }
    let began = Instant::now();
    processes.iter_mut().for_each(|process| process.order("go"));
    let (mut claimed, mut lost, mut longest) = (0, 0, 0);
    let mut fewest = usize::MAX;
    for process in &mut processes {
        let said = process.hear().unwrap();
        let numbers: Vec<usize> = said.split(' ').map(|number| number.parse().unwrap()).collect();
        claimed += numbers[0];
        lost += numbers[1];
        longest = longest.max(numbers[2]);
        fewest = fewest.min(numbers[0]);
    }
    let took = began.elapsed();
    processes.into_iter().for_each(Process::end);
    report(&format!(
        "{PROCESSES} processes, {tasks} tasks: {claimed} claims, {lost} refused, fewest by one {fewest}, longest wait {longest} ms, in {took:?}"
    ));
    assert_eq!(claimed, tasks);
    let tasks = i64::try_from(tasks).unwrap();
    assert_eq!(f.count("SELECT count(*) FROM events WHERE kind = 'claimed'"), tasks);
    assert_eq!(f.count("SELECT count(DISTINCT task_id) FROM events WHERE kind = 'claimed'"), tasks);
    assert_eq!(f.count("SELECT count(DISTINCT run_id) FROM events WHERE kind = 'claimed'"), tasks);
    assert_eq!(f.count("SELECT count(*) FROM runs WHERE attempt = 1 AND ended_at IS NULL"), tasks);
    assert_eq!(f.count("SELECT count(*) FROM tasks JOIN runs ON runs.id = current_run AND task_id = tasks.id"), tasks);
    assert!(longest < 20_000, "one process was kept waiting for {longest} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn a_claimer() {
    let Some(folder) = folder() else { return };
    let board = open(&folder).await.unwrap();
    let bob = "bob".parse().unwrap();
    say("ready");
    ordered().unwrap();
    let (mut claimed, mut lost, mut longest) = (0, 0, Duration::ZERO);
    loop {
        // Chosen from a snapshot that others see as well, so that many reach for the same tasks.
        let mut candidates = board.read().await.unwrap().to_start(&bob, NOW, 16, 0).await.unwrap();
        if candidates.is_empty() {
            break;
        }
        let first = usize::from(kanban_gateway::random::bytes::<1>()[0]) % candidates.len();
        candidates.rotate_left(first);
        for task in candidates {
            let asked = Instant::now();
            let mut tx = board.write().await.unwrap();
            longest = longest.max(asked.elapsed());
            match tx.claim(&task.id, "gateway", None, NOW).await {
                Ok(_) => {
                    tx.commit().await.unwrap();
                    claimed += 1;
                    break;
                }
                Err(error) => {
                    assert_eq!(error.reason(), Some(Reason::WrongStatus), "{error}");
                    lost += 1;
                }
            }
        }
    }
    board.close().await;
    say(&format!("{claimed} {lost} {}", longest.as_millis()));
}

fn keyed(round: usize) -> NewTask {
    NewTask { idempotency_key: Some(format!("key {round}")), ..titled("once") }
}

#[tokio::test]
async fn eight_processes_with_one_key_make_one_task() {
    let f = Fixture::new().await;
    let rounds = scaled(40, 1_000);
    let mut processes: Vec<_> = (0..8).map(|_| Process::start("races::a_creator", f.folder.path())).collect();
    for round in 0..rounds {
        processes.iter_mut().for_each(|process| process.order(&round.to_string()));
        let mut ids: Vec<_> = processes.iter_mut().map(|process| process.hear().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "round {round}");
    }
    processes.into_iter().for_each(Process::end);
    assert_eq!(f.count("SELECT count(*) FROM tasks"), i64::try_from(rounds).unwrap());
    assert_eq!(f.count("SELECT count(*) FROM events"), i64::try_from(rounds).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn a_creator() {
    let Some(folder) = folder() else { return };
    let board = open(&folder).await.unwrap();
    while let Some(round) = ordered() {
        let mut tx = board.write().await.unwrap();
        let created = tx.create(&person(), "ann", keyed(round.parse().unwrap()), NOW).await.unwrap();
        tx.commit().await.unwrap();
        say(created.task.id.as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_connections_with_one_key_make_one_task() {
    let f = Fixture::new().await;
    let rounds = scaled(20, 500);
    let barrier = Arc::new(Barrier::new(8));
    let mut workers = Vec::new();
    for _ in 0..8 {
        let (board, barrier) = (open(f.folder.path()).await.unwrap(), Arc::clone(&barrier));
        workers.push(tokio::spawn(async move {
            let mut ids: Vec<TaskId> = Vec::new();
            for round in 0..rounds {
                barrier.wait().await;
                let mut tx = board.write().await.unwrap();
                ids.push(tx.create(&person(), "ann", keyed(round), NOW).await.unwrap().task.id);
                tx.commit().await.unwrap();
            }
            ids
        }));
    }
    let mut answers = Vec::new();
    for worker in workers {
        answers.push(worker.await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(f.count("SELECT count(*) FROM tasks"), i64::try_from(rounds).unwrap());
}
