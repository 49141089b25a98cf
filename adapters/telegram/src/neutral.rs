//! Text that does nothing but to be read.

use kanban_platform::safe;

/// An invisible character that takes up no room and never breaks a line: what stands after it is no name and no command
/// any more.
pub(crate) const JOINER: char = '\u{2060}';

/// The text with nothing in it that a client acts on unseen. Telegram takes out tabs and much of the rest itself, which
/// would move the entities behind them.
pub(crate) fn printable(text: &str) -> String {
    safe(text).replace('\t', "    ")
}

/// A text of ours as it was before [`neutral`].
pub(crate) fn plain(text: &str) -> String {
    text.replace(JOINER, "")
}

/// A text on one line, of at most so many characters: a label, a name.
pub(crate) fn line(text: &str, limit: usize) -> String {
    let line = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.encode_utf16().count() <= limit {
        return line;
    }
    // Telegram counts some lengths in UTF-16 units, of which a text has at least as many as characters.
    let mut units = 0;
    let mut has_room = |c: &char| {
        units += c.len_utf16();
        units < limit
    };
    let head: String = line.chars().take_while(|c| has_room(c)).collect();
    format!("{}…", head.trim_end())
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
    use super::{JOINER, line, neutral, printable};

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
        assert_eq!(
            printable("a\r\nb\rc\td\u{0}\u{1b}[2J\u{202e}e\u{2028}f\u{200f}"),
            "a\nb␍c    d␀␛[2J‹U+202E›e‹U+2028›f"
        );
        assert_eq!(printable("ünï 😀 עברית\u{200d}"), "ünï 😀 עברית\u{200d}");
    }

    #[test]
    fn a_line_is_one_line_and_short() {
        assert_eq!(line(" a\n\tb\u{200f} c ", 5), "a b c");
        assert_eq!(line("abc def", 6), "abc d…");
        assert_eq!(line("abc def", 5), "abc…");
        assert_eq!(line("😀😀😀", 4), "😀…");
        assert_eq!(line(" \n", 4), "");
    }
}
