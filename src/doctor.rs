//! `doctor`: what is usable on this machine, and the one step that is missing where something is not.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    command::{Desk, Reply},
    control::Client,
    shim,
};

struct Finding {
    what: String,
    is_good: bool,
    detail: String,
}

/// Examines the home, the boards, the gateway and the profiles. Exits 1 when something needs a person.
pub async fn examine(desk: &Desk, as_json: bool) -> Reply {
    let mut findings = vec![platform()];
    findings.extend(boards(desk).await);
    findings.push(gateway(desk));
    findings.extend(profiles(desk));
    let exit = u8::from(findings.iter().any(|finding| !finding.is_good));
    if as_json {
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| json!({"check": finding.what, "ok": finding.is_good, "detail": finding.detail}))
            .collect();
        return Reply { exit, ..Reply::json(&Value::Array(rows)) };
    }
    let lines: Vec<_> = findings
        .iter()
        .map(|finding| format!("{} {:<22} {}", if finding.is_good { "✓" } else { "✗" }, finding.what, finding.detail))
        .collect();
    Reply { exit, ..Reply::text(lines.join("\n")) }
}

fn platform() -> Finding {
    let is_good = cfg!(target_os = "linux");
    let detail = if is_good {
        "workers are ended with everything that they started".to_owned()
    } else {
        "on this system a worker that leaves its process group outlives its run; only Linux can promise otherwise"
            .to_owned()
    };
    Finding { what: "system".to_owned(), is_good, detail }
}

async fn boards(desk: &Desk) -> Vec<Finding> {
    let names = match desk.boards.names() {
        Ok(names) => names,
        Err(error) => return vec![Finding { what: "boards".to_owned(), is_good: false, detail: error.to_string() }],
    };
    let mut findings = Vec::with_capacity(names.len());
    for name in names {
        let checked = match desk.boards.get(&name).await {
            Ok(board) => board.check().await.map(|()| board.file()),
            Err(error) => Err(error),
        };
        let what = format!("board {name}");
        findings.push(match checked {
            Ok(file) => Finding { what, is_good: true, detail: format!("{} is sound", file.display()) },
            Err(error) => Finding { what, is_good: false, detail: error.to_string() },
        });
    }
    findings
}

/// A gateway that does not run is no fault: the command line works without one.
fn gateway(desk: &Desk) -> Finding {
    let connected = shim::gateway_socket_path(desk.home(), &desk.environment.runtime_dir())
        .and_then(|socket| Client::connect(&socket));
    let (is_good, detail) = match connected {
        Ok(Some(_)) => (true, "running".to_owned()),
        Ok(None) => (true, "not running; `kanban up` starts it, and nothing is dispatched until then".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    Finding { what: "gateway".to_owned(), is_good, detail }
}

fn profiles(desk: &Desk) -> Vec<Finding> {
    let settings = desk.settings.get();
    settings
        .profiles
        .iter()
        .map(|profile| {
            let program = profile.program();
            let what = format!("profile {}", profile.name);
            match find(&program, &profile.environment(&desk.environment)) {
                Some(path) => Finding { what, is_good: true, detail: path },
                None => Finding {
                    what,
                    is_good: false,
                    detail: format!(
                        "`{program}` is not on PATH; install it, or set `command` in `[profiles.{}]`",
                        profile.name
                    ),
                },
            }
        })
        .collect()
}

fn find(program: &str, environment: &std::collections::BTreeMap<String, String>) -> Option<String> {
    if program.contains('/') {
        return Path::new(program).exists().then(|| program.to_owned());
    }
    let path = environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .map(|file| file.display().to_string())
}
