//! Requests over HTTP to the app's address, signed as "Verifying requests from Slack" says.

use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use url::form_urlencoded;

use crate::slack::{clock, envelope::Kind, state::VERIFICATION_TOKEN, workspace::Workspace};

pub(crate) const SIGNING_SECRET: &str = "fake-signing-secret";

/// Where the app listens.
pub(crate) struct Endpoint {
    url: Mutex<Option<String>>,
    client: reqwest::Client,
}

/// How a request is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with another secret.
    Secret,
    /// Signed well, an hour ago.
    Age,
    /// Signed well, and the body changed afterwards.
    Body,
    /// Not signed.
    Unsigned,
}

impl Endpoint {
    /// `listen` is the address on which the app listens, whose every path takes everything.
    pub(crate) fn new(listen: Option<&str>) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self {
            url: Mutex::new(listen.map(|address| format!("http://{address}/slack/events"))),
            client: client.expect("an HTTP client needs nothing"),
        }
    }

    pub(crate) fn set(&self, url: &str) {
        *self.url.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }

    pub(crate) fn is_set(&self) -> bool {
        self.url().is_some()
    }

    fn url(&self) -> Option<String> {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Workspace {
    /// Sends a pending envelope as a request, and takes the answer for its acknowledgement.
    pub(crate) async fn post(
        self: &Arc<Self>,
        id: String,
        kind: Kind,
        payload: Arc<Value>,
        attempt: usize,
        reason: &'static str,
    ) {
        let (content_type, body) = form(kind, &payload);
        let mut request = self.request(content_type, body, None);
        if attempt > 0 {
            request = request.header("X-Slack-Retry-Num", attempt).header("X-Slack-Retry-Reason", http_reason(reason));
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => match response.bytes().await {
                Ok(body) => self.acknowledge(&id, self.read_answer(&body)),
                Err(_) => self.fail_pending(&id, "http_error", "operation_timeout"),
            },
            Ok(response) => {
                let is_final = response.headers().get("X-Slack-No-Retry").is_some_and(|value| value == "1");
                if response.status().is_client_error() {
                    let (kind, status) = (kind.name(), response.status());
                    self.wire.complain(format!("a request of `{kind}`, signed well, was answered with {status}"));
                }
                if is_final && kind == Kind::Event {
                    self.acknowledge(&id, None);
                } else {
                    self.fail_pending(&id, "http_error", "dispatch_failed");
                }
            }
            Err(error) if error.is_timeout() => {
                let (kind, within) = (kind.name(), self.options.acknowledge_within);
                self.wire.complain(format!("no answer to a request of `{kind}` within {within:?}"));
                self.fail_pending(&id, "http_timeout", "operation_timeout");
            }
            Err(_) => self.fail_pending(&id, "connection_failed", "dispatch_failed"),
        }
    }

    /// Sends a request that the app must not take, and answers its status.
    pub(crate) async fn forge(&self, kind: Kind, payload: &Value, forgery: Forgery) -> Option<u16> {
        let (content_type, body) = form(kind, payload);
        let response = self.request(content_type, body, Some(forgery)).send().await.ok()?;
        Some(response.status().as_u16())
    }

    /// Asks the app to prove that the address is its own. True where it does.
    pub(crate) async fn verify_address(&self) -> bool {
        let challenge = self.state().make_secret();
        let body = json!({ "token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification" });
        let Ok(response) = self.request("application/json", body.to_string(), None).send().await else { return false };
        let is_success = response.status().is_success();
        let Ok(text) = response.text().await else { return false };
        let answered = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|answer| answer["challenge"].as_str().map(str::to_owned))
            .or_else(|| {
                form_urlencoded::parse(text.as_bytes())
                    .find(|(key, _)| key == "challenge")
                    .map(|(_, value)| value.into())
            })
            .unwrap_or(text);
        is_success && answered == challenge
    }

    fn request(&self, content_type: &str, body: String, forgery: Option<Forgery>) -> reqwest::RequestBuilder {
        let age = if forgery == Some(Forgery::Age) { 3600 } else { 0 };
        let timestamp = clock::seconds() - age;
        let secret = if forgery == Some(Forgery::Secret) { "another-secret" } else { SIGNING_SECRET };
        let signature = sign(secret, timestamp, &body);
        let body = if forgery == Some(Forgery::Body) { body.replacen("kanban", "kanbam", 1) + " " } else { body };
        let url = self.endpoint.url().unwrap_or_default();
        let request = self.endpoint.client.post(url).timeout(self.options.acknowledge_within);
        let request =
            request.header("Content-Type", content_type).header("User-Agent", "Slackbot 1.0 (fake)").body(body);
        if forgery == Some(Forgery::Unsigned) {
            return request;
        }
        request.header("X-Slack-Request-Timestamp", timestamp).header("X-Slack-Signature", signature)
    }

    /// The body of an answer: nothing, JSON, or for a slash command a text.
    fn read_answer(&self, body: &[u8]) -> Option<Value> {
        let text = String::from_utf8_lossy(body);
        if text.trim().is_empty() {
            return None;
        }
        serde_json::from_str(&text).ok().or_else(|| Some(json!({ "text": text })))
    }
}

/// `v0=` and the HMAC-SHA256 of version, time and body.
fn sign(secret: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={hex}")
}

fn form(kind: Kind, payload: &Value) -> (&'static str, String) {
    let mut fields = form_urlencoded::Serializer::new(String::new());
    match kind {
        Kind::Event => return ("application/json", payload.to_string()),
        Kind::Interactive => {
            fields.append_pair("payload", &payload.to_string());
        }
        Kind::Slash => {
            for (key, value) in payload.as_object().into_iter().flatten() {
                fields.append_pair(key, value.as_str().unwrap_or_default());
            }
        }
    }
    ("application/x-www-form-urlencoded", fields.finish())
}

fn http_reason(reason: &'static str) -> &'static str {
    if reason == "timeout" { "http_timeout" } else { reason }
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn signs_as_the_example_of_the_documentation() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F\
                    96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            sign("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, body),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }
}
