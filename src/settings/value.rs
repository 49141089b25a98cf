//! The types that a setting may have. A value that was read is known to be good.

use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU32, NonZeroU64},
    path::{Component, Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use config::ValueKind;
use serde_json::{Value, json};

use crate::{
    board::{Amount, ProfileName},
    secret::Secret,
};

/// A type of settings.
pub(super) trait Setting: Sized {
    const FORM: Form;

    /// What a value should be, for refusals and the documentation: `a whole number from 1`.
    fn expected() -> String;

    /// Reads a value, or says what was got and what was expected.
    fn read(value: &ValueKind) -> Result<Self, String>;

    /// The value as `settings show` prints it.
    fn shown(&self) -> Value;
}

/// How the text of an environment variable becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Text,
    /// `4`.
    Number,
    /// `true` or `false`.
    Switch,
    /// `a,b` or `["a", "b"]`.
    List,
    /// `["a", "b"]` alone, as commas and blanks belong to the words.
    Words,
    /// A variable for each entry.
    Table,
}

/// A length of time in whole seconds, a year at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds<const LEAST: u32 = 0>(u32);

impl<const LEAST: u32> Seconds<LEAST> {
    const MOST: u32 = 365 * 86_400;

    pub(super) const fn new(seconds: u32) -> Self {
        assert!(LEAST <= seconds && seconds <= Self::MOST);
        Self(seconds)
    }

    pub fn get(self) -> u32 {
        self.0
    }

    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl<const LEAST: u32> Setting for Seconds<LEAST> {
    const FORM: Form = Form::Number;

    fn expected() -> String {
        format!("whole seconds from {LEAST} to {}", Self::MOST)
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        whole_number(value)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|seconds| (LEAST..=Self::MOST).contains(seconds))
            .map(Self)
            .ok_or_else(|| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        self.0.into()
    }
}

/// A number of bytes between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes<const LEAST: u32, const MOST: u32>(u32);

impl<const LEAST: u32, const MOST: u32> Bytes<LEAST, MOST> {
    pub(super) const fn new(bytes: u32) -> Self {
        assert!(LEAST <= bytes && bytes <= MOST);
        Self(bytes)
    }

    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl<const LEAST: u32, const MOST: u32> Setting for Bytes<LEAST, MOST> {
    const FORM: Form = Form::Number;

    fn expected() -> String {
        format!("a number of bytes from {LEAST} to {MOST}")
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        whole_number(value)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|bytes| (LEAST..=MOST).contains(bytes))
            .map(Self)
            .ok_or_else(|| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        self.0.into()
    }
}

/// A length of time as people write it: `90`, `45m`, `2h`, `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut rest = text.trim();
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number: u64 = rest[..digits].parse().map_err(|_| ())?;
            let mut after = rest[digits..].chars();
            let unit = match after.next() {
                None | Some('s') => 1,
                Some('m') => 60,
                Some('h') => 3_600,
                Some('d') => 86_400,
                Some(_) => return Err(()),
            };
            total = number.checked_mul(unit).and_then(|seconds| total.checked_add(seconds)).ok_or(())?;
            rest = after.as_str();
        }
        if (1..=u64::from(Seconds::<1>::MOST)).contains(&total) {
            Ok(Self(Duration::from_secs(total)))
        } else {
            Err(())
        }
    }
}

impl Setting for Period {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "a time such as `\"90s\"`, `\"45m\"` or `\"2h\"`, a year at most".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = match whole_number(value) {
            Some(seconds) => seconds.to_string(),
            None => text_of::<Self>(value)?.to_owned(),
        };
        text.parse().map_err(|()| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        let seconds = self.0.as_secs();
        let (number, unit) = [(86_400, "d"), (3_600, "h"), (60, "m")]
            .into_iter()
            .find(|(size, _)| seconds.is_multiple_of(*size))
            .map_or((seconds, "s"), |(size, unit)| (seconds / size, unit));
        format!("{number}{unit}").into()
    }
}

impl Setting for Amount {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "an amount such as `\"0.25\"` or `\"12\"`, a million at most".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = match (whole_number(value), value) {
            (Some(number), _) => number.to_string(),
            // The shortest text that means the same number is what was typed.
            (None, ValueKind::Float(number)) => number.to_string(),
            (None, _) => text_of::<Self>(value)?.to_owned(),
        };
        text.parse().map_err(|_| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        self.to_string().into()
    }
}

/// An absolute path of a directory, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Directory(PathBuf);

impl AsRef<Path> for Directory {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl FromStr for Directory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if path.is_absolute() && plain && !text.contains('\0') {
            Ok(Self(path.to_owned()))
        } else {
            Err(format!("got `{text}`, expected {}", Self::expected()))
        }
    }
}

impl Setting for Directory {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "an absolute path without `~` and `..`, as in `\"/srv/work\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse()
    }

    fn shown(&self) -> Value {
        self.0.to_string_lossy().into()
    }
}

/// Where a profile's tasks work when they do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkspaceDefault {
    /// A folder of the task's own, below our home.
    Scratch,
    /// A directory that tasks share, one at a time.
    Dir(Directory),
    /// A git worktree of the task's own, of the repository that the thread is pinned to or of this one.
    Worktree(Option<Directory>),
}

impl FromStr for WorkspaceDefault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "scratch" => Ok(Self::Scratch),
            None if text == "worktree" => Ok(Self::Worktree(None)),
            Some(("dir", path)) => path.parse().map(Self::Dir),
            Some(("worktree", path)) => path.parse().map(|path| Self::Worktree(Some(path))),
            None | Some(_) => Err(format!("got `{text}`, expected {}", Self::expected())),
        }
    }
}

impl fmt::Display for WorkspaceDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scratch => f.write_str("scratch"),
            Self::Dir(path) => write!(f, "dir:{}", path.0.display()),
            Self::Worktree(None) => f.write_str("worktree"),
            Self::Worktree(Some(path)) => write!(f, "worktree:{}", path.0.display()),
        }
    }
}

impl Setting for WorkspaceDefault {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "`\"scratch\"`, `\"dir:/abs/path\"`, `\"worktree\"` or `\"worktree:/abs/path\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse()
    }

    fn shown(&self) -> Value {
        self.to_string().into()
    }
}

/// The name of an environment variable that a worker may be given. Ours, `KANBAN_…`, are not among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableName(String);

impl VariableName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VariableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && !text.is_empty();
        if !name {
            Err(format!("got `{text}`, expected {}", Self::expected()))
        } else if text.starts_with("KANBAN_") {
            Err(format!("got `{text}`, but variables that begin with `KANBAN_` are set by the dispatcher alone"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl Setting for VariableName {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "the name of an environment variable, as in `\"OPENAI_API_KEY\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse()
    }

    fn shown(&self) -> Value {
        self.0.as_str().into()
    }
}

/// Environment variables with their values, which may be secrets and are never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<VariableName, Secret>);

impl Variables {
    pub fn iter(&self) -> impl Iterator<Item = (&VariableName, &Secret)> {
        self.0.iter()
    }
}

impl Setting for Variables {
    const FORM: Form = Form::Table;

    fn expected() -> String {
        "a table of environment variables, as in `{ TZ = \"UTC\" }`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        // What was got is named by its kind alone, as it may be a secret.
        let ValueKind::Table(table) = value else {
            return Err(format!("got {}, expected {}", kind(value), Self::expected()));
        };
        let mut variables = BTreeMap::new();
        for (name, entry) in table {
            let ValueKind::String(text) = &entry.kind else {
                return Err(format!("got {} for `{name}`, expected a text in quotes", kind(&entry.kind)));
            };
            if text.contains('\0') {
                return Err(format!("the text for `{name}` has a zero byte, which no environment variable can hold"));
            }
            variables.insert(name.parse()?, Secret::new(text.as_str()));
        }
        Ok(Self(variables))
    }

    fn shown(&self) -> Value {
        self.0.keys().map(|name| (name.0.clone(), json!("(set)"))).collect()
    }
}

/// A status that a program may exit with beside 0, which is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExitStatus(u8);

impl ExitStatus {
    /// The status by which a worker says that its agent has reached a limit.
    pub const RATE_LIMITED: Self = Self(75);

    pub fn is(self, code: i32) -> bool {
        i32::from(self.0) == code
    }
}

impl Setting for ExitStatus {
    const FORM: Form = Form::Number;

    fn expected() -> String {
        "an exit status from 1 to 255".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = match value {
            // An item of a list from the environment.
            ValueKind::String(text) => text.trim().parse().ok(),
            other => whole_number(other),
        };
        text.and_then(|number| u8::try_from(number).ok())
            .filter(|status| *status > 0)
            .map(Self)
            .ok_or_else(|| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        self.0.into()
    }
}

/// One line of text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Line {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "one line of text".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let text = text_of::<Self>(value)?.trim();
        if text.is_empty() || text.contains(char::is_control) {
            return Err(unexpected::<Self>(value));
        }
        Ok(Self(text.to_owned()))
    }

    fn shown(&self) -> Value {
        self.0.as_str().into()
    }
}

impl Setting for NonZeroU32 {
    const FORM: Form = Form::Number;

    fn expected() -> String {
        "a whole number from 1".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        whole_number(value)
            .and_then(|number| u32::try_from(number).ok())
            .and_then(Self::new)
            .ok_or_else(|| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        self.get().into()
    }
}

impl Setting for NonZeroU64 {
    const FORM: Form = Form::Number;

    fn expected() -> String {
        NonZeroU32::expected()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        whole_number(value)
            .and_then(|number| u64::try_from(number).ok())
            .and_then(Self::new)
            .ok_or_else(|| unexpected::<Self>(value))
    }

    fn shown(&self) -> Value {
        self.get().into()
    }
}

impl Setting for bool {
    const FORM: Form = Form::Switch;

    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Boolean(value) => Ok(*value),
            other => Err(unexpected::<Self>(other)),
        }
    }

    fn shown(&self) -> Value {
        (*self).into()
    }
}

impl Setting for ProfileName {
    const FORM: Form = Form::Text;

    fn expected() -> String {
        "the name of a profile, as in `\"claude\"`".to_owned()
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        text_of::<Self>(value)?.parse()
    }

    fn shown(&self) -> Value {
        self.as_str().into()
    }
}

impl<T: Setting> Setting for Vec<T> {
    const FORM: Form = Form::List;

    fn expected() -> String {
        format!("a list; each item {}", T::expected())
    }

    fn read(value: &ValueKind) -> Result<Self, String> {
        let ValueKind::Array(items) = value else {
            return Err(unexpected::<Self>(value));
        };
        items.iter().map(|item| T::read(&item.kind)).collect()
    }

    fn shown(&self) -> Value {
        self.iter().map(T::shown).collect()
    }
}

impl<T: Setting> Setting for Option<T> {
    const FORM: Form = T::FORM;

    fn expected() -> String {
        T::expected()
    }

    /// The word `none` takes back a value that a lower layer set.
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) if text == "none" => Ok(None),
            other => T::read(other).map(Some),
        }
    }

    fn shown(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::shown)
    }
}

/// The text of a value that must be one.
pub(super) fn text_of<T: Setting>(value: &ValueKind) -> Result<&str, String> {
    match value {
        ValueKind::String(text) => Ok(text),
        other => Err(unexpected::<T>(other)),
    }
}

/// Says what was got and what was expected.
pub(super) fn unexpected<T: Setting>(value: &ValueKind) -> String {
    let got = match value {
        ValueKind::Boolean(value) => format!("`{value}`"),
        ValueKind::I64(value) => format!("`{value}`"),
        ValueKind::Float(value) => format!("`{value}`"),
        ValueKind::String(text) => format!("the text `{text}`"),
        other => kind(other).to_owned(),
    };
    format!("got {got}, expected {}", T::expected())
}

/// Names the kind of a value without the value.
pub(super) fn kind(value: &ValueKind) -> &'static str {
    match value {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a truth value",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) | ValueKind::Float(_) => {
            "a number"
        }
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}

fn whole_number(value: &ValueKind) -> Option<i128> {
    match value {
        ValueKind::I64(number) => Some((*number).into()),
        ValueKind::U64(number) => Some((*number).into()),
        ValueKind::I128(number) => Some(*number),
        ValueKind::U128(number) => i128::try_from(*number).ok(),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::Float(_)
        | ValueKind::String(_)
        | ValueKind::Table(_)
        | ValueKind::Array(_) => None,
    }
}
