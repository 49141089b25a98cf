//! What goes wrong on Slack's side, beyond single calls.

use std::time::Duration;

use kanban_platform::Thread;

use crate::slack::{
    SlackServer, conversation::Kind as Place, envelope::Kind, event::wrap, signed::Forgery, socket::Order,
    state::Trigger,
};

impl SlackServer {
    /// Tells the oldest of the sockets that it is refreshed: it gets nothing new, and is closed after a while.
    pub fn refresh(&self) {
        self.workspace.refresh(1, "refresh_requested");
    }

    /// Warns all sockets of their refresh, and closes them after a while.
    pub fn refresh_all(&self) {
        self.workspace.refresh(usize::MAX, "warning");
    }

    /// Breaks all connections without a word.
    pub fn disconnect(&self) {
        self.workspace.link.order_all(|| Order::Break);
    }

    /// Leaves all connections open that there are now, and neither reads nor writes any more.
    pub fn silence(&self) {
        self.workspace.link.order_all(|| Order::Silence);
    }

    /// How many websockets there are.
    pub fn sockets(&self) -> usize {
        self.workspace.link.sockets()
    }

    /// Loses the next acknowledgements on their way.
    pub fn lose_acknowledgements(&self, count: usize) {
        self.workspace.link.lose(count);
    }

    /// Sends the last envelopes once more, though they were acknowledged.
    pub fn repeat(&self, count: usize) {
        self.workspace.repeat(count);
    }

    /// Holds the next events back until there are so many, and sends the last of them first.
    pub fn reorder(&self, count: usize) {
        self.workspace.hold(count);
    }

    /// After what times an event that was not acknowledged comes again from now on.
    pub fn redeliver_after(&self, times: Vec<Duration>) {
        self.workspace.link.redeliver_after(times);
    }

    /// Sends a slash command over HTTP that the app must not take, and answers the status of its answer.
    pub async fn forge_slash(&self, name: &str, place: &Thread, text: &str, forgery: Forgery) -> Option<u16> {
        let (payload, _) = self.workspace.slash_payload(name, &place.channel, text);
        self.workspace.forge(Kind::Slash, &payload, forgery).await
    }

    /// Sends a message event over HTTP that the app must not take, and answers the status of its answer.
    pub async fn forge_message(&self, name: &str, place: &Thread, text: &str, forgery: Forgery) -> Option<u16> {
        let (_, mut events) = self.workspace.say_quietly(name, place, text);
        let event = events.pop().unwrap_or_else(|| {
            wrap(&mut self.workspace.state(), serde_json::json!({ "type": "message", "text": "kanban" }))
        });
        self.workspace.forge(Kind::Event, &event, forgery).await
    }

    /// Refuses to show any history, as it does to apps without the scope.
    pub fn deny_history(&self, is_denied: bool) {
        self.workspace.state().is_history_denied = is_denied;
    }

    /// Takes a scope from the bot's token.
    pub fn revoke_scope(&self, scope: &str) {
        self.workspace.state().scopes.remove(scope);
    }

    /// Takes the bot's token back: every call is refused with `token_revoked`.
    pub fn revoke_token(&self) {
        self.workspace.state().is_token_revoked = true;
    }

    /// Archives a channel: nobody can write there any more.
    pub fn archive(&self, place: &Thread) {
        if let Some(conversation) = self.workspace.state().conversations.get_mut(&place.channel) {
            conversation.is_archived = true;
        }
    }

    /// Takes the bot out of a channel, or invites it again.
    pub fn set_member(&self, place: &Thread, is_member: bool) {
        if let Some(conversation) = self.workspace.state().conversations.get_mut(&place.channel) {
            conversation.is_member = is_member;
        }
    }

    /// Makes a channel private.
    pub fn make_private(&self, place: &Thread) {
        if let Some(conversation) = self.workspace.state().conversations.get_mut(&place.channel) {
            conversation.kind = Place::Group;
        }
    }

    /// Lets all rights to open views run out.
    pub fn expire_triggers(&self) {
        let lives = self.workspace.options.trigger_lives;
        for Trigger { made, .. } in self.workspace.state().triggers.values_mut() {
            *made = made.checked_sub(lives + Duration::from_millis(1)).unwrap_or(*made);
        }
    }

    /// Lets all addresses for answers run out.
    pub fn expire_response_urls(&self) {
        for url in self.workspace.state().response_urls.values_mut() {
            url.is_expired = true;
        }
    }
}
