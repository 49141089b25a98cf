//! Calls of Discord's HTTP API: within its limits, each with a deadline, and with a clear answer to the question whether
//! the call may have been carried out.
//!
//! The routes are serenity's. The calls are made here because its client hides the headers of a refusal, and with them
//! how long a bucket stays closed ("Rate Limits" in Discord's reference).

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use kanban_platform::{Limit, Pace, Rate, Urgency};
use reqwest::{
    Body, Client, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, USER_AGENT},
    multipart::{Form, Part},
};
use serde_json::Value;
use serenity::{
    constants,
    http::{LightMethod, Route},
};

use crate::{lane::Lanes, token::Token};

/// How long a call waits for its turn before the caller is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a call may take altogether.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The whole bot's limit, from which interactions are free.
const GLOBAL: (&str, Rate) = ("global", Rate { calls: 50, per: Duration::from_secs(1) });

/// After a refused token: a bot that goes on is banned by its address after 10,000 refusals in ten minutes.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);

const DISCORD: &str = "https://discord.com";

pub(crate) struct Api {
    client: Client,
    token: Arc<Token>,
    base: Option<String>,
    pace: Pace,
    lanes: Lanes,
}

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) route: Route<'a>,
    pub(crate) method: LightMethod,
    pub(crate) query: String,
    pub(crate) body: Option<Value>,
    pub(crate) files: Vec<File>,
    /// None for interactions, whose limits are their own.
    pub(crate) bucket: Option<String>,
    pub(crate) urgency: Urgency,
    pub(crate) deadline: Duration,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: LightMethod, route: Route<'a>) -> Self {
        Self {
            route,
            method,
            query: String::new(),
            body: None,
            files: Vec::new(),
            bucket: None,
            urgency: Urgency::News,
            deadline: DEADLINE,
        }
    }
}

/// A file to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    /// The name in full, where the other leaves something out.
    pub(crate) description: Option<String>,
    pub(crate) content: Content,
}

impl File {
    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::Stored { size, .. } => *size,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    /// It is read from this machine while it is sent.
    Stored {
        path: PathBuf,
        size: u64,
        media_type: Option<String>,
    },
}

/// Why a call has no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It was not carried out.
    #[error("Discord cannot be reached: {0}")]
    NotSent(String),
    /// It may have been carried out.
    #[error("Discord gave no answer: {0}")]
    Unsure(String),
    /// It was not carried out, and will not be for this time.
    #[error("Discord asks for patience for {0:?}")]
    Limited(Duration),
    /// Discord says no, with the code of its reference ("Opcodes and Status Codes").
    #[error("Discord refuses it: {0}")]
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// 0 where the answer is not Discord's own, but that of something on the way.
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {}, code {})", self.message, self.status, self.code)
    }
}

impl Api {
    pub(crate) fn new(token: Arc<Token>, base: Option<String>) -> Result<Self, String> {
        let mut client = Client::builder()
            .use_rustls_tls()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none());
        if base.as_deref().is_some_and(is_loopback) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| error.without_url().to_string())?;
        Ok(Self { client, token, base, pace: Pace::default(), lanes: Lanes::default() })
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Carries a call out, and answers the body: null where there is none.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Value, CallError> {
        let Call { route, method, query, body, files, bucket, urgency, deadline } = call;
        let mut lane = None;
        if let Some(bucket) = &bucket {
            lane = Some(self.lanes.enter(bucket, urgency, PATIENCE).await.map_err(CallError::Limited)?);
            let limits = [
                Limit { bucket: GLOBAL.0.to_owned(), rate: Some(GLOBAL.1) },
                Limit { bucket: bucket.clone(), rate: None },
            ];
            self.pace.turn(&limits, urgency, PATIENCE).await.map_err(CallError::Limited)?;
        }
        let path = route.path();
        let mut address = match &self.base {
            Some(base) => path.replacen(DISCORD, base.trim_end_matches('/'), 1),
            None => path.into_owned(),
        };
        if !query.is_empty() {
            address = format!("{address}?{query}");
        }
        let mut request = self
            .client
            .request(method.reqwest_method(), address)
            .timeout(deadline)
            .header(USER_AGENT, constants::USER_AGENT)
            .header(AUTHORIZATION, format!("Bot {}", self.token.reveal()));
        match (body, files.is_empty()) {
            (Some(body), true) => {
                request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
            }
            (Some(body), false) => request = request.multipart(form(&body, files).await?),
            (None, _) => {}
        }
        let response = request.send().await.map_err(|error| unsent(&error))?;
        let answer = self.answer(response, bucket.as_deref()).await;
        drop(lane);
        answer
    }

    async fn answer(&self, response: Response, bucket: Option<&str>) -> Result<Value, CallError> {
        let status = response.status();
        let headers = response.headers().clone();
        if let Some(bucket) = bucket
            && status != StatusCode::TOO_MANY_REQUESTS
            && number(&headers, "x-ratelimit-remaining").is_some_and(|remaining| remaining < 1.0)
            && let Some(wait) = number(&headers, "x-ratelimit-reset-after").and_then(seconds)
        {
            self.pace.close(bucket, wait);
        }
        let body = response.bytes().await;
        if status.is_success() {
            let body = body.map_err(|error| CallError::Unsure(error.without_url().to_string()))?;
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&body)
                .map_err(|_| CallError::Unsure("the answer cannot be read".to_owned()));
        }
        let told: Value = body.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        match status.as_u16() {
            429 => {
                // The body tells it more precisely; what stands before Discord tells it in the header alone.
                let said = told["retry_after"].as_f64().or_else(|| number(&headers, "retry-after"));
                let wait = said.and_then(seconds).unwrap_or(Duration::from_secs(1)) + Duration::from_millis(50);
                let is_global = headers.contains_key("x-ratelimit-global") || told["global"] == true;
                if is_global {
                    self.pace.close(GLOBAL.0, wait);
                } else if let Some(bucket) = bucket {
                    self.pace.close(bucket, wait);
                }
                Err(CallError::Limited(wait))
            }
            401 if bucket.is_some() => {
                self.pace.close(GLOBAL.0, TOKEN_PAUSE);
                Err(CallError::Refused(refusal(status, &told)))
            }
            408 | 500.. => Err(CallError::Unsure(format!("status {}", status.as_u16()))),
            _ => Err(CallError::Refused(refusal(status, &told))),
        }
    }
}

fn refusal(status: StatusCode, told: &Value) -> Refusal {
    let mut message = told["message"].as_str().unwrap_or("no reason given").to_owned();
    if let Some(detail) = told.get("errors") {
        let detail: String = detail.to_string().chars().take(300).collect();
        message = format!("{message} {detail}");
    }
    Refusal { status: status.as_u16(), code: told["code"].as_i64().unwrap_or(0), message }
}

fn unsent(error: &reqwest::Error) -> CallError {
    // The address of an interaction holds its token.
    let kind = if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    if error.is_connect() || error.is_builder() {
        CallError::NotSent(kind.to_owned())
    } else {
        CallError::Unsure(kind.to_owned())
    }
}

async fn form(body: &Value, files: Vec<File>) -> Result<Form, CallError> {
    let mut form = Form::new().text("payload_json", body.to_string());
    for (number, file) in files.into_iter().enumerate() {
        let (part, media_type) = match file.content {
            Content::Text(text) => (Part::text(text), Some("text/plain; charset=utf-8".to_owned())),
            Content::Stored { path, size, media_type } => {
                let opened = tokio::fs::File::open(&path).await;
                let opened = opened.map_err(|error| CallError::NotSent(format!("a file cannot be read: {error}")))?;
                (Part::stream_with_length(Body::from(opened), size), media_type)
            }
        };
        let part = part
            .file_name(file.name)
            .mime_str(media_type.as_deref().unwrap_or("application/octet-stream"))
            .map_err(|error| CallError::NotSent(error.without_url().to_string()))?;
        form = form.part(format!("files[{number}]"), part);
    }
    Ok(form)
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn is_loopback(base: &str) -> bool {
    url::Url::parse(base).is_ok_and(|base| match base.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}
