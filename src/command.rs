//! What people can ask for: the declaration of every verb, and the way from typed text to a declared value.

pub mod parse;
pub mod reference;
pub mod reply;
pub mod spec;
pub mod text;
pub mod value;
pub mod verbs;

pub use parse::{Mistake, from_arguments, from_chat, from_words};
pub use spec::spec;
pub use text::command_of;
pub use verbs::{Kanban, Verb};
