//! Slack's manifest, made from the real declaration: the files for people to paste, and whether Slack takes them.

use kanban_fakes::published;
use kanban_gateway::command::{spec, verbs::MENU};
use kanban_slack::{Mode, manifest};
use serde_json::Value;

use crate::{assert_current, read};

/// Stands in the file for HTTP mode; people put their own in its place.
const ADDRESS: &str = "https://kanban.example.org/slack";

const PAGE: &str = "docs/platforms/slack.md";
const SOCKET: &str = "docs/platforms/slack-manifest.json";
const HTTP: &str = "docs/platforms/slack-manifest-http.json";

fn socket() -> Value {
    manifest(spec(), Mode::Socket, None)
}

fn http() -> Value {
    manifest(spec(), Mode::Http, Some(ADDRESS))
}

fn hint() -> String {
    socket()["features"]["slash_commands"][0]["usage_hint"].as_str().unwrap().to_owned()
}

#[test]
fn the_files_to_paste_are_current() {
    for (file, manifest) in [(SOCKET, socket()), (HTTP, http())] {
        assert_current(file, &format!("{manifest:#}\n"));
    }
}

#[test]
fn slacks_published_schema_takes_the_manifests() {
    let Some(schema) = published("slack-manifest.schema.json") else { return };
    let validator = jsonschema::validator_for(&schema).unwrap();
    for manifest in [socket(), http()] {
        let wrong: Vec<_> = validator.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let mut long = manifest;
        long["display_information"]["name"] = "x".repeat(100).into();
        assert!(!validator.is_valid(&long), "limits should be looked at");
    }
}

#[test]
fn the_usage_hint_names_every_verb_of_the_menu() {
    let hint = hint();
    let mut named: Vec<_> = hint.split(" | ").collect();
    let mut expected = MENU.to_vec();
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

/// In socket mode Slack calls nobody; in HTTP mode each way in has the address.
#[test]
fn each_mode_asks_for_its_own_way_in() {
    fn addresses(value: &Value) -> usize {
        match value {
            Value::String(text) => usize::from(text.starts_with("https://")),
            Value::Array(items) => items.iter().map(addresses).sum(),
            Value::Object(fields) => fields.values().map(addresses).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    let (socket, http) = (socket(), http());
    assert_eq!((addresses(&socket), addresses(&http)), (0, 4));
    assert_eq!(socket["settings"]["socket_mode_enabled"], true);
    assert_eq!(http["settings"]["socket_mode_enabled"], false);
    assert_eq!(socket["oauth_config"], http["oauth_config"]);
}

#[test]
fn the_page_shows_how_to_use_the_files() {
    let page = read(PAGE);
    for file in [SOCKET, HTTP] {
        let name = file.rsplit('/').next().unwrap();
        assert!(page.contains(&format!("[{name}]({name})")), "{PAGE} should link to {name}");
    }
    assert!(page.contains(&format!("`{ADDRESS}`")), "{PAGE} should say what is put in the place of {ADDRESS}");
    let shown = page.lines().find_map(|line| line.trim().strip_prefix("/kanban ")?.contains(" | ").then_some(line));
    assert_eq!(shown.map(str::trim), Some(format!("/kanban {}", hint()).as_str()), "the hint on {PAGE}");
}
