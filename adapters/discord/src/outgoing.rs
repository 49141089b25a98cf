//! Messages in channels: sent once, edited, and looked for where an earlier attempt may have arrived.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use kanban_platform::{Block, Post, PostError, Said, Urgency, bytes};
use serde_json::{Value, json};
use serenity::{
    http::{LightMethod, Route},
    model::id::{ChannelId, GuildId, MessageId, UserId},
};

use crate::{
    api::{Api, Call, CallError, File},
    drawing::{carries, message},
    failure::{code, of_edit, of_look, of_reaction, of_read, of_send},
    mark::{nonce, reference},
    snowflake,
    talk::spoken,
};

/// So long the platform surely knows a nonce again: "the past few minutes", says its reference.
const NONCE_HOLDS: i64 = 2 * 60_000;

/// How far our clock and Discord's may differ.
const CLOCK_MARGIN: i64 = 60_000;

/// How much history is read in search of a message: this many times a hundred.
const PAGES: usize = 50;

/// How many messages are read at most to see what a talk is about.
const RECENT: usize = 20;

/// How large a file may be where nothing else is known, and how many bytes of one more time is given for a second.
const FILE_LIMIT: u64 = 10 << 20;
const BYTES_A_SECOND: u64 = 128 << 10;

pub(crate) struct Outgoing {
    api: Arc<Api>,
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    me: OnceLock<UserId>,
}

/// A channel or thread, and the message there that is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) channel: ChannelId,
    pub(crate) answers: Option<MessageId>,
}

impl Outgoing {
    pub(crate) fn new(api: Arc<Api>, now: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { api, now, me: OnceLock::new() }
    }

    /// Learns who we are, so that nobody passes off a message as ours.
    pub(crate) fn is(&self, me: UserId) {
        self.me.get_or_init(|| me);
    }

    /// Sends a message, unless an earlier attempt arrived: then answers that one's id.
    pub(crate) async fn send(
        &self,
        post: &Post,
        target: Target,
        in_doubt_since: Option<i64>,
    ) -> Result<String, PostError> {
        for file in post.body.iter().filter(|block| matches!(block, Block::Stored { .. })) {
            self.check(file, &post.thread.space).await?;
        }
        if let Some(since) = in_doubt_since
            && (self.now)() - since >= NONCE_HOLDS
            && let Some(found) = self.find(post, target.channel, since).await?
        {
            return Ok(found);
        }
        let sent = match self.create(post, target).await {
            // That it answers something is worth less than the answer.
            Err(CallError::Refused(refusal)) if refusal.code == code::NO_REPLY_WITHOUT_HISTORY => {
                self.create(post, Target { answers: None, ..target }).await
            }
            sent => sent,
        };
        id(&sent.map_err(of_send)?)
    }

    async fn create(&self, post: &Post, target: Target) -> Result<Value, CallError> {
        let (mut body, files) = message(post);
        body.insert("nonce".to_owned(), json!(nonce(&post.delivery)));
        body.insert("enforce_nonce".to_owned(), json!(true));
        if let Some(answers) = target.answers {
            body.insert(
                "message_reference".to_owned(),
                json!({ "message_id": answers.to_string(), "fail_if_not_exists": false }),
            );
            body.insert("allowed_mentions".to_owned(), json!({ "parse": [], "replied_user": false }));
        }
        let mut call = Call::new(LightMethod::Post, Route::ChannelMessages { channel_id: target.channel });
        call.body = Some(Value::Object(body));
        call.deadline += Duration::from_secs(files.iter().map(File::size).sum::<u64>() / BYTES_A_SECOND);
        call.files = files;
        call.bucket = Some(format!("send {}", target.channel));
        call.urgency = post.urgency;
        self.api.call(call).await
    }

    /// Refuses a file of this machine that Discord would not take, before all of it is sent in vain.
    async fn check(&self, file: &Block, guild: &str) -> Result<(), PostError> {
        let Block::Stored { path, .. } = file else { return Ok(()) };
        let refused = |why: String| Err(PostError::Refused(why));
        let size = match tokio::fs::metadata(path).await {
            Ok(metadata) => metadata.len(),
            Err(_) => return refused("it is not on this machine any more".to_owned()),
        };
        if size <= FILE_LIMIT {
            return Ok(());
        }
        let limit = match parse(guild) {
            Some(guild) => self.file_limit(GuildId::new(guild)).await.or_else(of_read_limit)?,
            None => FILE_LIMIT,
        };
        if size > limit { refused(format!("Discord takes files of at most {} here", bytes(limit))) } else { Ok(()) }
    }

    /// How large a file may be in a guild, by how far it is boosted ("Premium Tier").
    async fn file_limit(&self, guild: GuildId) -> Result<u64, CallError> {
        let mut call = Call::new(LightMethod::Get, Route::Guild { guild_id: guild });
        call.bucket = Some(format!("guild {guild}"));
        let guild = self.api.call(call).await?;
        Ok(match guild["premium_tier"].as_u64() {
            Some(2) => 50 << 20,
            Some(3) => 100 << 20,
            Some(_) | None => FILE_LIMIT,
        })
    }

    /// Gives a message a new text.
    pub(crate) async fn edit(&self, post: &Post, channel: ChannelId, message_id: &str) -> Result<String, PostError> {
        let message_id =
            parse(message_id).map(MessageId::new).ok_or_else(|| refused("no id of a message", message_id))?;
        match self.patch(post, channel, message_id).await {
            // A send opens an archived thread again by itself; an edit does not.
            Err(CallError::Refused(refusal)) if refusal.code == code::ARCHIVED => {
                self.unarchive(channel, post.urgency).await.map_err(of_edit)?;
                self.patch(post, channel, message_id).await.map_err(of_edit)?;
            }
            edited => {
                edited.map_err(of_edit)?;
            }
        }
        Ok(message_id.to_string())
    }

    async fn patch(&self, post: &Post, channel: ChannelId, message_id: MessageId) -> Result<Value, CallError> {
        let (body, files) = message(post);
        let mut call = Call::new(LightMethod::Patch, Route::ChannelMessage { channel_id: channel, message_id });
        call.body = Some(Value::Object(body));
        call.files = files;
        call.bucket = Some(format!("edit {channel}"));
        call.urgency = post.urgency;
        self.api.call(call).await
    }

    async fn unarchive(&self, channel: ChannelId, urgency: Urgency) -> Result<Value, CallError> {
        let mut call = Call::new(LightMethod::Patch, Route::Channel { channel_id: channel });
        call.body = Some(json!({ "archived": false }));
        call.bucket = Some(format!("channel {channel}"));
        call.urgency = urgency;
        self.api.call(call).await
    }

    /// Shows below a person's message that it was taken in.
    pub(crate) async fn react(&self, post: &Post, channel: ChannelId, message_id: &str) -> Result<(), PostError> {
        /// 👀 as a step of an address.
        const EYES: &str = "%F0%9F%91%80";
        let message_id =
            parse(message_id).map(MessageId::new).ok_or_else(|| refused("no id of a message", message_id))?;
        let route = Route::ChannelMessageReactionMe { channel_id: channel, message_id, reaction: EYES };
        let mut call = Call::new(LightMethod::Put, route);
        call.bucket = Some(format!("react {channel}"));
        call.urgency = post.urgency;
        // Setting it twice is setting it once.
        self.api.call(call).await.map(|_| ()).or_else(of_reaction)
    }

    /// What was said last in a channel before a message, oldest first.
    pub(crate) async fn recent(
        &self,
        channel: ChannelId,
        before: Option<u64>,
        count: usize,
    ) -> Result<Vec<Said>, PostError> {
        let count = count.min(RECENT);
        if count == 0 {
            return Ok(Vec::new());
        }
        let before = before.map_or_else(String::new, |before| format!("before={before}&"));
        let page = self.messages(channel, &format!("{before}limit={count}"), Urgency::Reply).await;
        let page = page.or_else(of_read)?;
        // What serenity cannot read is nobody's words.
        let messages = page.into_iter().filter_map(|message| serde_json::from_value(message).ok());
        Ok(messages.filter_map(|message| spoken(&message, self.me.get().copied())).collect())
    }

    /// Opens the private channel of a person.
    pub(crate) async fn private_channel(&self, user: &str) -> Result<ChannelId, CallError> {
        let mut call = Call::new(LightMethod::Post, Route::UserMeDmChannels);
        call.body = Some(json!({ "recipient_id": user }));
        call.bucket = Some("private channels".to_owned());
        call.urgency = Urgency::Reply;
        let channel = self.api.call(call).await?;
        let channel = channel["id"].as_str().and_then(parse).map(ChannelId::new);
        channel.ok_or_else(|| CallError::Unsure("a channel without an id".to_owned()))
    }

    /// Looks for our message among those since the first attempt.
    async fn find(&self, post: &Post, channel: ChannelId, since: i64) -> Result<Option<String>, PostError> {
        let (nonce, reference) = (nonce(&post.delivery), reference(&post.delivery));
        let start = snowflake::at(since - CLOCK_MARGIN);
        let mut after = start;
        for _ in 0..PAGES {
            let page = self.messages_after(channel, after, post.urgency).await.map_err(of_look)?;
            let is_ours = |message: &&Value| {
                let author = message["author"]["id"].as_str().and_then(parse);
                let wrote = self.me.get().is_none_or(|me| author == Some(me.get()));
                wrote && (message["nonce"].as_str() == Some(nonce.as_str()) || carries(message, &reference))
            };
            if let Some(found) = page.iter().find(is_ours) {
                return id(found).map(Some);
            }
            let newest = page.iter().filter_map(|message| message["id"].as_str().and_then(parse)).max();
            match newest {
                Some(newest) if newest > after => after = newest,
                Some(_) => return Ok(None),
                None if after == start => {
                    return self.confirm_silence(channel, start, post.urgency).await.map(|()| None);
                }
                None => return Ok(None),
            }
        }
        Err(PostError::Ambiguous("too much was said since the first attempt to look through".to_owned()))
    }

    /// One page of a channel's history, oldest first.
    pub(crate) async fn messages_after(
        &self,
        channel: ChannelId,
        after: u64,
        urgency: Urgency,
    ) -> Result<Vec<Value>, CallError> {
        self.messages(channel, &format!("after={after}&limit=100"), urgency).await
    }

    async fn messages(&self, channel: ChannelId, query: &str, urgency: Urgency) -> Result<Vec<Value>, CallError> {
        let mut call = Call::new(LightMethod::Get, Route::ChannelMessages { channel_id: channel });
        query.clone_into(&mut call.query);
        call.bucket = Some(format!("read {channel}"));
        call.urgency = urgency;
        match self.api.call(call).await? {
            Value::Array(mut page) => {
                page.sort_by_key(|message| message["id"].as_str().and_then(parse));
                Ok(page)
            }
            _ => Err(CallError::Unsure("no list of messages".to_owned())),
        }
    }

    /// Without the permission to read the history, Discord shows an empty one ("Get Channel Messages"): then that our
    /// message is not there says nothing.
    async fn confirm_silence(&self, channel: ChannelId, start: u64, urgency: Urgency) -> Result<(), PostError> {
        if !self.messages(channel, "limit=1", urgency).await.map_err(of_look)?.is_empty() {
            return Ok(());
        }
        let mut call = Call::new(LightMethod::Get, Route::Channel { channel_id: channel });
        call.bucket = Some(format!("channel {channel}"));
        call.urgency = urgency;
        let channel = self.api.call(call).await.map_err(of_look)?;
        let last = channel["last_message_id"].as_str().and_then(parse).unwrap_or(0);
        if last < start {
            return Ok(());
        }
        Err(PostError::Ambiguous(
            "the history cannot be read; give the bot the permission Read Message History in this channel".to_owned(),
        ))
    }
}

/// The limit where the guild does not say its own.
fn of_read_limit(error: CallError) -> Result<u64, PostError> {
    match error {
        CallError::Refused(_) => Ok(FILE_LIMIT),
        CallError::NotSent(_) | CallError::Unsure(_) | CallError::Limited(_) => Err(of_look(error)),
    }
}

/// The id of what was sent. Without it the message cannot be edited, so it must be looked for.
pub(crate) fn id(message: &Value) -> Result<String, PostError> {
    match message["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(PostError::Ambiguous("Discord told no id of the message".to_owned())),
    }
}

/// An id as serenity's types take it: not zero.
pub(crate) fn parse(id: &str) -> Option<u64> {
    id.parse().ok().filter(|id| *id != 0)
}

pub(crate) fn refused(what: &str, given: &str) -> PostError {
    PostError::Refused(format!("{what}: `{given}`"))
}
