//! One gateway after another: taken over, upgraded, killed; workers go on, and nobody notices.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    home::{Gateway, Home, KANBAN, Wire, answers, until},
    scale::{Scale, report},
    storm::pause,
};

const TAKE_OVER: [&str; 3] = ["up", "--stay", "--takeover"];

/// A script that says that it runs, waits for a file, and ends in its own way.
fn waiting_script(home: &Home, end: &str) -> String {
    let work = home.work("");
    let work = work.display();
    format!("echo $$ >> {work}/started; while ! test -e {work}/go; do sleep 0.02; done; {end}")
}

fn wait_for_start(home: &Home) {
    until("the worker runs", || home.work("started").exists().then_some(()));
}

/// Checks that a worker was started once, and has it go on.
fn let_go(home: &Home) {
    assert_eq!(fs::read_to_string(home.work("started")).unwrap().lines().count(), 1);
    fs::write(home.work("go"), "").unwrap();
}

/// What the gateway says of the runs that it took up, once all of them are followed.
fn adopted(home: &Home) -> (u64, Option<u64>) {
    until("all runs are followed", || {
        let status: Value =
            serde_json::from_str(&Wire::open(&home.socket()).run(&["dispatch", "status", "--json"]).out).unwrap();
        let adopted = &status["gateway"]["adopted"];
        (adopted["waiting"] == 0).then(|| (adopted["found"].as_u64().unwrap(), adopted["duration_ms"].as_u64()))
    })
}

/// The number of gateways of this home that have begun to listen.
fn beginnings(home: &Home) -> usize {
    home.log().matches("kanban gateway on ").count()
}

/// Has a gateway replace itself, and waits until it has.
pub(crate) fn upgrade(home: &Home, gateway: &Gateway) {
    let before = beginnings(home);
    gateway.signal(Signal::USR2);
    until("the gateway has replaced itself", || (beginnings(home) > before).then_some(()));
    until("the gateway answers", || answers(&home.socket(), gateway.pid()));
}

/// How long nobody listened at each takeover, as the gateways say.
fn gaps(home: &Home) -> Vec<u64> {
    let log = home.log();
    let gap = |line: &str| line.split_once("nobody listened for ")?.1.split_once(" ms")?.0.parse().ok();
    log.lines().filter_map(gap).collect()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn zombies_below(pid: u32) -> usize {
    let is_ours = |stat: &str| {
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next() == Some("Z") && fields.next().is_some_and(|parent| parent == pid.to_string())
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok())
        .filter(|stat| is_ours(stat))
        .count()
}

#[test]
fn a_second_gateway_takes_the_home_over_and_its_workers_with_it() {
    let home = Home::new();
    let mut first = home.up();
    let id = home.script("go on", &waiting_script(&home, "echo all of it"), &[]);
    wait_for_start(&home);
    let refused = home.refused("up");
    assert!(refused.contains("kanban up --takeover"), "{refused}");
    let second = home.up_with(&TAKE_OVER);
    assert_eq!(first.wait(), 0, "{}", home.log());
    assert_eq!(adopted(&home).0, 1);
    let_go(&home);
    home.wait_for(&id, "done");
    assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)]);
    assert!(home.say_in("main", "/kanban list").ok().contains(&id), "the console has changed hands");
    let gaps = gaps(&home);
    assert!(gaps.len() == 1 && gaps[0] <= 2_000, "{gaps:?}");
    assert_eq!(second.stop(), 0);
    // With nobody there, it starts like any other.
    let third = home.up_with(&TAKE_OVER);
    assert_eq!(third.stop(), 0);
}

#[test]
fn a_gateway_that_does_not_answer_is_left_alone_and_so_is_one_whose_heir_is_unfit() {
    let home = Home::new();
    let first = home.up();
    let id = home.script("go on", &waiting_script(&home, "true"), &[]);
    wait_for_start(&home);
    // What is wrong with the successor is found before anybody is asked.
    home.settings("[dispatch]\nmax_running = \"many\"\n");
    let refused = home.refused("up --stay --takeover");
    assert!(refused.contains("max_running"), "{refused}");
    home.settings("");
    first.signal(Signal::STOP);
    let refused = home.refused("up --stay --takeover");
    first.signal(Signal::CONT);
    assert!(refused.contains(&format!("the gateway (pid {}) has not answered within 5 s", first.pid())), "{refused}");
    // Whoever asked is gone, so the gateway that had agreed comes back by itself.
    until("the gateway answers", || answers(&home.socket(), first.pid()));
    let_go(&home);
    home.wait_for(&id, "done");
    assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)]);
    assert_eq!(first.stop(), 0);
}

#[test]
fn a_gateway_whose_heir_dies_comes_back_under_its_own_pid() {
    let home = Home::new();
    let first = home.up();
    let before = beginnings(&home);
    drop(ask_for_the_home(&home, &first));
    until("the gateway is back", || (beginnings(&home) > before).then_some(()));
    until("the gateway answers", || answers(&home.socket(), first.pid()));
    assert!(home.log().contains("whoever wanted to take over is gone"));
    assert_eq!(first.stop(), 0);
}

#[test]
fn a_gateway_that_is_told_to_stop_while_its_heir_comes_up_stops() {
    let home = Home::new();
    let mut first = home.up();
    let before = beginnings(&home);
    let line = ask_for_the_home(&home, &first);
    until("the home is nobody's", || {
        let lock = fs::File::open(home.path("gateway.lock")).unwrap();
        lock.try_lock_shared().is_ok().then_some(())
    });
    // It has no part left that could hear of it.
    first.signal(Signal::TERM);
    assert_eq!(first.wait(), 128, "{}", home.log());
    drop(line);
    assert_eq!(beginnings(&home), before);
}

/// How many connections, pipes left out, a process has open.
fn sockets(pid: u32) -> usize {
    open_files(pid).iter().filter(|file| file.starts_with("socket:")).count()
}

fn open_files(pid: u32) -> Vec<String> {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .map(|file| file.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn what_meets_the_closing_of_the_boards_is_done_by_the_next_gateway() {
    let home = Home::new();
    let repository = home.work_folder("repository");
    let made = Command::new("git").arg("init").arg("--quiet").arg(&repository).status().unwrap();
    assert!(made.success());
    // A command that looks for a repository is held up, before it changes anything.
    home.work_folder("bin");
    let work = home.work("");
    let git = format!(
        "echo > {0}/asked.$$; while ! test -e {0}/go; do sleep 0.02; done; PATH=/usr/local/bin:/usr/bin:/bin; exec git \"$@\"",
        work.display()
    );
    home.program("bin/git", &git);
    home.settings(&format!("[workspaces]\nroots = [\"{}\"]\n", work.display()));
    home.ok("boards create zeta");
    let mut first = home.up();
    let create = |title: &str| {
        ["create", title, "--workspace", &format!("worktree:{}", repository.display())].map(str::to_owned)
    };
    let start = |args: &[String]| {
        home.command().args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let typed = start(&create("by the command line"));
    let said = format!("/kanban {}", create("said").join(" "));
    let said = start(&["say", "--thread", "main", &said].map(str::to_owned));
    first.type_line(&format!("/kanban {}", create("in the console").join(" ")));
    let raw = UnixStream::connect(home.socket()).unwrap();
    writeln!(&raw, "{}", json!({"op": "run", "argv": create("raw"), "folder": "/"})).unwrap();
    until("all are held up", || {
        let asked = fs::read_dir(&work)
            .unwrap()
            .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("asked."));
        (asked.count() == 4).then_some(())
    });
    // The last board cannot be closed while another program is in the middle of a change.
    let zeta = home.path("boards").join("zeta");
    let mut database = rusqlite::Connection::open(zeta.join("board.db")).unwrap();
    let change = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let under_way = UnixStream::connect(home.socket()).unwrap();
    let argv = ["--board", "zeta", "create", "under way"];
    writeln!(&under_way, "{}", json!({"op": "run", "argv": argv, "folder": "/"})).unwrap();
    until("a command has the turn to write", || {
        let lock = fs::OpenOptions::new().write(true).open(zeta.join("board.lock")).ok()?;
        matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)).then_some(())
    });
    let heir = home.start(&TAKE_OVER);
    let default = home.database_path().display().to_string();
    until("the default board is closed", || (!open_files(first.pid()).contains(&default)).then_some(()));
    fs::write(home.work("go"), "").unwrap();

    let answer = |stream: &UnixStream| {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let left = answer(&raw);
    assert_eq!((&left["exit"], &left["leaving"], &left["again"]), (&json!(1), &json!(true), &json!(true)), "{left}");
    assert!(left["stderr"].as_str().unwrap().contains("nothing was done"), "{left}");
    until("both command lines have let go", || (sockets(typed.id()) + sockets(said.id()) == 0).then_some(()));
    drop(change);
    assert_eq!(answer(&under_way)["exit"], 0);
    assert_eq!(first.wait(), 0, "{}", home.log());
    for child in [typed, said] {
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    until("what was typed in the console is acted on", || home.titles().get("in the console").copied());
    let once = |title: &str| (title.to_owned(), 1);
    assert_eq!(home.titles(), ["by the command line", "in the console", "said"].map(once).into());
    assert!(!home.log().contains("ERROR"), "{}", home.log());
    assert_eq!(heir.stop(), 0);
}

/// Asks a gateway for its home as a successor does. It waits at the other end of the line.
fn ask_for_the_home(home: &Home, gateway: &Gateway) -> UnixStream {
    let stream = UnixStream::connect(home.socket()).unwrap();
    writeln!(&stream, "{}", json!({"op": "takeover"})).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), json!({"leaving": gateway.pid()}));
    stream
}

#[test]
fn an_upgrade_keeps_pid_workers_descriptors_and_lines_and_a_broken_program_costs_nothing() {
    let home = Home::new();
    let bin = home.work_folder("bin");
    let program = bin.join("kanban");
    fs::copy(KANBAN, &program).unwrap();
    let mut gateway = home.up_by(&program, &["up", "--stay"]);
    let pid = gateway.pid();
    let id = home.script("go on", &waiting_script(&home, "exit 3"), &["--max-retries", "1"]);
    wait_for_start(&home);
    let before = fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino();

    // A program that cannot start, one that is none of ours, and settings that have a mistake.
    let replace = |by: &dyn Fn(&Path)| {
        by(&bin.join("next"));
        fs::rename(bin.join("next"), &program).unwrap();
    };
    let refusals = || home.log().matches("the next program is not good to start").count();
    let refused = |what: &str| {
        let before = refusals();
        gateway.signal(Signal::USR2);
        until(what, || (refusals() > before).then_some(()));
        assert_eq!(answers(&home.socket(), pid), Some(()));
    };
    replace(&|path| fs::write(path, "no program").unwrap());
    refused("a file that is no program is refused");
    replace(&|path| assert!(fs::copy("/bin/true", path).unwrap() > 0));
    refused("another program is refused");
    fs::remove_file(&program).unwrap();
    refused("a program that is gone is refused");
    replace(&|path| assert!(fs::copy(KANBAN, path).unwrap() > 0));
    home.settings("[dispatch]\nmax_running = \"many\"\n");
    refused("settings with a mistake are refused");
    home.settings("");

    upgrade(&home, &gateway);
    assert_ne!(fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino(), before, "the new program runs");
    assert_eq!(adopted(&home).0, 1);
    let open = until("descriptors settle", || Some(descriptors(pid)));
    for _ in 0..3 {
        upgrade(&home, &gateway);
        adopted(&home);
    }
    // A connection of this test may still be open at either count.
    assert!(descriptors(pid) <= open + 2, "{} descriptors, {open} before", descriptors(pid));
    let_go(&home);
    home.wait_for(&id, "blocked");
    let error = home.runs(&id)[0].1.clone().unwrap();
    assert!(error.contains("it exited with 3"), "{error}");
    until("shims of earlier programs are reaped", || (zombies_below(pid) == 0).then_some(()));

    // Lines that lie in the pipe, and one that is half typed, are acted on once, whichever program reads them.
    let lines: String = (0..40).map(|number| format!("/kanban create line {number}\n")).collect();
    let (first, rest) = lines.split_at(lines.len() / 2 + 7);
    gateway.type_part(first);
    upgrade(&home, &gateway);
    gateway.type_part(rest);
    upgrade(&home, &gateway);
    let titles = until("every line is acted on", || Some(home.titles()).filter(|titles| titles.len() > 40));
    for number in 0..40 {
        assert_eq!(titles.get(&format!("line {number}")), Some(&1), "{titles:?}");
    }
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn only_the_owner_may_have_a_gateway_checked_or_replaced() {
    let home = Home::new();
    let checked = home.ok("up --check");
    assert!(checked.starts_with("ok: kanban "), "{checked}");
    assert!(!home.path("boards").exists(), "a check touches nothing");
    home.settings("[platforms.telegram]\ntoken = \"\"\nmode = \"carrier pigeon\"\n");
    assert!(home.refused("up --check").contains("carrier pigeon"));
}

/// The shim of the only run.
fn shim_of(home: &Home) -> Pid {
    let shim = home.processes().into_iter().find(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|words| words.split(|byte| *byte == 0).nth(1) == Some(b"shim"))
    });
    Pid::from_raw(shim.unwrap().try_into().unwrap()).unwrap()
}

#[test]
fn a_run_whose_socket_was_removed_meanwhile_is_taken_up_all_the_same() {
    let home = Home::new();
    let gateway = home.up();
    let end = "kanban complete $KANBAN_TASK --summary 'over a new socket'; exit 4";
    let id = home.script("go on", &waiting_script(&home, end), &[]);
    wait_for_start(&home);
    home.wait_for(&id, "running");
    gateway.kill();
    fs::remove_file(home.path("run").join("default-1.sock")).unwrap();
    let _gateway = home.up();
    adopted(&home);
    let_go(&home);
    home.wait_for(&id, "done");
    assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)]);
    assert_eq!(home.count("SELECT count(*) FROM runs WHERE summary = 'over a new socket'"), 1);
}

/// Takes a machine down and up again, as far as anybody can tell, with one run open.
fn reboot(forget: impl Fn(&Home, &str)) {
    let home = Home::with_settings("[dispatch]\nfailure_limit = 1\n");
    let gateway = home.up();
    let said =
        home.say_in("ops", &format!("/kanban create go on --assignee script\n{}", waiting_script(&home, "true")));
    let id = said.ok().split(' ').nth(1).unwrap().to_owned();
    wait_for_start(&home);
    until("the start is noted", || {
        (home.count("SELECT count(*) FROM runs WHERE boot_id IS NOT NULL") == 1).then_some(())
    });
    gateway.kill();
    kill_process(shim_of(&home), Signal::KILL).unwrap();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    forget(&home, boot_id.trim());
    // After a reboot a stranger may bear any mark of the run.
    let socket = home.path("run").join("default-1.sock");
    let mut stranger = Command::new("sleep").arg("1000").env("KANBAN_SOCKET", socket).spawn().unwrap();
    let _gateway = home.up();
    let post = home.post(&id, "gave_up");
    assert!(post["text"].as_str().unwrap().contains("lost in reboot"), "{post}");
    let runs = home.runs(&id);
    assert!(runs.len() == 1 && runs[0].0.as_deref() == Some("lost"), "{runs:?}");
    assert_eq!(stranger.try_wait().unwrap(), None, "a stranger was killed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(home.posts(&id, "gave_up").len(), 1);
}

#[test]
fn a_reboot_closes_open_runs_once_and_kills_nothing() {
    // Whichever of the two places that know the boot tells of another one.
    reboot(|home, _| {
        home.database().execute("UPDATE runs SET boot_id = 'an-earlier-boot'", []).unwrap();
    });
    reboot(|home, boot_id| {
        let begun = home.path("run").join("default-1").join("begun");
        let noted = fs::read_to_string(&begun).unwrap();
        assert!(noted.contains(boot_id), "{noted}");
        fs::write(&begun, noted.replace(boot_id, "an-earlier-boot")).unwrap();
    });
}

#[test]
fn a_host_that_is_renamed_keeps_its_runs() {
    let home = Home::new();
    let gateway = home.up();
    let id = home.script("go on", &waiting_script(&home, "true"), &[]);
    wait_for_start(&home);
    gateway.kill();
    let renamed = Command::new("unshare").args(["--uts", "hostname", "elsewhere"]).stderr(Stdio::null()).status();
    if !renamed.is_ok_and(|status| status.success()) {
        report("SKIPPED: no host can be renamed here, since `unshare --uts hostname` is not allowed");
        return;
    }
    let program = home
        .program("renamed", &format!("exec unshare --uts sh -c 'hostname elsewhere; exec {KANBAN} \"$@\"' sh \"$@\""));
    let _gateway = home.up_by(&program, &["up", "--stay"]);
    assert_eq!(adopted(&home).0, 1);
    let_go(&home);
    home.wait_for(&id, "done");
    assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)]);
}

/// One way for a worker to end, and what must be known of it.
struct Way {
    end: &'static str,
    status: &'static str,
    event: &'static str,
    outcome: &'static str,
    tells: &'static str,
}

const WAYS: [Way; 5] = [
    Way { end: "echo well done", status: "done", event: "completed", outcome: "completed", tells: "well done" },
    Way { end: "exit 3", status: "blocked", event: "gave_up", outcome: "crashed", tells: "it exited with 3" },
    Way { end: "kill -9 $$", status: "blocked", event: "gave_up", outcome: "crashed", tells: "signal 9" },
    Way {
        end: "kanban complete $KANBAN_TASK --summary 'it said so'; exit 7",
        status: "done",
        event: "completed",
        outcome: "completed",
        tells: "it said so",
    },
    Way {
        end: "kanban block $KANBAN_TASK 'which one' --kind needs_input; exit 8",
        status: "blocked",
        event: "blocked",
        outcome: "blocked",
        tells: "which one",
    },
];

/// A task whose worker shows that nobody disturbs it.
struct Job {
    id: String,
    way: &'static Way,
    file: std::path::PathBuf,
    beats: u64,
}

impl Job {
    fn create(home: &Home, scale: &mut Scale, number: usize) -> Self {
        let way = &WAYS[usize::try_from(scale.below(WAYS.len() as u64)).unwrap()];
        let beats = 1 + scale.below(30);
        let file = home.work(&format!("beats{number}"));
        let body = format!(
            "beat() {{ read up rest < /proc/uptime; echo $1 $up >> {}; }}\nbeat start\ni=0\n\
             while [ $i -lt {beats} ]; do i=$((i+1)); beat $i; sleep 0.1; done\nbeat end\n{}",
            file.display(),
            way.end
        );
        let text = format!("/kanban create job {number} --assignee script --max-retries 1\n{body}");
        let out = home.run(["say", "--json", "--thread", &format!("t{}", number % 5), &text]).ok();
        let post: Value = serde_json::from_str(&out).unwrap();
        Self { id: post["task"].as_str().unwrap().to_owned(), way, file, beats }
    }

    /// Answers the longest time between two beats of its worker, in hundredths of a second.
    fn check(&self, home: &Home, posts: &[(String, String)]) -> u64 {
        let told = || format!("{}: runs {:?}, events {:?}", self.id, home.runs(&self.id), home.events(&self.id));
        let text = fs::read_to_string(&self.file).unwrap_or_else(|error| panic!("{error}; {}", told()));
        let (beats, times): (Vec<&str>, Vec<u64>) = text
            .lines()
            .map(|line| {
                let (beat, up) = line.split_once(' ').unwrap();
                (beat, up.replace('.', "").parse::<u64>().unwrap())
            })
            .unzip();
        let expected: Vec<String> = std::iter::once("start".to_owned())
            .chain((1..=self.beats).map(|beat| beat.to_string()))
            .chain(["end".to_owned()])
            .collect();
        assert_eq!(beats, expected, "{}", told());
        // A claim that a kill cut off before there was a worker is given back, and counts for nothing.
        let is_unstarted = |error: &str| error == "the gateway stopped before the worker was started";
        let mut runs = home.runs(&self.id);
        runs.retain(|(_, error)| !error.as_deref().is_some_and(is_unstarted));
        assert_eq!(runs.len(), 1, "{}", told());
        assert_eq!(runs[0].0.as_deref(), Some(self.way.outcome), "{}", told());
        assert_eq!(home.status(&self.id), self.way.status, "{}", told());
        let told_events: Vec<&str> = posts.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(told_events, ["created", self.way.event], "{}", told());
        assert!(posts[1].1.contains(self.way.tells), "{posts:?}; {}", told());
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }
}

#[test]
fn a_storm_of_restarts_disturbs_no_worker_and_loses_nothing() {
    let mut scale = Scale::of("restarts", 12, 1_000);
    let home = Home::with_settings("[dispatch]\nmax_running = 8\n");
    let mut gateway = home.up();
    let mut jobs = Vec::new();
    let mut times = Vec::new();
    let mut kinds = BTreeMap::new();
    for _ in 0..scale.count {
        while home.count("SELECT count(*) FROM tasks WHERE status IN ('ready', 'running')") < 10 {
            let job = Job::create(&home, &mut scale, jobs.len());
            jobs.push(job);
        }
        pause(std::time::Duration::from_micros(scale.below(300_000)));
        let kind = ["killed", "stopped", "taken over", "upgraded"][usize::try_from(scale.below(4)).unwrap()];
        *kinds.entry(kind).or_insert(0) += 1;
        match kind {
            "killed" => {
                gateway.kill();
                gateway = home.up();
            }
            "stopped" => {
                assert_eq!(gateway.stop(), 0);
                gateway = home.up();
            }
            "taken over" => {
                let next = home.up_with(&TAKE_OVER);
                assert_eq!(std::mem::replace(&mut gateway, next).wait(), 0);
            }
            _ => upgrade(&home, &gateway),
        }
        times.extend(adopted(&home).1);
    }
    until("all work is done", || {
        (home.count("SELECT count(*) FROM tasks WHERE status IN ('ready', 'running')") == 0
            && home.count("SELECT count(*) FROM deliveries WHERE state = 'queued'") == 0)
            .then_some(())
    });
    let mut posts: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for line in home.transcript() {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        if line["event"] != "card" {
            posts.entry(text("task")).or_default().push((text("event"), text("text")));
        }
    }
    let longest = jobs.iter().map(|job| job.check(&home, &posts[&job.id])).max().unwrap_or(0);
    assert_eq!(zombies_below(gateway.pid()), 0);
    assert_eq!(gateway.stop(), 0);
    let left: Vec<_> = fs::read_dir(home.path("run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    times.sort_unstable();
    let (worst, middle) = (times.last().copied().unwrap_or(0), times.get(times.len() / 2).copied().unwrap_or(0));
    let late = times.iter().filter(|time| **time > 1_000).count();
    let gap = gaps(&home).into_iter().max().unwrap_or(0);
    assert!(middle <= 1_000 && worst <= 5_000, "adopted after {times:?} ms");
    assert!(gap <= 5_000, "{:?}", gaps(&home));
    scale.done(&format!(
        "{kinds:?}: {} runs, each with its true end and its posts once; adopted within {worst} ms (half within {middle} ms, \
         {late} of {} times later than 1 s), nobody listened for at most {gap} ms at a takeover, no worker paused for more than {longest}0 ms",
        jobs.len(),
        times.len()
    ));
}
