//! The page about Discord names what the code asks for, and nothing else.

use std::{collections::BTreeSet, fs, path::Path};

use kanban_discord::{INTENTS, PERMISSIONS, SCOPES, invitation, permissions};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/platforms/discord.md");
    fs::read_to_string(path).unwrap_or_default()
}

/// The first column of the table with this heading.
fn table(page: &str, heading: &str) -> BTreeSet<String> {
    let rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_page_names_what_is_asked_for() {
    let page = page();
    assert_eq!(table(&page, "Scope"), named(&SCOPES));
    assert_eq!(table(&page, "Permission"), named(&PERMISSIONS));
    assert_eq!(table(&page, "Intent"), named(&INTENTS));
}

#[test]
fn the_address_of_the_invitation_asks_for_the_same() {
    let page = page();
    let address = invitation(None);
    assert!(page.contains(&address), "the page needs {address}");
    assert!(page.contains(&format!("together is `{}`", permissions())));
}
