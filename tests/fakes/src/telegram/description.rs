//! Bodies against the published description of the Bot API: `telegram-bot-api.json`, methods and types.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use serde_json::{Map, Value};

use super::parameters::Parameters;
use crate::published::published;

/// The description, read once; None where it does not lie beside the work tree.
static PUBLISHED: LazyLock<Option<Description>> =
    LazyLock::new(|| published("telegram-bot-api.json").map(|json| Description::read(&json)));

pub(crate) struct Description {
    methods: HashMap<String, Method>,
    types: HashMap<String, Type>,
}

struct Method {
    fields: HashMap<String, Field>,
    returns: Vec<Kind>,
}

enum Type {
    Fields(HashMap<String, Field>),
    /// One of these.
    Union(Vec<Kind>),
    /// The description leaves open what it holds.
    Open,
}

struct Field {
    kinds: Vec<Kind>,
    is_required: bool,
    /// The only text that it may have.
    constant: Option<String>,
}

#[derive(Clone, Debug)]
enum Kind {
    Integer,
    Float,
    Truth,
    Text,
    File,
    Array(Box<Kind>),
    Object(String),
}

impl Description {
    pub(crate) fn published() -> Option<&'static Self> {
        PUBLISHED.as_ref()
    }

    /// What is wrong with the parameters of a call. In a form, numbers and truths may be strings.
    pub(crate) fn check_call(&self, method: &str, parameters: &Parameters) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.methods.get(method) {
            Some(found) => {
                self.check_fields(&found.fields, &parameters.fields, parameters.is_form, method, &mut wrong);
            }
            None => wrong.push(format!("{method}: no such method in the description")),
        }
        wrong
    }

    /// What is wrong with an answer of the fake itself.
    pub(crate) fn check_result(&self, method: &str, result: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(found) = self.methods.get(method) {
            self.check_any(&found.returns, result, false, &format!("the fake's answer to {method}"), &mut wrong);
        }
        wrong
    }

    /// What is wrong with an update of the fake itself.
    pub(crate) fn check_update(&self, update: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check(&Kind::Object("Update".to_owned()), update, false, "the fake's update", &mut wrong);
        wrong
    }

    fn read(json: &Value) -> Self {
        let entries = |key: &str| json[key].as_object().into_iter().flatten();
        let methods = entries("methods")
            .map(|(name, method)| {
                let returns = method["returns"].as_array().into_iter().flatten().filter_map(Kind::read).collect();
                (name.clone(), Method { fields: read_fields(method), returns })
            })
            .collect();
        let types = entries("types").map(|(name, described)| (name.clone(), Type::read(name, described))).collect();
        Self { methods, types }
    }

    fn check_any(&self, kinds: &[Kind], value: &Value, is_form: bool, at: &str, wrong: &mut Vec<String>) {
        // The complaints of the kind that comes nearest say most.
        let mut nearest: Option<Vec<String>> = None;
        for kind in kinds {
            let mut found = Vec::new();
            self.check(kind, value, is_form, at, &mut found);
            if found.is_empty() {
                return;
            }
            if nearest.as_ref().is_none_or(|before| found.len() < before.len()) {
                nearest = Some(found);
            }
        }
        wrong.extend(nearest.unwrap_or_default());
    }

    fn check(&self, kind: &Kind, value: &Value, is_form: bool, at: &str, wrong: &mut Vec<String>) {
        let written = |reads: fn(&str) -> bool| is_form && value.as_str().is_some_and(reads);
        let fits = match kind {
            Kind::Integer => value.is_i64() || written(|text| text.parse::<i64>().is_ok()),
            Kind::Float => value.is_number() || written(|text| text.parse::<f64>().is_ok()),
            Kind::Truth => value.is_boolean() || written(|text| matches!(text, "true" | "false" | "True" | "False")),
            Kind::Text => value.is_string(),
            Kind::File => value.is_string() || value.is_object(),
            Kind::Array(inner) => match value.as_array() {
                Some(values) => {
                    for (place, value) in values.iter().enumerate() {
                        self.check(inner, value, false, &format!("{at}[{place}]"), wrong);
                    }
                    true
                }
                None => false,
            },
            Kind::Object(name) => return self.check_object(name, value, at, wrong),
        };
        if !fits {
            wrong.push(format!("{at}: {value} is no {kind:?}"));
        }
    }

    fn check_object(&self, name: &str, value: &Value, at: &str, wrong: &mut Vec<String>) {
        match self.types.get(name) {
            Some(Type::Union(kinds)) => self.check_any(kinds, value, false, at, wrong),
            Some(Type::Fields(fields)) => match value.as_object() {
                Some(object) => self.check_fields(fields, object, false, at, wrong),
                None => wrong.push(format!("{at}: {value} is no {name}")),
            },
            Some(Type::Open) => {}
            None => wrong.push(format!("{at}: the description lacks the type {name}")),
        }
    }

    fn check_fields(
        &self,
        fields: &HashMap<String, Field>,
        object: &Map<String, Value>,
        is_form: bool,
        at: &str,
        wrong: &mut Vec<String>,
    ) {
        for (name, value) in object {
            let Some(field) = fields.get(name) else {
                wrong.push(format!("{at}: there is no field `{name}`"));
                continue;
            };
            if field.constant.as_ref().is_some_and(|constant| value.as_str() != Some(constant)) {
                wrong.push(format!("{at}.{name}: {value} is not {:?}", field.constant));
            }
            self.check_any(&field.kinds, value, is_form, &format!("{at}.{name}"), wrong);
        }
        for (name, _) in fields.iter().filter(|(name, field)| field.is_required && !object.contains_key(*name)) {
            wrong.push(format!("{at}: the field `{name}` is missing"));
        }
    }
}

impl Type {
    fn read(name: &str, described: &Value) -> Self {
        let union: Vec<Kind> = described["subtypes"].as_array().into_iter().flatten().filter_map(Kind::read).collect();
        if !union.is_empty() {
            // Rich text may also be a string or a list of itself, which the description says in words alone.
            return if name == "RichText" { Self::Open } else { Self::Union(union) };
        }
        match described["fields"].is_array() {
            true => Self::Fields(read_fields(described)),
            false => Self::Open,
        }
    }
}

impl Kind {
    fn read(name: &Value) -> Option<Self> {
        name.as_str().map(Self::named)
    }

    fn named(name: &str) -> Self {
        match name {
            "Integer" => Self::Integer,
            "Float" => Self::Float,
            "Boolean" | "True" => Self::Truth,
            "String" => Self::Text,
            "InputFile" => Self::File,
            other => match other.strip_prefix("Array of ") {
                Some(inner) => Self::Array(Box::new(Self::named(inner))),
                None => Self::Object(other.to_owned()),
            },
        }
    }
}

fn read_fields(described: &Value) -> HashMap<String, Field> {
    let telling = HashSet::from(["type", "status", "source"]);
    let fields = described["fields"].as_array().into_iter().flatten();
    fields
        .filter_map(|field| {
            let name = field["name"].as_str()?;
            let words = field["description"].as_str().unwrap_or_default();
            let constant = telling.contains(name).then(|| constant(words)).flatten();
            let kinds = field["types"].as_array().into_iter().flatten().filter_map(Kind::read).collect();
            let is_required = field["required"].as_bool().unwrap_or(false);
            Some((name.to_owned(), Field { kinds, is_required, constant }))
        })
        .collect()
}

/// The text that a field must have, where its description ends in `always "x"` or `must be x`.
fn constant(words: &str) -> Option<String> {
    if let Some((_, rest)) = words.split_once("always \"") {
        return rest.split_once('"').map(|(constant, _)| constant.to_owned());
    }
    let (_, rest) = words.split_once("must be ")?;
    let is_word = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_word.then(|| rest.to_owned())
}
