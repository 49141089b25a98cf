//! Who breaks a Retry-After is found out on each server, and nobody else: else suites that ask for none would prove nothing.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use kanban_fakes::{
    Call, Server, Trouble, Weather,
    discord::{DiscordServer, Options, Pace},
    slack::SlackServer,
    telegram::TelegramServer,
};
use kanban_platform::Thread;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::sleep;

/// A client that only posts, and does with a 429 what the test says.
struct Poster {
    server: Arc<dyn Server>,
    route: &'static str,
    request: Box<dyn Fn(&Thread) -> RequestBuilder + Send + Sync>,
}

impl Poster {
    fn discord(server: Arc<DiscordServer>) -> Self {
        let token = server.settings().split('"').nth(1).expect("the settings hold a token").to_owned();
        let (http, base) = (Client::new(), format!("{}/api/v10", server.api_base()));
        let request = Box::new(move |place: &Thread| {
            let request = http.post(format!("{base}/channels/{}/messages", place.channel));
            request.header("authorization", format!("Bot {token}")).json(&json!({ "content": "x" }))
        });
        Self { server, route: "POST /channels/{id}/messages", request }
    }

    async fn on_discord() -> Self {
        Self::discord(DiscordServer::start().await)
    }

    async fn on_slack() -> Self {
        let server = SlackServer::start().await;
        let (http, url, token) =
            (Client::new(), format!("{}/chat.postMessage", server.api_base()), server.bot_token().to_owned());
        let request = Box::new(move |place: &Thread| {
            http.post(&url).bearer_auth(&token).json(&json!({ "channel": place.channel, "text": "x" }))
        });
        Self { server, route: "chat.postMessage", request }
    }

    async fn on_telegram() -> Self {
        let server = TelegramServer::start().await;
        let (http, url) = (Client::new(), format!("{}/bot{}/sendMessage", server.api_base(), server.token()));
        let request =
            Box::new(move |place: &Thread| http.post(&url).json(&json!({ "chat_id": place.channel, "text": "x" })));
        Self { server, route: "sendMessage", request }
    }

    /// Posts once. The error is for how long the server wants no more, as exactly as its platform says it.
    async fn post(&self, place: &Thread) -> Result<(), Duration> {
        let answer = (self.request)(place).send().await.expect("the server answers");
        let status = answer.status().as_u16();
        let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        let body: Value = answer.json().await.expect("the answer is JSON");
        if status == 200 {
            return Ok(());
        }
        assert_eq!(status, 429, "{body}");
        let told = body["retry_after"].as_f64().or(body["parameters"]["retry_after"].as_f64()).or(header);
        Err(Duration::from_secs_f64(told.expect("a 429 says for how long")))
    }

    fn early(&self) -> Vec<bool> {
        self.server.wire().calls().iter().map(|call| call.is_early).collect()
    }

    fn seen(&self, places: &[Thread]) -> usize {
        places.iter().map(|place| self.server.seen(place).len()).sum()
    }
}

/// One 429, and then calls too early, elsewhere, and in time.
async fn one_429(poster: Poster) {
    let (ops, other) = (poster.server.channel("ops"), poster.server.channel("other"));
    poster.server.wire().trouble(poster.route, [Trouble::TooMany(Duration::from_millis(600))]);
    let wait = poster.post(&ops).await.expect_err("it meets a 429");
    assert!(wait >= Duration::from_millis(600), "{wait:?}");
    sleep(wait / 3).await;
    assert!(poster.post(&ops).await.is_err_and(|left| left <= wait), "it is closed, and not for longer");
    poster.post(&other).await.expect("another channel is open");
    assert_eq!(poster.early(), [false, true, false]);
    sleep(wait - wait / 3).await;
    poster.post(&ops).await.expect("the wait is over");
    assert_eq!(poster.early(), [false, true, false, false]);
    assert_eq!(poster.seen(&[ops, other]), 2);
}

#[tokio::test]
async fn an_early_call_is_found_out_on_discord() {
    one_429(Poster::on_discord().await).await;
}

#[tokio::test]
async fn an_early_call_is_found_out_on_slack() {
    one_429(Poster::on_slack().await).await;
}

#[tokio::test]
async fn an_early_call_is_found_out_on_telegram() {
    one_429(Poster::on_telegram().await).await;
}

/// Many posts in weather of 429: a client that waits as it is told is never early, and one that does not wait is.
async fn a_storm(poster: Poster) {
    let weather = Weather { seed: 5, too_many: 300, server_error: 0, retry_after: Duration::from_millis(50) };
    poster.server.wire().weather(Some(weather));
    let patient: Vec<Thread> = (0..20).map(|number| poster.server.channel(&format!("patient {number}"))).collect();
    stream::iter(&patient)
        .for_each_concurrent(10, async |place| {
            for _ in 0..3 {
                while let Err(wait) = poster.post(place).await {
                    sleep(wait).await;
                }
            }
        })
        .await;
    let calls = poster.server.wire().calls();
    let early: Vec<&Call> = calls.iter().filter(|call| call.is_early).collect();
    assert!(early.is_empty(), "{early:?}");
    assert_eq!(poster.seen(&patient), 60);
    assert!(calls.len() > 65, "there was weather: {} calls", calls.len());

    let hasty: Vec<Thread> = (0..20).map(|number| poster.server.channel(&format!("hasty {number}"))).collect();
    let mut broken = 0;
    for place in &hasty {
        if poster.post(place).await.is_err() {
            broken += 1;
            poster.post(place).await.expect_err("the channel is closed");
        }
    }
    assert!(broken > 2, "{broken}");
    let early: Vec<Call> = poster.server.wire().calls().into_iter().filter(|call| call.is_early).collect();
    assert_eq!(early.len(), broken);
    assert!(early.iter().all(|call| call.status == 429 && call.route == poster.route));
}

#[tokio::test]
async fn a_storm_shows_who_does_not_wait_on_discord() {
    a_storm(Poster::on_discord().await).await;
}

#[tokio::test]
async fn a_storm_shows_who_does_not_wait_on_slack() {
    a_storm(Poster::on_slack().await).await;
}

#[tokio::test]
async fn a_storm_shows_who_does_not_wait_on_telegram() {
    a_storm(Poster::on_telegram().await).await;
}

#[tokio::test]
async fn a_limit_for_all_calls_of_discord_closes_all_routes() {
    let pace = Pace { global: 1, ..Pace::wide() };
    let poster = Poster::discord(DiscordServer::with(Options { pace, ..Options::default() }).await);
    let places: Vec<Thread> = ["a", "b", "c"].map(|name| poster.server.channel(name)).into();
    poster.post(&places[0]).await.unwrap();
    let wait = poster.post(&places[1]).await.unwrap_err();
    poster.post(&places[2]).await.unwrap_err();
    assert_eq!(poster.early(), [false, false, true]);
    sleep(wait).await;
    poster.post(&places[2]).await.unwrap();
    assert_eq!(poster.early(), [false, false, true, false]);
}
