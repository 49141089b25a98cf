//! The local owner's way to the boards: through the gateway of the home where one runs, and otherwise in this process.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use kanban_console::Say;

use crate::{
    board::Boards,
    clock::Clock,
    command::{Caller, Desk, Kanban, Reply, SharedSettings, Verb},
    control::{Client, SayAnswer},
    dispatcher::stop_what_was_closed,
    gateway::lock::GatewayLock,
    settings::{self, Environment, LogLevel, Logs, Settings},
    shim::{self, Answer},
    telemetry,
};

/// How long a command waits for the next gateway when the one that it was for leaves.
const SUCCESSION: Duration = Duration::from_secs(20);

/// A home, and the environment that its settings are read in.
#[derive(Clone)]
pub struct Local {
    pub home: PathBuf,
    pub environment: Arc<Environment>,
}

impl Local {
    /// A connection to the gateway of this home, if one runs.
    ///
    /// # Errors
    /// With a sentence, when its socket is there and does not answer.
    pub fn gateway(&self) -> Result<Option<Client>, String> {
        if !self.home.exists() {
            return Ok(None);
        }
        let socket = shim::gateway_socket_path(&self.home, &self.environment.runtime_dir())
            .map_err(|error| error.to_string())?;
        Client::connect(&socket)
            .map_err(|error| format!("the gateway's socket `{}` does not answer: {error}", socket.display()))
    }

    /// Runs a command line in the gateway of this home. None when none runs.
    ///
    /// # Errors
    /// With a sentence, when it does not answer.
    pub fn run_in_gateway(&self, argv: &[String], folder: &Path) -> Result<Option<Answer>, String> {
        self.asked(|gateway| gateway.run(argv, folder))
    }

    /// Sends a message through the console of the gateway of this home. None when none runs.
    ///
    /// # Errors
    /// As for [`Local::run_in_gateway`].
    pub fn say_in_gateway(&self, say: &Say) -> Result<Option<SayAnswer>, String> {
        self.asked(|gateway| gateway.say(say))
    }

    /// Asks the gateway of this home, and the next one where it leaves without having done anything.
    fn asked<T>(&self, ask: impl Fn(&mut Client) -> io::Result<Option<T>>) -> Result<Option<T>, String> {
        let mut since: Option<Instant> = None;
        loop {
            match self.gateway()? {
                Some(mut gateway) => {
                    if let Some(answer) = ask(&mut gateway).map_err(|error| error.to_string())? {
                        return Ok(Some(answer));
                    }
                }
                // One that has left for good has no successor.
                None if since.is_none() || !GatewayLock::is_anybody_there(&self.home) => return Ok(None),
                None => {}
            }
            if since.get_or_insert_with(Instant::now).elapsed() >= SUCCESSION {
                return Err(format!(
                    "the gateway hands over or stops, and none has answered within {} s; nothing was done; type the same command again",
                    SUCCESSION.as_secs()
                ));
            }
            let look = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let _ = rustix::event::poll(&mut [], Some(&look));
        }
    }

    /// The boards themselves, for a home without a gateway. The home is made where there is none, and the log is started.
    ///
    /// # Errors
    /// With a sentence, when the home cannot be made or its settings cannot be read.
    pub fn desk(&self) -> Result<Desk, String> {
        settings::create_home(&self.home).map_err(|refusal| refusal.to_string())?;
        let settings = Settings::load(&self.home, &self.environment).map_err(|refusal| refusal.to_string())?;
        // What one command does is told by its answer; the log is for what nobody asked about.
        let logs = Logs { level: settings.logs.level.min(LogLevel::Warn), ..settings.logs.clone() };
        telemetry::hide(Arc::clone(&settings.redactor));
        telemetry::start(&logs, &self.environment);
        Ok(Desk {
            boards: Boards::new(&self.home, Arc::default()),
            settings: SharedSettings::new(settings),
            environment: Arc::clone(&self.environment),
            clock: Clock::system(),
            gateway: None,
        })
    }
}

/// Runs a command in a process that is no gateway, and stops the workers whose run it closed.
pub async fn run(desk: &Desk, caller: &Caller, command: &Kanban) -> Reply {
    let reply = desk.run(caller, command, None).await.reply;
    if matches!(command.verb, Some(Verb::Write(_) | Verb::Operate(_)))
        && let Err(error) = stop_what_was_closed(desk).await
    {
        tracing::warn!(%error, "workers whose run was closed could not be stopped");
    }
    reply
}
