//! One attempt: from a claim to a started worker, and from the worker's end to what becomes of the task.

use std::{
    collections::HashMap,
    fs, io,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    Key, Live,
    call::apply_call,
    gone::{directory_of, is_gone},
    ground::Ground,
    parks, patience,
    place::Place,
    verdict,
    worker::{
        self, AGAIN, End, Follower, News, as_argument, clear, session_after, still_leads_there, write_mcp_file,
        write_prompt,
    },
    workspace::{Closed, Supply, Workspace, lay_out},
};
use crate::{
    board::{
        Board, BoardSlug, Error, ProfileName, TaskId, Tx,
        attempt::{Ending, Patience},
        budget::Bounds,
        claim::Claim,
        lane::Session,
        run::{Outcome, Run},
        task::{Task, WorkspaceKind},
    },
    clock::{self, Millis},
    command::{Desk, prompt},
    process::{Identity, is_of_another_boot},
    settings::{Kind, Profile, Prompt, Purpose, Values, script_of},
    shim::{Exit, Spec, Token, client, exit_record, keeper, learned_session, pending_calls},
};

/// Starts workers and follows them to their end.
pub(super) struct Attempt {
    pub(super) desk: Desk,
    pub(super) program: PathBuf,
    /// Told of each run that is over.
    pub(super) tell: mpsc::UnboundedSender<Key>,
    pub(super) tracker: TaskTracker,
    /// The claims whose shim is being started.
    pub(super) launching: TaskTracker,
    pub(super) starts_only: AtomicBool,
    /// Failed attempts allowed for runs that were started by hand with a limit of their own.
    pub(super) failure_limits: Mutex<HashMap<Key, i64>>,
}

impl Attempt {
    /// Nobody will be here to follow the workers: they are started and left to whoever comes next.
    pub(super) fn starts_only(&self) {
        self.starts_only.store(true, Ordering::Relaxed);
    }

    /// Starts the worker of a claim in the background.
    pub(super) fn begin(
        self: &Arc<Self>,
        board: Board,
        claim: Claim,
        profile: Profile,
        ground: Option<Ground>,
        failure_limit: Option<u32>,
    ) -> Live {
        let token = Token::new(claim.token.expose().to_owned());
        let place = Place::of(&self.desk, board.slug(), &claim.task.id, claim.run.id);
        let live = Live {
            task: claim.task.id.clone(),
            profile: Some(profile.name.clone()),
            ground,
            rundir: place.as_ref().map(|place| place.rundir.clone()).unwrap_or_default(),
            socket: place.as_ref().map(|place| place.socket.clone()).unwrap_or_default(),
            token: token.clone(),
            stopping: false,
        };
        self.limit_failures(board.slug(), claim.run.id, failure_limit);
        let span = span(board.slug(), &claim.task.id, claim.run.id);
        let this = Arc::clone(self);
        let launching = self.launching.token();
        self.tracker.spawn(
            async move {
                let key = (board.slug().clone(), claim.run.id);
                let place = match place {
                    Ok(place) => place,
                    Err(error) => {
                        this.settle(&board, claim.run.id, &Ending::NotStarted { error: error.to_string() }).await;
                        let _ = this.tell.send(key);
                        return;
                    }
                };
                match this.launch(&board, &claim, &profile, &token, &place).await {
                    Ok(true) => {
                        drop(launching);
                        this.meter(&board, &claim).await;
                        if this.starts_only.load(Ordering::Relaxed) {
                            return;
                        }
                        this.follow(&board, claim.run.id, &place.rundir, &place.socket, &token).await;
                    }
                    Ok(false) => clear(&place.rundir, &place.socket),
                    Err(Halt::Gone) => {
                        this.take_back_for_want_of_directory(&board, &claim.task.id, claim.run.id).await;
                        clear(&place.rundir, &place.socket);
                    }
                    Err(Halt::Failed(error)) => {
                        this.settle(&board, claim.run.id, &Ending::NotStarted { error }).await;
                        clear(&place.rundir, &place.socket);
                    }
                }
                // The dispatcher that would listen may be gone.
                let _ = this.tell.send(key);
            }
            .instrument(span),
        );
        live
    }

    /// Follows the run of an earlier gateway in the background.
    pub(super) fn resume(
        self: &Arc<Self>,
        board: Board,
        task: &TaskId,
        run: i64,
        rundir: PathBuf,
        socket: PathBuf,
        token: Token,
    ) {
        let span = span(board.slug(), task, run);
        let this = Arc::clone(self);
        self.tracker.spawn(
            async move {
                this.follow(&board, run, &rundir, &socket, &token).await;
                let _ = this.tell.send((board.slug().clone(), run));
            }
            .instrument(span),
        );
    }

    /// Ends a run's processes after a time.
    pub(super) fn stop_after(self: &Arc<Self>, time: Duration, live: Live, reason: &str) {
        if !time.is_zero() && self.starts_only.load(Ordering::Relaxed) {
            return;
        }
        let reason = reason.to_owned();
        self.tracker.spawn(async move {
            tokio::time::sleep(time).await;
            if let Err(error) = client::stop(&live.rundir, &live.socket, &live.token, &reason).await {
                tracing::warn!(%error, task.id = %live.task, "the worker of {} could not be stopped", live.task);
            }
        });
    }

    /// Makes everything ready and starts the shim. Answers whether it did: it does not if its run was closed before.
    async fn launch(
        &self,
        board: &Board,
        claim: &Claim,
        profile: &Profile,
        token: &Token,
        place: &Place,
    ) -> Result<bool, Halt> {
        let task = &claim.task;
        let kind = Workspace::of(task);
        let held = match directory_of(board, task).await.map_err(|error| error.to_string())? {
            Some(Ok(opened)) => Some(opened),
            Some(Err(Closed::Gone(_))) => return Err(Halt::Gone),
            Some(Err(Closed::Refused(refusal))) => {
                return Err(Halt::Failed(format!("{refusal}; put the directory back, or create the task anew")));
            }
            None => None,
        };
        if let Workspace::Dir(path) | Workspace::Worktree { path: Some(path), .. } = &kind {
            still_leads_there(self.desk.home(), path)
                .map_err(|error| format!("the directory that the task was created for: {error}"))?;
        }
        let (workspace, root) = match (&kind, &held) {
            (Workspace::Dir(_), Some(held)) => (held.path().to_owned(), held.root().to_owned()),
            (Workspace::Dir(_) | Workspace::Worktree { .. } | Workspace::Scratch, _) => {
                let made = kind.prepare(board.folder(), None, &task.id).await;
                // What was made has a true path, so it is opened with no link followed.
                (made.map_err(|refusal| refusal.to_string())?, PathBuf::from("/"))
            }
        };
        supply(board, task, (&root, &workspace)).await?;
        // Before the worker is there: what it hands over is looked for below it.
        self.note_workspace(board, task, claim.run.id, &workspace).await;
        let placed = Task { workspace_path: Some(workspace.display().to_string()), ..task.clone() };
        let (session, before) = self.session(board, claim, profile).await.map_err(|error| error.to_string())?;
        let text = self.prompt_of(board, &placed, &claim.run, profile, before.as_ref()).await?;
        let failed = |error: io::Error| format!("the run cannot be made ready: {error}");
        let prompt = write_prompt(&place.rundir, &text).map_err(failed)?;
        let argument = as_argument(profile, &text)?;
        let site = (root.as_path(), workspace.as_path());
        let spec =
            self.spec(board, claim, profile, token, place, site, (&prompt, argument), &session).map_err(failed)?;
        let listener = client::prepare_aside(&place.rundir, spec).await.map_err(failed)?;
        // Whoever closes the run from here on finds a socket by which it is stopped; before, there was none.
        if self.is_closed(board, claim.run.id).await.map_err(|error| error.to_string())? {
            return Ok(false);
        }
        client::spawn(&self.program, &place.rundir, listener)
            .map_err(|error| format!("the shim cannot be started: {error}"))?;
        Ok(true)
    }

    /// The agent's session of the run, noted with it: a task goes on where its agent has stopped. With it the run of
    /// before, where its session is gone on with.
    async fn session(&self, board: &Board, claim: &Claim, profile: &Profile) -> Result<(Session, Option<Run>), Error> {
        let mut tx = board.write().await?;
        // Whoever looks at the work of others begins with eyes of its own.
        let before = match claim.run.review {
            None => tx.last_session_of_task(&claim.task.id, &profile.name).await?,
            Some(_) => None,
        };
        let next = before.as_ref().and_then(Run::next_in_session);
        let last = before.as_ref().and_then(|run| run.session.clone());
        let session = session_after(last.map(|id| Session { id, goes_on: next.is_some() }), profile);
        let resumed = next.filter(|_| session.goes_on && profile.can_go_on());
        let named = (!session.id.is_empty()).then_some(session.id.as_str());
        tx.set_run_session(claim.run.id, &claim.task.id, named, resumed).await?;
        tx.commit().await?;
        Ok((session, before.filter(|_| resumed.is_some())))
    }

    async fn is_closed(&self, board: &Board, run: i64) -> Result<bool, Error> {
        match board.read().await?.run(run).await {
            Ok(run) => Ok(run.ended_at.is_some()),
            // Deleted with its task.
            Err(Error::Refused(_)) => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    async fn prompt_of(
        &self,
        board: &Board,
        task: &Task,
        run: &Run,
        profile: &Profile,
        before: Option<&Run>,
    ) -> Result<String, String> {
        match profile.kind {
            Kind::Script => {
                let script = script_of(task.body.as_deref().unwrap_or_default());
                if script.trim().is_empty() {
                    return Err(
                        "its body is empty, and a script task runs its body; create it with `--body \"make test\"`"
                            .to_owned(),
                    );
                }
                Ok(script.to_owned())
            }
            Kind::Agent => prompt(&self.desk, board, task, run, before).await.map_err(|error| error.to_string()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a specification has many parts, and this is where they meet")]
    fn spec(
        &self,
        board: &Board,
        claim: &Claim,
        profile: &Profile,
        token: &Token,
        place: &Place,
        (root, workspace): (&Path, &Path),
        (prompt, argument): (&Path, &str),
        session: &Session,
    ) -> io::Result<Spec> {
        let (task, run) = (&claim.task, &claim.run);
        let settings = self.desk.settings.get();
        let values = Values {
            task: task.id.as_str(),
            run: run.id,
            title: &task.title,
            workspace: &workspace.display().to_string(),
            prompt_file: &prompt.display().to_string(),
            prompt: argument,
            session: &session.id,
            mcp_file: None,
            kanban: &self.program.display().to_string(),
        };
        let mcp_file = write_mcp_file(&place.rundir, profile, &values)?.map(|path| path.display().to_string());
        let values = Values { mcp_file: mcp_file.as_deref(), ..values };
        let limit = task
            .max_runtime_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .or(profile.max_runtime.map(|limit| limit.duration().as_secs()));
        // No run may take longer than its task may still be worked on.
        let left = task
            .seconds_left(settings.budget_of(task.assignee.as_ref()))
            .and_then(|left| u64::try_from(left.max(1)).ok());
        let limit = limit.into_iter().chain(left).min();
        let attachments = board.folder().join("attachments").join(task.id.as_str());
        let readable = [Some(attachments), mcp_file.as_ref().map(PathBuf::from)].into_iter().flatten().collect();
        Ok(Spec {
            run: run.id,
            board: board.slug().clone(),
            task: Some(task.id.clone()),
            token: token.clone(),
            argv: profile.argv(if session.goes_on { Purpose::TaskAgain } else { Purpose::Task }, &values),
            env: self.environment(board, task, run, profile, token, place, workspace, &values),
            cwd: workspace.to_owned(),
            root: Some(root.to_owned()),
            stdin: (profile.prompt == Prompt::Stdin).then(|| prompt.to_owned()),
            log: place.log.clone(),
            answer: None,
            session_pattern: profile.session_pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            log_limit_bytes: settings.logs.log_limit_bytes.get(),
            socket: place.socket.clone(),
            gateway_socket: crate::shim::gateway_socket_path(self.desk.home(), &self.desk.environment.runtime_dir())?,
            time_limit_seconds: limit,
            silence_limit_seconds: profile.silence_limit.map(|limit| limit.duration().as_secs().max(1)),
            confinement: profile.confine.then(|| worker::confinement(&self.desk, readable)).transpose()?,
            max_processes: Some(settings.dispatch.max_processes.get()),
            max_memory_bytes: settings.dispatch.max_memory_bytes.map(NonZeroU64::get),
            outbox: profile.outbox,
            grace_seconds: u64::from(settings.dispatch.grace_seconds.get()),
        })
    }

    /// The worker's whole environment: what its profile allows, and the variables of the run.
    #[expect(clippy::too_many_arguments, reason = "each of these becomes a variable")]
    fn environment(
        &self,
        board: &Board,
        task: &Task,
        run: &Run,
        profile: &Profile,
        token: &Token,
        place: &Place,
        workspace: &Path,
        values: &Values<'_>,
    ) -> Vec<(String, String)> {
        let mut env = worker::environment(profile, &self.desk.environment, &self.program);
        worker::make_directories(profile, &env);
        env.extend(profile.placed(values));
        for (name, value) in [
            ("KANBAN_TASK", task.id.to_string()),
            ("KANBAN_RUN", run.id.to_string()),
            ("KANBAN_TOKEN", token.reveal().to_owned()),
            ("KANBAN_SOCKET", place.socket.display().to_string()),
            ("KANBAN_HOME", self.desk.home().display().to_string()),
            ("KANBAN_BOARD", board.slug().to_string()),
            ("KANBAN_WORKSPACE", workspace.display().to_string()),
            ("KANBAN_TENANT", task.tenant.clone().unwrap_or_default()),
            ("KANBAN_ATTEMPT", run.attempt.to_string()),
            ("KANBAN_SESSION", values.session.to_owned()),
            ("KANBAN_SCOPE", profile.scope.to_string()),
        ] {
            env.insert(name.to_owned(), value);
        }
        env.into_iter().collect()
    }

    async fn note_workspace(&self, board: &Board, task: &Task, run: i64, workspace: &Path) {
        let path = workspace.display().to_string();
        let noted = async {
            let mut tx = board.write().await?;
            tx.settle_workspace(run, &task.id, &path, task.workspace_kind != WorkspaceKind::Worktree).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            not_noted(board, &error, "the workspace of the run");
        }
    }

    /// Waits for the news of a run and records them, to its end.
    pub(super) async fn follow(&self, board: &Board, run: i64, rundir: &Path, socket: &Path, token: &Token) {
        let mut was_seen = false;
        let end = if self.was_before_reboot(board, run, rundir).await {
            End::LostInReboot
        } else {
            let mut worker = Follower::of(rundir, socket, token).await;
            loop {
                match worker.next().await {
                    News::Started(identity) => {
                        self.note_start(board, run, &identity).await;
                        self.is_followed(board, run);
                        was_seen = true;
                    }
                    News::End(end) => break end,
                }
            }
        };
        self.is_followed(board, run);
        self.learn_session(board, run, rundir).await;
        // Of a worker that nobody saw end, the time since its last sign may be days in which the machine was off.
        if matches!(end, End::LostInReboot) || (matches!(end, End::Lost) && !was_seen) {
            self.note_last_sign(board, run, rundir).await;
        }
        match end {
            End::Exit(exit) => {
                self.note_end(board, run, exit.ended_at).await;
                self.apply_pending(rundir, run, token).await;
                let ending = self.ending(board, run, rundir, &exit).await;
                match self.lost_directory_of(board, run, &ending).await {
                    Some(task) => self.take_back_for_want_of_directory(board, &task, run).await,
                    None => self.settle(board, run, &ending).await,
                }
            }
            End::NotBegun => self.take_back(board, run).await,
            End::Lost => {
                self.apply_pending(rundir, run, token).await;
                let error = "lost: the process that watched over it was killed".to_owned();
                self.settle(board, run, &Ending::Lost { error }).await;
            }
            End::LostInReboot => {
                self.apply_pending(rundir, run, token).await;
                let error = "lost in reboot: the machine was restarted while it worked".to_owned();
                self.settle(board, run, &Ending::Lost { error }).await;
            }
            End::Over => {}
            End::NotUnderstood => return,
        }
        clear(rundir, socket);
    }

    /// Whether the worker of a run was started before the machine was, by what the board knows of it, and nothing says how
    /// it ended. A shim that answers is believed before that.
    async fn was_before_reboot(&self, board: &Board, run: i64, rundir: &Path) -> bool {
        if exit_record(rundir).is_some() || keeper(rundir).is_some_and(|keeper| keeper.is_alive()) {
            return false;
        }
        let booted = match board.read().await {
            Ok(mut tx) => tx.run(run).await.ok().and_then(|run| run.boot_id),
            Err(_) => None,
        };
        booted.is_some_and(|booted| is_of_another_boot(&booted))
    }

    fn is_followed(&self, board: &Board, run: i64) {
        if let Some(gateway) = &self.desk.gateway {
            gateway.adoption.done(&(board.slug().clone(), run));
        }
    }

    async fn note_start(&self, board: &Board, run: i64, identity: &Identity) {
        let noted = async {
            let mut tx = board.write().await?;
            let start_time = i64::try_from(identity.start_time).unwrap_or(i64::MAX);
            tx.started(run, i64::from(identity.pid), start_time, &identity.boot_id, self.desk.now()).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            not_noted(board, &error, "the start of the worker");
        }
    }

    /// Applies the calls that the shim could not hand on before it left, in their order.
    async fn apply_pending(&self, rundir: &Path, run: i64, token: &Token) {
        match pending_calls(rundir) {
            Ok(calls) => {
                for call in calls {
                    let mut answer = apply_call(&self.desk, run, token, &call).await;
                    while answer.again {
                        tokio::time::sleep(AGAIN).await;
                        answer = apply_call(&self.desk, run, token, &call).await;
                    }
                    if answer.exit != 0 {
                        // The worker was told that it is kept, and is not there to be told more.
                        tracing::warn!(
                            call = call.call,
                            reason = answer.stderr,
                            "a call that the worker had left was refused"
                        );
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the calls that the worker had left cannot be read"),
        }
    }

    /// What an exit record means for the run's task.
    async fn ending(&self, board: &Board, run: i64, rundir: &Path, exit: &Exit) -> Ending {
        let run = match board.read().await {
            Ok(mut tx) => tx.run(run).await.ok(),
            Err(_) => None,
        };
        let settings = self.desk.settings.get();
        let profile = run.as_ref().and_then(|run| run.profile.as_ref()).and_then(|name| settings.profiles.get(name));
        let spec = Spec::read(rundir).ok();
        if exit.stopped.as_deref() == Some(Exit::SILENCE_LIMIT) {
            let limit =
                spec.and_then(|spec| spec.silence_limit_seconds).and_then(|seconds| i64::try_from(seconds).ok());
            return Ending::WentSilent { limit_seconds: limit.unwrap_or_default() };
        }
        let limit = spec.and_then(|spec| spec.time_limit_seconds);
        let resumed = run.as_ref().is_some_and(|run| run.resumed_after.is_some());
        let judged = verdict::Run { profile, resumed, limit };
        let ending = verdict::ending(exit, judged, self.desk.now(), &TimeZone::system());
        let name = run.as_ref().and_then(|run| run.profile.as_ref());
        match ending {
            Ending::RateLimited { line, until, tail, .. } => {
                let is_told = self.rests_elsewhere(board, name).await;
                Ending::RateLimited { line, until, tail, is_told }
            }
            Ending::AuthFailed { line, login, tail, .. } => {
                let is_told = self.rests_elsewhere(board, name).await;
                Ending::AuthFailed { line, login, tail, is_told }
            }
            ending => ending,
        }
    }

    /// Whether a profile rests already on account of a task of another board, so that somebody has been told.
    async fn rests_elsewhere(&self, board: &Board, profile: Option<&ProfileName>) -> bool {
        let Some(profile) = profile else { return false };
        let parks = parks(&self.desk).await.unwrap_or_default();
        parks.iter().any(|(slug, park)| slug != board.slug() && park.profile == *profile)
    }

    /// Keeps the session that an agent has named, whatever became of its run.
    async fn learn_session(&self, board: &Board, run: i64, rundir: &Path) {
        let Some(session) = learned_session(rundir) else { return };
        let noted = async {
            let mut tx = board.write().await?;
            tx.learn_session(run, &session).await?;
            tx.commit().await
        };
        match noted.await {
            // The task was deleted with its runs.
            Ok(()) | Err(Error::Refused(_)) => {}
            Err(error) => not_noted(board, &error, "the session of a run"),
        }
    }

    /// Records an ending; tries until the board takes it, since nobody else knows of it.
    async fn settle(&self, board: &Board, run: i64, ending: &Ending) {
        loop {
            let settled = async {
                let mut tx = board.write().await?;
                let (bounds, now) = (self.bounds_of(&mut tx, run).await?, self.desk.now());
                if !tx.ended_by_budget(run, ending, &bounds, now).await? {
                    tx.attempt_ended(run, ending, &self.patience(board.slug(), run), now).await?;
                }
                // What the worker itself had said counts, however its process ended.
                let outcome = tx.run(run).await?.outcome;
                tx.commit().await.map(|()| outcome)
            };
            match settled.await {
                Ok(outcome) => {
                    self.failure_limits
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .remove(&(board.slug().clone(), run));
                    let outcome = outcome.map_or("open", Outcome::as_str);
                    tracing::info!(ending = ending.name(), outcome, "run {run} is over: {outcome}");
                    return;
                }
                // The task was deleted with its runs: there is nothing left to record.
                Err(Error::Refused(refusal)) => {
                    tracing::warn!(%refusal, "the end of a run has nothing to be recorded in");
                    return;
                }
                Err(error) => {
                    // The next gateway records it.
                    if !self.desk.is_leaving(&error) {
                        tracing::error!(%error, "the end of a run could not be recorded; trying again");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// What bounds a run: its task's budget, and how long its own profile lets one run take.
    async fn bounds_of(&self, tx: &mut Tx, run: i64) -> Result<Bounds, Error> {
        let settings = self.desk.settings.get();
        let run = tx.run(run).await?;
        let profile = run.profile.and_then(|name| settings.profiles.get(&name));
        let limit = profile.and_then(|profile| profile.max_runtime).map(|limit| limit.duration().as_secs());
        let max_runtime_seconds = limit.and_then(|limit| i64::try_from(limit).ok());
        let budget = settings.budget_of(tx.task(&run.task_id).await?.assignee.as_ref());
        Ok(Bounds { budget, max_runtime_seconds })
    }

    /// Keeps when a worker ended, which may be long before the gateway learns of it.
    async fn note_end(&self, board: &Board, run: i64, at: Millis) {
        let noted = async {
            let mut tx = board.write().await?;
            tx.worker_ended(run, at).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            not_noted(board, &error, "the end of the worker");
        }
    }

    /// Keeps when a worker has last given a sign of life, as when it ended.
    async fn note_last_sign(&self, board: &Board, run: i64, rundir: &Path) {
        let read = async { board.read().await?.run(run).await };
        let Ok(open) = read.await else { return };
        let seen = last_trace(rundir).into_iter().chain(open.last_heartbeat_at).max();
        self.note_end(board, run, seen.map_or(open.started_at, |seen| seen.min(self.desk.now()))).await;
    }

    /// Counts how long the start of a run took since its task could start.
    async fn meter(&self, board: &Board, claim: &Claim) {
        let Some(gateway) = &self.desk.gateway else { return };
        let now = self.desk.now();
        let since = async { board.read().await?.could_start_since(&claim.task.id, claim.run.id).await };
        match since.await {
            Ok(Some(since)) => gateway.meters.started(Duration::from_millis(u64::try_from(now - since).unwrap_or(0))),
            Ok(None) => {}
            Err(error) if self.desk.is_leaving(&error) => {}
            Err(error) => tracing::warn!(%error, "the time that a start took cannot be counted"),
        }
    }

    /// Remembers the limit that a `dispatch --failure-limit` gave the runs that it started.
    fn limit_failures(&self, board: &BoardSlug, run: i64, limit: Option<u32>) {
        if let Some(limit) = limit {
            let mut limits = self.failure_limits.lock().unwrap_or_else(PoisonError::into_inner);
            limits.insert((board.clone(), run), i64::from(limit));
        }
    }

    fn patience(&self, board: &BoardSlug, run: i64) -> Patience {
        let limits = self.failure_limits.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = patience(&self.desk.settings.get());
        let failure_limit = limits.get(&(board.clone(), run)).copied().unwrap_or(settings.failure_limit);
        Patience { failure_limit, ..settings }
    }

    /// The task of a run whose worker could not be started because its directory has just gone.
    async fn lost_directory_of(&self, board: &Board, run: i64, ending: &Ending) -> Option<TaskId> {
        if !matches!(ending, Ending::NotStarted { .. }) {
            return None;
        }
        let task = board.read().await.ok()?.run(run).await.ok()?.task_id;
        is_gone(board, &task).await.then_some(task)
    }

    /// Gives a task back that waits for its directory from now on, and says so where the task is followed.
    async fn take_back_for_want_of_directory(&self, board: &Board, task: &TaskId, run: i64) {
        self.give_back(board, run, "its directory is gone", Some(task)).await;
    }

    /// Gives a task back whose worker was never started: that is no failed attempt.
    pub(super) async fn take_back(&self, board: &Board, run: i64) {
        self.give_back(board, run, "the gateway stopped before the worker was started", None).await;
    }

    async fn give_back(&self, board: &Board, run: i64, reason: &str, without_directory: Option<&TaskId>) {
        loop {
            let taken = async {
                let mut tx = board.write().await?;
                let open = tx.run(run).await?;
                if open.ended_at.is_none() {
                    // A worker that never was has used no time, however long ago it was claimed.
                    tx.worker_ended(run, open.started_at).await?;
                    tx.give_back(&open, reason, self.desk.now()).await?;
                    if let Some(task) = without_directory {
                        tx.workplace_gone(task, self.desk.now()).await?;
                    }
                }
                tx.commit().await
            };
            match taken.await {
                Ok(()) | Err(Error::Refused(_)) => return,
                Err(error) => {
                    if !self.desk.is_leaving(&error) {
                        tracing::error!(%error, "a task could not be given back; trying again");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Lays out the files of a task, and what its parents have handed over, where its worker can read them.
async fn supply(board: &Board, task: &Task, (root, workspace): (&Path, &Path)) -> Result<(), String> {
    let supplies = async { board.read().await?.supplies(&task.id).await };
    let supplies = supplies.await.map_err(|error: Error| error.to_string())?;
    let placed: Vec<Supply> = supplies
        .iter()
        .filter_map(|supply| {
            let place = PathBuf::from(supply.place.as_ref()?);
            Some(Supply { stored: PathBuf::from(&supply.file.stored_path), place })
        })
        .collect();
    let (root, workspace) = (root.to_owned(), workspace.to_owned());
    // Megabytes may be copied, and nothing else is to wait for that.
    let laid_out = tokio::task::spawn_blocking(move || lay_out(&root, &workspace, &placed)).await;
    laid_out
        .map_err(|error| error.to_string())?
        .map_err(|refusal| format!("the files of the task cannot be laid out in its workspace: {refusal}"))
}

/// Why a worker was not started.
enum Halt {
    Failed(String),
    /// Its directory is gone, which is no failed attempt.
    Gone,
}

impl From<String> for Halt {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// When something was last written in the directory of a run, or to its log.
fn last_trace(rundir: &Path) -> Option<Millis> {
    let log = Spec::read(rundir).ok().map(|spec| spec.log);
    let files = fs::read_dir(rundir).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let written = |file: PathBuf| Some(clock::millis(fs::metadata(file).ok()?.modified().ok()?));
    files.chain(log).filter_map(written).max()
}

fn span(board: &BoardSlug, task: &TaskId, run: i64) -> tracing::Span {
    tracing::info_span!("run", board.slug = %board, task.id = %task, run.id = run)
}

/// Tells of a fault, but not of a board that was closed to make room for the next gateway, which notes it again.
fn not_noted(board: &Board, error: &Error, what: &str) {
    if !board.is_closed() {
        tracing::warn!(%error, "{what} could not be noted");
    }
}
