//! Calls of the Bot API: teloxide's client and payloads, each with a deadline of its own.
//!
//! teloxide's own `send` sleeps for 10 s at every 5xx, and reads an answer as a whole, so that a message that arrived
//! looks like a failure when it has a field of a later version of the API. Here an answer is JSON, of which only what
//! is needed is read.

use std::{error::Error, time::Duration};

use reqwest::{
    Client, RequestBuilder, Response,
    header::RETRY_AFTER,
    multipart::{Form, Part},
    redirect,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide::{Bot, requests::Payload};
use url::{Host, Url};

/// How long a connection may take to come about.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How long an ordinary call may take.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// How long a call may take that carries a file, and how many bytes of it more time is given for a second.
const FILE_DEADLINE: Duration = Duration::from_secs(60);
const BYTES_A_SECOND: u64 = 128 << 10;

/// How long a download may take; the caller may have less patience.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(600);

/// How long to wait after a 429 that does not say how long.
const UNNAMED_WAIT: Duration = Duration::from_secs(5);

/// One bot's door to the Bot API. It has no `Debug`: it holds the token.
pub(crate) struct Api {
    bot: Bot,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was certainly not received.
    NotSent(String),
    /// A clear no.
    No(Refusal),
    /// It may have been done.
    Unclear(String),
}

/// Telegram's answer when it does not do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) description: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) migrate_to: Option<i64>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(reason) | Self::Unclear(reason) => f.write_str(reason),
            Self::No(refusal) => write!(f, "{} ({})", refusal.description, refusal.code),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    result: Option<Value>,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Api {
    pub(crate) fn new(token: &str, base: Option<Url>) -> Result<Self, reqwest::Error> {
        let mut client = Client::builder()
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_nodelay(true)
            // The token is part of every address: it must not follow a redirect to somebody else.
            .redirect(redirect::Policy::none());
        if base.as_ref().is_some_and(is_loopback) {
            client = client.no_proxy();
        }
        let bot = Bot::with_client(token, client.build()?);
        Ok(Self { bot: base.into_iter().fold(bot, Bot::set_api_url) })
    }

    /// Calls the method that the payload is for.
    pub(crate) async fn call<P: Payload + Serialize + Sync>(&self, payload: &P) -> Result<Value, Fault> {
        self.call_within(payload, CALL_DEADLINE).await
    }

    pub(crate) async fn call_within<P>(&self, payload: &P, deadline: Duration) -> Result<Value, Fault>
    where
        P: Payload + Serialize + Sync,
    {
        answer(self.request(P::NAME)?.json(payload).timeout(deadline)).await
    }

    /// Calls a method with a file of `size` bytes in the place of the field `field`.
    pub(crate) async fn call_with_file<P>(
        &self,
        payload: &P,
        field: &'static str,
        file: Part,
        size: u64,
    ) -> Result<Value, Fault>
    where
        P: Payload + Serialize + Sync,
    {
        let fields = serde_json::to_value(payload).map_err(|error| Fault::NotSent(error.to_string()))?;
        let fields =
            fields.as_object().into_iter().flatten().filter(|(name, value)| *name != field && !value.is_null());
        // In a form, what is not a plain value is written as JSON (the API's page, "Making requests").
        let form = fields.fold(Form::new(), |form, (name, value)| match value {
            Value::String(text) => form.text(name.clone(), text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                form.text(name.clone(), value.to_string())
            }
        });
        let deadline = FILE_DEADLINE + Duration::from_secs(size / BYTES_A_SECOND);
        answer(self.request(P::NAME)?.multipart(form.part(field, file)).timeout(deadline)).await
    }

    /// Begins to read a file that the Bot API keeps.
    pub(crate) async fn download(&self, path: &[&str]) -> Result<Response, Fault> {
        let token = format!("bot{}", self.bot.token());
        let steps = ["file", token.as_str()].into_iter().chain(path.iter().copied());
        let request = self.bot.client().get(self.address(steps)?).timeout(DOWNLOAD_DEADLINE);
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(broken)?;
        read(status, header, &body).and_then(|_| Err(Fault::Unclear(format!("the answer was HTTP {status}"))))
    }

    fn request(&self, method: &str) -> Result<RequestBuilder, Fault> {
        let token = format!("bot{}", self.bot.token());
        Ok(self.bot.client().post(self.address([token.as_str(), method])?))
    }

    fn address<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> Result<Url, Fault> {
        let mut url = self.bot.api_url();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(steps);
            }
            Err(()) => return Err(Fault::NotSent("the address of the Bot API cannot have a path".to_owned())),
        }
        Ok(url)
    }
}

async fn answer(request: RequestBuilder) -> Result<Value, Fault> {
    let response = request.send().await.map_err(broken)?;
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes().await.map_err(broken)?;
    read(status, header, &body)
}

fn read(status: u16, retry_after: Option<u64>, body: &[u8]) -> Result<Value, Fault> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    let (code, description, parameters) = match answer {
        Some(Answer { ok: true, result: Some(result), .. }) if (200..300).contains(&status) => return Ok(result),
        Some(Answer { ok: false, error_code, description, parameters, .. }) => {
            (error_code.unwrap_or(status), description, parameters.unwrap_or_default())
        }
        // Something between Telegram and us answered.
        Some(_) | None => (status, None, Parameters::default()),
    };
    let description = description.unwrap_or_else(|| format!("the answer was HTTP {status}"));
    if !(400..500).contains(&code) || status >= 500 {
        return Err(Fault::Unclear(format!("{description} ({code})")));
    }
    let retry_after = parameters.retry_after.or(retry_after).map(Duration::from_secs);
    let retry_after = if code == 429 { retry_after.or(Some(UNNAMED_WAIT)) } else { retry_after };
    Err(Fault::No(Refusal { code, description, retry_after, migrate_to: parameters.migrate_to_chat_id }))
}

fn broken(error: reqwest::Error) -> Fault {
    let was_sent = !(error.is_connect() || error.is_builder());
    // The address holds the token.
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    if was_sent { Fault::Unclear(reason) } else { Fault::NotSent(reason) }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Refusal, read};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn tells_a_clear_no_from_what_may_have_been_done() {
        assert_eq!(read(200, None, br#"{"ok":true,"result":{"message_id":7}}"#), Ok(json!({"message_id": 7})));
        let limited =
            br#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":35}}"#;
        let Err(Fault::No(Refusal { code: 429, retry_after, .. })) = read(429, None, limited) else { panic!() };
        assert_eq!(retry_after, Some(Duration::from_secs(35)));
        let moved = br#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890123}}"#;
        let Err(Fault::No(Refusal { code: 400, migrate_to, .. })) = read(400, None, moved) else { panic!() };
        assert_eq!(migrate_to, Some(-1_001_234_567_890_123));
        let Err(Fault::No(Refusal { retry_after, .. })) = read(429, Some(3), b"<html>") else { panic!() };
        assert_eq!(retry_after, Some(Duration::from_secs(3)));
        for (status, body) in [
            (500, &br#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#[..]),
            (502, b"<html>bad gateway</html>"),
            (200, b"<html>hello</html>"),
            (200, b""),
            (302, b""),
            (500, br#"{"ok":true,"result":true}"#),
        ] {
            assert!(matches!(read(status, None, body), Err(Fault::Unclear(_))), "{status}");
        }
    }
}
