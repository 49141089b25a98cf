//! A gateway and a notifier around one platform of this process: what threads are told when it fails in all the ways
//! that platforms do, what people say there, and what is kept of it.

#![expect(clippy::unwrap_used, reason = "a test fails where it is surprised")]

mod files;
mod here;
mod inbox;
mod lane;
mod meant;
mod posts;
mod questions;
#[path = "../support/scale.rs"]
mod scale;
mod suggest;
mod talk;
mod threads;
mod world;
