//! Files behind posts: no text waits for one, none is lost, and one that cannot be sent is named with the reason.

use std::{path::PathBuf, time::Duration};

use kanban_fakes::{FakePlatform, Fault};
use kanban_gateway::{board::delivery::Answer, clock::Clock};
use kanban_platform::{Block, Thread};

use crate::world::{PLATFORM, Start, World, place};

fn stored(name: &str) -> Block {
    Block::Stored { name: name.to_owned(), path: PathBuf::from("/nowhere"), size: 2_048, media_type: None }
}

/// Owes an answer with files behind it.
async fn owe(world: &World, place: &Thread, text: &str, files: &[&str]) {
    let mut body = vec![Block::Text(text.to_owned())];
    body.extend(files.iter().map(|name| stored(name)));
    let answer = Answer { body, task: Some("t_1".to_owned()), ..Answer::default() };
    let mut tx = world.board.write().await.unwrap();
    tx.owe_reply(place, text, None, answer, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn texts(world: &World, place: &Thread, count: usize) -> Vec<String> {
    world.platform.wait_for(place, count).await.into_iter().map(|message| message.text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_behind_their_text_each_by_itself() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    owe(&world, &ops, "done", &["a.bin", "b.bin"]).await;
    assert_eq!(texts(&world, &ops, 3).await, ["done", "a.bin", "b.bin"]);
    let attempts = world.platform.attempts();
    assert!(attempts[1..].iter().all(|attempt| attempt.post.body.len() == 1 && attempt.post.buttons.is_empty()));
    let keys: std::collections::HashSet<_> = attempts.iter().map(|attempt| attempt.post.delivery.clone()).collect();
    assert_eq!(keys.len(), 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_hangs_holds_up_no_text() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    owe(&world, &ops, "first", &[]).await;
    world.platform.wait_for(&ops, 1).await;
    world.platform.fail_files(1, Fault::Hang);
    owe(&world, &ops, "second", &["slow.bin"]).await;
    world.platform.wait_for_attempts(3).await;
    owe(&world, &ops, "third", &[]).await;
    assert_eq!(texts(&world, &ops, 3).await, ["first", "second", "third"]);
    world.platform.release();
    assert_eq!(texts(&world, &ops, 4).await[3], "slow.bin");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_sent_is_named_and_the_others_go() {
    for fault in [Fault::Refused, Fault::Gone] {
        let world = World::new(FakePlatform::new(PLATFORM)).await;
        let ops = place("ops");
        world.platform.fail_files(1, fault);
        owe(&world, &ops, "done", &["large.bin", "small.bin"]).await;
        let mut told = texts(&world, &ops, 3).await;
        told.sort();
        assert_eq!((told[1].as_str(), told[2].as_str()), ("done", "small.bin"));
        assert!(told[0].starts_with("`large.bin` (2.0 KB) could not be sent: "), "{told:?}");
        assert!(told[0].contains("`/kanban attachments t_1`"), "{told:?}");
        // The thread is as alive as before.
        owe(&world, &ops, "next", &[]).await;
        assert!(texts(&world, &ops, 4).await.contains(&"next".to_owned()));
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_tried_again_until_it_arrives_and_knows_when_it_is_in_doubt() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_files(1, Fault::LoseAnswer);
    owe(&world, &ops, "done", &["a.bin"]).await;
    let attempts = world.platform.wait_for_attempts(3).await;
    assert_eq!(attempts[1].in_doubt_since, None);
    assert!(attempts[2].in_doubt_since.is_some() && attempts[1].post.delivery == attempts[2].post.delivery);
    assert_eq!(texts(&world, &ops, 2).await, ["done", "a.bin"]);

    world.platform.fail_files(1, Fault::Later(Duration::from_millis(10)));
    owe(&world, &ops, "again", &["b.bin"]).await;
    assert_eq!(texts(&world, &ops, 4).await[2..], ["again", "b.bin"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_owed_goes_out_after_a_restart() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_files(1, Fault::Later(Duration::from_secs(3_600)));
    owe(&world, &ops, "done", &["a.bin"]).await;
    world.platform.wait_for_attempts(2).await;
    let now = world.clock.now();
    world.owed_file(&ops, "a file that is put off", |file| file.next_at > now + 1_000).await;
    let clock = Clock::new(move || now + 2 * 3_600_000);
    let world = world.restart(Start { clock, ..Start::default() }).await;
    assert_eq!(texts(&world, &ops, 2).await, ["done", "a.bin"]);
    world.end().await;
}
