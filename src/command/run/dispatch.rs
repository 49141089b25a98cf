//! `dispatch`: now, pause, resume, status.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::status;

use crate::{
    board::{BoardSlug, Error, ProfileName, error::refuse},
    command::{
        caller::Caller,
        desk::Desk,
        reply::Reply,
        verbs::{Dispatch, DispatchNow, DispatchVerb},
    },
    dispatcher::{self, Look, Report},
};

/// Under this key the default board keeps that nothing is to be started.
const PAUSED: &str = "dispatch_paused";

pub(super) async fn run(
    desk: &Desk,
    caller: &Caller,
    board: Option<&BoardSlug>,
    args: &Dispatch,
) -> Result<Reply, Error> {
    match &args.verb {
        None => now(desk, caller, board, &args.now).await,
        Some(DispatchVerb::Now(args)) => now(desk, caller, board, args).await,
        Some(DispatchVerb::Pause(args)) => pause(desk, args.profile.as_ref(), true).await,
        Some(DispatchVerb::Resume(args)) => pause(desk, args.profile.as_ref(), false).await,
        Some(DispatchVerb::Status(args)) => status::status(desk, caller, args.json).await,
    }
}

/// Whether a person, or the settings, stopped all starts.
pub(crate) async fn is_paused(desk: &Desk) -> Result<bool, Error> {
    Ok(desk.settings.get().dispatch.paused || is_paused_by_hand(desk).await?)
}

/// Whether a person stopped all starts.
pub(crate) async fn is_paused_by_hand(desk: &Desk) -> Result<bool, Error> {
    let board = desk.boards.get(&BoardSlug::default()).await?;
    Ok(board.read().await?.meta(PAUSED).await?.is_some())
}

/// The profiles that a person stopped.
pub(crate) async fn paused_profiles(desk: &Desk) -> Result<Vec<ProfileName>, Error> {
    let board = desk.boards.get(&BoardSlug::default()).await?;
    let meta = board.read().await?.all_meta().await?;
    let prefix = format!("{PAUSED}:");
    Ok(meta.iter().filter_map(|(key, _)| key.strip_prefix(&prefix)?.parse().ok()).collect())
}

async fn now(desk: &Desk, caller: &Caller, board: Option<&BoardSlug>, args: &DispatchNow) -> Result<Reply, Error> {
    let look = Look {
        dry_run: args.dry_run,
        max: args.max,
        failure_limit: args.failure_limit,
        board: Some(desk.board_of(caller, board).await?.slug().clone()),
    };
    let report = match &desk.gateway {
        Some(gateway) => gateway.dispatcher.look(look).await?,
        // A look applies calls that workers have left, and those are commands again.
        None => Box::pin(dispatcher::look_once(desk, look)).await?,
    };
    Ok(if args.json {
        Reply::json(&json_of(&report))
    } else {
        Reply::text(text_of(&report, args.dry_run, caller.prefix()))
    })
}

async fn pause(desk: &Desk, profile: Option<&ProfileName>, pause: bool) -> Result<Reply, Error> {
    let key = match profile {
        Some(name) => {
            let settings = desk.settings.get();
            if let Err(refusal) = settings.profiles.find(name) {
                refuse!(UnknownProfile, "{refusal}");
            }
            format!("{PAUSED}:{name}")
        }
        None => PAUSED.to_owned(),
    };
    let board = desk.boards.get(&BoardSlug::default()).await?;
    let mut tx = board.write().await?;
    let since = desk.now().to_string();
    tx.set_meta(&key, pause.then_some(since.as_str())).await?;
    tx.commit().await?;
    if let (Some(name), false) = (profile, pause) {
        for board in desk.boards.all().await? {
            let mut tx = board.write().await?;
            tx.unpark_profile(name).await?;
            tx.commit().await?;
        }
    }
    let what = profile.map_or("Dispatch".to_owned(), |name| format!("Profile {name}"));
    let note = match (pause, desk.settings.get().dispatch.paused) {
        (false, true) => "\nThe settings still say `dispatch.paused = true`; nothing starts until that is taken back.",
        (true, _) => "\nRunning workers go on.",
        (false, false) => "",
    };
    Ok(Reply::text(format!("{what} {}.{note}", if pause { "paused" } else { "resumed" })))
}

fn json_of(report: &Report) -> Value {
    let started =
        |row: &dispatcher::Started| json!({"task_id": row.task, "assignee": row.profile, "workspace": row.workspace});
    json!({
        "reclaimed": report.reclaimed,
        "crashed": report.crashed,
        "timed_out": report.timed_out,
        "stale": Vec::<String>::new(),
        "auto_blocked": report.gave_up,
        "promoted": report.promoted,
        "spawned": report.started.iter().map(started).collect::<Vec<_>>(),
        "skipped_unassigned": report.unassigned,
        "skipped_nonspawnable": report.unknown_profile,
        "skipped_per_profile_capped": report.profile_full.iter()
            .map(|(task, profile, current)| json!({"task_id": task, "assignee": profile, "current": current}))
            .collect::<Vec<_>>(),
        "auto_assigned_default": report.given_default,
        "held": report.held.iter()
            .map(|(task, hindrance)| json!({"task_id": task, "reason": hindrance.code()}))
            .collect::<Vec<_>>(),
        "paused": report.paused,
    })
}

fn text_of(report: &Report, dry_run: bool, program: &str) -> String {
    let mut text = format!(
        "Reclaimed:    {}\nCrashed:      {}\nTimed out:    {}\nStale:        0\nAuto-blocked: {}\nPromoted:     {}\nSpawned:      {}",
        report.reclaimed,
        report.crashed.len(),
        report.timed_out.len(),
        report.gave_up.len(),
        report.promoted,
        report.started.len()
    );
    for row in &report.started {
        let place = if row.workspace.is_empty() { "-" } else { &row.workspace };
        let dry = if dry_run { " (dry)" } else { "" };
        text.push_str(&format!("\n  - {}  ->  {}  @ {place}{dry}", row.task, row.profile));
    }
    let ids = |ids: &[crate::board::TaskId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !report.unassigned.is_empty() {
        text.push_str(&format!("\nSkipped (unassigned): {}", ids(&report.unassigned)));
    }
    if !report.unknown_profile.is_empty() {
        text.push_str(&format!("\nSkipped (unknown profile): {}", ids(&report.unknown_profile)));
    }
    if !report.profile_full.is_empty() {
        let rows: Vec<_> =
            report.profile_full.iter().map(|(task, profile, now)| format!("{task} ({profile} has {now})")).collect();
        text.push_str(&format!("\nSkipped (profile full): {}", rows.join(", ")));
    }
    if !report.held.is_empty() {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, hindrance) in &report.held {
            *reasons.entry(hindrance.code()).or_default() += 1;
        }
        let rows: Vec<_> = reasons.iter().map(|(code, tasks)| format!("{tasks} {code}")).collect();
        text.push_str(&format!("\nHeld back: {}; `{program} why ID` tells more of one", rows.join(", ")));
    }
    if report.paused {
        text.push_str(&format!("\nPaused: nothing is started; `{program} dispatch resume` lets it go on"));
    }
    text
}
