//! The ground that a worker stands on: which directories are the same, or lie within one another, whatever they are called.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

/// A directory by its true path and by what the system knows it as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    path: PathBuf,
    /// Device and number of the directory and of all above it, itself first; empty while it is not there.
    chain: Vec<(u64, u64)>,
    /// A worktree is a checkout of its own: work around it leaves it alone, and it leaves that alone.
    is_worktree: bool,
}

impl Ground {
    /// The directory that this is a name of, links and `..` resolved as far as they are there.
    pub fn of(path: &Path) -> Self {
        let path = true_path(path);
        let chain = path.ancestors().map(number).collect::<io::Result<Vec<_>>>().unwrap_or_default();
        Self { path, chain, is_worktree: false }
    }

    pub fn of_worktree(path: &Path) -> Self {
        Self { is_worktree: true, ..Self::of(path) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether two workers, one in each, would write the same files: the same directory, or one within the other. A
    /// worktree and the repository around it do not.
    pub fn overlaps(&self, other: &Self) -> bool {
        let holds = |outer: &Self, inner: &Self| {
            inner.path.starts_with(&outer.path) || outer.chain.first().is_some_and(|own| inner.chain.contains(own))
        };
        let is_same = holds(self, other) && holds(other, self);
        is_same || (!other.is_worktree && holds(self, other)) || (!self.is_worktree && holds(other, self))
    }
}

/// The true path of what is there, with the rest as it is written.
fn true_path(path: &Path) -> PathBuf {
    let mut written = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                // Of a link, what lies above where it leads.
                written = fs::canonicalize(&written).unwrap_or(written);
                written.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => written.push(part),
        }
    }
    for above in written.ancestors() {
        if let (Ok(found), Ok(rest)) = (fs::canonicalize(above), written.strip_prefix(above)) {
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
    }
    written
}

fn number(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_overlap_whatever_they_are_called() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("shop/src")).unwrap();
        fs::create_dir_all(at("shop/.worktrees/t_1")).unwrap();
        fs::create_dir_all(at("shopping")).unwrap();
        std::os::unix::fs::symlink(at("shop"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("shop/src"), at("deep")).unwrap();
        let ground = |name: &str| Ground::of(&at(name));
        for (one, other, expected) in [
            ("shop", "shop", true),
            ("shop", "link", true),
            ("shop", "shop/../shop/.", true),
            ("shop", "shop/src", true),
            ("link/src", "shop", true),
            ("shop", "deep/..", true),
            ("shop", "shop/not/there/yet", true),
            ("shop/not/there", "link/not/there", true),
            ("shop", "shopping", false),
            ("shop/src", "shop/lib", false),
            ("shop/src", "shopping", false),
        ] {
            assert_eq!(ground(one).overlaps(&ground(other)), expected, "{one} and {other}");
            assert_eq!(ground(other).overlaps(&ground(one)), expected, "{other} and {one}");
        }
        let worktree = Ground::of_worktree(&at("shop/.worktrees/t_1"));
        assert!(!worktree.overlaps(&ground("shop")) && !ground("shop").overlaps(&worktree));
        assert!(worktree.overlaps(&ground("link/.worktrees/t_1/src")) && worktree.overlaps(&worktree.clone()));
    }
}
