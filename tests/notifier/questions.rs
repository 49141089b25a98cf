//! Questions in chat: every road on which an answer comes, what is no answer, and who was first.

use kanban_fakes::{FakePlatform, Message};
use kanban_gateway::board::{
    TaskId,
    question::{Ask, Choice},
    task::Status,
    thread::Following,
};
use kanban_platform::{Button, Commands, Input, Receipt, Request, Style, Thread};

use crate::{
    scale::Scale,
    world::{PLATFORM, World, ana, batch, meddle, place, request},
};

pub(crate) fn ask() -> Ask {
    let choice = |label: &str| Choice { label: label.to_owned(), value: None, style: Style::Plain };
    Ask { choices: vec![choice("Stripe"), choice("Adyen")], hint: Some("which provider".to_owned()) }
}

/// A task that asks in these threads, and the question in the first one.
pub(crate) async fn question(world: &World, followers: &[&Thread], words: &str) -> (TaskId, Message) {
    let id = world.task(followers[0], "pay").await;
    let mut tx = world.board.write().await.unwrap();
    for follower in &followers[1..] {
        let following = Following { task: Some(id.clone()), ..Following::default() };
        tx.watch(follower, &following, None, world.clock.now()).await.unwrap();
    }
    tx.ask(&ana(), &id, Some(words), &ask(), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let asked = world.platform.wait_for_text(followers[0], |text| text.contains(words)).await;
    (id, asked)
}

pub(crate) fn press(update: &str, who: &str, message: &Message, label: &str, words: Option<&str>) -> Request {
    let button = &message.posts.last().unwrap().buttons.iter().find(|button| button.label == label).unwrap().key;
    let words = words.map(str::to_owned);
    let input = Input::Press { message: message.id.clone(), button: button.clone(), words };
    request(update, who, &message.thread, input, None)
}

pub(crate) fn aside(update: &str, who: &str, place: &Thread, text: &str, reply_to: Option<&str>) -> Request {
    let said = request(update, who, place, Input::Text(text.to_owned()), reply_to);
    Request { addressed: false, message: Some(format!("of {update}")), ..said }
}

pub(crate) async fn last_comment(world: &World, id: &TaskId) -> (String, String) {
    let comment = world.board.read().await.unwrap().comments(id).await.unwrap().pop().unwrap();
    (comment.author, comment.body)
}

#[tokio::test]
async fn a_question_shows_what_is_needed_and_how_to_answer() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (id, asked) = question(&world, &[&place("ops")], "Which provider?").await;
    insta::assert_snapshot!(asked.text.replace(id.as_str(), "ID"), @r"
    pay
    Which provider?
    What it needs to know: which provider
    To answer: press a button, or reply to this message in your own words, or `/kanban answer ID YOUR ANSWER`; what begins with `//` is no answer
    blocked · attempt 1 · ID
    ");
    assert_eq!(asked.buttons, ["Stripe", "Adyen", "Answer", "Show", "Cancel"]);
    world.end().await;
}

#[tokio::test]
async fn a_press_a_form_a_reply_and_a_command_answer_and_settle_every_thread() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (ops, shop) = (place("ops"), place("shop"));
    for (number, words) in ["Adyen", "PayPal, then", "Stripe", "by command"].into_iter().enumerate() {
        let (id, asked) = question(&world, &[&ops, &shop], &format!("Question {number}?")).await;
        let update = format!("u{number}");
        let answer = match number {
            0 => press(&update, "bob", &asked, "Adyen", None),
            1 => press(&update, "bob", &asked, "Answer", Some(" PayPal, then ")),
            2 => aside(&update, "bob", &ops, "stripe", Some(&asked.id)),
            _ => request(&update, "bob", &ops, Input::Text(format!("/kanban answer {id} by command")), None),
        };
        let receipt = world.platform.inject(answer).await;
        assert_eq!(receipt.exit, 0, "{words}: {}", world.post(&receipt).await.text());
        assert_eq!(last_comment(&world, &id).await, ("fake:bob".to_owned(), words.to_owned()));
        assert_eq!(world.status(&id).await, Status::Ready);
        for place in [&ops, &shop] {
            let settled = world
                .platform
                .wait_for_text(place, |text| {
                    text.contains(&format!("Question {number}?")) && text.ends_with(&format!("→ {words}: fake:bob"))
                })
                .await;
            assert!(settled.buttons.is_empty());
        }
        // Whoever comes later is told whose answer it was, on each road.
        let late = [
            press(&format!("late{number}"), "ana", &asked, "Stripe", None),
            press(&format!("later{number}"), "ana", &asked, "Answer", Some("too late")),
            aside(&format!("latest{number}"), "ana", &ops, "too late", Some(&asked.id)),
        ];
        for late in late {
            let receipt = world.platform.inject(late).await;
            let told = world.post(&receipt).await;
            assert!(receipt.exit == 1 && told.private, "{told:?}");
            assert!(told.text().contains(&format!("too late: fake:bob has answered it already with “{words}”")));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn without_a_form_a_message_asks_for_the_words_and_a_reply_to_it_brings_them() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, asked) = question(&world, &[&ops], "Which provider?").await;
    assert!(Button::asks_words(&asked.posts[0].buttons[2].key));
    let receipt = world.platform.inject(press("u0", "eve", &asked, "Answer", None)).await;
    assert!(world.post(&receipt).await.text().contains("your role is guest, and this needs member"));
    world.platform.inject(press("u1", "bob", &asked, "Answer", None)).await;
    let prompt = world.platform.wait_for_text(&ops, |text| text.starts_with("Reply to this message")).await;
    assert_eq!(prompt.text, "Reply to this message with your answer to “pay”.\nWhat it needs to know: which provider");
    assert!(prompt.posts[0].prompts && prompt.buttons.is_empty());
    assert_eq!(world.status(&id).await, Status::Blocked);
    assert_eq!(world.platform.inject(aside("u2", "bob", &ops, "PayPal", Some(&prompt.id))).await.exit, 0);
    assert_eq!(last_comment(&world, &id).await.1, "PayPal");

    // What is done can be followed up in the same way.
    world.complete(&id, "paid").await;
    let done = world.platform.wait_for_text(&ops, |text| text.contains("paid")).await;
    world.platform.inject(press("u3", "bob", &done, "Follow up", None)).await;
    let prompt = world.platform.wait_for_text(&ops, |text| text.contains("what is to be done after “pay”")).await;
    let words = "--send a receipt\nby mail";
    assert_eq!(world.platform.inject(aside("u4", "bob", &ops, words, Some(&prompt.id))).await.exit, 0);
    assert_eq!(world.titles(&world.board), ["pay", "--send a receipt"]);
    world.end().await;
}

#[tokio::test]
async fn in_a_tasks_own_thread_everything_but_talk_is_the_answer() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let own = place("own");
    let (id, _) = question(&world, &[&own], "Which provider?").await;
    meddle(&world.board, "UPDATE threads SET task_id = (SELECT id FROM tasks) WHERE channel = 'own'").await;
    let silent = |receipt: &Receipt| (receipt.exit, receipt.deliveries.len()) == (0, 0);
    assert!(silent(&world.platform.inject(aside("u1", "bob", &own, "// let me think", None)).await));
    assert!(silent(&world.platform.inject(aside("u2", "mallory", &own, "// me too", None)).await));
    assert_eq!(world.status(&id).await, Status::Blocked);
    // Who may not is told so.
    assert_eq!(world.platform.inject(aside("u3", "mallory", &own, "Adyen", None)).await.exit, 1);
    assert_eq!(world.platform.inject(aside("u4", "eve", &own, "Adyen", None)).await.exit, 1);
    assert_eq!(world.status(&id).await, Status::Blocked);
    // It is kept although nobody has addressed us, and so outlives a restart.
    world.gateway.keep(batch(vec![aside("u5", "bob", &own, "create a new account", None)], None)).await.unwrap();
    world.until("it is answered", async || (world.status(&id).await == Status::Ready).then_some(())).await;
    assert_eq!(last_comment(&world, &id).await.1, "create a new account");
    assert!(silent(&world.platform.inject(aside("u6", "bob", &own, "thanks", None)).await));
    // A reply to what somebody has said there is meant for the task too, wherever it is heard.
    let mut tx = world.board.write().await.unwrap();
    tx.ask(&ana(), &id, Some("And now?"), &Ask::default(), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.platform.inject(aside("u7", "bob", &own, "go on", Some("of u6"))).await.exit, 0);
    assert_eq!(last_comment(&world, &id).await.1, "go on");
    world.end().await;
}

#[tokio::test]
async fn several_questions_are_not_released_together() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (first, _) = question(&world, &[&ops], "One?").await;
    let (second, _) = question(&world, &[&ops], "Two?").await;
    let receipt = world.says("u1", "ana", &ops, &format!("/kanban unblock {first} {second}")).await;
    let told = world.post(&receipt).await.text();
    assert!(receipt.exit == 1 && told.contains(&format!("`/kanban answer {second} YOUR ANSWER`")), "{told}");
    assert_eq!(world.status(&first).await, Status::Blocked);
    let receipt = world.says("u2", "ana", &ops, &format!("/kanban unblock {first}")).await;
    assert_eq!((receipt.exit, world.status(&first).await), (0, Status::Ready));
    world.platform.wait_for_text(&ops, |text| text.ends_with("→ Unblock: fake:ana")).await;
    world.end().await;
}

/// Some platforms say of every message in a thread that it replies to the first one.
#[tokio::test]
async fn words_in_a_thread_of_people_answer_the_one_question_there_and_of_several_none() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let talk = Thread { thread: Some("root".to_owned()), ..place("ops") };
    let (first, asked) = question(&world, &[&talk], "One?").await;
    assert_eq!(world.platform.inject(aside("u1", "bob", &talk, "PayPal", Some("root"))).await.exit, 0);
    assert_eq!(last_comment(&world, &first).await.1, "PayPal");
    let (second, _) = question(&world, &[&talk], "Two?").await;
    let (third, _) = question(&world, &[&talk], "Three?").await;
    let receipt = world.platform.inject(aside("u2", "bob", &talk, "Adyen", Some("root"))).await;
    let told = world.post(&receipt).await;
    assert!(receipt.exit == 1 && told.private, "{told:?}");
    for task in [&second, &third] {
        assert!(told.text().contains(&format!("`/kanban answer {task} YOUR ANSWER`")), "{}", told.text());
        assert_eq!(world.status(task).await, Status::Blocked);
    }
    // What somebody chose to reply to is meant, and a command is none.
    let late = world.platform.inject(aside("u3", "bob", &talk, "late", Some(&asked.id))).await;
    assert!(world.post(&late).await.text().contains("too late"));
    let command = Request { addressed: true, ..aside("u4", "bob", &talk, "list", Some("root")) };
    assert_eq!(world.platform.inject(command).await.exit, 0);
    assert_eq!(world.status(&second).await, Status::Blocked);
    // In a task's own thread, whose task asks nothing, it is the child that asks.
    world.complete(&second, "fine").await;
    meddle(
        &world.board,
        "UPDATE threads SET task_id = (SELECT task_id FROM questions ORDER BY id LIMIT 1) WHERE thread = 'root'",
    )
    .await;
    assert_eq!(world.platform.inject(aside("u5", "bob", &talk, "Stripe", None)).await.exit, 0);
    assert_eq!(last_comment(&world, &third).await.1, "Stripe");
    world.end().await;
}

#[tokio::test]
async fn the_outcome_of_a_long_question_stands_in_its_last_message_and_nothing_is_told_twice() {
    let world = World::new(FakePlatform::with_message_limit(PLATFORM, 300)).await;
    let ops = place("ops");
    let words: String = (0..40).map(|line| format!("line {line} of the question\n\n")).collect();
    let id = world.task(&ops, "pay").await;
    let mut tx = world.board.write().await.unwrap();
    tx.ask(&ana(), &id, Some(&words), &ask(), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.platform.wait_for_text(&ops, |text| text.ends_with(id.as_str())).await;
    let before = world.platform.messages(&ops);
    let asked = before.last().unwrap();
    assert_eq!(world.platform.inject(aside("u1", "bob", &ops, "Stripe", Some(&asked.id))).await.exit, 0);
    let settled = world.platform.wait_for_text(&ops, |text| text.ends_with("→ Stripe: fake:bob")).await;
    assert!(settled.id == asked.id && settled.text.starts_with(&asked.text), "{settled:?}");
    let after = world.platform.messages(&ops);
    assert_eq!(after.iter().filter(|message| message.text.contains("line 0 of")).count(), 1);
    assert_eq!(after[..before.len() - 1], before[..before.len() - 1]);
    assert!(after[before.len()..].iter().all(|message| !message.text.contains("line ")), "{after:?}");
    world.end().await;
}

/// A press, a reply and a command at once, each from another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_answers_that_race_one_has_an_effect_and_the_losers_are_told() {
    let mut scale = Scale::of("racing answers", 100, 10_000);
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let mut wins = [0_usize; 3];
    for round in 0..scale.count {
        let places: Vec<Thread> =
            ["press", "reply", "command"].map(|road| place(&format!("{road} {}", round % 50))).into();
        let words = format!("Question {round}?");
        let (id, pressed) = question(&world, &places.iter().collect::<Vec<_>>(), &words).await;
        let replied = world.platform.wait_for_text(&places[1], |text| text.contains(&words)).await;
        let update = |road: &str| format!("{road} {round}");
        let command = format!("/kanban answer {id} by command");
        let mut answers = vec![
            press(&update("p"), "ana", &pressed, "Adyen", None),
            aside(&update("r"), "bob", &places[1], "by reply", Some(&replied.id)),
            request(&update("c"), "ana", &places[2], Input::Text(command), None),
        ];
        let first = usize::try_from(scale.below(3)).unwrap();
        answers.rotate_left(first);
        let receipts = futures_util::future::join_all(answers.into_iter().map(|a| world.platform.inject(a))).await;
        let won: Vec<usize> = (0..3).filter(|at| receipts[*at].exit == 0).collect();
        assert_eq!(won.len(), 1, "round {round}: {receipts:?}");
        wins[(won[0] + first) % 3] += 1;
        let mut tx = world.board.read().await.unwrap();
        let answer = tx.last_question(&id).await.unwrap().unwrap().answer.unwrap();
        let unblocked = tx.events_of(&id).await.unwrap().iter().filter(|e| e.kind.as_str() == "unblocked").count();
        assert_eq!(unblocked, 1, "round {round}");
        drop(tx);
        for loser in (0..3).filter(|at| *at != won[0]) {
            let told = world.post(&receipts[loser]).await;
            assert!(told.private && told.text().contains(&format!("too late: {}", answer.by)), "{told:?}");
        }
        for place in &places {
            let line = format!("→ {}: {}", answer.words, answer.by);
            let settled =
                world.platform.wait_for_text(place, |text| text.contains(&words) && text.ends_with(&line)).await;
            assert!(settled.buttons.is_empty(), "round {round}");
        }
    }
    scale.done(&format!("3 answers at once in 3 threads; press, reply and command won {wins:?}"));
    world.end().await;
}
