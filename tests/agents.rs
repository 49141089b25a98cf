//! The recipes against the agents' own words: what their `--help` says, kept with its version. And the shape of what they
//! are started with, whatever people type.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/scale.rs"]
mod scale;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use kanban_gateway::settings::{Environment, Profile, Purpose, Settings, Template, Values};

use crate::scale::Scale;

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
    let settings = settings_with("");
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

/// Settings with the recipes of all agents, and more.
fn settings_with(more: &str) -> Settings {
    let home = tempfile::tempdir().unwrap();
    let profiles: String = AGENTS.iter().map(|agent| format!("[profiles.{agent}]\n")).collect();
    fs::write(home.path().join("kanban.toml"), format!("{profiles}{more}")).unwrap();
    Settings::load(home.path(), &Environment::default()).unwrap()
}

/// What a stand-in takes is no more than what its agent says it takes.
#[test]
fn the_stand_ins_take_no_flag_that_their_agent_does_not_have() {
    for agent in AGENTS {
        let help = help_of(agent);
        let known = words_of(&help);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents").join(agent);
        let script = fs::read_to_string(file).unwrap();
        let arms = script.lines().map(str::trim).filter(|line| line.contains(") ") || line.ends_with(')'));
        let patterns = arms.filter_map(|line| Some(line.split_once(')')?.0));
        let flags: BTreeSet<_> = patterns
            .flat_map(|pattern| pattern.split('|'))
            .map(|flag| flag.trim().trim_start_matches("exec,").trim_start_matches("*,"))
            .filter(|flag| is_flag(flag) && !flag.contains('*'))
            .collect();
        assert!(flags.len() >= 4, "{agent}: {flags:?}");
        for flag in flags {
            assert!(known.contains(flag), "the stand-in for {agent} takes `{flag}`, and the agent does not");
        }
    }
}

/// A recipe with every placeholder at every place where a text of people may stand.
const ALL_PLACES: &str = r#"
[profiles.title]
command = ["bot", "--title={title}", "{title}", "-x", "in {workspace}: {title}", "--", "{title}"]
resume = ["bot", "-r", "{session}", "{title}"]
mcp = ["--mcp", "{mcp_file}"]
mcp_file = { server = "{kanban}" }
[profiles.argument]
command = ["bot", "--session", "{session}", "--", "{prompt}"]
"#;

/// Texts that have broken something somewhere, and mixtures of them.
fn text(scale: &mut Scale) -> String {
    const PIECES: [&str; 32] = [
        "",
        "-",
        "--",
        "--help",
        "-p",
        "{prompt_file}",
        "{title}",
        "{session}",
        "{{",
        "}}",
        "{",
        "\0",
        "\n",
        "\r\n",
        "\"",
        "'",
        "$(id)",
        "`id`",
        ";",
        "&& rm -rf ~",
        "|",
        "\\",
        "%s%n",
        "*",
        "~",
        "é",
        "\u{202e}",
        "\u{1f600}",
        " ",
        "\t",
        "\u{1b}[31m",
        "=",
    ];
    let mut text = String::new();
    for _ in 0..scale.below(12) {
        text.push_str(PIECES[usize::try_from(scale.below(32)).unwrap()]);
    }
    // Now and then one that is longer than any limit of ours.
    if scale.below(1_000) == 0 {
        text.push_str(&"x{title}-".repeat(12_000));
    }
    text
}

fn vectors<'a>(profiles: &[&Profile], values: &Values<'a>) -> Vec<Vec<String>> {
    let purposes = [Purpose::Task, Purpose::TaskAgain, Purpose::Talk, Purpose::TalkAgain];
    profiles.iter().flat_map(|profile| purposes.map(|purpose| profile.argv(purpose, values))).collect()
}

#[test]
fn the_shape_of_an_argument_vector_never_changes() {
    let mut scale = Scale::of("argument vectors", 2_000, 1_000_000);
    let settings = settings_with(ALL_PLACES);
    let profiles: Vec<_> = settings.profiles.iter().collect();
    const MARK: &str = "\u{1}mark\u{1}";
    let known = |title: &'static str, prompt: &'static str| Values {
        task: "t_1",
        run: 7,
        title,
        workspace: "/w",
        prompt_file: "/run/prompt",
        prompt,
        session: "5f0c",
        mcp_file: Some("/run/mcp.json"),
        kanban: "/bin/kanban",
    };
    let shape = vectors(&profiles, &known(MARK, "\u{2}"));
    for _ in 0..scale.count {
        let (title, body) = (text(&mut scale), text(&mut scale));
        let values = Values { title: &title, prompt: &body, ..known("", "") };
        let (clean, body) = (title.replace('\0', ""), body.replace('\0', ""));
        for (vector, shape) in vectors(&profiles, &values).iter().zip(&shape) {
            assert_eq!(vector.len(), shape.len(), "{title:?}");
            for (argument, shape) in vector.iter().zip(shape) {
                // Each argument is what the recipe says, with the text where it belongs, untouched.
                let is_so = match shape.split_once(MARK) {
                    Some((before, after)) => {
                        argument.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) == Some(&clean)
                    }
                    None if shape == "\u{2}" => *argument == body,
                    None => argument == shape,
                };
                assert!(is_so, "{argument:?} from {shape:?} and {title:?}");
            }
        }
    }
    scale.done("fuzzed titles and bodies, and every argument stood where it belongs");
}

/// The same through real processes: what a program is given is what was made.
#[test]
fn a_program_gets_the_arguments_as_they_were_made() {
    let mut scale = Scale::of("recorded arguments", 100, 2_000);
    let settings = settings_with(ALL_PLACES);
    let folder = tempfile::tempdir().unwrap();
    let recorder = folder.path().join("recorder");
    fs::write(&recorder, "#!/bin/sh\nfor argument; do printf '%s\\0' \"$argument\"; done\n").unwrap();
    fs::set_permissions(&recorder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let profiles: Vec<_> = settings.profiles.iter().collect();
    for at in 0..scale.count {
        let (title, body) = (text(&mut scale), text(&mut scale));
        let values = Values { title: &title, prompt: &body, mcp_file: Some("/m"), ..Values::NONE };
        let profile = profiles[at % profiles.len()];
        let argv = profile.argv(Purpose::Task, &values);
        let recorded = Command::new(&recorder).args(&argv[1..]).output().unwrap();
        let expected: String = argv[1..].iter().map(|argument| format!("{argument}\0")).collect();
        assert_eq!(String::from_utf8(recorded.stdout).unwrap(), expected, "{title:?}");
    }
    scale.done("argument vectors recorded by real programs");
}

/// Not a test: writes what each agent is started with, for `tests/reference/agents`.
#[test]
#[ignore = "started by a script"]
#[expect(clippy::disallowed_methods, reason = "its orders come in its environment")]
fn the_argument_vectors() {
    let (Ok(folder), Ok(prompt)) = (std::env::var("AGENTS_ARGV"), std::env::var("AGENTS_PROMPT")) else { return };
    let settings = settings_with("");
    for agent in AGENTS {
        let profile = settings.profiles.get(&agent.parse().unwrap()).unwrap();
        let mcp_file = format!("{folder}/{agent}.json");
        let session =
            if agent == "opencode" { "ses_dd95dd742ffeZioLKmRX5EWGQ5" } else { "11111111-2222-4333-8444-555555555555" };
        let values = Values {
            title: "--help; $(id)",
            workspace: "/tmp",
            prompt_file: &prompt,
            session,
            mcp_file: profile.has_mcp().then_some(mcp_file.as_str()),
            kanban: env!("CARGO_BIN_EXE_kanban"),
            ..Values::NONE
        };
        if let Some(document) = profile.mcp_file(&values) {
            fs::write(&mcp_file, serde_json::to_vec(&document).unwrap()).unwrap();
        }
        let placed: String = profile.placed(&values).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        for (step, purpose) in [("first", Purpose::Task), ("again", Purpose::TaskAgain)] {
            let argv: String = profile.argv(purpose, &values).iter().map(|argument| format!("{argument}\0")).collect();
            fs::write(format!("{folder}/{agent}.{step}"), argv).unwrap();
            fs::write(format!("{folder}/{agent}.{step}.env"), &placed).unwrap();
        }
    }
}

fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}
