//! Control groups of version 2: a leaf for each worker, by which all that it starts is counted and killed at once.
//!
//! Killing needs no controller, so a leaf can be made right below the group that we are in. Counting needs one, and the
//! kernel gives none to the children of a group that has processes itself. So limits hold where a service manager has
//! handed us a subtree and keeps us in a group of our own below it, or where we are in the topmost group of all.

use std::{
    fs::{self, OpenOptions},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::Spec;
use crate::random;

/// The group of one worker.
pub(super) struct Leaf {
    path: PathBuf,
    /// Whether the kernel counts the processes in it.
    pub(super) limits_processes: bool,
}

impl Leaf {
    /// Makes the group of a run; nothing where we may make none.
    pub(super) fn make(rundir: &Path, spec: &Spec) -> Option<Self> {
        let base = base()?;
        let path = base.join(name_of(rundir)?);
        // One that is there already was left by a run of the same name.
        end(&path, PATIENCE);
        fs::create_dir(&path).ok()?;
        let mut leaf = Self { path, limits_processes: false };
        let is_noted = || fs::write(rundir.join(NOTE), leaf.path.as_os_str().as_encoded_bytes()).is_ok();
        if !leaf.path.join(KILL).exists() || !is_noted() {
            leaf.remove();
            return None;
        }
        if let Some(most) = spec.max_processes {
            leaf.limits_processes = leaf.limit(&base, "pids", "pids.max", most.into());
        }
        if let Some(most) = spec.max_memory_bytes {
            leaf.limit(&base, "memory", "memory.max", most);
        }
        Some(leaf)
    }

    /// The file by which a process joins the group.
    pub(super) fn door(&self) -> Option<OwnedFd> {
        OpenOptions::new().write(true).open(self.path.join("cgroup.procs")).ok().map(OwnedFd::from)
    }

    /// Kills all that is in it, whatever is being started meanwhile.
    pub(super) fn kill(&self) {
        kill(&self.path);
    }

    /// Removes it. It stays as long as something is in it, for whoever starts the gateway next.
    pub(super) fn remove(&self) {
        // The next start of the gateway tries again.
        let _ = remove(&self.path);
    }

    fn limit(&self, base: &Path, controller: &str, file: &str, most: u64) -> bool {
        let file = self.path.join(file);
        if !file.exists() {
            // This is refused where the base has processes of its own.
            let _ = fs::write(base.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        file.exists() && fs::write(file, most.to_string()).is_ok()
    }
}

/// What control groups can do for workers that are started from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// We may make none.
    Nothing,
    /// Everything in them can be killed at once.
    Kills,
    /// And what is in them can be limited.
    KillsAndLimits,
}

/// Tries it.
pub fn control() -> Control {
    let Some(base) = base() else { return Control::Nothing };
    let leaf = Leaf { path: base.join(format!("kanban-probe-{}", std::process::id())), limits_processes: false };
    if fs::create_dir(&leaf.path).is_err() {
        return Control::Nothing;
    }
    let control = match leaf.path.join(KILL).exists() {
        false => Control::Nothing,
        true if leaf.limit(&base, "pids", "pids.max", 1) => Control::KillsAndLimits,
        true => Control::Kills,
    };
    leaf.remove();
    control
}

/// Kills what a run has left in its group, and removes the group.
pub(super) fn end_of(rundir: &Path) {
    let noted = fs::read_to_string(rundir.join(NOTE)).ok().map(PathBuf::from);
    // A note that names another group was not made by this run's shim.
    let is_its_own = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()) == name_of(rundir).as_deref();
    if let Some(path) = noted.filter(is_its_own) {
        end(&path, PATIENCE);
    }
}

/// Ends the groups of runs whose directory is gone: their shim was killed, and nobody has heard of it.
pub fn clear_leftovers(run_directories: &[PathBuf]) {
    let Some(entries) = base().and_then(|base| fs::read_dir(base).ok()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let rundir = run_directories.iter().find_map(|parent| Some(parent.join(name.strip_prefix(&prefix(parent))?)));
        if rundir.is_some_and(|rundir| !rundir.exists()) {
            end(&entry.path(), PATIENCE);
        }
    }
}

/// Whether a process is in the group of a run of these directories: what is left of a worker whose shim is gone.
pub fn is_in_leaf(pid: u32, run_directories: &[PathBuf]) -> bool {
    let Ok(groups) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return false };
    let prefixes: Vec<_> = run_directories.iter().map(|parent| prefix(parent)).collect();
    groups
        .lines()
        .filter_map(|line| line.strip_prefix("0::"))
        .flat_map(|path| path.split('/'))
        .any(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

const KILL: &str = "cgroup.kill";

/// The file in a run's directory that names its group.
const NOTE: &str = "cgroup";

/// How long the kernel may take to bury what was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The group below which leaves are made: the one above ours, if a service manager has handed it to us, else ours.
fn base() -> Option<PathBuf> {
    let own = own_group()?;
    let handed = own.parent().filter(|parent| {
        let mut flag = [0; 1];
        rustix::fs::getxattr(*parent, "user.delegate", &mut flag[..]).is_ok_and(|length| length == 1) && flag == *b"1"
    });
    Some(handed.map_or_else(|| own.clone(), Path::to_owned))
}

fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut fields = kind.starts_with("cgroup2 ").then(|| place.split(' ').skip(3))?;
        let (root, mount) = (fields.next()?, fields.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        // A group outside of what is mounted here begins with dots.
        let is_here = !below.components().any(|part| part == std::path::Component::ParentDir);
        is_here.then(|| Path::new(mount).join(below).components().collect())
    })
}

/// The name of a run's group: that of its directory, with a mark of the home, since several may share a base.
fn name_of(rundir: &Path) -> Option<String> {
    Some(format!("{}{}", prefix(rundir.parent()?), rundir.file_name()?.to_str()?))
}

fn prefix(run_directories: &Path) -> String {
    let mut mark = random::hex_of(&Sha256::digest(run_directories.as_os_str().as_encoded_bytes()));
    mark.truncate(16);
    format!("kanban-{mark}-")
}

fn kill(group: &Path) {
    // A group that is gone has nothing in it.
    let _ = fs::write(group.join(KILL), "1");
}

fn end(group: &Path, patience: Duration) {
    if !group.join(KILL).exists() {
        return;
    }
    let give_up = Instant::now() + patience;
    loop {
        kill(group);
        match remove(group) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < give_up => {
                let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
                let _ = rustix::event::poll(&mut [], Some(&moment));
            }
            _ => return,
        }
    }
}

/// Removes a group, with those that were made below it.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
