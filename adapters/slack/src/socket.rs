//! Socket mode: two websockets to Slack, each envelope acknowledged when it is kept.
//!
//! The address comes from the client, the reading is our own. The client's reader connects without a deadline, waits a
//! fixed time between attempts, acknowledges an envelope that it cannot read, and keeps a refused token to itself.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use kanban_platform::PlatformError;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use crate::{failure::Failure, intake::Intake, payload::Payload, web::Web};

/// Slack sends each envelope to one of an app's sockets. With two, one may be renewed or die, and nothing waits.
const SOCKETS: usize = 2;

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long writing a frame may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// How often we ask whether the other end lives. Slack asks us too, about every 10 s.
const PING_EVERY: Duration = Duration::from_secs(8);

/// After so long a silence a socket is dead, though nobody has closed it.
const SILENCE: Duration = Duration::from_secs(24);

/// How long a socket is still read that Slack is about to close.
const DRAIN: Duration = Duration::from_secs(10);

/// A socket that lived for so long was a good one: the next attempt is made at once.
const LIVED: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Receives until `stop` is cancelled, or until nothing can work before somebody mends the app.
pub(crate) async fn run(
    web: &Arc<Web>,
    app_token: &str,
    intake: &Arc<Intake>,
    stop: &CancellationToken,
) -> Result<(), PlatformError> {
    let mut lines = JoinSet::new();
    for _ in 0..SOCKETS {
        let line = Line {
            web: Arc::clone(web),
            app_token: app_token.to_owned(),
            intake: Arc::clone(intake),
            stop: stop.clone(),
        };
        lines.spawn(line.hold());
    }
    // The first line that ends, ends all of them.
    let ended = lines.join_next().await;
    lines.shutdown().await;
    match ended {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(PlatformError::Broken(format!("a socket's task ended: {error}"))),
        None => Ok(()),
    }
}

/// One of the sockets, renewed for ever.
struct Line {
    web: Arc<Web>,
    app_token: String,
    intake: Arc<Intake>,
    stop: CancellationToken,
}

/// A socket that is open.
struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames to be written: acknowledgements of what has been kept.
    acknowledged: mpsc::UnboundedReceiver<String>,
    acknowledge: mpsc::UnboundedSender<String>,
}

/// Why a socket is not read any more.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    /// Slack asks to go over to a new one.
    Refresh,
    /// Socket mode was switched off.
    Disabled,
    Broken(&'static str),
}

/// What Slack writes. What is no envelope has no id.
#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    envelope_id: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    accepts_response_payload: bool,
}

impl Line {
    async fn hold(self) -> Result<(), PlatformError> {
        let mut failures = 0;
        loop {
            let connected = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                connected = self.connect() => connected,
            };
            let pause = match connected {
                Ok(mut socket) => {
                    let began = Instant::now();
                    match socket.serve(&self.intake, &self.stop).await {
                        End::Stopped => return Ok(()),
                        End::Disabled => {
                            return Err(PlatformError::Misconfigured(
                                "Socket Mode is switched off: switch it on on the app's page `Socket Mode`, or set \
                                 `mode = \"http\"`"
                                    .to_owned(),
                            ));
                        }
                        End::Refresh => {
                            // The old one is read until Slack closes it, while the new one is already open.
                            let (intake, stop) = (Arc::clone(&self.intake), self.stop.clone());
                            self.intake.beside(async move {
                                // The end does not matter: there is a new one by then.
                                drop(timeout(DRAIN, socket.serve(&intake, &stop)).await);
                            });
                            failures = 0;
                            continue;
                        }
                        End::Broken(reason) => {
                            tracing::info!(reason, "a socket to Slack ended; another one is opened");
                            failures = if began.elapsed() >= LIVED { 0 } else { failures + 1 };
                            backoff(failures)
                        }
                    }
                }
                Err(failure) if failure.is_app() => return Err(refused(&failure)),
                Err(failure) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        tracing::warn!(reason = failure.reason(), failures, "no socket to Slack can be opened");
                    }
                    let pause = backoff(failures);
                    if let Failure::TooMany(wait) = failure { pause.max(wait) } else { pause }
                }
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn connect(&self) -> Result<Socket, Failure> {
        // The address is good once, and is a secret.
        let address = self.web.open_socket(&self.app_token).await?;
        match timeout(CONNECT_DEADLINE, connect_async(address)).await {
            Ok(Ok((stream, _))) => {
                let (acknowledge, acknowledged) = mpsc::unbounded_channel();
                Ok(Socket { stream, acknowledged, acknowledge })
            }
            Ok(Err(_)) => Err(Failure::Unknown("the websocket was not taken")),
            Err(_) => Err(Failure::Unknown("the websocket was not taken in time")),
        }
    }
}

impl Socket {
    async fn serve(&mut self, intake: &Arc<Intake>, stop: &CancellationToken) -> End {
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard_at = Instant::now();
        loop {
            let frame = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    // Slack sends what is not acknowledged again, to whoever connects next.
                    drop(timeout(Duration::from_secs(1), self.stream.close(None)).await);
                    return End::Stopped;
                }
                Some(acknowledgement) = self.acknowledged.recv() => Message::text(acknowledgement),
                heard = self.stream.next() => {
                    heard_at = Instant::now();
                    match heard {
                        Some(Ok(Message::Text(text))) => {
                            if let Some(end) = self.hear(intake, text.as_str()) {
                                return end;
                            }
                        }
                        Some(Ok(Message::Close(_))) | None => return End::Broken("Slack closed it"),
                        // A ping is answered by the websocket itself, with the next read or write.
                        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                        Some(Err(_)) => return End::Broken("the connection broke"),
                    }
                    continue;
                }
                _ = ping.tick() => {
                    if heard_at.elapsed() >= SILENCE {
                        return End::Broken("nothing was heard on it for too long");
                    }
                    Message::Ping(Vec::new().into())
                }
            };
            match timeout(WRITE_DEADLINE, self.stream.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return End::Broken("the connection broke"),
                Err(_) => return End::Broken("nothing could be written to it for too long"),
            }
        }
    }

    /// Takes one frame; answers why the socket ends, if it does.
    fn hear(&self, intake: &Arc<Intake>, text: &str) -> Option<End> {
        let Ok(frame) = serde_json::from_str::<Frame>(text) else {
            tracing::warn!("Slack wrote something that is no frame");
            return None;
        };
        let Some(envelope_id) = frame.envelope_id else {
            return match (frame.kind.as_str(), frame.reason.as_deref()) {
                ("disconnect", Some("link_disabled")) => Some(End::Disabled),
                ("disconnect", _) => Some(End::Refresh),
                _ => None,
            };
        };
        let taken = match Payload::of_envelope(&frame.kind, frame.payload) {
            Some(Ok(payload)) => intake.take(payload),
            read => {
                // It will not be any better when it is sent again.
                tracing::warn!(kind = frame.kind, is_known = read.is_some(), "an envelope cannot be read");
                drop(self.acknowledge.send(json!({"envelope_id": envelope_id}).to_string()));
                return None;
            }
        };
        let acknowledge = self.acknowledge.clone();
        intake.beside(async move {
            // What was not kept is not acknowledged. The keeper says why.
            if let Ok(answer) = taken.await {
                let mut acknowledgement = json!({"envelope_id": envelope_id});
                if let Some(answer) = answer.filter(|_| frame.accepts_response_payload) {
                    acknowledgement["payload"] = answer;
                }
                drop(acknowledge.send(acknowledgement.to_string()));
            }
        });
        None
    }
}

fn refused(failure: &Failure) -> PlatformError {
    PlatformError::Misconfigured(format!(
        "{}: make an app-level token (`xapp-…`) with the scope `connections:write` on the app's page `Basic \
         Information`, and see that Socket Mode is on",
        failure.reason()
    ))
}

/// Twice as long after each failure, and not at the same moment as everybody else.
fn backoff(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    let drawn = RandomState::new().build_hasher().finish() % 1_000;
    let share = u32::try_from(drawn).unwrap_or(0);
    longest / 2 + longest / 2 * share / 1_000
}

#[cfg(test)]
mod tests {
    use super::backoff;
    use std::time::Duration;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!((Duration::from_millis(250)..Duration::from_millis(500)).contains(&backoff(0)));
        assert!((Duration::from_secs(15)..=Duration::from_secs(30)).contains(&backoff(40)));
    }
}
