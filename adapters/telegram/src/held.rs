//! Updates that were confirmed to Telegram before they could be handed over, kept in the board.
//!
//! A webhook gets the next update of a chat only after it has confirmed the one before. So the first piece of a long
//! message is confirmed and kept here until the others have come, or do not come.

use std::collections::VecDeque;

use kanban_platform::{NotKept, Position};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    inbound::Heard,
    intake::{Hold, Intake},
    pieces::assemble,
};

/// The stream whose position is the updates themselves.
const HELD: &str = "held";

/// How many updates are remembered that became part of another one: Telegram may send them again.
const REMEMBERED: usize = 64;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    updates: Vec<Value>,
    swallowed: VecDeque<i64>,
}

impl Held {
    pub(crate) async fn load(intake: &Intake) -> Result<Self, NotKept> {
        let stored = intake.position(HELD).await?;
        Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()).unwrap_or_default())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    /// Hands over all that is held, whether it may still go on or not.
    pub(crate) async fn hand_over(mut self, intake: &Intake) -> Result<(), NotKept> {
        if self.is_empty() {
            return Ok(());
        }
        self.take(intake, Vec::new(), i64::MAX).await.map(drop)
    }

    /// Adds updates, and hands over those that are whole. All of them are kept when this is done; nothing has changed
    /// when it fails. Answers the newest update of a message that may still go on.
    pub(crate) async fn take(
        &mut self,
        intake: &Intake,
        arrived: Vec<Value>,
        given_up: i64,
    ) -> Result<Option<i64>, NotKept> {
        let mut next = self.clone();
        for raw in arrived {
            let id = update_id(&raw);
            let is_swallowed = id.is_some_and(|id| self.swallowed.contains(&id));
            if !is_swallowed && !next.updates.iter().any(|known| update_id(known) == id) {
                next.updates.push(raw);
            }
        }
        next.updates.sort_by_key(update_id);
        let (raws, heard): (Vec<Value>, Vec<Heard>) = std::mem::take(&mut next.updates)
            .into_iter()
            .filter_map(|raw| intake.ears.hear(&raw).map(|heard| (raw, heard)))
            .unzip();
        let assembly = assemble(heard, given_up);
        let newest_open = assembly.newest_open;
        next.updates.extend(raws.into_iter().skip(assembly.ready));
        next.swallowed.extend(&assembly.swallowed);
        while next.swallowed.len() > REMEMBERED {
            next.swallowed.pop_front();
        }
        let position = (next != *self)
            .then(|| serde_json::to_string(&next).map(|value| Position { stream: HELD.to_owned(), value }))
            .transpose()
            .map_err(|error| NotKept(error.to_string()))?;
        intake.keep(assembly, position).await?;
        *self = next;
        Ok(newest_open)
    }

    /// What is waited for when the process begins.
    pub(crate) fn hold(&self) -> Option<Hold> {
        Hold::after(None, self.updates.last().and_then(update_id))
    }
}

fn update_id(raw: &Value) -> Option<i64> {
    raw.get("update_id")?.as_i64()
}
