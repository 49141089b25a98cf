//! What may be typed next: the console's verbs, the gateway's verbs, and values for their arguments.

use kanban_platform::{Arg, Kind, Spec, Surface};

/// The console's own verbs, as they are offered.
const VERBS: [&str; 7] = ["/kanban", "/in", "/as", "/reply", "/press", "/wait", "/quit"];

/// What can complete the word that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One of these.
    Words(Vec<String>),
    /// A value that the gateway knows.
    Value(Kind),
    Nothing,
}

/// Where the word starts that `typed` ends in, and what can complete it.
pub(crate) fn wanted(spec: &Spec, typed: &str) -> (usize, Wanted) {
    let start =
        typed.rfind(char::is_whitespace).map_or(0, |at| at + typed[at..].chars().next().map_or(0, char::len_utf8));
    let (before, word) = typed.split_at(start);
    let before: Vec<&str> = before.split_whitespace().collect();
    let wanted = match before.as_slice() {
        [] if word.starts_with('/') => words(VERBS.into_iter(), word),
        ["/kanban", before @ ..] => below(spec, before, word),
        _ => Wanted::Nothing,
    };
    (start, wanted)
}

fn below(spec: &Spec, mut before: &[&str], word: &str) -> Wanted {
    let mut spec = spec;
    while let [verb, rest @ ..] = before
        && let Some(found) = spec.verbs.iter().find(|known| is_called(known, verb))
    {
        (spec, before) = (found, rest);
    }
    if before.is_empty() && !spec.verbs.is_empty() {
        return words(spec.verbs.iter().filter(|verb| in_chat(verb)).map(|verb| verb.name.as_str()), word);
    }
    match open_argument(&spec.args, before) {
        Open::Option(arg) => value(arg, word),
        Open::Positional(_) if word.starts_with("--") => {
            let names: Vec<String> =
                spec.args.iter().filter(|arg| !arg.positional).map(|arg| format!("--{}", arg.name)).collect();
            words(names.iter().map(String::as_str), word)
        }
        Open::Positional(count) => {
            let mut positional = spec.args.iter().filter(|arg| arg.positional);
            let at = positional.clone().nth(count).or_else(|| positional.next_back().filter(|last| last.list));
            at.map_or(Wanted::Nothing, |arg| value(arg, word))
        }
    }
}

/// What the words before leave open.
enum Open<'a> {
    /// The value of this option.
    Option(&'a Arg),
    /// The next argument by place, after this many.
    Positional(usize),
}

fn open_argument<'a>(args: &'a [Arg], before: &[&str]) -> Open<'a> {
    let mut positional = 0;
    let mut open = None;
    for word in before {
        if open.take().is_some() {
            continue;
        }
        match word.strip_prefix("--") {
            Some(name) => {
                open = args.iter().find(|arg| !arg.positional && arg.name == name && arg.kind != Kind::Flag);
            }
            None => positional += 1,
        }
    }
    open.map_or(Open::Positional(positional), Open::Option)
}

fn value(arg: &Arg, word: &str) -> Wanted {
    match &arg.kind {
        Kind::Choice(choices) => words(choices.iter().map(|choice| choice.name.as_str()), word),
        Kind::Task | Kind::Profile | Kind::Board | Kind::Tenant | Kind::Workspace => Wanted::Value(arg.kind.clone()),
        Kind::Flag | Kind::Integer | Kind::Text | Kind::Prose => Wanted::Nothing,
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>, begun: &str) -> Wanted {
    let begun = begun.to_lowercase();
    match words.filter(|word| word.starts_with(&begun)).map(str::to_owned).collect::<Vec<_>>() {
        none if none.is_empty() => Wanted::Nothing,
        some => Wanted::Words(some),
    }
}

fn is_called(spec: &Spec, word: &str) -> bool {
    spec.name.eq_ignore_ascii_case(word) || spec.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(word))
}

fn in_chat(spec: &Spec) -> bool {
    match spec.surface {
        Surface::Menu | Surface::Chat => true,
        Surface::CommandLine | Surface::Internal => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};
    use kanban_platform::{Arg, Capability, Choice, Kind, Spec, Surface};

    fn verb(name: &str, aliases: &[&str], surface: Surface, args: Vec<Arg>, verbs: Vec<Spec>) -> Spec {
        Spec {
            name: name.to_owned(),
            about: String::new(),
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            usage: String::new(),
            args,
            verbs,
            surface,
            capability: Capability::Read,
            shortcut: None,
            translations: std::collections::BTreeMap::new(),
        }
    }

    fn arg(name: &str, kind: Kind, positional: bool, list: bool) -> Arg {
        Arg { name: name.to_owned(), about: String::new(), kind, required: false, list, positional, default: None }
    }

    fn spec() -> Spec {
        let status = Kind::Choice(
            ["ready", "running", "done"].map(|name| Choice { name: name.to_owned(), about: String::new() }).into(),
        );
        verb(
            "kanban",
            &[],
            Surface::Menu,
            vec![],
            vec![
                verb(
                    "list",
                    &["ls"],
                    Surface::Menu,
                    vec![
                        arg("status", status, false, false),
                        arg("json", Kind::Flag, false, false),
                        arg("assignee", Kind::Profile, false, false),
                    ],
                    vec![],
                ),
                verb("complete", &[], Surface::Chat, vec![arg("ids", Kind::Task, true, true)], vec![]),
                verb(
                    "comment",
                    &[],
                    Surface::Menu,
                    vec![arg("id", Kind::Task, true, false), arg("text", Kind::Prose, true, false)],
                    vec![],
                ),
                verb(
                    "boards",
                    &[],
                    Surface::Menu,
                    vec![],
                    vec![verb("show", &[], Surface::Menu, vec![arg("slug", Kind::Board, true, false)], vec![])],
                ),
                verb("up", &[], Surface::CommandLine, vec![], vec![]),
            ],
        )
    }

    #[test]
    fn each_place_gets_what_fits_there() {
        let words = |words: &[&str]| Wanted::Words(words.iter().map(|&word| word.to_owned()).collect());
        let spec = spec();
        for (typed, start, expected) in [
            ("/", 0, words(&["/kanban", "/in", "/as", "/reply", "/press", "/wait", "/quit"])),
            ("/r", 0, words(&["/reply"])),
            ("hello", 0, Wanted::Nothing),
            ("hello co", 6, Wanted::Nothing),
            ("/kanban ", 8, words(&["list", "complete", "comment", "boards"])),
            ("/kanban CO", 8, words(&["complete", "comment"])),
            ("/kanban up", 8, Wanted::Nothing),
            ("/kanban ls --s", 11, words(&["--status"])),
            ("/kanban list --status r", 22, words(&["ready", "running"])),
            ("/kanban list --json --assignee ", 31, Wanted::Value(Kind::Profile)),
            ("/kanban complete t_1 t_", 21, Wanted::Value(Kind::Task)),
            ("/kanban comment t_1 ", 20, Wanted::Nothing),
            ("/kanban comment t_1 two ", 24, Wanted::Nothing),
            ("/kanban boards ", 15, words(&["show"])),
            ("/kanban boards show d", 20, Wanted::Value(Kind::Board)),
            ("/kanban\u{3000}bo", 10, words(&["boards"])),
        ] {
            assert_eq!(wanted(&spec, typed), (start, expected), "{typed:?}");
        }
    }
}
