//! Who may do what: the matrix of verbs, roles and roads, grants with scopes, private boards, tenants, pairing, the audit
//! and what is taken out of texts, all through the gateway as platforms call it.

#![expect(clippy::unwrap_used, reason = "a test fails where it is surprised")]

#[path = "access/orchestrator.rs"]
mod orchestrator;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use kanban_fakes::FakePlatform;
use kanban_gateway::{
    board::{
        Actor, Board, BoardSlug, Boards, TaskId,
        button::{Deed, Offer},
        create::NewTask,
        delivery::Answer,
        finish::HandOff,
        review::Wanted,
        thread::Following,
    },
    clock::Clock,
    command::{Caller, Desk, Place, SharedSettings, from_words, spec},
    gateway::Gateway,
    notifier::{Notifier, Platforms},
    settings::{Environment, Role, Settings},
};
use kanban_platform::{Author, Block, Commands, Field, Input, Kind, Platform, Receipt, Request, Spec, Surface, Thread};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const ROLES: [&str; 5] = ["stranger", "guest", "member", "operator", "owner"];

const SETTINGS: &str = "[access]\nowners = [\"fake:owner\"]\n[access.roles]\noperator = [\"fake:operator\"]\n\
                        member = [\"fake:member\"]\nguest = [\"fake:guest\"]\n";

/// A gateway as platforms see it, and what it answers.
struct House {
    _home: TempDir,
    boards: Boards,
    board: Board,
    desk: Desk,
    gateway: Gateway,
    time: Arc<AtomicI64>,
    updates: AtomicU32,
}

/// What somebody was answered.
struct Told {
    exit: u8,
    text: String,
    private: bool,
}

impl House {
    async fn new(settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("kanban.toml"), settings).unwrap();
        let environment = Environment::default();
        let settings = Settings::load(home.path(), &environment).unwrap();
        let boards = Boards::new(home.path(), Arc::default());
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        let time = Arc::new(AtomicI64::new(1_800_000_000_000));
        let clock = Clock::new({
            let time = Arc::clone(&time);
            move || time.load(Ordering::SeqCst)
        });
        let desk = Desk {
            boards: boards.clone(),
            settings: SharedSettings::new(settings),
            environment: Arc::new(environment),
            clock,
            gateway: None,
        };
        let gateway = Gateway::new(desk.clone());
        Self { _home: home, boards, board, desk, gateway, time, updates: AtomicU32::new(0) }
    }

    fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    async fn board(&self, slug: &str) -> Board {
        self.boards.create(&slug.parse().unwrap(), self.now()).await.unwrap().0
    }

    async fn task(&self, board: &Board, title: &str, tenant: Option<&str>) -> TaskId {
        let new = NewTask { title: title.to_owned(), tenant: tenant.map(str::to_owned), ..NewTask::default() };
        let mut tx = board.write().await.unwrap();
        let task = tx.create(&somebody(), "fake:owner", new, self.now()).await.unwrap().task;
        tx.commit().await.unwrap();
        task.id
    }

    /// Hands in the work of a task.
    async fn hand_in(&self, task: &TaskId) {
        let mut tx = self.board.write().await.unwrap();
        let hand_off = HandOff::default();
        tx.request_review(&Actor::Gateway, task, &hand_off, &Wanted::Person, self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What a person does somewhere, and what they are answered.
    async fn does(&self, who: &Author, place: &Thread, input: Input, reply_to: Option<&str>) -> Told {
        let number = self.updates.fetch_add(1, Ordering::SeqCst);
        let request = Request {
            update: format!("u{number}"),
            author: who.clone(),
            thread: place.clone(),
            input,
            message: None,
            reply_to: reply_to.map(str::to_owned),
            is_channel: false,
            addressed: true,
            // A silent answer is told then too.
            return_address: Some("here".to_owned()),
            files: Vec::new(),
        };
        let receipt = self.gateway.handle(request).await;
        self.told(&receipt)
    }

    async fn says(&self, who: &str, text: &str) -> Told {
        self.does(&author(who), &place("ops"), Input::Text(text.to_owned()), None).await
    }

    /// The first post that a receipt names: the answer.
    fn told(&self, receipt: &Receipt) -> Told {
        let Some(key) = receipt.deliveries.first() else {
            return Told { exit: receipt.exit, text: String::new(), private: false };
        };
        let (uid, number) = key.rsplit_once('-').unwrap();
        let boards = std::fs::read_dir(self.boards.home().join("boards")).unwrap();
        let database = boards
            .filter_map(|entry| rusqlite::Connection::open(entry.unwrap().path().join("board.db")).ok())
            .find(|database| {
                let found = "SELECT value FROM meta WHERE key = 'uid'";
                database.query_row(found, [], |row| row.get::<_, String>(0)).is_ok_and(|found| found == uid)
            })
            .unwrap();
        let post: String =
            database.query_row("SELECT post FROM deliveries WHERE id = ?1", [number], |row| row.get(0)).unwrap();
        let post: serde_json::Value = serde_json::from_str(&post).unwrap();
        let body: Vec<Block> = serde_json::from_value(post["body"].clone()).unwrap();
        let text = body.iter().map(Block::text).collect::<Vec<_>>().join("\n");
        Told { exit: receipt.exit, text, private: post["private"] == true }
    }

    /// A message of ours with one button that stands for these words; answers the message's id.
    async fn button(&self, place: &Thread, words: &[String]) -> String {
        let number = self.updates.fetch_add(1, Ordering::SeqCst);
        let answer = Answer {
            body: vec![Block::Text("press".to_owned())],
            private: false,
            task: None,
            event: None,
            actions: vec![Offer::new("Go", Deed::Run(words.to_vec()))],
            prompts: false,
        };
        let mut tx = self.board.write().await.unwrap();
        let key = tx.owe_reply(place, &format!("b{number}"), None, answer, self.now()).await.unwrap();
        let delivery: i64 = key.rsplit('-').next().unwrap().parse().unwrap();
        let message = format!("m{number}");
        tx.delivery_sent(delivery, &message, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        message
    }

    /// A blocked task whose question this thread was told; answers the message's id.
    async fn question(&self, board: &Board, place: &Thread, task: &TaskId) -> String {
        let mut tx = board.write().await.unwrap();
        let following = Following { task: Some(task.clone()), ..Following::default() };
        tx.watch(place, &following, None, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        let terminal = Caller::new(somebody(), Role::Owner, Place::Terminal { folder: "/".into() });
        let words = ["--board", board.slug().as_str(), "block", task.as_str(), "which?", "--kind", "needs_input"];
        let command = from_words(&words.map(str::to_owned), Surface::Internal).unwrap();
        let outcome = self.desk.run(&terminal, &command, None).await;
        assert_eq!(outcome.reply.exit, 0, "{}", outcome.reply.notes);
        let database = rusqlite::Connection::open(board.file()).unwrap();
        let delivery: i64 = database
            .query_row(
                "SELECT max(id) FROM deliveries WHERE task_id = ?1 AND event = 'blocked'",
                [task.as_str()],
                |row| row.get(0),
            )
            .unwrap();
        let message = format!("q{}", self.updates.fetch_add(1, Ordering::SeqCst));
        let mut tx = board.write().await.unwrap();
        tx.delivery_sent(delivery, &message, self.now()).await.unwrap();
        tx.commit().await.unwrap();
        message
    }

    async fn proposed(&self, who: &Author, place: &Thread, kind: Kind, board: Option<&str>) -> Vec<String> {
        let field = Field {
            kind,
            typed: String::new(),
            author: who.clone(),
            thread: place.clone(),
            board: board.map(str::to_owned),
        };
        self.gateway.suggest(&field).await.into_iter().map(|suggestion| suggestion.value).collect()
    }

    /// A command of the host's owner.
    async fn host(&self, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let terminal =
            Caller::new(Actor::Person { name: "host".to_owned() }, Role::Owner, Place::Terminal { folder: "/".into() });
        let reply = self.desk.run(&terminal, &from_words(&words, Surface::Internal).unwrap(), None).await.reply;
        assert_eq!(reply.exit, 0, "{line}: {}", reply.notes);
        reply.text
    }
}

fn somebody() -> Actor {
    Actor::Person { name: "fake:owner".to_owned() }
}

fn author(id: &str) -> Author {
    Author { platform: "fake".to_owned(), id: id.to_owned(), name: id.to_owned(), groups: Vec::new() }
}

fn place(channel: &str) -> Thread {
    Thread { platform: "fake".to_owned(), space: "s1".to_owned(), channel: channel.to_owned(), thread: None }
}

struct Row {
    verb: String,
    call: String,
    roads: Vec<String>,
    cells: Vec<bool>,
}

fn matrix() -> Vec<Row> {
    let rows = include_str!("access/matrix.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [verb, call, roads, cells] = parts[..] else { panic!("four parts are expected: {line}") };
        let cells: Vec<bool> = cells
            .split_whitespace()
            .map(|cell| match cell {
                "x" => true,
                "-" => false,
                _ => panic!("`{cell}` is neither `x` nor `-`: {line}"),
            })
            .collect();
        assert_eq!(cells.len(), ROLES.len(), "{line}");
        let roads = roads.split_whitespace().map(str::to_owned).collect();
        Row { verb: verb.to_owned(), call: call.to_owned(), roads, cells }
    })
    .collect()
}

/// Every verb that does something, as it is typed.
fn declared(spec: &Spec, above: &str) -> BTreeSet<String> {
    let mut verbs = BTreeSet::new();
    for verb in &spec.verbs {
        let name = format!("{above}{}", verb.name);
        let does_something = verb.verbs.is_empty() || verb.args.iter().any(|arg| arg.positional);
        verbs.extend(declared(verb, &format!("{name} ")));
        if does_something {
            verbs.insert(name);
        }
    }
    verbs
}

#[test]
fn every_verb_has_a_row_and_every_row_a_verb() {
    let rows: BTreeSet<String> = matrix().into_iter().map(|row| row.verb).collect();
    let verbs = declared(spec(), "");
    let missing: Vec<_> = verbs.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&verbs).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "tests/access/matrix.txt has no row for {missing:?}, and rows without a verb for {unknown:?}"
    );
    for row in matrix() {
        let carries = |road: &str| row.roads.iter().any(|carried| carried == road);
        // A button names its task's board, and no post of ours has one that shows or sets what is in force in a place.
        let roads = if row.verb == "here" { &["slash", "text"][..] } else { &["slash", "text", "button", "form"] };
        assert!(roads.iter().all(|road| carries(road)), "{}: a road is missing", row.verb);
    }
}

#[tokio::test]
async fn every_verb_is_let_through_or_refused_as_the_table_says() {
    let mut wrong = Vec::new();
    for row in matrix() {
        // Each row has a house of its own, since an owner may pause, remove and hide what the next row needs.
        let house = House::new(SETTINGS).await;
        for (role, expected) in ROLES.iter().zip(&row.cells) {
            for road in &row.roads {
                let got = is_let_through(&house, &row, role, road).await;
                if got != *expected {
                    wrong.push(format!("{role} {} `{}` by {road}", if got { "may" } else { "may not" }, row.call));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn is_let_through(house: &House, row: &Row, role: &str, road: &str) -> bool {
    let who = match role {
        // Only the first message of a stranger is answered.
        "stranger" => author(&format!("stranger-{}", house.updates.fetch_add(1, Ordering::SeqCst))),
        role => author(role),
    };
    let ops = place("ops");
    let mut words = Vec::new();
    let mut blocked = None;
    for word in row.call.split_whitespace() {
        words.push(match word {
            "TASK" | "BLOCKED" | "PARENT" | "CHILD" | "REVIEWED" => {
                let task = house.task(&house.board, "a task", None).await;
                if word == "REVIEWED" {
                    house.hand_in(&task).await;
                }
                if word == "BLOCKED" {
                    blocked = Some((house.question(&house.board, &ops, &task).await, task.clone()));
                }
                task.to_string()
            }
            word => word.to_owned(),
        });
    }
    let press = |message: String, form: Option<&str>| Input::Press {
        message,
        button: "Go".to_owned(),
        words: form.map(str::to_owned),
    };
    let told = match road {
        "slash" => house.does(&who, &ops, Input::Words(words), None).await,
        "text" => house.does(&who, &ops, Input::Text(format!("/kanban {}", words.join(" "))), None).await,
        "button" => {
            let message = house.button(&ops, &words).await;
            house.does(&who, &ops, press(message, None), None).await
        }
        "form" => {
            let message = house.button(&ops, &words).await;
            house.does(&who, &ops, press(message, Some("words")), None).await
        }
        "reply" => {
            let (message, _) = blocked.unwrap();
            house.does(&who, &ops, Input::Text("the blue one".to_owned()), Some(&message)).await
        }
        "autocomplete" => {
            house.task(&house.board, "a task", None).await;
            let kind = if row.verb == "boards list" { Kind::Board } else { Kind::Task };
            return !house.proposed(&who, &ops, kind, None).await.is_empty();
        }
        road => panic!("the table names an unknown road `{road}`"),
    };
    let refused = [
        "you are not known here",
        "your role is",
        // What the terminal alone has is no command in a chat.
        "works on the command line alone",
        "is no command",
        "in a terminal",
        "unknown verb",
    ];
    let is_refused = told.text.is_empty() || refused.iter().any(|sentence| told.text.contains(sentence));
    assert!(!is_refused || (told.exit != 0 && told.private), "{role} {road} {}: {}", row.call, told.text);
    !is_refused
}

#[tokio::test]
async fn a_grant_holds_where_it_says_and_for_whom_it_says() {
    let house = House::new(
        "[access]\nowners = [\"fake:owner\"]\n\
         [[access.grants]]\nwho = \"fake:role/99\"\nrole = \"member\"\n\
         [[access.grants]]\nwho = \"fake:channel/den\"\nrole = \"member\"\n\
         [[access.grants]]\nwho = \"fake:ann\"\nrole = \"operator\"\nchannel = \"ops\"\nboard = \"shop\"\n\
         [[access.grants]]\nwho = \"fake:bob\"\nrole = \"guest\"\nspace = \"s2\"\n\
         [[access.grants]]\nwho = \"fake:eve\"\nrole = \"guest\"\nplatform = \"fake.acme\"\n",
    )
    .await;
    house.board("shop").await;
    let create = |words: &str| Input::Text(format!("/kanban create {words}"));
    let ok = async |who: &Author, at: &Thread, input: Input| house.does(who, at, input, None).await;

    let grouped = Author { groups: vec!["role/99".to_owned()], ..author("gus") };
    assert_eq!(ok(&grouped, &place("ops"), create("one")).await.exit, 0);
    assert!(ok(&author("gus"), &place("ops"), create("one")).await.text.contains("not known here"));
    // A name that looks like a group is no group.
    assert!(ok(&author("role/99"), &place("ops"), create("one")).await.text.contains("not known here"));
    assert_eq!(ok(&author("dan"), &place("den"), create("two")).await.exit, 0);
    assert!(ok(&author("dan"), &place("ops"), create("two")).await.text.contains("not known here"));

    let ann = author("ann");
    assert_eq!(ok(&ann, &place("ops"), create("three --board shop")).await.exit, 0);
    let told = ok(&ann, &place("ops"), create("three")).await;
    assert!(told.text.contains("you have no role on board 'default'") && told.private, "{}", told.text);
    assert!(ok(&ann, &place("den2"), create("three --board shop")).await.text.contains("not known here"));
    let told = ok(&ann, &place("ops"), Input::Text("/kanban dispatch pause".to_owned())).await;
    assert!(told.text.contains("holds for a part of the boards alone"), "{}", told.text);

    let far = Thread { space: "s2".to_owned(), ..place("ops") };
    assert_eq!(ok(&author("bob"), &far, Input::Text("/kanban list".to_owned())).await.exit, 0);
    assert!(ok(&author("bob"), &place("ops"), Input::Text("/kanban list".to_owned())).await.exit == 1);
    let acme = Thread { platform: "fake.acme".to_owned(), ..place("ops") };
    assert_eq!(ok(&author("eve"), &acme, Input::Text("/kanban list".to_owned())).await.exit, 0);
    assert_eq!(ok(&author("eve"), &place("ops"), Input::Text("/kanban list".to_owned())).await.exit, 1);
}

#[tokio::test]
async fn a_role_of_a_place_decides_over_that_place_alone() {
    let house = House::new(
        "[access]\n[[access.grants]]\nwho = \"fake:ann\"\nrole = \"owner\"\nchannel = \"ops\"\n\
         [[access.grants]]\nwho = \"fake:channel/ops\"\nrole = \"operator\"\n\
         [[access.grants]]\nwho = \"fake:zoe\"\nrole = \"owner\"\nspace = \"s1\"\n",
    )
    .await;
    for who in ["ann", "dan", "zoe"] {
        for command in ["dispatch pause", "here --tenant acme --space", "here --board default --space"] {
            let told = house.says(who, &format!("/kanban {command}")).await;
            assert!(
                told.exit == 1 && told.text.contains("holds in this place alone"),
                "{who} {command}: {}",
                told.text
            );
        }
        for command in ["here --tenant acme", "here --board default", "agent off", "here", "here off", "create x"] {
            let told = house.says(who, &format!("/kanban {command}")).await;
            assert_eq!(told.exit, 0, "{who} {command}: {}", told.text);
        }
    }
    for who in ["ann", "zoe"] {
        for command in ["access grant fake:ann owner", "settings show", "audit", "boards create mine"] {
            let told = house.says(who, &format!("/kanban {command}")).await;
            assert!(
                told.exit == 1 && told.text.contains("holds in this place alone"),
                "{who} {command}: {}",
                told.text
            );
        }
    }
    let den = house.board("den").await;
    house.host("boards private den on").await;
    let secret = house.task(&den, "a secret", None).await;
    let hidden = house.says("ann", &format!("/kanban show {secret} --board den")).await;
    let missing = house.says("ann", &format!("/kanban show {secret} --board nil")).await;
    assert_eq!((hidden.exit, hidden.text.replace("den", "nil")), (1, missing.text));
}

#[tokio::test]
async fn a_place_without_a_space_sets_nothing_for_every_other() {
    let house = House::new(SETTINGS).await;
    let alone = Thread { space: String::new(), ..place("dm") };
    let set = Input::Text("/kanban here --tenant acme --space".to_owned());
    let told = house.does(&author("owner"), &alone, set, None).await;
    assert!(told.exit == 1 && told.text.contains("no server or workspace"), "{}", told.text);
}

#[tokio::test]
async fn a_path_out_of_reach_is_refused_in_the_same_words_whether_or_not_it_is_there() {
    let root = tempfile::tempdir().unwrap();
    let house = House::new(&format!("{SETTINGS}[workspaces]\nroots = [\"{}\"]\n", root.path().display())).await;
    for kind in ["dir", "worktree"] {
        let mut answers = BTreeSet::new();
        for path in ["/etc", "/etc/passwd", "/etc/passwd/x", "/no/such/place", "/proc/self/cwd"] {
            let told = house.says("member", &format!("/kanban create x --workspace {kind}:{path}")).await;
            assert_eq!(told.exit, 1, "{kind}:{path}: {}", told.text);
            answers.insert(told.text.replace(path, "PATH"));
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
}

#[tokio::test]
async fn a_private_board_is_not_told_of_by_what_is_set_in_a_place() {
    let house = House::new(SETTINGS).await;
    house.board("den").await;
    house.host("boards private den on").await;
    let hidden = house.says("operator", "/kanban here --board den").await;
    let missing = house.says("operator", "/kanban here --board nil").await;
    assert_eq!((hidden.exit, hidden.text.replace("den", "nil")), (missing.exit, missing.text));
    assert_eq!(house.says("owner", "/kanban here --board den").await.exit, 0);
    for command in ["here", "list", "create x", "show t_00000000", "here --tenant acme", "boards list", "watches"] {
        let told = house.says("operator", &format!("/kanban {command}")).await;
        assert!(!told.text.is_empty() && !told.text.contains("den"), "{command}: {}", told.text);
    }
    let told = house.says("member", "/kanban list").await;
    assert!(told.exit == 1 && told.text.contains("is not open to you"), "{}", told.text);
    assert!(house.says("owner", "/kanban here").await.text.contains("`den`"));
}

#[tokio::test]
async fn grants_are_given_and_taken_back_while_the_gateway_runs() {
    let house = House::new(SETTINGS).await;
    assert!(house.says("zoe", "/kanban list").await.text.contains("not known here"));
    assert_eq!(house.says("owner", "/kanban access grant fake:zoe member").await.exit, 0);
    assert_eq!(house.says("zoe", "/kanban create a thing").await.exit, 0);
    let listed = house.host("access list").await;
    assert!(listed.contains("member    fake:zoe  everywhere  (fake:owner"), "{listed}");
    let told = house.says("owner", "/kanban access grant fake:* member").await;
    assert!(told.exit == 1 && told.text.contains("everybody can only be `guest`"), "{}", told.text);
    // Another role for the same places takes the place of the first.
    house.host("access grant fake:zoe guest").await;
    assert!(house.says("zoe", "/kanban create a thing").await.text.contains("your role is guest"));
    assert_eq!(house.says("owner", "/kanban access revoke fake:zoe").await.exit, 0);
    assert_eq!(house.says("zoe", "/kanban list").await.exit, 1);
    let told = house.says("owner", "/kanban access revoke fake:member").await;
    assert!(told.exit == 1 && told.text.contains("by the settings"), "{}", told.text);
}

#[tokio::test]
async fn a_role_for_a_tenant_sees_and_changes_nothing_else() {
    let house = House::new(
        "[access]\nowners = [\"fake:owner\"]\n\
         [[access.grants]]\nwho = \"fake:ann\"\nrole = \"member\"\ntenant = \"acme\"\n",
    )
    .await;
    let ours = house.task(&house.board, "ours", Some("acme")).await;
    let theirs = house.task(&house.board, "theirs", Some("rival")).await;
    let nobodys = house.task(&house.board, "nobodys", None).await;
    for (verb, rest) in [("show", ""), ("why", ""), ("log", ""), ("comment", " hi"), ("complete", ""), ("watch", "")] {
        for hidden in [&theirs, &nobodys] {
            let told = house.says("ann", &format!("/kanban {verb} {hidden}{rest}")).await;
            let missing = house.says("ann", &format!("/kanban {verb} t_00000000{rest}")).await;
            assert_eq!(told.text.replace(hidden.as_str(), "ID"), missing.text.replace("t_00000000", "ID"), "{verb}");
            assert_eq!(told.exit, 1, "{verb}: {}", told.text);
        }
    }
    assert_eq!(house.says("ann", &format!("/kanban show {ours}")).await.exit, 0);
    let list = house.says("ann", "/kanban list").await.text;
    assert!(list.contains("ours") && !list.contains("theirs") && !list.contains("nobodys"), "{list}");
    assert_eq!(house.says("ann", "/kanban list --tenant rival").await.exit, 1);
    assert_eq!(house.says("ann", "/kanban stats").await.exit, 1);
    let made = house.says("ann", "/kanban create one more").await;
    assert_eq!(made.exit, 0, "{}", made.text);
    let list = house.host("list --tenant acme").await;
    assert!(list.contains("one more"), "{list}");
    assert_eq!(house.says("ann", &format!("/kanban link {theirs} {ours}")).await.exit, 1);
    // What comes before a task is told of as far as it may be looked at.
    let linked = house.task(&house.board, "after theirs", Some("acme")).await;
    house.host(&format!("link {theirs} {linked}")).await;
    let told = house.says("ann", &format!("/kanban why {linked}")).await.text;
    assert!(told.contains("1 that you may not look at") && !told.contains(theirs.as_str()), "{told}");
    house.host(&format!("complete {theirs} --summary their-secret")).await;
    for verb in ["show", "context", "why"] {
        let told = house.says("ann", &format!("/kanban {verb} {linked}")).await;
        let parents = told.text.split("Events (").next().unwrap();
        assert!(told.exit == 0 && !parents.contains(theirs.as_str()), "{verb}: {}", told.text);
        assert!(!told.text.contains("their-secret"), "{verb}: {}", told.text);
    }
    // Neither does a key of somebody else's task tell of it.
    let key = "--idempotency-key k1";
    let taken = house.says("owner", &format!("/kanban create their plan --tenant rival {key}")).await;
    assert_eq!(taken.exit, 0, "{}", taken.text);
    let told = house.says("ann", &format!("/kanban create mine {key}")).await;
    assert!(told.exit == 1 && told.text.contains("this key is taken"), "{}", told.text);
    assert!(!told.text.contains("t_") && !told.text.contains("their plan"), "{}", told.text);
    let proposed = house.proposed(&author("ann"), &place("ops"), Kind::Task, None).await;
    assert!(proposed.contains(&ours.to_string()) && !proposed.contains(&theirs.to_string()), "{proposed:?}");
    assert_eq!(house.proposed(&author("ann"), &place("ops"), Kind::Tenant, None).await, ["acme"]);
}

#[tokio::test]
async fn a_private_board_is_not_there_for_others() {
    let house = House::new(SETTINGS).await;
    let den = house.board("den").await;
    let secret = house.task(&den, "a secret", None).await;
    let ops = place("ops");
    let question = house.question(&den, &ops, &secret).await;
    let word = "boards private den on";
    assert!(house.host(word).await.contains("1 watch(es) of it go on"));
    house.host("access grant fake:insider member --in board=den").await;

    for who in ["guest", "member", "operator"] {
        for command in ["list", "stats", "create x", "watch", "dispatch --dry-run", &format!("show {secret}")] {
            let hidden = house.says(who, &format!("/kanban {command} --board den")).await;
            let missing = house.says(who, &format!("/kanban {command} --board nil")).await;
            if missing.text.contains("your role is") {
                continue;
            }
            assert_eq!(hidden.text.replace("den", "nil"), missing.text, "{who} {command}");
            assert_eq!(hidden.exit, missing.exit);
        }
        assert!(!house.says(who, "/kanban boards list").await.text.contains("den"), "{who}");
        assert!(house.says(who, &format!("/kanban show {secret}")).await.text.contains("no such task"), "{who}");
        assert!(!house.proposed(&author(who), &ops, Kind::Board, None).await.contains(&"den".to_owned()), "{who}");
        assert_eq!(house.proposed(&author(who), &ops, Kind::Task, Some("den")).await, Vec::<String>::new(), "{who}");
        // Neither a reply nor a press tells that there is something behind a message.
        let told = house.does(&author(who), &ops, Input::Text("blue".to_owned()), Some(&question)).await;
        assert!(told.text.contains("this is not a command"), "{who}: {}", told.text);
        let press = Input::Press { message: question.clone(), button: "Show".to_owned(), words: None };
        let told = house.does(&author(who), &ops, press, None).await;
        assert!(told.text.contains("no longer there"), "{who}: {}", told.text);
    }
    for who in ["owner", "insider"] {
        let list = house.says(who, "/kanban list --board den").await;
        assert!(list.exit == 0 && list.text.contains("a secret"), "{who}: {}", list.text);
        assert!(house.says(who, "/kanban boards list").await.text.contains("den"), "{who}");
        assert_eq!(house.proposed(&author(who), &ops, Kind::Task, Some("den")).await, [secret.to_string()], "{who}");
    }
    let told = house.does(&author("insider"), &ops, Input::Text("blue".to_owned()), Some(&question)).await;
    assert_eq!(told.exit, 0, "{}", told.text);
    house.host("boards private den off").await;
    assert_eq!(house.says("guest", "/kanban list --board den").await.exit, 0);
}

#[tokio::test]
async fn whoever_sends_the_code_becomes_owner_once() {
    let house = House::new("").await;
    let first = house.says("zoe", "hello").await;
    assert!(first.text.contains("not known here") && first.text.contains("kanban pair"), "{}", first.text);
    let printed = house.host("pair").await;
    let code = printed.lines().next().unwrap().to_lowercase();
    // An everyday word is no try, and neither is what is typed a moment after a try.
    assert_eq!(house.says("eve", "greetngs").await.exit, 1);
    let wrong = house.says("eve", "0000 AAAA").await;
    assert!(wrong.text.contains("this code is not right") && wrong.private, "{}", wrong.text);
    let told = house.says("eve", &code).await;
    assert!(told.exit == 1 && told.private && told.text.contains("wait a few seconds"), "{}", told.text);
    let told = house.says("zoe", &format!("  {code} ")).await;
    assert!(told.exit == 0 && told.private && told.text.contains("you are an owner"), "{}", told.text);
    assert_eq!(house.says("zoe", "/kanban settings show").await.exit, 0);
    house.time.fetch_add(11_000, Ordering::SeqCst);
    assert_eq!(house.says("eve", &format!("/kanban pair {code}")).await.exit, 1);
    assert!(house.says("eve", "/kanban list").await.text.is_empty());

    // A new code takes the place of the old one.
    let old = house.host("pair").await.lines().next().unwrap().to_owned();
    let new = house.host("pair").await.lines().next().unwrap().to_owned();
    assert_eq!(house.says("dan", &old).await.exit, 1);
    house.time.fetch_add(11_000, Ordering::SeqCst);
    assert_eq!(house.says("dan", &format!("/kanban pair {new}")).await.exit, 0);

    // It is too old after an hour.
    let late = house.host("pair").await.lines().next().unwrap().to_owned();
    house.time.fetch_add(60 * 60 * 1_000, Ordering::SeqCst);
    let told = house.says("kim", &late).await;
    assert!(told.exit == 1 && told.private && told.text.contains("no longer good"), "{}", told.text);

    // Five wrong tries, whoever makes them, lock it.
    let locked = house.host("pair").await.lines().next().unwrap().to_owned();
    for number in 0..5 {
        assert_eq!(house.says(&format!("guesser-{number}"), "0000 AAAA").await.exit, 1);
    }
    let told = house.says("kim", &locked).await;
    assert!(told.exit == 1 && told.text.contains("no longer good"), "{}", told.text);
    let audit = house.host("audit --limit 100").await;
    assert_eq!(audit.matches("refused: wrong code").count(), 7, "{audit}");
    assert!(!audit.contains("0000"), "{audit}");
    let stored = rusqlite::Connection::open(house.board.file()).unwrap();
    let hash: String = stored.query_row("SELECT hash FROM pairing", [], |row| row.get(0)).unwrap();
    assert!(!hash.contains(&locked.replace(' ', "")));
}

#[tokio::test]
async fn a_member_becomes_owner_by_the_code_alone_and_loses_no_words_to_it() {
    let house = House::new(SETTINGS).await;
    let printed = house.host("pair").await;
    let code = printed.lines().next().unwrap();
    let told = house.says("member", "0000 AAAA").await;
    assert!(told.text.contains("this is not a command"), "{}", told.text);
    house.time.fetch_add(11_000, Ordering::SeqCst);
    let told = house.says("member", code).await;
    assert!(told.exit == 0 && told.private && told.text.contains("you are an owner"), "{}", told.text);
    assert_eq!(house.says("member", "/kanban settings show").await.exit, 0);
}

#[tokio::test]
async fn the_audit_tells_who_did_what_from_where() {
    let house = House::new(SETTINGS).await;
    let task = house.task(&house.board, "a task", None).await;
    house.says("member", &format!("/kanban comment {task} the hidden words")).await;
    house.says("guest", &format!("/kanban complete {task}")).await;
    house
        .does(&author("operator"), &place("ops"), Input::Words(vec!["cancel".to_owned(), task.to_string()]), None)
        .await;
    let go = house.button(&place("ops"), &["create".to_owned(), "from a button".to_owned()]).await;
    let press = Input::Press { message: go, button: "Go".to_owned(), words: None };
    house.does(&author("member"), &place("ops"), press, None).await;
    house.says("guest", "/kanban list").await;
    for _ in 0..5 {
        house.says("member", "/kanban create x --workspace dir:/etc").await;
    }
    house.host("boards rename default Main").await;
    house.host("dispatch pause").await;
    let audit = house.host("audit").await;
    for part in [
        &format!("fake:member  comment {task} on default  done  by text in fake:ops in s1"),
        &format!("fake:guest  complete {task} on default  refused: forbidden  by text"),
        &format!("fake:operator  cancel {task} on default  done  by slash"),
        "fake:member  create t_",
        "fake:member  create on default  refused: forbidden  by text",
        "by button in fake:ops",
        "host  boards rename on default  done  by command line in terminal",
        "host  dispatch pause on default  done",
    ] {
        assert!(audit.contains(part), "no `{part}` in:\n{audit}");
    }
    assert_eq!(audit.matches("fake:member  create on default  refused").count(), 1, "{audit}");
    assert!(!audit.contains("hidden words") && !audit.contains(" list "), "{audit}");
    assert_eq!(house.host(&format!("audit --task {task}")).await.lines().count(), 3);
    assert_eq!(house.host("audit --person fake:guest").await.lines().count(), 1);
    assert!(house.says("operator", "/kanban audit").await.text.contains("your role is operator"));
    // A year later it is forgotten.
    house.time.fetch_add(366 * 24 * 60 * 60 * 1_000, Ordering::SeqCst);
    house.host("gc").await;
    let audit = house.host("audit").await;
    assert!(!audit.contains("fake:") && audit.contains("gc"), "{audit}");
}

#[tokio::test]
async fn a_secret_goes_out_by_no_road() {
    const CANARY: &str = "canary/in-the-mine+7";
    const HEX: &str = "63616e6172792f696e2d7468652d6d696e652b37";
    let house = House::new(&format!(
        "{SETTINGS}[profiles.bird]\ncommand = [\"true\"]\n[profiles.bird.set]\nSONG = \"{CANARY}\"\n"
    ))
    .await;
    let platform = FakePlatform::new("fake");
    let platforms = Platforms::from([("fake".to_owned(), Arc::clone(&platform) as Arc<dyn Platform>)]);
    let notifier = Notifier::new(house.boards.clone(), platforms, house.desk.clock.clone());
    let notifier = Arc::new(notifier.with_settings(house.desk.settings.clone()));
    let stop = CancellationToken::new();
    let notifying = tokio::spawn(notifier.run(stop.clone(), Duration::from_secs(20)));

    let told =
        house.says("owner", &format!("/kanban create sing {CANARY} and {HEX} and xoxb-1234567890-abcdefghij")).await;
    assert_eq!(told.exit, 0, "{}", told.text);
    house.says("owner", &format!("/kanban show {CANARY}")).await;
    let ops = place("ops");
    let seen: String = platform.wait_for(&ops, 2).await.iter().map(|message| message.text.clone()).collect();
    let field = Field { kind: Kind::Task, typed: String::new(), author: author("owner"), thread: ops, board: None };
    let labels: String =
        house.gateway.suggest(&field).await.iter().map(|suggestion| suggestion.label.clone()).collect();
    let home: String = house.gateway.home(&author("owner")).await.iter().map(|block| block.text().to_owned()).collect();
    for (road, text) in [("posts", seen), ("proposals", labels), ("home page", home)] {
        for secret in [CANARY, HEX, "xoxb-"] {
            assert!(!text.contains(secret), "{road}: {text}");
        }
        assert!(text.contains("sing [redacted] and [redacted] and [redacted]"), "{road}: {text}");
    }
    stop.cancel();
    notifying.await.unwrap();
}
