//! `here`: what is in force in a place, and setting it.

use std::path::{Path, PathBuf};

use kanban_platform::{Capability, Thread};

use crate::{
    board::{
        BoardSlug, Error, Tx,
        error::refuse,
        pin::{LanePolicy, NewPin, Pin, Pinned, Reach, Resident},
        unknown_board,
    },
    command::{
        access,
        caller::Caller,
        desk::{Desk, Done},
        reply::Reply,
        value::{Assignee, Pinnable},
        verbs::Here,
    },
};

/// What a terminal is told, which is no place in a chat.
pub(super) const NO_PLACE: &str = "`here` is about a place in a chat; in a terminal name the directory with each task, as in `kanban create WHAT --workspace dir:/srv/project`, and choose the board with `kanban boards switch BOARD`";

/// What is asked of a place, with everything looked up that its transaction needs.
pub(in crate::command) enum Wanted {
    Show,
    Off,
    Set(NewPin),
}

impl Wanted {
    pub(in crate::command) fn is_change(&self) -> bool {
        match self {
            Self::Show => false,
            Self::Off | Self::Set(_) => true,
        }
    }
}

/// Looks up what is named: a directory below the caller's roots, a profile that the caller may use, a board.
pub(in crate::command) async fn wanted(
    desk: &Desk,
    caller: &Caller,
    board: Option<&BoardSlug>,
    args: &Here,
) -> Result<Wanted, Error> {
    let Some(thread) = caller.thread() else { refuse!(Invalid, "{NO_PLACE}") };
    if args.channel && args.space {
        refuse!(Usage, "`--channel` and `--space` exclude one another; the space holds all of its channels");
    }
    // What has no server or workspace around it would be set for every other such place too.
    if args.space && thread.space.is_empty() {
        refuse!(Invalid, "there is no server or workspace around this place; leave `--space` out to set it here");
    }
    if let Some(board) = board {
        access::decides(caller, Capability::Operate, args.space)?;
        if !access::sees(caller, &desk.boards.get(board).await?).await? {
            return Err(unknown_board(board));
        }
    }
    let settings = desk.settings.get();
    let workspace = match &args.directory {
        Some(Pinnable::Off) if board.is_some() || args.assignee.is_some() || args.tenant.is_some() => refuse!(
            Usage,
            "`here off` ends all that was set here and takes nothing else; to set one thing anew, leave `off` out, as in `/kanban here --tenant acme`"
        ),
        Some(Pinnable::Off) => return Ok(Wanted::Off),
        Some(Pinnable::Directory(path)) => Some(path.clone()),
        Some(Pinnable::BelowHome(below)) => Some(home_of_gateway(desk)?.join(below)),
        Some(Pinnable::Relative(typed)) => return Err(relative(desk, caller, typed)),
        None => None,
    };
    let workspace = workspace.map(|path| match access::open(caller, &settings, desk.home(), &path) {
        Ok(opened) => match opened.path().to_str() {
            Some(path) => Ok(path.to_owned()),
            None => {
                refuse!(Invalid, "`{}` has a name that is no text; give the directory another", opened.path().display())
            }
        },
        Err(closed) => refuse!(Forbidden, "{closed}"),
    });
    let workspace = workspace.transpose()?;
    let assignee = match &args.assignee {
        Some(Assignee::Profile(name)) => Some(Some(access::profile(caller, &settings, name)?.name.clone())),
        Some(Assignee::Nobody) => Some(None),
        None => None,
    };
    let tenant = args.tenant.as_ref().map(|tenant| tenant.as_str().to_owned());
    let new = NewPin { workspace, board: board.cloned(), assignee, tenant };
    Ok(if new == NewPin::default() { Wanted::Show } else { Wanted::Set(new) })
}

pub(in crate::command) async fn here(
    desk: &Desk,
    caller: &Caller,
    args: &Here,
    wanted: &Wanted,
    tx: &mut Tx,
) -> Result<Done, Error> {
    let Some(thread) = caller.thread() else { refuse!(Invalid, "{NO_PLACE}") };
    let (place, reach) = place_of(thread, args);
    let done = match wanted {
        Wanted::Show => String::new(),
        Wanted::Off => match tx.clear_pin(&place).await? {
            true => format!("Ended what was set {}.\n\n", at(reach)),
            false => format!("Nothing was set {}.\n\n", at(reach)),
        },
        Wanted::Set(new) => {
            tx.set_pin(&place, new, caller.actor.name(), desk.now()).await?;
            format!("Set {}. Tasks that run already go on where they are.\n\n", at(reach))
        }
    };
    let pin = tx.pin(&place).await?;
    // What is seen from a wider place is its own, so it is told as from there.
    let is_in_thread = place.thread.is_some();
    let is_open = match &pin.board {
        Some(pinned) => !access::hidden_boards(desk, caller).await?.contains(&pinned.value),
        None => true,
    };
    let mut text = format!("{done}{}", shown(&pin, is_in_thread, is_open));
    let wider = matches!(wanted, Wanted::Off).then(|| still_set(&pin, reach)).flatten();
    if let Some(flag) = wider {
        text.push_str(&format!("\nThe rest is set more widely; `/kanban here off {flag}` ends it there."));
    }
    Ok(Done::from(Reply::text(text)))
}

/// The place that is meant, and how wide it is.
fn place_of(thread: &Thread, args: &Here) -> (Thread, Reach) {
    match (args.space, args.channel, &thread.thread) {
        (true, _, _) => (Thread { channel: String::new(), thread: None, ..thread.clone() }, Reach::Space),
        (false, true, _) => (Thread { thread: None, ..thread.clone() }, Reach::Channel),
        (false, false, _) => (thread.clone(), Reach::Thread),
    }
}

fn at(reach: Reach) -> &'static str {
    match reach {
        Reach::Thread => "here",
        Reach::Channel => "for the channel",
        Reach::Space => "for the whole space",
    }
}

/// The flag that names a wider place from which something of new tasks still comes.
fn still_set(pin: &Pin, reach: Reach) -> Option<&'static str> {
    let reaches = [
        pin.workspace.as_ref().map(|pinned| pinned.reach),
        pin.board.as_ref().map(|pinned| pinned.reach),
        pin.assignee.as_ref().map(|pinned| pinned.reach),
        pin.tenant.as_ref().map(|pinned| pinned.reach),
    ];
    match reaches.into_iter().flatten().filter(|found| *found > reach).min()? {
        Reach::Thread => None,
        Reach::Channel => Some("--channel"),
        Reach::Space => Some("--space"),
    }
}

/// Each field in force with where it comes from, and what that means for a new task. A board that is not open to the
/// caller is not named.
fn shown(pin: &Pin, is_in_thread: bool, is_open: bool) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, value: Option<(String, String)>| {
        if let Some((value, origin)) = value {
            lines.push(format!("{name} {value} — {origin}"));
        }
    };
    line("directory", told(&pin.workspace, is_in_thread, |path| format!("`{path}`")));
    let board_name =
        |board: &BoardSlug| if is_open { format!("`{board}`") } else { "that is not open to you".to_owned() };
    line("board", told(&pin.board, is_in_thread, board_name));
    line("profile", told(&pin.assignee, is_in_thread, |name| format!("`{name}`")));
    line("tenant", told(&pin.tenant, is_in_thread, |tenant| format!("`{tenant}`")));
    line("threads", told(&pin.threads, is_in_thread, |on| if *on { "on" } else { "off" }.to_owned()));
    line(
        "agent",
        told(&pin.agent, is_in_thread, |agent| match agent {
            Resident::Off => "off".to_owned(),
            Resident::Profile(name) => format!("`{name}`"),
        }),
    );
    line("lane", told(&pin.lane, is_in_thread, |lane: &LanePolicy| lane.as_str().to_owned()));
    let board = match &pin.board {
        Some(_) if !is_open => "a board that is not open to you".to_owned(),
        Some(pinned) => format!("the board `{}`", pinned.value),
        None => format!("the board `{}`", BoardSlug::default()),
    };
    let whose = pin.assignee.as_ref().map_or("nobody yet".to_owned(), |pinned| format!("`{}`", pinned.value));
    let place = pin
        .workspace
        .as_ref()
        .map_or("where its profile says, or else in a directory of its own".to_owned(), |pinned| {
            format!("in `{}`", pinned.value)
        });
    let tenant = pin.tenant.as_ref().map_or(String::new(), |pinned| format!(", belongs to `{}`", pinned.value));
    let outlook = format!("A new task from here goes to {board}, is for {whose}{tenant}, and works {place}.");
    if lines.is_empty() {
        return format!(
            "Nothing is set here. {outlook}\nTo set it: `/kanban here /srv/project --assignee PROFILE --board BOARD --tenant TENANT`, or some of these."
        );
    }
    format!("In force here:\n{}\n{outlook}", lines.join("\n"))
}

/// A value as it is shown, and its origin.
fn told<T>(field: &Option<Pinned<T>>, is_in_thread: bool, value: impl Fn(&T) -> String) -> Option<(String, String)> {
    let pinned = field.as_ref()?;
    let origin = match (pinned.reach, is_in_thread) {
        (Reach::Thread, _) | (Reach::Channel, false) => "set here",
        (Reach::Channel, true) => "from the channel, set",
        (Reach::Space, _) => "from the whole space, set",
    };
    Some((value(&pinned.value), format!("{origin} by {}", pinned.by)))
}

/// The home of the user that the gateway runs as.
fn home_of_gateway(desk: &Desk) -> Result<PathBuf, Error> {
    match desk.environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute()) {
        Some(home) => Ok(home),
        None => refuse!(Invalid, "`~` means nothing here: the gateway runs without `HOME`; give the whole path"),
    }
}

/// Refuses a path that begins nowhere, with the whole paths that may be meant.
fn relative(desk: &Desk, caller: &Caller, typed: &str) -> Error {
    let settings = desk.settings.get();
    let below = typed.trim_start_matches("./");
    let roots = access::roots(caller, &settings).unwrap_or_default();
    let home = home_of_gateway(desk).ok();
    let tops = roots.iter().cloned().chain(home);
    // Whoever may not use a directory is not told that it is there.
    let candidates: Vec<String> = tops
        .filter_map(|top| access::open(caller, &settings, desk.home(), &top.join(below)).ok())
        .map(|opened| format!("`/kanban here {}`", opened.path().display()))
        .take(3)
        .collect();
    let meant = match (candidates.is_empty(), roots.first()) {
        (false, _) => candidates.join(" or "),
        (true, Some(root)) => format!("`/kanban here {}`", root.join(below).display()),
        (true, None) => format!("`/kanban here {}`", Path::new("/srv").join(below).display()),
    };
    Error::refused(
        crate::board::Reason::Invalid,
        format!(
            "`{typed}` is no whole path, and there is no directory here that it could begin in; write it from the root, as in {meant}"
        ),
    )
}
