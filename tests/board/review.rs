//! Reviews: handing work in, looking at it, and the verdicts, which are never of whoever did the work.

use kanban_gateway::board::{
    Actor, ProfileName, Reason, Remit, TaskId,
    attempt::{Ending, Patience},
    claim::Claim,
    finish::HandOff,
    review::{HandedIn, ROUNDS, Verdict, Wanted},
    run::{EndedBy, Outcome},
    task::{BlockKind, Status},
    thread::Following,
};
use serde_json::json;

use crate::fixture::{Fixture, NOW, PATIENCE, hand_off, person, thread};

fn other() -> Actor {
    Actor::Person { name: "console:eve (Eve)".to_owned() }
}

fn by_profile(name: &str) -> Wanted {
    Wanted::Profile(name.parse().unwrap())
}

impl Fixture {
    async fn hand_in(&self, id: &TaskId, wanted: Wanted) -> (Claim, HandedIn) {
        let (claim, worker) = self.claim(id).await;
        let handed =
            self.write(async |tx| tx.request_review(&worker, id, &hand_off("the work"), &wanted, NOW).await).await;
        (claim, handed.unwrap())
    }

    /// The run of the reviewer `eve`, and its worker.
    async fn look_at(&self, id: &TaskId) -> (Claim, Actor) {
        let claim = self.write(async |tx| tx.claim_review(id, "gateway", NOW).await).await.unwrap();
        let worker = Actor::Worker { run: claim.run.id, task: id.clone(), name: "eve".to_owned(), remit: Remit::Own };
        (claim, worker)
    }
}

#[tokio::test]
async fn work_is_handed_in_and_a_person_takes_it() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let child = f.child_of(&[&id]).await;
    let (claim, worker) = f.claim(&id).await;
    let handed = HandOff {
        result: Some("12".to_owned()),
        summary: Some("counted\nall of them".to_owned()),
        metadata: Some(json!({"rows": 12})),
        ..HandOff::default()
    };
    f.write(async |tx| tx.request_review(&worker, &id, &handed, &Wanted::Usual, NOW + 5).await).await.unwrap();
    assert_eq!(f.status(&id).await, "review");
    let run = f.board.read().await.unwrap().run(claim.run.id).await.unwrap();
    assert_eq!((run.outcome, run.ended_by), (Some(Outcome::InReview), Some(EndedBy::Worker)));
    assert_eq!(f.status(&child).await, "todo", "what is in review is not done");

    let done = f.write(async |tx| tx.approve(&other(), &id, Some("well done"), NOW + 9).await).await.unwrap();
    assert_eq!((done.status, done.result.as_deref(), done.completed_at), (Status::Done, Some("12"), Some(NOW + 9)));
    assert_eq!(f.status(&child).await, "ready");
    let mut tx = f.board.read().await.unwrap();
    let handed_on = tx.hand_offs(&child).await.unwrap();
    assert_eq!(handed_on[0].summary.as_deref(), Some("counted\nall of them"));
    assert_eq!(handed_on[0].metadata.as_deref(), Some(r#"{"rows":12}"#));
    assert_eq!(tx.latest_summary(&id).await.unwrap().as_deref(), Some("counted\nall of them"));
    assert_eq!(tx.comments(&id).await.unwrap().pop().unwrap().body, "APPROVED: well done");
    let review = tx.last_review(&id).await.unwrap().unwrap();
    assert_eq!((review.verdict, review.by_worker), (Some(Verdict::Approved), false));
    let event = tx.events_of(&id).await.unwrap().pop().unwrap();
    assert_eq!((event.kind.as_str(), event.run_id), ("completed", Some(claim.run.id)));
    assert_eq!(event.payload()["approved_by"], "console:eve (Eve)");
    drop(tx);
    let again = f.refused(Reason::WrongStatus, async |tx| tx.approve(&other(), &id, None, NOW).await).await;
    assert!(again.contains("done already"), "{again}");
}

#[tokio::test]
async fn whoever_did_the_work_cannot_approve_it() {
    let f = Fixture::new().await;
    // The worker of the run, before and after it has handed its work in.
    let id = f.ready("t").await;
    let (_, worker) = f.claim(&id).await;
    let said = f.refused(Reason::Forbidden, async |tx| tx.approve(&worker, &id, None, NOW).await).await;
    assert!(said.contains("request-review"), "{said}");
    f.write(async |tx| tx.request_review(&worker, &id, &hand_off("x"), &Wanted::Usual, NOW).await).await.unwrap();
    f.refused(Reason::Stale, async |tx| tx.approve(&worker, &id, None, NOW).await).await;
    // A later worker of the same profile.
    f.write(async |tx| tx.request_changes(&other(), &id, "more", NOW).await).await.unwrap();
    let (_, later) = f.claim(&id).await;
    f.refused(Reason::Forbidden, async |tx| tx.approve(&later, &id, None, NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.request_changes(&later, &id, "no", NOW).await).await;
    // The worker of another task.
    let elsewhere = f.ready("elsewhere").await;
    let (_, stranger) = f.claim(&elsewhere).await;
    f.write(async |tx| tx.request_review(&later, &id, &hand_off("x"), &Wanted::Usual, NOW).await).await.unwrap();
    f.refused(Reason::Forbidden, async |tx| tx.approve(&stranger, &id, None, NOW).await).await;
    f.refused(Reason::NeedsPerson, async |tx| tx.approve(&Actor::Gateway, &id, None, NOW).await).await;
    // A profile that is to look at its own work, by its own or by anybody's wish.
    let said = f
        .refused(Reason::Invalid, async |tx| {
            tx.request_review(&person(), &id, &HandOff::default(), &by_profile("bob"), NOW).await
        })
        .await;
    assert!(said.contains("nobody looks at their own work"), "{said}");
    assert_eq!(f.status(&id).await, "review");
}

#[tokio::test]
async fn a_person_who_did_the_work_by_hand_cannot_approve_it_under_another_name_either() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let me = Actor::Person { name: "discord:7 (Ann)".to_owned() };
    let renamed = Actor::Person { name: "discord:7 (Ann B.)".to_owned() };
    f.write(async |tx| tx.claim(&id, me.name(), Some(NOW + 99), NOW).await).await.unwrap();
    f.write(async |tx| tx.request_review(&me, &id, &hand_off("x"), &Wanted::Usual, NOW).await).await.unwrap();
    for actor in [&me, &renamed] {
        let said = f.refused(Reason::Forbidden, async |tx| tx.approve(actor, &id, None, NOW).await).await;
        assert!(said.contains("role member or higher") && said.contains("--reviewer"), "{said}");
        f.refused(Reason::Forbidden, async |tx| tx.complete(actor, &id, &HandOff::default(), NOW).await).await;
    }
    // It may be taken back, and anybody else may take it.
    f.write(async |tx| tx.request_changes(&me, &id, "I forgot the header", NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "ready");
    f.write(async |tx| tx.request_review(&me, &id, &hand_off("unclaimed"), &Wanted::Usual, NOW).await).await.unwrap();
    f.refused(Reason::Forbidden, async |tx| tx.approve(&me, &id, None, NOW).await).await;
    let nearly = Actor::Person { name: "discord:77 (Ann)".to_owned() };
    f.write(async |tx| tx.approve(&nearly, &id, None, NOW).await).await.unwrap();
    assert_eq!(f.board.read().await.unwrap().latest_summary(&id).await.unwrap().as_deref(), Some("unclaimed"));
}

#[tokio::test]
async fn work_is_sent_back_with_words_and_no_attempt_counts_as_failed() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.hand_in(&id, Wanted::Usual).await;
    f.refused(Reason::Invalid, async |tx| tx.request_changes(&other(), &id, " \n", NOW).await).await;
    let long = "x".repeat(64 * 1024 + 1);
    f.refused(Reason::TooMuch, async |tx| tx.request_changes(&other(), &id, &long, NOW).await).await;
    f.write(async |tx| tx.request_changes(&other(), &id, "the header", NOW).await).await.unwrap();
    let task = f.task(&id).await;
    assert_eq!((task.status, task.failures, task.not_before, task.last_error), (Status::Ready, 0, None, None));
    let comment = f.board.read().await.unwrap().comments(&id).await.unwrap().pop().unwrap();
    assert_eq!((comment.author.as_str(), comment.body.as_str()), (other().name(), "CHANGES REQUESTED: the header"));
    let said = f.refused(Reason::WrongStatus, async |tx| tx.request_changes(&other(), &id, "x", NOW).await).await;
    assert!(said.contains("ready"), "{said}");
}

#[tokio::test]
async fn a_worker_whose_work_was_sent_back_hands_it_in_again_however_it_ends() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.hand_in(&id, by_profile("eve")).await;
    let (_, eve) = f.look_at(&id).await;
    f.write(async |tx| tx.request_changes(&eve, &id, "the header", NOW).await).await.unwrap();
    let (_, bob) = f.claim(&id).await;
    f.refused(Reason::Forbidden, async |tx| tx.archive(&bob, &id, NOW).await).await;
    f.refused(Reason::Forbidden, async |tx| tx.cancel(&bob, &id, None, NOW).await).await;
    let task = f.write(async |tx| tx.complete(&bob, &id, &hand_off("fixed"), NOW).await).await.unwrap();
    assert_eq!(task.status, Status::Review);
    let review = f.board.read().await.unwrap().open_review(&id).await.unwrap().unwrap();
    assert_eq!(review.reviewer.as_ref().map(ProfileName::as_str), Some("eve"), "the same one looks again");
    // So does a script that merely ends.
    let (_, eve) = f.look_at(&id).await;
    f.write(async |tx| tx.request_changes(&eve, &id, "the footer", NOW).await).await.unwrap();
    let (claim, _) = f.claim(&id).await;
    let done = Ending::ScriptDone { summary: "ok".to_owned() };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &done, &PATIENCE, NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "review");
    // A person decides as ever.
    f.write(async |tx| tx.complete(&person(), &id, &hand_off("by hand"), NOW).await).await.unwrap();
    assert_eq!(f.status(&id).await, "done");
    assert_eq!(f.board.read().await.unwrap().latest_summary(&id).await.unwrap().as_deref(), Some("by hand"));
}

#[tokio::test]
async fn a_reviewer_decides_and_does_nothing_else() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let (done, handed) = f.hand_in(&id, by_profile("eve")).await;
    assert_eq!(handed.reviewer.as_ref().map(ProfileName::as_str), Some("eve"));
    let waiting = |name: &str| {
        let name = name.parse().unwrap();
        let board = f.board.clone();
        async move { board.read().await.unwrap().to_review(&name, NOW, 9, 0).await.unwrap().len() }
    };
    assert_eq!((waiting("eve").await, waiting("bob").await), (1, 0));
    let (claim, eve) = f.look_at(&id).await;
    assert_eq!(claim.run.profile.as_ref().map(ProfileName::as_str), Some("eve"));
    assert_eq!((f.status(&id).await, waiting("eve").await), ("running", 0));
    f.refused(Reason::WrongStatus, async |tx| tx.claim_review(&id, "gateway", NOW).await).await;
    for what in ["complete", "request-review", "schedule", "archive", "cancel", "wait", "assign"] {
        f.refused(Reason::Forbidden, async |tx| match what {
            "complete" => tx.complete(&eve, &id, &hand_off("mine"), NOW).await.map(drop),
            "request-review" => tx.request_review(&eve, &id, &hand_off("mine"), &Wanted::Person, NOW).await.map(drop),
            "schedule" => tx.schedule(&eve, &id, None, None, NOW).await,
            "archive" => tx.archive(&eve, &id, NOW).await,
            "cancel" => tx.cancel(&eve, &id, None, NOW).await,
            "assign" => tx.assign(&eve, &id, None, NOW).await,
            _ => tx.block(&eve, &id, Some(BlockKind::Dependency), None, NOW).await.map(drop),
        })
        .await;
    }
    f.write(async |tx| tx.approve(&eve, &id, Some("good"), NOW).await).await.unwrap();
    let mut tx = f.board.read().await.unwrap();
    let runs = tx.runs_of(&id).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| run.outcome).collect::<Vec<_>>(),
        [Some(Outcome::Completed), Some(Outcome::Approved)]
    );
    let event = tx.events_of(&id).await.unwrap().pop().unwrap();
    assert_eq!((event.run_id, event.payload()["summary"].as_str()), (Some(done.run.id), Some("the work")));
}

#[tokio::test]
async fn a_question_of_the_reviewer_leads_back_to_review() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    f.hand_in(&id, by_profile("eve")).await;
    let (_, eve) = f.look_at(&id).await;
    f.write(async |tx| tx.block(&eve, &id, Some(BlockKind::NeedsInput), Some("is red fine?"), NOW).await)
        .await
        .unwrap();
    assert_eq!(f.status(&id).await, "blocked");
    let status = f.write(async |tx| tx.unblock(&other(), &id, Some("red is fine"), NOW).await).await.unwrap();
    assert_eq!(status, Status::Review);
    let (_, eve) = f.look_at(&id).await;
    f.write(async |tx| tx.approve(&eve, &id, None, NOW).await).await.unwrap();
}

#[tokio::test]
async fn a_reviewer_that_fails_is_tried_again_and_then_a_person_looks() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    let place = thread("a");
    let following = Following { task: Some(id.clone()), ..Following::default() };
    f.write(async |tx| tx.watch(&place, &following, None, NOW).await).await.unwrap();
    f.hand_in(&id, by_profile("eve")).await;
    assert_eq!(f.count("SELECT count(*) FROM deliveries"), 0, "a worker looks at it, so nobody is asked");
    let failed = Ending::Failed { error: "it exited with 1".to_owned() };
    for round in 1..=PATIENCE.failure_limit {
        f.sql().execute("UPDATE tasks SET not_before = NULL", []).unwrap();
        let (claim, _) = f.look_at(&id).await;
        f.write(async |tx| tx.attempt_ended(claim.run.id, &failed, &PATIENCE, NOW).await).await.unwrap();
        assert_eq!(f.status(&id).await, "review", "round {round}");
        let backs_off = f.task(&id).await.not_before.is_some();
        assert_eq!(backs_off, round < PATIENCE.failure_limit);
    }
    let review = f.board.read().await.unwrap().open_review(&id).await.unwrap().unwrap();
    assert_eq!(review.reviewer, None);
    let asked = f.count("SELECT count(*) FROM deliveries WHERE event = 'review_requested'");
    assert_eq!(asked, 1, "a person is asked once");
    let post: String = f.sql().query_row("SELECT post FROM deliveries", [], |row| row.get(0)).unwrap();
    assert!(post.contains("failed 3 times: it exited with 1"), "{post}");
    // Another profile may be asked, and a rate limit costs it nothing.
    f.write(async |tx| tx.request_review(&person(), &id, &HandOff::default(), &by_profile("eve"), NOW).await)
        .await
        .unwrap();
    let (claim, _) = f.look_at(&id).await;
    let limited = Ending::RateLimited { line: "429".to_owned(), until: None, tail: "429".to_owned(), is_told: false };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &limited, &Patience { failure_limit: 1, ..PATIENCE }, NOW).await)
        .await
        .unwrap();
    let task = f.task(&id).await;
    assert_eq!((task.status, task.failures), (Status::Review, 0));
    assert!(f.board.read().await.unwrap().open_review(&id).await.unwrap().unwrap().reviewer.is_some());
}

#[tokio::test]
async fn workers_do_not_send_work_to_and_fro_for_ever() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    for round in 0..ROUNDS {
        let (_, handed) = f.hand_in(&id, by_profile("eve")).await;
        assert_eq!(handed.because, None, "round {round}");
        let (_, eve) = f.look_at(&id).await;
        f.write(async |tx| tx.request_changes(&eve, &id, "no", NOW).await).await.unwrap();
    }
    let (_, handed) = f.hand_in(&id, by_profile("eve")).await;
    assert_eq!(handed.reviewer, None);
    assert!(handed.because.unwrap().contains("sent it back 3 times"));
    // Once a person has decided, workers may again.
    f.write(async |tx| tx.request_changes(&other(), &id, "only the header", NOW).await).await.unwrap();
    let (_, handed) = f.hand_in(&id, by_profile("eve")).await;
    assert_eq!(handed.because, None);
}

#[tokio::test]
async fn a_verdict_uses_up_the_buttons_that_asked_for_it() {
    let f = Fixture::new().await;
    let id = f.ready("t").await;
    for name in ["a", "b"] {
        let following = Following { task: Some(id.clone()), ..Following::default() };
        f.write(async |tx| tx.watch(&thread(name), &following, None, NOW).await).await.unwrap();
    }
    f.hand_in(&id, Wanted::Person).await;
    assert_eq!(f.count("SELECT count(*) FROM buttons WHERE label = 'Approve' AND pressed_at IS NULL"), 2);
    assert_eq!(f.count("SELECT count(*) FROM buttons WHERE label = 'Request changes' AND asks = 1"), 2);
    f.write(async |tx| tx.approve(&other(), &id, None, NOW).await).await.unwrap();
    assert_eq!(f.count("SELECT count(*) FROM buttons WHERE label = 'Approve' AND pressed_at IS NULL"), 0);
}

#[tokio::test]
async fn what_ends_without_a_verdict_leaves_no_review_open() {
    let f = Fixture::new().await;
    let (archived, cancelled) = (f.ready("t").await, f.ready("u").await);
    f.hand_in(&archived, Wanted::Person).await;
    f.hand_in(&cancelled, by_profile("eve")).await;
    f.look_at(&cancelled).await;
    f.write(async |tx| tx.archive(&other(), &archived, NOW).await).await.unwrap();
    f.write(async |tx| tx.cancel(&other(), &cancelled, None, NOW).await).await.unwrap();
    assert_eq!(f.count("SELECT count(*) FROM reviews WHERE verdict = 'withdrawn'"), 2);
    f.write(async |tx| tx.delete(&archived).await).await.unwrap();
    assert_eq!(f.count("SELECT count(*) FROM reviews"), 1);
}
