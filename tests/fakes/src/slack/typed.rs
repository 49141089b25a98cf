//! What a person types, as Slack's clients send it: escaped, with mentions and links in angle brackets, and the same once
//! more as a block of rich text.

use serde_json::{Value, json};

use crate::slack::state::State;

/// A piece of what was typed.
enum Piece {
    Text(String),
    Code(String),
    Preformatted(String),
    User(String),
    Channel(String, String),
    Broadcast(String),
    Link(String),
}

/// A typed message.
pub(crate) struct Typed {
    /// In Slack's markup.
    pub(crate) text: String,
    pub(crate) blocks: Vec<Value>,
}

/// A message of a person. `mention` is somebody whom it begins with.
pub(crate) fn message(state: &State, mention: Option<&str>, typed: &str) -> Typed {
    let mut pieces = Vec::new();
    if let Some(user) = mention {
        pieces.push(Piece::User(user.to_owned()));
        pieces.push(Piece::Text(" ".to_owned()));
    }
    pieces.extend(split(state, typed.trim()));
    Typed { text: pieces.iter().map(markup).collect(), blocks: vec![rich_text(state.random.clone().next(), &pieces)] }
}

/// What follows a slash command whose setting "escape channels, users, and links" is on.
pub(crate) fn arguments(state: &State, typed: &str) -> String {
    split(state, typed.trim())
        .iter()
        .map(|piece| match piece {
            Piece::User(id) => format!("<@{id}|{}>", state.user_name(id).unwrap_or(id)),
            Piece::Text(_)
            | Piece::Code(_)
            | Piece::Preformatted(_)
            | Piece::Channel(..)
            | Piece::Broadcast(_)
            | Piece::Link(_) => markup(piece),
        })
        .collect()
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn split(state: &State, typed: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = typed;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let found = fence(rest)
            .or_else(|| code(rest))
            .or_else(|| (!before.is_alphanumeric()).then(|| name(state, rest)).flatten())
            .or_else(|| (!before.is_alphanumeric()).then(|| link(rest)).flatten());
        let (piece, length) = found.map_or((None, first.len_utf8()), |(piece, length)| (Some(piece), length));
        match piece {
            Some(piece) => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(piece);
            }
            None => text.push(first),
        }
        before = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

fn fence(text: &str) -> Option<(Piece, usize)> {
    let (inside, _) = text.strip_prefix("```")?.split_once("```")?;
    Some((Piece::Preformatted(inside.to_owned()), inside.len() + 6))
}

fn code(text: &str) -> Option<(Piece, usize)> {
    let (inside, _) = text.strip_prefix('`')?.split_once('`')?;
    (!inside.is_empty() && !inside.contains('\n')).then(|| (Piece::Code(inside.to_owned()), inside.len() + 2))
}

/// `@anna`, `@here` and `#general`, where there are such.
fn name(state: &State, text: &str) -> Option<(Piece, usize)> {
    let word = |text: &str| -> String {
        let word: String = text.chars().take_while(|next| next.is_alphanumeric() || "._-".contains(*next)).collect();
        word.trim_end_matches(['.', '-']).to_owned()
    };
    if let Some(after) = text.strip_prefix('@') {
        let word = word(after);
        if matches!(word.as_str(), "channel" | "here" | "everyone") {
            return Some((Piece::Broadcast(word.clone()), word.len() + 1));
        }
        return state.find_user(&word).map(|id| (Piece::User(id.to_owned()), word.len() + 1));
    }
    let word = word(text.strip_prefix('#')?);
    state.find_channel(&word).map(|id| (Piece::Channel(id.to_owned(), word.clone()), word.len() + 1))
}

fn link(text: &str) -> Option<(Piece, usize)> {
    (text.starts_with("https://") || text.starts_with("http://")).then(|| {
        let url: String = text.chars().take_while(|next| !next.is_whitespace() && !"<>\"`".contains(*next)).collect();
        let url = url.trim_end_matches(['.', ',', ')', '!', '?', ';', ':', '\'']).to_owned();
        let length = url.len();
        (Piece::Link(url), length)
    })
}

fn markup(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) => escape(text),
        Piece::Code(code) => format!("`{}`", escape(code)),
        Piece::Preformatted(code) => format!("```{}```", escape(code)),
        Piece::User(id) => format!("<@{id}>"),
        Piece::Channel(id, name) => format!("<#{id}|{name}>"),
        Piece::Broadcast(range) => format!("<!{range}>"),
        Piece::Link(url) => format!("<{}>", escape(url)),
    }
}

/// Rich text holds texts as they were typed, without entities.
fn rich_text(random: u64, pieces: &[Piece]) -> Value {
    let mut parts = Vec::new();
    let mut section: Vec<Value> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => section.push(json!({ "type": "text", "text": text })),
            Piece::Code(code) => section.push(json!({ "type": "text", "text": code, "style": { "code": true } })),
            Piece::User(id) => section.push(json!({ "type": "user", "user_id": id })),
            Piece::Channel(id, _) => section.push(json!({ "type": "channel", "channel_id": id })),
            Piece::Broadcast(range) => section.push(json!({ "type": "broadcast", "range": range })),
            Piece::Link(url) => section.push(json!({ "type": "link", "url": url })),
            Piece::Preformatted(code) => {
                if !section.is_empty() {
                    parts.push(json!({ "type": "rich_text_section", "elements": std::mem::take(&mut section) }));
                }
                let code = code.trim_matches('\n');
                parts.push(json!({
                    "type": "rich_text_preformatted",
                    "elements": [{ "type": "text", "text": code }],
                    "border": 0,
                }));
            }
        }
    }
    if !section.is_empty() {
        parts.push(json!({ "type": "rich_text_section", "elements": section }));
    }
    json!({ "type": "rich_text", "block_id": format!("{:05x}", random >> 44), "elements": parts })
}

#[cfg(test)]
mod tests {
    use super::{arguments, message};
    use crate::slack::state::State;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_typed_goes_out_escaped() {
        let mut state = State::new("T1", 1, BTreeSet::new());
        let anna = state.user("anna");
        let general = state.channel("general");
        let typed = "@anna: 1 < 2 && `a > b` see https://example.com/?a=1&b=2, mail a@anna.de in #general @here";
        let message = message(&state, None, typed);
        assert_eq!(
            message.text,
            format!(
                "<@{anna}>: 1 &lt; 2 &amp;&amp; `a &gt; b` see <https://example.com/?a=1&amp;b=2>, mail a@anna.de in \
                 <#{general}|general> <!here>"
            )
        );
        assert_eq!(arguments(&state, " ask @anna "), format!("ask <@{anna}|anna>"));
    }
}
