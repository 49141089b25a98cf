//! The chat platforms that the gateway connects to, each with one or several accounts.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use config::{Map, Value, ValueKind};
use serde_json::{Value as Json, json};

use super::{
    choice::choice,
    layers,
    section::{Findings, Reader, Section, section, table_of},
    value::{Form, Setting, text_of, unexpected},
};
use crate::secret::Secret;

section! {
    /// A Discord bot. A further one is `[platforms.discord.NAME]`, with the same keys.
    pub struct DiscordSettings {
        /// The bot's token.
        token: Option<Secret> = None,
        /// A file that holds the token.
        token_file: Option<SecretFile> = None,
        /// Another server that speaks Discord's HTTP API.
        api_base: Option<Address> = None,
        /// Register the commands in these servers alone, where they appear at once, in place of everywhere.
        guilds: Vec<Name> = Vec::new(),
        /// Read every message of the channels that the bot sees. Needs the Message Content Intent; without it the bot hears commands, mentions, replies to it and direct messages.
        message_content: bool = false,
    }
}

choice! {
    /// How updates come from Telegram.
    pub enum TelegramMode {
        /// The gateway asks for them.
        Polling = "polling",
        /// Telegram sends them to `webhook_url`.
        Webhook = "webhook",
    }
}

section! {
    /// A Telegram bot. A further one is `[platforms.telegram.NAME]`, with the same keys.
    pub struct TelegramSettings {
        /// The bot's token.
        token: Option<Secret> = None,
        /// A file that holds the token.
        token_file: Option<SecretFile> = None,
        /// Another server that speaks the Bot API.
        api_base: Option<Address> = None,
        /// How updates come in.
        mode: TelegramMode = TelegramMode::Polling,
        /// The address on which webhook requests are taken, behind a proxy that holds the certificate.
        listen: Option<SocketAddr> = None,
        /// The public `https` address of `listen`.
        webhook_url: Option<Address> = None,
        /// What Telegram proves itself with: 1 to 256 of `A-Z`, `a-z`, `0-9`, `_`, `-`.
        webhook_secret: Option<Secret> = None,
        /// A file that holds the webhook's secret.
        webhook_secret_file: Option<SecretFile> = None,
    }
}

choice! {
    /// How requests come from Slack.
    pub enum SlackMode {
        /// Over websockets that the gateway opens.
        Socket = "socket",
        /// As signed requests to `listen`.
        Http = "http",
    }
}

section! {
    /// A Slack workspace. A further one is `[platforms.slack.NAME]`, with the same keys.
    pub struct SlackSettings {
        /// The bot's token, which begins with `xoxb-`.
        bot_token: Option<Secret> = None,
        /// A file that holds the bot's token.
        bot_token_file: Option<SecretFile> = None,
        /// The app's token for Socket Mode, which begins with `xapp-`.
        app_token: Option<Secret> = None,
        /// A file that holds the app's token.
        app_token_file: Option<SecretFile> = None,
        /// The secret that Slack signs requests with, for `mode = "http"`.
        signing_secret: Option<Secret> = None,
        /// A file that holds the signing secret.
        signing_secret_file: Option<SecretFile> = None,
        /// Another server that speaks Slack's Web API.
        api_base: Option<Address> = None,
        /// How requests come in.
        mode: SlackMode = SlackMode::Socket,
        /// The address on which signed requests are taken: commands, actions and events on any path.
        listen: Option<SocketAddr> = None,
    }
}

/// One bot on one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Account<S> {
    /// What threads carry as their platform: `slack`, or `slack.acme`.
    pub name: String,
    pub settings: S,
}

/// Every bot that is configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Platforms {
    pub discord: Vec<Account<DiscordSettings>>,
    pub telegram: Vec<Account<TelegramSettings>>,
    pub slack: Vec<Account<SlackSettings>>,
}

impl Platforms {
    pub(super) fn read(merged: &Map<String, Value>, findings: &mut Findings) -> Self {
        let discord = accounts::<DiscordSettings>(merged, "discord", findings, |settings, reader| {
            settings.token = resolve(reader, "token", settings.token.take(), settings.token_file.as_ref(), true);
        });
        let telegram = accounts::<TelegramSettings>(merged, "telegram", findings, |settings, reader| {
            settings.token = resolve(reader, "token", settings.token.take(), settings.token_file.as_ref(), true);
            let is_webhook = settings.mode == TelegramMode::Webhook;
            let file = settings.webhook_secret_file.as_ref();
            settings.webhook_secret =
                resolve(reader, "webhook_secret", settings.webhook_secret.take(), file, is_webhook);
            if is_webhook && settings.listen.is_none() {
                reader.refuse(
                    "listen",
                    "is missing, expected the address for webhook requests, as in `\"127.0.0.1:8443\"`",
                );
            }
            if is_webhook && settings.webhook_url.is_none() {
                reader.refuse(
                    "webhook_url",
                    "is missing, expected the public address of `listen`, as in `\"https://bot.example.org/telegram\"`",
                );
            }
        });
        let slack = accounts::<SlackSettings>(merged, "slack", findings, |settings, reader| {
            let is_http = settings.mode == SlackMode::Http;
            let file = settings.bot_token_file.as_ref();
            settings.bot_token = resolve(reader, "bot_token", settings.bot_token.take(), file, true);
            let file = settings.app_token_file.as_ref();
            settings.app_token = resolve(reader, "app_token", settings.app_token.take(), file, !is_http);
            let file = settings.signing_secret_file.as_ref();
            settings.signing_secret = resolve(reader, "signing_secret", settings.signing_secret.take(), file, is_http);
            if is_http && settings.listen.is_none() {
                reader.refuse(
                    "listen",
                    "is missing, expected the address for signed requests, as in `\"127.0.0.1:3000\"`",
                );
            }
        });
        refuse_twins(
            findings,
            discord.iter().map(|account| Bot {
                name: &account.name,
                token: account.settings.token.as_ref(),
                base: account.settings.api_base.as_ref(),
            }),
        );
        refuse_twins(
            findings,
            telegram.iter().map(|account| Bot {
                name: &account.name,
                token: account.settings.token.as_ref(),
                base: account.settings.api_base.as_ref(),
            }),
        );
        refuse_twins(
            findings,
            slack.iter().map(|account| Bot {
                name: &account.name,
                token: account.settings.bot_token.as_ref(),
                base: account.settings.api_base.as_ref(),
            }),
        );
        Self { discord, telegram, slack }
    }

    /// Every file that a token or a secret was read from, with the name of its account.
    pub fn secret_files(&self) -> impl Iterator<Item = (&str, &Path)> {
        let discord = self.discord.iter().map(|account| (&account.name, vec![&account.settings.token_file]));
        let telegram = self
            .telegram
            .iter()
            .map(|account| (&account.name, vec![&account.settings.token_file, &account.settings.webhook_secret_file]));
        let slack = self.slack.iter().map(|account| {
            let settings = &account.settings;
            (&account.name, vec![&settings.bot_token_file, &settings.app_token_file, &settings.signing_secret_file])
        });
        let files = discord
            .chain(telegram)
            .chain(slack)
            .flat_map(|(name, files)| files.into_iter().map(move |file| (name, file)));
        files.filter_map(|(name, file)| Some((name.as_str(), file.as_ref()?.0.as_path())))
    }

    /// Every token and secret of every account.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let discord = self.discord.iter().map(|account| &account.settings.token);
        let telegram =
            self.telegram.iter().flat_map(|account| [&account.settings.token, &account.settings.webhook_secret]);
        let slack = self.slack.iter().flat_map(|account| {
            [&account.settings.bot_token, &account.settings.app_token, &account.settings.signing_secret]
        });
        discord.chain(telegram).chain(slack).flatten()
    }

    /// The kinds of platforms that have an account.
    pub fn kinds(&self) -> Vec<&'static str> {
        let has = [
            ("discord", !self.discord.is_empty()),
            ("telegram", !self.telegram.is_empty()),
            ("slack", !self.slack.is_empty()),
        ];
        has.into_iter().filter_map(|(kind, has)| has.then_some(kind)).collect()
    }
}

/// The accounts of a platform: the table itself where it has keys of its own, and each table below it.
fn accounts<S: Section>(
    merged: &Map<String, Value>,
    kind: &'static str,
    findings: &mut Findings,
    check: impl Fn(&mut S, &mut Reader<'_>),
) -> Vec<Account<S>> {
    let Some(table) = merged.get("platforms").and_then(table_of).and_then(|all| all.get(kind)).and_then(table_of)
    else {
        return Vec::new();
    };
    let mut accounts = Vec::new();
    let mut add = |name: String, path: &[&str], findings: &mut Findings| {
        let mut reader = Reader::at(merged, path, findings);
        let mut settings = S::read(&mut reader);
        check(&mut settings, &mut reader);
        accounts.push(Account { name, settings });
    };
    let is_account = |key: &str| !S::FIELDS.iter().any(|field| field.key == key);
    // An empty table is an account whose keys are missing.
    if table.is_empty() || table.keys().any(|key| !is_account(key)) {
        add(kind.to_owned(), &["platforms", kind], findings);
    }
    // What is no table is a key that is not known, and was refused as such.
    for name in layers::names_in(table).into_iter().filter(|name| is_account(name) && table_of(&table[*name]).is_some())
    {
        if !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            add(format!("{kind}.{name}"), &["platforms", kind, name], findings);
        } else {
            let reason = "a name of an account has small letters, digits and `-`, as in `acme-2`";
            Reader::at(merged, &["platforms", kind], findings).refuse(name, reason);
        }
    }
    accounts
}

/// What one account is on its server.
#[derive(Clone, Copy)]
struct Bot<'a> {
    name: &'a str,
    token: Option<&'a Secret>,
    base: Option<&'a Address>,
}

/// Refuses one bot under two names: it would act on everything twice.
fn refuse_twins<'a>(findings: &mut Findings, bots: impl Iterator<Item = Bot<'a>>) {
    let mut known: Vec<Bot<'a>> = Vec::new();
    for bot in bots.filter(|bot| bot.token.is_some()) {
        if let Some(twin) = known.iter().find(|other| other.token == bot.token && other.base == bot.base) {
            findings.problems.push(format!(
                "`platforms.{}` has the same token as `platforms.{}`, expected a bot of its own for each account",
                bot.name, twin.name
            ));
        }
        known.push(bot);
    }
}

/// A secret that is given, or read from the file that is given.
fn resolve(
    reader: &mut Reader<'_>,
    key: &str,
    given: Option<Secret>,
    file: Option<&SecretFile>,
    is_needed: bool,
) -> Option<Secret> {
    match (given, file) {
        (Some(_), Some(_)) => {
            reader.refuse(key, &format!("is given, and so is `{key}_file`, expected one of them"));
            None
        }
        (Some(secret), None) => Some(secret),
        (None, Some(SecretFile(path))) => match read_secret(path) {
            Ok(secret) => Some(secret),
            Err(reason) => {
                reader.refuse(&format!("{key}_file"), &reason);
                None
            }
        },
        (None, None) => {
            // What is given and wrong was refused as such.
            if is_needed && !reader.is_given(key) && !reader.is_given(&format!("{key}_file")) {
                reader.refuse(key, &format!("is missing, expected it here, in `{key}_file`, or in the environment"));
            }
            None
        }
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("`{}` is empty, expected the secret on its first line", path.display())),
        text => Ok(Secret::new(text)),
    }
}

impl Setting for Secret {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "a secret text".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) if !text.trim().is_empty() => Ok(Self::new(text.trim())),
            // What was got is not named, as it may be the secret.
            _ => Err(format!("got something else, expected {}", Self::expected())),
        }
    }

    fn shown(&self) -> Json {
        json!("(set)")
    }
}

/// A file whose content is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl Setting for SecretFile {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "an absolute path of a file, as in `\"/run/secrets/discord\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let path = PathBuf::from(text_of::<Self>(value)?);
        // What was got is not named, as it may be the secret itself.
        if path.is_absolute() {
            Ok(Self(path))
        } else {
            Err(format!("got something else, expected {}", Self::expected()))
        }
    }

    fn shown(&self) -> Json {
        self.0.to_string_lossy().into()
    }
}

/// An `http` or `https` address, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Address {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "an address, as in `\"https://chat.example.org\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = text_of::<Self>(value)?.trim_end_matches('/');
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if rest.is_some_and(|rest| rest.split('/').next().is_some_and(|host| host.contains('@'))) {
            return Err(format!("got an address with a name or a password in it, expected {}", Self::expected()));
        }
        match rest {
            Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(unexpected::<Self>(value)),
        }
    }

    fn shown(&self) -> Json {
        self.0.clone().into()
    }
}

/// A plain word, such as an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Name {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "an id, as in `\"1234567890\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = text_of::<Self>(value)?;
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_plain { Ok(Self(text.to_owned())) } else { Err(unexpected::<Self>(value)) }
    }

    fn shown(&self) -> Json {
        self.0.clone().into()
    }
}

impl Setting for SocketAddr {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "an address and a port, as in `\"127.0.0.1:8443\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse().map_err(|_| unexpected::<Self>(value))
    }

    fn shown(&self) -> Json {
        self.to_string().into()
    }
}
