//! Where commands are worked on: everything that one needs from outside, and the way from a command to a kept answer.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};

use crate::{
    board::{Board, BoardSlug, Boards, Error, Tx},
    clock::{Clock, Millis},
    command::{
        access,
        caller::{Caller, Place, Update},
        reply::Reply,
        run,
        verbs::{Kanban, Verb},
    },
    dispatcher,
    settings::{Environment, Settings},
};

/// The settings in force; a reload puts others in their place.
#[derive(Clone)]
pub struct SharedSettings(Arc<RwLock<Arc<Settings>>>);

impl SharedSettings {
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(settings))))
    }

    pub fn get(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// What the gateway that this process is can tell of itself.
#[derive(Clone)]
pub struct GatewayFacts {
    pub pid: u32,
    pub since: Millis,
    pub dispatcher: dispatcher::Handle,
}

#[derive(Clone)]
pub struct Desk {
    pub boards: Boards,
    pub settings: SharedSettings,
    pub environment: Arc<Environment>,
    pub clock: Clock,
    /// None on the command line of a home where no gateway runs.
    pub gateway: Option<GatewayFacts>,
}

/// The answer to a command, and the posts that carry it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub reply: Reply,
    pub deliveries: Vec<String>,
}

/// What is kept of an update, so that a repeat gets the same answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub exit: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
}

/// What a verb did in its transaction.
pub(super) struct Done {
    pub(super) reply: Reply,
    /// Files that nothing refers to once the transaction is committed.
    pub(super) leftovers: Vec<PathBuf>,
}

impl From<Reply> for Done {
    fn from(reply: Reply) -> Self {
        Self { reply, leftovers: Vec::new() }
    }
}

impl Desk {
    pub fn home(&self) -> &Path {
        self.boards.home()
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Runs a command for a caller. For an update, the answer is kept with what was done, so that it reaches its thread
    /// whatever happens to this process.
    pub async fn run(&self, caller: &Caller, command: &Kanban, update: Option<&Update>) -> Outcome {
        let Some(verb) = &command.verb else {
            return self.answer(caller, update, Reply::text(super::reference::overview(caller.prefix()))).await;
        };
        let worked = match access::check(caller, verb) {
            Ok(()) => self.work(caller, command.board.as_ref(), verb, update).await,
            Err(refused) => Err(refused),
        };
        match worked {
            Ok(outcome) => outcome,
            Err(error) => self.answer(caller, update, Reply::failed(&error)).await,
        }
    }

    /// Keeps an answer that changes nothing: help, a mistake, a refusal.
    pub async fn answer(&self, caller: &Caller, update: Option<&Update>, reply: Reply) -> Outcome {
        let Some(update) = update else { return Outcome { reply, deliveries: Vec::new() } };
        let kept = async {
            let board = self.board_of(caller, None).await?;
            let mut tx = board.write().await?;
            let deliveries = self.keep(&mut tx, caller, update, &reply).await?;
            tx.commit().await?;
            Ok::<_, Error>(deliveries)
        };
        match kept.await {
            Ok(deliveries) => Outcome { reply, deliveries },
            Err(error) => {
                tracing::error!(%error, update.platform, update.id, "an answer to update {} could not be kept", update.id);
                Outcome { reply, deliveries: Vec::new() }
            }
        }
    }

    /// What an update brought when it was worked on before; none if it was not.
    pub async fn receipt(&self, update: &Update) -> Result<Option<Receipt>, Error> {
        for board in self.boards.all().await? {
            let found = board.read().await?.receipt(&update.platform, &update.id).await?;
            if let Some(receipt) = found {
                return Ok(Some(serde_json::from_str(&receipt)?));
            }
        }
        Ok(None)
    }

    /// The board that a command is about.
    pub async fn board_of(&self, caller: &Caller, named: Option<&BoardSlug>) -> Result<Board, Error> {
        let slug = match (&caller.place, named) {
            (Place::Worker { board, .. }, None) => board.clone(),
            (Place::Worker { board, .. }, Some(named)) if named == board => board.clone(),
            (Place::Worker { board, .. }, Some(named)) => {
                return Err(Error::refused(
                    crate::board::Reason::Forbidden,
                    format!("board '{named}' is not yours: a worker may use its own board '{board}' alone"),
                ));
            }
            (Place::Terminal { .. } | Place::Thread(_), Some(named)) => named.clone(),
            (Place::Terminal { .. }, None) => self.boards.current()?,
            // There is no current board in chat: one thread's switch would move every other thread's commands.
            (Place::Thread(_), None) => BoardSlug::default(),
        };
        self.boards.get(&slug).await
    }

    async fn work(
        &self,
        caller: &Caller,
        board: Option<&BoardSlug>,
        verb: &Verb,
        update: Option<&Update>,
    ) -> Result<Outcome, Error> {
        match verb {
            Verb::Write(write) => {
                let board = self.board_of(caller, board).await?;
                let prepared = run::prepare(self, caller, &board, write).await?;
                let mut tx = board.write().await?;
                let done = run::write(self, caller, write, &prepared, &mut tx).await?;
                let outcome = self.finish(tx, caller, done, update).await?;
                prepared.keep();
                Ok(outcome)
            }
            Verb::Operate(operate) if run::changes_tasks(operate) => {
                let board = self.board_of(caller, board).await?;
                let mut tx = board.write().await?;
                let done = run::operate(self, caller, operate, &mut tx).await?;
                self.finish(tx, caller, done, update).await
            }
            Verb::Read(_) | Verb::Operate(_) | Verb::Own(_) | Verb::Shell(_) | Verb::Internal(_) => {
                let reply = run::outside(self, caller, board, verb).await?;
                Ok(self.answer(caller, update, reply).await)
            }
        }
    }

    async fn finish(&self, mut tx: Tx, caller: &Caller, done: Done, update: Option<&Update>) -> Result<Outcome, Error> {
        let deliveries = match update {
            Some(update) => self.keep(&mut tx, caller, update, &done.reply).await?,
            None => Vec::new(),
        };
        tx.commit().await?;
        for file in done.leftovers {
            if let Err(error) = std::fs::remove_file(&file) {
                tracing::warn!(%error, "a file that nothing refers to any more could not be removed");
            }
        }
        Ok(Outcome { reply: done.reply, deliveries })
    }

    /// Writes the answer into the outbox and the acknowledgement into the inbox.
    async fn keep(&self, tx: &mut Tx, caller: &Caller, update: &Update, reply: &Reply) -> Result<Vec<String>, Error> {
        let now = self.now();
        let receipt = match caller.thread() {
            Some(thread) => {
                let delivery = tx.owe_reply(thread, &update.id, reply.clone().into_answer(), now).await?;
                Receipt { exit: reply.exit, deliveries: vec![delivery], ..Receipt::default() }
            }
            None => Receipt {
                exit: reply.exit,
                stdout: reply.text.clone(),
                stderr: reply.notes.clone(),
                ..Receipt::default()
            },
        };
        if tx.acknowledge(&update.platform, &update.id, &serde_json::to_string(&receipt)?, now).await? {
            Ok(receipt.deliveries)
        } else {
            Err(Error::refused(crate::board::Reason::Stale, "this message was worked on already"))
        }
    }
}
