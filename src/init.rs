//! `init`: what a new home needs, from settings to the papers that platforms and the system ask for.
//!
//! Everything is looked at before anything is written: files that are there stay, and settings that could not be loaded
//! are not written.

mod ask;
mod papers;
mod place;

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use self::{
    ask::Questions,
    place::{File, Kept, place, write_new},
};
use crate::{
    command::verbs::Init,
    local::Local,
    random::hex,
    settings::{self, Settings},
};

/// What somebody wants of a new home.
#[derive(Default)]
struct Plan {
    /// The file with the bot's token.
    discord: Option<PathBuf>,
    /// The id of the Discord app, for the invitation.
    discord_app: Option<u64>,
    telegram: Option<PathBuf>,
    slack: Option<Slack>,
    /// The public address of this gateway, where Slack is to call it.
    slack_url: Option<String>,
    owners: Vec<String>,
    /// Tokens that were typed, with the files that they go to.
    typed: Vec<(PathBuf, String)>,
    /// What was left out although it was begun, and why.
    left_out: Vec<String>,
}

/// The files with a Slack app's secrets.
struct Slack {
    bot_token: PathBuf,
    road: SlackRoad,
}

enum SlackRoad {
    Socket { app_token: PathBuf },
    Http { signing_secret: PathBuf },
}

impl Plan {
    /// Whether anything was asked for that goes into the settings.
    fn says_something(&self) -> bool {
        self.discord.is_some() || self.telegram.is_some() || self.slack.is_some() || !self.owners.is_empty()
    }
}

/// Writes the files of a home, and answers with what was done. Where nobody is there to be asked and no option says
/// anything, it adds what is missing.
///
/// # Errors
/// With a sentence, when a file is there that says something else, or the settings would not be good. Then nothing was
/// written.
pub fn init(args: &Init, local: &Local) -> Result<String, String> {
    let home = &local.home;
    let settings_file = home.join(settings::FILE);
    let asks = args.ask || (io::stdin().is_terminal() && io::stderr().is_terminal());
    let has_options = args.names_something();
    if args.ask && settings_file.exists() && !args.force {
        return Err(format!(
            "nothing was asked: `{}` is there already; `kanban init --ask --force` replaces it and keeps the old one",
            settings_file.display()
        ));
    }
    let plan = if has_options && !args.ask {
        from_options(args)?
    } else if asks && (args.ask || args.force || !settings_file.exists()) {
        let mut plan = from_options(args)?;
        Questions::at_standard_input().ask(home, &mut plan)?;
        plan
    } else {
        Plan::default()
    };
    settings::create_home(home).map_err(|refusal| refusal.to_string())?;
    let files = files_of(&plan, local)?;
    check(&plan, local)?;
    let kept = if plan.says_something() || has_options { Kept::Refused } else { Kept::Told };
    let placed = place(&files, args.force, kept)?;
    let mut told = placed.join("\n");
    told.push_str("\n\n");
    told.push_str(&next_steps(&plan, home));
    Ok(told)
}

fn from_options(args: &Init) -> Result<Plan, String> {
    if let Some((who, expected)) = args.owners.iter().find_map(|who| Some((who, settings::misformed(who)?))) {
        return Err(format!("`--owner {who}` can be nobody there: expected {expected}; nothing was written"));
    }
    let file = |path: &Option<PathBuf>| path.as_deref().map(given_file).transpose();
    let slack = match (file(&args.slack_bot_token_file)?, &args.slack_app_token_file, &args.slack_signing_secret_file) {
        (None, ..) => None,
        (Some(bot_token), Some(app_token), None) => {
            Some(Slack { bot_token, road: SlackRoad::Socket { app_token: given_file(app_token)? } })
        }
        (Some(bot_token), None, Some(signing_secret)) => {
            Some(Slack { bot_token, road: SlackRoad::Http { signing_secret: given_file(signing_secret)? } })
        }
        (Some(_), _, _) => {
            return Err("Slack needs a second secret beside the bot's token: `--slack-app-token-file FILE` for \
                        websockets, or `--slack-signing-secret-file FILE` where Slack calls this machine"
                .to_owned());
        }
    };
    Ok(Plan {
        discord: file(&args.discord_token_file)?,
        discord_app: args.discord_app,
        telegram: file(&args.telegram_token_file)?,
        slack,
        slack_url: args.slack_url.clone(),
        owners: args.owners.clone(),
        typed: Vec::new(),
        left_out: Vec::new(),
    })
}

/// A file of somebody's own that holds a secret, by its whole path.
fn given_file(path: &Path) -> Result<PathBuf, String> {
    let whole = std::path::absolute(path).map_err(|error| format!("`{}` is no path: {error}", path.display()))?;
    let text = fs::read_to_string(&whole)
        .map_err(|error| format!("`{}` cannot be read: {error}; put the secret into it first", whole.display()))?;
    if text.trim().is_empty() {
        return Err(format!("`{}` is empty; put the secret into it first", whole.display()));
    }
    Ok(whole)
}

fn files_of(plan: &Plan, local: &Local) -> Result<Vec<File>, String> {
    let home = &local.home;
    let program = std::env::current_exe().map_err(|error| format!("the program's own path cannot be told: {error}"))?;
    let tokens = plan.typed.iter().map(|(path, token)| File { path: path.clone(), text: format!("{token}\n") });
    let folder = home.join(papers::FOLDER);
    let papers = papers::all(plan, home, &program, &local.environment)?;
    let papers = papers.into_iter().map(|(name, text)| File { path: folder.join(name), text });
    // The last of all: when it is there, so is all that it names.
    let text = papers::settings(plan, home, Path::to_owned)?;
    let settings = File { path: home.join(settings::FILE), text };
    Ok(tokens.chain(papers).chain([settings]).collect())
}

/// Loads the new settings as the gateway will, from a folder that is removed again.
fn check(plan: &Plan, local: &Local) -> Result<(), String> {
    let trial = local.home.join(format!(".init-{}", hex::<8>()));
    let checked = load_in(&trial, plan, local);
    let _ = fs::remove_dir_all(&trial);
    checked.map_err(|reason| {
        let reason = reason.replace(&trial.display().to_string(), &local.home.display().to_string());
        format!("nothing was written, since the settings would not be good: {reason}")
    })
}

fn load_in(trial: &Path, plan: &Plan, local: &Local) -> Result<(), String> {
    settings::create_home(trial).map_err(|refusal| refusal.to_string())?;
    let fault = |error: io::Error| format!("`{}` cannot be written: {error}", trial.display());
    let there = |path: &Path| trial.join(path.file_name().unwrap_or_default());
    for (path, token) in &plan.typed {
        write_new(&there(path), token).map_err(fault)?;
    }
    // Tokens that were typed are not yet where they will be.
    let is_typed = |path: &Path| plan.typed.iter().any(|(typed, _)| typed == path);
    let place = |path: &Path| if is_typed(path) { there(path) } else { path.to_owned() };
    let text = papers::settings(plan, &local.home, place)?;
    write_new(&trial.join(settings::FILE), &text).map_err(fault)?;
    Settings::load(trial, &local.environment).map(drop).map_err(|refusal| refusal.to_string())
}

/// A token of the plan: as it was typed, or as its file has it.
#[cfg(feature = "discord")]
fn token_at(plan: &Plan, file: &Path) -> Result<String, String> {
    match plan.typed.iter().find(|(path, _)| path == file) {
        Some((_, token)) => Ok(token.clone()),
        None => fs::read_to_string(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display())),
    }
}

fn next_steps(plan: &Plan, home: &Path) -> String {
    let folder = home.join(papers::FOLDER);
    let mut steps = plan.left_out.clone();
    if plan.discord.is_some() {
        steps.push(format!(
            "open the address in `{}` and add the bot to a server",
            folder.join(papers::INVITE).display()
        ));
    }
    if !plan.says_something() {
        steps.push(format!(
            "to be reached from a chat, look into `{}`: each platform has its step there, and its lines in `{}`",
            folder.display(),
            home.join(settings::FILE).display()
        ));
    }
    if plan.owners.is_empty() && plan.says_something() {
        steps.push("`kanban pair` prints a code that makes whoever sends it to the bot an owner".to_owned());
    }
    steps.push("`kanban doctor` says what is missing".to_owned());
    steps.iter().map(|step| format!("- {step}\n")).collect()
}
