//! The menus that people see.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod support;

use kanban_fakes::{Server, telegram::TelegramServer};
use kanban_telegram::menu;

use self::support::{Board, Running, polling, spec, started};

const SCOPES: [&str; 4] = ["default", "all_private_chats", "all_group_chats", "all_chat_administrators"];

async fn until_set(server: &TelegramServer) {
    let is_set = || SCOPES.iter().all(|scope| !server.menu(scope, "de", None).is_empty()).then_some(());
    server.wire().wait_until("the menus", is_set).await;
}

fn count(server: &TelegramServer, route: &str) -> usize {
    server.wire().calls().iter().filter(|call| call.route == route).count()
}

#[tokio::test]
async fn every_scope_has_a_menu_in_each_language() {
    let (server, board, running) = started().await;
    until_set(&server).await;
    for scope in SCOPES {
        assert_eq!(server.menu(scope, "", None), menu(&spec(), "en"), "{scope}");
        assert_eq!(server.menu(scope, "de", None), menu(&spec(), "de"), "{scope}");
    }
    assert_eq!(menu(&spec(), "en")[0].0, "kanban");

    // The menu of groups does not reach into topics.
    let deploy = server.thread("web", "deploy");
    server.commands("anna", &deploy, &["list"], &[]).await;
    board.requests(1).await;
    let is_set = || (server.menu("chat", "de", Some(&deploy)) == menu(&spec(), "de")).then_some(());
    server.wire().wait_until("the menu of a forum", is_set).await;
    assert_eq!(server.menu("chat", "", Some(&deploy)), menu(&spec(), "en"));
    let (set, looks) = (count(&server, "setMyCommands"), count(&server, "getMyCommands"));
    running.stop().await.unwrap();

    // Nothing has changed, so nothing is set.
    let again = Running::start(polling(&server), &Board::new());
    let is_looked_at = || (count(&server, "getMyCommands") >= looks + 8).then_some(());
    server.wire().wait_until("a look at the menus", is_looked_at).await;
    again.stop().await.unwrap();
    assert_eq!(count(&server, "setMyCommands"), set);
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}
