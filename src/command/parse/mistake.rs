//! What is said of words that were not understood, with the command that would have worked.

use std::{borrow::Cow, ops::Range};

use clap::{Command, error::ErrorKind};
use kanban_platform::{Kind, Surface};

use super::{
    Mistake, Reading, Road,
    order::{Shape, ids_in},
    usage,
};
use crate::command::{
    reference,
    spec::{self, declaration, spec},
    text::Word,
    value,
    verbs::{Complete, Kanban, Verb, Write},
};

impl Reading<'_> {
    /// Verbs of the command line and of the program itself have no place in a chat.
    pub(super) fn refuse_elsewhere(&self, at: usize, verb: &Command) -> Result<(), Mistake> {
        if self.road == Road::Terminal {
            // All verbs may be said there, and reading the whole declaration takes a while.
            return Ok(());
        }
        match spec().at(&[verb.get_name()]).map_or(Surface::Internal, |verb| verb.surface) {
            Surface::Menu | Surface::Chat => Ok(()),
            Surface::CommandLine => Err(usage(format!(
                "`{0}` runs in a terminal, on the machine of the gateway: `kanban {0}`",
                verb.get_name()
            ))),
            Surface::Internal => Err(self.unknown_verb(at, declaration(), "")),
        }
    }

    /// Refuses a word that is nearly an option, or plainly meant as one where no text can stand.
    pub(super) fn refuse_near_option(&self, at: usize, first: usize, shape: &Shape<'_>) -> Result<(), Mistake> {
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

    pub(super) fn no_room_below(&self, shape: &Shape<'_>) -> Mistake {
        let alone = Reading { road: self.road, words: self.words.clone(), below: None };
        alone.correction(
            &format!("`{}` takes no text, so the lines below it have no place and nothing was done", shape.path),
            &alone.command(&[]),
        )
    }

    pub(super) fn check(&self, kanban: &Kanban) -> Result<(), Mistake> {
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

    pub(super) fn unknown_verb(&self, at: usize, group: &Command, path: &str) -> Mistake {
        let word = &self.words[at].text;
        let visible: Vec<&Command> = group
            .get_subcommands()
            .filter(|verb| {
                let steps: Vec<_> = path.split(' ').filter(|step| !step.is_empty()).chain([verb.get_name()]).collect();
                spec().at(&steps).is_some_and(|verb| match verb.surface {
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
    pub(super) fn surplus(&self, at: usize, shape: &Shape<'_>) -> Mistake {
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
    pub(super) fn explain(&self, fault: &clap::Error, verb: &Command, shape: &Shape<'_>) -> Mistake {
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
    pub(super) fn joined(&self, mut words: impl ExactSizeIterator<Item = usize>) -> String {
        let alone = words.len() == 1;
        let mut text = words.next().map_or_else(String::new, |at| self.part(at, alone).to_owned());
        for at in words {
            text.push(' ');
            text.push_str(self.part(at, false));
        }
        text
    }

    pub(super) fn part(&self, at: usize, alone: bool) -> &str {
        match self.road {
            Road::Chat if !alone => self.words[at].source,
            Road::Chat | Road::Form | Road::Terminal => &self.words[at].text,
        }
    }

    pub(super) fn by_kind(&self, word: &Word<'_>, kind: &Kind) -> String {
        match (self.road, kind) {
            (Road::Chat, Kind::Task) => match ids_in(word).as_deref() {
                Some([id]) => id.clone(),
                _ => word.text.clone().into_owned(),
            },
            _ => word.text.clone().into_owned(),
        }
    }

    /// The command as typed, with some words replaced.
    pub(super) fn command(&self, replaced: &[(Range<usize>, String)]) -> String {
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

    pub(super) fn correction(&self, said: &str, command: &str) -> Mistake {
        if command.len() > LONGEST_SHOWN {
            usage(format!("{said}; send the command again without it"))
        } else if command.contains(['\n', '`']) {
            usage(format!("{said}; did you mean:\n{command}"))
        } else {
            usage(format!("{said}; did you mean `{command}`?"))
        }
    }

    pub(super) fn shown<'s>(&self, word: &'s Word<'_>) -> Cow<'s, str> {
        match self.road {
            Road::Chat => Cow::Borrowed(word.source),
            Road::Form | Road::Terminal => shell_word(&word.text),
        }
    }

    pub(super) fn quoted(&self, text: &str) -> String {
        match self.road {
            Road::Chat => format!("\"{}\"", text.replace('"', "\\\"")),
            Road::Form | Road::Terminal => shell_word(text).into_owned(),
        }
    }

    pub(super) fn prefix(&self) -> &'static str {
        match self.road {
            Road::Chat | Road::Form => "/kanban",
            Road::Terminal => "kanban",
        }
    }
}

/// No correction is shown above this many bytes.
pub(super) const LONGEST_SHOWN: usize = 1_500;

/// The one name that is a slip away: few edits, or a start that no other name shares.
pub(super) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
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
pub(super) fn synonym(word: &str) -> Option<&'static str> {
    Some(match word {
        "new" | "add" | "task" | "make" => "create",
        "tasks" | "status" | "board" | "todo" => "list",
        "done" | "finish" | "close" => "complete",
        "delete" | "remove" | "rm" | "hide" => "archive",
        "kill" | "stop" | "abort" => "cancel",
        "rerun" | "restart" | "again" => "retry",
        "subscribe" | "follow" => "watch",
        "unsubscribe" | "unfollow" => "unwatch",
        "release" => "unblock",
        "approve" => "complete",
        "choose" => "answer",
        "reply" | "note" | "say" => "comment",
        "give" => "assign",
        "logs" | "output" => "log",
        "info" | "view" | "get" => "show",
        "history" => "tail",
        "later" | "snooze" => "schedule",
        _ => return None,
    })
}

/// `--status` of `--status <STATUS>`; a positional argument stays as it is.
pub(super) fn argument_name(shown: &str) -> String {
    let name = if shown.starts_with("--") { shown.split([' ', '=']).next().unwrap_or(shown) } else { shown };
    name.trim_end_matches("...").to_owned()
}

pub(super) fn shown_as(arg: &clap::Arg) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}"),
        None => format!("<{}>", spec::value_name(arg)),
    }
}

/// A word as a POSIX shell takes it.
pub(super) fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '+' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

pub(super) fn ticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn lowered(text: &str) -> String {
    text.to_ascii_lowercase()
}
