//! The gateway: takes requests in from the platforms, and starts and stops everything that runs.

mod addressed;
mod answer;
mod inbox;
mod intake;
mod lane;
pub mod lock;
pub mod platforms;
mod press;
mod succession;
mod suggest;
mod takeover;
mod timetable;
mod tour;
mod unread;
mod up;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kanban_platform::{
    Author, Batch, Block, Commands, Field, Incoming, Input, NotKept, Receipt, Request, Spec, Suggestion, Surface,
    Thread, file_name,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use self::addressed::addressed;
use self::{
    answer::{Subject, is_talk},
    press::Pressed,
};
pub use self::{
    succession::Origin,
    takeover::{Heir, TakeoverAnswer},
    up::{Down, ShownAround, Start, Up, check_only, up},
};
use crate::{
    board::{
        Actor, Board, Error, ProfileName, TaskId,
        delivery::Told,
        grant::{Code, Granted},
        pin::Pin,
    },
    command::{
        Caller, Desk, Kanban, Mistake, Outcome, Place, Press, Reply, Road, Update, Verb, access, from_chat, from_words,
        named_verb, readable, slash_command, spec, verbs::Own,
    },
    notifier::Platforms,
    settings::{Role, Standing},
};

/// The port that platforms call.
pub struct Gateway {
    desk: Desk,
    /// A request was kept and is to be acted on.
    kept: Notify,
    /// A request brought files.
    files: Notify,
    /// The platforms, for what was said in a thread, and for files.
    platforms: Platforms,
}

impl Gateway {
    pub fn new(desk: Desk) -> Self {
        Self { desk, kept: Notify::new(), files: Notify::new(), platforms: Platforms::new() }
    }

    /// With the platforms whose threads it may read.
    pub fn with_platforms(self, platforms: Platforms) -> Self {
        Self { platforms, ..self }
    }

    async fn route(&self, request: &Request, update: &Update) -> Outcome {
        let caller = match self.caller(request).await {
            Ok(caller) => caller,
            Err(error) => {
                let caller = stranger(request);
                return self.desk.answer(&caller, Some(update), self.desk.failed(&caller, None, &error)).await;
            }
        };
        if let Some((code, may_be_words)) = code_of(request, &caller.standing)
            && let Some(outcome) = self.desk.pair(&caller, update, &request.author, &code, may_be_words).await
        {
            return outcome;
        }
        if caller.standing.is_empty() {
            return match self.is_aside(request).await {
                Ok(true) => self.desk.answer(&caller, Some(update), Reply::silent()).await,
                Ok(false) => self.desk.turn_away(&caller, update, &request.author).await,
                Err(error) => self.desk.answer(&caller, Some(update), self.desk.failed(&caller, None, &error)).await,
            };
        }
        match &request.input {
            Input::Text(text) => match slash_command(text) {
                Some(command) => self.run(&caller, from_chat(&command), None, update).await,
                None => self.hear(&caller, request, text, update).await,
            },
            Input::Words(words) => self.run(&caller, from_words(words, Surface::Chat), None, update).await,
            Input::Press { message, button, words } => {
                self.press(&caller, request, &Pressed { message, button, words: words.as_deref() }, update).await
            }
        }
    }

    /// Who speaks in a request, with what they hold there now: asked anew for a request that has waited.
    async fn caller(&self, request: &Request) -> Result<Caller, Error> {
        let mut tx = self.inbox().await?.read().await?;
        let pin = tx.pin(&request.thread).await?;
        let standing = self.standing(&request.author, Some(&request.thread), &tx.grants().await?);
        let role = standing.highest().unwrap_or(Role::Guest);
        Ok(Caller { role, standing, pin, is_channel: request.is_channel, ..stranger(request) })
    }

    /// What is in force in a thread.
    async fn pin(&self, thread: &Thread) -> Result<Pin, Error> {
        self.inbox().await?.read().await?.pin(thread).await
    }

    /// What a person holds in a place, by the settings and by what was granted since.
    fn standing(&self, author: &Author, place: Option<&Thread>, granted: &[Granted]) -> Standing {
        self.desk.settings.get().access.standing(author, place, &readable(granted))
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

    /// Whether a caller may know of a task of a board, or of the board at all; what others may not see is not there.
    async fn is_seen(&self, caller: &Caller, board: &Board, task: Option<&TaskId>) -> Result<bool, Error> {
        if caller.standing.everywhere() == Some(Role::Owner) {
            return Ok(true);
        }
        let rights = access::rights(caller, board).await?;
        let Some(id) = task else { return Ok(!rights.is_empty()) };
        match board.read().await?.task(id).await {
            Ok(task) => Ok(access::sees_task(&rights, &task)),
            Err(Error::Refused(_)) => Ok(!rights.is_empty()),
            Err(fault) => Err(fault),
        }
    }

    /// A message that is no command: where a task waits for a person, it is the answer.
    async fn hear(&self, caller: &Caller, request: &Request, text: &str, update: &Update) -> Outcome {
        let subject = match self.subject_for(caller, request).await {
            Ok(subject) => subject,
            Err(error) => return self.desk.answer(caller, Some(update), self.desk.failed(caller, None, &error)).await,
        };
        // Replies to what is said in a task's own thread are meant for the task as well.
        let about = subject.as_ref().filter(|subject| subject.is_own).map(|subject| subject.task.clone());
        let update = &Update { message: request.message.clone().zip(about), ..update.clone() };
        if is_talk(text) {
            return self.desk.answer(caller, Some(update), Reply::silent()).await;
        }
        let (named, no_words) = (sent_along(&request.files), text.trim().is_empty());
        // A file without a word is an answer where one is asked for.
        let text = if no_words && !request.files.is_empty() { named.as_str() } else { text };
        if no_words && !request.files.is_empty() && subject.is_none() {
            return self.no_use_for_files(caller, request, update).await;
        }
        if subject.is_some() && self.is_command_before_answer(request, text) {
            return self.overhear(caller, request, text, true, update).await;
        }
        if let Some(subject) = &subject {
            let road = if subject.told.is_none() { Road::Thread } else { caller.road };
            match self.answer(&caller.by(road), request, subject, text, update).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => {}
                Err(error) => {
                    let reply = self.desk.failed(caller, Some(subject.board.slug()), &error);
                    return self.desk.answer(caller, Some(update), reply).await;
                }
            }
        }
        if let Some(subject) = subject.filter(|_| !request.files.is_empty()) {
            let words = if no_words { None } else { Some(text) };
            return self.attach_to(caller, &subject, words, update).await;
        }
        match self.is_to_us(request).await {
            Ok(is_to_us) => self.overhear(caller, request, text, is_to_us, update).await,
            Err(error) => self.desk.answer(caller, Some(update), self.desk.failed(caller, None, &error)).await,
        }
    }

    /// Takes what was sent along for the task that the message is about, and its words as a comment.
    async fn attach_to(&self, caller: &Caller, subject: &Subject, words: Option<&str>, update: &Update) -> Outcome {
        let task = subject.task.as_str();
        let command = match words {
            Some(words) => ["comment", task, "--", words].map(str::to_owned).to_vec(),
            None => ["attach", task].map(str::to_owned).to_vec(),
        };
        self.run(caller, on(&subject.board, &command), None, update).await
    }

    /// What is said of files that come without a word and are about no task.
    async fn no_use_for_files(&self, caller: &Caller, request: &Request, update: &Update) -> Outcome {
        let reply = match self.is_to_us(request).await {
            Ok(true) => Reply {
                exit: 2,
                ..Reply::refused(
                    "what is this file for? Send it with `/kanban create WHAT IS TO BE DONE` or `/kanban attach ID` in the same message, or as a reply to a message of its task",
                )
            },
            Ok(false) => Reply::silent(),
            Err(error) => self.desk.failed(caller, None, &error),
        };
        self.desk.answer(caller, Some(update), reply).await
    }

    /// Whether a message in a task's own thread is a command to us rather than an answer: it addresses us, and names a
    /// profile that there is, or is a command as a whole that names a task or has nothing but its verb and options.
    fn is_command_before_answer(&self, request: &Request, text: &str) -> bool {
        if !request.addressed || request.reply_to.is_some() {
            return false;
        }
        if let Some(to) = addressed(text) {
            let name = to.name().parse::<ProfileName>();
            return name.is_ok_and(|name| self.desk.settings.get().profiles.find(&name).is_ok());
        }
        let words: Vec<&str> = text.split_whitespace().skip_while(|word| word.eq_ignore_ascii_case("kanban")).collect();
        let is_bare = words.get(1).is_none_or(|word| word.starts_with('-'));
        let names_task = words.iter().skip(1).any(|word| word.starts_with("t_") && word.parse::<TaskId>().is_ok());
        named_verb(text) && (is_bare || names_task) && from_chat(text).is_ok()
    }

    /// The task that a message is about, if the caller may know of it.
    async fn subject_for(&self, caller: &Caller, request: &Request) -> Result<Option<Subject>, Error> {
        match self.subject(request).await? {
            Some(subject) if self.is_seen(caller, &subject.board, Some(&subject.task)).await? => Ok(Some(subject)),
            Some(_) | None => Ok(None),
        }
    }

    /// Whether somebody addressed us, or replies to a post of ours.
    async fn is_to_us(&self, request: &Request) -> Result<bool, Error> {
        match &request.reply_to {
            Some(message) if !request.addressed => Ok(self.told(&request.thread, message).await?.is_some()),
            Some(_) | None => Ok(request.addressed),
        }
    }

    /// A message that answers nothing: a command to us, a turn for the thread's agent, or nobody's business.
    async fn overhear(
        &self,
        caller: &Caller,
        request: &Request,
        text: &str,
        is_to_us: bool,
        update: &Update,
    ) -> Outcome {
        let resident = self.resident(caller, text, is_to_us);
        // Whoever speaks to us need not say `/kanban`, if the first word is a verb. Where an agent listens, the words
        // must be a command as a whole: "show me the tests" is for the agent.
        let command = (is_to_us && named_verb(text)).then(|| from_chat(text));
        let is_whole =
            |command: &Result<Kanban, Mistake>| command.as_ref().map_or_else(|wrong| wrong.exit == 0, |_| true);
        match (command, resident) {
            (Some(command), resident) if is_whole(&command) || resident.is_none() => {
                self.run(caller, command, None, update).await
            }
            // Where an agent listens, a profile is named without a word to us; people may name each other there as well.
            (_, resident)
                if let Some(to) = addressed(text)
                    && (is_to_us || (resident.is_some() && to.is_known(&self.desk.settings.get()))) =>
            {
                self.task_for(caller, request, to, update).await
            }
            (_, Some(name)) if !request.files.is_empty() => {
                let text = format!(
                    "{text}\n\n({}; files go with tasks, and are not handed to you)",
                    sent_along(&request.files)
                );
                self.queue(caller, request, &text, &name, is_to_us, update).await
            }
            (_, Some(name)) => self.queue(caller, request, text, &name, is_to_us, update).await,
            (_, None) if !request.addressed => self.desk.answer(caller, Some(update), Reply::silent()).await,
            (_, None) => {
                let hint = "this is not a command; `/kanban help` lists what I understand, and a reply to a question of a task answers it";
                self.desk.answer(caller, Some(update), Reply { exit: 2, ..Reply::refused(hint) }).await
            }
        }
    }

    /// Whether a message is for somebody else: nobody addressed it to us, it replies to no post of ours, and no task
    /// waits for it.
    async fn is_aside(&self, request: &Request) -> Result<bool, Error> {
        let Input::Text(text) = &request.input else { return Ok(false) };
        if request.addressed || slash_command(text).is_some() {
            return Ok(false);
        }
        if is_talk(text) {
            return Ok(true);
        }
        if let Some(message) = &request.reply_to
            && self.told(&request.thread, message).await?.is_some()
        {
            return Ok(false);
        }
        match self.subject(request).await? {
            Some(Subject { board, task, .. }) => Ok(board.read().await?.open_question(&task).await?.is_none()),
            None => Ok(true),
        }
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

/// Files in words, where a message has no others.
fn sent_along(files: &[Incoming]) -> String {
    let names: Vec<String> = files.iter().map(|file| format!("`{}`", file_name(&file.name))).collect();
    format!("sent along: {}", names.join(", "))
}

/// Words as a command on this board.
fn on(board: &Board, words: &[String]) -> Result<Kanban, Mistake> {
    from_words(words, Surface::Chat).map(|command| Kanban { board: Some(board.slug().clone()), ..command })
}

/// Who speaks in a request, before it is known what they hold.
fn stranger(request: &Request) -> Caller {
    let actor = Actor::Person { name: request.author.to_string() };
    let caller = Caller::new(actor, Role::Guest, Place::Thread(request.thread.clone()));
    let author = Some(request.author.clone());
    Caller { author, road: road_of(request), standing: Standing::default(), ..caller }
}

/// How a request came in.
fn road_of(request: &Request) -> Road {
    match &request.input {
        Input::Words(_) => Road::Slash,
        Input::Press { words: Some(_), .. } => Road::Form,
        Input::Press { words: None, .. } => Road::Button,
        Input::Text(text) if slash_command(text).is_none() && request.reply_to.is_some() => Road::Reply,
        Input::Text(_) => Road::Text,
    }
}

/// The code by which somebody wants to become owner: as the command says it, or, of whoever does not own everything yet,
/// as the whole message. What somebody says who is known here may be words like any others; answers that too.
fn code_of(request: &Request, standing: &Standing) -> Option<(Code, bool)> {
    let is_known = !standing.is_empty();
    let command = match &request.input {
        Input::Words(words) => from_words(words, Surface::Chat),
        Input::Text(text) => match slash_command(text) {
            Some(command) => from_chat(&command),
            None => match Code::read(text) {
                // Whatever a known person says here goes to a task or to an agent, and a code is for neither.
                Some(code) if request.addressed || is_known => {
                    return (standing.everywhere() != Some(Role::Owner)).then_some((code, is_known));
                }
                None if request.addressed => from_chat(text),
                Some(_) | None => return None,
            },
        },
        Input::Press { .. } => return None,
    };
    match command.ok()?.verb? {
        Verb::Own(Own::Pair(args)) => Code::read(&args.code.join(" ")).map(|code| (code, false)),
        Verb::Read(_) | Verb::Write(_) | Verb::Operate(_) | Verb::Own(_) | Verb::Shell(_) | Verb::Internal(_) => None,
    }
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
        message: None,
        files: request.files.clone(),
    }
}

impl Gateway {
    /// Acts on a request, unless that was done before.
    async fn take(&self, request: &Request) -> Receipt {
        let span = tracing::info_span!("request", thread.id = %request.thread, update = request.update);
        async {
            let update = update_of(request);
            match self.desk.receipt(&update).await {
                Ok(Some(receipt)) => {
                    return Receipt { deliveries: receipt.deliveries, exit: receipt.exit, is_left: false };
                }
                Ok(None) => {}
                // What is asked meets the same, and is left to the next gateway.
                Err(error) if self.desk.is_leaving(&error) => {}
                Err(error) => tracing::error!(%error, "the inbox cannot be read"),
            }
            let outcome = self.route(request, &update).await;
            if outcome.reply.left.is_some() {
                tracing::info!("request {} is left to the next gateway", request.update);
                return Receipt { deliveries: Vec::new(), exit: outcome.reply.exit, is_left: true };
            }
            if !request.files.is_empty() {
                self.files.notify_one();
            }
            tracing::info!(exit = outcome.reply.exit, "request {} was handled", request.update);
            Receipt { deliveries: outcome.deliveries, exit: outcome.reply.exit, is_left: false }
        }
        .instrument(span)
        .await
    }

    /// The tasks of a person that are not done, for a page of their own.
    async fn own_tasks(&self, author: &Author) -> Result<Vec<Block>, Error> {
        let granted = self.inbox().await?.read().await?.grants().await?;
        let standing = self.standing(author, None, &granted);
        if standing.is_empty() {
            return Ok(vec![Block::Text("You are not known here; an owner can let you in.".to_owned())]);
        }
        let mut body = Vec::new();
        for board in self.desk.boards.all().await? {
            let mut tx = board.read().await?;
            let rights = standing.on(board.slug(), tx.is_private().await?);
            let mut tasks = tx.open_tasks_of(&format!("{}:{}", author.platform, author.id)).await?;
            tasks.retain(|task| access::sees_task(&rights, task));
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
        let redactor = Arc::clone(&self.desk.settings.get().redactor);
        let mut found = self.suggestions(field).await.unwrap_or_else(|error| {
            tracing::error!(%error, "suggestions cannot be made");
            Vec::new()
        });
        for suggestion in &mut found {
            suggestion.label = redactor.cleaned(std::mem::take(&mut suggestion.label));
        }
        found
    }

    async fn home(&self, author: &Author) -> Vec<Block> {
        let body = self.own_tasks(author).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a person's tasks cannot be read");
            vec![Block::Text("The board cannot be read at present.".to_owned())]
        });
        self.desk.settings.get().redactor.blocks(body)
    }
}
