//! A look at the bot's account: its token, its webhook, its menu, and the chats that somebody asks about.

use kanban_platform::{Finding, Look, Thread};
use serde_json::Value;
use teloxide::{
    payloads::{GetChat, GetChatMember, GetMe, GetMyCommands, GetWebhookInfo},
    types::{BotCommand, BotCommandScope, ChatId, Recipient, UserId},
};

use crate::{
    api::{Api, Fault},
    fault::startup,
    menu::{NATIVE, menu},
    options::Entrance,
};

/// Looks without changing anything, and without taking updates from a gateway that runs.
pub(crate) async fn examine(name: &str, api: &Api, entrance: &Entrance, look: &Look<'_>) -> Vec<Finding> {
    let me = match api.call(&GetMe::new()).await {
        Ok(me) => me,
        Err(fault) => return vec![Finding::bad("token", startup(name, &fault).to_string())],
    };
    let username = me["username"].as_str().unwrap_or_default();
    let mut findings = vec![Finding::good("token", format!("the bot is @{username}")), privacy(&me)];
    findings.push(webhook(api, entrance, look.is_connected).await);
    findings.push(menus(api, look).await);
    let id = me["id"].as_u64().unwrap_or_default();
    for place in look.places {
        findings.push(chat(api, id, username, place).await);
    }
    findings
}

fn privacy(me: &Value) -> Finding {
    let detail = if me["can_read_all_group_messages"] == true {
        "off: in groups the bot hears everything"
    } else {
        "on: in groups the bot hears commands, mentions and replies to it; `/setprivacy` at @BotFather changes that"
    };
    Finding::good("privacy mode", detail)
}

async fn webhook(api: &Api, entrance: &Entrance, is_connected: bool) -> Finding {
    let what = "updates";
    let info = match api.call(&GetWebhookInfo::new()).await {
        Ok(info) => info,
        Err(fault) => return unclear(what, &fault),
    };
    let set = info["url"].as_str().filter(|url| !url.is_empty());
    match (entrance, set) {
        (Entrance::Polling, None) => Finding::good(what, "they are asked for, and no webhook is in the way"),
        (Entrance::Polling, Some(url)) => Finding::bad(
            what,
            format!(
                "a webhook is set to {}, and the settings say `mode = \"polling\"`: stop the program that sets it, or \
                 make a bot for each; the gateway takes it away when it connects",
                host(url)
            ),
        ),
        (Entrance::Webhook(webhook), Some(url)) => {
            // A port of 0 stands for the one that is bound.
            let is_ours = webhook.url.port() == Some(0)
                || url.trim_end_matches('/') == webhook.url.as_str().trim_end_matches('/');
            match info["last_error_message"].as_str() {
                _ if !is_ours && is_connected => Finding::bad(
                    what,
                    format!(
                        "the webhook is set to {} and not to `webhook_url`: stop the program that sets it",
                        host(url)
                    ),
                ),
                Some(error) => Finding::bad(
                    what,
                    format!(
                        "Telegram could not deliver the latest to `webhook_url`: {error}; see that it leads to `{}` and that its certificate is good",
                        webhook.listen
                    ),
                ),
                None => Finding::good(what, format!("Telegram sends them to {}", host(url))),
            }
        }
        (Entrance::Webhook(_), None) if is_connected => Finding::bad(
            what,
            "no webhook is set although a gateway runs: the gateway's log says why Telegram refused `webhook_url`",
        ),
        (Entrance::Webhook(_), None) => Finding::good(what, "no webhook is set; the gateway sets it when it connects"),
    }
}

/// The host alone: the rest of such an address is often a secret.
fn host(url: &str) -> String {
    match url::Url::parse(url).ok().and_then(|url| Some(url.host_str()?.to_owned())) {
        Some(host) => format!("`{host}`"),
        None => "another address".to_owned(),
    }
}

async fn menus(api: &Api, look: &Look<'_>) -> Finding {
    let what = "menu";
    let get = GetMyCommands { scope: Some(BotCommandScope::Default), language_code: None };
    let set: Vec<BotCommand> = match api.call(&get).await {
        Ok(set) => serde_json::from_value(set).unwrap_or_default(),
        Err(fault) => return unclear(what, &fault),
    };
    let wanted: Vec<_> =
        menu(look.spec, NATIVE).into_iter().map(|(name, about)| BotCommand::new(name, about)).collect();
    if set == wanted {
        Finding::good(what, format!("{} commands are behind the `/` button", set.len()))
    } else if look.is_connected {
        Finding::bad(
            what,
            "the commands behind the `/` button are not this program's: another program sets its own; make a bot for each",
        )
    } else {
        Finding::good(what, "the commands are set when the gateway connects")
    }
}

async fn chat(api: &Api, me: u64, username: &str, place: &Thread) -> Finding {
    let what = format!("chat {}", place.channel);
    let Ok(id) = place.channel.parse::<i64>() else {
        return Finding::bad(what, "an id of a chat is a number, as in `telegram:-1001234567890`");
    };
    let chat = Recipient::Id(ChatId(id));
    let found = match api.call(&GetChat::new(chat.clone())).await {
        Ok(found) => found,
        Err(Fault::No(refusal)) => {
            return Finding::bad(
                what,
                format!("{}: add @{username} to it, or press Start in the private chat", refusal.description),
            );
        }
        Err(fault) => return unclear(what, &fault),
    };
    if found["type"] == "private" {
        return Finding::good(what, "a private chat with the bot");
    }
    let member = match api.call(&GetChatMember::new(chat, UserId(me))).await {
        Ok(member) => member,
        Err(fault) => return unclear(what, &fault),
    };
    let is_forum = found["is_forum"] == true;
    match member["status"].as_str().unwrap_or_default() {
        "left" | "kicked" => Finding::bad(what, format!("the bot is not in it: add @{username} as a member")),
        "restricted" if member["can_send_messages"] != true => {
            Finding::bad(what, "the bot may not write there: allow it under the group's `Permissions`")
        }
        "administrator" if is_forum && member["can_manage_topics"] == true => {
            Finding::good(what, "the bot may write there, and tasks get topics of their own")
        }
        _ if is_forum => Finding::good(
            what,
            "the bot may write there; make it an administrator with `Manage topics`, and tasks get topics of their own",
        ),
        _ => Finding::good(what, "the bot may write there"),
    }
}

fn unclear(what: impl Into<String>, fault: &Fault) -> Finding {
    Finding::bad(what, format!("Telegram does not say: {fault}; try again in a moment"))
}
