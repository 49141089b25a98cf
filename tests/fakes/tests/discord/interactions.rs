//! Commands, buttons, forms, and the answers to them.

use std::time::Duration;

use kanban_fakes::{Server, discord::Options};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    bot::{Gateway, INTENTS, text},
    commands, id, messages, nothing_wrong, start, start_with,
};

#[tokio::test]
async fn a_command_is_filled_in_by_its_registered_types() {
    let (server, rest) = start().await;
    let ops = server.thread("ops", "release");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    assert_eq!(rest.register(commands()).await.0, 200);
    server.commands("ann", &ops, &["create"], &[("title", "fix it"), ("priority", "3"), ("kind", "Bug")]).await;
    let event = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(
        event["data"]["options"],
        json!([{ "name": "create", "type": 1, "options": [
            { "name": "title", "type": 3, "value": "fix it" }, { "name": "priority", "type": 4, "value": 3 },
            { "name": "kind", "type": 3, "value": "bug" },
        ] }])
    );
    assert_eq!((text(&event["channel_id"]), &event["channel"]["type"]), (id(&ops), &json!(11)));
    server.commands("ann", &ops, &["boards", "list"], &[("all", "true")]).await;
    let event = gateway.event("INTERACTION_CREATE").await;
    let group = &event["data"]["options"][0];
    assert_eq!((&group["type"], &group["options"][0]["options"][0]["value"]), (&json!(2), &json!(true)));
    nothing_wrong(&server);
}

#[tokio::test]
#[should_panic(expected = "no command [\"drop\"] is registered")]
async fn a_command_that_is_not_registered_cannot_be_used() {
    let (server, rest) = start().await;
    rest.register(commands()).await;
    server.commands("ann", &server.channel("ops"), &["drop"], &[]).await;
}

#[tokio::test]
#[should_panic(expected = "there is no option colour")]
async fn an_option_that_is_not_registered_cannot_be_filled_in() {
    let (server, rest) = start().await;
    rest.register(commands()).await;
    server.commands("ann", &server.channel("ops"), &["create"], &[("title", "x"), ("colour", "red")]).await;
}

#[tokio::test]
async fn a_deferred_private_reply_stays_private() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    rest.register(commands()).await;
    server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
    let event = gateway.event("INTERACTION_CREATE").await;
    let (status, _) = rest.acknowledge(&event, json!({ "type": 5, "data": { "flags": 64 } })).await;
    assert_eq!((status, server.thinking(), server.seen(&ops).len()), (204, 1, 0));
    assert_eq!(rest.acknowledge(&event, json!({ "type": 5 })).await.1["code"], 40060);
    let hook = format!("/webhooks/{}/{}", text(&event["application_id"]), text(&event["token"]));
    let original = format!("{hook}/messages/@original");
    let (status, edited) = rest.patch(&original, json!({ "content": "no <@1> <@&2> @everyone" })).await;
    assert_eq!((status, &edited["flags"]), (200, &json!(64)));
    let (_, public) = rest.post(&hook, json!({ "content": "a second message" })).await;
    let (_, private) = rest.post(&hook, json!({ "content": "a third", "flags": 64 })).await;
    let seen = server.seen(&ops);
    let private_to: Vec<_> = seen.iter().map(|seen| seen.private_to.as_deref()).collect();
    assert_eq!(private_to, [Some("ann"), None, Some("ann")]);
    assert_eq!(seen[0].pings, ["1"], "answers to interactions notify people alone");
    let path = |message: &Value| format!("{hook}/messages/{}", text(&message["id"]));
    assert_eq!(rest.patch(&path(&public), json!({ "content": "changed" })).await.0, 200);
    assert_eq!(rest.call(Method::DELETE, &path(&private), Value::Null).await.0, 204);
    assert_eq!(rest.call(Method::DELETE, &original, Value::Null).await.0, 204);
    assert_eq!(rest.patch(&original, json!({ "content": "gone" })).await.1["code"], 10008);
    assert_eq!(server.seen(&ops).len(), 1);
    // Others than the person do not see private messages, the bot not either.
    assert_eq!(rest.get(&messages(&ops)).await.1.as_array().map(Vec::len), Some(1));
    assert_eq!((server.acknowledgements().len(), server.thinking(), server.unanswered()), (1, 0, 0));
    nothing_wrong(&server);
}

#[tokio::test]
async fn the_first_follow_up_takes_the_place_of_a_deferral() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    rest.register(commands()).await;
    server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
    let event = gateway.event("INTERACTION_CREATE").await;
    let (_, callback) = {
        let path = format!("/interactions/{}/{}/callback", text(&event["id"]), text(&event["token"]));
        rest.post(&format!("{path}?with_response=true"), json!({ "type": 5, "data": { "flags": 64 } })).await
    };
    assert_eq!(callback["interaction"]["response_message_loading"], true);
    let hook = format!("/webhooks/{}/{}", text(&event["application_id"]), text(&event["token"]));
    let (_, followed) = rest.post(&hook, json!({ "content": "public?" })).await;
    assert_eq!(followed["id"], callback["interaction"]["response_message_id"]);
    assert_eq!(server.seen(&ops)[0].private_to.as_deref(), Some("ann"));
    nothing_wrong(&server);
}

#[tokio::test]
async fn late_acknowledgements_and_old_tokens_are_refused() {
    let options = Options { acknowledge_within: Duration::ZERO, ..Options::default() };
    let (server, rest) = start_with(options).await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    rest.register(commands()).await;
    server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
    let event = gateway.event("INTERACTION_CREATE").await;
    let (status, refusal) = rest.acknowledge(&event, json!({ "type": 5 })).await;
    assert_eq!((status, &refusal["code"]), (404, &json!(10062)));
    assert_eq!(server.wire().wrong().len(), 1);
    assert_eq!(server.unanswered(), 1);

    let (server, rest) = start_with(Options { token_life: Duration::ZERO, ..Options::default() }).await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    rest.register(commands()).await;
    server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
    let event = gateway.event("INTERACTION_CREATE").await;
    let hook = format!("/webhooks/{}/{}", text(&event["application_id"]), text(&event["token"]));
    assert_eq!(rest.acknowledge(&event, json!({ "type": 5 })).await.0, 204);
    assert_eq!(rest.post(&hook, json!({ "content": "x" })).await.1["code"], 50027);
    let unknown = format!("/webhooks/{}/unknown", text(&event["application_id"]));
    assert_eq!(rest.post(&unknown, json!({ "content": "x" })).await.1["code"], 10015);
}

#[tokio::test]
async fn buttons_forms_and_message_commands() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    rest.register(commands()).await;
    let button = json!({ "type": 2, "style": 1, "label": "Answer", "custom_id": "k1" });
    let card = json!({ "content": "?", "components": [{ "type": 1, "components": [button] }] });
    let (_, card) = rest.post(&messages(&ops), card).await;
    server.presses("ann", &ops, text(&card["id"]), "Answer").await;
    let press = gateway.event("INTERACTION_CREATE").await;
    assert_eq!((&press["type"], &press["data"]["custom_id"]), (&json!(3), &json!("k1")));
    assert_eq!(press["message"]["id"], card["id"]);
    let input = json!({ "type": 4, "custom_id": "answer", "label": "Your answer", "style": 2 });
    let form = json!({ "custom_id": "f1", "title": "Answer", "components": [{ "type": 1, "components": [input] }] });
    assert_eq!(rest.acknowledge(&press, json!({ "type": 9, "data": form })).await.0, 204);
    server.submits("ann", &[("Your answer", "blue")]).await;
    let submitted = gateway.event("INTERACTION_CREATE").await;
    let row = &submitted["data"]["components"][0];
    assert_eq!((&submitted["type"], &row["components"][0]["value"]), (&json!(5), &json!("blue")));
    let update = json!({ "type": 7, "data": { "content": "answered", "components": [] } });
    assert_eq!(rest.acknowledge(&submitted, update).await.0, 204);
    let seen = server.seen(&ops);
    assert_eq!((seen[0].text.as_str(), seen[0].buttons.len()), ("answered", 0));
    let said = server.says("bob", &ops, "the door is broken").await;
    server.uses_on("bob", &ops, "Make a task", &said).await;
    let used = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(used["data"]["resolved"]["messages"][&said]["content"], "the door is broken");
    nothing_wrong(&server);
}

#[tokio::test]
async fn suggestions_come_from_the_bot_or_from_the_choices() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    rest.register(commands()).await;
    let asking = server.suggestions("ann", &ops, &["show"], "task", "do");
    let answering = async {
        let event = gateway.event("INTERACTION_CREATE").await;
        let option = &event["data"]["options"][0]["options"][0];
        assert_eq!((&option["value"], &option["focused"], &event["type"]), (&json!("do"), &json!(true), &json!(4)));
        let choices = json!([{ "name": "t_1 · the door", "value": "t_1" }]);
        assert_eq!(rest.acknowledge(&event, json!({ "type": 8, "data": { "choices": choices } })).await.0, 204);
    };
    let (suggested, ()) = tokio::join!(asking, answering);
    assert_eq!(suggested, Some(vec![("t_1".to_owned(), "t_1 · the door".to_owned())]));
    let fixed = server.suggestions("ann", &ops, &["create"], "kind", "ch").await;
    assert_eq!(fixed, Some(vec![("chore".to_owned(), "Chore".to_owned())]));
    assert_eq!(server.suggestions("ann", &ops, &["create"], "title", "x").await, None);
    nothing_wrong(&server);
}
