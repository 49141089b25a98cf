//! Workers that mean harm: whatever they try, nothing beyond their own task changes.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    home::{Home, Wire, until},
    scale::{Scale, report},
};

/// The most memory of a gateway, in kB.
const MEMORY: u64 = 64 << 10;

/// A home whose worker `evil` has these lines, and whose worker `good` waits for a file `go`.
fn home(evil: &str) -> Home {
    let home = Home::new();
    let evil = home.program("evil", evil);
    let good = home.program(
        "good",
        "touch $WORK/good.up; while ! test -e $WORK/go; do sleep 0.02; done; kanban complete $KANBAN_TASK --summary undisturbed",
    );
    let work = home.work("");
    let raw = std::env::current_exe().unwrap();
    let profile = |name: &str, program: &PathBuf| {
        format!(
            "[profiles.{name}]\ncommand = [\"{}\"]\noutbox = true\nset = {{ WORK = \"{}\", RAW = \"{}\" }}\n",
            program.display(),
            work.display(),
            raw.display()
        )
    };
    home.settings(&format!(
        "[dispatch]\nfailure_limit = 1\ngrace_seconds = 1\nmax_running = 4\n{}{}",
        profile("evil", &evil),
        profile("good", &good)
    ));
    home
}

fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

fn read(home: &Home, name: &str) -> String {
    fs::read_to_string(home.work(name)).unwrap_or_default()
}

/// Waits until the board knows the worker of a run, which it does a moment after the worker has begun.
fn noted(home: &Home, run: i64) {
    let noted = format!("SELECT count(*) FROM runs WHERE id = {run} AND worker_pid IS NOT NULL");
    until("the start of the run is noted", || (home.count(&noted) == 1).then_some(()));
}

/// What does not change by itself: all of the board but the tasks and runs that are at work.
fn standing(home: &Home, at_work: &[&str]) -> Vec<String> {
    home.contents().lines().filter(|line| !at_work.iter().any(|id| line.contains(id))).map(str::to_owned).collect()
}

#[test]
fn a_hostile_worker_reaches_nothing_beyond_its_task() {
    let home = home(
        r#"try() { name=$1; shift; if timeout 20 "$@" > $WORK/out.$name 2>&1; then echo $name; fi; }
           raw() { RAW_SOCKET=$1 RAW_LINE=$2 $RAW worker::a_raw_client --exact --ignored --nocapture; }
           said() { name=$1; raw "$2" "$3" > $WORK/raw.$name 2>&1; }
           other=$(cat $WORK/other) victim=$(cat $WORK/victim) token=$(cat $WORK/token)
           home=$KANBAN_HOME guessed=$(cd ../../../.. && pwd) gateway=$(cat $WORK/gateway) socket=$home/run/gateway.sock
           {
             try board cat $home/boards/default/board.db
             try guessed cat $guessed/boards/default/board.db
             try copy cp -r $home $WORK/stolen
             try link ln -s $home/kanban.toml settings && try by_link cat settings
             try settings sh -c "echo paused = true >> $home/kanban.toml"
             try new_settings sh -c "echo > $home/extra.toml"
             try prompt cat $home/run/default-1/prompt
             try spec cat $home/run/default-1/spec.json
             try list ls $home/run
             try workspace ls $home/boards/default/workspaces/$victim
             try foreign_file sh -c "echo > $home/boards/default/workspaces/$victim/.kanban/outbox/1.json"
             try unlink rm -f $home/run/default-1.sock
             try log sh -c "echo > $home/logs/default/$victim/1.log"
             try kill_gateway kill -9 $gateway
             try stop_gateway kill -STOP $gateway
             try kill_shim kill -9 $PPID
             try kill_all sh -c "kill -9 $(ps -e -o pid= -o args= | grep 'shim.*default-1$' | awk '{print $1}')"
             try memory dd if=/proc/$gateway/mem of=/dev/null count=1
             try environment sh -c "cat /proc/$gateway/environ"
             try descriptors readlink /proc/$gateway/fd/1
             try complete kanban complete $other
             try victim kanban complete $victim
             try forged env KANBAN_TASK=$victim KANBAN_RUN=1 KANBAN_TOKEN=$token KANBAN_SOCKET=$home/run/default-1.sock kanban complete $victim
             try bare env -i $(command -v kanban) --home $home complete $victim
           } > $WORK/done
           call="\"call\":9,\"argv\":[\"complete\",\"$victim\"],\"stdin\":null"
           said stolen $socket "{\"op\":\"call\",\"run\":1,\"token\":\"$token\",$call}"
           said own $socket "{\"op\":\"call\",\"run\":$KANBAN_RUN,\"token\":\"$KANBAN_TOKEN\",$call}"
           said run $socket "{\"op\":\"run\",\"argv\":[\"complete\",\"$victim\"],\"folder\":\"/\"}"
           said shim $home/run/default-1.sock "{\"op\":\"call\",\"argv\":[\"complete\",\"$victim\"]}"
           said stop $home/run/default-1.sock "{\"op\":\"stop\",\"token\":\"$token\",\"reason\":\"evil\"}"
           said own_stop $KANBAN_SOCKET "{\"op\":\"stop\",\"token\":\"$KANBAN_TOKEN\",\"reason\":\"evil\"}"
           said junk $KANBAN_SOCKET "{{{{"
           cat > shim <<END
RAW_SOCKET=$socket RAW_LINE='{"op":"run","argv":["complete","$victim"],"folder":"/"}' $RAW worker::a_raw_client --exact --ignored --nocapture
END
           sh shim $home/run/default-1 > $WORK/raw.disguised 2>&1
           printf '{"argv": ["complete", "%s"]}' $victim > .kanban/outbox/1.json
           ln -s $home/kanban.toml .kanban/outbox/2.json
           while ! test -e .kanban/outbox/2.answer.json; do sleep 0.02; done
           cat .kanban/outbox/1.answer.json > $WORK/dropped
           touch $WORK/tried
           while ! test -e $WORK/go; do sleep 0.02; done
           kanban complete $KANBAN_TASK --summary tried"#,
    );
    let gateway = home.up();
    let other = home.create(&["somebody else's"]);
    let victim = home.create(&["at work", "--assignee", "good"]);
    until("the other worker works", || home.work("good.up").exists().then_some(()));
    let spec: Value = serde_json::from_str(&fs::read_to_string(home.path("run/default-1/spec.json")).unwrap()).unwrap();
    for (name, text) in [
        ("other", other.as_str()),
        ("victim", victim.as_str()),
        // Even who has stolen the token of another run gains nothing.
        ("token", spec["token"].as_str().unwrap()),
        ("gateway", &gateway.pid().to_string()),
    ] {
        fs::write(home.work(name), text).unwrap();
    }
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    noted(&home, 1);
    let before = standing(&home, &[]);
    let evil = home.create(&["try it", "--assignee", "evil"]);
    until("the worker has tried", || home.work("tried").exists().then_some(()));
    assert_eq!(read(&home, "done"), "link\n", "what a hostile worker could do");
    for name in ["stolen", "own", "run", "shim", "stop", "own_stop", "junk", "disguised"] {
        let said = read(&home, &format!("raw.{name}"));
        assert!(!said.contains("\"exit\":0") && !said.contains("\"stopping\""), "{name}: {said}");
        assert!(said.contains("\"exit\":") || said.contains("refused") || said.contains("1 passed"), "{name}: {said}");
    }
    let dropped: Value = serde_json::from_str(&read(&home, "dropped")).unwrap();
    assert_eq!(dropped["exit"], 1, "{dropped}");
    assert_eq!(standing(&home, &[&evil]), before);
    assert_eq!(fs::read_to_string(home.path("kanban.toml")).unwrap(), settings);
    assert!(!home.work("stolen/boards").exists());
    fs::write(home.work("go"), "").unwrap();
    home.wait_for(&victim, "done");
    home.wait_for(&evil, "done");
    assert_eq!(home.count("SELECT count(*) FROM runs WHERE summary = 'undisturbed'"), 1);
    assert_eq!(home.runs(&other), []);
}

#[test]
fn floods_and_a_gigabyte_of_output_take_little_memory() {
    let scale = Scale::of("floods", 100, 5_000);
    let bytes = scale.count as u64 * 200_000;
    let home = home(&format!(
        r#"head -c {bytes} /dev/zero | tr '\0' 'x'
           head -c {bytes} /dev/zero | tr '\0' '\n' >&2
           n=0; while test $n -lt {0}; do n=$((n + 1)); echo "{{\"argv\": [\"heartbeat\", \"$KANBAN_TASK\"]}}" > .kanban/outbox/$n.json; done
           n=0; while test $n -lt 20; do n=$((n + 1)); RAW_SOCKET=$KANBAN_SOCKET RAW_LINE=$(head -c 100000 /dev/zero | tr '\0' 'x') $RAW worker::a_raw_client --exact --ignored > /dev/null 2>&1 & done
           wait
           kanban complete $KANBAN_TASK --summary flooded"#,
        scale.count
    ));
    let gateway = home.up();
    let idle = memory(gateway.pid());
    let id = home.create(&["flood", "--assignee", "evil"]);
    let peak = until("the flood is over", || {
        // A command is answered meanwhile.
        (home.status(&id) == "done").then(|| memory(gateway.pid()))
    });
    let logs: u64 = fs::read_dir(home.path("logs/default").join(&id))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    scale.done(&format!(
        "calls as files, and {} MB of output, {} MB kept: the gateway took {peak} kB at most, {idle} kB idle",
        2 * bytes / 1_000_000,
        logs / 1_000_000
    ));
    assert!(peak < MEMORY, "the gateway took {peak} kB");
    assert!(logs <= 64 << 20, "{logs} bytes are kept");
}

#[test]
fn a_superseded_worker_writes_nothing() {
    let scale = Scale::of("stale writes", 200, 100_000);
    let home = home(
        "touch $WORK/up.$KANBAN_RUN; while ! test -e $WORK/go; do sleep 0.02; done; kanban complete $KANBAN_TASK --summary run-$KANBAN_RUN",
    );
    let _gateway = home.up();
    let id = home.create(&["twice", "--assignee", "evil"]);
    until("the first run works", || home.work("up.1").exists().then_some(()));
    let spec: Value = serde_json::from_str(&fs::read_to_string(home.path("run/default-1/spec.json")).unwrap()).unwrap();
    noted(&home, 1);
    let worker = home.count("SELECT worker_pid FROM runs WHERE id = 1");
    assert!(Command::new("kill").args(["-STOP".to_owned(), worker.to_string()]).status().unwrap().success());
    home.ok(&format!("reclaim {id}"));
    until("the second run works", || home.work("up.2").exists().then_some(()));
    noted(&home, 2);
    // The first worker is gone before the second one begins, although it was stopped.
    assert!(!fs::exists(format!("/proc/{worker}")).unwrap());
    let before = home.contents();
    let mut wire = Wire::open(&home.socket());
    let verbs: [&[&str]; 6] = [
        &["complete", &id, "--summary", "stale"],
        &["comment", &id, "stale"],
        &["heartbeat", &id],
        &["block", &id, "stale"],
        &["create", "stale"],
        &["attach", &id, "/etc/passwd"],
    ];
    for number in 0..scale.count {
        let call = json!({"op": "call", "run": 1, "token": spec["token"], "call": number + 1, "argv": verbs[number % verbs.len()], "stdin": null});
        let answer = wire.ask(&call);
        assert_eq!(answer["exit"], 1, "{answer}");
    }
    assert_eq!(home.contents(), before);
    scale.done("writes with the token of a run that was taken away, all refused");
    fs::write(home.work("go"), "").unwrap();
    home.wait_for(&id, "done");
    assert_eq!(home.count("SELECT count(*) FROM runs WHERE summary = 'run-2'"), 1);
    assert_eq!(home.count("SELECT count(*) FROM runs WHERE summary = 'run-1'"), 0);
}

#[test]
fn a_gateway_keeps_no_zombie_and_no_descriptor_of_its_workers() {
    let scale = Scale::of("workers of a gateway", 30, 2_000);
    let home = Home::with_settings(
        "[dispatch]\nfailure_limit = 1\nprotocol_violation_limit = 1\ngrace_seconds = 0\nmax_running = 8\n",
    );
    let gateway = home.up();
    let endings = [
        "exit 0",
        "exit 3",
        "exit 4",
        "kill -9 $$",
        "kill -SEGV $$",
        "(setsid sleep 1000 &)",
        "(trap '' TERM; sleep 1000; sleep 1000) & exec sleep 0.01",
        "sh -c 'sleep 0 & exec sleep 1000' & exec true",
        "kill -9 $PPID",
        "kanban complete $KANBAN_TASK; exit 5",
    ];
    let mut wire = Wire::open(&home.socket());
    let mut run = |from: usize, count: usize| {
        for number in from..from + count {
            wire.run(&["create", "die", "--assignee", "script", "--body", endings[number % 10]]).ok();
        }
        let open = "SELECT count(*) FROM tasks WHERE status IN ('ready', 'running')";
        let database = home.database();
        let mut last = i64::MAX;
        // The limit of a test is for each step forward, not for all of them.
        while last > 0 {
            last = until("one more task is over", || {
                let left = database.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap();
                (left < last).then_some(left)
            });
        }
        until("every run's directory is gone", || {
            let runs = fs::read_dir(home.path("run")).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
            (runs == 0).then_some(())
        });
    };
    run(0, 10);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count();
    let before = descriptors();
    run(10, scale.count);
    until("every shim is taken off the table", || {
        let children = fs::read_dir(format!("/proc/{}/task", gateway.pid()))
            .unwrap()
            .flatten()
            .all(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default().trim().is_empty());
        children.then_some(())
    });
    until("no descriptor is left open", || (descriptors() <= before).then_some(()));
    report(&format!("workers of a gateway: {before} descriptors before, {} after", descriptors()));
    scale.done("workers that died in ten ways, 0 zombies, 0 descriptors more in the gateway");
}
