//! Profiles: named recipes by which a worker is started.

use std::{collections::BTreeMap, num::NonZeroU32};

use super::{
    Environment, Refusal,
    access::Role,
    choice::choice,
    section::{Reader, Section, section},
    template::{Placeholder, Template, Values},
    value::{Period, VariableName, Variables, WorkspaceDefault},
};
use crate::{board::ProfileName, secret::Secret, suggest::nearest};

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
    }
}

section! {
    /// A worker recipe. `NAME` is what tasks are assigned to.
    ///
    /// Keys that are left out come from the built-in recipe of that name, where there is one.
    pub(super) struct ProfileSettings {
        /// The argument vector, program first. A worker is started without a shell.
        command: Option<Template> = None,
        /// The argument vector that goes on with a session that an earlier run or turn has begun; else `command` again.
        resume: Option<Template> = None,
        /// Whether the prompt describes the task or is the task's own script.
        kind: Kind = Kind::Agent,
        /// How the prompt is handed over; `"file"` needs `{prompt_file}`, and using that implies it.
        prompt: Option<Prompt> = None,
        /// Variables that the worker gets from the gateway's environment, beyond `PATH`, `HOME`, `LANG`, `LC_*`, `TERM`, `TZ`, `USER` and `SHELL`.
        env: Vec<VariableName> = Vec::new(),
        /// Variables that the worker gets with these values, which are never shown.
        set: Variables = Variables::default(),
        /// Where its tasks work when neither they nor their thread say.
        workspace: WorkspaceDefault = WorkspaceDefault::Scratch,
        /// The most of its workers that run at once; else `dispatch.max_running_per_profile` counts.
        max_running: Option<NonZeroU32> = None,
        /// The longest that a run may take when its task does not say.
        max_runtime: Option<Period> = None,
        /// Start none of its tasks until this is taken back.
        paused: bool = false,
        /// Roles that may give it tasks; higher roles may too.
        roles: Vec<Role> = vec![Role::Member],
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
    pub paused: bool,
    command: Template,
    resume: Option<Template>,
    env: Vec<VariableName>,
    set: Variables,
    least_role: Role,
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
        let in_file = command.uses(Placeholder::PromptFile);
        let prompt = settings.prompt.unwrap_or(if in_file { Prompt::File } else { Prompt::Stdin });
        if in_file != (prompt == Prompt::File) {
            reader.refuse(
                "prompt",
                "got one way to hand over the prompt and another in `command`; expected `\"file\"` with `{prompt_file}`, or `\"stdin\"` without",
            );
        }
        if settings.resume.as_ref().is_some_and(|resume| resume.uses(Placeholder::PromptFile) != in_file) {
            reader.refuse(
                "resume",
                "got another way to hand over the prompt than in `command`; expected `{prompt_file}` in both or in neither",
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
            paused: settings.paused,
            command,
            resume: settings.resume,
            env: settings.env,
            set: settings.set,
            least_role,
        })
    }

    /// The arguments of a run, program first.
    pub fn argv(&self, values: &Values<'_>) -> Vec<String> {
        self.command.fill(values)
    }

    /// The arguments of a run or a turn that goes on with a session of before.
    pub fn argv_again(&self, values: &Values<'_>) -> Vec<String> {
        self.resume.as_ref().unwrap_or(&self.command).fill(values)
    }

    /// Tells whether it has a command line of its own for going on with a session.
    pub fn can_go_on(&self) -> bool {
        self.resume.is_some()
    }

    /// The program that its command line starts, as written.
    pub fn program(&self) -> String {
        let nothing = Values { task: "", run: 0, title: "", workspace: "", prompt_file: "", session: "" };
        self.argv(&nothing).into_iter().next().unwrap_or_default()
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
