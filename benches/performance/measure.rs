//! Times, and what whole processes cost.

use std::{
    fmt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// How long each of many repetitions took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Repeats something, one after the other.
    pub(crate) fn of(times: usize, mut work: impl FnMut()) -> Self {
        (0..times)
            .map(|_| {
                let begun = Instant::now();
                work();
                begun.elapsed()
            })
            .collect()
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn p50(&self) -> Duration {
        self.quantile(50)
    }

    pub(crate) fn p99(&self) -> Duration {
        self.quantile(99)
    }

    pub(crate) fn mean(&self) -> Duration {
        self.0.iter().sum::<Duration>() / u32::try_from(self.0.len().max(1)).unwrap()
    }

    fn quantile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {}, p99 {}", span(self.p50()), span(self.p99()))
    }
}

/// A time with three digits or so.
pub(crate) fn span(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1_000.0 { format!("{micros:.0} µs") } else { format!("{:.2} ms", micros / 1e3) }
}

pub(crate) fn ratio(ours: Duration, raw: Duration) -> f64 {
    ours.as_secs_f64() / raw.as_secs_f64()
}

/// What a command costs as a process of its own.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cost {
    /// The median.
    wall: Duration,
    cpu: Duration,
    /// The most memory that it had at once.
    pub(crate) rss_kib: u64,
}

impl Cost {
    /// Runs a command many times below a process that does nothing else, since the system adds up the costs of all
    /// children of a process.
    pub(crate) fn of(times: usize, command: &[&str]) -> Self {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["measure", &times.to_string()])
            .args(command)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command:?} failed: {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn wall(&self) -> Duration {
        self.wall
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, CPU {}, {} MB", span(self.wall), span(self.cpu), self.rss_kib / 1024)
    }
}

/// The process that [`Cost::of`] starts.
pub(crate) fn as_process(times: usize, command: &[&str]) {
    let (program, arguments) = command.split_first().unwrap();
    let walls = Times::of(times, || {
        let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?} failed: {status}");
    });
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec()).unwrap() * 1_000_000 + u64::try_from(time.tv_usec()).unwrap()
    };
    let cpu = Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()));
    let cost = Cost {
        wall: walls.p50(),
        cpu: cpu / u32::try_from(times).unwrap(),
        rss_kib: u64::try_from(usage.max_rss()).unwrap(),
    };
    serde_json::to_writer(std::io::stdout(), &cost).unwrap();
}
