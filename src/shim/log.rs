//! The output of a worker: taken from a pipe without ever making the worker wait for room, kept up to a limit.
//!
//! The file is two halves: when the newer one is full it takes the place of the older one by a rename. So the newest
//! output is kept, nothing is copied, and the memory needed is one buffer.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, PipeReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{learn::Learner, run::locked, signs::Signs};

/// Reads the newest `limit` bytes of a run's output, over both halves of its log.
///
/// # Errors
/// When the log cannot be read.
pub fn newest(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let newer = end_of(path, limit)?;
    let room = limit - newer.len() as u64;
    let mut output = match end_of(&older(path), room) {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    output.extend(newer);
    Ok(output)
}

/// The last lines of the output, kept in memory so that a full disk cannot hide them.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    const LINES: usize = 20;
    const BYTES: usize = 4096;

    fn push(&self, chunk: &[u8]) {
        let chunk = &chunk[chunk.len().saturating_sub(Self::BYTES)..];
        let mut bytes = locked(&self.0);
        let surplus = (bytes.len() + chunk.len()).saturating_sub(Self::BYTES);
        bytes.drain(..surplus);
        bytes.extend(chunk);
    }

    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = locked(&self.0).iter().copied().collect();
        // A character cut in two by the limit is not part of the text.
        let start =
            if bytes.len() == Self::BYTES { bytes.iter().take_while(|byte| **byte & 0xC0 == 0x80).count() } else { 0 };
        let text = String::from_utf8_lossy(&bytes[start..]);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(Self::LINES)..].join("\n")
    }
}

/// The log of one run, open for appending.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    half: u64,
    /// Bytes that found no room on the disk since the last that did.
    lost: u64,
    tail: Tail,
}

impl Log {
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let file = append_to(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, half: limit / 2, lost: 0, tail: Tail::default() })
    }

    pub(super) fn tail(&self) -> Tail {
        self.tail.clone()
    }

    /// Takes output from the pipe until nobody can write to it any more.
    pub(super) fn drain(mut self, mut pipe: PipeReader, signs: &Signs, mut learner: Option<Learner>) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    signs.seen();
                    learner.iter_mut().for_each(|learner| learner.read(&buffer[..length]));
                    self.append(&buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        learner.iter_mut().for_each(Learner::end);
    }

    fn append(&mut self, chunk: &[u8]) {
        self.tail.push(chunk);
        let mut rest = chunk;
        if self.size > 0 && self.size + chunk.len() as u64 > self.half {
            // The line that is being written ends in the older half.
            let line = chunk.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let (end, next) = chunk.split_at(if line == chunk.len() { 0 } else { line });
            self.write(end);
            self.turn();
            rest = next;
        }
        self.write(rest);
    }

    /// A disk without room loses output, never the worker.
    fn write(&mut self, bytes: &[u8]) {
        if self.lost > 0 {
            let note = format!("\n[{} bytes of output were lost: the disk had no room]\n", self.lost);
            if self.file.write_all(note.as_bytes()).is_ok() {
                self.size += note.len() as u64;
                self.lost = 0;
            }
        }
        match self.file.write_all(bytes) {
            Ok(()) => self.size += bytes.len() as u64,
            Err(_) => self.lost += bytes.len() as u64,
        }
    }

    fn turn(&mut self) {
        let turned = fs::rename(&self.path, older(&self.path)).and_then(|()| append_to(&self.path));
        match turned {
            Ok(file) => self.file = file,
            // The limit holds even where the directory cannot be changed any more.
            Err(_) => drop(self.file.set_len(0)),
        }
        self.size = 0;
    }
}

/// What a worker prints for the person who asked: the first part of it is kept, and nothing of the rest.
pub(super) struct Answer {
    file: File,
    room: u64,
}

impl Answer {
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { file, room: limit })
    }

    /// Takes output from the pipe until nobody can write to it any more; what was kept is on the disk then.
    pub(super) fn drain(mut self, mut pipe: PipeReader, signs: &Signs, mut learner: Option<Learner>) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    signs.seen();
                    learner.iter_mut().for_each(|learner| learner.read(&buffer[..length]));
                    let kept = length.min(usize::try_from(self.room).unwrap_or(usize::MAX));
                    // A disk without room loses output, never the worker.
                    if self.file.write_all(&buffer[..kept]).is_ok() {
                        self.room -= kept as u64;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        learner.iter_mut().for_each(Learner::end);
        let _ = self.file.sync_all();
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn end_of(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
