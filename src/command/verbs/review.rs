//! Work that is handed in, and what is said of it.

use std::path::PathBuf;

use clap::Args;

use super::joined;
use crate::{
    board::id::TaskId,
    command::value::{Assignee, JsonObject, Phrase, Prose},
};

#[derive(Clone, Debug, PartialEq, Args)]
pub struct RequestReview {
    /// The task; the words after it are the summary
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// The outcome in a line
    #[arg(long, value_name = "TEXT")]
    pub result: Option<Phrase>,
    /// What was done, for whoever looks at it and for the tasks that wait
    #[arg(long, value_name = "TEXT")]
    pub summary: Option<Prose>,
    /// Facts for the tasks that wait, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub metadata: Option<JsonObject>,
    /// A file to hand over; repeatable
    #[arg(long, value_name = "FILE")]
    pub artifact: Vec<PathBuf>,
    /// The profile that is to look at it; `none` for a person
    #[arg(long, value_name = "PROFILE")]
    pub reviewer: Option<Assignee>,
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct Approve {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// What there is to say of it
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<Prose>,
}

impl Approve {
    /// The words, joined by one space.
    pub fn words(&self) -> Option<String> {
        (!self.words.is_empty()).then(|| joined(&self.words))
    }
}

#[derive(Clone, Debug, PartialEq, Args)]
pub struct RequestChanges {
    /// The task
    #[arg(value_name = "ID")]
    pub task: TaskId,
    /// What is to be changed
    #[arg(value_name = "WORDS", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<Prose>,
}

impl RequestChanges {
    /// The words, joined by one space.
    pub fn words(&self) -> String {
        joined(&self.words)
    }
}
