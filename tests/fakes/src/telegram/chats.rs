//! Methods about chats, topics, files, and the bot itself.

use serde_json::{Value, json};

use super::{
    account::Account,
    chat::{Chat, Kind},
    parameters::Parameters,
    refusal::Refusal,
};

const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// Bots can download no larger files (getFile).
const LARGEST_DOWNLOAD: usize = 20 * 1024 * 1024;

impl Account {
    pub(crate) fn get_me(&self) -> Value {
        let state = self.state();
        let mut me = state.people.bot();
        me["can_join_groups"] = json!(true);
        me["can_read_all_group_messages"] = json!(!state.has_privacy);
        for ability in ["supports_inline_queries", "can_connect_to_business", "has_main_web_app", "has_topics_enabled"]
        {
            me[ability] = json!(false);
        }
        me
    }

    pub(crate) fn get_chat(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let id = state.open_chat(parameters)?.id;
        let chat = state.chats.get(&id).ok_or_else(Refusal::chat_not_found)?;
        let mut json = chat.json(&state.people);
        json["accent_color_id"] = json!(0);
        json["max_reaction_count"] = json!(11);
        json["accepted_gift_types"] = json!({
            "unlimited_gifts": false,
            "limited_gifts": false,
            "unique_gifts": false,
            "premium_subscription": false,
            "gifts_from_channels": false,
        });
        if chat.kind != Kind::Private {
            json["permissions"] = json!({"can_send_messages": true});
        }
        Ok(json)
    }

    pub(crate) fn get_chat_member(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let is_admin = state.open_chat(parameters)?.is_admin;
        let id = parameters.integer("user_id").unwrap_or_default();
        if id == state.people.bot_id() {
            let bot = state.people.bot();
            return Ok(if is_admin { administrator(&bot) } else { json!({"status": "member", "user": bot}) });
        }
        match state.people.person(id) {
            Some(_) => Ok(json!({"status": "member", "user": state.people.json(id)})),
            None => Err(Refusal::bad("member not found")),
        }
    }

    pub(crate) fn send_chat_action(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let chat = state.open_chat(parameters)?;
        chat.topic(parameters.integer("message_thread_id"))?;
        match parameters.text("action") {
            Some(action) if ACTIONS.contains(&action) => Ok(json!(true)),
            _ => Err(Refusal::bad("wrong parameter action in request")),
        }
    }

    pub(crate) fn create_forum_topic(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let now = self.now();
        let mut state = self.state();
        let chat = state.open_chat(parameters)?;
        may_manage_topics(chat)?;
        let name = parameters.text("name").unwrap_or_default().trim();
        if !(1..=128).contains(&name.chars().count()) {
            return Err(Refusal::bad("TOPIC_TITLE_EMPTY"));
        }
        let id = chat.open_topic(name, None, now);
        Ok(json!({"message_thread_id": id, "name": name, "icon_color": 7_322_096}))
    }

    /// `closeForumTopic` and `reopenForumTopic`.
    pub(crate) fn close_forum_topic(&self, parameters: &Parameters, is_closed: bool) -> Result<Value, Refusal> {
        let mut state = self.state();
        let chat = state.open_chat(parameters)?;
        may_manage_topics(chat)?;
        let thread = parameters.integer("message_thread_id").unwrap_or_default();
        let topic = chat.topics.get_mut(&thread).ok_or_else(|| Refusal::bad("message thread not found"))?;
        if topic.is_closed == is_closed {
            return Err(Refusal::bad("TOPIC_NOT_MODIFIED"));
        }
        topic.is_closed = is_closed;
        Ok(json!(true))
    }

    pub(crate) fn get_file(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let state = self.state();
        let document = parameters.text("file_id").and_then(|id| state.files.get(id));
        let Some(document) = document else { return Err(Refusal::bad("invalid file_id")) };
        if document.content.len() > LARGEST_DOWNLOAD {
            return Err(Refusal::bad("file is too big"));
        }
        Ok(json!({
            "file_id": document.file_id,
            "file_unique_id": format!("u{}", document.file_id),
            "file_size": document.content.len(),
            "file_path": format!("documents/{}", document.file_id),
        }))
    }

    /// The content behind the path that `getFile` answered.
    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        let id = path.strip_prefix("documents/")?;
        self.state().files.get(id).map(|document| document.content.clone())
    }
}

/// The object `ChatMemberAdministrator` for a user.
pub(crate) fn administrator(user: &Value) -> Value {
    let mut member = json!({"status": "administrator", "user": user, "is_anonymous": false, "can_be_edited": false});
    for right in [
        "can_manage_chat",
        "can_delete_messages",
        "can_manage_video_chats",
        "can_restrict_members",
        "can_promote_members",
        "can_change_info",
        "can_invite_users",
        "can_post_stories",
        "can_edit_stories",
        "can_delete_stories",
        "can_pin_messages",
        "can_manage_topics",
    ] {
        member[right] = json!(true);
    }
    member
}

fn may_manage_topics(chat: &Chat) -> Result<(), Refusal> {
    if !chat.is_forum {
        return Err(Refusal::bad("the chat is not a forum"));
    }
    match chat.is_admin {
        true => Ok(()),
        false => Err(Refusal::bad("not enough rights to create a topic")),
    }
}
