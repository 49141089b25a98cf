//! The one decision whether a ready task may start, and if not, why. The dispatcher starts by it, and `why`, `dispatch
//! status` and `diagnostics` tell it.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::ground::Ground;
use crate::{
    board::{
        Board, BoardSlug, Boards, Error, ProfileName, TaskId, Tx,
        budget::Overrun,
        park::ParkKind,
        task::{Task, WorkspaceKind},
        view::{Running, Symptom},
    },
    clock::Millis,
    settings::Settings,
};

/// What keeps a ready task, which waits for no parents, from starting. Exactly one holds, the first of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    Unassigned,
    UnknownProfile {
        profile: ProfileName,
    },
    Paused {
        by_settings: bool,
    },
    ProfilePaused {
        profile: ProfileName,
        by_settings: bool,
    },
    NoGateway,
    ProfileParked(Parked),
    BackOff {
        until: Millis,
    },
    /// Files that were sent with it are still being fetched.
    FilesAwaited {
        /// From then on it starts without them.
        until: Millis,
    },
    BudgetSpent(Overrun),
    /// The worker of its earlier run is being ended.
    WorkerEnding {
        run: i64,
    },
    CapFull {
        cap: Cap,
        limit: NonZeroU32,
        workers: Vec<(BoardSlug, TaskId)>,
    },
    DirectoryBusy {
        directory: String,
        board: BoardSlug,
        task: TaskId,
    },
    DirectoryGone {
        directory: String,
    },
}

/// What a cap counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cap {
    Global,
    Profile(ProfileName),
    Board(BoardSlug),
}

/// A profile that rests, on all boards, since one of its workers has reached a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub profile: ProfileName,
    pub kind: ParkKind,
    pub since: Millis,
    pub until: Millis,
    pub reason: String,
    /// The task whose run has met the limit first.
    pub task: Option<TaskId>,
    /// Where that was.
    pub board: BoardSlug,
}

/// A worker, from its claim until nothing of it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtWork {
    pub board: BoardSlug,
    pub task: TaskId,
    pub run: i64,
    pub profile: Option<ProfileName>,
    /// The directory that nobody else may write to while it works.
    pub ground: Option<Ground>,
}

impl Hindrance {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unassigned => "unassigned",
            Self::UnknownProfile { .. } => "unknown_profile",
            Self::Paused { .. } => "paused",
            Self::ProfilePaused { .. } => "profile_paused",
            Self::NoGateway => "no_gateway",
            Self::ProfileParked(_) => "profile_parked",
            Self::BackOff { .. } => "back_off",
            Self::FilesAwaited { .. } => "files_awaited",
            Self::BudgetSpent(_) => "budget_spent",
            Self::WorkerEnding { .. } => "worker_ending",
            Self::CapFull { .. } => "cap_full",
            Self::DirectoryBusy { .. } => "directory_busy",
            Self::DirectoryGone { .. } => "directory_gone",
        }
    }
}

/// What the task itself contributes to the decision.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    board: &'a BoardSlug,
    id: &'a TaskId,
    /// The profile whose worker would start; none stands for the default one.
    by: Option<&'a ProfileName>,
    not_before: Option<Millis>,
    /// Its last attempt failed.
    has_failed: bool,
    kind: WorkspaceKind,
    path: Option<&'a str>,
    /// The task as a whole, where its budget is to be looked at.
    task: Option<&'a Task>,
    /// Its directory is not there.
    pub is_gone: bool,
}

impl<'a> Candidate<'a> {
    /// A task that its assignee is to work on.
    pub fn of(board: &'a BoardSlug, task: &'a Task) -> Self {
        Self {
            board,
            id: &task.id,
            by: task.assignee.as_ref(),
            not_before: task.not_before,
            has_failed: task.last_error.is_some(),
            kind: task.workspace_kind,
            path: task.workspace_path.as_deref(),
            task: Some(task),
            is_gone: false,
        }
    }

    /// A task whose work a profile is to look at.
    pub fn of_review(board: &'a BoardSlug, task: &'a Task, reviewer: &'a ProfileName) -> Self {
        Self { by: Some(reviewer), ..Self::of(board, task) }
    }

    /// A ready task of which nothing more is known than whose it is.
    pub fn of_assignee(board: &'a BoardSlug, id: &'a TaskId, by: Option<&'a ProfileName>) -> Self {
        let kind = WorkspaceKind::Scratch;
        Self { board, id, by, not_before: None, has_failed: false, kind, path: None, task: None, is_gone: false }
    }

    pub fn of_symptom(board: &'a BoardSlug, task: &'a Symptom) -> Self {
        Self {
            board,
            id: &task.task_id,
            by: task.assignee.as_ref(),
            not_before: task.not_before,
            has_failed: task.last_error.is_some(),
            kind: task.workspace_kind,
            path: task.workspace_path.as_deref(),
            task: None,
            is_gone: false,
        }
    }

    /// The directory that it shares with other tasks.
    fn shared(&self) -> Option<&'a str> {
        self.path.filter(|_| self.kind == WorkspaceKind::Dir)
    }
}

/// What decides outside of a task: what is paused, which profiles rest, and who is at work where.
pub struct Scene<'a> {
    pub settings: &'a Settings,
    pub now: Millis,
    /// Somebody has paused the dispatcher.
    pub is_paused: bool,
    /// The profiles that somebody has paused.
    pub paused_profiles: &'a [ProfileName],
    pub gateway_runs: bool,
    parked: Vec<Parked>,
    at_work: Vec<AtWork>,
    grounds: Mutex<HashMap<String, Ground>>,
}

/// What somebody has stopped by hand, and whether there is a gateway.
#[derive(Clone, Copy)]
pub struct Switches<'a> {
    pub is_paused: bool,
    pub paused_profiles: &'a [ProfileName],
    pub gateway_runs: bool,
}

impl<'a> Scene<'a> {
    /// Reads what is the case on all boards, one of them through a transaction that is open already. `live` are the workers
    /// that the gateway has in hand: the boards do not know of those that are being ended.
    pub async fn gather(
        (here, tx): (&BoardSlug, &mut Tx),
        boards: &Boards,
        settings: &'a Settings,
        switches: Switches<'a>,
        live: &[AtWork],
        now: Millis,
    ) -> Result<Self, Error> {
        let mut scene = Self::new(settings, switches, live, now);
        scene.add(here, tx).await?;
        for slug in boards.names()?.iter().filter(|slug| *slug != here) {
            // A board that cannot be opened has no workers, and must not hide what holds on the others.
            if let Ok(board) = boards.get(slug).await {
                scene.add_board(&board).await?;
            }
        }
        Ok(scene)
    }

    pub(super) fn new(settings: &'a Settings, switches: Switches<'a>, live: &[AtWork], now: Millis) -> Self {
        let Switches { is_paused, paused_profiles, gateway_runs } = switches;
        let (at_work, grounds) = (live.to_vec(), Mutex::default());
        Self { settings, now, is_paused, paused_profiles, gateway_runs, parked: Vec::new(), at_work, grounds }
    }

    pub(super) async fn add_board(&mut self, board: &Board) -> Result<(), Error> {
        self.add(board.slug(), &mut board.read().await?).await
    }

    async fn add(&mut self, slug: &BoardSlug, tx: &mut Tx) -> Result<(), Error> {
        let parked = tx.parked_profiles(self.now).await?;
        self.parked.extend(parked.into_iter().map(|park| Parked {
            kind: park.kind,
            since: park.since,
            until: park.until,
            reason: park.in_words(),
            task: park.task_id,
            profile: park.profile,
            board: slug.clone(),
        }));
        for running in tx.running().await? {
            // A claim by hand, which expires, takes no worker's place.
            if running.claim_expires.is_some() {
                continue;
            }
            let run = running.run_id;
            let worker = AtWork::of(slug, running);
            match self.at_work.iter_mut().find(|known| known.run == run && known.board == *slug) {
                // Where a worktree lies is known once it is made.
                Some(known) => known.ground = known.ground.take().or(worker.ground),
                None => self.at_work.push(worker),
            }
        }
        Ok(())
    }

    /// What keeps a ready task from starting; none if it may start.
    ///
    /// What the task itself lacks comes first, then what somebody has stopped by hand, then a missing gateway, and last what
    /// passes by itself: the end of a later one would not move the task while an earlier one holds. A directory that is gone
    /// is the last, since looking for it costs most.
    pub fn hindrance(&self, task: &Candidate<'_>) -> Option<Hindrance> {
        let dispatch = &self.settings.dispatch;
        let Some(name) = task.by.or(dispatch.default_assignee.as_ref()) else {
            return Some(Hindrance::Unassigned);
        };
        let Some(profile) = self.settings.profiles.get(name) else {
            return Some(Hindrance::UnknownProfile { profile: name.clone() });
        };
        if self.is_paused || dispatch.paused {
            return Some(Hindrance::Paused { by_settings: !self.is_paused });
        }
        let paused_by_hand = self.paused_profiles.contains(name);
        if paused_by_hand || profile.paused {
            return Some(Hindrance::ProfilePaused { profile: name.clone(), by_settings: !paused_by_hand });
        }
        if !self.gateway_runs {
            return Some(Hindrance::NoGateway);
        }
        if let Some(parked) = self.rest_of(name) {
            return Some(Hindrance::ProfileParked(parked.clone()));
        }
        // A task of nobody is given to the default profile, and that begins anew.
        let waits = task.not_before.filter(|until| *until > self.now && task.by.is_some());
        match waits {
            Some(until) if task.has_failed => return Some(Hindrance::BackOff { until }),
            Some(until) => return Some(Hindrance::FilesAwaited { until }),
            None => {}
        }
        if let Some(overrun) = task.task.and_then(|task| task.overrun(self.settings.budget_of(task.assignee.as_ref())))
        {
            return Some(Hindrance::BudgetSpent(overrun));
        }
        let is_own = |worker: &&AtWork| worker.task == *task.id && worker.board == *task.board;
        if let Some(worker) = self.at_work.iter().find(is_own) {
            return Some(Hindrance::WorkerEnding { run: worker.run });
        }
        if let Some((cap, limit)) = self
            .caps_of(name, task.board)
            .into_iter()
            .find(|(cap, limit)| usize::try_from(limit.get()).is_ok_and(|limit| self.counted_by(cap).count() >= limit))
        {
            let workers = self.counted_by(&cap).map(|worker| (worker.board.clone(), worker.task.clone())).collect();
            return Some(Hindrance::CapFull { cap, limit, workers });
        }
        if let Some((directory, worker)) = task.shared().and_then(|path| Some((path, self.occupant(path)?))) {
            let (board, task) = (worker.board.clone(), worker.task.clone());
            return Some(Hindrance::DirectoryBusy { directory: directory.to_owned(), board, task });
        }
        let directory = task.path.filter(|_| task.is_gone)?;
        Some(Hindrance::DirectoryGone { directory: directory.to_owned() })
    }

    /// The profiles that rest, each once, by the longest of its rests.
    pub fn parked(&self) -> Vec<&Parked> {
        let is_longest = |parked: &&Parked| self.rest_of(&parked.profile) == Some(*parked);
        self.parked.iter().filter(is_longest).collect()
    }

    /// The caps that are set for whatever runs: one over all, and those of the profiles and boards that have one.
    pub fn caps_of(&self, profile: &ProfileName, board: &BoardSlug) -> Vec<(Cap, NonZeroU32)> {
        let dispatch = &self.settings.dispatch;
        let own = self.settings.profiles.get(profile).and_then(|profile| profile.max_running);
        let caps = [
            (Cap::Global, Some(dispatch.max_running)),
            (Cap::Profile(profile.clone()), own.or(dispatch.max_running_per_profile)),
            (Cap::Board(board.clone()), dispatch.max_running_per_board),
        ];
        caps.into_iter().filter_map(|(cap, limit)| Some((cap, limit?))).collect()
    }

    /// The workers that take a place below a cap.
    pub fn counted_by(&self, cap: &Cap) -> impl Iterator<Item = &AtWork> {
        self.at_work.iter().filter(move |worker| match cap {
            Cap::Global => true,
            Cap::Profile(profile) => worker.profile.as_ref() == Some(profile),
            Cap::Board(board) => worker.board == *board,
        })
    }

    /// Whether no worker more may run at all.
    pub(super) fn is_full(&self) -> bool {
        usize::try_from(self.settings.dispatch.max_running.get()).is_ok_and(|most| self.at_work.len() >= most)
    }

    /// Another worker has begun.
    pub(super) fn add_worker(&mut self, worker: AtWork) {
        self.at_work.push(worker);
    }

    fn rest_of(&self, profile: &ProfileName) -> Option<&Parked> {
        self.parked.iter().filter(|parked| parked.profile == *profile).max_by_key(|parked| parked.until)
    }

    /// The worker that is in a directory, or so near to it that both would write the same files.
    fn occupant(&self, directory: &str) -> Option<&AtWork> {
        let mut grounds = self.grounds.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = grounds.entry(directory.to_owned()).or_insert_with(|| Ground::of(Path::new(directory)));
        self.at_work.iter().find(|worker| worker.ground.as_ref().is_some_and(|ground| ground.overlaps(wanted)))
    }
}

impl AtWork {
    fn of(board: &BoardSlug, running: Running) -> Self {
        let path = running.run_workspace.as_deref().or(running.workspace_path.as_deref());
        let ground = ground_of(running.workspace_kind, path.map(Path::new));
        Self { board: board.clone(), task: running.task_id, run: running.run_id, profile: running.profile, ground }
    }
}

/// The ground that a worker keeps others away from. A scratch directory is its own anyway.
pub(super) fn ground_of(kind: WorkspaceKind, path: Option<&Path>) -> Option<Ground> {
    match kind {
        WorkspaceKind::Dir => path.map(Ground::of),
        // Before it is made, its path is that of the repository.
        WorkspaceKind::Worktree => path.filter(|path| is_made_worktree(path)).map(Ground::of_worktree),
        WorkspaceKind::Scratch => None,
    }
}

fn is_made_worktree(path: &Path) -> bool {
    path.join(".git").is_file()
}

/// The workers that a gateway has in hand, as its dispatcher last told.
#[derive(Clone, Debug, Default)]
pub struct Hands(Arc<Mutex<Arc<[AtWork]>>>);

impl Hands {
    pub fn get(&self) -> Arc<[AtWork]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, workers: Vec<AtWork>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = workers.into();
    }
}
