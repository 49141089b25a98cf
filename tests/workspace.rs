//! Workspaces on a real file system, with real git.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use kanban_gateway::{
    board::id::TaskId,
    dispatcher::workspace::{
        Reach, Unsaved, Workspace, allowed, remove_scratch, remove_worktree, scratch_root, worktree_is_clean,
    },
};
use proptest::prelude::*;
use tempfile::TempDir;

#[tokio::test]
async fn a_scratch_workspace_is_made_used_again_and_removed() {
    let board = tempfile::tempdir().unwrap();
    let path = Workspace::Scratch.prepare(board.path(), None, &task()).await.unwrap();
    assert_eq!(path, fs::canonicalize(board.path()).unwrap().join("workspaces/t_1"));
    assert_eq!(fs::read_to_string(path.join(".kanban-workspace")).unwrap(), "t_1\n");
    fs::write(path.join("kept"), "by the first run").unwrap();
    assert_eq!(Workspace::Scratch.prepare(board.path(), None, &task()).await.unwrap(), path);
    assert!(path.join("kept").exists());
    assert!(remove_scratch(&scratch_root(board.path()), &task()).unwrap());
    assert!(!path.exists());
    assert!(!remove_scratch(&scratch_root(board.path()), &task()).unwrap());
    assert!(!remove_scratch(&board.path().join("nowhere"), &task()).unwrap());
}

#[tokio::test]
async fn removal_keeps_to_what_is_ours() {
    let board = tempfile::tempdir().unwrap();
    let root = scratch_root(board.path());
    let decoy = board.path().join("decoy");
    fs::create_dir_all(decoy.join("inner")).unwrap();
    fs::write(decoy.join("inner/file"), "precious").unwrap();
    fs::write(decoy.join(".kanban-workspace"), "t_1\n").unwrap();

    // The workspace itself was replaced by a link.
    fs::create_dir_all(&root).unwrap();
    symlink(&decoy, root.join("t_1")).unwrap();
    assert!(remove_scratch(&root, &task()).unwrap_err().to_string().contains("not a directory of ours"));
    assert!(Workspace::Scratch.prepare(board.path(), None, &task()).await.is_err());
    fs::remove_file(root.join("t_1")).unwrap();

    // A directory that nobody marked, or that was marked for another task, or through a link.
    fs::create_dir(root.join("t_1")).unwrap();
    fs::write(root.join("t_1/file"), "").unwrap();
    assert!(remove_scratch(&root, &task()).unwrap_err().to_string().contains("has no marker"));
    fs::write(root.join("t_1/.kanban-workspace"), "t_2\n").unwrap();
    assert!(remove_scratch(&root, &task()).is_err());
    fs::remove_file(root.join("t_1/.kanban-workspace")).unwrap();
    symlink(decoy.join(".kanban-workspace"), root.join("t_1/.kanban-workspace")).unwrap();
    assert!(remove_scratch(&root, &task()).is_err());
    assert!(root.join("t_1/file").exists());
    fs::remove_dir_all(root.join("t_1")).unwrap();

    // Links inside are removed, not followed; directories without permissions and very deep ones do not stop us.
    let path = Workspace::Scratch.prepare(board.path(), None, &task()).await.unwrap();
    symlink(&decoy, path.join("link")).unwrap();
    symlink("/", path.join("root")).unwrap();
    symlink("link", path.join("chain")).unwrap();
    fs::create_dir_all(path.join("closed/inner")).unwrap();
    fs::write(path.join("closed/inner/file"), "").unwrap();
    fs::set_permissions(path.join("closed/inner"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(path.join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    deep(&path, 3000);
    assert!(remove_scratch(&root, &task()).unwrap());
    assert!(!path.exists());
    assert_eq!(fs::read_to_string(decoy.join("inner/file")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random trees of directories, files and links out of the workspace: all of the tree goes, nothing outside is touched.
    #[test]
    fn random_trees_are_removed_and_nothing_outside(
        plan in prop::collection::vec((0_usize..12, 0_u8..4), 0..60),
    ) {
        let board = tempfile::tempdir().unwrap();
        let decoy = board.path().join("decoy");
        fs::create_dir_all(decoy.join("a/b")).unwrap();
        fs::write(decoy.join("a/b/c"), "precious").unwrap();
        let root = scratch_root(board.path());
        fs::create_dir_all(root.join("t_1")).unwrap();
        fs::write(root.join("t_1/.kanban-workspace"), "t_1\n").unwrap();
        let mut directories = vec![root.join("t_1")];
        for (number, (parent, kind)) in plan.into_iter().enumerate() {
            let path = directories[parent % directories.len()].join(number.to_string());
            match kind {
                0 => { fs::create_dir(&path).unwrap(); directories.push(path); }
                1 => fs::write(&path, "x").unwrap(),
                2 => symlink(&decoy, &path).unwrap(),
                _ => symlink(decoy.join("a/b/c"), &path).unwrap(),
            }
        }
        prop_assert!(remove_scratch(&root, &task()).unwrap());
        prop_assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        prop_assert_eq!(fs::read_to_string(decoy.join("a/b/c")).unwrap(), "precious");
    }
}

#[tokio::test]
async fn a_directory_is_used_as_it_is_and_made_only_below_its_parent() {
    let home = tempfile::tempdir().unwrap();
    let home_path = fs::canonicalize(home.path()).unwrap();
    let dir = async |path: &Path| Workspace::Dir(path.to_owned()).prepare(home.path(), None, &task()).await;
    let refused = async |path: &Path| dir(path).await.unwrap_err().to_string();
    fs::create_dir(home.path().join("there")).unwrap();
    symlink("there", home.path().join("link")).unwrap();
    assert_eq!(dir(&home.path().join("link")).await.unwrap(), home_path.join("there"));
    assert_eq!(dir(&home.path().join("new")).await.unwrap(), home_path.join("new"));
    assert!(home.path().join("new").is_dir());
    assert!(refused(&home.path().join("no/such")).await.contains("mkdir -p"));
    assert!(!home.path().join("no").exists());
    fs::write(home.path().join("file"), "").unwrap();
    assert!(refused(&home.path().join("file")).await.contains("is a file"));
    assert!(refused(&home.path().join("file/below")).await.contains("file/below"));
    assert!(refused(Path::new("relative")).await.contains("not an absolute path"));
    symlink("missing", home.path().join("dangling")).unwrap();
    dir(&home.path().join("dangling")).await.unwrap_err();
    assert!(!home.path().join("missing").exists());
}

#[test]
fn reach_is_judged_by_the_true_path() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    for name in ["open/project", "open-not", "private", "me/.ssh/x", "me/.config/gh", "me/.config/nvim"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    symlink(at("private"), at("open/escape")).unwrap();
    symlink(at("nowhere"), at("open/dangling")).unwrap();
    let roots = [at("open"), at("missing-root")];
    let below = Reach::Below(&roots);
    let denied = [at("private")];
    let judge = |path: PathBuf, reach| allowed(&path, reach, &denied).map_err(|error| error.to_string());
    let open = fs::canonicalize(at("open")).unwrap();
    assert_eq!(judge(at("open"), below).unwrap(), open);
    assert_eq!(judge(at("open/project/../project/new"), below).unwrap(), open.join("project/new"));
    assert!(judge(at("open-not"), below).unwrap_err().contains("outside"));
    assert!(judge(at("open/../open-not"), below).unwrap_err().contains("outside"));
    assert!(judge(at("open/escape"), below).unwrap_err().contains("outside"));
    assert!(judge(at("open/escape/new"), Reach::Anywhere).unwrap_err().contains("may not be a workspace"));
    assert!(judge(at("open/dangling"), below).is_err());
    assert!(judge(at("open/no/parent"), below).is_err());
    assert!(judge(at("missing-root/x"), below).is_err());
    assert!(judge(at("open"), Reach::Below(&[])).unwrap_err().contains("[workspaces] roots"));
    assert!(judge(PathBuf::from("open"), below).unwrap_err().contains("absolute"));
    for secret in ["me/.ssh", "me/.ssh/x", "me/.config/gh", "me/.gnupg", "me/.SSH"] {
        assert!(judge(at(secret), Reach::Anywhere).is_err(), "{secret}");
    }
    assert!(judge(at("me/.config/nvim"), Reach::Anywhere).is_ok());
    assert!(judge(at("open-not"), Reach::Anywhere).is_ok());
}

#[tokio::test]
async fn a_worktree_is_made_used_again_and_hidden_from_the_repository() {
    let repository = Repository::new();
    fs::create_dir_all(repository.path().join("sub/folder")).unwrap();
    let inside = repository.path().join("sub/folder");
    let path = worktree(Some(&inside), None).await.unwrap();
    assert_eq!(path, fs::canonicalize(repository.path()).unwrap().join(".worktrees/t_1"));
    assert_eq!(git(&path, &["branch", "--show-current"]), "kanban/t_1");
    assert!(path.join("readme").exists());
    assert_eq!(git(repository.path(), &["status", "--porcelain"]), "");
    fs::write(path.join("half"), "done").unwrap();
    assert_eq!(worktree(Some(repository.path()), None).await.unwrap(), path);
    assert!(path.join("half").exists());
    // A path inside another worktree means the same repository.
    assert_eq!(worktree(Some(&path), None).await.unwrap(), path);

    // Deleted by hand, but still listed; the branch is there already.
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(worktree(Some(repository.path()), None).await.unwrap(), path);
    assert_eq!(git(&path, &["branch", "--show-current"]), "kanban/t_1");

    let other = Workspace::Worktree { path: None, branch: Some("feature/x".to_owned()) };
    let other = other.prepare(repository.path(), Some(repository.path()), &"t_2".parse().unwrap()).await.unwrap();
    assert_eq!(git(&other, &["branch", "--show-current"]), "feature/x");
    assert_eq!(
        fs::read_to_string(repository.path().join(".git/info/exclude")).unwrap().matches("/.worktrees/").count(),
        1
    );
}

#[tokio::test]
async fn a_worktree_that_cannot_be_made_is_refused_with_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let refused = async |path: Option<&Path>, branch| worktree(path, branch).await.unwrap_err();
    assert!(refused(None, None).await.contains("boards set-default-workdir"));
    assert!(refused(Some(home.path()), None).await.contains("git init"));
    assert!(refused(Some(Path::new("relative")), None).await.contains("absolute"));
    git(home.path(), &["init", "--quiet"]);
    assert!(refused(Some(home.path()), None).await.contains("git commit"));
    let repository = Repository::new();
    for bad in ["--force", "a..b", "a b", "x@{1}", ""] {
        assert!(refused(Some(repository.path()), Some(bad)).await.contains("not a branch name"), "{bad}");
    }
    assert!(!repository.path().join(".worktrees").exists());
    // The branch is in use elsewhere.
    assert!(refused(Some(repository.path()), Some("main")).await.contains("main"));
    fs::create_dir_all(repository.path().join(".worktrees/t_1")).unwrap();
    assert!(refused(Some(repository.path()), None).await.contains("is not a worktree of"));
    fs::remove_dir(repository.path().join(".worktrees/t_1")).unwrap();
    symlink(home.path(), repository.path().join(".worktrees/t_1")).unwrap();
    assert!(refused(Some(repository.path()), None).await.contains("in the way"));
}

#[tokio::test]
async fn a_worktree_goes_only_when_its_work_is_elsewhere() {
    let repository = Repository::new();
    let path = worktree(Some(repository.path()), None).await.unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), None);
    fs::write(path.join("new"), "text").unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Files(1)));
    assert!(remove_worktree(&path).await.unwrap_err().to_string().contains("1 changed files"));
    git(&path, &["add", "."]);
    git(&path, &["commit", "--quiet", "-m", "work"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Commits(1)));
    assert!(remove_worktree(&path).await.is_err());
    assert!(path.join("new").exists());
    // Without a branch the commit is in more danger, not less.
    git(&path, &["checkout", "--quiet", "--detach"]);
    git(&path, &["branch", "--quiet", "-D", "kanban/t_1"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Commits(1)));
    git(&path, &["checkout", "--quiet", "-b", "kanban/t_1"]);
    git(repository.path(), &["merge", "--quiet", "kanban/t_1"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), None);
    remove_worktree(&path).await.unwrap();
    assert!(!path.exists());
    assert!(remove_worktree(repository.path()).await.is_err());
    assert!(repository.path().join("readme").exists());
}

#[tokio::test]
async fn a_worktree_begins_where_it_was_asked_for_and_shares_no_branch() {
    let repository = Repository::new();
    let parent = worktree(Some(repository.path()), None).await.unwrap();
    fs::write(parent.join("step"), "one").unwrap();
    git(&parent, &["add", "."]);
    git(&parent, &["commit", "--quiet", "-m", "step"]);
    // A child that is made in the worktree of its parent has what is committed there, in a place of its own.
    let child = Workspace::Worktree { path: Some(parent.clone()), branch: None };
    let child = child.prepare(Path::new("/nowhere"), None, &"t_2".parse().unwrap()).await.unwrap();
    assert_eq!(child, fs::canonicalize(repository.path()).unwrap().join(".worktrees/t_2"));
    assert_eq!(fs::read_to_string(child.join("step")).unwrap(), "one");
    // A branch that is in use elsewhere is refused with the place, whatever name it has.
    let taken = async |branch: &str| {
        let workspace =
            Workspace::Worktree { path: Some(repository.path().to_owned()), branch: Some(branch.to_owned()) };
        workspace.prepare(Path::new("/nowhere"), None, &"t_3".parse().unwrap()).await.map_err(|error| error.to_string())
    };
    let refused = taken("kanban/t_2").await.unwrap_err();
    assert!(refused.contains("is checked out in") && refused.contains(".worktrees/t_2"), "{refused}");
    // One whose worktree was deleted by hand is free, and so is one that nobody has checked out.
    fs::remove_dir_all(&child).unwrap();
    let third = taken("kanban/t_2").await.unwrap();
    assert_eq!(git(&third, &["branch", "--show-current"]), "kanban/t_2");
}

#[tokio::test]
async fn what_is_stashed_or_half_done_keeps_a_worktree() {
    let repository = Repository::new();
    let path = worktree(Some(repository.path()), None).await.unwrap();
    // What git ignores is not work; what its settings merely hide is.
    fs::write(repository.path().join(".git/info/exclude"), "*.o\n/.worktrees/\n").unwrap();
    fs::write(path.join("built.o"), "").unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), None);
    git(&path, &["config", "status.showUntrackedFiles", "no"]);
    fs::write(path.join("hidden"), "").unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Files(1)));
    fs::remove_file(path.join("hidden")).unwrap();

    fs::write(path.join("readme"), "changed").unwrap();
    git(&path, &["stash", "--quiet"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Stashes(1)));
    assert!(remove_worktree(&path).await.unwrap_err().to_string().contains("1 stashes"));
    // The stash of somebody else is not its business.
    let other = Workspace::Worktree { path: Some(repository.path().to_owned()), branch: None };
    let other = other.prepare(Path::new("/nowhere"), None, &"t_11".parse().unwrap()).await.unwrap();
    assert_eq!(worktree_is_clean(&other).await.unwrap(), None);
    git(&path, &["stash", "drop", "--quiet"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), None);

    git(&path, &["bisect", "start"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Unfinished("bisect")));
    git(&path, &["bisect", "reset"]);
    remove_worktree(&path).await.unwrap();
}

#[tokio::test]
async fn a_submodule_in_a_worktree_is_looked_at_and_nothing_that_it_names_is_run() {
    let (repository, library) = (Repository::new(), Repository::new());
    let path = worktree(Some(repository.path()), None).await.unwrap();
    let url = library.path().display().to_string();
    git(&path, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "library"]);
    git(&path, &["commit", "--quiet", "-m", "library"]);
    git(repository.path(), &["merge", "--quiet", "kanban/t_1"]);
    assert_eq!(worktree_is_clean(&path).await.unwrap(), None);

    let ran = library.path().join("ran");
    let inside = path.join("library");
    let folder = PathBuf::from(git(&inside, &["rev-parse", "--absolute-git-dir"]));
    fs::create_dir_all(folder.join("info")).unwrap();
    fs::write(folder.join("info/attributes"), "readme filter=own\n").unwrap();
    git(&inside, &["config", "filter.own.clean", &format!("touch '{}'; cat", ran.display())]);
    // With another time git compares what the file holds.
    let file = fs::File::options().write(true).open(inside.join("readme")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), None);
    assert!(!ran.exists(), "the filter of a submodule was run");

    fs::write(inside.join("readme"), "changed").unwrap();
    fs::write(inside.join("new"), "").unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Files(2)));
    // A link in its place is a change, and leads nowhere.
    fs::remove_dir_all(&inside).unwrap();
    symlink("..", &inside).unwrap();
    assert_eq!(worktree_is_clean(&path).await.unwrap(), Some(Unsaved::Files(1)));
}

fn task() -> TaskId {
    "t_1".parse().unwrap()
}

async fn worktree(path: Option<&Path>, branch: Option<&str>) -> Result<PathBuf, String> {
    let workspace = Workspace::Worktree { path: path.map(Path::to_owned), branch: branch.map(str::to_owned) };
    workspace.prepare(Path::new("/nowhere"), None, &task()).await.map_err(|error| error.to_string())
}

/// Nests directories deeper than a path can name.
fn deep(start: &Path, levels: usize) {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, start, flags, Mode::empty()).unwrap();
    for _ in 0..levels {
        mkdirat(&directory, "d", Mode::RWXU).unwrap();
        directory = openat(&directory, "d", flags, Mode::empty()).unwrap();
    }
}

struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        git(directory.path(), &["init", "--quiet", "--initial-branch=main"]);
        for (name, value) in [("user.name", "Ada"), ("user.email", "ada@example.com"), ("commit.gpgsign", "false")] {
            git(directory.path(), &["config", name, value]);
        }
        fs::write(directory.path().join("readme"), "text").unwrap();
        git(directory.path(), &["add", "."]);
        git(directory.path(), &["commit", "--quiet", "-m", "start"]);
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    #[expect(clippy::disallowed_methods, reason = "variables of git that steer another repository are taken out")]
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    let output = command.arg("-C").arg(directory).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
