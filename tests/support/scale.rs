//! How much a test does, and what it says about that.

use std::{
    io::{self, Write},
    time::Instant,
};

/// Tells the person who runs the tests.
pub(crate) fn report(line: &str) {
    io::stderr().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// How much a test does: `KANBAN_TEST_SCALE=full` asks for all of it.
pub(crate) struct Scale {
    name: &'static str,
    pub(crate) count: usize,
    start: Instant,
    seed: u64,
}

impl Scale {
    #[expect(clippy::disallowed_methods, reason = "the scale of a test comes from whoever runs it")]
    pub(crate) fn of(name: &'static str, plain: usize, full: usize) -> Self {
        let is_full = std::env::var_os("KANBAN_TEST_SCALE").is_some_and(|scale| scale == "full");
        let seed = std::env::var("KANBAN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        // The plain scale draws the same cases each time, so that it judges the change and not the draw.
        let seed = seed.unwrap_or_else(|| match is_full {
            true => u64::from_be_bytes(kanban_gateway::random::bytes::<8>()),
            false => name
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
        });
        let count = if is_full { full } else { plain };
        report(&format!("{name}: seed {seed}, scale {}", if is_full { "full" } else { "plain" }));
        Self { name, count, start: Instant::now(), seed }
    }

    /// The next number below a bound; the same ones for the same `KANBAN_TEST_SEED`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn done(&self, what: &str) {
        report(&format!("{}: {} × {what} in {:.1} s", self.name, self.count, self.start.elapsed().as_secs_f64()));
    }
}
