//! Text in Discord's markdown that shows what it says: nothing in it acts but `code` in backticks and plain addresses.
//!
//! Mentions are held off twice: here, and by `allowed_mentions` on every send and edit.

use kanban_platform::{Span, safe, spans};

/// Signs that mean something to Discord wherever they stand ("Message Formatting" in its reference).
const SIGNS: &str = "\\*_~|`[]<>@";

/// Signs that mean something at the start of a line: headings, small print, lists.
const LINE_SIGNS: &str = "#-+";

/// A zero-width space, which people do not see and which parts what would act together.
const APART: char = '\u{200b}';

/// Shows what acts without being seen, such as control characters and signs that turn the direction of what follows, and
/// takes out what has no look at all.
pub(crate) fn clean(text: &str) -> String {
    safe(text)
        .chars()
        .filter_map(|c| match c {
            '\t' => Some(' '),
            '\u{2060}'..='\u{2064}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => None,
            c => Some(c),
        })
        .collect()
}

/// Running text, with its `code` as code.
pub(crate) fn inline(text: &str) -> String {
    let text = clean(text);
    let mut shown = String::with_capacity(text.len() + text.len() / 8);
    let mut starts_line = true;
    let mut after_code = false;
    let mut spans = spans(&text).into_iter().peekable();
    while let Some(span) = spans.next() {
        match span {
            Span::Plain(text) => {
                escape(text, spans.peek().is_none(), &mut starts_line, &mut shown);
                after_code = false;
            }
            Span::Code(code) => {
                if after_code {
                    // Two backticks in a row would make one piece of code of both.
                    shown.push(APART);
                }
                shown.push('`');
                shown.push_str(code);
                shown.push('`');
                (starts_line, after_code) = (false, true);
            }
        }
    }
    shown
}

/// Running text within other markup, which `code` would not keep from ending: its backticks are left out.
pub(crate) fn without_code(text: &str) -> String {
    let mut shown = String::new();
    escape(&bare(text), true, &mut false, &mut shown);
    shown
}

/// Text where Discord knows no markup (footers): the backticks are left out.
pub(crate) fn bare(text: &str) -> String {
    let text = clean(text);
    let pieces = spans(&text).into_iter().map(|span| match span {
        Span::Plain(text) | Span::Code(text) => text,
    });
    pieces.collect()
}

/// The words of somebody else, each line marked.
pub(crate) fn quote(text: &str) -> String {
    let lines: Vec<String> = clean(text).split('\n').map(|line| format!("> {}", inline(line))).collect();
    lines.join("\n")
}

/// Small print.
pub(crate) fn small(text: &str) -> String {
    let text = clean(text);
    // Where nothing follows it, the mark of small print is shown as it is.
    let lines = text.split('\n').map(|line| match line.trim() {
        "" => String::new(),
        _ => format!("-# {}", inline(line)),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines in a fixed width.
pub(crate) fn code_block(text: &str) -> String {
    // Three backticks end the block, also when the third is the fence's own.
    let text = clean(text).replace("``", &format!("`{APART}`"));
    format!("```\n{}\n```", text.trim_end_matches('\n'))
}

fn escape(text: &str, is_last: bool, starts_line: &mut bool, shown: &mut String) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // Discord finds an address in the middle of a word as well.
        let (taken, sign) = match address(rest, is_last) {
            Address::None => (0, ""),
            Address::Link(address) => (address.len(), ""),
            Address::NoLink(scheme) => (scheme.len(), "\\"),
        };
        if taken > 0 {
            shown.push_str(&rest[..taken]);
            shown.push_str(sign);
            rest = &rest[taken..];
            *starts_line = false;
            continue;
        }
        if *starts_line && c.is_ascii_digit() {
            // `7. ` begins a list that counts anew.
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            shown.push_str(&rest[..digits]);
            rest = &rest[digits..];
            if let Some(after) = rest.strip_prefix('.') {
                shown.push_str("\\.");
                rest = after;
            }
            *starts_line = false;
            continue;
        }
        if SIGNS.contains(c) || (*starts_line && LINE_SIGNS.contains(c)) {
            shown.push('\\');
        }
        shown.push(c);
        *starts_line = c == '\n' || (*starts_line && c.is_whitespace());
        rest = &rest[c.len_utf8()..];
    }
}

/// How a text begins.
#[derive(Debug, PartialEq, Eq)]
enum Address<'a> {
    None,
    /// With an address, of which Discord makes a link by itself.
    Link(&'a str),
    /// With an address, of which no link may be made: Discord takes everything up to the next blank into it, and what
    /// follows here would stand there with its backslashes. Its scheme.
    NoLink(&'a str),
}

fn address(text: &str, is_last: bool) -> Address<'_> {
    let Some((scheme, after)) =
        ["https", "http"].iter().find_map(|scheme| Some((*scheme, text.strip_prefix(scheme)?.strip_prefix("://")?)))
    else {
        return Address::None;
    };
    let is_address = |c: char| c.is_ascii_alphanumeric() || "-._:/?#!$&'+,;=%".contains(c);
    let end = after.find(|c| !is_address(c)).unwrap_or(after.len());
    // What Discord leaves out of a link at its end is text again.
    let end = after[..end].trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '/').len();
    let behind = after[end..].trim_start_matches(|c| ".,:;\"')".contains(c));
    let is_apart = if behind.is_empty() { is_last } else { behind.starts_with(char::is_whitespace) };
    match end {
        0 | 1 => Address::NoLink(scheme),
        _ if is_apart => Address::Link(&text[..text.len() - after.len() + end]),
        _ => Address::NoLink(scheme),
    }
}

#[cfg(test)]
mod tests {
    use super::{bare, clean, code_block, inline, quote, small};
    use kanban_platform::{Span, spans};
    use proptest::prelude::*;

    #[test]
    fn signs_are_held_off() {
        assert_eq!(inline("*a* _b_ ~~c~~ ||d|| [e](f)"), r"\*a\* \_b\_ \~\~c\~\~ \|\|d\|\| \[e\](f)");
        assert_eq!(inline("<@1> <#2> @everyone"), r"\<\@1\> \<#2\> \@everyone");
        assert_eq!(inline("# a\n  - b\n2. c\na - b #c"), "\\# a\n  \\- b\n2\\. c\na - b #c");
        assert_eq!(inline("type `/kanban list`, `a``b`"), "type `/kanban list`, `a`\u{200b}`b`");
    }

    #[test]
    fn addresses_stay_what_they_are() {
        assert_eq!(inline("see https://x.example/a_b_c?d=1."), "see https://x.example/a_b_c?d=1.");
        assert_eq!(inline("(https://x.example/a), 'http://b.example'."), "(https://x.example/a), 'http://b.example'.");
        assert_eq!(drawn(&inline("https://_https://")).as_deref(), Some("https://_https://"));
        assert_eq!(
            inline("<https://x.example|y> http://a`b` https://"),
            r"\<https\://x.example\|y\> http\://a`b` https\://"
        );
    }

    #[test]
    fn nothing_acts_unseen() {
        let shown = clean("a\u{202e}b\u{0}c\u{1b}[1m\u{2066}d\te\r\n\u{feff}f\u{e0041}");
        assert_eq!(shown, "a‹U+202E›b␀c␛[1m‹U+2066›d e\nf");
    }

    #[test]
    fn every_line_is_marked() {
        assert_eq!(quote("a\n\n> b"), "> a\n> \n> \\> b");
        assert_eq!(small("a\nb"), "-# a\n-# b");
        assert_eq!(bare("a `b` *c*"), "a b *c*");
    }

    #[test]
    fn a_block_of_code_cannot_be_left() {
        let block = code_block("a\n```\n@everyone\n````");
        assert_eq!(block.matches("```").count(), 2);
        assert!(block.starts_with("```\n") && block.ends_with("\n```"));
    }

    /// What Discord makes a link of: everything up to the next blank but some signs at its end.
    fn link(text: &str) -> &str {
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return "";
        }
        let end = text.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(text.len());
        let link = text[..end].trim_end_matches(|c| ".,:;\"')]".contains(c));
        let behind = link.split_once("://").map_or("", |(_, behind)| behind);
        if behind.chars().count() < 2 { "" } else { link }
    }

    /// Reads markdown as Discord does, as far as our own text may use it. None where something else acts.
    fn drawn(markdown: &str) -> Option<String> {
        let mut shown = String::new();
        let mut rest = markdown;
        let mut starts_line = true;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            let link = link(rest);
            if c == '\\' {
                let escaped = after.chars().next().filter(|c| !c.is_alphanumeric() && !c.is_whitespace())?;
                shown.push(escaped);
                (rest, starts_line) = (&after[escaped.len_utf8()..], false);
            } else if c == '`' {
                let end = after.find('`').filter(|end| *end > 0 && !after[end + 1..].starts_with('`'))?;
                shown.push_str(&after[..end]);
                (rest, starts_line) = (&after[end + 1..], false);
            } else if !link.is_empty() {
                shown.push_str(link);
                (rest, starts_line) = (&rest[link.len()..], false);
            } else if "*_~|[]<>@".contains(c) || (starts_line && "#-+".contains(c)) {
                return None;
            } else {
                shown.push(c);
                starts_line = c == '\n' || (starts_line && c.is_whitespace());
                rest = after;
            }
        }
        Some(shown.replace('\u{200b}', ""))
    }

    proptest! {
        #[test]
        fn any_text_shows_what_it_says(text in "([a1 .`*_~|<>@#\\[\\]()\\\\\n:/+-]|https://|@everyone|\\PC){0,60}") {
            let plain: String = spans(&clean(&text)).iter().map(|span| match span {
                Span::Plain(text) | Span::Code(text) => *text,
            }).collect();
            prop_assert_eq!(drawn(&inline(&text)), Some(plain.replace('\u{200b}', "")));
        }

        #[test]
        fn a_block_of_code_has_two_fences(text in "[a`\n]{0,40}") {
            prop_assert_eq!(code_block(&text).matches("```").count(), 2);
        }
    }
}
