//! Scratch workspaces: made by us with a marker inside, removed by handle and only with that marker.

use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags},
    io::Errno,
};

use super::Refusal;
use crate::{board::id::TaskId, random};

/// The file in a scratch workspace that says whose it is.
const MARKER: &str = ".kanban-workspace";

pub(super) fn prepare(root: &Path, task: &TaskId) -> Result<PathBuf, Refusal> {
    let root = fs::create_dir_all(root)
        .and_then(|()| fs::canonicalize(root))
        .map_err(|error| Refusal::io("make", root, &error))?;
    let path = root.join(task.as_str());
    match fs::create_dir(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Refusal::io("make", &path, &error)),
    }
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
        return Err(Refusal::new(format!("`{}` is not a directory; move it away, then retry", path.display())));
    }
    let marker = path.join(MARKER);
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&marker) {
        Ok(mut file) => {
            writeln!(file, "{task}").map_err(|error| Refusal::io("write", &marker, &error))?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Refusal::io("write", &marker, &error)),
    }
    Ok(path)
}

/// Says whether [`remove_scratch`] would remove something, without touching it.
///
/// # Errors
/// When what stands there is not ours.
pub fn may_remove_scratch(root: &Path, task: &TaskId) -> Result<bool, Refusal> {
    Ok(opened(root, task)?.is_some())
}

/// Removes the scratch workspace of a task below the managed root, if it is there and has our marker.
///
/// Links are removed, never followed; a mount is left alone, and so is what it hides. Answers whether there was one.
///
/// # Errors
/// When what stands there is not ours, or something in it cannot be removed; then the marker stays, so that the removal
/// can be tried again.
pub fn remove_scratch(root: &Path, task: &TaskId) -> Result<bool, Refusal> {
    let Some(Scratch { root, top, name, path }) = opened(root, task)? else { return Ok(false) };
    let fail = |error| refused(&path, error);
    clear(top.as_fd()).map_err(fail)?;
    // The marker goes last: until then the removal can be taken up again.
    rustix::fs::unlinkat(&top, MARKER, AtFlags::empty()).map_err(fail)?;
    rustix::fs::unlinkat(&root, &name, AtFlags::REMOVEDIR).map_err(fail)?;
    Ok(true)
}

/// A scratch workspace of ours, held open.
struct Scratch {
    root: OwnedFd,
    top: OwnedFd,
    name: CString,
    path: PathBuf,
}

fn opened(root: &Path, task: &TaskId) -> Result<Option<Scratch>, Refusal> {
    let path = root.join(task.as_str());
    let name = CString::new(task.as_str()).map_err(|_| foreign(&path, "has no possible name"))?;
    let root = match rustix::fs::openat(CWD, root, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(refused(&path, error)),
    };
    let top = match open_below(root.as_fd(), &name) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(refused(&path, error)),
    };
    if !has_marker(top.as_fd(), task) {
        return Err(foreign(&path, "has no marker of ours"));
    }
    Ok(Some(Scratch { root, top, name, path }))
}

fn foreign(path: &Path, what: &str) -> Refusal {
    Refusal::new(format!("`{}` {what}; it was left alone; remove it yourself if it is not needed", path.display()))
}

fn refused(path: &Path, error: Errno) -> Refusal {
    match error {
        Errno::LOOP | Errno::NOTDIR => foreign(path, "is not a directory of ours"),
        Errno::XDEV => foreign(path, "is or holds a mount"),
        error => Refusal::io("remove", path, &error.into()),
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// How deep directories are held open; deeper ones are moved up first, so that no depth uses up our descriptors.
const DEEPEST: usize = 32;

fn has_marker(top: BorrowedFd<'_>, task: &TaskId) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let Ok(marker) = rustix::fs::openat(top, MARKER, flags, Mode::empty()) else { return false };
    let is_file =
        rustix::fs::fstat(&marker).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    let mut text = String::new();
    is_file && File::from(marker).take(256).read_to_string(&mut text).is_ok() && text.trim_end() == task.as_str()
}

/// Empties a workspace, all but its marker.
fn clear(top: BorrowedFd<'_>) -> Result<(), Errno> {
    // What lay too deep comes up into the top directory, and is found there by the next pass.
    while empty(top, top, 0)? {}
    Ok(())
}

/// Empties a directory, following no link.
pub(super) fn clear_whole(top: BorrowedFd<'_>) -> Result<(), Errno> {
    while empty(top, top, 1)? {}
    Ok(())
}

/// Removes the entries of a directory; answers whether something was moved up to `top` meanwhile.
fn empty(top: BorrowedFd<'_>, directory: BorrowedFd<'_>, depth: usize) -> Result<bool, Errno> {
    // A directory without write permission cannot be emptied; it is ours, so we may give ourselves leave.
    rustix::fs::fchmod(directory, Mode::RWXU)?;
    let mut moved = false;
    for (name, is_directory) in entries(directory)? {
        if depth == 0 && name.as_bytes() == MARKER.as_bytes() {
            continue;
        }
        if !is_directory {
            unlink(directory, &name, AtFlags::empty())?;
        } else if depth >= DEEPEST {
            let aside = CString::new(format!(".kanban-removing-{}", random::hex::<8>())).map_err(|_| Errno::INVAL)?;
            rustix::fs::renameat(directory, &name, top, &aside)?;
            moved = true;
        } else {
            let inner = open_below(directory, &name)?;
            moved |= empty(top, inner.as_fd(), depth + 1)?;
            unlink(directory, &name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(moved)
}

fn entries(directory: BorrowedFd<'_>) -> Result<Vec<(CString, bool)>, Errno> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        entries.push((name.to_owned(), kind == FileType::Directory));
    }
    Ok(entries)
}

fn unlink(directory: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        // A file with something mounted over it cannot be removed.
        Err(Errno::BUSY) => Err(Errno::XDEV),
        done => done,
    }
}

/// Opens a directory by name without following a link or entering a mount.
fn open_below(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    match open_once(directory, name) {
        Err(Errno::ACCESS) => {
            make_readable(directory, name)?;
            open_once(directory, name)
        }
        opened => opened,
    }
}

fn open_once(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::ResolveFlags;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        match rustix::fs::openat2(directory, name, DIRECTORY, Mode::empty(), beneath) {
            // An old kernel or a strict sandbox lacks the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            opened => return opened,
        }
    }
    let opened = rustix::fs::openat(directory, name, DIRECTORY, Mode::empty())?;
    if rustix::fs::fstat(&opened)?.st_dev == rustix::fs::fstat(directory)?.st_dev {
        Ok(opened)
    } else {
        Err(Errno::XDEV)
    }
}

/// Gives us leave to read a directory, by a handle that cannot be a link.
fn make_readable(directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let handle =
            rustix::fs::openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)
    }
    #[cfg(not(target_os = "linux"))]
    rustix::fs::chmodat(directory, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_of_another_task_does_not_count() {
        let home = tempfile::tempdir().unwrap();
        let (ours, theirs): (TaskId, TaskId) = ("t_ours".parse().unwrap(), "t_theirs".parse().unwrap());
        prepare(home.path(), &ours).unwrap();
        let top = open_once(File::open(home.path()).unwrap().as_fd(), c"t_ours").unwrap();
        assert!(has_marker(top.as_fd(), &ours));
        assert!(!has_marker(top.as_fd(), &theirs));
    }
}
