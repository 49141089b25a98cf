//! The manifest, as Slack's published schema takes it.

use std::collections::BTreeMap;

use kanban_platform::{Capability, Spec, Surface};
use kanban_slack::{Mode, SCOPES, manifest};

fn verb(name: &str, surface: Surface) -> Spec {
    Spec {
        name: name.to_owned(),
        about: "A board of tasks that workers do".to_owned(),
        aliases: Vec::new(),
        usage: String::new(),
        args: Vec::new(),
        verbs: Vec::new(),
        surface,
        capability: Capability::Read,
        shortcut: None,
        translations: BTreeMap::new(),
    }
}

fn spec() -> Spec {
    let verbs = vec![verb("create", Surface::Menu), verb("list", Surface::Menu), verb("gc", Surface::Chat)];
    Spec { verbs, ..verb("kanban", Surface::Menu) }
}

/// As many verbs as no hint has room for.
fn huge() -> Spec {
    let verbs = (0..400).map(|number| verb(&format!("verb{number}"), Surface::Menu)).collect();
    Spec { about: "x".repeat(500), verbs, ..verb("kanban", Surface::Menu) }
}

#[test]
fn the_manifest_of_each_mode() {
    insta::assert_json_snapshot!("socket", manifest(&spec(), Mode::Socket, None));
    insta::assert_json_snapshot!("http", manifest(&spec(), Mode::Http, Some("https://kanban.example.com/slack")));
}

#[test]
fn slacks_published_schema_takes_it() {
    let Some(schema) = kanban_fakes::published("slack-manifest.schema.json") else { return };
    let validator = jsonschema::validator_for(&schema).unwrap();
    for spec in [spec(), huge()] {
        for manifest in [
            manifest(&spec, Mode::Socket, Some("https://not.used")),
            manifest(&spec, Mode::Http, Some("https://kanban.example.com/slack")),
        ] {
            let wrong: Vec<String> = validator.iter_errors(&manifest).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{wrong:#?}");
            assert_eq!(manifest["oauth_config"]["scopes"]["bot"].as_array().unwrap().len(), SCOPES.len());
        }
    }
}
