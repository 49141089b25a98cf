//! Interactions: what a person does with the application, and the answers to it (Receiving and Responding).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    account::{BOT, GUILD},
    channel::all_permissions,
    form,
    mention::Unsaid,
    message::{EPHEMERAL, LOADING, Message},
    messages::{Answer, Body},
    refusal::Refusal,
    route::FollowUp,
    state::State,
};

/// What a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Command = 2,
    Component = 3,
    Autocomplete = 4,
    Modal = 5,
}

#[derive(Clone, Debug)]
pub(super) struct Interaction {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) user: u64,
    pub(super) channel: u64,
    pub(super) at: Instant,
    /// How long the application took until it answered.
    pub(super) answered: Option<Duration>,
    /// The message whose button was pressed, or from whose button a form came.
    pub(super) source: Option<u64>,
    /// The reply, from the moment on at which it is announced.
    pub(super) original: Option<u64>,
    /// Whether a deferred reply waits for its text.
    pub(super) is_deferred: bool,
    pub(super) choices: Option<Vec<Value>>,
    pub(super) modal: Option<Value>,
    /// What the answers' messages say of where they come from.
    metadata: Value,
}

impl State {
    /// A person does something; the bot is told.
    pub(super) fn interact(&mut self, kind: Kind, user: u64, channel: u64, data: Value, source: Option<u64>) -> u64 {
        let id = self.ids.next();
        // Long and unguessable, as real ones are; here it need only be unique.
        let token = format!("aW50ZXJhY3Rpb246{id}{:0>140}", self.ids.next());
        let mut metadata = json!({
            "id": id.to_string(), "type": kind as u64, "user": self.user(user),
            "authorizing_integration_owners": { "0": GUILD.to_string() },
        });
        if kind == Kind::Component {
            metadata["interacted_message_id"] = source.map(|id| id.to_string()).into();
        }
        let interaction = Interaction {
            id,
            kind,
            user,
            channel,
            at: Instant::now(),
            answered: None,
            source,
            original: None,
            is_deferred: false,
            choices: None,
            modal: None,
            metadata,
        };
        let event = self.interaction_event(&interaction, &token, data);
        self.tokens.insert(token, id);
        self.interactions.insert(id, interaction);
        self.dispatch("INTERACTION_CREATE", 0, &event);
        id
    }

    /// The first answer. `window` is how long the application has for it.
    pub(super) fn acknowledge(&mut self, id: u64, token: &str, body: &Body, window: Duration) -> Answer {
        let interaction = match self.interactions.get(&id) {
            Some(interaction) if self.tokens.get(token) == Some(&id) => interaction.clone(),
            Some(_) | None => return Err(Refusal::unknown_interaction()),
        };
        if interaction.answered.is_some() {
            return Err(Refusal::already_acknowledged());
        }
        let took = interaction.at.elapsed();
        if took > window {
            return Err(Refusal::unknown_interaction());
        }
        let kind = body.json["type"].as_u64().unwrap_or(0);
        let from_message = interaction.source.is_some() && interaction.kind != Kind::Command;
        let fits = match kind {
            4 | 5 => interaction.kind != Kind::Autocomplete,
            6 | 7 => from_message,
            8 => interaction.kind == Kind::Autocomplete,
            9 => !matches!(interaction.kind, Kind::Autocomplete | Kind::Modal),
            _ => false,
        };
        if !fits {
            return Err(Refusal::one("type", "This interaction cannot be answered so"));
        }
        let data = Body { json: body.json["data"].clone(), files: body.files.clone(), ..Body::default() };
        let mut changed = Interaction { answered: Some(took), ..interaction };
        match kind {
            4 => {
                let message = self.reply(&changed, &data)?;
                changed.original = Some(message);
            }
            5 => {
                let private = data.json["flags"].as_u64().unwrap_or(0) & EPHEMERAL;
                let mut message = self.blank_reply(&changed);
                message.flags = LOADING | private;
                message.private_to = (private != 0).then_some(changed.user);
                changed.original = Some(message.id);
                changed.is_deferred = true;
                self.publish(message);
            }
            6 => changed.original = changed.source,
            7 => {
                changed.original = changed.source;
                if let Some(source) = changed.source {
                    self.rewrite(source, &data, Unsaid::Interaction)?;
                }
            }
            8 => changed.choices = Some(data.json["choices"].as_array().cloned().unwrap_or_default()),
            _ => changed.modal = Some(data.json.clone()),
        }
        self.acknowledgements.push(took);
        let answer = self.callback_answer(&changed, kind, body);
        self.interactions.insert(id, changed);
        Ok(answer)
    }

    /// A further message. The first one after a deferral takes its place, and is private where that is.
    pub(super) fn follow_up(&mut self, token: &str, body: &Body, life: Duration) -> Answer {
        let interaction = self.by_token(token, life)?;
        if interaction.is_deferred {
            return self.edit_follow_up(token, FollowUp::Original, body, life);
        }
        let id = self.reply(&interaction, body)?;
        self.messages
            .get(&id)
            .map(|message| (200, self.message_json(message, true)))
            .ok_or_else(Refusal::unknown_message)
    }

    pub(super) fn get_follow_up(&self, token: &str, which: FollowUp, life: Duration) -> Answer {
        let (_, id) = self.follow_up_of(token, which, life)?;
        self.messages
            .get(&id)
            .map(|message| (200, self.message_json(message, true)))
            .ok_or_else(Refusal::unknown_message)
    }

    pub(super) fn edit_follow_up(&mut self, token: &str, which: FollowUp, body: &Body, life: Duration) -> Answer {
        let (interaction, id) = self.follow_up_of(token, which, life)?;
        let answer = self.rewrite(id, body, Unsaid::Interaction)?;
        if interaction.original == Some(id)
            && let Some(interaction) = self.interactions.get_mut(&interaction.id)
        {
            interaction.is_deferred = false;
        }
        Ok(answer)
    }

    pub(super) fn delete_follow_up(&mut self, token: &str, which: FollowUp, life: Duration) -> Answer {
        let (interaction, id) = self.follow_up_of(token, which, life)?;
        self.erase(id);
        if interaction.original == Some(id)
            && let Some(interaction) = self.interactions.get_mut(&interaction.id)
        {
            interaction.is_deferred = false;
            interaction.original = None;
        }
        Ok((204, Value::Null))
    }

    /// The channel of an interaction's token, for the record.
    pub(super) fn channel_of_token(&self, token: &str) -> Option<u64> {
        Some(self.interactions.get(self.tokens.get(token)?)?.channel)
    }

    /// A message of the bot that answers an interaction.
    fn reply(&mut self, interaction: &Interaction, body: &Body) -> Result<u64, Refusal> {
        let mut message = self.draft(interaction.channel, body, Unsaid::Interaction, None)?;
        let blank = self.blank_reply(interaction);
        (message.kind, message.metadata, message.reference) = (blank.kind, blank.metadata, blank.reference);
        message.private_to = (message.flags & EPHEMERAL != 0).then_some(interaction.user);
        let id = message.id;
        self.publish(message);
        Ok(id)
    }

    fn blank_reply(&mut self, interaction: &Interaction) -> Message {
        Message {
            id: self.ids.next(),
            channel: interaction.channel,
            author: BOT,
            kind: if interaction.kind == Kind::Command { 20 } else { 0 },
            metadata: Some(interaction.metadata.clone()),
            ..Message::default()
        }
    }

    fn by_token(&self, token: &str, life: Duration) -> Result<Interaction, Refusal> {
        let interaction = self.tokens.get(token).and_then(|id| self.interactions.get(id));
        let interaction = interaction.ok_or_else(Refusal::unknown_webhook)?;
        if interaction.at.elapsed() > life {
            return Err(Refusal::invalid_webhook_token());
        }
        if interaction.answered.is_none() || interaction.kind == Kind::Autocomplete {
            return Err(Refusal::unknown_webhook());
        }
        Ok(interaction.clone())
    }

    fn follow_up_of(&self, token: &str, which: FollowUp, life: Duration) -> Result<(Interaction, u64), Refusal> {
        let interaction = self.by_token(token, life)?;
        let id = match which {
            FollowUp::Original => interaction.original.ok_or_else(Refusal::unknown_message)?,
            FollowUp::Message(id) => id,
        };
        let own = interaction.id.to_string();
        let is_its = self.messages.get(&id).is_some_and(|message| {
            let of = message.metadata.as_ref().is_some_and(|metadata| metadata["id"].as_str() == Some(&own));
            of || interaction.original == Some(id)
        });
        if is_its { Ok((interaction, id)) } else { Err(Refusal::unknown_message()) }
    }

    fn callback_answer(&self, interaction: &Interaction, kind: u64, body: &Body) -> (u16, Value) {
        if body.query.get("with_response").is_none_or(|value| value != "true") {
            return (204, Value::Null);
        }
        let mut answer =
            json!({ "interaction": { "id": interaction.id.to_string(), "type": interaction.kind as u64 } });
        if let Some(message) = interaction.original.and_then(|id| self.messages.get(&id)) {
            let flags = message.flags;
            answer["interaction"]["response_message_id"] = message.id.to_string().into();
            answer["interaction"]["response_message_loading"] = message.is_thinking().into();
            answer["interaction"]["response_message_ephemeral"] = (flags & EPHEMERAL != 0).into();
            if matches!(kind, 4 | 7) {
                answer["resource"] = json!({ "type": kind, "message": self.message_json(message, true) });
            }
        }
        (200, answer)
    }

    fn interaction_event(&self, interaction: &Interaction, token: &str, data: Value) -> Value {
        let mut event = json!({
            "id": interaction.id.to_string(), "application_id": BOT.to_string(), "type": interaction.kind as u64,
            "token": token, "version": 1,
            "channel_id": interaction.channel.to_string(), "locale": "en-US", "entitlements": [],
            "app_permissions": all_permissions().to_string(), "attachment_size_limit": 10_485_760,
        });
        event["data"] = data;
        let Some(channel) = self.channels.get(&interaction.channel) else { return event };
        event["channel"] = self.channel_json(channel);
        event["channel"]["permissions"] = all_permissions().to_string().into();
        event["app_permissions"] = self.permissions(channel).to_string().into();
        if channel.is_direct() {
            event["user"] = self.user(interaction.user);
            event["context"] = 1.into();
            event["authorizing_integration_owners"] = json!({ "0": "0" });
        } else {
            let mut member = self.member_of(interaction.user);
            member["user"] = self.user(interaction.user);
            member["permissions"] = all_permissions().to_string().into();
            event["member"] = member;
            event["context"] = 0.into();
            event["guild_id"] = GUILD.to_string().into();
            event["guild"] = json!({ "id": GUILD.to_string(), "locale": "en-US", "features": [] });
            event["guild_locale"] = "en-US".into();
            event["authorizing_integration_owners"] = json!({ "0": GUILD.to_string() });
        }
        if let Some(message) = interaction.source.and_then(|id| self.messages.get(&id)) {
            event["message"] = self.message_json(message, true);
        }
        event
    }
}

/// What an answer says that Discord does not take, beyond its published description.
pub(super) fn check_callback(body: &Value) -> Vec<(String, String)> {
    let data = &body["data"];
    let mistakes = match body["type"].as_u64() {
        Some(4 | 7) => form::check_message(data),
        Some(5) => {
            let more = data["flags"].as_u64().unwrap_or(0) & !EPHEMERAL;
            if more == 0 { Vec::new() } else { vec![("flags".to_owned(), "only EPHEMERAL can be set".to_owned())] }
        }
        Some(9) => form::check_modal(data),
        Some(_) | None => Vec::new(),
    };
    mistakes.into_iter().map(|(place, message)| (format!("data.{place}"), message)).collect()
}
