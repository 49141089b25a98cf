//! What becomes of the times of schedules: a task each, made as if whoever made the schedule had asked for it just then.

use kanban_platform::{Author, Surface};

use super::{Prepared, access::readable, create};
use crate::{
    board::{
        Actor, Board, BoardSlug, Error, TaskId, Tx,
        audit::Entry,
        error::refuse,
        schedule::{Firing, FiringOutcome, Missed, Progress, Schedule},
    },
    clock::Millis,
    command::{
        access::{self, Allowed},
        caller::{Caller, Place, Road},
        desk::Desk,
        parse::{from_chat, from_words},
        verbs::{Create, Kanban, Verb, Write},
    },
    recurrence::Recurrence,
    settings::Role,
};

/// A time that is seen to later than this was missed.
const IN_TIME: Millis = 60_000;

/// How many missed times are made up for, the latest ones.
const MADE_UP: usize = 100;

/// How many times are counted one by one. Where there are more, those of the last week are.
const COUNTED: usize = 20_000;
const WEEK: Millis = 7 * 24 * 3_600_000;

/// The command of a schedule, let through for its maker and made ready.
pub(in crate::command) struct Ready {
    pub(super) caller: Caller,
    pub(super) create: Create,
    place: Prepared,
}

/// Sees to all schedules of a board whose time has come. Answers when the next one comes.
///
/// # Errors
/// When the board cannot be read. A schedule that cannot be seen to is logged, and is seen to at the next call.
pub async fn see_to_schedules(desk: &Desk, board: &Board) -> Result<Option<Millis>, Error> {
    let due = board.read().await?.schedules_due(desk.now()).await?;
    for schedule in due {
        if let Err(error) = see_to(desk, board, &schedule).await {
            tracing::error!(%error, board = %board.slug(), "schedule {} of board {} could not be seen to", schedule.id, board.slug());
        }
    }
    board.read().await?.next_firing().await
}

/// The command of a schedule, read from its words as they were typed.
pub(super) fn command_of(words: &[String], board: &BoardSlug) -> Result<Create, Error> {
    let read = match words {
        [text] => from_chat(text),
        _ => from_words(words, Surface::CommandLine),
    };
    let Kanban { board: named, verb, .. } = match read {
        Ok(command) => command,
        Err(mistake) if mistake.exit == 0 => refuse!(Usage, "{ONLY_CREATE}"),
        Err(mistake) => refuse!(Usage, "the command behind `--` is not understood: {}", mistake.text),
    };
    let Some(Verb::Write(Write::Create(mut create))) = verb else { refuse!(Usage, "{ONLY_CREATE}") };
    if let Some(named) = named.filter(|named| named != board) {
        refuse!(
            Usage,
            "a schedule makes tasks on its own board, which is {board}; put the board before it, as in `{{program}} --board {named} schedule add …`"
        );
    }
    if create.idempotency_key.is_some() {
        refuse!(Usage, "`--idempotency-key` would let the schedule make one task alone; leave it out");
    }
    if create.at.is_some() {
        refuse!(Usage, "`--at` would be the same time for each task of the schedule; leave it out");
    }
    create.json = false;
    Ok(create)
}

const ONLY_CREATE: &str =
    "a schedule runs `create` alone, as in `{kanban} schedule add \"0 7 * * 1-5\" -- create water the plants`";

/// Holds a command against what a person may do, and makes it ready.
pub(super) async fn ready(desk: &Desk, maker: &Caller, board: &Board, create: Create) -> Result<Ready, Error> {
    let verb = Verb::Write(Write::Create(create));
    let Allowed { caller, verb } = access::check(desk, maker, Some(board.slug()), &verb).await?;
    let Verb::Write(Write::Create(create)) = verb else { refuse!(Usage, "{ONLY_CREATE}") };
    // Its results return to the thread of the schedule, so it opens none of its own.
    let caller = Caller { is_channel: false, road: Road::Schedule, ..caller };
    let place = Prepared::Place(create::place(desk, &caller, board, &create).await?);
    create::check_profile(desk, &caller, &create)?;
    Ok(Ready { caller, create, place })
}

/// The same for a schedule that was kept, with what its maker may do by now.
pub(super) async fn ready_again(desk: &Desk, board: &Board, schedule: &Schedule) -> Result<Ready, Error> {
    let maker = maker_of(desk, board, schedule).await?;
    ready(desk, &maker, board, command_of(&schedule.command()?, board.slug())?).await
}

/// Whoever made a schedule, as if they asked now from where they made it.
async fn maker_of(desk: &Desk, board: &Board, schedule: &Schedule) -> Result<Caller, Error> {
    let actor = Actor::Person { name: schedule.maker.clone() };
    let thread = board.read().await?.thread_of_schedule(schedule).await?;
    let (Some(author), Some(thread)) = (&schedule.author, thread) else {
        let place = Place::Terminal { folder: "/".into() };
        return Ok(Caller { road: Road::Schedule, ..Caller::new(actor, Role::Owner, place) });
    };
    let author: Author = serde_json::from_str(author)?;
    let mut tx = desk.boards.get(&BoardSlug::default()).await?.read().await?;
    let (granted, pin) = (tx.grants().await?, tx.pin(&thread).await?);
    let standing = desk.settings.get().access.standing(&author, Some(&thread), &readable(&granted));
    let Some(role) = standing.highest() else {
        refuse!(Forbidden, "{author}, who made this schedule, has no role here any more")
    };
    let author = Some(author);
    let caller = Caller::new(actor, role, Place::Thread(thread));
    Ok(Caller { author, standing, pin, road: Road::Schedule, ..caller })
}

/// Makes the task of one time, and shows it to the thread of its schedule.
pub(super) async fn make(desk: &Desk, ready: &Ready, behind: Option<&TaskId>, tx: &mut Tx) -> Result<TaskId, Error> {
    let mut create = ready.create.clone();
    create.parent.extend(behind.cloned());
    let done = create::create(desk, &ready.caller, &create, &ready.place, tx).await?;
    let Some(task) = done.reply.task else { refuse!(Invalid, "the command of this schedule has made no task") };
    if let Some(thread) = ready.caller.thread() {
        tx.show_fired(thread, &task, desk.now()).await?;
    }
    let line = desk.line(&ready.caller, tx.slug(), "create", "done");
    tx.note(&Entry { task_id: Some(task.clone()), ..line }).await?;
    Ok(task)
}

/// Acts on each time of a schedule that has come since it was last seen to.
async fn see_to(desk: &Desk, board: &Board, schedule: &Schedule) -> Result<(), Error> {
    let now = desk.now();
    let recurrence = match Recurrence::read(&schedule.rule, &schedule.zone) {
        Ok(recurrence) => recurrence,
        // It stands still until somebody resumes it.
        Err(reason) => {
            return could_not(desk, board, schedule, None, Progress { seen_until: now, next_at: None }, &reason).await;
        }
    };
    // A clock that was put back shows times again; what became of one is kept, so that none fires twice.
    let since = schedule.seen_until.min(now);
    let passed = Passed::between(&recurrence, since, now);
    let settled = Progress { seen_until: now, next_at: recurrence.after(now) };
    let Some(latest) = passed.latest.last().copied() else {
        let mut tx = board.write().await?;
        tx.saw_schedule(schedule.id, settled, schedule.error.as_deref()).await?;
        return tx.commit().await;
    };
    let is_in_time = now - latest <= IN_TIME;
    let missed = passed.count - usize::from(is_in_time);
    match schedule.missed {
        Missed::Skip if !is_in_time => {
            let reason = format!("{} passed while no gateway ran", times(missed));
            let mut tx = board.write().await?;
            let firing = Firing { reason: Some(reason), ..firing(latest, now, FiringOutcome::Skipped) };
            tx.keep_firing(schedule.id, &firing).await?;
            tx.saw_schedule(schedule.id, settled, schedule.error.as_deref()).await?;
            tx.commit().await
        }
        Missed::Skip | Missed::Once => {
            let besides = passed.count - 1;
            let note = match schedule.missed {
                Missed::Skip => "left out",
                Missed::Once | Missed::All => "made up for by this one",
            };
            let note = (besides > 0).then(|| format!("{} passed while no gateway ran, {note}", times(besides)));
            fire(desk, board, schedule, &Time { nominal: latest, waits: false, note, progress: settled }).await
        }
        Missed::All => {
            let forgotten = passed.count - passed.latest.len();
            for (place, nominal) in passed.latest.iter().copied().enumerate() {
                let progress = match passed.latest.get(place + 1) {
                    Some(next) => Progress { seen_until: nominal, next_at: Some(*next) },
                    None => settled,
                };
                let note = (place == 0 && forgotten > 0)
                    .then(|| format!("{} before it passed while no gateway ran, and are left out", times(forgotten)));
                // Whatever has to be made up for runs one after the other, unless the schedule may overlap.
                let waits = passed.latest.len() > 1 || !is_in_time;
                fire(desk, board, schedule, &Time { nominal, waits, note, progress }).await?;
            }
            Ok(())
        }
    }
}

/// The times of a schedule that have come.
struct Passed {
    /// The latest of them, oldest first.
    latest: Vec<Millis>,
    count: usize,
}

impl Passed {
    fn between(recurrence: &Recurrence, since: Millis, until: Millis) -> Self {
        let up_to = |from| recurrence.times(from).take_while(move |time| *time <= until);
        let mut all: Vec<Millis> = up_to(since).take(COUNTED).collect();
        if all.len() == COUNTED {
            all = up_to(since.max(until - WEEK)).collect();
        }
        let count = all.len();
        Self { latest: all.split_off(count.saturating_sub(MADE_UP)), count }
    }
}

/// One time that is acted on.
struct Time {
    nominal: Millis,
    /// Its task waits for the last one of the schedule, instead of being left out for it.
    waits: bool,
    note: Option<String>,
    progress: Progress,
}

async fn fire(desk: &Desk, board: &Board, schedule: &Schedule, time: &Time) -> Result<(), Error> {
    let fired = async {
        let ready = ready_again(desk, board, schedule).await?;
        let mut tx = board.write().await?;
        act(desk, schedule, time, &ready, &mut tx).await?;
        tx.commit().await
    };
    match fired.await {
        Err(Error::Refused(refusal)) => {
            let (program, here) = typed(schedule, board.slug());
            let reason = refusal.told(program, &here);
            could_not(desk, board, schedule, Some(time.nominal), time.progress, &reason).await
        }
        fired => fired,
    }
}

async fn act(desk: &Desk, schedule: &Schedule, time: &Time, ready: &Ready, tx: &mut Tx) -> Result<(), Error> {
    let (id, now) = (schedule.id, desk.now());
    // Somebody may have paused or removed it just now.
    let Some(current) = tx.find_schedule(id).await?.filter(|current| current.paused_by.is_none()) else {
        return Ok(());
    };
    if tx.has_fired(id, time.nominal).await? {
        return tx.saw_schedule(id, time.progress, current.error.as_deref()).await;
    }
    let open = if schedule.overlaps { None } else { tx.open_task_of_schedule(id).await? };
    if let Some(open) = open.as_ref().filter(|_| !time.waits) {
        tx.firing_skipped(schedule, time.nominal, open, now).await?;
        let reason = Some(format!("{} is not final: it is {}", open.id, open.status));
        let firing = Firing { reason, ..firing(time.nominal, now, FiringOutcome::Skipped) };
        tx.keep_firing(id, &firing).await?;
        return tx.saw_schedule(id, time.progress, None).await;
    }
    let task = make(desk, ready, open.as_ref().map(|open| &open.id), tx).await?;
    let reason = time.note.clone();
    let firing = Firing { task_id: Some(task), reason, ..firing(time.nominal, now, FiringOutcome::Fired) };
    tx.keep_firing(id, &firing).await?;
    tx.saw_schedule(id, time.progress, None).await
}

/// Keeps why a schedule could not fire, and tells its thread if that is new.
async fn could_not(
    desk: &Desk,
    board: &Board,
    schedule: &Schedule,
    nominal: Option<Millis>,
    progress: Progress,
    reason: &str,
) -> Result<(), Error> {
    let now = desk.now();
    let mut tx = board.write().await?;
    let Some(current) = tx.find_schedule(schedule.id).await?.filter(|current| current.paused_by.is_none()) else {
        return Ok(());
    };
    if let Some(nominal) = nominal {
        if tx.has_fired(schedule.id, nominal).await? {
            tx.saw_schedule(schedule.id, progress, current.error.as_deref()).await?;
            return tx.commit().await;
        }
        let firing = Firing { reason: Some(reason.to_owned()), ..firing(nominal, now, FiringOutcome::Refused) };
        tx.keep_firing(schedule.id, &firing).await?;
    }
    tx.saw_schedule(schedule.id, progress, Some(reason)).await?;
    let thread = tx.thread_of_schedule(schedule).await?;
    if let (Some(thread), None) = (thread, &current.error) {
        let (_, program) = typed(schedule, board.slug());
        let next = match progress.next_at {
            Some(_) => "It tries again at each of its times, and says so once.",
            None => "It stands still until it is resumed.",
        };
        let id = schedule.id;
        let text =
            format!("Schedule {id} could not make its task: {reason}\n{next} More: `{program} schedule show {id}`");
        tx.tell_of_schedule(&thread, text, now).await?;
    }
    tx.commit().await
}

/// How commands are typed where a schedule was made: the program, and the program with the board at hand.
fn typed(schedule: &Schedule, board: &BoardSlug) -> (&'static str, String) {
    match schedule.author {
        Some(_) => ("/kanban", board.program()),
        None => ("kanban", format!("kanban --board {board}")),
    }
}

pub(super) fn firing(nominal: Millis, at: Millis, outcome: FiringOutcome) -> Firing {
    Firing { nominal, at, outcome, fired_by: None, task_id: None, reason: None }
}

fn times(count: usize) -> String {
    if count == 1 { "1 time".to_owned() } else { format!("{count} times") }
}
