//! The road of every post: into the transcript, onto the disk, onto the screen, to whoever waits for it.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kanban_platform::{Block, Post, PostError, PostKind, bytes, file_name};
use tokio::sync::oneshot;

use crate::{
    Now, PLATFORM,
    request::{name_of, replied_to},
    screen::{Printer, Screen},
    transcript::{Entry, Line, Shown, Transcript},
};

/// How long a post should wait after the disk refused it.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Journal {
    now: Now,
    state: Mutex<State>,
    /// Whoever holds it synchronises and shows everything that was appended until then, so that posts that come in
    /// together share one synchronisation and are shown in the order of the transcript.
    turn: Mutex<()>,
    screen: Mutex<Screen>,
}

struct State {
    transcript: Transcript,
    /// Appended, not yet durable and shown.
    unshown: Vec<Entry>,
    /// Every line that starts before this place is durable and was shown.
    shown: u64,
    waiting: HashMap<String, Vec<oneshot::Sender<Line>>>,
}

impl Journal {
    pub(crate) fn new(transcript: Transcript, screen: Screen, now: Now) -> Self {
        let shown = transcript.end();
        let state = State { transcript, unshown: Vec::new(), shown, waiting: HashMap::new() };
        Self { now, state: Mutex::new(state), turn: Mutex::new(()), screen: Mutex::new(screen) }
    }

    /// Stores the post, shows it and answers the number of its message. A repeat stores and shows nothing.
    /// Returns once the line is durable; blocks for as long as that takes.
    pub(crate) fn post(&self, post: &Post) -> Result<u64, PostError> {
        let (start, message) = self.append(post)?;
        self.settle(start).map_err(unwritable)?;
        Ok(message)
    }

    /// Waits until the delivery has been posted, which may have happened already.
    pub(crate) async fn wait(&self, delivery: &str) -> io::Result<Line> {
        let receiver = {
            let mut state = lock(&self.state);
            match state.transcript.find(delivery) {
                Some(start) if start < state.shown => return Ok(state.transcript.read(start)?.line),
                _ => {
                    let (sender, receiver) = oneshot::channel();
                    state.waiting.entry(delivery.to_owned()).or_default().push(sender);
                    receiver
                }
            }
        };
        let waiting = Waiting { journal: self, delivery, receiver };
        waiting.line().await
    }

    /// The latest form of a message.
    pub(crate) fn message(&self, message: u64) -> io::Result<Option<Line>> {
        lock(&self.state).transcript.message(message)
    }

    pub(crate) fn notice(&self, text: &str) {
        lock(&self.screen).notice(text);
    }

    pub(crate) fn set_printer(&self, printer: Option<Printer>) {
        lock(&self.screen).set_printer(printer);
    }

    fn append(&self, post: &Post) -> Result<(u64, u64), PostError> {
        if post.thread.platform != PLATFORM {
            return Err(PostError::Refused(format!("the thread `{}` is not one of the console", post.thread)));
        }
        let mut state = lock(&self.state);
        if let Some(start) = state.transcript.find(&post.delivery) {
            let message = state.transcript.read(start).map_err(unwritable)?.line.message;
            return Ok((start, message));
        }
        let (message, edited, reply_to) = match &post.kind {
            PostKind::News => (state.transcript.next_message(), false, None),
            PostKind::Reply { update, .. } => (state.transcript.next_message(), false, replied_to(update)),
            PostKind::Reaction { .. } => return Err(PostError::Refused("the console has no reactions".to_owned())),
            PostKind::Edit { message } => (known_message(&state.transcript, message)?, true, None),
        };
        let line = Line {
            thread: name_of(&post.thread),
            message,
            edited,
            reply_to,
            text: text(post),
            buttons: post.buttons.iter().map(|button| button.label.clone()).collect(),
            private: post.private,
            task: post.task.clone(),
            event: post.event.clone(),
            files: shown(&post.body)?,
        };
        let entry = Entry { line, delivery: post.delivery.clone(), at: (self.now)() };
        let start = state.transcript.append(&entry).map_err(unwritable)?;
        state.unshown.push(entry);
        Ok((start, message))
    }

    /// Returns once the line that starts there is durable and was shown.
    fn settle(&self, start: u64) -> io::Result<()> {
        let _turn = lock(&self.turn);
        let (file, end, entries) = {
            let mut state = lock(&self.state);
            if start < state.shown {
                return Ok(());
            }
            (state.transcript.file(), state.transcript.end(), std::mem::take(&mut state.unshown))
        };
        if let Err(error) = file.sync_data() {
            lock(&self.state).unshown.splice(0..0, entries);
            return Err(error);
        }
        {
            let mut screen = lock(&self.screen);
            for entry in &entries {
                screen.show(&entry.line);
            }
        }
        let mut state = lock(&self.state);
        state.shown = end;
        for entry in entries {
            for waiting in state.waiting.remove(&entry.delivery).unwrap_or_default() {
                // A receiver that is gone has given up.
                let _given_up = waiting.send(entry.line.clone());
            }
        }
        Ok(())
    }
}

/// A place in the queue for a delivery, which is left when nobody waits any more.
struct Waiting<'a> {
    journal: &'a Journal,
    delivery: &'a str,
    receiver: oneshot::Receiver<Line>,
}

impl Waiting<'_> {
    async fn line(mut self) -> io::Result<Line> {
        (&mut self.receiver).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut state = lock(&self.journal.state);
        if let Some(senders) = state.waiting.get_mut(self.delivery) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                state.waiting.remove(self.delivery);
            }
        }
    }
}

/// The text, in which a file of this machine is a line that says where it lies.
fn text(post: &Post) -> String {
    let lines: Vec<String> = post
        .body
        .iter()
        .map(|block| match block {
            Block::Stored { name, path, size, .. } => {
                format!("{} ({}): {}", file_name(name), bytes(*size), path.display())
            }
            block => block.text().to_owned(),
        })
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

/// The files of a body. What is gone cannot be shown.
fn shown(body: &[Block]) -> Result<Vec<Shown>, PostError> {
    let mut files = Vec::new();
    for block in body {
        if let Block::Stored { name, path, size, .. } = block {
            if !path.is_file() {
                return Err(PostError::Refused("it is not on this machine any more".to_owned()));
            }
            files.push(Shown { name: file_name(name), path: path.clone(), size: *size });
        }
    }
    Ok(files)
}

fn known_message(transcript: &Transcript, message: &str) -> Result<u64, PostError> {
    let known = message.parse().ok().filter(|&number| matches!(transcript.message(number), Ok(Some(_))));
    known.ok_or_else(|| PostError::Refused(format!("there is no message `{message}` to edit")))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn unwritable(error: io::Error) -> PostError {
    PostError::Later(RETRY, format!("the console's transcript cannot be read or written: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
