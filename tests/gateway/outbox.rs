//! `kanban outbox`: what has not arrived, why, and what becomes of it.

use serde_json::{Value, json};

use crate::home::{Home, Ran};

/// A home with a post for a platform that nobody runs, and one that was refused. Answers their task.
fn home() -> (Home, String) {
    let home = Home::with_settings(
        "[access.roles]\noperator = [\"console:oli\"]\nmember = [\"console:bob\"]\nguest = [\"console:gus\"]\n",
    );
    let id = home.create(&["paint"]);
    home.ok(&format!("notify-subscribe {id} --platform discord --chat-id c1"));
    home.ok(&format!("notify-subscribe {id} --platform telegram --chat-id c2 --thread-id t3"));
    home.ok(&format!("complete {id} --summary fine"));
    home.database()
        .execute_batch("UPDATE deliveries SET state = 'dead', error = 'too long', attempts = 1 WHERE id = 2")
        .unwrap();
    (home, id)
}

/// What is listed, but for answers at the console that are under way just then.
fn rows(home: &Home) -> Vec<Value> {
    let mut rows = home.json("outbox list --json").as_array().unwrap().clone();
    rows.retain(|row| row["task"].is_string());
    rows
}

#[test]
fn posts_that_have_not_arrived_are_listed_with_the_reason() {
    let (home, id) = home();
    for line in ["outbox", "outbox list", "outbox ls"] {
        let Ran { out, .. } = home.run(line.split(' '));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 2, "{out}");
        assert!(
            lines[0].starts_with(&format!("1  discord:c1  completed {id}  ")) && lines[0].ends_with("old  waits"),
            "{out}"
        );
        assert!(lines[1].starts_with(&format!("2  telegram:c2:t3  completed {id}  ")), "{out}");
        assert!(lines[1].ends_with("old  refused: too long"), "{out}");
    }
    assert!(home.run(["outbox"]).err.contains("`kanban outbox retry [NUMBER]`"));
    let listed = rows(&home);
    let of = |row: &Value, keys: [&str; 6]| keys.map(|key| row[key].clone());
    let keys = ["number", "thread", "task", "event", "state", "error"];
    assert_eq!(
        of(&listed[0], keys),
        [json!(1), json!("discord:c1"), json!(id), json!("completed"), json!("queued"), Value::Null]
    );
    assert_eq!(
        of(&listed[1], keys),
        [json!(2), json!("telegram:c2:t3"), json!(id), json!("completed"), json!("dead"), json!("too long")]
    );
    // A gateway that runs says the same, and neither delivers to a platform that it does not have.
    let gateway = home.up();
    assert_eq!(rows(&home), listed);
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn a_retry_queues_what_was_refused_and_revives_parked_threads() {
    let (home, _) = home();
    home.database()
        .execute_batch("UPDATE threads SET parked_at = 1, parked_reason = 'missing access' WHERE platform = 'discord'")
        .unwrap();
    assert_eq!(
        (&rows(&home)[0]["state"], &rows(&home)[0]["parked_reason"]),
        (&json!("parked"), &json!("missing access"))
    );
    assert!(home.ok("outbox list").lines().next().unwrap().ends_with("thread parked: missing access"));
    assert_eq!(home.ok("outbox retry 2"), "1 post is tried again\n");
    assert_eq!((&rows(&home)[1]["state"], &rows(&home)[1]["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(rows(&home)[0]["state"], "parked", "a retry of one post is none of another");
    assert_eq!(home.ok("outbox retry"), "2 posts are tried again\n");
    assert_eq!(rows(&home)[0]["state"], "queued");
    assert_eq!(home.count("SELECT count(*) FROM threads WHERE parked_at IS NOT NULL OR parked_reason IS NOT NULL"), 0);
}

#[test]
fn a_purge_gives_up_what_was_refused_or_the_one_that_is_named() {
    let (home, _) = home();
    assert_eq!(home.ok("outbox purge"), "1 post was given up\n");
    assert_eq!(home.ok("outbox purge"), "No post was refused for good; there is nothing to give up\n");
    assert_eq!(rows(&home).len(), 1);
    assert_eq!(home.ok("outbox purge 1"), "1 post was given up\n");
    assert_eq!(home.ok("outbox list"), "Every post has arrived\n");
    assert_eq!(home.json("outbox list --json"), json!([]));
    assert_eq!(home.ok("outbox retry"), "Every post has arrived; there is nothing to try again\n");
}

#[test]
fn a_number_that_no_post_has_is_refused() {
    let (home, _) = home();
    home.ok("boards create side");
    for verb in ["retry", "purge"] {
        let said = home.refused(&format!("outbox {verb} 99"));
        assert!(said.contains("no post with the number 99 waits; `kanban outbox list` shows"), "{said}");
        let said = home.refused(&format!("--board side outbox {verb} 1"));
        assert!(said.contains("`kanban --board side outbox list`"), "{said}");
        for number in ["x", "-1", "1.5", "99999999999"] {
            let ran = home.run(["outbox", verb, number]);
            assert_eq!(ran.exit, 2, "{ran:?}");
            assert!(ran.err.contains("NUMBER"), "{ran:?}");
        }
    }
    assert_eq!(home.run(["outbox", "list", "1"]).exit, 2);
    let ran = home.run(["outbox", "retyr"]);
    assert!(ran.exit == 2 && ran.err.contains("retry"), "{ran:?}");
    assert_eq!(rows(&home).len(), 2);
}

#[test]
fn the_outbox_is_for_operators() {
    let (home, _) = home();
    let _gateway = home.up();
    for user in ["gus", "bob"] {
        for verb in ["list", "list --json", "retry", "retry 2", "purge", "purge 1"] {
            let ran = home.run(["say", "--as", user, "--thread", "ops", &format!("/kanban outbox {verb}")]);
            assert_eq!(ran.exit, 1, "{user} {verb}: {ran:?}");
            assert!(format!("{}{}", ran.out, ran.err).contains("this needs operator"), "{user} {verb}: {ran:?}");
        }
    }
    assert_eq!(rows(&home).iter().map(|row| row["state"].clone()).collect::<Vec<_>>(), ["queued", "dead"]);
    let ran = home.run(["say", "--as", "oli", "--thread", "ops", "/kanban outbox"]);
    assert!(
        ran.exit == 0 && ran.out.contains("discord:c1") && ran.out.contains("`/kanban outbox retry [NUMBER]`"),
        "{ran:?}"
    );
    assert_eq!(home.run(["say", "--as", "oli", "--thread", "ops", "/kanban outbox purge"]).exit, 0);
    assert_eq!(rows(&home).len(), 1);
}
