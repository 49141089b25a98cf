//! Text that must not be shown: tokens of platforms, of runs, and values that settings hand to workers.

use std::{fmt, hint};

/// A secret text. It has no `Display` and no `Serialize`, and its `Debug` says only that there is one.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that hands it over. It must not be logged, posted or stored.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Compares in a time that depends on the lengths alone, so that an answer's delay tells nothing about the content.
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = ours.iter().zip(theirs).fold(0, |seen, (a, b)| hint::black_box(seen | (a ^ b)));
        ours.len() == theirs.len() && difference == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(set)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_compare_by_content_and_do_not_show_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(secret, Secret::new(String::from("hunter2")));
        for other in ["hunter3", "Hunter2", "hunter", "hunter22", ""] {
            assert_ne!(secret, Secret::new(other));
        }
        assert_eq!(format!("{secret:?}"), "Secret(set)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
