//! Random trees of processes that do not want to end.

use std::{sync::Arc, time::Instant};

use kanban_gateway::shim::{self, client};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    carriers, may_drop_rights,
    scale::{Scale, report},
    some_user,
    support::{self, Rig},
};

/// How long processes may take beyond their grace: with the usual grace of 5 seconds that is 7 seconds in all.
const BEYOND: u64 = 2;

#[tokio::test]
async fn random_trees_leave_no_survivor() {
    fell("random trees", None).await;
    report(&format!("random trees: control groups here: {:?}", shim::control()));
}

#[tokio::test]
async fn random_trees_leave_no_survivor_without_control_groups() {
    if may_drop_rights("random trees without control groups") {
        fell("random trees without control groups", Some(some_user())).await;
    }
}

async fn fell(name: &'static str, user: Option<u32>) {
    let mut scale = Scale::of(name, 12, 1_000);
    let (mut felling, places) = (JoinSet::new(), Arc::new(Semaphore::new(6)));
    for _ in 0..scale.count {
        let tree = tree(&mut scale, 0);
        let pause = scale.below(30);
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        felling.spawn(async move {
            let _place = place;
            let mut rig = Rig::script(&format!("MARK='{{}}'\n{tree}\necho up; while :; do sleep 1000; done"));
            let mark = rig.home.path().display().to_string();
            rig.spec.argv[2] = rig.spec.argv[2].replace("'{}'", &format!("'{mark}'"));
            rig.spec.grace_seconds = 1;
            if let Some(user) = user {
                rig.run_as(user);
            }
            let (mut watch, _) = rig.start().await;
            for _ in 0..pause {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let asked = Instant::now();
            assert!(client::stop(&rig.rundir(), &rig.spec.socket, &rig.spec.token, "cancelled").await.unwrap());
            let exit = support::end(&mut watch).await;
            let took = asked.elapsed();
            assert_eq!(exit.stopped.as_deref(), Some("cancelled"), "{tree}");
            // The shim may still be on its way out; everything below it is not.
            let left: Vec<_> = carriers(&mark).into_iter().filter(|pid| *pid != rig.shim).collect();
            assert_eq!(left, Vec::<u32>::new(), "{tree}");
            took
        });
    }
    let mut longest = std::time::Duration::ZERO;
    while let Some(took) = felling.join_next().await {
        longest = longest.max(took.unwrap());
    }
    scale.done(&format!("trees, 0 survivors, the longest {:.1} s after its cancel", longest.as_secs_f64()));
    assert!(longest.as_secs() < 1 + BEYOND, "one took {longest:?}");
}

/// The text of a shell that starts a few processes, some of which start more.
fn tree(scale: &mut Scale, depth: u32) -> String {
    let mut text = String::new();
    for _ in 0..=scale.below(3) {
        let inner = if depth < 2 && scale.below(2) == 0 { tree(scale, depth + 1) } else { String::new() };
        let deaf = if scale.below(2) == 0 { "trap '' TERM HUP INT; " } else { "" };
        let body = match scale.below(5) {
            0 => "while :; do sleep 1000; done".to_owned(),
            1 => "while :; do sleep 0.01; done".to_owned(),
            2 => "while :; do (setsid sleep 0.02 &); sleep 0.01; done".to_owned(),
            3 => "trap 'sleep 1000 & wait' TERM; while :; do sleep 1000 & wait $!; done".to_owned(),
            _ => "sleep 1000 & sleep 1000".to_owned(),
        };
        let body = format!("{deaf}{inner}\n{body}");
        text.push_str(&match scale.below(4) {
            0 => format!("( {body} ) &\n"),
            1 => format!("( ( {body} ) & ) &\n"),
            2 => format!("( setsid sh -c ': $MARK' ; {body} ) &\n"),
            _ => format!("export BODY{depth}=$(cat <<'END{depth}'\n{body}\nEND{depth}\n)\n(setsid sh -c 'eval \"$BODY{depth}\"' &)\n"),
        });
    }
    text
}
