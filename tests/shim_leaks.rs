//! Many shims in a row leave nothing behind in the process that started them. Alone in its binary: it counts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/shim.rs"]
#[expect(dead_code, reason = "this suite uses a part of the rig")]
mod support;

use std::fs;

use support::Rig;

#[tokio::test]
async fn two_hundred_shims_leave_no_zombie_and_no_descriptor() {
    Rig::script("exit 0").run().await;
    all_reaped().await;
    let before = descriptors();
    for round in 0..200 {
        let mut rig = Rig::script(&format!("(sleep 1000 &) ; exit {}", round % 3));
        rig.spec.grace_seconds = 1;
        assert_eq!(rig.run().await.code, Some(round % 3));
    }
    all_reaped().await;
    assert_eq!(descriptors(), before);
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
