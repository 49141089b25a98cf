//! What a call that failed at the start means for the platform.

use kanban_platform::PlatformError;

use crate::api::{Fault, Refusal};

pub(crate) fn startup(platform: &str, fault: &Fault) -> PlatformError {
    match fault {
        Fault::No(Refusal { code: 401 | 404, .. }) => PlatformError::Misconfigured(format!(
            "Telegram does not know the bot's token ({fault}): ask @BotFather for it with /token, and set `token` in \
             [platforms.{platform}] to what it answers; with `api_base`, check that address too"
        )),
        Fault::No(_) | Fault::NotSent(_) | Fault::Unclear(_) => {
            PlatformError::Broken(format!("Telegram does not answer as it should: {fault}"))
        }
    }
}
