//! Updates as Telegram sends them, as far as they are read here.
//!
//! teloxide's own types refuse a whole message for one entity of a later version of the API. What a person typed must
//! not be lost to that, so that these name nothing that is not used.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    pub(crate) update_id: i64,
    pub(crate) message: Option<Message>,
    pub(crate) callback_query: Option<CallbackQuery>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(crate) is_topic_message: bool,
    pub(crate) from: Option<User>,
    pub(crate) sender_chat: Option<Chat>,
    pub(crate) chat: Chat,
    pub(crate) date: i64,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) entities: Vec<Entity>,
    pub(crate) caption: Option<String>,
    #[serde(default)]
    pub(crate) caption_entities: Vec<Entity>,
    pub(crate) reply_to_message: Option<Replied>,
    pub(crate) forward_origin: Option<Origin>,
    #[serde(default)]
    pub(crate) is_automatic_forward: bool,
    pub(crate) via_bot: Option<User>,
    pub(crate) document: Option<Kept>,
    #[serde(default)]
    pub(crate) photo: Vec<PhotoSize>,
    pub(crate) video: Option<Kept>,
    pub(crate) audio: Option<Kept>,
    pub(crate) voice: Option<Kept>,
    pub(crate) video_note: Option<Kept>,
    /// What the messages of an album have in common, each with one file.
    pub(crate) media_group_id: Option<String>,
    pub(crate) migrate_to_chat_id: Option<i64>,
}

/// A file that Telegram keeps: a document, a film, a record.
#[derive(Debug, Deserialize)]
pub(crate) struct Kept {
    pub(crate) file_id: String,
    pub(crate) file_name: Option<String>,
    pub(crate) mime_type: Option<String>,
    pub(crate) file_size: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PhotoSize {
    #[serde(flatten)]
    pub(crate) kept: Kept,
    #[serde(default)]
    pub(crate) width: u64,
    #[serde(default)]
    pub(crate) height: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) is_bot: bool,
    #[serde(default)]
    pub(crate) first_name: String,
    pub(crate) last_name: Option<String>,
    pub(crate) username: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) is_forum: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// In UTF-16 units, as `length` is.
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) user: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Replied {
    pub(crate) message_id: i64,
    pub(crate) from: Option<User>,
    pub(crate) text: Option<String>,
    pub(crate) caption: Option<String>,
}

/// Who wrote a forwarded message.
#[derive(Debug, Deserialize)]
pub(crate) struct Origin {
    pub(crate) sender_user: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery {
    pub(crate) id: String,
    pub(crate) from: User,
    pub(crate) message: Option<Pressed>,
    pub(crate) data: Option<String>,
}

/// The message of a button. Of one that is old only the chat and the id are told (`InaccessibleMessage`).
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    pub(crate) message_id: i64,
    pub(crate) chat: Chat,
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(crate) is_topic_message: bool,
}

impl Message {
    pub(crate) fn has_files(&self) -> bool {
        let others = [&self.document, &self.video, &self.audio, &self.voice, &self.video_note];
        !self.photo.is_empty() || others.into_iter().any(Option::is_some)
    }
}

impl User {
    /// What people call them.
    pub(crate) fn name(&self) -> String {
        let full = match &self.last_name {
            Some(last) => format!("{} {last}", self.first_name),
            None => self.first_name.clone(),
        };
        match (&self.username, full.trim()) {
            (Some(username), "") => username.clone(),
            (_, full) => full.to_owned(),
        }
    }
}
