//! Homes with boards of any size, made quickly.

use std::{path::Path, sync::Arc};

use kanban_gateway::{
    board::{Board, BoardSlug, Boards, TaskId},
    clock::Clock,
    command::{Desk, SharedSettings},
    settings::{Environment, Settings},
};
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The `kanban` of this build.
pub(crate) const KANBAN: &str = env!("CARGO_BIN_EXE_kanban");

/// A home in a folder of its own.
pub(crate) struct Home {
    folder: TempDir,
}

/// Where a home lies.
#[derive(Clone, Copy)]
pub(crate) enum Medium {
    /// The disk that the build is on.
    Disk,
    /// Memory, where the system has such a file system: what remains is the work itself.
    Memory,
}

impl Home {
    /// A home whose default board has so many tasks: nearly all of them done, with a run and three events each, and a
    /// few that wait for a person.
    pub(crate) fn with_tasks(tasks: usize, medium: Medium) -> Self {
        let folder = match medium {
            Medium::Memory if Path::new("/dev/shm").is_dir() => tempfile::tempdir_in("/dev/shm").unwrap(),
            Medium::Memory | Medium::Disk => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
        };
        let home = Self { folder };
        let worker = std::env::current_exe().unwrap();
        let settings = format!(
            "[profiles.script]\ncommand = [\"{}\", \"worker\", \"{}\"]\n[dispatch]\nmax_running = 8\n",
            worker.display(),
            home.worker_socket().display(),
        );
        std::fs::write(home.path().join("kanban.toml"), settings).unwrap();
        Runtime::new().unwrap().block_on(async {
            let boards = Boards::new(home.path(), Arc::default());
            boards.get(&BoardSlug::default()).await.unwrap();
            boards.close().await;
        });
        fill(&home.file(), tasks);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn words(&self) -> [&str; 2] {
        ["--home", self.path().to_str().unwrap()]
    }

    /// The file of the default board.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.path().join("boards/default/board.db")
    }

    /// Where workers say that they have started.
    pub(crate) fn worker_socket(&self) -> std::path::PathBuf {
        self.path().join("started.sock")
    }

    /// Everything that a command needs, in this process.
    pub(crate) fn desk(&self) -> Desk {
        let environment = Environment::capture();
        Desk {
            boards: Boards::new(self.path(), Arc::default()),
            settings: SharedSettings::new(Settings::load(self.path(), &environment).unwrap()),
            environment: Arc::new(environment),
            clock: Clock::system(),
            gateway: None,
        }
    }

    pub(crate) async fn board(&self) -> Board {
        self.desk().boards.get(&BoardSlug::default()).await.unwrap()
    }

    /// Adds ready tasks that nobody has been given, and answers their ids.
    pub(crate) fn add_ready(&self, tasks: usize) -> Vec<TaskId> {
        let mut conn = Connection::open(self.file()).unwrap();
        let tx = conn.transaction().unwrap();
        let ids: Vec<TaskId> = (0..tasks).map(|_| TaskId::random()).collect();
        for id in &ids {
            tx.execute(
                "INSERT INTO tasks (id, title, status, created_by, created_at) VALUES (?1, 'ready', 'ready', 'ann', 2)",
                [id.as_str()],
            )
            .unwrap();
        }
        tx.commit().unwrap();
        ids
    }
}

fn fill(file: &Path, tasks: usize) {
    let mut conn = Connection::open(file).unwrap();
    conn.pragma_update(None, "synchronous", "OFF").unwrap();
    let tx = conn.transaction().unwrap();
    {
        let mut task = tx
            .prepare(
                "INSERT INTO tasks (id, title, body, assignee, status, tenant, created_by, created_at, started_at, \
                 completed_at, result, block_kind) VALUES (?1, ?2, ?3, 'script', ?4, ?5, 'ann', ?6, ?6, ?7, ?8, ?9)",
            )
            .unwrap();
        let mut run = tx
            .prepare(
                "INSERT INTO runs (task_id, attempt, profile, token_hash, holder, started_at, ended_at, outcome, \
                 ended_by, summary) VALUES (?1, 1, 'script', '', 'gateway', ?2, ?2 + 5000, 'completed', 'worker', 'all is well')",
            )
            .unwrap();
        let mut event = tx
            .prepare("INSERT INTO events (task_id, kind, payload, created_at) VALUES (?1, ?2, '{\"by\":\"ann\"}', ?3)")
            .unwrap();
        for number in 0..tasks {
            let id = format!("t_{number:08x}");
            let at = 1_700_000_000_000 + i64::try_from(number).unwrap();
            let done = number % 100 != 0;
            task.execute(params![
                id,
                format!("Task {number} that a person wrote down"),
                "What it is about, in a sentence or two.",
                if done { "done" } else { "blocked" },
                (number % 10 == 0).then_some("acme"),
                at,
                done.then_some(at + 5_000),
                done.then_some("all is well"),
                (!done).then_some("needs_input"),
            ])
            .unwrap();
            if done {
                run.execute(params![id, at]).unwrap();
            }
            for kind in ["created", "claimed", "completed"] {
                event.execute(params![id, kind, at]).unwrap();
            }
        }
    }
    tx.commit().unwrap();
}
