//! What commands, claims and starts cost, each beside the same work done in plain SQLite and bare processes.
//!
//! `cargo bench --bench performance` prints one table. `-- --quick` takes a shorter look; `-- WORD` runs the sections
//! whose name has the word. Figures of different machines and hours are not comparable: the ratio of one run is.

#![expect(clippy::unwrap_used, reason = "a benchmark ends at what it did not expect")]

mod commands;
mod home;
mod measure;
mod operations;
mod raw;
mod service;
mod starts;
mod table;

use std::{env, path::Path};

use table::Table;

/// How much is measured.
#[derive(Clone, Copy)]
struct Scale {
    /// Numbers of tasks on the boards.
    boards: &'static [usize],
    /// Divides the numbers of repetitions.
    less: usize,
    idle_seconds: u64,
}

/// Measures some rows of the table.
type Section = fn(Scale, &mut Table);

const WHOLE: Scale = Scale { boards: &[1_000, 10_000, 100_000], less: 1, idle_seconds: 20 };
const QUICK: Scale = Scale { boards: &[1_000, 20_000], less: 4, idle_seconds: 6 };

impl Scale {
    fn repeat(self, times: usize) -> usize {
        times / self.less
    }

    fn largest(self) -> usize {
        self.boards.iter().copied().max().unwrap_or(0)
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    // The parts of the work that are processes of their own run this program again.
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", socket] => return service::worker(Path::new(socket)),
        ["raw-list", file] => return raw::list_as_process(Path::new(file)),
        ["raw-create", file] => return raw::create_as_process(Path::new(file)),
        ["nothing"] => return,
        ["measure", times, ref command @ ..] => return measure::as_process(times.parse().unwrap(), command),
        _ => {}
    }
    let scale = if words.iter().any(|word| word == "--quick") { QUICK } else { WHOLE };
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let mut table = Table::new();
    let sections: [(&str, Section); 4] = [
        ("commands", commands::measure),
        ("operations", operations::measure),
        ("service", service::measure),
        ("starts", starts::measure),
    ];
    for (name, section) in sections {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            section(scale, &mut table);
        }
    }
    table.end();
}
