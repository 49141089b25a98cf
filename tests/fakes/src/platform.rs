//! The platform itself: the contract on one side, and on the other what a test sees and does.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kanban_platform::{
    Block, Commands, Opening, Platform, PlatformError, Post, PostError, Receipt, Request, Thread, plain, split_body,
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::Fault,
    state::{Attempt, Message, State},
};

/// How long a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A platform that lives in this process.
pub struct FakePlatform {
    name: String,
    limit: Option<usize>,
    state: Mutex<State>,
    /// Counts changes of the state, for those who wait for one.
    changes: watch::Sender<u64>,
    /// Counts calls of `release`.
    releases: watch::Sender<u64>,
    commands: watch::Sender<Option<Arc<dyn Commands>>>,
}

impl FakePlatform {
    /// A platform of this name that works, knows repeats by their delivery and has no limit.
    pub fn new(name: &str) -> Arc<Self> {
        Self::build(name, None, true)
    }

    /// A platform that refuses messages of more characters than this.
    pub fn with_message_limit(name: &str, limit: usize) -> Arc<Self> {
        Self::build(name, Some(limit), true)
    }

    /// A platform that takes a repeat for a new message, as some do.
    pub fn forgetful(name: &str) -> Arc<Self> {
        Self::build(name, None, false)
    }

    /// Lets the next `count` posts meet this fault, to whatever thread they go.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.state().faults.fail_next(count, fault);
    }

    /// Lets the next `count` posts of files meet this fault, to whatever thread they go.
    pub fn fail_files(&self, count: usize, fault: Fault) {
        self.state().faults.fail_files(count, fault);
    }

    /// Lets every post to this thread meet this fault, until [`heal`](Self::heal).
    pub fn fail_thread(&self, thread: &Thread, fault: Fault) {
        self.state().faults.fail_thread(thread.clone(), fault);
    }

    /// Ends the fault of a thread. Posts that hang go on hanging until they are released.
    pub fn heal(&self, thread: &Thread) {
        self.state().faults.heal(thread);
    }

    /// Lets every post go on that hangs now.
    pub fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Lets tasks have threads of their own; before, they are refused.
    pub fn opens_threads(&self) {
        self.state().opens_threads = true;
    }

    /// Lets the next `count` openings meet this fault.
    pub fn fail_openings(&self, count: usize, fault: Fault) {
        self.state().opening_faults.extend(std::iter::repeat_n(fault, count));
    }

    /// Every call of `open` so far.
    pub fn openings(&self) -> Vec<Opening> {
        self.state().openings.clone()
    }

    /// The messages of a thread, in order.
    pub fn messages(&self, thread: &Thread) -> Vec<Message> {
        self.state().in_thread(thread)
    }

    /// Every call of `post` so far, in the order in which they began.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.state().attempts.clone()
    }

    /// Waits until the thread has at least `count` messages, and answers all of them.
    ///
    /// # Panics
    /// After 30 s.
    pub async fn wait_for(&self, thread: &Thread, count: usize) -> Vec<Message> {
        self.wait_until(&format!("{count} messages in `{thread}`"), |state| {
            let messages = state.in_thread(thread);
            (messages.len() >= count).then_some(messages)
        })
        .await
    }

    /// Waits until the thread has a message whose text, as it is now, fits.
    ///
    /// # Panics
    /// After 30 s.
    pub async fn wait_for_text(&self, thread: &Thread, fits: impl Fn(&str) -> bool) -> Message {
        self.wait_until(&format!("a text in `{thread}`"), |state| {
            state.in_thread(thread).into_iter().find(|message| fits(&message.text))
        })
        .await
    }

    /// Waits until `post` has been called at least `count` times, whatever came of it.
    ///
    /// # Panics
    /// After 30 s.
    pub async fn wait_for_attempts(&self, count: usize) -> Vec<Attempt> {
        self.wait_until(&format!("{count} attempts"), |state| {
            (state.attempts.len() >= count).then(|| state.attempts.clone())
        })
        .await
    }

    /// Hands a request to the gateway as if a person had made it, and answers its receipt. Waits until the gateway has
    /// started the platform.
    ///
    /// # Panics
    /// When the gateway has not started it after 30 s.
    pub async fn inject(&self, request: Request) -> Receipt {
        let mut running = self.commands.subscribe();
        let commands = match timeout(PATIENCE, running.wait_for(Option::is_some)).await {
            Ok(Ok(commands)) => commands.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        let commands = commands.expect("the gateway runs the platform before a person can use it");
        commands.handle(request).await
    }

    fn build(name: &str, limit: Option<usize>, answers_repeats: bool) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            limit,
            state: Mutex::new(State { answers_repeats, limit, ..State::default() }),
            changes: watch::Sender::new(0),
            releases: watch::Sender::new(0),
            commands: watch::Sender::new(None),
        })
    }

    async fn wait_until<T>(&self, what: &str, ready: impl Fn(&State) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = ready(&self.state()) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => {
                let attempts = self.attempts();
                panic!("`{}` waited {PATIENCE:?} for {what}; attempts so far: {attempts:#?}", self.name)
            }
        }
    }

    /// Takes the post, and answers what came of it.
    fn take(&self, post: &Post) -> Result<String, PostError> {
        let answer = self.state().take(post);
        self.changed();
        answer
    }

    /// Does with the post what its fault says.
    async fn suffer(
        &self,
        post: &Post,
        fault: Option<Fault>,
        mut releases: watch::Receiver<u64>,
    ) -> Result<String, PostError> {
        match fault {
            None => self.take(post),
            Some(Fault::Hang) => {
                released(&mut releases).await;
                self.take(post)
            }
            Some(Fault::HoldAnswer) => {
                let answer = self.take(post);
                released(&mut releases).await;
                answer
            }
            Some(fault @ Fault::LoseAnswer) => {
                let answer = self.take(post);
                fault.error().map_or(answer, Err)
            }
            Some(fault @ (Fault::Later(_) | Fault::Gone | Fault::Refused)) => {
                fault.error().map_or_else(|| self.take(post), Err)
            }
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Platform for FakePlatform {
    fn name(&self) -> &str {
        &self.name
    }

    fn parts(&self, body: &[Block]) -> Vec<Vec<Block>> {
        match self.limit {
            Some(limit) => split_body(body, limit, |blocks| plain(blocks).chars().count()),
            None => vec![body.to_vec()],
        }
    }

    async fn run(&self, commands: Arc<dyn Commands>, shutdown: CancellationToken) -> Result<(), PlatformError> {
        self.commands.send_replace(Some(commands));
        shutdown.cancelled().await;
        self.commands.send_replace(None);
        Ok(())
    }

    async fn post(&self, post: &Post, in_doubt_since: Option<i64>) -> Result<String, PostError> {
        // Who subscribes after the attempt is seen could miss a release that the attempt called forth.
        let releases = self.releases.subscribe();
        let (place, fault) = {
            let mut state = self.state();
            state.attempts.push(Attempt { post: post.clone(), in_doubt_since, answer: None });
            (state.attempts.len() - 1, state.faults.meet(post))
        };
        self.changed();
        let answer = self.suffer(post, fault, releases).await;
        self.state().attempts[place].answer = Some(answer.clone());
        self.changed();
        answer
    }

    async fn open(&self, opening: &Opening) -> Result<Thread, PostError> {
        let fault = {
            let mut state = self.state();
            state.openings.push(opening.clone());
            match state.opening_faults.pop_front() {
                None if state.opens_threads => None,
                None => Some(Fault::Refused),
                Some(fault) => Some(fault),
            }
        };
        self.changed();
        match fault.and_then(|fault| fault.error()) {
            Some(error) => Err(error),
            None => Ok(Thread { thread: Some(format!("own-{}", opening.task)), ..opening.channel.clone() }),
        }
    }
}

async fn released(releases: &mut watch::Receiver<u64>) {
    if releases.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
