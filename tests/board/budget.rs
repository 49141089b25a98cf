//! What a task may use over all its attempts.

use kanban_gateway::board::{
    Amount, Error, Reason, TaskId,
    attempt::Ending,
    budget::{Bound, Bounds, Budget},
    create::NewTask,
    review::Wanted,
    run::Outcome,
};
use proptest::prelude::*;

use crate::fixture::{Fixture, NOW, PATIENCE, hand_off, person, titled};

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn cost(text: &str) -> Budget {
    Budget { cost: Some(amount(text)), ..Budget::default() }
}

fn time(seconds: i64) -> Budget {
    Budget { total_seconds: Some(seconds), ..Budget::default() }
}

#[tokio::test]
async fn costs_of_all_runs_add_up_and_hold_the_task_once() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { budget: cost("0.3"), ..titled("t") }).await;
    for (number, part) in ["0.1", "0.2"].into_iter().enumerate() {
        let (claim, worker) = f.claim(&id).await;
        let is_over = f
            .write(async |tx| {
                tx.add_cost(&worker, &id, amount(part)).await?;
                tx.stop_if_spent(&id, Budget::default(), NOW).await
            })
            .await
            .unwrap();
        assert_eq!(is_over, number == 1);
        let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
        assert_eq!(run.cost, amount(part));
        if is_over {
            assert_eq!(run.outcome, Some(Outcome::BudgetSpent));
            // Its worker writes nothing any more.
            f.refused(Reason::Stale, async |tx| tx.add_cost(&worker, &id, amount("5")).await).await;
        } else {
            f.write(async |tx| tx.reclaim(&person(), &id, None, NOW).await).await.unwrap();
        }
    }
    let task = f.task(&id).await;
    assert_eq!((task.cost, task.status.as_str()), (amount("0.3"), "blocked"));
    assert!(task.is_held_for_budget() && !task.needs_person());
    assert_eq!(f.kinds(&id).await.iter().filter(|kind| **kind == "budget_spent").count(), 1);
    let raise = |to: &str| Some(Bound::Most(amount(to)));
    let set = async |cost, of_profile| {
        f.write(async |tx| tx.set_budget(&person(), &id, None, cost, of_profile, NOW).await).await.unwrap().status
    };
    assert_eq!(set(raise("0.2"), Budget::default()).await.as_str(), "blocked");
    assert_eq!(set(Some(Bound::Lifted), cost("0.3")).await.as_str(), "blocked", "the profile allows no more");
    assert_eq!(set(raise("0.300001"), Budget::default()).await.as_str(), "ready");
    assert_eq!(f.task(&id).await.last_error, None);
}

#[tokio::test]
async fn a_question_of_a_task_without_money_stays_a_question() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { budget: cost("1"), ..titled("t") }).await;
    let (_, worker) = f.claim(&id).await;
    f.write(async |tx| {
        tx.add_cost(&worker, &id, amount("2")).await?;
        tx.ask(&worker, &id, Some("go on?"), &Default::default(), NOW).await
    })
    .await
    .unwrap();
    let task = f.task(&id).await;
    assert!(task.needs_person() && !task.is_held_for_budget());
    f.write(async |tx| {
        tx.set_budget(&person(), &id, None, Some(Bound::Most(amount("9"))), Budget::default(), NOW).await
    })
    .await
    .unwrap();
    assert_eq!(f.status(&id).await, "blocked", "money is no answer");
}

#[tokio::test]
async fn time_counts_from_the_claim_to_the_end_of_the_worker_over_all_runs() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { budget: time(60), max_retries: Some(9), ..titled("t") }).await;
    let failed = Ending::Failed { error: "exit 3".to_owned() };
    let (first, _) = f.claim(&id).await;
    // The gateway learns an hour later that the worker ended after forty seconds.
    f.write(async |tx| {
        tx.worker_ended(first.run.id, NOW + 40_000).await?;
        assert!(!tx.ended_by_budget(first.run.id, &failed, &Bounds::default(), NOW + 3_600_000).await?);
        tx.attempt_ended(first.run.id, &failed, &PATIENCE, NOW + 3_600_000).await
    })
    .await
    .unwrap();
    let task = f.task(&id).await;
    assert_eq!((task.worked_ms, task.seconds_left(Budget::default())), (40_000, Some(20)));
    let (second, _) = f.claim(&id).await;
    let over = Ending::TimedOut { limit_seconds: 20 };
    let ended =
        async |at| f.write(async |tx| tx.ended_by_budget(second.run.id, &over, &Bounds::default(), at).await).await;
    assert!(ended(NOW + 20_000).await.unwrap());
    assert!(!ended(NOW + 20_000).await.unwrap(), "a run ends once");
    let task = f.task(&id).await;
    assert_eq!((task.worked_ms, task.status.as_str(), task.failures), (60_000, "blocked", 1));
    assert_eq!(task.last_error.as_deref(), Some("its budget is spent: workers were at it for 1m of 1m"));
}

#[tokio::test]
async fn a_budget_that_was_raised_while_it_ran_costs_no_attempt() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { budget: time(20), ..titled("t") }).await;
    let (claim, _) = f.claim(&id).await;
    f.write(async |tx| tx.set_budget(&person(), &id, Some(Bound::Most(3_600)), None, Budget::default(), NOW).await)
        .await
        .unwrap();
    let over = Ending::TimedOut { limit_seconds: 20 };
    let ended = f.write(async |tx| tx.ended_by_budget(claim.run.id, &over, &Bounds::default(), NOW + 20_000).await);
    assert!(ended.await.unwrap());
    let task = f.task(&id).await;
    assert_eq!((task.status.as_str(), task.failures, task.worked_ms), ("ready", 0, 20_000));
    // A limit of the run's own is what it always was.
    let (claim, _) = f.claim(&id).await;
    let bounds = Bounds { max_runtime_seconds: Some(20), ..Bounds::default() };
    let ended = f.write(async |tx| tx.ended_by_budget(claim.run.id, &over, &bounds, NOW + 20_000).await);
    assert!(!ended.await.unwrap());
}

#[tokio::test]
async fn a_person_looks_at_work_for_whose_review_nothing_is_left() {
    let f = Fixture::new().await;
    let eve = Wanted::Profile("eve".parse().unwrap());
    let hand_in = async || {
        let id = f.create(NewTask { budget: cost("1"), ..titled("t") }).await;
        let (_, worker) = f.claim(&id).await;
        f.write(async |tx| tx.request_review(&worker, &id, &hand_off("the work"), &eve, NOW).await).await.unwrap();
        id
    };
    let spend = async |id: &TaskId, run: Option<i64>| {
        let spent = f.write(async |tx| {
            tx.add_cost_of(id, run, amount("1")).await?;
            tx.stop_if_spent(id, Budget::default(), NOW).await
        });
        assert!(spent.await.unwrap());
        let (task, review) = (f.task(id).await, f.board.read().await.unwrap().open_review(id).await.unwrap().unwrap());
        assert_eq!((task.status.as_str(), task.current_run, review.reviewer), ("review", None, None));
        assert_eq!(f.kinds(id).await.last().copied(), Some("review_requested"), "it is told");
    };
    let id = hand_in().await;
    spend(&id, None).await;
    // Once a person is to look at it, there is nothing left to stop.
    f.refused(Reason::WrongStatus, async |tx| tx.stop_if_spent(&id, Budget::default(), NOW).await).await;
    let id = hand_in().await;
    let claim = f.write(async |tx| tx.claim_review(&id, "gateway", NOW).await).await.unwrap();
    spend(&id, Some(claim.run.id)).await;
    let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
    assert_eq!(run.outcome, Some(Outcome::BudgetSpent));
    f.write(async |tx| tx.approve(&person(), &id, None, NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "done");
}

#[tokio::test]
async fn a_claim_by_hand_uses_no_time() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { budget: time(5), ..titled("t") }).await;
    f.write(async |tx| tx.claim(&id, "console:ann", Some(NOW + 900_000), NOW).await.map(drop)).await.unwrap();
    f.write(async |tx| tx.reclaim(&person(), &id, None, NOW + 600_000).await).await.unwrap();
    assert_eq!(f.task(&id).await.worked_ms, 0);
}

#[tokio::test]
async fn what_is_over_has_no_budget() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.complete(&id).await;
    let set = async |tx: &mut kanban_gateway::board::Tx| {
        tx.set_budget(&person(), &id, None, Some(Bound::Lifted), Budget::default(), NOW).await
    };
    f.refused(Reason::WrongStatus, set).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_reports_add_up_exactly(parts in proptest::collection::vec(0_u64..=1_000_000_000_000, 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::new().await;
            let id = f.ready("t").await;
            let (_, worker) = f.claim(&id).await;
            let mut sum = 0_u64;
            for part in &parts {
                let text = format!("{}.{:06}", part / 1_000_000, part % 1_000_000);
                let added: Result<(), Error> = f.write(async |tx| tx.add_cost(&worker, &id, text.parse().unwrap()).await).await;
                added.unwrap();
                sum += part;
            }
            assert_eq!(f.count("SELECT cost FROM tasks"), i64::try_from(sum.min(1_000_000_000_000_000)).unwrap());
            assert_eq!(f.count("SELECT cost FROM runs"), f.count("SELECT cost FROM tasks"));
        });
    }
}
