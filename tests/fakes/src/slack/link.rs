//! What the server knows of the app's connections, and of what is on its way to it.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use crate::slack::{
    envelope::{Envelope, Kind},
    random::Random,
    socket::Order,
};

/// How many envelopes can be repeated by a test.
pub(crate) const REMEMBERED: usize = 1000;

#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<LinkState>,
    pub(crate) wake: Notify,
}

#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) made: u64,
    pub(crate) tickets: HashMap<String, Instant>,
    pub(crate) pending: HashMap<String, Pending>,
    /// Ids of envelopes whose time was over: a late acknowledgement is no second fault.
    pub(crate) expired: HashSet<String>,
    pub(crate) due: BTreeMap<(Instant, u64), Due>,
    pub(crate) recent: VecDeque<(String, Kind, Arc<Value>, bool)>,
    pub(crate) acknowledgements: Vec<Duration>,
    /// Acknowledgements that get lost on their way.
    pub(crate) lose: usize,
    /// Events that were never acknowledged, whatever was done.
    pub(crate) lost: Vec<String>,
    /// Events neither acknowledged nor given up.
    pub(crate) open: usize,
    /// Events held back in order to be sent in another order, and how many.
    pub(crate) held: Option<(usize, Vec<Envelope>)>,
    pub(crate) redeliver_after: Option<Vec<Duration>>,
    pub(crate) random: Random,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: u64,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    /// It was told of its refresh and gets nothing new.
    pub(crate) is_closing: bool,
    pub(crate) is_silent: bool,
}

#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) envelope: Envelope,
    pub(crate) socket: Option<u64>,
    pub(crate) sent: Instant,
    /// A test loses its acknowledgement, so that it is no fault of the app.
    pub(crate) is_excused: bool,
}

#[derive(Debug)]
pub(crate) enum Due {
    Acknowledgement(String, Instant),
    Again(Envelope),
    Close(u64),
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        let state = LinkState {
            sockets: Vec::new(),
            made: 0,
            tickets: HashMap::new(),
            pending: HashMap::new(),
            expired: HashSet::new(),
            due: BTreeMap::new(),
            recent: VecDeque::new(),
            acknowledgements: Vec::new(),
            lose: 0,
            lost: Vec::new(),
            open: 0,
            held: None,
            redeliver_after: None,
            random: Random::new(seed ^ 0x51ac),
        };
        Self { state: Mutex::new(state), wake: Notify::new() }
    }

    /// A ticket for one connection.
    pub(crate) fn ticket(&self) -> String {
        let mut state = self.state();
        let ticket = state.random.uuid();
        state.tickets.insert(ticket.clone(), Instant::now());
        ticket
    }

    /// Takes a ticket, which is good once and for half a minute.
    pub(crate) fn take_ticket(&self, ticket: &str) -> bool {
        self.state().tickets.remove(ticket).is_some_and(|made| made.elapsed() < Duration::from_secs(30))
    }

    /// A new socket: its number, and how many there are with it. None above ten.
    pub(crate) fn join(&self, orders: mpsc::UnboundedSender<Order>) -> Option<(u64, usize)> {
        let mut state = self.state();
        if state.sockets.iter().filter(|socket| !socket.is_silent).count() >= 10 {
            return None;
        }
        state.made += 1;
        let id = state.made;
        state.sockets.push(Socket { id, orders, is_closing: false, is_silent: false });
        Some((id, state.sockets.len()))
    }

    pub(crate) fn sockets(&self) -> usize {
        self.state().sockets.len()
    }

    /// Gives an order to every socket, closing ones too.
    pub(crate) fn order_all(&self, order: impl Fn() -> Order) {
        for socket in &mut self.state().sockets {
            let order = order();
            socket.is_silent |= matches!(order, Order::Silence);
            drop(socket.orders.send(order));
        }
    }

    /// Gives an order to the newest socket.
    pub(crate) fn order_newest(&self, order: Order) {
        if let Some(socket) = self.state().sockets.last() {
            drop(socket.orders.send(order));
        }
    }

    /// Gives an order to so many of the oldest sockets that are not closing.
    pub(crate) fn order(&self, most: usize, order: impl Fn() -> Order) -> usize {
        let mut state = self.state();
        let mut count = 0;
        for socket in state.sockets.iter_mut().filter(|socket| !socket.is_closing).take(most) {
            let order = order();
            socket.is_closing |= matches!(order, Order::Refresh(_));
            // A socket that has just gone takes no orders.
            drop(socket.orders.send(order));
            count += 1;
        }
        count
    }

    pub(crate) fn acknowledgements(&self) -> Vec<Duration> {
        self.state().acknowledgements.clone()
    }

    pub(crate) fn lost(&self) -> Vec<String> {
        self.state().lost.clone()
    }

    /// How many events are neither acknowledged nor given up.
    pub(crate) fn open(&self) -> usize {
        self.state().open
    }

    pub(crate) fn lose(&self, count: usize) {
        self.state().lose += count;
    }

    pub(crate) fn redeliver_after(&self, times: Vec<Duration>) {
        self.state().redeliver_after = Some(times);
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkState {
    /// One of the sockets, whichever it is. A silent one gets something only where there is no other, for Slack notices
    /// in the end that nobody is there.
    pub(crate) fn choose(&mut self) -> Option<usize> {
        let is_open = |place: &usize| !self.sockets[*place].is_closing;
        let mut open: Vec<usize> = (0..self.sockets.len()).filter(is_open).collect();
        if open.iter().any(|place| !self.sockets[*place].is_silent) {
            open.retain(|place| !self.sockets[*place].is_silent);
        }
        let chosen = self.random.below(open.len());
        open.get(chosen).copied()
    }
}

/// Puts something off until a time.
pub(crate) fn schedule(state: &mut LinkState, wake: &Notify, at: Instant, due: Due) {
    let is_first = state.due.first_key_value().is_none_or(|((first, _), _)| at < *first);
    state.made += 1;
    let key = (at, state.made);
    state.due.insert(key, due);
    if is_first {
        wake.notify_one();
    }
}
