//! One call of the Web API: its arguments in whatever form they came, and its answer.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

/// The arguments of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) fields: Map<String, Value>,
    pub(crate) token: Option<String>,
}

/// An answer of the Web API: its fields, or the name of an error.
pub(crate) type Answer = Result<Value, Refusal>;

/// A refusal in Slack's form, with the status 200 unless it is about rates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) error: &'static str,
    pub(crate) more: Value,
}

impl Refusal {
    pub(crate) fn new(error: &'static str) -> Self {
        Self { error, more: json!({}) }
    }

    /// A refusal that says what is wrong where.
    pub(crate) fn because(error: &'static str, messages: &[String]) -> Self {
        let with_level: Vec<String> = messages.iter().map(|message| format!("[ERROR] {message}")).collect();
        Self { error, more: json!({ "errors": messages, "response_metadata": { "messages": with_level } }) }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "ok": false, "error": self.error });
        if let (Some(body), Some(more)) = (body.as_object_mut(), self.more.as_object()) {
            body.extend(more.clone());
        }
        body
    }
}

impl Arguments {
    /// Reads query, headers and body. An error where the body is not what it says that it is.
    pub(crate) fn read(query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        let mut fields = Map::new();
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let form = |bytes: &[u8], fields: &mut Map<String, Value>| {
            for (key, value) in form_urlencoded::parse(bytes) {
                fields.insert(key.to_string(), from_form(&key, &value));
            }
        };
        form(query.unwrap_or_default().as_bytes(), &mut fields);
        if content_type.starts_with("application/json") {
            if !body.is_empty() {
                match serde_json::from_slice(body) {
                    Ok(Value::Object(body)) => fields.extend(body),
                    Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                        return Err(Refusal::new("json_not_object"));
                    }
                    Err(_) => return Err(Refusal::new("invalid_json")),
                }
            }
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            form(body, &mut fields);
        } else if !body.is_empty() {
            return Err(Refusal::new("invalid_post_type"));
        }
        let bearer = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::to_owned);
        let token = bearer.or_else(|| fields.get("token").and_then(Value::as_str).map(str::to_owned));
        fields.remove("token");
        Ok(Self { fields, token })
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A field without which the call is refused.
    pub(crate) fn required(&self, key: &str) -> Result<&str, Refusal> {
        self.text(key).ok_or_else(|| Refusal::because("invalid_arguments", &[format!("missing required field: {key}")]))
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.fields.get(key).is_some_and(|value| value == true || value == "true" || value == "1" || value == 1)
    }

    pub(crate) fn is_false(&self, key: &str) -> bool {
        self.fields.get(key).is_some_and(|value| value == false || value == "false" || value == "0" || value == 0)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        let value = self.fields.get(key)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// An array, in JSON or as text of JSON.
    pub(crate) fn array(&self, key: &str, error: &'static str) -> Result<Option<Vec<Value>>, Refusal> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values.clone())),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => Err(Refusal::new(error)),
        }
    }

    pub(crate) fn body(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// The body without what the published types leave out: Slack's own client names the team in every call.
    pub(crate) fn typed_body(&self) -> Value {
        let mut fields = self.fields.clone();
        fields.remove("team_id");
        Value::Object(fields)
    }
}

/// Forms hold lists and objects as JSON, and truths as words.
fn from_form(key: &str, value: &str) -> Value {
    match key {
        "blocks" | "attachments" | "metadata" | "view" | "files" => {
            serde_json::from_str(value).unwrap_or_else(|_| json!(value))
        }
        "link_names"
        | "mrkdwn"
        | "reply_broadcast"
        | "unfurl_links"
        | "unfurl_media"
        | "as_user"
        | "inclusive"
        | "include_all_metadata"
        | "return_im"
        | "include_locale"
        | "include_num_members" => match value {
            "true" | "1" => json!(true),
            "false" | "0" => json!(false),
            _ => json!(value),
        },
        "limit" | "length" => value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number)),
        _ => json!(value),
    }
}

/// What a route of the server answers: a status, headers and a body.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HashMap<&'static str, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_json: bool,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::with(StatusCode::OK, body)
    }

    pub(crate) fn with(status: StatusCode, body: &Value) -> Self {
        Self { status, headers: HashMap::new(), body: body.to_string().into_bytes(), is_json: true }
    }

    pub(crate) fn text(status: StatusCode, body: &str) -> Self {
        Self { status, headers: HashMap::new(), body: body.as_bytes().to_vec(), is_json: false }
    }

    pub(crate) fn bytes(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, headers: HashMap::new(), body, is_json: false }
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        let mut reply = Self::with(StatusCode::TOO_MANY_REQUESTS, &json!({ "ok": false, "error": "ratelimited" }));
        reply.headers.insert("Retry-After", seconds.to_string());
        reply
    }

    pub(crate) fn unavailable() -> Self {
        let body = json!({ "ok": false, "error": "service_unavailable" });
        Self::with(StatusCode::SERVICE_UNAVAILABLE, &body)
    }
}
