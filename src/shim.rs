//! The small process that owns one worker: starts it, is its only door to the board, ends it with all that it started,
//! and leaves a record of how it ended. It goes on while the gateway is away.

mod calls;
mod cgroup;
pub mod client;
mod confinement;
mod log;
mod outbox;
mod protocol;
mod record;
mod run;
mod server;
mod signs;
mod spec;

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    os::unix::{ffi::OsStrExt, net::UnixListener},
    path::{Path, PathBuf},
    process::ExitCode,
};

pub use self::{
    calls::{Call, changes_the_board, pending_calls},
    cgroup::{Control, clear_leftovers, control, is_in_leaf},
    confinement::{Confinement, Power, power},
    log::newest as newest_output,
    protocol::Answer,
    record::{Exit, exit_record, has_begun, keeper},
    spec::{ANSWER_LIMIT, PROMPT, Spec, Token, gateway_socket_path, socket_path, turn_socket_path},
};
use crate::process;

/// The first argument that turns the program into a shim.
pub const VERB: &str = "shim";

/// The environment variable that tells a worker's processes their shim's socket, and us whose processes they are.
pub const SOCKET_VARIABLE: &str = "KANBAN_SOCKET";

/// Runs `kanban shim RUNDIR`, started by [`client::spawn`] with the listening socket as standard input.
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let outcome = match (args.next(), args.next()) {
        (Some(rundir), None) => keep(Path::new(&rundir)),
        _ => Err(io::Error::other(
            "`kanban shim` is started by the dispatcher, with one run's directory as its argument",
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(io::stderr(), "kanban shim: {error}");
            ExitCode::from(2)
        }
    }
}

/// Answers the run directory that the nearest shim above a process was started with, whatever the environment of the
/// process says. A process below a shim is that run's worker.
///
/// Any program that was started like a shim, on a run directory, counts: a worker that runs a copy of ours must not pass
/// for somebody else, and who pretends to be below a shim only limits itself.
pub fn above(pid: u32) -> Option<PathBuf> {
    all_above(pid).find(|rundir| Spec::read(rundir).is_ok())
}

/// Answers the run directories of every shim above a process, nearest first: a worker may run a gateway of its own.
///
/// A process that merely looks like a shim may be among them, but never above the shim that it is below itself.
pub fn all_above(pid: u32) -> impl Iterator<Item = PathBuf> {
    process::ancestors(pid).filter_map(|ancestor| run_directory_of(ancestor.pid))
}

/// The run directory in the command line of a process that was started as a shim.
fn run_directory_of(pid: u32) -> Option<PathBuf> {
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = command_line.split(|byte| *byte == 0).skip(1);
    let rundir = (words.next()? == VERB.as_bytes()).then(|| words.next()).flatten()?;
    Some(PathBuf::from(OsStr::from_bytes(rundir)))
}

fn keep(rundir: &Path) -> io::Result<()> {
    process::become_keeper()?;
    let listener = listener_on_stdin()?;
    let spec = Spec::read(rundir)?;
    run::own(rundir, &spec, listener)
}

/// Takes the listening socket off standard input, so that no child can hold it.
fn listener_on_stdin() -> io::Result<UnixListener> {
    let stdin = rustix::stdio::stdin();
    if !rustix::net::sockopt::socket_acceptconn(stdin).unwrap_or(false) {
        return Err(io::Error::other("standard input is not a listening socket; the dispatcher starts this program"));
    }
    let listener = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    let listener = UnixListener::from(listener);
    // A socket made by an asynchronous program does not wait; ours must.
    listener.set_nonblocking(false)?;
    Ok(listener)
}
