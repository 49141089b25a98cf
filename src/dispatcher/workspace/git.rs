//! Worktrees: one per task, on a branch of its own, never removed with work that exists nowhere else.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fmt, fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    Refusal,
    program::{git, git_on_files, git_output},
    require_absolute,
};
use crate::board::id::TaskId;

/// The directory of a repository that holds the worktrees which we made.
const FOLDER: &str = ".worktrees";

pub(super) async fn prepare(base: &Path, branch: Option<&str>, task: &TaskId) -> Result<PathBuf, Refusal> {
    require_absolute(base, "worktree")?;
    let branch = branch.map_or_else(|| format!("kanban/{task}"), str::to_owned);
    check_branch(&branch)?;
    let repository = Repository::around(base).await?;
    let folder = repository.top.join(FOLDER);
    let path = folder.join(task.as_str());
    for place in [&folder, &path] {
        if fs::symlink_metadata(place).is_ok_and(|found| !found.is_dir()) {
            return Err(Refusal::new(format!(
                "`{}` is in the way of a worktree; move it away, then retry",
                place.display()
            )));
        }
    }
    if path.exists() {
        return repository.own_worktree(&path).await;
    }
    repository.hide_folder()?;
    repository.add(&path, &branch, base).await?;
    fs::canonicalize(&path).map_err(|error| Refusal::io("use", &path, &error))
}

/// Work in a worktree that exists nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsaved {
    /// Files that were changed or added and not committed.
    Files(usize),
    /// Commits that are on no other branch, here or on a remote.
    Commits(usize),
    /// What was put aside with `git stash` while its branch was checked out.
    Stashes(usize),
    /// A rebase, merge or the like that was begun and not ended.
    Unfinished(&'static str),
}

impl Unsaved {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Files(_) => "uncommitted",
            Self::Commits(_) => "unpushed",
            Self::Stashes(_) => "stashed",
            Self::Unfinished(_) => "unfinished",
        }
    }
}

impl fmt::Display for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(count) => write!(f, "{count} changed files that are not committed"),
            Self::Commits(count) => write!(f, "{count} commits that are neither pushed nor merged"),
            Self::Stashes(count) => write!(f, "{count} stashes of its branch"),
            Self::Unfinished(what) => write!(f, "a {what} that is not finished"),
        }
    }
}

/// What git leaves in a worktree while something is under way in it.
const UNFINISHED: [(&str, &str); 6] = [
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
];

/// The top of the repository that a directory lies in.
///
/// # Errors
/// When it lies in none.
pub async fn repository_around(path: &Path) -> Result<PathBuf, Refusal> {
    Ok(Repository::around(path).await?.top)
}

/// Answers what would be lost with a worktree; nothing if all of it is saved elsewhere.
///
/// # Errors
/// When git cannot tell; then nothing may be removed.
pub async fn worktree_is_clean(path: &Path) -> Result<Option<Unsaved>, Refusal> {
    let files = changed_files(path).await?;
    if files > 0 {
        return Ok(Some(Unsaved::Files(files)));
    }
    let folder = git(path, &["rev-parse", "--absolute-git-dir"]).await?;
    let begun = UNFINISHED.iter().find(|(mark, _)| Path::new(&folder).join(mark).exists());
    if let Some((_, what)) = begun {
        return Ok(Some(Unsaved::Unfinished(what)));
    }
    let mut arguments = vec!["rev-list", "--count", "HEAD", "--not"];
    let head = git(path, &["rev-parse", "--symbolic-full-name", "HEAD"]).await?;
    let branch = head.strip_prefix("refs/heads/");
    let own = branch.map(|branch| format!("--exclude={branch}"));
    arguments.extend(own.as_deref());
    arguments.extend(["--branches", "--remotes"]);
    let commits = number(path, &git(path, &arguments).await?)?;
    if commits > 0 {
        return Ok(Some(Unsaved::Commits(commits)));
    }
    // All worktrees share one list of stashes, and each names the branch that it was made on.
    let on = format!(" on {}: ", branch.unwrap_or("(no branch)")).to_lowercase();
    let stashes = git(path, &["stash", "list", "--format=%gs"]).await?;
    let of_branch = |line: &&str| format!(" {line}").to_lowercase().contains(&on);
    match stashes.lines().filter(of_branch).count() {
        0 => Ok(None),
        count => Ok(Some(Unsaved::Stashes(count))),
    }
}

/// Counts the files that were changed or added and not committed, those of submodules too.
async fn changed_files(path: &Path) -> Result<usize, Refusal> {
    let path = &fs::canonicalize(path).map_err(|error| Refusal::io("use", path, &error))?;
    let mut files = 0;
    let mut places = vec![path.clone()];
    let mut seen = HashSet::new();
    while let Some(place) = places.pop() {
        let place = fs::canonicalize(&place).map_err(|error| Refusal::io("use", &place, &error))?;
        // A link in the place of a submodule leads to what is none, or round in circles.
        if !place.starts_with(path) || !seen.insert(place.clone()) {
            continue;
        }
        // Whatever the settings of the repository hide from people. Git would look into a submodule by itself, and run what
        // the configuration there names.
        let arguments = ["status", "--porcelain", "--untracked-files=all", "--ignore-submodules=dirty"];
        files += git_on_files(&place, &arguments).await?.lines().count();
        let listed = git_output(&place, &["ls-files", "--stage", "-z"], &[]).await?;
        let entries = listed.split(|byte| *byte == 0).filter(|entry| entry.starts_with(SUBMODULE));
        let names = entries.filter_map(|entry| entry.splitn(2, |byte| *byte == b'\t').nth(1));
        let submodules = names.map(|name| place.join(OsStr::from_bytes(name)));
        places.extend(submodules.filter(|submodule| submodule.join(".git").exists()));
    }
    Ok(files)
}

/// How an entry of the index begins that is the commit of another repository.
const SUBMODULE: &[u8] = b"160000 ";

/// Removes a worktree that we made, if nothing would be lost with it. Its branch stays.
///
/// # Errors
/// When it is not one of ours, or holds work that exists nowhere else.
pub async fn remove_worktree(path: &Path) -> Result<(), Refusal> {
    let folder = path.parent().filter(|folder| folder.file_name().is_some_and(|name| name == FOLDER));
    let Some(top) = folder.and_then(Path::parent) else {
        return Err(Refusal::new(format!("`{}` is not a worktree that we made; it was left alone", path.display())));
    };
    let repository = Repository::around(top).await?;
    let path = repository.own_worktree(path).await?;
    let Some(lost) = worktree_is_clean(&path).await? else {
        return git_on_files(&repository.top, &["worktree", "remove", "--", text(&path)?]).await.map(drop);
    };
    Err(Refusal::new(format!(
        "`{}` was kept: it has {lost}; save them, or remove it with `git worktree remove --force`",
        path.display()
    )))
}

struct Repository {
    /// The main working tree, also when we were pointed at a linked one.
    top: PathBuf,
    /// The directory that all working trees share, `.git` of the main one.
    common: PathBuf,
}

impl Repository {
    /// Finds the nearest repository at or above a path; the path itself may be missing.
    async fn around(base: &Path) -> Result<Self, Refusal> {
        let start = directory_at(base);
        let none = |why: &str| {
            Refusal::new(format!(
                "no git repository at or above `{}` ({why}); run `git init` there, or use `--workspace dir:{}`",
                base.display(),
                base.display()
            ))
        };
        let common = git(start, &["rev-parse", "--path-format=absolute", "--git-common-dir"])
            .await
            .map_err(|error| none(&error.to_string()))?;
        let common = fs::canonicalize(common).map_err(|error| none(&error.to_string()))?;
        let top = match common.parent() {
            Some(top) if common.file_name().is_some_and(|name| name == ".git") => top.to_owned(),
            // A submodule keeps its `.git` elsewhere; a bare repository has no working tree, which git says here.
            _ => git(start, &["rev-parse", "--show-toplevel"]).await.map_err(|error| none(&error.to_string()))?.into(),
        };
        Ok(Self { top, common })
    }

    /// Checks that a directory is the top of a worktree of this repository, and answers its true path.
    async fn own_worktree(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let true_path = fs::canonicalize(path).map_err(|error| Refusal::io("use", path, &error))?;
        let places =
            git(&true_path, &["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir"]).await;
        let is_ours = places.is_ok_and(|places| {
            let mut places = places.lines().map(fs::canonicalize);
            places.next().is_some_and(|top| top.is_ok_and(|top| top == true_path))
                && places.next().is_some_and(|common| common.is_ok_and(|common| common == self.common))
        });
        if is_ours {
            return Ok(true_path);
        }
        Err(Refusal::new(format!(
            "`{}` exists and is not a worktree of `{}`; move it away, then retry",
            path.display(),
            self.top.display()
        )))
    }

    /// Makes a worktree. A new branch begins at what is checked out in `base`, which may be a worktree itself.
    async fn add(&self, path: &Path, branch: &str, base: &Path) -> Result<(), Refusal> {
        let reference = format!("refs/heads/{branch}");
        let target = text(path)?;
        let mut arguments = vec!["worktree", "add"];
        let listed = git(&self.top, &["worktree", "list", "--porcelain"]).await?;
        let holder = holder_of(&listed, &reference).filter(|holder| *holder != target);
        if let Some(holder) = holder.filter(|holder| Path::new(holder).exists()) {
            return Err(Refusal::new(format!(
                "the branch `{branch}` is checked out in `{holder}`, and no two worktrees can have one; name another with `--branch`, or run `git -C {holder} switch --detach`"
            )));
        }
        // A worktree that was deleted by hand is still listed; then, and only then, force takes its place.
        if holder.is_some() || listed.lines().any(|line| line.strip_prefix("worktree ") == Some(target)) {
            arguments.push("--force");
        }
        let start = git(directory_at(base), &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await;
        if git(&self.top, &["show-ref", "--verify", "--quiet", &reference]).await.is_ok() {
            arguments.extend(["--", target, branch]);
        } else if let Ok(start) = &start {
            arguments.extend(["-b", branch, "--", target, start]);
        } else {
            return Err(Refusal::new(format!(
                "`{}` has no commit to start a worktree from; run `git commit` there first",
                self.top.display()
            )));
        }
        git_on_files(&self.top, &arguments).await.map(drop)
    }

    /// Keeps our folder out of the person's `git status` and `git add`.
    fn hide_folder(&self) -> Result<(), Refusal> {
        let path = self.common.join("info/exclude");
        let fail = |error: std::io::Error| Refusal::io("write", &path, &error);
        let rule = format!("/{FOLDER}/");
        let present = fs::read_to_string(&path).unwrap_or_default();
        if present.lines().any(|line| line.trim() == rule) {
            return Ok(());
        }
        fs::create_dir_all(self.common.join("info")).map_err(fail)?;
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).map_err(fail)?;
        let start = if present.is_empty() || present.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{start}{rule}\n").as_bytes()).map_err(fail)
    }
}

/// Refuses what git would refuse, and what git would take for something else than a branch.
fn check_branch(name: &str) -> Result<(), Refusal> {
    let part_fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let fits = name.split('/').all(part_fits)
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && name != "HEAD"
        && name.len() <= 200
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c));
    if fits {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "`{}` is not a branch name; expected letters, digits, `-`, `_`, `.` and `/`, as in `--branch feature/login`",
        name.escape_debug()
    )))
}

/// The nearest directory at or above a path, which may be missing itself.
fn directory_at(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"))
}

/// The worktree that has a branch checked out, by the list of all.
fn holder_of<'l>(listed: &'l str, reference: &str) -> Option<&'l str> {
    let mut worktree = None;
    listed.lines().find_map(|line| {
        worktree = line.strip_prefix("worktree ").or(worktree);
        (line.strip_prefix("branch ") == Some(reference)).then_some(worktree).flatten()
    })
}

fn number(path: &Path, counted: &str) -> Result<usize, Refusal> {
    let wrong = |_| Refusal::new(format!("git counted `{counted}` commits in `{}`; expected a number", path.display()));
    counted.parse().map_err(wrong)
}

fn text(path: &Path) -> Result<&str, Refusal> {
    path.to_str().ok_or_else(|| Refusal::new(format!("`{}` is not valid UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::check_branch;

    #[test]
    fn branch_names_that_git_would_misread_are_refused() {
        for good in ["kanban/t_1", "main", "feature/login-2", "r.1", "ünïcode"] {
            assert!(check_branch(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-b", "--force", "a..b", "a@{1}", "a b", "a\tb", "a\n", "/a", "a/", "a//b", ".a", "a/.b", "a.lock",
            "a.", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "@", "HEAD",
        ] {
            assert!(check_branch(bad).is_err(), "{bad:?}");
        }
    }
}
