//! Threads of tasks' own: topics of a forum, and elsewhere chains of replies.

use kanban_platform::{Opening, PostError, Thread, Urgency};

use crate::{
    neutral::line,
    outbound::{Act, Failure, Outbound, number},
    refusal::{has_no_topics, judge},
    spot::Spot,
};

/// How long the name of a topic may be (createForumTopic).
const NAME_LIMIT: usize = 128;

impl Outbound {
    pub(crate) async fn open(&self, opening: &Opening) -> Result<Thread, PostError> {
        let Opening { channel, message, .. } = opening;
        if channel.thread.is_some() {
            return Err(PostError::Refused(format!("`{channel}` is a thread itself and can hold none")));
        }
        let chain = Spot::Chain(number(message)?);
        let chat = self.chat(channel)?;
        // A second topic would stand beside the first one, and neither be the thread for certain.
        if opening.is_in_doubt || !self.may_have_topics(chat) {
            return Ok(self.thread(channel, chat, chain));
        }
        let name = [&opening.title, &opening.task].map(|name| line(name, NAME_LIMIT));
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "…".to_owned());
        match self.act(channel, Urgency::News, Act::Topic(&name)).await {
            Ok((chat, topic)) => Ok(self.thread(channel, chat, Spot::Topic(number(&topic)?))),
            Err(Failure::Fault(fault)) if has_no_topics(&fault) => Ok(self.thread(channel, self.chat(channel)?, chain)),
            Err(Failure::Fault(fault)) => Err(judge(fault)),
            Err(Failure::Post(error)) => Err(error),
        }
    }

    fn thread(&self, channel: &Thread, chat: i64, spot: Spot) -> Thread {
        Thread { channel: chat.to_string(), thread: spot.written(), ..channel.clone() }
    }

    /// Supergroups alone can be forums; their ids are below those of plain groups. One that nobody wrote in yet is asked.
    fn may_have_topics(&self, chat: i64) -> bool {
        const LAST_SUPERGROUP: i64 = -1_000_000_000_000;
        chat < LAST_SUPERGROUP && self.memory.is_forum(chat).unwrap_or(true)
    }
}
