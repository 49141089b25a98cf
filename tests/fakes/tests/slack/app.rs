//! A small app: it calls methods, holds a websocket, and acknowledges what comes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use kanban_fakes::slack::SlackServer;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

const PATIENCE: Duration = Duration::from_secs(20);

/// Calls a method with JSON, as the bot.
pub(crate) async fn call(slack: &SlackServer, method: &str, arguments: Value) -> Value {
    call_as(slack, slack.bot_token(), method, arguments).await
}

pub(crate) async fn call_as(slack: &SlackServer, token: &str, method: &str, arguments: Value) -> Value {
    let response = reqwest::Client::new()
        .post(format!("{}/{method}", slack.api_base()))
        .bearer_auth(token)
        .json(&arguments)
        .send()
        .await
        .expect("the server answers");
    response.json().await.expect("the answer is JSON")
}

/// The error of a refused call.
pub(crate) async fn error(slack: &SlackServer, method: &str, arguments: Value) -> String {
    let answer = call(slack, method, arguments).await;
    assert_eq!(answer["ok"], false, "{answer}");
    answer["error"].as_str().expect("a refusal names its error").to_owned()
}

/// Sends JSON to an address, and answers status and text.
pub(crate) async fn post(url: &str, body: &Value) -> (u16, String) {
    let response = reqwest::Client::new().post(url).json(body).send().await.expect("the server answers");
    let status = response.status().as_u16();
    (status, response.text().await.expect("the answer is text"))
}

pub(crate) async fn open_url(slack: &SlackServer) -> String {
    let answer = call_as(slack, slack.app_token(), "apps.connections.open", json!({})).await;
    answer["url"].as_str().expect("a connection has an address").to_owned()
}

/// What an app does with an envelope.
type Answers = Arc<dyn Fn(&Value) -> Option<Value> + Send + Sync>;

/// An app on one websocket.
pub(crate) struct App {
    received: Arc<Mutex<Vec<Value>>>,
    changes: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl App {
    /// Acknowledges everything.
    pub(crate) async fn start(slack: &SlackServer) -> Self {
        Self::answering(slack, |_| Some(Value::Null)).await
    }

    /// Acknowledges with the payload that `answer` makes for an envelope; null for none. Without an answer it does not
    /// acknowledge.
    pub(crate) async fn answering(
        slack: &SlackServer,
        answer: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        let (mut socket, _) = connect_async(open_url(slack).await).await.expect("the ticket is good");
        let hello = next(&mut socket).await.expect("the server says hello");
        assert_eq!(hello["type"], "hello");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (count, changes) = watch::channel(0);
        let kept = Arc::clone(&received);
        let answer: Answers = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Some(frame) = next(&mut socket).await {
                let payload = answer(&frame);
                kept.lock().expect("nobody panics with the lock").push(frame.clone());
                count.send_modify(|count| *count += 1);
                if let (Some(payload), Some(id)) = (payload, frame["envelope_id"].as_str()) {
                    let mut acknowledgement = json!({ "envelope_id": id });
                    if !payload.is_null() {
                        acknowledgement["payload"] = payload;
                    }
                    if socket.send(Message::text(acknowledgement.to_string())).await.is_err() {
                        break;
                    }
                }
            }
            count.send_modify(|count| *count += 1_000_000);
        });
        Self { received, changes, task }
    }

    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.lock().expect("nobody panics with the lock").clone()
    }

    /// Waits until so many frames came in all.
    pub(crate) async fn wait_for(&mut self, count: usize) -> Vec<Value> {
        let waited = timeout(PATIENCE, self.changes.wait_for(|now| *now >= count)).await.is_ok();
        assert!(waited, "waited for {count} frames; there were {:#?}", self.received());
        self.received()
    }

    /// Waits until the websocket is closed.
    pub(crate) async fn closed(&mut self) {
        let waited = timeout(PATIENCE, self.changes.wait_for(|now| *now >= 1_000_000)).await;
        assert!(waited.is_ok(), "waited for the end of the websocket");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The next frame of text. None when the websocket is over.
pub(crate) async fn next(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<Value> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return serde_json::from_str(text.as_str()).ok(),
            Message::Close(_) => return None,
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
    }
}
