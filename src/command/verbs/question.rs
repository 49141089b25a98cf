//! Answers to what a worker has asked.

use clap::Args;

use super::joined;
use crate::{
    board::{id::TaskId, question::Road},
    command::value::Prose,
};

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Answer {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The answer: one of the choices, or other words
    #[arg(value_name = "ANSWER", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<Prose>,
    /// What a button knows that nobody types.
    #[arg(skip)]
    pub by: AnswerBy,
}

/// How an answer came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerBy {
    pub road: Road,
    /// The question that is meant; the open one where there is none.
    pub question: Option<i64>,
    /// The choice that was pressed, by its place.
    pub choice: Option<usize>,
}

impl Answer {
    /// An answer that was not typed as a command.
    pub fn given(task: TaskId, words: &str, by: AnswerBy) -> Self {
        Self { task, words: vec![Prose(words.to_owned())], by }
    }

    /// The answer, its words joined by one space.
    pub fn words(&self) -> String {
        joined(&self.words)
    }
}
