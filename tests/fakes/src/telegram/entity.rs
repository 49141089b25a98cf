//! Texts with entities: places in UTF-16 units that are drawn otherwise, link somewhere or notify somebody.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// The kinds that a bot may give. The server finds those of the second half by itself and passes over given ones.
const GIVEN: [&str; 13] = [
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
    "pre",
    "text_link",
    "text_mention",
    "custom_emoji",
    "date_time",
];
const FOUND: [&str; 7] = ["mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"];

/// So many entities of one message are drawn; the others are dropped without a word.
const MOST: usize = 100;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Formatted {
    pub(crate) text: String,
    pub(crate) entities: Vec<Entity>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entity {
    pub(crate) kind: String,
    pub(crate) offset: usize,
    pub(crate) length: usize,
    /// `url`, `user`, `language`, as the kind has them.
    pub(crate) more: Map<String, Value>,
}

impl Entity {
    pub(crate) fn new(kind: &str, offset: usize, length: usize) -> Self {
        Self { kind: kind.to_owned(), offset, length, more: Map::new() }
    }

    pub(crate) fn end(&self) -> usize {
        self.offset + self.length
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }

    fn contains(&self, other: &Self) -> bool {
        self.offset <= other.offset && other.end() <= self.end()
    }

    pub(crate) fn is_code(&self) -> bool {
        matches!(self.kind.as_str(), "code" | "pre")
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = json!({"type": self.kind, "offset": self.offset, "length": self.length});
        for (name, value) in &self.more {
            json[name] = value.clone();
        }
        json
    }
}

impl Formatted {
    /// Reads entities that a bot gave. Those that the server would silently draw otherwise are told in `wrong`.
    pub(crate) fn given(text: &str, entities: &[Value], wrong: &mut Vec<String>) -> Result<Self, Refusal> {
        let borders = borders(text);
        let end = utf16(text);
        let mut read = Vec::with_capacity(entities.len());
        for given in entities {
            let Some(kind) = given["type"].as_str() else {
                return Err(Refusal::bad("can't parse MessageEntity: Can't find field \"type\""));
            };
            let (Some(offset), Some(length)) = (place(&given["offset"]), place(&given["length"])) else {
                return Err(Refusal::bad("can't parse MessageEntity: Field \"offset\" must be a valid Number"));
            };
            if FOUND.contains(&kind) {
                continue;
            }
            if !GIVEN.contains(&kind) {
                return Err(Refusal::bad("can't parse MessageEntity: Unsupported type specified"));
            }
            if length == 0 {
                wrong.push(format!("an entity `{kind}` at {offset} has no length and is dropped"));
                continue;
            }
            if offset + length > end {
                return Err(Refusal::bad(format!(
                    "entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset {end}"
                )));
            }
            if !borders.contains(&offset) || !borders.contains(&(offset + length)) {
                return Err(Refusal::bad(format!(
                    "entity beginning at UTF-16 offset {offset} ends in a middle of a UTF-16 symbol at byte offset {}",
                    offset + length
                )));
            }
            let needed = match kind {
                "text_link" => Some("url"),
                "text_mention" => Some("user"),
                "custom_emoji" => Some("custom_emoji_id"),
                "date_time" => Some("unix_time"),
                _ => None,
            };
            if let Some(field) = needed
                && given[field].is_null()
            {
                return Err(Refusal::bad(format!("can't parse MessageEntity: Can't find field \"{field}\"")));
            }
            let more = given.as_object().into_iter().flatten();
            let is_more = |name: &str| matches!(name, "url" | "user" | "language" | "custom_emoji_id" | "unix_time");
            let more = more.filter(|(name, _)| is_more(name)).map(|(name, value)| (name.clone(), value.clone()));
            read.push(Entity { kind: kind.to_owned(), offset, length, more: more.collect() });
        }
        complain_of_clashes(&mut read, wrong);
        Ok(Self { text: text.to_owned(), entities: read })
    }

    /// Cuts off the blanks at both ends, as the server does, and moves the entities along.
    pub(crate) fn trimmed(mut self) -> Self {
        let front = self.text.len() - self.text.trim_start().len();
        let cut = utf16(&self.text[..front]);
        self.text = self.text.trim().to_owned();
        let end = utf16(&self.text);
        for entity in &mut self.entities {
            let last = entity.end().saturating_sub(cut).min(end);
            entity.offset = entity.offset.saturating_sub(cut).min(end);
            entity.length = last - entity.offset;
        }
        self.entities.retain(|entity| entity.length > 0);
        self
    }

    pub(crate) fn length(&self) -> usize {
        utf16(&self.text)
    }
}

/// The length of a text as the platform counts it.
pub(crate) fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Every offset in UTF-16 units at which a character begins or the text ends.
fn borders(text: &str) -> HashSet<usize> {
    let mut at = 0;
    let mut borders = HashSet::from([0]);
    for c in text.chars() {
        at += c.len_utf16();
        borders.insert(at);
    }
    borders
}

fn place(value: &Value) -> Option<usize> {
    super::parameters::integer(value).and_then(|place| usize::try_from(place).ok())
}

/// The server mends clashes by dropping and cutting, so that people see something else than was meant.
fn complain_of_clashes(entities: &mut Vec<Entity>, wrong: &mut Vec<String>) {
    if entities.len() > MOST {
        wrong.push(format!("{} entities, of which the server draws {MOST}", entities.len()));
        entities.truncate(MOST);
    }
    entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    let mut open: Vec<&Entity> = Vec::new();
    for entity in entities.iter() {
        open.retain(|outer| outer.end() > entity.offset);
        for outer in &open {
            if !outer.contains(entity) {
                wrong.push(format!("the entities {outer:?} and {entity:?} cross each other"));
            } else if outer.is_code() || entity.is_code() && !outer.kind.ends_with("blockquote") {
                wrong.push(format!("the entities {outer:?} and {entity:?} lie in one another, which code cannot"));
            } else if outer.kind == entity.kind {
                wrong.push(format!("the entity {entity:?} is given twice"));
            }
        }
        open.push(entity);
    }
}
