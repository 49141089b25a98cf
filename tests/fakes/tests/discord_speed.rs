//! Discord's server is fast enough for suites that count in thousands. By itself, for it leaves nothing for others.
//!
//! What is measured is the processor's time and not the clock's, so that a machine which does other things too changes
//! nothing: server and client run on the test's own thread.

#[path = "discord/bot.rs"]
#[expect(dead_code, reason = "the tests of Discord's rules need more of it")]
mod bot;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use kanban_fakes::{Server, Weather, discord::DiscordServer};
use kanban_platform::Thread;
use serde_json::json;

use bot::{Gateway, INTENTS, MESSAGE_CONTENT, Rest, text};

/// What a suite can bear on a slow machine, without optimization.
const BEARABLE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_hundred_thousand_messages_come_in() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS | MESSAGE_CONTENT).await;
    let begun = worked();
    let saying = async {
        for _ in 0..100 {
            server.says_many(&ops, (0..1000).map(|_| ("ann", "/kanban list")));
            // The bot reads in between, as it does where people type.
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        let mut last = 0;
        for _ in 0..100_000 {
            let id = text(&gateway.event("MESSAGE_CREATE").await["id"]).parse::<u64>().expect("a snowflake");
            assert!(id > last, "in order");
            last = id;
        }
    };
    tokio::join!(saying, reading);
    let worked = worked() - begun;
    assert!(!worked.is_zero() && worked < BEARABLE, "{worked:?}");
}

#[tokio::test]
async fn ten_thousand_posts_go_out_in_bad_weather() {
    let server = DiscordServer::start().await;
    let rest = Rest::new(&server);
    let threads: Vec<Thread> = (0..200).map(|n| server.thread("ops", &format!("t{n}"))).collect();
    let retry_after = Duration::from_millis(1);
    server.wire().weather(Some(Weather { seed: 7, too_many: 150, server_error: 150, retry_after }));
    let begun = worked();
    stream::iter(&threads)
        .for_each_concurrent(32, |thread| {
            let path = format!("/channels/{}/messages", thread.thread.as_deref().expect("a thread"));
            let rest = &rest;
            async move {
                for n in 0..50 {
                    let body =
                        json!({ "content": format!("post {n}"), "nonce": format!("n{n}"), "enforce_nonce": true });
                    while rest.post(&path, body.clone()).await.0 != 200 {
                        tokio::time::sleep(retry_after).await;
                    }
                }
            }
        })
        .await;
    for thread in &threads {
        let texts: Vec<String> = server.seen(thread).into_iter().map(|seen| seen.text).collect();
        assert_eq!(texts, (0..50).map(|n| format!("post {n}")).collect::<Vec<_>>());
    }
    let worked = worked() - begun;
    assert!(!worked.is_zero() && worked < BEARABLE, "{worked:?}");
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

/// How long this thread has been on a processor: `utime` and `stime` of `proc_pid_stat(5)`, in hundredths of a second.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux says it");
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11);
    let mut next = || fields.next().and_then(|field| field.parse::<u64>().ok()).expect("it is a number");
    Duration::from_millis(10 * (next() + next()))
}
