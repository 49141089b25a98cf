//! Serves one of the platforms for programs in other languages: `serve discord`, `serve slack`, `serve telegram`.
//!
//! The first line that it writes holds the platform's settings as JSON. Then each line that it reads is a person's
//! action or a test's question, `{"do": "says", "name": "ann", "place": …, "text": "hello"}`, and is answered with one
//! line: what the method of the same name of [`Server`] answers, or `{"error": …}`. It ends with its input.

mod discord;
mod order;
mod slack;
mod telegram;

use std::sync::Arc;

use kanban_fakes::{Server, Trouble, discord::DiscordServer, slack::SlackServer, telegram::TelegramServer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

use order::{Order, Outcome};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let served = match std::env::args().nth(1).unwrap_or_default().as_str() {
        "discord" => Served::Discord(discord::start().await),
        "slack" => Served::Slack(SlackServer::start().await),
        "telegram" => Served::Telegram(TelegramServer::start().await),
        other => {
            let words = format!("there is no platform `{other}`, but discord, slack and telegram");
            return Err(std::io::Error::other(words));
        }
    };
    say(&settings(served.server())).await?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let order = Order::read(&line)?;
        // An action that a person cannot do panics, in a task of its own.
        let served = served.clone();
        let outcome = tokio::spawn(async move { served.act(&order).await }).await;
        let outcome = outcome.unwrap_or_else(|panic| Err(panic.to_string()));
        say(&outcome.unwrap_or_else(|error| json!({ "error": error }))).await?;
    }
    Ok(())
}

#[derive(Clone)]
enum Served {
    Discord(Arc<DiscordServer>),
    Slack(Arc<SlackServer>),
    Telegram(Arc<TelegramServer>),
}

impl Served {
    fn server(&self) -> &dyn Server {
        match self {
            Self::Discord(server) => server.as_ref(),
            Self::Slack(server) => server.as_ref(),
            Self::Telegram(server) => server.as_ref(),
        }
    }

    /// Does what only this platform has, or else what all have.
    async fn act(&self, order: &Order) -> Outcome {
        let own = match self {
            Self::Discord(server) => discord::act(server, order).await?,
            Self::Slack(server) => slack::act(server, order).await?,
            Self::Telegram(server) => telegram::act(server, order)?,
        };
        match own {
            Some(answer) => Ok(answer),
            None => act(self.server(), order).await,
        }
    }
}

/// What all platforms have.
async fn act(server: &dyn Server, order: &Order) -> Outcome {
    let name = || order.text("name");
    let message = || order.text("message");
    let text = || order.text("text");
    Ok(match order.name() {
        "channel" => json!(server.channel(name()?)),
        "thread" => json!(server.thread(order.text("channel")?, name()?)),
        "connected" => {
            server.connected().await;
            Value::Null
        }
        "says" => json!(server.says(name()?, &order.place()?, text()?).await),
        "mentions" => json!(server.mentions(name()?, &order.place()?, text()?).await),
        "replies" => json!(server.replies(name()?, &order.place()?, message()?, text()?).await),
        "edits" => {
            server.edits(name()?, &order.place()?, message()?, text()?).await;
            Value::Null
        }
        "commands" => {
            server.commands(name()?, &order.place()?, &order.verb(), &order.fields()).await;
            Value::Null
        }
        "presses" => {
            server.presses(name()?, &order.place()?, message()?, order.text("label")?).await;
            Value::Null
        }
        "suggestions" => {
            let (place, verb) = (order.place()?, order.verb());
            json!(server.suggestions(name()?, &place, &verb, order.text("field")?, order.text("typed")?).await)
        }
        "seen" => seen(server, order)?,
        // As `seen`, once so many messages are there.
        "wait" => {
            let (place, count) = (order.place()?, order.count());
            let enough = || (server.seen(&place).len() >= count).then_some(());
            server.wire().wait_until(&format!("{count} messages in {place}"), enough).await;
            seen(server, order)?
        }
        // The next call of a route meets this.
        "trouble" => {
            let wait = order.time();
            let trouble = match order.text("meets")? {
                "too_many" => Trouble::TooMany(wait),
                "server_error" => Trouble::ServerError,
                "break" => Trouble::Break,
                "lose_answer" => Trouble::LoseAnswer,
                other => return Err(format!("there is no trouble `{other}`")),
            };
            server.wire().trouble(order.text("route")?, [trouble]);
            Value::Null
        }
        "calls" => {
            let calls = server.wire().calls();
            let call = |call: &kanban_fakes::Call| json!({ "route": call.route, "status": call.status, "is_early": call.is_early });
            calls.iter().map(call).collect()
        }
        "wrong" => json!(server.wire().wrong()),
        other => return Err(format!("there is nothing named `{other}`")),
    })
}

fn seen(server: &dyn Server, order: &Order) -> Outcome {
    let seen = server.seen(&order.place()?).into_iter().map(|seen| {
        json!({
            "id": seen.id, "is_ours": seen.is_ours, "text": seen.text, "buttons": seen.buttons, "earlier": seen.earlier,
            "private_to": seen.private_to, "reply_to": seen.reply_to, "files": seen.files, "pings": seen.pings,
        })
    });
    Ok(seen.collect())
}

/// The settings as one object: `key = "value"` of each line.
fn settings(server: &dyn Server) -> Value {
    let text = server.settings();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let pair = |(key, value): (&str, &str)| (key.trim().to_owned(), json!(value.trim().trim_matches('"')));
    Value::Object(pairs.map(pair).collect())
}

async fn say(answer: &Value) -> std::io::Result<()> {
    let mut out = stdout();
    out.write_all(format!("{answer}\n").as_bytes()).await?;
    out.flush().await
}
