//! Presses of inline buttons: each must be answered once, and soon, or the button goes on spinning.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{account::Account, parameters::Parameters, refusal::Refusal};

/// So long after a press the server takes an answer.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub(crate) struct Press {
    pub(crate) person: i64,
    at: Instant,
    /// What the answer shows, empty where it shows nothing.
    pub(crate) answer: Option<String>,
}

impl Account {
    /// A person presses a button of a message: the bot gets the button's data. Answers the id of the press.
    pub(crate) fn press(self: &Arc<Self>, person: i64, chat: i64, message: i64, data: &str) -> Option<String> {
        let mut state = self.state();
        let found = state.chats.get(&chat)?;
        let shown = found.message(message).map(|message| found.message_json(message, &state.people))?;
        let instance = found.instance();
        state.last_press += 1;
        let id = format!("42949672{:011}", state.last_press);
        let query = json!({
            "id": id,
            "from": state.people.json(person),
            "message": shown,
            "chat_instance": instance,
            "data": data,
        });
        state.presses.insert(id.clone(), Press { person, at: Instant::now(), answer: None });
        self.publish(&mut state, "callback_query", &query);
        drop(state);
        self.watch(id.clone());
        Some(id)
    }

    pub(crate) fn answer_callback_query(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let text = parameters.text("text").unwrap_or_default();
        if text.chars().count() > 200 {
            return Err(Refusal::bad("MESSAGE_TOO_LONG"));
        }
        let mut state = self.state();
        let id = parameters.text("callback_query_id").unwrap_or_default();
        let press = state.presses.get_mut(id);
        let Some(press) = press.filter(|press| press.answer.is_none() && press.at.elapsed() < ANSWERED_WITHIN) else {
            return Err(Refusal::bad("query is too old and response timeout expired or query ID is invalid"));
        };
        press.answer = Some(text.to_owned());
        Ok(json!(true))
    }

    /// Complains when the time for an answer is over and there was none.
    fn watch(self: &Arc<Self>, id: String) {
        let account = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(ANSWERED_WITHIN).await;
            let Some(account) = account.upgrade() else { return };
            let is_answered = account.state().presses.get(&id).is_some_and(|press| press.answer.is_some());
            if !is_answered {
                account.wire.complain(format!("the press {id} was not answered within {ANSWERED_WITHIN:?}"));
            }
        });
    }
}
