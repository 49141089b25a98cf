//! Sees to schedules when their times come.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Millis,
    command::{Desk, see_to_schedules},
};

/// How long it sleeps at most: new schedules and a clock that was set are noticed after that.
const LONGEST: Duration = Duration::from_secs(5);

/// Fires what is due on all boards, until shutdown.
pub(super) async fn keep(desk: Desk, shutdown: CancellationToken) {
    loop {
        let next = look(&desk).await;
        let until = next.map_or(LONGEST, |at| Duration::from_millis(u64::try_from(at - desk.now()).unwrap_or(0)));
        // What could not be seen to is due still, and is tried again after a while.
        let wait = if until.is_zero() { LONGEST } else { until.min(LONGEST) };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(wait) => {}
        }
    }
}

/// One look. Answers when the next time comes.
async fn look(desk: &Desk) -> Option<Millis> {
    let names = desk.boards.names().unwrap_or_else(|error| {
        tracing::error!(%error, "the boards cannot be listed for their schedules");
        Vec::new()
    });
    let mut next = None;
    for name in names {
        let seen = async { see_to_schedules(desk, &desk.boards.get(&name).await?).await };
        match seen.await {
            Ok(at) => next = next.into_iter().chain(at).min(),
            // A board that cannot be opened is told of by the dispatcher.
            Err(error) => tracing::debug!(%error, board = %name, "the schedules of board {name} cannot be read"),
        }
    }
    next
}
