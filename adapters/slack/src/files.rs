//! Long texts as files.

use std::sync::Arc;

use kanban_platform::{Thread, Urgency};
use serde_json::json;

use crate::{
    failure::Failure,
    web::{Method, Web},
};

pub(crate) struct Files {
    web: Arc<Web>,
}

impl Files {
    pub(crate) fn new(web: Arc<Web>) -> Self {
        Self { web }
    }

    /// Uploads a text and shows it in a conversation. Nobody sees anything before the last call; one that goes wrong
    /// earlier certainly did nothing.
    pub(crate) async fn share(
        &self,
        place: &Thread,
        unique_name: &str,
        title: &str,
        text: &str,
        urgency: Urgency,
    ) -> Result<(), Failure> {
        let text = if text.is_empty() { "\n" } else { text };
        let arguments = [("filename", unique_name.to_owned()), ("length", text.len().to_string())];
        let method = |name| Method { name, channel: Some(&place.channel), urgency };
        let opened = self.web.get(method("files.getUploadURLExternal"), &arguments).await.map_err(unseen)?;
        let (Some(url), Some(id)) = (opened["upload_url"].as_str(), opened["file_id"].as_str()) else {
            return Err(Failure::NotSent);
        };
        self.web.upload(url, text.as_bytes()).await.map_err(unseen)?;
        let mut shared = json!({"files": [{"id": id, "title": title}], "channel_id": place.channel});
        if let Some(thread) = &place.thread {
            shared["thread_ts"] = thread.as_str().into();
        }
        self.web.post(method("files.completeUploadExternal"), &shared).await.map(drop)
    }
}

/// A call by which nobody sees anything may have been done or not: it is as if it had not been sent.
fn unseen(failure: Failure) -> Failure {
    match failure {
        Failure::Unknown(_) => Failure::NotSent,
        Failure::No(_) | Failure::TooMany(_) | Failure::NotSent | Failure::Status(_) => failure,
    }
}
