//! The command line: a client of the gateway where one runs, and otherwise the same commands in this process.

use std::{
    ffi::OsString,
    fs,
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use kanban_console::{Action, Mode, Say};
use tokio::runtime::Runtime;

use crate::{
    backup,
    command::{
        Kanban, Mistake, Reply, Verb, from_arguments,
        reference::{completions, man},
        stream,
        verbs::{self, ConsoleForm, Read, Shell, Write as Change},
    },
    control::{SayAnswer, owner},
    dispatcher::answer,
    doctor,
    gateway::{self, Origin, ShownAround, Up},
    init,
    local::{self, Local},
    mcp,
    settings::{self, Environment, LogLevel, Logs, Settings},
    shim::{self, Answer, Spec},
    skills, telemetry,
};

/// How long a thread of a gateway that has stopped may take to end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Runs the command line with these arguments, without the program's name. The exit code is true: 0 done, 1 refused,
/// 2 not understood.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let environment = Environment::capture();
    let command = match from_arguments(arguments.to_vec()) {
        Ok(command) => command,
        Err(mistake) => return told(&mistaken(mistake)),
    };
    let worker = worker_of(&command);
    let outcome = match worker {
        Some(spec) if matches!(command.verb, Some(Verb::Shell(Shell::Mcp(_)))) => {
            mcp::serve(mcp::Server::of_worker(&spec)).map(|()| Answer::default())
        }
        Some(spec) => call(&spec, arguments),
        None => run(&command, arguments, environment),
    };
    match outcome {
        Ok(answer) => told(&answer),
        Err(text) => told(&answer(Reply::refused(text))),
    }
}

/// The run whose worker this process belongs to, whatever its environment says. A worker may keep boards of its own in
/// another home.
fn worker_of(command: &Kanban) -> Option<Spec> {
    let rundir = shim::above(std::process::id())?;
    let home = rundir.parent()?.parent()?;
    let elsewhere =
        command.home.as_ref().is_some_and(|asked| fs::canonicalize(asked).ok() != fs::canonicalize(home).ok());
    if elsewhere { None } else { Spec::read(&rundir).ok() }
}

/// Hands a worker's command to its shim.
fn call(spec: &Spec, arguments: &[OsString]) -> Result<Answer, String> {
    shim::client::call(&spec.socket, &words(arguments), None)
        .map_err(|error| format!("the run's shim does not answer: {error}"))
}

fn run(command: &Kanban, arguments: &[OsString], environment: Environment) -> Result<Answer, String> {
    let home = settings::home(command.home.as_deref(), &environment).map_err(|refusal| refusal.to_string())?;
    let local = match &command.verb {
        Some(Verb::Shell(Shell::Completions(args))) => {
            return Ok(Answer { stdout: completions(args.shell), ..Answer::default() });
        }
        Some(Verb::Shell(Shell::Man(args))) => {
            // Words behind the verb are read as one title.
            let verb: Vec<String> =
                args.verb.iter().flat_map(|words| words.split_whitespace()).map(str::to_owned).collect();
            return man(&verb).map(|stdout| Answer { stdout, ..Answer::default() });
        }
        Some(Verb::Shell(Shell::Up(args))) => return up(args, home, arguments, environment),
        Some(_) | None => Local { home, environment: Arc::new(environment) },
    };
    if let Some(Verb::Shell(Shell::Say(args))) = &command.verb {
        return say(args, &local);
    }
    if let Some(Verb::Shell(Shell::Skills(args))) = &command.verb {
        return skills::run(args, &local).map(answer);
    }
    let written = match &command.verb {
        Some(Verb::Shell(Shell::Init(args))) => init::init(args, &local)?,
        Some(_) | None => String::new(),
    };
    let folder = std::env::current_dir().map_err(|error| format!("the current directory cannot be told: {error}"))?;
    if let Some(Verb::Shell(Shell::Mcp(_))) = &command.verb {
        return mcp::serve(mcp::Server::of_owner(local, folder, command.board.clone())).map(|()| Answer::default());
    }
    let streams = matches!(command.verb, Some(Verb::Read(Read::Tail(_)) | Verb::Write(Change::Watch(_))));
    // What goes through many files here does not keep a gateway busy: the board's own lock orders the two.
    let looks_here = matches!(
        command.verb,
        Some(Verb::Shell(
            Shell::Doctor(_) | Shell::Import(_) | Shell::Export(_) | Shell::Backup(_) | Shell::Restore(_)
        ))
    );
    if !streams
        && !looks_here
        && let Some(ran) = local.run_in_gateway(&words(arguments), &folder)?
    {
        return Ok(Answer { stdout: written + &ran.stdout, ..ran });
    }
    let desk = local.desk()?;
    let made_whole = backup::make_whole_if_free(&desk.boards).map_err(|error| error.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let reply = runtime.block_on(async {
        let caller = owner(&desk, folder);
        match &command.verb {
            Some(Verb::Shell(Shell::Doctor(args))) => doctor::examine(&desk, args).await,
            Some(Verb::Read(Read::Tail(args))) => stream::tail(&desk, &caller, command.board.as_ref(), args).await,
            Some(Verb::Write(Change::Watch(args))) => stream::watch(&desk, &caller, command.board.as_ref(), args).await,
            Some(_) | None => local::run(&desk, &caller, command).await,
        }
    });
    let ran = answer(reply);
    let made_whole = made_whole.map(|said| format!("{said}\n")).unwrap_or_default();
    Ok(Answer { stdout: written + &ran.stdout, stderr: made_whole + &ran.stderr, ..ran })
}

fn up(args: &verbs::Up, home: PathBuf, arguments: &[OsString], environment: Environment) -> Result<Answer, String> {
    if args.check {
        return check(&home, &environment);
    }
    // Nobody has been here: neither a board nor settings are there.
    let is_new = !home.join("boards").exists() && !home.join(settings::FILE).exists();
    settings::create_home(&home).map_err(|refusal| refusal.to_string())?;
    let origin = Origin::of(std::env::args_os().next().as_deref(), arguments, &environment)
        .map_err(|error| format!("the system does not tell which program this is: {error}"))?;
    let settings = Settings::load(&home, &environment).map_err(|refusal| refusal.to_string())?;
    let console = match args.console {
        None | Some(ConsoleForm::Text) => Some(Mode::Text),
        Some(ConsoleForm::Json) => Some(Mode::Json),
        Some(ConsoleForm::Off) => None,
    };
    telemetry::hide(Arc::clone(&settings.redactor));
    let is_typed_at = [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()] == [true; 3];
    if console == Some(Mode::Text) && is_typed_at {
        let path = home.join("gateway.log");
        let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        telemetry::start_in(
            file.map_err(|error| format!("`{}` cannot be written: {error}", path.display()))?,
            &settings.logs,
        );
    } else {
        telemetry::start(&settings.logs, &environment);
    }
    let is_shown_around = args.tour || (is_new && is_typed_at && settings.platforms.kinds().is_empty());
    if args.tour && console.is_none() {
        return Err("the tour is in the console, which `--console off` leaves out; leave that out instead".to_owned());
    }
    // Who takes over from another goes on with what that one did.
    let tour = (is_shown_around && console == Some(Mode::Text) && !args.takeover)
        .then(|| std::env::current_dir().map(|folder| ShownAround { folder, is_attended: is_typed_at }))
        .transpose()
        .map_err(|error| format!("the current directory cannot be told: {error}"))?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    let up = Up {
        home,
        environment,
        settings,
        console,
        stay: args.stay,
        takeover: args.takeover,
        tour,
        origin: origin.clone(),
    };
    let ran = runtime.block_on(gateway::up(up));
    // Nothing of ours acts any more when the home is let go.
    runtime.shutdown_timeout(FAREWELL);
    // The system lets go of the home before the next program begins, which waits for it where somebody is faster. To hand
    // the lock on would lock out a next program that does not know of it.
    if let Some(start) = ran.map_err(|error| error.to_string())?.let_go() {
        return Err(format!("the gateway stopped and could not start again: {}", origin.start_again(start)));
    }
    Ok(Answer::default())
}

/// Says whether a gateway could start here.
fn check(home: &Path, environment: &Environment) -> Result<Answer, String> {
    let settings = Settings::load(home, environment).map_err(|refusal| refusal.to_string())?;
    telemetry::hide(Arc::clone(&settings.redactor));
    telemetry::start(&Logs { level: settings.logs.level.min(LogLevel::Warn), ..settings.logs.clone() }, environment);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let found = runtime.block_on(gateway::check_only(home, &settings)).map_err(|error| error.to_string())?;
    Ok(answer(Reply::text(found)))
}

fn say(args: &verbs::Say, local: &Local) -> Result<Answer, String> {
    let text = args.text();
    let action = match (args.reply, args.press) {
        (Some(message), _) => Action::Reply { message, text },
        (None, Some(message)) => Action::Press { message, label: text },
        (None, None) if args.file.is_empty() => Action::Text { text },
        (None, None) => {
            let whole = args.file.iter().map(std::path::absolute);
            let paths = whole.collect::<Result<_, _>>().map_err(|error| format!("no path to a file: {error}"))?;
            Action::Files { paths, text }
        }
    };
    let say = Say { thread: args.thread.clone(), user: args.user.clone(), action };
    match local.say_in_gateway(&say)? {
        // The gateway that leaves is not the one that answers.
        None | Some(SayAnswer::Left) => Err("no gateway is running; start it with `kanban up`".to_owned()),
        Some(SayAnswer::Refused(text)) => Err(text),
        Some(SayAnswer::Said(said)) => {
            let mut stdout = String::new();
            for post in &said.posts {
                if args.json {
                    stdout.push_str(&serde_json::to_string(post).map_err(|error| error.to_string())?);
                } else {
                    stdout.push_str(&post.text);
                }
                stdout.push('\n');
            }
            Ok(Answer { exit: i32::from(said.exit), stdout, ..Answer::default() })
        }
    }
}

fn mistaken(mistake: Mistake) -> Answer {
    answer(if mistake.exit == 0 {
        Reply::text(mistake.text)
    } else {
        Reply { exit: mistake.exit, ..Reply::refused(mistake.text) }
    })
}

fn words(arguments: &[OsString]) -> Vec<String> {
    arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Writes an answer to the two streams. A reader that went away, as `head` does, is no fault of the command.
fn told(answer: &Answer) -> ExitCode {
    let _ = io::stdout().write_all(answer.stdout.as_bytes());
    let _ = io::stdout().flush();
    let _ = io::stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(u8::try_from(answer.exit).unwrap_or(1))
}
