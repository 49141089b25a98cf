//! Asking the person at the terminal. What is secret is not shown while it is typed.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Plan, Slack, SlackRoad, papers::SECRETS};
use crate::settings::misformed;

/// What a token looks like, and whether one does.
struct Form {
    expected: &'static str,
    is_kept: fn(&str) -> bool,
}

const DISCORD: Form = Form {
    expected: "three parts of letters, digits, `_` and `-` with a dot between each, as the page Bot shows it",
    is_kept: |token| token.split('.').count() == 3 && token.split('.').all(is_code),
};
const TELEGRAM: Form = Form {
    expected: "the form `123456:ABC-def` that @BotFather gives out",
    is_kept: |token| {
        let parts = token.split_once(':');
        parts.is_some_and(|(id, code)| id.bytes().all(|byte| byte.is_ascii_digit()) && is_code(id) && is_code(code))
    },
};
const SLACK_BOT: Form = Form {
    expected: "one that begins with `xoxb-`, from the page Install App",
    is_kept: |token| token.strip_prefix("xoxb-").is_some_and(is_code),
};
const SLACK_APP: Form = Form {
    expected: "one that begins with `xapp-`, from the page Basic Information",
    is_kept: |token| token.strip_prefix("xapp-").is_some_and(is_code),
};

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Questions on standard error, and the answers on standard input.
pub(super) struct Questions {
    input: io::Stdin,
    is_terminal: bool,
}

impl Questions {
    pub(super) fn at_standard_input() -> Self {
        let input = io::stdin();
        let is_terminal = input.is_terminal();
        Self { input, is_terminal }
    }

    /// Asks for what the options have not said. An answer of nothing leaves a thing out.
    pub(super) fn ask(&self, home: &Path, plan: &mut Plan) -> Result<(), String> {
        say("An empty answer leaves a thing out; it can be added later. Tokens are not shown while you type.\n")?;
        let secret = |name: &str| home.join(SECRETS).join(name);
        if plan.discord.is_none() {
            let question = "Discord: the bot's token (discord.com/developers/applications, page Bot): ";
            plan.discord = self.token(question, &DISCORD, secret("discord.token"), plan)?;
        }
        self.owner(plan, plan.discord.is_some(), "discord", "your user id there (a long number)")?;
        if plan.telegram.is_none() {
            let question = "Telegram: the bot's token (write /newbot to @BotFather): ";
            plan.telegram = self.token(question, &TELEGRAM, secret("telegram.token"), plan)?;
        }
        self.owner(plan, plan.telegram.is_some(), "telegram", "your user id there (a number)")?;
        if plan.slack.is_none() {
            self.slack(secret("slack-bot.token"), secret("slack-app.token"), plan)?;
        }
        self.owner(plan, plan.slack.is_some(), "slack", "your ids there, as in T0123/U0123")
    }

    fn slack(&self, bot_file: PathBuf, app_file: PathBuf, plan: &mut Plan) -> Result<(), String> {
        let question = "Slack: the bot's token (page Install App, it begins with xoxb-): ";
        let Some(bot_token) = self.token(question, &SLACK_BOT, bot_file, plan)? else { return Ok(()) };
        let question = "Slack: the app's token (page Basic Information, it begins with xapp-): ";
        match self.token(question, &SLACK_APP, app_file, plan)? {
            Some(app_token) => plan.slack = Some(Slack { bot_token, road: SlackRoad::Socket { app_token } }),
            None => {
                plan.typed.retain(|(file, _)| *file != bot_token);
                plan.left_out.push(
                    "Slack was left out: its websockets need the app's token too; where Slack calls this machine, use \
                     `--slack-bot-token-file` and `--slack-signing-secret-file`"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    fn owner(&self, plan: &mut Plan, is_on: bool, kind: &str, what: &str) -> Result<(), String> {
        let its = format!("{kind}:");
        if !is_on || plan.owners.iter().any(|owner| owner.starts_with(&its)) {
            return Ok(());
        }
        let mut wrong = None;
        loop {
            say(&format!("{kind}: {what}, if you are to decide there: "))?;
            let id = ended(self.line()?, wrong.as_deref())?;
            if id.is_empty() {
                return Ok(());
            }
            let who = if id.starts_with(&its) { id } else { format!("{its}{id}") };
            let Some(expected) = misformed(&who) else {
                plan.owners.push(who);
                return Ok(());
            };
            let sentence = format!("That can be nobody there: expected {expected}");
            say(&format!("{sentence}.\n"))?;
            wrong = Some(sentence);
        }
    }

    /// A token, which is to go to this file. One that cannot be one is asked for again, and not shown.
    fn token(&self, question: &str, form: &Form, file: PathBuf, plan: &mut Plan) -> Result<Option<PathBuf>, String> {
        let mut wrong = None;
        loop {
            let answer = if self.is_terminal {
                Some(self.hidden_line(question)?)
            } else {
                say(question)?;
                self.line()?
            };
            let token = ended(answer, wrong.as_deref())?;
            if token.is_empty() {
                return Ok(None);
            }
            if (form.is_kept)(&token) {
                plan.typed.push((file.clone(), token));
                return Ok(Some(file));
            }
            let sentence = format!("That is no such token: expected {}", form.expected);
            say(&format!("{sentence}.\n"))?;
            wrong = Some(sentence);
        }
    }

    /// A line; nothing where the input has ended.
    fn line(&self) -> Result<Option<String>, String> {
        let mut line = String::new();
        let count =
            self.input.lock().read_line(&mut line).map_err(|error| format!("the answer cannot be read: {error}"))?;
        Ok((count > 0).then(|| line.trim().to_owned()))
    }

    /// A line of a terminal that shows nothing meanwhile.
    fn hidden_line(&self, question: &str) -> Result<String, String> {
        let fault = |error: io::Error| format!("the answer cannot be read: {error}");
        let mut input = self.input.lock();
        let hidden = Hidden::begin(&self.input).map_err(fault)?;
        say(question)?;
        let mut typed = Vec::new();
        loop {
            let mut byte = [0];
            let count = input.read(&mut byte).map_err(fault)?;
            match byte[0] {
                _ if count == 0 => break,
                b'\r' | b'\n' => break,
                // Ctrl-C and Ctrl-D, which the terminal hands over as they are.
                0x03 | 0x04 => {
                    drop(hidden);
                    say("\n")?;
                    return Err("stopped; nothing was written".to_owned());
                }
                0x08 | 0x7f => drop(typed.pop()),
                // Ctrl-U begins anew.
                0x15 => typed.clear(),
                other => typed.push(other),
            }
        }
        drop(hidden);
        say("\n")?;
        let line = String::from_utf8(typed).map_err(|_| "a token has plain characters alone; nothing was written")?;
        Ok(line.trim().to_owned())
    }
}

/// A terminal that shows nothing of what is typed, until this goes.
struct Hidden<'i> {
    terminal: &'i io::Stdin,
    before: Termios,
}

impl<'i> Hidden<'i> {
    fn begin(terminal: &'i io::Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal.as_fd())?;
        let mut hidden = before.clone();
        // Without signals too: who is killed by one would leave a terminal behind that shows nothing.
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal.as_fd(), OptionalActions::Now, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal.as_fd(), OptionalActions::Now, &self.before);
    }
}

/// An answer. An input that ends leaves the rest out, unless what it said last was wrong.
fn ended(answer: Option<String>, wrong: Option<&str>) -> Result<String, String> {
    match (answer, wrong) {
        (Some(answer), _) => Ok(answer),
        (None, None) => Ok(String::new()),
        (None, Some(wrong)) => Err(format!("{wrong}; nothing was written")),
    }
}

fn say(text: &str) -> Result<(), String> {
    let mut out = io::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("nobody can be asked: {error}"))
}
