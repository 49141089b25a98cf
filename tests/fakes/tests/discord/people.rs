//! Roles, members of threads, signs below messages, and forms that are filled in.

use kanban_fakes::{Server, discord::Permission};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    bot::{Gateway, INTENTS, text},
    id, messages, nothing_wrong, start,
};

#[tokio::test]
async fn roles_stand_in_every_event_of_a_member() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    let role = server.joins("ann", "maintainers").expect("a role").replace("discord:role/", "");
    assert_eq!(server.joins("ann", "maintainers"), Some(format!("discord:role/{role}")));
    assert_eq!(gateway.event("GUILD_ROLE_CREATE").await["role"]["id"], role.as_str());
    server.says("ann", &ops, "x").await;
    assert_eq!(gateway.event("MESSAGE_CREATE").await["member"]["roles"], json!([role]));
    server.says("bob", &ops, "x").await;
    assert_eq!(gateway.event("MESSAGE_CREATE").await["member"]["roles"], json!([]));
    let guild = &ops.space;
    let ann = server.person("ann").replace("discord:", "");
    let (status, member) = rest.get(&format!("/guilds/{guild}/members/{ann}")).await;
    assert_eq!((status, &member["roles"], &member["user"]["id"]), (200, &json!([role]), &json!(ann)));
    assert_eq!(rest.get(&format!("/guilds/{guild}/members/1")).await.1["code"], 10007);
    assert_eq!(rest.get(&format!("/guilds/{guild}")).await.1["roles"][1]["name"], "maintainers");
    nothing_wrong(&server);
}

#[tokio::test]
async fn threads_have_members_and_begin_with_a_notice() {
    let (server, rest) = start().await;
    let (ops, news, lounge) = (server.channel("ops"), server.announcements("news"), server.voice("lounge"));
    let ann = server.person("ann").replace("discord:", "");
    for (place, kind) in [(&ops, 11), (&news, 10)] {
        let (_, sent) = rest.post(&messages(place), json!({ "content": "x" })).await;
        let path = format!("{}/{}/threads", messages(place), text(&sent["id"]));
        let (status, thread) = rest.post(&path, json!({ "name": "t_1", "auto_archive_duration": 1440 })).await;
        assert_eq!((status, &thread["type"], &thread["id"]), (201, &json!(kind), &sent["id"]));
        let own = server.opened(place).remove(0);
        assert_eq!((server.name_of(&own).as_deref(), id(&own)), (Some("t_1"), text(&sent["id"])));
        let (_, history) = rest.get(&messages(&own)).await;
        assert_eq!((&history[0]["type"], &history[0]["content"]), (&json!(21), &json!("")));
        assert_eq!(server.seen(&own).len(), 0, "people see the message itself there");
        let member = |person: &str| format!("/channels/{}/thread-members/{person}", id(&own));
        assert_eq!(rest.call(Method::PUT, &member(&ann), Value::Null).await.0, 204);
        assert_eq!(rest.call(Method::PUT, &member(&ann), Value::Null).await.0, 204);
        assert_eq!(server.members(&own), ["ann"]);
        assert_eq!(rest.call(Method::PUT, &member("1"), Value::Null).await.1["code"], 10013);
        server.remove_permission(&own, Permission::SendMessagesInThreads);
        assert_eq!(rest.call(Method::PUT, &member(&ann), Value::Null).await.1["code"], 50013);
    }
    let (_, sent) = rest.post(&messages(&lounge), json!({ "content": "x" })).await;
    let path = format!("{}/{}/threads", messages(&lounge), text(&sent["id"]));
    assert_eq!(rest.post(&path, json!({ "name": "t_1" })).await.1["code"], 50024);
    nothing_wrong(&server);
    for name in ["", &"x".repeat(101)] {
        assert_eq!(rest.post(&path, json!({ "name": name })).await.1["code"], 50035);
    }
    assert!(!server.wire().wrong().is_empty());
}

#[tokio::test]
async fn signs_need_their_permissions() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let said = server.says("ann", &ops, "x").await;
    let path = format!("{}/{said}/reactions/%F0%9F%91%80/@me", messages(&ops));
    for _ in 0..2 {
        assert_eq!(rest.call(Method::PUT, &path, Value::Null).await.0, 204);
    }
    assert_eq!(Server::reactions(server.as_ref(), &ops, &said), ["👀"]);
    for permission in [Permission::AddReactions, Permission::ReadMessageHistory] {
        server.remove_permission(&ops, permission);
        assert_eq!(rest.call(Method::PUT, &path, Value::Null).await.1["code"], 50013);
        server.restore_permission(&ops, permission);
    }
    server.deletes(&said);
    assert_eq!(rest.call(Method::PUT, &path, Value::Null).await.1["code"], 10008);
    nothing_wrong(&server);
}

#[tokio::test]
async fn a_form_is_filled_in_by_whoever_pressed() {
    let (server, rest) = start().await;
    let ops = server.channel("ops");
    let mut gateway = Gateway::ready(&server, INTENTS).await;
    let button = json!({ "type": 2, "style": 1, "label": "Answer", "custom_id": "k1" });
    let card = json!({ "content": "?", "components": [{ "type": 1, "components": [button] }] });
    let (_, card) = rest.post(&messages(&ops), card).await;
    let filling = server.fills("ann", &ops, text(&card["id"]), "Answer", "blue");
    let answering = async {
        let press = gateway.event("INTERACTION_CREATE").await;
        let input = json!({ "type": 4, "custom_id": "words", "label": "Words", "style": 2, "max_length": 10 });
        let form = json!({ "custom_id": "f", "title": "Answer", "components": [{ "type": 1, "components": [input] }] });
        assert_eq!(rest.acknowledge(&press, json!({ "type": 9, "data": form })).await.0, 204);
    };
    tokio::join!(filling, answering);
    let filled = gateway.event("INTERACTION_CREATE").await;
    assert_eq!(filled["data"]["components"][0]["components"][0]["value"], "blue");
    assert_eq!((&filled["type"], &filled["message"]["id"]), (&json!(5), &card["id"]));
    nothing_wrong(&server);
}
