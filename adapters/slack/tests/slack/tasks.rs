//! What tasks need of Slack: threads of their own, signs, forms of words, groups, and what was said before.

use std::time::Duration;

use kanban_fakes::{
    Server, Trouble,
    slack::{SlackOptions, SlackServer},
};
use kanban_platform::{Block, Button, Input, Opening, Platform, Post, PostError, PostKind, Style, Thread};

use crate::support::{Running, assert_nothing_wrong, news, now, reply, run, workspace};

/// As hostile as a text can be.
const HOSTILE: &str = "<!channel> <@U0> @here *b* `c`\u{202e}\u{1b}[31m\u{200b}&lt;!here&gt;\u{2066}";

fn button(key: &str, label: &str, style: Style) -> Button {
    Button { key: key.to_owned(), label: label.to_owned(), style }
}

fn opening(channel: &Thread, message: &str) -> Opening {
    Opening {
        channel: channel.clone(),
        message: message.to_owned(),
        task: "t_1".to_owned(),
        title: HOSTILE.to_owned(),
        person: Some("T1/U1".to_owned()),
        is_in_doubt: false,
    }
}

fn reaction(place: &Thread, message: &str) -> Post {
    let kind = PostKind::Reaction { message: message.to_owned() };
    Post { kind, body: Vec::new(), ..news("r1", place, "") }
}

/// Nothing that is seen acts, and nobody is told.
fn assert_harmless(server: &SlackServer, place: &Thread) {
    for seen in server.seen(place).into_iter().filter(|seen| seen.is_ours) {
        assert_eq!(seen.pings, Vec::<String>::new(), "{seen:?}");
        let texts = [seen.text].into_iter().chain(seen.buttons).chain(seen.files.into_iter().map(|(name, _)| name));
        for text in texts {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
            assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{text:?}");
        }
    }
}

/// The blocks of the last call of a method.
fn drawn(server: &SlackServer, method: &str) -> serde_json::Value {
    let call = server.wire().calls().into_iter().rfind(|call| call.route == method).expect("it was called");
    call.body["blocks"].clone()
}

#[tokio::test]
async fn a_request_says_where_it_was_made_and_in_which_message() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let (ops, deploy, alone) = (server.channel("ops"), server.thread("ops", "deploy"), server.direct("ann"));
    server.slash("ann", &ops, "list").await;
    let mut said = vec![None];
    for (number, place) in [&ops, &deploy, &alone].into_iter().enumerate() {
        said.push(Some(server.mentions("ann", place, "list").await));
        running.recorder.wait_for(2 + number).await;
    }
    let kept = running.recorder.kept();
    let told: Vec<_> = kept.iter().map(|request| (request.is_channel, request.message.clone())).collect();
    let wanted: Vec<_> = [true, true, false, true].into_iter().zip(said).collect();
    assert_eq!(told, wanted);
    // A thread's own form proposes for that thread.
    let message = server.says("bob", &ops, "it fails").await;
    server.shortcut("ann", &ops, &message, "create_task").await;
    server.wait_for_modal("ann").await;
    server.suggestions("ann", &server.thread_of(&ops, &message), &["create"], "parent", "").await.unwrap();
    let asked = running.recorder.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.thread, server.thread_of(&ops, &message));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn somebody_is_known_by_name_at_the_first_word() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    server.mentions("ann", &ops, "list").await;
    assert_eq!(running.recorder.wait_for(1).await[0].author.name, "ann");
    // Where Slack does not say, the id is all there is, and it is not asked for with each message.
    server.revoke_scope("users:read");
    for count in [2, 3] {
        server.mentions("bob", &ops, "list").await;
        assert_eq!(running.recorder.wait_for(count).await[count - 1].author.name, server.user_id("bob"));
    }
    let asked = server.wire().calls().iter().filter(|call| call.route == "users.info").count();
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn the_groups_of_people_come_with_them() {
    let server = SlackServer::start_with(workspace()).await;
    let devs = server.joins("ann", "devs").unwrap();
    let group = devs.strip_prefix("slack:").unwrap().to_owned();
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let mut count = 0;
    let mut groups_of = async |name: &str| {
        server.mentions(name, &ops, "list").await;
        count += 1;
        running.recorder.wait_for(count).await[count - 1].author.groups.clone()
    };
    assert_eq!(groups_of("ann").await, std::slice::from_ref(&group));
    assert_eq!(groups_of("bob").await, Vec::<String>::new());
    server.joins("bob", "devs");
    until(async || groups_of("bob").await == [group.clone()]).await;
    server.leaves("ann", "devs");
    until(async || groups_of("ann").await.is_empty()).await;
    server.disables("devs");
    until(async || groups_of("bob").await.is_empty()).await;
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn without_the_scopes_people_have_no_groups_and_all_else_works() {
    let server = SlackServer::start_with(workspace()).await;
    server.joins("ann", "devs");
    for scope in ["usergroups:read", "users:read", "reactions:write"] {
        server.revoke_scope(scope);
    }
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let message = server.mentions("ann", &ops, "list").await;
    let kept = running.recorder.wait_for(1).await;
    assert_eq!(kept[0].author.groups, Vec::<String>::new());
    assert_eq!(running.slack.post(&reaction(&ops, &message), None).await, Ok(String::new()));
    running.slack.post(&reply(&kept[0], "d1", "nothing to do", false), None).await.unwrap();
    assert_eq!(server.reactions(&ops, &message), Vec::<String>::new());
}

#[tokio::test]
async fn a_list_of_groups_that_hangs_holds_nobody_up() {
    let server = SlackServer::start_with(workspace()).await;
    server.wire().trouble("usergroups.list", [Trouble::Hold]);
    let running = run(&server, None).await;
    server.mentions("ann", &server.channel("ops"), "list").await;
    running.recorder.wait_for(1).await;
    assert!(server.acknowledgements().iter().all(|time| *time < Duration::from_secs(1)));
}

#[tokio::test]
async fn a_sign_is_set_once_and_what_cannot_be_set_is_no_failure() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let message = server.says("ann", &ops, "go on").await;
    server.wire().trouble(
        "reactions.add",
        [Trouble::TooMany(Duration::from_secs(1)), Trouble::LoseAnswer, Trouble::ServerError],
    );
    let post = reaction(&ops, &message);
    let later = running.slack.post(&post, None).await;
    assert!(matches!(later, Err(PostError::Later(wait, _)) if wait >= Duration::from_millis(500)), "{later:?}");
    for _ in 0..2 {
        let doubted = running.slack.post(&post, Some(now())).await;
        assert!(matches!(doubted, Err(PostError::Ambiguous(_))), "{doubted:?}");
    }
    for _ in 0..2 {
        assert_eq!(running.slack.post(&post, Some(now())).await, Ok(String::new()));
        assert_eq!(server.reactions(&ops, &message), ["👀"]);
    }
    assert_eq!(running.slack.post(&reaction(&ops, "1.000001"), None).await, Ok(String::new()));
    server.archive(&ops);
    assert_eq!(running.slack.post(&post, None).await, Ok(String::new()));
    server.revoke_token();
    assert!(matches!(running.slack.post(&post, None).await, Err(PostError::Later(..))));
}

#[tokio::test]
async fn a_task_has_its_thread_below_the_answer_to_a_command() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    server.slash("ann", &ops, "create it").await;
    let kept = running.recorder.wait_for(1).await;
    let message = running.slack.post(&reply(&kept[0], "d1", "created t_1", false), None).await.unwrap();
    assert_eq!(server.seen(&ops).last().map(|seen| seen.id.clone()), Some(message.clone()));
    let thread = running.slack.open(&opening(&ops, &message)).await.unwrap();
    assert_eq!(thread, server.thread_of(&ops, &message));
    assert_eq!(running.slack.open(&Opening { is_in_doubt: true, ..opening(&ops, &message) }).await.unwrap(), thread);
    let card = Post { body: vec![Block::Title(HOSTILE.to_owned())], ..news("d2", &thread, "") };
    running.slack.post(&card, None).await.unwrap();
    assert_eq!(server.opened(&ops), std::slice::from_ref(&thread));
    assert_eq!(server.seen(&ops).len(), 1, "what is in the thread is not in the channel");
    assert_harmless(&server, &thread);
    // Words in it come in, though they are not for the bot.
    let said = server.says("bob", &thread, "what is that?").await;
    let kept = running.recorder.wait_for(2).await;
    assert!(!kept[1].addressed && kept[1].thread == thread && kept[1].message == Some(said));
    for refused in [opening(&ops, ""), opening(&thread, &message)] {
        assert!(matches!(running.slack.open(&refused).await, Err(PostError::Refused(_))));
    }
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn words_in_threads_of_every_kind_of_conversation_come_in() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let secret = server.channel("secret");
    server.make_private(&secret);
    let places = [server.channel("ops"), secret, server.group_direct(&["ann", "bob"])];
    for (number, place) in places.iter().enumerate() {
        let message = running.slack.post(&news(&format!("d{number}"), place, "created"), None).await.unwrap();
        let thread = running.slack.open(&opening(place, &message)).await.unwrap();
        server.says("ann", &thread, "go on").await;
        let kept = running.recorder.wait_for(number + 1).await;
        let request = &kept[number];
        assert_eq!((&request.thread, request.addressed, request.is_channel), (&thread, false, false));
    }
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn what_was_said_before_is_read_in_one_call() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    for number in 0..4 {
        server.says(["ann", "bob"][number % 2], &ops, &format!("@bob & <b> {number}")).await;
    }
    running.slack.post(&news("d1", &ops, "ours & <that>"), None).await.unwrap();
    let asked = server.mentions("ann", &ops, "@reviewer look").await;
    server.says("bob", &ops, "later").await;
    let calls = || server.wire().calls().iter().filter(|call| call.route.starts_with("conversations.")).count();
    let before = calls();
    let said = running.slack.recent(&ops, Some(&asked), 3).await.unwrap();
    assert_eq!(calls(), before + 1);
    let texts: Vec<_> = said.iter().map(|said| (said.author.as_str(), said.is_ours, said.text.as_str())).collect();
    let wanted = [("ann", false, "@bob & <b> 2"), ("bob", false, "@bob & <b> 3"), ("kanban", true, "ours & <that>")];
    assert_eq!(texts, wanted);
    assert_eq!(said[0].person, server.person("ann"));
    // A thread begins with the message that it hangs on.
    let thread = server.thread_of(&ops, &asked);
    server.says("bob", &thread, "which one?").await;
    let last = server.says("ann", &thread, "that one").await;
    let texts = |said: Vec<kanban_platform::Said>| said.into_iter().map(|said| said.text).collect::<Vec<_>>();
    let said = running.slack.recent(&thread, Some(&last), 20).await.unwrap();
    assert_eq!(texts(said), ["@kanban @reviewer look", "which one?"]);
    let said = running.slack.recent(&thread, None, 1).await.unwrap();
    assert_eq!(texts(said), ["that one"]);
    assert_eq!(running.slack.recent(&thread, Some(&last), 0).await, Ok(Vec::new()));
    server.wire().trouble("conversations.history", [Trouble::ServerError]);
    assert_eq!(running.slack.recent(&ops, None, 3).await, Ok(Vec::new()));
    server.deny_history(true);
    assert_eq!(running.slack.recent(&ops, None, 3).await, Ok(Vec::new()));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn buttons_have_their_looks_and_come_and_go_with_edits() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let styles = [Style::Plain, Style::Primary, Style::Success, Style::Danger];
    let with = |buttons: &[Button]| Post { buttons: buttons.to_vec(), ..news("d1", &ops, "a question") };
    let message = running.slack.post(&with(&[]), None).await.unwrap();
    let labels = |seen: &str| server.seen(&ops).into_iter().find(|other| other.id == seen).unwrap().buttons;
    assert!(labels(&message).is_empty());
    let edit = |buttons: &[Button]| Post { kind: PostKind::Edit { message: message.clone() }, ..with(buttons) };
    let four: Vec<_> =
        styles.iter().enumerate().map(|(n, style)| button(&format!("k{n}.a"), &format!("B{n}"), *style)).collect();
    running.slack.post(&edit(&four), None).await.unwrap();
    assert_eq!(labels(&message), ["B0", "B1", "B2", "B3"]);
    let actions = drawn(&server, "chat.update")[1]["elements"].clone();
    let looks: Vec<_> = actions.as_array().unwrap().iter().map(|button| button["style"].as_str()).collect();
    assert_eq!(looks, [None, Some("primary"), Some("primary"), Some("danger")]);
    server.presses("ann", &ops, &message, "B3").await;
    let kept = running.recorder.wait_for(1).await;
    assert_eq!(kept[0].input, Input::Press { message: message.clone(), button: "k3.a".to_owned(), words: None });
    running.slack.post(&edit(&[]), None).await.unwrap();
    assert!(labels(&message).is_empty());
    // As many as there may be, as long as they may be, below as much text as there may be.
    let many: Vec<_> = (0..25)
        .map(|n| {
            button(&format!("{}{n:02}.a", "k".repeat(44)), &format!("{n} {HOSTILE}{}", "x".repeat(100)), Style::Danger)
        })
        .collect();
    let parts = running.slack.parts(&[Block::Text("words and <words> ".repeat(650))]);
    for (number, part) in parts.iter().enumerate() {
        let post = Post { body: part.clone(), buttons: many.clone(), ..news(&format!("d2.{number}"), &ops, "") };
        let message = running.slack.post(&post, None).await.unwrap();
        assert_eq!(labels(&message).len(), 25);
        assert!(drawn(&server, "chat.postMessage").to_string().chars().count() < 13_000);
    }
    assert_harmless(&server, &ops);
    assert_nothing_wrong(&server);
}

/// A question with a button that asks for words.
async fn question(running: &Running, delivery: &str, place: &Thread, label: &str) -> String {
    let buttons = vec![button("k1.w", label, Style::Primary)];
    running.slack.post(&Post { buttons, ..news(delivery, place, "Which one?") }, None).await.expect("posted")
}

#[tokio::test]
async fn a_button_that_asks_for_words_brings_them() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let places = [server.channel("ops"), server.thread("ops", "deploy"), server.direct("ann")];
    for (number, place) in places.iter().enumerate() {
        let message = question(&running, &format!("d{number}"), place, "Answer").await;
        server.fills("ann", place, &message, "Answer", "take Stripe\n<!channel> & go").await;
        let kept = running.recorder.wait_for(number + 1).await;
        let request = &kept[number];
        let words = Some("take Stripe\n<!channel> & go".to_owned());
        assert_eq!(request.input, Input::Press { message: message.clone(), button: "k1.w".to_owned(), words });
        assert_eq!((&request.thread, request.author.to_string()), (place, format!("{} (ann)", server.person("ann"))));
        assert_eq!((request.reply_to.as_ref(), request.is_channel), (Some(&message), place.thread.is_none()));
        // The answer is for that person, at that place, and leaves the question alone.
        running.slack.post(&reply(request, &format!("a{number}"), "it is taken", true), None).await.unwrap();
        let seen = server.seen(place);
        assert!(seen.iter().any(|seen| seen.text.contains("Which one?")), "{seen:#?}");
        let answer = seen.iter().find(|seen| seen.text == "it is taken").unwrap();
        assert!(number == 2 || answer.private_to.as_deref() == Some("ann"), "{answer:?}");
    }
    assert!(server.failures().is_empty());
    assert!(server.acknowledgements().iter().all(|time| *time < Duration::from_secs(1)));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_form_of_words_has_a_harmless_title_and_takes_no_blanks() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let message = question(&running, "d1", &ops, HOSTILE).await;
    let label = server.seen(&ops).pop().unwrap().buttons.pop().unwrap();
    server.presses("ann", &ops, &message, &label).await;
    let title = server.wait_for_modal("ann").await;
    assert!(title.chars().count() <= 24 && !title.contains(['\u{202e}', '\u{1b}', '\u{200b}']), "{title:?}");
    let submitted = server.submit("ann", &[("words", " \n ")]).await;
    assert!(matches!(&submitted, kanban_fakes::slack::Submitted::Wrong(wrong) if wrong.len() == 1), "{submitted:?}");
    assert_eq!(server.submit("ann", &[("words", "it")]).await, kanban_fakes::slack::Submitted::Closed);
    running.recorder.wait_for(1).await;
    assert_harmless(&server, &ops);
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_form_of_words_that_comes_too_late_is_explained_to_whoever_pressed() {
    let server = SlackServer::start_with(SlackOptions { trigger_lives: Duration::ZERO, ..workspace() }).await;
    let running = run(&server, None).await;
    let deploy = server.thread("ops", "deploy");
    let message = question(&running, "d1", &deploy, "Answer").await;
    server.presses("ann", &deploy, &message, "Answer").await;
    let told = server
        .wire()
        .wait_until("an explanation", || server.seen(&deploy).into_iter().find(|seen| seen.private_to.is_some()));
    let told = told.await;
    assert!(told.text.contains("could not be opened"), "{told:?}");
    assert_eq!(told.private_to.as_deref(), Some("ann"));
    assert!(server.failures().is_empty() && running.recorder.kept().is_empty());
}

#[tokio::test]
async fn a_files_name_does_nothing() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let name = format!("../{HOSTILE}\n.txt");
    let post = Post { body: vec![Block::File { name, text: "all of it".to_owned() }], ..news("d1", &ops, "") };
    server.wire().trouble("files.completeUploadExternal", [Trouble::LoseAnswer]);
    let began = now();
    assert!(matches!(running.slack.post(&post, None).await, Err(PostError::Ambiguous(_))));
    running.slack.post(&post, Some(began)).await.unwrap();
    let files: Vec<_> = server.seen(&ops).into_iter().flat_map(|seen| seen.files).collect();
    assert_eq!(files.len(), 1, "it is found by its name again: {files:?}");
    assert!(!files[0].0.contains(['/', '\n']), "{files:?}");
    assert_harmless(&server, &ops);
    assert_nothing_wrong(&server);
}

/// Asks until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
    }
    panic!("it never came to be so");
}
