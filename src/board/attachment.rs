//! Files that belong to a task: the rows; the files lie in the board's folder.

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

/// The most bytes of one attachment.
pub const ATTACHMENT_LIMIT: u64 = 25 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Attachment {
    pub id: i64,
    pub task_id: TaskId,
    pub filename: String,
    pub stored_path: String,
    pub content_type: Option<String>,
    pub size: i64,
    pub uploaded_by: String,
    pub created_at: Millis,
}

/// A file that lies in place already.
pub struct NewAttachment<'a> {
    pub filename: &'a str,
    pub stored_path: &'a str,
    pub content_type: Option<&'a str>,
    pub size: i64,
    pub uploaded_by: &'a str,
}

impl Tx {
    pub async fn attach(
        &mut self,
        actor: &Actor,
        id: &TaskId,
        file: NewAttachment<'_>,
        now: Millis,
    ) -> Result<Attachment, Error> {
        self.fence(actor, id).await?;
        let task = self.task(id).await?;
        let attachment: Attachment = sql!(self, INSERT_ATTACHMENT, id, file.filename, file.stored_path, file.content_type,
            file.size, file.uploaded_by, now; fetch_one);
        let payload = json!({"filename": file.filename, "size": file.size, "by": file.uploaded_by});
        self.record(Kind::Attached, &task, None, payload, now).await?;
        Ok(attachment)
    }

    pub async fn attachments(&mut self, id: &TaskId) -> Result<Vec<Attachment>, Error> {
        Ok(sql!(self, ATTACHMENTS, id; fetch_all))
    }

    /// Removes the row and answers it, so that the file can be removed once this is committed.
    pub async fn attachment(&mut self, attachment: i64) -> Result<Option<Attachment>, Error> {
        Ok(sql!(self, ATTACHMENT, attachment; fetch_optional))
    }

    pub async fn detach(&mut self, actor: &Actor, attachment: i64, now: Millis) -> Result<Attachment, Error> {
        let found: Option<Attachment> = sql!(self, ATTACHMENT, attachment; fetch_optional);
        let Some(found) = found else {
            refuse!(
                Unknown,
                "no such attachment: {attachment}; `{{kanban}} attachments ID` lists a task's attachments"
            );
        };
        self.fence(actor, &found.task_id).await?;
        let task = self.task(&found.task_id).await?;
        sql!(self, DELETE_ATTACHMENT, attachment; execute);
        self.record(Kind::AttachmentRemoved, &task, None, json!({"filename": found.filename}), now).await?;
        Ok(found)
    }
}
