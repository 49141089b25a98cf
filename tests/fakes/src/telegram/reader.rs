//! Messages as people see them, read from what is stored by the rules of the platform's documentation.

use super::{account::State, autolink, chat::Chat, entity::Entity, message::Message};
use crate::server::Seen;

/// A message as it stands in its chat.
pub(crate) fn seen(message: &Message, state: &State) -> Seen {
    let file = message.document.iter();
    let file = file.map(|file| (file.name.clone(), String::from_utf8_lossy(&file.content).into_owned()));
    Seen {
        id: message.id.to_string(),
        is_ours: message.is_ours(),
        // Entities are apart from the text, so that the text bears no markup that could be taken off.
        text: message.body.text.clone(),
        buttons: message
            .buttons()
            .filter_map(|button| Some(button["text"].as_str().or(button.as_str())?.to_owned()))
            .collect(),
        earlier: message.earlier.clone(),
        private_to: None,
        reply_to: message.reply_to.map(|id| id.to_string()),
        files: file.collect(),
        contents: message.document.iter().map(|file| file.content.clone()).collect(),
        pings: pings(message, state),
    }
}

/// The bot's messages of a chat that say the same as another one of the bot's in the same place.
pub(crate) fn doubled(chat: &Chat) -> Vec<String> {
    let mut doubled = Vec::new();
    for (_, messages) in chat.places() {
        let mut said = std::collections::HashSet::new();
        for message in messages.filter(|message| message.is_ours() && message.service.is_none()) {
            let file = message.document.as_ref().map(|file| (&file.name, &file.content));
            if !said.insert((&message.body.text, file)) {
                doubled.push(message.body.text.clone());
            }
        }
    }
    doubled
}

/// Whom the message notifies: names behind `@` that the server links, and people who are linked by their id. A reply
/// notifies its addressee too, which is not because of the text; nor is it where a field for a reply opens for the one
/// whose name the message begins with.
fn pings(message: &Message, state: &State) -> Vec<String> {
    let bot = state.people.bot_username();
    let names = autolink::mentioned(&message.body.text, &message.body.entities);
    let mut pings: Vec<String> = names.into_iter().filter(|name| !name[1..].eq_ignore_ascii_case(bot)).collect();
    let is_for_one = message.markup.as_ref().is_some_and(|markup| markup["selective"] == true);
    let linked = message.body.entities.iter().filter(|entity| !(is_for_one && entity.offset == 0));
    pings.extend(linked.filter_map(linked_person));
    pings
}

/// The person of a mention by id, in either of its two forms.
fn linked_person(entity: &Entity) -> Option<String> {
    match entity.kind.as_str() {
        "text_mention" => entity.more.get("user").map(|user| user["id"].to_string()),
        "text_link" => {
            let url = entity.more.get("url")?.as_str()?;
            let (_, id) = url.split_once("tg://user?id=")?;
            Some(id.to_owned())
        }
        _ => None,
    }
}
