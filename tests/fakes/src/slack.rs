//! Slack: the Web API, Socket Mode, and signed requests over HTTP.

mod call;
mod chat;
mod clock;
mod command_line;
mod content;
mod conversation;
mod delivery;
mod door;
mod envelope;
mod event;
mod file;
mod files;
mod flood;
mod groups;
mod history;
mod interaction;
mod limits;
mod link;
mod message;
mod modal;
mod mrkdwn;
mod people;
mod random;
mod reader;
mod response_url;
mod road;
mod schema;
mod signed;
mod socket;
mod state;
mod trouble;
mod typed;
mod view;
mod web;
mod workspace;

use std::{sync::Arc, time::Duration};

use kanban_platform::Thread;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::slack::{
    reader::read_blocks,
    signed::SIGNING_SECRET,
    state::BOT_USER,
    web::{APP_TOKEN, BOT_TOKEN},
    workspace::Workspace,
};

pub use crate::slack::{
    flood::Flood, interaction::Failure, modal::Submitted, signed::Forgery, workspace::SlackOptions,
};

/// A Slack workspace with one app in it, on a loopback socket.
///
/// It takes what the Web API takes and refuses what it refuses, with the same errors. What the app is told goes over
/// Socket Mode, or signed to its address. Places are channels `C…`, and threads by the id of the message that they hang
/// on; that message itself is seen in the channel.
///
/// ```
/// # use kanban_fakes::{Server, slack::SlackServer};
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let slack = SlackServer::start().await;
/// let ops = slack.channel("ops");
/// // A gateway with the settings of `slack.settings()` connects here. Without one, a plain call will do:
/// let call = serde_json::json!({ "channel": ops.channel, "text": "*hello* &amp; <!channel>" });
/// let answer = reqwest::Client::new()
///     .post(format!("{}/chat.postMessage", slack.api_base()))
///     .bearer_auth(slack.bot_token())
///     .header("Content-Type", "application/json")
///     .body(call.to_string())
///     .send()
///     .await
///     .unwrap();
/// assert!(answer.text().await.unwrap().contains(r#""ok":true"#));
/// let seen = slack.seen(&ops);
/// assert_eq!(seen[0].text, "hello & @channel");
/// assert_eq!(seen[0].pings, ["channel"]);
/// # });
/// ```
pub struct SlackServer {
    workspace: Arc<Workspace>,
    _stop: DropGuard,
}

impl SlackServer {
    /// A workspace whose app uses Socket Mode.
    pub async fn start() -> Arc<Self> {
        Self::start_with(SlackOptions::default()).await
    }

    pub async fn start_with(options: SlackOptions) -> Arc<Self> {
        let stop = CancellationToken::new();
        let workspace = Workspace::open(options, stop.clone()).await;
        Arc::new(Self { workspace, _stop: stop.drop_guard() })
    }

    /// The base of the Web API, without a slash at its end.
    pub fn api_base(&self) -> String {
        format!("{}/api", self.workspace.base)
    }

    pub fn bot_token(&self) -> &'static str {
        BOT_TOKEN
    }

    pub fn app_token(&self) -> &'static str {
        APP_TOKEN
    }

    pub fn signing_secret(&self) -> &'static str {
        SIGNING_SECRET
    }

    /// The id of the bot's user, which people mention.
    pub fn bot_user(&self) -> &'static str {
        BOT_USER
    }

    /// The id of a person alone, without platform and workspace.
    pub fn user_id(&self, name: &str) -> String {
        self.workspace.state().user(name)
    }

    /// Sends what the app is told to this address from now on, signed, instead of over Socket Mode.
    pub fn deliver_to(&self, url: &str) {
        self.workspace.endpoint.set(url);
    }

    /// The direct conversation between the bot and a person.
    pub fn direct(&self, name: &str) -> Thread {
        let mut state = self.workspace.state();
        let user = state.user(name);
        let channel = state.direct(&user);
        drop(state);
        self.place(channel, None)
    }

    /// A direct conversation of several people that the bot was taken into.
    pub fn group_direct(&self, names: &[&str]) -> Thread {
        let mut state = self.workspace.state();
        let users: Vec<String> = names.iter().map(|name| state.user(name)).collect();
        let channel = state.group_direct(&users);
        drop(state);
        self.place(channel, None)
    }

    /// Takes a person out of a user group.
    pub fn leaves(&self, name: &str, group: &str) {
        self.workspace.regroup(name, group, false);
    }

    /// Disables a user group.
    pub fn disables(&self, group: &str) {
        self.workspace.disable_group(group);
    }

    /// The thread that hangs on a message.
    pub fn thread_of(&self, place: &Thread, message: &str) -> Thread {
        Thread { thread: Some(message.to_owned()), ..place.clone() }
    }

    /// A person sends `/kanban` with this text, and the app acknowledges it or the person sees an error.
    ///
    /// # Panics
    /// In a thread, where Slack does not offer the commands of apps.
    pub async fn slash(&self, name: &str, place: &Thread, text: &str) {
        self.workspace.slash(name, place, text).await;
    }

    /// A person deletes a message of theirs.
    ///
    /// # Panics
    /// Where it is not theirs.
    pub fn deletes(&self, name: &str, place: &Thread, message: &str) {
        self.workspace.remove(name, place, message);
    }

    /// A person uses the shortcut with this callback id on a message.
    ///
    /// # Panics
    /// When there is no such message.
    pub async fn shortcut(&self, name: &str, place: &Thread, message: &str, callback: &str) {
        self.workspace.shortcut(name, place, message, callback).await;
    }

    /// The title of the modal that a person sees.
    pub fn modal(&self, name: &str) -> Option<String> {
        let mut state = self.workspace.state();
        let user = state.user(name);
        state.views.open(&user).map(|view| view.given["title"]["text"].as_str().unwrap_or_default().to_owned())
    }

    /// The modal that a person sees, as the app gave it.
    pub fn modal_view(&self, name: &str) -> Option<Value> {
        let mut state = self.workspace.state();
        let user = state.user(name);
        state.views.open(&user).map(|view| view.given.clone())
    }

    /// Waits until a person sees a modal, and answers its title.
    ///
    /// # Panics
    /// After 30 s.
    pub async fn wait_for_modal(&self, name: &str) -> String {
        self.workspace.wire.wait_until(&format!("a modal of `{name}`"), || self.modal(name)).await
    }

    /// A person fills in fields of the modal that they see, named by label, action or block, and submits it.
    ///
    /// # Panics
    /// When there is no modal, no such field or option, or when a required field is empty.
    pub async fn submit(&self, name: &str, fields: &[(&str, &str)]) -> Submitted {
        self.workspace.submit(name, fields).await
    }

    /// A person closes the modal that they see.
    ///
    /// # Panics
    /// When there is none.
    pub async fn close_modal(&self, name: &str) {
        self.workspace.close_view(name).await;
    }

    /// A person presses a button of the modal that they see, or else of their home tab.
    ///
    /// # Panics
    /// When there is no such view or button.
    pub async fn press_in_view(&self, name: &str, label: &str) {
        self.workspace.press_in_view(name, label).await;
    }

    /// A person opens the app's home tab.
    pub fn open_home(&self, name: &str) {
        let event = {
            let mut state = self.workspace.state();
            let user = state.user(name);
            self.workspace.home_event(&mut state, &user)
        };
        self.workspace.tell_all(event);
    }

    /// What a person reads in the app's home tab, once something was published there.
    pub fn home(&self, name: &str) -> Option<String> {
        let mut state = self.workspace.state();
        let user = state.user(name);
        let view = state.views.home(&user)?;
        Some(read_blocks(view.blocks(), &|id| state.user_name(id).map(str::to_owned)).text)
    }

    /// How long the app took to acknowledge each envelope and request so far.
    pub fn acknowledgements(&self) -> Vec<Duration> {
        self.workspace.link.acknowledgements()
    }

    /// What people did that did not reach the app in time, of which they saw an error.
    pub fn failures(&self) -> Vec<Failure> {
        self.workspace.state().failures.clone()
    }

    /// Ids of events that were never acknowledged, however often they came.
    pub fn lost(&self) -> Vec<String> {
        self.workspace.link.lost()
    }

    fn place(&self, channel: String, thread: Option<String>) -> Thread {
        let options = &self.workspace.options;
        Thread { platform: options.name.clone(), space: options.team.clone(), channel, thread }
    }
}
