//! A body as Telegram shows it: text, and entities beside it that say what is bold, code or a quote.
//!
//! With entities instead of a parse mode no character of a text can act as markup.

use kanban_platform::{Block, Span, attach_long, spans, split_body};
use teloxide::types::{MessageEntity, MessageEntityKind, User, UserId};

use crate::neutral::{line, neutral, printable};

/// How many UTF-16 units a message may have (sendMessage).
pub(crate) const MESSAGE_LIMIT: usize = 4096;

/// How many the text of a file may have (sendDocument).
pub(crate) const CAPTION_LIMIT: usize = 1024;

/// How many entities Telegram looks at.
const ENTITY_LIMIT: usize = 100;

/// How many characters of a person's name are shown.
const NAME_LIMIT: usize = 64;

/// A text of more characters than this, about three messages, becomes a file.
const LONGEST: usize = 3 * MESSAGE_LIMIT;

/// A quote of more characters or lines than this is folded.
const FOLDED: (usize, usize) = (400, 8);

/// What a message shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    pub(crate) text: String,
    pub(crate) entities: Vec<MessageEntity>,
    /// The length of the text as Telegram counts it.
    pub(crate) units: usize,
}

/// Draws every block but the files.
pub(crate) fn draw(body: &[Block]) -> Drawn {
    let mut drawn = Drawn::default();
    for block in body {
        let (text, look) = match block {
            Block::Title(text) => (text, Some(MessageEntityKind::Bold)),
            Block::Text(text) => (text, None),
            Block::Quote(text) => (text, Some(quote(text))),
            Block::Code(text) => (text, Some(MessageEntityKind::Pre { language: None })),
            Block::Footer(text) => (text, Some(MessageEntityKind::Italic)),
            Block::File { .. } | Block::Stored { .. } => continue,
        };
        drawn.block(&printable(text), look);
    }
    drawn.trim();
    drawn
}

/// Cuts a body into messages: what is too long to read becomes a file, and a file goes with the text before it where
/// that is short enough to stand below it.
pub(crate) fn parts(body: &[Block]) -> Vec<Vec<Block>> {
    let units = |blocks: &[Block]| draw(blocks).units;
    let mut parts: Vec<Vec<Block>> = Vec::new();
    let mut text = Vec::new();
    for block in attach_long(body, LONGEST) {
        if !block.is_file() {
            text.push(block);
            continue;
        }
        if units(&text) <= CAPTION_LIMIT {
            text.push(block);
            parts.push(std::mem::take(&mut text));
        } else {
            parts.extend(split_body(&text, MESSAGE_LIMIT, units));
            parts.push(vec![block]);
            text.clear();
        }
    }
    if !text.is_empty() || parts.is_empty() {
        parts.extend(split_body(&text, MESSAGE_LIMIT, units));
    }
    parts
}

fn quote(text: &str) -> MessageEntityKind {
    if text.chars().nth(FOLDED.0).is_some() || text.lines().nth(FOLDED.1).is_some() {
        MessageEntityKind::ExpandableBlockquote
    } else {
        MessageEntityKind::Blockquote
    }
}

impl Drawn {
    /// Puts the name of a person above it all, so that it is for them.
    pub(crate) fn address(&mut self, id: u64, name: &str) {
        let name = neutral(&line(name, NAME_LIMIT));
        let name = if name.is_empty() { id.to_string() } else { name };
        let length = name.encode_utf16().count();
        let above = format!("{name}:\n");
        let added = above.encode_utf16().count();
        // Without room for it, the message says what it says to everybody.
        if self.units + added > MESSAGE_LIMIT || self.entities.len() >= ENTITY_LIMIT {
            return;
        }
        for entity in &mut self.entities {
            entity.offset += added;
        }
        let person = User {
            id: UserId(id),
            is_bot: false,
            first_name: name,
            last_name: None,
            username: None,
            language_code: None,
            is_premium: false,
            added_to_attachment_menu: false,
        };
        self.entities.insert(0, MessageEntity::text_mention(person, 0, length));
        self.text.insert_str(0, &above);
        self.units += added;
    }

    /// Adds a block on lines of its own.
    fn block(&mut self, text: &str, look: Option<MessageEntityKind>) {
        let is_code = matches!(look, Some(MessageEntityKind::Pre { .. }));
        let text = if is_code { text.trim_end().trim_start_matches('\n') } else { text.trim() };
        if text.trim().is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.push("\n");
        }
        // An entity too many would not be looked at, and its text would no longer be code.
        if is_code && self.entities.len() < ENTITY_LIMIT {
            return self.push_as(text, look);
        }
        // Code may stand in a quote; bold and italic must leave it out.
        let is_quote = matches!(look, Some(MessageEntityKind::Blockquote | MessageEntityKind::ExpandableBlockquote));
        if is_quote {
            let (from, place) = (self.units, self.entities.len());
            self.spans(text, None);
            if let (Some(kind), true) = (look, place < ENTITY_LIMIT) {
                self.entities.insert(place, MessageEntity::new(kind, from, self.units - from));
            }
        } else {
            self.spans(text, look.as_ref().filter(|_| !is_code));
        }
    }

    fn spans(&mut self, text: &str, look: Option<&MessageEntityKind>) {
        for span in spans(text) {
            // One entity is left for a quote around all of it.
            let has_room = self.entities.len() + 1 < ENTITY_LIMIT;
            match span {
                Span::Code(code) if has_room => self.push_as(code, Some(MessageEntityKind::Code)),
                Span::Code(code) => self.push(&neutral(&format!("`{code}`"))),
                Span::Plain(plain) if has_room => self.push_as(&neutral(plain), look.cloned()),
                Span::Plain(plain) => self.push(&neutral(plain)),
            }
        }
    }

    fn push_as(&mut self, text: &str, look: Option<MessageEntityKind>) {
        let from = self.units;
        self.push(text);
        if let Some(kind) = look
            && !text.trim().is_empty()
        {
            self.entities.push(MessageEntity::new(kind, from, self.units - from));
        }
    }

    /// Takes blanks off the end, as Telegram does, and off the entities that end there.
    fn trim(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        self.units = self.text.encode_utf16().count();
        self.entities.retain_mut(|entity| {
            entity.length = entity.length.min(self.units.saturating_sub(entity.offset));
            entity.length > 0
        });
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.units += text.encode_utf16().count();
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
