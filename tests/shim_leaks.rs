//! Many shims in a row leave nothing behind in the process that started them. Alone in its binary: it counts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/scale.rs"]
#[expect(dead_code, reason = "this suite uses a part of it")]
mod scale;
#[path = "support/shim.rs"]
#[expect(dead_code, reason = "this suite uses a part of the rig")]
mod support;

use std::{fs, process::Command, sync::Arc};

use kanban_gateway::shim::client::{self, Update};
use scale::Scale;
use support::Rig;
use tokio::{sync::Semaphore, task::JoinSet};

#[tokio::test]
async fn workers_that_die_in_ten_ways_leave_no_zombie_and_no_descriptor() {
    let scale = Scale::of("ten ways to die", 60, 10_000);
    Rig::script("exit 0").run().await;
    all_reaped().await;
    let before = descriptors();
    let (mut dying, places) = (JoinSet::new(), Arc::new(Semaphore::new(8)));
    for round in 0..scale.count {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        dying.spawn(async move {
            let _place = place;
            die(round % 10).await;
        });
    }
    while let Some(died) = dying.join_next().await {
        died.unwrap();
    }
    drop(places);
    all_reaped().await;
    assert_eq!(descriptors(), before);
    scale.done("workers that died in ten ways, 0 zombies, 0 descriptors more");
}

async fn die(way: usize) {
    let script = [
        "exit 0",
        "exit 3",
        "kill -9 $$",
        "kill -SEGV $$",
        "(setsid sleep 1000 &) ; exit 4",
        "(trap '' TERM; sleep 1000; sleep 1000) & exec sleep 0.01",
        "sh -c 'sleep 0 & exec sleep 1000' & exec true",
        "while :; do sleep 1000; done",
        "echo $$; while :; do sleep 1000; done",
        "while :; do sleep 1000; done",
    ];
    let mut rig = Rig::script(script[way]);
    rig.spec.grace_seconds = 0;
    let (mut watch, worker) = rig.start().await;
    match way {
        7 => assert!(client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled").await.unwrap()),
        8 => kill(worker.pid),
        9 => kill(rig.shim),
        _ => {}
    }
    let expected = [(Some(0), None), (Some(3), None), (None, Some(9)), (None, Some(11)), (Some(4), None)];
    match support::next(&mut watch).await {
        Update::Lost => assert_eq!(way, 9),
        Update::Exit(exit) => match expected.get(way) {
            Some(expected) => assert_eq!((exit.code, exit.signal), *expected),
            None if way < 7 => assert_eq!(exit.code, Some(0)),
            None => assert_eq!((exit.code, exit.signal), (None, Some(if way == 7 { exit.signal.unwrap() } else { 9 }))),
        },
        other => panic!("{other:?}"),
    }
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9".to_owned(), pid.to_string()]).status().unwrap().success());
}

/// A shim is taken off the table when the runtime hears of its end: this waits for that, not for a time.
async fn all_reaped() {
    let reaped = async {
        while children() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, reaped).await.expect("every shim is reaped");
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Children of this process, zombies included.
fn children() -> usize {
    let own = std::process::id().to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        .filter(|stat| stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(&own))
        .count()
}
