//! What people say where a task waits for a person: which task is meant, and what their words do to it.

use kanban_platform::{Input, Request};

use super::{Gateway, addressed::addressed, on};
use crate::{
    board::{
        Board, BoardSlug, Error, TaskId,
        delivery::{Purpose, Told},
        error::refuse,
        question::Road,
        task::Status,
    },
    clock::Millis,
    command::{
        Caller, Kanban, Outcome, Reply, Update, Verb, named_verb,
        verbs::{Answer, AnswerBy, Write},
    },
};

/// For so long after an answer, words in the task's own thread are taken for another one that came too late.
const JUST_NOW: Millis = 10 * 60 * 1_000;

/// The task that a message is about.
pub(super) struct Subject {
    pub(super) board: Board,
    pub(super) task: TaskId,
    /// The post that the message replies to.
    pub(super) told: Option<Told>,
    /// It was said in the task's own thread.
    pub(super) is_own: bool,
    /// The tasks that ask in this thread, where there are several and nothing says which is meant.
    asking: Vec<(Board, TaskId)>,
}

/// Whether people talk among themselves: what begins with `//` answers nothing.
pub(super) fn is_talk(text: &str) -> bool {
    text.trim_start().starts_with("//")
}

impl Gateway {
    /// The task that a message is about. Where the one that it names asks nothing, it is the one that asks in the thread.
    pub(super) async fn subject(&self, request: &Request) -> Result<Option<Subject>, Error> {
        let named = self.named(request).await?;
        // Some platforms say of each message in a thread that it replies to the first one. Nobody has chosen that one.
        let replies_to_first = request.reply_to.is_some() && request.reply_to == request.thread.thread;
        let is_in_own = request.reply_to.is_none() && named.is_some();
        let is_command = match &request.input {
            Input::Text(text) => request.addressed && (named_verb(text) || addressed(text).is_some()),
            Input::Words(_) | Input::Press { .. } => true,
        };
        if !(replies_to_first || is_in_own) || (is_command && named.is_none()) {
            return Ok(named);
        }
        if let Some(subject) = &named {
            let asks = subject.board.read().await?.open_question(&subject.task).await?.is_some();
            if asks || subject.told.as_ref().is_some_and(|told| told.post.prompts) {
                return Ok(named);
            }
        }
        let mut asking = Vec::new();
        for board in self.desk.boards.all().await? {
            let tasks = board.read().await?.asking_in(&request.thread).await?;
            asking.extend(tasks.into_iter().map(|task| (board.clone(), task)));
        }
        let Some((board, task)) = asking.first().cloned() else { return Ok(named) };
        let is_own = named.is_some_and(|subject| subject.is_own);
        let asking = if asking.len() > 1 { asking } else { Vec::new() };
        Ok(Some(Subject { board, task, told: None, is_own, asking }))
    }

    /// The task that a message is about by what it replies to, a post of ours or what somebody else has said to the
    /// task, or by the thread, if that is a task's own.
    async fn named(&self, request: &Request) -> Result<Option<Subject>, Error> {
        let mut said = None;
        let mut own = None;
        for board in self.desk.boards.all().await? {
            let mut tx = board.read().await?;
            if let Some(message) = &request.reply_to
                && said.is_none()
            {
                said = tx.task_of_message(&request.thread, message).await?;
            }
            if own.is_none() {
                own = tx.task_of_thread(&request.thread).await?;
            }
        }
        if let Some(message) = request.reply_to.as_ref().filter(|_| said.is_none())
            && let Some((board, told)) = self.told(&request.thread, message).await?
            && let Some(task) = told.task.as_ref().and_then(|task| task.parse::<TaskId>().ok())
        {
            let is_own = board.read().await?.task_of_thread(&told.post.thread).await?.as_ref() == Some(&task);
            let is_own = is_own || own.as_ref() == Some(&task);
            return Ok(Some(Subject { board, is_own, task, told: Some(told), asking: Vec::new() }));
        }
        let Some(task) = said.or(own) else { return Ok(None) };
        let board = self.board_with(&task).await?;
        Ok(board.map(|board| Subject { board, task, told: None, is_own: true, asking: Vec::new() }))
    }

    /// Takes words as what a task waits for; none if it waits for nothing.
    pub(super) async fn answer(
        &self,
        caller: &Caller,
        request: &Request,
        subject: &Subject,
        text: &str,
        update: &Update,
    ) -> Result<Option<Outcome>, Error> {
        let Subject { board, task, told, asking, .. } = subject;
        if !asking.is_empty() {
            let mut lines = Vec::new();
            for (board, task) in asking {
                if self.is_seen(caller, board, Some(task)).await? {
                    let option = match *board.slug() == BoardSlug::default() {
                        true => String::new(),
                        false => format!("--board {} ", board.slug()),
                    };
                    lines.push(format!("`/kanban {option}answer {task} YOUR ANSWER`"));
                }
            }
            let text = format!("several tasks ask here; say which one you answer: {}", lines.join(", "));
            return Ok(Some(self.desk.answer(caller, Some(update), Reply::refused(text)).await));
        }
        // A message that asks for words is replied to with them.
        if let Some(told) = told.as_ref().filter(|told| told.post.prompts && !told.buttons.is_empty()) {
            return Ok(Some(self.push(caller, request, board, told, 0, Some(text), update).await?));
        }
        let told_of_block = told.as_ref().and_then(|told| told.event.as_deref());
        let told_of_block =
            told_of_block.filter(|event| matches!(*event, "blocked" | "block_loop_detected" | "gave_up"));
        let (status, asks, has_asked, question, is_past) = {
            let mut tx = board.read().await?;
            let status = match tx.task(task).await {
                Ok(task) => task.status,
                Err(Error::Refused(_)) => return Ok(None),
                Err(fault) => return Err(fault),
            };
            let last = tx.last_question(task).await?;
            let asks = last.as_ref().is_some_and(|asked| asked.answer.is_none() && asked.closed_at.is_none());
            // Words in the thread that come just behind somebody else's answer were meant as one too.
            let is_unaddressed = !request.addressed || !(named_verb(text) || addressed(text).is_some());
            if let Some(asked) =
                last.as_ref().filter(|_| told.is_none() && request.reply_to.is_none() && is_unaddressed)
                && let Some(answer) = &asked.answer
                && answer.by != caller.actor.name()
                && self.desk.now() - answer.at < JUST_NOW
            {
                return Err(tx.too_late(asked.id, self.desk.now()).await?);
            }
            // A reply is meant for what its message has asked, even if the task asks something else by now.
            let purpose = match request.reply_to.as_ref().filter(|_| told_of_block.is_some()) {
                Some(message) => tx.purpose(&request.thread, message).await?,
                None => Purpose::default(),
            };
            let hold = tx.latest_hold(task).await?.map(|event| event.id);
            let is_past = purpose.event.is_some() && purpose.event < hold;
            (status, asks, last.is_some(), purpose.question, is_past)
        };
        // Whoever replies to a question that somebody else has answered is told so.
        let is_late =
            has_asked && told_of_block == Some("blocked") && !matches!(status, Status::Blocked | Status::Triage);
        if asks || is_late || question.is_some() {
            let road = if told.is_some() { Road::Reply } else { Road::Thread };
            let command = answering(board, task, text, AnswerBy { road, question, choice: None });
            return Ok(Some(self.run(caller, Ok(command), None, update).await));
        }
        let verb = match status {
            Status::Blocked if told_of_block.is_some() => "unblock",
            Status::Triage if told_of_block.is_some() => "promote",
            Status::Triage
            | Status::Todo
            | Status::Scheduled
            | Status::Ready
            | Status::Running
            | Status::Blocked
            | Status::Review
            | Status::Done
            | Status::Archived => return Ok(None),
        };
        if is_past {
            refuse!(
                Stale,
                "too late: this message tells of an earlier time that {task} was held; reply to the newest one, or `{{kanban}} {verb} {task} YOUR WORDS` lets it go on"
            );
        }
        let words = [verb, task.as_str(), "--reason", text].map(str::to_owned);
        Ok(Some(self.run(caller, on(board, &words), None, update).await))
    }

    async fn board_with(&self, task: &TaskId) -> Result<Option<Board>, Error> {
        for board in self.desk.boards.all().await? {
            let found = board.read().await?.task(task).await;
            match found {
                Ok(_) => return Ok(Some(board)),
                Err(Error::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// Whether a place is a task's own thread.
    pub(super) async fn is_own_thread(&self, thread: &kanban_platform::Thread) -> Result<bool, Error> {
        for board in self.desk.boards.all().await? {
            if board.read().await?.task_of_thread(thread).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// An answer as a command, which is checked like any other.
pub(super) fn answering(board: &Board, task: &TaskId, words: &str, by: AnswerBy) -> Kanban {
    Kanban {
        board: Some(board.slug().clone()),
        home: None,
        verb: Some(Verb::Write(Write::Answer(Answer::given(task.clone(), words, by)))),
    }
}
