//! Questions: who may answer, what the worker is told, and that the first answer is the only one.

use kanban_gateway::board::{
    Actor, Error, Reason, TaskId,
    block::Held,
    button::{Deed, LIFETIME},
    question::{Ask, Choice, Given, Road},
    task::{BlockKind, Status},
    thread::Following,
};
use kanban_platform::{PostKind, Style, Thread};

use crate::{
    fixture::{Fixture, NOW, person, thread, titled},
    scale::Scale,
};

fn choice(label: &str, value: Option<&str>, style: Style) -> Choice {
    Choice { label: label.to_owned(), value: value.map(str::to_owned), style }
}

fn payments() -> Ask {
    let choices = vec![choice("Stripe", Some("stripe-eu"), Style::Primary), choice("Adyen", None, Style::Plain)];
    Ask { choices, hint: Some("the name of the provider".to_owned()) }
}

/// A task that asks in these threads.
async fn asking(f: &Fixture, followers: &[&Thread], ask: &Ask) -> TaskId {
    let id = f.ready("pay").await;
    for follower in followers {
        let following = Following { task: Some(id.clone()), ..Following::default() };
        f.write(async |tx| tx.watch(follower, &following, None, NOW).await).await.unwrap();
    }
    let held = f.write(async |tx| tx.ask(&person(), &id, Some("Which provider?"), ask, NOW).await).await.unwrap();
    assert_eq!(held, Held::Blocked);
    id
}

fn bob() -> Actor {
    Actor::Person { name: "discord:7 (bob)".to_owned() }
}

async fn answer(f: &Fixture, id: &TaskId, who: &Actor, given: Given<'_>, road: Road) -> Result<String, Error> {
    f.write(async |tx| tx.answer(who, id, None, given, road, NOW).await).await.map(|answered| answered.words)
}

/// Lets everything arrive that a thread is owed, as messages of ascending numbers, and answers the texts of the edits.
async fn deliver(f: &Fixture, place: &Thread) -> Vec<(String, usize)> {
    let mut edits = Vec::new();
    loop {
        let mut tx = f.board.write().await.unwrap();
        let owed = tx.threads_owed().await.unwrap();
        let Some(owed) = owed.iter().find(|owed| owed.thread() == *place) else { return edits };
        let next = tx.next_delivery(owed.id).await.unwrap().unwrap();
        tx.begin_delivery(next.id, NOW).await.unwrap();
        let message = match &next.post.kind {
            PostKind::Edit { message } => {
                edits.push((next.post.text(), next.post.buttons.len()));
                message.clone()
            }
            PostKind::News | PostKind::Reply { .. } | PostKind::Reaction { .. } => format!("m{}", next.id),
        };
        tx.delivery_sent(next.id, &message, NOW).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn the_words_of_a_person_let_the_task_go_on_in_one_transaction() {
    let f = Fixture::new().await;
    let id = asking(&f, &[], &payments()).await;
    assert_eq!(
        answer(&f, &id, &bob(), Given::Words("  neither:\n PayPal "), Road::Reply).await.unwrap(),
        "neither:\n PayPal"
    );
    let mut tx = f.board.read().await.unwrap();
    let comments = tx.comments(&id).await.unwrap();
    let last = comments.last().unwrap();
    assert_eq!((last.author.as_str(), last.body.as_str()), ("discord:7 (bob)", "neither:\n PayPal"));
    let event = tx.events_of(&id).await.unwrap().pop().unwrap();
    assert_eq!(event.kind.as_str(), "unblocked");
    insta::assert_snapshot!(event.payload.unwrap(), @r#"{"status":"ready","by":"discord:7 (bob)","road":"reply","question":1}"#);
    drop(tx);
    assert_eq!(f.status(&id).await, "ready");
    // Being helped is no loop: the task may ask something else.
    let held = f.write(async |tx| tx.ask(&person(), &id, Some("And now?"), &Ask::default(), NOW).await).await.unwrap();
    assert_eq!(held, Held::Blocked);
    let words = f.write(async |tx| tx.unblock(&bob(), &id, Some("go on"), NOW).await).await.unwrap();
    assert_eq!(words, Status::Ready);
    assert_eq!(f.board.read().await.unwrap().comments(&id).await.unwrap().pop().unwrap().body, "go on");
}

#[tokio::test]
async fn the_label_of_a_choice_stands_for_it_on_every_road() {
    let f = Fixture::new().await;
    for (given, words) in [
        (Given::Choice(0), "Stripe (stripe-eu)"),
        (Given::Choice(1), "Adyen"),
        (Given::Words(" stripe "), "Stripe (stripe-eu)"),
        (Given::Words("ADYEN\nbut only in the EU"), "Adyen\nbut only in the EU"),
        (Given::Words("Adyen, please"), "Adyen, please"),
    ] {
        let id = asking(&f, &[], &payments()).await;
        assert_eq!(answer(&f, &id, &bob(), given, Road::Button).await.unwrap(), words);
        let last = f.board.read().await.unwrap().comments(&id).await.unwrap().pop().unwrap();
        assert_eq!((last.body.as_str(), last.author.as_str()), (words, bob().name()));
    }
}

#[tokio::test]
async fn a_question_is_answered_by_a_person_alone_and_once() {
    let f = Fixture::new().await;
    let id = f.ready("pay").await;
    let (_, worker) = f.claim(&id).await;
    f.refused(Reason::WrongStatus, async |tx| tx.answer(&bob(), &id, None, Given::Words("x"), Road::Reply, NOW).await)
        .await;
    f.write(async |tx| tx.ask(&worker, &id, Some("Which?"), &payments(), NOW).await).await.unwrap();
    for actor in [&worker, &Actor::Gateway] {
        f.refused(Reason::NeedsPerson, async |tx| {
            tx.answer(actor, &id, None, Given::Choice(0), Road::Typed, NOW).await
        })
        .await;
    }
    let wrong: [(Given<'_>, Reason); 3] = [
        (Given::Words(" \n "), Reason::Invalid),
        (Given::Choice(2), Reason::Unknown),
        (Given::Words(&"x".repeat(70_000)), Reason::TooMuch),
    ];
    for (given, reason) in wrong {
        f.refused(reason, async |tx| tx.answer(&bob(), &id, None, given, Road::Reply, NOW).await).await;
    }
    answer(&f, &id, &bob(), Given::Choice(1), Road::Button).await.unwrap();
    let late = async |given| {
        f.refused(Reason::Stale, async |tx| tx.answer(&person(), &id, None, given, Road::Reply, NOW + 3_000).await)
            .await
    };
    let told = late(Given::Words("Stripe")).await;
    insta::assert_snapshot!(told.replace(id.as_str(), "ID"), @"too late: discord:7 (bob) has answered it already with “Adyen”, 3s ago; `kanban comment ID YOUR WORDS` tells its worker more");
    assert_eq!(late(Given::Choice(0)).await, told);

    // What is withdrawn cannot be answered either.
    let id = asking(&f, &[], &payments()).await;
    let question = f.board.read().await.unwrap().open_question(&id).await.unwrap().unwrap();
    f.write(async |tx| tx.cancel(&person(), &id, None, NOW).await).await.unwrap();
    let given = Given::Choice(0);
    f.refused(Reason::Stale, async |tx| tx.answer(&bob(), &id, Some(question.id), given, Road::Button, NOW).await)
        .await;
    assert!(f.board.read().await.unwrap().question(question.id).await.unwrap().unwrap().closed_at.is_some());
}

#[tokio::test]
async fn choices_that_no_platform_could_show_are_refused() {
    let f = Fixture::new().await;
    let id = f.ready("pay").await;
    let labels = |labels: &[&str]| Ask {
        choices: labels.iter().map(|label| choice(label, None, Style::Plain)).collect(),
        hint: None,
    };
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    let long = "x".repeat(76);
    for (ask, reason) in [
        (labels(&many.iter().map(String::as_str).collect::<Vec<_>>()), Reason::TooMuch),
        (labels(&["yes", " YES "]), Reason::Invalid),
        (labels(&[""]), Reason::Invalid),
        (labels(&["two\nlines"]), Reason::Invalid),
        (labels(&[&long]), Reason::Invalid),
        (Ask { hint: Some("x".repeat(101)), ..Ask::default() }, Reason::TooMuch),
    ] {
        f.refused(reason, async |tx| tx.ask(&person(), &id, Some("?"), &ask, NOW).await).await;
    }
    f.write(async |tx| tx.ask(&person(), &id, Some("?"), &labels(&[&long[..75]]), NOW).await).await.unwrap();
}

#[tokio::test]
async fn every_task_that_only_a_person_may_release_has_one_open_question() {
    let f = Fixture::new().await;
    let gate = f.create(kanban_gateway::board::create::NewTask { blocked: true, ..titled("gate") }).await;
    assert!(f.board.read().await.unwrap().open_question(&gate).await.unwrap().is_some());
    f.write(async |tx| tx.promote(&person(), &gate, None, false, NOW).await).await.unwrap();
    for end in 0..6 {
        let id = asking(&f, &[], &Ask::default()).await;
        f.write(async |tx| match end {
            0 => tx.unblock(&person(), &id, None, NOW).await.map(drop),
            1 => tx.retry(&person(), &id, None, NOW).await.map(drop),
            2 => tx.schedule(&person(), &id, None, None, NOW).await,
            3 => tx.archive(&person(), &id, NOW).await,
            4 => tx.complete(&person(), &id, &crate::fixture::hand_off("done"), NOW).await.map(drop),
            _ => tx.promote(&person(), &id, None, false, NOW).await,
        })
        .await
        .unwrap();
        assert!(f.board.read().await.unwrap().open_question(&id).await.unwrap().is_none(), "{end}");
    }
    let other = f.ready("no question").await;
    f.write(async |tx| tx.block(&person(), &other, Some(BlockKind::Capability), None, NOW).await).await.unwrap();
    assert!(f.board.read().await.unwrap().open_question(&other).await.unwrap().is_none());
}

#[tokio::test]
async fn an_answer_settles_the_buttons_in_every_thread_also_of_messages_that_are_under_way() {
    let f = Fixture::new().await;
    let (arrived, under_way, waiting) = (thread("arrived"), thread("under way"), thread("waiting"));
    let id = asking(&f, &[&arrived, &under_way, &waiting], &payments()).await;
    assert!(deliver(&f, &arrived).await.is_empty());
    let mut tx = f.board.write().await.unwrap();
    let owed = tx.threads_owed().await.unwrap();
    let owed = owed.iter().find(|owed| owed.thread() == under_way).unwrap();
    let asked = tx.next_delivery(owed.id).await.unwrap().unwrap();
    tx.begin_delivery(asked.id, NOW).await.unwrap();
    tx.commit().await.unwrap();
    let labels: Vec<_> = asked.post.buttons.iter().map(|button| (button.label.as_str(), button.style)).collect();
    let (plain, primary, danger) = (Style::Plain, Style::Primary, Style::Danger);
    let expected = [("Stripe", primary), ("Adyen", plain), ("Answer", plain), ("Show", plain), ("Cancel", danger)];
    assert_eq!(labels, expected);
    let asks: Vec<_> = asked.post.buttons.iter().map(|b| kanban_platform::Button::asks_words(&b.key)).collect();
    assert_eq!(asks, [false, false, true, false, false]);

    answer(&f, &id, &bob(), Given::Choice(0), Road::Button).await.unwrap();
    for place in [&arrived, &under_way, &waiting] {
        let edits = deliver(&f, place).await;
        assert_eq!(edits.len(), 1, "{place}");
        assert!(edits[0].0.ends_with("→ Stripe (stripe-eu): discord:7 (bob)"), "{}", edits[0].0);
        assert_eq!(edits[0].1, 0);
    }
    let open = "SELECT count(*) FROM buttons WHERE question_id IS NOT NULL AND pressed_at IS NULL";
    assert_eq!(f.count(open), 0);
}

#[tokio::test]
async fn buttons_outlive_the_clearing_of_old_posts_until_they_expire() {
    const DAY: i64 = 24 * 60 * 60 * 1_000;
    let f = Fixture::new().await;
    let here = thread("here");
    let id = asking(&f, &[&here], &payments()).await;
    deliver(&f, &here).await;
    let key = |number: usize| {
        let f = &f;
        async move {
            let mut tx = f.board.read().await.unwrap();
            let told = tx.told(&thread("here"), "m1").await.unwrap()?;
            assert_eq!(told.task.as_deref(), Some(id_of(f).await.as_str()));
            Some(told.buttons[number].offer.deed.clone())
        }
    };
    for days in [30, 89] {
        let now = NOW + days * DAY;
        f.write(async |tx| tx.forget(now, now).await).await.unwrap();
        assert_eq!(key(0).await, Some(Deed::Choose(0)), "after {days} days");
        let mut tx = f.board.read().await.unwrap();
        assert!(tx.pressable(1, 0, "discord:7", now).await.is_ok());
    }
    let now = NOW + LIFETIME;
    let expired = f.board.read().await.unwrap().pressable(1, 0, "discord:7", now).await.unwrap_err();
    assert_eq!(expired.reason(), Some(Reason::Stale));
    f.write(async |tx| tx.forget(now, now).await).await.unwrap();
    assert_eq!(key(0).await, None);
    assert_eq!(f.status(&id).await, "blocked");
}

/// The one task of a board.
async fn id_of(f: &Fixture) -> TaskId {
    f.sql().query_row("SELECT id FROM tasks", [], |row| row.get::<_, String>(0)).unwrap().parse().unwrap()
}

/// Whatever people do on three roads and in which order, one of them answers, and the others change nothing.
#[tokio::test]
async fn of_any_sequence_of_answers_exactly_one_has_an_effect() {
    let mut scale = Scale::of("sequences of answers", 60, 3_000);
    let f = Fixture::new().await;
    for round in 0..scale.count {
        let (here, there) = (thread("here"), thread("there"));
        let id = asking(&f, &[&here, &there], &payments()).await;
        let question = f.board.read().await.unwrap().open_question(&id).await.unwrap().unwrap().id;
        let mut first = None;
        for step in 0..2 + scale.below(5) {
            let who = Actor::Person { name: format!("discord:{step}") };
            let (given, road, named) = match scale.below(4) {
                0 => (Given::Choice(usize::try_from(scale.below(2)).unwrap()), Road::Button, Some(question)),
                1 => (Given::Words("adyen"), Road::Reply, None),
                2 => (Given::Words("something else"), Road::Form, Some(question)),
                _ => (Given::Words("by command"), Road::Typed, None),
            };
            let answered = f.write(async |tx| tx.answer(&who, &id, named, given, road, NOW).await).await;
            match (answered, &first) {
                (Ok(answered), None) => first = Some((who.name().to_owned(), answered.words)),
                (Err(error), Some((by, words))) => {
                    assert_eq!(error.reason(), Some(Reason::Stale));
                    let told = error.to_string();
                    assert!(told.contains(by.as_str()) && told.contains(words.as_str()), "round {round}: {told}");
                }
                (answered, first) => panic!("round {round}: {answered:?} after {first:?}"),
            }
        }
        let (by, words) = first.unwrap();
        let mut tx = f.board.read().await.unwrap();
        let comments = tx.comments(&id).await.unwrap();
        let answers: Vec<_> = comments.iter().filter(|comment| comment.author.starts_with("discord:")).collect();
        assert_eq!(answers.len(), 1, "round {round}");
        assert_eq!((&answers[0].author, &answers[0].body), (&by, &words), "round {round}");
        let unblocked = tx.events_of(&id).await.unwrap().iter().filter(|e| e.kind.as_str() == "unblocked").count();
        assert_eq!(unblocked, 1, "round {round}");
        drop(tx);
        if round % 20 == 0 {
            deliver(&f, &here).await;
            deliver(&f, &there).await;
        }
    }
    assert_eq!(f.count("SELECT count(*) FROM buttons WHERE question_id IS NOT NULL AND pressed_at IS NULL"), 0);
    scale.done("sequences of 2 to 6 answers");
}
