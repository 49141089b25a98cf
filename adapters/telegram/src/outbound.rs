//! Sending posts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kanban_platform::{
    Block, Pace, Post, PostError, PostKind, Said, Thread, Urgency, bytes, file_name, media_type as media_type_of,
};
use reqwest::{Body, multipart::Part};
use serde_json::Value;
use teloxide::{
    payloads::{CreateForumTopic, EditMessageCaption, EditMessageText, SendDocument, SendMessage, SetMessageReaction},
    types::{ChatId, InputFile, LinkPreviewOptions, MessageId, ReactionType, Recipient, ReplyParameters, ThreadId},
};

use crate::{
    api::{Api, Fault, Refusal},
    asker::Asker,
    keyboard::{Markup, With, answer, keyboard},
    memory::{Known, Memory},
    neutral::{line, plain},
    pace::{bucket, is_group, limits, quiet_limits},
    refusal::{is_no_sign, is_not_modified, is_without_text, judge},
    render::{CAPTION_LIMIT, Drawn, MESSAGE_LIMIT, draw},
    spot::Spot,
};

/// How long a post may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// How large a file may be (sendDocument), and how many characters of its name are shown.
const FILE_LIMIT: u64 = 50_000_000;
const FILE_NAME_LIMIT: usize = 100;

/// The sign that a message was taken in.
const TAKEN_IN: &str = "👀";

/// The way out to Telegram.
pub(crate) struct Outbound {
    api: Arc<Api>,
    pace: Arc<Pace>,
    pub(crate) memory: Arc<Memory>,
    platform: String,
    /// Groups that became other chats, while this process runs.
    moved: Mutex<HashMap<i64, i64>>,
}

/// One thing to do in a chat.
#[derive(Clone, Copy)]
pub(crate) enum Act<'a> {
    Post(&'a Post),
    /// Puts the sign below a message.
    Sign(i32),
    /// Opens a topic of this name.
    Topic(&'a str),
}

impl Outbound {
    pub(crate) fn new(api: Arc<Api>, pace: Arc<Pace>, memory: Arc<Memory>, platform: String) -> Self {
        Self { api, pace, memory, platform, moved: Mutex::default() }
    }

    pub(crate) async fn post(&self, post: &Post) -> Result<String, PostError> {
        match &post.kind {
            PostKind::Reply { .. } if post.body.is_empty() => Ok(String::new()),
            PostKind::Reply { .. } | PostKind::News | PostKind::Edit { .. } => {
                Ok(self.act(&post.thread, post.urgency, Act::Post(post)).await?.1)
            }
            PostKind::Reaction { message } => {
                let Ok(message) = number(message) else { return Ok(String::new()) };
                match self.act(&post.thread, post.urgency, Act::Sign(message)).await {
                    Err(Failure::Fault(fault)) if !is_no_sign(&fault) => Err(judge(fault)),
                    Err(Failure::Post(error)) => Err(error),
                    Ok(_) | Err(Failure::Fault(_)) => Ok(String::new()),
                }
            }
        }
    }

    /// What was said last in a thread, as far as it is remembered.
    pub(crate) fn recent(&self, thread: &Thread, before: Option<&str>, count: usize) -> Vec<Said> {
        match (self.chat(thread), Spot::read(thread.thread.as_deref())) {
            (Ok(chat), Some(spot)) => {
                self.memory.recent(chat, spot, before.and_then(|before| before.parse().ok()), count)
            }
            (_, _) => Vec::new(),
        }
    }

    /// Does it when its turn has come, in the chat or in the one that the chat became. Answers that chat, and the id of
    /// what was made.
    pub(crate) async fn act(&self, thread: &Thread, urgency: Urgency, act: Act<'_>) -> Result<(i64, String), Failure> {
        let chat = self.chat(thread)?;
        let limits = match act {
            Act::Post(_) | Act::Topic(_) => limits(chat),
            Act::Sign(_) => quiet_limits(chat),
        };
        self.pace
            .turn(&limits, urgency, PATIENCE)
            .await
            .map_err(|wait| PostError::Later(wait, "Telegram's limits leave no room yet".to_owned()))?;
        match self.done(chat, act).await {
            Err(Failure::Fault(Fault::No(Refusal { migrate_to: Some(to), .. }))) => {
                self.moved(chat, to);
                Ok((to, self.done(to, act).await?))
            }
            result => Ok((chat, result?)),
        }
    }

    /// A group became another chat: what is for the one goes to the other from now on.
    pub(crate) fn moved(&self, from: i64, to: i64) {
        tracing::info!(platform = %self.platform, from, to, "a group became a supergroup");
        if from != to {
            self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(from, to);
        }
    }

    /// The chat of a thread, as it is called now.
    pub(crate) fn chat(&self, thread: &Thread) -> Result<i64, PostError> {
        let named = &thread.channel;
        let named = named.parse().map_err(|_| PostError::Gone(format!("`{named}` is no chat of Telegram")))?;
        Ok(self.moved.lock().unwrap_or_else(PoisonError::into_inner).get(&named).copied().unwrap_or(named))
    }

    /// Closes the chat where Telegram asks for patience.
    async fn done(&self, chat: i64, act: Act<'_>) -> Result<String, Failure> {
        let to = Recipient::Id(ChatId(chat));
        let result = match act {
            Act::Post(post) => self.deliver(post, chat, to).await,
            Act::Sign(message) => {
                let mut sign = SetMessageReaction::new(to, MessageId(message));
                sign.reaction = Some(vec![ReactionType::Emoji { emoji: TAKEN_IN.to_owned() }]);
                self.api.call(&sign).await.map(|_| String::new()).map_err(Failure::Fault)
            }
            Act::Topic(name) => match self.api.call(&CreateForumTopic::new(to, name)).await {
                Ok(topic) => named(&topic, "message_thread_id"),
                Err(fault) => Err(Failure::Fault(fault)),
            },
        };
        if let Err(Failure::Fault(Fault::No(Refusal { retry_after: Some(wait), .. }))) = &result {
            self.pace.close(&bucket(chat), *wait);
        }
        result
    }

    async fn deliver(&self, post: &Post, chat: i64, to: Recipient) -> Result<String, Failure> {
        let drawn = draw(&post.body);
        let text = plain(&drawn.text);
        let asker = match &post.kind {
            PostKind::Edit { message } => {
                let id = self.edit(post, to, message, drawn).await?;
                self.memory.edited(chat, number(&id)?.into(), text);
                return Ok(id);
            }
            PostKind::Reply { return_address, .. } => return_address.as_deref().and_then(Asker::read),
            PostKind::News => None,
            PostKind::Reaction { .. } => return Ok(String::new()),
        };
        let spot = Spot::read(post.thread.thread.as_deref())
            .ok_or_else(|| PostError::Gone(format!("`{}` is no topic of Telegram", post.thread)))?;
        let (topic, root) = match spot {
            Spot::Chat => (None, None),
            Spot::Topic(topic) => (Some(topic), None),
            Spot::Chain(root) => (None, Some(root)),
        };
        // Who asked is answered where they wrote: in a chain of replies, that is further down the same chain.
        let reply_to = asker.as_ref().map(|asker| asker.message).or(root);
        let id = self.send(post, to, topic, reply_to, asker, drawn).await?;
        self.memory.keep(Known {
            chat,
            topic: topic.map(i64::from),
            message: number(&id)?.into(),
            reply_to: reply_to.map(i64::from),
            said: self.memory.ours(text),
        });
        Ok(id)
    }

    async fn send(
        &self,
        post: &Post,
        to: Recipient,
        topic: Option<i32>,
        reply_to: Option<i32>,
        asker: Option<Asker>,
        mut drawn: Drawn,
    ) -> Result<String, Failure> {
        let topic = topic.map(|id| ThreadId(MessageId(id)));
        let reply = reply_to.map(|message| ReplyParameters::new(MessageId(message)).allow_sending_without_reply());
        let reply_markup = match post.prompts {
            true => prompt(post, asker, &mut drawn).or_else(|| keyboard(&post.buttons)),
            false => keyboard(&post.buttons),
        };
        let mut files = post.body.iter().filter(|block| block.is_file());
        let sent = match (files.next(), files.next()) {
            (None, _) => {
                fits(&drawn, MESSAGE_LIMIT)?;
                let mut message = SendMessage::new(to, drawn.text);
                message.message_thread_id = topic;
                message.entities = Some(drawn.entities).filter(|entities| !entities.is_empty());
                message.link_preview_options = Some(no_preview());
                message.reply_parameters = reply;
                self.api.call(&With { message, reply_markup }).await?
            }
            (Some(block), None) => {
                if !drawn.text.is_empty() {
                    fits(&drawn, CAPTION_LIMIT)?;
                }
                let mut document = SendDocument::new(to, InputFile::memory(Vec::new()));
                document.message_thread_id = topic;
                document.caption = Some(drawn.text).filter(|caption| !caption.is_empty());
                document.caption_entities = Some(drawn.entities).filter(|entities| !entities.is_empty());
                document.reply_parameters = reply;
                let document = With { message: document, reply_markup };
                let File { part, size } = document_of(block).await?;
                self.api.call_with_file(&document, "document", part, size).await?
            }
            (Some(_), Some(_)) => return Err(unfit("a message holds one file")),
        };
        named(&sent, "message_id")
    }

    /// A file of an earlier message stays as it is: an edit has a text alone.
    async fn edit(&self, post: &Post, to: Recipient, message: &str, drawn: Drawn) -> Result<String, Failure> {
        let id = MessageId(number(message)?);
        fits(&drawn, MESSAGE_LIMIT)?;
        let mut edit = EditMessageText::new(to.clone(), id, drawn.text.clone());
        edit.entities = Some(drawn.entities.clone()).filter(|entities| !entities.is_empty());
        edit.link_preview_options = Some(no_preview());
        // Without a keyboard in the edit, the one below the message goes away.
        let edit = With { message: edit, reply_markup: keyboard(&post.buttons) };
        let result = match self.api.call(&edit).await {
            Err(fault) if is_without_text(&fault) => {
                fits(&drawn, CAPTION_LIMIT)?;
                let mut edit = EditMessageCaption::new(to, id);
                edit.caption = Some(drawn.text);
                edit.caption_entities = Some(drawn.entities).filter(|entities| !entities.is_empty());
                self.api.call(&With { message: edit, reply_markup: keyboard(&post.buttons) }).await
            }
            result => result,
        };
        match result {
            Err(fault) if !is_not_modified(&fault) => Err(Failure::Fault(fault)),
            Ok(_) | Err(_) => Ok(message.to_owned()),
        }
    }
}

/// Why something was not done.
pub(crate) enum Failure {
    Fault(Fault),
    /// It was not tried.
    Post(PostError),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<PostError> for Failure {
    fn from(error: PostError) -> Self {
        Self::Post(error)
    }
}

impl From<Failure> for PostError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fault(fault) => judge(fault),
            Failure::Post(error) => error,
        }
    }
}

/// Telegram would not take it.
fn unfit(what: impl Into<String>) -> Failure {
    Failure::Post(PostError::Refused(what.into()))
}

/// Opens the field for an answer to the person who asked, and to nobody else. None where that cannot be done.
///
/// In a group the message must answer a message of that person or name the person; a press is on a message of ours.
fn prompt(post: &Post, asker: Option<Asker>, drawn: &mut Drawn) -> Option<Markup> {
    let is_shared = !post.thread.channel.parse().is_ok_and(|chat| !is_group(chat));
    match asker {
        _ if !is_shared => {}
        None => return None,
        Some(Asker { presser: None, .. }) => {}
        Some(Asker { presser: Some((id, name)), .. }) => drawn.address(id, &name),
    }
    Some(answer(post.task.as_deref(), is_shared))
}

fn named(made: &Value, field: &str) -> Result<String, Failure> {
    let id = made.get(field).and_then(Value::as_i64);
    id.map(|id| id.to_string()).ok_or_else(|| Failure::Fault(Fault::Unclear(format!("the answer has no `{field}`"))))
}

fn fits(drawn: &Drawn, limit: usize) -> Result<(), Failure> {
    match drawn.units {
        0 => Err(unfit("a message needs a text")),
        units if units > limit => Err(unfit(format!("the text has {units} of at most {limit} characters"))),
        _ => Ok(()),
    }
}

/// A document on its way.
struct File {
    part: Part,
    size: u64,
}

async fn document_of(block: &Block) -> Result<File, Failure> {
    let (part, size, name, media_type) = match block {
        Block::Stored { name, path, media_type, .. } => {
            let gone = |_| unfit("it is not on this machine any more");
            let opened = tokio::fs::File::open(path).await.map_err(gone)?;
            let size = opened.metadata().await.map_err(gone)?.len();
            if size == 0 {
                return Err(unfit("Telegram takes no empty files"));
            }
            if size > FILE_LIMIT {
                return Err(unfit(format!("Telegram takes files of at most {}", bytes(FILE_LIMIT))));
            }
            let media_type = media_type.as_deref().and_then(media_type_of);
            let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            (Part::stream_with_length(Body::from(opened), size), size, file_name(name), media_type)
        }
        text => {
            let name = match text {
                Block::File { name, .. } => line(name, FILE_NAME_LIMIT).replace(['/', '\\', '"'], "_"),
                _ => String::new(),
            };
            let name = if name.is_empty() { "text.txt".to_owned() } else { name };
            // An empty file is refused.
            let text = if text.text().is_empty() { "\n" } else { text.text() };
            let size = text.len() as u64;
            if size > FILE_LIMIT {
                return Err(unfit(format!("the file has {size} of at most {FILE_LIMIT} bytes")));
            }
            (Part::text(text.to_owned()), size, name, "text/plain; charset=utf-8".to_owned())
        }
    };
    let part = part.file_name(name).mime_str(&media_type).map_err(|error| unfit(error.to_string()))?;
    Ok(File { part, size })
}

pub(crate) fn number(id: &str) -> Result<i32, PostError> {
    id.parse().map_err(|_| PostError::Refused(format!("`{id}` is no message or topic of Telegram")))
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
