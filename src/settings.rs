//! Settings: defaults in code, then `<home>/kanban.toml`, then `KANBAN__SECTION__KEY` variables.
//!
//! The environment and the settings file are read here and nowhere else. What was loaded is known to be good.

mod access;
mod choice;
mod declaration;
mod environment;
mod home;
mod layers;
mod origin;
mod pattern;
mod platforms;
mod profile;
mod recipe;
mod reference;
mod refusal;
mod script;
mod section;
mod template;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    access::{Access, Extent, Grant, Rights, Role, Scope, Standing, Visitor, misformed},
    declaration::{Backups, Chat, Delivery, Dispatch, Files, LogFormat, LogLevel, Logs, RoleSettings, Workspaces},
    environment::Environment,
    home::{create_home, home},
    origin::{Origin, Row},
    pattern::Pattern,
    platforms::{Account, DiscordSettings, Platforms, SlackMode, SlackSettings, TelegramMode, TelegramSettings},
    profile::{Kind, Probes, Profile, Profiles, Prompt, Purpose, Signs, WorkerScope, in_home},
    recipe::{Found, discover, known_agents},
    reference::reference,
    refusal::Refusal,
    script::script_of,
    template::{Arguments, Document, Filled, Placeholder, Template, Values},
    value::{Directory, ExitStatus, Line, Period, Seconds, VariableName, Variables, WorkspaceDefault},
};
use self::{
    access::{AccessRoles, AccessSettings},
    section::{Findings, Reader, Section},
};
use crate::{
    board::{ProfileName, budget::Budget},
    redact::Redactor,
    secret::Secret,
    suggest::nearest,
};

/// The settings' file in the home.
pub const FILE: &str = "kanban.toml";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub dispatch: Dispatch,
    pub workspaces: Workspaces,
    pub access: Access,
    pub logs: Logs,
    pub delivery: Delivery,
    pub files: Files,
    pub backup: Backups,
    pub chat: Chat,
    pub platforms: Platforms,
    pub profiles: Profiles,
    /// Agent command lines on `PATH` that became profiles because none is configured.
    pub found: Vec<Found>,
    /// Takes the secrets of these settings out of texts.
    pub redactor: Arc<Redactor>,
    roles: BTreeMap<Role, RoleSettings>,
    rows: Vec<Row>,
    file: PathBuf,
}

impl Settings {
    /// What a task may use where it does not say, by the profile that it is given to.
    pub fn budget_of(&self, assignee: Option<&ProfileName>) -> Budget {
        let name = assignee.or(self.dispatch.default_assignee.as_ref());
        name.and_then(|name| self.profiles.get(name)).map(Profile::budget).unwrap_or_default()
    }

    /// Loads the settings of a home, or says everything that is wrong with them.
    pub fn load(home: &Path, environment: &Environment) -> Result<Self, Refusal> {
        let file = layers::file_of(home);
        let mut problems = Vec::new();
        let layers::Layers { merged, found } = layers::read(&file, environment, &mut problems);
        layers::check_roles(&merged, &mut problems);
        let mut findings = Findings { rows: Vec::new(), problems };

        let mut reader = Reader::at(&merged, &["dispatch"], &mut findings);
        let dispatch = Dispatch::read(&mut reader);
        if dispatch.backoff_max_seconds < dispatch.backoff_seconds {
            reader.refuse("backoff_max_seconds", "got less than `dispatch.backoff_seconds`, expected at least as much");
        }
        let workspaces = Workspaces::read(&mut Reader::at(&merged, &["workspaces"], &mut findings));
        let mut roles = BTreeMap::new();
        for role in layers::names(&merged, "roles").iter().filter_map(|name| name.parse::<Role>().ok()) {
            let mut reader = Reader::at(&merged, &["roles", role.name()], &mut findings);
            roles.insert(role, RoleSettings::read(&mut reader));
        }
        let owners = AccessSettings::read(&mut Reader::at(&merged, &["access"], &mut findings));
        let others = AccessRoles::read(&mut Reader::at(&merged, &["access", "roles"], &mut findings));
        let logs = Logs::read(&mut Reader::at(&merged, &["logs"], &mut findings));
        let delivery = Delivery::read(&mut Reader::at(&merged, &["delivery"], &mut findings));
        let files = Files::read(&mut Reader::at(&merged, &["files"], &mut findings));
        let backup = Backups::read(&mut Reader::at(&merged, &["backup"], &mut findings));
        let chat = Chat::read(&mut Reader::at(&merged, &["chat"], &mut findings));
        let platforms = Platforms::read(&merged, &mut findings);
        let names = layers::names(&merged, "profiles");
        let profiles = names.iter().filter_map(|text| {
            let name: ProfileName = text.parse().ok()?;
            Profile::read(name, &mut Reader::at(&merged, &["profiles", text], &mut findings))
        });
        let profiles = Profiles::new(profiles.collect::<Vec<_>>());
        check_resident(&chat, &names, &profiles, &mut Reader::at(&merged, &["chat"], &mut findings));
        check_orchestrator(&dispatch, &names, &mut Reader::at(&merged, &["dispatch"], &mut findings));
        check_assignee(&dispatch, &names, &profiles, &mut Reader::at(&merged, &["dispatch"], &mut findings));

        let Findings { rows, problems, .. } = findings;
        Refusal::of(problems)?;
        let access = Access::new(owners, others);
        let passed: Vec<Secret> = profiles.iter().flat_map(|profile| profile.passed(environment)).collect();
        let given = platforms.secrets().chain(profiles.iter().flat_map(Profile::secrets));
        let redactor = Arc::new(Redactor::new(given.chain(&passed)));
        Ok(Self {
            dispatch,
            workspaces,
            access,
            logs,
            delivery,
            files,
            backup,
            chat,
            platforms,
            profiles,
            found,
            redactor,
            roles,
            rows,
            file,
        })
    }

    /// Every setting in force, with its origin and with secrets hidden.
    pub fn table(&self) -> &[Row] {
        &self.rows
    }

    /// The settings file, whether it is there or not.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The directories at or below which a role's tasks may work; empty when none are set.
    pub fn roots_of(&self, role: Role) -> &[Directory] {
        let own = self.roles.get(&role).and_then(|settings| settings.roots.as_deref());
        own.unwrap_or(&self.workspaces.roots)
    }
}

fn check_resident(chat: &Chat, profiles: &BTreeSet<&str>, usable: &Profiles, reader: &mut Reader<'_>) {
    let Some(name) = &chat.agent else { return };
    if usable.get(name).is_some_and(|profile| profile.kind == Kind::Script) {
        reader
            .refuse("agent", &format!("got `{name}`, which would run what people say as a program; expected an agent"));
    }
    if !profiles.contains(name.as_str()) {
        let hint = nearest(name.as_str(), profiles.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        reader.refuse("agent", &format!("there is no profile `{name}`{hint}"));
    }
}

fn check_orchestrator(dispatch: &Dispatch, profiles: &BTreeSet<&str>, reader: &mut Reader<'_>) {
    let Some(name) = dispatch.orchestrator.as_ref().map(ProfileName::as_str) else { return };
    if !profiles.contains(name) {
        let hint = nearest(name, profiles.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        reader.refuse("orchestrator", &format!("there is no profile `{name}`{hint}"));
    }
}

fn check_assignee<'a>(
    dispatch: &Dispatch,
    profiles: impl IntoIterator<Item = &'a &'a str> + Clone,
    usable: &Profiles,
    reader: &mut Reader<'_>,
) {
    let Some(name) = dispatch.default_assignee.as_ref().map(ProfileName::as_str) else {
        return;
    };
    // Whoever may create a task would reach the profile without being asked for a role.
    let reserved = |profile: &Profile| profile.name.as_str() == name && !profile.allows(Role::Member);
    if usable.iter().any(reserved) {
        reader.refuse(
            "default_assignee",
            &format!("got `{name}`, which members may not use; expected a profile whose `roles` begin at `member`"),
        );
    }
    let mut known = profiles.clone().into_iter();
    if !known.any(|known| *known == name) {
        let hint = nearest(name, profiles.into_iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        reader.refuse("default_assignee", &format!("there is no profile `{name}`{hint}"));
    }
}
