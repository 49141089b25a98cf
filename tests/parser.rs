//! What people type, and what it means.

use kanban_gateway::board::event;
use kanban_gateway::command::{
    Kanban, Mistake, Verb, command_of, from_arguments, from_chat, from_words, spec, text,
    value::{Assignee, WorkspaceArg},
    verbs::{
        Block, BlockKind, BoardsVerb, Comment, Complete, Create, DispatchVerb, List, Operate, Read, Shell, Status,
        Unblock, Write,
    },
};
use kanban_platform::{Capability, Kind, Surface};
use proptest::prelude::*;

fn verb(text: &str) -> Verb {
    match from_chat(text) {
        Ok(Kanban { verb: Some(verb), .. }) => verb,
        Ok(kanban) => panic!("{text}: {kanban:?}"),
        Err(mistake) => panic!("{text}: {mistake}"),
    }
}

fn create(text: &str) -> Create {
    match verb(text) {
        Verb::Write(Write::Create(create)) => create,
        other => panic!("{text}: {other:?}"),
    }
}

fn comment(text: &str) -> Comment {
    match verb(text) {
        Verb::Write(Write::Comment(comment)) => comment,
        other => panic!("{text}: {other:?}"),
    }
}

fn block(text: &str) -> Block {
    match verb(text) {
        Verb::Write(Write::Block(block)) => block,
        other => panic!("{text}: {other:?}"),
    }
}

fn unblock(text: &str) -> Unblock {
    match verb(text) {
        Verb::Write(Write::Unblock(unblock)) => unblock,
        other => panic!("{text}: {other:?}"),
    }
}

fn complete(text: &str) -> Complete {
    match verb(text) {
        Verb::Write(Write::Complete(complete)) => complete,
        other => panic!("{text}: {other:?}"),
    }
}

fn list(text: &str) -> List {
    match verb(text) {
        Verb::Read(Read::List(list)) => list,
        other => panic!("{text}: {other:?}"),
    }
}

fn mistake(text: &str) -> String {
    match from_chat(text) {
        Err(Mistake { text, exit: 2 }) => text,
        other => panic!("{text}: {other:?}"),
    }
}

fn help(text: &str) -> String {
    match from_chat(text) {
        Err(Mistake { text, exit: 0 }) => text,
        other => panic!("{text}: {other:?}"),
    }
}

fn ids(tasks: &[kanban_gateway::board::id::TaskId]) -> Vec<&str> {
    tasks.iter().map(kanban_gateway::board::id::TaskId::as_str).collect()
}

fn prose(text: Option<&kanban_gateway::command::value::Prose>) -> Option<&str> {
    text.map(kanban_gateway::command::value::Prose::as_str)
}

/// The corrected command in a mistake's text.
fn corrected(text: &str) -> String {
    let text = mistake(text);
    let (_, command) = text.split_once("did you mean").unwrap_or_else(|| panic!("no correction: {text}"));
    match command.strip_prefix(":\n") {
        Some(command) => command.to_owned(),
        None => command.trim_matches([' ', '`', '?']).to_owned(),
    }
}

#[test]
fn titles_need_no_quotes_and_any_quotes_do() {
    for text in [
        "/kanban create fix the bug",
        "/kanban create \"fix the bug\"",
        "/kanban create 'fix the bug'",
        "/kanban create “fix the bug”",
        "/kanban create „fix the bug“",
        "/kanban create ‘fix the bug’",
        "/kanban create «fix the bug»",
        "  /Kanban   Create fix   the\u{a0}bug  ",
        "/KANBAN CREATE fix\u{200b}the bug",
        "/kanban@MyBot create fix the bug",
        "!kanban create fix the bug",
        "/kanban\ncreate fix the bug",
        "/kanban /kanban create fix the bug",
    ] {
        assert_eq!(create(text).title(), "fix the bug", "{text}");
    }
    assert_eq!(create("create \"fix   the bug\"").title(), "fix   the bug");
    assert_eq!(create("create don't forget the dogs' bowl").title(), "don't forget the dogs' bowl");
    assert_eq!(create("create '90s party, 5\" disk").title(), "'90s party, 5\" disk");
    assert_eq!(create("create rename \"foo  bar\" to baz").title(), "rename \"foo  bar\" to baz");
    assert_eq!(create("create lower it by -5 degrees").title(), "lower it by -5 degrees");
    assert_eq!(create("create a -- b").title(), "a -- b");
    assert_eq!(create("create wait — then go").title(), "wait — then go");
    assert_eq!(create("create \"--json is broken\"").title(), "--json is broken");
}

#[test]
fn options_and_title_words_mix_freely() {
    for text in [
        "create fix the bug --assignee bob --priority 3",
        "create --assignee bob fix --priority 3 the bug",
        "create fix the bug —assignee bob –priority=3",
        "create “fix the bug” ——assignee=“bob” --Priority 3",
        "create --assignee=bob --pri 3 fix the bug",
        "create fix the bug --assignee @Bob --priority 3",
    ] {
        let create = create(text);
        assert_eq!(create.title(), "fix the bug", "{text}");
        assert_eq!(create.assignee, Some(Assignee::Profile("bob".parse().unwrap())), "{text}");
        assert_eq!(create.priority, Some(3), "{text}");
    }
    let full = create(
        "create count --body \"find . -name '*.rs' | wc -l\" --workspace dir:/srv/x --parent T_A --parent t_b --skill x --max-retries 1 --in 2h --json --priority -5",
    );
    assert_eq!(prose(full.body.as_ref()), Some("find . -name '*.rs' | wc -l"));
    assert_eq!(full.workspace, Some(WorkspaceArg::Dir("/srv/x".into())));
    assert_eq!(ids(&full.parent), ["t_a", "t_b"]);
    assert_eq!((full.max_retries, full.priority, full.json), (Some(1), Some(-5), true));
    assert_eq!(full.delay.unwrap().as_secs(), 7_200);
    let greedy = create("create fix it --body please be quick --assignee none");
    assert_eq!((greedy.title().as_str(), prose(greedy.body.as_ref())), ("fix it", Some("please be quick")));
    assert_eq!(greedy.assignee, Some(Assignee::Nobody));
}

#[test]
fn the_lines_below_go_verbatim_to_the_text() {
    let task = create("/kanban create fix the bug --assignee bob\n  line one\n\n```\ncode  'x' --json\n```");
    assert_eq!(task.title(), "fix the bug");
    assert_eq!(prose(task.body.as_ref()), Some("  line one\n\n```\ncode  'x' --json\n```"));
    let both = create("create fix --body \"first\"\nsecond");
    assert_eq!(prose(both.body.as_ref()), Some("first\nsecond"));
    assert_eq!(comment("comment t_1\nI don't know\n  x").text(), "I don't know\n  x");
    assert_eq!(comment("comment t_1 one\ntwo   three").text(), "one\ntwo   three");
    assert_eq!(comment("comment t_1 \"line one\nline two   spaced\"").text(), "line one\nline two   spaced");
    assert_eq!(comment("comment t_1 see ```rust\nfn x() {}\n```").text(), "see\n```rust\nfn x() {}\n```");
    assert_eq!(block("block t_1\nwhich one?").reason().as_deref(), Some("which one?"));
    assert_eq!(prose(complete("complete t_1\nall\ndone").summary.as_ref()), Some("all\ndone"));
    assert_eq!(prose(unblock("unblock t_1 because\nI said so").reason.as_ref()), Some("because\nI said so"));
    let refused = mistake("list --status ready\nand this");
    assert!(refused.contains("takes no text") && refused.contains("`/kanban list --status ready`"), "{refused}");
    assert_eq!(corrected("create\nfix the bug\nbody"), "/kanban create fix the bug\nbody");
}

#[test]
fn comments_keep_what_looks_like_an_option() {
    for text in [
        "it is fine",
        "I don't know",
        "that's fine",
        "-1 from me",
        "--verbose was the problem",
        "looks good -- ship it",
        "-- looks good",
        "need --help from ops",
        "--help",
        "a — b –c",
        "he said \"no  way\" to me",
        "the `--json` flag",
        "use --frobnicate=now please",
    ] {
        assert_eq!(comment(&format!("comment t_1 {text}")).text(), text);
    }
    assert_eq!(comment("comment t_1 \"it is  fine\"").text(), "it is  fine");
    assert_eq!(comment("comment `T_1` hello").task.as_str(), "t_1");
    let options = comment("comment t_1 --max-len 20 all good --author \"Bob B\"");
    assert_eq!(
        (options.text().as_str(), options.max_len, options.author.as_deref()),
        ("all good", Some(20), Some("Bob B"))
    );
}

#[test]
fn block_takes_its_options_before_and_behind_the_reason() {
    for text in [
        "block t_1 --kind needs_input which one?",
        "block t_1 which one? --kind needs_input",
        "block --kind=Needs-Input t_1 which one?",
        "block t_1 which one? —kind needs_input",
        "block t_1 \"which one?\" --kind needs_input",
    ] {
        let block = block(text);
        assert_eq!(block.reason().as_deref(), Some("which one?"), "{text}");
        assert_eq!(block.kind, Some(BlockKind::NeedsInput), "{text}");
    }
    let several = block("block t_1 waiting for legal --ids t_2 T_3 --kind dependency");
    assert_eq!(ids(&several.tasks()), ["t_1", "t_2", "t_3"]);
    assert_eq!(several.reason().as_deref(), Some("waiting for legal"));
    let before = block("block t_1 --ids t_2 t_3 waiting");
    assert_eq!((ids(&before.tasks()), before.reason()), (vec!["t_1", "t_2", "t_3"], Some("waiting".to_owned())));
    assert_eq!(block("block t_1").reason(), None);
    assert_eq!(block("block t_1 what does --kind mean here").reason().as_deref(), Some("what does --kind mean here"));
}

#[test]
fn words_behind_ids_are_the_reason() {
    let one = unblock("unblock t_1 because I said so");
    assert_eq!((ids(&one.tasks()), prose(one.reason.as_ref())), (vec!["t_1"], Some("because I said so")));
    let two = unblock("unblock t_1, T_2 use EUR");
    assert_eq!((ids(&two.tasks()), prose(two.reason.as_ref())), (vec!["t_1", "t_2"], Some("use EUR")));
    for text in [
        "unblock t_1 --reason because I said so",
        "unblock --reason \"because I said so\" t_1",
        "unblock t_1 —reason “because I said so”",
        "unblock --ids t_1 --reason=\"because I said so\"",
    ] {
        let unblock = unblock(text);
        assert_eq!(
            (ids(&unblock.tasks()), prose(unblock.reason.as_ref())),
            (vec!["t_1"], Some("because I said so")),
            "{text}"
        );
    }
    let done = complete("complete t_1 all rows --result 10 rows of it");
    assert_eq!(prose(done.summary.as_ref()), Some("all rows --result 10 rows of it"));
    let done = complete("complete t_1 --result 10 rows --metadata '{\"rows\": 10}'");
    assert_eq!(done.result.as_ref().map(kanban_gateway::command::value::Phrase::as_str), Some("10 rows"));
    assert_eq!(done.metadata.unwrap().0["rows"], 10);
    assert!(mistake("complete t_1 t_2 --summary x").contains("several ids"));
    assert!(mistake("unblock t_1 one --reason two").contains("`--reason \"two one\"`"));
    assert!(mistake("unblock because").contains("/kanban unblock t_4kx9c2ma"));
    match verb("schedule t_1 after the 9am cron --in 2h") {
        Verb::Write(Write::Schedule(schedule)) => {
            assert_eq!(prose(schedule.aside.reason.as_ref()), Some("after the 9am cron"));
            assert_eq!(schedule.aside.delay.unwrap().as_secs(), 7_200);
        }
        other => panic!("{other:?}"),
    }
    match verb("promote t_1 ship it --force --dry-run --json") {
        Verb::Write(Write::Promote(promote)) => {
            assert_eq!(prose(promote.reason.as_ref()), Some("ship it"));
            assert!(promote.force && promote.dry_run && promote.json);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_board_stands_before_or_behind_the_verb() {
    for text in [
        "--board ops list --status ready",
        "list --board ops --status ready",
        "list --status READY --Board=Ops",
        "—board ops ls –status ready",
    ] {
        let kanban = from_chat(text).unwrap();
        assert_eq!(kanban.board.unwrap().as_str(), "ops", "{text}");
        assert_eq!(list(text).status, Some(Status::Ready), "{text}");
    }
    assert_eq!(from_chat("comment t_1 all good --board ops").unwrap().board.unwrap().as_str(), "ops");
    assert!(mistake("--home /x list").contains("command line"));
}

#[test]
fn groups_have_a_first_verb() {
    assert!(
        matches!(verb("boards"), Verb::Read(Read::Boards(boards)) if matches!(boards.verb, Some(BoardsVerb::Read(_))))
    );
    assert!(matches!(verb("boards --json"), Verb::Read(Read::Boards(_))));
    assert_eq!(verb("boards create ops").capability(), Capability::Own);
    assert_eq!(verb("boards list").capability(), Capability::Read);
    assert_eq!(verb("archive t_1").capability(), Capability::Write);
    assert_eq!(verb("archive --rm t_1 t_2").capability(), Capability::Own);
    assert!(mistake("archive t_1 --rm t_2").contains("cannot go with"));
    let Verb::Operate(Operate::Dispatch(now)) = verb("dispatch --dry-run --max 2 --json") else {
        panic!("no dispatch")
    };
    assert_eq!((now.verb, now.now.dry_run, now.now.max, now.now.json), (None, true, Some(2), true));
    let Verb::Operate(Operate::Dispatch(now)) = verb("dispatch now --max 2") else { panic!("no dispatch") };
    assert!(matches!(now.verb, Some(DispatchVerb::Now(now)) if now.max == Some(2)));
    let Verb::Operate(Operate::Dispatch(status)) = verb("dispatch status --json") else { panic!("no dispatch") };
    assert!(matches!(status.verb, Some(DispatchVerb::Status(status)) if status.json));
    assert!(matches!(verb("settings"), Verb::Own(_)));
}

#[test]
fn a_mistake_shows_the_corrected_command() {
    for (typed, meant) in [
        ("/kanban lst --status ready", "/kanban list --status ready"),
        ("lsit", "/kanban list"),
        ("creat fix the “bug now”\nbody", "/kanban create fix the “bug now”\nbody"),
        ("subscribe t_1", "/kanban watch t_1"),
        ("t_1", "/kanban show t_1"),
        ("please fix the bug", "/kanban create please fix the bug"),
        ("list --statsu ready", "/kanban list --status ready"),
        ("list —statsu=ready", "/kanban list --status=\"ready\""),
        ("list --status redy", "/kanban list --status ready"),
        ("list --status=redy", "/kanban list --status=ready"),
        ("list ready", "/kanban list --status ready"),
        ("create fix it --asignee bob", "/kanban create fix it --assignee bob"),
        ("create fix it —asignee bob", "/kanban create fix it --assignee bob"),
        ("create fix it -assignee bob", "/kanban create fix it --assignee bob"),
        ("create make --verbose work", "/kanban create \"make --verbose work\""),
        ("create make --verbose work --assignee bob", "/kanban create \"make --verbose work\" --assignee bob"),
        ("block t_1 which? --kidn needs_input", "/kanban block t_1 which? --kind needs_input"),
        ("block t_1 which? --kind need_input", "/kanban block t_1 which? --kind needs_input"),
        ("boards swich ops", "/kanban boards switch ops"),
    ] {
        assert_eq!(corrected(typed), meant, "{typed}");
        let again = from_chat(meant);
        assert!(again.is_ok(), "{meant}: {again:?}");
    }
}

#[test]
fn a_refusal_names_what_was_got_and_what_was_expected() {
    insta::assert_snapshot!(mistake("frobnicate"), @"unknown verb `frobnicate`; `/kanban help` lists the verbs");
    insta::assert_snapshot!(mistake("list --status doing"), @"`--status` cannot be `doing`: expected one of `triage`, `todo`, `scheduled`, `ready`, `running`, `blocked`, `review`, `done`, `archived`");
    insta::assert_snapshot!(mistake("create x --priority high"), @"`--priority`: expected a whole number, got `high`");
    insta::assert_snapshot!(mistake("create x --priority 99999999999999999999"), @"`--priority`: `99999999999999999999` is too large a number");
    insta::assert_snapshot!(mistake("create x --priority 4000"), @"`--priority`: 4000 is not in -1000..=1000");
    insta::assert_snapshot!(mistake("create x --workspace cloud"), @"`--workspace`: unknown workspace `cloud`: use `scratch`, `worktree`, `worktree:<path>`, or `dir:<path>`");
    insta::assert_snapshot!(mistake("create x --workspace dir:"), @"`--workspace`: `dir:` requires a path after the colon, as in `dir:/srv/project`");
    insta::assert_snapshot!(mistake("create x --branch \"a b\""), @"`--branch`: must not contain whitespace, got `a b`; expected a name like `fix/login`");
    insta::assert_snapshot!(mistake("create x --branch=-x"), @"`--branch`: `-x` is not a branch name; expected one like `fix/login`");
    assert!(
        mistake("watch --kinds completed,nope")
            .starts_with("`--kinds`: `nope` is not a kind of event; there are created, ")
    );
    insta::assert_snapshot!(mistake("create x --max-retries 0"), @"`--max-retries`: must be >= 1 (got `0`)");
    insta::assert_snapshot!(mistake("create x --max-runtime soon"), @"`--max-runtime`: malformed duration `soon` (expected `30s`, `5m`, `2h`, `1d`, or a number of seconds)");
    insta::assert_snapshot!(mistake("create x --assignee a --assignee b"), @"`--assignee` can be given only once");
    insta::assert_snapshot!(mistake("show"), @r"
    `show` needs `<ID>`; for example `/kanban show t_4kx9c2ma`
    usage: `/kanban show <ID> [options]`
    ");
    insta::assert_snapshot!(mistake("show t_1 --state-type outcome"), @"`show` needs `--state-name <VALUE>`; `/kanban help show` tells more");
    insta::assert_snapshot!(mistake("notify-subscribe t_1"), @r"
    `notify-subscribe` needs `--platform <PLATFORM>`, `--chat-id <ID>`; for example `/kanban notify-subscribe t_4kx9c2ma --platform telegram --chat-id 12345`
    usage: `/kanban notify-subscribe <ID> --platform <value> --chat-id <value> [options]`
    ");
    insta::assert_snapshot!(mistake("create --assignee bob"), @r"
    `create` needs `<TITLE>`; for example `/kanban create fix the login page`
    usage: `/kanban create <TITLE>… [options]`
    ");
    insta::assert_snapshot!(mistake("--board"), @"`--board` of `kanban` needs a value");
    insta::assert_snapshot!(mistake("boards create Bad Slug!"), @"`boards create` has no place for `Slug!`; usage: `/kanban boards create <SLUG> [options]`");
    insta::assert_snapshot!(mistake("show nope"), @"`<ID>`: `nope` is not a task id; an id looks like `t_4kx9c2ma`");
    insta::assert_snapshot!(mistake("show t_1 t_2"), @"`show` has no place for `t_2`; usage: `/kanban show <ID> [options]`");
    insta::assert_snapshot!(mistake("list --status"), @"`--status` of `list` needs a value: one of `triage`, `todo`, `scheduled`, `ready`, `running`, `blocked`, `review`, `done`, `archived`");
    insta::assert_snapshot!(mistake("boards zap"), @"unknown verb `boards zap`; `boards` has `list`, `show`, `create`, `rename`, `rm`, `switch`, `set-default-workdir`, `private`");
    insta::assert_snapshot!(mistake("up"), @"`up` runs in a terminal, on the machine of the gateway: `kanban up`");
    insta::assert_snapshot!(mistake("shim x"), @"unknown verb `shim`; `/kanban help` lists the verbs");
    insta::assert_snapshot!(mistake("--board ../etc list"), @"`--board`: invalid board slug `../etc`: must be 1-64 chars, lowercase alphanumerics / hyphens / underscores, not starting with `-` or `_`");
}

#[test]
fn help_is_short() {
    let overview = help("/kanban");
    assert!(
        overview.len() < 2_500 && overview.contains("/kanban create <TITLE>") && !overview.contains("completions"),
        "{overview}"
    );
    for text in ["/kanban help", "-h", "?", "--help", "HELP"] {
        assert_eq!(help(text), overview, "{text}");
    }
    for text in ["help show", "show -h", "show --help", "Help Show", "show t_1 —help"] {
        assert!(help(text).contains("usage: /kanban show <ID>"), "{text}");
    }
    assert!(help("help boards create").contains("usage: /kanban boards create <SLUG>"));
    assert!(help("dispatch -h").contains("dispatch pause"));
    assert!(help("comment -h").contains("usage: /kanban comment"));
    assert!(mistake("help crate").contains("did you mean `/kanban help create`?"));
}

#[test]
fn the_command_line_reads_the_same_declaration() {
    let run = |words: &[&str]| from_arguments(words.iter().map(Into::into));
    let Some(Verb::Write(Write::Create(create))) =
        run(&["create", "fix", "the bug", "--assignee", "bob", "--json"]).unwrap().verb
    else {
        panic!("no create")
    };
    assert_eq!(create.title(), "fix the bug");
    let Some(Verb::Write(Write::Create(create))) = run(&["create", "--", "--weird", "title"]).unwrap().verb else {
        panic!("no create")
    };
    assert_eq!(create.title(), "--weird title");
    assert_eq!(run(&["--home", "/x", "list"]).unwrap().home.unwrap().to_str(), Some("/x"));
    assert!(matches!(run(&["shim", "/x"]).unwrap().verb, Some(Verb::Internal(_))));
    assert!(matches!(run(&["completions", "bash"]).unwrap().verb, Some(Verb::Shell(_))));
    for (words, text, json, reply) in [
        (
            &["say", "--thread", "T", "--as", "U", "/kanban", "create", "x", "--json"][..],
            "/kanban create x --json",
            false,
            None,
        ),
        (
            &["say", "--thread", "T", "--as", "U", "--json", "/kanban create x --json"],
            "/kanban create x --json",
            true,
            None,
        ),
        (&["say", "--thread", "T", "--as", "U", "use EUR", "--reply", "3", "--json"], "use EUR", true, Some(3)),
        (&["say", "--thread", "T", "--as", "U", "hello", "there"], "hello there", false, None),
    ] {
        let Some(Verb::Shell(Shell::Say(say))) = run(words).unwrap().verb else { panic!("no say") };
        assert_eq!((say.text().as_str(), say.thread.as_str(), say.user.as_str()), (text, "T", "U"), "{words:?}");
        assert_eq!((say.json, say.reply), (json, reply), "{words:?}");
    }
    insta::assert_snapshot!(run(&["lst", "--tenant", "a b"]).unwrap_err().text, @"unknown verb `lst`; did you mean `kanban list --tenant 'a b'`?");
    assert_eq!(run(&["frob"]).unwrap_err().exit, 2);
    assert_eq!(run(&[]).unwrap_err().exit, 0);
    assert!(run(&["--version"]).unwrap_err().text.starts_with("kanban "));
}

#[test]
#[expect(clippy::print_stderr, reason = "the measured time is for people to read")]
fn long_input_is_read_quickly() {
    let body = format!("/kanban create fix it --body \"x\"\n{}", "don't 'stop \"now – ok ".repeat(2_600));
    let line = format!("/kanban comment t_1 {}", "don't 'stop \"now – ok ".repeat(2_600));
    let title = format!("/kanban create {}", "fix it ".repeat(9_000));
    for text in [body, line, title] {
        assert!(text.len() > 60_000 && text.len() <= 65_536, "{}", text.len());
        from_chat(&text).unwrap();
        let started = std::time::Instant::now();
        from_chat(&text).unwrap();
        let took = started.elapsed();
        // The promise of a millisecond is for optimised builds; an unoptimised one that is linear stays far below this.
        assert!(took.as_millis() < 500, "{took:?}");
        eprintln!("{} bytes in {took:?}", text.len());
    }
    assert!(mistake(&"x".repeat(65_537)).contains("65537"));
}

/// Every verb that a form can have, with its path.
#[test]
fn words_are_shown_in_the_quotes_that_they_need() {
    let shown = |words: &[&str]| text::typed(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    assert_eq!(shown(&["create", "it's \"q\""]), r#"create "it's \"q\"""#);
    assert_eq!(shown(&["create", "it's", "", "--body=a b"]), r#"create it's "" --body="a b""#);
    assert_eq!(shown(&["create", "'90s", "C:\\a b\\"]), r#"create "'90s" 'C:\a b\'"#);
    assert_eq!(shown(&["create", "--body", "one\ntwo"]), r#"create --body "one …""#);
}

fn form_verbs() -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for verb in &spec().verbs {
        if matches!(verb.surface, Surface::CommandLine | Surface::Internal) {
            continue;
        }
        if verb.verbs.is_empty() || !verb.args.is_empty() {
            paths.push(vec![verb.name.clone()]);
        }
        paths.extend(verb.verbs.iter().map(|inner| vec![verb.name.clone(), inner.name.clone()]));
    }
    paths
}

fn value_of(kind: &Kind, name: &str, text: &str, number: u32) -> String {
    match kind {
        Kind::Flag => "true".to_owned(),
        Kind::Choice(choices) => choices[number as usize % choices.len()].name.clone(),
        Kind::Task => format!("t_x{number}"),
        Kind::Profile => format!("bot-{number}"),
        Kind::Board => format!("board-{number}"),
        Kind::Tenant => format!("tenant {number}"),
        Kind::Workspace => format!("dir:/srv/{number}"),
        Kind::Integer => (number % 900 + 1).to_string(),
        Kind::Prose => text.to_owned(),
        Kind::Text => match name {
            "metadata" => format!("{{\"n\":{number}}}"),
            "at" | "in" | "max-runtime" | "max-total-runtime" | "max-cost" | "cost" | "interval" | "ttl" | "n"
            | "tail" | "limit" => (number % 900 + 1).to_string(),
            "who" => format!("console:u{number}"),
            "role" => "member".to_owned(),
            "skill" | "branch" | "schedule" => format!("s{number}"),
            "rule" => format!("{} 7 * * *", number % 60),
            "tz" => "Europe/Berlin".to_owned(),
            "worker" => format!("bot-{number}"),
            "kinds" => event::Kind::ALL[number as usize % event::Kind::ALL.len()].as_str().to_owned(),
            _ => text.to_owned(),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_of_words_is_read_as_the_same_words(
        given in prop::collection::vec("(--body=|—x=)?([a-z]|[ \t\"'\\\\”“„«»=-]|\\PC){0,12}", 1..6),
    ) {
        // One kind of quotes is left for the worst of words.
        let given: Vec<_> = given.iter().map(|word| word.replace(['‘', '’'], "")).collect();
        let shown = text::typed(&given);
        let read = text::line(&shown).unwrap();
        prop_assert!(read.prose.is_none());
        let read: Vec<_> = read.words.iter().map(|word| word.text.to_string()).collect();
        prop_assert_eq!(read, given, "{}", shown);
    }

    #[test]
    fn no_message_panics(text in "(/kanban )?[a-z]{0,8}( |\\PC|\n|--|—|\"|'|`|t_1|=){0,40}") {
        let _ = command_of(&text);
        match from_chat(&text) {
            Ok(kanban) => prop_assert!(kanban.verb.is_some()),
            Err(mistake) => prop_assert!(!mistake.text.is_empty() && matches!(mistake.exit, 0 | 2)),
        }
    }

    #[test]
    fn nothing_that_is_accepted_is_dropped(
        start in prop::sample::select(vec!["create", "comment t_1", "block t_1", "unblock t_1", "complete t_1 t_2", "cancel t_1", "list", "boards rename ops"]),
        words in prop::collection::vec("[a-z]{1,6}|[0-9]{1,3}|\"[a-z]{1,4} [a-z]{1,4}\"|--[a-z]{1,5}|—[a-z]{1,5}|'[a-z]{1,4}|[a-z]{1,3}'[a-z]|--kind|--reason|--body|--|t_[a-z]{1,3}|\n", 0..12),
    ) {
        let text = format!("/kanban {start} {}", words.join(" "));
        if let Ok(kanban) = from_chat(&text) {
            let parsed = format!("{kanban:?}").to_lowercase();
            let typed = text["/kanban ".len()..].split_whitespace().skip(1);
            for word in typed.flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric())).filter(|word| !word.is_empty()) {
                prop_assert!(parsed.contains(word), "{word} of {text:?} is not in {parsed}");
            }
        }
    }

    #[test]
    fn form_values_come_back(
        pick in any::<prop::sample::Index>(),
        chosen in prop::collection::vec(any::<bool>(), 24),
        text in "\\PC{1,20}|(--| |[a-z]|=|\"|'|\n|—){1,20}|--help|--json|--|t_9",
        number in 1u32..9_999,
    ) {
        let paths = form_verbs();
        let path: Vec<&str> = pick.get(&paths).iter().map(String::as_str).collect();
        let verb = spec().at(&path).unwrap();
        let mut values = vec![("board".to_owned(), "ops".to_owned())];
        let mut alone = false;
        for (arg, chosen) in verb.args.iter().zip(&chosen) {
            // These exclude one another; the first one is enough here.
            let excluded = matches!(arg.name.as_str(), "triage" | "quorum" | "cancel-rest" | "at" | "rm" | "state-type" | "state-name" | "summary" | "result")
                || (arg.name == "in" && arg.list)
                || path == ["unwatch"];
            if arg.required || (arg.positional && !alone) || (*chosen && !excluded) {
                alone = true;
                values.push((arg.name.clone(), value_of(&arg.kind, &arg.name, &text, number)));
            }
        }
        let words = spec().words(&path, &values).unwrap();
        let kanban: Kanban = match from_words(&words, Surface::Chat) {
            Ok(kanban) => kanban,
            Err(mistake) => return Err(TestCaseError::fail(format!("{words:?}: {mistake}"))),
        };
        let parsed = format!("{kanban:?}");
        for (name, value) in &values {
            let arg = spec().args.iter().chain(&verb.args).find(|arg| arg.name == *name).unwrap();
            let shown = match &arg.kind {
                Kind::Flag => format!("{}: true", name.replace('-', "_")),
                Kind::Choice(_) => value.replace(['-', '_'], ""),
                Kind::Text if name == "kinds" => value.replace('_', ""),
                Kind::Integer => value.clone(),
                Kind::Text if name == "schedule" => format!("ScheduleId({number})"),
                Kind::Text if name == "who" => format!("{:?}", &value["console:".len()..]),
                Kind::Text if name == "role" => "Member".to_owned(),
                Kind::Workspace => value["dir:".len()..].to_owned(),
                Kind::Text if matches!(name.as_str(), "metadata" | "at" | "in" | "max-runtime" | "max-total-runtime" | "max-cost" | "cost" | "interval" | "ttl" | "n" | "tail" | "limit") => value.clone(),
                Kind::Task | Kind::Profile | Kind::Board | Kind::Tenant | Kind::Text | Kind::Prose => format!("{value:?}"),
            };
            let found = match &arg.kind {
                Kind::Choice(_) => parsed.to_lowercase().contains(&shown),
                Kind::Text if name == "kinds" => parsed.to_lowercase().contains(&shown),
                _ => parsed.contains(&shown) || name == "metadata" && parsed.contains(&number.to_string()),
            };
            prop_assert!(found, "{name}={value:?} ({shown}) of {words:?} is not in {parsed}");
        }
    }
}
