//! The adapter as the gateway uses it, against a workspace on a loopback socket.

mod inbound;
mod outbound;
mod schedules;
mod support;
mod tasks;
