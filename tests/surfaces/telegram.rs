//! Telegram's menus, made from the real declaration: what people see in each language, and whether Telegram takes it.

use std::collections::BTreeSet;

use kanban_gateway::command::{spec, verbs::SHORTCUTS};
use kanban_telegram::menu;

/// As `@BotFather` writes a menu.
fn shown(language: &str) -> String {
    menu(spec(), language).iter().map(|(name, about)| format!("/{name} - {about}\n")).collect()
}

#[test]
fn the_menus_of_the_real_declaration() {
    insta::assert_snapshot!("telegram_en", shown("en"));
    insta::assert_snapshot!("telegram_de", shown("de"));
}

#[test]
fn every_verb_with_a_shortcut_is_in_the_menus() {
    for language in ["en", "de"] {
        let menu = menu(spec(), language);
        let names: BTreeSet<_> = menu.iter().map(|(name, _)| name.as_str()).collect();
        let expected: BTreeSet<_> = SHORTCUTS.iter().map(|(shortcut, _)| *shortcut).chain(["kanban"]).collect();
        assert_eq!(names, expected, "{language}");
        for (shortcut, verb) in SHORTCUTS {
            let spec = spec().at(&[verb]).unwrap();
            let about = if language == "en" { &spec.about } else { &spec.translations[language] };
            let (_, shown) = menu.iter().find(|(name, _)| name == shortcut).unwrap();
            assert_eq!(shown, about, "/{shortcut} in {language}");
        }
    }
}

/// `setMyCommands`, `BotCommand`.
#[test]
fn the_menus_keep_to_the_published_limits() {
    for language in ["en", "de"] {
        let menu = menu(spec(), language);
        assert!((1..=100).contains(&menu.len()), "{language}: {} commands", menu.len());
        for (name, about) in &menu {
            let is_named = (1..=32).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(is_named, "`{name}` is no command for Telegram");
            assert!((1..=256).contains(&about.chars().count()), "{language}: /{name}: {about:?}");
        }
    }
}
