//! What threads are told, on a platform that fails in all the ways that platforms do; and what people say there.

#![expect(clippy::unwrap_used, reason = "a test fails where it is surprised")]

use std::{sync::Arc, time::Duration};

use kanban_fakes::{FakePlatform, Fault, thread};
use kanban_gateway::{
    board::{
        Actor, Board, BoardSlug, Boards, TaskId,
        block::Held,
        create::NewTask,
        finish::HandOff,
        task::{BlockKind, Status},
        thread::Following,
    },
    clock::Clock,
    command::{Desk, SharedSettings},
    gateway::Gateway,
    notifier::{Notifier, Platforms},
    settings::{Environment, Settings},
};
use kanban_platform::{Author, Commands, Input, Platform, Post, PostKind, Receipt, Request, Thread};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PLATFORM: &str = "fake";

/// A board, a gateway and a notifier around one fake platform.
struct World {
    home: tempfile::TempDir,
    board: Board,
    clock: Clock,
    platform: Arc<FakePlatform>,
    gateway: Arc<Gateway>,
    shutdown: CancellationToken,
    notifying: JoinHandle<()>,
    running: JoinHandle<()>,
}

impl World {
    async fn new(platform: Arc<FakePlatform>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings =
            "[access]\nowners = [\"fake:ana\"]\n[access.roles]\nmember = [\"fake:bob\"]\nguest = [\"fake:eve\"]\n";
        std::fs::write(home.path().join("kanban.toml"), settings).unwrap();
        let environment = Environment::default();
        let settings = Settings::load(home.path(), &environment).unwrap();
        let boards = Boards::new(home.path(), Arc::default());
        let board = boards.get(&BoardSlug::default()).await.unwrap();
        let clock = Clock::system();
        let desk = Desk {
            boards: boards.clone(),
            settings: SharedSettings::new(settings),
            environment: Arc::new(environment),
            clock: clock.clone(),
            gateway: None,
        };
        let gateway = Arc::new(Gateway::new(desk));
        let mut platforms = Platforms::new();
        platforms.insert(PLATFORM.to_owned(), Arc::clone(&platform) as Arc<dyn Platform>);
        let notifier = Arc::new(Notifier::new(boards, platforms, clock.clone()));
        let shutdown = CancellationToken::new();
        let notifying = tokio::spawn(notifier.run(shutdown.clone(), Duration::from_secs(20)));
        let (chat, commands, stop) =
            (Arc::clone(&platform), Arc::clone(&gateway) as Arc<dyn Commands>, shutdown.clone());
        let running = tokio::spawn(async move { chat.run(commands, stop).await.unwrap() });
        Self { home, board, clock, platform, gateway, shutdown, notifying, running }
    }

    /// A task that a thread follows.
    async fn task(&self, follower: &Thread, title: &str) -> TaskId {
        let mut tx = self.board.write().await.unwrap();
        let new = NewTask { title: title.to_owned(), ..NewTask::default() };
        let task = tx.create(&ana(), "fake:ana", new, self.clock.now()).await.unwrap().task;
        let following = Following { task: Some(task.id.clone()), ..Following::default() };
        tx.watch(follower, &following, None, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        task.id
    }

    async fn complete(&self, id: &TaskId, summary: &str) {
        let mut tx = self.board.write().await.unwrap();
        let hand_off = HandOff { summary: Some(summary.to_owned()), ..HandOff::default() };
        tx.complete(&ana(), id, &hand_off, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The answer that a receipt names.
    async fn post(&self, receipt: &Receipt) -> Post {
        let mut count = 1;
        loop {
            let attempts = self.platform.wait_for_attempts(count).await;
            count = attempts.len() + 1;
            if let Some(found) = attempts.into_iter().find(|attempt| attempt.post.delivery == receipt.deliveries[0]) {
                return found.post;
            }
        }
    }

    async fn status(&self, id: &TaskId) -> Status {
        self.board.read().await.unwrap().task(id).await.unwrap().status
    }

    /// Lets the notifier deliver what is left, and ends everything but the home.
    async fn end(self) -> tempfile::TempDir {
        self.shutdown.cancel();
        self.notifying.await.unwrap();
        self.running.await.unwrap();
        self.home
    }

    async fn says(&self, update: &str, who: &str, place: &Thread, text: &str) -> Receipt {
        self.platform.inject(request(update, who, place, Input::Text(text.to_owned()), None)).await
    }
}

fn request(update: &str, who: &str, place: &Thread, input: Input, reply_to: Option<&str>) -> Request {
    Request {
        update: update.to_owned(),
        author: Author { platform: PLATFORM.to_owned(), id: who.to_owned(), name: who.to_owned() },
        thread: place.clone(),
        input,
        reply_to: reply_to.map(str::to_owned),
    }
}

fn ana() -> Actor {
    Actor::Person { name: "fake:ana".to_owned() }
}

fn place(name: &str) -> Thread {
    thread(PLATFORM, name)
}

#[tokio::test]
async fn posts_of_a_thread_keep_their_order_and_a_failing_thread_holds_up_nobody() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (bad, good) = (place("bad"), place("good"));
    world.platform.fail_thread(&bad, Fault::Hang);
    for number in 0..20 {
        for follower in [&bad, &good] {
            let id = world.task(follower, &format!("task {number}")).await;
            world.complete(&id, "fine").await;
        }
    }
    let told = world.platform.wait_for(&good, 20).await;
    let titles: Vec<_> = told.iter().map(|message| message.text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(titles, (0..20).map(|number| format!("task {number}")).collect::<Vec<_>>());
    assert!(world.platform.messages(&bad).is_empty());

    world.platform.heal(&bad);
    world.platform.release();
    let told = world.platform.wait_for(&bad, 20).await;
    let titles: Vec<_> = told.iter().map(|message| message.text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(titles, (0..20).map(|number| format!("task {number}")).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_shown_once() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::LoseAnswer);
    let id = world.task(&ops, "count").await;
    world.complete(&id, "42").await;
    world.platform.wait_for_attempts(2).await;
    let board = world.board.clone();
    let platform = Arc::clone(&world.platform);
    let _home = world.end().await;
    assert_eq!(platform.messages(&ops).len(), 1);
    assert_eq!(board.read().await.unwrap().deliveries_owed().await.unwrap(), 0);
}

#[tokio::test]
async fn a_long_summary_arrives_whole_in_parts_and_goes_on_where_it_broke_off() {
    let world = World::new(FakePlatform::with_message_limit(PLATFORM, 200)).await;
    let ops = place("ops");
    let summary: String = (0..60).map(|line| format!("line {line} of what was done\n\n")).collect();
    let id = world.task(&ops, "write a lot").await;
    world.complete(&id, &summary).await;
    let whole = format!("write a lot\n{}\ndone · attempt 1 · {id}", summary.trim());
    let count = kanban_platform::split(&whole, 200).len();
    world.platform.wait_for(&ops, 3).await;
    world.platform.fail_next(1, Fault::Later(Duration::ZERO));
    let told = world.platform.wait_for(&ops, count).await;
    assert_eq!(told.iter().map(|message| message.text.as_str()).collect::<String>(), whole);
    assert!(told[..count - 1].iter().all(|message| message.buttons.is_empty()));
    assert_eq!(told[count - 1].buttons, ["Show"]);
    world.end().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_put_aside_and_a_thread_that_is_gone_waits_until_it_speaks() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.platform.fail_next(1, Fault::Refused);
    let first = world.task(&ops, "refused").await;
    world.complete(&first, "never seen").await;
    let second = world.task(&ops, "taken").await;
    world.complete(&second, "seen").await;
    world.platform.wait_for_text(&ops, |text| text.starts_with("taken")).await;
    assert_eq!(world.platform.messages(&ops).len(), 1);

    world.platform.fail_thread(&ops, Fault::Gone);
    let third = world.task(&ops, "third").await;
    world.complete(&third, "late").await;
    world.platform.wait_for_attempts(3).await;
    // The outage deletes neither the watch nor the post.
    assert_eq!(world.board.read().await.unwrap().watches().await.unwrap().len(), 3);
    world.platform.heal(&ops);
    world.says("u1", "ana", &ops, "/kanban stats").await;
    world.platform.wait_for_text(&ops, |text| text.starts_with("third\nlate")).await;
    world.end().await;
}

#[tokio::test]
async fn a_stop_delivers_what_is_owed() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    for number in 0..30 {
        let id = world.task(&place(&format!("t{number}")), "task").await;
        world.complete(&id, "done").await;
    }
    let (board, platform) = (world.board.clone(), Arc::clone(&world.platform));
    let _home = world.end().await;
    assert_eq!(board.read().await.unwrap().deliveries_owed().await.unwrap(), 0);
    assert!((0..30).all(|number| platform.messages(&place(&format!("t{number}"))).len() == 1));
}

#[tokio::test]
async fn an_update_that_comes_again_has_one_effect_and_one_answer() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let first = world.says("u1", "ana", &ops, "/kanban create once").await;
    let asked = (0..8).map(|_| world.says("u1", "ana", &ops, "/kanban create once"));
    for again in futures_util::future::join_all(asked).await {
        assert_eq!(again, first);
    }
    // A race of first deliveries has one winner as well.
    let racing = (0..8).map(|_| world.says("u2", "ana", &ops, "/kanban create twice"));
    futures_util::future::join_all(racing).await;
    world.says("u3", "ana", &ops, "/kanban list").await;
    let list = world
        .platform
        .wait_for_text(&ops, |text| text.contains("once") && text.contains("twice") && text.contains('\n'))
        .await;
    assert_eq!(list.text.lines().count(), 2);
    let answers = world.platform.messages(&ops).iter().filter(|message| message.text.starts_with("Created")).count();
    assert_eq!(answers, 2);
    world.end().await;
}

#[tokio::test]
async fn strangers_get_one_private_line_and_roles_hold_on_every_road() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let id = world.task(&ops, "a task").await;
    let cancel = format!("/kanban cancel {id}");
    for (update, who, text, exit, private) in [
        ("u1", "mallory", "/kanban list", 1, true),
        ("u2", "eve", "/kanban list", 0, false),
        ("u3", "eve", "/kanban create something", 1, true),
        ("u4", "bob", cancel.as_str(), 1, true),
        ("u5", "bob", "/kanban create run --assignee script --body ls", 1, true),
        ("u6", "bob", "/kanban boards create mine", 1, true),
        ("u7", "bob", "/kanban create plain", 0, false),
        ("u8", "ana", cancel.as_str(), 0, false),
    ] {
        let receipt = world.says(update, who, &ops, text).await;
        assert_eq!((receipt.exit, receipt.deliveries.len()), (exit, 1), "{who}: {text}");
        assert_eq!(world.post(&receipt).await.private, private, "{who}: {text}");
    }
    let settings = world.gateway.suggest(&kanban_platform::Kind::Profile, "", &author("mallory")).await;
    assert!(settings.is_empty());
    assert_eq!(world.status(&id).await, Status::Archived);
    world.end().await;
}

#[tokio::test]
async fn a_reply_to_a_question_answers_it_and_a_press_settles_the_buttons() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let id = world.task(&ops, "paint").await;
    let mut tx = world.board.write().await.unwrap();
    let held =
        tx.block(&ana(), &id, Some(BlockKind::NeedsInput), Some("which colour?"), world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(held, Held::Blocked);
    let question = world.platform.wait_for_text(&ops, |text| text.contains("which colour?")).await;
    assert_eq!(question.buttons, ["Show", "Cancel"]);

    let answer = request("u1", "bob", &ops, Input::Text("blue, please".to_owned()), Some(&question.id));
    assert_eq!(world.platform.inject(answer).await.exit, 0);
    assert_eq!(world.status(&id).await, Status::Ready);
    let comments = world.board.read().await.unwrap().comments(&id).await.unwrap();
    assert!(comments.iter().any(|comment| comment.author == "fake:bob" && comment.body.contains("blue, please")));

    let press = |update: &str, who: &str| {
        let input = Input::Press { message: question.id.clone(), label: "cancel".to_owned() };
        request(update, who, &ops, input, None)
    };
    assert_eq!(world.platform.inject(press("u2", "bob")).await.exit, 1);
    assert_eq!(world.platform.inject(press("u3", "ana")).await.exit, 0);
    assert_eq!(world.status(&id).await, Status::Archived);
    let edited = world.platform.wait_for_text(&ops, |text| text.contains("→ cancel: fake:ana")).await;
    assert_eq!((edited.id, edited.buttons.len()), (question.id.clone(), 0));
    assert_eq!(world.platform.inject(press("u4", "ana")).await.exit, 1);
    assert!(world.platform.attempts().iter().any(|attempt| matches!(attempt.post.kind, PostKind::Edit { .. })));
    world.end().await;
}

#[tokio::test]
async fn a_late_follower_hears_of_what_happens_from_now_on() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (early, late) = (place("early"), place("late"));
    let id = world.task(&early, "old").await;
    world.complete(&id, "done long ago").await;
    world.platform.wait_for(&early, 1).await;
    world.says("u1", "ana", &late, &format!("/kanban watch {id}")).await;
    world.platform.wait_for(&late, 1).await;
    let platform = Arc::clone(&world.platform);
    world.end().await;
    let told = platform.messages(&late);
    assert!(told.len() == 1 && !told[0].text.contains("done long ago"), "{told:?}");
}

fn author(id: &str) -> Author {
    Author { platform: PLATFORM.to_owned(), id: id.to_owned(), name: id.to_owned() }
}
