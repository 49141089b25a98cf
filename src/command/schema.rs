//! The arguments of a verb for programs: a JSON schema of each, and the words that their values become.
//!
//! Derived from the declaration, as menus and help are. A value never becomes anything but the value of its own
//! argument: options are one word with `=`, and what stands by place follows `--`.

use std::any::TypeId;

use kanban_platform::Kind;
use serde_json::{Map, Value, json};

use crate::{
    board::TaskId,
    command::{
        spec::{declaration, is_list, kind, value_name},
        value::{JsonObject, Limit},
    },
};

/// One argument of a verb.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in JSON: `max_runtime`.
    pub name: String,
    pub schema: Value,
    pub required: bool,
    form: Form,
    /// Its name as an option; none for what stands by place.
    long: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Flag,
    Task,
    Word,
    Words,
    Object,
}

/// The arguments of a verb, in order of declaration, without those of these names. None where there is no such verb.
pub fn fields(verb: &str, left_out: &[&str]) -> Option<Vec<Field>> {
    let command = declaration().get_subcommands().find(|command| command.get_name() == verb)?;
    let all = command.get_arguments().map(field);
    Some(all.filter(|field| !left_out.contains(&field.name.as_str())).collect())
}

/// The argument of the root that names a board, which every verb takes.
pub fn board() -> Option<Field> {
    declaration().get_arguments().find(|arg| arg.get_long() == Some("board")).map(field)
}

impl Field {
    /// Whether it names a task by place, so that the verb is about that task.
    pub fn is_subject(&self) -> bool {
        self.long.is_none() && self.form == Form::Task
    }

    /// The words for a value, to stand where [`words`] puts them.
    fn words(&self, value: &Value) -> Result<Vec<String>, String> {
        let spelled = |text: String| match &self.long {
            Some(long) => format!("--{long}={text}"),
            None => text,
        };
        match (self.form, value) {
            (Form::Flag, Value::Bool(false)) => Ok(Vec::new()),
            (Form::Flag, Value::Bool(true)) => Ok(self.long.iter().map(|long| format!("--{long}")).collect()),
            (Form::Task, value) => {
                let text = self.text(value)?;
                let task: TaskId = text.parse().map_err(|wrong| format!("`{}`: {wrong}", self.name))?;
                Ok(vec![spelled(task.to_string())])
            }
            (Form::Word, value) => Ok(vec![spelled(self.text(value)?)]),
            (Form::Words, Value::Array(values)) => values.iter().map(|value| self.text(value).map(spelled)).collect(),
            (Form::Words, value @ Value::String(_)) => Ok(vec![spelled(self.text(value)?)]),
            (Form::Object, Value::Object(_)) => Ok(vec![spelled(value.to_string())]),
            // Some clients hand an object on as its text; the verb itself reads and refuses it.
            (Form::Object, Value::String(text)) => Ok(vec![spelled(text.clone())]),
            (Form::Flag | Form::Words | Form::Object, value) => Err(self.mistaken(value)),
        }
    }

    fn text(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(self.mistaken(value)),
        }
    }

    fn mistaken(&self, value: &Value) -> String {
        let got = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        let expected = match self.form {
            Form::Flag => "true or false",
            Form::Task => "a task's id, as in \"t_4kx9c2ma\"",
            Form::Word if self.schema["type"] == "integer" => "an integer",
            Form::Word => "a string",
            Form::Words => "an array of strings",
            Form::Object => "an object",
        };
        format!("`{}`: got {got}, expected {expected}", self.name)
    }
}

/// Turns arguments into the words of a command line; `null` is as good as nothing given.
///
/// # Errors
/// With a sentence for whoever gave them, when one is unknown, missing or of another form.
pub fn words(verb: &str, fields: &[Field], values: &Map<String, Value>) -> Result<Vec<String>, String> {
    if let Some(unknown) = values.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
        let known: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
        return Err(format!("there is no argument `{unknown}`; there are {}", known.join(", ")));
    }
    let given = |field: &Field| values.get(&field.name).filter(|value| !value.is_null());
    if let Some(missing) = fields.iter().find(|field| field.required && given(field).is_none()) {
        return Err(format!("`{}` is missing, and is required", missing.name));
    }
    let mut line = vec![verb.to_owned()];
    for by_place in [false, true] {
        if by_place {
            line.push("--".to_owned());
        }
        for field in fields.iter().filter(|field| field.long.is_none() == by_place) {
            if let Some(value) = given(field) {
                line.extend(field.words(value)?);
            }
        }
    }
    Ok(line)
}

/// Reads words back into arguments: the other way round of [`words`], without the verb. None where they do not fit.
pub fn values(fields: &[Field], words: &[String]) -> Option<Map<String, Value>> {
    let mut values = Map::new();
    let mut places = fields.iter().filter(|field| field.long.is_none()).peekable();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            let (long, given) = option.split_once('=').map_or((option, None), |(long, given)| (long, Some(given)));
            let field = fields.iter().find(|field| field.long.as_deref() == Some(long))?;
            let value = match (field.form, given) {
                (Form::Flag, _) => Value::Bool(true),
                (_, Some(given)) => json!(given),
                (_, None) => json!(words.next()?),
            };
            match (field.form, values.get_mut(&field.name)) {
                (Form::Words, Some(Value::Array(list))) => list.push(value),
                (Form::Words, _) => drop(values.insert(field.name.clone(), json!([value]))),
                (_, _) => drop(values.insert(field.name.clone(), value)),
            }
            continue;
        }
        let field = places.next()?;
        let mut text = word.clone();
        if places.peek().is_none() && field.form != Form::Task {
            // Running text takes what is left.
            for word in words.by_ref() {
                text = format!("{text} {word}");
            }
        }
        values.insert(field.name.clone(), json!(text));
    }
    Some(values)
}

fn field(arg: &clap::Arg) -> Field {
    let kind = kind(arg);
    let long = arg.get_long().map(str::to_owned);
    let by_place = arg.is_positional();
    let held = arg.get_value_parser().type_id();
    let name = match (&long, &kind) {
        (None, Kind::Task) if value_name(arg) == "ID" => "task_id".to_owned(),
        (None, _) => value_name(arg).to_lowercase().replace('-', "_"),
        (Some(long), _) => long.replace('-', "_"),
    };
    // One call is about one task, and running text is one string.
    let form = match &kind {
        Kind::Flag => Form::Flag,
        Kind::Task if by_place || !is_list(arg) => Form::Task,
        Kind::Prose => Form::Word,
        _ if held == TypeId::of::<JsonObject>() => Form::Object,
        _ if is_list(arg) && !by_place => Form::Words,
        _ => Form::Word,
    };
    let mut about = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let one = match &kind {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Task => json!({"type": "string", "pattern": "^t_[a-z0-9]+$"}),
        Kind::Choice(choices) => {
            let named: Vec<_> = choices.iter().filter(|choice| !choice.about.is_empty()).collect();
            let each: Vec<_> = named.iter().map(|choice| format!("`{}`: {}", choice.name, choice.about)).collect();
            if !each.is_empty() {
                about = format!("{about}. {}", each.join("; "));
            }
            json!({"type": "string", "enum": choices.iter().map(|choice| &choice.name).collect::<Vec<_>>()})
        }
        Kind::Integer => json!({"type": "integer"}),
        _ if held == TypeId::of::<JsonObject>() => json!({"type": "object"}),
        _ if held == TypeId::of::<Limit>() => json!({"type": "integer", "minimum": 1}),
        Kind::Profile | Kind::Board | Kind::Tenant | Kind::Workspace | Kind::Text | Kind::Prose => {
            json!({"type": "string"})
        }
    };
    let mut schema = if form == Form::Words { json!({"type": "array", "items": one}) } else { one };
    schema["description"] = json!(about.replace("; may be given several times", ""));
    let is_needed_anyway = by_place && kind == Kind::Task && is_list(arg);
    Field { name, schema, required: arg.is_required_set() || is_needed_anyway, form, long }
}
