//! Messages: what is taken, what is refused, and what people see of it.

use kanban_fakes::{Server, slack::SlackServer};
use serde_json::{Value, json};

use crate::app::{call, call_as, error};

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

#[tokio::test]
async fn messages_are_seen_edited_and_deleted() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let posted = call(&slack, "chat.postMessage", json!({ "channel": ops.channel, "text": "a &lt; *b*" })).await;
    assert_eq!(posted["ok"], true);
    let ts = posted["ts"].as_str().unwrap();
    assert_eq!(ts.len(), 17);
    assert_eq!(posted["message"]["bot_id"], "B0FAKE0001");
    let blocks = json!([section("new"), { "type": "actions", "elements": [
        { "type": "button", "action_id": "a", "text": { "type": "plain_text", "text": "Go" } } ] }]);
    let update = json!({ "channel": ops.channel, "ts": ts, "text": "fallback", "blocks": blocks });
    assert_eq!(call(&slack, "chat.update", update).await["ok"], true);
    let seen = slack.seen(&ops);
    assert_eq!((seen[0].text.as_str(), seen[0].earlier.as_slice()), ("new", &["a < b".to_owned()][..]));
    assert_eq!(seen[0].buttons, ["Go"]);
    assert!(seen[0].is_ours && seen[0].pings.is_empty());
    // A text without blocks takes the blocks away.
    let update = json!({ "channel": ops.channel, "ts": ts, "text": "plain" });
    assert_eq!(call(&slack, "chat.update", update).await["text"], "plain");
    assert_eq!((slack.seen(&ops)[0].text.as_str(), slack.seen(&ops)[0].buttons.len()), ("plain", 0));
    assert_eq!(call(&slack, "chat.delete", json!({ "channel": ops.channel, "ts": ts })).await["ok"], true);
    assert!(slack.seen(&ops).is_empty());
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn threads_hold_their_replies_apart() {
    let slack = SlackServer::start().await;
    let thread = slack.thread("ops", "deploy");
    assert_eq!(thread, slack.thread("ops", "deploy"));
    let parent = thread.thread.clone().unwrap();
    let reply = json!({ "channel": thread.channel, "thread_ts": parent, "text": "in it" });
    let first = call(&slack, "chat.postMessage", reply).await;
    // The id of a reply names its thread too.
    let reply = json!({ "channel": thread.channel, "thread_ts": first["ts"], "text": "too", "reply_broadcast": true });
    assert_eq!(call(&slack, "chat.postMessage", reply).await["message"]["thread_ts"], parent);
    let texts = |seen: Vec<kanban_fakes::Seen>| seen.into_iter().map(|seen| seen.text).collect::<Vec<_>>();
    assert_eq!(texts(slack.seen(&thread)), ["in it", "too"]);
    assert_eq!(texts(slack.seen(&slack.channel("ops"))), ["deploy", "too"]);
    let nowhere = json!({ "channel": thread.channel, "thread_ts": "1.000001", "text": "x" });
    assert_eq!(error(&slack, "chat.postMessage", nowhere).await, "thread_not_found");
}

#[tokio::test]
async fn what_slack_refuses_is_refused_with_its_names() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let text = |text: &str| json!({ "channel": ops.channel, "text": text });
    assert_eq!(call_as(&slack, "xoxb-other", "auth.test", json!({})).await["error"], "invalid_auth");
    assert_eq!(call_as(&slack, slack.app_token(), "auth.test", json!({})).await["error"], "not_allowed_token_type");
    assert_eq!(error(&slack, "apps.connections.open", json!({})).await, "not_allowed_token_type");
    assert_eq!(error(&slack, "chat.send", json!({})).await, "unknown_method");
    let nowhere = json!({ "channel": "C0", "text": "x" });
    assert_eq!(error(&slack, "chat.postMessage", nowhere).await, "channel_not_found");
    assert_eq!(error(&slack, "chat.postMessage", json!({ "channel": ops.channel })).await, "no_text");
    assert_eq!(error(&slack, "chat.postMessage", text(&"x".repeat(40_001))).await, "msg_too_long");
    let long = json!({ "channel": ops.channel, "text": "x", "blocks": [section(&"x".repeat(3001))] });
    let answer = call(&slack, "chat.postMessage", long).await;
    assert_eq!(answer["error"], "invalid_blocks");
    assert_eq!(answer["errors"][0], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]");
    let heavy = json!({ "channel": ops.channel, "text": "x", "blocks": vec![section(&"x".repeat(2900)); 5] });
    assert_eq!(error(&slack, "chat.postMessage", heavy).await, "msg_blocks_too_long");
    let theirs = slack.says("anna", &ops, "mine").await;
    let update = json!({ "channel": ops.channel, "ts": theirs, "text": "x" });
    assert_eq!(error(&slack, "chat.update", update).await, "cant_update_message");
    let unknown = json!({ "channel": ops.channel, "ts": "1.000001", "text": "x" });
    assert_eq!(error(&slack, "chat.update", unknown).await, "message_not_found");
    assert_eq!(slack.wire().wrong().len(), 5, "{:#?}", slack.wire().wrong());

    slack.set_member(&ops, false);
    assert_eq!(error(&slack, "chat.postMessage", text("x")).await, "not_in_channel");
    slack.make_private(&ops);
    assert_eq!(error(&slack, "chat.postMessage", text("x")).await, "channel_not_found");
    slack.set_member(&ops, true);
    slack.archive(&ops);
    assert_eq!(error(&slack, "chat.postMessage", text("x")).await, "is_archived");
    slack.revoke_scope("chat:write");
    let refused = call(&slack, "chat.postMessage", text("x")).await;
    assert_eq!((&refused["error"], &refused["needed"]), (&json!("missing_scope"), &json!("chat:write")));
    slack.revoke_token();
    assert_eq!(error(&slack, "auth.test", json!({})).await, "token_revoked");
}

#[tokio::test]
async fn arguments_that_the_published_types_do_not_know_are_complained_of() {
    let slack = SlackServer::start().await;
    if kanban_fakes::published("slack-chat.postMessage.schema.json").is_none() {
        return;
    }
    let ops = slack.channel("ops");
    let unknown = json!({ "channel": ops.channel, "text": "x", "colour": "red" });
    assert_eq!(call(&slack, "chat.postMessage", unknown).await["ok"], true);
    let wrong_block = json!({ "channel": ops.channel, "text": "x", "blocks": [{ "type": "divider", "text": "x" }] });
    assert_eq!(error(&slack, "chat.postMessage", wrong_block).await, "invalid_blocks");
    assert_eq!(slack.wire().wrong().len(), 2, "{:#?}", slack.wire().wrong());
}

#[tokio::test]
async fn histories_have_bounds_pages_and_metadata() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let mut ids = Vec::new();
    for number in 0..5 {
        let metadata = json!({ "event_type": "kanban", "event_payload": { "delivery": format!("d{number}") } });
        let post = json!({ "channel": ops.channel, "text": format!("m{number}"), "metadata": metadata });
        ids.push(call(&slack, "chat.postMessage", post).await["ts"].as_str().unwrap().to_owned());
    }
    let history = |query: String| {
        let url = format!("{}/conversations.history?channel={}&{query}", slack.api_base(), ops.channel);
        let request = reqwest::Client::new().get(url).bearer_auth(slack.bot_token());
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let texts = |page: &Value| -> Vec<String> {
        page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["text"].as_str().unwrap().to_owned())
            .collect()
    };
    let page = history("limit=2".to_owned()).await;
    assert_eq!((texts(&page), &page["has_more"]), (vec!["m4".to_owned(), "m3".to_owned()], &json!(true)));
    assert!(page["messages"][0]["metadata"].is_null());
    let cursor = page["response_metadata"]["next_cursor"].as_str().unwrap();
    assert_eq!(texts(&history(format!("limit=2&cursor={cursor}")).await), ["m2", "m1"]);
    let since = history(format!("oldest={}&include_all_metadata=true", ids[2])).await;
    assert_eq!(texts(&since), ["m4", "m3"]);
    assert_eq!(since["messages"][0]["metadata"]["event_payload"]["delivery"], "d4");
    assert_eq!(texts(&history(format!("oldest={0}&latest={0}&inclusive=true", ids[2])).await), ["m2"]);
    let reply = json!({ "channel": ops.channel, "thread_ts": ids[0], "text": "r" });
    call(&slack, "chat.postMessage", reply).await;
    let replies = call(&slack, "conversations.replies", json!({ "channel": ops.channel, "ts": ids[0] })).await;
    assert_eq!(texts(&replies), ["m0", "r"]);
    assert_eq!((&replies["messages"][0]["reply_count"], &replies["has_more"]), (&json!(1), &json!(false)));
    slack.deny_history(true);
    assert_eq!(history(String::new()).await["error"], "missing_scope");
}

#[tokio::test]
async fn private_messages_are_for_one_person_and_cannot_be_updated() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let anna = slack.user_id("anna");
    let post = json!({ "channel": ops.channel, "user": anna, "text": "psst" });
    let ts = call(&slack, "chat.postEphemeral", post).await["message_ts"].clone();
    assert_eq!(slack.seen(&ops)[0].private_to.as_deref(), Some("anna"));
    let update = json!({ "channel": ops.channel, "ts": ts, "text": "x" });
    assert_eq!(error(&slack, "chat.update", update).await, "message_not_found");
    let history = call(&slack, "conversations.history", json!({ "channel": ops.channel })).await;
    assert_eq!(history["messages"], json!([]));
}

#[tokio::test]
async fn a_file_goes_up_in_three_steps() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let ask = json!({ "filename": "log.txt", "length": 5 });
    let ticket = call(&slack, "files.getUploadURLExternal", ask).await;
    let share = json!({ "files": [{ "id": ticket["file_id"], "title": "The log" }], "channel_id": ops.channel });
    assert_eq!(error(&slack, "files.completeUploadExternal", share.clone()).await, "file_not_found");
    let upload =
        reqwest::Client::new().post(ticket["upload_url"].as_str().unwrap()).body("hello").send().await.unwrap();
    assert_eq!(upload.text().await.unwrap(), "OK - 5");
    assert_eq!(call(&slack, "files.completeUploadExternal", share).await["files"][0]["title"], "The log");
    assert_eq!(slack.seen(&ops)[0].files, [("log.txt".to_owned(), "hello".to_owned())]);
}

#[tokio::test]
async fn forms_are_read_as_well_as_json() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let blocks = json!([section("from a form")]).to_string();
    let form =
        [("token", slack.bot_token()), ("channel", &ops.channel), ("blocks", &blocks), ("unfurl_links", "false")];
    let request = reqwest::Client::new().post(format!("{}/chat.postMessage", slack.api_base())).form(&form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(slack.seen(&ops)[0].text, "from a form");
    assert_eq!(slack.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn people_rooms_and_reactions_are_there() {
    let slack = SlackServer::start().await;
    let ops = slack.channel("ops");
    let anna = slack.user_id("anna");
    assert_eq!(slack.person("anna"), format!("slack:{}/{anna}", ops.space));
    assert_eq!(call(&slack, "users.info", json!({ "user": anna })).await["user"]["name"], "anna");
    assert_eq!(call(&slack, "conversations.info", json!({ "channel": ops.channel })).await["channel"]["name"], "ops");
    let direct = call(&slack, "conversations.open", json!({ "users": anna })).await;
    assert_eq!(direct["channel"]["id"], slack.direct("anna").channel);
    let ts = slack.says("anna", &ops, "hello").await;
    let reaction = json!({ "channel": ops.channel, "timestamp": ts, "name": "eyes" });
    assert_eq!(call(&slack, "reactions.add", reaction.clone()).await["ok"], true);
    assert_eq!(error(&slack, "reactions.add", reaction).await, "already_reacted");
    let link = call(&slack, "chat.getPermalink", json!({ "channel": ops.channel, "message_ts": ts })).await;
    assert!(link["permalink"].as_str().unwrap().contains("/archives/"));
    let posted = call(&slack, "chat.postMessage", json!({ "channel": anna, "text": "to you" })).await;
    assert_eq!(posted["channel"], slack.direct("anna").channel);
}
