//! A worker's argument vector with placeholders. Text never meets a shell: one item becomes exactly one argument.

use std::{collections::BTreeMap, path::Path};

use config::ValueKind;
use serde_json::Value;

use super::value::{Form, Setting, VariableName, kind, text_of, unexpected};
use crate::suggest::nearest;

/// An argument vector whose items may hold placeholders. The first item names the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Item>);

/// Further arguments of a command line, in which placeholders are filled in as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<Item>);

/// Environment variables whose values may hold placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filled(BTreeMap<VariableName, Item>);

/// A JSON document whose texts may hold placeholders.
#[derive(Clone, Debug, PartialEq)]
pub struct Document(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(Item),
    Plain(Value),
    List(Vec<Self>),
    Table(BTreeMap<String, Self>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder(Placeholder),
}

/// What the dispatcher fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    Task,
    Run,
    Title,
    Workspace,
    PromptFile,
    Prompt,
    Session,
    McpFile,
    Kanban,
}

/// The values of one run.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    pub task: &'a str,
    pub run: i64,
    pub title: &'a str,
    pub workspace: &'a str,
    pub prompt_file: &'a str,
    /// The prompt itself, for programs that take it as an argument alone.
    pub prompt: &'a str,
    /// A name for the agent's session. `claude` wants the form of a UUID.
    pub session: &'a str,
    /// The file by which the agent finds our MCP server; none where it has no such road.
    pub mcp_file: Option<&'a str>,
    /// This program, by its path.
    pub kanban: &'a str,
}

impl Values<'_> {
    /// Nothing filled in, for a look at a command line's own words.
    pub const NONE: Values<'static> = Values {
        task: "",
        run: 0,
        title: "",
        workspace: "",
        prompt_file: "",
        prompt: "",
        session: "",
        mcp_file: None,
        kanban: "",
    };
}

impl Template {
    /// Reads the items; unknown placeholders are refused.
    pub fn parse(items: &[&str]) -> Result<Self, String> {
        let items = items.iter().map(|source| Item::parse(source)).collect::<Result<Vec<_>, _>>()?;
        check_program(&items)?;
        check_shell(&items)?;
        check_prompt(&items)?;
        if items.iter().any(|item| item.uses(Placeholder::McpFile)) {
            return Err("got `{mcp_file}` in a whole command line; it belongs into `mcp`, whose arguments are added where the road is open".to_owned());
        }
        Ok(Self(items))
    }

    /// Tells whether a placeholder is used anywhere.
    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.0.iter().any(|item| item.uses(placeholder))
    }

    /// The arguments, program first: exactly one for each item, whatever the values contain.
    ///
    /// Zero bytes, which no argument can hold, are left out.
    pub fn fill(&self, values: &Values<'_>) -> Vec<String> {
        self.0.iter().map(|item| item.fill(values)).collect()
    }

    /// The arguments with further ones of the recipe: at the end, or before a `--`, behind which all is text.
    pub fn fill_with(&self, more: &Arguments, values: &Values<'_>) -> Vec<String> {
        let end = self.0.iter().position(|item| item.source == "--").unwrap_or(self.0.len());
        let (front, back) = self.0.split_at(end);
        front.iter().chain(&more.0).chain(back).map(|item| item.fill(values)).collect()
    }

    /// The words of the command line as they are written.
    pub fn source(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|item| item.source.as_str())
    }
}

impl Arguments {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn source(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|item| item.source.as_str())
    }
}

impl Filled {
    pub fn fill<'a>(&'a self, values: &'a Values<'_>) -> impl Iterator<Item = (String, String)> + 'a {
        self.0.iter().map(|(name, item)| (name.as_str().to_owned(), item.fill(values)))
    }

    pub fn uses(&self, placeholder: Placeholder) -> bool {
        self.0.values().any(|item| item.uses(placeholder))
    }
}

impl Document {
    pub fn fill(&self, values: &Values<'_>) -> Value {
        self.0.fill(values)
    }
}

impl Node {
    fn read(value: &ValueKind) -> Result<Self, String> {
        Ok(match value {
            ValueKind::String(text) => Self::Text(Item::parse(text)?),
            ValueKind::Boolean(value) => Self::Plain((*value).into()),
            ValueKind::I64(number) => Self::Plain((*number).into()),
            ValueKind::Float(number) => Self::Plain((*number).into()),
            ValueKind::Array(items) => {
                Self::List(items.iter().map(|item| Self::read(&item.kind)).collect::<Result<_, _>>()?)
            }
            ValueKind::Table(table) => Self::Table(
                table
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::read(&value.kind)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => return Err(format!("got {} in it, expected {}", kind(other), Document::expected())),
        })
    }

    fn fill(&self, values: &Values<'_>) -> Value {
        self.with(&|item| item.fill(values))
    }

    fn with(&self, text: &impl Fn(&Item) -> String) -> Value {
        match self {
            Self::Text(item) => text(item).into(),
            Self::Plain(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.with(text)).collect(),
            Self::Table(table) => table.iter().map(|(key, node)| (key.clone(), node.with(text))).collect(),
        }
    }
}

impl Setting for Template {
    const FORM: Form = Form::Words;

    fn expected() -> String {
        "a list of arguments, program first, as in `[\"claude\", \"-p\"]`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let ValueKind::Array(items) = value else {
            return Err(unexpected::<Self>(value));
        };
        let items = items.iter().map(|item| text_of::<Self>(&item.kind)).collect::<Result<Vec<_>, _>>()?;
        Self::parse(&items)
    }

    fn shown(&self) -> Value {
        self.0.iter().map(|item| item.source.as_str()).collect()
    }
}

impl Setting for Arguments {
    const FORM: Form = Form::Words;

    fn expected() -> String {
        "a list of arguments, as in `[\"--mcp-config\", \"{mcp_file}\"]`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let ValueKind::Array(items) = value else {
            return Err(unexpected::<Self>(value));
        };
        let read = |item: &config::Value| {
            let item = Item::parse(text_of::<Self>(&item.kind)?)?;
            if item.uses(Placeholder::Title) || item.uses(Placeholder::Prompt) {
                return Err(format!(
                    "got `{}` among arguments that say how to work, expected no text of a task",
                    item.source
                ));
            }
            Ok(item)
        };
        items.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn shown(&self) -> Value {
        self.source().collect()
    }
}

impl Setting for Filled {
    const FORM: Form = Form::Table;

    fn expected() -> String {
        "a table of environment variables, as in `{ OPENCODE_CONFIG = \"{mcp_file}\" }`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let ValueKind::Table(table) = value else {
            return Err(unexpected::<Self>(value));
        };
        let read =
            |(name, value): (&String, &config::Value)| Ok((name.parse()?, Item::parse(text_of::<Self>(&value.kind)?)?));
        table.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn shown(&self) -> Value {
        self.0.iter().map(|(name, item)| (name.as_str().to_owned(), Value::from(item.source.as_str()))).collect()
    }
}

impl Setting for Document {
    const FORM: Form = Form::Words;

    fn expected() -> String {
        "a table that becomes a JSON file, as in `{ servers = { board = [\"{kanban}\", \"mcp\"] } }`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Table(_) => Node::read(value).map(Self),
            other => Err(unexpected::<Self>(other)),
        }
    }

    fn shown(&self) -> Value {
        self.0.with(&|item| item.source.clone())
    }
}

impl Placeholder {
    pub const ALL: &'static [Self] = &[
        Self::Task,
        Self::Run,
        Self::Title,
        Self::Workspace,
        Self::PromptFile,
        Self::Prompt,
        Self::Session,
        Self::McpFile,
        Self::Kanban,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Run => "run",
            Self::Title => "title",
            Self::Workspace => "workspace",
            Self::PromptFile => "prompt_file",
            Self::Prompt => "prompt",
            Self::Session => "session",
            Self::McpFile => "mcp_file",
            Self::Kanban => "kanban",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Task => "the task's id",
            Self::Run => "the run's number",
            Self::Title => "the task's title, as people typed it; put `--` before it where the program knows that",
            Self::Workspace => "the directory that the worker is started in",
            Self::PromptFile => "a file that holds the prompt, which then does not come on standard input",
            Self::Prompt => {
                "the prompt itself; only as the last item, alone and behind `--`, and up to 100,000 bytes, which is what every system takes"
            }
            Self::Session => {
                "a name for the agent's session: that of the task, or of the talk in a thread, for one profile. A UUID, or what `session_pattern` has found"
            }
            Self::McpFile => "the file that `mcp_file` describes; in `mcp` and `place` alone",
            Self::Kanban => "the path of this program",
        }
    }

    fn value(self, values: &Values<'_>) -> String {
        let text = match self {
            Self::Task => values.task,
            Self::Run => return values.run.to_string(),
            Self::Title => values.title,
            Self::Workspace => values.workspace,
            Self::PromptFile => values.prompt_file,
            Self::Prompt => values.prompt,
            Self::Session => values.session,
            Self::McpFile => values.mcp_file.unwrap_or_default(),
            Self::Kanban => values.kanban,
        };
        text.replace('\0', "")
    }
}

impl Item {
    fn parse(source: &str) -> Result<Self, String> {
        if source.contains('\0') {
            return Err(format!("`{}` has a zero byte, which no argument can hold", source.replace('\0', "")));
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(doubled) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = doubled;
            } else if let Some((name, behind)) = after.split_once('}').filter(|_| brace == "{") {
                pieces.extend((!literal.is_empty()).then(|| Piece::Literal(std::mem::take(&mut literal))));
                pieces.push(Piece::Placeholder(placeholder(name)?));
                rest = behind;
            } else {
                return Err(format!(
                    "`{source}` has a single `{brace}`; write `{brace}{brace}` for the character itself"
                ));
            }
        }
        literal.push_str(rest);
        pieces.extend((!literal.is_empty()).then_some(Piece::Literal(literal)));
        Ok(Self { source: source.to_owned(), pieces })
    }

    fn uses(&self, placeholder: Placeholder) -> bool {
        self.pieces.contains(&Piece::Placeholder(placeholder))
    }

    fn fill(&self, values: &Values<'_>) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.clone(),
                Piece::Placeholder(placeholder) => placeholder.value(values),
            })
            .collect()
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    Placeholder::ALL.iter().copied().find(|known| known.name() == name).ok_or_else(|| {
        let known: Vec<_> = Placeholder::ALL.iter().map(|known| format!("`{{{}}}`", known.name())).collect();
        let hint = nearest(name, Placeholder::ALL.iter().map(|known| known.name()))
            .map_or_else(String::new, |near| format!("; did you mean `{{{near}}}`?"));
        format!("got the placeholder `{{{name}}}`, expected {}, or `{{{{` for a brace{hint}", known.join(", "))
    })
}

/// The program is the owner's choice: nothing that people type may name it.
fn check_program(items: &[Item]) -> Result<(), String> {
    let Some(program) = items.first().filter(|program| !program.source.is_empty()) else {
        return Err(format!("got no program, expected {}", Template::expected()));
    };
    let foreign =
        |piece: &Piece| matches!(piece, Piece::Placeholder(placeholder) if *placeholder != Placeholder::Workspace);
    if program.pieces.iter().any(foreign) {
        return Err(format!("got the program `{}`, expected one without a placeholder", program.source));
    }
    Ok(())
}

/// Whatever the prompt begins with, it must be read as text and not as an option.
fn check_prompt(items: &[Item]) -> Result<(), String> {
    let Some(at) = items.iter().position(|item| item.uses(Placeholder::Prompt)) else {
        return Ok(());
    };
    let is_last = at + 1 == items.len() && items[at].source == "{prompt}";
    if is_last && items[..at].last().is_some_and(|before| before.source == "--") {
        return Ok(());
    }
    Err(format!(
        "got `{{prompt}}` in `{}`, expected it alone, as the last item and behind `--`, as in `[\"bot\", \"--\", \"{{prompt}}\"]`",
        items[at].source
    ))
}

/// A title inside a shell's script would be read as program text, so that anybody who may create a task could run anything.
fn check_shell(items: &[Item]) -> Result<(), String> {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "busybox"];
    let is_shell =
        |item: &Item| Path::new(&item.source).file_name().is_some_and(|name| SHELLS.iter().any(|shell| name == *shell));
    let takes_script =
        |item: &Item| item.source.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains('c'));
    let Some(shell) = items.iter().position(is_shell) else {
        return Ok(());
    };
    let script = items[shell..].windows(2).find(|pair| takes_script(&pair[0])).map(|pair| &pair[1]);
    match script {
        Some(script) if script.uses(Placeholder::Title) => Err(format!(
            "`{}` puts `{{title}}` where a shell reads program text; hand it over as an argument, as in `[\"sh\", \"-c\", \"echo \\\"$1\\\"\", \"sh\", \"{{title}}\"]`",
            script.source
        )),
        Some(_) | None => Ok(()),
    }
}
