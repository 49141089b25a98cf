//! What the gateway and its chat platforms agree on, as plain data and two traits.
//!
//! An adapter depends on this crate and on its platform's client, on nothing else of ours: it cannot name the board.

#![forbid(unsafe_code)]

mod message;
mod spec;
mod split;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use crate::{
    message::{Author, Button, Input, Post, PostKind, Request, Thread},
    spec::{Arg, Capability, Choice, Kind, Spec, Suggestion, Surface},
    split::split,
};

/// What a platform asks of the gateway.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Every verb, as data: menus, completions and help are derived from it.
    fn spec(&self) -> &Spec;

    /// Acts on one message, form or press, at most once for each `Request::update`.
    ///
    /// The answer is a delivery like any other post: it reaches the platform through [`Platform::post`].
    /// A request that was handled before answers with the receipt of the first time.
    async fn handle(&self, request: Request) -> Receipt;

    /// Values for a field that a person is typing, best first.
    async fn suggest(&self, kind: &Kind, typed: &str, author: &Author) -> Vec<Suggestion>;
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The posts that the request itself caused, by [`Post::delivery`], in order. Empty when nobody is to be answered.
    pub deliveries: Vec<String>,
    /// The command's exit code: 0 done, 1 refused, 2 not understood.
    pub exit: u8,
}

/// What the gateway asks of a platform.
#[async_trait]
pub trait Platform: Send + Sync {
    /// The name that [`Thread::platform`] carries.
    fn name(&self) -> &str;

    /// The most characters that one message may hold, where the platform has such a limit.
    fn message_limit(&self) -> Option<usize> {
        None
    }

    /// Reads the platform and hands each message to `commands`, until its input ends or `shutdown` is cancelled.
    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError>;

    /// Delivers one post or edit and answers the platform's id of the message.
    ///
    /// A repeat with the same [`Post::delivery`] answers the first message's id and shows nothing new, as far as the
    /// platform lets an adapter know.
    async fn post(&self, post: &Post) -> Result<String, PostError>;
}

/// Why a platform stopped.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlatformError(pub String);

/// Why a post did not arrive, as far as the gateway must decide on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The thread does not exist any more, or the bot may not write there.
    #[error("the thread is gone: {0}")]
    Gone(String),
    /// The platform will not take this post, however often it is sent.
    #[error("the platform refused the post: {0}")]
    Refused(String),
    /// Try again after this time.
    #[error("not now: {1}")]
    Later(Duration, String),
}
