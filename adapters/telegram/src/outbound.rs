//! Sending posts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kanban_platform::{Block, Pace, Post, PostError, PostKind};
use reqwest::multipart::Part;
use serde_json::Value;
use teloxide::{
    payloads::{EditMessageCaption, EditMessageText, SendDocument, SendMessage},
    types::{ChatId, InputFile, LinkPreviewOptions, MessageId, Recipient, ReplyMarkup, ReplyParameters, ThreadId},
};

use crate::{
    api::{Api, Fault, Refusal},
    keyboard::keyboard,
    neutral::printable,
    pace::{bucket, limits},
    refusal::{is_not_modified, is_without_text, judge},
    render::{CAPTION_LIMIT, Drawn, MESSAGE_LIMIT, draw},
};

/// How long a post may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// How large a file may be (sendDocument).
const FILE_LIMIT: usize = 50 << 20;

/// The way out to Telegram.
pub(crate) struct Outbound {
    api: Arc<Api>,
    pace: Arc<Pace>,
    platform: String,
    /// Groups that became other chats, while this process runs.
    moved: Mutex<HashMap<i64, i64>>,
}

impl Outbound {
    pub(crate) fn new(api: Arc<Api>, pace: Arc<Pace>, platform: String) -> Self {
        Self { api, pace, platform, moved: Mutex::default() }
    }

    pub(crate) async fn post(&self, post: &Post) -> Result<String, PostError> {
        if matches!(post.kind, PostKind::Reply { .. }) && post.body.is_empty() {
            return Ok(String::new());
        }
        let named = &post.thread.channel;
        let named = named.parse().map_err(|_| PostError::Gone(format!("`{named}` is no chat of Telegram")))?;
        let chat = self.current(named);
        self.pace
            .turn(&limits(chat), post.urgency, PATIENCE)
            .await
            .map_err(|wait| PostError::Later(wait, "Telegram's limits leave no room yet".to_owned()))?;
        match self.deliver(post, chat).await {
            Err(Failure::Fault(Fault::No(Refusal { migrate_to: Some(to), .. }))) => {
                self.moved(chat, to);
                self.outcome(to, self.deliver(post, to).await)
            }
            result => self.outcome(chat, result),
        }
    }

    /// A group became another chat: what is for the one goes to the other from now on.
    pub(crate) fn moved(&self, from: i64, to: i64) {
        tracing::info!(platform = %self.platform, from, to, "a group became a supergroup");
        if from != to {
            self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(from, to);
        }
    }

    fn current(&self, chat: i64) -> i64 {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).get(&chat).copied().unwrap_or(chat)
    }

    fn outcome(&self, chat: i64, result: Result<String, Failure>) -> Result<String, PostError> {
        result.map_err(|failure| match failure {
            Failure::Fault(fault) => {
                if let Fault::No(Refusal { retry_after: Some(wait), .. }) = &fault {
                    self.pace.close(&bucket(chat), *wait);
                }
                judge(fault)
            }
            Failure::Unfit(what) => PostError::Refused(what),
        })
    }

    async fn deliver(&self, post: &Post, chat: i64) -> Result<String, Failure> {
        let to = Recipient::Id(ChatId(chat));
        let drawn = draw(&post.body);
        match &post.kind {
            PostKind::Edit { message } => self.edit(post, to, message, drawn).await,
            PostKind::Reply { return_address, .. } => self.send(post, to, return_address.as_deref(), drawn).await,
            PostKind::News => self.send(post, to, None, drawn).await,
        }
    }

    async fn send(&self, post: &Post, to: Recipient, reply_to: Option<&str>, drawn: Drawn) -> Result<String, Failure> {
        let topic = post.thread.thread.as_deref().map(number).transpose()?.map(|id| ThreadId(MessageId(id)));
        let reply = reply_to
            .and_then(|message| message.parse().ok())
            .map(|message| ReplyParameters::new(MessageId(message)).allow_sending_without_reply());
        let markup = keyboard(&post.buttons).map(ReplyMarkup::InlineKeyboard);
        let mut files = post.body.iter().filter_map(|block| match block {
            Block::File { name, text } => Some((name, text)),
            Block::Title(_) | Block::Text(_) | Block::Quote(_) | Block::Code(_) | Block::Footer(_) => None,
        });
        let sent = match (files.next(), files.next()) {
            (None, _) => {
                fits(&drawn, MESSAGE_LIMIT)?;
                let mut message = SendMessage::new(to, drawn.text);
                message.message_thread_id = topic;
                message.entities = Some(drawn.entities).filter(|entities| !entities.is_empty());
                message.link_preview_options = Some(no_preview());
                message.reply_parameters = reply;
                message.reply_markup = markup;
                self.api.call(&message).await?
            }
            (Some((name, text)), None) => {
                if !drawn.text.is_empty() {
                    fits(&drawn, CAPTION_LIMIT)?;
                }
                let mut document = SendDocument::new(to, InputFile::memory(Vec::new()));
                document.message_thread_id = topic;
                document.caption = Some(drawn.text).filter(|caption| !caption.is_empty());
                document.caption_entities = Some(drawn.entities).filter(|entities| !entities.is_empty());
                document.reply_parameters = reply;
                document.reply_markup = markup;
                self.api.call_with_file(&document, "document", file(name, text)?).await?
            }
            (Some(_), Some(_)) => return Err(Failure::Unfit("a message holds one file".to_owned())),
        };
        match sent.get("message_id").and_then(Value::as_i64) {
            Some(id) => Ok(id.to_string()),
            None => Err(Failure::Fault(Fault::Unclear("the answer names no message".to_owned()))),
        }
    }

    /// A file of an earlier message stays as it is: an edit has a text alone.
    async fn edit(&self, post: &Post, to: Recipient, message: &str, drawn: Drawn) -> Result<String, Failure> {
        let id = MessageId(number(message)?);
        fits(&drawn, MESSAGE_LIMIT)?;
        let mut edit = EditMessageText::new(to.clone(), id, drawn.text.clone());
        edit.entities = Some(drawn.entities.clone()).filter(|entities| !entities.is_empty());
        edit.link_preview_options = Some(no_preview());
        edit.reply_markup = keyboard(&post.buttons);
        let result = match self.api.call(&edit).await {
            Err(fault) if is_without_text(&fault) => {
                fits(&drawn, CAPTION_LIMIT)?;
                let mut edit = EditMessageCaption::new(to, id);
                edit.caption = Some(drawn.text);
                edit.caption_entities = Some(drawn.entities).filter(|entities| !entities.is_empty());
                edit.reply_markup = keyboard(&post.buttons);
                self.api.call(&edit).await
            }
            result => result,
        };
        match result {
            Err(fault) if !is_not_modified(&fault) => Err(Failure::Fault(fault)),
            Ok(_) | Err(_) => Ok(message.to_owned()),
        }
    }
}

/// Why a post was not delivered.
enum Failure {
    Fault(Fault),
    /// It was not tried: Telegram would not take it.
    Unfit(String),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

fn fits(drawn: &Drawn, limit: usize) -> Result<(), Failure> {
    match drawn.units {
        0 => Err(Failure::Unfit("a message needs a text".to_owned())),
        units if units > limit => Err(Failure::Unfit(format!("the text has {units} of at most {limit} characters"))),
        _ => Ok(()),
    }
}

fn file(name: &str, text: &str) -> Result<Part, Failure> {
    if text.len() > FILE_LIMIT {
        return Err(Failure::Unfit(format!("the file has {} of at most {FILE_LIMIT} bytes", text.len())));
    }
    // An empty file is refused.
    let text = if text.is_empty() { "\n" } else { text };
    let name = printable(name).replace(['/', '\\', '\n'], "_");
    Part::text(text.to_owned())
        .file_name(name)
        .mime_str("text/plain; charset=utf-8")
        .map_err(|error| Failure::Unfit(error.to_string()))
}

fn number(id: &str) -> Result<i32, Failure> {
    id.parse().map_err(|_| Failure::Unfit(format!("`{id}` is no message or topic of Telegram")))
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}
