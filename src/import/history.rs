//! What is recorded of the tasks of Hermes: links, runs, comments, events, files and subscriptions.

use std::collections::{HashMap, HashSet};

use kanban_platform::Thread;
use serde_json::{Value, json};

use super::{
    hermes::{Load, Taken, is_said},
    mend::{Mended, digest, key},
    report::Tables,
    table::{Row, Table},
};
use crate::{
    board::{
        TaskId,
        arrival::arriving,
        attachment::Attachment,
        comment::Comment,
        event::{Event, Kind},
        run::{Outcome, Run},
        task::Status,
    },
    clock::Millis,
};

/// An event, and the run that it is of, by its place among those that were read.
pub(super) struct Said {
    pub(super) event: Event,
    pub(super) run: Option<usize>,
}

/// A thread that follows a task.
pub(super) struct Subscription {
    pub(super) thread: Thread,
    pub(super) task: TaskId,
    pub(super) user: Option<String>,
}

/// The platforms whose threads can follow a task here.
const PLATFORMS: [&str; 4] = ["console", "discord", "slack", "telegram"];

/// Kinds of events that had another name in old versions.
const RENAMED: [(&str, &str); 3] =
    [("ready", "promoted"), ("spawn_auto_blocked", "gave_up"), ("priority", "reprioritized")];

const RUN_COLUMNS: &[&str] = &[
    "id",
    "task_id",
    "profile",
    "step_key",
    "status",
    "max_runtime_seconds",
    "last_heartbeat_at",
    "started_at",
    "ended_at",
    "outcome",
    "summary",
    "metadata",
    "error",
];

/// The rows of one table while they are read.
pub(super) struct Rows<'a> {
    pub(super) table: &'a Table,
    pub(super) name: &'a str,
    pub(super) ids: &'a HashMap<String, TaskId>,
    pub(super) counts: &'a mut Tables,
    pub(super) now: Millis,
}

/// Tells rows apart that say the same.
#[derive(Default)]
struct Keys(HashMap<String, u32>);

impl Keys {
    fn of(&mut self, parts: &[&str]) -> String {
        let key = key(parts);
        let times = self.0.entry(key.clone()).or_default();
        *times += 1;
        if *times == 1 { key } else { format!("{key}-{times}") }
    }
}

impl Rows<'_> {
    pub(super) fn links(&mut self) -> Vec<Taken<(TaskId, TaskId)>> {
        let (mut links, mut seen) = (Vec::new(), HashSet::new());
        let table = self.table;
        for row in &table.rows {
            self.counts.read(self.name);
            let mut mended = Mended::default();
            let ends = [table.get(row, "parent_id"), table.get(row, "child_id")];
            let [parent, child] = ends.map(|end| mended.words(end, "id").and_then(|id| self.ids.get(&id).cloned()));
            let (Some(parent), Some(child)) = (parent, child) else {
                self.counts.skip(self.name, "one of its two tasks is not on the board");
                continue;
            };
            if parent == child {
                self.counts.skip(self.name, "a task cannot wait for itself");
                continue;
            }
            if !seen.insert((parent.clone(), child.clone())) {
                self.counts.skip(self.name, "the two are linked already");
                continue;
            }
            let key = format!("{parent} {child}");
            links.push(Taken { what: (parent, child), key, digest: String::new(), mended: mended.0 });
        }
        note_columns(table, self.name, &["parent_id", "child_id"], self.counts);
        links
    }

    /// Runs, and their places by the ids that they have there. One that is open is closed as `imported`.
    pub(super) fn runs(&mut self) -> (Vec<Taken<Run>>, HashMap<String, usize>) {
        let (mut runs, mut keys, mut places) = (Vec::new(), Keys::default(), HashMap::new());
        let table = self.table;
        for row in &table.rows {
            let mut mended = Mended::default();
            let Some(task) = self.task(row, &mut mended) else { continue };
            let started = mended.time(table.get(row, "started_at"), "started_at");
            let ended = mended.time(table.get(row, "ended_at"), "ended_at");
            let started_at = started.or(ended).unwrap_or_else(|| {
                mended.note("when it began is not known");
                self.now
            });
            let outcome = outcome(table, row, ended.is_some(), &mut mended);
            let ended_at = ended.unwrap_or(if outcome == Outcome::Imported { self.now } else { started_at });
            let run = Run {
                profile: mended.profile(table.get(row, "profile"), "profile"),
                step_key: mended.words(table.get(row, "step_key"), "step_key"),
                max_runtime_seconds: mended.count(table.get(row, "max_runtime_seconds"), "max_runtime_seconds"),
                last_heartbeat_at: mended.time(table.get(row, "last_heartbeat_at"), "last_heartbeat_at"),
                started_at,
                ended_at: Some(ended_at),
                outcome: Some(outcome),
                summary: mended.text(table.get(row, "summary"), "summary"),
                metadata: mended.object(table.get(row, "metadata"), "metadata"),
                error: mended.text(table.get(row, "error"), "error"),
                ..arriving(&task)
            };
            let key = keys.of(&[task.as_str(), &shown(started)]);
            let digest = digest(table, row, &RUN_COLUMNS[2..]);
            if let Some(id) = mended.words(table.get(row, "id"), "id") {
                places.insert(id, runs.len());
            }
            runs.push(Taken { what: run, key, digest, mended: mended.0 });
        }
        let rest = ["claim_lock", "claim_expires", "worker_pid"];
        note_columns(table, self.name, &[RUN_COLUMNS, &rest].concat(), self.counts);
        (runs, places)
    }

    pub(super) fn comments(&mut self) -> Vec<Taken<Comment>> {
        let (mut comments, mut keys) = (Vec::new(), Keys::default());
        let table = self.table;
        for row in &table.rows {
            let mut mended = Mended::default();
            let Some(task_id) = self.task(row, &mut mended) else { continue };
            let said_at = mended.time(table.get(row, "created_at"), "created_at");
            let author = mended.words(table.get(row, "author"), "author").unwrap_or_else(|| {
                mended.note("its author is not known");
                "unknown".to_owned()
            });
            let body = mended.text(table.get(row, "body"), "body").filter(|body| !body.trim().is_empty());
            let body = body.unwrap_or_else(|| {
                mended.note("it had no text");
                "(no text)".to_owned()
            });
            let key = keys.of(&[task_id.as_str(), &shown(said_at), &author, &body]);
            let created_at = self.or_now(said_at, &mut mended);
            let comment = Comment { id: 0, task_id, author, body, created_at };
            comments.push(Taken { what: comment, key, digest: String::new(), mended: mended.0 });
        }
        note_columns(table, self.name, &["id", "task_id", "author", "body", "created_at"], self.counts);
        comments
    }

    /// Events. `runs` has the places of the runs that were read, by their ids there.
    pub(super) fn events(&mut self, runs: &HashMap<String, usize>) -> Vec<Taken<Said>> {
        let (mut events, mut keys) = (Vec::new(), Keys::default());
        let table = self.table;
        for row in &table.rows {
            let mut mended = Mended::default();
            let Some(task_id) = self.task(row, &mut mended) else { continue };
            let said_at = mended.time(table.get(row, "created_at"), "created_at");
            let named = mended.words(table.get(row, "kind"), "kind").unwrap_or_default();
            let payload = mended.object(table.get(row, "payload"), "payload");
            let renamed = RENAMED.iter().find(|(old, _)| *old == named).map(|(_, new)| (*new).to_owned());
            if renamed.is_some() {
                mended.note(format!("`{named}` has another name now"));
            }
            let named = renamed.unwrap_or(named);
            let key = keys.of(&[task_id.as_str(), &shown(said_at), &named, payload.as_deref().unwrap_or_default()]);
            let (kind, payload) = match named.parse::<Kind>() {
                Ok(kind) => (kind, payload),
                Err(_) => {
                    mended.note(format!("kind `{named}` is not known here: it is kept in an event `imported`"));
                    let held: Value =
                        payload.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                    (Kind::Imported, Some(json!({"kind": named, "payload": held}).to_string()))
                }
            };
            let created_at = self.or_now(said_at, &mut mended);
            let run = mended.words(table.get(row, "run_id"), "run_id").and_then(|run| runs.get(&run).copied());
            let event = Event { id: 0, task_id, run_id: None, kind, payload, created_at };
            events.push(Taken { what: Said { event, run }, key, digest: String::new(), mended: mended.0 });
        }
        note_columns(table, self.name, &["id", "task_id", "run_id", "kind", "payload", "created_at"], self.counts);
        events
    }

    pub(super) fn attachments(&mut self) -> Vec<Taken<(Attachment, Vec<String>)>> {
        let (mut files, mut keys) = (Vec::new(), Keys::default());
        let table = self.table;
        for row in &table.rows {
            let mut mended = Mended::default();
            let Some(task_id) = self.task(row, &mut mended) else { continue };
            let folder = mended.words(table.get(row, "task_id"), "task_id").unwrap_or_default();
            let stored = mended.words(table.get(row, "stored_path"), "stored_path").unwrap_or_default();
            let base = stored.rsplit('/').next().unwrap_or_default().to_owned();
            let named = mended.words(table.get(row, "filename"), "filename").unwrap_or_else(|| base.clone());
            let filename = kanban_platform::file_name(&named);
            if filename != named {
                mended.note("its name cannot be that of a file here");
            }
            let mut places = Vec::new();
            if let Some((_, below)) = stored.rsplit_once("/attachments/") {
                places.push(below.to_owned());
            }
            places.extend([format!("{folder}/{base}"), format!("{folder}/{named}")]);
            let made_at = mended.time(table.get(row, "created_at"), "created_at");
            let key = keys.of(&[task_id.as_str(), &shown(made_at), &filename]);
            let file = Attachment {
                id: 0,
                task_id,
                filename,
                stored_path: String::new(),
                content_type: mended.words(table.get(row, "content_type"), "content_type"),
                size: 0,
                uploaded_by: mended
                    .words(table.get(row, "uploaded_by"), "uploaded_by")
                    .unwrap_or_else(|| "unknown".to_owned()),
                created_at: self.or_now(made_at, &mut mended),
                run_id: None,
            };
            files.push(Taken { what: (file, places), key, digest: String::new(), mended: mended.0 });
        }
        let columns = ["id", "task_id", "filename", "stored_path", "content_type", "size", "uploaded_by", "created_at"];
        note_columns(table, self.name, &columns, self.counts);
        files
    }

    /// Subscriptions. What they have been told and by which profile does not matter: they follow from now on.
    pub(super) fn watches(&mut self) -> Vec<Taken<Subscription>> {
        let (mut watches, mut seen) = (Vec::new(), HashSet::new());
        let table = self.table;
        for row in &table.rows {
            let mut mended = Mended::default();
            let Some(task) = self.task(row, &mut mended) else { continue };
            let platform = mended.words(table.get(row, "platform"), "platform").unwrap_or_default().to_lowercase();
            let channel = mended.words(table.get(row, "chat_id"), "chat_id").unwrap_or_default();
            if channel.is_empty() {
                self.counts.skip(self.name, "it names no chat");
                continue;
            }
            if !PLATFORMS.contains(&platform.as_str()) {
                self.counts.skip(self.name, &format!("platform `{platform}` is not known here"));
                continue;
            }
            let thread = mended.words(table.get(row, "thread_id"), "thread_id");
            let key = [task.as_str(), &platform, &channel, thread.as_deref().unwrap_or_default()].join(" ");
            if !seen.insert(key.clone()) {
                self.counts.skip(self.name, "the thread follows the task already");
                continue;
            }
            let user = mended.words(table.get(row, "user_id"), "user_id");
            let thread = Thread { platform, space: String::new(), channel, thread };
            watches.push(Taken {
                what: Subscription { thread, task, user },
                key,
                digest: String::new(),
                mended: mended.0,
            });
        }
        let rest = [
            "task_id",
            "platform",
            "chat_id",
            "thread_id",
            "user_id",
            "notifier_profile",
            "created_at",
            "last_event_id",
        ];
        note_columns(table, self.name, &rest, self.counts);
        watches
    }

    /// The task that a row belongs to; a row without one is left out.
    fn task(&mut self, row: &Row, mended: &mut Mended) -> Option<TaskId> {
        self.counts.read(self.name);
        let named = mended.words(self.table.get(row, "task_id"), "task_id").unwrap_or_default();
        let found = self.ids.get(&named).cloned();
        if found.is_none() {
            self.counts.skip(self.name, "its task is not on the board");
        }
        found
    }

    fn or_now(&self, time: Option<Millis>, mended: &mut Mended) -> Millis {
        time.unwrap_or_else(|| {
            mended.note("when it was is not known");
            self.now
        })
    }
}

fn shown(time: Option<Millis>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// How a run ended.
fn outcome(table: &Table, row: &Row, has_ended: bool, mended: &mut Mended) -> Outcome {
    let named = mended.words(table.get(row, "outcome"), "outcome");
    if let Some(named) = named {
        if let Some(known) = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == named) {
            return known;
        }
        mended.note(format!("outcome `{named}` is not known here: it is reclaimed now"));
        return Outcome::Reclaimed;
    }
    let status = mended.words(table.get(row, "status"), "status").unwrap_or_default();
    let by_status = match status.as_str() {
        "done" => Some(Outcome::Completed),
        status => Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == status),
    };
    match by_status {
        Some(outcome) if has_ended => outcome,
        _ if has_ended => {
            mended.note("how it ended is not known: it is reclaimed now");
            Outcome::Reclaimed
        }
        _ => {
            mended.note("it was open: it is closed as `imported`");
            Outcome::Imported
        }
    }
}

/// Says of the columns that are not carried how many rows had something there.
pub(super) fn note_columns(table: &Table, name: &str, carried: &[&str], counts: &mut Tables) {
    for column in &table.columns {
        if carried.iter().any(|carried| carried.eq_ignore_ascii_case(column)) {
            continue;
        }
        let rows = table.rows.iter().filter(|row| is_said(table.get(row, &column.to_ascii_lowercase()))).count();
        counts.note(name, &format!("column `{column}` is not carried"), rows as u64);
    }
}

/// Gives tasks that are held their reason, from the latest event that tells of it.
pub(super) fn tell_why_they_wait(load: &mut Load) {
    let mut reasons: HashMap<&TaskId, String> = HashMap::new();
    for said in &load.events {
        let event = &said.what.event;
        let payload = event.payload();
        let reason = match event.kind {
            Kind::Blocked | Kind::BlockLoopDetected => payload["reason"].as_str(),
            Kind::GaveUp => payload["error"].as_str(),
            _ => continue,
        };
        reasons.insert(&event.task_id, reason.unwrap_or_default().to_owned());
    }
    for arriving in &mut load.tasks {
        let task = &mut arriving.what.task;
        if matches!(task.status, Status::Blocked | Status::Triage) {
            let found = reasons.remove(&task.id).filter(|reason| !reason.trim().is_empty());
            task.block_reason = found.or_else(|| task.last_error.clone());
        }
    }
}
