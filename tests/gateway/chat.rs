//! What people write in a chat, as a phone sends it, and what comes back: answers, buttons, roles, numbers.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::Stdio,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::home::{Home, PATIENCE, Ran, Wire, until};

/// Says something as somebody and answers the posts that it caused.
fn say_as(home: &Home, user: &str, args: &[&str]) -> (i32, Vec<Value>) {
    let ran = home.run([&["say", "--json", "--as", user], args].concat());
    let posts = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ran.exit, posts)
}

/// The id in `Created ID …`.
fn id_of(ran: Ran) -> String {
    ran.ok().split(' ').nth(1).unwrap().to_owned()
}

fn number(post: &Value) -> String {
    post["message"].as_i64().unwrap().to_string()
}

/// The lines of a script that asks on its first attempt and goes on with the answer on its second.
const ASKS: &str = "test $KANBAN_ATTEMPT = 1 && exec kanban block $KANBAN_TASK 'which colour?' --kind needs_input\nkanban show $KANBAN_TASK | grep -o 'it is .*'";

#[test]
fn a_reply_to_a_question_is_the_answer_to_it() {
    let home = Home::new();
    let _gateway = home.up();
    let id = id_of(home.say_in("ops", &format!("/kanban create paint --assignee script\n{ASKS}")));
    let question = home.post(&id, "blocked");
    let (exit, posts) = say_as(&home, "bob", &["--reply", &number(&question), "  "]);
    assert_eq!((exit, posts[0]["text"].as_str().unwrap().contains("empty")), (1, true), "{posts:?}");
    assert_eq!(home.status(&id), "blocked");
    let (exit, posts) = say_as(&home, "bob", &["--reply", &number(&question), "it is blue, and don't ask again"]);
    assert_eq!(exit, 0, "{posts:?}");
    assert_eq!(posts[0]["thread"], "ops");
    assert_eq!(posts[0]["reply_to"], question["message"]);
    let shown = home.json(&format!("show {id} --json"));
    let comments = shown["comments"].as_array().unwrap();
    assert_eq!((&comments[0]["author"], &comments[0]["body"]), (&"script".into(), &"BLOCKED: which colour?".into()));
    assert_eq!(
        (&comments[1]["author"], &comments[1]["body"]),
        (&"console:bob".into(), &"it is blue, and don't ask again".into())
    );
    let done = home.post(&id, "completed");
    assert!(done["text"].as_str().unwrap().contains("it is blue"), "{done}");
    // Who answers the same question again is told that it does not wait any more.
    let (exit, posts) = say_as(&home, "ann", &["--reply", &number(&question), "green"]);
    assert_ne!(exit, 0, "{posts:?}");
    assert_eq!(home.json(&format!("show {id} --json"))["comments"].as_array().unwrap().len(), 2);
}

#[test]
fn an_answer_may_come_the_moment_the_question_is_seen() {
    let home = Home::new();
    let _gateway = home.up();
    let mut wire = Wire::open(&home.socket());
    for _ in 0..10 {
        let id = id_of(home.say_in("ops", &format!("/kanban create paint --assignee script\n{ASKS}")));
        let deadline = Instant::now() + PATIENCE;
        let question = loop {
            assert!(Instant::now() < deadline, "no question: {:?}", home.events(&id));
            if let Some(question) = home.posts(&id, "blocked").pop() {
                break question;
            }
        };
        let action = json!({"do": "reply", "message": question["message"], "text": "it is red"});
        let answer = wire.ask(&json!({"op": "say", "say": {"thread": "ops", "user": "eve", "action": action}}));
        assert_eq!(answer["said"]["exit"], 0, "{answer}");
    }
}

#[test]
fn lines_typed_at_the_console_answer_and_press_too() {
    let home = Home::new();
    let mut gateway = home.up();
    gateway.type_line("/in ops");
    gateway.type_line("/as eve");
    gateway.type_line(&format!("/kanban create paint --assignee script\\\n{}", ASKS.replace('\n', "\\\n")));
    let id = until("the task is there", || {
        home.transcript().first().and_then(|line| line["task"].as_str().map(str::to_owned))
    });
    let question = home.post(&id, "blocked");
    gateway.type_line(&format!("/reply {} it is red", question["message"]));
    let done = home.post(&id, "completed");
    assert_eq!(home.json(&format!("show {id} --json"))["comments"][1]["author"], "console:eve");
    gateway.type_line(&format!("/press {} show", done["message"]));
    until("the press is answered", || {
        home.transcript().into_iter().find(|line| line["reply_to"] == done["message"] && line["task"] == id.as_str())
    });
    assert!(home.output().contains(&format!("[ops #{}] paint\n", done["message"])), "{}", home.output());
    assert!(home.output().contains("\nit is red\ndone"), "{}", home.output());
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn the_first_press_wins_and_the_buttons_go() {
    let home = Home::new();
    let gateway = home.up();
    let mark = home.work("mark");
    let id = id_of(home.say_in(
        "ops",
        &format!(
            "/kanban create flaky --assignee script --max-retries 1\ntest -e {0} && echo mended || exit 3",
            mark.display()
        ),
    ));
    let post = home.post(&id, "gave_up");
    let labels: Vec<_> = post["buttons"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    assert_eq!(labels, ["Retry", "Log", "Reassign", "Cancel"]);
    // Buttons are stored: they work after a restart, and looking does not use them up.
    gateway.kill();
    fs::write(&mark, "").unwrap();
    let _gateway = home.up();
    let (exit, posts) = say_as(&home, "bob", &["--press", &number(&post), "Log"]);
    assert_eq!(exit, 0, "{posts:?}");
    let (exit, posts) = say_as(&home, "bob", &["--press", &number(&post), "retry"]);
    assert_eq!(exit, 0, "{posts:?}");
    let edit = posts.iter().find(|line| line["edited"] == true).unwrap();
    assert_eq!((&edit["message"], &edit["buttons"]), (&post["message"], &json!([])));
    assert!(edit["text"].as_str().unwrap().ends_with("→ Retry: console:bob"), "{edit}");
    let done = home.post(&id, "completed");
    assert!(done["text"].as_str().unwrap().contains("mended"), "{done}");
    let again = home.run(["say", "--press", &number(&post), "Retry"]);
    assert_eq!(again.exit, 1, "{again:?}");
    assert!(again.err.contains("no button"), "{again:?}");
}

#[test]
fn commands_that_are_named_in_chat_work_there() {
    let home = Home::new();
    home.ok("boards create ops");
    home.ok("dispatch pause");
    let _gateway = home.up();
    let command = |text: &str| {
        text.split('`').find(|part| part.starts_with("/kanban")).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let said = |ran: Ran| format!("{}{}", ran.out, ran.err);
    let parent = id_of(home.say_in("chat", "/kanban --board ops create first"));
    let id = id_of(home.say_in("chat", &format!("/kanban --board ops create then --parent {parent}")));
    for verb in ["complete", "unblock", "retry", "promote"] {
        let refused = home.say_in("chat", &format!("/kanban --board ops {verb} {id}"));
        assert_eq!(refused.exit, 1, "{refused:?}");
        let text = said(refused);
        assert_eq!(command(&text), format!("/kanban --board ops promote {id} --force"), "{text}");
        assert!(text.contains(&parent), "{text}");
    }
    let why = home.say_in("chat", &format!("/kanban --board ops why {id}")).ok();
    assert_eq!(command(&why), format!("/kanban --board ops promote {id} --force"));
    home.say_in("chat", &command(&why)).ok();
    let refused = home.say_in("chat", &format!("/kanban --board ops unblock {}", "t_00000000"));
    assert_eq!(command(&said(refused)), "/kanban --board ops list");
    let page = home.say_in("chat", "/kanban --board ops list --limit 1").ok();
    let next = page.lines().last().unwrap().split("next: ").nth(1).unwrap();
    assert!(next.starts_with("/kanban --board ops list --limit 1 --after "), "{page}");
    assert!(home.say_in("chat", next).ok().contains(&id));
    home.say_in("chat", &format!("/kanban --board ops block {id} which colour?")).ok();
    let told = home.post(&id, "blocked")["text"].as_str().unwrap().to_owned();
    assert_eq!(command(&told), format!("/kanban --board ops unblock {id} WHAT YOU DID"));
    home.say_in("chat", &command(&told)).ok();
    // A board that is meant anyway is not named.
    let id = id_of(home.say_in("chat", "/kanban create of the default board"));
    home.ok(&format!("archive {id}"));
    let text = said(home.say_in("chat", &format!("/kanban retry {id}")));
    assert_eq!(command(&text), format!("/kanban create TITLE --parent {id}"), "{text}");
    let text = said(home.say_in("chat", "/kanban --board nope list"));
    assert_eq!(command(&text), "/kanban boards create nope", "{text}");
    home.ok("boards switch ops");
    assert!(home.run(["complete", &id]).err.contains("`kanban list`"));
    assert!(home.run(["--board", "default", "retry", &id]).err.contains("`kanban --board default create"));
}

#[test]
fn roles_hold_in_chat() {
    let home = Home::with_settings(
        "[access]\nowners = [\"console:ann\"]\n[access.roles]\noperator = [\"console:oli\"]\nmember = [\"console:bob\"]\nguest = [\"console:gus\"]\n[profiles.agent]\ncommand = [\"true\"]\npaused = true\n",
    );
    let _gateway = home.up();
    let ask = |user: &str, text: &str| {
        let (exit, posts) = say_as(&home, user, &["--thread", user, text]);
        assert_eq!(posts.len(), 1, "{text}: {posts:?}");
        assert_eq!(posts[0]["private"], exit != 0, "a refusal is for who asked alone: {posts:?}");
        (exit, posts[0]["text"].as_str().unwrap().to_owned())
    };
    // Who has no role of their own at the console has that of an owner.
    assert_eq!(ask("zoe", "/kanban boards create side").0, 0);
    let (exit, text) = ask("gus", "/kanban create something");
    assert!(exit == 1 && text.contains("your role is guest"), "{text}");
    assert_eq!(ask("gus", "/kanban list").0, 0);
    let (exit, text) = ask("bob", "/kanban create run it --assignee script --body true");
    assert!(exit == 1 && text.contains("your role is member"), "{text}");
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 0);
    let (exit, text) = ask("bob", "/kanban create do it --assignee agent");
    assert_eq!(exit, 0, "{text}");
    let id = text.split(' ').nth(1).unwrap().to_owned();
    let (exit, text) = ask("bob", &format!("/kanban cancel {id}"));
    assert!(exit == 1 && text.contains("your role is member, and this needs operator"), "{text}");
    let (exit, text) = ask("bob", &format!("/kanban assign {id} script"));
    assert_eq!(exit, 1, "{text}");
    // Nobody below owner lets a script go on, whichever verb it takes.
    let held = id_of(home.run([
        "say",
        "--as",
        "ann",
        "--thread",
        "ann",
        "/kanban create run it --assignee script --body true --initial-status blocked",
    ]));
    let aside = home.create(&["x", "--assignee", "script", "--body", "true", "--triage"]);
    let parent = home.create(&["first"]);
    let child = home.create(&["then", "--assignee", "script", "--body", "true", "--parent", &parent]);
    for text in [
        format!("/kanban unblock {held}"),
        format!("/kanban promote {aside}"),
        format!("/kanban retry {held}"),
        format!("/kanban schedule {held} --in 1s"),
        format!("/kanban unlink {parent} {child}"),
        format!("/kanban claim {aside}"),
    ] {
        for user in ["bob", "oli"] {
            assert_eq!(ask(user, &text).0, 1, "{user}: {text}");
        }
    }
    assert_eq!((home.status(&held), home.status(&aside)), ("blocked".to_owned(), "triage".to_owned()));
    assert_eq!(ask("oli", &format!("/kanban cancel {id}")).0, 0);
    assert_eq!(home.status(&id), "archived");
    assert_eq!(home.count("SELECT count(*) FROM runs"), 0);
}

#[test]
fn what_phones_send_works() {
    let home = Home::new();
    let _gateway = home.up();
    for (text, title) in [
        ("/kanban create fix the bug", "fix the bug"),
        ("/kanban create \"fix the bug\"", "fix the bug"),
        ("/kanban create “fix the bug”", "fix the bug"),
        ("/kanban create „fix the bug“", "fix the bug"),
        ("/kanban create ‘fix the bug’", "fix the bug"),
        ("/kanban create fix   the\u{a0}bug", "fix the bug"),
        ("  /kanban create fix the bug  ", "fix the bug"),
        ("/Kanban Create fix the bug", "fix the bug"),
        ("/KANBAN CREATE fix the bug", "fix the bug"),
        ("/kanban@MyBot create fix the bug", "fix the bug"),
        ("/kanban create don't fix the bug", "don't fix the bug"),
        ("/kanban create don’t fix the bug", "don’t fix the bug"),
    ] {
        let id = id_of(home.say_in("phone", text));
        assert_eq!(home.json(&format!("show {id} --json"))["task"]["title"], title, "{text}");
    }
    home.ok("dispatch pause");
    for text in [
        "/kanban create \"x\" —assignee script —body true",
        "/kanban create \"x\" –assignee script –body true",
        "/kanban create x --assignee script\n```\ntrue\n```",
        "/kanban create x —assignee=script\ntrue",
    ] {
        let id = id_of(home.say_in("phone", text));
        let shown = home.json(&format!("show {id} --json"));
        assert_eq!((&shown["task"]["title"], &shown["task"]["assignee"]), (&"x".into(), &"script".into()), "{text}");
        assert!(shown["task"]["body"].as_str().unwrap().contains("true"), "{shown}");
    }
    let id = home.create(&["talk"]);
    home.say_in("phone", &format!("/kanban comment {id} I don't know")).ok();
    home.say_in("phone", &format!("/kanban comment {id} it is fine\nsecond line\n  third")).ok();
    home.say_in("phone", &format!("/kanban block {id} because I said so")).ok();
    home.say_in("phone", &format!("/kanban unblock {id} because I said so")).ok();
    let shown = home.json(&format!("show {id} --json"));
    let comments: Vec<_> = shown["comments"].as_array().unwrap().iter().map(|comment| &comment["body"]).collect();
    assert_eq!(comments[..2], ["I don't know", "it is fine\nsecond line\n  third"], "{shown}");
    assert_eq!(shown["task"]["status"], "ready");
    for (text, hint) in [
        ("/kanban lst", "list"),
        ("/kanban crate a boat", "create"),
        ("/kanban show", "show"),
        ("/kanban create x --asignee script", "--assignee"),
        ("/kanban create x --assignee scrip", "script"),
    ] {
        let ran = home.say_in("phone", text);
        assert_ne!(ran.exit, 0, "{text}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(hint) && said.len() < 600, "{text}: {said}");
    }
}

#[test]
fn endless_verbs_answer_a_chat_at_once() {
    let home = Home::new();
    let _gateway = home.up();
    let id = home.create(&["followed"]);
    let tail = home.say_in("one", &format!("/kanban tail {id}")).ok();
    assert!(tail.contains("created"), "{tail}");
    home.say_in("two", &format!("/kanban watch {id}")).ok();
    home.say_in("three", "/kanban watch").ok();
    home.ok(&format!("complete {id} --summary over"));
    until("both followers are told", || (home.posts(&id, "completed").len() == 2).then_some(()));
    let mut threads: Vec<_> = home.posts(&id, "completed").iter().map(|post| post["thread"].to_string()).collect();
    threads.sort();
    assert_eq!(threads, ["\"three\"", "\"two\""]);
    home.say_in("three", "/kanban unwatch").ok();
    let next = home.create(&["not followed"]);
    home.ok(&format!("complete {next}"));
    home.say_in("three", "/kanban list").ok();
    assert!(home.posts(&next, "completed").is_empty());
}

#[test]
fn endless_verbs_stream_on_the_command_line_until_they_are_stopped() {
    let home = Home::new();
    let gateway = home.up();
    let id = home.create(&["followed"]);
    for args in [vec!["tail", &id], vec!["watch"], vec!["watch", &id]] {
        let mut stream = home.command().args(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(stream.stdout.take().unwrap()).lines();
        // Changes are made until one is seen: a stream begins at some moment.
        let (seen, saw) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("commented")));
            seen.send(line.is_some()).unwrap();
            lines
        });
        until("a change is streamed", || {
            home.ok(&format!("comment {id} something new"));
            saw.try_recv().ok()
        });
        kill_process(Pid::from_child(&stream), Signal::INT).unwrap();
        let status = until("the stream ends", || stream.try_wait().unwrap());
        assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{args:?}");
        drop(reader.join().unwrap());
    }
    // A reader that goes away, as `head` does, ends the stream.
    let mut stream = home.command().args(["tail", &id]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(stream.stdout.take());
    until("the stream ends", || {
        home.ok(&format!("comment {id} something new"));
        stream.try_wait().unwrap()
    });
    let mut quiet = home.command().args(["tail", &id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(quiet.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    until("a stream with nothing to say ends too", || quiet.try_wait().unwrap());
    let mut complaint = String::new();
    std::io::Read::read_to_string(&mut stream.stderr.take().unwrap(), &mut complaint).unwrap();
    assert_eq!(complaint, "");
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn a_damaged_board_holds_up_no_other() {
    let home = Home::new();
    home.ok("boards create aaa");
    let file = home.path("boards").join("aaa").join("board.db");
    fs::write(&file, "this is no database ".repeat(1_000)).unwrap();
    let _gateway = home.up();
    let id = id_of(home.say_in("ops", &format!("/kanban create paint --assignee script\n{ASKS}")));
    let question = home.post(&id, "blocked");
    let (exit, posts) = say_as(&home, "ann", &["--reply", &number(&question), "it is blue"]);
    assert_eq!(exit, 0, "{posts:?}");
    home.post(&id, "completed");
    home.ok("list");
    home.ok("boards list");
    let refusal = home.refused("--board aaa list");
    assert!(refusal.contains("aaa"), "{refusal}");
    let ran = home.say_in("ops", "/kanban --board aaa list");
    assert_eq!(ran.exit, 1, "{ran:?}");
}
