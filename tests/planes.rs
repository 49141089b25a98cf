//! The planes stay apart: nothing that a worker, a platform or a terminal holds is ever needed by a command.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "support/console.rs"]
mod console;

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, mpsc::channel},
    time::Duration,
};

use kanban_fakes::{FakePlatform, Fault, thread};
use kanban_gateway::{
    board::{Actor, BoardSlug, Boards, create::NewTask, finish::HandOff, thread::Following},
    clock::Clock,
    notifier::Notifier,
};
use kanban_platform::Platform;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::console::{Console, kanban};

#[test]
fn a_working_agent_holds_up_no_command() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let mut console = Console::up(&folder.path().join("home"));
    console.type_line(&format!("/kanban create long work --assignee script --body \"cat '{}'\"", gate.display()));
    let id = id_in(&wait_for(&mut console, "Created"));
    let mut gate = opened(gate);
    // The worker waits for this test now; every kind of command is answered all the same.
    for (line, answer) in [
        (format!("/kanban comment {id} still at it?"), "Comment added"),
        ("/kanban create other work".to_owned(), "Created"),
        (format!("/kanban show {id}"), "status:    running"),
        ("/kanban list".to_owned(), "long work"),
    ] {
        console.type_line(&line);
        wait_for(&mut console, answer);
    }
    gate.write_all(b"the agent's own words\n").unwrap();
    drop(gate);
    wait_for(&mut console, "the agent's own words");
    let (_, status) = console.finish();
    assert!(status.success(), "{status}");
}

#[test]
fn a_switch_in_a_terminal_moves_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let mut console = Console::up(&home);
    console.type_line("/kanban boards create other");
    wait_for(&mut console, "other");
    run(&home, &["boards", "switch", "other"]);
    console.type_line("/kanban create where am I");
    let id = id_in(&wait_for(&mut console, "Created"));
    assert!(run(&home, &["--board", "default", "show", &id]).contains("where am I"));
    let (_, status) = console.finish();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_post_that_hangs_holds_no_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let boards = Boards::new(folder.path(), Arc::default());
    let board = boards.get(&BoardSlug::default()).await.unwrap();
    let platform = FakePlatform::new("fake");
    platform.fail_next(1, Fault::Hang);
    let platforms = [("fake".to_owned(), Arc::clone(&platform) as Arc<dyn Platform>)].into();
    let shutdown = CancellationToken::new();
    let notifier = Arc::new(Notifier::new(boards.clone(), platforms, Clock::system()));
    let notifying = tokio::spawn(notifier.run(shutdown.clone(), Duration::from_secs(30)));

    let person = Actor::Person { name: "fake:ann".to_owned() };
    let ops = thread("fake", "ops");
    let mut tx = board.write().await.unwrap();
    let new = NewTask { title: "hear of it".to_owned(), ..NewTask::default() };
    let task = tx.create(&person, person.name(), new, 1).await.unwrap().task;
    let following = Following { task: Some(task.id.clone()), ..Following::default() };
    tx.watch(&ops, &following, Some(person.name()), 1).await.unwrap();
    tx.complete(&person, &task.id, &HandOff::default(), 1).await.unwrap();
    tx.commit().await.unwrap();

    platform.wait_for_attempts(1).await;
    // The post is under way and has no answer. Who writes now waits for nobody.
    let meanwhile = async {
        let mut tx = board.write().await.unwrap();
        let new = NewTask { title: "meanwhile".to_owned(), ..NewTask::default() };
        tx.create(&person, person.name(), new, 1).await.unwrap();
        tx.commit().await.unwrap();
    };
    timeout(Duration::from_secs(10), meanwhile).await.expect("no transaction should be open during a post");
    assert!(platform.messages(&ops).is_empty(), "the post should hang until it is released");

    platform.release();
    assert!(platform.wait_for(&ops, 1).await[0].text.contains("hear of it"));
    shutdown.cancel();
    notifying.await.unwrap();
}

/// Skips lines up to the first that holds this text, and answers it.
fn wait_for(console: &mut Console, text: &str) -> String {
    loop {
        let line = console.next_line();
        if line.contains(text) {
            return line;
        }
    }
}

/// Opens a named pipe for writing, which waits until a worker reads it.
fn opened(pipe: PathBuf) -> File {
    let (tell, opened) = channel();
    std::thread::spawn(move || tell.send(OpenOptions::new().write(true).open(pipe)));
    opened.recv_timeout(Duration::from_secs(60)).unwrap().unwrap()
}

fn id_in(line: &str) -> String {
    line.split(' ').find(|word| word.starts_with("t_")).unwrap().to_owned()
}

/// A command line that must succeed; what it prints.
fn run(home: &Path, words: &[&str]) -> String {
    let output = kanban(home).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
