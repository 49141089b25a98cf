//! Calls of workers that meet a fault of the machine: none is lost, and none has its effect twice.

use std::sync::Arc;

use kanban_gateway::{
    board::{Actor, BoardSlug, Boards, create::NewTask},
    clock::Clock,
    command::{Desk, SharedSettings},
    dispatcher::apply_call,
    settings::{Environment, Settings},
    shim::{Call, Token},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_met_a_fault_is_applied_when_it_is_sent_again() {
    let home = tempfile::tempdir().unwrap();
    let environment = Environment::default();
    let settings = Settings::load(home.path(), &environment).unwrap();
    let boards = Boards::new(home.path(), Arc::default());
    let board = boards.get(&BoardSlug::default()).await.unwrap();
    let clock = Clock::system();
    let mut tx = board.write().await.unwrap();
    let ann = Actor::Person { name: "ann".to_owned() };
    let new = NewTask { title: "count".to_owned(), ..NewTask::default() };
    let id = tx.create(&ann, "ann", new, clock.now()).await.unwrap().task.id;
    let claim = tx.claim(&id, "gateway", None, clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let desk = Desk {
        boards,
        settings: SharedSettings::new(settings),
        environment: Arc::new(environment),
        clock,
        gateway: None,
    };
    let token = Token::new(claim.token.expose().to_owned());
    let argv = ["comment", id.as_str(), "halfway"].map(str::to_owned).to_vec();
    let call = Call { call: 1, argv, stdin: None };

    // The database fails on the comment, as a full disk would, and takes every other statement.
    let database = rusqlite::Connection::open(board.file()).unwrap();
    let fault = "CREATE TRIGGER fault BEFORE INSERT ON comments BEGIN SELECT RAISE(ABORT, 'fault'); END";
    database.execute_batch(fault).unwrap();
    let failed = apply_call(&desk, claim.run.id, &token, &call).await;
    assert!(failed.exit == 1 && failed.again, "{failed:?}");

    database.execute_batch("DROP TRIGGER fault").unwrap();
    let applied = apply_call(&desk, claim.run.id, &token, &call).await;
    assert!(applied.exit == 0 && !applied.again, "{applied:?}");
    assert_eq!(apply_call(&desk, claim.run.id, &token, &call).await, applied);
    assert_eq!(board.read().await.unwrap().comments(&id).await.unwrap().len(), 1);
}
