//! What the page about Telegram names exists, under this name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "each suite uses a part of it")]
mod support;

use std::collections::BTreeSet;

use kanban_fakes::{Server, telegram::TelegramServer};
use serde_json::Value;

use self::support::{Board, Running, started, webhook};

const PAGE: &str = include_str!("../../../docs/platforms/telegram.md");
const SETTINGS: &str = include_str!("../../../src/settings/platforms.rs");
const VERBS: &str = include_str!("../../../src/command/verbs.rs");

/// What one says to `@BotFather`, who is no part of this program.
const FOREIGN: [&str; 4] = ["newbot", "setprivacy", "token", "revoke"];

/// What stands between backticks outside of blocks.
fn code() -> Vec<&'static str> {
    let mut in_block = false;
    let lines = PAGE.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The part of the page below a heading.
fn section(heading: &str) -> &'static str {
    let (_, below) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    below.split("\n## ").next().unwrap()
}

fn first_cells(section: &'static str) -> Vec<&'static str> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name).collect()
}

/// The declaration of `[platforms.telegram]`.
fn declared() -> Vec<&'static str> {
    let (_, telegram) = SETTINGS.split_once("pub struct TelegramSettings {").unwrap();
    let lines = telegram.split("\n    }\n").next().unwrap().lines().filter(|line| !line.trim().starts_with("///"));
    lines.filter_map(|line| Some(line.split_once(": ")?.0.trim())).collect()
}

#[test]
fn the_settings_are_those_that_are_declared() {
    let named: BTreeSet<_> = first_cells(section("Settings")).into_iter().collect();
    assert_eq!(named, declared().into_iter().collect());
    let set = PAGE.lines().filter_map(|line| line.trim().split_once(" = ")).map(|(key, _)| key);
    for key in set.filter(|key| !key.contains(' ')) {
        assert!(named.contains(key) || key == "owners", "{key}");
    }
    let quoted = code().into_iter().filter(|word| word.contains("webhook_") || word.contains("api_"));
    for word in quoted.filter(|word| !word.contains(' ')) {
        assert!(named.contains(word), "{word}");
    }
}

#[test]
fn the_commands_are_those_that_are_declared() {
    let (_, shortcuts) = VERBS.split_once("pub const SHORTCUTS").unwrap();
    let (shortcuts, _) = shortcuts.split_once(';').unwrap();
    let pairs: Vec<(&str, &str)> = {
        let words: Vec<_> = shortcuts.split('"').skip(1).step_by(2).collect();
        words.chunks(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let mut found = BTreeSet::new();
    for command in code().into_iter().filter_map(|code| code.strip_prefix('/')) {
        let name = command.split([' ', '@']).next().unwrap();
        let is_ours = name == "kanban" || pairs.iter().any(|(shortcut, _)| *shortcut == name);
        assert!(is_ours || name.is_empty() || FOREIGN.contains(&name), "/{command}");
        found.insert(name);
    }
    // Every short form is told of, with the command that it is short for.
    let row = PAGE.lines().find(|line| line.contains("Short forms")).unwrap();
    let (short, long) = row.split_once("Short forms").unwrap();
    let places = |line: &str, name: &str| line.find(&format!("`{name}`"));
    let in_order = |line: &str, names: &[String]| {
        names.iter().map(|name| places(line, name).unwrap_or_else(|| panic!("{name} in {line}"))).collect::<Vec<_>>()
    };
    let short = in_order(short, &pairs.iter().map(|(shortcut, _)| format!("/{shortcut}")).collect::<Vec<_>>());
    let long = in_order(long, &pairs.iter().map(|(_, verb)| format!("/kanban {verb}")).collect::<Vec<_>>());
    assert!(short.is_sorted() && long.is_sorted());
    assert!(found.contains("kanban"));
}

#[tokio::test]
async fn the_scopes_and_kinds_of_updates_are_those_that_are_asked_for() {
    let (server, board, running) = started().await;
    let deploy = server.thread("web", "deploy");
    server.commands("anna", &deploy, &["list"], &[]).await;
    board.requests(1).await;
    let is_set = || (!server.menu("chat", "de", Some(&deploy)).is_empty()).then_some(());
    server.wire().wait_until("the menu of a forum", is_set).await;
    running.stop().await.unwrap();
    let calls = server.wire().calls();
    let bodies = |route: &'static str| calls.iter().filter(move |call| call.route == route).map(|call| &call.body);
    let scopes: BTreeSet<_> = bodies("setMyCommands").map(|body| body["scope"]["type"].as_str().unwrap()).collect();
    let menu = section("What you can do");
    for scope in &scopes {
        assert!(menu.contains(&format!("`{scope}`")), "{scope}");
    }
    let named = ["default", "all_private_chats", "all_group_chats", "all_chat_administrators", "chat"];
    assert_eq!(scopes, named.into());
    let languages: BTreeSet<_> = bodies("setMyCommands").map(|body| body["language_code"].as_str()).collect();
    assert_eq!(languages, [None, Some("de")].into(), "English and German, as the page says");

    let kinds = |body: &Value| body["allowed_updates"].to_string();
    let asked: BTreeSet<_> = bodies("getUpdates").map(kinds).collect();
    assert_eq!(asked, ["[\"message\",\"callback_query\"]".to_owned()].into());
    assert!(section("What the bot sees").contains("`message` and `callback_query`"));

    let hooked = TelegramServer::start().await;
    let running = Running::start(webhook(&hooked), &Board::new());
    hooked.connected().await;
    running.stop().await.unwrap();
    let calls = hooked.wire().calls();
    let set = calls.iter().find(|call| call.route == "setWebhook").unwrap();
    assert_eq!([kinds(&set.body)].into_iter().collect::<BTreeSet<_>>(), asked);
}

#[test]
fn the_methods_are_those_that_are_called() {
    let sources = [
        include_str!("../src/outbound.rs"),
        include_str!("../src/intake.rs"),
        include_str!("../src/poll.rs"),
        include_str!("../src/webhook.rs"),
        include_str!("../src/register.rs"),
    ];
    let table = section("What the bot sends").lines().filter(|line| line.starts_with("| `"));
    let methods: Vec<&str> = table.flat_map(|line| line.split('`').skip(1).step_by(2)).collect();
    assert_eq!(methods.len(), 10);
    for method in methods {
        let payload = format!("{}{}", method[..1].to_uppercase(), &method[1..]);
        assert!(sources.iter().any(|source| source.contains(&payload)), "{method}");
    }
}

/// The sentences of the last table are those of the code, as far as they are the program's.
#[test]
fn the_complaints_are_those_that_are_made() {
    let sources = [include_str!("../src/fault.rs"), include_str!("../src/poll.rs"), include_str!("../src/webhook.rs")];
    let found = first_cells(section("When something is wrong"));
    assert_eq!(found.len(), 5);
    for complaint in found {
        let is_made = sources.iter().any(|source| source.replace('`', "").contains(complaint));
        assert!(is_made, "{complaint}");
    }
}

#[test]
fn the_figures_are_those_that_are_kept() {
    let render = include_str!("../src/render.rs");
    let pace = include_str!("../src/pace.rs");
    let opening = include_str!("../src/opening.rs");
    let keyboard = include_str!("../src/keyboard.rs");
    let memory = include_str!("../src/memory.rs");
    for (page, source, code) in [
        ("at most 4096 characters", render, "MESSAGE_LIMIT: usize = 4096"),
        ("more than three messages", render, "3 * MESSAGE_LIMIT"),
        ("30 in a second", pace, "calls: 30, per: Duration::from_secs(1)"),
        ("3 in three seconds", pace, "calls: 3, per: Duration::from_millis(3_200)"),
        ("20 in a minute", pace, "calls: 20, per: Duration::from_secs(60)"),
        ("title, of at most 128 characters", opening, "NAME_LIMIT: usize = 128"),
        ("label has at most 64 characters", keyboard, "LABEL_LIMIT: usize = 64"),
        ("20 of each place", memory, "IN_A_PLACE: usize = 20"),
        ("200 in all", memory, "IN_ALL: usize = 200"),
    ] {
        assert!(PAGE.contains(page) && source.contains(code), "{page}");
    }
}
