//! A gateway with its console on pipes: a person types a line, and sees what is posted.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

/// How long a line may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Console {
    gateway: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Console {
    /// `kanban up` on this home, with no agents in reach and no settings.
    pub(crate) fn up(home: &Path) -> Self {
        let mut gateway =
            kanban(home).arg("up").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(gateway.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let input = gateway.stdin.take();
        Self { gateway, input, lines, seen: Vec::new() }
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that the console prints.
    pub(crate) fn next_line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                panic!("the console printed nothing more after:\n{}", self.seen.join("\n"))
            }
        }
    }

    /// Ends the input, and answers what was printed since and how the gateway ended.
    pub(crate) fn finish(mut self) -> (Vec<String>, ExitStatus) {
        drop(self.input.take());
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the gateway should end when its input has"),
            }
        }
        let status = self.gateway.wait().unwrap();
        (rest, status)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // A test that failed leaves no gateway behind; one that has ended cannot be killed, which is as good.
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

/// The program, with an environment in which no agent is in reach.
pub(crate) fn kanban(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("KANBAN_HOME", home);
    command
}
