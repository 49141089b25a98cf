//! The body of a post as blocks, which each platform draws in its own way, and cutting it into messages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::split::split;

/// A piece of a body. Nothing in any of them acts as markup or mentions anybody, but that `` `words` `` in backticks
/// are shown as code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// The heading: a task's title.
    Title(String),
    /// Running text of ours.
    Text(String),
    /// The words of a person or a worker, marked so that they cannot pass for ours.
    Quote(String),
    /// Lines in a fixed width.
    Code(String),
    /// Small print: the state, the profile, the id.
    Footer(String),
    /// A text too long to read in a message.
    File { name: String, text: String },
    /// A file that lies on this machine, at a path that the gateway chose. It goes out as it is, in a message of its own,
    /// and is read when that is sent.
    Stored {
        name: String,
        path: PathBuf,
        size: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
    },
}

impl Block {
    /// The text that it shows.
    pub fn text(&self) -> &str {
        match self {
            Self::Title(text) | Self::Text(text) | Self::Quote(text) | Self::Code(text) | Self::Footer(text) => text,
            Self::File { text, .. } => text,
            Self::Stored { name, .. } => name,
        }
    }

    /// Whether it is a file, which stands beside the text rather than in it.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Stored { .. })
    }

    /// The same kind of block with another text.
    fn with(&self, text: String) -> Self {
        match self {
            Self::Title(_) => Self::Title(text),
            Self::Text(_) => Self::Text(text),
            Self::Quote(_) => Self::Quote(text),
            Self::Code(_) => Self::Code(text),
            Self::Footer(_) => Self::Footer(text),
            Self::File { name, .. } => Self::File { name: name.clone(), text },
            Self::Stored { .. } => self.clone(),
        }
    }
}

/// A body as plain text, each block on lines of its own.
pub fn plain(body: &[Block]) -> String {
    let texts: Vec<&str> = body.iter().map(Block::text).filter(|text| !text.is_empty()).collect();
    texts.join("\n")
}

/// A stretch of text in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span<'a> {
    Plain(&'a str),
    /// Between backticks, which are not part of it.
    Code(&'a str),
}

/// Takes the backticks out of a text. One that is not closed on its line stays what it is.
pub fn spans(text: &str) -> Vec<Span<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(open) = rest[from..].find('`').map(|at| from + at) {
        let inner = &rest[open + 1..];
        match inner.find(['`', '\n']) {
            Some(close) if close > 0 && inner[close..].starts_with('`') => {
                if open > 0 {
                    found.push(Span::Plain(&rest[..open]));
                }
                found.push(Span::Code(&inner[..close]));
                (rest, from) = (&inner[close + 1..], 0);
            }
            Some(_) | None => from = open + 1,
        }
    }
    if !rest.is_empty() {
        found.push(Span::Plain(rest));
    }
    found
}

/// Cuts a body into parts that `measure` finds at most `limit` long, nothing left out but the line ends at the cuts.
///
/// The cuts are between blocks, and in a block that is too long where [`split`] cuts. Files stay whole and measure nothing.
pub fn split_body(body: &[Block], limit: usize, measure: impl Fn(&[Block]) -> usize) -> Vec<Vec<Block>> {
    let mut parts = Vec::new();
    let mut part: Vec<Block> = Vec::new();
    for block in body {
        let mut rest = block.text();
        loop {
            let fits = |text: &str| {
                let mut with = part.clone();
                with.push(block.with(text.to_owned()));
                measure(&with) <= limit
            };
            if block.is_file() || fits(rest) {
                part.push(block.with(rest.to_owned()));
                break;
            }
            let head = longest(rest, fits);
            // A block begins where it fits well, rather than with a few words at the end of a message.
            let is_worth = part.is_empty() || head.chars().count() * 4 >= limit;
            if !head.is_empty() && is_worth {
                part.push(block.with(head.trim_end_matches('\n').to_owned()));
                rest = &rest[head.len()..];
            } else if part.is_empty() {
                // Not even one character fits: the platform must say so.
                part.push(block.with(rest.to_owned()));
                break;
            }
            parts.push(std::mem::take(&mut part));
        }
    }
    if !part.is_empty() || parts.is_empty() {
        parts.push(part);
    }
    parts
}

/// The longest head that fits, cut where [`split`] cuts.
fn longest(text: &str, fits: impl Fn(&str) -> bool) -> &str {
    let head = |characters: usize| split(text, characters).first().map_or(0, String::len);
    let (mut low, mut high) = (0, text.chars().count());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(&text[..head(middle)]) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    if low == 0 { "" } else { &text[..head(low)] }
}

/// Puts every text of more than `longest` characters into a file, with its first lines in its place.
pub fn attach_long(body: &[Block], longest: usize) -> Vec<Block> {
    const SHOWN: usize = 600;
    let mut short = Vec::new();
    for block in body {
        match block {
            Block::Code(text) | Block::Quote(text) | Block::Text(text) if text.chars().count() > longest => {
                let head = split(text, SHOWN.min(longest)).swap_remove(0);
                short.push(block.with(format!("{}\n…", head.trim_end())));
                short.push(Block::File { name: "output.txt".to_owned(), text: text.clone() });
            }
            Block::Title(_)
            | Block::Text(_)
            | Block::Quote(_)
            | Block::Code(_)
            | Block::Footer(_)
            | Block::File { .. }
            | Block::Stored { .. } => short.push(block.clone()),
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::{Block, Span, attach_long, plain, spans, split_body};
    use proptest::prelude::*;

    #[test]
    fn backticks_make_code_where_they_are_closed_on_the_line() {
        assert_eq!(
            spans("type `a b` or `c`"),
            [Span::Plain("type "), Span::Code("a b"), Span::Plain(" or "), Span::Code("c")]
        );
        assert_eq!(spans("a ` b\nc ` d"), [Span::Plain("a ` b\nc ` d")]);
        assert_eq!(spans("``"), [Span::Plain("``")]);
        assert_eq!(spans(""), []);
    }

    #[test]
    fn a_long_output_becomes_a_file_with_its_first_lines_shown() {
        let text = "line\n".repeat(1000);
        let short = attach_long(&[Block::Title("log".to_owned()), Block::Code(text.clone())], 2000);
        assert_eq!(short.len(), 3);
        assert!(short[1].text().starts_with("line\nline") && short[1].text().ends_with('…'));
        assert_eq!(short[2], Block::File { name: "output.txt".to_owned(), text });
    }

    fn block() -> impl Strategy<Value = Block> {
        ("[a-z `\\n😀]{0,120}", 0..5).prop_map(|(text, kind)| match kind {
            0 => Block::Title(text),
            1 => Block::Text(text),
            2 => Block::Quote(text),
            3 => Block::Code(text),
            _ => Block::Footer(text),
        })
    }

    proptest! {
        #[test]
        fn spans_lose_nothing(text in "[a` \\n]{0,40}") {
            let again: String = spans(&text).iter().map(|span| match span {
                Span::Plain(text) => (*text).to_owned(),
                Span::Code(text) => format!("`{text}`"),
            }).collect();
            prop_assert_eq!(again, text);
        }

        #[test]
        fn every_part_fits_and_no_word_is_lost(body in prop::collection::vec(block(), 0..6), limit in 8usize..80) {
            let measure = |blocks: &[Block]| plain(blocks).chars().count() + 2 * blocks.len();
            let parts = split_body(&body, limit, measure);
            prop_assert!(parts.iter().all(|part| measure(part) <= limit), "{:?}", parts);
            let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(visible(&plain(&parts.concat())), visible(&plain(&body)));
        }
    }
}
