//! What ended tasks leave behind: removed where nothing is lost with it, and otherwise kept and named.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use serde_json::Value;

use crate::home::{Home, until};

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

/// A repository with one commit.
fn repository(home: &Home, files: &[(&str, &str)]) -> PathBuf {
    let repository = home.work_folder("repository");
    git(&repository, &["init", "--quiet", "--initial-branch=main"]);
    for (name, text) in files {
        fs::write(repository.join(name), text).unwrap();
    }
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "--message", "first"]);
    repository
}

/// Waits until no worker has anything left to do.
fn until_workers_are_gone(home: &Home) {
    until("the workers are gone", || {
        (fs::read_dir(home.path("run")).unwrap().all(|entry| !entry.unwrap().path().is_dir())).then_some(())
    });
}

#[test]
fn worktrees_go_when_their_work_is_elsewhere_and_gc_says_what_it_keeps_and_why() {
    let home = Home::with_settings("[dispatch]\nfailure_limit = 1\n");
    let repository = repository(&home, &[("readme", "text")]);
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
    until_workers_are_gone(&home);

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

#[test]
fn worktrees_of_deleted_tasks_go_by_the_same_rules() {
    let home = Home::new();
    let repository = repository(&home, &[("readme", "text")]);
    let gateway = home.up();
    let workspace = format!("worktree:{}", repository.display());
    let make = |title: &str, body: &str| home.script(title, body, &["--workspace", &workspace]);
    let (clean, dirty) = (make("clean", "true"), make("dirty", "echo more >> readme"));
    for id in [&clean, &dirty] {
        home.wait_for(id, "done");
    }
    until_workers_are_gone(&home);
    home.ok(&format!("archive {clean} {dirty}"));
    home.ok(&format!("archive --rm {clean} {dirty}"));
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 0);
    let worktree = |id: &str| repository.join(".worktrees").join(id);

    let (gone, kept) = ([(clean.clone(), String::new())], [(dirty.clone(), "uncommitted".to_owned())]);
    let dry = home.json("gc --dry-run --json");
    assert_eq!((&rows(&dry, "removed")[..], &rows(&dry, "kept")[..]), (&gone[..], &kept[..]));
    assert!(worktree(&clean).exists(), "a dry run removes nothing");
    let done = home.json("gc --json");
    assert_eq!((&rows(&done, "removed")[..], &rows(&done, "kept")[..]), (&gone[..], &kept[..]));
    assert!(!worktree(&clean).exists() && worktree(&dirty).exists());
    let told = home.run(["gc"]);
    assert!(told.out.contains("0 worktree(s)"), "{told:?}");
    assert!(told.err.contains(&format!("kept the worktree of {dirty}")), "{told:?}");
    // What somebody has removed by hand is not looked for again.
    fs::remove_dir_all(worktree(&dirty)).unwrap();
    home.ok("gc");
    assert_eq!(home.count("SELECT count(*) FROM left_worktrees"), 0);
    assert_eq!(gateway.stop(), 0);
}

#[test]
fn stored_files_that_no_row_names_go_when_they_are_old() {
    let home = Home::new();
    let id = home.create(&["look at it"]);
    fs::write(home.work("named.txt"), "named").unwrap();
    home.ok(&format!("attach {id} {}", home.work("named.txt").display()));
    let store = home.path("boards").join("default").join("attachments");
    let put = |task: &str, name: &str| {
        fs::create_dir_all(store.join(task)).unwrap();
        fs::write(store.join(task).join(name), "text").unwrap();
        store.join(task).join(name)
    };
    // A gateway that was killed before it wrote the row leaves these; one that has just begun is not done with its own.
    let (old, foreign, fresh) = (put(&id, "old"), put("t_gone", "old"), put(&id, "fresh"));
    let named = store.join(&id).join("named.txt");
    for file in [&old, &foreign, &named] {
        let file = File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    }
    fs::write(home.work("elsewhere"), "text").unwrap();
    std::os::unix::fs::symlink(home.work("elsewhere"), store.join(&id).join("link")).unwrap();

    let expected = [(id.clone(), String::new()), ("t_gone".to_owned(), String::new())];
    let removed = |document: &Value| {
        let mut rows = rows(document, "removed");
        rows.sort_by_key(|(task, _)| *task != id);
        rows
    };
    assert_eq!(removed(&home.json("gc --dry-run --json")), expected);
    assert!(old.exists() && foreign.exists(), "a dry run removes nothing");
    let told = home.ok("gc");
    assert!(told.contains("2 stored file(s) that nothing refers to removed"), "{told}");
    assert!(!old.exists() && !foreign.exists());
    assert!(fresh.exists() && named.exists() && home.work("elsewhere").exists());
    assert_eq!(removed(&home.json("gc --json")), []);
}

#[test]
fn nothing_that_a_repository_names_is_run_by_the_gateway_but_filters_of_its_owner_are() {
    let home = Home::new();
    let attributes = "own filter=own\nowner filter=owner\n";
    let repository = repository(&home, &[(".gitattributes", attributes), ("own", "text\n"), ("owner", "text\n")]);
    fs::write(
        home.outside(".gitconfig"),
        "[filter \"owner\"]\n\tsmudge = sed s/text/filtered/\n\tclean = sed s/filtered/text/\n",
    )
    .unwrap();
    let marks = home.work("ran");
    let program = home.program("program", &format!("echo \"$0 $*\" >> {}; cat", marks.display()));
    fs::create_dir(home.work("hooks")).unwrap();
    fs::copy(&program, home.work("hooks").join("post-checkout")).unwrap();
    let (program, hooks) = (program.display().to_string(), home.work("hooks").display().to_string());
    for key in ["filter.own.smudge", "filter.own.clean", "filter.own.process", "core.fsmonitor", "core.sshCommand"] {
        git(&repository, &["config", key, &program]);
    }
    // Git fails where a filter does nothing that must do something.
    git(&repository, &["config", "filter.own.required", "true"]);
    git(&repository, &["config", "core.hooksPath", &hooks]);
    let gateway = home.up();
    let body = format!("cat owner own > {}", home.work("seen").display());
    let id = home.script("look", &body, &["--workspace", &format!("worktree:{}", repository.display())]);
    home.wait_for(&id, "done");
    until_workers_are_gone(&home);
    assert_eq!(fs::read_to_string(home.work("seen")).unwrap(), "filtered\ntext\n");
    // With other times the files are compared by what they hold.
    for name in ["own", "owner"] {
        let file = File::options().write(true).open(repository.join(".worktrees").join(&id).join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    }
    assert_eq!(rows(&home.json("gc --json"), "removed"), [(id, String::new())]);
    assert!(!marks.exists(), "{}", fs::read_to_string(&marks).unwrap_or_default());
    assert_eq!(gateway.stop(), 0);
}
