//! What the adapter has from the settings, and what of it cannot work.

use std::{fmt, net::SocketAddr};

use kanban_platform::PlatformError;
use url::Url;

/// One bot, as the table `[platforms.telegram]` of the settings describes it.
pub struct Options {
    /// The name of the platform: `telegram`, or `telegram.acme` for one of several bots.
    pub name: String,
    pub token: String,
    /// Another address of the Bot API: a server of one's own, or a test's.
    pub api_base: Option<String>,
    pub mode: Mode,
    /// Where the webhook listens.
    pub listen: Option<SocketAddr>,
    /// The address under which Telegram reaches the webhook. A port of 0 stands for the port that is bound.
    pub webhook_url: Option<String>,
    pub webhook_secret: Option<String>,
}

/// How updates come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// We ask for them.
    #[default]
    Polling,
    /// Telegram sends them.
    Webhook,
}

impl fmt::Debug for Options {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("name", &self.name).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// The ways in, with everything that each of them needs.
#[derive(Clone)]
pub(crate) enum Entrance {
    Polling,
    Webhook(Webhook),
}

#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) listen: SocketAddr,
    pub(crate) url: Url,
    pub(crate) secret: String,
}

impl Options {
    /// The token, if it has the form that `@BotFather` gives tokens. It becomes part of addresses, so nothing else
    /// may pass.
    pub(crate) fn token(&self) -> Result<&str, PlatformError> {
        let has_form = self.token.split_once(':').is_some_and(|(id, secret)| {
            !id.is_empty()
                && id.bytes().all(|byte| byte.is_ascii_digit())
                && !secret.is_empty()
                && secret.bytes().all(is_token_byte)
        });
        if has_form {
            Ok(&self.token)
        } else {
            Err(self.wrong("token", "is not of the form `123456:ABC-def` that @BotFather gives out"))
        }
    }

    pub(crate) fn base(&self) -> Result<Option<Url>, PlatformError> {
        let Some(base) = &self.api_base else { return Ok(None) };
        match Url::parse(base) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
            Ok(_) | Err(_) => Err(self.wrong("api_base", "is not an address that begins with `https://` or `http://`")),
        }
    }

    pub(crate) fn entrance(&self) -> Result<Entrance, PlatformError> {
        match self.mode {
            Mode::Polling => Ok(Entrance::Polling),
            Mode::Webhook => Ok(Entrance::Webhook(self.webhook()?)),
        }
    }

    fn webhook(&self) -> Result<Webhook, PlatformError> {
        let missing = |setting: &str| self.wrong(setting, "is needed when `mode` is \"webhook\"");
        let listen = self.listen.ok_or_else(|| missing("listen"))?;
        let url = self.webhook_url.as_deref().ok_or_else(|| missing("webhook_url"))?;
        let secret = self.webhook_secret.clone().ok_or_else(|| missing("webhook_secret"))?;
        let url = Url::parse(url).map_err(|_| self.wrong("webhook_url", "is not an address"))?;
        // A server of one's own may send to plain HTTP; Telegram itself does not (setWebhook).
        let is_sent_to = url.scheme() == "https" || (url.scheme() == "http" && self.api_base.is_some());
        if !is_sent_to || !url.has_host() {
            return Err(self.wrong("webhook_url", "must begin with `https://`: Telegram sends to nothing else"));
        }
        // The form is setWebhook's `secret_token`.
        if !(1..=256).contains(&secret.len()) || !secret.bytes().all(is_token_byte) {
            return Err(self.wrong("webhook_secret", "must be 1 to 256 of `A-Z a-z 0-9 _ -`"));
        }
        Ok(Webhook { listen, url, secret })
    }

    fn wrong(&self, setting: &str, what: &str) -> PlatformError {
        PlatformError::Misconfigured(format!("`{setting}` in [platforms.{}] {what}", self.name))
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::{Entrance, Mode, Options};

    fn options(mode: Mode) -> Options {
        Options {
            name: "telegram".to_owned(),
            token: "1234:AAA-bb_c".to_owned(),
            api_base: None,
            mode,
            listen: Some("127.0.0.1:8443".parse().expect("an address")),
            webhook_url: Some("https://bots.example/telegram".to_owned()),
            webhook_secret: Some("s3cret_-".to_owned()),
        }
    }

    #[test]
    fn says_which_setting_is_wrong() {
        for token in ["", "abc", "12:", ":ab", "12:a/b", "12:a b", "12a:bc", "12:a%2f"] {
            let error = Options { token: token.to_owned(), ..options(Mode::Polling) }.token().unwrap_err();
            assert!(error.to_string().starts_with("`token` in [platforms.telegram]"), "{error}");
            assert!(token.is_empty() || !error.to_string().contains(&format!("`{token}`")), "{error}");
        }
        assert!(Options { api_base: Some("bots.example".to_owned()), ..options(Mode::Polling) }.base().is_err());
        let webhook = || options(Mode::Webhook);
        for wrong in [
            Options { listen: None, ..webhook() },
            Options { webhook_url: None, ..webhook() },
            Options { webhook_url: Some("http://bots.example/".to_owned()), ..webhook() },
            Options { webhook_secret: None, ..webhook() },
            Options { webhook_secret: Some("a b".to_owned()), ..webhook() },
        ] {
            assert!(wrong.entrance().is_err());
        }
        assert!(matches!(webhook().entrance(), Ok(Entrance::Webhook(_))));
        assert!(matches!(options(Mode::Polling).entrance(), Ok(Entrance::Polling)));
    }

    #[test]
    fn shows_no_secret() {
        let shown = format!("{:?}", options(Mode::Webhook));
        assert!(!shown.contains("AAA") && !shown.contains("s3cret"), "{shown}");
    }
}
