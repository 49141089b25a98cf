//! `pair` and `access`: who may do what, as it is given while the gateway runs.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    board::{
        BoardSlug, Error,
        error::refuse,
        grant::{Code, Granted},
    },
    command::{
        caller::{Caller, Place},
        desk::Desk,
        reply::Reply,
        subject::Subject,
        verbs::{Access, AccessGrant, AccessList, AccessRevoke, AccessVerb, Pair, Verb},
    },
    settings::{Grant, Scope, Visitor},
};

/// Makes a code. Whoever types at the host is its owner already, so that is the one place where a code is shown.
pub(super) async fn pair(desk: &Desk, caller: &Caller, verb: &Verb, args: &Pair) -> Result<Reply, Error> {
    match &caller.place {
        Place::Terminal { .. } if args.code.is_empty() => {}
        Place::Terminal { .. } => {
            refuse!(
                Invalid,
                "a code is sent to the bot in a chat, by the person who is to become owner; `{{program}} pair` prints one"
            )
        }
        Place::Thread(_) | Place::Worker { .. } if args.code.is_empty() => {
            refuse!(Invalid, "a code is made on the command line of the host alone, with `kanban pair` there")
        }
        // One that is right and open was used before the command came here.
        Place::Thread(_) | Place::Worker { .. } => {
            refuse!(
                Invalid,
                "this code is not open, or you tried a moment ago; `kanban pair` on the host prints a new one"
            )
        }
    }
    let code = Code::draw();
    let board = desk.boards.get(&BoardSlug::default()).await?;
    let mut tx = board.write().await?;
    tx.open_pairing(&code, desk.now()).await?;
    tx.note(&desk.done(caller, board.slug(), &Subject::of(verb))).await?;
    tx.commit().await?;
    let (first, second) = code.expose().split_at(4);
    Ok(Reply::text(format!(
        "{first} {second}\n\nSend this to the bot, in private or with a mention, within an hour: whoever does so first becomes owner."
    )))
}

pub(super) async fn run(desk: &Desk, caller: &Caller, verb: &Verb, args: &Access) -> Result<Reply, Error> {
    match &args.verb {
        None => list(desk, &AccessList::default()).await,
        Some(AccessVerb::List(args)) => list(desk, args).await,
        Some(AccessVerb::Grant(args)) => grant(desk, caller, verb, args).await,
        Some(AccessVerb::Revoke(args)) => revoke(desk, caller, verb, args).await,
    }
}

/// The grants that are kept on the default board, as the settings have theirs. One that this program cannot read gives
/// nobody anything.
pub(crate) fn readable(granted: &[Granted]) -> Vec<Grant> {
    granted.iter().filter_map(read).collect()
}

fn read(granted: &Granted) -> Option<Grant> {
    let Granted { who, role, platform, space, channel, board, tenant, .. } = granted;
    let mut scope = Scope::default();
    for (key, value) in Scope::KEYS.into_iter().zip([platform, space, channel, board, tenant]) {
        if !value.is_empty() {
            scope.set(key, value).ok()?;
        }
    }
    Grant::new(who, role.parse().ok()?, scope).ok()
}

fn written(who: &Visitor, scope: &Scope) -> Granted {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Granted {
        who: who.to_string(),
        platform: text(&scope.platform),
        space: text(&scope.space),
        channel: text(&scope.channel),
        board: scope.board.as_ref().map(ToString::to_string).unwrap_or_default(),
        tenant: text(&scope.tenant),
        ..Granted::default()
    }
}

async fn grant(desk: &Desk, caller: &Caller, verb: &Verb, args: &AccessGrant) -> Result<Reply, Error> {
    let scope = args.bounds.scope();
    let grant = match Grant::new(&args.who.to_string(), args.role, scope) {
        Ok(grant) => grant,
        Err(reason) => refuse!(Invalid, "{reason}"),
    };
    if let Some(board) = &grant.scope.board {
        desk.boards.get(board).await?;
    }
    let board = desk.boards.get(&BoardSlug::default()).await?;
    let mut tx = board.write().await?;
    tx.grant(&Granted {
        role: args.role.name().to_owned(),
        granted_by: caller.actor.name().to_owned(),
        granted_at: desk.now(),
        ..written(&grant.who, &grant.scope)
    })
    .await?;
    tx.note(&desk.done(caller, board.slug(), &Subject::of(verb))).await?;
    tx.commit().await?;
    Ok(Reply::text(format!("Granted: {grant}")))
}

async fn revoke(desk: &Desk, caller: &Caller, verb: &Verb, args: &AccessRevoke) -> Result<Reply, Error> {
    let scope = args.bounds.scope();
    let board = desk.boards.get(&BoardSlug::default()).await?;
    let mut tx = board.write().await?;
    if !tx.revoke(&written(&args.who, &scope)).await? {
        let who = args.who.to_string();
        let settings = desk.settings.get();
        if settings.access.grants().iter().any(|grant| grant.who == args.who && grant.scope == scope) {
            refuse!(
                Unknown,
                "`{who}` has this role by the settings; take it out of `[access]` in `{}` and send the gateway SIGHUP",
                settings.file().display()
            );
        }
        refuse!(
            Unknown,
            "`{who}` was given no role for just these places; `{{program}} access list` shows who was given what, and where"
        );
    }
    tx.note(&desk.done(caller, board.slug(), &Subject::of(verb))).await?;
    tx.commit().await?;
    let within: String = scope.parts().map(|(key, value)| format!(" {key}={value}")).collect();
    Ok(Reply::text(format!("Revoked: {}{within}", args.who)))
}

async fn list(desk: &Desk, args: &AccessList) -> Result<Reply, Error> {
    let settings = desk.settings.get();
    let granted = desk.boards.get(&BoardSlug::default()).await?.read().await?.grants().await?;
    let mut rows: Vec<(Grant, String, Option<i64>)> =
        settings.access.grants().iter().map(|grant| (grant.clone(), "settings".to_owned(), None)).collect();
    rows.extend(granted.iter().filter_map(|row| Some((read(row)?, row.granted_by.clone(), Some(row.granted_at)))));
    if args.json {
        let row = |(grant, by, at): &(Grant, String, Option<i64>)| {
            let scope: serde_json::Map<String, Value> =
                grant.scope.parts().map(|(key, value)| (key.to_owned(), value.into())).collect();
            json!({
                "who": grant.who.to_string(), "role": grant.role.name(), "in": scope, "by": by,
                "at": at.map(|at| at / 1000),
            })
        };
        return Ok(Reply::json(&Value::Array(rows.iter().map(row).collect())));
    }
    if rows.is_empty() {
        return Ok(Reply::text(
            "Nobody has a role but who sits at the console. `kanban pair` on the host prints a code that makes an owner.",
        ));
    }
    let mut text = String::new();
    for (Grant { who, role, scope }, by, at) in &rows {
        let within: Vec<String> = scope.parts().map(|(key, value)| format!("{key}={value}")).collect();
        let within = if within.is_empty() { "everywhere".to_owned() } else { within.join(" ") };
        let since = at.and_then(|at| Timestamp::from_millisecond(at).ok());
        let since = since.map_or(String::new(), |at| format!(", {}", at.strftime("%Y-%m-%d %H:%M UTC")));
        text.push_str(&format!("{:<8}  {who}  {within}  ({by}{since})\n", role.name()));
    }
    Ok(Reply { is_fixed: true, ..Reply::text(text.trim_end()) })
}
