//! What a person's app makes of a typed text before it sends it: code between backticks, and several messages of a text
//! that is too long for one.

use serde_json::Value;

use super::{
    autolink,
    entity::{Entity, Formatted, utf16},
};

/// The longest text of one message, in UTF-16 units.
pub(crate) const LONGEST: usize = 4096;

/// How far before the end of a message an app looks for a good place to cut.
const NEAR_THE_END: usize = 300;

/// The messages that an app sends for a text, at once and in order.
pub(crate) fn messages(text: &str) -> Vec<Formatted> {
    let formatted = with_code(text);
    let mut messages = Vec::new();
    let mut rest = formatted.trimmed();
    while rest.length() > LONGEST {
        let (message, left) = cut(&rest);
        messages.push(message);
        rest = left;
    }
    if !rest.text.is_empty() || messages.is_empty() {
        messages.push(rest);
    }
    for message in &mut messages {
        message.entities.extend(autolink::find(&message.text, &message.entities));
        message.entities.sort_by_key(|entity| entity.offset);
    }
    messages
}

/// Cuts off a message at a paragraph, a line or a word near the end, or in the middle of a word.
fn cut(rest: &Formatted) -> (Formatted, Formatted) {
    let mut units = 0;
    let end = rest.text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > LONGEST
    });
    let end = end.map_or(rest.text.len(), |(at, _)| at);
    let near = rest.text.floor_char_boundary(end.saturating_sub(NEAR_THE_END));
    let window = &rest.text[near..end];
    let place = ["\n\n", "\n", " "].iter().find_map(|mark| window.rfind(mark).map(|at| near + at + mark.len()));
    let place = place.unwrap_or(end);
    let border = utf16(&rest.text[..place]);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for entity in &rest.entities {
        if entity.offset < border {
            let length = entity.end().min(border) - entity.offset;
            before.push(Entity { length, ..entity.clone() });
        }
        if entity.end() > border {
            let offset = entity.offset.max(border);
            after.push(Entity { offset: offset - border, length: entity.end() - offset, ..entity.clone() });
        }
    }
    let message = Formatted { text: rest.text[..place].to_owned(), entities: before };
    let left = Formatted { text: rest.text[place..].to_owned(), entities: after };
    (message.trimmed(), left.trimmed())
}

/// Takes out the backticks of code and of blocks of code.
fn with_code(text: &str) -> Formatted {
    let mut formatted = Formatted::default();
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        formatted.text.push_str(&rest[..at]);
        rest = &rest[at..];
        let fence = if rest.starts_with("```") { "```" } else { "`" };
        let inside = &rest[fence.len()..];
        let close =
            inside.find(fence).filter(|close| *close > 0 && (fence == "```" || !inside[..*close].contains('\n')));
        let Some(close) = close else {
            formatted.text.push_str(fence);
            rest = inside;
            continue;
        };
        let (language, code) = match fence {
            "```" => language(&inside[..close]),
            _ => (None, &inside[..close]),
        };
        let kind = if fence == "```" { "pre" } else { "code" };
        let mut entity = Entity::new(kind, utf16(&formatted.text), utf16(code));
        if let Some(language) = language {
            entity.more.insert("language".to_owned(), Value::String(language.to_owned()));
        }
        formatted.text.push_str(code);
        formatted.entities.push(entity);
        rest = &inside[close + fence.len()..];
    }
    formatted.text.push_str(rest);
    formatted
}

/// The language that the first line of a block of code names, and the code.
fn language(block: &str) -> (Option<&str>, &str) {
    let Some((first, below)) = block.split_once('\n') else { return (None, block) };
    let is_name = first.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '#' | '_'));
    let code = below.strip_suffix('\n').unwrap_or(below);
    match (is_name, first.is_empty()) {
        (true, true) => (None, code),
        (true, false) => (Some(first), code),
        (false, _) => (None, block),
    }
}
