//! Calls of workers that meet a fault of the machine, and many at once: none is lost, and none has its effect twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{sync::Arc, time::Duration};

use kanban_gateway::{
    board::{Actor, Board, BoardSlug, Boards, TaskId, create::NewTask},
    clock::Clock,
    command::{Desk, SharedSettings},
    dispatcher::apply_call,
    settings::{Environment, Settings},
    shim::{Call, Token},
};

/// A board with a task that is claimed, and the desk that its worker's calls come to.
struct World {
    desk: Desk,
    board: Board,
    task: TaskId,
    run: i64,
    token: Token,
    _home: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        let settings = Settings::load(home.path(), &environment).unwrap();
        let boards = Boards::new(home.path(), Arc::default());
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        let clock = Clock::system();
        let mut tx = board.write().await.unwrap();
        let ann = Actor::Person { name: "ann".to_owned() };
        let new = NewTask { title: "count".to_owned(), ..NewTask::default() };
        let task = tx.create(&ann, "ann", new, clock.now()).await.unwrap().task.id;
        let claim = tx.claim(&task, "gateway", None, clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        let (settings, environment) = (SharedSettings::new(settings), Arc::new(environment));
        let desk = Desk { boards, settings, environment, clock, gateway: None };
        let token = Token::new(claim.token.expose().to_owned());
        Self { desk, board, task, run: claim.run.id, token, _home: home }
    }

    fn call(&self, call: u64, words: [&str; 3]) -> Call {
        Call { call, argv: words.map(str::to_owned).to_vec(), stdin: None }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_met_a_fault_is_applied_when_it_is_sent_again() {
    let world = World::new().await;
    let call = world.call(1, ["comment", world.task.as_str(), "halfway"]);
    let apply = || apply_call(&world.desk, world.run, &world.token, &call);

    // The database fails on the comment, as a full disk would, and takes every other statement.
    let database = rusqlite::Connection::open(world.board.file()).unwrap();
    let fault = "CREATE TRIGGER fault BEFORE INSERT ON comments BEGIN SELECT RAISE(ABORT, 'fault'); END";
    database.execute_batch(fault).unwrap();
    let failed = apply().await;
    assert!(failed.exit == 1 && failed.again, "{failed:?}");

    database.execute_batch("DROP TRIGGER fault").unwrap();
    let applied = apply().await;
    assert!(applied.exit == 0 && !applied.again, "{applied:?}");
    assert_eq!(apply().await, applied);
    assert_eq!(world.board.read().await.unwrap().comments(&world.task).await.unwrap().len(), 1);
}

/// After a restart all shims hand in at once what their workers have said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_many_workers_at_once_do_not_wait_for_one_another_for_ever() {
    let world = Arc::new(World::new().await);
    let mut calls = tokio::task::JoinSet::new();
    for number in 1..=64 {
        let world = Arc::clone(&world);
        calls.spawn(async move {
            let words = if number % 2 == 0 { ["comment", "TASK", "more"] } else { ["show", "TASK", "--json"] };
            let call = world.call(number, words.map(|word| if word == "TASK" { world.task.as_str() } else { word }));
            apply_call(&world.desk, world.run, &world.token, &call).await
        });
    }
    let answers = tokio::time::timeout(Duration::from_secs(30), calls.join_all()).await.expect("they wait for ever");
    assert!(answers.iter().all(|answer| answer.exit == 0), "{answers:?}");
    assert_eq!(world.board.read().await.unwrap().comments(&world.task).await.unwrap().len(), 32);
}
