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

/// The id of the bot's app, which the first part of its token is: a number in base64.
pub fn application_of(token: &str) -> Option<u64> {
    let (first, _) = token.trim().split_once('.')?;
    let (mut bits, mut held, mut digits) = (0_u32, 0, String::new());
    for sign in first.bytes() {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            digits.push(char::from(u8::try_from((bits >> held) & 0xff).ok()?));
        }
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::application_of;

    #[test]
    fn a_token_names_its_app() {
        let id = Some(123_456_789_012_345_678);
        assert_eq!(application_of("MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.rest-of_it"), id);
        for other in ["", "token", "a.b.c", "MTIz\u{e9}.x", "!!!.x"] {
            assert_eq!(application_of(other), None, "{other}");
        }
    }
}
