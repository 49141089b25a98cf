//! Roles that were given while the gateway runs, and the code by which somebody becomes owner. In the default board.

use sha2::{Digest, Sha256};

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        statements::*,
    },
    clock::Millis,
    random,
    secret::Secret,
};

/// How long a code can be used.
pub const CODE_LIFE: Millis = 60 * 60 * 1_000;

/// How often a code may be missed, by whomever, before it is locked.
pub const MOST_MISSES: i64 = 5;

/// The time between two tries of one person.
pub const BETWEEN_TRIES: Millis = 10_000;

/// A role for somebody, as the database has it; an empty part of where it holds is everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Granted {
    /// `platform:id`.
    pub who: String,
    pub role: String,
    pub platform: String,
    pub space: String,
    pub channel: String,
    pub board: String,
    pub tenant: String,
    pub granted_by: String,
    pub granted_at: Millis,
}

/// A code for pairing: 8 signs that nobody takes for one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(Secret);

impl Code {
    const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    const LENGTH: usize = 8;

    /// Draws a code. One of digits or of letters alone is drawn again, so that no word is taken for a try.
    pub fn draw() -> Self {
        loop {
            let drawn: [u8; Self::LENGTH] = random::bytes();
            let text: String = drawn.iter().map(|byte| char::from(Self::SIGNS[usize::from(byte % 32)])).collect();
            if let Some(code) = Self::read(&text) {
                return code;
            }
        }
    }

    /// Reads what somebody has typed, in whichever case and with whatever blanks; none if it cannot be a code.
    pub fn read(typed: &str) -> Option<Self> {
        // Nobody types more blanks than signs, and a long message is no code.
        if typed.len() > 4 * Self::LENGTH {
            return None;
        }
        let text: String =
            typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        let is_code = text.len() == Self::LENGTH
            && text.bytes().all(|byte| Self::SIGNS.contains(&byte))
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_code.then(|| Self(Secret::new(text)))
    }

    /// The code itself, for the terminal of the host alone.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    fn hash(&self, salt: &str) -> Secret {
        let digest = Sha256::digest(format!("{salt}:{}", self.0.expose()));
        Secret::new(format!("{salt}:{}", random::hex_of(&digest)))
    }
}

/// What became of a try to pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// The code was right, and is used up.
    Right,
    Wrong {
        /// The person tries for the first time since the code was made.
        is_first: bool,
    },
    /// Nothing was compared: the person tried a moment ago.
    TooSoon,
    /// Nothing was compared: the code is too old, or it was missed too often.
    Closed,
    /// Nothing was compared: there is no code, or the person was told a moment ago that it is closed.
    Ignored,
}

#[derive(sqlx::FromRow)]
struct Row {
    hash: String,
    expires_at: Millis,
    misses: i64,
}

impl Tx {
    /// Every role that was given while the gateway runs, oldest first.
    pub async fn grants(&mut self) -> Result<Vec<Granted>, Error> {
        Ok(sql!(self, GRANTS; fetch_all))
    }

    /// Gives a role, in place of one for the same person and the same places.
    pub async fn grant(&mut self, grant: &Granted) -> Result<(), Error> {
        sql!(self, SET_GRANT, &grant.who, &grant.role, &grant.platform, &grant.space, &grant.channel, &grant.board,
            &grant.tenant, &grant.granted_by, grant.granted_at; execute);
        Ok(())
    }

    /// Takes a role back. Answers whether there was one for just these places.
    pub async fn revoke(&mut self, grant: &Granted) -> Result<bool, Error> {
        Ok(sql!(self, DELETE_GRANT, &grant.who, &grant.platform, &grant.space, &grant.channel, &grant.board,
            &grant.tenant; execute)
            > 0)
    }

    /// Makes a code the one that counts.
    pub async fn open_pairing(&mut self, code: &Code, now: Millis) -> Result<(), Error> {
        let hash = code.hash(&random::hex::<8>());
        sql!(self, OPEN_PAIRING, hash.expose(), now + CODE_LIFE; execute);
        sql!(self, CLEAR_PAIRING_TRIES; execute);
        Ok(())
    }

    /// Whether a code is open that somebody could still send.
    pub async fn is_pairing_open(&mut self, now: Millis) -> Result<bool, Error> {
        let found: Option<Row> = sql!(self, PAIRING; fetch_optional);
        Ok(found.is_some_and(|row| row.is_open(now)))
    }

    /// Holds what a person has typed against the code, and uses the code up if it is right.
    pub async fn try_pairing(&mut self, code: &Code, person: &str, now: Millis) -> Result<Pairing, Error> {
        let found: Option<Row> = sql!(self, PAIRING; fetch_optional);
        let Some(row) = found else { return Ok(Pairing::Ignored) };
        let last: Option<(Millis,)> = sql!(self, PAIRING_TRY, person; fetch_optional);
        let is_soon = last.is_some_and(|(at,)| (0..BETWEEN_TRIES).contains(&(now - at)));
        match (row.is_open(now), is_soon) {
            (true, true) => return Ok(Pairing::TooSoon),
            // A closed code is guessed at in vain, so whoever goes on is not answered each time.
            (false, true) => return Ok(Pairing::Ignored),
            (true, false) | (false, false) => {}
        }
        sql!(self, SET_PAIRING_TRY, person, now; execute);
        if !row.is_open(now) {
            return Ok(Pairing::Closed);
        }
        let salt = row.hash.split(':').next().unwrap_or_default();
        if code.hash(salt) == Secret::new(row.hash.as_str()) {
            sql!(self, CLOSE_PAIRING; execute);
            sql!(self, CLEAR_PAIRING_TRIES; execute);
            return Ok(Pairing::Right);
        }
        sql!(self, MISS_PAIRING; execute);
        Ok(Pairing::Wrong { is_first: last.is_none() })
    }
}

impl Row {
    fn is_open(&self, now: Millis) -> bool {
        now < self.expires_at && self.misses < MOST_MISSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it_and_words_are_none() {
        for _ in 0..1_000 {
            let code = Code::draw();
            let text = code.expose().to_owned();
            assert_eq!(text.len(), 8);
            let typed = format!(" {} {}\n", &text[..4].to_lowercase(), &text[4..]);
            assert_eq!(Code::read(&typed), Some(code));
        }
        for words in ["greetngs", "12345678", "", "1A2B3C4", "1A2B3C4D5", "1A2B3C4O", "ab cd", &"1A ".repeat(100)] {
            assert_eq!(Code::read(words), None, "{words}");
        }
    }
}
