//! What tools answer: the documents of the command line, wrapped so that each answer is an object.

use serde_json::{Map, Value, json};

/// The form of a tool's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Words for a reader.
    Text,
    /// What was done, in words, and whether it waits for the gateway.
    Done,
    /// A task with all that belongs to it.
    Card,
    /// A page of tasks.
    Tasks,
    /// Why a task does not move.
    Why,
    /// The files of a task.
    Attachments,
    /// The task that was made.
    Created,
}

/// How many of a task's events an answer has: signs of life may be thousands.
const EVENTS: usize = 50;

impl Output {
    /// In words, for the documentation.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Done => "`text`, `kept`",
            Self::Card => "`task`, `comments`, `runs`, `events` (the latest 50), `parents`, `children`, `attachments`",
            Self::Tasks => "`tasks`, `next_after`",
            Self::Why => "`task_id`, `status`, `reason`, `detail`, `command`",
            Self::Attachments => "`attachments`",
            Self::Created => "`task`, `kept`",
        }
    }

    /// The answer as an object; none where there is none, or where what came is no such document.
    pub(super) fn document(self, printed: &str, is_kept: bool) -> Option<Value> {
        let read = || serde_json::from_str::<Value>(printed).ok();
        match self {
            Self::Text => None,
            Self::Done => Some(json!({"text": printed.trim_end(), "kept": is_kept})),
            Self::Created if is_kept => Some(json!({"task": null, "kept": true})),
            Self::Created => Some(json!({"task": read()?, "kept": false})),
            Self::Card => {
                let mut card = read()?;
                if let Some(events) = card.get_mut("events").and_then(Value::as_array_mut) {
                    events.drain(..events.len().saturating_sub(EVENTS));
                }
                Some(card)
            }
            Self::Tasks => {
                let mut tasks = read()?;
                for task in tasks.as_array_mut()?.iter_mut().filter_map(Value::as_object_mut) {
                    task.shift_remove("body");
                }
                Some(json!({"tasks": tasks}))
            }
            Self::Why => read(),
            Self::Attachments => Some(json!({"attachments": read()?})),
        }
    }

    /// The JSON schema of [`Output::document`]. Keys that it does not name may come.
    pub(super) fn schema(self) -> Option<Map<String, Value>> {
        let kept =
            json!({"type": "boolean", "description": "Whether no gateway runs just now, so that it is applied later"});
        let (properties, required) = match self {
            Self::Text => return None,
            Self::Done => (json!({"text": {"type": "string"}, "kept": kept}), vec!["text", "kept"]),
            Self::Created => (json!({"task": nullable(task()), "kept": kept}), vec!["task", "kept"]),
            Self::Card => (
                json!({
                    "task": task(), "latest_summary": text_or_null(), "parents": ids(), "children": ids(),
                    "comments": rows(&[("author", "string"), ("body", "string"), ("created_at", "integer")]),
                    "events": rows(&[("kind", "string"), ("created_at", "integer")]),
                    "runs": rows(&[("id", "integer"), ("status", "string"), ("started_at", "integer")]),
                    "attachments": attachments(),
                }),
                vec!["task", "parents", "children", "comments", "events", "runs", "attachments"],
            ),
            Self::Tasks => (
                json!({
                    "tasks": {"type": "array", "items": task()},
                    "next_after": {"type": "string", "description": "Where the next page begins, if there may be one"},
                }),
                vec!["tasks"],
            ),
            Self::Why => (
                json!({"task_id": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"}}),
                vec!["task_id", "status", "reason"],
            ),
            Self::Attachments => (json!({"attachments": attachments()}), vec!["attachments"]),
        };
        let schema = json!({"type": "object", "properties": properties, "required": required});
        match schema {
            Value::Object(schema) => Some(schema),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        }
    }
}

fn task() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "string"},
            "assignee": text_or_null(),
            "priority": {"type": "integer"},
            "tenant": text_or_null(),
            "created_by": {"type": "string"},
            "created_at": {"type": "integer", "description": "Unix seconds, as all times"},
            "result": text_or_null(),
            "block_kind": text_or_null(),
            "block_reason": text_or_null(),
            "failures": {"type": "integer"},
        },
        "required": ["id", "title", "status"],
    })
}

fn attachments() -> Value {
    rows(&[("id", "integer"), ("filename", "string"), ("size", "integer"), ("stored_path", "string")])
}

fn rows(keys: &[(&str, &str)]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|(key, kind)| ((*key).to_owned(), json!({"type": kind}))).collect();
    let required: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
    json!({"type": "array", "items": {"type": "object", "properties": properties, "required": required}})
}

fn ids() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

fn nullable(mut schema: Value) -> Value {
    schema["type"] = json!(["object", "null"]);
    schema
}
