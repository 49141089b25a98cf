//! Files that belong to a task: the rows; the files lie in the board's folder.

use std::collections::HashSet;

use serde_json::json;

use crate::{
    board::{
        actor::Actor,
        db::{Tx, sql},
        error::{Error, refuse},
        event::Kind,
        id::TaskId,
        run::Run,
        statements::*,
        task::Task,
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
    /// The run whose worker handed it over with its work; none for a file that was attached.
    pub run_id: Option<i64>,
}

/// A file that is handed over with the work of a task. It lies in place already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifact {
    pub filename: String,
    pub stored_path: String,
    pub content_type: Option<String>,
    pub size: i64,
}

/// A file that lies in place already.
pub struct NewAttachment<'a> {
    pub filename: &'a str,
    pub stored_path: &'a str,
    pub content_type: Option<&'a str>,
    pub size: i64,
    pub uploaded_by: &'a str,
}

/// As many files, and as many bytes in all, are laid out in the workspace of a worker.
const LAID_OUT: usize = 256;
const LAID_OUT_BYTES: i64 = 256 * 1024 * 1024;

/// A file, and where in its workspace a worker finds it; nowhere if it is beyond what is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Supply {
    pub file: Attachment,
    pub place: Option<String>,
}

/// The files that a worker is given: those of its task, and what the ended parents have handed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supplies {
    pub own: Vec<Supply>,
    pub of_parents: Vec<Supply>,
}

impl Supplies {
    fn of(own: Vec<Attachment>, of_parents: Vec<Attachment>) -> Self {
        let (mut taken, mut bytes) = (HashSet::new(), 0_i64);
        let mut place = |folder: String, file: Attachment| {
            bytes = bytes.saturating_add(file.size);
            let fits = taken.len() < LAID_OUT && bytes <= LAID_OUT_BYTES;
            Supply { place: fits.then(|| free_place(&folder, &file.filename, &mut taken)), file }
        };
        let own = own.into_iter().map(|file| place(".kanban/attachments".to_owned(), file)).collect();
        let of_parents =
            of_parents.into_iter().map(|file| place(format!(".kanban/parents/{}", file.task_id), file)).collect();
        Self { own, of_parents }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Supply> {
        self.own.iter().chain(&self.of_parents)
    }
}

/// A path in a folder that nothing else has, by the name of a file.
fn free_place(folder: &str, filename: &str, taken: &mut HashSet<String>) -> String {
    let name = kanban_platform::file_name(filename);
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) => (stem, format!(".{ending}")),
        None => (name.as_str(), String::new()),
    };
    let mut place = format!("{folder}/{name}");
    let mut number = 0_usize;
    // Some file systems take no two names that differ in their capitals alone.
    while !taken.insert(place.to_lowercase()) {
        number += 1;
        place = format!("{folder}/{stem}_{number}{ending}");
    }
    place
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
            file.size, file.uploaded_by, now, None::<i64>; fetch_one);
        let payload = json!({"filename": file.filename, "size": file.size, "by": file.uploaded_by});
        self.record(Kind::Attached, &task, None, payload, now).await?;
        Ok(attachment)
    }

    /// Keeps the files that a run has handed over.
    pub(crate) async fn keep_artifacts(
        &mut self,
        actor: &Actor,
        task: &Task,
        run: &Run,
        artifacts: &[Artifact],
        now: Millis,
    ) -> Result<(), Error> {
        for file in artifacts {
            let kept: Attachment = sql!(self, INSERT_ATTACHMENT, &task.id, &file.filename, &file.stored_path,
                file.content_type.as_ref(), file.size, actor.name(), now, run.id; fetch_one);
            let payload = json!({"filename": kept.filename, "size": kept.size, "by": actor.name(), "artifact": true});
            self.record(Kind::Attached, task, Some(run), payload, now).await?;
        }
        Ok(())
    }

    /// The files that a run has handed over.
    pub async fn artifacts_of_run(&mut self, run: i64) -> Result<Vec<Attachment>, Error> {
        Ok(sql!(self, ARTIFACTS_OF_RUN, run; fetch_all))
    }

    /// What the worker of a task is given to read.
    pub async fn supplies(&mut self, id: &TaskId) -> Result<Supplies, Error> {
        let own = self.attachments(id).await?;
        Ok(Supplies::of(own, sql!(self, ARTIFACTS_OF_PARENTS, id; fetch_all)))
    }

    pub async fn attachments(&mut self, id: &TaskId) -> Result<Vec<Attachment>, Error> {
        Ok(sql!(self, ATTACHMENTS, id; fetch_all))
    }

    /// Where the files lie that any row of the board names.
    pub async fn stored_files(&mut self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = sql!(self, STORED_FILES; fetch_all);
        Ok(rows.into_iter().map(|(path,)| path).collect())
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
