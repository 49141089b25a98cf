//! Whether a message is meant for us, and what it says without our name.

use std::{collections::HashSet, ops::Range};

use crate::update::{Entity, Message};

/// What makes a message ours.
pub(crate) struct Names {
    pub(crate) bot: i64,
    pub(crate) username: String,
    /// The commands of our menus: in a group with one bot, people type them without its name.
    pub(crate) commands: HashSet<String>,
}

/// The text of a message, as the gateway is to read it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) text: String,
    /// The person means us.
    pub(crate) addressed: bool,
    pub(crate) is_command: bool,
}

impl Names {
    /// None for a message without text, and for a command to another bot.
    pub(crate) fn read(&self, message: &Message) -> Option<Spoken> {
        let (text, entities) = match (&message.text, &message.caption) {
            (Some(text), _) => (text.as_str(), &message.entities),
            (None, Some(caption)) => (caption.as_str(), &message.caption_entities),
            (None, None) if message.has_files() => ("", &message.entities),
            (None, None) => return None,
        };
        let mentions: Vec<Range<usize>> = entities.iter().filter_map(|entity| self.mention(text, entity)).collect();
        let is_reply_to_us = message
            .reply_to_message
            .as_ref()
            .filter(|replied| !is_topic_root(message, replied.message_id))
            .and_then(|replied| replied.from.as_ref())
            .is_some_and(|from| from.id == self.bot);
        let addressed = message.chat.kind == "private" || is_reply_to_us || !mentions.is_empty();
        let leading = mentions.iter().find(|range| text[..range.start].trim().is_empty());
        let text = match leading {
            Some(range) => text[range.end..].trim_start_matches([',', ':']).trim_start(),
            None => text,
        };
        self.command(text, addressed)
    }

    /// Where the entity names us.
    fn mention(&self, text: &str, entity: &Entity) -> Option<Range<usize>> {
        let range = bytes(text, entity.offset, entity.length)?;
        let names_us = match entity.kind.as_str() {
            "mention" => text[range.clone()].strip_prefix('@').is_some_and(|name| self.is_ours(name)),
            "text_mention" => entity.user.as_ref().is_some_and(|user| user.id == self.bot),
            _ => false,
        };
        names_us.then_some(range)
    }

    /// Takes our name off a command: `/kanban@OurBot list` is `/kanban list`.
    fn command(&self, text: &str, addressed: bool) -> Option<Spoken> {
        let Some(rest) = text.strip_prefix('/') else {
            return Some(Spoken { text: text.to_owned(), addressed, is_command: false });
        };
        let (word, rest) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let (name, bot) = match word.split_once('@') {
            Some((name, bot)) if is_username(bot) => (name, Some(bot)),
            Some(_) | None => (word, None),
        };
        if bot.is_some_and(|bot| !self.is_ours(bot)) {
            return None;
        }
        let addressed = addressed || bot.is_some() || self.commands.contains(&name.to_lowercase());
        // Telegram's own button for a first contact sends `/start`, with a word of the link that led here.
        if addressed && name.eq_ignore_ascii_case("start") {
            return Some(Spoken { text: "/kanban help".to_owned(), addressed, is_command: true });
        }
        Some(Spoken { text: format!("/{name}{rest}"), addressed, is_command: true })
    }

    fn is_ours(&self, username: &str) -> bool {
        username.eq_ignore_ascii_case(&self.username)
    }
}

/// In a topic, a message that replies to nothing says that it replies to the message that opened the topic.
pub(crate) fn is_topic_root(message: &Message, replied: i64) -> bool {
    message.is_topic_message && message.message_thread_id == Some(replied)
}

fn is_username(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The bytes of a stretch that is told in UTF-16 units. None where it does not lie in the text.
fn bytes(text: &str, offset: usize, length: usize) -> Option<Range<usize>> {
    let at = |wanted: usize| {
        let mut units = 0;
        let mut starts = text.char_indices().map(|(at, c)| {
            let start = units;
            units += c.len_utf16();
            (start, at)
        });
        let found = starts.find(|(start, _)| *start >= wanted).filter(|(start, _)| *start == wanted);
        found.map(|(_, at)| at).or_else(|| (units == wanted).then_some(text.len()))
    };
    Some(at(offset)?..at(offset.checked_add(length)?)?)
}

#[cfg(test)]
mod tests {
    use super::{Names, bytes};
    use serde_json::{Value, json};

    fn read(message: &Value) -> Option<(String, bool)> {
        let names = Names {
            bot: 99,
            username: "KanbanBot".to_owned(),
            commands: ["kanban", "tasks"].map(str::to_owned).into(),
        };
        let mut whole = json!({"message_id": 5, "date": 0, "chat": {"id": -1, "type": "supergroup"}});
        for (key, value) in message.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        let spoken = names.read(&serde_json::from_value(whole).expect("a message"))?;
        Some((spoken.text, spoken.addressed))
    }

    fn said(text: &str, addressed: bool) -> Option<(String, bool)> {
        Some((text.to_owned(), addressed))
    }

    #[test]
    fn a_command_keeps_its_space_when_the_name_goes() {
        assert_eq!(read(&json!({"text": "/kanban@KanbanBot list"})), said("/kanban list", true));
        assert_eq!(read(&json!({"text": "/kanban@kanbanbot"})), said("/kanban", true));
        assert_eq!(read(&json!({"text": "/tasks@KanbanBot x\ny"})), said("/tasks x\ny", true));
        assert_eq!(read(&json!({"text": "/Tasks x"})), said("/Tasks x", true));
        assert_eq!(read(&json!({"text": "/weather x"})), said("/weather x", false));
        assert_eq!(read(&json!({"text": "/kanban@OtherBot list"})), None);
        assert_eq!(read(&json!({"text": "/start@KanbanBot deep"})), said("/kanban help", true));
        assert_eq!(read(&json!({"text": "/start"})), said("/start", false));
        assert_eq!(read(&json!({"caption": "/kanban new", "photo": []})), said("/kanban new", true));
    }

    #[test]
    fn a_leading_mention_is_not_part_of_the_text() {
        let mention = |offset: usize| json!([{"type": "mention", "offset": offset, "length": 10}]);
        assert_eq!(read(&json!({"text": "@KanbanBot list", "entities": mention(0)})), said("list", true));
        assert_eq!(read(&json!({"text": "@kanbanbot: list", "entities": mention(0)})), said("list", true));
        assert_eq!(
            read(&json!({"text": "@KanbanBot /kanban@KanbanBot list", "entities": mention(0)})),
            said("/kanban list", true)
        );
        assert_eq!(
            read(&json!({"text": "😀 ask @KanbanBot", "entities": mention(7)})),
            said("😀 ask @KanbanBot", true)
        );
        assert_eq!(read(&json!({"text": "@otherbot1 x", "entities": mention(0)})), said("@otherbot1 x", false));
        assert_eq!(
            read(
                &json!({"text": "Kanban, x", "entities": [{"type": "text_mention", "offset": 0, "length": 6, "user": {"id": 99}}]})
            ),
            said("x", true)
        );
        // As code it is no mention.
        assert_eq!(
            read(&json!({"text": "@KanbanBot x", "entities": [{"type": "code", "offset": 0, "length": 10}]})),
            said("@KanbanBot x", false)
        );
    }

    #[test]
    fn private_chats_and_replies_to_us_are_for_us() {
        assert_eq!(read(&json!({"text": "hello", "chat": {"id": 1, "type": "private"}})), said("hello", true));
        let reply = json!({"message_id": 3, "from": {"id": 99, "is_bot": true}});
        assert_eq!(read(&json!({"text": "hello", "reply_to_message": reply})), said("hello", true));
        assert_eq!(read(&json!({"text": "hello"})), said("hello", false));
        // Every message of a topic that the bot opened names its first message.
        let root =
            json!({"text": "hello", "reply_to_message": reply, "message_thread_id": 3, "is_topic_message": true});
        assert_eq!(read(&root), said("hello", false));
        assert_eq!(read(&json!({"sticker": {}})), None);
    }

    #[test]
    fn entities_outside_of_the_text_are_left_alone() {
        assert_eq!(bytes("a😀b", 1, 2), Some(1..5));
        assert_eq!(bytes("a😀b", 3, 1), Some(5..6));
        assert_eq!(bytes("a😀b", 2, 1), None);
        assert_eq!(bytes("a😀b", 0, 9), None);
        assert_eq!(bytes("a", usize::MAX, 9), None);
    }
}
