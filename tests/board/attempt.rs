//! Attempts that end by themselves: how often they are repeated, how soon, and what is spent.

use kanban_gateway::board::{
    Actor, TaskId,
    attempt::{Ending, Patience},
    create::NewTask,
    park::ParkKind,
    run::{EndedBy, Outcome, ResumedAfter},
    thread::Following,
};

use crate::fixture::{Fixture, NOW, PATIENCE, hand_off, person, thread, titled};

/// Claims the task, lets the attempt end, and answers status, failures and the seconds until the next one.
async fn attempt(f: &Fixture, id: &TaskId, ending: &Ending) -> (&'static str, i64, Option<i64>) {
    let (claim, _) = f.claim(id).await;
    f.write(async |tx| tx.attempt_ended(claim.run.id, ending, &PATIENCE, NOW).await).await.unwrap();
    let task = f.task(id).await;
    (task.status.as_str(), task.failures, task.not_before.map(|at| (at - NOW) / 1000))
}

fn limited(until: Option<i64>) -> Ending {
    Ending::RateLimited { line: "429".to_owned(), until, tail: "too much\n429".to_owned(), is_told: false }
}

fn failed() -> Ending {
    Ending::Failed { error: "exit status 3".to_owned() }
}

#[tokio::test]
async fn failures_back_off_longer_each_time_until_it_gives_up() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    assert_eq!(attempt(&f, &id, &failed()).await, ("ready", 1, Some(10)));
    assert_eq!(attempt(&f, &id, &Ending::TimedOut { limit_seconds: 90 }).await, ("ready", 2, Some(20)));
    assert_eq!(
        attempt(&f, &id, &Ending::NotStarted { error: "no such program".to_owned() }).await,
        ("blocked", 3, None)
    );
    assert_eq!(f.kinds(&id).await, ["created", "claimed", "crashed", "claimed", "timed_out", "claimed", "gave_up"]);
    let task = f.task(&id).await;
    assert_eq!(task.last_error.as_deref(), Some("no such program"));
    let runs = f.board.read().await.unwrap().runs_of(&id).await.unwrap();
    let outcomes: Vec<_> = runs.iter().map(|run| (run.attempt, run.outcome.unwrap(), run.ended_by.unwrap())).collect();
    let by = EndedBy::Gateway;
    assert_eq!(outcomes, [(1, Outcome::Crashed, by), (2, Outcome::TimedOut, by), (3, Outcome::SpawnFailed, by)]);
    // What happens elsewhere does not undo it.
    f.complete(&f.ready("unrelated").await).await;
    assert_eq!(f.status(&id).await, "blocked");
}

#[tokio::test]
async fn the_wait_has_an_upper_bound() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { max_retries: Some(100), ..titled("t") }).await;
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(attempt(&f, &id, &failed()).await.2.unwrap());
    }
    assert_eq!(waits, [10, 20, 25, 25, 25]);
    let far = Patience { backoff_seconds: i64::MAX / 4, backoff_max_seconds: 60, ..PATIENCE };
    let (claim, _) = f.claim(&id).await;
    f.write(async |tx| tx.attempt_ended(claim.run.id, &failed(), &far, NOW).await).await.unwrap();
    assert_eq!(f.task(&id).await.not_before, Some(NOW + 60_000));
}

#[tokio::test]
async fn max_retries_counts_failed_attempts_in_all_of_whatever_kind() {
    let f = Fixture::new().await;
    for ending in [failed(), Ending::Silent, Ending::Lost { error: "restarted".to_owned() }] {
        let id = f.create(NewTask { max_retries: Some(1), ..titled("once") }).await;
        assert_eq!(attempt(&f, &id, &ending).await.0, "blocked", "{ending:?}");
    }
    let id = f.create(NewTask { max_retries: Some(3), ..titled("three times") }).await;
    assert_eq!(attempt(&f, &id, &failed()).await.0, "ready");
    assert_eq!(attempt(&f, &id, &Ending::Silent).await.0, "ready");
    assert_eq!(attempt(&f, &id, &failed()).await.0, "blocked");
}

#[tokio::test]
async fn silent_exits_have_a_streak_of_their_own() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let limited = limited(None);
    assert_eq!(attempt(&f, &id, &Ending::Silent).await, ("ready", 0, Some(10)));
    assert_eq!(attempt(&f, &id, &Ending::Silent).await, ("ready", 0, Some(20)));
    assert_eq!(attempt(&f, &id, &failed()).await, ("ready", 1, Some(10)));
    assert_eq!(attempt(&f, &id, &Ending::Silent).await, ("ready", 1, Some(10)), "a crash ends the streak");
    assert_eq!(attempt(&f, &id, &Ending::Silent).await.0, "ready");
    assert_eq!(attempt(&f, &id, &limited).await.0, "ready");
    assert_eq!(attempt(&f, &id, &Ending::Silent).await.0, "blocked", "a rate limit does not end the streak");
}

#[tokio::test]
async fn a_rate_limit_spends_nothing_and_rests_the_profile() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { max_retries: Some(1), ..titled("t") }).await;
    for _ in 0..3 {
        assert_eq!(attempt(&f, &id, &limited(None)).await, ("ready", 0, Some(60)));
    }
    let mut tx = f.board.read().await.unwrap();
    let parked = tx.parked_profiles(NOW).await.unwrap();
    let [park] = &parked[..] else { panic!("{parked:?}") };
    assert_eq!((park.profile.as_str(), park.kind, park.until), ("bob", ParkKind::RateLimited, NOW + 60_000));
    assert_eq!((park.in_words().as_str(), park.task_id.as_ref()), ("rate limited: 429", Some(&id)));
    assert_eq!(tx.parked_profiles(NOW + 60_000).await.unwrap(), []);
    drop(tx);
    let bob = "bob".parse().unwrap();
    assert!(f.write(async |tx| tx.unpark_profile(&bob).await).await.unwrap());
    assert_eq!(f.board.read().await.unwrap().parked_profiles(NOW).await.unwrap(), []);
    assert_eq!(f.task(&id).await.not_before, None, "what has met the limit waits no longer than its profile");
}

#[tokio::test]
async fn a_rest_is_told_once_and_only_made_longer() {
    let f = Fixture::new().await;
    f.write(async |tx| tx.watch(&thread("ops"), &Following::default(), None, NOW).await).await.unwrap();
    let mut runs = Vec::new();
    for title in ["first", "second", "third", "fourth"] {
        runs.push(f.claim(&f.ready(title).await).await.0.run.id);
    }
    let auth = Ending::AuthFailed { line: "log in".to_owned(), login: None, tail: "log in".to_owned(), is_told: false };
    let endings = [limited(Some(NOW + 90_000)), limited(Some(NOW + 70_000)), auth, limited(None)];
    for (run, ending) in runs.iter().zip(endings) {
        f.write(async |tx| tx.attempt_ended(*run, &ending, &PATIENCE, NOW).await).await.unwrap();
        if *run == runs[1] {
            let parked = f.board.read().await.unwrap().parked_profiles(NOW).await.unwrap();
            assert_eq!((parked[0].kind, parked[0].until), (ParkKind::RateLimited, NOW + 90_000));
        }
    }
    // A limit is of no account while nobody is logged in.
    let parked = f.board.read().await.unwrap().parked_profiles(NOW).await.unwrap();
    assert_eq!((parked[0].kind, parked[0].until), (ParkKind::AuthFailed, NOW + PATIENCE.auth_pause_seconds * 1000));
    let told = |kind: &str| f.count(&format!("SELECT count(*) FROM deliveries WHERE event = '{kind}'"));
    assert_eq!((told("rate_limited"), told("auth_failed")), (1, 1));
}

#[tokio::test]
async fn a_worker_that_has_completed_or_blocked_may_exit_as_it_likes() {
    let f = Fixture::new().await;
    let (done, blocked) = (f.ready("done").await, f.ready("blocked").await);
    let (first, worker) = f.claim(&done).await;
    f.write(async |tx| tx.complete(&worker, &done, &hand_off("fine"), NOW).await).await.unwrap();
    let (second, worker) = f.claim(&blocked).await;
    f.write(async |tx| tx.block(&worker, &blocked, None, Some("stuck"), NOW).await).await.unwrap();
    let before = f.dump();
    for run in [first.run.id, second.run.id] {
        for ending in [failed(), Ending::Silent, limited(None)] {
            f.write(async |tx| tx.attempt_ended(run, &ending, &PATIENCE, NOW).await).await.unwrap();
        }
    }
    assert_eq!(f.dump(), before);
}

#[tokio::test]
async fn a_script_that_exits_well_completes_with_its_last_lines() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let child = f.child_of(&[&id]).await;
    let (claim, _) = f.claim(&id).await;
    let ending = Ending::ScriptDone { summary: "12\n".to_owned() };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &ending, &PATIENCE, NOW).await).await.unwrap();
    assert_eq!((f.status(&id).await, f.status(&child).await), ("done", "ready"));
    let summary = f.board.read().await.unwrap().latest_summary(&id).await.unwrap();
    assert_eq!(summary.as_deref(), Some("12"));
}

#[tokio::test]
async fn a_failed_attempt_waits_for_a_parent_that_came_meanwhile() {
    let f = Fixture::new().await;
    let (parent, id) = (f.ready("parent").await, f.ready("t").await);
    let (claim, _) = f.claim(&id).await;
    f.write(async |tx| tx.link(&person(), &parent, &id, NOW).await).await.unwrap();
    f.write(async |tx| tx.attempt_ended(claim.run.id, &failed(), &PATIENCE, NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "todo");
    f.complete(&parent).await;
    let task = f.task(&id).await;
    assert_eq!((task.status.as_str(), task.not_before), ("ready", Some(NOW + 10_000)), "and still backs off");
}

#[tokio::test]
async fn a_person_ends_a_back_off_and_starts_the_count_anew() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.refused(kanban_gateway::board::Reason::WrongStatus, async |tx| tx.retry(&person(), &id, None, NOW).await).await;
    attempt(&f, &id, &failed()).await;
    f.write(async |tx| tx.retry(&person(), &id, Some("it is fixed"), NOW).await).await.unwrap();
    assert_eq!((f.task(&id).await.failures, f.task(&id).await.not_before), (0, None));
    for _ in 0..3 {
        attempt(&f, &id, &failed()).await;
    }
    assert_eq!(f.status(&id).await, "blocked");
    f.write(async |tx| tx.retry(&Actor::Gateway, &id, None, NOW).await).await.unwrap();
    assert_eq!(attempt(&f, &id, &failed()).await, ("ready", 1, Some(10)));
}

/// What the next run of the task would go on with.
async fn next(f: &Fixture, id: &TaskId) -> Option<(String, ResumedAfter)> {
    let bob = "bob".parse().unwrap();
    let last = f.board.read().await.unwrap().last_session_of_task(id, &bob).await.unwrap()?;
    Some((last.session.clone()?, last.next_in_session()?))
}

/// A run in a session, with a worker that was started.
async fn run_in(f: &Fixture, id: &TaskId, session: Option<&str>, resumed: Option<ResumedAfter>) -> (i64, Actor) {
    let (claim, worker) = f.claim(id).await;
    let run = claim.run.id;
    f.write(async |tx| {
        tx.set_run_session(run, id, session, resumed).await?;
        tx.started(run, 7, 7, "boot", NOW).await
    })
    .await
    .unwrap();
    (run, worker)
}

#[tokio::test]
async fn a_session_is_gone_on_with_if_the_agent_surely_knows_it() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { max_retries: Some(100), ..titled("t") }).await;
    let ended = async |run: i64, ending: &Ending| {
        f.write(async |tx| tx.attempt_ended(run, ending, &PATIENCE, NOW).await).await.unwrap();
    };
    // It crashed before it gave a sign of life: nobody knows whether there is a session.
    let (run, _) = run_in(&f, &id, Some("a"), None).await;
    ended(run, &failed()).await;
    assert_eq!(next(&f, &id).await, None);
    // The agent has named it, and crashed; then again; then it is left.
    let (run, _) = run_in(&f, &id, None, None).await;
    f.write(async |tx| tx.learn_session(run, "b").await).await.unwrap();
    assert_eq!(f.task(&id).await.session_id.as_deref(), Some("b"));
    ended(run, &failed()).await;
    let after_failure = Some(("b".to_owned(), ResumedAfter::Failure));
    assert_eq!(next(&f, &id).await, after_failure);
    let (run, _) = run_in(&f, &id, Some("b"), Some(ResumedAfter::Failure)).await;
    f.write(async |tx| tx.learn_session(run, "b").await).await.unwrap();
    ended(run, &failed()).await;
    assert_eq!(next(&f, &id).await, None, "one failure followed the other in this session");
    // A limit is no failure, and neither is a session that is gone.
    let (run, worker) = run_in(&f, &id, Some("c"), None).await;
    f.write(async |tx| tx.heartbeat(&worker, &id, None, NOW, NOW).await).await.unwrap();
    ended(run, &limited(None)).await;
    assert_eq!(next(&f, &id).await, Some(("c".to_owned(), ResumedAfter::Word)));
    let failures = f.task(&id).await.failures;
    let (run, _) = run_in(&f, &id, Some("c"), Some(ResumedAfter::Word)).await;
    ended(run, &Ending::SessionGone { tail: "no such session".to_owned() }).await;
    assert_eq!(next(&f, &id).await, None);
    let task = f.task(&id).await;
    assert_eq!(
        (task.status.as_str(), task.failures, task.not_before),
        ("ready", failures, None),
        "it starts anew at once"
    );
    assert_eq!(f.kinds(&id).await.last(), Some(&"session_gone"));
    // It ended well and said nothing: it goes on and is asked to.
    let (run, _) = run_in(&f, &id, Some("d"), None).await;
    ended(run, &Ending::Silent).await;
    assert_eq!(next(&f, &id).await, Some(("d".to_owned(), ResumedAfter::Failure)));
}
