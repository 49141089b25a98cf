//! The adapter against a Discord on a loopback socket, over its real client.

mod connection;
mod inbound;
mod menu;
mod outbound;
mod support;
