//! Pins: what is in force in a place. A thread inherits from its channel, and a channel from its space, field by field.

use kanban_platform::Thread;

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        id::{BoardSlug, ProfileName},
        statements::*,
    },
    clock::Millis,
};

/// How wide a pin reaches, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Thread,
    Channel,
    Space,
}

/// A value in force, and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned<T> {
    pub value: T,
    pub reach: Reach,
    /// Who set it: `platform:id (name)`.
    pub by: String,
}

/// What is in force in a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The true path of a directory.
    pub workspace: Option<Pinned<String>>,
    pub board: Option<Pinned<BoardSlug>>,
    pub assignee: Option<Pinned<ProfileName>>,
    pub tenant: Option<Pinned<String>>,
    /// Whether tasks get threads of their own.
    pub threads: Option<Pinned<bool>>,
    /// The profile that answers plain messages; [`Resident::Off`] where a narrower place says so.
    pub agent: Option<Pinned<Resident>>,
    pub lane: Option<Pinned<LanePolicy>>,
}

/// What a place is to say of new tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPin {
    pub workspace: Option<String>,
    pub board: Option<BoardSlug>,
    /// Nobody inside ends what the place says.
    pub assignee: Option<Option<ProfileName>>,
    pub tenant: Option<String>,
}

/// Who answers plain messages in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resident {
    Off,
    Profile(ProfileName),
}

/// What happens to a message while the thread's agent works on another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LanePolicy {
    #[default]
    Queue,
    Interrupt,
    Refuse,
}

#[derive(sqlx::FromRow)]
struct Row {
    channel: String,
    thread: String,
    workspace: Option<String>,
    board: Option<String>,
    assignee: Option<String>,
    tenant: Option<String>,
    workspace_by: Option<String>,
    board_by: Option<String>,
    assignee_by: Option<String>,
    tenant_by: Option<String>,
    threads: Option<i64>,
    agent: Option<String>,
    lane: Option<String>,
    set_by: String,
}

impl Tx {
    /// What is in force in a thread. Pins are in the default board, since they decide which board is meant.
    pub async fn pin(&mut self, thread: &Thread) -> Result<Pin, Error> {
        let rows: Vec<Row> = sql!(self, PINS_AT, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_all);
        let mut pin = Pin::default();
        for row in rows {
            let reach = match (row.channel.is_empty(), row.thread.is_empty()) {
                (true, _) => Reach::Space,
                (false, true) if thread.thread.is_some() => Reach::Channel,
                (false, _) => Reach::Thread,
            };
            let by = &row.set_by;
            let of = |own: &Option<String>| own.clone().unwrap_or_else(|| by.clone());
            inherit(&mut pin.workspace, row.workspace, reach, &of(&row.workspace_by));
            inherit(&mut pin.board, row.board.and_then(|board| board.parse().ok()), reach, &of(&row.board_by));
            inherit(&mut pin.assignee, row.assignee.and_then(|name| name.parse().ok()), reach, &of(&row.assignee_by));
            inherit(&mut pin.tenant, row.tenant, reach, &of(&row.tenant_by));
            inherit(&mut pin.threads, row.threads.map(|threads| threads == 1), reach, by);
            inherit(&mut pin.agent, row.agent.as_deref().and_then(Resident::read), reach, by);
            inherit(&mut pin.lane, row.lane.as_deref().and_then(LanePolicy::read), reach, by);
        }
        Ok(pin)
    }

    /// Decides whether tasks that are made in a channel get threads of their own; in a thread, its channel is meant.
    pub async fn set_threads(&mut self, place: &Thread, own: bool, by: &str, now: Millis) -> Result<(), Error> {
        sql!(self, SET_PIN_THREADS, &place.platform, &place.space, &place.channel, i64::from(own), by, now; execute);
        Ok(())
    }

    /// Sets who answers plain messages in exactly this place.
    pub async fn set_agent(&mut self, place: &Thread, agent: &Resident, by: &str, now: Millis) -> Result<(), Error> {
        sql!(self, SET_AGENT, &place.platform, &place.space, &place.channel, place.thread.as_deref().unwrap_or(""),
            agent.as_str(), by, now; execute);
        Ok(())
    }

    /// Sets what happens to a message while the agent of exactly this place works.
    pub async fn set_lane(&mut self, place: &Thread, lane: LanePolicy, by: &str, now: Millis) -> Result<(), Error> {
        sql!(self, SET_LANE, &place.platform, &place.space, &place.channel, place.thread.as_deref().unwrap_or(""),
            lane.as_str(), by, now; execute);
        Ok(())
    }

    /// Sets what a place says of new tasks, in the default board; fields that are not given stay as they are.
    pub async fn set_pin(&mut self, place: &Thread, new: &NewPin, by: &str, now: Millis) -> Result<(), Error> {
        let thread = place.thread.as_deref().unwrap_or("");
        let assignee = new.assignee.as_ref().and_then(Option::as_ref);
        sql!(self, SET_PIN, &place.platform, &place.space, &place.channel, thread, new.workspace.as_ref(),
            new.board.as_ref(), assignee, new.tenant.as_ref(), by, now; execute);
        if new.assignee == Some(None) {
            sql!(self, CLEAR_PINNED_ASSIGNEE, &place.platform, &place.space, &place.channel, thread; execute);
            sql!(self, DELETE_EMPTY_PIN, &place.platform, &place.space, &place.channel, thread; execute);
        }
        Ok(())
    }

    /// Ends what a place itself says of new tasks; what wider places say is in force again. Answers whether there was
    /// anything.
    pub async fn clear_pin(&mut self, place: &Thread) -> Result<bool, Error> {
        let thread = place.thread.as_deref().unwrap_or("");
        let cleared = sql!(self, CLEAR_PIN, &place.platform, &place.space, &place.channel, thread; execute);
        sql!(self, DELETE_EMPTY_PIN, &place.platform, &place.space, &place.channel, thread; execute);
        Ok(cleared == 1)
    }
}

impl Resident {
    /// What stands for nobody, so that no profile of this name can be a resident.
    pub const OFF: &str = "off";

    fn as_str(&self) -> &str {
        match self {
            Self::Off => Self::OFF,
            Self::Profile(name) => name.as_str(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        if text == Self::OFF { Some(Self::Off) } else { text.parse().ok().map(Self::Profile) }
    }
}

impl LanePolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Interrupt => "interrupt",
            Self::Refuse => "refuse",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Queue, Self::Interrupt, Self::Refuse].into_iter().find(|policy| policy.as_str() == text)
    }
}

/// Takes a value from a place unless a nearer one has set it.
fn inherit<T>(field: &mut Option<Pinned<T>>, value: Option<T>, reach: Reach, by: &str) {
    if let (None, Some(value)) = (&field, value) {
        *field = Some(Pinned { value, reach, by: by.to_owned() });
    }
}
