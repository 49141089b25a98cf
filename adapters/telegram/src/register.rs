//! Putting the menus of commands where people see them.

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use kanban_platform::{Pace, Spec, Urgency};
use serde_json::Value;
use teloxide::{
    payloads::{GetMyCommands, SetMyCommands},
    types::{BotCommand, BotCommandScope, ChatId, Recipient},
};
use tokio::{sync::mpsc, time::sleep};

use crate::{
    api::{Api, Fault},
    menu::{NATIVE, languages, menu},
    pace::whole_bot,
};

/// How long to wait before menus are tried again, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// How long a call may wait for its turn: nobody waits for a menu.
const PATIENCE: Duration = Duration::from_secs(60);

/// Brings the menus of one bot up to date.
pub(crate) struct Menus {
    api: Arc<Api>,
    pace: Arc<Pace>,
    platform: String,
    /// The commands in each language; none where no other language fits.
    sets: Vec<(Option<String>, Vec<BotCommand>)>,
}

impl Menus {
    pub(crate) fn new(api: Arc<Api>, pace: Arc<Pace>, platform: String, spec: &Spec) -> Self {
        let commands = |language: &str| {
            menu(spec, language).into_iter().map(|(name, about)| BotCommand::new(name, about)).collect()
        };
        let others = languages(spec).into_iter().map(|code| {
            let set = commands(&code);
            (Some(code), set)
        });
        let sets = std::iter::once((None, commands(NATIVE))).chain(others).collect();
        Self { api, pace, platform, sets }
    }

    /// The names in them.
    pub(crate) fn commands(&self) -> HashSet<String> {
        self.sets.iter().flat_map(|(_, set)| set).map(|command| command.command.clone()).collect()
    }

    /// Sets the menus of all chats, then those of each forum that comes in: topics do not inherit the menu of groups.
    pub(crate) async fn tend(&self, forums: &mut mpsc::Receiver<i64>) -> Infallible {
        let mut wait = RETRY.0;
        while let Err(fault) = self.set_everywhere().await {
            tracing::warn!(platform = %self.platform, %fault, "the menus of commands cannot be set yet");
            sleep(asked(&fault).unwrap_or_default().max(wait)).await;
            wait = (wait * 2).min(RETRY.1);
        }
        while let Some(forum) = forums.recv().await {
            let scope = BotCommandScope::Chat { chat_id: Recipient::Id(ChatId(forum)) };
            if let Err(fault) = self.set(&scope).await {
                tracing::warn!(platform = %self.platform, chat = forum, %fault, "the menu of a forum cannot be set");
            }
        }
        std::future::pending().await
    }

    async fn set_everywhere(&self) -> Result<(), Fault> {
        for scope in [
            BotCommandScope::Default,
            BotCommandScope::AllPrivateChats,
            BotCommandScope::AllGroupChats,
            BotCommandScope::AllChatAdministrators,
        ] {
            self.set(&scope).await?;
        }
        Ok(())
    }

    /// Sets the menus of a scope that are not what they should be.
    async fn set(&self, scope: &BotCommandScope) -> Result<(), Fault> {
        for (language, wanted) in &self.sets {
            self.turn().await?;
            let get = GetMyCommands { scope: Some(scope.clone()), language_code: language.clone() };
            if read(self.api.call(&get).await?).as_ref() == Some(wanted) {
                continue;
            }
            self.turn().await?;
            let mut set = SetMyCommands::new(wanted.clone());
            set.scope = Some(scope.clone());
            set.language_code = language.clone();
            self.api.call(&set).await?;
        }
        Ok(())
    }

    async fn turn(&self) -> Result<(), Fault> {
        let turn = self.pace.turn(&[whole_bot()], Urgency::Card, PATIENCE).await;
        turn.map_err(|_| Fault::NotSent("too much else is being sent".to_owned()))
    }
}

/// For how long Telegram asks to leave it alone.
fn asked(fault: &Fault) -> Option<Duration> {
    match fault {
        Fault::No(refusal) => refusal.retry_after,
        Fault::NotSent(_) | Fault::Unclear(_) => None,
    }
}

fn read(result: Value) -> Option<Vec<BotCommand>> {
    serde_json::from_value(result).ok()
}
