//! `doctor`: what is usable on this machine, and the one step that is missing where something is not.

mod agents;
mod platforms;

use std::path::Path;

use kanban_platform::{Finding, safe};
use serde_json::{Value, json};

use crate::{
    backup,
    command::{Desk, Reply, verbs::Doctor},
    control::Client,
    shim::{self, Control, Power},
};

/// Examines the home, the boards, the gateway, the chat platforms and the profiles. Exits 1 when something needs a person.
pub async fn examine(desk: &Desk, args: &Doctor) -> Reply {
    let mut findings = vec![platform(), confinement(desk), control_groups(desk)];
    findings.extend(boards(desk).await);
    let (gateway, is_running) = gateway(desk);
    findings.push(gateway);
    findings.extend(platforms::all(desk, &args.channels, is_running).await);
    findings.push(backups(desk));
    findings.extend(agents::profiles(desk).await);
    let exit = u8::from(findings.iter().any(|finding| !finding.is_good));
    // What platforms and agents say of themselves is not to act on a terminal.
    let redactor = &desk.settings.get().redactor;
    for finding in &mut findings {
        finding.detail = safe(&redactor.clean(&finding.detail));
    }
    if args.json {
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| json!({"check": finding.what, "ok": finding.is_good, "detail": finding.detail}))
            .collect();
        return Reply { exit, ..Reply::json(&Value::Array(rows)) };
    }
    let lines: Vec<_> = findings
        .iter()
        .map(|finding| format!("{} {:<24} {}", if finding.is_good { "✓" } else { "✗" }, finding.what, finding.detail))
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

/// What the kernel can do to keep workers out of our home.
fn confinement(desk: &Desk) -> Finding {
    let settings = desk.settings.get();
    let finding = |is_good, detail: String| Finding { what: "confinement".to_owned(), is_good, detail };
    let boxed = settings.profiles.iter().find(|profile| {
        let program = profile.program();
        let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        profile.confine && BOXES.contains(&name)
    });
    if let Some(profile) = boxed {
        let detail = format!(
            "`{}` cannot make its box in a confined worker; write `confine = false` into `[profiles.{}]`, and let the box keep the home out",
            profile.program(),
            profile.name
        );
        return finding(false, detail);
    }
    if !settings.profiles.iter().any(|profile| profile.confine) {
        return finding(true, "no profile asks for it: workers can reach the gateway's home".to_owned());
    }
    let held = match shim::power() {
        Power::Nothing => {
            let detail = "the kernel has no Landlock, so workers can reach the gateway's home; start the system with `landlock` in `lsm=`, or give the gateway an account of its own";
            return finding(false, detail.to_owned());
        }
        Power::Files => {
            "workers are kept out of the gateway's home; to keep them from killing their shim, Linux 6.12 or later is needed"
        }
        Power::FilesAndSignals => {
            "workers are kept out of the gateway's home, and send signals to their own processes alone"
        }
    };
    let user = desk.environment.get("HOME").map(Path::new).filter(|user| desk.home().starts_with(user));
    let price = user.map_or_else(String::new, |user| {
        format!(
            ". The home lies below `{}`: right there they can make no new file; `KANBAN_HOME` names another place",
            user.display()
        )
    });
    finding(true, format!("{held}{price}"))
}

/// What control groups can do for workers, as far as can be told from where this is run.
fn control_groups(desk: &Desk) -> Finding {
    let dispatch = &desk.settings.get().dispatch;
    let limit = if rustix::process::getuid().is_root() {
        "nothing limits them while the gateway is root"
    } else {
        "their limit is that of the account"
    };
    let (mut is_good, mut detail) = match shim::control() {
        Control::Nothing => (true, format!("none here: a worker's processes are found and ended one by one; {limit}")),
        Control::Kills => (true, format!("a worker's processes are ended at once; {limit}")),
        Control::KillsAndLimits => {
            (true, format!("a worker's processes are ended at once, and {} at most", dispatch.max_processes))
        }
    };
    if dispatch.max_memory_bytes.is_some() && shim::control() != Control::KillsAndLimits {
        is_good = false;
        detail.push_str("; `dispatch.max_memory_bytes` is not held; run the gateway in a unit with `Delegate=pids memory` and `DelegateSubgroup=gateway`");
    }
    Finding { what: "control groups".to_owned(), is_good, detail }
}

/// Programs that mount, which a confined process may not.
const BOXES: [&str; 6] = ["bwrap", "firejail", "nsjail", "podman", "systemd-nspawn", "unshare"];

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

/// How old the newest backup is that a gateway has made.
fn backups(desk: &Desk) -> Finding {
    let settings = &desk.settings.get().backup;
    let finding = |is_good, detail: String| Finding { what: "backups".to_owned(), is_good, detail };
    let every = i64::from(settings.every_seconds.get()) * 1000;
    match (backup::newest(desk), every) {
        (Err(error), _) => finding(false, format!("`{}` cannot be read: {error}", backup::FOLDER)),
        (Ok(None), 0) => finding(true, "none are made; `kanban backup` makes one".to_owned()),
        (Ok(None), _) => finding(true, "none yet; a gateway makes them, and so does `kanban backup`".to_owned()),
        (Ok(Some((file, at))), _) => {
            let hours = (desk.now() - at).max(0) / 3_600_000;
            finding(true, format!("the newest is {hours} hour(s) old: {}", file.display()))
        }
    }
}

/// A gateway that does not run is no fault: the command line works without one.
fn gateway(desk: &Desk) -> (Finding, bool) {
    let connected = shim::gateway_socket_path(desk.home(), &desk.environment.runtime_dir())
        .and_then(|socket| Client::connect(&socket));
    let is_running = matches!(connected, Ok(Some(_)));
    let (is_good, detail) = match connected {
        Ok(Some(_)) => (true, "running".to_owned()),
        Ok(None) => (true, "not running; `kanban up` starts it, and nothing is dispatched until then".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    (Finding { what: "gateway".to_owned(), is_good, detail }, is_running)
}
