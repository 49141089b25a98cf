//! `kanban init`: every file that it writes is one that its reader takes, and nothing that is there is lost.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use kanban_gateway::settings::{Environment, Settings};
use tempfile::TempDir;

use crate::scale::report;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Shaped as Discord's are; its first part is the number 123456789012345678.
const DISCORD: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.canary-discord-token";
const TELEGRAM: &str = "123456:canary-telegram-token";

/// A folder in which a home will be, by any name.
struct World {
    folder: TempDir,
    home: PathBuf,
}

impl World {
    fn new() -> Self {
        Self::called("home")
    }

    fn called(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join(name);
        Self { folder, home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("KANBAN_HOME", &self.home);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it with these lines on standard input.
    fn answering(&self, arguments: &[&str], lines: &str) -> Output {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Who is refused at once may have closed it.
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn token(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The files that are no part of the board.
    fn written(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in ["", "setup", "secrets"] {
            let Ok(entries) = fs::read_dir(self.home.join(folder)) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
                let name = path.strip_prefix(&self.home).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
        files
    }

    fn settings(&self) -> Settings {
        Settings::load(&self.home, &Environment::default()).unwrap()
    }
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn without_a_word_it_writes_what_can_be_filled_in_and_does_so_once() {
    let world = World::new();
    let told = ok(&world.run(&["init"]));
    let written = world.written();
    let names: Vec<_> = written.keys().map(String::as_str).collect();
    let expected = [
        "kanban.toml",
        "setup/Containerfile",
        "setup/botfather-commands.txt",
        "setup/discord-invite.txt",
        "setup/kanban.service",
        "setup/slack-manifest.json",
    ];
    assert_eq!(names, expected);
    for name in names {
        assert!(told.contains(&format!("Wrote {}", world.home.join(name).display())), "{told}");
    }
    assert!(world.home.join("boards/default/board.db").exists());
    assert!(world.settings().platforms.kinds().is_empty());
    // What a person makes of it by taking the signs away and filling in the files.
    let lines =
        written["kanban.toml"].split(|byte| *byte == b'\n').map(|line| String::from_utf8(line.to_vec()).unwrap());
    let full: Vec<_> = lines
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
            Some(_) | None => line,
        })
        .collect();
    let other = World::new();
    fs::create_dir_all(world.home.join("secrets")).unwrap();
    fs::create_dir(&other.home).unwrap();
    for name in ["discord.token", "telegram.token", "slack-bot.token", "slack-app.token"] {
        fs::write(world.home.join("secrets").join(name), name).unwrap();
    }
    fs::write(other.home.join("kanban.toml"), full.join("\n")).unwrap();
    let settings = other.settings();
    assert_eq!(settings.platforms.kinds(), ["discord", "telegram", "slack"]);
    assert!(settings.access.names_an_owner());
    fs::remove_dir_all(world.home.join("secrets")).unwrap();

    let told = ok(&world.run(&["init"]));
    assert!(told.contains("is as it should be") && !told.contains("Wrote"), "{told}");
    assert_eq!(world.written(), written);
    fs::write(world.home.join("kanban.toml"), "[dispatch]\nmax_running = 7\n").unwrap();
    let told = ok(&world.run(&["init"]));
    assert!(told.contains("kanban.toml was there and stays as it is"), "{told}");
    assert_eq!(world.settings().dispatch.max_running.to_string(), "7");
}

#[test]
fn the_papers_are_those_that_the_platforms_take() {
    let world = World::new();
    ok(&world.run(&["init", "--discord-app", "42"]));
    let manifest = fs::read_to_string(Path::new(ROOT).join("docs/platforms/slack-manifest.json")).unwrap();
    assert_eq!(world.read("setup/slack-manifest.json"), manifest);
    let invite = world.read("setup/discord-invite.txt");
    let expected = "?client_id=42&scope=bot+applications.commands&permissions=309237763136\n";
    assert!(invite.starts_with("https://discord.com/oauth2/authorize") && invite.ends_with(expected), "{invite}");
    // What @BotFather takes: a name, ` - `, and what it does.
    let commands = world.read("setup/botfather-commands.txt");
    assert!(commands.starts_with("kanban - ") && commands.lines().count() > 5, "{commands}");
    for line in commands.lines() {
        let (name, about) = line.split_once(" - ").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !about.is_empty(), "{line}");
    }
    // With the address at which Slack calls, the manifest is the other one.
    let world = World::new();
    ok(&world.run(&["init", "--slack-url", "https://kanban.example.org/slack"]));
    let manifest = fs::read_to_string(Path::new(ROOT).join("docs/platforms/slack-manifest-http.json")).unwrap();
    assert_eq!(world.read("setup/slack-manifest.json"), manifest);
}

#[test]
fn systemd_takes_the_unit_whatever_the_home_is_called() {
    for name in ["home", "a \"home\" of 100% $HOME\\ours"] {
        let world = World::called(name);
        ok(&world.run(&["init"]));
        let unit = world.read("setup/kanban.service");
        for line in ["KillMode=process", "ExecReload=/bin/kill -USR2 $MAINPID"] {
            assert!(unit.lines().any(|found| found == line), "{unit}");
        }
        let program = format!("ExecStart=\"{}\" up", env!("CARGO_BIN_EXE_kanban"));
        assert!(unit.contains(&program), "{unit}");
        assert_eq!(world.settings().platforms.kinds(), [""; 0]);
        let verified =
            Command::new("systemd-analyze").arg("verify").arg(world.home.join("setup/kanban.service")).output();
        match verified {
            Ok(verified) => {
                let said = String::from_utf8_lossy(&verified.stderr).into_owned();
                // What it says of other units of this machine does not matter; systemd below 254 knows no subgroups.
                let is_ours = |line: &&str| line.contains("kanban.service") && !line.contains("'DelegateSubgroup'");
                let wrong: Vec<_> = said.lines().filter(is_ours).collect();
                assert!(wrong.is_empty(), "{wrong:#?}");
            }
            Err(_) => report("SKIPPED: there is no systemd-analyze here"),
        }
    }
}

#[test]
fn options_become_settings_and_nothing_that_is_there_is_lost() {
    let world = World::new();
    let (telegram, discord) = (world.token("telegram token", TELEGRAM), world.token("discord", DISCORD));
    // A path is meant from where it is typed.
    let options = ["init", "--telegram-token-file", "telegram token", "--discord-token-file", &discord];
    let told =
        ok(&world.run(&[&options[..], &["--owner", "telegram:7", "--owner", "discord:123456789012345678"]].concat()));
    assert!(!told.contains("canary"), "{told}");
    let settings = world.settings();
    assert_eq!(settings.platforms.kinds(), ["discord", "telegram"]);
    assert!(settings.access.names_anybody_on("telegram") && settings.access.names_anybody_on("discord"));
    let text = world.read("kanban.toml");
    assert!(text.contains(&format!("token_file = \"{telegram}\"")) && !text.contains("canary"), "{text}");
    // The token names the app.
    assert!(world.read("setup/discord-invite.txt").contains("client_id=123456789012345678&"));

    let before = world.written();
    let refusal = refused(&world.run(&["init", "--telegram-token-file", &telegram]));
    assert!(refusal.contains("kanban.toml") && refusal.contains("kanban init --force"), "{refusal}");
    assert_eq!(world.written(), before);
    ok(&world.run(&["init", "--force", "--telegram-token-file", &telegram]));
    assert_eq!(world.settings().platforms.kinds(), ["telegram"]);
    assert_eq!(world.read("kanban.toml.before-1"), text);
    ok(&world.run(&["init", "--force", "--discord-token-file", &discord]));
    assert_eq!(world.read("kanban.toml.before-1"), text);
    assert!(world.home.join("kanban.toml.before-2").exists());
}

#[test]
fn what_cannot_be_is_refused_with_nothing_written() {
    let world = World::new();
    let token = world.token("token", TELEGRAM);
    let empty = world.token("empty", " \n");
    for (options, reason) in [
        (&["--telegram-token-file", "no-such-file"][..], "no-such-file"),
        (&["--telegram-token-file", &empty], "is empty"),
        (&["--telegram-token-file", &token, "--owner", "me"], "access.owners"),
        (&["--telegram-token-file", &token, "--owner", "telegram:ann"], "as in `telegram:123456789`"),
        (&["--telegram-token-file", &token, "--owner", "discord:8"], "17 to 20 digits"),
        (&["--telegram-token-file", &token, "--owner", "slack:U0123"], "as in `slack:T0123/U0123`"),
        (&["--slack-bot-token-file", &token], "--slack-app-token-file FILE"),
        (&["--discord-token-file", &token, "--telegram-token-file", &token, "--slack-bot-token-file", &token], "Slack"),
    ] {
        let refusal = refused(&world.run(&[&["init"], options].concat()));
        assert!(refusal.contains(reason), "{options:?}: {refusal}");
        assert!(!refusal.contains("canary") && !refusal.contains(".init-"), "{refusal}");
        assert!(world.written().is_empty(), "{options:?}: {:?}", world.written().keys());
    }
    // What looks like settings stays what it is: somebody's odd id.
    ok(&world.run(&["init", "--owner", "console:7\" ]\n[dispatch]\nmax_running = 7 # \\"]));
    assert_ne!(world.settings().dispatch.max_running.to_string(), "7");
    let mistaken = world.run(&["init", "--slack-app-token-file", &token]);
    assert_eq!(mistaken.status.code(), Some(2), "{mistaken:?}");
}

#[test]
fn what_is_asked_for_is_kept_from_others_and_never_shown() {
    let world = World::new();
    let answers = format!("{DISCORD}\n123456789012345678\n{TELEGRAM}\n\nxoxb-canary-bot\nxapp-canary-app\nT1/U1\n");
    let output = world.answering(&["init", "--ask"], &answers);
    let told = ok(&output) + &String::from_utf8_lossy(&output.stderr);
    assert!(!told.contains("canary"), "{told}");
    let settings = world.settings();
    assert_eq!(settings.platforms.kinds(), ["discord", "telegram", "slack"]);
    let people = ["discord", "telegram", "slack"].map(|kind| settings.access.names_anybody_on(kind));
    assert_eq!(people, [true, false, true]);
    assert_eq!(world.read("secrets/telegram.token").trim(), TELEGRAM);
    let mode = |name: &str| fs::metadata(world.home.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("secrets"), 0o700);
    for name in ["discord.token", "telegram.token", "slack-bot.token", "slack-app.token"] {
        assert_eq!(mode(&format!("secrets/{name}")), 0o600, "{name}");
    }
    assert!(!world.read("kanban.toml").contains("canary"));
    let again = refused(&world.answering(&["init", "--ask"], &answers));
    assert!(again.contains("kanban init --ask --force"), "{again}");
    // Answers that end in the middle leave the rest out.
    let world = World::new();
    ok(&world.answering(&["init", "--ask"], &format!("\n{TELEGRAM}\n")));
    assert_eq!(world.settings().platforms.kinds(), ["telegram"]);
    let world = World::new();
    let refusal = refused(&world.answering(&["init", "--ask"], "a canary of a token\n"));
    assert!(!refusal.contains("canary") && world.written().is_empty(), "{refusal}");
}

#[test]
fn an_answer_that_cannot_be_is_asked_for_again_and_never_shown() {
    let world = World::new();
    let answers = format!(
        "canary\n{DISCORD}\nann\n12\n123456789012345678\ncanary-telegram\n{TELEGRAM}\n@ann\n\n\
         xapp-canary\nxoxb-canary\nxoxb-canary\nxapp-canary\nU1\nT1/u1\nT1/U1\n"
    );
    let output = world.answering(&["init", "--ask"], &answers);
    let asked = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!(ok(&output) + &asked).contains("canary"), "{asked}");
    for (sentence, times) in [
        ("three parts", 1),
        ("17 to 20 digits", 2),
        ("that @BotFather gives out", 1),
        ("as in `telegram:123456789`", 1),
        ("one that begins with `xoxb-`", 1),
        ("one that begins with `xapp-`", 1),
        ("as in `slack:T0123/U0123`", 2),
    ] {
        assert_eq!(asked.matches(sentence).count(), times, "{sentence}: {asked}");
    }
    let settings = world.settings();
    assert_eq!(settings.platforms.kinds(), ["discord", "telegram", "slack"]);
    let owners: Vec<_> = settings.access.named().collect();
    assert_eq!(owners, ["discord:123456789012345678", "slack:T1/U1"]);
}

#[test]
fn slack_without_its_second_token_is_left_out_and_the_rest_is_kept() {
    for end in ["\n", ""] {
        let world = World::new();
        let told = ok(&world.answering(&["init", "--ask"], &format!("\n{TELEGRAM}\n7\nxoxb-canary\n{end}")));
        assert!(told.contains("Slack was left out: its websockets need the app's token too"), "{told}");
        assert_eq!(world.settings().platforms.kinds(), ["telegram"]);
        assert!(!world.home.join("secrets/slack-bot.token").exists());
    }
}

/// At a terminal it asks by itself, and shows nothing of a token while it is typed.
#[test]
fn a_terminal_shows_no_token() {
    let world = World::new();
    let program = format!("'{}' init", env!("CARGO_BIN_EXE_kanban"));
    let mut command = world.command(&[]);
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &program, "/dev/null"]).env_clear();
    terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.current_dir(world.folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = terminal.spawn() else {
        report("SKIPPED: there is no `script` here to make a terminal");
        drop(command.output());
        return;
    };
    // What is typed ahead is shown by the terminal itself, so each answer waits for its question.
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (tell, heard) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count) = std::io::Read::read(&mut output, &mut bytes) {
            if count == 0 || tell.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut shown = String::new();
    let mut until = |mark: Option<&str>| {
        while mark.is_none_or(|mark| !shown.contains(mark)) {
            match heard.recv_timeout(std::time::Duration::from_secs(60)) {
                Ok(bytes) => shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => break,
            }
        }
        shown.clone()
    };
    until(Some("Discord: the bot's token"));
    input.write_all(b"\r").unwrap();
    until(Some("Telegram: the bot's token"));
    input.write_all(format!("wrong\u{15}{TELEGRAM}x\u{7f}\r").as_bytes()).unwrap();
    until(Some("your user id there (a number)"));
    input.write_all(b"77\r").unwrap();
    until(Some("Slack: the bot's token"));
    input.write_all(b"\r").unwrap();
    let shown = until(None);
    assert!(child.wait().unwrap().success(), "{shown}");
    assert!(!shown.contains("canary") && shown.contains("77"), "{shown}");
    assert_eq!(world.read("secrets/telegram.token").trim(), TELEGRAM);
    assert!(world.settings().access.names_anybody_on("telegram"));
}

/// Of several at once, one writes each file; what is there is always whole.
#[test]
fn several_at_once_leave_one_whole_file() {
    let world = World::new();
    let tokens: Vec<_> = (0..4).map(|number| world.token(&format!("token-{number}"), TELEGRAM)).collect();
    let outputs: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> =
            tokens.iter().map(|token| scope.spawn(|| world.run(&["init", "--telegram-token-file", token]))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let text = world.read("kanban.toml");
    let winners: Vec<_> = tokens.iter().filter(|token| text.contains(&format!("token_file = \"{token}\""))).collect();
    assert_eq!(winners.len(), 1, "{text}");
    let done = outputs.iter().filter(|output| output.status.success()).count();
    assert_eq!(done, 1, "{outputs:#?}");
    assert_eq!(world.settings().platforms.kinds(), ["telegram"]);
    let left: Vec<_> =
        world.written().into_keys().filter(|name| name.contains(".new") || name.contains(".init")).collect();
    assert!(left.is_empty(), "{left:?}");
}
