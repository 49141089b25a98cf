//! What threads are told, on a platform that fails in all the ways that platforms do; and what people say there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use kanban_fakes::{FakePlatform, Fault, thread};
use kanban_gateway::{
    board::{
        block::Held,
        task::{BlockKind, Status},
    },
    clock::Clock,
};
use kanban_platform::{Commands, Field, Input, PostKind};

use crate::world::{PLATFORM, Start, World, ana, author, place, request};

#[tokio::test]
async fn posts_of_a_thread_keep_their_order_and_a_failing_thread_holds_up_nobody() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (bad, good) = (place("bad"), place("good"));
    world.platform.fail_thread(&bad, Fault::Hang);
    for number in 0..20 {
        for follower in [&bad, &good] {
            world.done(follower, &format!("task {number}")).await;
        }
    }
    let told = world.platform.wait_for(&good, 20).await;
    let titles: Vec<_> = told.iter().map(|message| message.text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(titles, (0..20).map(|number| format!("task {number}")).collect::<Vec<_>>());
    assert!(world.platform.messages(&bad).is_empty());

    world.platform.heal(&bad);
    world.platform.release();
    let told = world.platform.wait_for(&bad, 20).await;
    let titles: Vec<_> = told.iter().map(|message| message.text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(titles, (0..20).map(|number| format!("task {number}")).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_shown_once() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::LoseAnswer);
    let id = world.task(&ops, "count").await;
    world.complete(&id, "42").await;
    world.platform.wait_for_attempts(2).await;
    let board = world.board.clone();
    let platform = Arc::clone(&world.platform);
    let _home = world.end().await;
    assert_eq!(platform.messages(&ops).len(), 1);
    assert!(board.read().await.unwrap().threads_owed().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_long_summary_arrives_whole_in_parts_and_goes_on_where_it_broke_off() {
    let world = World::new(FakePlatform::with_message_limit(PLATFORM, 200)).await;
    let ops = place("ops");
    let summary: String = (0..60).map(|line| format!("line {line} of what was done\n\n")).collect();
    let id = world.task(&ops, "write a lot").await;
    world.complete(&id, &summary).await;
    let whole = format!("write a lot\n{}\ndone · attempt 1 · {id}", summary.trim());
    world.platform.wait_for(&ops, 3).await;
    world.platform.fail_next(1, Fault::Later(Duration::ZERO));
    world.platform.wait_for_text(&ops, |text| text.ends_with(id.as_str())).await;
    let told = world.platform.messages(&ops);
    let visible = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let read: Vec<_> = told.iter().map(|message| visible(&message.text)).collect();
    assert_eq!(read.join(" "), visible(&whole), "nothing is left out or said twice");
    let count = told.len();
    assert!(told[..count - 1].iter().all(|message| message.buttons.is_empty()));
    assert_eq!(told[count - 1].buttons, ["Show", "Follow up"]);
    world.end().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_put_aside_and_a_thread_that_is_gone_waits_until_it_speaks() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::Refused);
    let first = world.task(&ops, "refused").await;
    world.complete(&first, "never seen").await;
    let second = world.task(&ops, "taken").await;
    world.complete(&second, "seen").await;
    world.platform.wait_for_text(&ops, |text| text.starts_with("taken")).await;
    assert_eq!(world.platform.messages(&ops).len(), 1);

    world.platform.fail_thread(&ops, Fault::Gone);
    let third = world.task(&ops, "third").await;
    world.complete(&third, "late").await;
    world.platform.wait_for_attempts(3).await;
    // The outage deletes neither the watch nor the post.
    assert_eq!(world.board.read().await.unwrap().watches().await.unwrap().len(), 3);
    world.platform.heal(&ops);
    world.says("u1", "ana", &ops, "/kanban stats").await;
    world.platform.wait_for_text(&ops, |text| text.starts_with("third\nlate")).await;
    world.end().await;
}

#[tokio::test]
async fn a_stop_delivers_what_is_owed() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    for number in 0..30 {
        let id = world.task(&place(&format!("t{number}")), "task").await;
        world.complete(&id, "done").await;
    }
    let (board, platform) = (world.board.clone(), Arc::clone(&world.platform));
    let _home = world.end().await;
    assert!(board.read().await.unwrap().threads_owed().await.unwrap().is_empty());
    assert!((0..30).all(|number| platform.messages(&place(&format!("t{number}"))).len() == 1));
}

#[tokio::test]
async fn an_update_that_comes_again_has_one_effect_and_one_answer() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let first = world.says("u1", "ana", &ops, "/kanban create once").await;
    let asked = (0..8).map(|_| world.says("u1", "ana", &ops, "/kanban create once"));
    for again in futures_util::future::join_all(asked).await {
        assert_eq!(again, first);
    }
    // A race of first deliveries has one winner as well.
    let racing = (0..8).map(|_| world.says("u2", "ana", &ops, "/kanban create twice"));
    futures_util::future::join_all(racing).await;
    world.says("u3", "ana", &ops, "/kanban list").await;
    let list = world
        .platform
        .wait_for_text(&ops, |text| text.contains("once") && text.contains("twice") && text.contains('\n'))
        .await;
    assert_eq!(list.text.lines().count(), 2);
    let answers = world.platform.messages(&ops).iter().filter(|message| message.text.starts_with("Created")).count();
    assert_eq!(answers, 2);
    world.end().await;
}

#[tokio::test]
async fn strangers_get_one_private_line_and_roles_hold_on_every_road() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let id = world.task(&ops, "a task").await;
    let cancel = format!("/kanban cancel {id}");
    for (update, who, text, exit, private) in [
        ("u1", "mallory", "/kanban list", 1, true),
        ("u2", "eve", "/kanban list", 0, false),
        ("u3", "eve", "/kanban create something", 1, true),
        ("u4", "bob", cancel.as_str(), 1, true),
        ("u5", "bob", "/kanban create run --assignee script --body ls", 1, true),
        ("u6", "bob", "/kanban boards create mine", 1, true),
        ("u7", "bob", "/kanban create plain", 0, false),
        ("u8", "ana", cancel.as_str(), 0, false),
    ] {
        let receipt = world.says(update, who, &ops, text).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (exit, 1), "{who}: {text}");
        assert_eq!(world.post(&receipt).await.private, private, "{who}: {text}");
    }
    let settings = world
        .gateway
        .suggest(&Field {
            kind: kanban_platform::Kind::Profile,
            typed: String::new(),
            author: author("mallory"),
            board: None,
            thread: thread(PLATFORM, "ops"),
        })
        .await;
    assert!(settings.is_empty());
    assert_eq!(world.status(&id).await, Status::Archived);
    world.end().await;
}

#[tokio::test]
async fn a_reply_to_a_question_answers_it_and_a_press_settles_the_buttons() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let id = world.task(&ops, "paint").await;
    let mut tx = world.board.write().await.unwrap();
    let held =
        tx.block(&ana(), &id, Some(BlockKind::NeedsInput), Some("which colour?"), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(held, Held::Blocked);
    let question = world.platform.wait_for_text(&ops, |text| text.contains("which colour?")).await;
    assert_eq!(question.buttons, ["Answer", "Show", "Cancel"]);

    let answer = request("u1", "bob", &ops, Input::Text("blue, please".to_owned()), Some(&question.id));
    assert_eq!(world.platform.inject(answer).await.exit, 0);
    assert_eq!(world.status(&id).await, Status::Ready);
    let comments = world.board.read().await.unwrap().comments(&id).await.unwrap();
    assert!(comments.iter().any(|comment| comment.author == "fake:bob" && comment.body.contains("blue, please")));

    let press = |update: &str, who: &str| {
        let input = Input::Press { message: question.id.clone(), button: "cancel".to_owned(), words: None };
        request(update, who, &ops, input, None)
    };
    assert_eq!(world.platform.inject(press("u2", "bob")).await.exit, 1);
    // Answered on another road, the question's buttons are out of date, until it is asked again.
    assert_eq!(world.platform.inject(press("u3", "ana")).await.exit, 1);
    assert_eq!(world.status(&id).await, Status::Ready);
    let mut tx = world.board.write().await.unwrap();
    tx.block(&ana(), &id, Some(BlockKind::Capability), Some("no brush"), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    // What cannot be taken back is asked about first, and only who pressed may say so.
    let held = world.platform.wait_for_text(&ops, |text| text.contains("no brush")).await;
    let press = |update: &str, who: &str, message: &str, label: &str| {
        let input = Input::Press { message: message.to_owned(), button: label.to_owned(), words: None };
        request(update, who, &ops, input, None)
    };
    assert_eq!(world.platform.inject(press("u5", "ana", &held.id, "cancel")).await.exit, 0);
    let sure = world.platform.wait_for_text(&ops, |text| text.starts_with("Cancel “paint”?")).await;
    assert_eq!((sure.buttons.join("|").as_str(), world.status(&id).await), ("Yes, cancel it|No", Status::Blocked));
    assert_eq!(world.platform.inject(press("u6", "bob", &sure.id, "yes, cancel it")).await.exit, 1);
    // Of those who press at once one wins, and the others are told so.
    let updates: Vec<String> = (0..6).map(|number| format!("race{number}")).collect();
    let presses = updates.iter().map(|update| world.platform.inject(press(update, "ana", &sure.id, "yes, cancel it")));
    let (won, lost): (Vec<_>, Vec<_>) =
        futures_util::future::join_all(presses).await.into_iter().partition(|receipt| receipt.exit == 0);
    assert_eq!((won.len(), won[0].deliveries.len()), (1, 2));
    for receipt in &lost {
        let told = world.post(receipt).await;
        assert!(told.private && told.text().contains("somebody has pressed one already"), "{told:?}");
    }
    assert_eq!(world.status(&id).await, Status::Archived);
    let edited = world.platform.wait_for_text(&ops, |text| text.contains("→ Cancel: fake:ana")).await;
    assert_eq!((edited.id.clone(), edited.buttons.len()), (held.id.clone(), 0));
    assert_eq!(world.platform.inject(press("u4", "ana", &held.id, "cancel")).await.exit, 1);
    let platform = Arc::clone(&world.platform);
    world.end().await;
    let edits = platform.attempts().iter().filter(|attempt| matches!(attempt.post.kind, PostKind::Edit { .. })).count();
    assert_eq!(edits, 2, "the answered question, and the block that was cancelled");
}

#[tokio::test]
async fn a_late_follower_hears_of_what_happens_from_now_on() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (early, late) = (place("early"), place("late"));
    let id = world.task(&early, "old").await;
    world.complete(&id, "done long ago").await;
    world.platform.wait_for(&early, 1).await;
    world.says("u1", "ana", &late, &format!("/kanban watch {id}")).await;
    world.platform.wait_for(&late, 1).await;
    let platform = Arc::clone(&world.platform);
    world.end().await;
    let told = platform.messages(&late);
    assert!(told.len() == 1 && !told[0].text.contains("done long ago"), "{told:?}");
}

#[tokio::test]
async fn after_a_lost_answer_every_attempt_says_since_when_it_is_in_doubt() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(2, Fault::LoseAnswer);
    world.platform.fail_next(1, Fault::Later(Duration::ZERO));
    let before = world.clock.now();
    world.done(&ops, "count").await;
    let after = world.owed(&ops, "the first failure is noted", |delivery| delivery.attempts == 1).await;
    let since = after.in_doubt_since.unwrap();
    assert!((before..=world.clock.now()).contains(&since));
    for failures in [2, 3] {
        world.retry().await;
        let owed = world.owed(&ops, "a further failure is noted", |delivery| delivery.attempts == failures).await;
        assert_eq!(owed.in_doubt_since, Some(since), "the doubt is as old as the first attempt that left one");
    }
    world.retry().await;
    let attempts = world.platform.wait_for_attempts(4).await;
    assert_eq!(
        attempts.iter().map(|attempt| attempt.in_doubt_since).collect::<Vec<_>>(),
        [None, Some(since), Some(since), Some(since)]
    );
    let platform = Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.messages(&ops).len(), 1);
}

#[tokio::test]
async fn a_clear_no_leaves_no_doubt() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::Later(Duration::ZERO));
    world.done(&ops, "count").await;
    let owed = world.owed(&ops, "the failure is noted", |delivery| delivery.attempts == 1).await;
    assert_eq!(owed.in_doubt_since, None);
    world.retry().await;
    assert_eq!(world.platform.wait_for_attempts(2).await[1].in_doubt_since, None);
    world.end().await;
}

#[tokio::test]
async fn a_refusal_does_not_settle_an_earlier_doubt() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::LoseAnswer);
    world.platform.fail_next(1, Fault::Refused);
    world.done(&ops, "count").await;
    let owed = world.owed(&ops, "the first failure is noted", |delivery| delivery.attempts == 1).await;
    world.retry().await;
    let refused = async || world.board.read().await.unwrap().threads_owed().await.unwrap().is_empty().then_some(());
    world.until("it is put aside", refused).await;
    world.retry().await;
    let attempts = world.platform.wait_for_attempts(3).await;
    assert_eq!(attempts[2].in_doubt_since, owed.in_doubt_since);
    let platform = Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.messages(&ops).len(), 1);
}

#[tokio::test]
async fn the_time_that_a_platform_names_is_kept_exactly_and_is_no_failure() {
    const WAIT: i64 = 90_000;
    let time = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = Clock::new({
        let time = Arc::clone(&time);
        move || time.load(Ordering::SeqCst)
    });
    let start = Start { clock, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await;
    let (ops, other) = (place("ops"), place("other"));
    world.platform.fail_next(1, Fault::Later(Duration::from_millis(WAIT.unsigned_abs())));
    world.done(&ops, "patience").await;
    let began = world.clock.now();
    let owed = world.owed(&ops, "it is put off", |delivery| delivery.next_at > began).await;
    assert!((began + WAIT..=began + WAIT + 1).contains(&owed.next_at), "{} ms", owed.next_at - began);
    assert_eq!((owed.attempts, owed.in_doubt_since), (0, None));

    // A moment before, everything else goes on and this does not.
    time.store(owed.next_at - 1, Ordering::SeqCst);
    world.done(&other, "meanwhile").await;
    world.platform.wait_for(&other, 1).await;
    world.done(&other, "and again").await;
    world.platform.wait_for(&other, 2).await;
    assert!(world.platform.messages(&ops).is_empty());
    time.store(owed.next_at, Ordering::SeqCst);
    world.boards.wake().notifier.notify_one();
    world.platform.wait_for(&ops, 1).await;
    assert_eq!(world.platform.attempts().len(), 4);
    world.end().await;
}

#[tokio::test]
async fn a_platform_that_does_not_answer_in_time_leaves_a_doubt() {
    let start = Start { deadline: Some(Duration::from_millis(100)), ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::HoldAnswer);
    let before = world.clock.now();
    world.done(&ops, "slow").await;
    let owed = world.owed(&ops, "the deadline is over", |delivery| delivery.attempts == 1).await;
    let since = owed.in_doubt_since.unwrap();
    assert!((before..=owed.next_at).contains(&since));
    world.retry().await;
    assert_eq!(world.platform.wait_for_attempts(2).await[1].in_doubt_since, Some(since));
    let platform = Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.messages(&ops).len(), 1);
}

#[tokio::test]
async fn an_answer_overtakes_the_news_that_wait() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::HoldAnswer);
    for title in ["one", "two", "three"] {
        world.done(&ops, title).await;
    }
    world.platform.wait_for_attempts(1).await;
    let receipt = world.says("u1", "ana", &ops, "/kanban stats").await;
    world.platform.release();
    let told = world.platform.wait_for(&ops, 4).await;
    assert_eq!(told[1].posts[0].delivery, receipt.deliveries[0]);
    let titles: Vec<_> = [0, 2, 3].map(|at: usize| told[at].text.lines().next().unwrap().to_owned()).into();
    assert_eq!(titles, ["one", "two", "three"]);
    world.end().await;
}

#[tokio::test]
async fn a_long_post_that_is_given_up_while_it_is_under_way_goes_no_further() {
    let world = World::new(FakePlatform::with_message_limit(PLATFORM, 200)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::HoldAnswer);
    let id = world.task(&ops, "write a lot").await;
    world.complete(&id, &"a line of what was done\n\n".repeat(60)).await;
    world.platform.wait_for_attempts(1).await;
    let owed = world.owed(&ops, "it is under way", |delivery| delivery.in_doubt_since.is_some()).await;
    let mut tx = world.board.write().await.unwrap();
    assert_eq!(tx.purge_deliveries(Some(owed.id)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    world.done(&ops, "next").await;
    world.platform.release();
    let told = world.platform.wait_for(&ops, 2).await;
    assert!(told[1].text.starts_with("next\n"), "{told:?}");
    assert_eq!(world.platform.attempts().len(), 2);
    world.end().await;
}
