//! The outbox: what goes first, what takes the place of what, what is in doubt, and what is given up.

use kanban_gateway::board::{
    TaskId,
    button::Offer,
    delivery::{Answer, Delivery, Told},
    task::BlockKind,
    thread::Following,
};
use kanban_platform::{Block, PostKind, Thread, Urgency};

use crate::fixture::{Fixture, NOW, hand_off, open, person, thread};

/// What a thread is owed, in the order in which it goes out.
async fn owed(f: &Fixture, thread: &Thread) -> Vec<Delivery> {
    let mut tx = f.board.read().await.unwrap();
    let owed = tx.threads_owed().await.unwrap();
    let Some(owed) = owed.iter().find(|owed| owed.thread() == *thread) else { return Vec::new() };
    let next = tx.next_deliveries(owed.id).await.unwrap();
    assert_eq!(next.first().map(|next| next.id), tx.next_delivery(owed.id).await.unwrap().map(|next| next.id));
    next
}

async fn texts(f: &Fixture, thread: &Thread) -> Vec<String> {
    owed(f, thread).await.iter().map(|delivery| delivery.post.text().lines().next().unwrap().to_owned()).collect()
}

async fn answer(f: &Fixture, thread: &Thread, text: &str, actions: &[(&str, &str)]) -> i64 {
    let actions = actions.iter().map(|(label, verb)| Offer::run(label, &[verb])).collect();
    let answer = Answer { body: vec![Block::Text(text.to_owned())], actions, ..Answer::default() };
    let key = f.write(async |tx| tx.owe_reply(thread, text, None, answer, NOW).await).await.unwrap();
    key.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// An answer that has arrived as this message.
async fn told(f: &Fixture, thread: &Thread, message: &str) -> Told {
    let id = answer(f, thread, message, &[("Yes", "stats"), ("No", "list")]).await;
    f.write(async |tx| tx.delivery_sent(id, message, NOW).await).await.unwrap();
    f.board.read().await.unwrap().told(thread, message).await.unwrap().unwrap()
}

async fn edit(f: &Fixture, told: &Told, text: &str) -> i64 {
    let message = told.message.clone().unwrap();
    let body = vec![Block::Text(text.to_owned())];
    let key = f.write(async |tx| tx.owe_edit(told, &message, body, NOW).await).await.unwrap();
    key.rsplit_once('-').unwrap().1.parse().unwrap()
}

async fn followed(f: &Fixture, follower: &Thread, title: &str) -> TaskId {
    let id = f.ready(title).await;
    let following = Following { task: Some(id.clone()), ..Following::default() };
    f.write(async |tx| tx.watch(follower, &following, None, NOW).await).await.unwrap();
    id
}

async fn ask(f: &Fixture, id: &TaskId) {
    f.write(async |tx| tx.block(&person(), id, Some(BlockKind::NeedsInput), Some("which?"), NOW).await).await.unwrap();
}

async fn done(f: &Fixture, id: &TaskId) {
    f.write(async |tx| tx.complete(&person(), id, &hand_off("fine"), NOW).await).await.unwrap();
}

#[tokio::test]
async fn answers_go_before_questions_before_news_before_edits() {
    let f = Fixture::new().await;
    let (here, there) = (thread("here"), thread("there"));
    let card = told(&f, &here, "m1").await;
    edit(&f, &card, "an edit").await;
    for title in ["news 1", "news 2"] {
        let id = followed(&f, &here, title).await;
        done(&f, &id).await;
    }
    for title in ["question 1", "question 2"] {
        let id = followed(&f, &here, title).await;
        ask(&f, &id).await;
    }
    answer(&f, &here, "answer 1", &[]).await;
    answer(&f, &there, "elsewhere", &[]).await;
    answer(&f, &here, "answer 2", &[]).await;
    assert_eq!(
        texts(&f, &here).await,
        ["answer 1", "answer 2", "question 1", "question 2", "news 1", "news 2", "an edit"]
    );
    assert_eq!(texts(&f, &there).await, ["elsewhere"]);
    let urgencies: Vec<_> = owed(&f, &here).await.iter().map(|delivery| delivery.post.urgency).collect();
    assert_eq!(
        [urgencies[0], urgencies[2], urgencies[4], urgencies[6]],
        [Urgency::Reply, Urgency::Question, Urgency::News, Urgency::Card]
    );
}

#[tokio::test]
async fn the_posts_of_a_task_keep_their_order() {
    let f = Fixture::new().await;
    let here = thread("here");
    let mine = followed(&f, &here, "mine").await;
    let other = followed(&f, &here, "other").await;
    // News, and then a question of the same task: the question may overtake others, not the news that it goes back to.
    f.write(async |tx| {
        let following = Following {
            task: Some(mine.clone()),
            kinds: Some(vec!["edited".into(), "commented".into(), "blocked".into(), "completed".into()]),
            ..Following::default()
        };
        tx.watch(&here, &following, None, NOW).await
    })
    .await
    .unwrap();
    done(&f, &other).await;
    f.write(async |tx| tx.comment(&person(), &mine, "ann", "a note", NOW).await).await.unwrap();
    ask(&f, &mine).await;
    f.write(async |tx| tx.unblock(&person(), &mine, None, NOW).await).await.unwrap();
    done(&f, &mine).await;
    let third = followed(&f, &here, "third").await;
    ask(&f, &third).await;
    let order: Vec<_> = owed(&f, &here)
        .await
        .into_iter()
        .map(|delivery| (delivery.post.task.unwrap(), delivery.post.event.unwrap()))
        .collect();
    let of_mine: Vec<_> =
        order.iter().filter(|(task, _)| task == mine.as_str()).map(|(_, event)| event.as_str()).collect();
    assert_eq!(of_mine, ["commented", "commented", "blocked", "completed"]);
    assert_eq!(order[0], (third.to_string(), "blocked".to_owned()), "the question of a task that has told nothing yet");
    assert_eq!(order[1], (other.to_string(), "completed".to_owned()));
}

#[tokio::test]
async fn of_the_edits_of_a_message_the_newest_alone_is_sent() {
    let f = Fixture::new().await;
    let here = thread("here");
    let there = Thread { channel: "hall".to_owned(), ..here.clone() };
    let (card, other, elsewhere) =
        (told(&f, &here, "m1").await, told(&f, &here, "m2").await, told(&f, &there, "m1").await);
    let first = edit(&f, &card, "one").await;
    // An attempt that may have arrived makes no difference: the newer text is the true one.
    assert!(f.write(async |tx| tx.begin_delivery(first, NOW).await).await.unwrap());
    let second = edit(&f, &card, "two").await;
    edit(&f, &other, "of another message").await;
    edit(&f, &elsewhere, "of another thread").await;
    let third = edit(&f, &card, "three").await;
    assert_eq!(texts(&f, &here).await, ["of another message", "three"]);
    assert_eq!(texts(&f, &there).await, ["of another thread"]);
    for superseded in [first, second] {
        assert!(!f.write(async |tx| tx.begin_delivery(superseded, NOW).await).await.unwrap());
    }
    assert!(f.write(async |tx| tx.begin_delivery(third, NOW).await).await.unwrap());

    // Whatever comes of the attempt that was under way, the old text is not sent again.
    f.write(async |tx| tx.delivery_dead(first, "no such message", None).await).await.unwrap();
    f.write(async |tx| tx.delivery_later(second, NOW, "busy", true, Some(NOW)).await).await.unwrap();
    f.write(async |tx| tx.retry_deliveries(None, NOW).await).await.unwrap();
    assert_eq!(texts(&f, &here).await, ["of another message", "three"]);
    f.write(async |tx| tx.delivery_sent(third, "m1", NOW).await).await.unwrap();
    assert_eq!(texts(&f, &here).await, ["of another message"]);
}

#[tokio::test]
async fn an_edit_that_was_refused_is_not_tried_again_behind_a_newer_one() {
    let f = Fixture::new().await;
    let here = thread("here");
    let card = told(&f, &here, "m1").await;
    let old = edit(&f, &card, "old").await;
    f.write(async |tx| tx.delivery_dead(old, "too long", None).await).await.unwrap();
    let new = edit(&f, &card, "new").await;
    f.write(async |tx| tx.delivery_sent(new, "m1", NOW).await).await.unwrap();
    assert_eq!(f.write(async |tx| tx.retry_deliveries(None, NOW).await).await.unwrap(), 0);
    assert_eq!(texts(&f, &here).await, [""; 0]);
    assert_eq!(f.board.read().await.unwrap().undelivered().await.unwrap().1, 0);
}

#[tokio::test]
async fn a_post_that_was_given_up_is_not_begun_and_leaves_nothing_behind() {
    let f = Fixture::new().await;
    let here = thread("here");
    let (one, two, three) =
        (answer(&f, &here, "1", &[]).await, answer(&f, &here, "2", &[]).await, answer(&f, &here, "3", &[]).await);
    f.write(async |tx| tx.delivery_part_sent(one, 1, "m1").await).await.unwrap();
    f.write(async |tx| tx.delivery_dead(two, "too long", None).await).await.unwrap();
    assert_eq!(f.write(async |tx| tx.purge_deliveries(None).await).await.unwrap(), 1, "only what was refused for good");
    assert_eq!(texts(&f, &here).await, ["1", "3"]);
    assert_eq!(f.write(async |tx| tx.purge_deliveries(Some(one)).await).await.unwrap(), 1);
    assert_eq!(f.write(async |tx| tx.purge_deliveries(Some(one)).await).await.unwrap(), 0);
    for gone in [one, two] {
        assert!(!f.write(async |tx| tx.begin_delivery(gone, NOW).await).await.unwrap());
        // Its attempt may still be under way, and whatever that comes to is nothing.
        let before = f.dump();
        f.write(async |tx| tx.delivery_part_sent(gone, 2, "m2").await).await.unwrap();
        f.write(async |tx| tx.delivery_later(gone, NOW, "busy", true, None).await).await.unwrap();
        f.write(async |tx| tx.delivery_dead(gone, "refused", None).await).await.unwrap();
        f.write(async |tx| tx.delivery_sent(gone, "m3", NOW).await).await.unwrap();
        assert_eq!(f.dump(), before);
    }
    assert!(f.board.read().await.unwrap().told(&here, "m1").await.unwrap().is_none());
    // What has arrived is not given up, and what is sent is not owed.
    f.write(async |tx| tx.delivery_sent(three, "m4", NOW).await).await.unwrap();
    assert_eq!(f.write(async |tx| tx.purge_deliveries(Some(three)).await).await.unwrap(), 0);
    assert!(!f.write(async |tx| tx.begin_delivery(three, NOW).await).await.unwrap());
}

#[tokio::test]
async fn a_doubt_lasts_until_the_attempt_is_known_to_have_failed_or_arrived() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = answer(&f, &here, "long", &[]).await;
    let doubt = async || owed(&f, &here).await[0].in_doubt_since;
    assert_eq!(doubt().await, None);
    f.write(async |tx| tx.begin_delivery(id, NOW + 1).await).await.unwrap();
    assert_eq!(doubt().await, Some(NOW + 1), "a process that dies here does not know");
    f.write(async |tx| tx.begin_delivery(id, NOW + 2).await).await.unwrap();
    assert_eq!(doubt().await, Some(NOW + 1), "the oldest doubt counts");
    f.write(async |tx| tx.delivery_later(id, NOW + 3, "reset", true, Some(NOW + 1)).await).await.unwrap();
    let next = owed(&f, &here).await.remove(0);
    assert_eq!((next.in_doubt_since, next.attempts, next.next_at), (Some(NOW + 1), 1, NOW + 3));
    f.write(async |tx| tx.delivery_later(id, NOW + 4, "too many", false, None).await).await.unwrap();
    let next = owed(&f, &here).await.remove(0);
    assert_eq!((next.in_doubt_since, next.attempts, next.next_at), (None, 1, NOW + 4));
    // A part that has arrived settles the doubt about it.
    f.write(async |tx| tx.begin_delivery(id, NOW + 5).await).await.unwrap();
    f.write(async |tx| tx.delivery_part_sent(id, 1, "m1").await).await.unwrap();
    assert_eq!(doubt().await, None);
    // A refusal does not settle the doubt about an attempt before it.
    f.write(async |tx| tx.delivery_dead(id, "no", Some(NOW + 6)).await).await.unwrap();
    assert_eq!(f.write(async |tx| tx.retry_deliveries(Some(id), NOW + 7).await).await.unwrap(), 1);
    let next = owed(&f, &here).await.remove(0);
    assert_eq!((next.in_doubt_since, next.attempts, next.next_at, next.parts_sent), (Some(NOW + 6), 0, NOW + 7, 1));
}

#[tokio::test]
async fn every_message_of_a_long_post_is_known() {
    let f = Fixture::new().await;
    let here = thread("here");
    let id = answer(&f, &here, "long", &[("Yes", "stats")]).await;
    for (parts, message) in [(1, "m1"), (2, "m2"), (2, "m2"), (3, "")] {
        f.write(async |tx| tx.delivery_part_sent(id, parts, message).await).await.unwrap();
    }
    f.write(async |tx| tx.delivery_sent(id, "m3", NOW).await).await.unwrap();
    let mut tx = f.board.read().await.unwrap();
    for message in ["m1", "m2", "m3"] {
        let told = tx.told(&here, message).await.unwrap().unwrap();
        assert_eq!((told.delivery, told.message.as_deref()), (id, Some("m3")));
    }
    let elsewhere = Thread { channel: "hall".to_owned(), ..here.clone() };
    let account = Thread { platform: "console.acme".to_owned(), ..here.clone() };
    for (place, message) in [(&here, "m4"), (&here, ""), (&elsewhere, "m1"), (&account, "m2"), (&account, "m3")] {
        assert!(tx.told(place, message).await.unwrap().is_none(), "{place} {message:?}");
    }
    drop(tx);
    // What showed nothing has no message.
    let silent = answer(&f, &here, "", &[]).await;
    f.write(async |tx| tx.delivery_sent(silent, "", NOW).await).await.unwrap();
    assert!(f.board.read().await.unwrap().told(&here, "").await.unwrap().is_none());
}

#[tokio::test]
async fn a_button_is_found_by_its_key_on_its_own_board_alone() {
    let f = Fixture::new().await;
    let other = Fixture::new().await;
    let here = thread("here");
    answer(&other, &here, "of the other board", &[("Yes", "stats")]).await;
    answer(&f, &here, "sure?", &[("Yes", "stats"), ("No", "list")]).await;
    let buttons = owed(&f, &here).await.remove(0).post.buttons;
    let keys: Vec<_> = buttons.iter().map(|button| button.key.as_str()).collect();
    assert!(
        keys.iter()
            .all(|key| key.len() <= 48 && key.bytes().all(|b| b"0123456789abcdefghijklmnopqrstuvwxyz.!-".contains(&b)))
    );
    let mut tx = f.board.read().await.unwrap();
    for (number, key) in keys.iter().enumerate() {
        let (told, found) = tx.told_by_key(key).await.unwrap().unwrap();
        assert_eq!((found, told.buttons.len(), told.post.thread), (number, 2, here.clone()));
        assert!(other.board.read().await.unwrap().told_by_key(key).await.unwrap().is_none());
    }
    // The last part of a long post carries the buttons under the key of the whole.
    let (delivery, _) = keys[0].split_once('!').unwrap();
    assert_eq!(tx.told_by_key(&format!("{delivery}.3!1")).await.unwrap().unwrap().1, 1);
    let (uid, _) = delivery.split_once('-').unwrap();
    for key in [
        "",
        "!",
        "-!0",
        "1!0",
        "Yes",
        "!0",
        &format!("{uid}-2!0"),
        &format!("{uid}-!0"),
        &format!("{uid}--1!0"),
        &format!("{delivery}!"),
        &format!("{delivery}!-1"),
        &format!("{delivery}!x"),
        "00000000-1!0",
        &format!("{uid}-99999999999999999999!0"),
        &format!("{uid}-01!0"),
        &format!("{uid}-+1!0"),
    ] {
        assert!(tx.told_by_key(key).await.unwrap().is_none(), "{key:?}");
    }
}

#[tokio::test]
async fn a_parked_thread_is_revived_by_a_retry_of_what_lies_in_it() {
    let f = Fixture::new().await;
    let (gone, fine) = (thread("gone"), thread("fine"));
    let (one, two) = (answer(&f, &gone, "one", &[]).await, answer(&f, &fine, "two", &[]).await);
    let number = f.board.read().await.unwrap().threads_owed().await.unwrap()[0].id;
    f.write(async |tx| tx.park_thread(number, "forbidden", NOW).await).await.unwrap();
    f.write(async |tx| tx.delivery_later(one, NOW + 600_000, "forbidden", true, None).await).await.unwrap();
    assert_eq!(texts(&f, &gone).await, [""; 0]);
    assert_eq!(f.write(async |tx| tx.retry_deliveries(Some(two), NOW).await).await.unwrap(), 1);
    assert_eq!(texts(&f, &gone).await, [""; 0], "a retry elsewhere is none here");
    assert_eq!(f.write(async |tx| tx.retry_deliveries(Some(one), NOW + 5).await).await.unwrap(), 1);
    let next = owed(&f, &gone).await.remove(0);
    assert_eq!((next.next_at, next.post.text().as_str()), (NOW + 5, "one"));
    assert!(!matches!(next.post.kind, PostKind::News));
    assert_eq!(f.write(async |tx| tx.retry_deliveries(Some(99), NOW).await).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_no_longer_needed_is_forgotten_and_no_key_comes_again() {
    let f = Fixture::new().await;
    let here = thread("here");
    let card = told(&f, &here, "m1").await;
    edit(&f, &card, "one").await;
    let newest = edit(&f, &card, "two").await;
    f.write(async |tx| tx.delivery_part_sent(newest, 1, "m1").await).await.unwrap();
    f.write(async |tx| tx.delivery_sent(newest, "m1", NOW).await).await.unwrap();
    let waiting = answer(&f, &here, "still owed", &[]).await;
    f.write(async |tx| tx.forget(NOW, NOW).await).await.unwrap();
    assert_eq!(f.count("SELECT count(*) FROM deliveries"), 4, "nothing of now");
    f.write(async |tx| tx.forget(NOW + 1, NOW + 1).await).await.unwrap();
    assert_eq!(f.count("SELECT count(*) FROM deliveries"), 1);
    assert_eq!(f.count("SELECT count(*) FROM delivery_parts"), 0);
    assert_eq!(texts(&f, &here).await, ["still owed"]);
    f.write(async |tx| tx.purge_deliveries(Some(waiting)).await).await.unwrap();
    f.board.close().await;
    let board = open(f.folder.path()).await.unwrap();
    let mut tx = board.write().await.unwrap();
    let key = tx.owe_reply(&here, "u9", None, Answer::default(), NOW).await.unwrap();
    assert!(key.ends_with(&format!("-{}", waiting + 1)), "{key}");
}
