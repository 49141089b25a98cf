//! From words to a declared value: the one parser of chat, forms and command line.
//!
//! Words are first put in order by the declaration (options, ids, running text) and then read by clap, so that what
//! people type loosely is judged by the same rules as what programs type strictly.

use std::{borrow::Cow, ffi::OsString, ops::Range};

use clap::{Command, FromArgMatches, error::ErrorKind};
use kanban_platform::{Kind, Surface};

use crate::command::{
    reference,
    spec::{self, declaration},
    text::{self, Word, command_of},
    value::{self, Phrase},
    verbs::{Complete, Kanban, Verb, Write},
};

/// Why there is nothing to run: a help text that was asked for, or words that were not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Mistake {
    pub text: String,
    /// 0 for help, 2 for everything else.
    pub exit: u8,
}

/// Reads a chat message, with or without its `/kanban`.
pub fn from_chat(message: &str) -> Result<Kanban, Mistake> {
    let line = text::line(command_of(message).unwrap_or(message)).map_err(usage)?;
    Reading { road: Road::Chat, words: line.words, below: line.prose }.parse()
}

/// Reads words that came already split: a form, a button, or a worker's call. Verbs beyond `surface` are refused.
pub fn from_words(words: &[String], surface: Surface) -> Result<Kanban, Mistake> {
    let road = match surface {
        Surface::Menu | Surface::Chat => Road::Form,
        Surface::CommandLine | Surface::Internal => Road::Terminal,
    };
    Reading { road, words: words.iter().map(|word| Word::plain(word)).collect(), below: None }.parse()
}

/// Reads the arguments of the process, without its name.
pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Kanban, Mistake> {
    let words = arguments
        .into_iter()
        .map(|word| word.into_string().map_err(|word| usage(format!("`{}` is not UTF-8", word.to_string_lossy()))))
        .collect::<Result<Vec<_>, _>>()?;
    from_words(&words, Surface::Internal)
}

/// Where the words come from, which decides how loosely they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    Chat,
    Form,
    Terminal,
}

struct Reading<'a> {
    road: Road,
    words: Vec<Word<'a>>,
    below: Option<&'a str>,
}

/// One option of the verb at hand, as far as putting words in order needs it.
struct Opt<'c> {
    long: &'c str,
    value: bool,
    /// Takes all the words up to the next option that have the form of its value.
    many: bool,
    /// Holds some words rather than one.
    wordy: bool,
    choices: Vec<String>,
}

/// What a verb takes, read from its declaration.
struct Shape<'c> {
    path: String,
    options: Vec<Opt<'c>>,
    /// Positional arguments that take one word each, before any list.
    fixed: usize,
    /// Their kinds, and behind them the list's.
    kinds: Vec<Kind>,
    /// Takes any number of ids.
    ids: bool,
    /// Takes any number of words, with options between them.
    title: bool,
    /// Takes running text by place.
    text: bool,
    /// The option that holds the verb's running text, where it is not taken by place.
    prose: Option<&'c str>,
}

/// The verb's words in clap's order.
#[derive(Default)]
struct Sorted {
    options: Vec<String>,
    positionals: Vec<String>,
    title: Vec<usize>,
    prose: Option<String>,
}

impl Reading<'_> {
    fn parse(self) -> Result<Kanban, Mistake> {
        let root = declaration();
        let globals = Shape::of(root, root, String::new());
        let mut leading = Vec::new();
        // People repeat the name of the command when they paste one behind it.
        let repeated = |word: &Word<'_>| matches!(lowered(&word.text).as_str(), "kanban" | "/kanban");
        let mut at = usize::from(self.road == Road::Chat && self.words.first().is_some_and(repeated));
        while let Some(found) = self.option(at, &globals, true)? {
            at = self.take(at, found, &globals, false, &mut leading)?;
        }
        let Some(word) = self.words.get(at) else { return self.without_verb() };
        let name = lowered(&word.text);
        match name.as_str() {
            "help" | "-h" | "--help" | "?" => return self.help(at + 1),
            "-v" | "--version" if self.road == Road::Terminal => {
                return Err(help(format!("kanban {}", env!("CARGO_PKG_VERSION"))));
            }
            _ => {}
        }
        let Some(mut verb) = find(root, &name) else { return Err(self.unknown_verb(at, root, "")) };
        let mut path = vec![verb.get_name()];
        self.refuse_elsewhere(at, verb)?;
        at += 1;
        if verb.has_subcommands() {
            match self.words.get(at).map(|word| lowered(&word.text)) {
                Some(word) if find(verb, &word).is_some() => {
                    verb = find(verb, &word).unwrap_or(verb);
                    path.push(verb.get_name());
                    at += 1;
                }
                Some(word) if is_help(&word) => {}
                Some(word) if !word.starts_with('-') && text::behind_long_dash(&word).is_none() => {
                    return Err(self.unknown_verb(at, verb, &path.join(" ")));
                }
                // A group without a verb means its first one, unless it takes options itself.
                _ if verb.get_arguments().next().is_none() => {
                    if let Some(first) = verb.get_subcommands().next() {
                        verb = first;
                        path.push(verb.get_name());
                    }
                }
                _ => {}
            }
        }
        let shape = Shape::of(verb, root, path.join(" "));
        let mut sorted = self.sort(at, &shape)?;
        self.place_title(&mut sorted, &shape)?;
        self.place_prose(&mut sorted, &shape)?;
        let mut argv = leading;
        argv.extend(path.iter().map(|&step| step.to_owned()));
        argv.extend(sorted.options);
        if !sorted.positionals.is_empty() {
            argv.push("--".to_owned());
            argv.extend(sorted.positionals);
        }
        let kanban = read(root, path[0], &argv).map_err(|fault| self.explain(&fault, verb, &shape))?;
        self.check(&kanban)?;
        Ok(kanban)
    }

    fn without_verb(&self) -> Result<Kanban, Mistake> {
        match self.below {
            Some(_) => {
                Err(usage("the command is missing before the text; for example `/kanban create fix the login page`"))
            }
            None => Err(help(reference::overview(self.prefix()))),
        }
    }

    fn help(&self, at: usize) -> Result<Kanban, Mistake> {
        let root = declaration();
        let Some(word) = self.words.get(at) else { return Err(help(reference::overview(self.prefix()))) };
        let Some(verb) = find(root, &lowered(&word.text)) else { return Err(self.unknown_verb(at, root, "")) };
        let mut path = vec![verb.get_name()];
        if let Some(inner) = self.words.get(at + 1).and_then(|word| find(verb, &lowered(&word.text))) {
            path.push(inner.get_name());
        }
        Err(help(reference::verb(self.prefix(), &path)))
    }

    /// Verbs of the command line and of the program itself have no place in a chat.
    fn refuse_elsewhere(&self, at: usize, verb: &Command) -> Result<(), Mistake> {
        if self.road == Road::Terminal {
            // All verbs may be said there, and reading the whole declaration takes a while.
            return Ok(());
        }
        match spec::spec().at(&[verb.get_name()]).map_or(Surface::Internal, |verb| verb.surface) {
            Surface::Menu | Surface::Chat => Ok(()),
            Surface::CommandLine => Err(usage(format!(
                "`{0}` runs in a terminal, on the machine of the gateway: `kanban {0}`",
                verb.get_name()
            ))),
            Surface::Internal => Err(self.unknown_verb(at, declaration(), "")),
        }
    }

    /// Puts the words behind the verb in order.
    fn sort(&self, first: usize, shape: &Shape<'_>) -> Result<Sorted, Mistake> {
        let mut sorted = Sorted::default();
        let mut at = first;
        while at < self.words.len() {
            let word = &self.words[at];
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

    /// What follows `--` is never an option: first the arguments by place, then the text.
    fn rest_by_place(&self, from: usize, shape: &Shape<'_>, sorted: &mut Sorted) {
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
    fn peel_options(&self, start: usize, shape: &Shape<'_>, sorted: &mut Sorted) -> Result<usize, Mistake> {
        let mut end = self.words.len();
        while end > start + 1 {
            let last = end - 1;
            let known = |at: usize| self.option(at, shape, false);
            if let Some((opt, given)) = known(last)? {
                if !opt.value || given.is_some() {
                    self.take_within(last..end, (opt, given), shape, &mut sorted.options)?;
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
                    self.take_within(name..end, (opt, None), shape, &mut sorted.options)?;
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
        Ok(end)
    }

    /// The option that a word names, and the value behind its `=`.
    ///
    /// `loose` allows the start of a name that no other option shares.
    fn option<'s, 'c>(
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

    fn option_name(&self, word: &Word<'_>) -> Option<(String, Option<String>)> {
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
    fn take(
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

    fn take_within(
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

    /// Refuses a word that is nearly an option, or plainly meant as one where no text can stand.
    fn refuse_near_option(&self, at: usize, first: usize, shape: &Shape<'_>) -> Result<(), Mistake> {
        let word = &self.words[at];
        let long = self.option_name(word);
        let single = word.text.strip_prefix('-').filter(|rest| !rest.starts_with('-') && rest.len() > 2);
        let (name, given) = match (&long, single) {
            (Some((name, given)), _) => (name.clone(), given.clone()),
            (None, Some(rest)) => {
                let (name, given) =
                    rest.split_once('=').map_or((rest, None), |(name, given)| (name, Some(given.to_owned())));
                if !shape.options.iter().any(|opt| opt.long == lowered(name)) {
                    return Ok(());
                }
                (lowered(name), given)
            }
            (None, None) => return Ok(()),
        };
        let shown = word.text.split('=').next().unwrap_or_default();
        if let Some(near) = nearest(&name, shape.options.iter().map(|opt| opt.long)) {
            let fixed = match given {
                Some(given) => format!("--{near}={}", self.quoted(&given)),
                None => format!("--{near}"),
            };
            return Err(self.correction(
                &format!("`{}` has no option `{shown}`", shape.path),
                &self.command(&[(at..at + 1, fixed)]),
            ));
        }
        let is_text = shape.text || shape.prose.is_some() && !shape.title;
        if is_text || !word.text.starts_with("--") {
            return Ok(());
        }
        if shape.title {
            let title = (first..self.words.len())
                .take_while(|&at| at == first || !matches!(self.option(at, shape, true), Ok(Some(_))))
                .last()
                .map_or(first..at + 1, |last| first..last.max(at) + 1);
            let text = self.joined(title.clone());
            if title.clone().all(|at| !matches!(self.option(at, shape, true), Ok(Some(_)))) {
                let fixed = self.quoted(&text);
                return Err(self.correction(
                    &format!("`{}` has no option `{shown}`; put a text that holds one in quotes", shape.path),
                    &self.command(&[(title, fixed)]),
                ));
            }
            let fixed = self.quoted(&word.text);
            return Err(self.correction(
                &format!("`{}` has no option `{shown}`; put a text that holds one in quotes", shape.path),
                &self.command(&[(at..at + 1, fixed)]),
            ));
        }
        let options: Vec<_> =
            shape.options.iter().map(|opt| format!("--{}", opt.long)).filter(|name| name != "--home").collect();
        Err(usage(format!("`{}` has no option `{shown}`; it takes {}", shape.path, ticked(&options))))
    }

    fn place_title(&self, sorted: &mut Sorted, shape: &Shape<'_>) -> Result<(), Mistake> {
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
    fn place_prose(&self, sorted: &mut Sorted, shape: &Shape<'_>) -> Result<(), Mistake> {
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

    fn no_room_below(&self, shape: &Shape<'_>) -> Mistake {
        let alone = Reading { road: self.road, words: self.words.clone(), below: None };
        alone.correction(
            &format!("`{}` takes no text, so the lines below it have no place and nothing was done", shape.path),
            &alone.command(&[]),
        )
    }

    fn check(&self, kanban: &Kanban) -> Result<(), Mistake> {
        match &kanban.verb {
            Some(Verb::Write(Write::Complete(Complete { tasks, summary, metadata, .. })))
                if tasks.len() > 1 && (summary.is_some() || metadata.is_some()) =>
            {
                Err(usage(
                    "`--summary` and `--metadata` belong to one task and cannot go with several ids; complete the tasks one at a time, or leave them out",
                ))
            }
            _ => Ok(()),
        }
    }

    fn unknown_verb(&self, at: usize, group: &Command, path: &str) -> Mistake {
        let word = &self.words[at].text;
        let visible: Vec<&Command> = group
            .get_subcommands()
            .filter(|verb| {
                let steps: Vec<_> = path.split(' ').filter(|step| !step.is_empty()).chain([verb.get_name()]).collect();
                spec::spec().at(&steps).is_some_and(|verb| match verb.surface {
                    Surface::Menu | Surface::Chat => true,
                    Surface::CommandLine => self.road == Road::Terminal,
                    Surface::Internal => false,
                })
            })
            .collect();
        let names = visible.iter().flat_map(|verb| std::iter::once(verb.get_name()).chain(verb.get_visible_aliases()));
        let name = lowered(word);
        let said =
            if path.is_empty() { format!("unknown verb `{word}`") } else { format!("unknown verb `{path} {word}`") };
        let meant =
            synonym(&name).filter(|verb| path.is_empty() && visible.iter().any(|known| known.get_name() == *verb));
        if let Some(near) = nearest(&name, names).or(meant) {
            return self.correction(&said, &self.command(&[(at..at + 1, near.to_owned())]));
        }
        if !path.is_empty() {
            let verbs: Vec<_> = visible.iter().map(|verb| verb.get_name().to_owned()).collect();
            return usage(format!("{said}; `{path}` has {}", ticked(&verbs)));
        }
        if value::is_id(word) {
            return self.correction(&said, &self.command(&[(at..at, "show".to_owned())]));
        }
        if self.words.len() - at > 2 {
            return self.correction(&said, &self.command(&[(at..at, "create".to_owned())]));
        }
        usage(format!("{said}; `{} help` lists the verbs", self.prefix()))
    }

    /// A word too many; it may be the value of an option.
    fn surplus(&self, at: usize, shape: &Shape<'_>) -> Mistake {
        let word = &self.words[at];
        let said = format!("`{}` has no place for `{}`", shape.path, word.text);
        let option = shape.options.iter().find(|opt| opt.choices.iter().any(|choice| *choice == lowered(&word.text)));
        match option {
            Some(opt) => self.correction(&said, &self.command(&[(at..at, format!("--{}", opt.long))])),
            None => {
                let path: Vec<_> = shape.path.split(' ').collect();
                usage(format!("{said}; usage: `{} {}`", self.prefix(), reference::usage(&path)))
            }
        }
    }

    /// Says in one sentence what clap did not accept.
    fn explain(&self, fault: &clap::Error, verb: &Command, shape: &Shape<'_>) -> Mistake {
        use clap::error::{ContextKind, ContextValue};
        let texts = |kind| match fault.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        };
        let arguments = texts(ContextKind::InvalidArg);
        let argument = arguments.first().map(|name| argument_name(name)).unwrap_or_default();
        let given = texts(ContextKind::InvalidValue).concat();
        let path: Vec<_> = shape.path.split(' ').collect();
        match fault.kind() {
            ErrorKind::InvalidValue => {
                let choices = texts(ContextKind::ValidValue);
                let said = format!("`{argument}` cannot be `{given}`: expected one of {}", ticked(&choices));
                let at =
                    self.words.iter().position(|word| word.text == given || word.text.ends_with(&format!("={given}")));
                match (nearest(&lowered(&given), choices.iter().map(String::as_str)), at) {
                    (Some(near), Some(at)) => {
                        let word = &self.words[at].text;
                        let fixed = format!("{}{near}", &word[..word.len() - given.len()]);
                        self.correction(&said, &self.command(&[(at..at + 1, fixed)]))
                    }
                    _ => usage(said),
                }
            }
            ErrorKind::ValueValidation => {
                let arg =
                    verb.get_arguments().chain(declaration().get_arguments()).find(|arg| shown_as(arg) == argument);
                let whole = given.trim().parse::<i128>().is_ok();
                let why = match (arg.map(spec::kind), std::error::Error::source(fault)) {
                    (Some(Kind::Integer), source) if !(whole && source.is_some()) => {
                        let more =
                            source.map(ToString::to_string).filter(|text| text.contains(">=")).unwrap_or_default();
                        if more.is_empty() { format!("expected a whole number, got `{given}`") } else { more }
                    }
                    (Some(Kind::Integer), _) if given.trim().parse::<i64>().is_err() => {
                        format!("`{given}` is too large a number")
                    }
                    (_, Some(source)) => source.to_string(),
                    (_, None) => format!("`{given}` does not fit"),
                };
                usage(format!("`{argument}`: {why}"))
            }
            ErrorKind::MissingRequiredArgument => {
                let missing: Vec<_> = arguments.iter().map(|name| name.trim_end_matches("...").to_owned()).collect();
                let (prefix, line) = (self.prefix(), reference::usage(&path));
                let needs = format!("`{}` needs {}", shape.path, ticked(&missing));
                if arguments.iter().all(|name| line.contains(argument_name(name).trim_matches(['<', '>']))) {
                    let example = reference::example(&path);
                    usage(format!("{needs}; for example `{prefix} {example}`\nusage: `{prefix} {line}`"))
                } else {
                    usage(format!("{needs}; `{prefix} help {}` tells more", shape.path))
                }
            }
            ErrorKind::ArgumentConflict => {
                let other = texts(ContextKind::PriorArg).first().map(|name| argument_name(name)).unwrap_or_default();
                if other == argument || other.is_empty() {
                    usage(format!("`{argument}` can be given only once"))
                } else {
                    usage(format!("`{argument}` cannot go with `{other}`; leave one of them out"))
                }
            }
            _ => usage(format!(
                "{}; usage: `{} {}`",
                fault.to_string().lines().next().unwrap_or_default().trim_start_matches("error: "),
                self.prefix(),
                reference::usage(&path)
            )),
        }
    }

    /// Several words as one text. In chat a phrase that is not in quotes as a whole keeps the quotes inside it.
    fn joined(&self, mut words: impl ExactSizeIterator<Item = usize>) -> String {
        let alone = words.len() == 1;
        let mut text = words.next().map_or_else(String::new, |at| self.part(at, alone).to_owned());
        for at in words {
            text.push(' ');
            text.push_str(self.part(at, false));
        }
        text
    }

    fn part(&self, at: usize, alone: bool) -> &str {
        match self.road {
            Road::Chat if !alone => self.words[at].source,
            Road::Chat | Road::Form | Road::Terminal => &self.words[at].text,
        }
    }

    fn by_kind(&self, word: &Word<'_>, kind: &Kind) -> String {
        match (self.road, kind) {
            (Road::Chat, Kind::Task) => match ids_in(word).as_deref() {
                Some([id]) => id.clone(),
                _ => word.text.clone().into_owned(),
            },
            _ => word.text.clone().into_owned(),
        }
    }

    /// The command as typed, with some words replaced.
    fn command(&self, replaced: &[(Range<usize>, String)]) -> String {
        let mut parts: Vec<Cow<'_, str>> = vec![Cow::Borrowed(self.prefix())];
        let mut at = 0;
        for (range, new) in replaced {
            parts.extend(self.words[at..range.start].iter().map(|word| self.shown(word)));
            parts.push(Cow::Borrowed(new.as_str()));
            at = range.end;
        }
        parts.extend(self.words[at..].iter().map(|word| self.shown(word)));
        parts.retain(|part| !part.is_empty());
        let mut command = parts.join(" ");
        if let Some(below) = self.below {
            command.push('\n');
            command.push_str(below);
        }
        command
    }

    fn correction(&self, said: &str, command: &str) -> Mistake {
        if command.len() > LONGEST_SHOWN {
            usage(format!("{said}; send the command again without it"))
        } else if command.contains(['\n', '`']) {
            usage(format!("{said}; did you mean:\n{command}"))
        } else {
            usage(format!("{said}; did you mean `{command}`?"))
        }
    }

    fn shown<'s>(&self, word: &'s Word<'_>) -> Cow<'s, str> {
        match self.road {
            Road::Chat => Cow::Borrowed(word.source),
            Road::Form | Road::Terminal => shell_word(&word.text),
        }
    }

    fn quoted(&self, text: &str) -> String {
        match self.road {
            Road::Chat => format!("\"{}\"", text.replace('"', "\\\"")),
            Road::Form | Road::Terminal => shell_word(text).into_owned(),
        }
    }

    fn prefix(&self) -> &'static str {
        match self.road {
            Road::Chat | Road::Form => "/kanban",
            Road::Terminal => "kanban",
        }
    }
}

impl<'c> Shape<'c> {
    fn of(verb: &'c Command, root: &'c Command, path: String) -> Self {
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
    fn spelled(&self, given: &str) -> String {
        let plain = |text: &str| lowered(text.trim()).replace('_', "-");
        let choice = self.choices.iter().find(|choice| plain(choice) == plain(given));
        choice.cloned().unwrap_or_else(|| given.to_owned())
    }
}

/// No correction is shown above this many bytes.
const LONGEST_SHOWN: usize = 1_500;

/// Reads the words with a declaration that holds the one verb alone, which is much quicker than reading with all.
fn read(root: &Command, verb: &str, argv: &[String]) -> Result<Kanban, clap::Error> {
    let mut slim = Command::new("kanban")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args(root.get_arguments().cloned())
        .subcommands(root.find_subcommand(verb).cloned().map(|verb| verb.disable_help_flag(true)));
    let mut matches = slim.try_get_matches_from_mut(argv)?;
    Kanban::from_arg_matches_mut(&mut matches)
}

fn find<'c>(group: &'c Command, name: &str) -> Option<&'c Command> {
    group.get_subcommands().find(|verb| verb.get_name() == name || verb.get_all_aliases().any(|alias| alias == name))
}

fn is_help(word: &str) -> bool {
    matches!(lowered(word).as_str(), "-h" | "--help" | "—help" | "–help")
}

/// The ids in a word: one, or several with commas between; commas and back-ticks around them are dropped.
fn ids_in(word: &Word<'_>) -> Option<Vec<String>> {
    let parts: Vec<_> = word
        .text
        .split(',')
        .map(|part| part.trim_matches(|c: char| matches!(c, '`' | ';' | ':' | '#') || c.is_whitespace()))
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty() && parts.iter().all(|part| value::is_id(part)))
        .then(|| parts.into_iter().map(str::to_owned).collect())
}

/// The one name that is a slip away: few edits, or a start that no other name shares.
fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let names: Vec<_> = names.into_iter().filter(|name| *name != "home").collect();
    let length = word.chars().count();
    if !(2..=32).contains(&length) {
        return None;
    }
    let slips = match length {
        0..=3 => 1,
        4..=5 => 1,
        _ => 2,
    };
    let by_edits = names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .filter(|(edits, _)| *edits <= slips)
        .min();
    by_edits.map(|(_, name)| name).or_else(|| {
        let mut starts = names.iter().filter(|name| length >= 3 && name.starts_with(word));
        starts.next().filter(|_| starts.next().is_none()).copied()
    })
}

/// Words of other systems for our verbs.
fn synonym(word: &str) -> Option<&'static str> {
    Some(match word {
        "new" | "add" | "task" | "make" => "create",
        "tasks" | "status" | "board" | "todo" => "list",
        "done" | "finish" | "close" => "complete",
        "delete" | "remove" | "rm" | "hide" => "archive",
        "kill" | "stop" | "abort" => "cancel",
        "rerun" | "restart" | "again" => "retry",
        "subscribe" | "follow" => "watch",
        "unsubscribe" | "unfollow" => "unwatch",
        "answer" | "release" | "approve" => "unblock",
        "reply" | "note" | "say" => "comment",
        "give" => "assign",
        "logs" | "output" => "log",
        "info" | "view" | "get" => "show",
        "history" => "tail",
        "later" | "snooze" => "schedule",
        _ => return None,
    })
}

fn with_below(first: Option<String>, below: &str) -> String {
    match first {
        Some(first) => format!("{first}\n{below}"),
        None => below.to_owned(),
    }
}

/// `--status` of `--status <STATUS>`; a positional argument stays as it is.
fn argument_name(shown: &str) -> String {
    let name = if shown.starts_with("--") { shown.split([' ', '=']).next().unwrap_or(shown) } else { shown };
    name.trim_end_matches("...").to_owned()
}

fn shown_as(arg: &clap::Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => format!("<{}>", spec::value_name(arg)),
    }
}

/// A word as a POSIX shell takes it.
fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '+' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

fn ticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn lowered(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn usage(text: impl Into<String>) -> Mistake {
    Mistake { text: text.into(), exit: 2 }
}

fn help(text: String) -> Mistake {
    Mistake { text, exit: 0 }
}
