//! Commands as data: what menus, autocompletion, help and tool schemas are derived from.

use serde::Serialize;

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

/// One proposal for a field: the value, and what people see beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    pub value: String,
    pub label: String,
}
