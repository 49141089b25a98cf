//! The binary, end to end: gateways that run, command lines that talk to them, workers as real processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod budget;
mod chat;
mod dispatch;
mod gc;
mod handoff;
mod here;
mod home;
mod hostile;
mod lane;
mod mcp;
mod outbox;
mod patterns;
mod platforms;
mod restart;
mod roads;
#[path = "../support/scale.rs"]
mod scale;
mod schedule;
mod storm;
mod story;
mod why;
mod worker;
