//! A worker's argument vector with placeholders. Text never meets a shell: one item becomes exactly one argument.

use std::path::Path;

use config::ValueKind;
use serde_json::Value;

use super::value::{Form, Setting, text_of, unexpected};
use crate::suggest::nearest;

/// An argument vector whose items may hold placeholders. The first item names the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Item>);

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
    Session,
}

/// The values of one run.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    pub task: &'a str,
    pub run: i64,
    pub title: &'a str,
    pub workspace: &'a str,
    pub prompt_file: &'a str,
    /// A name for the agent's session. `claude` wants the form of a UUID.
    pub session: &'a str,
}

impl Template {
    /// Reads the items; unknown placeholders are refused.
    pub fn parse(items: &[&str]) -> Result<Self, String> {
        let items = items.iter().map(|source| Item::parse(source)).collect::<Result<Vec<_>, _>>()?;
        check_program(&items)?;
        check_shell(&items)?;
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

impl Placeholder {
    pub const ALL: &'static [Self] =
        &[Self::Task, Self::Run, Self::Title, Self::Workspace, Self::PromptFile, Self::Session];

    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Run => "run",
            Self::Title => "title",
            Self::Workspace => "workspace",
            Self::PromptFile => "prompt_file",
            Self::Session => "session",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Task => "the task's id",
            Self::Run => "the run's number",
            Self::Title => "the task's title, as people typed it; put `--` before it where the program knows that",
            Self::Workspace => "the directory that the worker is started in",
            Self::PromptFile => "a file that holds the prompt, which then does not come on standard input",
            Self::Session => {
                "a name for the agent's session, a UUID: that of the task, or of the talk in a thread, for one profile"
            }
        }
    }

    fn value(self, values: &Values<'_>) -> String {
        let text = match self {
            Self::Task => values.task,
            Self::Run => return values.run.to_string(),
            Self::Title => values.title,
            Self::Workspace => values.workspace,
            Self::PromptFile => values.prompt_file,
            Self::Session => values.session,
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
