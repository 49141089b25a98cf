//! Links: children wait for all their parents and are let go with the last one.

use kanban_gateway::board::{Reason, TaskId, task::BlockKind};

use crate::fixture::{Fixture, NOW, person};

async fn link(f: &Fixture, parent: &TaskId, child: &TaskId) {
    f.write(async |tx| tx.link(&person(), parent, child, NOW).await).await.unwrap();
}

#[tokio::test]
async fn the_last_parent_lets_the_child_go_in_the_same_transaction() {
    let f = Fixture::new().await;
    let (a, b) = (f.ready("a").await, f.ready("b").await);
    let child = f.child_of(&[&a, &b]).await;
    f.complete(&a).await;
    assert_eq!(f.status(&child).await, "todo");
    let mut tx = f.board.write().await.unwrap();
    tx.archive(&person(), &b, NOW).await.unwrap();
    assert_eq!(tx.task(&child).await.unwrap().status.as_str(), "ready");
    assert_eq!(f.status(&child).await, "todo", "nobody sees it before the commit");
    tx.commit().await.unwrap();
    assert_eq!(f.status(&child).await, "ready");
    assert_eq!(f.kinds(&child).await, ["created", "promoted"]);
}

#[tokio::test]
async fn an_archived_parent_is_satisfied_everywhere() {
    let f = Fixture::new().await;
    let gone = f.ready("gone").await;
    f.write(async |tx| tx.archive(&person(), &gone, NOW).await).await.unwrap();
    let born = f.child_of(&[&gone]).await;
    assert_eq!(f.status(&born).await, "ready");
    let linked = f.ready("linked").await;
    link(&f, &gone, &linked).await;
    assert_eq!(f.status(&linked).await, "ready");
    f.write(async |tx| tx.block(&person(), &linked, None, None, NOW).await).await.unwrap();
    let landed = f.write(async |tx| tx.unblock(&person(), &linked, None, NOW).await).await.unwrap();
    assert_eq!(landed.as_str(), "ready");
    f.claim(&linked).await;
    f.write(async |tx| tx.block(&person(), &born, Some(BlockKind::Dependency), None, NOW).await).await.unwrap();
    assert_eq!(f.status(&born).await, "blocked", "there is no open parent to wait for");
    f.write(async |tx| tx.promote(&person(), &born, None, false, NOW).await).await.unwrap();
}

#[tokio::test]
async fn a_circle_is_refused_however_long() {
    let f = Fixture::new().await;
    let mut chain = vec![f.ready("0").await];
    for at in 1..40 {
        let next = f.ready(&at.to_string()).await;
        link(&f, &chain[at - 1], &next).await;
        chain.push(next);
    }
    let (first, last) = (&chain[0], &chain[39]);
    f.refused(Reason::Cycle, async |tx| tx.link(&person(), last, first, NOW).await).await;
    f.refused(Reason::Cycle, async |tx| tx.link(&person(), &chain[1], first, NOW).await).await;
    f.refused(Reason::Cycle, async |tx| tx.link(&person(), first, first, NOW).await).await;
    // A short cut is no circle, and linking twice changes nothing.
    link(&f, first, last).await;
    let before = f.dump();
    link(&f, first, last).await;
    assert_eq!(f.dump(), before);
    let nobody = "t_nobody".parse().unwrap();
    f.refused(Reason::UnknownTask, async |tx| tx.link(&person(), &nobody, first, NOW).await).await;
}

#[tokio::test]
async fn unlinking_the_last_open_parent_promotes() {
    let f = Fixture::new().await;
    let (a, b, child) = (f.ready("a").await, f.ready("b").await, f.ready("child").await);
    // An earlier block leaves its mark on the task, but holds nothing back.
    f.write(async |tx| tx.block(&person(), &child, Some(BlockKind::NeedsInput), None, NOW).await).await.unwrap();
    link(&f, &a, &child).await;
    link(&f, &b, &child).await;
    f.write(async |tx| tx.unblock(&person(), &child, None, NOW).await).await.unwrap();
    assert_eq!(f.status(&child).await, "todo");
    f.write(async |tx| tx.unlink(&person(), &a, &child, NOW).await).await.unwrap();
    assert_eq!(f.status(&child).await, "todo");
    f.write(async |tx| tx.unlink(&person(), &b, &child, NOW).await).await.unwrap();
    assert_eq!(f.status(&child).await, "ready");
    f.refused(Reason::Unknown, async |tx| tx.unlink(&person(), &b, &child, NOW).await).await;
}

#[tokio::test]
async fn a_link_holds_back_what_is_ready_and_nothing_else() {
    let f = Fixture::new().await;
    let parent = f.ready("parent").await;
    let (ready, running, done) = (f.ready("ready").await, f.ready("running").await, f.ready("done").await);
    f.claim(&running).await;
    f.complete(&done).await;
    for child in [&ready, &running, &done] {
        link(&f, &parent, child).await;
    }
    let statuses = (f.status(&ready).await, f.status(&running).await, f.status(&done).await);
    assert_eq!(statuses, ("todo", "running", "done"));
    let mut tx = f.board.read().await.unwrap();
    assert_eq!(tx.children(&parent).await.unwrap().len(), 3);
    assert_eq!(tx.parents(&ready).await.unwrap(), std::slice::from_ref(&parent));
    assert_eq!(tx.open_parents(&ready).await.unwrap(), [parent]);
}
