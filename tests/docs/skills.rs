//! The skills: that they say what there is, and that they come to where each agent looks without harm to what is there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use kanban_gateway::{
    mcp::{self, Scope},
    skills::SKILLS,
};
use serde_json::Value;
use tempfile::TempDir;

struct User {
    folder: TempDir,
}

impl User {
    /// Somebody who has these agents.
    fn with(agents: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        for agent in agents {
            let program = folder.path().join("bin").join(agent);
            fs::write(&program, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn run(&self, line: &str, more: &[(&str, &Path)]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_kanban"))
            .args(line.split(' '))
            .env_clear()
            .env("PATH", self.at("bin"))
            .env("HOME", self.folder.path())
            .env("KANBAN_HOME", self.at("kanban"))
            .envs(more.iter().copied())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let (exit, out, err) = self.run(line, &[]);
        assert_eq!(exit, 0, "{line}: {out}{err}");
        out
    }

    /// Whether both skills lie below a folder as they come with the program.
    fn has(&self, folder: &str) -> bool {
        SKILLS.iter().all(|skill| {
            fs::read_to_string(self.at(folder).join(skill.name).join("SKILL.md")).is_ok_and(|text| text == skill.text)
        })
    }
}

const USER: [(&str, &str); 5] = [
    ("claude", ".claude/skills"),
    ("codex", ".codex/skills"),
    ("gemini", ".gemini/skills"),
    ("opencode", ".config/opencode/skills"),
    ("hermes", ".hermes/skills"),
];

#[test]
fn each_agent_gets_them_where_it_looks() {
    for (agent, folder) in USER {
        let user = User::with(&[]);
        user.ok(&format!("skills install --for {agent}"));
        for (other, elsewhere) in USER {
            assert_eq!(user.has(elsewhere), other == agent, "{agent} {elsewhere}");
        }
        assert!(user.ok(&format!("skills install --for {agent}")).contains("is there already"), "{folder}");
    }
    let user = User::with(&[]);
    user.ok("skills install --for all");
    assert!(USER.iter().all(|(_, folder)| user.has(folder)));
    let (exit, _, _) = user.run("skills install --for claude", &[("CLAUDE_CONFIG_DIR", &user.at("elsewhere"))]);
    assert!(exit == 0 && user.has("elsewhere/skills"));
}

#[test]
fn those_that_are_there_are_meant_where_none_is_named() {
    let user = User::with(&["claude", "hermes"]);
    user.ok("skills install");
    let there: Vec<_> = USER.iter().filter(|(_, folder)| user.has(folder)).map(|(agent, _)| *agent).collect();
    assert_eq!(there, ["claude", "hermes"]);
    let (exit, _, err) = User::with(&[]).run("skills install", &[]);
    assert!(exit == 1 && err.contains("`kanban skills install --for claude`"), "{err}");
}

#[test]
fn a_project_has_its_own() {
    let user = User::with(&[]);
    fs::create_dir(user.at("shop")).unwrap();
    user.ok("skills install --for claude --for codex --project shop");
    assert!(user.has("shop/.claude/skills") && user.has("shop/.agents/skills") && !user.has(".claude/skills"));
    let (exit, _, err) = user.run("skills install --for claude --project nowhere", &[]);
    assert!(exit == 1 && err.contains("is no directory"), "{err}");
}

#[test]
fn what_somebody_changed_is_kept_and_told() {
    let user = User::with(&[]);
    user.ok("skills install --for claude");
    let file = user.at(".claude/skills/kanban-worker/SKILL.md");
    fs::write(user.at(".claude/skills/mine.md"), "mine").unwrap();
    let changed = fs::read_to_string(&file).unwrap().replace("# Working on a kanban task", "# Working here");
    fs::write(&file, &changed).unwrap();
    let (exit, _, err) = user.run("skills install --for claude", &[]);
    assert_eq!(exit, 1, "{err}");
    assert!(err.contains("is `# Working here`, ours is `# Working on a kanban task`"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
    assert!(user.ok("skills install --for claude --force --dry-run").contains("would be replaced"));
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
    user.ok("skills install --for claude --force");
    assert!(user.has(".claude/skills"));
    assert_eq!(fs::read_to_string(user.at(".claude/skills/mine.md")).unwrap(), "mine");
}

#[test]
fn what_an_older_program_installed_is_brought_up_to_date() {
    let user = User::with(&[]);
    user.ok("skills install --for claude");
    let file = user.at(".claude/skills/kanban-worker/SKILL.md");
    // As if the program had come with another text, and had noted it.
    fs::write(&file, "older\n").unwrap();
    let record = user.at("kanban/skills.json");
    let mut noted: Value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
    noted[file.to_str().unwrap()] = "f2d1c93ac68c3d9d5ad8d8c4f9bfbdd0e3d2b8a1".into();
    fs::write(&record, noted.to_string()).unwrap();
    assert_eq!(user.run("skills install --for claude", &[]).0, 1, "another text than the one that was noted");
    let hash = Command::new("/usr/bin/sha256sum").arg(&file).output().unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    noted[file.to_str().unwrap()] = hash.split(' ').next().unwrap().into();
    fs::write(&record, noted.to_string()).unwrap();
    assert!(user.ok("skills install --for claude").contains("brought up to date"));
    assert!(user.has(".claude/skills"));
}

#[test]
fn a_dry_run_writes_nothing() {
    let user = User::with(&[]);
    let told = user.ok("skills install --for all --dry-run");
    assert_eq!(told.matches("would be installed").count(), 10, "{told}");
    let left: Vec<_> = fs::read_dir(user.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["bin"]);
}

#[test]
fn they_are_listed_and_shown() {
    let user = User::with(&[]);
    let list = user.ok("skills");
    for skill in &SKILLS {
        assert!(list.contains(skill.name), "{list}");
        assert_eq!(user.ok(&format!("skills show {}", skill.name)).trim_end(), skill.text.trim_end());
    }
    let (exit, _, err) = user.run("skills show kanban-boss", &[]);
    assert!(exit == 1 && err.contains("there are `kanban-orchestrator` and `kanban-worker`"), "{err}");
}

/// Every tool that a skill or a page names exists in the scope of its reader, with the arguments that it is shown with.
#[test]
fn the_tools_that_they_name_exist() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mcp.md")).unwrap();
    let texts = [
        (Scope::Orchestrator, "kanban-orchestrator", SKILLS[0].text),
        (Scope::Worker, "kanban-worker", SKILLS[1].text),
        (Scope::Owner, "docs/mcp.md", page.as_str()),
    ];
    let (mut tools, mut calls) = (0, 0);
    for (scope, name, text) in texts {
        let known = mcp::arguments(scope);
        for (at, _) in text.match_indices("kanban_") {
            let rest = &text[at..];
            let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
            let (tool, after) = rest.split_at(end);
            if tool == "kanban_" {
                continue;
            }
            tools += 1;
            let Some(arguments) = known.iter().find(|(known, _)| known == tool).map(|(_, arguments)| arguments) else {
                panic!("{name} names `{tool}`, which is no tool for its reader");
            };
            // A call: the object behind it, up to its end.
            let Some(object) = after.strip_prefix(' ').filter(|object| object.starts_with('{')) else { continue };
            let Some(Ok(Value::Object(shown))) = serde_json::Deserializer::from_str(object).into_iter::<Value>().next()
            else {
                assert!(object.contains('…'), "{name}: `{tool}` is shown with what is no JSON");
                continue;
            };
            calls += 1;
            for argument in shown.keys() {
                assert!(arguments.contains(argument), "{name}: `{tool}` has no argument `{argument}`");
            }
        }
    }
    assert!(tools > 20 && calls > 5, "the tools should be found: {tools}, {calls}");
}
