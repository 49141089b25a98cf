//! Reads what is typed, on a thread of its own: a read from a terminal or pipe cannot be called off, and must not keep
//! the process from stopping.

use std::{
    io::{self, BufRead, Read},
    sync::mpsc as prompts,
    thread,
};

use tokio::sync::mpsc;

use crate::{line::Continuation, request::Place};

/// The longest message that is taken, in bytes.
pub(crate) const MESSAGE_LIMIT: usize = 1 << 20;

/// Where lines come from.
pub(crate) trait Lines: Send {
    /// Reads one line without its line end; `None` at the end of the input.
    fn read(&mut self, prompt: Prompt<'_>) -> io::Result<Option<Raw>>;
}

pub(crate) enum Raw {
    Line(String),
    /// The person threw away what was begun.
    Cancelled,
    TooLong,
}

/// What a person should see before the line that is to be typed.
pub(crate) struct Prompt<'a> {
    pub(crate) place: &'a Place,
    /// The line goes on with a message that was begun.
    pub(crate) continued: bool,
}

/// What was heard.
pub(crate) enum Heard {
    Message(String),
    /// A message longer than [`MESSAGE_LIMIT`], thrown away.
    TooLong,
}

/// The receiving end. The next message is read only when it is asked for.
pub(crate) struct Reader {
    heard: mpsc::Receiver<io::Result<Heard>>,
    prompts: prompts::SyncSender<Place>,
}

impl Reader {
    pub(crate) fn start(lines: Box<dyn Lines>) -> io::Result<Self> {
        let (heard_sender, heard) = mpsc::channel(1);
        let (prompt_sender, prompt_receiver) = prompts::sync_channel(1);
        thread::Builder::new()
            .name("console-input".to_owned())
            .spawn(move || read_all(lines, &prompt_receiver, &heard_sender))?;
        Ok(Self { heard, prompts: prompt_sender })
    }

    /// Asks for the next message, to be typed at this place.
    pub(crate) fn ask(&self, place: &Place) {
        // The thread is gone when the input has ended, which `next` tells.
        let _ended = self.prompts.try_send(place.clone());
    }

    /// The next message that was asked for; `None` at the end of the input.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Heard>> {
        self.heard.recv().await
    }
}

/// Reads whole lines from a pipe or file.
pub(crate) struct Piped(pub(crate) Box<dyn BufRead + Send>);

impl Lines for Piped {
    fn read(&mut self, _prompt: Prompt<'_>) -> io::Result<Option<Raw>> {
        let mut bytes = Vec::new();
        let limit = MESSAGE_LIMIT as u64 + 1;
        if (&mut self.0).take(limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > MESSAGE_LIMIT {
            self.0.skip_until(b'\n')?;
            return Ok(Some(Raw::TooLong));
        }
        Ok(Some(Raw::Line(String::from_utf8_lossy(&bytes).into_owned())))
    }
}

fn read_all(mut lines: Box<dyn Lines>, prompts: &prompts::Receiver<Place>, heard: &mpsc::Sender<io::Result<Heard>>) {
    while let Ok(place) = prompts.recv() {
        let message = read_message(&mut *lines, &place).transpose();
        let Some(message) = message else { return };
        let failed = message.is_err();
        if heard.blocking_send(message).is_err() || failed {
            return;
        }
    }
}

fn read_message(lines: &mut dyn Lines, place: &Place) -> io::Result<Option<Heard>> {
    let mut message = Continuation::default();
    let mut too_long = false;
    loop {
        let raw = lines.read(Prompt { place, continued: message.is_begun() })?;
        let whole = match raw {
            None if too_long => return Ok(Some(Heard::TooLong)),
            None => return Ok(message.finish().map(Heard::Message)),
            Some(Raw::Cancelled) => {
                message.finish();
                too_long = false;
                continue;
            }
            Some(Raw::TooLong) => {
                message.finish();
                return Ok(Some(Heard::TooLong));
            }
            Some(Raw::Line(line)) => message.push(&line),
        };
        match whole {
            Some(_) if too_long => return Ok(Some(Heard::TooLong)),
            Some(text) if text.len() > MESSAGE_LIMIT => return Ok(Some(Heard::TooLong)),
            Some(text) => return Ok(Some(Heard::Message(text))),
            None if message.held() > MESSAGE_LIMIT => {
                // The rest of the message must not be taken for another one.
                too_long = true;
                message.finish();
                message.push("\\");
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Lines, MESSAGE_LIMIT, Piped, read_message};
    use crate::request::Place;
    use std::io::Cursor;

    fn messages(input: impl Into<Vec<u8>>) -> Vec<Option<String>> {
        let mut lines: Box<dyn Lines> = Box::new(Piped(Box::new(Cursor::new(input.into()))));
        let place = Place { thread: "main".to_owned(), user: "you".to_owned() };
        std::iter::from_fn(|| read_message(&mut *lines, &place).unwrap())
            .map(|heard| match heard {
                Heard::Message(text) => Some(text),
                Heard::TooLong => None,
            })
            .collect()
    }

    #[test]
    fn lines_become_messages() {
        let heard = messages("one\r\n\ntwo\\\nthree\nfour\\");
        assert_eq!(heard, ["one", "", "two\nthree", "four\n"].map(|text| Some(text.to_owned())));
        assert_eq!(messages(b"\xff\n".as_slice()), [Some("\u{fffd}".to_owned())]);
        assert_eq!(messages(""), []);
    }

    #[test]
    fn a_message_over_the_limit_is_refused_as_a_whole() {
        let long = "x".repeat(MESSAGE_LIMIT + 1);
        let longest = "x".repeat(MESSAGE_LIMIT);
        let half = "x".repeat(MESSAGE_LIMIT / 2 + 1);
        assert_eq!(messages(format!("{long}\nnext")), [None, Some("next".to_owned())]);
        assert_eq!(messages(format!("{longest}\nnext")), [Some(longest), Some("next".to_owned())]);
        assert_eq!(messages(format!("{half}\\\n{half}\\\ntail\nnext")), [None, Some("next".to_owned())]);
    }
}
