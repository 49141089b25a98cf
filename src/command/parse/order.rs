//! Putting the words of a line in order: options, ids and running text, as the verb declares them.

use std::ops::Range;

use clap::Command;
use kanban_platform::Kind;

use super::{
    Mistake, Reading, Road, help, is_help,
    mistake::{lowered, ticked},
    usage,
};
use crate::command::{
    reference, spec,
    text::{self, Word, command_of},
    value::{self, Phrase},
};
use crate::recurrence::CronRule;

/// One option of the verb at hand, as far as putting words in order needs it.
pub(super) struct Opt<'c> {
    pub(super) long: &'c str,
    pub(super) value: bool,
    /// Takes all the words up to the next option that have the form of its value.
    pub(super) many: bool,
    /// Holds some words rather than one.
    pub(super) wordy: bool,
    pub(super) choices: Vec<String>,
}

/// What a verb takes, read from its declaration.
pub(super) struct Shape<'c> {
    pub(super) path: String,
    pub(super) options: Vec<Opt<'c>>,
    /// Positional arguments that take one word each, before any list.
    pub(super) fixed: usize,
    /// Their kinds, and behind them the list's.
    pub(super) kinds: Vec<Kind>,
    /// Takes any number of ids.
    pub(super) ids: bool,
    /// Takes any number of words, with options between them.
    pub(super) title: bool,
    /// Takes running text by place.
    pub(super) text: bool,
    /// Begins with a cron rule, whose fields need no quotes, and ends with a command behind `--`.
    pub(super) rule: bool,
    /// The option that holds the verb's running text, where it is not taken by place.
    pub(super) prose: Option<&'c str>,
}

/// The verb's words in clap's order.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) options: Vec<String>,
    pub(super) positionals: Vec<String>,
    pub(super) title: Vec<usize>,
    pub(super) prose: Option<String>,
}

impl Reading<'_> {
    /// Puts the words behind the verb in order.
    pub(super) fn sort(&self, first: usize, shape: &Shape<'_>) -> Result<Sorted, Mistake> {
        let mut sorted = Sorted::default();
        let mut at = first;
        while at < self.words.len() {
            let word = &self.words[at];
            if shape.rule && sorted.positionals.len() == shape.fixed && !word.quoted && is_dashes(&word.text) {
                self.command_by_place(at + 1, &mut sorted);
                return Ok(sorted);
            }
            if !word.quoted && word.text == "--" && (self.road != Road::Chat || at == first) {
                self.rest_by_place(at + 1, shape, &mut sorted);
                return Ok(sorted);
            }
            let alone = first + 1 == self.words.len();
            if !word.quoted && is_help(&word.text) && (alone || !(shape.text || shape.title || shape.prose.is_some())) {
                let path: Vec<_> = shape.path.split(' ').collect();
                return Err(help(reference::verb(self.prefix(), &path)));
            }
            let loose = !shape.text && (shape.prose.is_none() || shape.title);
            if let Some(found) = self.option(at, shape, loose)? {
                let greedy = self.road == Road::Chat && !(sorted.positionals.is_empty() && sorted.title.is_empty());
                at = self.take(at, found, shape, greedy, &mut sorted.options)?;
                continue;
            }
            if !word.quoted && text::may_begin_with_dash(&word.text) {
                self.refuse_near_option(at, first, shape)?;
            }
            let place = sorted.positionals.len();
            if shape.rule && place == 0 {
                let end = self.rule_end(at, shape)?;
                sorted.positionals.push(self.joined(at..end));
                at = end;
                continue;
            }
            if shape.rule {
                self.command_by_place(at, &mut sorted);
                return Ok(sorted);
            }
            if place < shape.fixed {
                sorted.positionals.push(self.by_kind(word, &shape.kinds[place]));
            } else if let Some(ids) = shape.ids.then(|| ids_in(word)).flatten() {
                sorted.positionals.extend(ids);
            } else if shape.title {
                sorted.title.push(at);
            } else if shape.text || shape.prose.is_some() {
                // A command that is said word by word keeps its own options.
                let is_command = self.road == Road::Terminal && command_of(&word.text) == Some("");
                let end = if is_command { self.words.len() } else { self.peel_options(at, shape, &mut sorted)? };
                sorted.prose = Some(self.joined(at..end));
                return Ok(sorted);
            } else if shape.ids {
                return Err(usage(format!(
                    "`{}` takes ids alone, and `{}` is none; an id looks like `{}`",
                    shape.path,
                    word.text,
                    value::example_id()
                )));
            } else {
                return Err(self.surplus(at, shape));
            }
            at += 1;
        }
        Ok(sorted)
    }

    /// Where a cron rule ends: in quotes it is one word, else it has five.
    fn rule_end(&self, at: usize, shape: &Shape<'_>) -> Result<usize, Mistake> {
        let first = &self.words[at];
        if first.text.contains(char::is_whitespace) || first.text.starts_with('@') {
            return Ok(at + 1);
        }
        let mut end = at + 1;
        while end < (at + 5).min(self.words.len()) {
            let word = &self.words[end];
            let is_field = !word.quoted && !is_dashes(&word.text) && self.option(end, shape, false)?.is_none();
            if !is_field {
                break;
            }
            end += 1;
        }
        Ok(end)
    }

    /// A command at the end keeps all of its words: in a chat as they were typed, and else one by one.
    fn command_by_place(&self, from: usize, sorted: &mut Sorted) {
        let words = from..self.words.len();
        match self.road {
            Road::Chat if !words.is_empty() => sorted.prose = Some(self.joined(words)),
            Road::Chat => {}
            Road::Form | Road::Terminal => sorted.positionals.extend(words.map(|at| self.words[at].text.to_string())),
        }
    }

    /// What follows `--` is never an option: first the arguments by place, then the text.
    pub(super) fn rest_by_place(&self, from: usize, shape: &Shape<'_>, sorted: &mut Sorted) {
        let mut at = from;
        while let Some(word) = self.words.get(at) {
            let place = sorted.positionals.len();
            let is_text = shape.prose.is_some() || shape.text;
            if place < shape.fixed {
                sorted.positionals.push(self.by_kind(word, &shape.kinds[place]));
            } else if let Some(ids) = shape.ids.then(|| ids_in(word)).flatten() {
                sorted.positionals.extend(ids);
            } else if shape.title {
                sorted.title.push(at);
            } else if is_text {
                sorted.prose = Some(self.joined(at..self.words.len()));
                return;
            } else {
                sorted.positionals.push(word.text.clone().into_owned());
            }
            at += 1;
        }
    }

    /// Takes the options that stand at the end of running text, and answers where the text ends.
    pub(super) fn peel_options(&self, start: usize, shape: &Shape<'_>, sorted: &mut Sorted) -> Result<usize, Mistake> {
        let mut end = self.words.len();
        // Found from the end on, and handed on as they were typed: choices keep their order.
        let mut peeled: Vec<Vec<String>> = Vec::new();
        while end > start + 1 {
            let last = end - 1;
            let known = |at: usize| self.option(at, shape, false);
            if let Some((opt, given)) = known(last)? {
                if !opt.value || given.is_some() {
                    let mut taken = Vec::new();
                    self.take_within(last..end, (opt, given), shape, &mut taken)?;
                    peeled.push(taken);
                    end = last;
                    continue;
                }
                break;
            }
            let mut name = last;
            while name > start + 1 && ids_in(&self.words[name]).is_some() && known(name - 1)?.is_none() {
                name -= 1;
            }
            let name = if name > start && ids_in(&self.words[last]).is_some() { name - 1 } else { last - 1 };
            match known(name)? {
                Some((opt, None)) if name > start && opt.value && (opt.many || name + 2 == end) => {
                    let mut taken = Vec::new();
                    self.take_within(name..end, (opt, None), shape, &mut taken)?;
                    peeled.push(taken);
                    end = name;
                }
                _ => {
                    if name > start && !self.words[name].quoted && name + 2 == end {
                        self.refuse_near_option(name, usize::MAX, shape)?;
                    }
                    break;
                }
            }
        }
        sorted.options.extend(peeled.into_iter().rev().flatten());
        Ok(end)
    }

    /// The option that a word names, and the value behind its `=`.
    ///
    /// `loose` allows the start of a name that no other option shares.
    pub(super) fn option<'s, 'c>(
        &self,
        at: usize,
        shape: &'s Shape<'c>,
        loose: bool,
    ) -> Result<Option<(&'s Opt<'c>, Option<String>)>, Mistake> {
        let Some((name, given)) = self.words.get(at).and_then(|word| self.option_name(word)) else { return Ok(None) };
        let exact = shape.options.iter().find(|opt| opt.long == name);
        let found = exact.or_else(|| {
            let mut starts = shape.options.iter().filter(|opt| loose && opt.long.starts_with(&name));
            starts.next().filter(|_| starts.next().is_none())
        });
        match found {
            Some(opt) if opt.long == "home" && self.road != Road::Terminal => {
                Err(usage("`--home` belongs to the command line; a chat always uses the gateway's own home"))
            }
            Some(opt) => Ok(Some((opt, given))),
            None => Ok(None),
        }
    }

    pub(super) fn option_name(&self, word: &Word<'_>) -> Option<(String, Option<String>)> {
        if word.quoted || !text::may_begin_with_dash(&word.text) {
            return None;
        }
        let rest = match word.text.strip_prefix("--") {
            Some(rest) => rest,
            None if self.road == Road::Chat => text::behind_long_dash(&word.text)?,
            None => return None,
        };
        let (name, given) = match rest.split_once('=') {
            Some((name, given)) => (name, Some(given.to_owned())),
            None => (rest, None),
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        is_name.then(|| (lowered(name).replace('_', "-"), given))
    }

    /// Takes an option with its value, and answers where the words go on.
    pub(super) fn take(
        &self,
        at: usize,
        found: (&Opt<'_>, Option<String>),
        shape: &Shape<'_>,
        greedy: bool,
        into: &mut Vec<String>,
    ) -> Result<usize, Mistake> {
        let (opt, given) = &found;
        let mut end = at + 1;
        if opt.value && given.is_none() {
            let is_value = |at: usize| -> Result<bool, Mistake> {
                Ok(at < self.words.len() && self.option(at, shape, false)?.is_none())
            };
            if is_value(end)? {
                let quoted = self.words[end].quoted;
                end += 1;
                if opt.many {
                    while end < self.words.len() && ids_in(&self.words[end]).is_some() {
                        end += 1;
                    }
                } else if greedy && opt.wordy && !quoted {
                    while is_value(end)? {
                        end += 1;
                    }
                }
            }
        }
        self.take_within(at..end, found, shape, into)?;
        Ok(end)
    }

    pub(super) fn take_within(
        &self,
        words: Range<usize>,
        (opt, given): (&Opt<'_>, Option<String>),
        shape: &Shape<'_>,
        into: &mut Vec<String>,
    ) -> Result<(), Mistake> {
        let values: Vec<usize> = (words.start + 1..words.end).collect();
        match (opt.value, given) {
            (false, None) => into.push(format!("--{}", opt.long)),
            (false, Some(given)) => match lowered(&given).as_str() {
                "true" | "yes" | "on" => into.push(format!("--{}", opt.long)),
                "false" | "no" | "off" => {}
                _ => return Err(usage(format!("`--{}` takes no value, and got `{given}`", opt.long))),
            },
            (true, Some(given)) => into.push(format!("--{}={}", opt.long, opt.spelled(&given))),
            (true, None) if values.is_empty() => {
                return Err(usage(format!(
                    "`--{}` of `{}` needs a value{}",
                    opt.long,
                    if shape.path.is_empty() { "kanban" } else { &shape.path },
                    if opt.choices.is_empty() { String::new() } else { format!(": one of {}", ticked(&opt.choices)) }
                )));
            }
            (true, None) if opt.many => {
                for at in values {
                    let word = &self.words[at];
                    match ids_in(word) {
                        Some(ids) => into.extend(ids.into_iter().map(|id| format!("--{}={id}", opt.long))),
                        None => into.push(format!("--{}={}", opt.long, word.text)),
                    }
                }
            }
            (true, None) => into.push(format!("--{}={}", opt.long, opt.spelled(&self.joined(values.iter().copied())))),
        }
        Ok(())
    }

    pub(super) fn place_title(&self, sorted: &mut Sorted, shape: &Shape<'_>) -> Result<(), Mistake> {
        if !sorted.title.is_empty() {
            sorted.positionals.push(self.joined(sorted.title.iter().copied()));
            return Ok(());
        }
        // A title typed on the line below the verb is moved up for the person to see.
        if let (true, Some(below)) = (shape.title && sorted.positionals.len() == shape.fixed, self.below) {
            let (title, rest) = below.split_once('\n').unwrap_or((below, ""));
            let title = title.trim();
            let head = Reading {
                road: self.road,
                words: self.words.clone(),
                below: Some(rest).filter(|rest| !rest.is_empty()),
            };
            let end = self.words.len();
            return Err(head.correction(
                &format!("`{}` needs its words on the first line", shape.path),
                &head.command(&[(end..end, title.to_owned())]),
            ));
        }
        Ok(())
    }

    /// Gives the running text of the first line and the lines below to the verb's argument for it.
    pub(super) fn place_prose(&self, sorted: &mut Sorted, shape: &Shape<'_>) -> Result<(), Mistake> {
        if let Some(option) = shape.prose {
            let start = format!("--{option}=");
            let mut given: Vec<_> =
                sorted.options.iter().enumerate().filter(|(_, word)| word.starts_with(&start)).collect();
            if let (Some((_, given)), Some(words)) = (given.first(), &sorted.prose) {
                let both = format!("{} {words}", &given[start.len()..]);
                return Err(usage(format!(
                    "the text `{words}` stands beside `--{option}`; put all of it in one place: `--{option} {}`",
                    self.quoted(&both)
                )));
            }
            if let Some(below) = self.below {
                match given.pop().map(|(at, _)| at) {
                    Some(at) => sorted.options[at] = format!("{}\n{below}", sorted.options[at]),
                    None => sorted.prose = Some(with_below(sorted.prose.take(), below)),
                }
            }
            if let Some(prose) = sorted.prose.take() {
                sorted.options.push(format!("{start}{prose}"));
            }
            return Ok(());
        }
        if let Some(below) = self.below {
            if !shape.text {
                return Err(self.no_room_below(shape));
            }
            sorted.prose = Some(with_below(sorted.prose.take(), below));
        }
        // Without its id the text would be read as one; clap then names what is missing.
        if sorted.positionals.len() == shape.fixed {
            sorted.positionals.extend(sorted.prose.take());
        }
        Ok(())
    }
}

impl<'c> Shape<'c> {
    pub(super) fn of(verb: &'c Command, root: &'c Command, path: String) -> Self {
        let phrase = std::any::TypeId::of::<Phrase>();
        let own = verb.get_arguments().filter(|_| !path.is_empty());
        let options = own
            .chain(root.get_arguments())
            .filter(|arg| !arg.is_positional())
            .filter_map(|arg| {
                Some(Opt {
                    long: arg.get_long()?,
                    value: spec::takes_values(arg),
                    many: arg.get_num_args().is_some_and(|range| range.max_values() > 1),
                    wordy: spec::kind(arg) == Kind::Prose || arg.get_value_parser().type_id() == phrase,
                    choices: arg.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect(),
                })
            })
            .collect();
        let places: Vec<_> = verb.get_positionals().filter(|_| !path.is_empty()).collect();
        let lists: Vec<_> = places.iter().filter(|arg| spec::is_list(arg)).map(|arg| spec::kind(arg)).collect();
        let text = lists.contains(&Kind::Prose);
        Self {
            options,
            fixed: places.iter().filter(|arg| !spec::is_list(arg)).count(),
            kinds: places.iter().map(|arg| spec::kind(arg)).collect(),
            rule: places
                .first()
                .is_some_and(|arg| arg.get_value_parser().type_id() == std::any::TypeId::of::<CronRule>()),
            ids: lists.contains(&Kind::Task),
            title: lists.contains(&Kind::Text),
            text,
            prose: verb
                .get_arguments()
                .find(|arg| !arg.is_positional() && spec::kind(arg) == Kind::Prose)
                .and_then(clap::Arg::get_long),
            path,
        }
    }
}

impl Opt<'_> {
    /// A choice as it is declared, whatever its capitals and dashes; any other value as it is.
    pub(super) fn spelled(&self, given: &str) -> String {
        let plain = |text: &str| lowered(text.trim()).replace('_', "-");
        let choice = self.choices.iter().find(|choice| plain(choice) == plain(given));
        choice.cloned().unwrap_or_else(|| given.to_owned())
    }
}

/// Two dashes, or the long one that phones make of them.
fn is_dashes(word: &str) -> bool {
    matches!(word, "--" | "—" | "–")
}

/// The ids in a word: one, or several with commas between; commas and back-ticks around them are dropped.
pub(super) fn ids_in(word: &Word<'_>) -> Option<Vec<String>> {
    let parts: Vec<_> = word
        .text
        .split(',')
        .map(|part| part.trim_matches(|c: char| matches!(c, '`' | ';' | ':' | '#') || c.is_whitespace()))
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty() && parts.iter().all(|part| value::is_id(part)))
        .then(|| parts.into_iter().map(str::to_owned).collect())
}

fn with_below(first: Option<String>, below: &str) -> String {
    match first {
        Some(first) => format!("{first}\n{below}"),
        None => below.to_owned(),
    }
}
