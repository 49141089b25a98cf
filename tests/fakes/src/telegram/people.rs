//! Everybody who has an account: the people whom a test names, and the bot.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Ids have more than 32 bits, as those of new accounts have.
const FIRST_PERSON: i64 = 5_000_000_001;

#[derive(Debug)]
pub(crate) struct People {
    bot_id: i64,
    bot_username: String,
    ids: HashMap<String, i64>,
    people: HashMap<i64, Person>,
}

#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    username: String,
    language: String,
}

impl People {
    pub(crate) fn new(bot_id: i64, bot_username: &str) -> Self {
        Self { bot_id, bot_username: bot_username.to_owned(), ids: HashMap::new(), people: HashMap::new() }
    }

    /// The id of a person, who gets an account at the first call.
    pub(crate) fn id(&mut self, name: &str) -> i64 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = FIRST_PERSON + i64::try_from(self.ids.len()).unwrap_or(i64::MAX - FIRST_PERSON);
        let mut username: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if username.len() < 5 {
            username.push_str("_user");
        }
        self.ids.insert(name.to_owned(), id);
        self.people.insert(id, Person { name: name.to_owned(), username, language: "en".to_owned() });
        id
    }

    pub(crate) fn set_language(&mut self, name: &str, language: &str) {
        let id = self.id(name);
        if let Some(person) = self.people.get_mut(&id) {
            person.language = language.to_owned();
        }
    }

    pub(crate) fn person(&self, id: i64) -> Option<&Person> {
        self.people.get(&id)
    }

    pub(crate) fn username(&mut self, name: &str) -> String {
        let id = self.id(name);
        self.people[&id].username.clone()
    }

    /// The object `User` of a person.
    pub(crate) fn json(&self, id: i64) -> Value {
        match self.people.get(&id) {
            Some(person) => json!({
                "id": id,
                "is_bot": false,
                "first_name": person.name,
                "username": person.username,
                "language_code": person.language,
            }),
            None => json!({"id": id, "is_bot": false, "first_name": "Deleted Account"}),
        }
    }

    /// The object `Chat` of a private chat with a person.
    pub(crate) fn private_chat(&self, id: i64) -> Value {
        match self.people.get(&id) {
            Some(person) => {
                json!({"id": id, "type": "private", "first_name": person.name, "username": person.username})
            }
            None => json!({"id": id, "type": "private"}),
        }
    }

    pub(crate) fn bot_id(&self) -> i64 {
        self.bot_id
    }

    pub(crate) fn bot_username(&self) -> &str {
        &self.bot_username
    }

    /// The object `User` of the bot.
    pub(crate) fn bot(&self) -> Value {
        json!({"id": self.bot_id, "is_bot": true, "first_name": "Kanban", "username": self.bot_username})
    }
}
