//! `diagnostics`: what is wrong on the board, and what to do about it. Computed when asked for; nothing is stored.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    View,
    text::{counted, first_line, one_line},
    why::{has_given_up, suggested_profile},
};
use crate::{
    board::{
        Error, ProfileName, TaskId, Tx,
        announcement::span,
        claim::seconds,
        task::Status,
        view::{HeldUp, Symptom},
    },
    clock::Millis,
    command::{reply::Reply, verbs},
    dispatcher::scene::{Candidate, Hindrance},
};

pub async fn diagnostics(tx: &mut Tx, args: &verbs::Diagnostics, view: &View<'_>) -> Result<Reply, Error> {
    if let Some(id) = &args.task {
        tx.task(id).await?;
    }
    let least = args.severity.map_or(Severity::Warning, Severity::from);
    let mut found = examine(tx, view).await?;
    found.retain(|ill| args.task.is_none() || ill.task_id == args.task);
    for ill in &mut found {
        ill.findings.retain(|finding| finding.severity >= least);
        ill.findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.first_seen));
    }
    found.retain(|ill| !ill.findings.is_empty());
    found.sort_by_key(|ill| (std::cmp::Reverse(ill.severity()), ill.first_seen(), ill.task_id.clone()));
    if args.json {
        return Ok(Reply::json(&Value::Array(found.iter().map(Ill::document).collect())));
    }
    if found.is_empty() {
        return Ok(Reply::text("No active diagnostics"));
    }
    let mut paragraphs: Vec<_> = found.iter().take(SHOWN).map(|ill| ill.text(view)).collect();
    if found.len() > SHOWN {
        paragraphs.push(format!(
            "{} more; `{} diagnostics --json` lists them all",
            counted(found.len() - SHOWN, "task"),
            view.prefix
        ));
    }
    Ok(Reply::text(paragraphs.join("\n\n")))
}

/// How many tasks the text shows; JSON has all of them.
const SHOWN: usize = 50;

/// When something counts as wrong.
const FAILURES: i64 = 2;
const CRASHES: i64 = 2;
const CYCLES: i64 = 3;
const DAY: Millis = 24 * 3_600_000;
const STRANDED: Millis = 30 * 60_000;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RepeatedFailures,
    RepeatedCrashes,
    StuckInBlocked,
    BlockUnblockCycling,
    StrandedInReady,
    UnknownProfile,
    UnassignedReady,
    ParkedThread,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::RepeatedFailures => "repeated_failures",
            Self::RepeatedCrashes => "repeated_crashes",
            Self::StuckInBlocked => "stuck_in_blocked",
            Self::BlockUnblockCycling => "block_unblock_cycling",
            Self::StrandedInReady => "stranded_in_ready",
            Self::UnknownProfile => "unknown_profile",
            Self::UnassignedReady => "unassigned_ready",
            Self::ParkedThread => "parked_thread",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Warning,
    Error,
    Critical,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Twice as often as it takes to be found is critical.
    fn by_count(count: i64, enough: i64) -> Self {
        if count >= 2 * enough { Self::Critical } else { Self::Error }
    }
}

impl From<verbs::Severity> for Severity {
    fn from(severity: verbs::Severity) -> Self {
        match severity {
            verbs::Severity::Warning => Self::Warning,
            verbs::Severity::Error => Self::Error,
            verbs::Severity::Critical => Self::Critical,
        }
    }
}

struct Finding {
    kind: Kind,
    severity: Severity,
    title: String,
    detail: String,
    /// What to do: a label and a command, the best first.
    actions: Vec<(String, String)>,
    first_seen: Millis,
    last_seen: Millis,
    count: i64,
    run: Option<i64>,
    data: Value,
}

/// A task, or (none) the board, with what is wrong there.
struct Ill {
    task_id: Option<TaskId>,
    title: Option<String>,
    status: Option<Status>,
    assignee: Option<ProfileName>,
    findings: Vec<Finding>,
}

impl Ill {
    fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    fn first_seen(&self) -> Option<Millis> {
        self.findings.iter().map(|finding| finding.first_seen).min()
    }

    fn document(&self) -> Value {
        json!({
            "task_id": self.task_id,
            "title": self.title,
            "status": self.status,
            "assignee": self.assignee,
            "diagnostics": self.findings.iter().map(Finding::document).collect::<Vec<_>>(),
        })
    }

    fn text(&self, view: &View<'_>) -> String {
        let mut lines = vec![match &self.task_id {
            Some(id) => format!(
                "{id}  {}  {}  {}",
                self.status.map_or("-", Status::as_str),
                self.assignee.as_ref().map_or("(unassigned)", ProfileName::as_str),
                one_line(self.title.as_deref().unwrap_or_default())
            ),
            None => format!("Board {}", view.board.slug()),
        }];
        for finding in &self.findings {
            lines.push(format!("  [{}] {}: {}", finding.severity.as_str(), finding.kind.as_str(), finding.title));
            lines.push(format!("      {}", finding.detail));
            lines.extend(finding.actions.first().map(|(_, command)| format!("      → `{command}`")));
        }
        lines.join("\n")
    }
}

impl Finding {
    fn document(&self) -> Value {
        let actions = self.actions.iter().enumerate().map(|(place, (label, command))| {
            json!({"kind": "cli_hint", "label": label, "payload": {"command": command}, "suggested": place == 0})
        });
        json!({
            "kind": self.kind.as_str(),
            "severity": self.severity.as_str(),
            "title": self.title,
            "detail": self.detail,
            "actions": actions.collect::<Vec<_>>(),
            "first_seen_at": seconds(self.first_seen),
            "last_seen_at": seconds(self.last_seen),
            "count": self.count,
            "run_id": self.run,
            "data": self.data,
        })
    }
}

/// Applies every rule. Each asks the board once, however many tasks there are.
async fn examine(tx: &mut Tx, view: &View<'_>) -> Result<Vec<Ill>, Error> {
    let mut found = Found::default();
    for task in tx.failing().await? {
        let given_up =
            task.status == Status::Blocked && has_given_up(task.last_error.as_deref(), task.block_reason.as_deref());
        if given_up || task.failures >= FAILURES {
            let finding = repeated_failures(&task, given_up, view);
            found.add(task, finding);
        }
    }
    for task in tx.crashing(CRASHES).await? {
        let finding = repeated_crashes(&task, view);
        found.add(task, finding);
    }
    for task in tx.blocked_for_long(view.now - DAY).await? {
        let finding = stuck_in_blocked(&task, view);
        found.add(task, finding);
    }
    for task in tx.blocked_often(view.now - DAY, CYCLES).await? {
        let finding = block_unblock_cycling(&task, view);
        found.add(task, finding);
    }
    if view.settings.dispatch.default_assignee.is_none() {
        for task in tx.unassigned_ready().await? {
            let finding = unassigned_ready(&task, view);
            found.add(task, finding);
        }
    }
    let mut assignees: Vec<_> = tx
        .counts()
        .await?
        .into_iter()
        .filter(|count| count.status != Status::Done)
        .filter_map(|count| count.assignee)
        .collect();
    assignees.sort();
    assignees.dedup();
    for profile in assignees.iter().filter(|name| view.settings.profiles.get(name).is_none()) {
        for task in tx.live_of_assignee(profile).await? {
            let finding = unknown_profile(&task, profile, view);
            found.add(task, finding);
        }
    }
    let scene = view.scene(tx).await?;
    let gone = tx.without_workplace().await?;
    for task in tx.ready_for_long(view.now - STRANDED).await? {
        let mut candidate = Candidate::of_symptom(view.board.slug(), &task);
        candidate.is_gone = gone.contains(&task.task_id);
        let hindrance = scene.hindrance(&candidate);
        if let Some(finding) = stranded_in_ready(&task, hindrance.as_ref(), view) {
            found.add(task, finding);
        }
    }
    for held_up in tx.held_up().await? {
        found.add_held_up(held_up, view);
    }
    Ok(found.0.into_values().collect())
}

#[derive(Default)]
struct Found(BTreeMap<Option<TaskId>, Ill>);

impl Found {
    fn add(&mut self, task: Symptom, finding: Finding) {
        let ill = self.0.entry(Some(task.task_id.clone())).or_insert_with(|| Ill {
            task_id: Some(task.task_id),
            title: Some(task.title),
            status: Some(task.status),
            assignee: task.assignee,
            findings: Vec::new(),
        });
        ill.findings.push(finding);
    }

    fn add_held_up(&mut self, held_up: HeldUp, view: &View<'_>) {
        let finding = parked_thread(&held_up, view);
        let ill = self.0.entry(held_up.task_id.clone()).or_insert_with(|| Ill {
            task_id: held_up.task_id,
            title: held_up.title,
            status: held_up.status,
            assignee: held_up.assignee,
            findings: Vec::new(),
        });
        ill.findings.push(finding);
    }
}

fn repeated_failures(task: &Symptom, given_up: bool, view: &View<'_>) -> Finding {
    let error = task.last_error.as_deref().map_or(String::new(), |error| first_line(error, WIDTH));
    // Exits without a report have a limit of their own and do not count as failures of the task.
    let count = if task.failures > 0 { task.failures } else { task.times };
    let title = if given_up {
        format!("its attempts are used up, after {}", counted(whole(count), "failure"))
    } else {
        format!("{} in a row", counted(whole(count), "failure"))
    };
    let id = &task.task_id;
    let mut actions = Vec::new();
    if given_up {
        actions.push(action("Try it again", &format!("retry {id}"), view));
    }
    actions.push(action("See what its worker printed", &format!("log {id}"), view));
    actions.push(action("Give it to another profile", &format!("reassign {id} PROFILE --reclaim"), view));
    Finding {
        kind: Kind::RepeatedFailures,
        severity: Severity::by_count(count, FAILURES),
        title,
        detail: format!("The last error: {error}"),
        actions,
        first_seen: task.first_at,
        last_seen: task.last_at,
        count,
        run: task.run_id,
        data: json!({"failures": task.failures, "last_error": task.last_error, "given_up": given_up}),
    }
}

fn repeated_crashes(task: &Symptom, view: &View<'_>) -> Finding {
    let id = &task.task_id;
    Finding {
        kind: Kind::RepeatedCrashes,
        severity: Severity::by_count(task.times, CRASHES),
        title: format!("its worker crashed {} times in a row", task.times),
        detail: format!(
            "The last error: {}",
            task.last_error.as_deref().map_or(String::new(), |error| first_line(error, WIDTH))
        ),
        actions: vec![
            action("See what its worker printed", &format!("log {id}"), view),
            action("See every attempt", &format!("runs {id}"), view),
        ],
        first_seen: task.first_at,
        last_seen: task.last_at,
        count: task.times,
        run: task.run_id,
        data: json!({"crashes": task.times, "last_error": task.last_error}),
    }
}

fn stuck_in_blocked(task: &Symptom, view: &View<'_>) -> Finding {
    let id = &task.task_id;
    Finding {
        kind: Kind::StuckInBlocked,
        severity: Severity::Warning,
        title: format!("blocked for {}", span(view.now - task.first_at)),
        detail: format!(
            "It is blocked because: {}",
            task.block_reason
                .as_deref()
                .map_or_else(|| "no reason was given".to_owned(), |reason| first_line(reason, WIDTH))
        ),
        actions: vec![
            action("Answer and release it", &format!("unblock {id} --reason {}", view.word("YOUR ANSWER")), view),
            action("End it", &format!("cancel {id}"), view),
        ],
        first_seen: task.first_at,
        last_seen: view.now,
        count: 1,
        run: task.run_id,
        data: json!({"blocked_seconds": seconds(view.now - task.first_at), "reason": task.block_reason}),
    }
}

fn block_unblock_cycling(task: &Symptom, view: &View<'_>) -> Finding {
    let id = &task.task_id;
    Finding {
        kind: Kind::BlockUnblockCycling,
        severity: Severity::Warning,
        title: format!("blocked {} times within a day", task.times),
        detail: "It was released and blocked again and again: what it needs is not what it was given".to_owned(),
        actions: vec![
            action("Read what was asked and answered", &format!("show {id}"), view),
            action("Give it to another profile", &format!("reassign {id} PROFILE --reclaim"), view),
        ],
        first_seen: task.first_at,
        last_seen: task.last_at,
        count: task.times,
        run: task.run_id,
        data: json!({"blocks": task.times, "window_seconds": seconds(DAY)}),
    }
}

fn unassigned_ready(task: &Symptom, view: &View<'_>) -> Finding {
    let profile = suggested_profile(None, view).unwrap_or("PROFILE");
    Finding {
        kind: Kind::UnassignedReady,
        severity: Severity::Warning,
        title: "ready, but nobody is to do it".to_owned(),
        detail: "It has no assignee, and the settings name no `dispatch.default_assignee`".to_owned(),
        actions: vec![action("Assign it", &format!("assign {} {profile}", task.task_id), view)],
        first_seen: task.first_at,
        last_seen: view.now,
        count: 1,
        run: None,
        data: json!({}),
    }
}

fn unknown_profile(task: &Symptom, profile: &ProfileName, view: &View<'_>) -> Finding {
    let suggested = suggested_profile(Some(profile), view).unwrap_or("PROFILE");
    Finding {
        kind: Kind::UnknownProfile,
        severity: Severity::Error,
        title: format!("there is no profile `{profile}`"),
        detail: "It cannot start until it is given to a profile that the settings declare".to_owned(),
        actions: vec![
            action("Assign it to a known profile", &format!("assign {} {suggested}", task.task_id), view),
            action("See the profiles", "assignees", view),
        ],
        first_seen: task.first_at,
        last_seen: view.now,
        count: 1,
        run: None,
        data: json!({"profile": profile}),
    }
}

/// A task that waits for its turn, or for a time, is not stranded.
fn stranded_in_ready(task: &Symptom, hindrance: Option<&Hindrance>, view: &View<'_>) -> Option<Finding> {
    let waited = view.now - task.first_at;
    let (cause, command) = match hindrance {
        Some(Hindrance::Paused { by_settings: false }) => {
            ("the dispatcher is paused".to_owned(), format!("{} dispatch resume", view.prefix))
        }
        Some(Hindrance::Paused { by_settings: true }) => {
            ("the settings pause the dispatcher".to_owned(), format!("{} settings show", view.prefix))
        }
        Some(Hindrance::ProfilePaused { profile, by_settings: false }) => {
            (format!("the profile `{profile}` is paused"), format!("{} dispatch resume {profile}", view.prefix))
        }
        Some(Hindrance::ProfilePaused { profile, by_settings: true }) => {
            (format!("the settings pause the profile `{profile}`"), format!("{} settings show", view.prefix))
        }
        Some(Hindrance::NoGateway) => ("no gateway runs".to_owned(), "kanban up".to_owned()),
        Some(Hindrance::DirectoryGone { directory }) => (
            format!("its directory `{}` is gone; put it back", one_line(directory)),
            format!("{} dispatch now", view.here),
        ),
        None => ("nothing keeps it from starting".to_owned(), format!("{} dispatch now", view.here)),
        // These two are findings of their own; the rest pass by themselves.
        Some(Hindrance::Unassigned | Hindrance::UnknownProfile { .. }) => return None,
        Some(
            Hindrance::CapFull { .. }
            | Hindrance::DirectoryBusy { .. }
            | Hindrance::WorkerEnding { .. }
            | Hindrance::ProfileParked(_)
            | Hindrance::BackOff { .. }
            | Hindrance::FilesAwaited { .. }
            | Hindrance::BudgetSpent(_),
        ) => return None,
    };
    let severity = match waited / STRANDED {
        ..2 => Severity::Warning,
        2..6 => Severity::Error,
        6.. => Severity::Critical,
    };
    Some(Finding {
        kind: Kind::StrandedInReady,
        severity,
        title: format!("ready for {} without a start", span(waited)),
        detail: format!("Why: {cause}"),
        actions: vec![
            ("Let it start".to_owned(), command),
            action("See why it does not start", &format!("why {}", task.task_id), view),
        ],
        first_seen: task.first_at,
        last_seen: view.now,
        count: 1,
        run: None,
        data: json!({"ready_seconds": seconds(waited), "reason": hindrance.map_or("starting", Hindrance::code)}),
    })
}

fn parked_thread(held_up: &HeldUp, view: &View<'_>) -> Finding {
    let thread = one_line(&held_up.thread().to_string());
    let reason = held_up.parked_reason.as_deref().map_or_else(|| "unknown".to_owned(), one_line);
    Finding {
        kind: Kind::ParkedThread,
        severity: Severity::Error,
        title: format!("{} for {thread} cannot be delivered", counted(whole(held_up.posts), "post")),
        detail: format!("The thread has been out of reach since {}: {reason}", view.moment(held_up.parked_at)),
        actions: vec![action(
            "Write any command in that thread: that shows that it can be reached again",
            "watches",
            view,
        )],
        first_seen: held_up.oldest,
        last_seen: view.now,
        count: held_up.posts,
        run: None,
        data: json!({"thread": held_up.thread().to_string(), "posts": held_up.posts, "parked_at": seconds(held_up.parked_at), "parked_reason": held_up.parked_reason}),
    }
}

/// How much of an error or reason is shown, in characters.
const WIDTH: usize = 300;

fn action(label: &str, words: &str, view: &View<'_>) -> (String, String) {
    (label.to_owned(), format!("{} {words}", view.here))
}

fn whole(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
