//! The calls of a worker: numbered, written down before they are sent, sent in their order, and kept while the gateway is away.
//!
//! A call that was sent without an answer may have been applied. It is sent again under the same number, and the gateway
//! applies each number of a run once.

use std::{
    collections::{HashSet, VecDeque},
    fs::{self, File},
    io::{self, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, mpsc},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Answer, Spec, Token, protocol,
    run::{locked, wait, wait_up_to},
    signs::Signs,
};

/// One call of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Counted from 1 within the run.
    pub call: u64,
    pub argv: Vec<String>,
    pub stdin: Option<String>,
}

impl Call {
    /// How much of it there is to keep. Many empty words take up room as well.
    fn bytes(&self) -> u64 {
        let words = self.argv.iter().chain(&self.stdin);
        words.map(|text| (size_of::<String>() + text.len()) as u64).sum()
    }
}

/// Answers the calls of a run that change the board and whose answer its shim has not seen, in their order. The gateway
/// applies them when the shim is gone, each number once.
///
/// # Errors
/// When the journal cannot be read or holds a damaged line.
pub fn pending_calls(rundir: &Path) -> io::Result<Vec<Call>> {
    let journal = match fs::read(rundir.join(JOURNAL)) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut calls = Vec::new();
    let mut done = HashSet::new();
    // A last line without its end was being written when the machine stopped: nobody was told that it is kept.
    let whole = journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    for line in journal[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line)? {
            Entry::Call(call) => calls.push(call),
            Entry::Done { done: number } => drop(done.insert(number)),
        }
    }
    calls.retain(|call| !done.contains(&call.call));
    Ok(calls)
}

/// Tells whether a command line may change the board; when in doubt it does.
pub fn changes_the_board(argv: &[String]) -> bool {
    const READING: [&str; 18] = [
        "show",
        "list",
        "ls",
        "context",
        "runs",
        "log",
        "why",
        "tail",
        "watches",
        "stats",
        "attachments",
        "assignees",
        "diagnostics",
        "diag",
        "help",
        "--help",
        "-h",
        "--version",
    ];
    let is_flag = |word: &&String| word.starts_with('-') && !READING.contains(&word.as_str());
    argv.iter().find(|word| !is_flag(word)).is_none_or(|verb| !READING.contains(&verb.as_str()))
}

const JOURNAL: &str = "calls.jsonl";

/// How long the gateway may take over one call.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many calls wait for the gateway at most.
const MOST_KEPT: usize = 4096;

/// How many bytes the calls that wait for the gateway have at most, all together.
const MOST_KEPT_BYTES: u64 = 64 << 20;

/// How many bytes of calls that are done stay in the journal at most.
const LONG_JOURNAL: u64 = 1 << 20;

/// The time between two attempts while calls are kept.
const PAUSE: Duration = Duration::from_millis(500);

/// The queue of one run's calls.
pub(super) struct Calls {
    run: i64,
    token: Token,
    gateway: PathBuf,
    signs: Signs,
    line: Mutex<Line>,
    changed: Condvar,
}

struct Line {
    journal: Journal,
    next: u64,
    waiting: VecDeque<Waiting>,
    /// The bytes of the calls in `waiting`.
    bytes: u64,
    /// Whether the last attempt met no gateway; then all that wait are kept calls.
    away: bool,
    closed: bool,
}

struct Waiting {
    call: Call,
    changes: bool,
    /// The caller, as long as it waits for the true answer.
    caller: Option<mpsc::Sender<Answer>>,
}

impl Calls {
    pub(super) fn new(rundir: &Path, spec: &Spec, signs: Signs) -> Self {
        let journal = Journal { path: rundir.join(JOURNAL), file: None };
        let line = Line { journal, next: 1, waiting: VecDeque::new(), bytes: 0, away: false, closed: false };
        Self {
            run: spec.run,
            token: spec.token.clone(),
            gateway: spec.gateway_socket.clone(),
            signs,
            line: Mutex::new(line),
            changed: Condvar::new(),
        }
    }

    /// Takes one call and answers when the gateway has, or at once when the gateway is away.
    pub(super) fn submit(&self, argv: Vec<String>, stdin: Option<String>) -> Answer {
        self.signs.seen();
        let changes = changes_the_board(&argv);
        let mut line = locked(&self.line);
        if line.closed {
            return Answer::refused(1, "the run has ended; nothing was changed");
        }
        let number = line.next;
        if line.away && !changes {
            return unread();
        }
        if line.waiting.len() >= MOST_KEPT {
            return Answer::refused(
                1,
                format!("{MOST_KEPT} calls wait for the gateway already; this one was not kept"),
            );
        }
        let call = Call { call: number, argv, stdin };
        if line.bytes + call.bytes() > MOST_KEPT_BYTES {
            return Answer::refused(
                1,
                format!(
                    "calls of {} bytes wait for the gateway already, and with this one they would be more than {MOST_KEPT_BYTES} bytes; this one was not kept",
                    line.bytes
                ),
            );
        }
        if changes && let Err(error) = line.journal.append(&Entry::Call(call.clone())) {
            return Answer::refused(1, format!("the call cannot be kept ({error}); nothing was changed"));
        }
        line.next += 1;
        line.bytes += call.bytes();
        if line.away {
            line.waiting.push_back(Waiting { call, changes, caller: None });
            return kept(number);
        }
        let (caller, answer) = mpsc::channel();
        line.waiting.push_back(Waiting { call, changes, caller: Some(caller) });
        drop(line);
        self.changed.notify_all();
        answer.recv().unwrap_or_else(|_| if changes { kept(number) } else { unread() })
    }

    /// Sends the calls one after the other, for as long as the process lives.
    pub(super) fn forward(&self) {
        loop {
            let mut line = locked(&self.line);
            if line.away {
                line = wait_up_to(&self.changed, line, PAUSE);
            }
            while line.waiting.is_empty() {
                line = wait(&self.changed, line);
            }
            let call = line.waiting[0].call.clone();
            drop(line);
            let answer = self.send(&call);
            let mut line = locked(&self.line);
            match answer {
                Ok(answer) if !answer.again => line.answered(answer),
                // A gateway that can save nothing is as good as none: the call waits, and those behind it.
                Ok(_) | Err(_) => line.keep(),
            }
        }
    }

    /// Takes no further call. What is pending stays in the journal for the gateway.
    pub(super) fn close(&self) {
        locked(&self.line).closed = true;
    }

    fn send(&self, call: &Call) -> io::Result<Answer> {
        #[derive(Serialize)]
        struct Forwarded<'a> {
            op: &'static str,
            run: i64,
            token: &'a Token,
            #[serde(flatten)]
            call: &'a Call,
        }
        let stream = protocol::connect(&self.gateway, DEADLINE)?;
        protocol::send(&stream, &Forwarded { op: "call", run: self.run, token: &self.token, call })?;
        protocol::receive(&mut BufReader::new(&stream), u64::MAX)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Line {
    fn answered(&mut self, answer: Answer) {
        self.away = false;
        let Some(first) = self.waiting.pop_front() else { return };
        self.bytes -= first.call.bytes();
        if first.changes {
            // Without this line the gateway is asked again, and knows the number.
            let _ = self.journal.note(&Entry::Done { done: first.call.call });
            if !self.waiting.iter().any(|waiting| waiting.changes) {
                self.journal.clear_if_long();
            }
        }
        if let Some(caller) = first.caller {
            let _ = caller.send(answer);
        }
    }

    fn keep(&mut self) {
        for waiting in &mut self.waiting {
            if let Some(caller) = waiting.caller.take() {
                let _ = caller.send(if waiting.changes { kept(waiting.call.call) } else { unread() });
            }
        }
        self.waiting.retain(|waiting| waiting.changes);
        self.bytes = self.waiting.iter().map(|waiting| waiting.call.bytes()).sum();
        self.away = !self.waiting.is_empty();
    }
}

fn kept(number: u64) -> Answer {
    let stdout =
        format!("the gateway is not running; call {number} is kept and will be applied in order when it is back\n");
    Answer { stdout, queued: true, ..Answer::default() }
}

fn unread() -> Answer {
    Answer::refused(1, "the gateway is not running; nothing was read. Go on without it, or try again later")
}

/// The lines of `calls.jsonl`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Call(Call),
    Done { done: u64 },
}

struct Journal {
    path: PathBuf,
    /// Opened by the first call that changes something: many workers make none.
    file: Option<File>,
}

impl Journal {
    /// Writes a line that is still there after a power loss.
    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let file = self.open()?;
        let before = file.metadata()?.len();
        let written = write_line(file, entry).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would spoil the next one.
            file.set_len(before)?;
        }
        written
    }

    /// Writes a line that may be lost.
    fn note(&mut self, entry: &Entry) -> io::Result<()> {
        let file = self.open()?;
        let before = file.metadata()?.len();
        write_line(file, entry).or_else(|_| file.set_len(before))
    }

    /// Empties a journal in which nothing is pending, so that a long run does not fill the disk. What comes back after a power
    /// loss is sent again, and the gateway knows the numbers.
    fn clear_if_long(&mut self) {
        if let Some(file) = &self.file
            && file.metadata().is_ok_and(|found| found.len() > LONG_JOURNAL)
        {
            let _ = file.set_len(0);
        }
    }

    fn open(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
            if let Some(rundir) = self.path.parent() {
                File::open(rundir)?.sync_all()?;
            }
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn write_line(file: &mut File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)
}
