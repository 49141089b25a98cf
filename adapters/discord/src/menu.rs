//! `/kanban` as Discord's menu has it: verbs as subcommands, groups of verbs as groups, arguments as typed options.
//!
//! A command with subcommands cannot be used bare ("Application Commands"), so there are `help`, and `run` for
//! everything that the menu has no place for.

use kanban_platform::{Arg, Kind, Spec, Surface};
use serde_json::{Map, Value, json};

use crate::drawing::cut;

/// The verb that takes the whole grammar as text.
pub(crate) const RUN: &str = "run";

/// The command of the menu of a message.
pub(crate) const TASK_OF_MESSAGE: &str = "Make a task from this message";

/// The most characters that names, descriptions and values of a command have together.
pub const WHOLE: usize = 8_000;

const DESCRIPTION: usize = 100;
const MEMBERS: usize = 25;
const NAME: usize = 32;
const CHOICE: usize = 100;

const SUBCOMMAND: u8 = 1;
const GROUP: u8 = 2;
const STRING: u8 = 3;
const INTEGER: u8 = 4;
const BOOLEAN: u8 = 5;

/// The commands to register, as the body of the call.
pub fn menu(spec: &Spec) -> Value {
    // What does not fit is said more briefly: first in one language, then in fewer words.
    let fit = [(true, DESCRIPTION), (false, DESCRIPTION), (false, 60), (false, 30)].into_iter();
    let mut commands = fit.map(|(translates, words)| command(spec, translates, words));
    let fitting = commands.find(|command| size(command) <= WHOLE);
    let kanban = fitting.unwrap_or_else(|| command(spec, false, 1));
    json!([kanban, { "type": 3, "name": TASK_OF_MESSAGE, "contexts": [0, 1] }])
}

/// How many characters Discord counts in a command. Of translations the longest one counts.
pub fn size(command: &Value) -> usize {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let translated = command["description_localizations"].as_object();
    let longest = translated.and_then(|texts| texts.values().map(length).max()).unwrap_or(0);
    let inner = ["options", "choices"].iter().filter_map(|name| command[*name].as_array()).flatten().map(size);
    length(&command["name"])
        + length(&command["description"]).max(longest)
        + length(&command["value"])
        + inner.sum::<usize>()
}

/// The name of an option, in the characters that Discord takes.
pub(crate) fn option_name(name: &str) -> String {
    let name = name.to_lowercase();
    name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).take(NAME).collect()
}

/// Whether help is among the declared verbs.
pub(crate) fn has_help(spec: &Spec) -> bool {
    spec.verbs.iter().any(|verb| verb.name == "help" && verb.surface == Surface::Menu)
}

fn command(spec: &Spec, translates: bool, words: usize) -> Value {
    let mut verbs: Vec<Value> = spec
        .verbs
        .iter()
        .filter(|verb| verb.surface == Surface::Menu && verb.name != RUN)
        .map(|verb| subcommand(verb, spec, translates, words))
        .take(MEMBERS - 2)
        .collect();
    if !has_help(spec) {
        verbs.push(described(SUBCOMMAND, "help", "What can be done, or what one verb does", words, |help| {
            let verb = described(STRING, "verb", "The verb", words, |_| {});
            help.insert("options".to_owned(), json!([verb]));
        }));
    }
    verbs.push(described(SUBCOMMAND, RUN, "Any command as it is typed", words, |run| {
        let text = described(STRING, "text", "What stands behind /kanban", words, |text| {
            text.insert("required".to_owned(), json!(true));
        });
        run.insert("options".to_owned(), json!([text]));
    }));
    described(1, &spec.name, &spec.about, words, |command| {
        translate(command, spec, translates, words);
        command.insert("options".to_owned(), json!(verbs));
        command.insert("contexts".to_owned(), json!([0, 1]));
    })
}

fn subcommand(verb: &Spec, root: &Spec, translates: bool, words: usize) -> Value {
    let inner: Vec<&Spec> = verb.verbs.iter().filter(|verb| verb.surface == Surface::Menu).collect();
    if !inner.is_empty() {
        return described(GROUP, &option_name(&verb.name), &verb.about, words, |group| {
            translate(group, verb, translates, words);
            let verbs: Vec<Value> =
                inner.iter().take(MEMBERS).map(|verb| subcommand(verb, root, translates, words)).collect();
            group.insert("options".to_owned(), json!(verbs));
        });
    }
    let everywhere: Vec<&Arg> = root.args.iter().filter(|arg| arg.kind == Kind::Board).collect();
    // The board is always among them; what is declared last has to be typed where there are too many.
    let own = verb.args.iter().take(MEMBERS - everywhere.len());
    let mut args: Vec<&Arg> = own.chain(everywhere).collect();
    // Discord wants the required ones first.
    args.sort_by_key(|arg| !arg.required);
    let options: Vec<Value> = args.iter().map(|arg| option(arg, words)).collect();
    described(SUBCOMMAND, &option_name(&verb.name), &verb.about, words, |command| {
        translate(command, verb, translates, words);
        command.insert("options".to_owned(), json!(options));
    })
}

fn option(arg: &Arg, words: usize) -> Value {
    let kind = match &arg.kind {
        Kind::Flag => BOOLEAN,
        Kind::Integer if !arg.list => INTEGER,
        Kind::Choice(_)
        | Kind::Task
        | Kind::Profile
        | Kind::Board
        | Kind::Tenant
        | Kind::Workspace
        | Kind::Integer
        | Kind::Text
        | Kind::Prose => STRING,
    };
    described(kind, &option_name(&arg.name), &arg.about, words, |option| {
        if arg.required {
            option.insert("required".to_owned(), json!(true));
        }
        match &arg.kind {
            Kind::Choice(choices) if !arg.list && choices.len() <= MEMBERS => {
                let choices: Vec<Value> = choices
                    .iter()
                    .map(|choice| json!({ "name": cut(&choice.name, CHOICE), "value": cut(&choice.name, CHOICE) }))
                    .collect();
                option.insert("choices".to_owned(), json!(choices));
            }
            Kind::Choice(_) | Kind::Task | Kind::Profile | Kind::Board | Kind::Tenant | Kind::Workspace => {
                option.insert("autocomplete".to_owned(), json!(true));
            }
            Kind::Flag | Kind::Integer | Kind::Text | Kind::Prose => {}
        }
    })
}

fn described(kind: u8, name: &str, about: &str, words: usize, fill: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let about = if about.trim().is_empty() { name } else { about.trim() };
    let mut described = Map::new();
    described.insert("type".to_owned(), json!(kind));
    described.insert("name".to_owned(), json!(name));
    described.insert("description".to_owned(), json!(cut(about, words)));
    fill(&mut described);
    Value::Object(described)
}

fn translate(described: &mut Map<String, Value>, verb: &Spec, translates: bool, words: usize) {
    let texts: Map<String, Value> = verb
        .translations
        .iter()
        .filter_map(|(language, about)| Some((locale(language)?.to_owned(), json!(cut(about, words)))))
        .collect();
    if translates && !texts.is_empty() {
        described.insert("description_localizations".to_owned(), Value::Object(texts));
    }
}

/// Discord's name of a language ("Locales").
fn locale(language: &str) -> Option<&str> {
    match language {
        "es" => Some("es-ES"),
        "pt" => Some("pt-BR"),
        "sv" => Some("sv-SE"),
        "zh" => Some("zh-CN"),
        "bg" | "cs" | "da" | "de" | "el" | "fi" | "fr" | "hi" | "hr" | "hu" | "id" | "it" | "ja" | "ko" | "lt"
        | "nl" | "no" | "pl" | "ro" | "ru" | "th" | "tr" | "uk" | "vi" => Some(language),
        _ => None,
    }
}
