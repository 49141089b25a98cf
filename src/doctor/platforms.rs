//! Whether each chat platform lets the bot in and gives it what it needs, and what to click where it does not.

use std::{collections::BTreeSet, os::unix::fs::MetadataExt, path::Path, time::Duration};

use kanban_platform::{Finding, Look, Thread};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    board::{BoardSlug, Error},
    command::{Desk, spec},
    gateway::platforms::{self, Built},
    settings::{Settings, misformed},
};

/// How long a platform may take to answer for itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at every account that is configured, all at once, and at the places in it that somebody asks about.
pub(super) async fn all(desk: &Desk, places: &[String], is_running: bool) -> Vec<Finding> {
    let settings = desk.settings.get();
    let mut accounts = platforms::each(&settings, &desk.clock);
    let (places, mut findings) = sorted(places, &accounts.iter().map(|(name, _)| name.clone()).collect());
    findings.extend(settings.platforms.secret_files().filter_map(|(name, file)| secrecy(name, file)));
    let looks: Vec<(String, JoinHandle<Vec<Finding>>)> = accounts
        .drain(..)
        .map(|(name, built)| {
            let places = places.iter().filter(|place| place.platform == name).cloned().collect();
            (name, tokio::spawn(look(built, places, is_running)))
        })
        .collect();
    let people = people(desk, &settings).await;
    for (name, look) in looks {
        let found = look.await.unwrap_or_else(|error| vec![Finding::bad("look", format!("it broke off: {error}"))]);
        findings.extend(found.into_iter().map(|found| Finding { what: format!("{name} {}", found.what), ..found }));
    }
    // Where the board cannot be read, its own finding says why.
    if let Ok(people) = people {
        findings.extend(settings.platforms.kinds().into_iter().map(|kind| access(kind, &people)));
    }
    findings
}

async fn look(built: Built, places: Vec<Thread>, is_connected: bool) -> Vec<Finding> {
    let platform = match built {
        Ok(platform) => platform,
        Err(error) => return vec![Finding::bad("settings", error.to_string())],
    };
    let look = Look { spec: spec(), places: &places, is_connected };
    match timeout(PATIENCE, platform.examine(&look)).await {
        Ok(findings) => findings,
        Err(_) => {
            let detail =
                format!("it has not answered within {} s; see that this machine reaches it", PATIENCE.as_secs());
            vec![Finding::bad("answer", detail)]
        }
    }
}

/// The places by what was typed, `platform:channel[:thread]`, and what is wrong with the others.
fn sorted(typed: &[String], accounts: &BTreeSet<String>) -> (Vec<Thread>, Vec<Finding>) {
    let (mut places, mut findings) = (Vec::new(), Vec::new());
    for text in typed {
        let mut parts = text.splitn(3, ':').map(str::to_owned);
        match (parts.next(), parts.next().filter(|channel| !channel.is_empty()), parts.next()) {
            (Some(platform), Some(channel), thread) if accounts.contains(&platform) => {
                places.push(Thread { platform, space: String::new(), channel, thread });
            }
            (Some(platform), Some(_), _) => {
                let known: Vec<_> = accounts.iter().map(|name| format!("`{name}`")).collect();
                let known = if known.is_empty() { "no account at all".to_owned() } else { known.join(", ") };
                findings.push(Finding::bad(
                    format!("channel {text}"),
                    format!("there is no account `{platform}`; the settings have {known}"),
                ));
            }
            _ => findings.push(Finding::bad(
                format!("channel {text}"),
                "expected an account and a channel's id, as in `discord:123456789012345678`",
            )),
        }
    }
    (places, findings)
}

/// A file with a token that others can read; nothing where all is well, or where it belongs to somebody else on purpose.
fn secrecy(name: &str, file: &Path) -> Option<Finding> {
    let mode = file.metadata().ok()?.mode();
    (mode & 0o044 != 0).then(|| {
        Finding::bad(format!("{name} secrets"), format!("others can read `{0}`: `chmod 600 {0}`", file.display()))
    })
}

/// Everybody who has a role, by the settings or by a grant, as `platform:id`.
async fn people(desk: &Desk, settings: &Settings) -> Result<Vec<String>, Error> {
    let granted = desk.boards.get(&BoardSlug::default()).await?.read().await?.grants().await?;
    Ok(granted.into_iter().map(|grant| grant.who).chain(settings.access.named()).collect())
}

fn access(kind: &str, people: &[String]) -> Finding {
    let what = format!("{kind} access");
    let mut there =
        people.iter().filter(|who| who.split_once(':').is_some_and(|(platform, _)| platform == kind)).peekable();
    if there.peek().is_none() {
        return Finding::bad(
            what,
            "nobody there may do anything: `kanban pair` prints a code, and whoever sends it to the bot becomes an owner",
        );
    }
    if let Some((who, expected)) = there.find_map(|who| Some((who, misformed(who)?))) {
        return Finding::bad(what, format!("`{who}` has a role and can be nobody there; expected {expected}"));
    }
    Finding::good(what, "somebody may give commands there")
}
