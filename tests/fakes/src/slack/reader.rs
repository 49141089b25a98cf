//! What a person reads in a message or a view: its text, its buttons, and whom it pings.

use serde_json::Value;

use crate::slack::{
    message::Message,
    mrkdwn::{is_visible, mrkdwn, names, plain},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) text: String,
    pub(crate) buttons: Vec<String>,
    pub(crate) pings: Vec<String>,
}

/// Reads a message: its blocks where it has some, else its text.
pub(crate) fn read(
    message: &Message,
    name: &dyn Fn(&str) -> Option<String>,
    is_user: &dyn Fn(&str) -> bool,
) -> Reading {
    let mut reader = Reader { name, lines: Vec::new(), buttons: Vec::new(), pings: Vec::new() };
    // The text beside blocks is drawn in notifications: what it mentions counts, its words do not.
    let text = if message.has_markup {
        let read = mrkdwn(&message.text, name);
        reader.pings.extend(read.pings);
        read.text
    } else {
        plain(&message.text)
    };
    if message.links_names {
        reader.pings.extend(names(&message.text, is_user));
    }
    if message.blocks.is_empty() {
        if !text.is_empty() {
            reader.lines.push(text);
        }
    } else {
        reader.blocks(&message.blocks);
    }
    for attachment in &message.attachments {
        reader.attachment(attachment);
    }
    reader.finish()
}

/// Reads the blocks of a view.
pub(crate) fn read_blocks(blocks: &[Value], name: &dyn Fn(&str) -> Option<String>) -> Reading {
    let mut reader = Reader { name, lines: Vec::new(), buttons: Vec::new(), pings: Vec::new() };
    reader.blocks(blocks);
    reader.finish()
}

struct Reader<'a> {
    name: &'a dyn Fn(&str) -> Option<String>,
    lines: Vec<String>,
    buttons: Vec<String>,
    pings: Vec<String>,
}

impl Reader<'_> {
    fn finish(mut self) -> Reading {
        // A mention counts once, as it notifies once.
        let mut pings = Vec::new();
        for ping in self.pings.drain(..) {
            if !pings.contains(&ping) {
                pings.push(ping);
            }
        }
        Reading { text: self.lines.join("\n"), buttons: self.buttons, pings }
    }

    fn blocks(&mut self, blocks: &[Value]) {
        for block in blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Value) {
        match block["type"].as_str().unwrap_or_default() {
            "section" => {
                self.line(&block["text"]);
                for field in list(&block["fields"]) {
                    self.line(field);
                }
                self.element(&block["accessory"]);
            }
            "header" | "alert" => self.line(&block["text"]),
            "context" => {
                let texts: Vec<String> = list(&block["elements"])
                    .iter()
                    .filter(|element| is_text(element))
                    .map(|text| self.text(text))
                    .collect();
                if !texts.is_empty() {
                    self.lines.push(texts.join(" "));
                }
            }
            "actions" | "context_actions" => {
                for element in list(&block["elements"]) {
                    self.element(element);
                }
            }
            "input" => self.line(&block["label"]),
            "rich_text" => self.rich_text(block),
            "markdown" => {
                let text = block["text"].as_str().unwrap_or_default().replace("**", "*");
                let read = mrkdwn(&text, self.name);
                self.pings.extend(read.pings);
                self.lines.push(read.text);
            }
            "image" => self.line(&block["title"]),
            _ => {}
        }
    }

    fn attachment(&mut self, attachment: &Value) {
        for key in ["pretext", "title", "text"] {
            if let Some(text) = attachment[key].as_str() {
                let read = mrkdwn(text, self.name);
                self.pings.extend(read.pings);
                self.lines.push(read.text);
            }
        }
        self.blocks(list(&attachment["blocks"]));
    }

    fn element(&mut self, element: &Value) {
        if element["type"] == "button" {
            let label = self.text(&element["text"]);
            self.buttons.push(label);
        }
    }

    fn line(&mut self, text: &Value) {
        if is_text(text) {
            let text = self.text(text);
            self.lines.push(text);
        }
    }

    /// A text object.
    fn text(&mut self, object: &Value) -> String {
        let text = object["text"].as_str().unwrap_or_default();
        if object["type"] == "mrkdwn" {
            let read = mrkdwn(text, self.name);
            self.pings.extend(read.pings);
            read.text
        } else {
            plain(text)
        }
    }

    fn rich_text(&mut self, block: &Value) {
        for part in list(&block["elements"]) {
            if part["type"] == "rich_text_list" {
                for item in list(&part["elements"]) {
                    let line = self.inline(item);
                    self.lines.push(line);
                }
            } else {
                let line = self.inline(part);
                self.lines.push(line);
            }
        }
    }

    /// The elements of a rich text section, a quote or preformatted text: they have no markup and no entities.
    fn inline(&mut self, part: &Value) -> String {
        let mut line = String::new();
        for element in list(&part["elements"]) {
            match element["type"].as_str().unwrap_or_default() {
                "text" => line.extend(element["text"].as_str().unwrap_or_default().chars().filter(is_visible)),
                "link" => line.push_str(element["text"].as_str().or(element["url"].as_str()).unwrap_or_default()),
                "emoji" => line.push_str(&format!(":{}:", element["name"].as_str().unwrap_or_default())),
                "channel" => line.push_str(&format!("#{}", element["channel_id"].as_str().unwrap_or_default())),
                "date" => line.push_str(element["fallback"].as_str().unwrap_or_default()),
                "user" => {
                    let id = element["user_id"].as_str().unwrap_or_default();
                    let person = (self.name)(id).unwrap_or_else(|| id.to_owned());
                    line.push_str(&format!("@{person}"));
                    self.pings.push(person);
                }
                "usergroup" => {
                    let id = element["usergroup_id"].as_str().unwrap_or_default();
                    line.push_str(&format!("@{id}"));
                    self.pings.push(format!("subteam {id}"));
                }
                "broadcast" => {
                    let range = element["range"].as_str().unwrap_or_default();
                    line.push_str(&format!("@{range}"));
                    self.pings.push(range.to_owned());
                }
                _ => {}
            }
        }
        line
    }
}

fn is_text(object: &Value) -> bool {
    matches!(object["type"].as_str(), Some("mrkdwn" | "plain_text"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::read_blocks;
    use serde_json::json;

    #[test]
    fn blocks_read_as_they_are_drawn() {
        let blocks = json!([
            { "type": "header", "text": { "type": "plain_text", "text": "*Task* &amp; <@U1>" } },
            { "type": "section", "text": { "type": "mrkdwn", "text": "*bold* &lt;x&gt;" },
              "accessory": { "type": "button", "text": { "type": "plain_text", "text": "Show" } } },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": "_a_" }, { "type": "plain_text", "text": "b" }] },
            { "type": "rich_text", "elements": [
                { "type": "rich_text_section", "elements": [
                    { "type": "text", "text": "to *" }, { "type": "user", "user_id": "U1" } ] },
                { "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": "x\ny" }] } ] },
            { "type": "actions", "elements": [{ "type": "button", "text": { "type": "plain_text", "text": "Go" } }] },
        ]);
        let reading = read_blocks(blocks.as_array().unwrap(), &|_| None);
        assert_eq!(reading.text, "*Task* & <@U1>\nbold <x>\na b\nto *@U1\nx\ny");
        assert_eq!(reading.buttons, ["Show", "Go"]);
        assert_eq!(reading.pings, ["U1"]);
    }
}
