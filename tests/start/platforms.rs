//! `kanban doctor` against servers that speak as the platforms do: what is wrong with an account is said with the step that
//! mends it, within a time, and with exit code 1.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use kanban_fakes::{
    Server, Trouble,
    discord::{self, DiscordServer, Permission},
    slack::SlackServer,
    telegram::TelegramServer,
};
use serde_json::Value;
use tempfile::TempDir;

/// A home with these settings, beside which no agent is in reach.
struct Home(TempDir);

/// What `doctor` said: its exit code, and each finding by its name.
struct Said {
    exit: i32,
    rows: Vec<(String, bool, String)>,
    all: String,
}

impl Home {
    fn new(settings: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::write(home.file(), settings).unwrap();
        home
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("kanban.toml")
    }

    /// Runs it beside the servers, which this thread must not hold up.
    async fn doctor(&self, more: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kanban"));
        command.args(["doctor", "--json"]).args(more).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("KANBAN_HOME", self.0.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let text_of = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        Said {
            exit: output.status.code().unwrap(),
            rows: rows
                .iter()
                .map(|row| (text_of(row, "check"), row["ok"].as_bool().unwrap(), text_of(row, "detail")))
                .collect(),
            all: text,
        }
    }
}

impl Said {
    #[track_caller]
    fn good(&self, check: &str) -> &str {
        self.row(check, true)
    }

    #[track_caller]
    fn bad(&self, check: &str) -> &str {
        assert_eq!(self.exit, 1, "{}", self.all);
        self.row(check, false)
    }

    #[track_caller]
    fn row(&self, check: &str, is_good: bool) -> &str {
        let found = self.rows.iter().find(|(name, ..)| name == check);
        let Some((_, is, detail)) = found else { panic!("no `{check}` in {:#?}", self.rows) };
        assert_eq!(*is, is_good, "{check}: {detail}");
        detail
    }
}

/// What stands in each text, which fails with the text itself.
#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` should be in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_can_be_nobody_there_is_told() {
    let settings = "[platforms.telegram]\napi_base = \"http://127.0.0.1:9\"\ntoken = \"1:canary\"\n\
                    [access]\nowners = [\"telegram:7\", \"telegram:@ann\"]\n";
    let said = Home::new(settings).doctor(&[]).await;
    has(said.bad("telegram access"), &["`telegram:@ann`", "digits", "`telegram:123456789`"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_are_as_they_should_be_need_nobody() {
    let (discord, telegram, slack) =
        tokio::join!(DiscordServer::start(), TelegramServer::start(), SlackServer::start());
    let servers: [&dyn Server; 3] = [&*discord, &*telegram, &*slack];
    let people: Vec<_> = servers.iter().map(|server| format!("\"{}\"", server.person("ada"))).collect();
    let settings: String = servers.iter().map(|server| server.settings()).collect();
    let home = Home::new(&format!("{settings}\n[access]\nowners = [{}]\n", people.join(", ")));
    let places = servers.map(|server| server.channel("general").to_string());
    let arguments: Vec<&str> = places.iter().flat_map(|place| ["--channel", place.as_str()]).collect();
    let said = home.doctor(&arguments).await;
    for check in
        ["discord token", "discord intents", "discord commands", "telegram token", "telegram updates", "telegram menu"]
    {
        said.good(check);
    }
    for check in ["slack token", "slack scopes", "slack websocket", "discord access", "telegram access", "slack access"]
    {
        said.good(check);
    }
    for (server, place) in servers.iter().zip(servers.map(|server| server.channel("general"))) {
        let word = if server.kind() == "telegram" { "chat" } else { "channel" };
        said.good(&format!("{} {word} {}", server.kind(), place.channel));
    }
    assert_eq!(said.exit, 0, "{:#?}", said.rows);
    for secret in [telegram.token(), slack.bot_token(), slack.app_token()] {
        assert!(!said.all.contains(secret), "{}", said.all);
    }
    // Nobody is to see anything of it.
    for server in servers {
        assert_eq!(server.wire().wrong(), [""; 0], "{}", server.kind());
        assert!(server.seen(&server.channel("general")).is_empty(), "{}", server.kind());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_discord_lacks_is_said_with_what_to_click() {
    let server = DiscordServer::with(discord::Options { message_content: true, ..discord::Options::default() }).await;
    server.grant_message_content(false);
    let (place, other) = (server.channel("general"), server.channel("hidden"));
    server.remove_permission(&place, Permission::CreatePublicThreads);
    server.remove_permission(&place, Permission::AttachFiles);
    server.kill_channel(&other);
    let home = Home::new(&format!("{}message_content = true\n", server.settings()));
    let (place, other) = (place.to_string(), other.to_string());
    let said =
        home.doctor(&["--channel", &place, "--channel", &other, "--channel", "telegram:1", "--channel", "7"]).await;
    has(said.bad("discord intents"), &["Message Content Intent", "page `Bot`"]);
    let id = place.strip_prefix("discord:").unwrap();
    has(
        said.bad(&format!("discord channel {id}")),
        &["`Create Public Threads`, `Attach Files` missing", "Edit Channel"],
    );
    let id = other.strip_prefix("discord:").unwrap();
    has(said.bad(&format!("discord channel {id}")), &["View Channels", "https://discord.com/oauth2/authorize"]);
    has(said.bad("channel telegram:1"), &["there is no account `telegram`", "`discord`"]);
    has(said.bad("channel 7"), &["discord:123456789012345678"]);
    has(said.bad("discord access"), &["kanban pair"]);

    let wrong = server.settings().lines().map(with_wrong_token).collect::<Vec<_>>().join("\n");
    let said = Home::new(&wrong).doctor(&[]).await;
    has(said.bad("discord token"), &["Reset Token"]);
    assert!(!said.all.contains("canary"), "{}", said.all);
}

/// The answer to a call with this body.
fn posted(base: &str, path: &str, body: &str) -> String {
    let host = base.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let (kind, length) = ("application/json", body.len());
    write!(stream, "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn with_wrong_token(line: &str) -> String {
    match line.split_once(" = ") {
        Some((key @ "token", _)) => format!("{key} = \"123456:canary-wrong-token\""),
        Some((key @ "bot_token", _)) => format!("{key} = \"xoxb-canary-wrong-token\""),
        Some((key @ "app_token", _)) => format!("{key} = \"xapp-canary-wrong-token\""),
        _ => line.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_telegram_lacks_is_said_with_what_to_click() {
    let server = TelegramServer::start().await;
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Another program's webhook, as one left behind would be.
    let call = format!("/bot{}/setWebhook", server.token());
    let base = server.api_base().to_owned();
    let body = r#"{"url": "https://other.example.org/hidden-path"}"#;
    let set = tokio::task::spawn_blocking(move || posted(&base, &call, body)).await.unwrap();
    assert!(set.starts_with("HTTP/1.1 200"), "{set}");
    let said =
        Home::new(&server.settings()).doctor(&["--channel", "telegram:-100777", "--channel", "telegram:here"]).await;
    let webhook = said.bad("telegram updates");
    has(webhook, &["`other.example.org`", "mode = \"polling\""]);
    assert!(!webhook.contains("hidden-path"), "{webhook}");
    has(said.bad("telegram chat -100777"), &["chat not found", "add @"]);
    has(said.bad("telegram chat here"), &["telegram:-1001234567890"]);
    let as_webhook = server.webhook_settings(listen, "secret");
    said.good("telegram token");
    let said = Home::new(&as_webhook).doctor(&[]).await;
    said.good("telegram updates");

    let wrong = server.settings().lines().map(with_wrong_token).collect::<Vec<_>>().join("\n");
    let said = Home::new(&wrong).doctor(&[]).await;
    has(said.bad("telegram token"), &["@BotFather", "/token"]);
    assert!(!said.all.contains("canary"), "{}", said.all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_slack_lacks_is_said_with_what_to_click() {
    let server = SlackServer::start().await;
    server.revoke_scope("files:write");
    server.revoke_scope("users:read");
    let place = server.channel("general");
    server.set_member(&place, false);
    let home = Home::new(&server.settings());
    let said = home.doctor(&["--channel", &place.to_string(), "--channel", "slack:C404"]).await;
    has(
        said.bad("slack scopes"),
        &["`files:write`, `users:read` missing", "OAuth & Permissions", "Reinstall to Workspace"],
    );
    has(said.bad(&format!("slack channel {}", place.channel)), &["/invite @"]);
    has(said.bad("slack channel C404"), &["channel_not_found"]);
    said.good("slack websocket");

    let app = server.settings().replace(server.app_token(), server.bot_token());
    let said = Home::new(&app).doctor(&[]).await;
    has(said.bad("slack websocket"), &["connections:write", "Basic Information"]);
    said.good("slack token");
    let wrong = server.settings().lines().map(with_wrong_token).collect::<Vec<_>>().join("\n");
    let said = Home::new(&wrong).doctor(&[]).await;
    has(said.bad("slack token"), &["Install App"]);
    assert!(!said.all.contains("canary"), "{}", said.all);
    server.revoke_token();
    has(home.doctor(&[]).await.bad("slack token"), &["token_revoked"]);
}

/// Nobody listens, somebody listens and says nothing, and somebody breaks off: each is a finding, and all come in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn platforms_that_do_not_answer_are_findings_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    // A port that is free again.
    let dead = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let broken = TelegramServer::start().await;
    broken.wire().trouble("getMe", [Trouble::Break]);
    let settings = format!(
        "[platforms.discord]\ntoken = \"canary\"\napi_base = \"{base}\"\n\
         [platforms.slack]\nbot_token = \"xoxb-canary\"\napp_token = \"xapp-canary\"\napi_base = \"{base}\"\n\
         [platforms.slack.dead]\nbot_token = \"xoxb-canary-2\"\napp_token = \"xapp-canary-2\"\napi_base = \"{dead}\"\n\
         [platforms.telegram.dead]\ntoken = \"1:canary\"\napi_base = \"{dead}\"\n{}",
        broken.settings()
    );
    let began = Instant::now();
    let said = Home::new(&settings).doctor(&[]).await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    has(said.bad("discord token"), &["it took too long"]);
    has(said.bad("slack token"), &["has not answered within 8 s"]);
    has(said.bad("slack.dead token"), &["cannot be reached"]);
    has(said.bad("telegram.dead token"), &["does not answer as it should"]);
    said.bad("telegram token");
    assert!(!said.all.contains("canary"), "{}", said.all);
}

#[test]
fn a_file_with_a_token_that_others_can_read_is_told() {
    let home = Home::new("");
    let token = home.0.path().join("a token");
    fs::write(&token, "1:canary").unwrap();
    let settings = |mode: u32| {
        fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let text =
            format!("[platforms.telegram]\napi_base = \"http://127.0.0.1:9\"\ntoken_file = \"{}\"\n", token.display());
        fs::write(home.file(), text).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(home.doctor(&[]))
    };
    has(settings(0o644).bad("telegram secrets"), &["chmod 600"]);
    assert!(settings(0o600).rows.iter().all(|(check, ..)| check != "telegram secrets"));
}
