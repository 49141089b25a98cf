//! A message, and how the Web API and events show it.

use serde_json::{Map, Value, json};

use crate::slack::{
    conversation::Conversation,
    file::File,
    reader::Reading,
    state::{APP, BOT_ID, BOT_NAME, BOT_USER, State},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) ts: String,
    pub(crate) micros: u64,
    pub(crate) thread_ts: Option<String>,
    /// A reply that is seen in the channel too.
    pub(crate) is_broadcast: bool,
    /// The id of the author: a person's, or the bot's.
    pub(crate) user: String,
    /// In Slack's markup.
    pub(crate) text: String,
    pub(crate) blocks: Vec<Value>,
    pub(crate) attachments: Vec<Value>,
    pub(crate) metadata: Option<Value>,
    /// Ids of files.
    pub(crate) files: Vec<String>,
    /// The id of the only person who sees it.
    pub(crate) private_to: Option<String>,
    /// `mrkdwn` was not switched off.
    pub(crate) has_markup: bool,
    /// `link_names` or `parse=full`: names after an `@` are mentions.
    pub(crate) links_names: bool,
    pub(crate) client_msg_id: Option<String>,
    pub(crate) edited: Option<String>,
    pub(crate) is_deleted: bool,
    /// Names of reactions, with the ids of those who reacted.
    pub(crate) reactions: Vec<(String, Vec<String>)>,
    pub(crate) reading: Reading,
    pub(crate) earlier: Vec<String>,
}

impl Message {
    pub(crate) fn is_ours(&self) -> bool {
        self.user == BOT_USER
    }

    /// The message as the Web API shows it, and as events carry it.
    pub(crate) fn show(&self, state: &State, conversation: &Conversation, with_metadata: bool) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("type".into(), json!("message"));
        if !self.files.is_empty() {
            shown.insert("subtype".into(), json!("file_share"));
        } else if self.is_broadcast {
            shown.insert("subtype".into(), json!("thread_broadcast"));
        }
        shown.insert("user".into(), json!(self.user));
        shown.insert("ts".into(), json!(self.ts));
        if let Some(id) = &self.client_msg_id {
            shown.insert("client_msg_id".into(), json!(id));
        }
        if self.is_ours() {
            shown.insert("bot_id".into(), json!(BOT_ID));
            shown.insert("app_id".into(), json!(APP));
            shown.insert("bot_profile".into(), bot_profile(&state.team));
        }
        shown.insert("text".into(), json!(self.text));
        shown.insert("team".into(), json!(state.team));
        if !self.blocks.is_empty() {
            shown.insert("blocks".into(), json!(self.blocks));
        }
        if !self.attachments.is_empty() {
            shown.insert("attachments".into(), json!(self.attachments));
        }
        if let Some(metadata) = self.metadata.as_ref().filter(|_| with_metadata) {
            shown.insert("metadata".into(), metadata.clone());
        }
        if let Some(ts) = &self.edited {
            shown.insert("edited".into(), json!({ "user": self.user, "ts": ts }));
        }
        if !self.files.is_empty() {
            let files: Vec<Value> = self.files.iter().filter_map(|id| state.files.get(id)).map(File::show).collect();
            shown.insert("files".into(), json!(files));
            shown.insert("upload".into(), json!(true));
        }
        if !self.reactions.is_empty() {
            let one =
                |(name, users): &(String, Vec<String>)| json!({ "name": name, "users": users, "count": users.len() });
            shown.insert("reactions".into(), json!(self.reactions.iter().map(one).collect::<Vec<_>>()));
        }
        self.show_thread(conversation, &mut shown);
        shown
    }

    fn show_thread(&self, conversation: &Conversation, shown: &mut Map<String, Value>) {
        if let Some(thread) = &self.thread_ts {
            shown.insert("thread_ts".into(), json!(thread));
            if let Some(parent) = conversation.message(thread) {
                shown.insert("parent_user_id".into(), json!(parent.user));
            }
            return;
        }
        let Some(last) = conversation.public_replies(&self.ts).next_back() else { return };
        let mut users: Vec<&str> = conversation.public_replies(&self.ts).map(|reply| reply.user.as_str()).collect();
        let count = users.len();
        users.sort_unstable();
        users.dedup();
        shown.insert("thread_ts".into(), json!(self.ts));
        shown.insert("reply_count".into(), json!(count));
        shown.insert("reply_users_count".into(), json!(users.len()));
        shown.insert("latest_reply".into(), json!(last.ts));
        shown.insert("reply_users".into(), json!(users));
        shown.insert("is_locked".into(), json!(false));
        shown.insert("subscribed".into(), json!(true));
    }
}

fn bot_profile(team: &str) -> Value {
    json!({
        "id": BOT_ID,
        "app_id": APP,
        "user_id": BOT_USER,
        "name": BOT_NAME,
        "icons": {},
        "deleted": false,
        "updated": 1_700_000_000,
        "team_id": team,
    })
}
