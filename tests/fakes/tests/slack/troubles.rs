//! Faults of single calls, and limits of rates.

use std::time::Duration;

use kanban_fakes::{
    Server, Trouble, Weather,
    slack::{SlackOptions, SlackServer},
};
use serde_json::json;
use tokio::time::Instant;

const POST: &str = "chat.postMessage";

fn request(slack: &SlackServer, text: &str) -> reqwest::RequestBuilder {
    let channel = slack.channel("ops").channel;
    let request = reqwest::Client::new().post(format!("{}/{POST}", slack.api_base())).bearer_auth(slack.bot_token());
    request.json(&json!({ "channel": channel, "text": text }))
}

#[tokio::test]
async fn every_trouble_looks_as_it_does_on_slack() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    slack.wire().trouble(
        POST,
        [
            Trouble::Refuse,
            Trouble::Gone,
            Trouble::ServerError,
            Trouble::Break,
            Trouble::ServerErrorAfter,
            Trouble::LoseAnswer,
            Trouble::Delay(Duration::from_millis(50)),
        ],
    );
    for (text, status, error, seen) in [
        ("refused", 200, "invalid_blocks", 0),
        ("gone", 200, "channel_not_found", 0),
        ("unavailable", 503, "service_unavailable", 0),
    ] {
        let response = request(&slack, text).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.text().await.unwrap().contains(error));
        assert_eq!(slack.seen(&ops).len(), seen);
    }
    assert!(request(&slack, "broken").send().await.is_err());
    assert_eq!(slack.seen(&ops).len(), 0);
    assert_eq!(request(&slack, "done all the same").send().await.unwrap().status().as_u16(), 503);
    assert_eq!(slack.seen(&ops).len(), 1);
    assert!(request(&slack, "done in silence").send().await.is_err());
    assert_eq!(slack.seen(&ops).len(), 2);
    let began = Instant::now();
    assert_eq!(request(&slack, "done and slow").send().await.unwrap().status().as_u16(), 200);
    assert!(began.elapsed() >= Duration::from_millis(50));
    let statuses: Vec<u16> = slack.wire().calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 200, 503, 0, 503, 0, 200]);
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_held_answer_comes_when_it_is_released() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    slack.wire().trouble(POST, [Trouble::Hold]);
    let held = tokio::spawn(request(&slack, "held").send());
    slack.wire().wait_until("the message", || (slack.seen(&ops).len() == 1).then_some(())).await;
    assert!(!held.is_finished());
    slack.wire().release();
    assert_eq!(held.await.unwrap().unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_429_closes_its_channel_alone_and_tells_who_comes_early() {
    let slack = SlackServer::start().await;
    slack.wire().trouble(POST, [Trouble::TooMany(Duration::from_millis(300))]);
    let response = request(&slack, "x").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(response.text().await.unwrap(), r#"{"ok":false,"error":"ratelimited"}"#);
    assert_eq!(request(&slack, "x").send().await.unwrap().status().as_u16(), 429);
    let other = json!({ "channel": slack.channel("other").channel, "text": "x" });
    assert_eq!(crate::app::call(&slack, POST, other).await["ok"], true);
    tokio::time::sleep(Duration::from_millis(1010)).await;
    assert_eq!(request(&slack, "x").send().await.unwrap().status().as_u16(), 200);
    let early: Vec<bool> = slack.wire().calls().iter().map(|call| call.is_early).collect();
    assert_eq!(early, [false, true, false, false]);
}

#[tokio::test]
async fn a_channel_and_the_weather_can_be_bad() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    slack.wire().trouble_channel(&ops.channel, Trouble::Gone);
    assert_eq!(
        crate::app::error(&slack, POST, json!({ "channel": ops.channel, "text": "x" })).await,
        "channel_not_found"
    );
    slack.wire().heal(&ops.channel);
    let weather = Weather { seed: 7, too_many: 0, server_error: 500, retry_after: Duration::ZERO };
    slack.wire().weather(Some(weather));
    let mut bad = 0;
    for _ in 0..40 {
        bad += u32::from(request(&slack, "x").send().await.unwrap().status().as_u16() == 503);
    }
    assert!((8..32).contains(&bad), "{bad}");
    assert_eq!(slack.seen(&ops).len(), usize::try_from(40 - bad).unwrap());
}

#[tokio::test]
async fn published_rates_are_kept_where_that_is_asked_for() {
    let slack = SlackServer::start_with(SlackOptions { has_rate_limits: true, ..SlackOptions::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(request(&slack, "x").send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert!(slack.wire().calls().iter().all(|call| !call.is_early));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_posts_are_taken_quickly() {
    let slack = SlackServer::start().await;
    let client = reqwest::Client::new();
    let channels: Vec<String> = (0..20).map(|number| slack.channel(&format!("c{number}")).channel).collect();
    let mut posting = tokio::task::JoinSet::new();
    for channel in channels.clone() {
        let request = client.post(format!("{}/{POST}", slack.api_base())).bearer_auth(slack.bot_token());
        posting.spawn(async move {
            for number in 0..100 {
                let blocks = json!([{ "type": "section", "text": { "type": "mrkdwn", "text": format!("m{number}") } }]);
                let metadata = json!({ "event_type": "kanban", "event_payload": { "delivery": format!("{number}") } });
                let body = json!({ "channel": channel, "text": "x", "blocks": blocks, "metadata": metadata });
                let sent = request.try_clone().unwrap().json(&body).send().await.unwrap();
                assert!(sent.text().await.unwrap().starts_with(r#"{"channel""#));
            }
        });
    }
    posting.join_all().await;
    let seen: usize = (0..20).map(|number| slack.seen(&slack.channel(&format!("c{number}"))).len()).sum();
    assert_eq!((seen, slack.wire().wrong().len()), (2000, 0));
}
