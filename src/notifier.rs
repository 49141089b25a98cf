//! The notifier: hands what threads are owed to their platforms, in order for each thread, and none waits for another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use kanban_platform::{Block, Platform, Post, PostError, PostKind, Thread, Urgency};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    board::{Board, BoardSlug, Boards, Error, card::EVENT as CARD, delivery::Delivery, digest, opening::Unopened},
    clock::{Clock, Millis},
    command::SharedSettings,
    metrics::Meters,
    random,
    redact::Redactor,
};

/// How long a platform may take for one post, unless another time is given.
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
    deadline: Duration,
    settings: Option<SharedSettings>,
    meters: Arc<Meters>,
}

/// How many bytes of a file more time is given for a second, and how much longer its call may take than another.
const BYTES_A_SECOND: u64 = 128 << 10;
const FILE_DEADLINES: u32 = 4;

/// What a thread is owed goes out on two roads beside each other: no text waits for an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Lane {
    Texts,
    Files,
}

/// One road into one thread of one board.
type Key = (BoardSlug, i64, Lane);

/// A thread that is owed something that we can deliver.
struct Due {
    board: Board,
    id: i64,
    thread: Thread,
    lane: Lane,
    is_unopened: bool,
}

/// What the drain of a thread ended with.
struct Drained {
    key: Key,
    /// When there is something to do again, if that is known.
    again: Option<Millis>,
}

impl Notifier {
    pub fn new(boards: Boards, platforms: Platforms, clock: Clock) -> Self {
        Self { boards, platforms, clock, deadline: POST_DEADLINE, settings: None, meters: Arc::default() }
    }

    /// The same with another time that a platform may take for one post.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same, taking the secrets of these settings out of what goes out, beside whatever looks like a token.
    pub fn with_settings(self, settings: SharedSettings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// The same, counting what is delivered there.
    pub fn with_meters(self, meters: Arc<Meters>) -> Self {
        Self { meters, ..self }
    }

    /// What takes secrets out of texts at present.
    fn redactor(&self) -> Arc<Redactor> {
        self.settings.as_ref().map_or_else(Arc::default, |settings| Arc::clone(&settings.get().redactor))
    }

    /// Delivers until shutdown, then what can be delivered within `drain`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken, drain: Duration) {
        let wake = Arc::clone(self.boards.wake());
        // Threads that are being delivered to, each with the count of wakes at its beginning.
        let mut busy: HashMap<Key, u64> = HashMap::new();
        let mut wakes = 0;
        let mut waiting: BTreeMap<Key, Millis> = BTreeMap::new();
        let mut drains = JoinSet::new();
        let mut stop_at: Option<Instant> = None;
        loop {
            let now = self.clock.now();
            waiting.retain(|_, at| *at > now);
            let next_card = match self.draw_cards(now).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "cards cannot be brought up to date");
                    Some(now + LONGEST_WAIT)
                }
            };
            match self.owed().await {
                Ok(owed) => {
                    for Due { board, id, thread, lane, is_unopened } in owed {
                        let key = (board.slug().clone(), id, lane);
                        if !waiting.contains_key(&key) && !busy.contains_key(&key) {
                            busy.insert(key.clone(), wakes);
                            let this = Arc::clone(&self);
                            drains.spawn(async move {
                                let again = Some(this.clock.now() + LONGEST_WAIT);
                                let broken = Drained { key: key.clone(), again };
                                // In a task of its own, so that a post which breaks off holds up its own thread alone.
                                let drain = async move { this.drain(key, board, thread, is_unopened).await };
                                match AbortOnDropHandle::new(tokio::spawn(drain)).await {
                                    Ok(drained) => drained,
                                    Err(error) => {
                                        tracing::error!(%error, "a delivery broke off; its thread is taken up again later");
                                        broken
                                    }
                                }
                            });
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "the outbox cannot be read"),
            }
            if stop_at.is_some() && busy.is_empty() {
                return;
            }
            let alarm = waiting.values().copied().chain(next_card).min().map(|at| at - now);
            tokio::select! {
                biased;
                Some(drained) = drains.join_next() => {
                    if let Ok(Drained { key, again }) = drained {
                        // A wake since then may have made due at once what was to wait, so it is looked at again.
                        if busy.remove(&key) == Some(wakes) {
                            waiting.extend(again.map(|at| (key, at)));
                        }
                    }
                }
                // What was put off may be due at once: a thread that speaks again is alive.
                () = wake.notifier.notified() => {
                    wakes += 1;
                    waiting.clear();
                }
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

    /// The threads that are owed something and that we have a platform for. A thread that is parked is not among them.
    async fn owed(&self) -> Result<Vec<Due>, Error> {
        let mut threads = Vec::new();
        for board in self.boards.all().await? {
            let mut tx = board.read().await?;
            let texts = tx.threads_owed().await?.into_iter().map(|owed| (Lane::Texts, owed));
            let files = tx.threads_owed_files().await?.into_iter().map(|owed| (Lane::Files, owed));
            let known = texts.chain(files).filter(|(_, owed)| self.platforms.contains_key(&owed.thread().platform));
            threads.extend(known.map(|(lane, owed)| Due {
                board: board.clone(),
                id: owed.id,
                thread: owed.thread(),
                lane,
                is_unopened: owed.is_unopened(),
            }));
        }
        Ok(threads)
    }

    /// Owes the edits of cards that are out of date. Answers when the next one is due.
    async fn draw_cards(&self, now: Millis) -> Result<Option<Millis>, Error> {
        let mut soonest: Option<Millis> = None;
        for board in self.boards.all().await? {
            let mut next = board.read().await?.next_card().await?;
            if next.is_some_and(|at| at <= now) {
                let mut tx = board.write().await?;
                tx.draw_cards(now).await?;
                next = tx.next_card().await?;
                tx.commit().await?;
            }
            soonest = soonest.into_iter().chain(next).min();
        }
        Ok(soonest)
    }

    /// Delivers what a thread is owed, one after the other, until nothing is left or one must wait.
    async fn drain(&self, key: Key, board: Board, thread: Thread, is_unopened: bool) -> Drained {
        if is_unopened {
            // Once it is open, it is owed what it was owed, at its true address.
            let again = self.open(&board, key.1, &thread).await.unwrap_or_else(|error| {
                tracing::error!(%error, thread.id = %thread, "what became of the thread {thread} could not be recorded");
                Some(self.clock.now() + FIRST_WAIT)
            });
            return Drained { key, again };
        }
        loop {
            // One at a time, so that an answer to a person goes before news that are owed for longer.
            let next = match key.2 {
                Lane::Texts => self.next(&board, key.1, &thread).await,
                Lane::Files => self.next_file(&board, key.1).await,
            };
            let again = match next {
                Ok(None) => return Drained { key, again: None },
                Ok(Some(delivery)) => match self.deliver(&board, key.1, &thread, key.2, &delivery).await {
                    Ok(None) => continue,
                    Ok(Some(again)) => again,
                    Err(error) => {
                        tracing::error!(%error, thread.id = %thread, "what became of a post for {thread} could not be recorded");
                        self.clock.now() + FIRST_WAIT
                    }
                },
                Err(error) => {
                    tracing::error!(%error, thread.id = %thread, "what {thread} is owed cannot be read");
                    self.clock.now() + FIRST_WAIT
                }
            };
            return Drained { key, again: Some(again) };
        }
    }

    /// What a thread is owed next. News that are many or late become one first.
    async fn next(&self, board: &Board, id: i64, thread: &Thread) -> Result<Option<Delivery>, Error> {
        let next = board.read().await?.next_delivery(id).await?;
        let may_fold = next.as_ref().is_some_and(|next| {
            next.in_doubt_since.is_none()
                && next.next_at <= self.clock.now()
                && matches!(next.post.kind, PostKind::News)
                && digest::may_fold(next.post.event.as_deref(), next.created_at, self.clock.now())
        });
        if !may_fold {
            return Ok(next);
        }
        let mut tx = board.write().await?;
        if !tx.digest(id, thread, self.clock.now()).await? {
            return Ok(next);
        }
        let next = tx.next_delivery(id).await?;
        tx.commit().await?;
        Ok(next)
    }

    async fn next_file(&self, board: &Board, id: i64) -> Result<Option<Delivery>, Error> {
        board.read().await?.next_file(id).await
    }

    /// Opens the own thread of a task. Answers when to try again if that must wait.
    async fn open(&self, board: &Board, id: i64, thread: &Thread) -> Result<Option<Millis>, Error> {
        let now = self.clock.now();
        let next = board.read().await?.next_delivery(id).await?;
        if let Some(at) = next.map(|next| next.next_at).filter(|at| *at > now) {
            return Ok(Some(at));
        }
        let Some(platform) = self.platforms.get(&thread.platform) else { return Ok(Some(now + LONGEST_WAIT)) };
        let mut tx = board.write().await?;
        let Some(Unopened { opening, in_doubt_since, failures }) = tx.unopened(id).await? else { return Ok(None) };
        let Some(mut opening) = opening else {
            tx.give_up_opening(id, now).await?;
            tx.commit().await?;
            return Ok(None);
        };
        opening.title = self.redactor().cleaned(opening.title);
        tx.begin_opening(id, now).await?;
        tx.commit().await?;
        let opened = timeout(self.deadline, platform.open(&opening))
            .await
            .unwrap_or_else(|_| Err(PostError::Ambiguous("the platform did not answer in time".to_owned())));
        let began = now;
        let now = self.clock.now();
        let mut tx = board.write().await?;
        let again = match opened {
            Ok(address) => {
                tx.opened(id, &address).await?;
                None
            }
            Err(PostError::Refused(reason) | PostError::Gone(reason)) => {
                tracing::warn!(
                    reason,
                    task.id = opening.task,
                    "{} gets no thread of its own; what it brings goes to {}",
                    opening.task,
                    opening.channel
                );
                tx.give_up_opening(id, now).await?;
                None
            }
            Err(PostError::Later(wait, _)) if !wait.is_zero() => {
                let again = now + Millis::try_from(wait.as_millis()).unwrap_or(LONGEST_WAIT) + 1;
                tx.opening_later(id, again, false, in_doubt_since).await?;
                Some(again)
            }
            Err(PostError::Later(_, _)) => {
                let again = now + wait_after(failures);
                tx.opening_later(id, again, true, in_doubt_since).await?;
                Some(again)
            }
            Err(PostError::Ambiguous(_)) => {
                let again = now + wait_after(failures);
                tx.opening_later(id, again, true, in_doubt_since.or(Some(began))).await?;
                Some(again)
            }
        };
        tx.commit().await?;
        Ok(again)
    }

    /// Delivers one post. Answers when to go on with the thread if this one must wait.
    async fn deliver(
        &self,
        board: &Board,
        thread_id: i64,
        thread: &Thread,
        lane: Lane,
        delivery: &Delivery,
    ) -> Result<Option<Millis>, Error> {
        let now = self.clock.now();
        if delivery.next_at > now {
            return Ok(Some(delivery.next_at));
        }
        let Some(platform) = self.platforms.get(&thread.platform) else { return Ok(Some(now + LONGEST_WAIT)) };
        let Attempt { outcome, doubt } = self.attempt(platform.as_ref(), board, delivery).await?;
        let now = self.clock.now();
        self.count(&thread.platform, delivery, &outcome, now);
        let mut tx = board.write().await?;
        let again = match outcome {
            Outcome::NotOwed => return Ok(None),
            Outcome::Sent(message) => {
                tx.delivery_sent(delivery.id, &message, now).await?;
                tx.revive_thread(thread_id).await?;
                None
            }
            // That a file may not be sent says nothing about texts, one of which takes its place.
            Outcome::Failed(PostError::Refused(reason) | PostError::Gone(reason)) if lane == Lane::Files => {
                tracing::info!(thread.id = %thread, "a file for {thread} cannot be sent; the thread is told so");
                tx.tell_instead(delivery, &reason, now).await?;
                None
            }
            Outcome::Failed(PostError::Refused(reason)) => {
                tracing::warn!(thread.id = %thread, "a post for {thread} was refused for good and is put aside; `kanban outbox list` shows it");
                tx.delivery_dead(delivery.id, &reason, doubt).await?;
                None
            }
            Outcome::Failed(PostError::Gone(reason)) => {
                // Somebody has spoken there while this post was under way, so it is worth another try before long.
                let has_spoken = tx
                    .next_deliveries(thread_id)
                    .await?
                    .iter()
                    .any(|owed| owed.id > delivery.id && matches!(owed.post.kind, PostKind::Reply { .. }));
                let again = now + if has_spoken { backoff(delivery) } else { LONGEST_WAIT };
                tx.delivery_later(delivery.id, again, &reason, true, doubt).await?;
                if !has_spoken {
                    tx.park_thread(thread_id, &reason, now).await?;
                    if tx.leave_own_thread(thread_id, now).await? {
                        tracing::warn!(thread.id = %thread, "{thread} cannot be written to; what its task brings goes to the channel");
                    } else {
                        tracing::warn!(thread.id = %thread, "{thread} cannot be written to; what it is owed waits");
                    }
                }
                Some(again)
            }
            // How long to wait is for the platform to say; it is no failure of the post.
            Outcome::Failed(PostError::Later(wait, reason)) if !wait.is_zero() => {
                let again = now + Millis::try_from(wait.as_millis()).unwrap_or(LONGEST_WAIT) + 1;
                tx.delivery_later(delivery.id, again, &reason, false, doubt).await?;
                // What is more urgent waits too, also after a restart. A file waits for more than texts do.
                if lane == Lane::Texts {
                    tx.close_thread(thread_id, again).await?;
                }
                Some(again)
            }
            Outcome::Failed(PostError::Later(_, reason) | PostError::Ambiguous(reason)) => {
                let again = now + backoff(delivery);
                tx.delivery_later(delivery.id, again, &reason, true, doubt).await?;
                Some(again)
            }
        };
        tx.commit().await?;
        Ok(again)
    }

    fn count(&self, platform: &str, delivery: &Delivery, outcome: &Outcome, now: Millis) {
        match outcome {
            Outcome::NotOwed => {}
            Outcome::Sent(_) => {
                let lag = Duration::from_millis(u64::try_from(now - delivery.created_at).unwrap_or(0));
                self.meters.delivered(platform, lag);
            }
            Outcome::Failed(PostError::Refused(_)) => self.meters.refused(platform),
            Outcome::Failed(PostError::Gone(_) | PostError::Later(..) | PostError::Ambiguous(_)) => {
                self.meters.retried(platform);
            }
        }
    }

    /// Posts all parts of a delivery that have not arrived yet, each noted before it goes out: if nothing more is heard
    /// of one, it is in doubt.
    async fn attempt(&self, platform: &dyn Platform, board: &Board, delivery: &Delivery) -> Result<Attempt, Error> {
        let post = dated(delivery, self.clock.now());
        let cleaned = self.redactor().post(&post);
        let parts = parts(cleaned.as_ref().unwrap_or(&post), platform);
        let first = usize::try_from(delivery.parts_sent).unwrap_or(0).min(parts.len() - 1);
        let mut earlier = delivery.in_doubt_since;
        let mut message = String::new();
        for (number, part) in parts.iter().enumerate().skip(first) {
            let began = self.clock.now();
            let mut tx = board.write().await?;
            if number > first {
                tx.delivery_part_sent(delivery.id, i64::try_from(number).unwrap_or(i64::MAX), &message).await?;
                earlier = None;
            }
            if !tx.begin_delivery(delivery.id, began).await? {
                return Ok(Attempt { outcome: Outcome::NotOwed, doubt: None });
            }
            tx.commit().await?;
            match timeout(self.deadline_of(part), self.post(platform, part, earlier)).await {
                Ok(Ok(sent)) => message = sent,
                Ok(Err(error)) => {
                    let is_unclear = matches!(error, PostError::Ambiguous(_));
                    let doubt = earlier.or(is_unclear.then_some(began));
                    return Ok(Attempt { outcome: Outcome::Failed(error), doubt });
                }
                Err(_) => {
                    let error = PostError::Ambiguous("the platform did not answer in time".to_owned());
                    return Ok(Attempt { outcome: Outcome::Failed(error), doubt: earlier.or(Some(began)) });
                }
            }
        }
        Ok(Attempt { outcome: Outcome::Sent(message), doubt: None })
    }
}

impl Notifier {
    async fn post(
        &self,
        platform: &dyn Platform,
        post: &Post,
        in_doubt_since: Option<i64>,
    ) -> Result<String, PostError> {
        let sends = self.settings.as_ref().is_none_or(|settings| settings.get().files.outgoing);
        if post.urgency == Urgency::File && !sends {
            return Err(PostError::Refused("the settings say that no files are sent (`files.outgoing`)".to_owned()));
        }
        platform.post(post, in_doubt_since).await
    }

    /// How long a platform may take for a post: a large file takes long.
    fn deadline_of(&self, post: &Post) -> Duration {
        let sizes = post.body.iter().filter_map(|block| match block {
            Block::Stored { size, .. } => Some(*size),
            Block::Title(_)
            | Block::Text(_)
            | Block::Quote(_)
            | Block::Code(_)
            | Block::Footer(_)
            | Block::File { .. } => None,
        });
        match sizes.reduce(u64::saturating_add) {
            Some(size) => self.deadline * FILE_DEADLINES + Duration::from_secs(size / BYTES_A_SECOND),
            None => self.deadline,
        }
    }
}

/// What an attempt to deliver came to.
struct Attempt {
    outcome: Outcome,
    /// Since when it is not known whether the part that is under way has arrived.
    doubt: Option<Millis>,
}

enum Outcome {
    /// All of it has arrived; the id of the last message.
    Sent(String),
    Failed(PostError),
    /// A newer edit has taken its place, or somebody has given it up.
    NotOwed,
}

/// How long a delivery waits after a failure: twice as long each time, and up to a quarter more, so that what failed
/// together does not come again together.
fn backoff(delivery: &Delivery) -> Millis {
    wait_after(delivery.attempts)
}

fn wait_after(failures: i64) -> Millis {
    let doublings = u32::try_from(failures).unwrap_or(0).min(20);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    wait + wait / 4 * Millis::from(random::bytes::<1>()[0]) / 255
}

/// A post as it goes out: what comes late says of when it is.
fn dated(delivery: &Delivery, now: Millis) -> Post {
    let mut post = delivery.post.clone();
    let is_message = match (&post.kind, post.urgency) {
        (PostKind::News, Urgency::Question | Urgency::News) => true,
        (PostKind::News, Urgency::Reply | Urgency::Card | Urgency::File)
        | (PostKind::Reply { .. } | PostKind::Edit { .. } | PostKind::Reaction { .. }, _) => false,
    };
    if is_message && post.task.is_some() && delivery.created_at < now - digest::LATE {
        post.body.push(Block::Footer(format!("of {}", digest::moment(delivery.created_at))));
    }
    post
}

/// A post as messages that the platform takes. Each part is a delivery of its own; the buttons are below the last one.
fn parts(post: &Post, platform: &dyn Platform) -> Vec<Post> {
    let bodies = platform.parts(&post.body);
    if matches!(post.kind, PostKind::Edit { .. }) && bodies.len() > 1 {
        return vec![Post { body: within_one(post, bodies, platform), ..post.clone() }];
    }
    if bodies.len() <= 1 {
        let body = bodies.into_iter().next().unwrap_or_default();
        return vec![Post { body, ..post.clone() }];
    }
    let last = bodies.len() - 1;
    bodies
        .into_iter()
        .enumerate()
        .map(|(number, body)| Post {
            delivery: format!("{}.{number}", post.delivery),
            body,
            buttons: if number == last { post.buttons.clone() } else { Vec::new() },
            ..post.clone()
        })
        .collect()
}

/// What an edit puts into its one message, of a body that takes several. A card begins with what it has to say. What tells
/// the outcome of a long post edits the last of its messages, which keeps its words.
fn within_one(post: &Post, bodies: Vec<Vec<Block>>, platform: &dyn Platform) -> Vec<Block> {
    let is_card = post.event.as_deref() == Some(CARD);
    let (Some((outcome, told)), false) = (post.body.split_last(), is_card) else {
        return bodies.into_iter().next().unwrap_or_default();
    };
    let mut body = platform.parts(told).pop().unwrap_or_default();
    body.push(outcome.clone());
    // A message that was full gives up the end of its longest words for the outcome.
    while platform.parts(&body).len() > 1 {
        let longest = (0..body.len() - 1).max_by_key(|at| body[*at].text().chars().count());
        let Some(shorter) = longest.and_then(|at| Some((at, shorter(&body[at])?))) else {
            return bodies.into_iter().next_back().unwrap_or_default();
        };
        body[shorter.0] = shorter.1;
    }
    body
}

/// A block without its last words; none where there is too little to take from.
fn shorter(block: &Block) -> Option<Block> {
    const STEP: usize = 40;
    let cut = |text: &String| {
        let count = text.chars().count();
        (count > 2 * STEP).then(|| format!("{}…", text.chars().take(count - STEP).collect::<String>()))
    };
    match block {
        Block::Title(text) => cut(text).map(Block::Title),
        Block::Text(text) => cut(text).map(Block::Text),
        Block::Quote(text) => cut(text).map(Block::Quote),
        Block::Code(text) => cut(text).map(Block::Code),
        Block::Footer(_) | Block::File { .. } | Block::Stored { .. } => None,
    }
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
