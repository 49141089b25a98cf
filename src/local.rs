//! The local owner's way to the boards: through the gateway of the home where one runs, and otherwise in this process.

use std::{path::PathBuf, sync::Arc};

use crate::{
    board::Boards,
    clock::Clock,
    command::{Caller, Desk, Kanban, Reply, SharedSettings, Verb},
    control::Client,
    dispatcher::stop_what_was_closed,
    settings::{self, Environment, LogLevel, Logs, Settings},
    shim, telemetry,
};

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
