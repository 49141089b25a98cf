//! `kanban doctor` on machines with and without each agent: what is usable, and the one step that is missing.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;
use tempfile::TempDir;

/// A machine: a folder of programs, a person's home, and ours.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for folder in ["bin", "person", "ours"] {
            fs::create_dir(machine.0.path().join(folder)).unwrap();
        }
        machine
    }

    fn install(&self, name: &str, script: &str) {
        let file = self.0.path().join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn person(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join("person").join(name)
    }

    /// What is said of one thing: whether it is good, and how it stands.
    fn examined(&self, environment: &[(&str, &str)]) -> impl Fn(&str) -> (bool, String) + use<> {
        let at = |folder: &str| self.0.path().join(folder);
        let output = Command::new(env!("CARGO_BIN_EXE_kanban"))
            .args(["doctor", "--json"])
            .env_clear()
            .envs([("PATH", at("bin")), ("HOME", at("person")), ("KANBAN_HOME", at("ours"))])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        move |check| {
            let row = rows.iter().find(|row| row["check"] == check).unwrap_or_else(|| panic!("{check}: {rows:#?}"));
            (row["ok"].as_bool().unwrap(), row["detail"].as_str().unwrap().to_owned())
        }
    }
}

#[test]
fn without_agents_each_is_named_with_what_installs_it() {
    let said = Machine::new().examined(&[]);
    for (agent, install) in [
        ("claude", "npm install -g @anthropic-ai/claude-code"),
        ("codex", "npm install -g @openai/codex"),
        ("gemini", "npm install -g @google/gemini-cli"),
        ("opencode", "npm install -g opencode-ai"),
        ("hermes", "pip install hermes-agent"),
    ] {
        assert_eq!(said(&format!("agent {agent}")), (true, format!("not here; `{install}` makes it a profile")));
    }
    assert!(said("profile script").0);
}

#[test]
fn what_is_there_is_told_with_its_version_and_what_it_lacks() {
    let machine = Machine::new();
    machine
        .install("claude", "case $1 in --version) echo '2.1 (Claude Code)';; auth) test -e \"$HOME/logged-in\";; esac");
    machine.install("codex", "/bin/sleep 31415.25 & wait");
    machine.install("gemini", "echo 'no such module' >&2; exit 3");
    machine.install("opencode", "echo 1.18");
    machine.install("hermes", "echo 'Hermes 0.19'");
    fs::create_dir(machine.person(".hermes")).unwrap();
    fs::write(machine.person(".hermes/auth.json"), "{}").unwrap();

    let said = machine.examined(&[]);
    let program = |name: &str| machine.0.path().join("bin").join(name).display().to_string();
    let (ok, detail) = said("profile claude");
    assert_eq!(
        (ok, detail),
        (false, format!("2.1 (Claude Code) ({}); nobody is logged in: claude auth login", program("claude")))
    );
    let (ok, detail) = said("profile codex");
    assert!(!ok && detail.contains("has not answered within 10 s"), "{detail}");
    let (ok, detail) = said("profile gemini");
    assert!(!ok && detail.contains("does not start") && detail.contains("no such module"), "{detail}");
    let (ok, detail) = said("profile opencode");
    assert!(!ok && detail.ends_with("nobody is logged in: opencode auth login"), "{detail}");
    let (ok, detail) = said("profile hermes");
    assert!(ok && detail.starts_with("Hermes 0.19") && detail.contains("auth.json"), "{detail}");
    // Nothing that was asked is left behind.
    assert!(!is_running(&program("codex")) && !is_running("31415.25"));

    machine.install("codex", "echo codex-cli 0.171");
    fs::write(machine.person("logged-in"), "").unwrap();
    let said =
        machine.examined(&[("CODEX_API_KEY", "sk-canary-1234567890"), ("OPENAI_API_KEY", "sk-canary-1234567890")]);
    for agent in ["claude", "codex", "opencode"] {
        let (ok, detail) = said(&format!("profile {agent}"));
        assert!(ok && detail.contains("logged in by"), "{agent}: {detail}");
        assert!(!detail.contains("canary"), "{detail}");
    }
}

#[test]
fn a_profile_whose_program_is_missing_says_how_to_get_it() {
    let machine = Machine::new();
    let settings = "[profiles.claude]\n\n[profiles.mine]\ncommand = [\"my-agent\"]\n";
    fs::write(machine.0.path().join("ours/kanban.toml"), settings).unwrap();
    let said = machine.examined(&[]);
    let install = "`claude` is not on PATH; install it: `npm install -g @anthropic-ai/claude-code`";
    assert_eq!(said("profile claude"), (false, install.to_owned()));
    let other = "`my-agent` is not on PATH; install it, or set `command` in `[profiles.mine]`";
    assert_eq!(said("profile mine"), (false, other.to_owned()));
}

/// Whether a process has this among its words.
fn is_running(wanted: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .any(|words| words.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes()))
}
