//! Tables of a database whose schema nobody vouches for: columns may be missing or unknown, and a value of any kind may
//! stand anywhere.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::board::Fault;

/// A value as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    /// With whether bytes that are no text had to be replaced.
    Text(String, bool),
}

pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    places: HashMap<String, usize>,
}

pub(super) struct Row(Vec<Cell>);

impl Table {
    /// The value of a row in a column; nothing where there is no such column.
    pub(super) fn get<'r>(&self, row: &'r Row, column: &str) -> &'r Cell {
        self.places.get(column).and_then(|at| row.0.get(*at)).unwrap_or(&Cell::Null)
    }

    /// The same in the first of some columns that has a value.
    pub(super) fn first<'r>(&self, row: &'r Row, columns: &[&str]) -> &'r Cell {
        columns.iter().map(|column| self.get(row, column)).find(|cell| **cell != Cell::Null).unwrap_or(&Cell::Null)
    }
}

/// The names of all tables but SQLite's own.
pub(super) async fn names(conn: &mut SqliteConnection) -> Result<Vec<String>, Fault> {
    let names: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .fetch_all(conn)
    .await?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

/// How many rows a table has.
pub(super) async fn count(conn: &mut SqliteConnection, table: &str) -> Result<u64, Fault> {
    let statement = format!("SELECT count(*) FROM {}", quoted(table));
    let (rows,): (i64,) = sqlx::query_as(AssertSqlSafe(statement)).fetch_one(conn).await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// A table in the order in which it was written; none where there is none of that name.
pub(super) async fn read(conn: &mut SqliteConnection, name: &str) -> Result<Option<Table>, Fault> {
    let Some(name) = names(conn).await?.into_iter().find(|found| found.eq_ignore_ascii_case(name)) else {
        return Ok(None);
    };
    let columns: Vec<(String,)> =
        sqlx::query_as("SELECT name FROM pragma_table_info($1) ORDER BY cid").bind(&name).fetch_all(&mut *conn).await?;
    let columns: Vec<String> = columns.into_iter().map(|(column,)| column).collect();
    let values: Vec<_> =
        columns.iter().map(|column| format!("typeof({0}), CAST({0} AS BLOB)", quoted(column))).collect();
    let statement = format!("SELECT {} FROM {}", values.join(", "), quoted(&name));
    // A table may have been made without the number that tells in which order rows were added.
    let ordered = sqlx::query(AssertSqlSafe(format!("{statement} ORDER BY rowid"))).fetch_all(&mut *conn).await;
    let rows = match ordered {
        Ok(rows) => rows,
        Err(_) => sqlx::query(AssertSqlSafe(statement)).fetch_all(&mut *conn).await?,
    };
    let rows = rows.iter().map(|row| cells(row, columns.len()).map(Row)).collect::<Result<_, _>>()?;
    let places = columns.iter().enumerate().map(|(at, column)| (column.to_ascii_lowercase(), at)).collect();
    Ok(Some(Table { columns, rows, places }))
}

fn cells(row: &SqliteRow, count: usize) -> Result<Vec<Cell>, sqlx::Error> {
    (0..count)
        .map(|at| {
            let kind: String = row.try_get(2 * at)?;
            let bytes: Option<Vec<u8>> = row.try_get(2 * at + 1)?;
            let bytes = bytes.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            Ok(match kind.as_str() {
                "null" => Cell::Null,
                "integer" => text.parse().map_or(Cell::Null, Cell::Integer),
                "real" => text.parse().map_or(Cell::Null, Cell::Real),
                _ => Cell::Text(text.to_string(), matches!(text, std::borrow::Cow::Owned(_))),
            })
        })
        .collect()
}

/// A name as SQL takes it, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
