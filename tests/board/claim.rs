//! Claims, and what a worker may do while it holds one.

use kanban_gateway::board::{Actor, ProfileName, Reason, Remit, create::NewTask, run::hash, task::BlockKind};

use crate::fixture::{Fixture, NOW, hand_off, person, titled};

#[tokio::test]
async fn a_claim_opens_a_run_and_stores_the_hash_of_its_token_alone() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (claim, _) = f.claim(&id).await;
    assert_eq!((claim.run.attempt, claim.run.holder.as_str(), claim.run.status()), (1, "gateway", "running"));
    assert_eq!(claim.run.profile.as_ref().map(ProfileName::as_str), Some("bob"));
    assert_eq!(claim.run.token_hash, hash(claim.token.expose()));
    assert_eq!(claim.token.expose().len(), 64);
    assert!(!f.dump().contains(claim.token.expose()), "the token itself is stored");
    let task = f.task(&id).await;
    assert_eq!(task, claim.task);
    assert_eq!((task.status.as_str(), task.current_run, task.started_at), ("running", Some(claim.run.id), Some(NOW)));

    let said = f.refused(Reason::WrongStatus, async |tx| tx.claim(&id, "ann", None, NOW).await).await;
    assert_eq!(said, format!("cannot claim {id}: status=running lock=gateway"));
}

#[tokio::test]
async fn a_claim_is_the_last_gate_whoever_wrote_ready() {
    let f = Fixture::new().await;
    let parent = f.ready("parent").await;
    let child = f.child_of(&[&parent]).await;
    f.sql().execute("UPDATE tasks SET status = 'ready' WHERE id = ?1", [child.as_str()]).unwrap();
    let said = f.refused(Reason::OpenParents, async |tx| tx.claim(&child, "gateway", None, NOW).await).await;
    assert!(said.contains(parent.as_str()), "{said}");
    f.write(async |tx| tx.demote(&child, NOW).await).await.unwrap();
    assert_eq!(f.status(&child).await, "todo");
    assert_eq!(f.kinds(&child).await, ["created", "claim_rejected"]);

    f.write(async |tx| tx.promote(&person(), &child, None, true, NOW).await).await.unwrap();
    f.write(async |tx| tx.demote(&child, NOW).await).await.unwrap();
    assert_eq!(f.status(&child).await, "ready", "what a person let start is not taken back");
    f.claim(&child).await;
}

#[tokio::test]
async fn the_worker_of_an_ended_run_can_change_nothing() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (first, stale) = f.claim(&id).await;
    f.write(async |tx| tx.reclaim(&person(), &id, Some("too slow"), NOW).await).await.unwrap();
    let (second, current) = f.claim(&id).await;
    assert_eq!((second.run.attempt, second.run.id > first.run.id), (2, true));

    let hand_off = hand_off("mine");
    let other = f.ready("other").await;
    let stale_said = f.refused(Reason::Stale, async |tx| tx.complete(&stale, &id, &hand_off, NOW).await).await;
    assert!(stale_said.contains("has ended (reclaimed)"), "{stale_said}");
    f.refused(Reason::Stale, async |tx| tx.block(&stale, &id, None, Some("stuck"), NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.schedule(&stale, &id, None, None, NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.heartbeat(&stale, &id, Some("on it"), NOW + 1, NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.comment(&stale, &id, "bob", "hello", NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.create(&stale, "bob", titled("child"), NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.cancel(&stale, &id, None, NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.reclaim(&stale, &id, None, NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.link(&stale, &other, &id, NOW).await).await;
    f.refused(Reason::Stale, async |tx| tx.edit(&stale, &id, &hand_off, NOW).await).await;

    f.write(async |tx| tx.complete(&current, &id, &hand_off, NOW).await).await.unwrap();
    f.refused(Reason::Stale, async |tx| tx.comment(&current, &id, "bob", "one more thing", NOW).await).await;
    f.write(async |tx| tx.archive(&person(), &id, NOW).await).await.unwrap();
    f.write(async |tx| tx.delete(&id).await).await.unwrap();
    f.refused(Reason::Stale, async |tx| tx.comment(&current, &other, "bob", "hello", NOW).await).await;
}

#[tokio::test]
async fn a_worker_reaches_its_own_task_and_its_children_alone() {
    let f = Fixture::new().await;
    let (own, other) = (f.ready("own").await, f.ready("other").await);
    let (claim, worker) = f.claim(&own).await;
    let child = f.write(async |tx| tx.create(&worker, "bob", titled("child"), NOW).await).await.unwrap().task;
    assert_eq!(child.creator_run, Some(claim.run.id));

    f.refused(Reason::Forbidden, async |tx| tx.comment(&worker, &other, "bob", "hello", NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.complete(&worker, &other, &hand_off("done"), NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.cancel(&worker, &other, None, NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.reclaim(&worker, &other, None, NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.assign(&worker, &other, None, NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.link(&worker, &other, &own, NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.promote(&worker, &other, None, true, NOW).await).await;

    f.write(async |tx| tx.comment(&worker, &child.id, "bob", "look at this first", NOW).await).await.unwrap();
    f.write(async |tx| tx.link(&worker, &child.id, &own, NOW).await).await.unwrap();
    f.write(async |tx| tx.assign(&worker, &child.id, Some(&"eve".parse().unwrap()), NOW).await).await.unwrap();
    f.refused(Reason::Forbidden, async |tx| tx.complete(&worker, &child.id, &hand_off("done"), NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.block(&worker, &child.id, None, None, NOW).await).await;

    // A later attempt at the same task has the same children.
    f.write(async |tx| tx.reclaim(&person(), &own, None, NOW).await).await.unwrap();
    f.complete(&f.ready("unrelated").await).await;
    f.write(async |tx| tx.unlink(&person(), &child.id, &own, NOW).await).await.unwrap();
    let (_, later) = f.claim(&own).await;
    f.write(async |tx| tx.comment(&later, &child.id, "bob", "still there", NOW).await).await.unwrap();
}

#[tokio::test]
async fn a_run_proves_nothing_about_another_task() {
    let f = Fixture::new().await;
    let (own, other) = (f.ready("own").await, f.ready("other").await);
    let (claim, _) = f.claim(&own).await;
    let forged = Actor::Worker { run: claim.run.id, task: other.clone(), name: "bob".to_owned(), remit: Remit::Own };
    f.refused(Reason::Forbidden, async |tx| tx.complete(&forged, &other, &hand_off("done"), NOW).await).await;
}

#[tokio::test]
async fn a_heartbeat_extends_a_claim_that_expires_and_no_other() {
    let f = Fixture::new().await;
    let id = f.ready("by hand").await;
    let claim = f.write(async |tx| tx.claim(&id, "ann", Some(NOW + 900), NOW).await).await.unwrap();
    let (watched, worker) = f.claim(&f.ready("watched").await).await;
    let mut tx = f.board.read().await.unwrap();
    assert_eq!(tx.next_alarm(NOW).await.unwrap(), Some(NOW + 900));
    assert_eq!(tx.expired_claims(NOW + 899).await.unwrap(), []);
    assert_eq!(tx.expired_claims(NOW + 900).await.unwrap(), [claim.run]);
    drop(tx);
    f.write(async |tx| tx.heartbeat(&person(), &id, Some("half"), NOW + 5_000, NOW + 800).await).await.unwrap();
    // A claim that was made for longer is not cut short.
    f.write(async |tx| tx.heartbeat(&person(), &id, None, NOW + 4_000, NOW + 800).await).await.unwrap();
    f.write(async |tx| tx.heartbeat(&worker, &watched.task.id, None, NOW + 1, NOW).await).await.unwrap();
    let mut tx = f.board.read().await.unwrap();
    assert_eq!(tx.expired_claims(NOW + 4_999).await.unwrap(), []);
    let runs = tx.runs_of(&id).await.unwrap();
    assert_eq!((runs[0].last_heartbeat_at, runs[0].heartbeat_note.as_deref()), (Some(NOW + 800), Some("half")));
    assert_eq!(tx.runs_of(&watched.task.id).await.unwrap()[0].claim_expires, None);
}

#[tokio::test]
async fn the_pid_of_a_worker_that_is_done_already_is_not_written() {
    let f = Fixture::new().await;
    let id = f.ready("quick").await;
    let (claim, worker) = f.claim(&id).await;
    f.write(async |tx| tx.complete(&worker, &id, &hand_off("done"), NOW).await).await.unwrap();
    let before = f.dump();
    f.write(async |tx| tx.started(claim.run.id, 42, 7, "boot", NOW).await).await.unwrap();
    assert_eq!(f.dump(), before);

    let slow = f.ready("slow").await;
    let (claim, _) = f.claim(&slow).await;
    f.write(async |tx| tx.started(claim.run.id, 42, 7, "boot", NOW).await).await.unwrap();
    let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
    assert_eq!((run.worker_pid, run.worker_start_time, run.boot_id.as_deref()), (Some(42), Some(7), Some("boot")));
    assert_eq!(f.kinds(&slow).await, ["created", "claimed", "spawned"]);
}

#[tokio::test]
async fn tasks_start_by_priority_and_then_by_age() {
    let f = Fixture::new().await;
    let mut expected = Vec::new();
    for (title, priority, at) in [("late", 0, 3), ("early", 0, 1), ("urgent", 9, 4), ("middle", 0, 2)] {
        let new = NewTask { priority, ..titled(title) };
        f.write(async |tx| tx.create(&person(), "ann", new, NOW + at).await).await.unwrap();
        expected.push((-priority, at, title));
    }
    expected.sort_unstable();
    let resting = f.ready("resting").await;
    f.sql().execute("UPDATE tasks SET not_before = ?2 WHERE id = ?1", (resting.as_str(), NOW + 60_000)).unwrap();
    f.create(NewTask { assignee: Some("eve".parse().unwrap()), ..titled("of another") }).await;
    f.write(async |tx| tx.create(&person(), "ann", NewTask { assignee: None, ..titled("of nobody") }, NOW).await)
        .await
        .unwrap();

    let mut tx = f.board.read().await.unwrap();
    let bob = "bob".parse().unwrap();
    let titles = |tasks: Vec<kanban_gateway::board::task::Task>| tasks.into_iter().map(|t| t.title).collect::<Vec<_>>();
    let expected: Vec<_> = expected.into_iter().map(|(.., title)| title).collect();
    assert_eq!(titles(tx.to_start(&bob, NOW, 10, 0).await.unwrap()), expected);
    assert_eq!(titles(tx.to_start(&bob, NOW, 2, 1).await.unwrap()), expected[1..3]);
    assert_eq!(tx.to_start(&bob, NOW + 60_000, 10, 0).await.unwrap().len(), 5);
    let assignees: Vec<_> = tx.ready_assignees().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(assignees, ["bob", "eve"]);
    assert_eq!(titles(tx.ready_unassigned(10).await.unwrap()), ["of nobody"]);
    assert_eq!(tx.next_alarm(NOW).await.unwrap(), Some(NOW + 60_000));
}

#[tokio::test]
async fn a_person_may_block_what_a_worker_has_in_hand() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (claim, worker) = f.claim(&id).await;
    let kind = Some(BlockKind::Capability);
    f.write(async |tx| tx.block(&person(), &id, kind, Some("wait"), NOW).await).await.unwrap();
    let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
    assert_eq!(run.ended_by, Some(kanban_gateway::board::run::EndedBy::Person));
    f.refused(Reason::Stale, async |tx| tx.complete(&worker, &id, &hand_off("done"), NOW).await).await;
}
