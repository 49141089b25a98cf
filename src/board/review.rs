//! Reviews: work that was handed in, and the verdict of somebody who did not do it.

use serde_json::{Value, json};

use crate::{
    board::{
        actor::Actor,
        claim::{Claim, End},
        comment::COMMENT_LIMIT,
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        finish::{HandOff, first_line},
        id::{ProfileName, TaskId},
        moves::Action,
        run::{Outcome, Run, Token},
        statements::*,
        task::{Status, Task},
    },
    clock::Millis,
};

/// So often workers may send work back to one another before a person has to look at it.
pub const ROUNDS: i64 = 3;

/// Work that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Review {
    pub id: i64,
    pub task_id: TaskId,
    /// The run whose work it is.
    pub run_id: i64,
    /// The profile that did the work.
    pub profile: Option<ProfileName>,
    /// Who held its run: `gateway`, or a person.
    pub holder: String,
    /// The profile that is to look at it; a person where there is none.
    pub reviewer: Option<ProfileName>,
    pub event_id: Option<i64>,
    pub asked_by: String,
    pub asked_at: Millis,
    pub verdict: Option<Verdict>,
    pub decided_by: Option<String>,
    /// Whether the verdict is a worker's.
    pub by_worker: bool,
    pub decided_at: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(rename_all = "snake_case")]
pub enum Verdict {
    Approved,
    Changes,
    /// The task ended without one.
    Withdrawn,
}

/// Who is asked to look at work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Whoever has sent it back last; a person where nobody has.
    #[default]
    Usual,
    Person,
    Profile(ProfileName),
}

/// Work that has been handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedIn {
    /// The profile that looks at it; a person where there is none.
    pub reviewer: Option<ProfileName>,
    /// Why a person looks at it although a profile was to.
    pub because: Option<String>,
}

impl Tx {
    /// Hands in the work of a task: its run is closed, and somebody else decides. Of a task in review, a person chooses
    /// who that is.
    pub async fn request_review(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        hand_off: &HandOff,
        wanted: &Wanted,
        now: Millis,
    ) -> Result<HandedIn, Error> {
        self.fence_own(actor, id).await?;
        let task = self.task(id).await?;
        if !Action::RequestReview.allowed_in(task.status) {
            refuse!(WrongStatus, "cannot hand in {id}: {}", self.standing(&task).await?);
        }
        if let Some(review) = self.open_review(id).await? {
            return self.choose_reviewer(actor, &task, &review, hand_off, wanted, now).await;
        }
        let profile = match task.current_run {
            Some(run) => self.run(run).await?.profile,
            None => task.assignee.clone(),
        };
        let (reviewer, because) = self.reviewer_of(actor, &task, profile.as_ref(), wanted).await?;
        let metadata = hand_off.metadata.as_ref().map(Value::to_string);
        let end = End {
            summary: hand_off.summary().or(hand_off.result()),
            metadata: metadata.as_deref(),
            ..End::new(Outcome::InReview, actor)
        };
        let run = match task.current_run {
            Some(run) => self.end_run(run, end, now).await?,
            // Work that nobody had claimed is kept as a run of no length.
            None => Some(self.closed_run(&task, actor, end, now).await?),
        };
        let Some(run) = run else { refuse!(Stale, "the run of {id} has ended; nothing was changed") };
        self.keep_artifacts(actor, &task, &run, &hand_off.artifacts, now).await?;
        sql!(self, SET_IN_REVIEW, id, hand_off.result(); execute);
        let review: Review = sql!(self, INSERT_REVIEW, id, run.id, run.profile.as_ref(), &run.holder, reviewer.as_ref(),
            actor.name(), now; fetch_one);
        let handed = HandedIn { reviewer, because };
        self.tell_of_review(actor, &task, &run, &review, &handed, now).await?;
        Ok(handed)
    }

    /// Takes the work that was handed in: its task is done, with what the run under review has handed off.
    pub async fn approve(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        words: Option<&str>,
        now: Millis,
    ) -> Result<Task, Error> {
        let (task, review) = self.decidable(actor, id, Action::Approve).await?;
        if let Some(review) = &review {
            self.refuse_author(actor, id, review)?;
        }
        let words = words.map(str::trim).filter(|words| !words.is_empty());
        if let Some(words) = words {
            check_words(id, words)?;
            self.remark(&task, actor, "APPROVED", words, now).await?;
        }
        self.end_as_reviewed(actor, &task, review.as_ref(), &HandOff::default(), words, now).await
    }

    /// Sends work back that was handed in: its task is ready again, and the words are what is to be changed.
    pub async fn request_changes(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        words: &str,
        now: Millis,
    ) -> Result<Status, Error> {
        let words = words.trim();
        if words.is_empty() {
            refuse!(
                Invalid,
                "say what is to be changed, as in `{{kanban}} request-changes {id} the header still overlaps`"
            );
        }
        check_words(id, words)?;
        let (task, review) = self.decidable(actor, id, Action::RequestChanges).await?;
        self.remark(&task, actor, "CHANGES REQUESTED", words, now).await?;
        self.end_review_run(&task, actor, Outcome::ChangesRequested, Some(words), now).await?;
        let run = match &review {
            Some(review) => {
                self.decide(actor, review, Verdict::Changes, "Request changes", now).await?;
                Some(self.run(review.run_id).await?)
            }
            None => None,
        };
        let status = self.ready_or_todo(&task).await?;
        sql!(self, SET_RECLAIMED, id, status; execute);
        self.wakes_dispatcher();
        let payload = json!({"reason": words, "by": actor.name(), "status": status});
        self.record(Kind::ChangesRequested, &task, run.as_ref(), payload, now).await?;
        Ok(status)
    }

    /// The review of a task that has no verdict yet.
    pub async fn open_review(&mut self, id: &TaskId) -> Result<Option<Review>, Error> {
        Ok(sql!(self, OPEN_REVIEW, id; fetch_optional))
    }

    /// The latest review of a task, open or not.
    pub async fn last_review(&mut self, id: &TaskId) -> Result<Option<Review>, Error> {
        Ok(sql!(self, LAST_REVIEW, id; fetch_optional))
    }

    /// The tasks whose work this profile is to look at now, best first: the rows behind `skip`, at most `limit`.
    pub async fn to_review(
        &mut self,
        profile: &ProfileName,
        now: Millis,
        limit: i64,
        skip: i64,
    ) -> Result<Vec<Task>, Error> {
        Ok(sql!(self, TO_REVIEW, profile, now, limit, skip; fetch_all))
    }

    /// Claims a task in review for its reviewer, as [`Tx::claim`] does for whoever does the work.
    pub async fn claim_review(&mut self, id: &TaskId, holder: &str, now: Millis) -> Result<Claim, Error> {
        let mut task = self.task(id).await?;
        let review = self.open_review(id).await?.filter(|_| task.status == Status::Review);
        let Some((review, reviewer)) = review.and_then(|review| Some((review.clone(), review.reviewer?))) else {
            refuse!(WrongStatus, "cannot claim {id}: no profile is to look at it");
        };
        let token = Token::random();
        let run: Run = sql!(self, INSERT_RUN, id, &reviewer, task.current_step_key.as_ref(), token.hash(), holder,
            None::<Millis>, task.max_runtime_seconds, now; fetch_one);
        let run: Run = sql!(self, SET_RUN_REVIEW, run.id, review.id; fetch_one);
        if sql!(self, SET_REVIEWING, id, run.id; execute) != 1 {
            refuse!(Busy, "cannot claim {id}: another claim was faster");
        }
        task.status = Status::Running;
        task.current_run = Some(run.id);
        task.not_before = None;
        let payload = json!({"lock": holder, "run_id": run.id, "source_status": "review", "review_of": review.run_id});
        self.record(Kind::Claimed, &task, Some(&run), payload, now).await?;
        Ok(Claim { task, run, token })
    }

    /// Refuses to let the worker of a reviewer's run do what belongs to whoever does the work.
    pub(crate) async fn refuse_reviewer(&mut self, actor: &Actor, id: &TaskId, what: &str) -> Result<(), Error> {
        let Actor::Worker { run, task: own, .. } = actor else { return Ok(()) };
        if own == id && self.run(*run).await?.review.is_some() {
            refuse!(
                Forbidden,
                "cannot {what} {id}: run {run} looks at the work of another one; end it with `{{kanban}} approve {id}`, `{{kanban}} request-changes {id} WHAT TO CHANGE` or `{{kanban}} block {id} QUESTION`"
            );
        }
        Ok(())
    }

    /// Refuses to let a worker whose work was sent back end its task on a road that goes around the review.
    pub(crate) async fn refuse_sent_back(&mut self, actor: &Actor, id: &TaskId, what: &str) -> Result<(), Error> {
        let Actor::Worker { task: own, .. } = actor else { return Ok(()) };
        let was_sent_back = |review: Review| review.verdict == Some(Verdict::Changes);
        if own == id && self.last_review(id).await?.is_some_and(was_sent_back) {
            refuse!(
                Forbidden,
                "cannot {what} {id}: changes were requested; make them and hand it in with `{{kanban}} request-review {id} WHAT WAS DONE`, or ask with `{{kanban}} block {id} QUESTION`"
            );
        }
        Ok(())
    }

    /// Ends a task whose work is under review: a hand-off of its own goes before that of the run under review.
    pub(crate) async fn end_as_reviewed(
        &mut self,
        actor: &Actor,
        task: &Task,
        review: Option<&Review>,
        hand_off: &HandOff,
        words: Option<&str>,
        now: Millis,
    ) -> Result<Task, Error> {
        self.end_review_run(task, actor, Outcome::Approved, words, now).await?;
        let reviewed = match review {
            Some(review) => {
                self.decide(actor, review, Verdict::Approved, "Approve", now).await?;
                let completed: Option<Run> = sql!(self, SET_RUN_COMPLETED, review.run_id; fetch_optional);
                completed
            }
            None => None,
        };
        let metadata = hand_off.metadata.as_ref().map(Value::to_string);
        let summary = hand_off.summary().or(hand_off.result());
        let end = End { summary, metadata: metadata.as_deref(), ..End::new(Outcome::Completed, actor) };
        let own = match summary.is_some() || metadata.is_some() || !hand_off.artifacts.is_empty() {
            true => Some(self.closed_run(task, actor, end, now).await?),
            false => None,
        };
        if let Some(own) = &own {
            self.keep_artifacts(actor, task, own, &hand_off.artifacts, now).await?;
        }
        let run = own.or(reviewed);
        let said = run.as_ref().and_then(|run| run.summary.as_deref()).map(first_line);
        self.set_done(actor, task, hand_off.result(), run.as_ref(), said, Some(actor.name()), now).await
    }

    /// Closes the open review of a task that ends without a verdict.
    pub(crate) async fn withdraw_review(
        &mut self,
        actor: &Actor,
        task: &Task,
        how: &str,
        now: Millis,
    ) -> Result<(), Error> {
        match self.open_review(&task.id).await? {
            Some(review) => self.decide(actor, &review, Verdict::Withdrawn, how, now).await,
            None => Ok(()),
        }
    }

    /// The reviewer has failed as often as is allowed: a person looks at the work instead. `task` is in review again.
    pub(crate) async fn reviewer_gave_up(
        &mut self,
        task: &Task,
        run: &Run,
        error: &str,
        failures: i64,
        now: Millis,
    ) -> Result<(), Error> {
        let name = run.profile.as_ref().map_or("its reviewer", ProfileName::as_str);
        let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times") };
        let because = format!("`{name}` was to look at it and failed {times}: {}", first_line(error));
        self.person_looks_at(task, &because, now).await
    }

    /// Lets a person look at work that a profile was to look at. `task` is in review again.
    pub(crate) async fn person_looks_at(&mut self, task: &Task, because: &str, now: Millis) -> Result<(), Error> {
        let Some(review) = self.open_review(&task.id).await? else { return Ok(()) };
        let review: Review = sql!(self, SET_REVIEWER, review.id, None::<ProfileName>; fetch_one);
        let reviewed = self.run(review.run_id).await?;
        let handed = HandedIn { reviewer: None, because: Some(because.to_owned()) };
        self.tell_of_review(&Actor::Gateway, task, &reviewed, &review, &handed, now).await
    }

    async fn choose_reviewer(
        &mut self,
        actor: &Actor,
        task: &Task,
        review: &Review,
        hand_off: &HandOff,
        wanted: &Wanted,
        now: Millis,
    ) -> Result<HandedIn, Error> {
        let id = &task.id;
        self.refuse_reviewer(actor, id, "hand in").await?;
        if task.status != Status::Review {
            refuse!(WrongStatus, "cannot hand in {id}: its work is being looked at; {}", self.standing(task).await?);
        }
        let says_something = hand_off.summary().is_some() || hand_off.result().is_some();
        if says_something || hand_off.metadata.is_some() || !hand_off.artifacts.is_empty() {
            refuse!(
                WrongStatus,
                "{id} is in review already; `{{kanban}} request-review {id} --reviewer PROFILE` lets another profile look at it, `{{kanban}} request-changes {id} WHAT TO CHANGE` sends it back"
            );
        }
        let (reviewer, because) = self.reviewer_of(actor, task, review.profile.as_ref(), wanted).await?;
        let review: Review = sql!(self, SET_REVIEWER, review.id, reviewer.as_ref(); fetch_one);
        // What went wrong with the one before is not the new one's.
        sql!(self, SET_IN_REVIEW, id, None::<&str>; execute);
        let run = self.run(review.run_id).await?;
        let handed = HandedIn { reviewer, because };
        self.tell_of_review(actor, task, &run, &review, &handed, now).await?;
        Ok(handed)
    }

    /// Who is to look at work of a profile, and why it is a person where it would have been a profile.
    async fn reviewer_of(
        &mut self,
        actor: &Actor,
        task: &Task,
        author: Option<&ProfileName>,
        wanted: &Wanted,
    ) -> Result<(Option<ProfileName>, Option<String>), Error> {
        let id = &task.id;
        let reviewer = match wanted {
            Wanted::Person => return Ok((None, None)),
            Wanted::Profile(profile) if Some(profile) == author || Some(profile) == task.assignee.as_ref() => refuse!(
                Invalid,
                "`{profile}` does the work of {id}, and nobody looks at their own work; choose another profile, as in `{{kanban}} request-review {id} --reviewer PROFILE`, or `none` for a person"
            ),
            Wanted::Profile(profile) => Some(profile.clone()),
            Wanted::Usual => {
                let last = self.last_review(id).await?.and_then(|review| review.reviewer);
                last.filter(|last| Some(last) != author && Some(last) != task.assignee.as_ref())
            }
        };
        let Some(reviewer) = reviewer else { return Ok((None, None)) };
        let (rounds,): (i64,) = sql!(self, ROUNDS_OF_WORKERS, id; fetch_one);
        // A person may let a worker look at it all the same.
        if rounds < ROUNDS || (actor.is_person() && matches!(wanted, Wanted::Profile(_))) {
            return Ok((Some(reviewer), None));
        }
        Ok((
            None,
            Some(format!("workers have sent it back {rounds} times, so a person decides instead of `{reviewer}`")),
        ))
    }

    /// The task and its open review, if this actor may decide on it at all.
    async fn decidable(&mut self, actor: &Actor, id: &TaskId, action: Action) -> Result<(Task, Option<Review>), Error> {
        self.fence_own(actor, id).await?;
        let task = self.task(id).await?;
        let verb = action.name();
        let review = self.open_review(id).await?;
        if let Actor::Worker { run, .. } = actor {
            let looks = self.run(*run).await?.review;
            if looks.is_none() || looks != review.as_ref().map(|review| review.id) {
                refuse!(
                    Forbidden,
                    "cannot {verb} {id}: run {run} does the work itself, and nobody decides on their own work; hand it in with `{{kanban}} request-review {id} WHAT WAS DONE`"
                );
            }
        }
        if !action.allowed_in(task.status) || (task.status == Status::Running && review.is_none()) {
            refuse!(WrongStatus, "cannot {verb} {id}: {}", self.standing(&task).await?);
        }
        if *actor == Actor::Gateway {
            refuse!(NeedsPerson, "cannot {verb} {id}: that is for a person, or for the reviewer's worker");
        }
        Ok((task, review))
    }

    /// Refuses the person who did the work themselves.
    pub(crate) fn refuse_author(&self, actor: &Actor, id: &TaskId, review: &Review) -> Result<(), Error> {
        if actor.is_person() && account(&review.holder) == account(actor.name()) {
            refuse!(
                Forbidden,
                "you did the work of {id} yourself (run {}), so somebody else approves it: another person with the role member or higher, or a profile by `{{kanban}} request-review {id} --reviewer PROFILE`; `{{kanban}} request-changes {id} WHY` takes it back",
                review.run_id
            );
        }
        Ok(())
    }

    /// Closes the run of a reviewer. One that somebody else was faster than is merely taken back.
    async fn end_review_run(
        &mut self,
        task: &Task,
        actor: &Actor,
        outcome: Outcome,
        words: Option<&str>,
        now: Millis,
    ) -> Result<(), Error> {
        let Some(run) = task.current_run else { return Ok(()) };
        let end = match actor {
            Actor::Worker { .. } => End { summary: words, ..End::new(outcome, actor) },
            Actor::Person { .. } | Actor::Gateway => {
                End { error: Some("a person has decided"), ..End::new(Outcome::Reclaimed, actor) }
            }
        };
        self.end_run(run, end, now).await?;
        Ok(())
    }

    /// Notes the verdict, and uses up the buttons that asked for it.
    async fn decide(
        &mut self,
        actor: &Actor,
        review: &Review,
        verdict: Verdict,
        how: &str,
        now: Millis,
    ) -> Result<(), Error> {
        let by_worker = i64::from(!actor.is_person());
        if sql!(self, SET_VERDICT, review.id, verdict, actor.name(), by_worker, now; execute) == 0 {
            refuse!(Stale, "somebody has decided on {} already; nothing was changed", review.task_id);
        }
        if let Some(event) = review.event_id {
            let carriers: Vec<(i64,)> = sql!(self, DELIVERIES_OF_EVENT, event; fetch_all);
            for (delivery,) in carriers {
                self.settle(delivery, &format!("→ {how}: {}", actor.name()), actor.name(), now).await?;
            }
        }
        Ok(())
    }

    async fn tell_of_review(
        &mut self,
        actor: &Actor,
        task: &Task,
        run: &Run,
        review: &Review,
        handed: &HandedIn,
        now: Millis,
    ) -> Result<(), Error> {
        let task = Task { status: Status::Review, current_run: None, ..task.clone() };
        let payload = json!({
            "summary": run.summary.as_deref().map(first_line), "by": actor.name(), "review": review.id,
            "reviewer": handed.reviewer, "because": handed.because,
        });
        let kind = if handed.reviewer.is_some() { Kind::ReviewAssigned } else { Kind::ReviewRequested };
        let event = self.record(kind, &task, Some(run), payload, now).await?;
        sql!(self, SET_REVIEW_EVENT, review.id, event.id; execute);
        self.wakes_dispatcher();
        Ok(())
    }
}

fn check_words(id: &TaskId, words: &str) -> Result<(), Error> {
    if words.len() > COMMENT_LIMIT {
        refuse!(
            TooMuch,
            "a verdict may hold {COMMENT_LIMIT} bytes, this one has {}; use `{{kanban}} attach {id} FILE` and name it",
            words.len()
        );
    }
    Ok(())
}

/// What stays the same of a person who changes their name: `platform:id` of `platform:id (name)`.
fn account(name: &str) -> &str {
    name.split_once(" (").map_or(name, |(account, _)| account)
}
