//! Updates that were acted on, each with what it brought, so that a repeat has no second effect.

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        statements::*,
    },
    clock::Millis,
};

impl Tx {
    /// What an update brought when it was acted on; none if it was not, on this board.
    pub async fn receipt(&mut self, platform: &str, update: &str) -> Result<Option<String>, Error> {
        let found: Option<(String,)> = sql!(self, RECEIPT, platform, update; fetch_optional);
        Ok(found.map(|(receipt,)| receipt))
    }

    /// Records that an update was acted on, in the transaction that does it. Answers false if it was before: then the
    /// transaction must not be committed.
    pub async fn acknowledge(
        &mut self,
        platform: &str,
        update: &str,
        receipt: &str,
        now: Millis,
    ) -> Result<bool, Error> {
        Ok(sql!(self, INSERT_RECEIPT, platform, update, receipt, now; execute) == 1)
    }
}
