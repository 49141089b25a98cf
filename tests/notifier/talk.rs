//! What counts as a command in a chat, what as an answer, and what is nobody's business but that of those who talk.

use kanban_fakes::FakePlatform;
use kanban_gateway::board::{
    TaskId,
    task::{BlockKind, Status},
};
use kanban_platform::{Commands, Input, Receipt, Request, Thread};

use crate::world::{PLATFORM, World, ana, place, request};

/// Says something that is not addressed to us, as people do in a group.
async fn aside(world: &World, update: &str, who: &str, text: &str, reply_to: Option<&str>) -> Receipt {
    let said = request(update, who, &place("ops"), Input::Text(text.to_owned()), reply_to);
    world.platform.inject(Request { addressed: false, ..said }).await
}

/// A task that asks in a thread, and the platform's id of the question.
async fn question(world: &World, ops: &Thread, reason: &str) -> (TaskId, String) {
    let id = world.task(ops, "paint").await;
    let mut tx = world.board.write().await.unwrap();
    tx.block(&ana(), &id, Some(BlockKind::NeedsInput), Some(reason), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let asked = world.platform.wait_for_text(ops, |text| text.contains(reason)).await;
    (id, asked.id)
}

async fn comments(world: &World, id: &TaskId) -> Vec<String> {
    let comments = world.board.read().await.unwrap().comments(id).await.unwrap();
    comments.into_iter().map(|comment| comment.body).collect()
}

#[tokio::test]
async fn a_verbs_own_command_is_one_without_being_addressed() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, _) = question(&world, &ops, "which colour?").await;
    for (update, text, shown) in [
        ("u1", "/new fix the bug".to_owned(), "Created"),
        ("u2", "/New@our_bot “don't panic”".to_owned(), "Created"),
        ("u3", "/tasks".to_owned(), "fix the bug"),
        ("u4", "!tasks@our_bot --status blocked".to_owned(), "paint"),
        ("u5", format!("/task {id}"), "which colour?"),
        ("u6", format!("/TASK@our_bot {id}"), "which colour?"),
        ("u7", format!("/answer {id} blue, --or green"), id.as_str()),
    ] {
        let receipt = aside(&world, update, "ana", &text, None).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (0, 1), "{text}");
        let answer = world.post(&receipt).await.text();
        assert!(answer.contains(shown), "{text}: {answer}");
    }
    assert_eq!(world.titles(&world.board), ["paint", "fix the bug", "don't panic"]);
    assert_eq!(world.status(&id).await, Status::Ready);
    assert_eq!(comments(&world, &id).await.last().unwrap(), "blue, --or green");
    // What is wrong with it is said, as it is with `/kanban`.
    let receipt = aside(&world, "u8", "ana", "/task", None).await;
    assert_eq!((receipt.exit, receipt.deliveries.len()), (2, 1));
    world.end().await;
}

#[tokio::test]
async fn a_verb_alone_is_a_command_only_for_whoever_is_addressed() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let texts = ["list", "create something", "kanban create something", "help", "ls", "\u{200e} List"];
    for (number, text) in texts.iter().enumerate() {
        let receipt = aside(&world, &format!("a{number}"), "ana", text, None).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (0, 0), "{text}");
    }
    assert!(world.titles(&world.board).is_empty());
    for (number, text) in texts.iter().enumerate() {
        let receipt = world.says(&format!("b{number}"), "ana", &ops, text).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (0, 1), "{text}");
    }
    assert_eq!(world.titles(&world.board), ["something", "something"]);
    // What is no verb, or none for chats, gets a hint.
    for (update, text) in [("c1", "good morning"), ("c2", "up"), ("c3", "shim"), ("c4", "")] {
        let receipt = world.says(update, "ana", &ops, text).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (2, 1), "{text}");
        assert!(world.post(&receipt).await.text().contains("`/kanban help`"), "{text}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_reply_to_a_question_is_its_answer_whatever_it_begins_with() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    for (number, text) in
        ["cancel that idea, and make it blue", "list of colours: blue", "--blue", "-1", "help yourself"]
            .iter()
            .enumerate()
    {
        let (id, asked) = question(&world, &ops, &format!("question {number}?")).await;
        let receipt = aside(&world, &format!("u{number}"), "bob", text, Some(&asked)).await;
        assert_eq!(receipt.exit, 0, "{text}: {:?}", world.post(&receipt).await.text());
        assert_eq!(world.status(&id).await, Status::Ready, "{text}");
        assert_eq!(comments(&world, &id).await.last().unwrap(), text);
    }
    // With the slash it is a command, also there.
    let (id, asked) = question(&world, &ops, "the last one?").await;
    let receipt = aside(&world, "u9", "ana", &format!("/kanban cancel {id}"), Some(&asked)).await;
    assert_eq!((receipt.exit, world.status(&id).await), (0, Status::Archived));
    world.end().await;
}

#[tokio::test]
async fn what_is_said_to_somebody_else_gets_no_answer_from_us() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (_, asked) = question(&world, &place("ops"), "which colour?").await;
    for (update, who, text, reply_to) in [
        ("u1", "ana", "good morning", None),
        ("u2", "ana", "I agree", Some("a message of ann's")),
        ("u3", "mallory", "good morning", None),
        ("u4", "mallory", "I agree", Some("a message of ann's")),
    ] {
        let receipt = aside(&world, update, who, text, reply_to).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (0, 0), "{who}: {text}");
    }
    // Whoever is not known and answers us is told so.
    let receipt = aside(&world, "u5", "mallory", "blue", Some(&asked)).await;
    assert_eq!((receipt.exit, receipt.deliveries.len()), (1, 1));
    assert!(world.post(&receipt).await.text().contains("fake:mallory"));
    world.end().await;
}

#[tokio::test]
async fn a_button_is_good_on_its_own_platform_alone() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (id, asked) = question(&world, &ops, "which colour?").await;
    let key = world.platform.attempts()[0].post.buttons[0].key.clone();
    let press = |update: &str, place: &Thread| {
        let input = Input::Press { message: asked.clone(), button: key.clone(), words: Some("blue".to_owned()) };
        request(update, "ana", place, input, None)
    };
    let elsewhere = Thread { platform: "fake.acme".to_owned(), ..ops.clone() };
    assert_eq!(world.gateway.handle(press("u1", &elsewhere)).await.exit, 1);
    assert_eq!(world.status(&id).await, Status::Blocked);
    // The key alone says which post it is, wherever on the platform the message lies.
    let receipt = world.gateway.handle(press("u2", &place("elsewhere"))).await;
    assert_eq!((receipt.exit, world.status(&id).await), (0, Status::Ready));
    world.end().await;
}
