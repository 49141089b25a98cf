//! What threads follow, what they are owed for it, and in which order it goes out.

use kanban_gateway::board::{
    Actor, TaskId,
    button::Offer,
    create::NewTask,
    delivery::{Answer, Delivery, Owed},
    finish::HandOff,
    thread::Following,
};
use kanban_platform::{Block, PostKind, Thread};

use crate::fixture::{Fixture, NOW, hand_off, person, thread, titled};

async fn watch(f: &Fixture, thread: &Thread, following: Following) -> bool {
    f.write(async |tx| tx.watch(thread, &following, Some("ann"), NOW).await).await.unwrap()
}

fn only(task: &TaskId) -> Following {
    Following { task: Some(task.clone()), ..Following::default() }
}

/// What a thread is owed, oldest first.
async fn owed(f: &Fixture, thread: &Thread) -> Vec<Delivery> {
    let mut tx = f.board.read().await.unwrap();
    let owed = tx.threads_owed().await.unwrap();
    let Some(owed) = owed.iter().find(|owed| owed.thread() == *thread) else { return Vec::new() };
    tx.next_deliveries(owed.id).await.unwrap()
}

async fn events_owed(f: &Fixture, thread: &Thread) -> Vec<String> {
    owed(f, thread).await.into_iter().filter_map(|delivery| delivery.post.event).collect()
}

#[tokio::test]
async fn a_watch_tells_what_happens_from_now_on() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = f.ready("t").await;
    f.write(async |tx| tx.block(&person(), &id, None, Some("before"), NOW).await).await.unwrap();
    assert!(watch(&f, &here, only(&id)).await);
    assert!(!watch(&f, &here, only(&id)).await, "a second watch is the first one");
    assert_eq!(events_owed(&f, &here).await, [""; 0]);
    f.write(async |tx| tx.unblock(&person(), &id, None, NOW).await).await.unwrap();
    f.write(async |tx| tx.complete(&person(), &id, &hand_off("all 12"), NOW).await).await.unwrap();
    let posts = owed(&f, &here).await;
    assert_eq!(posts.len(), 1);
    let post = &posts[0].post;
    assert_eq!((post.kind.clone(), post.task.as_deref()), (PostKind::News, Some(id.as_str())));
    let text = post.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["t", "all 12"]);
    assert!(lines[2].starts_with("done · @bob") && lines[2].ends_with(id.as_str()), "{}", post.text());
    assert_eq!(post.thread, here);
}

#[tokio::test]
async fn a_thread_hears_of_the_kinds_that_it_chose() {
    let f = Fixture::new().await;
    let (usual, chosen, none) = (thread("usual"), thread("chosen"), thread("none"));
    let id = f.ready("t").await;
    watch(&f, &usual, only(&id)).await;
    watch(&f, &chosen, only(&id)).await;
    let kinds = Some(vec!["claimed".to_owned(), "commented".to_owned()]);
    assert!(!watch(&f, &chosen, Following { kinds, ..only(&id) }).await, "the kinds of a watch can be changed");
    watch(&f, &none, Following { kinds: Some(Vec::new()), ..only(&id) }).await;
    let (_, worker) = f.claim(&id).await;
    f.write(async |tx| tx.comment(&worker, &id, "bob", "note", NOW).await).await.unwrap();
    f.write(async |tx| tx.complete(&worker, &id, &HandOff::default(), NOW).await).await.unwrap();
    assert_eq!(events_owed(&f, &usual).await, ["completed"]);
    assert_eq!(events_owed(&f, &chosen).await, ["claimed", "commented"]);
    assert_eq!(events_owed(&f, &none).await, [""; 0]);
}

#[tokio::test]
async fn a_board_watch_takes_the_tasks_that_fit() {
    let f = Fixture::new().await;
    let (all, bobs, acme, both) = (thread("all"), thread("bobs"), thread("acme"), thread("both"));
    let bob = || Some("bob".parse().unwrap());
    let tenant = || Some("acme".to_owned());
    watch(&f, &all, Following::default()).await;
    watch(&f, &bobs, Following { assignee: bob(), ..Following::default() }).await;
    watch(&f, &acme, Following { tenant: tenant(), ..Following::default() }).await;
    watch(&f, &both, Following { assignee: bob(), tenant: tenant(), ..Following::default() }).await;
    let eve = || Some("eve".parse().unwrap());
    for (assignee, tenant) in [(bob(), None), (bob(), tenant()), (eve(), tenant()), (None, None)] {
        let id = f.create(NewTask { assignee, tenant, ..titled("t") }).await;
        f.complete(&id).await;
    }
    let mut heard = Vec::new();
    for thread in [&all, &bobs, &acme, &both] {
        heard.push(events_owed(&f, thread).await.len());
    }
    assert_eq!(heard, [4, 2, 2, 1]);
}

#[tokio::test]
async fn one_thread_gets_one_post_however_many_watches_fit() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = f.ready("t").await;
    watch(&f, &here, only(&id)).await;
    watch(&f, &here, Following::default()).await;
    watch(&f, &here, Following { assignee: Some("bob".parse().unwrap()), ..Following::default() }).await;
    f.complete(&id).await;
    assert_eq!(events_owed(&f, &here).await, ["completed"]);
}

#[tokio::test]
async fn a_watch_that_ends_stops_the_posts_of_this_thread_alone() {
    let f = Fixture::new().await;
    let (here, there) = (thread("here"), thread("there"));
    let id = f.ready("t").await;
    for thread in [&here, &there] {
        watch(&f, thread, only(&id)).await;
        watch(&f, thread, Following::default()).await;
    }
    let unwatch =
        async |task: Option<&TaskId>| f.write(async |tx| tx.unwatch(&here, task, None, None).await).await.unwrap();
    assert_eq!(unwatch(Some(&id)).await, 1);
    assert_eq!(unwatch(Some(&id)).await, 0);
    assert_eq!(f.board.read().await.unwrap().watches().await.unwrap().len(), 3);
    assert_eq!(unwatch(None).await, 1);
    f.complete(&id).await;
    assert_eq!(events_owed(&f, &here).await, [""; 0]);
    assert_eq!(events_owed(&f, &there).await, ["completed"]);
    let stranger = thread("stranger");
    assert_eq!(f.write(async |tx| tx.unwatch(&stranger, None, None, None).await).await.unwrap(), 0);
}

#[tokio::test]
async fn the_children_that_a_worker_creates_are_followed_like_their_parent() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = f.ready("parent").await;
    watch(&f, &here, only(&id)).await;
    let (_, worker) = f.claim(&id).await;
    let child = f.write(async |tx| tx.create(&worker, "bob", titled("child"), NOW).await).await.unwrap().task.id;
    let other = f.ready("by a person").await;
    f.complete(&child).await;
    f.complete(&other).await;
    let posts = owed(&f, &here).await;
    let told: Vec<_> = posts.iter().map(|d| (d.post.task.as_deref(), d.post.event.as_deref())).collect();
    assert_eq!(told, [(Some(child.as_str()), Some("card")), (Some(child.as_str()), Some("completed"))]);
}

#[tokio::test]
async fn every_way_to_get_stuck_is_told() {
    let f = Fixture::new().await;
    let here = thread("here");
    watch(&f, &here, Following::default()).await;
    let id = f.ready("t").await;
    for expected in ["blocked", "block_loop_detected"] {
        f.write(async |tx| tx.block(&person(), &id, None, Some("why"), NOW).await).await.unwrap();
        assert_eq!(events_owed(&f, &here).await.last().unwrap(), expected);
        if expected == "blocked" {
            f.write(async |tx| tx.unblock(&person(), &id, None, NOW).await).await.unwrap();
        }
    }
    f.write(async |tx| tx.cancel(&person(), &id, Some("enough"), NOW).await).await.unwrap();
    assert_eq!(events_owed(&f, &here).await.last().unwrap(), "cancelled");
}

#[tokio::test]
async fn deliveries_go_out_in_order_and_are_settled_once() {
    let f = Fixture::new().await;
    let (here, there) = (thread("here"), thread("there"));
    for at in 0..40 {
        f.write(async |tx| {
            for thread in [&here, &there] {
                let answer = Answer { body: vec![Block::Text(format!("answer {at}"))], ..Answer::default() };
                tx.owe_reply(thread, &format!("u{at}"), None, answer, NOW).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    }
    assert_eq!(f.board.read().await.unwrap().threads_owed().await.unwrap().len(), 2);
    let first = owed(&f, &here).await;
    let texts: Vec<_> = first.iter().map(|delivery| delivery.post.text()).collect();
    assert_eq!(texts, (0..32).map(|at| format!("answer {at}")).collect::<Vec<_>>());
    let mut keys: Vec<_> = first.iter().chain(&owed(&f, &there).await).map(|d| d.post.delivery.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 64, "each has a key of its own");

    f.write(async |tx| {
        tx.delivery_sent(first[0].id, "m1", NOW).await?;
        tx.delivery_later(first[1].id, NOW + 5, "busy", true, None).await?;
        tx.delivery_part_sent(first[1].id, 2, "m9").await?;
        tx.delivery_dead(first[2].id, "too long", None).await
    })
    .await
    .unwrap();
    let next = owed(&f, &here).await;
    assert_eq!((next[0].id, next[0].attempts, next[0].next_at, next[0].parts_sent), (first[1].id, 1, NOW + 5, 2));
    assert_eq!(next[1].id, first[3].id);
    let told = f.board.read().await.unwrap().told(&here, "m1").await.unwrap().unwrap();
    assert_eq!((told.delivery, told.post.text().as_str()), (first[0].id, "answer 0"));
    let elsewhere = Thread { channel: "hall".to_owned(), ..here.clone() };
    assert!(f.board.read().await.unwrap().told(&elsewhere, "m1").await.unwrap().is_none());
    // A platform's thread may hang on a message of its channel, and parts of a long post are messages of it too.
    assert_eq!(f.board.read().await.unwrap().told(&there, "m1").await.unwrap().unwrap().delivery, first[0].id);
    assert_eq!(f.board.read().await.unwrap().told(&here, "m9").await.unwrap().unwrap().delivery, first[1].id);
}

#[tokio::test]
async fn a_parked_thread_keeps_what_it_is_owed_until_somebody_writes_there() {
    let f = Fixture::new().await;
    let (gone, fine) = (thread("gone"), thread("fine"));
    let id = f.ready("t").await;
    watch(&f, &gone, only(&id)).await;
    watch(&f, &fine, only(&id)).await;
    f.complete(&id).await;
    let number = f.board.read().await.unwrap().threads_owed().await.unwrap()[0].id;
    f.write(async |tx| tx.park_thread(number, "forbidden", NOW).await).await.unwrap();
    let mut tx = f.board.read().await.unwrap();
    assert_eq!(tx.threads_owed().await.unwrap().iter().map(Owed::thread).collect::<Vec<_>>(), [fine]);
    let watches = tx.watches().await.unwrap();
    assert_eq!(watches.iter().filter(|w| w.parked_reason.as_deref() == Some("forbidden")).count(), 1);
    drop(tx);
    f.write(async |tx| tx.owe_reply(&gone, "u1", None, Answer::default(), NOW).await).await.unwrap();
    assert_eq!(owed(&f, &gone).await.len(), 2);
    f.write(async |tx| tx.park_thread(number, "forbidden", NOW).await).await.unwrap();
    f.write(async |tx| tx.revive_thread(number).await).await.unwrap();
    assert_eq!(owed(&f, &gone).await.len(), 2);
}

#[tokio::test]
async fn a_button_keeps_its_meaning_until_the_message_is_changed() {
    let f = Fixture::new().await;
    let here = thread("here");
    let actions = vec![Offer::run("Yes", &["unblock", "t_1"])];
    let answer = Answer { body: vec![Block::Text("Sure?".to_owned())], actions: actions.clone(), ..Answer::default() };
    f.write(async |tx| tx.owe_reply(&here, "u1", None, answer, NOW).await).await.unwrap();
    let delivery = owed(&f, &here).await.remove(0);
    assert_eq!(delivery.post.buttons.iter().map(|b| b.label.as_str()).collect::<Vec<_>>(), ["Yes"]);
    f.write(async |tx| tx.delivery_sent(delivery.id, "m1", NOW).await).await.unwrap();
    let told = f.board.read().await.unwrap().told(&here, "m1").await.unwrap().unwrap();
    assert_eq!(told.buttons.iter().map(|kept| kept.offer.clone()).collect::<Vec<_>>(), actions);
    f.write(async |tx| tx.owe_edit(&told, "m1", vec![Block::Text("Yes, said ann".to_owned())], NOW).await)
        .await
        .unwrap();
    let edit = owed(&f, &here).await.remove(0);
    assert_eq!(edit.post.kind, PostKind::Edit { message: "m1".to_owned() });
    assert!(edit.post.buttons.is_empty());
    let told = f.board.read().await.unwrap().told_by_id(delivery.id).await.unwrap().unwrap();
    assert_eq!(told.buttons[0].pressed_by.as_deref(), Some("gateway"));
}

#[tokio::test]
async fn an_update_is_acknowledged_with_what_it_did_or_not_at_all() {
    let f = Fixture::new().await;
    f.write(async |tx| {
        assert_eq!(tx.receipt("console", "u1").await?, None);
        tx.create(&person(), "ann", titled("once"), NOW).await?;
        assert!(tx.acknowledge("console", "u1", "{\"exit\":0}", NOW).await?);
        Ok(())
    })
    .await
    .unwrap();
    let before = f.dump();
    let mut tx = f.board.write().await.unwrap();
    tx.create(&Actor::Gateway, "ann", titled("twice"), NOW).await.unwrap();
    assert!(!tx.acknowledge("console", "u1", "{}", NOW).await.unwrap());
    tx.rollback().await;
    assert_eq!(f.dump(), before);
    let mut tx = f.board.read().await.unwrap();
    assert_eq!(tx.receipt("console", "u1").await.unwrap().as_deref(), Some("{\"exit\":0}"));
    assert_eq!(tx.receipt("discord", "u1").await.unwrap(), None);
}
