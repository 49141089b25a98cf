//! The form of a button that asks for words: a modal with one field.

use kanban_platform::Input;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{blocks::plain_line, form::Place, payload::View};

/// The name of the form.
pub(crate) const ASK: &str = "ask_words";

/// The block and the action of its one field.
const FIELD: &str = "words";

/// Limits of the pages on views and inputs.
const TITLE_LIMIT: usize = 24;
const LABEL_LIMIT: usize = 75;
const INPUT_LIMIT: usize = 3_000;

/// A button that was pressed and that asks for words, as it comes back with the form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) place: Place,
    /// The message that it is below.
    pub(crate) message: String,
    /// Its key.
    pub(crate) button: String,
    #[serde(skip)]
    pub(crate) label: String,
}

impl Ask {
    /// The modal.
    pub(crate) fn view(&self) -> Value {
        json!({
            "type": "modal",
            "callback_id": ASK,
            "title": plain_line(&self.label, TITLE_LIMIT),
            "submit": plain_line("Send", TITLE_LIMIT),
            "close": plain_line("Cancel", TITLE_LIMIT),
            "private_metadata": serde_json::to_string(self).unwrap_or_default(),
            "blocks": [{
                "type": "input",
                "block_id": FIELD,
                "label": plain_line("In your own words", LABEL_LIMIT),
                "element": {
                    "type": "plain_text_input",
                    "action_id": FIELD,
                    "multiline": true,
                    "focus_on_load": true,
                    "max_length": INPUT_LIMIT,
                },
            }],
        })
    }

    /// What was filled in, or what the form says where it stays open. None for a form that is none of ours.
    pub(crate) fn filled(view: &View) -> Option<(Self, Result<String, Value>)> {
        let ask: Self = serde_json::from_str(&view.private_metadata).ok()?;
        let filled = view.state.as_ref().and_then(|state| state.values.get(FIELD)?.get(FIELD)?.value.as_deref());
        let words = filled.unwrap_or_default().trim();
        if words.is_empty() {
            let why = "Nothing but blanks: write a word, or press Cancel.";
            return Some((ask, Err(json!({"response_action": "errors", "errors": {FIELD: why}}))));
        }
        Some((ask, Ok(words.to_owned())))
    }

    /// The press with its words.
    pub(crate) fn press(self, words: String) -> Input {
        Input::Press { message: self.message, button: self.button, words: Some(words) }
    }
}
