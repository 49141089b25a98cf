//! The invariants of the layout: who may name what. See `docs/architecture.md`.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use config::{FileFormat, Format, Map, Value, ValueKind};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The clients of the platforms, and the adapter that each is for.
const CLIENTS: [(&str, &str); 3] =
    [("serenity", "adapters/discord/"), ("teloxide", "adapters/telegram/"), ("slack-morphism", "adapters/slack/")];

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

/// As [`named_only_in`], for words that also have an everyday meaning: only where they are called.
fn named_only_in_calls_of(function: &str, allowed: &str) {
    for (file, text) in sources(&["src", "adapters"]) {
        let calls = text.lines().any(|line| {
            line.contains(&format!("process::{function}(")) || line.contains(&format!("libc::{function}("))
        });
        assert!(!calls || file == allowed, "`{function}` may be called in {allowed} alone, and is in {file}");
    }
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
fn tools_are_served_in_mcp() {
    for word in ["rmcp", "hyper"] {
        named_only_in(word, &["src/mcp/", "src/mcp.rs", "adapters/", "tests/fakes/"]);
    }
}

#[test]
fn each_platform_is_known_to_its_adapter() {
    named_only_in("rustyline", &["adapters/console/"]);
    for (client, adapter) in CLIENTS {
        // Slack's client also reads the events of our own server, in its tests.
        named_only_in(&client.replace('-', "_"), &[adapter, "tests/fakes/tests/slack/"]);
    }
}

/// A client that is named nowhere may still come in by a manifest.
#[test]
fn each_client_comes_in_by_its_adapter_alone() {
    let bans = fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap();
    for (client, adapter) in CLIENTS {
        for (manifest, table) in manifests() {
            let names = dependencies(&table, &["dependencies", "build-dependencies"]);
            assert!(!names.contains(&client.to_owned()) || manifest.starts_with(adapter), "{manifest} has `{client}`");
        }
        let member = adapter.trim_matches('/').replace("adapters/", "kanban-");
        let ban = format!("{{ crate = \"{client}\", wrappers = [\"{member}\"");
        assert!(bans.contains(&ban), "deny.toml should allow `{client}` in `{member}`");
    }
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
fn the_board_neither_sends_nor_spawns() {
    for (file, text) in sources(&["src/board"]) {
        for module in ["command", "control", "dispatcher", "gateway", "notifier", "process", "settings", "shim"] {
            let named = text.contains(&format!("crate::{module}")) || text.contains(&format!("    {module}::"));
            assert!(
                !named,
                "{file} names `{module}`; the board changes rows and wakes others, who act after its commit"
            );
        }
        for word in ["Platform", "Commands", "Command", "TcpStream", "UnixStream"] {
            assert!(!names(&text, word), "{file} names `{word}`; what is sent or started waits for the commit");
        }
    }
}

#[test]
fn processes_are_signalled_in_one_file() {
    for word in ["kill_process", "kill_process_group", "pidfd_open", "pidfd_send_signal", "kill", "killpg"] {
        named_only_in_calls_of(word, "src/process.rs");
    }
}

/// The lints that hold what no test can see: each of these would let something in or out by the back door.
#[test]
fn the_lints_that_hold_invariants_are_on() {
    let lints = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    for lint in ["disallowed_methods", "print_stdout", "print_stderr", "allow_attributes", "await_holding_lock"] {
        assert!(lints.contains(&format!("\n{lint} = \"deny\"\n")), "`{lint}` should be denied in Cargo.toml");
    }
    for (manifest, text) in manifests() {
        let ours = text.get("lints").is_some_and(|lints| lints.to_string().contains("workspace"));
        assert!(ours, "{manifest} should have the lints of the workspace");
    }
    let banned = fs::read_to_string(Path::new(ROOT).join("clippy.toml")).unwrap();
    for method in ["time::SystemTime::now", "env::var", "env::var_os", "env::vars", "env::vars_os", "thread::sleep"] {
        assert!(banned.contains(&format!("\"std::{method}\"")), "`std::{method}` should be disallowed in clippy.toml");
    }
}

/// Whoever reads the clock or the environment by an exception from the lint is listed here.
#[test]
fn what_comes_from_outside_comes_through_one_door() {
    let exceptions: Vec<_> = sources(&["src", "adapters"])
        .into_iter()
        .filter(|(file, text)| !file.contains("/tests/") && names(text, "disallowed_methods"))
        .map(|(file, _)| file)
        .collect();
    // What points git at another repository is taken out of its environment, and none of it is read.
    let expected = ["src/clock.rs", "src/dispatcher/workspace/program.rs", "src/settings/environment.rs"];
    assert_eq!(exceptions.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    named_only_in("getrandom", &["src/random.rs"]);
}

#[test]
fn each_invariant_names_tests_that_exist() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/architecture.md")).unwrap();
    let code = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let code: Vec<_> = code.lines().filter_map(|line| line.strip_prefix("//!")).map(str::trim_end).collect();
    let (on_page, in_code) = (invariants(&page), invariants(&code.join("\n")));
    assert!(on_page.len() >= 12, "the invariants should be found in docs/architecture.md");
    assert_eq!(in_code.len(), on_page.len(), "src/lib.rs should have each invariant too");
    for (number, (page, code)) in on_page.iter().zip(&in_code).enumerate() {
        assert!(!page.is_empty(), "invariant {} should name a test", number + 1);
        assert!(!code.is_empty(), "invariant {} should name a test in src/lib.rs", number + 1);
        assert!(code.iter().all(|test| page.contains(test)), "{code:?} of src/lib.rs should be among {page:?}");
        for test in page {
            assert!(is_test(test), "invariant {} names `{test}`, which is no test", number + 1);
        }
    }
}

/// The tests that each item of the list below "Invariants" names, as `file::name`.
fn invariants(text: &str) -> Vec<Vec<String>> {
    let (_, list) = text.split_once("# Invariants\n").unwrap_or_default();
    let mut invariants: Vec<Vec<String>> = Vec::new();
    for line in list.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)) {
        if line.starts_with(&format!("{}. ", invariants.len() + 1)) {
            invariants.push(Vec::new());
        }
        let spans = line.split('`').skip(1).step_by(2);
        if let Some(tests) = invariants.last_mut() {
            tests.extend(spans.filter(|span| span.contains(".rs::")).map(str::to_owned));
        }
    }
    invariants
}

/// Whether `folder/file.rs::name` is a function under a test attribute.
fn is_test(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let Ok(text) = fs::read_to_string(Path::new(ROOT).join(file)) else { return false };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(number, line)| {
        let is_named = line.trim_start_matches("async ").starts_with(&format!("fn {name}("));
        let above = lines[..number].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
        is_named && above.into_iter().any(|line| matches!(*line, "#[test]") || line.starts_with("#[tokio::test"))
    })
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

/// What stands in a manifest and is used nowhere is built for nothing.
#[test]
fn every_dependency_is_used() {
    for (manifest, table) in manifests() {
        let folder = Path::new(ROOT).join(&manifest).parent().unwrap().to_owned();
        let text_of = |folders: &[&str]| {
            let mut files = Vec::new();
            for folder in folders.iter().map(|name| folder.join(name)).filter(|folder| folder.is_dir()) {
                walk(&folder, &mut files);
            }
            let is_ours = |file: &&PathBuf| manifest != "Cargo.toml" || !relative(file).starts_with("tests/fakes");
            let files = files.iter().filter(is_ours).filter(|file| file.extension().is_some_and(|end| end == "rs"));
            files.map(|file| fs::read_to_string(file).unwrap()).collect::<String>()
        };
        let (program, tests) = (text_of(&["src"]), text_of(&["src", "tests", "benches", "examples"]));
        for (kind, text) in [("dependencies", &program), ("dev-dependencies", &tests)] {
            for name in dependencies(&table, &[kind]) {
                assert!(opens_path(text, &name.replace('-', "_")), "{manifest} has `{name}` in its {kind} for nothing");
            }
        }
    }
}

/// Whether code, comments left aside, has a path that begins with the name of a crate.
fn opens_path(text: &str, name: &str) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut starts = code.flat_map(|code| code.match_indices(name).map(move |(at, _)| (&code[..at], &code[at..])));
    starts.any(|(before, from)| {
        let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'));
        is_whole && from[name.len()..].starts_with("::")
    })
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
