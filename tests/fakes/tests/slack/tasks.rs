//! User groups, reactions, threads of tasks' own, and buttons that ask for words.

use kanban_fakes::{Server, Trouble, slack::SlackServer};
use serde_json::{Value, json};

use crate::app::{App, call, error};

#[tokio::test]
async fn groups_are_listed_and_their_changes_told() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let devs = slack.joins("anna", "devs").unwrap();
    let id = devs.strip_prefix("slack:group/").unwrap().to_owned();
    assert_eq!(slack.joins("bob", "devs"), Some(devs));
    slack.leaves("anna", "devs");
    slack.leaves("anna", "devs");
    let events = app.wait_for(3).await;
    let told: Vec<&Value> = events.iter().map(|envelope| &envelope["payload"]["event"]).collect();
    assert_eq!((&told[0]["type"], &told[0]["subteam_id"]), (&json!("subteam_members_changed"), &json!(id)));
    assert_eq!(told[0]["added_users"], json!([slack.user_id("anna")]));
    assert_eq!(told[2]["removed_users"], json!([slack.user_id("anna")]));
    let listed = call(&slack, "usergroups.list", json!({ "include_users": true })).await;
    assert_eq!(listed["usergroups"][0]["users"], json!([slack.user_id("bob")]));
    assert_eq!(call(&slack, "usergroups.list", json!({})).await["usergroups"][0]["users"], Value::Null);
    slack.disables("devs");
    assert_eq!(call(&slack, "usergroups.list", json!({})).await["usergroups"], json!([]));
    assert_eq!(app.wait_for(4).await[3]["payload"]["event"]["subteam"]["id"], id);
    slack.revoke_scope("usergroups:read");
    assert_eq!(error(&slack, "usergroups.list", json!({})).await, "missing_scope");
    slack.joins("anna", "devs");
    assert_eq!(app.received().len(), 4, "without the scope nothing is told");
}

#[tokio::test]
async fn reactions_are_set_once_where_there_is_a_message() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let message = slack.says("anna", &ops, "go on").await;
    let eyes = |ts: &str| json!({ "channel": ops.channel, "timestamp": ts, "name": "eyes" });
    assert_eq!(call(&slack, "reactions.add", eyes(&message)).await["ok"], true);
    assert_eq!(slack.reactions(&ops, &message), ["👀"]);
    assert_eq!(error(&slack, "reactions.add", eyes(&message)).await, "already_reacted");
    assert_eq!(error(&slack, "reactions.add", eyes("1.000001")).await, "message_not_found");
    assert_eq!(error(&slack, "reactions.add", eyes("soon")).await, "bad_timestamp");
    slack.set_member(&ops, false);
    assert_eq!(error(&slack, "reactions.add", eyes(&message)).await, "not_in_channel");
    slack.set_member(&ops, true);
    slack.wire().trouble("reactions.add", [Trouble::ServerError]);
    let other = slack.says("anna", &ops, "more").await;
    assert_eq!(error(&slack, "reactions.add", eyes(&other)).await, "service_unavailable");
    assert!(slack.reactions(&ops, &other).is_empty());
    slack.archive(&ops);
    assert_eq!(error(&slack, "reactions.add", eyes(&other)).await, "is_archived");
}

#[tokio::test]
async fn a_thread_is_there_once_the_bot_has_replied_below_its_own_message() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let said = slack.says("anna", &ops, "not ours").await;
    let posted = call(&slack, "chat.postMessage", json!({ "channel": ops.channel, "text": "created" })).await;
    let ts = posted["ts"].as_str().unwrap();
    assert!(slack.opened(&ops).is_empty());
    for thread in [said.as_str(), ts] {
        let reply = json!({ "channel": ops.channel, "thread_ts": thread, "text": "card" });
        assert_eq!(call(&slack, "chat.postMessage", reply).await["ok"], true);
    }
    assert_eq!(slack.opened(&ops), [slack.thread_of(&ops, ts)]);
}

#[tokio::test]
async fn several_people_have_a_conversation_of_their_own_kind() {
    let slack = SlackServer::start().await;
    let mut app = App::start(&slack).await;
    let several = slack.group_direct(&["anna", "bob"]);
    assert_eq!(several, slack.group_direct(&["anna", "bob"]));
    slack.says("anna", &several, "hello").await;
    assert_eq!(app.wait_for(1).await[0]["payload"]["event"]["channel_type"], "mpim");
    slack.revoke_scope("mpim:history");
    let history = json!({ "channel": several.channel });
    assert_eq!(error(&slack, "conversations.history", history).await, "missing_scope");
}
