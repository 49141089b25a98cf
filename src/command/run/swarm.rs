//! `swarm`: workers beside one another, somebody who checks what they did, and somebody who makes one result of it.

use serde_json::{Value, json};

use super::{Prepared, create};
use crate::{
    board::{Board, Error, TaskId, Tx, create::NewTask, error::refuse, face::Lead, finish::HandOff},
    command::{
        caller::{Caller, Place},
        desk::{Desk, Done},
        reply::{Card, Reply},
        value::{Assignee, Prose},
        verbs::{Create, Swarm},
    },
};

const CHECK: &str = "Check what the workers before you have handed over, against the goal and against each other. Complete \
    with what holds and what does not, and why; mend nothing yourself.";
const MAKE_ONE: &str =
    "Make one result of what was handed over to you, so that nobody needs to read the parts. Say what is still open.";

/// Where each part is to work, in the order in which they are made.
pub(super) async fn prepare(desk: &Desk, caller: &Caller, board: &Board, args: &Swarm) -> Result<Prepared, Error> {
    let caller = within_thread(caller);
    let mut parts = Vec::new();
    for create in creates(args) {
        create::check_profile(desk, &caller, &create)?;
        let place = Prepared::Place(create::place(desk, &caller, board, &create).await?);
        parts.push((create, place));
    }
    Ok(Prepared::Swarm(parts))
}

pub(super) async fn swarm(
    desk: &Desk,
    caller: &Caller,
    args: &Swarm,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let Prepared::Swarm(parts) = prepared else { refuse!(Invalid, "this swarm has no parts") };
    let now = desk.now();
    let goal = args.goal();
    // What all of them share: a task that is done when they begin, and hands the goal on.
    let root = NewTask {
        title: goal.clone(),
        body: args.body.as_ref().map(|body| body.as_str().to_owned()),
        tenant: args
            .tenant
            .as_ref()
            .map(|tenant| tenant.as_str().to_owned())
            .or_else(|| caller.pin.tenant.as_ref().map(|pinned| pinned.value.clone())),
        priority: args.priority.unwrap_or(0),
        idempotency_key: args.idempotency_key.clone(),
        ..NewTask::default()
    };
    let made = tx.create(&caller.actor, caller.actor.name(), root, now).await?;
    if made.existed {
        return known(caller, args, &made.task.id, tx).await;
    }
    let root = made.task.id;
    let caller = within_thread(caller);
    let mut made: Vec<TaskId> = Vec::new();
    for (place, (create, prepared)) in parts.iter().enumerate() {
        let mut create = create.clone();
        let workers = &made[..made.len().min(args.worker.len())];
        create.parent = match place {
            place if place < args.worker.len() => vec![root.clone()],
            // With a quorum, whoever comes last waits for the check alone, which has waited for enough.
            place if place > args.worker.len() && args.quorum.is_some() => made[args.worker.len()..].to_vec(),
            _ => made.clone(),
        };
        if place == args.worker.len() {
            create.quorum = args.quorum;
            create.cancel_rest = args.cancel_rest;
            create.parent = workers.to_vec();
        }
        let done = create::create(desk, &caller, &create, prepared, tx).await?;
        made.extend(done.reply.task);
    }
    let swarm = Graph::of(&root, &made, args);
    let hand_off =
        HandOff { summary: Some(goal), metadata: Some(json!({"swarm": swarm.document()})), ..HandOff::default() };
    tx.complete(&caller.actor, &root, &hand_off, now).await?;
    let synthesizer = tx.task(&swarm.synthesizer).await?;
    let text = swarm.told(args);
    let reply = match (args.json, &caller.place) {
        (true, _) => Reply::json(&swarm.document()),
        (false, Place::Thread(_)) => Reply {
            card: Some(Card::Task(Box::new(synthesizer), Lead::Created)),
            notes: text.clone(),
            ..Reply::text(text)
        },
        (false, Place::Terminal { .. } | Place::Worker { .. }) => Reply::text(text),
    };
    Ok(Reply { event: Some("created"), ..reply }.about(&swarm.synthesizer).into())
}

/// A swarm of the same key, as it was made.
async fn known(caller: &Caller, args: &Swarm, root: &TaskId, tx: &mut Tx) -> Result<Done, Error> {
    let is_private = tx.is_private().await?;
    let rights = caller.standing.on(tx.slug(), is_private);
    let task = tx.task(root).await?;
    if caller.actor.is_person() && !crate::command::access::sees_task(&rights, &task) {
        refuse!(Forbidden, "this key is taken by a task that is not open to you; choose another `--idempotency-key`");
    }
    let runs = tx.runs_of(root).await?;
    let metadata = runs.iter().rev().find_map(|run| run.metadata.as_deref());
    let metadata: Option<Value> = metadata.and_then(|text| serde_json::from_str(text).ok());
    match metadata.as_ref().and_then(|metadata| metadata.get("swarm")) {
        Some(swarm) if args.json => Ok(Reply::json(swarm).about(root).into()),
        Some(swarm) => {
            let ids =
                |key: &str| swarm.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let workers: Vec<&str> = ids("worker_ids").collect();
            let synthesizer = swarm.get("synthesizer_id").and_then(Value::as_str).unwrap_or_default();
            let text = format!(
                "Exists already: swarm {root}, with the workers {} and the synthesizer {synthesizer}",
                workers.join(", ")
            );
            Ok(Reply::text(text).about(root).into())
        }
        None => refuse!(Invalid, "this key is taken by {root}, which is no swarm; choose another `--idempotency-key`"),
    }
}

/// Its tasks belong to the place that asked, and open no threads of their own.
fn within_thread(caller: &Caller) -> Caller {
    Caller { is_channel: false, ..caller.clone() }
}

/// The parts that somebody is to do: the workers, whoever checks, and whoever makes one of it.
fn creates(args: &Swarm) -> Vec<Create> {
    let part = |title: String, profile, body: Option<Prose>| Create {
        assignee: Some(Assignee::Profile(profile)),
        body,
        workspace: args.workspace.clone(),
        tenant: args.tenant.clone(),
        priority: args.priority,
        ..Create::titled(title)
    };
    let goal = args.goal();
    let told = |order: &str| match &args.body {
        Some(body) => Some(Prose(format!("{order}\n\n{body}"))),
        None => Some(Prose(order.to_owned())),
    };
    let workers = args.worker.iter().map(|worker| {
        part(worker.title.clone().unwrap_or_else(|| goal.clone()), worker.profile.clone(), args.body.clone())
    });
    let verifier = args.verifier.iter().map(|profile| part(format!("Check: {goal}"), profile.clone(), told(CHECK)));
    let synthesizer = part(format!("Result: {goal}"), args.synthesizer.clone(), told(MAKE_ONE));
    workers.chain(verifier).chain([synthesizer]).collect()
}

/// The tasks of a swarm.
struct Graph<'a> {
    root: &'a TaskId,
    workers: &'a [TaskId],
    verifier: Option<&'a TaskId>,
    synthesizer: TaskId,
}

impl<'a> Graph<'a> {
    fn of(root: &'a TaskId, made: &'a [TaskId], args: &Swarm) -> Self {
        let (workers, others) = made.split_at(args.worker.len().min(made.len()));
        let verifier = args.verifier.as_ref().and_then(|_| others.first());
        Self { root, workers, verifier, synthesizer: others.last().unwrap_or(root).clone() }
    }

    fn document(&self) -> Value {
        json!({
            "root_id": self.root, "worker_ids": self.workers, "verifier_id": self.verifier,
            "synthesizer_id": self.synthesizer,
        })
    }

    fn told(&self, args: &Swarm) -> String {
        let mut lines = vec![format!("Swarm {}: {}", self.root, args.goal())];
        let workers = self.workers.iter().zip(&args.worker);
        lines.extend(workers.map(|(id, part)| format!("  worker {id} @{}", part.profile)));
        let verifier = self.verifier.zip(args.verifier.as_ref());
        lines.extend(verifier.map(|(id, profile)| format!("  verifier {id} @{profile}")));
        lines.push(format!("  synthesizer {} @{}", self.synthesizer, args.synthesizer));
        if let Some(quorum) = args.quorum {
            let rest = if args.cancel_rest { ", and the others are cancelled" } else { "" };
            lines.push(format!("  goes on when {quorum} of {} workers are done{rest}", self.workers.len()));
        }
        lines.join("\n")
    }
}
