//! Answers that say no, in Discord's form (Opcodes and Status Codes, "JSON Error Codes").

use serde_json::{Map, Value, json};

/// A call that is not done, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Refusal {
    pub(super) fn new(status: u16, code: u32, message: &str) -> Self {
        Self { status, body: json!({ "message": message, "code": code }) }
    }

    /// 50035 with the places of the body that are wrong: `components[0].custom_id`, and what is wrong with each.
    pub(super) fn form(mistakes: &[(String, String)]) -> Self {
        let mut errors = json!({});
        for (place, message) in mistakes {
            let steps = place.split(['.', '[', ']', '/']).filter(|step| !step.is_empty());
            let mut at = &mut errors;
            for step in steps {
                at = child(at, step);
            }
            let list = child(at, "_errors");
            if !list.is_array() {
                *list = json!([]);
            }
            if let Some(list) = list.as_array_mut() {
                list.push(json!({ "code": "BASE_TYPE_INVALID", "message": message }));
            }
        }
        Self { status: 400, body: json!({ "message": "Invalid Form Body", "code": 50035, "errors": errors }) }
    }

    pub(super) fn one(place: &str, message: &str) -> Self {
        Self::form(&[(place.to_owned(), message.to_owned())])
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, 0, "404: Not Found")
    }

    pub(super) fn server_error() -> Self {
        Self::new(500, 0, "500: Internal Server Error")
    }

    pub(super) fn unknown_channel() -> Self {
        Self::new(404, 10003, "Unknown Channel")
    }

    pub(super) fn unknown_guild() -> Self {
        Self::new(404, 10004, "Unknown Guild")
    }

    pub(super) fn unknown_message() -> Self {
        Self::new(404, 10008, "Unknown Message")
    }

    pub(super) fn unknown_member() -> Self {
        Self::new(404, 10007, "Unknown Member")
    }

    pub(super) fn unknown_user() -> Self {
        Self::new(404, 10013, "Unknown User")
    }

    pub(super) fn unknown_webhook() -> Self {
        Self::new(404, 10015, "Unknown Webhook")
    }

    pub(super) fn unknown_interaction() -> Self {
        Self::new(404, 10062, "Unknown interaction")
    }

    pub(super) fn unknown_command() -> Self {
        Self::new(404, 10063, "Unknown application command")
    }

    pub(super) fn already_acknowledged() -> Self {
        Self::new(400, 40060, "Interaction has already been acknowledged.")
    }

    pub(super) fn missing_access() -> Self {
        Self::new(403, 50001, "Missing Access")
    }

    pub(super) fn foreign_message() -> Self {
        Self::new(403, 50005, "Cannot edit a message authored by another user")
    }

    pub(super) fn empty_message() -> Self {
        Self::new(400, 50006, "Cannot send an empty message")
    }

    pub(super) fn missing_permissions() -> Self {
        Self::new(403, 50013, "Missing Permissions")
    }

    pub(super) fn invalid_webhook_token() -> Self {
        Self::new(401, 50027, "Invalid Webhook Token")
    }

    pub(super) fn thread_exists() -> Self {
        Self::new(400, 160_004, "A thread has already been created for this message")
    }

    pub(super) fn no_reply_without_history() -> Self {
        Self::new(400, 160_002, "Cannot reply without permission to read message history")
    }

    pub(super) fn thread_archived() -> Self {
        Self::new(400, 50_083, "Thread is archived")
    }

    pub(super) fn thread_locked() -> Self {
        Self::new(400, 160_005, "Thread is locked")
    }
}

fn child<'a>(value: &'a mut Value, step: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    &mut value[step]
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use serde_json::json;

    #[test]
    fn a_wrong_form_names_each_place() {
        let refusal = Refusal::form(&[
            ("content".to_owned(), "too long".to_owned()),
            ("components[0].components[1].label".to_owned(), "too long".to_owned()),
        ]);
        let wrong = json!({ "_errors": [{ "code": "BASE_TYPE_INVALID", "message": "too long" }] });
        assert_eq!(refusal.body["errors"]["content"], wrong);
        assert_eq!(refusal.body["errors"]["components"]["0"]["components"]["1"]["label"], wrong);
    }
}
