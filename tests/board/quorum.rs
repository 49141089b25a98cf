//! Tasks that start when some of their parents are done.

use kanban_gateway::board::{Actor, Reason, TaskId, create::NewTask, finish::HandOff, quorum::Quorum};

use crate::fixture::{Fixture, NOW, person, titled};

struct Vote {
    f: Fixture,
    voters: Vec<TaskId>,
    teller: TaskId,
}

impl Vote {
    async fn of(voters: usize, needed: i64, cancels_rest: bool) -> Self {
        let f = Fixture::new().await;
        let mut ids = Vec::new();
        for number in 0..voters {
            ids.push(f.ready(&format!("voter {number}")).await);
        }
        let quorum = Some(Quorum { needed, cancels_rest });
        let teller = f.create(NewTask { parents: ids.clone(), quorum, ..titled("teller") }).await;
        Self { f, voters: ids, teller }
    }

    async fn statuses(&self) -> Vec<&'static str> {
        let mut statuses = Vec::new();
        for voter in &self.voters {
            statuses.push(self.f.status(voter).await);
        }
        statuses
    }

    async fn cancel(&self, voter: usize) {
        let id = &self.voters[voter];
        self.f.write(async |tx| tx.cancel(&person(), id, None, NOW).await).await.unwrap();
    }
}

#[tokio::test]
async fn a_task_starts_with_the_parent_that_makes_its_quorum() {
    let vote = Vote::of(5, 3, false).await;
    assert_eq!(vote.f.status(&vote.teller).await, "todo");
    vote.f.complete(&vote.voters[0]).await;
    // Who is cancelled has not voted.
    vote.cancel(1).await;
    vote.f.complete(&vote.voters[2]).await;
    assert_eq!(vote.f.status(&vote.teller).await, "todo");
    vote.f.complete(&vote.voters[4]).await;
    assert_eq!(vote.f.status(&vote.teller).await, "ready");
    assert_eq!(vote.statuses().await, ["done", "archived", "done", "ready", "done"], "the rest goes on");
    // It can be claimed, and a further link holds it up no more.
    let late = vote.f.ready("a late voter").await;
    vote.f.write(async |tx| tx.link(&person(), &late, &vote.teller, NOW).await).await.unwrap();
    assert_eq!(vote.f.status(&vote.teller).await, "ready");
    vote.f.claim(&vote.teller).await;
}

#[tokio::test]
async fn the_rest_ends_where_that_was_asked_for_and_nobody_else_waits_for_it() {
    let vote = Vote::of(5, 2, true).await;
    let (_, worker) = vote.f.claim(&vote.voters[3]).await;
    let other = vote.f.child_of(&[&vote.voters[4]]).await;
    vote.f.complete(&vote.voters[0]).await;
    vote.f.complete(&vote.voters[1]).await;
    assert_eq!(vote.f.status(&vote.teller).await, "ready");
    assert_eq!(vote.statuses().await, ["done", "done", "archived", "archived", "ready"]);
    assert_eq!(vote.f.status(&other).await, "todo");
    // The worker of one that was ended writes nothing more.
    let id = &vote.voters[3];
    vote.f.refused(Reason::Stale, async |tx| tx.complete(&worker, id, &HandOff::default(), NOW).await).await;
    let kinds = vote.f.kinds(id).await;
    assert_eq!(kinds.last(), Some(&"cancelled"));
}

#[tokio::test]
async fn a_quorum_that_can_no_longer_be_made_waits_for_all() {
    let vote = Vote::of(3, 2, true).await;
    vote.cancel(0).await;
    vote.cancel(1).await;
    assert_eq!(vote.f.status(&vote.teller).await, "todo");
    vote.f.complete(&vote.voters[2]).await;
    assert_eq!(vote.f.status(&vote.teller).await, "ready");
}

#[tokio::test]
async fn a_quorum_that_is_made_already_holds_nothing_up() {
    let f = Fixture::new().await;
    let (one, two) = (f.ready("one").await, f.ready("two").await);
    f.complete(&one).await;
    let quorum = Some(Quorum { needed: 1, cancels_rest: true });
    let parents = vec![one.clone(), two.clone()];
    let teller = f.create(NewTask { parents, quorum, ..titled("teller") }).await;
    assert_eq!((f.status(&teller).await, f.status(&two).await), ("ready", "archived"));
    for needed in [0, 3] {
        let quorum = Some(Quorum { needed, cancels_rest: false });
        let parents = vec![one.clone(), two.clone()];
        let new = NewTask { parents, quorum, ..titled("never") };
        f.refused(Reason::Invalid, async |tx| tx.create(&person(), "ann", new, NOW).await).await;
    }
    // A task with a quorum can be deleted like any other.
    f.write(async |tx| {
        tx.archive(&Actor::Gateway, &teller, NOW).await?;
        tx.delete(&teller).await
    })
    .await
    .unwrap();
}

/// The same twice: whichever two of three end first, in any order, the third ends with them and exactly once.
#[tokio::test]
async fn any_order_of_ends_starts_it_once() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let vote = Vote::of(3, 2, false).await;
        for voter in order {
            vote.f.complete(&vote.voters[voter]).await;
        }
        let promoted = vote.f.kinds(&vote.teller).await.into_iter().filter(|kind| *kind == "promoted").count();
        assert_eq!((vote.f.status(&vote.teller).await, promoted), ("ready", 1));
    }
}
