//! The layers of settings: recipes, the home's own recipes, the file, the environment. Each is checked for unknown keys before they merge.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use config::{Config, ConfigError, FileFormat, Format, Map, Source, Value, ValueKind};

use super::{
    Environment,
    access::Role,
    declaration::{Group, NAME, groups},
    recipe::{self, Found, SCRIPT},
    section::table_of,
    value::{Form, kind},
};
use crate::{board::ProfileName, suggest::nearest};

/// Everything that is set, merged, with the mark of its origin on each value.
pub(super) struct Layers {
    pub(super) merged: Map<String, Value>,
    /// Agent command lines that became profiles because no profile is configured.
    pub(super) found: Vec<Found>,
}

/// Reads and merges the layers; what is wrong with one is added to `problems`.
pub(super) fn read(file: &Path, environment: &Environment, problems: &mut Vec<String>) -> Layers {
    let own = recipe::own(file.parent().unwrap_or(Path::new("")), problems);
    check_profiles(&own, problems);
    let mut from_file = read_file(file, problems);
    let mut from_environment = read_environment(environment, problems);
    check(&from_file, &file.display().to_string(), problems);
    for layer in [&mut from_file, &mut from_environment] {
        lower_profile_names(layer, problems);
    }
    let (recipes, found) = recipes_for(&own, [&from_file, &from_environment], environment.get("PATH"));
    let config = Config::builder()
        .add_source(Layer(recipes))
        .add_source(Layer(from_file))
        .add_source(Layer(from_environment))
        .build();
    let merged = match config.and_then(|config| config.collect()) {
        Ok(merged) => merged,
        Err(error) => {
            problems.push(format!("the settings cannot be merged: {error}"));
            Map::new()
        }
    };
    Layers { merged, found }
}

/// One layer that was read before.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

fn read_file(file: &Path, problems: &mut Vec<String>) -> Map<String, Value> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Map::new(),
        Err(error) => {
            problems.push(format!("`{}` cannot be read: {error}", file.display()));
            return Map::new();
        }
    };
    FileFormat::Toml.parse(Some(&mark(file)), &text).unwrap_or_else(|error| {
        problems.push(format!("`{}` is not well-formed: {}", file.display(), without_source(&error.to_string())));
        Map::new()
    })
}

/// The first and the last line of a parser's message: where and what. Between them stands the line itself, which may hold a secret.
pub(super) fn without_source(message: &str) -> String {
    let lines: Vec<_> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [first, .., last] => format!("{first}: {last}"),
        _ => message.to_owned(),
    }
}

/// The origin that values of the file carry.
fn mark(file: &Path) -> String {
    file.display().to_string()
}

/// Reads `KANBAN__SECTION__KEY` variables. `KANBAN_HOME` and the like, with one underscore, are no settings.
fn read_environment(environment: &Environment, problems: &mut Vec<String>) -> Map<String, Value> {
    let mut layer = Map::new();
    for (name, value) in environment.iter() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("KANBAN__")) else {
            continue;
        };
        let Some(text) = value.to_str() else {
            problems.push(format!("`{name}` is not UTF-8"));
            continue;
        };
        let words: Vec<_> = name.split("__").skip(1).collect();
        let Some(path) = settings_path(&words) else {
            let typed: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
            let near = nearest_key(&typed);
            problems.push(format!("`{name}` is not a setting{}", variable_hint(near.as_deref())));
            continue;
        };
        insert(&mut layer, &path.keys, Value::new(Some(&name.to_owned()), typed(text, path.form)));
    }
    layer
}

struct SettingsPath {
    keys: Vec<String>,
    form: Form,
}

/// Finds the setting that the words of a variable's name mean. Capitals count only in the names of a worker's variables.
fn settings_path(words: &[&str]) -> Option<SettingsPath> {
    let lower: Vec<_> = words.iter().map(|word| word.to_lowercase()).collect();
    groups().iter().find_map(|group| {
        let depth = group.path.len();
        let below = lower.get(depth..)?;
        let key = below.first().filter(|_| group.is_at(&lower[..depth]))?;
        let field = group.fields.iter().find(|field| field.key == *key)?;
        let mut keys = lower[..=depth].to_vec();
        match (field.form, words.len() - depth) {
            (Form::Table, 2..) => {
                // A variable of a worker may have a double underscore in its own name.
                keys.push(words[depth + 1..].join("__"));
                Some(SettingsPath { keys, form: Form::Text })
            }
            (Form::Text | Form::Number | Form::Switch | Form::List | Form::Words, 1) => {
                Some(SettingsPath { keys, form: field.form })
            }
            (Form::Text | Form::Number | Form::Switch | Form::List | Form::Words | Form::Table, _) => None,
        }
    })
}

/// Gives a variable's text the type that its setting expects; what does not fit stays text and is refused when read.
fn typed(text: &str, form: Form) -> ValueKind {
    let plain = || ValueKind::String(text.to_owned());
    match form {
        Form::Text | Form::Table => plain(),
        Form::Number => text.trim().parse().map_or_else(|_| plain(), ValueKind::I64),
        Form::Switch => text.trim().parse().map_or_else(|_| plain(), ValueKind::Boolean),
        Form::Words => bracketed(text).unwrap_or_else(plain),
        Form::List if text.trim_start().starts_with('[') => bracketed(text).unwrap_or_else(plain),
        Form::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            ValueKind::Array(items.map(|item| Value::new(None, item)).collect())
        }
    }
}

fn bracketed(text: &str) -> Option<ValueKind> {
    let mut table = FileFormat::Toml.parse(None, &format!("list = {text}")).ok()?;
    let list = table.remove("list").filter(|list| table.is_empty() && matches!(list.kind, ValueKind::Array(_)))?;
    Some(list.kind)
}

fn insert(table: &mut Map<String, Value>, keys: &[String], value: Value) {
    let Some((first, rest)) = keys.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let below = table.entry(first.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    if let ValueKind::Table(below) = &mut below.kind {
        insert(below, rest, value);
    }
}

/// Refuses keys that no declaration knows, and values where a section should be.
fn check(layer: &Map<String, Value>, origin: &str, problems: &mut Vec<String>) {
    check_table(layer, &mut Vec::new(), origin, problems);
}

fn check_table(table: &Map<String, Value>, path: &mut Vec<String>, origin: &str, problems: &mut Vec<String>) {
    // A hash map has no order of its own, and refusals should not change from run to run.
    let keys: BTreeSet<_> = table.keys().collect();
    for key in keys {
        if groups().iter().any(|group| group.has(path, key)) {
            continue;
        }
        path.push(key.clone());
        let name = path.join(".");
        let below = table_of(&table[key]);
        if !groups().iter().any(|group| group.begins_with(path)) || (below.is_none() && may_be_a_key(path)) {
            let hint = nearest_key(path).map_or_else(
                || "; `kanban settings show` lists the keys".to_owned(),
                |near| format!("; did you mean `{near}`?"),
            );
            problems.push(format!("`{name}` ({origin}) is not a setting{hint}"));
        } else if let Some(below) = below {
            check_table(below, path, origin, problems);
        } else {
            let got = kind(&table[key].kind);
            problems.push(format!("`{name}` ({origin}): got {got}, expected a section, as in `[{name}]`"));
        }
        path.pop();
    }
}

/// Whether keys stand beside sections of any name, so that a value there is rather an unknown key than a section.
fn may_be_a_key(path: &[String]) -> bool {
    path.split_last().is_some_and(|(_, section)| {
        let is_named = |group: &Group| group.begins_with(path) && group.path[section.len()] != NAME;
        groups().iter().any(|group| group.is_at(section)) && !groups().iter().any(is_named)
    })
}

/// The known key that is most likely meant by an unknown one: near it in its section, or of its name in another one.
fn nearest_key(typed: &[String]) -> Option<String> {
    let (last, section) = typed.split_last()?;
    let siblings = groups().iter().flat_map(|group| group.below(section));
    if let Some(near) = nearest(last, siblings).filter(|near| near != last) {
        return Some([section.join(".").as_str(), near].join(".").trim_start_matches('.').to_owned());
    }
    let keys: Vec<String> = groups().iter().flat_map(Group::keys).collect();
    let namesake = keys.iter().find(|key| key.rsplit('.').next() == Some(last.as_str())).map(String::as_str);
    nearest(&typed.join("."), keys.iter().map(String::as_str)).or(namesake).map(str::to_owned)
}

fn variable_hint(near: Option<&str>) -> String {
    near.map_or_else(
        || "; `kanban settings show` lists the keys".to_owned(),
        |near| format!("; did you mean `KANBAN__{}`?", near.replace('.', "__").to_uppercase()),
    )
}

/// Profile names know no capitals, so that two layers which write one differently mean the same profile.
fn lower_profile_names(layer: &mut Map<String, Value>, problems: &mut Vec<String>) {
    let Some(ValueKind::Table(profiles)) = layer.get_mut("profiles").map(|value| &mut value.kind) else {
        return;
    };
    for (name, value) in std::mem::take(profiles) {
        match name.parse::<ProfileName>() {
            Ok(lowered) => {
                if profiles.insert(lowered.as_str().to_owned(), value).is_some() {
                    problems.push(format!("`profiles.{lowered}` is there twice, once with capitals; expected one"));
                }
            }
            Err(reason) => problems.push(format!("`profiles.{name}`: {reason}")),
        }
    }
}

/// Refuses unknown keys in the home's own recipes, each with its file.
fn check_profiles(own: &Map<String, Value>, problems: &mut Vec<String>) {
    let Some(profiles) = own.get("profiles").and_then(table_of) else { return };
    for name in names_in(profiles) {
        let Some(table) = table_of(&profiles[name]) else { continue };
        let origin = table.values().find_map(Value::origin).unwrap_or("profiles").to_owned();
        check_table(table, &mut vec!["profiles".to_owned(), name.to_owned()], &origin, problems);
    }
}

/// The recipes in force, ours below those of the home: `script` always, those of configured names, and without any
/// configured profile those found on `PATH`. A file in the home configures its profile.
fn recipes_for(
    own: &Map<String, Value>,
    layers: [&Map<String, Value>; 2],
    path: Option<&OsStr>,
) -> (Map<String, Value>, Vec<Found>) {
    let tables = |layers: &[&Map<String, Value>]| -> Vec<Map<String, Value>> {
        layers.iter().filter_map(|layer| table_of(layer.get("profiles")?).cloned()).collect()
    };
    let [file, environment] = layers;
    let above = tables(&[file, environment]);
    let all = tables(&[own, file, environment]);
    let configured: BTreeSet<&str> = all.iter().flat_map(|table| table.keys().map(String::as_str)).collect();
    let found = if configured.is_empty() { path.map(recipe::discover).unwrap_or_default() } else { Vec::new() };
    let in_force = |name: &str| name == SCRIPT || configured.contains(name) || found.iter().any(|f| f.name == name);
    let has_command = |tables: &[Map<String, Value>], name: &str| {
        tables.iter().any(|table| table.get(name).and_then(table_of).is_some_and(|own| own.contains_key("command")))
    };
    let mut recipes: Map<String, Value> = recipe::recipes()
        .into_iter()
        .filter(|(name, _)| in_force(name))
        .map(|(name, recipe)| {
            let below = recipe::below(&recipe, has_command(&all, &name));
            (name, Value::new(None, below))
        })
        .collect();
    for (name, recipe) in own.get("profiles").and_then(table_of).into_iter().flatten() {
        let own = recipe::below(recipe, has_command(&above, name));
        let merged = recipes.entry(name.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
        if let ValueKind::Table(table) = &mut merged.kind {
            table.extend(own);
        }
    }
    (Map::from_iter([("profiles".to_owned(), Value::new(None, recipes))]), found)
}

/// The names below `profiles` and `roles` that are set.
pub(super) fn names<'a>(merged: &'a Map<String, Value>, section: &str) -> BTreeSet<&'a str> {
    merged.get(section).and_then(table_of).map(names_in).unwrap_or_default()
}

/// The names in a table, in order.
pub(super) fn names_in(table: &Map<String, Value>) -> BTreeSet<&str> {
    table.keys().map(String::as_str).collect()
}

/// Refuses `[roles.NAME]` of a role that does not exist.
pub(super) fn check_roles(merged: &Map<String, Value>, problems: &mut Vec<String>) {
    for name in names(merged, "roles") {
        if let Err(reason) = name.parse::<Role>() {
            problems.push(format!("`roles.{name}`: {reason}"));
        }
    }
}

/// The settings file of a home.
pub(super) fn file_of(home: &Path) -> PathBuf {
    home.join(super::FILE)
}

impl Group {
    /// What may stand directly below a path: keys, and sections with a fixed name.
    fn below(&self, path: &[String]) -> Vec<&'static str> {
        if self.is_at(path) {
            self.fields.iter().map(|field| field.key).collect()
        } else if self.begins_with(path) {
            self.path.get(path.len()).copied().filter(|word| *word != NAME).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    /// The whole names of the keys.
    fn keys(&self) -> Vec<String> {
        self.fields.iter().map(|field| format!("{}.{}", self.path.join("."), field.key)).collect()
    }

    fn is_at(&self, path: &[String]) -> bool {
        self.path.len() == path.len() && self.begins_with(path)
    }

    fn has(&self, path: &[String], key: &str) -> bool {
        self.is_at(path) && self.fields.iter().any(|field| field.key == key)
    }

    fn begins_with(&self, path: &[String]) -> bool {
        path.len() <= self.path.len() && self.path.iter().zip(path).all(|(ours, given)| *ours == NAME || ours == given)
    }
}
