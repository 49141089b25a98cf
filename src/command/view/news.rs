//! What a worker is told that goes on in its session: only what is new since its run of before.

use super::{
    View, age,
    context::{
        ATTACHMENTS_SHARE, Authors, BETWEEN, COMMENTS_SHARE, Entry, HAND_OFF, Section, attachments, comment_entry,
        within,
    },
    review,
    rules::{Roads, reminder},
    text::{cut, one_line},
};
use crate::board::{
    Error, Tx,
    comment::Comment,
    question::Question,
    run::{Outcome, Run},
    task::Task,
};

/// What is new for the worker of a run since another run of its session.
pub async fn news(tx: &mut Tx, task: &Task, run: &Run, before: &Run, view: &View<'_>) -> Result<String, Error> {
    let runs = tx.runs_of(&task.id).await?;
    let workers = Authors::of(tx, view, &runs).await?;
    let since = before.started_at;
    let question = tx.last_question(&task.id).await?.filter(|question| question.asked_at >= since);
    let head = head(task, run, before, view);
    let roads = Roads::of(run.profile.as_ref().and_then(|profile| view.settings.profiles.get(profile)));
    let rules = reminder(task, run, roads);
    let review = review::section(tx, task, Some(run), view).await?;
    let mut room = view.settings.dispatch.context_limit_bytes.get().saturating_sub(BETWEEN + head.len() + rules.len());
    let review = within(&review, room / 2);
    room = room.saturating_sub(review.len());
    let mut take = |section: Section, share: usize| {
        let text = section.render(share.min(room));
        room = room.saturating_sub(text.len());
        text
    };
    let answer = take(answer(question.as_ref(), &workers), COMMENTS_SHARE);
    let ended = take(ended(before), COMMENTS_SHARE);
    let mut said = tx.comments(&task.id).await?;
    said.retain(|comment| comment.created_at >= since && is_news(comment, before, question.as_ref()));
    let said = take(comments(&said, &workers), COMMENTS_SHARE);
    let mut added = tx.supplies(&task.id).await?.own;
    added.retain(|supply| {
        supply.file.created_at >= since && Some(&supply.file.uploaded_by) != own_name(before).as_ref()
    });
    let added = take(attachments(&added, true), ATTACHMENTS_SHARE);
    let sections = [head, ended, review, answer, said, added, rules];
    let told: Vec<_> = sections.iter().filter(|section| !section.is_empty()).map(String::as_str).collect();
    Ok(told.join("\n\n"))
}

fn head(task: &Task, run: &Run, before: &Run, view: &View<'_>) -> String {
    let mut lines = vec![
        format!("# Kanban task {}, gone on with: {}", task.id, one_line(&task.title)),
        String::new(),
        format!(
            "You have worked on this task before, in this session. Here is only what is new since your attempt {}, which \
             began {}.",
            before.attempt,
            age(view.now, before.started_at)
        ),
        String::new(),
    ];
    if let Some(path) = run.workspace.as_ref().or(task.workspace_path.as_ref()) {
        lines.push(format!("Workspace: {} @ {}", task.workspace_kind.as_str(), one_line(path)));
    }
    lines.push(format!("Run:      {} (attempt {})", run.id, run.attempt));
    lines.join("\n")
}

const ENDED: &str = "## What became of your last attempt";

/// How the run before has ended, where the worker cannot know it.
fn ended(before: &Run) -> Section {
    let error = before.error.as_deref().map(|error| cut(error.trim(), HAND_OFF));
    let (what, said) = match before.outcome {
        Some(Outcome::ProtocolViolation) => (
            "It ended without `kanban complete` or `kanban block`, so nobody knows what became of the task. If the work is \
             done, say so now; if not, finish it.",
            None,
        ),
        Some(Outcome::TimedOut) => ("It took longer than its time limit and was ended. Go on where you were.", error),
        Some(Outcome::Crashed | Outcome::Lost | Outcome::SpawnFailed | Outcome::GaveUp) => {
            ("It was cut off. Look at what is there already, and go on where you were.", error)
        }
        Some(Outcome::RateLimited | Outcome::AuthFailed) => {
            ("It was cut off, since your agent could not be used for a while. Go on where you were.", None)
        }
        Some(Outcome::BudgetSpent) => (
            "It was cut off, since the budget of the task was spent. It was raised since then; go on where you were.",
            None,
        ),
        Some(Outcome::Reclaimed | Outcome::Cancelled) => {
            ("It was taken from you by a person. Go on where you were.", None)
        }
        Some(
            Outcome::Blocked
            | Outcome::Completed
            | Outcome::InReview
            | Outcome::Approved
            | Outcome::ChangesRequested
            | Outcome::Scheduled
            | Outcome::SessionGone
            | Outcome::Imported,
        )
        | None => {
            return Section::newest(ENDED, Vec::new(), "attempt");
        }
    };
    let entry = Entry { heading: what.to_owned(), said, metadata: None };
    Section::newest(ENDED, vec![entry], "attempt")
}

fn answer(question: Option<&Question>, workers: &Authors<'_>) -> Section {
    let answered = question.and_then(|question| Some((question, question.answer.as_ref()?)));
    let entries = answered.map(|(question, answer)| {
        let asked =
            question.text.as_deref().map_or(String::new(), |text| format!(" to “{}”", one_line(&cut(text, 200))));
        Entry {
            heading: format!(
                "answer{asked} from {} at {}, {}:",
                workers.signed(&answer.by),
                workers.view.moment(answer.at),
                age(workers.view.now, answer.at)
            ),
            said: Some(answer.words.clone()),
            metadata: None,
        }
    });
    Section::newest("## The answer to your question", entries.into_iter().collect(), "answer")
}

fn comments(comments: &[Comment], workers: &Authors<'_>) -> Section {
    let entries = comments.iter().map(|comment| comment_entry(comment, workers)).collect();
    Section::newest("## New comments", entries, "earlier comment")
}

/// What the worker has written itself is nothing new to it, and neither is the answer that stands above.
fn is_news(comment: &Comment, before: &Run, question: Option<&Question>) -> bool {
    let answer = question.and_then(|question| question.answer.as_ref());
    let is_answer = answer.is_some_and(|answer| answer.at == comment.created_at && answer.words == comment.body);
    Some(&comment.author) != own_name(before).as_ref() && !is_answer
}

fn own_name(run: &Run) -> Option<String> {
    run.profile.as_ref().map(ToString::to_string)
}
