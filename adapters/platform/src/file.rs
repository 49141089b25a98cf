//! Files: what a person sends along with a message, and what a thread is sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::safe::safe;

/// How many characters the name of a file may have.
const NAME_LIMIT: usize = 120;

/// A file that a person sent along with a message. It stays with the platform until it is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// As the platform tells it: [`file_name`] makes a name of it that may be used.
    pub name: String,
    /// The bytes, as far as the platform tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// By what the adapter finds it again, also after a restart; for itself alone to read.
    pub handle: String,
}

/// Why a file could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The platform does not have it, or not for us.
    #[error("{0}")]
    Refused(String),
    /// It has more bytes than are taken in.
    #[error("it is larger than {}", bytes(*.0))]
    TooLarge(u64),
    /// Try again after this time, or with growing waits where it is zero.
    #[error("{1}")]
    Later(Duration, String),
}

/// Takes a file in piece by piece, and no more of it than is wanted.
pub struct Intake<'a> {
    to: &'a mut (dyn AsyncWrite + Send + Unpin),
    limit: u64,
    taken: u64,
}

impl<'a> Intake<'a> {
    pub fn new(to: &'a mut (dyn AsyncWrite + Send + Unpin), limit: u64) -> Self {
        Self { to, limit, taken: 0 }
    }

    /// Refuses a file of which the platform says beforehand that it is too large.
    pub fn expects(&self, size: Option<u64>) -> Result<(), FetchError> {
        match size {
            Some(size) if size > self.limit => Err(FetchError::TooLarge(self.limit)),
            Some(_) | None => Ok(()),
        }
    }

    pub async fn take(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.taken = self.taken.saturating_add(piece.len() as u64);
        if self.taken > self.limit {
            return Err(FetchError::TooLarge(self.limit));
        }
        let written = self.to.write_all(piece).await;
        written.map_err(|error| FetchError::Later(Duration::ZERO, format!("it cannot be written here: {error}")))
    }

    /// How many bytes have come.
    pub async fn end(self) -> Result<u64, FetchError> {
        let flushed = self.to.flush().await;
        flushed.map_err(|error| FetchError::Later(Duration::ZERO, format!("it cannot be written here: {error}")))?;
        Ok(self.taken)
    }
}

/// A name of a file from outside, without what could act in a path, a terminal or a message.
///
/// It is one component without control characters and without what turns the direction of writing, has no dot at its front,
/// and is not too long. What the ending says is kept.
pub fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let shown = safe(last);
    let kept: String = shown
        .chars()
        .map(|character| match character {
            '"' | '<' | '>' | ':' | '|' | '?' | '*' | '`' => '_',
            blank if blank.is_whitespace() || blank.is_control() => ' ',
            other => other,
        })
        .collect();
    let words: Vec<&str> = kept.split_whitespace().collect();
    let joined = words.join(" ");
    let name = joined.trim_start_matches(['.', '-', ' ']).trim_end_matches(['.', ' ']);
    if name.is_empty() {
        return "file".to_owned();
    }
    shortened(name)
}

/// The name with its stem cut, so that the whole has at most so many characters and as many bytes as file systems take.
fn shortened(name: &str) -> String {
    let fits = |name: &str| name.chars().count() <= NAME_LIMIT && name.len() <= 2 * NAME_LIMIT;
    if fits(name) {
        return name.to_owned();
    }
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 16 => (stem, format!(".{ending}")),
        Some(_) | None => (name, String::new()),
    };
    let mut stem = stem.to_owned();
    while !stem.is_empty() && !fits(&format!("{stem}{ending}")) {
        stem.pop();
    }
    format!("{}{ending}", stem.trim_end())
}

/// A media type from outside as it may stand in a header; none for what is no media type.
pub fn media_type(told: &str) -> Option<String> {
    let told = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (kind, sub) = told.split_once('/')?;
    let is_token = |text: &str| {
        (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    (is_token(kind) && is_token(sub)).then_some(told)
}

/// A count of bytes as people read it: `17 bytes`, `1.4 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    match UNITS.into_iter().find(|(_, unit)| count >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
        None if count == 1 => "1 byte".to_owned(),
        None => format!("{count} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, file_name, media_type};
    use proptest::prelude::*;

    #[test]
    fn a_name_is_one_harmless_component() {
        assert_eq!(file_name("report.pdf"), "report.pdf");
        assert_eq!(file_name("../../etc/passwd"), "passwd");
        assert_eq!(file_name("C:\\Users\\ann\\a b.txt"), "a b.txt");
        assert_eq!(file_name(".ssh"), "ssh");
        assert_eq!(file_name("-rf"), "rf");
        assert_eq!(file_name(" . "), "file");
        assert_eq!(file_name(""), "file");
        assert_eq!(file_name("a\u{202e}gpj.exe"), "a‹U+202E›gpj.exe");
        assert_eq!(file_name("a\nb\u{0}.txt"), "a b␀.txt");
        assert_eq!(file_name("übersicht 😀.csv"), "übersicht 😀.csv");
        let long = file_name(&format!("{}.tar.gz", "x".repeat(500)));
        assert!(long.ends_with(".gz") && long.len() == 120, "{long}");
    }

    #[test]
    fn media_types_are_taken_apart_from_everything_else() {
        assert_eq!(media_type("Text/Plain; charset=utf-8").as_deref(), Some("text/plain"));
        assert_eq!(media_type("image/svg+xml").as_deref(), Some("image/svg+xml"));
        for odd in ["", "text", "text/", "/x", "a/b/c", "text/pl\r\nain", "text/ü"] {
            assert_eq!(media_type(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn sizes_read_like_sizes() {
        let shown: Vec<String> = [0, 1, 1023, 1024, 1536, 26_214_400, 5 << 30].into_iter().map(bytes).collect();
        assert_eq!(shown, ["0 bytes", "1 byte", "1023 bytes", "1.0 KB", "1.5 KB", "25.0 MB", "5.0 GB"]);
    }

    proptest! {
        #[test]
        fn no_name_leads_anywhere(name in any::<String>()) {
            let kept = file_name(&name);
            prop_assert!(!kept.is_empty() && kept != "." && kept != ".." && !kept.starts_with(['.', '-']));
            prop_assert!(!kept.contains(['/', '\\', '"', '\0']) && !kept.chars().any(char::is_control));
            prop_assert!(kept.chars().count() <= 120 && kept.len() <= 240);
            prop_assert_eq!(file_name(&kept), kept);
        }
    }
}
