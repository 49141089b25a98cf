//! The board: tasks and everything that is recorded about them.

pub mod id;

pub use id::{BoardSlug, ProfileName, TaskId};
