//! HTTP mode: Slack calls us, and signs what it says. Events, commands, presses, forms and proposals may all come on one
//! path.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Json, Response},
};
use kanban_platform::PlatformError;
use serde_json::Value;
use slack_morphism::{SlackSigningSecret, signature_verifier::SlackEventSignatureVerifier};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{intake::Intake, payload::Payload};

/// Slack's own payloads stay far below it.
const BODY_LIMIT: usize = 1024 * 1024;

/// How long calls that are under way may go on after a shutdown.
const GRACE: Duration = Duration::from_secs(3);

struct Door {
    intake: Arc<Intake>,
    verifier: SlackEventSignatureVerifier,
}

/// Listens until `stop` is cancelled.
pub(crate) async fn run(
    listen: SocketAddr,
    signing_secret: &str,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> Result<(), PlatformError> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| PlatformError::Broken(format!("`listen = \"{listen}\"` cannot be listened on: {error}")))?;
    let verifier = SlackEventSignatureVerifier::new(&SlackSigningSecret(signing_secret.trim().to_owned()));
    let door = Arc::new(Door { intake, verifier });
    let router = Router::new().fallback(called).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(door);
    let stopped = stop.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { stopped.cancelled().await });
    let past_grace = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| PlatformError::Broken(format!("listening ended: {error}"))),
        () = past_grace => Ok(()),
    }
}

async fn called(State(door): State<Arc<Door>>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    if method != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let Ok(body) = std::str::from_utf8(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // In constant time, and not older than 5 minutes.
    let is_signed = door.verifier.verify(
        header(SlackEventSignatureVerifier::SLACK_SIGNED_HASH_HEADER),
        body,
        header(SlackEventSignatureVerifier::SLACK_SIGNED_TIMESTAMP),
    );
    if is_signed.is_err() {
        tracing::warn!("a call without Slack's signature was turned away");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let payload = if header(header::CONTENT_TYPE.as_str()).starts_with("application/json") {
        match serde_json::from_str::<Value>(body) {
            Ok(event) => match event["type"].as_str() {
                Some("url_verification") => {
                    return event["challenge"].as_str().unwrap_or_default().to_owned().into_response();
                }
                Some("event_callback") => serde_json::from_value(event).map(Payload::Event),
                Some("app_rate_limited") => {
                    tracing::warn!("Slack keeps events back: there were too many in an hour");
                    return StatusCode::OK.into_response();
                }
                Some(_) | None => return StatusCode::OK.into_response(),
            },
            Err(error) => Err(error),
        }
    } else {
        Payload::of_form(body)
    };
    let payload = match payload {
        Ok(payload) => payload,
        Err(error) => {
            // It will not be any better when it is sent again.
            tracing::warn!(line = error.line(), column = error.column(), "a call of Slack's cannot be read");
            return StatusCode::OK.into_response();
        }
    };
    match door.intake.take(payload).await {
        Ok(Some(answer)) => Json(answer).into_response(),
        Ok(None) => StatusCode::OK.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
