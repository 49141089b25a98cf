//! Who acts and where: groups, channels, threads of tasks' own, and what was said there.

use std::time::Duration;

use kanban_discord::Discord;
use kanban_fakes::{
    Server, Trouble,
    discord::{DiscordServer, Permission},
};
use kanban_platform::{Block, Input, Opening, Platform, Post, PostError, PostKind, Request, Thread};

use crate::support::{Desk, Running, button, deliver, news, options, reply, shown, text};

const BRANCH: &str = "POST /channels/{id}/messages/{id}/threads";
const BRING: &str = "PUT /channels/{id}/thread-members/{id}";
const REACT: &str = "PUT /channels/{id}/messages/{id}/reactions/{emoji}/@me";
const READ: &str = "GET /channels/{id}/messages";

fn adapter(server: &DiscordServer) -> std::sync::Arc<Discord> {
    Discord::new(options(server)).expect("sound options")
}

fn opening(server: &DiscordServer, channel: &Thread, message: &str) -> Opening {
    Opening {
        channel: channel.clone(),
        message: message.to_owned(),
        task: "t_1".to_owned(),
        title: "Fix the parser".to_owned(),
        person: Some(server.person("ann").replace("discord:", "")),
        is_in_doubt: false,
    }
}

fn said<'a>(requests: &'a [Request], words: &str) -> &'a Request {
    let is_it = |request: &&Request| request.input == Input::Text(words.to_owned());
    requests.iter().find(is_it).unwrap_or_else(|| panic!("nobody said {words}: {requests:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_road_tells_the_groups_and_the_place() {
    let server = DiscordServer::start().await;
    let (ops, thread) = (server.channel("ops"), server.thread("ops", "release"));
    let group = server.joins("ann", "maintainers").expect("Discord has roles").replace("discord:", "");
    let desk = Desk::saying(Duration::ZERO, "ok", true);
    let running = Running::start(&server, &desk).await;
    let card = Post { buttons: vec![button("Retry")], ..news("c.1", &ops, text("card")) };
    let card = deliver(&running.discord, &card).await.expect("a card");
    let said = server.mentions("ann", &ops, "list").await;
    server.mentions("bob", &thread, "list").await;
    server.commands("ann", &ops, &["list"], &[]).await;
    server.presses("ann", &ops, &card, "Retry").await;
    let requests = desk.wait_for(4).await;
    let of_ann = server.person("ann").replace("discord:", "");
    for request in &requests {
        let is_ann = request.author.id == of_ann;
        let expected = if is_ann { vec![group.clone()] } else { Vec::new() };
        assert_eq!(request.author.groups, expected, "{request:?}");
        assert_eq!(request.is_channel, request.thread == ops, "{request:?}");
        let expected = if request.update.starts_with('i') { None } else { Some(request.update.replacen('m', "", 1)) };
        assert_eq!(request.message, expected);
    }
    assert!(requests.iter().any(|request| request.message.as_ref() == Some(&said)));
    server.suggestions("ann", &thread, &["show"], "id", "t_1").await.expect("proposals");
    let field = desk.fields().remove(0);
    assert_eq!((field.thread, field.author.groups), (thread, vec![group]));
    desk.wait_until("the answers", |desk| (desk.delivered().len() >= 4).then_some(())).await;
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_is_a_channel_exactly_where_a_thread_can_be_opened() {
    let server = DiscordServer::start().await;
    let places = [
        (server.channel("ops"), true),
        (server.announcements("news"), true),
        (server.voice("lounge"), false),
        (server.thread("ops", "release"), false),
        (server.channel("@ann"), false),
    ];
    let desk = Desk::silent();
    let running = Running::start(&server, &desk).await;
    for (number, (place, can)) in places.iter().enumerate() {
        server.mentions("ann", place, &format!("n{number}")).await;
        let requests = desk.wait_for(number + 1).await;
        assert_eq!(said(&requests, &format!("n{number}")).is_channel, *can, "{place}");
        let message = running.discord.post(&news(&format!("p.{number}"), place, text("x")), None).await.expect("sent");
        let opened = running.discord.open(&opening(&server, place, &message)).await;
        assert_eq!(opened.is_ok(), *can, "{place}: {opened:?}");
        assert!(*can || matches!(opened, Err(PostError::Refused(_))), "{place}: {opened:?}");
    }
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_tells_the_groups_and_the_place_too() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let group = server.joins("ann", "maintainers").expect("Discord has roles").replace("discord:", "");
    let desk = Desk::silent();
    desk.follow(&ops);
    let running = Running::start(&server, &desk).await;
    let stream = format!("channel:{}", ops.channel);
    desk.wait_until("the mark", |desk| desk.position_of(&stream)).await;
    running.stop().await;
    server.says("ann", &ops, "/kanban list").await;
    server.says("ann", &ops, "good morning").await;
    let running = Running::start(&server, &desk).await;
    let requests = desk.wait_for(2).await;
    let command = said(&requests, "/kanban list");
    assert_eq!((&command.author.groups, command.is_channel), (&vec![group], true));
    // For small talk nobody is looked up.
    assert_eq!(said(&requests, "good morning").author.groups, Vec::<String>::new());
    running.stop().await;
    let calls = server.wire().calls();
    assert_eq!(calls.iter().filter(|call| call.route == "GET /guilds/{id}/members/{id}").count(), 1);
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_has_a_thread_of_its_own_and_what_is_said_there_is_heard() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::new(Duration::from_millis(90), |request| {
        (request.addressed).then(|| reply(request, text("Created `t_1`.")))
    });
    let running = Running::start(&server, &desk).await;
    // The answer to a command is a message on which a thread can be opened, also where it was deferred.
    server.commands("ann", &ops, &["create"], &[("title", "x")]).await;
    let message = desk.wait_until("the delivery", |desk| desk.delivered().first().cloned()).await.expect("delivered");
    assert!(server.seen(&ops).iter().any(|seen| seen.id == message));
    let nasty = "@everyone\n<@1> \u{202e}*x*\u{0}".repeat(9);
    let opening = Opening { title: nasty, ..opening(&server, &ops, &message) };
    let own = running.discord.open(&opening).await.expect("opened");
    assert_eq!(own, Thread { thread: Some(message.clone()), ..ops.clone() });
    assert_eq!(server.opened(&ops), std::slice::from_ref(&own));
    assert_eq!(server.members(&own), ["ann"]);
    let name = server.name_of(&own).expect("a name");
    assert!(name.chars().count() <= 100 && name.starts_with("@everyone <@1> ‹U+202E›*x*␀@everyone"), "{name}");
    // Again it is the same one.
    assert_eq!(running.discord.open(&opening).await, Ok(own.clone()));
    assert_eq!(server.opened(&ops).len(), 1);
    running.discord.post(&news("n.1", &own, text("blocked")), None).await.expect("sent");
    assert_eq!(shown(&server, &own), ["blocked"]);
    server.says("ann", &own, "use the blue one").await;
    let requests = desk.wait_for(2).await;
    let answer = said(&requests, "use the blue one");
    assert_eq!((&answer.thread, answer.addressed, answer.is_channel), (&own, false, false));
    running.stop().await;
    assert!(server.seen(&ops).iter().all(|seen| seen.pings.is_empty()));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_is_opened_once_under_faults_or_refused_clearly() {
    let server = DiscordServer::start().await;
    let discord = adapter(&server);
    let ops = server.channel("ops");
    let post = async |delivery: &str| discord.post(&news(delivery, &ops, text("x")), None).await.expect("sent");
    let first = opening(&server, &ops, &post("n.1").await);
    server.wire().trouble(
        BRANCH,
        [
            Trouble::ServerError,
            Trouble::LoseAnswer,
            Trouble::TooMany(Duration::from_millis(20)),
            Trouble::ServerErrorAfter,
        ],
    );
    assert!(matches!(discord.open(&first).await, Err(PostError::Ambiguous(_))));
    assert!(matches!(discord.open(&first).await, Err(PostError::Ambiguous(_))));
    assert!(matches!(discord.open(&first).await, Err(PostError::Later(..))));
    assert!(matches!(discord.open(&first).await, Err(PostError::Ambiguous(_))));
    let own = discord.open(&Opening { is_in_doubt: true, ..first.clone() }).await.expect("opened");
    assert_eq!(server.opened(&ops), std::slice::from_ref(&own));
    // That the person cannot be brought in is no failure.
    let second = opening(&server, &ops, &post("n.2").await);
    server.wire().trouble(BRING, [Trouble::ServerError, Trouble::Break, Trouble::ServerError]);
    let own = discord.open(&second).await.expect("opened");
    assert_eq!(server.members(&own), Vec::<String>::new());
    let stranger = Opening { person: Some("1".to_owned()), ..opening(&server, &ops, &post("n.3").await) };
    discord.open(&stranger).await.expect("opened");
    let nobody = Opening { person: None, ..opening(&server, &ops, &post("n.4").await) };
    discord.open(&nobody).await.expect("opened");
    // What there can be no thread on.
    let gone = opening(&server, &ops, &post("n.5").await);
    server.deletes(&gone.message);
    assert!(matches!(discord.open(&gone).await, Err(PostError::Refused(_))));
    let last = opening(&server, &ops, &post("n.6").await);
    server.remove_permission(&ops, Permission::CreatePublicThreads);
    let refused = discord.open(&last).await;
    assert!(matches!(&refused, Err(PostError::Refused(why)) if why.contains("Create Public Threads")), "{refused:?}");
    server.kill_channel(&ops);
    assert!(matches!(discord.open(&last).await, Err(PostError::Gone(_))));
    let nowhere = Opening { message: "x".to_owned(), ..last };
    assert!(matches!(discord.open(&nowhere).await, Err(PostError::Refused(_))));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_marked_as_taken_in() {
    let server = DiscordServer::start().await;
    let discord = adapter(&server);
    let ops = server.channel("ops");
    let said = server.says("ann", &ops, "go on").await;
    let mark = |delivery: &str, message: &str| Post {
        kind: PostKind::Reaction { message: message.to_owned() },
        ..news(delivery, &ops, Vec::<Block>::new())
    };
    server.wire().trouble(REACT, [Trouble::ServerErrorAfter, Trouble::TooMany(Duration::from_millis(20))]);
    assert!(matches!(discord.post(&mark("r.1", &said), None).await, Err(PostError::Ambiguous(_))));
    assert!(matches!(discord.post(&mark("r.1", &said), Some(1)).await, Err(PostError::Later(..))));
    for _ in 0..2 {
        assert_eq!(deliver(&discord, &mark("r.1", &said)).await, Ok(String::new()));
    }
    assert_eq!(Server::reactions(server.as_ref(), &ops, &said), ["👀"]);
    let other = server.says("ann", &ops, "and on").await;
    server.remove_permission(&ops, Permission::AddReactions);
    assert_eq!(discord.post(&mark("r.2", &other), None).await, Ok(String::new()));
    server.restore_permission(&ops, Permission::AddReactions);
    server.deletes(&other);
    assert_eq!(discord.post(&mark("r.3", &other), None).await, Ok(String::new()));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_last_is_read_as_plain_text() {
    let server = DiscordServer::start().await;
    let ops = server.channel("ops");
    let desk = Desk::silent();
    let running = Running::start(&server, &desk).await;
    let ann = server.person("ann").replace("discord:", "");
    let card = vec![
        Block::Title("Fix the *parser*".to_owned()),
        Block::Quote("which <@1>?".to_owned()),
        Block::Footer("blocked · coder".to_owned()),
    ];
    let first = running.discord.post(&news("n.1", &ops, card), None).await.expect("sent");
    running.discord.post(&news("n.2", &ops, text("type `/kanban show t_1`, a_b")), None).await.expect("sent");
    server.says("bob", &ops, &format!("<@{ann}> *look* <:party:1>\nhere")).await;
    let own = running.discord.open(&opening(&server, &ops, &first)).await.expect("opened");
    let last = server.mentions("ann", &ops, "help").await;
    let recent = running.discord.recent(&ops, Some(&last), 20).await.expect("read");
    let lines: Vec<(&str, &str, bool)> =
        recent.iter().map(|said| (said.author.as_str(), said.text.as_str(), said.is_ours)).collect();
    assert_eq!(
        lines,
        [
            ("kanban", "Fix the *parser*\n> which <@1>?\nblocked · coder", true),
            ("kanban", "type /kanban show t_1, a_b", true),
            ("bob", "@ann *look* :party:\nhere", false),
        ]
    );
    assert_eq!(recent[2].person, server.person("bob"));
    assert_eq!(running.discord.recent(&ops, Some(&last), 1).await.expect("read")[0].author, "bob");
    let all = running.discord.recent(&ops, None, 100).await.expect("read");
    assert_eq!(all.last().expect("the last one").text, "@kanban help");
    // The notice with which a thread begins says nothing.
    assert_eq!(running.discord.recent(&own, None, 20).await, Ok(Vec::new()));
    assert_eq!(running.discord.recent(&ops, None, 0).await, Ok(Vec::new()));
    server.wire().trouble(READ, [Trouble::Break, Trouble::TooMany(Duration::from_millis(20))]);
    for _ in 0..2 {
        assert!(matches!(running.discord.recent(&ops, None, 3).await, Err(PostError::Later(..))));
    }
    server.deny_history(&ops);
    let denied = loop {
        match running.discord.recent(&ops, None, 20).await {
            Err(PostError::Later(wait, _)) => tokio::time::sleep(wait).await,
            answer => break answer,
        }
    };
    assert_eq!(denied, Ok(Vec::new()));
    server.remove_permission(&ops, Permission::ViewChannel);
    assert_eq!(running.discord.recent(&ops, None, 20).await, Ok(Vec::new()));
    let reads: Vec<_> =
        server.wire().calls().into_iter().filter(|call| call.route == READ && call.status == 200).collect();
    assert!(reads.len() <= 7, "one call each: {}", reads.len());
    running.stop().await;
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}
