//! Updates by POST: in order, each again and again until the bot takes it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    account::Account,
    parameters::{Parameters, integer},
    queue::Update,
    refusal::Refusal,
};
use crate::wire::Trouble;

/// The wait before the second attempt; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long the bot may take for one update.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

const HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    url: String,
    secret: Option<String>,
    connections: i64,
    last_error: Option<(i64, String)>,
}

impl Account {
    pub(crate) fn set_webhook(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let url = parameters.text("url").unwrap_or_default();
        if url.is_empty() {
            return Ok(self.delete_webhook(parameters));
        }
        // The real server takes `https` alone; a loopback socket has no certificate.
        let is_local = url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:");
        if !is_local && !url.starts_with("https://") {
            return Err(Refusal::bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        let secret = parameters.text("secret_token").filter(|secret| !secret.is_empty()).map(str::to_owned);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if secret.as_ref().is_some_and(|secret| secret.len() > 256 || !secret.chars().all(is_allowed)) {
            return Err(Refusal::bad("secret token contains unallowed characters"));
        }
        let mut state = self.state();
        if let Some(kinds) = parameters.list("allowed_updates") {
            state.queue.allow(kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        }
        if parameters.truth("drop_pending_updates") {
            state.queue.clear();
        }
        let connections = parameters.integer("max_connections").unwrap_or(40);
        state.webhook = Some(Webhook { url: url.to_owned(), secret, connections, last_error: None });
        drop(state);
        self.conflict("terminated by setWebhook request");
        self.arrivals.send_modify(|count| *count += 1);
        Ok(json!(true))
    }

    pub(crate) fn delete_webhook(&self, parameters: &Parameters) -> Value {
        let mut state = self.state();
        state.webhook = None;
        if parameters.truth("drop_pending_updates") {
            state.queue.clear();
        }
        drop(state);
        self.arrivals.send_modify(|count| *count += 1);
        json!(true)
    }

    pub(crate) fn webhook_info(&self) -> Value {
        let state = self.state();
        let url = state.webhook.as_ref().map_or("", |webhook| &webhook.url);
        let mut info = json!({
            "url": url,
            "has_custom_certificate": false,
            "pending_update_count": state.queue.waiting(),
        });
        if let Some(webhook) = &state.webhook {
            info["max_connections"] = json!(webhook.connections);
            info["ip_address"] = json!("127.0.0.1");
            if let Some((at, message)) = &webhook.last_error {
                info["last_error_date"] = json!(at);
                info["last_error_message"] = json!(message);
            }
        }
        if let Some(kinds) = state.queue.allowed() {
            info["allowed_updates"] = json!(kinds);
        }
        info
    }

    /// Delivers for as long as the server runs.
    pub(crate) async fn deliver(self: Arc<Self>, client: reqwest::Client) {
        let mut arrivals = self.arrivals.subscribe();
        let mut wait = FIRST_WAIT;
        loop {
            arrivals.mark_unchanged();
            let next = {
                let state = self.state();
                state.webhook.clone().zip(state.queue.first())
            };
            let Some((webhook, update)) = next else {
                if arrivals.changed().await.is_err() {
                    return;
                }
                continue;
            };
            match self.attempt(&client, &webhook, &update).await {
                Ok(()) => {
                    self.state().queue.delivered(update.id);
                    wait = FIRST_WAIT;
                }
                Err(words) => {
                    let now = self.now();
                    if let Some(webhook) = &mut self.state().webhook {
                        webhook.last_error = Some((now, words));
                    }
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            self.wire.changed();
        }
    }

    /// Posts one update. Of the wire's troubles for `webhook`, those that lose an answer lose this one's, and the others
    /// keep the update back.
    async fn attempt(
        self: &Arc<Self>,
        client: &reqwest::Client,
        webhook: &Webhook,
        update: &Update,
    ) -> Result<(), String> {
        let trouble = self.wire.meet("webhook", None, false);
        match trouble {
            None | Some(Trouble::LoseAnswer | Trouble::ServerErrorAfter | Trouble::Delay(_) | Trouble::Hold) => {}
            Some(Trouble::Refuse | Trouble::Gone | Trouble::TooMany(_) | Trouble::ServerError | Trouble::Break) => {
                return Err("Connection timed out".to_owned());
            }
        }
        if let Some(Trouble::Delay(wait)) = trouble {
            tokio::time::sleep(wait).await;
        }
        let mut request = client
            .post(&webhook.url)
            .header("Content-Type", "application/json")
            .timeout(ANSWERED_WITHIN)
            .body(update.body.to_string());
        if let Some(secret) = &webhook.secret {
            request = request.header(HEADER, secret);
        }
        let answer = request.send().await.map_err(|_| "Connection refused".to_owned())?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("Wrong response from the webhook: {status}"));
        }
        let body = answer.bytes().await.map_err(|_| "Connection reset by peer".to_owned())?;
        if matches!(trouble, Some(Trouble::LoseAnswer | Trouble::ServerErrorAfter)) {
            return Err("Read timeout expired".to_owned());
        }
        self.call_in_answer(&body);
        Ok(())
    }

    /// A bot may put a call into its answer. It never learns what came of it.
    fn call_in_answer(self: &Arc<Self>, body: &[u8]) {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else { return };
        let Some(method) = fields.remove("method").and_then(|name| name.as_str().map(str::to_owned)) else { return };
        let at = Instant::now();
        let parameters = Parameters::of(fields);
        let channel = parameters.get("chat_id").and_then(integer).map(|id| id.to_string());
        self.perform_unheard(at, &method, channel, parameters);
    }
}
