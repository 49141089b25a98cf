//! Much at once on a platform that limits and fails: nothing is lost, order is kept, and one bad thread holds up nobody.

use std::{sync::Arc, time::Duration};

use kanban_fakes::{Call, Seen, Server, Trouble, Weather};
use kanban_platform::Thread;
use tokio::time::Instant;

use crate::{
    scale::{Scale, report},
    world::{World, server},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_on_discord() {
    on("discord").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_on_telegram() {
    on("telegram").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_on_slack() {
    on("slack").await;
}

/// Half of the posts in weather that is the same for all, then half with one thread besides that always fails.
async fn on(kind: &str) {
    let mut scale = Scale::of("storm", 60, 10_000);
    let threads = if scale.count > 1_000 { 200 } else { 6 };
    let posts = scale.count / threads / 2;
    let server = server(kind).await;
    server.wire().weather(Some(Weather {
        seed: scale.below(u64::MAX),
        too_many: 150,
        server_error: 150,
        retry_after: Duration::from_millis(700),
    }));
    let calm = round(&server, "calm", threads, posts, None).await;
    let bad = server.channel("bad");
    let stormy = round(&server, "storm", threads, posts, Some(&bad)).await;
    assert!(!server.seen(&bad).iter().any(|seen| seen.is_ours), "nothing arrives where everything fails");
    let early: Vec<Call> = server.wire().calls().into_iter().filter(|call| call.is_early).collect();
    assert!(early.is_empty(), "a Retry-After was broken {} times: {:?}", early.len(), early.first());
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
    report(&format!(
        "storm on {kind}: p99 {:.1} s with a thread that fails for ever, {:.1} s without ({:.2}x)",
        stormy.as_secs_f64(),
        calm.as_secs_f64(),
        stormy.as_secs_f64() / calm.as_secs_f64()
    ));
    scale.done(&format!("posts over {threads} threads on {kind} with 30 % failures, 0 lost, 0 doubled, order kept"));
}

/// Owes every thread its posts at once, waits until they have arrived, and answers the p99 of the time that took.
async fn round(server: &Arc<dyn Server>, name: &str, threads: usize, posts: usize, bad: Option<&Thread>) -> Duration {
    let places: Vec<Thread> = (0..threads).map(|number| server.channel(&format!("{name}{number}"))).collect();
    let mut world = World::new(server).await;
    for number in 0..posts {
        for place in &places {
            world.owe(place, &format!("outcome {number:04} here.")).await;
        }
    }
    if let Some(bad) = bad {
        server.wire().trouble_channel(&bad.channel, Trouble::ServerError);
        for number in 0..posts {
            world.owe(bad, &format!("outcome {number:04} here.")).await;
        }
    }
    let began = Instant::now();
    world.start();
    let all_there = || {
        let there = |place: &Thread| outcomes(&server.seen(place)).len() >= posts;
        places.iter().all(there).then_some(())
    };
    // Waiting for so many posts takes longer than a wait for one.
    while tokio::time::timeout(Duration::from_secs(1), server.wire().wait_until("a post", || None::<()>)).await.is_err()
    {
        if all_there().is_some() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(1_800), "the storm never ends");
    }
    for place in &places {
        let expected: Vec<String> = (0..posts).map(|number| format!("outcome {number:04} here.")).collect();
        assert_eq!(outcomes(&server.seen(place)), expected, "{place}");
    }
    let channels: std::collections::HashSet<&str> = places.iter().map(|place| place.channel.as_str()).collect();
    let mut lags: Vec<Duration> = server
        .wire()
        .calls()
        .iter()
        .filter(|call| call.at >= began && call.status < 300 && call.trouble.is_none())
        .filter(|call| call.channel.as_deref().is_some_and(|channel| channels.contains(channel)))
        .map(|call| call.at - began)
        .collect();
    lags.sort();
    drop(world);
    lags[lags.len() * 99 / 100]
}

/// The outcomes that a person sees, in the order of the messages.
fn outcomes(seen: &[Seen]) -> Vec<String> {
    let texts = seen.iter().filter(|seen| seen.is_ours).flat_map(|seen| seen.text.lines());
    texts.map(str::trim).filter(|line| line.starts_with("outcome ")).map(str::to_owned).collect()
}
