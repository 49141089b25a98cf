//! Lanes: each thread's messages for its agent, one turn after the other. A turn is a process below a shim of its own,
//! which outlives this one; commands, presses and answers never come by here.

mod turn;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kanban_platform::{Author, Capability, Request};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use self::turn::{Run, Start};
use super::Gateway;
use crate::{
    board::{
        Actor, BoardSlug, Error, ProfileName, Reason,
        audit::Entry,
        error::refuse,
        lane::{LANE_LIMIT, NewTurn, Turn},
        pin::{LanePolicy, Resident},
    },
    command::{Caller, Desk, Outcome, Place, Receipt, Reply, Update, access, in_lane, readable},
    dispatcher::workspace::{Closed, Opened},
    settings::{Kind, Profile, Role, Settings},
};

/// The wait before the lanes are looked at again that could not be read.
const AGAIN: Duration = Duration::from_secs(1);

impl Gateway {
    /// The profile that a message is for, if it is for one.
    pub(super) fn resident(&self, caller: &Caller, text: &str, is_to_us: bool) -> Option<ProfileName> {
        // Two slashes are for the people in the thread.
        if text.trim().is_empty() || text.trim_start().starts_with("//") {
            return None;
        }
        match caller.pin.agent.as_ref().map(|agent| &agent.value) {
            Some(Resident::Profile(name)) => Some(name.clone()),
            Some(Resident::Off) => None,
            None => self.desk.settings.get().chat.agent.clone().filter(|_| is_to_us),
        }
    }

    /// Lets a message wait for its thread's agent: the turn, the sign that it was taken in and the acknowledgement are
    /// one transaction, after which the thread is free for the next message.
    pub(super) async fn queue(
        &self,
        caller: &Caller,
        request: &Request,
        text: &str,
        name: &ProfileName,
        is_to_us: bool,
        update: &Update,
    ) -> Outcome {
        let error = match self.try_queue(caller, request, text, name, update).await {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        let refused = error.reason().filter(|reason| is_of_access(*reason));
        match refused {
            // Whoever does not speak to us is not told what they may not do or see. Anything else is told: a message
            // that the agent usually gets must not vanish.
            Some(_) if !is_to_us => self.desk.answer(caller, Some(update), Reply::silent()).await,
            refused => {
                let entry = refused.map(|reason| turn_line(&self.desk, caller, &format!("refused: {}", reason.code())));
                self.desk.answer_noting(caller, Some(update), self.desk.failed(caller, None, &error), entry).await
            }
        }
    }

    async fn try_queue(
        &self,
        caller: &Caller,
        request: &Request,
        text: &str,
        name: &ProfileName,
        update: &Update,
    ) -> Result<Outcome, Error> {
        admitted(&self.desk, caller, name).await?;
        let author = serde_json::to_string(&request.author)?;
        let now = self.desk.now();
        let mut tx = self.inbox().await?.write().await?;
        let lane = tx.lane(&request.thread).await?;
        match caller.pin.lane.as_ref().map(|lane| lane.value).unwrap_or_default() {
            LanePolicy::Queue => {
                if lane.waiting >= LANE_LIMIT {
                    refuse!(
                        Busy,
                        "{LANE_LIMIT} messages wait for @{name} already, and yours was not taken in; `{{program}} stop --all` drops them"
                    );
                }
            }
            LanePolicy::Interrupt => tx.interrupt_lane(&request.thread, now).await?,
            LanePolicy::Refuse => {
                if lane.running.is_some() || lane.waiting > 0 {
                    refuse!(Busy, "{}, and yours was not taken in; `{{program}} stop` ends it", in_lane(&lane, now));
                }
            }
        }
        let new = NewTurn {
            update: &update.id,
            return_address: update.return_address.as_deref(),
            message: request.message.as_deref(),
            author: &author,
            profile: name,
            text,
        };
        tx.queue_turn(&request.thread, new, now).await?;
        tx.note(&turn_line(&self.desk, caller, "done")).await?;
        let receipt = Receipt::default();
        if !tx.acknowledge(&update.platform, &update.id, &serde_json::to_string(&receipt)?, now).await? {
            return Err(Error::refused(Reason::Stale, "this message was worked on already"));
        }
        tx.commit().await?;
        Ok(Outcome { reply: Reply::silent(), deliveries: receipt.deliveries })
    }

    /// Whether every message of a thread is for its agent.
    pub(super) async fn listens(&self, request: &Request) -> Result<bool, Error> {
        let pin = self.pin(&request.thread).await?;
        Ok(pin.agent.is_some_and(|agent| matches!(agent.value, Resident::Profile(_))))
    }
}

/// Whether a refusal is about what somebody may do or see.
fn is_of_access(reason: Reason) -> bool {
    matches!(reason, Reason::Forbidden | Reason::UnknownBoard)
}

/// A line of the audit for a message to the agent of a place.
fn turn_line(desk: &Desk, caller: &Caller, outcome: &str) -> Entry {
    let board = desk.slug_of(caller, None).unwrap_or_default();
    desk.line(caller, &board, "turn", outcome)
}

/// What a person's turn is done with.
struct Admitted {
    profile: Profile,
    /// The directory that is pinned where they speak.
    directory: Option<Opened>,
}

/// Lets a person's message through to an agent: an agent acts for whoever speaks to it, so they must have the right to
/// change the whole board of the place, and to work in its directory.
async fn admitted(desk: &Desk, caller: &Caller, name: &ProfileName) -> Result<Admitted, Error> {
    let settings = desk.settings.get();
    let board = desk.board_of(caller, None).await?;
    let caller = access::may(caller, &board, Capability::Write).await?;
    let profile = resident_of(&caller, &settings, name)?.clone();
    Ok(Admitted { profile, directory: directory(desk, &caller, &settings)? })
}

/// The directory that is pinned where a person speaks, held open, if they may work in it.
fn directory(desk: &Desk, caller: &Caller, settings: &Settings) -> Result<Option<Opened>, Error> {
    let Some(pinned) = &caller.pin.workspace else { return Ok(None) };
    let (path, by) = (Path::new(&pinned.value), &pinned.by);
    match access::open(caller, settings, desk.home(), path) {
        Ok(opened) if opened.path() == path => Ok(Some(opened)),
        // A true path was pinned, so a link was put in its way.
        Ok(_) => refuse!(
            Invalid,
            "the agent works in `{}` here (set by {by}), which leads somewhere else since then; put the directory back, or name the one that is meant now, as in `{{program}} here DIR`",
            pinned.value
        ),
        Err(Closed::Gone(refusal)) => {
            refuse!(Invalid, "the directory that is set here by {by} cannot be used: {refusal}")
        }
        Err(Closed::Refused(refusal)) => refuse!(
            Forbidden,
            "the agent works in `{}` here (set by {by}), but {refusal}; say it where the agent works in a directory of yours",
            pinned.value
        ),
    }
}

/// The profile that answers people, if this person may use it.
fn resident_of<'s>(caller: &Caller, settings: &'s Settings, name: &ProfileName) -> Result<&'s Profile, Error> {
    let profile = access::profile(caller, settings, name)?;
    if profile.kind == Kind::Script {
        refuse!(
            Invalid,
            "`{name}` runs text as a program, and answers nobody; `{{program}} agent on PROFILE` names an agent"
        );
    }
    if profile.paused {
        refuse!(Busy, "`{name}` is paused in the settings, and your message was not taken in");
    }
    Ok(profile)
}

/// Runs the turns of all lanes.
pub(super) struct Lanes {
    desk: Desk,
    /// The executable whose `shim` verb owns the agents.
    program: PathBuf,
    /// Told of each turn that is over.
    tell: mpsc::UnboundedSender<i64>,
    ended: mpsc::UnboundedReceiver<i64>,
    live: HashMap<i64, Live>,
}

/// A turn whose agent is, or may be, alive.
struct Live {
    profile: ProfileName,
    run: Arc<Run>,
    /// Its end has been asked for.
    stopping: bool,
}

impl Lanes {
    pub(super) fn new(desk: Desk, program: PathBuf) -> Self {
        let (tell, ended) = mpsc::unbounded_channel();
        Self { desk, program, tell, ended, live: HashMap::new() }
    }

    /// Takes up the turns of an earlier gateway, then looks whenever there is reason to, until shutdown. Agents live on.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut taken_up = false;
        loop {
            let looked = if taken_up { self.look().await } else { self.take_up().await };
            match &looked {
                Ok(()) if taken_up => {}
                Ok(()) => {
                    taken_up = true;
                    continue;
                }
                Err(error) => tracing::error!(%error, "the lanes cannot be looked at"),
            }
            let wake = Arc::clone(self.desk.boards.wake());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(turn) = self.ended.recv() => drop(self.live.remove(&turn)),
                () = wake.lanes.notified() => {}
                () = sleep(AGAIN), if looked.is_err() => {}
            }
        }
    }

    /// Follows the turns that an earlier gateway has begun.
    async fn take_up(&mut self) -> Result<(), Error> {
        let board = self.desk.boards.get(&BoardSlug::default()).await?;
        let turns = board.read().await?.running_turns().await?;
        for turn in turns {
            if self.live.contains_key(&turn.id) {
                continue;
            }
            let run = Run::of(&self.desk, &self.program, &turn)?;
            self.follow(turn, run, None);
        }
        Ok(())
    }

    /// Ends the turns that are to be ended, and begins those that may begin.
    async fn look(&mut self) -> Result<(), Error> {
        while let Ok(turn) = self.ended.try_recv() {
            self.live.remove(&turn);
        }
        let board = self.desk.boards.get(&BoardSlug::default()).await?;
        let mut tx = board.read().await?;
        let running = tx.running_turns().await?;
        let next = tx.next_turns().await?;
        drop(tx);
        for turn in running {
            let by = turn.stopped_by.clone();
            if let (Some(by), Some(live)) = (by, self.live.get_mut(&turn.id))
                && !live.stopping
            {
                live.stopping = true;
                live.run.stop_soon(by);
            }
        }
        let settings = self.desk.settings.get();
        let mut looked = Ok(());
        for turn in next {
            if !self.live.contains_key(&turn.id) && self.has_room(&settings, &turn.profile) {
                // One lane that cannot go on does not hold up the others.
                looked = self.begin(turn).await.and(looked);
            }
        }
        looked
    }

    /// Agents in lanes have as many places as the workers of tasks, and beside them.
    fn has_room(&self, settings: &Settings, name: &ProfileName) -> bool {
        let of_profile = self.live.values().filter(|live| live.profile == *name).count();
        let cap = settings.profiles.get(name).and_then(|profile| profile.max_running);
        self.live.len() < settings.dispatch.max_running.get() as usize
            && cap.is_none_or(|cap| of_profile < cap.get() as usize)
    }

    /// Begins a turn, after another look at what its author may do.
    async fn begin(&mut self, turn: Turn) -> Result<(), Error> {
        let run = Run::of(&self.desk, &self.program, &turn)?;
        let author: Author = serde_json::from_str(&turn.author)?;
        let thread = turn.thread();
        let board = self.desk.boards.get(&BoardSlug::default()).await?;
        let mut tx = board.read().await?;
        let (granted, pin) = (tx.grants().await?, tx.pin(&thread).await?);
        drop(tx);
        let standing = self.desk.settings.get().access.standing(&author, Some(&thread), &readable(&granted));
        let actor = Actor::Person { name: author.to_string() };
        let Some(role) = standing.highest() else {
            let caller = Caller { pin, ..Caller::new(actor, Role::Guest, Place::Thread(thread)) };
            let reply = Reply::refused("you are not known here any more, and your message was not handed on");
            let entry = turn_line(&self.desk, &caller, &format!("refused: {}", Reason::Forbidden.code()));
            return run.refuse(&turn, reply, Some(&entry)).await;
        };
        let caller = Caller { standing, pin, ..Caller::new(actor, role, Place::Thread(thread)) };
        match admitted(&self.desk, &caller, &turn.profile).await {
            Ok(Admitted { profile, directory }) => {
                let session = run.begin(&board, &turn, &profile).await?;
                if let Some(session) = session {
                    self.follow(turn, run, Some(Start { profile, session, author, directory }));
                }
                Ok(())
            }
            Err(Error::Refused(refusal)) => {
                let entry = is_of_access(refusal.reason)
                    .then(|| turn_line(&self.desk, &caller, &format!("refused: {}", refusal.reason.code())));
                let reply = self.desk.failed(&caller, None, &Error::Refused(refusal));
                run.refuse(&turn, reply, entry.as_ref()).await
            }
            Err(fault) => Err(fault),
        }
    }

    fn follow(&mut self, turn: Turn, run: Run, start: Option<Start>) {
        let run = Arc::new(run);
        self.live.insert(turn.id, Live { profile: turn.profile.clone(), run: Arc::clone(&run), stopping: false });
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let id = turn.id;
            // In a task of its own, so that a turn which breaks off does not keep its place.
            let (broken, left) = (Arc::clone(&run), turn.clone());
            let running = tokio::spawn(async move { run.work(turn, start).await });
            if let Err(error) = running.await {
                tracing::error!(%error, turn.id = id, "a turn broke off");
                broken.lose(&left).await;
            }
            // Whoever would listen may be gone.
            let _ = tell.send(id);
        });
    }
}
