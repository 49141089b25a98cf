//! Secrets in texts that go out: what the settings hold, in whichever plain encoding, and whatever looks like a token.

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range};

use kanban_platform::{Block, Button, Post, safe};

use crate::secret::Secret;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// A shorter value is as likely a word of everyday language.
const SHORTEST: usize = 6;

/// Of a shorter value too little is left in base 64 to know it by.
const LEAST_INNER: usize = 8;

/// Finds secrets in a text and takes them out. A text without any is handed back as it is.
#[derive(Clone, Default)]
pub struct Redactor {
    /// The forms of the known values by their first two bytes, the longest first.
    known: BTreeMap<[u8; 2], Vec<String>>,
}

impl Redactor {
    /// One that knows these values, beside the shapes of tokens.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut known: BTreeMap<[u8; 2], Vec<String>> = BTreeMap::new();
        for secret in secrets.into_iter().map(|secret| secret.expose().trim()).filter(|text| text.len() >= SHORTEST) {
            for form in forms(secret) {
                if let [first, second, ..] = *form.as_bytes() {
                    known.entry([first, second]).or_default().push(form);
                }
            }
        }
        for forms in known.values_mut() {
            forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            forms.dedup();
        }
        Self { known }
    }

    /// The text without secrets.
    ///
    /// Where it holds signs that nobody sees and that platforms leave out, it is what they would show: such a sign within
    /// a secret hides it from nobody.
    pub fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let has_hidden = text.contains(['\u{200b}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{feff}', '\r']);
        if has_hidden && let Cow::Owned(cleaned) = self.clean_shown(&safe(text)) {
            return Cow::Owned(cleaned);
        }
        self.clean_shown(text)
    }

    fn clean_shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found = Vec::new();
        self.find_known(text, &mut found);
        find_keys(text, &mut found);
        find_tokens(text, &mut found);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| (range.start, range.end));
        let mut cleaned = String::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            if range.start >= end {
                cleaned.push_str(&text[end..range.start]);
                cleaned.push_str(REDACTED);
            }
            end = end.max(range.end);
        }
        cleaned.push_str(&text[end..]);
        Cow::Owned(cleaned)
    }

    /// A text that is ours to change, without secrets.
    pub fn cleaned(&self, text: String) -> String {
        match self.clean(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(cleaned) => cleaned,
        }
    }

    /// A post as it may go out; none where there is nothing to take out.
    pub fn post(&self, post: &Post) -> Option<Post> {
        let is_clean = |text: &str| matches!(self.clean(text), Cow::Borrowed(_));
        let is_clean_block = |block: &Block| match block {
            Block::File { name, text } => is_clean(name) && is_clean(text),
            // Of a file of this machine, the name alone is a text.
            Block::Title(_)
            | Block::Text(_)
            | Block::Quote(_)
            | Block::Code(_)
            | Block::Footer(_)
            | Block::Stored { .. } => is_clean(block.text()),
        };
        if post.body.iter().all(is_clean_block) && post.buttons.iter().all(|button| is_clean(&button.label)) {
            return None;
        }
        let buttons = post.buttons.iter();
        let buttons = buttons.map(|button| Button { label: self.clean(&button.label).into_owned(), ..button.clone() });
        Some(Post { body: self.blocks(post.body.clone()), buttons: buttons.collect(), ..post.clone() })
    }

    /// A body as it may go out.
    pub fn blocks(&self, body: Vec<Block>) -> Vec<Block> {
        let clean = |block| match block {
            Block::Title(text) => Block::Title(self.cleaned(text)),
            Block::Text(text) => Block::Text(self.cleaned(text)),
            Block::Quote(text) => Block::Quote(self.cleaned(text)),
            Block::Code(text) => Block::Code(self.cleaned(text)),
            Block::Footer(text) => Block::Footer(self.cleaned(text)),
            Block::File { name, text } => Block::File { name: self.cleaned(name), text: self.cleaned(text) },
            Block::Stored { name, path, size, media_type } => {
                Block::Stored { name: self.cleaned(name), path, size, media_type }
            }
        };
        body.into_iter().map(clean).collect()
    }

    fn find_known(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if self.known.is_empty() {
            return;
        }
        for (at, pair) in text.as_bytes().windows(2).enumerate() {
            let Some(forms) = self.known.get(pair) else { continue };
            let here = text.get(at..).unwrap_or_default();
            // Two secrets may overlap, so the search goes on inside this one.
            if let Some(form) = forms.iter().find(|form| here.starts_with(form.as_str())) {
                found.push(at..at + form.len());
            }
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl PartialEq for Redactor {
    /// It follows from the settings that hold the values, which are compared by themselves.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// A value as it is, and as programs write it down.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex = crate::random::hex_of(bytes);
    let escaped = within_quotes(secret);
    let mut forms = vec![
        secret.to_owned(),
        // A log in JSON quotes what an error has quoted before.
        within_quotes(&escaped),
        escaped,
        hex.to_uppercase(),
        hex,
        percent(bytes, "%20"),
        percent(bytes, "+"),
        base64(bytes, b'+', b'/'),
        base64(bytes, b'-', b'_'),
    ];
    forms.extend([small_escapes(&percent(bytes, "%20")), small_escapes(&percent(bytes, "+"))]);
    // Within a longer text, as `user:token`, it may begin at any of three places of the encoding.
    if bytes.len() >= LEAST_INNER {
        for skipped in 0..3 {
            forms.extend([base64_inside(bytes, skipped, b'+', b'/'), base64_inside(bytes, skipped, b'-', b'_')]);
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort();
    forms.dedup();
    forms
}

/// As a text in JSON, without the quotes around it.
fn within_quotes(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// The escapes of an address in small letters, as some programs write them.
fn small_escapes(text: &str) -> String {
    let mut left = 0;
    text.chars()
        .map(|c| {
            left = if c == '%' { 3 } else { left - i32::from(left > 0) };
            if left > 0 { c.to_ascii_lowercase() } else { c }
        })
        .collect()
}

/// As a part of an address.
fn percent(bytes: &[u8], blank: &str) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            b' ' => text.push_str(blank),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// In base 64 without padding, so that it is found with and without.
fn base64(bytes: &[u8], plus: u8, slash: u8) -> String {
    let sign = |six: u32| {
        let six = u8::try_from(six & 63).unwrap_or(0);
        char::from(match six {
            0..=25 => b'A' + six,
            26..=51 => b'a' + six - 26,
            52..=61 => b'0' + six - 52,
            62 => plus,
            _ => slash,
        })
    };
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let three = chunk.iter().enumerate().fold(0_u32, |sum, (at, byte)| sum | (u32::from(*byte) << (16 - 8 * at)));
        for at in 0..=chunk.len() {
            text.push(sign(three >> (18 - 6 * at)));
        }
    }
    text
}

/// What stands in base 64 for these bytes alone, behind so many bytes that are not known and before others.
fn base64_inside(bytes: &[u8], skipped: usize, plus: u8, slash: u8) -> String {
    let mut padded = vec![0; skipped];
    padded.extend(bytes);
    let whole = base64(&padded, plus, slash);
    // Each sign stands for six bits; those that are shared with a neighbour are left out.
    let (first, end) = ((skipped * 8).div_ceil(6), padded.len() * 8 / 6);
    whole.get(first..end).unwrap_or_default().to_owned()
}

/// Private keys in the form of PEM; one whose end is cut off is taken out to the end.
fn find_keys(text: &str, found: &mut Vec<Range<usize>>) {
    const BEGIN: &str = "-----BEGIN ";
    const KIND: &str = "PRIVATE KEY-----";
    let mut from = 0;
    while let Some(start) = text[from..].find(BEGIN).map(|at| from + at) {
        let behind = start + BEGIN.len();
        let line = text[behind..].find('\n').map_or(text.len(), |at| behind + at);
        from = behind;
        if !text[behind..line].contains(KIND) {
            continue;
        }
        let end = text[behind..].find("-----END ").map_or(text.len(), |at| {
            let end = behind + at;
            text[end..].find(KIND).map_or(text.len(), |at| end + at + KIND.len())
        });
        found.push(start..end);
        from = end;
    }
}

/// Words in the shapes of common tokens.
fn find_tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut words: [Range<usize>; 3] = [0..0, 0..0, 0..0];
    let mut at = 0;
    while at < bytes.len() {
        if !is_sign(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && is_sign(bytes[at]) {
            at += 1;
        }
        words.rotate_left(1);
        words[2] = start..at;
        let [first, second, third] = words.clone();
        if let Some(token) = token_in(&text[start..at]) {
            found.push(start + token..at);
        } else if third.len() >= 30
            && joined(bytes, &second, &third, b':')
            && (6..=12).contains(&second.len())
            && text[second.clone()].bytes().all(|byte| byte.is_ascii_digit())
        {
            found.push(second.start..third.end);
        } else if joined(bytes, &second, &third, b'.') && joined(bytes, &first, &second, b'.') {
            let is_jwt =
                first.len() >= 10 && text[first.clone()].starts_with("eyJ") && text[second.clone()].starts_with("eyJ");
            let is_discord = (22..=30).contains(&first.len()) && (5..=8).contains(&second.len()) && third.len() >= 25;
            if is_jwt || is_discord {
                found.push(first.start..third.end);
            }
        } else if text[second.clone()].eq_ignore_ascii_case("bearer")
            && bytes
                .get(second.end..third.start)
                .is_some_and(|gap| !gap.is_empty() && gap.iter().all(|byte| matches!(byte, b' ' | b'\t' | b':')))
        {
            let more = bytes[start..]
                .iter()
                .take_while(|byte| is_sign(**byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'='));
            let end = start + more.count();
            let word = &text[start..end];
            if word.len() >= 16 && word.bytes().any(|byte| byte.is_ascii_digit()) {
                found.push(start..end);
            }
        }
    }
}

fn is_sign(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether two words have this one sign between them.
fn joined(bytes: &[u8], left: &Range<usize>, right: &Range<usize>, sign: u8) -> bool {
    !left.is_empty() && left.end + 1 == right.start && bytes[left.end] == sign
}

/// Where in a word a token begins that says itself what it is.
fn token_in(word: &str) -> Option<usize> {
    // The sign by which it is known, and the least length of what follows.
    const ANYWHERE: [(&str, usize); 17] = [
        ("xoxb-", 10),
        ("xoxp-", 10),
        ("xoxa-", 10),
        ("xoxr-", 10),
        ("xoxs-", 10),
        ("xoxe-", 10),
        ("xapp-", 10),
        ("ghp_", 20),
        ("gho_", 20),
        ("ghu_", 20),
        ("ghs_", 20),
        ("ghr_", 20),
        ("github_pat_", 20),
        ("glpat-", 18),
        ("sk-ant-", 16),
        ("sk_live_", 16),
        ("AIza", 35),
    ];
    if word.len() < 15 {
        return None;
    }
    let known = ANYWHERE.iter().filter_map(|(sign, least)| {
        let at = word.find(sign)?;
        (word.len() - at - sign.len() >= *least).then_some(at)
    });
    if let Some(at) = known.min() {
        return Some(at);
    }
    let rest = word.strip_prefix("sk-").unwrap_or_default();
    if rest.len() >= 20 && rest.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some(0);
    }
    let is_aws = word.len() == 20
        && (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_aws.then_some(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_known_by_their_shape() {
        let redactor = Redactor::default();
        let long = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9";
        for token in [
            format!("xoxb-123456789012-{long}"),
            format!("xapp-1-A0-{long}"),
            format!("ghp_{long}"),
            format!("github_pat_{long}"),
            format!("sk-{long}"),
            format!("sk-ant-api03-{long}"),
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw".to_owned(),
            format!("MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.{long}"),
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----".to_owned(),
        ] {
            for text in
                [token.clone(), format!("it is `{token}`, ok?"), format!("TOKEN={token}\nnext"), format!("ü{token}ü")]
            {
                let cleaned = redactor.clean(&text);
                assert_eq!(cleaned, text.replace(&token, REDACTED), "{text}");
            }
        }
        assert_eq!(redactor.clean("Authorization: Bearer abc.def/0123456789=="), "Authorization: Bearer [redacted]");
        assert_eq!(redactor.clean("a -----BEGIN PRIVATE KEY-----\nMIIE cut"), "a [redacted]");
    }

    #[test]
    fn a_secret_is_found_within_base64_and_behind_signs_that_nobody_sees() {
        let redactor = Redactor::new(&[Secret::new("hunter2-and-more")]);
        for user in ["", "u", "us", "usr", "user"] {
            let pair = base64(format!("{user}:hunter2-and-more\n").as_bytes(), b'+', b'/');
            let cleaned = redactor.clean(&pair).into_owned();
            assert!(cleaned.contains(REDACTED) && cleaned.len() < 24, "{user}: {pair} → {cleaned}");
        }
        assert_eq!(redactor.clean("it is hunter2\u{200b}-and-\u{feff}more"), "it is [redacted]");
        assert_eq!(redactor.clean("xoxb-12345\u{200e}67890-abcdef"), REDACTED);
        assert_eq!(redactor.clean("a\u{200b}b"), "a\u{200b}b");
    }

    #[test]
    fn everyday_text_is_left_alone() {
        let redactor = Redactor::new(&[Secret::new("short"), Secret::new("")]);
        for text in [
            "a short text about task-0123456789-and-other-things, t_1a2b3c4d",
            "see https://example.org/a.b.c?x=1 and commit 0123456789abcdef0123456789abcdef01234567",
            "the bearer of bad news, 12:30:45, 192.168.100.200, v1.2.3-alpha.1",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "",
        ] {
            assert!(matches!(redactor.clean(text), Cow::Borrowed(_)), "{text} → {}", redactor.clean(text));
        }
    }

    proptest! {
        #[test]
        fn no_known_value_survives_in_any_form(
            secrets in proptest::collection::vec("[ -~äß€]{6,24}", 1..4),
            before in "[ -~]{0,20}",
            after in "[ -~ü]{0,20}",
        ) {
            let known: Vec<Secret> = secrets.iter().map(|text| Secret::new(text.as_str())).collect();
            let redactor = Redactor::new(&known);
            for secret in secrets.iter().map(|text| text.trim()).filter(|text| text.len() >= SHORTEST) {
                for form in forms(secret) {
                    let cleaned = redactor.clean(&format!("{before}{form}{after}")).into_owned();
                    // What stands beside it may hold the value by chance, or be a part of it.
                    prop_assert!(!cleaned.replace(REDACTED, "\u{0}").contains(&form), "{form} in {cleaned}");
                }
            }
        }

        #[test]
        fn words_without_secrets_are_unchanged(text in "([a-zäöü]{1,12}[ .,\n]){0,40}") {
            let redactor = Redactor::new(&[Secret::new("H4nter-Two-%9"), Secret::new("p@ss wörd 77")]);
            prop_assert!(matches!(redactor.clean(&text), Cow::Borrowed(_)));
        }
    }
}
