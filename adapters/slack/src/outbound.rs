//! Posts, answers and edits on their way to Slack.
//!
//! Slack knows no key by which a repeat is the same message. So each message carries its delivery as metadata, and in
//! doubt is looked for before it is sent again; an edit may be repeated as it is. An answer that one person alone sees
//! is in no history: in doubt it is sent again, rather than lost.

use std::sync::Arc;

use kanban_platform::{Block, Opening, Post, PostError, PostKind, Thread, file_name};
use serde_json::{Value, json};

use crate::{
    Now, blocks,
    failure::Failure,
    files::{Content, Files},
    history::{History, Mark},
    return_address::ReturnAddress,
    web::{Method, Web},
};

/// The type of metadata that our messages carry.
pub(crate) const METADATA: &str = "kanban_delivery";

/// The sign that a message was taken in: 👀.
const TAKEN_IN: &str = "eyes";

pub(crate) struct Outbound {
    web: Arc<Web>,
    now: Arc<Now>,
    history: History,
    files: Files,
}

impl Outbound {
    pub(crate) fn new(web: Arc<Web>, now: Arc<Now>) -> Self {
        let history = History::new(Arc::clone(&web), Arc::clone(&now));
        let files = Files::new(Arc::clone(&web));
        Self { web, now, history, files }
    }

    /// Delivers a post and answers the message's `ts`, or nothing where a message has none that could be edited.
    pub(crate) async fn post(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        let answer_to = match &post.kind {
            PostKind::Edit { message } => return self.edit(post, message).await,
            PostKind::Reaction { message } => return self.react(post, message).await,
            PostKind::Reply { .. } if post.body.is_empty() && post.buttons.is_empty() => return Ok(String::new()),
            PostKind::Reply { return_address, .. } => return_address.as_deref().and_then(ReturnAddress::from_json),
            PostKind::News => None,
        };
        let response_url = answer_to.as_ref().and_then(|to| to.response_url_at((self.now)()));
        match &answer_to {
            // Nobody else reads a direct conversation, and a message in it can be looked for.
            Some(to) if post.private && !is_direct(&post.thread.channel) => {
                self.whisper(post, to, in_doubt_since).await
            }
            Some(_) | None => match (self.publish(post, in_doubt_since).await, response_url) {
                // Commands can be typed where we are not. Then the person who typed it sees the answer at least.
                (Err(PostError::Gone(_)), Some(url)) => {
                    let mut body = post.body.clone();
                    if !post.private {
                        let note = "Only you can see this, for I am not in this conversation: `/invite` me.";
                        body.push(Block::Footer(note.to_owned()));
                    }
                    self.respond(url, &body, post, false).await.map_err(Failure::into_post_error)?;
                    Ok(String::new())
                }
                (published, _) => published,
            },
        }
    }

    /// A thread of Slack's is there as soon as something is posted into it: all that it needs is the message.
    pub(crate) fn open(opening: &Opening) -> Result<Thread, PostError> {
        if opening.channel.thread.is_some() {
            return Err(PostError::Refused("Slack has no threads within threads".to_owned()));
        }
        if opening.message.is_empty() {
            return Err(PostError::Refused("a message that one person alone sees has no thread".to_owned()));
        }
        Ok(Thread { thread: Some(opening.message.clone()), ..opening.channel.clone() })
    }

    /// Sets the sign that a message was taken in. Where it cannot be set, nothing is shown and nothing is wrong.
    async fn react(&self, post: &Post, message: &str) -> Result<String, PostError> {
        let body = json!({"channel": post.thread.channel, "timestamp": message, "name": TAKEN_IN});
        match self.web.post(method("reactions.add", post), &body).await {
            Ok(_) => Ok(String::new()),
            Err(failure) if failure.is_final() => {
                tracing::debug!(reason = failure.reason(), "no sign was set below a message");
                Ok(String::new())
            }
            Err(failure) => Err(failure.into_post_error()),
        }
    }

    /// A message that everybody in the thread sees.
    async fn publish(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        let sent = match in_doubt_since {
            Some(since) => self.history.find(&post.thread, Mark::Delivery(&post.delivery), since, post.urgency).await?,
            None => None,
        };
        let message = match sent {
            Some(message) => message,
            None if is_files_alone(post) => String::new(),
            None => self.send(post).await.map_err(Failure::into_post_error)?,
        };
        self.attach(post, &post.thread.channel, post.thread.thread.as_deref(), in_doubt_since).await.map_err(
            |error| {
                match error {
                    // The text has arrived: the next attempt must look for it.
                    PostError::Later(_, why) if !message.is_empty() => PostError::Ambiguous(why),
                    PostError::Later(..) | PostError::Gone(_) | PostError::Refused(_) | PostError::Ambiguous(_) => {
                        error
                    }
                }
            },
        )?;
        Ok(message)
    }

    async fn send(&self, post: &Post) -> Result<String, Failure> {
        self.history.sending(Mark::Delivery(&post.delivery));
        let mut message = message(&post.body, post);
        message["channel"] = post.thread.channel.as_str().into();
        message["mrkdwn"] = false.into();
        message["unfurl_links"] = false.into();
        message["unfurl_media"] = false.into();
        message["metadata"] = json!({"event_type": METADATA, "event_payload": {"delivery": post.delivery}});
        if let Some(thread) = &post.thread.thread {
            message["thread_ts"] = thread.as_str().into();
        }
        let answer = self.web.post(method("chat.postMessage", post), &message).await?;
        match answer["ts"].as_str() {
            Some(ts) => Ok(ts.to_owned()),
            None => Err(Failure::Unknown("Slack's answer names no message")),
        }
    }

    async fn edit(&self, post: &Post, ts: &str) -> Result<String, PostError> {
        if ts.is_empty() {
            return Err(PostError::Refused("a message that one person alone sees cannot be edited".to_owned()));
        }
        let mut message = message(&post.body, post);
        message["channel"] = post.thread.channel.as_str().into();
        message["ts"] = ts.into();
        self.web.post(method("chat.update", post), &message).await.map_err(Failure::into_post_error)?;
        Ok(ts.to_owned())
    }

    /// An answer that one person alone sees.
    async fn whisper(&self, post: &Post, to: &ReturnAddress, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        let mut body = post.body.clone();
        if body.iter().any(Block::is_file) {
            // A file can be seen by a whole conversation or not at all, so it goes to the one with that person.
            let note = match self.hand_over(post, to, in_doubt_since).await {
                Ok(()) => "All of it is in a file in our direct messages.".to_owned(),
                Err(PostError::Gone(why) | PostError::Refused(why)) => {
                    format!("All of it is in a file that could not be sent: {why}.")
                }
                Err(error) => return Err(error),
            };
            body.push(Block::Footer(note));
        }
        if let Some(url) = to.response_url_at((self.now)()) {
            let may_replace = to.may_replace && in_doubt_since.is_some();
            match self.respond(url, &body, post, may_replace).await {
                Ok(()) => return Ok(String::new()),
                // It has been used five times, or is not good any more.
                Err(Failure::No(_) | Failure::Status(_)) => {}
                Err(failure) => return Err(failure.into_post_error()),
            }
        }
        let mut message = message(&body, post);
        message["channel"] = post.thread.channel.as_str().into();
        message["user"] = to.user.as_str().into();
        if let Some(thread) = &post.thread.thread {
            message["thread_ts"] = thread.as_str().into();
        }
        match self.web.post(method("chat.postEphemeral", post), &message).await {
            Ok(_) => Ok(String::new()),
            // The person has left, or is nobody to whom something can be whispered. The thread is none the worse.
            Err(Failure::No(code)) if code.starts_with("user_") => {
                Err(PostError::Refused(format!("Slack says `{code}`")))
            }
            Err(failure) => Err(failure.into_post_error()),
        }
    }

    /// Answers at the address of the interaction. Replacing is asked for where an earlier answer may have arrived; Slack
    /// does so where it can, and else shows it twice, to that one person.
    async fn respond(&self, url: &str, body: &[Block], post: &Post, may_replace: bool) -> Result<(), Failure> {
        let mut answer = json!({"response_type": "ephemeral", "replace_original": may_replace});
        let message = message(body, post);
        answer["text"] = message["text"].clone();
        answer["blocks"] = message["blocks"].clone();
        self.web.respond(url, &answer).await
    }

    /// Puts the files of a private answer into the direct conversation with the person.
    async fn hand_over(&self, post: &Post, to: &ReturnAddress, in_doubt_since: Option<i64>) -> Result<(), PostError> {
        let opened = self.web.post(method("conversations.open", post), &json!({"users": to.user})).await;
        let opened = opened.map_err(|failure| match failure {
            // Without the scope the answer itself must not wait.
            Failure::No(code) => PostError::Refused(format!("Slack says `{code}`")),
            failure => failure.into_post_error(),
        })?;
        let channel = opened["channel"]["id"].as_str().unwrap_or_default();
        self.attach(post, channel, None, in_doubt_since).await
    }

    /// Puts the files of a post into a conversation, those that are not there yet.
    async fn attach(
        &self,
        post: &Post,
        channel: &str,
        thread: Option<&str>,
        in_doubt_since: Option<i64>,
    ) -> Result<(), PostError> {
        let files = post.body.iter().filter_map(|block| match block {
            Block::File { name, text } => Some((name, Content::Text(text))),
            Block::Stored { name, path, media_type, .. } => {
                Some((name, Content::Stored { path, media_type: media_type.as_deref() }))
            }
            Block::Title(_) | Block::Text(_) | Block::Quote(_) | Block::Code(_) | Block::Footer(_) => None,
        });
        let mut place = post.thread.clone();
        (place.channel, place.thread) = (channel.to_owned(), thread.map(str::to_owned));
        for (number, (name, content)) in files.enumerate() {
            let name = file_name(name);
            let unique = unique_name(&post.delivery, number, &name);
            if let Some(since) = in_doubt_since
                && self.history.find(&place, Mark::File(&unique), since, post.urgency).await?.is_some()
            {
                continue;
            }
            self.history.sending(Mark::File(&unique));
            self.files.share(&place, &unique, &name, content, post.urgency).await?;
        }
        Ok(())
    }
}

/// What every message of ours has, wherever it goes.
fn message(body: &[Block], post: &Post) -> Value {
    let mut drawn = blocks::draw(body);
    drawn.extend(blocks::draw_buttons(&post.buttons));
    json!({"text": blocks::fallback(body), "blocks": drawn, "link_names": false, "parse": "none"})
}

fn method<'a>(name: &'static str, post: &'a Post) -> Method<'a> {
    Method { name, channel: Some(&post.thread.channel), urgency: post.urgency }
}

fn is_direct(channel: &str) -> bool {
    channel.starts_with('D')
}

fn is_files_alone(post: &Post) -> bool {
    post.buttons.is_empty()
        && !post.body.is_empty()
        && post.body.iter().all(|block| block.is_file() || block.text().trim().is_empty())
}

/// The name by which a file is found again: a file carries no metadata.
fn unique_name(delivery: &str, number: usize, name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}-{delivery}-{number}.{extension}"),
        None => format!("{name}-{delivery}-{number}"),
    }
}
