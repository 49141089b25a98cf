//! What is proposed to a person who fills in a form.

use std::{fs, os::unix::fs::symlink};

use kanban_fakes::{FakePlatform, thread};
use kanban_gateway::board::create::NewTask;
use kanban_platform::{Commands, Field, Kind};
use tempfile::TempDir;

use crate::world::{PLATFORM, SETTINGS, Start, World, ana, author};

/// Two folders that roles may work in, and one that nobody may.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["all/one/deep", "all/two", "all/.hidden", "members/three", "private/secret", "allure"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("all/file"), "").unwrap();
        symlink(folder.path().join("private"), folder.path().join("all/link")).unwrap();
        Self(folder)
    }

    fn at(&self, path: &str) -> String {
        self.0.path().canonicalize().unwrap().join(path).display().to_string()
    }
}

async fn world(folders: &Folders) -> World {
    let settings = format!(
        "{SETTINGS}[workspaces]\nroots = [\"{}\"]\n[roles.member]\nroots = [\"{}\"]\n[roles.guest]\nroots = []\n",
        folders.at("all"),
        folders.at("members")
    );
    let start = Start { settings, ..Start::default() };
    World::start(tempfile::tempdir().unwrap(), FakePlatform::new(PLATFORM), start).await
}

async fn values(world: &World, who: &str, kind: Kind, typed: &str, board: Option<&str>) -> Vec<String> {
    let field = Field {
        kind,
        typed: typed.to_owned(),
        author: author(who),
        board: board.map(str::to_owned),
        thread: thread(PLATFORM, "ops"),
    };
    world.gateway.suggest(&field).await.into_iter().map(|suggestion| suggestion.value).collect()
}

#[tokio::test]
async fn folders_are_proposed_below_the_roots_of_the_persons_role_alone() {
    let folders = Folders::new();
    let world = world(&folders).await;
    let found = async |who: &str, typed: &str| {
        let found = values(&world, who, Kind::Workspace, typed, None).await;
        found.into_iter().map(|value| value.replace(&folders.at(""), "")).collect::<Vec<_>>()
    };
    assert_eq!(found("ana", "").await, ["scratch", "worktree", "dir:all"]);
    assert_eq!(found("bob", "").await, ["scratch", "worktree", "dir:members"]);
    assert_eq!(found("eve", "").await, ["scratch", "worktree"]);
    assert_eq!(found("mallory", "").await, [""; 0]);
    for typed in [folders.at("all/"), format!("dir:{}", folders.at("all/"))] {
        assert_eq!(
            found("ana", &typed).await,
            ["dir:all/one", "dir:all/two"],
            "neither files nor links nor hidden ones"
        );
        assert_eq!(found("bob", &typed).await, [""; 0]);
        assert_eq!(found("eve", &typed).await, [""; 0]);
        assert_eq!(found("mallory", &typed).await, [""; 0]);
    }
    assert_eq!(found("ana", &folders.at("all/o")).await, ["dir:all/one"]);
    assert_eq!(found("ana", &folders.at("all/one/")).await, ["dir:all/one/deep"]);
    assert_eq!(found("bob", &folders.at("members/t")).await, ["dir:members/three"]);
    // Nothing leads out: neither a link, nor steps back, nor a name that begins alike.
    for typed in ["all/link/", "all/link/s", "all/../private/", "all/one/../../", "private/", "allure/", "members/"] {
        assert_eq!(found("ana", &folders.at(typed)).await, [""; 0], "{typed}");
    }
    for typed in ["/", "/e", ".", "..", "~", "relative/path"] {
        let below = found("ana", typed).await;
        assert!(below.iter().all(|value| value == "dir:all"), "{typed}: {below:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_is_proposed_is_of_the_board_that_the_form_names() {
    let world = world(&Folders::new()).await;
    let side = world.boards.create(&"side".parse().unwrap(), world.clock.now()).await.unwrap().0;
    for (board, title, tenant) in [(&world.board, "paint the shed", "acme"), (&side, "paint the boat", "navy")] {
        let mut tx = board.write().await.unwrap();
        let new = NewTask { title: title.to_owned(), tenant: Some(tenant.to_owned()), ..NewTask::default() };
        tx.create(&ana(), "fake:ana", new, world.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
    let titles = async |who: &str, board: Option<&str>| {
        let field = Field {
            kind: Kind::Task,
            typed: "paint".to_owned(),
            author: author(who),
            board: board.map(str::to_owned),
            thread: thread(PLATFORM, "ops"),
        };
        world.gateway.suggest(&field).await.into_iter().map(|suggestion| suggestion.label).collect::<Vec<_>>()
    };
    assert_eq!(titles("eve", None).await, ["paint the shed (ready)"]);
    assert_eq!(titles("eve", Some("default")).await, ["paint the shed (ready)"]);
    assert_eq!(titles("eve", Some("side")).await, ["paint the boat (ready)"]);
    assert_eq!(titles("mallory", Some("side")).await, [""; 0]);
    // A board that is not there has no tasks, and is not the default one.
    for board in ["nope", "no board!"] {
        assert_eq!(titles("ana", Some(board)).await, [""; 0], "{board}");
        assert_eq!(values(&world, "ana", Kind::Tenant, "", Some(board)).await, [""; 0], "{board}");
    }
    assert_eq!(values(&world, "eve", Kind::Tenant, "", Some("side")).await, ["navy"]);
    assert_eq!(values(&world, "eve", Kind::Board, "", None).await, ["default", "side"]);
    for kind in [Kind::Task, Kind::Tenant, Kind::Board, Kind::Profile] {
        assert_eq!(values(&world, "mallory", kind, "", None).await, [""; 0]);
    }
    assert_eq!(values(&world, "ana", Kind::Profile, "", None).await, ["script"]);
    assert_eq!(values(&world, "bob", Kind::Profile, "", None).await, [""; 0], "who may not use it is not shown it");
    world.end().await;
}
