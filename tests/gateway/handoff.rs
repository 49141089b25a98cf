//! What workers hand over: files that outlive their workspace, work that others look at, and claims that are checked.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::home::{Home, until};

/// A home with a profile for each program.
fn home_with(programs: &[(&str, &str)]) -> Home {
    let home = Home::new();
    let mut settings = "[dispatch]\nfailure_limit = 1\ngrace_seconds = 1\n".to_owned();
    for (name, lines) in programs {
        let program = home.program(name, lines);
        settings.push_str(&format!(
            "[profiles.{name}]\ncommand = [\"{}\"]\nset = {{ WORK = \"{}\" }}\n",
            program.display(),
            home.work("").display()
        ));
    }
    home.settings(&settings);
    home
}

fn made(home: &Home, title: &str, profile: &str) -> String {
    let said = home.say_in("ops", &format!("/kanban create {title} --assignee {profile}")).ok();
    said.split(' ').nth(1).unwrap().to_owned()
}

/// The files that lie in the folder of a task.
fn stored(home: &Home, id: &str) -> Vec<PathBuf> {
    let folder = home.database_path().parent().unwrap().join("attachments").join(id);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn files_of_a_worker_reach_the_thread_and_the_worker_that_comes_after() {
    let home = home_with(&[
        (
            "maker",
            r#"mkdir sub; printf 'one\000two' > report.bin; echo 1,2 > sub/data.csv; ln -s sub/data.csv near
               child=$(kanban create the next --assignee reader --parent $KANBAN_TASK --json | grep -o 't_[a-z0-9]*' | head -1)
               kanban complete $KANBAN_TASK --summary "two files, see t_nowhere99" --created $child \
                   --artifact report.bin --artifact $KANBAN_WORKSPACE/sub/data.csv --metadata '{"artifacts": ["near", "https://x.test/y"]}' \
                   2> $WORK/notes"#,
        ),
        ("reader", r#"cp -r .kanban $WORK/seen; cat > $WORK/prompt; kanban complete $KANBAN_TASK --summary "read it""#),
    ]);
    let _gateway = home.up();
    let id = made(&home, "make it", "maker");
    let post = home.post(&id, "completed");
    assert!(post["text"].as_str().unwrap().contains("two files"), "{post}");
    let files = until("both files and the one that a link led to have arrived", || {
        let posts = home.posts(&id, "file");
        (posts.len() == 3).then_some(posts)
    });
    assert!(files.iter().all(|post| post["thread"] == "ops"), "{files:?}");
    let shown: Value = home.json(&format!("attachments {id} --json"));
    let names: Vec<_> = shown.as_array().unwrap().iter().map(|file| file["filename"].as_str().unwrap()).collect();
    assert_eq!(names, ["report.bin", "data.csv", "near"]);
    assert!(shown[0]["artifact_of_run"].is_i64(), "{shown}");
    assert_eq!(fs::read(shown[0]["stored_path"].as_str().unwrap()).unwrap(), b"one\0two");
    assert!(home.ok(&format!("attachments {id}")).contains("artifact of run"));
    assert_eq!(home.json(&format!("show {id} --json"))["attachments"].as_array().unwrap().len(), 3);
    assert!(fs::read_to_string(home.work("notes")).unwrap().contains("no task of this board is called t_nowhere99"));
    assert!(home.events(&id).contains(&"unknown_references".to_owned()));

    let child = home.json(&format!("show {id} --json"))["children"][0].as_str().unwrap().to_owned();
    home.wait_for(&child, "done");
    let seen = home.work("seen").join("parents").join(&id);
    assert_eq!(fs::read(seen.join("report.bin")).unwrap(), b"one\0two");
    assert_eq!(fs::read_to_string(seen.join("data.csv")).unwrap(), "1,2\n");
    assert_eq!(fs::read_to_string(home.work("seen").join(".gitignore")).unwrap(), "*\n");
    let prompt = fs::read_to_string(home.work("prompt")).unwrap();
    assert!(prompt.contains(&format!("`.kanban/parents/{id}/report.bin` (1 KB)")), "{prompt}");
    home.ok(&format!("edit {id} --result fine"));
    assert_eq!(stored(&home, &id).len(), 3);
    home.ok(&format!("archive {id}"));
    home.ok(&format!("archive --rm {id}"));
    assert_eq!(stored(&home, &id), Vec::<PathBuf>::new(), "deleted with its files");
}

#[test]
fn a_file_that_may_not_be_handed_over_keeps_the_task_open_and_nothing_is_stored() {
    let home = home_with(&[(
        "maker",
        r#"try() {
               name=$1; shift
               kanban complete $KANBAN_TASK --summary no --artifact good "$@" > $WORK/$name.out 2> $WORK/$name.err; echo $? > $WORK/$name.exit
           }
           echo good > good; mkdir folder; mkfifo pipe; ln -s /etc/passwd link; ln -s $KANBAN_HOME home
           truncate -s 26214401 big
           try missing --artifact nowhere
           try outside --artifact /etc/passwd
           try dots --artifact ../../../../../../../../etc/passwd
           try link --artifact link
           try home --artifact home/settings.toml
           try folder --artifact folder
           try pipe --artifact pipe
           try big --artifact big
           try metadata --metadata '{"artifacts": ["nowhere"]}'
           try created --created t_nowhere99 --created $KANBAN_TASK
           kanban show $KANBAN_TASK --json > $WORK/shown
           kanban complete $KANBAN_TASK --summary yes --artifact good"#,
    )]);
    let _gateway = home.up();
    let id = made(&home, "make it", "maker");
    home.wait_for(&id, "done");
    let told = |name: &str| {
        let read = |ending: &str| fs::read_to_string(home.work(&format!("{name}.{ending}"))).unwrap();
        assert_eq!(read("exit").trim(), "1", "{name}: {}", read("err"));
        read("err")
    };
    for (name, expected) in [
        ("missing", "no such file: `nowhere`"),
        ("outside", "outside of the workspace"),
        ("dots", "outside of the workspace"),
        ("link", "outside of the workspace"),
        ("home", "outside of the workspace"),
        ("folder", "is not a file"),
        ("pipe", "is not a file"),
        ("big", "26214400 bytes"),
        ("metadata", "no such file: `nowhere`"),
        ("created", "nor linked below it"),
    ] {
        let said = told(name);
        assert!(said.contains(expected), "{name}: {said}");
    }
    let shown: Value = serde_json::from_str(&fs::read_to_string(home.work("shown")).unwrap()).unwrap();
    assert_eq!(shown["task"]["status"], "running");
    assert_eq!(shown["attachments"].as_array().unwrap().len(), 0);
    assert!(home.events(&id).contains(&"completion_refused".to_owned()));
    let kept = stored(&home, &id);
    // Each refusal had copied it before it came to the file that was refused.
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "good\n");
}

#[test]
fn another_profile_looks_at_the_work_and_sends_it_back_until_it_is_right() {
    let home = home_with(&[
        (
            "maker",
            r#"cat > $WORK/maker-$KANBAN_ATTEMPT
               kanban approve $KANBAN_TASK 2> $WORK/refused
               if test -f draft; then
                   echo better > draft; kanban complete $KANBAN_TASK --summary "second try" > $WORK/again
               else
                   echo poor > draft; kanban request-review $KANBAN_TASK --reviewer critic --summary "first try" --artifact draft
               fi"#,
        ),
        (
            "critic",
            r#"cat > $WORK/critic-$KANBAN_ATTEMPT
               kanban complete $KANBAN_TASK 2> $WORK/critic-refused
               if grep -q better draft; then kanban approve $KANBAN_TASK it is right
               else kanban request-changes $KANBAN_TASK make it better; fi"#,
        ),
    ]);
    let _gateway = home.up();
    let id = made(&home, "write it", "maker");
    home.wait_for(&id, "done");
    let runs: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(runs, ["in_review", "changes_requested", "completed", "approved"]);
    let read = |name: &str| fs::read_to_string(home.work(name)).unwrap();
    assert!(read("refused").contains("nobody decides on their own work"), "{}", read("refused"));
    assert!(read("critic-refused").contains("looks at the work of another one"), "{}", read("critic-refused"));
    let first = read("critic-2");
    assert!(first.contains("You are the reviewer of task") && first.contains("> first try"), "{first}");
    assert!(read("maker-3").contains("CHANGES REQUESTED: make it better"), "{}", read("maker-3"));
    assert!(read("again").contains("Handed in"), "{}", read("again"));
    let post = home.post(&id, "completed");
    assert!(post["text"].as_str().unwrap().contains("second try"), "{post}");
    assert!(home.posts(&id, "review_requested").is_empty(), "nobody is asked while a worker looks");
    assert!(home.events(&id).iter().all(|kind| kind != "crashed" && kind != "protocol_violation"));
}

#[test]
fn a_person_is_asked_for_a_verdict_and_the_task_goes_on_at_once() {
    let home = home_with(&[(
        "maker",
        r#"if test -f draft; then kanban request-review $KANBAN_TASK second try
           else touch draft; kanban request-review $KANBAN_TASK --result 42 first try; fi"#,
    )]);
    let _gateway = home.up();
    let id = made(&home, "write it", "maker");
    let post = home.post(&id, "review_requested");
    let text = post["text"].as_str().unwrap();
    assert!(text.contains("first try") && text.contains(&format!("/kanban request-changes {id}")), "{text}");
    assert!(home.json(&format!("why {id} --json"))["command"].as_str().unwrap().contains("approve"));
    home.say_in("ops", &format!("/kanban request-changes {id} use the new header")).ok();
    let is_second = |post: &Value| post["text"].as_str().is_some_and(|text| text.contains("second try"));
    until("it is handed in again", || home.posts(&id, "review_requested").iter().any(is_second).then_some(()));
    home.say_in("ops", &format!("/kanban approve {id}")).ok();
    home.wait_for(&id, "done");
    let late = home.say_in("ops", &format!("/kanban approve {id}"));
    assert!(late.exit == 1 && late.out.contains("done already"), "{late:?}");
    let runs: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(runs, ["in_review", "completed"]);
}
