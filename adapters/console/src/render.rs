//! What a post looks like to a person.

use crate::transcript::Line;

/// The post as text, each post beginning with its `[…]` on a line of its own; without a final line end.
pub(crate) fn text(line: &Line) -> String {
    let thread = printable_line(&line.thread);
    let edited = if line.edited { " edited" } else { "" };
    let mut shown = format!("[{thread} #{}{edited}] {}", line.message, printable(&line.text));
    if !line.buttons.is_empty() {
        shown.push('\n');
        for label in &line.buttons {
            shown.push_str(&format!(" [{}]", printable_line(label)));
        }
    }
    shown
}

/// The text with everything in it made visible that a terminal would act on, except line ends and tabs.
pub(crate) fn printable(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text).replace("\r\n", "\n");
    show(&text, |c| c != '\n' && c != '\t' && is_unprintable(c))
}

/// As [`printable`], for a name or label that must stay on its line.
pub(crate) fn printable_line(text: &str) -> String {
    show(text, is_unprintable)
}

/// Whether a terminal might act on the character, or show the text around it in another order.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn show(text: &str, hidden: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !hidden(c) => shown.push(c),
            // Unicode has a picture for each of the ASCII control characters.
            '\u{0}'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\u{7f}' => shown.push('\u{2421}'),
            c => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{printable, text};
    use crate::transcript::Line;

    fn line(text: &str, buttons: &[&str], edited: bool) -> Line {
        Line {
            thread: "ops".to_owned(),
            message: 7,
            edited,
            reply_to: Some(3),
            text: text.to_owned(),
            buttons: buttons.iter().map(|&label| label.to_owned()).collect(),
            private: false,
            task: Some("t_1a".to_owned()),
            event: Some("created".to_owned()),
            files: Vec::new(),
        }
    }

    #[test]
    fn posts_edits_and_buttons_as_text() {
        insta::assert_snapshot!(text(&line("Created t_1a", &[], false)), @"[ops #7] Created t_1a");
        assert_eq!(text(&line("running\n\tsince noon\n", &[], true)), "[ops #7 edited] running\n\tsince noon");
        insta::assert_snapshot!(text(&line("which one?", &["Blue", "Deep\nred"], false)), @r#"
        [ops #7] which one?
         [Blue] [Deep␊red]
        "#);
    }

    #[test]
    fn posts_as_json() {
        insta::assert_snapshot!(serde_json::to_string(&line("a \"b\"\n\u{1b}[2J", &["Go"], false)).unwrap(), @r#"{"thread":"ops","message":7,"edited":false,"reply_to":3,"text":"a \"b\"\n\u001b[2J","buttons":["Go"],"private":false,"task":"t_1a","event":"created"}"#);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_acts_on() {
        assert_eq!(printable("\u{1b}]0;x\u{7}\u{9b}2J\u{202e}z\u{7f}"), "␛]0;x␇<U+009B>2J<U+202E>z␡");
        assert_eq!(printable("a\r\nb\rc\td"), "a\nb␍c\td");
        let every: String = (0..=u32::from('\u{10ffff}')).filter_map(char::from_u32).collect();
        assert!(printable(&every).chars().all(|c| c == '\n' || c == '\t' || !super::is_unprintable(c)));
        assert_eq!(printable("ünï 😀 עברית"), "ünï 😀 עברית");
    }
}
