//! Buttons: what each stands for is a row, written with the post that it stands below, so that it outlives every restart.

use kanban_platform::{Block, Post, PostKind, Style, Urgency};
use serde::{Deserialize, Serialize};

use crate::{
    board::{
        db::{Tx, sql},
        error::{Error, refuse},
        statements::*,
    },
    clock::Millis,
};

/// How long a button is good for, and how long a confirmation is.
pub const LIFETIME: Millis = 90 * 24 * 60 * 60 * 1_000;
pub const CONFIRMATION: Millis = 15 * 60 * 1_000;

/// What a press does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Runs a command, by its words; what the presser was asked for comes behind them.
    Run(Vec<String>),
    /// Asks first whether the command is meant, since nothing brings back what it ends.
    Confirm(Vec<String>),
    /// Answers the question with one of its choices, by its place among them.
    Choose(usize),
    /// Answers the question in words.
    Answer,
    /// Leaves everything as it is.
    Leave,
}

/// A button that a post is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub label: String,
    pub style: Style,
    pub deed: Deed,
    /// A press asks for words first.
    pub asks: bool,
    /// The question that it belongs to: with the answer it is used up, wherever it stands.
    pub question: Option<i64>,
    /// The event that its post tells of.
    pub event: Option<i64>,
    /// The delivery whose button asked for this one to be pressed: its buttons are used up as well.
    pub origin: Option<i64>,
    /// Who alone may press it, as `platform:id`; none where it is whoever may run the command.
    pub who: Option<String>,
    pub lasts: Millis,
}

/// A button as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub offer: Offer,
    pub expires_at: Millis,
    pub pressed_by: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    label: String,
    style: String,
    asks: i64,
    action: String,
    question_id: Option<i64>,
    event_id: Option<i64>,
    origin: Option<i64>,
    who: Option<String>,
    expires_at: Millis,
    pressed_by: Option<String>,
}

/// A delivery whose buttons are used up.
#[derive(sqlx::FromRow)]
struct Carrier {
    id: i64,
    thread_id: i64,
    post: String,
    /// The message that it has become, or that it edits.
    message: Option<String>,
}

impl Offer {
    pub fn new(label: impl Into<String>, deed: Deed) -> Self {
        Self {
            label: label.into(),
            style: Style::Plain,
            deed,
            asks: false,
            question: None,
            event: None,
            origin: None,
            who: None,
            lasts: LIFETIME,
        }
    }

    /// A button that runs a command.
    pub fn run(label: &str, words: &[&str]) -> Self {
        Self::new(label, Deed::Run(words.iter().map(|word| (*word).to_owned()).collect()))
    }

    /// A button that runs a command once the presser has confirmed it.
    pub fn confirm(label: &str, words: &[&str]) -> Self {
        let deed = Deed::Confirm(words.iter().map(|word| (*word).to_owned()).collect());
        Self { style: Style::Danger, ..Self::new(label, deed) }
    }

    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    pub fn asking(self) -> Self {
        Self { asks: true, ..self }
    }
}

impl Tx {
    /// Writes the buttons of a delivery.
    pub(crate) async fn keep_buttons(
        &mut self,
        delivery: i64,
        task: Option<&str>,
        offers: &[Offer],
        now: Millis,
    ) -> Result<(), Error> {
        for (number, offer) in offers.iter().enumerate() {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            sql!(self, INSERT_BUTTON, delivery, number, &offer.label, style_name(offer.style), i64::from(offer.asks),
                serde_json::to_string(&offer.deed)?, task, offer.question, offer.event, offer.origin,
                offer.who.as_ref(), now.saturating_add(offer.lasts); execute);
        }
        Ok(())
    }

    /// The buttons of a delivery, in order.
    pub async fn buttons_of(&mut self, delivery: i64) -> Result<Vec<Kept>, Error> {
        let rows: Vec<Row> = sql!(self, BUTTONS_OF, delivery; fetch_all);
        rows.into_iter().map(Kept::try_from).collect()
    }

    /// The button of this number, if this person may press it now.
    pub async fn pressable(&mut self, delivery: i64, number: usize, person: &str, now: Millis) -> Result<Kept, Error> {
        let Some(kept) = self.buttons_of(delivery).await?.into_iter().nth(number) else {
            refuse!(Unknown, "this button is no longer there; the buttons of newer messages work");
        };
        if kept.pressed_by.is_some() {
            return match kept.offer.question {
                Some(question) => Err(self.too_late(question, now).await?),
                None => refuse!(Stale, "{USED_UP}"),
            };
        }
        if let Some(who) = kept.offer.who.as_ref().filter(|who| *who != person) {
            refuse!(Forbidden, "only {who}, who was asked, may press this");
        }
        if kept.expires_at <= now {
            refuse!(Stale, "this button has expired; press the one of the first message again");
        }
        Ok(kept)
    }

    /// Uses up the buttons of a delivery, and lets its message tell how. Answers the delivery of the edit; none where
    /// there is nothing to edit (yet), or somebody else was faster.
    pub async fn settle(&mut self, delivery: i64, line: &str, by: &str, now: Millis) -> Result<Option<String>, Error> {
        if sql!(self, USE_UP_BUTTONS, delivery, now, by; execute) == 0 {
            return Ok(None);
        }
        let Some(carrier): Option<Carrier> = sql!(self, BUTTON_CARRIER, delivery; fetch_optional) else {
            return Ok(None);
        };
        let post: Post = serde_json::from_str(&carrier.post)?;
        // What one person alone sees can be edited nowhere but in the answer to a press, and what asks for a reply not
        // on every platform.
        if post.private || post.prompts {
            return Ok(None);
        }
        match carrier.message {
            Some(message) => Ok(Some(self.owe_outcome(carrier.thread_id, post, message, line, now).await?)),
            None => {
                sql!(self, SET_SETTLED, carrier.id, line; execute);
                Ok(None)
            }
        }
    }

    /// Uses up every button that belongs to a question, in whichever thread it stands.
    pub(crate) async fn settle_question(
        &mut self,
        question: i64,
        line: &str,
        by: &str,
        now: Millis,
    ) -> Result<(), Error> {
        let carriers: Vec<(i64,)> = sql!(self, DELIVERIES_OF_QUESTION, question; fetch_all);
        for (delivery,) in carriers {
            self.settle(delivery, line, by, now).await?;
        }
        Ok(())
    }

    /// Queues the edit that takes the buttons off a message and tells what became of them.
    pub(crate) async fn owe_outcome(
        &mut self,
        thread: i64,
        post: Post,
        message: String,
        line: &str,
        now: Millis,
    ) -> Result<String, Error> {
        let mut body = post.body.clone();
        body.push(Block::Footer(line.to_owned()));
        let edit = Post { kind: PostKind::Edit { message }, body, urgency: Urgency::Card, ..post };
        self.owe(thread, edit, Vec::new(), now).await
    }
}

/// What is told to whoever presses after somebody else.
const USED_UP: &str = "the buttons of this message are used up: somebody has pressed one already";

impl TryFrom<Row> for Kept {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let style = STYLES.into_iter().find(|style| style_name(*style) == row.style).unwrap_or_default();
        let offer = Offer {
            label: row.label,
            style,
            deed: serde_json::from_str(&row.action)?,
            asks: row.asks == 1,
            question: row.question_id,
            event: row.event_id,
            origin: row.origin,
            who: row.who,
            lasts: LIFETIME,
        };
        Ok(Self { offer, expires_at: row.expires_at, pressed_by: row.pressed_by })
    }
}

const STYLES: [Style; 4] = [Style::Plain, Style::Primary, Style::Success, Style::Danger];

fn style_name(style: Style) -> &'static str {
    match style {
        Style::Plain => "plain",
        Style::Primary => "primary",
        Style::Success => "success",
        Style::Danger => "danger",
    }
}
