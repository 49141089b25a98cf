//! What people do with a modal: fill it in, get proposals, submit it, close it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::slack::{
    envelope::Kind, interaction::view_interaction, limits::check_options, mrkdwn::plain, reader::list, view::View,
    workspace::Workspace,
};

/// What became of a modal that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It closed.
    Closed,
    /// It stays, with these errors by the labels of fields.
    Wrong(BTreeMap<String, String>),
    /// Another view came in its place or over it.
    Replaced,
    /// The app did not answer: the modal stays with an error of Slack.
    Failed,
}

/// A field of a view.
pub(crate) struct Field {
    block: Value,
    element: Value,
}

impl Workspace {
    /// A person fills in fields of the modal that they see, named by label, action or block, and submits it.
    ///
    /// # Panics
    /// When there is no modal, a field that is not in it, an option that is not offered, or a required field left empty.
    pub(crate) async fn submit(self: &Arc<Self>, name: &str, fields: &[(&str, &str)]) -> Submitted {
        for (field, value) in fields {
            self.fill(name, field, value).await;
        }
        let payload = {
            let mut state = self.state();
            let user = state.user(name);
            let view = state.views.open_mut(&user).unwrap_or_else(|| panic!("`{name}` sees no modal"));
            for field in inputs(view) {
                let (block, action) = (text(&field.block["block_id"]), text(&field.element["action_id"]));
                if view.values[&block][&action].is_null() {
                    view.values[&block][&action] = initial(&field.element);
                }
                let is_optional = field.block["optional"] == true;
                assert!(
                    is_optional || !is_empty(&view.values[&block][&action]),
                    "Slack does not submit the modal: `{}` is required",
                    label(&field.block)
                );
            }
            let view = view.clone();
            let mut payload = view_interaction(&mut state, "view_submission", &user, &view);
            payload.insert("response_urls".into(), json!([]));
            Value::Object(payload)
        };
        let failures = self.state().failures.len();
        let answer = self.act(name, Kind::Interactive, payload, true).await;
        if self.state().failures.len() > failures && answer.is_none() {
            return Submitted::Failed;
        }
        self.take_submission(name, answer.as_ref())
    }

    /// A person closes the modal that they see.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) async fn close_view(self: &Arc<Self>, name: &str) {
        let payload = {
            let mut state = self.state();
            let user = state.user(name);
            let view = state.views.close(&user, false).unwrap_or_else(|| panic!("`{name}` sees no modal"));
            let tells = view.given["notify_on_close"] == true;
            tells.then(|| {
                let mut payload = view_interaction(&mut state, "view_closed", &user, &view);
                payload.remove("trigger_id");
                payload.insert("is_cleared".into(), json!(false));
                Value::Object(payload)
            })
        };
        self.wire.changed();
        if let Some(payload) = payload {
            self.act(name, Kind::Interactive, payload, false).await;
        }
    }

    /// What is proposed for a field of the modal that a person sees: value and label. None where there is no such field.
    pub(crate) async fn propose(
        self: &Arc<Self>,
        name: &str,
        field: &str,
        typed: &str,
    ) -> Option<Vec<(String, String)>> {
        let (payload, field) = {
            let mut state = self.state();
            let user = state.user(name);
            let view = state.views.open(&user).cloned()?;
            let field = find(&view, field)?;
            let mut payload = view_interaction(&mut state, "block_suggestion", &user, &view);
            payload.remove("trigger_id");
            payload.insert("container".into(), json!({ "type": "view", "view_id": view.id }));
            payload.insert("block_id".into(), field.block["block_id"].clone());
            payload.insert("action_id".into(), field.element["action_id"].clone());
            payload.insert("value".into(), json!(typed));
            (Value::Object(payload), field)
        };
        let kind = text(&field.element["type"]);
        if !kind.ends_with("external_select") {
            let typed = typed.to_lowercase();
            let offered = options(&field.element);
            return Some(offered.into_iter().filter(|(_, label)| label.to_lowercase().contains(&typed)).collect());
        }
        // "If not specified, the default value is 3": Slack does not ask the app before.
        let least = field.element["min_query_length"].as_u64().unwrap_or(3);
        if u64::try_from(typed.chars().count()).unwrap_or(u64::MAX) < least {
            return Some(Vec::new());
        }
        let answer = self.act(name, Kind::Interactive, payload, true).await.unwrap_or(Value::Null);
        let wrong = check_options(&answer);
        if !wrong.is_empty() {
            self.wire.complain(format!("an answer to a suggestion: {}", wrong.join("; ")));
            return Some(Vec::new());
        }
        Some(options(&answer))
    }

    /// The only field of the modal that a person sees, by its block.
    ///
    /// # Panics
    /// When there is no modal, or one of more fields.
    pub(crate) fn only_field(&self, name: &str) -> String {
        let mut state = self.state();
        let user = state.user(name);
        let view = state.views.open(&user).unwrap_or_else(|| panic!("`{name}` sees no modal"));
        let fields = inputs(view);
        assert_eq!(fields.len(), 1, "the modal asks for one thing");
        text(&fields[0].block["block_id"])
    }

    /// Whether a person sees a modal with this field.
    pub(crate) fn has_field(&self, name: &str, field: &str) -> bool {
        let mut state = self.state();
        let user = state.user(name);
        state.views.open(&user).is_some_and(|view| find(view, field).is_some())
    }

    async fn fill(self: &Arc<Self>, name: &str, field: &str, value: &str) {
        let (kind, found) = {
            let mut state = self.state();
            let user = state.user(name);
            let view = state.views.open(&user).unwrap_or_else(|| panic!("`{name}` sees no modal"));
            let found = find(view, field).unwrap_or_else(|| {
                let labels: Vec<String> = inputs(view).iter().map(|field| label(&field.block)).collect();
                panic!("the modal has no field `{field}`; it has {labels:?}")
            });
            (text(&found.element["type"]), found)
        };
        let choose = |offered: &[(String, String)], wanted: &str| {
            let option = offered.iter().find(|(value, label)| value == wanted || label == wanted);
            let (value, label) =
                option.unwrap_or_else(|| panic!("`{wanted}` is not offered for `{field}`, but {offered:?}"));
            json!({ "text": { "type": "plain_text", "text": label, "emoji": true }, "value": value })
        };
        let offered = if kind.ends_with("external_select") {
            self.propose(name, field, value).await.unwrap_or_default()
        } else {
            options(&found.element)
        };
        let filled = match kind.as_str() {
            "static_select" | "external_select" | "radio_buttons" => {
                json!({ "type": kind, "selected_option": choose(&offered, value) })
            }
            "multi_static_select" | "multi_external_select" | "checkboxes" => {
                let chosen: Vec<Value> = value.split(',').map(|one| choose(&offered, one.trim())).collect();
                json!({ "type": kind, "selected_options": chosen })
            }
            "users_select" => json!({ "type": kind, "selected_user": self.state().user(value) }),
            "channels_select" => json!({ "type": kind, "selected_channel": self.state().channel(value) }),
            "conversations_select" => json!({ "type": kind, "selected_conversation": self.state().channel(value) }),
            "datepicker" => json!({ "type": kind, "selected_date": value }),
            "timepicker" => json!({ "type": kind, "selected_time": value }),
            "plain_text_input" => {
                let most = found.element["max_length"].as_u64().unwrap_or(3000);
                let length = u64::try_from(value.chars().count()).unwrap_or(u64::MAX);
                assert!(length <= most, "Slack takes at most {most} characters for `{field}`");
                json!({ "type": kind, "value": value })
            }
            _ => json!({ "type": kind, "value": value }),
        };
        let mut state = self.state();
        let user = state.user(name);
        if let Some(view) = state.views.open_mut(&user) {
            let (block, action) = (text(&found.block["block_id"]), text(&found.element["action_id"]));
            view.values[&block][&action] = filled;
        }
    }

    /// Does with the modal what the acknowledgement says.
    fn take_submission(self: &Arc<Self>, name: &str, answer: Option<&Value>) -> Submitted {
        let answer = answer.unwrap_or(&Value::Null);
        let action = answer["response_action"].as_str();
        let next = match action {
            Some("update" | "push") => match self.checked_view(answer.get("view"), "modal") {
                Ok(view) => Some(view),
                Err(_) => return Submitted::Failed,
            },
            Some(_) | None => None,
        };
        let mut state = self.state();
        let user = state.user(name);
        let submitted = match (action, next) {
            (Some("errors"), _) => {
                let blocks = state.views.open(&user).map(|view| view.blocks().to_vec()).unwrap_or_default();
                let mut errors = BTreeMap::new();
                for (block, error) in answer["errors"].as_object().into_iter().flatten() {
                    match blocks.iter().find(|other| other["block_id"] == block.as_str() && other["type"] == "input") {
                        Some(block) => errors.insert(label(block), text(error)),
                        None => {
                            self.wire.complain(format!("an error for `{block}`, which is no input of the modal"));
                            None
                        }
                    };
                }
                Submitted::Wrong(errors)
            }
            (Some(kind), Some(view)) => {
                if kind == "update" {
                    state.views.close(&user, false);
                }
                match state.views.push(&user, view) {
                    Ok(_) => Submitted::Replaced,
                    Err(refusal) => {
                        self.wire.complain(format!("a view after a submission: {}", refusal.error));
                        Submitted::Failed
                    }
                }
            }
            (Some("clear"), None) => {
                state.views.close(&user, true);
                Submitted::Closed
            }
            (Some(other), None) => {
                self.wire.complain(format!("the response action `{other}`, which Slack does not know"));
                Submitted::Failed
            }
            (None, _) => {
                state.views.close(&user, false);
                Submitted::Closed
            }
        };
        drop(state);
        self.wire.changed();
        submitted
    }
}

fn inputs(view: &View) -> Vec<Field> {
    let fields = view.blocks().iter().filter_map(|block| {
        let element = if block["type"] == "input" { &block["element"] } else { return None };
        Some(Field { block: block.clone(), element: element.clone() })
    });
    fields.collect()
}

/// A field by its label, action or block, or by a word of these ids: `parent` for `create.parent`.
fn find(view: &View, name: &str) -> Option<Field> {
    let wanted = name.to_lowercase();
    let has_word = |id: &str| {
        id.to_lowercase()
            .split(|character: char| !character.is_alphanumeric() && character != '_')
            .any(|word| word == wanted)
    };
    let mut fields = inputs(view);
    let place = fields
        .iter()
        .position(|field| {
            label(&field.block).to_lowercase() == wanted
                || field.element["action_id"] == name
                || field.block["block_id"] == name
        })
        .or_else(|| {
            fields.iter().position(|field| {
                has_word(&text(&field.element["action_id"])) || has_word(&text(&field.block["block_id"]))
            })
        })?;
    Some(fields.swap_remove(place))
}

fn label(block: &Value) -> String {
    plain(block["label"]["text"].as_str().unwrap_or_default())
}

/// Options of an element or of an answer, those of groups among them.
fn options(from: &Value) -> Vec<(String, String)> {
    let grouped = list(&from["option_groups"]).iter().flat_map(|group| list(&group["options"]));
    let all = list(&from["options"]).iter().chain(grouped);
    all.map(|option| (text(&option["value"]), plain(option["text"]["text"].as_str().unwrap_or_default()))).collect()
}

/// What a field holds before anybody fills it in.
fn initial(element: &Value) -> Value {
    let kind = element["type"].as_str().unwrap_or_default();
    let (key, from) = match kind {
        "static_select" | "external_select" | "radio_buttons" => ("selected_option", "initial_option"),
        "multi_static_select" | "multi_external_select" | "checkboxes" => ("selected_options", "initial_options"),
        "users_select" => ("selected_user", "initial_user"),
        "channels_select" => ("selected_channel", "initial_channel"),
        "conversations_select" => ("selected_conversation", "initial_conversation"),
        "datepicker" => ("selected_date", "initial_date"),
        "timepicker" => ("selected_time", "initial_time"),
        _ => ("value", "initial_value"),
    };
    let empty = if key == "selected_options" { json!([]) } else { Value::Null };
    json!({ "type": kind, key: element.get(from).cloned().unwrap_or(empty) })
}

fn is_empty(filled: &Value) -> bool {
    let Some(fields) = filled.as_object() else { return true };
    fields.iter().filter(|(key, _)| *key != "type").all(|(_, value)| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
