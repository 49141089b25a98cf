//! Text that does nothing but to be read.

/// An invisible character that takes up no room and never breaks a line: what stands after it is no name and no command
/// any more.
pub(crate) const JOINER: char = '\u{2060}';

/// The text without what a reader cannot see and a client may act on: control characters, and marks that reverse the
/// direction of writing. Telegram takes most of them out itself, which would move the entities behind them.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' => shown.push('\n'),
            '\t' => shown.push_str("    "),
            '\r' | '\u{2028}' | '\u{2029}' => shown.push('\n'),
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => shown.push(c),
        }
    }
    shown
}

/// The text with every `@name` and `/command` in it broken for machines, unchanged for eyes.
///
/// Telegram makes links of them by itself wherever they do not stand in code: a name tells the person, a command is
/// sent at a touch.
pub(crate) fn neutral(text: &str) -> String {
    let mut inert = String::with_capacity(text.len());
    let mut before = None;
    for (at, c) in text.char_indices() {
        inert.push(c);
        let rest = &text[at + c.len_utf8()..];
        let acts = match c {
            // What follows the last character is not known here.
            '@' => !before.is_some_and(is_word) && (rest.is_empty() || rest.starts_with(is_word)),
            '/' => {
                let is_inside = before.is_some_and(|before| is_word(before) || is_path(before));
                !is_inside && (rest.is_empty() || is_command(rest))
            }
            _ => false,
        };
        if acts {
            inert.push(JOINER);
        }
        before = Some(c);
    }
    inert
}

/// A command ends where no further part of a path follows.
fn is_command(rest: &str) -> bool {
    let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    end > 0 && !rest[end..].starts_with(is_path)
}

/// Beside these Telegram sees no command, but a path or a tag.
fn is_path(c: char) -> bool {
    matches!(c, '/' | '<' | '>')
}

/// Telegram counts the letters of all scripts among these before a name, so that less is broken there than here.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{JOINER, neutral, printable};

    #[test]
    fn names_and_commands_are_broken_and_addresses_and_paths_are_not() {
        let shown = |text: &str| neutral(text).replace(JOINER, "~");
        assert_eq!(shown("@ann and (@bob) ü@cyd @@dan"), "@~ann and (@~bob) ü@~cyd @@~dan");
        assert_eq!(shown("git@host.example:x a@b @ @é /"), "git@host.example:x a@b @ @é /~");
        assert_eq!(shown("/stop, (/stop@bot) /tmp"), "/~stop, (/~stop@bot) /~tmp");
        assert_eq!(shown("/srv/site and/or http://x/y 1/2 //x </b>"), "/srv/site and/or http://x/y 1/2 //x </b>");
    }

    #[test]
    fn nothing_invisible_is_left() {
        assert_eq!(printable("a\r\nb\rc\td\u{0}\u{1b}[2J\u{202e}e\u{2028}f\u{200f}"), "a\nb\nc    d[2Je\nf");
        assert_eq!(printable("ünï 😀 עברית\u{200d}"), "ünï 😀 עברית\u{200d}");
    }
}
