//! What a person does at the console, made into a [`Request`].

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use kanban_platform::{Author, Incoming, Input, Request, Thread};
use serde::{Deserialize, Serialize};

use crate::{
    PLATFORM,
    journal::Journal,
    line::{Misuse, check_name},
    transcript::Line,
};

/// Who speaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) thread: String,
    pub(crate) user: String,
}

/// What a person does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// A message.
    Text { text: String },
    /// A message in reply to one of ours. It goes to the thread of that message.
    Reply { message: u64, text: String },
    /// A message with files of this machine.
    Files { paths: Vec<PathBuf>, text: String },
    /// A press of a button, whose label may be in other capitals.
    Press { message: u64, label: String },
}

/// Why an action cannot be made into a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Name(#[from] Misuse),
    #[error("there is no message {0}; the number stands behind the `#` of a post")]
    NoMessage(u64),
    #[error("message {message} has no button `{label}`; {}", offer(.message, .labels))]
    NoButton { message: u64, label: String, labels: Vec<String> },
    #[error("`{}` cannot be sent: {why}", path.display())]
    NoFile { path: PathBuf, why: String },
    #[error("the transcript cannot be read: {0}")]
    Transcript(#[from] io::Error),
}

/// Gives out the ids of updates, unique over processes by a random part that is drawn for each.
#[derive(Debug)]
pub(crate) struct Updates {
    session: String,
    count: AtomicU64,
}

impl Updates {
    pub(crate) fn new(session: [u8; 8]) -> Self {
        Self { session: format!("{:016x}", u64::from_be_bytes(session)), count: AtomicU64::new(0) }
    }

    /// Makes the request, after a look at the message that it is about.
    pub(crate) fn request(&self, journal: &Journal, place: &Place, action: Action) -> Result<Request, RequestError> {
        check_name(&place.thread)?;
        check_name(&place.user)?;
        let about = |message| journal.message(message)?.ok_or(RequestError::NoMessage(message));
        let mut files = Vec::new();
        let (thread, input, reply_to) = match action {
            Action::Text { text } => (place.thread.clone(), Input::Text(text), None),
            Action::Reply { message, text } => (about(message)?.thread, Input::Text(text), Some(message)),
            Action::Files { paths, text } => {
                files = paths.iter().map(|path| file_at(path)).collect::<Result<_, _>>()?;
                (place.thread.clone(), Input::Text(text), None)
            }
            Action::Press { message, label } => {
                let line = about(message)?;
                let label = button(&line, label)?;
                (line.thread, Input::Press { message: message.to_string(), button: label, words: None }, Some(message))
            }
        };
        let update = self.next(reply_to);
        Ok(Request {
            author: Author {
                platform: PLATFORM.to_owned(),
                id: place.user.clone(),
                name: place.user.clone(),
                groups: Vec::new(),
            },
            is_channel: is_channel(&thread),
            thread: thread_of(&thread),
            input,
            reply_to: reply_to.map(|message| message.to_string()),
            addressed: true,
            return_address: None,
            message: Some(update.clone()),
            update,
            files,
        })
    }

    /// The id carries the number of the message that it is about, so that the answer can point there even when it is
    /// posted by a later process.
    fn next(&self, about: Option<u64>) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        match about {
            Some(message) => format!("{}.{count}.{message}", self.session),
            None => format!("{}.{count}", self.session),
        }
    }
}

/// The mark before the name of a channel: tasks that are made there have threads of their own.
const CHANNEL: char = '#';

/// The thread that a name stands for: `#shop` is a channel, `shop/t_1` a thread of it, and `shop` a thread by itself.
pub(crate) fn thread_of(name: &str) -> Thread {
    let (channel, thread) = match name.split_once('/') {
        Some((channel, thread)) if !is_channel(name) && !channel.is_empty() && !thread.is_empty() => {
            (format!("{CHANNEL}{channel}"), Some(thread.to_owned()))
        }
        Some(_) | None => (name.to_owned(), None),
    };
    Thread { platform: PLATFORM.to_owned(), space: String::new(), channel, thread }
}

/// The name of a thread, as people type it after `/in`.
pub(crate) fn name_of(thread: &Thread) -> String {
    match &thread.thread {
        Some(own) => format!("{}/{own}", thread.channel.trim_start_matches(CHANNEL)),
        None => thread.channel.clone(),
    }
}

fn is_channel(name: &str) -> bool {
    name.len() > CHANNEL.len_utf8() && name.starts_with(CHANNEL)
}

/// The message that an update was about.
pub(crate) fn replied_to(update: &str) -> Option<u64> {
    update.split('.').nth(2)?.parse().ok()
}

/// The file at a path, which must be one now.
fn file_at(path: &Path) -> Result<Incoming, RequestError> {
    let no_file = |why: String| RequestError::NoFile { path: path.to_owned(), why };
    let whole = std::path::absolute(path).map_err(|error| no_file(error.to_string()))?;
    let metadata = std::fs::metadata(&whole).map_err(|error| no_file(error.to_string()))?;
    if !metadata.is_file() {
        return Err(no_file("it is no file".to_owned()));
    }
    let handle = whole.to_str().ok_or_else(|| no_file("its path cannot be written as text".to_owned()))?;
    Ok(Incoming {
        name: whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        size: Some(metadata.len()),
        media_type: None,
        handle: handle.to_owned(),
    })
}

fn button(line: &Line, label: String) -> Result<String, RequestError> {
    let wanted = label.trim().to_lowercase();
    match line.buttons.iter().find(|button| button.trim().to_lowercase() == wanted) {
        Some(button) => Ok(button.clone()),
        None => Err(RequestError::NoButton { message: line.message, label, labels: line.buttons.clone() }),
    }
}

fn offer(message: &u64, labels: &[String]) -> String {
    match labels {
        [] => "it has no buttons".to_owned(),
        labels => {
            let commands: Vec<String> = labels.iter().map(|label| format!("`/press {message} {label}`")).collect();
            format!("type {}", commands.join(" or "))
        }
    }
}
