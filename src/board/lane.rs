//! Lanes: the messages that wait for a thread's agent, one turn after the other, and the sessions in which agents talk.

use kanban_platform::{Block, Post, PostKind, Thread, Urgency};

use crate::{
    board::{
        db::{Tx, sql},
        delivery::Answer,
        error::Error,
        id::{ProfileName, TaskId},
        run::{ResumedAfter, Run},
        statements::*,
        thread::Place,
    },
    clock::Millis,
};

/// How many messages may wait in one lane.
pub const LANE_LIMIT: i64 = 32;

/// A message for the agent of a thread.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Turn {
    pub id: i64,
    pub thread_id: i64,
    #[sqlx(flatten)]
    place: Place,
    pub update_id: String,
    pub return_address: Option<String>,
    /// The author of the message, as JSON.
    pub author: String,
    pub profile: ProfileName,
    pub text: String,
    pub state: TurnState,
    pub stopped_by: Option<String>,
    pub session: Option<String>,
    pub queued_at: Millis,
    pub started_at: Option<Millis>,
}

impl Turn {
    pub fn thread(&self) -> Thread {
        self.place.thread()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum TurnState {
    Queued,
    Running,
    Done,
    Failed,
    /// A newer message took its place.
    Interrupted,
    /// A person ended it, or dropped it before it began.
    Cancelled,
    /// Its author may no longer do that.
    Refused,
    /// Nobody knows how it ended.
    Lost,
}

/// A message that is to wait for the agent.
#[derive(Clone, Copy, Debug)]
pub struct NewTurn<'a> {
    pub update: &'a str,
    pub return_address: Option<&'a str>,
    /// The platform's id of the message, where there is one.
    pub message: Option<&'a str>,
    pub author: &'a str,
    pub profile: &'a ProfileName,
    pub text: &'a str,
}

/// What goes on in a thread's lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lane {
    pub running: Option<Turn>,
    pub waiting: i64,
}

/// The session that an agent is started in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    /// The agent knows it from before.
    pub goes_on: bool,
}

/// Who ends a turn that makes room for a newer message.
pub const NEWER_MESSAGE: &str = "agent";

impl Tx {
    /// Lets a message wait for the agent of its thread, and owes the sign that it was taken in.
    pub async fn queue_turn(&mut self, thread: &Thread, new: NewTurn<'_>, now: Millis) -> Result<(), Error> {
        let id = self.thread_id(thread, now).await?;
        sql!(self, INSERT_TURN, id, new.update, new.return_address, new.author, new.profile, new.text, now; execute);
        self.wakes_lanes();
        let Some(message) = new.message else { return Ok(()) };
        let sign = Post {
            delivery: String::new(),
            thread: thread.clone(),
            kind: PostKind::Reaction { message: message.to_owned() },
            body: Vec::new(),
            buttons: Vec::new(),
            private: false,
            task: None,
            event: None,
            urgency: Urgency::Reply,
            prompts: false,
        };
        self.owe(id, sign, Vec::new(), now).await.map(drop)
    }

    /// What goes on in the lane of a thread.
    pub async fn lane(&mut self, thread: &Thread) -> Result<Lane, Error> {
        let turns: Vec<Turn> = sql!(self, OPEN_TURNS_OF, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_all);
        let (mut running, waiting): (Vec<_>, Vec<_>) =
            turns.into_iter().partition(|turn| turn.state == TurnState::Running);
        Ok(Lane { running: running.pop(), waiting: i64::try_from(waiting.len()).unwrap_or(i64::MAX) })
    }

    /// The turns that run.
    pub async fn running_turns(&mut self) -> Result<Vec<Turn>, Error> {
        Ok(sql!(self, RUNNING_TURNS; fetch_all))
    }

    /// The first turn of each lane in which none runs, oldest first.
    pub async fn next_turns(&mut self) -> Result<Vec<Turn>, Error> {
        Ok(sql!(self, NEXT_TURNS; fetch_all))
    }

    /// Whether a message waits for an agent, or an agent is at work on one.
    pub async fn has_open_turns(&mut self) -> Result<bool, Error> {
        let found: Option<(i64,)> = sql!(self, ANY_OPEN_TURN; fetch_optional);
        Ok(found.is_some())
    }

    /// The last turn of a thread that was begun.
    pub async fn last_turn(&mut self, thread: &Thread) -> Result<Option<Turn>, Error> {
        Ok(sql!(self, LAST_TURN_OF, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_optional))
    }

    /// Begins a turn in a session. Answers false when it no longer waits.
    pub async fn begin_turn(&mut self, turn: &Turn, session: &Session, now: Millis) -> Result<bool, Error> {
        if sql!(self, BEGIN_TURN, turn.id, &session.id, now; execute) == 0 {
            return Ok(false);
        }
        sql!(self, SET_SESSION, turn.thread_id, &turn.profile, &session.id, i64::from(session.goes_on); execute);
        Ok(true)
    }

    /// Lets a turn wait again whose agent was never started.
    pub async fn give_back_turn(&mut self, id: i64) -> Result<(), Error> {
        sql!(self, GIVE_BACK_TURN, id; execute);
        self.wakes_lanes();
        Ok(())
    }

    /// Ends a turn and owes its thread the answer. Answers false when it had ended before: nothing is told twice.
    pub async fn end_turn(
        &mut self,
        turn: &Turn,
        state: TurnState,
        answer: Answer,
        now: Millis,
    ) -> Result<bool, Error> {
        if sql!(self, END_TURN, turn.id, state, now; execute) == 0 {
            return Ok(false);
        }
        if let (TurnState::Done, Some(session)) = (state, &turn.session) {
            sql!(self, BEGIN_SESSION, turn.thread_id, &turn.profile, session; execute);
        }
        let thread = turn.thread();
        let key = self.owe_reply(&thread, &turn.update_id, turn.return_address.as_deref(), answer, now).await?;
        sql!(self, ANSWER_TURN, turn.id, key; execute);
        self.wakes_lanes();
        Ok(true)
    }

    /// Asks for the end of the turn that runs in a thread. Answers the turn, as it was before.
    pub async fn stop_turn(&mut self, thread: &Thread, by: &str) -> Result<Option<Turn>, Error> {
        let Some(turn) = self.lane(thread).await?.running else { return Ok(None) };
        sql!(self, STOP_TURN, turn.id, by; execute);
        self.wakes_lanes();
        Ok(Some(turn))
    }

    /// Makes a newer message the next one: the turn that runs is asked to end, and those that wait are over, each told to
    /// who said it.
    pub async fn interrupt_lane(&mut self, thread: &Thread, now: Millis) -> Result<(), Error> {
        self.stop_turn(thread, NEWER_MESSAGE).await?;
        let turns: Vec<Turn> = sql!(self, OPEN_TURNS_OF, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); fetch_all);
        for turn in turns.into_iter().filter(|turn| turn.state == TurnState::Queued) {
            let said = vec![Block::Text("interrupted by a newer message before it began".to_owned())];
            self.end_turn(&turn, TurnState::Interrupted, Answer { body: said, ..Answer::default() }, now).await?;
        }
        Ok(())
    }

    /// Drops the messages that wait in a thread. Answers how many.
    pub async fn clear_lane(&mut self, thread: &Thread, now: Millis) -> Result<u64, Error> {
        Ok(sql!(self, CLEAR_LANE, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""), now; execute))
    }

    /// The session in which a profile talks in a thread, if the agent knows it: one in which no turn has ended well may
    /// be unknown to it.
    pub async fn session_of_thread(&mut self, thread: i64, profile: &ProfileName) -> Result<Option<Session>, Error> {
        let found: Option<(String, i64)> = sql!(self, SESSION_OF_THREAD, thread, profile; fetch_optional);
        // An agent that has yet to name its session has none to go on with.
        let named = found.filter(|(id, _)| !id.is_empty());
        Ok(named.map(|(id, has_begun)| Session { id, goes_on: has_begun == 1 }))
    }

    /// Lets the agents of a thread begin anew with the next message. Answers how many sessions there were.
    pub async fn forget_sessions(&mut self, thread: &Thread) -> Result<u64, Error> {
        Ok(sql!(self, FORGET_SESSIONS, &thread.platform, &thread.space, &thread.channel,
            thread.thread.as_deref().unwrap_or(""); execute))
    }

    /// The last run in which a profile has worked on a task in a session that has a name.
    pub async fn last_session_of_task(&mut self, task: &TaskId, profile: &ProfileName) -> Result<Option<Run>, Error> {
        Ok(sql!(self, LAST_SESSION_OF_TASK, task, profile; fetch_optional))
    }

    /// Notes the session that a run is a part of, with how the run before it had ended; none where the agent has yet to
    /// name it.
    pub async fn set_run_session(
        &mut self,
        run: i64,
        task: &TaskId,
        session: Option<&str>,
        resumed_after: Option<ResumedAfter>,
    ) -> Result<(), Error> {
        sql!(self, SET_RUN_SESSION, run, session, resumed_after; execute);
        if session.is_some() {
            sql!(self, SET_TASK_SESSION, task, session; execute);
        }
        Ok(())
    }

    /// Notes the session that the agent of a run has named.
    pub async fn learn_session(&mut self, run: i64, session: &str) -> Result<(), Error> {
        let run = self.run(run).await?;
        sql!(self, LEARN_SESSION, run.id, session; execute);
        sql!(self, SET_TASK_SESSION, &run.task_id, session; execute);
        Ok(())
    }

    /// Notes the session that the agent of a turn has named.
    pub async fn learn_session_of_turn(&mut self, turn: &Turn, session: &str) -> Result<(), Error> {
        sql!(self, LEARN_SESSION_OF_TURN, turn.id, session; execute);
        sql!(self, SET_SESSION, turn.thread_id, &turn.profile, session, 0_i64; execute);
        Ok(())
    }

    /// Lets the talk of a profile in a thread begin anew, since its agent does not know the session any more, and says so.
    pub async fn drop_session(&mut self, turn: &Turn, now: Millis) -> Result<(), Error> {
        sql!(self, DROP_SESSION, turn.thread_id, &turn.profile; execute);
        let said = format!(
            "@{} does not know the session any more in which this talk went on: it begins anew, without what was said before",
            turn.profile
        );
        let post = Post {
            delivery: String::new(),
            thread: turn.thread(),
            kind: PostKind::News,
            body: vec![Block::Text(said)],
            buttons: Vec::new(),
            private: false,
            task: None,
            event: Some("session_gone".to_owned()),
            urgency: Urgency::News,
            prompts: false,
        };
        self.owe(turn.thread_id, post, Vec::new(), now).await.map(drop)
    }
}
