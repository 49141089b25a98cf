//! "Did you mean": the known name nearest to one that is not known.

/// Answers the candidate that a typist most likely meant, or none when nothing is near.
///
/// Capitals do not count, and neither does the difference between `-`, `_` and a blank.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = folded(name);
    // A third of the letters may be wrong; of a very short name, one.
    let allowed = (typed.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&typed, &folded(candidate)), candidate))
        .filter(|&(distance, candidate)| distance <= allowed && distance < candidate.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_and_far_ones_are_not() {
        let names = ["claude", "codex", "gemini", "script"];
        assert_eq!(nearest("cluade", names), Some("claude"));
        assert_eq!(nearest("CODEX", names), Some("codex"));
        assert_eq!(nearest("scirpt", names), Some("script"));
        assert_eq!(nearest("reviewer", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("max-running", ["max_running", "max_runtime"]), Some("max_running"));
    }
}
