//! Lanes: plain messages as turns of a thread's agent, and what becomes of them when something goes wrong.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    home::{Home, until},
    scale::{Scale, report},
};

/// A home whose profile `bot` runs these lines, with what it can do beside them.
fn home_with_bot(lines: &str, more: &str) -> Home {
    let home = Home::new();
    let program = home.program("bot", lines);
    home.settings(&format!(
        "{more}\n[dispatch]\ngrace_seconds = 1\n[profiles.bot]\ncommand = [\"{}\", \"new\", \"{{session}}\"]\n\
         resume = [\"{}\", \"again\", \"{{session}}\"]\nset = {{ WORK = \"{}\" }}\n",
        program.display(),
        program.display(),
        home.work("").display()
    ));
    home
}

/// The texts of the posts in a thread, oldest first.
fn texts(home: &Home, thread: &str) -> Vec<String> {
    let posts = home.transcript().into_iter().filter(|line| line["thread"] == thread);
    posts.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn wait_for_text(home: &Home, thread: &str, text: &str) -> String {
    until(&format!("`{text}` in {thread}"), || texts(home, thread).into_iter().find(|post| post.contains(text)))
}

fn states(home: &Home) -> Vec<String> {
    let database = home.database();
    let mut query = database.prepare("SELECT state FROM turns ORDER BY id").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

const ECHO: &str = "message=$(cat); echo \"$1 $2\" >> $WORK/sessions; echo \"you said: $message\"";

#[test]
fn a_plain_message_is_a_turn_and_the_talk_goes_on_in_its_session() {
    let home = home_with_bot(ECHO, "[chat]\nagent = \"bot\"");
    let _gateway = home.up();
    home.say_in("shop", "what is the time?").ok();
    let answer = wait_for_text(&home, "shop", "you said: what is the time?");
    assert!(answer.contains("@bot"), "{answer}");
    home.say_in("shop", "and now?").ok();
    wait_for_text(&home, "shop", "you said: and now?");
    home.say_in("yard", "hello").ok();
    wait_for_text(&home, "yard", "you said: hello");
    let sessions = fs::read_to_string(home.work("sessions")).unwrap();
    let words: Vec<Vec<&str>> = sessions.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!([words[0][0], words[1][0], words[2][0]], ["new", "again", "new"], "{sessions}");
    assert_eq!(words[0][1], words[1][1], "one thread, one session");
    assert_ne!(words[0][1], words[2][1], "another thread, another session");
    // A new session is begun on demand.
    home.say_in("shop", "/kanban agent --fresh").ok();
    home.say_in("shop", "who am I?").ok();
    wait_for_text(&home, "shop", "you said: who am I?");
    let sessions = fs::read_to_string(home.work("sessions")).unwrap();
    assert!(sessions.lines().last().unwrap().starts_with("new "), "{sessions}");
    // What is a command as a whole is one; what only begins like one is for the agent.
    home.say_in("shop", "create buy milk").ok();
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 1);
    home.say_in("shop", "show me the shop").ok();
    wait_for_text(&home, "shop", "you said: show me the shop");
    assert!(states(&home).iter().all(|state| state == "done"), "{:?}", states(&home));
}

#[test]
fn a_talk_whose_session_is_gone_begins_anew_and_says_so() {
    let home = home_with_bot(ECHO, "[chat]\nagent = \"bot\"");
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    home.settings(&format!("{settings}gone_pattern = [\"no such session\"]\n"));
    let _gateway = home.up();
    home.say_in("shop", "my name is Ann").ok();
    wait_for_text(&home, "shop", "you said: my name is Ann");
    home.program("bot", &format!("if test $1 = again; then echo no such session; exit 1; fi; {ECHO}"));
    home.say_in("shop", "who am I?").ok();
    wait_for_text(&home, "shop", "you said: who am I?");
    let told = |text: &String| text.contains("@bot does not know the session any more");
    assert_eq!(texts(&home, "shop").iter().filter(|text| told(text)).count(), 1, "{:?}", texts(&home, "shop"));
    assert_eq!(states(&home), ["done", "done"]);
}

#[test]
fn an_agent_is_turned_on_for_a_place_and_off_again() {
    let home = home_with_bot(ECHO, "");
    let _gateway = home.up();
    let hint = home.say_in("shop", "hello").out;
    assert!(hint.contains("this is not a command"), "{hint}");
    let told = home.say_in("shop", "/kanban agent").ok();
    assert!(told.contains("nobody answers plain messages here"), "{told}");
    let on = home.say_in("shop", "/kanban agent on bot --policy refuse").ok();
    assert!(on.contains("@bot answers every message here (set here, by console:") && on.contains("refuse"), "{on}");
    home.say_in("shop", "hello").ok();
    wait_for_text(&home, "shop", "you said: hello");
    let off = home.say_in("shop", "/kanban agent off").ok();
    assert!(off.contains("nobody answers plain messages here (set here"), "{off}");
    assert!(home.say_in("shop", "hello").out.contains("this is not a command"));
    let unknown = home.say_in("shop", "/kanban agent on bto").out;
    assert!(unknown.contains("did you mean `bot`?"), "{unknown}");
    let script = home.say_in("shop", "/kanban agent on script").out;
    assert!(script.contains("would run what people say as a program"), "{script}");
}

/// A bot that tells when it works on `wait`, and answers when it may.
const WAITING: &str = r#"message=$(cat)
    case $message in
        wait*) (sleep 1000 & echo $! > $WORK/child; wait) & touch "$WORK/$message"; while ! test -e $WORK/go; do sleep 0.02; done;;
    esac
    echo "you said: $message""#;

#[test]
fn messages_wait_for_their_turn_and_stop_ends_the_one_that_runs() {
    let home = home_with_bot(WAITING, "[chat]\nagent = \"bot\"");
    let _gateway = home.up();
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    for number in 0..32 {
        home.say_in("shop", &format!("message {number}")).ok();
    }
    let full = home.say_in("shop", "one too many").out;
    assert!(full.contains("32 messages wait for @bot already"), "{full}");
    // Another thread has a lane of its own.
    home.say_in("yard", "hello").ok();
    wait_for_text(&home, "yard", "you said: hello");
    let lane = home.say_in("shop", "/kanban agent").ok();
    assert!(lane.contains("@bot is busy since") && lane.contains("32 messages waiting"), "{lane}");
    let stopped = home.say_in("shop", "/stop").ok();
    assert!(
        stopped.contains("@bot is being stopped: “wait”") && stopped.contains("32 messages still to come"),
        "{stopped}"
    );
    wait_for_text(&home, "shop", "stopped by console:");
    let child: u32 = fs::read_to_string(home.work("child")).unwrap().trim().parse().unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{child}")).exists(), "what the agent started is gone too");
    wait_for_text(&home, "shop", "you said: message 31");
    let answers: Vec<_> = texts(&home, "shop").into_iter().filter(|text| text.contains("you said: message")).collect();
    let order: Vec<_> = (0..32).map(|number| format!("you said: message {number}")).collect();
    let said: Vec<_> = answers.iter().map(|text| text.lines().next().unwrap().trim_start_matches("> ")).collect();
    assert_eq!(said, order);
    // All of it goes at once when that is asked for.
    fs::remove_file(home.work("wait")).unwrap();
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.say_in("shop", "never mind").ok();
    let stopped = home.say_in("shop", "/kanban stop --all").ok();
    assert!(stopped.contains("1 message dropped"), "{stopped}");
    until("the lane is empty", || (home.count("SELECT count(*) FROM turns WHERE ended_at IS NULL") == 0).then_some(()));
    assert!(!texts(&home, "shop").iter().any(|text| text.contains("never mind")));
    assert!(home.say_in("shop", "/stop").ok().contains("no agent works on a message here"));
}

#[test]
fn a_newer_message_interrupts_or_is_refused_as_the_place_says() {
    let home = home_with_bot(WAITING, "[chat]\nagent = \"bot\"");
    let _gateway = home.up();
    home.say_in("shop", "/kanban agent --policy interrupt").ok();
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.say_in("shop", "rather this").ok();
    wait_for_text(&home, "shop", "interrupted by a newer message");
    wait_for_text(&home, "shop", "you said: rather this");
    home.say_in("yard", "/kanban agent --policy refuse").ok();
    home.say_in("yard", "wait a while").ok();
    until("the agent works", || home.work("wait a while").exists().then_some(()));
    let refused = home.say_in("yard", "and this").out;
    assert!(refused.contains("@bot is busy since") && refused.contains("`/kanban stop` ends it"), "{refused}");
    fs::write(home.work("go"), "").unwrap();
    wait_for_text(&home, "yard", "you said: wait a while");
    assert_eq!(states(&home), ["interrupted", "done", "done"]);
}

#[test]
fn a_failure_is_told_with_the_end_of_the_log() {
    let home = home_with_bot("echo half an answer; echo no key is set >&2; exit 3", "[chat]\nagent = \"bot\"");
    let _gateway = home.up();
    home.say_in("shop", "hello").ok();
    let failed = wait_for_text(&home, "shop", "@bot failed: it exited with 3");
    assert!(failed.contains("no key is set") && !failed.contains("half an answer"), "{failed}");
    let log = home.say_in("shop", "/kanban agent --log").ok();
    assert!(log.contains("no key is set"), "{log}");
}

#[test]
fn an_agent_has_no_door_to_the_board() {
    let home = home_with_bot(
        r#"kanban create evil 2>&1; echo "exit $?"
           env -u KANBAN_SOCKET kanban dispatch pause 2>&1; echo "exit $?"
           env -i KANBAN_HOME=$KANBAN_HOME $(command -v kanban) say hello 2>&1; echo "exit $?""#,
        "[chat]\nagent = \"bot\"",
    );
    let _gateway = home.up();
    home.say_in("shop", "try").ok();
    let answer = wait_for_text(&home, "shop", "exit");
    assert_eq!(answer.matches("exit 1").count(), 3, "{answer}");
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 0);
}

#[test]
fn who_lost_the_role_is_refused_when_the_turn_would_begin() {
    let access =
        |bob: &str| format!("[access]\nowners = [\"console:ann\"]\n[access.roles]\n{bob} = [\"console:bob\"]\n");
    let chat = "[chat]\nagent = \"bot\"\n";
    let home = home_with_bot(WAITING, &format!("{}{chat}", access("member")));
    let gateway = home.up();
    home.run(["say", "--thread", "shop", "--as", "ann", "wait"]).ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.run(["say", "--thread", "shop", "--as", "bob", "and mine"]).ok();
    let settings = fs::read_to_string(home.path("kanban.toml")).unwrap();
    home.settings(&settings.replace(&access("member"), &access("guest")));
    gateway.signal(rustix::process::Signal::HUP);
    until("the settings were read again", || home.log().contains("the settings were read again").then_some(()));
    fs::write(home.work("go"), "").unwrap();
    wait_for_text(&home, "shop", "your role is guest");
    assert_eq!(states(&home), ["done", "refused"]);
}

#[test]
fn an_agent_works_in_the_directory_of_the_place_only_for_whom_it_is_open() {
    let bob = "[access]\nowners = [\"console:ann\"]\n[access.roles]\nmember = [\"console:bob\"]\n";
    let home = home_with_bot(
        &format!("{WAITING}; echo \"in-$(basename $(pwd))\""),
        &format!("[chat]\nagent = \"bot\"\n{bob}"),
    );
    let _gateway = home.up();
    let folder = home.work_folder("shop");
    home.run(["say", "--thread", "shop", "--as", "ann", "wait"]).ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.run(["say", "--thread", "shop", "--as", "bob", "and mine"]).ok();
    home.run(["say", "--thread", "shop", "--as", "ann", "where are you?"]).ok();
    home.run(["say", "--thread", "shop", "--as", "ann", &format!("/kanban here {}", folder.display())]).ok();
    fs::write(home.work("go"), "").unwrap();
    wait_for_text(&home, "shop", "no directory is open to you");
    let answer = wait_for_text(&home, "shop", "you said: where are you?");
    assert!(answer.contains("in-shop"), "{answer}");
    assert_eq!(states(&home), ["done", "refused", "done"]);
    let audit = home.ok("audit");
    let of =
        |who: &str| audit.lines().filter(|line| line.contains(who) && line.contains("  turn on default  ")).count();
    assert!(of("console:ann") == 2 && of("console:bob") == 2, "{audit}");
    assert!(audit.contains("refused: forbidden"), "{audit}");
}

#[test]
fn a_turn_that_cannot_be_followed_any_more_is_lost_and_its_lane_goes_on() {
    let home = home_with_bot(WAITING, "[chat]\nagent = \"bot\"");
    let gateway = home.up();
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.say_in("shop", "after all").ok();
    gateway.kill();
    // Its shim refuses whoever does not know the token of the turn.
    let path = home.path("turns/1/spec.json");
    let mut spec: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    spec["token"] = "another".into();
    fs::write(&path, spec.to_string()).unwrap();
    let _gateway = home.up();
    wait_for_text(&home, "shop", "its agent could not be followed any more");
    wait_for_text(&home, "shop", "you said: after all");
    assert_eq!(states(&home), ["lost", "done"]);
    fs::write(home.work("go"), "").unwrap();
}

#[test]
fn no_message_is_lost_or_repeated_when_the_gateway_is_killed_at_any_moment() {
    let mut scale = Scale::of("lane kills", 6, 60);
    let home = home_with_bot(
        "message=$(cat); echo \"$message\" >> $WORK/done; sleep 0.02; echo \"you said: $message\"",
        "[chat]\nagent = \"bot\"",
    );
    let mut said = 0;
    for _ in 0..scale.count {
        let gateway = home.up();
        for _ in 0..4 {
            home.say_in("shop", &format!("message {said}.")).ok();
            said += 1;
        }
        // Somewhere among the turns.
        let done = home.count("SELECT count(*) FROM turns WHERE ended_at IS NOT NULL");
        let wanted = (done + i64::try_from(scale.below(4)).unwrap()).min(said);
        until("some turns are over", || {
            (home.count("SELECT count(*) FROM turns WHERE ended_at IS NOT NULL") >= wanted).then_some(())
        });
        gateway.kill();
    }
    let _gateway = home.up();
    until("every turn is over", || {
        (home.count("SELECT count(*) FROM turns WHERE ended_at IS NULL") == 0).then_some(())
    });
    assert!(states(&home).iter().all(|state| state == "done"), "{:?}", states(&home));
    let worked = fs::read_to_string(home.work("done")).unwrap();
    let wanted: Vec<_> = (0..said).map(|number| format!("message {number}.")).collect();
    assert_eq!(worked.lines().collect::<Vec<_>>(), wanted, "each message is worked on once, in order");
    for message in &wanted {
        let answers =
            || texts(&home, "shop").iter().filter(|text| text.contains(&format!("you said: {message}"))).count();
        until("each is answered", || (answers() > 0).then_some(()));
        assert_eq!(answers(), 1, "{message}");
    }
    scale.done("kills among turns");
}

#[test]
fn a_turn_outlives_the_gateway_and_one_without_its_shim_is_lost_and_said_so() {
    let home = home_with_bot(WAITING, "[chat]\nagent = \"bot\"");
    let gateway = home.up();
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.say_in("shop", "next").ok();
    gateway.kill();
    fs::write(home.work("go"), "").unwrap();
    until("the shim leaves its record", || home.path("turns/1/exit.json").exists().then_some(()));
    let gateway = home.up();
    wait_for_text(&home, "shop", "you said: wait");
    wait_for_text(&home, "shop", "you said: next");
    // Its shim dies with the gateway.
    fs::remove_file(home.work("go")).unwrap();
    fs::remove_file(home.work("wait")).unwrap();
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.say_in("shop", "after all").ok();
    gateway.kill();
    for pid in home.processes() {
        if let Some(pid) = rustix::process::Pid::from_raw(pid.try_into().unwrap()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    let _gateway = home.up();
    wait_for_text(&home, "shop", "nobody knows how this ended");
    wait_for_text(&home, "shop", "you said: after all");
    assert_eq!(states(&home), ["done", "done", "lost", "done"]);
    assert_eq!(texts(&home, "shop").iter().filter(|text| text.contains("nobody knows")).count(), 1);
}

#[test]
fn a_task_that_was_answered_goes_on_in_its_session() {
    let home = home_with_bot(
        r#"cat > /dev/null; echo "$1 $2 $KANBAN_SESSION" >> $WORK/sessions
           test -e $WORK/asked && exec kanban complete $KANBAN_TASK --summary paid
           touch $WORK/asked; kanban block $KANBAN_TASK "Stripe or Adyen?" --kind needs_input"#,
        "",
    );
    let gateway = home.up();
    let id = home.create(&["pay", "--assignee", "bot"]);
    home.wait_for(&id, "blocked");
    gateway.kill();
    let _gateway = home.up();
    home.ok(&format!("unblock {id} --reason Stripe"));
    home.wait_for(&id, "done");
    let sessions = fs::read_to_string(home.work("sessions")).unwrap();
    let words: Vec<Vec<&str>> = sessions.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!([words[0][0], words[1][0]], ["new", "again"], "{sessions}");
    assert!(words.iter().all(|line| line[1] == words[0][1] && line[2] == words[0][1]), "{sessions}");
    assert_eq!(home.count(&format!("SELECT count(*) FROM tasks WHERE session_id = '{}'", words[0][1])), 1);
}

#[test]
fn commands_are_as_fast_while_a_turn_runs() {
    let scale = Scale::of("lane promptness", 40, 200);
    let home = home_with_bot(WAITING, "[chat]\nagent = \"bot\"");
    let _gateway = home.up();
    let timed = |what: &str| {
        let mut times: Vec<Duration> = (0..scale.count)
            .map(|number| {
                let start = Instant::now();
                home.say_in("shop", &format!("/kanban create {what} {number}")).ok();
                start.elapsed()
            })
            .collect();
        times.sort();
        times[(times.len() - 1) * 99 / 100].as_secs_f64() * 1000.0
    };
    timed("warm");
    let idle = timed("idle");
    home.say_in("shop", "wait").ok();
    until("the agent works", || home.work("wait").exists().then_some(()));
    home.say_in("shop", "behind it").ok();
    let busy = timed("busy");
    report(&format!("commands beside a turn: p99 {busy:.1} ms, idle {idle:.1} ms, {:.2} times", busy / idle));
    assert_eq!(states(&home), ["running", "queued"], "the turn ran all the while");
    fs::write(home.work("go"), "").unwrap();
    wait_for_text(&home, "shop", "you said: behind it");
    scale.done("commands in the thread of a turn");
    // Far from the measured ratio, so that a busy machine does not fail it.
    assert!(busy < idle * 20.0 + 2000.0, "{busy} ms beside a turn, {idle} ms without");
}
