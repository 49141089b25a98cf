//! The application's commands (Application Commands, "Endpoints").

use serde_json::{Value, json};

use super::{
    account::{BOT, GUILD},
    form,
    messages::Answer,
    refusal::Refusal,
    state::State,
};

/// So many new commands a day and guild.
const MOST_CREATED: u32 = 200;

/// A command as the bot has registered it.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) id: u64,
    pub(super) guild: Option<u64>,
    pub(super) version: u64,
    pub(super) body: Value,
}

impl Registered {
    pub(super) fn kind(&self) -> u64 {
        self.body["type"].as_u64().unwrap_or(1)
    }

    pub(super) fn name(&self) -> &str {
        self.body["name"].as_str().unwrap_or_default()
    }

    pub(super) fn json(&self) -> Value {
        let mut json = json!({
            "id": self.id.to_string(), "application_id": BOT.to_string(), "version": self.version.to_string(),
            "default_member_permissions": null, "type": 1, "name": "", "description": "", "dm_permission": true,
            "contexts": null, "integration_types": [0], "nsfw": false,
        });
        if let (Value::Object(json), Value::Object(body)) = (&mut json, &self.body) {
            json.extend(
                body.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        if let Some(guild) = self.guild {
            json["guild_id"] = guild.to_string().into();
        }
        json
    }

    fn is(&self, guild: Option<u64>, body: &Value) -> bool {
        self.guild == guild && self.kind() == body["type"].as_u64().unwrap_or(1) && self.body["name"] == body["name"]
    }
}

impl State {
    pub(super) fn list_commands(&self, application: u64, guild: Option<u64>) -> Answer {
        check(application, guild)?;
        let commands: Vec<Value> =
            self.commands.iter().filter(|command| command.guild == guild).map(Registered::json).collect();
        Ok((200, commands.into()))
    }

    /// Puts these in place of all there were. Commands with a name that was there keep their ids.
    pub(super) fn replace_commands(&mut self, application: u64, guild: Option<u64>, body: &Value) -> Answer {
        check(application, guild)?;
        let bodies = body.as_array().cloned().unwrap_or_default();
        for (index, body) in bodies.iter().enumerate() {
            let kind = |body: &Value| body["type"].as_u64().unwrap_or(1);
            let is_same = |other: &Value| other["name"] == body["name"] && kind(other) == kind(body);
            if bodies[..index].iter().any(is_same) {
                return Err(Refusal::one(&format!("{index}.name"), "Application command names must be unique"));
            }
        }
        for (kind, most) in [(1, 100), (2, 15), (3, 15)] {
            if bodies.iter().filter(|body| body["type"].as_u64().unwrap_or(1) == kind).count() > most {
                return Err(Refusal::new(400, 30032, "Maximum number of application commands reached (100)"));
            }
        }
        let before = std::mem::take(&mut self.commands);
        let (before, others): (Vec<_>, Vec<_>) = before.into_iter().partition(|command| command.guild == guild);
        self.commands = others;
        for body in bodies {
            let id = before.iter().find(|command| command.is(guild, &body)).map(|command| command.id);
            let command = self.new_command(id, guild, body)?;
            self.commands.push(command);
        }
        self.list_commands(application, guild)
    }

    /// Adds one, or replaces the one with the same name.
    pub(super) fn create_command(&mut self, application: u64, guild: Option<u64>, body: &Value) -> Answer {
        check(application, guild)?;
        let same = self.commands.iter().position(|command| command.is(guild, body));
        let id = same.map(|at| self.commands[at].id);
        let command = self.new_command(id, guild, body.clone())?;
        let json = command.json();
        match same {
            Some(at) => {
                self.commands[at] = command;
                Ok((200, json))
            }
            None => {
                self.commands.push(command);
                Ok((201, json))
            }
        }
    }

    pub(super) fn get_command(&self, application: u64, guild: Option<u64>, id: u64) -> Answer {
        check(application, guild)?;
        let found = self.commands.iter().find(|command| command.id == id && command.guild == guild);
        found.map(|command| (200, command.json())).ok_or_else(Refusal::unknown_command)
    }

    pub(super) fn edit_command(&mut self, application: u64, guild: Option<u64>, id: u64, body: &Value) -> Answer {
        check(application, guild)?;
        let at = self.commands.iter().position(|command| command.id == id && command.guild == guild);
        let at = at.ok_or_else(Refusal::unknown_command)?;
        let mut merged = self.commands[at].body.clone();
        if let (Value::Object(merged), Value::Object(body)) = (&mut merged, body) {
            merged.extend(body.clone());
        }
        let mistakes = form::check_command(&merged);
        if !mistakes.is_empty() {
            return Err(Refusal::form(&mistakes));
        }
        self.commands[at] = self.new_command(Some(id), guild, merged)?;
        Ok((200, self.commands[at].json()))
    }

    pub(super) fn delete_command(&mut self, application: u64, guild: Option<u64>, id: u64) -> Answer {
        self.get_command(application, guild, id)?;
        self.commands.retain(|command| command.id != id);
        Ok((204, Value::Null))
    }

    fn new_command(&mut self, id: Option<u64>, guild: Option<u64>, body: Value) -> Result<Registered, Refusal> {
        if id.is_none() {
            self.created_commands += 1;
            if self.created_commands > MOST_CREATED {
                let message = "Max number of daily application command creates has been reached (200)";
                return Err(Refusal::new(429, 30034, message));
            }
        }
        let id = id.unwrap_or_else(|| self.ids.next());
        Ok(Registered { id, guild, version: self.ids.next(), body })
    }
}

/// What a registration says that Discord does not take, beyond its published description.
pub(super) fn mistakes(body: &Value) -> Vec<(String, String)> {
    match body {
        Value::Array(commands) => {
            let of = |(index, command)| {
                let inside = move |(place, message)| (format!("{index}.{place}"), message);
                form::check_command(command).into_iter().map(inside)
            };
            commands.iter().enumerate().flat_map(of).collect()
        }
        Value::Object(_) => form::check_command(body),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn check(application: u64, guild: Option<u64>) -> Result<(), Refusal> {
    if application != BOT {
        return Err(Refusal::new(404, 10002, "Unknown Application"));
    }
    if guild.is_none_or(|guild| guild == GUILD) { Ok(()) } else { Err(Refusal::missing_access()) }
}
