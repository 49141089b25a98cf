//! What people do beyond typing messages: slash commands, buttons, shortcuts.

use std::sync::Arc;

use kanban_platform::Thread;
use serde_json::{Map, Value, json};

use crate::slack::{
    clock,
    envelope::{Kind, Outcome},
    mrkdwn::plain,
    reader::list,
    state::{APP, State, TEAM_DOMAIN, VERIFICATION_TOKEN},
    typed,
    view::View,
    workspace::Workspace,
};

/// Something that a person did and that did not reach the app: Slack shows them an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub person: String,
    /// `slash_commands` or `interactive`.
    pub what: String,
    /// `operation_timeout` where the app did not answer in time, `dispatch_failed` where it was not there.
    pub error: String,
}

impl Workspace {
    /// A person sends a slash command.
    ///
    /// # Panics
    /// In a thread, where Slack does not offer the commands of apps.
    pub(crate) async fn slash(self: &Arc<Self>, name: &str, place: &Thread, text: &str) -> Option<Value> {
        assert!(
            place.thread.is_none(),
            "the slash commands of apps cannot be used in message threads: `/kanban {text}` in `{place}`"
        );
        let (payload, response_url) = self.slash_payload(name, &place.channel, text);
        let answer = self.act(name, Kind::Slash, payload, true).await;
        if let Some(answer) = &answer {
            self.show_acknowledgement(&response_url, answer);
        }
        answer
    }

    pub(crate) fn slash_payload(&self, name: &str, channel: &str, text: &str) -> (Value, String) {
        let mut state = self.state();
        let user = state.user(name);
        let channel_name =
            state.conversations.get(channel).map_or_else(String::new, |conversation| conversation.name.clone());
        let response_url = state.response_url(&self.base, channel, None, &user, None);
        let payload = json!({
            "token": VERIFICATION_TOKEN,
            "team_id": state.team,
            "team_domain": TEAM_DOMAIN,
            "channel_id": channel,
            "channel_name": channel_name,
            "user_id": user,
            "user_name": name,
            "command": "/kanban",
            "text": typed::arguments(&state, text),
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": response_url,
            "trigger_id": state.trigger(&user),
        });
        (payload, response_url)
    }

    /// A person presses a button of a message.
    ///
    /// # Panics
    /// When there is no such message or button, or when the person cannot see it.
    pub(crate) async fn press(self: &Arc<Self>, name: &str, place: &Thread, ts: &str, label: &str) {
        let payload = {
            let mut state = self.state();
            let user = state.user(name);
            let conversation = state.conversations.get(&place.channel);
            let message = conversation.and_then(|conversation| conversation.message(ts)).cloned();
            let message = message.unwrap_or_else(|| panic!("there is no message `{ts}` in `{place}`"));
            let is_private = message.private_to.is_some();
            assert!(
                message.private_to.as_ref().is_none_or(|only| *only == user),
                "`{name}` does not see the message `{ts}`, which is for somebody else"
            );
            let (block, button) = find_button(&message.blocks, label).unwrap_or_else(|| {
                panic!("the message `{ts}` has no button `{label}`; it has {:?}", message.reading.buttons)
            });
            let thread_ts = message.thread_ts.clone();
            let url = state.response_url(&self.base, &place.channel, thread_ts.clone(), &user, Some(ts.to_owned()));
            let mut payload = interaction(&mut state, "block_actions", &user);
            let mut container = json!({
                "type": "message",
                "message_ts": ts,
                "channel_id": place.channel,
                "is_ephemeral": is_private,
            });
            if let Some(thread_ts) = &thread_ts {
                container["thread_ts"] = json!(thread_ts);
            }
            payload.insert("container".into(), container);
            if let Some(conversation) = state.conversations.get(&place.channel) {
                payload.insert("channel".into(), json!({ "id": conversation.id, "name": conversation.name }));
                // Of a private message only its container is told.
                if !is_private {
                    payload.insert("message".into(), Value::Object(message.show(&state, conversation, true)));
                }
            }
            payload.insert("state".into(), json!({ "values": {} }));
            payload.insert("response_url".into(), json!(url));
            payload.insert("actions".into(), json!([action(&block, &button)]));
            Value::Object(payload)
        };
        self.act(name, Kind::Interactive, payload, false).await;
    }

    /// A person presses a button of the modal that they see, or else of their home tab.
    ///
    /// # Panics
    /// When there is no such view or button.
    pub(crate) async fn press_in_view(self: &Arc<Self>, name: &str, label: &str) {
        let payload = {
            let mut state = self.state();
            let user = state.user(name);
            let view = state.views.open(&user).or_else(|| state.views.home(&user)).cloned();
            let view = view.unwrap_or_else(|| panic!("`{name}` sees no view"));
            let (block, button) =
                find_button(view.blocks(), label).unwrap_or_else(|| panic!("the view has no button `{label}`"));
            let mut payload = view_interaction(&mut state, "block_actions", &user, &view);
            payload.insert("container".into(), json!({ "type": "view", "view_id": view.id }));
            payload.insert("actions".into(), json!([action(&block, &button)]));
            Value::Object(payload)
        };
        self.act(name, Kind::Interactive, payload, false).await;
    }

    /// A person uses a shortcut of the app on a message.
    ///
    /// # Panics
    /// When there is no such message.
    pub(crate) async fn shortcut(self: &Arc<Self>, name: &str, place: &Thread, ts: &str, callback: &str) {
        let payload = {
            let mut state = self.state();
            let user = state.user(name);
            let url = state.response_url(&self.base, &place.channel, place.thread.clone(), &user, None);
            let mut payload = interaction(&mut state, "message_action", &user);
            let conversation = state.conversations.get(&place.channel);
            let conversation = conversation.unwrap_or_else(|| panic!("there is no channel `{place}`"));
            let message = conversation.message(ts).unwrap_or_else(|| panic!("there is no message `{ts}` in `{place}`"));
            payload.extend([
                ("callback_id".to_owned(), json!(callback)),
                ("action_ts".to_owned(), json!(clock::stamp(clock::micros()))),
                ("channel".to_owned(), json!({ "id": conversation.id, "name": conversation.name })),
                ("message_ts".to_owned(), json!(ts)),
                ("message".to_owned(), Value::Object(message.show(&state, conversation, true))),
                ("response_url".to_owned(), json!(url)),
            ]);
            Value::Object(payload)
        };
        self.act(name, Kind::Interactive, payload, false).await;
    }

    /// Sends what a person did, and waits until the app has acknowledged it. Of a failure the person sees an error.
    pub(crate) async fn act(
        self: &Arc<Self>,
        name: &str,
        kind: Kind,
        payload: Value,
        takes_answer: bool,
    ) -> Option<Value> {
        let error = match self.ask(kind, payload, takes_answer).await {
            Ok(Outcome::Acknowledged(answer)) => return answer,
            Ok(Outcome::Failed(error)) => error,
            Err(_) => "dispatch_failed",
        };
        let failure = Failure { person: name.to_owned(), what: kind.name().to_owned(), error: error.to_owned() };
        self.state().failures.push(failure);
        self.wire.changed();
        None
    }
}

/// What all interactions have.
pub(crate) fn interaction(state: &mut State, kind: &str, user: &str) -> Map<String, Value> {
    let trigger = state.trigger(user);
    Map::from_iter([
        ("type".to_owned(), json!(kind)),
        ("team".to_owned(), state.team_json()),
        ("user".to_owned(), state.user_json(user)),
        ("api_app_id".to_owned(), json!(APP)),
        ("token".to_owned(), json!(VERIFICATION_TOKEN)),
        ("trigger_id".to_owned(), json!(trigger)),
        ("is_enterprise_install".to_owned(), json!(false)),
        ("enterprise".to_owned(), Value::Null),
    ])
}

/// An interaction with a view.
pub(crate) fn view_interaction(state: &mut State, kind: &str, user: &str, view: &View) -> Map<String, Value> {
    let mut payload = interaction(state, kind, user);
    payload.insert("view".into(), view.show(state));
    payload
}

/// A button by its label, with the block that it is in.
fn find_button(blocks: &[Value], label: &str) -> Option<(Value, Value)> {
    blocks.iter().find_map(|block| {
        let elements = list(&block["elements"]).iter().chain([&block["accessory"]]);
        let mut buttons = elements.filter(|element| element["type"] == "button");
        let found = buttons.find(|button| plain(button["text"]["text"].as_str().unwrap_or_default()) == label)?;
        Some((block.clone(), found.clone()))
    })
}

fn action(block: &Value, button: &Value) -> Value {
    let mut action = button.clone();
    if let Some(action) = action.as_object_mut() {
        action.remove("confirm");
    }
    action["block_id"] = block["block_id"].clone();
    action["action_ts"] = json!(clock::stamp(clock::micros()));
    action
}
