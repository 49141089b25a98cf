//! Places that say where their tasks work and for whom they are; directories that go, come back and are swapped; words
//! for a profile.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::home::{Home, Ran, until};

/// A home whose console users may use the place for workers and a member may use a part of it.
fn home() -> Home {
    let home = Home::new();
    let program = home.program("agent", "kanban complete $KANBAN_TASK --summary \"in $(pwd)\"");
    home.settings(&format!(
        "[access]\nowners = [\"console:ann\"]\n[access.roles]\nmember = [\"console:bob\"]\nguest = [\"console:gil\"]\n\
         [workspaces]\nroots = [\"{}\"]\n[roles.member]\nroots = [\"{}\"]\n[profiles.agent]\ncommand = [\"{}\"]\n",
        home.work("").display(),
        home.work_folder("open").display(),
        program.display(),
    ));
    home
}

fn say(home: &Home, who: &str, thread: &str, text: &str) -> Ran {
    home.run(["say", "--as", who, "--thread", thread, text])
}

#[track_caller]
fn told(home: &Home, who: &str, thread: &str, text: &str) -> String {
    say(home, who, thread, text).ok()
}

#[track_caller]
fn refused(home: &Home, who: &str, thread: &str, text: &str) -> String {
    let ran = say(home, who, thread, text);
    assert_ne!(ran.exit, 0, "{text}: {ran:?}");
    format!("{}{}", ran.out, ran.err)
}

fn id_in(text: &str) -> String {
    let start = text.find("t_").unwrap_or_else(|| panic!("no id in `{text}`"));
    text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn true_path(path: &Path) -> String {
    fs::canonicalize(path).unwrap().display().to_string()
}

#[test]
fn tasks_take_after_the_place_where_they_are_made() {
    let home = home();
    home.ok("boards create shop");
    let _gateway = home.up();
    let folder = home.work_folder("open/shop");
    let path = true_path(&folder);
    let nothing = told(&home, "gil", "shop", "/kanban here");
    assert!(nothing.contains("Nothing is set here") && nothing.contains("the board `default`"), "{nothing}");

    let set = told(&home, "ann", "shop", &format!("/kanban here {} --assignee agent --tenant acme", folder.display()));
    assert!(set.contains(&format!("directory `{path}` — set here by console:ann")), "{set}");
    assert!(set.contains("profile `agent` — set here by console:ann") && set.contains("tenant `acme`"), "{set}");
    let created = told(&home, "bob", "shop", "/kanban create where am I");
    assert!(created.contains(&format!("It works in `{path}`")), "{created}");
    let id = id_in(&created);
    let done = home.post(&id, "completed");
    assert!(done["text"].as_str().unwrap().contains(&format!("in {path}")), "{done}");
    let task = home.json(&format!("show {id} --json"));
    assert_eq!((&task["task"]["tenant"], &task["task"]["assignee"]), (&"acme".into(), &"agent".into()), "{task}");
    // What the task says of itself counts more, and another place says nothing.
    let own = told(&home, "ann", "shop", "/kanban create elsewhere --workspace scratch --assignee none --tenant other");
    assert!(own.contains("assignee=-)") && !own.contains(&path), "{own}");
    assert!(told(&home, "ann", "ops", "/kanban create elsewhere too").contains("assignee=-)"));

    // A field that is set anew leaves the others, with who set them.
    home.ok("boards list");
    let set = told(&home, "ann", "shop", "/kanban here --board shop");
    assert!(set.contains("board `shop` — set here") && set.contains(&format!("directory `{path}`")), "{set}");
    let there = id_in(&told(&home, "bob", "shop", "/kanban create on the other board --workspace scratch"));
    assert!(home.ok(&format!("--board shop show {there}")).contains("on the other board"));
    // Ids of tasks of the default board go on to mean them, and so does its name.
    assert!(told(&home, "bob", "shop", &format!("/kanban show {id}")).contains("where am I"));
    assert!(told(&home, "bob", "shop", "/kanban list --board default").contains("elsewhere"));
    assert!(!told(&home, "bob", "shop", "/kanban list").contains("elsewhere"));
    // The board may go once nobody works on it, and the place can still be spoken to.
    until("the other board is at rest", || {
        home.ok(&format!("--board shop show {there}")).contains("done").then_some(())
    });
    home.ok("boards rm shop");
    assert!(refused(&home, "bob", "shop", "/kanban list").contains("`/kanban here off`"));
    assert!(told(&home, "ann", "shop", "/kanban here off").contains("Ended what was set here"));
    assert!(told(&home, "ann", "shop", "/kanban here off").contains("Nothing was set here"));
    assert!(told(&home, "bob", "shop", "/kanban list").contains("elsewhere"));
}

#[test]
fn a_directory_is_refused_with_the_words_that_would_work() {
    let home = home();
    let _gateway = home.up();
    let folder = home.work_folder("open/shop");
    home.work_folder("closed/.ssh");
    fs::write(home.work("file"), "").unwrap();
    symlink("/etc", home.work("out")).unwrap();
    let here = |path: &str| refused(&home, "ann", "shop", &format!("/kanban here {path}"));
    let at = |name: &str| home.work(name).display().to_string();
    assert!(here("/etc").contains("outside of the directories open to you; choose one below"));
    assert!(here(&at("out")).contains("is outside"));
    assert!(here(&format!("{}/../home", at(""))).contains("is outside"));
    assert!(here(&at("missing")).contains("does not exist"));
    assert!(here(&at("file")).contains("is not a directory"));
    assert!(here(&at("closed/.ssh")).contains("secrets"));
    assert!(here("/proc/self/root").contains("is outside"));
    let relative = here("open/shop");
    assert!(relative.contains(&format!("`/kanban here {}`", true_path(&folder))), "{relative}");
    assert!(here("scratch").contains("--workspace scratch"));
    assert!(here("off --assignee agent").contains("takes nothing else"));
    assert!(here("--assignee agnet").contains("did you mean `agent`?"));
    assert!(here("--board nowhere").contains("nowhere"));
    assert!(here(&format!("{} --channel --space", folder.display())).contains("exclude one another"));
    // `~` is the home of the user that the gateway runs as.
    let below_home = told(&home, "ann", "shop", "/kanban here ~/work/open/shop");
    assert!(below_home.contains(&true_path(&folder)), "{below_home}");

    // Whoever may look may not set, on either form of setting; roots are those of who asks.
    for text in ["/kanban here --tenant x", "/kanban here off", "/kanban here --board default"] {
        assert!(refused(&home, "bob", "shop", text).contains("your role is member, and this needs operator"), "{text}");
    }
    told(&home, "ann", "shop", &format!("/kanban here {}", home.work_folder("closed").display()));
    let refusal = refused(&home, "bob", "shop", "/kanban create not there");
    assert!(refusal.contains("set by console:ann") && refusal.contains("--workspace scratch"), "{refusal}");
    told(&home, "ann", "shop", "/kanban here --assignee script");
    let refusal = refused(&home, "bob", "shop", "/kanban create not so --workspace scratch");
    assert!(refusal.contains("tasks from here are for `script` (set by console:ann)"), "{refusal}");
    assert!(home.refused("here").contains("place in a chat"));
}

#[test]
fn a_task_waits_for_a_directory_that_is_gone() {
    let home = home();
    let gateway = home.up();
    let folder = home.work_folder("open/shop");
    told(&home, "ann", "shop", &format!("/kanban here {} --assignee agent", folder.display()));
    home.ok("dispatch pause");
    let id = id_in(&told(&home, "ann", "shop", "/kanban create patience"));
    fs::remove_dir(&folder).unwrap();
    // A task may be made while the directory is gone; it waits like the others.
    let late = id_in(&told(&home, "ann", "shop", "/kanban create late"));
    home.ok("dispatch resume");
    let post = home.post(&id, "directory_gone");
    assert_eq!(post["thread"], "shop");
    assert!(post["text"].as_str().unwrap().contains("is gone, so it waits; no attempt was spent"), "{post}");
    home.post(&late, "directory_gone");
    assert!(home.ok(&format!("why {id}")).contains("(directory_gone)"), "{}", home.ok(&format!("why {id}")));
    gateway.kill();
    let gateway = home.up();
    home.ok("dispatch now");
    assert_eq!((home.status(&id).as_str(), home.runs(&id).len()), ("ready", 0));
    assert_eq!(home.posts(&id, "directory_gone").len(), 1, "it is told once");
    fs::create_dir(&folder).unwrap();
    home.ok("dispatch now");
    for id in [&id, &late] {
        home.wait_for(id, "done");
        assert_eq!(home.runs(id), [(Some("completed".to_owned()), None)]);
        assert!(home.events(id).contains(&"directory_back".to_owned()));
    }
    drop(gateway);
}

#[test]
fn a_gateway_whose_input_has_ended_does_not_wait_for_a_directory() {
    let home = home();
    let folder = home.work_folder("open/shop");
    let id = home.create(&["gone", "--assignee", "agent", "--workspace", &format!("dir:{}", folder.display())]);
    fs::remove_dir(&folder).unwrap();
    assert_eq!(home.pipe(&["up"], "/kanban list\n").exit, 0);
    assert_eq!(home.status(&id), "ready");
}

#[test]
fn a_directory_that_was_swapped_for_a_link_starts_nothing() {
    let home = home();
    let _gateway = home.up();
    let (folder, outside) = (home.work_folder("open/shop"), home.work_folder("elsewhere"));
    told(&home, "ann", "shop", &format!("/kanban here {} --assignee script", folder.display()));
    home.ok("dispatch pause");
    let id = id_in(&told(&home, "ann", "shop", "/kanban create touch --max-retries 1\ntouch was-here"));
    fs::remove_dir(&folder).unwrap();
    symlink(&outside, &folder).unwrap();
    home.ok("dispatch resume");
    let post = home.post(&id, "gave_up");
    assert!(post["text"].as_str().unwrap().contains("leads somewhere else"), "{post}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let told = home.runs(&id)[0].1.clone().unwrap();
    assert!(told.contains("put the directory back, or create the task anew"), "{told}");
}

#[test]
fn words_for_a_profile_are_a_task_for_it() {
    let home = home();
    let _gateway = home.up();
    let folder = home.work_folder("open/shop");
    told(&home, "ann", "shop", &format!("/kanban here {}", folder.display()));
    told(&home, "bob", "shop", "/kanban create the red button does nothing");
    home.ok("dispatch pause");
    let created = told(&home, "bob", "shop", "@Agent: look at the failing test\nand say why");
    assert!(created.contains("\"look at the failing test\" (ready, assignee=agent)\nIt works in"), "{created}");
    let id = id_in(&created);
    let task = home.json(&format!("show {id} --json"));
    let body = task["task"]["body"].as_str().unwrap();
    assert!(body.starts_with("and say why\n\n---\nWhat was said in the thread before"), "{body}");
    assert!(body.contains("> kanban (this bot): Created t_") && body.contains("the red button does nothing"), "{body}");
    assert!(!body.contains("look at the failing test"), "{body}");

    let count = || home.count("SELECT count(*) FROM tasks");
    let before = count();
    let unknown = refused(&home, "bob", "shop", "@agnet look at it");
    assert!(unknown.contains("there is no profile `agnet`") && unknown.contains("did you mean `agent`?"), "{unknown}");
    assert!(refused(&home, "bob", "shop", "@agent").contains("`@agent look at the failing test`"));
    assert!(refused(&home, "gil", "shop", "@agent look at it").contains("your role is guest"));
    assert!(refused(&home, "bob", "shop", "@script look\nrm -rf .").contains("needs owner"));
    assert!(refused(&home, "bob", "shop", "@ü!? look").contains("there is no profile `ü!?`"));
    assert_eq!(count(), before, "no silent card");

    // Nothing that others said gets into what a script runs.
    let script = id_in(&told(&home, "ann", "shop", "@script say so\necho nothing else"));
    assert_eq!(home.json(&format!("show {script} --json"))["task"]["body"], "echo nothing else");
    home.ok("dispatch resume");
    until("both are done", || (home.status(&id) == "done" && home.status(&script) == "done").then_some(()));
}
