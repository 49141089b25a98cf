//! The skills that come with the program, and where each agent looks for them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    command::{
        Reply,
        verbs::{Agents, Skills, SkillsInstall, SkillsVerb},
    },
    local::Local,
    random::hex_of,
    settings::{self, Environment, discover},
};

/// What an agent is told in one file, by the agent-skills format.
pub struct Skill {
    pub name: &'static str,
    pub text: &'static str,
}

/// Every skill, by name.
pub const SKILLS: [Skill; 2] = [
    Skill { name: "kanban-orchestrator", text: include_str!("../skills/kanban-orchestrator/SKILL.md") },
    Skill { name: "kanban-worker", text: include_str!("../skills/kanban-worker/SKILL.md") },
];

/// An agent's folder of skills.
struct Place {
    agent: Agents,
    name: &'static str,
    /// The variable that moves the agent's own folder, and where that folder is below the user's home without it.
    folder: (&'static str, &'static str),
    /// Where its skills are below that folder, and below a project if it looks there.
    user: &'static str,
    project: Option<&'static str>,
}

const PLACES: [Place; 5] = [
    Place {
        agent: Agents::Claude,
        name: "claude",
        folder: ("CLAUDE_CONFIG_DIR", ".claude"),
        user: "skills",
        project: Some(".claude/skills"),
    },
    Place {
        agent: Agents::Codex,
        name: "codex",
        folder: ("CODEX_HOME", ".codex"),
        user: "skills",
        project: Some(".agents/skills"),
    },
    Place {
        agent: Agents::Gemini,
        name: "gemini",
        folder: ("GEMINI_CLI_HOME", ""),
        user: ".gemini/skills",
        project: Some(".gemini/skills"),
    },
    Place {
        agent: Agents::Opencode,
        name: "opencode",
        folder: ("XDG_CONFIG_HOME", ".config"),
        user: "opencode/skills",
        project: Some(".opencode/skills"),
    },
    Place { agent: Agents::Hermes, name: "hermes", folder: ("HERMES_HOME", ".hermes"), user: "skills", project: None },
];

/// The file of the home that says what was installed where, by the hash of what was written: only what is still so is
/// brought up to date without being asked.
const RECORD: &str = "skills.json";

/// Runs `kanban skills …`.
///
/// # Errors
/// With a sentence, when nothing is known of the skill or the agent, or a file cannot be read or written.
pub fn run(args: &Skills, local: &Local) -> Result<Reply, String> {
    match &args.verb {
        None | Some(SkillsVerb::List(_)) => Ok(Reply::text(list())),
        Some(SkillsVerb::Show(args)) => match SKILLS.iter().find(|skill| skill.name == args.name) {
            Some(skill) => Ok(Reply::text(skill.text)),
            None => {
                let names: Vec<_> = SKILLS.iter().map(|skill| format!("`{}`", skill.name)).collect();
                Err(format!("there is no skill `{}`; there are {}", args.name, names.join(" and ")))
            }
        },
        Some(SkillsVerb::Install(args)) => install(args, local),
    }
}

fn list() -> String {
    let described = SKILLS.iter().map(|skill| {
        let description = skill.text.lines().find_map(|line| line.strip_prefix("description: ")).unwrap_or_default();
        format!("{}\n  {description}", skill.name)
    });
    described.collect::<Vec<_>>().join("\n")
}

fn install(args: &SkillsInstall, local: &Local) -> Result<Reply, String> {
    let places = asked(args, &local.environment)?;
    let mut record = Record::read(&local.home)?;
    let (mut told, mut kept) = (String::new(), String::new());
    for place in places {
        let Some(folder) = folder(place, args.project.as_deref(), &local.environment)? else {
            let _ = writeln!(
                told,
                "{0}: looks into no project; `kanban skills install --for {0}` puts them where it looks",
                place.name
            );
            continue;
        };
        for skill in &SKILLS {
            let file = folder.join(skill.name).join("SKILL.md");
            let shown = file.display();
            let there = match fs::read(&file) {
                Ok(there) => Some(there),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(format!("`{shown}` cannot be read: {error}")),
            };
            let step = match &there {
                Some(there) if there == skill.text.as_bytes() => Step::Leave,
                None => Step::Write("installed"),
                Some(there) if record.is_ours(&file, there) => Step::Write("brought up to date"),
                Some(_) if args.force => Step::Write("replaced"),
                Some(there) => Step::Keep(difference(there, skill.text)),
            };
            match step {
                Step::Leave => {
                    let _ = writeln!(told, "{}: `{shown}` is there already", place.name);
                }
                Step::Keep(difference) => {
                    let _ = writeln!(kept, "{}: `{shown}` was changed and is kept: {difference}", place.name);
                }
                Step::Write(done) if args.dry_run => {
                    let _ = writeln!(told, "{}: `{shown}` would be {done}", place.name);
                }
                Step::Write(done) => {
                    write(&file, skill.text).map_err(|error| format!("`{shown}` cannot be written: {error}"))?;
                    record.note(&file, skill.text);
                    record.keep(&local.home)?;
                    let _ = writeln!(told, "{}: `{shown}` {done}", place.name);
                }
            }
        }
    }
    if !kept.is_empty() {
        kept += "`kanban skills install --force` replaces what was changed";
    }
    Ok(Reply { exit: u8::from(!kept.is_empty()), text: told.trim_end().to_owned(), notes: kept, ..Reply::default() })
}

enum Step {
    Leave,
    Write(&'static str),
    /// Somebody has changed it, so that it says this now.
    Keep(String),
}

/// The agents that are meant: those that are named, or else those whose program is there.
fn asked(args: &SkillsInstall, environment: &Environment) -> Result<Vec<&'static Place>, String> {
    if args.agents.contains(&Agents::All) {
        return Ok(PLACES.iter().collect());
    }
    if !args.agents.is_empty() {
        return Ok(PLACES.iter().filter(|place| args.agents.contains(&place.agent)).collect());
    }
    let found = environment.get("PATH").map(discover).unwrap_or_default();
    let places: Vec<_> = PLACES.iter().filter(|place| found.iter().any(|found| found.name == place.name)).collect();
    if places.is_empty() {
        return Err(
            "no agent that we know is on `PATH`; name one, as in `kanban skills install --for claude`".to_owned()
        );
    }
    Ok(places)
}

/// Where the skills of an agent go; none where it does not look into projects and one is meant.
fn folder(place: &Place, project: Option<&Path>, environment: &Environment) -> Result<Option<PathBuf>, String> {
    if let Some(project) = project {
        let project = std::path::absolute(project).map_err(|error| format!("`{}`: {error}", project.display()))?;
        if !project.is_dir() {
            return Err(format!("`{}` is no directory; give the project's own", project.display()));
        }
        return Ok(place.project.map(|below| project.join(below)));
    }
    let (variable, below) = place.folder;
    if let Some(folder) = environment.get(variable) {
        return Ok(Some(Path::new(folder).join(place.user)));
    }
    match environment.get("HOME") {
        Some(home) => Ok(Some(Path::new(home).join(below).join(place.user))),
        None => Err("`HOME` is not set, so that nobody knows where agents look; give `--project DIR`".to_owned()),
    }
}

/// Writes a file whole or not at all.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".SKILL.md.{}", hex_of(&crate::random::bytes::<8>())));
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&draft).and_then(|mut new| {
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(&draft, file)
    });
    if written.is_err() {
        // Whatever stopped us, half a file is of no use.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The first line that differs, by its number and as it stands on both sides.
fn difference(there: &[u8], ours: &str) -> String {
    let there = String::from_utf8_lossy(there);
    let mut lines = there.lines();
    let mut ours = ours.lines();
    for number in 1_usize.. {
        match (lines.next(), ours.next()) {
            (Some(there), Some(ours)) if there == ours => {}
            (Some(there), Some(ours)) => return format!("line {number} is `{there}`, ours is `{ours}`"),
            (Some(there), None) => return format!("line {number}, `{there}`, is not ours"),
            (None, Some(ours)) => return format!("line {number} of ours, `{ours}`, is not there"),
            (None, None) => break,
        }
    }
    "its line ends differ".to_owned()
}

/// What was installed, by file.
struct Record(BTreeMap<String, String>);

impl Record {
    fn read(home: &Path) -> Result<Self, String> {
        let path = home.join(RECORD);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Self)
                .map_err(|error| format!("`{}` is damaged: {error}; remove it", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(BTreeMap::new())),
            Err(error) => Err(format!("`{}` cannot be read: {error}", path.display())),
        }
    }

    fn is_ours(&self, file: &Path, there: &[u8]) -> bool {
        self.0.get(&file.display().to_string()).is_some_and(|noted| *noted == hash(there))
    }

    fn note(&mut self, file: &Path, text: &str) {
        self.0.insert(file.display().to_string(), hash(text.as_bytes()));
    }

    fn keep(&self, home: &Path) -> Result<(), String> {
        settings::create_home(home).map_err(|refusal| refusal.to_string())?;
        let text = serde_json::to_string_pretty(&self.0).map_err(|error| error.to_string())?;
        let path = home.join(RECORD);
        let draft = home.join(format!("{RECORD}.new"));
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
    }
}

fn hash(bytes: &[u8]) -> String {
    hex_of(&Sha256::digest(bytes))
}
