//! Cutting a long text into messages.

/// Cuts `text` into parts of at most `limit` characters, nothing left out: at the last paragraph border that fits,
/// else at a line border, else at a blank, else between two characters.
pub fn split(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(1);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((end, _)) = rest.char_indices().nth(limit) {
        let head = &rest[..end];
        let cut = ["\n\n", "\n", " "]
            .iter()
            .find_map(|border| head.rfind(border).filter(|at| *at > 0).map(|at| at + border.len()))
            .unwrap_or(end);
        parts.push(rest[..cut].to_owned());
        rest = &rest[cut..];
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split;
    use proptest::prelude::*;

    #[test]
    fn prefers_paragraphs_over_lines_over_blanks() {
        assert_eq!(split("one two\n\nthree four", 12), ["one two\n\n", "three four"]);
        assert_eq!(split("one two\nthree four", 12), ["one two\n", "three four"]);
        assert_eq!(split("one two three", 9), ["one two ", "three"]);
        assert_eq!(split("onetwothree", 6), ["onetwo", "three"]);
        assert_eq!(split("", 6), [""]);
    }

    proptest! {
        #[test]
        fn loses_nothing_and_keeps_the_limit(text in "\\PC{0,200}|[a\\n ü😀]{0,200}", limit in 1usize..50) {
            let parts = split(&text, limit);
            prop_assert_eq!(parts.concat(), text);
            prop_assert!(parts.iter().all(|part| part.chars().count() <= limit));
        }
    }
}
