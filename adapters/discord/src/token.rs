//! The bot's token, which no log and no error shows.

use std::fmt;

pub(crate) struct Token(String);

impl Token {
    pub(crate) fn new(token: &str) -> Self {
        let token = token.trim();
        Self(token.strip_prefix("Bot ").unwrap_or(token).to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
