//! What can go wrong with a post to the platform in this process.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use kanban_platform::{Block, Post, PostError, Thread};

/// What can go wrong with a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The platform asks for patience: nothing is stored.
    Later(Duration),
    /// The thread does not exist any more: nothing is stored.
    Gone,
    /// The platform will never take this post: nothing is stored.
    Refused,
    /// The message is stored, and the answer to the sender is lost: it sees an error and may try again at once.
    LoseAnswer,
    /// The message is stored, and no answer comes until [`FakePlatform::release`](crate::FakePlatform::release).
    HoldAnswer,
    /// Nothing happens until [`FakePlatform::release`](crate::FakePlatform::release); then the post is taken.
    Hang,
}

impl Fault {
    /// The error that the sender sees, where it sees one.
    pub(crate) fn error(&self) -> Option<PostError> {
        match self {
            Self::Later(wait) => Some(PostError::Later(*wait, "too many requests".to_owned())),
            Self::Gone => Some(PostError::Gone("unknown channel".to_owned())),
            Self::Refused => Some(PostError::Refused("invalid message".to_owned())),
            Self::LoseAnswer => Some(PostError::Ambiguous("the connection was reset".to_owned())),
            Self::HoldAnswer | Self::Hang => None,
        }
    }
}

/// The faults that are in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: VecDeque<Fault>,
    files: VecDeque<Fault>,
    threads: HashMap<Thread, Fault>,
}

impl Faults {
    pub(crate) fn fail_next(&mut self, count: usize, fault: Fault) {
        self.next.extend(std::iter::repeat_n(fault, count));
    }

    pub(crate) fn fail_files(&mut self, count: usize, fault: Fault) {
        self.files.extend(std::iter::repeat_n(fault, count));
    }

    pub(crate) fn fail_thread(&mut self, thread: Thread, fault: Fault) {
        self.threads.insert(thread, fault);
    }

    pub(crate) fn heal(&mut self, thread: &Thread) {
        self.threads.remove(thread);
    }

    /// The fault that the next post to this thread meets. That of a thread comes first and stays.
    pub(crate) fn meet(&mut self, post: &Post) -> Option<Fault> {
        let is_file = post.body.iter().any(|block| matches!(block, Block::Stored { .. }));
        let file = if is_file { self.files.pop_front() } else { None };
        file.or_else(|| self.threads.get(&post.thread).copied()).or_else(|| self.next.pop_front())
    }
}
