//! What an update means: a message or a press of a person, as a [`Request`].

use std::sync::Arc;

use kanban_platform::{Author, Input, Request, Thread};
use serde_json::Value;

use crate::{
    KIND,
    address::{Names, is_topic_root},
    asker::Asker,
    fetch::incoming,
    memory::{Known, Memory},
    neutral::plain,
    update::{CallbackQuery, Chat, Message, Update, User},
};

/// The account that stands for administrators who stay anonymous, and the one for people who speak as a channel.
const STAND_INS: [i64; 2] = [1_087_968_824, 136_817_688];

/// An update, by its id, which is known even where nothing else of it can be read.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) update: i64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Message(Box<Said>),
    Press {
        /// None where the message of the button cannot be told.
        request: Option<Box<Request>>,
        query: String,
    },
    /// A group became another chat.
    Moved {
        from: i64,
        to: i64,
    },
    /// Nothing for us.
    Nothing,
}

/// A message of a person.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) request: Request,
    pub(crate) text: String,
    pub(crate) message: i64,
    pub(crate) date: i64,
    /// In a supergroup every message has the next number; elsewhere messages of other chats lie between.
    pub(crate) is_numbered_by_chat: bool,
    pub(crate) is_command: bool,
    /// The length as Telegram counts it, before anything was taken out.
    pub(crate) units: usize,
    /// The album that its file belongs to.
    pub(crate) album: Option<String>,
    pub(crate) forum: Option<i64>,
}

/// Reads updates for one bot.
pub(crate) struct Ears {
    /// The name of the platform.
    pub(crate) platform: String,
    pub(crate) names: Names,
    pub(crate) memory: Arc<Memory>,
}

impl Ears {
    /// None for what has no id and so is no update at all.
    pub(crate) fn hear(&self, raw: &Value) -> Option<Heard> {
        let id = raw.get("update_id")?.as_i64()?;
        let what = match serde_json::from_value::<Update>(raw.clone()) {
            Ok(update) => self.understand(update),
            Err(error) => {
                tracing::warn!(platform = %self.platform, update = id, %error, "an update cannot be read and is left out");
                What::Nothing
            }
        };
        Some(Heard { update: id, what })
    }

    fn understand(&self, update: Update) -> What {
        let id = update.update_id;
        match (update.message, update.callback_query) {
            (Some(message), _) => self.message(id, &message),
            (None, Some(query)) => self.press(id, query),
            (None, None) => What::Nothing,
        }
    }

    fn message(&self, id: i64, message: &Message) -> What {
        if let Some(to) = message.migrate_to_chat_id {
            return What::Moved { from: message.chat.id, to };
        }
        let (Some(author), Some(spoken)) = (author(message), self.names.read(message)) else { return What::Nothing };
        if spoken.is_command && is_of_somebody_else(message) {
            // A person who passes a message on does not give the command that somebody else wrote in it.
            return What::Nothing;
        }
        let text = message.text.as_deref().or(message.caption.as_deref()).unwrap_or_default();
        let reply_to = message.reply_to_message.as_ref().map(|replied| replied.message_id);
        let reply_to = reply_to.filter(|replied| !is_topic_root(message, *replied));
        self.remember(message, &author, &spoken.text, reply_to);
        let topic = message.message_thread_id.filter(|_| message.is_topic_message);
        let request = Request {
            update: id.to_string(),
            author,
            thread: self.thread(&message.chat, topic),
            input: Input::Text(spoken.text.clone()),
            reply_to: reply_to.map(|id| id.to_string()),
            addressed: spoken.addressed,
            return_address: Some(Asker::of_message(message.message_id)),
            // A topic has no topics, and a chain of replies in it could not be told from the topic.
            is_channel: topic.is_none(),
            message: Some(message.message_id.to_string()),
            files: incoming(message),
        };
        What::Message(Box::new(Said {
            request,
            text: spoken.text,
            message: message.message_id,
            date: message.date,
            is_numbered_by_chat: message.chat.kind == "supergroup",
            is_command: spoken.is_command,
            units: text.encode_utf16().count(),
            album: message.media_group_id.clone(),
            forum: message.chat.is_forum.then_some(message.chat.id),
        }))
    }

    fn press(&self, id: i64, query: CallbackQuery) -> What {
        let request = match (query.message, query.data) {
            (Some(message), Some(button)) if !query.from.is_bot => {
                let topic = message.message_thread_id.filter(|_| message.is_topic_message);
                Some(Box::new(Request {
                    update: id.to_string(),
                    author: person(&query.from),
                    thread: self.thread(&message.chat, topic),
                    // Telegram has no forms: a button that asks for words brings none.
                    input: Input::Press { message: message.message_id.to_string(), button, words: None },
                    reply_to: None,
                    addressed: true,
                    return_address: Some(Asker::of_press(message.message_id, &query.from)),
                    is_channel: topic.is_none(),
                    message: None,
                    files: Vec::new(),
                }))
            }
            (_, _) => None,
        };
        What::Press { request, query: query.id }
    }

    /// Keeps what was said, and what it replies to: that may be older than this process, or not for the bot's ears.
    fn remember(&self, message: &Message, author: &Author, text: &str, reply_to: Option<i64>) {
        let chat = &message.chat;
        self.memory.note_forum(chat.id, chat.is_forum);
        let known = |id: i64, reply_to: Option<i64>, said: kanban_platform::Said| {
            let topic = message.message_thread_id.filter(|_| message.is_topic_message);
            self.memory.keep(Known { chat: chat.id, topic, message: id, reply_to, said });
        };
        let said = |name: &str, id: &str, text: &str, is_ours: bool| kanban_platform::Said {
            author: name.to_owned(),
            person: format!("{KIND}:{id}"),
            is_ours,
            text: text.to_owned(),
        };
        let above = message.reply_to_message.as_ref().filter(|above| Some(above.message_id) == reply_to);
        if let Some(above) = above
            && let (Some(from), Some(text)) = (&above.from, above.text.as_ref().or(above.caption.as_ref()))
        {
            let is_ours = from.id == self.names.bot;
            let name = if is_ours { self.names.username.clone() } else { from.name() };
            let text = if is_ours { plain(text) } else { text.clone() };
            known(above.message_id, None, said(&name, &from.id.to_string(), &text, is_ours));
        }
        known(message.message_id, reply_to, said(&author.name, &author.id, text, false));
    }

    /// A topic counts where the message is really in one: in plain groups `message_thread_id` is a chain of replies,
    /// and in the General topic of a forum there is none.
    fn thread(&self, chat: &Chat, topic: Option<i64>) -> Thread {
        Thread {
            platform: self.platform.clone(),
            space: String::new(),
            channel: chat.id.to_string(),
            thread: topic.map(|topic| topic.to_string()),
        }
    }
}

/// Who wrote a message; none for bots, and for channels whose posts are passed on to a group.
fn author(message: &Message) -> Option<Author> {
    if message.is_automatic_forward || message.via_bot.is_some() {
        return None;
    }
    match (&message.from, &message.sender_chat) {
        (Some(from), Some(chat)) if STAND_INS.contains(&from.id) => Some(Author {
            platform: KIND.to_owned(),
            id: chat.id.to_string(),
            name: chat.title.clone().unwrap_or_default(),
            groups: Vec::new(),
        }),
        (Some(from), _) if !from.is_bot => Some(person(from)),
        (Some(_) | None, _) => None,
    }
}

fn person(user: &User) -> Author {
    Author { platform: KIND.to_owned(), id: user.id.to_string(), name: user.name(), groups: Vec::new() }
}

fn is_of_somebody_else(message: &Message) -> bool {
    let Some(origin) = &message.forward_origin else { return false };
    match (&origin.sender_user, &message.from) {
        (Some(writer), Some(from)) => writer.id != from.id,
        (_, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{Ears, What};
    use crate::address::Names;
    use kanban_platform::{Input, Request};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn ears() -> Ears {
        let commands = ["kanban"].map(str::to_owned).into();
        Ears {
            platform: "telegram.acme".to_owned(),
            names: Names { bot: 99, username: "KanbanBot".to_owned(), commands },
            memory: Arc::default(),
        }
    }

    fn message(change: &Value) -> Value {
        let mut message = json!({
            "message_id": 41, "date": 1_700_000_000, "text": "/kanban list",
            "from": {"id": 7, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "username": "ann"},
            "chat": {"id": -100_123, "type": "supergroup", "is_forum": true},
        });
        for (key, value) in change.as_object().expect("an object") {
            message[key] = value.clone();
        }
        message
    }

    fn request(change: &Value) -> Option<Request> {
        match ears().hear(&json!({"update_id": 12, "message": message(change)})).expect("an update").what {
            What::Message(said) => Some(said.request),
            What::Press { .. } | What::Moved { .. } | What::Nothing => None,
        }
    }

    #[test]
    fn a_message_is_known_by_its_update_its_chat_and_its_person() {
        let request = request(&json!({})).unwrap();
        assert_eq!(request.update, "12");
        assert_eq!(request.author.to_string(), "telegram:7 (Ann Lee)");
        assert_eq!(request.thread.to_string(), "telegram.acme:-100123");
        assert_eq!(request.input, Input::Text("/kanban list".to_owned()));
        assert_eq!(request.return_address.as_deref(), Some("41"));
        assert_eq!(request.message.as_deref(), Some("41"));
        assert!(request.is_channel && request.author.groups.is_empty());
        assert!(request.addressed);
    }

    #[test]
    fn a_topic_is_a_thread_and_a_chain_of_replies_is_not() {
        let reply = json!({"message_id": 30, "from": {"id": 8}});
        let topic = |change: Value| request(&change).unwrap();
        let inside = topic(json!({"message_thread_id": 30, "is_topic_message": true, "reply_to_message": reply}));
        assert_eq!((inside.thread.thread.as_deref(), inside.reply_to), (Some("30"), None));
        assert!(!inside.is_channel);
        let chain = topic(json!({"message_thread_id": 30, "reply_to_message": reply}));
        assert_eq!((chain.thread.thread, chain.reply_to.as_deref()), (None, Some("30")));
        assert!(chain.is_channel);
    }

    #[test]
    fn bots_edits_and_passed_on_commands_are_not_heard() {
        assert_eq!(request(&json!({"from": {"id": 7, "is_bot": true}})), None);
        assert_eq!(request(&json!({"from": null})), None);
        assert_eq!(request(&json!({"via_bot": {"id": 5, "is_bot": true}})), None);
        assert_eq!(request(&json!({"is_automatic_forward": true})), None);
        assert_eq!(request(&json!({"forward_origin": {"type": "user", "sender_user": {"id": 8}}})), None);
        assert_eq!(request(&json!({"forward_origin": {"type": "hidden_user"}})), None);
        assert!(request(&json!({"forward_origin": {"type": "user", "sender_user": {"id": 7}}})).is_some());
        let edit = json!({"update_id": 13, "edited_message": message(&json!({}))});
        assert!(matches!(ears().hear(&edit).unwrap().what, What::Nothing));
        let anonymous = json!({"from": {"id": 1_087_968_824, "is_bot": true}, "sender_chat": {"id": -100_123, "type": "supergroup", "title": "Ops"}});
        assert_eq!(request(&anonymous).unwrap().author.to_string(), "telegram:-100123 (Ops)");
    }

    #[test]
    fn a_press_names_its_message_and_its_key() {
        let query = |message: Value| {
            let query = json!({"id": "q1", "from": {"id": 7, "first_name": "Ann"}, "chat_instance": "1", "data": "d1.0", "message": message});
            match ears().hear(&json!({"update_id": 14, "callback_query": query})).expect("an update").what {
                What::Press { request, query } => (request, query),
                What::Message(_) | What::Moved { .. } | What::Nothing => panic!("it should be a press"),
            }
        };
        let chat = json!({"id": -5, "type": "group"});
        // A message that is too old has a date of 0 and nothing else.
        let (request, id) = query(json!({"message_id": 40, "date": 0, "chat": chat}));
        let request = request.unwrap();
        assert_eq!(request.input, Input::Press { message: "40".to_owned(), button: "d1.0".to_owned(), words: None });
        assert_eq!((request.message, request.return_address.as_deref()), (None, Some("40 7 Ann")));
        assert!(request.is_channel);
        assert_eq!(id, "q1");
        assert_eq!(query(json!(null)), (None, "q1".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_has_an_id_all_the_same() {
        let heard = ears().hear(&json!({"update_id": 15, "message": {"message_id": "x"}})).unwrap();
        assert_eq!(heard.update, 15);
        assert!(matches!(heard.what, What::Nothing));
        let heard =
            ears().hear(&json!({"update_id": 16, "message": message(&json!({"migrate_to_chat_id": -1_009}))})).unwrap();
        assert!(matches!(heard.what, What::Moved { from: -100_123, to: -1009 }));
        assert!(ears().hear(&json!({"message": 1})).is_none());
        // An entity of a version that teloxide does not know yet.
        let entity = json!({"entities": [{"type": "date_time", "offset": 0, "length": 3, "unix_time": 5}]});
        assert!(request(&entity).is_some());
    }
}
