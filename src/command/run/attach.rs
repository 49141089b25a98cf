//! `attach` and `attach-rm`: the file is copied into the board's folder, the row is kept with the change.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    board::{
        Board, Error, Tx,
        attachment::{ATTACHMENT_LIMIT, NewAttachment},
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
    let source = readable(caller, path)?;
    let shown = path.display();
    let mut file = match OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&source)
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => refuse!(Unknown, "no such file: {shown}"),
        Err(error) => refuse!(Invalid, "`{shown}` cannot be read: {error}"),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        refuse!(Invalid, "`{shown}` is not a file");
    }
    if metadata.len() > ATTACHMENT_LIMIT {
        refuse!(TooMuch, "an attachment may have {ATTACHMENT_LIMIT} bytes, `{shown}` has {}", metadata.len());
    }
    let name = file_name(args.name.as_deref(), path)?;
    let folder = board.folder().join("attachments").join(args.task.as_str());
    fs::create_dir_all(&folder)?;
    let (mut copy, path) = create_beside(&folder, &name)?;
    let stored =
        Stored { path, name, size: io::copy(&mut (&mut file).take(ATTACHMENT_LIMIT), &mut copy)?, kept: false };
    copy.sync_all()?;
    Ok(stored)
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
fn readable(caller: &Caller, path: &Path) -> Result<PathBuf, Error> {
    match &caller.place {
        Place::Thread(_) => refuse!(
            Forbidden,
            "files of this machine cannot be attached from a chat; send the file with the message, or run `kanban attach` on the machine"
        ),
        Place::Terminal { folder } => Ok(folder.join(path)),
        Place::Worker { workspace, .. } => {
            let Ok(path) = fs::canonicalize(workspace.join(path)) else {
                refuse!(Unknown, "no such file: {}", path.display());
            };
            if !fs::canonicalize(workspace).is_ok_and(|workspace| path.starts_with(workspace)) {
                refuse!(Forbidden, "`{}` is outside of your workspace `{}`", path.display(), workspace.display());
            }
            Ok(path)
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
