//! The fake does what its documentation says, so that suites may build on it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kanban_fakes::{FakePlatform, Fault, thread};
use kanban_platform::{
    Author, Block, Button, Capability, Commands, Field, Input, Platform, Post, PostError, PostKind, Receipt, Request,
    Spec, Style, Suggestion, Surface, Urgency,
};
use tokio_util::sync::CancellationToken;

fn post(delivery: &str, channel: &str, text: &str) -> Post {
    Post {
        delivery: delivery.to_owned(),
        thread: thread("fake", channel),
        kind: PostKind::News,
        body: vec![Block::Text(text.to_owned())],
        buttons: vec![Button { key: String::new(), label: "Go".to_owned(), style: Style::Plain }],
        private: false,
        task: None,
        event: None,
        urgency: Urgency::News,
        prompts: false,
    }
}

fn edit(delivery: &str, message: &str, text: &str) -> Post {
    Post { kind: PostKind::Edit { message: message.to_owned() }, buttons: Vec::new(), ..post(delivery, "a", text) }
}

fn texts(platform: &FakePlatform, channel: &str) -> Vec<String> {
    platform.messages(&thread("fake", channel)).into_iter().map(|message| message.text).collect()
}

#[tokio::test]
async fn messages_keep_their_order_and_repeats_are_known() {
    let platform = FakePlatform::new("fake");
    assert_eq!(platform.post(&post("d1", "a", "one"), None).await.unwrap(), "1");
    assert_eq!(platform.post(&post("d2", "b", "two"), None).await.unwrap(), "2");
    assert_eq!(platform.post(&post("d3", "a", "three"), None).await.unwrap(), "3");
    assert_eq!(platform.post(&post("d1", "a", "one"), None).await.unwrap(), "1");
    assert_eq!(platform.post(&edit("d4", "1", "uno"), None).await.unwrap(), "1");
    assert_eq!(platform.post(&edit("d4", "1", "uno"), None).await.unwrap(), "1");
    assert_eq!(texts(&platform, "a"), ["uno", "three"]);
    let first = &platform.messages(&thread("fake", "a"))[0];
    assert_eq!((&first.earlier, first.buttons.len()), (&vec!["one".to_owned()], 0));
    assert!(
        matches!(platform.post(&edit("d5", "2", "x"), None).await, Err(PostError::Refused(_))),
        "it is in another thread"
    );
    assert_eq!(platform.attempts().len(), 7);
}

#[tokio::test]
async fn a_forgetful_platform_doubles_a_repeat() {
    let platform = FakePlatform::forgetful("fake");
    platform.fail_next(1, Fault::LoseAnswer);
    assert!(matches!(platform.post(&post("d1", "a", "one"), None).await, Err(PostError::Ambiguous(_))));
    assert_eq!(platform.post(&post("d1", "a", "one"), None).await.unwrap(), "2");
    assert_eq!(texts(&platform, "a"), ["one", "one"]);
}

#[tokio::test]
async fn faults_are_met_by_the_posts_they_are_meant_for() {
    let platform = FakePlatform::with_message_limit("fake", 4);
    assert!(matches!(platform.post(&post("d0", "a", "fünf!"), None).await, Err(PostError::Refused(_))));
    platform.fail_thread(&thread("fake", "a"), Fault::Gone);
    platform.fail_next(2, Fault::Later(Duration::from_secs(7)));
    assert!(matches!(platform.post(&post("d1", "a", "one"), None).await, Err(PostError::Gone(_))));
    for _ in 0..2 {
        let answer = platform.post(&post("d2", "b", "two"), None).await;
        assert!(matches!(answer, Err(PostError::Later(wait, _)) if wait == Duration::from_secs(7)));
    }
    platform.post(&post("d2", "b", "two"), None).await.unwrap();
    platform.heal(&thread("fake", "a"));
    platform.fail_next(1, Fault::Refused);
    assert!(matches!(platform.post(&post("d1", "a", "one"), None).await, Err(PostError::Refused(_))));
    platform.fail_next(1, Fault::LoseAnswer);
    assert!(platform.post(&post("d1", "a", "one"), None).await.is_err());
    assert_eq!(platform.post(&post("d1", "a", "one"), None).await.unwrap(), "2");
    assert_eq!((texts(&platform, "a"), texts(&platform, "b")), (vec!["one".to_owned()], vec!["two".to_owned()]));
}

#[tokio::test]
async fn posts_hang_until_they_are_released() {
    let platform = FakePlatform::new("fake");
    platform.fail_thread(&thread("fake", "a"), Fault::Hang);
    platform.fail_next(1, Fault::HoldAnswer);
    let sending = |delivery: &'static str, channel: &'static str| {
        let platform = Arc::clone(&platform);
        tokio::spawn(async move { platform.post(&post(delivery, channel, channel), None).await })
    };
    let hanging = sending("d1", "a");
    let held = sending("d2", "b");
    platform.wait_for_attempts(2).await;
    platform.wait_for(&thread("fake", "b"), 1).await;
    assert!(texts(&platform, "a").is_empty());
    assert!(platform.attempts().iter().all(|attempt| attempt.answer.is_none()));
    platform.release();
    assert_eq!(held.await.unwrap().unwrap(), "1");
    assert_eq!(hanging.await.unwrap().unwrap(), "2");
    assert_eq!(platform.wait_for_text(&thread("fake", "a"), |text| text == "a").await.id, "2");
}

struct Answering(Spec);

#[async_trait]
impl Commands for Answering {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn handle(&self, request: Request) -> Receipt {
        Receipt { deliveries: vec![request.update], exit: 3, is_left: false }
    }

    async fn suggest(&self, _field: &Field) -> Vec<Suggestion> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_request_waits_for_the_gateway() {
    let platform = FakePlatform::new("fake");
    let request = Request {
        update: "u1".to_owned(),
        author: Author { platform: "fake".to_owned(), id: "7".to_owned(), name: "Ann".to_owned(), groups: Vec::new() },
        thread: thread("fake", "a"),
        input: Input::Text("hi".to_owned()),
        reply_to: None,
        addressed: true,
        return_address: None,
        is_channel: false,
        message: None,
        files: Vec::new(),
    };
    let asking = tokio::spawn({
        let platform = Arc::clone(&platform);
        async move { platform.inject(request).await }
    });
    let commands = Arc::new(Answering(Spec {
        name: "kanban".to_owned(),
        about: String::new(),
        aliases: Vec::new(),
        usage: String::new(),
        args: Vec::new(),
        verbs: Vec::new(),
        surface: Surface::Menu,
        capability: Capability::Read,
        shortcut: None,
        translations: std::collections::BTreeMap::new(),
    }));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (platform, shutdown) = (Arc::clone(&platform), shutdown.clone());
        async move { platform.run(commands, shutdown).await }
    });
    assert_eq!(asking.await.unwrap(), Receipt { deliveries: vec!["u1".to_owned()], exit: 3, is_left: false });
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
