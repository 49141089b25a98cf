//! Cutting a chat message into words, as people type it on phones: curly quotes, apostrophes, odd blanks, several lines.

use std::borrow::Cow;

use kanban_platform::Surface;

use crate::command::{spec::spec, verbs::SHORTCUTS};

/// The most bytes that one command may have.
pub const LONGEST: usize = 64 * 1024;

/// A command as typed: the words of its first line, and the lines below as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    pub words: Vec<Word<'a>>,
    /// The lines below the first one, or what begins with a code fence; nothing of it is changed.
    pub prose: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// What it says, without its quotes.
    pub text: Cow<'a, str>,
    /// The characters that were typed, with the quotes.
    pub source: &'a str,
    /// The whole word stood in quotes, so that it is no option whatever it says.
    pub quoted: bool,
}

impl<'a> Word<'a> {
    /// A word that came already split.
    pub fn plain(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), source: text, quoted: false }
    }
}

/// What follows `/kanban`, `!kanban` or `/kanban@bot`, in any case; nothing when the message is not a command.
pub fn command_of(text: &str) -> Option<&str> {
    behind(text, "kanban")
}

/// A message that is a command, as it is with `/kanban`: itself, or a verb's own command (`/tasks`) written out.
pub fn slash_command<'a>(text: &'a str) -> Option<Cow<'a, str>> {
    if command_of(text).is_some() {
        return Some(Cow::Borrowed(text));
    }
    let written_out = |(shortcut, verb): &(&str, &str)| {
        let rest: &'a str = behind(text, shortcut)?;
        Some(Cow::Owned(format!("/kanban {verb}{rest}")))
    };
    SHORTCUTS.iter().find_map(written_out)
}

/// Tells whether a message that speaks to us begins with a verb, or with the word `kanban`.
pub fn named_verb(text: &str) -> bool {
    let text = text.trim_start_matches(|c| is_blank(c) || is_mark(c));
    let first = text.split(is_blank).next().unwrap_or_default().to_lowercase();
    first == "kanban" || first == "help" || spec().at(&[&first]).is_some_and(|verb| verb.surface <= Surface::Chat)
}

/// What follows a command of this name.
fn behind<'a>(text: &'a str, command: &str) -> Option<&'a str> {
    let text = text.trim_start_matches(|c| is_blank(c) || is_mark(c));
    let rest = text.strip_prefix(['/', '!'])?;
    let rest = match rest.get(..command.len()) {
        Some(name) if name.eq_ignore_ascii_case(command) => &rest[command.len()..],
        _ => return None,
    };
    let rest = match rest.strip_prefix('@') {
        Some(bot) => {
            let after = bot.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            if after.len() == bot.len() {
                return None;
            }
            after
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(is_blank)).then_some(rest)
}

/// Cuts the text behind `/kanban` into words and the lines below.
pub fn line(text: &str) -> Result<Line<'_>, String> {
    if text.len() > LONGEST {
        return Err(format!(
            "the message has {} bytes; a command may have at most {LONGEST}; attach the rest as a file",
            text.len()
        ));
    }
    let mut cutter = Cutter::new(text.trim_start_matches(|c| is_blank(c) || is_mark(c)));
    let mut words = Vec::new();
    while let Some(word) = cutter.next_word() {
        words.push(word);
    }
    Ok(Line { words, prose: cutter.below() })
}

/// Words as somebody could type them on one line, so that `line` reads the same words again.
///
/// Of a word with several lines the first is shown.
pub fn typed(words: &[String]) -> String {
    let typed = words.iter().map(|word| match word.split_once('\n') {
        Some((first, _)) => typed_word(&format!("{} …", first.trim_end())),
        None => typed_word(word),
    });
    typed.collect::<Vec<_>>().join(" ")
}

fn typed_word(word: &str) -> String {
    let name = option_prefix(word);
    let value = &word[name.len()..];
    let escaped = value.replace('"', "\\\"");
    let opens = value.chars().next().is_some_and(|first| closers(first).is_some());
    let plain = (!opens).then(|| word.to_owned());
    let in_quotes = QUOTES.iter().map(|&(open, close)| {
        let value = if is_double(open) { &escaped } else { value };
        format!("{name}{open}{value}{close}")
    });
    let reads_back = |typed: &String| {
        line(typed).is_ok_and(|line| line.prose.is_none() && matches!(&line.words[..], [read] if read.text == word))
    };
    plain.into_iter().chain(in_quotes).find(reads_back).unwrap_or_else(|| format!("{name}\"{escaped}\""))
}

/// What words may stand in, the most common first. No one of them can hold every word.
const QUOTES: [(char, char); 8] =
    [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“'), ('«', '»'), ('»', '«'), ('‘', '’'), ('‚', '‘')];

/// The name behind a long dash that a phone put for `--`: `assignee=bob` in `—assignee=bob`.
pub fn behind_long_dash(word: &str) -> Option<&str> {
    let rest = word.trim_start_matches(is_dash);
    let dashes = &word[..word.len() - rest.len()];
    (!dashes.is_ascii() && rest.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(rest)
}

/// Tells cheaply whether a word may begin with a dash of any length.
pub fn may_begin_with_dash(word: &str) -> bool {
    matches!(word.as_bytes().first(), Some(b'-' | 0xe2))
}

/// Tells whether a character parts words: any white space, and the blanks of no width that copying brings along.
///
/// The joiners of emoji and of some scripts are not among them.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

struct Cutter<'a> {
    text: &'a str,
    at: usize,
    /// Where the line ends on which the command goes on.
    end: usize,
    /// Where the lines below begin.
    below: Option<usize>,
    /// Opening quotes for which the rest of the line was searched in vain, so that the search stays linear.
    unclosed: Vec<char>,
}

impl<'a> Cutter<'a> {
    fn new(text: &'a str) -> Self {
        let end = text.find('\n').unwrap_or(text.len());
        Self { text, at: 0, end, below: (end < text.len()).then_some(end + 1), unclosed: Vec::new() }
    }

    fn next_word(&mut self) -> Option<Word<'a>> {
        let line = &self.text[self.at..self.end];
        let start = self.at + (line.len() - line.trim_start_matches(is_blank).len());
        if start >= self.end || self.begins_fence(start) {
            return None;
        }
        let opening = start + option_prefix(&self.text[start..self.end]).len();
        if let Some((close, after)) = self.quoted(opening) {
            let quote = self.text[opening..].chars().next().unwrap_or('"');
            let inside = &self.text[opening + quote.len_utf8()..close];
            let name = &self.text[start..opening];
            self.at = after;
            return Some(Word {
                text: join(name, unescaped(quote, inside)),
                source: &self.text[start..after],
                quoted: name.is_empty(),
            });
        }
        let rest = &self.text[start..self.end];
        let word = &rest[..length_to_blank(rest)];
        self.at = start + word.len();
        Some(Word::plain(word))
    }

    /// The lines below the command, unless they hold nothing but blanks.
    fn below(&self) -> Option<&'a str> {
        self.below.map(|start| &self.text[start..]).filter(|prose| !prose.chars().all(is_blank))
    }

    /// A code fence that opens on the command's line and closes further below is the first of the lines below.
    fn begins_fence(&mut self, start: usize) -> bool {
        let rest = &self.text[start..self.end];
        if self.end < self.text.len() && rest.starts_with("```") && !rest[3..].contains("```") {
            self.below = Some(start);
            return true;
        }
        false
    }

    /// Where the quote that opens at `opening` closes, and where the text goes on after it.
    fn quoted(&mut self, opening: usize) -> Option<(usize, usize)> {
        let quote = self.text[opening..self.end].chars().next()?;
        let closers = closers(quote)?;
        if self.unclosed.contains(&quote) {
            return None;
        }
        let inside = opening + quote.len_utf8();
        let escapes = is_double(quote);
        let closes = |at: usize, c: char, end: usize| {
            closers.contains(&c)
                && !(escapes && self.text[inside..at].ends_with('\\'))
                && self.text[at + c.len_utf8()..end].chars().next().is_none_or(is_blank)
        };
        let on_line = quotes(self.text, inside, self.end).find(|&(at, c)| closes(at, c, self.end));
        if let Some((close, c)) = on_line {
            return Some((close, close + c.len_utf8()));
        }
        self.unclosed.push(quote);
        if !escapes {
            return None;
        }
        // A phrase over several lines: it must be the only one, and nothing but options may follow on its last line.
        let (close, c) = quotes(self.text, self.end, self.text.len())
            .find(|&(at, c)| closers.contains(&c) && !self.text[inside..at].ends_with('\\'))?;
        let after = close + c.len_utf8();
        let end = self.text[after..].find('\n').map_or(self.text.len(), |at| after + at);
        let tail = self.text[after..end].trim_start_matches(is_blank);
        let begins_well = self.text[after..].chars().next().is_none_or(is_blank);
        if !begins_well || !(tail.is_empty() || tail.starts_with(is_dash)) {
            return None;
        }
        self.end = end;
        self.below = (end < self.text.len()).then_some(end + 1);
        self.unclosed.clear();
        Some((close, after))
    }
}

/// The characters of a text that may close a quote. All other bytes are passed over without decoding.
fn quotes(text: &str, start: usize, end: usize) -> impl Iterator<Item = (usize, char)> + '_ {
    let may_begin = |byte: u8| matches!(byte, b'"' | b'\'' | 0xc2 | 0xe2);
    let bytes = text.as_bytes()[start..end].iter().enumerate();
    bytes
        .filter(move |&(_, &byte)| may_begin(byte))
        .filter_map(move |(at, _)| Some((start + at, text[start + at..].chars().next()?)))
}

/// How many bytes come before the first blank. Plain letters are passed over without decoding.
fn length_to_blank(rest: &str) -> usize {
    let mut at = 0;
    while let Some(&byte) = rest.as_bytes().get(at) {
        match byte {
            b' ' | b'\t'..=b'\r' => return at,
            0..0x80 => at += 1,
            _ => match rest[at..].chars().next() {
                Some(c) if !is_blank(c) => at += c.len_utf8(),
                _ => return at,
            },
        }
    }
    at
}

/// `--name=` at the start of a word, with any dashes, else nothing.
fn option_prefix(rest: &str) -> &str {
    if !may_begin_with_dash(rest) {
        return "";
    }
    let name = rest.trim_start_matches(is_dash);
    if name.len() == rest.len() || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return "";
    }
    let after = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if after.starts_with('=') { &rest[..rest.len() - after.len() + 1] } else { "" }
}

fn closers(quote: char) -> Option<&'static [char]> {
    match quote {
        '"' | '“' => Some(&['"', '”']),
        '„' => Some(&['“', '”', '"']),
        '”' => Some(&['”']),
        '«' => Some(&['»']),
        '»' => Some(&['«']),
        '\'' => Some(&['\'']),
        '‘' => Some(&['’', '\'']),
        '‚' => Some(&['‘', '’']),
        _ => None,
    }
}

fn is_double(quote: char) -> bool {
    matches!(quote, '"' | '“' | '„' | '”' | '«' | '»')
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Marks of writing direction, which some clients put before a message.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Inside double quotes `\"` is a quote; every other character is itself.
fn unescaped(quote: char, inside: &str) -> Cow<'_, str> {
    if is_double(quote) && inside.contains("\\\"") {
        Cow::Owned(inside.replace("\\\"", "\""))
    } else {
        Cow::Borrowed(inside)
    }
}

fn join<'a>(name: &'a str, value: Cow<'a, str>) -> Cow<'a, str> {
    if name.is_empty() { value } else { Cow::Owned(format!("{name}{value}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        line(text).unwrap().words.into_iter().map(|word| word.text.into_owned()).collect()
    }

    #[test]
    fn a_quote_opens_at_a_words_start_and_only_if_it_closes() {
        assert_eq!(words(r#"a "b c" d"#), ["a", "b c", "d"]);
        assert_eq!(words("I don't know"), ["I", "don't", "know"]);
        assert_eq!(words("rock of the '90s"), ["rock", "of", "the", "'90s"]);
        assert_eq!(words(r#"a 5" disk"#), ["a", "5\"", "disk"]);
        assert_eq!(words(r#"say "hi".now"#), ["say", "\"hi\".now"]);
        assert_eq!(words(r#"--body="a 'b' $c \d \"e\"" f"#), [r#"--body=a 'b' $c \d "e""#, "f"]);
        assert_eq!(words("“a b” „c d“ ‘e f’ «g h» ’til"), ["a b", "c d", "e f", "g h", "’til"]);
        assert_eq!(words("“don’t do it” ‘don’t’"), ["don’t do it", "don’t"]);
        assert_eq!(words("—body=“a b”"), ["—body=a b"]);
        assert_eq!(words(r#""" x"#), ["", "x"]);
    }

    #[test]
    fn odd_blanks_part_words_and_joiners_do_not() {
        assert_eq!(words("a\u{a0}\u{a0}b\u{200b}c\t d"), ["a", "b", "c", "d"]);
        assert_eq!(words("👩\u{200d}💻 x"), ["👩\u{200d}💻", "x"]);
    }

    #[test]
    fn lines_below_stay_as_they_are() {
        assert_eq!(line("a\n  b  c\n\n d").unwrap().prose, Some("  b  c\n\n d"));
        assert_eq!(line("a\n \n").unwrap().prose, None);
        assert_eq!(line("a ```rust\nfn x() {}\n```").unwrap().prose, Some("```rust\nfn x() {}\n```"));
        assert_eq!(words("a ```b``` c\nd"), ["a", "```b```", "c"]);
        let quoted = line("a \"b\n  c\" --d\ne").unwrap();
        assert_eq!(quoted.words.iter().map(|word| &*word.text).collect::<Vec<_>>(), ["a", "b\n  c", "--d"]);
        assert_eq!(quoted.prose, Some("e"));
        assert_eq!(line("a \"b\nsome \"quoted\" text").unwrap().prose, Some("some \"quoted\" text"));
    }

    #[test]
    fn commands_are_told_from_messages() {
        assert_eq!(command_of("/kanban list"), Some(" list"));
        assert_eq!(command_of(" \u{200e}!KANBAN\nlist"), Some("\nlist"));
        assert_eq!(command_of("/Kanban@Any_Bot list"), Some(" list"));
        assert_eq!(command_of("/kanban"), Some(""));
        for message in
            ["/kanbanlist", "kanban list", "/kan", "/kanban@ list", "hello", "", "/ kanban", "/känban", "/kanban-x"]
        {
            assert_eq!(command_of(message), None, "{message}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_with_the_number() {
        assert!(line(&"x".repeat(LONGEST)).is_ok());
        assert!(line(&"x".repeat(LONGEST + 1)).unwrap_err().contains("65537"));
    }

    #[test]
    fn many_quotes_that_never_close_cost_one_look_each() {
        let text = "'a \"b “c „d ".repeat(3_000);
        assert_eq!(line(&text).unwrap().words.len(), 12_000);
    }
}
