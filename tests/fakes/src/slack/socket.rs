//! A websocket of Socket Mode.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{
        Query, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, interval_at},
};

use crate::slack::{state::APP, workspace::Workspace};

/// What a socket is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    Text(String),
    /// Says that the socket will be closed, for this reason.
    Refresh(&'static str),
    Close,
    /// Breaks the connection without a word.
    Break,
    /// Leaves the connection open, and neither reads nor writes any more.
    Silence,
    /// Answers when the client has answered a ping.
    Probe(oneshot::Sender<()>),
}

/// `GET /link/?ticket=…`, the address that `apps.connections.open` gave out.
pub(crate) async fn accept(
    State(workspace): State<Arc<Workspace>>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !query.get("ticket").is_some_and(|ticket| workspace.link.take_ticket(ticket)) {
        workspace.wire.complain("a websocket with a ticket that is used, old or unknown");
        return (StatusCode::FORBIDDEN, "invalid_ticket").into_response();
    }
    upgrade.on_upgrade(move |socket| run(workspace, socket))
}

async fn run(workspace: Arc<Workspace>, mut socket: WebSocket) {
    let (sender, orders) = mpsc::unbounded_channel();
    let Some((id, count)) = workspace.link.join(sender) else {
        workspace.wire.complain("more than ten websockets at a time");
        send(&mut socket, &disconnect("too_many_websockets")).await;
        return;
    };
    let hello = json!({
        "type": "hello",
        "num_connections": count,
        "debug_info": { "host": "applink-fake", "build_number": 1, "approximate_connection_time": 18_060 },
        "connection_info": { "app_id": APP },
    });
    if send(&mut socket, &hello).await {
        workspace.wire.changed();
        tokio::select! {
            () = workspace.stop.cancelled() => {}
            () = converse(&workspace, &mut socket, orders) => {}
        }
    }
    drop(socket);
    workspace.leave(id);
}

/// Until the connection is over, on either side.
async fn converse(workspace: &Arc<Workspace>, socket: &mut WebSocket, mut orders: mpsc::UnboundedReceiver<Order>) {
    let every = workspace.options.ping_every;
    let mut pings = interval_at(Instant::now() + every, every);
    let mut probes: Vec<oneshot::Sender<()>> = Vec::new();
    let mut unanswered = 0;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Text(text)) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Some(Order::Refresh(reason)) => {
                    if !send(socket, &disconnect(reason)).await {
                        return;
                    }
                }
                Some(Order::Close) => {
                    let frame = CloseFrame { code: 1000, reason: "".into() };
                    drop(socket.send(Message::Close(Some(frame))).await);
                    return;
                }
                Some(Order::Break) | None => return,
                Some(Order::Silence) => {
                    // Orders are still taken, so that a silent connection can be broken later.
                    while let Some(order) = orders.recv().await {
                        if matches!(order, Order::Break | Order::Close) {
                            return;
                        }
                    }
                    return;
                }
                Some(Order::Probe(answer)) => {
                    probes.push(answer);
                    if socket.send(Message::Ping(Bytes::from_static(b"probe"))).await.is_err() {
                        return;
                    }
                }
            },
            _ = pings.tick() => {
                unanswered += 1;
                if unanswered > 3 || socket.send(Message::Ping(Bytes::from_static(b"Ping from applink-fake"))).await.is_err() {
                    return;
                }
            }
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => read(workspace, text.as_str()),
                Some(Ok(Message::Pong(_))) => {
                    unanswered = 0;
                    for probe in probes.drain(..) {
                        let _ = probe.send(());
                    }
                }
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Binary(_))) => workspace.wire.complain("a binary frame on a websocket"),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
}

/// Reads an acknowledgement.
fn read(workspace: &Arc<Workspace>, text: &str) {
    let Ok(Value::Object(mut frame)) = serde_json::from_str(text) else {
        workspace.wire.complain("a frame on a websocket that is no JSON object");
        return;
    };
    match frame.get("envelope_id").and_then(Value::as_str).map(str::to_owned) {
        Some(id) => {
            let answer = frame.remove("payload").filter(|answer| !is_empty(answer));
            workspace.acknowledge(&id, answer);
        }
        None => workspace.wire.complain("a frame on a websocket without an `envelope_id`"),
    }
}

fn is_empty(answer: &Value) -> bool {
    match answer {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}

fn disconnect(reason: &str) -> Value {
    json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "applink-fake" } })
}

async fn send(socket: &mut WebSocket, frame: &Value) -> bool {
    socket.send(Message::Text(frame.to_string().into())).await.is_ok()
}
