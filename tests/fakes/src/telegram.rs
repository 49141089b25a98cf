//! Telegram: the Bot API, by `getUpdates` and by webhook.

mod account;
mod actions;
mod autolink;
mod chat;
mod chats;
mod description;
mod door;
mod editing;
mod entity;
mod faults;
mod flood;
mod html;
mod http;
mod keyboard;
mod menu;
mod message;
mod method;
mod parameters;
mod people;
mod polling;
mod press;
mod queue;
mod reader;
mod refusal;
mod sending;
mod socket;
mod typed;
mod webhook;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use kanban_platform::{Spec, Thread};
use tokio::{net::TcpListener, task::JoinHandle};

use self::{
    account::Account,
    actions::Place,
    chat::Kind,
    menu::Scope,
    socket::{Breakable, Line},
};
use crate::server::{Seen, Server};

/// A Bot API server on a loopback socket, with people, chats and faults.
///
/// ```
/// # use kanban_fakes::{Server, telegram::TelegramServer};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let telegram = TelegramServer::start().await;
/// let ops = telegram.channel("ops");
/// telegram.says("anna", &ops, "/kanban list").await;
///
/// let call = |method: &str| format!("{}/bot{}/{method}", telegram.api_base(), telegram.token());
/// let http = reqwest::Client::new();
/// let updates = http.post(call("getUpdates")).send().await.unwrap().text().await.unwrap();
/// assert!(updates.contains("/kanban list"));
///
/// let answer = serde_json::json!({"chat_id": ops.channel, "text": "nothing to do"});
/// http.post(call("sendMessage")).json(&answer).send().await.unwrap();
/// assert_eq!(telegram.seen(&ops)[1].text, "nothing to do");
/// # });
/// ```
///
/// Where the real server differs: it takes webhooks at `https` addresses alone, and it finds more kinds of links in a text
/// than mentions, commands, tags and addresses with their scheme. `parse_mode` is read for HTML alone.
pub struct TelegramServer {
    name: String,
    api_base: String,
    account: Arc<Account>,
    declaration: Mutex<Option<Spec>>,
    tasks: [JoinHandle<()>; 2],
}

impl TelegramServer {
    /// A server for the platform `telegram`.
    ///
    /// # Panics
    /// When there is no loopback interface.
    pub async fn start() -> Arc<Self> {
        Self::named("telegram").await
    }

    /// A server for one of several accounts: `telegram.second`.
    ///
    /// # Panics
    /// When there is no loopback interface.
    pub async fn named(name: &str) -> Arc<Self> {
        let account = Arc::new(Account::new());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback interface is there");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let service = http::router(account.clone()).into_make_service_with_connect_info::<Line>();
        let serving = tokio::spawn(async move {
            // It never ends by itself.
            let _ = axum::serve(Breakable(listener), service).await;
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client needs nothing but memory");
        let delivering = tokio::spawn(account.clone().deliver(client));
        Arc::new(Self {
            name: name.to_owned(),
            api_base: format!("http://127.0.0.1:{port}"),
            account,
            declaration: Mutex::default(),
            tasks: [serving, delivering],
        })
    }

    /// The address before `/bot<token>/`.
    pub fn api_base(&self) -> &str {
        &self.api_base
    }

    pub fn token(&self) -> &str {
        &self.account.token
    }

    /// The bot's name, without `@`.
    pub fn bot(&self) -> String {
        self.account.state().people.bot_username().to_owned()
    }

    /// The table of settings for updates by webhook, which the gateway takes at this address.
    pub fn webhook_settings(&self, listen: SocketAddr, secret: &str) -> String {
        let plain = self.settings();
        format!(
            "{plain}mode = \"webhook\"\nlisten = \"{listen}\"\nwebhook_url = \"http://{listen}/telegram\"\n\
             webhook_secret = \"{secret}\"\n"
        )
    }

    /// The private chat of a person, who has started the bot.
    pub fn private(&self, name: &str) -> Thread {
        let chat = self.account.state().private(name);
        self.place(chat, None)
    }

    /// A group of the old kind, which can [`migrate`](Self::migrates).
    pub fn plain_group(&self, name: &str) -> Thread {
        let chat = self.account.state().group(name, Kind::Group);
        self.place(chat, None)
    }

    /// The name of a person behind `@`.
    pub fn username(&self, name: &str) -> String {
        self.account.state().people.username(name)
    }

    /// The language that a person's app is set to.
    pub fn speaks(&self, name: &str, language: &str) {
        self.account.state().people.set_language(name, language);
    }

    /// Tells which arguments of which verb are given by place, so that [`commands`](Server::commands) can type them.
    pub fn declare(&self, declaration: Spec) {
        *self.declaration.lock().unwrap_or_else(PoisonError::into_inner) = Some(declaration);
    }

    /// Many messages at once, each an update of its own. Answers the ids of the messages.
    pub fn floods(&self, name: &str, place: &Thread, texts: impl IntoIterator<Item = String>) -> Vec<String> {
        let place = Place::of(place);
        texts.into_iter().map(|text| self.account.write(name, place, &text, None).to_string()).collect()
    }

    /// A person sends a file with a caption. Answers the message's id.
    pub fn sends_file(&self, name: &str, place: &Thread, file: &str, content: &str, caption: &str) -> String {
        self.account.send_files(name, Place::of(place), &[(file, content.as_bytes())], caption).to_string()
    }

    /// The commands that are set for a scope (`default`, `all_private_chats`, `chat` with its place, ..) and a language,
    /// empty for all others: names and descriptions.
    pub fn menu(&self, scope: &str, language: &str, place: Option<&Thread>) -> Vec<(String, String)> {
        let chat = place.map(|place| Place::of(place).chat);
        let scope = Scope { kind: scope.to_owned(), chat, person: None };
        let state = self.account.state();
        let commands = state.menus.get(&(scope, language.to_owned())).into_iter().flatten();
        commands.map(|command| (command.name.clone(), command.description.clone())).collect()
    }

    /// The emoji with which the bot reacted to a message.
    pub fn reaction(&self, place: &Thread, message: &str) -> Option<String> {
        let state = self.account.state();
        let chat = state.chats.get(&Place::of(place).chat)?;
        chat.message(message.parse().ok()?)?.reaction.clone()
    }

    /// What answers to presses showed to a person, in no order; empty for those that showed nothing.
    pub fn toasts(&self, name: &str) -> Vec<String> {
        let mut state = self.account.state();
        let person = state.people.id(name);
        let presses = state.presses.values().filter(|press| press.person == person);
        presses.filter_map(|press| press.answer.clone()).collect()
    }

    /// How many updates are not confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.account.state().queue.waiting()
    }

    /// The id of the newest update.
    pub fn last_update(&self) -> Option<i64> {
        self.account.state().queue.last_id()
    }

    /// Waits until a place shows at least so many messages of the bot, and answers those.
    ///
    /// # Panics
    /// After 30 s.
    pub async fn waits_for(&self, place: &Thread, count: usize) -> Vec<Seen> {
        let ours = || self.seen(place).into_iter().filter(|seen| seen.is_ours).collect();
        let enough = |ours: Vec<Seen>| (ours.len() >= count).then_some(ours);
        self.account.wire.wait_until(&format!("{count} messages in {place}"), || enough(ours())).await
    }

    /// Texts of the bot that a person sees twice or more in one place, once for each time too many.
    pub fn doubled(&self) -> Vec<String> {
        self.account.state().chats.values().flat_map(reader::doubled).collect()
    }

    fn place(&self, chat: i64, topic: Option<i64>) -> Thread {
        Thread {
            platform: self.name.clone(),
            space: String::new(),
            channel: chat.to_string(),
            thread: topic.map(|topic| topic.to_string()),
        }
    }
}

impl Drop for TelegramServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
