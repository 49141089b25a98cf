//! A body as one message of Discord: an embed where it has a heading, content with markdown where it has none.

use std::path::Path;

use kanban_platform::{self as platform, Block, Button, Post, Style, attach_long, split_body};
use serde_json::{Map, Value, json};

use crate::{
    api::{Content, File},
    mark::reference,
    markup::{bare, clean, code_block, inline, quote, small, without_code},
};

/// The most that content holds. Embeds hold twice as much, but more than this is no card.
const LIMIT: usize = 2_000;

/// Longer texts become files: more than three messages.
const LONGEST: usize = 5_500;

const TITLE_LIMIT: usize = 256;
const FOOTER_LIMIT: usize = 2_048;
const LABEL_LIMIT: usize = 80;
const FORM_TITLE_LIMIT: usize = 45;
const WORDS_LIMIT: usize = 4_000;
const THREAD_NAME_LIMIT: usize = 100;
const BUTTONS_IN_ROW: usize = 5;
const ROWS: usize = 5;

/// Only the person who asked sees it ("Message Flags").
pub(crate) const EPHEMERAL: u64 = 1 << 6;
/// The deferred answer that was not filled in yet.
pub(crate) const LOADING: u64 = 1 << 7;
/// No previews of addresses.
const SUPPRESS_EMBEDS: u64 = 1 << 2;

/// Cuts a body into messages.
pub(crate) fn parts(body: &[Block]) -> Vec<Vec<Block>> {
    split_body(&attach_long(body, LONGEST), LIMIT, |part| Drawing::of(part, "#00000000").length())
}

/// The message that a post makes, without what depends on the way by which it goes out.
pub(crate) fn message(post: &Post) -> (Map<String, Value>, Vec<File>) {
    let Drawing { content, embed, files } = Drawing::of(&post.body, &reference(&post.delivery));
    let flags = if embed.is_some() { 0 } else { SUPPRESS_EMBEDS };
    let embeds: Vec<Value> = embed.iter().map(Embed::json).collect();
    let attachments: Vec<Value> = files
        .iter()
        .enumerate()
        .map(|(number, file)| {
            let mut attachment = json!({ "id": number.to_string(), "filename": file.name });
            if let Some(description) = &file.description {
                attachment["description"] = description.as_str().into();
            }
            attachment
        })
        .collect();
    let mut message = Map::new();
    // Each field is always there, so that an edit takes away what the message had before.
    message.insert("content".to_owned(), json!(content));
    message.insert("embeds".to_owned(), json!(embeds));
    message.insert("components".to_owned(), rows(&post.buttons));
    message.insert("attachments".to_owned(), json!(attachments));
    message.insert("flags".to_owned(), json!(flags));
    message.insert("allowed_mentions".to_owned(), json!({ "parse": [] }));
    (message, files)
}

/// The form of one field that asks for words. What is pressed for it is named in `custom_id`, which comes back.
pub(crate) fn form(custom_id: &str, title: &str) -> Value {
    let field = json!({
        "type": 4, "custom_id": "words", "style": 2, "label": "In your words", "required": true, "min_length": 1,
        "max_length": WORDS_LIMIT,
    });
    json!({
        "custom_id": custom_id,
        "title": one_line(title, FORM_TITLE_LIMIT),
        "components": [{ "type": 1, "components": [field] }],
    })
}

/// The name of a task's own thread.
pub(crate) fn thread_name(title: &str) -> String {
    one_line(title, THREAD_NAME_LIMIT)
}

/// A text where Discord knows no markup and takes one line of so many characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let text = clean(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() { "…".to_owned() } else { cut(&words.join(" "), limit) }
}

/// Whether a message of the platform carries the reference of a delivery.
pub(crate) fn carries(message: &Value, reference: &str) -> bool {
    let last_line = message["content"].as_str().and_then(|content| content.lines().last());
    if last_line.is_some_and(|line| line.ends_with(reference)) {
        return true;
    }
    let embeds = message["embeds"].as_array().map(Vec::as_slice).unwrap_or_default();
    embeds.iter().any(|embed| embed["footer"]["text"].as_str().is_some_and(|text| text.ends_with(reference)))
}

#[derive(Debug)]
struct Drawing {
    content: String,
    embed: Option<Embed>,
    files: Vec<File>,
}

#[derive(Debug)]
struct Embed {
    title: String,
    description: String,
    footer: String,
}

impl Drawing {
    fn of(body: &[Block], reference: &str) -> Self {
        let files = body.iter().filter_map(|block| match block {
            Block::File { name, text } => {
                Some(File { name: file_name(name), description: None, content: Content::Text(text.clone()) })
            }
            Block::Stored { name, path, size, media_type } => Some(stored(name, path, *size, media_type.as_deref())),
            Block::Title(_) | Block::Text(_) | Block::Quote(_) | Block::Code(_) | Block::Footer(_) => None,
        });
        let files = files.collect();
        let is_text = |block: &&Block| !block.is_file() && !clean(block.text()).trim().is_empty();
        let body: Vec<&Block> = body.iter().filter(is_text).collect();
        match body.split_first() {
            Some((Block::Title(title), rest)) => {
                Self { content: String::new(), embed: Some(Embed::of(title, rest, reference)), files }
            }
            Some(_) | None => {
                let mut lines: Vec<String> = body.iter().filter_map(|block| line(block)).collect();
                lines.push(small(reference));
                Self { content: lines.join("\n"), embed: None, files }
            }
        }
    }

    /// The length of what it shows, as the strictest counts it.
    fn length(&self) -> usize {
        let embed = self
            .embed
            .as_ref()
            .map_or(0, |embed| length(&embed.title) + length(&embed.description) + length(&embed.footer));
        length(&self.content) + embed
    }
}

impl Embed {
    fn of(title: &str, rest: &[&Block], reference: &str) -> Self {
        let shown = inline(title.trim());
        let mut lines = Vec::new();
        let fits = length(&shown) <= TITLE_LIMIT && !shown.contains('\n');
        if !fits {
            lines.push(bold(title));
        }
        let footers = rest.iter().rev().take_while(|block| matches!(block, Block::Footer(_))).count();
        let (middle, footers) = rest.split_at(rest.len() - footers);
        let mut footer: Vec<String> = footers.iter().map(|block| bare(block.text())).collect();
        if footer.iter().map(|text| length(text) + 3).sum::<usize>() > FOOTER_LIMIT - 20 {
            lines.extend(rest.iter().filter_map(|block| line(block)));
            footer.clear();
        } else {
            lines.extend(middle.iter().filter_map(|block| line(block)));
        }
        footer.push(reference.to_owned());
        Self {
            title: if fits { shown } else { String::new() },
            description: lines.join("\n"),
            footer: footer.join(" · "),
        }
    }

    fn json(&self) -> Value {
        let mut embed = Map::new();
        if !self.title.is_empty() {
            embed.insert("title".to_owned(), json!(self.title));
        }
        if !self.description.is_empty() {
            embed.insert("description".to_owned(), json!(self.description));
        }
        embed.insert("footer".to_owned(), json!({ "text": self.footer }));
        Value::Object(embed)
    }
}

fn line(block: &Block) -> Option<String> {
    match block {
        Block::Title(text) => Some(bold(text)),
        Block::Text(text) => Some(inline(text)),
        Block::Quote(text) => Some(quote(text)),
        Block::Code(text) => Some(code_block(text)),
        Block::Footer(text) => Some(small(text)),
        Block::File { .. } | Block::Stored { .. } => None,
    }
}

fn bold(text: &str) -> String {
    // Cleaned first: a control character is a blank before, and a sign that is seen after.
    let text = clean(text);
    let one_line: Vec<&str> = text.split_whitespace().collect();
    format!("**{}**", without_code(&one_line.join(" ")))
}

/// Buttons in rows of five. One that is named twice would make Discord refuse the message.
fn rows(buttons: &[Button]) -> Value {
    let mut given: Vec<&Button> = Vec::new();
    for button in buttons {
        if !button.key.is_empty() && given.iter().all(|other| other.key != button.key) {
            given.push(button);
        }
    }
    let row = |buttons: &[&Button]| {
        let components: Vec<Value> = buttons
            .iter()
            .map(|button| {
                let label = one_line(&button.label, LABEL_LIMIT);
                json!({ "type": 2, "style": style(button.style), "label": label, "custom_id": button.key })
            })
            .collect();
        json!({ "type": 1, "components": components })
    };
    Value::Array(given.chunks(BUTTONS_IN_ROW).take(ROWS).map(row).collect())
}

/// Discord's number for a look ("Button Styles").
fn style(style: Style) -> u8 {
    match style {
        Style::Primary => 1,
        Style::Plain => 2,
        Style::Success => 3,
        Style::Danger => 4,
    }
}

/// At most so many characters, with a sign where some are left out.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let kept: String = text
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= room;
            room = room.saturating_sub(c.len_utf16());
            fits
        })
        .collect();
    format!("{}…", kept.trim_end())
}

/// A file of this machine. Discord keeps no more of a name than these characters, so the whole of it stands beside it.
fn stored(name: &str, path: &Path, size: u64, media_type: Option<&str>) -> File {
    let told = platform::file_name(name);
    let name = file_name(&told);
    File {
        description: (name != told).then_some(told),
        name,
        content: Content::Stored { path: path.to_owned(), size, media_type: media_type.and_then(platform::media_type) },
    }
}

fn file_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).take(100).collect();
    if name.is_empty() { "file.txt".to_owned() } else { name }
}

/// Discord's documentation speaks of characters and does not say which; these are never fewer.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::{Drawing, bold, carries, cut, form, message, parts, rows, thread_name};
    use crate::mark::reference;
    use kanban_platform::{Block, Button, Post, PostKind, Style, Thread, Urgency};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn post(body: Vec<Block>) -> Post {
        Post {
            delivery: "a.1".to_owned(),
            thread: Thread {
                platform: "discord".to_owned(),
                space: String::new(),
                channel: "1".to_owned(),
                thread: None,
            },
            kind: PostKind::News,
            body,
            buttons: vec![Button { key: "b1.0".to_owned(), label: "Retry".to_owned(), style: Style::Plain }],
            private: false,
            task: None,
            event: None,
            urgency: Urgency::News,
            prompts: false,
        }
    }

    fn card() -> Vec<Block> {
        vec![
            Block::Title("Fix the *parser*".to_owned()),
            Block::Text("t_1 is blocked; type `/kanban show t_1`.".to_owned()),
            Block::Quote("which branch?\n@everyone".to_owned()),
            Block::Code("error: `x`\n```".to_owned()),
            Block::Footer("blocked · coder".to_owned()),
        ]
    }

    #[test]
    fn a_card_is_an_embed() {
        let (message, files) = message(&post(card()));
        assert!(files.is_empty());
        insta::assert_snapshot!(serde_json::to_string_pretty(&message).unwrap());
    }

    #[test]
    fn running_text_is_content() {
        let (message, files) = message(&post(vec![
            Block::Text("3 tasks".to_owned()),
            Block::Footer("board `default`".to_owned()),
            Block::File { name: "log of t_1.txt".to_owned(), text: "x".to_owned() },
        ]));
        assert_eq!(files[0].name, "log_of_t_1.txt");
        insta::assert_snapshot!(serde_json::to_string_pretty(&message).unwrap());
    }

    #[test]
    fn a_message_is_known_by_its_reference() {
        for body in [card(), vec![Block::Text("hello".to_owned())], Vec::new()] {
            let (message, _) = message(&post(body));
            assert!(carries(&Value::Object(message.clone()), &reference("a.1")));
            assert!(!carries(&Value::Object(message), &reference("a.2")));
        }
    }

    #[test]
    fn buttons_stand_in_rows_of_five() {
        let button =
            |number: usize| Button { key: format!("k{}", number % 30), label: "x".repeat(90), style: Style::Plain };
        let rows = rows(&(0..60).map(button).collect::<Vec<_>>());
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), 5);
        assert!(rows.iter().all(|row| row["components"].as_array().unwrap().len() == 5));
        assert_eq!(rows[0]["components"][0]["label"].as_str().unwrap().chars().count(), 80);
        assert_eq!(super::rows(&[]), json!([]));
    }

    #[test]
    fn buttons_stand_out_as_they_are_meant_to() {
        let buttons = [Style::Plain, Style::Primary, Style::Success, Style::Danger];
        let buttons = buttons.map(|style| Button { key: format!("{style:?}"), label: "x".to_owned(), style });
        let rows = rows(&buttons);
        let styles: Vec<&Value> = rows[0]["components"].as_array().unwrap().iter().map(|it| &it["style"]).collect();
        assert_eq!(styles, [2, 1, 3, 4]);
    }

    #[test]
    fn names_and_titles_are_one_harmless_line() {
        assert_eq!(thread_name(" a\n\tb\u{202e}c\u{200b}\r\n"), "a b‹U+202E›c");
        assert_eq!(thread_name(" \u{feff}\n"), "…");
        assert_eq!(thread_name(&"😀".repeat(99)).encode_utf16().count(), 99);
        assert_eq!(bold("\r\u{2028} a\nb"), "**␍‹U+2028› a b**");
        let form = form("7/k!w", &"Answer ".repeat(20));
        assert_eq!(form["title"].as_str().unwrap().chars().count(), 45);
        assert_eq!(form["custom_id"], "7/k!w");
    }

    #[test]
    fn a_cut_is_shown() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello!", 5), "hell…");
        assert_eq!(cut("😀😀😀", 4), "😀…");
    }

    #[test]
    fn a_long_output_becomes_a_file() {
        let parts = parts(&[Block::Code("line\n".repeat(5_000))]);
        assert_eq!(parts.len(), 1);
        assert!(matches!(&parts[0][1], Block::File { text, .. } if text.len() == 25_000));
    }

    fn block() -> impl Strategy<Value = Block> {
        ("([a-z` *_\n]|😀|https://a_b ){0,900}", 0..5).prop_map(|(text, kind)| match kind {
            0 => Block::Title(text),
            1 => Block::Text(text),
            2 => Block::Quote(text),
            3 => Block::Code(text),
            _ => Block::Footer(text),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_part_is_within_the_limits(body in prop::collection::vec(block(), 0..6)) {
            for part in parts(&body) {
                let Drawing { content, embed, .. } = Drawing::of(&part, &reference("a.1"));
                prop_assert!(content.chars().count() <= 2_000);
                if let Some(embed) = embed {
                    prop_assert!(embed.title.chars().count() <= 256);
                    prop_assert!(embed.description.chars().count() <= 4_096);
                    prop_assert!(embed.footer.chars().count() <= 2_048);
                }
            }
        }
    }
}
