//! Asking the person at the terminal. What is secret is not shown while it is typed.

use std::{
    io::{self, BufRead, IsTerminal, Read, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Plan, Slack, SlackRoad, papers::SECRETS};

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
            plan.discord = self.token(question, secret("discord.token"), plan)?;
        }
        self.owner(plan, plan.discord.is_some(), "discord", "your user id there (a long number)")?;
        if plan.telegram.is_none() {
            let question = "Telegram: the bot's token (write /newbot to @BotFather): ";
            plan.telegram = self.token(question, secret("telegram.token"), plan)?;
        }
        self.owner(plan, plan.telegram.is_some(), "telegram", "your user id there (a number)")?;
        if plan.slack.is_none() {
            let question = "Slack: the bot's token (page Install App, it begins with xoxb-): ";
            if let Some(bot_token) = self.token(question, secret("slack-bot.token"), plan)? {
                let question = "Slack: the app's token (page Basic Information, it begins with xapp-): ";
                let app_token = self.token(question, secret("slack-app.token"), plan)?.ok_or(
                    "Slack's websockets need the app's token too; where Slack calls this machine, use \
                     `--slack-bot-token-file` and `--slack-signing-secret-file`",
                )?;
                plan.slack = Some(Slack { bot_token, road: SlackRoad::Socket { app_token } });
            }
        }
        self.owner(plan, plan.slack.is_some(), "slack", "your ids there, as in T0123/U0123")
    }

    fn owner(&self, plan: &mut Plan, is_on: bool, kind: &str, what: &str) -> Result<(), String> {
        if !is_on || plan.owners.iter().any(|owner| owner.starts_with(kind)) {
            return Ok(());
        }
        say(&format!("{kind}: {what}, if you are to decide there: "))?;
        let id = self.line()?;
        if !id.is_empty() {
            plan.owners.push(if id.starts_with(&format!("{kind}:")) { id } else { format!("{kind}:{id}") });
        }
        Ok(())
    }

    /// A token, which is to go to this file.
    fn token(&self, question: &str, file: PathBuf, plan: &mut Plan) -> Result<Option<PathBuf>, String> {
        let token = if self.is_terminal {
            self.hidden_line(question)?
        } else {
            say(question)?;
            self.line()?
        };
        if token.is_empty() {
            return Ok(None);
        }
        if token.chars().any(|sign| sign.is_whitespace() || sign.is_control()) {
            return Err("a token has neither blanks nor control characters in it; nothing was written".to_owned());
        }
        plan.typed.push((file.clone(), token));
        Ok(Some(file))
    }

    fn line(&self) -> Result<String, String> {
        let mut line = String::new();
        self.input.lock().read_line(&mut line).map_err(|error| format!("the answer cannot be read: {error}"))?;
        Ok(line.trim().to_owned())
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

fn say(text: &str) -> Result<(), String> {
    let mut out = io::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("nobody can be asked: {error}"))
}
