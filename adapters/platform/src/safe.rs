//! Text in which nothing acts that cannot be seen.

/// Shows what acts without being seen.
///
/// Control characters become their pictures, and what turns the direction of writing its name. Marks without a width are
/// left out. Line ends and tabs stay, and so do the joiners, which scripts and emoji need.
pub fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' | '\t' => shown.push(character),
            // A line end of another system.
            '\r' if rest.peek() == Some(&'\n') => {}
            '\u{0}'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(character))),
            '\u{7f}' => shown.push('\u{2421}'),
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}' => {}
            '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.push_str(&format!("‹U+{:04X}›", u32::from(character)));
            }
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::safe;
    use proptest::prelude::*;

    #[test]
    fn what_acts_unseen_is_shown_and_what_people_write_stays() {
        assert_eq!(safe("\u{1b}[31ma\u{7f}\u{9b}2J\n\tb\r\nc\rd"), "␛[31ma␡‹U+009B›2J\n\tb\nc␍d");
        assert_eq!(safe("a\u{202e}b\u{2066}c\u{61c}"), "a‹U+202E›b‹U+2066›c");
        assert_eq!(safe("\u{feff}a\u{200b}b"), "ab");
        let scripts = "👩‍💻 می‌خواهم שלום العربية ❤️ é";
        assert_eq!(safe(scripts), scripts);
    }

    proptest! {
        #[test]
        fn nothing_acts_and_what_is_safe_is_left_alone(text in any::<String>()) {
            let shown = safe(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')));
            let is_hidden = shown.contains(['\u{202e}', '\u{2066}', '\u{200f}', '\u{200b}', '\u{feff}']);
            prop_assert!(!is_hidden);
            prop_assert_eq!(safe(&shown), shown);
        }
    }
}
