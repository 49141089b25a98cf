//! Every schedule of at most three faults: a person sees each post once.

use std::time::Duration;

use kanban_fakes::{Server, Trouble, slack::SlackServer};
use kanban_platform::{Platform, PostError};
use kanban_slack::Slack;
use tokio::task::JoinSet;

use crate::support::{assert_nothing_wrong, news, now, options, workspace};

/// What may happen to one attempt. None of them is a fault of the wire: the process dies before it has sent.
const FAULTS: [Option<Trouble>; 6] = [
    None,
    Some(Trouble::Break),
    Some(Trouble::LoseAnswer),
    Some(Trouble::ServerError),
    Some(Trouble::ServerErrorAfter),
    Some(Trouble::TooMany(Duration::from_secs(1))),
];

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_doubled() {
    let mut schedules: Vec<Vec<Option<Trouble>>> = vec![Vec::new()];
    let mut longest = schedules.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|schedule| FAULTS.map(|fault| schedule.iter().copied().chain([fault]).collect()))
            .collect();
        schedules.extend(longest.clone());
    }
    let mut running = JoinSet::new();
    for (number, schedule) in schedules.into_iter().enumerate() {
        running.spawn(run(schedule, number % 2 == 0, number % 3 == 0));
    }
    running.join_all().await;
}

/// Sends as the gateway does: in doubt from the first attempt on of which nobody knows what became of it.
async fn run(schedule: Vec<Option<Trouble>>, in_thread: bool, dies: bool) {
    let server = SlackServer::start_with(workspace()).await;
    let place = if in_thread { server.thread("ops", "deploy") } else { server.channel("ops") };
    let start = || Slack::new(options(&server, None)).expect("the settings are good");
    let (mut slack, mut in_doubt) = (start(), None);
    let post = news("d1", &place, "hello");
    let mut faults = schedule.iter();
    for _ in 0..12 {
        let began = now();
        match faults.next() {
            Some(None) => {
                // It was written down that it is being sent, and that was all.
                in_doubt.get_or_insert(began);
                slack = start();
                continue;
            }
            Some(Some(trouble)) => server.wire().trouble("chat.postMessage", [*trouble]),
            None => {}
        }
        match slack.post(&post, in_doubt).await {
            Ok(message) => {
                let ours: Vec<_> = server.seen(&place).into_iter().filter(|seen| seen.is_ours).collect();
                assert_eq!(ours.len(), 1, "{schedule:?}: {ours:#?}");
                assert_eq!(ours[0].id, message);
                assert_nothing_wrong(&server);
                return;
            }
            Err(PostError::Ambiguous(_)) => {
                in_doubt.get_or_insert(began);
            }
            Err(PostError::Later(wait, _)) => tokio::time::sleep(wait).await,
            Err(error @ (PostError::Gone(_) | PostError::Refused(_))) => panic!("{schedule:?}: {error}"),
        }
        if dies {
            slack = start();
        }
    }
    panic!("{schedule:?}: never sent");
}
