//! The examples of the eight patterns, each run by its own command as a person runs it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    home::{KANBAN, Ran, ran},
    scale::Scale,
};

/// A pattern that has run.
struct Pattern {
    _room: TempDir,
    home: PathBuf,
    work: PathBuf,
    ran: Ran,
}

impl Pattern {
    fn run(name: &str) -> Self {
        Self::run_with(name, |text| text)
    }

    /// Runs an example with another text for its chat.
    fn run_with(name: &str, chat: impl Fn(String) -> String) -> Self {
        let room = tempfile::Builder::new().prefix("kanban-test-").tempdir().unwrap();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join("patterns");
        let own = room.path().join("patterns");
        copy(&examples.join(name), &own.join(name));
        fs::copy(examples.join("run"), own.join("run")).unwrap();
        let lines = own.join(name).join("chat.txt");
        let text = fs::read_to_string(&lines).unwrap();
        fs::write(&lines, chat(text)).unwrap();
        let mut command = Command::new(own.join("run"));
        command
            .arg(name)
            .arg(room.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", room.path())
            .env("USER", "ann")
            .env("LANG", "C.UTF-8")
            .env("KANBAN", KANBAN);
        let ran = ran(&mut command);
        assert_eq!(ran.exit, 0, "{name}: {ran:?}");
        Self { home: room.path().join("home"), work: room.path().join("work"), ran, _room: room }
    }

    /// How many tasks there are of each title and status.
    fn board(&self) -> BTreeMap<(String, String), i64> {
        let database = Connection::open(self.home.join("boards/default/board.db")).unwrap();
        let mut query = database.prepare("SELECT title, status, count(*) FROM tasks GROUP BY title, status").unwrap();
        let rows = query.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// What was told of the ends of tasks: the thread, and the second line of the post.
    fn told(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.home.join("console.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ends = lines.filter(|line| line["event"] == "completed" && line["edited"] == false);
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        ends.map(|line| (word(&line["thread"]), word(&line["text"]).lines().nth(1).unwrap_or_default().to_owned()))
            .collect()
    }

    #[track_caller]
    fn has_told(&self, thread: &str, said: &str) {
        let told = self.told();
        assert!(told.contains(&(thread.to_owned(), said.to_owned())), "{said:?} is not in {told:?}\n{}", self.ran.out);
    }

    #[track_caller]
    fn has(&self, expected: &[(&str, &str, i64)]) {
        let expected =
            expected.iter().map(|(title, status, count)| (((*title).to_owned(), (*status).to_owned()), *count));
        assert_eq!(self.board(), expected.collect(), "{}", self.ran.out);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let into = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &into);
        } else {
            fs::copy(entry.path(), into).unwrap();
        }
    }
}

#[test]
fn fan_out() {
    let pattern = Pattern::run("fan-out");
    pattern.has(&[
        ("Check: What is new since spring", "done", 1),
        ("Read the changelog", "done", 1),
        ("Read the mails", "done", 1),
        ("Read the tickets", "done", 1),
        ("Result: What is new since spring", "done", 1),
        ("What is new since spring", "done", 1),
    ]);
    pattern.has_told("release", "checked: 3 of 3 findings hold");
    pattern.has_told("release", "news from: changelog mails tickets");
}

#[test]
fn pipeline() {
    let pattern = Pattern::run("pipeline");
    pattern.has(&[
        ("Publish the weekly report", "done", 1),
        ("clean", "done", 1),
        ("fetch", "done", 1),
        ("publish", "done", 1),
    ]);
    pattern.has_told("reports", "publish: rows=10");
}

#[test]
fn voting() {
    let pattern = Pattern::run("voting");
    pattern.has(&[
        ("Result: Shall we release today", "done", 1),
        ("Shall we release today", "done", 1),
        ("asleep", "archived", 2),
        ("no", "done", 1),
        ("yes", "done", 2),
    ]);
    pattern.has_told("council", "2 for it, 1 against it");
}

#[test]
fn journal() {
    let pattern = Pattern::run("journal");
    pattern.has(&[("Note the weather", "done", 2)]);
    pattern.has_told("garden", "day 1 is noted");
    pattern.has_told("garden", "day 2 is noted");
    assert_eq!(fs::read_to_string(pattern.work.join("journal.md")).unwrap(), "day 1: dry\nday 2: dry\n");
    assert!(pattern.ran.out.contains("Europe/Berlin"), "{}", pattern.ran.out);
}

#[test]
fn human_in_the_loop() {
    let pattern = Pattern::run("human-in-the-loop");
    pattern.has(&[("Paint the shed", "done", 1)]);
    pattern.has_told("paint", "The shed is teal.");
}

#[test]
fn mention() {
    let pattern = Pattern::run("mention");
    pattern.has(&[("welcome the new colleague", "done", 1)]);
    pattern.has_told("hall", "done: welcome the new colleague");
}

#[test]
fn thread_workspace() {
    let pattern = Pattern::run("thread-workspace");
    pattern.has(&[("Count the pages", "done", 2)]);
    pattern.has_told("shop", "shop has 2 page(s)");
    pattern.has_told("blog", "blog has 1 page(s)");
}

#[test]
fn fleet() {
    let scale = Scale::of("patterns::fleet", 10, 50);
    let hosts = scale.count;
    let pattern = Pattern::run_with("fleet", |text| text.replace("50", &hosts.to_string()));
    let names: Vec<String> = (1..=hosts).map(|host| format!("host-{host:02}")).collect();
    let order = format!("Check all {hosts} hosts");
    let mut expected: BTreeMap<_, _> =
        names.iter().map(|name| ((format!("Check {name}"), "done".to_owned()), 1)).collect();
    expected.insert((order, "done".to_owned()), 1);
    assert_eq!(pattern.board(), expected, "{}", pattern.ran.out);
    for name in &names {
        pattern.has_told("fleet", &format!("{name} is fine"));
        assert_eq!(
            fs::read_to_string(pattern.work.join(name).join("report")).unwrap(),
            format!("Check {name}: fine\n")
        );
    }
    // Never more than six at once.
    let database = Connection::open(pattern.home.join("boards/default/board.db")).unwrap();
    let most: i64 = database
        .query_row(
            "SELECT max((SELECT count(*) FROM runs other WHERE other.profile = 'checker' AND other.started_at <= runs.started_at \
             AND other.ended_at > runs.started_at)) FROM runs WHERE profile = 'checker'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!((2..=6).contains(&most), "{most} at once");
    scale.done("subjects");
}
