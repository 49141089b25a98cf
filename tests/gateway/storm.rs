//! Much at once, and kills at any moment: nothing is crossed, doubled or lost.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::home::{Home, Wire, until};
use crate::scale::Scale;

#[test]
fn twelve_threads_at_the_same_moment_are_never_crossed() {
    let scale = Scale::of("crossed replies", 5, 50);
    let home = Home::new();
    let _gateway = home.up();
    let mut tasks = BTreeMap::new();
    for round in 0..scale.count {
        let start = Barrier::new(12);
        let created: Vec<(String, Value)> = thread::scope(|threads| {
            let (start, home) = (&start, &home);
            let said: Vec<_> = (0..12)
                .map(|number| {
                    threads.spawn(move || {
                        let name = format!("thread{number}");
                        let text =
                            format!("/kanban create round {round} of {name} --assignee script --body 'echo {name}'");
                        start.wait();
                        let out = home.run(["say", "--json", "--thread", &name, &text]).ok();
                        (name, serde_json::from_str(&out).unwrap())
                    })
                })
                .collect();
            said.into_iter().map(|said| said.join().unwrap()).collect()
        });
        for (thread, post) in created {
            assert_eq!(post["thread"], *thread);
            let text = post["text"].as_str().unwrap();
            assert!(text.contains(&format!("\"round {round} of {thread}\"")), "{thread} got {text}");
            let id = post["task"].as_str().unwrap().to_owned();
            let watches = home.json(&format!("watches {id} --json"));
            let followers: Vec<&Value> = watches.as_array().unwrap().iter().map(|watch| &watch["thread"]).collect();
            assert_eq!(followers, [&format!("console:{thread}")], "{id}");
            assert!(tasks.insert(id, thread).is_none());
        }
    }
    for (id, thread) in &tasks {
        home.post(id, "completed");
        let posts = home.posts(id, "completed");
        assert_eq!(posts.len(), 1, "{posts:?}");
        assert_eq!(posts[0]["thread"], **thread);
        assert!(posts[0]["text"].as_str().unwrap().contains(&format!("\n{thread}\n")), "{posts:?}");
    }
    for line in home.transcript() {
        let id = line["task"].as_str().unwrap();
        assert_eq!(line["thread"], *tasks[id], "{line}");
    }
    scale.done("12 messages at the same moment, 0 crossed");
}

#[test]
fn kills_at_any_moment_leave_each_task_with_its_one_true_end() {
    let mut scale = Scale::of("kills", 8, 100);
    let home = Home::with_settings("[dispatch]\nmax_running = 8\n");
    let mut gateway = home.up();
    // Half of them from a thread, so that posts are owed; the others from the command line with a thread that follows.
    let mut tasks = Vec::new();
    let mut created = 0;
    let create = |number: u64, draw: u64| {
        let file = home.work(&format!("job{number}"));
        let fails = draw.is_multiple_of(5);
        let pause = if draw.is_multiple_of(3) { "sleep 0.2; " } else { "" };
        let body = format!("echo line >> {}; {pause}exit {}", file.display(), i32::from(fails));
        let text = format!("/kanban create job {number} --assignee script --max-retries 1 --body '{body}'");
        let out = home.run(["say", "--json", "--thread", &format!("t{}", number % 5), &text]).ok();
        let post: Value = serde_json::from_str(&out).unwrap();
        (post["task"].as_str().unwrap().to_owned(), file, fails)
    };
    for _ in 0..50 {
        tasks.push(create(created, scale.below(60)));
        created += 1;
    }
    for _ in 0..scale.count {
        // A kill is only worth something while work is going on.
        if home.count("SELECT count(*) FROM tasks WHERE status IN ('ready', 'running')") < 10 {
            for _ in 0..25 {
                tasks.push(create(created, scale.below(60)));
                created += 1;
            }
        }
        let moment = Duration::from_micros(scale.below(120_000));
        pause(moment);
        gateway.kill();
        gateway = home.up();
    }
    until("all work is done", || {
        (home.count("SELECT count(*) FROM tasks WHERE status NOT IN ('done', 'blocked')") == 0
            && home.count("SELECT count(*) FROM deliveries WHERE state = 'queued'") == 0)
            .then_some(())
    });
    let transcript = home.transcript();
    let mut posts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in &transcript {
        posts.entry(line["task"].as_str().unwrap()).or_default().push(line["event"].as_str().unwrap());
    }
    for (id, file, fails) in &tasks {
        let lines = fs::read_to_string(file).unwrap_or_default();
        let told = || format!("{id}: runs {:?}, events {:?}", home.runs(id), home.events(id));
        assert_eq!(lines, "line\n", "{}", told());
        let (status, end) = if *fails { ("blocked", "gave_up") } else { ("done", "completed") };
        assert_eq!(home.status(id), status, "{}", told());
        let ends = home.events(id).iter().filter(|kind| ["gave_up", "completed"].contains(&kind.as_str())).count();
        assert_eq!(ends, 1, "{}", told());
        let news: Vec<_> = posts[id.as_str()].iter().filter(|event| **event != "card").collect();
        assert_eq!(news, [&"created", &end], "{}", told());
    }
    let mut messages: Vec<_> = transcript
        .iter()
        .filter(|line| line["edited"] == false)
        .map(|line| line["message"].as_i64().unwrap())
        .collect();
    messages.sort_unstable();
    let count = messages.len();
    messages.dedup();
    assert_eq!(messages.len(), count, "two posts have one number");
    let whole: String = home.database().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    assert_eq!(gateway.stop(), 0);
    let left: Vec<_> = fs::read_dir(home.path("run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    scale.done(&format!("kill -9, {} tasks, each with its one true end", tasks.len()));
}

#[expect(clippy::disallowed_methods, reason = "the moment of a kill is drawn; nothing is waited for")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

#[test]
fn what_clients_were_told_holds_whenever_the_gateway_is_killed() {
    let mut scale = Scale::of("kills under clients", 8, 100);
    let home = Home::with_settings("[dispatch]\nmax_running = 8\n");
    let gateway = home.up();
    let over = AtomicBool::new(false);
    let moments: Vec<Duration> = (0..scale.count).map(|_| Duration::from_micros(scale.below(150_000))).collect();
    let (told, gateway) = thread::scope(|threads| {
        let (home, over) = (&home, &over);
        let clients: Vec<_> = (0..3)
            .map(|client| {
                threads.spawn(move || {
                    let mut told = Vec::new();
                    for number in 0.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let name = format!("job-{client}-{number}");
                        let body = format!("echo line >> {}", home.work(&name).display());
                        // One client uses the command line, which does without a gateway where there is none.
                        let ran = match client {
                            0 => home.run(["create", &name, "--assignee", "script", "--body", &body]),
                            _ => home.run(["say", &format!("/kanban create {name} --assignee script\n{body}")]),
                        };
                        match ran.exit {
                            0 => assert!(ran.out.starts_with("Created t_"), "{ran:?}"),
                            _ => assert!(ran.exit == 1 && !ran.err.is_empty(), "{ran:?}"),
                        }
                        told.push((name, ran.exit == 0));
                    }
                    told
                })
            })
            .collect();
        let mut gateway = gateway;
        for moment in moments {
            pause(moment);
            gateway.kill();
            gateway = home.up();
        }
        over.store(true, Ordering::Relaxed);
        (clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>(), gateway)
    });
    until("all work is done", || (home.count("SELECT count(*) FROM tasks WHERE status <> 'done'") == 0).then_some(()));
    drop(gateway);
    let transcript = home.transcript();
    let database = home.database();
    for (name, was_created) in &told {
        let ids: Vec<String> = database
            .prepare("SELECT id FROM tasks WHERE title = ?1")
            .unwrap()
            .query_map([name], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        // Who got no answer cannot know, but it is there once at most.
        assert!(ids.len() <= 1 && (!was_created || ids.len() == 1), "{name}: {ids:?}, told {was_created}");
        let lines = fs::read_to_string(home.work(name)).unwrap_or_default();
        assert_eq!(lines, "line\n".repeat(ids.len()), "{name}");
        let from_chat = !name.starts_with("job-0");
        for id in &ids {
            let posts = transcript.iter().filter(|line| line["task"] == **id).map(|line| &line["event"]);
            let posts: Vec<_> = posts.filter(|event| **event != "card").collect();
            assert_eq!(posts, if from_chat { vec!["created", "completed"] } else { vec![] }, "{name}");
        }
    }
    let (done, failed): (Vec<_>, Vec<_>) = told.iter().partition(|(_, was_created)| *was_created);
    scale.done(&format!("kill -9 under clients: {} creates answered, {} not", done.len(), failed.len()));
}

#[test]
fn sixteen_clients_claim_each_task_once() {
    let scale = Scale::of("claims", 50, 2_000);
    let home = Home::new();
    let _gateway = home.up();
    let total = scale.count;
    let mut wire = Wire::open(&home.socket());
    let ids: Vec<String> = (0..total)
        .map(|number| {
            let out = wire.run(&["create", "--json", &format!("task {number}")]).ok();
            serde_json::from_str::<Value>(&out).unwrap()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let start = Barrier::new(16);
    let granted: Vec<usize> = thread::scope(|threads| {
        let (start, ids, home) = (&start, &ids, &home);
        let claimed: Vec<_> = (0..16)
            .map(|client| {
                threads.spawn(move || {
                    let mut wire = Wire::open(&home.socket());
                    start.wait();
                    let mut granted = 0;
                    for (number, id) in ids.iter().enumerate() {
                        // Every client has a few tries as a process of its own.
                        let ran = if number < 3 { home.run(["claim", id]) } else { wire.run(&["claim", id]) };
                        match ran.exit {
                            0 => granted += 1,
                            1 => assert!(ran.err.contains("cannot claim"), "client {client}: {ran:?}"),
                            other => panic!("exit {other}: {ran:?}"),
                        }
                    }
                    granted
                })
            })
            .collect();
        claimed.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(granted.iter().sum::<usize>(), total, "{granted:?}");
    let doubled = "SELECT count(*) FROM (SELECT task_id FROM events WHERE kind = 'claimed' GROUP BY task_id HAVING count(*) <> 1)";
    assert_eq!(home.count(doubled), 0);
    assert_eq!(usize::try_from(home.count("SELECT count(*) FROM runs")).unwrap(), total);
    scale.done("16 claims, 0 double");
}

#[test]
fn eight_processes_with_one_key_make_one_task() {
    let home = Home::new();
    home.ok("init");
    let race = |key: &str| {
        let start = Barrier::new(8);
        let ids: Vec<String> = thread::scope(|threads| {
            let (start, home) = (&start, &home);
            let created: Vec<_> = (0..8)
                .map(|_| {
                    threads.spawn(move || {
                        start.wait();
                        home.create(&["once", "--idempotency-key", key])
                    })
                })
                .collect();
            created.into_iter().map(|created| created.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    };
    race("without a gateway");
    let gateway = home.up();
    race("through the socket");
    race("without a gateway");
    assert_eq!(gateway.stop(), 0);
    race("through the socket");
    assert_eq!(home.count("SELECT count(*) FROM tasks"), 2);
    assert_eq!(home.count("SELECT count(*) FROM events WHERE kind = 'created'"), 2);
}
