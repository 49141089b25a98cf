//! Digests: many posts that say the same, or that come late, become one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kanban_platform::{Block, Post, PostKind, Thread, Urgency};

use crate::{
    board::{
        db::{Tx, sql},
        error::Error,
        face::short,
        statements::*,
    },
    clock::Millis,
};

/// News that are older than this come late.
pub const LATE: Millis = 10 * 60 * 1_000;

/// More failures of one kind than this are told at once.
const BURST: usize = 3;

/// So many tasks are named in a digest; the others are counted.
const NAMED: usize = 20;

/// What the posts of digests carry as their event.
const EVENT: &str = "digest";

#[derive(sqlx::FromRow)]
struct Foldable {
    id: i64,
    task_id: Option<String>,
    event: Option<String>,
    created_at: Millis,
    title: Option<String>,
}

impl Foldable {
    fn word(&self) -> Word<'_> {
        self.event.as_deref().map_or(Word::Alone, word)
    }
}

/// Whether a post of this event may be one of many, so that it is worth a look at the others.
pub fn may_fold(event: Option<&str>, created_at: Millis, now: Millis) -> bool {
    match event.map(word) {
        Some(Word::Failed(_)) => true,
        Some(Word::Other(_)) => created_at <= now - LATE,
        Some(Word::Alone) | None => false,
    }
}

/// A moment as people read it who may be anywhere.
pub fn moment(at: Millis) -> String {
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

impl Tx {
    /// Puts one post in the place of those that wait for a thread and are alike or late. Answers whether it did.
    ///
    /// What may have arrived already is left alone, and so is what asks a person.
    pub async fn digest(&mut self, thread_id: i64, thread: &Thread, now: Millis) -> Result<bool, Error> {
        let mut waiting: Vec<Foldable> = sql!(self, FOLDABLE, thread_id; fetch_all);
        waiting.retain(|post| post.word() != Word::Alone);
        let mut bursts: BTreeMap<String, usize> = BTreeMap::new();
        for post in &waiting {
            if let Word::Failed(_) = post.word() {
                *bursts.entry(post.event.clone().unwrap_or_default()).or_default() += 1;
            }
        }
        let is_late = waiting.iter().filter(|post| post.created_at <= now - LATE).count() > 1;
        waiting.retain(|post| {
            let is_burst = post.event.as_ref().and_then(|event| bursts.get(event)).is_some_and(|count| *count > BURST);
            is_burst || (is_late && post.created_at <= now - LATE)
        });
        if waiting.len() < 2 {
            return Ok(false);
        }
        let post = Post {
            delivery: String::new(),
            thread: thread.clone(),
            kind: PostKind::News,
            body: body(&waiting, is_late),
            buttons: Vec::new(),
            private: false,
            task: None,
            event: Some(EVENT.to_owned()),
            urgency: Urgency::News,
            prompts: false,
        };
        for folded in &waiting {
            sql!(self, FOLD, folded.id; execute);
        }
        self.owe(thread_id, post, Vec::new(), now).await?;
        Ok(true)
    }
}

/// The word for what an event tells of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word<'a> {
    Failed(&'a str),
    Other(&'a str),
    /// It is a message by itself, whatever else there is.
    Alone,
}

fn word(event: &str) -> Word<'_> {
    match event {
        "gave_up" => Word::Failed("gave up"),
        "crashed" | "spawn_failed" | "lost" | "protocol_violation" | "timed_out" => Word::Failed("failed"),
        "rate_limited" => Word::Failed("rate limited"),
        "completed" => Word::Other("done"),
        "blocked" | "block_loop_detected" | "card" | EVENT => Word::Alone,
        other => Word::Other(other),
    }
}

fn body(posts: &[Foldable], is_late: bool) -> Vec<Block> {
    let word = |post: &Foldable| match post.word() {
        Word::Failed(word) | Word::Other(word) => word.replace('_', " "),
        Word::Alone => String::new(),
    };
    let mut counts: Vec<(String, usize)> = Vec::new();
    for post in posts {
        let word = word(post);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts = counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ");
    let times = || posts.iter().map(|post| post.created_at);
    let (first, last) = (moment(times().min().unwrap_or(0)), moment(times().max().unwrap_or(0)));
    let period = if first == last { first } else { format!("{first} – {last}") };
    let head = if is_late {
        format!("While I could not reach you ({period}): {counts}")
    } else {
        format!("In short ({period}): {counts}")
    };
    let mut lines: Vec<String> = posts
        .iter()
        .take(NAMED)
        .map(|post| {
            let title = short(post.title.as_deref().unwrap_or("(deleted)"));
            format!("• {}: {title} · {}", word(post), post.task_id.as_deref().unwrap_or("-"))
        })
        .collect();
    if posts.len() > NAMED {
        lines.push(format!("• and {} more; `/kanban list` shows where they stand", posts.len() - NAMED));
    }
    let mut body = vec![Block::Text(head), Block::Text(lines.join("\n"))];
    if posts.iter().any(|post| post.event.as_deref() == Some("gave_up")) {
        body.push(Block::Text("To try one again: `/kanban retry ID`; why it failed: `/kanban log ID`".to_owned()));
    }
    body
}
