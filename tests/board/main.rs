//! The board, on real files: what its operations do, what they refuse, and what survives.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answer;
mod attempt;
mod birth;
mod budget;
mod cards;
mod claim;
mod commit;
mod crash;
mod finish;
mod fixture;
mod follow;
mod graph;
mod hold;
mod import;
mod invariants;
mod migrations;
mod moving;
mod outbox;
mod process;
mod quorum;
mod races;
mod restore;
mod review;
#[path = "../support/scale.rs"]
mod scale;
mod schedule;
mod states;
mod upgrade;
