//! Live cards, threads of tasks' own, policies and digests, as far as the board decides on them.

use kanban_gateway::board::{
    TaskId,
    attempt::{Ending, Patience},
    card::BETWEEN_EDITS,
    delivery::{Answer, Delivery, Owed},
    digest::LATE,
    face::Lead,
    policy::Policy,
    thread::{Following, Watch, Why},
};
use kanban_platform::{Block, PostKind, Thread};

use crate::fixture::{Fixture, NOW, PATIENCE, hand_off, person, thread, titled};

fn channel() -> Thread {
    Thread { platform: "console".to_owned(), space: String::new(), channel: "#shop".to_owned(), thread: None }
}

/// What a thread is owed, in the order in which it goes out.
async fn owed(f: &Fixture, thread: &Thread) -> Vec<Delivery> {
    let mut tx = f.board.read().await.unwrap();
    let owed = tx.threads_owed().await.unwrap();
    let Some(owed) = owed.iter().find(|owed| owed.thread() == *thread) else { return Vec::new() };
    tx.next_deliveries(owed.id).await.unwrap()
}

async fn texts(f: &Fixture, thread: &Thread) -> Vec<String> {
    owed(f, thread).await.iter().map(|delivery| delivery.post.text()).collect()
}

async fn sent(f: &Fixture, delivery: &Delivery, message: &str) {
    f.write(async |tx| tx.delivery_sent(delivery.id, message, NOW).await).await.unwrap();
}

async fn draw(f: &Fixture, now: i64) -> Option<i64> {
    f.write(async |tx| {
        tx.draw_cards(now).await?;
        tx.next_card().await
    })
    .await
    .unwrap()
}

/// A task whose card is the answer in a thread, which has arrived as message `m1`.
async fn carded(f: &Fixture, here: &Thread) -> TaskId {
    let id = f.ready("count").await;
    place(f, here, &id).await;
    id
}

async fn place(f: &Fixture, here: &Thread, id: &TaskId) {
    f.write(async |tx| {
        let task = tx.task(id).await?;
        let face = tx.task_face(&task, Lead::Created, NOW).await?;
        let answer = Answer { body: face.body.clone(), actions: face.actions.clone(), ..Answer::default() };
        let key = tx.owe_reply(here, "u1", None, answer, NOW).await?;
        tx.place_card(here, Some(id), Lead::Created, &key, &face, NOW).await
    })
    .await
    .unwrap();
    sent(f, &owed(f, here).await[0], "m1").await;
}

/// A task with a thread of its own below the channel, whose short line is owed.
async fn own(f: &Fixture, title: &str) -> TaskId {
    let id = f.ready(title).await;
    f.write(async |tx| {
        let task = tx.task(&id).await?;
        let answer = Answer { body: vec![Block::Text(format!("Created {id}"))], ..Answer::default() };
        let key = tx.owe_reply(&channel(), id.as_str(), None, answer, NOW).await?;
        tx.give_own_thread(&channel(), &task, &key, Some("console:ann"), NOW).await
    })
    .await
    .unwrap();
    id
}

#[tokio::test]
async fn ten_thousand_signs_of_life_are_one_edit_a_second() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = carded(&f, &here).await;
    let (_, worker) = f.claim(&id).await;
    let mut edits = 0;
    for second in 1..=5 {
        for number in 0..200 {
            let note = format!("{number} of 200");
            let at = NOW + second * 1_000 + number;
            f.write(async |tx| tx.heartbeat(&worker, &id, Some(&note), at + 60_000, at).await).await.unwrap();
            // The card is looked at all the time, and drawn when it is due.
            draw(&f, at).await;
        }
        edits += owed(&f, &here).await.len();
        for edit in owed(&f, &here).await {
            sent(&f, &edit, "m1").await;
        }
    }
    assert!(edits <= 5, "{edits} edits in 5 seconds");
    assert!(draw(&f, NOW + 7_000).await.is_none(), "nothing is left to be drawn");
    assert_eq!(owed(&f, &here).await.len(), 1);
    let card = &owed(&f, &here).await[0];
    assert_eq!(card.post.kind, PostKind::Edit { message: "m1".to_owned() });
    let lines = card.post.text();
    assert!(lines.contains("(running, assignee=bob)") && lines.contains("199 of 200"), "{lines}");
    assert!(lines.ends_with(&format!("running · @bob · 7s · attempt 1 · {id}")), "{lines}");
    assert_eq!(card.post.buttons.iter().map(|b| b.label.as_str()).collect::<Vec<_>>(), ["Log", "Cancel"]);
    let at = NOW + 11 * 60 * 1_000;
    f.write(async |tx| tx.heartbeat(&worker, &id, Some("later"), at + 60_000, at).await).await.unwrap();
    draw(&f, at).await;
    assert!(f.count("SELECT count(*) FROM deliveries") < 6, "edits that are past leave nothing behind");
}

#[tokio::test]
async fn a_card_waits_for_its_message_and_is_not_drawn_for_nothing() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = f.ready("count").await;
    f.write(async |tx| {
        let task = tx.task(&id).await?;
        let face = tx.task_face(&task, Lead::Title, NOW).await?;
        let key = tx.owe_reply(&here, "u1", None, Answer::default(), NOW).await?;
        tx.place_card(&here, Some(&id), Lead::Title, &key, &face, NOW).await
    })
    .await
    .unwrap();
    f.claim(&id).await;
    assert_eq!(draw(&f, NOW + 5_000).await, None);
    let answer = owed(&f, &here).await;
    assert_eq!(answer.len(), 1, "there is no message to edit yet");
    sent(&f, &answer[0], "m1").await;
    assert_eq!(draw(&f, NOW).await, Some(NOW + BETWEEN_EDITS), "it was shown a moment ago");
    assert_eq!(draw(&f, NOW + BETWEEN_EDITS).await, None);
    assert_eq!(owed(&f, &here).await.len(), 1);
    sent(&f, &owed(&f, &here).await[0], "m1").await;
    // What changes nothing that it shows is no edit.
    let other = f.ready("other").await;
    f.complete(&other).await;
    assert_eq!(draw(&f, NOW + 9_000).await, None);
    assert_eq!(owed(&f, &here).await.len(), 0);
}

#[tokio::test]
async fn a_card_shows_each_state() {
    let f = Fixture::new().await;
    let here = thread("here");
    let parent = f.ready("first").await;
    let id = f.child_of(&[&parent]).await;
    let face = async |at: i64| {
        let mut tx = f.board.read().await.unwrap();
        let task = tx.task(&id).await.unwrap();
        let face = tx.task_face(&task, Lead::Title, at).await.unwrap();
        let lines: Vec<_> = face.body.iter().map(|block| block.text().to_owned()).collect();
        format!(
            "{} [{}]",
            lines.join(" | "),
            face.actions.iter().map(|offer| offer.label.as_str()).collect::<Vec<_>>().join(", ")
        )
        .replace(id.as_str(), "t_child")
        .replace(parent.as_str(), "t_parent")
    };
    let mut seen = vec![face(NOW).await];
    f.complete(&parent).await;
    let (claim, worker) = f.claim(&id).await;
    f.write(async |tx| tx.heartbeat(&worker, &id, Some("half way"), NOW + 60_000, NOW).await).await.unwrap();
    seen.push(face(NOW + 200_000).await);
    let ending = Ending::Failed { error: "exit 1\nmore".to_owned() };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &ending, &PATIENCE, NOW + 300_000).await).await.unwrap();
    seen.push(face(NOW + 300_000).await);
    f.write(async |tx| tx.block(&person(), &id, None, Some("why"), NOW).await).await.unwrap();
    seen.push(face(NOW + 400_000).await);
    f.write(async |tx| tx.unblock(&person(), &id, None, NOW).await).await.unwrap();
    let (_, worker) = f.claim(&id).await;
    let made = f.write(async |tx| tx.create(&worker, "bob", titled("more"), NOW).await).await.unwrap().task.id;
    f.complete(&made).await;
    f.write(async |tx| tx.complete(&worker, &id, &hand_off("all 12"), NOW + 9_000).await).await.unwrap();
    seen.push(face(NOW + 999_000).await.replace(made.as_str(), "t_made"));
    insta::assert_snapshot!(seen.join("\n"), @r"
    child | Waits for t_parent | waiting · @bob · t_child [Show, Cancel]
    child | half way | running · @bob · 3m 20s · attempt 1 · t_child [Log, Cancel]
    child | exit 1 | failed, tries again in 10s · @bob · 5m · attempt 1 · t_child [Retry, Log, Reassign, Cancel]
    child | blocked · @bob · attempt 2 · t_child [Show, Cancel]
    child | 1 of 1 follow-up tasks done: t_made (done) | done · @bob · 9s · attempt 3 · t_child [Show, Follow up]
    ");
    assert_eq!(owed(&f, &here).await.len(), 0);
}

#[tokio::test]
async fn a_task_of_a_channel_lives_in_a_thread_of_its_own_once_that_is_open() {
    let f = Fixture::new().await;
    let id = own(&f, "count").await;
    let provisional = Thread { thread: Some(format!("?{id}")), ..channel() };
    assert_eq!(owed(&f, &provisional).await.len(), 0, "not before the short line has arrived");
    sent(&f, &owed(&f, &channel()).await[0], "m1").await;
    f.write(async |tx| tx.complete(&person(), &id, &hand_off("all 12"), NOW).await).await.unwrap();
    assert_eq!(texts(&f, &channel()).await, [format!("done: count · @bob · {id}")]);
    let number = f.board.read().await.unwrap().threads_owed().await.unwrap().into_iter().find(Owed::is_unopened);
    let number = number.unwrap().id;
    let unopened = f.board.read().await.unwrap().unopened(number).await.unwrap().unwrap();
    let opening = unopened.opening.unwrap();
    assert_eq!((opening.channel, opening.message.as_str(), opening.title.as_str()), (channel(), "m1", "count"));
    assert!(!opening.is_in_doubt);
    f.write(async |tx| tx.begin_opening(number, NOW).await).await.unwrap();
    let again = f.board.read().await.unwrap().unopened(number).await.unwrap().unwrap();
    assert!(again.opening.unwrap().is_in_doubt, "after a crash it may be open");
    let address = Thread { thread: Some("17".to_owned()), ..channel() };
    // Somebody speaks there before we have written it down.
    f.write(async |tx| tx.owe_reply(&address, "u9", None, Answer::default(), NOW).await).await.unwrap();
    f.write(async |tx| tx.opened(number, &address).await).await.unwrap();
    let own = owed(&f, &address).await;
    let kinds: Vec<_> = own.iter().map(|delivery| delivery.post.event.as_deref()).collect();
    assert_eq!(kinds, [None, Some("card"), Some("completed")]);
    assert!(own.iter().all(|delivery| delivery.post.thread == address));
    assert_eq!(f.board.read().await.unwrap().task_of_thread(&address).await.unwrap(), Some(id.clone()));
    assert_eq!(f.count("SELECT count(*) FROM threads WHERE thread LIKE '?%'"), 0);
    let watches = f.board.read().await.unwrap().watches().await.unwrap();
    let ways: Vec<_> = watches.iter().map(|watch| (watch.thread(), watch.policy(), watch.why())).collect();
    assert_eq!(
        ways,
        [(channel(), Policy::Ping, Why::Created), (address.clone(), Policy::Decisions, Why::Own)],
        "the channel hears of the end alone"
    );
}

#[tokio::test]
async fn where_there_can_be_no_thread_the_channel_takes_its_place() {
    let f = Fixture::new().await;
    let id = own(&f, "count").await;
    sent(&f, &owed(&f, &channel()).await[0], "m1").await;
    let number = f.board.read().await.unwrap().threads_owed().await.unwrap()[0].id;
    f.write(async |tx| tx.give_up_opening(number, NOW).await).await.unwrap();
    f.write(async |tx| tx.block(&person(), &id, None, Some("which?"), NOW).await).await.unwrap();
    let kinds: Vec<_> = owed(&f, &channel()).await.into_iter().map(|delivery| delivery.post.event.unwrap()).collect();
    assert_eq!(kinds, ["card", "blocked"]);
    assert_eq!(f.count("SELECT count(*) FROM threads"), 1);
    let watches: Vec<Watch> = f.board.read().await.unwrap().watches().await.unwrap();
    assert_eq!(watches.iter().map(Watch::policy).collect::<Vec<_>>(), [Policy::Decisions]);
}

#[tokio::test]
async fn a_thread_is_told_as_much_as_its_policy_says() {
    let f = Fixture::new().await;
    let policies = [Policy::All, Policy::Changes, Policy::Decisions, Policy::Final, Policy::Silent];
    let id = f.ready("t").await;
    for policy in policies {
        let following = Following { task: Some(id.clone()), policy, ..Following::default() };
        f.write(async |tx| tx.watch(&thread(policy.as_str()), &following, None, NOW).await).await.unwrap();
    }
    let (claim, worker) = f.claim(&id).await;
    f.write(async |tx| tx.heartbeat(&worker, &id, Some("x"), NOW + 9, NOW).await).await.unwrap();
    let ending = Ending::Failed { error: "exit 1".to_owned() };
    f.write(async |tx| tx.attempt_ended(claim.run.id, &ending, &PATIENCE, NOW).await).await.unwrap();
    f.write(async |tx| tx.block(&person(), &id, None, Some("why"), NOW).await).await.unwrap();
    f.write(async |tx| tx.cancel(&person(), &id, None, NOW).await).await.unwrap();
    let mut told = Vec::new();
    for policy in policies {
        let here = owed(&f, &thread(policy.as_str())).await;
        told.push(here.into_iter().map(|delivery| delivery.post.event.unwrap()).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(
        told,
        [
            "claimed crashed commented blocked cancelled",
            "crashed blocked cancelled",
            "blocked cancelled",
            "cancelled",
            ""
        ]
    );
}

#[tokio::test]
async fn children_get_a_card_where_their_parent_is_followed() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = carded(&f, &here).await;
    let following = Following { task: Some(id.clone()), policy: Policy::Final, ..Following::default() };
    f.write(async |tx| tx.watch(&here, &following, Some("ann"), NOW).await).await.unwrap();
    let (_, worker) = f.claim(&id).await;
    let child = f.write(async |tx| tx.create(&worker, "bob", titled("child"), NOW).await).await.unwrap().task.id;
    let card = owed(&f, &here).await;
    assert_eq!(card.len(), 1);
    assert_eq!(card[0].post.text(), format!("child\nready · @bob · {child}"));
    let watches = f.board.read().await.unwrap().watches_of_thread(&here).await.unwrap();
    assert_eq!((watches[1].policy(), watches[1].why()), (Policy::Final, Why::Parent(id.to_string())));
    sent(&f, &card[0], "m2").await;
    f.complete(&child).await;
    draw(&f, NOW + 2_000).await;
    let texts = texts(&f, &here).await;
    assert_eq!(texts.len(), 3, "the child's end, its card and its parent's: {texts:?}");
    assert!(
        texts.iter().any(|text| text.contains(&format!("1 of 1 follow-up tasks done: {child} (done)"))),
        "{texts:?}"
    );
}

#[tokio::test]
async fn the_card_of_a_board_moves_with_it() {
    let f = Fixture::new().await;
    let (here, there) = (thread("here"), thread("there"));
    for title in ["a", "b", "c", "d"] {
        f.ready(title).await;
    }
    let place = async |thread: &Thread, update: &str| {
        f.write(async |tx| {
            let face = tx.board_face().await?;
            let answer = Answer { body: face.body.clone(), ..Answer::default() };
            let key = tx.owe_reply(thread, update, None, answer, NOW).await?;
            tx.place_card(thread, None, Lead::Title, &key, &face, NOW).await
        })
        .await
        .unwrap();
        let card = owed(&f, thread).await.pop().unwrap();
        sent(&f, &card, update).await;
        card.post.text()
    };
    let text = place(&here, "m1").await;
    assert!(text.starts_with("Board default\nready: 4\n• ") && text.ends_with("• and 1 more"), "{text}");
    place(&there, "m2").await;
    place(&here, "m3").await;
    let id = f.ready("e").await;
    f.complete(&id).await;
    assert_eq!(draw(&f, NOW + 2_000).await, None);
    let edit = owed(&f, &here).await;
    assert_eq!(edit.len(), 1);
    assert_eq!(edit[0].post.kind, PostKind::Edit { message: "m3".to_owned() }, "the earlier one is left as it was");
    assert!(edit[0].post.text().contains("done: 1\n• e · @bob"), "{}", edit[0].post.text());
    assert_eq!(owed(&f, &there).await.len(), 1);
}

#[tokio::test]
async fn a_card_whose_edits_cannot_go_out_leaves_one_of_them_and_none_while_its_thread_is_parked() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = carded(&f, &here).await;
    let mut now = NOW;
    let mut moves = async |names: std::ops::Range<usize>| {
        for number in names {
            now += BETWEEN_EDITS + 1;
            let profile = format!("p{number}").parse().unwrap();
            f.write(async |tx| tx.assign(&person(), &id, Some(&profile), now).await).await.unwrap();
            draw(&f, now).await;
        }
    };
    moves(0..5).await;
    let edits = || {
        let database = rusqlite::Connection::open(f.board.file()).unwrap();
        let query = "SELECT count(*) FROM deliveries WHERE edits IS NOT NULL";
        database.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(edits(), 1);
    // What was seen of it can be pressed for a while.
    let shown = owed(&f, &here).await.pop().unwrap();
    sent(&f, &shown, "m1").await;
    moves(5..6).await;
    let newer = owed(&f, &here).await.pop().unwrap();
    sent(&f, &newer, "m1").await;
    moves(6..7).await;
    let key = &shown.post.buttons[0].key;
    assert!(f.board.read().await.unwrap().told_by_key(key).await.unwrap().is_some());
    let number = f.board.read().await.unwrap().threads_owed().await.unwrap()[0].id;
    let before = edits();
    f.write(async |tx| tx.park_thread(number, "gone", NOW).await).await.unwrap();
    moves(7..9).await;
    assert_eq!(edits(), before);
}

#[tokio::test]
async fn what_is_alike_or_late_becomes_one_and_questions_stay_what_they_are() {
    let f = Fixture::new().await;
    let here = thread("here");
    f.write(async |tx| tx.watch(&here, &Following::default(), None, NOW).await).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..4 {
        let id = f.ready(&format!("task {number}")).await;
        f.complete(&id).await;
        ids.push(id);
    }
    let asking = f.ready("asking").await;
    f.write(async |tx| tx.block(&person(), &asking, None, Some("which?"), NOW).await).await.unwrap();
    let number = f.board.read().await.unwrap().threads_owed().await.unwrap()[0].id;
    let digest = async |now: i64| f.write(async |tx| tx.digest(number, &here, now).await).await.unwrap();
    assert!(!digest(NOW + LATE - 1).await, "what is in time is told one by one");
    // One of them may have arrived already.
    let first = owed(&f, &here).await.into_iter().find(|delivery| delivery.post.event.as_deref() == Some("completed"));
    f.write(async |tx| tx.begin_delivery(first.unwrap().id, NOW).await).await.unwrap();
    assert!(digest(NOW + LATE).await);
    assert!(!digest(NOW + LATE).await);
    let kinds: Vec<_> = owed(&f, &here).await.into_iter().map(|delivery| delivery.post.event.unwrap()).collect();
    assert_eq!(kinds, ["blocked", "completed", "digest"]);
    let text = texts(&f, &here).await.pop().unwrap();
    assert_eq!(
        text,
        format!(
            "While I could not reach you (2023-11-14 22:13 UTC): 3 done\n• done: task 1 · {}\n• done: task 2 · {}\n• done: task 3 · {}",
            ids[1], ids[2], ids[3]
        )
    );
}

#[tokio::test]
async fn a_burst_of_failures_is_told_at_once() {
    let f = Fixture::new().await;
    let here = thread("here");
    f.write(async |tx| tx.watch(&here, &Following::default(), None, NOW).await).await.unwrap();
    let ending = Ending::Failed { error: "no disk".to_owned() };
    let once = Patience { failure_limit: 1, ..PATIENCE };
    let number = async || f.board.read().await.unwrap().threads_owed().await.unwrap()[0].id;
    for count in 1..=5 {
        let id = f.ready(&format!("task {count}")).await;
        let (claim, _) = f.claim(&id).await;
        f.write(async |tx| tx.attempt_ended(claim.run.id, &ending, &once, NOW).await).await.unwrap();
        if count == 3 {
            let number = number().await;
            assert!(!f.write(async |tx| tx.digest(number, &here, NOW).await).await.unwrap());
        }
    }
    let number = number().await;
    assert!(f.write(async |tx| tx.digest(number, &here, NOW).await).await.unwrap());
    let texts = texts(&f, &here).await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with("In short (2023-11-14 22:13 UTC): 5 gave up\n• gave up: task 1 · t_"), "{texts:?}");
}
