//! A schedule of a chat with the real gateway: it fires by itself, and its results come to where it was made.

use crate::home::{Home, until};

#[test]
fn a_schedule_fires_with_the_gateway_and_its_result_returns_to_its_thread() {
    let home = Home::new();
    let gateway = home.up();
    let line =
        "/kanban schedule add 0 * * * * --tz Europe/Berlin -- create tick --assignee script --body \"echo tock\"";
    let said = home.say_in("ops", line).ok();
    assert!(said.contains("Schedule s1 fires at `0 * * * *` in Europe/Berlin"), "{said}");
    assert_eq!(gateway.stop(), 0);
    assert_eq!(home.titles().len(), 0);

    // Three hours without a gateway: one firing stands for all.
    let database = home.database();
    let hours = "UPDATE schedules SET seen_until = seen_until - 10800000, next_at = next_at - 10800000, created_at = created_at - 10800000";
    assert_eq!(database.execute(hours, []).unwrap(), 1);
    drop(database);
    let gateway = home.up();
    let tock = until("the result is told in the thread", || {
        home.transcript().into_iter().find(|line| line["event"] == "completed")
    });
    assert_eq!(
        (tock["thread"].as_str(), tock["text"].as_str().is_some_and(|text| text.contains("tock"))),
        (Some("ops"), true)
    );
    assert_eq!(home.titles(), [("tick".to_owned(), 1)].into());
    let shown = home.json("schedule list --json");
    assert_eq!(shown[0]["firings"][0]["outcome"], "fired");
    assert!(shown[0]["firings"][0]["reason"].as_str().unwrap().contains("made up for by this one"), "{shown}");

    // A gateway that dies and comes back fires nothing again.
    gateway.kill();
    let _gateway = home.up();
    home.ok("schedule run s1");
    until("both are done", || (home.count("SELECT count(*) FROM tasks WHERE status = 'done'") == 2).then_some(()));
    assert_eq!(home.titles(), [("tick".to_owned(), 2)].into());
    assert_eq!(home.count("SELECT count(*) FROM firings"), 2);
    assert!(home.ok("schedule list").contains("Europe/Berlin"));
}
