//! Comments on a task.

use serde_json::json;

use crate::{
    board::{
        actor::Actor,
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::TaskId,
        statements::*,
    },
    clock::Millis,
};

/// The most bytes of one comment.
pub const COMMENT_LIMIT: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Comment {
    pub id: i64,
    pub task_id: TaskId,
    pub author: String,
    pub body: String,
    pub created_at: Millis,
}

impl Tx {
    pub async fn comment(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        author: &str,
        body: &str,
        now: Millis,
    ) -> Result<(), Error> {
        self.fence_steering(actor, id).await?;
        let body = body.trim();
        if body.is_empty() {
            refuse!(Invalid, "comment body is required, as in `{{kanban}} comment {id} looks good`");
        }
        if body.len() > COMMENT_LIMIT {
            refuse!(
                TooMuch,
                "a comment may hold {COMMENT_LIMIT} bytes, this one has {}; use `{{kanban}} attach {id} FILE`",
                body.len()
            );
        }
        let task = self.task(id).await?;
        sql!(self, INSERT_COMMENT, id, author, body, now; execute);
        self.record(Kind::Commented, &task, None, json!({"author": author, "len": body.chars().count()}), now).await?;
        Ok(())
    }

    /// The newest comments of a task, oldest first, and how many there are in all.
    pub async fn last_comments(&mut self, id: &TaskId, most: i64) -> Result<(Vec<Comment>, i64), Error> {
        let (all,): (i64,) = sql!(self, COUNT_COMMENTS, id; fetch_one);
        let mut newest: Vec<Comment> = sql!(self, LAST_COMMENTS, id, most; fetch_all);
        newest.reverse();
        Ok((newest, all))
    }

    /// The comments of a task, oldest first.
    pub async fn comments(&mut self, id: &TaskId) -> Result<Vec<Comment>, Error> {
        Ok(sql!(self, COMMENTS, id; fetch_all))
    }
}
