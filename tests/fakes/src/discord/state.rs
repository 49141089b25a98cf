//! All that the server knows.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    Options,
    account::{BOT_NAME, OWNER},
    channel::Channel,
    commands::Registered,
    interaction::Interaction,
    limits::Limits,
    message::{File, Message},
    session::Session,
    snowflake::{Snowflakes, iso},
};

/// One guild with its channels, people and messages, one application with its commands, and the bot's sessions.
#[derive(Debug)]
pub(super) struct State {
    pub(super) base: String,
    pub(super) ids: Snowflakes,
    /// When the server began, as Discord writes times.
    pub(super) started: String,
    /// Whether the application may read what messages say that are not for it.
    pub(super) grants_content: bool,
    pub(super) people: HashMap<String, u64>,
    pub(super) names: HashMap<u64, String>,
    /// People as JSON, and what all members have in common.
    pub(super) user_texts: HashMap<u64, String>,
    pub(super) member_text: String,
    /// Names and ids, and the people who have them.
    pub(super) roles: Vec<(String, u64)>,
    pub(super) roles_of: HashMap<u64, Vec<u64>>,
    pub(super) channels: HashMap<u64, Channel>,
    /// By the id of the parent, or 0.
    pub(super) channels_by_name: HashMap<(u64, String), u64>,
    pub(super) messages: HashMap<u64, Message>,
    pub(super) files: HashMap<u64, File>,
    /// What the addresses of files are signed with now.
    pub(super) signature: u64,
    /// The first message with a nonce in a channel, and when it came.
    pub(super) nonces: HashMap<(u64, String), (u64, Instant)>,
    pub(super) commands: Vec<Registered>,
    pub(super) created_commands: u32,
    pub(super) interactions: HashMap<u64, Interaction>,
    pub(super) tokens: HashMap<String, u64>,
    pub(super) acknowledgements: Vec<Duration>,
    pub(super) sessions: Vec<Session>,
    pub(super) identifies: u32,
    pub(super) connections: u64,
    pub(super) limits: Limits,
}

impl State {
    pub(super) fn new(base: String, options: &Options) -> Self {
        let ids = Snowflakes::new();
        let started = iso(ids.now());
        let mut state = Self {
            base,
            ids,
            started,
            grants_content: options.message_content,
            people: HashMap::from([("owner".to_owned(), OWNER)]),
            names: HashMap::from([(OWNER, "owner".to_owned()), (super::account::BOT, BOT_NAME.to_owned())]),
            user_texts: HashMap::new(),
            member_text: String::new(),
            roles: Vec::new(),
            roles_of: HashMap::new(),
            channels: HashMap::new(),
            channels_by_name: HashMap::new(),
            messages: HashMap::new(),
            files: HashMap::new(),
            signature: 1,
            nonces: HashMap::new(),
            commands: Vec::new(),
            created_commands: 0,
            interactions: HashMap::new(),
            tokens: HashMap::new(),
            acknowledgements: Vec::new(),
            sessions: Vec::new(),
            identifies: 0,
            connections: 0,
            limits: Limits::new(options.pace),
        };
        state.member_text = state.member().to_string();
        state
    }
}
