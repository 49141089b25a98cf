//! Keyboards below messages, checked as the platform checks them.

use serde_json::Value;

use super::refusal::Refusal;

/// More buttons than this are refused.
const MOST: usize = 100;

/// So many buttons stand beside each other; the server moves further ones into a row of their own.
const MOST_IN_A_ROW: usize = 8;

/// What a button may do; each must do exactly one of these.
const ACTIONS: [&str; 10] = [
    "callback_data",
    "url",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
];

/// How a button may look.
const STYLES: [&str; 3] = ["danger", "success", "primary"];

/// Reads `reply_markup`. None where nothing is to be shown.
pub(crate) fn read(markup: Option<&Value>, wrong: &mut Vec<String>) -> Result<Option<Value>, Refusal> {
    let Some(markup) = markup else { return Ok(None) };
    let Some(fields) = markup.as_object() else { return Err(Refusal::bad("object expected as reply markup")) };
    if let Some(rows) = fields.get("inline_keyboard") {
        let buttons = check_rows(rows, "inline keyboard", wrong)?;
        for button in &buttons {
            check_button(button)?;
        }
        // An empty keyboard is none.
        return Ok((!buttons.is_empty()).then(|| markup.clone()));
    }
    if let Some(rows) = fields.get("keyboard") {
        check_rows(rows, "keyboard", wrong)?;
        return Ok(Some(markup.clone()));
    }
    if fields.contains_key("force_reply") {
        let hint = fields.get("input_field_placeholder").map(|hint| hint.as_str().unwrap_or_default().chars().count());
        if hint.is_some_and(|count| !(1..=64).contains(&count)) {
            wrong.push(format!("the hint of the field for a reply has 1 to 64 characters: {markup}"));
        }
        return Ok(Some(markup.clone()));
    }
    if !fields.contains_key("remove_keyboard") && !fields.is_empty() {
        wrong.push(format!("reply_markup is of no kind: {markup}"));
    }
    Ok(None)
}

/// Reads the inline keyboard of an edit, which may have no other kind.
pub(crate) fn read_inline(markup: Option<&Value>, wrong: &mut Vec<String>) -> Result<Option<Value>, Refusal> {
    match markup {
        Some(markup) if markup.get("inline_keyboard").is_none() => Err(Refusal::bad("inline keyboard expected")),
        _ => read(markup, wrong),
    }
}

fn check_rows<'a>(rows: &'a Value, what: &str, wrong: &mut Vec<String>) -> Result<Vec<&'a Value>, Refusal> {
    let unreadable = || Refusal::bad(format!("can't parse {what}: it must be an Array of Arrays"));
    let rows = rows.as_array().ok_or_else(unreadable)?;
    let mut buttons = Vec::new();
    for row in rows {
        let row = row.as_array().ok_or_else(unreadable)?;
        if row.len() > MOST_IN_A_ROW {
            wrong.push(format!("{} buttons in a row of the {what}, of which {MOST_IN_A_ROW} fit", row.len()));
        }
        if row.is_empty() {
            wrong.push(format!("a row of the {what} is empty"));
        }
        buttons.extend(row);
    }
    if buttons.len() > MOST {
        return Err(Refusal::bad("REPLY_MARKUP_TOO_LONG"));
    }
    Ok(buttons)
}

fn check_button(button: &Value) -> Result<(), Refusal> {
    if button["text"].as_str().is_none_or(|text| text.trim().is_empty()) {
        return Err(Refusal::bad("can't parse inline keyboard button: Text must be non-empty"));
    }
    let actions = ACTIONS.iter().filter(|action| button.get(**action).is_some_and(|value| !value.is_null())).count();
    if actions != 1 {
        return Err(Refusal::bad(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ));
    }
    if button.get("style").is_some_and(|style| !STYLES.iter().any(|known| style == known)) {
        return Err(Refusal::bad("can't parse inline keyboard button: invalid button style specified"));
    }
    let is_invalid = |data: &Value| data.as_str().is_none_or(|data| !(1..=64).contains(&data.len()));
    if button.get("callback_data").is_some_and(is_invalid) {
        return Err(Refusal::bad("BUTTON_DATA_INVALID"));
    }
    let is_address = |url: &str| ["http://", "https://", "tg://"].iter().any(|scheme| url.starts_with(scheme));
    if button.get("url").is_some_and(|url| !url.as_str().is_some_and(is_address)) {
        return Err(Refusal::bad("BUTTON_URL_INVALID"));
    }
    Ok(())
}
