//! The file road: calls that a worker drops as files into its workspace, for agents whose sandbox has no sockets.
//!
//! `.kanban/outbox/NAME.json` holds `{"argv": ["complete", "t_1"], "stdin": null}`. Calls are taken in the order of their
//! names, and each is answered by `NAME.answer.json`. Whoever can write to the workspace can speak for its worker here.

use std::{
    collections::{BTreeSet, HashSet},
    fs::File,
    io::{self, PipeReader, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};
use serde::Deserialize;

use super::{Answer, calls::Calls};

/// The outbox of one run, held open: nothing that is put in its way leads elsewhere.
pub(super) struct Outbox {
    workspace: OwnedFd,
    directory: OwnedFd,
    news: Option<OwnedFd>,
    /// The call that cannot be read yet: its name, its size, and since when it has that size.
    unfinished: Option<(String, u64, Instant)>,
    /// Names of what could not be removed, and is not looked at again.
    stuck: HashSet<String>,
}

#[derive(Deserialize)]
struct Call {
    argv: Vec<String>,
    #[serde(default)]
    stdin: Option<String>,
}

impl Outbox {
    /// Makes the directory in a workspace and clears what an earlier run has left in it.
    ///
    /// # Errors
    /// When something else stands there.
    pub(super) fn make(workspace: impl AsFd) -> io::Result<Self> {
        let workspace = workspace.as_fd().try_clone_to_owned()?;
        let directory = make_in(workspace.as_fd())?;
        let news = listen_to(directory.as_fd());
        let outbox = Self { workspace, directory, news, unfinished: None, stuck: HashSet::new() };
        outbox.clear()?;
        Ok(outbox)
    }

    /// Takes calls until the other end of `running` is closed and none is left.
    pub(super) fn serve(mut self, calls: &Calls, running: &PipeReader) {
        let mut is_last = false;
        loop {
            let more = self.take(calls, is_last).unwrap_or(false);
            if is_last && !more {
                return;
            }
            is_last = is_last || self.wait(running, more);
        }
    }

    /// Waits for news, and answers whether the run is over.
    fn wait(&mut self, running: &PipeReader, more: bool) -> bool {
        let timeout = match (more, &self.unfinished) {
            (true, _) => Duration::ZERO,
            (false, Some(_)) => UNFINISHED / 8,
            // Without news of the directory it is looked at; with them, too, for what they have missed.
            (false, None) if self.news.is_none() => UNFINISHED / 4,
            (false, None) => UNFINISHED,
        };
        let mut polled = vec![PollFd::new(running, PollFlags::IN)];
        polled.extend(self.news.as_ref().map(|news| PollFd::new(news, PollFlags::IN)));
        let _ = rustix::event::poll(&mut polled, Timespec::try_from(timeout).ok().as_ref());
        let is_over = !polled[0].revents().is_empty();
        // Whoever drops one file after the other gets a look at them all, and not one for each.
        let _ = rustix::event::poll(&mut [], Some(&BREATH));
        if let Some(news) = &self.news {
            let mut buffer = [0; 4096];
            while rustix::io::read(news, &mut buffer).is_ok_and(|length| length > 0) {}
        }
        // A tool that tidies up may have removed it.
        if rustix::fs::fstat(&self.directory).is_ok_and(|found| found.st_nlink == 0)
            && let Ok(directory) = make_in(self.workspace.as_fd())
        {
            self.news = listen_to(directory.as_fd());
            self.directory = directory;
        }
        is_over
    }

    /// Takes the calls that are there, in the order of their names; answers whether there may be more.
    fn take(&mut self, calls: &Calls, is_last: bool) -> io::Result<bool> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_call = name.ends_with(CALL) && !name.ends_with(ANSWER) && !name.starts_with('.');
            if is_call && !self.stuck.contains(name) {
                names.insert(name.to_owned());
                if names.len() > AT_ONCE {
                    names.pop_last();
                }
            }
        }
        let more = names.len() == AT_ONCE;
        for name in names {
            if !self.take_one(&name, calls, is_last)? {
                // The later ones wait for it.
                return Ok(false);
            }
        }
        Ok(more)
    }

    /// Takes one call; answers false when it is still being written.
    fn take_one(&mut self, name: &str, calls: &Calls, is_last: bool) -> io::Result<bool> {
        let call = match self.read(name) {
            Ok(text) => serde_json::from_slice::<Call>(&text).map_err(|error| (text.len(), error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => {
                self.refuse(name, &format!("`{name}` was not taken: {error}"));
                return Ok(true);
            }
        };
        match call {
            Ok(call) => {
                self.unfinished = None;
                // It goes before it is acted on, so that nothing is done twice.
                if let Err(error) = rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
                    self.set_aside(name);
                    self.answer(name, &Answer::refused(2, format!("`{name}` cannot be removed: {error}")));
                    return Ok(true);
                }
                let answer = calls.submit(call.argv, call.stdin);
                self.answer(name, &answer);
                Ok(true)
            }
            Err((size, error)) => {
                let size = size as u64;
                let since = match &self.unfinished {
                    Some((same, before, since)) if same == name && *before == size => *since,
                    Some(_) | None => Instant::now(),
                };
                if is_last || since.elapsed() >= UNFINISHED {
                    self.unfinished = None;
                    self.refuse(
                        name,
                        &format!("`{name}` is not a call: {error}; expected {{\"argv\": [\"show\", \"t_1\"]}}"),
                    );
                    return Ok(true);
                }
                self.unfinished = Some((name.to_owned(), size, since));
                Ok(false)
            }
        }
    }

    /// Reads a plain file of bearable size; a link, a pipe or a directory is none.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::LOOP) => return Err(io::Error::other("it is a link, expected a file")),
            Err(error) => return Err(error.into()),
        };
        let found = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is no plain file"));
        }
        let mut text = Vec::new();
        File::from(file).take(LONGEST + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST {
            return Err(io::Error::other(format!("it has more than {LONGEST} bytes")));
        }
        Ok(text)
    }

    fn refuse(&mut self, name: &str, reason: &str) {
        let removed = rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())
            .or_else(|_| rustix::fs::unlinkat(&self.directory, name, AtFlags::REMOVEDIR));
        if removed.is_err() {
            self.set_aside(name);
        }
        self.answer(name, &Answer::refused(2, reason));
    }

    fn set_aside(&mut self, name: &str) {
        if self.stuck.len() >= AT_ONCE {
            // What is forgotten is refused once more.
            self.stuck.clear();
        }
        self.stuck.insert(name.to_owned());
    }

    /// Puts the answer beside the call, whole or not at all. A worker that has made that impossible gets none.
    fn answer(&self, name: &str, answer: &Answer) {
        let stem = name.strip_suffix(CALL).unwrap_or(name);
        let draft = format!(".{stem}{ANSWER}");
        let written = || -> io::Result<()> {
            let _ = rustix::fs::unlinkat(&self.directory, draft.as_str(), AtFlags::empty());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file =
                File::from(rustix::fs::openat(&self.directory, draft.as_str(), flags, Mode::RUSR | Mode::WUSR)?);
            file.write_all(&serde_json::to_vec(answer)?)?;
            rustix::fs::renameat(&self.directory, draft.as_str(), &self.directory, format!("{stem}{ANSWER}"))?;
            Ok(())
        };
        let _ = written();
    }

    fn clear(&self) -> io::Result<()> {
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                // What is no file is no call either.
                let _ = rustix::fs::unlinkat(&self.directory, entry.file_name(), AtFlags::empty());
            }
        }
        Ok(())
    }
}

const CALL: &str = ".json";
const ANSWER: &str = ".answer.json";

/// The longest call.
const LONGEST: u64 = 1 << 20;

/// How many names are held at a time.
const AT_ONCE: usize = 256;

/// How long a file that is no call yet may stay as it is.
const UNFINISHED: Duration = Duration::from_secs(1);

/// The least time between two looks.
const BREATH: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Makes `.kanban/outbox` and opens it, following no link. What is below `.kanban` is nothing that git should keep.
fn make_in(workspace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let ours = make_directory(workspace, ".kanban")?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&ours, ".gitignore", flags, Mode::from_raw_mode(0o644)) {
        Ok(ignore) => File::from(ignore).write_all(b"*\n")?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    make_directory(ours.as_fd(), "outbox")
}

fn make_directory(parent: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|error| match error {
        Errno::LOOP | Errno::NOTDIR => io::Error::other(format!("`{name}` is in the way; move it away, then retry")),
        error => error.into(),
    })
}

/// News of what is put into a directory; none where the system tells none.
#[cfg(target_os = "linux")]
fn listen_to(directory: BorrowedFd<'_>) -> Option<OwnedFd> {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    let news = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    inotify::add_watch(&news, path, WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::CREATE).ok()?;
    Some(news)
}

#[cfg(not(target_os = "linux"))]
fn listen_to(_: BorrowedFd<'_>) -> Option<OwnedFd> {
    None
}
