//! Changes of messages that stand already: text, caption, keyboard, reaction, and the end of them.

use serde_json::{Value, json};

use super::{
    account::{Account, State},
    entity::Formatted,
    keyboard,
    message::Message,
    parameters::Parameters,
    refusal::Refusal,
    sending,
};

const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly the \
                            same as a current content and reply markup of the message";

/// What people may react with, from the description of `ReactionTypeEmoji`.
const REACTIONS: &str = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 \
                         😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡";

impl Account {
    pub(crate) fn edit_message_text(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut wrong = Vec::new();
        let mut state = self.state();
        let message = editable(&mut state, parameters)?;
        if message.document.is_some() || message.service.is_some() {
            return Err(Refusal::bad("there is no text in the message to edit"));
        }
        let body = sending::text(parameters, &mut wrong).map_err(|refusal| match refusal {
            refusal if refusal == Refusal::bad("message is too long") => Refusal::bad("MESSAGE_TOO_LONG"),
            refusal => refusal,
        })?;
        let markup = keyboard::read_inline(parameters.get("reply_markup"), &mut wrong)?;
        self.complain_all("editMessageText", wrong);
        self.change(&mut state, parameters, Some(body), markup)
    }

    pub(crate) fn edit_message_caption(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut wrong = Vec::new();
        let mut state = self.state();
        if editable(&mut state, parameters)?.document.is_none() {
            return Err(Refusal::bad("there is no caption in the message to edit"));
        }
        let body = sending::formatted(parameters, "caption", "caption_entities", &mut wrong)?;
        if body.length() > 1024 {
            return Err(Refusal::bad("message caption is too long"));
        }
        let markup = keyboard::read_inline(parameters.get("reply_markup"), &mut wrong)?;
        self.complain_all("editMessageCaption", wrong);
        self.change(&mut state, parameters, Some(body), markup)
    }

    pub(crate) fn edit_message_reply_markup(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut wrong = Vec::new();
        let mut state = self.state();
        editable(&mut state, parameters)?;
        let markup = keyboard::read_inline(parameters.get("reply_markup"), &mut wrong)?;
        self.complain_all("editMessageReplyMarkup", wrong);
        self.change(&mut state, parameters, None, markup)
    }

    pub(crate) fn delete_message(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let chat = state.open_chat(parameters)?;
        let id = parameters.integer("message_id").unwrap_or_default();
        let Some(message) = chat.message(id) else { return Err(Refusal::bad("message to delete not found")) };
        // In a group only an administrator takes away what others wrote.
        if !message.is_ours() && chat.id < 0 && !chat.is_admin {
            return Err(Refusal::bad("message can't be deleted"));
        }
        chat.remove(id);
        Ok(json!(true))
    }

    pub(crate) fn set_message_reaction(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut state = self.state();
        let chat = state.open_chat(parameters)?;
        let id = parameters.integer("message_id").unwrap_or_default();
        let reactions = parameters.list("reaction").map_or(&[][..], Vec::as_slice);
        if reactions.len() > 1 {
            return Err(Refusal::bad("REACTIONS_TOO_MANY"));
        }
        let emoji = reactions.first().map(|reaction| reaction["emoji"].as_str().unwrap_or_default().to_owned());
        // The selector of the coloured form is not part of the platform's own spelling, and taken all the same.
        let plain = emoji.as_ref().map(|emoji| emoji.replace('\u{fe0f}', ""));
        if plain.is_some_and(|plain| !REACTIONS.split_whitespace().any(|known| known == plain)) {
            return Err(Refusal::bad("REACTION_INVALID"));
        }
        let message = chat.message_mut(id).ok_or_else(|| Refusal::bad("message to react not found"))?;
        message.reaction = emoji;
        Ok(json!(true))
    }

    /// Puts the new body and keyboard in place of those of now, and answers the message.
    fn change(
        &self,
        state: &mut State,
        parameters: &Parameters,
        body: Option<Formatted>,
        markup: Option<Value>,
    ) -> Result<Value, Refusal> {
        let now = self.now();
        let message = editable(state, parameters)?;
        let body = body.unwrap_or_else(|| message.body.clone());
        if body == message.body && markup == message.markup {
            return Err(Refusal::bad(NOT_MODIFIED));
        }
        if body != message.body {
            message.edited = Some(now);
        }
        if body.text != message.body.text {
            message.earlier.push(message.body.text.clone());
        }
        message.entities = sending::shown(&body);
        message.body = body;
        message.markup = markup;
        let id = message.id;
        let chat = state.chat(parameters)?.id;
        let Some(chat) = state.chats.get(&chat) else { return Err(Refusal::chat_not_found()) };
        let message = chat.message(id).ok_or_else(|| Refusal::bad("message to edit not found"))?;
        Ok(chat.message_json(message, &state.people))
    }
}

/// The message that an edit is about, if the bot may edit it.
fn editable<'a>(state: &'a mut State, parameters: &Parameters) -> Result<&'a mut Message, Refusal> {
    let chat = state.open_chat(parameters)?;
    let Some(id) = parameters.integer("message_id") else {
        return Err(Refusal::bad("message identifier is not specified"));
    };
    let Some(message) = chat.message_mut(id) else { return Err(Refusal::bad("message to edit not found")) };
    // What shows a reply keyboard can never be edited again.
    let has_other_keyboard = message.markup.as_ref().is_some_and(|markup| markup.get("inline_keyboard").is_none());
    if !message.is_ours() || message.service.is_some() || has_other_keyboard {
        return Err(Refusal::bad("message can't be edited"));
    }
    Ok(message)
}
