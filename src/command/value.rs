//! The values that arguments take, where a plain word would say too little.
//!
//! The type of a field also decides how menus and forms show it; see [`mod@crate::command::spec`].

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use kanban_platform::Style;
use serde_json::{Map, Value};

use crate::board::{
    Amount,
    budget::Bound,
    event,
    id::{ProfileName, TaskId},
    question::Choice,
};

/// Running text. Each verb has at most one argument of this type: the rest of the line and the lines below go to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prose(pub String);

impl Prose {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Prose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text of some words. In chat it needs no quotes: it goes on until the next option.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase(pub String);

impl Phrase {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phrase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// Who is to do a task: a profile, or nobody (`none`, `null` or `-`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignee {
    Nobody,
    Profile(ProfileName),
}

impl Assignee {
    pub fn profile(&self) -> Option<&ProfileName> {
        match self {
            Self::Nobody => None,
            Self::Profile(name) => Some(name),
        }
    }
}

impl FromStr for Assignee {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "none" | "null" | "-" => Ok(Self::Nobody),
            name => name.strip_prefix('@').unwrap_or(name).parse().map(Self::Profile),
        }
    }
}

/// A part of a swarm: a profile, and what it is to do where that is not the whole goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub profile: ProfileName,
    pub title: Option<String>,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (profile, title) = text.split_once(':').map_or((text, ""), |(profile, title)| (profile, title.trim()));
        let profile = profile.trim();
        let profile = profile.strip_prefix('@').unwrap_or(profile).parse()?;
        Ok(Self { profile, title: Some(title.to_owned()).filter(|title| !title.is_empty()) })
    }
}

/// The customer, team or project that a task belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant(String);

impl Tenant {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tenant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("a tenant needs a name, as in `acme`".to_owned()),
            name => Ok(Self(name.to_owned())),
        }
    }
}

/// Where a task's worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkspaceArg {
    /// A new directory of ours, removed after the task.
    Scratch,
    /// This directory, by its absolute path.
    Dir(PathBuf),
    /// A git worktree of the repository at this absolute path, else of the board's default directory.
    Worktree(Option<PathBuf>),
}

impl FromStr for WorkspaceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (kind, path) = match text.split_once(':') {
            Some((kind, path)) => (kind, Some(path.trim())),
            None => (text, None),
        };
        match (kind.to_ascii_lowercase().as_str(), path) {
            ("scratch", None) => Ok(Self::Scratch),
            ("worktree", None) => Ok(Self::Worktree(None)),
            ("dir", None | Some("")) => {
                Err("`dir:` requires a path after the colon, as in `dir:/srv/project`".to_owned())
            }
            ("worktree", Some("")) => Err(
                "`worktree:` requires a path after the colon, as in `worktree:/srv/project`; `worktree` alone takes the board's default directory"
                    .to_owned(),
            ),
            ("dir", Some(path)) => absolute("dir", path).map(Self::Dir),
            ("worktree", Some(path)) => absolute("worktree", path).map(|path| Self::Worktree(Some(path))),
            _ => Err(format!(
                "unknown workspace `{text}`: use `scratch`, `worktree`, `worktree:<path>`, or `dir:<path>`"
            )),
        }
    }
}

/// What `here` may be told of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pinnable {
    /// Nothing is set here any more.
    Off,
    Directory(PathBuf),
    /// Below the home of the user that the gateway runs as.
    BelowHome(PathBuf),
    /// No whole path: refused with one that may be meant.
    Relative(String),
}

impl FromStr for Pinnable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let path = match text.split_once(':') {
            Some((kind, path)) if kind.eq_ignore_ascii_case("dir") => path.trim(),
            Some((kind, _)) if kind.eq_ignore_ascii_case("worktree") => return Err(not_pinnable(text)),
            Some(_) | None => text,
        };
        match path {
            "" => Err("`here` needs a whole path, as in `/srv/project`".to_owned()),
            _ if ["scratch", "worktree"].iter().any(|kind| path.eq_ignore_ascii_case(kind)) => Err(not_pinnable(path)),
            _ if path.eq_ignore_ascii_case("off") => Ok(Self::Off),
            "~" => Ok(Self::BelowHome(PathBuf::new())),
            _ if Path::new(path).is_absolute() => Ok(Self::Directory(path.into())),
            _ => Ok(path.strip_prefix("~/").map_or_else(
                || Self::Relative(path.to_owned()),
                |below| Self::BelowHome(below.trim_start_matches('/').into()),
            )),
        }
    }
}

fn not_pinnable(kind: &str) -> String {
    format!(
        "`{kind}` is no directory; expected a whole path, as in `/srv/project`, or `off`; one task is given its own place with `create … --workspace {kind}`"
    )
}

impl fmt::Display for WorkspaceArg {
    /// The form in which people type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch => f.write_str("scratch"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::Worktree(None) => f.write_str("worktree"),
            Self::Worktree(Some(path)) => write!(f, "worktree:{}", path.display()),
        }
    }
}

/// The name of one skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill(String);

impl Skill {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Skill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("a skill needs a name".to_owned()),
            name if name.contains(',') => Err(format!(
                "skill name cannot contain comma: `{name}`; give `--skill` once for each, as in `--skill {}`",
                name.split(',').map(str::trim).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" --skill ")
            )),
            name => Ok(Self(name.to_owned())),
        }
    }
}

/// What a worker hands over, as a JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonObject(pub Map<String, Value>);

impl FromStr for JsonObject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err("must be a JSON object, as in `{\"rows\": 10}`".to_owned()),
            Err(fault) => Err(format!("is not JSON: {fault}")),
        }
    }
}

/// Reads a time that may be lifted again with `none`.
pub fn total_time(text: &str) -> Result<Bound<i64>, String> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(Bound::Lifted);
    }
    duration(text).map(|time| Bound::Most(whole_seconds(time)))
}

/// Reads an amount that may be lifted again with `none`.
pub fn total_cost(text: &str) -> Result<Bound<Amount>, String> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(Bound::Lifted);
    }
    text.parse().map(Bound::Most)
}

/// At least one second, since a limit of none would end every run at once.
pub fn whole_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs().max(1)).unwrap_or(i64::MAX)
}

/// How many rows a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    All,
    Rows(u32),
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        match text.parse() {
            Ok(rows) if rows > 0 => Ok(Self::Rows(rows)),
            _ => Err(format!("`{text}` is no number of rows; expected 1 or more, or `all`")),
        }
    }
}

/// Reads a point in time (RFC 3339 with an offset, or unix seconds) as unix seconds.
pub fn instant(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second).map_err(|_| {
        format!("`{text}` is no point in time; expected one like `2027-01-31T09:00:00Z`, or unix seconds; `--in 2h` waits from now")
    })
}

/// Reads whole seconds, or a number with `s`, `m`, `h` or `d`, as a time of more than zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let malformed =
        || format!("malformed duration `{text}` (expected `30s`, `5m`, `2h`, `1d`, or a number of seconds)");
    let lower = text.trim().to_ascii_lowercase();
    let (number, scale) = match lower.char_indices().last() {
        Some((at, 's')) => (&lower[..at], 1.0),
        Some((at, 'm')) => (&lower[..at], 60.0),
        Some((at, 'h')) => (&lower[..at], 3_600.0),
        Some((at, 'd')) => (&lower[..at], 86_400.0),
        Some((_, '0'..='9')) if !lower.contains('.') => (lower.as_str(), 1.0),
        _ => return Err(malformed()),
    };
    let number = number.trim();
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+')) {
        return Err(malformed());
    }
    let seconds = number.parse::<f64>().map_err(|_| malformed())? * scale;
    if seconds <= 0.0 {
        return Err(format!("`{text}` is no time to wait; expected more than zero, as in `30m`"));
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| time.as_secs() <= LONGEST.as_secs())
        .ok_or_else(|| format!("`{text}` is too long; the most is `36500d`"))
}

/// Reads the time between two looks: a duration, or seconds with decimals.
pub fn interval(text: &str) -> Result<Duration, String> {
    match text.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        true => duration(&format!("{}s", text.trim())),
        false => duration(text),
    }
    .map_err(|_| format!("`{text}` is no time between two looks; expected more than zero, as in `0.5` or `2s`"))
}

/// Reads a whole number of at least one.
pub fn positive(text: &str) -> Result<u32, String> {
    text.trim().parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("must be >= 1 (got `{text}`)"))
}

/// Reads a branch's name. Git refuses more names than this, but none of these would reach it as one word.
pub fn branch(text: &str) -> Result<String, String> {
    match text.trim() {
        name if name.is_empty() || name.starts_with('-') => {
            Err(format!("`{name}` is not a branch name; expected one like `fix/login`"))
        }
        name if name.chars().any(char::is_whitespace) => {
            Err(format!("must not contain whitespace, got `{name}`; expected a name like `fix/login`"))
        }
        name => Ok(name.to_owned()),
    }
}

/// Reads one kind of events.
pub fn event_kind(text: &str) -> Result<event::Kind, String> {
    text.trim().parse()
}

/// Reads a choice of a question: `LABEL`, `LABEL|VALUE` or `LABEL|VALUE|STYLE`.
pub fn choice(text: &str) -> Result<Choice, String> {
    let mut parts = text.split('|').map(str::trim);
    let label = parts.next().unwrap_or_default().to_owned();
    if label.is_empty() {
        return Err(
            "a choice needs a label, as in `--choice Stripe` or `--choice \"Stripe|stripe-eu|primary\"`".to_owned()
        );
    }
    let value = parts.next().filter(|value| !value.is_empty()).map(str::to_owned);
    let style = match parts.next().map(str::to_lowercase).as_deref() {
        None | Some("" | "plain") => Style::Plain,
        Some("primary") => Style::Primary,
        Some("success") => Style::Success,
        Some("danger") => Style::Danger,
        Some(style) => {
            return Err(format!("`{style}` is no style of a choice; there are primary, success and danger"));
        }
    };
    match parts.next() {
        None => Ok(Choice { label, value, style }),
        Some(_) => {
            Err(format!("`{text}` has too many parts; a choice is `LABEL|VALUE|STYLE`, and a label holds no `|`"))
        }
    }
}

/// Reads an attachment's number.
pub fn row(text: &str) -> Result<i64, String> {
    text.trim()
        .trim_start_matches('#')
        .parse()
        .map_err(|_| format!("`{text}` is no attachment number; `attachments {}` lists them", example_id()))
}

/// An id as examples show it.
pub(crate) fn example_id() -> &'static str {
    "t_4kx9c2ma"
}

/// Tells whether a word of the line is an id, so that the words after it can be a reason.
pub(crate) fn is_id(word: &str) -> bool {
    TaskId::looks_like(word)
}

const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

fn absolute(kind: &str, path: &str) -> Result<PathBuf, String> {
    if Path::new(path).is_absolute() {
        Ok(PathBuf::from(path))
    } else {
        Err(format!("`{kind}:{path}` is relative; give the whole path, as in `{kind}:/srv/project`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_are_positive() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5_400)));
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
        assert!(interval("0").is_err() && interval("").is_err() && interval("-1").is_err());
        assert_eq!(duration("2D"), Ok(Duration::from_secs(172_800)));
        for refused in ["", "soon", "-5", "0", "0s", "-1h", "1.5", "m", "1e9h", "nan", "inf", "5 m m", "99999999d"] {
            assert!(duration(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn workspaces_are_absolute() {
        assert_eq!("dir:/srv/a b".parse(), Ok(WorkspaceArg::Dir("/srv/a b".into())));
        assert_eq!("worktree".parse(), Ok(WorkspaceArg::Worktree(None)));
        assert_eq!("Worktree:/srv".parse(), Ok(WorkspaceArg::Worktree(Some("/srv".into()))));
        for refused in ["cloud", "dir:", "dir", "dir:src", "worktree:", "worktree:src", "scratch:/x", ""] {
            assert!(refused.parse::<WorkspaceArg>().is_err(), "{refused}");
        }
    }

    #[test]
    fn points_in_time_are_exact() {
        assert_eq!(instant("1795358248"), Ok(1_795_358_248));
        assert_eq!(instant("2026-11-22T14:37:28Z"), Ok(1_795_358_248));
        assert!(instant("tomorrow").is_err());
    }

    #[test]
    fn nobody_has_three_names() {
        for word in ["none", "NULL", "-"] {
            assert_eq!(word.parse(), Ok(Assignee::Nobody));
        }
        assert_eq!(
            "@Claude".parse::<Assignee>().map(|who| who.profile().map(ToString::to_string)),
            Ok(Some("claude".into()))
        );
    }
}
