//! The console behind the same door as the servers: `kanban say` speaks, the transcript is what people see.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use kanban_fakes::{Seen, Server, Wire};
use kanban_platform::Thread;
use serde_json::Value;

use crate::home::Home;

pub(crate) struct ConsoleServer {
    home: Arc<Home>,
    wire: Wire,
    folders: Mutex<Vec<tempfile::TempDir>>,
}

impl ConsoleServer {
    pub(crate) fn new(home: Arc<Home>) -> Arc<Self> {
        let server = Arc::new(Self { home, wire: Wire::default(), folders: Mutex::default() });
        // The transcript is another process's file, which tells nobody that it grows.
        let watcher = Arc::downgrade(&server);
        tokio::spawn(async move {
            while let Some(server) = watcher.upgrade() {
                server.wire.changed();
                drop(server);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        server
    }

    async fn say(&self, name: &str, place: &Thread, more: &[&str]) {
        let mut args: Vec<String> = ["say", "--thread", &name_of(place), "--as", name].map(str::to_owned).into();
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let home = Arc::clone(&self.home);
        // The exit code is that of the command, and refusals are part of the stories.
        tokio::task::spawn_blocking(move || home.run(args)).await.unwrap();
        self.wire.changed();
    }
}

#[async_trait]
impl Server for ConsoleServer {
    fn kind(&self) -> &'static str {
        "console"
    }

    fn settings(&self) -> String {
        String::new()
    }

    fn person(&self, name: &str) -> String {
        format!("console:{name}")
    }

    fn channel(&self, name: &str) -> Thread {
        self.thread("", &format!("#{name}"))
    }

    fn thread(&self, _channel: &str, name: &str) -> Thread {
        Thread { platform: "console".to_owned(), space: String::new(), channel: name.to_owned(), thread: None }
    }

    async fn connected(&self) {}

    async fn says(&self, name: &str, place: &Thread, text: &str) -> String {
        self.say(name, place, &["--", text]).await;
        String::new()
    }

    async fn mentions(&self, name: &str, place: &Thread, text: &str) -> String {
        self.says(name, place, text).await
    }

    async fn replies(&self, name: &str, place: &Thread, message: &str, text: &str) -> String {
        self.say(name, place, &["--reply", message, "--", text]).await;
        String::new()
    }

    async fn sends(&self, name: &str, place: &Thread, words: &str, files: &[(&str, &[u8])]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut args = Vec::new();
        for (file, content) in files {
            let path = folder.path().join(file);
            std::fs::write(&path, content).unwrap();
            args.push(format!("--file={}", path.display()));
        }
        let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
        if !words.is_empty() {
            args.extend(["--", words]);
        }
        self.say(name, place, &args).await;
        // It is read after the command.
        self.folders.lock().unwrap().push(folder);
        String::new()
    }

    async fn edits(&self, _name: &str, _place: &Thread, _message: &str, _text: &str) {}

    async fn commands(&self, name: &str, place: &Thread, verb: &[&str], fields: &[(&str, &str)]) {
        let mut text = format!("/kanban {}", verb.join(" "));
        let (placed, named): (Vec<_>, Vec<_>) = fields.iter().partition(|(field, _)| matches!(*field, "title" | "id"));
        text.extend(placed.iter().map(|(_, value)| format!(" {value}")));
        text.extend(named.iter().map(|(field, value)| format!(" --{field}=\"{value}\"")));
        self.says(name, place, &text).await;
    }

    async fn presses(&self, name: &str, place: &Thread, message: &str, label: &str) {
        self.say(name, place, &["--press", message, "--", label]).await;
    }

    async fn suggestions(
        &self,
        _name: &str,
        _place: &Thread,
        _verb: &[&str],
        _field: &str,
        _typed: &str,
    ) -> Option<Vec<(String, String)>> {
        None
    }

    fn seen(&self, place: &Thread) -> Vec<Seen> {
        let mut messages: Vec<Seen> = Vec::new();
        for line in self.home.transcript().iter().filter(|line| line["thread"] == *name_of(place)) {
            let id = line["message"].to_string();
            let text = line["text"].as_str().unwrap().to_owned();
            let labels = |value: &Value| {
                value.as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect()
            };
            let buttons: Vec<String> = labels(&line["buttons"]);
            match messages.iter_mut().find(|seen| seen.id == id) {
                Some(seen) => {
                    seen.earlier.push(std::mem::replace(&mut seen.text, text));
                    seen.buttons = buttons;
                }
                None => messages.push(Seen {
                    id,
                    is_ours: true,
                    text,
                    buttons,
                    earlier: Vec::new(),
                    private_to: None,
                    reply_to: line["reply_to"].as_u64().map(|number| number.to_string()),
                    contents: files_of(line).into_iter().map(|(_, content)| content).collect(),
                    files: files_of(line)
                        .into_iter()
                        .map(|(name, content)| (name, String::from_utf8_lossy(&content).into_owned()))
                        .collect(),
                    pings: Vec::new(),
                }),
            }
        }
        messages
    }

    async fn fills(&self, name: &str, place: &Thread, message: &str, label: &str, words: &str) {
        let before = self.seen(place).len();
        self.presses(name, place, message, label).await;
        let prompt = self.seen(place).into_iter().skip(before).last();
        self.replies(name, place, &prompt.expect("a message that asks").id, words).await;
    }

    fn joins(&self, _name: &str, _group: &str) -> Option<String> {
        None
    }

    fn opened(&self, channel: &Thread) -> Vec<Thread> {
        let start = format!("{}/", channel.channel.trim_start_matches('#'));
        let mut opened: Vec<Thread> = Vec::new();
        for line in self.home.transcript() {
            let own = line["thread"].as_str().unwrap().strip_prefix(&start).map(str::to_owned);
            let thread = own.map(|own| Thread { thread: Some(own), ..channel.clone() });
            opened.extend(thread.filter(|thread| !opened.contains(thread)));
        }
        opened
    }

    fn reactions(&self, _place: &Thread, _message: &str) -> Vec<String> {
        Vec::new()
    }

    fn wire(&self) -> &Wire {
        &self.wire
    }
}

/// The files that a line names, as they lie on this machine.
fn files_of(line: &Value) -> Vec<(String, Vec<u8>)> {
    let files = line["files"].as_array().into_iter().flatten();
    files
        .map(|file| {
            let content = std::fs::read(file["path"].as_str().unwrap()).unwrap_or_default();
            (file["name"].as_str().unwrap().to_owned(), content)
        })
        .collect()
}

/// The name of a place, as people type it after `/in`.
fn name_of(place: &Thread) -> String {
    match &place.thread {
        Some(own) => format!("{}/{own}", place.channel.trim_start_matches('#')),
        None => place.channel.clone(),
    }
}
