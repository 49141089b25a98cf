//! What Slack sends, as far as it is read: the same in a socket's envelope and in a signed call.
//!
//! The client's own models are not used here: they drop what threads and repeats are known by (the thread of a
//! container, names of people), and refuse a payload with a field that they do not know.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One payload.
#[derive(Debug)]
pub(crate) enum Payload {
    Event(EventCallback),
    Command(SlashCommand),
    Interaction(Box<Interaction>),
}

/// An event of a subscription.
#[derive(Debug, Deserialize)]
pub(crate) struct EventCallback {
    #[serde(default)]
    pub(crate) team_id: String,
    pub(crate) event: Value,
}

/// A message, by `message` or by `app_mention`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    pub(crate) subtype: Option<String>,
    pub(crate) bot_id: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) user_team: Option<String>,
    pub(crate) user_profile: Option<Profile>,
    pub(crate) team: Option<String>,
    pub(crate) channel: String,
    pub(crate) channel_type: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) ts: String,
    pub(crate) thread_ts: Option<String>,
    pub(crate) edited: Option<Value>,
    pub(crate) hidden: bool,
    pub(crate) files: Vec<SharedFile>,
}

/// A file of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SharedFile {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) mimetype: Option<String>,
    pub(crate) mode: String,
    pub(crate) url_private: Option<String>,
    pub(crate) url_private_download: Option<String>,
}

/// What a message tells of its author, where it does.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    pub(crate) display_name: Option<String>,
    pub(crate) real_name: Option<String>,
    pub(crate) name: Option<String>,
}

/// Somebody looks at our page.
#[derive(Debug, Deserialize)]
pub(crate) struct HomeOpened {
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) tab: Option<String>,
}

/// `/kanban …`, which carries no thread.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SlashCommand {
    pub(crate) team_id: String,
    pub(crate) channel_id: String,
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    pub(crate) text: String,
    pub(crate) response_url: Option<String>,
    pub(crate) trigger_id: String,
}

/// A press, a form, a shortcut, or a field that is being filled in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Interaction {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) team: Option<Named>,
    pub(crate) user: Named,
    pub(crate) channel: Option<Named>,
    pub(crate) container: Container,
    pub(crate) message: Option<Message>,
    pub(crate) message_ts: Option<String>,
    pub(crate) view: Option<View>,
    pub(crate) actions: Vec<Action>,
    pub(crate) trigger_id: Option<String>,
    pub(crate) response_url: Option<String>,
    pub(crate) callback_id: Option<String>,
    pub(crate) action_id: Option<String>,
    pub(crate) value: Option<String>,
}

/// A person, team or channel.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) team_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Container {
    pub(crate) message_ts: Option<String>,
    pub(crate) channel_id: Option<String>,
    pub(crate) thread_ts: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) hash: Option<String>,
    pub(crate) callback_id: Option<String>,
    pub(crate) private_metadata: String,
    pub(crate) state: Option<State>,
}

/// What a form holds: by block, then by action.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) values: BTreeMap<String, BTreeMap<String, Filled>>,
}

/// What a field holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filled {
    pub(crate) value: Option<String>,
    pub(crate) selected_option: Option<Chosen>,
    pub(crate) selected_options: Vec<Chosen>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chosen {
    pub(crate) value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Action {
    pub(crate) action_id: String,
    pub(crate) text: Option<Label>,
    pub(crate) value: Option<String>,
    pub(crate) action_ts: Option<String>,
}

/// The label of a button.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Label {
    pub(crate) text: String,
}

impl Message {
    /// The name of its author, where it tells one.
    pub(crate) fn name(&self) -> Option<&str> {
        let profile = self.user_profile.as_ref()?;
        let names = [&profile.display_name, &profile.real_name, &profile.name];
        names.into_iter().flatten().map(String::as_str).find(|name| !name.is_empty())
    }

    /// Whether somebody said it, rather than that Slack notes a change.
    pub(crate) fn is_said(&self) -> bool {
        let is_new = matches!(self.subtype.as_deref(), None | Some("file_share" | "thread_broadcast" | "bot_message"));
        is_new && !self.hidden && !self.ts.is_empty()
    }
}

impl Payload {
    /// Reads the payload of an envelope, by the envelope's type. None for a type that we do not know.
    pub(crate) fn of_envelope(kind: &str, payload: Value) -> Option<serde_json::Result<Self>> {
        match kind {
            "events_api" => Some(serde_json::from_value(payload).map(Self::Event)),
            "slash_commands" => Some(serde_json::from_value(payload).map(Self::Command)),
            "interactive" => Some(serde_json::from_value(payload).map(Self::Interaction)),
            _ => None,
        }
    }

    /// Reads the body of a signed call, all kinds on one path.
    pub(crate) fn of_form(body: &str) -> serde_json::Result<Self> {
        let fields: BTreeMap<String, String> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        match fields.get("payload") {
            Some(payload) => serde_json::from_str(payload).map(Self::Interaction),
            None => {
                let fields = serde_json::to_value(fields)?;
                serde_json::from_value(fields).map(Self::Command)
            }
        }
    }
}

impl Interaction {
    pub(crate) fn channel(&self) -> Option<&str> {
        let named = self.channel.as_ref().map(|channel| channel.id.as_str());
        named.or(self.container.channel_id.as_deref()).filter(|channel| !channel.is_empty())
    }
}
