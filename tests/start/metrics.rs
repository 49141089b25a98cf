//! What a gateway tells of itself in numbers: to those who collect them, over its socket, and to people.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use kanban_gateway::shim::gateway_socket_path;
use serde_json::Value;
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn kanban(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("KANBAN_HOME", self.0.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.kanban(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A gateway that is ready to be asked.
    fn up(&self) -> Gateway {
        let mut command = self.kanban(&["up", "--console", "off"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("profiles:"))).unwrap().unwrap();
        // What it says later must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Gateway(child)
    }

    /// A request on the control socket: the status and the whole answer.
    fn asks(&self, request: &str) -> (u16, String) {
        let socket = gateway_socket_path(self.0.path(), Path::new("/tmp")).unwrap();
        let mut stream = UnixStream::connect(socket).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        (status, answer)
    }

    fn scraped(&self) -> BTreeMap<String, f64> {
        let (status, answer) = self.asks("GET /metrics");
        assert_eq!(status, 200, "{answer}");
        assert!(answer.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{answer}");
        samples(answer.split_once("\r\n\r\n").unwrap().1)
    }
}

struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The samples of a page in Prometheus' text format. Each family says what it is before its samples, once, and no sample
/// comes twice.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let mut helped = "";
    assert!(page.ends_with('\n'), "{page}");
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap_or_else(|| panic!("a help without words: {line}")).0;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "a type comes behind its help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(families.insert(name, kind).is_none(), "{name} twice");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let suffixes = ["_bucket", "_sum", "_count"];
            let is_known = families.iter().any(|(family, kind)| {
                name == *family
                    || (*kind == "histogram" && suffixes.iter().any(|suffix| name == format!("{family}{suffix}")))
            });
            assert!(is_known && name.starts_with("kanban_"), "{line}");
            let value = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(samples.insert(sample.to_owned(), value).is_none(), "{sample} twice");
        }
    }
    samples
}

#[test]
fn a_gateway_tells_what_it_has_to_do_and_has_done() {
    let home = Home::new();
    let gateway = home.up();
    home.ok(&["create", "works", "--assignee", "script", "--body", "true"]);
    let failing =
        home.ok(&["create", "fails", "--assignee", "script", "--body", "exit 3", "--max-retries", "1", "--json"]);
    let failing: Value = serde_json::from_str(&failing).unwrap();
    home.ok(&["create", "waits for somebody"]);
    home.ok(&["boards", "create", "other"]);
    let id = failing["id"].as_str().unwrap_or_else(|| panic!("{failing}"));
    // Both runs are over when their ends are on the board.
    let over = |status: &str| home.ok(&["list", "--status", status, "--json"]).contains("\"id\"");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !(over("done") && over("blocked")) {
        assert!(std::time::Instant::now() < until, "{}", home.ok(&["show", id]));
        home.ok(&["dispatch"]);
    }
    let found = home.scraped();
    let value = |sample: &str| *found.get(sample).unwrap_or_else(|| panic!("no {sample} in {found:#?}"));
    assert_eq!(value("kanban_up"), 1.0);
    assert_eq!(value(r#"kanban_tasks{board="default",status="done"}"#), 1.0);
    assert_eq!(value(r#"kanban_tasks{board="default",status="ready"}"#), 1.0);
    assert_eq!(value(r#"kanban_tasks{board="default",status="blocked"}"#), 1.0);
    assert_eq!(value(r#"kanban_tasks{board="other",status="ready"}"#), 0.0);
    assert_eq!(value(r#"kanban_runs{board="default",outcome="completed"}"#), 1.0);
    assert_eq!(value(r#"kanban_runs_open{board="default"}"#), 0.0);
    assert!(value(r#"kanban_oldest_ready_seconds{board="default"}"#) >= 0.0);
    let starts = value("kanban_start_latency_seconds_count");
    assert!(starts >= 2.0, "{starts}");
    assert_eq!(value(r#"kanban_start_latency_seconds_bucket{le="+Inf"}"#), starts);
    assert!(value(r#"kanban_start_latency_seconds_bucket{le="60"}"#) >= 2.0);

    // People see the same, on the command line and in the status.
    let page = samples(&home.ok(&["metrics"]));
    assert_eq!(page[r#"kanban_tasks{board="default",status="done"}"#], 1.0);
    let status = home.ok(&["dispatch", "status"]);
    assert!(status.contains("Starts:   "), "{status}");
    let status: Value = serde_json::from_str(&home.ok(&["dispatch", "status", "--json"])).unwrap();
    assert!(status["figures"]["starts"]["count"].as_u64().unwrap() >= 2, "{status}");
    drop(gateway);
    // Without a gateway there is nothing that it has counted, and the boards are there.
    let page = samples(&home.ok(&["metrics"]));
    assert_eq!(page["kanban_up"], 0.0);
    assert_eq!(page[r#"kanban_tasks{board="default",status="done"}"#], 1.0);
    assert!(!page.contains_key("kanban_start_latency_seconds_count"));
}

#[test]
fn the_numbers_are_for_the_owner_alone() {
    let home = Home::new();
    let _gateway = home.up();
    assert_eq!(home.asks("GET /other").0 / 100, 4);
    assert_eq!(home.asks("POST /metrics").0, 405);
    // A page in a browser that somebody forwards the socket to.
    assert_eq!(home.asks("GET /metrics HTTP/1.1\r\norigin: https://evil.example.org\r\nx:").0, 403);
    assert_eq!(home.asks("GET /metrics HTTP/1.1\r\nsec-fetch-site: same-origin\r\nx:").0, 403);
    let socket = gateway_socket_path(home.0.path(), Path::new("/tmp")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // A worker reads none, whichever way it asks.
    let body = "kanban metrics && echo leaked";
    let task: Value = serde_json::from_str(&home.ok(&[
        "create",
        "looks",
        "--assignee",
        "script",
        "--body",
        body,
        "--max-retries",
        "1",
        "--json",
    ]))
    .unwrap();
    let id = task["id"].as_str().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let log = loop {
        assert!(std::time::Instant::now() < until, "{}", home.ok(&["show", id]));
        home.ok(&["dispatch"]);
        if home.ok(&["list", "--status", "blocked", "--json"]).contains(id) {
            break home.ok(&["log", id]);
        }
    };
    assert!(!log.contains("kanban_up") && !log.contains("leaked"), "{log}");
}
