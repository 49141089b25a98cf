//! A restore that is killed: the boards of before are there or those of the backup, and the next command ends what was begun.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use kanban_gateway::{
    backup,
    board::{Boards, Wake},
};
use tempfile::TempDir;

use crate::{
    fixture::NOW,
    import::{board, contents, kanban, texts},
    process::{Process, folder, kill_after, ordered, report, say, scaled},
};

/// A home that has gone on since its backup was made, to begin with each time.
struct Before {
    home: TempDir,
    archive: std::path::PathBuf,
}

impl Before {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let archive = home.path().join("b.tar");
        let before = Self { home, archive };
        let first = before.ok(&["create", "in the backup", "--json"]);
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        let file = before.home.path().join("large.bin");
        fs::write(&file, vec![7; 3 << 20]).unwrap();
        before.ok(&["attach", first["id"].as_str().unwrap(), file.to_str().unwrap()]);
        before.ok(&["boards", "create", "side"]);
        before.ok(&["--board", "side", "create", "on the side"]);
        before.ok(&["boards", "switch", "side"]);
        before.ok(&["backup", "--out", before.archive.to_str().unwrap()]);
        before.ok(&["boards", "create", "later"]);
        before.ok(&["boards", "switch", "later"]);
        before.ok(&["--board", "default", "create", "made later"]);
        fs::write(before.home.path().join("clean-stop"), "").unwrap();
        before
    }

    fn ok(&self, args: &[&str]) -> String {
        let (exit, said, notes) = kanban(self.home.path(), args);
        assert_eq!(exit, 0, "{args:?}: {said}{notes}");
        said
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for (file, bytes) in contents(self.home.path()) {
            if file == self.archive {
                continue;
            }
            let to = copy.path().join(file.strip_prefix(self.home.path()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
        copy
    }
}

const OLD: &[&str] = &["default: in the backup, made later", "later: ", "side: on the side"];
const NEW: &[&str] = &["default: in the backup", "side: on the side"];

/// The boards of a folder with the titles of their tasks; each is whole.
fn shape(boards: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(boards) else { return Vec::new() };
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut found: Vec<String> = folders
        .map(|folder| {
            let conn = rusqlite::Connection::open(folder.join("board.db")).unwrap();
            assert_eq!(texts(&conn, "PRAGMA integrity_check"), ["ok"]);
            let titles = texts(&conn, "SELECT title FROM tasks ORDER BY title").join(", ");
            format!("{}: {titles}", folder.file_name().unwrap().to_str().unwrap())
        })
        .collect();
    found.sort();
    found
}

fn named(home: &Path, start: &str) -> Vec<String> {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(start)).collect()
}

/// Looks at a home whose restore was killed, and goes on in it. Answers whether the boards of the backup were in place.
fn check(home: &Path, archive: &Path, old: &[&str], when: &str) -> bool {
    let found = shape(&home.join("boards"));
    assert!(found == old || found == NEW, "{when}: a mix: {found:?}");
    let is_new = found == NEW;
    let was_cut_short = home.join("boards/restore.json").exists();
    let (exit, _, notes) = kanban(home, &["list"]);
    assert_eq!(exit, 0, "{when}: {notes}");
    assert_eq!(notes.contains("a restore was cut short"), was_cut_short, "{when}: {notes}");
    if !is_new {
        // What was unpacked is cleared away by the next one, which is not kept from anything.
        let (exit, said, notes) = kanban(home, &["restore", archive.to_str().unwrap()]);
        assert_eq!(exit, 0, "{when}: {said}{notes}");
    } else if was_cut_short && !old.is_empty() {
        let kept = named(home, "boards-before-restore-").remove(0);
        assert!(notes.contains(&kept), "{when}: {notes}");
    }
    assert_eq!(shape(&home.join("boards")), NEW, "{when}");
    if !old.is_empty() {
        let kept = named(home, "boards-before-restore-");
        assert_eq!(kept.len(), 1, "{when}");
        assert_eq!(shape(&home.join(&kept[0])), OLD, "{when}");
    }
    assert_eq!(named(home, "backup-"), Vec::<String>::new(), "{when}");
    assert!(!home.join("clean-stop").exists() && !home.join("boards/restore.json").exists(), "{when}");
    // The board that is meant where none is named, and the files, are those of the backup.
    let (exit, said, notes) = kanban(home, &["list"]);
    assert!(exit == 0 && said.contains("on the side") && !notes.contains("cut short"), "{when}: {said}{notes}");
    let stored = texts(&board(home, "default"), "SELECT stored_path FROM attachments");
    assert!(stored[0].starts_with(home.to_str().unwrap()), "{when}: {stored:?}");
    assert_eq!(fs::metadata(&stored[0]).unwrap().len(), 3 << 20);
    is_new
}

#[test]
fn a_restore_that_is_killed_after_any_step_leaves_the_old_boards_or_the_new_ones() {
    let before = Before::new();
    let killed_at = |home: &Path, step: usize| {
        let mut process = Process::start("restore::a_restorer", home);
        process.order(&format!("{step} {}", before.archive.display()));
        process.hear()
    };
    let whole = before.copy();
    let said = killed_at(whole.path(), usize::MAX).unwrap();
    let steps: usize = said.strip_prefix("done ").unwrap().parse().unwrap();
    assert!(steps >= 10, "{steps}");
    let mut new = 0;
    for step in 1..=steps {
        let home = before.copy();
        assert_eq!(killed_at(home.path(), step), None, "step {step} of {steps}");
        new += usize::from(check(home.path(), &before.archive, OLD, &format!("step {step} of {steps}")));
    }
    assert!(new > 2 && new < steps, "{new} of {steps}");
    // The same where no board was there before.
    let mut empty = 0;
    for step in (1..).step_by(scaled(4, 1)) {
        let home = tempfile::tempdir().unwrap();
        if killed_at(home.path(), step).is_some() {
            break;
        }
        check(home.path(), &before.archive, &[], &format!("step {step} in an empty home"));
        empty += 1;
    }
    report(&format!(
        "{} kills of a restore of {steps} steps: {new} had the boards of the backup, none a mix",
        steps + empty
    ));
}

#[test]
fn a_restore_that_is_killed_at_any_moment_leaves_the_old_boards_or_the_new_ones() {
    let before = Before::new();
    let start = |home: &Path| {
        Command::new(env!("CARGO_BIN_EXE_kanban"))
            .arg("--home")
            .arg(home)
            .arg("restore")
            .arg(&before.archive)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let whole = before.copy();
    let began = Instant::now();
    assert!(start(whole.path()).wait().unwrap().success());
    let took = began.elapsed();
    let rounds = scaled(3, 200);
    let mut new = 0;
    for round in 0..rounds {
        let home = before.copy();
        kill_after(start(home.path()), took * u32::try_from(round + 1).unwrap() / u32::try_from(rounds + 1).unwrap());
        if shape(&home.path().join("boards")) == NEW && !home.path().join("boards/restore.json").exists() {
            // It had come to its end.
            assert!(named(home.path(), "backup-").is_empty());
            new += 1;
            continue;
        }
        new += usize::from(check(home.path(), &before.archive, OLD, &format!("round {round}")));
    }
    let took = Duration::as_millis(&took);
    report(&format!("{rounds} kills of a restore of {took} ms: {new} had the boards of the backup, none a mix"));
}

#[tokio::test]
#[ignore = "started by another test"]
async fn a_restorer() {
    let Some(home) = folder() else { return };
    let Some(order) = ordered() else { return };
    let (last, archive) = order.split_once(' ').unwrap();
    let last: usize = last.parse().unwrap();
    let boards = Boards::new(&home, Arc::new(Wake::default()));
    let mut count = 0;
    let mut step = |_: &str| {
        count += 1;
        if count == last {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
    };
    backup::restore(&boards, Path::new(archive), NOW, &mut step).await.unwrap();
    say(&format!("done {count}"));
}
