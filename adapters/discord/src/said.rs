//! What a person wrote in a message: to whom, and in which words, without Discord's own way to write names.

use serenity::model::{
    channel::{Message, MessageType},
    id::{RoleId, UserId},
};

/// Who we are for those who mention us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ourselves {
    pub(crate) user: Option<UserId>,
    /// The role that Discord makes for each bot, in each guild. People pick it by mistake.
    pub(crate) roles: Vec<RoleId>,
}

/// The words of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// Whether it mentions us.
    pub(crate) is_to_us: bool,
    pub(crate) reply_to: Option<String>,
}

/// Reads a message. None where nobody speaks: bots (ourselves among them), webhooks, notices of the platform, messages
/// without words or files, and those whose words Discord keeps from us.
pub(crate) fn said(message: &Message, us: &Ourselves) -> Option<Said> {
    let is_reply = message.kind == MessageType::InlineReply;
    let is_speech = is_reply || message.kind == MessageType::Regular;
    if message.author.bot || message.webhook_id.is_some() || !is_speech {
        return None;
    }
    let is_to_us = !mentions_of(&message.content, us).is_empty();
    let text = named(without_leading_mention(&message.content, us), message);
    if text.trim().is_empty() && !is_to_us && message.attachments.is_empty() {
        return None;
    }
    let reply_to = message.message_reference.as_ref().filter(|_| is_reply).and_then(|reference| reference.message_id);
    Some(Said { text, is_to_us, reply_to: reply_to.map(|id| id.to_string()) })
}

/// Where a text mentions us: what a person wrote, not that a reply rings at us, which Discord counts as a mention too.
fn mentions_of(text: &str, us: &Ourselves) -> Vec<(usize, usize)> {
    let user = us.user.iter().flat_map(|user| [format!("<@{user}>"), format!("<@!{user}>")]);
    let forms: Vec<String> = user.chain(us.roles.iter().map(|role| format!("<@&{role}>"))).collect();
    forms.iter().flat_map(|form| text.match_indices(form.as_str()).map(|(at, found)| (at, at + found.len()))).collect()
}

fn without_leading_mention<'a>(text: &'a str, us: &Ourselves) -> &'a str {
    let mut rest = text.trim_start();
    while let Some((_, end)) = mentions_of(rest, us).into_iter().find(|(at, _)| *at == 0) {
        rest = rest[end..].trim_start_matches([' ', '\t', ',', ':']);
    }
    rest
}

/// `<@1>` becomes `@name`, `<:party:2>` becomes `:party:`.
pub(crate) fn named(text: &str, message: &Message) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        shown.push_str(&rest[..open]);
        rest = &rest[open..];
        let name = rest.find('>').and_then(|close| Some((name_of(&rest[1..close], message)?, close)));
        match name {
            Some((name, close)) => {
                shown.push_str(&name);
                rest = &rest[close + 1..];
            }
            None => {
                shown.push('<');
                rest = &rest[1..];
            }
        }
    }
    shown.push_str(rest);
    shown
}

fn name_of(inner: &str, message: &Message) -> Option<String> {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit());
    if let Some(id) = inner.strip_prefix("@!").or_else(|| inner.strip_prefix('@')).filter(|id| is_id(id)) {
        let user = message.mentions.iter().find(|user| user.id.to_string() == id);
        return Some(user.map_or_else(|| format!("@{id}"), |user| format!("@{}", user.display_name())));
    }
    if let Some(id) = inner.strip_prefix("@&").filter(|id| is_id(id)) {
        return Some(format!("@{id}"));
    }
    if let Some(id) = inner.strip_prefix('#').filter(|id| is_id(id)) {
        let channel = message.mention_channels.iter().find(|channel| channel.id.to_string() == id);
        return Some(channel.map_or_else(|| format!("#{id}"), |channel| format!("#{}", channel.name)));
    }
    let (name, id) = inner.strip_prefix("a:").or_else(|| inner.strip_prefix(':'))?.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && is_id(id)).then(|| format!(":{name}:"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use serenity::model::{
        channel::Message,
        id::{RoleId, UserId},
    };

    use super::{Ourselves, Said, said};

    fn message(content: &str, change: impl FnOnce(&mut Value)) -> Message {
        let user = |id: &str, name: &str| json!({ "id": id, "username": name, "global_name": null, "discriminator": "0", "avatar": null });
        let mut message = json!({
            "id": "10", "channel_id": "20", "content": content, "timestamp": "2026-01-01T00:00:00Z",
            "edited_timestamp": null, "tts": false, "mention_everyone": false, "mention_roles": [], "attachments": [],
            "embeds": [], "pinned": false, "type": 0, "author": user("1", "ann"), "mentions": [user("2", "bob")],
        });
        change(&mut message);
        serde_json::from_value(message).unwrap()
    }

    fn us() -> Ourselves {
        Ourselves { user: Some(UserId::new(9)), roles: vec![RoleId::new(8)] }
    }

    fn text(content: &str) -> Option<(String, bool)> {
        said(&message(content, |_| {}), &us()).map(|said| (said.text, said.is_to_us))
    }

    #[test]
    fn a_mention_addresses_us_and_is_no_part_of_the_text() {
        assert_eq!(text("<@9> list"), Some(("list".to_owned(), true)));
        assert_eq!(text("<@!9>, <@&8>: list\n<@9>"), Some(("list\n@9".to_owned(), true)));
        assert_eq!(text("ask <@9>"), Some(("ask @9".to_owned(), true)));
        assert_eq!(text("<@9>"), Some((String::new(), true)));
        assert_eq!(text("/kanban list"), Some(("/kanban list".to_owned(), false)));
    }

    #[test]
    fn names_are_written_out() {
        assert_eq!(text("<@2> <:party:3> <a:x:4> <#5> a<b>c <@x>").unwrap().0, "@bob :party: :x: #5 a<b>c <@x>");
        assert_eq!(text("< <<@2>").unwrap().0, "< <@bob");
    }

    #[test]
    fn only_people_speak() {
        assert_eq!(text(""), None);
        assert_eq!(said(&message("x", |m| m["author"]["bot"] = json!(true)), &us()), None);
        assert_eq!(said(&message("x", |m| m["webhook_id"] = json!("7")), &us()), None);
        assert_eq!(said(&message("x", |m| m["type"] = json!(7)), &us()), None);
    }

    #[test]
    fn a_reply_names_its_message_and_is_no_mention() {
        let reply = message("yes", |m| {
            m["type"] = json!(19);
            m["message_reference"] = json!({ "message_id": "77", "channel_id": "20" });
            m["mentions"][0]["id"] = json!("9");
        });
        let expected = Said { text: "yes".to_owned(), is_to_us: false, reply_to: Some("77".to_owned()) };
        assert_eq!(said(&reply, &us()), Some(expected));
    }
}
