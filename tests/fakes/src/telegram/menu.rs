//! The menus of commands that people see while they type, for each scope and language.

use serde_json::{Value, json};

use super::{
    account::{Account, State},
    parameters::{Parameters, integer},
    refusal::Refusal,
};

const MOST: usize = 100;

/// For whom a menu is: the kind of scope, and the chat and the person that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) kind: String,
    pub(crate) chat: Option<i64>,
    pub(crate) person: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) description: String,
}

impl Account {
    pub(crate) fn set_my_commands(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let key = key(&state, parameters)?;
        let Some(list) = parameters.list("commands") else {
            return Err(Refusal::bad("parameter \"commands\" is required"));
        };
        if list.len() > MOST {
            return Err(Refusal::bad("BOT_COMMANDS_TOO_MUCH"));
        }
        let mut commands: Vec<Command> = Vec::with_capacity(list.len());
        for given in list {
            let command = command(given)?;
            if given["command"].as_str() != Some(&command.name) {
                self.wire.complain(format!("setMyCommands: `{}` is no name of a command", given["command"]));
            }
            if commands.iter().any(|other| other.name == command.name) {
                self.wire.complain(format!("setMyCommands: `{}` comes twice", command.name));
            }
            commands.push(command);
        }
        state.menus.insert(key, commands);
        Ok(json!(true))
    }

    pub(crate) fn get_my_commands(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let state = self.state();
        let key = key(&state, parameters)?;
        let commands = state.menus.get(&key).into_iter().flatten();
        let shown = commands.map(|command| json!({"command": command.name, "description": command.description}));
        Ok(shown.collect())
    }

    pub(crate) fn delete_my_commands(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let key = key(&state, parameters)?;
        state.menus.remove(&key);
        Ok(json!(true))
    }
}

fn key(state: &State, parameters: &Parameters) -> Result<(Scope, String), Refusal> {
    let language = parameters.text("language_code").unwrap_or_default();
    let is_code = language.len() == 2 && language.bytes().all(|b| b.is_ascii_lowercase());
    if !language.is_empty() && !is_code {
        return Err(Refusal::bad("invalid language code specified"));
    }
    let Some(given) = parameters.get("scope") else {
        return Ok((Scope { kind: "default".to_owned(), ..Scope::default() }, language.to_owned()));
    };
    let (names_chat, names_person) = match given["type"].as_str() {
        Some("default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators") => (false, false),
        Some("chat" | "chat_administrators") => (true, false),
        Some("chat_member") => (true, true),
        _ => return Err(Refusal::bad("can't parse BotCommandScope: Unsupported type specified")),
    };
    let chat = integer(&given["chat_id"]).filter(|_| names_chat);
    if names_chat && !chat.is_some_and(|chat| state.chats.contains_key(&chat)) {
        return Err(Refusal::chat_not_found());
    }
    let person = integer(&given["user_id"]).filter(|_| names_person);
    if names_person && person.is_none() {
        return Err(Refusal::bad("invalid user_id specified"));
    }
    let kind = given["type"].as_str().unwrap_or_default().to_owned();
    Ok((Scope { kind, chat, person }, language.to_owned()))
}

fn command(given: &Value) -> Result<Command, Refusal> {
    let name = given["command"].as_str().unwrap_or_default();
    // The server takes a slash off, which its documentation does not promise.
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !(1..=32).contains(&name.len()) || !name.chars().all(is_name) {
        return Err(Refusal::bad("BOT_COMMAND_INVALID"));
    }
    let description = given["description"].as_str().unwrap_or_default().trim();
    if !(1..=256).contains(&description.chars().count()) {
        return Err(Refusal::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
    }
    Ok(Command { name: name.to_owned(), description: description.to_owned() })
}
