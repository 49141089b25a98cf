//! The environment of this process, captured once, so that nothing else reads it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
};

/// Environment variables as they were when the program started, or as a test gives them.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables of this process. The program calls this once, in `main`.
    pub fn capture() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
        let variables = std::env::vars_os();
        Self(variables.collect())
    }

    /// A variable's value; a variable that is set to nothing counts as not set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The directory for sockets that do not fit below the home.
    pub fn runtime_dir(&self) -> PathBuf {
        ["XDG_RUNTIME_DIR", "TMPDIR"]
            .iter()
            .find_map(|name| self.get(name))
            .map_or_else(|| "/tmp".into(), PathBuf::from)
    }

    /// The name of the user whose process this is, as far as it says.
    pub fn user_name(&self) -> String {
        ["USER", "LOGNAME"].iter().find_map(|name| self.get(name)?.to_str()).unwrap_or("user").to_owned()
    }

    /// Every variable, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
