//! Rules for bodies that the published description leaves out.

use std::collections::HashSet;

use serde_json::{Value, json};
use twilight_model::{
    application::command::Command,
    channel::message::{Component, Embed},
};

use twilight_validate::command::CommandValidationErrorType;

use super::message::COMPONENTS_V2;

/// The most characters of a command's names, descriptions and values together.
const COMMAND_LENGTH: usize = 8_000;

type Mistakes = Vec<(String, String)>;

/// Checks a message that is sent or edited, or the data of an answer to an interaction.
pub(super) fn check_message(body: &Value) -> Mistakes {
    let mut mistakes = Mistakes::new();
    let mut add = |place: &str, message: String| mistakes.push((place.to_owned(), message));
    if let Some(content) = body["content"].as_str()
        && let Err(error) = twilight_validate::message::content(content)
    {
        add("content", error.to_string());
    }
    if let Some(embeds) = body["embeds"].as_array() {
        let embeds: Result<Vec<Embed>, _> =
            embeds.iter().map(|embed| serde_json::from_value(with_type(embed))).collect();
        match embeds {
            Ok(embeds) => {
                if let Err(error) = twilight_validate::message::embeds(&embeds) {
                    add("embeds", error.to_string());
                }
            }
            Err(error) => add("embeds", error.to_string()),
        }
    }
    let is_v2 = body["flags"].as_u64().unwrap_or(0) & COMPONENTS_V2 != 0;
    if let Some(components) = body["components"].as_array() {
        match serde_json::from_value::<Vec<Component>>(json!(components)) {
            Ok(parsed) => {
                if let Err(error) = twilight_validate::message::components(&parsed, is_v2) {
                    add("components", error.to_string());
                }
            }
            Err(error) => add("components", error.to_string()),
        }
        let mut ids = HashSet::new();
        for id in custom_ids(components) {
            if !ids.insert(id.clone()) {
                add("components", "custom ids must be unique in a message".to_owned());
            }
        }
    }
    if is_v2 {
        for field in ["content", "embeds", "poll", "sticker_ids"] {
            let is_set = body[field]
                .as_str()
                .map_or(body[field].as_array().is_some_and(|it| !it.is_empty()), |it| !it.is_empty());
            if is_set {
                add(field, "cannot be used with components v2".to_owned());
            }
        }
    }
    let allowed = &body["allowed_mentions"];
    for kind in ["users", "roles"] {
        let parses = allowed["parse"].as_array().is_some_and(|kinds| kinds.iter().any(|it| it.as_str() == Some(kind)));
        if parses && allowed[kind].as_array().is_some_and(|ids| !ids.is_empty()) {
            add("allowed_mentions", format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive."));
        }
    }
    if body["enforce_nonce"] == true && body["nonce"].is_null() {
        add("nonce", "enforce_nonce without a nonce does nothing".to_owned());
    }
    if body["nonce"].as_str().is_some_and(|nonce| nonce.chars().count() > 25) {
        add("nonce", "Must be 25 or fewer in length.".to_owned());
    }
    mistakes
}

/// Checks a command that is registered.
pub(super) fn check_command(command: &Value) -> Mistakes {
    let mut full = command.clone();
    full["version"] = "1".into();
    for (field, default) in [("type", json!(1)), ("description", json!(""))] {
        if full[field].is_null() {
            full[field] = default;
        }
    }
    if full["options"].is_null() {
        full["options"] = json!([]);
    }
    let mistake = |place: &str, message: String| vec![(place.to_owned(), message)];
    let parsed: Command = match serde_json::from_value(full) {
        Ok(parsed) => parsed,
        Err(error) => return mistake("", error.to_string()),
    };
    if let Err(error) = twilight_validate::command::command(&parsed) {
        // Discord's documentation of application commands allows 8,000 characters; the crate still has the older 4,000.
        let is_within = matches!(error.kind(), CommandValidationErrorType::CommandTooLarge { characters } if *characters <= COMMAND_LENGTH);
        if !is_within {
            return mistake("name", error.to_string());
        }
    }
    if let Err(error) = twilight_validate::command::options(&parsed.options) {
        return mistake("options", error.to_string());
    }
    check_options(command["options"].as_array().map_or(&[], Vec::as_slice), "options", 0)
}

/// A group holds subcommands alone, a subcommand holds values alone, and one list holds only one of the three.
fn check_options(options: &[Value], at: &str, depth: usize) -> Mistakes {
    let mut mistakes = Mistakes::new();
    let kind = |option: &Value| option["type"].as_u64().unwrap_or(0);
    let has_verbs = options.iter().any(|option| kind(option) <= 2);
    for (index, option) in options.iter().enumerate() {
        let place = format!("{at}[{index}]");
        let is_verb = kind(option) <= 2;
        if is_verb != has_verbs {
            mistakes.push((
                place.clone(),
                "Sub-command and sub-command group option types are mutually exclusive to all \
                other types"
                    .to_owned(),
            ));
        }
        if is_verb && depth + usize::from(kind(option) == 2) > 1 {
            mistakes.push((place.clone(), "Sub-command groups cannot be nested".to_owned()));
        }
        if option["autocomplete"] == true && option["choices"].as_array().is_some_and(|choices| !choices.is_empty()) {
            mistakes.push((place.clone(), "choices and autocomplete exclude each other".to_owned()));
        }
        let children = option["options"].as_array().map_or(&[][..], Vec::as_slice);
        if !is_verb && !children.is_empty() {
            mistakes.push((place.clone(), "only sub-commands have options".to_owned()));
        }
        if kind(option) == 1 && children.iter().any(|child| kind(child) <= 2) {
            mistakes.push((place.clone(), "a sub-command cannot hold sub-commands".to_owned()));
        }
        mistakes.extend(check_options(children, &format!("{place}.options"), depth + 1));
    }
    mistakes
}

/// Checks a form that a person is to fill in.
pub(super) fn check_modal(data: &Value) -> Mistakes {
    let mut mistakes = Mistakes::new();
    let components = data["components"].as_array().map_or(&[][..], Vec::as_slice);
    if components.is_empty() || components.len() > 5 {
        mistakes.push(("components".to_owned(), "Must be between 1 and 5 in length.".to_owned()));
    }
    let mut ids = HashSet::new();
    for id in custom_ids(components) {
        if !ids.insert(id) {
            mistakes.push(("components".to_owned(), "custom ids must be unique in a form".to_owned()));
        }
    }
    mistakes
}

/// The custom ids of components and of those inside them.
pub(super) fn custom_ids(components: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for component in components {
        found.extend(component["custom_id"].as_str().map(str::to_owned));
        for children in ["components", "accessory", "component"] {
            match &component[children] {
                Value::Array(list) => found.extend(custom_ids(list)),
                Value::Object(_) => found.extend(custom_ids(std::slice::from_ref(&component[children]))),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
    found
}

fn with_type(embed: &Value) -> Value {
    let mut embed = embed.clone();
    if embed["type"].is_null() {
        embed["type"] = "rich".into();
    }
    if embed["fields"].is_null() {
        embed["fields"] = json!([]);
    }
    embed
}
