//! What a failed call means for a post.

use std::time::Duration;

use kanban_platform::PostError;

use crate::api::{CallError, Refusal};

/// How long to wait where something on the way refuses, not Discord itself.
const ELSEWHERE: Duration = Duration::from_secs(60);

pub(crate) mod code {
    //! Codes of Discord's reference ("JSON Error Codes") that decide something here.
    pub(crate) const UNKNOWN_CHANNEL: i64 = 10003;
    pub(crate) const UNKNOWN_MESSAGE: i64 = 10008;
    pub(crate) const UNKNOWN_WEBHOOK: i64 = 10015;
    pub(crate) const UNKNOWN_INTERACTION: i64 = 10062;
    pub(crate) const TOO_LARGE: i64 = 40005;
    pub(crate) const ALREADY_ACKNOWLEDGED: i64 = 40060;
    pub(crate) const MISSING_ACCESS: i64 = 50001;
    pub(crate) const MISSING_PERMISSIONS: i64 = 50013;
    pub(crate) const INVALID_WEBHOOK_TOKEN: i64 = 50027;
    pub(crate) const ARCHIVED: i64 = 50083;
    pub(crate) const NO_REPLY_WITHOUT_HISTORY: i64 = 160_002;
    pub(crate) const HAS_THREAD: i64 = 160_004;
    pub(crate) const LOCKED: i64 = 160_005;
}

/// The answer to the gateway when a message could not be sent.
pub(crate) fn of_send(error: CallError) -> PostError {
    match error {
        CallError::NotSent(_) => PostError::Later(Duration::ZERO, error.to_string()),
        CallError::Unsure(_) => PostError::Ambiguous(error.to_string()),
        CallError::Limited(wait) => PostError::Later(wait, error.to_string()),
        CallError::Refused(refusal) => of_refusal(&refusal),
    }
}

/// The answer when a message could not be edited. That the message is missing says nothing about its channel.
pub(crate) fn of_edit(error: CallError) -> PostError {
    match error {
        CallError::Refused(refusal) if refusal.code == code::UNKNOWN_MESSAGE => {
            PostError::Refused("the message was deleted".to_owned())
        }
        CallError::NotSent(_) | CallError::Unsure(_) | CallError::Limited(_) | CallError::Refused(_) => of_send(error),
    }
}

/// The answer when a thread could not be opened. That the bot may open none, or none on this message, says nothing about
/// the channel.
pub(crate) fn of_open(error: CallError) -> PostError {
    match error {
        CallError::Refused(refusal) if refusal.code == code::MISSING_PERMISSIONS => PostError::Refused(format!(
            "no thread can be opened; give the bot the permission Create Public Threads in this channel: {refusal}"
        )),
        CallError::NotSent(_) | CallError::Unsure(_) | CallError::Limited(_) | CallError::Refused(_) => of_edit(error),
    }
}

/// Whether a sign below a message was set, as far as it can be: Discord's own no is the last word on it.
pub(crate) fn of_reaction(error: CallError) -> Result<(), PostError> {
    match error {
        CallError::Refused(refusal) if refusal.code != 0 => {
            tracing::debug!(%refusal, "a message was not marked as taken in");
            Ok(())
        }
        CallError::NotSent(_) | CallError::Unsure(_) | CallError::Limited(_) | CallError::Refused(_) => {
            Err(of_send(error))
        }
    }
}

/// What was said in a channel where it cannot be read: nothing, if that is Discord's own no.
pub(crate) fn of_read<T: Default>(error: CallError) -> Result<T, PostError> {
    match error {
        CallError::Refused(refusal) if refusal.code != 0 => Ok(T::default()),
        // To read changes nothing, so there is no doubt about it.
        CallError::Unsure(reason) => Err(PostError::Later(Duration::ZERO, reason)),
        CallError::NotSent(_) | CallError::Limited(_) | CallError::Refused(_) => Err(of_send(error)),
    }
}

/// The answer when a look at what is there failed: the post in doubt stays in doubt.
pub(crate) fn of_look(error: CallError) -> PostError {
    match error {
        CallError::Limited(wait) => PostError::Later(wait, error.to_string()),
        CallError::NotSent(_) | CallError::Unsure(_) => PostError::Ambiguous(error.to_string()),
        CallError::Refused(refusal) => match of_refusal(&refusal) {
            gone @ PostError::Gone(_) => gone,
            PostError::Later(wait, reason) => PostError::Later(wait, reason),
            PostError::Refused(reason) | PostError::Ambiguous(reason) => PostError::Ambiguous(reason),
        },
    }
}

fn of_refusal(refusal: &Refusal) -> PostError {
    match (refusal.status, refusal.code) {
        (401, _) => PostError::Later(ELSEWHERE, format!("the bot's token is not taken: {refusal}")),
        // A ban by address or a proxy on the way answers without a code.
        (403, 0) => PostError::Later(ELSEWHERE, refusal.to_string()),
        // A thread that is archived or locked answers 400.
        (403 | 404, _) | (_, code::ARCHIVED | code::LOCKED) => PostError::Gone(refusal.to_string()),
        (413, _) | (_, code::TOO_LARGE) => PostError::Refused("Discord takes no files of this size here".to_owned()),
        _ => PostError::Refused(refusal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kanban_platform::PostError;

    use super::{of_edit, of_look, of_open, of_reaction, of_read, of_send};
    use crate::api::{CallError, Refusal};

    fn refused(status: u16, code: i64) -> CallError {
        CallError::Refused(Refusal { status, code, message: "no".to_owned() })
    }

    #[test]
    fn refusals_fall_into_their_kinds() {
        assert!(matches!(of_send(refused(404, 10003)), PostError::Gone(_)));
        assert!(matches!(of_send(refused(403, 50013)), PostError::Gone(_)));
        assert!(matches!(of_send(refused(403, 50007)), PostError::Gone(_)));
        assert!(matches!(of_send(refused(400, 50083)), PostError::Gone(_)));
        assert!(matches!(of_send(refused(400, 160_005)), PostError::Gone(_)));
        assert!(matches!(of_send(refused(403, 0)), PostError::Later(..)));
        assert!(matches!(of_send(refused(401, 0)), PostError::Later(..)));
        assert!(matches!(of_send(refused(400, 50035)), PostError::Refused(_)));
        assert!(matches!(of_send(refused(413, 40005)), PostError::Refused(_)));
        assert!(matches!(of_edit(refused(404, 10008)), PostError::Refused(_)));
        assert!(matches!(of_edit(refused(404, 10003)), PostError::Gone(_)));
        for (status, code) in [(403, 50013), (404, 10008), (400, 50024), (400, 160_006)] {
            assert!(matches!(of_open(refused(status, code)), PostError::Refused(_)), "{code}");
        }
        assert!(matches!(of_open(refused(404, 10003)), PostError::Gone(_)));
        assert!(matches!(of_open(refused(403, 50001)), PostError::Gone(_)));
        assert!(matches!(of_open(CallError::Unsure(String::new())), PostError::Ambiguous(_)));
        for (status, code) in [(403, 50013), (404, 10008), (404, 10003), (400, 30010), (403, 90001)] {
            assert_eq!(of_reaction(refused(status, code)), Ok(()), "{code}");
            assert_eq!(of_read::<Vec<u8>>(refused(status, code)), Ok(Vec::new()), "{code}");
        }
        assert!(matches!(of_reaction(refused(403, 0)), Err(PostError::Later(..))));
        assert!(matches!(of_read::<Vec<u8>>(CallError::Unsure(String::new())), Err(PostError::Later(..))));
    }

    #[test]
    fn doubt_stays_doubt() {
        assert!(matches!(of_send(CallError::Unsure(String::new())), PostError::Ambiguous(_)));
        assert!(matches!(of_send(CallError::NotSent(String::new())), PostError::Later(Duration::ZERO, _)));
        assert!(matches!(of_look(CallError::NotSent(String::new())), PostError::Ambiguous(_)));
        assert!(matches!(of_look(refused(400, 50035)), PostError::Ambiguous(_)));
    }
}
