//! Lanes: which messages are taken in for a thread's agent, and what becomes of those that are not.

use kanban_fakes::FakePlatform;
use kanban_platform::{Input, Receipt, Request, Thread};

use crate::world::{PLATFORM, SETTINGS, Start, World, place, request, sql};

const BOT: &str = "[profiles.bot]\ncommand = [\"true\"]\n[profiles.tired]\ncommand = [\"true\"]\npaused = true\n";

/// A gateway whose profile `bot` hears everything in the channel `ops`; no turn is ever begun.
async fn listening(more: &str) -> (World, Thread) {
    let settings = format!("{SETTINGS}{more}{BOT}");
    let start = Start { settings, ..Start::default() };
    let world = World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await;
    let ops = place("ops");
    assert_eq!(world.says("on", "ana", &ops, "/kanban agent on bot").await.exit, 0);
    (world, ops)
}

/// Says something that is not addressed to us, as people do in a group.
async fn aside(world: &World, update: &str, who: &str, text: &str, reply_to: Option<&str>) -> Receipt {
    let said = request(update, who, &place("ops"), Input::Text(text.to_owned()), reply_to);
    world.platform.inject(Request { addressed: false, ..said }).await
}

fn column(world: &World, query: &str) -> Vec<String> {
    let database = sql(&world.board);
    let mut query = database.prepare(query).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn turns(world: &World) -> Vec<String> {
    column(world, "SELECT text || ': ' || state FROM turns ORDER BY id")
}

#[tokio::test]
async fn a_turn_is_for_who_may_change_the_whole_board_and_work_in_the_directory_of_the_place() {
    let (world, ops) = listening(
        "[[access.grants]]\nwho = \"fake:tess\"\nrole = \"operator\"\ntenant = \"acme\"\n[workspaces]\nroots = [\"/usr\"]\n\
         [roles.member]\nroots = [\"/var\"]\n",
    )
    .await;
    let answer = async |update: &str, who: &str| {
        let receipt = world.says(update, who, &ops, "hello").await;
        if receipt.exit == 0 {
            return String::new();
        }
        let post = world.post(&receipt).await;
        assert!(post.private, "{post:?}");
        post.text()
    };
    assert_eq!(answer("1", "bob").await, "");
    let tenant = answer("2", "tess").await;
    assert!(tenant.contains("your role holds for tenant acme alone"), "{tenant}");
    assert_eq!(world.says("3", "ana", &ops, "here /usr").await.exit, 0);
    let outside = answer("4", "bob").await;
    assert!(outside.contains("outside of the directories open to you"), "{outside}");
    assert_eq!(answer("5", "ana").await, "");
    world.boards.create(&"den".parse().unwrap(), world.clock.now()).await.unwrap();
    assert_eq!(world.says("6", "ana", &ops, "boards private den on").await.exit, 0);
    assert_eq!(world.says("7", "ana", &ops, "here /var --board den").await.exit, 1, "not below the roots");
    assert_eq!(world.says("8", "ana", &ops, "here /usr --board den").await.exit, 0);
    let hidden = answer("9", "bob").await;
    assert!(hidden.contains("board 'den' does not exist"), "{hidden}");
    assert_eq!(turns(&world), ["hello: queued", "hello: queued"]);
    // Who was let in and who was not is in the audit.
    let audit =
        column(&world, "SELECT person || ' ' || board || ' ' || outcome FROM audit WHERE verb = 'turn' ORDER BY id");
    assert_eq!(audit.len(), 4, "{audit:?}");
    assert!(audit[0].contains("bob") && audit[0].ends_with("default done"), "{audit:?}");
    assert!(audit[1].contains("tess") && audit[1].ends_with("default refused: forbidden"), "{audit:?}");
    world.end().await;
}

#[tokio::test]
async fn a_message_that_is_not_taken_in_does_not_vanish() {
    let (world, ops) = listening("").await;
    assert_eq!(world.says("1", "ana", &ops, "agent --policy refuse").await.exit, 0);
    assert_eq!(aside(&world, "2", "bob", "look at it", None).await.exit, 0);
    let busy = aside(&world, "3", "bob", "and at this", None).await;
    let post = world.post(&busy).await;
    assert!(post.private && post.text().contains("yours was not taken in"), "{post:?}");
    // Whoever may not use it talks to others, as far as we know.
    let other = aside(&world, "4", "eve", "what a day", None).await;
    assert_eq!((other.exit, other.deliveries.len()), (0, 0));
    assert_eq!(world.says("5", "ana", &ops, "agent on tired").await.exit, 0);
    let paused = aside(&world, "6", "bob", "are you there", None).await;
    let post = world.post(&paused).await;
    assert!(post.private && post.text().contains("`tired` is paused"), "{post:?}");
    assert_eq!(turns(&world), ["look at it: queued"]);
    world.end().await;
}

#[tokio::test]
async fn a_newer_message_is_the_next_one_where_it_interrupts() {
    let (world, ops) = listening("").await;
    for (update, who, text) in [("1", "bob", "first"), ("2", "ana", "second")] {
        assert_eq!(world.says(update, who, &ops, text).await.exit, 0);
    }
    assert_eq!(world.says("3", "ana", &ops, "agent --policy interrupt").await.exit, 0);
    assert_eq!(world.says("4", "bob", &ops, "third").await.exit, 0);
    assert_eq!(turns(&world), ["first: interrupted", "second: interrupted", "third: queued"]);
    let told = |post: &str| post.contains("interrupted by a newer message before it began");
    world.platform.wait_for_text(&ops, told).await;
    world
        .until("both are told", async || {
            (world.platform.messages(&ops).iter().filter(|message| told(&message.text)).count() == 2).then_some(())
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_profile_and_a_verb_are_meant_where_somebody_replies_to_us_or_an_agent_listens() {
    let (world, ops) = listening("").await;
    assert_eq!(world.says("1", "ana", &ops, "/kanban help").await.exit, 0);
    let ours = world.platform.wait_for(&ops, 1).await.remove(0).id;
    for (update, text, reply_to) in [
        ("2", "create buy milk", Some(ours.as_str())),
        ("3", "@bot echo hello", Some(ours.as_str())),
        ("4", "@bot echo again", None),
        ("5", "@carol what do you think?", None),
    ] {
        let receipt = aside(&world, update, "bob", text, reply_to).await;
        assert_eq!(receipt.exit, 0, "{text}");
    }
    assert_eq!(world.titles(&world.board), ["buy milk", "echo hello", "echo again"]);
    assert_eq!(turns(&world), ["@carol what do you think?: queued"]);
    // To us, a name that is none is a mistake; where nobody listens, it is none of our business.
    assert_eq!(aside(&world, "6", "bob", "@bto echo", Some(&ours)).await.exit, 1);
    assert_eq!(world.says("7", "ana", &ops, "agent off").await.exit, 0);
    let other = aside(&world, "8", "bob", "@bot echo more", None).await;
    assert_eq!((other.exit, other.deliveries.len()), (0, 0));
    world.end().await;
}
