//! From what a terminal would show to the result of a tool.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use super::{
    Scope,
    output::Output,
    tools::{self, Tool},
};
use crate::{command::schema, shim::Answer};

/// The result of a call. A refusal is an error that the model reads, with the commands in it as calls of tools.
pub(super) fn result(tool: &Tool, scope: Scope, page: Option<u64>, answer: &Answer) -> CallToolResult {
    let (out, err) = (answer.stdout.trim_end(), answer.stderr.trim_end());
    if answer.exit != 0 {
        let told: Vec<_> = [out, err].into_iter().filter(|text| !text.is_empty()).collect();
        return CallToolResult::error(vec![ContentBlock::text(as_tools(&told.join("\n"), scope))]);
    }
    let Some(mut document) = tool.output.document(out, answer.queued) else {
        return CallToolResult::success(vec![ContentBlock::text(out)]);
    };
    if tool.output == Output::Tasks
        && let (Some(page), Some(tasks)) = (page, document["tasks"].as_array())
        && u64::try_from(tasks.len()).is_ok_and(|shown| shown >= page)
        && let Some(last) = tasks.last().map(|task| task["id"].clone())
    {
        document["next_after"] = last;
    }
    let text = match tool.output {
        // Words read better than an object with words in it.
        Output::Done => out.to_owned(),
        _ if answer.queued => out.to_owned(),
        _ => document.to_string(),
    };
    let mut content = vec![ContentBlock::text(text)];
    if !err.is_empty() {
        content.push(ContentBlock::text(as_tools(err, scope)));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(document);
    result
}

/// The commands in a sentence, which stand between back-ticks, as calls of tools. One that is no tool here stays as it
/// is: it is for somebody else to type.
fn as_tools(text: &str, scope: Scope) -> String {
    let mut parts: Vec<String> = text.split('`').map(str::to_owned).collect();
    let last = parts.len() - 1;
    for (place, part) in parts.iter_mut().enumerate() {
        if place % 2 == 1
            && place < last
            && let Some(call) = as_tool(part, scope)
        {
            *part = call;
        }
    }
    parts.join("`")
}

/// `kanban block t_1 --kind needs_input "WHAT"` as `kanban_block {"task_id":"t_1","kind":"needs_input","reason":"WHAT"}`.
fn as_tool(command: &str, scope: Scope) -> Option<String> {
    let words = split(command);
    let (program, mut words) = words.split_first()?;
    if program != "kanban" {
        return None;
    }
    let mut board = None;
    if let [flag, slug, rest @ ..] = words
        && flag == "--board"
    {
        (board, words) = (Some(slug), rest);
    }
    let (verb, words) = words.split_first()?;
    let tool = tools::of(scope).iter().find(|tool| tool.verb == verb)?;
    let mut values = schema::values(&tool.fields, words)?;
    if let Some(board) = board {
        values.insert("board".to_owned(), json!(board));
    }
    Some(format!("{} {}", tool.name, Value::Object(values)))
}

/// Words as a shell takes them, as far as our own sentences go.
fn split(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
