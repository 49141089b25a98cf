//! A worker that starts processes without end, held by its limit.

use std::{
    fs,
    time::{Duration, Instant},
};

use kanban_gateway::shim::{self, Control, client};

use crate::{
    carriers, may_drop_rights,
    scale::report,
    some_user,
    support::{self, PATIENCE, Rig},
};

const MOST: u32 = 100;

/// Each of its processes starts two more and stays. The worker itself is none of them: a shell that cannot fork gives up.
const BOMB: &str = "trap '' TERM HUP INT; f() { f & f & sleep 1000; }; f 2> /dev/null & exec sleep 1000";

#[tokio::test]
async fn a_fork_bomb_under_the_limit_of_its_user_ends_within_grace() {
    if !may_drop_rights("a fork bomb under the limit of its user") {
        return;
    }
    let user = some_user();
    let mut rig = Rig::script(BOMB);
    rig.run_as(user);
    explode(rig, || {
        let is_theirs = |entry: &fs::DirEntry| {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            status
                .lines()
                .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(1) == Some(&user.to_string()))
        };
        fs::read_dir("/proc").unwrap().flatten().filter(is_theirs).count()
    })
    .await;
}

#[tokio::test]
async fn a_fork_bomb_under_the_limit_of_its_group_ends_within_grace() {
    if shim::control() != Control::KillsAndLimits {
        report(&format!("SKIPPED: a fork bomb in a control group: here they have {:?}", shim::control()));
        return;
    }
    let rig = Rig::script(BOMB);
    let mark = rig.home.path().display().to_string();
    explode(rig, || carriers(&mark).len()).await;
}

async fn explode(mut rig: Rig, count: impl Fn() -> usize) {
    rig.spec.max_processes = Some(MOST);
    rig.spec.grace_seconds = 1;
    let (mut watch, _) = rig.start().await;
    let full = async {
        // The shim's own threads are of the same user.
        while count() < MOST as usize / 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("the bomb goes off");
    let most = (0..20).map(|_| count()).max().unwrap();
    assert!(most <= MOST as usize + 2, "{most} processes under a limit of {MOST}");
    let asked = Instant::now();
    assert!(client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled").await.unwrap());
    let answered = asked.elapsed();
    let exit = support::end(&mut watch).await;
    assert_eq!(exit.stopped.as_deref(), Some("cancelled"));
    let ended = asked.elapsed();
    report(&format!("fork bomb: {most} processes at most, stop answered in {answered:?}, all ended in {ended:?}"));
    assert!(ended < Duration::from_secs(3), "{ended:?}");
    let left: Vec<_> =
        carriers(&rig.home.path().display().to_string()).into_iter().filter(|pid| *pid != rig.shim).collect();
    assert_eq!(left, Vec::<u32>::new());
}
