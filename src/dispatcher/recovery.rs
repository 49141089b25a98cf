//! Taking up what an earlier gateway has left running.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Dispatcher, HOLDER, Live, Report, place, scene::ground_of};
use crate::{
    board::{Board, BoardSlug, Error, Reason, TaskId, run},
    command::Desk,
    shim::{self, Spec, client, exit_record, keeper},
};

/// A run that has a directory.
struct Found {
    rundir: PathBuf,
    spec: Spec,
    task: TaskId,
    board: Board,
    live: Live,
}

impl Dispatcher {
    /// Follows every run whose shim may be alive, and gives the tasks back that were claimed and never started.
    pub(super) async fn take_up(&mut self) -> Result<(), Error> {
        shim::clear_leftovers(&[place::runs(self.desk.home()), self.desk.home().join("turns")]);
        let found = self.found().await?;
        if let Some(gateway) = &self.desk.gateway {
            gateway.adoption.expect(found.iter().map(|found| (found.spec.board.clone(), found.spec.run)));
        }
        for found in found {
            let Found { rundir, spec, task, board, live } = found;
            // It was taken up before something else went wrong.
            if self.live.contains_key(&(spec.board.clone(), spec.run)) {
                continue;
            }
            self.attempt.resume(board, &task, spec.run, rundir, spec.socket.clone(), spec.token.clone());
            self.live.insert((spec.board.clone(), spec.run), live);
        }
        self.give_back_unstarted().await
    }

    /// Records the runs that have ended meanwhile, and leaves the others alone.
    pub(super) async fn settle_what_has_ended(&mut self) -> Result<Report, Error> {
        let mut report = Report::default();
        for found in self.found().await? {
            let Found { rundir, spec, task, board, live } = found;
            if exit_record(&rundir).is_none() && is_alive(&spec.socket) {
                self.live.insert((spec.board.clone(), spec.run), live);
                continue;
            }
            self.attempt.follow(&board, spec.run, &rundir, &spec.socket, &spec.token).await;
            let mut tx = board.read().await?;
            let run = tx.run(spec.run).await?;
            match run.outcome {
                Some(run::Outcome::TimedOut) => report.timed_out.push(task.clone()),
                Some(run::Outcome::Completed | run::Outcome::Blocked) | None => {}
                Some(_) => report.crashed.push(task.clone()),
            }
            if tx.task(&task).await?.status == crate::board::task::Status::Blocked
                && run.outcome != Some(run::Outcome::Blocked)
            {
                report.gave_up.push(task);
            }
        }
        self.give_back_unstarted().await?;
        Ok(report)
    }

    async fn found(&self) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for rundir in run_directories(self.desk.home())? {
            match self.recognize(&rundir).await {
                Ok(Some(run)) => found.push(run),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "a run directory cannot be taken up; it is left as it is"),
            }
        }
        Ok(found)
    }

    /// Reads a run directory. One that was never made ready is removed; one that no board knows is stopped.
    async fn recognize(&self, rundir: &Path) -> Result<Option<Found>, Error> {
        let spec = match Spec::read(rundir) {
            Ok(spec) => spec,
            // What cannot be read just now may belong to a worker that lives.
            Err(error) if keeper(rundir).is_some_and(|keeper| keeper.is_alive()) => return Err(error.into()),
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Other) => {
                return Err(error.into());
            }
            Err(_) => {
                fs::remove_dir_all(rundir)?;
                return Ok(None);
            }
        };
        let known = match self.desk.boards.get(&spec.board).await {
            Ok(board) => {
                let mut tx = board.read().await?;
                match tx.run(spec.run).await {
                    Ok(run) if run.token_hash == run::hash(spec.token.reveal()) => Some((board, run)),
                    Ok(_) | Err(Error::Refused(_)) => None,
                    Err(fault) => return Err(fault),
                }
            }
            Err(error) if error.reason() == Some(Reason::UnknownBoard) => None,
            // A damaged board may get its backup back, and one of a newer program that program.
            Err(error) => return Err(error),
        };
        let Some((board, run)) = known else {
            self.stop_unknown(rundir.to_owned(), spec);
            return Ok(None);
        };
        let task = board.read().await?.task(&run.task_id).await?;
        let id = task.id;
        let path = run.workspace.as_deref().or(task.workspace_path.as_deref());
        let ground = ground_of(task.workspace_kind, path.map(Path::new));
        let live = Live {
            task: id.clone(),
            profile: run.profile,
            ground,
            rundir: rundir.to_owned(),
            socket: spec.socket.clone(),
            token: spec.token.clone(),
            stopping: false,
        };
        Ok(Some(Found { rundir: rundir.to_owned(), spec, task: id, board, live }))
    }

    /// Ends the worker of a run that no board knows, while the others are taken up.
    fn stop_unknown(&self, rundir: PathBuf, spec: Spec) {
        self.attempt.tracker.spawn(async move {
            let stopped = client::stop(&rundir, &spec.socket, &spec.token, "its board does not know it").await;
            if let Err(error) = stopped.and_then(|_| fs::remove_dir_all(&rundir)) {
                tracing::error!(%error, "the worker of a run that no board knows could not be stopped");
            }
        });
    }

    async fn give_back_unstarted(&self) -> Result<(), Error> {
        for board in self.desk.boards.all().await? {
            let open = board.read().await?.open_runs().await?;
            for run in open {
                let is_live = self.live.contains_key(&(board.slug().clone(), run.id));
                // One that could not be judged has its directory still, and perhaps a worker.
                let is_left = place::rundir(self.desk.home(), board.slug(), run.id).exists();
                if run.holder == HOLDER && !is_live && !is_left {
                    self.attempt.take_back(&board, run.id).await;
                }
            }
        }
        Ok(())
    }
}

/// Stops the workers of runs that a command closed while no gateway was there to do it.
pub async fn stop_what_was_closed(desk: &Desk) -> Result<(), Error> {
    for rundir in run_directories(desk.home())? {
        let Ok(spec) = Spec::read(&rundir) else { continue };
        let Ok(board) = desk.boards.get(&spec.board).await else { continue };
        let Ok(run) = board.read().await?.run(spec.run).await else { continue };
        if run.ended_by == Some(run::EndedBy::Person)
            && let Err(error) = client::stop(&rundir, &spec.socket, &spec.token, "its run was closed").await
        {
            tracing::warn!(%error, "the worker of {} could not be stopped", run.task_id);
        }
    }
    Ok(())
}

/// The tasks of a board whose worker is, or may be, there still, whatever became of their run.
pub fn at_work(home: &Path, board: &BoardSlug) -> Result<HashSet<TaskId>, Error> {
    let specs = run_directories(home)?.into_iter().filter_map(|rundir| Spec::read(&rundir).ok());
    Ok(specs.filter(|spec| spec.board == *board).filter_map(|spec| spec.task).collect())
}

fn run_directories(home: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(place::runs(home)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(directories)
}

fn is_alive(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}
