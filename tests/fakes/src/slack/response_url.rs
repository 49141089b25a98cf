//! The address by which an app answers what a person did: five times within half an hour.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::slack::{
    call::{Arguments, Refusal, Reply},
    chat::show,
    content::Content,
    message::Message,
    road::{Refusals, Road},
    state::{BOT_USER, State},
    web::plain_refusal,
    workspace::Workspace,
};

#[derive(Clone, Debug)]
pub(crate) struct ResponseUrl {
    pub(crate) channel: String,
    pub(crate) thread_ts: Option<String>,
    /// The person who did something.
    pub(crate) user: String,
    /// The message that it was done to: one with a button, or the first answer.
    pub(crate) original: Option<String>,
    pub(crate) uses: u32,
    pub(crate) is_expired: bool,
    pub(crate) made: Instant,
}

impl State {
    /// A new address for something that a person did.
    pub(crate) fn response_url(
        &mut self,
        base: &str,
        channel: &str,
        thread_ts: Option<String>,
        user: &str,
        original: Option<String>,
    ) -> String {
        let secret = self.make_secret();
        let url = ResponseUrl {
            channel: channel.to_owned(),
            thread_ts,
            user: user.to_owned(),
            original,
            uses: 0,
            is_expired: false,
            made: Instant::now(),
        };
        self.response_urls.insert(secret.clone(), url);
        format!("{base}/respond/{secret}")
    }
}

/// `POST /respond/{secret}`.
pub(crate) async fn answer(
    Shared(workspace): Shared<Arc<Workspace>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arguments = Arguments::read(None, &headers, &body);
    let channel = workspace.state().response_urls.get(&secret).map(|url| url.channel.clone());
    let road = Road {
        route: "response_url".to_owned(),
        channel,
        body: arguments.as_ref().map_or(Value::Null, Arguments::body),
        bucket: format!("response_url {secret}"),
        is_post: true,
        rate: (60, 5),
    };
    let refusals = Refusals {
        refuse: plain_refusal(StatusCode::BAD_REQUEST, "invalid_blocks"),
        gone: plain_refusal(StatusCode::NOT_FOUND, "channel_not_found"),
    };
    let done = Arc::clone(&workspace);
    workspace
        .go(road, refusals, move || {
            match arguments.and_then(|arguments| {
                let content = done.response_content(&arguments)?;
                done.respond(&secret, &arguments, content)
            }) {
                // The answer of the real one is this word, and no JSON.
                Ok(()) => Reply::text(StatusCode::OK, "ok"),
                Err(refusal) => {
                    let is_over = matches!(refusal.error, "used_url" | "expired_url");
                    let status = if is_over { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
                    Reply::with(status, &refusal.body())
                }
            }
        })
        .await
}

impl Workspace {
    /// The content of an answer, which may be none when it only deletes.
    fn response_content(&self, arguments: &Arguments) -> Result<Content, Refusal> {
        if arguments.is_true("delete_original") {
            Ok(Content::default())
        } else {
            self.content(arguments, None, 40_000)
        }
    }

    fn respond(self: &Arc<Self>, secret: &str, arguments: &Arguments, content: Content) -> Result<(), Refusal> {
        let events = {
            let mut state = self.state();
            let url = state.response_urls.get_mut(secret).ok_or(Refusal::new("expired_url"))?;
            if url.is_expired || url.made.elapsed() > self.options.response_url_lives {
                return Err(Refusal::new("expired_url"));
            }
            if url.uses >= 5 {
                drop(state);
                self.wire.complain("a `response_url` used more than five times");
                return Err(Refusal::new("used_url"));
            }
            url.uses += 1;
            let url = url.clone();
            self.put(&mut state, secret, &url, arguments, content)?
        };
        self.wire.changed();
        self.tell_all(events);
        Ok(())
    }

    /// Puts an answer where it belongs. A private message is only ever changed on this way.
    fn put(
        &self,
        state: &mut State,
        secret: &str,
        url: &ResponseUrl,
        arguments: &Arguments,
        content: Content,
    ) -> Result<Vec<Value>, Refusal> {
        let original = url.original.clone().filter(|ts| {
            state.conversations.get(&url.channel).is_some_and(|conversation| conversation.message(ts).is_some())
        });
        if arguments.is_true("delete_original") {
            let Some(ts) = original else { return Ok(Vec::new()) };
            return Ok(self.delete(state, &url.channel, &ts).into_iter().collect());
        }
        if arguments.is_true("replace_original")
            && let Some(ts) = original
        {
            let previous = show(state, &url.channel, &ts);
            let changed = state.change(&url.channel, &ts, |message| {
                message.text = content.text.unwrap_or_default();
                message.blocks = content.blocks.unwrap_or_default();
                message.attachments = content.attachments.unwrap_or_default();
                message.has_markup = content.has_markup;
                message.links_names = content.links_names;
            });
            if changed.is_none_or(|message| message.private_to.is_some()) {
                return Ok(Vec::new());
            }
            let fields = Map::from_iter([
                ("message".to_owned(), show(state, &url.channel, &ts)),
                ("previous_message".to_owned(), previous),
            ]);
            return Ok(self.change_event(state, &url.channel, "message_changed", &fields).into_iter().collect());
        }
        let is_public = arguments.text("response_type") == Some("in_channel");
        let thread_ts = arguments.text("thread_ts").map(str::to_owned).or_else(|| url.thread_ts.clone());
        let message = Message {
            thread_ts,
            user: BOT_USER.to_owned(),
            text: content.text.unwrap_or_default(),
            blocks: content.blocks.unwrap_or_default(),
            attachments: content.attachments.unwrap_or_default(),
            metadata: content.metadata.filter(|_| is_public),
            private_to: (!is_public).then(|| url.user.clone()),
            has_markup: content.has_markup,
            links_names: content.links_names,
            ..Message::default()
        };
        let ts = state.add(&url.channel, message).ok_or(Refusal::new("channel_not_found"))?;
        if let Some(url) = state.response_urls.get_mut(secret) {
            url.original.get_or_insert_with(|| ts.clone());
        }
        Ok(self.message_events(state, &url.channel, &ts))
    }

    /// Shows what the acknowledgement of a slash command carries, as a first answer that needs no address.
    pub(crate) fn show_acknowledgement(self: &Arc<Self>, response_url: &str, answer: &Value) {
        let Some(fields) = answer.as_object().filter(|fields| !fields.is_empty()) else { return };
        let secret = response_url.rsplit('/').next().unwrap_or_default();
        let arguments = Arguments { fields: fields.clone(), token: None };
        // A mere `response_type` shows the typed command to the others and says nothing.
        if ["text", "blocks", "attachments"].iter().all(|key| arguments.fields.get(*key).is_none_or(Value::is_null)) {
            return;
        }
        let Some(url) = self.state().response_urls.get(secret).cloned() else { return };
        let shown = self.content(&arguments, None, 40_000).and_then(|content| {
            let mut state = self.state();
            self.put(&mut state, secret, &url, &arguments, content)
        });
        match shown {
            Ok(events) => {
                self.wire.changed();
                self.tell_all(events);
            }
            Err(refusal) => self.wire.complain(format!(
                "an acknowledgement whose message is refused: {} {}",
                refusal.error,
                json!(refusal.more)
            )),
        }
    }
}
