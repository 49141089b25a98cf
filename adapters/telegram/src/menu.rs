//! The menu of commands, derived from the declaration of the verbs.

use std::collections::BTreeSet;

use kanban_platform::{Spec, Surface};

/// How many commands a menu may have, and how long a name and a description may be (`setMyCommands`).
const MOST: usize = 100;
const NAME_LIMIT: usize = 32;
const DESCRIPTION_LIMIT: usize = 256;

/// The language in which verbs are declared.
pub(crate) const NATIVE: &str = "en";

/// The commands of the menu in a language, by its two-letter code: name and description. `kanban` comes first, then the
/// verbs that have a form of their own.
pub fn menu(spec: &Spec, language: &str) -> Vec<(String, String)> {
    let mut menu: Vec<(String, String)> = Vec::new();
    for (name, verb) in entries(spec) {
        if menu.len() < MOST && !menu.iter().any(|(known, _)| *known == name) {
            let about = verb.translations.get(language).filter(|about| !about.trim().is_empty()).unwrap_or(&verb.about);
            let description = description(about, &name);
            menu.push((name, description));
        }
    }
    menu
}

/// The languages that a menu exists in besides the one in which verbs are declared.
pub(crate) fn languages(spec: &Spec) -> BTreeSet<String> {
    let codes = entries(spec).into_iter().flat_map(|(_, verb)| verb.translations.keys().cloned());
    codes.filter(|code| code != NATIVE && code.len() == 2).collect()
}

fn entries(spec: &Spec) -> Vec<(String, &Spec)> {
    let mut entries: Vec<(String, &Spec)> = name(&spec.name).map(|name| (name, spec)).into_iter().collect();
    shortcuts(spec, &mut entries);
    entries
}

fn shortcuts<'a>(spec: &'a Spec, entries: &mut Vec<(String, &'a Spec)>) {
    for verb in spec.verbs.iter().filter(|verb| verb.surface == Surface::Menu) {
        entries.extend(verb.shortcut.as_deref().and_then(name).map(|name| (name, verb)));
        shortcuts(verb, entries);
    }
}

/// The name as Telegram takes it: `a-z 0-9 _`.
fn name(word: &str) -> Option<String> {
    let name = word.to_lowercase().replace('-', "_");
    let is_taken = (1..=NAME_LIMIT).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_taken.then_some(name)
}

fn description(about: &str, name: &str) -> String {
    let line = about.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        0 => name.to_owned(),
        count if count <= DESCRIPTION_LIMIT => line,
        _ => line.chars().take(DESCRIPTION_LIMIT - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{DESCRIPTION_LIMIT, languages, menu};
    use kanban_platform::{Capability, Spec, Surface};
    use proptest::prelude::*;

    fn verb(name: &str, shortcut: Option<&str>, about: &str, german: Option<&str>) -> Spec {
        Spec {
            name: name.to_owned(),
            about: about.to_owned(),
            aliases: Vec::new(),
            usage: String::new(),
            args: Vec::new(),
            verbs: Vec::new(),
            surface: Surface::Menu,
            capability: Capability::Read,
            shortcut: shortcut.map(str::to_owned),
            translations: german.map(|text| ("de".to_owned(), text.to_owned())).into_iter().collect(),
        }
    }

    fn spec() -> Spec {
        let hidden = Spec { surface: Surface::Chat, ..verb("log", Some("log"), "Show a log", None) };
        let boards = Spec {
            verbs: vec![verb("list", Some("boards"), "List boards", None)],
            ..verb("boards", None, "Boards", None)
        };
        Spec {
            verbs: vec![
                verb("list", Some("tasks"), "List tasks", Some("Aufgaben auflisten")),
                verb("create", Some("new"), "Make a task", Some("Aufgabe anlegen")),
                verb("wait-for", Some("wait-for"), "", None),
                verb("show", Some("TASK"), "Show a task,\nwith its log", None),
                verb("twice", Some("new"), "Again", None),
                verb("bad", Some("ünicode"), "Bad", None),
                boards,
                hidden,
            ],
            ..verb("kanban", None, "Tasks on a board", Some("Aufgaben auf einem Brett"))
        }
    }

    #[test]
    fn the_menu_in_each_language() {
        let lines = |language: &str| {
            menu(&spec(), language)
                .iter()
                .map(|(name, about)| format!("/{name} - {about}"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        insta::assert_snapshot!("menu_en", lines("en"));
        insta::assert_snapshot!("menu_de", lines("de"));
        assert_eq!(languages(&spec()).into_iter().collect::<Vec<_>>(), ["de"]);
    }

    proptest! {
        #[test]
        fn every_entry_is_one_that_telegram_takes(names in prop::collection::vec("\\PC{0,40}|[a-z_-]{1,33}", 0..120), about in "\\PC{0,400}|\\s{0,3}") {
            let verbs = names.iter().map(|name| verb(name, Some(name), &about, Some(&about))).collect();
            let spec = Spec { verbs, ..verb("kanban", None, &about, None) };
            let menu = menu(&spec, "de");
            prop_assert!(menu.len() <= 100 && menu[0].0 == "kanban");
            for (name, about) in &menu {
                prop_assert!((1..=32).contains(&name.len()), "{}", name);
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
                prop_assert!((1..=DESCRIPTION_LIMIT).contains(&about.chars().count()));
            }
        }
    }
}
