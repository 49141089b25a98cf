//! What is kept before it is acted on: one effect each, in order, whatever comes again and whenever the process ends.

use std::sync::mpsc::{Receiver, Sender, channel};

use kanban_fakes::FakePlatform;
use kanban_platform::{Commands, Input, PostKind, Request};
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{PATIENCE, PLATFORM, Start, World, batch, meddle, place, request, sql, texts};

#[tokio::test]
async fn an_update_that_is_kept_again_has_one_effect() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let (one, two) = (("u1", "/kanban create one"), ("u2", "/kanban create two"));
    world.keeps(&ops, &[one, one, two, one]).await;
    world.keeps(&ops, &[two, one]).await;
    world.platform.wait_for(&ops, 2).await;
    // After the act, too, and after a restart.
    world.keeps(&ops, &[one, two, ("u3", "/kanban create three")]).await;
    world.platform.wait_for(&ops, 3).await;
    let world = world.restart(Start::default()).await;
    world.keeps(&ops, &[two, one, ("u3", "/kanban create three"), ("u4", "/kanban create four")]).await;
    world.platform.wait_for(&ops, 4).await;
    assert_eq!(world.titles(&world.board), ["one", "two", "three", "four"]);
    let platform = std::sync::Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.messages(&ops).len(), 4);
    assert_eq!(platform.attempts().len(), 4);
}

#[tokio::test]
async fn what_was_kept_before_a_restart_is_done_after_it() {
    let (idle, ops) = (Start { works: false, ..Start::default() }, place("ops"));
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), idle).await;
    let mut kept = texts("ana", &ops, &[("u1", "/kanban create one"), ("u2", "/kanban create two")]);
    kept[0].return_address = Some("token-1".to_owned());
    world.gateway.keep(batch(kept.clone(), Some("7"))).await.unwrap();
    assert_eq!(world.waiting().await, ["u1", "u2"]);
    let world = world.restart(Start::default()).await;
    world.platform.wait_for(&ops, 2).await;
    assert_eq!(world.gateway.position(PLATFORM, "updates").await.unwrap().as_deref(), Some("7"));
    kept.extend(texts("ana", &ops, &[("u3", "/kanban create three")]));
    world.gateway.keep(batch(kept, None)).await.unwrap();
    let told = world.platform.wait_for(&ops, 3).await;
    let addresses: Vec<_> = told
        .iter()
        .map(|message| match &message.posts[0].kind {
            PostKind::Reply { update, return_address } => (update.as_str(), return_address.as_deref()),
            kind => panic!("{kind:?}"),
        })
        .collect();
    assert_eq!(addresses, [("u1", Some("token-1")), ("u2", None), ("u3", None)]);
    assert_eq!(world.titles(&world.board), ["one", "two", "three"]);
    assert_eq!(world.waiting().await, [""; 0]);
    world.end().await;
}

#[tokio::test]
async fn requests_of_a_thread_are_done_in_their_order() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let places = [place("a"), place("b"), place("c")];
    let mut requests = Vec::new();
    for number in 0..25 {
        for place in &places {
            let text = format!("/kanban create {} {number}", place.channel);
            requests.extend(texts("ana", place, &[(&format!("{}{number}", place.channel), &text)]));
        }
    }
    for part in requests.chunks(10) {
        world.gateway.keep(batch(part.to_vec(), None)).await.unwrap();
    }
    for place in &places {
        world.platform.wait_for(place, 25).await;
    }
    let titles = world.titles(&world.board);
    for place in &places {
        let of_place: Vec<_> = titles.iter().filter(|title| title.starts_with(&place.channel)).cloned().collect();
        assert_eq!(of_place, (0..25).map(|number| format!("{} {number}", place.channel)).collect::<Vec<_>>());
    }
    world.end().await;
}

#[tokio::test]
async fn a_batch_is_kept_whole_with_its_position_or_not_at_all() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    world.gateway.keep(batch(Vec::new(), Some("1"))).await.unwrap();
    let position = async || world.gateway.position(PLATFORM, "updates").await.unwrap();
    assert_eq!(position().await.as_deref(), Some("1"));
    let fault =
        "CREATE TRIGGER fault BEFORE INSERT ON inbox WHEN NEW.update_id = 'u2' BEGIN SELECT RAISE(ABORT, 'full'); END";
    meddle(&world.board, fault).await;
    let messages = [("u1", "/kanban create one"), ("u2", "/kanban create two")];
    let refused = world.gateway.keep(batch(texts("ana", &ops, &messages), Some("2"))).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("full")));
    assert_eq!(position().await.as_deref(), Some("1"));
    assert_eq!(world.waiting().await, [""; 0]);

    meddle(&world.board, "DROP TRIGGER fault").await;
    world.gateway.keep(batch(texts("ana", &ops, &messages), Some("2"))).await.unwrap();
    assert_eq!(position().await.as_deref(), Some("2"));
    world.platform.wait_for(&ops, 2).await;
    assert_eq!(world.titles(&world.board), ["one", "two"]);
    // Each stream of each platform has a position of its own.
    assert_eq!(world.gateway.position(PLATFORM, "other").await.unwrap(), None);
    assert_eq!(world.gateway.position("fake.acme", "updates").await.unwrap(), None);
    world.end().await;
}

#[tokio::test]
async fn what_people_say_to_each_other_is_not_kept() {
    let idle = Start { works: false, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), idle).await;
    let ops = place("ops");
    let aside = |update: &str, text: &str| Request {
        addressed: false,
        ..request(update, "ana", &ops, Input::Text(text.to_owned()), None)
    };
    let requests = vec![
        aside("u1", "good morning"),
        aside("u2", "list the things that we need"),
        aside("u3", "/kanban list"),
        aside("u4", "/tasks@our_bot"),
        aside("u5", "/tasksforce"),
        request("u6", "ana", &ops, Input::Text("list".to_owned()), None),
    ];
    world.gateway.keep(batch(requests, Some("6"))).await.unwrap();
    assert_eq!(world.waiting().await, ["u3", "u4", "u6"]);
    let kept: i64 = sql(&world.board).query_row("SELECT count(*) FROM inbox", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 3);
    assert_eq!(world.gateway.position(PLATFORM, "updates").await.unwrap().as_deref(), Some("6"));
    world.end().await;
}

#[tokio::test]
async fn a_request_that_meets_a_fault_stays_kept_and_is_done_later() {
    let log = Log::begin();
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (ops, other) = (place("ops"), place("other"));
    let fault =
        "CREATE TRIGGER fault BEFORE UPDATE ON inbox WHEN NEW.update_id = 'u1' BEGIN SELECT RAISE(ABORT, 'full'); END";
    meddle(&world.board, fault).await;
    world.keeps(&ops, &[("u1", "/kanban create one"), ("u2", "/kanban create two")]).await;
    world.keeps(&other, &[("u3", "/kanban create three")]).await;
    log.wait_for("an answer to update u1 could not be kept").await;
    world.platform.wait_for(&other, 1).await;
    assert_eq!(world.titles(&world.board), ["three"], "nothing of it was done, and its thread waits");
    meddle(&world.board, "DROP TRIGGER fault").await;
    world.platform.wait_for(&ops, 2).await;
    assert_eq!(world.titles(&world.board), ["three", "one", "two"]);
    let platform = std::sync::Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.attempts().len(), 3);
}

#[tokio::test]
async fn an_inbox_that_cannot_be_read_for_a_while_is_read_later() {
    let log = Log::begin();
    let idle = Start { works: false, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), idle).await;
    let ops = place("ops");
    world.keeps(&ops, &[("u1", "/kanban create one")]).await;
    meddle(&world.board, "ALTER TABLE inbox RENAME TO away").await;
    let world = world.restart(Start::default()).await;
    log.wait_for("the inbox cannot be read").await;
    // Nothing else comes in that could wake whoever reads it.
    meddle(&world.board, "ALTER TABLE away RENAME TO inbox").await;
    world.platform.wait_for(&ops, 1).await;
    assert_eq!(world.titles(&world.board), ["one"]);
    world.end().await;
}

#[tokio::test]
async fn a_stranger_gets_one_line_for_ever() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let (hall, room) = (place("hall"), place("room"));
    let first = request("u1", "mallory", &hall, Input::Text("/kanban list".to_owned()), None);
    let again = Request { update: "u2".to_owned(), thread: room.clone(), ..first.clone() };
    let form = Request { update: "u3".to_owned(), input: Input::Words(vec!["list".to_owned()]), ..first.clone() };
    let in_place = Request { update: "u4".to_owned(), return_address: Some("token".to_owned()), ..first.clone() };
    world.gateway.keep(batch(vec![first.clone()], None)).await.unwrap();
    let told = world.platform.wait_for(&hall, 1).await;
    world.gateway.keep(batch(vec![again, form], None)).await.unwrap();
    world.until("silence is kept too", async || world.waiting().await.is_empty().then_some(())).await;
    assert!(told[0].text.contains("fake:mallory") && told[0].posts[0].private, "{told:?}");
    let world = world.restart(Start::default()).await;
    world.gateway.keep(batch(vec![first, in_place.clone()], None)).await.unwrap();
    // Where the platform shows that an answer is under way, it is ended with nothing to show.
    let attempts = world.platform.wait_for_attempts(2).await;
    let kind = PostKind::Reply { update: "u4".to_owned(), return_address: Some("token".to_owned()) };
    assert_eq!((&attempts[1].post.kind, attempts[1].post.body.len()), (&kind, 0));
    // The next stranger is another person.
    let next = Request { update: "u5".to_owned(), thread: room.clone(), ..in_place };
    world.keeps(&room, &[("u6", "/kanban stats")]).await;
    world.platform.wait_for(&room, 1).await;
    let author = kanban_platform::Author { id: "trudy".to_owned(), ..next.author.clone() };
    world.gateway.keep(batch(vec![Request { author, ..next }], None)).await.unwrap();
    let told = world.platform.wait_for(&room, 2).await;
    assert!(told[1].text.contains("fake:trudy"), "{told:?}");
    let platform = std::sync::Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.attempts().len(), 4);
}

#[tokio::test]
async fn requests_for_another_board_are_settled_where_they_were_kept() {
    let world = World::new(FakePlatform::new(PLATFORM)).await;
    let ops = place("ops");
    let one = ("u2", "/kanban --board side create one");
    world.keeps(&ops, &[("u1", "/kanban boards create side"), one, ("u3", "/kanban --board side list")]).await;
    world.platform.wait_for(&ops, 3).await;
    let is_settled = async || world.waiting().await.is_empty().then_some(());
    world.until("all are settled", is_settled).await;

    // A process that dies after the act and before it is settled does not act again.
    let world = world.restart(Start { works: false, ..Start::default() }).await;
    let two = request("u4", "ana", &ops, Input::Text("/kanban --board side create two".to_owned()), None);
    world.gateway.keep(batch(vec![two.clone()], None)).await.unwrap();
    world.gateway.handle(two.clone()).await;
    assert_eq!(world.waiting().await, ["u4"]);
    let world = world.restart(Start::default()).await;
    world.until("it is settled", async || world.waiting().await.is_empty().then_some(())).await;
    world.keeps(&ops, &[one]).await;
    world.gateway.keep(batch(vec![two], None)).await.unwrap();
    world.keeps(&ops, &[("u5", "/kanban stats")]).await;
    world.platform.wait_for(&ops, 5).await;
    let side = world.boards.get(&"side".parse().unwrap()).await.unwrap();
    assert_eq!(world.titles(&side), ["one", "two"]);
    let platform = std::sync::Arc::clone(&world.platform);
    world.end().await;
    assert_eq!(platform.attempts().len(), 5);
}

#[tokio::test]
async fn a_request_is_not_forgotten_before_it_was_acted_on() {
    let idle = Start { works: false, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), idle).await;
    let ops = place("ops");
    world.gateway.handle(request("u1", "ana", &ops, Input::Text("/kanban create one".to_owned()), None)).await;
    world.keeps(&ops, &[("u2", "/kanban create two")]).await;
    let mut tx = world.board.write().await.unwrap();
    tx.forget(i64::MAX, i64::MAX).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.waiting().await, ["u2"]);
    assert_eq!(world.board.read().await.unwrap().receipt(PLATFORM, "u1").await.unwrap(), None);
    let world = world.restart(Start::default()).await;
    world.platform.wait_for_text(&ops, |text| text.contains("two")).await;
    world.end().await;
}

/// What this thread's part of the program logs, as long as it lives.
struct Log {
    lines: Receiver<String>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    fn begin() -> Self {
        let (said, lines) = channel();
        let subscriber = tracing_subscriber::fmt().with_writer(Lines(said)).with_ansi(false).finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    async fn wait_for(&self, text: &str) {
        let heard = async {
            while !self.lines.try_iter().any(|line| line.contains(text)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("never logged: {text}"));
    }
}

struct Lines(Sender<String>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Sender<String>);

impl std::io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
