//! What was said in followed channels while we were not listening.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kanban_platform::{Batch, Input, Position, Request, Thread, Urgency};
use serenity::model::{
    channel::Message,
    id::{ChannelId, GuildId, UserId},
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::CallError,
    inbound::Inbound,
    inbox::{Arrival, keep_patiently, position, stream},
    member::ask_groups,
    outgoing::parse,
    places::{Spot, target},
    snowflake,
};

/// How many channels are read at a time.
const AT_ONCE: usize = 4;

/// The stream that holds when the last session began whose missed messages were all read.
const BEGAN: &str = "began";

/// How long the gateway may take to say what is followed.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads every followed channel from where it was left. After each new session, for Discord sends what happened before
/// one to nobody.
pub(crate) async fn read_missed(inbound: Arc<Inbound>, shutdown: CancellationToken) {
    let mut wait = Duration::from_secs(1);
    let threads = loop {
        match timeout(DEADLINE, inbound.commands.threads(&inbound.name)).await {
            Ok(Ok(threads)) => break threads,
            Ok(Err(error)) => tracing::warn!(%error, "the followed threads cannot be read yet"),
            Err(_) => tracing::warn!("the followed threads cannot be read yet"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(wait) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(60));
    };
    let channels: HashMap<ChannelId, Thread> =
        threads.into_iter().filter_map(|thread| Some((target(&thread)?, thread))).collect();
    inbound.inbox.put(Arrival::Missing(channels.keys().copied().collect()));
    let began = snowflake::at((inbound.now)());
    let mut is_complete = true;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut reads = JoinSet::new();
    for (channel, thread) in channels {
        let (inbound, shutdown, turns) = (Arc::clone(&inbound), shutdown.clone(), Arc::clone(&turns));
        reads.spawn(async move {
            let turn = turns.acquire_owned().await;
            let read = read_patiently(&inbound, channel, &thread, &shutdown).await;
            drop(turn);
            inbound.inbox.put(Arrival::Read { channel, up_to: read });
            read.is_some()
        });
    }
    while let Some(read) = reads.join_next().await {
        is_complete &= read.unwrap_or(false);
    }
    if is_complete {
        let position = Some(Position { stream: BEGAN.to_owned(), value: began.to_string() });
        let batch = Batch { platform: inbound.name.clone(), requests: Vec::new(), position };
        keep_patiently(inbound.commands.as_ref(), batch, &shutdown).await;
    }
}

/// The id up to which a channel was read. None where that failed for good or the adapter stops.
async fn read_patiently(
    inbound: &Inbound,
    channel: ChannelId,
    thread: &Thread,
    shutdown: &CancellationToken,
) -> Option<u64> {
    let mut wait = Duration::from_secs(1);
    loop {
        let failure = tokio::select! {
            () = shutdown.cancelled() => return None,
            read = read(inbound, channel, thread, shutdown) => match read {
                Ok(up_to) => return Some(up_to),
                Err(failure) => failure,
            },
        };
        let pause = match failure {
            CallError::Refused(refusal) if matches!(refusal.status, 403 | 404) && refusal.code != 0 => {
                // We are not let in there any more; nothing that was said there was for us.
                tracing::warn!(%channel, %refusal, "the history of a followed channel cannot be read");
                return Some(snowflake::at((inbound.now)()));
            }
            CallError::Limited(closed) => closed,
            error @ (CallError::NotSent(_) | CallError::Unsure(_) | CallError::Refused(_)) => {
                tracing::warn!(%channel, %error, "the history of a followed channel cannot be read yet");
                wait
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = sleep(pause) => {}
        }
        wait = (wait * 2).min(Duration::from_secs(60));
    }
}

async fn read(
    inbound: &Inbound,
    channel: ChannelId,
    thread: &Thread,
    shutdown: &CancellationToken,
) -> Result<u64, CallError> {
    let unreadable = |what: String| CallError::NotSent(what);
    let stored = async |stream: &str| match timeout(DEADLINE, inbound.commands.position(&inbound.name, stream)).await {
        Ok(Ok(stored)) => Ok(stored.as_deref().and_then(parse)),
        Ok(Err(error)) => Err(unreadable(error.to_string())),
        Err(_) => Err(unreadable("the board is slow".to_owned())),
    };
    // A channel that has no mark was first spoken in after the last session had begun.
    let mark = match stored(&stream(channel)).await? {
        None => stored(BEGAN).await?,
        mark => mark,
    };
    let Some(mut after) = mark else {
        // Nobody has listened here before: it begins now.
        let now = snowflake::at((inbound.now)());
        keep(inbound, channel, now, Vec::new(), shutdown).await?;
        return Ok(now);
    };
    let mut known = HashMap::new();
    loop {
        let page = inbound.outgoing.messages_after(channel, after, Urgency::News).await?;
        let newest = page.iter().filter_map(|message| message["id"].as_str().and_then(parse)).max();
        let Some(newest) = newest.filter(|newest| *newest > after) else { return Ok(after) };
        let mut requests = Vec::new();
        for message in page {
            // What serenity cannot read is none of ours.
            let Ok(message) = serde_json::from_value::<Message>(message) else { continue };
            let is_channel = inbound.places.can_branch(thread);
            if let Some(mut request) = inbound.request(&message, Spot { thread: thread.clone(), is_channel }) {
                if may_be_for_us(&request) {
                    request.author.groups = groups(inbound, &request, &mut known).await?;
                }
                requests.push(request);
            }
        }
        keep(inbound, channel, newest, requests, shutdown).await?;
        after = newest;
    }
}

/// Whether the gateway may act on a message, so that it matters who wrote it.
fn may_be_for_us(request: &Request) -> bool {
    let is_command = matches!(&request.input, Input::Text(text) if text.starts_with('/'));
    request.addressed || request.reply_to.is_some() || request.thread.thread.is_some() || is_command
}

/// The groups of an author, which the history does not tell as events do.
async fn groups(
    inbound: &Inbound,
    request: &Request,
    known: &mut HashMap<String, Vec<String>>,
) -> Result<Vec<String>, CallError> {
    let (guild, person) = (parse(&request.thread.space), parse(&request.author.id));
    let (Some(guild), Some(person)) = (guild, person) else { return Ok(Vec::new()) };
    if let Some(groups) = known.get(&request.author.id) {
        return Ok(groups.clone());
    }
    let groups = ask_groups(&inbound.api, GuildId::new(guild), UserId::new(person)).await?;
    known.insert(request.author.id.clone(), groups.clone());
    Ok(groups)
}

async fn keep(
    inbound: &Inbound,
    channel: ChannelId,
    up_to: u64,
    requests: Vec<Request>,
    shutdown: &CancellationToken,
) -> Result<(), CallError> {
    let batch = Batch { platform: inbound.name.clone(), requests, position: Some(position(channel, up_to)) };
    if keep_patiently(inbound.commands.as_ref(), batch, shutdown).await {
        Ok(())
    } else {
        Err(CallError::NotSent("the adapter stops".to_owned()))
    }
}
