//! `schedule`: tasks that are put aside until a time, and commands that are run again and again.

use jiff::{Timestamp, tz::TimeZone};
use kanban_platform::{Author, Capability, Thread};
use serde_json::{Value, json};

use super::{Prepared, firing, tasks};
use crate::{
    board::{
        Board, BoardSlug, Error, Reason, ScheduleId, Tx,
        error::refuse,
        schedule::{Firing, FiringOutcome, Missed, NewSchedule, Progress, Schedule},
    },
    clock::Millis,
    command::{
        caller::Caller,
        desk::{Desk, Done},
        reply::Reply,
        text,
        verbs::{self, MissedTimes, ScheduleAdd, ScheduleList, ScheduleRun, ScheduleShow, ScheduleVerb},
        view::moment,
    },
    recurrence::{Recurrence, Zone},
    settings::{Extent, Rights},
};

/// How many of its times `show` tells, those that have passed and those that come.
const SHOWN: usize = 10;
const AHEAD: usize = 5;

pub(super) async fn prepare(
    desk: &Desk,
    caller: &Caller,
    board: &Board,
    args: &verbs::Schedule,
) -> Result<Prepared, Error> {
    let ready = match &args.verb {
        Some(ScheduleVerb::Add(args)) => {
            let create = firing::command_of(&args.command(), board.slug())?;
            firing::ready(desk, caller, board, create).await?
        }
        Some(ScheduleVerb::Run(args)) => {
            let mut tx = board.read().await?;
            let schedule = changeable(caller, &mut tx, args.id).await?;
            drop(tx);
            firing::ready_again(desk, board, &schedule).await?
        }
        Some(
            ScheduleVerb::List(_)
            | ScheduleVerb::Show(_)
            | ScheduleVerb::Pause(_)
            | ScheduleVerb::Resume(_)
            | ScheduleVerb::Rm(_),
        )
        | None => return Ok(Prepared::Nothing),
    };
    Ok(Prepared::Firing(Box::new(ready)))
}

pub(super) async fn change(
    desk: &Desk,
    caller: &Caller,
    args: &verbs::Schedule,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    match (&args.verb, prepared) {
        (None, _) => tasks::schedule(desk, caller, &args.aside, tx).await,
        (Some(ScheduleVerb::Add(args)), Prepared::Firing(ready)) => add(desk, caller, args, ready, tx).await,
        (Some(ScheduleVerb::Run(args)), Prepared::Firing(ready)) => run(desk, caller, args, ready, tx).await,
        (Some(ScheduleVerb::Pause(args)), _) => pause(caller, args.id, tx).await,
        (Some(ScheduleVerb::Resume(args)), _) => resume(desk, caller, args.id, tx).await,
        (Some(ScheduleVerb::Rm(args)), _) => {
            changeable(caller, tx, args.id).await?;
            tx.remove_schedule(args.id).await?;
            Ok(Reply::text(format!("Removed schedule {}; the tasks that it has made stay", args.id)).into())
        }
        (Some(_), _) => refuse!(Invalid, "this changes no schedule"),
    }
}

/// `list` and `show`.
pub(super) async fn look(desk: &Desk, caller: &Caller, board: &Board, args: &verbs::Schedule) -> Result<Reply, Error> {
    let mut tx = board.read().await?;
    match &args.verb {
        Some(ScheduleVerb::List(args)) => list(desk, caller, args, &mut tx).await,
        Some(ScheduleVerb::Show(args)) => show(desk, caller, args, &mut tx).await,
        Some(_) | None => refuse!(Invalid, "this looks at no schedule"),
    }
}

/// The schedules of a board that were made in threads, with those.
pub(super) async fn with_threads(desk: &Desk, slug: &BoardSlug) -> Vec<(Schedule, Thread)> {
    let read = async {
        let mut tx = desk.boards.get(slug).await?.read().await?;
        let mut found = Vec::new();
        for schedule in tx.schedules().await? {
            let thread = tx.thread_of_schedule(&schedule).await?;
            found.extend(thread.map(|thread| (schedule, thread)));
        }
        Ok::<_, Error>(found)
    };
    // A board that cannot be opened can be removed all the same.
    read.await.unwrap_or_default()
}

/// Tells threads that their schedules have ended with the board.
pub(super) async fn tell_of_end(
    desk: &Desk,
    slug: &BoardSlug,
    caller: &Caller,
    schedules: &[(Schedule, Thread)],
) -> Result<(), Error> {
    if schedules.is_empty() {
        return Ok(());
    }
    let mut tx = desk.boards.get(&BoardSlug::default()).await?.write().await?;
    for (schedule, thread) in schedules {
        let (id, by) = (schedule.id, caller.actor.name());
        let text = format!("Schedule {id} has ended ({}): {by} has removed its board, {slug}.", said(schedule));
        tx.tell_of_schedule(thread, text, desk.now()).await?;
    }
    tx.commit().await
}

async fn add(
    desk: &Desk,
    caller: &Caller,
    args: &ScheduleAdd,
    ready: &firing::Ready,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let now = desk.now();
    let zone = args.tz.clone().unwrap_or_else(Zone::system);
    let unusable = |reason: String| Error::refused(Reason::Usage, reason);
    let recurrence = Recurrence::new(&args.rule, &zone).map_err(unusable)?;
    let Some(next) = recurrence.after(now) else {
        refuse!(Usage, "`{}` names a time that never comes, so this would never run", args.rule)
    };
    let tenant = ready.create.tenant.as_ref().map(|tenant| tenant.as_str().to_owned());
    let tenant = tenant.or_else(|| ready.caller.pin.tenant.as_ref().map(|pinned| pinned.value.clone()));
    let words = args.command();
    let new = NewSchedule {
        rule: args.rule.as_str(),
        zone: zone.as_str(),
        command: &words,
        missed: match args.missed {
            MissedTimes::Skip => Missed::Skip,
            MissedTimes::Once => Missed::Once,
            MissedTimes::All => Missed::All,
        },
        overlaps: args.overlap,
        tenant: tenant.as_deref(),
        maker: caller.actor.name(),
        author: caller.author.as_ref().filter(|_| caller.thread().is_some()).map(serde_json::to_string).transpose()?,
        next_at: Some(next),
    };
    let schedule = tx.add_schedule(&new, caller.thread(), now).await?;
    if args.json {
        return Ok(Reply::json(&document(&Seen::of(schedule, now, tx).await?)).into());
    }
    let id = schedule.id;
    let text = format!(
        "Schedule {id} fires at `{}` in {zone}, the first time at {}: {}",
        args.rule,
        at(next, &schedule),
        said(&schedule)
    );
    Ok(Reply { notes: without_gateway(desk), ..Reply::text(text) }.into())
}

async fn run(
    desk: &Desk,
    caller: &Caller,
    args: &ScheduleRun,
    ready: &firing::Ready,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let now = desk.now();
    let schedule = changeable(caller, tx, args.id).await?;
    if !(schedule.overlaps || args.overlap)
        && let Some(open) = tx.open_task_of_schedule(args.id).await?
    {
        refuse!(
            WrongStatus,
            "{} of schedule {} is not final, it is {}; `{{kanban}} schedule run {} --overlap` fires beside it",
            open.id,
            args.id,
            open.status,
            args.id
        );
    }
    let task = firing::make(desk, ready, None, tx).await?;
    // It is no time of the rule, and takes none from it.
    let mut nominal = now;
    while nominal.rem_euclid(60_000) == 0 || tx.has_fired(args.id, nominal).await? {
        nominal += 1;
    }
    let fired_by = Some(caller.actor.name().to_owned());
    let fired = Firing { fired_by, task_id: Some(task.clone()), ..firing::firing(nominal, now, FiringOutcome::Fired) };
    tx.keep_firing(args.id, &fired).await?;
    Ok(Reply::text(format!("Schedule {} has made {task}", args.id)).about(&task).into())
}

async fn pause(caller: &Caller, id: ScheduleId, tx: &mut Tx) -> Result<Done, Error> {
    let schedule = changeable(caller, tx, id).await?;
    if !tx.pause_schedule(id, caller.actor.name()).await? {
        let by = schedule.paused_by.unwrap_or_default();
        refuse!(WrongStatus, "schedule {id} is paused already, by {by}; `{{kanban}} schedule resume {id}` ends that");
    }
    Ok(Reply::text(format!("Schedule {id} fires no more until it is resumed")).into())
}

async fn resume(desk: &Desk, caller: &Caller, id: ScheduleId, tx: &mut Tx) -> Result<Done, Error> {
    let now = desk.now();
    let schedule = changeable(caller, tx, id).await?;
    let is_still = schedule.next_at.is_none();
    if schedule.paused_by.is_none() && !is_still {
        refuse!(WrongStatus, "schedule {id} is not paused; `{{kanban}} schedule show {id}` tells when it fires next");
    }
    let recurrence =
        Recurrence::read(&schedule.rule, &schedule.zone).map_err(|reason| Error::refused(Reason::Invalid, reason))?;
    let next_at = recurrence.after(now);
    tx.resume_schedule(id, Progress { seen_until: now, next_at }).await?;
    let next = next_at.map_or_else(|| "never".to_owned(), |next| at(next, &schedule));
    Ok(Reply { notes: without_gateway(desk), ..Reply::text(format!("Schedule {id} fires again, next at {next}")) }
        .into())
}

async fn list(desk: &Desk, caller: &Caller, args: &ScheduleList, tx: &mut Tx) -> Result<Reply, Error> {
    let rights = rights(caller, tx).await?;
    let mut seen = Vec::new();
    for schedule in tx.schedules().await? {
        if holds(rights.as_ref(), Capability::Read, &schedule) {
            seen.push(Seen::of(schedule, desk.now(), tx).await?);
        }
    }
    if args.json {
        return Ok(Reply::json(&Value::Array(seen.iter().map(document).collect())));
    }
    if seen.is_empty() {
        let example = format!("{} schedule add \"0 7 * * 1-5\" -- create water the plants", caller.prefix());
        return Ok(Reply::text(format!("(no schedules; `{example}` makes one)")));
    }
    let rows: Vec<String> = seen.iter().map(row).collect();
    let heading = format!("{:<5} {:<34} {:<16} WHAT", "ID", "NEXT", "RULE");
    let text = format!("{heading}\n{}", rows.join("\n"));
    Ok(Reply { is_fixed: true, notes: without_gateway(desk), ..Reply::text(text) })
}

async fn show(desk: &Desk, caller: &Caller, args: &ScheduleShow, tx: &mut Tx) -> Result<Reply, Error> {
    let rights = rights(caller, tx).await?;
    let schedule = found(tx, args.id).await?;
    if !holds(rights.as_ref(), Capability::Read, &schedule) {
        return Err(unknown(args.id));
    }
    let seen = Seen::of(schedule, desk.now(), tx).await?;
    if args.json {
        return Ok(Reply::json(&document(&seen)));
    }
    let schedule = &seen.schedule;
    let mut lines = vec![
        format!("Schedule {}: {}", schedule.id, said(schedule)),
        format!("  rule:     {} in {}", schedule.rule, schedule.zone),
        format!("  missed:   {}{}", schedule.missed.as_str(), if schedule.overlaps { ", may overlap" } else { "" }),
        format!("  made by:  {} in {}", schedule.maker, seen.place),
    ];
    if let Some(by) = &schedule.paused_by {
        lines.push(format!("  paused:   by {by}"));
    }
    if let Some(error) = &schedule.error {
        lines.push(format!("  error:    {error}"));
    }
    let next: Vec<String> = seen.next.iter().map(|next| at(*next, schedule)).collect();
    lines.push(format!("  next:     {}", if next.is_empty() { "never".to_owned() } else { next.join(", ") }));
    if !seen.firings.is_empty() {
        lines.push("  so far, newest first:".to_owned());
    }
    for firing in &seen.firings {
        let task = firing.task_id.as_ref().map_or(String::new(), |task| format!(" {task}"));
        let by = firing.fired_by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
        let reason = firing.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        lines.push(format!("    {}  {}{task}{by}{reason}", at(firing.nominal, schedule), firing.outcome.as_str()));
    }
    Ok(Reply { notes: without_gateway(desk), ..Reply::text(lines.join("\n")) })
}

/// A schedule as it is looked at.
struct Seen {
    schedule: Schedule,
    place: String,
    next: Vec<Millis>,
    firings: Vec<Firing>,
}

impl Seen {
    async fn of(schedule: Schedule, now: Millis, tx: &mut Tx) -> Result<Self, Error> {
        let place = tx.thread_of_schedule(&schedule).await?;
        let firings = tx.last_firings(schedule.id, i64::try_from(SHOWN).unwrap_or(i64::MAX)).await?;
        // What is due fires in a moment.
        let next = match (&schedule.paused_by, schedule.next_at) {
            (None, Some(next)) => match Recurrence::read(&schedule.rule, &schedule.zone) {
                Ok(recurrence) if next > now => recurrence.times(now).take(AHEAD).collect(),
                Ok(recurrence) => std::iter::once(next).chain(recurrence.times(now)).take(AHEAD).collect(),
                Err(_) => Vec::new(),
            },
            (Some(_), _) | (None, None) => Vec::new(),
        };
        let place = place.map_or_else(|| "the terminal".to_owned(), |thread| thread.to_string());
        Ok(Self { schedule, place, next, firings })
    }

    fn state(&self) -> &'static str {
        match (&self.schedule.paused_by, &self.schedule.error) {
            (Some(_), _) => "paused",
            (None, Some(_)) => "failing",
            (None, None) => "active",
        }
    }
}

fn row(seen: &Seen) -> String {
    let schedule = &seen.schedule;
    let next = match seen.next.first() {
        Some(next) => format!("{} {}", at(*next, schedule), schedule.zone),
        None => format!("{} {}", seen.state(), schedule.zone),
    };
    let mut row = format!("{:<5} {next:<34} {:<16} {}", schedule.id.to_string(), schedule.rule, said(schedule));
    if let Some(last) = seen.firings.first() {
        let task = last.task_id.as_ref().map_or(String::new(), |task| format!(" {task}"));
        let last = format!("last {} at {}{task}", last.outcome.as_str(), at(last.nominal, schedule));
        row.push_str(&format!("\n      {last}"));
    }
    if let Some(error) = &schedule.error {
        row.push_str(&format!("\n      failing: {}", error.lines().next().unwrap_or_default()));
    }
    row
}

fn document(seen: &Seen) -> Value {
    let schedule = &seen.schedule;
    let firings: Vec<Value> = seen
        .firings
        .iter()
        .map(|firing| {
            json!({
                "nominal": firing.nominal / 1000, "nominal_local": exact(firing.nominal, schedule), "at": firing.at / 1000,
                "outcome": firing.outcome.as_str(), "task_id": firing.task_id, "fired_by": firing.fired_by,
                "reason": firing.reason,
            })
        })
        .collect();
    let author: Option<Author> = schedule.author.as_ref().and_then(|author| serde_json::from_str(author).ok());
    json!({
        "id": schedule.id.to_string(), "rule": schedule.rule, "zone": schedule.zone, "command": said(schedule),
        "missed": schedule.missed.as_str(), "overlap": schedule.overlaps, "tenant": schedule.tenant,
        "state": seen.state(), "paused_by": schedule.paused_by, "error": schedule.error,
        "next": seen.next.iter().map(|next| next / 1000).collect::<Vec<_>>(),
        "next_local": seen.next.iter().map(|next| exact(*next, schedule)).collect::<Vec<_>>(),
        "made_by": author.map_or_else(|| schedule.maker.clone(), |author| author.to_string()),
        "place": seen.place, "created_at": schedule.created_at / 1000, "firings": firings,
    })
}

/// Its command as it was typed, on one line.
fn said(schedule: &Schedule) -> String {
    let words = schedule.command().unwrap_or_default();
    match &words[..] {
        [text] => text.lines().next().unwrap_or_default().trim().to_owned(),
        words => text::typed(words),
    }
}

/// A point in time on the clocks of a schedule.
fn at(time: Millis, schedule: &Schedule) -> String {
    moment(time, &zone_of(schedule))
}

/// The same to the second and with its offset.
fn exact(time: Millis, schedule: &Schedule) -> String {
    let instant = Timestamp::from_millisecond(time).unwrap_or_default();
    instant.to_zoned(zone_of(schedule)).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn zone_of(schedule: &Schedule) -> TimeZone {
    schedule.zone.parse::<Zone>().and_then(|zone| zone.time_zone()).unwrap_or(TimeZone::UTC)
}

fn without_gateway(desk: &Desk) -> String {
    match desk.gateway {
        Some(_) => String::new(),
        None => "no gateway is running: nothing fires until you start one with `kanban up`".to_owned(),
    }
}

/// What a person holds on the board; none for whoever is told of all of it.
async fn rights(caller: &Caller, tx: &mut Tx) -> Result<Option<Rights>, Error> {
    if !caller.actor.is_person() {
        return Ok(None);
    }
    let is_private = tx.is_private().await?;
    Ok(Some(caller.standing.on(tx.slug(), is_private)))
}

fn holds(rights: Option<&Rights>, capability: Capability, schedule: &Schedule) -> bool {
    match rights.map(|rights| rights.to(capability)) {
        None | Some(Some((_, Extent::Whole))) => true,
        Some(Some((_, Extent::Tenants(tenants)))) => {
            schedule.tenant.as_ref().is_some_and(|tenant| tenants.contains(tenant))
        }
        Some(None) => false,
    }
}

/// A schedule that the caller may change: their own, or any for whoever steers the board.
async fn changeable(caller: &Caller, tx: &mut Tx, id: ScheduleId) -> Result<Schedule, Error> {
    let rights = rights(caller, tx).await?;
    let schedule = found(tx, id).await?;
    if !holds(rights.as_ref(), Capability::Read, &schedule) {
        return Err(unknown(id));
    }
    let author: Option<Author> = schedule.author.as_ref().and_then(|author| serde_json::from_str(author).ok());
    let is_own = match (&author, &caller.author) {
        (Some(maker), Some(author)) => (&maker.platform, &maker.id) == (&author.platform, &author.id),
        (None, _) | (_, None) => false,
    };
    if is_own || holds(rights.as_ref(), Capability::Operate, &schedule) {
        return Ok(schedule);
    }
    refuse!(
        Forbidden,
        "schedule {id} was made by {}; whoever made it may change it, and an operator of this board",
        schedule.maker
    )
}

async fn found(tx: &mut Tx, id: ScheduleId) -> Result<Schedule, Error> {
    tx.find_schedule(id).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: ScheduleId) -> Error {
    Error::refused(
        Reason::Unknown,
        format!("there is no schedule {id} on this board; `{{kanban}} schedule list` shows those that there are"),
    )
}
