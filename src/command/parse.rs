//! From words to a declared value: the one parser of chat, forms and command line.
//!
//! Words are first put in order by the declaration (options, ids, running text) and then read by clap, so that what
//! people type loosely is judged by the same rules as what programs type strictly.

mod mistake;
mod order;

use std::ffi::OsString;

use clap::{Command, FromArgMatches};
use kanban_platform::Surface;

use self::{mistake::lowered, order::Shape};
use crate::command::{
    reference,
    spec::declaration,
    text::{self, Word, command_of},
    verbs::Kanban,
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
                // A group that takes arguments by place itself is told from them by name alone.
                Some(word)
                    if !word.starts_with('-')
                        && text::behind_long_dash(&word).is_none()
                        && verb.get_positionals().next().is_none() =>
                {
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
}

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

fn usage(text: impl Into<String>) -> Mistake {
    Mistake { text: text.into(), exit: 2 }
}

fn help(text: String) -> Mistake {
    Mistake { text, exit: 0 }
}
