//! Attempts that end by themselves: how often they are repeated, how soon, and what is spent.

use kanban_gateway::board::{
    Actor, TaskId,
    attempt::{Ending, Patience},
    create::NewTask,
    run::{EndedBy, Outcome},
};

use crate::fixture::{Fixture, NOW, PATIENCE, hand_off, person, titled};

/// Claims the task, lets the attempt end, and answers status, failures and the seconds until the next one.
async fn attempt(f: &Fixture, id: &TaskId, ending: &Ending) -> (&'static str, i64, Option<i64>) {
    let (claim, _) = f.claim(id).await;
    f.write(async |tx| tx.attempt_ended(claim.run.id, ending, &PATIENCE, NOW).await).await.unwrap();
    let task = f.task(id).await;
    (task.status.as_str(), task.failures, task.not_before.map(|at| (at - NOW) / 1000))
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
    let limited = Ending::RateLimited { tail: "429".to_owned() };
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
        assert_eq!(attempt(&f, &id, &Ending::RateLimited { tail: "429".to_owned() }).await, ("ready", 0, Some(60)));
    }
    let mut tx = f.board.read().await.unwrap();
    let parked = tx.parked_profiles(NOW).await.unwrap();
    assert_eq!(parked, [("bob".parse().unwrap(), NOW + 60_000, "rate limited".to_owned())]);
    assert_eq!(tx.parked_profiles(NOW + 60_000).await.unwrap(), []);
    drop(tx);
    let bob = "bob".parse().unwrap();
    assert!(f.write(async |tx| tx.unpark_profile(&bob).await).await.unwrap());
    assert_eq!(f.board.read().await.unwrap().parked_profiles(NOW).await.unwrap(), []);
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
        for ending in [failed(), Ending::Silent, Ending::RateLimited { tail: String::new() }] {
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
