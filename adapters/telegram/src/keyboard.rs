//! Buttons below a message, and the field that a message opens for an answer.

use kanban_platform::{Button, Style};
use serde::Serialize;
use teloxide::{requests::Payload, types::ForceReply};

use crate::neutral::line;

/// How many bytes a button may carry (`InlineKeyboardButton`, `callback_data`).
const DATA_LIMIT: usize = 64;

/// How many characters a label keeps: no phone shows more on one line.
const LABEL_LIMIT: usize = 64;

/// How many characters the hint in the field for an answer may have (`ForceReply`, `input_field_placeholder`).
const HINT_LIMIT: usize = 64;

/// How many letters stand side by side on a phone.
const ROW: usize = 24;

/// How many buttons stand side by side at most.
const ABREAST: usize = 3;

/// What is below a message.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Markup {
    Keyboard { inline_keyboard: Vec<Vec<Key>> },
    Answer(ForceReply),
}

/// A button, which teloxide knows without its style.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Key {
    text: String,
    callback_data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<&'static str>,
}

/// A message with what is below it.
#[derive(Debug, Serialize)]
pub(crate) struct With<P> {
    #[serde(flatten)]
    pub(crate) message: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_markup: Option<Markup>,
}

impl<P: Payload> Payload for With<P> {
    type Output = P::Output;
    const NAME: &'static str = P::NAME;
}

/// The buttons in rows, short ones side by side. None where there are none.
pub(crate) fn keyboard(buttons: &[Button]) -> Option<Markup> {
    let mut rows: Vec<Vec<Key>> = Vec::new();
    let mut room = 0;
    for button in buttons {
        let text = line(&button.label, LABEL_LIMIT);
        let text = if text.is_empty() { "…".to_owned() } else { text };
        // The gateway knows a button without a key by its label.
        let named = [&button.key, &button.label, &text].into_iter().find(|name| !name.is_empty());
        let callback_data = data(named.unwrap_or(&text)).to_owned();
        let width = text.chars().count();
        let key = Key { text, callback_data, style: style(button.style) };
        match rows.last_mut() {
            Some(row) if row.len() < ABREAST && width <= room => row.push(key),
            Some(_) | None => {
                rows.push(vec![key]);
                room = ROW;
            }
        }
        room = room.saturating_sub(width);
    }
    (!rows.is_empty()).then_some(Markup::Keyboard { inline_keyboard: rows })
}

/// Opens the field for an answer: for everybody who sees the message, or for the people alone whom it answers or names.
pub(crate) fn answer(task: Option<&str>, is_selective: bool) -> Markup {
    let hint = task.map_or_else(|| "Your answer".to_owned(), |task| format!("Your answer to {task}"));
    let field = ForceReply::new().input_field_placeholder(Some(line(&hint, HINT_LIMIT)));
    Markup::Answer(if is_selective { field.selective() } else { field })
}

fn style(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Primary => Some("primary"),
        Style::Success => Some("success"),
        Style::Danger => Some("danger"),
    }
}

fn data(key: &str) -> &str {
    let end = (0..=DATA_LIMIT.min(key.len())).rev().find(|end| key.is_char_boundary(*end));
    &key[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::{answer, keyboard};
    use kanban_platform::{Button, Style};

    fn button(key: &str, label: &str, style: Style) -> Button {
        Button { key: key.to_owned(), label: label.to_owned(), style }
    }

    #[test]
    fn short_buttons_stand_side_by_side_and_carry_their_key() {
        let buttons = [
            button("d1.0", "Yes", Style::Success),
            button("d1.1", "No", Style::Danger),
            button("d1.2", "Ask me again tomorrow morning", Style::Primary),
            button("d1.3", "Deep\nred\u{202e}", Style::Plain),
            button("", &"ü".repeat(40), Style::Plain),
        ];
        let rows = serde_json::to_value(keyboard(&buttons)).expect("JSON");
        insta::assert_snapshot!(rows.to_string(), @r#"{"inline_keyboard":[[{"text":"Yes","callback_data":"d1.0","style":"success"},{"text":"No","callback_data":"d1.1","style":"danger"}],[{"text":"Ask me again tomorrow morning","callback_data":"d1.2","style":"primary"}],[{"text":"Deep red‹U+202E›","callback_data":"d1.3"}],[{"text":"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü","callback_data":"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"}]]}"#);
        assert_eq!(keyboard(&[]), None);
    }

    #[test]
    fn no_label_is_too_long_or_too_short_for_a_button() {
        let odd = [button("", "", Style::Plain), button("k", &"long ".repeat(40), Style::Plain)];
        let rows = serde_json::to_value(keyboard(&odd)).expect("JSON");
        assert_eq!(rows["inline_keyboard"][0][0]["callback_data"], "…");
        let label = rows["inline_keyboard"][1][0]["text"].as_str().expect("a label");
        assert!(label.chars().count() <= 64 && label.ends_with('…'), "{label}");
    }

    #[test]
    fn the_field_for_an_answer_names_the_task() {
        let field = serde_json::to_value(answer(Some("t_4k2"), true)).expect("JSON");
        let hint = "Your answer to t_4k2";
        let wanted = serde_json::json!({"force_reply": true, "selective": true, "input_field_placeholder": hint});
        assert_eq!(field, wanted);
    }
}
