//! Profiles that rest: their agent has reached a limit of use, or nobody is logged in to it.

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::{ProfileName, TaskId},
        statements::*,
    },
    clock::Millis,
};

/// A rest of a profile. Nothing of it is started until it is over.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Park {
    pub profile: ProfileName,
    pub kind: ParkKind,
    pub until: Millis,
    pub since: Millis,
    /// What the agent has said, in a line.
    pub reason: String,
    /// The task whose run has met the reason first.
    pub task_id: Option<TaskId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum ParkKind {
    RateLimited,
    AuthFailed,
}

impl ParkKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::AuthFailed => "auth_failed",
        }
    }
}

impl Park {
    /// The reason in words: what kind it is, and what the agent has said.
    pub fn in_words(&self) -> String {
        let kind = match self.kind {
            ParkKind::RateLimited => "rate limited",
            ParkKind::AuthFailed => "not logged in",
        };
        if self.reason.is_empty() || self.reason == kind { kind.to_owned() } else { format!("{kind}: {}", self.reason) }
    }
}

impl Tx {
    /// Lets a profile rest. A rest that goes on is only made longer. Answers whether it is a new one, of which somebody
    /// should be told.
    pub(crate) async fn park_profile(&mut self, park: &Park) -> Result<bool, Error> {
        let mut parked = self.parked_profiles(park.since).await?;
        parked.retain(|other| other.profile == park.profile);
        // Without a login a limit is of no account.
        let going_on = parked.pop().filter(|other| other.kind == park.kind || other.kind == ParkKind::AuthFailed);
        let is_new = going_on.is_none();
        let rest = going_on.map_or_else(|| park.clone(), |other| Park { until: other.until.max(park.until), ..other });
        sql!(self, PARK_PROFILE, &rest.profile, rest.until, &rest.reason, rest.since, rest.kind, rest.task_id.as_ref(); execute);
        Ok(is_new)
    }

    /// The profiles that rest now.
    pub async fn parked_profiles(&mut self, now: Millis) -> Result<Vec<Park>, Error> {
        Ok(sql!(self, PARKED_PROFILES, now; fetch_all))
    }

    /// Ends the rest of a profile. Answers whether it had one.
    pub async fn unpark_profile(&mut self, profile: &ProfileName) -> Result<bool, Error> {
        self.wakes_dispatcher();
        sql!(self, RELEASE_PARKED_TASKS, profile; execute);
        Ok(sql!(self, UNPARK_PROFILE, profile; execute) == 1)
    }
}
