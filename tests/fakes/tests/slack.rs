//! Slack's rules, driven with plain HTTP and websockets.

#[path = "slack/app.rs"]
mod app;
#[path = "slack/events.rs"]
mod events;
#[path = "slack/interactions.rs"]
mod interactions;
#[path = "slack/messages.rs"]
mod messages;
#[path = "slack/signed.rs"]
mod signed;
#[path = "slack/sockets.rs"]
mod sockets;
#[path = "slack/tasks.rs"]
mod tasks;
#[path = "slack/troubles.rs"]
mod troubles;
