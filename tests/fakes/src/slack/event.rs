//! Events as the Events API wraps them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::slack::{
    clock,
    conversation::Kind,
    state::{APP, BOT_USER, State, VERIFICATION_TOKEN},
    workspace::Workspace,
};

impl Workspace {
    /// What a message looks like to the app: a message event, and a mention beside it where the bot is mentioned. Each has
    /// its own id.
    pub(crate) fn message_events(&self, state: &mut State, channel: &str, ts: &str) -> Vec<Value> {
        let Some(conversation) = state.conversations.get(channel).filter(|conversation| conversation.is_member) else {
            return Vec::new();
        };
        let Some(message) = conversation.message(ts).filter(|message| message.private_to.is_none()) else {
            return Vec::new();
        };
        let mut event = message.show(state, conversation, true);
        strip_thread_counts(&mut event, message.thread_ts.is_none());
        event.insert("channel".into(), json!(channel));
        event.insert("event_ts".into(), json!(ts));
        let is_direct = matches!(conversation.kind, Kind::Direct(_));
        let mentions_bot = message.text.contains(&format!("<@{BOT_USER}>")) && !message.is_ours();
        let channel_type = conversation.channel_type();
        let is_wanted = self.wants_messages(state, channel);
        let mut events = Vec::new();
        // Mentions in a direct conversation are no mentions: the whole conversation is with the bot.
        if mentions_bot && !is_direct && self.wants("app_mention") && state.scopes.contains("app_mentions:read") {
            let mut mention = event.clone();
            mention.insert("type".into(), json!("app_mention"));
            events.push(wrap(state, Value::Object(mention)));
        }
        if is_wanted {
            event.insert("channel_type".into(), json!(channel_type));
            events.push(wrap(state, Value::Object(event)));
        }
        events
    }

    /// A message that was changed or deleted, as the app sees it.
    pub(crate) fn change_event(
        &self,
        state: &mut State,
        channel: &str,
        subtype: &str,
        fields: &Map<String, Value>,
    ) -> Option<Value> {
        if !self.wants_messages(state, channel) {
            return None;
        }
        let channel_type = state.conversations.get(channel)?.channel_type();
        let now = clock::stamp(clock::micros());
        let mut event = Map::from_iter([("type".to_owned(), json!("message")), ("subtype".to_owned(), json!(subtype))]);
        event.extend(fields.clone());
        event.extend([
            ("channel".to_owned(), json!(channel)),
            ("hidden".to_owned(), json!(true)),
            ("ts".to_owned(), json!(now)),
            ("event_ts".to_owned(), json!(now)),
            ("channel_type".to_owned(), json!(channel_type)),
        ]);
        Some(wrap(state, Value::Object(event)))
    }

    /// A person opened the app's home tab.
    pub(crate) fn home_event(&self, state: &mut State, user: &str) -> Option<Value> {
        if !self.wants("app_home_opened") {
            return None;
        }
        let channel = state.direct(user);
        let mut event = json!({
            "type": "app_home_opened",
            "user": user,
            "channel": channel,
            "event_ts": clock::stamp(clock::micros()),
            "tab": "home",
        });
        if let Some(view) = state.views.home(user) {
            event["view"] = view.show(state);
        }
        Some(wrap(state, event))
    }

    pub(crate) fn tell_all(self: &Arc<Self>, events: impl IntoIterator<Item = Value>) {
        for event in events {
            self.tell(Arc::new(event));
        }
    }

    fn wants(&self, event: &str) -> bool {
        self.options.events.contains(event)
    }

    fn wants_messages(&self, state: &State, channel: &str) -> bool {
        let Some(conversation) = state.conversations.get(channel) else { return false };
        let event = match conversation.kind {
            Kind::Channel => "message.channels",
            Kind::Group => "message.groups",
            Kind::Direct(_) => "message.im",
            Kind::Several(_) => "message.mpim",
        };
        conversation.is_member && self.wants(event) && state.scopes.contains(conversation.history_scope())
    }
}

/// An event in its envelope of the Events API.
pub(crate) fn wrap(state: &mut State, event: Value) -> Value {
    let id = state.make_id('E').replacen('E', "Ev", 1);
    let mut wrapped = json!({
        "token": VERIFICATION_TOKEN,
        "team_id": state.team,
        "context_team_id": state.team,
        "context_enterprise_id": null,
        "api_app_id": APP,
        "event": null,
        "type": "event_callback",
        "event_id": id,
        "event_time": clock::seconds(),
        "authorizations": [{
            "enterprise_id": null,
            "team_id": state.team,
            "user_id": BOT_USER,
            "is_bot": true,
            "is_enterprise_install": false,
        }],
        "is_ext_shared_channel": false,
        "event_context": format!("4-{id}"),
    });
    wrapped["event"] = event;
    wrapped
}

/// Events do not tell how many replies there are, and a message without a thread names none.
fn strip_thread_counts(event: &mut Map<String, Value>, is_top: bool) {
    for key in ["reply_count", "reply_users_count", "latest_reply", "reply_users", "is_locked", "subscribed"] {
        event.remove(key);
    }
    if is_top {
        event.remove("thread_ts");
    }
}
