//! The platforms' published descriptions of their bodies, where they lie beside the work tree.

use std::{
    path::{Path, PathBuf},
    sync::Once,
};

use serde_json::Value;

/// Reads one of the descriptions: `slack-manifest.schema.json`. None where they are not there, which is said once.
pub fn published(name: &str) -> Option<Value> {
    static SKIPPED: Once = Once::new();
    let Some(folder) = folder() else {
        SKIPPED.call_once(|| {
            // The test runner shows it with the output of the test, or with `--nocapture`.
            let mut out = std::io::stderr();
            let line = "SKIPPED: bodies are not checked, for the platforms' descriptions are not beside this work tree";
            let _ = std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes());
        });
        return None;
    };
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    serde_json::from_str(&text).ok()
}

/// The folder `shared/fixtures/api-specs` beside the work tree or one of the folders above it.
fn folder() -> Option<PathBuf> {
    let start = Path::new(env!("CARGO_MANIFEST_DIR"));
    start.ancestors().map(|folder| folder.join("shared/fixtures/api-specs")).find(|folder| folder.is_dir())
}
