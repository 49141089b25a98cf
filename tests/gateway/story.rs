//! What the README tells: lines into `kanban up`, work done, posts in the thread that asked.

use serde_json::Value;

use crate::home::Home;

#[test]
fn lines_in_work_done_and_told_in_the_thread_that_asked() {
    let home = Home::new();
    let folder = home.work_folder("clone");
    for name in ["a.rs", "b.rs", "c.txt"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    let lines = format!(
        "/in ops\n/kanban create count the rust files --assignee script --body \"find . -name '*.rs' | wc -l\" --workspace dir:{}\n",
        folder.display()
    );
    let ran = home.pipe(&["up"], &lines);
    assert_eq!(ran.exit, 0, "{ran:?}");
    let posts: Vec<&str> = ran.out.lines().collect();
    assert!(posts[0].starts_with("[ops #1] Created t_"), "{}", ran.out);
    assert!(posts[0].ends_with("\"count the rust files\" (ready, assignee=script)"), "{}", ran.out);
    assert_eq!(posts[1..4], [" [Show] [Cancel]", "[ops #2] count the rust files", "2"], "{}", ran.out);
}

#[test]
fn a_message_goes_on_behind_a_backslash_and_its_further_lines_are_the_body() {
    let home = Home::new();
    let ran = home.pipe(
        &["up"],
        "/kanban create greet --assignee script\\\nfor who in ann bob; do\\\n  echo \"hello $who\"\\\ndone\n",
    );
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.out.contains("[main #2] greet\nhello ann\nhello bob\n"), "{}", ran.out);
}

#[test]
fn json_mode_prints_objects_and_nothing_else() {
    let home = Home::new();
    let ran = home.pipe(
        &["up", "--console", "json"],
        "what?\n/nonsense\n/reply 99 hello\n/kanban create \"one\" --assignee script --body 'echo 1'\n/kanban lst\n",
    );
    assert_eq!(ran.exit, 0, "{ran:?}");
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        let keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        for key in ["thread", "message", "edited", "reply_to", "text", "buttons", "private", "task", "event"] {
            assert!(keys.contains(&key), "{line}");
        }
        assert!(line["message"].is_i64() && line["buttons"].is_array(), "{line}");
    }
    assert!(lines.iter().any(|line| line["event"] == "completed"), "{}", ran.out);
    assert!(lines.iter().any(|line| line["text"].as_str().unwrap().contains("did you mean")), "{}", ran.out);
}

#[test]
fn what_nobody_can_start_does_not_hold_the_exit() {
    let home = Home::with_settings(
        "[profiles.resting]\ncommand = [\"true\"]\npaused = true\n[profiles.idle]\ncommand = [\"true\"]\n",
    );
    let ran = home.pipe(
        &["up"],
        "/kanban create unassigned\n\
         /kanban create aside --assignee script --body true --triage\n\
         /kanban create later --assignee script --body true --in 2h\n\
         /kanban create held --assignee script --body true --initial-status blocked\n\
         /kanban create paused --assignee resting\n\
         /kanban dispatch pause idle\n\
         /kanban create paused too --assignee idle\n",
    );
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert_eq!(home.count("SELECT count(*) FROM runs"), 0);
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 6, "{}", ran.out);
}

#[test]
fn a_retry_that_waits_holds_the_exit() {
    let home = Home::with_settings("[dispatch]\nbackoff_seconds = 1\n");
    let mark = home.work("mark");
    let ran = home.pipe(
        &["up"],
        &format!(
            "/kanban create flaky --assignee script --body \"test -e {0} && echo at last || {{ touch {0}; exit 3; }}\"\n",
            mark.display()
        ),
    );
    assert_eq!(ran.exit, 0, "{ran:?}");
    assert!(ran.out.contains("failed, tries again in "), "{}", ran.out);
    assert!(ran.out.contains("at last\ndone"), "{}", ran.out);
}

#[test]
fn message_numbers_go_on_and_the_history_is_shown() {
    let home = Home::new();
    let first = home.pipe(&["up"], "/kanban create one\n").out;
    assert!(first.contains("[main #1] Created"), "{first}");
    let second = home.pipe(&["up"], "/kanban create two\n").out;
    assert!(second.contains("#2] Created"), "{second}");
    let messages: Vec<_> = home.transcript().iter().map(|line| line["message"].as_i64().unwrap()).collect();
    assert_eq!(messages, [1, 2]);
}
