//! What people do on Telegram reaches the board once, whatever happens on the way.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod support;

use std::time::Duration;

use kanban_fakes::{Server, Trouble, telegram::TelegramServer};
use kanban_platform::{Input, Platform, PlatformError, Post};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::support::{Board, Running, button, news, polling, started, webhook};

fn nothing_wrong(server: &TelegramServer) {
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn commands_replies_presses_and_topics() {
    let (server, board, running) = started().await;
    let (ops, deploy) = (server.channel("ops"), server.thread("web", "deploy"));
    server.commands("anna", &ops, &["list"], &[]).await;
    server.mentions("bert", &deploy, "kanban list").await;
    let requests = board.requests(2).await;
    assert_eq!((&requests[0].input, &requests[0].thread), (&Input::Text("/kanban list".to_owned()), &ops));
    assert_eq!((&requests[1].input, &requests[1].thread), (&Input::Text("kanban list".to_owned()), &deploy));
    assert!(requests.iter().all(|request| request.addressed));
    assert_eq!(requests[0].author.to_string(), format!("{} (anna)", server.person("anna")));

    let question = Post { buttons: vec![button("d1.0", "Blue")], ..news(&deploy, "which colour?") };
    let message = running.telegram.post(&question, None).await.unwrap();
    server.presses("anna", &deploy, &message, "Blue").await;
    server.replies("anna", &deploy, &message, "red").await;
    let requests = board.requests(4).await;
    assert_eq!(requests[2].input, Input::Press { message: message.clone(), button: "d1.0".to_owned(), words: None });
    assert_eq!(requests[2].thread, deploy);
    assert_eq!((requests[3].reply_to.as_ref(), &requests[3].thread), (Some(&message), &deploy));
    server.wire().wait_until("an answer to the press", || (!server.toasts("anna").is_empty()).then_some(())).await;
    assert_eq!(server.toasts("anna"), [""]);

    let typed = server.says("anna", &ops, "/tasks@kanban_fake_bot web").await;
    server.edits("anna", &ops, &typed, "/tasks web again").await;
    server.says("anna", &ops, "/kanban@some_other_bot list").await;
    server.says("anna", &ops, "/kanban show").await;
    let requests = board.requests(6).await;
    let texts: Vec<_> = requests[4..].iter().map(|request| request.input.clone()).collect();
    assert_eq!(texts, ["/tasks web", "/kanban show"].map(|text| Input::Text(text.to_owned())));
    running.stop().await.unwrap();
    nothing_wrong(&server);
}

#[tokio::test]
async fn what_is_not_kept_is_not_confirmed() {
    let (server, board, running) = started().await;
    let anna = server.private("anna");
    board.refuse(true);
    server.says("anna", &anna, "/kanban list").await;
    board.wait_until("a refusal", |kept| (kept.refused > 0).then_some(())).await;
    assert_eq!(server.unconfirmed(), 1);
    running.kill();
    board.refuse(false);
    let again = Running::start(polling(&server), &board);
    board.requests(1).await;
    server.wire().wait_until("the confirmation", || (server.unconfirmed() == 0).then_some(())).await;
    again.stop().await.unwrap();
}

#[tokio::test]
async fn each_update_has_one_effect_over_repeats_reorders_and_deaths() {
    let (server, board, mut running) = started().await;
    let anna = server.private("anna");
    for round in 0..10 {
        server.reorder(round % 2);
        server.floods("anna", &anna, (0..40).map(|n| format!("/kanban show {round}.{n}")));
        server.repeat(None);
        if round % 3 == 0 {
            running.kill();
            running = Running::start(polling(&server), &board);
        }
    }
    let all = |kept: &support::Kept| {
        let updates: std::collections::HashSet<_> = kept.requests.iter().map(|request| &request.update).collect();
        (updates.len() >= 400).then_some(())
    };
    board.wait_until("400 updates", all).await;
    running.stop().await.unwrap();
    let mut effects = board.effects();
    effects.sort();
    let mut wanted: Vec<_> =
        (0..10).flat_map(|round| (0..40).map(move |n| format!("/kanban show {round}.{n}"))).collect();
    wanted.sort();
    assert_eq!(effects, wanted);
}

#[tokio::test]
async fn broken_answers_other_pollers_and_webhooks_do_not_end_it() {
    let (server, board, running) = started().await;
    let anna = server.private("anna");
    server
        .wire()
        .trouble("getUpdates", [Trouble::ServerError, Trouble::LoseAnswer, Trouble::TooMany(Duration::from_secs(1))]);
    server.says("anna", &anna, "one").await;
    board.requests(1).await;
    server.second_poller();
    server.says("anna", &anna, "two").await;
    board.requests(2).await;
    // Another program sets a webhook: it is taken away.
    let call = format!("{}/bot{}/setWebhook", server.api_base(), server.token());
    let body = json!({"url": "http://127.0.0.1:9/"}).to_string();
    reqwest::Client::new().post(call).header("content-type", "application/json").body(body).send().await.unwrap();
    server.says("anna", &anna, "three").await;
    let before = board.requests(3).await.len();
    assert_eq!((before, board.effects()), (3, vec!["one".to_owned(), "two".to_owned(), "three".to_owned()]));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_silent_socket_is_noticed_within_30_seconds() {
    let (server, board, running) = started().await;
    let anna = server.private("anna");
    server.silence(true);
    server.says("anna", &anna, "hello").await;
    // The server runs on this thread: by now it has taken the update into its silence.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    server.silence(false);
    let began = Instant::now();
    board.requests(1).await;
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(1), "the connection should be silent; it answered after {waited:?}");
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_token_says_what_to_do() {
    let server = TelegramServer::start().await;
    let options = kanban_telegram::Options { token: "1:wrong".to_owned(), ..polling(&server) };
    let Err(PlatformError::Misconfigured(what)) = Running::start(options, &Board::new()).ended().await else {
        panic!()
    };
    assert!(what.contains("@BotFather") && !what.contains("1:wrong"), "{what}");
    let nowhere = kanban_telegram::Options { api_base: Some("http://127.0.0.1:9".to_owned()), ..polling(&server) };
    let Err(PlatformError::Broken(what)) = Running::start(nowhere, &Board::new()).ended().await else { panic!() };
    assert!(!what.contains(server.token()), "{what}");
}

fn long_text() -> String {
    let line = "a line of some words that a person pasted into the field ".repeat(3);
    format!("/kanban create a long one\n{}", format!("{}\n", line.trim()).repeat(70)).trim().to_owned()
}

#[tokio::test]
async fn a_pasted_text_is_one_message() {
    for is_webhook in [false, true] {
        let (server, board) = (TelegramServer::start().await, Board::new());
        let options = if is_webhook { webhook(&server) } else { polling(&server) };
        let running = Running::start(options, &board);
        server.connected().await;
        let (anna, bert) = (server.private("anna"), server.private("bert"));
        let text = long_text();
        let first = server.says("anna", &anna, &text).await;
        server.says("bert", &bert, "/kanban list").await;
        let requests = board.requests(2).await;
        assert_eq!(requests[0].input, Input::Text(text.clone()));
        assert_eq!(requests[0].return_address.as_ref(), Some(&first));
        assert_eq!(requests[1].input, Input::Text("/kanban list".to_owned()));

        // One that is as long as a piece and no piece comes late, and is not lost to a death in between.
        let alone = format!("/kanban create {}", "x".repeat(4081));
        server.says("anna", &anna, &alone).await;
        if is_webhook {
            board.wait_until("the held piece", |kept| kept.positions.get("held")?.contains("xxx").then_some(())).await;
        }
        running.kill();
        let options = if is_webhook { webhook(&server) } else { polling(&server) };
        let running = Running::start(options, &board);
        assert_eq!(board.requests(3).await[2].input, Input::Text(alone));
        server.wire().wait_until("the confirmation", || (server.unconfirmed() == 0).then_some(())).await;
        running.stop().await.unwrap();
        assert_eq!(board.kept().requests.len(), 3);
        nothing_wrong(&server);
    }
}

#[tokio::test]
async fn a_webhook_confirms_what_is_kept_and_opens_to_telegram_alone() {
    let (server, board) = (TelegramServer::start().await, Board::new());
    let running = Running::start(webhook(&server), &board);
    server.connected().await;
    let anna = server.private("anna");
    board.refuse(true);
    server.says("anna", &anna, "/kanban list").await;
    board.wait_until("a refusal", |kept| (kept.refused > 0).then_some(())).await;
    assert_eq!(server.unconfirmed(), 1);
    board.refuse(false);
    board.requests(1).await;
    server.wire().wait_until("the confirmation", || (server.unconfirmed() == 0).then_some(())).await;

    let calls = server.wire().calls();
    let url = calls.iter().find(|call| call.route == "setWebhook").unwrap().body["url"].as_str().unwrap().to_owned();
    let forged: Value = json!({"update_id": 1, "message": {"message_id": 1, "date": 0, "text": "/kanban list",
        "from": {"id": 1, "first_name": "x"}, "chat": {"id": 1, "type": "private"}}});
    let client = reqwest::Client::new();
    let send = |secret: Option<&str>, body: String| {
        let request = client.post(&url).body(body);
        let request = match secret {
            Some(secret) => request.header("X-Telegram-Bot-Api-Secret-Token", secret),
            None => request,
        };
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send(None, forged.to_string()).await, 401);
    assert_eq!(send(Some("s3creT"), forged.to_string()).await, 401);
    assert_eq!(send(Some("s3cret"), "{".to_owned()).await, 400);
    assert_eq!(send(Some("s3cret"), "x".repeat(2 << 20)).await, 413);
    // Something that is no update of a kind that we know is confirmed all the same, or it would come for ever.
    assert_eq!(send(Some("s3cret"), json!({"update_id": 5, "poll": {}}).to_string()).await, 200);
    assert_eq!(board.kept().requests.len(), 1);
    running.stop().await.unwrap();
    nothing_wrong(&server);
}
