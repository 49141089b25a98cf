//! The Web API: `POST /api/<method>`.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State as Shared},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Value, json};

use crate::slack::{
    call::{Answer, Arguments, Refusal, Reply},
    road::{Refusals, Road},
    state::{APP, BOT_ID, BOT_NAME, BOT_USER, TEAM_DOMAIN},
    workspace::Workspace,
};

pub(crate) const BOT_TOKEN: &str = "xoxb-fake-bot-token";
pub(crate) const APP_TOKEN: &str = "xapp-fake-app-token";

/// A call of a method, with GET or POST.
pub(crate) async fn answer(
    Shared(workspace): Shared<Arc<Workspace>>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = Arguments::read(query.as_deref(), &headers, &body);
    let arguments = read.clone().unwrap_or_default();
    let channel = arguments.text("channel").or(arguments.text("channel_id")).map(str::to_owned);
    let is_post = matches!(
        method.as_str(),
        "chat.postMessage" | "chat.update" | "chat.delete" | "chat.postEphemeral" | "files.completeUploadExternal"
    );
    let bucket = match &channel {
        Some(channel) if method == "chat.postMessage" => format!("{method} {channel}"),
        Some(_) | None => method.clone(),
    };
    let refuse = Refusal::new(if is_post { "invalid_blocks" } else { "invalid_arguments" });
    let refusals =
        Refusals { refuse: Reply::json(&refuse.body()), gone: Reply::json(&Refusal::new("channel_not_found").body()) };
    let road = Road { route: method.clone(), channel, body: arguments.body(), bucket, is_post, rate: rate(&method) };
    let done = Arc::clone(&workspace);
    let scopes = workspace.scopes_of(arguments.token.as_deref());
    let mut response = workspace
        .go(road, refusals, move || match read.and_then(|arguments| done.call(&method, &arguments)) {
            Ok(mut fields) => {
                fields["ok"] = json!(true);
                Reply::json(&fields)
            }
            Err(refusal) => Reply::json(&refusal.body()),
        })
        .await;
    if let Some(scopes) = scopes.and_then(|scopes| scopes.parse().ok()) {
        response.headers_mut().insert("x-oauth-scopes", scopes);
    }
    response
}

/// Calls a minute of a method and how many at once: "Rate limits" in Slack's documentation. Bursts of
/// `chat.postMessage` are allowed and not promised.
fn rate(method: &str) -> (u32, u32) {
    match method {
        "chat.postMessage" => (60, 5),
        "apps.connections.open" => (1, 10),
        "views.open" | "views.push" | "views.update" | "views.publish" | "chat.postEphemeral" | "users.info" => {
            (100, 100)
        }
        "files.getUploadURLExternal" | "files.completeUploadExternal" | "usergroups.list" => (20, 20),
        _ => (50, 50),
    }
}

impl Workspace {
    fn call(self: &Arc<Self>, method: &str, arguments: &Arguments) -> Answer {
        let Some(scope) = scope(method) else {
            self.wire.complain(format!("`{method}` is no method"));
            return Err(Refusal::new("unknown_method"));
        };
        self.check_token(method, arguments.token.as_deref())?;
        if let Some(scope) = scope {
            self.check_scope(scope)?;
        }
        match method {
            "api.test" => Ok(json!({ "args": arguments.fields })),
            "auth.test" => Ok(self.auth_test()),
            "apps.connections.open" => Ok(self.open_connection()),
            "chat.postMessage" => self.post_message(arguments),
            "chat.postEphemeral" => self.post_ephemeral(arguments),
            "chat.update" => self.update_message(arguments),
            "chat.delete" => self.delete_message(arguments),
            "chat.getPermalink" => self.permalink(arguments),
            "conversations.history" => self.history(arguments),
            "conversations.replies" => self.replies(arguments),
            "conversations.info" => self.conversation_info(arguments),
            "conversations.open" => self.open_conversation(arguments),
            "users.info" => self.user_info(arguments),
            "usergroups.list" => self.list_groups(arguments),
            "reactions.add" => self.add_reaction(arguments),
            "views.open" => self.open_view(arguments, false),
            "views.push" => self.open_view(arguments, true),
            "views.update" => self.update_view(arguments),
            "views.publish" => self.publish_view(arguments),
            "files.getUploadURLExternal" => self.upload_url(arguments),
            "files.completeUploadExternal" => self.complete_upload(arguments),
            _ => Err(Refusal::new("unknown_method")),
        }
    }

    /// What Slack says in a header of a token that is good.
    fn scopes_of(&self, token: Option<&str>) -> Option<String> {
        let state = self.state();
        let is_good = token == Some(BOT_TOKEN) && !state.is_token_revoked;
        is_good.then(|| state.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(","))
    }

    fn check_token(&self, method: &str, token: Option<&str>) -> Result<(), Refusal> {
        let is_for_app = method == "apps.connections.open";
        let error = match token {
            None => "not_authed",
            Some(APP_TOKEN) if is_for_app => return Ok(()),
            Some(BOT_TOKEN) if self.state().is_token_revoked => "token_revoked",
            Some(BOT_TOKEN) if !is_for_app => return Ok(()),
            Some(APP_TOKEN | BOT_TOKEN) => "not_allowed_token_type",
            Some(_) => "invalid_auth",
        };
        Err(Refusal::new(error))
    }

    pub(crate) fn check_scope(&self, scope: &str) -> Result<(), Refusal> {
        let state = self.state();
        if state.scopes.contains(scope) {
            return Ok(());
        }
        let provided = state.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        Err(Refusal { error: "missing_scope", more: json!({ "needed": scope, "provided": provided }) })
    }

    fn auth_test(&self) -> Value {
        json!({
            "url": format!("https://{TEAM_DOMAIN}.slack.com/"),
            "team": TEAM_DOMAIN,
            "user": BOT_NAME,
            "team_id": self.options.team,
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "app_id": APP,
            "is_enterprise_install": false,
        })
    }

    fn open_connection(&self) -> Value {
        let address = self.base.replacen("http://", "ws://", 1);
        json!({ "url": format!("{address}/link/?ticket={}&app_id={APP}", self.link.ticket()) })
    }
}

/// The scope that a method needs, where it needs one whatever it is about. None for what is no method here.
fn scope(method: &str) -> Option<Option<&'static str>> {
    Some(match method {
        "api.test"
        | "auth.test"
        | "apps.connections.open"
        | "views.open"
        | "views.push"
        | "views.update"
        | "views.publish"
        | "chat.getPermalink"
        | "conversations.history"
        | "conversations.replies"
        | "conversations.info" => None,
        "chat.postMessage" | "chat.postEphemeral" | "chat.update" | "chat.delete" => Some("chat:write"),
        "conversations.open" => Some("im:write"),
        "users.info" => Some("users:read"),
        "usergroups.list" => Some("usergroups:read"),
        "reactions.add" => Some("reactions:write"),
        "files.getUploadURLExternal" | "files.completeUploadExternal" => Some("files:write"),
        _ => return None,
    })
}

/// A refusal of something that is not reached through the Web API.
pub(crate) fn plain_refusal(status: StatusCode, error: &'static str) -> Reply {
    Reply::with(status, &Refusal::new(error).body())
}
