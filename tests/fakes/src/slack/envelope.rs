//! What is on its way to the app.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Slash,
    Interactive,
    Event,
}

impl Kind {
    /// The type of its envelopes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Slash => "slash_commands",
            Self::Interactive => "interactive",
            Self::Event => "events_api",
        }
    }
}

/// Something on its way to the app.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) payload: Arc<Value>,
    /// The acknowledgement may carry an answer.
    pub(crate) takes_answer: bool,
    /// How often it was sent before.
    pub(crate) attempt: usize,
    /// Why it comes again.
    pub(crate) reason: &'static str,
    pub(crate) answer: Option<oneshot::Sender<Outcome>>,
}

/// What became of something that a person did.
#[derive(Debug)]
pub(crate) enum Outcome {
    Acknowledged(Option<Value>),
    /// The person sees an error with this name.
    Failed(&'static str),
}

/// The text of an envelope. Its payload is written as it is, without a copy of it.
pub(crate) fn frame(envelope: &Envelope) -> String {
    let Envelope { id, kind, payload, takes_answer, attempt, reason, .. } = envelope;
    let name = kind.name();
    let mut frame = format!(
        r#"{{"envelope_id":"{id}","payload":{payload},"type":"{name}","accepts_response_payload":{takes_answer}"#
    );
    if *kind == Kind::Event {
        frame.push_str(&format!(r#","retry_attempt":{attempt},"retry_reason":"{reason}""#));
    }
    frame.push('}');
    frame
}
