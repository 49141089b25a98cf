//! `agent` and `stop`: who answers plain messages in a place, and what becomes of the messages that wait there.

use std::fs;

use kanban_platform::{Author, Thread};

use crate::{
    board::{
        Error, ProfileName, Tx,
        announcement::span,
        error::refuse,
        lane::Lane,
        pin::{LanePolicy, Pinned, Reach, Resident},
    },
    clock::Millis,
    command::{
        access,
        caller::Caller,
        desk::{Desk, Done},
        reply::Reply,
        verbs::{Agent, Rule, Stop, Switch},
    },
    dispatcher::turn_log,
    settings::Kind,
    shim::newest_output,
};

/// How much of an agent's log is shown.
const LOG_SHOWN: u64 = 16 << 10;

/// How many characters of a message name it.
const TITLE: usize = 60;

pub(super) async fn agent(desk: &Desk, caller: &Caller, args: &Agent, tx: &mut Tx) -> Result<Done, Error> {
    let thread = here(caller)?;
    let now = desk.now();
    let by = caller.actor.name();
    match (args.state, &args.profile) {
        (Some(Switch::On), named) => {
            let name = match named {
                Some(name) => name.clone(),
                None => usual(desk, caller)?,
            };
            answers(desk, caller, &name)?;
            tx.set_agent(thread, &Resident::Profile(name), by, now).await?;
        }
        (Some(Switch::Off), None) => tx.set_agent(thread, &Resident::Off, by, now).await?,
        (Some(Switch::Off), Some(name)) => {
            refuse!(Usage, "`agent off` takes no profile; to let `{name}` answer here: `{{program}} agent on {name}`")
        }
        (None, Some(_)) | (None, None) => {}
    }
    if let Some(rule) = args.policy {
        tx.set_lane(thread, policy(rule), by, now).await?;
    }
    if args.fresh {
        tx.forget_sessions(thread).await?;
    }
    if args.log {
        return log(desk, tx, thread).await.map(Done::from);
    }
    shown(desk, tx, thread, args.fresh).await.map(Done::from)
}

pub(super) async fn stop(desk: &Desk, caller: &Caller, args: &Stop, tx: &mut Tx) -> Result<Done, Error> {
    let thread = here(caller)?;
    let now = desk.now();
    let before = tx.lane(thread).await?;
    let stopped = tx.stop_turn(thread, caller.actor.name()).await?;
    let dropped = if args.all { tx.clear_lane(thread, now).await? } else { 0 };
    let mut said = Vec::new();
    match &stopped {
        Some(turn) => said.push(format!("@{} is being stopped: {}", turn.profile, title(&turn.text))),
        None => said.push("no agent works on a message here".to_owned()),
    }
    if dropped > 0 {
        said.push(format!("{} dropped", messages(i64::try_from(dropped).unwrap_or(i64::MAX))));
    } else if before.waiting > 0 {
        said.push(format!("{} still to come; `{} stop --all` drops them", messages(before.waiting), caller.prefix()));
    }
    Ok(Reply::text(said.join("\n")).into())
}

/// What goes on in a lane, for whoever is told that it is busy.
pub(crate) fn in_lane(lane: &Lane, now: Millis) -> String {
    let waiting = (lane.waiting > 0).then(|| format!("{} waiting", messages(lane.waiting)));
    let running = lane.running.as_ref().map(|turn| {
        let time = span(now - turn.started_at.unwrap_or(now));
        format!("@{} is busy since {time} with {}", turn.profile, title(&turn.text))
    });
    match (running, waiting) {
        (Some(running), Some(waiting)) => format!("{running}, {waiting}"),
        (Some(said), None) | (None, Some(said)) => said,
        (None, None) => "idle".to_owned(),
    }
}

fn here(caller: &Caller) -> Result<&Thread, Error> {
    let Some(thread) = caller.thread() else {
        refuse!(
            Invalid,
            "this is about the thread that it is typed in; type it in a chat, or run `kanban say --thread NAME '/kanban agent'`"
        )
    };
    Ok(thread)
}

/// The profile that `agent on` means which names none.
fn usual(desk: &Desk, caller: &Caller) -> Result<ProfileName, Error> {
    let pinned = caller.pin.agent.as_ref().and_then(|agent| match &agent.value {
        Resident::Profile(name) => Some(name.clone()),
        Resident::Off => None,
    });
    let settings = desk.settings.get();
    let only = || {
        let mut agents = settings.profiles.iter().filter(|profile| profile.kind == Kind::Agent);
        agents.next().filter(|_| agents.next().is_none()).map(|profile| profile.name.clone())
    };
    match pinned.or_else(|| settings.chat.agent.clone()).or_else(only) {
        Some(name) => Ok(name),
        None => refuse!(
            Usage,
            "which profile is to answer? name it, as in `{{program}} agent on claude`; `{{program}} assignees` lists them"
        ),
    }
}

/// Refuses a profile that answers nobody, or that the caller may not use.
fn answers(desk: &Desk, caller: &Caller, name: &ProfileName) -> Result<(), Error> {
    let settings = desk.settings.get();
    let profile = access::profile(caller, &settings, name)?;
    if name.as_str() == Resident::OFF {
        refuse!(
            Invalid,
            "a profile called `{name}` cannot answer here, since that word turns the agent off; give it another name in the settings"
        );
    }
    if profile.kind == Kind::Script {
        refuse!(
            Invalid,
            "`{name}` would run what people say as a program; name an agent, as in `{{program}} agent on claude`"
        );
    }
    Ok(())
}

async fn shown(desk: &Desk, tx: &mut Tx, thread: &Thread, is_fresh: bool) -> Result<Reply, Error> {
    let pin = tx.pin(thread).await?;
    let settings = desk.settings.get();
    let who = match (&pin.agent, &settings.chat.agent) {
        (Some(Pinned { value: Resident::Profile(name), reach, by }), _) => {
            format!("@{name} answers every message here ({}, by {by})", place(*reach))
        }
        (Some(Pinned { value: Resident::Off, reach, by }), _) => {
            format!("nobody answers plain messages here ({}, by {by})", place(*reach))
        }
        (None, Some(name)) => format!("@{name} answers messages that speak to me (settings)"),
        (None, None) => "nobody answers plain messages here; `/kanban agent on PROFILE` changes that".to_owned(),
    };
    let rule = match &pin.lane {
        Some(Pinned { value, reach, by }) => format!("{} ({}, by {by})", value.as_str(), place(*reach)),
        None => LanePolicy::default().as_str().to_owned(),
    };
    let lane = tx.lane(thread).await?;
    let mut lines =
        vec![who, format!("a message while it works: {rule}"), format!("now: {}", in_lane(&lane, desk.now()))];
    if let Some(turn) = &lane.running {
        let author: Option<Author> = serde_json::from_str(&turn.author).ok();
        let author = author.map(|author| author.to_string()).unwrap_or_default();
        lines.push(format!("asked by {author}; `/kanban stop` ends it"));
    }
    if is_fresh {
        lines.push("the next message begins a new session".to_owned());
    }
    Ok(Reply::text(lines.join("\n")))
}

/// What the agent wrote to its log in the last turn of a thread.
async fn log(desk: &Desk, tx: &mut Tx, thread: &Thread) -> Result<Reply, Error> {
    let Some(turn) = tx.last_turn(thread).await? else {
        refuse!(Unknown, "no agent has worked on a message here yet; `{{program}} agent` shows who would");
    };
    let path = turn_log(desk.home(), &turn);
    let output = match newest_output(&path, LOG_SHOWN) {
        Ok(output) => String::from_utf8_lossy(&output).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    if output.trim().is_empty() {
        return Ok(Reply::text(format!("@{} wrote nothing to its log for {}", turn.profile, title(&turn.text))));
    }
    let is_cut = fs::metadata(&path).is_ok_and(|file| file.len() > LOG_SHOWN);
    let notes = if is_cut { format!("the newest part of `{}`", path.display()) } else { String::new() };
    Ok(Reply { is_fixed: true, notes, ..Reply::text(output) })
}

fn place(reach: Reach) -> &'static str {
    match reach {
        Reach::Thread => "set here",
        Reach::Channel => "set for the channel",
        Reach::Space => "set for the space",
    }
}

fn policy(rule: Rule) -> LanePolicy {
    match rule {
        Rule::Queue => LanePolicy::Queue,
        Rule::Interrupt => LanePolicy::Interrupt,
        Rule::Refuse => LanePolicy::Refuse,
    }
}

/// The beginning of a message, in quotes.
fn title(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let head: String = line.chars().take(TITLE).collect();
    if head.len() < line.len() || text.trim().lines().count() > 1 {
        format!("“{head}…”")
    } else {
        format!("“{head}”")
    }
}

fn messages(count: i64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}
