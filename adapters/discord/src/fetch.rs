//! Files of messages, read from Discord's own hosts alone, and without the token.

use std::time::Duration;

use kanban_platform::{FetchError, Incoming, Intake, Urgency};
use reqwest::StatusCode;
use serenity::{
    http::{LightMethod, Route},
    model::{
        channel::Message,
        id::{ChannelId, MessageId},
    },
};
use url::Url;

use crate::{
    api::{Api, Call, CallError},
    outgoing::parse,
};

/// Where Discord keeps attachments (Reference, "CDN").
const HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// The files of a message. Their addresses are good for a day; the message tells new ones.
pub(crate) fn incoming(message: &Message) -> Vec<Incoming> {
    let files = message.attachments.iter();
    files
        .map(|file| Incoming {
            name: file.filename.clone(),
            size: Some(file.size.into()),
            media_type: file.content_type.clone(),
            handle: format!("{}/{}/{} {}", message.channel_id, message.id, file.id, file.url),
        })
        .collect()
}

pub(crate) async fn fetch(api: &Api, handle: &str, to: Intake<'_>) -> Result<u64, FetchError> {
    let unknown = || FetchError::Refused("it is not known any more".to_owned());
    let (place, url) = handle.split_once(' ').ok_or_else(unknown)?;
    let ids: Vec<u64> = place.split('/').filter_map(parse).collect();
    let &[channel, message, attachment] = ids.as_slice() else { return Err(unknown()) };
    if let Some(response) = open(api, url).await? {
        return read(response, to).await;
    }
    // The address has expired, which says nothing of the file.
    let route = Route::ChannelMessage { channel_id: ChannelId::new(channel), message_id: MessageId::new(message) };
    let mut call = Call::new(LightMethod::Get, route);
    call.bucket = Some(format!("read {channel}"));
    call.urgency = Urgency::News;
    let message = api.call(call).await.map_err(judge)?;
    let attachments = message["attachments"].as_array().into_iter().flatten();
    let found = attachments.into_iter().find(|found| found["id"].as_str().and_then(parse) == Some(attachment));
    let url = found.and_then(|found| found["url"].as_str());
    let url = url.ok_or_else(|| FetchError::Refused("it was taken out of its message".to_owned()))?;
    match open(api, url).await? {
        Some(response) => read(response, to).await,
        None => Err(FetchError::Refused("Discord does not have it any more".to_owned())),
    }
}

/// Asks for a file; none where the address is not good, or not any more.
async fn open(api: &Api, url: &str) -> Result<Option<reqwest::Response>, FetchError> {
    let url = Url::parse(url).ok().filter(|url| is_of_discord(url, api.base()));
    let url = url.ok_or_else(|| FetchError::Refused("it does not lie with Discord".to_owned()))?;
    let broken = |error: reqwest::Error| later(&error);
    let response = api.client().get(url).timeout(DEADLINE).send().await.map_err(broken)?;
    match response.status() {
        status if status.is_success() => Ok(Some(response)),
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        StatusCode::TOO_MANY_REQUESTS => {
            Err(FetchError::Later(Duration::from_secs(10), "Discord asks for patience".to_owned()))
        }
        status if status.is_server_error() => {
            Err(FetchError::Later(Duration::ZERO, format!("Discord answered with status {}", status.as_u16())))
        }
        status => Err(FetchError::Refused(format!("Discord answered with status {}", status.as_u16()))),
    }
}

/// How long a download may take; the caller may have less patience.
const DEADLINE: Duration = Duration::from_secs(600);

async fn read(mut response: reqwest::Response, mut to: Intake<'_>) -> Result<u64, FetchError> {
    to.expects(response.content_length())?;
    while let Some(piece) = response.chunk().await.map_err(|error| later(&error))? {
        to.take(&piece).await?;
    }
    to.end().await
}

fn later(error: &reqwest::Error) -> FetchError {
    let why = if error.is_timeout() { "it took too long" } else { "the connection to Discord broke" };
    FetchError::Later(Duration::ZERO, why.to_owned())
}

fn judge(error: CallError) -> FetchError {
    match error {
        CallError::Limited(wait) => FetchError::Later(wait, error.to_string()),
        CallError::NotSent(_) | CallError::Unsure(_) => FetchError::Later(Duration::ZERO, error.to_string()),
        CallError::Refused(refusal) if matches!(refusal.status, 401) || refusal.code == 0 => {
            FetchError::Later(Duration::ZERO, refusal.to_string())
        }
        CallError::Refused(_) => FetchError::Refused("its message is not there any more".to_owned()),
    }
}

/// Whether an address is one of Discord's own hosts, or of the API that the settings name.
fn is_of_discord(url: &Url, base: Option<&str>) -> bool {
    let is_cdn = url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && url.host_str().is_some_and(|host| HOSTS.contains(&host));
    let base = base.and_then(|base| Url::parse(base).ok());
    is_cdn || base.is_some_and(|base| base.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::is_of_discord;
    use url::Url;

    #[test]
    fn nothing_is_read_from_elsewhere() {
        let is_ours = |url: &str| is_of_discord(&Url::parse(url).unwrap(), Some("http://127.0.0.1:4000"));
        assert!(is_ours("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm=3"));
        assert!(is_ours("http://127.0.0.1:4000/attachments/1/2/a.png"));
        for other in [
            "http://cdn.discordapp.com/a",
            "https://cdn.discordapp.com:8443/a",
            "https://cdn.discordapp.com.evil.org/a",
            "https://cdn.discordapp.com@evil.org/a",
            "https://user@cdn.discordapp.com/a",
            "http://127.0.0.1:4001/a",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
        ] {
            assert!(!is_ours(other), "{other}");
        }
        assert!(!is_of_discord(&Url::parse("http://127.0.0.1:4000/a").unwrap(), None));
    }
}
