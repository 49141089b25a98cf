//! Limits of Block Kit that the published types do not hold: "Blocks", "Block elements" and "Composition objects" in Slack's
//! reference.

use std::collections::HashSet;

use serde_json::Value;

use crate::slack::reader::list;

/// The texts of all blocks of a message together; Slack answers `msg_blocks_too_long` above it. It is not documented
/// (bolt-js issue 2509 measured it).
const ALL_BLOCKS: usize = 13_200;

/// What blocks stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    Message,
    Modal,
    Home,
}

/// What is wrong with blocks, in Slack's words; empty where nothing is.
pub(crate) fn check_blocks(blocks: &[Value], surface: Surface) -> Vec<String> {
    let mut check = Check { wrong: Vec::new() };
    let most = if surface == Surface::Message { 50 } else { 100 };
    if blocks.len() > most {
        check.say(&format!("no more than {most} items allowed"), "/blocks");
    }
    let mut ids = HashSet::new();
    for (place, block) in blocks.iter().enumerate() {
        let path = format!("/blocks/{place}");
        check.block(block, surface, &path);
        if let Some(id) = block["block_id"].as_str() {
            check.length(Some(id), 1, 255, &format!("{path}/block_id"));
            if !ids.insert(id.to_owned()) {
                check.say(&format!("`block_id` {id} already exists"), &format!("{path}/block_id"));
            }
        }
    }
    check.wrong
}

/// Whether the blocks hold more text together than a message may.
pub(crate) fn are_too_long(blocks: &[Value]) -> bool {
    blocks.iter().map(characters).sum::<usize>() > ALL_BLOCKS
}

/// What is wrong with a view.
pub(crate) fn check_view(view: &Value) -> Vec<String> {
    let surface = if view["type"] == "home" { Surface::Home } else { Surface::Modal };
    let mut check = Check { wrong: Vec::new() };
    match view["type"].as_str() {
        Some("modal") => {
            check.plain_text(&view["title"], 24, true, "/view/title");
            for key in ["submit", "close"] {
                if !view[key].is_null() {
                    check.plain_text(&view[key], 24, true, &format!("/view/{key}"));
                }
            }
            let has_input = list(&view["blocks"]).iter().any(|block| block["type"] == "input");
            if has_input && view["submit"].is_null() {
                check.say("missing required field: submit", "/view");
            }
        }
        Some("home") => {
            for key in ["title", "submit", "close"] {
                if !view[key].is_null() {
                    check.say(&format!("invalid additional property: {key}"), "/view");
                }
            }
        }
        _ => check.say("unsupported type", "/view/type"),
    }
    check.length(view["private_metadata"].as_str(), 0, 3000, "/view/private_metadata");
    for key in ["callback_id", "external_id"] {
        check.length(view[key].as_str(), 0, 255, &format!("/view/{key}"));
    }
    if !view["blocks"].is_array() {
        check.say("missing required field: blocks", "/view");
    }
    check.wrong.extend(check_blocks(list(&view["blocks"]), surface));
    check.wrong
}

/// What is wrong with the answer to a suggestion.
pub(crate) fn check_options(answer: &Value) -> Vec<String> {
    let mut check = Check { wrong: Vec::new() };
    let options = list(&answer["options"]);
    if options.len() > 100 {
        check.say("no more than 100 items allowed", "/options");
    }
    if !answer["options"].is_array() && !answer["option_groups"].is_array() {
        check.say("missing required field: options", "");
    }
    check.options(options, "/options");
    for group in list(&answer["option_groups"]) {
        check.plain_text(&group["label"], 75, true, "/option_groups/label");
        check.options(list(&group["options"]), "/option_groups/options");
    }
    check.wrong
}

struct Check {
    wrong: Vec<String>,
}

impl Check {
    fn say(&mut self, what: &str, path: &str) {
        self.wrong.push(format!("{what} [json-pointer:{path}]"));
    }

    fn length(&mut self, text: Option<&str>, least: usize, most: usize, path: &str) {
        let Some(text) = text else { return };
        let length = text.chars().count();
        if length > most {
            self.say(&format!("must be less than {} characters", most + 1), path);
        }
        if length < least {
            self.say(&format!("must be more than {} characters", least - 1), path);
        }
    }

    fn block(&mut self, block: &Value, surface: Surface, path: &str) {
        match block["type"].as_str().unwrap_or_default() {
            "section" => {
                if block["text"].is_null() && block["fields"].is_null() {
                    self.say("missing required field: text or fields", path);
                }
                if !block["text"].is_null() {
                    self.text(&block["text"], 3000, &format!("{path}/text"));
                }
                let fields = list(&block["fields"]);
                if fields.len() > 10 {
                    self.say("no more than 10 items allowed", &format!("{path}/fields"));
                }
                for (place, field) in fields.iter().enumerate() {
                    self.text(field, 2000, &format!("{path}/fields/{place}"));
                }
                if !block["accessory"].is_null() {
                    self.element(&block["accessory"], &format!("{path}/accessory"));
                }
            }
            "header" => self.plain_text(&block["text"], 150, true, &format!("{path}/text")),
            "context" => {
                self.count(block, "elements", 1, 10, path);
                for (place, element) in list(&block["elements"]).iter().enumerate() {
                    if element["type"] != "image" {
                        self.text(element, 3000, &format!("{path}/elements/{place}"));
                    }
                }
            }
            "actions" => {
                self.count(block, "elements", 1, 25, path);
                let mut ids = HashSet::new();
                for (place, element) in list(&block["elements"]).iter().enumerate() {
                    let path = format!("{path}/elements/{place}");
                    self.element(element, &path);
                    if let Some(id) = element["action_id"].as_str()
                        && !ids.insert(id.to_owned())
                    {
                        self.say(&format!("`action_id` \"{id}\" already exists for another action"), &path);
                    }
                }
            }
            "input" => {
                self.plain_text(&block["label"], 2000, true, &format!("{path}/label"));
                if !block["hint"].is_null() {
                    self.plain_text(&block["hint"], 2000, true, &format!("{path}/hint"));
                }
                if block["element"]["type"] == "button" {
                    self.say("unsupported type: button", &format!("{path}/element"));
                }
                self.element(&block["element"], &format!("{path}/element"));
            }
            "rich_text" | "context_actions" => {
                if !block["elements"].is_array() {
                    self.say("missing required field: elements", path);
                }
            }
            "markdown" => self.length(block["text"].as_str(), 1, 12_000, &format!("{path}/text")),
            "image" => {
                self.length(block["alt_text"].as_str(), 1, 2000, &format!("{path}/alt_text"));
                self.length(block["image_url"].as_str(), 1, 3000, &format!("{path}/image_url"));
            }
            "file" if surface != Surface::Message => self.say("unsupported type: file", path),
            "divider" | "file" | "video" | "table" | "alert" | "card" | "carousel" | "plan" | "task_card" => {}
            other => self.say(&format!("unsupported type: {other}"), &format!("{path}/type")),
        }
    }

    fn count(&mut self, block: &Value, key: &str, least: usize, most: usize, path: &str) {
        let length = list(&block[key]).len();
        if length > most {
            self.say(&format!("no more than {most} items allowed"), &format!("{path}/{key}"));
        }
        if length < least {
            self.say(&format!("no fewer than {least} items allowed"), &format!("{path}/{key}"));
        }
    }

    fn text(&mut self, text: &Value, most: usize, path: &str) {
        if !matches!(text["type"].as_str(), Some("mrkdwn" | "plain_text")) {
            self.say("unsupported type: must be mrkdwn or plain_text", path);
        }
        self.length(Some(text["text"].as_str().unwrap_or_default()), 1, most, &format!("{path}/text"));
    }

    fn plain_text(&mut self, text: &Value, most: usize, is_required: bool, path: &str) {
        if text["type"] != "plain_text" {
            self.say("must be a plain_text object", path);
        }
        let least = usize::from(is_required);
        self.length(Some(text["text"].as_str().unwrap_or_default()), least, most, &format!("{path}/text"));
    }

    fn element(&mut self, element: &Value, path: &str) {
        self.length(element["action_id"].as_str(), 1, 255, &format!("{path}/action_id"));
        if !element["placeholder"].is_null() {
            self.plain_text(&element["placeholder"], 150, true, &format!("{path}/placeholder"));
        }
        if !element["confirm"].is_null() {
            self.confirm(&element["confirm"], &format!("{path}/confirm"));
        }
        match element["type"].as_str().unwrap_or_default() {
            "button" => {
                self.plain_text(&element["text"], 75, true, &format!("{path}/text"));
                self.length(element["value"].as_str(), 0, 2000, &format!("{path}/value"));
                self.length(element["url"].as_str(), 1, 3000, &format!("{path}/url"));
                self.length(element["accessibility_label"].as_str(), 1, 75, &format!("{path}/accessibility_label"));
                if !matches!(element["style"].as_str(), None | Some("primary" | "danger")) {
                    self.say("must be `primary` or `danger`", &format!("{path}/style"));
                }
            }
            "static_select" | "multi_static_select" => {
                if element["options"].is_array() {
                    self.count(element, "options", 1, 100, path);
                } else {
                    self.count(element, "option_groups", 1, 100, path);
                }
                self.options(list(&element["options"]), &format!("{path}/options"));
                for group in list(&element["option_groups"]) {
                    self.plain_text(&group["label"], 75, true, &format!("{path}/option_groups/label"));
                    self.count(group, "options", 1, 100, path);
                    self.options(list(&group["options"]), &format!("{path}/option_groups/options"));
                }
            }
            "overflow" => {
                self.count(element, "options", 1, 5, path);
                self.options(list(&element["options"]), &format!("{path}/options"));
            }
            "radio_buttons" | "checkboxes" => {
                self.count(element, "options", 1, 10, path);
                self.options(list(&element["options"]), &format!("{path}/options"));
            }
            "plain_text_input" => {
                self.length(element["initial_value"].as_str(), 0, 3000, &format!("{path}/initial_value"));
            }
            "" => self.say("missing required field: type", path),
            _ => {}
        }
    }

    fn options(&mut self, options: &[Value], path: &str) {
        for (place, option) in options.iter().enumerate() {
            let path = format!("{path}/{place}");
            self.length(Some(option["text"]["text"].as_str().unwrap_or_default()), 1, 75, &format!("{path}/text"));
            self.length(Some(option["value"].as_str().unwrap_or_default()), 1, 150, &format!("{path}/value"));
            self.length(option["description"]["text"].as_str(), 1, 75, &format!("{path}/description"));
        }
    }

    fn confirm(&mut self, confirm: &Value, path: &str) {
        for (key, most) in [("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)] {
            self.length(confirm[key]["text"].as_str(), 1, most, &format!("{path}/{key}"));
        }
    }
}

/// The characters of all texts in a block.
fn characters(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) if key == "text" => text.chars().count(),
                Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => 0,
                Value::Array(_) | Value::Object(_) => characters(value),
            })
            .sum(),
        Value::Array(values) => values.iter().map(characters).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Surface, are_too_long, check_blocks, check_view};
    use serde_json::{Value, json};

    fn section(length: usize) -> Value {
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } })
    }

    fn button(action: &str, label: &str) -> Value {
        json!({ "type": "button", "action_id": action, "text": { "type": "plain_text", "text": label }, "value": "v" })
    }

    #[test]
    fn blocks_keep_their_limits() {
        let wrong = |blocks: Value| check_blocks(blocks.as_array().unwrap(), Surface::Message).len();
        assert_eq!(wrong(json!([section(3000), { "type": "actions", "elements": [button("a", "A")] }])), 0);
        assert_eq!(wrong(json!([section(3001)])), 1);
        assert_eq!(wrong(json!([section(0)])), 1);
        assert_eq!(wrong(json!(vec![section(1); 51])), 1);
        assert_eq!(wrong(json!([{ "type": "actions", "elements": vec![button("a", "A"); 2] }])), 1);
        assert_eq!(wrong(json!([{ "type": "actions", "elements": [button("a", &"x".repeat(76))] }])), 1);
        assert_eq!(wrong(json!([{ "type": "header", "text": { "type": "mrkdwn", "text": "x" } }])), 1);
        assert_eq!(wrong(json!([{ "type": "divider", "block_id": "b" }, { "type": "divider", "block_id": "b" }])), 1);
        assert!(are_too_long(&vec![section(3000); 5]));
        assert!(!are_too_long(&vec![section(3000); 4]));
    }

    #[test]
    fn views_keep_their_limits() {
        let title = |length: usize| json!({ "type": "plain_text", "text": "x".repeat(length) });
        let view = json!({ "type": "modal", "title": title(24), "blocks": [section(1)] });
        assert_eq!(check_view(&view), Vec::<String>::new());
        let view = json!({ "type": "modal", "title": title(25), "blocks": [], "private_metadata": "x".repeat(3001) });
        assert_eq!(check_view(&view).len(), 2);
    }
}
