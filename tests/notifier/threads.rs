//! Threads of tasks' own and live cards, as a person in a channel sees them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use kanban_fakes::{FakePlatform, Fault};
use kanban_gateway::{
    board::{TaskId, task::BlockKind},
    clock::Clock,
};
use kanban_platform::{Commands, Input, Post, Thread};

use crate::world::{PLATFORM, Start, World, ana, place, request};

/// Creates a task in a channel and answers its id and its own thread.
async fn creates(world: &World, channel: &Thread, update: &str, title: &str) -> (TaskId, Thread) {
    let text = format!("/kanban create {title}");
    let mut asked = request(update, "ana", channel, Input::Text(text), None);
    asked.is_channel = true;
    let receipt = world.gateway.handle(asked).await;
    assert_eq!(receipt.exit, 0);
    let answer: Post = world.post(&receipt).await;
    let id: TaskId = answer.task.unwrap().parse().unwrap();
    let own = Thread { thread: Some(format!("own-{id}")), ..channel.clone() };
    (id, own)
}

fn texts(world: &World, thread: &Thread) -> Vec<String> {
    world.platform.messages(thread).into_iter().map(|message| message.text).collect()
}

#[tokio::test]
async fn a_task_of_a_channel_has_a_thread_with_its_card_and_the_channel_two_lines() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    let ops = place("ops");
    let (id, own) = creates(&world, &ops, "u1", "count the files").await;
    let card = world.platform.wait_for(&own, 1).await.remove(0);
    assert_eq!(card.text, format!("count the files\nready · {id}"));
    assert_eq!(card.buttons, ["Show", "Cancel"]);
    world.complete(&id, "all 12").await;
    world.platform.wait_for_text(&own, |text| text.contains("all 12")).await;
    world.platform.wait_for_text(&own, |text| text.ends_with(&format!("done · attempt 1 · {id}"))).await;
    world.platform.wait_for(&ops, 2).await;
    assert_eq!(
        texts(&world, &ops),
        [format!("Created {id} “count the files” (ready)"), format!("done: count the files · {id}")]
    );
    let opening = world.platform.openings().remove(0);
    assert_eq!((opening.person.as_deref(), opening.title.as_str()), (Some("ana"), "count the files"));
    assert_eq!(world.platform.openings().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn where_the_platform_refuses_a_thread_all_is_told_in_the_channel() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, _) = creates(&world, &ops, "u1", "count the files").await;
    world.platform.wait_for(&ops, 2).await;
    world.complete(&id, "all 12").await;
    world.platform.wait_for_text(&ops, |text| text.contains("all 12")).await;
    let seen = texts(&world, &ops);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(world.platform.openings().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_thread_whose_opening_is_in_doubt_is_opened_again_after_a_crash() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    world.platform.fail_openings(1, Fault::LoseAnswer);
    let ops = place("ops");
    let (id, own) = creates(&world, &ops, "u1", "count the files").await;
    let world = world.restart(Start::default()).await;
    world.platform.wait_for(&own, 1).await;
    let doubts: Vec<_> = world.platform.openings().iter().map(|opening| opening.is_in_doubt).collect();
    assert_eq!(doubts, [false, true]);
    assert_eq!(texts(&world, &ops).len(), 1);
    world.complete(&id, "fine").await;
    world.platform.wait_for(&ops, 2).await;
    world.end().await;
}

#[tokio::test]
async fn a_repeat_by_its_key_opens_no_second_thread() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    let ops = place("ops");
    let (id, own) = creates(&world, &ops, "u1", "count --idempotency-key k1").await;
    world.platform.wait_for(&own, 1).await;
    let mut asked = request("u2", "ana", &ops, Input::Text("/kanban create count --idempotency-key k1".into()), None);
    asked.is_channel = true;
    let receipt = world.gateway.handle(asked).await;
    assert!(world.post(&receipt).await.text().starts_with(&format!("Exists already: {id}")));
    world.complete(&id, "all 12").await;
    world.platform.wait_for_text(&own, |text| text.contains("all 12")).await;
    world.platform.wait_for_text(&ops, |text| text.starts_with("done: count")).await;
    assert_eq!(texts(&world, &ops).len(), 3);
    assert_eq!(world.platform.openings().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn what_an_own_thread_that_is_deleted_was_to_be_told_is_told_in_the_channel() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    let ops = place("ops");
    let (id, own) = creates(&world, &ops, "u1", "count").await;
    world.platform.wait_for(&own, 1).await;
    world.platform.fail_thread(&own, Fault::Gone);
    let mut tx = world.board.write().await.unwrap();
    tx.block(&ana(), &id, Some(BlockKind::NeedsInput), Some("which files?"), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let asked = world.platform.wait_for_text(&ops, |text| text.contains("which files?")).await;
    world.platform.wait_for_text(&ops, |text| text.contains("waits for an answer")).await;
    let answer = request("u2", "ana", &ops, Input::Text("all of them".to_owned()), Some(&asked.id));
    assert_eq!(world.platform.inject(answer).await.exit, 0);
    world.complete(&id, "all 12").await;
    world.platform.wait_for_text(&ops, |text| text.contains("all 12")).await;
    assert!(texts(&world, &ops).iter().all(|text| !text.starts_with("done: count")));
    // It can be spoken to again, and has nothing more to tell.
    world.platform.heal(&own);
    world.says("u3", "ana", &own, &format!("/kanban show {id}")).await;
    world.end().await;
}

#[tokio::test]
async fn a_question_in_an_own_thread_that_turns_out_to_be_deleted_is_asked_again_in_the_channel() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    let ops = place("ops");
    let (id, own) = creates(&world, &ops, "u1", "count").await;
    let mut tx = world.board.write().await.unwrap();
    tx.block(&ana(), &id, Some(BlockKind::NeedsInput), Some("which files?"), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.platform.wait_for_text(&own, |text| text.contains("which files?")).await;
    world.platform.wait_for_text(&own, |text| text.contains("waits for an answer")).await;
    world.platform.fail_thread(&own, Fault::Gone);
    let mut tx = world.board.write().await.unwrap();
    tx.assign(&ana(), &id, Some(&"bob".parse().unwrap()), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let asked = world.platform.wait_for_text(&ops, |text| text.contains("which files?")).await;
    assert!(asked.buttons.contains(&"Answer".to_owned()), "{asked:?}");
    world.end().await;
}

#[tokio::test]
async fn the_card_of_a_board_ends_with_unwatch_and_when_the_board_becomes_private() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let says = async |update: &str, text: &str| world.post(&world.says(update, "ana", &ops, text).await).await.text();
    says("u1", "/kanban board").await;
    assert_eq!(says("u2", "/kanban unwatch").await, "The card of the board stays as it is from now on");
    assert!(says("u3", "/kanban unwatch").await.contains("does not follow the board"));
    says("u4", "/kanban board").await;
    let told = says("u5", "/kanban boards private default on").await;
    assert!(told.contains("1 card(s) of it in threads stay as they are from now on"), "{told}");
    assert!(says("u6", "/kanban unwatch").await.contains("does not follow the board"));
    world.end().await;
}

#[tokio::test]
async fn the_name_of_an_own_thread_holds_no_secret() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    let token = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3";
    let (_, own) = creates(&world, &place("ops"), "u1", &format!("look at {token}")).await;
    world.platform.wait_for(&own, 1).await;
    assert_eq!(world.platform.openings()[0].title, "look at [redacted]");
    world.end().await;
}

#[tokio::test]
async fn the_buttons_of_a_card_are_those_of_its_present_state() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let receipt = world.says("u1", "ana", &ops, "/kanban create count").await;
    let id: TaskId = world.post(&receipt).await.task.unwrap().parse().unwrap();
    let mut tx = world.board.write().await.unwrap();
    tx.claim(&id, "gateway", None, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.platform.wait_for_text(&ops, |text| text.contains("running")).await;
    let card = world.platform.messages(&ops).remove(0);
    assert_eq!(card.buttons, ["Log", "Cancel"]);
    let key = card.posts.last().unwrap().buttons[1].key.clone();
    let press = Input::Press { message: card.id, button: key, words: None };
    let receipt = world.gateway.handle(request("u2", "ana", &ops, press, None)).await;
    assert_eq!(receipt.exit, 0);
    // What cannot be taken back is asked for once more.
    let sure = world.platform.wait_for_text(&ops, |text| text.starts_with("Cancel “count”?")).await;
    let key = sure.posts.last().unwrap().buttons[0].key.clone();
    let press = Input::Press { message: sure.id, button: key, words: None };
    assert_eq!(world.gateway.handle(request("u3", "ana", &ops, press, None)).await.exit, 0);
    assert_eq!(world.status(&id).await, kanban_gateway::board::task::Status::Archived);
    world.platform.wait_for_text(&ops, |text| text.starts_with("Created") && text.contains("cancelled")).await;
    let card = world.platform.messages(&ops).remove(0);
    assert!(card.text.contains("cancelled") && card.buttons == ["Show"], "{card:?}");
    world.end().await;
}

#[tokio::test]
async fn threads_can_be_switched_off_for_a_channel() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    world.platform.opens_threads();
    let ops = place("ops");
    let says = async |update: &str, text: &str| {
        let mut asked = request(update, "ana", &ops, Input::Text(text.to_owned()), None);
        asked.is_channel = true;
        let receipt = world.gateway.handle(asked).await;
        world.post(&receipt).await.text()
    };
    assert!(says("u1", "/kanban threads").await.contains("are on"));
    assert!(says("u2", "/kanban threads off").await.contains("stay in it"));
    assert!(says("u3", "/kanban threads").await.contains("off, set by fake:ana"));
    let created = says("u4", "/kanban create stay here").await;
    assert!(created.starts_with("Created t_") && created.ends_with("\"stay here\" (ready, assignee=-)"), "{created}");
    assert!(world.platform.openings().is_empty());
    world.end().await;
}

#[tokio::test]
async fn a_card_is_edited_at_most_once_a_second_however_much_happens() {
    let time = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = {
        let time = Arc::clone(&time);
        Clock::new(move || time.load(Ordering::SeqCst))
    };
    let start = Start { clock, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await;
    let ops = place("ops");
    let receipt = world.says("u1", "ana", &ops, "/kanban create count").await;
    let id: TaskId = world.post(&receipt).await.task.unwrap().parse().unwrap();
    world.platform.wait_for(&ops, 1).await;
    for second in 0..4 {
        for number in 0..50 {
            let mut tx = world.board.write().await.unwrap();
            tx.comment(&ana(), &id, "fake:ana", &format!("{second}.{number}"), world.clock.now()).await.unwrap();
            tx.assign(&ana(), &id, Some(&format!("p{second}x{number}").parse().unwrap()), world.clock.now())
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        time.fetch_add(1_000, Ordering::SeqCst);
        let last = format!("p{second}x49");
        // Whatever wakes it, it is drawn now that it is due.
        world.retry().await;
        world.platform.wait_for_text(&ops, |text| text.contains(&last)).await;
    }
    world.complete(&id, "all 12").await;
    world.platform.wait_for_text(&ops, |text| text.contains("all 12")).await;
    let messages = world.platform.messages(&ops);
    assert_eq!(messages.len(), 2, "the card and one ping");
    assert!(messages[0].earlier.len() <= 5, "{:?}", messages[0].earlier);
    world.end().await;
}

#[tokio::test]
async fn a_late_watcher_gets_the_present_state_and_a_card_that_moves() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (ops, late) = (place("ops"), place("late"));
    let id = world.task(&ops, "count").await;
    let receipt = world.says("u1", "ana", &late, &format!("/kanban watch {id} --policy silent")).await;
    assert_eq!(world.post(&receipt).await.text(), format!("count\nready · {id}"));
    world.complete(&id, "all 12").await;
    world.platform.wait_for_text(&late, |text| text.contains("done")).await;
    assert_eq!(texts(&world, &late).len(), 1);
    let receipt = world.says("u2", "ana", &late, "/kanban watches").await;
    let watches = world.post(&receipt).await.text();
    assert!(
        watches.contains(id.as_str()) && watches.contains("silent") && watches.contains("asked for by"),
        "{watches}"
    );
    world.end().await;
}

#[tokio::test]
async fn what_could_not_be_told_for_long_is_one_dated_message_and_questions_are_not_in_it() {
    let time = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = || {
        let time = Arc::clone(&time);
        Clock::new(move || time.load(Ordering::SeqCst))
    };
    let ops = place("ops");
    let platform = FakePlatform::new(PLATFORM);
    platform.fail_thread(&ops, Fault::Later(Duration::from_secs(1)));
    let start = Start { clock: clock(), ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), platform, start).await;
    for number in 0..3 {
        world.done(&ops, &format!("task {number}")).await;
    }
    let asking = world.task(&ops, "asking").await;
    let mut tx = world.board.write().await.unwrap();
    tx.block(&ana(), &asking, None, Some("which?"), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.platform.wait_for_attempts(1).await;
    time.fetch_add(46 * 60 * 1_000, Ordering::SeqCst);
    world.platform.heal(&ops);
    let world = world.restart(Start { clock: clock(), ..Start::default() }).await;
    world.retry().await;
    let seen = world.platform.wait_for(&ops, 2).await;
    assert!(seen[0].text.contains("which?") && seen[0].text.ends_with("of 2023-11-14 22:13 UTC"), "{seen:?}");
    assert!(seen[1].text.starts_with("While I could not reach you (2023-11-14 22:13 UTC): 3 done"), "{seen:?}");
    world.end().await;
    assert_eq!(seen.len(), 2);
}
