//! What people do, and how the bot learns of it by polls.

use std::time::Duration;

use kanban_fakes::{Server, Trouble};
use serde_json::json;

use super::{chat, started, texts};

#[tokio::test]
async fn updates_stay_until_an_offset_confirms_them() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    server.floods("anna", &anna, (1..=150).map(|n| n.to_string()));
    let first = bot.updates(0).await;
    assert_eq!((first.len(), bot.updates(0).await.len()), (100, 100));
    let last = first[99]["update_id"].as_i64().unwrap();
    assert_eq!(texts(&bot.updates(last + 1).await).len(), 50);
    assert_eq!(server.unconfirmed(), 50);
    assert_eq!(texts(&bot.updates(-2).await), ["149", "150"]);
    assert_eq!(server.unconfirmed(), 2);
    assert_eq!(texts(&bot.updates(last + 1).await), ["149", "150"]);

    server.repeat(Some(last));
    server.reorder(1);
    assert_eq!(texts(&bot.updates(last + 60).await), ["100"], "a confirmed one comes once more, alone");
    assert_eq!(bot.updates(last + 60).await.len(), 0);
    server.floods("anna", &anna, ["a".to_owned(), "b".to_owned()]);
    assert_eq!(texts(&bot.updates(last + 51).await), ["b", "a"]);
    assert_eq!(texts(&bot.updates(last + 51).await), ["a", "b"]);

    // An answer that is lost leaves them where they are.
    server.wire().trouble("getUpdates", [Trouble::LoseAnswer]);
    let lost = bot.http.post(format!("{}/getUpdates", bot.base)).send().await;
    assert!(lost.is_err());
    assert_eq!(texts(&bot.updates(last + 51).await), ["a", "b"]);
}

#[tokio::test]
async fn one_poller_and_no_webhook_beside_it() {
    let (server, bot) = started().await;
    let long = json!({"timeout": 30});
    let waiting = async {
        server.connected().await;
        server.second_poller();
    };
    let (refused, ()) = tokio::join!(bot.refused("getUpdates", long.clone()), waiting);
    assert!(refused.starts_with("409 Conflict: terminated by other getUpdates request"), "{refused}");
    let newer = async {
        server.connected().await;
        bot.updates(0).await
    };
    let (refused, _) = tokio::join!(bot.refused("getUpdates", long), newer);
    assert!(refused.starts_with("409 "), "the older one ends: {refused}");
    bot.done("setWebhook", json!({"url": "http://127.0.0.1:9/"})).await;
    assert!(bot.refused("getUpdates", json!({})).await.contains("can't use getUpdates method while webhook is active"));
    assert_eq!(bot.done("getWebhookInfo", json!({})).await["url"], "http://127.0.0.1:9/");
    bot.done("deleteWebhook", json!({})).await;
    assert_eq!(bot.updates(0).await.len(), 0);
}

#[tokio::test]
async fn groups_deliver_what_privacy_mode_lets_through() {
    let (server, bot) = started().await;
    let ops = server.channel("ops");
    let sent = bot.done("sendMessage", json!({"chat_id": chat(&ops), "text": "question?"})).await;
    let typed = server.says("anna", &ops, "not for the bot").await;
    server.says("anna", &ops, "/kanban@other_bot list").await;
    server.replies("bert", &ops, &typed, "nor this").await;
    server.says("anna", &ops, "see /kanban").await;
    server.says("anna", &ops, "/kanban list").await;
    server.says("anna", &ops, "/KANBAN@Kanban_Fake_Bot list").await;
    server.mentions("anna", &ops, "help").await;
    server.replies("anna", &ops, &sent["message_id"].to_string(), "an answer").await;
    let updates = bot.updates(0).await;
    let expected = ["/kanban list", "/KANBAN@Kanban_Fake_Bot list", "@kanban_fake_bot help", "an answer"];
    assert_eq!(texts(&updates), expected);
    let answer = &updates[3]["message"];
    assert_eq!(answer["message_thread_id"], sent["message_id"], "a chain of replies bears a thread that is no topic");
    assert!(answer["is_topic_message"].is_null());
    let thread = json!({"chat_id": chat(&ops), "message_thread_id": sent["message_id"], "text": "no topic"});
    assert_eq!(bot.refused("sendMessage", thread).await, "400 Bad Request: message thread not found");
    server.promotes(&ops, true);
    server.says("anna", &ops, "now it reads").await;
    assert!(texts(&bot.updates(0).await).contains(&"now it reads"));
    server.edits("anna", &ops, &typed, "not for the bot, I said").await;
    let last = bot.updates(-1).await;
    assert_eq!(last[0]["edited_message"]["text"], "not for the bot, I said");
}

#[tokio::test]
async fn a_pasted_text_comes_in_several_messages() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    let lines: Vec<String> = (0..600).map(|n| format!("line {n:04} of the log")).collect();
    server.says("anna", &anna, &format!("/kanban create it\n{}", lines.join("\n"))).await;
    let updates = bot.updates(0).await;
    let parts = texts(&updates);
    assert_eq!(parts.len(), 4);
    assert!(parts[..3].iter().all(|part| (3700..=4096).contains(&part.len())));
    assert_eq!(parts.join("\n").lines().count(), 601);
    server.says("anna", &anna, "/kanban create x\n```sh\necho `id`\n```").await;
    let message = &bot.updates(-1).await[0]["message"];
    assert_eq!(message["text"], "/kanban create x\necho `id`");
    assert_eq!(message["entities"][1], json!({"type": "pre", "offset": 17, "length": 9, "language": "sh"}));
}

#[tokio::test]
async fn a_silent_server_holds_polls_with_the_socket_open() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    server.silence(true);
    server.says("anna", &anna, "hello?").await;
    let held = bot.http.post(format!("{}/getUpdates", bot.base)).timeout(Duration::from_millis(300)).send().await;
    assert!(held.unwrap_err().is_timeout());
    server.silence(false);
    assert_eq!(texts(&bot.updates(0).await), ["hello?"]);
}

#[tokio::test]
async fn a_long_poll_answers_as_soon_as_there_is_something() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    let poll = bot.done("getUpdates", json!({"timeout": 30, "allowed_updates": ["message"]}));
    let says = async {
        server.connected().await;
        server.says("anna", &anna, "now").await
    };
    let (updates, message) = tokio::join!(poll, says);
    assert_eq!(texts(updates.as_array().unwrap()), ["now"]);
    server.edits("anna", &anna, &message, "later").await;
    let last = server.last_update().unwrap();
    assert_eq!(bot.updates(last + 1).await.len(), 0, "edits were not asked for");
}

#[tokio::test]
async fn a_hundred_thousand_updates_are_served_in_seconds() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    server.floods("anna", &anna, (0..100_000).map(|n| format!("/kanban create task {n}")));
    let (mut offset, mut count) = (0, 0);
    loop {
        // Read by hand, for the time of a parser is none of the server's.
        let answer = bot.http.post(format!("{}/getUpdates", bot.base)).json(&json!({"offset": offset})).send().await;
        let answer = answer.unwrap().text().await.unwrap();
        let mut ids = answer.split("{\"update_id\":").skip(1);
        let Some(first) = ids.next() else { break };
        let id: i64 = first.split(',').next().unwrap().parse().unwrap();
        let others = i64::try_from(ids.count()).unwrap();
        (offset, count) = (id + others + 1, count + others + 1);
    }
    assert_eq!(count, 100_000);
}

#[tokio::test]
async fn commands_are_typed_as_people_type_them() {
    let (server, bot) = started().await;
    let (anna, ops) = (server.private("anna"), server.channel("ops"));
    let fields = [("assignee", "script"), ("triage", "true"), ("tenant", "my \"team\""), ("", "fix the page")];
    server.commands("anna", &anna, &["create"], &fields).await;
    server.commands("anna", &ops, &["boards", "show"], &[("body", "two\nlines")]).await;
    let expected = [
        "/kanban create --assignee=script --triage --tenant=\"my \\\"team\\\"\" fix the page",
        "/kanban@kanban_fake_bot boards show\ntwo\nlines",
    ];
    assert_eq!(texts(&bot.updates(0).await), expected);
}
