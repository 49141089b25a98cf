//! The road of a call through the server: what goes wrong with it on purpose, what is done, and how it is answered.

use std::{io, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    slack::{call::Reply, workspace::Workspace},
    wire::{Call, Trouble},
};

/// A call as the record names it.
pub(crate) struct Road {
    pub(crate) route: String,
    pub(crate) channel: Option<String>,
    pub(crate) body: Value,
    /// What is limited together: a method, or a method in a channel.
    pub(crate) bucket: String,
    /// People see something by it.
    pub(crate) is_post: bool,
    /// How many calls a minute are published, and how many may come at once.
    pub(crate) rate: (u32, u32),
}

/// Answers for troubles in the form of the route.
pub(crate) struct Refusals {
    pub(crate) refuse: Reply,
    pub(crate) gone: Reply,
}

impl Workspace {
    /// Does what a call asks for, unless trouble is in the way, and answers it.
    pub(crate) async fn go(&self, road: Road, refusals: Refusals, act: impl FnOnce() -> Reply + Send) -> Response {
        let at = Instant::now();
        let early = self.still_closed(&road.bucket);
        if let Some(wait) = early {
            return self.finish(road, at, Reply::too_many(whole_seconds(wait)), None, true);
        }
        let trouble = self.wire.meet(&road.route, road.channel.as_deref(), road.is_post);
        match trouble {
            Some(Trouble::Refuse) => self.finish(road, at, refusals.refuse, trouble, false),
            Some(Trouble::Gone) => self.finish(road, at, refusals.gone, trouble, false),
            Some(Trouble::TooMany(wait)) => {
                // The header knows whole seconds only, so that the bucket is closed for as long as the client is told.
                let seconds = whole_seconds(wait);
                self.close(&road.bucket, Duration::from_secs(seconds));
                self.finish(road, at, Reply::too_many(seconds), trouble, false)
            }
            Some(Trouble::ServerError) => self.finish(road, at, Reply::unavailable(), trouble, false),
            Some(Trouble::Break) => self.break_off(road, at, trouble),
            Some(Trouble::ServerErrorAfter) => {
                act();
                self.finish(road, at, Reply::unavailable(), trouble, false)
            }
            Some(Trouble::LoseAnswer) => {
                act();
                self.break_off(road, at, trouble)
            }
            Some(Trouble::Delay(time)) => {
                let reply = act();
                let response = self.finish(road, at, reply, trouble, false);
                sleep(time).await;
                response
            }
            Some(Trouble::Hold) => {
                // Whoever waits for a release is there before anybody can see what was done.
                let released = self.wire.released();
                let reply = act();
                let response = self.finish(road, at, reply, trouble, false);
                released.await;
                response
            }
            None => {
                if self.options.has_rate_limits
                    && let Some(wait) = self.spend(&road)
                {
                    self.close(&road.bucket, Duration::from_secs(wait));
                    return self.finish(road, at, Reply::too_many(wait), None, false);
                }
                let reply = act();
                self.finish(road, at, reply, None, false)
            }
        }
    }

    fn finish(&self, road: Road, at: Instant, reply: Reply, trouble: Option<Trouble>, is_early: bool) -> Response {
        let status = reply.status.as_u16();
        let Road { route, channel, body, .. } = road;
        self.wire.record(Call { at, route, channel, body, status, trouble, is_early });
        let content_type = if reply.is_json { "application/json; charset=utf-8" } else { "text/html; charset=utf-8" };
        let mut response = Response::builder().status(reply.status).header("Content-Type", content_type);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(reply.body)).unwrap_or_else(|error| error.to_string().into_response())
    }

    /// Closes the connection without an answer: a body that breaks before the head is written takes the head with it.
    fn break_off(&self, road: Road, at: Instant, trouble: Option<Trouble>) -> Response {
        let Road { route, channel, body, .. } = road;
        self.wire.record(Call { at, route, channel, body, status: 0, trouble, is_early: false });
        let broken = stream::once(async { Err::<Vec<u8>, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
        Response::new(Body::from_stream(broken))
    }

    fn close(&self, bucket: &str, wait: Duration) {
        self.wire.close(bucket, wait);
        self.state().closed.insert(bucket.to_owned(), Instant::now() + wait);
    }

    fn still_closed(&self, bucket: &str) -> Option<Duration> {
        if !self.wire.is_early(bucket) {
            return None;
        }
        let until = *self.state().closed.get(bucket)?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// Takes a call out of its bucket, or answers after how many seconds there is one again.
    fn spend(&self, road: &Road) -> Option<u64> {
        let (a_minute, burst) = (f64::from(road.rate.0), f64::from(road.rate.1));
        let now = Instant::now();
        let mut state = self.state();
        let (left, at) = state.allowances.get(&road.bucket).copied().unwrap_or((burst, now));
        let left = (left + now.duration_since(at).as_secs_f64() * a_minute / 60.0).min(burst);
        let is_enough = left >= 1.0;
        state.allowances.insert(road.bucket.clone(), (if is_enough { left - 1.0 } else { left }, now));
        (!is_enough).then(|| whole_seconds(Duration::from_secs_f64((1.0 - left) * 60.0 / a_minute)))
    }
}

/// Rounded up, for who comes at the second that was rounded down comes too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
