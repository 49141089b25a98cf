//! Each recipe with a stand-in for its agent that takes the command line as strictly as the real one: one life of a worker
//! with a question and its answer in one session, and what happens when the agent cannot work.

use std::{fs, path::PathBuf};

use kanban_gateway::clock::Clock;

use crate::home::{Gateway, Home, until};

const AGENTS: [&str; 5] = ["claude", "codex", "gemini", "opencode", "hermes"];

/// A home in which one agent is installed, and what its model does.
struct Rig {
    agent: &'static str,
    home: Home,
}

impl Rig {
    fn of(agent: &'static str, dispatch: &str) -> Self {
        let home = Home::with_settings(&format!(
            "[dispatch]\nfailure_limit = 2\nbackoff_seconds = 0\ngrace_seconds = 1\n{dispatch}\n[profiles.{agent}]\n"
        ));
        let bin = home.work_folder("bin");
        for file in ["stand-in", agent] {
            let ours = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/agents").join(file);
            fs::copy(ours, bin.join(file)).unwrap();
        }
        Self { agent, home }
    }

    fn model(&self, lines: &str) {
        fs::write(self.home.outside("model"), lines).unwrap();
    }

    /// A file that the stand-in has written, or is told something by.
    fn state(&self, name: &str) -> PathBuf {
        let folder =
            if self.agent == "opencode" { ".local/share/opencode".to_owned() } else { format!(".{}", self.agent) };
        self.home.outside(&folder).join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.state("")).unwrap();
        fs::write(self.state(name), text).unwrap();
    }

    /// Lets a person in the thread `ops` create a task for the agent.
    fn create(&self, title: &str) -> String {
        let said = self.home.say_in("ops", &format!("/kanban create {title} --assignee {}", self.agent)).ok();
        said.split(' ').nth(1).unwrap().to_owned()
    }

    fn argv(&self, start: usize) -> Vec<String> {
        let text = fs::read_to_string(self.state(&format!("argv.{start}"))).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    fn prompt(&self, start: usize) -> String {
        fs::read_to_string(self.state(&format!("prompt.{start}"))).unwrap()
    }

    fn starts(&self) -> usize {
        (1..).take_while(|start| self.state(&format!("argv.{start}")).exists()).count()
    }

    /// The sessions of a task's runs, oldest first.
    fn sessions(&self, task: &str) -> Vec<Option<String>> {
        let database = self.home.database();
        let mut query = database.prepare("SELECT session FROM runs WHERE task_id = ?1 ORDER BY id").unwrap();
        query.query_map([task], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn outcomes(&self, task: &str) -> Vec<String> {
        self.home.runs(task).into_iter().map(|(outcome, _)| outcome.unwrap_or_else(|| "open".to_owned())).collect()
    }

    fn failures(&self, task: &str) -> i64 {
        self.home.count(&format!("SELECT failures FROM tasks WHERE id = '{task}'"))
    }

    /// Waits until no directory of a run is left, so that all of the last one is recorded.
    fn rests(&self) {
        until("the runs are over", || {
            let mut entries = fs::read_dir(self.home.path("run")).unwrap();
            entries.all(|entry| !entry.unwrap().path().is_dir()).then_some(())
        });
    }
}

const ASKS: &str = "case $MODE in
    first) kanban block $KANBAN_TASK --kind needs_input 'which colour?' ;;
    again) kanban complete $KANBAN_TASK --summary \"painted: $(grep -c blue $PROMPT)\" ;;
    esac";

/// Tells the same of each agent.
fn of_each(story: impl Fn(&'static str)) {
    AGENTS.into_iter().for_each(story);
}

#[test]
fn a_worker_asks_and_goes_on_in_its_session_with_only_what_is_new() {
    of_each(|agent| {
        let rig = Rig::of(agent, "");
        rig.model(ASKS);
        let _gateway = rig.home.up();
        let id = rig.create("paint the shed in the colour that I like");
        rig.home.post(&id, "blocked");
        rig.home.ok(&format!("comment {id} the ladder is in the yard"));
        rig.home.say_in("ops", &format!("/kanban answer {id} blue as the sea")).ok();
        let post = rig.home.post(&id, "completed");
        assert!(post["text"].as_str().unwrap().contains("painted: 1"), "{agent}: {post}");
        assert_eq!(rig.outcomes(&id), ["blocked", "completed"], "{agent}");
        let sessions = rig.sessions(&id);
        assert!(sessions[0].is_some() && sessions[0] == sessions[1], "{agent}: {sessions:?}");
        let session = sessions[0].clone().unwrap();
        let again = rig.argv(2);
        assert!(again.contains(&session), "{agent}: {again:?}");
        // The first prompt says all, the second what is new.
        let (first, second) = (rig.prompt(1), rig.prompt(2));
        assert!(first.contains("paint the shed") && first.contains("Touch no other task"), "{agent}: {first}");
        assert!(
            second.contains("> blue as the sea") && second.contains("> the ladder is in the yard"),
            "{agent}: {second}"
        );
        assert!(
            second.contains("which colour?") && second.contains(&format!("kanban complete {id}")),
            "{agent}: {second}"
        );
        assert_eq!(second.matches("blue as the sea").count(), 1, "{agent}: {second}");
        assert!(!second.contains("Touch no other task") && second.len() < first.len(), "{agent}: {second}");
    });
}

#[test]
fn a_limit_of_use_parks_the_profile_until_the_agent_said_and_costs_nothing() {
    of_each(|agent| {
        let rig = Rig::of(agent, "rate_limit_pause_seconds = 9000");
        rig.model("kanban complete $KANBAN_TASK --summary done");
        let now = u64::try_from(Clock::system().now() / 1000).unwrap();
        // Whole minutes, since some name the minute alone.
        let until_then = (now / 60 + 90) * 60;
        rig.put("limit", &until_then.to_string());
        let _gateway = rig.home.up();
        let id = rig.create("limited");
        let post = rig.home.post(&id, "rate_limited");
        let text = post["text"].as_str().unwrap();
        assert!(text.contains(&format!("/kanban dispatch resume {agent}")), "{agent}: {text}");
        assert_eq!(rig.home.status(&id), "ready");
        assert_eq!((rig.outcomes(&id), rig.failures(&id)), (vec!["rate_limited".to_owned()], 0), "{agent}");
        let parked = rig.home.count("SELECT until / 1000 FROM parked_profiles");
        assert!(parked.abs_diff(i64::try_from(until_then).unwrap()) <= 60, "{agent}: {parked} instead of {until_then}");
        // Other tasks of the profile wait as well, and nobody is told again.
        let second = rig.create("waits as well");
        let why = rig.home.json(&format!("why {second} --json"));
        assert_eq!(why["reason"], "profile_parked", "{agent}: {why}");
        assert_eq!(why["command"], format!("kanban dispatch resume {agent}"), "{agent}: {why}");
        let status = rig.home.json("dispatch status --json");
        assert_eq!(status["parked_profiles"][0]["kind"], "rate_limited", "{agent}: {status}");
        rig.home.say_in("ops", &format!("/kanban dispatch resume {agent}")).ok();
        rig.home.wait_for(&id, "done");
        rig.home.wait_for(&second, "done");
        assert_eq!(rig.home.count("SELECT count(*) FROM deliveries WHERE event = 'rate_limited'"), 1, "{agent}");
    });
}

#[test]
fn an_agent_that_nobody_is_logged_in_to_parks_its_profile_and_says_so_once() {
    of_each(|agent| {
        let rig = Rig::of(agent, "");
        rig.model("kanban complete $KANBAN_TASK --summary done");
        rig.put("logged-out", "");
        let _gateway = rig.home.up();
        let id = rig.create("locked out");
        let post = rig.home.post(&id, "auth_failed");
        let text = post["text"].as_str().unwrap();
        assert!(
            text.contains("Nobody is logged in") && text.contains(&format!("dispatch resume {agent}")),
            "{agent}: {text}"
        );
        assert_eq!((rig.outcomes(&id), rig.failures(&id)), (vec!["auth_failed".to_owned()], 0), "{agent}");
        let second = rig.create("waits as well");
        let why = rig.home.json(&format!("why {second} --json"));
        assert_eq!(why["reason"], "profile_parked", "{agent}: {why}");
        assert_eq!(rig.starts(), 1, "{agent}");
        fs::remove_file(rig.state("logged-out")).unwrap();
        rig.home.ok(&format!("dispatch resume {agent}"));
        rig.home.wait_for(&id, "done");
        rig.home.wait_for(&second, "done");
        assert_eq!(
            rig.home.posts(&id, "auth_failed").len() + rig.home.posts(&second, "auth_failed").len(),
            1,
            "{agent}"
        );
    });
}

#[test]
fn a_session_that_is_gone_is_begun_anew_with_the_full_context_and_the_thread_is_told() {
    of_each(|agent| {
        let rig = Rig::of(agent, "");
        rig.model(
            "test $MODE = again && exit 9
             test -e $STATE/asked && exec kanban complete $KANBAN_TASK --summary 'done anew'
             touch $STATE/asked
             kanban block $KANBAN_TASK --kind needs_input 'which colour?'",
        );
        let _gateway = rig.home.up();
        let id = rig.create("paint the shed");
        rig.home.post(&id, "blocked");
        rig.rests();
        rig.put("forgetful", "");
        rig.home.say_in("ops", &format!("/kanban answer {id} blue")).ok();
        let post = rig.home.post(&id, "session_gone");
        assert!(post["text"].as_str().unwrap().contains("started anew with the full context"), "{agent}: {post}");
        rig.home.post(&id, "completed");
        assert_eq!(rig.outcomes(&id), ["blocked", "session_gone", "completed"], "{agent}");
        assert_eq!(rig.failures(&id), 0, "{agent}");
        let sessions = rig.sessions(&id);
        assert!(sessions[0] == sessions[1] && sessions[1] != sessions[2], "{agent}: {sessions:?}");
        let third = rig.prompt(3);
        assert!(third.contains("Touch no other task") && third.contains("> blue"), "{agent}: {third}");
    });
}

#[test]
fn a_worker_that_is_killed_goes_on_in_its_session_if_the_agent_surely_knows_it() {
    of_each(|agent| {
        let rig = Rig::of(agent, "");
        // Hermes names its session when it ends, and not when it is killed.
        let again = if agent == "hermes" { "test -e $STATE/up" } else { "test $MODE = again" };
        rig.model(&format!(
            "{again} && exec kanban complete $KANBAN_TASK --summary 'went on'
             kanban heartbeat $KANBAN_TASK --note 'at work'
             touch $STATE/up
             sleep 1000",
        ));
        let gateway = rig.home.up();
        let id = rig.create("long work");
        until("the agent works", || rig.state("up").exists().then_some(()));
        // The gateway dies meanwhile, and the next one hears how the worker ended.
        gateway.kill();
        let _gateway: Gateway = rig.home.up();
        let pid = rig.home.count("SELECT worker_pid FROM runs");
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        rig.home.post(&id, "completed");
        assert_eq!(rig.outcomes(&id), ["crashed", "completed"], "{agent}");
        let sessions = rig.sessions(&id);
        if agent == "hermes" {
            return;
        }
        assert!(sessions[0].is_some() && sessions[0] == sessions[1], "{agent}: {sessions:?}");
        let second = rig.prompt(2);
        assert!(second.contains("cut off") && second.contains("killed by signal 9"), "{agent}: {second}");
    });
}
