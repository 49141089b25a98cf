//! Where posts and notices are shown.

use std::io::{self, Write};

use crate::{Mode, render, transcript::Line};

/// Writes above the line that a person is editing.
pub(crate) type Printer = Box<dyn FnMut(String) -> io::Result<()> + Send>;

pub(crate) struct Screen {
    mode: Mode,
    output: Box<dyn Write + Send>,
    notices: Box<dyn Write + Send>,
    printer: Option<Printer>,
    /// Writing failed, which has been told once.
    broken: bool,
}

impl Screen {
    pub(crate) fn new(mode: Mode, output: Box<dyn Write + Send>, notices: Box<dyn Write + Send>) -> Self {
        Self { mode, output, notices, printer: None, broken: false }
    }

    /// Shows what was posted before the console was opened. Programs read that from the transcript instead, so that
    /// each object on standard output is news.
    pub(crate) fn show_history(&mut self, lines: &[Line]) {
        match self.mode {
            Mode::Json => {}
            Mode::Text => {
                for line in lines {
                    self.show(line);
                }
                if !lines.is_empty() {
                    self.notice(&format!("above: the last {} posts; `console.jsonl` has them all", lines.len()));
                }
            }
        }
    }

    /// Shows a post. It has been stored by now, so a closed or broken output is told once and stops nothing.
    pub(crate) fn show(&mut self, line: &Line) {
        let shown = match self.mode {
            Mode::Text => Ok(render::text(line)),
            Mode::Json => serde_json::to_string(line).map_err(io::Error::from),
        };
        let written = shown.and_then(|mut text| {
            text.push('\n');
            self.write(&text, Stream::Output)
        });
        match written {
            Ok(()) => self.broken = false,
            Err(error) if !self.broken => {
                self.broken = true;
                tracing::warn!(%error, "posts cannot be shown; they are in the transcript");
            }
            Err(_) => {}
        }
    }

    /// Tells the person something that is not a post.
    pub(crate) fn notice(&mut self, text: &str) {
        let text = format!("{}\n", render::printable(text));
        if let Err(error) = self.write(&text, Stream::Notices) {
            tracing::debug!(%error, "a notice cannot be shown");
        }
    }

    /// From now on everything goes above the line that is being edited; with `None` no line is edited any more.
    pub(crate) fn set_printer(&mut self, printer: Option<Printer>) {
        self.printer = printer;
    }

    fn write(&mut self, text: &str, stream: Stream) -> io::Result<()> {
        if let Some(printer) = &mut self.printer {
            if printer(text.to_owned()).is_ok() {
                return Ok(());
            }
            // The editor has ended.
            self.printer = None;
        }
        let writer = match stream {
            Stream::Output => &mut self.output,
            Stream::Notices => &mut self.notices,
        };
        writer.write_all(text.as_bytes())?;
        writer.flush()
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Notices,
}
