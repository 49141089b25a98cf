//! The grammar of what a person types at the console.

/// One thing that a person typed, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// `/in THREAD`
    In(String),
    /// `/as USER`
    As(String),
    /// `/reply N TEXT`
    Reply { message: u64, text: String },
    /// `/press N LABEL`
    Press { message: u64, label: String },
    /// `/file PATH TEXT`
    File { path: String, text: String },
    /// `/wait TEXT`
    Wait(String),
    /// `/quit`
    Quit,
    /// A message, exactly as typed.
    Message(String),
    /// Nothing but blanks.
    Blank,
}

/// Why a line was not understood, as a sentence for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(String);

impl Typed {
    /// Reads one message, all its lines together. The console's own verbs may be in capitals; every other text,
    /// `/kanban …` included, is a message and left as it is.
    pub(crate) fn parse(typed: &str) -> Result<Self, Misuse> {
        let text = typed.trim();
        let (verb, rest) = first_word(text);
        match verb.to_ascii_lowercase().as_str() {
            "" => Ok(Self::Blank),
            "/in" => name("/in THREAD", "/in ops", rest).map(Self::In),
            "/as" => name("/as USER", "/as ann", rest).map(Self::As),
            "/reply" => {
                let (message, text) = numbered("/reply N TEXT", "/reply 3 use the blue one", rest)?;
                Ok(Self::Reply { message, text })
            }
            "/press" => {
                let (message, label) = numbered("/press N LABEL", "/press 3 Retry", rest)?;
                Ok(Self::Press { message, label })
            }
            "/file" => {
                let (path, text) = path(rest)?;
                Ok(Self::File { path, text })
            }
            "/wait" if rest.is_empty() => {
                Err(Misuse("`/wait TEXT` got no text; type for example `/wait which colour`".to_owned()))
            }
            "/wait" => Ok(Self::Wait(rest.to_owned())),
            "/quit" if rest.is_empty() => Ok(Self::Quit),
            _ => Ok(Self::Message(typed.to_owned())),
        }
    }
}

/// Puts a message together from its lines: a line that ends in `\` goes on in the next one.
#[derive(Debug, Default)]
pub(crate) struct Continuation {
    begun: Option<String>,
}

impl Continuation {
    /// Takes a line without its line end, and answers the message once it is whole.
    pub(crate) fn push(&mut self, line: &str) -> Option<String> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut message = self.begun.take().unwrap_or_default();
        match line.strip_suffix('\\') {
            Some(part) => {
                message.push_str(part);
                message.push('\n');
                self.begun = Some(message);
                None
            }
            None => {
                message.push_str(line);
                Some(message)
            }
        }
    }

    /// Answers what was begun when the input ended in the middle of a message.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.begun.take()
    }

    /// How many bytes are held of a message that is not whole yet.
    pub(crate) fn held(&self) -> usize {
        self.begun.as_ref().map_or(0, String::len)
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }
}

/// Checks the name of a thread or user: one word that the transcript can show as it is.
pub(crate) fn check_name(name: &str) -> Result<(), Misuse> {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.chars().any(char::is_whitespace) {
        "has a blank in it"
    } else if name.chars().any(crate::render::is_unprintable) {
        "has a control character in it"
    } else if name.chars().count() > NAME_LIMIT {
        "is longer than 100 characters"
    } else {
        return Ok(());
    };
    Err(Misuse(format!("the name `{}` {fault}; expected one word", crate::render::printable_line(name))))
}

const NAME_LIMIT: usize = 100;

fn first_word(text: &str) -> (&str, &str) {
    match text.find(char::is_whitespace) {
        Some(end) => (&text[..end], text[end..].trim_start()),
        None => (text, ""),
    }
}

fn name(usage: &str, example: &str, rest: &str) -> Result<String, Misuse> {
    if rest.is_empty() {
        return Err(Misuse(format!("`{usage}` got no name; type for example `{example}`")));
    }
    check_name(rest).map_err(|misuse| Misuse(format!("{misuse}; type for example `{example}`")))?;
    Ok(rest.to_owned())
}

/// A path, in double quotes where there are blanks in it, and the text behind it.
fn path(rest: &str) -> Result<(String, String), Misuse> {
    let (path, text) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((path, text)) => (path, text.trim_start()),
        None => first_word(rest),
    };
    if path.is_empty() {
        let example = "/file report.pdf /kanban create read this";
        return Err(Misuse(format!("`/file PATH TEXT` got no path; type for example `{example}`")));
    }
    Ok((path.to_owned(), text.to_owned()))
}

fn numbered(usage: &str, example: &str, rest: &str) -> Result<(u64, String), Misuse> {
    let (number, text) = first_word(rest);
    if number.is_empty() {
        return Err(Misuse(format!("`{usage}` got no message number; type for example `{example}`")));
    }
    let Ok(message) = number.strip_prefix('#').unwrap_or(number).parse() else {
        let number = crate::render::printable_line(number);
        return Err(Misuse(format!(
            "`{usage}` got `{number}` where the number of a message was expected; type for example `{example}`"
        )));
    };
    if text.is_empty() {
        return Err(Misuse(format!("`{usage}` got nothing after {message}; type for example `{example}`")));
    }
    Ok((message, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Continuation, Typed};
    use proptest::prelude::*;

    fn message(text: &str) -> Typed {
        Typed::Message(text.to_owned())
    }

    #[test]
    fn the_console_verbs_are_understood() {
        assert_eq!(Typed::parse("/in ops"), Ok(Typed::In("ops".to_owned())));
        assert_eq!(Typed::parse("  /As\tann "), Ok(Typed::As("ann".to_owned())));
        assert_eq!(
            Typed::parse("/reply 3 use  the\nblue one"),
            Ok(Typed::Reply { message: 3, text: "use  the\nblue one".to_owned() })
        );
        assert_eq!(
            Typed::parse("/press #12 Try again"),
            Ok(Typed::Press { message: 12, label: "Try again".to_owned() })
        );
        let file = |path: &str, text: &str| Ok(Typed::File { path: path.to_owned(), text: text.to_owned() });
        assert_eq!(Typed::parse("/file a.txt /kanban create x"), file("a.txt", "/kanban create x"));
        assert_eq!(Typed::parse("/file \"a b.txt\"  look\nat it"), file("a b.txt", "look\nat it"));
        assert_eq!(Typed::parse("/file a.txt"), file("a.txt", ""));
        assert_eq!(Typed::parse("/quit"), Ok(Typed::Quit));
        assert_eq!(Typed::parse(" \t\n"), Ok(Typed::Blank));
    }

    #[test]
    fn everything_else_is_a_message_as_typed() {
        for text in
            ["hello", "  /kanban list ", "/kanban create x\nbody ", "/input", "/quit now", "/", "\\", "/in\u{0}"]
        {
            assert_eq!(Typed::parse(text), Ok(message(text)), "{text:?}");
        }
    }

    #[test]
    fn misuse_is_explained() {
        let sentences: Vec<String> = [
            "/in",
            "/in two words",
            "/as \u{1b}[31m",
            "/reply",
            "/reply x y",
            "/reply 3",
            "/file",
            "/press 99999999999999999999 go",
            "/press 3 ",
            "/wait",
        ]
        .iter()
        .map(|line| Typed::parse(line).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(sentences.join("\n"), @r#"
        `/in THREAD` got no name; type for example `/in ops`
        the name `two words` has a blank in it; expected one word; type for example `/in ops`
        the name `␛[31m` has a control character in it; expected one word; type for example `/as ann`
        `/reply N TEXT` got no message number; type for example `/reply 3 use the blue one`
        `/reply N TEXT` got `x` where the number of a message was expected; type for example `/reply 3 use the blue one`
        `/reply N TEXT` got nothing after 3; type for example `/reply 3 use the blue one`
        `/file PATH TEXT` got no path; type for example `/file report.pdf /kanban create read this`
        `/press N LABEL` got `99999999999999999999` where the number of a message was expected; type for example `/press 3 Retry`
        `/press N LABEL` got nothing after 3; type for example `/press 3 Retry`
        `/wait TEXT` got no text; type for example `/wait which colour`
        "#);
    }

    #[test]
    fn a_trailing_backslash_continues() {
        let mut lines = Continuation::default();
        assert_eq!(lines.push("one\\\r"), None);
        assert!(lines.is_begun());
        assert_eq!(lines.push("\\"), None);
        assert_eq!(lines.push("three \\ four\r"), Some("one\n\nthree \\ four".to_owned()));
        assert!(!lines.is_begun());
        assert_eq!(lines.push("half\\"), None);
        assert_eq!(lines.finish(), Some("half\n".to_owned()));
        assert_eq!(lines.finish(), None);
    }

    proptest! {
        #[test]
        fn nothing_typed_is_dropped(text in "(?s)(/(in|as|reply|press|wait|quit|kanban))?[ \\t]?#?[0-9]{0,3}.{0,40}") {
            match Typed::parse(&text) {
                Ok(Typed::Message(kept)) => prop_assert_eq!(kept, text),
                Ok(Typed::In(kept) | Typed::As(kept)) => prop_assert_eq!(text.trim()[3..].trim(), kept),
                Ok(Typed::Reply { message, text: kept } | Typed::Press { message, label: kept }) => {
                    let rest = text.trim()[6..].trim_start().trim_start_matches('#').trim_start_matches('0');
                    let rest = if message == 0 { rest } else { rest.strip_prefix(&message.to_string()).unwrap() };
                    prop_assert_eq!(rest.trim(), kept.trim());
                }
                Ok(Typed::File { .. }) => prop_assert!(text.trim().to_ascii_lowercase().starts_with("/file")),
                Ok(Typed::Wait(kept)) => prop_assert_eq!(text.trim()[5..].trim(), kept),
                Ok(Typed::Quit) => prop_assert_eq!(text.trim(), "/quit"),
                Ok(Typed::Blank) => prop_assert_eq!(text.trim(), ""),
                Err(misuse) => prop_assert!(!misuse.to_string().is_empty()),
            }
        }

        #[test]
        fn no_input_panics(text in any::<String>(), verb in "(/[a-z]{0,6} ?)?") {
            let mut lines = Continuation::default();
            let typed = format!("{verb}{text}");
            let whole = lines.push(&typed).or_else(|| lines.finish()).unwrap();
            let _understood_or_explained = Typed::parse(&whole);
        }
    }
}
