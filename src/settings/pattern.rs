//! Patterns by which a program's output is read.

use config::ValueKind;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::value::{Form, Setting, text_of};

/// A regular expression for single lines of output. Its time grows with the length of a line and with nothing else.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// The most that a pattern may need once it is compiled, so that no setting fills the memory.
const SIZE_LIMIT: usize = 1 << 20;

/// The most characters that a captured text may have.
const CAPTURE_LIMIT: usize = 200;

impl Pattern {
    pub fn parse(source: &str) -> Result<Self, String> {
        let compiled = RegexBuilder::new(source).size_limit(SIZE_LIMIT).build();
        compiled.map(Self).map_err(|error| {
            let what = error.to_string();
            let reason = what.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
            format!("`{source}` is no regular expression: {reason}")
        })
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether one of the lines has it.
    pub fn is_in(&self, lines: &str) -> bool {
        lines.lines().any(|line| self.0.is_match(&plain(line)))
    }

    /// What its first group captures in a line; nothing that is empty or longer than any name or time is.
    pub fn capture(&self, line: &str) -> Option<String> {
        let line = plain(line);
        let found = self.0.captures(&line)?.get(1)?.as_str().trim();
        (!found.is_empty() && found.len() <= CAPTURE_LIMIT && !found.contains(char::is_control))
            .then(|| found.to_owned())
    }

    /// Whether it has a group whose text is taken.
    pub(super) fn captures(&self) -> bool {
        self.0.captures_len() > 1
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Setting for Pattern {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "a regular expression for one line, as in `\"(?i)rate limit\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        Self::parse(text_of::<Self>(value)?)
    }

    fn shown(&self) -> Value {
        self.as_str().into()
    }
}

/// A line without the colours that programs print even where no terminal is.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\u{1b}') {
        text.push_str(&rest[..at]);
        let sequence = rest[at + 1..].strip_prefix('[');
        rest = sequence.map_or(&rest[at + 1..], |sequence| {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c)).map_or(sequence.len(), |end| end + 1);
            &sequence[end..]
        });
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_reads_single_lines_without_their_colours() {
        let pattern = Pattern::parse(r"^Error: (?:no )?session (\S+)$").unwrap();
        assert!(pattern.is_in("a\n\u{1b}[91m\u{1b}[1mError: \u{1b}[0msession x1\nb"));
        assert_eq!(pattern.capture("\u{1b}[91mError: no session x1\u{1b}[0m").as_deref(), Some("x1"));
        assert!(!pattern.is_in("Error: session\nx1"), "a pattern does not reach over lines");
        assert_eq!(pattern.capture(&format!("Error: session {}", "x".repeat(201))), None);
        assert!(Pattern::parse("a(").unwrap_err().contains("`a(` is no regular expression: unclosed group"));
        assert!(Pattern::parse("(?:a{1000}){1000}").unwrap_err().contains("no regular expression"));
    }
}
