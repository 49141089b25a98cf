//! The chat platforms: each configured account is built once, and runs again whenever it breaks.

use std::{sync::Arc, time::Duration};

use kanban_platform::{Commands, Platform, PlatformError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    random,
    settings::{Account, DiscordSettings, Platforms, Settings, SlackSettings, TelegramSettings},
};

/// The first wait before a platform that broke runs again; it doubles, to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long a platform waits whose settings or permissions are wrong: somebody may mend them on the platform's side.
const MENDING: Duration = Duration::from_secs(300);

/// A run of this length was a good one: the waits begin anew.
const GOOD_RUN: Duration = Duration::from_secs(120);

/// An account's platform, or why there is none.
pub type Built = Result<Arc<dyn Platform>, PlatformError>;

/// Builds every platform that is configured. One that cannot be built is logged and left out.
pub fn build(settings: &Settings, clock: &Clock) -> Vec<Arc<dyn Platform>> {
    for kind in settings.platforms.kinds() {
        if !settings.access.names_anybody_on(kind) {
            tracing::warn!(
                "nobody on {kind} may do anything by the settings: `kanban pair` prints a code that makes whoever sends it to the bot an owner, and `[access]` names people, as in `owners = [\"{kind}:{}\"]`",
                if kind == "slack" { "T0123/U0123" } else { "1234567890" }
            );
        }
    }
    each(settings, clock)
        .into_iter()
        .filter_map(|(name, built)| match built {
            Ok(platform) => Some(platform),
            Err(error) => {
                tracing::error!(%error, "{name} cannot be used");
                None
            }
        })
        .collect()
}

/// Each account that is configured, by its name, built or with why it cannot be. Nothing is called yet.
pub fn each(settings: &Settings, clock: &Clock) -> Vec<(String, Built)> {
    let Platforms { discord, telegram, slack } = &settings.platforms;
    let discord = discord.iter().map(|account| (account.name.clone(), build_discord(account, clock)));
    let telegram = telegram.iter().map(|account| (account.name.clone(), build_telegram(account, clock)));
    let slack = slack.iter().map(|account| (account.name.clone(), build_slack(account, clock)));
    discord.chain(telegram).chain(slack).collect()
}

/// Runs a platform until shutdown, again and again whenever it breaks.
pub(super) async fn supervise(platform: Arc<dyn Platform>, commands: Arc<dyn Commands>, shutdown: CancellationToken) {
    let name = platform.name().to_owned();
    let mut wait = FIRST_WAIT;
    loop {
        let began = Instant::now();
        // In a task of its own, so that a fault of a client takes nothing else down.
        let run = tokio::spawn({
            let (platform, commands, shutdown) = (Arc::clone(&platform), Arc::clone(&commands), shutdown.clone());
            async move { platform.run(commands, shutdown).await }
        });
        let ended = run.await.unwrap_or_else(|error| Err(PlatformError::Broken(error.to_string())));
        if shutdown.is_cancelled() {
            return;
        }
        if began.elapsed() >= GOOD_RUN {
            wait = FIRST_WAIT;
        }
        let pause = match ended {
            Ok(()) => wait,
            Err(PlatformError::Broken(error)) => {
                tracing::warn!(%error, "{name} broke off; it is connected again in {} s", wait.as_secs());
                wait
            }
            Err(PlatformError::Misconfigured(error)) => {
                tracing::error!(%error, "{name} cannot be used as it is; it is tried again in {} s", MENDING.as_secs());
                MENDING
            }
        };
        let jitter = pause / 4 * u32::from(random::bytes::<1>()[0]) / 255;
        tokio::select! {
            () = sleep(pause + jitter) => {}
            () = shutdown.cancelled() => return,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

#[cfg(feature = "discord")]
fn build_discord(account: &Account<DiscordSettings>, clock: &Clock) -> Result<Arc<dyn Platform>, PlatformError> {
    let settings = &account.settings;
    Ok(kanban_discord::Discord::new(kanban_discord::Options {
        name: account.name.clone(),
        token: exposed(settings.token.as_ref()).unwrap_or_default(),
        api_base: settings.api_base.as_ref().map(|base| base.as_str().to_owned()),
        guilds: settings.guilds.iter().map(|guild| guild.as_str().to_owned()).collect(),
        message_content: settings.message_content,
        now: now(clock),
    })?)
}

#[cfg(feature = "telegram")]
fn build_telegram(account: &Account<TelegramSettings>, _clock: &Clock) -> Result<Arc<dyn Platform>, PlatformError> {
    use crate::settings::TelegramMode;

    let settings = &account.settings;
    Ok(kanban_telegram::Telegram::new(kanban_telegram::Options {
        name: account.name.clone(),
        token: exposed(settings.token.as_ref()).unwrap_or_default(),
        api_base: settings.api_base.as_ref().map(|base| base.as_str().to_owned()),
        mode: match settings.mode {
            TelegramMode::Polling => kanban_telegram::Mode::Polling,
            TelegramMode::Webhook => kanban_telegram::Mode::Webhook,
        },
        listen: settings.listen,
        webhook_url: settings.webhook_url.as_ref().map(|url| url.as_str().to_owned()),
        webhook_secret: exposed(settings.webhook_secret.as_ref()),
    })?)
}

#[cfg(feature = "slack")]
fn build_slack(account: &Account<SlackSettings>, clock: &Clock) -> Result<Arc<dyn Platform>, PlatformError> {
    use crate::settings::SlackMode;

    let settings = &account.settings;
    Ok(kanban_slack::Slack::new(kanban_slack::Options {
        name: account.name.clone(),
        bot_token: exposed(settings.bot_token.as_ref()).unwrap_or_default(),
        app_token: exposed(settings.app_token.as_ref()),
        signing_secret: exposed(settings.signing_secret.as_ref()),
        api_base: settings.api_base.as_ref().map(|base| base.as_str().to_owned()),
        mode: match settings.mode {
            SlackMode::Socket => kanban_slack::Mode::Socket,
            SlackMode::Http => kanban_slack::Mode::Http,
        },
        listen: settings.listen.map(|listen| listen.to_string()),
        now: now(clock),
    })?)
}

/// The one place where a platform's secrets are handed over.
#[cfg(any(feature = "discord", feature = "telegram", feature = "slack"))]
fn exposed(secret: Option<&crate::secret::Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

#[cfg(any(feature = "discord", feature = "slack"))]
fn now(clock: &Clock) -> Box<dyn Fn() -> i64 + Send + Sync> {
    let clock = clock.clone();
    Box::new(move || clock.now())
}

#[cfg(not(feature = "discord"))]
fn build_discord(_account: &Account<DiscordSettings>, _clock: &Clock) -> Result<Arc<dyn Platform>, PlatformError> {
    Err(PlatformError::Misconfigured("this program was built without Discord".to_owned()))
}

#[cfg(not(feature = "telegram"))]
fn build_telegram(_account: &Account<TelegramSettings>, _clock: &Clock) -> Result<Arc<dyn Platform>, PlatformError> {
    Err(PlatformError::Misconfigured("this program was built without Telegram".to_owned()))
}

#[cfg(not(feature = "slack"))]
fn build_slack(_account: &Account<SlackSettings>, _clock: &Clock) -> Result<Arc<dyn Platform>, PlatformError> {
    Err(PlatformError::Misconfigured("this program was built without Slack".to_owned()))
}
