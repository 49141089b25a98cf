//! What a command answers: a value, handed back to whoever asked.

use kanban_platform::Block;
use serde_json::Value;

use crate::board::{Error, Reason, TaskId, button::Offer, delivery::Answer, face::Lead, task::Task};

/// The answer to one command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// What was asked for, or what was done. Standard output of the command line.
    pub text: String,
    /// The text is a table or output, to be shown in a fixed width.
    pub is_fixed: bool,
    /// What was refused, and hints. Standard error of the command line.
    pub notes: String,
    /// 0 done, 1 refused, 2 not understood.
    pub exit: u8,
    /// For the asker alone, although nothing was refused.
    pub is_private: bool,
    /// Nobody is told anything.
    pub is_silent: bool,
    /// Nothing was saved because something outside failed: the same command may go well later.
    pub is_fault: bool,
    /// The process that was to do it leaves, so nobody has been answered, and the next one is asked again.
    pub left: Option<Left>,
    /// The task that it is about, where it is about one.
    pub task: Option<TaskId>,
    /// The kind of event that it tells of: `created`.
    pub event: Option<&'static str>,
    /// Buttons for chat.
    pub actions: Vec<Offer>,
    /// It asks for a reply.
    pub prompts: bool,
    /// What was sent along with the command was used, or it was said why not.
    pub took_files: bool,
    /// What is kept up to date from this answer on, in chat.
    pub card: Option<Card>,
}

/// What a process that leaves has done of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing at all.
    Undone,
    /// It was broken off, and has changed several things one after the other, or none yet.
    Unclear,
}

/// What hangs on an answer in chat.
#[derive(Clone, Debug, PartialEq)]
pub enum Card {
    /// The answer is the card of a task.
    Task(Box<Task>, Lead),
    /// The answer is the card of the board.
    Board,
    /// A thread of the task's own is opened on the answer.
    OwnThread(Box<Task>),
}

impl Reply {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A document as the reference prints it: two blanks deep, other scripts as they are.
    pub fn json(value: &Value) -> Self {
        Self::text(serde_json::to_string_pretty(value).unwrap_or_default())
    }

    pub fn refused(text: impl Into<String>) -> Self {
        Self { notes: text.into(), exit: 1, ..Self::default() }
    }

    /// The process that was to do it leaves.
    pub fn left(left: Left) -> Self {
        let text = match left {
            Left::Undone => {
                "the gateway hands over or stops just now, and nothing was done; type the same command again"
            }
            Left::Unclear => {
                "the gateway hands over or stops just now and has broken this off, so that a part of it may be done; look, then type the same command again"
            }
        };
        Self { is_fault: true, left: Some(left), ..Self::refused(text) }
    }

    /// No answer at all.
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    pub fn about(self, task: &TaskId) -> Self {
        Self { task: Some(task.clone()), ..self }
    }

    /// A refusal says why; a fault is the operator's to read in the log, and the person gets a short sentence.
    ///
    /// The commands in a refusal are those of a reader who types the program as `program`, and as `here` where the
    /// board at hand is meant.
    pub fn failed(error: &Error, program: &str, here: &str) -> Self {
        match error {
            Error::Refused(refusal) => {
                let exit = if refusal.reason == Reason::Usage { 2 } else { 1 };
                Self { exit, ..Self::refused(refusal.told(program, here)) }
            }
            Error::Fault(fault) => {
                tracing::error!(error = %fault, "a command failed");
                Self { is_fault: true, ..Self::refused(format!("that did not work, and nothing was saved: {fault}")) }
            }
        }
    }

    /// The form that chat shows: all of it, and privately when it is a refusal.
    pub fn into_answer(self) -> Answer {
        let mut body = Vec::new();
        if !self.text.is_empty() {
            body.push(if self.is_fixed { Block::Code(self.text) } else { Block::Text(self.text) });
        }
        if !self.notes.is_empty() {
            body.push(Block::Text(self.notes));
        }
        if body.is_empty() && !self.is_silent {
            body.push(Block::Text("(nothing to show)".to_owned()));
        }
        Answer {
            body,
            private: self.exit != 0 || self.is_private,
            prompts: self.prompts,
            task: self.task.map(|task| task.to_string()),
            event: self.event.map(str::to_owned),
            actions: self.actions,
        }
    }
}
