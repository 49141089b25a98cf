//! Many commands at once on a big board: each is acknowledged in time, whatever the board does.

use std::{sync::Arc, time::Duration};

use kanban_fakes::{Server, discord::DiscordServer, slack::SlackServer};

use crate::{
    home::Home,
    platforms::Stage,
    scale::{Scale, report},
};

const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_commands_at_once_are_acknowledged_on_discord() {
    let server = DiscordServer::start().await;
    let times = Arc::clone(&server);
    let stage = on_a_big_board(server).await;
    assert_eq!(times.unanswered(), 0, "an interaction was not acknowledged in time");
    tell("discord", times.acknowledgements());
    stage.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_commands_at_once_are_acknowledged_on_slack() {
    let server = SlackServer::start().await;
    let times = Arc::clone(&server);
    let stage = on_a_big_board(server).await;
    assert!(times.failures().is_empty(), "a person saw an error: {:?}", times.failures());
    tell("slack", times.acknowledgements());
    stage.close(&[]).await;
}

/// Lets fifty people type at the same moment, a few times, on a board of 100,000 tasks.
async fn on_a_big_board(server: Arc<dyn Server>) -> Stage {
    let scale = Scale::of("promptness", 1, 10);
    let mut stage = Stage::open(Arc::new(Home::new()), Arc::clone(&server)).await;
    stage.kill_settled().await;
    let home = Arc::clone(&stage.home);
    tokio::task::spawn_blocking(move || home.fill(100_000)).await.unwrap();
    stage.up().await;
    let places: Vec<_> = (0..AT_ONCE).map(|number| server.channel(&format!("room{number}"))).collect();
    for round in 0..scale.count {
        let title = format!("task of round {round}");
        let people: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, place)| {
                let (server, place, title) = (Arc::clone(&server), place.clone(), title.clone());
                tokio::spawn(async move {
                    match number % 2 {
                        0 => server.commands("ann", &place, &["create"], &[("title", &title)]).await,
                        _ => server.commands("ann", &place, &["list"], &[]).await,
                    }
                })
            })
            .collect();
        for person in people {
            person.await.unwrap();
        }
        for place in places.iter().step_by(2) {
            stage.sees_text(place, &title).await;
        }
    }
    scale.done(&format!("{AT_ONCE} commands at once on a board of 100,000 tasks, on {}", server.kind()));
    stage
}

fn tell(kind: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    let line = format!("p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms", at(50), at(99), at(100));
    report(&format!("acknowledgements on {kind}: {} of them, {line}", times.len()));
}
