//! Words that people and programs wrote, in forms that cannot pass for lines of ours.

/// The text without escape sequences, control characters and marks that turn the direction of writing. Lines end with
/// `\n` alone.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            // What turns the direction of writing, and what nobody sees: a reader that is a program would read it all the same.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}'..='\u{2065}' => {}
            '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The text on a single line.
pub(super) fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first line that says something, of at most so many characters.
pub(super) fn first_line(text: &str, limit: usize) -> String {
    let text = plain(text);
    let line = one_line(text.trim().lines().next().unwrap_or_default());
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Every line of the text behind a mark of ours.
pub(super) fn behind(mark: &str, text: &str) -> String {
    let text = plain(text);
    let lines = text.trim_end().lines().map(|line| format!("{mark}{line}").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The text with every line but the first behind a mark of ours.
pub(super) fn continued(mark: &str, text: &str) -> String {
    let text = plain(text);
    let mut lines = text.trim_end().lines();
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        out.push_str(format!("{mark}{line}").trim_end());
    }
    out
}

/// The beginning of the text, of at most so many characters, and how many were left out.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => {
            let omitted = text[end..].chars().count();
            format!("{}… [truncated, {omitted} chars omitted]", &text[..end])
        }
    }
}

/// `1 task`, `2 tasks`.
pub(super) fn counted(number: usize, singular: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}s") }
}

/// Passes over what follows an escape character: a control sequence, a command to the terminal, or one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            // It ends with a bell or an escape and a backslash; an unfinished one must not swallow the next line.
            while let Some(c) = chars.next_if(|c| !matches!(c, '\n' | '\r')) {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some(c) if !c.is_control() => {
            chars.next();
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_given_nothing_but_text() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m\u{7} \u{1b}]0;title\u{7}ok\u{202e}!"), "red ok!");
        assert_eq!(plain("a\r\nb\rc\u{2028}d\u{0}"), "a\nb\nc\nd");
        assert_eq!(plain("\u{1b}]8;;unfinished\nnext"), "\nnext");
        assert_eq!(plain("\u{1b}"), "");
        assert_eq!(plain("a\u{200b}b\u{feff}c\u{e0041}\u{e007f}d\u{2060}\u{ad}e"), "abcde");
        // These join letters and pictures that people write.
        assert_eq!(
            plain("\u{1f469}\u{200d}\u{1f4bb} \u{645}\u{200c}\u{645}"),
            "\u{1f469}\u{200d}\u{1f4bb} \u{645}\u{200c}\u{645}"
        );
    }

    #[test]
    fn long_and_many_lined_texts_keep_their_place() {
        assert_eq!(one_line(" a\n\tb "), "a b");
        assert_eq!(first_line("\n\n one two\nthree", 100), "one two");
        assert_eq!(first_line("öööö", 2), "öö…");
        assert_eq!(behind("> ", "a\n\n b\n"), "> a\n>\n>  b");
        assert_eq!(continued("    ", "a\nRuns (1):"), "a\n    Runs (1):");
        assert_eq!(cut("abcdef", 4), "abcd… [truncated, 2 chars omitted]");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
