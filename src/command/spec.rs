//! Reading the declaration once into plain data, which is all that the rest of the program sees of it.

use std::{any::TypeId, collections::BTreeMap, sync::OnceLock};

use clap::{ArgAction, Command, CommandFactory, Subcommand};
use kanban_platform::{Arg, Capability, Choice, Kind, Spec, Surface};

use crate::{
    board::id::{BoardSlug, ProfileName, TaskId},
    command::{
        german::german,
        value::{Assignee, Pinnable, Prose, Tenant, WorkspaceArg},
        verbs::{BoardsOwn, Internal, Kanban, MENU, Operate, Own, Read, SHORTCUTS, Shell, Write},
    },
};

/// Every verb, in order of declaration. The arguments of the root belong to every verb.
pub fn spec() -> &'static Spec {
    static SPEC: OnceLock<Spec> = OnceLock::new();
    SPEC.get_or_init(|| {
        let groups = [
            (Surface::Chat, Capability::Read, names::<Read>()),
            (Surface::Chat, Capability::Write, names::<Write>()),
            (Surface::Chat, Capability::Operate, names::<Operate>()),
            (Surface::Chat, Capability::Own, names::<Own>()),
            (Surface::CommandLine, Capability::Own, names::<Shell>()),
            (Surface::Internal, Capability::Own, names::<Internal>()),
        ];
        let declaration = declaration();
        let mut root = read(declaration, "", Surface::Chat, Capability::Read);
        root.translations = translations("kanban");
        root.args = declaration.get_arguments().map(arg).collect();
        root.verbs = declaration
            .get_subcommands()
            .filter_map(|verb| {
                let (surface, capability, _) =
                    groups.iter().find(|(_, _, names)| names.iter().any(|name| name == verb.get_name()))?;
                let surface = if MENU.contains(&verb.get_name()) { Surface::Menu } else { *surface };
                let shortcut = SHORTCUTS.iter().find(|(_, name)| *name == verb.get_name());
                Some(Spec {
                    shortcut: shortcut.map(|(shortcut, _)| (*shortcut).to_owned()),
                    translations: translations(verb.get_name()),
                    ..read(verb, "", surface, *capability)
                })
            })
            .collect();
        let owned = names::<BoardsOwn>();
        for verb in root.verbs.iter_mut().filter(|verb| verb.name == "boards").flat_map(|boards| &mut boards.verbs) {
            if owned.contains(&verb.name) {
                verb.capability = Capability::Own;
            }
        }
        root
    })
}

/// The declaration as clap reads it, made once.
pub(crate) fn declaration() -> &'static Command {
    static DECLARATION: OnceLock<Command> = OnceLock::new();
    DECLARATION.get_or_init(Kanban::command)
}

/// What an argument holds; its type says so.
pub(crate) fn kind(arg: &clap::Arg) -> Kind {
    if !takes_values(arg) {
        return Kind::Flag;
    }
    let choices = arg.get_possible_values();
    if !choices.is_empty() {
        return Kind::Choice(
            choices
                .iter()
                .map(|value| Choice {
                    name: value.get_name().to_owned(),
                    about: value.get_help().map(ToString::to_string).unwrap_or_default(),
                })
                .collect(),
        );
    }
    let held = arg.get_value_parser().type_id();
    let is = |ids: &[TypeId]| ids.iter().any(|id| held == *id);
    if is(&[TypeId::of::<TaskId>()]) {
        Kind::Task
    } else if is(&[TypeId::of::<ProfileName>(), TypeId::of::<Assignee>()]) {
        Kind::Profile
    } else if is(&[TypeId::of::<BoardSlug>()]) {
        Kind::Board
    } else if is(&[TypeId::of::<Tenant>()]) {
        Kind::Tenant
    } else if is(&[TypeId::of::<WorkspaceArg>(), TypeId::of::<Pinnable>()]) {
        Kind::Workspace
    } else if is(&[TypeId::of::<i64>(), TypeId::of::<u32>(), TypeId::of::<u64>()]) && !is_time(arg) {
        Kind::Integer
    } else if is(&[TypeId::of::<Prose>()]) {
        Kind::Prose
    } else {
        Kind::Text
    }
}

/// Whether the argument may be given several times or takes several words.
pub(crate) fn is_list(arg: &clap::Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

/// How help names the value: `--status <STATUS>`.
pub(crate) fn value_name(arg: &clap::Arg) -> String {
    let declared = arg.get_value_names().and_then(|names| names.first()).map(|name| name.replace('_', "-"));
    declared.unwrap_or_else(|| arg.get_id().as_str().to_uppercase())
}

fn read(command: &Command, parents: &str, surface: Surface, capability: Capability) -> Spec {
    let name = command.get_name().to_owned();
    let path = if parents.is_empty() { name.clone() } else { format!("{parents} {name}") };
    Spec {
        about: command.get_about().map(ToString::to_string).unwrap_or_default(),
        aliases: command.get_visible_aliases().map(str::to_owned).collect(),
        usage: usage(command, &path),
        args: command.get_arguments().map(arg).collect(),
        verbs: command.get_subcommands().map(|verb| read(verb, &path, surface, capability)).collect(),
        name,
        surface,
        capability,
        shortcut: None,
        translations: BTreeMap::new(),
    }
}

fn translations(verb: &str) -> BTreeMap<String, String> {
    german(verb).map(|about| ("de".to_owned(), about.to_owned())).into_iter().collect()
}

/// `create <TITLE>… [--body <TEXT>] …`: required arguments first, as they are typed.
fn usage(command: &Command, path: &str) -> String {
    let mut usage = path.to_owned();
    for arg in command.get_positionals() {
        let name = value_name(arg);
        let dots = if is_list(arg) { "…" } else { "" };
        usage += &if arg.is_required_set() { format!(" <{name}>{dots}") } else { format!(" [{name}]{dots}") };
    }
    let mut options: Vec<_> = command.get_arguments().filter(|arg| !arg.is_positional()).collect();
    options.sort_by_key(|arg| !arg.is_required_set());
    for arg in options {
        let name = arg.get_long().unwrap_or_default();
        let value = if takes_values(arg) { format!(" <{}>", value_name(arg)) } else { String::new() };
        usage += &if arg.is_required_set() { format!(" --{name}{value}") } else { format!(" [--{name}{value}]") };
    }
    if command.has_subcommands() {
        let verbs: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        usage += &format!(" [{}]", verbs.join("|"));
    }
    usage
}

fn arg(arg: &clap::Arg) -> Arg {
    let kind = kind(arg);
    Arg {
        name: arg.get_long().map_or_else(|| value_name(arg).to_lowercase(), str::to_owned),
        about: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        required: arg.is_required_set(),
        list: kind != Kind::Prose && kind != Kind::Flag && is_list(arg),
        positional: arg.is_positional(),
        default: arg
            .get_default_values()
            .first()
            .map(|value| value.to_string_lossy().into_owned())
            .filter(|_| takes_values(arg)),
        kind,
    }
}

/// A point in time is held in seconds but typed as a date.
fn is_time(arg: &clap::Arg) -> bool {
    value_name(arg) == "TIME"
}

pub(crate) fn takes_values(arg: &clap::Arg) -> bool {
    arg.get_action().takes_values()
}

fn names<V: Subcommand>() -> Vec<String> {
    V::augment_subcommands(Command::new("group")).get_subcommands().map(|verb| verb.get_name().to_owned()).collect()
}
