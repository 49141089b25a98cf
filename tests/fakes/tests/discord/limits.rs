//! What is refused, what goes wrong on demand, and how fast calls may come.

use std::time::Duration;

use kanban_fakes::{
    Server, Trouble,
    discord::{Options, Pace},
    published,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{messages, nothing_wrong, start, start_with};

#[tokio::test]
async fn bodies_that_discord_does_not_take_are_refused_and_noted() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let row = json!({ "type": 1, "components": [{ "type": 2, "style": 1, "label": "x", "custom_id": "same" }] });
    let rows = |count: usize| {
        let row = |n: usize| json!({ "type": 1, "components": [{ "type": 2, "style": 1, "label": "x", "custom_id": n.to_string() }] });
        (0..count).map(row).collect::<Vec<_>>()
    };
    let mut bodies = vec![
        json!({ "content": "x".repeat(2001) }),
        json!({ "embeds": [{ "description": "x".repeat(4097) }] }),
        json!({ "content": "x", "components": rows(6) }),
        json!({ "content": "x", "components": [row, row] }),
        json!({ "content": "x", "flags": 1 << 15 }),
        json!({ "content": "x", "allowed_mentions": { "parse": ["users"], "users": ["1"] } }),
    ];
    let is_described = published("discord-openapi.json").is_some();
    if is_described {
        bodies.extend([
            json!({ "content": 5 }),
            json!({ "content": "x", "contents": "y" }),
            json!({ "content": "x", "embeds": [{ "titel": "y" }] }),
        ]);
    }
    for (index, body) in bodies.into_iter().enumerate() {
        let (status, refusal) = rest.post(&messages(&ops), body).await;
        assert_eq!((status, &refusal["code"]), (400, &json!(50035)), "body {index}: {refusal}");
        let wrong = server.wire().wrong();
        assert!(wrong.len() > index, "body {index} was noted: {wrong:?}");
    }
    assert_eq!(rest.post(&messages(&ops), json!({ "content": " " })).await.1["code"], 50006);
    assert_eq!(server.seen(&ops).len(), 0);
    let command = |name: &str, options: Value| json!([{ "name": name, "description": "x", "options": options }]);
    let verb = |name: &str, options: Value| json!({ "type": 1, "name": name, "description": "x", "options": options });
    let option = |name: &str| json!({ "type": 3, "name": name, "description": "x".repeat(100) });
    let many: Vec<Value> = (0..26).map(|n| option(&format!("o{n}"))).collect();
    let full: Vec<Value> = (0..25).map(|n| option(&format!("o{n}"))).collect();
    let heavy: Vec<Value> = (0..4).map(|n| verb(&format!("v{n}"), json!(full))).collect();
    let group = |inner: Value| json!({ "type": 2, "name": "g", "description": "x", "options": inner });
    for (index, commands) in [
        command("Kanban", json!([])),
        command("kanban", json!(many)),
        command("kanban", json!(heavy)),
        command("kanban", json!([verb("a", json!([])), option("b")])),
        command("kanban", json!([group(json!([group(json!([verb("a", json!([]))]))]))])),
        command("kanban", json!([{ "type": 3, "name": "o", "description": "x", "autocompletes": true }])),
    ]
    .into_iter()
    .take(if is_described { 6 } else { 5 })
    .enumerate()
    {
        let (status, refusal) = rest.register(commands).await;
        assert_eq!((status, &refusal["code"]), (400, &json!(50035)), "commands {index}: {refusal}");
    }
    assert_eq!(server.registered(), Vec::<Value>::new());
}

#[tokio::test]
async fn troubles_are_met_as_they_were_ordered() {
    let (server, rest) = start().await;
    let (ops, other) = (server.channel("ops"), server.channel("other"));
    let wire = server.wire();
    let route = "POST /channels/{id}/messages";
    let say = || json!({ "content": "x", "nonce": "n", "enforce_nonce": true });
    wire.trouble(route, [Trouble::TooMany(Duration::from_mins(1))]);
    let response = rest.send(Method::POST, &messages(&ops), say()).await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"60".parse().expect("a header"))
    );
    assert_eq!(response.headers()["x-ratelimit-remaining"], "0");
    let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!((&body["global"], &body["code"], &body["retry_after"]), (&json!(false), &json!(0), &json!(60.0)));
    // It is too early in this channel, and not in another one.
    assert_eq!(rest.post(&messages(&ops), say()).await.0, 429);
    assert!(wire.calls().last().is_some_and(|call| call.is_early));
    assert_eq!(rest.post(&messages(&other), say()).await.0, 200);
    let third = server.channel("third");
    wire.trouble(route, [Trouble::Break, Trouble::LoseAnswer, Trouble::ServerErrorAfter, Trouble::ServerError]);
    assert!(rest.send(Method::POST, &messages(&third), say()).await.is_err());
    assert_eq!(server.seen(&third).len(), 0);
    assert!(rest.send(Method::POST, &messages(&third), say()).await.is_err());
    assert_eq!(server.seen(&third).len(), 1);
    assert_eq!(rest.post(&messages(&third), say()).await.0, 500);
    assert_eq!(rest.post(&messages(&third), say()).await.0, 500);
    wire.trouble(route, [Trouble::Gone, Trouble::Refuse, Trouble::Hold]);
    assert_eq!(rest.post(&messages(&third), say()).await.1["code"], 10003);
    assert_eq!(rest.post(&messages(&third), say()).await.1["code"], 50035);
    let path = messages(&third);
    let held = rest.post(&path, json!({ "content": "held" }));
    let release = async {
        wire.wait_until("the held post", || {
            wire.calls().iter().any(|call| call.body["content"] == "held").then_some(())
        })
        .await;
        wire.release();
    };
    let ((status, _), ()) = tokio::join!(held, release);
    assert_eq!(status, 200);
    nothing_wrong(&server);
}

#[tokio::test]
async fn the_published_pace_is_kept_when_it_is_asked_for() {
    let (server, rest) = start_with(Options { pace: Pace::published(), ..Options::default() }).await;
    let ops = server.channel("ops");
    for left in (0..5).rev() {
        let sent = rest.send(Method::POST, &messages(&ops), json!({ "content": "x" })).await.expect("an answer");
        assert_eq!(sent.headers()["x-ratelimit-remaining"], left.to_string().as_str());
    }
    let refused = rest.send(Method::POST, &messages(&ops), json!({ "content": "x" })).await.expect("an answer");
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-ratelimit-scope"]),
        (429, &"user".parse().expect("it"))
    );
    assert_eq!(server.seen(&ops).len(), 5);
}
