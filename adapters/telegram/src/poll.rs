//! Long polling: asking for updates, with the offset kept together with them.

use std::{convert::Infallible, time::Duration};

use kanban_platform::{PlatformError, Position};
use serde::Serialize;
use serde_json::Value;
use teloxide::{payloads::DeleteWebhook, requests::Payload, types::Update};
use tokio::time::sleep;

use crate::{
    api::{Fault, Refusal},
    fault::startup,
    held::Held,
    inbound::Heard,
    intake::{ALLOWED_UPDATES, Hold, Intake},
    pieces::assemble,
};

/// The stream whose position is the offset.
const UPDATES: &str = "updates";

/// How long Telegram may hold a request back while there is nothing to tell.
const LONG_POLL: Duration = Duration::from_secs(15);

/// How much longer the answer may take before the connection counts as dead.
const GRACE: Duration = Duration::from_secs(7);

/// How often it is looked whether a long message goes on.
const NEXT_LOOK: Duration = Duration::from_millis(250);

/// How long to wait after a failure, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// After so many failures in a row they are told of again.
const REMIND: u32 = 20;

/// `getUpdates`, which teloxide asks for with types of updates that it knows.
#[derive(Serialize)]
struct GetUpdates {
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    timeout: u64,
    allowed_updates: [&'static str; 2],
}

impl Payload for GetUpdates {
    type Output = Vec<Update>;
    const NAME: &'static str = "GetUpdates";
}

/// Reads updates for as long as nobody must mend anything.
pub(crate) async fn poll(intake: &Intake) -> Result<Infallible, PlatformError> {
    let broken = |error: kanban_platform::NotKept| PlatformError::Broken(error.to_string());
    Held::load(intake).await.map_err(broken)?.hand_over(intake).await.map_err(broken)?;
    let stored = intake.position(UPDATES).await.map_err(broken)?;
    let mut offset = stored.and_then(|offset| offset.parse().ok());
    // Polling and a webhook exclude each other (getUpdates).
    delete_webhook(intake).await?;
    let mut failures = Failures::default();
    let mut hold = None;
    loop {
        let updates = match ask(intake, offset, hold.is_some()).await {
            Ok(updates) => updates,
            Err(fault) => {
                failures.wait(intake, fault).await?;
                continue;
            }
        };
        let mut heard: Vec<Heard> = updates.iter().filter_map(|raw| intake.ears.hear(raw)).collect();
        heard.sort_by_key(|heard| heard.update);
        let Some(last) = heard.last().map(|heard| heard.update) else {
            if !updates.is_empty() {
                failures.wait(intake, Fault::Unclear("updates without an id".to_owned())).await?;
            }
            hold = None;
            failures.over(intake);
            continue;
        };
        let ids: Vec<i64> = heard.iter().map(|heard| heard.update).collect();
        let assembly = assemble(heard, Hold::given_up(hold));
        // Also when it is lower than before: without updates for a week Telegram begins at another number.
        let next = ids.get(assembly.ready).copied().unwrap_or(last + 1);
        hold = Hold::after(hold, assembly.newest_open);
        if assembly.ready > 0 {
            let position = Position { stream: UPDATES.to_owned(), value: next.to_string() };
            // What is not kept is not confirmed: the same offset brings the same updates again.
            if let Err(error) = intake.keep(assembly, Some(position)).await {
                hold = None;
                failures.wait(intake, Fault::NotSent(error.to_string())).await?;
                continue;
            }
            offset = Some(next);
        }
        failures.over(intake);
        if hold.is_some() {
            sleep(NEXT_LOOK).await;
        }
    }
}

async fn ask(intake: &Intake, offset: Option<i64>, is_held: bool) -> Result<Vec<Value>, Fault> {
    let wait = if is_held { Duration::ZERO } else { LONG_POLL };
    let request = GetUpdates { offset, timeout: wait.as_secs(), allowed_updates: ALLOWED_UPDATES };
    match intake.api.call_within(&request, wait + GRACE).await? {
        Value::Array(updates) => Ok(updates),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(Fault::Unclear("the answer is no list of updates".to_owned()))
        }
    }
}

async fn delete_webhook(intake: &Intake) -> Result<(), PlatformError> {
    let deleted = intake.api.call(&DeleteWebhook::new()).await;
    deleted.map(drop).map_err(|fault| startup(intake.platform(), &fault))
}

/// Failures in a row.
#[derive(Default)]
struct Failures {
    count: u32,
}

impl Failures {
    /// Waits longer each time. Ends with what somebody must mend.
    async fn wait(&mut self, intake: &Intake, fault: Fault) -> Result<(), PlatformError> {
        let platform = intake.platform();
        let is_told = self.count.is_multiple_of(REMIND);
        let growing = RETRY.0.saturating_mul(1 << self.count.min(6)).min(RETRY.1);
        self.count += 1;
        let wait = match &fault {
            Fault::No(Refusal { code: 401 | 404, .. }) => return Err(startup(platform, &fault)),
            Fault::No(Refusal { code: 409, description, .. }) if description.contains("webhook") => {
                tracing::warn!(platform, "another program has set a webhook for this bot; it is taken away");
                delete_webhook(intake).await?;
                growing
            }
            Fault::No(Refusal { code: 409, .. }) => {
                if is_told {
                    tracing::warn!(
                        platform,
                        "another program reads the updates of this bot: only one may; trying again"
                    );
                }
                growing
            }
            Fault::No(refusal) => {
                tracing::warn!(platform, %fault, "Telegram does not give out updates; trying again");
                refusal.retry_after.unwrap_or(growing)
            }
            Fault::NotSent(_) | Fault::Unclear(_) => {
                if is_told {
                    tracing::warn!(platform, %fault, "no updates can be read from Telegram; trying again");
                }
                growing
            }
        };
        sleep(wait).await;
        Ok(())
    }

    fn over(&mut self, intake: &Intake) {
        if self.count > 0 {
            tracing::info!(platform = intake.platform(), failures = self.count, "updates are read again");
            self.count = 0;
        }
    }
}
