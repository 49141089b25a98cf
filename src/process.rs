//! Processes as the operating system knows them: who one is, who is above and below it, and how a whole tree is ended.
//!
//! This is the one file that may use `unsafe`: a few calls of the C library have no safe wrapper.
#![expect(unsafe_code, reason = "signal dispositions, descriptor ranges and `pre_exec` have no safe wrapper")]

use std::{
    collections::HashSet,
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::{
    event::Timespec,
    process::{Pid, Signal, WaitOptions},
};
use serde::{Deserialize, Serialize};

/// One process and no other: a pid alone is used again by the system, together with the start time and the boot it is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks between boot and the start of the process; 0 where the system does not tell.
    pub start_time: u64,
    /// The kernel's name for the present boot; empty where the system has none.
    pub boot_id: String,
}

impl Identity {
    /// Answers nothing when no such process lives.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = table::stat(pid).filter(|stat| !stat.is_dead)?;
        Some(Self { pid, start_time: stat.start_time, boot_id: table::boot_id() })
    }

    /// The calling process.
    ///
    /// # Errors
    /// When the system's process table cannot be read.
    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id()).ok_or_else(|| io::Error::other("the process table does not list this process"))
    }

    /// A child that was not reaped yet, whether it lives or not.
    pub fn of_child(pid: u32) -> Self {
        let start_time = table::stat(pid).map_or(0, |stat| stat.start_time);
        Self { pid, start_time, boot_id: table::boot_id() }
    }

    /// Tells whether this very process lives; a zombie does not.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Tells whether this process was one of an earlier boot, so that it is gone and its number may be anybody's.
    pub fn is_of_another_boot(&self) -> bool {
        is_of_another_boot(&self.boot_id)
    }

    /// Tells whether this names one process and no other, which it does not where the system hides what that takes.
    pub fn is_certain(&self) -> bool {
        self.start_time != 0 && !self.boot_id.is_empty()
    }

    /// Sends a signal to this process and to no later one of the same number.
    fn signal(&self, signal: Signal) {
        // A process that ended in the meantime is what every caller wants, so errors say nothing new.
        let Some(pid) = pid_of(self.pid) else { return };
        #[cfg(target_os = "linux")]
        if let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            if self.is_alive() {
                let _ = rustix::process::pidfd_send_signal(handle, signal);
            }
            return;
        }
        if self.is_alive() {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Tells whether the machine was started anew since it named its boot so.
pub fn is_of_another_boot(boot_id: &str) -> bool {
    let now = table::boot_id();
    !boot_id.is_empty() && !now.is_empty() && boot_id != now
}

/// The processes above one, parent first. Empty where the system does not tell.
pub fn ancestors(pid: u32) -> impl Iterator<Item = Identity> {
    let parent = |pid: u32| table::stat(pid).map(|stat| stat.parent).filter(|parent| *parent != 0);
    std::iter::successors(parent(pid), move |pid| parent(*pid)).map_while(Identity::of)
}

/// The living processes below one, in no order. Empty where the system does not tell.
pub fn descendants(pid: u32) -> Vec<Identity> {
    let all = table::all();
    let boot_id = table::boot_id();
    let mut below = HashSet::from([pid]);
    // A child may be listed before its parent, because numbers wrap: go on until a pass finds nobody new.
    loop {
        let before = below.len();
        below.extend(
            all.iter().filter(|(_, stat)| below.contains(&stat.parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
        );
        if below.len() == before {
            break;
        }
    }
    all.iter()
        .filter(|(other, stat)| *other != pid && !stat.is_dead && below.contains(other))
        .map(|(pid, stat)| Identity { pid: *pid, start_time: stat.start_time, boot_id: boot_id.clone() })
        .collect()
}

/// The process at the other end of a unix socket, if it runs under our user.
///
/// # Errors
/// When it runs under another user, or the system does not tell.
pub fn peer_pid(stream: impl AsFd) -> io::Result<u32> {
    #[cfg(target_os = "linux")]
    {
        let peer = rustix::net::sockopt::socket_peercred(stream)?;
        if peer.uid != rustix::process::geteuid() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the caller runs under another user"));
        }
        u32::try_from(peer.pid.as_raw_nonzero().get()).map_err(io::Error::other)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not name the process behind a socket"))
    }
}

/// Everything below one process.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The process whose descendants are meant; it is spared itself.
    pub root: Identity,
    /// The process group that stands for the tree on systems whose process table we do not read.
    pub group: u32,
}

impl Tree {
    /// Asks every process to end and waits up to `grace`. Answers whether all of them have.
    pub fn ask(&self, grace: Duration) -> bool {
        let polite_until = Instant::now() + grace;
        let mut asked = HashSet::new();
        while Instant::now() < polite_until {
            let living = self.living();
            if living.is_empty() {
                return true;
            }
            let before = asked.clone();
            for process in &living {
                // What a process starts when it was asked to end, it needs for that.
                let is_helping = || ancestors(process.pid).any(|ancestor| before.contains(&ancestor));
                if !before.contains(process) && !is_helping() {
                    self.send(process, Signal::TERM);
                    // A stopped process takes the request only when it runs.
                    self.send(process, Signal::CONT);
                    asked.insert(process.clone());
                }
            }
            wait_for_any(&living, polite_until.saturating_duration_since(Instant::now()).min(TURN));
        }
        self.living().is_empty()
    }

    /// Freezes and kills every process. Answers those that still live `patience` after that: the kernel holds on to a
    /// process that waits for a dead disk.
    pub fn kill(&self, patience: Duration) -> Vec<Identity> {
        kill_all(|| self.living(), |process, signal| self.send(process, signal), patience)
    }

    #[cfg(target_os = "linux")]
    fn living(&self) -> Vec<Identity> {
        // What is below a later process of the same number is a stranger's.
        if self.root.is_alive() { descendants(self.root.pid) } else { Vec::new() }
    }

    #[cfg(target_os = "linux")]
    #[expect(clippy::unused_self, reason = "the other systems signal the group of the tree")]
    fn send(&self, process: &Identity, signal: Signal) {
        process.signal(signal);
    }

    #[cfg(not(target_os = "linux"))]
    fn living(&self) -> Vec<Identity> {
        let lives = pid_of(self.group).is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok());
        lives.then(|| Identity { pid: self.group, start_time: 0, boot_id: String::new() }).into_iter().collect()
    }

    #[cfg(not(target_os = "linux"))]
    fn send(&self, _: &Identity, signal: Signal) {
        if let Some(group) = pid_of(self.group) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

/// Kills the processes that were started with this entry, such as `NAME=value`, in their environment.
///
/// This is for a tree whose keeper was killed. Answers those that still live after `patience`; nobody is found where the
/// system tells no environments.
pub fn kill_marked(entry: &str, patience: Duration) -> Vec<Identity> {
    kill_all(|| table::with_environment(entry), Identity::signal, patience)
}

/// Kills the processes of a group whose leader is a child that was not reaped yet.
pub fn kill_group(leader: u32) {
    if let Some(leader) = pid_of(leader) {
        // Where nobody is left there is nobody to signal.
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Code(i32),
    Signal(i32),
}

/// Becomes another program under the same pid. `name` is what it is told as its own name. Returns only when that fails.
///
/// The signals that a gateway acts on without ending are ignored until the next program listens, as they would end it.
pub fn replace(program: &Path, name: &Path, arguments: &[&OsStr]) -> io::Error {
    for signal in [libc::SIGUSR2, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    Command::new(program).arg0(name).args(arguments).exec()
}

/// Has the signals that end a gateway end this process at once from here on, as if nobody had ever listened to them.
pub fn end_on_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the disposition of a new process installs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// The children of this process that are on the process table, whether they live or not. Empty where the system does not
/// tell.
pub fn children() -> Vec<u32> {
    let own = std::process::id();
    table::all().into_iter().filter(|(_, stat)| stat.parent == own).map(|(pid, _)| pid).collect()
}

/// Takes one child off the process table if it has ended. Answers false for one that lives.
pub fn reap_child(pid: u32) -> bool {
    let Some(pid) = pid_of(pid) else { return true };
    !matches!(rustix::process::waitpid(Some(pid), WaitOptions::NOHANG), Ok(None))
}

/// Waits for any child to end and takes it off the process table. Answers nothing when there is no child left.
///
/// # Errors
/// When the system refuses to wait.
pub fn reap() -> io::Result<Option<(u32, Ending)>> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => {
                let pid = u32::try_from(pid.as_raw_nonzero().get()).map_err(io::Error::other)?;
                if let Some(code) = status.exit_status() {
                    return Ok(Some((pid, Ending::Code(code))));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(Some((pid, Ending::Signal(signal))));
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CHILD) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes the calling process the keeper of all that it starts.
///
/// It gets its own session, becomes the parent of every orphan below it, deaf to the signals that end a terminal's programs, and is left without any descriptor but the three standard ones.
///
/// # Errors
/// When the system refuses to make it the parent of orphans.
pub fn become_keeper() -> io::Result<()> {
    close_from(3);
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGPIPE] {
        // SAFETY: ignoring a signal installs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // This fails only for the leader of a process group, which a terminal's shell made on purpose.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    keep_memory_private()
}

/// Closes the calling process's memory, environment and descriptors to other processes of the same user.
///
/// # Errors
/// When the system refuses.
pub fn keep_memory_private() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// What a child of the keeper is held by, beside the keeper.
#[derive(Debug, Default)]
pub struct Bounds {
    /// Rules of Landlock that come into force before the program starts.
    pub fence: Option<OwnedFd>,
    /// The `cgroup.procs` of a control group that the child joins.
    pub group: Option<OwnedFd>,
    /// The most processes and threads that the child's user may have from then on, if it joins no group or `group` does not
    /// limit them; root is not held by it.
    pub user_processes: Option<u64>,
    /// Whether the control group limits them.
    pub group_limits: bool,
}

/// Prepares a child of the keeper: own process group, standard signal behaviour, no descriptor but the three standard
/// ones, dead as soon as the calling *thread* is, and held by its bounds.
pub fn bind_to_keeper(command: &mut Command, bounds: Bounds) -> &mut Command {
    #[cfg(target_os = "linux")]
    let keeper = rustix::process::getpid();
    let prepare = move || {
        #[cfg(target_os = "linux")]
        {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The keeper may have died before the line above: then no signal will ever come.
            if rustix::process::getppid() != Some(keeper) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        for signal in 1..65 {
            // SAFETY: the default behaviour installs no code of ours; the few signals that cannot be changed refuse.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        // SAFETY: the set is filled by `sigemptyset` before it is read.
        unsafe {
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        }
        bounds.apply()?;
        close_on_exec_from(3);
        Ok(())
    };
    command.process_group(0);
    // SAFETY: the closure makes system calls alone and allocates nothing.
    unsafe { command.pre_exec(prepare) }
}

impl Bounds {
    /// Binds the calling process. Allocates nothing: it is called between fork and exec.
    fn apply(&self) -> io::Result<()> {
        // A group that cannot be joined leaves the walk over the tree and the limit of the user.
        let joined = self.group.as_ref().is_some_and(|group| rustix::io::write(group, b"0").is_ok());
        if let Some(most) = self.user_processes.filter(|_| !(joined && self.group_limits)) {
            use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
            let most = getrlimit(Resource::Nproc).maximum.map_or(most, |maximum| maximum.min(most));
            setrlimit(Resource::Nproc, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        #[cfg(target_os = "linux")]
        if let Some(fence) = &self.fence {
            use std::os::fd::AsRawFd;
            for capability in REACHING_OUT {
                // SAFETY: this changes the calling thread alone. Who is not root has none of them, and is refused.
                unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
            }
            // SAFETY: both calls change the calling thread alone; the descriptor is open.
            let refused = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                    || libc::syscall(libc::SYS_landlock_restrict_self, fence.as_raw_fd(), 0) != 0
            };
            if refused {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// The capabilities of root by which rules of Landlock could be passed by: to look into other processes and the kernel.
///
/// They are `SYS_MODULE`, `SYS_RAWIO`, `SYS_PTRACE`, `SYS_ADMIN`, `PERFMON` and `BPF`.
#[cfg(target_os = "linux")]
const REACHING_OUT: [libc::c_ulong; 6] = [16, 17, 19, 21, 38, 39];

/// How many processes and threads our user has; nothing where the system does not tell.
pub fn user_processes() -> Option<u64> {
    table::of_user(rustix::process::getuid().as_raw())
}

/// The longest time between two looks at a tree that is being ended.
const TURN: Duration = Duration::from_millis(50);

/// Freezes and kills until nobody is left or `patience` is over.
fn kill_all(living: impl Fn() -> Vec<Identity>, send: impl Fn(&Identity, Signal), patience: Duration) -> Vec<Identity> {
    let give_up = Instant::now() + patience;
    loop {
        let frozen = freeze(&living, &send);
        if frozen.is_empty() {
            return frozen;
        }
        for process in &frozen {
            send(process, Signal::KILL);
        }
        wait_for_any(&frozen, TURN);
        if Instant::now() >= give_up {
            return living();
        }
    }
}

/// Stops every process, so that none can start another between our look and our blow.
fn freeze(living: impl Fn() -> Vec<Identity>, send: impl Fn(&Identity, Signal)) -> Vec<Identity> {
    let mut stopped = HashSet::new();
    for _ in 0..64 {
        let now = living();
        let fresh: Vec<_> = now.iter().filter(|process| !stopped.contains(*process)).cloned().collect();
        if fresh.is_empty() {
            return now;
        }
        for process in &fresh {
            send(process, Signal::STOP);
        }
        stopped.extend(fresh);
    }
    living()
}

/// Returns when one of the processes has ended, or after `timeout`.
fn wait_for_any(processes: &[Identity], timeout: Duration) {
    #[cfg(target_os = "linux")]
    let handles: Vec<_> = processes
        .iter()
        .take(256)
        .filter_map(|process| {
            rustix::process::pidfd_open(pid_of(process.pid)?, rustix::process::PidfdFlags::empty()).ok()
        })
        .collect();
    #[cfg(not(target_os = "linux"))]
    let handles: Vec<std::os::fd::OwnedFd> = {
        let _ = processes;
        Vec::new()
    };
    let mut polled: Vec<_> =
        handles.iter().map(|handle| rustix::event::PollFd::new(handle, rustix::event::PollFlags::IN)).collect();
    let _ = rustix::event::poll(&mut polled, Timespec::try_from(timeout).ok().as_ref());
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(target_os = "linux")]
fn close_range(first: u32, flags: u32) {
    // An old kernel lacks the call; every descriptor of ours is opened close-on-exec anyway.
    // SAFETY: called before this process opened a descriptor of its own, or in a child that is about to exec.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
}

#[cfg(target_os = "linux")]
fn close_from(first: u32) {
    close_range(first, 0);
}

#[cfg(target_os = "linux")]
fn close_on_exec_from(first: u32) {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC);
}

#[cfg(not(target_os = "linux"))]
fn close_from(_: u32) {}

#[cfg(not(target_os = "linux"))]
fn close_on_exec_from(_: u32) {}

/// The process table below `/proc`.
#[cfg(target_os = "linux")]
mod table {
    use std::fs;

    use super::Identity;

    pub(super) struct Stat {
        pub(super) parent: u32,
        pub(super) start_time: u64,
        pub(super) is_dead: bool,
    }

    pub(super) fn stat(pid: u32) -> Option<Stat> {
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
        let end = bytes.iter().rposition(|byte| *byte == b')')?;
        let text = std::str::from_utf8(&bytes[end + 1..]).ok()?;
        let field = |number: usize| text.split_ascii_whitespace().nth(number - 3);
        let threads: u32 = field(20)?.parse().ok()?;
        Some(Stat {
            parent: field(4)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            // A process whose first thread has ended looks like a zombie while its other threads go on.
            is_dead: matches!(field(3)?, "Z" | "X" | "x") && threads < 2,
        })
    }

    pub(super) fn all() -> Vec<(u32, Stat)> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| {
                let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
                Some((pid, stat(pid)?))
            })
            .collect()
    }

    pub(super) fn with_environment(entry: &str) -> Vec<Identity> {
        let is_marked = |pid: u32| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes()))
        };
        all()
            .into_iter()
            .filter(|(pid, stat)| *pid != std::process::id() && !stat.is_dead && is_marked(*pid))
            .filter_map(|(pid, _)| Identity::of(pid))
            .collect()
    }

    pub(super) fn of_user(uid: u32) -> Option<u64> {
        let mut count = 0;
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
                continue;
            }
            let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            if field("Uid:").and_then(|owner| owner.parse().ok()) == Some(uid) {
                count += field("Threads:").and_then(|threads| threads.parse::<u64>().ok()).unwrap_or(1);
            }
        }
        Some(count)
    }

    pub(super) fn boot_id() -> String {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    }
}

/// Without a process table that we can read, a process is its number and nothing is known above or below it.
#[cfg(not(target_os = "linux"))]
mod table {
    use super::Identity;

    pub(super) struct Stat {
        pub(super) parent: u32,
        pub(super) start_time: u64,
        pub(super) is_dead: bool,
    }

    pub(super) fn stat(pid: u32) -> Option<Stat> {
        rustix::process::test_kill_process(super::pid_of(pid)?).ok()?;
        Some(Stat { parent: 0, start_time: 0, is_dead: false })
    }

    pub(super) fn all() -> Vec<(u32, Stat)> {
        Vec::new()
    }

    pub(super) fn with_environment(_: &str) -> Vec<Identity> {
        Vec::new()
    }

    pub(super) fn of_user(_: u32) -> Option<u64> {
        None
    }

    pub(super) fn boot_id() -> String {
        String::new()
    }
}
