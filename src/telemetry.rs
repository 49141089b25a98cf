//! The program's own log on standard error: what it writes for operators, as text or as JSON.
//!
//! A line reads alone and can be queried: the identifier stands in the message and as a dotted field, and a unit is part
//! of its field's name. No line carries the text of a message, a token or a value from the environment.
//!
//! | field | |
//! |---|---|
//! | `request.update` | the platform's id of what a person did; the span of a request |
//! | `thread.id` | `platform:channel[:thread]` |
//! | `author.id` | `platform:id`, never the name |
//! | `board.slug`, `task.id`, `run.id` | the span of a run has all three |
//! | `profile.name` | |
//! | `delivery.id` | a post or edit that a thread is owed |
//! | `duration_ms`, `size_bytes`, `attempt` | figures, with the unit in the name |
//! | `adopted` | how many runs of an earlier gateway are followed again |
//! | `error` | what a fault said |

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    panic,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    redact::Redactor,
    settings::{Environment, LogFormat, LogLevel, Logs},
};

/// What takes secrets out of the log: one for the process, as the log is.
static HIDDEN: RwLock<Option<Arc<Redactor>>> = RwLock::new(None);

/// Takes these secrets out of every line from now on, beside whatever looks like a token.
pub fn hide(redactor: Arc<Redactor>) {
    *HIDDEN.write().unwrap_or_else(PoisonError::into_inner) = Some(redactor);
}

/// Starts the log on standard error, and has panics told there.
///
/// The first call in a process counts; a later one changes nothing.
pub fn start(logs: &Logs, environment: &Environment) {
    let color = io::stderr().is_terminal() && environment.get("NO_COLOR").is_none();
    let chosen = tracing::subscriber::set_global_default(subscriber(logs, color, io::stderr));
    if chosen.is_ok() {
        panic::set_hook(Box::new(report_panic));
    }
}

/// Starts the log in a file: where a person types at the terminal, lines of a log would run into theirs.
pub fn start_in(file: File, logs: &Logs) {
    if tracing::subscriber::set_global_default(subscriber(logs, false, Mutex::new(file))).is_ok() {
        panic::set_hook(Box::new(report_panic));
    }
}

/// A subscriber that writes our own lines from the level of the settings on, and those of libraries from `warn` on.
pub fn subscriber<W>(logs: &Logs, color: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter(logs.level)).with_writer(Clean(writer)).with_ansi(color);
    match logs.format {
        LogFormat::Text => Box::new(lines.finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
    }
}

/// Takes secrets out of what is written. A line of the log is one write.
struct Clean<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Clean<W> {
    type Writer = Clean<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Clean(self.0.make_writer())
    }
}

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let redactor = HIDDEN.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        self.0.write_all(redactor.clean(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A client quotes what it cannot read, which may be what somebody wrote.
#[cfg(feature = "discord")]
const QUIET: &str = kanban_discord::QUIET;
#[cfg(not(feature = "discord"))]
const QUIET: &str = "";

/// The crates of this workspace are all named `kanban…`.
fn filter(level: LogLevel) -> EnvFilter {
    let others = level.min(LogLevel::Warn);
    EnvFilter::new([&format!("{others},kanban={level}"), QUIET].join(","))
}

/// Tells where a panic happened. Its message is left out: it may quote what was being handled.
fn report_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    tracing::error!(panic.location = place, thread.name = name, "panicked at {place} in thread {name}");
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::{report_panic, subscriber};
    use crate::settings::{Environment, LogFormat, LogLevel, Settings};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: LogLevel, act: impl FnOnce()) -> String {
        let home = tempfile::tempdir().unwrap();
        let mut logs = Settings::load(home.path(), &Environment::default()).unwrap().logs;
        (logs.format, logs.level) = (format, level);
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(&logs, false, move || writer.clone()), act);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_have_the_fields_of_the_event_and_of_its_span() {
        let text = logged(LogFormat::Json, LogLevel::Info, || {
            let span = tracing::info_span!("run", task.id = "t_1", run.id = 7);
            let _inside = span.enter();
            tracing::info!(duration_ms = 12, "run 7 of t_1 ended");
            tracing::debug!("too much");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "run 7 of t_1 ended");
        assert_eq!(line["duration_ms"], 12);
        assert_eq!(line["spans"][0]["task.id"], "t_1");
    }

    #[test]
    fn libraries_are_heard_from_warn_on() {
        let text = logged(LogFormat::Text, LogLevel::Debug, || {
            tracing::debug!(target: "kanban_console", "ours");
            tracing::info!(target: "library::part", "chatter");
            tracing::warn!(target: "library::part", "slow");
        });
        assert!(text.contains("ours") && text.contains("slow") && !text.contains("chatter"), "{text}");
        let text = logged(LogFormat::Text, LogLevel::Error, || tracing::warn!(target: "library::part", "slow"));
        assert_eq!(text, "");
    }

    #[test]
    fn secrets_are_taken_out_of_every_line() {
        let secret = crate::secret::Secret::new("canary \"in\" the coal mine");
        super::hide(Arc::new(crate::redact::Redactor::new([&secret])));
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(format, LogLevel::Info, || {
                tracing::info!(value = secret.expose(), "it is {}", secret.expose());
                tracing::warn!(target: "library::part", error = ?secret.expose(), "token xoxb-1234567890-abcdefghij");
            });
            assert!(!text.contains("coal mine") && !text.contains("1234567890"), "{text}");
            assert_eq!(text.matches("[redacted]").count(), 4, "{text}");
        }
    }

    #[test]
    fn a_panic_is_told_by_its_place_alone() {
        let text = logged(LogFormat::Text, LogLevel::Info, || {
            let before = std::panic::take_hook();
            // Other tests of this process that panic meanwhile are told of in their own subscribers.
            std::panic::set_hook(Box::new(report_panic));
            let outcome = std::panic::catch_unwind(|| panic!("token hunter2"));
            std::panic::set_hook(before);
            outcome.unwrap_err();
        });
        assert!(text.contains("src/telemetry.rs") && !text.contains("hunter2"), "{text}");
    }
}
