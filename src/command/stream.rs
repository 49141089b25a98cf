//! `tail` and `watch` on the command line: events as they happen, until interrupted.

use std::{
    convert::Infallible,
    io::{self, Write},
    time::Duration,
};

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    board::{
        BoardSlug, Error, Reason,
        event::{Event, Kind},
    },
    command::{caller::Caller, desk::Desk, reply::Reply, verbs, view},
};

/// The time between two looks, where none is asked for; a shorter one than this is not kept.
const TAIL_INTERVAL: Duration = Duration::from_secs(1);
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// Prints the events of a task, those that were and those to come.
pub async fn tail(desk: &Desk, caller: &Caller, board: Option<&BoardSlug>, args: &verbs::Tail) -> Reply {
    let streamed = async {
        let board = desk.board_of(caller, board).await?;
        board.read().await?.task(&args.task).await?;
        let interval = args.interval.unwrap_or(TAIL_INTERVAL).max(LEAST_INTERVAL);
        say(&format!("Tailing events for {}. Ctrl-C to stop.", args.task))?;
        let mut seen = 0;
        let zone = TimeZone::system();
        loop {
            let events = board.read().await?.events_of_since(&args.task, seen).await?;
            for event in &events {
                seen = event.id;
                say(&view::event_line(event, &zone))?;
            }
            if events.is_empty() {
                tokio::time::sleep(interval).await;
                is_read()?;
            }
        }
    };
    end(streamed.await)
}

/// Prints the events of a board from now on.
pub async fn watch(desk: &Desk, caller: &Caller, board: Option<&BoardSlug>, args: &verbs::Watch) -> Reply {
    let streamed = async {
        let kinds = args
            .kinds
            .iter()
            .flat_map(|kinds| kinds.split(','))
            .map(str::trim)
            .filter(|kind| !kind.is_empty())
            .map(|kind| kind.parse::<Kind>().map_err(|text| Error::refused(Reason::Invalid, text)))
            .collect::<Result<Vec<_>, _>>()?;
        let board = desk.board_of(caller, board).await?;
        if let Some(task) = &args.task {
            board.read().await?.task(task).await?;
        }
        let interval = args.interval.unwrap_or(WATCH_INTERVAL).max(LEAST_INTERVAL);
        say("Watching kanban events. Ctrl-C to stop.")?;
        let zone = TimeZone::system();
        let mut seen = board.read().await?.last_event().await?;
        loop {
            let mut tx = board.read().await?;
            let events = tx.events_since(seen).await?;
            for event in &events {
                seen = event.id;
                if (kinds.is_empty() || kinds.contains(&event.kind)) && fits(&mut tx, args, event).await? {
                    say(&format!("{}  {}", event.task_id, view::event_line(event, &zone)))?;
                }
            }
            drop(tx);
            if events.is_empty() {
                tokio::time::sleep(interval).await;
                is_read()?;
            }
        }
    };
    end(streamed.await)
}

async fn fits(tx: &mut crate::board::Tx, args: &verbs::Watch, event: &Event) -> Result<bool, Error> {
    if args.task.as_ref().is_some_and(|task| *task != event.task_id) {
        return Ok(false);
    }
    if args.assignee.is_none() && args.tenant.is_none() {
        return Ok(true);
    }
    let task = match tx.task(&event.task_id).await {
        Ok(task) => task,
        Err(Error::Refused(_)) => return Ok(false),
        Err(fault) => return Err(fault),
    };
    let by_assignee = args.assignee.as_ref().is_none_or(|assignee| assignee.profile() == task.assignee.as_ref());
    let by_tenant = args.tenant.as_ref().is_none_or(|tenant| Some(tenant.as_str()) == task.tenant.as_deref());
    Ok(by_assignee && by_tenant)
}

/// Why a stream ended.
enum End {
    /// Nobody reads it any more.
    Unread,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn say(line: &str) -> Result<(), End> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => End::Unread,
        _ => End::Failed(error.into()),
    })
}

/// Finds out that a reader has gone away, also when there is nothing to say.
fn is_read() -> Result<(), End> {
    let mut out = [PollFd::from_borrowed_fd(rustix::stdio::stdout(), PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut out, Some(&at_once)) {
        Ok(_) if out[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => Err(End::Unread),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A stream ends by interruption, or because nobody reads it any more, as with `head`: that is no fault.
fn end(ended: Result<Infallible, End>) -> Reply {
    match ended {
        Ok(never) => match never {},
        Err(End::Unread) => Reply::default(),
        Err(End::Failed(error)) => Reply::failed(&error),
    }
}
