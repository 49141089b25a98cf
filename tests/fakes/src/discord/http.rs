//! The HTTP API: from a request to its answer, past faults and limits.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{ConnectInfo, FromRequest, Multipart, Request, State as Extract, WebSocketUpgrade},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::poll;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    Core,
    account::TOKEN,
    calls,
    cut::Scissors,
    gateway::Connection,
    limits::{Allowance, MOST_INVALID, TooMany, bucket_name},
    message::File,
    messages::{Answer, Body},
    refusal::Refusal,
    route::Route,
};
use crate::wire::{Call, Trouble};

/// A request of more than this is not read (Reference, "Uploading Files").
const LARGEST: usize = 25 * 1024 * 1024;

/// Upgrades to the gateway's websocket.
pub(super) async fn gateway(
    Extract(core): Extract<Arc<Core>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| Connection::serve(core, socket, scissors))
}

/// A file of a message.
pub(super) async fn file(Extract(core): Extract<Arc<Core>>, path: axum::http::Uri) -> Response {
    let id = path.path().rsplit('/').nth(1).and_then(|id| id.parse::<u64>().ok());
    let (file, signature) = {
        let state = core.state();
        (id.and_then(|id| state.files.get(&id).cloned()), state.signature.to_string())
    };
    let signed = path.query().and_then(|query| query.strip_prefix("hm=")) == Some(signature.as_str());
    let trouble = core.wire.meet("GET /attachments", None, false);
    match file {
        _ if matches!(trouble, Some(Trouble::ServerError)) => StatusCode::BAD_GATEWAY.into_response(),
        _ if trouble.is_some() || !signed => StatusCode::NOT_FOUND.into_response(),
        Some(file) => ([(header::CONTENT_TYPE, file.kind)], file.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Answers a call of the API.
pub(super) async fn answer(
    Extract(core): Extract<Arc<Core>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let api = ["/api/v10", "/api/v9"].iter().find_map(|version| path.strip_prefix(version));
    let Some(route) = api.and_then(Route::parse) else {
        core.wire.complain(format!("{method} of a path that is not known: {}", without_token(&path)));
        return respond(&Refusal::not_found().body, 404, HeaderMap::new());
    };
    let authorization = request.headers().get(header::AUTHORIZATION).cloned();
    let body = match read(request).await {
        Ok(body) => body,
        Err(refusal) => {
            core.wire.complain(format!("{method} {}: a body that cannot be read", route.name()));
            return respond(&refusal.body, refusal.status, HeaderMap::new());
        }
    };
    let is_known = authorization.is_some_and(|given| given.as_bytes() == format!("Bot {TOKEN}").as_bytes());
    let exchange = Exchange {
        name: format!("{method} {}", route.name()),
        bucket: format!("{method} {}:{}", route.name(), route.resource()),
        channel: core.channel(&route),
        is_allowed: is_known || route.is_open(),
        core,
        method,
        route,
        body,
        is_early: false,
    };
    exchange.run(&scissors).await
}

/// What a 429 for all calls closes: every route but those of interactions.
const GLOBAL: &str = "every route";

/// One call under way.
struct Exchange {
    core: Arc<Core>,
    method: Method,
    route: Route,
    body: Body,
    name: String,
    bucket: String,
    channel: Option<String>,
    is_allowed: bool,
    is_early: bool,
}

impl Exchange {
    async fn run(mut self, scissors: &Scissors) -> Response {
        let is_closed_for_all = !self.route.is_of_interaction() && self.core.wire.is_early(GLOBAL);
        self.is_early = is_closed_for_all || self.core.wire.is_early(&self.bucket);
        let (allowance, too_many) = {
            let mut state = self.core.state();
            let taken = state.limits.take(&self.route, &self.bucket);
            if state.limits.invalid() >= MOST_INVALID {
                drop(state);
                self.core.wire.complain("10,000 invalid calls in ten minutes: the address is banned");
                return (StatusCode::TOO_MANY_REQUESTS, "error code: 1015").into_response();
            }
            taken
        };
        if let Some(too_many) = too_many {
            return self.too_many(&allowance, &too_many, None);
        }
        if !self.is_allowed {
            self.core.wire.complain(format!("{}: without the bot's token", self.name));
            return self.finish(&allowance, &Err(Refusal::unauthorized()), None);
        }
        // A body is held against the rules also where the call then meets a trouble.
        let mistakes = calls::mistakes(&self.method, &self.route, &self.body);
        for (place, message) in &mistakes {
            self.core.wire.complain(format!("{}: {place}: {message}", self.name));
        }
        let is_post = calls::is_post(&self.method, &self.route, &self.body);
        let trouble = self.core.wire.meet(&self.name, self.channel.as_deref(), is_post);
        match trouble {
            Some(Trouble::Break) => {
                self.record(0, trouble);
                scissors.cut();
                return StatusCode::OK.into_response();
            }
            Some(Trouble::TooMany(wait)) => {
                self.core.wire.close(&self.bucket, wait);
                let mut state = self.core.state();
                state.limits.close(&self.bucket, wait);
                drop(state);
                let too_many = TooMany { wait, scope: super::limits::Scope::Shared };
                return self.too_many(&Allowance { remaining: 0, reset_after: wait, ..allowance }, &too_many, trouble);
            }
            Some(Trouble::ServerError) => return self.finish(&allowance, &Err(Refusal::server_error()), trouble),
            Some(Trouble::Gone) => return self.finish(&allowance, &Err(self.gone()), trouble),
            Some(Trouble::Refuse) => {
                return self.finish(&allowance, &Err(Refusal::one("content", "refused on demand")), trouble);
            }
            Some(Trouble::ServerErrorAfter | Trouble::LoseAnswer | Trouble::Delay(_) | Trouble::Hold) | None => {}
        }
        let answer = if mistakes.is_empty() {
            calls::act(&self.core, &self.method, &self.route, &self.body)
        } else {
            Err(Refusal::form(&mistakes))
        };
        self.core.wire.changed();
        match trouble {
            Some(Trouble::ServerErrorAfter) => self.finish(&allowance, &Err(Refusal::server_error()), trouble),
            Some(Trouble::LoseAnswer) => {
                self.record(0, trouble);
                scissors.cut();
                StatusCode::OK.into_response()
            }
            Some(Trouble::Delay(wait)) => {
                let response = self.finish(&allowance, &answer, trouble);
                sleep(wait).await;
                response
            }
            Some(Trouble::Hold) => {
                // It listens for the release before the record shows that it is held.
                let mut released = pin!(self.core.wire.released());
                if poll!(&mut released).is_pending() {
                    let response = self.finish(&allowance, &answer, trouble);
                    released.await;
                    return response;
                }
                self.finish(&allowance, &answer, trouble)
            }
            Some(Trouble::Refuse | Trouble::Gone | Trouble::TooMany(_) | Trouble::ServerError | Trouble::Break)
            | None => self.finish(&allowance, &answer, trouble),
        }
    }

    /// How a channel that is gone shows on this route.
    fn gone(&self) -> Refusal {
        if self.route.is_of_interaction() { Refusal::unknown_webhook() } else { Refusal::unknown_channel() }
    }

    fn too_many(&self, allowance: &Allowance, too_many: &TooMany, trouble: Option<Trouble>) -> Response {
        let mut headers = self.headers(allowance);
        put(&mut headers, "retry-after", &too_many.wait.as_secs_f64().ceil().to_string());
        put(&mut headers, "x-ratelimit-scope", too_many.scope.name());
        if too_many.scope == super::limits::Scope::Global {
            put(&mut headers, "x-ratelimit-global", "true");
        }
        if too_many.scope != super::limits::Scope::Shared {
            let bucket = if too_many.scope == super::limits::Scope::Global { GLOBAL } else { &self.bucket };
            self.core.wire.close(bucket, too_many.wait);
            self.core.state().limits.count_invalid();
        }
        self.record(429, trouble);
        respond(&too_many.body(), 429, headers)
    }

    fn finish(&self, allowance: &Allowance, answer: &Answer, trouble: Option<Trouble>) -> Response {
        let (status, body) = match answer {
            Ok((status, body)) => (*status, body),
            Err(refusal) => (refusal.status, &refusal.body),
        };
        if matches!(status, 401 | 403) {
            self.core.state().limits.count_invalid();
        }
        if self.core.options.checks_itself && status < 300 {
            let wrong = super::description::check_answer(self.method.as_str(), self.route.published(), status, body);
            for (place, message) in wrong {
                self.core.wire.complain(format!("the server's own answer to {}: {place}: {message}", self.name));
            }
        }
        self.record(status, trouble);
        respond(body, status, self.headers(allowance))
    }

    fn record(&self, status: u16, trouble: Option<Trouble>) {
        self.core.wire.record(Call {
            at: Instant::now(),
            route: self.name.clone(),
            channel: self.channel.clone(),
            body: self.body.json.clone(),
            status,
            trouble,
            is_early: self.is_early,
        });
    }

    fn headers(&self, allowance: &Allowance) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let reset = Duration::from_millis(self.core.state().ids.now()) + allowance.reset_after;
        put(&mut headers, "x-ratelimit-limit", &allowance.limit.to_string());
        put(&mut headers, "x-ratelimit-remaining", &allowance.remaining.to_string());
        put(&mut headers, "x-ratelimit-reset", &format!("{:.3}", reset.as_secs_f64()));
        put(&mut headers, "x-ratelimit-reset-after", &format!("{:.3}", allowance.reset_after.as_secs_f64()));
        put(&mut headers, "x-ratelimit-bucket", &bucket_name(allowance.bucket.split(':').next().unwrap_or_default()));
        headers
    }
}

/// Reads the parameters and the body: JSON, or a form with files beside it.
async fn read(request: Request) -> Result<Body, Refusal> {
    let query = request.uri().query().map(pairs).unwrap_or_default();
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let invalid = || Refusal::new(400, 50109, "The request body contains invalid JSON.");
    if !kind.starts_with("multipart/form-data") {
        let bytes = axum::body::to_bytes(request.into_body(), LARGEST)
            .await
            .map_err(|_| Refusal::new(413, 40005, "Request entity too large"))?;
        let json =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).map_err(|_| invalid())? };
        return Ok(Body { json, query, files: Vec::new() });
    }
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|_| invalid())?;
    let mut body = Body { query, ..Body::default() };
    while let Some(field) = multipart.next_field().await.map_err(|_| invalid())? {
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let kind = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes: Bytes = field.bytes().await.map_err(|_| Refusal::new(413, 40005, "Request entity too large"))?;
        if name == "payload_json" {
            body.json = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        } else if let Some(file_name) = file_name {
            let number = name.trim_start_matches("files[").trim_end_matches(']').parse();
            let number = number.unwrap_or(u64::try_from(body.files.len()).unwrap_or_default());
            body.files.push((number, File { name: file_name, kind, bytes: bytes.to_vec() }));
        }
    }
    Ok(body)
}

fn respond(body: &Value, status: u16, headers: HeaderMap) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if body.is_null() {
        return (status, headers).into_response();
    }
    (status, headers, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn pairs(query: &str) -> HashMap<String, String> {
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A path as a complaint may show it.
fn without_token(path: &str) -> String {
    path.split('/').map(|step| if step.len() > 24 { "…" } else { step }).collect::<Vec<_>>().join("/")
}
