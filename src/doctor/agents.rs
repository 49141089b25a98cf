//! Whether the agents of the profiles are there, in which version, and whether somebody is logged in to them.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt, process::Command};

use super::Finding;
use crate::{
    command::Desk,
    process,
    settings::{Profile, Settings, Template, Values, in_home, known_agents},
};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is read of what it says.
const OUTPUT_LIMIT: u64 = 16 << 10;

/// Looks at every profile, all at once.
pub(super) async fn profiles(desk: &Desk) -> Vec<Finding> {
    let settings = desk.settings.get();
    let probes: Vec<_> = settings
        .profiles
        .iter()
        .map(|profile| {
            let environment = profile.environment(&desk.environment);
            let profile = profile.clone();
            tokio::spawn(async move { profile_of(&profile, &environment).await })
        })
        .collect();
    let mut findings = Vec::with_capacity(probes.len());
    for (probe, profile) in probes.into_iter().zip(settings.profiles.iter()) {
        let failed = |error| Finding {
            what: format!("profile {}", profile.name),
            is_good: false,
            detail: format!("it could not be looked at: {error}"),
        };
        findings.push(probe.await.unwrap_or_else(failed));
    }
    findings.extend(absent(&settings));
    findings
}

/// The agents that we know and that are no profile here: nothing is wrong with that.
fn absent(settings: &Settings) -> impl Iterator<Item = Finding> {
    known_agents().filter(|(name, _)| settings.profiles.iter().all(|profile| profile.name.as_str() != *name)).map(
        |(name, install)| Finding {
            what: format!("agent {name}"),
            is_good: true,
            detail: format!("not here; `{install}` makes it a profile"),
        },
    )
}

async fn profile_of(profile: &Profile, environment: &BTreeMap<String, String>) -> Finding {
    let what = format!("profile {}", profile.name);
    let program = profile.program();
    let Some(path) = find(&program, environment) else {
        let step = match &profile.probes.install {
            Some(install) => format!("install it: `{}`", install.as_str()),
            None => format!("install it, or set `command` in `[profiles.{}]`", profile.name),
        };
        return Finding { what, is_good: false, detail: format!("`{program}` is not on PATH; {step}") };
    };
    let mut detail = path.display().to_string();
    if let Some(version) = &profile.probes.version {
        match probe(version, environment).await {
            Ok(said) if said.is_good => detail = format!("{} ({detail})", said.line),
            Ok(said) => {
                let detail =
                    format!("{detail} does not start: `{}` says {:?}; install it anew", words(version), said.line);
                return Finding { what, is_good: false, detail };
            }
            Err(error) => {
                let detail = format!("{detail} does not start: `{}` {error}; install it anew", words(version));
                return Finding { what, is_good: false, detail };
            }
        }
    }
    match is_logged_in(profile, environment).await {
        None => Finding { what, is_good: true, detail },
        Some(Login::Found(how)) => Finding { what, is_good: true, detail: format!("{detail}; logged in by {how}") },
        Some(Login::Missing) => Finding {
            what,
            is_good: false,
            detail: format!("{detail}; nobody is logged in: {}", step_to_log_in(profile)),
        },
    }
}

enum Login {
    Found(String),
    Missing,
}

/// Whether somebody is logged in; none where the recipe does not say how to tell.
async fn is_logged_in(profile: &Profile, environment: &BTreeMap<String, String>) -> Option<Login> {
    let probes = &profile.probes;
    let key = probes.keys.iter().find(|key| environment.get(key.as_str()).is_some_and(|value| !value.is_empty()));
    if let Some(key) = key {
        return Some(Login::Found(format!("`{}`", key.as_str())));
    }
    if let Some(status) = &probes.status {
        return Some(match probe(status, environment).await {
            Ok(said) if said.is_good => Login::Found(format!("`{}`", words(status))),
            Ok(_) | Err(_) => Login::Missing,
        });
    }
    let home = environment.get("HOME").map_or("", String::as_str);
    if let Some(file) = probes.credentials.iter().map(|file| in_home(file, home)).find(|file| file.is_file()) {
        return Some(Login::Found(format!("`{}`", file.display())));
    }
    (!probes.keys.is_empty() || !probes.credentials.is_empty()).then_some(Login::Missing)
}

fn step_to_log_in(profile: &Profile) -> String {
    match (&profile.probes.login, profile.probes.keys.first()) {
        (Some(login), _) => login.as_str().to_owned(),
        (None, Some(key)) => format!("set `{}` where the gateway is started", key.as_str()),
        (None, None) => "log in to it".to_owned(),
    }
}

struct Said {
    is_good: bool,
    /// The first line that says something.
    line: String,
}

/// Runs a probe to its end, or says why it had none. It gets the environment of the workers and no input, and what it
/// started ends with it.
async fn probe(argv: &Template, environment: &BTreeMap<String, String>) -> Result<Said, String> {
    let argv = argv.fill(&Values::NONE);
    let Some((program, arguments)) = argv.split_first() else { return Err("has no program".to_owned()) };
    let program = find(program, environment).ok_or_else(|| "is not on PATH".to_owned())?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let leader = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut read = std::pin::pin!(async {
        let mut text = Vec::new();
        if let Some(out) = out {
            // What cannot be read is as good as not said.
            let _ = out.take(OUTPUT_LIMIT).read_to_end(&mut text).await;
        }
        if let Some(err) = err {
            let _ = err.take(OUTPUT_LIMIT).read_to_end(&mut text).await;
        }
        (child.wait().await, text)
    });
    let Ok((status, text)) = tokio::time::timeout(PATIENCE, &mut read).await else {
        // It was not waited for as yet, so the number is its own still.
        leader.into_iter().for_each(process::kill_group);
        return Err(format!("has not answered within {} s", PATIENCE.as_secs()));
    };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
    let line = line.chars().filter(|c| !c.is_control()).take(120).collect();
    Ok(Said { is_good: status.is_ok_and(|status| status.success()), line })
}

fn words(argv: &Template) -> String {
    argv.source().collect::<Vec<_>>().join(" ")
}

fn find(program: &str, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = environment.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
