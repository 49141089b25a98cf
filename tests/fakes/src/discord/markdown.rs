//! Discord's markdown, drawn as plain text.

/// What an id in a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Person,
    Role,
    Channel,
}

/// Draws a text: what is markup goes, what is a name is named.
pub(super) fn read(text: &str, names: &dyn Fn(Named, u64) -> String) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::new();
    Reader { names }.blocks(&characters, true, &mut out);
    out
}

struct Reader<'a> {
    names: &'a dyn Fn(Named, u64) -> String,
}

impl Reader<'_> {
    /// Reads a stretch of text. Headings, quotes and lists are there only where a line begins.
    fn blocks(&self, text: &[char], begins_line: bool, out: &mut String) {
        let (mut at, mut is_start) = (0, begins_line);
        while at < text.len() {
            if is_start {
                at += line_start(&text[at..], out);
                is_start = false;
                continue;
            }
            if text[at] == '\n' {
                out.push('\n');
                (at, is_start) = (at + 1, begins_line);
                continue;
            }
            at += self.inline(text, at, out);
        }
    }

    /// Reads what begins at a character, and says how many characters it is long.
    fn inline(&self, text: &[char], at: usize, out: &mut String) -> usize {
        let rest = &text[at..];
        let read = match rest[0] {
            '\\' => rest.get(1).filter(|c| !c.is_ascii_alphanumeric() && !c.is_whitespace()).map(|c| {
                out.push(*c);
                2
            }),
            '`' => code(rest, out),
            '<' => self.angle(rest, out),
            '[' => self.link(rest, out),
            'h' => address(rest, out),
            '*' => self.strong(rest, '*', out).or_else(|| self.star(rest, out)),
            '_' => self.strong(rest, '_', out).or_else(|| self.underscore(rest, out)),
            '~' | '|' => self.pair(rest, out),
            _ => None,
        };
        read.unwrap_or_else(|| {
            out.push(rest[0]);
            1
        })
    }

    /// `**bold**` and `__underlined__`. A backslash keeps the character behind it from ending them.
    fn strong(&self, rest: &[char], mark: char, out: &mut String) -> Option<usize> {
        if rest.get(1) != Some(&mark) {
            return None;
        }
        let mut at = 2;
        while at + 1 < rest.len() {
            if rest[at] == '\\' {
                at += 2;
            } else if at > 2 && rest[at] == mark && rest[at + 1] == mark && rest.get(at + 2) != Some(&mark) {
                self.blocks(&rest[2..at], false, out);
                return Some(at + 2);
            } else {
                at += 1;
            }
        }
        None
    }

    /// `*italic*`: no space behind the first star nor before the last.
    fn star(&self, rest: &[char], out: &mut String) -> Option<usize> {
        if rest.get(1).is_none_or(|c| c.is_whitespace() || *c == '*') {
            return None;
        }
        let mut at = 1;
        while at < rest.len() {
            match rest[at] {
                '\\' => at += 2,
                '*' if rest.get(at + 1) == Some(&'*') => at += 2,
                '*' if rest[at - 1].is_whitespace() => return None,
                '*' => {
                    self.blocks(&rest[1..at], false, out);
                    return Some(at + 1);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// `_italic_`: what follows is not a word any more.
    fn underscore(&self, rest: &[char], out: &mut String) -> Option<usize> {
        let mut at = 1;
        while at < rest.len() {
            match rest[at] {
                '\\' => at += 2,
                '_' if rest.get(at + 1) == Some(&'_') => at += 2,
                '_' => {
                    let ends = at > 1 && rest.get(at + 1).is_none_or(|c| !c.is_ascii_alphanumeric());
                    if !ends {
                        return None;
                    }
                    self.blocks(&rest[1..at], false, out);
                    return Some(at + 1);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// `~~struck~~` and `||spoiler||`, which take no notice of backslashes.
    fn pair(&self, rest: &[char], out: &mut String) -> Option<usize> {
        let mark = rest[0];
        if rest.get(1) != Some(&mark) {
            return None;
        }
        let inner = &rest[2..];
        let end = (1..inner.len().max(1)).find(|at| inner[*at] == mark && inner.get(at + 1) == Some(&mark))?;
        self.blocks(&inner[..end], false, out);
        Some(end + 4)
    }

    /// `<@1>`, `<@&1>`, `<#1>`, `</name:1>`, `<:name:1>`, `<t:1:R>`, `<https://…>`.
    fn angle(&self, rest: &[char], out: &mut String) -> Option<usize> {
        let end = rest.iter().position(|c| *c == '>')?;
        let inner: String = rest[1..end].iter().collect();
        let named = |id: &str, kind, sign: &str| {
            let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_digit());
            is_id.then(|| format!("{sign}{}", (self.names)(kind, id.parse().unwrap_or(0))))
        };
        let drawn = if let Some(id) = inner.strip_prefix("@&") {
            named(id, Named::Role, "@")
        } else if let Some(id) = inner.strip_prefix("@!").or_else(|| inner.strip_prefix('@')) {
            named(id, Named::Person, "@")
        } else if let Some(id) = inner.strip_prefix('#') {
            named(id, Named::Channel, "#")
        } else if inner.starts_with("http://") || inner.starts_with("https://") {
            (!inner.contains(char::is_whitespace)).then(|| inner.clone())
        } else if let Some(time) = inner.strip_prefix("t:") {
            let seconds = time.split(':').next().unwrap_or_default();
            (!seconds.is_empty() && seconds.chars().all(|c| c.is_ascii_digit())).then(|| format!("time {seconds}"))
        } else {
            let (sign, name) =
                inner.rsplit_once(':').filter(|(_, id)| id.parse::<u64>().is_ok()).map(|(name, _)| {
                    let command = name.strip_prefix('/').map(|name| ("/", name));
                    let emoji = name.strip_prefix("a:").or_else(|| name.strip_prefix(':')).map(|name| (":", name));
                    command.or(emoji).unwrap_or(("", ""))
                })?;
            let close = if sign == ":" { ":" } else { "" };
            (!name.is_empty()).then(|| format!("{sign}{name}{close}"))
        };
        out.push_str(&drawn?);
        Some(end + 1)
    }

    /// `[words](https://…)`.
    fn link(&self, rest: &[char], out: &mut String) -> Option<usize> {
        let close = rest.iter().position(|c| *c == ']').filter(|close| *close > 1)?;
        if rest.get(close + 1) != Some(&'(') {
            return None;
        }
        let end = close + rest[close..].iter().position(|c| *c == ')')?;
        let target: String = rest[close + 2..end].iter().collect();
        let target = target.trim_start_matches('<');
        if !(target.starts_with("http://") || target.starts_with("https://")) {
            return None;
        }
        self.blocks(&rest[1..close], false, out);
        Some(end + 1)
    }
}

/// Reads the marks with which a line begins: `# `, `-# `, `> `, `>>> `, `- `. Says how many characters they are long.
fn line_start(line: &[char], out: &mut String) -> usize {
    let spaces = line.iter().take_while(|c| **c == ' ').count();
    let starts = |mark: &str| mark.chars().enumerate().all(|(at, c)| line.get(spaces + at) == Some(&c));
    let goes_on = |length: usize| line.get(spaces + length).is_some_and(|c| *c != '\n');
    for mark in [">>> ", "> ", "### ", "## ", "# ", "-# "] {
        let is_heading = mark.contains('#');
        if starts(mark) && (!is_heading || (spaces == 0 && goes_on(mark.len()))) {
            // A quote may begin with a heading or a list.
            return spaces + mark.len() + if is_heading { 0 } else { line_start(&line[spaces + mark.len()..], out) };
        }
    }
    if (starts("- ") || starts("* ")) && goes_on(2) {
        out.extend(&line[..spaces]);
        out.push_str("• ");
        return spaces + 2;
    }
    0
}

/// Code in a line or in lines of its own: nothing in it is markup.
fn code(rest: &[char], out: &mut String) -> Option<usize> {
    let ticks = rest.iter().take_while(|c| **c == '`').count();
    if ticks >= 3 {
        let inner = &rest[3..];
        let fence = |at: &usize| inner[*at..].iter().take(3).filter(|c| **c == '`').count() == 3;
        if let Some(end) = (1..inner.len()).find(fence).filter(|end| inner[..*end].iter().any(|c| *c != '\n')) {
            let text: String = inner[..end].iter().collect();
            let is_language = |c: char| c.is_ascii_alphanumeric() || "_+-.#".contains(c);
            let text = match text.split_once('\n') {
                Some((first, below)) if first.chars().all(is_language) && !below.trim_matches('\n').is_empty() => below,
                Some(_) | None => &text,
            };
            out.push_str(text.trim_matches('\n'));
            return Some(end + 6);
        }
    }
    let mut at = ticks;
    while at < rest.len() {
        let run = rest[at..].iter().take_while(|c| **c == '`').count();
        if run == ticks {
            let text: String = rest[ticks..at].iter().collect();
            // A space beside a backtick is there to keep the two apart.
            let text = text.strip_prefix(' ').filter(|text| text.starts_with('`')).unwrap_or(&text);
            out.push_str(text.strip_suffix(' ').filter(|text| text.ends_with('`')).unwrap_or(text));
            return Some(at + ticks);
        }
        at += run.max(1);
    }
    None
}

/// An address by itself: nothing in it is markup.
fn address(rest: &[char], out: &mut String) -> Option<usize> {
    let starts = |scheme: &str| scheme.chars().enumerate().all(|(at, c)| rest.get(at) == Some(&c));
    if !starts("http://") && !starts("https://") {
        return None;
    }
    let end = rest.iter().position(|c| c.is_whitespace() || *c == '<').unwrap_or(rest.len());
    let trailing = rest[..end].iter().rev().take_while(|c| ".,:;\"')]*_|~".contains(**c)).count();
    out.extend(&rest[..end - trailing]);
    Some(end - trailing)
}

#[cfg(test)]
mod tests {
    use super::read;

    fn plain(text: &str) -> String {
        read(text, &|kind, id| format!("{kind:?}{id}"))
    }

    #[test]
    fn markup_goes_and_words_stay() {
        for (text, drawn) in [
            ("**bold** *italic* _too_ __under__ ~~struck~~ ||secret||", "bold italic too under struck secret"),
            ("***both***", "both"),
            ("**a *b* c**", "a b c"),
            ("a * b * c, 2*3, snake_case_name", "a * b * c, 2*3, snake_case_name"),
            ("\\*not\\* \\_this\\_ \\`nor\\` \\\\ \\a", "*not* _this_ `nor` \\ \\a"),
            ("`**code**` ``a`b`` ```rust\nfn x() {}\n```", "**code** a`b fn x() {}"),
            ("# Title\n-# small\n> quoted\n- one\n* two", "Title\nsmall\nquoted\n• one\n• two"),
            ("#hash\n1. one\n>no", "#hash\n1. one\n>no"),
            (">>> all\n> of it", "all\nof it"),
            ("[words](https://a.example/b_c_d)", "words"),
            ("https://a.example/b_c_d_ <https://e.example>", "https://a.example/b_c_d_ https://e.example"),
            ("<@1> <@!2> <@&3> <#4> </kanban list:5> <:ok:6>", "@Person1 @Person2 @Role3 #Channel4 /kanban list :ok:"),
            ("<@x> < 3 <> a<b", "<@x> < 3 <> a<b"),
            ("**unclosed `also ~~", "**unclosed `also ~~"),
            ("\\> not a quote\n\\# nor a title\n\\- nor a list", "> not a quote\n# nor a title\n- nor a list"),
        ] {
            assert_eq!(plain(text), drawn, "{text}");
        }
    }
}
