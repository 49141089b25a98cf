//! The websocket: sessions, and who may read what.

use kanban_fakes::{Server, discord::Options};
use serde_json::json;

use super::{
    bot::{Gateway, INTENTS, MESSAGE_CONTENT, Rest, text},
    messages, nothing_wrong, start, start_with,
};

#[tokio::test]
async fn missed_events_are_resumed_and_an_invalid_session_is_not() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS | MESSAGE_CONTENT).await;
    server.says("ann", &ops, "one").await;
    gateway.event("MESSAGE_CREATE").await;
    server.disconnect(4000);
    assert_eq!(gateway.next().await, Err(4000));
    server.says("ann", &ops, "two").await;
    let mut again = Gateway::open(&server).await;
    again.sequence = gateway.sequence;
    again.resume(&rest.token, &gateway.session, gateway.sequence).await;
    assert_eq!(again.event("MESSAGE_CREATE").await["content"], "two");
    again.event("RESUMED").await;
    again.say(json!({ "op": 1, "d": again.sequence })).await;
    again.opcode(11).await;
    server.reconnect();
    again.opcode(7).await;
    server.invalidate_session(false);
    assert_eq!(again.opcode(9).await["d"], false);
    let mut third = Gateway::open(&server).await;
    third.resume(&rest.token, &gateway.session, again.sequence).await;
    assert_eq!(third.opcode(9).await["d"], false);
    server.disconnect(1006);
    assert_eq!(third.next().await, Err(1006));
    let mut fourth = Gateway::ready(&server, INTENTS).await;
    server.silence(true);
    fourth.say(json!({ "op": 1, "d": null })).await;
    server.silence(false);
    fourth.say(json!({ "op": 1, "d": null })).await;
    fourth.opcode(11).await;
    assert_eq!(server.identifies(), 2);
    nothing_wrong(&server);
}

#[tokio::test]
async fn tokens_and_intents_are_checked() {
    let (server, rest) = start_with(Options { message_content: false, ..Options::default() }).await;
    for (token, intents, code) in
        [("wrong", INTENTS, 4004), (rest.token.as_str(), 1 << 30, 4013), (rest.token.as_str(), MESSAGE_CONTENT, 4014)]
    {
        let mut gateway = Gateway::open(&server).await;
        gateway.identify(token, intents).await;
        assert_eq!(gateway.next().await, Err(code));
    }
    let mut wrong = Rest::new(&server);
    "wrong".clone_into(&mut wrong.token);
    assert_eq!(wrong.get("/users/@me").await.0, 401);
    assert_eq!(server.invalid_calls(), 1);
}

#[tokio::test]
async fn without_the_intent_only_what_is_for_the_bot_can_be_read() {
    let (server, rest) = start_with(Options { message_content: false, ..Options::default() }).await;
    let (ops, direct) = (server.channel("ops"), server.channel("@ann"));
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    server.says("ann", &ops, "not for you").await;
    server.mentions("ann", &ops, "list").await;
    server.says("ann", &direct, "hello").await;
    let (_, sent) = rest.post(&messages(&ops), json!({ "content": "mine" })).await;
    server.replies("ann", &ops, text(&sent["id"]), "yes").await;
    let mut contents = Vec::new();
    for _ in 0..5 {
        contents.push(text(&gateway.event("MESSAGE_CREATE").await["content"]).to_owned());
    }
    assert_eq!(contents[0], "");
    assert!(contents[1].ends_with("> list"), "{contents:?}");
    assert_eq!(contents[2..], ["hello", "mine", "yes"]);
    let (_, history) = rest.get(&messages(&ops)).await;
    assert_eq!(history[3]["content"], "", "{history}");
    assert_eq!(history[0]["content"], "yes");
}
