//! People go on talking while one gateway follows on another.

use std::{sync::Arc, time::Duration};

use kanban_fakes::{Server, slack::SlackServer};
use kanban_gateway::clock::Clock;

use super::{Stage, servers};
use crate::{home::Home, scale::Scale};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_said_during_takeovers_has_its_effect_once_and_soon() {
    let scale = Scale::of("takeovers in a talk", 4, 40);
    let clock = Clock::system();
    for number in 1..4 {
        let home = Arc::new(Home::new());
        let server = server(&home, number).await;
        let mut stage = Stage::open(home, server).await;
        let kind = stage.server.kind();
        let ops = stage.server.channel("ops");
        let (server, place) = (Arc::clone(&stage.server), ops.clone());
        // What is said while nobody listens is read up in the channels that were in use before.
        stage.server.mentions("ann", &ops, "create note 0").await;
        stage.wait_for_tasks(1).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let talking = tokio::spawn({
            let clock = clock.clone();
            async move {
                let mut said = Vec::new();
                let mut stopped = std::pin::pin!(stopped);
                let mut beat = tokio::time::interval(Duration::from_millis(100));
                loop {
                    tokio::select! {
                        _ = &mut stopped => return said,
                        _ = beat.tick() => {}
                    }
                    said.push(clock.now());
                    server.mentions("ann", &place, &format!("create note {}", said.len())).await;
                }
            }
        });
        for round in 0..scale.count {
            if round % 2 == 0 { stage.take_over().await } else { stage.upgrade().await }
        }
        stop.send(()).unwrap();
        let said = talking.await.unwrap();
        stage.wait_for_tasks(said.len() + 1).await;
        let home = Arc::clone(&stage.home);
        let delays: Vec<i64> = tokio::task::spawn_blocking(move || {
            let titles = home.titles();
            let created = |title: &str| -> i64 {
                let query = "SELECT created_at FROM tasks WHERE title = ?1";
                home.database().query_row(query, [title], |row| row.get(0)).unwrap()
            };
            let notes = said.iter().enumerate().map(|(at, time)| (format!("note {}", at + 1), time));
            let delays = notes.map(|(title, time)| {
                assert_eq!(titles.get(&title), Some(&1), "{kind}: {title} in {titles:?}");
                created(&title) - time
            });
            let delays = delays.collect();
            assert_eq!(titles.len(), said.len() + 1, "{kind}: {titles:?}");
            delays
        })
        .await
        .unwrap();
        let worst = delays.iter().max().copied().unwrap_or(0);
        scale.done(&format!("{} messages on {kind}, each with one effect, the latest after {worst} ms", delays.len()));
        stage.close(&[]).await;
    }
}

async fn server(home: &Arc<Home>, number: usize) -> Arc<dyn Server> {
    let server = servers(home).await.swap_remove(number);
    if server.kind() != "slack" {
        return server;
    }
    // Slack tries three times over some minutes, which is more than any machine needs for four takeovers.
    let slack = SlackServer::start().await;
    slack.redeliver_after([1, 2, 30].map(|seconds| Duration::from_millis(seconds * 500)).to_vec());
    slack
}
