//! Supplies: the files of a task, and what its parents have handed on, laid out in its workspace for its worker to read.
//!
//! They lie in `.kanban`, are laid out anew for each run, and no link is followed on the way.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::{Opened, Refusal, scratch};

/// The directory in a workspace that is ours.
const OURS: &str = ".kanban";

/// What is laid out anew for each run.
const KINDS: [&str; 2] = ["attachments", "parents"];

/// A stored file, and where in the workspace its copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply {
    pub stored: PathBuf,
    /// Below the workspace, as in `.kanban/attachments/data.csv`.
    pub place: PathBuf,
}

/// Copies the supplies of a run into its workspace, in place of those of the run before. A file that is gone is left out.
///
/// # Errors
/// When something that is not ours stands in the way, or the copies cannot be written.
pub fn lay_out(root: &Path, workspace: &Path, supplies: &[Supply]) -> Result<(), Refusal> {
    let top = Opened::below(root, workspace).map_err(|closed| Refusal::new(closed.to_string()))?;
    let fail = |error: Errno| match error {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Refusal::new(format!(
            "`{}` is not a directory of ours; move it away, then retry",
            workspace.join(OURS).display()
        )),
        error => Refusal::io("write", &workspace.join(OURS), &error.into()),
    };
    let ours = match (open(top.as_fd(), Path::new(OURS)), supplies.is_empty()) {
        (Ok(ours), _) => ours,
        (Err(Errno::NOENT), true) => return Ok(()),
        (Err(Errno::NOENT), false) => make(top.as_fd(), Path::new(OURS)).map_err(fail)?,
        (Err(error), _) => return Err(fail(error)),
    };
    for kind in KINDS {
        match open(ours.as_fd(), Path::new(kind)) {
            Ok(stale) => scratch::clear_whole(stale.as_fd()).map_err(fail)?,
            Err(Errno::NOENT) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    if supplies.is_empty() {
        return Ok(());
    }
    ignore(ours.as_fd()).map_err(|error| Refusal::io("write", &workspace.join(OURS), &error))?;
    for supply in supplies {
        copy(ours.as_fd(), supply).map_err(|error| Refusal::io("write", &workspace.join(&supply.place), &error))?;
    }
    Ok(())
}

/// Keeps what is ours out of what git sees.
fn ignore(ours: BorrowedFd<'_>) -> io::Result<()> {
    match create(ours, Path::new(".gitignore")) {
        Ok(mut file) => io::Write::write_all(&mut file, b"*\n"),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn copy(ours: BorrowedFd<'_>, supply: &Supply) -> io::Result<()> {
    let mut from = match File::open(&supply.stored) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(path = %supply.stored.display(), "a stored file is gone, and no worker gets it");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let place = supply.place.strip_prefix(OURS).map_err(io::Error::other)?;
    let mut directory = ours.try_clone_to_owned()?;
    let (Some(folders), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(io::Error::other("a supply has no name"));
    };
    for folder in folders.components() {
        let Component::Normal(folder) = folder else { return Err(io::Error::other("a supply leads elsewhere")) };
        directory = make(directory.as_fd(), Path::new(folder))?;
    }
    let mut to = create(directory.as_fd(), Path::new(name))?;
    io::copy(&mut from, &mut to)?;
    Ok(())
}

/// Opens a directory, and makes it first where it is not there.
fn make(at: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(at, name.as_os_str().as_bytes(), Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => open(at, name),
        Err(error) => Err(error),
    }
}

fn open(at: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name.as_os_str().as_bytes(), flags, Mode::empty())
}

fn create(at: BorrowedFd<'_>, name: &Path) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name.as_os_str().as_bytes(), flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn supply(stored: &Path, place: &str) -> Supply {
        Supply { stored: stored.to_owned(), place: place.into() }
    }

    #[test]
    fn each_run_finds_its_files_and_no_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let (store, workspace) = (folder.join("store"), folder.join("work"));
        fs::create_dir_all(&store).unwrap();
        fs::create_dir_all(&workspace).unwrap();
        lay_out(Path::new("/"), &workspace, &[]).unwrap();
        assert!(!workspace.join(".kanban").exists(), "where there is nothing to lay out, nothing is made");
        fs::write(store.join("a"), "one").unwrap();
        let own = supply(&store.join("a"), ".kanban/attachments/a.txt");
        let of_parent = supply(&store.join("a"), ".kanban/parents/t_1/a.txt");
        let gone = supply(&store.join("gone"), ".kanban/attachments/gone.txt");
        lay_out(Path::new("/"), &workspace, &[own.clone(), of_parent, gone]).unwrap();
        let read = |name: &str| fs::read_to_string(workspace.join(".kanban").join(name)).ok();
        assert_eq!(read("attachments/a.txt").as_deref(), Some("one"));
        assert_eq!(read("parents/t_1/a.txt").as_deref(), Some("one"));
        assert_eq!(read(".gitignore").as_deref(), Some("*\n"));
        assert_eq!(read("attachments/gone.txt"), None);
        fs::create_dir_all(workspace.join(".kanban/attachments/left/over")).unwrap();
        fs::write(store.join("a"), "two").unwrap();
        lay_out(Path::new("/"), &workspace, &[own]).unwrap();
        assert_eq!(read("attachments/a.txt").as_deref(), Some("two"));
        assert!(!workspace.join(".kanban/attachments/left").exists() && read("parents/t_1/a.txt").is_none());
    }

    #[test]
    fn nothing_is_written_or_removed_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        let (store, workspace, secret) = (folder.join("store"), folder.join("work"), folder.join("secret"));
        for made in [&store, &workspace, &secret] {
            fs::create_dir_all(made).unwrap();
        }
        fs::write(store.join("a"), "one").unwrap();
        fs::write(secret.join("key"), "key").unwrap();
        let own = [supply(&store.join("a"), ".kanban/attachments/a.txt")];
        symlink(&secret, workspace.join(".kanban")).unwrap();
        assert!(lay_out(Path::new("/"), &workspace, &own).is_err());
        fs::remove_file(workspace.join(".kanban")).unwrap();
        fs::create_dir(workspace.join(".kanban")).unwrap();
        symlink(&secret, workspace.join(".kanban/attachments")).unwrap();
        assert!(lay_out(Path::new("/"), &workspace, &own).is_err());
        fs::remove_file(workspace.join(".kanban/attachments")).unwrap();
        fs::create_dir(workspace.join(".kanban/attachments")).unwrap();
        symlink(&secret, workspace.join(".kanban/attachments/a.txt")).unwrap();
        symlink(secret.join("key"), workspace.join(".kanban/.gitignore")).unwrap();
        lay_out(Path::new("/"), &workspace, &own).unwrap();
        let kept: Vec<_> = fs::read_dir(&secret).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(kept, ["key"]);
        assert_eq!(fs::read_to_string(secret.join("key")).unwrap(), "key");
        assert_eq!(fs::read_to_string(workspace.join(".kanban/attachments/a.txt")).unwrap(), "one");
    }
}
