//! `attach` and `attach-rm`: the file is copied into the board's folder, the row is kept with the change.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, io::Errno};

use crate::{
    board::{
        Board, Error, Reason, TaskId, Tx,
        attachment::{ATTACHMENT_LIMIT, Artifact, NewAttachment},
        error::refuse,
    },
    command::{
        access,
        caller::{Caller, Place},
        desk::{Desk, Done},
        reply::Reply,
        run::Prepared,
        verbs::{Attach, AttachRm},
    },
    dispatcher::workspace::Opened,
};

/// A copy that is removed again unless [`Stored::keep`] says that the board refers to it.
pub(in crate::command) struct Stored {
    path: PathBuf,
    name: String,
    size: u64,
    kept: bool,
}

impl Stored {
    pub(in crate::command) fn keep(mut self) {
        self.kept = true;
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// As it goes with a hand-off.
    pub(super) fn artifact(&self) -> Artifact {
        Artifact {
            filename: self.name.clone(),
            stored_path: self.path.display().to_string(),
            content_type: media_type(&self.name).map(str::to_owned),
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
        }
    }

    /// Copies a file into the folder of a task, durably. `shown` is how its reader knows it.
    pub(super) fn copy(
        mut file: File,
        shown: &str,
        path: &Path,
        named: Option<&str>,
        board: &Board,
        task: &TaskId,
    ) -> Result<Self, Error> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            refuse!(Invalid, "`{shown}` is not a file");
        }
        let too_much = |size: u64| {
            let text = format!("an attachment may have {ATTACHMENT_LIMIT} bytes, `{shown}` has {size}");
            Error::refused(Reason::TooMuch, text)
        };
        if metadata.len() > ATTACHMENT_LIMIT {
            return Err(too_much(metadata.len()));
        }
        let name = file_name(named, path)?;
        let folder = board.folder().join("attachments").join(task.as_str());
        fs::create_dir_all(&folder)?;
        let (mut copy, path) = create_beside(&folder, &name)?;
        let mut stored = Self { path, name, size: 0, kept: false };
        // It may grow while it is read.
        stored.size = io::copy(&mut (&mut file).take(ATTACHMENT_LIMIT + 1), &mut copy)?;
        if stored.size > ATTACHMENT_LIMIT {
            return Err(too_much(stored.size));
        }
        copy.sync_all()?;
        File::open(&folder)?.sync_all()?;
        Ok(stored)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing refers to the copy; one that stays costs space alone.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Copies the file of an `attach`, before its transaction begins.
pub(super) fn store(caller: &Caller, board: &Board, args: &Attach, path: &Path) -> Result<Stored, Error> {
    let shown = path.display().to_string();
    let file = readable(caller, path)?;
    Stored::copy(file, &shown, path, args.name.as_deref(), board, &args.task)
}

pub(super) async fn attach(
    desk: &Desk,
    caller: &Caller,
    args: &Attach,
    prepared: &Prepared,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let Prepared::File(file) = prepared else {
        // It comes with the message, and the answer says so.
        tx.task(&args.task).await?;
        return Ok(Reply::default().about(&args.task).into());
    };
    let author = access::signed(caller, args.author.as_deref(), "--author")?;
    let path = file.path.display().to_string();
    let new = NewAttachment {
        filename: &file.name,
        stored_path: &path,
        content_type: args.content_type.as_deref().or_else(|| media_type(&file.name)),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        uploaded_by: &author,
    };
    let attachment = tx.attach(&caller.actor, &args.task, new, desk.now()).await?;
    let text = format!(
        "Attached {} to {} (attachment {}, {} bytes)",
        attachment.filename, args.task, attachment.id, attachment.size
    );
    Ok(Reply::text(text).about(&args.task).into())
}

pub(super) async fn remove(desk: &Desk, caller: &Caller, args: &AttachRm, tx: &mut Tx) -> Result<Done, Error> {
    let gone = tx.detach(&caller.actor, args.attachment, desk.now()).await?;
    let reply = Reply::text(format!("Deleted attachment {} ({}) from {}", gone.id, gone.filename, gone.task_id));
    Ok(Done { reply: reply.about(&gone.task_id), leftovers: vec![gone.stored_path.into()] })
}

/// Whose files may be read: an owner's own at this machine, a worker's in its workspace, and nobody's from a chat.
fn readable(caller: &Caller, path: &Path) -> Result<File, Error> {
    let shown = path.display();
    match &caller.place {
        Place::Thread(_) => refuse!(
            Forbidden,
            "files of this machine cannot be attached from a chat; send the file with the message, or run `kanban attach` on the machine"
        ),
        Place::Terminal { folder } => {
            // What is no regular file must not hold us up, and no link is followed.
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(folder.join(path));
            match opened {
                Ok(file) => Ok(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => refuse!(Unknown, "no such file: {shown}"),
                Err(error) => refuse!(Invalid, "`{shown}` cannot be read: {error}"),
            }
        }
        Place::Worker { workspace, .. } => {
            let opened = Opened::below(Path::new("/"), workspace)
                .map_err(|closed| Error::refused(Reason::Invalid, closed.to_string()))?;
            match opened.file(path) {
                Ok(file) => Ok(file),
                Err(Errno::NOENT | Errno::NOTDIR) => refuse!(Unknown, "no such file: {shown}"),
                Err(Errno::XDEV | Errno::LOOP) => {
                    refuse!(Forbidden, "`{shown}` is outside of your workspace `{}`", workspace.display())
                }
                Err(error) => refuse!(Invalid, "`{shown}` cannot be read: {}", io::Error::from(error)),
            }
        }
    }
}

fn file_name(asked: Option<&str>, path: &Path) -> Result<String, Error> {
    let name = match asked {
        Some(name) => name.trim().to_owned(),
        None => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    };
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) || name.len() > 200 {
        refuse!(Invalid, "`{name}` is not a file name; choose one with `--name`");
    }
    Ok(name)
}

/// A new file of this name, or of `name_1` and so on where it is taken.
fn create_beside(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        Some(_) | None => (name, String::new()),
    };
    let mut path = folder.join(name);
    for number in 1_u32.. {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path = folder.join(format!("{stem}_{number}{ending}"));
            }
            opened => return opened.map(|file| (file, path)),
        }
    }
    Err(io::Error::other("no name is left"))
}

/// The media type of the endings that people attach most.
fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "html" => "text/html",
        _ => return None,
    })
}
