//! The board as tools, with an independent client: over standard input and output, over the gateway's socket, and below
//! a shim. Whatever the road, the board is the same as after the command lines.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::DirBuilderExt, net::UnixListener},
    process::{Command, Stdio},
};

use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
    transport::StreamableHttpClientTransport,
};
use rusqlite::TransactionBehavior;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::home::{Home, until};

/// The official client, at the other end of a pipe or a socket.
struct Client {
    runtime: Runtime,
    service: RunningService<RoleClient, ()>,
    child: Option<tokio::process::Child>,
}

impl Client {
    /// Starts a program that serves tools on its standard streams.
    fn of(command: Command) -> Self {
        let runtime = Runtime::new().unwrap();
        let (service, child) = runtime.block_on(async {
            let mut command = tokio::process::Command::from(command);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let streams = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
            (().serve(streams).await.unwrap(), child)
        });
        Self { runtime, service, child: Some(child) }
    }

    fn stdio(home: &Home) -> Self {
        let mut command = home.command();
        command.arg("mcp");
        Self::of(command)
    }

    fn http(home: &Home) -> Self {
        let runtime = Runtime::new().unwrap();
        let socket = home.socket();
        let service = runtime.block_on(async {
            let transport =
                StreamableHttpClientTransport::from_unix_socket(socket.to_str().unwrap(), "http://localhost/mcp");
            ().serve(transport).await.unwrap()
        });
        Self { runtime, service, child: None }
    }

    fn tools(&self) -> Vec<String> {
        let tools = self.runtime.block_on(self.service.list_all_tools()).unwrap();
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    fn call(&self, tool: &str, arguments: &Value) -> CallToolResult {
        let arguments = arguments.as_object().unwrap().clone();
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.runtime.block_on(self.service.call_tool(call)).unwrap()
    }

    /// The structured answer of a call that must go well.
    #[track_caller]
    fn ok(&self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result.is_error, Some(true), "{tool} {arguments}: {}", text(&result));
        result.structured_content.unwrap_or_default()
    }

    /// Leaves, and answers with which exit code the program that served ended.
    fn leave(self) -> Option<i32> {
        let Self { runtime, service, child } = self;
        runtime.block_on(async {
            service.cancel().await.unwrap();
            match child {
                Some(mut child) => child.wait().await.unwrap().code(),
                None => None,
            }
        })
    }
}

fn text(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(|block| block.as_text().map(|text| text.text.clone()));
    texts.collect::<Vec<_>>().join("\n")
}

/// What is said on both roads: the words of a command line, and the same as a call. `#1` is the first task that was made.
fn script() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        (
            "create one --body '--json is not meant' --priority 3 --idempotency-key k",
            "create",
            json!({"title": "one", "body": "--json is not meant", "priority": 3, "idempotency_key": "k"}),
        ),
        ("create one --idempotency-key k", "create", json!({"title": "one", "idempotency_key": "k"})),
        (
            "create two --parent #1 --tenant acme --max-runtime 30m",
            "create",
            json!({"title": "two", "parent": ["#1"], "tenant": "acme", "max_runtime": "30m"}),
        ),
        (
            "create three --skill a --skill b --triage",
            "create",
            json!({"title": "three", "skill": ["a", "b"], "triage": true}),
        ),
        ("link #3 #2", "link", json!({"parent": "#3", "child": "#2"})),
        ("link #2 #1", "link", json!({"parent": "#2", "child": "#1"})),
        (
            "comment #1 -- '--author=eve; said nothing'",
            "comment",
            json!({"task_id": "#1", "text": "--author=eve; said nothing"}),
        ),
        ("assign #2 script", "assign", json!({"task_id": "#2", "profile": "script"})),
        (
            "block #1 --kind needs_input --choice yes --choice 'no|n|danger' 'shall we?'",
            "block",
            json!({"task_id": "#1", "kind": "needs_input", "choice": ["yes", "no|n|danger"], "reason": "shall we?"}),
        ),
        ("unblock #1 --reason yes", "unblock", json!({"task_id": "#1", "reason": "yes"})),
        (
            "complete #1 --summary 'all done' --result ok --metadata '{\"n\":1}'",
            "complete",
            json!({"task_id": "#1", "summary": "all done", "result": "ok", "metadata": {"n": 1}}),
        ),
        ("complete #1", "complete", json!({"task_id": "#1"})),
        ("heartbeat #2", "heartbeat", json!({"task_id": "#2"})),
        ("attach #2 notes.txt --name n.txt", "attach", json!({"task_id": "#2", "path": "notes.txt", "name": "n.txt"})),
    ]
}

/// The board as anybody sees it, without what differs from one time to the next: ids, times and places.
fn board(home: &Home) -> Value {
    let mut tasks: Vec<Value> = home.json("list --json --archived --sort created").as_array().unwrap().clone();
    tasks.sort_by_key(|task| task["title"].as_str().unwrap().to_owned());
    let names: BTreeMap<String, String> = tasks
        .iter()
        .map(|task| (task["id"].as_str().unwrap().to_owned(), task["title"].as_str().unwrap().to_owned()))
        .collect();
    let cards: Vec<Value> = names.keys().map(|id| home.json(&format!("show {id} --json"))).collect();
    let mut cards: Vec<Value> = cards.into_iter().map(|card| steady(card, &names)).collect();
    cards.sort_by_key(|card| card["task"]["title"].as_str().unwrap().to_owned());
    Value::Array(cards)
}

fn steady(value: Value, names: &BTreeMap<String, String>) -> Value {
    const DIFFERS: [&str; 11] = [
        "holder",
        "id",
        "pid",
        "session_id",
        "expires",
        "lock",
        "worked_seconds",
        "worker_pid",
        "workspace",
        "workspace_path",
        "stored_path",
    ];
    match value {
        Value::Object(entries) => {
            let kept = entries.into_iter().filter(|(key, _)| !key.ends_with("_at") && !DIFFERS.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key, steady(value, names))).collect())
        }
        Value::Array(values) => {
            let mut values: Vec<Value> = values.into_iter().map(|value| steady(value, names)).collect();
            // Parents and children stand in the order of their ids.
            if values.iter().all(|value| value.as_str().is_some_and(|text| text.starts_with('<'))) {
                values.sort_by_key(ToString::to_string);
            }
            Value::Array(values)
        }
        Value::String(mut text) => {
            for (id, name) in names {
                text = text.replace(id, &format!("<{name}>"));
            }
            Value::String(text)
        }
        other => other,
    }
}

/// Where two boards differ.
fn differences(one: &Value, other: &Value, path: &str) -> Vec<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let null = Value::Null;
            let each =
                keys.into_iter().map(|key| (key, one.get(key).unwrap_or(&null), other.get(key).unwrap_or(&null)));
            each.flat_map(|(key, one, other)| differences(one, other, &format!("{path}.{key}"))).collect()
        }
        (Value::Array(ones), Value::Array(others)) if ones.len() == others.len() => {
            let each = ones.iter().zip(others).enumerate();
            each.flat_map(|(at, (one, other))| differences(one, other, &format!("{path}[{at}]"))).collect()
        }
        (one, other) if one == other => Vec::new(),
        (one, other) => vec![format!("{path}: {one} and {other}")],
    }
}

#[track_caller]
fn assert_same(one: &Value, other: &Value, what: &str) {
    let differences = differences(one, other, "board");
    assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
}

/// Plays the script on the command line, through a shell that reads the quotes; answers what was refused.
fn typed(home: &Home) -> Vec<usize> {
    let mut made = Vec::new();
    let mut refused = Vec::new();
    for (place, (line, verb, _)) in script().into_iter().enumerate() {
        let line = named(line, &made);
        let json = if verb == "create" { " --json" } else { "" };
        let script = match line.split_once(" -- ") {
            Some((before, after)) => format!("exec \"$0\" {before}{json} -- {after}"),
            None => format!("exec \"$0\" {line}{json}"),
        };
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script, crate::home::KANBAN]).env_clear();
        shell.envs(home.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(home.work("")).stdin(Stdio::null());
        let ran = crate::home::ran(&mut shell);
        if ran.exit != 0 {
            refused.push(place);
        } else if verb == "create" {
            let task: Value = serde_json::from_str(&ran.out).unwrap();
            note(&mut made, &task);
        }
    }
    refused
}

/// Plays it through a client's tools.
fn called(client: &Client) -> Vec<usize> {
    let mut made = Vec::new();
    let mut refused = Vec::new();
    for (place, (_, verb, arguments)) in script().into_iter().enumerate() {
        let arguments: Value = serde_json::from_str(&named(&arguments.to_string(), &made)).unwrap();
        let result = client.call(&format!("kanban_{verb}"), &arguments);
        if result.is_error == Some(true) {
            refused.push(place);
        } else if verb == "create" {
            note(&mut made, &result.structured_content.unwrap()["task"]);
        }
    }
    refused
}

fn note(made: &mut Vec<String>, task: &Value) {
    let id = task["id"].as_str().unwrap().to_owned();
    if !made.contains(&id) {
        made.push(id);
    }
}

fn named(text: &str, made: &[String]) -> String {
    made.iter().enumerate().fold(text.to_owned(), |text, (place, id)| text.replace(&format!("#{}", place + 1), id))
}

/// A home in which no worker starts by itself.
fn quiet_home() -> Home {
    let home = Home::new();
    fs::write(home.work("notes.txt"), "notes").unwrap();
    home.ok("dispatch pause");
    home
}

#[test]
fn the_tools_and_the_command_line_leave_the_same_board() {
    let (by_line, by_pipe, by_socket, alone) = (quiet_home(), quiet_home(), quiet_home(), quiet_home());
    let refused = {
        let _gateway = by_line.up();
        typed(&by_line)
    };
    assert_eq!(refused, [5, 11, 12], "what the script has in it to be refused");
    for (home, with_gateway, over_http) in [(&by_pipe, true, false), (&by_socket, true, true), (&alone, false, false)] {
        let gateway = with_gateway.then(|| home.up());
        let mut command = home.command();
        command.arg("mcp").current_dir(home.work(""));
        let client = if over_http { Client::http(home) } else { Client::of(command) };
        if over_http {
            // A path is meant from where the client works, which is this test here.
            let file = home.work("notes.txt");
            fs::write(&file, "notes").unwrap();
        }
        let script_refused = called(&client);
        if over_http {
            // The file of the last step is not where this test works.
            assert_eq!(script_refused, [5, 11, 12, 13]);
            let two = home.json("list --json --tenant acme")[0]["id"].clone();
            let path = home.work("notes.txt");
            client.ok("kanban_attach", &json!({"task_id": two, "path": path.to_str().unwrap(), "name": "n.txt"}));
        } else {
            assert_eq!(script_refused, refused);
        }
        client.leave();
        assert_same(&board(home), &board(&by_line), &format!("gateway {with_gateway}, http {over_http}"));
        drop(gateway);
    }
}

#[test]
fn the_socket_speaks_both_of_its_languages_to_its_owner_alone() {
    let home = quiet_home();
    let _gateway = home.up();
    let client = Client::http(&home);
    let made = client.ok("kanban_create", &json!({"title": "over http"}));
    let id = made["task"]["id"].as_str().unwrap();
    assert_eq!(home.json(&format!("show {id} --json"))["task"]["created_by"], "ann");
    assert!(client.tools().contains(&"kanban_unblock".to_owned()));
    client.leave();
    // What a page in a browser would send through a forwarder.
    let raw = |head: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(home.socket()).unwrap();
        stream.set_read_timeout(Some(crate::home::PATIENCE)).unwrap();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{head}content-type: application/json\r\naccept: application/json, text/event-stream\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert!(raw("host: localhost\r\n").contains(" 200 "));
    assert!(raw("host: evil.example\r\n").contains(" 403 "));
    assert!(raw("host: localhost\r\norigin: https://evil.example\r\n").contains(" 403 "));
    assert!(home.ok("list").contains("over http"));
}

#[test]
fn a_client_that_leaves_ends_the_program() {
    let home = quiet_home();
    let client = Client::stdio(&home);
    assert!(client.tools().len() > 10);
    assert_eq!(client.leave(), Some(0));
    // Nothing said, nothing but blanks, and words that are no protocol.
    assert_eq!(home.pipe(&["mcp"], "").exit, 0);
    let ran = home.pipe(&["mcp"], "\n\n");
    assert_eq!((ran.exit, ran.out.as_str()), (0, ""), "{ran:?}");
    // What was asked before the input ended is answered, in its order, and nothing else stands between.
    let ask = |id: u32, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
    };
    let lines = [
        ask(
            1,
            "initialize",
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}),
        ),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
        ask(2, "tools/call", json!({"name": "kanban_create", "arguments": {"title": "first"}})),
        ask(3, "tools/call", json!({"name": "kanban_create", "arguments": {"title": "second"}})),
        ask(4, "tools/call", json!({"name": "kanban_list", "arguments": {}})),
        ask(5, "tools/call", json!({"name": "kanban_nothing", "arguments": {}})),
        ask(6, "no/such", json!({})),
    ];
    let ran = home.pipe(&["mcp"], &(lines.join("\n") + "\n"));
    assert_eq!(ran.exit, 0, "{ran:?}");
    let answers: BTreeMap<i64, Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|answer| (answer["id"].as_i64().unwrap(), answer))
        .collect();
    assert_eq!(answers.len(), 6, "{ran:?}");
    assert_eq!(answers[&1]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[&1]["result"]["serverInfo"]["name"], "kanban");
    let titles: Vec<_> = answers[&4]["result"]["structuredContent"]["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["title"].clone())
        .collect();
    assert_eq!(titles, ["first", "second"]);
    assert_eq!((&answers[&5]["error"]["code"], &answers[&6]["error"]["code"]), (&json!(-32602), &json!(-32601)));
}

#[test]
fn a_cancelled_call_holds_nothing_up() {
    let home = quiet_home();
    // A gateway that takes a call and never answers.
    fs::DirBuilder::new().mode(0o700).recursive(true).create(home.path("run")).unwrap();
    let stuck = UnixListener::bind(home.socket()).unwrap();
    let mut command = home.command();
    let mut child = command.arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let say = |input: &mut std::process::ChildStdin, message: Value| writeln!(input, "{message}").unwrap();
    say(
        &mut input,
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}}),
    );
    say(&mut input, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    say(
        &mut input,
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "kanban_list", "arguments": {}}}),
    );
    let (_held, _) = stuck.accept().unwrap();
    say(&mut input, json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}));
    say(&mut input, json!({"jsonrpc": "2.0", "id": 3, "method": "ping"}));
    drop(input);
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success(), "{out}");
    assert!(out.contains("\"id\":3") && !out.contains("\"id\":2"), "{out}");
}

#[test]
fn what_a_cancelled_call_has_begun_is_done_to_its_end() {
    let home = quiet_home();
    home.ok("list");
    let mut command = home.command();
    let mut child = command.arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let say = |input: &mut std::process::ChildStdin, message: Value| writeln!(input, "{message}").unwrap();
    say(
        &mut input,
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}}),
    );
    say(&mut input, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    // Another program is in the middle of a change, so the call waits with what it has to write.
    let mut database = home.database();
    let change = database.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    say(
        &mut input,
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "kanban_create", "arguments": {"title": "begun"}}}),
    );
    let turn = home.database_path().with_file_name("board.lock");
    until("the call has the turn to write", || {
        let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&turn).unwrap();
        matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)).then_some(())
    });
    say(&mut input, json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}));
    say(&mut input, json!({"jsonrpc": "2.0", "id": 3, "method": "ping"}));
    let mut lines = String::new();
    while !lines.contains("\"id\":3") {
        assert!(out.read_line(&mut lines).unwrap() > 0, "{lines}");
    }
    drop(input);
    drop(change);
    out.read_to_string(&mut lines).unwrap();
    assert!(child.wait().unwrap().success(), "{lines}");
    assert!(!lines.contains("\"id\":2"), "{lines}");
    assert_eq!(home.titles().get("begun"), Some(&1));
}

/// A home with a worker that is a client of the tools: this program, started anew.
fn home_with_client(scope: &str, order: &str) -> Home {
    let home = Home::new();
    let program = home.program(
        "agent",
        "exec \"$CLIENT\" mcp::a_worker_with_tools --exact --ignored --nocapture > $WORK/out 2> $WORK/err",
    );
    let client = std::env::current_exe().unwrap();
    home.settings(&format!(
        "[dispatch]\nfailure_limit = 1\ngrace_seconds = 1\n[profiles.agent]\ncommand = [\"{}\"]\nscope = \"{scope}\"\nset = {{ WORK = \"{}\", CLIENT = \"{}\", ORDER = \"{order}\" }}\n[profiles.idle]\ncommand = [\"true\"]\npaused = true\n",
        program.display(),
        home.work("").display(),
        client.display()
    ));
    home
}

/// Not a test: a worker that speaks to the board by its tools alone.
#[test]
#[ignore = "started by another test"]
#[expect(clippy::disallowed_methods, reason = "its orders come in its environment")]
fn a_worker_with_tools() {
    let (Ok(order), Ok(work)) = (std::env::var("ORDER"), std::env::var("WORK")) else { return };
    let mut command = Command::new("kanban");
    command.arg("mcp");
    // Some clients hand nothing of their environment on.
    command.env_clear().env("PATH", std::env::var("PATH").unwrap());
    let client = Client::of(command);
    fs::write(format!("{work}/tools"), client.tools().join("\n")).unwrap();
    let tell = |name: &str, text: &str| fs::write(format!("{work}/{name}"), text).unwrap();
    match order.as_str() {
        "work" => {
            assert_eq!(client.ok("kanban_show", &json!({}))["task"]["title"], "do it");
            client.ok("kanban_heartbeat", &json!({"note": "halfway"}));
            client.ok("kanban_comment", &json!({"text": "it goes well"}));
            let child = client.ok("kanban_create", &json!({"title": "a further step"}));
            client.ok("kanban_comment", &json!({"task_id": child["task"]["id"], "text": "for later"}));
            fs::write("report.txt", "report").unwrap();
            client.ok("kanban_attach", &json!({"path": "report.txt"}));
            client.ok("kanban_complete", &json!({"summary": "all of it", "metadata": {"files": 3}}));
        }
        "reach" => {
            let other = fs::read_to_string(format!("{work}/other")).unwrap();
            for (tool, arguments) in [
                ("kanban_complete", json!({"task_id": other})),
                ("kanban_comment", json!({"task_id": other, "text": "x"})),
                ("kanban_attach", json!({"path": "/etc/hostname"})),
                ("kanban_create", json!({"title": "evil", "assignee": "script", "body": "touch evil"})),
            ] {
                let result = client.call(tool, &arguments);
                assert_eq!(result.is_error, Some(true), "{tool} {arguments}: {}", text(&result));
            }
            client.ok("kanban_complete", &json!({"summary": "tried"}));
        }
        "away" => {
            tell("started", "");
            until("the gateway is gone", || fs::exists(format!("{work}/go")).unwrap().then_some(()));
            let read = client.call("kanban_show", &json!({}));
            tell("read", &format!("{:?} {}", read.is_error, text(&read)));
            let kept = client.ok("kanban_create", &json!({"title": "kept"}));
            tell("kept", &kept.to_string());
            let done = client.call("kanban_complete", &json!({"summary": "done in the dark"}));
            tell("done", &format!("{:?} {} {}", done.is_error, done.structured_content.clone().unwrap(), text(&done)));
        }
        "steer" => {
            let other = fs::read_to_string(format!("{work}/other")).unwrap();
            client.ok("kanban_assign", &json!({"task_id": other, "profile": "idle"}));
            client.ok("kanban_unblock", &json!({"task_id": other}));
            client.ok(
                "kanban_link",
                &json!({"parent": other, "child": client.ok("kanban_show", &json!({}))["task"]["id"]}),
            );
            client.ok("kanban_block", &json!({"kind": "dependency", "reason": "the part"}));
        }
        order => panic!("no such order: {order}"),
    }
    client.leave();
}

/// The output of a worker that went wrong, for whoever reads a failed test.
fn worker_said(home: &Home) -> String {
    fs::read_to_string(home.work("out")).unwrap_or_default() + &fs::read_to_string(home.work("err")).unwrap_or_default()
}

#[test]
fn a_worker_does_its_task_with_the_tools_as_with_the_command_line() {
    let with_tools = home_with_client("worker", "work");
    let with_lines = Home::new();
    let program = with_lines.program(
        "agent",
        r#"kanban heartbeat $KANBAN_TASK --note halfway
           kanban comment $KANBAN_TASK it goes well
           child=$(kanban create a further step | cut -d' ' -f2)
           kanban comment $child for later
           echo report > report.txt; printf report > report.txt
           kanban attach $KANBAN_TASK report.txt
           kanban complete $KANBAN_TASK --summary "all of it" --metadata '{"files": 3}'"#,
    );
    with_lines.settings(&format!("[profiles.agent]\ncommand = [\"{}\"]\n", program.display()));
    let mut boards = Vec::new();
    for home in [&with_tools, &with_lines] {
        let gateway = home.up();
        let id = home.create(&["do it", "--assignee", "agent"]);
        home.wait_for(&id, "done");
        until("the run's directory is gone", || (!home.path("run").join("default-1").exists()).then_some(()));
        assert_eq!(home.runs(&id), [(Some("completed".to_owned()), None)], "{}", worker_said(home));
        boards.push(board(home));
        drop(gateway);
    }
    assert_same(&boards[0], &boards[1], "tools and lines");
    let tools = fs::read_to_string(with_tools.work("tools")).unwrap();
    assert!(tools.contains("kanban_complete") && !tools.contains("kanban_unblock"), "{tools}");
}

#[test]
fn the_tools_of_a_worker_reach_nothing_but_its_own() {
    let home = home_with_client("worker", "reach");
    let other = home.create(&["somebody else's"]);
    fs::write(home.work("other"), &other).unwrap();
    let _gateway = home.up();
    let own = home.create(&["try it", "--assignee", "agent"]);
    home.wait_for(&own, "done");
    assert_eq!(home.runs(&own), [(Some("completed".to_owned()), None)], "{}", worker_said(&home));
    assert_eq!((home.status(&other).as_str(), home.count("SELECT count(*) FROM tasks")), ("ready", 2));
    assert_eq!(home.count("SELECT count(*) FROM comments") + home.count("SELECT count(*) FROM attachments"), 0);
}

#[test]
fn calls_of_tools_are_kept_while_the_gateway_is_away() {
    let home = home_with_client("worker", "away");
    let gateway = home.up();
    let id = home.create(&["do it", "--assignee", "agent"]);
    until("the worker has begun", || home.work("started").exists().then_some(()));
    gateway.kill();
    fs::write(home.work("go"), "").unwrap();
    let done =
        until("the worker is done", || fs::read_to_string(home.work("done")).ok().filter(|text| !text.is_empty()));
    let (read, kept) = (fs::read_to_string(home.work("read")).unwrap(), fs::read_to_string(home.work("kept")).unwrap());
    assert!(read.starts_with("Some(true)") && read.contains("gateway is not running"), "{read}");
    assert_eq!(kept, r#"{"task":null,"kept":true}"#);
    assert!(done.contains(r#""kept":true"#) && done.contains("will be applied in order"), "{done}");
    let _gateway = home.up();
    home.wait_for(&id, "done");
    assert_eq!(home.titles().get("kept"), Some(&1));
}

#[test]
fn an_orchestrator_steers_by_its_tools() {
    let home = home_with_client("orchestrator", "steer");
    let other = home.create(&["a part"]);
    home.ok(&format!("block {other} --kind transient later"));
    fs::write(home.work("other"), &other).unwrap();
    let _gateway = home.up();
    let own = home.create(&["split it", "--assignee", "agent", "--max-retries", "1"]);
    until("it has been steered", || (home.events(&own).contains(&"dependency_wait".to_owned())).then_some(()));
    assert!(home.events(&other).contains(&"unblocked".to_owned()), "{}", worker_said(&home));
    assert!(fs::read_to_string(home.work("tools")).unwrap().contains("kanban_assign"));
    home.ok(&format!("archive {other}"));
    home.ok(&format!("archive {own}"));
}
