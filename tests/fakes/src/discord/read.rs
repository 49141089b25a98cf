//! What a person reads in a message: Discord's markdown, drawn as plain text.
//!
//! The rules are those of the Markdown Text 101 article and of Reference, "Message Formatting", in the order in which the
//! clients try them: a backslash, code, links and mentions, and then what is doubled before what is single.

use serde_json::Value;

use super::{markdown, message::Message, state::State};

/// The text of a message with its embeds and components, a line each.
pub(super) fn message(state: &State, message: &Message) -> String {
    let mut lines = Vec::new();
    let names = |kind: markdown::Named, id: u64| match kind {
        markdown::Named::Person => state.name(id),
        markdown::Named::Role => format!("role {id}"),
        markdown::Named::Channel => {
            state.channels.get(&id).map_or_else(|| "unknown".to_owned(), |channel| channel.name.clone())
        }
    };
    let drawn = |text: &str| markdown::read(text, &names);
    if !message.content.is_empty() {
        lines.push(drawn(&message.content));
    }
    for embed in &message.embeds {
        embed_lines(embed, &drawn, &mut lines);
    }
    component_lines(&message.components, &drawn, &mut lines);
    lines.join("\n")
}

/// The buttons below a message or among its components: label and button.
pub(super) fn buttons(components: &[Value]) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for component in components {
        if component["type"] == 2 {
            let label = component["label"].as_str().or_else(|| component["emoji"]["name"].as_str());
            found.push((label.unwrap_or_default().to_owned(), component.clone()));
        }
        if let Some(children) = component["components"].as_array() {
            found.extend(buttons(children));
        }
        if component["accessory"].is_object() {
            found.extend(buttons(std::slice::from_ref(&component["accessory"])));
        }
    }
    found
}

/// The texts of an embed from above to below. The author's and the footer's are drawn as they are.
fn embed_lines(embed: &Value, drawn: &dyn Fn(&str) -> String, lines: &mut Vec<String>) {
    let mut push = |text: &Value, is_markdown: bool| {
        if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
            lines.push(if is_markdown { drawn(text) } else { text.to_owned() });
        }
    };
    push(&embed["author"]["name"], false);
    push(&embed["title"], true);
    push(&embed["description"], true);
    for field in embed["fields"].as_array().into_iter().flatten() {
        push(&field["name"], true);
        push(&field["value"], true);
    }
    push(&embed["footer"]["text"], false);
}

/// The text displays among components, also those in sections and containers.
fn component_lines(components: &[Value], drawn: &dyn Fn(&str) -> String, lines: &mut Vec<String>) {
    for component in components {
        if component["type"] == 10
            && let Some(text) = component["content"].as_str()
        {
            lines.push(drawn(text));
        }
        if let Some(children) = component["components"].as_array() {
            component_lines(children, drawn, lines);
        }
    }
}
