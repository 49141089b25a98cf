//! Files: long texts, and what lies on this machine.

use std::{path::Path, sync::Arc};

use kanban_platform::{PostError, Thread, Urgency, bytes, media_type};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    failure::Failure,
    web::{Method, Web},
};

/// The most bytes of a file that are sent. Slack itself takes more; this much is in memory at a time.
const FILE_LIMIT: u64 = 32 << 20;

pub(crate) struct Files {
    web: Arc<Web>,
    /// One file is in memory at a time.
    turn: Semaphore,
}

/// What a file holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Text(&'a str),
    Stored { path: &'a Path, media_type: Option<&'a str> },
}

impl Files {
    pub(crate) fn new(web: Arc<Web>) -> Self {
        Self { web, turn: Semaphore::new(1) }
    }

    /// Uploads a file and shows it in a conversation. Nobody sees anything before the last call; one that goes wrong
    /// earlier certainly did nothing.
    pub(crate) async fn share(
        &self,
        place: &Thread,
        unique_name: &str,
        title: &str,
        content: Content<'_>,
        urgency: Urgency,
    ) -> Result<(), PostError> {
        match content {
            Content::Text(text) => {
                let text = if text.is_empty() { "\n" } else { text };
                let sending = (text.as_bytes(), "text/plain; charset=utf-8");
                self.send(place, unique_name, title, sending, urgency).await
            }
            Content::Stored { path, media_type: told } => {
                // Nobody closes it.
                let _turn = self.turn.acquire().await;
                let stored = read(path).await?;
                let media_type = told.and_then(media_type).unwrap_or_else(|| "application/octet-stream".to_owned());
                self.send(place, unique_name, title, (&stored, &media_type), urgency).await
            }
        }
    }

    async fn send(
        &self,
        place: &Thread,
        unique_name: &str,
        title: &str,
        (content, media_type): (&[u8], &str),
        urgency: Urgency,
    ) -> Result<(), PostError> {
        let arguments = [("filename", unique_name.to_owned()), ("length", content.len().to_string())];
        let method = |name| Method { name, channel: Some(&place.channel), urgency };
        let opened = self.web.get(method("files.getUploadURLExternal"), &arguments).await;
        let opened = opened.map_err(|failure| unseen(failure).into_post_error())?;
        let (Some(url), Some(id)) = (opened["upload_url"].as_str(), opened["file_id"].as_str()) else {
            return Err(Failure::NotSent.into_post_error());
        };
        let uploaded = self.web.upload(url, content, media_type).await;
        uploaded.map_err(|failure| unseen(failure).into_post_error())?;
        let mut shared = json!({"files": [{"id": id, "title": title}], "channel_id": place.channel});
        if let Some(thread) = &place.thread {
            shared["thread_ts"] = thread.as_str().into();
        }
        let shared = self.web.post(method("files.completeUploadExternal"), &shared).await;
        shared.map(drop).map_err(Failure::into_post_error)
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, PostError> {
    let gone = |_| PostError::Refused("it is not on this machine any more".to_owned());
    match tokio::fs::metadata(path).await.map_err(gone)?.len() {
        0 => Err(PostError::Refused("Slack takes no empty files".to_owned())),
        size if size > FILE_LIMIT => {
            Err(PostError::Refused(format!("no more than {} are sent to Slack", bytes(FILE_LIMIT))))
        }
        _ => tokio::fs::read(path).await.map_err(gone),
    }
}

/// A call by which nobody sees anything may have been done or not: it is as if it had not been sent.
fn unseen(failure: Failure) -> Failure {
    match failure {
        Failure::Unknown(_) => Failure::NotSent,
        Failure::No(_) | Failure::TooMany(_) | Failure::NotSent | Failure::Status(_) => failure,
    }
}
