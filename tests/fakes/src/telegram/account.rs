//! The bot's account on the platform: everything that the server remembers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::{
    chat::{Chat, Kind},
    description::Description,
    flood::Flood,
    menu::{Command, Scope},
    message::{Document, Message},
    parameters::{Parameters, integer},
    people::People,
    press::Press,
    queue::Queue,
    refusal::Refusal,
    webhook::Webhook,
};
use crate::wire::Wire;

const BOT: i64 = 7_000_000_001;
const FIRST_SUPERGROUP: i64 = -1_002_000_000_001;
const FIRST_GROUP: i64 = -4_000_001;

/// So many updates are checked against the description, and of the further ones each so many-th.
const CHECKED: i64 = 1_000;
const CHECKED_OF: i64 = 97;

pub(crate) struct Account {
    pub(crate) token: String,
    pub(crate) wire: Wire,
    state: Mutex<State>,
    /// Counts updates and changes of the webhook, for those who wait for one.
    pub(crate) arrivals: watch::Sender<u64>,
    /// Counts what ends a long poll, with the reason.
    pub(crate) conflicts: watch::Sender<(u64, &'static str)>,
    pub(crate) pollers: AtomicUsize,
    /// Long polls get no answer, and their connections stay open.
    pub(crate) is_silent: AtomicBool,
    start: Instant,
    start_unix: Duration,
}

pub(crate) struct State {
    pub(crate) people: People,
    /// Groups by the names that the test gave.
    pub(crate) places: HashMap<String, i64>,
    pub(crate) chats: BTreeMap<i64, Chat>,
    pub(crate) queue: Queue,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) menus: HashMap<(Scope, String), Vec<Command>>,
    pub(crate) presses: HashMap<String, Press>,
    pub(crate) files: HashMap<String, Document>,
    /// Whether groups deliver only what is meant for the bot.
    pub(crate) has_privacy: bool,
    pub(crate) flood: Option<Flood>,
    /// Buckets that a 429 closed.
    pub(crate) closed: HashMap<String, Instant>,
    pub(crate) last_press: u64,
}

impl Account {
    #[expect(clippy::disallowed_methods, reason = "the server is the world outside: its messages bear the real time")]
    pub(crate) fn new() -> Self {
        Self {
            token: format!("{BOT}:AAFakeTokenOfTheTestServer-0123456789"),
            wire: Wire::default(),
            state: Mutex::new(State {
                people: People::new(BOT, "kanban_fake_bot"),
                places: HashMap::new(),
                chats: BTreeMap::new(),
                queue: Queue::default(),
                webhook: None,
                menus: HashMap::new(),
                presses: HashMap::new(),
                files: HashMap::new(),
                has_privacy: true,
                flood: None,
                closed: HashMap::new(),
                last_press: 0,
            }),
            arrivals: watch::Sender::new(0),
            conflicts: watch::Sender::new((0, "")),
            pollers: AtomicUsize::new(0),
            is_silent: AtomicBool::new(false),
            start: Instant::now(),
            start_unix: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from((self.start_unix + self.start.elapsed()).as_secs()).unwrap_or(i64::MAX)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an update into the queue, if the bot asked for its kind. Answers its id.
    pub(crate) fn publish(&self, state: &mut State, kind: &str, value: &Value) -> Option<i64> {
        if !state.queue.wants(kind) {
            return None;
        }
        let id = state.queue.next_id();
        let update = json!({"update_id": id, kind: value});
        if (id % CHECKED_OF == 0 || id % 100_000_000 < CHECKED)
            && let Some(description) = Description::published()
        {
            description.check_update(&update).into_iter().for_each(|wrong| self.wire.complain(wrong));
        }
        state.queue.push(update.to_string());
        self.arrivals.send_modify(|count| *count += 1);
        Some(id)
    }

    /// Puts a person's message or a note into a chat and tells the bot, if it may know. Answers the message's id.
    pub(crate) fn receive(&self, state: &mut State, chat: i64, message: Message) -> i64 {
        let Some(found) = state.chats.get_mut(&chat) else { return 0 };
        let id = found.add(message);
        self.tell(state, chat, id, "message");
        id
    }

    /// Sends the update about a message, if the bot may know of it.
    pub(crate) fn tell(&self, state: &mut State, chat: i64, id: i64, kind: &str) {
        let Some(found) = state.chats.get(&chat) else { return };
        let Some(message) = found.message(id) else { return };
        if state.reaches(found, message) {
            let json = found.message_json(message, &state.people);
            self.publish(state, kind, &json);
        }
        self.wire.changed();
    }

    /// Ends every long poll that waits now.
    pub(crate) fn conflict(&self, reason: &'static str) {
        self.conflicts.send_modify(|(count, why)| (*count, *why) = (*count + 1, reason));
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Acquire)
    }
}

impl State {
    /// The group of a name, made at the first call.
    pub(crate) fn group(&mut self, name: &str, kind: Kind) -> i64 {
        if let Some(id) = self.places.get(name) {
            return *id;
        }
        let id = self.new_id(kind);
        self.chats.insert(id, Chat::new(id, kind, name));
        self.places.insert(name.to_owned(), id);
        id
    }

    /// The private chat of a person, who has started the bot.
    pub(crate) fn private(&mut self, name: &str) -> i64 {
        let id = self.people.id(name);
        self.chats.entry(id).or_insert_with(|| Chat::new(id, Kind::Private, name));
        id
    }

    /// The id of a group that does not exist yet.
    pub(crate) fn new_id(&self, kind: Kind) -> i64 {
        let count = self.chats.values().filter(|chat| chat.kind == kind).count();
        let count = i64::try_from(count).unwrap_or(i64::MAX >> 1);
        match kind {
            Kind::Private | Kind::Group => FIRST_GROUP - count,
            Kind::Supergroup => FIRST_SUPERGROUP - count,
        }
    }

    /// The chat that a call is about.
    pub(crate) fn chat(&mut self, parameters: &Parameters) -> Result<&mut Chat, Refusal> {
        let Some(given) = parameters.get("chat_id") else { return Err(Refusal::bad("chat_id is empty")) };
        let chat = integer(given).and_then(|id| self.chats.get_mut(&id));
        chat.ok_or_else(Refusal::chat_not_found)
    }

    /// The chat that a call is about, where the bot may act.
    pub(crate) fn open_chat(&mut self, parameters: &Parameters) -> Result<&mut Chat, Refusal> {
        let chat = self.chat(parameters)?;
        chat.check_open()?;
        Ok(chat)
    }

    /// Whether the bot gets to know of a message: always in private, in groups what "Privacy mode" lets through.
    fn reaches(&self, chat: &Chat, message: &Message) -> bool {
        if chat.shut.is_some() {
            return false;
        }
        if chat.kind == Kind::Private || chat.is_admin || !self.has_privacy || message.service.is_some() {
            return true;
        }
        let bot = self.people.bot_username();
        let units: Vec<u16> = message.body.text.encode_utf16().collect();
        let says = |kind: &'static str| {
            let entities = message.body.entities.iter().filter(move |entity| entity.kind == kind);
            entities.map(|entity| (entity.offset, String::from_utf16_lossy(&units[entity.offset..entity.end()])))
        };
        let is_mentioned = says("mention").any(|(_, name)| name[1..].eq_ignore_ascii_case(bot));
        let is_command = says("bot_command").any(|(offset, command)| {
            offset == 0 && command.split_once('@').is_none_or(|(_, name)| name.eq_ignore_ascii_case(bot))
        });
        let replied = message.reply_to.and_then(|id| chat.message(id));
        is_mentioned || is_command || replied.is_some_and(Message::is_ours)
    }
}
