//! What people and workers can ask for: the declaration of every verb, the way from typed text to a declared value, and
//! what each verb does.

pub mod access;
mod caller;
mod desk;
mod german;
pub mod parse;
pub mod reference;
mod reply;
mod run;
pub mod schema;
pub mod spec;
pub mod stream;
mod subject;
pub mod text;
pub mod value;
pub mod verbs;
pub mod view;

pub use caller::{Caller, Place, Road, Update};
pub use desk::{Desk, GatewayFacts, Outcome, Press, Receipt, SharedSettings};
pub use parse::{Mistake, from_arguments, from_chat, from_words};
pub use reply::{Left, Reply};
pub(crate) use run::{in_lane, is_paused, is_paused_by_hand, paused_profiles, readable};
pub use run::{prompt, see_to_schedules};
pub use spec::spec;
pub use text::{command_of, named_verb, slash_command};
pub use verbs::{Kanban, Verb};
