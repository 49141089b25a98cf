//! What a worker may touch: everything but our home, and in the home what is its own.
//!
//! The kernel's Landlock knows what is allowed and nothing of what is forbidden. So everything around a closed directory
//! is allowed piece by piece: at each level from `/` down to it, all of its neighbours. What lies in between gets no right
//! of its own, which is the price: in a directory above the home a worker can neither list the entries nor make new ones.

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Spec;

/// What a worker is kept out of, and what it gets all the same. All paths are true ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Directories of ours.
    pub closed: Vec<PathBuf>,
    /// What a worker may read of them, beside its prompt.
    #[serde(default)]
    pub readable: Vec<PathBuf>,
}

impl Confinement {
    /// The confinement of a worker of this home. `sockets` is the directory of our sockets, which may lie elsewhere.
    pub fn of(home: &Path, sockets: &Path, readable: Vec<PathBuf>) -> Self {
        let mut closed = vec![home.to_owned()];
        // Closing a directory that lies right in one for everybody would take that one away: no worker can do without.
        if !sockets.starts_with(home) && !sockets.parent().is_some_and(is_for_everybody) {
            closed.push(sockets.to_owned());
        }
        Self { closed, readable }
    }

    /// The rules for the worker of a specification, not yet in force; nothing where the kernel has none.
    ///
    /// # Errors
    /// When the workspace holds a closed directory, or the rules cannot be made.
    pub(super) fn fence(&self, rundir: &Path, spec: &Spec) -> io::Result<Option<OwnedFd>> {
        if let Some(closed) = self.closed.iter().find(|closed| closed.starts_with(&spec.cwd)) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "the workspace `{}` holds `{}`, which a confined worker may not reach; choose another workspace, \
                     or write `confine = false` into the settings of its profile",
                    spec.cwd.display(),
                    closed.display()
                ),
            ));
        }
        fence::make(self, rundir, spec)
    }
}

/// What the kernel can do about confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// No rules at all: workers are not confined.
    Nothing,
    /// Files alone.
    Files,
    /// Files, and signals to processes outside of the worker's own.
    FilesAndSignals,
}

/// Asks the kernel.
pub fn power() -> Power {
    fence::power()
}

fn is_for_everybody(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(directory).is_ok_and(|found| found.mode() & 0o1002 == 0o1002)
}

#[cfg(target_os = "linux")]
mod fence {
    use std::{
        fs, io,
        os::fd::OwnedFd,
        path::{Path, PathBuf},
    };

    use landlock::{
        ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
        RulesetCreatedAttr, Scope,
    };
    use rustix::fs::{CWD, Mode, OFlags};

    use super::{Confinement, Power};
    use crate::shim::{PROMPT, Spec};

    /// The rights that are ours to give; an older kernel holds as many of them as it knows.
    const RIGHTS: ABI = ABI::V6;

    /// Where control groups are: who may write there could leave the one that counts and ends its processes.
    const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

    pub(super) fn power() -> Power {
        let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        if strict().handle_access(AccessFs::Execute).is_err() {
            Power::Nothing
        } else if strict().scope(Scope::Signal).is_err() {
            Power::Files
        } else {
            Power::FilesAndSignals
        }
    }

    pub(super) fn make(confinement: &Confinement, rundir: &Path, spec: &Spec) -> io::Result<Option<OwnedFd>> {
        if power() == Power::Nothing {
            return Ok(None);
        }
        let mut rules = Rules::new()?;
        rules.open_around(Path::new("/"), &confinement.closed);
        rules.allow(&spec.cwd, AccessFs::from_all(RIGHTS));
        let own = [rundir.join(PROMPT), rundir.join(Spec::FILE)];
        for path in own.iter().chain(&confinement.readable) {
            rules.allow(path, AccessFs::ReadFile | AccessFs::ReadDir);
        }
        if let Ok(program) = std::env::current_exe() {
            rules.allow(&program, AccessFs::ReadFile | AccessFs::Execute);
        }
        Ok(rules.0.into())
    }

    struct Rules(RulesetCreated);

    impl Rules {
        fn new() -> io::Result<Self> {
            Ruleset::default()
                .handle_access(AccessFs::from_all(RIGHTS))
                .and_then(|ruleset| ruleset.scope(Scope::from_all(RIGHTS)))
                .and_then(Ruleset::create)
                .map(Self)
                .map_err(io::Error::other)
        }

        /// Allows all of a directory but what is closed, and what leads there.
        fn open_around(&mut self, directory: &Path, closed: &[PathBuf]) {
            // A directory that we may not list has nothing that we could hand on, but for what leads to the closed ones.
            let Ok(entries) = fs::read_dir(directory) else { return };
            for path in entries.flatten().map(|entry| entry.path()) {
                let leads_to = |to: &Path| to != path && to.starts_with(&path);
                if closed.contains(&path) {
                    continue;
                }
                if path == Path::new(CONTROL_GROUPS) {
                    self.allow(&path, AccessFs::from_read(RIGHTS));
                } else if closed.iter().any(|closed| leads_to(closed)) {
                    self.open_around(&path, closed);
                } else if leads_to(Path::new(CONTROL_GROUPS)) {
                    self.allow(&path, AccessFs::from_read(RIGHTS));
                    self.open_around(&path, closed);
                } else {
                    self.allow(&path, AccessFs::from_all(RIGHTS));
                }
            }
        }

        /// Allows a file or a whole directory. What is not there, is a link or cannot carry a rule stays closed.
        fn allow(&mut self, path: &Path, access: impl Into<BitFlags<AccessFs>>) {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(handle) = rustix::fs::openat(CWD, path, flags, Mode::empty()) else { return };
            let _ = (&mut self.0).add_rule(PathBeneath::new(handle, access));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod fence {
    use std::{io, os::fd::OwnedFd, path::Path};

    use super::{Confinement, Power};
    use crate::shim::Spec;

    pub(super) fn power() -> Power {
        Power::Nothing
    }

    pub(super) fn make(_: &Confinement, _: &Path, _: &Spec) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }
}
