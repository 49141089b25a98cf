//! Holding tasks back and letting them go: block, unblock, schedule, promote, retry, assign.

use kanban_gateway::board::{
    Actor, Reason, TaskId,
    block::Held,
    create::NewTask,
    run::Outcome,
    task::{BlockKind, Status},
};

use crate::fixture::{Fixture, NOW, hand_off, person, titled};

async fn block(f: &Fixture, id: &TaskId, kind: Option<BlockKind>) -> Held {
    f.write(async |tx| tx.block(&person(), id, kind, Some(" why "), NOW).await).await.unwrap()
}

async fn unblock(f: &Fixture, id: &TaskId) -> Status {
    f.write(async |tx| tx.unblock(&person(), id, None, NOW).await).await.unwrap()
}

#[tokio::test]
async fn the_second_block_of_one_kind_waits_in_triage_and_is_announced() {
    let f = Fixture::new().await;
    for kind in [None, Some(BlockKind::NeedsInput), Some(BlockKind::Capability), Some(BlockKind::Transient)] {
        let id = f.ready("t").await;
        assert_eq!(block(&f, &id, kind).await, Held::Blocked);
        assert_eq!(unblock(&f, &id).await, Status::Ready);
        assert_eq!(block(&f, &id, kind).await, Held::Loop);
        assert_eq!(f.status(&id).await, "triage");
        assert_eq!(f.kinds(&id).await.last(), Some(&"block_loop_detected"));
    }
    assert!(
        kanban_gateway::board::policy::Policy::default().tells(kanban_gateway::board::event::Kind::BlockLoopDetected)
    );
}

#[tokio::test]
async fn another_kind_or_a_completion_begins_the_count_anew() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    block(&f, &id, Some(BlockKind::Transient)).await;
    unblock(&f, &id).await;
    assert_eq!(block(&f, &id, Some(BlockKind::Capability)).await, Held::Blocked);
    unblock(&f, &id).await;
    assert_eq!(block(&f, &id, None).await, Held::Blocked);
    f.complete(&id).await;
    assert_eq!((f.task(&id).await.block_kind, f.task(&id).await.block_recurrences), (None, 0));
}

#[tokio::test]
async fn what_a_worker_says_when_it_blocks_is_kept_once_in_each_place() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (claim, worker) = f.claim(&id).await;
    let kind = Some(BlockKind::NeedsInput);
    f.write(async |tx| tx.block(&worker, &id, kind, Some("  which\n file? "), NOW).await).await.unwrap();
    let mut tx = f.board.read().await.unwrap();
    let run = tx.run(claim.run.id).await.unwrap();
    assert_eq!((run.outcome, run.summary.as_deref()), (Some(Outcome::Blocked), Some("which\n file?")));
    let comments = tx.comments(&id).await.unwrap();
    assert_eq!(comments.iter().map(|c| c.body.as_str()).collect::<Vec<_>>(), ["BLOCKED: which\n file?"]);
    drop(tx);
    assert_eq!(f.task(&id).await.block_reason.as_deref(), Some("which\n file?"));

    let silent = f.ready("silent").await;
    f.write(async |tx| tx.block(&person(), &silent, None, Some(" \n "), NOW).await).await.unwrap();
    assert_eq!(f.task(&silent).await.block_reason, None);
    assert_eq!(f.count("SELECT count(*) FROM comments"), 1);
    assert_eq!(f.count("SELECT count(*) FROM runs"), 1, "no run is invented for a block without words");
}

#[tokio::test]
async fn a_refused_move_leaves_no_comment_behind() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.complete(&id).await;
    f.refused(Reason::WrongStatus, async |tx| tx.block(&person(), &id, None, Some("too late"), NOW).await).await;
    f.refused(Reason::WrongStatus, async |tx| tx.unblock(&person(), &id, Some("go"), NOW).await).await;
    f.refused(Reason::WrongStatus, async |tx| tx.schedule(&person(), &id, None, Some("later"), NOW).await).await;
    f.refused(Reason::WrongStatus, async |tx| tx.retry(&person(), &id, Some("again"), NOW).await).await;
}

#[tokio::test]
async fn a_question_is_released_by_a_person_alone() {
    let f = Fixture::new().await;
    let parent = f.ready("parent").await;
    let (_, worker) = f.claim(&parent).await;
    let id = f.write(async |tx| tx.create(&worker, "bob", titled("child"), NOW).await).await.unwrap().task.id;
    block(&f, &id, Some(BlockKind::NeedsInput)).await;
    for actor in [&worker, &Actor::Gateway] {
        f.refused(Reason::NeedsPerson, async |tx| tx.unblock(actor, &id, None, NOW).await).await;
        f.refused(Reason::NeedsPerson, async |tx| tx.promote(actor, &id, None, true, NOW).await).await;
        f.refused(Reason::NeedsPerson, async |tx| tx.retry(actor, &id, None, NOW).await).await;
    }
    f.refused(Reason::NeedsPerson, async |tx| tx.schedule(&Actor::Gateway, &id, Some(NOW), None, NOW).await).await;
    assert_eq!(unblock(&f, &id).await, Status::Ready);
    assert_eq!(block(&f, &id, Some(BlockKind::NeedsInput)).await, Held::Loop);
    for actor in [&worker, &Actor::Gateway] {
        f.refused(Reason::NeedsPerson, async |tx| tx.promote(actor, &id, None, true, NOW).await).await;
    }
    f.write(async |tx| tx.promote(&person(), &id, None, false, NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "ready");

    // Other kinds of blocks are released by whoever sees that they are over.
    let other = f.write(async |tx| tx.create(&worker, "bob", titled("child"), NOW).await).await.unwrap().task.id;
    block(&f, &other, Some(BlockKind::Transient)).await;
    f.write(async |tx| tx.unblock(&worker, &other, None, NOW).await).await.unwrap();
}

#[tokio::test]
async fn giving_up_after_an_answered_question_asks_no_question() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { max_retries: Some(1), ..titled("t") }).await;
    block(&f, &id, Some(BlockKind::NeedsInput)).await;
    unblock(&f, &id).await;
    let (claim, _) = f.claim(&id).await;
    let failed = kanban_gateway::board::attempt::Ending::Failed { error: "exit 1".to_owned() };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &failed, &crate::fixture::PATIENCE, NOW).await).await.unwrap();
    let task = f.task(&id).await;
    assert_eq!((task.status.as_str(), task.block_kind, task.needs_person()), ("blocked", None, false));
    assert_eq!(task.block_reason.as_deref(), Some("exit 1"));
    unblock(&f, &id).await;
    assert_eq!(block(&f, &id, None).await, Held::Blocked);
}

#[tokio::test]
async fn a_dependency_waits_for_open_parents_and_else_for_somebody() {
    let f = Fixture::new().await;
    let kind = Some(BlockKind::Dependency);
    let (parent, id) = (f.ready("parent").await, f.ready("t").await);
    let (_, worker) = f.claim(&id).await;
    f.write(async |tx| tx.link(&person(), &parent, &id, NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "running", "a link does not stop what runs");
    let held = f.write(async |tx| tx.block(&worker, &id, kind, Some("needs the parent"), NOW).await).await.unwrap();
    assert_eq!((held, f.status(&id).await), (Held::WaitsForParents, "todo"));
    f.complete(&parent).await;
    assert_eq!(f.status(&id).await, "ready");

    // A parent that ends before its worker says that it waits for it is not waited for any more.
    let late = f.ready("late").await;
    let (_, worker) = f.claim(&id).await;
    f.write(async |tx| tx.link(&person(), &late, &id, NOW).await).await.unwrap();
    f.complete(&late).await;
    let held = f.write(async |tx| tx.block(&worker, &id, kind, Some("needs the late one"), NOW).await).await.unwrap();
    assert_eq!((held, f.status(&id).await), (Held::GoesOn, "ready"));

    // Nothing is left that it could wait for: it must not bounce between ready and running for ever.
    assert_eq!(block(&f, &id, kind).await, Held::Blocked);
    f.complete(&f.ready("unrelated").await).await;
    assert_eq!(f.status(&id).await, "blocked");
}

#[tokio::test]
async fn a_waiver_holds_for_the_parents_that_were_open() {
    let f = Fixture::new().await;
    let parent = f.ready("parent").await;
    let id = f.child_of(&[&parent]).await;
    let said = f.refused(Reason::OpenParents, async |tx| tx.promote(&person(), &id, None, false, NOW).await).await;
    assert!(said.contains(parent.as_str()) && said.contains("--force"), "{said}");
    f.write(async |tx| tx.promote(&person(), &id, None, true, NOW).await).await.unwrap();
    let (_, worker) = f.claim(&id).await;
    f.write(async |tx| tx.complete(&worker, &id, &hand_off("done"), NOW).await).await.unwrap();

    // Forcing where nothing had to be forced waives nothing.
    let free = f.create(NewTask { triage: true, ..titled("free") }).await;
    f.write(async |tx| tx.promote(&person(), &free, None, true, NOW).await).await.unwrap();
    f.write(async |tx| tx.link(&person(), &parent, &free, NOW).await).await.unwrap();
    assert_eq!(f.status(&free).await, "todo");
}

#[tokio::test]
async fn a_schedule_with_a_time_ends_by_itself_and_one_without_does_not() {
    let f = Fixture::new().await;
    let parent = f.ready("parent").await;
    let (timed, open, waiting) = (f.ready("timed").await, f.ready("open").await, f.child_of(&[&parent]).await);
    f.write(async |tx| {
        tx.schedule(&person(), &timed, Some(NOW + 10), Some("tonight"), NOW).await?;
        tx.schedule(&person(), &open, None, None, NOW).await?;
        tx.schedule(&person(), &waiting, Some(NOW + 10), None, NOW).await
    })
    .await
    .unwrap();
    assert_eq!(f.board.read().await.unwrap().next_alarm(NOW).await.unwrap(), Some(NOW + 10));
    assert_eq!(f.write(async |tx| tx.release_due(NOW + 9).await).await.unwrap(), 0);
    assert_eq!(f.write(async |tx| tx.release_due(NOW + 10).await).await.unwrap(), 2);
    let statuses = (f.status(&timed).await, f.status(&open).await, f.status(&waiting).await);
    assert_eq!(statuses, ("ready", "scheduled", "todo"));
    assert_eq!(unblock(&f, &open).await, Status::Ready);
    assert_eq!(f.task(&timed).await.not_before, None);
}

#[tokio::test]
async fn scheduling_what_runs_ends_the_run() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (claim, worker) = f.claim(&id).await;
    f.write(async |tx| tx.schedule(&worker, &id, Some(NOW + 10), Some("quota"), NOW).await).await.unwrap();
    let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
    assert_eq!((run.outcome, run.summary.as_deref()), (Some(Outcome::Scheduled), Some("quota")));
}

#[tokio::test]
async fn a_new_profile_starts_with_a_clean_slate() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (claim, _) = f.claim(&id).await;
    let said = f.refused(Reason::WrongStatus, async |tx| tx.assign(&person(), &id, None, NOW).await).await;
    assert!(said.contains("--reclaim"), "{said}");
    let failed = kanban_gateway::board::attempt::Ending::Failed { error: "exit 1".to_owned() };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &failed, &crate::fixture::PATIENCE, NOW).await).await.unwrap();
    let bob = "bob".parse().unwrap();
    f.write(async |tx| tx.assign(&person(), &id, Some(&bob), NOW).await).await.unwrap();
    assert_eq!((f.task(&id).await.failures, f.task(&id).await.not_before), (1, Some(NOW + 10_000)));
    let eve = "eve".parse().unwrap();
    f.write(async |tx| tx.assign(&person(), &id, Some(&eve), NOW).await).await.unwrap();
    assert_eq!((f.task(&id).await.failures, f.task(&id).await.not_before), (0, None));
}

#[tokio::test]
async fn reclaiming_sends_the_task_to_where_its_parents_allow() {
    let f = Fixture::new().await;
    let (parent, id) = (f.ready("parent").await, f.ready("t").await);
    f.claim(&id).await;
    f.write(async |tx| tx.reclaim(&person(), &id, Some("hangs"), NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "ready");
    f.claim(&id).await;
    f.write(async |tx| tx.link(&person(), &parent, &id, NOW).await).await.unwrap();
    f.write(async |tx| tx.reclaim(&person(), &id, None, NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "todo");
    f.complete(&parent).await;
    assert_eq!(f.status(&id).await, "ready");
}
