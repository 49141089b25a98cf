//! Socket Mode: envelopes, acknowledgements, redelivery, refresh, silence.

use std::time::Duration;

use kanban_fakes::{
    Server,
    slack::{Flood, SlackOptions, SlackServer},
};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;

use crate::app::{App, next, open_url};

fn quick() -> SlackOptions {
    SlackOptions {
        acknowledge_within: Duration::from_millis(200),
        redeliver_after: vec![Duration::ZERO, Duration::from_millis(100)],
        ping_every: Duration::from_millis(50),
        refresh_grace: Duration::from_millis(100),
        ..SlackOptions::default()
    }
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["payload"]["event"]["type"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_mention_comes_as_two_events_of_one_message() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    slack.connected().await;
    let ops = slack.channel("ops");
    let ts = slack.mentions("anna", &ops, "kanban list & more").await;
    let frames = app.wait_for(2).await;
    assert_eq!(kinds(&frames), ["app_mention", "message"]);
    assert_ne!(frames[0]["payload"]["event_id"], frames[1]["payload"]["event_id"]);
    for frame in &frames {
        assert_eq!(frame["payload"]["event"]["ts"], ts.as_str());
        assert_eq!(frame["payload"]["event"]["text"], format!("<@{}> kanban list &amp; more", slack.bot_user()));
    }
    assert!(frames[1]["payload"]["event"]["subtype"].is_null());
    slack.settled().await;
    assert_eq!(slack.acknowledgements().len(), 2);
    // In a direct conversation there is no mention, only the message.
    slack.mentions("anna", &slack.direct("anna"), "hello").await;
    let frames = app.wait_for(3).await;
    assert_eq!(frames[2]["payload"]["event"]["channel_type"], "im");
    slack.settled().await;
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn own_messages_and_edits_come_back_as_events() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let ops = slack.channel("ops");
    crate::app::call(&slack, "chat.postMessage", json!({ "channel": ops.channel, "text": "ours" })).await;
    assert_eq!(app.wait_for(1).await[0]["payload"]["event"]["bot_id"], "B0FAKE0001");
    let ts = slack.says("anna", &ops, "one").await;
    slack.edits("anna", &ops, &ts, "two").await;
    slack.deletes("anna", &ops, &ts);
    let frames = app.wait_for(4).await;
    let changed = &frames[2]["payload"]["event"];
    assert_eq!((&changed["subtype"], &changed["message"]["text"]), (&json!("message_changed"), &json!("two")));
    assert_eq!(changed["previous_message"]["text"], "one");
    assert_eq!(frames[3]["payload"]["event"]["deleted_ts"], ts);
}

#[tokio::test]
async fn an_event_without_acknowledgement_comes_again_and_then_no_more() {
    let slack = SlackServer::start_with(quick()).await;
    let mut app = App::answering(&slack, |_| None).await;
    slack.says("anna", &slack.channel("ops"), "hello").await;
    let frames = app.wait_for(3).await;
    let attempts: Vec<_> = frames.iter().map(|frame| frame["retry_attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [0, 1, 2]);
    assert_eq!(frames[1]["retry_reason"], "timeout");
    assert!(frames.iter().all(|frame| frame["payload"]["event_id"] == frames[0]["payload"]["event_id"]));
    slack.settled().await;
    assert_eq!(slack.lost().len(), 1);
    assert_eq!(slack.wire().wrong().len(), 3);
}

#[tokio::test]
async fn a_lost_acknowledgement_is_no_fault_of_the_app() {
    let slack = SlackServer::start_with(quick()).await;
    let mut app = App::start(&slack).await;
    slack.lose_acknowledgements(1);
    slack.says("anna", &slack.channel("ops"), "hello").await;
    app.wait_for(2).await;
    slack.settled().await;
    assert_eq!((slack.lost().len(), slack.wire().wrong().len()), (0, 0));
}

#[tokio::test]
async fn what_happens_while_nobody_listens_comes_later() {
    let slack = SlackServer::start_with(SlackOptions {
        redeliver_after: vec![Duration::ZERO, Duration::from_millis(300)],
        ..SlackOptions::default()
    })
    .await;
    let ops = slack.channel("ops");
    slack.says("anna", &ops, "early").await;
    slack.slash("anna", &ops, "list").await;
    assert_eq!(slack.failures()[0].error, "dispatch_failed");
    let mut app = App::start(&slack).await;
    assert_eq!(app.wait_for(1).await[0]["retry_attempt"], 2);
    slack.settled().await;
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_slash_command_that_is_not_acknowledged_shows_an_error_once() {
    let slack = SlackServer::start_with(quick()).await;
    let mut app = App::answering(&slack, |_| None).await;
    slack.slash("anna", &slack.channel("ops"), "list").await;
    assert_eq!(slack.failures()[0].error, "operation_timeout");
    assert_eq!(app.wait_for(1).await.len(), 1);
    assert_eq!(slack.wire().wrong().len(), 1);
}

#[tokio::test]
async fn a_broken_socket_hands_its_events_to_the_next_one() {
    let slack = SlackServer::start_with(SlackOptions {
        redeliver_after: vec![Duration::from_millis(200)],
        ..SlackOptions::default()
    })
    .await;
    let mut first = App::answering(&slack, |_| None).await;
    slack.says("anna", &slack.channel("ops"), "hello").await;
    first.wait_for(1).await;
    slack.disconnect();
    first.closed().await;
    let mut second = App::start(&slack).await;
    assert_eq!(second.wait_for(1).await[0]["retry_attempt"], 1);
    slack.settled().await;
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refreshed_socket_gets_nothing_new_and_is_closed() {
    let slack = SlackServer::start_with(quick()).await;
    let mut first = App::start(&slack).await;
    let mut second = App::start(&slack).await;
    slack.refresh();
    let frames = first.wait_for(1).await;
    assert_eq!((&frames[0]["type"], &frames[0]["reason"]), (&json!("disconnect"), &json!("refresh_requested")));
    for _ in 0..10 {
        slack.says("anna", &slack.channel("ops"), "hello").await;
    }
    assert_eq!(second.wait_for(10).await.len(), 10);
    first.closed().await;
    assert_eq!(first.received().len(), 1);
}

#[tokio::test]
async fn a_silent_socket_is_open_and_says_nothing() {
    let slack = SlackServer::start_with(quick()).await;
    let app = App::start(&slack).await;
    slack.silence();
    slack.says("anna", &slack.channel("ops"), "hello").await;
    slack.settled().await;
    assert_eq!((app.received().len(), slack.lost().len(), slack.sockets()), (0, 1, 1));
    // What comes after the app has connected anew goes there.
    let mut second = App::start(&slack).await;
    slack.connected().await;
    slack.slash("anna", &slack.channel("ops"), "list").await;
    assert_eq!((second.wait_for(1).await.len(), slack.failures().len()), (1, 0));
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn tickets_are_good_once_and_sockets_are_ten() {
    let slack = SlackServer::start().await;
    let url = open_url(&slack).await;
    let (mut first, _) = connect_async(&url).await.unwrap();
    assert_eq!(next(&mut first).await.unwrap()["num_connections"], 1);
    assert!(connect_async(&url).await.is_err());
    let mut others = Vec::new();
    for _ in 0..9 {
        let (mut socket, _) = connect_async(open_url(&slack).await).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap()["type"], "hello");
        others.push(socket);
    }
    let (mut eleventh, _) = connect_async(open_url(&slack).await).await.unwrap();
    assert_eq!(next(&mut eleventh).await.unwrap()["reason"], "too_many_websockets");
    assert_eq!(slack.wire().wrong().len(), 2);
}

#[tokio::test]
async fn envelopes_can_come_twice_and_in_another_order() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let ops = slack.channel("ops");
    slack.reorder(3);
    for number in 0..3 {
        slack.says("anna", &ops, &format!("m{number}")).await;
    }
    let frames = app.wait_for(3).await;
    let texts: Vec<_> = frames.iter().map(|frame| frame["payload"]["event"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["m2", "m1", "m0"]);
    slack.settled().await;
    slack.repeat(2);
    let frames = app.wait_for(5).await;
    assert_eq!(frames[4]["payload"]["event_id"], frames[2]["payload"]["event_id"]);
    assert_eq!(frames[4]["retry_attempt"], 1);
    slack.settled().await;
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_comes_whole_with_repeats_and_delays() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let ops = slack.channel("ops");
    let flood = Flood { repeats: 100, delays: 50, ..Flood::default() };
    let messages = (0..5000).map(|number| ("anna", &ops, format!("m{number}")));
    let ids = slack.flood(flood, messages).await;
    let frames = app.wait_for(5000).await;
    let distinct: std::collections::BTreeSet<_> =
        frames.iter().map(|frame| frame["payload"]["event"]["ts"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), distinct.len()), (5000, 5000));
    assert!((5350..5650).contains(&frames.len()), "{}", frames.len());
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}
