//! `threads`: whether tasks that are made in a channel get threads of their own.

use crate::{
    board::{BoardSlug, Error, error::refuse},
    command::{
        caller::Caller,
        desk::Desk,
        reply::Reply,
        verbs::{Switch, Threads},
    },
};

pub(super) async fn run(desk: &Desk, caller: &Caller, args: &Threads) -> Result<Reply, Error> {
    let Some(place) = caller.thread().filter(|thread| caller.is_channel || thread.thread.is_some()) else {
        refuse!(
            Invalid,
            "there are no threads of tasks' own here: what is made here is told here; type `/kanban threads on` in a channel"
        );
    };
    let Some(switch) = args.switch else {
        let (state, other) = match caller.pin.threads.as_ref() {
            Some(threads) if !threads.value => (format!("off, set by {}", threads.by), "on"),
            Some(threads) => (format!("on, set by {}", threads.by), "off"),
            None => ("on, as nothing else was set".to_owned(), "off"),
        };
        return Ok(Reply::text(format!(
            "Threads of tasks' own are {state}; `/kanban threads {other}` changes that for this channel"
        )));
    };
    let own = switch == Switch::On;
    // Pins are in the default board, since they decide which board is meant.
    let mut tx = desk.boards.get(&BoardSlug::default()).await?.write().await?;
    tx.set_threads(place, own, caller.actor.name(), desk.now()).await?;
    tx.commit().await?;
    Ok(Reply::text(if own {
        "Tasks that are made in this channel get threads of their own"
    } else {
        "Tasks that are made in this channel stay in it"
    }))
}
