//! What a message consists of, checked as Slack checks it.

use serde_json::{Value, json};

use crate::slack::{
    call::{Arguments, Refusal},
    limits::{Surface, are_too_long, check_blocks},
    reader::list,
    schema::Schema,
    workspace::Workspace,
};

/// What a message consists of.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) text: Option<String>,
    pub(crate) blocks: Option<Vec<Value>>,
    pub(crate) attachments: Option<Vec<Value>>,
    pub(crate) metadata: Option<Value>,
    pub(crate) has_markup: bool,
    pub(crate) links_names: bool,
}

impl Workspace {
    /// Reads and checks what a message is to consist of.
    pub(crate) fn content(
        &self,
        arguments: &Arguments,
        schema: Option<&Schema>,
        most: usize,
    ) -> Result<Content, Refusal> {
        let blocks = arguments.array("blocks", "invalid_blocks_format")?;
        let attachments = arguments.array("attachments", "invalid_attachments")?;
        let text = arguments.fields.get("text").and_then(Value::as_str).map(str::to_owned);
        if text.as_deref().is_some_and(|text| text.chars().count() > most) {
            self.wire.complain(format!("a text of more than {most} characters"));
            return Err(Refusal::new("msg_too_long"));
        }
        let mut blocks = blocks;
        if let Some(markdown) = arguments.text("markdown_text") {
            if text.is_some() || blocks.is_some() {
                return Err(Refusal::new("markdown_text_conflict"));
            }
            blocks = Some(vec![json!({ "type": "markdown", "text": markdown })]);
        }
        if let Some(blocks) = &blocks {
            self.check_message_blocks(blocks)?;
        }
        for attachment in attachments.iter().flatten() {
            self.check_message_blocks(list(&attachment["blocks"]))?;
        }
        let has_metadata = arguments.fields.contains_key("metadata");
        let is_empty = text.as_deref().unwrap_or_default().is_empty()
            && blocks.as_ref().is_none_or(Vec::is_empty)
            && attachments.as_ref().is_none_or(Vec::is_empty);
        if is_empty && !(has_metadata && most == 4_000) {
            self.wire.complain("a message with neither text nor blocks");
            return Err(Refusal::new("no_text"));
        }
        let metadata = match arguments.fields.get("metadata") {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) if fields.is_empty() => Some(json!({})),
            Some(metadata) if metadata["event_type"].is_string() && metadata["event_payload"].is_object() => {
                Some(metadata.clone())
            }
            Some(_) => {
                self.wire.complain("metadata without `event_type` or `event_payload`");
                return Err(Refusal::new("invalid_metadata_format"));
            }
        };
        if let Some(schema) = schema {
            self.check_schema(schema, &arguments.typed_body())?;
        }
        Ok(Content {
            text,
            blocks: blocks.map(with_ids),
            attachments,
            metadata,
            has_markup: !arguments.is_false("mrkdwn"),
            links_names: arguments.is_true("link_names") || arguments.text("parse") == Some("full"),
        })
    }

    fn check_message_blocks(&self, blocks: &[Value]) -> Result<(), Refusal> {
        let wrong = check_blocks(blocks, Surface::Message);
        if !wrong.is_empty() {
            self.wire.complain(format!("invalid blocks: {}", wrong.join("; ")));
            return Err(Refusal::because("invalid_blocks", &wrong));
        }
        if are_too_long(blocks) {
            self.wire.complain("blocks with too much text together");
            return Err(Refusal::new("msg_blocks_too_long"));
        }
        Ok(())
    }

    /// Arguments that Slack's types do not know are complained of and done all the same, as the platform does.
    fn check_schema(&self, schema: &Schema, body: &Value) -> Result<(), Refusal> {
        let Err(wrong) = schema.check(body) else { return Ok(()) };
        self.wire.complain(format!("against the published types: {wrong}"));
        let mut without_blocks = body.clone();
        without_blocks["blocks"] = json!([]);
        without_blocks["text"] = json!("-");
        if schema.check(&without_blocks).is_ok() {
            return Err(Refusal::because("invalid_blocks", &[wrong]));
        }
        Ok(())
    }
}

/// Blocks as Slack keeps them: each has an id, and texts are escaped.
pub(crate) fn with_ids(mut blocks: Vec<Value>) -> Vec<Value> {
    for (place, block) in blocks.iter_mut().enumerate() {
        if block["block_id"].as_str().unwrap_or_default().is_empty() {
            block["block_id"] = json!(format!("b{place:03}"));
        }
        for (place, element) in block["elements"].as_array_mut().into_iter().flatten().enumerate() {
            if element["type"] == "button" && element["action_id"].as_str().unwrap_or_default().is_empty() {
                element["action_id"] = json!(format!("a{place:03}"));
            }
        }
        if block["type"] != "rich_text" {
            escape_plain_texts(block);
        }
    }
    blocks
}

/// Payloads of interactions show texts of the type `plain_text` escaped (bolt-python issue 513).
fn escape_plain_texts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|kind| kind == "plain_text")
                && let Some(Value::String(text)) = fields.get_mut("text")
            {
                *text = escape_once(text);
            }
            for value in fields.values_mut() {
                escape_plain_texts(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(escape_plain_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Escapes what is not escaped yet.
fn escape_once(text: &str) -> String {
    let mut escaped = String::new();
    for (place, character) in text.char_indices() {
        let is_entity = ["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[place..].starts_with(entity));
        match character {
            '&' if !is_entity => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}
