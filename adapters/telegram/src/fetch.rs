//! Files of messages: `getFile`, and the download from the Bot API's own address.

use std::time::Duration;

use kanban_platform::{FetchError, Incoming, Intake};
use teloxide::{payloads::GetFile, types::FileId};

use crate::{
    api::{Api, Fault, Refusal},
    update::{Kept, Message},
};

/// The files of a message. Of a photo, which comes in several sizes, it is the largest.
pub(crate) fn incoming(message: &Message) -> Vec<Incoming> {
    let photo = message.photo.iter().max_by_key(|size| size.width.saturating_mul(size.height));
    let photo = photo.map(|size| (&size.kept, "photo.jpg", Some("image/jpeg")));
    let others = [
        (&message.document, "file", None),
        (&message.video, "video.mp4", Some("video/mp4")),
        (&message.audio, "audio.mp3", Some("audio/mpeg")),
        (&message.voice, "voice.ogg", Some("audio/ogg")),
        (&message.video_note, "video.mp4", Some("video/mp4")),
    ];
    let others = others.into_iter().filter_map(|(kept, name, kind)| Some((kept.as_ref()?, name, kind)));
    photo.into_iter().chain(others).map(|(kept, name, kind)| told(kept, name, kind)).collect()
}

fn told(kept: &Kept, name: &str, kind: Option<&str>) -> Incoming {
    Incoming {
        name: kept.file_name.clone().unwrap_or_else(|| name.to_owned()),
        size: kept.file_size,
        media_type: kept.mime_type.clone().or_else(|| kind.map(str::to_owned)),
        handle: kept.file_id.clone(),
    }
}

pub(crate) async fn fetch(api: &Api, handle: &str, mut to: Intake<'_>) -> Result<u64, FetchError> {
    let found = api.call(&GetFile::new(FileId(handle.to_owned()))).await.map_err(judge)?;
    to.expects(found["file_size"].as_u64())?;
    let path = found["file_path"].as_str().unwrap_or_default();
    let steps: Vec<&str> = path.split('/').collect();
    if steps.iter().any(|step| step.is_empty() || matches!(*step, "." | "..")) {
        return Err(FetchError::Refused("Telegram does not say where it lies".to_owned()));
    }
    let mut response = api.download(&steps).await.map_err(judge)?;
    to.expects(response.content_length())?;
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => to.take(&piece).await?,
            Ok(None) => return to.end().await,
            // The address holds the token.
            Err(error) => return Err(FetchError::Later(Duration::ZERO, error.without_url().to_string())),
        }
    }
}

fn judge(fault: Fault) -> FetchError {
    match fault {
        Fault::No(Refusal { retry_after: Some(wait), .. }) => {
            FetchError::Later(wait, "Telegram asks for patience".to_owned())
        }
        Fault::No(Refusal { description, .. }) if description.contains("too big") => {
            FetchError::Refused("Telegram gives bots files of at most 20 MB".to_owned())
        }
        Fault::No(Refusal { code: 401, description, .. }) => FetchError::Later(Duration::ZERO, description),
        Fault::No(Refusal { description, .. }) => FetchError::Refused(format!("Telegram says `{description}`")),
        Fault::NotSent(why) | Fault::Unclear(why) => FetchError::Later(Duration::ZERO, why),
    }
}
