//! Numbers of processes that are used again at once: nobody is taken for who had the number before.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use kanban_gateway::{
    process::{Identity, Tree},
    shim::client::{self, Update},
};

use crate::{
    scale::{Scale, report},
    support::{self, PATIENCE, Rig},
};

const LAST: &str = "/proc/sys/kernel/ns_last_pid";

#[test]
fn no_process_is_killed_for_who_had_its_number_before() {
    let scale = Scale::of("reused numbers", 20, 1_000);
    let own = std::env::current_exe().unwrap();
    // A shell is the first process there, so that orphans are taken off the table.
    let script = format!("test -w {LAST} || exit 99; \"$0\" --exact reuse::inside --ignored --nocapture; exit $?");
    let ran = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", &script])
        .arg(own)
        .env("TEST_ROUNDS", scale.count.to_string())
        .stdin(Stdio::null())
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            assert!(said.contains("1 passed"), "{said}");
            scale.done("numbers of shims and workers used again, 0 wrong kills");
        }
        Ok(ran) if ran.status.code() == Some(99) || String::from_utf8_lossy(&ran.stderr).contains("unshare failed") => {
            report("SKIPPED: reused numbers: this needs leave to make a pid namespace and to write ns_last_pid");
        }
        other => panic!("{other:?}"),
    }
}

/// Not a test of its own: what happens in a place where numbers can be chosen.
#[tokio::test]
#[ignore = "started by another test"]
#[expect(clippy::disallowed_methods, reason = "its orders come in its environment")]
async fn inside() {
    let Some(rounds) = std::env::var("TEST_ROUNDS").ok().and_then(|rounds| rounds.parse::<u32>().ok()) else { return };
    for _ in 0..rounds {
        // A number stays taken as long as it is that of somebody's group, so the worker has no children.
        let mut rig = Rig::script("exec sleep 1000");
        let (mut watch, worker) = rig.start().await;
        let shim = Identity::of(rig.shim).unwrap();
        later_than(&worker);
        assert!(Command::new("kill").args(["-9".to_owned(), rig.shim.to_string()]).status().unwrap().success());
        gone(worker.pid).await;
        gone(rig.shim).await;
        let mut strangers = [stranger(worker.pid), stranger(rig.shim)];
        let child = Identity::of(strangers[1].id()).unwrap();
        assert!(!worker.is_alive() && !shim.is_alive());
        // Every road by which something is ended, while the numbers belong to others.
        assert_eq!(support::next(&mut watch).await, Update::Lost);
        assert!(!client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "late").await.unwrap());
        let tree = Tree { root: shim, group: worker.pid };
        assert!(tree.ask(Duration::from_millis(1)));
        assert_eq!(tree.kill(Duration::from_millis(1)), []);
        assert!(child.is_alive());
        for stranger in &mut strangers {
            assert_eq!(stranger.try_wait().unwrap(), None, "a stranger was killed");
            stranger.kill().unwrap();
            stranger.wait().unwrap();
        }
    }
}

async fn gone(pid: u32) {
    let gone = async {
        while fs::exists(format!("/proc/{pid}")).unwrap() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is off the table");
}

/// Waits until a new process would have a later start: the system counts that in hundredths of a second, and within one of
/// them nothing tells a process from another of its number.
fn later_than(process: &Identity) {
    loop {
        let mut probe = Command::new("true").spawn().unwrap();
        let started = Identity::of_child(probe.id()).start_time;
        probe.wait().unwrap();
        if started > process.start_time {
            return;
        }
    }
}

/// A process with a given number.
fn stranger(pid: u32) -> Child {
    for _ in 0..100 {
        fs::write(LAST, (pid - 1).to_string()).unwrap();
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        if child.id() == pid {
            return child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("the number {pid} was never given out")
}
