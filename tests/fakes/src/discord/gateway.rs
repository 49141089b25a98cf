//! The gateway: the websocket on which the bot is told what happens (Gateway, "Connection Lifecycle").

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{
    Core,
    account::TOKEN,
    cut::Scissors,
    session::{Link, Out},
};

/// More payloads than this in a minute end the connection (Gateway, "Rate Limiting").
const MOST_PAYLOADS: usize = 120;
/// So many events are written at once.
const BATCH: usize = 256;

/// One connection of the bot.
pub(super) struct Connection {
    core: Arc<Core>,
    number: u64,
    sender: UnboundedSender<Out>,
    scissors: Scissors,
    payloads: VecDeque<Instant>,
    is_identified: bool,
    heard: Instant,
}

impl Connection {
    /// Serves a connection until either side ends it.
    pub(super) async fn serve(core: Arc<Core>, mut socket: WebSocket, scissors: Scissors) {
        let (sender, mut receiver) = unbounded_channel();
        let number = {
            let mut state = core.state();
            state.connections += 1;
            state.connections
        };
        let link = Link { number, sender: sender.clone(), scissors: scissors.clone(), is_silent: false };
        core.links().push(link);
        let mut connection = Self {
            core,
            number,
            sender,
            scissors,
            payloads: VecDeque::new(),
            is_identified: false,
            heard: Instant::now(),
        };
        connection.run(&mut socket, &mut receiver).await;
        connection.core.links().retain(|link| link.number != number);
        connection.core.state().unlink(number);
        connection.core.wire.changed();
    }

    async fn run(&mut self, socket: &mut WebSocket, receiver: &mut UnboundedReceiver<Out>) {
        let interval = self.core.options.heartbeat_interval;
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let hello = json!({ "op": 10, "s": null, "t": null, "d": { "heartbeat_interval": millis, "_trace": [] } });
        self.say(&hello);
        let mut outs = Vec::new();
        loop {
            // A client that has stopped its heartbeats is gone.
            let patience = sleep_until(self.heard + interval * 2 + Duration::from_secs(1));
            tokio::select! {
                count = receiver.recv_many(&mut outs, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    for out in outs.drain(..) {
                        match out {
                            Out::Text(text) => {
                                if socket.feed(Frame::Text(text.as_ref().into())).await.is_err() {
                                    return;
                                }
                            }
                            Out::Close(code) => return close(socket, code).await,
                        }
                    }
                    if socket.flush().await.is_err() {
                        return;
                    }
                }
                frame = socket.recv() => {
                    let text = match frame {
                        Some(Ok(Frame::Text(text))) => text,
                        Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => continue,
                        Some(Ok(Frame::Binary(_))) => return close(socket, 4002).await,
                        Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                    };
                    self.heard = Instant::now();
                    if self.is_silent() {
                        continue;
                    }
                    if let Err(code) = self.hear(text.as_str()) {
                        return close(socket, code).await;
                    }
                }
                () = patience => if !self.is_silent() { return close(socket, 4009).await },
            }
        }
    }

    /// Acts on a payload, or says with which code the connection ends.
    fn hear(&mut self, text: &str) -> Result<(), u16> {
        self.count_payload()?;
        let payload: Value = serde_json::from_str(text).map_err(|_| 4002_u16)?;
        let data = &payload["d"];
        match payload["op"].as_u64() {
            Some(1) => {
                let arrived = data.as_u64();
                if let (Some(session), Some(arrived)) = (self.core.state().session_of(self.number), arrived) {
                    session.arrived(arrived);
                }
                self.say(&json!({ "op": 11, "s": null, "t": null, "d": null }));
                Ok(())
            }
            Some(2) => self.identify(data),
            Some(6) => self.resume(data),
            Some(3 | 4 | 8 | 31) if self.is_identified => Ok(()),
            Some(3 | 4 | 8 | 31) => Err(4003),
            Some(_) => Err(4001),
            None => Err(4002),
        }
    }

    fn identify(&mut self, data: &Value) -> Result<(), u16> {
        if self.is_identified {
            return Err(4005);
        }
        self.check_token(data)?;
        let Some(intents) = data["intents"].as_u64() else {
            self.core.wire.complain("IDENTIFY without intents");
            return Err(4013);
        };
        if !data["properties"].is_object() {
            self.core.wire.complain("IDENTIFY without properties");
            return Err(4002);
        }
        let mut state = self.core.state();
        state.check_intents(intents)?;
        if !state.limits.may_identify() {
            drop(state);
            self.say(&json!({ "op": 9, "s": null, "t": null, "d": false }));
            return Ok(());
        }
        state.begin_session(intents, self.link(), &self.core.gateway);
        drop(state);
        self.is_identified = true;
        self.core.wire.changed();
        Ok(())
    }

    fn resume(&mut self, data: &Value) -> Result<(), u16> {
        if self.is_identified {
            return Err(4005);
        }
        self.check_token(data)?;
        let session = data["session_id"].as_str().ok_or(4002_u16)?;
        let sequence = data["seq"].as_u64().unwrap_or(0);
        let resumed = self.core.state().resume_session(session, sequence, self.link());
        if resumed.is_ok() {
            self.is_identified = true;
            self.core.wire.changed();
        } else {
            self.say(&json!({ "op": 9, "s": null, "t": null, "d": false }));
        }
        Ok(())
    }

    fn check_token(&self, data: &Value) -> Result<(), u16> {
        let given = data["token"].as_str().map(|token| token.strip_prefix("Bot ").unwrap_or(token));
        if given == Some(TOKEN) { Ok(()) } else { Err(4004) }
    }

    fn count_payload(&mut self) -> Result<(), u16> {
        let now = Instant::now();
        self.payloads.push_back(now);
        while self.payloads.front().is_some_and(|at| now.duration_since(*at) > Duration::from_mins(1)) {
            self.payloads.pop_front();
        }
        if self.payloads.len() > MOST_PAYLOADS {
            self.core.wire.complain("more than 120 payloads to the gateway in a minute");
            return Err(4008);
        }
        Ok(())
    }

    fn link(&self) -> Link {
        Link {
            number: self.number,
            sender: self.sender.clone(),
            scissors: self.scissors.clone(),
            is_silent: self.is_silent(),
        }
    }

    fn is_silent(&self) -> bool {
        self.core.links().iter().any(|link| link.number == self.number && link.is_silent)
    }

    /// Says something that is no event and therefore is not kept for a RESUME.
    fn say(&self, payload: &Value) {
        self.sender.send(Out::Text(payload.to_string().into())).ok();
    }
}

async fn close(socket: &mut WebSocket, code: u16) {
    let reason = match code {
        4001 => "Unknown opcode.",
        4002 => "Error while decoding payload.",
        4003 => "Not authenticated.",
        4004 => "Authentication failed.",
        4005 => "Already authenticated.",
        4007 => "Invalid seq.",
        4008 => "Rate limited.",
        4009 => "Session timed out.",
        4012 => "Invalid API version.",
        4013 => "Invalid intent(s).",
        4014 => "Disallowed intent(s).",
        _ => "Unknown error.",
    };
    // The client may be gone already, which ends the connection just as well.
    socket.send(Frame::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok();
    let goodbye = async { while let Some(Ok(_)) = socket.recv().await {} };
    tokio::time::timeout(Duration::from_secs(2), goodbye).await.ok();
}
