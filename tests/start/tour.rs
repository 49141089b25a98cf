//! The tour: from nothing to the first completed task with one command, and out of the way of everybody else.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::scale::report;

/// What the issue of a first task may take.
const FIRST_TASK: Duration = Duration::from_secs(60);

struct World(TempDir);

impl World {
    /// A directory with four files of two kinds, one of them larger than the others.
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        let site = world.site();
        fs::create_dir_all(site.join("pages")).unwrap();
        for name in ["pages/one.html", "two.html", "three.html", "notes.txt"] {
            fs::write(site.join(name), name).unwrap();
        }
        fs::write(site.join("two.html"), "much longer than any of the others").unwrap();
        world
    }

    fn site(&self) -> PathBuf {
        self.0.path().join("a \"site\"")
    }

    fn kanban(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("KANBAN_HOME", self.0.path().join("home"));
        command.current_dir(self.site()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.kanban(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn one_command_shows_a_task_a_question_an_answer_and_a_result() {
    let world = World::new();
    let before = names(&world.site());
    let began = Instant::now();
    let output = world.run(&["up", "--tour"]);
    let took = began.elapsed();
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}\n{shown}");
    assert!(took < FIRST_TASK, "{took:?}");
    report(&format!("the whole tour took {took:?}"));
    for words in [
        "4 files, here and below.\nThe most frequent endings:",
        "3 .html",
        "1 .txt",
        "Which files right here",
        "You said: newest.",
    ] {
        assert!(shown.contains(words), "{words:?} should be in:\n{shown}\n{told}");
    }
    for step in ["1. A task", "2. A task whose worker has a question", "3. An answer", "4. That was the result"] {
        assert!(told.contains(step), "{step:?} should be in:\n{told}");
    }
    assert_eq!(names(&world.site()), before, "the tour reads only");
    // The board is a board like any other.
    let listed = text(&world.run(&["list", "--json"]).stdout);
    assert_eq!(listed.matches("\"done\"").count(), 2, "{listed}");
    // It can be had again, in a home that is in use.
    assert!(text(&world.run(&["up", "--tour"]).stdout).contains("You said: newest."));
}

#[test]
fn a_directory_that_holds_the_boards_is_left_for_one_below_it_or_for_a_few_files() {
    let world = World::new();
    let above = world.0.path();
    let around = |folder: &Path| {
        let output = world.kanban(&["up", "--tour"]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (text(&output.stdout), text(&output.stderr))
    };
    let (shown, told) = around(above);
    assert!(
        told.contains("holds the boards, which no worker may reach, so it looks at") && told.contains("site"),
        "{told}"
    );
    assert!(shown.contains("4 files, here and below.") && shown.contains("You said: newest."), "{shown}\n{told}");
    // In a home of a person who has nothing else yet, and in our own.
    let bare = above.join("bare");
    fs::create_dir_all(&bare).unwrap();
    for folder in [bare.join("home"), bare] {
        fs::create_dir_all(&folder).unwrap();
        let mut command = world.kanban(&["up", "--tour"]);
        let output = command.current_dir(&folder).env("KANBAN_HOME", above.join("bare/home")).output().unwrap();
        let (shown, told) = (text(&output.stdout), text(&output.stderr));
        assert!(told.contains("so its tasks look at a few files of their own"), "{told}");
        assert!(shown.contains("3 files, here and below.") && shown.contains("You said: newest."), "{shown}\n{told}");
    }
}

#[test]
fn nobody_at_a_pipe_is_shown_around_unasked() {
    let world = World::new();
    let output = world.run(&["up"]);
    assert!(output.status.success());
    assert!(!text(&output.stderr).contains("tour") && output.stdout.is_empty(), "{output:?}");
    let refused = world.run(&["up", "--tour", "--console", "off"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--console off"), "{refused:?}");
}

/// What a terminal shows, and the way to type at it.
struct Terminal {
    child: std::process::Child,
    heard: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    /// None where there is no `script` to make one.
    fn of(world: &World) -> Option<Self> {
        let kanban = world.kanban(&[]);
        let mut command = Command::new("script");
        command.args([
            "--quiet",
            "--return",
            "--command",
            &format!("'{}' up", env!("CARGO_BIN_EXE_kanban")),
            "/dev/null",
        ]);
        command
            .env_clear()
            .envs(kanban.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TERM", "xterm");
        command.current_dir(world.site()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            report("SKIPPED: there is no `script` here to make a terminal");
            return None;
        };
        let mut output = child.stdout.take().unwrap();
        let (tell, heard) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, heard, shown: String::new() })
    }

    #[track_caller]
    fn until(&mut self, mark: &str) {
        while !self.shown.contains(mark) {
            match self.heard.recv_timeout(FIRST_TASK) {
                Ok(bytes) => self.shown.push_str(&text(&bytes)),
                Err(_) => panic!("{mark:?} should be shown; there is:\n{}", self.shown),
            }
        }
    }

    fn types(&mut self, line: &str) {
        write!(self.child.stdin.as_mut().unwrap(), "{line}\r").unwrap();
    }

    fn leaves(mut self) -> String {
        self.types("/quit");
        while let Ok(bytes) = self.heard.recv_timeout(FIRST_TASK) {
            self.shown.push_str(&text(&bytes));
        }
        self.child.wait().unwrap();
        self.shown
    }
}

#[test]
fn at_a_terminal_it_begins_by_itself_once_and_lets_people_answer() {
    let world = World::new();
    let Some(mut terminal) = Terminal::of(&world) else { return };
    terminal.until("Your turn: type `/kanban answer t_");
    let (_, rest) = terminal.shown.rsplit_once("/kanban answer t_").unwrap();
    let id: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    terminal.types(&format!("/kanban answer t_{id} largest"));
    terminal.until("You said: largest.");
    terminal.until("4. That was the result");
    terminal.leaves();
    let mut again = Terminal::of(&world).unwrap();
    again.until("type `/kanban help`");
    let shown = again.leaves();
    assert!(!shown.contains("A short tour"), "{shown}");
}

#[test]
fn who_leaves_in_the_middle_is_not_kept() {
    let world = World::new();
    let Some(mut terminal) = Terminal::of(&world) else { return };
    terminal.until("Your turn: type `/kanban answer t_");
    let began = Instant::now();
    let shown = terminal.leaves();
    // Well before the tour would have answered by itself.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}: {shown}", began.elapsed());
    assert!(!shown.contains("You said"), "{shown}");
    assert!(text(&world.run(&["list", "--json"]).stdout).contains("\"blocked\""));
}
