//! The session that an agent names in its output: found while the output goes by, and kept beside the run's record, so that
//! neither a log that turns nor a gateway that is away loses it.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::run::locked;
use crate::settings::Pattern;

/// The longest part of a line that is looked at.
const LINE_LIMIT: usize = 16 << 10;

/// The longest name of a session.
const NAME_LIMIT: usize = 128;

const FILE: &str = "session";

/// The session that the agent of a run has named, if it has.
pub fn learned_session(rundir: &Path) -> Option<String> {
    let found = fs::metadata(rundir.join(FILE)).ok().filter(|found| found.len() <= NAME_LIMIT as u64)?;
    let name = found.is_file().then(|| fs::read_to_string(rundir.join(FILE)).ok())??;
    is_name(&name).then_some(name)
}

/// Looks for the name in one stream of output. The first one in any of them counts.
#[derive(Clone)]
pub(super) struct Learner {
    pattern: Arc<Pattern>,
    rundir: PathBuf,
    is_found: Arc<Mutex<bool>>,
    line: Vec<u8>,
}

impl Learner {
    /// None where the recipe has no pattern.
    pub(super) fn of(rundir: &Path, pattern: Option<&str>) -> Option<Self> {
        // It was read by the settings before.
        let pattern = Pattern::parse(pattern?).ok()?;
        let is_found = Arc::new(Mutex::new(learned_session(rundir).is_some()));
        Some(Self { pattern: Arc::new(pattern), rundir: rundir.to_owned(), is_found, line: Vec::new() })
    }

    pub(super) fn read(&mut self, chunk: &[u8]) {
        if *locked(&self.is_found) {
            return;
        }
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.add(&rest[..end]);
            self.end();
            rest = &rest[end + 1..];
        }
        self.add(rest);
    }

    /// The last line may lack its end.
    pub(super) fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let Some(name) = self.pattern.capture(text.trim_end_matches('\r')).filter(|name| is_name(name)) else { return };
        let mut is_found = locked(&self.is_found);
        if !*is_found {
            // Without room on the disk the next run begins a session of its own.
            *is_found = write(&self.rundir, &name).is_ok();
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT - self.line.len().min(LINE_LIMIT);
        self.line.extend(&bytes[..bytes.len().min(room)]);
    }
}

/// A name becomes an argument: it must not be taken for an option, nor for a path to somewhere else.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    text.len() <= NAME_LIMIT && text.chars().all(is_plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn write(rundir: &Path, name: &str) -> io::Result<()> {
    let draft = rundir.join("session.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(name.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, rundir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::{Learner, learned_session};

    #[test]
    fn the_first_name_counts_however_the_output_is_cut() {
        let long = format!("{} id: late\n", "x".repeat(40_000));
        for (output, expected) in [
            ("a\nid: s-1\nid: s-2\n", Some("s-1")),
            ("id: s-1", Some("s-1")),
            ("id: s-1\r\n", Some("s-1")),
            ("\u{1b}[1mid: s-1\u{1b}[0m\n", Some("s-1")),
            ("id: --dangerous\nid: ../../x\nid: a b\nid: ok.1\n", Some("ok.1")),
            ("nothing\n", None),
            (long.as_str(), None),
        ] {
            for size in [1, 3, 64 << 10] {
                let folder = tempfile::tempdir().expect("a folder");
                let mut learner = Learner::of(folder.path(), Some(r"^id: (\S+)$|x id: (\S+)$")).expect("a pattern");
                output.as_bytes().chunks(size).for_each(|chunk| learner.read(chunk));
                learner.end();
                assert_eq!(learned_session(folder.path()).as_deref(), expected, "{size}: {output:.40}");
            }
        }
    }
}
