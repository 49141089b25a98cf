//! How many workers may run, and where.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::Live;
use crate::{
    board::{BoardSlug, ProfileName},
    settings::{Profile, Settings},
};

/// What is left of the caps during one look.
pub(super) struct Room {
    free: usize,
    profile_cap: Option<usize>,
    board_cap: Option<usize>,
    by_profile: HashMap<ProfileName, usize>,
    by_board: HashMap<BoardSlug, usize>,
    busy: HashSet<PathBuf>,
}

impl Room {
    /// The caps of the settings less what runs; `most` limits what this look may add.
    pub(super) fn new(settings: &Settings, live: impl Iterator<Item = (BoardSlug, Live)>, most: Option<u32>) -> Self {
        let dispatch = &settings.dispatch;
        let mut room = Self {
            free: dispatch.max_running.get() as usize,
            profile_cap: dispatch.max_running_per_profile.map(|cap| cap.get() as usize),
            board_cap: dispatch.max_running_per_board.map(|cap| cap.get() as usize),
            by_profile: HashMap::new(),
            by_board: HashMap::new(),
            busy: HashSet::new(),
        };
        for (board, live) in live {
            room.free = room.free.saturating_sub(1);
            *room.by_board.entry(board).or_default() += 1;
            if let Some(profile) = live.profile {
                *room.by_profile.entry(profile).or_default() += 1;
            }
            room.busy.extend(live.directory);
        }
        room.free = most.map_or(room.free, |most| room.free.min(most as usize));
        room
    }

    pub(super) fn is_full(&self) -> bool {
        self.free == 0
    }

    /// How many workers of a profile run, if that is as many as may.
    pub(super) fn profile_is_full(&self, profile: &Profile) -> Option<usize> {
        let cap = profile.max_running.map(|cap| cap.get() as usize).or(self.profile_cap)?;
        let current = self.by_profile.get(&profile.name).copied().unwrap_or(0);
        (current >= cap).then_some(current)
    }

    /// Whether the board may run one more, and nobody works in the directory.
    pub(super) fn has_place(&self, board: &BoardSlug, directory: Option<&Path>) -> bool {
        let on_board = self.by_board.get(board).copied().unwrap_or(0);
        self.free > 0
            && self.board_cap.is_none_or(|cap| on_board < cap)
            && directory.is_none_or(|directory| !self.busy.contains(directory))
    }

    pub(super) fn take(&mut self, board: &BoardSlug, profile: &ProfileName, directory: Option<PathBuf>) {
        self.free = self.free.saturating_sub(1);
        *self.by_board.entry(board.clone()).or_default() += 1;
        *self.by_profile.entry(profile.clone()).or_default() += 1;
        self.busy.extend(directory);
    }
}
