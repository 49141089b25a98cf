//! Threads of tasks' own, each below a message of ours in a channel.

use std::time::Duration;

use kanban_platform::{Opening, PostError, Thread, Urgency};
use serde_json::json;
use serenity::{
    http::{LightMethod, Route},
    model::id::{ChannelId, MessageId, UserId},
};
use tokio::time::sleep;

use crate::{
    api::{Api, Call, CallError},
    drawing::thread_name,
    failure::{code, of_open},
    outgoing::{parse, refused},
    places::target,
};

/// After so many minutes of silence the thread leaves the list of threads. What is posted brings it back.
const ARCHIVED_AFTER: u32 = 1_440;

/// Opens a thread on a message of ours. It has the message's id, so one that is there already has the same address.
pub(crate) async fn open(api: &Api, opening: &Opening) -> Result<Thread, PostError> {
    let Some(channel) = target(&opening.channel).filter(|_| opening.channel.thread.is_none()) else {
        return Err(refused("no channel that can have threads", &opening.channel.to_string()));
    };
    let Some(message) = parse(&opening.message) else {
        return Err(refused("no id of a message", &opening.message));
    };
    let route = Route::ChannelMessageThreads { channel_id: channel, message_id: MessageId::new(message) };
    let mut call = Call::new(LightMethod::Post, route);
    call.body = Some(json!({ "name": thread_name(&opening.title), "auto_archive_duration": ARCHIVED_AFTER }));
    call.bucket = Some(format!("threads {channel}"));
    call.urgency = Urgency::Question;
    let is_new = match api.call(call).await {
        Ok(_) => true,
        Err(CallError::Refused(refusal)) if refusal.code == code::HAS_THREAD => false,
        Err(error) => return Err(of_open(error)),
    };
    let person = opening.person.as_deref().and_then(|person| parse(person.trim_start_matches("discord:")));
    if let Some(person) = person {
        let brought = bring(api, ChannelId::new(message), UserId::new(person)).await;
        if let (false, Err(CallError::Refused(refusal))) = (is_new, &brought)
            && refusal.code == code::UNKNOWN_CHANNEL
        {
            return Err(PostError::Refused("the thread of this message was deleted".to_owned()));
        }
        if let Err(error) = brought {
            tracing::debug!(%error, "a person could not be brought into the thread of their task");
        }
    }
    Ok(Thread { thread: Some(message.to_string()), ..opening.channel.clone() })
}

/// Makes a person a member of a thread, by which it stands in their list of channels. They may leave it.
async fn bring(api: &Api, thread: ChannelId, person: UserId) -> Result<(), CallError> {
    const ATTEMPTS: u32 = 3;
    let mut attempt = 1;
    loop {
        let route = Route::ChannelThreadMember { channel_id: thread, user_id: person };
        let mut call = Call::new(LightMethod::Put, route);
        call.bucket = Some(format!("thread members {thread}"));
        call.urgency = Urgency::Card;
        match api.call(call).await {
            Ok(_) => return Ok(()),
            // Who is a member already stays one, so it may be repeated.
            Err(CallError::NotSent(_) | CallError::Unsure(_)) if attempt < ATTEMPTS => {
                sleep(Duration::from_millis(100)).await;
            }
            Err(CallError::Limited(wait)) if attempt < ATTEMPTS && wait < Duration::from_secs(2) => sleep(wait).await,
            Err(error) => return Err(error),
        }
        attempt += 1;
    }
}
