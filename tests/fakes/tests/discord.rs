//! Discord's server keeps Discord's rules, so that suites may build on it.

#[path = "discord/bot.rs"]
mod bot;
#[path = "discord/events.rs"]
mod events;
#[path = "discord/gateway.rs"]
mod gateway;
#[path = "discord/interactions.rs"]
mod interactions;
#[path = "discord/limits.rs"]
mod limits;
#[path = "discord/people.rs"]
mod people;

use std::{sync::Arc, time::Duration};

use kanban_fakes::{
    Server,
    discord::{DiscordServer, Options, Permission},
};
use kanban_platform::Thread;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use bot::{Gateway, INTENTS, MESSAGE_CONTENT, Rest, text};

/// A server that also holds its own answers against the published description.
async fn start() -> (Arc<DiscordServer>, Rest) {
    start_with(Options::default()).await
}

async fn start_with(options: Options) -> (Arc<DiscordServer>, Rest) {
    let server = DiscordServer::with(Options { checks_itself: true, ..options }).await;
    let rest = Rest::new(&server);
    (server, rest)
}

fn id(place: &Thread) -> &str {
    place.thread.as_deref().unwrap_or(&place.channel)
}

fn messages(place: &Thread) -> String {
    format!("/channels/{}/messages", id(place))
}

fn commands() -> Value {
    let task = json!({ "type": 3, "name": "task", "description": "Task", "required": true, "autocomplete": true });
    let title = json!({ "type": 3, "name": "title", "description": "Title", "required": true, "max_length": 20 });
    let priority = json!({ "type": 4, "name": "priority", "description": "Priority", "min_value": 0, "max_value": 9 });
    let kind = json!({ "type": 3, "name": "kind", "description": "Kind", "choices": [
        { "name": "Bug", "value": "bug" }, { "name": "Chore", "value": "chore" },
    ] });
    let flag = json!({ "type": 5, "name": "all", "description": "All" });
    let verb = |name: &str, options: Value| json!({ "type": 1, "name": name, "description": name, "options": options });
    let boards =
        json!({ "type": 2, "name": "boards", "description": "Boards", "options": [verb("list", json!([flag]))] });
    json!([
        { "type": 1, "name": "kanban", "description": "Tasks", "options": [
            verb("create", json!([title, priority, kind])), verb("show", json!([task])), boards,
        ] },
        { "type": 3, "name": "Make a task" },
    ])
}

fn nothing_wrong(server: &DiscordServer) {
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_message_goes_in_and_an_answer_comes_out() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS | MESSAGE_CONTENT).await;
    server.connected().await;
    let asked = server.says("ann", &ops, "/kanban list").await;
    let event = gateway.event("MESSAGE_CREATE").await;
    assert_eq!((text(&event["content"]), text(&event["id"])), ("/kanban list", asked.as_str()));
    assert_eq!(format!("discord:{}", text(&event["author"]["id"])), server.person("ann"));
    let body = json!({
        "content": "**3** tasks \\*really\\*", "embeds": [{ "title": "One", "footer": { "text": "a_b_c" } }],
        "components": [{ "type": 1, "components": [
            { "type": 2, "style": 1, "label": "Done", "custom_id": "done" },
            { "type": 2, "style": 5, "label": "Open", "url": "https://kanban.example" },
        ] }],
        "allowed_mentions": { "parse": [] }, "message_reference": { "message_id": asked },
    });
    let (status, sent) = rest.post(&messages(&ops), body).await;
    assert_eq!((status, &sent["type"]), (200, &json!(19)));
    assert_eq!(gateway.event("MESSAGE_CREATE").await["id"], sent["id"]);
    let path = format!("{}/{}", messages(&ops), text(&sent["id"]));
    assert_eq!(rest.patch(&path, json!({ "content": "4 tasks <@7>" })).await.0, 200);
    assert_eq!(gateway.event("MESSAGE_UPDATE").await["content"], "4 tasks <@7>");
    let seen = server.seen(&ops);
    assert_eq!((seen[0].text.as_str(), seen[0].is_ours), ("/kanban list", false));
    assert_eq!(seen[1].text, "4 tasks @7\nOne\na_b_c");
    assert_eq!(seen[1].earlier, ["3 tasks *really*\nOne\na_b_c"]);
    assert_eq!(seen[1].buttons, ["Done", "Open"]);
    assert_eq!(seen[1].reply_to, Some(asked));
    // The edit says nothing about whom it may notify, and therefore notifies everybody whom it names.
    assert_eq!(seen[1].pings, ["7"]);
    nothing_wrong(&server);
}

#[tokio::test]
async fn a_repeated_nonce_shows_nothing_new_while_it_is_remembered() {
    let (server, rest) = start().await;
    let (ops, other) = (server.channel("ops"), server.channel("other"));
    let body = |text: &str| json!({ "content": text, "nonce": "d1", "enforce_nonce": true });
    let (_, first) = rest.post(&messages(&ops), body("one")).await;
    let (status, again) = rest.post(&messages(&ops), body("two")).await;
    assert_eq!((status, &again["id"], &again["content"]), (200, &first["id"], &json!("one")));
    assert_ne!(rest.post(&messages(&other), body("elsewhere")).await.1["id"], first["id"]);
    rest.post(&messages(&ops), json!({ "content": "three", "nonce": "d1" })).await;
    assert_eq!(server.seen(&ops).len(), 2, "a nonce that is not enforced does nothing");
    nothing_wrong(&server);

    let (server, rest) = start_with(Options { nonce_window: Duration::ZERO, ..Options::default() }).await;
    let ops = server.channel("ops");
    rest.post(&messages(&ops), body("one")).await;
    rest.post(&messages(&ops), body("two")).await;
    assert_eq!(server.seen(&ops).len(), 2);
    let long = json!({ "content": "x", "nonce": "x".repeat(26), "enforce_nonce": true });
    assert_eq!(rest.post(&messages(&ops), long).await.0, 400);
}

#[tokio::test]
async fn history_is_read_page_by_page() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let said: Vec<String> = server.says_many(&ops, (0..120).map(|_| ("ann", "x")));
    let ids = |answer: (u16, Value)| -> Vec<String> {
        answer.1.as_array().expect("a list").iter().map(|message| text(&message["id"]).to_owned()).collect()
    };
    let path = messages(&ops);
    assert_eq!(ids(rest.get(&path).await).len(), 50);
    let after = ids(rest.get(&format!("{path}?after={}&limit=100", said[9])).await);
    assert_eq!((after.first(), after.last()), (Some(&said[109]), Some(&said[10])));
    let before = ids(rest.get(&format!("{path}?before={}&limit=3", said[9])).await);
    assert_eq!(before, [said[8].as_str(), &said[7], &said[6]]);
    let around = ids(rest.get(&format!("{path}?around={}&limit=3", said[9])).await);
    assert!(around.contains(&said[9]) && around.len() == 3);
    assert_eq!(rest.get(&format!("{path}?limit=101")).await.0, 400);
    server.deny_history(&ops);
    assert_eq!(ids(rest.get(&path).await).len(), 0);
    assert_eq!(rest.get(&format!("{path}/{}", said[0])).await.1["code"], 50001);
    nothing_wrong(&server);
}

#[tokio::test]
async fn permissions_and_deleted_channels_refuse() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let thread = server.thread("ops", "release");
    let say = || json!({ "content": "x" });
    server.remove_permission(&ops, Permission::SendMessages);
    assert_eq!(rest.post(&messages(&ops), say()).await.1["code"], 50013);
    assert_eq!(rest.post(&messages(&thread), say()).await.0, 200, "threads have a permission of their own");
    server.remove_permission(&ops, Permission::SendMessagesInThreads);
    assert_eq!(rest.post(&messages(&thread), say()).await.1["code"], 50013);
    server.remove_permission(&ops, Permission::ViewChannel);
    assert_eq!(rest.post(&messages(&thread), say()).await.1["code"], 50001);
    server.kill_channel(&ops);
    assert_eq!(rest.post(&messages(&thread), say()).await.1["code"], 10003);
    nothing_wrong(&server);
}

#[tokio::test]
async fn threads_are_made_from_messages_and_without() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    let said = server.says("ann", &ops, "x").await;
    let path = format!("{}/{said}/threads", messages(&ops));
    let (status, thread) = rest.post(&path, json!({ "name": "about x" })).await;
    assert_eq!((status, text(&thread["id"])), (201, said.as_str()));
    assert_eq!(rest.post(&path, json!({ "name": "again" })).await.1["code"], 160_004);
    assert_eq!(gateway.event("THREAD_CREATE").await["parent_id"], id(&ops));
    let alone = json!({ "name": "alone", "type": 11 });
    let (status, alone) = rest.post(&format!("/channels/{}/threads", id(&ops)), alone).await;
    assert_eq!(status, 201);
    let place = Thread { thread: Some(text(&alone["id"]).to_owned()), ..ops.clone() };
    server.lock_thread(&place, true);
    assert_eq!(rest.post(&messages(&place), json!({ "content": "x" })).await.0, 200, "it may manage threads");
    server.remove_permission(&place, Permission::ManageThreads);
    assert_eq!(rest.post(&messages(&place), json!({ "content": "x" })).await.1["code"], 160_005);
    nothing_wrong(&server);
}

#[tokio::test]
async fn files_come_beside_the_body() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let body = json!({ "content": "see", "attachments": [{ "id": 0, "filename": "output.txt" }] });
    let form = Form::new()
        .text("payload_json", body.to_string())
        .part("files[0]", Part::bytes(b"all of it".to_vec()).file_name("output.txt"));
    let (status, sent) = rest.upload(&messages(&ops), form).await;
    assert_eq!((status, &sent["attachments"][0]["size"]), (200, &json!(9)), "{sent}");
    assert_eq!(server.seen(&ops)[0].files, [("output.txt".to_owned(), "all of it".to_owned())]);
    nothing_wrong(&server);
}
