//! One line of the input.

use std::time::Duration;

use kanban_platform::Thread;
use serde_json::Value;

/// What a line asks for, with its fields.
pub(crate) struct Order(Value);

/// What comes of an order: a line of the output, or what is wrong with the order.
pub(crate) type Outcome = Result<Value, String>;

impl Order {
    pub(crate) fn read(line: &str) -> std::io::Result<Self> {
        Ok(Self(serde_json::from_str(line)?))
    }

    pub(crate) fn name(&self) -> &str {
        self.0["do"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> Result<&str, String> {
        self.0[field].as_str().ok_or_else(|| format!("`{}` needs `{field}`", self.name()))
    }

    pub(crate) fn place(&self) -> Result<Thread, String> {
        serde_json::from_value(self.0["place"].clone()).map_err(|error| format!("the place is none: {error}"))
    }

    pub(crate) fn is(&self, field: &str) -> bool {
        self.0[field] == true
    }

    pub(crate) fn count(&self) -> usize {
        self.0["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.0["ms"].as_u64().unwrap_or(0))
    }

    /// The words of a native command.
    pub(crate) fn verb(&self) -> Vec<&str> {
        self.0["verb"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The fields of a command or a form, by name.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let fields = self.0["fields"].as_object().into_iter().flatten();
        fields.map(|(field, value)| (field.as_str(), value.as_str().unwrap_or_default())).collect()
    }
}
