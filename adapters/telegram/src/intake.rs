//! Handing over what came in, and what is due once it is kept.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kanban_platform::{Batch, Commands, NotKept, Position};
use teloxide::{payloads::AnswerCallbackQuery, types::CallbackQueryId};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::{
    api::{Api, CALL_DEADLINE, Fault, Refusal},
    inbound::Ears,
    outbound::Outbound,
    pieces::Assembly,
};

/// The updates that are asked for. Edits are not among them: nobody gives a command by correcting a message.
pub(crate) const ALLOWED_UPDATES: [&str; 2] = ["message", "callback_query"];

/// How long after a long message the next piece of it may come, and how long all of them may take together.
const NEXT_PIECE_WITHIN: Duration = Duration::from_secs(1);
const ALL_PIECES_WITHIN: Duration = Duration::from_secs(5);

/// How long the board may take to keep a batch.
const KEEP_DEADLINE: Duration = Duration::from_secs(20);

/// How often a press is answered when Telegram does not take the answer at once.
const ANSWERS: usize = 3;

/// What both ways in have in common.
pub(crate) struct Intake {
    pub(crate) api: Arc<Api>,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) ears: Ears,
    pub(crate) outbound: Arc<Outbound>,
    /// The forums whose menus have been seen to.
    pub(crate) seen: Arc<Mutex<HashSet<i64>>>,
    pub(crate) forums: mpsc::Sender<i64>,
}

impl Intake {
    pub(crate) fn platform(&self) -> &str {
        &self.ears.platform
    }

    /// How far a stream was read.
    pub(crate) async fn position(&self, stream: &str) -> Result<Option<String>, NotKept> {
        let position = timeout(KEEP_DEADLINE, self.commands.position(self.platform(), stream)).await;
        position.unwrap_or_else(|_| Err(late()))
    }

    /// Keeps what is ready. Only after that may it be confirmed to Telegram.
    pub(crate) async fn keep(&self, assembly: Assembly, position: Option<Position>) -> Result<(), NotKept> {
        let Assembly { requests, queries, moved, forums, .. } = assembly;
        // The sign on a button ends at once, whatever the board has to do first. What is not kept comes again, and a
        // second answer does nothing.
        for query in queries {
            tokio::spawn(answer(Arc::clone(&self.api), query));
        }
        for (from, to) in moved {
            self.outbound.moved(from, to);
        }
        if !requests.is_empty() || position.is_some() {
            let batch = Batch { platform: self.platform().to_owned(), requests, position };
            timeout(KEEP_DEADLINE, self.commands.keep(batch)).await.unwrap_or_else(|_| Err(late()))?;
        }
        for forum in forums {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            // A full queue is no loss: the forum's next message comes here again.
            if !seen.contains(&forum) && self.forums.try_send(forum).is_ok() {
                seen.insert(forum);
            }
        }
        Ok(())
    }
}

fn late() -> NotKept {
    NotKept(format!("no answer in {} s", KEEP_DEADLINE.as_secs()))
}

/// Ends the waiting sign on a button. What the press did is told by a message.
async fn answer(api: Arc<Api>, query: String) {
    let answer = AnswerCallbackQuery::new(CallbackQueryId(query));
    for attempt in 1..=ANSWERS {
        match api.call_within(&answer, CALL_DEADLINE / 3).await {
            Ok(_) => return,
            // Too old, or answered by the attempt before.
            Err(Fault::No(refusal)) if refusal.code == 400 => return,
            Err(fault) if attempt == ANSWERS => tracing::debug!(%fault, "a press could not be answered"),
            Err(Fault::No(Refusal { retry_after: Some(wait), .. })) => sleep(wait).await,
            Err(_) => sleep(Duration::from_millis(300)).await,
        }
    }
}

/// A message that may still go on, and since when it is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    newest: i64,
    since: Instant,
    began: Instant,
}

impl Hold {
    /// What is waited for after a look, when `newest` is the newest piece then.
    pub(crate) fn after(before: Option<Self>, newest: Option<i64>) -> Option<Self> {
        let (newest, now) = (newest?, Instant::now());
        Some(match before.filter(|hold| !hold.is_over()) {
            Some(hold) if hold.newest == newest => hold,
            Some(hold) => Self { newest, since: now, began: hold.began },
            None => Self { newest, since: now, began: now },
        })
    }

    /// Up to which update nothing is waited for any more.
    pub(crate) fn given_up(hold: Option<Self>) -> i64 {
        hold.filter(Self::is_over).map_or(i64::MIN, |hold| hold.newest)
    }

    pub(crate) fn until(&self) -> Instant {
        (self.since + NEXT_PIECE_WITHIN).min(self.began + ALL_PIECES_WITHIN)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until()
    }
}
