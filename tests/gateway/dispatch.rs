//! What the dispatcher starts, stops, tries again and gives up on.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::home::{Home, Wire, until};
use crate::scale::Scale;

/// Lines of a script that wait until a test makes a file.
fn wait_for(file: &Path) -> String {
    format!("while ! test -e {}; do sleep 0.02; done", file.display())
}

fn running(home: &Home) -> i64 {
    home.count("SELECT count(*) FROM tasks WHERE status = 'running'")
}

fn lines(home: &Home, name: &str) -> Vec<String> {
    fs::read_to_string(home.work(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The directories of runs that are not over.
fn rundirs(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.path("run")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

#[track_caller]
fn made(home: &Home, name: &str) {
    until(&format!("a worker makes `{name}`"), || home.work(name).exists().then_some(()));
}

/// Starts a worker with a tree below it that is deaf to requests, and answers its task.
fn deaf_tree(home: &Home) -> String {
    let id = home.script(
        "deaf",
        &format!(
            "trap '' TERM INT HUP; (setsid sh -c 'trap \"\" TERM; echo $$ >> {0}; touch {0}.up; while :; do sleep 1; done' &); while :; do sleep 1; done",
            home.work("tree").display()
        ),
        &["--max-retries", "1"],
    );
    made(home, "tree.up");
    id
}

/// Waits until no process of a worker is left.
#[track_caller]
fn all_ended(home: &Home, but: u32) {
    until("every process of the worker is gone", || (home.processes() == [but]).then_some(()));
}

#[test]
fn what_a_person_ends_is_stopped_with_all_that_it_started() {
    let home = Home::with_settings("[dispatch]\ngrace_seconds = 0\n");
    let gateway = home.up();
    for (verb, status) in [("cancel", "archived"), ("complete", "done"), ("archive", "archived")] {
        let id = deaf_tree(&home);
        home.ok(&format!("{verb} {id}"));
        all_ended(&home, gateway.pid());
        assert_eq!(home.status(&id), status, "{verb}");
        fs::remove_file(home.work("tree.up")).unwrap();
    }
    let id = deaf_tree(&home);
    home.ok(&format!("block {id} wait a moment"));
    all_ended(&home, gateway.pid());
    assert_eq!(home.status(&id), "blocked");
}

#[test]
fn what_is_ended_without_a_gateway_is_stopped_too() {
    let home = Home::with_settings("[dispatch]\ngrace_seconds = 0\n");
    let gateway = home.up();
    let id = deaf_tree(&home);
    gateway.kill();
    home.ok(&format!("cancel {id}"));
    until("every process of the worker is gone", || home.processes().is_empty().then_some(()));
    assert_eq!(home.status(&id), "archived");
    let gateway = home.up();
    until("the run's directory is gone", || (!home.path("run").join("default-1").exists()).then_some(()));
    assert_eq!(gateway.stop(), 0);
    assert_eq!(home.runs(&id).len(), 1);
}

#[test]
fn a_task_that_is_cancelled_at_once_does_not_do_its_work() {
    let mut scale = Scale::of("cancelled at once", 30, 300);
    let home = Home::with_settings("[dispatch]\nmax_running = 64\ngrace_seconds = 0\n");
    let gateway = home.up();
    let mut wire = Wire::open(&home.socket());
    let mut ids = Vec::new();
    for number in 0..scale.count {
        let body = format!("sleep 1; touch {}", home.work(&format!("did{number}")).display());
        let created = wire.run(&["create", "--json", "x", "--assignee", "script", "--body", &body]).ok();
        let task: serde_json::Value = serde_json::from_str(&created).unwrap();
        let id = task["id"].as_str().unwrap().to_owned();
        // The cancel falls somewhere between the claim and the worker's first steps.
        let moment = Instant::now() + Duration::from_micros(scale.below(8_000));
        until("the moment", || (Instant::now() >= moment).then_some(()));
        wire.run(&["cancel", &id]).ok();
        ids.push(id);
    }
    // Longer at work than any of the others would be.
    let last = home.script("last", "sleep 1.5", &[]);
    home.wait_for(&last, "done");
    all_ended(&home, gateway.pid());
    for (number, id) in ids.iter().enumerate() {
        assert!(
            !home.work(&format!("did{number}")).exists(),
            "{id} was cancelled and did its work: {:?}",
            home.events(id)
        );
        assert_eq!(home.status(id), "archived");
    }
    scale.done("tasks cancelled at once, none did its work");
}

#[test]
fn a_task_that_is_cancelled_while_its_workspace_is_made_is_not_started() {
    let home = Home::new();
    let (repository, go) = (home.work_folder("repository"), home.work("go"));
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"];
        let done = Command::new("git").arg("-C").arg(&repository).args(identity).args(args).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "first"]);
    home.work_folder("bin");
    home.program(
        "bin/git",
        &format!("touch {}; {}; exec /usr/bin/git \"$@\"", home.work("asked").display(), wait_for(&go)),
    );
    let gateway = home.up();
    let workspace = format!("worktree:{}", repository.display());
    let did = home.work("did");
    let cancelled = home.script("x", &format!("touch {}", did.display()), &["--workspace", &workspace]);
    let reclaimed =
        home.script("x", &format!("echo $KANBAN_RUN >> {}.too", did.display()), &["--workspace", &workspace]);
    made(&home, "asked");
    until("both are claimed", || (running(&home) == 2).then_some(()));
    home.ok(&format!("cancel {cancelled}"));
    home.ok(&format!("reclaim {reclaimed}"));
    home.ok("dispatch now");
    fs::write(&go, "").unwrap();
    home.wait_for(&reclaimed, "done");
    all_ended(&home, gateway.pid());
    assert!(!did.exists(), "{:?}", home.events(&cancelled));
    assert_eq!(lines(&home, "did.too").len(), 1, "{:?}", home.events(&reclaimed));
    assert_eq!(home.status(&cancelled), "archived");
}

#[test]
fn the_next_run_begins_when_the_last_process_of_the_one_before_is_gone() {
    let home = Home::with_settings("[dispatch]\ngrace_seconds = 1\n");
    let _gateway = home.up();
    let pids = home.work("pids");
    let id = home.script(
        "one at a time",
        &format!(
            "for pid in $(cat {0}); do kill -0 $pid && echo overlap >> {0}.bad; done\n\
             echo $$ >> {0}\n\
             test $(wc -l < {0}) -ge 3 && exit 0\n\
             trap '' TERM\n\
             while :; do sleep 0.05; done",
            pids.display()
        ),
        &[],
    );
    for attempt in 1..=2 {
        until("the attempt runs", || (lines(&home, "pids").len() == attempt).then_some(()));
        home.ok(&format!("reclaim {id}"));
    }
    home.wait_for(&id, "done");
    assert!(!home.work("pids.bad").exists());
    let outcomes: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(outcomes, ["reclaimed", "reclaimed", "completed"]);
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let home = Home::with_settings("[dispatch]\ngrace_seconds = 0\n");
    let gateway = home.up();
    let id = home.script("slow", "sleep 1000", &["--max-runtime", "1s", "--max-retries", "1"]);
    home.wait_for(&id, "blocked");
    let runs = home.runs(&id);
    assert_eq!(runs[0].0.as_deref(), Some("timed_out"));
    assert!(runs[0].1.as_ref().unwrap().contains("time limit of 1"), "{runs:?}");
    all_ended(&home, gateway.pid());
}

#[test]
fn a_rate_limited_profile_rests_and_no_attempt_is_spent() {
    let home = Home::new();
    let program = home.program(
        "agent",
        &format!(
            "test -e {0} && exec kanban complete $KANBAN_TASK --summary through\ntouch {0}; echo too many requests; exit 75",
            home.work("limit").display()
        ),
    );
    home.settings(&format!(
        "[dispatch]\nfailure_limit = 1\nrate_limit_pause_seconds = 2\n[profiles.agent]\ncommand = [\"{}\"]\n",
        program.display()
    ));
    let _gateway = home.up();
    let id = home.create(&["limited", "--assignee", "agent"]);
    until("the run has ended", || home.events(&id).contains(&"rate_limited".to_owned()).then_some(()));
    let second = home.create(&["waits as well", "--assignee", "agent"]);
    home.ok("dispatch now");
    assert_eq!(home.status(&second), "ready");
    assert!(home.ok(&format!("why {second}")).contains("rate limited"), "{}", home.ok(&format!("why {second}")));
    home.wait_for(&id, "done");
    home.wait_for(&second, "done");
    assert_eq!(home.count("SELECT coalesce(sum(failures), 0) FROM tasks"), 0);
}

#[test]
fn a_program_that_is_missing_is_tried_again_and_given_up() {
    let home = Home::with_settings(
        "[dispatch]\nbackoff_seconds = 1\nfailure_limit = 2\n[profiles.gone]\ncommand = [\"/nowhere/agent\"]\n",
    );
    let _gateway = home.up();
    let said = home.say_in("ops", "/kanban create nobody can --assignee gone").ok();
    let id = said.split(' ').nth(1).unwrap().to_owned();
    let post = home.post(&id, "gave_up");
    assert!(post["text"].as_str().unwrap().contains("cannot start `/nowhere/agent`"), "{post}");
    let outcomes: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(outcomes, ["spawn_failed", "spawn_failed"]);
    // A failure that is tried again is for the card to show.
    assert_eq!(home.posts(&id, "spawn_failed").len(), 0);
    let empty = home.script("nothing to run", "  ", &["--max-retries", "1"]);
    home.wait_for(&empty, "blocked");
    until("the directories of the runs are gone", || rundirs(&home).is_empty().then_some(()));
}

#[test]
fn an_agent_that_says_nothing_is_tried_so_many_times() {
    let home = Home::with_settings(
        "[dispatch]\nbackoff_seconds = 0\nprotocol_violation_limit = 3\n[profiles.mute]\ncommand = [\"true\"]\n",
    );
    let _gateway = home.up();
    let id = home.create(&["say something", "--assignee", "mute"]);
    home.wait_for(&id, "blocked");
    let outcomes: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(outcomes, ["protocol_violation"; 3]);
}

#[test]
fn caps_hold_and_a_reload_changes_them() {
    let home = Home::new();
    let go = home.work("go");
    let program = home.program("agent", &format!("{}\nkanban complete $KANBAN_TASK --summary ok", wait_for(&go)));
    let settings = |total: u32, board: u32| {
        home.settings(&format!(
            "[dispatch]\nmax_running = {total}\nmax_running_per_board = {board}\n[profiles.narrow]\ncommand = [\"{0}\"]\nmax_running = 1\n",
            program.display()
        ));
    };
    settings(6, 3);
    let mut gateway = home.up();
    let narrow: Vec<_> = (0..3).map(|number| home.create(&[&format!("n{number}"), "--assignee", "narrow"])).collect();
    let wide: Vec<_> = (0..6).map(|number| home.script(&format!("w{number}"), &wait_for(&go), &[])).collect();
    let is_running = |id: &String| home.status(id) == "running";
    home.ok("dispatch now");
    assert_eq!(narrow.iter().filter(|id| is_running(id)).count(), 1, "the profile's cap");
    assert_eq!(running(&home), 3, "the board's cap");
    settings(5, 8);
    gateway.signal(Signal::HUP);
    until("the reload lets more start", || (running(&home) == 5).then_some(()));
    home.ok("dispatch now");
    assert_eq!(running(&home), 5, "the cap over all");
    // A mistake in the file leaves what is in force as it is.
    home.settings("[dispatch]\nmax_running = \"many\"\n");
    gateway.signal(Signal::HUP);
    until("the mistake is told", || home.log().contains("the settings have a mistake").then_some(()));
    fs::write(&go, "").unwrap();
    for id in narrow.iter().chain(&wide) {
        home.wait_for(id, "done");
    }
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait(), 0);
}

#[test]
fn a_directory_has_one_worker_at_a_time() {
    let home = Home::with_settings("[dispatch]\nmax_running = 8\n");
    let _gateway = home.up();
    let (go, folder) = (home.work("go"), home.work_folder("shared"));
    std::os::unix::fs::symlink(&folder, home.work("link")).unwrap();
    let paths = [format!("dir:{}", folder.display()), format!("dir:{}", home.work("link").display())];
    let ids: Vec<_> = (0..4)
        .map(|number| {
            let workspace = ["--workspace", &paths[number % 2]];
            home.script(
                "in the same place",
                &format!("echo $$ >> busy; test $(wc -l < busy) = 1 || touch bad; {}; rm busy", wait_for(&go)),
                &workspace,
            )
        })
        .collect();
    home.ok("dispatch now");
    assert_eq!(running(&home), 1);
    let waiting = ids.iter().find(|id| home.status(id) == "ready").unwrap();
    assert!(home.ok(&format!("why {waiting}")).contains("is at work in"), "{}", home.ok(&format!("why {waiting}")));
    fs::write(&go, "").unwrap();
    for id in &ids {
        home.wait_for(id, "done");
    }
    assert!(!folder.join("bad").exists());
}

#[test]
fn a_lower_cap_ends_nobody_and_holds_for_the_next() {
    let home = Home::with_settings("[dispatch]\nmax_running = 4\n");
    let gateway = home.up();
    let go = home.work("go");
    let ids: Vec<_> = (0..6).map(|number| home.script(&format!("w{number}"), &wait_for(&go), &[])).collect();
    home.ok("dispatch now");
    assert_eq!(running(&home), 4);
    home.settings("[dispatch]\nmax_running = 2\n");
    gateway.signal(Signal::HUP);
    let waiting = ids.iter().find(|id| home.status(id) == "ready").unwrap();
    until("the lower cap is in force", || {
        home.ok(&format!("why {waiting}")).contains("2 workers may run at once").then_some(())
    });
    home.ok("dispatch now");
    assert_eq!(running(&home), 4, "nobody is ended");
    let first = ids.iter().find(|id| home.status(id) == "running").unwrap();
    for id in [first, ids.iter().rfind(|id| home.status(id) == "running").unwrap()] {
        home.ok(&format!("cancel {id}"));
    }
    until("two are gone", || (running(&home) == 2).then_some(()));
    home.ok("dispatch now");
    assert_eq!(running(&home), 2, "no more than the lower cap");
    fs::write(&go, "").unwrap();
    for id in ids.iter().filter(|id| home.status(id) != "archived") {
        home.wait_for(id, "done");
    }
}

#[test]
fn directories_within_one_another_have_one_worker_over_all_boards() {
    let home = Home::with_settings("[dispatch]\nmax_running = 8\n");
    home.ok("boards create ops");
    let _gateway = home.up();
    let (go, folder) = (home.work("go"), home.work_folder("shop/src"));
    let outer = folder.parent().unwrap();
    std::os::unix::fs::symlink(outer, home.work("link")).unwrap();
    let in_place = |board: &str, path: &Path| {
        let workspace = format!("dir:{}", path.display());
        let create = ["--board", board, "create", "x", "--assignee", "script", "--json", "--body"];
        let made = home.run(create.iter().chain(&[wait_for(&go).as_str(), "--workspace", workspace.as_str()])).ok();
        serde_json::from_str::<serde_json::Value>(&made).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let first = in_place("default", outer);
    home.wait_for(&first, "running");
    let inner = in_place("default", &folder);
    let linked = in_place("ops", &home.work("link").join("src"));
    let beside = in_place("default", &home.work_folder("shopping"));
    home.ok("dispatch now");
    home.ok("--board ops dispatch now");
    home.wait_for(&beside, "running");
    assert_eq!(running(&home), 2);
    for (board, id) in [("default", &inner), ("ops", &linked)] {
        let why = home.json(&format!("--board {board} why {id} --json"));
        assert_eq!(why["reason"], "directory_busy", "{why}");
        assert!(why["detail"].as_str().unwrap().contains(&first), "{why}");
    }
    fs::write(&go, "").unwrap();
    for id in [&first, &inner, &beside] {
        home.wait_for(id, "done");
    }
    until("the one of the other board is done", || {
        (home.json(&format!("--board ops show {linked} --json"))["task"]["status"] == "done").then_some(())
    });
}

#[test]
fn a_pause_holds_what_would_start_and_nothing_else() {
    let home = Home::new();
    assert_eq!(home.run(["dispatch", "status"]).exit, 1, "no gateway answers");
    let gateway = home.up();
    let status = home.json("dispatch status --json");
    assert_eq!(status["gateway"]["pid"], gateway.pid(), "{status}");
    let go = home.work("go");
    let before = home.script("runs on", &wait_for(&go), &[]);
    home.wait_for(&before, "running");
    home.ok("dispatch pause");
    let held = home.script("held", "echo hello", &[]);
    home.ok("dispatch now");
    assert_eq!(home.status(&held), "ready");
    assert!(home.ok(&format!("why {held}")).contains("dispatch resume"));
    fs::write(&go, "").unwrap();
    home.wait_for(&before, "done");
    home.ok("dispatch resume");
    home.wait_for(&held, "done");
    // A pause outlives the gateway.
    home.ok("dispatch pause");
    assert_eq!(gateway.stop(), 0);
    let _gateway = home.up();
    let later = home.script("later", "echo hello", &[]);
    home.ok("dispatch now");
    assert_eq!(home.status(&later), "ready");
    home.ok("dispatch resume");
    home.wait_for(&later, "done");
}

#[test]
fn workers_live_on_when_the_gateway_stops_and_are_taken_up_again() {
    let home = Home::new();
    let go = home.work("go");
    let gateway = home.up();
    let said = home
        .say_in("ops", &format!("/kanban create long --assignee script --body \"{}; echo survived\"", wait_for(&go)))
        .ok();
    let id = said.split(' ').nth(1).unwrap().to_owned();
    home.wait_for(&id, "running");
    until("it was started", || home.events(&id).contains(&"spawned".to_owned()).then_some(()));
    assert_eq!(gateway.stop(), 0);
    assert!(!home.processes().is_empty(), "the worker lives on");
    let gateway = home.up();
    fs::write(&go, "").unwrap();
    let post = home.post(&id, "completed");
    assert!(post["text"].as_str().unwrap().contains("survived"), "{post}");
    assert_eq!(home.runs(&id).len(), 1);
    assert_eq!(home.events(&id).iter().filter(|kind| *kind == "spawned").count(), 1, "{:?}", home.events(&id));
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let home = Home::new();
    let mut gateway = home.up();
    // A change that cannot be committed holds the orderly stop.
    let database = home.database();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut stuck = home.command().args(["create", "stuck"]).stderr(Stdio::null()).spawn().unwrap();
    // The gateway has its turn to write and waits for the database behind it.
    let turn = fs::metadata(home.database_path().with_file_name("board.lock")).unwrap().ino();
    let (pid, turn) = (format!(" {} ", gateway.pid()), format!(":{turn} "));
    until("the stuck change has reached the gateway", || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|lock| lock.contains(&pid) && lock.contains(&turn)).then_some(())
    });
    gateway.signal(Signal::TERM);
    until("it is stopping", || home.log().contains("stopping; workers go on").then_some(()));
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait(), 130);
    assert_eq!(stuck.wait().unwrap().code(), Some(1));
    database.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn one_gateway_at_a_time() {
    let home = Home::new();
    let gateway = home.up();
    let second = home.run(["up"]);
    assert_eq!(second.exit, 1, "{second:?}");
    assert!(second.err.contains(&format!("(pid {})", gateway.pid())), "{second:?}");
    assert_eq!(second.out, "");
    gateway.kill();
    // The lock went with its holder.
    assert_eq!(home.up().stop(), 0);
}

#[test]
fn a_lock_that_outlives_its_gateway_for_a_moment_is_waited_for() {
    let home = Home::new();
    home.up().kill();
    // What a process does that was forked off the killed gateway, until it runs its own program.
    let path = home.path("gateway.lock");
    let inherited = fs::File::open(&path).unwrap();
    inherited.try_lock().unwrap();
    let gateway = home.start(&["up", "--stay"]);
    until("the next gateway has tried to take the lock", || {
        fs::read_dir(format!("/proc/{}/fd", gateway.pid()))
            .is_ok_and(|all| all.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == path)))
            .then_some(())
    });
    drop(inherited);
    until("the next gateway answers", || (home.run(["dispatch", "status"]).exit == 0).then_some(()));
    assert_eq!(gateway.stop(), 0);
}
