//! What goes to the app: each envelope to one of its sockets or to its address, until it is acknowledged or given up.

use std::sync::Arc;

use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::slack::{
    envelope::{Envelope, Kind, Outcome, frame},
    link::{Due, Pending, REMEMBERED, schedule},
    socket::Order,
    workspace::Workspace,
};

impl Workspace {
    /// Sends something that a person did, and answers what becomes of it.
    pub(crate) fn ask(self: &Arc<Self>, kind: Kind, payload: Value, takes_answer: bool) -> oneshot::Receiver<Outcome> {
        let (answer, outcome) = oneshot::channel();
        let id = self.link.state().random.uuid();
        let payload = Arc::new(payload);
        self.send(Envelope { id, kind, payload, takes_answer, attempt: 0, reason: "", answer: Some(answer) });
        outcome
    }

    /// Sends an event.
    pub(crate) fn tell(self: &Arc<Self>, payload: Arc<Value>) {
        let mut state = self.link.state();
        let id = state.random.uuid();
        state.open += 1;
        let envelope =
            Envelope { id, kind: Kind::Event, payload, takes_answer: false, attempt: 0, reason: "", answer: None };
        let Some((count, mut held)) = state.held.take() else {
            drop(state);
            self.send(envelope);
            return;
        };
        held.push(envelope);
        if held.len() < count {
            state.held = Some((count, held));
            return;
        }
        drop(state);
        for envelope in held.into_iter().rev() {
            self.send(envelope);
        }
    }

    /// Holds the next events back until there are so many, and sends the last of them first.
    pub(crate) fn hold(&self, count: usize) {
        self.link.state().held = Some((count, Vec::new()));
    }

    /// Sends the last envelopes once more, acknowledged or not.
    pub(crate) fn repeat(self: &Arc<Self>, count: usize) {
        let mut state = self.link.state();
        let first = state.recent.len().saturating_sub(count);
        let recent: Vec<_> = state.recent.range(first..).cloned().collect();
        state.open += recent.iter().filter(|(_, kind, ..)| *kind == Kind::Event).count();
        let mut envelopes = Vec::new();
        for (id, kind, payload, takes_answer) in recent {
            let (id, attempt, reason) =
                if kind == Kind::Event { (state.random.uuid(), 1, "timeout") } else { (id, 0, "") };
            envelopes.push(Envelope { id, kind, payload, takes_answer, attempt, reason, answer: None });
        }
        drop(state);
        for envelope in envelopes {
            self.send(envelope);
        }
    }

    /// Tells the oldest sockets that they are refreshed, and closes them after a while.
    pub(crate) fn refresh(&self, most: usize, reason: &'static str) -> usize {
        let before = self.link.sockets();
        let count = self.link.order(most, || Order::Refresh(reason));
        let mut state = self.link.state();
        let at = Instant::now() + self.options.refresh_grace;
        let closing: Vec<u64> =
            state.sockets.iter().filter(|socket| socket.is_closing).map(|socket| socket.id).collect();
        for id in closing {
            schedule(&mut state, &self.link.wake, at, Due::Close(id));
        }
        drop(state);
        count.min(before)
    }

    /// A socket is gone: what it did not acknowledge has failed.
    pub(crate) fn leave(self: &Arc<Self>, socket: u64) {
        let mut state = self.link.state();
        state.sockets.retain(|other| other.id != socket);
        let ids: Vec<String> = state
            .pending
            .iter()
            .filter(|(_, pending)| pending.socket == Some(socket))
            .map(|(id, _)| id.clone())
            .collect();
        let failed: Vec<Pending> = ids.iter().filter_map(|id| state.pending.remove(id)).collect();
        drop(state);
        for pending in failed {
            self.fail(pending.envelope, "timeout", "dispatch_failed");
        }
        self.wire.changed();
    }

    /// The app acknowledged an envelope.
    pub(crate) fn acknowledge(self: &Arc<Self>, id: &str, answer: Option<Value>) {
        let mut state = self.link.state();
        let Some(mut pending) = state.pending.remove(id) else {
            let is_late = state.expired.contains(id);
            drop(state);
            if !is_late {
                self.wire.complain(format!("an acknowledgement of `{id}`, which waits for none"));
            }
            return;
        };
        if state.lose > 0 {
            state.lose -= 1;
            pending.is_excused = true;
            state.pending.insert(id.to_owned(), pending);
            return;
        }
        let Pending { envelope, sent, .. } = pending;
        state.acknowledgements.push(sent.elapsed());
        if envelope.kind == Kind::Event {
            state.open -= 1;
        }
        drop(state);
        if answer.is_some() && !envelope.takes_answer {
            self.wire.complain(format!("an answer in the acknowledgement of `{id}`, which takes none"));
        }
        if let Some(waiting) = envelope.answer {
            // Whoever did it may have gone away.
            drop(waiting.send(Outcome::Acknowledged(answer)));
        }
        self.wire.changed();
    }

    /// Lets time pass: closes sockets, takes late acknowledgements for missing, sends again.
    pub(crate) async fn keep_time(self: &Arc<Self>) {
        loop {
            let next = self.link.state().due.first_key_value().map(|(key, _)| *key);
            match next {
                None => self.link.wake.notified().await,
                Some((at, _)) if at > Instant::now() => {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        () = self.link.wake.notified() => {}
                    }
                }
                Some(key) => {
                    let due = self.link.state().due.remove(&key);
                    if let Some(due) = due {
                        self.come(due);
                    }
                }
            }
        }
    }

    /// Sends an envelope to one of the sockets, whichever it is, or to the app's address.
    fn send(self: &Arc<Self>, envelope: Envelope) {
        let now = Instant::now();
        let deadline = now + self.options.acknowledge_within;
        let mut state = self.link.state();
        if envelope.attempt == 0 {
            let remembered = (envelope.id.clone(), envelope.kind, Arc::clone(&envelope.payload), envelope.takes_answer);
            state.recent.push_back(remembered);
            if state.recent.len() > REMEMBERED {
                state.recent.pop_front();
            }
        }
        let id = envelope.id.clone();
        if self.endpoint.is_set() {
            let (kind, payload) = (envelope.kind, Arc::clone(&envelope.payload));
            let (attempt, reason) = (envelope.attempt, envelope.reason);
            state.pending.insert(id.clone(), Pending { envelope, socket: None, sent: now, is_excused: false });
            drop(state);
            let workspace = Arc::clone(self);
            tokio::spawn(async move { workspace.post(id, kind, payload, attempt, reason).await });
            return;
        }
        let Some(place) = state.choose() else {
            drop(state);
            self.fail(envelope, "timeout", "dispatch_failed");
            return;
        };
        let frame = frame(&envelope);
        let socket = &state.sockets[place];
        let number = socket.id;
        let is_sent = socket.orders.send(Order::Text(frame)).is_ok();
        if !is_sent {
            drop(state);
            self.fail(envelope, "timeout", "dispatch_failed");
            return;
        }
        state.pending.insert(id.clone(), Pending { envelope, socket: Some(number), sent: now, is_excused: false });
        schedule(&mut state, &self.link.wake, deadline, Due::Acknowledgement(id, now));
    }

    /// A request over HTTP was not answered as it should be.
    pub(crate) fn fail_pending(self: &Arc<Self>, id: &str, reason: &'static str, error: &'static str) {
        let pending = self.link.state().pending.remove(id);
        if let Some(pending) = pending {
            self.fail(pending.envelope, reason, error);
        }
    }

    /// An event comes again after a while; of anything else the person sees that it failed.
    fn fail(self: &Arc<Self>, mut envelope: Envelope, reason: &'static str, error: &'static str) {
        if envelope.kind != Kind::Event {
            if let Some(waiting) = envelope.answer {
                drop(waiting.send(Outcome::Failed(error)));
            }
            self.wire.changed();
            return;
        }
        let mut state = self.link.state();
        let times = state.redeliver_after.as_ref().unwrap_or(&self.options.redeliver_after);
        let Some(wait) = times.get(envelope.attempt).copied() else {
            state.open -= 1;
            state.lost.push(envelope.payload["event_id"].as_str().unwrap_or_default().to_owned());
            drop(state);
            self.wire.changed();
            return;
        };
        envelope.attempt += 1;
        envelope.reason = reason;
        envelope.id = state.random.uuid();
        schedule(&mut state, &self.link.wake, Instant::now() + wait, Due::Again(envelope));
    }

    fn come(self: &Arc<Self>, due: Due) {
        match due {
            Due::Again(envelope) => self.send(envelope),
            Due::Close(socket) => {
                let state = self.link.state();
                if let Some(socket) = state.sockets.iter().find(|other| other.id == socket) {
                    drop(socket.orders.send(Order::Close));
                }
            }
            Due::Acknowledgement(id, sent) => {
                let mut state = self.link.state();
                if state.pending.get(&id).is_none_or(|pending| pending.sent != sent) {
                    return;
                }
                let Some(pending) = state.pending.remove(&id) else { return };
                state.expired.insert(id);
                let is_excused = pending.is_excused
                    || state.sockets.iter().any(|socket| Some(socket.id) == pending.socket && socket.is_silent);
                drop(state);
                if !is_excused {
                    let (kind, within) = (pending.envelope.kind.name(), self.options.acknowledge_within);
                    self.wire.complain(format!("no acknowledgement of an envelope of `{kind}` within {within:?}"));
                }
                self.fail(pending.envelope, "timeout", "operation_timeout");
            }
        }
    }
}
