//! The notifier: hands what threads are owed to their platforms, in order for each thread, and none waits for another.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kanban_platform::{Platform, Post, PostError, PostKind, Thread, split};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::{Board, BoardSlug, Boards, Error, delivery::Delivery},
    clock::{Clock, Millis},
};

/// How long a platform may take for one post.
const POST_DEADLINE: Duration = Duration::from_secs(30);

/// The first wait after a post that did not arrive; it doubles with each, to the longest.
const FIRST_WAIT: Millis = 1_000;
const LONGEST_WAIT: Millis = 10 * 60 * 1_000;

/// Platforms by the name that threads carry.
pub type Platforms = BTreeMap<String, Arc<dyn Platform>>;

pub struct Notifier {
    boards: Boards,
    platforms: Platforms,
    clock: Clock,
}

/// One thread of one board.
type Key = (BoardSlug, i64);

/// What the drain of a thread ended with.
struct Drained {
    key: Key,
    /// When there is something to do again, if that is known.
    again: Option<Millis>,
}

impl Notifier {
    pub fn new(boards: Boards, platforms: Platforms, clock: Clock) -> Self {
        Self { boards, platforms, clock }
    }

    /// Delivers until shutdown, then what can be delivered within `drain`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken, drain: Duration) {
        let wake = Arc::clone(self.boards.wake());
        let mut busy: HashSet<Key> = HashSet::new();
        let mut waiting: BTreeMap<Key, Millis> = BTreeMap::new();
        let mut drains = JoinSet::new();
        let mut stop_at: Option<Instant> = None;
        loop {
            let now = self.clock.now();
            waiting.retain(|_, at| *at > now);
            match self.owed().await {
                Ok(owed) => {
                    for (board, id, thread) in owed {
                        let key = (board.slug().clone(), id);
                        if !waiting.contains_key(&key) && busy.insert(key.clone()) {
                            let this = Arc::clone(&self);
                            drains.spawn(async move { this.drain(key, board, thread).await });
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "the outbox cannot be read"),
            }
            if stop_at.is_some() && busy.is_empty() {
                return;
            }
            let alarm = waiting.values().min().map(|at| at - now);
            tokio::select! {
                biased;
                Some(drained) = drains.join_next() => match drained {
                    Ok(Drained { key, again }) => {
                        busy.remove(&key);
                        waiting.extend(again.map(|at| (key, at)));
                    }
                    Err(error) => {
                        tracing::error!(%error, "a delivery broke off; its thread is taken up again");
                        busy.clear();
                        drains.abort_all();
                    }
                },
                // What was put off may be due at once: a thread that speaks again is alive.
                () = wake.notifier.notified() => waiting.clear(),
                () = shutdown.cancelled(), if stop_at.is_none() => stop_at = Some(Instant::now() + drain),
                () = until(stop_at) => return,
                () = pause(alarm) => {}
            }
        }
    }

    /// Whether a thread that can be reached is owed something.
    pub async fn owes(&self) -> Result<bool, Error> {
        Ok(!self.owed().await?.is_empty())
    }

    /// The threads that are owed something and that we have a platform for. A thread that is parked counts as soon as
    /// its time has come again.
    async fn owed(&self) -> Result<Vec<(Board, i64, Thread)>, Error> {
        let mut threads = Vec::new();
        for board in self.boards.all().await? {
            let owed = board.read().await?.threads_owed().await?;
            let known = owed.into_iter().filter(|owed| self.platforms.contains_key(&owed.thread().platform));
            threads.extend(known.map(|owed| (board.clone(), owed.id, owed.thread())));
        }
        Ok(threads)
    }

    /// Delivers what a thread is owed, one after the other, until nothing is left or one must wait.
    async fn drain(&self, key: Key, board: Board, thread: Thread) -> Drained {
        loop {
            match self.next_batch(&board, key.1).await {
                Ok(batch) if batch.is_empty() => return Drained { key, again: None },
                Ok(batch) => {
                    for delivery in batch {
                        match self.deliver(&board, key.1, &thread, &delivery).await {
                            Ok(None) => {}
                            Ok(Some(again)) => return Drained { key, again: Some(again) },
                            Err(error) => {
                                tracing::error!(%error, thread.id = %thread, "what became of a post for {thread} could not be recorded");
                                return Drained { key, again: Some(self.clock.now() + FIRST_WAIT) };
                            }
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(%error, thread.id = %thread, "what {thread} is owed cannot be read");
                    return Drained { key, again: Some(self.clock.now() + FIRST_WAIT) };
                }
            }
        }
    }

    async fn next_batch(&self, board: &Board, thread: i64) -> Result<Vec<Delivery>, Error> {
        board.read().await?.next_deliveries(thread).await
    }

    /// Delivers one post. Answers when to go on with the thread if this one must wait.
    async fn deliver(
        &self,
        board: &Board,
        thread_id: i64,
        thread: &Thread,
        delivery: &Delivery,
    ) -> Result<Option<Millis>, Error> {
        let now = self.clock.now();
        if delivery.next_at > now {
            return Ok(Some(delivery.next_at));
        }
        let Some(platform) = self.platforms.get(&thread.platform) else { return Ok(Some(now + LONGEST_WAIT)) };
        match self.post(platform.as_ref(), board, delivery).await? {
            Ok(message) => {
                let mut tx = board.write().await?;
                tx.delivery_sent(delivery.id, &message, self.clock.now()).await?;
                tx.revive_thread(thread_id).await?;
                tx.commit().await?;
                Ok(None)
            }
            Err(PostError::Refused(reason)) => {
                tracing::warn!(thread.id = %thread, "a post for {thread} was refused for good and is put aside");
                let mut tx = board.write().await?;
                tx.delivery_dead(delivery.id, &reason).await?;
                tx.commit().await?;
                Ok(None)
            }
            Err(PostError::Gone(reason)) => {
                let mut tx = board.write().await?;
                // Somebody has spoken there while this post was under way, so it is worth another try before long.
                let has_spoken = tx
                    .next_deliveries(thread_id)
                    .await?
                    .iter()
                    .any(|owed| owed.id > delivery.id && matches!(owed.post.kind, PostKind::Reply { .. }));
                let again = now + if has_spoken { backoff(delivery) } else { LONGEST_WAIT };
                if !has_spoken {
                    tracing::warn!(thread.id = %thread, "{thread} cannot be written to; what it is owed waits");
                    tx.park_thread(thread_id, &reason, now).await?;
                }
                tx.delivery_later(delivery.id, again, &reason).await?;
                tx.commit().await?;
                Ok(Some(again))
            }
            Err(PostError::Later(wait, reason)) => {
                let again = now + backoff(delivery).max(Millis::try_from(wait.as_millis()).unwrap_or(LONGEST_WAIT));
                let mut tx = board.write().await?;
                tx.delivery_later(delivery.id, again, &reason).await?;
                tx.commit().await?;
                Ok(Some(again))
            }
        }
    }

    /// Posts all parts of a delivery that have not arrived yet; answers the last part's message.
    async fn post(
        &self,
        platform: &dyn Platform,
        board: &Board,
        delivery: &Delivery,
    ) -> Result<Result<String, PostError>, Error> {
        let parts = parts(&delivery.post, platform.message_limit());
        let first = usize::try_from(delivery.parts_sent).unwrap_or(0).min(parts.len() - 1);
        let mut message = String::new();
        for (number, part) in parts.iter().enumerate().skip(first) {
            match timeout(POST_DEADLINE, platform.post(part)).await {
                Ok(Ok(sent)) => message = sent,
                Ok(Err(error)) => return Ok(Err(error)),
                Err(_) => {
                    return Ok(Err(PostError::Later(Duration::ZERO, "the platform did not answer in time".to_owned())));
                }
            }
            if number + 1 < parts.len() {
                let mut tx = board.write().await?;
                tx.delivery_part_sent(delivery.id, i64::try_from(number + 1).unwrap_or(i64::MAX)).await?;
                tx.commit().await?;
            }
        }
        Ok(Ok(message))
    }
}

/// How long a delivery waits after a failure: twice as long each time.
fn backoff(delivery: &Delivery) -> Millis {
    let doublings = u32::try_from(delivery.attempts).unwrap_or(0).min(20);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// A post as messages that the platform takes. Each part is a delivery of its own; the buttons are below the last one.
fn parts(post: &Post, limit: Option<usize>) -> Vec<Post> {
    let texts = match limit {
        Some(limit) if post.text.chars().count() > limit => split(&post.text, limit),
        Some(_) | None => return vec![post.clone()],
    };
    let last = texts.len() - 1;
    texts
        .into_iter()
        .enumerate()
        .map(|(number, text)| Post {
            delivery: format!("{}.{number}", post.delivery),
            // An edit can hold one message alone; what does not fit follows as news.
            kind: match (&post.kind, number) {
                (PostKind::Edit { .. }, 1..) => PostKind::News,
                (kind, _) => kind.clone(),
            },
            text,
            buttons: if number == last { post.buttons.clone() } else { Vec::new() },
            ..post.clone()
        })
        .collect()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn pause(millis: Option<Millis>) {
    match millis {
        Some(millis) => tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0).max(1))).await,
        None => std::future::pending().await,
    }
}
