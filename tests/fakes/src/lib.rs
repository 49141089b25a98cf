//! A chat platform in this process, for tests: with state as a real one has it, and with faults on demand.
//!
//! ```
//! # use kanban_fakes::{FakePlatform, Fault, thread};
//! # use kanban_platform::{Platform, Post, PostKind};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let platform = FakePlatform::new("fake");
//! let ops = thread("fake", "ops");
//! platform.fail_next(1, Fault::Gone);
//! let post = Post {
//!     delivery: "d1".into(),
//!     thread: ops.clone(),
//!     kind: PostKind::News,
//!     text: "hello".into(),
//!     buttons: Vec::new(),
//!     private: false,
//!     task: None,
//!     event: None,
//! };
//! assert!(platform.post(&post).await.is_err());
//! assert_eq!(platform.post(&post).await.unwrap(), "1");
//! assert_eq!(platform.wait_for(&ops, 1).await[0].text, "hello");
//! # });
//! ```
#![forbid(unsafe_code)]

mod fault;
mod platform;
mod state;

use kanban_platform::Thread;

pub use crate::{
    fault::Fault,
    platform::FakePlatform,
    state::{Attempt, Message},
};

/// A thread that is a channel of its own.
pub fn thread(platform: &str, channel: &str) -> Thread {
    Thread { platform: platform.to_owned(), space: String::new(), channel: channel.to_owned(), thread: None }
}
