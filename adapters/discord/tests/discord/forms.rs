//! Buttons, the forms that they open, and questions that one person alone sees.

use std::time::Duration;

use kanban_fakes::{PATIENCE, Server, Trouble, discord::DiscordServer};
use kanban_platform::{Block, Button, Input, Platform, Post, PostKind, Style, Thread};

use crate::support::{Desk, Running, button, deliver, news, read, reply, shown, text};

const FIRST_RESPONSE: &str = "POST /interactions/{id}/{token}/callback";
const AT_ONCE: Duration = Duration::ZERO;
const SLOWLY: Duration = Duration::from_millis(400);

fn asking(label: &str) -> Button {
    Button { key: "b1.0w".to_owned(), label: label.to_owned(), style: Style::Primary }
}

async fn card(running: &Running, place: &Thread, buttons: Vec<Button>) -> String {
    let post = Post { buttons, ..news("card.1", place, vec![Block::Title("Fix it".to_owned())]) };
    deliver(&running.discord, &post).await.expect("a card")
}

fn assert_clean(server: &DiscordServer) {
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
    assert_eq!((server.unanswered(), server.thinking()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_button_that_asks_for_words_opens_a_form() {
    let server = DiscordServer::start().await;
    let ops = server.thread("ops", "release");
    for slowness in [AT_ONCE, SLOWLY] {
        let desk = Desk::saying(slowness, "Noted.", true);
        let running = Running::start(&server, &desk).await;
        let label = "Answer \u{202e}@everyone in so many words that no title holds them";
        let card = card(&running, &ops, vec![asking(label), button("Log")]).await;
        let seen = server.seen(&ops).into_iter().find(|seen| seen.id == card).expect("the card");
        let shown_label = seen.buttons[0].clone();
        assert!(shown_label.starts_with("Answer ‹U+202E›@everyone in so many words"), "{shown_label}");
        server.fills("ann", &ops, &card, &shown_label, "the *blue* one\n<@1> ok?").await;
        server.fills("ann", &ops, &card, &shown_label, "no, red").await;
        let requests = desk.wait_for(2).await;
        let words = |words: &str| Input::Press {
            message: card.clone(),
            button: "b1.0w".to_owned(),
            words: Some(words.to_owned()),
        };
        assert_eq!((&requests[0].input, &requests[1].input), (&words("the *blue* one\n<@1> ok?"), &words("no, red")));
        assert_ne!(requests[0].update, requests[1].update);
        assert_eq!((&requests[0].thread, requests[0].addressed), (&ops, true));
        desk.wait_until("the answers", |desk| (desk.delivered().len() == 2).then_some(())).await;
        for delivered in desk.delivered() {
            let delivered = delivered.expect("delivered");
            let answer = server.seen(&ops).into_iter().find(|seen| seen.id == delivered).expect("the answer");
            assert_eq!((read(&answer.text).as_str(), answer.private_to.as_deref()), ("Noted.", Some("ann")));
        }
        // A button that asks for nothing is pressed as ever.
        server.presses("ann", &ops, &card, "Log").await;
        let requests = desk.wait_for(3).await;
        assert!(matches!(&requests[2].input, Input::Press { words: None, .. }));
        desk.wait_until("the answer", |desk| (desk.delivered().len() == 3).then_some(())).await;
        running.stop().await;
        server.deletes(&card);
    }
    let form = server.wire().calls().into_iter().find(|call| call.body["type"] == 9).expect("a form");
    assert_eq!(form.body["data"]["title"].as_str().expect("a title").chars().count(), 45);
    assert!(server.acknowledgements().iter().all(|took| *took < Duration::from_secs(1)));
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_opens_under_faults_and_where_none_does_the_gateway_asks() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::saying(AT_ONCE, "Noted.", true);
    let running = Running::start(&server, &desk).await;
    let card = card(&running, &ops, vec![asking("Answer")]).await;
    let troubles = [Trouble::ServerError, Trouble::Break, Trouble::LoseAnswer, Trouble::ServerErrorAfter];
    for (number, trouble) in troubles.into_iter().enumerate() {
        server.wire().trouble(FIRST_RESPONSE, [trouble]);
        server.fills("ann", &ops, &card, "Answer", &format!("{trouble:?}")).await;
        // The answer to a form is a first response too, and must not take the next trouble upon itself.
        desk.wait_until("the answer", |desk| (desk.delivered().len() == number + 1).then_some(())).await;
    }
    let requests = desk.wait_for(4).await;
    assert!(requests.iter().all(|request| matches!(&request.input, Input::Press { words: Some(_), .. })));
    server.wire().trouble(FIRST_RESPONSE, [Trouble::Refuse]);
    server.presses("ann", &ops, &card, "Answer").await;
    let requests = desk.wait_for(5).await;
    assert!(matches!(&requests[4].input, Input::Press { words: None, .. }));
    desk.wait_until("the answers", |desk| (desk.delivered().len() == 5).then_some(())).await;
    running.stop().await;
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_a_private_question_takes_its_place() {
    let server = DiscordServer::start().await;
    // Sure? is asked in private; what then is said depends.
    for (number, (slowness, private)) in
        [(AT_ONCE, true), (SLOWLY, true), (AT_ONCE, false), (SLOWLY, false)].into_iter().enumerate()
    {
        let ops = server.channel(&format!("ops{number}"));
        let desk = Desk::new(slowness, move |request| {
            let is_answer = matches!(&request.input, Input::Press { .. });
            let body = text(if is_answer { "Cancelled." } else { "Sure?" });
            let buttons = if is_answer { Vec::new() } else { vec![button("Yes")] };
            Some(Post { buttons, private: private || !is_answer, ..reply(request, body) })
        });
        let running = Running::start(&server, &desk).await;
        server.commands("ann", &ops, &["list"], &[]).await;
        let delivered = |count: usize| move |desk: &Desk| desk.delivered().get(count).cloned();
        let sure = desk.wait_until("the question", delivered(0)).await.expect("delivered");
        server.presses("ann", &ops, &sure, "Yes").await;
        let answer = desk.wait_until("the answer", delivered(1)).await.expect("delivered");
        assert_eq!(shown(&server, &ops), ["Cancelled."], "private: {private}, {slowness:?}");
        let seen = server.seen(&ops).remove(0);
        assert_eq!((seen.id.clone(), seen.private_to.is_some(), seen.buttons.len()), (answer.clone(), private, 0));
        assert_eq!(answer == sure, private);
        let press = desk.requests().remove(1);
        assert_eq!(press.input, Input::Press { message: sure, button: "b.yes".to_owned(), words: None });
        running.stop().await;
    }
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_acts_unseen_gets_through_anywhere() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    let running = Running::start(&server, &desk).await;
    let nasty = "a\u{202e}b\u{1b}[31m\u{0}\u{2066}c\u{200b}\u{feff}\r@everyone <@1> ||d||";
    let shown = "a‹U+202E›b␛[31m␀‹U+2066›c␍@everyone <@1> ||d||";
    let body = vec![
        Block::Title(nasty.to_owned()),
        Block::Text(nasty.to_owned()),
        Block::Quote(nasty.to_owned()),
        Block::Code(nasty.to_owned()),
        Block::Footer(nasty.to_owned()),
        Block::File { name: format!("{nasty}/../x.txt"), text: "x".to_owned() },
    ];
    let buttons = vec![Button { label: nasty.to_owned(), ..button("x") }];
    let post = Post { buttons: buttons.clone(), ..news("n.1", &ops, body.clone()) };
    let message = running.discord.post(&post, None).await.expect("sent");
    let edit = PostKind::Edit { message: message.clone() };
    for number in 0..2 {
        let seen = server.seen(&ops).remove(0);
        assert_eq!(read(&seen.text), [shown; 5].join("\n"));
        assert_eq!((&seen.buttons[0], seen.pings.len()), (&shown.to_owned(), 0));
        assert!(seen.files[0].0.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)), "{:?}", seen.files);
        let edit =
            Post { kind: edit.clone(), buttons: buttons.clone(), ..news(&format!("e.{number}"), &ops, body.clone()) };
        running.discord.post(&edit, None).await.expect("edited");
    }
    running.stop().await;
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buttons_come_and_go_with_edits() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    let running = Running::start(&server, &desk).await;
    let message = running.discord.post(&news("n.1", &ops, text("running")), None).await.expect("sent");
    let edit = |delivery: &str, buttons: Vec<Button>| Post {
        kind: PostKind::Edit { message: message.clone() },
        buttons,
        ..news(delivery, &ops, text("blocked"))
    };
    let many: Vec<Button> =
        (0..25).map(|n| Button { key: format!("k{n}"), label: format!("Choice {n}"), style: Style::Plain }).collect();
    running.discord.post(&edit("e.1", many), None).await.expect("edited");
    let labels = server.seen(&ops)[0].buttons.clone();
    assert_eq!((labels.len(), labels[24].as_str()), (25, "Choice 24"));
    server.presses("ann", &ops, &message, "Choice 24").await;
    desk.wait_for(1).await;
    running.discord.post(&edit("e.2", Vec::new()), None).await.expect("edited");
    assert!(server.seen(&ops)[0].buttons.is_empty());
    // A press that nobody answers is acknowledged all the same.
    let acknowledged = || (server.acknowledgements().len() == 1).then_some(());
    tokio::time::timeout(PATIENCE, server.wire().wait_until("the acknowledgement", acknowledged))
        .await
        .expect("in time");
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}
