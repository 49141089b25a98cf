//! What is derived from the declaration: documentation, help, and menus within the platforms' limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "discord")]
#[path = "surfaces/discord.rs"]
mod discord;
#[path = "surfaces/mcp.rs"]
mod mcp;
#[cfg(feature = "slack")]
#[path = "surfaces/slack.rs"]
mod slack;
#[cfg(feature = "telegram")]
#[path = "surfaces/telegram.rs"]
mod telegram;

use std::{fs, path::Path, process::Command};

use clap::CommandFactory;
use clap_complete::Shell;
use kanban_gateway::command::{
    Kanban, from_arguments, from_chat, from_words, reference, spec,
    verbs::{MENU, SHORTCUTS},
};
use kanban_platform::{Capability, Kind, Spec, Surface};

#[test]
fn the_declaration_is_sound() {
    Kanban::command().debug_assert();
}

#[test]
fn the_page_of_commands_is_current() {
    assert_current("docs/commands.md", &reference::markdown());
}

#[test]
fn every_line_of_a_menu_is_there_in_german() {
    let shown = spec().verbs.iter().filter(|verb| verb.surface == Surface::Menu || verb.shortcut.is_some());
    for spec in std::iter::once(spec()).chain(shown) {
        let german = spec.translations.get("de").unwrap_or_else(|| panic!("no German line for `{}`", spec.name));
        // Discord takes 100 characters, and Telegram shows no line ends.
        assert!((1..=100).contains(&german.chars().count()) && !german.contains('\n'), "{}: {german}", spec.name);
        assert_ne!(*german, spec.about);
    }
    let lines: Vec<_> = spec().verbs.iter().flat_map(|verb| verb.translations.values()).collect();
    for (at, line) in lines.iter().enumerate() {
        assert!(!lines[..at].contains(line), "`{line}` stands twice");
    }
}

#[test]
fn a_verbs_own_command_names_a_verb_and_no_other_one() {
    for (shortcut, verb) in SHORTCUTS {
        let spec = spec().at(&[verb]).unwrap_or_else(|| panic!("`{verb}` is no verb"));
        assert_eq!(spec.shortcut.as_deref(), Some(*shortcut));
        // Telegram's commands: small letters, digits and underscores, at most 32.
        let is_plain = shortcut.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(is_plain && (1..=32).contains(&shortcut.len()), "{shortcut}");
    }
    let mut names: Vec<_> = SHORTCUTS.iter().map(|(shortcut, _)| *shortcut).chain(["kanban"]).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn menus_name_verbs_of_chat_once() {
    assert!(MENU.len() <= 20);
    for (at, name) in MENU.iter().enumerate() {
        assert!(!MENU[..at].contains(name), "{name} stands twice");
        let verb = spec().at(&[name]).unwrap_or_else(|| panic!("{name} is no verb"));
        assert_eq!(verb.surface, Surface::Menu, "{name}");
    }
}

#[test]
fn verbs_stand_where_their_group_says() {
    for (path, capability, surface) in [
        (&["list"][..], Capability::Read, Surface::Menu),
        (&["runs"], Capability::Read, Surface::Chat),
        (&["boards", "list"], Capability::Read, Surface::Menu),
        (&["boards", "rm"], Capability::Own, Surface::Menu),
        (&["heartbeat"], Capability::Write, Surface::Chat),
        (&["dispatch", "pause"], Capability::Operate, Surface::Chat),
        (&["settings", "show"], Capability::Own, Surface::Chat),
        (&["up"], Capability::Own, Surface::CommandLine),
        (&["shim"], Capability::Own, Surface::Internal),
    ] {
        let verb = spec().at(path).unwrap();
        assert_eq!((verb.capability, verb.surface), (capability, surface), "{path:?}");
    }
}

#[test]
fn types_decide_the_fields() {
    let kind =
        |verb: &str, arg: &str| spec().at(&[verb]).unwrap().args.iter().find(|a| a.name == arg).unwrap().kind.clone();
    assert_eq!(kind("create", "title"), Kind::Text);
    assert_eq!(kind("create", "body"), Kind::Prose);
    assert_eq!(kind("create", "assignee"), Kind::Profile);
    assert_eq!(kind("create", "parent"), Kind::Task);
    assert_eq!(kind("create", "workspace"), Kind::Workspace);
    assert_eq!(kind("create", "tenant"), Kind::Tenant);
    assert_eq!(kind("create", "priority"), Kind::Integer);
    assert_eq!(kind("create", "max-retries"), Kind::Integer);
    assert_eq!(kind("create", "at"), Kind::Text);
    assert_eq!(kind("create", "json"), Kind::Flag);
    assert_eq!(kind("comment", "text"), Kind::Prose);
    assert_eq!(kind("dispatch", "max"), Kind::Integer);
    assert_eq!(spec().args[0].kind, Kind::Board);
    assert!(matches!(kind("list", "status"), Kind::Choice(choices) if choices.len() == 9));
}

/// Every example of a help is typed as it stands there, at a shell and in a chat.
#[test]
fn each_example_is_a_command_that_works() {
    let mut paths: Vec<Vec<&str>> = Vec::new();
    for verb in &spec().verbs {
        paths.push(vec![&verb.name]);
        paths.extend(verb.verbs.iter().map(|inner| vec![verb.name.as_str(), inner.name.as_str()]));
    }
    assert!(paths.len() > 80);
    for path in paths {
        let example = reference::example(&path);
        assert!(example.starts_with(&path.join(" ")), "{path:?}: {example}");
        let script = format!("set -f; printf '%s\\0' {example}");
        let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
        let words: Vec<_> =
            String::from_utf8(shell.stdout).unwrap().split_terminator('\0').map(str::to_owned).collect();
        let typed = from_words(&words, Surface::Internal).unwrap_or_else(|mistake| panic!("{example}: {mistake}"));
        assert!(typed.verb.is_some(), "{example}");
        if spec().at(&path).unwrap().surface <= Surface::Chat {
            let said =
                from_chat(&format!("/kanban {example}")).unwrap_or_else(|mistake| panic!("{example}: {mistake}"));
            // In a chat the command of a schedule stays as it was typed.
            assert!(said.verb == typed.verb || path == ["schedule", "add"], "{example}: {said:?} {typed:?}");
        }
    }
}

#[test]
fn a_form_with_an_unknown_field_is_refused() {
    let field = |name: &str| (name.to_owned(), "x".to_owned());
    assert_eq!(spec().words(&["show"], &[field("id")]).unwrap(), ["show", "--", "x"]);
    assert_eq!(
        spec().words(&["ls"], &[field("tenant"), field("board")]).unwrap(),
        ["ls", "--board=x", "--tenant=x", "--"]
    );
    assert_eq!(spec().words(&["show"], &[field("title")]).unwrap_err(), "`show` has no argument `title`");
    assert_eq!(spec().words(&["nope"], &[]).unwrap_err(), "there is no verb `nope`");
}

#[test]
fn every_verb_has_at_most_one_text() {
    fn check(verb: &Spec) {
        let texts = verb.args.iter().filter(|arg| arg.kind == Kind::Prose).count();
        assert!(texts <= 1, "`{}` has {texts} texts, so the lines below have no clear place", verb.name);
        verb.verbs.iter().for_each(check);
    }
    check(spec());
}

#[test]
fn the_command_lines_help() {
    let Err(help) = from_arguments(["help".into()]) else { panic!("help is no verb to run") };
    insta::assert_snapshot!(help.text);
    let Err(help) = from_arguments(["create".into(), "--help".into()]) else { panic!("help is no verb to run") };
    insta::assert_snapshot!(help.text);
}

/// Each shell's completions know every verb of the command line, and the shell reads them where it is there.
#[test]
fn completions_know_every_verb() {
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let script = reference::completions(shell);
        for verb in spec().verbs.iter().filter(|verb| verb.surface != Surface::Internal) {
            assert!(script.contains(&verb.name), "{name}: {}", verb.name);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &script).unwrap();
        // Whether it is a script of that shell at all: `-n` reads and runs nothing.
        if let Ok(read) = Command::new(name).arg("-n").arg(file.path()).output() {
            assert!(read.status.success() && read.stderr.is_empty(), "{name}: {read:?}");
        }
    }
}

#[test]
fn each_verb_has_a_manual_page() {
    fn check(verb: &Spec, path: &[String]) {
        let page = reference::man(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let name = path.join("\\-").replace('-', "\\-").replace("\\\\-", "\\-");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS") && page.contains(&name), "{path:?}: {page}");
        for arg in verb.args.iter().filter(|arg| !arg.positional) {
            assert!(page.contains(&arg.name.replace('-', "\\-")), "{path:?} --{}: {page}", arg.name);
        }
        for inner in &verb.verbs {
            check(inner, &[path, std::slice::from_ref(&inner.name)].concat());
        }
    }
    let whole = reference::man(&[]).unwrap();
    for verb in spec().verbs.iter().filter(|verb| verb.surface != Surface::Internal) {
        assert!(whole.contains(&verb.name.replace('-', "\\-")), "{}", verb.name);
        check(verb, std::slice::from_ref(&verb.name));
    }
    let wrong = reference::man(&["creat".to_owned()]).unwrap_err();
    assert!(wrong.contains("did you mean `create`?"), "{wrong}");
    assert!(reference::man(&["shim".to_owned()]).is_err(), "what the program calls itself is no verb for people");
}

/// Holds a generated file to what is generated; `KANBAN_BLESS` writes it anew.
fn assert_current(file: &str, written: &str) {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so in the environment")]
    let blessed = std::env::var_os("KANBAN_BLESS").is_some();
    if blessed {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), written).unwrap();
    }
    let is_current = read(file) == written;
    assert!(is_current, "{file} is out of date; `KANBAN_BLESS=1 cargo test --test surfaces` writes it anew");
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default()
}
