//! The adapter against a Discord on a loopback socket, over its real client.

mod connection;
mod forms;
mod inbound;
mod menu;
mod outbound;
mod people;
mod support;
