//! Which verbs are tools, and for whom; all else about a tool is derived from the declaration of its verb.

use std::sync::OnceLock;

use kanban_platform::Capability;
use rmcp::model::{JsonObject, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::output::Output;
use crate::command::{
    schema::{self, Field},
    spec,
};

/// Who is at the other end, which decides the tools that are shown. What may be done is decided by the board alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The agent of a thread, which has no door to the board.
    Nothing,
    /// The worker of a run.
    Worker,
    /// A worker whose profile says that it steers others.
    Orchestrator,
    /// The local owner.
    Owner,
}

impl Scope {
    /// Those that see tools.
    pub const ALL: [Self; 3] = [Self::Worker, Self::Orchestrator, Self::Owner];

    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Worker => "worker",
            Self::Orchestrator => "orchestrator",
            Self::Owner => "owner",
        }
    }
}

/// One verb that is a tool.
struct Row {
    verb: &'static str,
    /// The lowest scope that sees it.
    scope: Scope,
    output: Output,
    /// Whether a second call of the same changes nothing more.
    repeats: bool,
    /// What a model should know beside the verb's own sentence.
    more: &'static str,
}

const TOOLS: &[Row] = &[
    Row {
        verb: "show",
        scope: Scope::Worker,
        output: Output::Card,
        repeats: true,
        more: "With its links, attachments and the latest events",
    },
    Row {
        verb: "list",
        scope: Scope::Worker,
        output: Output::Tasks,
        repeats: true,
        more: "Without bodies, which kanban_show has; `next_after` in the answer is the `after` of the next page",
    },
    Row {
        verb: "context",
        scope: Scope::Worker,
        output: Output::Text,
        repeats: true,
        more: "Title, body, hand-offs of parents, earlier attempts, comments",
    },
    Row { verb: "why", scope: Scope::Worker, output: Output::Why, repeats: true, more: "" },
    Row {
        verb: "complete",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: true,
        more: "Ends the run. The summary is what the person who asked reads, and what tasks that wait for this one are told",
    },
    Row {
        verb: "request-review",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: true,
        more: "Ends the run, as kanban_complete does; a person or a profile approves the work or sends it back. Nobody approves work of their own",
    },
    Row {
        verb: "approve",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: true,
        more: "For the reviewer of a task: ends the reviewer's run",
    },
    Row {
        verb: "request-changes",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: false,
        more: "For the reviewer of a task: ends the reviewer's run. Say what is to be changed, and where",
    },
    Row {
        verb: "block",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: false,
        more: "Ends the run; a new one begins when the task is released. A question must be answerable from a phone: say what you need to know, the choices, and which you would take",
    },
    Row {
        verb: "heartbeat",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: true,
        more: "For steps that take more than a few minutes",
    },
    Row { verb: "comment", scope: Scope::Worker, output: Output::Done, repeats: false, more: "" },
    Row {
        verb: "create",
        scope: Scope::Worker,
        output: Output::Created,
        repeats: false,
        more: "Without an assignee it waits until somebody gives it to a profile. Give an idempotency key where the call may be repeated",
    },
    Row { verb: "link", scope: Scope::Worker, output: Output::Done, repeats: true, more: "" },
    Row {
        verb: "unblock",
        scope: Scope::Orchestrator,
        output: Output::Done,
        repeats: false,
        more: "What waits for a person's answer only a person releases",
    },
    Row { verb: "assign", scope: Scope::Orchestrator, output: Output::Done, repeats: true, more: "" },
    Row {
        verb: "attach",
        scope: Scope::Worker,
        output: Output::Done,
        repeats: false,
        more: "A worker attaches files of its own workspace",
    },
    Row { verb: "attachments", scope: Scope::Worker, output: Output::Attachments, repeats: true, more: "" },
];

/// Arguments that belong to a terminal: the form of the answer, names that nobody may choose, and bulk.
const LEFT_OUT: &[&str] = &[
    "json",
    "author",
    "created_by",
    "ids",
    "max_len",
    "session",
    "state_name",
    "state_type",
    "step_key",
    "workflow_template_id",
];

/// A tool as a scope sees it.
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) verb: &'static str,
    pub(super) fields: Vec<Field>,
    pub(super) output: Output,
    /// What the client is told of it.
    pub(super) listed: rmcp::model::Tool,
}

/// The tools of a scope, in the order of the table.
pub(super) fn of(scope: Scope) -> &'static [Tool] {
    static WORKER: OnceLock<Vec<Tool>> = OnceLock::new();
    static ORCHESTRATOR: OnceLock<Vec<Tool>> = OnceLock::new();
    static OWNER: OnceLock<Vec<Tool>> = OnceLock::new();
    let made = match scope {
        Scope::Nothing => return &[],
        Scope::Worker => &WORKER,
        Scope::Orchestrator => &ORCHESTRATOR,
        Scope::Owner => &OWNER,
    };
    made.get_or_init(|| TOOLS.iter().filter(|row| row.scope <= scope).filter_map(|row| tool(row, scope)).collect())
}

/// A tool by its name.
pub(super) fn find(scope: Scope, name: &str) -> Option<&'static Tool> {
    of(scope).iter().find(|tool| tool.name == name)
}

/// The names of a scope's tools, each with those of its arguments.
pub fn arguments(scope: Scope) -> Vec<(String, Vec<String>)> {
    let names = |tool: &Tool| tool.fields.iter().map(|field| field.name.clone()).collect();
    of(scope).iter().map(|tool| (tool.name.clone(), names(tool))).collect()
}

/// The tools as a table for docs/mcp.md.
pub fn markdown() -> String {
    let mut text = String::from("| tool | what it does | for | answers |\n|---|---|---|---|\n");
    for tool in of(Scope::Owner) {
        let least = Scope::ALL.into_iter().find(|scope| find(*scope, &tool.name).is_some()).unwrap_or(Scope::Owner);
        let about = tool.listed.description.as_deref().unwrap_or_default().replace('|', "\\|");
        text.push_str(&format!("| `{}` | {about} | {} | {} |\n", tool.name, least.name(), tool.output.about()));
    }
    text
}

impl Tool {
    /// The argument that names the task that a call is about.
    pub(super) fn subject(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.is_subject() && field.name == "task_id")
    }

    pub(super) fn is_paged(&self) -> bool {
        self.output == Output::Tasks
    }

    /// Whether its verb is to answer with a document.
    pub(super) fn asks_for_json(&self) -> bool {
        !matches!(self.output, Output::Text | Output::Done)
    }
}

fn tool(row: &Row, scope: Scope) -> Option<Tool> {
    let verb = spec().at(&[row.verb])?;
    let mut fields = schema::fields(row.verb, LEFT_OUT)?;
    if scope == Scope::Owner {
        fields.extend(schema::board());
    } else {
        // Where none is named, a worker means its own task.
        for field in fields.iter_mut().filter(|field| field.is_subject() && field.name == "task_id") {
            field.required = false;
            let about = field.schema["description"].as_str().unwrap_or_default();
            field.schema["description"] = json!(format!("{about}; your own task where none is given"));
        }
    }
    let reads = verb.capability == Capability::Read;
    let name = format!("kanban_{}", row.verb.replace('-', "_"));
    let description =
        if row.more.is_empty() { format!("{}.", verb.about) } else { format!("{}. {}.", verb.about, row.more) };
    let annotations = ToolAnnotations::with_title(title(row.verb))
        .read_only(reads)
        .destructive(false)
        .idempotent(reads || row.repeats)
        .open_world(false);
    let mut listed = rmcp::model::Tool::new(name.clone(), description, input(&fields)).with_annotations(annotations);
    if let Some(schema) = row.output.schema() {
        listed = listed.with_raw_output_schema(std::sync::Arc::new(schema));
    }
    Some(Tool { name, verb: row.verb, fields, output: row.output, listed })
}

fn input(fields: &[Field]) -> JsonObject {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.clone(), field.schema.clone())).collect();
    let required: Vec<_> = fields.iter().filter(|field| field.required).map(|field| field.name.clone()).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

/// `Request review` for `request-review`.
fn title(verb: &str) -> String {
    let words = verb.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
