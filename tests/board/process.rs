//! Further processes: this test program again, for one of its tests that is ignored otherwise.
#![expect(clippy::disallowed_methods, reason = "whoever runs the tests says how in the environment")]

use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// The variable that tells such a process which folder it works in.
const FOLDER: &str = "KANBAN_TEST_FOLDER";

/// One that was started, and what it says.
pub(crate) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

impl Process {
    /// Starts one for a test, by its whole name.
    pub(crate) fn start(test: &str, folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, orders, said }
    }

    pub(crate) fn order(&mut self, line: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next thing that it says; none once it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.said.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The test harness writes to the same place, and a line that a kill has cut short was not said.
            if let Some(said) = line.strip_prefix('@').and_then(|line| line.strip_suffix('\n')) {
                return Some(said.to_owned());
            }
        }
    }

    /// Kills it on the spot, and answers what it had still said.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let rest = std::iter::from_fn(|| self.hear()).collect();
        self.child.wait().unwrap();
        rest
    }

    /// Sends no more orders, and waits for it to end well.
    pub(crate) fn end(mut self) {
        drop(self.orders.take());
        while self.hear().is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

/// Kills a process after a part of the time that it takes, whatever it is at.
pub(crate) fn kill_after(mut child: Child, time: Duration) {
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The folder to work in; none when this process was not started by [`Process::start`].
pub(crate) fn folder() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// The next order; none when there will be no more.
pub(crate) fn ordered() -> Option<String> {
    io::stdin().lines().next().map(Result::unwrap)
}

/// Says a line to the process that started this one.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    // A line of its own, whatever the test harness has begun to write.
    out.write_all(format!("\n@{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Tells the person who runs the tests.
pub(crate) fn report(line: &str) {
    io::stderr().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// `KANBAN_TEST_SCALE=full` asks for the whole number of repetitions, else a part of it is run.
pub(crate) fn scaled(plain: usize, full: usize) -> usize {
    if std::env::var_os("KANBAN_TEST_SCALE").is_some_and(|scale| scale == "full") { full } else { plain }
}
