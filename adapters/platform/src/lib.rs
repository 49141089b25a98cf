//! What the gateway and its chat platforms agree on, as plain data and two traits.
//!
//! An adapter depends on this crate and on its platform's client, on nothing else of ours: it cannot name the board.

#![forbid(unsafe_code)]

mod body;
mod examine;
mod file;
mod message;
mod pace;
mod safe;
mod spec;
mod split;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

pub use crate::{
    body::{Block, Span, attach_long, plain, spans, split_body},
    examine::{Finding, Look},
    file::{FetchError, Incoming, Intake, bytes, file_name, media_type},
    message::{Author, Batch, Button, Input, Opening, Position, Post, PostKind, Request, Said, Style, Thread, Urgency},
    pace::{Limit, Pace, Rate},
    safe::safe,
    spec::{Arg, Capability, Choice, Field, Kind, Spec, Suggestion, Surface},
    split::split,
};

/// What a platform asks of the gateway.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Every verb, as data: menus, completions and help are derived from it.
    fn spec(&self) -> &Spec;

    /// Keeps requests, and how far the platform has been read, in one transaction. What is kept may be confirmed to the
    /// platform: it is acted on soon after, once for each [`Request::update`], in order within a thread, also if this
    /// process dies first. The answers are deliveries and reach the platform through [`Platform::post`].
    ///
    /// Messages that are for nobody here (see [`Request::addressed`]) are not kept.
    async fn keep(&self, batch: Batch) -> Result<(), NotKept> {
        for request in batch.requests {
            self.handle(request).await;
        }
        Ok(())
    }

    /// Acts on one message, form or press at once, at most once for each [`Request::update`]: for a platform that need
    /// not confirm what it hands over.
    ///
    /// The answer is a delivery like any other post: it reaches the platform through [`Platform::post`].
    /// A request that was handled before answers with the receipt of the first time.
    async fn handle(&self, request: Request) -> Receipt;

    /// How far a stream of the platform has been read, as the last [`Batch`] said.
    async fn position(&self, _platform: &str, _stream: &str) -> Result<Option<String>, NotKept> {
        Ok(None)
    }

    /// The threads of the platform where somebody follows something or has spoken to us.
    async fn threads(&self, _platform: &str) -> Result<Vec<Thread>, NotKept> {
        Ok(Vec::new())
    }

    /// Values for a field that a person is typing, best first. None for a person who may not look.
    async fn suggest(&self, field: &Field) -> Vec<Suggestion>;

    /// What a person sees on their own page: the tasks that they made and that are not done.
    async fn home(&self, _author: &Author) -> Vec<Block> {
        Vec::new()
    }
}

/// Why requests could not be kept, or the board not be read. The platform must not be told that they arrived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the board cannot be used: {0}")]
pub struct NotKept(pub String);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The posts that the request itself caused, by [`Post::delivery`], in order. Empty when nobody is to be answered.
    pub deliveries: Vec<String>,
    /// The command's exit code: 0 done, 1 refused, 2 not understood.
    pub exit: u8,
    /// The gateway leaves and has not answered. What was kept is acted on by the next one.
    pub is_left: bool,
}

/// What the gateway asks of a platform.
#[async_trait]
pub trait Platform: Send + Sync {
    /// The name that [`Thread::platform`] carries: `slack`, or `slack.acme` for one of several accounts.
    fn name(&self) -> &str;

    /// Cuts a body into what fits into one message each. The buttons go below the last part.
    fn parts(&self, body: &[Block]) -> Vec<Vec<Block>> {
        vec![body.to_vec()]
    }

    /// Reads the platform and hands each message to `commands`, until its input ends or `shutdown` is cancelled.
    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError>;

    /// Looks at the platform as the bot's account sees it, whether or not anything runs. It changes nothing there.
    async fn examine(&self, _look: &Look<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// Delivers one post or edit and answers the platform's id of the message.
    ///
    /// `in_doubt_since` is given when an earlier attempt may have arrived: the time at which the first such attempt
    /// began, in unix milliseconds. Then the adapter looks for its message, or sends in a way that the platform takes
    /// for the same message, as far as the platform lets it.
    ///
    /// A reply with an empty body shows nothing: it ends what the adapter has opened for the request. Its id is empty.
    ///
    /// A [`Block::Stored`] comes alone, as news: [`PostError::Refused`] then says why the file cannot be sent, in words for
    /// the people in the thread, who are told instead.
    async fn post(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError>;

    /// Opens a thread of a task's own and answers its address. Opening the same one again answers the same address, as
    /// far as the platform lets it.
    ///
    /// [`PostError::Refused`] and [`PostError::Gone`] mean that there can be none here: what was meant for it goes to
    /// the channel.
    async fn open(&self, _opening: &Opening) -> Result<Thread, PostError> {
        Err(PostError::Refused("this platform has no threads".to_owned()))
    }

    /// Fetches a file that a person sent along, at most `limit` bytes, and answers how many there are. It is read from the
    /// platform's own hosts alone. After an error, what was written means nothing.
    async fn fetch(
        &self,
        _file: &Incoming,
        _limit: u64,
        _to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, FetchError> {
        Err(FetchError::Refused("no files can be taken in from here".to_owned()))
    }

    /// What was said last in a thread before a message, oldest first, at most `count`, as far as the platform lets us
    /// read it.
    async fn recent(&self, _thread: &Thread, _before: Option<&str>, _count: usize) -> Result<Vec<Said>, PostError> {
        Ok(Vec::new())
    }
}

/// Why a platform stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// It is worth another try after a while.
    #[error("{0}")]
    Broken(String),
    /// Nothing changes until somebody mends the settings or the app: a wrong token, a permission that is missing.
    #[error("{0}")]
    Misconfigured(String),
}

/// Why a post did not arrive, as far as the gateway must decide on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The thread does not exist any more, or the bot may not write there.
    #[error("the thread is gone: {0}")]
    Gone(String),
    /// The platform will not take this post, however often it is sent.
    #[error("the platform refused the post: {0}")]
    Refused(String),
    /// It certainly did not arrive. Try again after this time, or with growing waits where it is zero.
    #[error("not now: {1}")]
    Later(Duration, String),
    /// It may have arrived: the connection broke or the platform failed before it answered.
    #[error("it may have arrived: {0}")]
    Ambiguous(String),
}
