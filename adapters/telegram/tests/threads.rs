//! Threads of tasks' own, what is said in them, and what the bot remembers of it.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod support;

use std::{sync::Arc, time::Duration};

use kanban_fakes::{Server, Trouble, telegram::TelegramServer};
use kanban_platform::{Block, Opening, Platform, PostError, PostKind, Thread};
use kanban_telegram::Telegram;

use self::support::{news, polling, post, reply, started};

async fn sender() -> (Arc<TelegramServer>, Arc<Telegram>) {
    let server = TelegramServer::start().await;
    let telegram = Telegram::new(polling(&server)).expect("the options are right");
    (server, telegram)
}

fn opening(channel: &Thread, message: &str, title: &str) -> Opening {
    Opening {
        channel: channel.clone(),
        message: message.to_owned(),
        task: "t_4k2".to_owned(),
        title: title.to_owned(),
        person: None,
        is_in_doubt: false,
    }
}

/// The chat outside of all topics.
fn general(topic: &Thread) -> Thread {
    Thread { thread: None, ..topic.clone() }
}

fn chain(channel: &Thread, message: &str) -> Thread {
    Thread { thread: Some(format!("r{message}")), ..channel.clone() }
}

fn topics_asked_for(server: &TelegramServer) -> usize {
    server.wire().calls().iter().filter(|call| call.route == "createForumTopic").count()
}

#[tokio::test]
async fn a_chain_of_replies_is_a_thread_without_a_call() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    for (n, place) in [server.channel("ops"), server.plain_group("team"), server.private("anna")].iter().enumerate() {
        server.says("anna", place, "/kanban create a page").await;
        let request = board.requests(2 * n + 1).await.pop().unwrap();
        assert!(request.is_channel && request.message == request.return_address, "{request:?}");
        let line = telegram.post(&reply(&request, "created t_4k2"), None).await.unwrap();
        let thread = telegram.open(&opening(place, &line, "a page")).await.unwrap();
        assert_eq!(thread, chain(place, &line));
        assert_eq!(telegram.open(&opening(place, &line, "a page")).await.as_ref(), Ok(&thread), "again, the same");

        let question = telegram.post(&news(&thread, "which colour?"), None).await.unwrap();
        let log = vec![Block::File { name: "log.txt".to_owned(), text: "a line".to_owned() }];
        telegram.post(&post(&thread, PostKind::News, log), None).await.unwrap();
        assert_eq!(server.opened(place), vec![thread.clone()]);
        let seen = server.seen(&thread);
        assert!(seen.iter().all(|seen| seen.reply_to.as_ref() == Some(&line)), "{seen:?}");
        assert_eq!((seen.len(), &seen[0].id, seen[1].files.len()), (2, &question, 1));

        server.says("anna", &thread, "red").await;
        let answer = board.requests(2 * n + 2).await.pop().unwrap();
        assert_eq!((&answer.thread, answer.reply_to.as_ref()), (place, Some(&line)));
        let edit = post(&thread, PostKind::Edit { message: question }, vec![Block::Text("red it is".to_owned())]);
        telegram.post(&edit, None).await.unwrap();
        let done = telegram.post(&reply(&answer, "noted"), None).await.unwrap();
        let seen = server.seen(&thread);
        assert_eq!((seen[0].text.as_str(), seen.last().map(|seen| &seen.id)), ("red it is", Some(&done)));
    }
    assert_eq!(topics_asked_for(&server), 0);
    // A message that somebody deletes is no end of the thread.
    let thread = server.opened(&server.channel("ops")).remove(0);
    server.deletes_message(&thread, thread.thread.as_ref().unwrap().trim_start_matches('r'));
    telegram.post(&news(&thread, "still here"), None).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_forum_gets_a_topic_for_each_task() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    let web = general(&server.thread("web", "deploy"));
    server.promotes(&web, true);
    let line = telegram.post(&news(&web, "created t_4k2"), None).await.unwrap();
    let title = format!("fix\n@anna_user \u{202e}\u{1b} {}", "long ".repeat(40));
    let thread = telegram.open(&opening(&web, &line, &title)).await.unwrap();
    assert_eq!(server.opened(&web), vec![thread.clone()]);
    let calls = server.wire().calls();
    let name = calls.iter().find(|call| call.route == "createForumTopic").unwrap().body["name"].as_str().unwrap();
    assert!(name.starts_with("fix @anna_user ‹U+202E›␛ long") && name.ends_with('…'), "{name}");
    assert!(name.encode_utf16().count() <= 128 && !name.contains(['\n', '\u{202e}', '\u{1b}']), "{name}");

    telegram.post(&news(&thread, "which colour?"), None).await.unwrap();
    let typed = server.says("anna", &thread, "a word among people").await;
    let heard = board.requests(1).await.remove(0);
    assert_eq!((&heard.thread, heard.addressed, heard.is_channel), (&thread, false, false));
    assert_eq!((heard.message.as_ref(), heard.reply_to), (Some(&typed), None));
    assert_eq!(server.seen(&thread).len(), 2);

    // What has no words is named by its task; what is in doubt becomes a chain, and no second topic.
    telegram.open(&opening(&web, &line, " \u{200b}\n")).await.unwrap();
    let calls = server.wire().calls();
    let last = calls.iter().rfind(|call| call.route == "createForumTopic").unwrap();
    assert_eq!(last.body["name"], "t_4k2");
    let doubtful = Opening { is_in_doubt: true, ..opening(&web, &line, "a page") };
    assert_eq!(telegram.open(&doubtful).await, Ok(chain(&web, &line)));
    assert_eq!(topics_asked_for(&server), 2);
    assert!(matches!(telegram.open(&opening(&thread, "5", "a page")).await, Err(PostError::Refused(_))));
    assert!(matches!(telegram.open(&opening(&web, "x", "a page")).await, Err(PostError::Refused(_))));
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn where_no_topic_can_be_opened_the_gateway_learns_why() {
    let (server, telegram) = sender().await;
    let (ops, web) = (server.channel("ops"), general(&server.thread("web", "deploy")));
    // Neither a forum nor, in a forum, an administrator: both have chains.
    for place in [&ops, &web] {
        assert_eq!(telegram.open(&opening(place, "1", "a page")).await, Ok(chain(place, "1")));
    }
    server.promotes(&web, true);
    server.wire().trouble("createForumTopic", [Trouble::LoseAnswer, Trouble::ServerError]);
    for _ in 0..2 {
        assert!(matches!(telegram.open(&opening(&web, "1", "a page")).await, Err(PostError::Ambiguous(_))));
    }
    server.wire().trouble("createForumTopic", [Trouble::TooMany(Duration::from_secs(30))]);
    let Err(PostError::Later(wait, _)) = telegram.open(&opening(&web, "1", "a page")).await else { panic!() };
    assert_eq!(wait.as_secs(), 30);
    let wide = general(&server.thread("wide", "deploy"));
    server.kicks(&wide, true);
    assert!(matches!(telegram.open(&opening(&wide, "1", "a page")).await, Err(PostError::Gone(_))));
    let nowhere = kanban_fakes::thread("telegram", "-1001");
    assert_eq!(telegram.open(&opening(&nowhere, "1", "a page")).await, Ok(chain(&nowhere, "1")), "a plain group");
    let nowhere = kanban_fakes::thread("telegram", "-1009999999999");
    assert!(matches!(telegram.open(&opening(&nowhere, "1", "a page")).await, Err(PostError::Gone(_))));
    let odd = Thread { thread: Some("x7".to_owned()), ..ops };
    assert!(matches!(telegram.post(&news(&odd, "x"), None).await, Err(PostError::Gone(_))));

    // A group that moved has its threads where it is now.
    let team = server.plain_group("team");
    let moved = server.migrates(&team);
    telegram.post(&news(&team, "hello"), None).await.unwrap();
    assert_eq!(telegram.open(&opening(&team, "1", "a page")).await, Ok(chain(&moved, "1")));
}

#[tokio::test]
async fn a_sign_says_that_a_message_was_taken_in() {
    let (server, telegram) = sender().await;
    let ops = server.channel("ops");
    let typed = server.says("anna", &ops, "look at this").await;
    let sign = |message: &str| post(&ops, PostKind::Reaction { message: message.to_owned() }, Vec::new());
    for _ in 0..2 {
        assert_eq!(telegram.post(&sign(&typed), None).await.as_deref(), Ok(""));
    }
    assert_eq!(server.reactions(&ops, &typed), ["👀"]);
    // Without the message, the right or the chat nothing is shown, and nothing is owed.
    for gone in ["999", "x", ""] {
        assert_eq!(telegram.post(&sign(gone), None).await.as_deref(), Ok(""), "{gone}");
    }
    server.wire().trouble("setMessageReaction", [Trouble::Refuse, Trouble::Gone]);
    for _ in 0..2 {
        assert_eq!(telegram.post(&sign(&typed), None).await.as_deref(), Ok(""));
    }
    server.wire().trouble("setMessageReaction", [Trouble::Break, Trouble::TooMany(Duration::from_secs(30))]);
    assert!(matches!(telegram.post(&sign(&typed), None).await, Err(PostError::Ambiguous(_))));
    let Err(PostError::Later(wait, _)) = telegram.post(&sign(&typed), None).await else { panic!() };
    assert_eq!(wait.as_secs(), 30);
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn what_passed_by_is_remembered_by_place() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    let (ops, deploy) = (server.channel("ops"), server.thread("web", "deploy"));
    server.privacy(false);
    server.says("anna", &ops, "the build is red").await;
    server.says("bert", &deploy, "elsewhere").await;
    let line = telegram.post(&news(&ops, "created `t_4k2`"), None).await.unwrap();
    server.replies("bert", &ops, &line, "why?").await;
    let asked = server.mentions("anna", &ops, "@reviewer look").await;
    board.requests(4).await;
    let told = |said: Vec<kanban_platform::Said>| -> Vec<String> {
        said.into_iter().map(|said| format!("{} {}: {}", said.person, said.author, said.text)).collect()
    };
    let (anna, bert) = (server.person("anna"), server.person("bert"));
    let bot = format!("telegram:{} {}", server.token().split(':').next().unwrap(), server.bot());
    let all = telegram.recent(&ops, Some(&asked), 20).await.unwrap();
    assert_eq!(all.iter().map(|said| said.is_ours).collect::<Vec<_>>(), [false, true, false]);
    let whole =
        [format!("{anna} anna: the build is red"), format!("{bot}: created t_4k2"), format!("{bert} bert: why?")];
    assert_eq!(told(all), whole);
    assert_eq!(told(telegram.recent(&ops, Some(&asked), 1).await.unwrap()), whole[2..]);
    assert_eq!(told(telegram.recent(&chain(&ops, &line), None, 20).await.unwrap()), whole[1..]);
    assert_eq!(told(telegram.recent(&deploy, None, 20).await.unwrap()), [format!("{bert} bert: elsewhere")]);
    let edit = post(&ops, PostKind::Edit { message: line.clone() }, vec![Block::Text("done".to_owned())]);
    telegram.post(&edit, None).await.unwrap();
    assert_eq!(telegram.recent(&chain(&ops, &line), None, 20).await.unwrap()[0].text, "done");

    // Privacy mode hides what people say to each other, but not what they point at.
    server.privacy(true);
    let hidden = server.says("bert", &ops, "the second test hangs").await;
    let text = format!("@{} look at this", server.bot());
    let asked = server.replies("anna", &ops, &hidden, &text).await;
    board.requests(5).await;
    let last = telegram.recent(&ops, Some(&asked), 1).await.unwrap();
    assert_eq!(told(last), [format!("{bert} bert: the second test hangs")]);
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_long_text_in_a_topic_is_one_message_though_it_speaks_to_nobody() {
    let (server, board, running) = started().await;
    server.privacy(false);
    let deploy = server.thread("web", "deploy");
    let text = "a line of words that say what to do\n".repeat(200);
    server.says("anna", &deploy, text.trim()).await;
    let heard = board.requests(1).await.remove(0);
    assert_eq!((heard.input, heard.addressed), (kanban_platform::Input::Text(text.trim().to_owned()), false));
    running.stop().await.unwrap();
    assert_eq!(board.kept().requests.len(), 1);
}
