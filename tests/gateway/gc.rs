//! What ended tasks leave behind: removed where nothing is lost with it, and otherwise kept and named.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::home::Home;

fn git(directory: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"];
    let done = Command::new("git").arg("-C").arg(directory).args(identity).args(args).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Task and reason of each place that is kept, or the tasks alone of those that go.
fn rows(document: &Value, key: &str) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    document[key].as_array().unwrap().iter().map(|row| (text(row, "task_id"), text(row, "reason"))).collect()
}

#[test]
fn worktrees_go_when_their_work_is_elsewhere_and_gc_says_what_it_keeps_and_why() {
    let home = Home::with_settings("[dispatch]\nfailure_limit = 1\n");
    let repository = home.work_folder("repository");
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(repository.join("readme"), "text").unwrap();
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "--message", "first"]);
    let gateway = home.up();
    let workspace = format!("worktree:{}", repository.display());
    let make = |title: &str, body: &str| home.script(title, body, &["--workspace", &workspace]);
    let commit = "git -c user.name=w -c user.email=w@example.org commit --quiet --allow-empty -m work";
    let clean = make("clean", "true");
    let dirty = make("dirty", "echo more >> readme");
    let ahead = make("ahead", commit);
    let asking = make("asking", "kanban block $KANBAN_TASK which --kind needs_input");
    for id in [&clean, &dirty, &ahead] {
        home.wait_for(id, "done");
    }
    home.wait_for(&asking, "blocked");
    let worktree = |id: &str| repository.join(".worktrees").join(id);
    crate::home::until("the workers are gone", || {
        (fs::read_dir(home.path("run")).unwrap().all(|entry| !entry.unwrap().path().is_dir())).then_some(())
    });

    let kept = [(&asking, "open_task"), (&dirty, "uncommitted"), (&ahead, "unpushed")];
    let mut kept: Vec<_> = kept.iter().map(|(id, reason)| ((*id).clone(), (*reason).to_owned())).collect();
    kept.sort();
    let dry = home.json("gc --dry-run --json");
    assert_eq!((rows(&dry, "removed"), rows(&dry, "kept")), (vec![(clean.clone(), String::new())], kept.clone()));
    assert!(worktree(&clean).exists(), "a dry run removes nothing");
    let told = home.run(["gc"]);
    assert!(told.out.contains("0 workspace(s), 1 worktree(s)"), "{told:?}");
    assert!(told.err.contains(&format!("kept the worktree of {dirty}")), "{told:?}");
    assert!(told.err.contains("1 commits that are neither pushed nor merged"), "{told:?}");
    assert!(!worktree(&clean).exists());
    assert!([&dirty, &ahead, &asking].iter().all(|id| worktree(id).exists()));

    // What was merged is elsewhere; what was archived is judged in the same way.
    git(&repository, &["merge", "--quiet", &format!("kanban/{ahead}")]);
    home.ok(&format!("archive {ahead} {dirty}"));
    let done = home.json("gc --json");
    assert_eq!(rows(&done, "removed"), [(ahead.clone(), String::new())]);
    assert!(!worktree(&ahead).exists() && worktree(&dirty).exists());
    assert_eq!(fs::read_to_string(worktree(&dirty).join("readme")).unwrap(), "textmore\n");
    assert_eq!(gateway.stop(), 0);
    let again = home.json("gc --json");
    assert_eq!(rows(&again, "removed"), [], "and without a gateway");
}
