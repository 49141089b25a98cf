//! One turn: the agent's process with the message as its input, and its output as the answer.

use std::{
    fs,
    io::{self, Read},
    num::NonZeroU64,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use kanban_platform::{Author, Block};

use crate::{
    board::{
        Board, BoardSlug, Error,
        announcement::span,
        audit::Entry,
        delivery::Answer,
        lane::{NEWER_MESSAGE, Session, Turn, TurnState},
    },
    command::{Desk, Reply},
    dispatcher::{
        turn_log,
        verdict::{self, Trouble},
        worker::{self, AGAIN, End, Follower, News},
        workspace::Opened,
    },
    random,
    settings::{Period, Profile, Prompt, Purpose, Values},
    shim::{self, ANSWER_LIMIT, Exit, Spec, Token, client},
};

/// How long a turn may take where its profile does not say.
const LONGEST_TURN: Duration = Duration::from_secs(30 * 60);

/// How many lines of an agent's log its thread is shown when a turn has failed.
const LINES_SHOWN: usize = 8;

/// What a turn is started with.
pub(super) struct Start {
    pub(super) profile: Profile,
    pub(super) session: Session,
    /// Who speaks.
    pub(super) author: Author,
    /// The directory that is pinned where the message was said, opened for its author.
    pub(super) directory: Option<Opened>,
}

/// Where the files of a turn lie.
pub(super) struct Run {
    desk: Desk,
    program: PathBuf,
    rundir: PathBuf,
    socket: PathBuf,
    /// There is nothing to be stopped any more.
    is_over: AtomicBool,
}

impl Run {
    pub(super) fn of(desk: &Desk, program: &Path, turn: &Turn) -> io::Result<Self> {
        Ok(Self {
            desk: desk.clone(),
            program: program.to_owned(),
            rundir: desk.home().join("turns").join(turn.id.to_string()),
            socket: shim::turn_socket_path(desk.home(), &desk.environment.runtime_dir(), turn.id)?,
            is_over: AtomicBool::new(false),
        })
    }

    /// Notes that a turn begins, in the session that the talk goes on in. None when it no longer waits.
    pub(super) async fn begin(&self, board: &Board, turn: &Turn, profile: &Profile) -> Result<Option<Session>, Error> {
        let mut tx = board.write().await?;
        let last = tx.session_of_thread(turn.thread_id, &turn.profile).await?;
        let session = worker::session_after(last, profile);
        let has_begun = tx.begin_turn(turn, &session, self.desk.now()).await?;
        tx.commit().await?;
        Ok(has_begun.then_some(session))
    }

    /// Tells the author of a turn that it does not take place.
    pub(super) async fn refuse(&self, turn: &Turn, reply: Reply, entry: Option<&Entry>) -> Result<(), Error> {
        let mut tx = self.board().await?.write().await?;
        let is_refused = tx.end_turn(turn, TurnState::Refused, reply.into_answer(), self.desk.now()).await?;
        if let Some(entry) = entry.filter(|_| is_refused) {
            tx.note(entry).await?;
        }
        tx.commit().await
    }

    /// Starts the agent, unless an earlier gateway has, and follows it to its end.
    pub(super) async fn work(&self, turn: Turn, start: Option<Start>) {
        self.to_its_end(turn, start).await;
        self.is_over.store(true, Ordering::Relaxed);
    }

    async fn to_its_end(&self, mut turn: Turn, start: Option<Start>) {
        if let Some(start) = start {
            let started = self.start(&turn, &start).await;
            turn.session = Some(start.session.id);
            if let Err(error) = started {
                let said = format!("@{} could not be started: {error}", turn.profile);
                self.settle(&turn, TurnState::Failed, answer(vec![Block::Text(said)])).await;
                return;
            }
        }
        let Ok(spec) = Spec::read(&self.rundir) else {
            // An earlier gateway was killed before it had made the turn ready.
            self.give_back(&turn).await;
            return;
        };
        let mut agent = Follower::of(&self.rundir, &self.socket, &spec.token).await;
        let end = loop {
            match agent.next().await {
                News::Started(_) => {}
                News::End(end) => break end,
            }
        };
        match end {
            End::Exit(exit) => {
                // Who asked for its end is noted while the turn runs.
                let turn = self.learn_session(self.latest(&turn).await.unwrap_or(turn)).await;
                if self.has_begun_anew(&turn, &exit).await {
                    return;
                }
                let (state, answer) = self.outcome(&turn, &spec, &exit);
                self.settle(&turn, state, answer).await;
            }
            End::Lost => {
                self.settle_lost(&turn, "the process that watched over the agent was killed").await;
            }
            End::LostInReboot => self.settle_lost(&turn, "the machine was restarted while the agent was at work").await,
            End::NotBegun => self.give_back(&turn).await,
            // A turn that nobody follows would hold its lane up for ever.
            End::Over | End::NotUnderstood => self.lose(&turn).await,
        }
    }

    async fn settle_lost(&self, turn: &Turn, why: &str) {
        let said = format!(
            "nobody knows how this ended: {why}. It is not done again by itself; say it once more if it is still wanted"
        );
        self.settle(turn, TurnState::Lost, answer(vec![Block::Text(said)])).await;
    }

    /// Keeps the session that the agent has named in its output.
    async fn learn_session(&self, mut turn: Turn) -> Turn {
        let Some(session) = shim::learned_session(&self.rundir) else { return turn };
        let noted = async {
            let mut tx = self.board().await?.write().await?;
            tx.learn_session_of_turn(&turn, &session).await?;
            tx.commit().await
        };
        match noted.await {
            Ok(()) => turn.session = Some(session),
            // The next gateway reads it again.
            Err(error) if self.desk.is_leaving(&error) => {}
            Err(error) => tracing::warn!(%error, turn.id, "the session of a turn could not be noted"),
        }
        turn
    }

    /// Lets a turn wait again, for a new session, if its agent did not know the one that the talk was to go on in.
    async fn has_begun_anew(&self, turn: &Turn, exit: &Exit) -> bool {
        let Some(Trouble::SessionGone { .. }) = self.trouble(turn, exit, true) else { return false };
        let begun = async {
            let mut tx = self.board().await?.write().await?;
            let known = tx.session_of_thread(turn.thread_id, &turn.profile).await?;
            // Without one that it was to know, this is a failure like any other, and no second try.
            if !known.is_some_and(|known| known.goes_on) {
                return Ok::<_, Error>(false);
            }
            tx.drop_session(turn, self.desk.now()).await?;
            tx.commit().await?;
            Ok(true)
        };
        match begun.await {
            Ok(true) => {
                tracing::info!(turn.id, "the session of a talk was gone; turn {} begins anew", turn.id);
                self.give_back(turn).await;
                true
            }
            Ok(false) => false,
            Err(error) => {
                if !self.desk.is_leaving(&error) {
                    tracing::warn!(%error, turn.id, "a session that is gone could not be dropped");
                }
                false
            }
        }
    }

    fn trouble(&self, turn: &Turn, exit: &Exit, resumed: bool) -> Option<Trouble> {
        let settings = self.desk.settings.get();
        let profile = settings.profiles.get(&turn.profile)?;
        // What the agent prints is an answer, and stands beside its log.
        let tail = format!("{}\n{}", self.printed(), exit.tail);
        let exit = Exit { tail, ..exit.clone() };
        verdict::trouble(&exit, &profile.signs, resumed, self.desk.now(), &TimeZone::system())
    }

    /// Gives a turn up that cannot be followed any more, and says so; its agent is asked to end, since the next message
    /// goes on in its session.
    pub(super) async fn lose(&self, turn: &Turn) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Ok(spec) = Spec::read(&self.rundir)
            && let Err(error) = client::stop(&self.rundir, &self.socket, &spec.token, "lost").await
        {
            tracing::warn!(%error, turn.id, "the agent of a turn that is given up could not be stopped");
        }
        let said = "nobody knows how this ended: its agent could not be followed any more, and may still be at work. It is not done again by itself; say it once more if it is still wanted";
        self.settle(turn, TurnState::Lost, answer(vec![Block::Text(said.to_owned())])).await;
    }

    /// Asks for the end of the agent and of all that it has started.
    pub(super) fn stop_soon(self: &Arc<Self>, by: String) {
        let run = Arc::clone(self);
        tokio::spawn(async move {
            while !run.is_over.load(Ordering::Relaxed) {
                let Ok(spec) = Spec::read(&run.rundir) else {
                    // It is being made ready.
                    tokio::time::sleep(AGAIN / 20).await;
                    continue;
                };
                match client::stop(&run.rundir, &run.socket, &spec.token, &by).await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(%error, "the agent of a turn could not be stopped; trying again"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    async fn start(&self, turn: &Turn, start: &Start) -> Result<(), String> {
        // One of the thread's own has a true path when it is made, so no link is followed on the way there.
        let (root, workspace) = match &start.directory {
            Some(opened) => (opened.root().to_owned(), opened.path().to_owned()),
            None => (PathBuf::from("/"), self.own_directory(turn)?),
        };
        let failed = |error: io::Error| format!("the turn cannot be made ready: {error}");
        let prompt = worker::write_prompt(&self.rundir, &turn.text).map_err(failed)?;
        let argument = worker::as_argument(&start.profile, &turn.text)?;
        let spec = self.spec(turn, start, (&root, &workspace), (&prompt, argument)).map_err(failed)?;
        let listener = client::prepare_aside(&self.rundir, spec).await.map_err(failed)?;
        client::spawn(&self.program, &self.rundir, listener)
            .map(drop)
            .map_err(|error| format!("its shim cannot be started: {error}"))
    }

    /// The directory of a thread where none is pinned.
    fn own_directory(&self, turn: &Turn) -> Result<PathBuf, String> {
        let path = self.desk.home().join("lanes").join(turn.thread_id.to_string());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .and_then(|()| path.canonicalize())
            .map_err(|error| format!("cannot make `{}`: {error}", path.display()))
    }

    fn spec(
        &self,
        turn: &Turn,
        start: &Start,
        (root, workspace): (&Path, &Path),
        (prompt, argument): (&Path, &str),
    ) -> io::Result<Spec> {
        let Start { profile, session, author, directory: _ } = start;
        let settings = self.desk.settings.get();
        let values = Values {
            task: "",
            run: turn.id,
            title: turn.text.lines().next().unwrap_or_default(),
            workspace: &workspace.display().to_string(),
            prompt_file: &prompt.display().to_string(),
            prompt: argument,
            session: &session.id,
            mcp_file: None,
            kanban: &self.program.display().to_string(),
        };
        let mut env = worker::environment(profile, &self.desk.environment, &self.program);
        worker::make_directories(profile, &env);
        for (name, value) in [
            // Without a token: a turn has no door to the board. The socket marks its processes as ours.
            (shim::SOCKET_VARIABLE, self.socket.display().to_string()),
            ("KANBAN_HOME", self.desk.home().display().to_string()),
            ("KANBAN_TURN", turn.id.to_string()),
            ("KANBAN_THREAD", turn.thread().to_string()),
            ("KANBAN_AUTHOR", author.to_string()),
            ("KANBAN_WORKSPACE", workspace.display().to_string()),
            ("KANBAN_SESSION", session.id.clone()),
        ] {
            env.insert(name.to_owned(), value);
        }
        let limit = profile.max_runtime.map_or(LONGEST_TURN, Period::duration);
        Ok(Spec {
            run: turn.id,
            board: BoardSlug::default(),
            task: None,
            token: Token::new(random::hex::<32>()),
            argv: profile.argv(if session.goes_on { Purpose::TalkAgain } else { Purpose::Talk }, &values),
            env: env.into_iter().collect(),
            cwd: workspace.to_owned(),
            root: Some(root.to_owned()),
            stdin: (profile.prompt == Prompt::Stdin).then(|| prompt.to_owned()),
            log: turn_log(self.desk.home(), turn),
            answer: Some(self.answer_file()),
            session_pattern: profile.session_pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            log_limit_bytes: settings.logs.log_limit_bytes.get(),
            socket: self.socket.clone(),
            gateway_socket: shim::gateway_socket_path(self.desk.home(), &self.desk.environment.runtime_dir())?,
            time_limit_seconds: Some(limit.as_secs().max(1)),
            // An agent may well print its answer at the very end.
            silence_limit_seconds: None,
            confinement: profile.confine.then(|| worker::confinement(&self.desk, Vec::new())).transpose()?,
            max_processes: Some(settings.dispatch.max_processes.get()),
            max_memory_bytes: settings.dispatch.max_memory_bytes.map(NonZeroU64::get),
            // A turn has no door to the board on any road.
            outbox: false,
            grace_seconds: u64::from(settings.dispatch.grace_seconds.get()),
        })
    }

    fn answer_file(&self) -> PathBuf {
        self.rundir.join("answer")
    }

    /// What an exit means for the thread.
    fn outcome(&self, turn: &Turn, spec: &Spec, exit: &Exit) -> (TurnState, Answer) {
        let printed = self.printed();
        let name = &turn.profile;
        let took = span(exit.ended_at - exit.started_at);
        let failed = |what: String| {
            let mut body = vec![Block::Text(what)];
            let last = if exit.tail.trim().is_empty() { &printed } else { &exit.tail };
            let lines: Vec<&str> = last.trim_end().lines().collect();
            let shown = lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n");
            if !shown.is_empty() {
                body.push(Block::Code(shown));
            }
            body.push(Block::Footer(format!(
                "@{name} · {took} · `/kanban agent --log` shows more, `/kanban agent --fresh` begins a new session"
            )));
            (TurnState::Failed, answer(body))
        };
        let ended = |state, what: String| {
            let mut body = Vec::new();
            if !printed.is_empty() {
                body.push(Block::Quote(printed.clone()));
            }
            body.push(Block::Text(what));
            body.push(Block::Footer(format!("@{name} · {took}")));
            (state, answer(body))
        };
        if let Some(error) = &exit.error {
            return failed(format!("@{name} could not be started: {error}"));
        }
        match (exit.stopped.as_deref(), exit.code, exit.signal) {
            (Some(Exit::TIME_LIMIT), _, _) => {
                let limit = spec.time_limit_seconds.and_then(|limit| i64::try_from(limit).ok()).unwrap_or_default();
                failed(format!("@{name} took longer than {} and was ended", span(limit.saturating_mul(1000))))
            }
            (Some(NEWER_MESSAGE), _, _) => ended(TurnState::Interrupted, "interrupted by a newer message".to_owned()),
            (Some(by), _, _) => ended(TurnState::Cancelled, format!("stopped by {by}")),
            (None, Some(0), _) if printed.is_empty() => {
                let body = vec![
                    Block::Text(format!("@{name} has ended well and said nothing")),
                    Block::Footer(format!("@{name} · {took}")),
                ];
                (TurnState::Done, answer(body))
            }
            (None, Some(0), _) => {
                let body = vec![Block::Quote(printed.clone()), Block::Footer(format!("@{name} · {took}"))];
                (TurnState::Done, answer(body))
            }
            (None, Some(code), _) => match self.trouble(turn, exit, false) {
                Some(Trouble::Limit { .. }) => {
                    failed(format!("@{name} has reached a limit of its agent; say it again later"))
                }
                Some(Trouble::Auth { .. }) => failed(format!(
                    "nobody is logged in to the agent of @{name}; `kanban doctor` on its machine says how"
                )),
                Some(Trouble::SessionGone { .. }) | None => failed(format!("@{name} failed: it exited with {code}")),
            },
            (None, None, Some(signal)) => failed(format!("@{name} failed: it was killed by signal {signal}")),
            (None, None, None) => failed(format!("@{name} failed, and how is not known")),
        }
    }

    /// What the agent has printed, without the blank lines around it.
    fn printed(&self) -> String {
        let mut bytes = Vec::new();
        if let Ok(file) = fs::File::open(self.answer_file()) {
            // What cannot be read is as good as not printed; the log of the gateway's machine has the reason.
            let _ = file.take(ANSWER_LIMIT).read_to_end(&mut bytes);
        }
        let is_cut = bytes.len() as u64 == ANSWER_LIMIT;
        let text = String::from_utf8_lossy(&bytes).trim_end().trim_start_matches(['\n', '\r']).to_owned();
        if is_cut {
            format!("{text}\n[the answer was longer than {ANSWER_LIMIT} bytes; the rest was not kept]")
        } else {
            text
        }
    }

    async fn latest(&self, turn: &Turn) -> Result<Turn, Error> {
        let running = self.board().await?.read().await?.running_turns().await?;
        Ok(running.into_iter().find(|running| running.id == turn.id).unwrap_or_else(|| turn.clone()))
    }

    /// Records an ending with its answer; tries until the board takes it, since nobody else knows of it.
    async fn settle(&self, turn: &Turn, state: TurnState, answer: Answer) {
        loop {
            let settled = async {
                let mut tx = self.board().await?.write().await?;
                tx.end_turn(turn, state, answer.clone(), self.desk.now()).await?;
                tx.commit().await
            };
            match settled.await {
                Ok(()) => break,
                Err(error) => {
                    // The next gateway records it.
                    if !self.desk.is_leaving(&error) {
                        tracing::error!(%error, turn.id, "the end of a turn could not be recorded; trying again");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        tracing::info!(turn.id, ?state, "turn {} is over", turn.id);
        worker::clear(&self.rundir, &self.socket);
    }

    /// Lets a turn wait again whose agent was never started; one that was to be ended is over.
    async fn give_back(&self, turn: &Turn) {
        worker::clear(&self.rundir, &self.socket);
        let latest = self.latest(turn).await;
        let turn = latest.as_ref().unwrap_or(turn);
        if let Some(by) = &turn.stopped_by {
            let (state, said) = match by.as_str() {
                NEWER_MESSAGE => (TurnState::Interrupted, "interrupted by a newer message".to_owned()),
                by => (TurnState::Cancelled, format!("stopped by {by}")),
            };
            self.settle(turn, state, answer(vec![Block::Text(said)])).await;
            return;
        }
        loop {
            let given = async {
                let mut tx = self.board().await?.write().await?;
                tx.give_back_turn(turn.id).await?;
                tx.commit().await
            };
            match given.await {
                Ok(()) => return,
                Err(error) => {
                    if !self.desk.is_leaving(&error) {
                        tracing::error!(%error, turn.id, "a turn could not be given back; trying again");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn board(&self) -> Result<Board, Error> {
        self.desk.boards.get(&BoardSlug::default()).await
    }
}

fn answer(body: Vec<Block>) -> Answer {
    Answer { body, ..Answer::default() }
}
