//! Backups, the way back, and dumps: what was there returns whole, and what is no backup changes nothing.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A home with a second board, tasks in several states, and an attached file.
    fn with_boards() -> Self {
        let home = Self::new();
        home.ok(&["boards", "create", "side"]);
        home.ok(&["--board", "side", "create", "on the side"]);
        let first = home.id(&["create", "first", "--body", "with \"quotes\"\nand lines"]);
        let second = home.id(&["create", "second", "--parent", &first, "--priority", "7", "--skill", "rust"]);
        home.ok(&["comment", &second, "a word"]);
        fs::write(home.path("terms.txt"), "terms of use\n").unwrap();
        home.ok(&["attach", &first, home.path("terms.txt").to_str().unwrap()]);
        home.ok(&["complete", &first, "--result", "all of it"]);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn kanban(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("KANBAN_HOME", self.path("home"));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.kanban(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    #[track_caller]
    fn id(&self, arguments: &[&str]) -> String {
        self.json(&[arguments, &["--json"]].concat())["id"].as_str().unwrap().to_owned()
    }

    /// What a refusal says.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.kanban(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// All that a board holds, but for the lines of who did what.
    fn tables(&self, board: &str) -> Value {
        let mut dump = self.json(&["--board", board, "export", "--format", "json"]);
        let mut tables = dump["tables"].take();
        tables.as_object_mut().unwrap().remove("audit");
        tables
    }

    /// The names that lie in the home and begin so.
    fn named(&self, start: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path("home")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(start))
            .collect()
    }

    fn up(&self) -> Gateway {
        let mut child = self.kanban(&["up", "--console", "off"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("profiles:"))).unwrap().unwrap();
        // What it says later must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Gateway(child)
    }
}

struct Gateway(Child);

impl Gateway {
    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_backup_beside_a_gateway_brings_every_board_and_file_back_and_keeps_what_was_replaced() {
    let home = Home::with_boards();
    let gateway = home.up();
    let made = home.json(&["backup", "--out", "b.tar", "--json"]);
    assert_eq!((&made["boards"], &made["attachments"]), (&json!(["default", "side"]), &json!(1)));
    let before = ["default", "side"].map(|board| home.tables(board));
    let stored = before[0]["attachments"][0]["stored_path"].as_str().unwrap().to_owned();

    let second =
        home.json(&["list", "--json"]).as_array().unwrap().iter().find(|task| task["title"] == "second").unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
    home.ok(&["comment", &second, "said later"]);
    home.ok(&["create", "made later"]);
    home.ok(&["boards", "create", "later"]);
    fs::write(&stored, "spoilt\n").unwrap();
    let busy = home.refused(&["restore", "b.tar"]);
    assert!(busy.contains("gateway"), "{busy}");
    let later = home.tables("default");
    assert_ne!(later, before[0]);
    gateway.stop();

    let there = home.refused(&["backup", "--out", "b.tar"]);
    assert!(there.contains("is there already"), "{there}");
    for words in [&["backup"][..], &["export", "--format", "json"], &["export", "--format", "hermes"]] {
        let nowhere = home.refused(&[words, &["--out", "no/where"]].concat());
        assert!(nowhere.contains("no/where` cannot be written: ") && nowhere.contains("--out"), "{nowhere}");
    }
    let restored = home.json(&["restore", "b.tar", "--json"]);
    assert_eq!(restored["boards"], json!(["default", "side"]));
    assert_eq!(["default", "side"].map(|board| home.tables(board)), before);
    assert_eq!(fs::read_to_string(&stored).unwrap(), "terms of use\n");
    let boards = home.ok(&["boards", "list"]);
    assert!(!boards.contains("later"), "{boards}");
    // What was replaced is a board still, with its own file, and nothing else was left behind.
    let kept = PathBuf::from(restored["kept"].as_str().unwrap());
    assert!(kept.join("later/board.db").exists());
    let board = Connection::open(kept.join("default/board.db")).unwrap();
    let later: i64 =
        board.query_row("SELECT count(*) FROM tasks WHERE title = 'made later'", [], |row| row.get(0)).unwrap();
    assert_eq!(later, 1);
    assert_eq!(home.named("backup-"), Vec::<String>::new());

    // It goes on from there, under a gateway and in another home as well.
    let gateway = home.up();
    home.ok(&["comment", &second, "said after"]);
    gateway.stop();
    let other = Home::new();
    let archive = home.path("b.tar");
    other.ok(&["restore", archive.to_str().unwrap()]);
    let moved = other.tables("default");
    assert_eq!(moved["tasks"], before[0]["tasks"]);
    let stored = moved["attachments"][0]["stored_path"].as_str().unwrap();
    assert!(Path::new(stored).starts_with(other.path("home")), "{stored}");
    assert_eq!(fs::read_to_string(stored).unwrap(), "terms of use\n");
}

#[test]
fn what_is_no_sound_backup_is_refused_and_changes_nothing() {
    let home = Home::with_boards();
    home.ok(&["backup", "--out", "good.tar"]);
    let good = fs::read(home.path("good.tar")).unwrap();
    let manifest = entries(&good).pop().unwrap();
    assert_eq!(manifest.0, "manifest.json");
    let with = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut all = entries(&good);
        let mut manifest: Value = serde_json::from_slice(&all.pop().unwrap().1).unwrap();
        change(&mut manifest);
        all.push(("manifest.json".to_owned(), serde_json::to_vec(&manifest).unwrap()));
        fs::write(home.path(name), archive(&all)).unwrap();
    };
    let file = |name: &str, bytes: &[u8]| fs::write(home.path(name), bytes).unwrap();
    file("empty.tar", b"");
    file("text.tar", &b"this is no archive, and goes on long enough to be looked at as one. ".repeat(40));
    file("half.tar", &good[..good.len() / 2]);
    let at = good.windows(6).position(|part| part == b"second").unwrap();
    let mut changed = good.clone();
    changed[at] = b'S';
    file("changed.tar", &changed);
    with("newer.tar", &|manifest| manifest["schema"] = json!(manifest["schema"].as_i64().unwrap() + 1));
    with("other.tar", &|manifest| manifest["boards"] = json!(["default"]));
    with("absent.tar", &|manifest| manifest["boards"] = json!(["default", "side", "third"]));
    with("nowhere.tar", &|manifest| manifest["current"] = json!("third"));
    fs::create_dir(home.path("folder.tar")).unwrap();
    // Entries that would lie elsewhere, or be something else than a file, written as no honest tool writes them.
    for (name, path, kind) in [
        ("up.tar", "boards/default/attachments/../../../../evil", b'0'),
        ("absolute.tar", "/tmp/evil-of-a-backup", b'0'),
        ("dot.tar", "boards/../evil", b'0'),
        ("strange.tar", "evil", b'0'),
        ("symlink.tar", "boards/default/attachments/t_1/evil", b'2'),
        ("hardlink.tar", "boards/default/attachments/t_1/evil", b'1'),
        ("device.tar", "boards/default/attachments/t_1/evil", b'3'),
    ] {
        let mut bytes = raw(path, kind, "/etc/hostname");
        bytes.extend(&good);
        file(name, &bytes);
    }
    let before = [home.tables("default"), home.tables("side")];
    for (name, why) in [
        ("empty.tar", "no manifest"),
        ("text.tar", "is no backup"),
        ("half.tar", "cut short"),
        ("changed.tar", "was changed since it was written"),
        ("newer.tar", "was written by a newer kanban"),
        ("other.tar", "does not hold the boards that it names"),
        ("absent.tar", "does not hold the boards that it names"),
        ("nowhere.tar", "does not hold the boards that it names"),
        ("folder.tar", "is no file"),
        ("none.tar", "is not there"),
        ("up.tar", "which is in no backup of ours"),
        ("absolute.tar", "which is in no backup of ours"),
        ("dot.tar", "which is in no backup of ours"),
        ("strange.tar", "which is in no backup of ours"),
        ("symlink.tar", "which is in no backup of ours"),
        ("hardlink.tar", "which is in no backup of ours"),
        ("device.tar", "which is in no backup of ours"),
    ] {
        let said = home.refused(&["restore", name]);
        assert!(said.contains(why), "{name}: {said}");
        assert_eq!([home.tables("default"), home.tables("side")], before, "{name}");
        assert_eq!(home.named("boards-before"), Vec::<String>::new(), "{name}");
        assert_eq!(home.named("backup-"), Vec::<String>::new(), "{name}");
        assert!(!home.path("evil").exists() && !home.path("home/evil").exists(), "{name}");
    }
    assert!(!Path::new("/tmp/evil-of-a-backup").exists());
}

#[test]
fn a_board_of_a_newer_program_is_refused_by_every_way_in_and_left_as_it_is() {
    let home = Home::with_boards();
    home.ok(&["backup", "--out", "before.tar"]);
    let whole = home.tables("default");
    let file = home.path("home/boards/default/board.db");
    let board = Connection::open(&file).unwrap();
    board.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 9999").unwrap();
    drop(board);
    let before = fs::read(&file).unwrap();
    for command in [&["list"][..], &["backup", "--out", "b.tar"], &["export", "--format", "json"], &["up", "--check"]] {
        let said = home.refused(command);
        assert!(said.contains("9999") && said.contains("newer"), "{command:?}: {said}");
    }
    assert!(fs::read(&file).unwrap() == before && !home.path("b.tar").exists());

    // A backup is the way out of that, and of a board that nothing can read.
    home.ok(&["restore", "before.tar"]);
    assert_eq!(home.tables("default"), whole);
    fs::write(&file, "no board any more".repeat(1000)).unwrap();
    for log in ["board.db-wal", "board.db-shm"] {
        let _ = fs::remove_file(file.with_file_name(log));
    }
    home.refused(&["list"]);
    home.ok(&["restore", "before.tar"]);
    assert_eq!(home.tables("default"), whole);
}

#[test]
fn a_dump_is_stable_and_a_board_that_moves_out_and_in_again_is_the_same() {
    let home = Home::with_boards();
    let first = home.id(&["create", "held", "--assignee", "script"]);
    home.ok(&["block", &first, "which of the two?"]);
    let dump = home.json(&["export", "--format", "json"]);
    assert_eq!(
        (&dump["format"], &dump["version"], &dump["board"]),
        (&json!("kanban-board"), &json!(1), &json!("default"))
    );
    assert_eq!(home.tables("default"), home.tables("default"));
    let board = Connection::open(home.path("home/boards/default/board.db")).unwrap();
    for table in ["tasks", "links", "comments", "events", "attachments", "runs", "questions"] {
        let there: i64 = board.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(dump["tables"][table].as_array().unwrap().len(), usize::try_from(there).unwrap(), "{table}");
    }
    assert!(dump["tables"]["tasks"].as_array().unwrap().iter().any(|task| task["skills"] == json!(["rust"])));
    home.ok(&["export", "--format", "json", "--out", "board.json"]);
    let written: Value = serde_json::from_slice(&fs::read(home.path("board.json")).unwrap()).unwrap();
    assert_eq!(written["tables"]["tasks"], dump["tables"]["tasks"]);
    let there = home.refused(&["export", "--format", "json", "--out", "board.json"]);
    assert!(there.contains("is there already"), "{there}");

    fs::create_dir(home.path("out")).unwrap();
    home.ok(&["export", "--format", "hermes", "--out", "out/kanban.db"]);
    let other = Home::new();
    other.ok(&["import", "hermes", home.path("out").to_str().unwrap()]);
    let arrived = other.tables("default");
    for (table, columns) in [
        ("tasks", &["id", "title", "body", "assignee", "status", "priority", "skills", "result", "block_kind"][..]),
        ("links", &["parent_id", "child_id"]),
        ("comments", &["task_id", "author", "body"]),
        ("attachments", &["task_id", "filename", "size"]),
    ] {
        let rows = |tables: &Value| {
            let rows = tables[table].as_array().unwrap().iter();
            let mut rows: Vec<String> =
                rows.map(|row| columns.iter().map(|column| format!("{}|", row[*column])).collect()).collect();
            rows.sort();
            rows
        };
        assert_eq!(rows(&arrived), rows(&dump["tables"]), "{table}");
    }
    let stored = arrived["attachments"][0]["stored_path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(stored).unwrap(), "terms of use\n");
}

#[test]
fn a_gateway_makes_backups_when_it_is_told_to_and_keeps_the_newest() {
    let home = Home::with_boards();
    let folder = home.path("home/backups");
    fs::create_dir(&folder).unwrap();
    for old in [1000, 2000, 3000] {
        fs::write(folder.join(format!("kanban-{old}.tar")), "an old one").unwrap();
    }
    fs::write(folder.join("mine.tar"), "of a person").unwrap();
    fs::write(home.path("home/kanban.toml"), "[backup]\nevery_seconds = 3600\nkeep = 2\n").unwrap();
    let mut child = home.kanban(&["up", "--console", "off"]).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let gateway = Gateway(child);
    let said = lines.map(Result::unwrap).find(|line| line.contains("wrote the backup"));
    drop(gateway);
    assert!(said.is_some());
    let mut left: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.contains(&"kanban-3000.tar".to_owned()) && left.contains(&"mine.tar".to_owned()), "{left:?}");
    let newest = left.iter().find(|name| !["kanban-3000.tar", "mine.tar"].contains(&name.as_str())).unwrap();
    home.ok(&["restore", folder.join(newest).to_str().unwrap()]);
}

fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut held = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut held).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), held)
    };
    archive.entries().unwrap().map(read).collect()
}

fn archive(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, held) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(held.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, &held[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The header of an entry that holds nothing, with a name that the library would not write.
fn raw(path: &str, kind: u8, link: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkflag = [kind];
    if kind == b'1' || kind == b'2' {
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_size(0);
    header.set_mode(0o600);
    header.set_cksum();
    header.as_bytes().to_vec()
}
