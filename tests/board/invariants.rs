//! What holds after any sequence of operations.

use std::collections::{BTreeMap, BTreeSet};

use kanban_gateway::board::{
    Error, TaskId, Tx,
    attempt::Ending,
    create::NewTask,
    event::{Event, Kind},
    finish::HandOff,
    review::Wanted,
    task::{BlockKind, Status},
};
use proptest::prelude::*;

use crate::fixture::{Fixture, NOW, PATIENCE, hand_off, person, titled};

#[derive(Clone, Debug)]
enum Step {
    Create { parents: Vec<usize>, triage: bool, blocked: bool },
    Link(usize, usize),
    Unlink(usize, usize),
    Claim(usize),
    Complete(usize),
    RequestReview(usize, bool),
    ClaimReview(usize),
    Approve(usize),
    RequestChanges(usize),
    Block(usize, Option<BlockKind>),
    Unblock(usize),
    Schedule(usize, bool),
    Due,
    Promote(usize, bool),
    Assign(usize),
    Reclaim(usize),
    Retry(usize),
    Cancel(usize),
    Archive(usize),
    Delete(usize),
    End(usize, Ending),
    Heartbeat(usize),
    Demote(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..8_usize;
    let kind = prop_oneof![
        Just(None),
        Just(Some(BlockKind::NeedsInput)),
        Just(Some(BlockKind::Dependency)),
        Just(Some(BlockKind::Transient))
    ];
    let ending = prop_oneof![
        Just(Ending::Failed { error: "exit 1".to_owned() }),
        Just(Ending::Silent),
        Just(Ending::RateLimited { line: "429".to_owned(), until: None, tail: "429".to_owned(), is_told: false }),
        Just(Ending::AuthFailed { line: "401".to_owned(), login: None, tail: "401".to_owned(), is_told: false }),
        Just(Ending::SessionGone { tail: "no such session".to_owned() }),
        Just(Ending::TimedOut { limit_seconds: 5 }),
        Just(Ending::ScriptDone { summary: "ok".to_owned() }),
    ];
    prop_oneof![
        4 => (proptest::collection::vec(at(), 0..3), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(parents, triage, blocked)| Step::Create { parents, triage, blocked }),
        3 => (at(), at()).prop_map(|(a, b)| Step::Link(a, b)),
        1 => (at(), at()).prop_map(|(a, b)| Step::Unlink(a, b)),
        5 => at().prop_map(Step::Claim),
        3 => at().prop_map(Step::Complete),
        3 => (at(), any::<bool>()).prop_map(|(at, machine)| Step::RequestReview(at, machine)),
        3 => at().prop_map(Step::ClaimReview),
        1 => at().prop_map(Step::Approve),
        2 => at().prop_map(Step::RequestChanges),
        3 => (at(), kind).prop_map(|(at, kind)| Step::Block(at, kind)),
        2 => at().prop_map(Step::Unblock),
        1 => (at(), any::<bool>()).prop_map(|(at, timed)| Step::Schedule(at, timed)),
        1 => Just(Step::Due),
        2 => (at(), any::<bool>()).prop_map(|(at, force)| Step::Promote(at, force)),
        1 => at().prop_map(Step::Assign),
        1 => at().prop_map(Step::Reclaim),
        1 => at().prop_map(Step::Retry),
        1 => at().prop_map(Step::Cancel),
        1 => at().prop_map(Step::Archive),
        1 => at().prop_map(Step::Delete),
        4 => (at(), ending).prop_map(|(at, ending)| Step::End(at, ending)),
        1 => at().prop_map(Step::Heartbeat),
        1 => at().prop_map(Step::Demote),
    ]
}

/// The tasks and links that there ought to be.
#[derive(Default)]
struct Model {
    tasks: Vec<TaskId>,
    links: BTreeSet<(TaskId, TaskId)>,
}

impl Model {
    fn id(&self, at: usize) -> TaskId {
        self.tasks.get(at % self.tasks.len().max(1)).cloned().unwrap_or_else(|| "t_nobody".parse().unwrap())
    }

    async fn take(&mut self, f: &Fixture, step: &Step) -> Result<(), Error> {
        let mut tx = f.board.write().await?;
        self.act(&mut tx, step).await?;
        tx.commit().await
    }

    async fn act(&mut self, tx: &mut Tx, step: &Step) -> Result<(), Error> {
        let me = &person();
        match step {
            Step::Create { parents, triage, blocked } => {
                let parents: BTreeSet<_> = match self.tasks.is_empty() {
                    true => BTreeSet::new(),
                    false => parents.iter().map(|at| self.id(*at)).collect(),
                };
                let new = NewTask {
                    parents: parents.iter().cloned().collect(),
                    triage: *triage,
                    blocked: *blocked,
                    ..titled("t")
                };
                let id = tx.create(me, "ann", new, NOW).await?.task.id;
                self.links.extend(parents.into_iter().map(|parent| (parent, id.clone())));
                self.tasks.push(id);
            }
            Step::Link(a, b) => {
                tx.link(me, &self.id(*a), &self.id(*b), NOW).await?;
                self.links.insert((self.id(*a), self.id(*b)));
            }
            Step::Unlink(a, b) => {
                tx.unlink(me, &self.id(*a), &self.id(*b), NOW).await?;
                self.links.remove(&(self.id(*a), self.id(*b)));
            }
            Step::Claim(at) => drop(tx.claim(&self.id(*at), "gateway", None, NOW).await?),
            Step::Complete(at) => drop(tx.complete(me, &self.id(*at), &hand_off("done"), NOW).await?),
            Step::RequestReview(at, machine) => {
                let wanted = if *machine { Wanted::Profile("eve".parse().unwrap()) } else { Wanted::Person };
                let said = if *machine { hand_off("look") } else { HandOff::default() };
                drop(tx.request_review(me, &self.id(*at), &said, &wanted, NOW).await?);
            }
            Step::ClaimReview(at) => drop(tx.claim_review(&self.id(*at), "gateway", NOW).await?),
            Step::Approve(at) => drop(tx.approve(me, &self.id(*at), None, NOW).await?),
            Step::RequestChanges(at) => drop(tx.request_changes(me, &self.id(*at), "more", NOW).await?),
            Step::Block(at, kind) => drop(tx.block(me, &self.id(*at), *kind, Some("why"), NOW).await?),
            Step::Unblock(at) => drop(tx.unblock(me, &self.id(*at), None, NOW).await?),
            Step::Schedule(at, timed) => tx.schedule(me, &self.id(*at), timed.then_some(NOW), None, NOW).await?,
            Step::Due => drop(tx.release_due(NOW).await?),
            Step::Promote(at, force) => tx.promote(me, &self.id(*at), None, *force, NOW).await?,
            Step::Assign(at) => tx.assign(me, &self.id(*at), None, NOW).await?,
            Step::Reclaim(at) => tx.reclaim(me, &self.id(*at), None, NOW).await?,
            Step::Retry(at) => drop(tx.retry(me, &self.id(*at), None, NOW).await?),
            Step::Cancel(at) => tx.cancel(me, &self.id(*at), None, NOW).await?,
            Step::Archive(at) => tx.archive(me, &self.id(*at), NOW).await?,
            Step::Delete(at) => {
                let id = self.id(*at);
                drop(tx.delete(&id).await?);
                self.links.retain(|(parent, child)| *parent != id && *child != id);
                self.tasks.retain(|task| *task != id);
            }
            Step::End(at, ending) => {
                let run = tx.task(&self.id(*at)).await?.current_run.unwrap_or_default();
                tx.attempt_ended(run, ending, &PATIENCE, NOW).await?;
            }
            Step::Heartbeat(at) => tx.heartbeat(me, &self.id(*at), None, NOW, NOW).await?,
            Step::Demote(at) => tx.demote(&self.id(*at), NOW).await?,
        }
        Ok(())
    }

    async fn check(&self, f: &Fixture) {
        let mut tx = f.board.read().await.unwrap();
        let mut statuses = BTreeMap::new();
        let mut links = BTreeSet::new();
        let mut open = Vec::new();
        for id in &self.tasks {
            let task = tx.task(id).await.unwrap();
            let runs = tx.runs_of(id).await.unwrap();
            let open_runs: Vec<_> = runs.iter().filter(|run| run.ended_at.is_none()).map(|run| run.id).collect();
            assert_eq!(open_runs, task.current_run.into_iter().collect::<Vec<_>>(), "{id}: the open runs");
            assert_eq!(task.status == Status::Running, task.current_run.is_some());
            let attempts: Vec<_> = runs.iter().map(|run| run.attempt).collect();
            assert_eq!(attempts, (1..=i64::try_from(runs.len()).unwrap()).collect::<Vec<_>>());
            let events = tx.events_of(id).await.unwrap();
            assert_eq!(told_by(&events), Some(task.status), "{id}: what the events add up to");
            let review = tx.open_review(id).await.unwrap();
            if task.status == Status::Review {
                assert!(review.is_some(), "{id} is in review, and nothing was handed in");
            }
            if let Some(review) = review {
                let looks =
                    runs.iter().find(|run| run.ended_at.is_none()).is_none_or(|run| run.review == Some(review.id));
                assert!(looks, "{id} is under review and worked on");
                let waits = matches!(task.status, Status::Ready | Status::Todo | Status::Done | Status::Archived);
                assert!(!waits, "{id} is under review and {}", task.status);
            }
            let open_parents = tx.open_parents(id).await.unwrap();
            if task.status == Status::Ready && !task.parents_waived {
                assert!(open_parents.is_empty(), "{id} is ready and waits for {open_parents:?}");
            }
            if task.status == Status::Todo {
                assert!(!open_parents.is_empty(), "{id} waits for nobody");
            }
            links.extend(tx.parents(id).await.unwrap().into_iter().map(|parent| (parent, id.clone())));
            let below = self.links.iter().filter(|(parent, _)| parent == id).count();
            assert_eq!(tx.children(id).await.unwrap().len(), below);
            statuses.insert(id.clone(), task.status);
            open.push((id, open_parents));
        }
        assert_eq!(links, self.links);
        for (id, parents) in open {
            let expected: Vec<_> = (self.links.iter())
                .filter(|(parent, child)| child == id && !matches!(statuses[parent], Status::Done | Status::Archived))
                .map(|(parent, _)| parent.clone())
                .collect();
            assert_eq!(parents, expected);
        }
    }
}

/// The status that the events of a task tell of.
fn told_by(events: &[Event]) -> Option<Status> {
    events.iter().fold(None, |status, event| {
        let payload = event.payload();
        let written = || payload["status"].as_str().map(|status| status.parse().unwrap());
        match event.kind {
            Kind::Created | Kind::Linked => written().or(status),
            Kind::Promoted => Some(Status::Ready),
            Kind::ReviewRequested | Kind::ReviewAssigned => Some(Status::Review),
            Kind::PromotedManual
            | Kind::ChangesRequested
            | Kind::Unblocked
            | Kind::Reclaimed
            | Kind::Retried
            | Kind::SpawnFailed
            | Kind::Crashed
            | Kind::Lost
            | Kind::ProtocolViolation
            | Kind::RateLimited
            | Kind::AuthFailed
            | Kind::SessionGone
            | Kind::TimedOut => written().or(Some(Status::Ready)),
            Kind::Claimed => Some(Status::Running),
            Kind::ClaimRejected | Kind::DependencyWait => Some(Status::Todo),
            Kind::GaveUp | Kind::BudgetSpent | Kind::Blocked => Some(Status::Blocked),
            Kind::BlockLoopDetected => Some(Status::Triage),
            Kind::Scheduled => Some(Status::Scheduled),
            Kind::Completed => Some(Status::Done),
            Kind::Cancelled | Kind::Archived => Some(Status::Archived),
            Kind::Assigned
            | Kind::Unlinked
            | Kind::Commented
            | Kind::Attached
            | Kind::AttachmentRemoved
            | Kind::Spawned
            | Kind::Heartbeat
            | Kind::DirectoryGone
            | Kind::DirectoryBack
            | Kind::CompletionRefused
            | Kind::UnknownReferences
            | Kind::FiringSkipped
            | Kind::Edited => status,
            Kind::Imported => written().or(status),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: u32::try_from(crate::process::scaled(24, 400)).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_operations_leaves_a_board_that_makes_sense(steps in proptest::collection::vec(step(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::new().await;
            let mut model = Model::default();
            for step in &steps {
                let before = f.dump();
                match model.take(&f, step).await {
                    Ok(()) => {}
                    Err(Error::Refused(_)) => assert_eq!(before, f.dump(), "{step:?} was refused, but changed something"),
                    Err(Error::Fault(fault)) => panic!("{step:?}: {fault}"),
                }
                model.check(&f).await;
            }
        });
    }
}
