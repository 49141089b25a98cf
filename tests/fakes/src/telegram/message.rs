//! A message of a chat, and what the platform says of it.

use serde_json::{Value, json};

use super::{entity::Formatted, people::People};

/// One message. Its id counts within its chat.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) date: i64,
    pub(crate) edited: Option<i64>,
    /// The person who wrote it; None for the bot.
    pub(crate) author: Option<i64>,
    /// The topic where it stands.
    pub(crate) topic: Option<i64>,
    /// The first message of the chain of replies to which it belongs, in a supergroup without topics.
    pub(crate) root: Option<i64>,
    pub(crate) reply_to: Option<i64>,
    /// What is given, without what the server found by itself.
    pub(crate) body: Formatted,
    /// All entities, as people see them.
    pub(crate) entities: Vec<Value>,
    pub(crate) markup: Option<Value>,
    pub(crate) document: Option<Document>,
    /// The album that it belongs to.
    pub(crate) album: Option<String>,
    /// A note of the chat itself: the field and its value.
    pub(crate) service: Option<(&'static str, Value)>,
    /// The emoji with which the bot reacted.
    pub(crate) reaction: Option<String>,
    /// The texts before the one of now.
    pub(crate) earlier: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) file_id: String,
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

impl Message {
    /// The message for a place, with nothing in it yet.
    pub(crate) fn new(author: Option<i64>, topic: Option<i64>, date: i64) -> Self {
        Self {
            id: 0,
            date,
            edited: None,
            author,
            topic,
            root: None,
            reply_to: None,
            body: Formatted::default(),
            entities: Vec::new(),
            markup: None,
            document: None,
            album: None,
            service: None,
            reaction: None,
            earlier: Vec::new(),
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.author.is_none()
    }

    /// Whether the text names a person by the id.
    pub(crate) fn names(&self, person: i64) -> bool {
        let mut entities = self.body.entities.iter().filter(|entity| entity.kind == "text_mention");
        entities.any(|entity| entity.more.get("user").is_some_and(|user| user["id"] == person))
    }

    /// The inline keyboard's buttons, or those of a reply keyboard.
    pub(crate) fn buttons(&self) -> impl Iterator<Item = &Value> {
        let rows = self.markup.as_ref().and_then(|markup| {
            let rows = markup.get("inline_keyboard").or_else(|| markup.get("keyboard"))?;
            rows.as_array()
        });
        rows.into_iter().flatten().filter_map(Value::as_array).flatten()
    }

    /// The object without its chat and without the message that it replies to.
    pub(crate) fn json(&self, chat: &Value, people: &People) -> Value {
        let from = match self.author {
            Some(person) => people.json(person),
            None => people.bot(),
        };
        let mut json = json!({"message_id": self.id, "from": from, "chat": chat, "date": self.date});
        if let Some(edited) = self.edited {
            json["edit_date"] = json!(edited);
        }
        if let Some(thread) = self.topic.or(self.root) {
            json["message_thread_id"] = json!(thread);
        }
        if self.topic.is_some() {
            json["is_topic_message"] = json!(true);
        }
        let (text, entities) = match &self.document {
            Some(document) => {
                json["document"] = json!({
                    "file_id": document.file_id,
                    "file_unique_id": format!("u{}", document.file_id),
                    "file_name": document.name,
                    "mime_type": "text/plain",
                    "file_size": document.content.len(),
                });
                ("caption", "caption_entities")
            }
            None => ("text", "entities"),
        };
        match &self.service {
            Some((field, value)) => json[*field] = value.clone(),
            None if self.document.is_some() && self.body.text.is_empty() => {}
            None => {
                json[text] = json!(self.body.text);
                if !self.entities.is_empty() {
                    json[entities] = json!(self.entities);
                }
            }
        }
        if let Some(album) = &self.album {
            json["media_group_id"] = json!(album);
        }
        // A reply keyboard is never shown in the message.
        if let Some(markup) = self.markup.as_ref().filter(|markup| markup.get("inline_keyboard").is_some()) {
            json["reply_markup"] = markup.clone();
        }
        json
    }
}
