//! A webhook: Telegram sends each update, and sends it again until it is confirmed.

use std::{convert::Infallible, io::ErrorKind, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode},
};
use kanban_platform::PlatformError;
use serde_json::Value;
use teloxide::{
    payloads::{GetWebhookInfo, SetWebhook},
    types::AllowedUpdate,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    api::{Fault, Refusal},
    fault::startup,
    held::Held,
    intake::{Hold, Intake},
    options::Webhook,
};

/// The header that shows that Telegram sends (setWebhook, `secret_token`), as HTTP writes it in small letters.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// The largest update by far: a message has 4096 characters and a hundred entities.
const BODY_LIMIT: usize = 1 << 20;

/// How long an update may take to come in, and to be kept.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
const KEPT_DEADLINE: Duration = Duration::from_secs(25);

/// How many updates Telegram sends at once, each of another chat.
const CONNECTIONS: u8 = 20;

/// How many are kept in one transaction.
const BATCH: usize = 100;

/// How often it is looked whether the webhook is still ours.
const LOOK: Duration = Duration::from_secs(60);

/// How long to wait when the board cannot keep what is held.
const RETRY: Duration = Duration::from_secs(1);

/// An update, with the one who waits to confirm it.
struct Delivery {
    update: Value,
    is_kept: oneshot::Sender<bool>,
}

struct Door {
    platform: String,
    secret: String,
    deliveries: mpsc::Sender<Delivery>,
}

/// Listens and takes updates for as long as nobody must mend anything.
pub(crate) async fn listen(intake: &Intake, webhook: &Webhook) -> Result<Infallible, PlatformError> {
    let listener = bind(intake, webhook).await?;
    let (deliveries, arriving) = mpsc::channel(BATCH);
    let platform = intake.platform().to_owned();
    let door = Arc::new(Door { platform, secret: webhook.secret.clone(), deliveries });
    // Whatever the path is: something in front of us may have changed it.
    let router = Router::new().fallback(receive).with_state(door);
    let stop = CancellationToken::new();
    // Connections outlive the server's future; this closes them.
    let _stopped = stop.clone().drop_guard();
    let url = public(webhook, &listener)?;
    let serve = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).into_future();
    let take = async {
        set(intake, webhook, &url).await?;
        watch(intake, &url).await
    };
    tokio::select! {
        served = serve => Err(PlatformError::Broken(match served {
            Ok(()) => "the webhook's listener ended".to_owned(),
            Err(error) => format!("the webhook's listener failed: {error}"),
        })),
        taken = take_in(intake, arriving) => taken,
        watched = take => watched,
    }
}

async fn bind(intake: &Intake, webhook: &Webhook) -> Result<TcpListener, PlatformError> {
    let platform = intake.platform();
    match TcpListener::bind(webhook.listen).await {
        Ok(listener) => Ok(listener),
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::AddrNotAvailable) => {
            Err(PlatformError::Misconfigured(format!(
                "`listen` in [platforms.{platform}] cannot be listened on: {}: {error}",
                webhook.listen
            )))
        }
        Err(error) => Err(PlatformError::Broken(format!("{} cannot be listened on: {error}", webhook.listen))),
    }
}

/// The address for Telegram, with the port that was bound where it names none.
fn public(webhook: &Webhook, listener: &TcpListener) -> Result<Url, PlatformError> {
    let bound = listener.local_addr().map_err(|error| PlatformError::Broken(error.to_string()))?;
    let mut url = webhook.url.clone();
    if url.port() == Some(0) {
        url.set_port(Some(bound.port()))
            .map_err(|()| PlatformError::Misconfigured("`webhook_url` cannot have a port".to_owned()))?;
    }
    tracing::info!(address = %bound, "listening for updates from Telegram");
    Ok(url)
}

async fn set(intake: &Intake, webhook: &Webhook, url: &Url) -> Result<(), PlatformError> {
    let mut request = SetWebhook::new(url.clone());
    request.secret_token = Some(webhook.secret.clone());
    request.allowed_updates = Some(vec![AllowedUpdate::Message, AllowedUpdate::CallbackQuery]);
    request.max_connections = Some(CONNECTIONS);
    match intake.api.call(&request).await {
        Ok(_) => Ok(()),
        Err(Fault::No(Refusal { code: 400, description, .. })) => Err(PlatformError::Misconfigured(format!(
            "Telegram does not take `webhook_url` in [platforms.{}]: {description}",
            intake.platform()
        ))),
        Err(fault) => Err(startup(intake.platform(), &fault)),
    }
}

/// Notices when another program takes the webhook away, and tells what Telegram complains about.
async fn watch(intake: &Intake, url: &Url) -> Result<Infallible, PlatformError> {
    let mut told = None;
    loop {
        sleep(LOOK).await;
        let info = match intake.api.call(&GetWebhookInfo::new()).await {
            Ok(info) => info,
            Err(fault @ Fault::No(Refusal { code: 401 | 404, .. })) => return Err(startup(intake.platform(), &fault)),
            Err(fault) => {
                tracing::debug!(%fault, "the state of the webhook cannot be read");
                continue;
            }
        };
        if info.get("url").and_then(Value::as_str) != Some(url.as_str()) {
            return Err(PlatformError::Broken("another program took the bot's webhook".to_owned()));
        }
        let last = info.get("last_error_date").and_then(Value::as_i64);
        if last.is_some() && last != told {
            let error = info.get("last_error_message").and_then(Value::as_str).unwrap_or_default();
            tracing::warn!(platform = intake.platform(), error, "Telegram could not deliver an update");
            told = last;
        }
    }
}

/// Keeps what arrives, many at once where many wait.
async fn take_in(intake: &Intake, mut arriving: mpsc::Receiver<Delivery>) -> Result<Infallible, PlatformError> {
    let broken = |error: kanban_platform::NotKept| PlatformError::Broken(error.to_string());
    let mut held = Held::load(intake).await.map_err(broken)?;
    let mut hold = held.hold();
    loop {
        let mut deliveries = Vec::new();
        let until = hold.as_ref().map_or_else(Instant::now, Hold::until);
        tokio::select! {
            count = arriving.recv_many(&mut deliveries, BATCH) => if count == 0 {
                return Err(PlatformError::Broken("the webhook's listener ended".to_owned()));
            },
            () = sleep_until(until), if hold.is_some() => {}
        }
        let (updates, waiting): (Vec<_>, Vec<_>) =
            deliveries.into_iter().map(|delivery| (delivery.update, delivery.is_kept)).unzip();
        let kept = held.take(intake, updates, Hold::given_up(hold)).await;
        let is_kept = kept.is_ok();
        match kept {
            Ok(newest) => hold = Hold::after(hold, newest),
            Err(error) => tracing::warn!(platform = intake.platform(), %error, "updates cannot be kept"),
        }
        for one in waiting {
            // Nobody waits any more where Telegram hung up; it sends again.
            let _ = one.send(is_kept);
        }
        if !is_kept {
            sleep(RETRY).await;
        }
    }
}

async fn receive(State(door): State<Arc<Door>>, request: Request) -> StatusCode {
    if !is_from_telegram(request.headers(), &door.secret) {
        return StatusCode::UNAUTHORIZED;
    }
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    let update = match timeout(BODY_DEADLINE, read(request.into_body())).await {
        Ok(Ok(update)) => update,
        Ok(Err(status)) => return status,
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    let (is_kept, kept) = oneshot::channel();
    let hand_over = async {
        door.deliveries.send(Delivery { update, is_kept }).await.ok()?;
        kept.await.ok()
    };
    match timeout(KEPT_DEADLINE, hand_over).await {
        Ok(Some(true)) => StatusCode::OK,
        Ok(Some(false) | None) => StatusCode::INTERNAL_SERVER_ERROR,
        Err(_) => {
            tracing::warn!(platform = %door.platform, "an update was not kept in time");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn read(body: Body) -> Result<Value, StatusCode> {
    let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    serde_json::from_slice(&bytes).map_err(|_| StatusCode::BAD_REQUEST)
}

/// Compares all of the secret whatever the first difference is, so that the time tells nothing of it.
fn is_from_telegram(headers: &HeaderMap, secret: &str) -> bool {
    let Some(given) = headers.get(SECRET_HEADER) else { return false };
    let (given, secret) = (given.as_bytes(), secret.as_bytes());
    let differences = given.iter().zip(secret).fold(0, |differences, (given, secret)| differences | (given ^ secret));
    given.len() == secret.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::{SECRET_HEADER, is_from_telegram};
    use axum::http::HeaderMap;

    #[test]
    fn only_the_whole_secret_opens() {
        let given = |secret: &str| HeaderMap::from_iter([(SECRET_HEADER.parse().unwrap(), secret.parse().unwrap())]);
        assert!(is_from_telegram(&given("s3cret"), "s3cret"));
        for wrong in ["", "s3cre", "s3cret1", "S3cret"] {
            assert!(!is_from_telegram(&given(wrong), "s3cret"), "{wrong}");
        }
        assert!(!is_from_telegram(&HeaderMap::new(), "s3cret"));
    }
}
