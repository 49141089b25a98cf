//! The bot's sessions on the gateway: what each is told, and what it can ask for again.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    account::GUILD,
    channel::{Channel, Permission},
    cut::Scissors,
    message::Message,
    state::State,
};

pub(super) const GUILDS: u64 = 1;
const GUILD_MEMBERS: u64 = 1 << 1;
const GUILD_PRESENCES: u64 = 1 << 8;
const GUILD_MESSAGES: u64 = 1 << 9;
const DIRECT_MESSAGES: u64 = 1 << 12;
const MESSAGE_CONTENT: u64 = 1 << 15;
/// Every intent that there is (Gateway, "List of Intents"): 0 to 16, 20, 21, 24 and 25.
const KNOWN: u64 = ((1 << 17) - 1) | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25;

/// One IDENTIFY and everything that followed, over any number of connections.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) intents: u64,
    pub(super) sequence: u64,
    /// What a RESUME may still ask for: what came after the last heartbeat named a sequence.
    log: VecDeque<(u64, Arc<str>)>,
    last: Option<(&'static str, Arc<str>)>,
    pub(super) link: Option<Link>,
    pub(super) can_resume: bool,
}

/// The connection of a session.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) sender: UnboundedSender<Out>,
    pub(super) scissors: Scissors,
    pub(super) is_silent: bool,
}

/// What the server says on a connection.
#[derive(Clone, Debug)]
pub(super) enum Out {
    Text(Arc<str>),
    Close(u16),
}

impl Session {
    fn tell(&mut self, name: &'static str, data: &Arc<str>) {
        self.sequence += 1;
        let frame: Arc<str> = format!(r#"{{"op":0,"s":{},"t":"{name}","d":{data}}}"#, self.sequence).into();
        self.log.push_back((self.sequence, Arc::clone(&frame)));
        self.last = Some((name, Arc::clone(data)));
        self.send(frame);
    }

    fn send(&self, frame: Arc<str>) {
        if let Some(link) = self.link.as_ref().filter(|link| !link.is_silent) {
            // A connection that has just ended keeps nothing from being asked for again.
            link.sender.send(Out::Text(frame)).ok();
        }
    }

    /// A heartbeat says what has arrived: nobody will ask for it again.
    pub(super) fn arrived(&mut self, sequence: u64) {
        while self.log.front().is_some_and(|(earlier, _)| *earlier <= sequence) {
            self.log.pop_front();
        }
    }

    fn reads_content(&self, is_granted: bool) -> bool {
        is_granted && self.intents & MESSAGE_CONTENT != 0
    }
}

impl State {
    /// Checks an IDENTIFY's intents; else the code with which the connection is closed.
    pub(super) fn check_intents(&self, intents: u64) -> Result<(), u16> {
        if intents & !KNOWN != 0 {
            return Err(4013);
        }
        let granted = if self.grants_content { MESSAGE_CONTENT } else { 0 };
        let privileged = (GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT) & !granted;
        if intents & privileged != 0 { Err(4014) } else { Ok(()) }
    }

    /// A new session: READY, and then the guild. Sessions without a connection are over.
    pub(super) fn begin_session(&mut self, intents: u64, link: Link, resume_url: &str) {
        self.sessions.retain(|session| session.link.is_some());
        self.identifies += 1;
        let id = format!("{:032x}", u128::from(self.ids.next()) << 32);
        let ready = json!({
            "v": 10, "user": self.own_user(), "guilds": [{ "id": GUILD.to_string(), "unavailable": true }],
            "session_id": id, "session_type": "normal", "resume_gateway_url": resume_url, "shard": [0, 1],
            "private_channels": [], "presences": [], "relationships": [], "user_settings": {}, "geo_ordered_rtc_regions": [],
            "application": ready_application(&self.application()), "_trace": [],
        });
        let mut session =
            Session { id, intents, sequence: 0, log: VecDeque::new(), last: None, link: Some(link), can_resume: true };
        session.tell("READY", &ready.to_string().into());
        if intents & GUILDS != 0 {
            session.tell("GUILD_CREATE", &self.guild_json().to_string().into());
        }
        self.sessions.push(session);
    }

    /// Takes a session up again on another connection, and tells it what it missed.
    pub(super) fn resume_session(&mut self, id: &str, sequence: u64, link: Link) -> Result<(), Link> {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id && session.can_resume) else {
            return Err(link);
        };
        // What a heartbeat has confirmed is not kept.
        let is_known = session.log.front().map_or(session.sequence, |(first, _)| first - 1) <= sequence;
        if !is_known || sequence > session.sequence {
            return Err(link);
        }
        if let Some(old) = session.link.replace(link) {
            old.sender.send(Out::Close(4000)).ok();
        }
        session.arrived(sequence);
        for (_, frame) in &session.log {
            session.send(Arc::clone(frame));
        }
        session.tell("RESUMED", &Arc::from(r#"{"_trace":[]}"#));
        Ok(())
    }

    /// The connection is over; the session can be resumed.
    pub(super) fn unlink(&mut self, number: u64) {
        for session in &mut self.sessions {
            if session.link.as_ref().is_some_and(|link| link.number == number) {
                session.link = None;
            }
        }
    }

    pub(super) fn session_of(&mut self, number: u64) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.link.as_ref().is_some_and(|link| link.number == number))
    }

    /// Tells every session that asked for such events, or all where `intent` is 0.
    pub(super) fn dispatch(&mut self, name: &'static str, intent: u64, data: &Value) {
        let data: Arc<str> = data.to_string().into();
        for session in self.sessions.iter_mut().filter(|session| intent == 0 || session.intents & intent != 0) {
            session.tell(name, &data);
        }
    }

    /// Tells every session of something in a channel that the bot can see.
    pub(super) fn dispatch_in(&mut self, name: &'static str, channel: u64, data: &Value) {
        let is_seen = self.channels.get(&channel).is_some_and(|channel| self.may(channel, Permission::ViewChannel));
        if is_seen {
            self.dispatch(name, GUILDS, data);
        }
    }

    /// `MESSAGE_CREATE` or `MESSAGE_UPDATE`: without the intent for content it says nothing unless it is for the bot.
    pub(super) fn dispatch_message(&mut self, name: &'static str, message: &Message) {
        let Some(channel) = self.channels.get(&message.channel) else { return };
        if message.private_to.is_some() || !self.may(channel, Permission::ViewChannel) {
            return;
        }
        let intent = message_intent(channel);
        let told: Vec<bool> = self
            .sessions
            .iter()
            .filter(|session| session.intents & intent != 0)
            .map(|session| session.reads_content(self.grants_content))
            .collect();
        let event = |shows: bool| {
            let is_needed = told.contains(&shows);
            is_needed.then(|| Arc::<str>::from(self.message_event(message, shows)))
        };
        let (with, without) = (event(true), event(false));
        let is_granted = self.grants_content;
        for session in self.sessions.iter_mut().filter(|session| session.intents & intent != 0) {
            if let Some(data) = if session.reads_content(is_granted) { &with } else { &without } {
                session.tell(name, data);
            }
        }
    }

    pub(super) fn dispatch_deletion(&mut self, message: &Message) {
        let Some(channel) = self.channels.get(&message.channel) else { return };
        if message.private_to.is_some() || !self.may(channel, Permission::ViewChannel) {
            return;
        }
        let intent = message_intent(channel);
        let mut data = json!({ "id": message.id.to_string(), "channel_id": message.channel.to_string() });
        if !channel.is_direct() {
            data["guild_id"] = GUILD.to_string().into();
        }
        self.dispatch("MESSAGE_DELETE", intent, &data);
    }

    /// Tells every session once more what it was told last.
    pub(super) fn repeat_last(&mut self) {
        for session in &mut self.sessions {
            if let Some((name, data)) = session.last.clone() {
                session.tell(name, &data);
            }
        }
    }
}

fn ready_application(application: &Value) -> Value {
    json!({ "id": application["id"], "flags": application["flags"], "flags_new": application["flags_new"] })
}

fn message_intent(channel: &Channel) -> u64 {
    if channel.is_direct() { DIRECT_MESSAGES } else { GUILD_MESSAGES }
}
