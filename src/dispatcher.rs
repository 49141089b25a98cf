//! The dispatcher: starts a worker for each task that may start, and sees to what ends, expires or falls due.
//!
//! It looks when a commit wakes it, when the next time falls due, and when a run has ended; in between it sleeps.

mod adoption;
mod attempt;
mod call;
mod cap;
mod gone;
mod place;
mod recovery;
pub mod worker;
pub mod workspace;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    adoption::{Adopted, Adoption},
    call::{answer, apply_call, caller_of},
    place::{TURN_LOGS, log, turn_log},
    recovery::stop_what_was_closed,
};
use self::{attempt::Attempt, cap::Room};
use crate::{
    board::{
        Actor, Board, BoardSlug, Error, Fault, ProfileName, Reason, TaskId,
        attempt::Patience,
        run::EndedBy,
        task::{Task, WorkspaceKind},
    },
    clock::Millis,
    command::{Desk, is_paused, paused_profiles},
    gateway::lock::GatewayLock,
    settings::Settings,
    shim::Token,
};

/// How often the boards are asked whether somebody else has written to them.
const SLOW_CHECK: Duration = Duration::from_secs(5);

/// How often a directory is looked for again that is gone.
const DIRECTORY_CHECK: Duration = Duration::from_secs(30);

/// How long a worker may go on after it has completed or blocked its task.
const FAREWELL: Duration = Duration::from_secs(30);

/// How many ready tasks of one profile are read at a time.
const PAGE: i64 = 64;

/// What a look is to do.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Only tell what would be started.
    pub dry_run: bool,
    /// Start at most so many workers.
    pub max: Option<u32>,
    /// Failed attempts allowed, in place of the settings.
    pub failure_limit: Option<u32>,
    /// Only this board.
    pub board: Option<BoardSlug>,
}

/// What a look did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub reclaimed: usize,
    pub promoted: usize,
    pub crashed: Vec<TaskId>,
    pub timed_out: Vec<TaskId>,
    pub gave_up: Vec<TaskId>,
    pub started: Vec<Started>,
    pub unassigned: Vec<TaskId>,
    pub unknown_profile: Vec<TaskId>,
    /// Tasks whose profile runs as many workers as it may, with their number.
    pub profile_full: Vec<(TaskId, ProfileName, usize)>,
    pub given_default: Vec<TaskId>,
    pub paused: bool,
}

#[derive(Clone, Debug)]
pub struct Started {
    pub task: TaskId,
    pub profile: ProfileName,
    /// Where it works; empty in a dry run.
    pub workspace: String,
}

/// Asks a running dispatcher for a look.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Ask>);

type Ask = (Look, oneshot::Sender<Result<Report, Error>>);

impl Handle {
    /// A handle, and the end of it that the dispatcher listens to.
    pub fn new() -> (Self, Asks) {
        let (asks, asked) = mpsc::channel(64);
        (Self(asks), Asks(asked))
    }

    pub async fn look(&self, look: Look) -> Result<Report, Error> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Error::from(Fault::new("the dispatcher is stopping"));
        self.0.send((look, answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// What is asked of a dispatcher.
pub struct Asks(mpsc::Receiver<Ask>);

/// A run is known by its board and its number there.
type Key = (BoardSlug, i64);

/// A run whose shim is, or may be, alive.
#[derive(Clone)]
struct Live {
    task: TaskId,
    profile: Option<ProfileName>,
    /// The directory that nobody else may write to while it runs.
    directory: Option<PathBuf>,
    rundir: PathBuf,
    socket: PathBuf,
    token: Token,
    /// Its end has been asked for.
    stopping: bool,
}

pub struct Dispatcher {
    desk: Desk,
    live: HashMap<Key, Live>,
    ended: mpsc::UnboundedReceiver<Key>,
    attempt: Arc<Attempt>,
    /// Counts the boards' writers from outside.
    versions: HashMap<BoardSlug, i64>,
    /// A task could not start at the last look since its directory is gone.
    awaits_directory: bool,
}

impl Dispatcher {
    /// `program` is the executable whose `shim` verb owns the workers.
    pub fn new(desk: Desk, program: PathBuf, tracker: TaskTracker) -> Self {
        let (tell, ended) = mpsc::unbounded_channel();
        let attempt = Arc::new(Attempt {
            desk: desk.clone(),
            program,
            tell,
            tracker,
            starts_only: AtomicBool::new(false),
            failure_limits: Mutex::default(),
        });
        Self { desk, live: HashMap::new(), ended, attempt, versions: HashMap::new(), awaits_directory: false }
    }

    /// Takes up the runs of an earlier gateway, then looks whenever there is reason to, until shutdown. Workers live on.
    pub async fn run(mut self, mut asks: Asks, shutdown: CancellationToken) {
        if let Err(error) = self.take_up().await {
            tracing::error!(%error, "runs of an earlier gateway could not be taken up");
        }
        let mut slow = tokio::time::interval(SLOW_CHECK);
        slow.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wake = Arc::clone(self.desk.boards.wake());
        let mut due = true;
        loop {
            if due && let Err(error) = self.look(&Look::default()).await {
                tracing::error!(%error, "a look at the boards failed");
            }
            let alarm = self.alarm().await;
            let directory =
                self.awaits_directory.then_some(i64::try_from(DIRECTORY_CHECK.as_millis()).unwrap_or(i64::MAX));
            let alarm = alarm.into_iter().chain(directory).min();
            due = true;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = wake.dispatcher.notified() => {}
                Some(key) = self.ended.recv() => drop(self.live.remove(&key)),
                Some((look, answer)) = asks.0.recv() => {
                    // Who asked may have gone away; the look is done all the same.
                    let _ = answer.send(self.look(&look).await);
                    due = false;
                }
                () = sleep_until(alarm) => {}
                _ = slow.tick() => due = self.written_from_outside().await,
            }
        }
    }

    /// One look: what is due is released, what was taken away is stopped, what may start is started.
    async fn look(&mut self, look: &Look) -> Result<Report, Error> {
        let mut report = Report { paused: is_paused(&self.desk).await?, ..Report::default() };
        while let Ok(key) = self.ended.try_recv() {
            self.live.remove(&key);
        }
        let boards = self.boards(look).await?;
        if !look.dry_run {
            for board in &boards {
                self.release(board, &mut report).await?;
                self.stop_what_was_taken_away(board).await?;
            }
        }
        self.awaits_directory = false;
        if !report.paused {
            self.start(&boards, look, &mut report).await?;
        }
        Ok(report)
    }

    async fn boards(&self, look: &Look) -> Result<Vec<Board>, Error> {
        let names = match &look.board {
            Some(board) => vec![board.clone()],
            None => self.desk.boards.names()?,
        };
        let mut boards = Vec::with_capacity(names.len());
        for name in names {
            match self.desk.boards.get(&name).await {
                Ok(board) => boards.push(board),
                // One damaged board does not hold up the others.
                Err(error) => tracing::error!(%error, board = %name, "board {name} cannot be opened"),
            }
        }
        Ok(boards)
    }

    /// Schedules that end and claims that nobody has kept alive.
    async fn release(&self, board: &Board, report: &mut Report) -> Result<(), Error> {
        let now = self.desk.now();
        let mut tx = board.read().await?;
        let something_is_due = tx.is_something_due(now).await?;
        drop(tx);
        if !something_is_due {
            return Ok(());
        }
        let mut tx = board.write().await?;
        report.promoted += tx.release_due(now).await?;
        for run in tx.expired_claims(now).await? {
            tx.reclaim(&Actor::Gateway, &run.task_id, Some("the claim has expired"), now).await?;
            report.reclaimed += 1;
        }
        tx.commit().await
    }

    /// Stops workers whose run was closed by somebody else, and, after a while, those that stay on after their own end.
    async fn stop_what_was_taken_away(&mut self, board: &Board) -> Result<(), Error> {
        let runs: Vec<i64> = self
            .live
            .iter()
            .filter(|((slug, _), live)| slug == board.slug() && !live.stopping)
            .map(|((_, run), _)| *run)
            .collect();
        if runs.is_empty() {
            return Ok(());
        }
        let mut tx = board.read().await?;
        for id in runs {
            let run = tx.run(id).await?;
            let (Some(outcome), Some(live)) = (run.outcome, self.live.get_mut(&(board.slug().clone(), id))) else {
                continue;
            };
            live.stopping = true;
            let patience = match run.ended_by {
                Some(EndedBy::Worker) => FAREWELL,
                Some(EndedBy::Person | EndedBy::Gateway) | None => Duration::ZERO,
            };
            self.attempt.stop_after(patience, live.clone(), outcome.as_str());
        }
        Ok(())
    }

    async fn start(&mut self, boards: &[Board], look: &Look, report: &mut Report) -> Result<(), Error> {
        let settings = self.desk.settings.get();
        let mut room =
            Room::new(&settings, self.live.iter().map(|((board, _), live)| (board.clone(), live.clone())), look.max);
        for board in boards {
            self.give_to_default(board, &settings, look, report).await?;
        }
        if look.board.is_some() {
            self.tell_what_cannot_start(boards, &settings, report).await?;
        }
        let stopped = self.stopped_profiles(boards, &settings).await?;
        let mut skip = 0;
        loop {
            let (mut candidates, more) = self.candidates(boards, &settings, &stopped, skip).await?;
            candidates
                .sort_by(|(_, a), (_, b)| (-a.priority, a.created_at, &a.id).cmp(&(-b.priority, b.created_at, &b.id)));
            for (board, task) in candidates {
                if room.is_full() {
                    return Ok(());
                }
                self.start_one(board, task, look, &settings, &mut room, report).await?;
            }
            if !more || room.is_full() {
                return Ok(());
            }
            skip += PAGE;
        }
    }

    async fn start_one(
        &mut self,
        board: &Board,
        task: Task,
        look: &Look,
        settings: &Settings,
        room: &mut Room,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Some(profile) = task.assignee.as_ref().and_then(|name| settings.profiles.get(name)) else { return Ok(()) };
        // The worker of an earlier run of this task must be gone before the next one begins.
        if self.live.iter().any(|((slug, _), live)| slug == board.slug() && live.task == task.id) {
            return Ok(());
        }
        let directory = match (task.workspace_kind, &task.workspace_path) {
            (WorkspaceKind::Dir, Some(path)) => Some(std::fs::canonicalize(path).unwrap_or_else(|_| path.into())),
            (WorkspaceKind::Dir | WorkspaceKind::Scratch | WorkspaceKind::Worktree, _) => None,
        };
        if let Some(current) = room.profile_is_full(profile) {
            report.profile_full.push((task.id, profile.name.clone(), current));
            return Ok(());
        }
        if !room.has_place(board.slug(), directory.as_deref()) {
            return Ok(());
        }
        if self.has_no_directory(board, &task, look.dry_run).await? {
            return Ok(());
        }
        if look.dry_run {
            room.take(board.slug(), &profile.name, directory);
            report.started.push(Started { task: task.id, profile: profile.name.clone(), workspace: String::new() });
            return Ok(());
        }
        let now = self.desk.now();
        let mut tx = board.write().await?;
        let claim = match tx.claim(&task.id, HOLDER, None, now).await {
            Ok(claim) => claim,
            Err(error) if error.reason() == Some(Reason::OpenParents) => {
                tx.demote(&task.id, now).await?;
                return tx.commit().await;
            }
            // Somebody was faster, or has changed it since.
            Err(Error::Refused(_)) => return Ok(()),
            Err(fault) => return Err(fault),
        };
        tx.commit().await?;
        room.take(board.slug(), &profile.name, directory.clone());
        let key = (board.slug().clone(), claim.run.id);
        let workspace = claim.task.workspace_path.clone().unwrap_or_else(|| {
            workspace::scratch_root(board.folder()).join(claim.task.id.as_str()).display().to_string()
        });
        report.started.push(Started { task: claim.task.id.clone(), profile: profile.name.clone(), workspace });
        let live = self.attempt.begin(board.clone(), claim, profile.clone(), directory, look.failure_limit);
        self.live.insert(key, live);
        Ok(())
    }

    /// The tasks that may start by what the board says, with whether there are more behind them.
    async fn candidates<'b>(
        &self,
        boards: &'b [Board],
        settings: &Settings,
        stopped: &[ProfileName],
        skip: i64,
    ) -> Result<(Vec<(&'b Board, Task)>, bool), Error> {
        let now = self.desk.now();
        let mut candidates = Vec::new();
        let mut more = false;
        for board in boards {
            let mut tx = board.read().await?;
            for profile in
                settings.profiles.iter().filter(|profile| !profile.paused && !stopped.contains(&profile.name))
            {
                let page = tx.to_start(&profile.name, now, PAGE, skip).await?;
                more |= i64::try_from(page.len()).unwrap_or(PAGE) == PAGE;
                candidates.extend(page.into_iter().map(|task| (board, task)));
            }
        }
        Ok((candidates, more))
    }

    /// Profiles that a person has paused, or that rest since their agent has reached a limit.
    async fn stopped_profiles(&self, boards: &[Board], settings: &Settings) -> Result<Vec<ProfileName>, Error> {
        let mut stopped = paused_profiles(&self.desk).await?;
        for board in boards {
            stopped.extend(
                board.read().await?.parked_profiles(self.desk.now()).await?.into_iter().map(|(name, _, _)| name),
            );
        }
        stopped.extend(settings.profiles.iter().filter(|profile| profile.paused).map(|profile| profile.name.clone()));
        Ok(stopped)
    }

    async fn give_to_default(
        &self,
        board: &Board,
        settings: &Settings,
        look: &Look,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Some(default) = &settings.dispatch.default_assignee else { return Ok(()) };
        let unassigned = board.read().await?.ready_unassigned(PAGE).await?;
        if unassigned.is_empty() {
            return Ok(());
        }
        report.given_default.extend(unassigned.iter().map(|task| task.id.clone()));
        if look.dry_run {
            return Ok(());
        }
        let mut tx = board.write().await?;
        for task in unassigned {
            tx.assign(&Actor::Gateway, &task.id, Some(default), self.desk.now()).await?;
        }
        tx.commit().await
    }

    async fn tell_what_cannot_start(
        &self,
        boards: &[Board],
        settings: &Settings,
        report: &mut Report,
    ) -> Result<(), Error> {
        let now = self.desk.now();
        for board in boards {
            let mut tx = board.read().await?;
            report.unassigned.extend(tx.ready_unassigned(1_000).await?.into_iter().map(|task| task.id));
            for name in tx.ready_assignees().await? {
                if settings.profiles.get(&name).is_none() {
                    report
                        .unknown_profile
                        .extend(tx.to_start(&name, now, 1_000, 0).await?.into_iter().map(|task| task.id));
                }
            }
        }
        Ok(())
    }

    /// When something happens by itself next.
    async fn alarm(&self) -> Option<Millis> {
        let mut next = None;
        for name in self.desk.boards.names().unwrap_or_default() {
            let Ok(board) = self.desk.boards.get(&name).await else { continue };
            let Ok(mut tx) = board.read().await else { continue };
            next = next.into_iter().chain(tx.next_alarm(self.desk.now()).await.ok().flatten()).min();
        }
        next.map(|at| at - self.desk.now())
    }

    /// Whether another process has written to a board since the last check.
    async fn written_from_outside(&mut self) -> bool {
        let mut written = false;
        for name in self.desk.boards.names().unwrap_or_default() {
            let Ok(board) = self.desk.boards.get(&name).await else { continue };
            if let Ok(version) = board.data_version().await {
                written |= self.versions.insert(name, version).is_some_and(|before| before != version);
            }
        }
        if written {
            self.desk.boards.wake().notifier.notify_one();
        }
        written
    }
}

/// One look on a home where no gateway runs. The workers that it starts go on by themselves.
pub async fn look_once(desk: &Desk, look: Look) -> Result<Report, Error> {
    let _lock = GatewayLock::take(desk.home()).await?;
    let program = std::env::current_exe()?;
    let tracker = TaskTracker::new();
    let mut dispatcher = Dispatcher::new(desk.clone(), program, tracker.clone());
    dispatcher.attempt.starts_only();
    let mut report = Report::default();
    if !look.dry_run {
        report = dispatcher.settle_what_has_ended().await?;
    }
    let looked = dispatcher.look(&look).await?;
    tracker.close();
    tracker.wait().await;
    Ok(Report {
        crashed: report.crashed,
        timed_out: report.timed_out,
        gave_up: report.gave_up,
        reclaimed: report.reclaimed + looked.reclaimed,
        ..looked
    })
}

/// Who holds the claims of a dispatcher.
const HOLDER: &str = "gateway";

/// What the settings say of failed attempts.
fn patience(settings: &Settings) -> Patience {
    let dispatch = &settings.dispatch;
    Patience {
        failure_limit: i64::from(dispatch.failure_limit.get()),
        violation_limit: i64::from(dispatch.protocol_violation_limit.get()),
        backoff_seconds: i64::from(dispatch.backoff_seconds.get()),
        backoff_max_seconds: i64::from(dispatch.backoff_max_seconds.get()),
        rate_limit_pause_seconds: i64::from(dispatch.rate_limit_pause_seconds.get()),
    }
}

async fn sleep_until(millis: Option<Millis>) {
    match millis {
        Some(millis) => {
            let wait = Duration::from_millis(u64::try_from(millis).unwrap_or(0).max(1));
            tokio::time::sleep_until(Instant::now() + wait).await;
        }
        None => std::future::pending().await,
    }
}
