//! Schedules: when they fire, in zones whose clocks are moved, across gateways that did not run, and for whom.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
};

use jiff::{Timestamp, Zoned};
use kanban_gateway::{
    board::{Actor, Board, BoardSlug, Boards},
    clock::Clock,
    command::{Caller, Desk, Place, SharedSettings, from_words, see_to_schedules},
    gateway::Gateway,
    settings::{Environment, Role, Settings},
};
use kanban_platform::{Author, Commands, Input, Request, Surface, Thread};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    fixture::dump,
    import::{board, kanban, texts},
    process::{report, scaled},
};

const SETTINGS: &str = "[access]\nowners = [\"fake:owner\"]\n[access.roles]\nmember = [\"fake:ann\", \"fake:bob\"]\n\
                        guest = [\"fake:eve\"]\n[profiles.bot]\ncommand = [\"true\"]\n";

/// A home without a gateway, whose clock the test moves.
struct World {
    home: TempDir,
    desk: Desk,
    board: Board,
    gateway: Gateway,
    time: Arc<AtomicI64>,
    updates: AtomicU32,
}

impl World {
    async fn at(moment: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let time = Arc::new(AtomicI64::new(millis(moment)));
        let clock = Clock::new({
            let time = Arc::clone(&time);
            move || time.load(Ordering::SeqCst)
        });
        let boards = Boards::new(home.path(), Arc::default());
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        let environment = Arc::new(Environment::default());
        let settings = settings(&home, &environment, SETTINGS);
        let desk = Desk { boards, settings: SharedSettings::new(settings), environment, clock, gateway: None };
        let gateway = Gateway::new(desk.clone());
        Self { home, desk, board, gateway, time, updates: AtomicU32::new(0) }
    }

    fn set(&self, moment: &str) {
        self.time.store(millis(moment), Ordering::SeqCst);
    }

    fn resettle(&self, text: &str) {
        self.desk.settings.replace(settings(&self.home, &self.desk.environment, text));
    }

    /// A command of the local owner, by words; answers the exit and all that it said.
    async fn run(&self, words: &[&str]) -> (u8, String) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let actor = Actor::Person { name: "console:host".to_owned() };
        let caller = Caller::new(actor, Role::Owner, Place::Terminal { folder: "/".into() });
        let reply = match from_words(&words, Surface::CommandLine) {
            Ok(command) => self.desk.run(&caller, &command, None).await.reply,
            Err(mistake) => return (mistake.exit, mistake.text),
        };
        (reply.exit, format!("{}\n{}", reply.text, reply.notes))
    }

    async fn ok(&self, words: &[&str]) -> String {
        let (exit, said) = self.run(words).await;
        assert_eq!(exit, 0, "{words:?}: {said}");
        said
    }

    async fn json(&self, words: &[&str]) -> Value {
        let said = self.ok(&[words, &["--json"]].concat()).await;
        let (document, _) = said.rsplit_once('\n').unwrap();
        serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// What a person types in a thread.
    async fn says(&self, who: &str, text: &str) -> u8 {
        let number = self.updates.fetch_add(1, Ordering::SeqCst);
        let request = Request {
            update: format!("u{number}"),
            author: Author { platform: "fake".to_owned(), id: who.to_owned(), name: String::new(), groups: Vec::new() },
            thread: ops(),
            input: Input::Text(text.to_owned()),
            message: None,
            reply_to: None,
            is_channel: true,
            addressed: true,
            return_address: None,
            files: Vec::new(),
        };
        self.gateway.handle(request).await.exit
    }

    async fn look(&self) -> Option<i64> {
        see_to_schedules(&self.desk, &self.board).await.unwrap()
    }

    /// A gateway that runs without a break until a moment: it looks at each time that it was told of.
    async fn run_until(&self, moment: &str) {
        let end = millis(moment);
        while let Some(next) = self.look().await.filter(|next| *next <= end) {
            assert!(next > self.desk.now(), "what is due was seen to");
            self.time.store(next, Ordering::SeqCst);
        }
        self.time.store(end, Ordering::SeqCst);
    }

    /// What became of the times of a schedule, oldest first: the time on its clocks, and how it ended.
    async fn firings(&self, id: &str) -> Vec<(String, String)> {
        let shown = self.json(&["schedule", "show", id]).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let firings = shown["firings"].as_array().unwrap().iter().rev();
        firings.map(|firing| (text(&firing["nominal_local"]), text(&firing["outcome"]))).collect()
    }

    async fn fired(&self, id: &str) -> Vec<String> {
        let firings = self.firings(id).await;
        firings.into_iter().filter(|(_, outcome)| outcome == "fired").map(|(time, _)| time).collect()
    }

    fn query(&self, query: &str) -> Vec<String> {
        let database = rusqlite::Connection::open(self.board.file()).unwrap();
        let mut query = database.prepare(query).unwrap();
        query.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect()
    }

    async fn finish_all(&self) {
        for task in self.query("SELECT id FROM tasks WHERE status <> 'archived'") {
            self.ok(&["archive", &task]).await;
        }
    }
}

fn settings(home: &TempDir, environment: &Environment, text: &str) -> Settings {
    std::fs::write(home.path().join("kanban.toml"), text).unwrap();
    Settings::load(home.path(), environment).unwrap()
}

fn ops() -> Thread {
    Thread { platform: "fake".to_owned(), space: "s1".to_owned(), channel: "ops".to_owned(), thread: None }
}

/// A moment as `2026-03-28T12:00:00[Europe/Berlin]`, or one in UTC that ends with `Z`.
fn millis(moment: &str) -> i64 {
    let instant = match moment.parse::<Zoned>() {
        Ok(zoned) => zoned.timestamp(),
        Err(_) => moment.parse::<Timestamp>().unwrap(),
    };
    instant.as_millisecond()
}

/// The zone, the rule, from when until when a gateway runs, and exactly when it fires.
const TRANSITIONS: &[(&str, &str, &str, &str, &[&str])] = &[
    // Forward: 02:30 is not there, and is 03:00.
    (
        "Europe/Berlin",
        "30 2 * * *",
        "2026-03-28T12:00",
        "2026-03-30T12:00",
        &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    ),
    // Several that are not there are one instant; what is there beside it is no second one.
    (
        "Europe/Berlin",
        "*/20 2,3 * * *",
        "2026-03-29T00:00",
        "2026-03-29T12:00",
        &["2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00", "2026-03-29T03:40:00+02:00"],
    ),
    // Back: 02:30 comes twice, and is meant once.
    (
        "Europe/Berlin",
        "30 2 * * *",
        "2026-10-24T12:00",
        "2026-10-26T12:00",
        &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    ),
    // What is hourly stays hourly.
    (
        "Europe/Berlin",
        "0 * * * *",
        "2026-03-29T00:30",
        "2026-03-29T04:30",
        &["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"],
    ),
    (
        "Europe/Berlin",
        "30 * * * *",
        "2026-10-25T01:00",
        "2026-10-25T03:45",
        &[
            "2026-10-25T01:30:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:30:00+01:00",
        ],
    ),
    ("America/New_York", "15 2 * * 0", "2026-03-07T12:00", "2026-03-09T12:00", &["2026-03-08T03:00:00-04:00"]),
    (
        "America/New_York",
        "0,30 1 * * *",
        "2026-11-01T00:30",
        "2026-11-01T12:00",
        &["2026-11-01T01:00:00-04:00", "2026-11-01T01:30:00-04:00"],
    ),
    // Half an hour forward and back.
    (
        "Australia/Lord_Howe",
        "15 2 * * *",
        "2026-10-03T12:00",
        "2026-10-05T12:00",
        &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"],
    ),
    (
        "Australia/Lord_Howe",
        "45 1 * * *",
        "2026-04-04T12:00",
        "2026-04-06T12:00",
        &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
    ),
    // Midnight itself is not there, or comes twice.
    (
        "America/Sao_Paulo",
        "0 0 * * *",
        "2018-11-03T12:00",
        "2018-11-05T12:00",
        &["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"],
    ),
    (
        "America/Sao_Paulo",
        "30 23 * * *",
        "2019-02-16T12:00",
        "2019-02-18T12:00",
        &["2019-02-16T23:30:00-02:00", "2019-02-17T23:30:00-03:00"],
    ),
    // A whole day is not there.
    (
        "Pacific/Apia",
        "0 7 * * *",
        "2011-12-29T00:00",
        "2011-12-31T12:00",
        &["2011-12-29T07:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T07:00:00+14:00"],
    ),
    // Summer is the usual time, and the clocks go back for Ramadan and forward after it.
    (
        "Africa/Casablanca",
        "30 2 * * *",
        "2026-02-14T12:00",
        "2026-02-16T12:00",
        &["2026-02-15T02:30:00+01:00", "2026-02-16T02:30:00+00:00"],
    ),
    (
        "Africa/Casablanca",
        "30 2 * * *",
        "2026-03-21T12:00",
        "2026-03-23T12:00",
        &["2026-03-22T03:00:00+01:00", "2026-03-23T02:30:00+01:00"],
    ),
    // Nothing is moved.
    (
        "Asia/Kolkata",
        "0 7 * * 1-5",
        "2026-03-27T00:00",
        "2026-03-31T00:00",
        &["2026-03-27T07:00:00+05:30", "2026-03-30T07:00:00+05:30"],
    ),
];

#[tokio::test]
async fn schedules_fire_exactly_where_clocks_are_moved() {
    for (zone, rule, from, until, expected) in TRANSITIONS {
        let world = World::at(&format!("{from}:00[{zone}]")).await;
        world.ok(&["schedule", "add", rule, "--tz", zone, "--overlap", "--", "create", "work"]).await;
        world.run_until(&format!("{until}:00[{zone}]")).await;
        assert_eq!(world.fired("s1").await, *expected, "{rule} in {zone}");
        assert_eq!(world.query("SELECT id FROM tasks").len(), expected.len(), "{rule} in {zone}: one task each");
    }
}

/// What becomes of `0 * * * *` where a gateway saw 10:00, and the next one looks at this time.
#[tokio::test]
async fn times_that_passed_without_a_gateway_follow_the_policy() {
    let fired = |hour: &str| (format!("2026-05-01T{hour}:00:00+00:00"), "fired".to_owned());
    let skipped = |hour: &str| (format!("2026-05-01T{hour}:00:00+00:00"), "skipped".to_owned());
    let cases = [
        ("skip", "13:30:00", vec![fired("10"), skipped("13"), fired("14")]),
        ("skip", "13:00:40", vec![fired("10"), fired("13"), fired("14")]),
        ("once", "13:30:00", vec![fired("10"), fired("13"), fired("14")]),
        ("once", "13:00:40", vec![fired("10"), fired("13"), fired("14")]),
        ("all", "13:30:00", vec![fired("10"), fired("11"), fired("12"), fired("13"), fired("14")]),
        ("all", "10:59:00", vec![fired("10"), fired("11"), fired("12"), fired("13"), fired("14")]),
    ];
    for (policy, back, expected) in cases {
        let world = World::at("2026-05-01T09:30:00Z").await;
        let options = ["schedule", "add", "0 * * * *", "--tz", "UTC", "--missed", policy, "--overlap"];
        world.ok(&[&options[..], &["--", "create", "work"]].concat()).await;
        world.run_until("2026-05-01T10:10:00Z").await;
        world.set(&format!("2026-05-01T{back}Z"));
        world.run_until("2026-05-01T14:20:00Z").await;
        assert_eq!(world.firings("s1").await, expected, "{policy}, back at {back}");
    }
    // A year of a rule that fires each minute: one for all, and not for long.
    let world = World::at("2025-05-01T09:30:00Z").await;
    world.ok(&["schedule", "add", "* * * * *", "--tz", "UTC", "--", "create", "work"]).await;
    world.set("2026-05-01T09:30:30Z");
    world.look().await;
    assert_eq!(world.fired("s1").await, ["2026-05-01T09:30:00+00:00"]);
    assert_eq!(world.query("SELECT id FROM tasks").len(), 1);
}

#[tokio::test]
async fn what_is_made_up_for_runs_one_after_the_other() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    world.ok(&["schedule", "add", "0 * * * *", "--tz", "UTC", "--missed", "all", "--", "create", "work"]).await;
    world.set("2026-05-01T12:30:00Z");
    world.look().await;
    assert_eq!(world.fired("s1").await.len(), 3);
    let links = world.query(
        "SELECT parent.nominal || '>' || child.nominal FROM links JOIN firings parent ON parent.task_id = parent_id \
         JOIN firings child ON child.task_id = child_id ORDER BY 1",
    );
    let hour = |hour: &str| millis(&format!("2026-05-01T{hour}:00:00Z"));
    assert_eq!(links, [format!("{}>{}", hour("10"), hour("11")), format!("{}>{}", hour("11"), hour("12"))]);
}

#[tokio::test]
async fn a_clock_that_is_put_back_or_leaps_fires_nothing_twice_and_stops_nothing() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    world.ok(&["schedule", "add", "0 * * * *", "--tz", "UTC", "--overlap", "--", "create", "work"]).await;
    world.run_until("2026-05-01T11:10:00Z").await;
    world.set("2026-05-01T09:40:00Z");
    world.run_until("2026-05-01T12:10:00Z").await;
    let hours = |hours: &[&str]| hours.iter().map(|hour| format!("2026-05-01T{hour}:00:00+00:00")).collect::<Vec<_>>();
    assert_eq!(world.fired("s1").await, hours(&["10", "11", "12"]));
    // A clock that was a year ahead for a moment.
    world.set("2027-05-01T12:10:00Z");
    world.look().await;
    world.set("2026-05-01T12:20:00Z");
    world.run_until("2026-05-01T14:10:00Z").await;
    let fired = world.fired("s1").await;
    assert_eq!(fired[..5], hours(&["10", "11", "12", "13", "14"]));
    assert_eq!(fired[5..], ["2027-05-01T12:00:00+00:00"]);
}

#[tokio::test]
async fn two_gateways_at_once_fire_a_time_once() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    world.ok(&["schedule", "add", "0 * * * *", "--tz", "UTC", "--overlap", "--", "create", "work"]).await;
    let boards = Boards::new(world.home.path(), Arc::default());
    let other = Desk { boards: boards.clone(), ..world.desk.clone() };
    let board = boards.get(&BoardSlug::default()).await.unwrap();
    for hour in 10..20 {
        world.set(&format!("2026-05-01T{hour}:00:01Z"));
        let (one, two) = tokio::join!(see_to_schedules(&world.desk, &world.board), see_to_schedules(&other, &board));
        one.unwrap();
        two.unwrap();
    }
    assert_eq!(world.fired("s1").await.len(), 10);
    assert_eq!(world.query("SELECT id FROM tasks").len(), 10);
}

/// What a kill undoes is what a fault at the same statement undoes: the transaction in which a time is acted on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firing_that_is_cut_short_at_any_statement_is_made_whole_at_the_next_look() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    assert_eq!(world.says("ann", "/kanban schedule add 0 * * * * --tz UTC --overlap — create work").await, 0);
    let conn = rusqlite::Connection::open(world.board.file()).unwrap();
    let tables = texts(&conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
    let (mut hour, mut cut) = (10, Vec::new());
    for table in &tables {
        for change in ["INSERT", "UPDATE", "DELETE"] {
            let before = dump(&conn);
            conn.execute_batch(&format!(
                "CREATE TRIGGER fault AFTER {change} ON {table} BEGIN SELECT RAISE(ABORT, 'fault'); END"
            ))
            .unwrap();
            world.time.store(millis("2026-05-01T00:00:01Z") + hour * 3_600_000, Ordering::SeqCst);
            world.look().await;
            let was_cut_short = dump(&conn) == before;
            conn.execute_batch("DROP TRIGGER fault").unwrap();
            if was_cut_short {
                cut.push(format!("{change} {table}"));
                world.look().await;
            }
            hour += 1;
            let fired = texts(&conn, "SELECT count(*), count(DISTINCT task_id), max(nominal) FROM firings");
            let count = hour - 10;
            let latest = millis("2026-05-01T00:00:00Z") + (hour - 1) * 3_600_000;
            assert_eq!(fired, [format!("{count}|{count}|{latest}")], "{change} {table}");
            assert_eq!(texts(&conn, "SELECT count(*) FROM tasks"), [count.to_string()], "{change} {table}");
        }
    }
    for statement in
        ["INSERT tasks", "INSERT events", "INSERT firings", "UPDATE schedules", "INSERT deliveries", "INSERT audit"]
    {
        assert!(cut.iter().any(|cut| cut == statement), "{statement} is not among {cut:?}");
    }
}

#[test]
fn a_gateway_that_is_killed_while_it_fires_loses_no_time_and_fires_none_twice() {
    let home = tempfile::tempdir().unwrap();
    let add = ["schedule", "add", "* * * * *", "--tz", "UTC", "--missed", "all", "--overlap", "--", "create", "work"];
    let (exit, said, notes) = kanban(home.path(), &add);
    assert_eq!(exit, 0, "{said}{notes}");
    let conn = board(home.path(), "default");
    // None ran for an hour and a half.
    conn.execute_batch("UPDATE schedules SET seen_until = seen_until - 5400000, next_at = 1").unwrap();
    let number = |query: &str| texts(&conn, query)[0].parse::<i64>().unwrap();
    let since = number("SELECT seen_until FROM schedules");
    let start = || {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_kanban"));
        gateway
            .arg("--home")
            .arg(home.path())
            .args(["up", "--console", "off"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        gateway.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let rounds = scaled(4, 40);
    let mut ends = Vec::new();
    for round in 0..=rounds {
        let mut gateway = start();
        let target = 90 * i64::try_from(round).unwrap() / i64::try_from(rounds).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while number("SELECT count(*) FROM firings") < target {
            assert!(std::time::Instant::now() < deadline, "round {round}: no more than {ends:?}");
            std::thread::yield_now();
        }
        gateway.kill().unwrap();
        gateway.wait().unwrap();
        ends.push(number("SELECT count(*) FROM firings"));
    }
    let minutes = texts(&conn, "SELECT nominal, outcome FROM firings ORDER BY nominal");
    let first = since - since % 60_000 + 60_000;
    let expected: Vec<_> =
        (0..).take(minutes.len()).map(|minute| format!("{}|fired", first + minute * 60_000)).collect();
    assert_eq!(minutes, expected, "each minute once");
    let tasks = number("SELECT count(*) FROM tasks");
    assert_eq!(number("SELECT count(DISTINCT task_id) FROM firings"), tasks);
    assert_eq!(usize::try_from(tasks).unwrap(), minutes.len());
    assert!(minutes.len() >= 90);
    report(&format!(
        "{} kills of a gateway while it fired, after {ends:?} firings: {tasks} times, each with one task",
        rounds + 1
    ));
}

#[tokio::test]
async fn a_schedule_waits_for_its_last_task_and_says_so_once() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    world.ok(&["schedule", "add", "0 * * * *", "--tz", "UTC", "--", "create", "work", "--assignee", "bot"]).await;
    world.run_until("2026-05-01T12:10:00Z").await;
    let outcomes: Vec<_> = world.firings("s1").await.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["fired", "skipped", "skipped"]);
    assert_eq!(world.query("SELECT kind FROM events WHERE kind = 'firing_skipped'").len(), 1);
    let shown = world.ok(&["schedule", "show", "s1"]).await;
    assert!(shown.contains("is not final: it is ready"), "{shown}");
    let (exit, said) = world.run(&["schedule", "run", "s1"]).await;
    assert!(exit == 1 && said.contains("kanban schedule run s1 --overlap"), "{said}");
    world.finish_all().await;
    world.run_until("2026-05-01T13:10:00Z").await;
    assert_eq!(world.fired("s1").await.len(), 2);
    world.ok(&["schedule", "run", "s1", "--overlap"]).await;
    assert_eq!(world.fired("s1").await.len(), 3);

    world.ok(&["schedule", "pause", "s1"]).await;
    assert_eq!(world.run(&["schedule", "pause", "s1"]).await.0, 1);
    world.finish_all().await;
    world.run_until("2026-05-01T16:30:00Z").await;
    world.ok(&["schedule", "resume", "s1"]).await;
    world.run_until("2026-05-01T17:30:00Z").await;
    assert_eq!(world.fired("s1").await.last().unwrap(), "2026-05-01T17:00:00+00:00");
    assert_eq!(world.fired("s1").await.len(), 4, "what passed while it was paused was not missed");
    world.ok(&["schedule", "rm", "s1"]).await;
    assert!(world.run(&["schedule", "show", "s1"]).await.1.contains("there is no schedule s1"));
    assert_eq!(world.look().await, None);
}

#[tokio::test]
async fn a_schedule_of_a_chat_fires_with_what_its_maker_may_do_then() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    let add =
        "/kanban schedule add 0 * * * * --tz UTC --overlap — create “mend it” --assignee bot\nwith care\nand --soon";
    assert_eq!(world.says("ann", add).await, 0);
    world.run_until("2026-05-01T10:10:00Z").await;
    assert_eq!(
        world.query("SELECT title || '/' || body || '/' || created_by FROM tasks"),
        ["mend it/with care\nand --soon/fake:ann"]
    );
    assert_eq!(
        world.query("SELECT event FROM deliveries WHERE event = 'card'").len(),
        1,
        "its thread is shown the task"
    );
    assert_eq!(world.query("SELECT channel FROM watches JOIN threads ON threads.id = thread_id"), ["ops"]);

    // The profile is gone: that is told once, and the schedule goes on by itself when it is back.
    world.resettle(&SETTINGS.replace("profiles.bot", "profiles.other"));
    world.run_until("2026-05-01T12:10:00Z").await;
    let told = || world.query("SELECT post FROM deliveries WHERE post LIKE '%could not make its task%'");
    assert_eq!(told().len(), 1, "{:?}", told());
    assert!(told()[0].contains("bot"), "{:?}", told());
    assert!(world.ok(&["schedule", "list"]).await.contains("failing: "));
    world.resettle(SETTINGS);
    world.run_until("2026-05-01T13:10:00Z").await;
    assert!(!world.ok(&["schedule", "list"]).await.contains("failing: "));

    // So are its maker's rights.
    world.resettle(&SETTINGS.replace("\"fake:ann\", ", ""));
    world.run_until("2026-05-01T14:10:00Z").await;
    assert_eq!(told().len(), 2);
    assert!(told()[1].contains("fake:ann, who made this schedule, has no role here any more"), "{:?}", told());
    let outcomes: Vec<_> = world.firings("s1").await.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["fired", "refused", "refused", "fired", "refused"]);
    world.resettle(SETTINGS);

    // Others may look; whoever made it may change it, and whoever steers the board.
    assert_eq!(world.says("eve", "/kanban schedule list").await, 0);
    assert_eq!(world.says("eve", "/kanban schedule add @daily -- create x").await, 1);
    assert_eq!(world.says("bob", "/kanban schedule pause s1").await, 1);
    assert_eq!(world.says("ann", "/kanban schedule pause s1").await, 0);
    assert_eq!(world.says("owner", "/kanban schedule rm 1").await, 0);
}

#[tokio::test]
async fn whoever_has_a_schedule_on_a_board_that_is_removed_is_told_so() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    world.ok(&["boards", "create", "shop"]).await;
    assert_eq!(world.says("ann", "/kanban schedule add @daily --board shop -- create sweep the floor").await, 0);
    world.ok(&["boards", "rm", "shop"]).await;
    let told = world.query("SELECT post FROM deliveries WHERE post LIKE '%has ended%'");
    assert!(told.len() == 1 && told[0].contains("create sweep the floor"), "{told:?}");
}

#[tokio::test]
async fn what_makes_no_schedule_is_refused_with_what_would() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    let cases: &[(&[&str], &str)] = &[
        (&["schedule", "add", "61 * * * *", "--", "create", "x"], "is no cron rule"),
        (&["schedule", "add", "* * * *", "--", "create", "x"], "it has 4 fields"),
        (&["schedule", "add", "0 0 30 2 *", "--", "create", "x"], "never comes"),
        (&["schedule", "add", "@daily", "--tz", "Mars/Olympus", "--", "create", "x"], "is no time zone"),
        (&["schedule", "add", "@daily", "--", "list"], "runs `create` alone"),
        (&["schedule", "add", "@daily", "--", "create", "x", "--assignee", "nobody-here"], "nobody-here"),
        (&["schedule", "add", "@daily", "--", "create", "x", "--at", "1795358248"], "leave it out"),
        (&["schedule", "add", "@daily", "--", "create", "x", "--board", "other"], "--board other schedule add"),
        (&["schedule", "add", "@daily", "--"], "COMMAND"),
        (&["schedule", "show", "s9"], "there is no schedule s9"),
        (&["schedule", "show", "x"], "is no schedule"),
    ];
    for (words, expected) in cases {
        let (exit, said) = world.run(words).await;
        assert!(exit != 0 && said.contains(expected), "{words:?}: {said}");
    }
    assert!(world.query("SELECT rule FROM schedules").is_empty());
    // The verb that puts tasks aside is what it was.
    let task = world.json(&["create", "later"]).await["id"].as_str().unwrap().to_owned();
    world.ok(&["schedule", &task, "--in", "2h", "--reason", "the weather"]).await;
    assert_eq!(world.query("SELECT status FROM tasks"), ["scheduled"]);
}

#[tokio::test]
async fn a_swarm_is_one_transaction_and_known_by_its_key() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    let words = [
        "swarm",
        "find the leak",
        "--worker",
        "bot:search the attic",
        "--worker",
        "bot:search the cellar",
        "--verifier",
        "bot",
        "--synthesizer",
        "bot",
        "--body",
        "it drips",
        "--idempotency-key",
        "leak",
    ];
    let made = world.json(&words).await;
    let again = world.json(&words).await;
    assert_eq!(made, again);
    let told = world.ok(&words).await;
    assert!(
        told.starts_with("Exists already: swarm t_") && told.contains(made["synthesizer_id"].as_str().unwrap()),
        "{told}"
    );
    let rows = world.query("SELECT title || ' ' || status FROM tasks ORDER BY rowid");
    assert_eq!(
        rows,
        [
            "find the leak done",
            "search the attic ready",
            "search the cellar ready",
            "Check: find the leak todo",
            "Result: find the leak todo",
        ]
    );
    let links = world.query(
        "SELECT parent.title || ' > ' || child.title FROM links JOIN tasks parent ON parent.id = parent_id \
         JOIN tasks child ON child.id = child_id ORDER BY child.rowid, parent.rowid",
    );
    assert_eq!(
        links,
        [
            "find the leak > search the attic",
            "find the leak > search the cellar",
            "search the attic > Check: find the leak",
            "search the cellar > Check: find the leak",
            "search the attic > Result: find the leak",
            "search the cellar > Result: find the leak",
            "Check: find the leak > Result: find the leak",
        ]
    );
    // One part that cannot be made unmakes all of it.
    let (exit, said) =
        world.run(&["swarm", "x", "--worker", "bot", "--worker", "nobody-here", "--synthesizer", "bot"]).await;
    assert!(exit == 1 && said.contains("nobody-here"), "{said}");
    let (exit, said) = world.run(&["swarm", "x", "--worker", "bot", "--synthesizer", "bot", "--quorum", "2"]).await;
    assert!(exit == 1 && said.contains("--quorum 2"), "{said}");
    assert_eq!(world.query("SELECT id FROM tasks").len(), 5);

    // With a quorum, whoever makes one of it waits for the check alone.
    let made = world
        .json(&[
            "swarm",
            "vote",
            "--worker",
            "bot",
            "--worker",
            "bot",
            "--verifier",
            "bot",
            "--synthesizer",
            "bot",
            "--quorum",
            "1",
        ])
        .await;
    let parents = world
        .query(&format!("SELECT parent_id FROM links WHERE child_id = '{}'", made["synthesizer_id"].as_str().unwrap()));
    assert_eq!(parents, [made["verifier_id"].as_str().unwrap()]);
    assert_eq!(world.query("SELECT task_id FROM quorums"), parents);
}

#[tokio::test]
async fn triage_goes_to_the_orchestrator_when_somebody_asks() {
    let world = World::at("2026-05-01T09:30:00Z").await;
    let task = async |title: &str| {
        let made = world.json(&["create", title, "--triage", "--assignee", "bot"]).await;
        made["id"].as_str().unwrap().to_owned()
    };
    let vague = task("make it nicer").await;
    let (exit, said) = world.run(&["specify", &vague]).await;
    assert!(exit == 1 && said.contains("orchestrator = \"claude\""), "{said}");
    world.resettle(&format!("[dispatch]\norchestrator = \"chief\"\n{SETTINGS}[profiles.chief]\ncommand = [\"true\"]\nscope = \"orchestrator\"\n"));
    let said = world.ok(&["specify", &vague]).await;
    let status = |id: &str| world.query(&format!("SELECT status || ' ' || assignee FROM tasks WHERE id = '{id}'"));
    assert_eq!(status(&vague), ["todo bot"], "{said}");
    assert_eq!(
        world.query("SELECT assignee || ' ' || status FROM tasks WHERE title LIKE 'Specify %'"),
        ["chief ready"]
    );
    let first = said.split_whitespace().next().unwrap();
    world.ok(&["complete", first, "--summary", "the button, blue, by noon"]).await;
    assert_eq!(status(&vague), ["ready bot"]);
    assert!(world.ok(&["context", &vague]).await.contains("> the button, blue, by noon"));

    let large = task("build the house").await;
    world.ok(&["decompose", &large]).await;
    assert_eq!(status(&large), ["ready chief"]);
    assert!(world.ok(&["context", &large]).await.contains("Split this task into smaller ones"));
    let (exit, said) = world.run(&["decompose", &large]).await;
    assert!(exit == 1 && said.contains("only what lies in triage"), "{said}");
}
