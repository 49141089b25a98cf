//! Opening a board's file: making it, bringing it up to date, and refusing what must not be touched.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::board::error::{Error, Fault, Reason, refuse};

/// Marks a file as one of ours: "KNBN".
const APPLICATION_ID: i64 = 0x4b4e_424e;

/// The oldest SQLite without the fault that can lose a write-ahead log.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// Each migration brings a board from the version before its number to its number.
const MIGRATIONS: &[(i64, &str)] = &[(1, include_str!("../../migrations/sqlite/0001_board.sql"))];

/// The version that this program reads and writes.
pub const VERSION: i64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    application: i64,
    version: i64,
    tables: i64,
}

/// Makes sure that the file is a board of this version, creating or migrating it under an exclusive lock, so that any
/// number of processes may start at once.
pub(crate) async fn prepare(file: &Path) -> Result<(), Error> {
    if file.exists() && is_current(file, inspect(file).await?)? {
        return Ok(());
    }
    let folder = file.parent().ok_or_else(|| Fault::new(format!("`{}` has no folder", file.display())))?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(folder.join("board.lock"))?;
    // Waiting for a lock blocks a thread; it must not be one that serves others.
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .map_err(|error| Fault::new(error.to_string()))??;
    let migrated = migrate(file).await;
    drop(lock);
    migrated
}

async fn migrate(file: &Path) -> Result<(), Error> {
    let is_new = !file.exists();
    let header = if is_new { Header { application: 0, version: 0, tables: 0 } } else { inspect(file).await? };
    if !is_new && is_current(file, header)? {
        return Ok(());
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_secs(30));
    if is_new {
        // The file may hold anything that people tell their agents, so nobody else may read it.
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(file)?;
    }
    let mut conn = SqliteConnection::connect_with(&options).await?;
    if header.tables > 0 {
        let backup = beside(file, &format!("before-{VERSION}-from-{}", header.version));
        if !backup.exists() {
            sqlx::query("VACUUM INTO $1").bind(backup.display().to_string()).execute(&mut conn).await?;
        }
    }
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    for (version, script) in MIGRATIONS.iter().filter(|(version, _)| *version > header.version) {
        sqlx::raw_sql(*script).execute(&mut *tx).await?;
        if *version == 1 {
            for (key, value) in [("uid", crate::random::hex::<4>())] {
                sqlx::query(crate::board::statements::SET_META).bind(key).bind(value).execute(&mut *tx).await?;
            }
        }
    }
    // Pragmas take no parameters; both numbers are constants that a test compares with the ones above.
    sqlx::raw_sql("PRAGMA application_id = 1263419982; PRAGMA user_version = 1").execute(&mut *tx).await?;
    tx.commit().await?;
    conn.close().await?;
    Ok(())
}

/// Whether the file can be used as it is; refuses one that must not be touched.
fn is_current(file: &Path, header: Header) -> Result<bool, Error> {
    let name = file.display();
    match header {
        Header { application: APPLICATION_ID, version, .. } if version > VERSION => refuse!(
            NewerSchema,
            "the board `{name}` was written by a newer kanban (schema {version}, this one knows {VERSION}); nothing was changed; install the newer kanban"
        ),
        Header { application: APPLICATION_ID, version, .. } => Ok(version == VERSION),
        Header { application: 0, tables: 0, .. } => Ok(false),
        Header { .. } => refuse!(
            Damaged,
            "`{name}` is a database, but not a board of ours; nothing was changed; move it away, or choose another home with `--home`"
        ),
    }
}

async fn inspect(file: &Path) -> Result<Header, Error> {
    match read_header(file).await {
        Ok((application, version, tables, sqlite)) => {
            let parts: Vec<u32> = sqlite.split('.').filter_map(|part| part.parse().ok()).collect();
            if !matches!(parts[..], [major, minor, patch] if (major, minor, patch) >= OLDEST_SQLITE) {
                let (major, minor, patch) = OLDEST_SQLITE;
                return Err(Fault::new(format!("this program is linked to SQLite {sqlite}, which can lose data; {major}.{minor}.{patch} or newer is needed")).into());
            }
            Ok(Header { application, version, tables })
        }
        Err(error) if is_damage(&error) => Err(set_aside(file, &error)?),
        Err(error) => Err(error.into()),
    }
}

async fn read_header(file: &Path) -> Result<(i64, i64, i64, String), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(std::time::Duration::from_secs(30));
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let header = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
         (SELECT count(*) FROM sqlite_schema), sqlite_version()",
    )
    .fetch_one(&mut conn)
    .await?;
    conn.close().await?;
    Ok(header)
}

/// The file is broken, or it is no database at all: codes 11 and 26.
fn is_damage(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Copies a damaged board with its log beside it, once for each distinct content, and answers the refusal to open it.
pub(crate) fn set_aside(file: &Path, damage: &dyn std::fmt::Display) -> Result<Error, Error> {
    let name = beside(file, &format!("damaged-{}", fingerprint(file)?));
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(file, suffix);
        let to = with_suffix(&name, suffix);
        if from.exists() && !to.exists() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(Error::refused(
        Reason::Damaged,
        format!(
            "the board `{}` is damaged ({damage}) and is not opened; a copy was set aside as `{}`; put a backup in its place, or move it away to begin anew",
            file.display(),
            name.display()
        ),
    ))
}

fn fingerprint(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(file)?;
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => break,
            read => hash.update(&block[..read]),
        }
    }
    Ok(crate::random::hex_of(&hash.finalize()[..8]))
}

fn beside(file: &Path, what: &str) -> PathBuf {
    with_suffix(file, &format!(".{what}"))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::{APPLICATION_ID, MIGRATIONS, VERSION};

    #[test]
    fn the_numbers_in_the_pragmas_are_the_constants() {
        assert_eq!((APPLICATION_ID, VERSION), (1_263_419_982, 1));
        assert_eq!(MIGRATIONS.last().map(|(version, _)| *version), Some(VERSION));
    }
}
