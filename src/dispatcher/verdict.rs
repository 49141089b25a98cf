//! What the end of a worker's process means: read from its exit, and from its last lines as its recipe says.

use jiff::tz::TimeZone;

use super::until::until;
use crate::{
    board::attempt::Ending,
    clock::Millis,
    settings::{Kind, Pattern, Profile, Signs},
    shim::Exit,
};

/// The most characters of an agent's line that a post and the board repeat.
const LINE: usize = 200;

/// A run whose end is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) profile: Option<&'a Profile>,
    /// It went on in a session of before.
    pub(super) resumed: bool,
    /// Its time limit, in seconds.
    pub(super) limit: Option<u64>,
}

/// What is to be done about a program that could not work, whatever it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It has reached a limit of use, until a time that it may have said.
    Limit { line: String, until: Option<Millis> },
    /// Nobody is logged in.
    Auth { line: String },
    /// It does not know the session that it was to go on in.
    SessionGone { line: String },
}

/// What keeps a program from working, if its end says so. Its output counts only where it has failed by itself, since it
/// may speak of such things while it works well.
pub fn trouble(exit: &Exit, signs: &Signs, resumed: bool, now: Millis, zone: &TimeZone) -> Option<Trouble> {
    let code = exit.code.filter(|code| *code != 0 && exit.stopped.is_none() && exit.error.is_none())?;
    let tail = exit.tail.as_str();
    if let Some(line) = found(&signs.gone, tail).filter(|_| resumed) {
        return Some(Trouble::SessionGone { line });
    }
    let exits = |statuses: &[crate::settings::ExitStatus]| statuses.iter().any(|status| status.is(code));
    if let Some(line) = found(&signs.auth, tail).or_else(|| exits(&signs.auth_exit).then(|| last(tail))) {
        return Some(Trouble::Auth { line });
    }
    let line = found(&signs.limit, tail).or_else(|| exits(&signs.limit_exit).then(|| last(tail)))?;
    let said = signs.until.iter().flat_map(|pattern| tail.lines().rev().filter_map(|line| pattern.capture(line)));
    let until = said.into_iter().find_map(|text| until(&text, now, zone));
    Some(Trouble::Limit { line, until })
}

/// What the end of a run means. A worker that has completed or blocked its task is past caring.
pub(super) fn ending(exit: &Exit, run: Run<'_>, now: Millis, zone: &TimeZone) -> Ending {
    if let Some(error) = &exit.error {
        return Ending::NotStarted { error: error.clone() };
    }
    let tail = exit.tail.trim_end();
    let signs = run.profile.map(|profile| &profile.signs);
    if let Some(trouble) = signs.and_then(|signs| trouble(exit, signs, run.resumed, now, zone)) {
        let tail = tail.to_owned();
        return match trouble {
            Trouble::Limit { line, until } => Ending::RateLimited { line, until, tail, is_told: false },
            Trouble::Auth { line } => {
                let login = run.profile.and_then(|profile| profile.probes.login.as_ref());
                let login = login.map(|login| login.as_str().to_owned());
                Ending::AuthFailed { line, login, tail, is_told: false }
            }
            Trouble::SessionGone { .. } => Ending::SessionGone { tail },
        };
    }
    let with_tail = |what: String| if tail.is_empty() { what } else { format!("{what}\n{tail}") };
    let is_script = run.profile.is_some_and(|profile| profile.kind == Kind::Script);
    match (exit.stopped.as_deref(), exit.code, exit.signal) {
        (Some(Exit::TIME_LIMIT), _, _) => {
            let took = || u64::try_from(exit.ended_at - exit.started_at).unwrap_or(0) / 1000;
            let limit = run.limit.unwrap_or_else(took);
            Ending::TimedOut { limit_seconds: i64::try_from(limit).unwrap_or(i64::MAX) }
        }
        (Some(reason), _, _) => Ending::Failed { error: with_tail(format!("it was stopped: {reason}")) },
        (None, Some(0), _) if is_script => {
            Ending::ScriptDone { summary: if tail.is_empty() { "(no output)".to_owned() } else { tail.to_owned() } }
        }
        (None, Some(0), _) => Ending::Silent,
        (None, Some(code), _) => Ending::Failed { error: with_tail(format!("it exited with {code}")) },
        (None, None, Some(signal)) => Ending::Failed { error: with_tail(format!("it was killed by signal {signal}")) },
        (None, None, None) => Ending::Lost { error: "how it ended is not known".to_owned() },
    }
}

/// The last of the lines that have one of the patterns.
fn found(patterns: &[Pattern], tail: &str) -> Option<String> {
    let has_one = |line: &&str| patterns.iter().any(|pattern| pattern.is_in(line));
    tail.lines().rev().find(has_one).map(short)
}

fn last(tail: &str) -> String {
    tail.lines().rev().find(|line| !line.trim().is_empty()).map(short).unwrap_or_default()
}

fn short(line: &str) -> String {
    let line: String = line.trim().chars().filter(|c| !c.is_control()).collect();
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
