//! What is refused, what goes wrong on demand, and how fast calls may come.

use std::time::Duration;

use kanban_fakes::{Server, Trouble};
use kanban_platform::Thread;
use serde_json::{Value, json};

use super::{Bot, chat, started};

#[tokio::test]
async fn limits_are_those_of_the_platform() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    let id = chat(&anna);
    let send = |more: Value| {
        let mut body = json!({"chat_id": id, "text": "text"});
        for (field, value) in more.as_object().expect("fields") {
            body[field] = value.clone();
        }
        body
    };
    let keyboard = |data: &str| json!({"inline_keyboard": [[{"text": "a", "callback_data": data}]]});
    for (more, refusal) in [
        (json!({"text": "🙂".repeat(2049)}), "400 Bad Request: message is too long"),
        (json!({"text": "  \n"}), "400 Bad Request: message text is empty"),
        (json!({"chat_id": 1}), "400 Bad Request: chat not found"),
        (json!({"reply_parameters": {"message_id": 99}}), "400 Bad Request: message to be replied not found"),
        (json!({"reply_markup": keyboard(&"x".repeat(65))}), "400 Bad Request: BUTTON_DATA_INVALID"),
        (json!({"reply_markup": keyboard("")}), "400 Bad Request: BUTTON_DATA_INVALID"),
        (json!({"entities": [{"type": "bold", "offset": 2, "length": 3}]}), "400 Bad Request: entity beginning"),
        (
            json!({"text": "🙂", "entities": [{"type": "bold", "offset": 1, "length": 1}]}),
            "400 Bad Request: entity begin",
        ),
        (json!({"entities": [{"type": "loud", "offset": 0, "length": 1}]}), "400 Bad Request: can't parse MessageEnt"),
        (json!({"parse_mode": "HTML", "text": "<b>x"}), "400 Bad Request: can't parse entities: Can't find end tag"),
    ] {
        let refused = bot.refused("sendMessage", send(more)).await;
        assert!(refused.starts_with(refusal), "{refused}, not {refusal}");
    }
    let many: Vec<Value> = (0..101).map(|n| json!([{"text": "a", "callback_data": n.to_string()}])).collect();
    let refused = bot.refused("sendMessage", send(json!({"reply_markup": {"inline_keyboard": many}}))).await;
    assert_eq!(refused, "400 Bad Request: REPLY_MARKUP_TOO_LONG");
    bot.done("sendMessage", send(json!({"text": "🙂".repeat(2048)}))).await;
    let loose = json!({"reply_parameters": {"message_id": 99, "allow_sending_without_reply": true}});
    bot.done("sendMessage", send(loose)).await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new(), "a refusal says enough");

    let marked = json!({"parse_mode": "HTML", "text": "<b>1 &lt; 2</b> <pre>@nobody</pre>"});
    let sent = bot.done("sendMessage", send(marked)).await;
    assert_eq!((sent["text"].as_str(), sent["entities"].as_array().unwrap().len()), (Some("1 < 2 @nobody"), 2));
    let crossing = json!([{"type": "bold", "offset": 0, "length": 3}, {"type": "italic", "offset": 2, "length": 2}]);
    bot.done("sendMessage", send(json!({"entities": crossing, "colour": "red"}))).await;
    let wrong = server.wire().wrong();
    assert!(wrong.iter().any(|wrong| wrong.contains("cross each other")), "{wrong:?}");
    if kanban_fakes::published("telegram-bot-api.json").is_some() {
        assert!(wrong.iter().any(|wrong| wrong.contains("there is no field `colour`")), "{wrong:?}");
    }
}

#[tokio::test]
async fn what_is_shut_refuses_in_its_own_words() {
    let (server, bot) = started().await;
    let (anna, ops, old, topic) =
        (server.private("anna"), server.channel("ops"), server.plain_group("old"), server.thread("forum", "topic"));
    let thread: i64 = topic.thread.as_ref().unwrap().parse().unwrap();
    let to = |place: &Thread| json!({"chat_id": chat(place), "text": "hello"});
    server.blocks("anna", true);
    assert_eq!(bot.refused("sendMessage", to(&anna)).await, "403 Forbidden: bot was blocked by the user");
    server.blocks("anna", false);
    bot.done("sendMessage", to(&anna)).await;
    server.kicks(&ops, true);
    assert_eq!(bot.refused("sendMessage", to(&ops)).await, "403 Forbidden: bot was kicked from the supergroup chat");
    server.deletes_chat(&ops);
    assert_eq!(bot.refused("sendMessage", to(&ops)).await, "400 Bad Request: chat not found");
    let in_topic = json!({"chat_id": chat(&topic), "message_thread_id": thread, "text": "hello"});
    server.closes_topic(&topic, true);
    assert_eq!(bot.refused("sendMessage", in_topic.clone()).await, "400 Bad Request: TOPIC_CLOSED");
    server.closes_topic(&topic, false);
    bot.done("sendMessage", in_topic.clone()).await;
    server.deletes_topic(&topic);
    assert_eq!(bot.refused("sendMessage", in_topic).await, "400 Bad Request: message thread not found");
    let new = server.migrates(&old);
    let answer = bot.call("sendMessage", to(&old)).await;
    assert_eq!(answer["parameters"]["migrate_to_chat_id"], chat(&new));
    bot.done("sendMessage", to(&new)).await;
    server.says("anna", &old, "/kanban list").await;
    assert_eq!(server.seen(&new).len(), 2, "people go on in the new group");
    let kinds: Vec<bool> = bot.updates(0).await.iter().map(|update| update["my_chat_member"].is_object()).collect();
    assert_eq!(kinds.iter().filter(|is| **is).count(), 3);
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn troubles_are_met_and_counted() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    let send = |text: &str| json!({"chat_id": chat(&anna), "text": text});
    let statuses = || server.wire().calls().iter().map(|call| (call.status, call.is_early)).collect::<Vec<_>>();
    let texts = || server.seen(&anna).into_iter().map(|seen| seen.text).collect::<Vec<_>>();
    server.wire().trouble("sendMessage", [Trouble::Refuse, Trouble::Gone, Trouble::ServerError]);
    assert!(bot.refused("sendMessage", send("no")).await.starts_with("400"));
    assert!(bot.refused("sendMessage", send("no")).await.starts_with("403"));
    assert!(bot.refused("sendMessage", send("no")).await.starts_with("500"));
    assert_eq!(texts().len(), 0);
    server.wire().trouble("sendMessage", [Trouble::Break, Trouble::LoseAnswer, Trouble::ServerErrorAfter]);
    for text in ["broken", "lost"] {
        let url = format!("{}/SendMessage", bot.base);
        assert!(bot.http.post(url).json(&send(text)).send().await.is_err());
    }
    let answer = bot.http.post(format!("{}/SendMessage", bot.base)).json(&send("behind a gateway")).send().await;
    assert_eq!(answer.unwrap().status(), 502);
    assert_eq!(texts(), ["lost", "behind a gateway"]);
    let codes: Vec<u16> = statuses().into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [400, 403, 500, 0, 0, 502]);

    server.wire().trouble("sendMessage", [Trouble::Hold]);
    let release = async {
        server.waits_for(&anna, 3).await;
        server.wire().wait_until("the call", || (statuses().len() == 7).then_some(())).await;
        server.wire().release();
    };
    tokio::join!(bot.done("sendMessage", send("held")), release);
    bot.done("sendMessage", send("held")).await;
    assert_eq!(server.doubled(), ["held"]);

    server.wire().trouble("sendMessage", [Trouble::TooMany(Duration::from_millis(300))]);
    let answer = bot.call("sendMessage", send("x")).await;
    assert_eq!((&answer["error_code"], &answer["parameters"]["retry_after"]), (&json!(429), &json!(1)));
    assert!(bot.refused("sendMessage", send("x")).await.starts_with("429"), "it is still closed");
    assert_eq!(statuses()[8..], [(429, false), (429, true)]);
    let elsewhere = server.private("bert");
    bot.done("sendMessage", json!({"chat_id": chat(&elsewhere), "text": "open"})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    bot.done("sendMessage", send("y")).await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn sending_is_limited_where_the_limits_are_on() {
    let (server, bot) = started().await;
    server.limits(true);
    let anna = server.private("anna");
    let send = json!({"chat_id": chat(&anna), "text": "hello"});
    for _ in 0..3 {
        bot.done("sendMessage", send.clone()).await;
    }
    let refused = bot.refused("sendMessage", send.clone()).await;
    assert!(refused.starts_with("429 Too Many Requests: retry after "), "{refused}");
    assert!(bot.refused("sendMessage", send.clone()).await.starts_with("429"));
    assert_eq!(server.wire().calls().iter().filter(|call| call.is_early).count(), 1);
    let mut others = Vec::new();
    for n in 0..28 {
        let place = server.private(&format!("person {n}"));
        others.push(bot.call("sendMessage", json!({"chat_id": chat(&place), "text": "hello"})).await["ok"] == true);
    }
    assert_eq!(others.iter().filter(|ok| !**ok).count(), 1, "thirty a second over all");
    server.limits(false);
    bot.done("editMessageText", json!({"chat_id": chat(&anna), "message_id": 1, "text": "edited"})).await;
}

#[tokio::test]
async fn a_wrong_token_and_an_unknown_method_are_told() {
    let (server, bot) = started().await;
    let elsewhere = Bot { http: reqwest::Client::new(), base: format!("{}/bot1:x", server.api_base()) };
    assert_eq!(elsewhere.refused("getMe", json!({})).await, "401 Unauthorized");
    assert_eq!(bot.refused("sendMesage", json!({})).await, "404 Not Found: method not found");
    let root = Bot { http: reqwest::Client::new(), base: server.api_base().to_owned() };
    assert_eq!(root.refused("", json!({})).await, "404 Not Found");
    assert_eq!(server.wire().wrong().len(), 2);
}
