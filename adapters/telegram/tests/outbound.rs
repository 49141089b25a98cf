//! What the board owes reaches people, and the adapter tells what became of it.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod support;

use std::time::Duration;

use kanban_fakes::{Server, Trouble, telegram::TelegramServer};
use kanban_platform::{Block, Platform, Post, PostError, PostKind, Thread};
use kanban_telegram::Telegram;
use tokio::time::Instant;

use self::support::{button, news, polling, post, reply, started};

async fn sender() -> (std::sync::Arc<TelegramServer>, std::sync::Arc<Telegram>) {
    let server = TelegramServer::start().await;
    let telegram = Telegram::new(polling(&server)).expect("the options are right");
    (server, telegram)
}

fn edit(thread: &Thread, message: &str, text: &str) -> Post {
    post(thread, PostKind::Edit { message: message.to_owned() }, vec![Block::Text(text.to_owned())])
}

#[tokio::test]
async fn cards_replies_edits_and_buttons() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    let deploy = server.thread("web", "deploy");
    let typed = server.says("anna", &deploy, "/kanban list").await;
    let request = board.requests(1).await.swap_remove(0);
    let body = vec![
        Block::Title("fix @anna_user".to_owned()),
        Block::Quote("see @anna_user, /stop and <b>x</b>".to_owned()),
        Block::Code("@anna_user".to_owned()),
        Block::Footer("ready".to_owned()),
    ];
    let card = Post { body, buttons: vec![button("k1", "Yes"), button("k2", "No")], ..reply(&request, "") };
    let message = telegram.post(&card, None).await.unwrap();
    let seen = server.seen(&deploy).pop().unwrap();
    assert_eq!((&seen.id, seen.is_ours, seen.reply_to.as_ref()), (&message, true, Some(&typed)));
    assert_eq!(seen.buttons, ["Yes", "No"]);
    assert_eq!(seen.pings, Vec::<String>::new());

    let change = Post { buttons: vec![button("k3", "Again")], ..edit(&deploy, &message, "done") };
    assert_eq!(telegram.post(&change, None).await.as_ref(), Ok(&message));
    // What was in doubt is done once more, and looks the same.
    assert_eq!(telegram.post(&change, Some(1)).await.as_ref(), Ok(&message));
    let seen = server.seen(&deploy).pop().unwrap();
    assert_eq!((seen.text.as_str(), seen.earlier.len(), seen.buttons), ("done", 1, vec!["Again".to_owned()]));
    telegram.post(&edit(&deploy, &message, "done and over"), None).await.unwrap();
    assert!(server.seen(&deploy).pop().unwrap().buttons.is_empty());

    let nothing = Post { body: Vec::new(), ..reply(&request, "") };
    assert_eq!(telegram.post(&nothing, None).await.as_deref(), Ok(""));
    assert!(matches!(telegram.post(&edit(&deploy, "999999", "x"), None).await, Err(PostError::Refused(_))));
    assert!(matches!(telegram.post(&news(&deploy, " \n"), None).await, Err(PostError::Refused(_))));
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn long_output_arrives_as_a_file_and_can_be_edited() {
    let (server, telegram) = sender().await;
    let anna = server.private("anna");
    let log = "line of a log\n".repeat(3000);
    let parts = telegram.parts(&[Block::Title("log of t_4k2".to_owned()), Block::Code(log.clone())]);
    assert_eq!(parts.len(), 1);
    let whole = Post { buttons: vec![button("k1", "More")], ..post(&anna, PostKind::News, parts[0].clone()) };
    let message = telegram.post(&whole, None).await.unwrap();
    let seen = server.seen(&anna).pop().unwrap();
    assert_eq!(seen.files, [("output.txt".to_owned(), log)]);
    assert!(seen.text.starts_with("log of t_4k2\nline of a log") && seen.buttons == ["More"], "{seen:?}");
    telegram.post(&edit(&anna, &message, "over"), None).await.unwrap();
    assert_eq!(server.seen(&anna).pop().unwrap().text, "over");

    let words = "word ".repeat(2000);
    for part in telegram.parts(&[Block::Text(words.clone())]) {
        telegram.post(&post(&anna, PostKind::News, part), None).await.unwrap();
    }
    let seen = server.seen(&anna);
    let text: Vec<_> = seen[1..].iter().map(|seen| seen.text.as_str()).collect();
    assert_eq!((text.len(), text.join(" ")), (3, words.trim().to_owned()));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn faults_are_told_apart_without_waiting() {
    let (server, telegram) = sender().await;
    let ops = server.channel("ops");
    let began = Instant::now();
    for trouble in [Trouble::ServerError, Trouble::ServerErrorAfter, Trouble::LoseAnswer, Trouble::Break] {
        let anna = server.private(&format!("{trouble:?}"));
        server.wire().trouble("sendMessage", [trouble]);
        let result = telegram.post(&news(&anna, "hello"), None).await;
        assert!(matches!(result, Err(PostError::Ambiguous(_))), "{trouble:?}: {result:?}");
    }
    server.wire().trouble("sendMessage", [Trouble::Refuse]);
    assert!(matches!(telegram.post(&news(&ops, "hello"), None).await, Err(PostError::Refused(_))));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // A 429 closes the chat, and no other one.
    server.wire().trouble("sendMessage", [Trouble::TooMany(Duration::from_secs(30))]);
    let Err(PostError::Later(wait, _)) = telegram.post(&news(&ops, "hello"), None).await else { panic!() };
    assert_eq!(wait.as_secs(), 30);
    let Err(PostError::Later(wait, _)) = telegram.post(&news(&ops, "hello"), None).await else { panic!() };
    assert!((20..30).contains(&wait.as_secs()), "{wait:?}");
    telegram.post(&news(&server.private("anna"), "hello"), None).await.unwrap();
    assert!(server.wire().calls().iter().all(|call| !call.is_early));

    drop(server);
    let result = telegram.post(&news(&ops2(), "hello"), None).await;
    assert!(matches!(result, Err(PostError::Later(Duration::ZERO, _) | PostError::Ambiguous(_))), "{result:?}");
}

fn ops2() -> Thread {
    kanban_fakes::thread("telegram", "42")
}

#[tokio::test]
async fn places_that_are_gone_are_gone_and_groups_that_moved_are_followed() {
    let (server, telegram) = sender().await;
    let anna = server.private("anna");
    server.blocks("anna", true);
    assert!(matches!(telegram.post(&news(&anna, "x"), None).await, Err(PostError::Gone(_))));
    server.blocks("anna", false);
    telegram.post(&news(&anna, "x"), None).await.unwrap();

    let (ops, deploy, old) = (server.channel("ops"), server.thread("web", "deploy"), server.thread("web", "old"));
    server.kicks(&ops, true);
    assert!(matches!(telegram.post(&news(&ops, "x"), None).await, Err(PostError::Gone(_))));
    server.closes_topic(&deploy, true);
    assert!(matches!(telegram.post(&news(&deploy, "x"), None).await, Err(PostError::Gone(_))));
    server.deletes_topic(&old);
    assert!(matches!(telegram.post(&news(&old, "x"), None).await, Err(PostError::Gone(_))));
    assert!(matches!(telegram.post(&news(&ops2(), "x"), None).await, Err(PostError::Gone(_))));
    let odd = Thread { channel: "ops".to_owned(), ..ops.clone() };
    assert!(matches!(telegram.post(&news(&odd, "x"), None).await, Err(PostError::Gone(_))));

    let group = server.plain_group("team");
    telegram.post(&news(&group, "before"), None).await.unwrap();
    let moved = server.migrates(&group);
    telegram.post(&news(&group, "after"), None).await.unwrap();
    telegram.post(&news(&group, "at once"), None).await.unwrap();
    let texts: Vec<_> = server.seen(&moved).into_iter().map(|seen| seen.text).collect();
    assert_eq!(texts, ["after", "at once"]);
    let refused = server.wire().calls().iter().filter(|call| call.channel.as_ref() == Some(&group.channel)).count();
    assert_eq!(refused, 2, "the old name is asked for once before and once after");
}

#[tokio::test]
async fn the_published_limits_are_kept() {
    let (server, telegram) = sender().await;
    server.limits(true);
    let anna = server.private("anna");
    for n in 0..6 {
        telegram.post(&news(&anna, &format!("{n}")), None).await.unwrap();
    }
    assert!(server.wire().calls().iter().all(|call| call.status == 200));
    assert_eq!(server.seen(&anna).len(), 6);
}
