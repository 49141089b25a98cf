//! Slack's text markup: undone on what people type, and made harmless on what we write.

/// Undoes the markup of a message or command: what a person typed, with names for what Slack knows by its id.
pub(crate) fn plain(text: &str) -> String {
    plain_with(text, |_| None)
}

/// As [`plain`], with names for people whom Slack names by their id alone.
pub(crate) fn plain_with(text: &str, name: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&entities(&rest[..open]));
        let inner = &rest[open + 1..];
        match inner.find('>') {
            Some(close) if !inner[..close].contains(['<', '\n']) => {
                out.push_str(&reference(&inner[..close], &name));
                rest = &inner[close + 1..];
            }
            Some(_) | None => {
                out.push('<');
                rest = inner;
            }
        }
    }
    out.push_str(&entities(rest));
    out
}

/// Takes a mention of the user off the front, if that is how the text begins.
pub(crate) fn without_mention<'a>(text: &'a str, user: &str) -> Option<&'a str> {
    let inner = text.trim_start().strip_prefix("<@")?.strip_prefix(user)?;
    let rest = match inner.strip_prefix('>') {
        Some(rest) => rest,
        None => inner.strip_prefix('|')?.split_once('>')?.1,
    };
    Some(rest.trim_start_matches([':', ',']).trim_start())
}

/// Whether the text mentions the user anywhere.
pub(crate) fn mentions(text: &str, user: &str) -> bool {
    text.match_indices("<@")
        .any(|(at, open)| text[at + open.len()..].strip_prefix(user).is_some_and(|rest| rest.starts_with(['>', '|'])))
}

/// The ids of the people whom a text mentions.
pub(crate) fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    let users = text.match_indices("<@").map(|(at, open)| &text[at + open.len()..]);
    users.filter_map(|rest| Some(&rest[..rest.find(['>', '|'])?]))
}

/// Writes a text so that nothing in it is markup: `&`, `<` and `>` are all that can begin any, by the page
/// "Formatting text for app surfaces".
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most so many characters, the last one an ellipsis where some are left out.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// What stands between `<` and `>`, as a person reads it.
fn reference(inner: &str, name: &impl Fn(&str) -> Option<String>) -> String {
    let (target, label) = match inner.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (inner, None),
    };
    if let Some(user) = target.strip_prefix('@') {
        return match label {
            Some(label) => format!("@{}", entities(label)),
            None => format!("@{}", name(user).unwrap_or_else(|| user.to_owned())),
        };
    }
    if let Some(channel) = target.strip_prefix('#') {
        return format!("#{}", entities(label.unwrap_or(channel)));
    }
    if let Some(special) = target.strip_prefix('!') {
        return match (special, label) {
            // A group or a date shows its label as it is.
            (_, Some(label)) => entities(label),
            (special, None) => format!("@{}", special.split('^').next().unwrap_or(special)),
        };
    }
    let address = entities(target);
    match label.map(entities) {
        // Slack makes a link of `example.com`, which is all that was typed.
        Some(label) if address.trim_end_matches('/').ends_with(label.trim_end_matches('/')) => label,
        Some(label) => format!("{label} ({address})"),
        None => address,
    }
}

fn entities(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::{escaped, mentioned, mentions, plain, plain_with, shortened, without_mention};
    use proptest::prelude::*;

    #[test]
    fn a_message_reads_as_it_was_typed() {
        assert_eq!(plain("ask <@U1|ann> and <@U2> in <#C1|ops>"), "ask @ann and @U2 in #ops");
        let bob = |user: &str| (user == "U2").then(|| "bob".to_owned());
        assert_eq!(plain_with("<@U1|ann> and <@U2> and <@U3>", bob), "@ann and @bob and @U3");
        assert_eq!(mentioned("<@U1|ann> and <@U2> <@").collect::<Vec<_>>(), ["U1", "U2"]);
        assert_eq!(plain("a &lt;b&gt; &amp;amp; c"), "a <b> &amp; c");
        assert_eq!(plain("<!here> <!subteam^S1|@devs> <!channel|channel>"), "@here @devs channel");
        assert_eq!(
            plain("see <http://example.com|example.com>, <https://a.b/c?x=1&amp;y=2>"),
            "see example.com, https://a.b/c?x=1&y=2"
        );
        assert_eq!(plain("<https://a.b|the plan> <mailto:a@b.c|a@b.c>"), "the plan (https://a.b) a@b.c");
        assert_eq!(plain("1 < 2\n3 > 2"), "1 < 2\n3 > 2");
    }

    #[test]
    fn only_a_mention_of_the_bot_at_the_front_is_taken_off() {
        assert_eq!(without_mention(" <@UBOT> list", "UBOT"), Some("list"));
        assert_eq!(without_mention("<@UBOT|kanban>: list", "UBOT"), Some("list"));
        assert_eq!(without_mention("hey <@UBOT> list", "UBOT"), None);
        assert_eq!(without_mention("<@UBOT2> list", "UBOT"), None);
        assert!(mentions("hey <@UBOT>", "UBOT") && !mentions("<@UBOT2>", "UBOT"));
    }

    #[test]
    fn a_text_that_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read_back_and_holds_no_markup(text in "\\PC{0,80}|[<>&@!|a-z;]{0,80}") {
            let written = escaped(&text);
            prop_assert!(!written.contains(['<', '>']));
            prop_assert_eq!(plain(&written), text);
        }
    }
}
