//! Posts, answers, edits and files, as people see them, whatever goes wrong on the way.

use std::time::Duration;

use kanban_fakes::{
    Server, Trouble,
    slack::{SlackOptions, SlackServer},
};
use kanban_platform::{Block, Button, Input, Platform, Post, PostError, PostKind, Style, Thread};

use crate::support::{assert_nothing_wrong, news, now, options, reply, run, workspace};

/// An adapter that only posts.
async fn poster(server: &SlackServer) -> std::sync::Arc<kanban_slack::Slack> {
    kanban_slack::Slack::new(options(server, None)).expect("the settings are good")
}

fn texts(server: &SlackServer, place: &Thread) -> Vec<String> {
    server.seen(place).into_iter().filter(|seen| seen.is_ours).map(|seen| seen.text).collect()
}

#[tokio::test]
async fn a_card_is_drawn_edited_and_pressed() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let deploy = server.thread("ops", "deploy");
    let hostile = "<!channel> <@U0> @here *bold* _it_ &lt; `<!everyone>`\u{202e}";
    let mut card = Post {
        body: vec![
            Block::Title(hostile.to_owned()),
            Block::Text(hostile.to_owned()),
            Block::Quote(hostile.to_owned()),
            Block::Code(hostile.to_owned()),
            Block::Footer(hostile.to_owned()),
        ],
        buttons: vec![Button { key: "k1.retry".to_owned(), label: "Retry".to_owned(), style: Style::Plain }],
        ..news("d1", &deploy, "")
    };
    let message = running.slack.post(&card, None).await.unwrap();
    card.kind = PostKind::Edit { message: message.clone() };
    card.body.push(Block::Text("done".to_owned()));
    for in_doubt in [None, Some(now())] {
        assert_eq!(running.slack.post(&card, in_doubt).await.unwrap(), message);
    }
    let seen = server.seen(&deploy);
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert!(seen[0].pings.is_empty() && seen[0].text.contains("done") && !seen[0].text.contains('\u{202e}'));
    assert!(seen[0].text.contains("*bold* _it_ &lt;"), "{}", seen[0].text);
    server.presses("ann", &deploy, &message, "Retry").await;
    let kept = running.recorder.wait_for(1).await;
    assert_eq!(kept[0].input, Input::Press { message: message.clone(), button: "k1.retry".to_owned(), words: None });
    assert_eq!(kept[0].thread, deploy);
    // The private answer to a press must leave the card alone.
    running.slack.post(&reply(&kept[0], "d2", "not for you", true), Some(now())).await.unwrap();
    let seen = server.seen(&deploy);
    assert_eq!(seen.len(), 2);
    assert!(seen[0].text.contains("done") && seen[1].private_to.as_deref() == Some("ann"), "{seen:#?}");
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn answers_to_commands_are_private_or_public() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    server.slash("ann", &ops, "list").await;
    let kept = running.recorder.wait_for(1).await;
    running.slack.post(&reply(&kept[0], "d1", "nothing to do", true), None).await.unwrap();
    running.slack.post(&reply(&kept[0], "d2", "created t_1", false), None).await.unwrap();
    let empty = Post { body: Vec::new(), ..reply(&kept[0], "d3", "", true) };
    assert_eq!(running.slack.post(&empty, None).await.unwrap(), "");
    let seen = server.seen(&ops);
    let private: Vec<_> = seen.iter().map(|seen| (seen.text.as_str(), seen.private_to.as_deref())).collect();
    assert_eq!(private, [("nothing to do", Some("ann")), ("created t_1", None)]);
    // A mention is answered in its thread, and an address that is spent has another way.
    let deploy = server.thread("ops", "deploy");
    server.mentions("bob", &deploy, "list").await;
    let kept = running.recorder.wait_for(2).await;
    running.slack.post(&reply(&kept[1], "d4", "for bob", true), None).await.unwrap();
    assert_eq!(server.seen(&deploy).last().unwrap().private_to.as_deref(), Some("bob"));
    server.expire_response_urls();
    running.slack.post(&reply(&kept[0], "d5", "late", true), None).await.unwrap();
    let seen = server.seen(&ops);
    assert_eq!((seen.last().unwrap().text.as_str(), seen.last().unwrap().private_to.as_deref()), ("late", Some("ann")));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn where_the_bot_is_not_the_person_sees_the_answer_at_least() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    server.set_member(&ops, false);
    server.slash("ann", &ops, "create it").await;
    let kept = running.recorder.wait_for(1).await;
    assert_eq!(running.slack.post(&reply(&kept[0], "d1", "created t_1", false), None).await.unwrap(), "");
    let seen = server.seen(&ops).pop().unwrap();
    assert!(seen.text.contains("created t_1") && seen.text.contains("/invite"), "{seen:?}");
    assert_eq!(seen.private_to.as_deref(), Some("ann"));
    let gone = running.slack.post(&news("d2", &ops, "done"), None).await;
    assert!(matches!(gone, Err(PostError::Gone(_))), "{gone:?}");
}

#[tokio::test]
async fn a_private_answer_in_a_direct_conversation_can_be_looked_for() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let alone = server.direct("ann");
    server.says("ann", &alone, "list").await;
    let kept = running.recorder.wait_for(1).await;
    let answer = reply(&kept[0], "d1", "nothing to do", true);
    server.wire().trouble("chat.postMessage", [Trouble::LoseAnswer]);
    let began = now();
    assert!(matches!(running.slack.post(&answer, None).await, Err(PostError::Ambiguous(_))));
    running.slack.post(&answer, Some(began)).await.unwrap();
    assert_eq!(texts(&server, &alone), ["nothing to do"]);
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_found_and_not_sent_again() {
    let server = SlackServer::start_with(workspace()).await;
    let slack = poster(&server).await;
    for place in [server.channel("ops"), server.thread("ops", "deploy")] {
        for (number, trouble) in [Trouble::LoseAnswer, Trouble::ServerErrorAfter].into_iter().enumerate() {
            let post = news(&format!("d{number}.{}", place.thread.is_some()), &place, &format!("word {number}"));
            server.wire().trouble("chat.postMessage", [trouble]);
            let began = now();
            assert!(matches!(slack.post(&post, None).await, Err(PostError::Ambiguous(_))));
            // Looking fails first, and that must not lead to another message.
            let look = if place.thread.is_some() { "conversations.replies" } else { "conversations.history" };
            server.wire().trouble(look, [Trouble::ServerError, Trouble::TooMany(Duration::from_secs(1))]);
            assert!(matches!(slack.post(&post, Some(began)).await, Err(PostError::Ambiguous(_))));
            assert!(matches!(slack.post(&post, Some(began)).await, Err(PostError::Later(..))));
            let message = slack.post(&post, Some(began)).await.unwrap();
            assert!(server.seen(&place).iter().any(|seen| seen.id == message));
        }
        assert_eq!(texts(&server, &place), ["word 0", "word 1"]);
    }
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_post_that_never_arrived_is_sent_again_in_doubt() {
    let server = SlackServer::start_with(workspace()).await;
    let slack = poster(&server).await;
    let ops = server.channel("ops");
    let post = news("d1", &ops, "hello");
    server.wire().trouble("chat.postMessage", [Trouble::Break, Trouble::ServerError]);
    let began = now();
    assert!(matches!(slack.post(&post, None).await, Err(PostError::Ambiguous(_))));
    assert!(matches!(slack.post(&post, Some(began)).await, Err(PostError::Ambiguous(_))));
    slack.post(&post, Some(began)).await.unwrap();
    assert_eq!(texts(&server, &ops), ["hello"]);
    // Where it is certain that nobody may ever look, a message that shows twice is better than one that is lost.
    server.deny_history(true);
    slack.post(&post, Some(began)).await.unwrap();
    assert_eq!(texts(&server, &ops), ["hello", "hello"]);
}

#[tokio::test]
async fn what_slack_says_no_to_is_told_apart() {
    let server = SlackServer::start_with(workspace()).await;
    let slack = poster(&server).await;
    let (ops, dev) = (server.channel("ops"), server.channel("dev"));
    let post = |delivery: &str, place: &Thread| news(delivery, place, "hello");
    server.wire().trouble("chat.postMessage", [Trouble::TooMany(Duration::from_secs(30)), Trouble::Refuse]);
    let later = slack.post(&post("d1", &ops), None).await;
    assert!(matches!(later, Err(PostError::Later(wait, _)) if wait == Duration::from_secs(30)), "{later:?}");
    assert!(matches!(slack.post(&post("d2", &dev), None).await, Err(PostError::Refused(_))));
    slack.post(&post("d3", &dev), None).await.unwrap();
    // The closed bucket holds nobody else up, and is not called before its time.
    let calls = server.wire().calls().len();
    let later = slack.post(&post("d4", &ops), None).await;
    assert!(matches!(later, Err(PostError::Later(wait, _)) if wait > Duration::from_secs(20)), "{later:?}");
    assert_eq!(server.wire().calls().len(), calls);
    server.archive(&dev);
    assert!(matches!(slack.post(&post("d5", &dev), None).await, Err(PostError::Gone(_))));
    server.revoke_token();
    let later = slack.post(&post("d6", &server.channel("qa")), None).await;
    assert!(matches!(later, Err(PostError::Later(wait, _)) if wait >= Duration::from_secs(60)), "{later:?}");
    let mut nowhere = options(&server, None);
    nowhere.api_base = Some("http://127.0.0.1:9/api".to_owned());
    let nowhere = kanban_slack::Slack::new(nowhere).expect("the settings are good");
    assert!(matches!(nowhere.post(&post("d7", &ops), None).await, Err(PostError::Later(Duration::ZERO, _))));
}

#[tokio::test]
async fn long_texts_fit_and_very_long_ones_come_as_a_file_once() {
    let server = SlackServer::start_with(workspace()).await;
    let slack = poster(&server).await;
    let ops = server.channel("ops");
    let long: String = (0..1_000).map(|line| format!("line {line}\n")).collect();
    let parts = slack.parts(&[Block::Title("All".to_owned()), Block::Code(long.clone())]);
    assert!(parts.len() > 1);
    for (number, part) in parts.into_iter().enumerate() {
        slack.post(&Post { body: part, ..news(&format!("d1.{number}"), &ops, "") }, None).await.unwrap();
    }
    let shown = texts(&server, &ops).join("\n");
    assert!((0..1_000).all(|line| shown.contains(&format!("line {line}"))));
    let log = "ünd &lt; <!channel>\n".repeat(20_000);
    let parts = slack.parts(&[Block::Title("Log".to_owned()), Block::Code(log.clone())]);
    assert_eq!(parts.len(), 1);
    let post = Post { body: parts[0].clone(), ..news("d2", &ops, "") };
    server.wire().trouble("files.completeUploadExternal", [Trouble::LoseAnswer]);
    let began = now();
    let doubted = slack.post(&post, None).await;
    assert!(matches!(doubted, Err(PostError::Ambiguous(_))), "{doubted:?}");
    slack.post(&post, Some(began)).await.unwrap();
    let files: Vec<_> = server.seen(&ops).into_iter().flat_map(|seen| seen.files).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].1, log);
    assert_eq!(server.seen(&ops).iter().filter(|seen| seen.text.contains("Log")).count(), 1);
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_private_file_goes_to_the_direct_conversation() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    server.slash("ann", &ops, "log t_1").await;
    let kept = running.recorder.wait_for(1).await;
    let file = Block::File { name: "output.txt".to_owned(), text: "secret\n".repeat(10) };
    let answer = Post { body: vec![Block::Text("the log".to_owned()), file], ..reply(&kept[0], "d1", "", true) };
    running.slack.post(&answer, None).await.unwrap();
    let seen = server.seen(&ops).pop().unwrap();
    assert!(seen.files.is_empty() && seen.text.contains("direct messages"), "{seen:?}");
    let handed: Vec<_> = server.seen(&server.direct("ann")).into_iter().flat_map(|seen| seen.files).collect();
    assert_eq!(handed.len(), 1);
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn the_published_rates_are_kept() {
    let server = SlackServer::start_with(SlackOptions { has_rate_limits: true, ..workspace() }).await;
    let slack = poster(&server).await;
    let ops = server.channel("ops");
    for number in 0..8 {
        slack.post(&news(&format!("d{number}"), &ops, "hello"), None).await.unwrap();
    }
    assert!(server.wire().calls().iter().all(|call| call.status == 200 && !call.is_early));
}
