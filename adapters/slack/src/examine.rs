//! A look at the app: its tokens, its scopes, its websocket, and the channels that somebody asks about.

use std::{collections::BTreeSet, time::Duration};

use kanban_platform::{Finding, Look, Urgency};
use reqwest::{Client, header::HeaderMap, redirect};
use serde_json::Value;

use crate::{
    Road,
    failure::Failure,
    manifest::SCOPES,
    web::{Method, Web},
};

const SLACK: &str = "https://slack.com/api";

/// How long the first call may take.
const DEADLINE: Duration = Duration::from_secs(8);

/// The app as it is asked about itself. It has no `Debug`: it holds the token.
pub(crate) struct Account {
    pub(crate) bot_token: String,
    pub(crate) api_base: Option<String>,
}

/// Looks without posting anything.
pub(crate) async fn examine(account: &Account, web: &Web, road: &Road, look: &Look<'_>) -> Vec<Finding> {
    let (headers, told) = match account.test().await {
        Ok(answered) => answered,
        Err(reason) => {
            return vec![Finding::bad("token", format!("{reason}; see that this machine reaches slack.com"))];
        }
    };
    if told["ok"] != true {
        let code = told["error"].as_str().unwrap_or("nothing that can be read");
        let detail =
            format!("Slack says `{code}`: copy the bot token (`xoxb-…`) from the app's page `Install App` again");
        return vec![Finding::bad("token", detail)];
    }
    let (name, team) = (told["user"].as_str().unwrap_or_default(), told["team"].as_str().unwrap_or_default());
    let mut findings = vec![Finding::good("token", format!("the bot is @{name} in {team}")), scopes(&headers)];
    findings.push(way_in(web, road).await);
    for place in look.places {
        findings.push(channel(web, name, &place.channel).await);
    }
    findings
}

impl Account {
    /// Who we are, with the headers, in which Slack says what the token may do.
    async fn test(&self) -> Result<(HeaderMap, Value), String> {
        let mut client = Client::builder()
            .use_rustls_tls()
            .timeout(DEADLINE)
            // The token must not follow a redirect to somebody else.
            .redirect(redirect::Policy::none());
        if self.api_base.is_some() {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| format!("no client for Slack can be made: {error}"))?;
        let base = self.api_base.as_deref().unwrap_or(SLACK).trim_end_matches('/');
        let sent = client.post(format!("{base}/auth.test")).bearer_auth(self.bot_token.trim()).send().await;
        let response = sent.map_err(|error| unreached(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| unreached(&error))?;
        match serde_json::from_slice(&body) {
            Ok(told) if status.is_success() => Ok((headers, told)),
            Ok(_) | Err(_) => Err(format!("Slack answered with status {}", status.as_u16())),
        }
    }
}

fn unreached(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        format!("Slack has not answered within {} s", DEADLINE.as_secs())
    } else {
        "Slack cannot be reached".to_owned()
    }
}

fn scopes(headers: &HeaderMap) -> Finding {
    let what = "scopes";
    let Some(told) = headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok()) else {
        return Finding::good(what, "Slack does not say which scopes the token has");
    };
    let granted: BTreeSet<&str> = told.split(',').map(str::trim).collect();
    let missing: Vec<_> =
        SCOPES.iter().filter(|scope| !granted.contains(**scope)).map(|scope| format!("`{scope}`")).collect();
    if missing.is_empty() {
        return Finding::good(what, format!("all {} are there", SCOPES.len()));
    }
    let detail = format!(
        "{} missing: add {} on the app's page `OAuth & Permissions`, and press `Reinstall to Workspace`",
        missing.join(", "),
        if missing.len() == 1 { "it" } else { "them" }
    );
    Finding::bad(what, detail)
}

async fn way_in(web: &Web, road: &Road) -> Finding {
    match road {
        Road::Socket { app_token } => match web.open_socket(app_token).await {
            Ok(_) => Finding::good("websocket", "Slack opens one for the app's token"),
            Err(failure) if failure.is_final() || failure.is_app() => Finding::bad(
                "websocket",
                format!(
                    "{}: make an app-level token (`xapp-…`) with the scope `connections:write` on the app's page `Basic \
                     Information`, and switch Socket Mode on on the page `Socket Mode`",
                    failure.reason()
                ),
            ),
            Err(failure) => Finding::bad("websocket", format!("{}; try again in a moment", failure.reason())),
        },
        Road::Http { listen, .. } => Finding::good(
            "calls",
            format!(
                "they are taken on `{listen}`; `Retry` on the app's page `Event Subscriptions` shows whether they arrive"
            ),
        ),
    }
}

/// Whether the bot can read a channel, which it can where it was invited.
async fn channel(web: &Web, name: &str, channel: &str) -> Finding {
    let what = format!("channel {channel}");
    let method = Method { name: "conversations.history", channel: None, urgency: Urgency::News };
    let arguments = [("channel", channel.to_owned()), ("limit", "1".to_owned())];
    match web.get(method, &arguments).await {
        Ok(_) => Finding::good(what, "the bot is in it"),
        Err(Failure::No(code)) => {
            let step = match code.as_str() {
                "not_in_channel" => format!("type `/invite @{name}` there"),
                "channel_not_found" => {
                    format!(
                        "there is no such channel, or it is private: type `/invite @{name}` there, and name it by its id, as in `slack:C0123456789`"
                    )
                }
                "missing_scope" => "see `scopes`".to_owned(),
                _ => "look at the channel's settings".to_owned(),
            };
            Finding::bad(what, format!("Slack says `{code}`: {step}"))
        }
        Err(failure) => Finding::bad(what, format!("{}; try again in a moment", failure.reason())),
    }
}
