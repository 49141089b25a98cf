//! The Telegram server keeps the rules of the real one, so that suites may build on it.

#[path = "telegram/limits.rs"]
mod limits;
#[path = "telegram/threads.rs"]
mod threads;
#[path = "telegram/updates.rs"]
mod updates;
#[path = "telegram/webhook.rs"]
mod webhook;

use std::sync::Arc;

use kanban_fakes::{Server, telegram::TelegramServer};
use kanban_platform::Thread;
use serde_json::{Value, json};

/// A bot on plain HTTP.
struct Bot {
    http: reqwest::Client,
    base: String,
}

impl Bot {
    fn of(server: &TelegramServer) -> Self {
        Self { http: reqwest::Client::new(), base: format!("{}/bot{}", server.api_base(), server.token()) }
    }

    async fn call(&self, method: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/{method}", self.base)).json(&body).send().await;
        answer.expect("the server answers").json().await.expect("it answers JSON")
    }

    async fn done(&self, method: &str, body: Value) -> Value {
        let answer = self.call(method, body).await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer["result"].clone()
    }

    async fn refused(&self, method: &str, body: Value) -> String {
        let answer = self.call(method, body).await;
        assert_eq!(answer["ok"], false, "{answer}");
        format!("{} {}", answer["error_code"], answer["description"].as_str().expect("a refusal has words"))
    }

    /// The updates from an offset on, at once.
    async fn updates(&self, offset: i64) -> Vec<Value> {
        let updates = self.done("getUpdates", json!({"offset": offset})).await;
        updates.as_array().expect("updates are a list").clone()
    }
}

async fn started() -> (Arc<TelegramServer>, Bot) {
    let server = TelegramServer::start().await;
    let bot = Bot::of(&server);
    (server, bot)
}

fn chat(place: &Thread) -> i64 {
    place.channel.parse().expect("a chat has a number")
}

fn texts(updates: &[Value]) -> Vec<&str> {
    updates.iter().map(|update| update["message"]["text"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn the_main_road_in_and_out() {
    let (server, bot) = started().await;
    let me = bot.done("GetMe", json!({})).await;
    for field in ["can_join_groups", "can_read_all_group_messages", "supports_inline_queries", "has_main_web_app"] {
        assert!(me[field].is_boolean(), "{me}");
    }
    let ops = server.thread("ops", "deploy");
    server.says("anna", &ops, "/kanban list").await;
    let updates = bot.updates(0).await;
    let message = &updates[1]["message"];
    assert_eq!((message["text"].as_str(), message["is_topic_message"].as_bool()), (Some("/kanban list"), Some(true)));
    assert!(message["reply_to_message"]["forum_topic_created"].is_object(), "a topic's trap: {message}");

    let keyboard = json!({"inline_keyboard": [[{"text": "Done", "callback_data": "k1"}]]});
    let sent = json!({
        "chat_id": chat(&ops),
        "message_thread_id": message["message_thread_id"],
        "text": "nothing",
        "reply_markup": keyboard,
        "reply_parameters": {"message_id": message["message_id"]},
    });
    let sent = bot.done("sendMessage", sent).await;
    let id = sent["message_id"].to_string();
    server.presses("anna", &ops, &id, "Done").await;
    let query = &bot.updates(updates[1]["update_id"].as_i64().unwrap() + 1).await[0]["callback_query"];
    assert_eq!((query["data"].as_str(), query["message"]["message_id"].to_string()), (Some("k1"), id.clone()));
    let answer = json!({"callback_query_id": query["id"], "text": "done"});
    bot.done("answerCallbackQuery", answer.clone()).await;
    assert!(bot.refused("answerCallbackQuery", answer).await.starts_with("400 Bad Request: query is too old"));
    assert_eq!(server.toasts("anna"), ["done"]);

    let edit = json!({"chat_id": chat(&ops), "message_id": sent["message_id"], "text": "all done"});
    bot.done("editMessageText", edit.clone()).await;
    assert!(bot.refused("editMessageText", edit).await.contains("message is not modified"));
    let seen = server.seen(&ops);
    assert_eq!((seen.len(), seen[0].is_ours, seen[1].is_ours), (2, false, true));
    assert_eq!((seen[1].text.as_str(), &seen[1].earlier), ("all done", &vec!["nothing".to_owned()]));
    assert_eq!((seen[1].buttons.len(), seen[1].reply_to.as_ref()), (0, Some(&seen[0].id)));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_form_and_a_query_are_read_as_json_is() {
    let (server, bot) = started().await;
    let anna = server.private("anna");
    server.says("anna", &anna, "one").await;
    server.says("anna", &anna, "two").await;
    let last = server.last_update().unwrap();
    let answer = bot.http.post(format!("{}/getUpdates", bot.base)).form(&[("offset", last.to_string())]).send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(texts(answer["result"].as_array().unwrap()), ["two"]);
    let entities = json!([{"type": "code", "offset": 0, "length": 4}]).to_string();
    let fields = [("chat_id", anna.channel.as_str()), ("text", "@anna_user"), ("entities", &entities)];
    let answer = bot.http.get(format!("{}/sendmessage", bot.base)).query(&fields).send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["result"]["entities"][0]["type"], "code");

    let part = reqwest::multipart::Part::bytes(b"line 1\n".to_vec()).file_name("log.txt");
    let form = reqwest::multipart::Form::new().text("chat_id", anna.channel.clone()).part("document", part);
    let form = form.text("caption", "the log");
    let answer = bot.http.post(format!("{}/sendDocument", bot.base)).multipart(form).send().await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    let file = bot.done("getFile", json!({"file_id": answer["result"]["document"]["file_id"]})).await;
    let path = file["file_path"].as_str().unwrap();
    let content = bot.http.get(format!("{}/file/bot{}/{path}", server.api_base(), server.token())).send().await;
    assert_eq!(content.unwrap().text().await.unwrap(), "line 1\n");
    let seen = server.seen(&anna);
    assert_eq!(seen[3].files, [("log.txt".to_owned(), "line 1\n".to_owned())]);
    assert_eq!(seen[3].text, "the log");
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn mentions_are_pings_but_in_code() {
    let (server, bot) = started().await;
    let ops = server.channel("ops");
    let text = "ask @anna_user, not a@example, @no or @kanban_fake_bot; `@bert_x`";
    let entities = json!([
        {"type": "code", "offset": 54, "length": 9},
        {"type": "text_link", "offset": 0, "length": 3, "url": "tg://user?id=5000000001"},
    ]);
    bot.done("sendMessage", json!({"chat_id": chat(&ops), "text": text, "entities": entities})).await;
    assert_eq!(server.seen(&ops)[0].pings, ["@anna_user", "5000000001"]);
}

#[tokio::test]
async fn menus_are_kept_for_each_scope_and_language() {
    let (server, bot) = started().await;
    let forum = server.thread("ops", "deploy");
    let commands = json!([{"command": "kanban", "description": "the board"}]);
    bot.done("setMyCommands", json!({"commands": commands})).await;
    let scope = json!({"type": "chat", "chat_id": chat(&forum)});
    bot.done("setMyCommands", json!({"commands": commands, "scope": scope, "language_code": "de"})).await;
    assert_eq!(server.menu("default", "", None), [("kanban".to_owned(), "the board".to_owned())]);
    assert_eq!(server.menu("chat", "de", Some(&forum)).len(), 1);
    assert_eq!(server.menu("chat", "", Some(&forum)).len(), 0);
    assert_eq!(bot.done("getMyCommands", json!({"scope": scope, "language_code": "de"})).await, commands);
    bot.done("deleteMyCommands", json!({"scope": scope, "language_code": "de"})).await;
    assert_eq!(server.menu("chat", "de", Some(&forum)).len(), 0);
    for (name, description, refusal) in
        [("Kanban", "x", "BOT_COMMAND_INVALID"), ("kanban", "", "BOT_COMMAND_DESCRIPTION_INVALID")]
    {
        let commands = json!([{"command": name, "description": description}]);
        let refused = bot.refused("setMyCommands", json!({"commands": commands})).await;
        assert_eq!(refused, format!("400 Bad Request: {refusal}"));
    }
}
