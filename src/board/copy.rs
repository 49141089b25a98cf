//! A copy of a board as it is at one moment, made while others go on writing, and looked through before it is used.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use crate::board::{
    Board,
    error::{Error, Fault, refuse},
    schema,
};

/// How long a lock of somebody who writes is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

impl Board {
    /// Copies the board into a new file, durably. The copy is one file, with no log beside it.
    ///
    /// # Errors
    /// When the file is there, and when what was copied is not whole.
    pub async fn copy_to(&self, file: &Path) -> Result<(), Error> {
        // Nobody else may read it, from the start.
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(file)?;
        let options = SqliteConnectOptions::new().filename(self.file()).create_if_missing(false).busy_timeout(PATIENCE);
        let mut conn = SqliteConnection::connect_with(&options).await.map_err(Fault::from)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(file.display().to_string()).execute(&mut conn).await;
        // Its end changes nothing any more.
        let _ = conn.close().await;
        copied.map_err(Fault::from)?;
        File::open(file)?.sync_all()?;
        check_copy(file).await
    }
}

/// Looks a board's file through that nobody has open: whether it is whole, and a board that this program can use.
///
/// # Errors
/// Refuses what is damaged, what is no board, and one that a newer program has written.
pub async fn check_copy(file: &Path) -> Result<(), Error> {
    let shown = file.display();
    // A file without a log beside it is not changed by being looked at, since it is not opened to be written.
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        .immutable(true)
        .pragma("trusted_schema", "off");
    let looked = async {
        let mut conn = SqliteConnection::connect_with(&options).await?;
        let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(5)").fetch_all(&mut conn).await?;
        let torn: Vec<(String,)> =
            sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check").fetch_all(&mut conn).await?;
        let marks: (i64, i64) = sqlx::query_as(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version)",
        )
        .fetch_one(&mut conn)
        .await?;
        conn.close().await?;
        Ok::<_, sqlx::Error>((found, torn, marks))
    };
    let (found, torn, (application, version)) = match looked.await.map_err(Fault::from) {
        Ok(looked) => looked,
        Err(fault) if fault.damaged => refuse!(Damaged, "`{shown}` is damaged: {fault}"),
        Err(fault) => return Err(fault.into()),
    };
    if let Some((problem,)) = found.iter().find(|(found,)| found != "ok") {
        refuse!(Damaged, "`{shown}` is damaged: {problem}");
    }
    schema::is_usable(file, application, version)?;
    if let Some((table,)) = torn.first() {
        refuse!(Damaged, "`{shown}` is damaged: rows of `{table}` refer to rows that are not there");
    }
    Ok(())
}

/// Lets a copy's attached files be those of a folder, where it may be that of another home than the one it was made in.
pub(crate) async fn settle(file: &Path, attachments: &Path) -> Result<(), Error> {
    let options =
        SqliteConnectOptions::new().filename(file).create_if_missing(false).journal_mode(SqliteJournalMode::Delete);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(Fault::from)?;
    let moved = async {
        let mut tx = conn.begin().await?;
        let stored: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, stored_path FROM attachments").fetch_all(&mut *tx).await?;
        for (id, path) in stored {
            let path = Path::new(&path);
            let (Some(name), Some(task)) = (path.file_name(), path.parent().and_then(Path::file_name)) else {
                continue;
            };
            sqlx::query("UPDATE attachments SET stored_path = $1 WHERE id = $2")
                .bind(attachments.join(task).join(name).display().to_string())
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        conn.close().await
    };
    moved.await.map_err(Fault::from)?;
    Ok(File::open(file)?.sync_all()?)
}

/// A path beside another one that nothing has yet.
pub(crate) fn draft_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}", crate::random::hex::<4>()));
    PathBuf::from(name)
}

/// Refuses a name for a new file where something lies, or where none can be made.
pub(crate) fn require_free(file: &Path) -> Result<(), Error> {
    if file.exists() {
        refuse!(Invalid, "`{}` is there already; name another file with `--out`", file.display());
    }
    let draft = draft_of(file);
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft);
    if let Err(error) = made.and_then(|_| fs::remove_file(&draft)) {
        refuse!(Invalid, "`{}` cannot be written: {error}; name another file with `--out`", file.display());
    }
    Ok(())
}

/// Puts a file that is whole under its name, where nothing lies yet.
pub(crate) fn put_in_place(draft: &Path, file: &Path) -> Result<(), Error> {
    // A second name is refused where there is one, which a renaming would replace.
    match fs::hard_link(draft, file) {
        Ok(()) => fs::remove_file(draft)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            refuse!(Invalid, "`{}` is there already; name another file with `--out`", file.display())
        }
        // Some file systems know one name for a file alone.
        Err(_) if !file.exists() => fs::rename(draft, file)?,
        Err(error) => return Err(error.into()),
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Makes an empty database that only its owner may read.
pub(crate) async fn new_database(file: &Path) -> Result<SqliteConnection, Error> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(file)?;
    let options = SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Delete);
    Ok(SqliteConnection::connect_with(&options).await.map_err(Fault::from)?)
}
