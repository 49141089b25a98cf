//! Opening a board's file: making it, bringing it up to date, and refusing what must not be touched.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::board::{
    error::{Error, Fault, Reason, refuse},
    statements::SET_META,
    turn::Turns,
};

/// Marks a file as one of ours: "KNBN".
const APPLICATION_ID: i64 = 0x4b4e_424e;

/// The oldest SQLite without the fault that can lose a write-ahead log.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// A migration brings a board from the version before its number to its number.
type Migration = (i64, &'static str);

/// All of them, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[
    (1, include_str!("../../migrations/sqlite/0001_board.sql")),
    (2, include_str!("../../migrations/sqlite/0002_chat.sql")),
    (3, include_str!("../../migrations/sqlite/0003_pins.sql")),
    (4, include_str!("../../migrations/sqlite/0004_cards.sql")),
    (5, include_str!("../../migrations/sqlite/0005_questions.sql")),
    (6, include_str!("../../migrations/sqlite/0006_lanes.sql")),
    (7, include_str!("../../migrations/sqlite/0007_access.sql")),
    (8, include_str!("../../migrations/sqlite/0008_files.sql")),
    (9, include_str!("../../migrations/sqlite/0009_reviews.sql")),
    (10, include_str!("../../migrations/sqlite/0010_artifacts.sql")),
    (11, include_str!("../../migrations/sqlite/0011_sessions.sql")),
    (12, include_str!("../../migrations/sqlite/0012_parks.sql")),
    (13, include_str!("../../migrations/sqlite/0013_incoming.sql")),
    (14, include_str!("../../migrations/sqlite/0014_budgets.sql")),
    (15, include_str!("../../migrations/sqlite/0015_schedules.sql")),
    (16, include_str!("../../migrations/sqlite/0016_quorums.sql")),
    (17, include_str!("../../migrations/sqlite/0017_arrivals.sql")),
    (VERSION, include_str!("../../migrations/sqlite/0018_left_worktrees.sql")),
];

/// The version that this program reads and writes.
pub const VERSION: i64 = 18;

/// What a database says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) application: i64,
    pub(crate) version: i64,
}

impl Header {
    /// Whether this is a board of this version, so that there is nothing to prepare.
    pub(crate) fn is_ready(self) -> bool {
        self == Self { application: APPLICATION_ID, version: VERSION }
    }
}

/// Makes sure that the file is a board of this version, creating or migrating it under an exclusive lock, so that any
/// number of processes may start at once.
pub(crate) async fn prepare(file: &Path, turns: &Turns) -> Result<(), Error> {
    prepare_with(file, turns, MIGRATIONS).await
}

/// Whether a file is a board of this version; refuses one that must not be touched.
pub(crate) async fn is_current_file(file: &Path) -> Result<bool, Error> {
    is_current(file, inspect(file).await?, MIGRATIONS)
}

async fn prepare_with(file: &Path, turns: &Turns, migrations: &[Migration]) -> Result<(), Error> {
    if file.exists() && is_current(file, inspect(file).await?, migrations)? {
        return Ok(());
    }
    let folder = file.parent().ok_or_else(|| Fault::new(format!("`{}` has no folder", file.display())))?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let turn = turns.wait().await?;
    if !file.exists() {
        make(file, folder, migrations).await?;
    } else {
        let header = inspect(file).await?;
        if !is_current(file, header, migrations)? {
            migrate(file, header.version, migrations).await?;
        }
    }
    drop(turn);
    Ok(())
}

/// Makes a new board beside its place and moves it there when it is whole, so that an empty file is always damage.
async fn make(file: &Path, folder: &Path, migrations: &[Migration]) -> Result<(), Error> {
    // A log that lost its board would be played into the new one.
    let orphan = with_suffix(file, "-wal");
    if orphan.exists() {
        fs::rename(&orphan, beside(file, &format!("orphan-{}-wal", fingerprint(&orphan)?)))?;
    }
    let draft = beside(file, "draft");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(&draft, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    // The file may hold anything that people tell their agents, so nobody else may read it.
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    let mut conn = connect(&draft).await?;
    run_migrations(&mut conn, 0, migrations).await?;
    sqlx::query(SET_META).bind("uid").bind(crate::random::hex::<4>()).execute(&mut conn).await?;
    conn.close().await?;
    fs::rename(&draft, file)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Brings an older board up to date, with a copy of it as it was.
async fn migrate(file: &Path, from: i64, migrations: &[Migration]) -> Result<(), Error> {
    let mut conn = connect(file).await?;
    let backup = beside(file, &format!("before-{}-from-{from}", newest(migrations)));
    if !backup.exists() {
        // Written beside and renamed, so that a copy that was cut short is not taken for the backup.
        let draft = with_suffix(&backup, "-draft");
        fs::remove_file(&draft).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
        sqlx::query("VACUUM INTO $1").bind(draft.display().to_string()).execute(&mut conn).await?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, &backup)?;
    }
    run_migrations(&mut conn, from, migrations).await?;
    conn.close().await?;
    Ok(())
}

/// All that is missing, or nothing of it.
async fn run_migrations(conn: &mut SqliteConnection, from: i64, migrations: &[Migration]) -> Result<(), Error> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    for (_, script) in migrations.iter().filter(|(version, _)| *version > from) {
        sqlx::raw_sql(*script).execute(&mut *tx).await?;
    }
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", newest(migrations));
    sqlx::raw_sql(AssertSqlSafe(marks)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn connect(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(std::time::Duration::from_secs(30));
    SqliteConnection::connect_with(&options).await
}

fn newest(migrations: &[Migration]) -> i64 {
    migrations.last().map_or(0, |(version, _)| *version)
}

/// Whether the file can be used as it is; refuses one that must not be touched.
fn is_current(file: &Path, header: Header, migrations: &[Migration]) -> Result<bool, Error> {
    let name = file.display();
    let newest = newest(migrations);
    match header {
        Header { application: APPLICATION_ID, version } if version > newest => refuse!(
            NewerSchema,
            "the board `{name}` was written by a newer kanban (schema {version}, this one knows {newest}); nothing was changed; install the newer kanban"
        ),
        Header { application: APPLICATION_ID, version } => Ok(version == newest),
        Header { .. } => refuse!(
            Damaged,
            "`{name}` is a database, but not a board of ours; nothing was changed; move it away, or choose another home with `--home`"
        ),
    }
}

/// Refuses a file that is no board of ours, or that a newer program has written.
pub(crate) fn is_usable(file: &Path, application: i64, version: i64) -> Result<(), Error> {
    is_current(file, Header { application, version }, MIGRATIONS).map(|_| ())
}

async fn inspect(file: &Path) -> Result<Header, Error> {
    if fs::metadata(file)?.len() == 0 {
        return Err(set_aside(file, &"it is empty")?);
    }
    match read_header(file).await.map_err(Fault::from) {
        Ok((application, version, sqlite)) => {
            check_library(&sqlite)?;
            Ok(Header { application, version })
        }
        Err(fault) if fault.damaged => Err(set_aside(file, &fault)?),
        Err(fault) => Err(fault.into()),
    }
}

/// Refuses an SQLite that can lose data.
pub(crate) fn check_library(sqlite: &str) -> Result<(), Fault> {
    let parts: Vec<u32> = sqlite.split('.').filter_map(|part| part.parse().ok()).collect();
    if matches!(parts[..], [major, minor, patch] if (major, minor, patch) >= OLDEST_SQLITE) {
        return Ok(());
    }
    let (major, minor, patch) = OLDEST_SQLITE;
    Err(Fault::new(format!(
        "this program is linked to SQLite {sqlite}, which can lose data; {major}.{minor}.{patch} or newer is needed"
    )))
}

async fn read_header(file: &Path) -> Result<(i64, i64, String), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(std::time::Duration::from_secs(30));
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let header = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), \
         sqlite_version() FROM (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(&mut conn)
    .await;
    conn.close().await?;
    header
}

/// Copies a damaged board with its log beside it, once for each distinct content, and answers the refusal to open it.
pub(crate) fn set_aside(file: &Path, damage: &dyn std::fmt::Display) -> Result<Error, Error> {
    let name = beside(file, &format!("damaged-{}", fingerprint(file)?));
    for suffix in ["", "-wal"] {
        let from = with_suffix(file, suffix);
        let to = with_suffix(&name, suffix);
        if from.exists() && !to.exists() {
            fs::copy(&from, &to)?;
        }
    }
    Ok(Error::refused(
        Reason::Damaged,
        format!(
            "the board `{}` is damaged ({damage}) and is not opened; a copy was set aside as `{}`; put a backup in its place, or move it away to begin anew, and remove `{}` in both cases",
            file.display(),
            name.display(),
            with_suffix(file, "-wal").display()
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
    use super::*;

    const FIRST: Migration = (1, "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
    const SECOND: Migration =
        (2, "ALTER TABLE meta ADD COLUMN note TEXT; INSERT INTO meta VALUES ('later', 'yes', 'new')");

    async fn keys(file: &Path) -> Vec<String> {
        let options = SqliteConnectOptions::new().filename(file);
        let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT key FROM meta ORDER BY key").fetch_all(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        rows.into_iter().map(|(key,)| key).collect()
    }

    #[tokio::test]
    async fn an_older_board_is_copied_and_then_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let (file, turns) = (folder.path().join("board.db"), Turns::at(folder.path()));
        prepare_with(&file, &turns, &[FIRST]).await.unwrap();
        assert_eq!(keys(&file).await, ["uid"]);

        prepare_with(&file, &turns, &[FIRST, SECOND]).await.unwrap();
        assert_eq!(keys(&file).await, ["later", "uid"]);
        let header = inspect(&file).await.unwrap();
        assert_eq!(header, Header { application: APPLICATION_ID, version: 2 });
        let backup = folder.path().join("board.db.before-2-from-1");
        assert_eq!(keys(&backup).await, ["uid"]);
        assert_eq!(inspect(&backup).await.unwrap(), Header { application: APPLICATION_ID, version: 1 });

        let refused = prepare_with(&file, &turns, &[FIRST]).await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::NewerSchema));
    }

    #[tokio::test]
    async fn a_migration_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, turns) = (folder.path().join("board.db"), Turns::at(folder.path()));
        prepare_with(&file, &turns, &[FIRST]).await.unwrap();
        let broken = (3, "ALTER TABLE meta ADD COLUMN other TEXT; INSERT INTO nowhere VALUES (1)");
        prepare_with(&file, &turns, &[FIRST, SECOND, broken]).await.unwrap_err();
        assert_eq!(inspect(&file).await.unwrap(), Header { application: APPLICATION_ID, version: 1 });
        assert_eq!(keys(&file).await, ["uid"]);

        prepare_with(&file, &turns, &[FIRST, SECOND]).await.unwrap();
        assert_eq!(keys(&file).await, ["later", "uid"]);
    }

    #[tokio::test]
    async fn a_board_that_was_half_made_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (file, turns) = (folder.path().join("board.db"), Turns::at(folder.path()));
        fs::write(folder.path().join("board.db.draft"), "SQLite format 3").unwrap();
        fs::write(folder.path().join("board.db.draft-wal"), "rest").unwrap();
        fs::write(folder.path().join("board.db-wal"), "the log of a board that was moved away").unwrap();
        prepare_with(&file, &turns, &[FIRST]).await.unwrap();
        assert_eq!(keys(&file).await, ["uid"]);
        let orphans = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("board.db.orphan-"));
        assert_eq!(orphans.count(), 1);
    }
}
