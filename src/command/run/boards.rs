//! `init` and `boards`.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::schedule;

use crate::{
    board::{Board, BoardSlug, Error, audit::Entry, error::refuse},
    command::{
        access,
        caller::{Caller, Place},
        desk::Desk,
        reply::Reply,
        subject::Subject,
        value::Phrase,
        verbs::{Boards, BoardsCreate, BoardsList, BoardsOwn, BoardsPrivate, BoardsRead, BoardsVerb, Switch, Verb},
    },
    settings::Role,
};

pub(super) async fn init(desk: &Desk) -> Result<Reply, Error> {
    let board = desk.boards.get(&BoardSlug::default()).await?;
    let settings = desk.settings.get();
    let profiles: Vec<_> = settings.profiles.iter().map(|profile| format!("  {}", profile.name)).collect();
    Ok(Reply::text(format!(
        "Kanban DB initialized at {}\n\nDiscovered {} profile(s); any of these can be an --assignee:\n{}\n\n\
         Next step: start the gateway so ready tasks actually get picked up.\n  kanban up",
        board.file().display(),
        profiles.len(),
        profiles.join("\n")
    )))
}

pub(super) async fn run(desk: &Desk, caller: &Caller, verb: &Verb, args: &Boards) -> Result<Reply, Error> {
    match &args.verb {
        None => list(desk, caller, &BoardsList { json: false, all: false }).await,
        Some(BoardsVerb::Read(BoardsRead::List(args))) => list(desk, caller, args).await,
        Some(BoardsVerb::Read(BoardsRead::Show(args))) => show(desk, caller, args.json).await,
        Some(BoardsVerb::Own(BoardsOwn::Create(args))) => create(desk, caller, verb, args).await,
        Some(BoardsVerb::Own(BoardsOwn::Rename(args))) => {
            let board = desk.boards.get(&args.slug).await?;
            set(&board, "name", Some(&args.name()), &noted(desk, caller, &board, verb)).await?;
            Ok(Reply::text(format!("Board '{}' renamed to '{}'.", args.slug, args.name())))
        }
        Some(BoardsVerb::Own(BoardsOwn::Rm(args))) => {
            let schedules = schedule::with_threads(desk, &args.slug).await;
            let gone_to = desk.boards.remove(&args.slug, args.delete, desk.now()).await?;
            schedule::tell_of_end(desk, &args.slug, caller, &schedules).await?;
            Ok(Reply::text(match gone_to {
                Some(folder) => format!(
                    "Board '{}' archived → {}\nRecover by moving the directory back to {}.",
                    args.slug,
                    folder.display(),
                    desk.home().join("boards").join(args.slug.as_str()).display()
                ),
                None => format!("Board '{}' deleted.", args.slug),
            }))
        }
        Some(BoardsVerb::Own(BoardsOwn::Switch(args))) => {
            if caller.thread().is_some() {
                refuse!(
                    Invalid,
                    "a switch would move every thread's commands; name the board instead, as in `/kanban list --board {}`",
                    args.slug
                );
            }
            desk.boards.get(&args.slug).await?;
            desk.boards.set_current(&args.slug)?;
            Ok(Reply::text(format!("Active board is now '{}'.", args.slug)))
        }
        Some(BoardsVerb::Own(BoardsOwn::SetDefaultWorkdir(args))) => {
            let board = desk.boards.get(&args.slug).await?;
            let path = args.path.as_deref().map(|path| absolute(caller, path)).transpose()?;
            set(&board, "default_workdir", path.as_deref(), &noted(desk, caller, &board, verb)).await?;
            Ok(Reply::text(match path {
                Some(path) => format!("Board '{}' default workdir set to '{path}'.", args.slug),
                None => format!("Board '{}' default workdir cleared.", args.slug),
            }))
        }
        Some(BoardsVerb::Own(BoardsOwn::Private(args))) => make_private(desk, caller, verb, args).await,
    }
}

/// Whether a verb is one transaction of the board that it names, which notes it in the audit.
pub(super) fn is_one_transaction(args: &Boards) -> bool {
    match &args.verb {
        None | Some(BoardsVerb::Read(_)) => false,
        Some(BoardsVerb::Own(own)) => match own {
            BoardsOwn::Create(_) | BoardsOwn::Rename(_) | BoardsOwn::SetDefaultWorkdir(_) | BoardsOwn::Private(_) => {
                true
            }
            BoardsOwn::Rm(_) | BoardsOwn::Switch(_) => false,
        },
    }
}

fn noted(desk: &Desk, caller: &Caller, board: &Board, verb: &Verb) -> Entry {
    desk.done(caller, board.slug(), &Subject::of(verb))
}

async fn make_private(desk: &Desk, caller: &Caller, verb: &Verb, args: &BoardsPrivate) -> Result<Reply, Error> {
    let board = desk.boards.get(&args.slug).await?;
    let is_private = args.state == Switch::On;
    let mut tx = board.write().await?;
    tx.set_private(is_private).await?;
    tx.note(&noted(desk, caller, &board, verb)).await?;
    let followers = tx.watches().await?.len();
    // What the whole board looks like is no longer for whoever reads a thread.
    let cards = if is_private { tx.end_board_cards().await? } else { 0 };
    tx.commit().await?;
    if !is_private {
        return Ok(Reply::text(format!("Board '{}' is there for everybody with a role.", args.slug)));
    }
    let mut text = format!(
        "Board '{}' is private: owners see it, and those whom a grant names it to, as in `{} access grant WHO member --in board={}`.",
        args.slug,
        caller.prefix(),
        args.slug
    );
    if cards > 0 {
        text.push_str(&format!("\n{cards} card(s) of it in threads stay as they are from now on."));
    }
    if followers > 0 {
        // Who reads a thread is for its platform to say, so threads that follow go on to until somebody ends that.
        text.push_str(&format!(
            "\n{followers} watch(es) of it go on; `{} --board {} notify-list` shows which threads they tell.",
            caller.prefix(),
            args.slug
        ));
    }
    Ok(Reply::text(text))
}

async fn list(desk: &Desk, caller: &Caller, args: &BoardsList) -> Result<Reply, Error> {
    let current = desk.meant(caller)?;
    let mut rows = Vec::new();
    let mut unusable = Vec::new();
    for slug in desk.boards.names()? {
        match desk.boards.get(&slug).await {
            Ok(board) if access::sees(caller, &board).await? => rows.push(Row::of(&board, slug == current).await?),
            Ok(_) => {}
            Err(_) if caller.standing.everywhere().is_none() => {}
            Err(error) => unusable.push(format!("board '{slug}' cannot be opened: {error}")),
        }
    }
    let notes = unusable.join("\n");
    // Whether a board that was set aside is private is not known, so its name is for owners.
    if args.all && caller.standing.everywhere() == Some(Role::Owner) {
        rows.extend(archived(desk.home())?);
    }
    if args.json {
        return Ok(Reply { notes, ..Reply::json(&Value::Array(rows.iter().map(Row::json).collect())) });
    }
    let mut text = format!("    {:<24}  {:<28}  COUNTS\n", "SLUG", "NAME");
    for row in &rows {
        let mark = if row.is_current { "●" } else { " " };
        let archived = if row.archived { " (archived)" } else { "" };
        text.push_str(&format!("{mark}   {:<24}  {:<28}  {}{archived}\n", row.slug, row.name, row.counts_text()));
    }
    if rows.iter().any(|row| row.is_current) {
        text.push_str(&format!("\nCurrent board: {current}"));
    }
    if caller.thread().is_none() {
        text.push_str("\nSwitch boards with `kanban boards switch <slug>`.");
    }
    Ok(Reply { notes, ..Reply::text(text) })
}

async fn show(desk: &Desk, caller: &Caller, json: bool) -> Result<Reply, Error> {
    let slug = desk.meant(caller)?;
    let row = Row::of(&desk.boards.get(&slug).await?, true).await?;
    if json {
        return Ok(Reply::json(&row.json()));
    }
    let mut text = format!("Current board: {slug}\n  Display name: {}\n", row.name);
    if !row.description.is_empty() {
        text.push_str(&format!("  Description:  {}\n", row.description));
    }
    text.push_str(&format!(
        "  DB path:      {}\n  Tasks:        {} total ({})",
        row.db_path,
        row.total,
        row.counts_text()
    ));
    Ok(Reply::text(text))
}

async fn create(desk: &Desk, caller: &Caller, verb: &Verb, args: &BoardsCreate) -> Result<Reply, Error> {
    let workdir = args.default_workdir.as_deref().map(|path| absolute(caller, path)).transpose()?;
    if args.switch && caller.thread().is_some() {
        refuse!(
            Invalid,
            "`--switch` works on the command line alone; in chat name the board, as in `/kanban list --board {}`",
            args.slug
        );
    }
    let (board, is_new) = desk.boards.create(&args.slug, desk.now()).await?;
    let mut tx = board.write().await?;
    for (key, value) in [
        ("name", args.name.as_ref().map(Phrase::as_str)),
        ("description", args.description.as_ref().map(Phrase::as_str)),
        ("icon", args.icon.as_deref()),
        ("color", args.color.as_deref()),
        ("default_workdir", workdir.as_deref()),
    ] {
        if value.is_some() {
            tx.set_meta(key, value).await?;
        }
    }
    tx.note(&noted(desk, caller, &board, verb)).await?;
    tx.commit().await?;
    if args.switch {
        desk.boards.set_current(&args.slug)?;
    }
    let row = Row::of(&board, false).await?;
    let verb = if is_new { "created" } else { "already exists" };
    let hint = if args.switch {
        "  It is the current board now.".to_owned()
    } else {
        format!("  Use `{} --board {}` for it.", caller.prefix(), args.slug)
    };
    Ok(Reply::text(format!(
        "Board '{}' {verb}.\n  Display name: {}\n  DB path:      {}\n{hint}",
        args.slug, row.name, row.db_path
    )))
}

/// What `boards list` says of a board.
struct Row {
    slug: String,
    name: String,
    description: String,
    icon: String,
    color: String,
    default_workdir: Option<String>,
    created_at: Option<i64>,
    archived: bool,
    db_path: String,
    is_current: bool,
    counts: BTreeMap<&'static str, i64>,
    total: i64,
}

impl Row {
    async fn of(board: &Board, is_current: bool) -> Result<Self, Error> {
        let mut tx = board.read().await?;
        let mut meta: BTreeMap<String, String> = tx.all_meta().await?.into_iter().collect();
        let mut counts = BTreeMap::new();
        for count in tx.counts().await? {
            *counts.entry(count.status.as_str()).or_insert(0) += count.tasks;
        }
        Ok(Self {
            slug: board.slug().to_string(),
            name: meta.remove("name").unwrap_or_else(|| title_of(board.slug())),
            description: meta.remove("description").unwrap_or_default(),
            icon: meta.remove("icon").unwrap_or_default(),
            color: meta.remove("color").unwrap_or_default(),
            default_workdir: meta.remove("default_workdir"),
            created_at: meta.remove("created_at").and_then(|at| at.parse::<i64>().ok()).map(|at| at / 1000),
            archived: false,
            db_path: board.file().display().to_string(),
            is_current,
            total: counts.values().sum(),
            counts,
        })
    }

    fn json(&self) -> Value {
        json!({
            "slug": self.slug, "name": self.name, "description": self.description, "icon": self.icon,
            "color": self.color, "default_workdir": self.default_workdir, "created_at": self.created_at,
            "archived": self.archived, "db_path": self.db_path, "is_current": self.is_current,
            "counts": self.counts, "total": self.total,
        })
    }

    fn counts_text(&self) -> String {
        if self.counts.is_empty() {
            return "(empty)".to_owned();
        }
        self.counts.iter().map(|(status, count)| format!("{status}={count}")).collect::<Vec<_>>().join(", ")
    }
}

/// Boards that `boards rm` has set aside: their files stay closed, so there are no counts.
fn archived(home: &Path) -> Result<Vec<Row>, Error> {
    let Ok(entries) = std::fs::read_dir(home.join("boards").join("_archived")) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        rows.push(Row {
            name: name.clone(),
            slug: name,
            description: String::new(),
            icon: String::new(),
            color: String::new(),
            default_workdir: None,
            created_at: None,
            archived: true,
            db_path: entry.path().join(crate::board::FILE).display().to_string(),
            is_current: false,
            counts: BTreeMap::new(),
            total: 0,
        });
    }
    rows.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(rows)
}

/// `ops-board` reads `Ops Board`.
fn title_of(slug: &BoardSlug) -> String {
    slug.as_str()
        .split(['-', '_'])
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
        })
        .collect::<Vec<String>>()
        .join(" ")
}

async fn set(board: &Board, key: &str, value: Option<&str>, entry: &Entry) -> Result<(), Error> {
    let mut tx = board.write().await?;
    tx.set_meta(key, value).await?;
    tx.note(entry).await?;
    tx.commit().await
}

fn absolute(caller: &Caller, path: &Path) -> Result<String, Error> {
    let path = match &caller.place {
        Place::Terminal { folder } => folder.join(path),
        Place::Thread(_) | Place::Worker { .. } => path.to_owned(),
    };
    if !path.is_absolute() {
        refuse!(Invalid, "`{}` is a relative path; expected an absolute one, as in `/srv/repo`", path.display());
    }
    Ok(path.display().to_string())
}
