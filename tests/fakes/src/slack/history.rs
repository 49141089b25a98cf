//! `conversations.*`, `users.info` and `reactions.add`.

use serde_json::{Value, json};

use crate::slack::{
    call::{Answer, Arguments, Refusal},
    chat::{conversation, writable},
    clock,
    conversation::Conversation,
    message::Message,
    state::{BOT_USER, State},
    workspace::Workspace,
};

impl Workspace {
    /// The messages of a channel itself, newest first.
    pub(crate) fn history(&self, arguments: &Arguments) -> Answer {
        let channel = arguments.required("channel")?;
        self.check_readable(channel)?;
        let state = self.state();
        let found = conversation(&state, channel)?;
        let page = Page::read(arguments)?;
        let messages = found.top().rev().filter(|message| message.private_to.is_none());
        let (messages, next) = page.cut(messages, |message, cursor| message.micros <= cursor);
        Ok(page.answer(&state, found, &messages, next))
    }

    /// A message and its replies, oldest first.
    pub(crate) fn replies(&self, arguments: &Arguments) -> Answer {
        let (channel, ts) = (arguments.required("channel")?, arguments.required("ts")?);
        self.check_readable(channel)?;
        let state = self.state();
        let found = conversation(&state, channel)?;
        let parent = found.message(ts).filter(|message| message.private_to.is_none());
        let parent = parent.ok_or(Refusal::new("thread_not_found"))?;
        let page = Page::read(arguments)?;
        let messages = std::iter::once(parent).chain(found.public_replies(ts));
        let (messages, next) = page.cut(messages, |message, cursor| message.micros >= cursor);
        Ok(page.answer(&state, found, &messages, next))
    }

    pub(crate) fn conversation_info(&self, arguments: &Arguments) -> Answer {
        let channel = arguments.required("channel")?;
        let (description, scope) = {
            let state = self.state();
            let found = conversation(&state, channel)?;
            (found.describe(), found.read_scope())
        };
        self.check_scope(scope)?;
        Ok(json!({ "channel": description }))
    }

    pub(crate) fn open_conversation(&self, arguments: &Arguments) -> Answer {
        let users = match arguments.fields.get("users") {
            Some(Value::Array(users)) => users.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            Some(Value::String(users)) => users.clone(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => String::new(),
        };
        let mut state = self.state();
        if let Some(channel) = arguments.text("channel") {
            conversation(&state, channel)?;
            return Ok(json!({ "channel": { "id": channel }, "no_op": true, "already_open": true }));
        }
        if users.is_empty() {
            return Err(Refusal::new("users_list_not_supplied"));
        }
        if !state.users.contains_key(&users) {
            return Err(Refusal::new("user_not_found"));
        }
        let channel = state.direct(&users);
        let created = conversation(&state, &channel)?.created;
        Ok(json!({ "channel": { "id": channel, "created": created, "is_im": true, "user": users } }))
    }

    pub(crate) fn user_info(&self, arguments: &Arguments) -> Answer {
        let id = arguments.required("user")?;
        let state = self.state();
        let name = state.user_name(id).ok_or(Refusal::new("user_not_found"))?;
        Ok(json!({ "user": {
            "id": id,
            "team_id": state.team,
            "name": name,
            "real_name": name,
            "deleted": false,
            "is_bot": id == BOT_USER,
            "is_app_user": false,
            "is_admin": false,
            "is_owner": false,
            "tz": "Europe/Berlin",
            "tz_label": "Central European Time",
            "tz_offset": 3600,
            "updated": 1_700_000_000,
            "profile": { "display_name": name, "real_name": name, "team": state.team },
        } }))
    }

    pub(crate) fn add_reaction(&self, arguments: &Arguments) -> Answer {
        let (channel, ts) = (arguments.required("channel")?, arguments.required("timestamp")?);
        let name = arguments.required("name")?.to_owned();
        if !name.chars().all(|character| character.is_alphanumeric() || "_-+:".contains(character)) {
            return Err(Refusal::new("invalid_name"));
        }
        let mut state = self.state();
        writable(&mut state, channel)?;
        let found = state.conversations.get_mut(channel).ok_or(Refusal::new("channel_not_found"))?;
        if clock::parse_stamp(ts).is_none() {
            return Err(Refusal::new("bad_timestamp"));
        }
        // What one person alone sees takes no reactions.
        let message = found.message_mut(ts).filter(|message| message.private_to.is_none());
        let message = message.ok_or(Refusal::new("message_not_found"))?;
        match message.reactions.iter_mut().find(|(other, _)| *other == name) {
            Some((_, users)) if users.iter().any(|user| user == BOT_USER) => {
                return Err(Refusal::new("already_reacted"));
            }
            Some((_, users)) => users.push(BOT_USER.to_owned()),
            None => message.reactions.push((name, vec![BOT_USER.to_owned()])),
        }
        drop(state);
        self.wire.changed();
        Ok(json!({}))
    }

    fn check_readable(&self, channel: &str) -> Result<(), Refusal> {
        let (scope, is_member, is_denied) = {
            let state = self.state();
            let found = conversation(&state, channel)?;
            (found.history_scope(), found.is_member, state.is_history_denied)
        };
        if is_denied {
            return Err(Refusal { error: "missing_scope", more: json!({ "needed": scope, "provided": "chat:write" }) });
        }
        self.check_scope(scope)?;
        if is_member { Ok(()) } else { Err(Refusal::new("not_in_channel")) }
    }
}

/// The part of a history that a call asks for.
struct Page {
    oldest: Option<u64>,
    latest: Option<u64>,
    is_inclusive: bool,
    limit: usize,
    cursor: Option<u64>,
    with_metadata: bool,
}

impl Page {
    fn read(arguments: &Arguments) -> Result<Self, Refusal> {
        let bound = |key: &str, error: &'static str| match arguments.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => clock::parse_stamp(text).map(Some).ok_or(Refusal::new(error)),
            Some(Value::Number(number)) => clock::parse_stamp(&number.to_string()).map(Some).ok_or(Refusal::new(error)),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(Refusal::new(error)),
        };
        let limit = arguments.number("limit").unwrap_or(100);
        if limit == 0 || limit > 1000 {
            return Err(Refusal::new("invalid_limit"));
        }
        let cursor = match arguments.text("cursor") {
            None => None,
            Some(cursor) => {
                let at = cursor.strip_prefix("next_ts:").and_then(|at| at.parse().ok());
                Some(at.ok_or(Refusal::new("invalid_cursor"))?)
            }
        };
        Ok(Self {
            oldest: bound("oldest", "invalid_ts_oldest")?,
            latest: bound("latest", "invalid_ts_latest")?,
            is_inclusive: arguments.is_true("inclusive"),
            limit: usize::try_from(limit).unwrap_or(1000),
            cursor,
            with_metadata: arguments.is_true("include_all_metadata"),
        })
    }

    /// The messages of the page, and the first of the next one. `is_from` tells whether a message lies behind a cursor.
    fn cut<'a>(
        &self,
        messages: impl Iterator<Item = &'a Message>,
        is_from: impl Fn(&Message, u64) -> bool,
    ) -> (Vec<&'a Message>, Option<u64>) {
        let is_within = |message: &&Message| {
            let at = message.micros;
            let is_after = self.oldest.is_none_or(|oldest| at > oldest || self.is_inclusive && at == oldest);
            let is_before = self.latest.is_none_or(|latest| at < latest || self.is_inclusive && at == latest);
            is_after && is_before && self.cursor.is_none_or(|cursor| is_from(message, cursor))
        };
        let mut found: Vec<&Message> = messages.filter(is_within).take(self.limit + 1).collect();
        let next = (found.len() > self.limit).then(|| found.pop().map(|message| message.micros)).flatten();
        (found, next)
    }

    fn answer(&self, state: &State, conversation: &Conversation, messages: &[&Message], next: Option<u64>) -> Value {
        let shown: Vec<Value> = messages
            .iter()
            .map(|message| Value::Object(message.show(state, conversation, self.with_metadata)))
            .collect();
        let cursor = next.map(|at| format!("next_ts:{at}")).unwrap_or_default();
        json!({
            "messages": shown,
            "has_more": next.is_some(),
            "pin_count": 0,
            "response_metadata": { "next_cursor": cursor },
        })
    }
}
