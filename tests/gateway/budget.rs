//! Budgets: what a task may use over all its attempts, with real workers.

use std::{
    fs::{self, File},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::{Home, until};

/// Ends with what `why` names, which must be this reason.
#[track_caller]
fn raise(home: &Home, id: &str) -> String {
    let said = home.json(&format!("why {id} --json"));
    assert_eq!(said["reason"], "budget_spent", "{said}");
    let command = said["command"].as_str().unwrap().strip_prefix("kanban ").unwrap().to_owned();
    home.ok(&command)
}

#[test]
fn a_worker_that_has_cost_too_much_is_stopped_and_goes_on_when_its_budget_is_raised() {
    let home = Home::new();
    let agent = home.program(
        "agent",
        &format!(
            "if test -e {0}; then exec kanban complete $KANBAN_TASK --summary done --cost 0.3; fi\n\
             touch {0}\n\
             kanban heartbeat $KANBAN_TASK --cost 0.1\n\
             kanban heartbeat $KANBAN_TASK --cost 0.2 --note spending\n\
             touch {1}; sleep 1000",
            home.work("second").display(),
            home.work("said").display(),
        ),
    );
    home.settings(&format!("[dispatch]\ngrace_seconds = 0\n[profiles.agent]\ncommand = [\"{}\"]\n", agent.display()));
    let gateway = home.up();
    let said = home.say_in("ops", "/kanban create costly --assignee agent --max-cost 0.3").ok();
    let id = said.split(' ').nth(1).unwrap().to_owned();
    home.wait_for(&id, "blocked");
    until("its worker is gone", || (home.processes() == [gateway.pid()]).then_some(()));
    let (outcome, error) = home.runs(&id).remove(0);
    assert_eq!(outcome.as_deref(), Some("budget_spent"));
    assert_eq!(error.as_deref(), Some("its budget is spent: it has cost 0.3 of 0.3"));
    let post = home.post(&id, "budget_spent");
    let text = post["text"].as_str().unwrap();
    assert!(
        text.contains("it has cost 0.3 of 0.3") && text.contains(&format!("/kanban budget {id} --max-cost 0.6")),
        "{text}"
    );
    for verb in ["retry", "unblock", "promote"] {
        let refused = home.refused(&format!("{verb} {id}"));
        assert!(refused.contains(&format!("`kanban budget {id} --max-cost 0.6` gives it more")), "{refused}");
    }
    let shown = home.json(&format!("show {id} --json"));
    assert_eq!((&shown["task"]["cost"], &shown["task"]["max_cost"]), (&"0.3".into(), &"0.3".into()), "{shown}");
    assert_eq!(shown["runs"][0]["cost"], "0.3");
    assert!(home.ok(&format!("show {id}")).contains("cost:      0.3 of 0.3"));
    // A raise that does not suffice lets nothing go on.
    home.ok(&format!("budget {id} --max-cost 0.25"));
    assert_eq!(home.status(&id), "blocked");
    let raised = raise(&home, &id);
    assert!(raised.contains("cost 0.3 of 0.55"), "{raised}");
    home.wait_for(&id, "done");
    assert_eq!(home.posts(&id, "budget_spent").len(), 1, "it is told once");
    assert_eq!(home.json(&format!("show {id} --json"))["task"]["cost"], "0.6");
}

#[test]
fn time_is_counted_over_all_attempts() {
    let home = Home::with_settings(
        "[dispatch]\ngrace_seconds = 0\nbackoff_seconds = 0\n[profiles.script]\nmax_total_runtime = \"3s\"\n",
    );
    let gateway = home.up();
    let tries = home.work("tries");
    let id = home.script(
        "slow",
        &format!("echo x >> {0}; test $(wc -l < {0}) = 1 && sleep 1.2 && exit 3; sleep 1000", tries.display()),
        &["--max-retries", "9", "--max-runtime", "30s"],
    );
    home.wait_for(&id, "blocked");
    until("its worker is gone", || (home.processes() == [gateway.pid()]).then_some(()));
    let outcomes: Vec<_> = home.runs(&id).into_iter().map(|(outcome, _)| outcome.unwrap()).collect();
    assert_eq!(outcomes, ["crashed", "budget_spent"]);
    let said = home.json(&format!("why {id} --json"));
    assert_eq!(said["reason"], "budget_spent", "{said}");
    assert!(said["detail"].as_str().unwrap().contains(" of 3s"), "{said}");
    assert!(home.ok(&format!("budget {id}")).contains("of 3s (by its profile)"));
    fs::remove_file(&tries).unwrap();
    raise(&home, &id);
    until("it is tried again", || fs::read_to_string(&tries).is_ok().then_some(()));
    home.ok(&format!("cancel {id}"));
    let short =
        home.script("short", "sleep 1000", &["--max-runtime", "1s", "--max-total-runtime", "1h", "--max-retries", "1"]);
    home.wait_for(&short, "blocked");
    assert_eq!(
        home.runs(&short)[0].0.as_deref(),
        Some("timed_out"),
        "its own limit, which is an attempt like any other"
    );
}

#[test]
fn a_machine_that_is_off_works_at_nothing() {
    let home = Home::with_settings("[dispatch]\nfailure_limit = 1\n");
    let gateway = home.up();
    let id = home.script("long", &format!("touch {}; sleep 1000", home.work("started").display()), &[]);
    until("the worker runs", || home.work("started").exists().then_some(()));
    until("its start is noted", || {
        (home.count("SELECT count(*) FROM runs WHERE boot_id IS NOT NULL") == 1).then_some(())
    });
    gateway.kill();
    for pid in home.processes() {
        let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL);
    }
    until("nothing is left of it", || home.processes().is_empty().then_some(()));
    // As after a reboot that took two days: the files are as old as the run.
    home.database()
        .execute("UPDATE runs SET boot_id = 'an-earlier-boot', started_at = started_at - 172800000", [])
        .unwrap();
    let started = fs::metadata(home.work("started")).unwrap().modified().unwrap();
    let two_days_ago = started - Duration::from_secs(172_800 - 40);
    let rundir = home.path("run").join("default-1");
    for entry in fs::read_dir(&rundir).unwrap().chain(fs::read_dir(home.path("logs/default").join(&id)).unwrap()) {
        File::open(entry.unwrap().path()).unwrap().set_modified(two_days_ago).unwrap();
    }
    let _gateway = home.up();
    home.wait_for(&id, "blocked");
    assert_eq!(home.runs(&id)[0].0.as_deref(), Some("lost"));
    let worked = home.json(&format!("budget {id} --json"))["worked_seconds"].as_i64().unwrap();
    assert!((35..=60).contains(&worked), "{worked} s");
}

#[test]
fn a_worker_gives_its_tasks_no_larger_budget_than_their_profile() {
    let home = Home::new();
    let agent = home.program(
        "agent",
        &format!(
            "kanban create more --assignee agent --max-cost 3 2> {0}.cost\n\
             kanban create longer --assignee agent --max-total-runtime 2h 2> {0}.time\n\
             kanban create less --assignee agent --max-cost 2 --max-total-runtime 10m --triage 2> {0}.less\n\
             kanban complete $KANBAN_TASK --summary tried",
            home.work("said").display()
        ),
    );
    home.settings(&format!(
        "[profiles.agent]\ncommand = [\"{}\"]\nmax_cost = 2.5\nmax_total_runtime = \"1h\"\n",
        agent.display()
    ));
    let _gateway = home.up();
    let id = home.create(&["spends", "--assignee", "agent", "--max-cost", "5"]);
    home.wait_for(&id, "done");
    let said = |name: &str| fs::read_to_string(home.work(&format!("said.{name}"))).unwrap();
    assert!(said("cost").contains("its profile allows a cost of 2.5"), "{}", said("cost"));
    assert!(said("time").contains("its profile allows 1h 0m in all"), "{}", said("time"));
    assert_eq!(said("less"), "");
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 2);
}

#[test]
fn a_worker_may_not_raise_its_own_budget_and_no_amount_is_negative() {
    let home = Home::new();
    let agent = home.program(
        "agent",
        &format!(
            "kanban budget $KANBAN_TASK --max-cost 100 2> {0}.budget\n\
             kanban heartbeat $KANBAN_TASK --cost=-5 2> {0}.negative\n\
             kanban heartbeat $KANBAN_TASK --cost 1e3 2> {0}.exponent\n\
             kanban heartbeat $KANBAN_TASK --cost 999999 2> {0}.much\n\
             sleep 1000",
            home.work("said").display()
        ),
    );
    home.settings(&format!(
        "[dispatch]\ngrace_seconds = 0\n[profiles.agent]\ncommand = [\"{}\"]\nmax_cost = 2.5\n",
        agent.display()
    ));
    let _gateway = home.up();
    let id = home.create(&["spends", "--assignee", "agent"]);
    home.wait_for(&id, "blocked");
    let said = |name: &str| fs::read_to_string(home.work(&format!("said.{name}"))).unwrap();
    assert!(said("budget").contains("a worker may not run this"), "{}", said("budget"));
    assert!(said("negative").contains("below zero"), "{}", said("negative"));
    assert!(said("exponent").contains("is no amount"), "{}", said("exponent"));
    let why = home.json(&format!("why {id} --json"));
    assert!(why["detail"].as_str().unwrap().contains("it has cost 999999 of 2.5"), "{why}");
    for (words, wrong) in [("--max-cost=-1", "below zero"), ("--max-total-runtime=-1h", "max-total-runtime")] {
        let ran = home.run(["create", "x", words]);
        assert!(ran.exit == 2 && ran.err.contains(wrong), "{ran:?}");
    }
}
