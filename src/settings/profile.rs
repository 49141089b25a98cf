//! Profiles: named recipes by which a worker is started.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use super::{
    Environment, Refusal,
    access::Role,
    choice::choice,
    pattern::Pattern,
    section::{Reader, Section, section},
    template::{Arguments, Document, Filled, Placeholder, Template, Values},
    value::{ExitStatus, Line, Period, VariableName, Variables, WorkspaceDefault},
};
use crate::{
    board::{Amount, ProfileName, budget::Budget},
    secret::Secret,
    suggest::nearest,
};

choice! {
    /// What a worker is told.
    pub enum Kind {
        /// The task with its context, in words.
        Agent = "agent",
        /// The task's body, or its first fenced block, as a program. For owners alone.
        Script = "script",
    }
}

choice! {
    /// How a worker gets its prompt.
    pub enum Prompt {
        /// On standard input.
        Stdin = "stdin",
        /// In the file `{prompt_file}`, with nothing on standard input.
        File = "file",
        /// As the last argument, `{prompt}` behind `--`, with nothing on standard input.
        Argument = "argument",
    }
}

choice! {
    /// How far the workers of a profile reach on the board.
    pub enum WorkerScope {
        /// Its own task, and the tasks that it made.
        Worker = "worker",
        /// It also steers the other tasks of its own task's tenant.
        Orchestrator = "orchestrator",
    }
}

section! {
    /// A worker recipe. `NAME` is what tasks are assigned to.
    ///
    /// Keys that are left out come from the file `profiles/NAME.toml` in the home and from the built-in recipe of that name,
    /// where there are such.
    pub(super) struct ProfileSettings {
        /// The argument vector, program first. A worker is started without a shell.
        command: Option<Template> = None,
        /// The argument vector that goes on with a session that an earlier run or turn has begun; else `command` again.
        resume: Option<Template> = None,
        /// The argument vector for messages in a thread, whose answer is what it prints; else `command` and `resume`.
        talk: Option<Template> = None,
        /// Whether the prompt describes the task or is the task's own script.
        kind: Kind = Kind::Agent,
        /// How the prompt is handed over; `"file"` needs `{prompt_file}` and `"argument"` needs `{prompt}`, and using one implies it.
        prompt: Option<Prompt> = None,
        /// Variables that the worker gets from the gateway's environment, beyond `PATH`, `HOME`, `LANG`, `LC_*`, `TERM`, `TZ`, `USER` and `SHELL`.
        env: Vec<VariableName> = Vec::new(),
        /// Variables that the worker gets with these values, which are never shown.
        set: Variables = Variables::default(),
        /// Variables that the worker gets with these values, in which placeholders are filled in.
        place: Filled = Filled::default(),
        /// Finds the session's id in a line of the output, as its first group, where the program chooses the id itself. Without it we choose one.
        session_pattern: Option<Pattern> = None,
        /// Lines by which the program says that it does not know the session any more; it is then started anew with the full context.
        gone_pattern: Vec<Pattern> = Vec::new(),
        /// Arguments that hand our MCP server to the program. They are added to `command` and `resume`, before a `--` or at the end.
        mcp: Arguments = Arguments::default(),
        /// The file `{mcp_file}`, made for each run: a table that is written as JSON.
        mcp_file: Option<Document> = None,
        /// Directories that the program keeps its own things in; `~` is the worker's home. Those that are missing are made before it starts, since a confined worker cannot make them in a directory above the gateway's home.
        directories: Vec<Line> = Vec::new(),
        /// Whether it may have no way to a socket: calls are then taken from files in `.kanban/outbox/` of its workspace as well.
        outbox: bool = false,
        /// Exit statuses that say that a limit of use is reached: no attempt is spent, and the profile rests.
        limit_exit: Vec<ExitStatus> = vec![ExitStatus::RATE_LIMITED],
        /// The same by one of the last lines of the output, where the program has failed.
        limit_pattern: Vec<Pattern> = Vec::new(),
        /// Finds in the last lines until when a limit holds, as its first group: `3:45 PM`, `in 2 hours 5 minutes`, `2h5m`, or seconds since 1970. Else `dispatch.rate_limit_pause_seconds` counts.
        until_pattern: Vec<Pattern> = Vec::new(),
        /// Exit statuses that say that nobody is logged in: no attempt is spent, and the profile rests for `dispatch.auth_pause_seconds` or until a person has it go on.
        auth_exit: Vec<ExitStatus> = Vec::new(),
        /// The same by one of the last lines of the output, where the program has failed.
        auth_pattern: Vec<Pattern> = Vec::new(),
        /// What `kanban doctor` runs to learn the version.
        version: Option<Template> = None,
        /// What `kanban doctor` runs to learn whether somebody is logged in: it then exits with 0.
        status: Option<Template> = None,
        /// Variables each of which stands for a login, when it is among `env` and set.
        keys: Vec<VariableName> = Vec::new(),
        /// Files each of which stands for a login, where `status` cannot tell; `~` is the worker's home.
        credentials: Vec<Line> = Vec::new(),
        /// How the program is installed, for `kanban doctor`.
        install: Option<Line> = None,
        /// How somebody logs in to it, for `kanban doctor`.
        login: Option<Line> = None,
        /// Where its tasks work when neither they nor their thread say.
        workspace: WorkspaceDefault = WorkspaceDefault::Scratch,
        /// The most of its workers that run at once; else `dispatch.max_running_per_profile` counts.
        max_running: Option<NonZeroU32> = None,
        /// The longest that a run may take when its task does not say.
        max_runtime: Option<Period> = None,
        /// How long a run may give no sign of life, neither output nor a heartbeat or another call. Without it, a run is never ended for being silent.
        silence_limit: Option<Period> = None,
        /// How long workers may be at a task over all attempts when it does not say.
        max_total_runtime: Option<Period> = None,
        /// What a task may cost over all attempts when it does not say, by what its workers report.
        max_cost: Option<Amount> = None,
        /// Keep its workers out of the gateway's home, where the kernel can; see [how far workers can be trusted](security.md#how-far-workers-can-be-trusted).
        confine: bool = true,
        /// Start none of its tasks until this is taken back.
        paused: bool = false,
        /// How far its workers reach: `"worker"` changes its own task and those that it made; `"orchestrator"` also links,
        /// comments on, assigns and releases the other tasks of its own task's tenant.
        scope: WorkerScope = WorkerScope::Worker,
        /// Roles that may give it tasks; higher roles may too.
        roles: Vec<Role> = vec![Role::Member],
    }
}

/// A path of a recipe, with the worker's home for `~`.
pub fn in_home(path: &Line, home: &str) -> PathBuf {
    match path.as_str().strip_prefix("~/") {
        Some(below) => Path::new(home).join(below),
        None => PathBuf::from(path.as_str()),
    }
}

/// What each worker gets from our environment, beside `LC_*`.
const BASE: [&str; 7] = ["PATH", "HOME", "LANG", "TERM", "TZ", "USER", "SHELL"];

/// A profile that is good to use.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub name: ProfileName,
    pub kind: Kind,
    pub prompt: Prompt,
    pub workspace: WorkspaceDefault,
    pub max_running: Option<NonZeroU32>,
    pub max_runtime: Option<Period>,
    pub silence_limit: Option<Period>,
    pub max_total_runtime: Option<Period>,
    pub max_cost: Option<Amount>,
    pub confine: bool,
    pub paused: bool,
    /// What the program keeps its own things in; see [`in_home`].
    pub directories: Vec<Line>,
    /// Its calls are taken from files as well.
    pub outbox: bool,
    /// Where the program says which session it works in, if it chooses that itself.
    pub session_pattern: Option<Pattern>,
    pub signs: Signs,
    pub probes: Probes,
    pub scope: WorkerScope,
    command: Template,
    resume: Option<Template>,
    talk: Option<Template>,
    mcp: Arguments,
    mcp_file: Option<Document>,
    env: Vec<VariableName>,
    set: Variables,
    place: Filled,
    least_role: Role,
}

/// How a program's end is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signs {
    pub gone: Vec<Pattern>,
    pub limit_exit: Vec<ExitStatus>,
    pub limit: Vec<Pattern>,
    pub until: Vec<Pattern>,
    pub auth_exit: Vec<ExitStatus>,
    pub auth: Vec<Pattern>,
}

/// How it is found out whether a program is there and good to use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probes {
    pub version: Option<Template>,
    pub status: Option<Template>,
    pub keys: Vec<VariableName>,
    pub credentials: Vec<Line>,
    pub install: Option<Line>,
    pub login: Option<Line>,
}

/// What a program is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A task, in a new session.
    Task,
    /// A task, in a session of before.
    TaskAgain,
    /// A message in a thread, in a new session.
    Talk,
    /// A message in a thread, in a session of before.
    TalkAgain,
}

impl Profile {
    /// Reads a profile, or notes what is wrong with it.
    pub(super) fn read(name: ProfileName, reader: &mut Reader<'_>) -> Option<Self> {
        let settings = ProfileSettings::read(reader);
        let Some(command) = settings.command else {
            reader.refuse(
                "command",
                "got none, expected the program to start, as in `command = [\"my-agent\", \"--task\", \"{task}\"]`",
            );
            return None;
        };
        let road = road_of(&command);
        let prompt = settings.prompt.unwrap_or(road);
        if prompt != road {
            reader.refuse(
                "prompt",
                "got one way to hand over the prompt and another in `command`; expected `\"file\"` with `{prompt_file}`, `\"argument\"` with `{prompt}`, or `\"stdin\"` without",
            );
        }
        for (key, other) in [("resume", &settings.resume), ("talk", &settings.talk)] {
            if other.as_ref().is_some_and(|other| road_of(other) != road) {
                reader.refuse(
                    key,
                    "got another way to hand over the prompt than in `command`; expected `{prompt_file}`, or `{prompt}`, in all of them or in none",
                );
            }
        }
        if settings.session_pattern.as_ref().is_some_and(|pattern| !pattern.captures()) {
            reader
                .refuse("session_pattern", "got no group, expected one around the id, as in `\"^session id: (\\S+)\"`");
        }
        if settings.until_pattern.iter().any(|pattern| !pattern.captures()) {
            reader.refuse("until_pattern", "got no group, expected one around the time, as in `\"resets at (.+)\"`");
        }
        if settings.session_pattern.is_some() && command.uses(Placeholder::Session) {
            reader.refuse(
                "session_pattern",
                "got a pattern although `command` has `{session}`; expected one of them, for the id is either chosen by us or found in the output",
            );
        }
        let needs_file = settings.place.uses(Placeholder::McpFile)
            || settings.mcp.source().any(|source| source.contains("{mcp_file}"));
        if needs_file && settings.mcp_file.is_none() {
            reader.refuse(
                "mcp_file",
                "got none although `{mcp_file}` is used; expected the table that the file is made of",
            );
        }
        if settings.resume.as_ref().is_some_and(|resume| !resume.uses(Placeholder::Session)) {
            reader.refuse("resume", "got no `{session}`, so that nothing says with which session it is to go on");
        }
        let Some(least_role) = settings.roles.iter().copied().min() else {
            reader.refuse("roles", "got an empty list, expected a role; to stop the profile write `paused = true`");
            return None;
        };
        if settings.kind == Kind::Script && least_role != Role::Owner {
            reader.refuse("roles", "got a role below `owner`, but whoever may use a script profile can run any program; expected `[\"owner\"]`");
        }
        Some(Self {
            name,
            kind: settings.kind,
            prompt,
            workspace: settings.workspace,
            max_running: settings.max_running,
            max_runtime: settings.max_runtime,
            silence_limit: settings.silence_limit,
            max_total_runtime: settings.max_total_runtime,
            max_cost: settings.max_cost,
            confine: settings.confine,
            paused: settings.paused,
            directories: settings.directories,
            outbox: settings.outbox,
            session_pattern: settings.session_pattern,
            signs: Signs {
                gone: settings.gone_pattern,
                limit_exit: settings.limit_exit,
                limit: settings.limit_pattern,
                until: settings.until_pattern,
                auth_exit: settings.auth_exit,
                auth: settings.auth_pattern,
            },
            probes: Probes {
                version: settings.version,
                status: settings.status,
                keys: settings.keys,
                credentials: settings.credentials,
                install: settings.install,
                login: settings.login,
            },
            scope: settings.scope,
            command,
            resume: settings.resume,
            talk: settings.talk,
            mcp: settings.mcp,
            mcp_file: settings.mcp_file,
            env: settings.env,
            set: settings.set,
            place: settings.place,
            least_role,
        })
    }

    /// The argument vector, program first. Its shape follows from the recipe alone, whatever the values say.
    pub fn argv(&self, purpose: Purpose, values: &Values<'_>) -> Vec<String> {
        let again = self.resume.as_ref().unwrap_or(&self.command);
        let template = match purpose {
            Purpose::Task => &self.command,
            Purpose::TaskAgain => again,
            Purpose::Talk => self.talk.as_ref().unwrap_or(&self.command),
            Purpose::TalkAgain => self.talk.as_ref().unwrap_or(again),
        };
        if values.mcp_file.is_some() { template.fill_with(&self.mcp, values) } else { template.fill(values) }
    }

    /// Tells whether it has a command line of its own for going on with the session of a task.
    pub fn can_go_on(&self) -> bool {
        self.resume.is_some()
    }

    /// Tells whether it has one for going on with the session of a talk.
    pub fn can_talk_on(&self) -> bool {
        self.resume.is_some() && self.talk.is_none()
    }

    /// Tells whether its workers are handed our MCP server.
    pub fn has_mcp(&self) -> bool {
        self.mcp_file.is_some() || !self.mcp.is_empty()
    }

    /// What stands in the file that hands our MCP server to a worker.
    pub fn mcp_file(&self, values: &Values<'_>) -> Option<serde_json::Value> {
        self.mcp_file.as_ref().map(|document| document.fill(values))
    }

    /// The variables of a run whose values depend on it.
    pub fn placed(&self, values: &Values<'_>) -> Vec<(String, String)> {
        // Without the file, a variable that names it would lead nowhere.
        let is_open = values.mcp_file.is_some() || !self.place.uses(Placeholder::McpFile);
        if is_open { self.place.fill(values).collect() } else { Vec::new() }
    }

    /// Every argument that the recipe itself may add to its program, as written.
    pub fn words(&self) -> Vec<&str> {
        let templates = [Some(&self.command), self.resume.as_ref(), self.talk.as_ref()];
        templates.into_iter().flatten().flat_map(Template::source).chain(self.mcp.source()).collect()
    }

    /// The program that its command line starts, as written.
    pub fn program(&self) -> String {
        self.command.fill(&Values::NONE).into_iter().next().unwrap_or_default()
    }

    /// What a task of its may use when the task does not say.
    pub fn budget(&self) -> Budget {
        let seconds = self.max_total_runtime.map(|time| time.duration().as_secs());
        Budget { total_seconds: seconds.and_then(|seconds| i64::try_from(seconds).ok()), cost: self.max_cost }
    }

    /// Tells whether a person of this role may give it tasks.
    pub fn allows(&self, role: Role) -> bool {
        role >= self.least_role
    }

    /// The values that its workers get and that are never shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.set.iter().map(|(_, value)| value)
    }

    /// The values that its workers get from our environment because its settings say so, as far as they can be secret.
    pub fn passed(&self, ours: &Environment) -> Vec<Secret> {
        const SHORTEST: usize = 8;
        let named = self.env.iter().filter(|name| !BASE.contains(&name.as_str()) && !name.as_str().starts_with("LC_"));
        let values = named.filter_map(|name| ours.get(name.as_str())?.to_str());
        values.filter(|value| value.len() >= SHORTEST).map(Secret::new).collect()
    }

    /// The lowest role that may give it tasks.
    pub fn least_role(&self) -> Role {
        self.least_role
    }

    /// The environment of its workers, before the dispatcher adds the run's own variables.
    ///
    /// Values that are not UTF-8 are left out.
    pub fn environment(&self, ours: &Environment) -> BTreeMap<String, String> {
        let passes = |name: &str| {
            BASE.contains(&name) || name.starts_with("LC_") || self.env.iter().any(|allowed| allowed.as_str() == name)
        };
        let inherited = ours.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        let set = self.set.iter().map(|(name, value)| (name.as_str(), value.expose()));
        inherited
            .filter(|(name, _)| passes(name))
            .chain(set)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// How a command line takes its prompt.
fn road_of(command: &Template) -> Prompt {
    if command.uses(Placeholder::PromptFile) {
        Prompt::File
    } else if command.uses(Placeholder::Prompt) {
        Prompt::Argument
    } else {
        Prompt::Stdin
    }
}

/// All profiles, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Profiles(BTreeMap<ProfileName, Profile>);

impl Profiles {
    pub(super) fn new(profiles: impl IntoIterator<Item = Profile>) -> Self {
        Self(profiles.into_iter().map(|profile| (profile.name.clone(), profile)).collect())
    }

    pub fn get(&self, name: &ProfileName) -> Option<&Profile> {
        self.0.get(name)
    }

    /// A profile by name, or a refusal that names the nearest one.
    pub fn find(&self, name: &ProfileName) -> Result<&Profile, Refusal> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(|known| format!("`{known}`")).collect();
            let hint = nearest(name.as_str(), self.0.keys().map(ProfileName::as_str))
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Refusal::new(format!("there is no profile `{name}`; there are {}{hint}", known.join(", ")))
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }
}
