//! Discord's published description of its HTTP API, against which bodies are held.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use crate::published::published;

const DOCUMENT_NAME: &str = "urn:discord";

/// Fields that Discord's own clients send though nothing comes of them: the thread of a message has its kind from the
/// channel (discord.js).
const PASSED_OVER: [(&str, &str); 1] = [("/channels/{channel_id}/messages/{message_id}/threads", "type")];

static DOCUMENT: LazyLock<Option<Value>> = LazyLock::new(|| published("discord-openapi.json"));
static REGISTRY: LazyLock<Option<Registry<'static>>> = LazyLock::new(|| {
    let document = DOCUMENT.as_ref()?;
    Registry::new().add(DOCUMENT_NAME, document).ok()?.prepare().ok()
});
type Validators = Mutex<HashMap<String, Option<Arc<Validator>>>>;
static VALIDATORS: LazyLock<Validators> = LazyLock::new(Mutex::default);

/// What the description does not allow in a body that came in: where, and what.
pub(super) fn check_request(method: &str, path: &str, body: &Value) -> Vec<(String, String)> {
    let pointer = format!("/paths/{}/{}/requestBody/content/application~1json/schema", escape(path), lower(method));
    let body = with_text_ids(body);
    let mut mistakes = check(&pointer, &body);
    if let Some(schema) = DOCUMENT.as_ref().and_then(|document| document.pointer(&pointer)) {
        let before = mistakes.len();
        unknown_fields(&[schema], &body, "", &mut mistakes);
        let is_said = |(place, _): &(String, String)| !PASSED_OVER.contains(&(path, place.as_str()));
        let unknown = mistakes.split_off(before);
        mistakes.extend(unknown.into_iter().filter(is_said));
    }
    mistakes
}

/// The same for an answer of this server.
pub(super) fn check_answer(method: &str, path: &str, status: u16, body: &Value) -> Vec<(String, String)> {
    let at = format!("/paths/{}/{}/responses", escape(path), lower(method));
    let pointer = format!("{at}/{status}/content/application~1json/schema");
    let is_described = DOCUMENT.as_ref().is_some_and(|document| document.pointer(&pointer).is_some());
    if is_described { check(&pointer, body) } else { Vec::new() }
}

fn check(pointer: &str, body: &Value) -> Vec<(String, String)> {
    let Some(validator) = validator(pointer) else { return Vec::new() };
    if validator.is_valid(body) {
        return Vec::new();
    }
    let mistake = |error: jsonschema::ValidationError<'_>| {
        let message: String = error.to_string().chars().take(300).collect();
        (error.instance_path().to_string(), message)
    };
    validator.iter_errors(body).map(mistake).collect()
}

/// Compiles what a place of the description says, at the first call.
fn validator(pointer: &str) -> Option<Arc<Validator>> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = validators.get(pointer) {
        return validator.clone();
    }
    let compiled = REGISTRY.as_ref().filter(|_| DOCUMENT.as_ref().is_some_and(|it| it.pointer(pointer).is_some()));
    let compiled = compiled.and_then(|registry| {
        let schema = json!({ "$ref": format!("{DOCUMENT_NAME}#{}", percent(pointer)) });
        jsonschema::options().with_registry(registry).build(&schema).ok().map(Arc::new)
    });
    validators.insert(pointer.to_owned(), compiled.clone());
    compiled
}

/// Discord takes ids of attachments as numbers too, which its description does not say.
fn with_text_ids(body: &Value) -> Value {
    let mut body = body.clone();
    for pointer in ["/attachments", "/data/attachments"] {
        for attachment in body.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(id) = attachment["id"].as_u64() {
                attachment["id"] = id.to_string().into();
            }
        }
    }
    body
}

/// Finds fields that none of the schemas knows. The real one passes over them in silence, so they mean something else
/// than the caller thinks.
fn unknown_fields(schemas: &[&Value], value: &Value, at: &str, mistakes: &mut Vec<(String, String)>) {
    let mut known = Vec::new();
    for schema in schemas {
        flatten(schema, value, &mut known);
    }
    match value {
        Value::Object(fields) => {
            if known.iter().any(|schema| is_open(schema))
                || !known.iter().any(|schema| schema["properties"].is_object())
            {
                return;
            }
            for (name, value) in fields {
                let place = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let inner: Vec<&Value> = known.iter().filter_map(|schema| schema["properties"].get(name)).collect();
                if inner.is_empty() {
                    // Reference clients send `tts: false` with edits too: it says nothing, so nothing is lost.
                    if value.is_null() || *value == Value::Bool(false) {
                        continue;
                    }
                    mistakes.push((place, "a field that Discord does not know".to_owned()));
                } else {
                    unknown_fields(&inner, value, &place, mistakes);
                }
            }
        }
        Value::Array(items) => {
            let inner: Vec<&Value> = known.iter().filter_map(|schema| schema.get("items")).collect();
            for (index, item) in items.iter().enumerate() {
                unknown_fields(&inner, item, &format!("{at}[{index}]"), mistakes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_open(schema: &Value) -> bool {
    schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false))
}

/// Follows references and alternatives, of which those for another `type` are left out.
fn flatten<'a>(schema: &'a Value, value: &Value, into: &mut Vec<&'a Value>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = DOCUMENT.as_ref().and_then(|document| document.pointer(reference.trim_start_matches('#')));
        if let Some(target) = target {
            flatten(target, value, into);
        }
        return;
    }
    let kinds = schema["properties"]["type"]["enum"].as_array();
    if kinds.is_some_and(|kinds| value.get("type").is_some_and(|kind| !kinds.contains(kind))) {
        return;
    }
    into.push(schema);
    for keyword in ["allOf", "anyOf", "oneOf"] {
        for alternative in schema[keyword].as_array().into_iter().flatten() {
            flatten(alternative, value, into);
        }
    }
}

fn escape(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// A pointer as the fragment of an address.
fn percent(pointer: &str) -> String {
    pointer.replace('{', "%7B").replace('}', "%7D")
}

fn lower(method: &str) -> String {
    method.to_ascii_lowercase()
}
