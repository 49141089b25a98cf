//! The server's own events, held against types that nobody here wrote: those of `discord-api-types`.

use kanban_fakes::{Server, published};
use serde_json::{Value, json};

use super::{
    bot::{Gateway, INTENTS, MESSAGE_CONTENT, text},
    commands, messages, start,
};

#[tokio::test]
async fn events_are_as_discord_describes_them() {
    let (server, rest) = start().await;
    let (ops, release, direct) = (server.channel("ops"), server.thread("ops", "release"), server.channel("@ann"));
    let mut gateway = Gateway::open(&server).await;
    gateway.identify(&rest.token, INTENTS | MESSAGE_CONTENT).await;
    check("discord-event-ready.schema.json", &gateway.event("READY").await);
    assert_eq!(gateway.event("GUILD_CREATE").await["threads"][0]["name"], "release");
    rest.register(commands()).await;

    let said = server.says("ann", &ops, "one").await;
    server.replies("bob", &ops, &said, "two").await;
    server.mentions("ann", &release, "three").await;
    server.says("ann", &direct, "four").await;
    let card = json!({
        "content": "card", "embeds": [{ "title": "One", "description": "x", "fields": [{ "name": "a", "value": "b" }] }],
        "components": [{ "type": 1, "components": [{ "type": 2, "style": 1, "label": "Done", "custom_id": "k1" }] }],
    });
    let (_, card) = rest.post(&messages(&ops), card).await;
    // Without the channel's type, clients that do not know the channel yet take no direct message for one.
    for channel_type in [0, 0, 11, 1, 0] {
        let event = gateway.event("MESSAGE_CREATE").await;
        check("discord-event-message.schema.json", &event);
        assert_eq!(event["channel_type"], channel_type);
    }
    server.edits("ann", &ops, &said, "one!").await;
    assert_eq!(gateway.event("MESSAGE_UPDATE").await["channel_type"], 0);

    server.commands("ann", &ops, &["create"], &[("title", "x"), ("priority", "3")]).await;
    server.commands("ann", &release, &["boards", "list"], &[("all", "true")]).await;
    server.commands("ann", &direct, &["create"], &[("title", "x")]).await;
    server.presses("ann", &ops, text(&card["id"]), "Done").await;
    server.uses_on("ann", &ops, "Make a task", &said).await;
    for _ in 0..5 {
        let event = gateway.event("INTERACTION_CREATE").await;
        check("discord-event-interaction.schema.json", &event);
        if event["type"] == 3 {
            let input = json!({ "type": 4, "custom_id": "answer", "label": "Answer", "style": 2 });
            let form = json!({ "custom_id": "f", "title": "F", "components": [{ "type": 1, "components": [input] }] });
            rest.acknowledge(&event, json!({ "type": 9, "data": form })).await;
            server.submits("ann", &[("answer", "blue")]).await;
            check("discord-event-interaction.schema.json", &gateway.event("INTERACTION_CREATE").await);
        }
    }
    let asking = server.suggestions("ann", &ops, &["show"], "task", "t");
    let answering = async {
        let event = gateway.event("INTERACTION_CREATE").await;
        check("discord-event-interaction.schema.json", &event);
        rest.acknowledge(&event, json!({ "type": 8, "data": { "choices": [] } })).await;
    };
    tokio::join!(asking, answering);
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

/// Holds an event against a schema, where it is there.
fn check(schema: &str, event: &Value) {
    let Some(mut described) = published(schema) else { return };
    loosen(&mut described);
    let validator = jsonschema::draft7::new(&described).expect("the schema can be read");
    let wrong: Vec<String> = validator
        .iter_errors(event)
        .map(|error| format!("{}: {}", error.instance_path(), error.to_string().chars().take(400).collect::<String>()))
        .collect();
    assert!(wrong.is_empty(), "{schema}: {wrong:#?}\n{event:#}");
}

/// The schemas are derived from types: they take one bit of flags at a time, and no null for what may be absent.
fn loosen(schema: &mut Value) {
    if let Some(definitions) = schema["definitions"].as_object_mut() {
        for (_, definition) in definitions.iter_mut().filter(|(name, _)| name.ends_with("Flags")) {
            *definition = json!({ "type": "number" });
        }
    }
    allow_null(schema);
}

fn allow_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
                for property in properties.values_mut() {
                    *property = json!({ "anyOf": [property.take(), { "type": "null" }] });
                }
            }
            fields.values_mut().for_each(allow_null);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
