//! What keeps ready tasks from starting although nothing is wrong with them: rests, caps and shared directories.

use std::path::{Path, PathBuf};

use super::View;
use crate::{
    board::{BoardSlug, Error, ProfileName, TaskId, Tx, task::WorkspaceKind, view::Running},
    clock::Millis,
};

/// What is being worked on, on any board, and which profiles rest.
pub(super) struct Circumstances {
    running: Vec<(BoardSlug, Running)>,
    parked: Vec<(ProfileName, Millis, String)>,
    without_directory: Vec<TaskId>,
}

impl Circumstances {
    pub(super) async fn gather(tx: &mut Tx, view: &View<'_>) -> Result<Self, Error> {
        let parked = tx.parked_profiles(view.now).await?;
        let without_directory = tx.without_workplace().await?;
        let mut running = on_board(view.board.slug(), tx.running().await?);
        for slug in view.boards.names()?.iter().filter(|slug| *slug != view.board.slug()) {
            // A board that cannot be opened has no workers, and must not hide what holds on this one.
            if let Ok(other) = read_other(slug, view).await {
                running.extend(on_board(slug, other));
            }
        }
        Ok(Self { running, parked, without_directory })
    }

    /// Until when a profile rests, and why.
    pub(super) fn rest_of(&self, profile: &ProfileName) -> Option<(Millis, &str)> {
        let (_, until, why) = self.parked.iter().find(|(parked, ..)| parked == profile)?;
        Some((*until, why))
    }

    /// Whether a ready task waits for its directory, which is gone.
    pub(super) fn lacks_directory(&self, task: &TaskId) -> bool {
        self.without_directory.contains(task)
    }

    /// The tasks that workers are on and that a cap counts.
    pub(super) fn workers(
        &self,
        counts: impl Fn(&BoardSlug, Option<&ProfileName>) -> bool,
    ) -> Vec<(BoardSlug, TaskId)> {
        self.at_work()
            .filter(|(board, running)| counts(board, running.profile.as_ref()))
            .map(|(board, running)| (board.clone(), running.task_id.clone()))
            .collect()
    }

    /// The task whose worker is in a directory.
    pub(super) fn occupant(&self, directory: &str) -> Option<(&BoardSlug, &TaskId)> {
        let wanted = real(directory);
        let mut shared = self.at_work().filter(|(_, running)| running.workspace_kind == WorkspaceKind::Dir);
        let (board, running) =
            shared.find(|(_, running)| running.workspace_path.as_deref().is_some_and(|path| real(path) == wanted))?;
        Some((board, &running.task_id))
    }

    /// A claim by hand, which expires, takes no worker's place.
    fn at_work(&self) -> impl Iterator<Item = &(BoardSlug, Running)> {
        self.running.iter().filter(|(_, running)| running.claim_expires.is_none())
    }
}

fn on_board(slug: &BoardSlug, running: Vec<Running>) -> Vec<(BoardSlug, Running)> {
    running.into_iter().map(|running| (slug.clone(), running)).collect()
}

async fn read_other(slug: &BoardSlug, view: &View<'_>) -> Result<Vec<Running>, Error> {
    view.boards.get(slug).await?.read().await?.running().await
}

/// The directory itself, whichever of its names was given.
fn real(path: &str) -> PathBuf {
    Path::new(path).canonicalize().unwrap_or_else(|_| PathBuf::from(path))
}
