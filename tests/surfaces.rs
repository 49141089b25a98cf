//! What is derived from the declaration: documentation, help, and menus within the platforms' limits.

use std::{fs, path::Path};

use clap::CommandFactory;
use kanban_gateway::command::{Kanban, from_arguments, reference, spec, verbs::MENU};
use kanban_platform::{Capability, Kind, Spec, Surface};

#[test]
fn the_declaration_is_sound() {
    Kanban::command().debug_assert();
}

#[test]
fn the_page_of_commands_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let written = reference::markdown();
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so in the environment")]
    let blessed = std::env::var_os("KANBAN_BLESS").is_some();
    if blessed {
        fs::write(&path, &written).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == written,
        "docs/commands.md is out of date; `KANBAN_BLESS=1 cargo test --test surfaces` writes it anew"
    );
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
        (&["dispatch", "pause"], Capability::Operate, Surface::Menu),
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

/// Discord's published limits on one command.
#[test]
#[expect(clippy::print_stderr, reason = "the room that is left is for people to read")]
fn the_menu_fits_discord() {
    fn name_fits(name: &str) -> bool {
        (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    }
    fn described(name: &str, about: &str) -> usize {
        assert!(name_fits(name), "`{name}` is no name for Discord");
        assert!(
            (1..=100).contains(&about.chars().count()),
            "`{name}`: {about:?} has {} characters",
            about.chars().count()
        );
        name.chars().count() + about.chars().count()
    }
    fn cost(verb: &Spec, globals: &[kanban_platform::Arg]) -> usize {
        let mut cost = described(&verb.name, &verb.about);
        assert!(verb.verbs.len() <= 25, "`{}` has {} verbs", verb.name, verb.verbs.len());
        if verb.verbs.is_empty() {
            let args: Vec<_> = verb.args.iter().chain(globals).collect();
            assert!(args.len() <= 25, "`{}` has {} options", verb.name, args.len());
            for arg in args {
                cost += described(&arg.name, &arg.about);
                if let Kind::Choice(choices) = &arg.kind {
                    assert!(choices.len() <= 25, "`{}` has {} choices", arg.name, choices.len());
                    cost += choices.iter().map(|choice| choice.name.chars().count() * 2).sum::<usize>();
                }
            }
        }
        cost + verb.verbs.iter().map(|inner| cost_of_inner(inner, globals)).sum::<usize>()
    }
    fn cost_of_inner(verb: &Spec, globals: &[kanban_platform::Arg]) -> usize {
        assert!(verb.verbs.is_empty(), "`{}` is nested too deeply", verb.name);
        cost(verb, globals)
    }
    let globals: Vec<_> = spec().args.iter().filter(|arg| arg.name == "board").cloned().collect();
    let menu: Vec<_> = spec().verbs.iter().filter(|verb| verb.surface == Surface::Menu).collect();
    assert!(menu.len() <= 25);
    let whole = described(&spec().name, &spec().about) + menu.iter().map(|verb| cost(verb, &globals)).sum::<usize>();
    eprintln!("{} verbs, {whole} of 8000 characters", menu.len());
    assert!(whole <= 8_000, "{whole} characters");
}

#[test]
fn the_command_lines_help() {
    let Err(help) = from_arguments(["help".into()]) else { panic!("help is no verb to run") };
    insta::assert_snapshot!(help.text);
    let Err(help) = from_arguments(["create".into(), "--help".into()]) else { panic!("help is no verb to run") };
    insta::assert_snapshot!(help.text);
}
