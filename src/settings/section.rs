//! One declaration of a section of the settings: the struct, the check for unknown keys, the reading, the page in `docs`.

use std::path::Path;

use config::{Map, Value, ValueKind};

use super::{
    origin::{Origin, RECIPE, Row},
    value::{Form, Setting},
};

/// One key of a section, as the documentation and the check for unknown keys see it.
pub(super) struct Field {
    pub(super) key: &'static str,
    /// The lines of the field's doc comment.
    pub(super) about: &'static [&'static str],
    pub(super) form: Form,
    pub(super) expected: fn() -> String,
    pub(super) default: fn() -> String,
}

/// A struct that [`section`] declared.
pub(super) trait Section: Sized {
    const ABOUT: &'static [&'static str];
    const FIELDS: &'static [Field];

    fn read(reader: &mut Reader<'_>) -> Self;
}

/// Reads the values of one section, and notes for each what it is and where it comes from.
pub(super) struct Reader<'a> {
    table: Option<&'a Map<String, Value>>,
    path: String,
    findings: &'a mut Findings,
}

/// What reading found: the rows for `settings show`, and what is wrong.
pub(super) struct Findings {
    pub(super) rows: Vec<Row>,
    pub(super) problems: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader of the section at `path` (`["profiles", "claude"]`) of all settings.
    pub(super) fn at(root: &'a Map<String, Value>, path: &[&str], findings: &'a mut Findings) -> Self {
        let table = path.split_first().and_then(|(first, rest)| {
            rest.iter().try_fold(table_of(root.get(*first)?)?, |table, key| table_of(table.get(*key)?))
        });
        Self { table, path: path.join("."), findings }
    }

    /// Reads one value. One that cannot be read is a problem, and the default stands in until all problems are told.
    pub(super) fn field<T: Setting>(&mut self, key: &str, default: impl FnOnce() -> T) -> T {
        let key_path = format!("{}.{key}", self.path);
        let given = self.table.and_then(|table| table.get(key));
        let origin = Origin::of(given.and_then(mark_of));
        let value = match given.map(|value| T::read(&value.kind)) {
            None => default(),
            Some(Ok(value)) => value,
            Some(Err(reason)) => {
                self.problem(&key_path, &origin, &reason);
                default()
            }
        };
        self.findings.rows.push(Row { key: key_path, value: value.shown(), origin });
        value
    }

    /// Notes that the values of this section do not fit together, at the key that is to be mended.
    pub(super) fn refuse(&mut self, key: &str, reason: &str) {
        let origin = Origin::of(self.table.and_then(|table| table.get(key)).and_then(mark_of));
        self.problem(&format!("{}.{key}", self.path), &origin, reason);
    }

    /// Whether something is written at a key, be it right or wrong.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    fn problem(&mut self, key: &str, origin: &Origin, reason: &str) {
        self.findings.problems.push(format!("`{key}` ({origin}): {reason}"));
    }
}

/// The entries of a value that is a table; a table that environment variables build has no mark of its own.
pub(super) fn table_of(value: &Value) -> Option<&Map<String, Value>> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::String(_)
        | ValueKind::Array(_) => None,
    }
}

/// Declares a section: each field with its sentence for the documentation, its type and its default.
///
/// The fields are seen where the struct is. `= default => "words"` documents a default that differs from machine to machine.
macro_rules! section {
    ($(#[doc = $about:literal])+ $seen:vis struct $name:ident {
        $($(#[doc = $text:literal])+ $field:ident: $type:ty = $default:expr $(=> $words:literal)?,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        $seen struct $name { $($(#[doc = $text])+ $seen $field: $type,)+ }

        impl $crate::settings::section::Section for $name {
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const FIELDS: &'static [$crate::settings::section::Field] = &[$($crate::settings::section::Field {
                key: stringify!($field),
                about: &[$($text),+],
                form: <$type as $crate::settings::value::Setting>::FORM,
                expected: <$type as $crate::settings::value::Setting>::expected,
                default: || $crate::settings::section::default_text!($type, $default $(, $words)?),
            }),+];

            fn read(reader: &mut $crate::settings::section::Reader<'_>) -> Self {
                Self { $($field: reader.field(stringify!($field), || $default),)+ }
            }
        }
    };
}

macro_rules! default_text {
    ($type:ty, $default:expr) => {{
        let default: $type = $default;
        format!("`{}`", $crate::settings::origin::text(&$crate::settings::value::Setting::shown(&default)))
    }};
    ($type:ty, $default:expr, $words:literal) => {
        $words.to_owned()
    };
}

pub(crate) use default_text;
pub(crate) use section;

/// The mark of the layer that a value comes from. A table bears none itself, but each of its values does: the uppermost
/// layer among them counts.
fn mark_of(value: &Value) -> Option<&str> {
    let layer = |mark: &&str| match *mark {
        RECIPE => 0,
        mark if Path::new(mark).is_absolute() => 1,
        _ => 2,
    };
    value.origin().or_else(|| table_of(value)?.values().filter_map(mark_of).max_by_key(layer))
}
