//! The published types of calls and events, by which bodies are validated where they lie beside the work tree.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use serde_json::Value;

use crate::published;

/// The types of one body.
pub(crate) struct Schema {
    validator: LazyLock<Option<Validator>>,
    /// Shapes of bodies that were valid. The types say nothing of lengths and texts, so that a body of the same shape is
    /// valid too, and ten thousand posts are not checked ten thousand times.
    valid: Mutex<BTreeSet<u64>>,
}

pub(crate) static POST_MESSAGE: Schema = Schema::new(|| compile("slack-chat.postMessage.schema.json"));
pub(crate) static UPDATE: Schema = Schema::new(|| compile("slack-chat.update.schema.json"));
pub(crate) static VIEWS_OPEN: Schema = Schema::new(|| compile("slack-views.open.schema.json"));

impl Schema {
    const fn new(compile: fn() -> Option<Validator>) -> Self {
        Self { validator: LazyLock::new(compile), valid: Mutex::new(BTreeSet::new()) }
    }

    /// What is wrong with a body.
    pub(crate) fn check(&self, body: &Value) -> Result<(), String> {
        let Some(validator) = self.validator.as_ref() else { return Ok(()) };
        let mut hasher = DefaultHasher::new();
        shape(body, false, &mut hasher);
        let shape = hasher.finish();
        if self.valid.lock().unwrap_or_else(PoisonError::into_inner).contains(&shape) {
            return Ok(());
        }
        validator.validate(body).map_err(|error| {
            let text: String = error.to_string().chars().take(600).collect();
            format!("{text} at `{}`", error.instance_path())
        })?;
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).insert(shape);
        Ok(())
    }
}

/// Compiles a published description. None where it is not there.
pub(crate) fn compile(name: &str) -> Option<Validator> {
    let schema = published(name)?;
    Some(jsonschema::validator_for(&schema).expect("a published description is a valid schema"))
}

/// A body without the words of people: keys, kinds of values, and the values that types name.
fn shape(value: &Value, is_free_below: bool, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(_) => 1_u8.hash(hasher),
        Value::Number(number) => (2_u8, number.is_i64()).hash(hasher),
        Value::String(_) => 3_u8.hash(hasher),
        Value::Array(values) => {
            (4_u8, values.len()).hash(hasher);
            for value in values {
                shape(value, is_free_below, hasher);
            }
        }
        Value::Object(fields) => {
            (5_u8, fields.len()).hash(hasher);
            for (key, value) in fields {
                key.hash(hasher);
                match value {
                    Value::String(text) if !is_free_below && !is_free(key) => text.hash(hasher),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_)
                    | Value::Object(_) => shape(value, is_free_below || key == "event_payload", hasher),
                }
            }
        }
    }
}

/// Fields that hold any string.
fn is_free(key: &str) -> bool {
    matches!(
        key,
        "text"
            | "value"
            | "channel"
            | "ts"
            | "thread_ts"
            | "action_id"
            | "block_id"
            | "callback_id"
            | "private_metadata"
            | "trigger_id"
            | "url"
            | "image_url"
            | "alt_text"
            | "initial_value"
            | "fallback"
            | "external_id"
    )
}
