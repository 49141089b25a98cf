//! Looking for a message of ours in a conversation, where an earlier attempt may have arrived.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kanban_platform::{PostError, Thread, Urgency};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Now,
    failure::Failure,
    outbound::METADATA,
    payload::Message,
    web::{Method, Web},
};

/// How far Slack's clock and ours may be apart, in seconds.
const MARGIN: i64 = 300;

/// A message may be seen in the history only some time after it was taken.
const VISIBLE_AFTER: Duration = Duration::from_secs(2);

/// How many messages one call asks for, and how many calls are made at most.
const PAGE: usize = 200;
const PAGES: usize = 20;

/// How many messages are told as what was said last.
const MOST_RECENT: usize = 20;

/// The longest page of a thread.
const WHOLE_THREAD: usize = 1_000;

pub(crate) struct History {
    web: Arc<Web>,
    now: Arc<Now>,
    /// That the history may not be read was said.
    is_closed: AtomicBool,
    /// What was sent a moment ago, and when.
    recent: Mutex<HashMap<String, Instant>>,
}

/// What a message is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark<'a> {
    Delivery(&'a str),
    /// The unique name of a file.
    File(&'a str),
}

impl History {
    pub(crate) fn new(web: Arc<Web>, now: Arc<Now>) -> Self {
        Self { web, now, is_closed: AtomicBool::new(false), recent: Mutex::default() }
    }

    /// Looks for a message that was sent at `since` (unix milliseconds) or later. None when it is certain that there is
    /// none, or that nobody may ever know; whoever cannot look now must not send.
    pub(crate) async fn find(
        &self,
        thread: &Thread,
        mark: Mark<'_>,
        since: i64,
        urgency: Urgency,
    ) -> Result<Option<String>, PostError> {
        match self.look(thread, mark, since, urgency).await {
            Ok(Some(message)) => return Ok(Some(message)),
            Ok(None) => {}
            Err(failure) => return self.judge(failure),
        }
        let wait = self.until_visible(mark, since);
        if wait.is_zero() {
            return Ok(None);
        }
        tokio::time::sleep(wait).await;
        self.look(thread, mark, since, urgency).await.or_else(|failure| self.judge(failure))
    }

    /// The last messages before another one, oldest first, at most `count`, in one call. None where that fails.
    pub(crate) async fn before(&self, thread: &Thread, before: Option<&str>, count: usize) -> Vec<Message> {
        let mut arguments = vec![("channel", thread.channel.clone())];
        if let Some(before) = before {
            arguments.push(("latest", before.to_owned()));
            arguments.push(("inclusive", "false".to_owned()));
        }
        let name = match &thread.thread {
            // A thread is told from its beginning, so that its end comes only with all of it.
            Some(ts) => {
                arguments.extend([("ts", ts.clone()), ("limit", WHOLE_THREAD.to_string())]);
                "conversations.replies"
            }
            None => {
                arguments.push(("limit", count.clamp(1, MOST_RECENT).to_string()));
                "conversations.history"
            }
        };
        let method = Method { name, channel: Some(&thread.channel), urgency: Urgency::Reply };
        let page = match self.web.get(method, &arguments).await {
            Ok(page) => page,
            Err(failure) => {
                tracing::info!(reason = failure.reason(), place = %thread, "what was said before cannot be read");
                return Vec::new();
            }
        };
        let told = page["messages"].as_array().into_iter().flatten();
        let mut messages: Vec<Message> =
            told.filter_map(|message| serde_json::from_value(message.clone()).ok()).collect();
        if thread.thread.is_none() {
            messages.reverse();
        } else if page["has_more"] == true {
            // The end of so long a thread is on a later page; its beginning is not what was said last.
            return Vec::new();
        }
        // The first message of a thread is told whatever was asked for.
        messages.retain(|message| message.is_said() && before.is_none_or(|before| is_before(&message.ts, before)));
        messages.split_off(messages.len().saturating_sub(count.min(MOST_RECENT)))
    }

    /// Says that a message is being sent, which may be doubted later.
    pub(crate) fn sending(&self, mark: Mark<'_>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, at| at.elapsed() < VISIBLE_AFTER);
        recent.insert(mark.text().to_owned(), Instant::now());
    }

    /// How long it is until the latest attempt must be visible, if it arrived.
    fn until_visible(&self, mark: Mark<'_>, since: i64) -> Duration {
        let age = Duration::from_millis(u64::try_from((self.now)() - since).unwrap_or(0));
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = recent.get(mark.text()).map_or(age, Instant::elapsed);
        VISIBLE_AFTER.saturating_sub(age.min(latest))
    }

    fn judge(&self, failure: Failure) -> Result<Option<String>, PostError> {
        match failure {
            // Nothing will ever be found here: then a message that shows twice is better than one that is lost.
            Failure::No(code) if matches!(code.as_str(), "missing_scope" | "not_allowed_token_type") => {
                if !self.is_closed.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "Slack says `{code}`: the app may not read where it writes, so a post whose answer was lost may \
                         show twice; add the scopes `channels:history`, `groups:history` and `im:history`"
                    );
                }
                Ok(None)
            }
            failure => Err(failure.into_post_error()),
        }
    }

    async fn look(
        &self,
        thread: &Thread,
        mark: Mark<'_>,
        since: i64,
        urgency: Urgency,
    ) -> Result<Option<String>, Failure> {
        let oldest = since.div_euclid(1000) - MARGIN;
        let mut arguments = vec![
            ("channel", thread.channel.clone()),
            ("oldest", format!("{}.000000", oldest.max(0))),
            ("include_all_metadata", "true".to_owned()),
            ("limit", PAGE.to_string()),
        ];
        let name = match &thread.thread {
            Some(ts) => {
                arguments.push(("ts", ts.clone()));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        let method = Method { name, channel: Some(&thread.channel), urgency };
        let fixed = arguments.len();
        for _ in 0..PAGES {
            let page = self.web.get(method, &arguments).await?;
            let Some(messages) = page["messages"].as_array() else {
                return Err(Failure::Unknown("Slack's history cannot be read"));
            };
            if let Some(found) = messages.iter().find(|message| mark.is_on(message)) {
                return Ok(found["ts"].as_str().map(str::to_owned));
            }
            match page["response_metadata"]["next_cursor"].as_str() {
                Some(cursor) if !cursor.is_empty() => {
                    arguments.truncate(fixed);
                    arguments.push(("cursor", cursor.to_owned()));
                }
                Some(_) | None => return Ok(None),
            }
        }
        Err(Failure::Unknown("there is too much history to look through"))
    }
}

/// Whether one time of Slack's, seconds and digits behind a point, is before another.
fn is_before(ts: &str, other: &str) -> bool {
    let key = |ts: &str| {
        let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
        (seconds.parse::<u64>().unwrap_or_default(), fraction.to_owned())
    };
    key(ts) < key(other)
}

impl<'a> Mark<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Delivery(text) | Self::File(text) => text,
        }
    }

    fn is_on(self, message: &Value) -> bool {
        match self {
            Self::Delivery(delivery) => {
                let metadata = &message["metadata"];
                metadata["event_type"] == METADATA && metadata["event_payload"]["delivery"] == delivery
            }
            Self::File(name) => {
                message["files"].as_array().is_some_and(|files| files.iter().any(|file| file["name"] == name))
            }
        }
    }
}
