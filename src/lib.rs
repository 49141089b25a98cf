//! The kanban gateway: a chat bot service that speaks `/kanban`, keeps a durable board and runs workers.

#![deny(unsafe_code)]

pub mod board;
pub mod cli;
pub mod clock;
pub mod command;
pub mod control;
pub mod dispatcher;
pub mod doctor;
pub mod gateway;
pub mod notifier;
pub mod process;
pub mod random;
pub mod secret;
pub mod settings;
pub mod shim;
pub mod suggest;
pub mod telemetry;
