//! The gateway: takes requests in from the platforms, and starts and stops everything that runs.

mod inbox;
pub mod lock;
pub mod platforms;
mod suggest;
mod up;

use std::time::Duration;

use async_trait::async_trait;
use kanban_platform::{
    Author, Batch, Block, Commands, Field, Input, NotKept, Receipt, Request, Spec, Suggestion, Surface, Thread,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

pub use self::up::{Up, up};
use crate::{
    board::{Actor, Board, Error, TaskId, delivery::Told, task::Status},
    command::{
        Caller, Desk, Kanban, Mistake, Outcome, Place, Press, Reply, Update, from_chat, from_words, named_verb,
        slash_command, spec,
    },
    settings::Role,
};

/// The port that platforms call.
pub struct Gateway {
    desk: Desk,
    /// A request was kept and is to be acted on.
    kept: Notify,
}

impl Gateway {
    pub fn new(desk: Desk) -> Self {
        Self { desk, kept: Notify::new() }
    }

    async fn route(&self, request: &Request, update: &Update) -> Outcome {
        let settings = self.desk.settings.get();
        let place = Place::Thread(request.thread.clone());
        let actor = Actor::Person { name: request.author.to_string() };
        let Some(role) = settings.access.role_of(&request.author) else {
            let caller = Caller { actor, role: Role::Guest, place };
            return match self.is_aside(request).await {
                Ok(true) => self.desk.answer(&caller, Some(update), Reply::silent()).await,
                Ok(false) => self.desk.turn_away(&caller, update, &request.author).await,
                Err(error) => self.desk.answer(&caller, Some(update), self.desk.failed(&caller, None, &error)).await,
            };
        };
        let caller = Caller { actor, role, place };
        match &request.input {
            Input::Text(text) => match slash_command(text) {
                Some(command) => self.run(&caller, from_chat(&command), None, update).await,
                None => self.hear(&caller, request, text, update).await,
            },
            Input::Words(words) => self.run(&caller, from_words(words, Surface::Chat), None, update).await,
            Input::Press { message, button } => self.press(&caller, &request.thread, message, button, update).await,
        }
    }

    async fn run(
        &self,
        caller: &Caller,
        command: Result<Kanban, Mistake>,
        press: Option<&Press<'_>>,
        update: &Update,
    ) -> Outcome {
        match command {
            Ok(command) => self.desk.run_pressed(caller, &command, Some(update), press).await,
            Err(mistake) if mistake.exit == 0 => {
                self.desk.answer(caller, Some(update), Reply::text(mistake.text)).await
            }
            Err(mistake) => {
                let reply = Reply { exit: mistake.exit, ..Reply::refused(mistake.text) };
                self.desk.answer(caller, Some(update), reply).await
            }
        }
    }

    /// A message that is no command: a reply to the post of a task that waits for a person is the answer to it.
    async fn hear(&self, caller: &Caller, request: &Request, text: &str, update: &Update) -> Outcome {
        let asked = match &request.reply_to {
            Some(message) => self.told(&request.thread, message).await,
            None => Ok(None),
        };
        let waiting = match asked {
            Ok(Some((board, told))) => {
                self.waiting(&board, &told).await.map(|found| found.map(|verb| (board, told, verb)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match waiting {
            Ok(Some(_)) if text.trim().is_empty() => {
                let hint = "an empty reply is no answer; reply with the words that the task waits for";
                self.desk.answer(caller, Some(update), Reply::refused(hint)).await
            }
            Ok(Some((board, told, verb))) => {
                let task = told.task.unwrap_or_default();
                let words = [verb, &task, "--reason", text].map(str::to_owned);
                self.run(caller, on(&board, &words), None, update).await
            }
            Ok(None) if !request.addressed => self.desk.answer(caller, Some(update), Reply::silent()).await,
            // Whoever speaks to us need not say `/kanban`, if the first word is a verb.
            Ok(None) if named_verb(text) => self.run(caller, from_chat(text), None, update).await,
            Ok(None) => {
                let hint = "this is not a command; `/kanban help` lists what I understand, and a reply to a question of a task answers it";
                self.desk.answer(caller, Some(update), Reply { exit: 2, ..Reply::refused(hint) }).await
            }
            Err(error) => self.desk.answer(caller, Some(update), self.desk.failed(caller, None, &error)).await,
        }
    }

    /// Whether a message is for somebody else: nobody addressed it to us, and it replies to no post of ours.
    async fn is_aside(&self, request: &Request) -> Result<bool, Error> {
        match (&request.input, &request.reply_to) {
            (Input::Text(text), _) if request.addressed || slash_command(text).is_some() => Ok(false),
            (Input::Text(_), Some(message)) => Ok(self.told(&request.thread, message).await?.is_none()),
            (Input::Text(_), None) => Ok(true),
            (Input::Words(_) | Input::Press { .. }, _) => Ok(false),
        }
    }

    /// The verb by which a reply lets the task of a post go on, if it waits for a person.
    async fn waiting(&self, board: &Board, told: &Told) -> Result<Option<&'static str>, Error> {
        let Some(id) = told.task.as_ref().and_then(|task| task.parse::<TaskId>().ok()) else { return Ok(None) };
        let told_of_block = matches!(told.event.as_deref(), Some("blocked" | "block_loop_detected" | "gave_up"));
        let task = match board.read().await?.task(&id).await {
            Ok(task) => task,
            Err(Error::Refused(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        Ok(match task.status {
            Status::Blocked if told_of_block => Some("unblock"),
            Status::Triage if told_of_block => Some("promote"),
            Status::Triage
            | Status::Todo
            | Status::Scheduled
            | Status::Ready
            | Status::Running
            | Status::Blocked
            | Status::Review
            | Status::Done
            | Status::Archived => None,
        })
    }

    /// A press runs the command behind the button as the person who pressed.
    async fn press(&self, caller: &Caller, thread: &Thread, message: &str, button: &str, update: &Update) -> Outcome {
        let found = match self.pressed(thread, message, button).await {
            Ok(found) => found,
            Err(error) => return self.desk.answer(caller, Some(update), self.desk.failed(caller, None, &error)).await,
        };
        let refusal = match found {
            Some((_, told, _)) if told.is_pressed() => Press::TOO_LATE.to_owned(),
            Some((board, told, number)) => {
                if let Some((label, words)) = number.and_then(|number| told.actions.get(number)) {
                    let press = Press { told: &told, message, label };
                    return self.run(caller, on(&board, words), Some(&press), update).await;
                }
                format!("there is no button `{button}` below this message")
            }
            None => "this button is no longer there".to_owned(),
        };
        self.desk.answer(caller, Some(update), Reply::refused(refusal)).await
    }

    /// The post whose button was pressed, and the button's number: by its key, which names the post, or by its label.
    async fn pressed(
        &self,
        thread: &Thread,
        message: &str,
        button: &str,
    ) -> Result<Option<(Board, Told, Option<usize>)>, Error> {
        for board in self.desk.boards.all().await? {
            let found = board.read().await?.told_by_key(button).await?;
            if let Some((told, number)) = found.filter(|(told, _)| told.post.thread.platform == thread.platform) {
                return Ok(Some((board, told, Some(number))));
            }
        }
        let found = self.told(thread, message).await?;
        Ok(found.map(|(board, told)| {
            let number = told.actions.iter().position(|(label, _)| label.eq_ignore_ascii_case(button));
            (board, told, number)
        }))
    }

    /// The post of ours behind a message, and the board that it came from.
    ///
    /// People and programs can be faster than we note that a post has arrived, so while the thread is owed something
    /// an unknown message is looked for again.
    async fn told(&self, thread: &Thread, message: &str) -> Result<Option<(Board, Told)>, Error> {
        let mut commits = self.desk.boards.wake().commits.subscribe();
        let deadline = Instant::now() + NOTING;
        loop {
            commits.mark_unchanged();
            let mut is_under_way = false;
            for board in self.desk.boards.all().await? {
                let mut tx = board.read().await?;
                if let Some(told) = tx.told(thread, message).await? {
                    return Ok(Some((board, told)));
                }
                is_under_way |= tx.is_in_flight(thread, self.desk.now() - NOTING_MILLIS).await?;
            }
            if !is_under_way || timeout_at(deadline, commits.changed()).await.is_err() {
                return Ok(None);
            }
        }
    }
}

/// How long a message may be unknown because its arrival is not noted yet.
const NOTING: Duration = Duration::from_millis(NOTING_MILLIS.unsigned_abs());
const NOTING_MILLIS: i64 = 2_000;

/// Words as a command on this board.
fn on(board: &Board, words: &[String]) -> Result<Kanban, Mistake> {
    from_words(words, Surface::Chat).map(|command| Kanban { board: Some(board.slug().clone()), ..command })
}

/// Whether a message is for us, so that it is kept and answered.
fn is_for_us(request: &Request) -> bool {
    request.addressed
        || request.reply_to.is_some()
        || match &request.input {
            Input::Text(text) => slash_command(text).is_some(),
            Input::Words(_) | Input::Press { .. } => true,
        }
}

fn update_of(request: &Request) -> Update {
    Update {
        platform: request.thread.platform.clone(),
        id: request.update.clone(),
        return_address: request.return_address.clone(),
    }
}

impl Gateway {
    /// Acts on a request, unless that was done before.
    async fn take(&self, request: &Request) -> Receipt {
        let span = tracing::info_span!("request", thread.id = %request.thread, update = request.update);
        async {
            let update = update_of(request);
            match self.desk.receipt(&update).await {
                Ok(Some(receipt)) => return Receipt { deliveries: receipt.deliveries, exit: receipt.exit },
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the inbox cannot be read"),
            }
            let outcome = self.route(request, &update).await;
            tracing::info!(exit = outcome.reply.exit, "request {} was handled", request.update);
            Receipt { deliveries: outcome.deliveries, exit: outcome.reply.exit }
        }
        .instrument(span)
        .await
    }

    /// The tasks of a person that are not done, for a page of their own.
    async fn own_tasks(&self, author: &Author) -> Result<Vec<Block>, Error> {
        let settings = self.desk.settings.get();
        if settings.access.role_of(author).is_none() {
            return Ok(vec![Block::Text("You are not known here; an owner can let you in.".to_owned())]);
        }
        let mut body = Vec::new();
        for board in self.desk.boards.all().await? {
            let tasks = board.read().await?.open_tasks_of(&format!("{}:{}", author.platform, author.id)).await?;
            if !tasks.is_empty() {
                body.push(Block::Title(format!("Board {}", board.slug())));
            }
            body.extend(tasks.iter().flat_map(|task| {
                let state = match &task.assignee {
                    Some(profile) => format!("{} · @{profile} · {}", task.status, task.id),
                    None => format!("{} · {}", task.status, task.id),
                };
                [Block::Text(task.title.clone()), Block::Footer(state)]
            }));
        }
        if body.is_empty() {
            body.push(Block::Text(
                "None of your tasks is open. To make one: `/kanban create WHAT IS TO BE DONE`".to_owned(),
            ));
        }
        Ok(body)
    }
}

#[async_trait]
impl Commands for Gateway {
    fn spec(&self) -> &Spec {
        spec()
    }

    async fn keep(&self, batch: Batch) -> Result<(), NotKept> {
        self.keep_batch(&batch).await
    }

    async fn handle(&self, request: Request) -> Receipt {
        self.take(&request).await
    }

    async fn position(&self, platform: &str, stream: &str) -> Result<Option<String>, NotKept> {
        let position = async { self.inbox().await?.read().await?.position(platform, stream).await };
        position.await.map_err(|error| NotKept(error.to_string()))
    }

    async fn threads(&self, platform: &str) -> Result<Vec<Thread>, NotKept> {
        let threads = async {
            let mut threads = Vec::new();
            for board in self.desk.boards.all().await? {
                threads.extend(board.read().await?.threads_of(platform).await?);
            }
            threads.sort();
            threads.dedup();
            Ok::<_, Error>(threads)
        };
        threads.await.map_err(|error| NotKept(error.to_string()))
    }

    async fn suggest(&self, field: &Field) -> Vec<Suggestion> {
        self.suggestions(field).await.unwrap_or_else(|error| {
            tracing::error!(%error, "suggestions cannot be made");
            Vec::new()
        })
    }

    async fn home(&self, author: &Author) -> Vec<Block> {
        self.own_tasks(author).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a person's tasks cannot be read");
            vec![Block::Text("The board cannot be read at present.".to_owned())]
        })
    }
}
