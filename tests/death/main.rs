//! Dead means dead: whole trees, every way to end, reused numbers, and what is dropped as files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/scale.rs"]
mod scale;
#[path = "../support/shim.rs"]
mod support;

mod bomb;
mod outbox;
mod reuse;
mod trees;

use std::fs;

/// The numbers of the processes that carry a text in their command line or environment.
pub(crate) fn carriers(mark: &str) -> Vec<u32> {
    let carries = |pid: u32, file: &str| {
        fs::read(format!("/proc/{pid}/{file}"))
            .is_ok_and(|text| text.windows(mark.len()).any(|part| part == mark.as_bytes()))
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && (carries(*pid, "cmdline") || carries(*pid, "environ")))
        .collect()
}

/// A user that nobody else has, whose processes are ours to count.
pub(crate) fn some_user() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    40_000 + std::process::id() % 20_000 + 20_000 * (1 + NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Whether tests may give up the rights of root; says why where they may not.
pub(crate) fn may_drop_rights(test: &str) -> bool {
    let program = env!("CARGO_BIN_EXE_kanban");
    let may = std::process::Command::new("setpriv")
        .args(["--reuid=40000", "--regid=40000", "--clear-groups", "--", program, "--version"])
        .output()
        .is_ok_and(|ran| ran.status.success());
    if !may {
        scale::report(&format!("SKIPPED: {test}: this needs root, `setpriv`, and a program that others may run"));
    }
    may
}
