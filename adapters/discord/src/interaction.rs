//! Interactions that wait for their answer: acknowledged inside Discord's three seconds whatever the board does, and
//! answered once.
//!
//! Each step is one that Discord takes once or that may be repeated: an interaction has a single first response (a
//! second one is refused with 40060), and filling in the deferred one is an edit. What does not fit there goes out as a
//! message with a nonce.

mod response;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kanban_platform::{Post, PostError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serenity::model::id::{ApplicationId, ChannelId};
use tokio::time::{Instant, sleep_until};

use crate::{
    api::{Api, CallError},
    drawing::EPHEMERAL,
    failure::code,
    outgoing::Outgoing,
};

/// How long the answer itself may take to be the first response. A person sees no "thinking" for so short a time.
const HOLD: Duration = Duration::from_millis(40);

/// The last moment to begin a first response, of the three seconds ("Receiving and Responding").
const FIRST_RESPONSE: Duration = Duration::from_millis(2_400);

/// How long an interaction can be answered.
const LIFE_MS: i64 = 15 * 60_000;
const LIFE: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Interactions {
    api: Arc<Api>,
    outgoing: Arc<Outgoing>,
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    open: Mutex<HashMap<u64, Arc<Open>>>,
}

/// What is needed to answer an interaction, also after a restart.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) interaction: u64,
    pub(crate) application: u64,
    pub(crate) token: String,
    /// When it came in, in unix milliseconds.
    pub(crate) at: i64,
    pub(crate) user: String,
}

/// One interaction, from its arrival until its token dies.
pub(crate) struct Open {
    address: Address,
    arrived: Instant,
    kind: Kind,
    state: tokio::sync::Mutex<State>,
}

/// What the person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A command, whose answer everybody sees or the person alone, as far as one can tell before.
    Command { reads: bool },
    /// A button.
    Press,
    /// A button below a message that the person alone sees: a private answer takes the place of that message.
    PrivatePress,
}

impl Kind {
    /// What a deferred answer looks like. That of a press is private, and so easily taken away: a private answer can
    /// fill it in, one in the open goes to the channel, and both may be repeated.
    fn defers_in_private(self) -> bool {
        match self {
            Self::Command { reads } => reads,
            Self::Press | Self::PrivatePress => true,
        }
    }
}

impl Kind {
    /// The first response that promises an answer ("Interaction Callback Type").
    fn deferral(self) -> Value {
        match self {
            Self::Command { .. } | Self::Press => {
                let flags = if self.defers_in_private() { EPHEMERAL } else { 0 };
                json!({ "type": 5, "data": { "flags": flags } })
            }
            Self::PrivatePress => json!({ "type": 6 }),
        }
    }
}

/// What Discord knows of the interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    Fresh,
    /// A first response was under way, in this process or an earlier one.
    Unsure,
    /// "Thinking" is shown.
    Deferred { in_private: bool },
    /// The first response is the message of this delivery; none where that is not known any more.
    Answered { delivery: Option<String>, message: String },
    /// The first response was taken away.
    Emptied,
    /// The token is good for nothing any more.
    Expired,
}

impl Interactions {
    pub(crate) fn new(api: Arc<Api>, outgoing: Arc<Outgoing>, now: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { api, outgoing, now, open: Mutex::default() }
    }

    /// Remembers an interaction that has just come in.
    pub(crate) fn open(&self, address: Address, arrived: Instant, kind: Kind) -> Arc<Open> {
        let key = address.interaction;
        let state = tokio::sync::Mutex::new(State::Fresh);
        let opened = Arc::new(Open { address, arrived, kind, state });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, open| open.arrived.elapsed() < LIFE);
        // A gateway that sends an interaction a second time does not begin it anew.
        Arc::clone(open.entry(key).or_insert(opened))
    }

    /// Defers the answer if it is not there in time.
    pub(crate) async fn hold(&self, open: &Open) {
        sleep_until(open.arrived + HOLD).await;
        let mut state = open.state.lock().await;
        if *state != State::Fresh {
            return;
        }
        *state = State::Unsure;
        let in_private = open.kind.defers_in_private();
        let deferral = open.kind.deferral();
        let deferred = State::Deferred { in_private };
        let mut may_have_arrived = false;
        while open.arrived.elapsed() < FIRST_RESPONSE {
            match self.respond(open, deferral.clone(), Vec::new()).await {
                Ok(_) => *state = deferred,
                // Only a deferral of ours can have been first: an answer would have changed the state.
                Err(CallError::Refused(refusal)) if refusal.code == code::ALREADY_ACKNOWLEDGED => *state = deferred,
                Err(CallError::NotSent(_)) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                Err(CallError::Unsure(_)) => {
                    may_have_arrived = true;
                    continue;
                }
                Err(CallError::Limited(wait)) if open.arrived.elapsed() + wait < FIRST_RESPONSE => {
                    tokio::time::sleep(wait).await;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "an interaction could not be acknowledged");
                    if !may_have_arrived {
                        *state = State::Expired;
                    }
                }
            }
            return;
        }
        tracing::warn!("an interaction could not be acknowledged in time");
    }

    /// Answers an interaction with a post, in place where that is possible.
    pub(crate) async fn answer(
        &self,
        post: &Post,
        address: Address,
        channel: ChannelId,
        in_doubt_since: Option<i64>,
    ) -> Result<String, PostError> {
        let open = self.known(address);
        let mut state = open.state.lock().await;
        loop {
            if (self.now)() - open.address.at > LIFE_MS {
                *state = State::Expired;
            }
            match state.clone() {
                State::Unsure => *state = self.look(&open, post).await?,
                State::Fresh if open.arrived.elapsed() >= FIRST_RESPONSE => *state = State::Expired,
                // An answer in the open cannot take the place of a private message, which is taken away instead.
                State::Fresh if post.body.is_empty() || (open.kind == Kind::PrivatePress && !post.private) => {
                    *state = State::Unsure;
                    *state = self.respond_with_nothing(&open).await?;
                }
                State::Fresh => {
                    *state = State::Unsure;
                    if let Some(message) = self.respond_with(&open, post, &mut state).await? {
                        return Ok(message);
                    }
                }
                State::Deferred { .. } if post.body.is_empty() => *state = self.take_away(&open).await?,
                State::Deferred { in_private } if in_private == post.private => {
                    if let Some(message) = self.fill_in(&open, post, &mut state).await? {
                        return Ok(message);
                    }
                }
                State::Deferred { .. } => *state = self.take_away(&open).await?,
                State::Answered { delivery, message } if delivery.as_deref() == Some(post.delivery.as_str()) => {
                    return Ok(message);
                }
                State::Answered { .. } | State::Emptied | State::Expired if post.body.is_empty() => {
                    return Ok(String::new());
                }
                State::Answered { .. } | State::Emptied => {
                    return self.follow_up(&open, post, channel, in_doubt_since).await;
                }
                State::Expired => return self.elsewhere(&open, post, channel, in_doubt_since).await,
            }
        }
    }

    /// The entry of an interaction; one that this process has not seen come in is in an unknown state.
    fn known(&self, address: Address) -> Arc<Open> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = open.entry(address.interaction).or_insert_with(|| {
            let state = tokio::sync::Mutex::new(State::Unsure);
            Arc::new(Open { address, arrived: Instant::now(), kind: Kind::Press, state })
        });
        Arc::clone(entry)
    }
}

impl Open {
    fn application(&self) -> ApplicationId {
        ApplicationId::new(self.address.application)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }
}
