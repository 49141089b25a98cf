//! `import`, `export`, `backup` and `restore`: what goes from board to file and back, on this machine alone.

use std::path::Path;

use serde_json::json;

use crate::{
    backup,
    board::{BoardSlug, Error, ProfileName, error::refuse},
    command::{
        caller::{Caller, Place},
        desk::Desk,
        reply::Reply,
        verbs::{Backup, Export, ExportFormat, Import, ImportFrom, Restore},
    },
    import::{self, Order},
};

pub(super) async fn import(
    desk: &Desk,
    caller: &Caller,
    named: Option<&BoardSlug>,
    args: &Import,
) -> Result<Reply, Error> {
    let ImportFrom::Hermes(args) = &args.from;
    let order = Order {
        from: typed_at(caller)?.join(&args.path),
        board: named.cloned(),
        dry_run: args.dry_run,
        update: args.update,
    };
    let report = import::hermes(&desk.boards, &order, desk.now(), &mut |_| {}).await?;
    for board in report.boards.iter().filter(|_| !report.dry_run) {
        if board.tables.values().any(|count| count.written > 0) {
            note(desk, caller, &board.slug, "import hermes").await?;
        }
    }
    let settings = desk.settings.get();
    let is_known = |name: &ProfileName| settings.profiles.get(name).is_some();
    let reply = if args.json {
        Reply::json(&report.document(&is_known))
    } else {
        Reply::text(report.told(caller.prefix(), &is_known))
    };
    Ok(Reply { notes: report.failures(), exit: u8::from(!report.failed.is_empty()), ..reply })
}

pub(super) async fn export(
    desk: &Desk,
    caller: &Caller,
    named: Option<&BoardSlug>,
    args: &Export,
) -> Result<Reply, Error> {
    let out = args.out.as_deref().map(|out| Ok::<_, Error>(typed_at(caller)?.join(out))).transpose()?;
    typed_at(caller)?;
    let board = desk.board_of(caller, named).await?;
    match (args.format, out) {
        (ExportFormat::Json, None) => Ok(Reply::json(&import::dump(&board, desk.home(), desk.now()).await?)),
        (ExportFormat::Json, Some(out)) => {
            let text = serde_json::to_string_pretty(&import::dump(&board, desk.home(), desk.now()).await?)?;
            import::write(&text, &out)?;
            Ok(Reply::text(format!("Wrote board '{}' to {}", board.slug(), out.display())))
        }
        (ExportFormat::Hermes, None) => {
            refuse!(
                Usage,
                "a board of Hermes is a file; name it, as in `{{program}} export --format hermes --out kanban.db`"
            )
        }
        (ExportFormat::Hermes, Some(out)) => {
            let left = import::to_hermes(&board, desk.home(), &out).await?;
            let mut text = format!(
                "Wrote {} task(s) of board '{}' and {} attached file(s) to {}",
                left.tasks,
                board.slug(),
                left.attachments,
                out.display()
            );
            for missing in &left.missing {
                text.push_str(&format!("\n{} is not there, and was left out", missing.display()));
            }
            Ok(Reply::text(text))
        }
    }
}

pub(super) async fn backup(desk: &Desk, caller: &Caller, args: &Backup) -> Result<Reply, Error> {
    let folder = typed_at(caller)?;
    let now = desk.now();
    let file = match &args.out {
        Some(out) => folder.join(out),
        None => {
            let kept = desk.home().join(backup::FOLDER);
            std::fs::create_dir_all(&kept)?;
            kept.join(format!("kanban-{}.tar", now.div_euclid(1000)))
        }
    };
    let made = backup::make(&desk.boards, &file, now).await?;
    let (boards, files) = (&made.manifest.boards, made.manifest.files.len() - made.manifest.boards.len());
    if args.json {
        return Ok(Reply::json(&json!({"file": made.file, "boards": boards, "attachments": files})));
    }
    Ok(Reply::text(format!(
        "Wrote {} board(s) and {files} attached file(s) to {}, and read it through.\nSettings, logs and workspaces are not in it.",
        boards.len(),
        made.file.display()
    )))
}

pub(super) async fn restore(desk: &Desk, caller: &Caller, args: &Restore) -> Result<Reply, Error> {
    let file = typed_at(caller)?.join(&args.file);
    let restored = backup::restore(&desk.boards, &file, desk.now(), &mut |_| {}).await?;
    note(desk, caller, &BoardSlug::default(), "restore").await?;
    if args.json {
        return Ok(Reply::json(&json!({"boards": restored.manifest.boards, "kept": restored.kept})));
    }
    let mut text = format!("Restored {} board(s) from {}.", restored.manifest.boards.len(), file.display());
    if let Some(kept) = &restored.kept {
        text.push_str(&format!("\nWhat was there before lies in {}.", kept.display()));
    }
    text.push_str(&format!(
        "\nThe boards believe what they knew then: tasks that have ended since may run again. `{} dispatch pause` before `kanban up` leaves time to look.",
        caller.prefix()
    ));
    Ok(Reply::text(text))
}

/// Where the owner of this machine has typed a command.
fn typed_at(caller: &Caller) -> Result<&Path, Error> {
    match &caller.place {
        Place::Terminal { folder } => Ok(folder),
        Place::Thread(_) | Place::Worker { .. } => {
            refuse!(Forbidden, "this is about files of the machine, and is typed there by its owner")
        }
    }
}

async fn note(desk: &Desk, caller: &Caller, board: &BoardSlug, verb: &str) -> Result<(), Error> {
    let mut tx = desk.boards.get(board).await?.write().await?;
    tx.note(&desk.line(caller, board, verb, "done")).await?;
    tx.commit().await
}
