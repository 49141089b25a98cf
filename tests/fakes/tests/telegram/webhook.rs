//! Updates by POST.

use kanban_fakes::Server;
use serde_json::{Value, json};

use super::started;

#[tokio::test]
async fn a_webhook_gets_each_update_until_it_takes_it() {
    let (server, bot) = started().await;
    let (into, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let hook = axum::routing::post(async move |headers: axum::http::HeaderMap, body: String| {
        let update: Value = serde_json::from_str(&body).expect("an update is JSON");
        let text = update["message"]["text"].as_str().unwrap_or_default().to_owned();
        let secret = headers["X-Telegram-Bot-Api-Secret-Token"].to_str().unwrap_or_default().to_owned();
        let is_first = text == "one" && into.send((text.clone(), secret.clone())).is_ok();
        static ATTEMPTS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        if is_first && ATTEMPTS.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return (axum::http::StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
        if !is_first {
            into.send((text, secret)).expect("the test listens");
        }
        let call = json!({"method": "sendMessage", "chat_id": update["message"]["chat"]["id"], "text": "by the way"});
        (axum::http::StatusCode::OK, call.to_string())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, axum::Router::new().route("/hook", hook)).into_future());
    bot.done("setWebhook", json!({"url": url, "secret_token": "s3cret"})).await;
    server.connected().await;
    let anna = server.private("anna");
    server.says("anna", &anna, "one").await;
    server.says("anna", &anna, "two").await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        let (text, secret) = taken.recv().await.unwrap();
        assert_eq!(secret, "s3cret");
        texts.push(text);
    }
    assert_eq!(texts, ["one", "one", "two"]);
    server.waits_for(&anna, 2).await;
    server.repeat(None);
    assert_eq!(taken.recv().await.unwrap().0, "two");
    server.waits_for(&anna, 3).await;
    assert_eq!(bot.done("getWebhookInfo", json!({})).await["pending_update_count"], 0);
    serving.abort();
}
