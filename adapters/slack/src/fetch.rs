//! Files of messages, read with the bot's token from Slack's own hosts alone.

use std::{sync::Arc, time::Duration};

use kanban_platform::{FetchError, Incoming, Intake, Urgency};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};
use url::Url;

use crate::{
    failure::Failure,
    payload::SharedFile,
    web::{Method, Web},
};

/// Where Slack keeps files.
const HOST: &str = "files.slack.com";

/// How long connecting may take, and a download; the caller may have less patience.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(600);

/// What a bot needs for it.
const SCOPE: &str = "the app may not read files; give it the scope `files:read` and install it again";

/// The files of a message that Slack still has.
pub(crate) fn incoming(files: &[SharedFile]) -> Vec<Incoming> {
    let there = files.iter().filter(|file| !matches!(file.mode.as_str(), "tombstone" | "hidden_by_limit" | "external"));
    there
        .map(|file| Incoming {
            name: file.name.clone().or_else(|| file.title.clone()).unwrap_or_else(|| file.id.clone()),
            size: file.size,
            media_type: file.mimetype.clone(),
            handle: match file.url_private_download.as_ref().or(file.url_private.as_ref()) {
                Some(url) => format!("{} {url}", file.id),
                None => file.id.clone(),
            },
        })
        .collect()
}

pub(crate) struct Downloads {
    web: Arc<Web>,
    client: Client,
    token: String,
    base: Option<Url>,
}

impl Downloads {
    pub(crate) fn new(web: Arc<Web>, token: &str, api_base: Option<&str>) -> Result<Self, reqwest::Error> {
        let base = api_base.and_then(|base| Url::parse(base).ok());
        let mut client = Client::builder()
            .use_rustls_tls()
            .connect_timeout(CONNECT_DEADLINE)
            // The token must not follow a redirect to somebody else.
            .redirect(redirect::Policy::none());
        if base.is_some() {
            client = client.no_proxy();
        }
        Ok(Self { web, client: client.build()?, token: token.trim().to_owned(), base })
    }

    pub(crate) async fn fetch(&self, handle: &str, mut to: Intake<'_>) -> Result<u64, FetchError> {
        let url = match handle.split_once(' ') {
            Some((_, url)) => url.to_owned(),
            None => self.address(handle).await?,
        };
        let url = Url::parse(&url).ok().filter(|url| self.is_of_slack(url));
        let url = url.ok_or_else(|| FetchError::Refused("it does not lie with Slack".to_owned()))?;
        let request = self.client.get(url).bearer_auth(&self.token).timeout(DEADLINE);
        let mut response = request.send().await.map_err(|error| later(&error))?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                let wait = Duration::from_secs(wait.unwrap_or(10));
                return Err(FetchError::Later(wait, "Slack asks for patience".to_owned()));
            }
            status if status.is_server_error() => {
                let why = format!("Slack answered with status {}", status.as_u16());
                return Err(FetchError::Later(Duration::ZERO, why));
            }
            // Whom it does not let in, Slack sends to its page for signing in.
            status if status.is_redirection() => return Err(FetchError::Refused(SCOPE.to_owned())),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(FetchError::Refused("Slack does not have it any more".to_owned()));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(FetchError::Refused(SCOPE.to_owned())),
            status => return Err(FetchError::Refused(format!("Slack answered with status {}", status.as_u16()))),
        }
        to.expects(response.content_length())?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let may_be_a_page = kind.starts_with("text/html");
        let mut is_first = true;
        while let Some(piece) = response.chunk().await.map_err(|error| later(&error))? {
            if is_first && may_be_a_page && is_page_for_signing_in(&piece) {
                return Err(FetchError::Refused(SCOPE.to_owned()));
            }
            is_first = false;
            to.take(&piece).await?;
        }
        to.end().await
    }

    /// Asks where a file lies whose message does not say it, as those of other companies do not.
    async fn address(&self, id: &str) -> Result<String, FetchError> {
        let method = Method { name: "files.info", channel: None, urgency: Urgency::News };
        let told = self.web.get(method, &[("file", id.to_owned())]).await.map_err(|failure| judge(&failure))?;
        let file = &told["file"];
        let url = file["url_private_download"].as_str().or(file["url_private"].as_str());
        url.map(str::to_owned).ok_or_else(|| FetchError::Refused("Slack does not say where it lies".to_owned()))
    }

    /// Whether the token may be shown to the host of an address: Slack's own, or the one that the settings name.
    fn is_of_slack(&self, url: &Url) -> bool {
        let is_slack = url.scheme() == "https"
            && url.port().is_none()
            && url.username().is_empty()
            && url.host_str().is_some_and(|host| host == HOST);
        is_slack || self.base.as_ref().is_some_and(|base| base.origin() == url.origin())
    }
}

/// Slack's page for signing in, which it shows in the place of a file with a status that says that all is well.
fn is_page_for_signing_in(piece: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(&piece[..piece.len().min(4_096)]);
    beginning.contains("data-cdn=\"https://a.slack-edge.com") || beginning.contains("<title>Slack</title>")
}

fn later(error: &reqwest::Error) -> FetchError {
    let why = if error.is_timeout() { "it took too long" } else { "the connection to Slack broke" };
    FetchError::Later(Duration::ZERO, why.to_owned())
}

fn judge(failure: &Failure) -> FetchError {
    match failure {
        Failure::TooMany(wait) => FetchError::Later(*wait, "Slack asks for patience".to_owned()),
        Failure::No(_) if failure.is_scope() => FetchError::Refused(SCOPE.to_owned()),
        Failure::No(_) | Failure::Status(_) if failure.is_final() => FetchError::Refused(failure.reason()),
        Failure::No(_) | Failure::Status(_) | Failure::NotSent | Failure::Unknown(_) => {
            FetchError::Later(Duration::ZERO, failure.reason())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Downloads;
    use crate::web::Web;
    use url::Url;

    #[test]
    fn the_token_is_shown_to_nobody_else() {
        let web = Arc::new(Web::new("xoxb-1", Some("http://127.0.0.1:4000/api")));
        let downloads = Downloads::new(web, "xoxb-1", Some("http://127.0.0.1:4000/api")).unwrap();
        let is_ours = |url: &str| downloads.is_of_slack(&Url::parse(url).unwrap());
        assert!(is_ours("https://files.slack.com/files-pri/T1-F1/download/a.png"));
        assert!(is_ours("http://127.0.0.1:4000/files-pri/T1-F1/a.png"));
        for other in [
            "http://files.slack.com/a",
            "https://files.slack.com:444/a",
            "https://files.slack.com.evil.org/a",
            "https://files.slack.com@evil.org/a",
            "https://u@files.slack.com/a",
            "https://drive.google.com/a",
            "http://127.0.0.1:4001/a",
            "http://[::1]/a",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
