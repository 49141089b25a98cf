//! The life of one worker: started, watched over, ended with all that it started, written down.

use std::{
    fs::{self, File},
    io::{self, PipeReader},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    ANSWER_LIMIT, Exit, Spec,
    calls::Calls,
    cgroup::Leaf,
    learn::Learner,
    log::{Answer, Log, Tail},
    outbox::Outbox,
    protocol::{self, Notice},
    record, server,
    signs::Signs,
};
use crate::{
    clock::Clock,
    dispatcher::workspace::Opened,
    process::{self, Bounds, Ending, Identity, Tree},
};

/// Runs the worker of a specification and answers when its last process is gone and the record is written.
pub(super) fn own(rundir: &Path, spec: &Spec, listener: UnixListener) -> io::Result<()> {
    let own = Identity::own()?;
    let clock = Clock::system();
    let (started_at, started) = (clock.now(), Instant::now());
    record::begin(rundir, &own)?;
    let signs = Signs::begin();
    let leaf = Leaf::make(rundir, spec).map(Arc::new);
    // The worker is started first: while this process has one thread, and before anything else takes time.
    let worker = start(rundir, spec, leaf.as_deref());
    let run = Arc::new(Run::new(worker.as_ref().map(|worker| worker.identity.clone()).map_err(String::clone)));
    let calls = Arc::new(Calls::new(rundir, spec, signs.clone()));

    let server = server::Server {
        own: own.clone(),
        token: spec.token.clone(),
        run: run.clone(),
        calls: calls.clone(),
        socket: spec.socket.clone(),
        home: rundir.parent().and_then(Path::parent).unwrap_or(rundir).to_owned(),
        is_open: spec.task.is_some(),
    };
    in_background("server", move || server.serve(listener))?;

    let mut exit = Exit {
        code: None,
        signal: None,
        stopped: None,
        started_at,
        ended_at: started_at,
        worker: worker.as_ref().ok().map(|worker| worker.identity.clone()),
        error: None,
        tail: String::new(),
    };
    match worker {
        Err(error) => exit.error = Some(error),
        Ok(worker) => {
            let (drained, done) = mpsc::channel::<()>();
            let Worker { identity, log, output, tail, answer, outbox } = worker;
            let learner = Learner::of(rundir, spec.session_pattern.as_deref());
            if let Some((answer, printed)) = answer {
                let (drained, signs, learner) = (drained.clone(), signs.clone(), learner.clone());
                in_background("answer", move || {
                    answer.drain(printed, &signs, learner);
                    drop(drained);
                })?;
            }
            let signs_of_output = signs.clone();
            in_background("log", move || {
                log.drain(output, &signs_of_output, learner);
                drop(drained);
            })?;
            let forwarder = calls.clone();
            in_background("calls", move || forwarder.forward())?;
            let (running, ends) = io::pipe()?;
            let (taken, all_taken) = mpsc::channel::<()>();
            match outbox {
                Some(outbox) => {
                    let calls = calls.clone();
                    in_background("outbox", move || {
                        outbox.serve(&calls, &running);
                        drop(taken);
                    })?;
                }
                None => drop(taken),
            }
            let tree = Tree { root: own, group: identity.pid };
            let grace = Duration::from_secs(spec.grace_seconds);
            let limits = Limits {
                end: spec.time_limit_seconds.and_then(|seconds| started.checked_add(Duration::from_secs(seconds))),
                silence: spec.silence_limit_seconds.map(Duration::from_secs),
            };
            let (guarded, group) = (run.clone(), leaf.clone());
            in_background("guard", move || guarded.guard(&tree, group.as_deref(), &limits, &signs, grace))?;

            while let Some((pid, ending)) = process::reap()? {
                if pid == identity.pid {
                    match ending {
                        Ending::Code(code) => exit.code = Some(code),
                        Ending::Signal(signal) => exit.signal = Some(signal),
                    }
                    run.worker_ended();
                }
            }
            run.all_ended();
            // The pipe ends with its last writer; one that was handed to a stranger must not hold the run.
            let _ = done.recv_timeout(Duration::from_secs(2));
            drop(ends);
            // What the worker has left in its outbox is taken, or kept for the gateway, before the run closes.
            let _ = all_taken.recv_timeout(LAST_CALLS);
            exit.stopped = run.reason();
            exit.tail = tail.text();
        }
    }
    if let Some(leaf) = leaf {
        leaf.remove();
    }
    calls.close();
    exit.ended_at = clock.now();
    let written = record::write(rundir, &exit);
    run.finish(exit);
    // A socket that stays behind refuses every caller and is replaced with the directory.
    let _ = fs::remove_file(&spec.socket);
    written
}

/// What the threads of a shim know of its worker.
pub(super) struct Run {
    beginning: Result<Identity, String>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Why the worker is being ended, if it did not end by itself first.
    stopped: Option<String>,
    worker_ended: bool,
    all_ended: bool,
    exit: Option<Exit>,
    watchers: Vec<UnixStream>,
}

impl Run {
    fn new(beginning: Result<Identity, String>) -> Self {
        Self { beginning, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Tells a watcher how the run began and, now or later, how it ended.
    pub(super) fn watch(&self, stream: UnixStream) {
        let beginning = match &self.beginning {
            Ok(identity) => Notice::Started(identity.clone()),
            Err(error) => Notice::Failed { error: error.clone() },
        };
        if protocol::send(&stream, &beginning).is_ok() {
            self.tell_end(stream);
        }
    }

    /// Ends the run. The first reason counts; a worker that has ended by itself keeps its own end.
    pub(super) fn stop(&self, reason: String, stream: UnixStream) {
        {
            let mut state = locked(&self.state);
            if !state.worker_ended && state.stopped.is_none() {
                state.stopped = Some(reason);
            }
        }
        // Told before it begins: with no grace, everything may be over, and this process too, in the next moment.
        let is_heard = protocol::send(&stream, &Notice::Stopping(true)).is_ok();
        self.changed.notify_all();
        if is_heard {
            self.tell_end(stream);
        }
    }

    fn tell_end(&self, stream: UnixStream) {
        let mut state = locked(&self.state);
        match state.exit.clone() {
            Some(exit) => drop(protocol::send(&stream, &Notice::Exit(exit))),
            None => {
                // A gateway that was restarted many times leaves a dead connection each time.
                state.watchers.retain(|watcher| !is_closed(watcher));
                state.watchers.push(stream);
            }
        }
    }

    /// Ends the tree at a limit, on request, and when the worker has left something behind.
    fn guard(&self, tree: &Tree, leaf: Option<&Leaf>, limits: &Limits, signs: &Signs, grace: Duration) {
        let mut state = locked(&self.state);
        while !state.worker_ended && state.stopped.is_none() {
            state = match limits.next(signs) {
                None => wait(&self.changed, state),
                Some((Duration::ZERO, reason)) => {
                    state.stopped = Some(reason.to_owned());
                    state
                }
                Some((left, _)) => wait_up_to(&self.changed, state, left),
            };
        }
        let mut grace = grace;
        while !state.all_ended {
            drop(state);
            if !tree.ask(grace) {
                if let Some(leaf) = leaf {
                    leaf.kill();
                }
                tree.kill(Duration::from_secs(1));
            }
            grace = Duration::ZERO;
            state = locked(&self.state);
            if !state.all_ended {
                // The last one may not be taken off the process table yet, or may have hidden between two looks.
                state = wait_up_to(&self.changed, state, Duration::from_millis(50));
            }
        }
    }

    fn worker_ended(&self) {
        locked(&self.state).worker_ended = true;
        self.changed.notify_all();
    }

    fn all_ended(&self) {
        locked(&self.state).all_ended = true;
        self.changed.notify_all();
    }

    fn reason(&self) -> Option<String> {
        locked(&self.state).stopped.clone()
    }

    fn finish(&self, exit: Exit) {
        let mut state = locked(&self.state);
        let notice = Notice::Exit(exit.clone());
        state.exit = Some(exit);
        for watcher in state.watchers.drain(..) {
            // One that is gone finds the record.
            let _ = protocol::send(&watcher, &notice);
        }
    }
}

/// How long a worker may go on.
struct Limits {
    end: Option<Instant>,
    /// Without a sign of life.
    silence: Option<Duration>,
}

impl Limits {
    /// The time until the first limit as things stand, and which one that is.
    fn next(&self, signs: &Signs) -> Option<(Duration, &'static str)> {
        let end = self.end.map(|end| (end.saturating_duration_since(Instant::now()), Exit::TIME_LIMIT));
        let silence = self.silence.map(|limit| (limit.saturating_sub(signs.silence()), Exit::SILENCE_LIMIT));
        end.into_iter().chain(silence).min()
    }
}

struct Worker {
    identity: Identity,
    log: Log,
    output: PipeReader,
    tail: Tail,
    answer: Option<(Answer, PipeReader)>,
    outbox: Option<Outbox>,
}

/// How long the calls in an outbox may take after the worker's end.
const LAST_CALLS: Duration = Duration::from_secs(90);

fn start(rundir: &Path, spec: &Spec, leaf: Option<&Leaf>) -> Result<Worker, String> {
    let log = Log::open(&spec.log, spec.log_limit_bytes)
        .map_err(|error| format!("cannot open the log `{}`: {error}", spec.log.display()))?;
    let Some((program, arguments)) = spec.argv.split_first() else {
        return Err("the profile has an empty command line; set its `argv` in the settings".to_owned());
    };
    // The directory is held from here on: the worker is started in it, whatever its path leads to by then.
    let held = spec.root.as_deref().map(|root| Opened::below(root, &spec.cwd)).transpose();
    let held = held.map_err(|error| format!("the workspace cannot be used: {error}"))?;
    if held.is_none() && !fs::metadata(&spec.cwd).is_ok_and(|found| found.is_dir()) {
        return Err(format!("the workspace `{}` is not a directory", spec.cwd.display()));
    }
    let outbox = spec.outbox.then(|| match &held {
        Some(held) => Outbox::make(held),
        None => Outbox::make(File::open(&spec.cwd)?),
    });
    let outbox =
        outbox.transpose().map_err(|error| format!("`.kanban/outbox` cannot be made in the workspace: {error}"))?;
    let input = spec.stdin.as_deref().unwrap_or(Path::new("/dev/null"));
    let stdin = File::open(input).map_err(|error| format!("cannot open the prompt `{}`: {error}", input.display()))?;
    let plumbing = |error: io::Error| format!("cannot make a pipe for the output: {error}");
    let (output, stdout) = io::pipe().map_err(plumbing)?;
    let stderr = stdout.try_clone().map_err(plumbing)?;
    let (stdout, answer) = match &spec.answer {
        None => (stdout, None),
        Some(path) => {
            let answer = Answer::open(path, ANSWER_LIMIT)
                .map_err(|error| format!("cannot open `{}` for the answer: {error}", path.display()))?;
            let (printed, stdout) = io::pipe().map_err(plumbing)?;
            (stdout, Some((answer, printed)))
        }
    };
    let bounds = bounds(rundir, spec, leaf)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    let failed = |error: io::Error| format!("cannot start `{program}` in `{}`: {error}", spec.cwd.display());
    match &held {
        // A child begins where we are; this process has one thread as yet, and goes back.
        Some(held) => rustix::process::fchdir(held).map_err(|error| failed(error.into()))?,
        None => drop(command.current_dir(&spec.cwd)),
    }
    let child = process::bind_to_keeper(&mut command, bounds).spawn().map_err(failed);
    if held.is_some() {
        rustix::process::chdir("/").map_err(|error| failed(error.into()))?;
    }
    let child = child?;
    // A worker that has ended already is a zombie until it is reaped, and still tells when it started.
    let identity = Identity::of_child(child.id());
    let tail = log.tail();
    Ok(Worker { identity, log, output, tail, answer, outbox })
}

fn bounds(rundir: &Path, spec: &Spec, leaf: Option<&Leaf>) -> Result<Bounds, String> {
    let fence = spec.confinement.as_ref().map(|confinement| confinement.fence(rundir, spec)).transpose();
    let fence = fence.map_err(|error| format!("the worker cannot be confined: {error}"))?.flatten();
    // The system counts what a user has in all, so a worker is granted its share on top of what is there.
    let share = spec.max_processes.filter(|_| !rustix::process::getuid().is_root());
    let user_processes = share.and_then(|share| Some(process::user_processes()? + u64::from(share)));
    let group_limits = leaf.is_some_and(|leaf| leaf.limits_processes);
    Ok(Bounds { fence, group: leaf.and_then(Leaf::door), user_processes, group_limits })
}

fn in_background(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).stack_size(server::STACK).spawn(work).map(drop)
}

fn is_closed(stream: &UnixStream) -> bool {
    let mut polled = [rustix::event::PollFd::new(stream, rustix::event::PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// A thread that panicked leaves nothing half-changed behind: every change below a lock is one assignment.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn wait_up_to<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
}
