//! `runs`: the attempts at a task.

use serde_json::Value;

use super::{View, document, text::first_line};
use crate::{
    board::{
        Error, Tx,
        announcement::span,
        run::{Outcome, Run},
    },
    command::{reply::Reply, verbs},
};

pub async fn runs(tx: &mut Tx, args: &verbs::Runs, view: &View<'_>) -> Result<Reply, Error> {
    let task = tx.task(&args.task).await?;
    let runs = selected(tx.runs_of(&task.id).await?, &args.filter);
    if args.json {
        return Ok(Reply::json(&Value::Array(runs.iter().map(in_order_of_reference).collect())));
    }
    if runs.is_empty() {
        return Ok(Reply::text(format!("(no runs of {} yet)", task.id)).about(&task.id));
    }
    let mut lines = vec!["#    OUTCOME       PROFILE            ELAPSED  STARTED".to_owned()];
    for run in &runs {
        lines.push(format!(
            "{:>3}  {:<12}  {:<16}  {:>8}  {}",
            run.id,
            outcome(run),
            profile(run),
            elapsed(run, view),
            view.moment(run.started_at)
        ));
        lines.extend(said(run).map(|said| format!("     {said}")));
    }
    Ok(Reply::text(lines.join("\n")).about(&task.id))
}

/// The runs that a filter lets through.
pub(super) fn selected(mut runs: Vec<Run>, filter: &verbs::RunFilter) -> Vec<Run> {
    if let (Some(what), Some(name)) = (filter.state_type, &filter.state_name) {
        runs.retain(|run| match what {
            verbs::StateType::Status => run.status() == name,
            verbs::StateType::Outcome => run.outcome.is_some_and(|outcome| outcome.as_str() == name),
        });
    }
    runs
}

/// How it ended, or `running`.
pub(super) fn outcome(run: &Run) -> &'static str {
    run.outcome.map_or("running", Outcome::as_str)
}

pub(super) fn profile(run: &Run) -> &str {
    run.profile.as_ref().map_or("-", |name| name.as_str())
}

/// How long it took, or has taken so far.
pub(super) fn elapsed(run: &Run, view: &View<'_>) -> String {
    span(run.ended_at.unwrap_or(view.now) - run.started_at)
}

/// What the run left: the first lines of its summary and of its error, and while it is open its latest sign of life.
pub(super) fn said(run: &Run) -> impl Iterator<Item = String> {
    const WIDTH: usize = 200;
    let note = run.heartbeat_note.as_ref().filter(|_| run.ended_at.is_none());
    [(run.summary.as_ref(), '→'), (run.error.as_ref(), '✖'), (note, '…')]
        .into_iter()
        .filter_map(|(text, mark)| text.map(|text| (first_line(text, WIDTH), mark)))
        .filter(|(text, _)| !text.is_empty())
        .map(|(text, mark)| format!("{mark} {text}"))
}

/// The reference prints the keys of a run in another order here than in `show`.
fn in_order_of_reference(run: &Run) -> Value {
    const FIRST: [&str; 11] = [
        "id",
        "profile",
        "status",
        "outcome",
        "started_at",
        "ended_at",
        "summary",
        "error",
        "metadata",
        "worker_pid",
        "step_key",
    ];
    let mut shown = document::run(run);
    let mut ordered = serde_json::Map::new();
    if let Value::Object(shown) = &mut shown {
        for key in FIRST {
            if let Some(value) = shown.shift_remove(key) {
                ordered.insert(key.to_owned(), value);
            }
        }
        ordered.append(shown);
    }
    Value::Object(ordered)
}
