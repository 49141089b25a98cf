//! `kanban up`: starts the parts in order, waits, and stops them in order.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kanban_console::{Console, Mode, Options};
use kanban_platform::{Commands, Platform, PlatformError};
use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Gateway, Heir, Origin,
    lane::Lanes,
    lock::GatewayLock,
    platforms,
    succession::COULD_START,
    takeover::{self, Taken},
    timetable,
    tour::Tour,
    unread,
};
use crate::{
    backup,
    board::{BoardSlug, Boards, Error, Fault, Reason, error::refuse},
    clock::Clock,
    command::{Desk, GatewayFacts, SharedSettings, is_paused, paused_profiles},
    control::Control,
    dispatcher::{Adoption, Dispatcher, Handle},
    metrics::Meters,
    notifier::{Notifier, Platforms},
    process, random,
    settings::{Environment, Role, Settings},
    shim, telemetry,
};

/// What `kanban up` starts with.
pub struct Up {
    pub home: PathBuf,
    pub environment: Environment,
    pub settings: Settings,
    /// How the console speaks; none without a console.
    pub console: Option<Mode>,
    /// Whether to stay when the console's input has ended and the work is done.
    pub stay: bool,
    /// Whether to take the home from the gateway that has it.
    pub takeover: bool,
    /// Whether the console shows somebody around, whom it asks if they are at a terminal.
    pub tour: Option<ShownAround>,
    /// The program that this is, to be replaced by its next version.
    pub origin: Origin,
}

/// Somebody who is shown what the program does.
pub struct ShownAround {
    /// The directory that they are in.
    pub folder: PathBuf,
    /// Whether they can answer.
    pub is_attended: bool,
}

/// A gateway that has stopped. Its home is free again when this goes, which is for the very end of the process.
pub struct Down {
    home: PathBuf,
    lock: GatewayLock,
    why: Why,
}

impl Down {
    /// Lets go of the home, and answers whether the program is to start again: as its next version, or since whoever wanted
    /// to take over has died before it did.
    pub fn let_go(self) -> Option<Start> {
        let Self { home, lock, why } = self;
        match why {
            Why::Asked => None,
            Why::Next => Some(Start::Next),
            Why::Heir(heir) => {
                drop(lock);
                // Whatever has died lies now where we were started from, perhaps.
                heir.has_died(&home).then_some(Start::Same)
            }
        }
    }
}

/// What a gateway becomes that has let go of its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The program that lies now where it was started from.
    Next,
    /// The very same program again.
    Same,
}

/// Why a gateway stops.
enum Why {
    /// Somebody said so, or the work is done.
    Asked,
    /// Another one waits for the home.
    Heir(Heir),
    /// Its own next version is good to start.
    Next,
}

/// Exists while the last gateway stopped in order; without it, everything is checked before it is used.
const CLEAN_STOP: &str = "clean-stop";

/// How long the boards may take to be closed.
const CLOSING: Duration = Duration::from_secs(10);

/// How long those may take to be answered who met boards that were closed. It is part of the time in which nobody listens.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// How long the parts of a gateway have to end what is under way.
struct Farewell {
    /// Commands, looks, and platforms that say goodbye.
    parts: Duration,
    /// Posts.
    drain: Duration,
}

impl Farewell {
    /// For a gateway that ends.
    fn to_all(drain: Duration) -> Self {
        Self { parts: Duration::from_secs(3), drain }
    }

    /// For one whose successor waits: whatever is cut short is kept, and is taken up again in a moment.
    fn to_successor(drain: Duration) -> Self {
        Self { parts: Duration::from_millis(500), drain: drain.min(Duration::from_millis(500)) }
    }
}

/// Runs the gateway of a home until it is told to stop or to make room, or, with lines on standard input, until they have
/// ended and the work is done.
pub async fn up(up: Up) -> Result<Down, Error> {
    let Up { home, environment, settings, console, stay, takeover, tour, origin } = up;
    process::keep_memory_private()?;
    // Whoever signals us early is heard when we have started.
    let mut stop = Stop::listen()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut upgrade = signal(SignalKind::user_defined2())?;
    reap_inherited()?;
    let clock = Clock::system();
    let boards = Boards::new(&home, Arc::default());
    let environment = Arc::new(environment);
    let socket = shim::gateway_socket_path(&home, &environment.runtime_dir())?;
    let chats = platforms_of(&settings, &clock)?;
    let Taken { lock, from, _line: line } = enter(&home, &socket, &boards, takeover).await?;
    let adoption = Arc::new(Adoption::begin());

    let drain = settings.delivery.drain_seconds.duration();
    let has_owner = settings.access.names_an_owner() || has_paired(&boards).await?;
    let banner = banner(&home, &settings, has_owner);
    let (handle, asks) = Handle::new();
    let meters: Arc<Meters> = Arc::default();
    let desk = Desk {
        boards: boards.clone(),
        settings: SharedSettings::new(settings),
        environment,
        clock: clock.clone(),
        gateway: Some(GatewayFacts {
            pid: std::process::id(),
            since: clock.now(),
            dispatcher: handle,
            adoption,
            meters: Arc::clone(&meters),
        }),
    };

    let console = console.map(|mode| open_console(&home, mode, &clock)).transpose()?;
    let stay = stay || !chats.is_empty();
    let mut platforms = Platforms::new();
    platforms.extend(chats.iter().map(|chat| (chat.name().to_owned(), Arc::clone(chat))));
    if let Some(console) = &console {
        platforms.insert(console.name().to_owned(), Arc::clone(console) as Arc<dyn Platform>);
    }
    let gateway = Arc::new(Gateway::new(desk.clone()).with_platforms(platforms.clone()));
    let listener = listen(&socket)?;

    let work = CancellationToken::new();
    let delivery = CancellationToken::new();
    let notifier =
        Notifier::new(boards.clone(), platforms, clock).with_settings(desk.settings.clone()).with_meters(meters);
    let notifier = Arc::new(notifier);
    let notifying = tokio::spawn(Arc::clone(&notifier).run(delivery.clone(), drain));
    let program = std::env::current_exe()?;
    let dispatcher = Dispatcher::new(desk.clone(), program.clone(), TaskTracker::new());
    let dispatching = tokio::spawn(dispatcher.run(asks, work.clone()));
    let answering = tokio::spawn(Lanes::new(desk.clone(), program).run(work.clone()));
    let scheduling = tokio::spawn(timetable::keep(desk.clone(), work.clone()));
    let (heirs, mut heir) = mpsc::channel(1);
    let answers = TaskTracker::new();
    let control = Control {
        desk: desk.clone(),
        gateway: Arc::clone(&gateway),
        console: console.clone(),
        heirs,
        connections: answers.clone(),
    };
    let controlling = tokio::spawn(Arc::new(control).serve(listener, work.clone()));
    tell(console.as_ref(), &banner);
    let working = tokio::spawn(Arc::clone(&gateway).work(work.clone()));
    let fetching = tokio::spawn(Arc::clone(&gateway).fetch_files(work.clone()));
    let keeping = tokio::spawn(backup::keep(desk.clone(), work.clone()));
    let commands: Arc<dyn Commands> = gateway;
    let mut connections = JoinSet::new();
    for chat in chats {
        connections.spawn(platforms::supervise(chat, Arc::clone(&commands), work.clone()));
    }
    let mut touring = console.clone().zip(tour).map(|(console, ShownAround { folder, is_attended })| {
        let tour = Tour { console, commands: Arc::clone(&commands), desk: desk.clone(), folder, is_attended };
        (tokio::spawn(tour.guide()), is_attended)
    });
    let mut chatting = console.clone().map(|console| {
        let shutdown = work.clone();
        tokio::spawn(async move { console.run(commands, shutdown).await })
    });
    if let Some((pid, began)) = from {
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "took over from the gateway with pid {pid}; nobody listened for {duration_ms} ms");
    }
    drop(line);

    let mut idle: Option<JoinHandle<()>> = None;
    let mut trial: Option<JoinHandle<Result<(), String>>> = None;
    let mut why = loop {
        tokio::select! {
            () = stop.asked() => break Why::Asked,
            Some(heir) = heir.recv() => break Why::Heir(heir),
            _ = hangup.recv() => reload(&desk, &home),
            _ = upgrade.recv(), if trial.is_none() => {
                let origin = origin.clone();
                trial = Some(tokio::spawn(async move { origin.try_next().await }));
            }
            tried = tried(&mut trial) => {
                trial = None;
                match tried {
                    Ok(()) => break Why::Next,
                    Err(error) => tracing::error!(%error, "the next program is not good to start; this one goes on"),
                }
            }
            ended = ended(&mut chatting) => {
                chatting = None;
                if let Err(error) = ended {
                    tracing::error!(%error, "the console ended");
                }
                if !stay {
                    let (desk, notifier, touring) = (desk.clone(), Arc::clone(&notifier), touring.take());
                    idle = Some(tokio::spawn(async move {
                        if let Some((touring, is_attended)) = touring {
                            // Who was there has left, and nobody is shown around any more.
                            if is_attended {
                                touring.abort();
                            }
                            // If it broke, the work that it began is waited for all the same.
                            let _ = touring.await;
                        }
                        until_idle(desk, notifier).await;
                    }));
                }
            }
            () = finished(&mut idle) => break Why::Asked,
        }
    };
    let (farewell, what) = match &why {
        Why::Asked => (Farewell::to_all(drain), "stopping"),
        Why::Heir(_) => (Farewell::to_successor(drain), "handing over to another gateway"),
        Why::Next => (Farewell::to_successor(drain), "making room for the next version of this program"),
    };
    tracing::info!("{what}; workers go on");
    let mut last_word = Stop::listen()?;
    tokio::spawn(async move {
        stop.asked().await;
        // The second signal means now. Whatever was answered is durable, and the rest is taken up at the next start.
        std::process::exit(130);
    });

    work.cancel();
    let until = Instant::now() + farewell.parts;
    for part in [working, fetching, keeping, dispatching, answering, scheduling, controlling] {
        leave(part, until).await;
    }
    if let Some(chatting) = chatting {
        // What was typed is kept within moments, and must not be cut off before.
        leave(chatting, until + Duration::from_secs(2)).await;
    }
    // What a platform has taken in is kept, so one that does not end is left behind.
    let _ = timeout_at(until, connections.join_all()).await;
    delivery.cancel();
    leave(notifying, Instant::now() + farewell.drain).await;
    // What is not let go of in time is let go of by the system, and no board minds that.
    if timeout_at(Instant::now() + CLOSING, boards.retire()).await.is_err() {
        tracing::error!("the boards could not be closed in order; the system closes them");
    }
    // Whoever was cut off by that is told so, and asks the next gateway.
    let _ = timeout(LAST_ANSWERS, answers.wait()).await;
    // Nobody can connect any more, and the next gateway makes its own.
    let _ = fs::remove_file(&socket);
    // A full disk keeps nobody from making room.
    if let Err(error) = fs::write(home.join(CLEAN_STOP), "") {
        tracing::warn!(%error, "an end in order could not be noted; the boards are checked at the next start");
    }
    if !matches!(why, Why::Asked)
        && let Some(console) = console
        && let Err(error) = unread::keep(&home, &console.unread())
    {
        tracing::error!(%error, "what was typed and not read could not be kept");
    }
    if !matches!(why, Why::Asked) {
        // Nobody listens from here until another program does: a signal ends this process as it would have ended us.
        process::end_on_signals();
        // What has arrived before that is known when a timer that was set after it has run out.
        if timeout(Duration::from_millis(1), last_word.asked()).await.is_ok() {
            tracing::info!("told to stop; no other program starts in this place");
            why = Why::Asked;
        }
    }
    Ok(Down { home, lock, why })
}

/// Says whether a gateway could start on a home, without touching anything of it.
///
/// # Errors
/// With the reason why it could not.
pub async fn check_only(home: &Path, settings: &Settings) -> Result<String, Error> {
    let boards = Boards::new(home, Arc::default());
    for name in boards.names()? {
        match boards.is_current(&name).await {
            Ok(_) => {}
            Err(error) if name == BoardSlug::default() => return Err(error),
            Err(error) => tracing::error!(%error, board = %name, "board {name} is not usable"),
        }
    }
    platforms_of(settings, &Clock::system())?;
    Ok(format!("{COULD_START}{} could start on `{}`", env!("CARGO_PKG_VERSION"), home.display()))
}

/// The platforms of the settings, if one of them can be used.
fn platforms_of(settings: &Settings, clock: &Clock) -> Result<Vec<Arc<dyn Platform>>, Error> {
    let chats = platforms::build(settings, clock);
    if chats.is_empty() && !settings.platforms.kinds().is_empty() {
        refuse!(Invalid, "none of the platforms that are configured can be used; the log says why");
    }
    Ok(chats)
}

/// Takes the home, and sees that its boards are good to use.
async fn enter(home: &Path, socket: &Path, boards: &Boards, takeover: bool) -> Result<Taken, Error> {
    if !takeover {
        let lock = GatewayLock::take(home).await?;
        make_whole(boards)?;
        boards.get(&BoardSlug::default()).await?;
        check(boards, home.join(CLEAN_STOP)).await?;
        return Ok(Taken { lock, from: None, _line: None });
    }
    let is_checked = check_ahead(boards).await?;
    let taken = takeover::take(home, socket).await?;
    make_whole(boards)?;
    boards.get(&BoardSlug::default()).await?;
    let clean_stop = home.join(CLEAN_STOP);
    if is_checked {
        let _ = fs::remove_file(&clean_stop);
    } else {
        check(boards, clean_stop).await?;
    }
    Ok(taken)
}

/// Ends a restore that was cut short, and says so.
fn make_whole(boards: &Boards) -> Result<(), Error> {
    if let Some(said) = backup::make_whole(boards)? {
        tracing::warn!("{said}");
    }
    Ok(())
}

/// Reads the boards through while another gateway may use them still. Answers whether all were: one of an older version
/// is left alone until the home is ours, since its program could not go on with it.
async fn check_ahead(boards: &Boards) -> Result<bool, Error> {
    let mut all = true;
    for name in boards.names()? {
        let checked = async {
            if !boards.is_current(&name).await? {
                return Ok(false);
            }
            boards.get(&name).await?.check().await?;
            Ok::<_, Error>(true)
        };
        match checked.await {
            Ok(is_checked) => all &= is_checked,
            Err(error) if name == BoardSlug::default() => return Err(error),
            Err(error) => tracing::error!(%error, board = %name, "board {name} is not usable"),
        }
    }
    Ok(all)
}

/// Waits for a part to end, and breaks it off when the time is over: what it had under way is kept.
async fn leave<T>(mut part: JoinHandle<T>, until: Instant) {
    if timeout_at(until, &mut part).await.is_err() {
        part.abort();
    }
}

/// Takes the children off the process table that an earlier program under this pid has left to us, when they end: nobody
/// else can.
fn reap_inherited() -> Result<(), Error> {
    let mut ended = signal(SignalKind::child())?;
    let mut inherited = process::children();
    tokio::spawn(async move {
        loop {
            inherited.retain(|pid| !process::reap_child(*pid));
            if inherited.is_empty() || ended.recv().await.is_none() {
                return;
            }
        }
    });
    Ok(())
}

/// Reads every board through before it is used, or, after an orderly stop, while it is used already.
async fn check(boards: &Boards, clean_stop: PathBuf) -> Result<(), Error> {
    let was_orderly = fs::remove_file(&clean_stop).is_ok();
    let (boards, opened) = (boards.clone(), boards.clone());
    let check = async move {
        for name in boards.names()? {
            let checked = match boards.get(&name).await {
                Ok(board) => board.check().await,
                Err(error) => Err(error),
            };
            match checked {
                Ok(()) => {}
                Err(error) if name == BoardSlug::default() => return Err(error),
                // This gateway leaves already, and the next one looks.
                Err(_) if boards.is_over() => {}
                Err(error) => tracing::error!(%error, board = %name, "board {name} is not usable"),
            }
        }
        Ok::<_, Error>(())
    };
    if !was_orderly {
        return check.await;
    }
    tokio::spawn(async move {
        if let Err(error) = check.await
            && !opened.is_over()
        {
            tracing::error!(%error, "the default board is damaged; stop the gateway and put a backup in its place");
        }
    });
    Ok(())
}

fn open_console(home: &Path, mode: Mode, clock: &Clock) -> Result<Arc<Console>, Error> {
    let clock = clock.clone();
    let now = Box::new(move || clock.now().div_euclid(1000));
    let options = Options::stdio(mode, now, random::bytes::<8>(), unread::take(home));
    Console::open(home, options).map_err(|error| Error::refused(Reason::Damaged, error.to_string()))
}

/// Binds the control socket. The lock is ours, so one that lies there was left by a gateway that is gone.
fn listen(socket: &Path) -> Result<UnixListener, Error> {
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket)
        .map_err(|error| Fault::new(format!("cannot listen on `{}`: {error}", socket.display())))?;
    fs::set_permissions(socket, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Whether somebody has become owner since the settings were written.
async fn has_paired(boards: &Boards) -> Result<bool, Error> {
    let granted = boards.get(&BoardSlug::default()).await?.read().await?.grants().await?;
    Ok(granted.iter().any(|grant| grant.role == Role::Owner.name()))
}

/// What a person sees first: what was found, and what to type.
fn banner(home: &Path, settings: &Settings, has_owner: bool) -> String {
    let profiles: Vec<_> = settings.profiles.iter().map(|profile| profile.name.as_str()).collect();
    let mut text = format!("kanban gateway on {}\nprofiles: {}", home.display(), profiles.join(", "));
    for found in &settings.found {
        text.push_str(&format!("\nfound {} at {}", found.name, found.program.display()));
    }
    if !has_owner && !settings.platforms.kinds().is_empty() {
        text.push_str(
            "\nno chat has an owner yet: `kanban pair` prints a code, and whoever sends it to the bot becomes one",
        );
    }
    text.push_str(
        "\ntype `/kanban help`, or try:\n  /kanban create count the files --assignee script --body \"ls | wc -l\"",
    );
    text
}

fn tell(console: Option<&Arc<Console>>, banner: &str) {
    match console {
        Some(console) => console.notice(banner),
        // Without a console the banner is for whoever reads standard error.
        None => drop(writeln!(io::stderr(), "{banner}")),
    }
}

/// Takes the settings of the file as they are now, or keeps the old ones if something is wrong with them.
fn reload(desk: &Desk, home: &Path) {
    match Settings::load(home, &desk.environment) {
        Ok(settings) => {
            telemetry::hide(Arc::clone(&settings.redactor));
            desk.settings.replace(settings);
            desk.boards.wake().dispatcher.notify_one();
            tracing::info!("the settings were read again");
        }
        Err(refusal) => tracing::error!(%refusal, "the settings have a mistake; the old ones stay in force"),
    }
}

async fn ended(chatting: &mut Option<JoinHandle<Result<(), PlatformError>>>) -> Result<(), PlatformError> {
    match chatting {
        Some(task) => task.await.unwrap_or_else(|error| Err(PlatformError::Broken(error.to_string()))),
        None => std::future::pending().await,
    }
}

async fn tried(trial: &mut Option<JoinHandle<Result<(), String>>>) -> Result<(), String> {
    match trial {
        Some(task) => task.await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

async fn finished(idle: &mut Option<JoinHandle<()>>) {
    match idle {
        // If it broke, nobody would ever say that the work is done.
        Some(task) => drop(task.await),
        None => std::future::pending().await,
    }
}

/// Waits until no run is open, no thread is owed anything, and no ready task could be started.
async fn until_idle(desk: Desk, notifier: Arc<Notifier>) {
    let mut commits = desk.boards.wake().commits.subscribe();
    loop {
        commits.mark_unchanged();
        match is_idle(&desk, &notifier).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) if desk.is_leaving(&error) => return,
            Err(error) => tracing::error!(%error, "whether work is left cannot be told"),
        }
        // Every change commits; the time is for a profile that is no longer parked or paused.
        let _ = timeout(Duration::from_secs(1), commits.changed()).await;
    }
}

async fn is_idle(desk: &Desk, notifier: &Notifier) -> Result<bool, Error> {
    let settings = desk.settings.get();
    let paused = is_paused(desk).await?;
    let paused_profiles = paused_profiles(desk).await?;
    for board in desk.boards.all().await? {
        let mut tx = board.read().await?;
        if tx.has_open_turns().await? {
            return Ok(false);
        }
        if tx.open_runs().await?.iter().any(|run| run.claim_expires.is_none()) {
            return Ok(false);
        }
        if paused {
            continue;
        }
        for profile in tx.ready_assignees().await? {
            let known = settings.profiles.get(&profile).is_some_and(|profile| !profile.paused);
            if known && !paused_profiles.contains(&profile) && tx.has_task_with_place(&profile).await? {
                return Ok(false);
            }
        }
        if settings.dispatch.default_assignee.is_some() && !tx.ready_unassigned(1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(!notifier.owes().await?)
}

/// The signals that end a gateway.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
