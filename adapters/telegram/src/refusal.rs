//! What a call that failed means for the post.

use std::time::Duration;

use kanban_platform::PostError;

use crate::api::{Fault, Refusal};

/// Parts of descriptions, in small letters, that say that a place is no more or not for us. Telegram has no codes for
/// them.
const GONE: [&str; 16] = [
    "chat not found",
    "chat_id_invalid",
    "peer_id_invalid",
    "user not found",
    "message thread not found",
    "thread not found",
    "topic_closed",
    "topic_deleted",
    "topic_id_invalid",
    "group chat was deactivated",
    "group chat was upgraded",
    "channel_private",
    "chat_write_forbidden",
    "chat_restricted",
    "have no rights to send",
    "not enough rights",
];

/// What the gateway is to do about it.
pub(crate) fn judge(fault: Fault) -> PostError {
    match fault {
        Fault::NotSent(reason) => PostError::Later(Duration::ZERO, reason),
        Fault::Unclear(reason) => PostError::Ambiguous(reason),
        Fault::No(Refusal { code: 429, description, retry_after, .. }) => {
            PostError::Later(retry_after.unwrap_or_default(), description)
        }
        // The token is not known any more, or another program has the bot: the posts stay owed until that is mended.
        Fault::No(Refusal { code: 401 | 404 | 409, description, .. }) => PostError::Later(Duration::ZERO, description),
        Fault::No(Refusal { code: 403, description, .. }) => PostError::Gone(description),
        Fault::No(Refusal { description, .. }) if says(&description, &GONE) => PostError::Gone(description),
        Fault::No(Refusal { description, .. }) => PostError::Refused(description),
    }
}

/// Parts of descriptions that say that a chat has no topics, or that the bot may not open one.
const NO_TOPICS: [&str; 5] =
    ["the chat is not a forum", "not enough rights", "chat_admin_required", "forum_missing", "topics_disabled"];

/// The message has this text already.
pub(crate) fn is_not_modified(fault: &Fault) -> bool {
    is_no(fault, &["message is not modified"])
}

/// The message is a file: its text is a caption.
pub(crate) fn is_without_text(fault: &Fault) -> bool {
    is_no(fault, &["there is no text in the message to edit"])
}

/// The chat can have no topic of ours.
pub(crate) fn has_no_topics(fault: &Fault) -> bool {
    is_no(fault, &NO_TOPICS)
}

/// Whatever stands in the way of a sign below a message will stand there the next time: the message or the right to set
/// signs is missing.
pub(crate) fn is_no_sign(fault: &Fault) -> bool {
    match fault {
        Fault::No(Refusal { code, .. }) => matches!(code, 400 | 403),
        Fault::NotSent(_) | Fault::Unclear(_) => false,
    }
}

fn is_no(fault: &Fault, descriptions: &[&str]) -> bool {
    match fault {
        Fault::No(Refusal { code: 400, description, .. }) => says(description, descriptions),
        Fault::No(_) | Fault::NotSent(_) | Fault::Unclear(_) => false,
    }
}

fn says(description: &str, any: &[&str]) -> bool {
    let description = description.to_lowercase();
    any.iter().any(|part| description.contains(part))
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::api::{Fault, Refusal};
    use kanban_platform::PostError;
    use std::time::Duration;

    fn no(code: u16, description: &str) -> PostError {
        let (description, retry_after) = (description.to_owned(), (code == 429).then_some(Duration::from_secs(7)));
        judge(Fault::No(Refusal { code, description, retry_after, migrate_to: None }))
    }

    #[test]
    fn descriptions_tell_what_is_gone() {
        for (code, description) in [
            (403, "Forbidden: bot was blocked by the user"),
            (403, "Forbidden: bot was kicked from the supergroup chat"),
            (403, "Forbidden: bot is not a member of the channel chat"),
            (400, "Bad Request: chat not found"),
            (400, "Bad Request: message thread not found"),
            (400, "Bad Request: TOPIC_CLOSED"),
            (400, "Bad Request: not enough rights to send text messages to the chat"),
        ] {
            assert!(matches!(no(code, description), PostError::Gone(_)), "{description}");
        }
        for description in ["Bad Request: message is too long", "Bad Request: message to edit not found"] {
            assert!(matches!(no(400, description), PostError::Refused(_)), "{description}");
        }
        assert!(matches!(no(413, "Request Entity Too Large"), PostError::Refused(_)));
        assert_eq!(
            no(429, "Too Many Requests"),
            PostError::Later(Duration::from_secs(7), "Too Many Requests".to_owned())
        );
        assert!(matches!(no(401, "Unauthorized"), PostError::Later(Duration::ZERO, _)));
        assert!(matches!(judge(Fault::Unclear("reset".to_owned())), PostError::Ambiguous(_)));
    }
}
