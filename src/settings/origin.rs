//! Where a setting's value comes from, as `kanban settings show` tells it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// What gave a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The built-in recipe of an agent command line or of `script`.
    Recipe,
    /// The settings file, or a profile's own.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

/// The mark of a value that comes from a recipe; a file's path is absolute and a variable's name has no blank.
pub(super) const RECIPE: &str = "built-in recipe";

impl Origin {
    /// Reads the mark that a layer left on a value.
    pub(super) fn of(mark: Option<&str>) -> Self {
        match mark {
            None => Self::Default,
            Some(RECIPE) => Self::Recipe,
            Some(path) if Path::new(path).is_absolute() => Self::File(PathBuf::from(path)),
            Some(name) => Self::Variable(name.to_owned()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Recipe => f.write_str(RECIPE),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One setting that is in force. A secret's value is `"(set)"`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

impl fmt::Display for Row {
    /// `key = value  # origin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, text(&self.value), self.origin)
    }
}

/// Writes a value as the settings file has it, and an absent one as `none`.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<_> = entries.iter().map(|(name, value)| format!("{name} = {}", text(value))).collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
