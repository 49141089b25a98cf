//! Where commands are worked on: everything that one needs from outside, and the way from a command to a kept answer.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use kanban_platform::{Author, Block};
use serde::{Deserialize, Serialize};

use crate::{
    board::{Board, BoardSlug, Boards, Error, Reason, Refusal, Tx, delivery::Told, error::refuse, task::Status},
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

/// A button of one of our messages that somebody pressed.
pub struct Press<'a> {
    pub told: &'a Told,
    /// The platform's id of the message.
    pub message: &'a str,
    pub label: &'a str,
}

impl Press<'_> {
    /// What is told to whoever presses after somebody else.
    pub const TOO_LATE: &'static str = "the buttons of this message are used up: somebody has pressed one already";
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
        self.run_pressed(caller, command, update, None).await
    }

    /// Runs the command behind a button. What changes a task uses the buttons of the message up, in one go with the
    /// change: whoever presses later is refused.
    pub async fn run_pressed(
        &self,
        caller: &Caller,
        command: &Kanban,
        update: Option<&Update>,
        press: Option<&Press<'_>>,
    ) -> Outcome {
        let Some(verb) = &command.verb else {
            return self.answer(caller, update, Reply::text(super::reference::overview(caller.prefix()))).await;
        };
        let worked = match access::check(caller, verb) {
            Ok(()) => self.work(caller, command.board.as_ref(), verb, update, press).await,
            Err(refused) => Err(refused),
        };
        match worked {
            Ok(outcome) => outcome,
            Err(error) => {
                let reply = self.failed(caller, command.board.as_ref(), &error);
                self.answer(caller, update, reply).await
            }
        }
    }

    /// Keeps an answer that changes nothing: help, a mistake, a refusal.
    pub async fn answer(&self, caller: &Caller, update: Option<&Update>, reply: Reply) -> Outcome {
        let Some(update) = update else { return Outcome { reply, deliveries: Vec::new() } };
        if reply.is_fault && caller.thread().is_none() {
            // A worker's call that met a fault is sent again, and a receipt would answer it without doing it.
            return Outcome { reply, deliveries: Vec::new() };
        }
        let kept = async {
            let board = self.board_of(caller, None).await?;
            let mut tx = board.write().await?;
            let deliveries = self.keep(&mut tx, caller, update, &reply, Vec::new()).await?;
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

    /// Tells somebody whom nobody has let in, once and for all; whatever else they send is met with silence.
    pub async fn turn_away(&self, caller: &Caller, update: &Update, author: &Author) -> Outcome {
        let person = format!("{}:{}", author.platform, author.id);
        let reply = Reply::refused(format!(
            "you are not known here; an owner can add `{person}` to `[access]` in the settings"
        ));
        let kept = async {
            let board = self.board_of(caller, None).await?;
            let mut tx = board.write().await?;
            let is_first = tx.meet_stranger(&person, self.now()).await?;
            let reply = if is_first { reply } else { Reply { exit: reply.exit, ..Reply::silent() } };
            let deliveries = self.keep(&mut tx, caller, update, &reply, Vec::new()).await?;
            tx.commit().await?;
            Ok::<_, Error>(Outcome { reply, deliveries })
        };
        kept.await.unwrap_or_else(|error| {
            tracing::error!(%error, update.platform, update.id, "an answer to update {} could not be kept", update.id);
            Outcome::default()
        })
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
            (_, None) => self.meant(caller)?,
            (Place::Worker { board, .. }, Some(named)) if named != board => {
                return Err(Error::refused(
                    Reason::Forbidden,
                    format!("board '{named}' is not yours: a worker may use its own board '{board}' alone"),
                ));
            }
            (Place::Worker { .. } | Place::Terminal { .. } | Place::Thread(_), Some(named)) => named.clone(),
        };
        self.boards.get(&slug).await
    }

    /// The board that a caller means who names none.
    pub fn meant(&self, caller: &Caller) -> Result<BoardSlug, Error> {
        match &caller.place {
            Place::Worker { board, .. } => Ok(board.clone()),
            Place::Terminal { .. } => self.boards.current(),
            // There is no current board in chat: one thread's switch would move every other thread's commands.
            Place::Thread(_) => Ok(BoardSlug::default()),
        }
    }

    /// How a caller types the program in a command for a board: the board is named unless it is meant anyway.
    pub fn program(&self, caller: &Caller, board: &BoardSlug) -> String {
        match self.meant(caller) {
            Ok(meant) if meant == *board => caller.prefix().to_owned(),
            Ok(_) | Err(_) => format!("{} --board {board}", caller.prefix()),
        }
    }

    /// A refusal by a board, with commands as the caller types them.
    pub fn told(&self, caller: &Caller, board: &BoardSlug, refusal: &Refusal) -> String {
        refusal.told(caller.prefix(), &self.program(caller, board))
    }

    /// What a caller is told of an error of a command that named this board.
    pub fn failed(&self, caller: &Caller, board: Option<&BoardSlug>, error: &Error) -> Reply {
        let here = board.map_or_else(|| caller.prefix().to_owned(), |board| self.program(caller, board));
        Reply::failed(error, caller.prefix(), &here)
    }

    async fn work(
        &self,
        caller: &Caller,
        board: Option<&BoardSlug>,
        verb: &Verb,
        update: Option<&Update>,
        press: Option<&Press<'_>>,
    ) -> Result<Outcome, Error> {
        match verb {
            Verb::Write(write) => {
                let board = self.board_of(caller, board).await?;
                let prepared = run::prepare(self, caller, &board, write).await?;
                let mut tx = board.write().await?;
                first_to_press(&mut tx, press).await?;
                let done = run::write(self, caller, write, &prepared, &mut tx).await?;
                let outcome = self.finish(tx, caller, done, update, press).await?;
                prepared.keep();
                Ok(outcome)
            }
            Verb::Operate(operate) if run::changes_tasks(operate) => {
                let board = self.board_of(caller, board).await?;
                let mut tx = board.write().await?;
                first_to_press(&mut tx, press).await?;
                let done = run::operate(self, caller, operate, &mut tx).await?;
                self.finish(tx, caller, done, update, press).await
            }
            Verb::Read(_) | Verb::Operate(_) | Verb::Own(_) | Verb::Shell(_) | Verb::Internal(_) => {
                let reply = run::outside(self, caller, board, verb).await?;
                Ok(self.answer(caller, update, reply).await)
            }
        }
    }

    async fn finish(
        &self,
        mut tx: Tx,
        caller: &Caller,
        done: Done,
        update: Option<&Update>,
        press: Option<&Press<'_>>,
    ) -> Result<Outcome, Error> {
        let mut edits = Vec::new();
        if let Some(press) = press.filter(|_| done.reply.exit == 0) {
            let mut body = press.told.post.body.clone();
            body.push(Block::Footer(format!("→ {}: {}", press.label, caller.actor.name())));
            edits.push(tx.owe_edit(press.told, press.message, body, self.now()).await?);
        }
        let deliveries = match update {
            Some(update) => self.keep(&mut tx, caller, update, &done.reply, edits).await?,
            None => edits,
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
    async fn keep(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        update: &Update,
        reply: &Reply,
        edits: Vec<String>,
    ) -> Result<Vec<String>, Error> {
        let now = self.now();
        let receipt = match caller.thread() {
            Some(thread) => {
                let address = update.return_address.as_deref();
                let mut deliveries = Vec::new();
                // Where a platform shows that an answer is under way, it must learn that there is none.
                if !reply.is_silent || address.is_some() {
                    deliveries.push(tx.owe_reply(thread, &update.id, address, reply.clone().into_answer(), now).await?);
                }
                deliveries.extend(edits);
                Receipt { exit: reply.exit, deliveries, ..Receipt::default() }
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
            Err(Error::refused(Reason::Stale, "this message was worked on already"))
        }
    }
}

/// Refuses a press when another one was faster.
async fn first_to_press(tx: &mut Tx, press: Option<&Press<'_>>) -> Result<(), Error> {
    let Some(press) = press else { return Ok(()) };
    match tx.told_by_id(press.told.delivery).await? {
        Some(told) if told.is_pressed() => refuse!(Stale, "{}", Press::TOO_LATE),
        Some(told) => still_asked(tx, &told).await,
        None => Ok(()),
    }
}

/// Refuses the buttons of a question that was answered on another road meanwhile.
async fn still_asked(tx: &mut Tx, told: &Told) -> Result<(), Error> {
    let asks = matches!(told.event.as_deref(), Some("blocked" | "block_loop_detected" | "gave_up"));
    let Some(id) = told.task.as_ref().filter(|_| asks).and_then(|id| id.parse().ok()) else { return Ok(()) };
    let task = tx.task(&id).await?;
    match task.status {
        Status::Blocked | Status::Triage => Ok(()),
        Status::Todo
        | Status::Scheduled
        | Status::Ready
        | Status::Running
        | Status::Review
        | Status::Done
        | Status::Archived => {
            refuse!(
                Stale,
                "too late: task {id} does not wait any more, it is {}; `{{kanban}} show {id}` tells more",
                task.status
            )
        }
    }
}
