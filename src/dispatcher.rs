//! The dispatcher: starts a worker for each task that may start, and sees to what ends, expires or falls due.
//!
//! It looks when a commit wakes it, when the next time falls due, and when a run has ended; in between it sleeps.

mod adoption;
mod attempt;
mod call;
mod gone;
mod ground;
mod place;
mod recovery;
pub mod scene;
mod until;
pub mod verdict;
pub mod worker;
pub mod workspace;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
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
    gone::is_without_directory,
    place::{TURN_LOGS, log, turn_log},
    recovery::{at_work, stop_what_was_closed},
};
use self::{
    attempt::Attempt,
    ground::Ground,
    scene::{AtWork, Candidate, Cap, Hands, Hindrance, Scene, Switches, ground_of},
};
use crate::{
    board::{
        Actor, Board, BoardSlug, Error, Fault, ProfileName, Reason, TaskId,
        attempt::Patience,
        park::Park,
        run::EndedBy,
        task::{Status, Task},
    },
    clock::Millis,
    command::{Desk, is_paused_by_hand, paused_profiles},
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
    /// Ready tasks that were looked at and did not start, with the reason.
    pub held: Vec<(TaskId, Hindrance)>,
    pub paused: bool,
}

/// How many tasks that did not start a report names.
const HELD: usize = 1_000;

#[derive(Clone, Debug)]
pub struct Started {
    pub task: TaskId,
    pub profile: ProfileName,
    /// Where it works; empty in a dry run.
    pub workspace: String,
}

/// Asks a running dispatcher for a look, and knows the workers that it has in hand.
#[derive(Clone)]
pub struct Handle {
    asks: mpsc::Sender<Ask>,
    hands: Hands,
}

type Ask = (Look, oneshot::Sender<Result<Report, Error>>);

impl Handle {
    /// A handle, and the end of it that the dispatcher listens to.
    pub fn new() -> (Self, Asks) {
        let (asks, asked) = mpsc::channel(64);
        let hands = Hands::default();
        (Self { asks, hands: hands.clone() }, Asks { asked, hands })
    }

    /// The workers in hand, those among them whose end is awaited.
    pub fn at_work(&self) -> Arc<[AtWork]> {
        self.hands.get()
    }

    pub async fn look(&self, look: Look) -> Result<Report, Error> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Error::from(Fault::new("the dispatcher is stopping"));
        self.asks.send((look, answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// What is asked of a dispatcher.
pub struct Asks {
    asked: mpsc::Receiver<Ask>,
    hands: Hands,
}

/// A run is known by its board and its number there.
type Key = (BoardSlug, i64);

/// A run whose shim is, or may be, alive.
#[derive(Clone)]
struct Live {
    task: TaskId,
    profile: Option<ProfileName>,
    /// The directory that nobody else may write to while it runs.
    ground: Option<Ground>,
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
    /// Where the others of this process learn who is at work.
    hands: Hands,
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
            launching: TaskTracker::new(),
            starts_only: AtomicBool::new(false),
            failure_limits: Mutex::default(),
        });
        Self {
            desk,
            live: HashMap::new(),
            ended,
            attempt,
            versions: HashMap::new(),
            awaits_directory: false,
            hands: Hands::default(),
        }
    }

    /// Takes up the runs of an earlier gateway, then looks whenever there is reason to, until shutdown. Workers live on.
    pub async fn run(mut self, mut asks: Asks, shutdown: CancellationToken) {
        self.hands = asks.hands.clone();
        while let Err(error) = self.take_up().await {
            tracing::error!(%error, "runs of an earlier gateway could not be taken up; trying again");
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(worker::AGAIN) => {}
            }
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
                () = shutdown.cancelled() => {
                    // A claim that has its shim is followed by the next gateway; one without would be given back.
                    self.attempt.launching.close();
                    return self.attempt.launching.wait().await;
                }
                () = wake.dispatcher.notified() => {}
                Some(key) = self.ended.recv() => drop(self.live.remove(&key)),
                Some((look, answer)) = asks.asked.recv() => {
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
        let by_hand = is_paused_by_hand(&self.desk).await?;
        let settings = self.desk.settings.get();
        let mut report = Report { paused: by_hand || settings.dispatch.paused, ..Report::default() };
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
            self.start(&boards, look, &settings, &mut report).await?;
        }
        self.hands.set(self.at_work());
        Ok(report)
    }

    /// The workers that are not known to be gone.
    fn at_work(&self) -> Vec<AtWork> {
        let live = self.live.iter().map(|((board, run), live)| AtWork {
            board: board.clone(),
            task: live.task.clone(),
            run: *run,
            profile: live.profile.clone(),
            ground: live.ground.clone(),
        });
        live.collect()
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
            let (why, patience) = match tx.run(id).await {
                Ok(run) => match (run.outcome, run.ended_by) {
                    (None, _) => continue,
                    (Some(outcome), Some(EndedBy::Worker)) => (outcome.as_str(), FAREWELL),
                    (Some(outcome), _) => (outcome.as_str(), Duration::ZERO),
                },
                // Deleted with its task.
                Err(Error::Refused(_)) => ("deleted", Duration::ZERO),
                Err(fault) => return Err(fault),
            };
            if let Some(live) = self.live.get_mut(&(board.slug().clone(), id)) {
                live.stopping = true;
                self.attempt.stop_after(patience, live.clone(), why);
            }
        }
        Ok(())
    }

    async fn start(
        &mut self,
        boards: &[Board],
        look: &Look,
        settings: &Settings,
        report: &mut Report,
    ) -> Result<(), Error> {
        // What a dry run leaves undone counts as done all the same.
        let mut besides = Vec::new();
        for board in boards {
            let mut due = if look.dry_run { board.read().await?.due(self.desk.now()).await? } else { Vec::new() };
            for task in &mut due {
                task.not_before = None;
                task.assignee = task.assignee.take().or_else(|| settings.dispatch.default_assignee.clone());
            }
            besides.extend(due.into_iter().filter_map(|task| Waiting::of(board, task)));
            besides.extend(self.give_to_default(board, settings, look, report).await?);
        }
        if look.board.is_some() {
            self.tell_what_cannot_start(boards, settings, report).await?;
        }
        let paused_profiles = paused_profiles(&self.desk).await?;
        // Whoever looks starts, be it a gateway or a command line in its place.
        let switches = Switches { is_paused: false, paused_profiles: &paused_profiles, gateway_runs: true };
        let mut scene = Scene::new(settings, switches, &self.at_work(), self.desk.now());
        // Caps, rests and directories hold over all boards, also for a look at one.
        for board in self.boards(&Look::default()).await? {
            scene.add_board(&board).await?;
        }
        if look.board.is_none() && scene.is_full() {
            return Ok(());
        }
        let mut stopped: Vec<Cap> = Vec::new();
        let mut passed = Passed::new();
        loop {
            let (mut candidates, more) = self.candidates(boards, &scene, &stopped, &passed).await?;
            candidates.append(&mut besides);
            candidates.sort_by(|Waiting { task: a, .. }, Waiting { task: b, .. }| {
                (-a.priority, a.created_at, &a.id).cmp(&(-b.priority, b.created_at, &b.id))
            });
            for waiting in candidates {
                let left = look.max.is_none_or(|most| report.started.len() < most as usize);
                if !left || stopped.contains(&Cap::Global) {
                    return Ok(());
                }
                let id = waiting.task.id.clone();
                let queue = (waiting.board.slug().clone(), waiting.by.clone(), waiting.task.status);
                let hindrance = match self.start_one(waiting, look, &mut scene, report).await? {
                    Fate::Moved => continue,
                    Fate::Listed => {
                        *passed.entry(queue).or_default() += 1;
                        continue;
                    }
                    Fate::Held(hindrance) => hindrance,
                };
                *passed.entry(queue).or_default() += 1;
                match &hindrance {
                    Hindrance::CapFull { cap: Cap::Profile(profile), workers, .. } => {
                        report.profile_full.push((id.clone(), profile.clone(), workers.len()));
                        stopped.push(Cap::Profile(profile.clone()));
                    }
                    Hindrance::CapFull { cap, .. } => stopped.push(cap.clone()),
                    _ => {}
                }
                if report.held.len() < HELD {
                    report.held.push((id, hindrance));
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Starts a task, or answers what keeps it from starting.
    async fn start_one(
        &mut self,
        Waiting { board, task, by }: Waiting<'_>,
        look: &Look,
        scene: &mut Scene<'_>,
        report: &mut Report,
    ) -> Result<Fate, Error> {
        let mut candidate = match task.status {
            Status::Review => Candidate::of_review(board.slug(), &task, &by),
            _ => Candidate::of(board.slug(), &task),
        };
        let mut hindrance = scene.hindrance(&candidate);
        if hindrance.is_none() {
            candidate.is_gone = self.has_no_directory(board, &task, look.dry_run).await?;
            hindrance = scene.hindrance(&candidate);
        }
        let is_spent = matches!(hindrance, Some(Hindrance::BudgetSpent(_)));
        if is_spent && matches!(task.status, Status::Ready | Status::Review) && !look.dry_run {
            self.hold_for_budget(board, &task, scene.settings).await?;
            report.gave_up.push(task.id);
            return Ok(Fate::Moved);
        }
        if let Some(hindrance) = hindrance {
            return Ok(Fate::Held(hindrance));
        }
        let Some(profile) = scene.settings.profiles.get(&by) else { return Ok(Fate::Listed) };
        let ground = ground_of(task.workspace_kind, task.workspace_path.as_deref().map(Path::new));
        let mut worker = AtWork {
            board: board.slug().clone(),
            task: task.id.clone(),
            run: 0,
            profile: Some(profile.name.clone()),
            ground: ground.clone(),
        };
        if look.dry_run {
            let waits = task.status != Status::Review && !task.parents_waived;
            if waits && !board.read().await?.open_parents(&task.id).await?.is_empty() {
                return Ok(Fate::Listed);
            }
            scene.add_worker(worker);
            report.started.push(Started { task: task.id, profile: profile.name.clone(), workspace: String::new() });
            return Ok(Fate::Listed);
        }
        let now = self.desk.now();
        let mut tx = board.write().await?;
        let claimed = match task.status {
            Status::Review => tx.claim_review(&task.id, HOLDER, now).await,
            _ => tx.claim(&task.id, HOLDER, None, now).await,
        };
        let claim = match claimed {
            Ok(claim) => claim,
            Err(error) if error.reason() == Some(Reason::OpenParents) => {
                tx.demote(&task.id, now).await?;
                tx.commit().await?;
                return Ok(Fate::Moved);
            }
            // Somebody was faster, or has changed it since.
            Err(Error::Refused(_)) => return Ok(Fate::Moved),
            Err(fault) => return Err(fault),
        };
        tx.commit().await?;
        worker.run = claim.run.id;
        scene.add_worker(worker);
        let key = (board.slug().clone(), claim.run.id);
        let workspace = claim.task.workspace_path.clone().unwrap_or_else(|| {
            workspace::scratch_root(board.folder()).join(claim.task.id.as_str()).display().to_string()
        });
        report.started.push(Started { task: claim.task.id.clone(), profile: profile.name.clone(), workspace });
        let live = self.attempt.begin(board.clone(), claim, profile.clone(), ground, look.failure_limit);
        self.live.insert(key, live);
        Ok(Fate::Moved)
    }

    /// Holds a task that may use no more time or money, and has that told.
    async fn hold_for_budget(&self, board: &Board, task: &Task, settings: &Settings) -> Result<(), Error> {
        let budget = settings.budget_of(task.assignee.as_ref());
        let mut tx = board.write().await?;
        match tx.stop_if_spent(&task.id, budget, self.desk.now()).await {
            Ok(_) => tx.commit().await,
            // It was changed meanwhile; the next look sees how.
            Err(Error::Refused(_)) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// The tasks that may start by what the board says, with whether there are more behind them. What is known to be
    /// stopped as a whole is not read at all.
    async fn candidates<'b>(
        &self,
        boards: &'b [Board],
        scene: &Scene<'_>,
        stopped: &[Cap],
        passed: &Passed,
    ) -> Result<(Vec<Waiting<'b>>, bool), Error> {
        let mut candidates = Vec::new();
        let mut more = false;
        let is_stopped = |name: &ProfileName| {
            stopped.contains(&Cap::Profile(name.clone()))
                || scene.paused_profiles.contains(name)
                || scene.parked().iter().any(|parked| parked.profile == *name)
        };
        for board in boards {
            if stopped.contains(&Cap::Board(board.slug().clone())) {
                continue;
            }
            let mut tx = board.read().await?;
            for profile in
                scene.settings.profiles.iter().filter(|profile| !profile.paused && !is_stopped(&profile.name))
            {
                let name = &profile.name;
                let behind = |status| {
                    let queue = (board.slug().clone(), name.clone(), status);
                    passed.get(&queue).copied().unwrap_or(0)
                };
                let work = tx.to_start(name, scene.now, PAGE, behind(Status::Ready)).await?;
                let reviews = tx.to_review(name, scene.now, PAGE, behind(Status::Review)).await?;
                for page in [work, reviews] {
                    more |= i64::try_from(page.len()).unwrap_or(PAGE) == PAGE;
                    candidates.extend(page.into_iter().map(|task| Waiting { board, task, by: name.clone() }));
                }
            }
        }
        Ok((candidates, more))
    }

    /// Gives ready tasks of nobody to the profile that the settings name. A dry run answers them as they would be.
    async fn give_to_default<'b>(
        &self,
        board: &'b Board,
        settings: &Settings,
        look: &Look,
        report: &mut Report,
    ) -> Result<Vec<Waiting<'b>>, Error> {
        let Some(default) = &settings.dispatch.default_assignee else { return Ok(Vec::new()) };
        let unassigned = board.read().await?.ready_unassigned(PAGE).await?;
        if unassigned.is_empty() {
            return Ok(Vec::new());
        }
        report.given_default.extend(unassigned.iter().map(|task| task.id.clone()));
        if look.dry_run {
            let given = |task| Task { assignee: Some(default.clone()), not_before: None, ..task };
            return Ok(unassigned.into_iter().filter_map(|task| Waiting::of(board, given(task))).collect());
        }
        let mut tx = board.write().await?;
        for task in unassigned {
            tx.assign(&Actor::Gateway, &task.id, Some(default), self.desk.now()).await?;
        }
        tx.commit().await?;
        Ok(Vec::new())
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

/// How many tasks of each board and assignee that are ready, or in review, a look has passed over.
type Passed = HashMap<(BoardSlug, ProfileName, Status), i64>;

/// A task that waits for a worker.
struct Waiting<'b> {
    board: &'b Board,
    task: Task,
    /// Whose worker that is: its assignee's, or the one's who is to look at its work.
    by: ProfileName,
}

impl<'b> Waiting<'b> {
    /// A task that its assignee is to work on, if it has one.
    fn of(board: &'b Board, task: Task) -> Option<Self> {
        let by = task.assignee.clone()?;
        Some(Self { board, task, by })
    }
}

/// What a look has done with a ready task.
enum Fate {
    /// It is ready no more.
    Moved,
    /// It is as it was: a dry run only tells of it.
    Listed,
    Held(Hindrance),
}

/// The profiles that rest, on account of a task of whichever board: a profile is one for all of them.
pub async fn parks(desk: &Desk) -> Result<Vec<(BoardSlug, Park)>, Error> {
    let mut parks = Vec::new();
    for name in desk.boards.names()? {
        // A board that cannot be opened has nothing running, and does not hold up the others.
        let Ok(board) = desk.boards.get(&name).await else { continue };
        let rest = board.read().await?.parked_profiles(desk.now()).await?;
        parks.extend(rest.into_iter().map(|park| (name.clone(), park)));
    }
    Ok(parks)
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
        auth_pause_seconds: i64::from(dispatch.auth_pause_seconds.get()),
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
