//! The invariants of the layout: who may name what. See `docs/architecture.md`.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use config::{FileFormat, Format, Map, Value, ValueKind};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Rust files below these folders, by their path from the root, with their text.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&Path::new(ROOT).join(folder), &mut files);
    }
    let sources: Vec<_> = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| (relative(&file), fs::read_to_string(&file).unwrap()))
        .collect();
    assert!(sources.len() > 5, "the sources should be found below {folders:?}");
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                walk(&path, files);
            }
        } else {
            files.push(path);
        }
    }
}

fn relative(file: &Path) -> String {
    file.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned()
}

/// Tells whether code, comments left aside, has a word.
fn names(text: &str, word: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
    })
}

fn named_only_in(word: &str, allowed: &[&str]) {
    let elsewhere: Vec<_> = sources(&["src", "adapters", "tests/fakes"])
        .into_iter()
        .filter(|(file, text)| names(text, word) && !allowed.iter().any(|place| file.starts_with(place)))
        .map(|(file, _)| file)
        .collect();
    assert!(elsewhere.is_empty(), "`{word}` may be named in {allowed:?} alone, and is in {elsewhere:?}");
}

#[test]
fn only_the_board_knows_sql() {
    named_only_in("sqlx", &["src/board/", "src/board.rs", "src/import/", "src/import.rs"]);
}

#[test]
fn verbs_are_declared_in_command() {
    for word in ["clap", "clap_complete"] {
        named_only_in(word, &["src/command/", "src/command.rs", "src/main.rs"]);
    }
}

#[test]
fn each_platform_is_known_to_its_adapter() {
    named_only_in("rustyline", &["adapters/console/"]);
    named_only_in("serenity", &["adapters/discord/"]);
    named_only_in("teloxide", &["adapters/telegram/"]);
    named_only_in("slack_morphism", &["adapters/slack/"]);
}

#[test]
fn unsafe_code_is_in_one_file() {
    named_only_in("unsafe", &["src/process.rs"]);
}

#[test]
fn every_member_forbids_unsafe_code() {
    let manifests = manifests();
    for (manifest, _) in manifests.iter().filter(|(manifest, _)| manifest != "Cargo.toml") {
        let root = manifest.replace("Cargo.toml", "src/lib.rs");
        let text = fs::read_to_string(Path::new(ROOT).join(&root)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{root} should forbid unsafe code");
    }
}

#[test]
fn adapters_depend_on_nothing_of_ours_but_the_contract() {
    for (manifest, table) in manifests().into_iter().filter(|(manifest, _)| manifest.starts_with("adapters/")) {
        let ours: Vec<_> = dependencies(&table, &["dependencies", "build-dependencies"])
            .into_iter()
            .filter(|name| name.starts_with("kanban") && name != "kanban-platform")
            .collect();
        assert!(ours.is_empty(), "{manifest} depends on {ours:?}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/dependencies.md")).unwrap();
    let explained: BTreeSet<_> =
        page.lines().filter_map(|line| Some(line.strip_prefix("- `")?.split_once("`: ")?.0.to_owned())).collect();
    let used: BTreeSet<_> = manifests()
        .iter()
        .flat_map(|(_, table)| dependencies(table, &["dependencies", "dev-dependencies", "build-dependencies"]))
        .collect();
    assert!(used.contains("tokio"), "the manifests should be found");
    assert_eq!(explained, used, "docs/dependencies.md should have a line for each dependency and none more");
}

#[test]
fn a_file_is_named_after_what_it_has() {
    for (file, _) in sources(&["src", "adapters", "tests"]) {
        for word in file.trim_end_matches(".rs").split(['/', '_']) {
            assert!(!["utils", "util", "common", "manager", "helper", "helpers", "misc"].contains(&word), "{file}");
        }
    }
}

#[test]
fn every_file_begins_with_its_sentence() {
    for (file, text) in sources(&["src", "adapters", "tests"]) {
        assert!(text.starts_with("//! "), "{file} should begin with `//!` and what it is");
    }
}

fn manifests() -> Vec<(String, Map<String, Value>)> {
    let mut files = vec![Path::new(ROOT).join("Cargo.toml")];
    for folder in ["adapters", "tests"] {
        walk(&Path::new(ROOT).join(folder), &mut files);
    }
    files
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name == "Cargo.toml"))
        .map(|file| (relative(&file), FileFormat::Toml.parse(None, &fs::read_to_string(&file).unwrap()).unwrap()))
        .collect()
}

/// The names in these tables of a manifest, also in those for one target alone.
fn dependencies(manifest: &Map<String, Value>, kinds: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in manifest {
        let ValueKind::Table(table) = &value.kind else { continue };
        if kinds.contains(&key.as_str()) {
            names.extend(table.keys().cloned());
        } else if key == "target" {
            for platform in table.values() {
                let ValueKind::Table(platform) = &platform.kind else { continue };
                names.extend(dependencies(platform, kinds));
            }
        }
    }
    names
}
