//! The HTTP side: paths, troubles, answers, and the record of it all.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::Response,
    routing::{any, get},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    account::Account,
    description::Description,
    method::Method,
    parameters::{Parameters, integer},
    refusal::{Refusal, whole_seconds},
    socket::Line,
};
use crate::wire::{Call, Trouble};

/// The largest request, beyond the largest file.
const LARGEST: usize = 60 * 1024 * 1024;

/// What the machine before the real server says when that is away.
const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                           Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n</body>\r\n</html>\r\n";

pub(crate) fn router(account: Arc<Account>) -> Router {
    Router::new()
        .route("/{bot}/{method}", any(call))
        .route("/file/{bot}/{*path}", get(file))
        .fallback(async || refused(&Refusal::not_found()))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(account)
}

/// One call that is being answered.
struct Arrival {
    at: Instant,
    method: Method,
    channel: Option<String>,
    parameters: Parameters,
    trouble: Option<Trouble>,
    is_early: bool,
}

async fn call(
    State(account): State<Arc<Account>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path((bot, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let at = Instant::now();
    // A body that is left unread, be it the end mark of a form in parts, costs the client its connection.
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return refused(&Refusal::too_large());
    };
    let Some(token) = bot.strip_prefix("bot") else { return refused(&Refusal::not_found()) };
    if token != account.token {
        account.wire.complain(format!("{name}: the token is wrong"));
        return refused(&Refusal::unauthorized());
    }
    let Some(method) = Method::named(&name) else {
        account.wire.complain(format!("{name}: there is no such method, or this server does not speak it"));
        return refused(&Refusal::no_such_method());
    };
    let parameters = match Parameters::read(Request::from_parts(parts, Body::from(body))).await {
        Ok(parameters) => parameters,
        Err(refusal) => {
            account.wire.complain(format!("{name}: the body cannot be read"));
            return refused(&refusal);
        }
    };
    let channel = parameters.get("chat_id").and_then(integer).map(|id| id.to_string());
    answer(&account, &line, account.arrive(at, method, channel, parameters)).await
}

async fn file(State(account): State<Arc<Account>>, Path((bot, path)): Path<(String, String)>) -> Response {
    if bot.strip_prefix("bot") != Some(&account.token) {
        return refused(&Refusal::unauthorized());
    }
    match account.file(&path) {
        Some(content) => response(200, "application/octet-stream", content),
        None => refused(&Refusal::not_found()),
    }
}

/// Does the call or does not, as its trouble says, and answers.
async fn answer(account: &Arc<Account>, line: &Line, arrival: Arrival) -> Response {
    if let Some(Trouble::Break) = arrival.trouble {
        account.record(arrival, 0);
        return broken(line);
    }
    let outcome = match account.refusal_before(&arrival) {
        Some(refusal) => Err(refusal),
        None => account.perform(arrival.method, &arrival.parameters).await,
    };
    let trouble = arrival.trouble;
    let status = match (&outcome, trouble) {
        (_, Some(Trouble::LoseAnswer)) => 0,
        (Ok(_), Some(Trouble::ServerErrorAfter)) => 502,
        (Ok(_), _) => 200,
        (Err(refusal), _) => refusal.code,
    };
    // Who is held must be waiting before a test can see the call and let it go.
    let released = account.wire.released();
    tokio::pin!(released);
    let _ = futures_util::poll!(&mut released);
    account.record(arrival, status);
    match trouble {
        Some(Trouble::LoseAnswer) => return broken(line),
        Some(Trouble::Delay(wait)) => tokio::time::sleep(wait).await,
        Some(Trouble::Hold) => released.await,
        Some(Trouble::ServerErrorAfter) if outcome.is_ok() => {
            return response(502, "text/html", BAD_GATEWAY);
        }
        Some(
            Trouble::Refuse
            | Trouble::Gone
            | Trouble::TooMany(_)
            | Trouble::ServerError
            | Trouble::ServerErrorAfter
            | Trouble::Break,
        )
        | None => {}
    }
    match outcome {
        Ok(result) => response(200, "application/json", format!("{{\"ok\":true,\"result\":{result}}}")),
        Err(refusal) => refused(&refusal),
    }
}

impl Account {
    /// A call that a webhook's answer carries.
    pub(crate) fn perform_unheard(
        self: &Arc<Self>,
        at: Instant,
        name: &str,
        channel: Option<String>,
        parameters: Parameters,
    ) {
        let Some(method) = Method::named(name) else {
            self.wire.complain(format!("a webhook's answer calls `{name}`, which is no method"));
            return;
        };
        let arrival = self.arrive(at, method, channel, parameters);
        let outcome = match self.refusal_before(&arrival) {
            Some(refusal) => Err(refusal),
            None => self.perform_at_once(method, &arrival.parameters),
        };
        let status = outcome.as_ref().map_or_else(|refusal| refusal.code, |_| 200);
        if status != 200 {
            self.wire.complain(format!("a webhook's answer called {name} in vain, and never learns of it"));
        }
        self.record(arrival, status);
    }

    /// Checks the body, and finds what goes wrong with the call.
    fn arrive(&self, at: Instant, method: Method, channel: Option<String>, parameters: Parameters) -> Arrival {
        if let Some(description) = Description::published() {
            let wrong = description.check_call(method.name(), &parameters);
            wrong.into_iter().for_each(|wrong| self.wire.complain(wrong));
        }
        let bucket = bucket(method, channel.as_deref());
        let is_early = self.wire.is_early(&bucket);
        let trouble = self.wire.meet(method.name(), channel.as_deref(), method.is_post());
        Arrival { at, method, channel, parameters, trouble, is_early }
    }

    /// The answer to a call that is not done: for its trouble, or because it comes too early or too often.
    fn refusal_before(&self, arrival: &Arrival) -> Option<Refusal> {
        match arrival.trouble {
            Some(Trouble::Refuse) => return Some(arrival.method.refusal()),
            Some(Trouble::Gone) => {
                let state = self.state();
                let chat =
                    arrival.channel.as_ref().and_then(|id| id.parse().ok()).and_then(|id: i64| state.chats.get(&id));
                return Some(chat.map_or_else(Refusal::chat_not_found, super::chat::Chat::gone));
            }
            Some(Trouble::TooMany(wait)) => return Some(self.close(arrival, wait)),
            Some(Trouble::ServerError) => return Some(Refusal::internal()),
            Some(
                Trouble::ServerErrorAfter | Trouble::Break | Trouble::LoseAnswer | Trouble::Delay(_) | Trouble::Hold,
            )
            | None => {}
        }
        let bucket = bucket(arrival.method, arrival.channel.as_deref());
        let now = Instant::now();
        let mut state = self.state();
        if let Some(left) = state.closed.get(&bucket).and_then(|until| until.checked_duration_since(now))
            && !left.is_zero()
        {
            return Some(Refusal::too_many(left));
        }
        if !arrival.method.is_post() {
            return None;
        }
        let chat: i64 = arrival.channel.as_ref()?.parse().ok()?;
        let wait = state.flood.as_mut()?.take(chat, chat < 0, now)?;
        drop(state);
        Some(self.close(arrival, wait))
    }

    /// Closes the bucket of a call, and answers what says so.
    fn close(&self, arrival: &Arrival, wait: Duration) -> Refusal {
        let wait = Duration::from_secs(whole_seconds(wait));
        let bucket = bucket(arrival.method, arrival.channel.as_deref());
        self.wire.close(&bucket, wait);
        self.state().closed.insert(bucket, Instant::now() + wait);
        Refusal::too_many(wait)
    }

    fn record(&self, arrival: Arrival, status: u16) {
        let Arrival { at, method, channel, parameters, trouble, is_early } = arrival;
        let body = Value::Object(parameters.fields);
        self.wire.record(Call { at, route: method.name().to_owned(), channel, body, status, trouble, is_early });
    }
}

/// What a 429 closes: one method for one chat.
fn bucket(method: Method, channel: Option<&str>) -> String {
    format!("{}:{}", method.name(), channel.unwrap_or_default())
}

/// Ends the connection before anything of an answer is out.
fn broken(line: &Line) -> Response {
    line.cut();
    response(502, "text/plain", "")
}

fn refused(refusal: &Refusal) -> Response {
    response(refusal.code, "application/json", refusal.body().to_string())
}

fn response(status: u16, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(kind));
    response
}
