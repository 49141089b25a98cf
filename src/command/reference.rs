//! Help texts and the page of all commands, written from the verbs as data.

use std::fmt::Write;

use kanban_platform::{Arg, Capability, Kind, Spec, Surface};

use crate::{
    command::{
        spec::{declaration, spec},
        value::example_id,
        verbs::MENU,
    },
    suggest::nearest,
};

/// The short help: what people use most, and where the rest is.
pub fn overview(prefix: &str) -> String {
    let root = spec();
    let mut text = format!("{}.\n\n", root.about);
    for verb in MENU.iter().filter_map(|name| root.at(&[name])) {
        let _ = writeln!(text, "{prefix} {} - {}", short_usage(verb), verb.about);
    }
    let hidden = |verb: &&Spec| match verb.surface {
        Surface::Menu | Surface::Internal => false,
        Surface::Chat => true,
        Surface::CommandLine => !prefix.starts_with('/'),
    };
    let more: Vec<_> = root.verbs.iter().filter(hidden).map(|verb| verb.name.as_str()).collect();
    let _ = write!(
        text,
        "\nAlso: {}\n{prefix} help <verb> tells more; `--board <BOARD>` picks another board.",
        more.join(", ")
    );
    text
}

/// The help of one verb or group.
pub fn verb(prefix: &str, path: &[&str]) -> String {
    let Some(verb) = spec().at(path) else { return overview(prefix) };
    let mut text = format!("{}.\n\nusage: {prefix} {}\n", verb.about, verb.usage);
    if !verb.aliases.is_empty() {
        let _ = writeln!(text, "also: {}", verb.aliases.join(", "));
    }
    if !verb.args.is_empty() {
        text.push('\n');
    }
    for arg in &verb.args {
        let _ = writeln!(text, "  {} - {}", shown(arg), described(arg));
    }
    if !verb.verbs.is_empty() {
        text.push('\n');
    }
    for inner in &verb.verbs {
        let _ = writeln!(text, "  {prefix} {} - {}", inner.usage, inner.about);
    }
    let _ = write!(text, "\nFor example: {prefix} {}", example(path));
    text
}

/// How a verb is typed, in one short line: what it cannot do without is spelled out.
pub fn usage(path: &[&str]) -> String {
    let Some(verb) = spec().at(path) else { return String::new() };
    let mut words = vec![path.join(" ")];
    words.extend(verb.args.iter().filter(|arg| arg.positional).map(|arg| match arg.required || arg.list {
        true => shown(arg),
        false => format!("[{}]", arg.name.to_uppercase()),
    }));
    let (needed, free): (Vec<_>, Vec<_>) = verb.args.iter().filter(|arg| !arg.positional).partition(|arg| arg.required);
    words.extend(needed.into_iter().map(shown));
    if !free.is_empty() {
        words.push("[options]".to_owned());
    }
    words.join(" ")
}

/// A call of the verb that is complete. A group that does nothing by itself is shown by its first verb.
pub fn example(path: &[&str]) -> String {
    let Some(verb) = spec().at(path) else { return String::new() };
    if let Some(inner) = verb.verbs.first().filter(|_| verb.args.is_empty()) {
        return example(&[path, &[&inner.name]].concat());
    }
    // A list of ids may come from an option too, but stands in every example; `say` takes a text where no file goes along.
    let is_shown = |arg: &&Arg| arg.required || arg.positional && (arg.list || path == ["say"]);
    let (places, options): (Vec<_>, Vec<_>) = verb.args.iter().filter(is_shown).partition(|arg| arg.positional);
    let mut words = vec![path.join(" ")];
    words.extend(places.iter().map(|arg| sample(path, arg)));
    words.extend(options.iter().map(|arg| format!("--{} {}", arg.name, sample(path, arg))));
    words.join(" ")
}

/// The completions for a shell, as it reads them.
pub fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut declaration().clone(), "kanban", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page of a verb, or of the program where none is named.
///
/// # Errors
/// With a sentence, where there is no such verb.
pub fn man(verb: &[String]) -> Result<String, String> {
    let mut command = declaration().clone();
    command.build();
    let mut found = &command;
    for name in verb {
        found = found.find_subcommand(name).filter(|verb| !verb.is_hide_set()).ok_or_else(|| {
            let hint =
                nearest(name, found.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name));
            let hint =
                hint.map_or_else(|| "`kanban help` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
            format!("there is no verb `{}`; {hint}", verb.join(" "))
        })?;
    }
    let name = ["kanban".to_owned()].iter().chain(verb).map(String::as_str).collect::<Vec<_>>().join("-");
    let mut page = Vec::new();
    let page_of =
        clap_mangen::Man::new(found.clone().display_name(name)).source(concat!("kanban ", env!("CARGO_PKG_VERSION")));
    page_of.render(&mut page).map_err(|error| format!("the page cannot be written: {error}"))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// `docs/commands.md`.
pub fn markdown() -> String {
    let root = spec();
    let mut page = String::from(
        "# Commands\n\nGenerated from the declaration in `src/command/verbs.rs`; `KANBAN_BLESS=1 cargo test --test surfaces` writes it anew.\n\n\
         In a chat a command begins with `/kanban`, on the command line with `kanban`. Titles, comments and reasons need no\n\
         quotes. In a chat the first line is the command, and the lines below go as they are to the argument marked *text*.\n\n\
         Every verb also takes:\n\n",
    );
    for arg in &root.args {
        let only = if arg.name == "home" { " (command line)" } else { "" };
        let _ = writeln!(page, "- `{}`: {}{only}", shown(arg), described(arg));
    }
    let groups = [
        ("Look", Capability::Read),
        ("Create and change tasks", Capability::Write),
        ("Steer workers and the dispatcher", Capability::Operate),
        ("Decide over the installation", Capability::Own),
    ];
    for (title, capability) in groups {
        let in_chat = |verb: &&Spec| match verb.surface {
            Surface::Menu | Surface::Chat => verb.capability == capability,
            Surface::CommandLine | Surface::Internal => false,
        };
        section(&mut page, title, root.verbs.iter().filter(in_chat));
    }
    let in_terminal = |verb: &&Spec| match verb.surface {
        Surface::CommandLine => true,
        Surface::Menu | Surface::Chat | Surface::Internal => false,
    };
    section(&mut page, "On the command line alone", root.verbs.iter().filter(in_terminal));
    page
}

fn section<'s>(page: &mut String, title: &str, verbs: impl Iterator<Item = &'s Spec>) {
    let _ = write!(page, "\n## {title}\n");
    for verb in verbs {
        entry(page, verb, &verb.name, 3, verb.capability);
    }
}

fn entry(page: &mut String, verb: &Spec, path: &str, depth: usize, capability: Capability) {
    let _ = write!(page, "\n{} {path}\n\n{}.", "#".repeat(depth), verb.about);
    if !verb.aliases.is_empty() {
        let _ = write!(page, " Also `{}`.", verb.aliases.join("`, `"));
    }
    if verb.capability != capability {
        let _ = write!(page, " For owners.");
    }
    let _ = write!(page, "\n\n    {}\n", verb.usage);
    if !verb.args.is_empty() {
        page.push('\n');
    }
    for arg in &verb.args {
        let mark = if arg.kind == Kind::Prose { " (*text*)" } else { "" };
        let _ = writeln!(page, "- `{}`: {}{mark}", shown(arg), described(arg));
    }
    for inner in &verb.verbs {
        entry(page, inner, &format!("{path} {}", inner.name), depth + 1, capability);
    }
}

/// A verb with what it cannot do without.
fn short_usage(verb: &Spec) -> String {
    let mut words = vec![verb.name.clone()];
    words.extend(verb.args.iter().filter(|arg| arg.positional && (arg.required || arg.list)).map(shown));
    words.join(" ")
}

fn shown(arg: &Arg) -> String {
    let dots = if arg.list { "…" } else { "" };
    match (arg.positional, &arg.kind) {
        (true, _) => format!("<{}>{dots}", arg.name.to_uppercase()),
        (false, Kind::Flag) => format!("--{}", arg.name),
        (false, kind) => format!("--{} <{}>{dots}", arg.name, kind_name(kind)),
    }
}

fn described(arg: &Arg) -> String {
    let mut text = arg.about.clone();
    match &arg.kind {
        Kind::Choice(choices) => {
            let names: Vec<_> = choices.iter().map(|choice| format!("`{}`", choice.name)).collect();
            let _ = write!(text, ": {}", names.join(", "));
        }
        Kind::Flag
        | Kind::Task
        | Kind::Profile
        | Kind::Board
        | Kind::Tenant
        | Kind::Workspace
        | Kind::Integer
        | Kind::Text
        | Kind::Prose => {}
    }
    if let Some(default) = &arg.default {
        let _ = write!(text, " (default `{default}`)");
    }
    text
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Flag => "true|false",
        Kind::Choice(_) => "choice",
        Kind::Task => "id",
        Kind::Profile => "profile",
        Kind::Board => "board",
        Kind::Tenant => "tenant",
        Kind::Workspace => "workspace",
        Kind::Integer => "number",
        Kind::Text => "value",
        Kind::Prose => "text",
    }
}

fn sample(path: &[&str], arg: &Arg) -> String {
    match &arg.kind {
        Kind::Flag => "true".to_owned(),
        Kind::Choice(choices) => choices.first().map(|choice| choice.name.clone()).unwrap_or_default(),
        Kind::Task if arg.name == "child" => "t_7hw2q8zd".to_owned(),
        Kind::Task => example_id().to_owned(),
        Kind::Profile => "claude".to_owned(),
        Kind::Board => "ops".to_owned(),
        Kind::Tenant => "acme".to_owned(),
        Kind::Workspace => "scratch".to_owned(),
        Kind::Integer => "3".to_owned(),
        Kind::Text => match arg.name.as_str() {
            "chat-id" => "12345",
            "file" => "kanban-1795970634.tar",
            "goal" => "plan the launch",
            "n" => "1",
            "name" if path.starts_with(&["skills"]) => "kanban-worker",
            "name" => "Operations",
            "path" => "~/.hermes",
            "platform" => "telegram",
            "role" => "member",
            "rule" => "\"0 7 * * 1-5\"",
            "rundir" => "runs/7",
            "schedule" => "s3",
            "title" => "fix the login page",
            "verb" => "create",
            "who" => "telegram:123456789",
            "worker" => "\"claude:ask the customers\"",
            _ => "ready",
        }
        .to_owned(),
        Kind::Prose => match path {
            ["say"] => "hello",
            ["schedule", "add"] => "-- create water the plants",
            _ => "which currency?",
        }
        .to_owned(),
    }
}
