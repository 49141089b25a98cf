//! How a run ended, kept in `exit.json` of the run's directory.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{clock::Millis, process::Identity};

/// The end of a run. It exists only after the last process of the run is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The worker's exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended the worker.
    pub signal: Option<i32>,
    /// Why the worker was ended from outside: `time limit`, `silence limit`, or the reason of the one who stopped it.
    pub stopped: Option<String>,
    pub started_at: Millis,
    pub ended_at: Millis,
    /// The worker, unless it was never started.
    pub worker: Option<Identity>,
    /// Why the worker was never started.
    pub error: Option<String>,
    /// The last lines of the output.
    pub tail: String,
}

impl Exit {
    /// The reason of a run that took longer than it may.
    pub const TIME_LIMIT: &str = "time limit";

    /// The reason of a run whose worker gave no sign of life for longer than it may.
    pub const SILENCE_LIMIT: &str = "silence limit";
}

/// Reads how a run ended; nothing if it has not, or nobody could write it down.
pub fn exit_record(rundir: &Path) -> Option<Exit> {
    serde_json::from_slice(&fs::read(rundir.join(FILE)).ok()?).ok()
}

/// Notes that the worker is about to be started, and who its shim is. Without the note and without a record, no worker
/// ever was.
pub(super) fn begin(rundir: &Path, shim: &Identity) -> io::Result<()> {
    write_whole(rundir, BEGUN, &serde_json::to_vec(shim)?)
}

/// The shim of a run as it introduced itself; nothing before it has begun.
pub fn keeper(rundir: &Path) -> Option<Identity> {
    serde_json::from_slice(&fs::read(rundir.join(BEGUN)).ok()?).ok()
}

/// Whether the worker of a run may have been started.
pub fn has_begun(rundir: &Path) -> bool {
    rundir.join(BEGUN).exists()
}

/// Writes the record.
pub(super) fn write(rundir: &Path, exit: &Exit) -> io::Result<()> {
    write_whole(rundir, FILE, &serde_json::to_vec(exit)?)
}

/// Writes a file of a run's directory so that it is there whole or not at all, also after a power loss.
pub(super) fn write_whole(rundir: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let draft = rundir.join(format!("{name}.new"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&draft, rundir.join(name))?;
    File::open(rundir)?.sync_all()
}

const FILE: &str = "exit.json";
const BEGUN: &str = "begun";
