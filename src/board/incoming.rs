//! Files that people sent along with a message: owed to a task until they are fetched or given up, over any restart.

use kanban_platform::{Block, Incoming, Post, PostKind, Thread, Urgency};

use crate::{
    board::{
        actor::Actor,
        attachment::{Attachment, NewAttachment},
        db::{Tx, sql},
        error::Error,
        id::TaskId,
        statements::*,
        thread::Place,
    },
    clock::Millis,
};

/// What the posts on files carry as their event.
const EVENT: &str = "file";

/// A file that is still to be fetched.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub id: i64,
    pub task: TaskId,
    pub thread: Thread,
    pub file: Incoming,
    /// Who sent it, as `platform:id (name)`.
    pub person: String,
    pub attempts: i64,
    pub created_at: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    task_id: TaskId,
    #[sqlx(flatten)]
    place: Place,
    file: String,
    person: String,
    attempts: i64,
    created_at: Millis,
}

impl Tx {
    /// Owes a task a file, for which it waits until `holds_until` before it starts.
    pub async fn expect_file(
        &mut self,
        task: &TaskId,
        from: &Thread,
        file: &Incoming,
        person: &str,
        holds_until: Millis,
        now: Millis,
    ) -> Result<(), Error> {
        let thread = self.thread_id(from, now).await?;
        sql!(self, INSERT_INCOMING, task, thread, serde_json::to_string(file)?, person, holds_until, now; execute);
        sql!(self, HOLD_FOR_FILES, task, holds_until; execute);
        Ok(())
    }

    /// The files that are to be fetched now, at most `limit`.
    pub async fn files_due(&mut self, now: Millis, limit: i64) -> Result<Vec<Waiting>, Error> {
        let rows: Vec<Row> = sql!(self, FILES_DUE, now, limit; fetch_all);
        rows.into_iter().map(waiting).collect()
    }

    /// When a file is to be fetched next that is not to be fetched now.
    pub async fn next_file_due(&mut self, now: Millis) -> Result<Option<Millis>, Error> {
        let (next,): (Option<Millis>,) = sql!(self, NEXT_FILE_DUE, now; fetch_one);
        Ok(next)
    }

    /// The files that a task still waits for.
    pub async fn files_expected(&mut self, task: &TaskId) -> Result<Vec<Waiting>, Error> {
        let rows: Vec<Row> = sql!(self, FILES_EXPECTED, task; fetch_all);
        rows.into_iter().map(waiting).collect()
    }

    /// Makes a file that was fetched an attachment of its task. None if it is not owed any more.
    pub async fn file_taken(
        &mut self,
        file: &Waiting,
        new: NewAttachment<'_>,
        now: Millis,
    ) -> Result<Option<Attachment>, Error> {
        if sql!(self, SETTLE_INCOMING, file.id, "taken", None::<&str>; execute) != 1 {
            return Ok(None);
        }
        let person = Actor::Person { name: file.person.clone() };
        let attachment = self.attach(&person, &file.task, new, now).await?;
        self.let_start(file).await?;
        Ok(Some(attachment))
    }

    /// Gives a file up, and tells the thread that it came from.
    pub async fn file_refused(&mut self, file: &Waiting, reason: &str, now: Millis) -> Result<(), Error> {
        if sql!(self, SETTLE_INCOMING, file.id, "refused", Some(reason); execute) != 1 {
            return Ok(());
        }
        let thread = self.thread_id(&file.thread, now).await?;
        let kanban = self.slug().program();
        let name = kanban_platform::file_name(&file.file.name);
        let text = format!(
            "`{name}` could not be taken in for {task}: {reason}. To add it, send it again in a message with `{kanban} attach {task}`.",
            task = file.task
        );
        let post = Post {
            delivery: String::new(),
            thread: file.thread.clone(),
            kind: PostKind::News,
            body: vec![Block::Text(text)],
            buttons: Vec::new(),
            private: false,
            task: Some(file.task.to_string()),
            event: Some(EVENT.to_owned()),
            urgency: Urgency::News,
            prompts: false,
        };
        self.owe(thread, post, Vec::new(), now).await?;
        self.let_start(file).await
    }

    /// Puts a file off that could not be fetched.
    pub async fn file_later(&mut self, file: &Waiting, at: Millis, reason: &str) -> Result<(), Error> {
        sql!(self, INCOMING_LATER, file.id, at, reason; execute);
        Ok(())
    }

    /// Lets a task start that waited for its files, once none is left.
    async fn let_start(&mut self, file: &Waiting) -> Result<(), Error> {
        if sql!(self, END_HOLD_FOR_FILES, &file.task, file.id; execute) == 1 {
            self.wakes_dispatcher();
        }
        Ok(())
    }
}

fn waiting(row: Row) -> Result<Waiting, Error> {
    Ok(Waiting {
        id: row.id,
        task: row.task_id,
        thread: row.place.thread(),
        file: serde_json::from_str(&row.file)?,
        person: row.person,
        attempts: row.attempts,
        created_at: row.created_at,
    })
}
