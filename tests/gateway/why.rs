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
        view::{self, View},
    },
    settings::{Environment, Settings},
};
use kanban_platform::Surface;
use serde_json::Value;

use crate::{home::Home, scale::Scale};

/// Every code that a task which does not run and is not over can have.
const WAITING: [&str; 19] = [
    "triage",
    "unmet_parents",
    "held",
    "scheduled",
    "question",
    "blocked",
    "gave_up",
    "review",
    "unassigned",
    "unknown_profile",
    "paused",
    "profile_paused",
    "no_gateway",
    "profile_parked",
    "back_off",
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
            rights: None,
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
    let state = pick(22);
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
