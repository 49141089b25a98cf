//! Standard input, read so that nothing of it is lost when the program replaces itself: what was taken from the system and
//! belongs to no message that was acted on can be had back.

use std::{
    io::{self, BufRead, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read},
    stdio::stdin,
};

/// How much is read at once.
const CHUNK: usize = 8192;

/// The other end of a tape: what becomes of what was read.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// All that was read and belongs to no message that was acted on.
    bytes: Vec<u8>,
    /// How much of it the reader has taken.
    taken: usize,
    stopped: bool,
}

impl Held {
    /// Begins with what an earlier program had read.
    pub(crate) fn with(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { bytes, ..State::default() })))
    }

    /// What the reader has taken belongs to messages that are acted on.
    pub(crate) fn acted(&self) {
        let mut state = self.state();
        let taken = std::mem::take(&mut state.taken);
        state.bytes.drain(..taken);
    }

    /// Reads no more, and answers what was not acted on.
    pub(crate) fn stop(&self) -> Vec<u8> {
        let mut state = self.state();
        state.stopped = true;
        state.bytes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading end, for one thread.
pub(crate) struct Tape {
    held: Held,
    chunk: Vec<u8>,
    at: usize,
}

impl Tape {
    pub(crate) fn new(held: Held) -> Self {
        let chunk = held.state().bytes.clone();
        Self { held, chunk, at: 0 }
    }
}

impl Read for Tape {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Tape {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            self.at = 0;
            self.chunk.resize(CHUNK, 0);
            let count = next(&self.held, &mut self.chunk);
            self.chunk.truncate(*count.as_ref().unwrap_or(&0));
            count?;
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
        self.held.state().taken += amount;
    }
}

/// Takes what there is. Waiting comes before the lock, and taking below it, so that nothing is on the way when the tape is
/// stopped.
fn next(held: &Held, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut state = held.state();
        if state.stopped {
            return Ok(0);
        }
        match read(stdin(), &mut *into) {
            Ok(count) => {
                state.bytes.extend(&into[..count]);
                return Ok(count);
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;

    use super::{Held, Tape};

    #[test]
    fn what_was_not_acted_on_can_be_had_back() {
        let held = Held::with(b"one\ntwo\nthr".to_vec());
        let mut tape = Tape::new(held.clone());
        let mut line = String::new();
        tape.read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
        held.acted();
        tape.read_line(&mut line).unwrap();
        assert_eq!(line, "one\ntwo\n");
        // The second line was read, and nobody has acted on it.
        assert_eq!(held.stop(), b"two\nthr");
    }
}
