//! Opening a person's directory below a root and holding it, so that nothing put in its way meanwhile leads out.

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{Access, AtFlags, Mode, OFlags},
    io::Errno,
};

use super::{
    Refusal,
    reach::{Reach, is_denied},
};

/// A directory that is held open. Its paths are true: no part of them was a link when it was opened.
#[derive(Debug)]
pub struct Opened {
    handle: OwnedFd,
    root: PathBuf,
    path: PathBuf,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// It is in reach, and not there: it may come back.
    #[error(transparent)]
    Gone(Refusal),
    #[error(transparent)]
    Refused(Refusal),
}

impl Opened {
    /// Opens a directory as a person names it, with every link on its way resolved, but no link of the system's own
    /// (such as those in `/proc`). `denied` are directories that nobody's task may use, our home among them.
    ///
    /// # Errors
    /// When it is out of reach, secret, missing, or no directory. Of what is out of reach, nothing more is said.
    pub fn open(path: &Path, reach: Reach<'_>, denied: &[PathBuf]) -> Result<Self, Closed> {
        super::require_absolute(path, "dir").map_err(Closed::Refused)?;
        let roots = true_roots(reach);
        let refuse = |reason: &str| {
            Closed::Refused(Refusal::new(format!("`{}` {reason}", path.display().to_string().escape_debug())))
        };
        let found = true_path(path);
        let Some(root) = root_above(found.as_deref().unwrap_or(&without_dots(path)), &roots) else {
            return Err(refuse(&outside(reach)));
        };
        let true_path = found.map_err(|error| closed(path, error))?;
        if is_denied(&true_path, denied) {
            return Err(refuse(super::reach::SECRETS));
        }
        let opened = Self::below(root, &true_path)?;
        rustix::fs::accessat(&opened.handle, ".", Access::EXEC_OK, AtFlags::empty())
            .map_err(|error| closed(path, error))?;
        Ok(opened)
    }

    /// Opens a directory again by its true path. A link that was put in its way since then is refused, wherever it leads.
    ///
    /// # Errors
    /// When it is gone, or when something else stands there.
    pub fn below(root: &Path, path: &Path) -> Result<Self, Closed> {
        let handle = beneath(root, path).map_err(|error| closed(path, error))?;
        Ok(Self { handle, root: root.to_owned(), path: path.to_owned() })
    }

    /// Opens a file in it to be read, by a path within it or by its whole path. Links are followed as long as they stay
    /// within; what is no regular file does not hold us up.
    ///
    /// # Errors
    /// `XDEV` or `LOOP` where the path leads out, and whatever else the system says.
    pub fn file(&self, path: &Path) -> Result<fs::File, Errno> {
        let within = if path.is_absolute() { path.strip_prefix(&self.path).map_err(|_| Errno::XDEV)? } else { path };
        if within.as_os_str().is_empty() {
            return Err(Errno::ISDIR);
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.handle, within, flags, Mode::empty(), beneath) {
                Err(Errno::NOSYS | Errno::PERM) => {}
                opened => return opened.map(fs::File::from),
            }
        }
        // Without that call no link is followed at all.
        let folder =
            step_down(self.handle.try_clone().map_err(|_| Errno::MFILE)?, within.parent().unwrap_or(Path::new("")))?;
        let name = within.file_name().ok_or(Errno::XDEV)?;
        rustix::fs::openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty()).map(fs::File::from)
    }

    /// The root that it was opened below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// The nearest of some roots that a true path is at or below.
pub fn root_above<'r>(path: &Path, roots: &'r [PathBuf]) -> Option<&'r Path> {
    let above = roots.iter().filter(|root| path.starts_with(root));
    above.max_by_key(|root| root.components().count()).map(PathBuf::as_path)
}

/// The true paths of the roots that are there; everything is below `/`.
pub fn true_roots(reach: Reach<'_>) -> Vec<PathBuf> {
    match reach {
        Reach::Anywhere => vec![PathBuf::from("/")],
        Reach::Below(roots) => roots.iter().filter_map(|root| fs::canonicalize(root).ok()).collect(),
    }
}

pub(super) fn outside(reach: Reach<'_>) -> String {
    match reach {
        Reach::Anywhere | Reach::Below([]) => {
            "cannot be used: no directory is open to you; an owner can set `[workspaces] roots` in the settings"
                .to_owned()
        }
        Reach::Below(roots) => {
            let list: Vec<_> = roots.iter().map(|root| format!("`{}`", root.display())).collect();
            format!("is outside of the directories open to you; choose one below {}", list.join(", "))
        }
    }
}

fn closed(path: &Path, error: Errno) -> Closed {
    let shown = path.display().to_string();
    let shown = shown.escape_debug();
    match error {
        Errno::NOENT => Closed::Gone(Refusal::new(format!("the directory `{shown}` does not exist"))),
        Errno::NOTDIR => Closed::Gone(Refusal::new(format!("`{shown}` is not a directory"))),
        // What a mount says whose other end went away.
        Errno::STALE | Errno::NOTCONN | Errno::HOSTDOWN | Errno::IO => {
            Closed::Gone(Refusal::new(format!("the directory `{shown}` cannot be reached: {}", io::Error::from(error))))
        }
        Errno::LOOP | Errno::XDEV | Errno::AGAIN => Closed::Refused(Refusal::new(format!(
            "`{shown}` leads somewhere else than it did, or through links that may not be followed"
        ))),
        Errno::ACCESS => Closed::Refused(Refusal::new(format!(
            "`{shown}` may not be entered by the user that the gateway runs as; give that user the right to, as with `chmod`"
        ))),
        error => Closed::Refused(Refusal::new(format!("`{shown}` cannot be used: {}", io::Error::from(error)))),
    }
}

/// A path without `.`, `..` and doubled slashes, by its letters alone.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    plain
}

/// A handle for finding and entering a directory, which needs no right to read it.
#[cfg(target_os = "linux")]
const HANDLE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const HANDLE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where a directory is that a path leads to. The answer may be old the moment it is given: it says what to open.
fn true_path(path: &Path) -> Result<PathBuf, Errno> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;

        use rustix::fs::{CWD, ResolveFlags};
        match rustix::fs::openat2(CWD, path, HANDLE, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
            // An old kernel or a strict sandbox lacks the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            Err(error) => return Err(error),
            Ok(handle) => {
                let name = fs::read_link(format!("/proc/self/fd/{}", handle.as_raw_fd()));
                return name.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
            }
        }
    }
    let path = fs::canonicalize(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))?;
    if path.is_dir() { Ok(path) } else { Err(Errno::NOTDIR) }
}

/// Opens a true path at or below the true path of a root, following no link at all.
fn beneath(root: &Path, path: &Path) -> Result<OwnedFd, Errno> {
    let rest = path.strip_prefix(root).map_err(|_| Errno::XDEV)?;
    let top = rustix::fs::openat(rustix::fs::CWD, "/", HANDLE, Mode::empty())?;
    let root = step_down(top, root.strip_prefix("/").map_err(|_| Errno::XDEV)?)?;
    step_down(root, rest)
}

fn step_down(from: OwnedFd, rest: &Path) -> Result<OwnedFd, Errno> {
    if rest.as_os_str().is_empty() {
        return Ok(from);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&from, rest, HANDLE, Mode::empty(), beneath) {
            Err(Errno::NOSYS | Errno::PERM) => {}
            opened => return opened,
        }
    }
    let mut at = from;
    for component in rest.components() {
        let Component::Normal(name) = component else { return Err(Errno::XDEV) };
        at = rustix::fs::openat(&at, name, HANDLE | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
            // With these flags a link is "not a directory" to some systems; it must not pass for one that is gone.
            Errno::NOTDIR if is_link(&at, name) => Errno::LOOP,
            error => error,
        })?;
    }
    Ok(at)
}

fn is_link(directory: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink)
}
