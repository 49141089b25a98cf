//! Backups that a gateway makes by itself, as often as the settings say, and how many of them stay.

use std::{fs, io, path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{FOLDER, make};
use crate::{board::Error, clock::Millis, command::Desk};

/// What was done, if anything was due.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    pub made: Option<PathBuf>,
    pub removed: usize,
}

/// How often a gateway looks whether one is due.
const LOOK: Duration = Duration::from_secs(60);

/// Makes backups when they are due, until shutdown.
pub async fn keep(desk: Desk, shutdown: CancellationToken) {
    loop {
        match rotate(&desk).await {
            Ok(Rotation { made: Some(file), removed }) => {
                tracing::info!(removed, "wrote the backup {}", file.display());
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the boards could not be backed up"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Makes a backup if one is due, and removes the oldest ones that are too many.
pub async fn rotate(desk: &Desk) -> Result<Rotation, Error> {
    let (settings, now) = (desk.settings.get(), desk.now());
    let every = i64::from(settings.backup.every_seconds.get()) * 1000;
    if every == 0 {
        return Ok(Rotation::default());
    }
    // One that is dated ahead of a clock that was set back says nothing, and a home that is new has nothing to lose yet.
    let last = backups(desk)?.into_iter().map(|(_, at)| at).filter(|at| *at <= now).max();
    let since = last.or_else(|| begun(desk));
    if since.is_some_and(|at| now - at < every) {
        return Ok(Rotation::default());
    }
    let folder = desk.home().join(FOLDER);
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("kanban-{}.tar", now.div_euclid(1000)));
    make(&desk.boards, &file, now).await?;
    let keep = usize::try_from(settings.backup.keep.get()).unwrap_or(usize::MAX);
    let mut all = backups(desk)?;
    all.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    let mut removed = 0;
    for (old, _) in all.iter().skip(keep) {
        fs::remove_file(old)?;
        removed += 1;
    }
    Ok(Rotation { made: Some(file), removed })
}

/// The newest backup in the home, and when it was made.
pub fn newest(desk: &Desk) -> Result<Option<(PathBuf, Millis)>, Error> {
    Ok(backups(desk)?.into_iter().max_by_key(|(_, at)| *at))
}

/// When the home was begun: this file is made with its first board, and is never written to.
fn begun(desk: &Desk) -> Option<Millis> {
    let made = fs::metadata(desk.home().join("boards/default/board.lock")).ok()?.modified().ok()?;
    i64::try_from(made.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The backups that a gateway has made.
fn backups(desk: &Desk) -> Result<Vec<(PathBuf, Millis)>, Error> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(desk.home().join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let seconds =
            name.to_str().and_then(|name| name.strip_prefix("kanban-")?.strip_suffix(".tar")?.parse::<i64>().ok());
        if let Some(seconds) = seconds {
            found.push((entry.path(), seconds * 1000));
        }
    }
    Ok(found)
}
