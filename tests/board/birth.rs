//! Creating tasks: the status that they are born with, and creating one once.

use kanban_gateway::board::{Reason, create::NewTask, task::BlockKind};

use crate::fixture::{Fixture, NOW, person, titled};

#[tokio::test]
async fn the_status_at_birth_follows_from_what_is_asked() {
    let f = Fixture::new().await;
    let (open, done, archived) = (f.ready("open").await, f.ready("done").await, f.ready("archived").await);
    f.complete(&done).await;
    f.write(async |tx| tx.archive(&person(), &archived, NOW).await).await.unwrap();
    let under = |parents: &[&_]| NewTask { parents: parents.iter().copied().cloned().collect(), ..titled("t") };
    let cases = [
        ("plain", titled("t"), "ready"),
        ("an open parent", under(&[&open]), "todo"),
        ("parents that are done and archived", under(&[&done, &archived]), "ready"),
        ("one of three parents open", under(&[&done, &open, &archived]), "todo"),
        ("triage", NewTask { triage: true, ..titled("t") }, "triage"),
        ("triage before an open parent", NewTask { triage: true, ..under(&[&open]) }, "triage"),
        ("blocked before all else", NewTask { blocked: true, triage: true, ..under(&[&open]) }, "blocked"),
        ("a later time", NewTask { at: Some(NOW + 1), ..titled("t") }, "scheduled"),
        ("a later time and an open parent", NewTask { at: Some(NOW + 1), ..under(&[&open]) }, "scheduled"),
        ("a time that has passed", NewTask { at: Some(NOW), ..titled("t") }, "ready"),
    ];
    for (what, new, expected) in cases {
        let id = f.create(new).await;
        assert_eq!(f.status(&id).await, expected, "{what}");
        assert_eq!(f.kinds(&id).await, ["created"], "{what}");
    }
}

#[tokio::test]
async fn a_task_born_blocked_is_a_gate_that_only_a_person_opens() {
    let f = Fixture::new().await;
    let id = f.create(NewTask { blocked: true, ..titled("gate") }).await;
    assert_eq!(f.task(&id).await.block_kind, Some(BlockKind::NeedsInput));
    // Nothing that ends elsewhere opens it.
    let other = f.ready("other").await;
    f.complete(&other).await;
    f.write(async |tx| tx.release_due(NOW * 2).await).await.unwrap();
    assert_eq!(f.status(&id).await, "blocked");
}

#[tokio::test]
async fn what_was_asked_for_is_kept_as_it_was_typed() {
    let f = Fixture::new().await;
    let body = "line\r\n\tlast 'quotes' \u{1f600} -- ;DROP TABLE tasks\n";
    let new =
        NewTask { body: Some(body.to_owned()), tenant: Some("acme".to_owned()), priority: -3, ..titled("  a  title ") };
    let id = f.create(new).await;
    let task = f.task(&id).await;
    assert_eq!((task.title.as_str(), task.body.as_deref()), ("a  title", Some(body)));
    assert_eq!((task.tenant.as_deref(), task.priority, task.created_by.as_str()), (Some("acme"), -3, "ann"));
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let f = Fixture::new().await;
    let nobody = "t_nobody".parse().unwrap();
    let cases = [
        (Reason::Invalid, titled("  \n ")),
        (Reason::Invalid, titled("a\0b")),
        (Reason::Invalid, NewTask { body: Some("a\0b".to_owned()), ..titled("t") }),
        (Reason::TooMuch, titled(&"x".repeat(1_001))),
        (Reason::TooMuch, NewTask { body: Some("x".repeat(256 * 1024 + 1)), ..titled("t") }),
        (Reason::Invalid, NewTask { max_retries: Some(0), ..titled("t") }),
        (Reason::Invalid, NewTask { max_runtime_seconds: Some(-1), ..titled("t") }),
        (Reason::Invalid, NewTask { goal_max_turns: Some(0), ..titled("t") }),
        (Reason::UnknownTask, NewTask { parents: vec![nobody], ..titled("t") }),
    ];
    for (reason, new) in cases {
        f.refused(reason, async |tx| tx.create(&person(), "ann", new, NOW).await).await;
    }
    f.create(titled(&"\u{e9}".repeat(1_000))).await;
}

#[tokio::test]
async fn a_key_makes_one_live_task_and_is_free_again_after_the_archive() {
    let f = Fixture::new().await;
    let keyed = |title: &str| NewTask { idempotency_key: Some(" k ".to_owned()), ..titled(title) };
    let create = async |new| f.write(async |tx| tx.create(&person(), "ann", new, NOW).await).await.unwrap();
    let first = create(keyed("first")).await;
    let again = create(keyed("second")).await;
    assert!(!first.existed && again.existed);
    assert_eq!((again.task.id.clone(), again.task.title.as_str()), (first.task.id.clone(), "first"));
    assert_eq!(f.kinds(&first.task.id).await, ["created"]);

    f.complete(&first.task.id).await;
    assert!(create(keyed("a done task still holds its key")).await.existed);
    f.write(async |tx| tx.archive(&person(), &first.task.id, NOW).await).await.unwrap();
    let anew = create(keyed("anew")).await;
    assert!(!anew.existed);
    assert_ne!(anew.task.id, first.task.id);
    let blank = NewTask { idempotency_key: Some("  ".to_owned()), ..titled("blank") };
    assert!(!create(blank.clone()).await.existed);
    assert!(!create(blank).await.existed);
}
