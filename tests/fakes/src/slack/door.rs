//! The door that all platforms' servers have.

use std::time::Duration;

use async_trait::async_trait;
use kanban_platform::Thread;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    server::{Seen, Server},
    slack::{
        SlackServer,
        command_line::command_line,
        message::Message,
        modal::Submitted,
        signed::SIGNING_SECRET,
        socket::Order,
        state::BOT_USER,
        typed::escape,
        web::{APP_TOKEN, BOT_TOKEN},
    },
    wire::{PATIENCE, Wire},
};

#[async_trait]
impl Server for SlackServer {
    fn kind(&self) -> &'static str {
        "slack"
    }

    fn settings(&self) -> String {
        let options = &self.workspace.options;
        let mut settings =
            format!("[platforms.{}]\nbot_token = \"{BOT_TOKEN}\"\napi_base = \"{}\"\n", options.name, self.api_base());
        match &options.listen {
            Some(listen) => settings
                .push_str(&format!("mode = \"http\"\nlisten = \"{listen}\"\nsigning_secret = \"{SIGNING_SECRET}\"\n")),
            None => settings.push_str(&format!("mode = \"socket\"\napp_token = \"{APP_TOKEN}\"\n")),
        }
        settings
    }

    fn person(&self, name: &str) -> String {
        format!("slack:{}/{}", self.workspace.options.team, self.user_id(name))
    }

    fn channel(&self, name: &str) -> Thread {
        let channel = self.workspace.state().channel(name);
        self.place(channel, None)
    }

    /// The message that the thread hangs on was written before the app came, so that the app is not told of it.
    fn thread(&self, channel: &str, name: &str) -> Thread {
        let mut state = self.workspace.state();
        let id = state.channel(channel);
        let key = (channel.to_owned(), name.to_owned());
        let known = state.named_threads.get(&key).cloned();
        let ts = known.or_else(|| {
            let user = state.user("slackbot");
            let message = Message { user, text: escape(name), has_markup: true, ..Message::default() };
            let ts = state.add(&id, message)?;
            state.named_threads.insert(key, ts.clone());
            Some(ts)
        });
        drop(state);
        self.place(id, ts)
    }

    async fn connected(&self) {
        let workspace = &self.workspace;
        if workspace.endpoint.is_set() {
            let verifying = async {
                while !workspace.verify_address().await {
                    // The other side is a process that says nothing before it listens.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let verified = timeout(PATIENCE, verifying).await;
            assert!(verified.is_ok(), "waited {PATIENCE:?} for the app to answer at its address");
            return;
        }
        let waiting = async {
            loop {
                workspace
                    .wire
                    .wait_until("a websocket of the app", || (workspace.link.sockets() > 0).then_some(()))
                    .await;
                // The process behind a socket may be gone without the socket knowing yet.
                let (answer, alive) = oneshot::channel();
                workspace.link.order_newest(Order::Probe(answer));
                if matches!(timeout(Duration::from_secs(3), alive).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        assert!(timeout(PATIENCE, waiting).await.is_ok(), "waited {PATIENCE:?} for a websocket that answers");
    }

    async fn says(&self, name: &str, place: &Thread, text: &str) -> String {
        self.workspace.say(name, place, text, false)
    }

    async fn mentions(&self, name: &str, place: &Thread, text: &str) -> String {
        self.workspace.say(name, place, text, true)
    }

    async fn sends(&self, name: &str, place: &Thread, words: &str, files: &[(&str, &[u8])]) -> String {
        self.workspace.share(name, place, words, files)
    }

    /// Slack's reply is a message in the thread of the other one.
    async fn replies(&self, name: &str, place: &Thread, message: &str, text: &str) -> String {
        let thread = place.thread.clone().unwrap_or_else(|| message.to_owned());
        self.workspace.say(name, &self.thread_of(place, &thread), text, false)
    }

    async fn edits(&self, name: &str, place: &Thread, message: &str, text: &str) {
        self.workspace.edit(name, place, message, text);
    }

    /// In a channel it is typed after `/kanban`; in a thread, where that is not offered, after a mention of the bot.
    async fn commands(&self, name: &str, place: &Thread, verb: &[&str], fields: &[(&str, &str)]) {
        let line = command_line(verb, fields);
        if place.thread.is_some() {
            self.workspace.say(name, place, &format!("kanban {line}"), true);
        } else {
            self.workspace.slash(name, place, &line).await;
        }
    }

    async fn presses(&self, name: &str, place: &Thread, message: &str, label: &str) {
        self.workspace.press(name, place, message, label).await;
    }

    /// In the only field of the modal that opens.
    async fn fills(&self, name: &str, place: &Thread, message: &str, label: &str, words: &str) {
        if self.modal(name).is_some() {
            self.close_modal(name).await;
        }
        self.presses(name, place, message, label).await;
        self.wait_for_modal(name).await;
        let field = self.workspace.only_field(name);
        let submitted = self.submit(name, &[(&field, words)]).await;
        assert_eq!(submitted, Submitted::Closed, "the words `{words}` for `{label}`");
    }

    fn joins(&self, name: &str, group: &str) -> Option<String> {
        Some(format!("slack:group/{}", self.workspace.regroup(name, group, true)))
    }

    /// A thread of Slack's is there once there is a reply: those below a message of the bot's, with a reply of the bot's.
    fn opened(&self, channel: &Thread) -> Vec<Thread> {
        let state = self.workspace.state();
        let Some(conversation) = state.conversations.get(&channel.channel) else { return Vec::new() };
        let parents = conversation.top().filter(|message| message.is_ours() && message.thread_ts.is_none());
        parents
            .filter(|parent| conversation.public_replies(&parent.ts).any(Message::is_ours))
            .map(|parent| self.thread_of(channel, &parent.ts))
            .collect()
    }

    fn reactions(&self, place: &Thread, message: &str) -> Vec<String> {
        let state = self.workspace.state();
        let message = state.conversations.get(&place.channel).and_then(|conversation| conversation.message(message));
        let reactions = message.map(|message| message.reactions.clone()).unwrap_or_default();
        let ours = reactions.into_iter().filter(|(_, users)| users.iter().any(|user| user == BOT_USER));
        ours.map(|(name, _)| emoji(&name)).collect()
    }

    /// Of the fields of a modal, which is opened by the bare command.
    async fn suggestions(
        &self,
        name: &str,
        place: &Thread,
        verb: &[&str],
        field: &str,
        typed: &str,
    ) -> Option<Vec<(String, String)>> {
        self.open_modal(name, place, verb, field).await;
        self.workspace.propose(name, field, typed).await
    }

    fn seen(&self, place: &Thread) -> Vec<Seen> {
        self.workspace.seen(place)
    }

    fn wire(&self) -> &Wire {
        &self.workspace.wire
    }
}

impl SlackServer {
    /// Opens the modal of a verb by the bare command, unless the person sees one with this field.
    async fn open_modal(&self, name: &str, place: &Thread, verb: &[&str], field: &str) {
        if self.workspace.has_field(name, field) {
            return;
        }
        if self.modal(name).is_some() {
            self.close_modal(name).await;
        }
        let verb = if verb.is_empty() { "create".to_owned() } else { verb.join(" ") };
        self.slash(name, &Thread { thread: None, ..place.clone() }, &verb).await;
        self.wait_for_modal(name).await;
    }
}

/// The sign that people see for the name of a reaction.
fn emoji(name: &str) -> String {
    match name {
        "eyes" => "👀".to_owned(),
        name => format!(":{name}:"),
    }
}
