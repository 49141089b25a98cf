//! Why a call to Slack came to nothing, and what the gateway should make of it.

use std::time::Duration;

use hyper_util::client::legacy;
use kanban_platform::PostError;
use slack_morphism::errors::SlackClientError;

/// How long a 429 lasts that does not say so.
const UNNAMED_WAIT: Duration = Duration::from_secs(10);

/// How long to wait for somebody to mend the token or the app.
const MENDING: Duration = Duration::from_secs(120);

/// Why a call came to nothing. Nothing in it comes from a body: those hold people's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Slack's own no, by its code.
    No(String),
    /// Too many calls.
    TooMany(Duration),
    /// No connection was made, so nothing was said.
    NotSent,
    /// An HTTP status that is a no.
    Status(u16),
    /// It may have been done.
    Unknown(&'static str),
}

/// What a code of Slack's means for a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The place is gone, or is closed to us.
    Place,
    /// The token or the app is not what it should be.
    App,
    /// Slack failed in the middle.
    Middle,
    /// Too many calls.
    Many,
    /// The call itself is wrong.
    Call,
}

impl Failure {
    /// What the gateway should do about a post.
    pub(crate) fn into_post_error(self) -> PostError {
        match self {
            Self::No(code) => match meaning(&code) {
                Meaning::Place => PostError::Gone(format!("Slack says `{code}`")),
                Meaning::App => PostError::Later(MENDING, format!("Slack says `{code}` to the token")),
                Meaning::Middle => PostError::Ambiguous(format!("Slack says `{code}`")),
                Meaning::Many => PostError::Later(UNNAMED_WAIT, "Slack asks for patience".to_owned()),
                Meaning::Call => PostError::Refused(format!("Slack says `{code}`")),
            },
            Self::TooMany(wait) => PostError::Later(wait, "Slack asks for patience".to_owned()),
            Self::NotSent => PostError::Later(Duration::ZERO, "Slack cannot be reached".to_owned()),
            Self::Status(status) => PostError::Refused(format!("Slack answered with status {status}")),
            Self::Unknown(why) => PostError::Ambiguous(why.to_owned()),
        }
    }

    /// Whether the token or the app must be mended before anything can work.
    pub(crate) fn is_app(&self) -> bool {
        matches!(self, Self::No(code) if meaning(code) == Meaning::App)
    }

    /// Whether a scope is all that is missing.
    pub(crate) fn is_scope(&self) -> bool {
        matches!(self, Self::No(code) if code == "missing_scope")
    }

    /// Whether Slack will say the same to this call however often it is made, though the token is good.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::No(code) => match meaning(code) {
                Meaning::Place | Meaning::Call => true,
                Meaning::App => self.is_scope(),
                Meaning::Middle | Meaning::Many => false,
            },
            Self::Status(_) => true,
            Self::TooMany(_) | Self::NotSent | Self::Unknown(_) => false,
        }
    }

    /// The reason in a few words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::No(code) => format!("Slack says `{code}`"),
            Self::TooMany(wait) => format!("Slack asks for patience for {} s", wait.as_secs()),
            Self::NotSent => "Slack cannot be reached".to_owned(),
            Self::Status(status) => format!("Slack answered with status {status}"),
            Self::Unknown(why) => (*why).to_owned(),
        }
    }
}

impl From<SlackClientError> for Failure {
    fn from(error: SlackClientError) -> Self {
        match error {
            SlackClientError::ApiError(error) => match error.code.as_str() {
                "ratelimited" | "rate_limited" => Self::TooMany(UNNAMED_WAIT),
                _ => Self::No(error.code),
            },
            SlackClientError::RateLimitError(error) => Self::TooMany(error.retry_after.unwrap_or(UNNAMED_WAIT)),
            SlackClientError::HttpError(error) if error.status_code.is_server_error() => {
                Self::Unknown("Slack failed before it answered")
            }
            SlackClientError::HttpError(error) => Self::Status(error.status_code.as_u16()),
            SlackClientError::HttpProtocolError(error) => {
                let cause = error.cause.as_ref().and_then(|cause| cause.downcast_ref::<legacy::Error>());
                if cause.is_some_and(legacy::Error::is_connect) {
                    Self::NotSent
                } else {
                    Self::Unknown("the connection to Slack broke")
                }
            }
            SlackClientError::ProtocolError(_) => Self::Unknown("Slack's answer cannot be read"),
            SlackClientError::EndOfStream(_)
            | SlackClientError::SystemError(_)
            | SlackClientError::SocketModeProtocolError(_) => Self::Unknown("the connection to Slack broke"),
        }
    }
}

/// Sorts the codes that the pages of chat.postMessage, chat.update, chat.postEphemeral, conversations.replies and
/// files.completeUploadExternal list. A code that none of them lists is taken for a wrong call, which is put aside
/// visibly rather than tried for ever.
fn meaning(code: &str) -> Meaning {
    match code {
        "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "is_inactive"
        | "thread_not_found"
        | "no_permission"
        | "cannot_reply_to_message"
        | "channel_type_not_supported"
        | "method_not_supported_for_channel_type"
        | "messages_tab_disabled"
        | "cannot_dm_bot"
        | "user_not_found"
        | "user_disabled"
        | "user_is_restricted"
        | "team_not_found"
        | "access_denied"
        | "ekm_access_denied"
        | "team_access_not_granted"
        | "not_visible" => Meaning::Place,
        _ if code.starts_with("restricted_action") => Meaning::Place,
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "not_allowed_token_type"
        | "org_login_required"
        | "two_factor_setup_required"
        | "app_missing"
        | "invalid_app_id"
        | "enterprise_is_restricted" => Meaning::App,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => Meaning::Middle,
        "ratelimited" | "rate_limited" | "team_added_to_org" | "external_channel_migrating" => Meaning::Many,
        _ => Meaning::Call,
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use kanban_platform::PostError;

    #[test]
    fn a_code_says_whether_the_place_the_app_or_the_post_is_wrong() {
        let post_error = |code: &str| Failure::No(code.to_owned()).into_post_error();
        assert!(matches!(post_error("is_archived"), PostError::Gone(_)));
        assert!(matches!(post_error("restricted_action_read_only_channel"), PostError::Gone(_)));
        assert!(matches!(post_error("token_revoked"), PostError::Later(wait, _) if wait.as_secs() >= 60));
        assert!(matches!(post_error("msg_blocks_too_long"), PostError::Refused(_)));
        assert!(matches!(post_error("something_new"), PostError::Refused(_)));
        assert!(matches!(post_error("fatal_error"), PostError::Ambiguous(_)));
    }
}
