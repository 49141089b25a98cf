//! Calls of Slack's Web API: each in its turn, with a deadline, and with one meaning for each way of failing.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use kanban_platform::{Limit, Pace, PlatformError, Rate, Urgency};
use serde_json::{Value, json};
use slack_morphism::{
    SlackApiToken, SlackApiTokenValue, SlackClient, SlackClientApiCallContext, SlackClientHttpConnector,
    api::SlackApiAppsConnectionOpenRequest,
    errors::SlackClientError,
    hyper_tokio::{SlackClientHyperHttpsConnector, SlackHyperClient},
};
use tokio::time::timeout;
use url::Url;

use crate::failure::Failure;

/// How long a call may take, connecting included.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long connecting may take. Shorter than the deadline of the call, so that what was never sent is known as such.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How long an upload may take, and how many bytes more time is given for a second.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(60);
const BYTES_A_SECOND: u64 = 128 << 10;

/// How long a call waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Web API with the bot's token.
pub(crate) struct Web {
    client: SlackHyperClient,
    token: SlackApiToken,
    pace: Pace,
    /// The token or the app was refused, and that was said.
    is_refused: AtomicBool,
}

/// Who we are in the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) team: String,
    /// The bot's user.
    pub(crate) user: String,
    /// The name by which people mention it.
    pub(crate) name: String,
}

/// A call and whom it is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method<'a> {
    /// As Slack names it: `chat.postMessage`.
    pub(crate) name: &'static str,
    pub(crate) channel: Option<&'a str>,
    pub(crate) urgency: Urgency,
}

impl Web {
    pub(crate) fn new(bot_token: &str, api_base: Option<&str>) -> Self {
        // Another adapter may have installed one already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_DEADLINE));
        let https =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_all_versions().wrap_connector(tcp);
        // Without rate control of the client's own: it would hide a 429 from the buckets, and sleep where a more
        // urgent post could go out.
        let mut connector = SlackClientHyperHttpsConnector::from(https);
        if let Some(api_base) = api_base {
            connector = connector.with_slack_api_url(api_base.trim_end_matches('/'));
        }
        Self {
            client: SlackClient::new(connector),
            token: token(bot_token),
            pace: Pace::default(),
            is_refused: AtomicBool::new(false),
        }
    }

    /// Asks who we are, which also tells whether the token is good.
    pub(crate) async fn identify(&self) -> Result<Identity, PlatformError> {
        let method = Method { name: "auth.test", channel: None, urgency: Urgency::Reply };
        let answer = self.post(method, &json!({})).await.map_err(|failure| {
            if failure.is_app() {
                PlatformError::Misconfigured(format!(
                    "{}: take the bot token (`xoxb-…`) from the app's page `Install App` again",
                    failure.reason()
                ))
            } else {
                PlatformError::Broken(failure.reason())
            }
        })?;
        match (answer["team_id"].as_str(), answer["user_id"].as_str()) {
            (Some(team), Some(user)) => {
                let name = answer["user"].as_str().unwrap_or(user);
                Ok(Identity { team: team.to_owned(), user: user.to_owned(), name: name.to_owned() })
            }
            (Some(_) | None, _) => Err(PlatformError::Broken("Slack does not say who we are".to_owned())),
        }
    }

    /// Asks for an address at which a socket can be opened once.
    pub(crate) async fn open_socket(&self, app_token: &str) -> Result<String, Failure> {
        let token = token(app_token);
        let session = self.client.open_session(&token);
        let request = SlackApiAppsConnectionOpenRequest::new();
        let opened = within(DEADLINE, session.apps_connections_open(&request)).await?;
        Ok(opened.url.0.into())
    }

    /// Calls a method with a JSON body.
    pub(crate) async fn post(&self, method: Method<'_>, body: &Value) -> Result<Value, Failure> {
        self.turn(method).await?;
        let session = self.client.open_session(&self.token);
        let answer = within(DEADLINE, session.http_session_api.http_post(method.name, body, None)).await;
        self.learn(method, answer)
    }

    /// Calls a method that takes no JSON, with its arguments in the address.
    pub(crate) async fn get(&self, method: Method<'_>, arguments: &[(&str, String)]) -> Result<Value, Failure> {
        self.turn(method).await?;
        let session = self.client.open_session(&self.token);
        let arguments: Vec<(&str, Option<&str>)> =
            arguments.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect();
        let answer = within(DEADLINE, session.http_session_api.http_get(method.name, &arguments, None)).await;
        self.learn(method, answer)
    }

    /// Answers an interaction at its own address, which needs no token and is a secret itself.
    pub(crate) async fn respond(&self, response_url: &str, body: &Value) -> Result<(), Failure> {
        let Ok(url) = Url::parse(response_url) else { return Err(Failure::No("invalid_url".to_owned())) };
        let connector = &self.client.http_api.connector;
        let span = tracing::Span::none();
        let answer = timeout(DEADLINE, connector.http_post_uri::<Value, Value>(url, body, without_token(&span))).await;
        match answer {
            Ok(Ok(_)) => Ok(()),
            // An empty answer without a content type is a yes that the client cannot read.
            Ok(Err(SlackClientError::ProtocolError(error))) if error.json_body.as_deref() == Some("") => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Failure::Unknown("Slack did not answer in time")),
        }
    }

    /// Sends a file's bytes to the address that Slack gave for them.
    pub(crate) async fn upload(&self, upload_url: &str, bytes: &[u8], media_type: &str) -> Result<(), Failure> {
        let Ok(url) = Url::parse(upload_url) else { return Err(Failure::No("invalid_url".to_owned())) };
        let connector = &self.client.http_api.connector;
        let span = tracing::Span::none();
        let sending = connector.http_post_uri_binary::<Value>(url, media_type.to_owned(), bytes, without_token(&span));
        let deadline = UPLOAD_DEADLINE + Duration::from_secs(bytes.len() as u64 / BYTES_A_SECOND);
        within(deadline, sending).await.map(drop)
    }

    async fn turn(&self, method: Method<'_>) -> Result<(), Failure> {
        self.pace.turn(&[limit(method)], method.urgency, PATIENCE).await.map_err(Failure::TooMany)
    }

    /// Closes the bucket of a call that was one too many, and says once when nothing can work.
    fn learn(&self, method: Method<'_>, answer: Result<Value, Failure>) -> Result<Value, Failure> {
        match &answer {
            Ok(_) => self.is_refused.store(false, Ordering::Relaxed),
            Err(Failure::TooMany(wait)) => self.pace.close(&limit(method).bucket, *wait),
            // What works without it says so itself.
            Err(failure) if failure.is_scope() && can_do_without(method.name) => {}
            Err(failure) if failure.is_app() => {
                if !self.is_refused.swap(true, Ordering::Relaxed) {
                    tracing::error!(method = method.name, "{}; posts wait until that is mended", failure.reason());
                }
            }
            Err(_) => {}
        }
        answer
    }
}

/// Whether everything else works where the scope of this method is missing.
fn can_do_without(name: &str) -> bool {
    matches!(
        name,
        "usergroups.list"
            | "users.info"
            | "reactions.add"
            | "conversations.history"
            | "conversations.replies"
            | "files.info"
    )
}

/// The bucket of a call, by the page "Rate limits" and those of the methods.
fn limit(method: Method<'_>) -> Limit {
    let per_minute = |calls| Some(Rate { calls, per: Duration::from_secs(60) });
    match (method.name, method.channel) {
        // One a second in a channel, with short bursts.
        ("chat.postMessage", Some(channel)) => Limit {
            bucket: format!("chat.postMessage {channel}"),
            rate: Some(Rate { calls: 5, per: Duration::from_secs(5) }),
        },
        (
            name @ ("chat.update"
            | "conversations.history"
            | "conversations.replies"
            | "conversations.open"
            | "reactions.add"),
            _,
        ) => Limit { bucket: name.to_owned(), rate: per_minute(50) },
        (name @ ("chat.postEphemeral" | "users.info" | "views.open" | "views.publish"), _) => {
            Limit { bucket: name.to_owned(), rate: per_minute(100) }
        }
        (name @ ("files.getUploadURLExternal" | "files.completeUploadExternal" | "usergroups.list"), _) => {
            Limit { bucket: name.to_owned(), rate: per_minute(20) }
        }
        (name, _) => Limit { bucket: name.to_owned(), rate: None },
    }
}

async fn within<T>(deadline: Duration, call: impl Future<Output = Result<T, SlackClientError>>) -> Result<T, Failure> {
    match timeout(deadline, call).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::Unknown("Slack did not answer in time")),
    }
}

fn token(value: &str) -> SlackApiToken {
    SlackApiToken::new(SlackApiTokenValue(value.trim().to_owned()))
}

fn without_token(span: &tracing::Span) -> SlackClientApiCallContext<'_> {
    SlackClientApiCallContext { rate_control_params: None, token: None, tracing_span: span, is_sensitive_url: true }
}
