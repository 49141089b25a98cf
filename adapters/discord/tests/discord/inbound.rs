//! What people do on Discord, as it reaches the gateway, and what they see of the answer.

use std::{sync::atomic::Ordering, time::Duration};

use crate::support::{Desk, Running, button, reply, said, shown, text};
use kanban_fakes::{Server, discord::DiscordServer};
use kanban_platform::{Block, Input, Post, Thread};

const AT_ONCE: Duration = Duration::ZERO;
const SLOWLY: Duration = Duration::from_millis(400);

fn words(input: &Input) -> Vec<&str> {
    match input {
        Input::Words(words) => words.iter().map(String::as_str).collect(),
        Input::Text(_) | Input::Press { .. } => panic!("no words: {input:?}"),
    }
}

fn assert_clean(server: &DiscordServer) {
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
    assert_eq!((server.unanswered(), server.thinking()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_answered_in_place() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::saying(AT_ONCE, "Created `t_1`.", false);
    let running = Running::start(&server, &desk).await;
    let fields = [("title", "Fix it"), ("parent", "t_1, t_2"), ("priority", "3"), ("triage", "true"), ("board", "web")];
    server.commands("ann", &ops, &["create"], &fields).await;
    let seen = said(&server, &ops, 1).await;
    assert_eq!((crate::support::read(&seen[0].text).as_str(), &seen[0].private_to), ("Created t_1.", &None));
    let requests = desk.requests();
    assert_eq!(
        words(&requests[0].input),
        ["create", "--board=web", "--parent=t_1", "--parent=t_2", "--priority=3", "--triage", "--", "Fix it"]
    );
    assert_eq!(requests[0].thread, ops);
    assert_eq!(requests[0].author.to_string(), format!("{} (ann)", server.person("ann")));
    assert!(requests[0].addressed && requests[0].update.starts_with('i'));
    running.stop().await;
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_board_defers_the_answer_and_keeps_its_privacy() {
    let server = DiscordServer::start().await;
    for (number, (private, verb)) in
        [(false, "list"), (true, "list"), (false, "create"), (true, "create")].iter().enumerate()
    {
        let ops = server.channel(&format!("ops{number}"));
        let desk = Desk::saying(SLOWLY, "Here it is.", *private);
        let running = Running::start(&server, &desk).await;
        let fields: &[(&str, &str)] = if *verb == "create" { &[("title", "x")] } else { &[] };
        server.commands("ann", &ops, &[verb], fields).await;
        desk.wait_until("the delivery", |desk| desk.delivered().first().cloned()).await.expect("delivered");
        let seen = said(&server, &ops, 1).await;
        assert_eq!(shown(&server, &ops), ["Here it is."], "{verb}, private: {private}");
        assert_eq!(seen[0].private_to, private.then(|| "ann".to_owned()), "{verb}");
        running.stop().await;
    }
    assert_clean(&server);
    assert!(server.acknowledgements().iter().all(|took| *took < Duration::from_millis(1000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn further_parts_and_empty_answers_find_their_place() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    for slowness in [AT_ONCE, SLOWLY] {
        let desk = Desk::new(slowness, |request| Some(reply(request, Vec::new())));
        let running = Running::start(&server, &desk).await;
        server.commands("ann", &ops, &["list"], &[]).await;
        desk.wait_until("the delivery", |desk| desk.delivered().first().cloned()).await.expect("delivered");
        assert_eq!(shown(&server, &ops), Vec::<String>::new());
        running.stop().await;
    }
    let desk = Desk::saying(AT_ONCE, "first", false);
    let running = Running::start(&server, &desk).await;
    server.commands("ann", &ops, &["list"], &[]).await;
    desk.wait_until("the delivery", |desk| desk.delivered().first().cloned()).await.expect("delivered");
    let request = desk.requests().remove(0);
    for (number, private) in [(1, false), (2, true)] {
        let mut part = reply(&request, text("more"));
        (part.delivery, part.private) = (format!("r.{number}"), private);
        crate::support::deliver(&running.discord, &part).await.expect("delivered");
        // What is known to be there is not said again.
        if !private {
            crate::support::deliver(&running.discord, &part).await.expect("delivered");
        }
    }
    assert_eq!(shown(&server, &ops), ["first", "more", "more"]);
    running.stop().await;
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_the_whole_grammar_and_a_task_from_a_message() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::saying(AT_ONCE, "ok", true);
    let running = Running::start(&server, &desk).await;
    server.commands("ann", &ops, &["help"], &[("verb", "create")]).await;
    server.commands("ann", &ops, &["run"], &[("text", "create fix it --triage")]).await;
    let message = server.says("bob", &ops, "The *build* is red\nsince noon").await;
    server.uses_on("ann", &ops, "Make a task from this message", &message).await;
    server.commands("ann", &ops, &["boards", "list"], &[]).await;
    let mut requests = desk.wait_for(5).await;
    requests.retain(|request| request.update.starts_with('i'));
    let inputs: Vec<&Input> = requests.iter().map(|request| &request.input).collect();
    assert!(inputs.contains(&&Input::Text("/kanban help create".to_owned())), "{inputs:?}");
    assert!(inputs.contains(&&Input::Text("/kanban create fix it --triage".to_owned())));
    let made = inputs.iter().find_map(|input| match input {
        Input::Words(words) if words[0] == "create" => Some(words.clone()),
        Input::Words(_) | Input::Text(_) | Input::Press { .. } => None,
    });
    let made = made.expect("a task from the message");
    assert_eq!(made[1], "--");
    assert!(made.contains(&"The *build* is red".to_owned()), "{made:?}");
    let link = format!("\n\nhttps://discord.com/channels/{}/{}/{message}", ops.space, ops.channel);
    assert!(made.iter().any(|word| *word == format!("The *build* is red\nsince noon{link}")), "{made:?}");
    assert!(inputs.iter().any(|input| matches!(input, Input::Words(words) if words[..2] == ["boards", "list"])));
    desk.wait_until("the answers", |desk| (desk.delivered().len() >= 5).then_some(())).await;
    running.stop().await;
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_come_while_a_person_types() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    let running = Running::start(&server, &desk).await;
    let found = server.suggestions("ann", &ops, &["show"], "id", "t_1").await.expect("proposals");
    assert_eq!(found.len(), 11);
    assert_eq!(found[0], ("t_1".to_owned(), "t_1 Fix it".to_owned()));
    let found = server.suggestions("ann", &ops, &["create"], "parent", "t_1, t_2").await.expect("proposals");
    assert_eq!(found[0].0, "t_1, t_2");
    assert_eq!(server.suggestions("ann", &ops, &["show"], "id", "").await.expect("proposals").len(), 25);
    assert_eq!(server.suggestions("ann", &ops, &["list"], "status", "choice1").await.expect("choices").len(), 1);
    assert_eq!(desk.fields()[1].typed, "t_2");
    running.stop().await;
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_say_to_whom_they_are() {
    let server = DiscordServer::start().await;
    let (ops, private, thread) = (server.channel("ops"), server.channel("@ann"), server.thread("ops", "release"));
    let desk = Desk::new(AT_ONCE, |request| request.addressed.then(|| reply(request, text("yes?"))));
    let running = Running::start(&server, &desk).await;
    let one = server.says("ann", &ops, "/kanban list").await;
    server.mentions("ann", &ops, "create fix it\nwith *care*").await;
    server.says("ann", &private, "list").await;
    server.mentions("ann", &thread, "list").await;
    server.edits("ann", &ops, &one, "/kanban create again").await;
    server.replies("ann", &ops, &one, "main").await;
    let requests = desk.wait_for(5).await;
    let found = |wanted: &str| {
        let matching = |request: &&kanban_platform::Request| request.input == Input::Text(wanted.to_owned());
        requests.iter().filter(matching).collect::<Vec<_>>()
    };
    let typed = found("/kanban list");
    assert_eq!((typed.len(), typed[0].addressed, &typed[0].thread), (1, false, &ops));
    assert_eq!(typed[0].update, format!("m{one}"));
    assert!(found("create fix it\nwith *care*")[0].addressed);
    let lists = found("list");
    assert!(lists.iter().all(|request| request.addressed));
    assert!(lists.iter().any(|request| request.thread == private), "{lists:?}");
    assert!(lists.iter().any(|request| request.thread == thread), "{lists:?}");
    let replies = found("main");
    assert_eq!((replies[0].reply_to.as_deref(), replies[0].addressed), (Some(one.as_str()), false));
    desk.wait_until("the answers", |desk| (desk.delivered().len() == 3).then_some(())).await;
    let answer = said(&server, &thread, 1).await.remove(0);
    assert!(answer.reply_to.is_some() && answer.pings.is_empty(), "{answer:?}");
    running.stop().await;
    assert_eq!(desk.requests().len(), 5);
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn presses_are_answered_in_every_way() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    for (slowness, private) in [(AT_ONCE, false), (AT_ONCE, true), (SLOWLY, false), (SLOWLY, true)] {
        let desk = Desk::saying(slowness, "Noted.", private);
        let running = Running::start(&server, &desk).await;
        let card = Post {
            buttons: vec![button("Retry"), button("Cancel")],
            ..crate::support::news(
                &format!("card.{}.{private}", slowness.as_millis()),
                &ops,
                vec![Block::Title("Fix it".to_owned())],
            )
        };
        let card = crate::support::deliver(&running.discord, &card).await.expect("a card");
        let before = server.seen(&ops).len();
        server.presses("bob", &ops, &card, "Retry").await;
        let delivered = desk.wait_until("the delivery", |desk| desk.delivered().first().cloned()).await;
        let delivered = delivered.expect("delivered");
        let request = desk.requests().remove(0);
        assert_eq!(request.input, Input::Press { message: card, button: "b.retry".to_owned(), words: None });
        let seen = server.seen(&ops);
        assert_eq!(seen.len(), before + 1);
        let answer = seen.iter().find(|seen| seen.id == delivered).expect("the answer");
        assert_eq!((crate::support::read(&answer.text).as_str(), answer.private_to.is_some()), ("Noted.", private));
        running.stop().await;
    }
    assert_clean(&server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_told_when_the_board_takes_nothing() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::saying(AT_ONCE, "Done.", false);
    let running = Running::start(&server, &desk).await;
    desk.is_broken.store(true, Ordering::SeqCst);
    server.commands("ann", &ops, &["list"], &[]).await;
    let acknowledged = || (server.thinking() == 1).then_some(());
    server.wire().wait_until("the deferral", acknowledged).await;
    desk.is_broken.store(false, Ordering::SeqCst);
    said(&server, &ops, 1).await;
    assert_eq!(shown(&server, &ops), ["Done."]);
    // A form that cannot be understood is explained at once.
    let elsewhere: Thread = server.channel("elsewhere");
    server.commands("ann", &elsewhere, &["run"], &[("text", "x")]).await;
    said(&server, &elsewhere, 1).await;
    running.stop().await;
    assert_clean(&server);
}
