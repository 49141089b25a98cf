//! Every action in every status, against a table that was written by hand.
#![expect(clippy::disallowed_methods, reason = "whoever runs the tests says how in the environment")]

use std::{collections::BTreeSet, fs, path::Path};

use kanban_gateway::board::{
    Amount, Error, TaskId, Tx,
    attempt::{Ending, Patience},
    budget::Budget,
    finish::HandOff,
    moves::{self, Action, To},
    review::Wanted,
    task::{BlockKind, Status},
};

use crate::fixture::{Fixture, NOW, PATIENCE, dump, hand_off, person, titled};

const TABLE: &str = include_str!("states.txt");

/// A task in some status, with what an action upon it needs.
struct Scene {
    id: TaskId,
    /// Open.
    parent: TaskId,
    /// The latest run of the task.
    run: i64,
}

#[tokio::test]
async fn every_action_in_every_status_does_what_the_table_says() {
    let f = Fixture::new().await;
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let statuses: Vec<Status> =
        lines.next().unwrap().split('|').skip(1).map(|word| word.trim().parse().unwrap()).collect();
    assert_eq!(statuses, Status::ALL);
    let mut covered = Vec::new();
    let mut wrong = Vec::new();
    for line in lines {
        let mut cells = line.split('|').map(str::trim);
        let name = cells.next().unwrap();
        let action = Action::ALL.into_iter().find(|action| action.name() == name).unwrap_or_else(|| panic!("{name}"));
        let cells: Vec<_> = cells.collect();
        assert_eq!(cells.len(), statuses.len(), "{line}");
        for (status, expected) in statuses.iter().zip(cells) {
            let got = try_out(&f, action, *status).await;
            if got != expected {
                wrong.push(format!("{name} in {status}: expected {expected}, got {got}"));
            }
        }
        covered.push(action);
    }
    assert_eq!(covered, Action::ALL, "each action has one row, in order");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the table in the code says the same as the one that was tried out.
#[test]
fn the_table_in_the_code_lists_what_may_happen() {
    for line in TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).skip(1) {
        let mut cells = line.split('|').map(str::trim);
        let name = cells.next().unwrap();
        let action = Action::ALL.into_iter().find(|action| action.name() == name).unwrap();
        for (status, cell) in Status::ALL.into_iter().zip(cells) {
            let happens = !matches!(cell, "-" | ".");
            assert_eq!(action.allowed_in(status), happens, "{name} in {status}");
            let fits = match action.row().to {
                To::Status(to) => cell == to.as_str() || (cell == "=" && to == status),
                To::ReadyOrTodo => cell == "ready" || (cell == "=" && matches!(status, Status::Ready | Status::Review)),
                To::Same => cell == "=",
                To::Deleted => cell == "deleted",
            };
            assert!(!happens || fits, "{name} in {status}: {cell}");
        }
    }
    assert_eq!(moves::MOVES.len(), Action::ALL.len());
}

#[test]
fn the_page_about_statuses_is_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/states.md");
    if std::env::var_os("KANBAN_BLESS").is_some() {
        fs::create_dir_all(page.parent().unwrap()).unwrap();
        fs::write(&page, moves::markdown()).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert!(written == moves::markdown(), "docs/states.md is out of date; KANBAN_BLESS=1 writes it anew");
    let listed: BTreeSet<_> = written.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    assert!(Action::ALL.into_iter().all(|action| listed.contains(action.name())));
}

/// Brings a task into a status, does the action, and answers what the table has for that.
async fn try_out(f: &Fixture, action: Action, status: Status) -> String {
    let scene = stage(f, action, status).await;
    assert_eq!(f.task(&scene.id).await.status, status, "the stage for {action:?}");
    let before = f.dump();
    let task = f.task(&scene.id).await;
    match f.write(async |tx| act(tx, action, &scene).await).await {
        Err(Error::Refused(_)) => {
            assert_eq!(before, f.dump(), "{action:?} in {status} was refused, but changed something");
            "-".to_owned()
        }
        Err(Error::Fault(fault)) => panic!("{action:?} in {status}: {fault}"),
        Ok(()) => match f.board.read().await.unwrap().task(&scene.id).await {
            Err(_) => "deleted".to_owned(),
            Ok(now) if now == task && !accepted(f, &scene.id, &before) => ".".to_owned(),
            Ok(now) if now.status == status => "=".to_owned(),
            Ok(now) => now.status.to_string(),
        },
    }
}

/// Whether the task or a run of it has changed, as opposed to things around it.
fn accepted(f: &Fixture, id: &TaskId, before: &str) -> bool {
    let about = |text: &str| {
        let id = format!("|{:?}", id.as_str());
        text.lines()
            .filter(|l| (l.starts_with("tasks|") || l.starts_with("runs|")) && l.contains(&id))
            .collect::<String>()
    };
    about(before) != about(&dump(&f.sql()))
}

async fn stage(f: &Fixture, action: Action, status: Status) -> Scene {
    let (id, parent) = (f.ready("t").await, f.ready("parent").await);
    // It has a past: one run that has ended.
    let run = f.claim(&id).await.0.run.id;
    f.write(async |tx| tx.reclaim(&person(), &id, None, NOW).await).await.unwrap();
    f.write(async |tx| {
        let me = &person();
        if action == Action::BlockAgain {
            tx.block(me, &id, Some(BlockKind::Transient), None, NOW).await?;
            tx.unblock(me, &id, None, NOW).await?;
        }
        let needs_parent = matches!(action, Action::ParentsSatisfied | Action::BlockOnDependency);
        if needs_parent {
            tx.link(me, &parent, &id, NOW).await?;
            if status != Status::Todo {
                tx.promote(me, &id, None, true, NOW).await?;
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    f.write(async |tx| {
        let me = &person();
        match status {
            Status::Triage => {
                tx.block(me, &id, None, None, NOW).await?;
                tx.unblock(me, &id, None, NOW).await?;
                tx.block(me, &id, None, None, NOW).await?;
            }
            Status::Todo if matches!(action, Action::ParentsSatisfied | Action::BlockOnDependency) => {}
            Status::Todo => {
                let other = tx.create(me, "ann", titled("another parent"), NOW).await?.task.id;
                tx.link(me, &other, &id, NOW).await?;
            }
            Status::Scheduled => tx.schedule(me, &id, Some(NOW + 1), None, NOW).await?,
            Status::Ready => {}
            Status::Running => {}
            Status::Blocked => {
                tx.block(me, &id, None, None, NOW).await?;
            }
            // It is claimed and handed in below.
            Status::Review => {}
            Status::Done => {
                tx.complete(me, &id, &HandOff::default(), NOW).await?;
            }
            Status::Archived => tx.archive(me, &id, NOW).await?,
        }
        Ok(())
    })
    .await
    .unwrap();
    let mut run = run;
    let is_looked_at = status == Status::Running && matches!(action, Action::Approve | Action::RequestChanges);
    if matches!(status, Status::Running | Status::Review) || (action == Action::Retry && status == Status::Ready) {
        run = f.claim(&id).await.0.run.id;
    }
    if action == Action::Retry && status == Status::Ready {
        let failed = Ending::Failed { error: "exit 1".to_owned() };
        f.write(async |tx| tx.attempt_ended(run, &failed, &PATIENCE, NOW).await).await.unwrap();
    }
    if status == Status::Review || is_looked_at {
        let wanted = if is_looked_at { Wanted::Profile("eve".parse().unwrap()) } else { Wanted::Person };
        f.write(async |tx| tx.request_review(&person(), &id, &hand_off("look"), &wanted, NOW).await).await.unwrap();
    }
    if is_looked_at {
        run = f.write(async |tx| tx.claim_review(&id, "gateway", NOW).await).await.unwrap().run.id;
    }
    if status == Status::Review && matches!(action, Action::Retry | Action::RequestReview) {
        // As after a reviewer that has failed.
        f.sql().execute("UPDATE tasks SET not_before = ?2 WHERE id = ?1", (id.as_str(), NOW + 5)).unwrap();
    }
    Scene { id, parent, run }
}

async fn act(tx: &mut Tx, action: Action, scene: &Scene) -> Result<(), Error> {
    let Scene { id, parent, run } = scene;
    let me = &person();
    let failed = Ending::Failed { error: "exit 1".to_owned() };
    match action {
        Action::ParentsSatisfied => tx.complete(me, parent, &HandOff::default(), NOW).await.map(drop),
        Action::ParentAdded => tx.link(me, parent, id, NOW).await,
        Action::Claim => tx.claim(id, "gateway", None, NOW).await.map(drop),
        Action::Heartbeat => tx.heartbeat(me, id, Some("alive"), NOW + 9, NOW + 1).await,
        Action::Complete => tx.complete(me, id, &hand_off("done"), NOW).await.map(drop),
        Action::RequestReview => tx.request_review(me, id, &HandOff::default(), &Wanted::Person, NOW).await.map(drop),
        Action::Approve => tx.approve(me, id, Some("fine"), NOW).await.map(drop),
        Action::RequestChanges => tx.request_changes(me, id, "the header", NOW).await.map(drop),
        Action::Edit => tx.edit(me, id, &HandOff { result: Some("42".to_owned()), ..HandOff::default() }, NOW).await,
        Action::Block => tx.block(me, id, Some(BlockKind::NeedsInput), Some("why"), NOW).await.map(drop),
        Action::BlockOnDependency => tx.block(me, id, Some(BlockKind::Dependency), None, NOW).await.map(drop),
        Action::BlockAgain => tx.block(me, id, Some(BlockKind::Transient), Some("why"), NOW).await.map(drop),
        Action::Unblock => tx.unblock(me, id, Some("go"), NOW).await.map(drop),
        Action::Schedule => tx.schedule(me, id, Some(NOW + 2), Some("later"), NOW).await,
        Action::Due => tx.release_due(NOW + 1).await.map(drop),
        Action::Promote => tx.promote(me, id, None, true, NOW).await,
        Action::Assign => tx.assign(me, id, Some(&"eve".parse().unwrap()), NOW).await,
        Action::Reclaim => tx.reclaim(me, id, Some("stuck"), NOW).await,
        Action::Retry => tx.retry(me, id, Some("again"), NOW).await.map(drop),
        Action::Cancel => tx.cancel(me, id, Some("enough"), NOW).await,
        Action::Archive => tx.archive(me, id, NOW).await,
        Action::Delete => tx.delete(id).await.map(drop),
        Action::Fail => tx.attempt_ended(*run, &failed, &PATIENCE, NOW).await,
        Action::GiveUp => tx.attempt_ended(*run, &failed, &Patience { failure_limit: 1, ..PATIENCE }, NOW).await,
        Action::SpendBudget => {
            let nothing = Budget { cost: Some(Amount::default()), ..Budget::default() };
            tx.stop_if_spent(id, nothing, NOW).await.map(drop)
        }
    }
}
