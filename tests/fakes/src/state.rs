//! What a platform remembers.

use std::collections::VecDeque;

use kanban_platform::{Opening, Post, PostError, PostKind, Thread};

use crate::fault::{Fault, Faults};

/// A message that people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The platform's id, counted over all threads from 1.
    pub id: String,
    pub thread: Thread,
    /// The text as it is now.
    pub text: String,
    /// The labels of the buttons as they are now.
    pub buttons: Vec<String>,
    /// The texts that it had before, oldest first.
    pub earlier: Vec<String>,
    /// The post that made it, followed by those that edited it.
    pub posts: Vec<Post>,
}

/// One call of [`Platform::post`](kanban_platform::Platform::post).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub post: Post,
    /// Since when an earlier attempt may have arrived, as the sender said.
    pub in_doubt_since: Option<i64>,
    /// What was answered; `None` while no answer has been given, or when the caller went away.
    pub answer: Option<Result<String, PostError>>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) messages: Vec<Message>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) faults: Faults,
    pub(crate) opens_threads: bool,
    pub(crate) opening_faults: VecDeque<Fault>,
    pub(crate) openings: Vec<Opening>,
    pub(crate) answers_repeats: bool,
    pub(crate) limit: Option<usize>,
}

impl State {
    pub(crate) fn in_thread(&self, thread: &Thread) -> Vec<Message> {
        self.messages.iter().filter(|message| message.thread == *thread).cloned().collect()
    }

    /// Takes a post as the platform would that works, and answers the message's id.
    pub(crate) fn take(&mut self, post: &Post) -> Result<String, PostError> {
        if let Some(limit) = self.limit
            && post.text().chars().count() > limit
        {
            return Err(PostError::Refused(format!("the message has more than {limit} characters")));
        }
        if self.answers_repeats
            && let Some(message) = self.messages.iter().find(|message| has_taken(message, post))
        {
            return Ok(message.id.clone());
        }
        match &post.kind {
            PostKind::Reaction { .. } => Ok(String::new()),
            PostKind::News | PostKind::Reply { .. } => {
                let id = (self.messages.len() + 1).to_string();
                self.messages.push(Message {
                    id: id.clone(),
                    thread: post.thread.clone(),
                    text: post.text(),
                    buttons: labels(post),
                    earlier: Vec::new(),
                    posts: vec![post.clone()],
                });
                Ok(id)
            }
            PostKind::Edit { message: id } => {
                let Some(message) =
                    self.messages.iter_mut().find(|message| message.id == *id && message.thread == post.thread)
                else {
                    return Err(PostError::Refused(format!("no message `{id}` in `{}`", post.thread)));
                };
                message.earlier.push(std::mem::replace(&mut message.text, post.text()));
                message.buttons = labels(post);
                message.posts.push(post.clone());
                Ok(id.clone())
            }
        }
    }
}

fn has_taken(message: &Message, post: &Post) -> bool {
    message.posts.iter().any(|taken| taken.delivery == post.delivery)
}

fn labels(post: &Post) -> Vec<String> {
    post.buttons.iter().map(|button| button.label.clone()).collect()
}
