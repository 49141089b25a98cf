//! The recipes against the agents' own words: what their `--help` says, kept with its version.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use kanban_gateway::settings::{Environment, Settings, Template};

const AGENTS: [&str; 5] = ["claude", "codex", "gemini", "opencode", "hermes"];

/// What an agent prints about its command line.
fn help_of(agent: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agents");
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_its = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{agent}-"));
    fs::read_to_string(files.find(|path| is_its(path)).unwrap_or_else(|| panic!("there is no help of {agent}")))
        .unwrap()
}

/// The flags that a help text lists, long and short, and the words it consists of.
fn words_of(help: &str) -> BTreeSet<&str> {
    help.split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '|' | '=' | '(' | ')' | '<' | '>'))
        .collect()
}

#[test]
fn every_flag_and_every_verb_of_a_recipe_is_in_the_help_of_its_program() {
    let home = tempfile::tempdir().unwrap();
    let profiles: String = AGENTS.iter().map(|agent| format!("[profiles.{agent}]\n")).collect();
    fs::write(home.path().join("kanban.toml"), profiles).unwrap();
    let settings = Settings::load(home.path(), &Environment::default()).unwrap();
    for agent in AGENTS {
        let help = help_of(agent);
        let known = words_of(&help);
        let profile = settings.profiles.get(&agent.parse().unwrap()).unwrap();
        let probes = [&profile.probes.version, &profile.probes.status];
        let probed = probes.into_iter().flatten().flat_map(Template::source);
        let flags: Vec<_> = profile.words().into_iter().chain(probed).filter(|word| is_flag(word)).collect();
        assert!(!flags.is_empty(), "{agent}");
        for flag in flags {
            assert!(known.contains(flag), "{agent} does not know `{flag}`");
        }
        let verbs = ["exec", "resume", "run", "chat", "login", "auth", "status"];
        for verb in profile.words().into_iter().filter(|word| verbs.contains(word)) {
            assert!(known.contains(verb), "{agent} does not know `{verb}`");
        }
    }
}

fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}
