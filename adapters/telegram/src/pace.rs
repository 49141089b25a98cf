//! Telegram's limits on sending, and the chats that they are for.

use std::time::Duration;

use kanban_platform::{Limit, Rate};

/// The buckets that a post to a chat goes through: about 30 messages a second in all, one a second in a chat, and 20 a
/// minute in a group (the Bots FAQ, "My bot is hitting limits").
pub(crate) fn limits(chat: i64) -> Vec<Limit> {
    let mut limits = vec![
        whole_bot(),
        // Three in three seconds, so that a short answer in parts does not wait; and a little longer, since they are counted
        // where they arrive, and on the way one may be faster than the one before.
        Limit { bucket: bucket(chat), rate: Some(Rate { calls: 3, per: Duration::from_millis(3_200) }) },
    ];
    if is_group(chat) {
        let rate = Rate { calls: 20, per: Duration::from_secs(60) };
        limits.push(Limit { bucket: format!("group:{chat}"), rate: Some(rate) });
    }
    limits
}

/// The buckets of a call that shows people no message: it counts for the bot, and waits where the chat is closed.
pub(crate) fn quiet_limits(chat: i64) -> Vec<Limit> {
    vec![whole_bot(), Limit { bucket: bucket(chat), rate: None }]
}

pub(crate) fn whole_bot() -> Limit {
    Limit { bucket: "bot".to_owned(), rate: Some(Rate { calls: 30, per: Duration::from_secs(1) }) }
}

/// The bucket that a 429 closes: the answer does not say what it is for, and the chat is what it nearly always is for.
pub(crate) fn bucket(chat: i64) -> String {
    format!("chat:{chat}")
}

/// Groups and supergroups have negative ids, people positive ones.
pub(crate) fn is_group(chat: i64) -> bool {
    chat < 0
}
