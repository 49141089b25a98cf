//! What `init` writes: the settings, what each platform wants pasted, a unit for systemd and a file for a container.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Plan, SlackRoad};
use crate::{command::spec, settings::Environment};

/// Where the papers are, below the home.
pub(super) const FOLDER: &str = "setup";
/// Where tokens are that were typed, below the home.
pub(super) const SECRETS: &str = "secrets";

pub(super) const INVITE: &str = "discord-invite.txt";
const MANIFEST: &str = "slack-manifest.json";
const COMMANDS: &str = "botfather-commands.txt";
const UNIT: &str = "kanban.service";
const CONTAINER: &str = "Containerfile";

/// Where Slack's calls are taken, behind a proxy.
const SLACK_LISTEN: &str = "127.0.0.1:3000";

/// Every paper but the settings: its name and its text.
pub(super) fn all(
    plan: &Plan,
    home: &Path,
    program: &Path,
    environment: &Environment,
) -> Result<Vec<(&'static str, String)>, String> {
    let mut papers = vec![(UNIT, unit(home, program, environment)?), (CONTAINER, container())];
    papers.extend(invitation(plan)?.map(|text| (INVITE, text)));
    papers.extend(manifest(plan).map(|text| (MANIFEST, text)));
    papers.extend(commands().map(|text| (COMMANDS, text)));
    Ok(papers)
}

/// `kanban.toml`, with each platform that was not asked for as a comment. `place` says where a token's file lies.
pub(super) fn settings(plan: &Plan, home: &Path, place: impl Fn(&Path) -> PathBuf) -> Result<String, String> {
    let secret = |name: &str| home.join(SECRETS).join(name);
    let mut text = String::from(
        "# Settings of the kanban gateway. `kanban settings show` lists all that can be set, with what is in force.\n\
         # A file with a token belongs to the gateway's account alone: `chmod 600 FILE`.\n",
    );
    let mut section = |title: &str, hint: &str, is_on: bool, lines: &[(&str, String)]| {
        let mark = if is_on { "" } else { "#" };
        let hint = if is_on { String::new() } else { format!("# {hint}\n") };
        let _ = write!(text, "\n{hint}{mark}[{title}]\n");
        for (key, value) in lines {
            let _ = writeln!(text, "{mark}{key} = {value}");
        }
    };
    let path = |given: Option<&PathBuf>, name: &str| toml_path(&given.map_or_else(|| secret(name), |path| place(path)));

    let token = path(plan.discord.as_ref(), "discord.token")?;
    let hint =
        "Discord: make a bot on discord.com/developers/applications, put its token into this file, take the `#` away.";
    section("platforms.discord", hint, plan.discord.is_some(), &[("token_file", token)]);

    let token = path(plan.telegram.as_ref(), "telegram.token")?;
    let hint = "Telegram: write /newbot to @BotFather, put the token into this file, take the `#` away.";
    section("platforms.telegram", hint, plan.telegram.is_some(), &[("token_file", token)]);

    let slack = plan.slack.as_ref();
    let mut lines = vec![("bot_token_file", path(slack.map(|slack| &slack.bot_token), "slack-bot.token")?)];
    match slack.map(|slack| &slack.road) {
        Some(SlackRoad::Http { signing_secret }) => {
            lines.push(("signing_secret_file", toml_path(&place(signing_secret))?));
            lines.push(("mode", toml("http")));
            lines.push(("listen", toml(SLACK_LISTEN)));
        }
        Some(SlackRoad::Socket { app_token }) => lines.push(("app_token_file", toml_path(&place(app_token))?)),
        None => lines.push(("app_token_file", toml_path(&secret("slack-app.token"))?)),
    }
    let hint = format!(
        "Slack: make an app from {FOLDER}/{MANIFEST} on api.slack.com/apps, put its two tokens into these files, take the `#` away."
    );
    section("platforms.slack", &hint, slack.is_some(), &lines);

    let owners: Vec<_> = plan.owners.iter().map(|owner| toml(owner)).collect();
    let (is_on, owners) = if owners.is_empty() { (false, vec![toml("telegram:123456789")]) } else { (true, owners) };
    let hint =
        "Who decides. Nobody in a chat may do anything before; or let `kanban pair` print a code for the first owner.";
    section("access", hint, is_on, &[("owners", format!("[{}]", owners.join(", ")))]);
    Ok(text)
}

/// A service of the user, which needs no rights of root.
fn unit(home: &Path, program: &Path, environment: &Environment) -> Result<String, String> {
    let (program, home) = (text_of(program)?, text_of(home)?);
    let search = environment.get("PATH").and_then(|path| path.to_str()).unwrap_or("/usr/local/bin:/usr/bin:/bin");
    Ok(format!(
        "# As a service of your own, which needs no rights of root:\n\
         #   install -Dm 644 THIS_FILE ~/.config/systemd/user/{UNIT}\n\
         #   systemctl --user daemon-reload && systemctl --user enable --now kanban && loginctl enable-linger\n\
         [Unit]\n\
         Description=kanban gateway\n\
         \n\
         [Service]\n\
         ExecStart={program} up --console off\n\
         # A reload becomes the program that lies there now, under the same pid; workers notice nothing.\n\
         ExecReload=/bin/kill -USR2 $MAINPID\n\
         Restart=on-failure\n\
         # Workers belong to the service but not to its process: a stop or an upgrade must not end them.\n\
         KillMode=process\n\
         # A worker that used up the memory is that worker's failure, not the gateway's.\n\
         OOMPolicy=continue\n\
         # Each worker gets a control group, in which its processes and its memory can be limited.\n\
         Delegate=pids memory\n\
         DelegateSubgroup=gateway\n\
         Environment={home}\n\
         # Where agents were found when this was written.\n\
         Environment={search}\n\
         # Keys of agents, one `NAME=VALUE` a line.\n\
         EnvironmentFile=-%h/.config/kanban.env\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        program = unit_word(program, true),
        home = unit_word(&format!("KANBAN_HOME={home}"), false),
        search = unit_word(&format!("PATH={search}"), false),
    ))
}

/// A word as systemd reads it: quoted, and with nothing to be put in its place. Only command lines have variables.
fn unit_word(word: &str, is_command: bool) -> String {
    let mut quoted = String::from("\"");
    for sign in word.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            '%' => quoted.push_str("%%"),
            '$' if is_command => quoted.push_str("$$"),
            sign if sign.is_control() => quoted.extend(sign.to_string().bytes().map(|byte| format!("\\x{byte:02x}"))),
            sign => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}

fn container() -> String {
    format!(
        "# The gateway in a container. In the folder with its source:\n\
         #   podman build -f THIS_FILE -t kanban .\n\
         #   podman run -d --name kanban -v kanban:/var/lib/kanban kanban\n\
         #   podman exec kanban kanban doctor\n\
         # Workers run in the same container and end with it, so put the agents that you use into this image.\n\
         FROM docker.io/library/rust:{rust}-slim-bookworm AS build\n\
         WORKDIR /source\n\
         COPY . .\n\
         RUN cargo build --release --locked\n\
         \n\
         FROM docker.io/library/debian:bookworm-slim\n\
         RUN apt-get update \\\n \
         && apt-get install --yes --no-install-recommends ca-certificates git tini \\\n \
         && rm -rf /var/lib/apt/lists/* \\\n \
         && useradd --create-home kanban \\\n \
         && install -d -o kanban -g kanban -m 700 /var/lib/kanban\n\
         COPY --from=build /source/target/release/kanban /usr/local/bin/kanban\n\
         USER kanban\n\
         ENV KANBAN_HOME=/var/lib/kanban\n\
         VOLUME /var/lib/kanban\n\
         # It takes in whatever workers leave behind, which the first process of a container must.\n\
         ENTRYPOINT [\"tini\", \"--\", \"kanban\"]\n\
         CMD [\"up\", \"--console\", \"off\"]\n\
         HEALTHCHECK CMD [\"kanban\", \"dispatch\", \"status\"]\n",
        rust = env!("CARGO_PKG_RUST_VERSION"),
    )
}

#[cfg(feature = "discord")]
fn invitation(plan: &Plan) -> Result<Option<String>, String> {
    let token = plan.discord.as_deref().map(|path| super::token_at(plan, path)).transpose()?;
    let app = plan.discord_app.or_else(|| kanban_discord::application_of(&token?));
    Ok(Some(format!("{}\n", kanban_discord::invitation(app))))
}

#[cfg(not(feature = "discord"))]
fn invitation(_plan: &Plan) -> Result<Option<String>, String> {
    Ok(None)
}

#[cfg(feature = "slack")]
fn manifest(plan: &Plan) -> Option<String> {
    let is_called = matches!(plan.slack.as_ref().map(|slack| &slack.road), Some(SlackRoad::Http { .. }));
    let mode =
        if is_called || plan.slack_url.is_some() { kanban_slack::Mode::Http } else { kanban_slack::Mode::Socket };
    let url = plan.slack_url.as_deref().or(is_called.then_some("https://kanban.example.org/slack"));
    Some(format!("{:#}\n", kanban_slack::manifest(spec(), mode, url)))
}

#[cfg(not(feature = "slack"))]
fn manifest(_plan: &Plan) -> Option<String> {
    None
}

/// As `/setcommands` of `@BotFather` takes them. The gateway sets the same by itself.
#[cfg(feature = "telegram")]
fn commands() -> Option<String> {
    Some(kanban_telegram::menu(spec(), "en").iter().map(|(name, about)| format!("{name} - {about}\n")).collect())
}

#[cfg(not(feature = "telegram"))]
fn commands() -> Option<String> {
    None
}

fn toml_path(path: &Path) -> Result<String, String> {
    text_of(path).map(toml)
}

fn text_of(path: &Path) -> Result<&str, String> {
    path.to_str()
        .ok_or_else(|| format!("the path {path:?} is no text, which files of settings need; move it to another place"))
}

/// A text as TOML reads it.
fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            sign if sign.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(sign));
            }
            sign => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}
