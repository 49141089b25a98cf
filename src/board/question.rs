//! Questions: what a task waits for a person to say, the choices that its worker declared, and the first answer.

use kanban_platform::{Post, PostKind, Style, Thread};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    board::{
        actor::Actor,
        announcement::{self, Announcement, span},
        comment::COMMENT_LIMIT,
        db::{Tx, sql},
        error::{Error, Reason, refuse},
        event::{Event, Kind},
        id::TaskId,
        statements::*,
        task::{Status, Task},
        thread::Following,
    },
    clock::Millis,
};

/// The most choices of a question, and characters of a choice's label and of a hint: what every platform can show.
pub const CHOICE_LIMIT: usize = 20;
pub const LABEL_LIMIT: usize = 75;
pub const HINT_LIMIT: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: i64,
    pub task_id: TaskId,
    pub text: Option<String>,
    /// What an answer in words should say.
    pub hint: Option<String>,
    pub choices: Vec<Choice>,
    pub asked_at: Millis,
    pub answer: Option<Answer>,
    /// When it was withdrawn without an answer.
    pub closed_at: Option<Millis>,
}

/// The answer that was first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who gave it: `platform:id (name)`.
    pub by: String,
    pub words: String,
    pub at: Millis,
}

/// A possible answer that the worker declared. Others are possible too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub label: String,
    /// What the worker is told besides the label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(default)]
    pub style: Style,
}

/// How a question wants to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    pub choices: Vec<Choice>,
    pub hint: Option<String>,
}

/// What a person answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    Words(&'a str),
    /// A choice, by its place.
    Choice(usize),
}

/// The way on which an answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Road {
    Reply,
    Thread,
    Button,
    Form,
    #[default]
    Typed,
}

/// What an answer led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the worker reads: the words, or the choice.
    pub words: String,
    pub status: Status,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    task_id: TaskId,
    text: Option<String>,
    hint: Option<String>,
    choices: String,
    asked_at: Millis,
    answered_at: Option<Millis>,
    answered_by: Option<String>,
    answer: Option<String>,
    closed_at: Option<Millis>,
}

impl Choice {
    /// What the worker is told: the label, and the value where it says something else.
    fn told(&self) -> String {
        match self.value.as_ref().filter(|value| **value != self.label) {
            Some(value) => format!("{} ({value})", self.label),
            None => self.label.clone(),
        }
    }
}

impl Ask {
    pub fn is_plain(&self) -> bool {
        self.choices.is_empty() && self.hint.is_none()
    }

    /// Refuses what no platform could show.
    pub(crate) fn check(&self, id: &TaskId) -> Result<(), Error> {
        if self.choices.len() > CHOICE_LIMIT {
            refuse!(
                TooMuch,
                "a question may have {CHOICE_LIMIT} choices, this one has {}; ask in words: `{{kanban}} block {id} --kind needs_input QUESTION`",
                self.choices.len()
            );
        }
        for (place, choice) in self.choices.iter().enumerate() {
            let label = &choice.label;
            let length = label.chars().count();
            if label.trim().is_empty() || length > LABEL_LIMIT || label.contains(char::is_control) {
                refuse!(
                    Invalid,
                    "a choice is one line of 1 to {LABEL_LIMIT} characters, and `{}` is not; say the rest in the question",
                    label.escape_debug().take(LABEL_LIMIT).collect::<String>()
                );
            }
            if self.choices[..place].iter().any(|other| is_same(&other.label, label)) {
                refuse!(Invalid, "the choice `{label}` is there twice; each needs a label of its own");
            }
        }
        if let Some(hint) = self.hint.as_ref().filter(|hint| hint.chars().count() > HINT_LIMIT) {
            refuse!(
                TooMuch,
                "a hint may hold {HINT_LIMIT} characters, this one has {}; say the rest in the question",
                hint.chars().count()
            );
        }
        Ok(())
    }
}

impl Road {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Thread => "thread",
            Self::Button => "button",
            Self::Form => "form",
            Self::Typed => "command",
        }
    }
}

impl Tx {
    /// Opens the question of a task that is held for one. Answers its number.
    pub(crate) async fn open_question_of(
        &mut self,
        task: &TaskId,
        run: Option<i64>,
        text: Option<&str>,
        ask: &Ask,
        now: Millis,
    ) -> Result<i64, Error> {
        let choices = serde_json::to_string(&ask.choices)?;
        let (id,): (i64,) = sql!(self, INSERT_QUESTION, task, run, text, ask.hint.as_ref(), choices, now; fetch_one);
        Ok(id)
    }

    pub(crate) async fn tell_of_question(&mut self, question: i64, event: i64) -> Result<(), Error> {
        sql!(self, SET_QUESTION_EVENT, question, event; execute);
        Ok(())
    }

    /// The question that a task waits for an answer to.
    pub async fn open_question(&mut self, task: &TaskId) -> Result<Option<Question>, Error> {
        let row: Option<Row> = sql!(self, OPEN_QUESTION, task; fetch_optional);
        row.map(Question::try_from).transpose()
    }

    /// The latest question of a task, open or not.
    pub async fn last_question(&mut self, task: &TaskId) -> Result<Option<Question>, Error> {
        let row: Option<Row> = sql!(self, LAST_QUESTION, task; fetch_optional);
        row.map(Question::try_from).transpose()
    }

    /// The tasks whose open questions have arrived in exactly this thread, oldest question first.
    pub async fn asking_in(&mut self, thread: &Thread) -> Result<Vec<TaskId>, Error> {
        let found: Vec<(TaskId,)> = sql!(self, ASKING_IN, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_all);
        Ok(found.into_iter().map(|(task,)| task).collect())
    }

    pub async fn question(&mut self, id: i64) -> Result<Option<Question>, Error> {
        let row: Option<Row> = sql!(self, QUESTION, id; fetch_optional);
        row.map(Question::try_from).transpose()
    }

    /// Answers a question of a task, the open one where none is named, and lets the task go on. The first answer wins;
    /// whoever comes later is refused and told whose it was.
    pub async fn answer(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        question: Option<i64>,
        given: Given<'_>,
        road: Road,
        now: Millis,
    ) -> Result<Answered, Error> {
        let Actor::Person { name } = actor else {
            refuse!(NeedsPerson, "{id} waits for an answer by a person; only a person can give it");
        };
        let task = self.task(id).await?;
        let asked = match question {
            Some(question) => self.question(question).await?.filter(|asked| asked.task_id == *id),
            None => match self.open_question(id).await? {
                Some(open) => Some(open),
                None => self.last_question(id).await?,
            },
        };
        let Some(asked) = asked else {
            refuse!(WrongStatus, "cannot answer {id}: it has asked nothing; {}", self.standing(&task).await?);
        };
        if asked.answer.is_some() || asked.closed_at.is_some() {
            return Err(self.too_late(asked.id, now).await?);
        }
        let words = asked.words(given)?;
        if sql!(self, ANSWER_QUESTION, asked.id, now, name, &words, road.as_str(); execute) == 0 {
            return Err(self.too_late(asked.id, now).await?);
        }
        sql!(self, INSERT_COMMENT, id, name, &words, now; execute);
        self.record(Kind::Commented, &task, None, json!({"author": name, "len": words.chars().count()}), now).await?;
        let status = self.release(&task, false).await?;
        // Somebody has helped: asking again for something else is no loop.
        sql!(self, END_LOOP, id; execute);
        let payload = json!({"status": status, "by": name, "road": road.as_str(), "question": asked.id});
        self.record(Kind::Unblocked, &task, None, payload, now).await?;
        self.settle_question(asked.id, &format!("→ {}: {name}", in_short(&words)), name, now).await?;
        Ok(Answered { words, status })
    }

    /// The event by which a task was held last, whether it still is or not.
    pub async fn latest_hold(&mut self, task: &TaskId) -> Result<Option<Event>, Error> {
        Ok(sql!(self, LATEST_HOLD, task; fetch_optional))
    }

    /// Owes a thread that comes late the open question of a task, with its buttons, if it has one.
    pub async fn ask_late(
        &mut self,
        thread: &Thread,
        task: &Task,
        policy: &Following,
        now: Millis,
    ) -> Result<(), Error> {
        if self.open_question(&task.id).await?.is_none() {
            return Ok(());
        }
        let Some(event) = self.latest_hold(&task.id).await? else { return Ok(()) };
        let is_told = match &policy.kinds {
            Some(kinds) => kinds.iter().any(|kind| kind == event.kind.as_str()),
            None => policy.policy.tells(event.kind),
        };
        if !is_told {
            return Ok(());
        }
        let run = match event.run_id {
            Some(run) => Some(self.run(run).await?),
            None => None,
        };
        let Announcement { body, actions, urgency } = announcement::of(&event, task, run.as_ref(), self.slug());
        let post = Post {
            delivery: String::new(),
            thread: thread.clone(),
            kind: PostKind::News,
            body,
            buttons: Vec::new(),
            private: false,
            task: Some(task.id.to_string()),
            event: Some(event.kind.as_str().to_owned()),
            urgency,
            prompts: false,
        };
        let thread = self.thread_id(thread, now).await?;
        self.owe(thread, post, actions, now).await?;
        Ok(())
    }

    /// Withdraws the open question of a task that moves on without an answer, if it has one.
    pub(crate) async fn close_question(
        &mut self,
        actor: &Actor,
        task: &Task,
        how: &str,
        now: Millis,
    ) -> Result<(), Error> {
        // No other task has an open question, so that nothing need be looked up for most.
        if !task.needs_person() {
            return Ok(());
        }
        let closed: Option<(i64,)> = sql!(self, CLOSE_QUESTION, &task.id, now; fetch_optional);
        if let Some((question,)) = closed {
            self.settle_question(question, &format!("→ {how}: {}", actor.name()), actor.name(), now).await?;
        }
        Ok(())
    }

    /// What is told to whoever answers a question that is no longer open.
    pub(crate) async fn too_late(&mut self, question: i64, now: Millis) -> Result<Error, Error> {
        let text = match self.question(question).await? {
            Some(Question { answer: Some(answer), task_id, .. }) => format!(
                "too late: {} has answered it already with “{}”, {} ago; `{{kanban}} comment {task_id} YOUR WORDS` tells its worker more",
                answer.by,
                in_short(&answer.words),
                span(now - answer.at)
            ),
            Some(Question { answer: None, task_id, .. }) => {
                let task = self.task(&task_id).await?;
                let standing = self.standing(&task).await?;
                match self.open_question(&task_id).await? {
                    Some(_) => {
                        format!("too late: {task_id} does not ask this any more, but something else; {standing}")
                    }
                    None => format!("too late: {task_id} does not ask any more; {standing}"),
                }
            }
            None => "too late: the task that asked is gone; `{kanban} list` shows those that are there".to_owned(),
        };
        Ok(Error::refused(Reason::Stale, text))
    }
}

impl Question {
    /// What the worker is told. A first line that is the label of a choice stands for that choice.
    fn words(&self, given: Given<'_>) -> Result<String, Error> {
        let text = match given {
            Given::Choice(place) => match self.choices.get(place) {
                Some(choice) => return Ok(choice.told()),
                None => refuse!(Unknown, "the question of {} has no such choice", self.task_id),
            },
            Given::Words(text) => text.trim(),
        };
        if text.is_empty() {
            refuse!(
                Invalid,
                "an empty answer is none; say what {} waits for, as in `{{kanban}} answer {} YOUR ANSWER`",
                self.task_id,
                self.task_id
            );
        }
        if text.len() > COMMENT_LIMIT {
            refuse!(
                TooMuch,
                "an answer may hold {COMMENT_LIMIT} bytes, this one has {}; use `{{kanban}} attach {} FILE` and answer with its name",
                text.len(),
                self.task_id
            );
        }
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        match self.choices.iter().find(|choice| is_same(&choice.label, first)) {
            Some(choice) if rest.trim().is_empty() => Ok(choice.told()),
            Some(choice) => Ok(format!("{}\n{rest}", choice.told())),
            None => Ok(text.to_owned()),
        }
    }
}

impl TryFrom<Row> for Question {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let answer = match (row.answered_by, row.answer, row.answered_at) {
            (Some(by), Some(words), Some(at)) => Some(Answer { by, words, at }),
            _ => None,
        };
        Ok(Self {
            id: row.id,
            task_id: row.task_id,
            text: row.text,
            hint: row.hint,
            choices: serde_json::from_str(&row.choices)?,
            asked_at: row.asked_at,
            answer,
            closed_at: row.closed_at,
        })
    }
}

fn is_same(label: &str, other: &str) -> bool {
    label.trim().to_lowercase() == other.trim().to_lowercase()
}

/// The first line of an answer, at most 80 characters.
fn in_short(words: &str) -> String {
    let first = words.lines().next().unwrap_or_default();
    let short: String = first.chars().take(80).collect();
    if short.len() < words.trim_end().len() { format!("{short}…") } else { short }
}
