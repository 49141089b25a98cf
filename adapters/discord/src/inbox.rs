//! Messages on their way to the gateway: in order, kept before they are forgotten, and with a mark of how far each
//! channel was read.
//!
//! serenity hands each event to a task of its own, so two messages may arrive here in the wrong order. A short wait puts
//! them right; and the mark follows some seconds behind, so that it never passes a message that is still on its way when
//! the process dies. What is read a second time is known by its id.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use kanban_platform::{Batch, Commands, Position, Request};
use serenity::model::id::ChannelId;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long messages are waited for that were spoken before one that is here.
const ORDER: Duration = Duration::from_millis(8);

/// How often the marks are written. A mark is as old as this at least.
const MARKS: Duration = Duration::from_secs(2);

/// How long messages wait for those that were missed before them in their channel.
const HELD: Duration = Duration::from_secs(15);

/// Something that happens to the inbox.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Somebody spoke. None where it was for nobody here.
    Message { channel: ChannelId, id: u64, request: Option<Box<Request>> },
    /// Somebody follows what happens in a channel, as of this id.
    Watched { channel: ChannelId, id: u64 },
    /// A new session began: nobody knows yet what was missed, so everything waits.
    Session,
    /// What was missed in these channels is being read: what comes from them waits.
    Missing(Vec<ChannelId>),
    /// It was read, up to this id. None where it could not be: then the mark stays where it is.
    Read { channel: ChannelId, up_to: Option<u64> },
}

pub(crate) type Arrivals = UnboundedReceiver<Arrival>;

impl Arrival {
    /// What says that others must wait counts before those that came with it, and what lets them go after them.
    fn order(&self) -> u8 {
        match self {
            Self::Session => 0,
            Self::Missing(_) => 1,
            Self::Message { .. } | Self::Watched { .. } => 2,
            Self::Read { .. } => 3,
        }
    }
}

/// The way into the inbox.
#[derive(Clone, Debug)]
pub(crate) struct Inbox(UnboundedSender<Arrival>);

impl Inbox {
    pub(crate) fn new() -> (Self, Arrivals) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) fn put(&self, arrival: Arrival) {
        // Nobody listens only when the adapter has stopped; then the history is read at its next start.
        let _ = self.0.send(arrival);
    }
}

/// Hands arrivals over until `shutdown`, and then what has arrived by then.
pub(crate) async fn drain(name: &str, commands: &dyn Commands, mut arrivals: Arrivals, shutdown: &CancellationToken) {
    let mut desk =
        Desk { name, commands, shutdown, marks: HashMap::new(), held: HashMap::new(), session: None, is_new: false };
    let mut ticks = interval(MARKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut here = Vec::new();
    loop {
        let wakes = desk.held.values().chain(&desk.session).map(|held| held.until).min();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            _ = ticks.tick() => desk.write_marks().await,
            () = until(wakes) => desk.release_late().await,
            count = arrivals.recv_many(&mut here, 100) => {
                if count == 0 {
                    break;
                }
                sleep(ORDER).await;
                while let Ok(more) = arrivals.try_recv() {
                    here.push(more);
                }
                desk.take(std::mem::take(&mut here)).await;
            }
        }
    }
    while let Ok(more) = arrivals.try_recv() {
        here.push(more);
    }
    desk.take(here).await;
    desk.release_all().await;
    desk.write_marks().await;
}

struct Desk<'a> {
    name: &'a str,
    commands: &'a dyn Commands,
    shutdown: &'a CancellationToken,
    marks: HashMap<ChannelId, Mark>,
    held: HashMap<ChannelId, Held>,
    /// What came in a session of which it is not known yet what was missed before it.
    session: Option<Held>,
    /// It is not known yet where something was missed, so no mark may move.
    is_new: bool,
}

/// How far a channel that somebody follows was read.
#[derive(Debug, Default)]
struct Mark {
    written: u64,
    /// The newest id at the last but one look.
    settled: u64,
    newest: u64,
    /// Something before it could not be read.
    has_gap: bool,
}

#[derive(Debug)]
struct Held {
    until: Instant,
    messages: Vec<Spoken>,
}

/// A message that waits.
#[derive(Debug)]
struct Spoken {
    channel: ChannelId,
    id: u64,
    request: Box<Request>,
}

impl Held {
    fn new() -> Self {
        Self { until: Instant::now() + HELD, messages: Vec::new() }
    }
}

impl Desk<'_> {
    async fn take(&mut self, mut arrivals: Vec<Arrival>) {
        arrivals.sort_by_key(Arrival::order);
        let mut free = Vec::new();
        for arrival in arrivals {
            match arrival {
                Arrival::Session => {
                    self.session.get_or_insert_with(Held::new).until = Instant::now() + HELD;
                    self.is_new = true;
                }
                Arrival::Missing(channels) => {
                    for channel in channels {
                        self.marks.entry(channel).or_default().has_gap = true;
                        self.held.entry(channel).or_insert_with(Held::new).until = Instant::now() + HELD;
                    }
                    self.is_new = false;
                    let waited = self.session.take().into_iter().flat_map(|held| held.messages);
                    for spoken in waited.collect::<Vec<_>>() {
                        free.extend(self.hold(spoken));
                    }
                }
                Arrival::Message { channel, id, request } => {
                    if request.as_ref().is_some_and(|request| request.addressed) {
                        self.marks.entry(channel).or_default();
                    }
                    if let Some(mark) = self.marks.get_mut(&channel) {
                        mark.newest = mark.newest.max(id);
                    }
                    if let Some(request) = request {
                        free.extend(self.hold(Spoken { channel, id, request }));
                    }
                }
                Arrival::Watched { channel, id } => {
                    let mark = self.marks.entry(channel).or_default();
                    mark.newest = mark.newest.max(id);
                }
                Arrival::Read { channel, up_to } => {
                    if let (Some(up_to), Some(mark)) = (up_to, self.marks.get_mut(&channel)) {
                        mark.has_gap = false;
                        mark.newest = mark.newest.max(up_to);
                    }
                    free.extend(self.held.remove(&channel).into_iter().flat_map(|held| held.messages));
                }
            }
        }
        self.keep(free).await;
    }

    /// Lets a message wait where it must; else gives it back.
    fn hold(&mut self, spoken: Spoken) -> Option<Spoken> {
        match self.session.as_mut().or_else(|| self.held.get_mut(&spoken.channel)) {
            Some(held) => {
                held.messages.push(spoken);
                None
            }
            None => Some(spoken),
        }
    }

    /// Lets go of everything. What was missed before it is read at the next start, for its marks have not moved.
    async fn release_all(&mut self) {
        let held = self.held.drain().map(|(_, held)| held).chain(self.session.take());
        let messages = held.flat_map(|held| held.messages).collect();
        self.keep(messages).await;
    }

    /// Lets go of what has waited long enough. The marks of its channels still wait.
    async fn release_late(&mut self) {
        let now = Instant::now();
        let late: HashSet<ChannelId> =
            self.held.iter().filter(|(_, held)| held.until <= now).map(|(channel, _)| *channel).collect();
        let mut messages = Vec::new();
        for channel in late {
            messages.extend(self.held.remove(&channel).into_iter().flat_map(|held| held.messages));
        }
        if self.session.as_ref().is_some_and(|held| held.until <= now) {
            messages.extend(self.session.take().into_iter().flat_map(|held| held.messages));
        }
        self.keep(messages).await;
    }

    async fn keep(&self, mut messages: Vec<Spoken>) {
        if messages.is_empty() {
            return;
        }
        // Ids grow with time.
        messages.sort_by_key(|spoken| spoken.id);
        let requests = messages.into_iter().map(|spoken| *spoken.request).collect();
        let batch = Batch { platform: self.name.to_owned(), requests, position: None };
        keep_patiently(self.commands, batch, self.shutdown).await;
    }

    async fn write_marks(&mut self) {
        if self.is_new {
            return;
        }
        for (channel, mark) in &mut self.marks {
            let value = mark.settled;
            mark.settled = mark.newest;
            if value <= mark.written || mark.has_gap {
                continue;
            }
            let position = Some(position(*channel, value));
            let batch = Batch { platform: self.name.to_owned(), requests: Vec::new(), position };
            match self.commands.keep(batch).await {
                Ok(()) => mark.written = value,
                // The next time writes it.
                Err(error) => tracing::debug!(%error, "a channel's mark was not written"),
            }
        }
    }
}

/// The stream of a channel.
pub(crate) fn stream(channel: ChannelId) -> String {
    format!("channel:{channel}")
}

pub(crate) fn position(channel: ChannelId, id: u64) -> Position {
    Position { stream: stream(channel), value: id.to_string() }
}

/// Keeps a batch, however often it takes; `false` when the adapter is to stop and it could not be kept.
pub(crate) async fn keep_patiently(commands: &dyn Commands, batch: Batch, shutdown: &CancellationToken) -> bool {
    let mut wait = Duration::from_millis(100);
    loop {
        match commands.keep(batch.clone()).await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%error, "messages cannot be kept yet"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return false,
            () = sleep(wait) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(10));
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
