//! That `why` and the dispatcher never disagree: boards full of tasks in every state, what `why` says of each, and what a
//! look then does.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use jiff::tz::TimeZone;
use kanban_gateway::{
    board::{
        Actor, Board, Boards, ProfileName, TaskId, Wake,
        attempt::{Ending, Patience},
        create::NewTask,
        finish::HandOff,
        task::{BlockKind, WorkspaceKind},
    },
    clock::Clock,
    command::{
        from_words,
        verbs::{Read, Verb},
        view::{self, Eyes, View},
    },
    settings::{Environment, Settings},
};
use kanban_platform::Surface;
use serde_json::Value;

use crate::{
    home::{Home, until},
    scale::Scale,
};

/// Every code that a task which does not run and is not over can have.
const WAITING: [&str; 21] = [
    "triage",
    "unmet_parents",
    "held",
    "scheduled",
    "question",
    "blocked",
    "gave_up",
    "budget_spent",
    "review",
    "unassigned",
    "unknown_profile",
    "paused",
    "profile_paused",
    "no_gateway",
    "profile_parked",
    "back_off",
    "files_awaited",
    "worker_ending",
    "cap_full",
    "directory_busy",
    "directory_gone",
];

const PATIENCE: Patience = Patience {
    failure_limit: 3,
    violation_limit: 3,
    backoff_seconds: 3_600,
    backoff_max_seconds: 7_200,
    rate_limit_pause_seconds: 3_600,
    auth_pause_seconds: 86_400,
};

const PROFILES: [&str; 7] = ["wide", "narrow", "halted", "stopped", "parked", "missing", ""];

fn ann() -> Actor {
    Actor::Person { name: "console:ann".to_owned() }
}

/// The boards of a home, looked at from beside the binary.
struct Beside {
    boards: Boards,
    board: Board,
    runtime: tokio::runtime::Runtime,
}

impl Beside {
    fn of(home: &Home) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let boards = Boards::new(&home.path(""), Arc::new(Wake::default()));
        let board = runtime.block_on(boards.get(&"default".parse().unwrap())).unwrap();
        Self { boards, board, runtime }
    }

    /// What `why --json` says of a task where a gateway runs.
    fn why(&self, home: &Home, id: &TaskId, by_hand: (bool, &[ProfileName])) -> Value {
        let settings = Settings::load(&home.path(""), &Environment::default()).unwrap();
        let asked = from_words(&["why".to_owned(), id.to_string(), "--json".to_owned()], Surface::CommandLine);
        let Ok(Some(Verb::Read(Read::Why(args)))) = asked.map(|asked| asked.verb) else { panic!("why") };
        let view = View {
            now: Clock::system().now(),
            zone: &TimeZone::UTC,
            board: &self.board,
            boards: &self.boards,
            hidden: &[],
            eyes: Eyes::All,
            settings: &settings,
            thread: None,
            asker: None,
            home: &home.path(""),
            in_chat: false,
            gateway_runs: true,
            paused: by_hand.0,
            paused_profiles: by_hand.1,
            at_work: &[],
            prefix: "kanban",
            here: "kanban",
        };
        let reply = self.runtime.block_on(async {
            let mut tx = self.board.read().await.unwrap();
            view::why(&mut tx, &args, &view).await.unwrap()
        });
        serde_json::from_str(&reply.text).unwrap()
    }

    fn create(&self, board: &Board, new: NewTask) -> TaskId {
        self.runtime.block_on(async {
            let mut tx = board.write().await.unwrap();
            let id = tx.create(&ann(), "console:ann", new, Clock::system().now()).await.unwrap().task.id;
            tx.commit().await.unwrap();
            id
        })
    }
}

/// One board of tasks in random states, with random settings around them.
fn round(scale: &mut Scale, seen: &mut BTreeMap<String, usize>) {
    let home = Home::new();
    let mut pick = |bound: u64| scale.below(bound);
    let folders = ["shop", "shop/src", "blog"].map(|name| home.work_folder(name));
    std::os::unix::fs::symlink(&folders[0], home.work("link")).unwrap();
    let (most, narrow) = (1 + pick(5), 1 + pick(2));
    let per_board = if pick(3) == 0 { format!("max_running_per_board = {}\n", 1 + pick(2)) } else { String::new() };
    let default = if pick(2) == 0 { "default_assignee = \"wide\"\n" } else { "" };
    let settings_pause = pick(8) == 0;
    let agent = "command = [\"sleep\", \"1000\"]";
    home.settings(&format!(
        "[dispatch]\nmax_running = {most}\ngrace_seconds = 0\n{per_board}{default}paused = {settings_pause}\n\
         [profiles.wide]\n{agent}\n[profiles.narrow]\n{agent}\nmax_running = {narrow}\n\
         [profiles.halted]\n{agent}\n[profiles.stopped]\n{agent}\npaused = true\n[profiles.parked]\n{agent}\n"
    ));
    let beside = Beside::of(&home);
    let ops = beside.runtime.block_on(beside.boards.create(&"ops".parse().unwrap(), 0)).unwrap().0;
    let place = |number: u64| -> Option<(WorkspaceKind, Option<String>)> {
        let path = match number {
            0 => folders[0].clone(),
            1 => home.work("link"),
            2 => home.work("link").join("src"),
            3 => folders[2].clone(),
            _ => return None,
        };
        Some((WorkspaceKind::Dir, Some(fs::canonicalize(path).unwrap().display().to_string())))
    };
    // Some are at work already, on two boards.
    for _ in 0..pick(3) {
        let board = if pick(2) == 0 { &beside.board } else { &ops };
        let profile = PROFILES[pick(2) as usize].parse().unwrap();
        beside.create(
            board,
            NewTask {
                title: "at work".into(),
                assignee: Some(profile),
                workspace: place(pick(6)),
                ..NewTask::default()
            },
        );
    }
    home.ok("dispatch");
    home.ok("--board ops dispatch");
    let tasks = (0..12 + pick(12)).map(|_| stage(&home, &beside, &mut pick, &place)).collect::<Vec<_>>();
    park(&ops.file());
    let by_hand = pick(8) == 0;
    if by_hand {
        home.ok("dispatch pause");
    }
    home.ok("dispatch pause halted");
    let halted: Vec<ProfileName> = vec!["halted".parse().unwrap()];

    let before: BTreeMap<TaskId, Value> =
        tasks.iter().map(|id| (id.clone(), beside.why(&home, id, (by_hand, &halted)))).collect();
    let dry = home.json("dispatch --dry-run --json");
    let contents = home.contents();
    assert_eq!(home.json("dispatch --dry-run --json"), dry);
    assert_eq!(home.contents(), contents, "a dry run changes nothing");
    let real = home.json("dispatch --json");
    let ids = |report: &Value, key: &str| -> Vec<String> {
        report[key].as_array().unwrap().iter().map(|row| row["task_id"].as_str().unwrap().to_owned()).collect()
    };
    let (would, did) = (ids(&dry, "spawned"), ids(&real, "spawned"));
    assert_eq!(would, did, "what a dry run tells is what a look does\n{before:#?}");
    let held: BTreeMap<_, _> = real["held"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["task_id"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    for (id, said) in &before {
        let keys: Vec<_> = said.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["task_id", "status", "reason", "detail", "command"]);
        let reason = said["reason"].as_str().unwrap();
        let is_known = WAITING.contains(&reason) || ["starting", "running", "done", "archived"].contains(&reason);
        assert!(is_known, "{said}");
        *seen.entry(reason.to_owned()).or_default() += 1;
        let after = beside.why(&home, id, (by_hand, &halted));
        let now = after["reason"].as_str().unwrap();
        let started = did.iter().any(|started| started == id.as_str());
        if started {
            assert_eq!((reason, now), ("starting", "running"), "{id} started: {said} {after}");
        } else {
            // It made way for another one that did start.
            let passes = ["starting", "cap_full", "directory_busy", "directory_gone"].contains(&reason);
            let made_way = passes && !did.is_empty() && ["cap_full", "directory_busy"].contains(&now);
            assert!(now == reason || made_way, "{id} did not start: {said} {after}");
            assert_ne!(now, "starting", "{id} may start and does not: {after}");
        }
        if let Some(code) = held.get(id.as_str()) {
            // Others may have started after it was looked at.
            let is_later = !did.is_empty() && ["cap_full", "directory_busy"].contains(&now);
            assert!(*code == now || is_later, "{id}: the look says {code}, and `why` {now}");
        }
    }
}

/// A task in a random state.
fn stage(
    home: &Home,
    beside: &Beside,
    pick: &mut impl FnMut(u64) -> u64,
    place: &impl Fn(u64) -> Option<(WorkspaceKind, Option<String>)>,
) -> TaskId {
    let now = Clock::system().now();
    let hour = 3_600_000;
    let profile = PROFILES[if pick(3) == 0 { pick(7) } else { pick(2) } as usize];
    let new = NewTask {
        title: "task".to_owned(),
        assignee: (!profile.is_empty()).then(|| profile.parse().unwrap()),
        workspace: place(pick(7)),
        priority: pick(3) as i64,
        ..NewTask::default()
    };
    let state = pick(24);
    let new = match state {
        0 => NewTask { triage: true, ..new },
        1 => NewTask { blocked: true, ..new },
        2 => NewTask { at: Some(now + hour), ..new },
        _ => new,
    };
    let parent = matches!(state, 3..=6)
        .then(|| beside.create(&beside.board, NewTask { title: "parent".into(), ..NewTask::default() }));
    let id = beside.create(&beside.board, NewTask { parents: parent.iter().cloned().collect(), ..new });
    let sql = |statement: &str| assert_eq!(home.database().execute(statement, [id.as_str()]).unwrap(), 1);
    beside.runtime.block_on(async {
        let mut tx = beside.board.write().await.unwrap();
        let done = HandOff::default();
        match state {
            4 => drop(tx.complete(&ann(), parent.as_ref().unwrap(), &done, now).await.unwrap()),
            5 => tx.promote(&ann(), &id, None, true, now).await.unwrap(),
            7 => drop(tx.block(&ann(), &id, Some(BlockKind::NeedsInput), Some("which?"), now).await.unwrap()),
            8 => drop(tx.block(&ann(), &id, Some(BlockKind::Capability), None, now).await.unwrap()),
            9 | 10 => {
                let run = tx.claim(&id, "gateway", None, now).await.unwrap().run.id;
                let patience = Patience { failure_limit: if state == 9 { 1 } else { 9 }, ..PATIENCE };
                tx.attempt_ended(run, &Ending::Failed { error: "exit 3".into() }, &patience, now).await.unwrap();
            }
            11 => drop(tx.complete(&ann(), &id, &done, now).await.unwrap()),
            12 => tx.archive(&ann(), &id, now).await.unwrap(),
            13 => tx.schedule(&ann(), &id, None, None, now).await.unwrap(),
            14 => tx.schedule(&ann(), &id, Some(now + hour), None, now).await.unwrap(),
            _ => {}
        }
        tx.commit().await.unwrap();
    });
    match state {
        6 => sql("UPDATE tasks SET status = 'scheduled', not_before = 1 WHERE id = ?1"),
        15 => sql("UPDATE tasks SET status = 'review' WHERE id = ?1"),
        16 => sql("UPDATE tasks SET status = 'todo' WHERE id = ?1"),
        17 => sql("UPDATE tasks SET status = 'scheduled', not_before = 1 WHERE id = ?1"),
        18 => sql("UPDATE tasks SET not_before = 1 WHERE id = ?1"),
        19 => {
            sql("UPDATE tasks SET workspace_kind = 'dir', workspace_path = '/nowhere/at all' WHERE id = ?1");
            sql("INSERT INTO workplaces (task_id, root) VALUES (?1, '/')");
        }
        20 => sql("UPDATE tasks SET max_cost = 0 WHERE id = ?1"),
        21 => sql("UPDATE tasks SET max_total_seconds = 60, worked_ms = 59500 WHERE id = ?1"),
        _ => {}
    }
    id
}

/// A limit that was reached on another board holds on all.
fn park(board: &Path) {
    let until = Clock::system().now() + 3_600_000;
    let database = rusqlite::Connection::open(board).unwrap();
    let statement =
        "INSERT INTO parked_profiles (profile, until, reason, since) VALUES ('parked', ?1, 'rate limited', 1)";
    database.execute(statement, [until]).unwrap();
}

#[test]
fn why_and_the_dispatcher_agree_in_every_state() {
    let mut scale = Scale::of("why and the dispatcher", 15, 1_000);
    let mut seen = BTreeMap::new();
    for _ in 0..scale.count {
        round(&mut scale, &mut seen);
    }
    scale.done("boards on which `why` and a look agreed");
    crate::scale::report(&format!("why and the dispatcher: {seen:?}"));
}

/// Tells whether the reason of a task is this one, and lets the command that `why` names do its work.
#[track_caller]
fn remedy(home: &Home, id: &str, code: &str) {
    let said = until(&format!("{id} is {code}"), || {
        let said = home.json(&format!("why {id} --json"));
        (said["reason"] == code).then_some(said)
    });
    let command = said["command"].as_str().unwrap_or_else(|| panic!("{said}"));
    // As a shell would split it; no command of ours has more than single quotes.
    let mut words = Vec::new();
    for (number, part) in command.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    assert_eq!(words.remove(0), "kanban", "{said}");
    home.run(&words).ok();
    until(&format!("`{command}` ends {code}"), || {
        (home.json(&format!("why {id} --json"))["reason"] != code).then_some(())
    });
}

#[test]
fn the_command_that_why_names_ends_the_reason() {
    let agent = "command = [\"sleep\", \"1000\"]";
    let home = Home::with_settings(&format!(
        "[dispatch]\nmax_running = 3\ngrace_seconds = 0\nbackoff_seconds = 3600\nbackoff_max_seconds = 3600\n\
         [profiles.agent]\n{agent}\n[profiles.resting]\n{agent}\n[profiles.narrow]\n{agent}\nmax_running = 1\n"
    ));
    let sql = |statement: &str, id: &str| assert_eq!(home.database().execute(statement, [id]).unwrap(), 1);
    let ready = home.create(&["waits for a gateway", "--assignee", "script", "--body", "true"]);
    let said = home.json(&format!("why {ready} --json"));
    assert_eq!((&said["reason"], &said["command"]), (&"no_gateway".into(), &"kanban up".into()));
    let gateway = home.up();
    home.wait_for(&ready, "done");

    remedy(&home, &home.create(&["a", "--triage"]), "triage");
    let parent = home.create(&["parent"]);
    remedy(&home, &home.create(&["b", "--triage", "--parent", &parent]), "triage");
    remedy(&home, &home.create(&["c", "--parent", &parent]), "unmet_parents");
    let held = home.create(&["d"]);
    sql("UPDATE tasks SET status = 'todo' WHERE id = ?1", &held);
    remedy(&home, &held, "held");
    remedy(&home, &home.create(&["e", "--in", "2h"]), "scheduled");
    let aside = home.create(&["f"]);
    home.ok(&format!("schedule {aside}"));
    remedy(&home, &aside, "scheduled");
    remedy(&home, &home.create(&["g", "--initial-status", "blocked"]), "question");
    let asked = home.create(&["h"]);
    for _ in 0..2 {
        home.ok(&format!("block {asked} --kind needs_input which one"));
        if home.status(&asked) == "blocked" {
            home.ok(&format!("unblock {asked}"));
        }
    }
    assert_eq!(home.status(&asked), "triage");
    remedy(&home, &asked, "question");
    let blocked = home.create(&["i"]);
    home.ok(&format!("block {blocked} --kind capability no network"));
    assert!(home.ok(&format!("why {blocked}")).contains("since 20"), "{}", home.ok(&format!("why {blocked}")));
    remedy(&home, &blocked, "blocked");
    let reviewed = home.create(&["j"]);
    sql("UPDATE tasks SET status = 'review' WHERE id = ?1", &reviewed);
    remedy(&home, &reviewed, "review");
    let unassigned = home.create(&["k"]);
    remedy(&home, &unassigned, "unassigned");
    let misspelt = home.create(&["l"]);
    sql("UPDATE tasks SET assignee = 'agnet' WHERE id = ?1", &misspelt);
    remedy(&home, &misspelt, "unknown_profile");
    home.wait_for(&misspelt, "running");
    home.ok(&format!("cancel {misspelt}"));
    remedy(&home, &home.script("m", "exit 3", &["--max-retries", "1"]), "gave_up");
    remedy(&home, &home.script("n", "exit 3", &["--max-retries", "9"]), "back_off");
    // What waits without having failed waits for its files.
    let sent_with = home.script("n", "exit 3", &["--max-retries", "9"]);
    let backs_off = format!("SELECT count(*) FROM tasks WHERE id = '{sent_with}' AND not_before IS NOT NULL");
    until("it has failed", || (home.count(&backs_off) == 1).then_some(()));
    sql("UPDATE tasks SET last_error = NULL WHERE id = ?1", &sent_with);
    remedy(&home, &sent_with, "files_awaited");
    let costly = home.script("o", "sleep 1000", &["--max-cost", "0"]);
    remedy(&home, &costly, "budget_spent");
    let long = home.script("p", "sleep 1000", &["--max-total-runtime", "1s"]);
    remedy(&home, &long, "budget_spent");
    // What runs from here on would take the places of those that follow.
    for id in [unassigned, costly, long] {
        home.ok(&format!("cancel {id}"));
    }

    home.ok("dispatch pause");
    let paused = home.script("q", "true", &[]);
    remedy(&home, &paused, "paused");
    home.wait_for(&paused, "done");
    home.ok("dispatch pause script");
    let paused = home.script("r", "true", &[]);
    remedy(&home, &paused, "profile_paused");
    home.wait_for(&paused, "done");
    let until_later = Clock::system().now() + 3_600_000;
    sql(
        "INSERT INTO parked_profiles (profile, until, reason, since) VALUES ('resting', ?1, 'rate limited', 1)",
        &until_later.to_string(),
    );
    let rested = home.create(&["s", "--assignee", "resting"]);
    remedy(&home, &rested, "profile_parked");
    home.wait_for(&rested, "running");

    for id in running(&home) {
        home.ok(&format!("cancel {id}"));
    }
    home.create(&["t", "--assignee", "narrow"]);
    let narrow = home.create(&["u", "--assignee", "narrow"]);
    remedy(&home, &narrow, "cap_full");
    home.wait_for(&narrow, "running");
    let folder = format!("dir:{}", home.work_folder("shared").display());
    home.create(&["v", "--assignee", "agent", "--workspace", &folder]);
    remedy(&home, &home.create(&["w", "--assignee", "agent", "--workspace", &folder]), "directory_busy");
    for id in running(&home) {
        home.ok(&format!("cancel {id}"));
    }
    home.ok("dispatch pause");
    let away = home.work_folder("away");
    let gone = home.create(&["x", "--assignee", "agent", "--workspace", &format!("dir:{}", away.display())]);
    fs::remove_dir(&away).unwrap();
    home.ok("dispatch resume");
    until("it is looked for", || {
        (home.json(&format!("why {gone} --json"))["reason"] == "directory_gone").then_some(())
    });
    // No command brings it back: that is for a person, and the command has it looked for at once.
    fs::create_dir(&away).unwrap();
    let said = home.json(&format!("why {gone} --json"));
    assert_eq!(said["command"], "kanban dispatch now");
    home.ok("dispatch now");
    home.wait_for(&gone, "running");
    assert_eq!(gateway.stop(), 0);
}

fn running(home: &Home) -> Vec<String> {
    let database = home.database();
    let mut query = database.prepare("SELECT id FROM tasks WHERE status = 'running'").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_status_counts_what_waits_by_reason() {
    let agent = "command = [\"sleep\", \"1000\"]";
    let home = Home::with_settings(&format!(
        "[dispatch]\nmax_running = 2\n[profiles.agent]\n{agent}\nmax_running = 1\n[profiles.other]\n{agent}\n"
    ));
    let parent = home.create(&["parent"]);
    home.create(&["waits", "--parent", &parent]);
    home.create(&["idea", "--triage"]);
    home.create(&["gate", "--initial-status", "blocked"]);
    home.create(&["later", "--in", "2h"]);
    for _ in 0..3 {
        home.create(&["work", "--assignee", "agent"]);
    }
    let without = home.run(["dispatch", "status", "--json"]);
    assert_eq!(without.exit, 1);
    let status: Value = serde_json::from_str(&without.out).unwrap();
    let waiting = serde_json::json!({"no_gateway": 3, "question": 1, "scheduled": 1, "triage": 1, "unassigned": 1, "unmet_parents": 1});
    assert_eq!((&status["gateway"], &status["waiting"]), (&Value::Null, &waiting));
    let gateway = home.up();
    let status = until("one runs", || {
        let status = home.json("dispatch status --json");
        // The dispatcher counts it at the end of the look that starts it.
        (status["running"].as_array().unwrap().len() == 1 && status["caps"][0]["in_use"] == 1).then_some(status)
    });
    assert_eq!(status["waiting"]["cap_full"], 2, "{status}");
    let caps = serde_json::json!([
        {"cap": "global", "name": null, "limit": 2, "in_use": 1},
        {"cap": "profile", "name": "agent", "limit": 1, "in_use": 1},
    ]);
    assert_eq!(status["caps"], caps);
    let keys: Vec<_> = status["running"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["board", "task_id", "run_id", "profile", "worker_pid", "started_at", "holder", "last_sign_of_life", "note"]
    );
    assert!(status["oldest_ready_seconds"].as_i64().is_some(), "{status}");
    let said = home.ok("dispatch status");
    for part in ["Running:  1 of 2", "Cap:      profile agent, 1 of 1", "2 cap_full", "Dispatch: on", "Oldest:"] {
        assert!(said.contains(part), "{said}");
    }
    let in_chat = home.say_in("ops", "/kanban dispatch status").ok();
    assert!(in_chat.contains("2 cap_full") && in_chat.contains("/kanban why ID"), "{in_chat}");
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn the_status_of_a_hundred_thousand_tasks_is_there_at_once() {
    let scale = Scale::of("status of a large board", 20_000, 100_000);
    let home = Home::with_settings("[profiles.agent]\ncommand = [\"sleep\", \"1000\"]\n");
    home.ok("dispatch pause");
    let gateway = home.up();
    let statement = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
        INSERT INTO tasks (id, title, status, assignee, created_by, created_at) \
        SELECT printf('t_%08d', n), 'task ' || n, CASE n % 4 WHEN 0 THEN 'todo' WHEN 1 THEN 'ready' WHEN 2 THEN 'blocked' ELSE 'done' END, \
        'agent', 'console:ann', n FROM numbers";
    home.database().execute(statement, [i64::try_from(scale.count).unwrap()]).unwrap();
    let mut wire = crate::home::Wire::open(&home.socket());
    let ask = |wire: &mut crate::home::Wire| {
        let begun = std::time::Instant::now();
        let said = wire.run(&["dispatch", "status", "--json"]).ok();
        (begun.elapsed(), serde_json::from_str::<Value>(&said).unwrap())
    };
    let (_, status) = ask(&mut wire);
    let each = i64::try_from(scale.count / 4).unwrap();
    assert_eq!(status["waiting"]["paused"], each, "{}", status["waiting"]);
    assert_eq!(status["waiting"]["blocked"], each, "{}", status["waiting"]);
    let fastest = (0..5).map(|_| ask(&mut wire).0).min().unwrap();
    scale.done(&format!("tasks on the board, dispatch status in {fastest:.1?}"));
    assert!(fastest < std::time::Duration::from_secs(2), "{fastest:?}");
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn the_page_for_operators_lists_every_reason() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    let table = page.split("| reason | what it is |").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    let listed: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(listed, WAITING);
}
