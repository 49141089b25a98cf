//! Figures for whoever watches a gateway: what stands on the boards, and what was counted since it began.
//!
//! The page is Prometheus' text format. Its labels are boards, statuses, outcomes and accounts: nothing that grows with the
//! tasks, and nobody's words.

mod meters;

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    time::Duration,
};

pub use self::meters::Meters;
use self::meters::{BOUNDS, Counted, Times};
use crate::{
    board::{Board, BoardSlug, Error, task::Status},
    clock::Millis,
    command::Desk,
};

/// What stands on some boards, with what was counted.
#[derive(Default)]
pub struct Figures {
    boards: BTreeMap<BoardSlug, OnBoard>,
    platforms: BTreeMap<String, Waiting>,
    /// Messages that agents of threads work on or have before them, by platform.
    lanes: BTreeMap<String, i64>,
    counted: Option<Counted>,
    gateway_since: Option<Millis>,
    now: Millis,
}

struct OnBoard {
    tasks: BTreeMap<&'static str, i64>,
    oldest_ready: Option<Millis>,
    running: usize,
    outcomes: Vec<(String, i64)>,
}

#[derive(Default)]
struct Waiting {
    posts: i64,
    failing: i64,
    oldest: Option<Millis>,
}

impl Figures {
    /// What waits on these boards for platforms and agents, and what was counted. The work is bounded by what waits.
    pub async fn gather(desk: &Desk, boards: &[Board]) -> Result<Self, Error> {
        let gateway = desk.gateway.as_ref();
        let mut figures = Self {
            counted: gateway.map(|gateway| gateway.meters.now()),
            gateway_since: gateway.map(|gateway| gateway.since),
            now: desk.now(),
            ..Self::default()
        };
        for board in boards {
            figures.add_queues(board).await?;
        }
        Ok(figures)
    }

    /// How many tasks and runs there are, of all of a board.
    async fn add_board(&mut self, board: &Board) -> Result<(), Error> {
        let mut tx = board.read().await?;
        let live = Status::ALL.iter().filter(|status| **status != Status::Archived);
        let mut tasks: BTreeMap<_, _> = live.map(|status| (status.as_str(), 0)).collect();
        for count in tx.counts().await? {
            *tasks.entry(count.status.as_str()).or_default() += count.tasks;
        }
        let on_board = OnBoard {
            tasks,
            oldest_ready: tx.oldest_ready().await?,
            running: tx.open_runs().await?.len(),
            outcomes: tx.outcomes().await?,
        };
        self.boards.insert(board.slug().clone(), on_board);
        Ok(())
    }

    async fn add_queues(&mut self, board: &Board) -> Result<(), Error> {
        let mut tx = board.read().await?;
        for owed in tx.owed_by_platform().await? {
            let waiting = self.platforms.entry(owed.platform).or_default();
            waiting.posts += owed.posts;
            waiting.failing += owed.failing;
            waiting.oldest = waiting.oldest.into_iter().chain([owed.oldest]).min();
        }
        for (platform, turns) in tx.turns_by_platform().await? {
            *self.lanes.entry(platform).or_default() += turns;
        }
        Ok(())
    }

    /// For people: what waits and how fast things went, a line for each platform that has something to tell.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let counted = self.counted.clone().unwrap_or_default();
        if let Some(bound) = counted.starts.half_within() {
            lines.push(format!("Starts:   {}, half of them within {}", counted.starts.count, shown(bound)));
        }
        let names = self.platforms.keys().chain(counted.platforms.keys());
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let (waiting, done) = (self.platforms.get(name), counted.platforms.get(name));
            let mut parts = Vec::new();
            if let Some(done) = done {
                let half =
                    done.lag.half_within().map_or_else(String::new, |bound| format!(", half within {}", shown(bound)));
                parts.push(format!("{} delivered{half}", done.lag.count));
                parts.push(format!("{} retries", done.retries));
            }
            if let Some(Waiting { posts, failing, oldest: Some(oldest) }) = waiting {
                let age = Duration::from_millis(u64::try_from(self.now - oldest).unwrap_or(0));
                parts.push(format!("{posts} waiting ({failing} after a failure), the oldest for {} s", age.as_secs()));
            }
            lines.push(format!("Posts:    {name}: {}", parts.join(", ")));
        }
        lines.extend(self.lanes.iter().map(|(name, turns)| format!("Lanes:    {name}: {turns} messages for agents")));
        lines
    }

    /// For programs, what [`lines`](Self::lines) says.
    pub fn document(&self) -> serde_json::Value {
        let counted = self.counted.clone().unwrap_or_default();
        let mut platforms: BTreeMap<&str, serde_json::Map<String, serde_json::Value>> = BTreeMap::new();
        for (name, waiting) in &self.platforms {
            let of = platforms.entry(name).or_default();
            of.insert("waiting".to_owned(), waiting.posts.into());
            of.insert("failing".to_owned(), waiting.failing.into());
            of.insert("oldest_seconds".to_owned(), waiting.oldest.map(|at| self.seconds_since(at)).into());
        }
        for (name, done) in &counted.platforms {
            let of = platforms.entry(name).or_default();
            of.insert("delivered".to_owned(), done.lag.count.into());
            of.insert("retries".to_owned(), done.retries.into());
            of.insert("refused".to_owned(), done.refused.into());
        }
        serde_json::json!({
            "platforms": platforms,
            "lanes": self.lanes,
            "starts": {"count": counted.starts.count, "seconds": counted.starts.sum.as_secs_f64()},
        })
    }

    /// The page in Prometheus' text format.
    fn page(&self) -> String {
        let mut page = Page::default();
        page.family("kanban_up", "gauge", "Whether a gateway runs.");
        page.sample("kanban_up", &[], u8::from(self.gateway_since.is_some()));
        if let Some(since) = self.gateway_since {
            page.family("kanban_start_time_seconds", "gauge", "When the gateway began, in seconds since 1970.");
            page.sample("kanban_start_time_seconds", &[], since / 1000);
        }
        page.family("kanban_tasks", "gauge", "Tasks on a board by status, those in the archive left out.");
        for (board, found) in &self.boards {
            for (status, tasks) in &found.tasks {
                page.sample("kanban_tasks", &[("board", board.as_str()), ("status", status)], tasks);
            }
        }
        page.family("kanban_oldest_ready_seconds", "gauge", "Age of the oldest task that is ready, 0 where none is.");
        for (board, found) in &self.boards {
            let age = found.oldest_ready.map_or(0, |at| self.seconds_since(at));
            page.sample("kanban_oldest_ready_seconds", &[("board", board.as_str())], age);
        }
        page.family("kanban_runs_open", "gauge", "Runs that have not ended.");
        for (board, found) in &self.boards {
            page.sample("kanban_runs_open", &[("board", board.as_str())], found.running);
        }
        page.family("kanban_runs", "gauge", "Runs on a board by how they ended.");
        for (board, found) in &self.boards {
            for (outcome, runs) in &found.outcomes {
                page.sample("kanban_runs", &[("board", board.as_str()), ("outcome", outcome)], runs);
            }
        }
        page.family("kanban_deliveries_waiting", "gauge", "Posts that threads of a platform are owed.");
        for (platform, waiting) in &self.platforms {
            page.sample("kanban_deliveries_waiting", &[("platform", platform)], waiting.posts);
        }
        page.family("kanban_deliveries_failing", "gauge", "Those of them that failed at least once.");
        for (platform, waiting) in &self.platforms {
            page.sample("kanban_deliveries_failing", &[("platform", platform)], waiting.failing);
        }
        page.family("kanban_delivery_oldest_seconds", "gauge", "Age of the oldest post that a platform is owed.");
        for (platform, waiting) in &self.platforms {
            let age = waiting.oldest.map_or(0, |at| self.seconds_since(at));
            page.sample("kanban_delivery_oldest_seconds", &[("platform", platform)], age);
        }
        page.family("kanban_lane_depth", "gauge", "Messages that agents of threads work on or have before them.");
        for (platform, turns) in &self.lanes {
            page.sample("kanban_lane_depth", &[("platform", platform)], turns);
        }
        if let Some(counted) = &self.counted {
            page.counted(counted);
        }
        page.0
    }

    fn seconds_since(&self, at: Millis) -> i64 {
        (self.now - at).max(0) / 1000
    }
}

/// The page on all boards of a home.
pub async fn page(desk: &Desk) -> Result<String, Error> {
    let boards = desk.boards.all().await?;
    let mut figures = Figures::gather(desk, &boards).await?;
    for board in &boards {
        figures.add_board(board).await?;
    }
    Ok(figures.page())
}

fn shown(millis: u64) -> String {
    match millis {
        millis if millis < 1_000 => format!("{millis} ms"),
        millis => format!("{} s", millis / 1_000),
    }
}

/// A page that grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn counted(&mut self, counted: &Counted) {
        let name = "kanban_start_latency_seconds";
        self.family(name, "histogram", "From when a task could start to when its worker had, since the gateway began.");
        self.times(name, &[], &counted.starts);
        let name = "kanban_delivery_lag_seconds";
        self.family(name, "histogram", "From when a post was owed to when it had arrived, since the gateway began.");
        for (platform, deliveries) in &counted.platforms {
            self.times(name, &[("platform", platform)], &deliveries.lag);
        }
        let name = "kanban_delivery_retries_total";
        self.family(name, "counter", "Attempts to deliver that failed and are made again, since the gateway began.");
        for (platform, deliveries) in &counted.platforms {
            self.sample(name, &[("platform", platform)], deliveries.retries);
        }
        let name = "kanban_deliveries_refused_total";
        self.family(name, "counter", "Posts that a platform refused for good, since the gateway began.");
        for (platform, deliveries) in &counted.platforms {
            self.sample(name, &[("platform", platform)], deliveries.refused);
        }
    }

    fn times(&mut self, name: &str, labels: &[(&str, &str)], times: &Times) {
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(times.buckets) {
            below += count;
            let bound = Duration::from_millis(*bound).as_secs_f64().to_string();
            self.sample(&bucket, &[labels, &[("le", bound.as_str())]].concat(), below);
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), times.count);
        self.sample(&format!("{name}_sum"), labels, times.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), labels, times.count);
    }
}

/// A value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
