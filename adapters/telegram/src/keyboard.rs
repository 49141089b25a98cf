//! Buttons below a message.

use kanban_platform::Button;
use teloxide::types::{InlineKeyboardButton, InlineKeyboardMarkup};

use crate::neutral::printable;

/// How many bytes a button may carry (`InlineKeyboardButton`, `callback_data`).
const DATA_LIMIT: usize = 64;

/// How many letters stand side by side on a phone.
const ROW: usize = 24;

/// How many buttons stand side by side at most.
const ABREAST: usize = 3;

/// The buttons in rows, short ones side by side. None where there are none.
pub(crate) fn keyboard(buttons: &[Button]) -> Option<InlineKeyboardMarkup> {
    let mut rows: Vec<Vec<InlineKeyboardButton>> = Vec::new();
    let mut room = 0;
    for button in buttons {
        let label = printable(&button.label).split_whitespace().collect::<Vec<_>>().join(" ");
        let label = if label.is_empty() { "…".to_owned() } else { label };
        // The gateway knows a button without a key by its label.
        let data = data(if button.key.is_empty() { &button.label } else { &button.key });
        let width = label.chars().count();
        let key = InlineKeyboardButton::callback(label, data);
        match rows.last_mut() {
            Some(row) if row.len() < ABREAST && width <= room => row.push(key),
            Some(_) | None => {
                rows.push(vec![key]);
                room = ROW;
            }
        }
        room = room.saturating_sub(width);
    }
    (!rows.is_empty()).then(|| InlineKeyboardMarkup::new(rows))
}

fn data(key: &str) -> &str {
    let end = (0..=DATA_LIMIT.min(key.len())).rev().find(|end| key.is_char_boundary(*end));
    &key[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::keyboard;
    use kanban_platform::Button;

    fn button(key: &str, label: &str) -> Button {
        Button { key: key.to_owned(), label: label.to_owned() }
    }

    #[test]
    fn short_buttons_stand_side_by_side_and_carry_their_key() {
        let buttons = [
            button("d1.0", "Yes"),
            button("d1.1", "No"),
            button("d1.2", "Ask me again tomorrow morning"),
            button("d1.3", "Deep\nred"),
            button("", &"ü".repeat(40)),
        ];
        let rows = serde_json::to_value(keyboard(&buttons)).expect("JSON");
        insta::assert_snapshot!(rows.to_string(), @r#"{"inline_keyboard":[[{"text":"Yes","callback_data":"d1.0"},{"text":"No","callback_data":"d1.1"}],[{"text":"Ask me again tomorrow morning","callback_data":"d1.2"}],[{"text":"Deep red","callback_data":"d1.3"}],[{"text":"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü","callback_data":"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"}]]}"#);
        assert_eq!(keyboard(&[]), None);
    }
}
