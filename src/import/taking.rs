//! Putting down what was read, in one transaction, and leaving alone what is here already.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    Order,
    files::{Copies, Placed},
    hermes::{ATTACHMENTS, ArrivingTask, COMMENTS, EVENTS, LINKS, Load, RUNS, TASKS, Taken, WATCHES},
    report::Tables,
    source::Source,
};
use crate::{
    board::{
        Board, Error, ProfileName, TaskId, Tx,
        arrival::{Arrival, arriving},
        event::Kind,
        run::{Outcome, Run},
        task::Status,
        thread::Why,
    },
    clock::Millis,
};

/// How many tasks are ready, and how many there are, by whom they are for.
pub(super) type Ready = BTreeMap<Option<ProfileName>, (u64, u64)>;

/// One board on its way in.
pub(super) struct Taking<'a> {
    pub(super) source: &'a Source,
    pub(super) load: &'a Load,
    pub(super) order: &'a Order,
    pub(super) now: Millis,
}

const HERE: &str = "it is here already";
const NEWER: &str = "it was not taken over with its task: `--update` takes over what is newer";
const DELETED: &str = "its task was deleted here";
const TAKEN: &str = "a task of this board has the same id";
const CHANGED: &str = "its task has been changed here since the last import";

/// What becomes of a task, and of what is recorded of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    New,
    /// It is here, and nothing was done about it since: what is newer is taken over.
    Again,
    /// Nothing is taken over, and why: what is said of its new rows.
    Left(&'static str),
}

/// Puts a board down. Answers which tasks are ready.
pub(super) async fn take(
    board: &Board,
    taking: &Taking<'_>,
    counts: &mut Tables,
    step: &mut (dyn FnMut(&str) + Send),
) -> Result<Ready, Error> {
    let mut copies = Copies::default();
    let mut tx = board.read().await?;
    let known = Known::of(tx.arrivals().await?);
    drop(tx);
    let placed = taking.place_files(board, &known, &mut copies)?;
    let mut tx = board.write().await?;
    // Another import may have been here since: the home's lock says no, and the transaction sees for itself.
    let known = Known::of(tx.arrivals().await?);
    let mut hand = Hand { tx, counts, step, known, fates: HashMap::new(), written: HashSet::new(), now: taking.now };
    let ready = hand.take(taking, &placed).await?;
    let Hand { tx, written, .. } = hand;
    if taking.order.dry_run {
        drop(tx);
        return Ok(ready);
    }
    tx.commit().await?;
    for path in placed.iter().flatten().map(|placed| &placed.path).filter(|path| written.contains(*path)) {
        copies.keep(path);
    }
    Ok(ready)
}

impl Taking<'_> {
    /// Copies the files that are not here yet, before the transaction begins.
    fn place_files(&self, board: &Board, known: &Known, copies: &mut Copies) -> Result<Vec<Option<Placed>>, Error> {
        let mut placed = Vec::new();
        for taken in &self.load.attachments {
            let (file, places) = &taken.what;
            placed.push(match known.get("attachment", &taken.key) {
                Some(_) => None,
                // The key makes the name one that no other file has.
                None => copies.take(
                    &self.source.attachments,
                    places,
                    board,
                    &file.task_id,
                    &format!("{}-{}", &taken.key[..12], file.filename),
                )?,
            });
        }
        Ok(placed)
    }
}

/// What was brought in before.
struct Known(HashMap<(String, String), Arrival>);

impl Known {
    fn of(arrivals: Vec<Arrival>) -> Self {
        Self(arrivals.into_iter().map(|arrival| ((arrival.kind.clone(), arrival.key.clone()), arrival)).collect())
    }

    fn get(&self, kind: &str, key: &str) -> Option<&Arrival> {
        self.0.get(&(kind.to_owned(), key.to_owned()))
    }
}

/// The transaction, and what is known of it so far.
struct Hand<'a> {
    tx: Tx,
    counts: &'a mut Tables,
    step: &'a mut (dyn FnMut(&str) + Send),
    known: Known,
    fates: HashMap<TaskId, Fate>,
    /// The files that the board refers to now.
    written: HashSet<std::path::PathBuf>,
    now: Millis,
}

impl Hand<'_> {
    async fn take(&mut self, taking: &Taking<'_>, placed: &[Option<Placed>]) -> Result<Ready, Error> {
        let load = taking.load;
        self.describe(taking).await?;
        let mut put: Vec<(&Taken<ArrivingTask>, Vec<String>)> = Vec::new();
        for taken in &load.tasks {
            if let Some(mended) = self.put_task(taken, taking.order.update).await? {
                put.push((taken, mended));
            }
        }
        self.put_links(load).await?;
        let runs = self.put_runs(load).await?;
        self.put_comments(load).await?;
        self.put_events(load, &runs).await?;
        self.put_files(load, placed).await?;
        // Children look at whether their parents are over, which they are from the start or not at all.
        let is_over = |taken: &Taken<ArrivingTask>| taken.what.task.status.satisfies_children();
        put.sort_by_key(|(taken, _)| is_over(taken));
        for (taken, mut mended) in put {
            self.settle(taken, &runs, load, &mut mended).await?;
            self.counts.write(TASKS, &mended);
        }
        self.put_watches(load).await?;
        for (task, fate) in &self.fates {
            if !matches!(fate, Fate::Left(_)) {
                self.tx.mark_arrived(task).await?;
            }
        }
        (self.step)(TASKS);
        self.ready(load).await
    }

    /// Takes over what the board says of itself, once.
    async fn describe(&mut self, taking: &Taking<'_>) -> Result<(), Error> {
        const TABLE: &str = "boards";
        self.counts.read(TABLE);
        if self.tx.meta("imported_from").await?.is_some() {
            self.counts.skip(TABLE, HERE);
            return Ok(());
        }
        self.tx.set_meta("imported_from", Some("hermes")).await?;
        (self.step)(TABLE);
        let text = taking.source.about.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let mut mended = Vec::new();
        let about: Value = match text.as_deref().map(serde_json::from_str) {
            Some(Ok(about)) => about,
            Some(Err(_)) => {
                mended.push("its `board.json` cannot be read".to_owned());
                Value::Null
            }
            None => Value::Null,
        };
        for key in ["name", "description", "icon", "color", "default_workdir"] {
            let Some(value) = about[key].as_str().map(str::trim).filter(|value| !value.is_empty()) else { continue };
            if key == "default_workdir" && !value.starts_with('/') {
                mended.push("its default directory was no absolute path".to_owned());
            } else if self.tx.meta(key).await?.is_none() {
                self.tx.set_meta(key, Some(value)).await?;
                (self.step)(TABLE);
            }
        }
        self.counts.write(TABLE, &mended);
        Ok(())
    }

    /// Puts a task down, unless it is left. Answers what was mended in it, if it was put down.
    async fn put_task(&mut self, taken: &Taken<ArrivingTask>, updates: bool) -> Result<Option<Vec<String>>, Error> {
        let task = &taken.what.task;
        let here = match self.tx.task(&task.id).await {
            Ok(task) => Some(task),
            Err(Error::Refused(_)) => None,
            Err(fault) => return Err(fault),
        };
        let arrival = self.known.get("task", &taken.key).cloned();
        // What becomes of it, and why the task itself is not put down.
        let (fate, why) = match (&here, &arrival) {
            (None, None) => (Fate::New, None),
            (None, Some(_)) => (Fate::Left(DELETED), Some(DELETED)),
            (Some(_), None) => (Fate::Left(TAKEN), Some(TAKEN)),
            (Some(_), Some(arrival)) => {
                let is_same = arrival.digest == taken.digest;
                let is_touched = self.tx.last_event_of(&task.id).await? > arrival.local_id.unwrap_or(0);
                // To update would not take over what was touched, so it is not advised there.
                let fate = match (updates, is_touched) {
                    (_, true) => Fate::Left(CHANGED),
                    (false, false) => Fate::Left(NEWER),
                    (true, false) => Fate::Again,
                };
                match fate {
                    _ if is_same => (fate, Some(HERE)),
                    Fate::Left(why) => (fate, Some(why)),
                    Fate::New | Fate::Again => (fate, None),
                }
            }
        };
        self.fates.insert(task.id.clone(), fate);
        if let Some(why) = why {
            self.counts.skip(TASKS, why);
            return Ok(None);
        }
        let mut mended = taken.mended.clone();
        let mut task = task.clone();
        if let Some(key) = task.idempotency_key.clone().filter(|_| task.status != Status::Archived)
            && self.tx.task_by_key(&key).await?.is_some_and(|other| other.id != task.id)
        {
            mended.push("an open task of this board has the same idempotency key".to_owned());
            task.idempotency_key = None;
        }
        self.tx.put_task(&task).await?;
        (self.step)(TASKS);
        self.note("task", taken, &task.id, arrival.and_then(|arrival| arrival.local_id)).await?;
        Ok(Some(mended))
    }

    async fn put_links(&mut self, load: &Load) -> Result<(), Error> {
        if load.links.is_empty() {
            return Ok(());
        }
        let mut below: HashMap<TaskId, Vec<TaskId>> = HashMap::new();
        for (parent, child) in self.tx.links().await? {
            below.entry(parent).or_default().push(child);
        }
        for taken in &load.links {
            let (parent, child) = &taken.what;
            if let Some(why) = self.unlinkable(taken, &below) {
                self.counts.skip(LINKS, why);
                continue;
            }
            if self.is_left(LINKS, "link", taken, child) {
                continue;
            }
            self.tx.put_link(parent, child).await?;
            (self.step)(LINKS);
            below.entry(parent.clone()).or_default().push(child.clone());
            self.note("link", taken, child, None).await?;
            self.counts.write(LINKS, &taken.mended);
        }
        Ok(())
    }

    /// Why a link that is not here cannot be, whenever it is brought in.
    fn unlinkable(
        &self,
        taken: &Taken<(TaskId, TaskId)>,
        below: &HashMap<TaskId, Vec<TaskId>>,
    ) -> Option<&'static str> {
        let (parent, child) = &taken.what;
        if self.known.get("link", &taken.key).is_some() || self.is_gone(child) {
            return None;
        }
        if self.is_gone(parent) {
            return Some("one of its two tasks is not on the board");
        }
        if below.get(parent).is_some_and(|children| children.contains(child)) {
            return Some("the two are linked already");
        }
        reaches(below, child, parent).then_some("it would close a circle in which every task waits for the others")
    }

    /// Whether the task is not on the board, or another one has its place.
    fn is_gone(&self, task: &TaskId) -> bool {
        matches!(self.fates.get(task), Some(Fate::Left(TAKEN | DELETED)) | None)
    }

    /// Puts runs down, the oldest of each task first. Answers the number that each has here, where it has one.
    async fn put_runs(&mut self, load: &Load) -> Result<Vec<Option<i64>>, Error> {
        let mut numbers = vec![None; load.runs.len()];
        let mut order: Vec<usize> = (0..load.runs.len()).collect();
        order.sort_by_key(|at| load.runs[*at].what.started_at);
        for at in order {
            let taken = &load.runs[at];
            let run = &taken.what;
            let known = self.known.get("run", &taken.key).cloned();
            if let Some(known) = &known {
                numbers[at] = known.local_id;
            }
            let is_again = self.fates.get(&run.task_id) == Some(&Fate::Again);
            match known {
                Some(Arrival { local_id: Some(id), digest, .. }) if is_again && digest != taken.digest => {
                    self.tx.put_run_again(id, run).await?;
                }
                _ => {
                    if self.is_left(RUNS, "run", taken, &run.task_id) {
                        continue;
                    }
                    numbers[at] = Some(self.tx.put_run(run).await?);
                }
            }
            (self.step)(RUNS);
            self.note("run", taken, &run.task_id, numbers[at]).await?;
            self.counts.write(RUNS, &taken.mended);
        }
        Ok(numbers)
    }

    async fn put_comments(&mut self, load: &Load) -> Result<(), Error> {
        for taken in &load.comments {
            let comment = &taken.what;
            if self.is_left(COMMENTS, "comment", taken, &comment.task_id) {
                continue;
            }
            let id = self.tx.put_comment(comment).await?;
            (self.step)(COMMENTS);
            self.note("comment", taken, &comment.task_id, Some(id)).await?;
            self.counts.write(COMMENTS, &taken.mended);
        }
        Ok(())
    }

    async fn put_events(&mut self, load: &Load, runs: &[Option<i64>]) -> Result<(), Error> {
        for taken in &load.events {
            let mut event = taken.what.event.clone();
            if self.is_left(EVENTS, "event", taken, &event.task_id) {
                continue;
            }
            event.run_id = taken.what.run.and_then(|run| runs[run]);
            let id = self.tx.put_event(&event).await?;
            (self.step)(EVENTS);
            self.note("event", taken, &event.task_id, Some(id)).await?;
            self.counts.write(EVENTS, &taken.mended);
        }
        Ok(())
    }

    async fn put_files(&mut self, load: &Load, placed: &[Option<Placed>]) -> Result<(), Error> {
        for (taken, placed) in load.attachments.iter().zip(placed) {
            let mut file = taken.what.0.clone();
            let is_known = self.known.get("attachment", &taken.key).is_some();
            if placed.is_none() && !is_known && !self.is_gone(&file.task_id) {
                self.counts.skip(ATTACHMENTS, "its file is not in the folder of attachments beside the board");
                continue;
            }
            if self.is_left(ATTACHMENTS, "attachment", taken, &file.task_id) {
                continue;
            }
            let Some(placed) = placed else { continue };
            file.stored_path = placed.path.display().to_string();
            file.size = placed.size;
            let id = self.tx.put_attachment(&file).await?;
            (self.step)(ATTACHMENTS);
            self.written.insert(placed.path.clone());
            self.note("attachment", taken, &file.task_id, Some(id)).await?;
            self.counts.write(ATTACHMENTS, &taken.mended);
        }
        Ok(())
    }

    async fn put_watches(&mut self, load: &Load) -> Result<(), Error> {
        for taken in &load.watches {
            let watch = &taken.what;
            if self.is_left(WATCHES, "watch", taken, &watch.task) {
                continue;
            }
            let user = watch.user.as_deref();
            let is_new = self.tx.watch_unless_followed(&watch.thread, &watch.task, &Why::Asked, user, self.now).await?;
            (self.step)(WATCHES);
            self.note("watch", taken, &watch.task, None).await?;
            if is_new {
                self.counts.write(WATCHES, &taken.mended);
            } else {
                self.counts.skip(WATCHES, "the thread follows the task already");
            }
        }
        Ok(())
    }

    /// Closes the claim of a task that was put down, and sends it to where it belongs now.
    async fn settle(
        &mut self,
        taken: &Taken<ArrivingTask>,
        runs: &[Option<i64>],
        load: &Load,
        mended: &mut Vec<String>,
    ) -> Result<(), Error> {
        let ArrivingTask { task, was, was_at_work } = &taken.what;
        let status = self.tx.settle_arrived(task, *was_at_work, self.now).await?;
        (self.step)(TASKS);
        match status {
            _ if *was_at_work || status == task.status => {}
            Status::Todo => mended.push("it waits for tasks that are not done".to_owned()),
            _ => mended.push("all that it waited for is done: it is ready now".to_owned()),
        }
        if task.status == Status::Review {
            mended.push("who did the work is not known: a person looks at it".to_owned());
        }
        if *was_at_work {
            let of_task = |(run, _): &(&Taken<Run>, &Option<i64>)| run.what.task_id == task.id;
            let mut closed = load.runs.iter().zip(runs).filter(of_task);
            let closed = closed.rfind(|(run, _)| run.what.outcome == Some(Outcome::Imported));
            let run = match closed {
                Some((_, number)) => *number,
                // The first version kept no runs: the claim was all there was.
                None => {
                    let began = task.started_at.unwrap_or(task.created_at);
                    let run = Run {
                        profile: task.assignee.clone(),
                        started_at: began,
                        ended_at: Some(self.now.max(began)),
                        outcome: Some(Outcome::Imported),
                        ..arriving(&task.id)
                    };
                    Some(self.tx.put_run(&run).await?)
                }
            };
            let payload = json!({"reason": "imported", "status": status});
            self.tx.note_import(&task.id, run, Kind::Reclaimed, &payload, self.now).await?;
            (self.step)(TASKS);
        } else if status.as_str() != was.as_str() {
            let payload = json!({"status": status, "was": was, "reason": mended.last()});
            self.tx.note_import(&task.id, None, Kind::Imported, &payload, self.now).await?;
            (self.step)(TASKS);
        }
        Ok(())
    }

    /// Whether a row is left out, which is counted then.
    fn is_left<T>(&mut self, table: &str, kind: &str, taken: &Taken<T>, task: &TaskId) -> bool {
        let why = match (self.known.get(kind, &taken.key), self.fates.get(task)) {
            (_, Some(Fate::Left(why @ (DELETED | TAKEN)))) => why,
            // A run is the one row that goes on when it is here already.
            (Some(known), Some(Fate::Left(why))) if kind == "run" && known.digest != taken.digest => why,
            (Some(_), _) => HERE,
            (None, Some(Fate::New | Fate::Again)) => return false,
            (None, Some(Fate::Left(why))) => why,
            (None, None) => "its task is not on the board",
        };
        self.counts.skip(table, why);
        true
    }

    async fn note<T>(&mut self, kind: &str, taken: &Taken<T>, task: &TaskId, number: Option<i64>) -> Result<(), Error> {
        let arrival = Arrival {
            kind: kind.to_owned(),
            key: taken.key.clone(),
            task_id: task.clone(),
            local_id: number,
            digest: taken.digest.clone(),
        };
        self.tx.note_arrival(&arrival).await?;
        (self.step)(kind);
        Ok(())
    }

    async fn ready(&mut self, load: &Load) -> Result<Ready, Error> {
        let mut ready = Ready::new();
        for taken in &load.tasks {
            if matches!(self.fates.get(&taken.what.task.id), Some(Fate::Left(DELETED | TAKEN)) | None) {
                continue;
            }
            let task = self.tx.task(&taken.what.task.id).await?;
            let entry = ready.entry(task.assignee).or_default();
            entry.1 += 1;
            if task.status == Status::Ready {
                entry.0 += 1;
            }
        }
        Ok(ready)
    }
}

/// Whether one task is somewhere below another.
fn reaches(below: &HashMap<TaskId, Vec<TaskId>>, from: &TaskId, to: &TaskId) -> bool {
    let (mut seen, mut next) = (HashSet::new(), vec![from]);
    while let Some(task) = next.pop() {
        if task == to {
            return true;
        }
        if seen.insert(task) {
            next.extend(below.get(task).into_iter().flatten());
        }
    }
    false
}
