//! The table of figures.

use std::{fmt::Display, io::Write};

/// Prints each row as soon as it is measured, and counts what misses its target.
pub(crate) struct Table {
    missed: Vec<String>,
}

/// One figure of ours, with the same thing done plainly beside it.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) raw: String,
    /// How many times as much ours takes as the plain one does.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: &'static str,
    /// None where there is no target.
    pub(crate) met: Option<bool>,
}

impl Table {
    pub(crate) fn new() -> Self {
        let table = Self { missed: Vec::new() };
        table.line("what", "ours", "plain", "ratio", "target", "");
        table.line("---", "---", "---", "---", "---", "---");
        table
    }

    pub(crate) fn row(&mut self, row: Row) {
        let ratio = row.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let verdict = match row.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        self.line(&row.what, &row.ours, &row.raw, &ratio, row.target, verdict);
        if row.met == Some(false) {
            self.missed.push(row.what);
        }
    }

    /// Says what the table comes to.
    pub(crate) fn end(self) {
        let mut out = std::io::stdout().lock();
        let _ = match self.missed[..] {
            [] => writeln!(out, "\nno target was missed"),
            ref missed => writeln!(out, "\n{} missed: {}", missed.len(), missed.join("; ")),
        };
    }

    fn line(
        &self,
        what: impl Display,
        ours: impl Display,
        raw: impl Display,
        ratio: &str,
        target: &str,
        verdict: &str,
    ) {
        let mut out = std::io::stdout().lock();
        // Whoever reads this may have gone away; the figures are then for nobody.
        let _ = writeln!(out, "| {what:<58} | {ours:<44} | {raw:<34} | {ratio:>6} | {target:<38} | {verdict} |");
    }
}
