//! Stand-ins for chat platforms, for tests: with state as real ones have it, and with faults on demand.
//!
//! [`discord`], [`telegram`] and [`slack`] are servers on loopback sockets that speak the platforms' protocols to their
//! real clients, unmodified: give a bot the address and the token of [`Server::settings`], let people act, and look at
//! what they see. They are checked by discord.js, aiogram and Bolt for JavaScript, in `tests/reference`.
//!
//! - [`Server`] is what people do and see, the same on all three. What only one platform has, such as the refresh of a
//!   socket or the migration of a group, are methods of its own server.
//! - [`Wire`] is the way of calls into a server. It makes a call, a channel or a share of all calls meet a [`Trouble`], and
//!   keeps a record: [`Wire::calls`] is all that came in, each with the answer that it got, and [`Wire::wrong`] all that
//!   the real platform would not have taken.
//! - Time is real, and everything can be waited for: [`Wire::wait_until`] looks again whenever something has changed.
//!
//! A test of a bot that answers `ping` in Slack, over a connection that loses the first answer:
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use kanban_fakes::{Server, Trouble, slack::SlackServer};
//! # use serde_json::json;
//! # async fn start_your_bot(server: &SlackServer) {
//! #     let call = format!("{}/chat.postMessage", server.api_base());
//! #     let channel = server.channel("ops").channel;
//! #     let token = server.bot_token();
//! #     tokio::spawn(async move {
//! #         let body = json!({ "channel": channel, "text": "*pong*" });
//! #         let post = || reqwest::Client::new().post(&call).bearer_auth(token).json(&body).send();
//! #         while post().await.is_err() {}
//! #     });
//! # }
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let server = SlackServer::start().await;
//! let ops = server.channel("ops");
//! server.wire().trouble("chat.postMessage", [Trouble::LoseAnswer]);
//! start_your_bot(&server).await; // with the addresses and tokens of `server.settings()`
//! server.mentions("ann", &ops, "ping").await;
//!
//! let answers = || server.seen(&ops).into_iter().filter(|seen| seen.is_ours).collect::<Vec<_>>();
//! let two = || (answers().len() == 2).then(answers);
//! let seen = server.wire().wait_until("the answer, and once more what seemed lost", two).await;
//! assert_eq!(seen[0].text, "pong");
//! assert!(seen.iter().all(|seen| seen.pings.is_empty()));
//! assert_eq!(seen[1].text, "pong");
//! assert!(server.wire().calls().iter().all(|call| !call.is_early));
//! assert_eq!(server.wire().wrong(), Vec::<String>::new());
//! # });
//! ```
//!
//! As a trait object a server serves a story that is written once and told on all platforms:
//!
//! ```
//! # use std::sync::Arc;
//! # use kanban_fakes::{Server, discord::DiscordServer, slack::SlackServer, telegram::TelegramServer};
//! async fn a_person_edits(server: Arc<dyn Server>) {
//!     let ops = server.channel("ops");
//!     let message = server.says("ann", &ops, "helo").await;
//!     server.edits("ann", &ops, &message, "hello").await;
//!     let seen = server.seen(&ops);
//!     assert_eq!((seen[0].text.as_str(), seen[0].is_ours), ("hello", false));
//! }
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! a_person_edits(DiscordServer::start().await).await;
//! a_person_edits(SlackServer::start().await).await;
//! a_person_edits(TelegramServer::start().await).await;
//! # });
//! ```
//!
//! [`FakePlatform`] needs no socket: it lives in this process and speaks the contract of adapters.
//!
//! ```
//! # use kanban_fakes::{FakePlatform, Fault, thread};
//! # use kanban_platform::{Block, Platform, Post, PostKind, Urgency};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let platform = FakePlatform::new("fake");
//! let ops = thread("fake", "ops");
//! platform.fail_next(1, Fault::Gone);
//! let post = Post {
//!     delivery: "d1".into(),
//!     thread: ops.clone(),
//!     kind: PostKind::News,
//!     body: vec![Block::Text("hello".into())],
//!     buttons: Vec::new(),
//!     private: false,
//!     task: None,
//!     event: None,
//!     urgency: Urgency::News,
//!     prompts: false,
//! };
//! assert!(platform.post(&post, None).await.is_err());
//! assert_eq!(platform.post(&post, None).await.unwrap(), "1");
//! assert_eq!(platform.wait_for(&ops, 1).await[0].text, "hello");
//! # });
//! ```
#![forbid(unsafe_code)]

pub mod discord;
mod fault;
mod platform;
mod published;
mod server;
pub mod slack;
mod state;
pub mod telegram;
mod wire;

use kanban_platform::Thread;

pub use crate::{
    fault::Fault,
    platform::FakePlatform,
    published::published,
    server::{Seen, Server},
    state::{Attempt, Message},
    wire::{Call, PATIENCE, Trouble, Weather, Wire},
};

/// A thread that is a channel of its own.
pub fn thread(platform: &str, channel: &str) -> Thread {
    Thread { platform: platform.to_owned(), space: String::new(), channel: channel.to_owned(), thread: None }
}
