//! The two roads of the command line, through a gateway and without one: the same words, the same exit codes.

use std::process::Stdio;

use crate::home::{Home, ran, until};

/// A board with something of everything, where nothing moves by itself.
fn furnished() -> (Home, Vec<String>) {
    let home = Home::with_settings("[profiles.agent]\ncommand = [\"true\"]\npaused = true\n");
    let file = home.work("notes.txt");
    std::fs::write(&file, "some notes\n").unwrap();
    let parent = home.create(&["parent", "--priority", "3", "--tenant", "acme"]);
    let child = home.create(&["child", "--parent", &parent, "--body", "two\nlines"]);
    let held = home.create(&["held", "--assignee", "agent"]);
    let done = home.create(&["over"]);
    let late = home.create(&["late", "--at", "2090-01-31T09:00:00Z"]);
    home.ok(&format!("comment {parent} a remark"));
    home.ok(&format!("block {held} which one? --kind needs_input"));
    home.ok(&format!("complete {done} --summary finished --metadata {{\"files\":3}}"));
    home.ok(&format!("attach {parent} {}", file.display()));
    home.ok(&format!("notify-subscribe {parent} --platform telegram --chat-id 7"));
    (home, vec![parent, child, held, done, late])
}

#[test]
fn what_is_looked_at_reads_the_same_on_both_roads() {
    let (home, ids) = furnished();
    let mut lines: Vec<String> = [
        "list",
        "ls",
        "list --json",
        "list --status done",
        "list --limit 2",
        "list --archived --json",
        "stats --json",
        "assignees",
        "assignees --json",
        "watches",
        "watches --json",
        "notify-list",
        "notify-list --json",
        "boards",
        "boards list --json",
        "boards show",
        "boards show --json",
        "diagnostics --json",
        "settings show",
        "help",
        "help create",
        "create --help",
        "completions bash",
        "list --status nonsense",
        "lst",
        "show t_nothing",
        "--board nowhere list",
    ]
    .map(str::to_owned)
    .to_vec();
    for id in &ids {
        for verb in [
            "show",
            "show --json",
            "context",
            "runs",
            "runs --json",
            "log",
            "watches",
            "attachments",
            "attachments --json",
        ] {
            let (verb, flags) = verb.split_once(' ').unwrap_or((verb, ""));
            lines.push(format!("{verb} {id} {flags}").trim_end().to_owned());
        }
    }
    let look = |line: &String| home.run(line.split(' '));
    let alone: Vec<_> = lines.iter().map(look).collect();
    let gateway = home.up();
    let through: Vec<_> = lines.iter().map(look).collect();
    assert_eq!(gateway.stop(), 0);
    for ((line, alone), through) in lines.iter().zip(alone).zip(through) {
        // Ages grow between the two looks.
        assert_eq!(without_ages(&alone.out), without_ages(&through.out), "{line}");
        assert_eq!((alone.exit, &alone.err), (through.exit, &through.err), "{line}");
        if alone.exit == 0 {
            assert!(!alone.out.is_empty() && alone.err.is_empty(), "{line}: {alone:?}");
        } else {
            assert!(alone.out.is_empty() && !alone.err.is_empty(), "{line}: {alone:?}");
        }
    }
}

/// The text without its spans of time in seconds.
fn without_ages(text: &str) -> String {
    text.lines()
        .map(|line| {
            let is_age = |word: &&str| {
                word.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok())
                    || word.parse::<f64>().is_ok()
            };
            line.split(' ')
                .filter(|word| !is_age(&word.trim_matches(|sign: char| "(),:".contains(sign))))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|line| !line.contains("age"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn exit_codes_are_true_on_both_roads() {
    for with_gateway in [false, true] {
        let (home, ids) = furnished();
        let [parent, child, held, done, late] = &ids[..] else { panic!("five tasks") };
        let gateway = with_gateway.then(|| home.up());
        let table = [
            ("init".to_owned(), 0),
            ("list".to_owned(), 0),
            ("--help".to_owned(), 0),
            ("--version".to_owned(), 0),
            (String::new(), 0),
            ("create a title".to_owned(), 0),
            ("create".to_owned(), 2),
            ("create x --assignee nobody".to_owned(), 1),
            ("create x --no-such-flag".to_owned(), 2),
            ("create x --priority high".to_owned(), 2),
            ("create x --workspace dir:relative".to_owned(), 2),
            (format!("create x --workspace dir:{}", home.path("").display()), 1),
            ("create x --parent t_nothing".to_owned(), 1),
            ("create x --branch fix".to_owned(), 2),
            ("create x --workspace worktree".to_owned(), 1),
            ("watch --kinds nope".to_owned(), 2),
            ("watch --kinds completed,nope".to_owned(), 2),
            ("nonsense".to_owned(), 2),
            ("show".to_owned(), 2),
            ("show t_nothing".to_owned(), 1),
            ("show not-an-id".to_owned(), 2),
            (format!("show {parent}"), 0),
            (format!("claim {child}"), 1),
            (format!("claim {done}"), 1),
            (format!("complete {done}"), 1),
            (format!("complete {parent} t_nothing"), 1),
            (format!("link {child} {child}"), 1),
            (format!("unlink {held} {child}"), 1),
            (format!("block {done} x"), 1),
            (format!("unblock {done}"), 1),
            (format!("unblock {late}"), 0),
            (format!("heartbeat {parent}"), 1),
            (format!("reclaim {parent}"), 1),
            (format!("retry {child}"), 1),
            (format!("promote {done}"), 1),
            (format!("assign {held} nobody"), 1),
            (format!("assign {held} none"), 0),
            (format!("edit {held} --result x"), 1),
            (format!("cancel {held}"), 0),
            (format!("cancel {held}"), 1),
            (format!("archive {done}"), 0),
            (format!("archive {done}"), 1),
            (format!("log {late}"), 1),
            ("unwatch".to_owned(), 1),
            ("boards create second".to_owned(), 0),
            ("boards create second".to_owned(), 0),
            ("boards create Not/A/Slug".to_owned(), 2),
            ("boards switch nowhere".to_owned(), 1),
            ("boards rm default".to_owned(), 1),
            ("--board nowhere list".to_owned(), 1),
            ("dispatch status".to_owned(), i32::from(!with_gateway)),
            ("dispatch resume".to_owned(), 0),
            ("dispatch now --dry-run".to_owned(), 0),
            ("say hello".to_owned(), if with_gateway { 2 } else { 1 }),
            ("completions bash".to_owned(), 0),
            ("completions nonsense".to_owned(), 2),
            ("man schedule add".to_owned(), 0),
            ("man schedule nonsense".to_owned(), 1),
            ("doctor".to_owned(), 0),
            ("gc".to_owned(), 0),
        ];
        let wrong: Vec<String> = table
            .iter()
            .filter_map(|(line, exit)| {
                let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
                let ran = home.run(&words);
                let silent = *exit != 0 && ran.out.is_empty() && ran.err.is_empty();
                (ran.exit != *exit || silent).then(|| format!("`{line}`: expected {exit}, got {ran:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "with a gateway: {with_gateway}\n{}", wrong.join("\n"));
        assert!(gateway.is_none_or(|gateway| gateway.stop() == 0));
    }
}

#[test]
fn a_refusal_names_a_command_that_works() {
    let home = Home::new();
    let missing = home.work("missing/a/b");
    let parent = missing.parent().unwrap().display().to_string();
    let refusal = |words: &[&str]| {
        let ran = home.run(words);
        assert_ne!(ran.exit, 0, "{words:?}: {ran:?}");
        ran.err
    };
    let told = refusal(&["create", "x", "--workspace", &format!("dir:{}", missing.display())]);
    assert!(told.contains(&format!("`mkdir -p {parent}`")), "{told}");
    std::fs::create_dir_all(&parent).unwrap();
    home.create(&["x", "--workspace", &format!("dir:{}", missing.display())]);
    let told = refusal(&["create", "x", "--workspace", "worktree"]);
    assert!(told.contains("`kanban boards set-default-workdir BOARD /path/to/repository`"), "{told}");
    home.run(["boards", "set-default-workdir", "default", &parent]).ok();
    home.create(&["x", "--workspace", "worktree", "--branch", "fix/login"]);
    let told = refusal(&["create", "x", "--parent", "t_nothing"]);
    assert!(told.contains("`kanban list`"), "{told}");
    let told = refusal(&["boards", "rm", "default"]);
    assert!(told.contains("`kanban --board default archive"), "{told}");
    let late = home.create(&["late", "--at", "2090-01-31T09:00:00Z"]);
    for verb in ["complete", "retry", "promote"] {
        let told = refusal(&[verb, &late]);
        assert!(told.contains(&format!("`kanban unblock {late}`")), "{told}");
    }
    home.run(["unblock", &late]).ok();
}

#[test]
fn a_home_is_one_home_by_whatever_path_it_is_named() {
    let home = Home::new();
    // Too long for the address of a socket, so that the sockets lie elsewhere.
    let deep = home.work_folder(&"deep".repeat(30)).join("home");
    let (link, sockets) = (home.work("link"), home.work_folder("sockets"));
    std::os::unix::fs::symlink(deep.parent().unwrap(), &link).unwrap();
    let names = [deep.display().to_string(), format!("{}/", deep.display()), format!("{}/home", link.display())];
    let kanban = |name: &String, args: &[&str]| {
        ran(home.command().env("TMPDIR", &sockets).args(["--home", name]).args(args).stdin(Stdio::null()))
    };
    for started_as in &names {
        let mut gateway = home
            .command()
            .env("TMPDIR", &sockets)
            .args(["--home", started_as, "up", "--stay"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the gateway answers", || (kanban(started_as, &["dispatch", "status"]).exit == 0).then_some(()));
        for name in &names {
            let status = kanban(name, &["dispatch", "status"]);
            assert_eq!(status.exit, 0, "started as {started_as}, named {name}: {status:?}");
            assert_eq!(kanban(name, &["say", "/kanban list"]).exit, 0);
        }
        let second = kanban(&names[0], &["up"]).refused();
        assert!(second.contains("already"), "{second}");
        let body = "kanban complete $KANBAN_TASK --summary 'through the shim'";
        let out = kanban(&names[2], &["create", "x", "--assignee", "script", "--body", body, "--json"]).ok();
        let id = serde_json::from_str::<serde_json::Value>(&out).unwrap()["id"].as_str().unwrap().to_owned();
        until("the worker reports", || {
            kanban(&names[1], &["show", &id]).ok().contains("through the shim").then_some(())
        });
        gateway.kill().unwrap();
        gateway.wait().unwrap();
    }
}
