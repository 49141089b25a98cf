//! What the server finds in a text by itself: mentions, commands, addresses and tags.

use super::entity::Entity;

/// The entities of a text beyond the given ones. Nothing is found where a given one is code or a link already.
pub(crate) fn find(text: &str, given: &[Entity]) -> Vec<Entity> {
    let taken: Vec<&Entity> = given
        .iter()
        .filter(|entity| entity.is_code() || matches!(entity.kind.as_str(), "text_link" | "text_mention"))
        .collect();
    let mut found: Vec<Entity> = Vec::new();
    for entity in Scan::of(text).entities() {
        let is_free = !taken.iter().any(|taken| taken.overlaps(&entity));
        if is_free && found.last().is_none_or(|last| !last.overlaps(&entity)) {
            found.push(entity);
        }
    }
    found
}

/// The names behind `@` that a text mentions, outside code: each notifies whoever bears the name.
pub(crate) fn mentioned(text: &str, given: &[Entity]) -> Vec<String> {
    // More is taken for a mention here than by `find`: whoever writes a name into a link may well mean it.
    let code: Vec<Entity> = given.iter().filter(|entity| entity.is_code()).cloned().collect();
    let units: Vec<u16> = text.encode_utf16().collect();
    let mentions = find(text, &code).into_iter().filter(|entity| entity.kind == "mention");
    mentions.map(|entity| String::from_utf16_lossy(&units[entity.offset..entity.end()])).collect()
}

struct Scan {
    chars: Vec<char>,
    /// The offset of each character in UTF-16 units, and that of the end.
    offsets: Vec<usize>,
}

impl Scan {
    fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let mut offsets = vec![0];
        for c in &chars {
            at += c.len_utf16();
            offsets.push(at);
        }
        Self { chars, offsets }
    }

    /// In order, the one that begins first before those inside it.
    fn entities(&self) -> Vec<Entity> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.chars.len() {
            match self.url(at).or_else(|| self.at(at)) {
                Some(entity) => {
                    at = self.offsets.partition_point(|offset| *offset < entity.end());
                    found.push(entity);
                }
                None => at += 1,
            }
        }
        found
    }

    fn at(&self, at: usize) -> Option<Entity> {
        match self.chars[at] {
            '@' => self.mention(at),
            '/' => self.command(at),
            '#' => self.hashtag(at),
            _ => None,
        }
    }

    fn mention(&self, at: usize) -> Option<Entity> {
        let end = self.name(at + 1);
        let is_name = (3..=32).contains(&(end - at - 1)) && !self.is_word(end);
        (is_name && !self.is_word_before(at)).then(|| self.entity("mention", at, end))
    }

    fn command(&self, at: usize) -> Option<Entity> {
        let is_bound = |c: char| matches!(c, '/' | '<' | '>');
        let before = at.checked_sub(1).map(|before| self.chars[before]);
        if self.is_word_before(at) || before.is_some_and(is_bound) {
            return None;
        }
        let mut end = self.name(at + 1);
        if !(1..=64).contains(&(end - at - 1)) {
            return None;
        }
        if self.chars.get(end) == Some(&'@') {
            let bot = self.name(end + 1);
            if (3..=32).contains(&(bot - end - 1)) {
                end = bot;
            }
        }
        let is_whole = !self.is_word(end) && !self.chars.get(end).is_some_and(|c| is_bound(*c));
        is_whole.then(|| self.entity("bot_command", at, end))
    }

    fn hashtag(&self, at: usize) -> Option<Entity> {
        let mut end = at + 1;
        while self.is_word(end) {
            end += 1;
        }
        let says = self.chars[at + 1..end].iter().any(|c| c.is_alphabetic());
        (says && end - at <= 256 && !self.is_word_before(at)).then(|| self.entity("hashtag", at, end))
    }

    fn url(&self, at: usize) -> Option<Entity> {
        let begins = |scheme: &str| self.chars[at..].iter().take(scheme.len()).copied().eq(scheme.chars());
        if self.is_word_before(at) || !(begins("http://") || begins("https://") || begins("tg://")) {
            return None;
        }
        let rest = &self.chars[at..];
        let mut length =
            rest.iter().position(|c| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(rest.len());
        while matches!(rest[length - 1], '.' | ',' | ':' | ';' | '!' | '?' | ')' | '\'') {
            length -= 1;
        }
        (length > "https://".len()).then(|| self.entity("url", at, at + length))
    }

    /// Where the run of `[A-Za-z0-9_]` ends that begins here.
    fn name(&self, from: usize) -> usize {
        let run = self.chars[from.min(self.chars.len())..].iter();
        from + run.take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count()
    }

    fn is_word(&self, at: usize) -> bool {
        self.chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    fn is_word_before(&self, at: usize) -> bool {
        at > 0 && self.is_word(at - 1)
    }

    fn entity(&self, kind: &str, from: usize, to: usize) -> Entity {
        Entity::new(kind, self.offsets[from], self.offsets[to] - self.offsets[from])
    }
}
