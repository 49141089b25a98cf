//! Files that people sent along: fetched from the platforms, some at a time, whatever else goes on, and kept as
//! attachments of their tasks.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kanban_platform::{FetchError, file_name, media_type};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::{
    board::{
        Board, BoardSlug, Error,
        attachment::{ATTACHMENT_LIMIT, NewAttachment},
        incoming::Waiting,
    },
    clock::Millis,
};

/// How many files are fetched at a time.
const AT_ONCE: usize = 4;

/// How long a platform may take to begin, and how many bytes more time is given for a second.
const DEADLINE: Duration = Duration::from_secs(60);
const BYTES_A_SECOND: u64 = 128 << 10;

/// The first wait after a failure; it doubles with each, to the longest. After so many a file is given up.
const FIRST_WAIT: Millis = 1_000;
const LONGEST_WAIT: Millis = 10 * 60 * 1_000;
const MOST_ATTEMPTS: i64 = 14;

/// The wait before the board is read again that could not be read.
const READ_AGAIN: Millis = 1_000;

impl Gateway {
    /// Fetches what was sent along, now and with messages to earlier processes, until shutdown.
    pub async fn fetch_files(self: Arc<Self>, shutdown: CancellationToken) {
        let mut busy: HashSet<(BoardSlug, i64)> = HashSet::new();
        let mut running = JoinSet::new();
        loop {
            let next = match self.files_due(&busy).await {
                Ok((due, next)) => {
                    for (board, file) in due {
                        if busy.len() >= AT_ONCE || !busy.insert((board.slug().clone(), file.id)) {
                            continue;
                        }
                        let gateway = Arc::clone(&self);
                        running.spawn(async move {
                            let key = (board.slug().clone(), file.id);
                            if let Err(error) = gateway.fetch_file(&board, &file).await {
                                tracing::error!(%error, task.id = %file.task, "what became of a file for {} could not be recorded", file.task);
                                sleep(Duration::from_millis(READ_AGAIN.unsigned_abs())).await;
                            }
                            key
                        });
                    }
                    next
                }
                Err(error) => {
                    tracing::error!(%error, "the files that are to be fetched cannot be read");
                    Some(self.desk.now() + READ_AGAIN)
                }
            };
            let wait = next.map(|at| Duration::from_millis(u64::try_from(at - self.desk.now()).unwrap_or(0).max(1)));
            tokio::select! {
                // What is under way is begun again by the next process.
                () = shutdown.cancelled() => return,
                Some(ended) = running.join_next() => match ended {
                    Ok(key) => {
                        busy.remove(&key);
                    }
                    Err(error) => {
                        tracing::error!(%error, "a file broke off");
                        busy.clear();
                        running.abort_all();
                    }
                },
                () = self.files.notified() => {}
                () = sleep(wait.unwrap_or_default()), if wait.is_some() && busy.len() < AT_ONCE => {}
            }
        }
    }

    /// The files that are to be fetched now, and when there are others.
    async fn files_due(
        &self,
        busy: &HashSet<(BoardSlug, i64)>,
    ) -> Result<(Vec<(Board, Waiting)>, Option<Millis>), Error> {
        let now = self.desk.now();
        let count = i64::try_from(AT_ONCE + busy.len()).unwrap_or(i64::MAX);
        let (mut due, mut next) = (Vec::new(), None);
        for board in self.desk.boards.all().await? {
            let mut tx = board.read().await?;
            for file in tx.files_due(now, count).await? {
                if !busy.contains(&(board.slug().clone(), file.id)) {
                    due.push((board.clone(), file));
                }
            }
            let later = tx.next_file_due(now).await?;
            next = next.into_iter().chain(later).min();
        }
        Ok((due, next))
    }

    /// Fetches one file, and notes what came of it.
    async fn fetch_file(&self, board: &Board, file: &Waiting) -> Result<(), Error> {
        let folder = board.folder().join("attachments").join(file.task.as_str());
        let name = file_name(&file.file.name);
        // By its number it has the same place at every attempt, so that nothing stays behind of one that broke off.
        let path = folder.join(format!("{}-{name}", file.id));
        let fetched = self.fetch_to(&folder, &path, file).await;
        let now = self.desk.now();
        let mut tx = board.write().await?;
        match fetched {
            Ok(size) => {
                let told = file.file.media_type.as_deref().and_then(media_type);
                let stored_path = path.display().to_string();
                let new = NewAttachment {
                    filename: &name,
                    stored_path: &stored_path,
                    content_type: told.as_deref(),
                    size: i64::try_from(size).unwrap_or(i64::MAX),
                    uploaded_by: &file.person,
                };
                if tx.file_taken(file, new, now).await?.is_none() {
                    // Its task is gone: nobody is owed it any more.
                    drop(tx);
                    remove(&path);
                    return Ok(());
                }
            }
            Err(FetchError::Later(wait, reason)) if file.attempts + 1 < MOST_ATTEMPTS => {
                let doubled = FIRST_WAIT.saturating_mul(1 << file.attempts.clamp(0, 20)).min(LONGEST_WAIT);
                let wait = Millis::try_from(wait.as_millis()).unwrap_or(LONGEST_WAIT).max(doubled);
                tx.file_later(file, now + wait, &reason).await?;
            }
            Err(error) => {
                tracing::info!(task.id = %file.task, "a file for {} could not be taken in; its thread is told so", file.task);
                remove(&path);
                tx.file_refused(file, &error.to_string(), now).await?;
            }
        }
        tx.commit().await
    }

    async fn fetch_to(&self, folder: &Path, path: &PathBuf, file: &Waiting) -> Result<u64, FetchError> {
        let Some(platform) = self.platforms.get(&file.thread.platform) else {
            return Err(FetchError::Later(
                Duration::from_secs(600),
                format!("`{}` is not among the platforms of the settings", file.thread.platform),
            ));
        };
        let here =
            |error: std::io::Error| FetchError::Later(Duration::ZERO, format!("it cannot be kept here: {error}"));
        fs::create_dir_all(folder).map_err(here)?;
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(here)?;
        let mut to = tokio::fs::File::from_std(opened);
        let deadline = DEADLINE + Duration::from_secs(file.file.size.unwrap_or(ATTACHMENT_LIMIT) / BYTES_A_SECOND);
        let fetched = timeout(deadline, platform.fetch(&file.file, ATTACHMENT_LIMIT, &mut to)).await;
        let size = fetched.unwrap_or_else(|_| Err(FetchError::Later(Duration::ZERO, "it took too long".to_owned())))?;
        to.sync_all().await.map_err(here)?;
        Ok(size)
    }
}

fn remove(path: &Path) {
    // One that was never begun is not there, and one that stays costs space alone.
    let _ = fs::remove_file(path);
}
