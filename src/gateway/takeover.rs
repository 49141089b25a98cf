//! One gateway after another on the same home: the successor prepares everything, asks the one that runs to let go, and has
//! the home a moment later.

use std::{
    io::{self, Read},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

use super::lock::GatewayLock;
use crate::{
    board::{Error, Fault, error::refuse},
    control::Ask,
};

/// How long a gateway may take to answer that it lets go.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a gateway may take to let go, and how long one may be looked for that holds the home and does not listen yet.
const LETTING_GO: Duration = Duration::from_secs(15);

/// The time between two looks at the lock of a home. It is part of the time in which nobody listens.
const LOOK: Duration = Duration::from_millis(2);

/// The answer to [`Ask::Takeover`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TakeoverAnswer {
    /// This process lets go as soon as it can.
    Leaving(u32),
    Refused(String),
}

/// Who wants to take over, for as long as it waits for us.
#[derive(Debug)]
pub struct Heir(UnixStream);

impl Heir {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Waits until it serves the home or is gone. Answers true if the home is nobody's then.
    pub(super) fn has_died(self, home: &Path) -> bool {
        let is_over = self.0.into_std().and_then(|line| {
            line.set_nonblocking(false)?;
            line.set_read_timeout(Some(LETTING_GO))?;
            // It says nothing more; its end of the line closes when it serves, and when it is gone.
            (&line).read(&mut [0])
        });
        let is_late =
            is_over.is_err_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        if is_late || !matches!(GatewayLock::try_take(home), Ok(Some(_))) {
            return false;
        }
        tracing::warn!("whoever wanted to take over is gone; starting again");
        true
    }
}

/// A home that was taken over.
pub(super) struct Taken {
    pub(super) lock: GatewayLock,
    /// The process that had it, and when that began to leave; none if nobody had it.
    pub(super) from: Option<(u32, Instant)>,
    /// Kept open until we serve: whoever leaves comes back when we are gone before that.
    pub(super) _line: Option<UnixStream>,
}

/// Takes the lock of a home, from the gateway that has it where one does.
///
/// # Errors
/// When that gateway does not answer, does not want to, or does not let go in time. Nothing is killed.
pub(super) async fn take(home: &Path, socket: &Path) -> Result<Taken, Error> {
    let deadline = Instant::now() + LETTING_GO;
    loop {
        if let Some(lock) = GatewayLock::try_take(home)? {
            return Ok(Taken { lock, from: None, _line: None });
        }
        match UnixStream::connect(socket).await {
            Ok(stream) => return from_holder(home, stream).await,
            // It starts or stops just now, or a command of a moment has the home.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            refuse!(
                Busy,
                "{} has the home `{}` and does not listen, so nobody can be asked to hand over; nothing was changed; stop it with `kill PID`, then run `kanban up`",
                GatewayLock::holder(home),
                home.display()
            );
        }
        sleep(LOOK * 10).await;
    }
}

async fn from_holder(home: &Path, mut stream: UnixStream) -> Result<Taken, Error> {
    let mut line = serde_json::to_vec(&Ask::Takeover)?;
    line.push(b'\n');
    let mut answer = String::new();
    let asked = async {
        stream.write_all(&line).await?;
        BufReader::new(&mut stream).read_line(&mut answer).await
    };
    match timeout(ANSWER, asked).await {
        Ok(Ok(length)) if length > 0 => {}
        Ok(Ok(_)) => refuse!(
            Busy,
            "{} is stopping just now and hands nothing over; run `kanban up` when it is gone",
            GatewayLock::holder(home)
        ),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => refuse!(
            Busy,
            "{} has not answered within {} s whether it hands over; nothing was changed; look at its log, or stop it with `kill PID`",
            GatewayLock::holder(home),
            ANSWER.as_secs()
        ),
    }
    let began = Instant::now();
    let pid = match serde_json::from_str(&answer) {
        Ok(TakeoverAnswer::Leaving(pid)) => pid,
        Ok(TakeoverAnswer::Refused(reason)) => refuse!(Busy, "{reason}"),
        Err(_) => refuse!(
            Invalid,
            "{} is of a version that cannot hand over; stop it with `kill PID`, then run `kanban up`; workers go on meanwhile",
            GatewayLock::holder(home)
        ),
    };
    loop {
        if let Some(lock) = GatewayLock::try_take(home)? {
            return Ok(Taken { lock, from: Some((pid, began)), _line: Some(stream) });
        }
        if began.elapsed() >= LETTING_GO {
            return Err(Fault::new(format!(
                "the gateway (pid {pid}) has agreed to hand over and not let go within {} s; nothing was killed; look at its log, or stop it with `kill {pid}`",
                LETTING_GO.as_secs()
            ))
            .into());
        }
        sleep(LOOK).await;
    }
}
