//! A running gateway: many clients at once, the way from a commit to a started worker, and what it costs to wait.

use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use kanban_gateway::{
    control::Client,
    settings::Environment,
    shim::{Answer, gateway_socket_path},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Scale,
    home::{Home, KANBAN, Medium},
    measure::{Times, ratio, span},
    raw,
    table::{Row, Table},
};

/// How long a worker may take to say that it has started, before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(30);

const CLIENTS: usize = 16;

pub(crate) fn measure(scale: Scale, table: &mut Table) {
    idle(scale, table);
    crowd(scale, table);
    start(scale, 100, false, table);
    start(scale, scale.largest(), true, table);
    through(scale, table);
}

/// `kanban up` without a console, until this is dropped.
pub(crate) struct Gateway {
    child: Child,
    socket: PathBuf,
    folder: PathBuf,
}

impl Gateway {
    pub(crate) fn start(home: &Home) -> Self {
        let child = Command::new(KANBAN)
            .args(home.words())
            .args(["up", "--console", "off", "--stay"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = gateway_socket_path(home.path(), &Environment::capture().runtime_dir()).unwrap();
        let gateway = Self { child, socket, folder: home.path().to_owned() };
        let begun = Instant::now();
        while Client::connect(&gateway.socket).ok().flatten().is_none() {
            assert!(begun.elapsed() < PATIENCE, "the gateway does not listen");
            pause(Duration::from_millis(5));
        }
        gateway
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection { client: Client::connect(&self.socket).unwrap().unwrap(), folder: self.folder.clone() }
    }

    /// What the system says of its processor time, in all threads that it has now.
    fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = threads.map(|thread| {
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// One client that stays connected.
pub(crate) struct Connection {
    client: Client,
    folder: PathBuf,
}

impl Connection {
    pub(crate) fn run(&mut self, words: &[&str]) -> Answer {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.client.run(&words, &self.folder).unwrap().expect("the gateway stays")
    }
}

fn idle(scale: Scale, table: &mut Table) {
    let home = Home::with_tasks(1_000, Medium::Disk);
    let gateway = Gateway::start(&home);
    pause(Duration::from_secs(2));
    let before = gateway.cpu();
    pause(Duration::from_secs(scale.idle_seconds));
    let minute = (gateway.cpu() - before).mul_f64(60.0 / scale.idle_seconds as f64);
    let rss = gateway.rss_kib();
    table.row(Row {
        what: "gateway that waits".to_owned(),
        ours: format!("{} MB, {} CPU a minute", rss / 1024, span(minute)),
        raw: "-".to_owned(),
        ratio: None,
        target: "≤ 25 MB, ≤ 10 ms CPU a minute",
        met: Some(rss <= 25 << 10 && minute <= Duration::from_millis(10)),
    });
}

fn crowd(scale: Scale, table: &mut Table) {
    let home = Home::with_tasks(1_000, Medium::Disk);
    let tasks = scale.repeat(8_000);
    let plain = raw::crowd(&home.file(), &home.add_ready(tasks), CLIENTS);
    let ids = home.add_ready(tasks);
    let gateway = Gateway::start(&home);
    let errors = AtomicUsize::new(0);
    let ours = raw::together(&ids, CLIENTS, || {
        let mut connection = gateway.connect();
        let errors = &errors;
        move |claims, id| {
            let answer = connection.run(&[if claims { "claim" } else { "complete" }, id.as_str()]);
            errors.fetch_add(usize::from(answer.exit != 0), Ordering::Relaxed);
        }
    });
    let errors = errors.into_inner();
    let p99 = ours.times.p99();
    table.row(Row {
        what: format!("{CLIENTS} clients claim and complete through the socket, disk"),
        ours: format!("{:.0} pairs/s, {:.2} x unfair, {}, {errors} errors", ours.rate(), ours.unfairness(), ours.times),
        raw: format!("{:.0} pairs/s, {:.2} x unfair, {}", plain.rate(), plain.unfairness(), plain.times),
        ratio: Some(ours.rate() / plain.rate()),
        target: "≥ 4,000/s, 1.3 x, p99 ≤ 10 ms, 0 errors",
        met: Some(
            ours.rate() >= 4_000.0 && ours.unfairness() <= 1.3 && p99 <= Duration::from_millis(10) && errors == 0,
        ),
    });
}

/// What the dispatcher starts here: it says when it began.
pub(crate) fn worker(socket: &Path) {
    let began = realtime();
    let said = UnixDatagram::unbound().unwrap();
    // The benchmark that listened may be over.
    let _ = said.send_to(began.as_nanos().to_string().as_bytes(), socket);
}

fn listen(home: &Home) -> UnixDatagram {
    let heard = UnixDatagram::bind(home.worker_socket()).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    heard
}

fn started_at(heard: &UnixDatagram) -> Duration {
    let mut text = [0; 32];
    let length = heard.recv(&mut text).unwrap();
    Duration::from_nanos(std::str::from_utf8(&text[..length]).unwrap().parse().unwrap())
}

fn start(scale: Scale, tasks: usize, loaded: bool, table: &mut Table) {
    let home = Home::with_tasks(tasks, Medium::Disk);
    let heard = listen(&home);
    let plain = raw_start(scale, &home, &heard);
    let load = if loaded { home.add_ready(20_000) } else { Vec::new() };
    let gateway = Gateway::start(&home);
    let mut connection = gateway.connect();
    let (mut since_sent, mut since_told) = (Times::default(), Times::default());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        if loaded {
            // Two clients that work on other tasks all the time.
            for half in load.chunks(load.len() / 2) {
                let (gateway, over) = (&gateway, &over);
                scope.spawn(move || {
                    let mut connection = gateway.connect();
                    for id in half.iter().take_while(|_| !over.load(Ordering::Relaxed)) {
                        assert_eq!(connection.run(&["claim", id.as_str()]).exit, 0);
                        assert_eq!(connection.run(&["complete", id.as_str()]).exit, 0);
                    }
                });
            }
        }
        for _ in 0..scale.repeat(200) {
            let sent = realtime();
            let answer = connection.run(&["create", "start", "--assignee", "script", "--body", "true"]);
            let told = realtime();
            assert_eq!(answer.exit, 0, "{}", answer.stderr);
            let started = started_at(&heard);
            since_sent.add(started - sent);
            since_told.add(started.saturating_sub(told));
            let id = answer.stdout.split_whitespace().nth(1).unwrap();
            // The next one starts when the gateway is idle again.
            until_done(&mut connection, id);
        }
        over.store(true, Ordering::Relaxed);
    });
    let state = if loaded { "two busy clients" } else { "idle" };
    table.row(Row {
        what: format!("commit that makes ready → worker runs, {tasks} tasks, {state}"),
        ours: format!("{since_told}"),
        raw: format!("commit and one start {plain}"),
        ratio: Some(ratio(since_told.p50(), plain.p50())),
        target: if loaded { "p99 ≤ 50 ms" } else { "p99 ≤ 15 ms" },
        met: Some(since_told.p99() <= Duration::from_millis(if loaded { 50 } else { 15 })),
    });
    table.row(Row {
        what: "  the same from the moment that `create` was sent".to_owned(),
        ours: format!("{since_sent}"),
        raw: String::new(),
        ratio: None,
        target: "",
        met: None,
    });
}

/// A plain durable commit, and then the worker started without anybody between.
fn raw_start(scale: Scale, home: &Home, heard: &UnixDatagram) -> Times {
    let conn = raw::open(&home.file());
    let this = std::env::current_exe().unwrap();
    let mut times = Times::default();
    for _ in 0..scale.repeat(100) {
        let begun = realtime();
        let id = raw::durably(&conn, || raw::create(&conn));
        let mut child = Command::new(&this).arg("worker").arg(home.worker_socket()).spawn().unwrap();
        times.add(started_at(heard) - begun);
        child.wait().unwrap();
        raw::durably(&conn, || raw::claim(&conn, &id));
        raw::durably(&conn, || raw::complete(&conn, &id));
    }
    times
}

/// Many tasks that wait for the gateway, each claimed, started through a shim, ended and recorded.
fn through(scale: Scale, table: &mut Table) {
    let home = Home::with_tasks(1_000, Medium::Disk);
    let heard = listen(&home);
    let gateway = Gateway::start(&home);
    let mut connection = gateway.connect();
    assert_eq!(connection.run(&["dispatch", "pause"]).exit, 0);
    let tasks = scale.repeat(400);
    for _ in 0..tasks {
        assert_eq!(connection.run(&["create", "run", "--assignee", "script", "--body", "true"]).exit, 0);
    }
    let begun = Instant::now();
    assert_eq!(connection.run(&["dispatch", "resume"]).exit, 0);
    for _ in 0..tasks {
        started_at(&heard);
    }
    let rate = tasks as f64 / begun.elapsed().as_secs_f64();
    table.row(Row {
        what: "tasks through claim, shim, worker, end; at most 8 at once".to_owned(),
        ours: format!("{rate:.0} tasks/s"),
        raw: String::new(),
        ratio: None,
        target: "",
        met: None,
    });
    while !connection.run(&["list", "--status", "running"]).stdout.contains("no matching") {
        pause(Duration::from_millis(20));
    }
}

fn until_done(connection: &mut Connection, id: &str) {
    let begun = Instant::now();
    while !connection.run(&["show", id]).stdout.contains("done") {
        assert!(begun.elapsed() < PATIENCE, "{id} is not done");
        pause(Duration::from_millis(2));
    }
    pause(Duration::from_millis(5));
}

/// The time that all processes of the machine share.
fn realtime() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "two processes compare their times to the microsecond")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap()
}

fn pause(time: Duration) {
    let time = rustix::event::Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap(),
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    match rustix::event::poll(&mut [], Some(&time)) {
        Ok(_) => {}
        Err(error) => assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Interrupted),
    }
}
