//! The parameters of a call: from the query, a form, a multipart form or JSON, as the platform takes them.

use std::collections::HashMap;

use axum::{
    Form,
    body::Bytes,
    extract::{FromRequest, Multipart, Query, Request},
    http::header::CONTENT_TYPE,
};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// Fields that forms carry as JSON in a string.
const SERIALIZED: [&str; 10] = [
    "allowed_updates",
    "caption_entities",
    "commands",
    "entities",
    "link_preview_options",
    "message_ids",
    "reaction",
    "reply_markup",
    "reply_parameters",
    "scope",
];

#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) fields: Map<String, Value>,
    files: HashMap<String, Upload>,
    /// Numbers and truths came as strings, as they must in a form.
    pub(crate) is_form: bool,
}

/// A file that came with a call.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) content: Bytes,
}

impl Parameters {
    /// Parameters that came as JSON, without files.
    pub(crate) fn of(fields: Map<String, Value>) -> Self {
        Self { fields, ..Self::default() }
    }

    pub(crate) async fn read(request: Request) -> Result<Self, Refusal> {
        let unreadable = |what: &str| Refusal::bad(format!("can't parse {what}"));
        let mut parameters = Self::default();
        if let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()) {
            parameters.is_form = !pairs.is_empty();
            parameters.fields.extend(pairs.into_iter().map(|(name, value)| (name, Value::String(value))));
        }
        let content = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content.starts_with("application/json") {
            let body = Bytes::from_request(request, &()).await.map_err(|_| unreadable("request body"))?;
            if !body.is_empty() {
                let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
                    return Err(unreadable("request: can't parse JSON object"));
                };
                parameters.fields.extend(fields);
            }
        } else if content.starts_with("application/x-www-form-urlencoded") {
            let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
            let Form(pairs) = form.map_err(|_| unreadable("form"))?;
            parameters.is_form = true;
            parameters.fields.extend(pairs.into_iter().map(|(name, value)| (name, Value::String(value))));
        } else if content.starts_with("multipart/form-data") {
            let form = Multipart::from_request(request, &()).await.map_err(|_| unreadable("multipart form"))?;
            parameters.is_form = true;
            parameters.take_parts(form).await.map_err(|_| unreadable("multipart form"))?;
        }
        parameters.unfold();
        Ok(parameters)
    }

    async fn take_parts(&mut self, mut form: Multipart) -> Result<(), axum::extract::multipart::MultipartError> {
        while let Some(part) = form.next_field().await? {
            let field = part.name().unwrap_or_default().to_owned();
            match part.file_name().map(str::to_owned) {
                Some(name) => {
                    let content = part.bytes().await?;
                    self.files.insert(field, Upload { name, content });
                }
                None => {
                    let text = part.text().await?;
                    self.fields.insert(field, Value::String(text));
                }
            }
        }
        Ok(())
    }

    /// Reads the fields that are JSON in a string, and names the files that are fields themselves.
    fn unfold(&mut self) {
        for name in SERIALIZED {
            if let Some(value) = self.fields.get_mut(name)
                && let Some(inner) = value.as_str().and_then(|text| serde_json::from_str(text).ok())
            {
                *value = inner;
            }
        }
        for (name, file) in &self.files {
            let attached = format!("attach://{name}");
            if !self.fields.values().any(|value| value.as_str() == Some(&attached)) {
                let shown = json!({"file_name": file.name, "bytes": file.content.len()});
                self.fields.insert(name.clone(), shown);
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(integer)
    }

    pub(crate) fn truth(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| match value {
            Value::Bool(is) => *is,
            Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes"),
            Value::Number(number) => number.as_i64() == Some(1),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        })
    }

    pub(crate) fn list(&self, name: &str) -> Option<&Vec<Value>> {
        self.get(name).and_then(Value::as_array)
    }

    /// The file of a field, sent in the field itself or under the name that `attach://` gives.
    pub(crate) fn upload(&self, name: &str) -> Option<&Upload> {
        let attached = self.text(name).and_then(|text| text.strip_prefix("attach://"));
        self.files.get(attached.unwrap_or(name))
    }
}

/// A number, or a number in a string, which the platform takes everywhere.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}
