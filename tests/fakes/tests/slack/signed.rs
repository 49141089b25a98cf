//! Requests over HTTP: signatures, answers, repeats, and forgeries.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use kanban_fakes::{
    Server,
    slack::{Forgery, SlackOptions, SlackServer},
};
use serde_json::{Value, json};
use sha2::Sha256;

/// An app behind an address: it checks signatures, and answers the first requests with an error.
struct Receiver {
    url: String,
    bodies: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

async fn receive(secret: &'static str, failures: usize) -> Receiver {
    let bodies: Arc<Mutex<Vec<(HeaderMap, String)>>> = Arc::default();
    let (kept, left) = (Arc::clone(&bodies), Arc::new(AtomicUsize::new(failures)));
    let answer = move |headers: HeaderMap, body: Bytes| {
        let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
        async move {
            let body = String::from_utf8(body.to_vec()).expect("bodies are text");
            if !is_signed(secret, &headers, &body) {
                return (StatusCode::UNAUTHORIZED, String::new());
            }
            kept.lock().expect("nobody panics with the lock").push((headers, body.clone()));
            if let Ok(challenge) = serde_json::from_str::<Value>(&body).map(|body| body["challenge"].clone())
                && challenge.is_string()
            {
                return (StatusCode::OK, json!({ "challenge": challenge }).to_string());
            }
            if left.load(Ordering::Relaxed) > 0 {
                left.fetch_sub(1, Ordering::Relaxed);
                return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
            }
            let text = if body.starts_with("token=") { r#"{"text":"on it"}"# } else { "" };
            (StatusCode::OK, text.to_owned())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/slack", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/slack", post(answer))).await });
    Receiver { url, bodies }
}

fn is_signed(secret: &str, headers: &HeaderMap, body: &str) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let timestamp = header("x-slack-request-timestamp");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let is_old = timestamp.parse::<u64>().is_ok_and(|timestamp| timestamp + 300 < NOW.load(Ordering::Relaxed) as u64);
    header("x-slack-signature") == format!("v0={hex}") && !is_old
}

/// The time as the first well signed request told it: tests ask no clock.
static NOW: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn everything_comes_signed_to_one_address_and_forgeries_do_not_pass() {
    let slack = SlackServer::start().await;
    let receiver = receive(slack.signing_secret(), 0).await;
    slack.deliver_to(&receiver.url);
    slack.connected().await;
    let ops = slack.channel("ops");
    slack.slash("anna", &ops, "list all").await;
    assert_eq!(slack.seen(&ops)[0].text, "on it");
    slack.mentions("anna", &ops, "list").await;
    slack.settled().await;
    let bodies = receiver.bodies.lock().unwrap().clone();
    assert!(bodies[0].1.contains("url_verification"));
    assert!(bodies[1].1.contains("&text=list+all&"), "{}", bodies[1].1);
    assert_eq!(bodies.len(), 4);
    let timestamp = bodies[0].0["x-slack-request-timestamp"].to_str().unwrap().parse().unwrap();
    NOW.store(timestamp, Ordering::Relaxed);
    for forgery in [Forgery::Secret, Forgery::Age, Forgery::Body, Forgery::Unsigned] {
        assert_eq!(slack.forge_slash("anna", &ops, "list", forgery).await, Some(401), "{forgery:?}");
        assert_eq!(slack.forge_message("anna", &ops, "kanban list", forgery).await, Some(401), "{forgery:?}");
    }
    assert_eq!(slack.acknowledgements().len(), 3);
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn an_event_that_fails_comes_again_and_says_so() {
    let times = vec![Duration::ZERO, Duration::ZERO];
    let slack = SlackServer::start_with(SlackOptions { redeliver_after: times, ..SlackOptions::default() }).await;
    let receiver = receive(slack.signing_secret(), 2).await;
    slack.deliver_to(&receiver.url);
    slack.says("anna", &slack.channel("ops"), "hello").await;
    slack.settled().await;
    let bodies = receiver.bodies.lock().unwrap().clone();
    let header = |place: usize, name: &str| bodies[place].0.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header(0, "x-slack-retry-num"), None);
    assert_eq!(header(1, "x-slack-retry-num").as_deref(), Some("1"));
    assert_eq!(header(2, "x-slack-retry-num").as_deref(), Some("2"));
    assert_eq!(header(2, "x-slack-retry-reason").as_deref(), Some("http_error"));
    assert_eq!(slack.lost(), Vec::<String>::new());
}
