//! The lines on the sockets of shim and gateway: one JSON object each.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Exit, Token};
use crate::process::Identity;

/// The longest line that a worker may send.
pub(super) const LONGEST_LINE: u64 = 16 << 20;

/// What is asked of a shim.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Request {
    /// The gateway wants to know how the run goes.
    Watch { token: Token },
    /// The gateway ends the run.
    Stop { token: Token, reason: String },
    /// A process of the worker speaks to the board.
    Call {
        argv: Vec<String>,
        #[serde(default)]
        stdin: Option<String>,
    },
}

/// What a shim tells the gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Notice {
    Started(Identity),
    Failed { error: String },
    Stopping(bool),
    Exit(Exit),
    Refused(String),
}

/// The answer to one command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub exit: i32,
    #[serde(default)]
    pub stdout: String,
    #[serde(default)]
    pub stderr: String,
    /// Whether the call is kept by the shim and was not seen by the gateway yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// Whether the gateway could not save anything just now, so that the call is to be sent again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Whether the gateway leaves and has done nothing, so that the next one is to be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

impl Answer {
    pub(super) fn refused(exit: i32, reason: impl Into<String>) -> Self {
        Self { exit, stderr: reason.into() + "\n", ..Self::default() }
    }
}

/// Connects to a socket; every wait on it ends after `deadline`, also the wait for a place in a full queue.
pub(super) fn connect(path: &Path, deadline: Duration) -> io::Result<UnixStream> {
    #[cfg(target_os = "linux")]
    let flags = SocketFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = SocketFlags::empty();
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(deadline))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(deadline))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket.into())
}

pub(super) fn send(mut stream: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Receives one whole line; nothing at the end of the stream.
pub(super) fn receive<T: DeserializeOwned>(reader: &mut BufReader<&UnixStream>, longest: u64) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    reader.take(longest).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line was cut off or is too long"));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
