//! Line editing at a terminal: history, completion, and posts that appear above the line being typed.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kanban_platform::{Author, Commands, Field};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::{
    CompletionType, Config, Context, Editor, ExternalPrinter, Helper,
    completion::{Completer, Pair},
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::Validator,
};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    PLATFORM,
    complete::{Wanted, wanted},
    journal::Journal,
    reader::{Lines, Prompt, Raw},
    render::{is_unprintable, printable_line},
    request::{Place, thread_of},
};

/// How many lines of history are kept.
const HISTORY: usize = 1000;

/// How long a press of the tab key waits for the gateway.
const SUGGESTION_DEADLINE: Duration = Duration::from_millis(500);

/// Opens the editor. From now on posts go above the line that is being edited, until the session ends.
///
/// Must be called within a runtime, which completions are asked on.
pub(crate) fn open(
    history: &Path,
    commands: Arc<dyn Commands>,
    journal: &Arc<Journal>,
) -> Result<(Terminal, Session), ReadlineError> {
    let settings = tcgetattr(rustix::stdio::stdin()).map_err(io::Error::from)?;
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .completion_type(CompletionType::List)
        .build();
    let lines = FileHistory::with_config(&config);
    let mut editor = Editor::with_history(config, lines)?;
    editor.set_helper(Some(Completion {
        commands,
        runtime: Handle::current(),
        place: Place { thread: String::new(), user: String::new() },
    }));
    if let Err(error) = editor.load_history(history) {
        tracing::debug!(%error, "no history of typed lines");
    }
    let mut printer = editor.create_external_printer()?;
    journal.set_printer(Some(Box::new(move |text| printer.print(text).map_err(io::Error::other))));
    let terminal = Terminal { editor, history: history.to_owned(), interrupted: false };
    Ok((terminal, Session { journal: Arc::clone(journal), settings }))
}

/// The time during which a person edits lines. At its end the terminal is as it was, also when the reading thread is
/// still in the middle of a line.
pub(crate) struct Session {
    journal: Arc<Journal>,
    settings: Termios,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.journal.set_printer(None);
        let restored =
            tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.settings).map_err(io::Error::from);
        // Ends bracketed paste and clears the prompt.
        let cleared = io::stdout().write_all(b"\x1b[?2004l\r\x1b[K").and_then(|()| io::stdout().flush());
        if let Err(error) = restored.and(cleared) {
            tracing::debug!(%error, "the terminal cannot be put back as it was");
        }
    }
}

/// Lines that a person edits.
pub(crate) struct Terminal {
    editor: Editor<Completion, FileHistory>,
    history: PathBuf,
    /// The last thing typed was Ctrl-C.
    interrupted: bool,
}

impl Lines for Terminal {
    fn read(&mut self, prompt: Prompt<'_>) -> io::Result<Option<Raw>> {
        let place = prompt.place;
        if let Some(completion) = self.editor.helper_mut() {
            completion.place.clone_from(place);
        }
        let shown = if prompt.continued { "... ".to_owned() } else { format!("{} {}> ", place.thread, place.user) };
        let interrupted = std::mem::take(&mut self.interrupted);
        match self.editor.readline(&shown) {
            Ok(line) => {
                self.remember(&line);
                Ok(Some(Raw::Line(line)))
            }
            Err(ReadlineError::Interrupted) if interrupted => Ok(None),
            Err(ReadlineError::Interrupted) => {
                self.interrupted = true;
                // Whoever means to leave would wait for it otherwise.
                let told = io::stdout().write_all(b"Ctrl-C once more, or /quit, leaves\n");
                told.and_then(|()| io::stdout().flush())?;
                Ok(Some(Raw::Cancelled))
            }
            Err(ReadlineError::Eof) => Ok(None),
            Err(ReadlineError::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

impl Terminal {
    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let kept = self.editor.add_history_entry(line).and_then(|_new| self.editor.append_history(&self.history));
        if let Err(error) = kept {
            tracing::debug!(%error, "the history of typed lines cannot be written");
        }
    }
}

/// Completes words from the gateway's verbs and values.
struct Completion {
    commands: Arc<dyn Commands>,
    runtime: Handle,
    place: Place,
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, end: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..end];
        let (start, wanted) = wanted(self.commands.spec(), typed);
        let candidates = match wanted {
            Wanted::Nothing => Vec::new(),
            Wanted::Words(words) => words.into_iter().map(|word| candidate(&word, "")).collect(),
            Wanted::Value(kind) => {
                let author = Author {
                    platform: PLATFORM.to_owned(),
                    id: self.place.user.clone(),
                    name: self.place.user.clone(),
                    groups: Vec::new(),
                };
                let field = Field {
                    kind,
                    typed: typed[start..].to_owned(),
                    author,
                    thread: thread_of(&self.place.thread),
                    board: None,
                };
                let asked = async { timeout(SUGGESTION_DEADLINE, self.commands.suggest(&field)).await };
                let suggestions = self.runtime.block_on(asked).unwrap_or_default();
                suggestions
                    .iter()
                    .filter(|suggestion| !suggestion.value.contains(is_unprintable))
                    .map(|suggestion| candidate(&suggestion.value, &suggestion.label))
                    .collect()
            }
        };
        Ok((start, candidates))
    }
}

impl Helper for Completion {}
impl Highlighter for Completion {}
impl Validator for Completion {}

impl Hinter for Completion {
    type Hint = String;
}

fn candidate(value: &str, label: &str) -> Pair {
    let display = if label.is_empty() || label == value {
        value.to_owned()
    } else {
        format!("{value}  {}", printable_line(label))
    };
    let quoted = if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value.to_owned() };
    Pair { display, replacement: format!("{quoted} ") }
}
