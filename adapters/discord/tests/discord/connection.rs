//! The connection to Discord's gateway: what ends it, what survives its end, and how fast it is.

use std::time::Duration;

use kanban_discord::{Discord, Options as Settings};
use kanban_fakes::{
    Server,
    discord::{DiscordServer, Options},
};
use kanban_platform::{Input, PlatformError, Thread};

use crate::support::{Desk, Running, options, said};

const PUT: &str = "PUT /applications/{id}/commands";

fn typed(desk: &Desk) -> Vec<String> {
    let text = |input: Input| match input {
        Input::Text(text) => Some(text),
        Input::Words(_) | Input::Press { .. } => None,
    };
    desk.requests().into_iter().filter_map(|request| text(request.input)).collect()
}

/// Waits until the channel's mark is there.
async fn marked(desk: &Desk, place: &Thread) -> u64 {
    let stream = format!("channel:{}", place.thread.as_ref().unwrap_or(&place.channel));
    let value = desk.wait_until("the mark", |desk| desk.position_of(&stream)).await;
    value.parse().expect("an id")
}

async fn marked_from(desk: &Desk, place: &Thread, id: &str) {
    let (id, stream) = (id.parse::<u64>().expect("an id"), format!("channel:{}", place.channel));
    let passed = |desk: &Desk| desk.position_of(&stream)?.parse::<u64>().ok().filter(|mark| *mark >= id);
    desk.wait_until("the mark to move on", passed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_between_two_runs_is_read() {
    let server = DiscordServer::start().await;
    let (ops, thread) = (server.channel("ops"), server.thread("ops", "release"));
    let desk = Desk::silent();
    desk.follow(&ops);
    desk.follow(&thread);
    server.says("ann", &ops, "before anybody listened").await;
    let running = Running::start(&server, &desk).await;
    marked(&desk, &ops).await;
    marked(&desk, &thread).await;
    let first = server.says("ann", &ops, "one").await;
    desk.wait_for(1).await;
    marked_from(&desk, &ops, &first).await;
    running.stop().await;
    for number in 0..130 {
        server.says("ann", &ops, &format!("missed {number}")).await;
    }
    server.says("bob", &thread, "in the thread").await;
    let running = Running::start(&server, &desk).await;
    server.says("ann", &ops, "after").await;
    desk.wait_for(133).await;
    let said = typed(&desk);
    assert_eq!(said.iter().filter(|text| *text == "one").count(), 1);
    assert!(said.contains(&"in the thread".to_owned()) && !said.contains(&"before anybody listened".to_owned()));
    let missed: Vec<&String> = said.iter().filter(|text| text.starts_with("missed") || *text == "after").collect();
    let mut expected: Vec<String> = (0..130).map(|number| format!("missed {number}")).collect();
    expected.push("after".to_owned());
    assert_eq!(missed, expected.iter().collect::<Vec<_>>());
    assert!(desk.requests().iter().all(|request| request.thread == ops || request.thread == thread));
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dies_in_the_middle_has_done_everything_once() {
    const DEATHS: usize = 12;
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    desk.follow(&ops);
    let mut running = Running::start(&server, &desk).await;
    marked(&desk, &ops).await;
    let mut count = 0;
    for death in 0..DEATHS {
        let texts: Vec<String> = (0..150).map(|number| format!("{}", count + number)).collect();
        server.says_many(&ops, texts.iter().map(|text| ("ann", text.as_str())));
        server.repeat_last_event();
        count += texts.len();
        // Somewhere in the middle, and not always in the same place.
        desk.wait_for(count - 150 + death * 10).await;
        running.abort();
        server.says("ann", &ops, &count.to_string()).await;
        count += 1;
        running = Running::start(&server, &desk).await;
    }
    desk.wait_for(count).await;
    let mut said: Vec<usize> = typed(&desk).iter().map(|text| text.parse().expect("a number")).collect();
    said.sort_unstable();
    assert_eq!(said, (0..count).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_loses_no_message() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    desk.follow(&ops);
    let running = Running::start(&server, &desk).await;
    marked(&desk, &ops).await;
    let mut count = 0;
    let mut say = || {
        count += 1;
        format!("message {count}")
    };
    for way in 0..5 {
        let connections = server.connection_count();
        match way {
            0 => server.disconnect(4000),
            1 => server.reconnect(),
            2 => server.disconnect(1006),
            3 => server.invalidate_session(true),
            _ => server.invalidate_session(false),
        }
        server.says("ann", &ops, &say()).await;
        let again = || (server.connection_count() > connections && server.connections() > 0).then_some(());
        server.wire().wait_until("another connection", again).await;
        server.says("ann", &ops, &say()).await;
        desk.wait_for(2 * (way + 1)).await;
    }
    let mut said = typed(&desk);
    said.sort_by_key(|text| text.trim_start_matches("message ").parse::<u32>().unwrap_or(0));
    said.dedup();
    assert_eq!(said.len(), 10);
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_noticed() {
    const INTERVAL: Duration = Duration::from_secs(12);
    let server = DiscordServer::with(Options { heartbeat_interval: INTERVAL, ..Options::default() }).await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    desk.follow(&ops);
    let running = Running::start(&server, &desk).await;
    marked(&desk, &ops).await;
    // Right after a heartbeat was acknowledged, so that the longest time passes until the next one.
    tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
    let connections = server.connection_count();
    let began = tokio::time::Instant::now();
    server.silence(true);
    server.says("ann", &ops, "is anybody there").await;
    let again = || (server.connection_count() > connections).then_some(());
    server.wire().wait_until("another connection", again).await;
    let noticed = began.elapsed();
    assert!(noticed < INTERVAL + Duration::from_secs(12), "noticed after {noticed:?}");
    desk.wait_for(1).await;
    assert_eq!(typed(&desk), ["is anybody there"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_of_the_settings_are_told() {
    let server = DiscordServer::with(Options { message_content: false, ..Options::default() }).await;
    let desk = Desk::silent();
    let begin = |change: fn(&mut Settings)| {
        let mut settings = options(&server);
        change(&mut settings);
        Discord::new(settings).map(|discord| Running::begin(discord, &desk))
    };
    let intent = begin(|_| {}).expect("sound").ended().await;
    assert!(matches!(&intent, PlatformError::Misconfigured(why) if why.contains("Message Content Intent")), "{intent}");
    let token = begin(|settings| {
        settings.message_content = false;
        settings.token = "MTIz.abc.def".to_owned();
    });
    let token = token.expect("sound").ended().await;
    assert!(matches!(&token, PlatformError::Misconfigured(why) if why.contains("token")), "{token}");
    for change in [
        (|settings| settings.token = "  ".to_owned()) as fn(&mut Settings),
        |settings| settings.api_base = Some("discord".to_owned()),
        |settings| settings.guilds = vec!["my guild".to_owned()],
    ] {
        assert!(matches!(begin(change), Err(PlatformError::Misconfigured(_))));
    }
    let away =
        begin(|settings| settings.api_base = Some("http://127.0.0.1:1".to_owned())).expect("sound").ended().await;
    assert!(matches!(away, PlatformError::Broken(_)), "{away}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_intent_what_is_for_us_still_arrives() {
    let server = DiscordServer::with(Options { message_content: false, ..Options::default() }).await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    let running = Running::with(&server, &desk, |settings| settings.message_content = false).await;
    server.says("ann", &ops, "/kanban list").await;
    server.mentions("ann", &ops, "list").await;
    server.says("ann", &server.channel("@ann"), "show t_1").await;
    server.commands("ann", &ops, &["list"], &[]).await;
    desk.wait_for(3).await;
    assert_eq!(typed(&desk).len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_menu_is_registered_only_when_it_changed() {
    let server = DiscordServer::start().await;
    let guild = server.channel("ops").space;
    let desk = Desk::silent();
    let puts = |route: &str| server.wire().calls().iter().filter(|call| call.route == route).count();
    for _ in 0..2 {
        let running = Running::start(&server, &desk).await;
        // Another read of the set shows that the comparison is over.
        server
            .wire()
            .wait_until("the read", || server.wire().calls().iter().rfind(|c| c.route.contains("commands")).cloned())
            .await;
        running.stop().await;
    }
    assert_eq!((puts(PUT), server.registered().len()), (1, 2));
    let running = Running::with(&server, &desk, |settings| settings.guilds = vec![guild]).await;
    server.wire().wait_until("the move to the guild", || (puts(PUT) == 2).then_some(())).await;
    assert_eq!(server.registered().len(), 2);
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_commands_at_once_are_acknowledged_in_time() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::saying(Duration::from_millis(1_500), "done", false);
    let running = Running::start(&server, &desk).await;
    for _ in 0..50 {
        server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
    }
    desk.wait_until("the answers", |desk| (desk.delivered().len() == 50).then_some(())).await;
    let mut took = server.acknowledgements();
    took.sort();
    assert_eq!((took.len(), said(&server, &ops, 50).await.len()), (50, 50));
    // The goal is 100 ms in a release build on an idle machine; this one is neither.
    assert!(took[49] < Duration::from_millis(1_000), "{took:?}");
    running.stop().await;
}
