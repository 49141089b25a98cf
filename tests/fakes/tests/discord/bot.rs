//! A bot that speaks the protocol by hand, so that the server's rules can be tried one by one.

use std::{collections::VecDeque, time::Duration};

use futures_util::{SinkExt, StreamExt};
use kanban_fakes::discord::DiscordServer;
use reqwest::{Client, Method, Response, multipart::Form};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use kanban_fakes::Server;

const PATIENCE: Duration = Duration::from_secs(10);
/// Guilds, messages of guilds and direct ones.
pub(crate) const INTENTS: u64 = 1 | 1 << 9 | 1 << 12;
pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;

/// The HTTP side.
pub(crate) struct Rest {
    client: Client,
    base: String,
    pub(crate) token: String,
}

impl Rest {
    pub(crate) fn new(server: &DiscordServer) -> Self {
        let settings = server.settings();
        let token = settings.split('"').nth(1).expect("the settings hold a token").to_owned();
        Self { client: Client::new(), base: format!("{}/api/v10", server.api_base()), token }
    }

    pub(crate) async fn application(&self) -> String {
        let (_, application) = self.call(Method::GET, "/applications/@me", Value::Null).await;
        application["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Result<Response, reqwest::Error> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.header("authorization", format!("Bot {}", self.token)).timeout(PATIENCE);
        if body.is_null() { request.send().await } else { request.json(&body).send().await }
    }

    pub(crate) async fn upload(&self, path: &str, form: Form) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base)).timeout(PATIENCE);
        let request = request.header("authorization", format!("Bot {}", self.token));
        read(request.multipart(form).send().await.expect("an answer")).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        read(self.send(method, path, body).await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PATCH, path, body).await
    }

    /// Answers an interaction for the first time.
    pub(crate) async fn acknowledge(&self, interaction: &Value, body: Value) -> (u16, Value) {
        let (id, token) = (text(&interaction["id"]), text(&interaction["token"]));
        self.post(&format!("/interactions/{id}/{token}/callback"), body).await
    }

    /// Registers commands in place of all others.
    pub(crate) async fn register(&self, commands: Value) -> (u16, Value) {
        let path = format!("/applications/{}/commands", self.application().await);
        self.call(Method::PUT, &path, commands).await
    }
}

/// The gateway's side.
pub(crate) struct Gateway {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Events that nobody has asked for yet.
    pending: VecDeque<Value>,
    pub(crate) sequence: u64,
    pub(crate) session: String,
}

impl Gateway {
    /// Connects and hears HELLO.
    pub(crate) async fn open(server: &DiscordServer) -> Self {
        let (_, gateway) = Rest::new(server).get("/gateway").await;
        let url = format!("{}/?v=10&encoding=json", text(&gateway["url"]));
        let (socket, _) = connect_async(url).await.expect("a websocket");
        let mut gateway = Self { socket, pending: VecDeque::new(), sequence: 0, session: String::new() };
        let hello = gateway.next().await.expect("HELLO");
        assert_eq!(hello["op"], 10);
        gateway
    }

    /// Connects and identifies.
    pub(crate) async fn ready(server: &DiscordServer, intents: u64) -> Self {
        let mut gateway = Self::open(server).await;
        gateway.identify(&Rest::new(server).token, intents).await;
        let ready = gateway.event("READY").await;
        text(&ready["session_id"]).clone_into(&mut gateway.session);
        gateway.event("GUILD_CREATE").await;
        gateway
    }

    pub(crate) async fn identify(&mut self, token: &str, intents: u64) {
        let properties = json!({ "os": "linux", "browser": "test", "device": "test" });
        self.say(json!({ "op": 2, "d": { "token": token, "intents": intents, "properties": properties } })).await;
    }

    pub(crate) async fn resume(&mut self, token: &str, session: &str, sequence: u64) {
        self.say(json!({ "op": 6, "d": { "token": token, "session_id": session, "seq": sequence } })).await;
    }

    pub(crate) async fn say(&mut self, payload: Value) {
        self.socket.send(Message::Text(payload.to_string().into())).await.expect("the socket is open");
    }

    /// The next payload, or the code with which the connection ends: 1006 where it breaks.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the gateway speaks") {
                Some(Ok(Message::Text(text))) => {
                    let payload: Value = serde_json::from_str(text.as_str()).expect("JSON");
                    if let Some(sequence) = payload["s"].as_u64() {
                        assert_eq!(sequence, self.sequence + 1, "sequences have no gap");
                        self.sequence = sequence;
                    }
                    return Ok(payload);
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The data of the next event of a kind; others are kept for later.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        if let Some(at) = self.pending.iter().position(|payload| payload["t"] == name) {
            return self.pending.remove(at).expect("it was found")["d"].take();
        }
        loop {
            let mut payload = self.next().await.unwrap_or_else(|code| panic!("{code} instead of {name}"));
            if payload["t"] == name {
                return payload["d"].take();
            }
            self.pending.push_back(payload);
        }
    }

    /// The next payload with this opcode.
    pub(crate) async fn opcode(&mut self, opcode: u64) -> Value {
        loop {
            let payload = self.next().await.unwrap_or_else(|code| panic!("{code} instead of op {opcode}"));
            if payload["op"] == opcode {
                return payload;
            }
            self.pending.push_back(payload);
        }
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text and not {value}"))
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.bytes().await.expect("a whole body");
    (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).expect("JSON") })
}
