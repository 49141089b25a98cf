//! The JSON objects of the answers: the reference's keys first and in its order, then ours. Times are unix seconds.

use serde_json::{Value, json};

use crate::{
    board::{
        attachment::Attachment,
        claim::seconds,
        comment::Comment,
        event::Event,
        run::{Outcome, Run},
        task::BlockKind,
        task::Task,
        thread::{Watch, Why},
    },
    clock::Millis,
};

pub fn task(task: &Task) -> Value {
    let skills: Value = serde_json::from_str(&task.skills).unwrap_or_else(|_| json!([]));
    json!({
        "id": task.id,
        "title": task.title,
        "body": task.body,
        "assignee": task.assignee,
        "status": task.status,
        "priority": task.priority,
        "tenant": task.tenant,
        "workspace_kind": task.workspace_kind,
        "workspace_path": task.workspace_path,
        "branch_name": task.branch_name,
        "project_id": task.project_id,
        "created_by": task.created_by,
        "created_at": seconds(task.created_at),
        "started_at": at(task.started_at),
        "completed_at": at(task.completed_at),
        "result": task.result,
        "skills": skills,
        "max_retries": task.max_retries,
        "session_id": task.session_id,
        "workflow_template_id": task.workflow_template_id,
        "current_step_key": task.current_step_key,
        "block_kind": task.block_kind.map(BlockKind::as_str),
        "block_reason": task.block_reason,
        "block_recurrences": task.block_recurrences,
        "failures": task.failures,
        "last_error": task.last_error,
        "not_before": at(task.not_before),
        "current_run": task.current_run,
        "idempotency_key": task.idempotency_key,
        "max_runtime_seconds": task.max_runtime_seconds,
        "goal_mode": task.goal_mode,
        "goal_max_turns": task.goal_max_turns,
        "parents_waived": task.parents_waived,
        "max_total_runtime_seconds": task.max_total_seconds,
        "max_cost": task.max_cost.map(|cost| cost.to_string()),
        "cost": task.cost.to_string(),
        "worked_seconds": seconds(task.worked_ms),
    })
}

pub(super) fn comment(comment: &Comment) -> Value {
    json!({
        "author": comment.author,
        "body": comment.body,
        "created_at": seconds(comment.created_at),
        "id": comment.id,
    })
}

pub(super) fn event(event: &Event) -> Value {
    json!({
        "kind": event.kind.as_str(),
        "payload": event.payload(),
        "created_at": seconds(event.created_at),
        "run_id": event.run_id,
        "id": event.id,
    })
}

/// A run as `show` prints it.
pub(super) fn run(run: &Run) -> Value {
    json!({
        "id": run.id,
        "profile": run.profile,
        "step_key": run.step_key,
        "status": run.status(),
        "outcome": run.outcome.map(Outcome::as_str),
        "summary": run.summary,
        "error": run.error,
        "metadata": metadata(run),
        "worker_pid": run.worker_pid,
        "started_at": seconds(run.started_at),
        "ended_at": at(run.ended_at),
        "attempt": run.attempt,
        "holder": run.holder,
        "workspace": run.workspace,
        "last_heartbeat_at": at(run.last_heartbeat_at),
        "heartbeat_note": run.heartbeat_note,
        "max_runtime_seconds": run.max_runtime_seconds,
        "cost": run.cost.to_string(),
    })
}

pub(super) fn metadata(run: &Run) -> Value {
    run.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

pub(super) fn attachment(attachment: &Attachment) -> Value {
    json!({
        "id": attachment.id,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "uploaded_by": attachment.uploaded_by,
        "stored_path": attachment.stored_path,
        "created_at": seconds(attachment.created_at),
        "artifact_of_run": attachment.run_id,
    })
}

pub(super) fn watch(watch: &Watch) -> Value {
    let thread = watch.thread();
    json!({
        "thread": thread.to_string(),
        "task_id": watch.task_id,
        "assignee": watch.assignee,
        "tenant": watch.tenant,
        "kinds": watch.kinds.as_deref().map(|kinds| kinds.split(',').collect::<Vec<_>>()),
        "platform": thread.platform,
        "space": thread.space,
        "chat_id": thread.channel,
        "thread_id": thread.thread.unwrap_or_default(),
        "policy": watch.policy().as_str(),
        "why": match watch.why() {
            Why::Asked => "asked".to_owned(),
            Why::Created => "created".to_owned(),
            Why::Own => "own".to_owned(),
            Why::Parent(task) => format!("parent:{task}"),
        },
        "user_id": watch.user_id,
        "created_at": seconds(watch.created_at),
        "since_event": watch.since_event,
        "parked_reason": watch.parked_reason,
    })
}

pub(super) fn at(time: Option<Millis>) -> Option<i64> {
    time.map(seconds)
}
