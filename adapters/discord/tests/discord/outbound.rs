//! What the gateway owes to Discord arrives once, whatever happens on the way.

use std::time::Duration;

use kanban_discord::Discord;
use kanban_fakes::{
    Server, Trouble,
    discord::{DiscordServer, Options, Pace},
};
use kanban_platform::{Block, Platform, Post, PostError, PostKind, Thread, Urgency};

use crate::support::{Clock, Desk, Running, button, deliver, news, now, options, read, reply, said, shown, text};

const SEND: &str = "POST /channels/{id}/messages";
const FIRST_RESPONSE: &str = "POST /interactions/{id}/{token}/callback";
const FILL_IN: &str = "PATCH /webhooks/{id}/{token}/messages/@original";
const MINUTE: i64 = 60_000;

const TROUBLES: [Trouble; 5] = [
    Trouble::TooMany(Duration::from_millis(20)),
    Trouble::ServerError,
    Trouble::ServerErrorAfter,
    Trouble::Break,
    Trouble::LoseAnswer,
];

/// Every sequence of one to three troubles.
fn schedules() -> Vec<Vec<Trouble>> {
    let mut all: Vec<Vec<Trouble>> = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..3 {
        last = last.iter().flat_map(|before| TROUBLES.map(|next| [before.as_slice(), &[next]].concat())).collect();
        all.extend(last.clone());
    }
    all.retain(|schedule| !schedule.is_empty());
    all
}

fn adapter(server: &DiscordServer) -> std::sync::Arc<Discord> {
    Discord::new(options(server)).expect("sound options")
}

fn texts(server: &DiscordServer, place: &Thread) -> Vec<String> {
    shown(server, place)
}

/// Lets several servers go through the schedules side by side, for most of the time is waiting.
async fn side_by_side<Work>(go: fn(Vec<Vec<Trouble>>) -> Work)
where
    Work: Future<Output = ()> + Send + 'static,
{
    let schedules = schedules();
    assert_eq!(schedules.len(), 155);
    let mut works = tokio::task::JoinSet::new();
    for share in schedules.chunks(20) {
        works.spawn(go(share.to_vec()));
    }
    works.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_arrive_once_under_every_schedule_of_three_faults() {
    side_by_side(|schedules| async move {
        let server = DiscordServer::start().await;
        for (number, schedule) in schedules.iter().enumerate() {
            let ops = server.channel(&format!("c{number}"));
            server.wire().trouble(SEND, schedule.iter().copied());
            let post = news(&format!("n.{number}"), &ops, text("done"));
            let sent = deliver(&adapter(&server), &post).await.expect("delivered");
            assert_eq!(texts(&server, &ops), ["done"], "{schedule:?}");
            assert_eq!(server.seen(&ops)[0].id, sent);
        }
        assert_eq!(server.wire().wrong(), Vec::<String>::new());
        assert!(server.wire().calls().iter().all(|call| !call.is_early));
    })
    .await;
}

async fn answer_under(route: &str, slowness: Duration, schedules: &[Vec<Trouble>]) {
    let server = DiscordServer::start().await;
    let desk = Desk::saying(slowness, "done", false);
    let running = Running::start(&server, &desk).await;
    for (number, schedule) in schedules.iter().enumerate() {
        let ops = server.channel(&format!("c{number}"));
        server.wire().trouble(route, schedule.iter().copied());
        server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
        let delivered = desk.wait_until("the delivery", |desk| desk.delivered().get(number).cloned()).await;
        let delivered = delivered.expect("delivered");
        assert_eq!(texts(&server, &ops), ["done"], "{route}: {schedule:?}");
        assert!(server.seen(&ops).iter().any(|seen| seen.id == delivered), "{route}: {schedule:?}");
    }
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
    assert_eq!((server.unanswered(), server.thinking()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_responses_arrive_once_under_every_schedule_of_three_faults() {
    side_by_side(|schedules| async move { answer_under(FIRST_RESPONSE, Duration::ZERO, &schedules).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deferrals_are_filled_in_once_under_every_schedule_of_three_faults() {
    side_by_side(|schedules| async move { answer_under(FILL_IN, Duration::from_millis(90), &schedules).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_doubt_is_settled_by_the_history() {
    // A platform that has forgotten every nonce, and much that was said since.
    let server = DiscordServer::with(Options { nonce_window: Duration::ZERO, ..Options::default() }).await;
    let (clock, began) = (Clock::default(), now());
    let discord = Discord::new(kanban_discord::Options { now: clock.boxed(), ..options(&server) }).expect("sound");
    for (number, body) in [text("plain"), vec![Block::Title("Fix it".to_owned())]].into_iter().enumerate() {
        let ops = server.channel(&format!("c{number}"));
        let post = news(&format!("n.{number}"), &ops, body);
        server.wire().trouble(SEND, [Trouble::LoseAnswer]);
        assert!(matches!(discord.post(&post, None).await, Err(PostError::Ambiguous(_))));
        for other in 0..120 {
            server.says("ann", &ops, &format!("message {other}")).await;
        }
        clock.forward(10 * MINUTE);
        let found = discord.post(&post, Some(began)).await.expect("found");
        assert_eq!(texts(&server, &ops).len(), 1);
        assert_eq!(server.seen(&ops).iter().find(|seen| seen.is_ours).expect("ours").id, found);
        // What never arrived is sent.
        let missing = news(&format!("missing.{number}"), &ops, text("new"));
        discord.post(&missing, Some(began)).await.expect("sent");
        assert_eq!(texts(&server, &ops).len(), 2);
    }
    // Silence in the channel is no doubt either.
    let quiet = server.channel("quiet");
    discord.post(&news("q.1", &quiet, text("x")), Some(began)).await.expect("sent");
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_blindly() {
    let server = DiscordServer::with(Options { nonce_window: Duration::ZERO, ..Options::default() }).await;
    let (clock, began) = (Clock::default(), now());
    let discord = Discord::new(kanban_discord::Options { now: clock.boxed(), ..options(&server) }).expect("sound");
    let ops = server.channel("ops");
    let post = news("n.1", &ops, text("done"));
    server.wire().trouble(SEND, [Trouble::LoseAnswer]);
    assert!(matches!(discord.post(&post, None).await, Err(PostError::Ambiguous(_))));
    clock.forward(10 * MINUTE);
    server.deny_history(&ops);
    assert!(matches!(discord.post(&post, Some(began)).await, Err(PostError::Ambiguous(_))));
    server.restore_permission(&ops, kanban_fakes::discord::Permission::ReadMessageHistory);
    server.wire().trouble("GET /channels/{id}/messages", [Trouble::ServerError, Trouble::Break]);
    for _ in 0..2 {
        assert!(matches!(discord.post(&post, Some(began)).await, Err(PostError::Ambiguous(_))));
    }
    discord.post(&post, Some(began)).await.expect("found");
    assert_eq!(texts(&server, &ops).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_they_are_about() {
    let server = DiscordServer::start().await;
    let discord = adapter(&server);
    let (ops, gone, closed) = (server.channel("ops"), server.channel("gone"), server.channel("closed"));
    let thread = server.thread("ops", "old");
    server.kill_channel(&gone);
    server.remove_permission(&closed, kanban_fakes::discord::Permission::SendMessages);
    for place in [&gone, &closed] {
        let post = news(&format!("n.{place}"), place, text("x"));
        assert!(matches!(discord.post(&post, None).await, Err(PostError::Gone(_))), "{place}");
    }
    server.wire().trouble(SEND, [Trouble::Refuse, Trouble::Gone]);
    let post = news("n.1", &ops, text("x"));
    assert!(matches!(discord.post(&post, None).await, Err(PostError::Refused(_))));
    assert!(matches!(discord.post(&post, None).await, Err(PostError::Gone(_))));
    let message = discord.post(&post, None).await.expect("sent");
    server.deletes(&message);
    let edit = Post { kind: PostKind::Edit { message }, ..news("e.1", &ops, text("y")) };
    assert!(matches!(discord.post(&edit, None).await, Err(PostError::Refused(_))));
    let message = discord.post(&news("t.1", &thread, text("x")), None).await.expect("sent");
    let edit = Post { kind: PostKind::Edit { message }, ..news("e.2", &thread, text("y")) };
    server.remove_permission(&thread, kanban_fakes::discord::Permission::ManageThreads);
    server.lock_thread(&thread, true);
    for post in [&edit, &news("t.2", &thread, text("z"))] {
        let refused = discord.post(post, None).await;
        assert!(matches!(refused, Err(PostError::Gone(_))), "{refused:?}");
    }
    let nowhere = Thread { channel: "general".to_owned(), ..ops };
    assert!(matches!(discord.post(&news("n.2", &nowhere, text("x")), None).await, Err(PostError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_edited_in_place_and_pings_nobody() {
    let server = DiscordServer::start().await;
    let discord = adapter(&server);
    let ops = server.thread("ops", "release");
    let ann = server.person("ann").replace("discord:", "");
    let nasty = format!("@everyone @here <@{ann}> <@&{ann}> *bold* `code` [a](https://x.example) ||x||");
    let card = |delivery: &str, kind: PostKind| Post {
        kind,
        buttons: vec![button("Retry")],
        ..news(
            delivery,
            &ops,
            vec![
                Block::Title(nasty.clone()),
                Block::Text(nasty.clone()),
                Block::Quote(format!("{nasty}\n# {nasty}")),
                Block::Code(nasty.clone()),
                Block::Footer("blocked".to_owned()),
                Block::File { name: "log.txt".to_owned(), text: nasty.clone() },
            ],
        )
    };
    let message = discord.post(&card("n.1", PostKind::News), None).await.expect("sent");
    let seen = server.seen(&ops).remove(0);
    let plain = nasty.replace('`', "");
    assert_eq!(read(&seen.text), format!("{plain}\n{plain}\n{plain}\n# {plain}\n{nasty}\nblocked"));
    assert_eq!((seen.pings.len(), seen.buttons.len()), (0, 1));
    assert_eq!(seen.files, [("log.txt".to_owned(), nasty.clone())]);
    let edit = Post { buttons: Vec::new(), ..news("n.2", &ops, text(&nasty)) };
    let edit = Post { kind: PostKind::Edit { message: message.clone() }, ..edit };
    for _ in 0..2 {
        assert_eq!(discord.post(&edit, None).await.expect("edited"), message);
    }
    let seen = server.seen(&ops);
    assert_eq!((seen.len(), read(&seen[0].text), seen[0].pings.len()), (1, plain, 0));
    assert!(seen[0].buttons.is_empty() && seen[0].files.is_empty());
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_outlives_the_process_and_the_token() {
    let server = DiscordServer::with(Options { token_life: Duration::from_secs(4), ..Options::default() }).await;
    let desk = Desk::silent();
    let running = Running::start(&server, &desk).await;
    let places: Vec<Thread> = (0..4).map(|number| server.channel(&format!("c{number}"))).collect();
    for place in &places {
        server.commands("ann", place, &["create"], &[("title", "x")]).await;
    }
    let requests = desk.wait_for(4).await;
    server.wire().wait_until("the deferrals", || (server.thinking() == 4).then_some(())).await;
    running.stop().await;
    let answer = |number: usize, private: bool| {
        let request = requests.iter().find(|request| request.thread == places[number]).expect("a request");
        Post { private, ..reply(request, text("done")) }
    };
    // Another process fills in what the first one deferred, and a third one knows that it is done.
    for _ in 0..2 {
        adapter(&server).post(&answer(0, false), Some(now())).await.expect("answered");
    }
    adapter(&server).post(&answer(1, true), None).await.expect("answered");
    assert_eq!((texts(&server, &places[0]), texts(&server, &places[1])), (vec!["done".into()], vec!["done".into()]));
    assert_eq!(server.seen(&places[1])[0].private_to.as_deref(), Some("ann"));
    // The token dies.
    let expired = || {
        let acknowledged =
            server.wire().calls().iter().filter(|call| call.route == FIRST_RESPONSE).map(|call| call.at).max();
        acknowledged.map(|at| at + Duration::from_millis(4_100))
    };
    tokio::time::sleep_until(expired().expect("a first response")).await;
    let late = adapter(&server);
    late.post(&answer(2, false), None).await.expect("answered");
    let message = late.post(&answer(3, true), None).await.expect("answered");
    assert!(texts(&server, &places[2]).contains(&"done".to_owned()));
    let private = server.channel("@ann");
    assert_eq!((texts(&server, &private), server.seen(&private)[0].id.clone()), (vec!["done".to_owned()], message));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platforms_pace_is_kept_and_the_urgent_go_first() {
    let pace = Pace { calls: 2, window: Duration::from_millis(700), ..Pace::published() };
    let server = DiscordServer::with(Options { pace, ..Options::default() }).await;
    let discord = adapter(&server);
    let (busy, calm) = (server.channel("busy"), server.channel("calm"));
    let mut posts = tokio::task::JoinSet::new();
    for number in 0..8 {
        let urgency = if number == 7 { Urgency::Reply } else { Urgency::Card };
        let post = Post { urgency, ..news(&format!("n.{number}"), &busy, text(&number.to_string())) };
        let discord = std::sync::Arc::clone(&discord);
        posts.spawn(async move { deliver(&discord, &post).await });
    }
    deliver(&discord, &news("calm", &calm, text("x"))).await.expect("sent");
    for sent in posts.join_all().await {
        sent.expect("sent");
    }
    assert_eq!(texts(&server, &busy).len(), 8);
    assert!(server.wire().calls().iter().all(|call| !call.is_early));
    // A bucket that is closed holds up nobody else.
    server.wire().trouble(SEND, [Trouble::TooMany(Duration::from_secs(30))]);
    let refused = discord.post(&news("late", &busy, text("x")), None).await;
    assert!(matches!(&refused, Err(PostError::Later(wait, _)) if wait.as_secs() >= 30), "{refused:?}");
    discord.post(&news("calm.2", &calm, text("x")), None).await.expect("sent");
    let refused = discord.post(&news("late", &busy, text("x")), None).await;
    assert!(matches!(&refused, Err(PostError::Later(wait, _)) if wait.as_secs() >= 20), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_listens_it_is_not_sent() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let base = Some("http://127.0.0.1:1".to_owned());
    let discord = Discord::new(kanban_discord::Options { api_base: base, ..options(&server) }).expect("sound");
    let refused = discord.post(&news("n.1", &ops, text("x")), None).await;
    assert!(matches!(refused, Err(PostError::Later(Duration::ZERO, _))), "{refused:?}");
    assert!(discord.parts(&text(&"word ".repeat(1_000))).len() > 1);
    assert!(said(&server, &ops, 0).await.is_empty());
}
