//! What goes wrong with Discord beyond single calls, and what can be asked about it.

use std::time::Duration;

use kanban_platform::Thread;
use serde_json::{Value, json};

use super::{DiscordServer, channel::Permission, commands::Registered, interaction::Kind, limits::Pace, session::Out};

impl DiscordServer {
    /// Ends every connection to the gateway with a code; 1006 means that they break without one.
    pub fn disconnect(&self, code: u16) {
        for link in self.core.links().iter() {
            if code == 1006 {
                link.scissors.cut();
            } else {
                link.sender.send(Out::Close(code)).ok();
            }
        }
    }

    /// Asks the bot to connect anew and to resume (op 7).
    pub fn reconnect(&self) {
        self.tell(&json!({ "op": 7, "s": null, "t": null, "d": null }));
    }

    /// Declares the session invalid (op 9).
    pub fn invalidate_session(&self, can_resume: bool) {
        for session in &mut self.core.state().sessions {
            session.can_resume = can_resume;
        }
        self.tell(&json!({ "op": 9, "s": null, "t": null, "d": can_resume }));
    }

    /// Asks for a heartbeat at once (op 1).
    pub fn request_heartbeat(&self) {
        self.tell(&json!({ "op": 1, "s": null, "t": null, "d": null }));
    }

    /// The connections of now stay open, but nothing comes on them any more and nothing is answered. Later connections
    /// are not touched. With `false` they speak again; what was said meanwhile stays lost to them.
    pub fn silence(&self, is_silent: bool) {
        let mut state = self.core.state();
        for link in self.core.links().iter_mut() {
            link.is_silent = is_silent;
        }
        for link in state.sessions.iter_mut().filter_map(|session| session.link.as_mut()) {
            link.is_silent = is_silent;
        }
    }

    /// Tells the bot once more what it was told last, under a new sequence number.
    pub fn repeat_last_event(&self) {
        self.core.state().repeat_last();
    }

    /// A channel or thread is deleted.
    pub fn kill_channel(&self, place: &Thread) {
        let mut state = self.core.state();
        if let Some(id) = state.channel_of(place) {
            state.kill_channel(id);
        }
    }

    /// Takes something from the bot in a channel, and in its threads.
    pub fn remove_permission(&self, place: &Thread, permission: Permission) {
        self.set_permission(place, permission, false);
    }

    /// Gives it back.
    pub fn restore_permission(&self, place: &Thread, permission: Permission) {
        self.set_permission(place, permission, true);
    }

    /// The bot may post in a channel, but not read what was posted before.
    pub fn deny_history(&self, place: &Thread) {
        self.remove_permission(place, Permission::ReadMessageHistory);
    }

    /// Whether the application may read messages that are not for it; heeded at the next IDENTIFY and by every event.
    pub fn grant_message_content(&self, is_granted: bool) {
        self.core.state().grants_content = is_granted;
    }

    pub fn set_pace(&self, pace: Pace) {
        self.core.state().limits.set_pace(pace);
    }

    /// Locks or unlocks a thread, archived as moderators do.
    pub fn lock_thread(&self, place: &Thread, is_locked: bool) {
        let mut state = self.core.state();
        let id = state.channel_of(place);
        if let Some(channel) = id.and_then(|id| state.channels.get_mut(&id)) {
            (channel.locked, channel.archived) = (is_locked, is_locked);
        }
    }

    /// From each interaction to its acknowledgement, in the order of the acknowledgements.
    pub fn acknowledgements(&self) -> Vec<Duration> {
        self.core.state().acknowledgements.clone()
    }

    /// How many interactions were not acknowledged in time: people saw that the application did not respond.
    pub fn unanswered(&self) -> usize {
        let state = self.core.state();
        let is_late = |at: tokio::time::Instant| at.elapsed() > self.core.options.acknowledge_within;
        state.interactions.values().filter(|it| it.answered.is_none() && is_late(it.at)).count()
    }

    /// How many deferred replies still wait for their text: "kanban is thinking…"
    pub fn thinking(&self) -> usize {
        let state = self.core.state();
        state.interactions.values().filter(|it| it.is_deferred && it.kind != Kind::Autocomplete).count()
    }

    /// Calls that were answered with 401, 403 or 429 in the last ten minutes; 10,000 lead to a ban.
    pub fn invalid_calls(&self) -> usize {
        self.core.state().limits.invalid()
    }

    /// How often the bot has identified itself; Discord allows 1000 a day.
    pub fn identifies(&self) -> u32 {
        self.core.state().identifies
    }

    /// Sessions that have a connection which speaks.
    pub fn connections(&self) -> usize {
        let state = self.core.state();
        state.sessions.iter().filter(|session| session.link.as_ref().is_some_and(|link| !link.is_silent)).count()
    }

    /// Every connection to the gateway that there ever was.
    pub fn connection_count(&self) -> u64 {
        self.core.state().connections
    }

    /// The commands as they are registered now.
    pub fn registered(&self) -> Vec<Value> {
        self.core.state().commands.iter().map(Registered::json).collect()
    }

    /// The reactions of the bot to a message.
    pub fn reactions(&self, message: &str) -> Vec<String> {
        let id = message.parse::<u64>().unwrap_or_default();
        self.core.state().messages.get(&id).map(|message| message.reactions.clone()).unwrap_or_default()
    }

    fn set_permission(&self, place: &Thread, permission: Permission, is_given: bool) {
        let mut state = self.core.state();
        let id = state.channel_of(place);
        if let Some(channel) = id.and_then(|id| state.channels.get_mut(&id)) {
            if is_given {
                channel.denied &= !permission.bit();
            } else {
                channel.denied |= permission.bit();
            }
        }
    }

    fn tell(&self, payload: &Value) {
        for link in self.core.links().iter().filter(|link| !link.is_silent) {
            link.sender.send(Out::Text(payload.to_string().into())).ok();
        }
    }
}
