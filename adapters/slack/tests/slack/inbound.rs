//! What people do in Slack, as the gateway is asked to keep it: over sockets and over signed calls.

use std::{sync::atomic::Ordering, time::Duration};

use kanban_fakes::{
    Server,
    slack::{Forgery, SlackOptions, SlackServer, Submitted},
};
use kanban_platform::{Input, Kind, PlatformError};

use crate::support::{PATIENCE, assert_nothing_wrong, options, reply, run, run_unconnected, workspace};

#[tokio::test]
async fn what_people_type_is_kept_and_acknowledged() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let (ops, deploy) = (server.channel("ops"), server.thread("ops", "deploy"));
    server.slash("ann", &ops, "list --mine").await;
    let asked = server.mentions("ann", &deploy, "kanban show t_1").await;
    let kept = running.recorder.wait_for(2).await;
    assert_eq!(kept[0].input, Input::Text("/kanban list --mine".to_owned()));
    assert_eq!((kept[0].author.to_string(), &kept[0].thread), (format!("{} (ann)", server.person("ann")), &ops));
    assert_eq!(kept[1].input, Input::Text("kanban show t_1".to_owned()));
    assert_eq!(kept[1].update, format!("m{}.{asked}", deploy.channel));
    assert_eq!((&kept[1].thread, kept[1].reply_to.as_deref()), (&deploy, deploy.thread.as_deref()));
    assert!(kept[0].addressed && kept[1].addressed);
    // Overheard words are handed over as such, and an edit is not handed over at all.
    let said = server.says("ann", &ops, "nothing for the bot & <b>").await;
    running.recorder.wait_for(3).await;
    server.edits("ann", &ops, &said, "/kanban create it").await;
    let alone = server.direct("ann");
    server.says("ann", &alone, "list").await;
    let kept = running.recorder.wait_for(4).await;
    assert_eq!(kept[2].input, Input::Text("nothing for the bot & <b>".to_owned()));
    assert!(!kept[2].addressed && kept[3].addressed);
    assert_eq!(kept[3].thread, alone);
    assert_eq!(kept.len(), 4);
    assert!(server.failures().is_empty());
    assert!(server.acknowledgements().iter().all(|time| *time < Duration::from_secs(1)));
    assert_eq!(running.end().await, Ok(()));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_acknowledged_and_comes_again() {
    let server =
        SlackServer::start_with(SlackOptions { acknowledge_within: Duration::from_millis(400), ..workspace() }).await;
    let running = run(&server, None).await;
    running.recorder.failures.store(2, Ordering::SeqCst);
    let ops = server.channel("ops");
    server.mentions("ann", &ops, "list").await;
    let kept = running.recorder.wait_for(1).await;
    assert_eq!(kept[0].input, Input::Text("list".to_owned()));
    assert!(server.lost().is_empty());
    server.repeat(3);
    server.lose_acknowledgements(1);
    server.mentions("ann", &ops, "show t_1").await;
    server.says("ann", &ops, "last").await;
    running.recorder.wait_for(3).await;
    assert_eq!(running.recorder.kept().len(), 3, "each has one effect, however often it comes");
}

#[tokio::test]
async fn a_refresh_a_break_and_a_silence_leave_no_gap() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    server.wire().wait_until("two sockets", || (server.sockets() == 2).then_some(())).await;
    let mut said = 0;
    for trouble in [SlackServer::refresh, SlackServer::refresh_all, SlackServer::disconnect] {
        trouble(&server);
        for _ in 0..5 {
            server.says("ann", &ops, &format!("word {said}")).await;
            said += 1;
        }
        running.recorder.wait_for(said).await;
        server.connected().await;
    }
    assert_eq!(running.end().await, Ok(()));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn sockets_that_have_gone_silent_are_noticed_within_30_s() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    server.wire().wait_until("two sockets", || (server.sockets() == 2).then_some(())).await;
    let began = tokio::time::Instant::now();
    server.silence();
    tokio::time::timeout(Duration::from_secs(40), server.connected()).await.expect("there are new sockets");
    assert!(began.elapsed() < Duration::from_secs(32), "{:?}", began.elapsed());
    server.mentions("ann", &server.channel("ops"), "list").await;
    running.recorder.wait_for(1).await;
}

#[tokio::test]
async fn a_form_proposes_and_becomes_words() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let proposed = server.suggestions("ann", &ops, &["create"], "parent", "paint").await;
    assert_eq!(proposed, Some(vec![("t_2".to_owned(), "t_2 paint <it>".to_owned())]));
    assert_eq!(server.modal("ann").as_deref(), Some("New task"));
    let asked = running.recorder.asked.lock().unwrap().clone();
    assert_eq!((&asked[0].kind, asked[0].author.id.as_str()), (&Kind::Task, &server.person("ann")["slack:".len()..]));
    let fields = [("title", "count the files"), ("body", "all of\nthem"), ("parent", "t_1"), ("priority", "5")];
    assert_eq!(server.submit("ann", &fields).await, Submitted::Closed);
    let kept = running.recorder.wait_for(1).await;
    let words = ["create", "--body=all of\nthem", "--parent=t_1", "--priority=5", "--", "count the files"];
    assert_eq!(kept[0].input, Input::Words(words.map(str::to_owned).to_vec()));
    assert_eq!(kept[0].thread, ops);
    // What is wrong with it is told to the person alone.
    let refusal = reply(&kept[0], "d1", "there is no task `t_1`", true);
    kanban_platform::Platform::post(running.slack.as_ref(), &refusal, None).await.unwrap();
    let seen = server.seen(&ops);
    assert_eq!(seen.last().unwrap().private_to.as_deref(), Some("ann"));
    assert!(server.failures().is_empty());
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_message_becomes_a_task_whose_thread_it_is() {
    let server = SlackServer::start_with(workspace()).await;
    let running = run(&server, None).await;
    let ops = server.channel("ops");
    let message = server.says("bob", &ops, "the login <b>fails</b>\nsince noon").await;
    server.shortcut("ann", &ops, &message, "create_task").await;
    server.wait_for_modal("ann").await;
    assert_eq!(server.submit("ann", &[]).await, Submitted::Closed);
    let kept = running.recorder.wait_for(2).await;
    let Input::Words(words) = &kept[1].input else { panic!("no words but {:?}", kept[1]) };
    assert_eq!(words.last().map(String::as_str), Some("the login <b>fails</b>"));
    assert!(words[1].starts_with("--body=the login <b>fails</b>\nsince noon\n\nhttps://"), "{words:?}");
    assert_eq!(kept[1].thread, server.thread_of(&ops, &message));
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_form_that_comes_too_late_is_explained() {
    let server = SlackServer::start_with(SlackOptions { trigger_lives: Duration::ZERO, ..workspace() }).await;
    let _running = run(&server, None).await;
    let ops = server.channel("ops");
    server.slash("ann", &ops, "create").await;
    let told = server.wire().wait_until("an explanation", || server.seen(&ops).pop()).await;
    assert!(told.text.contains("/kanban create"), "{told:?}");
    assert_eq!(told.private_to.as_deref(), Some("ann"));
}

#[tokio::test]
async fn the_home_tab_shows_a_persons_tasks() {
    let server = SlackServer::start_with(workspace()).await;
    let _running = run(&server, None).await;
    server.open_home("ann");
    let shown = server.wire().wait_until("the home tab", || server.home("ann")).await;
    assert!(shown.contains("Your tasks") && shown.contains(&server.user_id("ann")), "{shown}");
    assert_nothing_wrong(&server);
}

#[tokio::test]
async fn a_wrong_token_is_said_and_nothing_is_tried_for_ever() {
    let server = SlackServer::start_with(workspace()).await;
    let mut wrong_bot = options(&server, None);
    wrong_bot.bot_token = "xoxb-wrong".to_owned();
    let mut wrong_app = options(&server, None);
    wrong_app.app_token = Some("xapp-wrong".to_owned());
    for (options, place) in [(wrong_bot, "Install App"), (wrong_app, "Basic Information")] {
        let ended = tokio::time::timeout(PATIENCE, run_unconnected(options).ended).await.unwrap().unwrap();
        let Err(PlatformError::Misconfigured(why)) = ended else { panic!("not refused but {ended:?}") };
        assert!(why.contains(place) && !why.contains("wrong"), "{why}");
    }
}

#[tokio::test]
async fn signed_calls_are_taken_on_one_path_and_forged_ones_are_not() {
    let listen = free_address();
    let server = SlackServer::start_with(SlackOptions { listen: Some(listen.clone()), ..workspace() }).await;
    let running = run(&server, Some(&listen)).await;
    let ops = server.channel("ops");
    for forgery in [Forgery::Unsigned, Forgery::Secret, Forgery::Age, Forgery::Body] {
        assert_eq!(server.forge_slash("eve", &ops, "list", forgery).await, Some(401), "{forgery:?}");
        assert_eq!(server.forge_message("eve", &ops, "list", forgery).await, Some(401), "{forgery:?}");
    }
    server.slash("ann", &ops, "list").await;
    server.mentions("ann", &ops, "show t_1").await;
    let kept = running.recorder.wait_for(2).await;
    assert!(kept.iter().all(|request| request.author.name != "eve"));
    server.suggestions("ann", &ops, &["create"], "parent", "").await.expect("there are proposals");
    assert_eq!(server.submit("ann", &[("title", "it")]).await, Submitted::Closed);
    running.recorder.wait_for(3).await;
    running.recorder.failures.store(1, Ordering::SeqCst);
    server.slash("ann", &ops, "list").await;
    assert_eq!(server.failures().len(), 1, "a person is told that a command was not taken");
    assert_eq!(running.end().await, Ok(()));
}

/// An address that nobody listens on a moment ago.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").to_string()
}
