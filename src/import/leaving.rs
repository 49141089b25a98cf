//! Moving out: a board as JSON, or as a file that Hermes opens.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    Desk,
    table::{self, Cell, Table},
};
use crate::{
    board::{
        Board, Error, Fault, SCHEMA_VERSION,
        copy::{draft_of, new_database, put_in_place, require_free},
    },
    clock::Millis,
};

/// The tables of a dump, in their order. What belongs to a gateway's talk with platforms stays here: posts and the messages
/// that they have become, buttons, turns, requests, and codes for pairing.
const TABLES: [&str; 22] = [
    "meta",
    "tasks",
    "links",
    "quorums",
    "runs",
    "comments",
    "events",
    "attachments",
    "questions",
    "reviews",
    "incoming",
    "threads",
    "watches",
    "schedules",
    "firings",
    "parked_profiles",
    "workplaces",
    "left_worktrees",
    "pins",
    "grants",
    "arrivals",
    "audit",
];

/// Columns that hold JSON, which is shown as such.
const JSON: [&str; 6] = ["skills", "payload", "metadata", "choices", "file", "command"];

/// What lets somebody do something is no part of a dump.
const SECRET: [&str; 1] = ["token_hash"];

/// Everything that a board holds, as one document in a stable order. Times are milliseconds since 1970.
pub async fn dump(board: &Board, home: &Path, now: Millis) -> Result<Value, Error> {
    let desk = Desk::open(home)?;
    let copy = desk.folder(0)?.join("board.db");
    board.copy_to(&copy).await?;
    let options = SqliteConnectOptions::new().filename(&copy).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(Fault::from)?;
    let mut tables = Map::new();
    for name in TABLES {
        let Some(table) = table::read(&mut conn, name).await? else { continue };
        let rows = table.rows.iter().map(|row| document(&table, row)).collect::<Vec<_>>();
        tables.insert(name.to_owned(), rows.into());
    }
    conn.close().await.map_err(Fault::from)?;
    Ok(json!({
        "format": "kanban-board",
        "version": 1,
        "schema": SCHEMA_VERSION,
        "board": board.slug(),
        "exported_at": now,
        "tables": tables,
    }))
}

fn document(table: &Table, row: &table::Row) -> Value {
    let shown = |column: &str| match table.get(row, column) {
        Cell::Null => Value::Null,
        Cell::Integer(number) => json!(number),
        Cell::Real(number) => json!(number),
        Cell::Text(text, _) if JSON.contains(&column) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()))
        }
        Cell::Text(text, _) => Value::from(text.as_str()),
    };
    let columns = table.columns.iter().filter(|column| !SECRET.contains(&column.as_str()));
    columns.map(|column| (column.clone(), shown(column))).collect::<Map<_, _>>().into()
}

/// Writes a text into a new file, durably.
pub fn write(text: &str, file: &Path) -> Result<(), Error> {
    require_free(file)?;
    let draft = draft_of(file);
    let written = write_draft(text, &draft).and_then(|()| put_in_place(&draft, file));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn write_draft(text: &str, draft: &Path) -> Result<(), Error> {
    let mut to = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(draft)?;
    to.write_all(text.as_bytes())?;
    to.write_all(b"\n")?;
    Ok(to.sync_all()?)
}

/// What was written for Hermes.
pub struct Left {
    pub tasks: u64,
    pub attachments: u64,
    /// Files that the board names and that are not there.
    pub missing: Vec<PathBuf>,
}

/// Writes a board as a file that Hermes opens, with its attached files in `attachments` beside it.
pub async fn to_hermes(board: &Board, home: &Path, file: &Path) -> Result<Left, Error> {
    require_free(file)?;
    let desk = Desk::open(home)?;
    let copy = desk.folder(0)?.join("board.db");
    board.copy_to(&copy).await?;
    let draft = draft_of(file);
    let left = fill(&copy, &draft, file).await;
    let placed = match left {
        Ok(left) => put_in_place(&draft, file).map(|()| left),
        Err(error) => Err(error),
    };
    if placed.is_err() {
        for suffix in ["", "-journal"] {
            let mut name = draft.clone().into_os_string();
            name.push(suffix);
            let _ = fs::remove_file(PathBuf::from(name));
        }
    }
    placed
}

/// An attached file as the board has it: number, task, name, path, type, size, who, and seconds since 1970.
type AttachedRow = (i64, String, String, String, Option<String>, i64, String, i64);

async fn fill(copy: &Path, draft: &Path, file: &Path) -> Result<Left, Error> {
    let folder = file.parent().unwrap_or(Path::new("/")).join("attachments");
    let mut conn = new_database(draft).await?;
    let mut left = Left { tasks: 0, attachments: 0, missing: Vec::new() };
    let filling = async {
        sqlx::query("ATTACH $1 AS ours").bind(copy.display().to_string()).execute(&mut conn).await?;
        let mut tx = conn.begin().await?;
        sqlx::raw_sql(include_str!("hermes_file.sql")).execute(&mut *tx).await?;
        let files: Vec<AttachedRow> = sqlx::query_as(
            "SELECT id, task_id, filename, stored_path, content_type, size, uploaded_by, created_at / 1000 \
             FROM ours.attachments ORDER BY id",
        )
        .fetch_all(&mut *tx)
        .await?;
        for (id, task, name, stored, content_type, size, by, at) in files {
            let to = folder.join(&task).join(format!("{id}-{}", kanban_platform::file_name(&name)));
            match carry(Path::new(&stored), &to) {
                Ok(()) => left.attachments += 1,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => left.missing.push(stored.into()),
                Err(error) => return Err(Error::from(Fault::new(format!("`{stored}`: {error}")))),
            }
            sqlx::query("INSERT INTO task_attachments VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(id)
                .bind(task)
                .bind(name)
                .bind(to.display().to_string())
                .bind(content_type)
                .bind(size)
                .bind(by)
                .bind(at)
                .execute(&mut *tx)
                .await?;
        }
        let (tasks,): (i64,) = sqlx::query_as("SELECT count(*) FROM tasks").fetch_one(&mut *tx).await?;
        left.tasks = u64::try_from(tasks).unwrap_or(0);
        tx.commit().await?;
        Ok(())
    };
    filling.await?;
    conn.close().await.map_err(Fault::from)?;
    File::open(draft)?.sync_all()?;
    Ok(left)
}

/// Copies an attached file, durably.
fn carry(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = File::open(from)?;
    let folder = to.parent().unwrap_or(to);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = draft_of(to);
    let mut copy = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    std::io::copy(&mut source, &mut copy)?;
    copy.sync_all()?;
    fs::rename(&draft, to)?;
    File::open(folder)?.sync_all()
}
