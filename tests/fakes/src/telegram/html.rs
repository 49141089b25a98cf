//! `parse_mode: HTML`, as "Formatting options" of the Bot API says.

use serde_json::Value;

use super::{
    entity::{Entity, Formatted, utf16},
    refusal::Refusal,
};

/// A tag that is open: its name, the entity that it makes, and where that begins.
struct Open {
    name: String,
    entity: Entity,
}

/// Reads marked-up text. Offsets in the refusals are bytes of the source, as on the real server.
pub(crate) fn parse(source: &str) -> Result<Formatted, Refusal> {
    let mut text = String::with_capacity(source.len());
    let mut entities = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let at = source.len() - rest.len();
        match c {
            '<' => {
                let Some(end) = rest.find('>') else {
                    return Err(unparsable(format!("Unclosed start tag at byte offset {at}")));
                };
                let tag = &rest[1..end];
                rest = &rest[end + 1..];
                match tag.strip_prefix('/') {
                    Some(name) => {
                        let Some(mut last) = open.pop() else {
                            return Err(unparsable(format!("Unexpected end tag at byte offset {at}")));
                        };
                        if !last.name.eq_ignore_ascii_case(name.trim()) {
                            return Err(unparsable(format!(
                                "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
                                last.name
                            )));
                        }
                        last.entity.length = utf16(&text) - last.entity.offset;
                        if last.entity.length > 0 {
                            entities.push(last.entity);
                        }
                    }
                    None => open.push(start(tag, at, utf16(&text))?),
                }
            }
            '&' => {
                let (read, length) = reference(rest).unwrap_or(('&', 1));
                text.push(read);
                rest = &rest[length..];
            }
            c => {
                text.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if let Some(last) = open.last() {
        return Err(unparsable(format!(
            "Can't find end tag corresponding to start tag \"{}\"",
            last.name.to_ascii_lowercase()
        )));
    }
    entities.sort_by_key(|entity: &Entity| (entity.offset, usize::MAX - entity.length));
    Ok(Formatted { text, entities })
}

fn start(tag: &str, at: usize, offset: usize) -> Result<Open, Refusal> {
    let name = tag.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let kind = match name.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "tg-spoiler" => "spoiler",
        "span" if attribute(tag, "class").as_deref() == Some("tg-spoiler") => "spoiler",
        "a" => "text_link",
        "code" => "code",
        "pre" => "pre",
        "blockquote" if tag.contains("expandable") => "expandable_blockquote",
        "blockquote" => "blockquote",
        "tg-emoji" => "custom_emoji",
        _ => return Err(unparsable(format!("Unsupported start tag \"{name}\" at byte offset {at}"))),
    };
    let mut entity = Entity::new(kind, offset, 0);
    if kind == "text_link" {
        entity.more.insert("url".to_owned(), Value::String(attribute(tag, "href").unwrap_or_default()));
    }
    if kind == "custom_emoji" {
        let id = attribute(tag, "emoji-id").unwrap_or_default();
        entity.more.insert("custom_emoji_id".to_owned(), Value::String(id));
    }
    if kind == "code"
        && let Some(language) =
            attribute(tag, "class").and_then(|class| class.strip_prefix("language-").map(str::to_owned))
    {
        entity.more.insert("language".to_owned(), Value::String(language));
    }
    Ok(Open { name, entity })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}="))?;
    let quote = rest.chars().next()?;
    let value = match quote {
        '"' | '\'' => rest[1..].split(quote).next()?,
        _ => rest.split_whitespace().next()?,
    };
    let mut read = String::new();
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let (c, length) = reference(rest).unwrap_or((c, c.len_utf8()));
        read.push(c);
        rest = &rest[length..];
    }
    Some(read)
}

/// The character that a reference at the start of a text stands for, and the reference's length.
fn reference(text: &str) -> Option<(char, usize)> {
    let (inner, _) = text.strip_prefix('&')?.split_once(';')?;
    let read = match inner {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = inner.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((read, inner.len() + 2))
}

fn unparsable(words: impl AsRef<str>) -> Refusal {
    Refusal::bad(format!("can't parse entities: {}", words.as_ref()))
}
