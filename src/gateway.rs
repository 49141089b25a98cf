//! The gateway: takes requests in from the platforms, and starts and stops everything that runs.

pub mod lock;
mod up;

use std::time::Duration;

use async_trait::async_trait;
use kanban_platform::{Author, Commands, Input, Kind, Receipt, Request, Spec, Suggestion, Surface, Thread};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

pub use self::up::{Up, up};
use crate::{
    board::{Actor, Board, BoardSlug, Error, TaskId, delivery::Told, task::Status},
    command::{Caller, Desk, Kanban, Mistake, Outcome, Place, Reply, Update, command_of, from_chat, from_words, spec},
    settings::Role,
};

/// The port that platforms call.
pub struct Gateway {
    desk: Desk,
}

impl Gateway {
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    async fn route(&self, request: &Request, update: &Update) -> Outcome {
        let settings = self.desk.settings.get();
        let place = Place::Thread(request.thread.clone());
        let actor = Actor::Person { name: request.author.to_string() };
        let Some(role) = settings.access.role_of(&request.author) else {
            let caller = Caller { actor, role: Role::Guest, place };
            let text = format!(
                "you are not known here; an owner can add `{}:{}` to `[access]` in the settings",
                request.author.platform, request.author.id
            );
            return self.desk.answer(&caller, Some(update), Reply::refused(text)).await;
        };
        let caller = Caller { actor, role, place };
        match &request.input {
            Input::Text(text) if command_of(text).is_some() => self.run(&caller, from_chat(text), update).await,
            Input::Text(text) => self.hear(&caller, request, text, update).await,
            Input::Words(words) => self.run(&caller, from_words(words, Surface::Chat), update).await,
            Input::Press { message, label } => self.press(&caller, &request.thread, message, label, update).await,
        }
    }

    async fn run(&self, caller: &Caller, command: Result<Kanban, Mistake>, update: &Update) -> Outcome {
        match command {
            Ok(command) => self.desk.run(caller, &command, Some(update)).await,
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
            Ok(Some((board, told, verb))) => {
                let task = told.task.unwrap_or_default();
                let words = [verb, &task, "--reason", text].map(str::to_owned);
                self.run(caller, on(&board, &words), update).await
            }
            Ok(None) => {
                let hint = "this is not a command; `/kanban help` lists what I understand, and a reply to a question of a task answers it";
                self.desk.answer(caller, Some(update), Reply { exit: 2, ..Reply::refused(hint) }).await
            }
            Err(error) => self.desk.answer(caller, Some(update), Reply::failed(&error)).await,
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
    async fn press(&self, caller: &Caller, thread: &Thread, message: &str, label: &str, update: &Update) -> Outcome {
        let found = match self.told(thread, message).await {
            Ok(found) => found,
            Err(error) => return self.desk.answer(caller, Some(update), Reply::failed(&error)).await,
        };
        let action = found.and_then(|(board, told)| {
            let words = told
                .actions
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(label))
                .map(|(_, words)| words.clone())?;
            Some((board, told, words))
        });
        let Some((board, told, words)) = action else {
            let text = format!("the button `{label}` is no longer there");
            return self.desk.answer(caller, Some(update), Reply::refused(text)).await;
        };
        let looks = words.first().is_some_and(|verb| matches!(verb.as_str(), "show" | "log"));
        let mut outcome = self.run(caller, on(&board, &words), update).await;
        if outcome.reply.exit == 0 && !looks {
            match self.settle_buttons(caller, &board, &told, message, label).await {
                Ok(edit) => outcome.deliveries.push(edit),
                Err(error) => tracing::warn!(%error, "the buttons of a message could not be taken away"),
            }
        }
        outcome
    }

    /// Replaces the buttons of a message by what became of them.
    async fn settle_buttons(
        &self,
        caller: &Caller,
        board: &Board,
        told: &Told,
        message: &str,
        label: &str,
    ) -> Result<String, Error> {
        let text = format!("{}\n→ {label}: {}", told.post.text, caller.actor.name());
        let mut tx = board.write().await?;
        let edit = tx.owe_edit(told, message, text, self.desk.now()).await?;
        tx.commit().await?;
        Ok(edit)
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
            let mut is_owed = false;
            for board in self.desk.boards.all().await? {
                let mut tx = board.read().await?;
                if let Some(told) = tx.told(thread, message).await? {
                    return Ok(Some((board, told)));
                }
                is_owed |= tx.threads_owed().await?.iter().any(|owed| owed.thread() == *thread);
            }
            if !is_owed || timeout_at(deadline, commits.changed()).await.is_err() {
                return Ok(None);
            }
        }
    }
}

/// How long a message may be unknown because its arrival is not noted yet.
const NOTING: Duration = Duration::from_secs(2);

/// Words as a command on this board.
fn on(board: &Board, words: &[String]) -> Result<Kanban, Mistake> {
    from_words(words, Surface::Chat).map(|command| Kanban { board: Some(board.slug().clone()), ..command })
}

#[async_trait]
impl Commands for Gateway {
    fn spec(&self) -> &Spec {
        spec()
    }

    async fn handle(&self, request: Request) -> Receipt {
        let span = tracing::info_span!("request", thread.id = %request.thread, update = request.update);
        async {
            let update = Update { platform: request.thread.platform.clone(), id: request.update.clone() };
            match self.desk.receipt(&update).await {
                Ok(Some(receipt)) => return Receipt { deliveries: receipt.deliveries, exit: receipt.exit },
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the inbox cannot be read"),
            }
            let outcome = self.route(&request, &update).await;
            tracing::info!(exit = outcome.reply.exit, "request {} was handled", request.update);
            Receipt { deliveries: outcome.deliveries, exit: outcome.reply.exit }
        }
        .instrument(span)
        .await
    }

    async fn suggest(&self, kind: &Kind, typed: &str, author: &Author) -> Vec<Suggestion> {
        let settings = self.desk.settings.get();
        if settings.access.role_of(author).is_none() {
            return Vec::new();
        }
        let plain = |value: &str| Suggestion { value: value.to_owned(), label: value.to_owned() };
        let fits = |value: &&str| value.starts_with(&typed.to_lowercase());
        let found = async {
            Ok::<_, Error>(match kind {
                Kind::Task => {
                    let board = self.desk.boards.get(&BoardSlug::default()).await?;
                    let tasks = board.read().await?.suggest_tasks(typed).await?;
                    tasks
                        .iter()
                        .map(|task| Suggestion {
                            value: task.id.to_string(),
                            label: format!("{} ({})", task.title, task.status),
                        })
                        .collect()
                }
                Kind::Profile => {
                    settings.profiles.iter().map(|profile| profile.name.as_str()).filter(fits).map(plain).collect()
                }
                Kind::Board => {
                    let names = self.desk.boards.names()?;
                    names.iter().map(BoardSlug::as_str).filter(fits).map(plain).collect()
                }
                Kind::Tenant => {
                    let board = self.desk.boards.get(&BoardSlug::default()).await?;
                    let tenants = board.read().await?.tenants().await?;
                    tenants.iter().map(String::as_str).filter(fits).map(plain).collect()
                }
                Kind::Workspace => ["scratch", "dir:", "worktree"].into_iter().filter(fits).map(plain).collect(),
                Kind::Choice(choices) => {
                    choices.iter().map(|choice| choice.name.as_str()).filter(fits).map(plain).collect()
                }
                Kind::Flag | Kind::Integer | Kind::Text | Kind::Prose => Vec::new(),
            })
        };
        found.await.unwrap_or_else(|error: Error| {
            tracing::error!(%error, "suggestions cannot be made");
            Vec::new()
        })
    }
}
