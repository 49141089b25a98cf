//! Topics and chains of replies, fields for replies, and signs below messages.

use kanban_fakes::Server;
use kanban_platform::Thread;
use serde_json::json;

use super::{chat, started};

#[tokio::test]
async fn topics_need_a_forum_and_the_right_to_open_them() {
    let (server, bot) = started().await;
    let ops = server.channel("ops");
    let create = |place: &Thread, name: &str| json!({"chat_id": chat(place), "name": name});
    let refused = bot.refused("createForumTopic", create(&ops, "a")).await;
    assert_eq!(refused, "400 Bad Request: the chat is not a forum");
    let deploy = server.thread("web", "deploy");
    let refused = bot.refused("createForumTopic", create(&deploy, "a")).await;
    assert_eq!(refused, "400 Bad Request: not enough rights to create a topic");
    let web = Thread { thread: None, ..deploy };
    server.promotes(&web, true);
    assert_eq!(bot.refused("createForumTopic", create(&web, " ")).await, "400 Bad Request: TOPIC_TITLE_EMPTY");
    let topic = bot.done("createForumTopic", create(&web, "a page")).await;
    let opened = server.opened(&web);
    let id = topic["message_thread_id"].to_string();
    assert_eq!(opened, [Thread { thread: Some(id), ..web.clone() }], "people's topics are not among them");
    server.says("anna", &opened[0], "hello").await;
    assert_eq!(server.seen(&opened[0])[0].text, "hello");
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_chain_of_the_bots_replies_is_a_place() {
    let (server, bot) = started().await;
    let ops = server.channel("ops");
    let send = |text: &str, above: Option<&str>| {
        let mut body = json!({"chat_id": chat(&ops), "text": text});
        if let Some(above) = above {
            body["reply_parameters"] = json!({"message_id": above.parse::<i64>().unwrap()});
        }
        body
    };
    let line = bot.done("sendMessage", send("created", None)).await["message_id"].to_string();
    let other = server.replies("anna", &ops, &line, "thanks").await;
    bot.done("sendMessage", send("not at all", Some(&other))).await;
    assert_eq!(server.opened(&ops), [], "an answer to a person is no thread");
    bot.done("sendMessage", send("which colour?", Some(&line))).await;
    let thread = Thread { thread: Some(format!("r{line}")), ..ops.clone() };
    assert_eq!(server.opened(&ops), vec![thread.clone()]);
    let said = server.says("anna", &thread, "red").await;
    server.says("anna", &ops, "something else").await;
    let seen = server.seen(&thread);
    let texts: Vec<_> = seen.iter().map(|seen| seen.text.as_str()).collect();
    assert_eq!(texts, ["thanks", "not at all", "which colour?", "red"]);
    assert_eq!((&seen[3].id, seen[3].reply_to.as_ref()), (&said, Some(&line)));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_field_for_a_reply_opens_for_those_who_are_meant() {
    let (server, bot) = started().await;
    let ops = server.channel("ops");
    let keyboard = json!({"inline_keyboard": [[{"text": "Answer", "callback_data": "k", "style": "primary"}]]});
    let question = json!({"chat_id": chat(&ops), "text": "which colour?", "reply_markup": keyboard});
    let question = bot.done("sendMessage", question).await["message_id"].to_string();
    let asks = async {
        server.wire().wait_until("the press", || (server.last_update() > Some(100_000_000)).then_some(())).await;
        let person: i64 = server.person("anna").trim_start_matches("telegram:").parse().unwrap();
        let field = |selective: bool| json!({"force_reply": true, "selective": selective});
        let prompt = json!({"chat_id": chat(&ops), "text": "for bert", "reply_markup": field(true)});
        bot.done("sendMessage", prompt).await;
        let user = json!({"id": person, "is_bot": false, "first_name": "anna"});
        let entities = json!([{"type": "text_mention", "offset": 0, "length": 4, "user": user}]);
        let prompt =
            json!({"chat_id": chat(&ops), "text": "anna: ?", "entities": entities, "reply_markup": field(true)});
        bot.done("sendMessage", prompt).await["message_id"].to_string()
    };
    let ((), asked) = tokio::join!(server.fills("anna", &ops, &question, "Answer", "red"), asks);
    let seen = server.seen(&ops);
    assert_eq!(seen.last().map(|seen| (seen.text.as_str(), seen.reply_to.as_ref())), Some(("red", Some(&asked))));
    assert!(seen.iter().all(|seen| seen.pings.is_empty()), "who is asked is not mentioned by the text");
    let edit = json!({"chat_id": chat(&ops), "message_id": asked.parse::<i64>().unwrap(), "text": "x"});
    assert_eq!(bot.refused("editMessageText", edit).await, "400 Bad Request: message can't be edited");

    let odd = json!({"inline_keyboard": [[{"text": "a", "callback_data": "k", "style": "loud"}]]});
    let refused = bot.refused("sendMessage", json!({"chat_id": chat(&ops), "text": "x", "reply_markup": odd})).await;
    assert!(refused.contains("invalid button style"), "{refused}");
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_sign_below_a_message_is_seen() {
    let (server, bot) = started().await;
    let ops = server.channel("ops");
    let typed = server.says("anna", &ops, "look").await;
    assert_eq!(server.reactions(&ops, &typed), Vec::<String>::new());
    let sign = |message: &str, emoji: &str| {
        let reaction = json!([{"type": "emoji", "emoji": emoji}]);
        json!({"chat_id": chat(&ops), "message_id": message.parse::<i64>().unwrap(), "reaction": reaction})
    };
    bot.done("setMessageReaction", sign(&typed, "👀")).await;
    assert_eq!(server.reactions(&ops, &typed), ["👀"]);
    assert_eq!(bot.refused("setMessageReaction", sign(&typed, "✅")).await, "400 Bad Request: REACTION_INVALID");
    assert_eq!(
        bot.refused("setMessageReaction", sign("99", "👀")).await,
        "400 Bad Request: message to react not found"
    );
    assert_eq!(server.joins("anna", "team"), None);
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}
