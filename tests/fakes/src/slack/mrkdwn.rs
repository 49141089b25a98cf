//! Slack's markup, read as its clients draw it: "Formatting message text" in Slack's documentation.

/// A text without its markup, and whom it mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) text: String,
    pub(crate) pings: Vec<String>,
}

/// How a character came into the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// As written: it may be markup.
    Written,
    /// From an entity, a link or code: it is no markup.
    Fixed,
    /// From `&gt;`, which draws a quote at the beginning of a line as `>` does.
    Greater,
}

type Drawn = Vec<(char, Origin)>;

/// Reads a text with markup. `name` knows people by their ids.
pub(crate) fn mrkdwn(text: &str, name: &dyn Fn(&str) -> Option<String>) -> Plain {
    let mut pings = Vec::new();
    let drawn = draw(text, name, &mut pings);
    Plain { text: strip(&drawn), pings }
}

/// Reads a text object of the type `plain_text`, which has no markup and no mentions. Slack keeps it escaped and decodes
/// it when it draws.
pub(crate) fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").chars().filter(is_visible).collect()
}

/// Mentions by name, where `link_names` or `parse=full` asks for them.
pub(crate) fn names(text: &str, is_user: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut pings = Vec::new();
    let mut before = ' ';
    for (place, character) in text.char_indices() {
        if character == '@' && !before.is_alphanumeric() {
            let word: String =
                text[place + 1..].chars().take_while(|next| next.is_alphanumeric() || "._-".contains(*next)).collect();
            let word = word.trim_end_matches(['.', '-']);
            if matches!(word, "channel" | "here" | "everyone") || is_user(word) {
                pings.push(word.to_owned());
            }
        }
        before = character;
    }
    pings
}

fn draw(text: &str, name: &dyn Fn(&str) -> Option<String>, pings: &mut Vec<String>) -> Drawn {
    let mut drawn = Drawn::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((inside, after)) = rest.strip_prefix("```").and_then(|tail| tail.split_once("```")) {
            fix(&mut drawn, &code(inside.trim_matches('\n'), name, pings));
            rest = after;
        } else if let Some((inside, after)) = inline_code(rest) {
            fix(&mut drawn, &code(inside, name, pings));
            rest = after;
        } else if let Some((inside, after)) = rest.strip_prefix('<').and_then(|tail| tail.split_once('>'))
            && !inside.contains('<')
        {
            fix(&mut drawn, &reference(inside, name, pings));
            rest = after;
        } else if let Some((decoded, after)) = entity(rest) {
            let origin = if decoded == '>' { Origin::Greater } else { Origin::Fixed };
            drawn.push((decoded, origin));
            rest = after;
        } else {
            drawn.push((first, Origin::Written));
            rest = &rest[first.len_utf8()..];
        }
    }
    drawn
}

/// In code only references and entities are read.
fn code(inside: &str, name: &dyn Fn(&str) -> Option<String>, pings: &mut Vec<String>) -> String {
    let mut drawn = String::new();
    let mut rest = inside;
    while let Some(first) = rest.chars().next() {
        if let Some((inside, after)) = rest.strip_prefix('<').and_then(|tail| tail.split_once('>'))
            && !inside.contains('<')
        {
            drawn.push_str(&reference(inside, name, pings));
            rest = after;
        } else if let Some((decoded, after)) = entity(rest) {
            drawn.push(decoded);
            rest = after;
        } else {
            drawn.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    drawn
}

fn inline_code(text: &str) -> Option<(&str, &str)> {
    let (inside, after) = text.strip_prefix('`')?.split_once('`')?;
    (!inside.is_empty() && !inside.contains('\n')).then_some((inside, after))
}

fn entity(text: &str) -> Option<(char, &str)> {
    [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')]
        .iter()
        .find_map(|(entity, decoded)| text.strip_prefix(entity).map(|after| (*decoded, after)))
}

/// What stands between angle brackets: a mention, a channel, a date, or a link.
fn reference(inside: &str, name: &dyn Fn(&str) -> Option<String>, pings: &mut Vec<String>) -> String {
    let (target, label) = inside.split_once('|').map_or((inside, None), |(target, label)| (target, Some(label)));
    let label = label.map(plain);
    if let Some(id) = target.strip_prefix('@') {
        let person = name(id).unwrap_or_else(|| id.to_owned());
        pings.push(person.clone());
        return format!("@{person}");
    }
    if let Some(id) = target.strip_prefix('#') {
        return format!("#{}", label.unwrap_or_else(|| id.to_owned()));
    }
    if let Some(id) = target.strip_prefix("!subteam^") {
        pings.push(format!("subteam {id}"));
        return label.unwrap_or_else(|| format!("@{id}"));
    }
    if let Some(range @ ("channel" | "here" | "everyone" | "group")) = target.strip_prefix('!') {
        pings.push(range.to_owned());
        return format!("@{range}");
    }
    label.unwrap_or_else(|| plain(target.strip_prefix("mailto:").unwrap_or(target)))
}

fn fix(drawn: &mut Drawn, text: &str) {
    drawn.extend(text.chars().map(|character| (character, Origin::Fixed)));
}

/// Takes away the marks of quotes and of bold, italic and struck words, and what is not visible.
fn strip(drawn: &Drawn) -> String {
    let mut keep = vec![true; drawn.len()];
    for mark in ['*', '_', '~'] {
        let mut place = 0;
        while place < drawn.len() {
            match closing(drawn, place, mark) {
                Some(end) => {
                    keep[place] = false;
                    keep[end] = false;
                    place = end + 1;
                }
                None => place += 1,
            }
        }
    }
    let mut text = String::new();
    let mut is_line_start = true;
    let mut is_after_quote = false;
    for (place, (character, origin)) in drawn.iter().enumerate() {
        let is_quote = is_line_start && *character == '>' && *origin != Origin::Fixed;
        let is_blank_of_quote = is_after_quote && *character == ' ';
        is_line_start = *character == '\n' || is_quote && is_quote_of_more(drawn, place);
        is_after_quote = is_quote;
        if keep[place] && !is_quote && !is_blank_of_quote && is_visible(character) {
            text.push(*character);
        }
    }
    text
}

/// `>>>` quotes the rest of the message.
fn is_quote_of_more(drawn: &Drawn, place: usize) -> bool {
    drawn.get(place + 1).is_some_and(|(character, origin)| *character == '>' && *origin != Origin::Fixed)
}

/// Where the mark that opens here is closed: on the same line, around something, with borders of words outside.
fn closing(drawn: &Drawn, place: usize, mark: char) -> Option<usize> {
    let is_mark = |at: usize| drawn.get(at) == Some(&(mark, Origin::Written));
    let is_word = |at: usize| drawn.get(at).is_some_and(|(character, _)| character.is_alphanumeric());
    let is_blank = |at: usize| drawn.get(at).is_none_or(|(character, _)| character.is_whitespace());
    if !is_mark(place) || place > 0 && is_word(place - 1) || is_blank(place + 1) || is_mark(place + 1) {
        return None;
    }
    let line =
        (place + 2..drawn.len()).take_while(|at| drawn.get(*at).is_some_and(|(character, _)| *character != '\n'));
    line.into_iter().find(|at| is_mark(*at) && !is_blank(at - 1) && !is_word(at + 1))
}

/// Characters without width, by which markup may be kept from acting, are not drawn.
pub(crate) fn is_visible(character: &char) -> bool {
    !matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{00ad}')
}

#[cfg(test)]
mod tests {
    use super::{mrkdwn, names};

    fn read(text: &str) -> (String, Vec<String>) {
        let plain = mrkdwn(text, &|id| (id == "U1").then(|| "anna".to_owned()));
        (plain.text, plain.pings)
    }

    #[test]
    fn marks_are_not_drawn_and_other_characters_are() {
        for (written, drawn) in [
            ("*bold* and _it_ and ~gone~", "bold and it and gone"),
            ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
            ("a `*code*` b", "a *code* b"),
            ("```\nx &lt; *y*\n```", "x < *y*"),
            ("> said\nand &gt; not", "said\nand > not"),
            ("&gt; said", "said"),
            ("&amp;lt; stays", "&lt; stays"),
            ("<https://example.com?a=1&amp;b=2|the *page*> <https://example.com>", "the *page* https://example.com"),
            ("a\u{200b}b", "ab"),
            ("1 < 2", "1 < 2"),
        ] {
            assert_eq!(read(written).0, drawn, "{written}");
        }
    }

    #[test]
    fn every_mention_is_found_and_nothing_else() {
        let (text, pings) =
            read("<@U1> <!channel> <!here|here> <!subteam^S1|@ops> <#C1|general> &lt;@U1&gt; `<!everyone>`");
        assert_eq!(pings, ["anna", "channel", "here", "subteam S1", "everyone"]);
        assert_eq!(text, "@anna @channel @here @ops #general <@U1> @everyone");
        assert_eq!(names("ask @anna or a@anna.de, @channel", &|name| name == "anna"), ["anna", "channel"]);
    }
}
