//! Buttons, the questions that they lead to, and texts that try to be more than texts.

#[expect(dead_code, reason = "each suite uses a part of it")]
mod support;

use kanban_fakes::{Server, telegram::TelegramServer};
use kanban_platform::{Block, Button, Input, Opening, Platform, Post, PostKind, Request, Style, Thread};
use serde_json::{Value, json};

use self::support::{button, news, post, reply, started};

/// What stood below the last message that was sent or edited.
fn markup(server: &TelegramServer) -> Value {
    let calls = server.wire().calls();
    let is_post = |route: &str| route == "sendMessage" || route == "editMessageText";
    calls.iter().rev().find(|call| is_post(&call.route)).expect("a post").body["reply_markup"].clone()
}

fn prompt(request: &Request, text: &str) -> Post {
    let buttons = vec![button("k9", "Never mind")];
    Post { prompts: true, task: Some("t_4k2".to_owned()), buttons, ..reply(request, text) }
}

#[tokio::test]
async fn buttons_have_their_style_and_an_edit_shows_those_of_now() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    let ops = server.channel("ops");
    let styled = |key: &str, label: &str, style: Style| Button { style, ..button(key, label) };
    let buttons = vec![
        styled("k1", "Show", Style::Plain),
        styled("k2", "Answer", Style::Primary),
        styled("k3", "Approve", Style::Success),
        styled("k4", "Cancel", Style::Danger),
    ];
    let message = telegram.post(&Post { buttons, ..news(&ops, "a card") }, None).await.unwrap();
    let rows = markup(&server)["inline_keyboard"].clone();
    let keys: Vec<&Value> = rows.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).collect();
    let styles: Vec<_> = keys.iter().map(|key| key.get("style").and_then(Value::as_str)).collect();
    assert_eq!(styles, [None, Some("primary"), Some("success"), Some("danger")]);

    // None, then as many as a post can have, with labels of every length.
    let edit = |buttons: Vec<Button>| {
        let kind = PostKind::Edit { message: message.clone() };
        Post { buttons, ..post(&ops, kind, vec![Block::Text("a card".to_owned())]) }
    };
    telegram.post(&edit(Vec::new()), None).await.unwrap();
    assert!(server.seen(&ops).pop().unwrap().buttons.is_empty());
    let key = "d1234567890123456789012345678901234567890.24-abc".to_owned();
    let many = (0..25).map(|n| Button { key: key.clone(), ..button("", &format!("{n} {}", "x".repeat(5 * n))) });
    telegram.post(&edit(many.collect()), None).await.unwrap();
    let labels = server.seen(&ops).pop().unwrap().buttons;
    assert_eq!(labels.len(), 25);
    assert!(labels.iter().all(|label| label.encode_utf16().count() <= 64), "{labels:?}");
    server.presses("anna", &ops, &message, &labels[24]).await;
    let press = board.requests(1).await.remove(0);
    assert_eq!(press.input, Input::Press { message, button: key, words: None });
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_press_that_asks_for_words_leads_to_a_reply() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    for (n, place) in [server.private("anna"), server.channel("ops"), server.thread("web", "deploy")].iter().enumerate()
    {
        let question = Post { buttons: vec![button("d1.0w", "Answer")], ..news(place, "which colour?") };
        let message = telegram.post(&question, None).await.unwrap();
        let answering = async {
            let press = board.requests(2 * n + 1).await.pop().unwrap();
            let input = Input::Press { message: message.clone(), button: "d1.0w".to_owned(), words: None };
            assert_eq!((&press.input, press.message.as_ref()), (&input, None));
            telegram.post(&prompt(&press, "your words, please"), None).await.unwrap()
        };
        let ((), asked) = tokio::join!(server.fills("anna", place, &message, "Answer", "red, please"), answering);
        let answer = board.requests(2 * n + 2).await.pop().unwrap();
        assert_eq!(answer.input, Input::Text("red, please".to_owned()));
        assert_eq!((answer.reply_to.as_ref(), &answer.thread, answer.addressed), (Some(&asked), place, true));
        let field = markup(&server);
        assert_eq!(
            (&field["force_reply"], &field["input_field_placeholder"]),
            (&json!(true), &json!("Your answer to t_4k2"))
        );
        let shown = server.seen(place).into_iter().find(|seen| seen.id == asked).unwrap();
        assert_eq!((shown.reply_to.as_ref(), shown.pings, shown.buttons.len()), (Some(&message), vec![], 0));
        // In a group the field opens for the one who pressed, and for nobody else.
        let is_shared = n > 0;
        assert_eq!(field.get("selective"), is_shared.then_some(&json!(true)));
        assert_eq!(shown.text, if is_shared { "anna:\nyour words, please" } else { "your words, please" });
    }
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_prompt_is_for_the_one_who_wrote_or_has_buttons_instead() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    let ops = server.channel("ops");
    let typed = server.says("anna", &ops, "/kanban answer t_4k2").await;
    let request = board.requests(1).await.remove(0);
    telegram.post(&prompt(&request, "your words, please"), None).await.unwrap();
    let shown = server.seen(&ops).pop().unwrap();
    assert_eq!((shown.text.as_str(), shown.reply_to), ("your words, please", Some(typed)));
    assert_eq!(markup(&server)["selective"], true);
    // Nobody in a group is known to be asked: the field would open for all of them.
    let open = Post { prompts: true, buttons: vec![button("k9", "Never mind")], ..news(&ops, "who knows?") };
    telegram.post(&open, None).await.unwrap();
    assert_eq!(server.seen(&ops).pop().unwrap().buttons, ["Never mind"]);
    let alone = Post { thread: server.private("anna"), ..open };
    telegram.post(&alone, None).await.unwrap();
    assert_eq!(markup(&server)["force_reply"], true);
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_press_is_answered_while_the_board_cannot_keep_it() {
    let (server, board, running) = started().await;
    let ops = server.channel("ops");
    let question = Post { buttons: vec![button("d1.0", "Blue")], ..news(&ops, "which colour?") };
    let message = running.telegram.post(&question, None).await.unwrap();
    board.refuse(true);
    server.presses("anna", &ops, &message, "Blue").await;
    server.wire().wait_until("an answer to the press", || (!server.toasts("anna").is_empty()).then_some(())).await;
    board.refuse(false);
    board.requests(1).await;
    // A press that comes once more is answered once more, which does nothing.
    server.repeat(None);
    board.requests(2).await;
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

/// Whether a text has nothing in it that acts without being seen.
fn is_harmless(text: &str) -> bool {
    let hides = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !text.contains(hides)
}

/// The letters of a text, as people read it.
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[tokio::test]
async fn no_text_is_more_than_a_text() {
    let (server, _board, running) = started().await;
    let telegram = &running.telegram;
    let deploy = server.thread("web", "deploy");
    let web = Thread { thread: None, ..deploy };
    server.promotes(&web, true);
    let name = format!("@{}", server.username("anna"));
    let evil = [
        format!("{name} ({name}) {name}"),
        format!("a\u{200b}{name}\u{202e} gpj.exe\u{2069}"),
        format!("\u{1b}]0;title\u{7}{name}\u{0}\u{9b}2J\u{85}end"),
        format!("[x](tg://user?id=5000000001) <a href=\"tg://user?id=5000000001\">{name}</a> *_~`|"),
        format!("/stop /kanban@kanban_fake_bot list `{name}` ``` {name}"),
        format!("`{name}\n`\r\n{name}\u{2028}{name}\u{feff}@\u{200b}{}", &name[1..]),
        format!("@{name} \u{61c}@\u{200f}{} `a`{name}`b`", &name[1..]),
    ];
    for text in &evil {
        let body = vec![
            Block::Title(text.clone()),
            Block::Text(text.clone()),
            Block::Quote(text.clone()),
            Block::Code(text.clone()),
            Block::Footer(text.clone()),
            Block::File { name: text.clone(), text: text.clone() },
        ];
        let buttons = vec![Button { key: "k1".to_owned(), ..button("", text) }];
        let private = server.private("anna");
        telegram.post(&Post { buttons, ..post(&private, PostKind::News, body) }, None).await.unwrap();
        let seen = server.seen(&private).pop().unwrap();
        assert_eq!(seen.pings, Vec::<String>::new(), "{text:?}");
        assert!(is_harmless(&seen.text) && is_harmless(&seen.buttons[0]), "{seen:?}");
        assert!(is_harmless(&seen.files[0].0) && !seen.files[0].0.contains(['/', '\\']), "{seen:?}");
        assert_eq!(seen.files[0].1, *text, "a file is as it was written");
        assert_eq!(
            letters(&seen.text).matches(&letters(&name)).count(),
            5 * letters(text).matches(&letters(&name)).count()
        );

        let opening = Opening {
            channel: web.clone(),
            message: "1".to_owned(),
            task: "t_4k2".to_owned(),
            title: text.clone(),
            person: None,
            is_in_doubt: false,
        };
        telegram.open(&opening).await.unwrap();
        let calls = server.wire().calls();
        let last = calls.iter().rfind(|call| call.route == "createForumTopic").unwrap();
        let title = last.body["name"].as_str().unwrap();
        assert!(is_harmless(title) && !title.contains('\n'), "{title:?}");
    }
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_at_the_head_of_a_prompt_is_a_text_too() {
    let (server, board, running) = started().await;
    let telegram = &running.telegram;
    let ops = server.channel("ops");
    let odd = format!("@{} \u{202e}\u{1b}/stop", server.username("bert"));
    let question = Post { buttons: vec![button("d1.0w", "Answer")], ..news(&ops, "which colour?") };
    let message = telegram.post(&question, None).await.unwrap();
    server.presses(&odd, &ops, &message, "Answer").await;
    let press = board.requests(1).await.remove(0);
    telegram.post(&prompt(&press, "your words, please"), None).await.unwrap();
    let shown = server.seen(&ops).pop().unwrap();
    assert!(shown.pings.is_empty() && is_harmless(&shown.text), "{shown:?}");
    assert!(shown.text.replace('\u{2060}', "").starts_with("@bert_user ‹U+202E›␛/stop:\n"), "{shown:?}");
    running.stop().await.unwrap();
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}
