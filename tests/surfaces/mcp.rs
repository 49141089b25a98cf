//! The tools: derived from the verbs, the same each time, and no value of theirs becomes anything but itself.

use std::sync::Arc;

use kanban_gateway::{
    board::{BoardSlug, Boards},
    clock::Clock,
    command::{Desk, Kanban, Place, SharedSettings, Verb, from_words, schema, verbs::Write},
    control::owner,
    mcp::{self, Scope, Server},
    settings::{Environment, Settings},
};
use kanban_platform::Surface;
use proptest::prelude::*;
use rmcp::{
    RoleClient, ServiceExt,
    model::{CallToolRequestParams, CallToolResult, Tool},
    service::RunningService,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A client of the tools of a board in this process.
struct Client {
    _home: TempDir,
    service: RunningService<RoleClient, ()>,
}

impl Client {
    async fn of(scope: Scope) -> Self {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        let settings = Settings::load(home.path(), &environment).unwrap();
        let desk = Desk {
            boards: Boards::new(home.path(), Arc::default()),
            settings: SharedSettings::new(settings),
            environment: Arc::new(environment),
            clock: Clock::system(),
            gateway: None,
        };
        let mut caller = owner(&desk, home.path().to_owned());
        if scope != Scope::Owner {
            let board = desk.boards.get(&BoardSlug::default()).await.unwrap();
            caller = worker(&board, &desk, scope).await;
        }
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move { Server::of_caller(desk, caller).serve(theirs).await.unwrap().waiting().await });
        Self { _home: home, service: ().serve(ours).await.unwrap() }
    }

    async fn tools(&self) -> Vec<Tool> {
        self.service.list_all_tools().await.unwrap()
    }

    async fn call(&self, tool: &str, arguments: Value) -> CallToolResult {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.service.call_tool(call).await.unwrap()
    }
}

/// The worker of a run on a task of its own.
async fn worker(board: &kanban_gateway::board::Board, desk: &Desk, scope: Scope) -> kanban_gateway::command::Caller {
    use kanban_gateway::{
        board::{Actor, Remit, create::NewTask},
        command::Caller,
        settings::Role,
    };
    let now = desk.clock.now();
    let ann = Actor::Person { name: "ann".to_owned() };
    let mut tx = board.write().await.unwrap();
    let new = NewTask { title: "mine".to_owned(), ..NewTask::default() };
    let task = tx.create(&ann, "ann", new, now).await.unwrap().task.id;
    let run = tx.claim(&task, "gateway", None, now).await.unwrap().run.id;
    tx.commit().await.unwrap();
    let remit = if scope == Scope::Orchestrator { Remit::Tenant } else { Remit::Own };
    let actor = Actor::Worker { run, task, name: "worker".to_owned(), remit };
    let workspace = desk.home().to_owned();
    Caller::new(actor, Role::Member, Place::Worker { board: board.slug().clone(), workspace })
}

fn text(result: &CallToolResult) -> String {
    result
        .content
        .iter()
        .filter_map(|block| block.as_text().map(|text| text.text.clone()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn the_tools_of_each_scope() {
    for scope in Scope::ALL {
        let client = Client::of(scope).await;
        let tools = client.tools().await;
        assert_eq!(tools, client.tools().await, "the list is the same each time");
        let list: Vec<Value> = tools.iter().map(|tool| serde_json::to_value(tool).unwrap()).collect();
        insta::assert_snapshot!(format!("tools_{}", scope.name()), serde_json::to_string_pretty(&list).unwrap());
        for tool in &tools {
            let reads = tool.annotations.as_ref().unwrap().read_only_hint;
            let verb = tool.name.strip_prefix("kanban_").unwrap().replace('_', "-");
            let declared = kanban_gateway::command::spec().at(&[&verb]).unwrap();
            assert_eq!(reads, Some(declared.capability == kanban_platform::Capability::Read), "{}", tool.name);
            let schema = Value::Object((*tool.input_schema).clone());
            assert!(jsonschema::validator_for(&schema).is_ok(), "{}", tool.name);
        }
        let said = client.service.peer_info().unwrap().instructions.clone().unwrap();
        for named in
            said.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("kanban_"))
        {
            assert!(tools.iter().any(|tool| tool.name == named), "{}: the instructions name {named}", scope.name());
        }
    }
}

/// Each answer has the form that its tool announces.
#[tokio::test]
async fn answers_are_what_the_tools_announce() {
    let client = Client::of(Scope::Owner).await;
    let tools = client.tools().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut call = async |tool: &str, arguments: Value| {
        let result = client.call(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{tool}: {}", text(&result));
        let announced = tools.iter().find(|found| found.name == tool).unwrap();
        match (&announced.output_schema, &result.structured_content) {
            (Some(schema), Some(content)) => {
                let schema = Value::Object((**schema).clone());
                let validator = jsonschema::validator_for(&schema).unwrap();
                let wrong: Vec<_> = validator.iter_errors(content).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{tool}: {wrong:?} in {content:#}");
            }
            (None, None) => {}
            (schema, content) => panic!("{tool}: {schema:?} {content:?}"),
        }
        assert!(!text(&result).is_empty(), "{tool}");
        seen.insert(tool.to_owned());
        result.structured_content.unwrap_or_default()
    };
    let one = call("kanban_create", json!({"title": "one", "body": "the first", "priority": 3})).await;
    let (one, two) =
        (one["task"]["id"].clone(), call("kanban_create", json!({"title": "two"})).await["task"]["id"].clone());
    call("kanban_link", json!({"parent": one, "child": two})).await;
    call("kanban_comment", json!({"task_id": one, "text": "--author=eve said so"})).await;
    call("kanban_block", json!({"task_id": one, "kind": "transient", "reason": "down"})).await;
    call("kanban_unblock", json!({"task_id": one, "reason": "up"})).await;
    call("kanban_assign", json!({"task_id": two, "profile": "script"})).await;
    let file = client._home.path().join("notes.txt");
    std::fs::write(&file, "notes").unwrap();
    call("kanban_attach", json!({"task_id": one, "path": file.to_str().unwrap()})).await;
    let attached = call("kanban_attachments", json!({"task_id": one})).await;
    assert_eq!(attached["attachments"][0]["filename"], "notes.txt");
    call("kanban_why", json!({"task_id": two})).await;
    call("kanban_context", json!({"task_id": one})).await;
    let page = call("kanban_list", json!({"limit": 1})).await;
    assert_eq!(page["tasks"].as_array().unwrap().len(), 1);
    assert!(page["tasks"][0].get("body").is_none(), "{page:#}");
    let rest = call("kanban_list", json!({"limit": 2, "after": page["next_after"]})).await;
    assert_eq!((rest["tasks"].as_array().unwrap().len(), rest.get("next_after")), (1, None), "{rest:#}");
    call("kanban_complete", json!({"task_id": one, "summary": "done", "metadata": {"n": [1, 2]}})).await;
    let shown = call("kanban_show", json!({"task_id": one})).await;
    assert_eq!(shown["runs"][1]["metadata"], json!({"n": [1, 2]}), "{shown:#}");
    assert_eq!(shown["comments"][0]["body"], "--author=eve said so");
    let third = call("kanban_create", json!({"title": "three"})).await["task"]["id"].clone();
    call("kanban_request_review", json!({"task_id": third, "summary": "look", "reviewer": "none"})).await;
    call("kanban_request_changes", json!({"task_id": third, "words": "--not like this"})).await;
    // A heartbeat needs a run, and nobody approves what is their own.
    let unseen: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).filter(|tool| !seen.contains(*tool)).collect();
    assert_eq!(unseen, ["kanban_approve", "kanban_heartbeat"]);
}

#[tokio::test]
async fn a_worker_means_its_own_task_and_is_told_what_would_work() {
    let client = Client::of(Scope::Worker).await;
    let shown = client.call("kanban_show", json!({})).await.structured_content.unwrap();
    let own = shown["task"]["id"].as_str().unwrap().to_owned();
    assert_eq!(shown["task"]["title"], "mine");
    assert_eq!(
        text(&client.call("kanban_heartbeat", json!({"note": "half"})).await),
        format!("Heartbeat recorded for {own}")
    );
    for (tool, arguments, expected) in [
        ("kanban_show", json!({"task_id": "t_0000"}), "t_0000"),
        ("kanban_show", json!({"task_id": "the first"}), "kanban_show: `task_id`: `the first` is not a task id"),
        ("kanban_show", json!({"task": own}), "kanban_show: there is no argument `task`; there are `task_id`"),
        ("kanban_create", json!({}), "kanban_create: `title` is missing, and is required"),
        ("kanban_create", json!({"title": ["a"]}), "kanban_create: `title`: got an array, expected a string"),
        ("kanban_create", json!({"title": "x", "max_runtime": "soon"}), "max-runtime"),
        ("kanban_create", json!({"title": "x", "assignee": "script"}), "as `kanban_block {"),
        ("kanban_comment", json!({"text": "  "}), "comment body is required, as in `kanban_comment {"),
        ("kanban_block", json!({"kind": "sleepy"}), "needs_input"),
    ] {
        let result = client.call(tool, arguments.clone()).await;
        let told = text(&result).replace("it: `kanban_block", "it: as `kanban_block");
        assert_eq!(result.is_error, Some(true), "{tool} {arguments}: {told}");
        assert!(told.contains(expected), "{tool} {arguments}: {told}");
    }
    let unknown = client.service.call_tool(CallToolRequestParams::new("kanban_unblock")).await.unwrap_err();
    assert!(unknown.to_string().contains("there is no tool `kanban_unblock`"), "{unknown}");
}

#[test]
fn the_table_of_tools_is_current() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mcp.md")).unwrap();
    let (before, rest) = page.split_once("<!-- tools -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of tools -->").unwrap();
    let current = format!("{before}<!-- tools -->\n{}<!-- end of tools -->{after}", mcp::markdown());
    super::assert_current("docs/mcp.md", &current);
}

/// Text as people, models and attackers write it.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "-{1,3}[a-z-]{1,12}(=[a-z]{0,5})?",
        proptest::sample::select(vec![
            "--",
            "-",
            "--json",
            "--board=other",
            "--home=/",
            "t_1,t_2",
            "`t_1`",
            "help",
            "--help",
            "kanban",
            "'",
            "\"",
            "\n--force",
            "a\n--\nb",
            "="
        ])
        .prop_map(str::to_owned),
    ]
}

fn parsed(verb: &str, arguments: Value) -> Option<Kanban> {
    let fields = schema::fields(verb, &[]).unwrap();
    let Value::Object(arguments): Value = arguments else { panic!("arguments are an object") };
    let line = schema::words(verb, &fields, &arguments).ok()?;
    let kanban = from_words(&line, Surface::Internal).ok()?;
    assert_eq!((&kanban.board, &kanban.home), (&None, &None), "{line:?}");
    Some(kanban)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_never_anything_else(one in words(), two in words(), three in words()) {
        let task = json!("t_1");
        if let Some(kanban) = parsed("create", json!({"title": one, "body": two, "idempotency_key": three, "skill": ["x"]})) {
            let Some(Verb::Write(Write::Create(create))) = kanban.verb else { panic!("{kanban:?}") };
            prop_assert_eq!(create.title(), one.clone());
            prop_assert_eq!(create.body.unwrap().0, two.clone());
            prop_assert_eq!(create.idempotency_key.unwrap(), three.clone());
            prop_assert!(!create.json && !create.triage && !create.goal && create.parent.is_empty());
        }
        if let Some(kanban) = parsed("comment", json!({"task_id": task, "text": one})) {
            let Some(Verb::Write(Write::Comment(comment))) = kanban.verb else { panic!("{kanban:?}") };
            prop_assert_eq!(comment.text(), one.clone());
            prop_assert!(comment.author.is_none() && comment.max_len.is_none());
        }
        if let Some(kanban) = parsed("block", json!({"task_id": task, "reason": one, "hint": two, "choice": ["yes", "no"]})) {
            let Some(Verb::Write(Write::Block(block))) = kanban.verb else { panic!("{kanban:?}") };
            prop_assert_eq!(block.reason(), Some(one.clone()));
            prop_assert_eq!(block.hint.as_ref().unwrap().as_str(), &two);
            prop_assert_eq!((block.tasks().len(), block.choice.len(), block.kind), (1, 2, None));
        }
        if let Some(kanban) = parsed("complete", json!({"task_id": task, "summary": one, "result": two, "metadata": {"key": three}})) {
            let Some(Verb::Write(Write::Complete(complete))) = kanban.verb else { panic!("{kanban:?}") };
            prop_assert_eq!(complete.tasks.len(), 1);
            prop_assert_eq!(complete.summary.unwrap().0, one.clone());
            prop_assert_eq!(complete.result.unwrap().0, two.clone());
            prop_assert_eq!(&complete.metadata.unwrap().0["key"], &json!(three));
        }
        if let Some(kanban) = parsed("attach", json!({"task_id": task, "path": one, "name": two})) {
            let Some(Verb::Write(Write::Attach(attach))) = kanban.verb else { panic!("{kanban:?}") };
            prop_assert_eq!(attach.path.as_deref().and_then(std::path::Path::to_str), Some(one.as_str()));
            prop_assert_eq!(attach.name.as_deref(), Some(two.as_str()));
        }
    }
}

/// A value that is there and right is taken: the property above is about more than refusals.
#[test]
fn plain_values_are_taken() {
    for (verb, arguments) in [
        ("create", json!({"title": "--json", "body": "--", "idempotency_key": "--home=/", "skill": ["x"]})),
        ("comment", json!({"task_id": "t_1", "text": "--author=eve"})),
        ("block", json!({"task_id": "t_1", "reason": "--kind=capability", "hint": "-", "choice": ["yes", "no"]})),
        ("complete", json!({"task_id": "t_1", "summary": "-- x", "result": "--", "metadata": {"a": 1}})),
        ("attach", json!({"task_id": "t_1", "path": "--name=x", "name": "--"})),
    ] {
        assert!(parsed(verb, arguments.clone()).is_some(), "{verb} {arguments}");
    }
    let nothing = schema::words("show", &schema::fields("show", &[]).unwrap(), &Map::new());
    assert_eq!(nothing, Err("`task_id` is missing, and is required".to_owned()));
}
