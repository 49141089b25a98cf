//! `dispatch status`: whether a gateway runs, what it works on, and what the rest waits for.
//!
//! The work is bounded, however many tasks there are: statuses are counted from an index, and of the ready tasks of each
//! board the first thousand are looked at one by one. The others are counted by whose they are.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{is_paused_by_hand, paused_profiles};
use crate::{
    board::{Board, BoardSlug, Error, ProfileName, TaskId, announcement::span, run::Run, task::Status, view::Filter},
    clock::Millis,
    command::{
        access,
        caller::Caller,
        desk::{Desk, GatewayFacts},
        reply::Reply,
        view::{age, moment},
    },
    dispatcher::scene::{Candidate, Cap, Hindrance, Scene, Switches},
    metrics::Figures,
};

/// How many ready tasks of a board are looked at one by one.
const LOOKED_AT: i64 = 1_000;

/// The code of tasks behind those that were looked at: nothing that holds for all tasks of their profile keeps them.
const NOT_LOOKED_AT: &str = "not_looked_at";

pub(super) async fn status(desk: &Desk, caller: &Caller, json: bool) -> Result<Reply, Error> {
    let settings = desk.settings.get();
    let by_hand = is_paused_by_hand(desk).await?;
    let paused_profiles = paused_profiles(desk).await?;
    let switches =
        Switches { is_paused: by_hand, paused_profiles: &paused_profiles, gateway_runs: desk.gateway.is_some() };
    let at_work = desk.gateway.as_ref().map(|gateway| gateway.dispatcher.at_work()).unwrap_or_default();
    let default = desk.boards.get(&BoardSlug::default()).await?;
    let now = desk.now();
    let mut tx = default.read().await?;
    let here = (default.slug(), &mut tx);
    let scene = Scene::gather(here, &desk.boards, &settings, switches, &at_work, now).await?;
    drop(tx);

    let mut seen = Seen::default();
    let mut boards = Vec::new();
    for board in desk.boards.all().await? {
        if access::sees(caller, &board).await? {
            seen.add(&board, &scene).await?;
            boards.push(board);
        }
    }
    let figures = Figures::gather(desk, &boards).await?;
    let shown = Shown {
        desk,
        caller,
        figures: &figures,
        scene: &scene,
        seen: &seen,
        is_paused: by_hand || settings.dispatch.paused,
    };
    let exit = u8::from(desk.gateway.is_none());
    Ok(if json {
        Reply { exit, ..Reply::json(&shown.document()) }
    } else {
        Reply { exit, ..Reply::text(shown.text()) }
    })
}

/// What there is on the boards that the caller sees.
#[derive(Default)]
struct Seen {
    boards: Vec<BoardSlug>,
    running: Vec<(BoardSlug, Run)>,
    counts: BTreeMap<&'static str, i64>,
    /// Of the tasks that neither run nor are over.
    reasons: BTreeMap<&'static str, i64>,
    oldest_ready: Option<Millis>,
}

impl Seen {
    async fn add(&mut self, board: &Board, scene: &Scene<'_>) -> Result<(), Error> {
        let slug = board.slug();
        let mut tx = board.read().await?;
        self.boards.push(slug.clone());
        self.running.extend(tx.open_runs().await?.into_iter().map(|run| (slug.clone(), run)));
        for count in tx.counts().await? {
            *self.counts.entry(count.status.as_str()).or_default() += count.tasks;
        }
        self.oldest_ready = self.oldest_ready.into_iter().chain(tx.oldest_ready().await?).min();

        let gone = tx.without_workplace().await?;
        let due = tx.due(scene.now).await?;
        let ready = Filter { status: Some(Status::Ready), ..Filter::default() };
        let ready = tx.list(&ready, LOOKED_AT).await?;
        // Whose those are that are looked at one by one.
        let mut looked_at: BTreeMap<Option<ProfileName>, i64> = BTreeMap::new();
        for task in &ready {
            let mut candidate = Candidate::of(slug, task);
            candidate.is_gone = gone.contains(&task.id);
            self.reason(scene.hindrance(&candidate).as_ref().map_or("starting", Hindrance::code), 1);
            *looked_at.entry(task.assignee.clone()).or_default() += 1;
        }
        for task in &due {
            let candidate = Candidate::of_assignee(slug, &task.id, task.assignee.as_ref());
            self.reason(scene.hindrance(&candidate).as_ref().map_or("starting", Hindrance::code), 1);
        }
        let nobody: TaskId = TaskId::random();
        for count in tx.waiting().await? {
            let tasks = count.tasks;
            match count.status {
                Status::Ready => {
                    let rest = tasks - looked_at.get(&count.assignee).copied().unwrap_or(0);
                    let candidate = Candidate::of_assignee(slug, &nobody, count.assignee.as_ref());
                    let hindrance = scene.hindrance(&candidate);
                    self.reason(hindrance.as_ref().map_or(NOT_LOOKED_AT, Hindrance::code), rest);
                }
                Status::Todo => self.reason("unmet_parents", tasks),
                Status::Scheduled => self.reason("scheduled", tasks),
                Status::Review => self.reason("review", tasks),
                Status::Triage => self.reason("triage", tasks),
                Status::Blocked => self.reason("blocked", tasks),
                Status::Running | Status::Done | Status::Archived => {}
            }
        }
        self.reason("scheduled", -i64::try_from(due.len()).unwrap_or(0));
        for held in tx.held().await? {
            let whole = if held.status == Status::Triage { "triage" } else { "blocked" };
            let given_up = if held.status == Status::Triage { 0 } else { held.given_up };
            let spent = if held.status == Status::Triage { 0 } else { held.spent };
            self.reason(whole, -(held.questions + given_up));
            self.reason("question", held.questions);
            self.reason("gave_up", given_up - spent);
            self.reason("budget_spent", spent);
        }
        Ok(())
    }

    fn reason(&mut self, code: &'static str, tasks: i64) {
        *self.reasons.entry(code).or_default() += tasks;
    }
}

struct Shown<'a> {
    desk: &'a Desk,
    caller: &'a Caller,
    scene: &'a Scene<'a>,
    seen: &'a Seen,
    figures: &'a Figures,
    is_paused: bool,
}

impl Shown<'_> {
    fn document(&self) -> Value {
        let Self { scene, seen, .. } = self;
        let running = seen.running.iter().map(|(board, run)| {
            json!({
                "board": board, "task_id": run.task_id, "run_id": run.id, "profile": run.profile,
                "worker_pid": run.worker_pid, "started_at": run.started_at / 1000, "holder": run.holder,
                "last_sign_of_life": run.last_heartbeat_at.map(|at| at / 1000), "note": run.heartbeat_note,
            })
        });
        let parked = scene.parked().into_iter().map(|parked| {
            let is_seen = seen.boards.contains(&parked.board);
            json!({
                "profile": parked.profile, "kind": parked.kind.as_str(), "since": parked.since / 1000,
                "until": parked.until / 1000, "board": is_seen.then_some(&parked.board),
                "reason": is_seen.then_some(&parked.reason), "task_id": parked.task.as_ref().filter(|_| is_seen),
            })
        });
        let caps = self.caps().into_iter().map(|(cap, limit, used)| {
            let (kind, name) = match cap {
                Cap::Global => ("global", None),
                Cap::Profile(profile) => ("profile", Some(profile.to_string())),
                Cap::Board(board) => ("board", Some(board.to_string())),
            };
            json!({"cap": kind, "name": name, "limit": limit, "in_use": used})
        });
        json!({
            "gateway": self.desk.gateway.as_ref().map(facts),
            "paused": self.is_paused,
            "paused_profiles": self.paused_profiles(),
            "parked_profiles": parked.collect::<Vec<_>>(),
            "max_running": scene.settings.dispatch.max_running,
            "caps": caps.collect::<Vec<_>>(),
            "running": running.collect::<Vec<_>>(),
            "waiting": self.waiting().collect::<BTreeMap<_, _>>(),
            "oldest_ready_seconds": seen.oldest_ready.map(|at| (scene.now - at).max(0) / 1000),
            "counts": seen.counts,
            "figures": self.figures.document(),
        })
    }

    fn text(&self) -> String {
        let Self { scene, seen, .. } = self;
        let program = self.caller.prefix();
        let mut lines = vec![match &self.desk.gateway {
            Some(gateway) => {
                format!("Gateway:  running, pid {}, for {}", gateway.pid, span(scene.now - gateway.since))
            }
            None => "Gateway:  not running; start it with `kanban up`".to_owned(),
        }];
        lines.push(match (self.is_paused, scene.is_paused) {
            (true, true) => format!("Dispatch: paused; `{program} dispatch resume` lets it go on"),
            (true, false) => "Dispatch: paused by the settings (`dispatch.paused = true`)".to_owned(),
            (false, _) => "Dispatch: on".to_owned(),
        });
        for profile in self.paused_profiles() {
            lines.push(if scene.paused_profiles.contains(&profile) {
                format!("Paused:   {profile}; `{program} dispatch resume {profile}` lets it go on")
            } else {
                format!("Paused:   {profile}, by the settings (`profiles.{profile}.paused = true`)")
            });
        }
        let zone = TimeZone::system();
        for parked in scene.parked() {
            let reason = if seen.boards.contains(&parked.board) { &parked.reason } else { "it has reached a limit" };
            lines.push(format!(
                "Parked:   {} until {}, for {} more: {}; `{program} dispatch resume {}` lets it go on",
                parked.profile,
                moment(parked.until, &zone),
                span(parked.until - scene.now),
                reason.lines().next().unwrap_or_default(),
                parked.profile
            ));
        }
        let limit = scene.settings.dispatch.max_running;
        lines.push(format!("Running:  {} of {limit}", scene.counted_by(&Cap::Global).count()));
        for (board, run) in &seen.running {
            let profile = run.profile.as_ref().map_or("-", ProfileName::as_str);
            let seen =
                run.last_heartbeat_at.map_or(String::new(), |at| format!(", last sign of life {}", age(scene.now, at)));
            let by = if run.claim_expires.is_some() { format!(", by {}", run.holder) } else { String::new() };
            let on = if *board == BoardSlug::default() { String::new() } else { format!(" on {board}") };
            lines.push(format!(
                "  - {}{on}  {profile}  run {} for {}{seen}{by}",
                run.task_id,
                run.id,
                span(scene.now - run.started_at)
            ));
        }
        for (cap, limit, used) in self.caps() {
            match cap {
                Cap::Global => {}
                Cap::Profile(profile) => lines.push(format!("Cap:      profile {profile}, {used} of {limit}")),
                Cap::Board(board) => lines.push(format!("Cap:      board {board}, {used} of {limit}")),
            }
        }
        let waiting: Vec<_> = self.waiting().map(|(code, tasks)| format!("{tasks} {code}")).collect();
        if !waiting.is_empty() {
            let all: i64 = self.waiting().map(|(_, tasks)| tasks).sum();
            lines.push(format!("Waiting:  {all} ({}); `{program} why ID` tells more of one", waiting.join(", ")));
        }
        if let Some(at) = seen.oldest_ready {
            lines.push(format!("Oldest:   a ready task is {} old", span(scene.now - at)));
        }
        lines.extend(self.figures.lines());
        lines.extend(seen.counts.iter().map(|(status, count)| format!("{:<9} {count}", format!("{status}:"))));
        lines.join("\n")
    }

    /// How many tasks wait for each reason.
    fn waiting(&self) -> impl Iterator<Item = (&'static str, i64)> {
        self.seen.reasons.iter().map(|(code, tasks)| (*code, *tasks)).filter(|(_, tasks)| *tasks > 0)
    }

    /// The profiles that a person or the settings have stopped.
    fn paused_profiles(&self) -> Vec<ProfileName> {
        let by_settings = self.scene.settings.profiles.iter().filter(|profile| profile.paused);
        let by_settings = by_settings.map(|profile| profile.name.clone());
        let mut all: Vec<_> = self.scene.paused_profiles.iter().cloned().chain(by_settings).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Every cap that is set, with its use. Of profiles, those with a cap of their own or with workers.
    fn caps(&self) -> Vec<(Cap, u32, usize)> {
        let (scene, dispatch) = (self.scene, &self.scene.settings.dispatch);
        let used = |cap: &Cap| scene.counted_by(cap).count();
        let mut caps = vec![(Cap::Global, dispatch.max_running.get(), used(&Cap::Global))];
        for profile in scene.settings.profiles.iter() {
            let cap = Cap::Profile(profile.name.clone());
            let in_use = used(&cap);
            let of_all = dispatch.max_running_per_profile.filter(|_| in_use > 0);
            caps.extend(profile.max_running.or(of_all).map(|limit| (cap, limit.get(), in_use)));
        }
        if let Some(limit) = dispatch.max_running_per_board {
            let boards = self.seen.boards.iter().map(|board| Cap::Board(board.clone()));
            caps.extend(boards.map(|cap| (cap.clone(), limit.get(), used(&cap))));
        }
        caps
    }
}

fn facts(gateway: &GatewayFacts) -> Value {
    let adopted = gateway.adoption.so_far();
    json!({
        "pid": gateway.pid,
        "since": gateway.since / 1000,
        "adopted": {
            "found": adopted.found,
            "waiting": adopted.waiting,
            "duration_ms": adopted.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        },
    })
}
