//! Every schedule of at most three faults: nothing is lost, and nothing is doubled where the platform lets us know.

use std::{sync::Arc, time::Duration};

use kanban_fakes::{Server, Trouble};
use tokio::task::JoinSet;

use crate::{
    scale::Scale,
    world::{Crash, World, server},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Refused,
    AnswerLost,
    TooMany,
    ServerError,
    CrashBeforeSend,
    CrashAfterAcceptance,
    CrashBeforeRecording,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Refused,
        Self::AnswerLost,
        Self::TooMany,
        Self::ServerError,
        Self::CrashBeforeSend,
        Self::CrashAfterAcceptance,
        Self::CrashBeforeRecording,
    ];

    /// After these the platform has the message and we do not know it.
    fn leaves_a_doubt(self) -> bool {
        matches!(self, Self::AnswerLost | Self::CrashAfterAcceptance | Self::CrashBeforeRecording)
    }
}

/// All schedules of at most `most` faults, the shortest first.
fn schedules(most: usize) -> Vec<Vec<Fault>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..most {
        last = last
            .iter()
            .flat_map(|schedule| Fault::ALL.map(|fault| schedule.iter().copied().chain([fault]).collect()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_schedule_of_faults_on_discord() {
    on("discord").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_schedule_of_faults_on_telegram() {
    on("telegram").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_schedule_of_faults_on_slack() {
    on("slack").await;
}

async fn on(kind: &str) {
    let schedules = schedules(3);
    let mut scale = Scale::of("fault schedules", 100, schedules.len());
    let server = server(kind).await;
    // All with at most two faults, and of the others as many as the scale has room for.
    let count = scale.count;
    let mut chosen: Vec<_> = schedules;
    while chosen.len() > count {
        let at = 57 + usize::try_from(scale.below(u64::try_from(chosen.len() - 57).unwrap())).unwrap();
        chosen.swap_remove(at);
    }
    let (mut lost, mut doubled) = (0, 0);
    let mut running = JoinSet::new();
    let mut left = chosen.into_iter().enumerate();
    loop {
        while running.len() < 40
            && let Some((number, schedule)) = left.next()
        {
            let server = Arc::clone(&server);
            running.spawn(async move {
                let shown = shown_after(&server, number, &schedule).await;
                (schedule, shown)
            });
        }
        let Some(done) = running.join_next().await else { break };
        let (schedule, shown) = done.unwrap();
        // Only Telegram lets a new message be doubled, once for each time that its answer was lost.
        let doubts = schedule.iter().filter(|fault| fault.leaves_a_doubt()).count();
        let allowed = if kind == "telegram" { 1 + doubts } else { 1 };
        lost += usize::from(shown == 0);
        doubled += usize::from(shown > allowed);
        assert!((1..=allowed).contains(&shown), "{kind}: {schedule:?} shows it {shown} times");
    }
    scale.done(&format!("schedules on {kind}, {lost} lost, {doubled} doubled beyond what the platform allows"));
    assert_eq!(server.wire().wrong(), Vec::<String>::new());
}

/// Sends one post through a schedule of faults, and counts what a person sees of it.
async fn shown_after(server: &Arc<dyn Server>, number: usize, schedule: &[Fault]) -> usize {
    let place = server.channel(&format!("schedule{number}"));
    let summary = format!("outcome of schedule {number}.");
    let mut world = World::new(server).await;
    world.start();
    arrange(server, &world, &place.channel, schedule.first());
    world.owe(&place, &summary).await;
    for (at, fault) in schedule.iter().enumerate() {
        let next = schedule.get(at + 1);
        match fault {
            Fault::Refused | Fault::AnswerLost | Fault::TooMany | Fault::ServerError | Fault::CrashAfterAcceptance => {
                let met = schedule[..=at].iter().filter(|fault| is_on_the_wire(**fault)).count();
                let hit = async {
                    let is_met = || (server.wire().met_in(&place.channel) >= met).then_some(());
                    server.wire().wait_until("the fault", is_met).await;
                };
                tokio::select! {
                    // What was refused leaves nothing owed either.
                    biased;
                    () = hit => {}
                    // A message that was found needs no further attempt, so there is none for the fault to hit.
                    () = world.settled() => break,
                }
            }
            Fault::CrashBeforeSend | Fault::CrashBeforeRecording => {
                tokio::select! {
                    biased;
                    () = world.death() => {}
                    () = world.settled() => break,
                }
            }
        }
        match fault {
            Fault::AnswerLost | Fault::TooMany | Fault::ServerError => arrange(server, &world, &place.channel, next),
            Fault::Refused => {
                world.settled().await;
                arrange(server, &world, &place.channel, next);
                world.retry().await;
            }
            Fault::CrashAfterAcceptance => {
                let text = summary.clone();
                let accepted = || server.seen(&place).iter().any(|seen| seen.text.contains(&text)).then_some(());
                server.wire().wait_until("the message", accepted).await;
                world.restart(|world| arrange(server, world, &place.channel, next)).await;
            }
            Fault::CrashBeforeSend | Fault::CrashBeforeRecording => {
                world.restart(|world| arrange(server, world, &place.channel, next)).await;
            }
        }
    }
    world.settled().await;
    let shown = server.seen(&place).iter().filter(|seen| seen.text.contains(&summary)).count();
    // What is missing is told with what became of it.
    let (left, _) = world.board.read().await.unwrap().undelivered().await.unwrap();
    assert!(shown > 0 || left.is_empty(), "{schedule:?} left {left:?}; calls: {:#?}", calls_to(server, &place.channel));
    world.stop().await;
    shown
}

fn calls_to(server: &Arc<dyn Server>, channel: &str) -> Vec<String> {
    let calls = server.wire().calls();
    calls.iter().filter(|call| call.channel.as_deref() == Some(channel)).map(kanban_fakes::Call::in_short).collect()
}

fn is_on_the_wire(fault: Fault) -> bool {
    !matches!(fault, Fault::CrashBeforeSend | Fault::CrashBeforeRecording)
}

/// Lets the next attempt meet the fault.
fn arrange(server: &Arc<dyn Server>, world: &World, channel: &str, fault: Option<&Fault>) {
    let trouble = |trouble| server.wire().trouble_next_in(channel, [trouble]);
    match fault {
        None => {}
        Some(Fault::Refused) => trouble(Trouble::Refuse),
        Some(Fault::AnswerLost) => trouble(Trouble::LoseAnswer),
        Some(Fault::TooMany) => trouble(Trouble::TooMany(Duration::from_millis(500))),
        Some(Fault::ServerError) => trouble(Trouble::ServerError),
        Some(Fault::CrashAfterAcceptance) => trouble(Trouble::Hold),
        Some(Fault::CrashBeforeSend) => world.will_crash(Crash::BeforeSend),
        Some(Fault::CrashBeforeRecording) => world.will_crash(Crash::BeforeRecording),
    }
}
