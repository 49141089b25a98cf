//! What an import read, wrote, mended and left out, and why: for each table, and every row once.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};

use crate::board::{BoardSlug, ProfileName};

/// The rows of one table. What was read was written or skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub read: u64,
    pub written: u64,
    /// Of those that were written, the ones that were changed to fit.
    pub mended: u64,
    pub skipped: u64,
    /// Why rows were mended or skipped, and how many for each reason.
    pub reasons: BTreeMap<String, u64>,
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.written += other.written;
        self.mended += other.mended;
        self.skipped += other.skipped;
        for (reason, rows) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += rows;
        }
    }

    fn document(&self) -> Value {
        json!({"read": self.read, "written": self.written, "mended": self.mended, "skipped": self.skipped, "reasons": self.reasons})
    }
}

/// The counts of one board while they are made.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<String, Count>);

impl Tables {
    /// Makes a table known, be it empty.
    pub(super) fn open(&mut self, table: &str) {
        self.table(table);
    }

    pub(super) fn read(&mut self, table: &str) {
        self.table(table).read += 1;
    }

    pub(super) fn skip(&mut self, table: &str, reason: &str) {
        self.skip_all(table, 1, reason);
    }

    pub(super) fn skip_all(&mut self, table: &str, rows: u64, reason: &str) {
        let count = self.table(table);
        count.skipped += rows;
        if rows > 0 {
            *count.reasons.entry(reason.to_owned()).or_default() += rows;
        }
    }

    /// Says something of rows that are counted as they are.
    pub(super) fn note(&mut self, table: &str, reason: &str, rows: u64) {
        if rows > 0 {
            *self.table(table).reasons.entry(reason.to_owned()).or_default() += rows;
        }
    }

    pub(super) fn read_all(&mut self, table: &str, rows: u64) {
        self.table(table).read += rows;
    }

    pub(super) fn write(&mut self, table: &str, mended: &[String]) {
        let count = self.table(table);
        count.written += 1;
        if !mended.is_empty() {
            count.mended += 1;
        }
        for reason in mended {
            *count.reasons.entry(reason.clone()).or_default() += 1;
        }
    }

    pub(super) fn into_counts(self) -> BTreeMap<String, Count> {
        self.0
    }

    fn table(&mut self, name: &str) -> &mut Count {
        self.0.entry(name.to_owned()).or_default()
    }
}

/// One board that was brought in.
#[derive(Clone, Debug)]
pub struct BoardReport {
    pub slug: BoardSlug,
    pub from: PathBuf,
    pub tables: BTreeMap<String, Count>,
    /// How many tasks that were brought in are ready to start, by whom they are for, and how many there are of all for each.
    pub ready: BTreeMap<Option<ProfileName>, (u64, u64)>,
}

/// One board that could not be brought in. Nothing of it was changed.
#[derive(Clone, Debug)]
pub struct Failed {
    pub slug: BoardSlug,
    pub from: PathBuf,
    pub why: String,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub dry_run: bool,
    pub boards: Vec<BoardReport>,
    /// Boards that were left where they are, and why.
    pub left_out: Vec<(String, String)>,
    /// Boards that were meant to come in and could not.
    pub failed: Vec<Failed>,
}

impl Report {
    /// The counts of all boards together.
    pub fn tables(&self) -> BTreeMap<String, Count> {
        let mut tables: BTreeMap<String, Count> = BTreeMap::new();
        for board in &self.boards {
            for (name, count) in &board.tables {
                tables.entry(name.clone()).or_default().add(count);
            }
        }
        let boards = tables.entry("boards".to_owned()).or_default();
        for (_, why) in &self.left_out {
            boards.add(&Count { read: 1, skipped: 1, reasons: [(why.clone(), 1)].into(), ..Count::default() });
        }
        let (failed, why) = (self.failed.len() as u64, "it could not be brought in".to_owned());
        if failed > 0 {
            boards.add(&Count { read: failed, skipped: failed, reasons: [(why, failed)].into(), ..Count::default() });
        }
        tables
    }

    /// For each profile that tasks are for: how many are ready to start, and how many there are.
    pub fn profiles(&self) -> BTreeMap<Option<ProfileName>, (u64, u64)> {
        let mut profiles: BTreeMap<Option<ProfileName>, (u64, u64)> = BTreeMap::new();
        for (profile, (ready, all)) in self.boards.iter().flat_map(|board| &board.ready) {
            let entry = profiles.entry(profile.clone()).or_default();
            entry.0 += ready;
            entry.1 += all;
        }
        profiles
    }

    pub fn document(&self, is_known: &dyn Fn(&ProfileName) -> bool) -> Value {
        let counts = |tables: &BTreeMap<String, Count>| -> Value {
            tables
                .iter()
                .map(|(name, count)| (name.clone(), count.document()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let boards: Vec<_> = self
            .boards
            .iter()
            .map(|board| json!({"board": board.slug, "from": board.from, "tables": counts(&board.tables)}))
            .collect();
        let profiles: Vec<_> = self
            .profiles()
            .iter()
            .map(|(profile, (ready, all))| {
                json!({"profile": profile, "tasks": all, "ready": ready, "known": profile.as_ref().map(is_known)})
            })
            .collect();
        let failed: Vec<_> = self
            .failed
            .iter()
            .map(|board| json!({"board": board.slug, "from": board.from, "reason": board.why}))
            .collect();
        json!({"dry_run": self.dry_run, "tables": counts(&self.tables()), "boards": boards, "failed": failed, "profiles": profiles})
    }

    /// What could not be brought in, a line for each board.
    pub fn failures(&self) -> String {
        let lines = self.failed.iter().map(|Failed { from, why, .. }| {
            format!("`{}` cannot be brought in: {why}; nothing of that board was changed", from.display())
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    pub fn told(&self, prefix: &str, is_known: &dyn Fn(&ProfileName) -> bool) -> String {
        let mut lines = Vec::new();
        for board in &self.boards {
            let verb = if self.dry_run { "Would import" } else { "Imported" };
            lines.push(format!("{verb} {} into board '{}':", board.from.display(), board.slug));
            for (name, count) in &board.tables {
                lines.push(format!(
                    "  {name:<20} {} read, {} written, {} mended, {} skipped",
                    count.read, count.written, count.mended, count.skipped
                ));
                for (reason, rows) in &count.reasons {
                    lines.push(format!("    {rows} × {reason}"));
                }
            }
        }
        for (name, why) in &self.left_out {
            lines.push(format!("Left out {name}: {why}"));
        }
        let (mut starts, mut waits) = (Vec::new(), Vec::new());
        for (profile, (ready, _)) in self.profiles().iter().filter(|(_, (ready, _))| *ready > 0) {
            match profile {
                Some(name) if is_known(name) => starts.push(format!("{ready} for {name}")),
                Some(name) => waits.push(format!("{ready} for {name}, which is no profile here")),
                None => waits.push(format!("{ready} for nobody")),
            }
        }
        if !starts.is_empty() {
            lines.push(format!(
                "Ready, and started by a gateway unless `{prefix} dispatch pause` was typed first: {}",
                starts.join(", ")
            ));
        }
        if !waits.is_empty() {
            lines.push(format!(
                "Ready, and waiting: {}. Add the profiles to the settings, or give the tasks to others with `{prefix} assign ID PROFILE`.",
                waits.join("; ")
            ));
        }
        lines.join("\n")
    }
}
