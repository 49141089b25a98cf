//! Ends of a task: complete, edit, cancel, archive, delete.

use kanban_gateway::board::{
    Reason,
    attachment::NewAttachment,
    finish::HandOff,
    run::{EndedBy, Outcome},
    thread::Following,
};
use serde_json::json;

use crate::fixture::{Fixture, NOW, hand_off, person, thread};

#[tokio::test]
async fn a_completion_closes_the_run_and_keeps_every_word() {
    let f = Fixture::new().await;
    let id = f.ready("count").await;
    let (claim, worker) = f.claim(&id).await;
    let summary = format!("  first line\nsecond line {}\n", "x".repeat(1_000));
    let handed = HandOff {
        result: Some("12".to_owned()),
        summary: Some(summary.clone()),
        metadata: Some(json!({"rows": 12, "why": "\u{e9}"})),
        ..HandOff::default()
    };
    let task = f.write(async |tx| tx.complete(&worker, &id, &handed, NOW + 5_000).await).await.unwrap();
    assert_eq!((task.status.as_str(), task.result.as_deref()), ("done", Some("12")));
    assert_eq!((task.completed_at, task.current_run), (Some(NOW + 5_000), None));
    let mut tx = f.board.read().await.unwrap();
    let run = tx.run(claim.run.id).await.unwrap();
    assert_eq!((run.outcome, run.ended_by), (Some(Outcome::Completed), Some(EndedBy::Worker)));
    assert_eq!(run.summary.as_deref(), Some(summary.trim()));
    assert_eq!(run.metadata.as_deref(), Some(r#"{"rows":12,"why":"é"}"#));
    let event = tx.events_of(&id).await.unwrap().pop().unwrap();
    assert_eq!((event.run_id, event.payload()["summary"].as_str()), (Some(run.id), Some("first line")));
}

#[tokio::test]
async fn a_result_is_never_overwritten_with_nothing() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.sql().execute("UPDATE tasks SET result = 'kept' WHERE id = ?1", [id.as_str()]).unwrap();
    f.write(async |tx| tx.complete(&person(), &id, &hand_off("only a summary"), NOW).await).await.unwrap();
    assert_eq!(f.task(&id).await.result.as_deref(), Some("kept"));
    f.refused(Reason::Invalid, async |tx| tx.edit(&person(), &id, &hand_off("no result"), NOW).await).await;
    assert_eq!(f.task(&id).await.result.as_deref(), Some("kept"));
}

#[tokio::test]
async fn blank_words_are_no_words() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let blank = HandOff { result: Some(" \n".to_owned()), summary: Some("\t \n ".to_owned()), ..HandOff::default() };
    let task = f.write(async |tx| tx.complete(&person(), &id, &blank, NOW).await).await.unwrap();
    assert_eq!(task.result, None);
    assert_eq!(f.count("SELECT count(*) FROM runs"), 0, "nothing was handed off, so no run is invented");
}

#[tokio::test]
async fn words_for_a_task_that_nobody_had_claimed_are_kept_as_a_run() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.write(async |tx| tx.complete(&person(), &id, &hand_off("by hand"), NOW).await).await.unwrap();
    let mut tx = f.board.read().await.unwrap();
    let runs = tx.runs_of(&id).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].summary.as_deref(), runs[0].started_at, runs[0].ended_at), (Some("by hand"), NOW, Some(NOW)));
    assert_eq!((runs[0].attempt, runs[0].ended_by), (1, Some(EndedBy::Person)));
    assert_eq!(tx.latest_summary(&id).await.unwrap().as_deref(), Some("by hand"));
}

#[tokio::test]
async fn an_edit_corrects_the_task_and_its_last_completed_run() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (claim, worker) = f.claim(&id).await;
    f.write(async |tx| tx.complete(&worker, &id, &hand_off("wrong"), NOW).await).await.unwrap();
    let right = HandOff { result: Some("42".to_owned()), ..hand_off("right") };
    f.write(async |tx| tx.edit(&person(), &id, &right, NOW).await).await.unwrap();
    assert_eq!(f.task(&id).await.result.as_deref(), Some("42"));
    let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
    assert_eq!(run.summary.as_deref(), Some("right"));
    assert_eq!(f.kinds(&id).await, ["created", "claimed", "completed", "edited"]);
}

#[tokio::test]
async fn cancel_and_archive_end_the_run_and_free_the_children() {
    let f = Fixture::new().await;
    for cancel in [true, false] {
        let id = f.ready("t").await;
        let child = f.child_of(&[&id]).await;
        let (claim, worker) = f.claim(&id).await;
        f.write(async |tx| match cancel {
            true => tx.cancel(&person(), &id, Some("not needed"), NOW).await,
            false => tx.archive(&person(), &id, NOW).await,
        })
        .await
        .unwrap();
        let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
        let expected = if cancel { Outcome::Cancelled } else { Outcome::Reclaimed };
        assert_eq!((run.outcome, run.ended_by), (Some(expected), Some(EndedBy::Person)));
        assert_eq!((f.status(&id).await, f.status(&child).await), ("archived", "ready"));
        f.refused(Reason::Stale, async |tx| tx.complete(&worker, &id, &hand_off("late"), NOW).await).await;
    }
}

#[tokio::test]
async fn deleting_leaves_no_row_but_what_a_thread_is_still_owed() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = f.ready("a secret plan").await;
    let (parent, child) = (f.ready("parent").await, f.ready("child").await);
    f.write(async |tx| {
        tx.link(&person(), &parent, &id, NOW).await?;
        tx.unlink(&person(), &parent, &id, NOW).await?;
        tx.link(&person(), &id, &child, NOW).await?;
        tx.comment(&person(), &id, "ann", "a note", NOW).await?;
        let file = NewAttachment {
            filename: "a.txt",
            stored_path: "x/a.txt",
            content_type: None,
            size: 3,
            uploaded_by: "console:ana",
        };
        tx.attach(&person(), &id, file, NOW).await?;
        let following = Following { task: Some(id.clone()), ..Following::default() };
        tx.watch(&here, &following, None, NOW).await
    })
    .await
    .unwrap();
    let (_, worker) = f.claim(&id).await;
    f.write(async |tx| tx.complete(&worker, &id, &hand_off("done"), NOW).await).await.unwrap();
    f.refused(Reason::WrongStatus, async |tx| tx.delete(&id).await).await;
    f.write(async |tx| tx.archive(&person(), &id, NOW).await).await.unwrap();
    let files = f.write(async |tx| tx.delete(&id).await).await.unwrap();
    assert_eq!(files.iter().map(|file| file.stored_path.as_str()).collect::<Vec<_>>(), ["x/a.txt"]);
    // The history of its child goes on naming its parent.
    let of_child = format!("|{:?}|", child.as_str());
    let dump = f.dump();
    let left: Vec<&str> = dump.lines().filter(|line| line.contains(id.as_str()) && !line.contains(&of_child)).collect();
    let (owed, buttons): (Vec<&str>, Vec<&str>) = left.iter().partition(|line| line.starts_with("deliveries|"));
    assert!(owed.len() == 1 && owed[0].contains("queued"), "the completion is still owed: {left:?}");
    assert!(buttons.iter().all(|line| line.starts_with("buttons|")), "and its buttons: {left:?}");

    // Once it is sent, it may go as well.
    let second = f.ready("second").await;
    f.write(async |tx| {
        let following = Following { task: Some(second.clone()), ..Following::default() };
        tx.watch(&here, &following, None, NOW).await?;
        tx.complete(&person(), &second, &HandOff::default(), NOW).await?;
        let thread = tx.threads_owed().await?[0].id;
        for delivery in tx.next_deliveries(thread).await? {
            tx.delivery_sent(delivery.id, "1", NOW).await?;
        }
        tx.archive(&person(), &second, NOW).await?;
        tx.delete(&second).await
    })
    .await
    .unwrap();
    assert!(!f.dump().contains(second.as_str()));
    f.refused(Reason::UnknownTask, async |tx| tx.task(&second).await).await;
}
