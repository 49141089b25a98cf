//! What a shim is told about its run, in `spec.json` of the run's directory.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Confinement;
use crate::{
    board::id::{BoardSlug, TaskId},
    random,
};

/// The file in a run's directory that says what the worker is to do.
pub const PROMPT: &str = "prompt";

/// The most that is kept of an answer.
pub const ANSWER_LIMIT: u64 = 1 << 20;

/// One attempt at one task, or one turn of a thread's agent, as it is ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    pub run: i64,
    pub board: BoardSlug,
    /// None for a turn of a thread's agent, which has no door to the board.
    #[serde(default)]
    pub task: Option<TaskId>,
    /// The run's fencing token; whoever shows it is the gateway.
    pub token: Token,
    /// The worker's command line; the first word is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// The worker's whole environment.
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
    /// The root below which `cwd` is opened, both by their true paths; without one it is taken as it stands.
    #[serde(default)]
    pub root: Option<PathBuf>,
    /// The file that the worker reads on standard input; nothing if absent.
    pub stdin: Option<PathBuf>,
    /// Where the worker's output goes; the older half is beside it, see [`super::newest_output`].
    pub log: PathBuf,
    /// Where its standard output goes by itself, up to [`ANSWER_LIMIT`] bytes; into the log if absent.
    #[serde(default)]
    pub answer: Option<PathBuf>,
    #[serde(default = "default_log_limit")]
    pub log_limit_bytes: u64,
    /// The socket that the shim serves.
    pub socket: PathBuf,
    pub gateway_socket: PathBuf,
    pub time_limit_seconds: Option<u64>,
    /// How long the worker may give no sign of life: no output, and no call to the board.
    #[serde(default)]
    pub silence_limit_seconds: Option<u64>,
    /// What the worker is kept out of; without it, of nothing.
    #[serde(default)]
    pub confinement: Option<Confinement>,
    /// The most processes and threads that the worker may have at once.
    #[serde(default)]
    pub max_processes: Option<u32>,
    /// The most memory that the worker's processes may have together.
    #[serde(default)]
    pub max_memory_bytes: Option<u64>,
    /// Whether calls are taken from files in the workspace as well.
    #[serde(default)]
    pub outbox: bool,
    /// How long processes may take to end when asked, before they are killed.
    pub grace_seconds: u64,
}

impl Spec {
    /// The size of the output that is kept unless settings say otherwise.
    pub const LOG_LIMIT_BYTES: u64 = 64 << 20;

    /// Reads the specification of a run.
    ///
    /// # Errors
    /// When the file is missing, unreadable or of another shape.
    pub fn read(rundir: &Path) -> io::Result<Self> {
        let path = rundir.join(Self::FILE);
        let text =
            fs::read(&path).map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))?;
        serde_json::from_slice(&text).map_err(|error| io::Error::other(format!("`{}`: {error}", path.display())))
    }

    pub(super) const FILE: &str = "spec.json";
}

fn default_log_limit() -> u64 {
    Spec::LOG_LIMIT_BYTES
}

/// The secret that one run writes the board with. It is never printed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Token(String);

impl Token {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself, for the worker's environment and the hash on the board.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not tell how much was right.
    pub fn matches(&self, other: &Self) -> bool {
        let (ours, theirs) = (Sha256::digest(&self.0), Sha256::digest(&other.0));
        ours.iter().zip(theirs.iter()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// The longest path that every system takes as a socket's address.
const LONGEST_SOCKET_PATH: usize = 100;

/// Chooses the path of a run's socket and makes its directory: `<home>/run/<board>-<run>.sock`, or, where that is too
/// long for a socket, a private directory of this user and home below `runtime_dir`.
///
/// # Errors
/// When the directory cannot be made, or belongs to somebody else or is open to others.
pub fn socket_path(home: &Path, runtime_dir: &Path, board: &BoardSlug, run: i64) -> io::Result<PathBuf> {
    place_socket(home, runtime_dir, &format!("{board}-{run}"))
}

/// Chooses the path of the socket of a turn in the same way: `<home>/run/turn.<number>.sock`, which is no board's.
///
/// # Errors
/// As for [`socket_path`].
pub fn turn_socket_path(home: &Path, runtime_dir: &Path, turn: i64) -> io::Result<PathBuf> {
    place_socket(home, runtime_dir, &format!("turn.{turn}"))
}

/// Chooses the path of the gateway's own socket in the same way: `<home>/run/gateway.sock` where that is short enough.
///
/// # Errors
/// As for [`socket_path`].
pub fn gateway_socket_path(home: &Path, runtime_dir: &Path) -> io::Result<PathBuf> {
    place_socket(home, runtime_dir, "gateway")
}

fn place_socket(home: &Path, runtime_dir: &Path, name: &str) -> io::Result<PathBuf> {
    let fits = |path: &Path| path.as_os_str().len() <= LONGEST_SOCKET_PATH;
    let short = |text: &[u8], digits: usize| {
        let mut name = random::hex_of(&Sha256::digest(text));
        name.truncate(digits);
        name
    };
    let near = home.join("run").join(format!("{name}.sock"));
    let path = if fits(&near) {
        make_private(&home.join("run"))?;
        near
    } else {
        let user = rustix::process::geteuid().as_raw();
        runtime_dir
            .join(format!("kanban-{user}-{}", short(home.as_os_str().as_encoded_bytes(), 16)))
            .join(format!("{}.sock", short(name.as_bytes(), 16)))
    };
    if !fits(&path) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidFilename,
            format!(
                "`{}` is too long for a socket; set `XDG_RUNTIME_DIR` or `TMPDIR` to a shorter directory",
                path.display()
            ),
        ));
    }
    if let Some(directory) = path.parent() {
        private_directory(directory)?;
    }
    Ok(path)
}

/// Makes a directory of ours for this user alone, or makes the one in place so.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    private_directory(path)
}

/// Makes a directory for this user alone, or checks that the one in place is such.
fn private_directory(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).recursive(true).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io::Error::new(error.kind(), format!("cannot make `{}`: {error}", path.display()))),
    }
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "`{}` must be a directory of this user that nobody else can open; run `chmod 700` on it, or remove it",
            path.display()
        ),
    ))
}
