//! What docs/platforms/slack.md tells people, against the code. The manifests beside it are held by the root package,
//! which has the verbs.

use kanban_slack::{APP_SCOPES, COMMAND, EVENTS, SCOPES};

const PAGE: &str = include_str!("../../../docs/platforms/slack.md");
const CODE: &str = concat!(include_str!("../src/lib.rs"), include_str!("../src/socket.rs"));

/// The first cells of the table under a heading of this kind, without backticks.
fn rows(head: &str) -> Vec<&'static str> {
    let rows = PAGE.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .map(|cell| cell.trim().trim_matches('`'))
        .collect()
}

#[test]
fn each_scope_and_event_is_explained_and_no_other() {
    let asked: Vec<&str> = SCOPES.into_iter().chain(APP_SCOPES).collect();
    assert_eq!(rows("Scope"), asked);
    assert_eq!(rows("Event"), EVENTS);
}

#[test]
fn each_setting_is_one_that_is_read() {
    let settings = rows("Key of `[platforms.slack]`");
    assert_eq!(settings, ["bot_token", "app_token", "signing_secret", "mode", "listen", "api_base"]);
    for setting in settings {
        assert!(CODE.contains(&format!("pub {setting}: ")), "`{setting}` is none of the options");
    }
}

#[test]
fn what_the_adapter_says_can_be_looked_up() {
    for said in ["Socket Mode is switched off", "connections:write", "Install App", "Basic Information"] {
        assert!(PAGE.contains(said), "`{said}` is not explained");
    }
    assert!(PAGE.contains(&format!("`{COMMAND}`")));
    assert!(CODE.contains("Socket Mode is switched off") && CODE.contains("connections:write"));
}
