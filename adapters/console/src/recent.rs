//! What was said last, by people and by us, for whoever asks what a thread has been about.

use std::collections::VecDeque;

use kanban_platform::{Author, Input, Post, PostKind, Request, Said, Thread};

use crate::{PLATFORM, request::name_of};

/// How many messages are remembered, of all threads together. They are forgotten at a restart.
const REMEMBERED: usize = 500;

#[derive(Default)]
pub(crate) struct Recent(VecDeque<Message>);

struct Message {
    thread: Thread,
    /// The id of a person's message.
    id: Option<String>,
    said: Said,
}

impl Recent {
    pub(crate) fn heard(&mut self, request: &Request) {
        if let Input::Text(text) = &request.input {
            let Author { platform, id, name, .. } = &request.author;
            let said =
                Said { author: name.clone(), person: format!("{platform}:{id}"), is_ours: false, text: text.clone() };
            self.push(&request.thread, request.message.clone(), said);
        }
    }

    pub(crate) fn posted(&mut self, post: &Post) {
        if matches!(post.kind, PostKind::News | PostKind::Reply { .. }) && !post.body.is_empty() && !post.private {
            let said = Said { author: PLATFORM.to_owned(), person: String::new(), is_ours: true, text: post.text() };
            self.push(&post.thread, None, said);
        }
    }

    /// Whether we have said something with this text in a thread, whatever its capitals.
    pub(crate) fn has_said(&self, thread: &str, text: &str) -> bool {
        let text = text.to_lowercase();
        let ours = self.0.iter().filter(|message| message.said.is_ours && name_of(&message.thread) == thread);
        ours.rev().any(|message| message.said.text.to_lowercase().contains(&text))
    }

    /// The last messages of a thread before one of them, oldest first.
    pub(crate) fn before(&self, thread: &Thread, before: Option<&str>, count: usize) -> Vec<Said> {
        let end = before
            .and_then(|before| self.0.iter().rposition(|message| message.id.as_deref() == Some(before)))
            .unwrap_or(self.0.len());
        let of_thread = self.0.iter().take(end).filter(|message| message.thread == *thread);
        let mut said: Vec<Said> = of_thread.rev().take(count).map(|message| message.said.clone()).collect();
        said.reverse();
        said
    }

    fn push(&mut self, thread: &Thread, id: Option<String>, said: Said) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Message { thread: thread.clone(), id, said });
    }
}
