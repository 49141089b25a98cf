//! A home of its own for the real binary: gateways in it, command lines against it, and what they leave behind.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scale::report;

/// Longer than anything in these tests takes; a test that reaches it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const KANBAN: &str = env!("CARGO_BIN_EXE_kanban");

/// What a command line did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output of a command that must have worked.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.exit, 0, "{self:?}");
        self.out
    }

    /// What a command that must have been refused says, after a check that it did nothing else.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.exit, 1, "{self:?}");
        assert!(!self.err.trim().is_empty(), "a refusal says why: {self:?}");
        self.err
    }
}

/// A gateway that was started; it is killed with the value.
pub(crate) struct Gateway {
    child: Child,
    stdin: Option<ChildStdin>,
    database: PathBuf,
}

impl Gateway {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Types what need not be a whole line.
    pub(crate) fn type_part(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a signal by its number.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills it as a power loss would, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end and answers its exit code; 128 and more for a signal.
    pub(crate) fn wait(&mut self) -> i32 {
        until("the gateway ends", || self.child.try_wait().unwrap()).code().unwrap_or(128)
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }
}

impl Drop for Gateway {
    /// A gateway that still runs at the end of a test that went well has nothing left to post.
    fn drop(&mut self) {
        if !thread::panicking() && self.child.try_wait().unwrap().is_none() {
            let database = open(&self.database);
            until("everything that is owed is posted", || (owed(&database) == 0).then_some(()));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("kanban-test-").tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    pub(crate) fn with_settings(settings: &str) -> Self {
        let home = Self::new();
        home.settings(settings);
        home
    }

    pub(crate) fn settings(&self, settings: &str) {
        fs::write(self.path("kanban.toml"), settings).unwrap();
    }

    /// A file of the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// A file in the user's home directory, in which ours lies.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A place for workers, outside of the home.
    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// A new directory for workers.
    pub(crate) fn work_folder(&self, name: &str) -> PathBuf {
        let folder = self.work(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A program of these lines, below the place for workers.
    pub(crate) fn program(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.work(name);
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// The binary, with an environment that says nothing of the machine. Programs of the test in `bin` come first.
    pub(crate) fn command(&self) -> Command {
        self.command_of(Path::new(KANBAN))
    }

    fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.work("bin").display()))
            .env("HOME", self.folder.path())
            .env("USER", "ann")
            .env("LANG", "C.UTF-8")
            .env("KANBAN_HOME", self.path(""))
            .current_dir(self.folder.path());
        command
    }

    /// Runs a command line to its end.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        ran(self.command().args(args).stdin(Stdio::null()))
    }

    /// Runs a command line whose words are separated by blanks, which must work.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        self.run(line.split(' ')).ok()
    }

    #[track_caller]
    pub(crate) fn refused(&self, line: &str) -> String {
        self.run(line.split(' ')).refused()
    }

    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }

    /// Creates a task on the command line and answers its id.
    #[track_caller]
    pub(crate) fn create(&self, args: &[&str]) -> String {
        let out = self.run(["create", "--json"].iter().chain(args)).ok();
        let task: Value = serde_json::from_str(&out).unwrap();
        task["id"].as_str().unwrap().to_owned()
    }

    /// Creates a task that runs a script.
    #[track_caller]
    pub(crate) fn script(&self, title: &str, body: &str, more: &[&str]) -> String {
        self.create(&[&[title, "--assignee", "script", "--body", body], more].concat())
    }

    pub(crate) fn say_in(&self, thread: &str, text: &str) -> Ran {
        self.run(["say", "--thread", thread, text])
    }

    /// Starts a gateway that stays, and waits until it answers.
    pub(crate) fn up(&self) -> Gateway {
        self.up_with(&["up", "--stay"])
    }

    pub(crate) fn up_with(&self, args: &[&str]) -> Gateway {
        self.up_by(Path::new(KANBAN), args)
    }

    /// Starts a gateway from another place of the program.
    pub(crate) fn up_by(&self, program: &Path, args: &[&str]) -> Gateway {
        let mut gateway = self.start_by(program, args);
        until("the gateway answers", || {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}: {}", self.log());
            }
            answers(&self.socket(), gateway.child.id())
        });
        gateway
    }

    /// Starts a gateway and waits for nothing.
    pub(crate) fn start(&self, args: &[&str]) -> Gateway {
        self.start_by(Path::new(KANBAN), args)
    }

    fn start_by(&self, program: &Path, args: &[&str]) -> Gateway {
        let file = |name: &str| File::options().create(true).append(true).open(self.folder.path().join(name)).unwrap();
        let mut child = self
            .command_of(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(file("gateway.out"))
            .stderr(file("gateway.log"))
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        Gateway { child, stdin, database: self.database_path() }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run").join("gateway.sock")
    }

    /// What the gateways of this home have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("gateway.log")).unwrap_or_default()
    }

    /// What the gateways of this home have printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("gateway.out")).unwrap_or_default()
    }

    /// Gives lines to a gateway and answers what it did, after it has ended by itself.
    pub(crate) fn pipe(&self, args: &[&str], lines: &str) -> Ran {
        let mut command = self.command();
        let input = self.folder.path().join("input");
        fs::write(&input, lines).unwrap();
        ran(command.args(args).stdin(File::open(input).unwrap()))
    }

    /// Every line of the transcript.
    pub(crate) fn transcript(&self) -> Vec<Value> {
        let Ok(text) = fs::read_to_string(self.path("console.jsonl")) else { return Vec::new() };
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The posts about a task of one kind.
    pub(crate) fn posts(&self, task: &str, event: &str) -> Vec<Value> {
        self.transcript().into_iter().filter(|line| line["task"] == task && line["event"] == event).collect()
    }

    /// Waits for the first post about a task of one kind.
    #[track_caller]
    pub(crate) fn post(&self, task: &str, event: &str) -> Value {
        until(&format!("{task} is {event}"), || self.posts(task, event).into_iter().next())
    }

    pub(crate) fn status(&self, task: &str) -> String {
        let query = "SELECT status FROM tasks WHERE id = ?1";
        self.database().query_row(query, [task], |row| row.get(0)).unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, task: &str, status: &str) {
        let query = "SELECT status FROM tasks WHERE id = ?1";
        let database = self.database();
        let mut last = String::new();
        until_or(
            || {
                last = database.query_row(query, [task], |row| row.get(0)).unwrap();
                (last == status).then_some(())
            },
            || format!("{task} never became {status}: {}", self.ok(&format!("show {task}"))),
        );
    }

    /// The board's file, read by the test itself.
    pub(crate) fn database(&self) -> Connection {
        open(&self.database_path())
    }

    pub(crate) fn database_path(&self) -> PathBuf {
        self.path("boards").join("default").join("board.db")
    }

    pub(crate) fn count(&self, query: &str) -> i64 {
        self.database().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// Puts so many tasks that are done on the board. No gateway may run.
    pub(crate) fn fill(&self, count: usize) {
        let statement = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
            INSERT INTO tasks (id, title, status, created_by, created_at, completed_at) \
            SELECT printf('t_%08d', n), 'task number ' || n, 'done', 'console:ann', n, n FROM numbers";
        self.database().execute(statement, [i64::try_from(count).unwrap()]).unwrap();
    }

    /// How many tasks have each title.
    pub(crate) fn titles(&self) -> BTreeMap<String, i64> {
        let database = self.database();
        let mut query = database.prepare("SELECT title, count(*) FROM tasks GROUP BY title").unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    /// The kinds of a task's events, in their order.
    pub(crate) fn events(&self, task: &str) -> Vec<String> {
        let database = self.database();
        let mut query = database.prepare("SELECT kind FROM events WHERE task_id = ?1 ORDER BY id").unwrap();
        query.query_map([task], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The runs of a task: outcome and error of each.
    pub(crate) fn runs(&self, task: &str) -> Vec<(Option<String>, Option<String>)> {
        let database = self.database();
        let mut query = database.prepare("SELECT outcome, error FROM runs WHERE task_id = ?1 ORDER BY id").unwrap();
        query.query_map([task], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    /// All that a command may change on the board, to compare before and after.
    pub(crate) fn contents(&self) -> String {
        let database = self.database();
        ["tasks", "links", "runs", "comments", "events", "watches", "attachments", "parked_profiles"]
            .iter()
            .map(|table| {
                let mut query = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
                let columns = query.column_count();
                let rows: Vec<String> = query
                    .query_map([], |row| Ok((0..columns).map(|at| shown(row.get_ref(at).unwrap())).collect::<String>()))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                format!("{table}\n{}\n", rows.join("\n"))
            })
            .collect()
    }

    /// The processes of this home that are alive: gateways, shims, workers and what those have started.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = self.folder.path().as_os_str().as_encoded_bytes();
        let carries = |pid: u32, file: &str| {
            fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|text| text.windows(mark.len()).any(|part| part == mark))
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != std::process::id())
            .filter(|pid| carries(*pid, "cmdline") || carries(*pid, "environ"))
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let failed = thread::panicking();
        // What a killed shim leaves behind shows itself in the next round.
        for _ in 0..100 {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            for pid in processes {
                if let Some(pid) = rustix::process::Pid::from_raw(pid.try_into().unwrap()) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
        }
        if failed {
            report(&format!("--- what the gateways of the failed test logged\n{}", self.log()));
        }
    }
}

fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).unwrap_or_else(|error| panic!("{}: {error}", database.display()));
    connection.busy_timeout(PATIENCE).unwrap();
    connection
}

/// How many posts wait for threads of the console.
fn owed(database: &Connection) -> i64 {
    let query = "SELECT count(*) FROM deliveries JOIN threads ON threads.id = thread_id \
        WHERE state = 'queued' AND platform = 'console'";
    database.query_row(query, [], |row| row.get(0)).unwrap()
}

/// One connection to a gateway, over which a client asks one line after the other.
pub(crate) struct Wire {
    reader: BufReader<UnixStream>,
}

impl Wire {
    pub(crate) fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn run(&mut self, argv: &[&str]) -> Ran {
        let answer = self.ask(&json!({"op": "run", "argv": argv, "folder": "/"}));
        Ran {
            exit: i32::try_from(answer["exit"].as_i64().unwrap()).unwrap(),
            out: answer["stdout"].as_str().unwrap().to_owned(),
            err: answer["stderr"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) fn ask(&mut self, ask: &Value) -> Value {
        writeln!(self.reader.get_ref(), "{ask}").unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}

fn shown(value: rusqlite::types::ValueRef<'_>) -> String {
    match value.as_str() {
        Ok(text) => format!("{text}|"),
        Err(_) => format!("{value:?}|"),
    }
}

/// Asks the gateway behind a socket for its pid. A socket alone proves nothing: a process that was being started when the
/// last gateway was killed may hold it open for a moment.
pub(crate) fn answers(socket: &Path, pid: u32) -> Option<()> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    writeln!(&stream, "{}", json!({"op": "run", "argv": ["dispatch", "status", "--json"], "folder": "/"})).ok()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).ok()?;
    let answer: Value = serde_json::from_str(&line).ok()?;
    let status: Value = serde_json::from_str(answer["stdout"].as_str()?).ok()?;
    (status["gateway"]["pid"] == pid).then_some(())
}

/// Runs a command to its end, or fails when it takes too long.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |mut from: Box<dyn io::Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    let (done, over) = std::sync::mpsc::channel::<()>();
    let waiter = thread::spawn(move || {
        let status = child.wait().unwrap();
        drop(done);
        status
    });
    if let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = over.recv_timeout(PATIENCE) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("no end of {command:?}");
    }
    Ran { exit: waiter.join().unwrap().code().unwrap_or(128), out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Waits until something is there, or fails when it takes too long.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_or(look, || format!("never came to pass: {what}"))
}

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "files and tables of other processes tell nobody that they change")]
fn until_or<T>(mut look: impl FnMut() -> Option<T>, failure: impl Fn() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{}", failure());
        thread::sleep(Duration::from_millis(10));
    }
}
