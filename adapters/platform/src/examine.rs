//! A look at a platform as the bot's account sees it: what works, and what somebody has to click where it does not.

use crate::{Spec, Thread};

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The verbs that menus should show.
    pub spec: &'a Spec,
    /// Places in which the bot should be able to work.
    pub places: &'a [Thread],
    /// Whether a gateway is connected, so that what it sets by itself should be set.
    pub is_connected: bool,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In a word or two: `token`.
    pub what: String,
    /// Whether nobody has to do anything about it.
    pub is_good: bool,
    /// How it stands, and the step that is missing.
    pub detail: String,
}

impl Finding {
    pub fn good(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), is_good: true, detail: detail.into() }
    }

    pub fn bad(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), is_good: false, detail: detail.into() }
    }
}
