//! The outbox against platforms on real sockets that refuse, fail, lose answers and limit, and against crashes at each
//! point: what people see is what was owed, once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod render;
#[path = "../support/scale.rs"]
mod scale;
mod schedules;
mod storm;
mod world;
