//! Workers that talk back: what they may do, what they may not, and what happens while the gateway is away.

use std::{fs, io::Read, os::unix::net::UnixStream, path::Path};

use crate::home::{Home, PATIENCE, until};

/// A home with a profile `agent` whose program has these lines.
fn home_with_agent(lines: &str) -> Home {
    let home = Home::new();
    let program = home.program("agent", lines);
    home.settings(&format!(
        "[dispatch]\nfailure_limit = 1\ngrace_seconds = 1\n[profiles.agent]\ncommand = [\"{}\"]\nset = {{ WORK = \"{}\" }}\n",
        program.display(),
        home.work("").display()
    ));
    home
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Waits until a worker has made a file.
#[track_caller]
fn made(home: &Home, name: &str) {
    until(&format!("a worker makes `{name}`"), || home.work(name).exists().then_some(()));
}

#[test]
fn what_a_worker_says_counts_and_not_how_it_exits() {
    let home = home_with_agent(
        r#"kanban show $KANBAN_TASK > $WORK/show
           kanban heartbeat $KANBAN_TASK --note halfway
           kanban comment $KANBAN_TASK it goes well
           kanban create a further step --json > $WORK/child
           kanban complete $KANBAN_TASK --summary "all of it" --metadata '{"files": 3}'
           exit 3"#,
    );
    let _gateway = home.up();
    let said = home.say_in("ops", "/kanban create do it --assignee agent").ok();
    let id = said.split(' ').nth(1).unwrap().to_owned();
    let post = home.post(&id, "completed");
    assert_eq!(post["thread"], "ops");
    assert!(post["text"].as_str().unwrap().starts_with("do it\nall of it\ndone · @agent"), "{post}");
    assert!(read(&home.work("show")).contains("do it"));
    let child: serde_json::Value = serde_json::from_str(&read(&home.work("child"))).unwrap();
    assert_eq!(child["created_by"], "agent");
    let shown = home.json(&format!("show {id} --json"));
    assert_eq!(shown["comments"][0]["body"], "it goes well", "{shown}");
    assert_eq!(shown["comments"][0]["author"], "agent", "{shown}");
    until("the run's directory is gone", || (!home.path("run").join("default-1").exists()).then_some(()));
    assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)]);
    assert_eq!(home.events(&id).last().unwrap(), "completed");
}

#[test]
fn a_block_is_a_question_however_the_worker_exits() {
    let home = home_with_agent("kanban block $KANBAN_TASK 'which one?' --kind needs_input; exit 9");
    let _gateway = home.up();
    let said = home.say_in("ops", "/kanban create ask me --assignee agent").ok();
    let id = said.split(' ').nth(1).unwrap().to_owned();
    let post = home.post(&id, "blocked");
    assert!(post["text"].as_str().unwrap().contains("which one?\nTo answer: reply to this message"), "{post}");
    until("the run's directory is gone", || (!home.path("run").join("default-1").exists()).then_some(()));
    assert_eq!(home.status(&id), "blocked");
    assert_eq!(home.events(&id).iter().filter(|kind| *kind == "blocked" || *kind == "gave_up").count(), 1);
}

#[test]
fn a_worker_reaches_nothing_but_its_own() {
    let home = home_with_agent(
        r#"try() {
               name=$1; shift
               "$@" > $WORK/$name.out 2> $WORK/$name.err < /dev/null; echo $? > $WORK/$name.exit
           }
           other=$(cat $WORK/other)
           cp "$(command -v kanban)" $WORK/friend
           ln -s $KANBAN_HOME $WORK/link
           try comment kanban comment $other hello
           try complete kanban complete $other
           try assign kanban assign $other script
           try say kanban say hello
           try boards kanban boards create evil
           try other_board kanban --board other list
           try pause kanban dispatch pause
           try look kanban dispatch now
           try up kanban up --stay
           try takeover kanban up --stay --takeover
           try settings kanban settings show
           try script kanban create evil --assignee script --body "touch $WORK/evil"
           try delete kanban archive --rm $KANBAN_TASK
           try no_socket env -u KANBAN_SOCKET kanban complete $other
           try forged env KANBAN_TASK=$other KANBAN_RUN=99 KANBAN_TOKEN=guess kanban complete $other
           try bare env -i "$(command -v kanban)" --home $KANBAN_HOME complete $other
           try bare_home env -i KANBAN_HOME=$KANBAN_HOME "$(command -v kanban)" complete $other
           try link env -i "$(command -v kanban)" --home $WORK/link complete $other
           try copy env -i $WORK/friend --home $KANBAN_HOME complete $other
           try session setsid -w env -i $WORK/friend --home $KANBAN_HOME cancel $other
           try raw env RAW_SOCKET=$KANBAN_HOME/run/gateway.sock RAW_LINE="{\"op\":\"run\",\"argv\":[\"complete\",\"$other\"],\"folder\":\"/\"}" $RAW worker::a_raw_client --exact --ignored
           try raw_say env RAW_SOCKET=$KANBAN_HOME/run/gateway.sock RAW_LINE='{"op":"say","say":{"thread":"main","user":"you","action":{"do":"text","text":"/kanban create evil"}}}' $RAW worker::a_raw_client --exact --ignored
           try raw_takeover env RAW_SOCKET=$KANBAN_HOME/run/gateway.sock RAW_LINE='{"op":"takeover"}' $RAW worker::a_raw_client --exact --ignored
           ( setsid sh -c "while ! test -e $WORK/tried; do sleep 0.02; done
                           env -i KANBAN_HOME=$KANBAN_HOME $WORK/friend complete $other > $WORK/orphan.out 2> $WORK/orphan.err
                           echo \$? > $WORK/orphan.exit" & )
           touch $WORK/tried
           while ! test -e $WORK/go; do sleep 0.02; done
           kanban complete $KANBAN_TASK --summary tried"#,
    );
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    let raw = std::env::current_exe().unwrap();
    home.settings(&settings.replace("set = { ", &format!("set = {{ RAW = \"{}\", ", raw.display())));
    let other = home.create(&["somebody else's"]);
    home.ok("boards create other");
    fs::write(home.work("other"), &other).unwrap();
    let _gateway = home.up();
    let before = home.contents();
    let own = home.create(&["try it", "--assignee", "agent"]);
    made(&home, "tried");
    let attempts = [
        "comment",
        "complete",
        "assign",
        "say",
        "boards",
        "other_board",
        "pause",
        "look",
        "up",
        "takeover",
        "settings",
        "script",
        "delete",
        "no_socket",
        "forged",
        "bare",
        "bare_home",
        "link",
        "copy",
        "session",
    ];
    for attempt in attempts {
        let exit = read(&home.work(&format!("{attempt}.exit")));
        let (out, err) = (read(&home.work(&format!("{attempt}.out"))), read(&home.work(&format!("{attempt}.err"))));
        assert_eq!(exit.trim(), "1", "{attempt}: {out}{err}");
        assert!(!err.trim().is_empty(), "{attempt}: {out}");
    }
    for attempt in ["assign", "script", "pause"] {
        let told = read(&home.work(&format!("{attempt}.err")));
        assert!(told.contains(&format!("`kanban block {own} --kind needs_input")), "{attempt}: {told}");
    }
    for attempt in ["raw", "raw_say", "raw_takeover"] {
        let out = read(&home.work(&format!("{attempt}.out")));
        assert!(out.contains("worker") || out.contains("not yours"), "{attempt}: {out}");
        assert!(!out.contains("\"exit\":0"), "{attempt}: {out}");
    }
    until("the orphan has tried", || {
        fs::read_to_string(home.work("orphan.exit")).ok().filter(|text| text.ends_with('\n'))
    });
    assert!(
        read(&home.work("orphan.err")).contains("is not yours"),
        "{:?} {:?}",
        read(&home.work("orphan.err")),
        read(&home.work("orphan.out"))
    );
    fs::write(home.work("go"), "").unwrap();
    home.wait_for(&own, "done");
    assert!(!home.work("evil").exists());
    assert_eq!(home.json("boards list --json").as_array().unwrap().len(), 2);
    // Nothing but the worker's own task has come to the board.
    let left = home.contents();
    let foreign: Vec<_> = left.lines().filter(|line| !line.is_empty() && !line.contains(&own)).collect();
    let before: Vec<_> = before.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(foreign, before);
}

/// Not a test: a client that speaks to a socket by itself.
#[test]
#[ignore = "started by another test"]
#[expect(clippy::disallowed_methods, reason = "its orders come in its environment")]
fn a_raw_client() {
    let (Ok(socket), Ok(line)) = (std::env::var("RAW_SOCKET"), std::env::var("RAW_LINE")) else { return };
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut stream, format!("{line}\n").as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    std::io::Write::write_all(&mut std::io::stdout(), format!("{answer}\n").as_bytes()).unwrap();
}

#[test]
fn a_worker_may_keep_boards_of_its_own_elsewhere() {
    let home = home_with_agent(
        "kanban --home $WORK/mine create mine > $WORK/mine.out 2>&1; kanban complete $KANBAN_TASK --summary ok",
    );
    let _gateway = home.up();
    let id = home.create(&["try", "--assignee", "agent"]);
    home.wait_for(&id, "done");
    assert!(read(&home.work("mine.out")).contains("Created t_"));
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 1);
}

const CALLS: &str = r#"touch $WORK/started
    while ! test -e $WORK/go; do sleep 0.02; done
    kanban show $KANBAN_TASK > $WORK/read 2>&1; echo $? >> $WORK/exits
    kanban comment $KANBAN_TASK one > $WORK/told; echo $? >> $WORK/exits
    kanban comment $KANBAN_TASK two; echo $? >> $WORK/exits
    kanban create three; echo $? >> $WORK/exits
    kanban complete $KANBAN_TASK --summary "done alone"; echo $? >> $WORK/exits
    touch $WORK/called"#;

/// Has a worker call while no gateway runs, and checks what comes of it after the next start.
fn calls_while_the_gateway_is_away(end: &str, before_restart: impl Fn(&Home), after_restart: impl Fn(&Home)) {
    let home = home_with_agent(&format!("{CALLS}\n{end}"));
    let gateway = home.up();
    let id = home.create(&["alone", "--assignee", "agent"]);
    made(&home, "started");
    home.wait_for(&id, "running");
    gateway.kill();
    fs::write(home.work("go"), "").unwrap();
    made(&home, "called");
    assert!(read(&home.work("told")).contains("is kept and will be applied in order"), "{}", read(&home.work("told")));
    assert!(read(&home.work("read")).contains("nothing was read"));
    assert_eq!(read(&home.work("exits")), "1\n0\n0\n0\n0\n");
    before_restart(&home);
    assert_eq!(home.status(&id), "running");
    let _gateway = home.up();
    home.wait_for(&id, "done");
    after_restart(&home);
    let shown = home.json(&format!("show {id} --json"));
    let comments: Vec<_> = shown["comments"].as_array().unwrap().iter().map(|comment| &comment["body"]).collect();
    assert_eq!(comments, ["one", "two"]);
    assert_eq!(home.count("SELECT count(*) FROM tasks WHERE title = 'three'"), 1);
    until("the run's directory is gone", || (!home.path("run").join("default-1").exists()).then_some(()));
    assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)]);
    assert_eq!(home.count("SELECT count(*) FROM runs WHERE summary = 'done alone'"), 1);
}

#[test]
fn calls_of_a_worker_that_lives_on_are_applied_in_order_after_the_restart() {
    calls_while_the_gateway_is_away(
        "while ! test -e $WORK/end; do sleep 0.02; done",
        |_| {},
        |home| fs::write(home.work("end"), "").unwrap(),
    );
}

#[test]
fn calls_of_a_worker_that_has_ended_are_applied_in_order_after_the_restart() {
    calls_while_the_gateway_is_away(
        "exit 4",
        |home| {
            until("the shim leaves its record", || home.path("run/default-1/exit.json").exists().then_some(()));
        },
        |_| {},
    );
}

#[test]
fn a_run_that_was_taken_away_has_last_words_and_writes_nothing_any_more() {
    let home = home_with_agent(
        r#"test -e $WORK/first && { kanban complete $KANBAN_TASK --summary second; exit; }
           touch $WORK/first
           trap 'sleep 0.3 || exit; kanban complete $KANBAN_TASK --summary late > $WORK/late 2>&1; echo $? >> $WORK/late; exit' TERM
           touch $WORK/ready
           while :; do sleep 0.05; done"#,
    );
    // Its last words are waited for, however slow the machine is.
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    home.settings(&settings.replace("grace_seconds = 1", "grace_seconds = 50"));
    let _gateway = home.up();
    let id = home.create(&["slow", "--assignee", "agent"]);
    made(&home, "ready");
    home.ok(&format!("reclaim {id}"));
    home.wait_for(&id, "done");
    let late = read(&home.work("late"));
    assert!(late.contains("has ended (reclaimed); nothing was changed") && late.ends_with("\n1\n"), "{late:?}");
    let outcomes: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(outcomes, ["reclaimed", "completed"]);
    assert_eq!(home.count("SELECT count(*) FROM runs WHERE summary = 'late'"), 0);
}

#[test]
fn a_worker_is_known_after_a_restart_by_another_path_of_the_home() {
    let home = home_with_agent(
        r#"touch $WORK/started
           while ! test -e $WORK/go; do sleep 0.02; done
           RAW_SOCKET=$WORK/link/run/gateway.sock $RAW worker::a_raw_client --exact --ignored > $WORK/out 2>&1
           kanban complete $KANBAN_TASK --summary ok"#,
    );
    let other = home.create(&["somebody else's"]);
    let line =
        format!("{{\\\"op\\\":\\\"run\\\",\\\"argv\\\":[\\\"complete\\\",\\\"{other}\\\"],\\\"folder\\\":\\\"/\\\"}}");
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    let raw = std::env::current_exe().unwrap();
    home.settings(
        &settings.replace("set = { ", &format!("set = {{ RAW = \"{}\", RAW_LINE = \"{line}\", ", raw.display())),
    );
    let link = home.work("link");
    std::os::unix::fs::symlink(home.path(""), &link).unwrap();
    let gateway = home.up_with(&["--home", link.to_str().unwrap(), "up", "--stay"]);
    let id = home.create(&["try", "--assignee", "agent"]);
    made(&home, "started");
    gateway.kill();
    let _gateway = home.up();
    fs::write(home.work("go"), "").unwrap();
    home.wait_for(&id, "done");
    assert!(read(&home.work("out")).contains("not yours"), "{}", read(&home.work("out")));
    assert_eq!(home.status(&other), "ready");
}

#[test]
fn a_run_whose_shim_was_killed_is_lost_and_tried_again() {
    let home = home_with_agent(
        r#"test -e $WORK/first && exec kanban complete $KANBAN_TASK --summary second
           touch $WORK/first
           (setsid sh -c 'touch $WORK/started; sleep 1000' &)
           sleep 1000"#,
    );
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    home.settings(&settings.replace("failure_limit = 1", "failure_limit = 2\nbackoff_seconds = 0"));
    let gateway = home.up();
    let id = home.create(&["try", "--assignee", "agent"]);
    made(&home, "started");
    let shim = home.processes().into_iter().find(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|words| words.split(|byte| *byte == 0).nth(1) == Some(b"shim"))
    });
    let shim = rustix::process::Pid::from_raw(shim.unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    home.wait_for(&id, "done");
    let outcomes: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(outcomes, ["lost", "completed"]);
    until("every process of the workers is gone", || (home.processes() == [gateway.pid()]).then_some(()));
}

#[test]
fn a_silent_worker_is_ended_where_its_profile_says_so_and_nowhere_else() {
    let home = Home::new();
    let silent = home.program("silent", "sleep 1000");
    let patient = home.program("patient", "sleep 2.5; exec kanban complete $KANBAN_TASK --summary 'after a while'");
    let busy = home.program(
        "busy",
        "for i in 1 2 3 4 5; do sleep 0.5; kanban heartbeat $KANBAN_TASK; done; exec kanban complete $KANBAN_TASK --summary busy",
    );
    home.settings(&format!(
        "[dispatch]\nfailure_limit = 1\n\
         [profiles.silent]\ncommand = [\"{}\"]\nsilence_limit = \"1s\"\n\
         [profiles.busy]\ncommand = [\"{}\"]\nsilence_limit = \"2s\"\n\
         [profiles.patient]\ncommand = [\"{}\"]\n",
        silent.display(),
        busy.display(),
        patient.display()
    ));
    let _gateway = home.up();
    let said = home.say_in("ops", "/kanban create hang --assignee silent").ok();
    let hanging = said.split(' ').nth(1).unwrap().to_owned();
    let (alive, beating) =
        (home.create(&["wait", "--assignee", "patient"]), home.create(&["work", "--assignee", "busy"]));
    let post = home.post(&hanging, "gave_up");
    let text = post["text"].as_str().unwrap();
    assert!(text.contains("it gave no sign of life for 1s, its silence limit"), "{text}");
    assert_eq!(home.runs(&hanging)[0].0.as_deref(), Some("timed_out"));
    for id in [&alive, &beating] {
        home.wait_for(id, "done");
        assert_eq!(home.runs(id), [(Some("completed".to_owned()), None)]);
    }
}
