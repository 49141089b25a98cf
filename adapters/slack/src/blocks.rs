//! A body as Block Kit: in headers, rich text and plain text alone, in which no character is markup and nothing can
//! mention anybody.

use kanban_platform::{Block, Button, Span, Style, attach_long, safe, spans, split_body};
use serde_json::{Value, json};

use crate::markup::{escaped, shortened};

/// How large the blocks of a message may be, as JSON. Slack refuses about 13,000 characters over all blocks of a
/// message, their braces and names among them (`msg_blocks_too_long`), and 25 buttons take up to 5,000 of them.
const BLOCKS_LIMIT: usize = 8_000;

/// How many blocks a message may have is 50; some are kept for the buttons.
const COUNT_LIMIT: usize = 45;

/// Longer texts are read more easily in a file.
const LONGEST_TEXT: usize = 12_000;

/// The text that notifications and readers without blocks show. Slack asks for at most 4,000 characters.
const FALLBACK_LIMIT: usize = 4_000;

const HEADER_LIMIT: usize = 150;
const BUTTON_LIMIT: usize = 75;
/// Where there are many buttons, their labels are shorter, so that all of them have room.
const SHORT_BUTTON_LIMIT: usize = 24;
const FEW_BUTTONS: usize = 10;
const BUTTONS_IN_A_BLOCK: usize = 25;
const CONTEXT_LIMIT: usize = 2_000;

/// What every press of a button of ours begins with.
pub(crate) const PRESS: &str = "press.";

/// Cuts a body into messages.
pub(crate) fn parts(body: &[Block]) -> Vec<Vec<Block>> {
    split_body(&attach_long(body, LONGEST_TEXT), BLOCKS_LIMIT, size)
}

/// Draws a body, without its files.
pub(crate) fn draw(body: &[Block]) -> Vec<Value> {
    body.iter().filter_map(block).collect()
}

/// Draws the buttons of a post.
pub(crate) fn draw_buttons(buttons: &[Button]) -> Vec<Value> {
    let limit = if buttons.len() > FEW_BUTTONS { SHORT_BUTTON_LIMIT } else { BUTTON_LIMIT };
    let elements: Vec<Value> = buttons
        .iter()
        .enumerate()
        .map(|(number, button)| {
            let key = if button.key.is_empty() { &button.label } else { &button.key };
            let mut drawn = json!({
                "type": "button",
                "action_id": format!("{PRESS}{number}"),
                "text": plain_line(&button.label, limit),
                "value": key,
            });
            if let Some(style) = style(button.style) {
                drawn["style"] = style.into();
            }
            drawn
        })
        .collect();
    elements.chunks(BUTTONS_IN_A_BLOCK).map(|some| json!({"type": "actions", "elements": some})).collect()
}

/// Slack's name for a look of a button. It has one for what is right and one for what cannot be undone.
fn style(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Primary | Style::Success => Some("primary"),
        Style::Danger => Some("danger"),
    }
}

/// The text beside the blocks.
pub(crate) fn fallback(body: &[Block]) -> String {
    let texts: Vec<String> = body
        .iter()
        .map(|block| match block {
            Block::File { name, .. } | Block::Stored { name, .. } => safe(name),
            Block::Title(text) | Block::Text(text) | Block::Quote(text) | Block::Code(text) | Block::Footer(text) => {
                safe(text)
            }
        })
        .filter(|text| !text.trim().is_empty())
        .collect();
    // Escaping makes a text up to five times as long, so it is cut first where that matters.
    let mut text = shortened(&texts.join("\n"), FALLBACK_LIMIT);
    let mut characters = FALLBACK_LIMIT;
    while escaped(&text).chars().count() > FALLBACK_LIMIT {
        characters = characters * 4 / 5;
        text = shortened(&text, characters);
    }
    if text.is_empty() { "(no text)".to_owned() } else { escaped(&text) }
}

/// Slack undoes `&amp;`, `&lt;` and `&gt;` wherever they stand, so one that somebody has typed is kept from being undone.
fn literal(text: &str) -> String {
    text.replace("&amp;", "&amp;amp;").replace("&lt;", "&amp;lt;").replace("&gt;", "&amp;gt;")
}

/// A text object in which nothing is markup, with something in it, for Slack takes no empty ones.
pub(crate) fn plain_text(text: &str, limit: usize) -> Value {
    let text = safe(text);
    let mut characters = limit;
    let text = loop {
        let shown = literal(&shortened(text.trim(), characters));
        match shown.chars().count().saturating_sub(limit) {
            0 => break shown,
            over => characters = characters.saturating_sub(over),
        }
    };
    json!({"type": "plain_text", "text": if text.is_empty() { "…" } else { &text }, "emoji": false})
}

/// As [`plain_text`], on one line.
pub(crate) fn plain_line(text: &str, limit: usize) -> Value {
    plain_text(&text.replace(['\n', '\t'], " "), limit)
}

fn block(block: &Block) -> Option<Value> {
    let text = safe(block.text());
    if text.trim().is_empty() {
        return None;
    }
    Some(match block {
        Block::Title(_) if text.chars().count() <= HEADER_LIMIT => {
            json!({"type": "header", "text": plain_line(&text, HEADER_LIMIT)})
        }
        Block::Title(_) => {
            let bold = json!({"type": "text", "text": text, "style": {"bold": true}});
            rich_text(&json!({"type": "rich_text_section", "elements": [bold]}))
        }
        Block::Text(_) => rich_text(&json!({"type": "rich_text_section", "elements": elements(&text)})),
        Block::Quote(_) => rich_text(&json!({"type": "rich_text_quote", "elements": elements(&text)})),
        Block::Code(_) => {
            let element = json!({"type": "text", "text": text});
            rich_text(&json!({"type": "rich_text_preformatted", "elements": [element]}))
        }
        Block::Footer(_) if text.chars().count() <= CONTEXT_LIMIT => {
            json!({"type": "context", "elements": [plain_text(&text, CONTEXT_LIMIT)]})
        }
        Block::Footer(_) => rich_text(&json!({"type": "rich_text_section", "elements": elements(&text)})),
        Block::File { .. } | Block::Stored { .. } => return None,
    })
}

fn rich_text(element: &Value) -> Value {
    json!({"type": "rich_text", "elements": [element]})
}

fn elements(text: &str) -> Vec<Value> {
    spans(text)
        .into_iter()
        .map(|span| match span {
            Span::Plain(text) => json!({"type": "text", "text": text}),
            Span::Code(text) => json!({"type": "text", "text": text, "style": {"code": true}}),
        })
        .collect()
}

/// How much of a message's room a body takes.
fn size(body: &[Block]) -> usize {
    let drawn = draw(body);
    if drawn.len() > COUNT_LIMIT {
        return usize::MAX;
    }
    drawn.iter().map(|block| block.to_string().len() + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::{BLOCKS_LIMIT, FALLBACK_LIMIT, PRESS, draw, draw_buttons, fallback, parts};
    use kanban_platform::{Block, Button, Style};
    use proptest::prelude::*;
    use serde_json::Value;

    fn button(label: &str) -> Button {
        Button { key: "k1.a".to_owned(), label: label.to_owned(), style: Style::Plain }
    }

    #[test]
    fn every_kind_of_block_has_its_look() {
        let body = [
            Block::Title("Count <!channel> files".to_owned()),
            Block::Text("type `list` & go".to_owned()),
            Block::Quote("said @here".to_owned()),
            Block::Code("a\nb".to_owned()),
            Block::Footer("t_4k2 · ready".to_owned()),
            Block::File { name: "output.txt".to_owned(), text: "long".to_owned() },
        ];
        insta::assert_json_snapshot!(draw(&body));
        insta::assert_snapshot!(fallback(&body));
        insta::assert_json_snapshot!(draw_buttons(&[button("Retry"), button("Cancel")]));
    }

    #[test]
    fn a_long_title_is_bold_text_and_an_empty_text_is_left_out() {
        let drawn = draw(&[Block::Title("x".repeat(151)), Block::Text(" \u{200b}".to_owned())]);
        assert_eq!(drawn.len(), 1);
        assert_eq!(drawn[0]["elements"][0]["elements"][0]["style"]["bold"], true);
    }

    #[test]
    fn many_buttons_take_several_blocks_with_different_ids() {
        let drawn = draw_buttons(&vec![button(&"x".repeat(100)); 30]);
        assert_eq!(drawn.len(), 2);
        assert_eq!(drawn[0]["elements"].as_array().map(Vec::len), Some(25));
        assert_eq!(drawn[1]["elements"][4]["action_id"], format!("{PRESS}29"));
        assert_eq!(drawn[0]["elements"][0]["text"]["text"].as_str().map(|text| text.chars().count()), Some(24));
    }

    #[test]
    fn a_few_buttons_have_longer_labels_and_each_its_look() {
        let styles = [Style::Plain, Style::Primary, Style::Success, Style::Danger];
        let buttons = styles.map(|style| Button { style, ..button(&"x".repeat(100)) });
        let drawn = draw_buttons(&buttons);
        let elements = drawn[0]["elements"].as_array().unwrap();
        assert!(elements.iter().all(|one| one["text"]["text"].as_str().unwrap().chars().count() == 75));
        let looks: Vec<_> = elements.iter().map(|one| one["style"].as_str()).collect();
        assert_eq!(looks, [None, Some("primary"), Some("primary"), Some("danger")]);
    }

    /// Every value below a `type` that Slack could read markup or a mention from.
    fn types(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(kind) = map.get("type").and_then(Value::as_str) {
                    found.push(kind.to_owned());
                }
                map.values().for_each(|value| types(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| types(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn any_block() -> impl Strategy<Value = Block> {
        let text = prop_oneof![
            "\\PC{0,200}",
            "[<>&@!#|`*_~\\n a-z]{0,400}",
            "[\\x00-\\x1f\u{7f}\u{9b}\u{200b}\u{202a}-\u{202e}\u{2066}-\u{2069}<@a ]{0,300}",
            Just("<!channel> <@U1> @here `<!everyone>`".to_owned()),
            "[a<\\n ]{0,60}".prop_map(|text| text.repeat(300)),
        ];
        (text, 0..6).prop_map(|(text, kind)| match kind {
            0 => Block::Title(text),
            1 => Block::Text(text),
            2 => Block::Quote(text),
            3 => Block::Code(text),
            4 => Block::Footer(text),
            _ => Block::File { name: "output.txt".to_owned(), text },
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn no_text_is_markup_or_a_mention_and_limits_hold(body in proptest::collection::vec(any_block(), 0..8)) {
            const HARMLESS: [&str; 9] = [
                "header", "plain_text", "rich_text", "rich_text_section", "rich_text_quote", "rich_text_preformatted",
                "text", "context", "actions",
            ];
            let parts = parts(&body);
            for part in &parts {
                let drawn = draw(part);
                prop_assert!(drawn.len() <= 45);
                prop_assert!(Value::from(drawn.clone()).to_string().len() <= BLOCKS_LIMIT + 2);
                let mut found = Vec::new();
                let written = Value::from(drawn.clone()).to_string();
                let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                prop_assert!(!written.contains(acts) && !written.contains("\\u00"), "{written}");
                types(&Value::from(drawn), &mut found);
                prop_assert!(found.iter().all(|kind| HARMLESS.contains(&kind.as_str())), "{found:?}");
                let text = fallback(part);
                prop_assert!(!text.contains(['<', '>']));
                prop_assert!(!text.is_empty() && text.chars().count() <= FALLBACK_LIMIT);
            }
        }
    }
}
