//! Values for a field that a person is typing.

use std::path::{Path, PathBuf};

use kanban_platform::{Field, Kind, Suggestion};

use super::Gateway;
use crate::{
    board::{Actor, Board, BoardSlug, Error, Reason},
    command::{
        Caller, Place,
        access::{self, check},
        from_words,
    },
    settings::Role,
};

/// The most proposals that any platform shows.
const MOST: usize = 25;

impl Gateway {
    /// What fits the field, for a person who may look at the board.
    pub(super) async fn suggestions(&self, field: &Field) -> Result<Vec<Suggestion>, Error> {
        let settings = self.desk.settings.get();
        let Some(role) = settings.access.role_of(&field.author) else { return Ok(Vec::new()) };
        let caller = self.caller(field, role);
        // The same check as that of the list which holds what is proposed.
        let list = from_words(&["list".to_owned()], kanban_platform::Surface::Chat).ok().and_then(|list| list.verb);
        if list.is_none_or(|list| check(&caller, &list).is_err()) {
            return Ok(Vec::new());
        }
        let typed = field.typed.trim();
        let plain = |value: &str| Suggestion { value: value.to_owned(), label: value.to_owned() };
        let lower = typed.to_lowercase();
        let fits = |value: &&str| value.to_lowercase().starts_with(&lower);
        let mut found: Vec<Suggestion> = match &field.kind {
            Kind::Task => {
                let Some(board) = self.board_of(field).await? else { return Ok(Vec::new()) };
                let tasks = board.read().await?.suggest_tasks(typed).await?;
                let labelled = tasks.iter().map(|task| Suggestion {
                    value: task.id.to_string(),
                    label: format!("{} ({})", task.title, task.status),
                });
                labelled.collect()
            }
            Kind::Profile => settings
                .profiles
                .iter()
                .filter(|profile| profile.allows(role))
                .map(|profile| profile.name.as_str())
                .filter(fits)
                .map(plain)
                .collect(),
            Kind::Board => self.desk.boards.names()?.iter().map(BoardSlug::as_str).filter(fits).map(plain).collect(),
            Kind::Tenant => {
                let Some(board) = self.board_of(field).await? else { return Ok(Vec::new()) };
                let tenants = board.read().await?.tenants().await?;
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
            None | Some("") => BoardSlug::default(),
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

    /// Whoever fills in a form is in some thread of the platform; which one makes no difference to what may be seen.
    fn caller(&self, field: &Field, role: Role) -> Caller {
        let place = Place::Thread(kanban_platform::Thread {
            platform: field.author.platform.clone(),
            space: String::new(),
            channel: String::new(),
            thread: None,
        });
        Caller { actor: Actor::Person { name: field.author.to_string() }, role, place }
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
