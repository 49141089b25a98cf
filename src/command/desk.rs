//! Where commands are worked on: everything that one needs from outside, and the way from a command to a kept answer.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use kanban_platform::{Author, Block, Thread};
use serde::{Deserialize, Serialize};

use crate::{
    board::{
        Board, BoardSlug, Boards, Error, Reason, Refusal, Tx,
        audit::Entry,
        button::{Deed, Offer},
        delivery::Told,
        error::refuse,
        face::Lead,
        grant::{Code, Granted, Pairing},
        task::Status,
    },
    clock::{Clock, Millis},
    command::{
        access::{self, Allowed},
        caller::{Caller, Place, Update},
        reply::{Card, Left, Reply},
        run,
        subject::Subject,
        verbs::{Kanban, Read, Verb, Write},
    },
    dispatcher,
    metrics::Meters,
    settings::{Environment, Role, Settings},
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
    /// What is counted while it runs.
    pub meters: Arc<Meters>,
    /// How the runs of an earlier gateway were taken up.
    pub adoption: Arc<dispatcher::Adoption>,
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
    /// Which of its buttons.
    pub number: usize,
    /// Who pressed, as `platform:id`.
    pub person: &'a str,
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
        let board = command.board.as_ref();
        let (worked, refusal) = match self.check_and_work(caller, board, verb, update, press).await {
            // What was posted before a board was set for the place means tasks of the default one by their ids alone.
            (Err(error), refusal)
                if board.is_none()
                    && caller.pin.board.is_some()
                    && error.reason() == Some(Reason::UnknownTask)
                    && run::is_of_one_task(verb) =>
            {
                match self.check_and_work(caller, Some(&BoardSlug::default()), verb, update, press).await {
                    (Err(again), _) if again.reason() == Some(Reason::UnknownTask) => (Err(error), refusal),
                    worked => worked,
                }
            }
            worked => worked,
        };
        match worked {
            Ok(outcome) => outcome,
            Err(error) => {
                let reply = match self.failed(caller, board, &error) {
                    Reply { left: Some(_), .. } if !is_all_or_nothing(verb) => Reply::left(Left::Unclear),
                    reply => reply,
                };
                self.answer_noting(caller, update, reply, refusal).await
            }
        }
    }

    async fn check_and_work(
        &self,
        caller: &Caller,
        board: Option<&BoardSlug>,
        verb: &Verb,
        update: Option<&Update>,
        press: Option<&Press<'_>>,
    ) -> (Result<Outcome, Error>, Option<Entry>) {
        match access::check(self, caller, board, verb).await {
            Ok(Allowed { caller, verb }) => {
                let worked = self.work(&caller, board, &verb, update, press).await;
                // Some rights are looked at by the verb itself, such as that to a profile or to a directory.
                let forbidden =
                    worked.as_ref().err().and_then(Error::reason).filter(|reason| *reason == Reason::Forbidden);
                let refusal = forbidden.map(|reason| self.refused(&caller, board, &verb, reason));
                (worked, refusal)
            }
            Err(refused) => {
                let refusal = refused.reason().map(|reason| self.refused(caller, board, verb, reason));
                (Err(refused), refusal)
            }
        }
    }

    /// Refuses a command that the caller may not run, and notes that in the audit as if it had been run.
    pub async fn may(&self, caller: &Caller, command: &Kanban) -> Result<(), Error> {
        match &command.verb {
            Some(verb) => match access::check(self, caller, command.board.as_ref(), verb).await {
                Ok(_) => Ok(()),
                Err(refused) => {
                    if let Some(reason) = refused.reason() {
                        self.note(&self.refused(caller, command.board.as_ref(), verb, reason)).await?;
                    }
                    Err(refused)
                }
            },
            None => Ok(()),
        }
    }

    /// Keeps an answer with the board whose task it is about, and uses up the buttons that were pressed for it, if it
    /// says so.
    pub async fn answer_on(
        &self,
        board: &Board,
        caller: &Caller,
        update: &Update,
        reply: Reply,
        press: Option<&Press<'_>>,
    ) -> Result<Outcome, Error> {
        let mut tx = board.write().await?;
        first_to_press(&mut tx, press, self.now()).await?;
        self.finish(tx, caller, reply.into(), Some(update), press).await
    }

    /// A line of the audit for what was done on a board.
    pub(super) fn done(&self, caller: &Caller, board: &BoardSlug, subject: &Subject<'_>) -> Entry {
        let task_id = subject.tasks.first().map(|task| (*task).clone());
        Entry { task_id, ..self.line(caller, board, subject.verb, "done") }
    }

    pub(crate) fn line(&self, caller: &Caller, board: &BoardSlug, verb: &str, outcome: &str) -> Entry {
        Entry {
            id: 0,
            at: self.now(),
            person: caller.actor.name().to_owned(),
            place: caller.place.to_string(),
            road: caller.road.name().to_owned(),
            verb: verb.to_owned(),
            task_id: None,
            board: board.to_string(),
            outcome: outcome.to_owned(),
        }
    }

    /// A line of the audit for a command that access refused.
    fn refused(&self, caller: &Caller, board: Option<&BoardSlug>, verb: &Verb, reason: Reason) -> Entry {
        let board = self.slug_of(caller, board).unwrap_or_default();
        let outcome = format!("refused: {}", reason.code());
        Entry { outcome, ..self.done(caller, &board, &Subject::of(verb)) }
    }

    /// Keeps an answer that changes nothing: help, a mistake, a refusal.
    pub async fn answer(&self, caller: &Caller, update: Option<&Update>, reply: Reply) -> Outcome {
        self.answer_noting(caller, update, reply, None).await
    }

    /// Keeps an answer, and a line of the audit with it.
    pub(crate) async fn answer_noting(
        &self,
        caller: &Caller,
        update: Option<&Update>,
        reply: Reply,
        entry: Option<Entry>,
    ) -> Outcome {
        if reply.left.is_some() {
            // Nothing is kept of it, so that the next process does it.
            return Outcome { reply, deliveries: Vec::new() };
        }
        let Some(update) = update else {
            if let Some(entry) = entry
                && let Err(error) = self.note(&entry).await
                && !self.is_leaving(&error)
            {
                tracing::error!(%error, "a line of the audit could not be kept");
            }
            return Outcome { reply, deliveries: Vec::new() };
        };
        if reply.is_fault && caller.thread().is_none() {
            // A worker's call that met a fault is sent again, and a receipt would answer it without doing it.
            return Outcome { reply, deliveries: Vec::new() };
        }
        let kept = async {
            let board = self.board_for_answers(caller).await?;
            let mut tx = board.write().await?;
            let deliveries = self.keep(&mut tx, caller, update, &reply, Vec::new()).await?;
            if let Some(entry) = &entry {
                tx.note(entry).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(deliveries)
        };
        match kept.await {
            Ok(deliveries) => Outcome { reply, deliveries },
            Err(error) => match self.not_kept(update, &error) {
                left @ Outcome { reply: Reply { left: Some(_), .. }, .. } => left,
                Outcome { deliveries, .. } => Outcome { reply, deliveries },
            },
        }
    }

    /// What becomes of an update whose answer could not be kept.
    fn not_kept(&self, update: &Update, error: &Error) -> Outcome {
        if self.is_leaving(error) {
            return Outcome { reply: Reply::left(Left::Undone), ..Outcome::default() };
        }
        tracing::error!(%error, update.platform, update.id, "an answer to update {} could not be kept", update.id);
        Outcome::default()
    }

    async fn note(&self, entry: &Entry) -> Result<(), Error> {
        let mut tx = self.boards.get(&BoardSlug::default()).await?.write().await?;
        tx.note(entry).await?;
        tx.commit().await
    }

    /// Holds a code that somebody sent against the open one: whoever sends the right one becomes owner. Answers none if
    /// the message is one like any other: there was nothing to compare it with, or it `may_be_words` and is not the code.
    pub async fn pair(
        &self,
        caller: &Caller,
        update: &Update,
        author: &Author,
        code: &Code,
        may_be_words: bool,
    ) -> Option<Outcome> {
        let person = format!("{}:{}", author.platform, author.id);
        let tried = async {
            let board = self.boards.get(&BoardSlug::default()).await?;
            let now = self.now();
            let mut tx = board.write().await?;
            let pairing = tx.try_pairing(code, &person, now).await?;
            let reply = match pairing {
                Pairing::Ignored => return Ok(None),
                Pairing::Closed if may_be_words => return Ok(None),
                Pairing::Closed => {
                    Reply::refused("this code is no longer good; `kanban pair` on the host prints a new one")
                }
                Pairing::TooSoon => Reply::refused("you tried a moment ago; wait a few seconds and send it again"),
                Pairing::Right => {
                    let owner = Granted {
                        who: person.clone(),
                        role: Role::Owner.name().to_owned(),
                        granted_by: "pairing".to_owned(),
                        granted_at: now,
                        ..Granted::default()
                    };
                    tx.grant(&owner).await?;
                    tx.note(&self.line(caller, board.slug(), "pair", "done")).await?;
                    let welcome = "you are an owner of this gateway now; `/kanban help` lists what you can do, and `/kanban access grant WHO ROLE` lets others in";
                    Reply { is_private: true, ..Reply::text(welcome) }
                }
                Pairing::Wrong { is_first } => {
                    tx.note(&self.line(caller, board.slug(), "pair", "refused: wrong code")).await?;
                    if may_be_words {
                        tx.commit().await?;
                        return Ok(None);
                    }
                    let wrong = "this code is not right, or no longer; `kanban pair` on the host prints a new one";
                    if is_first { Reply::refused(wrong) } else { Reply { exit: 1, ..Reply::silent() } }
                }
            };
            let deliveries = self.keep(&mut tx, caller, update, &reply, Vec::new()).await?;
            tx.commit().await?;
            Ok::<_, Error>(Some(Outcome { reply, deliveries }))
        };
        tried.await.unwrap_or_else(|error| Some(self.not_kept(update, &error)))
    }

    /// Tells somebody whom nobody has let in, once and for all; whatever else they send is met with silence.
    pub async fn turn_away(&self, caller: &Caller, update: &Update, author: &Author) -> Outcome {
        let person = format!("{}:{}", author.platform, author.id);
        let reply = Reply::refused(format!(
            "you are not known here; an owner can let you in with `/kanban access grant {person} member`, and whoever has the host can become owner by sending me the code that `kanban pair` prints there"
        ));
        let kept = async {
            let board = self.boards.get(&BoardSlug::default()).await?;
            let mut tx = board.write().await?;
            let is_first = tx.meet_stranger(&person, self.now()).await?;
            if is_first {
                tx.note(&self.line(caller, board.slug(), "", "refused: stranger")).await?;
            }
            let reply = if is_first { reply } else { Reply { exit: reply.exit, ..Reply::silent() } };
            let deliveries = self.keep(&mut tx, caller, update, &reply, Vec::new()).await?;
            tx.commit().await?;
            Ok::<_, Error>(Outcome { reply, deliveries })
        };
        kept.await.unwrap_or_else(|error| self.not_kept(update, &error))
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
        let slug = self.slug_of(caller, named)?;
        match (self.boards.get(&slug).await, &caller.pin.board) {
            (Err(error), Some(pinned)) if named.is_none() && error.reason() == Some(Reason::UnknownBoard) => {
                refuse!(
                    UnknownBoard,
                    "the board of this place, set by {}, is not there any more; `/kanban here --board default` names another, `/kanban here off` ends what was set here",
                    pinned.by
                )
            }
            (found, _) => found,
        }
    }

    /// The board that keeps an answer by which nothing changes: a place whose board is gone must still be answered.
    async fn board_for_answers(&self, caller: &Caller) -> Result<Board, Error> {
        match self.board_of(caller, None).await {
            Err(error) if error.reason() == Some(Reason::UnknownBoard) && caller.thread().is_some() => {
                self.boards.get(&BoardSlug::default()).await
            }
            found => found,
        }
    }

    /// The name of the board that a command is about.
    pub fn slug_of(&self, caller: &Caller, named: Option<&BoardSlug>) -> Result<BoardSlug, Error> {
        match (&caller.place, named) {
            (_, None) => self.meant(caller),
            (Place::Worker { board, .. }, Some(named)) if named != board => Err(Error::refused(
                Reason::Forbidden,
                format!("board '{named}' is not yours: a worker may use its own board '{board}' alone"),
            )),
            (Place::Worker { .. } | Place::Terminal { .. } | Place::Thread(_), Some(named)) => Ok(named.clone()),
        }
    }

    /// The board that a caller means who names none.
    pub fn meant(&self, caller: &Caller) -> Result<BoardSlug, Error> {
        match &caller.place {
            Place::Worker { board, .. } => Ok(board.clone()),
            Place::Terminal { .. } => self.boards.current(),
            // There is no current board in chat: one thread's switch would move every other thread's commands.
            Place::Thread(_) => Ok(caller.pin.board.as_ref().map(|board| board.value.clone()).unwrap_or_default()),
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
        let reply = self.failed_as(error, caller.prefix(), &here);
        Reply { notes: self.settings.get().redactor.cleaned(reply.notes), ..reply }
    }

    /// The same for a reader who types the program as `program`, and as `here` where the board at hand is meant.
    pub fn failed_as(&self, error: &Error, program: &str, here: &str) -> Reply {
        if self.is_leaving(error) { Reply::left(Left::Undone) } else { Reply::failed(error, program, here) }
    }

    /// Whether something failed since this process leaves and has let go of its boards: nothing is wrong, and the next one
    /// takes it up.
    pub fn is_leaving(&self, error: &Error) -> bool {
        self.boards.is_over() && matches!(error, Error::Fault(fault) if fault.closed)
    }

    async fn work(
        &self,
        caller: &Caller,
        board: Option<&BoardSlug>,
        verb: &Verb,
        update: Option<&Update>,
        press: Option<&Press<'_>>,
    ) -> Result<Outcome, Error> {
        let places = BoardSlug::default();
        let board = if run::is_about_a_place(verb) { Some(&places) } else { board };
        match verb {
            Verb::Write(write) if !looks(write) => {
                let board = self.board_of(caller, board).await?;
                run::check_files(caller, write, update)?;
                let prepared = run::prepare(self, caller, &board, write).await?;
                let mut tx = board.write().await?;
                first_to_press(&mut tx, press, self.now()).await?;
                let mut done = run::write(self, caller, write, &prepared, &mut tx).await?;
                if let Some(update) = update {
                    run::take_in(self, caller, write, update, &mut done.reply, &mut tx).await?;
                }
                self.note_done(&mut tx, caller, &board, verb, &done.reply).await?;
                // What was refused refers to no file.
                let refers = done.reply.exit == 0;
                let outcome = self.finish(tx, caller, done, update, press).await?;
                if refers {
                    prepared.keep();
                }
                Ok(outcome)
            }
            Verb::Operate(operate) if run::changes_tasks(operate) => {
                let board = self.board_of(caller, board).await?;
                let mut tx = board.write().await?;
                first_to_press(&mut tx, press, self.now()).await?;
                let done = run::operate(self, caller, operate, &mut tx).await?;
                self.note_done(&mut tx, caller, &board, verb, &done.reply).await?;
                self.finish(tx, caller, done, update, press).await
            }
            Verb::Read(Read::Here(args)) => {
                let wanted = run::wanted(self, caller, board, args).await?;
                // What is in force in a place is kept in the default board, since it decides which board is meant.
                let mut tx = self.boards.get(&BoardSlug::default()).await?.write().await?;
                let done = run::here(self, caller, args, &wanted, &mut tx).await?;
                if wanted.is_change() {
                    tx.note(&self.done(caller, &BoardSlug::default(), &Subject::of(verb))).await?;
                }
                self.finish(tx, caller, done, update, press).await
            }
            Verb::Read(_) | Verb::Write(_) | Verb::Operate(_) | Verb::Own(_) | Verb::Shell(_) | Verb::Internal(_) => {
                let reply = run::outside(self, caller, board, verb).await?;
                let subject = Subject::of(verb);
                // What these change lies in files or in several transactions, so it is noted with the answer.
                let entry = (reply.exit == 0 && subject.is_change && !run::notes_itself(verb))
                    .then(|| self.slug_of(caller, board).map(|slug| self.done(caller, &slug, &subject)))
                    .transpose()?;
                Ok(self.answer_noting(caller, update, reply, entry).await)
            }
        }
    }

    /// Notes in the audit what a transaction is about to do.
    async fn note_done(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        board: &Board,
        verb: &Verb,
        reply: &Reply,
    ) -> Result<(), Error> {
        let subject = Subject::of(verb);
        if reply.exit != 0 || !subject.is_change {
            return Ok(());
        }
        let mut entry = self.done(caller, board.slug(), &subject);
        entry.task_id = entry.task_id.filter(|_| subject.verb != "create").or_else(|| reply.task.clone());
        tx.note(&entry).await
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
            let by = caller.actor.name();
            let offer = press.told.buttons.get(press.number).map(|kept| &kept.offer);
            let label = offer.map(|offer| offer.label.as_str()).unwrap_or_default();
            edits.extend(tx.settle(press.told.delivery, &format!("→ {label}: {by}"), by, self.now()).await?);
            if let (Some(origin), Some(Deed::Run(words))) =
                (offer.and_then(|offer| offer.origin), offer.map(|offer| &offer.deed))
            {
                let what = capitalised(words.first().map_or("", String::as_str));
                edits.extend(tx.settle(origin, &format!("→ {what}: {by}"), by, self.now()).await?);
            }
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
                let is_left_out = !update.files.is_empty() && !reply.took_files;
                let noted;
                let reply = if is_left_out && reply.exit == 0 && !reply.is_silent {
                    let notes = [reply.notes.as_str(), run::LEFT_OUT].join("\n");
                    noted = Reply { notes: notes.trim_start().to_owned(), ..reply.clone() };
                    &noted
                } else {
                    reply
                };
                let address = update.return_address.as_deref();
                let mut deliveries = Vec::new();
                // Where a platform shows that an answer is under way, it must learn that there is none.
                if !reply.is_silent || address.is_some() {
                    deliveries.push(owe_answer(tx, caller, thread, (&update.id, address), reply, now).await?);
                }
                deliveries.extend(edits);
                if let Some((message, task)) = &update.message {
                    tx.note_message(thread, message, task, now).await?;
                }
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

/// Owes a thread the answer to an update, and keeps what hangs on it.
async fn owe_answer(
    tx: &mut Tx,
    caller: &Caller,
    thread: &Thread,
    (update, address): (&str, Option<&str>),
    reply: &Reply,
    now: Millis,
) -> Result<String, Error> {
    let mut answer = reply.clone().into_answer();
    let (task, lead) = match &reply.card {
        None => return tx.owe_reply(thread, update, address, answer, now).await,
        Some(Card::OwnThread(task)) => {
            let key = tx.owe_reply(thread, update, address, answer, now).await?;
            tx.give_own_thread(thread, task, &key, Some(caller.actor.name()), now).await?;
            return Ok(key);
        }
        Some(Card::Task(task, lead)) => (Some(task), *lead),
        Some(Card::Board) => (None, Lead::Title),
    };
    let face = match task {
        Some(task) => tx.task_face(task, lead, now).await?,
        None => tx.board_face().await?,
    };
    answer.body = face.body.clone();
    answer.actions.clone_from(&face.actions);
    if !reply.notes.is_empty() {
        answer.body.push(Block::Text(reply.notes.clone()));
    }
    let key = tx.owe_reply(thread, update, address, answer, now).await?;
    tx.place_card(thread, task.map(|task| &task.id), lead, &key, &face, now).await?;
    Ok(key)
}

/// Refuses a press when another one was faster.
async fn first_to_press(tx: &mut Tx, press: Option<&Press<'_>>, now: Millis) -> Result<(), Error> {
    let Some(press) = press else { return Ok(()) };
    let kept = tx.pressable(press.told.delivery, press.number, press.person, now).await?;
    // What leaves everything as it is does no harm, whatever has become of the task.
    if kept.offer.deed == Deed::Leave {
        return Ok(());
    }
    // What was asked for with a button is no longer wanted once that button is used up.
    if let Some(origin) = kept.offer.origin {
        let buttons = tx.buttons_of(origin).await?;
        if let Some(used) = buttons.iter().find(|button| button.pressed_by.is_some()) {
            return match used.offer.question {
                Some(question) => Err(tx.too_late(question, now).await?),
                None => {
                    refuse!(
                        Stale,
                        "the buttons of the message that this was asked for are used up: somebody was faster"
                    )
                }
            };
        }
    }
    still_meant(tx, press.told, &kept.offer).await?;
    still_asked(tx, press.told).await
}

/// Refuses the buttons of what has happened before a task was held anew, and of a card from before it asked.
async fn still_meant(tx: &mut Tx, told: &Told, offer: &Offer) -> Result<(), Error> {
    let Some(id) = told.task.as_ref().and_then(|id| id.parse().ok()) else { return Ok(()) };
    let hold = tx.latest_hold(&id).await?.map(|event| event.id);
    let is_past = offer.event.is_some() && offer.event < hold;
    let verb = match &offer.deed {
        Deed::Run(words) => words.first().map(String::as_str),
        Deed::Confirm(_) | Deed::Choose(_) | Deed::Answer | Deed::Leave => None,
    };
    let lets_go_on = matches!(verb, Some("retry" | "reassign" | "unblock" | "promote" | "complete"));
    // No message of a question offers these.
    let passes_over = lets_go_on && tx.open_question(&id).await?.is_some();
    if is_past || passes_over {
        let task = tx.task(&id).await?;
        refuse!(
            Stale,
            "too late: this message tells of what was before, and the buttons of newer ones work; {}",
            tx.standing(&task).await?
        );
    }
    Ok(())
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

/// Whether a verb that has failed has changed nothing: what it changes is one transaction.
fn is_all_or_nothing(verb: &Verb) -> bool {
    let is_one_transaction = match verb {
        Verb::Write(_) => true,
        Verb::Operate(operate) => run::changes_tasks(operate),
        Verb::Read(_) | Verb::Own(_) => run::notes_itself(verb),
        Verb::Shell(_) | Verb::Internal(_) => false,
    };
    is_one_transaction || !Subject::of(verb).is_change
}

/// Whether a verb that mostly changes things only looks this time.
fn looks(verb: &Write) -> bool {
    matches!(verb, Write::Schedule(schedule) if schedule.only_looks())
}

/// A verb as a button shows it.
fn capitalised(verb: &str) -> String {
    let mut letters = verb.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
