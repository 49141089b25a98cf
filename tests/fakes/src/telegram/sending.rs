//! `sendMessage` and `sendDocument`.

use serde_json::Value;

use super::{
    account::{Account, State},
    autolink,
    chat::Chat,
    entity::Formatted,
    html, keyboard,
    message::{Document, Message},
    parameters::{Parameters, integer},
    refusal::Refusal,
    typed::LONGEST,
};

const LONGEST_CAPTION: usize = 1024;
const LARGEST_FILE: usize = 50 * 1024 * 1024;

impl Account {
    pub(crate) fn send_message(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut wrong = Vec::new();
        let mut state = self.state();
        let mut message = addressed(&mut state, parameters, self.now())?;
        message.body = text(parameters, &mut wrong)?;
        message.entities = shown(&message.body);
        message.markup = keyboard::read(parameters.get("reply_markup"), &mut wrong)?;
        self.complain_all("sendMessage", wrong);
        self.finish(&mut state, parameters, message)
    }

    pub(crate) fn send_document(&self, parameters: &Parameters) -> Result<Value, Refusal> {
        let mut wrong = Vec::new();
        let mut state = self.state();
        let mut message = addressed(&mut state, parameters, self.now())?;
        message.body = formatted(parameters, "caption", "caption_entities", &mut wrong)?;
        if message.body.length() > LONGEST_CAPTION {
            return Err(Refusal::bad("message caption is too long"));
        }
        message.entities = shown(&message.body);
        message.markup = keyboard::read(parameters.get("reply_markup"), &mut wrong)?;
        message.document = Some(document(&mut state, parameters)?);
        self.complain_all("sendDocument", wrong);
        self.finish(&mut state, parameters, message)
    }

    pub(crate) fn complain_all(&self, method: &str, wrong: Vec<String>) {
        wrong.into_iter().for_each(|wrong| self.wire.complain(format!("{method}: {wrong}")));
    }

    /// Puts the message into its chat and answers it.
    fn finish(&self, state: &mut State, parameters: &Parameters, message: Message) -> Result<Value, Refusal> {
        let chat = state.chat(parameters)?;
        let id = chat.add(message);
        let chat_id = chat.id;
        let Some(chat) = state.chats.get(&chat_id) else { return Err(Refusal::chat_not_found()) };
        let message = chat.message(id).ok_or_else(|| Refusal::bad("message not found"))?;
        Ok(chat.message_json(message, &state.people))
    }
}

/// The text of a message, within the platform's limits.
pub(crate) fn text(parameters: &Parameters, wrong: &mut Vec<String>) -> Result<Formatted, Refusal> {
    let formatted = formatted(parameters, "text", "entities", wrong)?;
    match formatted.length() {
        0 => Err(Refusal::bad("message text is empty")),
        length if length > LONGEST => Err(Refusal::bad("message is too long")),
        _ => Ok(formatted),
    }
}

/// A text with its entities, given by themselves or as markup.
pub(crate) fn formatted(
    parameters: &Parameters,
    text: &str,
    entities: &str,
    wrong: &mut Vec<String>,
) -> Result<Formatted, Refusal> {
    let source = parameters.text(text).unwrap_or_default();
    let formatted = match parameters.text("parse_mode").unwrap_or_default() {
        "" => Formatted::given(source, parameters.list(entities).map_or(&[], Vec::as_slice), wrong)?,
        mode if mode.eq_ignore_ascii_case("html") => html::parse(source)?,
        mode => {
            wrong.push(format!("the fake server does not read `parse_mode` {mode}"));
            return Err(Refusal::bad("unsupported parse_mode"));
        }
    };
    Ok(formatted.trimmed())
}

/// The given entities and those that the server finds by itself.
pub(crate) fn shown(body: &Formatted) -> Vec<Value> {
    let mut entities = body.entities.clone();
    entities.extend(autolink::find(&body.text, &body.entities));
    entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    entities.iter().map(super::entity::Entity::json).collect()
}

/// The message for the place and with the reply that a call names.
fn addressed(state: &mut State, parameters: &Parameters, now: i64) -> Result<Message, Refusal> {
    let chat = state.open_chat(parameters)?;
    let thread = chat.topic(parameters.integer("message_thread_id"))?;
    let reply_to = replied(chat, parameters)?;
    let above = reply_to.and_then(|id| chat.message(id));
    // A reply stands where the message stands that it replies to.
    let topic = thread.or_else(|| above.and_then(|message| message.topic));
    let root = above.filter(|_| !chat.is_forum).map(|message| message.root.unwrap_or(message.id));
    Ok(Message { reply_to, root: root.filter(|_| chat.id < 0), ..Message::new(None, topic, now) })
}

fn replied(chat: &Chat, parameters: &Parameters) -> Result<Option<i64>, Refusal> {
    let Some(reply) = parameters.get("reply_parameters") else { return Ok(None) };
    let Some(id) = integer(&reply["message_id"]) else {
        return Err(Refusal::bad("can't parse reply parameters: Can't find field \"message_id\""));
    };
    let is_elsewhere = integer(&reply["chat_id"]).is_some_and(|other| other != chat.id);
    match chat.message(id) {
        Some(_) if !is_elsewhere => Ok(Some(id)),
        _ if reply["allow_sending_without_reply"].as_bool() == Some(true) => Ok(None),
        _ => Err(Refusal::bad("message to be replied not found")),
    }
}

/// The file of a call: sent along, or known from before.
fn document(state: &mut State, parameters: &Parameters) -> Result<Document, Refusal> {
    let Some(upload) = parameters.upload("document") else {
        let id = parameters.text("document").ok_or_else(|| Refusal::bad("there is no document in the request"))?;
        let known = state.files.get(id).cloned();
        return known.ok_or_else(|| Refusal::bad("wrong file identifier/HTTP URL specified"));
    };
    if upload.content.is_empty() {
        return Err(Refusal::bad("file must be non-empty"));
    }
    if upload.content.len() > LARGEST_FILE {
        return Err(Refusal::bad("file is too big"));
    }
    Ok(state.store(&upload.name, upload.content.to_vec()))
}

impl State {
    /// Keeps a file and names it.
    pub(crate) fn store(&mut self, name: &str, content: Vec<u8>) -> Document {
        let file_id = format!("BQACAgIAAxkDAAI{:06}", self.files.len() + 1);
        let document = Document { file_id: file_id.clone(), name: name.to_owned(), content };
        self.files.insert(file_id, document.clone());
        document
    }
}
