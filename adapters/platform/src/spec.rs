//! Commands as data: what menus, autocompletion, help and tool schemas are derived from.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::message::{Author, Thread};

/// A verb, or a group of verbs, or (at the root) all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spec {
    pub name: String,
    pub about: String,
    pub aliases: Vec<String>,
    /// One line, as help shows it.
    pub usage: String,
    pub args: Vec<Arg>,
    pub verbs: Vec<Spec>,
    pub surface: Surface,
    pub capability: Capability,
    /// The verb by itself, where a platform's menu has no room for `kanban` before it: `/tasks` for `/kanban list`.
    pub shortcut: Option<String>,
    /// `about` in other languages, by their two-letter codes. None for verbs that no menu shows.
    pub translations: BTreeMap<String, String>,
}

impl Spec {
    /// The verb that a path names, by names or aliases: `["boards", "create"]`.
    pub fn at(&self, path: &[&str]) -> Option<&Spec> {
        path.iter().try_fold(self, |spec, step| {
            spec.verbs.iter().find(|verb| verb.name == *step || verb.aliases.iter().any(|alias| alias == step))
        })
    }

    /// Turns the fields of a form into the words of [`crate::Input::Words`], to be called on the root.
    ///
    /// A list repeats its name in `values`. A flag is on when its value is `true`. The root's own arguments may be among
    /// the values. A verb or an argument that does not exist is refused with a sentence.
    pub fn words(&self, path: &[&str], values: &[(String, String)]) -> Result<Vec<String>, String> {
        let verb = self.at(path).ok_or_else(|| format!("there is no verb `{}`", path.join(" ")))?;
        let known = |name: &str| verb.args.iter().chain(&self.args).any(|arg| arg.name == name);
        if let Some((name, _)) = values.iter().find(|(name, _)| !known(name)) {
            return Err(format!("`{}` has no argument `{name}`", path.join(" ")));
        }
        let given = |arg: &Arg| {
            let name = arg.name.clone();
            values.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value)
        };
        let mut words: Vec<String> = path.iter().map(|&step| step.to_owned()).collect();
        for arg in self.args.iter().chain(&verb.args).filter(|arg| !arg.positional) {
            for value in given(arg) {
                match arg.kind {
                    Kind::Flag if value == "true" => words.push(format!("--{}", arg.name)),
                    Kind::Flag => {}
                    Kind::Choice(_)
                    | Kind::Task
                    | Kind::Profile
                    | Kind::Board
                    | Kind::Tenant
                    | Kind::Workspace
                    | Kind::Integer
                    | Kind::Text
                    | Kind::Prose => words.push(format!("--{}={value}", arg.name)),
                }
            }
        }
        words.push("--".to_owned());
        for arg in verb.args.iter().filter(|arg| arg.positional) {
            words.extend(given(arg).cloned());
        }
        Ok(words)
    }
}

/// Where a verb may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// In chat and in the platforms' menus, and on the command line.
    Menu,
    /// In chat when typed, and on the command line.
    Chat,
    /// On the command line alone.
    CommandLine,
    /// By the program itself.
    Internal,
}

/// What a role must be allowed in order to run a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Look at the board.
    Read,
    /// Create and change tasks.
    Write,
    /// Steer workers and the dispatcher.
    Operate,
    /// Decide over the installation.
    Own,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arg {
    pub name: String,
    pub about: String,
    pub kind: Kind,
    pub required: bool,
    /// Takes several values.
    pub list: bool,
    /// Given by place, not as `--name`.
    pub positional: bool,
    pub default: Option<String>,
}

/// What an argument holds; the type of the declaration's field decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Flag,
    Choice(Vec<Choice>),
    Task,
    Profile,
    Board,
    Tenant,
    Workspace,
    Integer,
    /// Text of one word or a quoted phrase.
    Text,
    /// Running text: the rest of the line, and the lines below the first one as they are.
    Prose,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    pub name: String,
    pub about: String,
}

/// A field that a person is filling in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub kind: Kind,
    /// What is typed so far.
    pub typed: String,
    pub author: Author,
    /// Where it is typed, since what a person may see depends on it.
    pub thread: Thread,
    /// The board that another field of the form names.
    pub board: Option<String>,
}

/// One proposal for a field: the value, and what people see beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    pub value: String,
    pub label: String,
}
