//! What words and presses were meant for: a question that was settled, one that is new, or a command.

use kanban_fakes::{FakePlatform, Message};
use kanban_gateway::board::{
    TaskId,
    attempt::{Ending, Patience},
    task::{BlockKind, Status},
};
use kanban_platform::Thread;

use crate::{
    questions::{aside, ask, last_comment, press, question},
    world::{PLATFORM, SETTINGS, Start, World, ana, meddle, place},
};

async fn asks_again(world: &World, id: &TaskId, place: &Thread, words: &str) -> Message {
    let mut tx = world.board.write().await.unwrap();
    tx.ask(&ana(), id, Some(words), &ask(), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.platform.wait_for_text(place, |text| text.contains(words) && !text.contains('→')).await
}

/// Lets the one attempt of a task fail, so that it is given up.
async fn gives_up(world: &World, id: &TaskId, place: &Thread) -> Message {
    let mut tx = world.board.write().await.unwrap();
    let claim = tx.claim(id, "test", None, world.clock.now()).await.unwrap();
    let patience = Patience {
        failure_limit: 1,
        violation_limit: 1,
        backoff_seconds: 10,
        backoff_max_seconds: 10,
        rate_limit_pause_seconds: 10,
        auth_pause_seconds: 86_400,
    };
    let failed = Ending::Failed { error: "exit 1".to_owned() };
    tx.attempt_ended(claim.run.id, &failed, &patience, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.platform.wait_for_text(place, |text| text.contains("gave up") && !text.contains('→')).await
}

#[tokio::test]
async fn a_question_that_is_asked_again_is_answered_like_any_other() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, _) = question(&world, &[&ops], "Which provider?").await;
    assert_eq!(world.says("u1", "ana", &ops, &format!("/kanban unblock {id}")).await.exit, 0);
    let again = asks_again(&world, &id, &ops, "Still: which?").await;
    assert_eq!(world.status(&id).await, Status::Triage);
    assert_eq!(again.buttons, ["Stripe", "Adyen", "Answer", "Show", "Cancel"]);
    let reply = aside("u2", "bob", &ops, "PayPal", Some(&again.id));
    assert_eq!(world.platform.inject(reply).await.exit, 0);
    assert_eq!(last_comment(&world, &id).await, ("fake:bob".to_owned(), "PayPal".to_owned()));
    assert_eq!(world.status(&id).await, Status::Ready);
    asks_again(&world, &id, &ops, "And now?").await;
    assert_eq!(world.status(&id).await, Status::Blocked);
    world.end().await;
}

#[tokio::test]
async fn words_that_let_a_held_task_go_on_are_kept_and_end_the_loop() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let id = world.task(&ops, "pay").await;
    let blocks = async |why: &str| {
        let mut tx = world.board.write().await.unwrap();
        tx.block(&ana(), &id, Some(BlockKind::Capability), Some(why), world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        world.platform.wait_for_text(&ops, |text| text.contains(why)).await
    };
    let first = blocks("no key").await;
    assert_eq!(world.says("u1", "ana", &ops, &format!("/kanban unblock {id}")).await.exit, 0);
    let second = blocks("still no key").await;
    assert_eq!(world.status(&id).await, Status::Triage);
    // Who replies to the first one means something else.
    let receipt = world.platform.inject(aside("u2", "bob", &ops, "done", Some(&first.id))).await;
    assert!(receipt.exit == 1 && world.post(&receipt).await.text().contains("an earlier time"));
    assert_eq!(world.platform.inject(aside("u3", "bob", &ops, "it is in the vault", Some(&second.id))).await.exit, 0);
    assert_eq!(last_comment(&world, &id).await.1, "PROMOTE: it is in the vault");
    blocks("no vault").await;
    assert_eq!(world.status(&id).await, Status::Blocked);
    world.end().await;
}

#[tokio::test]
async fn a_reply_to_a_settled_question_does_not_answer_the_next_one() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, first) = question(&world, &[&ops], "Which provider?").await;
    assert_eq!(world.platform.inject(press("u1", "bob", &first, "Adyen", None)).await.exit, 0);
    world.platform.wait_for_text(&ops, |text| text.ends_with("→ Adyen: fake:bob")).await;
    asks_again(&world, &id, &ops, "Which account?").await;
    let receipt = world.platform.inject(aside("u2", "ana", &ops, "Stripe", Some(&first.id))).await;
    let told = world.post(&receipt).await.text();
    assert!(told.contains("too late: fake:bob has answered it already with “Adyen”"), "{told}");
    assert_eq!(world.status(&id).await, Status::Blocked);
    world.end().await;
}

#[tokio::test]
async fn buttons_of_what_was_before_do_not_withdraw_a_question() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let id = world.task(&ops, "pay").await;
    let failed = gives_up(&world, &id, &ops).await;
    assert_eq!(world.says("u1", "ana", &ops, &format!("/kanban retry {id}")).await.exit, 0);
    asks_again(&world, &id, &ops, "Which account?").await;
    let receipt = world.platform.inject(press("u2", "ana", &failed, "Retry", None)).await;
    let told = world.post(&receipt).await.text();
    assert!(told.contains("this message tells of what was before"), "{told}");
    assert!(world.board.read().await.unwrap().open_question(&id).await.unwrap().is_some());
    world.end().await;
}

#[tokio::test]
async fn a_confirmation_ends_with_what_it_was_asked_for() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, asked) = question(&world, &[&ops], "Which provider?").await;
    world.platform.inject(press("u1", "ana", &asked, "Cancel", None)).await;
    let sure = world.platform.wait_for_text(&ops, |text| text.starts_with("Cancel “pay”?")).await;
    assert_eq!(world.platform.inject(press("u2", "bob", &asked, "Adyen", None)).await.exit, 0);
    let receipt = world.platform.inject(press("u3", "ana", &sure, "Yes, cancel it", None)).await;
    let told = world.post(&receipt).await.text();
    assert!(told.contains("too late: fake:bob has answered it"), "{told}");
    assert_eq!(world.status(&id).await, Status::Ready);
    // Whoever may not is in the audit, as if they had typed it.
    let other = question(&world, &[&ops], "And this?").await.1;
    assert_eq!(world.platform.inject(press("u4", "eve", &other, "Cancel", None)).await.exit, 1);
    let noted = world.board.read().await.unwrap().audit(None, None, 10).await.unwrap();
    assert!(noted.iter().any(|entry| entry.verb == "cancel" && entry.outcome.starts_with("refused")), "{noted:?}");
    world.end().await;
}

#[tokio::test]
async fn in_a_tasks_own_thread_a_command_to_us_is_no_answer() {
    let settings = format!("{SETTINGS}[profiles.bot]\ncommand = [\"/bin/true\"]\n");
    let start = Start { settings, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await;
    let own = place("own");
    let (id, _) = question(&world, &[&own], "Which provider?").await;
    meddle(&world.board, "UPDATE threads SET task_id = (SELECT id FROM tasks) WHERE channel = 'own'").await;
    for (update, text) in [("u1", "watches".to_owned()), ("u2", format!("show {id}")), ("u3", "@bot look".to_owned())] {
        let receipt = world.says(update, "ana", &own, &text).await;
        assert_eq!((receipt.exit, world.status(&id).await), (0, Status::Blocked), "{text}");
    }
    assert_eq!(world.says("u4", "ana", &own, "create a new account").await.exit, 0);
    assert_eq!(last_comment(&world, &id).await.1, "create a new account");
    // Who answers just behind is told whose answer it was, and who talks is not.
    let receipt = world.platform.inject(aside("u5", "bob", &own, "Adyen", None)).await;
    assert!(world.post(&receipt).await.text().contains("too late: fake:ana has answered it already"));
    assert!(world.platform.inject(aside("u6", "bob", &own, "// well", None)).await.deliveries.is_empty());
    world.end().await;
}

#[tokio::test]
async fn reassign_below_a_failure_tries_again_with_the_other_profile() {
    let settings = format!("{SETTINGS}[profiles.bot]\ncommand = [\"/bin/true\"]\n");
    let start = Start { settings, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await;
    let ops = place("ops");
    let id = world.task(&ops, "pay").await;
    let failed = gives_up(&world, &id, &ops).await;
    let card = world.says("u1", "ana", &ops, &format!("/kanban watch {id}")).await;
    let labels: Vec<_> = world.post(&card).await.buttons.into_iter().map(|button| button.label).collect();
    assert_eq!(labels, ["Retry", "Log", "Reassign", "Cancel"]);
    let receipt = world.platform.inject(press("u2", "ana", &failed, "Reassign", Some("bot"))).await;
    assert_eq!(receipt.exit, 0, "{}", world.post(&receipt).await.text());
    let task = world.board.read().await.unwrap().task(&id).await.unwrap();
    assert_eq!((task.status, task.assignee.unwrap().as_str()), (Status::Ready, "bot"));
    world.end().await;
}

#[tokio::test]
async fn several_questions_are_not_retried_or_promoted_together_and_late_watchers_are_asked_too() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (ops, late) = (place("ops"), place("late"));
    let (first, _) = question(&world, &[&ops], "One?").await;
    let (second, _) = question(&world, &[&ops], "Two?").await;
    for verb in ["retry", "promote"] {
        let receipt = world.says(verb, "ana", &ops, &format!("/kanban {verb} {first} {second}")).await;
        assert_eq!((receipt.exit, world.status(&first).await), (1, Status::Blocked), "{verb}");
    }
    assert_eq!(world.says("u1", "bob", &late, &format!("/kanban watch {first}")).await.exit, 0);
    let asked = world.platform.wait_for_text(&late, |text| text.contains("One?")).await;
    assert_eq!(world.platform.inject(press("u2", "bob", &asked, "Adyen", None)).await.exit, 0);
    assert_eq!(world.status(&first).await, Status::Ready);
    world.end().await;
}
