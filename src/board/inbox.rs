//! Updates of platforms: kept until they are acted on, and then what each brought, so that a repeat has no second effect.

use kanban_platform::{Request, Thread};

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::TaskId,
        statements::*,
        thread::Place,
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

    /// Keeps a request until it is acted on. Answers false if the update is known.
    pub async fn keep_request(&mut self, request: &Request, now: Millis) -> Result<bool, Error> {
        let stored = serde_json::to_string(request)?;
        Ok(sql!(self, INSERT_REQUEST, &request.thread.platform, &request.update, stored, now; execute) == 1)
    }

    /// Records that a kept request was acted on with another board.
    pub async fn settle_request(&mut self, platform: &str, update: &str, receipt: &str) -> Result<(), Error> {
        sql!(self, SETTLE_REQUEST, platform, update, receipt; execute);
        Ok(())
    }

    /// The next requests behind one that were kept and not acted on, with their numbers, in the order in which they came.
    /// None for one that this version cannot read.
    pub async fn waiting_requests(&mut self, last: i64, count: i64) -> Result<Vec<(i64, Option<Request>)>, Error> {
        let rows: Vec<(i64, String)> = sql!(self, WAITING_REQUESTS, last, count; fetch_all);
        Ok(rows.iter().map(|(id, request)| (*id, serde_json::from_str(request).ok())).collect())
    }

    /// How far a stream of a platform has been read.
    pub async fn position(&mut self, platform: &str, stream: &str) -> Result<Option<String>, Error> {
        let found: Option<(String,)> = sql!(self, POSITION, platform, stream; fetch_optional);
        Ok(found.map(|(value,)| value))
    }

    pub async fn set_position(&mut self, platform: &str, stream: &str, value: &str) -> Result<(), Error> {
        sql!(self, SET_POSITION, platform, stream, value; execute);
        Ok(())
    }

    /// The threads of a platform that were ever spoken to or follow something. Somebody may speak in a parked one.
    pub async fn threads_of(&mut self, platform: &str) -> Result<Vec<Thread>, Error> {
        let places: Vec<Place> = sql!(self, THREADS_OF, platform; fetch_all);
        Ok(places.iter().map(Place::thread).collect())
    }

    /// The task that a person's message was meant for, in a thread of its own.
    pub async fn task_of_message(&mut self, thread: &Thread, message: &str) -> Result<Option<TaskId>, Error> {
        let found: Option<(TaskId,)> =
            sql!(self, TASK_OF_MESSAGE, &thread.platform, &thread.channel, message; fetch_optional);
        Ok(found.map(|(task,)| task))
    }

    /// Notes that a person's message was meant for a task, so that replies to it are too.
    pub async fn note_message(
        &mut self,
        thread: &Thread,
        message: &str,
        task: &TaskId,
        now: Millis,
    ) -> Result<(), Error> {
        sql!(self, INSERT_MESSAGE, &thread.platform, &thread.channel, message, task, now; execute);
        Ok(())
    }

    /// Notes that a person who is not known was told so. Answers false if that was done before.
    pub async fn meet_stranger(&mut self, person: &str, now: Millis) -> Result<bool, Error> {
        Ok(sql!(self, INSERT_STRANGER, person, now; execute) == 1)
    }
}
