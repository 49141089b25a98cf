//! The form for a new task: a modal that is derived from the declaration of `create`.

use kanban_platform::{Arg, Author, Field, Kind, Spec, Suggestion, Thread, safe};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    blocks::plain_text,
    markup::shortened,
    payload::{Filled, State},
    return_address::ReturnAddress,
};

/// The name of the form, and of the shortcut that opens it on a message.
pub(crate) const CREATE: &str = "create_task";

/// The verb that it runs.
pub(crate) const VERB: &[&str] = &["create"];

/// The arguments that it asks for, those of them that the verb or the root has.
const FIELDS: [&str; 6] = ["title", "body", "assignee", "parent", "priority", "board"];

/// What every field's block begins with.
const BLOCK: &str = "field.";

/// Limits of the pages on views, inputs and options.
const INPUT_LIMIT: usize = 3_000;
const LABEL_LIMIT: usize = 75;
const HINT_LIMIT: usize = 150;
const OPTION_LIMIT: usize = 75;
const OPTION_VALUE_LIMIT: usize = 150;
const OPTIONS: usize = 100;

/// Where a form was opened, which comes back with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) channel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<String>,
    pub(crate) answer_to: ReturnAddress,
}

/// A form that is to be opened, with what it shows at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) place: Place,
    pub(crate) title: String,
    pub(crate) body: String,
    /// The message that it is made from, to link to.
    pub(crate) message: Option<String>,
}

impl Form {
    /// The modal. None when nothing can be created.
    pub(crate) fn view(&self, spec: &Spec) -> Option<Value> {
        let inputs: Vec<Value> = args(spec)?.map(|arg| self.input(arg)).collect();
        Some(json!({
            "type": "modal",
            "callback_id": CREATE,
            "title": plain_text("New task", 24),
            "submit": plain_text("Create", 24),
            "close": plain_text("Cancel", 24),
            "private_metadata": serde_json::to_string(&self.place).unwrap_or_default(),
            "blocks": inputs,
        }))
    }

    fn input(&self, arg: &Arg) -> Value {
        let mut input = json!({
            "type": "input",
            "block_id": format!("{BLOCK}{}", arg.name),
            "label": plain_text(&label(&arg.name), LABEL_LIMIT),
            "optional": !arg.required,
            "element": element(arg),
        });
        if !arg.about.is_empty() {
            input["hint"] = plain_text(&arg.about, HINT_LIMIT);
        }
        let initial = match arg.name.as_str() {
            "title" => shortened(&safe(&self.title), INPUT_LIMIT),
            "body" => shortened(&safe(&self.body), INPUT_LIMIT),
            _ => String::new(),
        };
        if !initial.is_empty() {
            input["element"]["initial_value"] = initial.into();
        }
        input
    }
}

/// What was filled in, as [`Spec::words`] takes it.
pub(crate) fn values(spec: &Spec, state: &State) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for arg in args(spec).into_iter().flatten() {
        let Some(filled) = filled(state, &arg.name) else { continue };
        let mut give = |value: &str| values.push((arg.name.clone(), value.to_owned()));
        filled.value.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).for_each(&mut give);
        let chosen = filled.selected_option.iter().chain(&filled.selected_options);
        chosen.for_each(|chosen| give(&chosen.value));
    }
    values
}

/// The field that a person is filling in, by its action.
pub(crate) fn field(
    spec: &Spec,
    action_id: &str,
    typed: &str,
    state: Option<&State>,
    author: Author,
    thread: Thread,
) -> Option<Field> {
    let arg = args(spec)?.find(|arg| arg.name == action_id)?;
    let board = state.and_then(|state| filled(state, "board")).and_then(|filled| filled.selected_option.as_ref());
    Some(Field {
        kind: arg.kind.clone(),
        typed: typed.to_owned(),
        author,
        thread,
        board: board.map(|board| board.value.clone()).filter(|_| arg.name != "board"),
    })
}

/// Proposals as Slack takes them.
pub(crate) fn options(suggestions: &[Suggestion]) -> Value {
    let options: Vec<Value> = suggestions
        .iter()
        .filter(|suggestion| (1..=OPTION_VALUE_LIMIT).contains(&suggestion.value.chars().count()))
        .take(OPTIONS)
        .map(|Suggestion { value, label }| {
            let text = if label.is_empty() || label.contains(value.as_str()) {
                if label.is_empty() { value.clone() } else { label.clone() }
            } else {
                format!("{value} {label}")
            };
            json!({"text": plain_text(&text, OPTION_LIMIT), "value": value})
        })
        .collect();
    json!({"options": options})
}

/// The sentence beside the title, where the form stays open.
pub(crate) fn refusal(why: &str) -> Value {
    json!({"response_action": "errors", "errors": {format!("{BLOCK}title"): why}})
}

/// The arguments that the form asks for, in its order.
fn args(spec: &Spec) -> Option<impl Iterator<Item = &Arg>> {
    let verb = spec.at(VERB)?;
    let find = |name: &&str| verb.args.iter().chain(&spec.args).find(|arg| arg.name == *name);
    Some(FIELDS.iter().filter_map(find))
}

fn element(arg: &Arg) -> Value {
    let action_id = &arg.name;
    match &arg.kind {
        Kind::Prose => {
            json!({"type": "plain_text_input", "action_id": action_id, "multiline": true, "max_length": INPUT_LIMIT})
        }
        Kind::Text => json!({"type": "plain_text_input", "action_id": action_id, "max_length": INPUT_LIMIT}),
        Kind::Integer => json!({"type": "number_input", "action_id": action_id, "is_decimal_allowed": false}),
        Kind::Task | Kind::Profile | Kind::Board | Kind::Tenant | Kind::Workspace => {
            let kind = if arg.list { "multi_external_select" } else { "external_select" };
            json!({"type": kind, "action_id": action_id, "min_query_length": 0})
        }
        Kind::Choice(choices) => {
            let options: Vec<Value> = choices
                .iter()
                .take(OPTIONS)
                .map(|choice| json!({"text": plain_text(&choice.name, OPTION_LIMIT), "value": choice.name}))
                .collect();
            let kind = if arg.list { "multi_static_select" } else { "static_select" };
            json!({"type": kind, "action_id": action_id, "options": options})
        }
        Kind::Flag => {
            let yes = json!({"text": plain_text("Yes", OPTION_LIMIT), "value": "true"});
            json!({"type": "checkboxes", "action_id": action_id, "options": [yes]})
        }
    }
}

fn filled<'a>(state: &'a State, name: &str) -> Option<&'a Filled> {
    state.values.get(&format!("{BLOCK}{name}"))?.get(name)
}

/// `parent` as people read it: `Parent`.
fn label(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
