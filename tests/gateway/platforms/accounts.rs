//! Several accounts and platforms in one gateway, and the modes in which platforms call us.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use kanban_fakes::{
    Server,
    slack::{SlackOptions, SlackServer},
    telegram::TelegramServer,
};
use kanban_platform::Thread;

use crate::home::{Gateway, Home};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_account_is_told_what_was_asked_there() {
    let first = TelegramServer::start().await;
    let second = TelegramServer::named("telegram.second").await;
    let acme = SlackServer::start().await;
    let umbrella = SlackServer::start_with(SlackOptions {
        name: "slack.umbrella".into(),
        team: "T0OTHER".into(),
        ..SlackOptions::default()
    })
    .await;
    let servers: Vec<(Arc<dyn Server>, Thread)> = vec![
        (first.clone(), first.private("ann")),
        (second.clone(), second.private("ann")),
        (acme.clone(), acme.direct("ann")),
        (umbrella.clone(), umbrella.direct("ann")),
    ];
    let home = Home::new();
    let mut people: Vec<String> = servers.iter().map(|(server, _)| format!("\"{}\"", server.person("ann"))).collect();
    people.sort();
    people.dedup();
    let tables: String = servers.iter().map(|(server, _)| server.settings() + "\n").collect();
    home.settings(&format!("[access]\nowners = [{}]\n{tables}", people.join(", ")));
    let _gateway = up(&home, &servers).await;
    for (number, (server, place)) in servers.iter().enumerate() {
        server
            .says("ann", place, &format!("create job {number} --assignee script --body 'echo result {number}'"))
            .await;
    }
    for (number, (server, place)) in servers.iter().enumerate() {
        shows(server, place, &format!("result {number}")).await;
        let texts: String =
            server.seen(place).iter().filter(|seen| seen.is_ours).map(|seen| seen.text.clone()).collect();
        for other in (0..servers.len()).filter(|other| *other != number) {
            assert!(!texts.contains(&format!("job {other}")), "{place} hears of job {other}: {texts}");
        }
        assert_eq!(server.wire().wrong(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn webhooks_and_signed_requests_reach_the_board() {
    let telegram = TelegramServer::start().await;
    let listen = free();
    let slack_listen = free();
    let slack =
        SlackServer::start_with(SlackOptions { listen: Some(slack_listen.to_string()), ..SlackOptions::default() })
            .await;
    slack.deliver_to(&format!("http://{slack_listen}/slack"));
    let servers: Vec<(Arc<dyn Server>, Thread)> =
        vec![(telegram.clone(), telegram.private("ann")), (slack.clone(), slack.direct("ann"))];
    let home = Home::new();
    home.settings(&format!(
        "[access]\nowners = [\"{}\", \"{}\"]\n{}\n{}",
        telegram.person("ann"),
        slack.person("ann"),
        telegram.webhook_settings(listen, "a-secret_of_the-test"),
        slack.settings()
    ));
    let _gateway = up(&home, &servers).await;
    for (server, place) in &servers {
        server.says("ann", place, "create come in --assignee script --body 'echo came in'").await;
        shows(server, place, "came in").await;
        assert_eq!(server.wire().wrong(), Vec::<String>::new());
    }
}

async fn up(home: &Home, servers: &[(Arc<dyn Server>, Thread)]) -> Gateway {
    let gateway = tokio::task::block_in_place(|| home.up());
    for (server, _) in servers {
        server.connected().await;
    }
    gateway
}

async fn shows(server: &Arc<dyn Server>, place: &Thread, text: &str) {
    // In the place itself, or in the thread of the task that was made there.
    let shown = || {
        let threads = std::iter::once(place.clone()).chain(server.opened(place));
        let mut seen = threads.flat_map(|thread| server.seen(&thread));
        seen.any(|seen| seen.is_ours && seen.text.contains(text)).then_some(())
    };
    let waiting = server.wire().wait_until(text, shown);
    if tokio::time::timeout(Duration::from_secs(25), waiting).await.is_err() {
        panic!("no `{text}` in {place}: {:?}", server.seen(place));
    }
}

/// An address where nobody listens.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
