//! The console as the gateway and a person see it, with a small gateway that answers every message.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    collections::BTreeSet,
    fs,
    io::{self, BufReader, Cursor, Read, Write},
    path::Path,
    sync::{Arc, Mutex, OnceLock, Weak, mpsc},
    time::Duration,
};

use async_trait::async_trait;
use kanban_console::{Action, Console, Input, Mode, Options, Said, Say, SayError};
use kanban_platform::{
    Block, Button, Capability, Commands, Field, Input as Given, Platform, Post, PostError, PostKind, Receipt, Request,
    Spec, Style, Suggestion, Surface, Thread, Urgency,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);

/// What was written so far.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Shown {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A console with what it shows.
struct Opened {
    console: Arc<Console>,
    output: Shown,
    notices: Shown,
}

fn open(home: &Path, mode: Mode, session: u64, input: Input) -> Opened {
    let (output, notices) = (Shown::default(), Shown::default());
    let options = Options {
        mode,
        input,
        output: Box::new(output.clone()),
        notices: Box::new(notices.clone()),
        now: Box::new(|| 1_700_000_000),
        session: session.to_be_bytes(),
    };
    Opened { console: Console::open(home, options).unwrap(), output, notices }
}

fn lines(text: &str) -> Input {
    Input::Lines(Box::new(Cursor::new(text.to_owned().into_bytes())))
}

fn thread(name: &str) -> Thread {
    Thread { platform: "console".to_owned(), space: String::new(), channel: name.to_owned(), thread: None }
}

fn post(delivery: &str, kind: PostKind, text: &str) -> Post {
    Post {
        delivery: delivery.to_owned(),
        thread: thread("main"),
        kind,
        body: vec![Block::Text(text.to_owned())],
        buttons: Vec::new(),
        private: false,
        task: None,
        event: None,
        urgency: Urgency::News,
        prompts: false,
    }
}

/// Answers each message with what it understood of it, sometimes before and sometimes after `handle` returns.
struct Echo {
    console: OnceLock<Weak<Console>>,
    handled: Mutex<Vec<Request>>,
    /// While closed, answers are held back.
    gate: Arc<Semaphore>,
    spec: Spec,
}

impl Echo {
    fn on(console: &Arc<Console>) -> Arc<Self> {
        let spec = Spec {
            name: "kanban".to_owned(),
            about: String::new(),
            aliases: Vec::new(),
            usage: String::new(),
            args: Vec::new(),
            verbs: Vec::new(),
            surface: Surface::Menu,
            capability: Capability::Read,
            shortcut: None,
            translations: BTreeMap::new(),
        };
        let echo = Self {
            console: OnceLock::new(),
            handled: Mutex::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            spec,
        };
        echo.console.set(Arc::downgrade(console)).unwrap();
        Arc::new(echo)
    }
}

#[async_trait]
impl Commands for Echo {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn handle(&self, request: Request) -> Receipt {
        let console = self.console.get().unwrap().upgrade().unwrap();
        let delivery = format!("answer-{}", request.update);
        let text = match &request.input {
            Given::Text(text) => format!("{} said: {text}", request.author.id),
            Given::Words(words) => format!("{} chose: {}", request.author.id, words.join(" ")),
            Given::Press { message, button, .. } => format!("{} pressed {button} of {message}", request.author.id),
        };
        let exit = u8::from(text.contains("refuse"));
        let late = text.len() % 2 == 0;
        let answer = Post {
            thread: request.thread.clone(),
            kind: PostKind::Reply { update: request.update.clone(), return_address: None },
            buttons: vec![Button { key: String::new(), label: "Again".to_owned(), style: Style::Plain }],
            ..post(&delivery, PostKind::News, &text)
        };
        self.handled.lock().unwrap().push(request);
        let gate = Arc::clone(&self.gate);
        let posting = tokio::spawn(async move {
            let _open = gate.acquire().await.unwrap();
            console.post(&answer, None).await.unwrap();
        });
        if !late {
            posting.await.unwrap();
        }
        Receipt { deliveries: vec![delivery], exit, is_left: false }
    }

    async fn suggest(&self, _field: &Field) -> Vec<Suggestion> {
        Vec::new()
    }
}

fn transcript(home: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(home.join("console.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const SCRIPT: &str = "hello there\n\
    /in ops\n\
    /as ann\n\
    \n\
    /kanban create x\\\n  with a body\n\
    /reply 1 to you\n\
    /press 2 AGAIN\n\
    /press 2 nothing\n\
    /press 9 Again\n\
    /reply\n\
    /in\n\
    last";

#[tokio::test]
async fn a_script_is_answered_line_by_line_as_text() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, output, notices } = open(home.path(), Mode::Text, 7, lines(SCRIPT));
    let echo = Echo::on(&console);
    console.run(echo.clone(), CancellationToken::new()).await.unwrap();
    insta::assert_snapshot!(output.text(), @r#"
    [main #1] you said: hello there
     [Again]
    [ops #2] ann said: /kanban create x
      with a body
     [Again]
    [main #3] ann said: to you
     [Again]
    [ops #4] ann pressed Again of 2
     [Again]
    [ops #5] ann said: last
     [Again]
    "#);
    insta::assert_snapshot!(notices.text(), @r#"
    message 2 has no button `nothing`; type `/press 2 Again`
    there is no message 9; the number stands behind the `#` of a post
    `/reply N TEXT` got no message number; type for example `/reply 3 use the blue one`
    `/in THREAD` got no name; type for example `/in ops`
    "#);
    let updates: Vec<String> = echo.handled.lock().unwrap().iter().map(|request| request.update.clone()).collect();
    insta::assert_snapshot!(updates.join("\n"), @r#"
    0000000000000007.1
    0000000000000007.2
    0000000000000007.3.1
    0000000000000007.4.2
    0000000000000007.5
    "#);
    assert_eq!(echo.handled.lock().unwrap()[2].reply_to.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_script_is_answered_line_by_line_as_json_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, output, .. } = open(home.path(), Mode::Json, 7, lines(SCRIPT));
    console.run(Echo::on(&console), CancellationToken::new()).await.unwrap();
    insta::assert_snapshot!(output.text(), @r#"
    {"thread":"main","message":1,"edited":false,"reply_to":null,"text":"you said: hello there","buttons":["Again"],"private":false,"task":null,"event":null}
    {"thread":"ops","message":2,"edited":false,"reply_to":null,"text":"ann said: /kanban create x\n  with a body","buttons":["Again"],"private":false,"task":null,"event":null}
    {"thread":"main","message":3,"edited":false,"reply_to":1,"text":"ann said: to you","buttons":["Again"],"private":false,"task":null,"event":null}
    {"thread":"ops","message":4,"edited":false,"reply_to":2,"text":"ann pressed Again of 2","buttons":["Again"],"private":false,"task":null,"event":null}
    {"thread":"ops","message":5,"edited":false,"reply_to":null,"text":"ann said: last","buttons":["Again"],"private":false,"task":null,"event":null}
    "#);
    let mut kept = transcript(home.path());
    for line in &mut kept {
        let line = line.as_object_mut().unwrap();
        assert_eq!(line.remove("at"), Some(1_700_000_000.into()));
        assert!(line.remove("delivery").unwrap().as_str().unwrap().starts_with("answer-0000000000000007."));
    }
    let shown: Vec<serde_json::Value> = output.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kept, shown);
}

#[tokio::test]
async fn a_repeat_answers_the_first_number_and_shows_nothing_also_after_restarts() {
    let home = tempfile::tempdir().unwrap();
    let first = post("d1", PostKind::News, "one");
    for start in 0..3 {
        let Opened { console, output, .. } = open(home.path(), Mode::Text, start, lines(""));
        let history = output.text();
        assert_eq!(console.post(&first, None).await.unwrap(), "1");
        assert_eq!(console.post(&first, None).await.unwrap(), "1");
        let fresh = format!("d2-{start}");
        assert_eq!(console.post(&post(&fresh, PostKind::News, "new"), None).await.unwrap(), (start + 2).to_string());
        let news = if start == 0 { "[main #1] one\n" } else { "" };
        assert_eq!(output.text(), format!("{history}{news}[main #{}] new\n", start + 2));
    }
    assert_eq!(transcript(home.path()).len(), 4);
    let Opened { output, notices, .. } = open(home.path(), Mode::Text, 3, lines(""));
    assert_eq!(output.text(), "[main #1] one\n[main #2] new\n[main #3] new\n[main #4] new\n");
    assert_eq!(notices.text(), "above: the last 4 posts; `console.jsonl` has them all\n");
    assert_eq!(open(home.path(), Mode::Json, 3, lines("")).output.text(), "");
}

#[tokio::test]
async fn repeats_at_the_same_moment_post_once() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, output, .. } = open(home.path(), Mode::Text, 0, lines(""));
    let mut repeats = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let console = Arc::clone(&console);
        repeats.spawn(async move { console.post(&post("d1", PostKind::News, "once"), None).await });
    }
    for answer in repeats.join_all().await {
        assert_eq!(answer, Ok("1".to_owned()));
    }
    assert_eq!(output.text(), "[main #1] once\n");
    assert_eq!(transcript(home.path()).len(), 1);
}

#[tokio::test]
async fn an_edit_keeps_the_number_and_changes_the_buttons() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, output, .. } = open(home.path(), Mode::Text, 0, lines(""));
    let with_button = Post {
        buttons: vec![Button { key: String::new(), label: "Go".to_owned(), style: Style::Plain }],
        ..post("d1", PostKind::News, "ready?")
    };
    console.post(&with_button, None).await.unwrap();
    let edit = |message: &str, delivery: &str| post(delivery, PostKind::Edit { message: message.to_owned() }, "gone");
    assert_eq!(console.post(&edit("1", "d2"), None).await.unwrap(), "1");
    for unknown in ["2", "", "x"] {
        assert!(matches!(console.post(&edit(unknown, "d3"), None).await, Err(PostError::Refused(_))));
    }
    let elsewhere = Post { thread: Thread { platform: "slack".to_owned(), ..thread("main") }, ..with_button };
    let elsewhere = Post { delivery: "d4".to_owned(), ..elsewhere };
    assert!(matches!(console.post(&elsewhere, None).await, Err(PostError::Refused(_))));
    assert_eq!(output.text(), "[main #1] ready?\n [Go]\n[main #1 edited] gone\n");
    let press = Action::Press { message: 1, label: "Go".to_owned() };
    let say = Say { thread: "main".to_owned(), user: "you".to_owned(), action: press };
    let error = console.say(Echo::on(&console), say, DEADLINE).await.unwrap_err();
    assert_eq!(error.to_string(), "message 1 has no button `Go`; it has no buttons");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_each_get_their_own_answer() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, output, .. } = open(home.path(), Mode::Json, 0, lines(""));
    let echo = Echo::on(&console);
    let mut saying = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let (console, echo) = (Arc::clone(&console), echo.clone());
        saying.spawn(async move {
            let text = format!("{} {number}", if number % 3 == 0 { "refuse" } else { "take" });
            let (room, user) = (format!("room-{}", number % 12), format!("user-{number}"));
            let action = Action::Text { text: text.clone() };
            let say = Say { thread: room.clone(), user: user.clone(), action };
            let Said { posts, exit } = console.say(echo, say, DEADLINE).await.unwrap();
            assert_eq!(posts.len(), 1);
            assert_eq!((&posts[0].thread, &posts[0].text), (&room, &format!("{user} said: {text}")));
            assert_eq!(exit, u8::from(number % 3 == 0));
            posts[0].message
        });
    }
    let numbers: BTreeSet<u64> = saying.join_all().await.into_iter().collect();
    assert_eq!(numbers, (1..=1000).collect());
    let updates: BTreeSet<String> = echo.handled.lock().unwrap().iter().map(|r| r.update.clone()).collect();
    assert_eq!(updates.len(), 1000);
    let shown: Vec<u64> =
        output.text().lines().map(|line| serde_json::from_str::<kanban_console::Line>(line).unwrap().message).collect();
    assert_eq!(shown, (1..=1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_late_answer_is_announced_as_stored() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, output, .. } = open(home.path(), Mode::Text, 0, lines(""));
    let echo = Echo::on(&console);
    echo.gate.forget_permits(usize::MAX);
    let say = |text: &str| Say {
        thread: "main".to_owned(),
        user: "you".to_owned(),
        action: Action::Text { text: text.to_owned() },
    };
    // One is held back while it is handled, the other one after that.
    for text in ["a", "ab"] {
        let error = console.say(echo.clone(), say(text), Duration::from_millis(50)).await.unwrap_err();
        insta::allow_duplicates! { insta::assert_snapshot!(error, @"no answer within 0.05 s; the message was taken, and its answer is stored and will be shown in the thread `main`"); }
        assert!(matches!(error, SayError::Late { .. }));
    }
    assert_eq!(output.text(), "");
    echo.gate.add_permits(1);
    console.say(echo.clone(), say("c"), DEADLINE).await.unwrap();
    assert_eq!(echo.handled.lock().unwrap().len(), 3);
    for text in ["a", "ab", "c"] {
        assert!(output.text().contains(&format!("you said: {text}\n")), "{text}");
    }
}

#[tokio::test]
async fn names_that_would_forge_a_post_are_not_taken() {
    let home = tempfile::tempdir().unwrap();
    let Opened { console, .. } = open(home.path(), Mode::Text, 0, lines(""));
    let echo = Echo::on(&console);
    for name in ["", "two words", "a\nb", "\u{1b}[2J", "\u{202e}x"] {
        for (room, user) in [(name, "you"), ("main", name)] {
            let action = Action::Text { text: "hi".to_owned() };
            let say = Say { thread: room.to_owned(), user: user.to_owned(), action };
            let error = console.say(echo.clone(), say, DEADLINE).await.unwrap_err();
            assert!(matches!(error, SayError::NotSent(_)), "{name:?}: {error}");
        }
    }
    assert!(echo.handled.lock().unwrap().is_empty());
}

/// A pipe on which nothing is ever written, until the other end is dropped.
struct Silent(mpsc::Receiver<()>, mpsc::Sender<()>);

impl Read for Silent {
    fn read(&mut self, _bytes: &mut [u8]) -> io::Result<usize> {
        self.1.send(()).unwrap();
        let _closed = self.0.recv();
        Ok(0)
    }
}

#[tokio::test]
async fn a_read_that_never_returns_does_not_hold_up_a_shutdown() {
    let home = tempfile::tempdir().unwrap();
    let ((open_end, never), (reading, is_reading)) = (mpsc::channel(), mpsc::channel());
    let input = Input::Lines(Box::new(BufReader::new(Silent(never, reading))));
    let Opened { console, .. } = open(home.path(), Mode::Text, 0, input);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (console, echo, shutdown) = (Arc::clone(&console), Echo::on(&console), shutdown.clone());
        async move { console.run(echo, shutdown).await }
    });
    tokio::task::spawn_blocking(move || is_reading.recv_timeout(DEADLINE)).await.unwrap().unwrap();
    shutdown.cancel();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
    drop(open_end);
    let again = console.run(Echo::on(&console), CancellationToken::new()).await;
    assert_eq!(again.unwrap_err().to_string(), "the console is already running");
}

#[tokio::test]
async fn a_closed_output_loses_no_post() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    let options = Options {
        mode: Mode::Text,
        input: lines(""),
        output: Box::new(Closed),
        notices: Box::new(Closed),
        now: Box::new(|| 0),
        session: [0; 8],
    };
    let console = Console::open(home.path(), options).unwrap();
    assert_eq!(console.post(&post("d1", PostKind::News, "kept"), None).await.unwrap(), "1");
    assert_eq!(transcript(home.path())[0]["text"], "kept");
}
