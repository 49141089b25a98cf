//! The console's history: a file to which every post and edit is appended once.

use std::{
    collections::{HashMap, VecDeque},
    fs::{File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// One post or edit, as programs see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub thread: String,
    /// Counted across the whole home and over restarts; an edit carries the number of the message that it changes.
    pub message: u64,
    pub edited: bool,
    /// The message that the person replied to, or whose button was pressed, where this is the answer to that.
    pub reply_to: Option<u64>,
    pub text: String,
    /// The labels.
    pub buttons: Vec<String>,
    pub private: bool,
    pub task: Option<String>,
    /// The kind of event that it tells of: `created`, `completed`, …
    pub event: Option<String>,
    /// Files that lie on this machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Shown>,
}

/// A file of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub name: String,
    pub path: PathBuf,
    pub size: u64,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    pub(crate) line: Line,
    pub(crate) delivery: String,
    /// Unix seconds.
    pub(crate) at: i64,
}

/// The file and an index into it. The texts stay in the file, so that a long history costs little memory.
pub(crate) struct Transcript {
    file: Arc<File>,
    /// Where the next line will start.
    end: u64,
    /// A write failed and may have left bytes after `end`.
    torn: bool,
    next_message: u64,
    fingerprints: [RandomState; 2],
    /// Where the line of a delivery starts. Two keyed hashes stand for the delivery, which is much longer.
    deliveries: HashMap<[u64; 2], u64>,
    /// Where the latest line of a message starts.
    messages: HashMap<u64, u64>,
}

impl Transcript {
    /// Opens or creates the file, and answers the last `recent` lines with it.
    ///
    /// A last line without its line end was never acknowledged, and is cut off. Any other line that cannot be read is
    /// kept and left out of the index.
    pub(crate) fn open(path: &Path, recent: usize) -> io::Result<(Self, Vec<Line>)> {
        let created = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        if created && let Some(home) = path.parent() {
            File::open(home)?.sync_all()?;
        }
        let mut transcript = Self {
            file: Arc::new(file),
            end: 0,
            torn: false,
            next_message: 1,
            fingerprints: [RandomState::new(), RandomState::new()],
            deliveries: HashMap::new(),
            messages: HashMap::new(),
        };
        let starts = transcript.scan(path, recent)?;
        let recent = starts.into_iter().map(|start| Ok(transcript.read(start)?.line)).collect::<io::Result<_>>()?;
        Ok((transcript, recent))
    }

    /// The file, to be synchronised without holding up readers and writers of the index.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Where the next line will start: every line before it has been written.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Where the line of this delivery starts, once it has been appended.
    pub(crate) fn find(&self, delivery: &str) -> Option<u64> {
        self.deliveries.get(&self.fingerprint(delivery)).copied()
    }

    /// The latest line of a message.
    pub(crate) fn message(&self, message: u64) -> io::Result<Option<Line>> {
        self.messages.get(&message).map(|&start| Ok(self.read(start)?.line)).transpose()
    }

    /// The number that the next new message will have.
    pub(crate) fn next_message(&self) -> u64 {
        self.next_message
    }

    /// Appends a line in one write, and answers where it starts. After an error the file holds nothing of it.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<u64> {
        if self.torn {
            self.file.set_len(self.end)?;
            self.torn = false;
        }
        let mut bytes = serde_json::to_vec(entry)?;
        bytes.push(b'\n');
        let written = loop {
            match (&*self.file).write(&bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match written {
            Ok(length) if length == bytes.len() => {}
            failed => {
                self.torn = self.file.set_len(self.end).is_err();
                return Err(failed.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()));
            }
        }
        let start = self.end;
        self.end += bytes.len() as u64;
        self.index(&entry.delivery, entry.line.message, start);
        Ok(start)
    }

    /// Reads the line that starts there.
    pub(crate) fn read(&self, start: u64) -> io::Result<Entry> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let length = match self.file.read_at(&mut chunk, start + bytes.len() as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            match chunk[..length].iter().position(|&byte| byte == b'\n') {
                Some(end) => {
                    bytes.extend_from_slice(&chunk[..end]);
                    return Ok(serde_json::from_slice(&bytes)?);
                }
                None => bytes.extend_from_slice(&chunk[..length]),
            }
        }
    }

    /// Builds the index, and answers where the last `recent` lines start.
    fn scan(&mut self, path: &Path, recent: usize) -> io::Result<VecDeque<u64>> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        let mut starts = VecDeque::with_capacity(recent + 1);
        let mut unreadable = 0u64;
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            if bytes.last() != Some(&b'\n') {
                self.file.set_len(self.end)?;
                tracing::info!(path = %path.display(), bytes = bytes.len(), "cut off a line that was never finished");
                break;
            }
            match serde_json::from_slice::<Entry>(&bytes) {
                Ok(entry) => {
                    self.index(&entry.delivery, entry.line.message, self.end);
                    starts.push_back(self.end);
                    if starts.len() > recent {
                        starts.pop_front();
                    }
                }
                Err(_) => {
                    unreadable += 1;
                    // The line may have used up a number, which must not be given out again.
                    self.next_message = self.next_message.saturating_add(1);
                }
            }
            self.end += bytes.len() as u64;
            bytes.clear();
        }
        if unreadable > 0 {
            tracing::warn!(path = %path.display(), lines = unreadable, "kept and skipped lines that cannot be read");
        }
        Ok(starts)
    }

    fn index(&mut self, delivery: &str, message: u64, start: u64) {
        let fingerprint = self.fingerprint(delivery);
        self.deliveries.entry(fingerprint).or_insert(start);
        self.messages.insert(message, start);
        self.next_message = self.next_message.max(message.saturating_add(1));
    }

    fn fingerprint(&self, delivery: &str) -> [u64; 2] {
        [self.fingerprints[0].hash_one(delivery), self.fingerprints[1].hash_one(delivery)]
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Line, Transcript};
    use std::{fs, path::Path};

    fn entry(message: u64, delivery: &str, text: &str) -> Entry {
        let line = Line {
            thread: "main".to_owned(),
            message,
            edited: false,
            reply_to: None,
            text: text.to_owned(),
            buttons: vec!["Go".to_owned()],
            private: false,
            task: None,
            event: None,
            files: Vec::new(),
        };
        Entry { line, delivery: delivery.to_owned(), at: 1_700_000_000 }
    }

    fn open(path: &Path) -> (Transcript, Vec<String>) {
        let (transcript, recent) = Transcript::open(path, 20).unwrap();
        (transcript, recent.into_iter().map(|line| line.text).collect())
    }

    #[test]
    fn a_line_of_the_file_has_the_documented_shape() {
        insta::assert_snapshot!(serde_json::to_string(&entry(1, "d1", "hi")).unwrap(), @r#"{"thread":"main","message":1,"edited":false,"reply_to":null,"text":"hi","buttons":["Go"],"private":false,"task":null,"event":null,"delivery":"d1","at":1700000000}"#);
    }

    #[test]
    fn every_torn_tail_is_cut_off_and_numbers_go_on() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("console.jsonl");
        let (mut transcript, _) = open(&path);
        transcript.append(&entry(1, "d1", "first")).unwrap();
        let whole = fs::read(&path).unwrap();
        transcript.append(&entry(2, "d2", "second")).unwrap();
        drop(transcript);
        let both = fs::read(&path).unwrap();
        for length in whole.len()..both.len() {
            fs::write(&path, &both[..length]).unwrap();
            let (transcript, recent) = open(&path);
            assert_eq!(recent, ["first"]);
            assert_eq!((transcript.next_message(), transcript.find("d2")), (2, None));
            drop(transcript);
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {length}");
        }
        fs::write(&path, &both).unwrap();
        let (mut transcript, recent) = open(&path);
        assert_eq!(recent, ["first", "second"]);
        let start = transcript.append(&entry(transcript.next_message(), "d3", "third")).unwrap();
        assert_eq!(transcript.read(start).unwrap(), entry(3, "d3", "third"));
        assert_eq!(transcript.find("d1"), Some(0));
    }

    #[test]
    fn unreadable_lines_are_kept_and_their_numbers_not_given_out_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("console.jsonl");
        let (mut transcript, _) = open(&path);
        transcript.append(&entry(1, "d1", "first")).unwrap();
        drop(transcript);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"\xff\x00 not json\n\n");
        fs::write(&path, &bytes).unwrap();
        let (mut transcript, recent) = open(&path);
        assert_eq!((recent, transcript.next_message()), (vec!["first".to_owned()], 4));
        let start = transcript.append(&entry(4, "d4", "fourth")).unwrap();
        assert_eq!(start, bytes.len() as u64);
        assert!(fs::read(&path).unwrap().starts_with(&bytes));
    }

    #[test]
    fn long_lines_and_the_latest_text_of_a_message_are_found() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("console.jsonl");
        let (mut transcript, _) = open(&path);
        let long = "é\n".repeat(10_000);
        transcript.append(&entry(1, "d1", &long)).unwrap();
        transcript.append(&entry(1, "d2", "short now")).unwrap();
        assert_eq!(transcript.read(transcript.find("d1").unwrap()).unwrap().line.text, long);
        assert_eq!(transcript.message(1).unwrap().unwrap().text, "short now");
        assert_eq!(transcript.message(2).unwrap(), None);
        assert_eq!(transcript.next_message(), 2);
    }

    #[test]
    fn only_the_last_lines_are_recent() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("console.jsonl");
        let (mut transcript, _) = open(&path);
        for number in 1..=50 {
            transcript.append(&entry(number, &format!("d{number}"), &number.to_string())).unwrap();
        }
        let (transcript, recent) = open(&path);
        assert_eq!(recent, (31..=50).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!((1..=50).all(|number| transcript.find(&format!("d{number}")).is_some()));
    }
}
