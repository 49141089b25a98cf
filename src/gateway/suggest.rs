//! Values for a field that a person is typing.

use std::path::{Path, PathBuf};

use kanban_platform::{Capability, Field, Kind, Suggestion};

use super::Gateway;
use crate::{
    board::{Actor, Board, BoardSlug, Error, Reason},
    command::{Caller, Place, access},
    settings::Extent,
};

/// The most proposals that any platform shows.
const MOST: usize = 25;

impl Gateway {
    /// What fits the field, for a person who may look at the board.
    pub(super) async fn suggestions(&self, field: &Field) -> Result<Vec<Suggestion>, Error> {
        let settings = self.desk.settings.get();
        let granted = self.inbox().await?.read().await?.grants().await?;
        let standing = self.standing(&field.author, Some(&field.thread), &granted);
        let Some(role) = standing.highest() else { return Ok(Vec::new()) };
        let place = Place::Thread(field.thread.clone());
        let actor = Actor::Person { name: field.author.to_string() };
        let caller = Caller { standing, ..Caller::new(actor, role, place) };
        let Some(board) = self.board_of(field).await? else { return self.of_no_board(field, &caller).await };
        let rights = access::rights(&caller, &board).await?;
        // The role that lets the list be seen which holds what is proposed.
        let Some((role, extent)) = rights.to(Capability::Read) else { return self.of_no_board(field, &caller).await };
        let caller = Caller { role, ..caller };
        let typed = field.typed.trim();
        let plain = |value: &str| Suggestion { value: value.to_owned(), label: value.to_owned() };
        let lower = typed.to_lowercase();
        let fits = |value: &&str| value.to_lowercase().starts_with(&lower);
        let mut found: Vec<Suggestion> = match &field.kind {
            Kind::Task => {
                let tasks = board.read().await?.suggest_tasks(typed).await?;
                let seen = tasks.iter().filter(|task| access::sees_task(&rights, task));
                let labelled = seen.map(|task| Suggestion {
                    value: task.id.to_string(),
                    label: format!("{} ({})", task.title, task.status),
                });
                labelled.collect()
            }
            Kind::Profile => settings
                .profiles
                .iter()
                .filter(|profile| profile.allows(caller.role))
                .map(|profile| profile.name.as_str())
                .filter(fits)
                .map(plain)
                .collect(),
            Kind::Board => {
                self.boards_seen(&caller).await?.iter().map(BoardSlug::as_str).filter(fits).map(plain).collect()
            }
            Kind::Tenant => {
                let tenants = match extent {
                    Extent::Whole => board.read().await?.tenants().await?,
                    Extent::Tenants(tenants) => tenants,
                };
                tenants.iter().map(String::as_str).filter(fits).map(plain).collect()
            }
            Kind::Workspace => {
                let kinds = ["scratch", "worktree"].into_iter().filter(fits).map(plain);
                let roots = access::roots(&caller, &settings).unwrap_or_default();
                let path = typed.strip_prefix("dir:").unwrap_or(typed).to_owned();
                let folders = tokio::task::spawn_blocking(move || folders(&roots, &path)).await.unwrap_or_default();
                kinds.chain(folders.iter().map(|folder| plain(&format!("dir:{}", folder.display())))).collect()
            }
            Kind::Choice(choices) => {
                choices.iter().map(|choice| choice.name.as_str()).filter(fits).map(plain).collect()
            }
            Kind::Flag | Kind::Integer | Kind::Text | Kind::Prose => Vec::new(),
        };
        found.truncate(MOST);
        Ok(found)
    }

    /// The board that the form names, or the default one; none while its name is not typed to the end.
    async fn board_of(&self, field: &Field) -> Result<Option<Board>, Error> {
        let slug = match field.board.as_deref().map(str::trim) {
            None | Some("") => {
                let pinned = self.pin(&field.thread).await?.board;
                pinned.map(|pinned| pinned.value).unwrap_or_default()
            }
            Some(named) => match named.parse() {
                Ok(slug) => slug,
                Err(_) => return Ok(None),
            },
        };
        match self.desk.boards.get(&slug).await {
            Ok(board) => Ok(Some(board)),
            Err(error) if error.reason() == Some(Reason::UnknownBoard) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The boards that a caller may know of.
    async fn boards_seen(&self, caller: &Caller) -> Result<Vec<BoardSlug>, Error> {
        let mut seen = Vec::new();
        for board in self.desk.boards.all().await? {
            if access::sees(caller, &board).await? {
                seen.push(board.slug().clone());
            }
        }
        Ok(seen)
    }

    /// What fits a field of a form that names no board, or none that the caller may look at: other boards.
    async fn of_no_board(&self, field: &Field, caller: &Caller) -> Result<Vec<Suggestion>, Error> {
        if field.kind != Kind::Board {
            return Ok(Vec::new());
        }
        let typed = field.typed.trim().to_lowercase();
        let mut boards = self.boards_seen(caller).await?;
        boards.retain(|board| board.as_str().starts_with(&typed));
        boards.truncate(MOST);
        let shown = |board: &BoardSlug| Suggestion { value: board.to_string(), label: board.to_string() };
        Ok(boards.iter().map(shown).collect())
    }
}

/// The roots, and the folders below them that go on with what is typed.
fn folders(roots: &[PathBuf], typed: &str) -> Vec<PathBuf> {
    let typed_path = Path::new(typed);
    let mut found: Vec<PathBuf> =
        roots.iter().filter(|root| root.display().to_string().starts_with(typed)).cloned().collect();
    let folder = if typed.ends_with('/') { Some(typed_path) } else { typed_path.parent() };
    // A link below a root may lead out of it, so the true path decides.
    let inside = folder
        .and_then(|folder| folder.canonicalize().ok())
        .filter(|folder| roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| folder.starts_with(root)));
    if let Some(entries) = inside.and_then(|folder| folder.read_dir().ok()) {
        let begins =
            if typed.ends_with('/') { "" } else { typed_path.file_name().and_then(|name| name.to_str()).unwrap_or("") };
        let mut below: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| {
                let name = entry.file_name();
                name.to_str().is_some_and(|name| name.starts_with(begins) && !name.starts_with('.'))
            })
            .map(|entry| entry.path())
            .take(1_000)
            .collect();
        below.sort();
        found.extend(below);
    }
    found
}
