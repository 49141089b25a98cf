//! The binary on every platform: each story is written once and told on the console, Discord, Telegram and Slack.

mod access;
mod accounts;
mod cards;
mod console;
mod files;
mod here;
mod inbound;
mod lane;
mod outage;
mod person;
mod phone;
mod promptness;
mod questions;
mod restart;
mod story;
mod threads;

use std::{future::Future, sync::Arc, time::Duration};

use kanban_fakes::{Call, Seen, Server, discord::DiscordServer, slack::SlackServer, telegram::TelegramServer};
use kanban_platform::Thread;

use self::console::ConsoleServer;
use crate::home::{Gateway, Home, until};

/// How long a message may take: a group on Telegram takes no more than twenty in a minute.
const PATIENCE: Duration = Duration::from_secs(100);

/// Members besides bob, for tests with many people.
pub(crate) const CROWD: [&str; 16] =
    ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11", "m12", "m13", "m14", "m15"];

/// A gateway on one platform: ann owns it, bob is a member, gil a guest; mallory is unknown.
pub(crate) struct Stage {
    pub(crate) home: Arc<Home>,
    pub(crate) server: Arc<dyn Server>,
    gateway: Option<Gateway>,
}

/// The platforms that a story is told on.
pub(crate) async fn servers(home: &Arc<Home>) -> Vec<Arc<dyn Server>> {
    let telegram = TelegramServer::start().await;
    // There are no forms on Telegram: people type what the declaration says.
    telegram.declare(kanban_gateway::command::spec().clone());
    let slack = SlackServer::start().await;
    // Slack itself waits for a minute before it sends again what nobody acknowledged.
    slack.redeliver_after(vec![Duration::from_millis(300), Duration::from_secs(2), Duration::from_secs(5)]);
    vec![ConsoleServer::new(Arc::clone(home)), DiscordServer::start().await, telegram, slack]
}

/// Tells a story on each platform, one after the other, each in a home of its own.
pub(crate) async fn on_each<F: Future<Output = ()>>(story: impl Fn(Stage) -> F) {
    for number in 0..4 {
        let home = Arc::new(Home::new());
        let server = servers(&home).await.swap_remove(number);
        story(Stage::open(home, server).await).await;
    }
}

impl Stage {
    pub(crate) async fn open(home: Arc<Home>, server: Arc<dyn Server>) -> Self {
        let mut stage = Self { home, server, gateway: None };
        stage.write_settings("");
        stage.up().await;
        stage
    }

    fn write_settings(&self, more: &str) {
        let person = |name: &str| format!("\"{}\"", self.server.person(name));
        let (ann, gil) = (person("ann"), person("gil"));
        let members: Vec<String> = std::iter::once("bob").chain(CROWD).map(person).collect();
        self.home.settings(&format!(
            "[access]\nowners = [{ann}]\n[access.roles]\nmember = [{}]\nguest = [{gil}]\n{}\n{more}\n",
            members.join(", "),
            self.server.settings()
        ));
    }

    /// Starts the gateway, and waits until people can speak to it.
    pub(crate) async fn up(&mut self) {
        let home = Arc::clone(&self.home);
        // Waiting for a process must not hold up the server that the process speaks to.
        let gateway = tokio::task::spawn_blocking(move || home.up()).await.unwrap();
        self.gateway = Some(gateway);
        self.server.connected().await;
    }

    /// Puts another gateway in the place of the one that runs.
    pub(crate) async fn take_over(&mut self) {
        let (home, first) = (Arc::clone(&self.home), self.gateway.take());
        let next = tokio::task::spawn_blocking(move || {
            let next = home.up_with(&["up", "--stay", "--takeover"]);
            assert_eq!(first.unwrap().wait(), 0);
            next
        });
        self.gateway = Some(next.await.unwrap());
    }

    /// Has the gateway become the program that it was started from.
    pub(crate) async fn upgrade(&mut self) {
        let (home, gateway) = (Arc::clone(&self.home), self.gateway.take().unwrap());
        let upgraded = tokio::task::spawn_blocking(move || {
            crate::restart::upgrade(&home, &gateway);
            gateway
        });
        self.gateway = Some(upgraded.await.unwrap());
    }

    /// Kills the gateway as a power loss would.
    pub(crate) async fn kill(&mut self) {
        let gateway = self.gateway.take().unwrap();
        tokio::task::spawn_blocking(move || gateway.kill()).await.unwrap();
    }

    /// Kills the gateway when it knows what became of every post: on Telegram a post of which it does not may come twice.
    pub(crate) async fn kill_settled(&mut self) {
        let home = Arc::clone(&self.home);
        let settled = move || {
            let queued = || home.count("SELECT count(*) FROM deliveries WHERE state = 'queued'");
            until("every post has arrived", || (queued() == 0).then_some(()));
        };
        tokio::task::spawn_blocking(settled).await.unwrap();
        self.kill().await;
    }

    /// Runs a command line to its end, which must work.
    pub(crate) async fn ok(&self, args: &[&str]) -> String {
        let home = Arc::clone(&self.home);
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        tokio::task::spawn_blocking(move || home.run(args).ok()).await.unwrap()
    }

    /// Waits for a message of ours in a place.
    pub(crate) async fn sees(&self, place: &Thread, what: &str, fits: impl Fn(&Seen) -> bool) -> Seen {
        let found = || self.server.seen(place).into_iter().find(|seen| seen.is_ours && fits(seen));
        let waiting = self.server.wire().wait_until(what, found);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(seen) => seen,
            Err(_) => {
                let seen: Vec<_> = self.server.seen(place).iter().map(|seen| format!("{seen:?}")).collect();
                let calls: Vec<_> = self.server.wire().calls().iter().rev().take(8).map(Call::in_short).collect();
                let kind = self.server.kind();
                panic!("{kind}: no `{what}` in {place}; seen:\n{}\nlast calls:\n{}", seen.join("\n"), calls.join("\n"))
            }
        }
    }

    pub(crate) async fn sees_text(&self, place: &Thread, text: &str) -> Seen {
        self.sees(place, &format!("`{text}`"), |seen| seen.text.contains(text)).await
    }

    /// Waits until the board has so many tasks; as long as it gets more, it may take its time.
    pub(crate) async fn wait_for_tasks(&self, count: usize) {
        let home = Arc::clone(&self.home);
        let wait = move || {
            let mut last = -1;
            while last < i64::try_from(count).unwrap() {
                let goal = i64::try_from(count).unwrap();
                last = until(&format!("more than {last} of {count} tasks"), || {
                    let now = home.count("SELECT count(*) FROM tasks");
                    (now > last || now >= goal).then_some(now)
                });
            }
        };
        tokio::task::spawn_blocking(wait).await.unwrap();
    }

    /// Creates a task from chat and answers its id and the message that told of it.
    pub(crate) async fn creates(&self, name: &str, place: &Thread, fields: &[(&str, &str)]) -> (String, Seen) {
        let title = fields.iter().find(|(field, _)| *field == "title").unwrap().1;
        self.server.commands(name, place, &["create"], fields).await;
        let created =
            self.sees(place, title, |seen| seen.text.contains("Created t_") && seen.text.contains(title)).await;
        (id_in(&created.text), created)
    }

    /// Waits until a task of a channel has a thread of its own with its card, and answers the thread.
    pub(crate) async fn own_thread(&self, channel: &Thread, id: &str) -> Thread {
        let tells_of_it =
            |thread: &Thread| self.server.seen(thread).iter().any(|seen| seen.is_ours && seen.text.contains(id));
        let found = || self.server.opened(channel).into_iter().find(tells_of_it);
        let waiting = self.server.wire().wait_until("the thread of a task", found);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(thread) => thread,
            Err(_) => {
                let kind = self.server.kind();
                panic!("{kind}: {id} has no thread in {channel}; opened: {:?}", self.server.opened(channel))
            }
        }
    }

    /// Checks what must hold at the end of every story, and ends it.
    pub(crate) async fn close(mut self, places: &[&Thread]) {
        let wrong = self.server.wire().wrong();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", self.server.kind());
        for place in places {
            for seen in self.server.seen(place) {
                assert!(!seen.is_ours || seen.pings.is_empty(), "{} pings {:?}", seen.text, seen.pings);
            }
        }
        let gateway = self.gateway.take();
        tokio::task::spawn_blocking(move || drop(gateway)).await.unwrap();
    }
}

/// The first task id in a text.
pub(crate) fn id_in(text: &str) -> String {
    let start = text.find("t_").unwrap_or_else(|| panic!("no id in `{text}`"));
    text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}
