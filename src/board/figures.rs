//! What stands on a board, in numbers.

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::TaskId,
        statements::*,
    },
    clock::Millis,
};

/// What the threads of one platform are owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The name of the account, as threads carry it.
    pub platform: String,
    pub posts: i64,
    /// How many of them failed at least once.
    pub failing: i64,
    pub oldest: Millis,
}

impl Tx {
    /// How many runs ended in each way.
    pub async fn outcomes(&mut self) -> Result<Vec<(String, i64)>, Error> {
        Ok(sql!(self, OUTCOMES; fetch_all))
    }

    /// What waits to be delivered, by platform.
    pub async fn owed_by_platform(&mut self) -> Result<Vec<Owed>, Error> {
        let rows: Vec<(String, i64, i64, Millis)> = sql!(self, OWED_BY_PLATFORM; fetch_all);
        let owed = |(platform, posts, failing, oldest)| Owed { platform, posts, failing, oldest };
        Ok(rows.into_iter().map(owed).collect())
    }

    /// How many messages agents of threads work on or have before them, by platform.
    pub async fn turns_by_platform(&mut self) -> Result<Vec<(String, i64)>, Error> {
        Ok(sql!(self, TURNS_BY_PLATFORM; fetch_all))
    }

    /// Since when a task could have begun with a run: when it last moved before it was claimed for it.
    pub async fn could_start_since(&mut self, task: &TaskId, run: i64) -> Result<Option<Millis>, Error> {
        let (since,): (Option<Millis>,) = sql!(self, COULD_START_SINCE, task, run; fetch_one);
        Ok(since)
    }
}
